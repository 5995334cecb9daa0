"""What is odd about rows that are right one by one, and what is not."""

from __future__ import annotations

import json
import re
import unicodedata

import polars as pl
import pytest

from tailorbird.data import schema, unseen
from tailorbird.ingest import row_checkup, spellings
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
            [45_000 + n % 910 for n in range(1000)],
            "1,000 rows have a TIMESTAMP that looks like one of Excel's day numbers",
        ),
        ([19_000 + n % 910 for n in range(1000)], "1,000 rows have a TIMESTAMP that looks like a number of days since"),
        ([1950 + n % 70 for n in range(1000)], "1,000 rows have a TIMESTAMP that looks like a year, the first 1950 ("),
        ([2_026_001 + n % 365 for n in range(1000)], "1,000 rows have a TIMESTAMP that looks like a year and a day"),
        (
            [498_000 + n for n in range(1000)],
            "1,000 rows have a TIMESTAMP that looks like a number of hours since 1970",
        ),
        (
            [29_940_000 + n for n in range(1000)],
            "1,000 rows have a TIMESTAMP that looks like a number of minutes since",
        ),
        (
            [21_000_000 + n for n in range(1000)],
            "1,000 rows have a TIMESTAMP that looks like a number of minutes since",
        ),
        ([2_900 + n // 20 for n in range(1000)], "1,000 rows have a TIMESTAMP before 1995, the first 2900 (1970"),
        (
            [0] * 5 + [NOW - n for n in range(995)],
            "5 rows have a TIMESTAMP before 1995, and others after, the first 0 (",
        ),
        ([NOW - n for n in range(999)] + [NOW + 9 * 3600], "1 row has a TIMESTAMP in the future"),
    ],
)
def test_times_that_are_none(times, words):
    (told,) = warnings(times)
    assert told.startswith(words)


@pytest.mark.parametrize(
    "times",
    [
        range(1000), range(25_000), range(60_000), range(1, 1001), range(0, 2_000_000, 40), range(0, 90_000_000, 900),
        range(789_000_000, 789_001_000), range(NOW - 1000, NOW + 60),
    ],
)  # fmt: skip
def test_times_that_are_only_an_order_or_just_now_are_fine(times):
    assert warnings(list(times)) == []


@pytest.mark.parametrize(
    ("strange", "words"),
    [
        ("17850.0", "a USER_ID that some program made a number"),
        ("1.23457E+15", "a USER_ID that some program made a number"),
        ("u\u200b1", "a USER_ID with characters that cannot be seen"),
        ("\ufeffu1", "a USER_ID with characters that cannot be seen"),
        ("u1\u00a0", "a space before or after the USER_ID"),
        ("'u1'", "a USER_ID in quotes"),
        ('"u1"', "a USER_ID in quotes"),
        ("“u1”", "a USER_ID in quotes"),
        ("`u1`", "a USER_ID in quotes"),
        ("u\x00", "a USER_ID with characters that cannot be seen"),
        ("b'u1'", "a USER_ID that Python printed as bytes"),
        ('b"u1"', "a USER_ID that Python printed as bytes"),
        ("Jos\ufffd", "a USER_ID with U+FFFD"),
    ],
)
def test_ids_that_are_others_than_they_seem(strange, words):
    users = [f"u{n % 100}" for n in range(998)] + [strange] * 2
    (told,) = warnings(list(range(1000)), users)
    assert told.startswith(f"2 rows have {words}")
    assert told.endswith(f"the first is {spellings.shown(strange)}")


SLIPS = (
    *(
        "u1\u200d",
        "\u200cu1",
        "👩\u200d",
        "\u200d👩",
        "👩\u200dx",
        "👩\u200d\u200d💻",
        "👩\u200b💻",
        "日\u200d本",
        "a\u200cb",
    ),
    *("می\u200c", "\u200cمی", "می\u200c\u200cخواهم", "می\u200c خواهم", "می\u200bخواهم", "a\U000e0067"),
)


