"""Errors as clients get them."""

from __future__ import annotations

import json

from tailorbird.errors import InvalidInputException
from tailorbird.wire.response import failure
from tailorbird.wire.signature import Request


def test_an_error_that_quotes_what_is_no_unicode_is_told() -> None:
    answer = failure(Request("POST", "/", "", {"x-amz-target": "x"}, b""), InvalidInputException("There is no \ud800."))
    assert answer.status == 400
    assert json.loads(answer.body) == {"__type": "InvalidInputException", "message": "There is no \\ud800."}
