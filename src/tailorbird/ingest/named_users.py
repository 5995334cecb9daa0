"""Users whom a data deletion names and nobody knows: each may be one who stays, since the file spells him otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from tailorbird.data.schema import Field
from tailorbird.ingest.spellings import Oddities, likeness, shown
from tailorbird.numbers import counted

SHOWN = 3
"""Ids of each kind that are quoted, which mostly look alike. Not tuned."""
_SEPARATORS = r"[;,|\s]+"


def report(field: Field, named: Sequence[str], known: pl.Series) -> dict[str, Any]:
    """How many of the named ids are known, and what is odd about the others, as JSON values with camelCase keys.

    named: each once. known: all ids that there are, each once. `cause` is there only where users may have been left.
    """
    ids = pl.Series("id", named, pl.String)
    unknown = ids.filter(~ids.is_in(known.implode()))
    told: dict[str, Any] = {"usersNamed": len(ids), "usersFound": len(ids) - len(unknown), "warnings": []}
    if unknown.is_empty():
        return told
    odd = Oddities(field)
    odd.add(unknown)
    told["warnings"] = [
        f"{counted(len(unknown), 'id has', 'ids have')} no row in any dataset: {_listed(unknown.to_list())}.",
        *odd.warnings(),
    ]
    stayed = known.filter(~known.is_in(ids.implode()))
    meant = _meant(unknown, stayed)
    if meant:
        pairs = [f"{shown(each)} (there {'is' if len(of) == 1 else 'are'} {_listed(of)})" for each, of in meant.items()]
        told["cause"] = (
            f"Not everyone who may be meant was deleted: {counted(len(meant), 'id has', 'ids have')} no row, but "
            f"{'is' if len(meant) == 1 else 'are'} known in another spelling: {'; '.join(pairs[:SHOWN])}"
            f"{' and others' if len(pairs) > SHOWN else ''}. Everyone else was deleted. Write the ids as the data have "
            "them, and create another job."
        )
    return told


def _meant(unknown: pl.Series, stayed: pl.Series) -> dict[str, list[str]]:
    """By unknown id, those that stay and may be meant: of the same likeness, or listed in it."""
    given = pl.DataFrame({"text": unknown, "like": likeness(unknown)})
    alike = given.join(pl.DataFrame({"id": stayed, "like": likeness(stayed)}), on="like").group_by("text").agg("id")
    found = {text: sorted(each) for text, each in alike.iter_rows()}
    lists = {text: re.split(_SEPARATORS, text) for text in unknown if re.search(_SEPARATORS, text.strip())}
    parts = pl.Series([part for each in lists.values() for part in each], dtype=pl.String)
    there = set(stayed.filter(stayed.is_in(parts.implode())))
    found |= {text: [part for part in each if part in there] for text, each in lists.items() if there & {*each}}
    return dict(sorted(found.items()))


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return ", ".join(map(shown, ids[:SHOWN])) + more