@pytest.mark.parametrize("slip", SLIPS)
def test_joiners_where_nothing_is_joined(slip):
    (told,) = spellings.oddities(INTERACTIONS.fields[0], slip)
    assert "cannot be seen" in told
    assert pl.Series([slip]).str.contains(unseen.SLIPS).all()


@pytest.mark.parametrize(
    "fine",
    [
        *(
            "👩‍💻",
            "👩‍👩‍👧‍👦",
            "🏳️‍🌈",
            "🧑🏽‍💻",
            "🧑‍🦯‍➡️",
            "👨‍⚕️",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        ),
        *("می‌خواهم", "خانه‌ای", "ه‍", "ه‍.ق", "क्‍ष", "क्‌ष", "क्‌", "അവന്‍", "র‍্যাব", "ශ්‍රී"),
        *("b'", "b'u", "ｉ1", "1.5", "1e5", "v2.0.1", "Jose\u0301", "日本", "a b", "0", "O'Hara", "'n", "007", "B00X"),
    ],
)
def test_ids_that_are_fine(fine):
    assert warnings(list(range(1000)), [f"u{n % 100}" for n in range(998)] + [fine] * 2) == []


@pytest.mark.parametrize("twins", [("Jos\u00e9", "Jose\u0301"), ("e\u0323\u0307", "e\u0307\u0323")])
def test_ids_in_two_spellings_that_look_the_same(twins):
    (told,) = warnings(list(range(1000)), [f"u{n % 100}" for n in range(996)] + [*twins] * 2)
    assert told.startswith("1 value of USER_ID occurs in two spellings")


@pytest.mark.parametrize(
    ("twins", "words"),
    [
        (("u8", "U8"), "1 value of USER_ID occurs in two spellings that differ in upper and lower case only"),
        (("JOHN", "John"), "1 value of USER_ID occurs in two spellings that differ in upper and lower case only"),
        (("Élan", "élan"), "1 value of USER_ID occurs in two spellings that differ in upper and lower case only"),
        (("008", "8"), "1 value of USER_ID occurs in two spellings that differ in zeros at their beginning only"),
        (("ｕ7", "u7"), "1 value of USER_ID occurs in two spellings that differ in the width or form of letters only"),
        (
            ("ｕ7", "u\uff17"),
            "1 value of USER_ID occurs in two spellings that differ in the width or form of letters only",
        ),
        (("08", "008"), "1 value of USER_ID occurs in two spellings that differ in zeros at their beginning only"),
    ],
)
def test_ids_in_two_spellings(twins, words):
    others = [f"u{n % 100 + 100}" for n in range(996)]
    (told,) = warnings(list(range(1000)), others + [*twins] * 2)
    assert told.startswith(words)


def test_random_codes_that_differ_in_case_are_fine():
    assert warnings(list(range(1000)), [f"u{n % 100}" for n in range(998)] + ["aBcX9", "AbCx9"]) == []


def test_event_types_in_several_spellings():
    types = schema.parse(
        json.dumps(
            {
                "type": "record",
                "name": "Interactions",
                "fields": [{"name": name, "type": "string"} for name in ("USER_ID", "ITEM_ID", "EVENT_TYPE")]
                + [{"name": "TIMESTAMP", "type": "long"}],
            }
        )
    )

    def seen(kinds: list[str]) -> list[str]:
        checkup = Checkup(types, NOW)
        rows = [(f"u{n % 100}", f"i{n % 90}", kinds[n % len(kinds)], n) for n in range(1200)]
        checkup.see(pl.DataFrame(rows, [field.name for field in types.fields], orient="row"))
        return [text.split(";")[0].split(",")[0] for text in checkup.warnings()]

    assert seen(["click", "Click", "CLICK", " click"]) == [
        "300 rows have a space before or after the EVENT_TYPE",
        "1 value of EVENT_TYPE occurs in two spellings that differ in upper and lower case only",
    ]
    assert seen(["click", "'click'"]) == ["600 rows have a EVENT_TYPE in quotes"]
    assert seen(["click", "view", "ADD_TO_CART", "watch"]) == []


