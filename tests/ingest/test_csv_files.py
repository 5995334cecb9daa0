"""Bulk data files: what is accepted, what is mended and reported, what fails."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tailorbird.blanks import bare
from tailorbird.data import schema
from tailorbird.data.null_words import is_null_name
from tailorbird.ingest import csv_records
from tailorbird.ingest.csv_files import HEADER_AGAIN, SPACED, SPANS, ImportFailed, Report, Source, read

CASES = json.loads((Path(__file__).parents[1] / "cases" / "imports.json").read_text())
SCHEMAS = {name: schema.parse(json.dumps(text)) for name, text in CASES["schemas"].items()}
HEADER = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n"
TITLES = "ITEM_ID,GENRE,YEAR,TITLE,ADULT_ONLY\n"


def load(data: bytes | list[bytes], of: str = "items") -> tuple[pl.DataFrame, Report]:
    contents = data if isinstance(data, list) else [data]
    frames: list[pl.DataFrame] = []
    shares: list[float] = []
    sources = [
        Source("data.csv" if not n else f"data{n}.csv", len(content), partial(io.BytesIO, content))
        for n, content in enumerate(contents)
    ]
    report = read(sources, SCHEMAS[of], frames.append, lambda share, text: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    return pl.concat(frames), report


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_case(case, end, packed):
    if end == "\r\n" and "several lines" in case["name"]:
        rows = json.dumps(case["rows"]).replace(r"one\n", r"one\r\n").replace(r"n\n", r"n\r\n")
        case = case | {"rows": json.loads(rows)}
    data = end.join(case["lines"]).encode()
    data = gzip.compress(data, mtime=0) if packed else data
    if "failure" in case:
        with pytest.raises(ImportFailed) as failed:
            load(data, case["schema"])
        assert case["failure"] in failed.value.reason
        return
    rows, report = load(data, case["schema"])
    assert rows.columns == [field.name for field in SCHEMAS[case["schema"]].fields]
    if "rows" in case:
        assert rows.rows() == [tuple(row) for row in case["rows"]]
    assert report.rows_kept == len(rows) == report.rows_read - report.rows_dropped
    assert report.rows_dropped == case.get("dropped", 0)
    assert report.cells_emptied == case.get("emptied", 0)
    wanted = case.get("problems", [])
    assert [(p.line, p.column, p.value) for p in report.problems] == [tuple(p[:3]) for p in wanted]
    for problem, (*_, words) in zip(report.problems, wanted, strict=True):
        assert words in problem.reason
    assert sum(report.counts.values()) == len(wanted)


def test_dtypes_are_those_of_the_schema():
    rows, _ = load((TITLES + "1,,,,\n").encode())
    assert rows.schema == {
        "ITEM_ID": pl.String, "GENRE": pl.String, "YEAR": pl.Int64, "TITLE": pl.String, "ADULT_ONLY": pl.Boolean,
    }  # fmt: skip


def test_byte_order_mark_and_no_last_newline():
    rows, _ = load(b"\xef\xbb\xbf" + TITLES.encode() + "1,ä,2,名,".encode())
    assert rows.rows() == [("1", "ä", 2, "名", None)]


def test_several_files_each_with_its_header():
    first, empty = (TITLES + "1,a,1,t,\n").encode(), b""
    second = b"title,year,item_id,genre,adult_only\nt,x,2,b,\n"
    rows, report = load([first, empty, second])
    assert rows["ITEM_ID"].to_list() == ["1", "2"]
    assert [(p.file, p.line) for p in report.problems] == [("data1.csv", 1), ("data2.csv", 2)]


def test_no_file():
    with pytest.raises(ImportFailed, match="no CSV file"):
        read([], SCHEMAS["items"], print, print)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (TITLES.encode() + "1,a,1,caf\u00e9,\n".encode("latin-1"), r"line 2, byte 45 of the file is 0xe9.*UTF-8"),
        ((TITLES + "1,a,1,t,\n").encode("utf-16"), "looks like UTF-16"),
        (gzip.compress((TITLES + "1,a,1,t,\n").encode(), mtime=0)[:-9], "gzip"),
        (b"\x1f\x8bnonsense", "gzip"),
    ],
)
def test_unreadable(data, words):
    with pytest.raises(ImportFailed, match=words):
        load(data)


def test_lengths():
    long = "x" * 1001
    row = f"1,a,1,{long},\n"
    rows, report = load((TITLES + row).encode())
    assert rows["TITLE"][0] == long[:1000]
    assert report.cells_emptied == 0
    assert "1000" in report.problems[0].reason
    assert len(report.problems[0].value) <= 101
    with pytest.raises(
        ImportFailed, match=r"^Length cannot be more than 1000 characters for GENRE\.\.\. .*line 2"
    ) as failed:
        load((TITLES + f"1,{long},1,t,\n2,a,x,t,\n").encode())
    assert failed.value.report is not None
    assert len(failed.value.report.problems) == 2
    rows, report = load((TITLES + "i" * 256 + ",,1,,\n" + "i" * 257 + ",,1,,\n").encode())
    assert len(rows) == report.rows_dropped == 1


def test_each_cause_is_told_with_its_count_and_first_examples():
    body = "".join(f"{n},,x,,{n}\n" for n in range(150)) + "1,,99999999999,,\n"
    _, report = load((TITLES + body).encode())
    assert [p.line for p in report.problems] == [*sorted([*range(2, 7)] * 2), 152]
    assert list(report.counts.values()) == [150, 150, 1]
    document = json.loads(json.dumps(report.as_document()))
    assert document["counts"][0]["count"] == 150
    assert document["problems"][0].keys() == {"file", "line", "column", "value", "reason"}


def test_a_column_that_is_next_to_lost_is_warned_of():
    rows = ["1,a,2011-09-25,t,是", "2,a,,t,否", "3,a,2012-01-01,t,true", "4,a,1999,t,", "5,a,x,t,是", ",a,x,t,是"]
    _, report = load([(TITLES + "\n".join(rows[at : at + 3])).encode() for at in (0, 3)])
    assert report.cells_emptied == 7
    assert [text.split(",")[0] for text in report.warnings()] == [
        "4 of 5 values of YEAR are emptied",
        "3 of 4 values of ADULT_ONLY are emptied",
    ]
    assert "ADULT_ONLY is neither true nor false: write one of these two words" in report.counts
    _, report = load((TITLES + "1,a,x,t,\n2,a,1,t,\n").encode())
    assert (report.cells_emptied, report.warnings()) == (1, [])


def test_values_without_a_digit_are_no_times():
    _, report = load((HEADER + "1,2,7,w,\n" * 3 + "1,2,x,w,\n" * 2).encode(), "interactions")
    assert [*report.counts.values()] == [2]
    assert report.warnings() == []


def test_line_numbers_across_blocks(monkeypatch):
    monkeypatch.setattr(csv_records, "BLOCK", 16)
    body = "".join(f'{n},"a\nb",{"x" if n % 3 == 0 else n},,\n' for n in range(30))
    rows, report = load((TITLES + body).encode())
    assert len(rows) == 30
    assert [p.line for p in report.problems] == [2 + 2 * n for n in range(0, 15, 3)]
    assert list(report.counts.values()) == [10]


ACME = "ITEM_ID,GENRE,TITLE,YEAR,ADULT_ONLY\n"


@pytest.mark.parametrize(
    ("rows", "titles"),
    [
        # pandas' QUOTE_ALL: a backslash at the end, in each row, in the first alone, before a row without quotes.
        (r"""'2','Acme','ends, with \','1',''|'3','Beta','fine','1',''""", ["ends, with \\", "fine"]),
        (r"""'2','Acme','a \','1',''|'3','Beta','b \','1',''|'4','C','c','1',''""", ["a \\", "b \\", "c"]),
        (r"""2,Acme,'a, \',1,|3,Beta,b,1,|4,C,c,1,""", ["a, \\", "b", "c"]),
        (r"""'2','Acme','\\host\share','1',''|'3','B\','C:\','1',''""", [r"\\host\share", "C:\\"]),
        # Excel: quotes doubled beside a backslash.
        (r"""2,Acme,'a \''b'' c\',1,|3,Beta,b,1,""", ['a \\"b" c\\', "b"]),
        # Backslash escapes, told by a later record, or by the record itself.
        (r"""'2','Acme','C:\\dir','1',''|'3','Beta','5\' x 3\'','1',''""", [r"C:\dir", '5" x 3"']),
        (r"""'2','Acme','TV 55\'','1',''|'3','Beta','TV 60\'','1',''""", ['TV 55"', 'TV 60"']),
        (r"""'2','Acme','said \'yes\', then \\','1',''""", ['said "yes", then \\']),
    ],
)
def test_either_kind_of_quotes(rows, titles):
    found, report = load((ACME + rows.replace("'", '"').replace("|", "\n")).encode())
    assert found["TITLE"].to_list() == titles
    assert report.problems == ()


