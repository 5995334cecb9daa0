"""Which encoding a text may have that is not UTF-8."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

COMMON_SHARE = 0.9
"""Share of the letters beyond ASCII that must be common ones of the language: of Latin letters read so next to none."""
HANZI = (0xB0, 0xD7)
"""First bytes of the 3,755 commonest characters of GB 2312."""
BIG5_HANZI = (0xA4, 0xC6)
"""First bytes of the 5,401 commonest characters of Big5."""
MARKS = (0xA1, 0xA3)
"""First bytes of signs and wide letters in both."""

SAMPLE = 1 << 16
"""Bytes whose letters are looked at, some ten thousand of them; not tuned."""
SHOWN = 60
"""Characters of a line that a message quotes: enough to find it; not tuned."""


@dataclass(frozen=True)
class Encoding:
    """What a text is likely to be encoded in."""

    codec: str
    """As Python calls it."""
    name: str = ""
    """As others call it; empty where nothing tells."""


LATIN = Encoding("latin-1")
"""Can read everything, if not rightly."""
_CHINESE = (
    (Encoding("gb18030", "GBK"), HANZI, 0xA1),
    (Encoding("big5", "Big5"), BIG5_HANZI, 0x40),
)
"""Each with the first bytes of common characters and the least second byte."""

_PAIR = re.compile(rb"[\x80-\xff][\x00-\xff]")
"""The two bytes of a character beyond ASCII."""


def likely(data: bytes, at: int) -> Encoding:
    """The encoding in which the letters beyond ASCII, from `at` on, are common ones; else `LATIN`."""
    for encoding, first, least in _CHINESE:
        try:
            data.decode(encoding.codec)
        except UnicodeDecodeError:
            continue
        pairs = _PAIR.findall(data, at, at + SAMPLE)
        common = sum(
            (first[0] <= one <= first[1] or MARKS[0] <= one <= MARKS[1]) and two >= least for one, two in pairs
        )
        if pairs and common >= COMMON_SHARE * len(pairs):
            return encoding
    return LATIN


def told(data: bytes, at: int, encoding: Encoding) -> str:
    """What the line around a byte looks like, as a sentence after a space; empty where nothing tells."""
    if not encoding.name:
        return ""
    line = data[data.rfind(b"\n", 0, at) + 1 :].partition(b"\n")[0].decode(encoding.codec).strip()
    shown = line if len(line) <= SHOWN else line[:SHOWN] + "…"
    return f" It looks like {encoding.name}, in which that line reads {json.dumps(shown, ensure_ascii=False)}."