@pytest.mark.parametrize("word", ["unknown", "Guest ", "-1"])
def test_a_word_for_the_unknown_among_few_users(word):
    told = warnings(list(range(1000)), [f"u{n % 7}" for n in range(667)] + [word] * 333)
    assert sum(f"333 of 1,000 rows have the USER_ID {json.dumps(word)}" in text for text in told) == 1


def test_one_id_with_a_large_share_of_all_rows():
    users = [f"u{n % 100}" for n in range(850)] + ["visitor"] * 150
    (told,) = warnings(list(range(1000)), users)
    assert told.startswith('150 of 1,000 rows have the USER_ID "visitor"')
    assert warnings(list(range(1000)), [f"u{n % 4}" for n in range(1000)]) == [
        "4 users have 2 rows or more; a training needs 25 such users, recorded events included."
    ]
    two = [f"u{n % 100}" for n in range(600)] + ["visitor", "None of them"] * 200
    assert len(warnings(list(range(1000)), two)) == 2, "neither is the other's excuse"


@pytest.mark.parametrize(
    ("fall", "catalogue", "told"), [(1.0, 50, 0), (1.0, 1000, 0), (1.5, 50, 0), (1.5, 1000, 0), (9.0, 50, 1)]
)
def test_a_popular_item_is_no_fault(fall, catalogue, told):
    """Popularity by Zipf's law; only where next to all rows have one item it is worth a word."""
    counts = [max(1, int(2000 / rank**fall)) for rank in range(1, catalogue + 1)]
    items = [f"i{place}" for place, count in enumerate(counts) for _ in range(count)]
    checkup = Checkup(INTERACTIONS, NOW)
    users = [f"u{n % 100}" for n in range(len(items))]
    checkup.see(pl.DataFrame({"USER_ID": users, "ITEM_ID": items, "TIMESTAMP": list(range(len(items)))}))
    found = checkup.warnings()
    assert len(found) == told
    assert all('rows have the ITEM_ID "i0": where it stands for what is unknown' in text for text in found)


def categories(*genres: str) -> list[str]:
    """What is said of items with these genres."""
    checkup = Checkup(ITEMS, NOW)
    items = {"ITEM_ID": [f"i{n}" for n in range(len(genres))], "CREATION_TIMESTAMP": [NOW - 1] * len(genres)}
    checkup.see(pl.DataFrame(items | {"GENRE": genres}))
    return checkup.warnings()


@pytest.mark.parametrize(
    ("genres", "words"),
    [
        (['["A", "B"]'], "1 row has a GENRE that is spelled as a list"),
        (["['A']", "A"], "1 row has a GENRE that is spelled as a list"),
        (["('A', 'B')", "[A, B]", "{A,B}"], "3 rows have a GENRE that is spelled as a list"),
        (["A, B", "A", "B"], "1 row has a GENRE that looks like several categories with commas between"),
        (["A;B", "A|B"], "1 row has a GENRE that looks like several categories with semicolons between"),
        (["A,B", "B,C,A", "C,A"], "3 rows have a GENRE that looks like several categories with commas between"),
        (
            ["茶叶，绿茶", "茶叶，红茶", "零食"],
            "2 rows have a GENRE that looks like several categories with Chinese commas",
        ),
        (
            ["茶叶、绿茶", "茶叶"],
            "1 row has a GENRE that looks like several categories with enumeration commas between",
        ),
        (["茶叶｜绿茶", "绿茶|零食"], "1 row has a GENRE that looks like several categories with wide bars between"),
        (
            ["茶叶；绿茶", "绿茶"],
            "1 row has a GENRE that looks like several categories with Chinese semicolons between",
        ),
        (["A;B", "B;C"], "2 rows have a GENRE that looks like several categories with semicolons between"),
        (["12;34", "12"], "1 row has a GENRE that looks like several categories with semicolons between"),
        (["A/B", "A", "B"], "1 row has a GENRE that looks like several categories with slashes between"),
        (
            ["A, B/C", "A", "B", "C"],
            "1 row has a GENRE that looks like several categories with signs of several kinds",
        ),
        (["|A", "A||B", "|", "A|", "A|B"], "4 rows have a GENRE with a | at an end, or two with nothing between"),
        ([" A ", "A"], "1 row has a GENRE with spaces around a category"),
        (["A | B", "A|B"], "1 row has a GENRE with spaces around a category"),
    ],
)
def test_categories_that_count_as_one(genres, words):
    (told,) = categories(*genres)
    assert told.startswith(words)
    assert json.dumps(genres[0], ensure_ascii=False) in told