def test_a_backslash_at_the_end_of_two_columns():
    made = schema.parse('{"type": "record", "name": "Items", "fields": [{"name": "ITEM_ID", "type": "string"}, '
                        '{"name": "G", "type": "string", "categorical": true}]}')  # fmt: skip
    data = b'"ITEM_ID","G"\n"1","a\\"\n"2","b"\n"3","c\\"\n"4","d"\n'
    frames: list[pl.DataFrame] = []
    report = read([Source("a.csv", len(data), partial(io.BytesIO, data))], made, frames.append, lambda *_: None)
    assert pl.concat(frames).rows() == [("1", "a\\"), ("2", "b"), ("3", "c\\"), ("4", "d")]
    assert report.problems == ()


def test_a_backslash_at_the_end_of_every_row_costs_no_time():
    rows = "".join(f'{n},Acme,"size, {n}\\",1,\n{n}b,Acme,plain,1,\n' for n in range(30_000))
    found, report = load((ACME + rows).encode())
    assert len(found) == 60_000
    assert report.problems == ()


@pytest.mark.parametrize(
    "body", ['1,a,"t,1,\n2,b,u,1,\n3,c,v",1,\n', '1,a,"t,1,\n2,b,"u,1,\n', '"1","a","t\n2,b,u,1,\nx","1",""\n']
)
def test_a_quoted_value_that_holds_rows_is_warned_of(body):
    _, report = load((ACME + "0,a,t,1,\n" * 5 + body).encode())
    assert [(p.line, p.reason) for p in report.problems if p.reason == SPANS] == [(7, SPANS)]


