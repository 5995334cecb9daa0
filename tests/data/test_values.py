"""One value, one answer at every door: what comes one by one and what comes in a file mean the same."""

from __future__ import annotations

import io
import json
from functools import partial

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tailorbird.data import schema, values
from tailorbird.ingest.csv_files import ImportFailed, Source, read
from tailorbird.json_text import Numeral
from tailorbird.numbers import to_number, whole_value

TYPES = ("string", "int", "long", "float", "boolean")
FIELDS = [{"name": "ITEM_ID", "type": "string"}, {"name": "CREATION_TIMESTAMP", "type": ["null", "long"]}] + [
    {"name": f"A_{type_}", "type": ["null", type_]} for type_ in TYPES
]
FIELDS.append({"name": "REPEAT_FREQUENCY", "type": ["null", "long"]})
SCHEMA = schema.parse(json.dumps({"type": "record", "name": "Items", "fields": FIELDS}))

CONTROLS = "\0\t\v\f\x1c\x1d\x1e\x1f\x7f\x85"
"""Python's strip() and \\s, its float() and polars have different ones of these for blanks."""
UNSEEN = "\xa0\u200b\u2028\u3000\ufeff"

texts = st.one_of(
    st.text(st.sampled_from("0123456789.-+eE tTrRuUnN"), max_size=16),
    st.text(st.sampled_from(f"05.{CONTROLS}{UNSEEN}"), max_size=6),
    st.text(st.sampled_from(f" trueTE{CONTROLS}{UNSEEN}"), max_size=6),
    st.sampled_from(
        [
            "N/A",
            "#N/A",
            "nil",
            "NaT",
            "(null)",
            "-",
            "NA",
            "True",
            "FALSE",
            " true",
            "None",
            "null",
            "NULL",
            "nan",
            r"\N",
            "undefined",
            "",
            " ",
            "1_0",
            "inf",
        ]
    ),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False).map(str),
    st.integers(0, 300_000_000_000).map(str),
)


def alone(field: schema.Field, text: str) -> tuple[values.Value, str]:
    """What a single value is, and why it is none."""
    try:
        return values.read(field, text), ""
    except values.UnusableValue as error:
        return None, str(error)


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, min_size=1, max_size=30))
@example(["\x1f5", "5\x1f", "true\x1f", "\x1f", "\u200b", "\ufeffnull", "\x1c1.5", "20231114093000\x1e"])
@example(["0" * 4500, "0" * 4500 + "7", "-" + "0" * 4500 + "7", "9" * 4301, "-" + "9" * 4301, "1" * 20, "+000"])
@example(["3.4028234e38", "3.4028235677973366e+38", "-3.5e38", "1e308", "-1", "-0", "-0.5", "0", "#REF!", "${x}"])
@example(["3.4028235e38", "-3.4028235E38", "3.4028236e38", "3.402823567797336e38", "1e18", "-1e18", "1e19", "1.2e18"])
@example(["9007199254740993.0", "9007199254740993.5", "-9007199254740993.5", "9223372036854775807.0", "1e16", "9.0e15"])
@example(["1.861234567890123456e18", "1.8612345678901235e+18", "9223372036854775808.0", "-9223372036854775808.0"])
@example(["1793337586.4376848", "-1.5", "9007199254740993", "9007199254740992.0", "253402300799", "20231114093000"])
def test_a_file_and_a_single_value_are_read_alike(cells):
    header = ",".join(field["name"] for field in FIELDS)
    body = "".join(f"i{n}" + f",{cell}" * (len(FIELDS) - 1) + "\n" for n, cell in enumerate(cells))
    frames: list[pl.DataFrame] = []
    data = f"{header}\n{body}".encode()
    report = read([Source("a.csv", len(data), partial(io.BytesIO, data))], SCHEMA, frames.append, lambda *_: None)
    found = pl.concat(frames)
    for field in SCHEMA.fields[1:]:
        for cell, imported in zip(cells, found[field.name], strict=True):
            single, reason = alone(field, cell)
            assert single == imported
            assert not reason or reason in report.counts


def test_an_id_is_read_alike():
    field = SCHEMA.fields[0]
    words = ("None", "", " ", "undefined", "x", "nanna", r"\N", "y" * 257)
    for word in (
        *words,
        "N/A",
        "#N/A",
        "n/a",
        "nil",
        "NaT",
        "(null)",
        "-",
        "NA",
        "Nile",
        "n-a",
        "[object Object]",
        "\u200b",
        "\ufeff",
        "\x1f",
    ):
        data = f"{','.join(f['name'] for f in FIELDS)}\nok,,,,,,,\n{word},,,,,,,\n".encode()
        frames: list[pl.DataFrame] = []
        read([Source("a.csv", len(data), partial(io.BytesIO, data))], SCHEMA, frames.append, lambda *_: None)
        single, _ = alone(field, word)
        assert pl.concat(frames)["ITEM_ID"].to_list() == ["ok"] + [single] * (single is not None)


