"""What cannot be seen in a text: characters without a glyph, but for those that spelling asks for.

A joiner (U+200D) makes one picture of several, as in 👩‍💻, and with a non-joiner (U+200C) it decides the forms of
letters in scripts such as Arabic and those of India: without it the Persian می‌خواهم is spelled wrongly. After a virama
either may end a word. Tags follow a black flag. Anywhere else they came by accident.

Source: Unicode 16, chapters 9.2, 12.1 and 23; RFC 5892, appendix A; Unicode Technical Standard 51.
"""

from __future__ import annotations

import re
import unicodedata

_TAGS = "\U000e0020-\U000e007f"
EVERY = (
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    f"\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0001{_TAGS}]"
)
"""Unicode's categories Cc and Cf, spelled out since Python's re has no \\p; a pattern for polars too, as all here."""
_NEVER = EVERY.replace("\u200b-\u200f", "\u200b\u200e\u200f").replace(_TAGS, "")
JOINERS = _NON_JOINER, _JOINER = "\u200c", "\u200d"
_LETTERS = (
    "\u0620-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\u1a20-\u1aaf\u1b00-\u1c4f\u1cd0-\u1cff\ua840-\ua95f"
    "\ua980-\uaaff\uabc0-\uabff\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00010fff\U00011000-\U00011fff\U0001e900-\U0001e95f"
)
"""Of scripts in which the forms of letters depend on their neighbours, with their marks."""
_VIRAMAS = (
    "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0f84\u1039\u103a\u17d2\u1b44\u1baa"
    "\ua806\ua8c4\ua953\ua9c0\uaaf6\uabed\U00010a3f\U00011046\U0001107f\U000110b9"
)
_PICTURES = (
    "\xa9\xae\u203c\u2049\u20e3\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299"
    "\ufe0f\U0001f000-\U0001faff"
)
"""Emoji, their colours of skin, and U+FE0F, which makes an emoji of a sign."""
SLIPS = "|".join(
    (
        _NEVER,
        f"(?:^|[^{_LETTERS}]){_NON_JOINER}",
        f"(?:^|[^{_VIRAMAS}]){_NON_JOINER}(?:[^{_LETTERS}]|$)",
        f"(?:^|[^{_LETTERS}{_PICTURES}]){_JOINER}",
        f"[{_PICTURES}]{_JOINER}(?:[^{_PICTURES}]|$)",
        f"(?:^|[^\U0001f3f4{_TAGS}])[{_TAGS}]",
    )
)
"""What cannot be seen and came by accident."""
_PARTS = "\u1100", "\u11ff"
"""The parts of Korean syllables, the first and the last."""
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def legible(text: str) -> str:
    """The text with escapes in place of slips, and of marks and letters that look like others, as Python has them."""
    slips, composed = re.search(SLIPS, text) is not None, unicodedata.is_normalized("NFC", text)
    return "".join(_escaped(letter) if _is_hidden(letter, slips, composed) else letter for letter in text)


def _is_hidden(letter: str, slips: bool, composed: bool) -> bool:
    if re.match(EVERY, letter):
        return slips
    if not composed and (unicodedata.combining(letter) or not unicodedata.is_normalized("NFC", letter)):
        return True
    return not letter.isprintable() or (not composed and _PARTS[0] <= letter <= _PARTS[1])


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"
