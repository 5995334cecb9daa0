"""From rows to what metrics add up to."""

from __future__ import annotations

import polars as pl
import pytest

from tailorbird.data import attribution
from tailorbird.data.attribution import MOST_SOURCES, UNDEFINED, Metric
from tailorbird.data.datasets import SOURCE

ROWS = pl.DataFrame(
    [
        ("a", "Watch", 899, "mail", 1.5),
        ("b", "watch", 900, "mail", None),
        ("a", "WATCH", 1799, None, 4.0),
        ("a", "click", 900, "mail", 8.0),
    ],
    schema=["ITEM_ID", "EVENT_TYPE", "TIMESTAMP", SOURCE, "PRICE"],
    orient="row",
)
ITEMS = pl.DataFrame({"ITEM_ID": ["a"], "PRICE": [100]})


@pytest.mark.parametrize(
    ("expression", "metric"),
    [
        (" samplecount() ", Metric("m", "watch")),
        ("SUM(Items.price)", Metric("m", "watch", "ITEMS", "PRICE")),
        ("sum( INTERACTIONS.Event_Value )", Metric("m", "watch", "INTERACTIONS", "EVENT_VALUE")),
        ("COUNT()", None),
        ("SUM(Users.AGE)", None),
    ],
)
def test_expressions(expression: str, metric: Metric | None) -> None:
    assert attribution.read("m", "watch", expression) == metric


def test_events_are_counted_and_columns_added_up_by_source_and_quarter_of_an_hour() -> None:
    metrics = [
        Metric("views", "watch"),
        Metric("paid", "watch", "INTERACTIONS", "PRICE"),
        Metric("worth", "watch", "ITEMS", "PRICE"),
        Metric("gone", "watch", "ITEMS", "NO_COLUMN"),
    ]
    found = attribution.totals(metrics, ROWS, ITEMS)
    assert found.rows() == [
        (0, "mail", 0, 1.0),
        (0, "mail", 900, 1.0),
        (0, UNDEFINED, 900, 1.0),
        (1, "mail", 0, 1.5),
        (1, "mail", 900, 0.0),
        (1, UNDEFINED, 900, 4.0),
        (2, "mail", 0, 100.0),
        (2, "mail", 900, 0.0),
        (2, UNDEFINED, 900, 100.0),
    ]
    halves = [attribution.totals(metrics, part, ITEMS) for part in (ROWS[:2], ROWS[2:])]
    assert sorted(attribution.together(halves).rows()) == sorted(found.rows())


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Int32, pl.Float32])
def test_sums_do_not_wrap(dtype: type[pl.DataType]) -> None:
    """Ten prices in wei, of which one alone fills a ninth of 64 bits."""
    price = {pl.Int64: 1_861_234_567_890_123_456, pl.Int32: 2_000_000_000, pl.Float32: 3e38}[dtype]
    items = pl.DataFrame({"ITEM_ID": ["i"], "PRICE": pl.Series([price], dtype=dtype)})
    rows = pl.DataFrame({"ITEM_ID": ["i"] * 10, "EVENT_TYPE": "watch", "TIMESTAMP": [0] * 10, SOURCE: "mail"})
    found = attribution.totals([Metric("worth", "watch", "ITEMS", "PRICE")], rows, items)
    assert found["VALUE"].to_list() == pytest.approx([10 * price], rel=1e-6)


def test_sources_over_the_quota_count_as_undefined() -> None:
    names = [f"s{number}" for number in range(MOST_SOURCES)]
    rows = pl.DataFrame({"METRIC": 0, SOURCE: [*names, "S0", UNDEFINED], "BUCKET": 0, "VALUE": 1.0})
    rows = rows.cast({"METRIC": pl.Int64, "BUCKET": pl.Int64})
    found = attribution.within_quota(rows, {"OLD", UNDEFINED})
    assert set(found[SOURCE]) == {*names[:-1], "S0", UNDEFINED}
    assert found.filter(pl.col(SOURCE) == UNDEFINED)["VALUE"].item() == 2.0
    assert attribution.within_quota(found, {name.upper() for name in names[:-1]})[SOURCE].n_unique() == len(names) + 1