def test_prose_over_several_lines_is_no_row():
    _, report = load((ACME + '1,a,"Dear all,\n\nhere, there, now, then, ever\nyours",1,\n').encode())
    assert report.problems == ()


@pytest.mark.parametrize(("separator", "words"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_another_separator_is_named(separator, words):
    with pytest.raises(
        ImportFailed, match=rf"^The values of data\.csv are separated by {words}, not by commas\. In pandas: [^.]"
    ):
        load((TITLES + "1,a,2,t,\n").replace(",", separator).encode())


SHOP = (
    "InvoiceNo;StockCode;Description;InvoiceDate;UnitPrice;CustomerID\n1;85123A;CAF\u00c9;01.12.2010 08:26;2,55;17850\n"
)


def test_other_separators_are_told_alone_with_the_line_that_mends_the_file():
    """With the encoding that it has besides, and the columns to rename."""
    with pytest.raises(ImportFailed) as failed:
        load(SHOP.encode("latin-1"), "interactions")
    assert failed.value.reason == (
        'The values of data.csv are separated by semicolons, not by commas. In pandas: df = pd.read_csv("data.csv", '
        'sep=";", encoding="cp1252", dtype=str, keep_default_na=False).rename(columns={"CustomerID": "USER_ID", '
        '"StockCode": "ITEM_ID", "InvoiceDate": "TIMESTAMP"}); df.to_csv("new.csv", index=False). Input CSV is missing '
        "the following columns:[EVENT_TYPE, EVENT_VALUE]. data.csv is not UTF-8: line 2, byte 77 of the file is 0xc9. "
        "It looks like cp1252, Windows' encoding of Western Europe, in which that line reads "
        '"1;85123A;CAF\u00c9;01.12.2010 08:26;2,55;17850". Correct the data and import it again.'
    )
    assert failed.value.report.problems == ()


NAMES = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n"


@pytest.mark.parametrize(
    ("text", "encoding", "wanted"),
    [
        (
            "USER_ID;Artikel;TIMESTAMP;EVENT_TYPE;event_value\nu;00a;5;käuf;1.067,33\nu;NA;6;k;2\nw;c;7;k;\n",
            "cp1252",
            [("00a", 1067.33), ("NA", 2.0), ("c", None)],
        ),
        (
            '"USER_ID";"ITEM_ID";"TIMESTAMP";"EVENT_TYPE";"EVENT_VALUE"\n"u";"a, b";"5";"k";"12,5"\n',
            "utf-8",
            [("a, b", 12.5)],
        ),
        (NAMES.replace(",", "\t") + "u1\ta, b\t5\tk\t\n", "utf-8", [("a, b", None)]),
        (NAMES.replace(",", "\t") + "u1\t茶\t5\tk\t2.5\n", "utf-16", [("茶", 2.5)]),
        (NAMES + "u1,茶,5,k,2.5\n", "utf-16-be", [("茶", 2.5)]),
        (NAMES + "u1,绿茶,5,k,2.5\n", "gbk", [("绿茶", 2.5)]),
        (NAMES + "u1,お茶はい,5,k,2.5\n", "shift-jis", [("お茶はい", 2.5)]),
    ],
)
def test_the_line_that_is_told_mends_the_file(tmp_path, monkeypatch, text, encoding, wanted):
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_bytes(text.encode(encoding))
    with pytest.raises(ImportFailed) as failed:
        load(text.encode(encoding), "interactions")
    reason = failed.value.reason
    assert reason.isprintable()
    assert reason.count("mport it again") == reason.count("df.to_csv") == 1
    code, end, _ = reason[reason.index("df = pd") :].partition("index=False)")
    exec(code + end, {"pd": pandas})
    rows, _ = load((tmp_path / "new.csv").read_bytes(), "interactions")
    assert rows.select("ITEM_ID", "EVENT_VALUE").rows() == wanted


CHINESE = "用户,商品,行为,时间,评分\n用户一,茶叶,点击,2024-06-01 12:00:00,\n"


@pytest.mark.parametrize(("encoding", "name"), [("utf-8", ""), ("gbk", "GBK"), ("gb18030", "GBK")])
def test_a_chinese_header_is_understood(encoding, name):
    with pytest.raises(ImportFailed) as failed:
        load(CHINESE.encode(encoding), "interactions")
    assert (
        f'It looks like {name}, in which that line reads "用户,商品,行为,时间,评分".' in failed.value.reason
    ) == bool(name)
    assert 'The header of data.csv reads "用户,商品,行为,时间,评分".' in failed.value.reason
    assert (
        "Rename 用户 to USER_ID, 商品 to ITEM_ID, 时间 to TIMESTAMP, 行为 to EVENT_TYPE, 评分 to EVENT_VALUE."
        in failed.value.reason
    )


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        ("1,a,1,café au lait,\n", "latin-1", "cp1252"),
        ("1,a,1,Bücher für Übungen,\n", "cp1252", "cp1252"),
        ("1,a,1,“déjà vu”,\n", "cp1252", "cp1252"),
        ("1,a,1,Bücher für Übungen,\n", "cp850", ""),
        ("1,a,1,Bücher für Übungen,\n", "mac-roman", ""),
        ("1,a,1,Łódź żółta gęś,\n", "cp1250", ""),
        ("1,a,1,Καλημέρα κόσμε,\n", "cp1253", ""),
        ("1,a,1,おはようございます日本,\n", "shift-jis", "Shift-JIS"),
        ("1,a,1,안녕하세요 반갑습니다,\n", "euc-kr", "EUC-KR"),
        ("用户编号,品名,年,题材,x\n", "gbk", "GBK"),
        ("1,a,1,Привет мир,\n", "cp1251", ""),
        ("1,a,1,書籍與電影,\n", "big5", "Big5"),
        ("1,a,1,商品名称：绿茶（春），\n", "gbk", "GBK"),
    ],
)
def test_what_an_encoding_looks_like_is_told(text, encoding, name):
    with pytest.raises(ImportFailed, match="is not UTF-8: line 2, byte") as failed:
        load((TITLES + text).encode(encoding))
    assert (f"It looks like {name}" in failed.value.reason) == bool(name)
    assert ("It looks like" in failed.value.reason) == bool(name)
    assert not name or json.dumps(text.strip(), ensure_ascii=False) in failed.value.reason
    assert name or failed.value.reason.isascii(), "no letters that are others"


