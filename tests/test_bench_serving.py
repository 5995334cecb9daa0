"""The load that bench/serving puts on servers: how fast they are is no test's business, that all is counted is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from serving import load
from serving.servers import Server, application

BODY = b'{"itemList":[]}'
REQUEST = b"POST /recommendations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    body = tmp_path_factory.mktemp("bare") / "body"
    body.write_bytes(BODY)
    bench = Path(load.__file__).parents[1]
    with application("bare", "serving.bare", {"BARE_BODY": str(body), "PYTHONPATH": str(bench)}) as server:
        yield server


def test_an_answer_comes_whole(bare: Server) -> None:
    head, _, body = load.ask(bare.port, REQUEST).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == BODY


def test_each_request_is_asked_once(bare: Server) -> None:
    flood = load.each_once(bare, [REQUEST] * 100)
    assert flood.rate > 0
    assert flood.p50 <= flood.p99


def test_each_due_request_is_asked_and_its_answer_looked_at(bare: Server) -> None:
    answers: list[bytes] = []
    took = load.at_rate(bare, [REQUEST], 200, 0.5, answers.append)
    assert len(took) == len(answers) == 100
    assert (np.array(took) > 0).all()
    assert all(answer.endswith(BODY) for answer in answers)


def test_the_next_is_asked_when_the_last_is_there(bare: Server) -> None:
    answers: list[bytes] = []
    assert len(load.one_by_one(bare, [REQUEST] * 3, answers.append)) == len(answers) == 3
