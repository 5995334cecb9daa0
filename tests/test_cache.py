"""What a process keeps: values of one version, and as many as there is room for."""

from __future__ import annotations

import itertools

from tailorbird.cache import Cache


def test_a_value_of_another_version_is_made_anew() -> None:
    cache, made = Cache(8), itertools.count()

    def get(version: object) -> int:
        return cache.get("kind", "key", lambda: next(made), version=version)

    assert [get(1), get(1), get(2), get(2), get(1)] == [0, 0, 1, 1, 2]
    assert get(object()) != get(object()), "versions that nobody can compare keep nothing"


def test_kinds_may_have_more_room_than_models() -> None:
    cache, made = Cache(2), itertools.count()

    def get(key: int, kept: int | None = None) -> int:
        return cache.get(f"at most {kept}", key, lambda: next(made), kept=kept)

    assert [get(key, 3) for key in (1, 2, 3, 1, 2, 3)] == [0, 1, 2, 0, 1, 2]
    assert [get(key) for key in (1, 2, 3, 1)] == [3, 4, 5, 6]


def test_a_peek_is_a_use() -> None:
    """What is only looked at is used no less: the others go first."""
    cache = Cache(2)
    for key in ("a", "b"):
        cache.get("kind", key, lambda key=key: key)
    assert cache.peek("kind", "a") == "a"
    cache.get("kind", "c", lambda: "c")
    assert cache.peek("kind", "a") == "a"
    assert cache.peek("kind", "b") is None