def test_a_header_ends_with_a_full_stop_and_ignored_columns_are_kept():
    with pytest.raises(ImportFailed, match=r'reads "Sku,Title"\. Rename Sku to ITEM_ID\. Correct'):
        load(b"Sku,Title\n")
    assert load((TITLES.replace("\n", ",note,\n") + "1,a,2,t,,x,\n").encode())[1].ignored == ("note",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PAR1\x15\x00", "a Parquet file"),
        (b"PK\x03\x04\x14\x00", r"a zip archive, or an Excel workbook \(.xlsx\)"),
        (b"\x89PNG\r\n", "an image"),
        (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "packed with gzip twice"),
        (gzip.compress(b"a" + bytes(256) + b"ustar" + bytes(250), mtime=0), "a tar archive"),
        (b'{"ITEM_ID": "1"}\n', "is JSON: write CSV, a header line and a line a row. Correct"),
        (b"<?xml version='1.0'?>\n", "is XML or HTML: write CSV, a header line and a line a row. Correct"),
    ],
)
def test_other_formats_are_named(data, words):
    with pytest.raises(ImportFailed, match=words):
        load(data)


def test_all_causes_are_told_at_once():
    """A missing column in one file, another text encoding in the next, and times in milliseconds in both."""
    first = b"USER_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE,user_id\n1,1500000000000,w,\n"
    second = HEADER.encode() + b"1,2,1500000000000,w,\n"
    third = HEADER.encode() + "1,caf\u00e9,3,w,\n".encode("latin-1")
    with pytest.raises(ImportFailed) as failed:
        load([first, second, third], "interactions")
    for words in (
        "missing the following columns:[ITEM_ID]", "USER_ID more than once", "data2.csv is not UTF-8",
        "2 of 3 rows cannot be used", "TIMESTAMP is in milliseconds or finer, not in seconds",
    ):  # fmt: skip
        assert words in failed.value.reason
    assert failed.value.report is not None
    assert failed.value.report.rows_dropped == 2


