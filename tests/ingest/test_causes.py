"""Files that are no CSV as it is wanted: the message names what they are instead."""

from __future__ import annotations

import io
import json
from functools import partial

import pytest

from tailorbird.data import schema
from tailorbird.ingest import csv_records
from tailorbird.ingest.csv_files import ImportFailed, Report, Source, read

NAMES = {"USER_ID": "string", "ITEM_ID": "string", "TIMESTAMP": "long"}
FIELDS = [{"name": name, "type": type_} for name, type_ in NAMES.items()]
SCHEMA = schema.parse(json.dumps({"type": "record", "name": "Interactions", "fields": FIELDS}))
HEADER = "USER_ID,ITEM_ID,TIMESTAMP\n"
ROWS = "u1,i1,1500000000\nu2,i2,1500000001\n"


def load(data: bytes) -> Report:
    return read([Source("a.csv", len(data), partial(io.BytesIO, data))], SCHEMA, lambda frame: None, lambda *_: None)


def cause(data: str | bytes) -> str:
    with pytest.raises(ImportFailed) as failed:
        load(data.encode() if isinstance(data, str) else data)
    assert failed.value.reason.isprintable()
    return failed.value.reason


@pytest.mark.parametrize("separator", ["\x01", " ", ";", "\t", "|"])
def test_separators(separator):
    words = {"\x01": r"the control character \x01, as Hive does", " ": "blanks"}.get(separator, "")
    assert f"The values of a.csv are separated by {words}" in cause((HEADER + ROWS).replace(",", separator))


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("sep=;\n", "The first line of a.csv is Excel's sep=: remove it"),
        ("SEP=,\r\n", "The first line of a.csv is Excel's sep=: remove it"),
        ("# made by us\n", "The first line of a.csv is a comment: remove it"),
        ("#USER_ID,ITEM_ID,TIMESTAMP\n", "The first line of a.csv is a comment: remove it"),
        ('{"USER_ID": "u1", "ITEM_ID": "i1", "TIMESTAMP": 1}\n', "The first line of a.csv is JSON: write CSV"),
        ('{"USER_ID":"u1","ITEM_ID":"i1","TIMESTAMP":1}\n', "The first line of a.csv is JSON: write CSV"),
        ("[\n", "The first line of a.csv is JSON: write CSV"),
        ("\x1f5,i1,x\n", "The first line of a.csv looks like a row"),
        (
            "u1,i1,1500000000\n",
            "The first line of a.csv looks like a row: write the header above it, here USER_ID,ITEM_ID,TIMESTAMP,",
        ),
    ],
)
def test_first_lines(before, words):
    assert words in cause(before + HEADER + ROWS)


@pytest.mark.parametrize("header", ["userId,itemId,timestamp\n", "user,item,2024\x07,USER_ID\n"])
def test_a_header_with_other_names_is_shown(header):
    assert f"The header of a.csv reads {json.dumps(header.strip())}" in cause(header + ROWS)


@pytest.mark.parametrize("quoted", [False, True])
def test_line_ends_of_old_macs(quoted, monkeypatch):
    text = (HEADER + ROWS).replace("\n", "\r")
    text = '"' + text.replace(",", '","').replace("\r", '"\r"') if quoted else text
    assert "The lines of a.csv end with a carriage return alone" in cause(text)
    monkeypatch.setattr(csv_records, "LONGEST_RECORD", 100)
    assert "The lines of a.csv end with a carriage return alone" in cause(text * 100)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("rows", ["", ROWS, "名,名,1500000000\n" * 100])
def test_encodings(encoding, mark, rows):
    found = cause((mark + HEADER + rows).encode(encoding))
    assert f"a.csv is not UTF-8: it looks like {encoding[:6].upper()}." in found


@pytest.mark.parametrize("blank", ["", " ", "\t", "  \r", "\r"])
def test_lines_without_anything_are_passed_over(blank):
    report = load((HEADER + ROWS + blank + "\n" + ROWS + blank).encode())
    assert (report.rows_read, report.rows_dropped, report.problems) == (4, 0, ())


def test_nuls_in_values_are_no_other_encoding():
    assert load((HEADER + ROWS + "u\0,i\0,1500000000\n").encode()).rows_kept == 3


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["_SUCCESS", "part-0"], "1 file whose name does not end in .csv or .csv.gz, the first part-0: rename"),
        ([".part-0.crc", "_SUCCESS"], "2 files whose names do not end in .csv or .csv.gz, the first .part-0.crc"),
        (["x/_SUCCESS", "x/part-0.csv"], "1 file is in subfolders, the first x/part-0.csv"),
    ],
)
def test_markers_are_not_the_data(names, words):
    with pytest.raises(ImportFailed) as failed:
        read([], SCHEMA, print, print, names)
    assert words in failed.value.reason
