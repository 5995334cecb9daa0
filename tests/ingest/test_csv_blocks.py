"""Blocks that polars reads whole: they say what a reader of single lines says, in frames and in reports."""

from __future__ import annotations

import csv
import gzip
import io
import json
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tailorbird.data import schema
from tailorbird.ingest import csv_blocks, csv_files, csv_records
from tailorbird.ingest.csv_files import ImportFailed, Source

CASES = json.loads((Path(__file__).parents[1] / "cases" / "imports.json").read_text())
SCHEMAS = {name: schema.parse(json.dumps(text)) for name, text in CASES["schemas"].items()}
TITLES = "ITEM_ID,GENRE,YEAR,TITLE,ADULT_ONLY"
HEADERS = [
    TITLES, f"\ufeff{TITLES}", '"ITEM_ID","GENRE","YEAR","TITLE","ADULT_ONLY"', "adult_only,x,title,genre,year,item_id",
    TITLES.replace(",", ", "), TITLES.replace(",", ";"), "ITEM_ID,GENRE,YEAR", "a\nb", "",
]  # fmt: skip
CLEAN = ["1,a,1995,t,true", "2,b|c,,,", "x^y,,7,ä 名,false", "3,,1,,"]
QUOTED = ['"4","a, b","2000","t","true"', '5,"",2001,"say ""hi"", or not",', '"""6""",a,1,"""",', '7,a,1,"x ",']
SLIPS = [
    "8,a,1995.5,t,maybe", ",a,1,t,", "null,a,1,t,", " 9 ,a, 1 , t , TRUE", "10,a,1", "11,a,1,t,,", "12,a,1,t,,x", "",
    "  ", TITLES, "ıtem_id,genre,year,title,adult_only", '13,"a\\",1,t,', r'14,"a\"b",1,t,', r"15,a\,1,t,",
    '16,a "b",1,t,',    '17,"a" b,1,t,', '18, "a, b",1,t,',
    '"19",a,1,"over\nlines",', '"20",a,1,"over\n21,a,1,t,\n",', "22,a\r,1,t,",
    "23,a,1,t,\r", "\ufeff24,a,1,t,", "25,\0,1,t,", "x\x01,a,1,t,", '26,a,1,",', '27,a,1,"t"",',
    ",,,,", '"",a,1,t,', "-,a,-1,n/a,",
]  # fmt: skip
LINES = st.lists(
    st.sampled_from(CLEAN)
    | st.sampled_from(CLEAN + QUOTED)
    | st.sampled_from(CLEAN + SLIPS)
    | st.text(st.sampled_from('1a,,,," \\'), max_size=9),
    max_size=30,
)


def outcome(data: bytes, block: int, by_line: bool) -> tuple[object, ...]:
    """All that comes of an import, and how many blocks were plain."""
    frames: list[pl.DataFrame] = []
    counts = [0]

    def plain(text: str, first: int, width: int) -> csv_blocks.Plain | None:
        found = None if by_line else csv_blocks.plain(text, first, width)
        counts[0] += found is not None
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "BLOCK", block)
        patch.setattr(csv_records, "plain", plain)
        source = Source("data.csv", len(data), partial(io.BytesIO, data))
        try:
            report = csv_files.read([source], SCHEMAS["items"], frames.append, lambda share, text: None)
            told: object = report.as_document()
        except ImportFailed as failed:
            told = str(failed), failed.report and failed.report.as_document()
    return [frame.rows() for frame in frames], told, counts[0]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(HEADERS[:1] * 4 + HEADERS), LINES, st.sampled_from("\n\r"), st.booleans(), st.integers(20, 400))
def test_both_ways_say_the_same(header, lines, end, ended, block):
    end = end.replace("\r", "\r\n")
    data = (end.join([header, *lines]) + end * ended).encode()
    data = data.replace(b"\xc3\xa4", b"\xe4") if block % 10 == 0 else data  # Latin-1
    *quick, plain = outcome(data, block, by_line=False)
    *slow, none = outcome(data, block, by_line=True)
    event(f"plain blocks: {min(plain, 3)}")
    assert none == 0
    assert quick == slow


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([slip for slip in SLIPS if '"' not in slip]), max_size=4),
    st.randoms(use_true_random=False),
)
def test_both_ways_say_the_same_of_few_odd_lines(slips, random):
    lines = [*slips, *CLEAN * 12]
    random.shuffle(lines)
    data = "\n".join([TITLES, *lines]).encode()
    *quick, plain = outcome(data, len(data) // 2, by_line=False)
    *slow, _ = outcome(data, len(data) // 2, by_line=True)
    event(f"plain blocks: {plain}")
    assert quick == slow


def test_few_odd_lines():
    found = csv_blocks.plain("a,b\n" * 30 + "é\n \n\n1,2,3\n" + "c,d\n" * 9 + "c,d", 5, 2)
    assert found.odd == csv_blocks.Records([35, 38], [["é"], ["1", "2", "3"]])
    assert [*found.lines] == [*range(5, 35), *range(39, 49)]
    records = found.records()
    assert records.lines == [*range(5, 36), *range(38, 49)]
    assert records.cells[29:33] == [["a", "b"], ["é"], ["1", "2", "3"], ["c", "d"]]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(*[st.text(st.sampled_from('1a," é\\'), max_size=5)] * 2), min_size=1),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_values_of_a_plain_block_are_those_that_were_written(rows, quoting):
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator="\n").writerows(rows)
    found = csv_blocks.plain(text.getvalue().removesuffix("\n"), 1, 2)
    event(f"plain: {found is not None}")
    if found is None:
        assert any(letter in text.getvalue() for letter in ("\\", ' "'))
    else:
        assert found.records().cells == [list(row) for row in rows]


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("a,b\nc,d", True),
        ('"a","b, c"\nc,"say ""hi"""', True),
        ("a,b\r\nc,d\r", True),
        ("C:\\,b\n,", True),
        ("a,b\nc", False),
        ("a,b,c,d", False),
        ("a,b,c\nd", False),
        ('"a\\",b', False),
        ('"a\nb",c', False),
        ('"a" b,c', False),
        ('a"b",c', False),
        ('a, "b"', False),
        ('"a,b', False),
        ("a\r,b", False),
        ("", False),
    ],
)
def test_what_is_plain(text, is_plain):
    found = csv_blocks.plain(text, 7, 2)
    assert (found is not None) is is_plain
    if found:
        assert found.lines == range(7, 7 + len(text.split("\n")))


def test_few_large_frames_for_many_blocks_and_all_rows_before_a_failure():
    rows = "".join(f"{number},a,1,t,\n" for number in range(100))
    data = f"{TITLES}\n{rows}".encode()
    broken = gzip.compress(data, mtime=0)[:-9]
    sources = [Source(f"{at}.csv", 1, partial(io.BytesIO, each)) for at, each in enumerate((data, broken))]
    frames: list[pl.DataFrame] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "BLOCK", 50)
        with pytest.raises(ImportFailed, match="damaged or incomplete gzip"):
            csv_files.read(sources, SCHEMAS["items"], frames.append, lambda share, text: None)
    assert pl.concat(frames)["ITEM_ID"].to_list()[:100] == [str(number) for number in range(100)]
    assert 1 < len(frames) < 10