def test_every_category_that_is_too_long_is_named():
    fields = [{"name": "ITEM_ID", "type": "string"}] + [
        {"name": name, "type": "string", "categorical": True} for name in ("G", "H")
    ]
    made = schema.parse(json.dumps({"type": "record", "name": "Items", "fields": fields}))
    data = b"ITEM_ID,G,H\n1," + b"g" * 1001 + b",x\n2,x," + b"h" * 1001 + b"\n,x,x\n"
    with pytest.raises(ImportFailed) as failed:
        read([Source("a.csv", len(data), partial(io.BytesIO, data))], made, lambda frame: None, lambda *_: None)
    for words in ("for G... First at line 2", "for H... First at line 3", "Besides: ITEM_ID is empty"):
        assert words in failed.value.reason


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "Nor is there any other file"),
        (["part-00000", "part-00001"], "2 files whose names do not end in .csv or .csv.gz, the first part-00000"),
        (
            ["a/b/3.csv", "_SUCCESS"],
            "first a/b/3.csv, and those are not read: give the location of the subfolder, a/b/",
        ),
    ],
)
def test_no_csv_file_says_what_there_is(names, words):
    with pytest.raises(ImportFailed, match="There is no CSV file at the data location") as failed:
        read([], SCHEMAS["items"], print, print, names)
    assert words in failed.value.reason


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        (["ITEM_ID, GENRE, TITLE", "1, A, t", "2 , B,\tx "], [("1", "A", "t"), ("2", "B", "x")]),
        ([" ITEM_ID , GENRE , TITLE ", "1,A , t"], [("1", "A", "t")]),
        (["ITEM_ID ,GENRE ,TITLE", "1 ,A ,t", "2 ,B ,"], [("1", "A", "t"), ("2", "B", None)]),
        (['"ITEM_ID", "GENRE", "TITLE"', '"1", "A", "x, y"'], [("1", "A", "x, y")]),
        (["ITEM_ID, GENRE, TITLE", '1, A, "one', 'two"', "2, B, t"], [("1", "A", "one\ntwo"), ("2", "B", "t")]),
        (["ITEM_ID,GENRE,TITLE", '1, "A", "x, y"', '2, "B" , "z"'], [("1", "A", "x, y"), ("2", "B", "z")]),
        (["ITEM_ID,GENRE,TITLE", '1, "A", "say \\"x, y\\""'], [("1", "A", 'say "x, y"')]),
        (["ITEM_ID,GENRE,TITLE", '1, "A", "say ""x, y"""'], [("1", "A", 'say "x, y"')]),
        (
            ["ITEM_ID,GENRE,TITLE", '1, "A", "one', 'two, three"', "2,B,t"],
            [("1", "A", "one\ntwo, three"), ("2", "B", "t")],
        ),
        # Blanks and quotes that are of the value.
        (
            ["ITEM_ID,GENRE,TITLE", '1,A," ""Heroes"""', '2,A,"say, ""x"""'],
            [("1", "A", ' "Heroes"'), ("2", "A", 'say, "x"')],
        ),
        (["ITEM_ID,GENRE,TITLE", '1,A, "inch" pipe', "2, B,t"], [("1", "A", ' "inch" pipe'), ("2", " B", "t")]),
        (["ITEM_ID,GENRE,TITLE", '1,A, "open', "2,B,t"], [("1", "A", ' "open'), ("2", "B", "t")]),
        (["ITEM_ID,GENRE,TITLE", '1,A,"a \\", \\"b"', "2,B,t"], [("1", "A", 'a ", "b'), ("2", "B", "t")]),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blanks_around_values_are_the_files_style(lines, rows, end):
    found, report = load_columns(end.join(lines), "ITEM_ID", "GENRE", "TITLE")
    assert [tuple(each and each.replace("\r", "") for each in row) for row in found.rows()] == rows
    assert report.rows_dropped == 0


