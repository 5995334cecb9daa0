"""Every case of tests/cases/filters.json, from the text of a filter to the allowed ids or the error."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailorbird.data.schema import Field, Schema
from tailorbird.errors import InvalidInputException
from tailorbird.filters.check import check
from tailorbird.filters.evaluate import UNKNOWN_ITEM, MetadataTable, User, evaluate
from tailorbird.filters.syntax import Filter, parse
from tailorbird.filters.values import read

CASES = json.loads((Path(__file__).parents[1] / "cases" / "filters.json").read_text(encoding="utf-8"))
NAMES = {
    "ITEMS": "Items",
    "USERS": "Users",
    "INTERACTIONS": "Interactions",
    "ACTIONS": "Actions",
    "ACTION_INTERACTIONS": "ActionInteractions",
}


def field_of(name: str, kind: str) -> Field:
    words = kind.split()
    return Field(name, words[0], nullable=True, categorical="categorical" in words, textual="textual" in words)


SCHEMAS = {
    dataset: Schema(NAMES[dataset], tuple(field_of(*each) for each in fields.items()))
    for dataset, fields in CASES["schemas"].items()
}


def table_of(rows: dict[str, dict[str, object]], schema: Schema) -> MetadataTable:
    names = {name for row in rows.values() for name in row}
    return MetadataTable(
        list(rows), {name: [row.get(name) for row in rows.values()] for name in names}, schema.categories
    )


DATASETS = {"ItemID": "ITEMS", "UserID": "USERS", "ActionID": "ACTIONS"}
TABLES = {target: table_of(rows, SCHEMAS[DATASETS[target]]) for target, rows in CASES["tables"].items()}


def asking(filter_: Filter, name: str | None) -> User | None:
    """The user of a request, or for a UserID filter whoever has the events."""
    ids = list(CASES["tables"][filter_.target])

    def touched(types: frozenset[str] | None) -> np.ndarray:
        found = [
            user if filter_.target == "UserID" else subject
            for user, subject, event_type in CASES["events"]
            if filter_.target == "UserID" or user == name
            if types is None or event_type.lower().replace("not taken", "not_taken") in types
        ]
        return np.array([ids.index(each) for each in found if each in ids], dtype=np.int32)

    if filter_.target == "UserID":
        return User({}, touched)
    return User(CASES["tables"]["UserID"][name], touched, SCHEMAS["USERS"].categories) if name else None


def answer(case: dict[str, object], filter_: Filter) -> list[str]:
    ids = list(CASES["tables"][filter_.target])
    item = case.get("item")
    current = None if item is None else ids.index(item) if item in ids else UNKNOWN_ITEM
    table, user = TABLES[filter_.target], asking(filter_, case.get("user"))
    mask = evaluate(filter_, table, read(filter_, case.get("values", {}), table, user), user, current)
    return [each for each, allowed in zip(ids, mask, strict=True) if allowed]


@pytest.mark.parametrize("case", CASES["cases"], ids=[case["name"] for case in CASES["cases"]])
def test_case(case: dict[str, object]):
    if "create_error" in case:
        with pytest.raises(InvalidInputException, match=re.escape(case["create_error"])):
            check(parse(case["filter"]), SCHEMAS)
        return
    filter_ = parse(case["filter"])
    check(filter_, SCHEMAS)
    if "request_error" in case:
        with pytest.raises(InvalidInputException, match=re.escape(case["request_error"])):
            answer(case, filter_)
        return
    assert answer(case, filter_) == case["allowed"]
    assert answer(case, filter_) == case["allowed"], "the second answer comes from kept masks"
    assert len(filter_.fields) == case.get("fields", len(filter_.fields))


LISTS = [(group, text) for group in CASES["lists"] for text in group["read"]]
REFUSED = [(group, text) for group in CASES["lists"] for text in group["refused"]]


@pytest.mark.parametrize(("group", "text"), LISTS, ids=[f"{group['filter']} {text}" for group, text in LISTS])
def test_a_list_is_read(group: dict[str, Any], text: str):
    assert answer(group | {"values": {"P": text}}, parse(group["filter"])) == group["read"][text]


@pytest.mark.parametrize(("group", "text"), REFUSED, ids=[f"{group['filter']} {text}" for group, text in REFUSED])
def test_what_cannot_be_told_is_refused_with_the_right_form(group: dict[str, Any], text: str):
    with pytest.raises(
        InvalidInputException, match=r"^filterValues\.P .* (each value in double quotes|write numbers alone)"
    ):
        answer(group | {"values": {"P": text}}, parse(group["filter"]))


@pytest.mark.parametrize(("group", "text"), REFUSED, ids=[f"{group['filter']} {text}" for group, text in REFUSED])
def test_what_a_refusal_advises_is_read_when_it_is_written_so(group: dict[str, Any], text: str):
    filter_ = parse(group["filter"])
    with pytest.raises(InvalidInputException) as refusal:
        answer(group | {"values": {"P": text}}, filter_)
    answer(group | {"values": {"P": advice(refusal.value.message)}}, filter_)


ADVICE = re.compile(
    r'such as (".*?"); a quote inside|Instead, write (".+"): each value|alone, such as (\S+?)[.;]?(?: |$)'
)


def advice(message: str) -> str:
    """The text that a message says to write."""
    found = ADVICE.search(message)
    assert found is not None, message
    return next(filter(None, found.groups()))


def test_all_examples_of_the_specification_are_there():
    numbers = {int(found[1]) for case in CASES["cases"] if (found := re.match(r"5\.5 #(\d+)", case["name"]))}
    assert numbers == set(range(1, 36))
