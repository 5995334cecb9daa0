"""The file of results, docs/reference/quality.json, from which all tables are made.

Beside it, the values of every question are kept in build/quality, which is no part of the repository: from them come
the paired differences that the file of results holds.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from quality.comparison import Result, paired
from quality.protocol import Protocol, Values
from quality.runner import Run

FILE = Path("docs/reference/quality.json")
VALUES = Path("build/quality")


def keep(root: Path, protocol: Protocol, runs: Sequence[Run]) -> None:
    """Puts results into the file of results; those of the same contestants are replaced."""
    found = stored(root)
    rows = {row["name"]: row for row in found.get(protocol.name, [])}
    day = datetime.now(UTC).date().isoformat()
    for result, values in runs:
        rows[result.name] = dataclasses.asdict(result) | {"day": day, "cores": os.cpu_count()}
        _keep_values(_folder(root, protocol, result.name), values, result.seeds)
    if any(result.name == protocol.judged.name for result, _ in runs):
        for row in rows.values():
            row["margins"] = {}
    for name, row in rows.items():
        if row["kind"] == "peer":
            row["margins"] = margins(root, protocol, name) or row.get("margins", {})
    found[protocol.name] = [rows[one.name] for one in protocol.contestants if one.name in rows]
    text = json.dumps(dict(sorted(found.items())), indent=1) + "\n"
    (root / FILE).write_text(text, encoding="utf-8")


def margins(root: Path, protocol: Protocol, peer: str) -> dict[str, dict[str, float]]:
    """Returns the paired differences to the judged recipe by metric, over the seeds that both have."""
    ours, theirs = (_values(_folder(root, protocol, name)) for name in (protocol.judged.name, peer))
    seeds = sorted(ours.keys() & theirs.keys())
    found = {}
    for metric in protocol.verdicts if seeds else ():
        margin = paired(
            [ours[seed][metric] for seed in seeds], [theirs[seed][metric] for seed in seeds], protocol.drawn
        )
        if np.isfinite(margin.error):
            found[metric] = {"mean": margin.mean, "error": margin.error}
    return found


def _folder(root: Path, protocol: Protocol, contestant: str) -> Path:
    return root / VALUES / protocol.name / contestant


def _keep_values(folder: Path, values: Mapping[int, Values], seeds: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.npz"):
        if int(file.stem) >= seeds:  # of an older, longer run
            file.unlink()
    for seed, arrays in values.items():
        small = {name: array.astype(np.float32) for name, array in arrays.items()}
        np.savez_compressed(folder / f"{seed}.npz", allow_pickle=False, **small)


def _values(folder: Path) -> dict[int, Any]:
    return {int(file.stem): np.load(file) for file in sorted(folder.glob("*.npz"))}


def stored(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns what the file of results holds, by protocol."""
    file = root / FILE
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def kept(root: Path, protocol: Protocol) -> dict[str, Result]:
    """Returns a protocol's results in the file by contestant."""
    return {row["name"]: read(row) for row in stored(root).get(protocol.name, [])}


def read(row: dict[str, Any]) -> Result:
    """Returns one kept result; rows of before questions were counted lack the newer fields."""
    return Result(**{field.name: row[field.name] for field in dataclasses.fields(Result) if field.name in row})
