"""JSON as clients write it inside of requests and files: floats keep their text, and errors say what to do."""

from __future__ import annotations

import re

import msgspec


class Numeral(float):
    """A float with its text, which may say more than a float holds, as 9007199254740993.0 does."""

    _text: str

    def __new__(cls, text: str) -> Numeral:
        made = super().__new__(cls, text)
        made._text = text
        return made

    def __repr__(self) -> str:
        return self._text

    __str__ = __repr__


_DECODER = msgspec.json.Decoder(float_hook=Numeral)
_SURROGATES = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""Escaped backslashes, letters of two code units, and halves of such."""


def decode(text: str | bytes) -> object:
    """What the text says; raises ValueError."""
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        shown = text if isinstance(text, str) else text.decode(errors="replace")
        half = next((found["half"] for found in _SURROGATES.finditer(shown) if found["half"]), "")
        cut = f"{half} is half of a letter without its other half, as in a text that was cut: cut it between letters"
        raise ValueError(cut if half else str(error)) from error


def encode(value: object) -> bytes:
    """JSON of what may hold what `decode` gave, floats as they were written."""
    return msgspec.json.encode(value, enc_hook=_as_written)


def _as_written(value: object) -> msgspec.Raw:
    """Of the types that msgspec does not know there is one alone."""
    assert isinstance(value, Numeral), type(value)
    return msgspec.Raw(str(value).encode())
