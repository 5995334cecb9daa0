"""How pandas makes epoch seconds of times that are written otherwise: lines that are right for a whole column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

INDENT = "\n    "
ADVICE = "In pandas, of a file that was read with dtype=str:"
"""What comes before the lines."""
DIGITS = {"%Y": "0000", "%j": "000", **dict.fromkeys(["%m", "%d", "%H", "%M", "%S"], "00")}
"""What each part of a format is in digits, where no sign parts it from the next."""


@dataclass(frozen=True)
class Reading:
    """How pandas reads some of a column's texts."""

    arguments: str
    """Of to_datetime: a format, or a unit, which counts numbers."""
    zoned: bool = False
    """Whether the texts say their zone."""

    def code(self) -> str:
        """The expression, which gives NaT for what is written otherwise."""
        utc = ", utc=True" if self.zoned else ""
        if "unit=" not in self.arguments:
            return f'pd.to_datetime(text{self._those()}, {self.arguments}, errors="coerce"{utc})'
        # A day's fraction, as Excel has it, is some nanoseconds beside the second.
        number = 'pd.to_numeric(text, errors="coerce")'
        return f'pd.to_datetime({number}, {self.arguments}, errors="coerce").dt.round("s")'

    def _those(self) -> str:
        """Which texts are meant, where all they have is digits: of more or fewer pandas takes one for a month, say."""
        digits = "".join(DIGITS.get(part, "-") for part in re.findall("%.|.", self.arguments[len('format="') : -1]))
        return f".where(text.str.len() == {len(digits)})" if digits.isdigit() else ""


def recipe(column: str, readings: Sequence[Reading], *, numbers: bool, wide: bool = False) -> str:
    """The lines for a data frame df whose columns are texts; each begins with `INDENT`.

    numbers: whether some values are epoch seconds already. wide: whether some have letters of other widths.
    """
    local = [each for each in readings if not each.zoned]
    narrow = '.str.normalize("NFKC")' if wide else ""
    lines = [f'text = df["{column}"].astype(str){narrow}.str.strip()']
    lines += _chain(local)
    if local:
        lines.append(
            'time = time.dt.tz_localize("UTC", nonexistent="shift_forward", ambiguous="NaT")  '
            "# or what their zone is, such as Asia/Shanghai"
        )
    lines += _chain([each for each in readings if each.zoned], begun=bool(local))
    lines.append('seconds = ((time - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)).astype("Int64")')
    if numbers:
        lines.append('seconds = seconds.fillna((pd.to_numeric(text, errors="coerce") // 1).astype("Int64"))')
    lines.append(f'print((df["{column}"].notna() & seconds.isna()).sum(), "values are lost")')
    lines.append(f'df["{column}"] = seconds')
    return "".join(INDENT + line for line in lines)


def _chain(readings: Sequence[Reading], *, begun: bool = False) -> list[str]:
    """A line each; begun: whether others have read what they can."""
    return [
        f"time = time.fillna({each.code()})" if at or begun else f"time = {each.code()}"
        for at, each in enumerate(readings)
    ]