def test_blanks_around_the_headers_names_are_told():
    _, report = load_columns("\n".join(["ITEM_ID, GENRE", "1, A"]), "ITEM_ID", "GENRE")
    assert [(each.line, each.reason) for each in report.problems] == [(1, SPACED)]


def test_a_second_header_is_no_row():
    again = "﻿user_id,ITEM_ID,timestamp,EVENT_TYPE,EVENT_VALUE\r\n"
    rows, report = load((HEADER + "u1,i1,7,w,\n" + again + "u2,i2,8,w,\n" + HEADER).encode(), "interactions")
    assert rows["USER_ID"].to_list() == ["u1", "u2"]
    assert (report.rows_read, report.rows_dropped) == (4, 2)
    assert [(each.line, each.reason) for each in report.problems] == [(3, HEADER_AGAIN), (5, HEADER_AGAIN)]
    rows, report = load((TITLES + "ITEM_ID,a,1,t,\n" + TITLES + "2,b,1,t,\n").encode())
    assert rows["ITEM_ID"].to_list() == ["ITEM_ID", "2"]


@pytest.mark.parametrize(
    "other", ["ITEM_ID,USER_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE", "USER_ID,ITEM_ID,TIMESTAMP,EVENT_VALUE,DEVICE",
              "user_id,item_id,timestamp"]
)  # fmt: skip
def test_a_second_header_with_other_columns_is_told(other):
    with pytest.raises(ImportFailed, match=r"Line 3 of data\.csv is a second header, with other columns or places"):
        load((HEADER + f"u1,i1,7,w,\n{other}\ni2,u2,8,w,\n").encode(), "interactions")


