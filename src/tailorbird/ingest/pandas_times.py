"""How pandas makes epoch seconds of times that are written otherwise."""

from __future__ import annotations

LOCAL = (
    'Where they are local times, leave out ", utc=True" and put .dt.tz_localize("Asia/Shanghai"), or what their zone '
    "is, behind to_datetime(...)"
)


def line(column: str, arguments: str = "") -> str:
    """The line for a data frame df; arguments: of to_datetime, which say how the times are written."""
    given = f", {arguments}" if arguments else ""
    return (
        f'df["{column}"] = (pd.to_datetime(df["{column}"]{given}, utc=True) - pd.Timestamp(0, tz="UTC")) // '
        "pd.Timedelta(seconds=1) in pandas makes them"
    )
