"""Whole numbers are compared to the last digit, whatever they are compared with and whoever asks."""

from __future__ import annotations

import operator
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird.data.schema import Field, Schema
from tailorbird.filters import item_attributes
from tailorbird.filters.evaluate import MetadataTable, User, evaluate
from tailorbird.filters.syntax import parse
from tailorbird.filters.values import read

SNOWFLAKE = 1861234567890123456
SELLERS = [SNOWFLAKE, SNOWFLAKE + 1, None, 2**63 - 1, 2**63 - 2, -(2**63), 2**53, 2**53 + 1, 0]
TABLE = MetadataTable([f"i{row}" for row in range(len(SELLERS))], {"SELLER": SELLERS, "SAME": SELLERS, "F": [0.5] * 9})
COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def rows(where: str, values: dict[str, str] | None = None, current: int | None = None) -> list[int]:
    filter_ = parse(f"INCLUDE ItemID WHERE {where}")
    mask = evaluate(filter_, TABLE, read(filter_, values or {}, TABLE, None), None, current)
    return np.flatnonzero(mask).tolist()


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (f"= {SNOWFLAKE}", [0]),
        (f"= {SNOWFLAKE}.0", [0]),
        (f"= {SNOWFLAKE}.5", []),
        ("= 1.861234567890123456e18", [0]),
        (f'= "{SNOWFLAKE + 1}"', [1]),
        (f"!= {SNOWFLAKE}", [1, 3, 4, 5, 6, 7, 8]),
        (f"IN ({SNOWFLAKE + 1}, 7, 0.5)", [1]),
        (f"NOT IN ({SNOWFLAKE + 1})", [0, 2, 3, 4, 5, 6, 7, 8]),
        ("= 9223372036854775807", [3]),
        ("= 9223372036854775808", []),
        ("IN (9223372036854775808, 99999999999999999999)", []),
        ("!= 1e300", [0, 1, 3, 4, 5, 6, 7, 8]),
        ("> 9223372036854775806", [3]),
        (">= 9223372036854775806", [3, 4]),
        ("> 9223372036854775808", []),
        ("< -9223372036854775807", [5]),
        ("< -9223372036854775808", []),
        ("<= -9223372036854775808", [5]),
        ("< 1e300", [0, 1, 3, 4, 5, 6, 7, 8]),
        ("= 9007199254740993", [7]),
        ("= 9007199254740993.0", [7]),
        ("> 9007199254740992.5", [0, 1, 3, 4, 7]),
        ("< 0.5", [5, 8]),
        ("= -0.0", [8]),
        ("= 1e-400", [8]),
    ],
)
def test_a_long_is_compared_exactly(condition: str, wanted: list[int]) -> None:
    assert rows(f"Items.SELLER {condition}") == wanted


@pytest.mark.parametrize("text", [f"{SNOWFLAKE + 1}", f'"{SNOWFLAKE + 1}"', f"[{SNOWFLAKE + 1}]", f"{SNOWFLAKE + 1}.0"])
def test_placeholders_too(text: str) -> None:
    assert rows("Items.SELLER IN ($S)", {"S": text}) == [1]
    assert rows("Items.SELLER = $S", {"S": text}) == [1]


def test_the_current_item_too() -> None:
    assert rows("Items.SELLER = CurrentItem.SAME", current=0) == [0]
    assert rows("Items.SELLER IN CurrentItem.SAME", current=4) == [4]
    assert rows("Items.SELLER > CurrentItem.SAME", current=4) == [3]
    assert rows("Items.SELLER = CurrentItem.SAME", current=2) == []
    assert rows("Items.SELLER > CurrentItem.F", current=0) == [0, 1, 3, 4, 6, 7]
    assert rows("Items.F < CurrentItem.SAME", current=0) == list(range(9))


@pytest.mark.parametrize("name", ["INCLUDE", "EXCLUDE"])
def test_the_asking_user_too(name: str) -> None:
    user = User({"BIG": SNOWFLAKE, "SHARE": 0.5}, lambda types: np.array([], np.int32))
    for condition, holds in (
        (f"BIG = {SNOWFLAKE}", True),
        (f"BIG = {SNOWFLAKE + 1}", False),
        (f"BIG IN ({SNOWFLAKE + 1})", False),
        (f"BIG NOT IN ({SNOWFLAKE + 1})", True),
        (f"BIG < {SNOWFLAKE + 1}", True),
        ("SHARE = 0.5", True),
        ("SHARE IN (1)", False),
    ):
        filter_ = parse(f"{name} ItemID WHERE Items.F > 0 IF CurrentUser.{condition}")
        allowed = evaluate(filter_, TABLE, {}, user, None).all()
        assert allowed == (not holds if name == "EXCLUDE" else True)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(f"{SNOWFLAKE}", [0]), (f"{SNOWFLAKE + 2}", []), ("1.5", []), ("9223372036854775808", []), (f'"{2**53}"', [6])],
)
def test_queries_of_segments_too(value: str, wanted: list[int]) -> None:
    schema = Schema("Items", (Field("SELLER", "long", nullable=True, categorical=False, textual=False),))
    conditions = item_attributes.parse(f"ITEMS.SELLER = {value}", schema)
    assert np.flatnonzero(item_attributes.evaluate(conditions, TABLE)).tolist() == wanted


LONGS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63), 0, 1])
NUMBERS = st.one_of(
    LONGS.map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.tuples(LONGS, st.sampled_from(["0", "5", "25"])).map(lambda pair: f"{pair[0]}.{pair[1]}"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | LONGS, min_size=1, max_size=6), st.data())
def test_what_a_column_says_is_what_decimals_say(cells: list[int | None], data: st.DataObject) -> None:
    text = data.draw(NUMBERS | st.sampled_from([str(cell) for cell in cells if cell is not None] or ["0"]))
    number = Decimal(text) if float(text) else Decimal()
    column = MetadataTable([str(row) for row in range(len(cells))], {"L": cells}).column("L")
    if any(cell is not None for cell in cells):
        for name, compare in COMPARE.items():
            wanted = [cell is not None and compare(Decimal(cell), number) for cell in cells]
            assert column.match(name, [text]).tolist() == wanted
    assert column.match("IN", [text]).tolist() == [cell is not None and Decimal(cell) == number for cell in cells]
    assert column.match("NOT IN", [text]).tolist() == [cell is None or Decimal(cell) != number for cell in cells]
    assert [column.parts(row) for row in range(len(cells))] == [() if cell is None else (str(cell),) for cell in cells]