def load_columns(text: str, *names: str) -> tuple[pl.DataFrame, Report]:
    """Reads a file against a schema of Items with some columns of texts."""
    fields = [{"name": name, "type": ["null", "string"] if name != "ITEM_ID" else "string"} for name in names]
    fields[1]["categorical"] = True
    made = schema.parse(json.dumps({"type": "record", "name": "Items", "fields": fields}))
    frames: list[pl.DataFrame] = []
    data = text.encode()
    report = read([Source("data.csv", len(data), partial(io.BytesIO, data))], made, frames.append, lambda *_: None)
    return pl.concat(frames), report


def test_what_cannot_be_seen_in_a_header_is_passed_over():
    header = "\ufeffITEM_ID,\u200bGENRE,YEAR\u00a0,TITLE,ADULT_ONLY\n"
    rows, _ = load(("\ufeff" + header + "1,a,2,t,\n").encode())
    assert rows.rows() == [("1", "a", 2, "t", None)]


@pytest.mark.parametrize("endless", ['1,"', "1,", '1,"\n'])
def test_a_record_without_end_does_not_eat_memory(endless):
    class Endless(io.RawIOBase):
        asked = 0

        def read(self, size=-1):
            self.asked += size
            assert self.asked < 8 * csv_records.LONGEST_RECORD
            if self.asked == size:
                return (TITLES + endless).encode()
            return b"x\n" * (size // 2) if endless.endswith("\n") else b"x" * size

    source = Source("huge.csv", 1 << 40, Endless)
    with pytest.raises(ImportFailed, match=r"huge\.csv.*line 2"):
        read([source], SCHEMAS["items"], lambda frame: None, lambda share, text: None)


# The word null is reserved. Python takes the separators up to U+001F for blanks, Unicode does not.
words = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1c\x1d\x1e\x1f"), max_size=12),
    st.text(st.sampled_from('a"\\,\n\r;'), max_size=12),
).filter(lambda word: word != "null")
ids = words.filter(lambda word: not is_null_name(word))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(ids, words, st.integers(-(2**31), 2**31 - 1), words), min_size=1, max_size=20), st.booleans())
def test_what_csv_writer_wrote_comes_back(rows, all_quoted):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL)
    writer.writerow(["ITEM_ID", "GENRE", "YEAR", "TITLE", "ADULT_ONLY"])
    writer.writerows([*row, "true"] for row in rows)
    found, report = load(text.getvalue().encode())
    assert found.drop("ADULT_ONLY").rows() == [
        (item, genre if bare(genre) else None, year, title if bare(title) else None)
        for item, genre, year, title in rows
    ]
    assert report.counts.keys() <= {SPANS}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(ids, st.text(st.sampled_from('a"\\,\n\r;'), max_size=12)), min_size=1, max_size=10))
def test_backslash_escapes_come_back(rows):
    text = io.StringIO()
    text.write(TITLES)
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\")
    # Tells the dialect, without which a pair of backslashes is a pair.
    rows = [*rows, ("told", 'an "escaped" quote')]
    writer.writerows([row[0], "", 1, row[1], "true"] for row in rows)
    found, _ = load(text.getvalue().encode())
    assert found.select("ITEM_ID", "TITLE").rows() == [(row[0], row[1] if bare(row[1]) else None) for row in rows]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_random_bytes_raise_nothing_but_import_failed(data, headed, packed):
    data = TITLES.encode() * headed + data
    try:
        load(gzip.compress(data, mtime=0)[: -1 - len(data) % 3] if packed else data)
    except ImportFailed:
        event("failed")
    else:
        event("read")


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("1a\\,\n\r.-e"), max_size=80))
def test_random_text_keeps_count(text):
    rows, report = load((TITLES + "1,,1,,\n" * 40 + text).encode())
    assert report.rows_read - report.rows_dropped == report.rows_kept == len(rows) >= 40


