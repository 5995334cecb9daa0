"""Documents: inserted once, changed by compare-and-set, listed in the order of their creation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tailorbird.storage.catalogue import AlreadyExists, Catalogue


@pytest.fixture
def catalogue(database_url: str) -> Catalogue:
    return Catalogue(database_url)


def test_an_arn_is_taken_once(catalogue: Catalogue) -> None:
    catalogue.insert("Schema", "arn:1", {"name": "a"})
    with pytest.raises(AlreadyExists):
        catalogue.insert("Dataset", "arn:1", {"name": "b"})
    assert catalogue.get("arn:1") == catalogue.get("arn:1", "Schema") == {"name": "a"}
    assert catalogue.get("arn:1", "Dataset") is None
    catalogue.delete("arn:1")
    catalogue.delete("arn:1")
    assert catalogue.get("arn:1") is None
    catalogue.close()


def test_concurrent_changes_all_count(catalogue: Catalogue) -> None:
    catalogue.insert("Schema", "arn:1", {"count": 0})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: catalogue.update("arn:1", lambda old: {"count": old["count"] + 1}), range(40)))
    assert catalogue.get("arn:1") == {"count": 40}
    assert catalogue.update("arn:1", lambda old: None) is None
    assert catalogue.update("arn:none", lambda old: old) is None
    catalogue.close()


def test_selection(catalogue: Catalogue) -> None:
    for number in range(5):
        document = {"status": "ACTIVE" if number % 2 else "CREATE PENDING", "group": f"g{number % 2}"}
        catalogue.insert("Filter", f"arn:x_{number}", document)
    catalogue.insert("Filter", "arn:xy5", {"status": "ACTIVE", "group": "g1"})
    everything = catalogue.select("Filter")
    assert [number for number, _ in everything] == sorted(number for number, _ in everything)
    assert len(catalogue.select("Filter", prefix="arn:x_")) == 5, "an underscore is no wildcard"
    assert len(catalogue.select("Filter", {"group": "g1"}, limit=2)) == 2
    assert catalogue.select("Filter", after=everything[3][0]) == everything[4:]
    assert [arn for arn, _, _ in catalogue.with_status(["CREATE PENDING"])] == ["arn:x_0", "arn:x_2", "arn:x_4"]
    catalogue.close()


def test_every_commit_of_anybody_is_another_version(catalogue: Catalogue, database_url: str) -> None:
    other = Catalogue(database_url)
    versions = [catalogue.version()]
    for writer in (catalogue, other):
        writer.insert("Schema", "arn:1", {"count": 0})
        versions.append(catalogue.version())
        writer.update("arn:1", lambda old: {"count": 1})
        versions.append(catalogue.version())
        writer.delete("arn:1")
        versions.append(catalogue.version())
    assert len(set(versions)) == len(versions)
    catalogue.get("arn:1")
    other.select("Schema")
    assert catalogue.version() == versions[-1], "to read changes nothing"
    with catalogue.transaction():
        assert catalogue.version() != catalogue.version(), "inside a transaction none can be told"
        catalogue.insert("Schema", "arn:2", {})
    assert catalogue.version() != versions[-1]
    catalogue.close()
    other.close()


def test_versions_are_told_to_many_threads(catalogue: Catalogue) -> None:
    catalogue.insert("Schema", "arn:1", {"count": 0})

    def change(_: int) -> bool:
        before = catalogue.version()
        catalogue.update("arn:1", lambda old: {"count": old["count"] + 1})
        return catalogue.version() != before

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(change, range(40)))
    catalogue.close()
