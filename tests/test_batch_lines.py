"""Lines of batch jobs: what one line says is answered, or refused, on that line alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tailorbird import json_text
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


@pytest.mark.parametrize("word", ["null", "undefined", " ", "", "\u200b", "[object Object]"])
def test_a_word_for_no_value_is_no_item_of_a_list(word: str) -> None:
    line = json.dumps({"userId": "1", "itemList": ["1", word]}).encode()
    (answer,) = batch.open_lines([line], ("userId", "itemList"), lambda question: question)[0]
    assert answer["error"].startswith("itemList[1] is ")
    assert "which is no item id" in answer["error"]


@pytest.mark.parametrize("given", ['[["30"]]', "[null]", "[true]", '[{"a": 1}]', '["a\\"b"]', "null", '{"a": 1}'])
def test_what_is_no_list_of_values_is_told(given: str) -> None:
    (answer,) = answers(f'{{"userId":"1","filterValues":{{"P":{given}}}}}'.encode())
    assert "filterValues must be an object of texts" in answer["error"]


@pytest.mark.parametrize("user", [r"\ud800", r"a\ud83dx", r"\udc00", r"\ud83d\u0041", r"\\\\\uDBFF"])
def test_a_letter_that_was_cut_is_told(user: str) -> None:
    (answer,) = answers(f'{{"userId":"{user}"}}'.encode())
    half = re.search(r"\\u(d83d|d800|dc00|DBFF)", user)
    assert half is not None
    assert f"not JSON: {half[0]} is half of a letter without its other half" in answer["error"]
    whole = answers(rb'{"userId":"\ud83d\ude00\\ud83d"}')[0]
    assert (whole["error"], whole["input"]) == (None, {"userId": "\U0001f600\\ud83d"})


def test_floats_keep_their_digits() -> None:
    asked: list[dict[str, Any]] = []
    line = b'{"userId":"1","filterValues":{"P":[1861234567890123456.0,2],"Q":9007199254740993.0}}'
    (answer,) = answers(line, prepare=asked.append)
    assert asked[0]["filterValues"] == {"P": '"1861234567890123456.0","2"', "Q": "9007199254740993.0"}
    assert line.removesuffix(b"}") in json_text.encode(answer)
