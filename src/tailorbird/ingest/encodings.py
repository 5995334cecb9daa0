"""Which encoding a text may have that is not UTF-8."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tailorbird.ingest import pandas_files

COMMON_SHARE = 0.9
"""Share of the letters beyond ASCII that must be common ones of the language: of Latin letters read so next to none."""
HIGH_SHARE = 0.1
"""Share of these whose second byte must be beyond ASCII, too: of the letters of old DOS files next to none is, of the
scripts of East Asia half and more. Not tuned."""
LONG_SHARE = 0.2
"""Share of Latin letters that may stand in runs of three beyond ASCII: of Cyrillic and Greek nearly all do. Not
tuned."""

SAMPLE = 1 << 16
"""Bytes whose letters are looked at, some ten thousand of them; not tuned."""
SHOWN = 60
"""Characters of a line that a message quotes: enough to find it; not tuned."""


@dataclass(frozen=True)
class Encoding:
    """What a text is likely to be encoded in."""

    codec: str
    """As Python and pandas call it."""
    name: str = ""
    """As others call it; empty where nothing tells."""

    def read(self, data: bytes) -> str:
        """The text; what is no letter, and where nothing tells all beyond ASCII, becomes a question mark."""
        return data.decode(self.codec, "replace").replace("\ufffd", "?")


UNKNOWN = Encoding("ascii")
WESTERN = Encoding("cp1252", "cp1252, Windows' encoding of Western Europe")
_PAIR = re.compile(rb"[\x80-\xff][\x00-\xff]")
"""The two bytes of a character beyond ASCII."""
_MARKS = rb"[\xa1-\xa3][\x40-\xff]"
"""Signs and wide letters in GBK and Big5."""
_WIDE = (
    # Hiragana, katakana, signs, and the 2,965 commonest characters of JIS.
    (Encoding("cp932", "Shift-JIS"), rb"\x82[\x4f-\xf1]|\x83[\x40-\x96]|\x81[\x40-\xfc]|[\x88-\x97][\x40-\xfc]", 1),
    # All syllables; the common characters of Chinese go on to D7, so that ten letters are enough to tell.
    (Encoding("cp949", "EUC-KR"), rb"[\xb0-\xc8][\xa1-\xfe]|\xa1[\xa1-\xfe]", 10),
    # The 3,755 commonest characters of GB 2312.
    (Encoding("gb18030", "GBK"), rb"[\xb0-\xd7][\xa1-\xff]|[\xa1-\xa3][\xa1-\xff]", 1),
    # The 5,401 commonest characters of Big5.
    (Encoding("big5", "Big5"), rb"[\xa4-\xc6][\x40-\xff]|" + _MARKS, 1),
)
"""Each with the bytes of its common characters, and of how many letters it may be told."""
_LATIN = re.compile(rb"[\xc0-\xd6\xd8-\xf6\xf8-\xff]")
_NO_LATIN = re.compile(rb"[\x81\x83\x86\x88\x8a\x8c-\x90\x98\x9a\x9c-\x9f\xa5\xb3\xb9\xbc\xbe\xbf\xd7\xf7]")
"""What hardly stands in Western texts of cp1252, and does in those of others; signs and quotes tell nothing."""
_LONG = re.compile(rb"[\xc0-\xff]{3,}")


def likely(data: bytes, at: int) -> Encoding:
    """The encoding in which the letters beyond ASCII, from the line of `at` on, are common ones; else `UNKNOWN`."""
    start = data.rfind(b"\n", 0, at) + 1
    sample = data[start : start + SAMPLE]
    pairs = _PAIR.findall(sample)
    high = sum(second >= 0x80 for _, second in pairs)
    for encoding, common, least in _WIDE:
        found = sum(re.fullmatch(common, pair, re.DOTALL) is not None for pair in pairs)
        if len(pairs) >= least and found >= COMMON_SHARE * len(pairs) and high >= HIGH_SHARE * len(pairs):
            return encoding
    letters, others = len(_LATIN.findall(sample)), len(_NO_LATIN.findall(sample))
    run = sum(map(len, _LONG.findall(sample)))
    is_western = letters and letters >= COMMON_SHARE * (letters + others) and run <= LONG_SHARE * letters
    return WESTERN if is_western else UNKNOWN


class Spoilt:
    """The first place of a file that is not UTF-8, if there is one."""

    def __init__(self) -> None:
        self.encoding: Encoding | None = None
        self._reason = ""
        self._is_told = False

    def note(self, reason: str, encoding: Encoding, data: bytes, at: int) -> None:
        """Takes note of a byte of some data, unless there is one already; reason: where it is."""
        if self.encoding is None:
            self.encoding, self._reason = encoding, reason + _told(data, at, encoding)

    def tell(self, name: str, failures: list[str]) -> None:
        """Adds what to do, once."""
        if self.encoding is not None and not self._is_told:
            failures.append(f"{self._reason} {remedy(name, self._codec)}")
            self._is_told = True

    def handed_over(self) -> tuple[str, str]:
        """The codec, empty where none can be named, and the reason, for a caller who says what to do."""
        self._is_told = True
        return self._codec, self._reason

    @property
    def _codec(self) -> str:
        return self.encoding.codec if self.encoding is not None and self.encoding.name else ""


def remedy(name: str, codec: str, separator: str = ",") -> str:
    """What to do with a file of another encoding; codec: empty where it is not known."""
    if not codec:
        return "Save the file as UTF-8."
    return f"Save the file as UTF-8; in pandas: {pandas_files.line(name, separator=separator, encoding=codec)}."


def _told(data: bytes, at: int, encoding: Encoding) -> str:
    """What the line around a byte looks like, as a sentence after a space; empty where nothing tells."""
    if not encoding.name:
        return ""
    line = encoding.read(data[data.rfind(b"\n", 0, at) + 1 :].partition(b"\n")[0]).strip()
    shown = line if len(line) <= SHOWN else line[:SHOWN] + "…"
    return f" It looks like {encoding.name}, in which that line reads {json.dumps(shown, ensure_ascii=False)}."
