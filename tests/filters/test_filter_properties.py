"""Random filters against a slow evaluator that reads row by row; random text against the parser."""

from __future__ import annotations

import json
import operator
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from filters.test_filter_cases import advice
from tailorbird.data.schema import Field, Schema
from tailorbird.errors import InvalidInputException, LimitExceededException
from tailorbird.filters.check import MAX_FIELDS, check
from tailorbird.filters.evaluate import KEPT_MASKS, UNKNOWN_ITEM, MetadataTable, User, evaluate
from tailorbird.filters.lists import Comparand, split
from tailorbird.filters.syntax import ColumnReference, Expression, Filter, Parameter, Predicate, parse

COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TAGS, NUMBERS, EVENTS = ("a", "b", "c", "A", ""), ("0", "1", "-2.5", "3"), ("click", "buy", "*")
MANY = settings(max_examples=300, deadline=None)


# A filter as text


def unparse(filter_: Filter) -> str:
    return " | ".join(unparse_expression(each) for each in filter_.expressions)


def unparse_expression(expression: Expression) -> str:
    where = " OR ".join(" AND ".join(map(unparse_predicate, all_of)) for all_of in expression.where)
    condition = " AND ".join(
        unparse_predicate(each).replace("Users.", "CurrentUser.", 1) for each in expression.condition
    )
    effect = "INCLUDE" if expression.include else "EXCLUDE"
    return f"{effect} {expression.target} WHERE {where}" + (f" IF {condition}" if condition else "")


def unparse_predicate(predicate: Predicate) -> str:
    operand = predicate.operand
    if isinstance(operand, ColumnReference):
        return f"{predicate.column} {predicate.operator} CurrentItem.{operand.name}"
    texts = [f"${operand.name}"] if isinstance(operand, Parameter) else [quoted(text) for text in operand]
    return f"{predicate.column} {predicate.operator} ({', '.join(texts)})"


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


# Random filters and tables


def predicates(column: ColumnReference, texts: tuple[str, ...], comparators: tuple[str, ...], current: str | None):
    one = st.sampled_from(texts).map(lambda text: (text,))
    some = st.lists(st.sampled_from(texts), min_size=1, max_size=3).map(tuple)
    placeholder = st.sampled_from([Parameter("P_" + name) for name in ("x", "y")]).map(
        lambda parameter: Parameter(f"{parameter.name}_{column.name}")
    )
    here = st.just(ColumnReference("ITEMS", current)) if current else st.nothing()
    choices = [
        st.builds(Predicate, st.just(column), st.just("IN"), some | placeholder | here),
        st.builds(Predicate, st.just(column), st.just("NOT IN"), some | here),
        st.builds(Predicate, st.just(column), st.sampled_from(comparators), one | placeholder),
    ]
    if texts is NUMBERS and current:
        choices.append(st.builds(Predicate, st.just(column), st.sampled_from(comparators), here))
    return st.one_of(choices)


