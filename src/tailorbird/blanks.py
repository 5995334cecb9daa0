"""What cannot be seen around a value: one set for every door, as Python's, polars' and `re`'s differ."""

from __future__ import annotations

BLANKS = "".join(
    chr(code)
    for first, last in (
        (0x00, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x061C, 0x061C), (0x115F, 0x1160), (0x1680, 0x1680),
        (0x180E, 0x180E), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x2064), (0x2066, 0x206F), (0x2800, 0x2800),
        (0x3000, 0x3000), (0x3164, 0x3164), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    )
    for code in range(first, last + 1)
)  # fmt: skip
"""Blanks, line ends, control characters, fillers, and what has no width and comes with copied texts. Python's strip()
has U+001C to U+001F among its blanks, its float() and polars have not."""


def bare(text: str) -> str:
    """The text without blanks around it."""
    return text.strip(BLANKS)