@pytest.mark.parametrize(
    ("type_", "given_value", "wanted"),
    [
        ("long", 1793337586.43, 1793337586),
        ("int", -1.5, -2),
        ("long", 1e18, 10**18),
        ("long", "1e18", 10**18),
        ("long", "9007199254740993.0", 2**53 + 1),
        ("long", "-9007199254740993.5", -(2**53) - 2),
        ("long", "9223372036854775807.0", 2**63 - 1),
        ("long", Numeral("9007199254740993.0"), 2**53 + 1),
        ("float", "3.4028235E38", 3.4028235e38),
        ("long", 2**63 - 1, 2**63 - 1),
        ("float", 3, 3.0),
        ("float", "", None),
        ("boolean", "TRUE", True),
        ("boolean", False, False),
        ("string", 17, "17"),
        ("string", "None", "None"),
        ("string", "N/A", "N/A"),
        ("string", "-", "-"),
        ("long", "N/A", None),
        ("boolean", "-", None),
        ("string", "null", None),
        ("string", None, None),
        ("string", "x" * 1001, "x" * 1000),
    ],
)
def test_values_of_json(type_, given_value, wanted):
    found = values.read(SCHEMA.field(f"A_{type_}"), given_value)
    assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    ("type_", "given_value", "words"),
    [
        ("string", ["a", "b"], r"joined with \|"),
        ("string", True, "must be a text"),
        ("long", True, "not a number"),
        ("boolean", 1, "neither true nor false"),
        ("int", 2**31, "declare it long"),
        ("int", "1.8612345678901235e+18", "declare it long"),
        ("long", "1.8612345678901235e+18", "A_long is too large to be written with an exponent.*all of its digits"),
        ("long", 1.8612345678901235e18, "all of its digits"),
        ("long", 2**63, "does not fit a long"),
        ("long", "1e19", "does not fit a long"),
        ("long", "1.23456789012345678e19", "does not fit a long"),
        ("float", "3.4028236e38", "does not fit a float"),
        ("float", 1e308, "does not fit a float"),
        ("float", "-3.5e38", "does not fit a float"),
        ("float", {}, "one value"),
    ],
)
def test_values_that_their_column_cannot_hold(type_, given_value, words):
    with pytest.raises(values.UnusableValue, match=words):
        values.read(SCHEMA.field(f"A_{type_}"), given_value)


def test_a_category_too_long_fails_an_import_and_is_refused_alone():
    text = {"name": "G", "type": "string", "categorical": True}
    made = schema.parse(json.dumps({"type": "record", "name": "Items", "fields": [FIELDS[0], text]}))
    with pytest.raises(values.UnusableValue, match=r"^Length cannot be more than 1000 characters for G\.\.\."):
        values.read(made.fields[1], "g" * 1001)
    data = b"ITEM_ID,G\n1," + b"g" * 1001 + b"\n"
    with pytest.raises(ImportFailed, match="Length cannot be more"):
        read([Source("a.csv", len(data), partial(io.BytesIO, data))], made, lambda frame: None, lambda *_: None)


@pytest.mark.parametrize("name", ["USER_ID", "ITEM_ID", "ACTION_ID", "EVENT_TYPE"])
def test_an_id_that_is_a_number_with_a_fraction_is_refused(name):
    field = schema.Field(**(vars(SCHEMA.fields[0]) | {"name": name}))
    with pytest.raises(
        values.UnusableValue, match=rf"^{name} is the number 3\.0: write it as the data have it, in quotes"
    ):
        values.read(field, 3.0)
    assert values.read(field, 3) == "3"
    assert values.read(field, "3.0") == "3.0"


@pytest.mark.parametrize("text", ["\x1f5", "5\x1f", " \x1c5\u200b", "\ufeff5", "0" * 4500 + "5", "+5"])
def test_a_number_is_read_whatever_cannot_be_seen_around_it(text):
    assert to_number(text) == whole_value(text) == 5
    assert values.read(SCHEMA.field("A_long"), text) == 5


@pytest.mark.parametrize("text", ["9" * 4301, "1" * 310, "-" + "9" * 5000, "5\x1f5", "", "+", "\x1f", "٥"])
def test_what_is_no_number_raises_no_other_error(text):
    assert to_number(text) is whole_value(text) is None
    for type_ in ("int", "long", "float"):
        if text.strip("\x1f"):
            with pytest.raises(values.UnusableValue):
                values.read(SCHEMA.field(f"A_{type_}"), text)


def test_a_double_may_be_what_a_float_may_not():
    field = schema.Field("EVENT_VALUE", "double", nullable=False, categorical=False, textual=False)
    assert values.read(field, 1e308) == 1e308
    assert values.read(SCHEMA.field("A_float"), 3.4028235e38) == 3.4028235e38


def test_days_to_wait_are_not_negative():
    field = SCHEMA.field("REPEAT_FREQUENCY")
    assert [values.read(field, days) for days in (0, 3.5, "7")] == [0, 3, 7]
    for days in (-1, "-0.5"):
        with pytest.raises(values.UnusableValue, match="REPEAT_FREQUENCY is negative: write a number of days"):
            values.read(field, days)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("A|B", ("A", "B")), ("|A", ("A",)), ("A||B", ("A", "B")), ("| |", ()), ("", ()), ("A ", ("A ",))],
)
def test_nothing_between_bars_is_no_category(text, wanted):
    assert values.categories(text) == wanted
