"""Which interactions count: the same for one event and for a table of rows."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorbird.data import event_rules
from tailorbird.data.event_rules import EventRule

TYPES = st.sampled_from(["click", "Click", "buy", "BUY", "rate", ""])
VALUES = st.none() | st.sampled_from([0.0, 0.5, 1.0, 4.0])
RULES = st.lists(st.builds(EventRule, st.none() | TYPES, VALUES), max_size=3)


@given(rules=RULES, rows=st.lists(st.tuples(TYPES, VALUES), min_size=1, max_size=6))
def test_one_event_and_a_table_of_rows_are_judged_alike(rules, rows):
    frame = pl.DataFrame(rows, schema={"EVENT_TYPE": pl.String, "EVENT_VALUE": pl.Float64}, orient="row")
    admitted = frame.select(pl.lit(True) & event_rules.admitted(rules)).to_series().to_list()
    admitted = admitted * len(rows) if len(admitted) < len(rows) else admitted
    assert admitted == [event_rules.admits(rules, event_type, value) for event_type, value in rows]


def test_a_value_is_needed_only_where_there_is_a_threshold():
    assert event_rules.admits([EventRule("rate")], "Rate", None)
    assert not event_rules.admits([EventRule("rate", 0.0)], "Rate", None)
    assert event_rules.admits([EventRule("rate", 3.0), EventRule("buy")], "BUY", None)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_only_the_ratios_of_weights_matter(scale):
    rules = [EventRule("buy", weight=0.3 * scale), EventRule("click", weight=0.1 * scale)]
    rows = pl.DataFrame({"EVENT_TYPE": ["click", "Buy", "buy"]})
    assert rows.select(event_rules.weights(rules)).to_series().to_list() == pytest.approx([0.5, 1.5, 1.5])
