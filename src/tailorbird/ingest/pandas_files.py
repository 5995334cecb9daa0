"""How pandas makes a CSV file as it is wanted of one with other separators, or in another encoding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence


def line(
    name: str,
    *,
    separator: str = ",",
    encoding: str = "",
    renamed: Mapping[str, str] | None = None,
    decimals: Sequence[str] = (),
) -> str:
    """One line of code, in which all texts stay as they are.

    encoding: as Python calls it; empty for UTF-8. renamed: new names of columns. decimals: columns, by new names, whose
    numbers may have a decimal comma.
    """
    given = {"sep": separator if separator != "," else "", "encoding": encoding}
    arguments = "".join(f", {argument}={_text(value)}" for argument, value in given.items() if value)
    reading = f"df = pd.read_csv({_text(name)}{arguments}, dtype=str, keep_default_na=False)"
    if renamed:
        pairs = ", ".join(f"{_text(old)}: {_text(new)}" for old, new in renamed.items())
        reading += f".rename(columns={{{pairs}}})"
    points = [
        f'df[{_text(column)}] = df[{_text(column)}].str.replace(r"\\.(?=.*,)", "", regex=True).str.replace(",", ".")'
        for column in decimals
    ]
    return "; ".join([reading, *points, 'df.to_csv("new.csv", index=False)'])


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
