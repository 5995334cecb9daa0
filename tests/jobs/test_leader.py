"""What one process asks of the leader comes back as that answered it, errors included."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailorbird import errors
from tailorbird.aws_local.remote import RemoteAwsLocal
from tailorbird.jobs import leader
from tailorbird.jobs.leader import Leader, answering
from tailorbird.workspace import AccessKey

ERRORS = {
    "damaged": errors.DamagedFile(Path("/data/x"), "is missing", "Restore it.", "all clients"),
    "full": errors.NoSpace(Path("/data")),
    "own": errors.ServiceError(409, "BucketNotEmpty", "The bucket has objects."),
    "database": errors.DatabaseUnavailable("connection refused"),
    "newer": errors.NewerFormat("The data folder /data", 3, 2),
    "expired": errors.ExpiredTokenException("The session is over."),
}


def answer(name: str, body: bytes) -> list[object]:
    if name in ERRORS:
        raise ERRORS[name]
    if name == "defect":
        raise RuntimeError("a secret of the program")
    return [200, [["etag", "ä"]], body]


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Leader]:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    with answering(folder, {"answer": answer, "hindrances": lambda: ["slow"], "damages": list}):
        yield Leader(folder)


def test_answers_of_any_size_come_back_to_many_who_ask_at_once(asked: Leader) -> None:
    bodies, found = [bytes([number]) * (1 << 20) for number in range(16)], dict[int, object]()

    def ask(number: int) -> None:
        found[number] = asked.ask("answer", "x", bodies[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [200, [["etag", "ä"]], bodies[number]] for number in range(16)}
    assert (asked.hindrances(), asked.damages()) == (["slow"], [])


@pytest.mark.parametrize("name", ERRORS)
def test_errors_come_back_as_they_were(asked: Leader, name: str) -> None:
    expected = ERRORS[name]
    with pytest.raises(type(expected)) as error:
        asked.ask("answer", name, b"")
    assert (error.value.code, error.value.message, str(error.value)) == (
        expected.code,
        expected.message,
        str(expected),
    )
    assert (error.value.rest_status, error.value.control_status) == (expected.rest_status, expected.control_status)


def test_a_defect_is_told_in_the_leaders_log_alone(asked: Leader, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(errors.InternalFailure) as error:
        asked.ask("answer", "defect", b"")
    assert "secret" not in error.value.message
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_leader_that_is_away_is_waited_for_and_then_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Leader(tmp_path)
    assert away.hindrances()
    assert away.damages() == []
    monkeypatch.setattr(leader.Leader.ask, "__kwdefaults__", {"patience": 0.1})
    with pytest.raises(errors.ServiceUnavailable, match="try again"):
        away.ask("answer", "x", b"")
    (tmp_path / leader.SOCKET).touch()  # of one that was killed
    with answering(tmp_path, {"answer": answer}):
        assert away.ask("answer", "x", b"y") == [200, [["etag", "ä"]], b"y"]
    assert not (tmp_path / leader.SOCKET).exists()


def test_keys_are_asked_for_once_a_second_and_again_after_a_change() -> None:
    asked = []

    def ask(name: str, *arguments: object) -> object:
        asked.append(name)
        return "hush" if name == "secret_of" else [200, [], b""]

    remote = RemoteAwsLocal(ask, AccessKey("AKIAOWN", "own"))
    assert remote.secret_of("AKIAOWN", "") == "own"
    assert not asked
    assert [remote.secret_of("AKIAUSER", "") for _ in range(3)] == ["hush"] * 3
    remote.secret_of("ASIAUSER", "token")
    assert asked == ["secret_of"] * 2
    assert remote.answer("iam", "POST", "/", "", {}, b"") == (200, [], b"")
    remote.secret_of("AKIAUSER", "")
    assert asked[-2:] == ["answer", "secret_of"]
