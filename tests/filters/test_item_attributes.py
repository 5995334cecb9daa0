"""Queries of aws-item-attribute-affinity: what is wrong with one, and what to write instead."""

from __future__ import annotations

import re

import pytest

from tailorbird.data.schema import Field, Schema
from tailorbird.errors import InvalidInputException
from tailorbird.filters import item_attributes

SCHEMA = Schema(
    "Items",
    (
        Field("GENRES", "string", nullable=True, categorical=True, textual=False),
        Field("YEAR", "int", nullable=True, categorical=False, textual=False),
    ),
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("19,5", '"19,5" has a decimal comma: write a point'),
        ('"1.994,0"', "has a decimal comma"),
        ("new", '"new" is not.'),
    ],
)
def test_a_number_as_it_is_written_elsewhere_is_named(value: str, words: str) -> None:
    with pytest.raises(InvalidInputException, match=f"itemAttributes: YEAR is a number; .*{re.escape(words)}"):
        item_attributes.parse(f"ITEMS.YEAR = {value} AND ITEMS.YEAR = 2", SCHEMA)


@pytest.mark.parametrize(
    ("value", "words", "meant"),
    [
        ("Drama", "put Drama in quotation marks", "Drama"),
        ("Sci Fi", "put Sci Fi in quotation marks", "Sci Fi"),
        ("“Drama”", "“Drama” is not in straight quotation marks", "Drama"),
        ("“Sci Fi”", "“Sci Fi” is not in straight quotation marks", "Sci Fi"),
        ("‘Drama’", "‘Drama’ is not in straight quotation marks", "Drama"),
        ("«Drama»", "is not in straight quotation marks", "Drama"),
        ("`Drama`", "is not in straight quotation marks", "Drama"),
        ("\\'Drama\\'", "is not in straight quotation marks", "Drama"),
        ('5"', "is not in straight quotation marks", "5"),
    ],
)
@pytest.mark.parametrize("rest", ["", " AND ITEMS.YEAR = 1994", " and items.year=1994"])
def test_a_text_without_straight_quotation_marks_is_told_what_to_write(
    value: str, words: str, meant: str, rest: str
) -> None:
    with pytest.raises(InvalidInputException, match=re.escape(words)) as refusal:
        item_attributes.parse(f"ITEMS.GENRES = {value}{rest}", SCHEMA)
    advice = re.search(r'write (".*")\.$', refusal.value.message)
    assert advice is not None
    assert item_attributes.parse(f"ITEMS.GENRES = {advice[1]}{rest}", SCHEMA)[0] == ("GENRES", meant)


@pytest.mark.parametrize("value", ["Drama|Comedy", "Drama | Comedy", "|Drama||Comedy|"])
def test_a_bar_parts_categories_and_the_advice_is_read(value: str) -> None:
    advice = item_attributes.parted(item_attributes.parse(f'ITEMS.GENRES = "{value}" AND ITEMS.YEAR = 1', SCHEMA))
    query = advice.partition("write ")[2].removesuffix(".")
    assert item_attributes.parse(query, SCHEMA) == (("GENRES", "Drama"), ("GENRES", "Comedy"))
    assert item_attributes.parted((("GENRES", "Drama"),)) == ""
