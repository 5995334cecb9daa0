"""Rows that repeat an earlier one are left out, whether rows are looked at all together or only neighbours are."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird.data.datasets import NUMBER, distinct

COLUMNS = {"USER_ID": pl.String, "ITEM_ID": pl.String, "TIMESTAMP": pl.Int64, "VALUE": pl.Float64, NUMBER: pl.Int64}
ROWS = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from(["i", "j"]),
    st.integers(0, 2),
    st.sampled_from([None, 1.0]),
    st.integers(0, 1),
)


@settings(deadline=None)
@given(st.lists(ROWS, max_size=30), st.booleans())
def test_rows_that_repeat_an_earlier_one_are_left_out(rows, ordered):
    frame = pl.DataFrame(rows, COLUMNS, orient="row")
    if ordered:
        frame = frame.sort("USER_ID", "TIMESTAMP", maintain_order=True)
    expected = list({row[:-1]: row for row in reversed(frame.rows())}.values())[::-1]
    assert sorted(distinct(frame).rows(), key=repr) == sorted(expected, key=repr)
    assert distinct(frame).rows() == [row for row in dict.fromkeys(frame.rows()) if row in expected]