@pytest.mark.parametrize(
    "genres",
    [
        ("Comedy|Drama", "Comedy", "Sci-Fi", "A b"),
        ("Clothing, Shoes & Jewelry", "Home, Kitchen & Garden", "Clothing"),
        ("Salem, OR", "Portland, OR", "Portland, ME"),
        ("1,5", "1", "5", "2,5"),
        ("24/7", "24", "7", "AC/DC", "Men/Women"),
        ("Food &amp; Drink", "Drink", "Health &amp; Beauty", "Beauty"),
        ("他说，好", "动作、片", "a; b"),
        ("(no genres listed)", "[unknown]", "O'Hara", "a,", "a"),
    ],
)
def test_categories_that_are_fine(genres):
    assert categories(*genres) == []


def test_the_same_parts_between_different_signs_are_categories():
    told = categories("A,B", "A/B", "A;B")
    assert [text.split(" with ")[1].split()[0] for text in told] == ["commas", "semicolons", "slashes"]


def test_many_texts_with_one_part_in_common_take_no_time():
    assert categories(*(f"Clothing, {n}x" for n in range(3000))) == []


def test_one_value_is_judged_as_a_column_is():
    texts = [
        "u1",
        " u1",
        "'u1'",
        "17850.0",
        "1.5E+9",
        "u\u200b",
        "u\x00",
        "\u00adu",
        "b'u1'",
        "u\ufffd",
        "日本",
        "['A']",
        "A | B",
        "A|B",
        "(x)",
        "[a,b]",
    ]
    for field in ITEMS.fields:
        if spellings.odd_spellings(field):
            for text in texts:
                column = spellings.Oddities(field)
                column.add(pl.Series([text]))
                assert [t.split("; the first")[0] for t in column.warnings()] == [
                    f"1 row has {words}" for words in spellings.oddities(field, text)
                ]


@pytest.mark.parametrize("pattern", [next(p for p in spellings.ODD_LABELS if "\u200b" in p)])
def test_what_cannot_be_seen_is_what_unicode_says(pattern):
    """All of Cc and Cf but hieroglyphs, shorthand and music."""
    rare = range(0x110BD, 0x1D17B)
    unseen = [chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) in ("Cc", "Cf") and n not in rare]
    assert [letter for letter in unseen if not re.search(pattern, letter)] == []


def test_too_few_users_and_rows_that_repeat_are_told_and_the_whole_is_summed_up():
    checkup = Checkup(INTERACTIONS, NOW)
    rows = pl.DataFrame({"USER_ID": ["only"] * 1000, "ITEM_ID": [f"i{n % 90}" for n in range(1000)]})
    rows = rows.with_columns(TIMESTAMP=pl.int_range(1000, dtype=pl.Int64) * 86400)
    for _ in range(2):
        checkup.see(rows)
    told = " ".join(checkup.warnings())
    assert "1 user has 2 rows or more; a training needs 25 such users" in told
    assert "50% of the rows repeat an earlier one in every column, and count once" in told
    assert "a training needs 1,000" not in told
    assert checkup.summary() == "2,000 events, 1 user, 90 items, from 1970-01-01 00:00 to 1972-09-26 00:00 (UTC)."