def disjunctions(leaf):
    return st.lists(st.lists(leaf, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple)


ITEM = predicates(ColumnReference("ITEMS", "TAGS"), TAGS, ("=", "!="), "TAGS") | predicates(
    ColumnReference("ITEMS", "NUMBER"), NUMBERS, tuple(COMPARE), "NUMBER"
)
EVENT = predicates(ColumnReference("INTERACTIONS", "EVENT_TYPE"), EVENTS, ("=",), None)
USER = predicates(ColumnReference("USERS", "TAGS"), TAGS, ("=", "!="), None) | predicates(
    ColumnReference("USERS", "NUMBER"), NUMBERS, tuple(COMPARE), None
)
FILTERS = st.lists(
    st.builds(
        Expression,
        include=st.booleans(),
        target=st.just("ItemID"),
        where=disjunctions(ITEM) | disjunctions(EVENT),
        condition=st.just(()) | st.lists(USER, min_size=1, max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=3,
).map(lambda expressions: Filter(tuple(expressions)))
TAG_VALUES = st.none() | st.lists(st.sampled_from(TAGS), min_size=1, max_size=3).map("|".join)
NUMBER_VALUES = st.none() | st.sampled_from([0, 1, -2.5, 3.0])
ROW_NAMES = ("TAGS", "NUMBER")
ROW = st.fixed_dictionaries({"TAGS": TAG_VALUES, "NUMBER": NUMBER_VALUES})
EVENT_TYPES = st.frozensets(st.sampled_from(["click", "buy", "other"]))


# The same meaning, one row at a time


def parts_of(text: str) -> list[str]:
    """What stands between two bars; nothing is no category."""
    return [part for part in text.split("|") if part]


def holds(value: object, operator_: str, operand: tuple[str, ...]) -> bool:
    if value is None:
        return operator_ == "NOT IN"
    is_text = isinstance(value, str)
    wanted = list(operand) if is_text else [float(text) for text in operand]
    parts = parts_of(value) if is_text else [value]
    if operator_ == "IN":
        return any(part in wanted for part in parts)
    if operator_ == "NOT IN":
        return all(part not in wanted for part in parts)
    return bool(wanted) and COMPARE[operator_](value, wanted[0])


def row_matches(predicate: Predicate, row: dict, events: frozenset[str], current: dict | None, values: dict):
    operand = predicate.operand
    if isinstance(operand, Parameter):
        operand = values[operand.name]
    if predicate.column.dataset == "INTERACTIONS":
        found = any("*" in operand or event in operand for event in events)
        return found != (predicate.operator == "NOT IN")
    if isinstance(operand, ColumnReference):
        if current is None:
            return False
        value = current[operand.name]
        operand = () if value is None else tuple(parts_of(str(value)))
    return holds(row[predicate.column.name], predicate.operator, operand)


def slowly(filter_: Filter, rows, events, user: dict, current: dict | None, values: dict) -> list[bool]:
    included, excluded, any_include = set(), set(), False
    for expression in filter_.expressions:
        if any(name not in values for name in expression.parameters):
            continue
        if any(user[each.column.name] is None for each in expression.condition):
            continue
        if not all(row_matches(each, user, frozenset(), None, values) for each in expression.condition):
            continue
        matching = {
            number
            for number, (row, types) in enumerate(zip(rows, events, strict=True))
            if any(all(row_matches(p, row, types, current, values) for p in all_of) for all_of in expression.where)
        }
        any_include |= expression.include
        (included if expression.include else excluded).update(matching)
    return [(number in included or not any_include) and number not in excluded for number in range(len(rows))]


@MANY
@given(FILTERS, st.data())
def test_masks_equal_the_row_by_row_meaning(filter_: Filter, data: st.DataObject):
    rows = data.draw(st.lists(ROW, min_size=1, max_size=6))
    events = data.draw(st.lists(EVENT_TYPES, min_size=len(rows), max_size=len(rows)))
    attributes = data.draw(ROW)
    current = data.draw(st.integers(UNKNOWN_ITEM, len(rows) - 1))
    needed = {name for each in filter_.expressions if each.include for name in each.parameters}
    given_ = [name for name in filter_.parameters if name in needed or data.draw(st.booleans())]
    pools = {"TAGS": TAGS, "NUMBER": NUMBERS, "EVENT_TYPE": EVENTS}
    values = {name: (data.draw(st.sampled_from(pools[name[4:]])),) for name in given_}
    table = MetadataTable(
        [f"i{n}" for n in range(len(rows))], {name: [row[name] for row in rows] for name in ROW_NAMES}, ["TAGS"]
    )

    def touched(types: frozenset[str] | None) -> np.ndarray:
        return np.array([n for n, had in enumerate(events) if (had if types is None else had & types)], np.int32)

    mask = evaluate(filter_, table, values, User(attributes, touched, ["TAGS"]), current)
    here = None if current == UNKNOWN_ITEM else rows[current]
    assert mask.tolist() == slowly(filter_, rows, events, attributes, here, values)


@MANY
@given(FILTERS, st.randoms(use_true_random=False))
def test_parse_reads_back_what_was_written(filter_: Filter, random: Random):
    text = unparse(filter_)
    assume(len(text) <= 2500)
    assert parse(text) == filter_
    mangled = "".join(random.choice(" \t\n\u3000") if character == " " else character for character in text)
    assert parse(mangled) == filter_


# Hostile text

WORDS = [
    *(
        "INCLUDE ",
        "exclude ",
        "ItemID ",
        "UserID",
        "ActionID ",
        " WHERE ",
        " IF ",
        " AND ",
        " OR ",
        " NOT IN ",
    ),
    *(" IN ", "Items.A", "Interactions.EVENT_TYPE", "Users.A", "Actions.A", "CurrentUser.A", "CurrentItem.A"),
    *("(", ")", ",", "|", "$P", '"x"', "'y'", '"', "'", "1", "-2e5", "=", "<=", "!", " ", "."),
    *("\0", "é", "\ud800"),
]
SCHEMAS = {
    "ITEMS": Schema("Items", (Field("A", "int", nullable=True, categorical=False, textual=False),)),
    "USERS": Schema("Users", (Field("A", "string", nullable=True, categorical=True, textual=False),)),
}


def result_or_message(call: Callable[[], Any]) -> Any:
    """What the call returns, or the text of its InvalidInputException; no other exception is expected."""
    try:
        return call()
    except InvalidInputException as error:
        return error.message


def checked(text: str) -> Filter:
    filter_ = parse(text)
    check(filter_, SCHEMAS)
    return filter_


@settings(max_examples=1000, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=30).map("".join))
@example("INCLUDE ItemID WHERE Items.A = 1")
def test_any_text_is_a_filter_or_invalid_input(text: str):
    found = result_or_message(lambda: checked(text))
    if isinstance(found, str):
        assert found.startswith("Could not create filter. Invalid ")
    else:
        assert parse(unparse(found)) == found


VALUES = st.lists(st.text(max_size=5), min_size=1, max_size=4)
FORMS: dict[str, Callable[[list[str]], str]] = {
    "AWS's": lambda values: " , ".join(map(quoted, values)),
    "single quotes": lambda values: ",".join("'" + value.replace("'", "''") + "'" for value in values),
    "JSON": lambda values: json.dumps(values),
    "a list in Python": lambda values: repr(values),
    "a tuple in Python": lambda values: repr(tuple(values)),
}
PLAIN = re.compile(r"[^\x00-\x1f\x7f-\xff\\'\"]*")
"""Texts that Python prints without an escape, and JSON too."""


def unknown(text: str) -> bool:
    return False


@MANY
@given(VALUES, st.sampled_from(sorted(FORMS)))
def test_lists_are_read_in_every_form(values: list[str], form: str):
    if "Python" in form:
        assume(all(PLAIN.fullmatch(value) and value.isprintable() for value in values))
    assert split("P", FORMS[form](values), Comparand(values.__contains__)) == tuple(values)


@MANY
@given(st.text(alphabet="\"',x[](){}|;\\ “”", max_size=12))
def test_any_value_is_read_or_refused_with_the_right_form(text: str):
    found = result_or_message(lambda: split("P", text, Comparand(unknown)))
    if isinstance(found, str):
        assert found.startswith("filterValues.P ")
        assert "each value in double quotes" in found
    else:
        assert found
    assert split("P", text, Comparand(lambda whole: True)) if text.strip() else True


KNOWN = frozenset({"x", "y", "xy"})


@settings(max_examples=2000, deadline=None)
@given(st.text(alphabet="\"',xyz[](){}|;\\ “”/#!*.-_=\u200b", max_size=10), st.booleans(), st.booleans())
@example('"x", "y",', True, False)
@example('["x", null]', True, False)
def test_what_a_refusal_advises_is_read(text: str, many: bool, bears: bool):
    compared = Comparand(KNOWN.__contains__, many=many, bears=lambda sign: bears)
    found = result_or_message(lambda: split("P", text, compared))
    if isinstance(found, str):
        assert split("P", advice(found), compared), found
        if itself := re.search(r'commas between\. (".+") is one value as well\.$', found):
            assert len(split("P", itself[1], compared)) == 1


def test_hyphens_are_of_a_value_where_others_have_them_or_it_is_in_quotes():
    for bears, text in ((True, "x-y"), (True, "x_y"), (True, "x.y"), (False, '"x-y"'), (False, "x-z"), (False, "z_w")):
        assert split("P", text, Comparand(KNOWN.__contains__, bears=lambda sign, has=bears: has)) == (text.strip('"'),)
    with pytest.raises(InvalidInputException, match='Instead, write "x","y"'):
        split("P", "x-y", Comparand(KNOWN.__contains__, bears=lambda sign: False))
    with pytest.raises(InvalidInputException, match=r'Instead, write "x": .* "x!" is one value as well'):
        split("P", "x!", Comparand(KNOWN.__contains__))


UNITS = [
    "(",
    '"',
    "'x'",
    " ",
    "1",
    "a",
    "|",
    "$",
    "Items",
    "Items.A ",
    "INCLUDE ",
    "NOT ",
    '"a",',
    "1e",
    "Action_",
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("start", ["", "INCLUDE ItemID WHERE ", "INCLUDE ItemID WHERE Items.A IN ("])
def test_long_hostile_text_is_answered_at_once(start: str, unit: str):
    text = (start + unit * 2500)[:2500]
    began = time.process_time()
    with pytest.raises(InvalidInputException):
        parse(text)
    assert time.process_time() - began < 1  # of this process alone, however busy the machine is


def test_the_longest_filter_is_read_and_one_character_more_is_not():
    text = "INCLUDE ItemID WHERE " + " OR ".join(["Items.A = 1"] * 164)
    text += " " * (2500 - len(text))
    assert len(parse(text).expressions[0].where) == 164
    with pytest.raises(InvalidInputException, match="2501 characters"):
        parse(text + " ")


# Limits and tables


def test_more_fields_than_allowed():
    names = [f"F{number}" for number in range(MAX_FIELDS + 1)]
    fields = tuple(Field(name, "int", nullable=True, categorical=False, textual=False) for name in names)
    most = "INCLUDE ItemID WHERE " + " AND ".join(f"Items.{name} = 1" for name in names[:-1])
    check(parse(most), {"ITEMS": Schema("Items", fields)})
    with pytest.raises(LimitExceededException, match="11 distinct fields"):
        check(parse(f"{most} AND Items.{names[-1]} = 1"), {"ITEMS": Schema("Items", fields)})


def test_a_dataset_that_is_not_there():
    with pytest.raises(InvalidInputException, match="no Items dataset"):
        check(parse("INCLUDE ItemID WHERE Items.A = 1"), {})


def test_what_a_filter_offers():
    filter_ = parse(
        "exclude ITEMID where items.a in ($p) and Items.A in CurrentItem.b if CurrentUser.c > $q"
        " | INCLUDE ItemID WHERE Items.A IN ($p) | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ('*')"
    )
    assert filter_.target == "ItemID"
    assert filter_.parameters == ("p", "q")
    assert filter_.fields == {("ITEMS", "A"), ("ITEMS", "B"), ("USERS", "C"), ("INTERACTIONS", "EVENT_TYPE")}
    assert filter_.needs_user
    assert filter_.needs_current_item
    plain = parse("INCLUDE ItemID WHERE Items.A = 1")
    assert not plain.needs_user
    assert not plain.needs_current_item
    assert plain.parameters == ()


def test_arrays_and_strings_with_their_numpy_types_make_a_table():
    columns = {"year": np.array([1999, 2000]), "Tag": np.array(["a|b", None], dtype=object)}
    table = MetadataTable(np.array(["i1", "i2"]), columns, ["TAG"])
    allowed = evaluate(
        parse("INCLUDE ItemID WHERE Items.YEAR = 1999 AND Items.TAG IN ('b') AND Items.ITEM_ID IN ('i1')"),
        *(table, {}, None, None),
    )
    assert allowed.tolist() == [True, False]


@pytest.mark.parametrize("cells", [["|A", "A||B", "|", None], ["|", "||", " | ", None]])
def test_nothing_between_bars_is_no_category(cells):
    table = MetadataTable([f"i{n}" for n in range(4)], {"G": cells}, ["G"])

    def allowed(text):
        return evaluate(parse(text), table, {}, None, None).tolist()

    assert not any(allowed('INCLUDE ItemID WHERE Items.G IN ("")'))
    assert not any(allowed('INCLUDE ItemID WHERE Items.G IN (" ")'))
    assert allowed('INCLUDE ItemID WHERE Items.G IN ("A")') == [cell in ("|A", "A||B") for cell in cells]
    assert table.column("G").parts(2) == ()
    assert User({"G": "|A"}, lambda types: np.array([], np.int32), ["G"]).parts("G") == ("A",)


def test_a_table_refuses_what_it_cannot_compare():
    with pytest.raises(ValueError, match="column A has 1 values for 2 ids"):
        MetadataTable(["i1", "i2"], {"A": [1]})
    for mixed in ([1, "x"], [True, None]):
        with pytest.raises(TypeError, match="all numbers or all strings"):
            evaluate(
                parse("INCLUDE ItemID WHERE Items.A = 1"), MetadataTable(["i1", "i2"], {"A": mixed}), {}, None, None
            )


def test_masks_are_the_callers_and_kept_ones_are_few():
    table = MetadataTable(["i1", "i2"], {"A": [1, 2]})
    filter_ = parse("INCLUDE ItemID WHERE Items.A = 1")
    mask = evaluate(filter_, table, {}, None, None)
    mask[:] = True
    assert evaluate(filter_, table, {}, None, None).tolist() == [True, False]
    for number in range(2 * KEPT_MASKS):
        evaluate(parse(f"INCLUDE ItemID WHERE Items.A = {number}"), table, {}, None, None)
    assert table.static_where.cache_info().currsize == KEPT_MASKS


def test_threads_share_a_table():
    digits = [str(number % 7) for number in range(20_000)]
    table = MetadataTable(digits, {f"C{number}": digits for number in range(4)})
    filters = [parse(f"INCLUDE ItemID WHERE Items.C{number % 4} IN ($P)") for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        masks = list(pool.map(lambda each: evaluate(each, table, {"P": ("3",)}, None, None), filters))
    assert all(mask.tolist() == [digit == "3" for digit in digits] for mask in masks)