MEMORY = """
import io, json, resource
from tailorbird.data import schema
from tailorbird.ingest import csv_files

class Rows(io.RawIOBase):
    left = 20
    def readable(self):
        return True
    def readinto(self, buffer):
        line = b"user1,item2,1500000000\\n"
        data = line * (len(buffer) // len(line)) if Rows.left else b""
        Rows.left -= bool(Rows.left)
        buffer[:len(data)] = data
        return len(data)

names = {"USER_ID": "string", "ITEM_ID": "string", "TIMESTAMP": "long"}
fields = [{"name": name, "type": type_} for name, type_ in names.items()]
made = schema.parse(json.dumps({"type": "record", "name": "Interactions", "fields": fields}))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
head = csv_files.Source("a", 1, lambda: io.BytesIO(b"USER_ID,ITEM_ID,TIMESTAMP\\nu,i,1\\n" + b"u,i,1\\n" * 100_000))
csv_files.read([head], made, lambda frame: None, lambda share, text: None)
before = peak()
class Headed(io.BytesIO):
    def read(self, size=-1):
        return super().read(size) or rows.read(size)
rows = io.BufferedReader(Rows(), 1 << 20)
many = csv_files.Source("b", 1, lambda: Headed(b"USER_ID,ITEM_ID,TIMESTAMP\\n"))
report = csv_files.read([many], made, lambda frame: None, lambda share, text: None)
print(report.rows_kept, peak() - before)
"""


def test_memory_does_not_grow_with_the_rows():
    ran = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    rows, megabytes = ran.stdout.split()
    assert int(rows) > 800_000
    assert float(megabytes) < 150


def test_real_interactions(data_folder):
    events = pl.read_parquet(data_folder / "ml-latest-small" / "personalize_poc_interactions.parquet")
    data = events.with_columns(EVENT_VALUE=pl.lit(None, pl.Float64)).rename({"row": ""}).write_csv().encode()
    rows, report = load(data, "interactions")
    assert report.rows_kept == len(events) == 158_371
    assert report.problems == ()
    assert rows["ITEM_ID"].to_list() == events["item_id"].cast(pl.String).to_list()


def test_real_items_with_blank_years_and_a_range(data_folder):
    """The journey's own way to the year: whatever a regular expression finds in the title."""
    movies = pl.read_parquet(data_folder / "ml-latest-small" / "items.parquet").select(
        ITEM_ID="item_id", GENRE="genres", YEAR=pl.col("title").str.extract(r"\(([^()]*)\)\s*$"), TITLE="title"
    )
    rows, report = load(movies.with_columns(ADULT_ONLY=pl.lit(None, pl.Boolean)).write_csv().encode())
    years = movies["YEAR"].str.contains(r"^\d+$").fill_null(False)
    assert len(rows) == len(movies) == 9742
    assert report.rows_dropped == 0
    assert report.cells_emptied == (~years).sum() > 0
    assert rows["TITLE"].to_list() == movies["TITLE"].to_list()


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \n", b"\t \r\n"])
def test_blank_lines_are_passed_over_together(blank: bytes, monkeypatch: pytest.MonkeyPatch):
    """Hundreds of megabytes of them are one of gzip, and a line at a time took a worker minutes."""
    looked_at = []
    plain_cells = csv_records._simple_cells

    def spy(line: str) -> list[str] | None:
        looked_at.append(line)
        return plain_cells(line)

    monkeypatch.setattr(csv_records, "_simple_cells", spy)
    count = 3 * csv_records.BLOCK // len(blank)
    data = b"A,B\n" + blank * count + b"x,y\n" + blank * count + b"z,u\n" + blank
    found = [
        (line, cells)
        for part in csv_records.read(io.BytesIO(gzip.compress(data, 1)), "data.csv", [])
        for records in [part if isinstance(part, csv_records.Records) else part.records()]
        for line, cells in zip(records.lines, records.cells, strict=True)
    ]
    assert found == [(1, ["A", "B"]), (count + 2, ["x", "y"]), (2 * count + 3, ["z", "u"])]
    assert len(looked_at) < 20