def test_floors_are_of_different_rows_as_a_training_counts_them():
    checkup = Checkup(INTERACTIONS, NOW)
    rows = pl.DataFrame({"USER_ID": [f"u{n % 30}" for n in range(700)], "ITEM_ID": [f"i{n % 90}" for n in range(700)]})
    for _ in range(2):
        checkup.see(rows.with_columns(TIMESTAMP=NOW - pl.int_range(700, dtype=pl.Int64)))
    assert "There are 700 different rows; a training needs 1,000, recorded events included." in checkup.warnings()
    checkup = Checkup(INTERACTIONS, NOW)
    for _ in range(2):
        checkup.see(pl.DataFrame({"USER_ID": [f"u{n}" for n in range(999)], "ITEM_ID": "i", "TIMESTAMP": [NOW] * 999}))
    told = " ".join(checkup.warnings())
    assert "There are 999 different rows;" in told
    assert "0 users have 2 rows or more" in told, "the same row twice is no second one"
    assert "999 of 999 users have one row only" in told


ACTION_INTERACTIONS = made(
    "Action_interactions", USER_ID="string", ACTION_ID="string", EVENT_TYPE="string", TIMESTAMP="long"
)


def responses(*counts: tuple[int, int]) -> list[str]:
    """Warnings of responses to actions, of which each was taken and was not taken so often."""
    rows = [
        (f"u{number}", f"a{action}", kind, NOW - number)
        for action, count in enumerate(counts)
        for kind, many in zip(("TAKEN", "VIEWED"), count, strict=True)
        for number in range(many)
    ]
    checkup = Checkup(ACTION_INTERACTIONS, NOW)
    frame = pl.DataFrame(rows, ["USER_ID", "ACTION_ID", "EVENT_TYPE", "TIMESTAMP"], orient="row")
    for part in frame.iter_slices(100):
        checkup.see(part)
    return checkup.warnings()


def test_responses_have_floors_of_their_own():
    assert responses(*[(50, 50)] * 6) == [], "no item interactions are asked for"
    (told,) = responses((60, 50), (49, 60), (60, 49), (60, 60))
    assert told.startswith("2 of 4 actions have 50 rows TAKEN and 50 others")


def test_repetitions_of_many_rows_are_estimated_from_few(monkeypatch):
    monkeypatch.setattr(row_checkup, "MOST_KEPT", 1000)
    checkup = row_checkup.RowCheckup()
    for _ in range(2):
        checkup.add(pl.DataFrame({"USER_ID": [str(user) for user in range(50_000)]}))
    assert checkup.repeated() == 0.5
    assert checkup.distinct() == pytest.approx(50_000, rel=0.2)
    assert checkup.lengths() is None
    assert len(checkup._kept) <= 1000


def test_null_words_in_texts_and_strange_times_of_items():
    checkup = Checkup(ITEMS, NOW)
    items = {"ITEM_ID": ["a", "b", "c", "d"], "CREATION_TIMESTAMP": [1, None, 253_402_300_799, 20_231_114]}
    checkup.see(pl.DataFrame(items | {"GENRE": ["None", "Drama", r"\N", None]}))
    told = checkup.warnings()
    assert [text.split(",")[0] for text in told] == [
        "1 row has a CREATION_TIMESTAMP in the future: the first is 253402300799 (9999-12-31 23:59 UTC); that "
        "counts as none.",
        "1 row has a CREATION_TIMESTAMP that looks like a date such as 20231114",
        "2 rows have the word None as GENRE",
    ]
    assert Checkup(ITEMS, NOW).warnings() == []
