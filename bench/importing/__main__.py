"""CPU time, wall time and peak memory of an import, beside polars on the same file with no row checked.

    PYTHONPATH=src:bench python -m importing --rows 100000 1000000 --repeats 3

The peer reads the CSV file, encodes the ids as numbers, sorts by user and time and writes Parquet. Ours is the import
job as a worker does it: every row checked, a report, the checkup, a sorted and durable segment. Each runs in a fresh
process, in turns; the medians are printed, and the peer's time as a share of ours.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

import costs
from costs import Cost
from installation import installed, take_in
from performance import results
from performance.results import Curve, Result, Table
from serving import generated

ROWS_OF_USER, ITEMS = 165, 20_000
"""Of the generated data; users have as many rows as in MovieLens 1M."""
LEAST = 0.01
"""Seconds, in the plot, which is logarithmic: a few rows take less than a start does by chance."""
SLIP = 1000
"""With --slips one row in so many has a time that is no number, and another one a value too many."""


def write(path: Path, rows: int, *, quoted: bool, slips: bool) -> None:
    """Writes the file to import: numbers without quotes, or everything in quotes; with slips or without any."""
    generated.write(path, rows, max(100, rows // ROWS_OF_USER), ITEMS)
    if quoted:
        frame = pl.read_csv(path, infer_schema=False)
        frame.with_columns(pl.col("ITEM_ID") + ", a title").write_csv(path, quote_style="always")
    if slips:
        lines = path.read_text().splitlines()
        lines[SLIP // 2 :: SLIP] = [f"{line}x" for line in lines[SLIP // 2 :: SLIP]]
        lines[SLIP::SLIP] = [f"{line},x" for line in lines[SLIP::SLIP]]
        path.write_text("\n".join(lines))


def by_polars(place: Path) -> None:
    """Reads, encodes, sorts, writes."""
    frame = pl.read_csv(
        place / "rows.csv", schema_overrides={"USER_ID": pl.String, "ITEM_ID": pl.String, "TIMESTAMP": pl.Int64}
    )
    frame = frame.with_columns(pl.col("USER_ID", "ITEM_ID").cast(pl.Categorical).to_physical())
    frame.sort("USER_ID", "TIMESTAMP").write_parquet(place / "rows.parquet")


def by_import(place: Path) -> None:
    """Imports the file into a new installation."""
    take_in(installed(place), {"INTERACTIONS": place / "rows.csv"})


def by_nothing(place: Path) -> None:
    """What a process takes that only loads all these modules."""


STEPS: dict[str, Callable[[Path], None]] = {"polars": by_polars, "import": by_import, "nothing": by_nothing}


def cost(step: str, file: Path) -> Cost:
    """Does a step in a fresh process."""
    with tempfile.TemporaryDirectory(prefix="tailorbird-importing-", dir=file.parent) as folder:
        (Path(folder) / "rows.csv").hardlink_to(file)
        return costs.of("importing", "--step", step, "--place", folder)


def measured(rows: int, repeats: int, *, quoted: bool = False, slips: bool = False) -> dict[str, Cost]:
    """What each step costs on so many rows; with slips there is no peer, which would refuse the file."""
    with tempfile.TemporaryDirectory(prefix="tailorbird-importing-") as folder:
        file = Path(folder) / "rows.csv"
        write(file, rows, quoted=quoted, slips=slips)
        steps = [step for step in STEPS if step != "polars" or not slips]
        runs = [{step: cost(step, file) for step in steps} for _ in range(repeats)]
    return {step: costs.medians([run[step] for run in runs]) for step in steps}


def told(found: Mapping[int, Mapping[str, Cost]]) -> Result:
    """The result, of costs by the number of rows."""
    tables, measures = [], dict[str, float]()
    for rows, steps in found.items():
        share = _share(steps)
        note = "" if share is None else f"The import takes {1 / share:.1f} times the CPU time of polars."
        tables.append(
            Table(f"{rows:,} rows", costs.COLUMNS, {step: list(figures) for step, figures in steps.items()}, note)
        )
        measures |= {f"{rows:,} rows, memory": steps["import"].peak, "rows a second": rows / steps["import"].wall}
        measures |= {} if share is None else {f"{rows:,} rows": share}
    lines = {
        step: [(float(rows), max(steps[step].cpu - steps["nothing"].cpu, LEAST)) for rows, steps in found.items()]
        for step in ("polars", "import")
        if all(step in steps for steps in found.values())
    }
    curve = Curve("import-rows", "Import, without the start of the process", "rows", "seconds of CPU", lines)
    return results.result(tables, measures, [curve] if len(found) > 1 else [])


def _share(steps: Mapping[str, Cost]) -> float | None:
    """The peer's CPU time as a share of ours, without what only the start takes; None without a peer."""
    if "polars" not in steps:
        return None
    start = steps["nothing"].cpu
    return (steps["polars"].cpu - start) / (steps["import"].cpu - start)


def main(words: Sequence[str] | None = None) -> None:
    """Reads the command line and prints the tables."""
    parser = argparse.ArgumentParser(prog="importing", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000], help="of generated data (10,000,000)")
    parser.add_argument("--repeats", type=int, default=3, help="of which the medians are told (default 3)")
    parser.add_argument("--quoted", action="store_true", help="all values in quotes, with commas inside")
    parser.add_argument("--slips", action="store_true", help=f"two wrong rows in {SLIP:,}")
    parser.add_argument("--write", type=Path, metavar="ROOT", help="the checkout that is to keep the result")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.step:
        STEPS[arguments.step](arguments.place)
        return
    kinds = {"quoted": arguments.quoted, "slips": arguments.slips}
    found = {rows: measured(rows, arguments.repeats, **kinds) for rows in sorted(arguments.rows)}
    key = " ".join(["importing", *(kind for kind, wanted in kinds.items() if wanted)])
    results.finish(arguments.write, key, told(found))


if __name__ == "__main__":
    main()
