"""Times that are no epoch seconds: what the column is said to hold, and whether the lines for pandas make it right."""

from __future__ import annotations

import contextlib
import io
import json
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from tailorbird.data import schema
from tailorbird.ingest.csv_files import ImportFailed, Report, Source, read
from tailorbird.ingest.pandas_times import ADVICE
from tailorbird.ingest.time_checkup import TimeCheckup

pandas = pytest.importorskip("pandas")
FIELDS = {"USER_ID": "string", "ITEM_ID": "string", "TIMESTAMP": "long"}
SCHEMA = schema.parse(
    json.dumps(
        {"type": "record", "name": "Interactions", "fields": [{"name": n, "type": t} for n, t in FIELDS.items()]}
    )
)
DAYS = [datetime(2025, month, day, 7 + day, 5, 48 - day) for month in (1, 3, 11) for day in (1, 9, 12)]
LATE = [datetime(2025, 3, 15, 20, 3, 1), datetime(2025, 12, 31, 23, 59, 59)]


def told(texts: list[str]) -> tuple[str, list[int | None]]:
    """What is said of the column, and what the lines make of it when they are followed to the letter."""
    df = pandas.DataFrame({"USER_ID": "u", "ITEM_ID": "i", "TIMESTAMP": texts})
    data = df.to_csv(index=False).encode()
    sources = [Source("a.csv", len(data), partial(io.BytesIO, data))]
    try:
        report: Report | None = read(sources, SCHEMA, lambda frame: None, lambda *_: None)
    except ImportFailed as error:
        report = error.report
    assert report is not None
    (warning,) = report.warnings()
    return warning.partition(ADVICE)[0], followed(warning, pandas.read_csv(io.BytesIO(data), dtype=str))


def followed(warning: str, df) -> list[int | None]:
    _, advice, lines = warning.partition(ADVICE)
    if not advice:
        return []
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec("\n".join(map(str.strip, lines.split("\n"))), {"pd": pandas, "df": df})
    made = [None if pandas.isna(value) else int(value) for value in df["TIMESTAMP"]]
    assert printed.getvalue() == f"{made.count(None)} values are lost\n"
    return made


def seconds(times: list[datetime], zone: str = "UTC") -> list[int]:
    return [int(time.replace(tzinfo=ZoneInfo(zone)).timestamp()) for time in times]


@pytest.mark.parametrize(
    "form",
    [
        "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d-%m-%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p",
        "%d.%m.%y %H:%M:%S", "%m/%d/%y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S+00:00", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S.125",
        "%Y/%m/%d %H:%M:%S", "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日%H时%M分%S秒", "%d-%b-%Y %H:%M:%S",
        "%d %B %Y %H:%M:%S", "%a, %d %b %Y %H:%M:%S +0000", "%d/%b/%Y:%H:%M:%S +0000", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%SZ",
    ],
)  # fmt: skip
def test_a_column_in_one_form(form):
    words, made = told([f"{time:{form}}" for time in [*DAYS, *LATE]])
    assert made == seconds([*DAYS, *LATE])
    assert words.startswith(f'11 values of TIMESTAMP are dates such as "{DAYS[0]:{form}}", not epoch seconds.')
    assert "no value tells" not in words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"),
        ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y"),
        ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y"),
        ("%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日"),
        ("%Y%m%d%H%M%S", "%Y%m%d%H%M"),
        ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S+00:00"),
    ],
)
@pytest.mark.parametrize("more", [1, 3])
def test_a_column_in_two_forms(one, other, more):
    """Be the other the rarer form or the commoner one, and with epoch seconds, and nothing readable, beside them."""
    early = [*DAYS, *LATE]
    texts = [f"{time:{one}}" for time in early] + [f"{time:{other}}" for time in early] * more
    words, made = told([*texts, "1740784848", "00.00.0000"])
    read_ = [datetime.strptime(f"{time:{other}}", other).replace(tzinfo=None) for time in early]
    assert made == [*seconds(early), *seconds(read_) * more, 1740784848, None]
    assert 'Of 1 other value no time can be made, such as "00.00.0000".' in words


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y %H:%M", "%d-%m-%y"])
def test_where_no_value_tells_day_and_month_both_are_shown(form):
    words, made = told([f"{time:{form}}" for time in DAYS])
    date = form.split()[0]
    other = f"%m{date[2]}%d{date[5:]}" if date != "%d-%m-%y" else "%y-%m-%d or %m-%d-%y"
    assert f'Which number is the day no value tells: "{DAYS[0]:{form}}" may be of the form {date} or {other}.' in words
    assert made == seconds([datetime.strptime(f"{time:{form}}", form) for time in DAYS])


def test_which_comes_first_is_told_with_a_value_that_shows_it():
    assert 'They are of the form %m/%d/%Y, as "3/13/2025" shows.' in told(["3/1/2025", "3/13/2025", "4/2/2025"])[0]
    words, made = told(["01.03.2025", "15.03.2025", "03.16.2025"])
    assert 'two ways: "15.03.2025" is of the form %d.%m.%Y, and "03.16.2025" of %m.%d.%Y. Convert each source' in words
    assert made == [1740787200, 1741996800, None]


def test_local_times_at_the_change_of_clocks():
    texts = ["2025-03-30 02:00:44", "2025-10-26 02:30:00", "2025-07-01 12:00:00"]
    df = pandas.DataFrame({"TIMESTAMP": texts})
    data = "USER_ID,ITEM_ID,TIMESTAMP\n" + "".join(f"u,i,{text}\n" for text in texts)
    sources = [Source("a.csv", len(data), partial(io.BytesIO, data.encode()))]
    with pytest.raises(ImportFailed) as failed:
        read(sources, SCHEMA, lambda frame: None, lambda *_: None)
    (warning,) = failed.value.report.warnings()
    assert followed(warning.replace('"UTC", n', '"Europe/Berlin", n'), df) == [1743296400, None, 1751364000]


def test_dates_in_letters_of_other_widths():
    assert told(["２０２５-０３-０１ 14：03", "2025-03-01"])[1] == [1740837780, 1740787200]


def test_what_is_no_known_form_gets_no_lines_that_guess():
    words, made = told(["vor 5 Tagen", "vor 6 Tagen"])
    assert made == []
    assert words.startswith('Values of TIMESTAMP such as "vor 5 Tagen" are neither epoch seconds nor written as dates')
    assert "to_datetime their format=" in words


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["20250301", "20250315", "1740784848"], [1740787200, 1741996800, 1740784848]),
        (["45717"] * 19 + ["1740784848"], [1740787200] * 19 + [1740784848]),
        (["45717.0144444444"] * 19 + ["45718"], [1740788448] * 19 + [1740873600]),
        (["2025060"] * 20, [1740787200] * 20),
        (["29013080"] * 20, [1740784800] * 20),
    ],
)
def test_numbers_of_other_kinds(texts, wanted):
    checkup = TimeCheckup("TIMESTAMP", 1_800_000_000)
    checkup.add(pl.Series("TIMESTAMP", [int(float(text)) for text in texts]))
    (warning,) = checkup.warnings()
    assert followed(warning, pandas.DataFrame({"TIMESTAMP": texts})) == wanted
