"""What is odd about rows that are right one by one, and what is not."""

from __future__ import annotations

import json

import polars as pl
import pytest

from tailorbird.data import schema
from tailorbird.ingest import row_checkup
from tailorbird.ingest.checkup import Checkup

NOW = 1_800_000_000


def made(name: str, **types: str) -> schema.Schema:
    fields = [{"name": column, "type": type_} for column, type_ in types.items()]
    if name == "Items":
        fields += [{"name": "GENRE", "type": ["null", "string"], "categorical": True}]
    return schema.parse(json.dumps({"type": "record", "name": name, "fields": fields}))


INTERACTIONS = made("Interactions", USER_ID="string", ITEM_ID="string", TIMESTAMP="long")
ITEMS = made("Items", ITEM_ID="string", CREATION_TIMESTAMP="long")


def warnings(times: list[int], users: list[str] | None = None, frames: int = 3) -> list[str]:
    """Of interactions of many users with many items, at these times, in some frames."""
    count = len(times)
    checkup = Checkup(INTERACTIONS, NOW)
    rows = pl.DataFrame(
        {
            "USER_ID": users or [f"u{n % 100}" for n in range(count)],
            "ITEM_ID": [f"i{n % 90}" for n in range(count)],
            "TIMESTAMP": times,
        }
    )
    for part in range(frames):
        checkup.see(rows[part * count // frames : (part + 1) * count // frames])
    return checkup.warnings()


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([20_231_001 + n % 28 for n in range(1000)], "1,000 rows have a TIMESTAMP that looks like a date such as"),
        (
            [45_000 + n % 900 for n in range(1000)],
            "1,000 rows have a TIMESTAMP that looks like one of Excel's day numbers",
        ),
        ([19_000 + n % 900 for n in range(1000)], "1,000 rows have a TIMESTAMP that looks like a number of days since"),
        ([1950 + n % 70 for n in range(1000)], "1,000 rows have a TIMESTAMP that looks like a year, the first 1950 ("),
        ([NOW - n for n in range(999)] + [NOW + 9 * 3600], "1 rows have a TIMESTAMP in the future"),
    ],
)
def test_times_that_are_none(times, words):
    (told,) = warnings(times)
    assert told.startswith(words)


@pytest.mark.parametrize("times", [range(1000), range(25_000), range(60_000), range(NOW - 1000, NOW + 60)])
def test_times_that_are_only_an_order_or_just_now_are_fine(times):
    assert warnings(list(times)) == []


@pytest.mark.parametrize(
    ("strange", "words"),
    [
        ("17850.0", "a USER_ID that some program made a number"),
        ("1.23457E+15", "a USER_ID that some program made a number"),
        ("u\u200b1", "a USER_ID with characters that cannot be seen"),
        ("\ufeffu1", "a USER_ID with characters that cannot be seen"),
        ("u1\u00a0", "a space before or after their USER_ID"),
    ],
)
def test_ids_that_are_others_than_they_seem(strange, words):
    users = [f"u{n % 100}" for n in range(998)] + [strange] * 2
    (told,) = warnings(list(range(1000)), users)
    assert told.startswith(f"2 rows have {words}")
    assert json.dumps(strange) in told or json.dumps(strange, ensure_ascii=False) in told


@pytest.mark.parametrize("fine", ["1.5", "1e5", "v2.0.1", "Jose\u0301", "日本", "a b", "0"])
def test_ids_that_are_fine(fine):
    assert warnings(list(range(1000)), [f"u{n % 100}" for n in range(998)] + [fine] * 2) == []


@pytest.mark.parametrize("twins", [("Jos\u00e9", "Jose\u0301"), ("e\u0323\u0307", "e\u0307\u0323")])
def test_ids_in_two_spellings_that_look_the_same(twins):
    (told,) = warnings(list(range(1000)), [f"u{n % 100}" for n in range(996)] + [*twins] * 2)
    assert told.startswith("1 ids of USER_ID occur in two spellings")


def test_one_id_with_a_large_share_of_all_rows():
    users = [f"u{n % 100}" for n in range(850)] + ["visitor"] * 150
    (told,) = warnings(list(range(1000)), users)
    assert told.startswith('150 of 1,000 rows have the USER_ID "visitor"')
    assert warnings(list(range(1000)), [f"u{n % 4}" for n in range(1000)]) == [
        "4 users have 2 rows or more; a training needs 25 such users, recorded events included."
    ]


def test_too_few_users_and_rows_that_repeat_are_told_and_the_whole_is_summed_up():
    checkup = Checkup(INTERACTIONS, NOW)
    rows = pl.DataFrame({"USER_ID": ["only"] * 1000, "ITEM_ID": [f"i{n % 90}" for n in range(1000)]})
    rows = rows.with_columns(TIMESTAMP=pl.int_range(1000, dtype=pl.Int64) * 86400)
    for _ in range(2):
        checkup.see(rows)
    told = " ".join(checkup.warnings())
    assert "1 users have 2 rows or more; a training needs 25 such users" in told
    assert "50% of the rows repeat an earlier one in every column" in told
    assert checkup.summary() == "2,000 events, 1 users, 90 items, from 1970-01-01 00:00 to 1972-09-26 00:00 (UTC)."


def test_repetitions_of_many_rows_are_estimated_from_few(monkeypatch):
    monkeypatch.setattr(row_checkup, "MOST_KEPT", 1000)
    checkup = row_checkup.RowCheckup()
    for _ in range(2):
        checkup.add(pl.DataFrame({"n": range(50_000)}))
    assert checkup.repeated() == 0.5
    assert len(checkup._kept) <= 1000


def test_null_words_in_texts_and_strange_times_of_items():
    checkup = Checkup(ITEMS, NOW)
    items = {"ITEM_ID": ["a", "b", "c", "d"], "CREATION_TIMESTAMP": [1, None, 253_402_300_799, 20_231_114]}
    checkup.see(pl.DataFrame(items | {"GENRE": ["None", "Drama", r"\N", None]}))
    told = checkup.warnings()
    assert [text.split(",")[0] for text in told] == [
        "1 rows have a CREATION_TIMESTAMP in the future: the first is 253402300799 (9999-12-31 23:59 UTC); they count "
        "as if they had none.",
        "1 rows have a CREATION_TIMESTAMP that looks like a date such as 20231114",
        "2 rows have the word None as GENRE",
    ]
    assert Checkup(ITEMS, NOW).warnings() == []
