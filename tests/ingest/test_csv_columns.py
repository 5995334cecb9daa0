"""A glance at a column's cells says what a close look says."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tailorbird.blanks import BLANKS
from tailorbird.data import schema, values
from tailorbird.data.null_words import NULL_WORDS, is_null_name
from tailorbird.ingest.csv_columns import conversion

FIELDS = [
    {"name": "ITEM_ID", "type": "string"},
    {"name": "CREATION_TIMESTAMP", "type": "long"},
    {"name": "WHOLE", "type": ["null", "int"]},
    {"name": "LONG", "type": "long"},
    {"name": "PRICE", "type": ["null", "float"]},
    {"name": "WEIGHT", "type": "double"},
    {"name": "TITLE", "type": ["null", "string"]},
    {"name": "GENRE", "type": ["null", "string"], "categorical": True},
    {"name": "NEW", "type": ["null", "boolean"]},
]
SCHEMA = schema.parse(json.dumps({"type": "record", "name": "Items", "fields": FIELDS}))
BLANK = st.text(st.sampled_from(BLANKS), max_size=2)
SHEET_ERRORS = ["#REF!", "#DIV/0!", "#NAME?", "#BEZUG!", "#NV", "#N/D", "Err:502", "########"]
WORDS = [
    *NULL_WORDS, *SHEET_ERRORS, "#1", "#a b!", "Err:", "${user}", "{{ u }}", "{{", "None", "NaN", "true", "1", "inf",
    "NUL", "İ",
]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(["7", "u7", "1.5", "1600000000"]),
    st.text(st.sampled_from("0123456789.-+eExX_ "), max_size=20),
    st.tuples(
        BLANK,
        st.sampled_from(WORDS),
        BLANK,
    ).map("".join),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        [str(number + by) for number in (0, 2**31, -(2**31), 2**53, 10**11, 20010101) for by in (-1, 0, 1)]
    ),
    st.floats().map(str),
    st.integers(253, 260).map("é".__mul__),
    st.integers(995, 1005).map("x".__mul__),
)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field["name"])
@settings(max_examples=50, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20), st.booleans())
def test_a_glance_says_what_a_close_look_says(field, texts, key):
    column = conversion(SCHEMA.field(field["name"]), key=key)
    table = pl.DataFrame({field["name"]: texts}, {field["name"]: pl.String})
    cells, codes = column.look(table.to_series())
    wanted, wanted_codes = column.close_look(table)
    event(f"faults: {codes is not None}")
    assert cells.dtype == wanted.dtype
    assert cells.to_list() == wanted.to_list()
    assert (codes is None) == (wanted_codes is None)
    assert codes is None or codes.to_list() == wanted_codes.to_list()


@pytest.mark.parametrize("text", SHEET_ERRORS)
def test_what_spreadsheets_show_for_no_value_is_no_name_and_a_fault_of_a_number(text):
    for name, kept in (("ITEM_ID", None), ("TITLE", text), ("PRICE", None)):
        column = conversion(SCHEMA.field(name), key=name == "ITEM_ID")
        cells, codes = column.look(pl.Series(name, ["7", f" {text}"]))
        assert cells.to_list()[1] == (kept and f" {text}")
        assert (codes is None) == (name == "TITLE"), "counted and told"
    assert is_null_name(text)
    with pytest.raises(values.UnusableValue, match="PRICE is not a finite number"):
        values.read(SCHEMA.field("PRICE"), text)
    assert values.read(SCHEMA.field("ITEM_ID"), text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("67,33", "has a decimal comma: write a point"),
        ("-0,5", "has a decimal comma: write a point"),
        ("1.234,5", "has a decimal comma: write a point"),
        ("1 234,50", "has a decimal comma: write a point"),
        ("1,234", "has a comma, which parts thousands or is a decimal comma: write 1234 or 1.234"),
        ("0,123", "has a decimal comma"),
        ("1,234,567.5", "has signs between thousands: write the digits alone"),
        ("1.740.784.848", "has signs between thousands: write the digits alone"),
        ("1'234'567", "has signs between thousands: write the digits alone"),
        ("1\u202f234\u202f567", "has signs between thousands: write the digits alone"),
        ("１７３５５６８９６００", "has digits of another width: write 0 to 9"),
        ("12,50 €", "has a currency or a unit beside the number"),
        ("$12.50", "has a currency or a unit beside the number"),
        ("99元", "has a currency or a unit beside the number"),
        ("12..5", ""),
        ("1,2,3", ""),
        ("12 apples", ""),
    ],
)
@pytest.mark.parametrize("name", ["PRICE", "WHOLE", "CREATION_TIMESTAMP"])
def test_numbers_as_they_are_written_elsewhere_are_named_at_both_doors(name, text, words):
    """And not at the one as a date, at the other as a number."""
    field = SCHEMA.field(name)
    _, codes = (column := conversion(field, key=False)).look(pl.Series(name, ["7", f" {text}"]))
    reason = column.faults[codes[1]].reason
    assert reason.startswith(f"{name} {words}" if words else f"{name} is not a ")
    with pytest.raises(values.UnusableValue) as refused:
        values.read(field, f" {text}")
    assert str(refused.value) == reason


@pytest.mark.parametrize("text", ["#1", "#", "#rock", "#a b!", "err:5", "error", "#who/what", "$5", "{a}", "e"])
def test_names_that_only_look_like_it_are_kept(text):
    assert values.read(SCHEMA.field("ITEM_ID"), text) == text
    cells, codes = conversion(SCHEMA.field("ITEM_ID"), key=True).look(pl.Series("ITEM_ID", [text]))
    assert (cells.to_list(), codes) == ([text], None)
