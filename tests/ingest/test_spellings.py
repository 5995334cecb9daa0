"""The quick look at spellings passes over none that is odd."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from tailorbird.data.schema import Field
from tailorbird.ingest.spellings import Oddities, Twins, hashed, odd_spellings, shown

FIELDS = [Field("ITEM_ID", "string", False, False, False), Field("GENRE", "string", True, True, False)]
TEXTS = st.text(st.sampled_from("a1.0eE+-_| '\"[,]{:}b\t\u200b\ufffd“”é"), max_size=8) | st.text(max_size=4)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
@given(TEXTS)
@example("5.0")
@example("1e+7")
@example("[]")
@example("a |b")
def test_no_odd_text_is_passed_over(field, text):
    texts = pl.Series([None, text, "plain"])
    odd = [pattern for pattern in odd_spellings(field) if texts.str.contains(pattern).any()]
    event(f"odd: {bool(odd)}")
    column = Oddities(field)
    assert column.may_be_in(texts[1:]) or not odd
    column.add(texts)
    assert len(column.warnings()) == len(odd)


@pytest.mark.parametrize("pair", [("ab", "AB"), ("Ab", "ab"), ("7", "007"), ("é", "e\u0301"), ("ab", "\uff41b")])
def test_twins_among_ordinary_texts(pair):
    for texts in (pair, pair[::-1]):
        twins = Twins("ITEM_ID")
        column = pl.Series("ITEM_ID", [*texts, "x-1", "10"])
        twins.add(column[:1])
        twins.add(column[1:])
        assert len(twins.warnings(hashed(column))) == 1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("👩‍💻", '"👩‍💻"'),
        ("می‌خواهم", '"می‌خواهم"'),
        ("👩‍💻\u200b", r'"👩\u200d💻\u200b"'),
        ("a\U000e0067", r'"a\U000e0067"'),
        ("Jose\u0301", r'"Jose\u0301"'),
        ("日本e\u0301", r'"日本e\u0301"'),
        ("\u1112\u1161\u11ab", r'"\u1112\u1161\u11ab"'),
        ('a"\\\n\x00', r'"a\"\\\n\u0000"'),
    ],
)
def test_examples_can_be_found_in_a_file(text, wanted):
    assert shown(text) == wanted
