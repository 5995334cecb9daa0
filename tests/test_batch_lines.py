"""Lines of batch jobs: what one line says is answered, or refused, on that line alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailorbird.api import batch
from tailorbird.numbers import to_number


def answers(*lines: bytes, prepare: Any = lambda question: question) -> list[dict[str, Any]]:
    return batch.open_lines(lines, ("userId",), prepare)[0]


def test_a_defect_that_one_line_meets_costs_no_other_line(caplog: pytest.LogCaptureFixture) -> None:
    def prepare(question: dict[str, Any]) -> float:
        return 1 / len(question["filterValues"])

    whole = b'{"userId":"1","filterValues":{"P":"5"}}'
    found = answers(whole, b'{"userId":"1"}', whole, prepare=prepare)
    assert [answer["error"] for answer in found] == [
        None, "Internal error (ZeroDivisionError); the server's log has the details.", None,
    ]  # fmt: skip
    assert "a line was not answered" in caplog.text


@pytest.mark.parametrize("user", [json.dumps(word) for word in ("\u200b", "\ufeff", "\x1f", "[object Object]", "None")])
def test_what_is_no_user_is_told(user: str) -> None:
    assert "userId is missing" in answers(f'{{"userId":{user}}}'.encode())[0]["error"]


def test_numbers_without_bounds_are_told_on_their_line() -> None:
    long = b"9" * 5000
    first, second = answers(b'{"userId":' + long + b"}", b'{"userId":"1","filterValues":{"P":' + long + b"}}")
    assert "out of range" in first["error"]
    assert "out of range" in second["error"]
    assert to_number(long.decode()) is None


@pytest.mark.parametrize(
    ("given", "read"),
    [('["30"]', '"30"'), ("30", "30"), ("[30, 31.5]", '"30","31.5"'), ('["a, b", "c"]', '"a, b","c"')],
)
def test_a_list_of_values_is_read_as_the_text_that_it_stands_for(given: str, read: str) -> None:
    asked: list[dict[str, Any]] = []
    answers(f'{{"userId":"1","filterValues":{{"P":{given}}}}}'.encode(), prepare=asked.append)
    assert [question["filterValues"] for question in asked] == [{"P": read}]


@pytest.mark.parametrize("given", ['[["30"]]', "[null]", "[true]", '[{"a": 1}]', '["a\\"b"]', "null", '{"a": 1}'])
def test_what_is_no_list_of_values_is_told(given: str) -> None:
    (answer,) = answers(f'{{"userId":"1","filterValues":{{"P":{given}}}}}'.encode())
    assert "filterValues must be an object of texts" in answer["error"]
