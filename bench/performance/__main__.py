"""Makes docs/reference/performance.md, its plots and the README's line from the kept results; --run measures first.

    PYTHONPATH=src:bench TAILORBIRD_DATA=... python -m performance --run --kept build/bench

Every bench is a process of its own, and keeps its result as soon as it has one: where one fails, the others still run,
and it can be run again by itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from performance import report
from performance.results import say

KEPT = "{kept}"
"""In a command: the folder where installations are kept between runs."""
PLAN = (
    ("serving", "--kept", KEPT, "--rounds", "3"),
    ("batch", "--kept", KEPT),
    ("events",),
    ("process", "--kept", KEPT),
    ("importing", "--repeats", "1", "--rows", "100000", "1000000", "10000000"),
    ("training", "generated", "aws-sims", "--rows", "1000000"),
    ("training", "generated", "aws-sims", "--rows", "10000000"),
    ("training", "generated", "aws-sims", "--rows", "5000000", "--items", "1000000"),
    ("training", "networks"),
    ("growth",),
)
"""What `make bench` measures: a module and its words; the longest last."""


def run(root: Path, kept: Path, only: Sequence[str]) -> list[str]:
    """Runs the benches one after the other and returns those that failed."""
    failed = []
    for module, *words in PLAN:
        if only and module not in only:
            continue
        began, told = time.monotonic(), " ".join([module, *words]).format(kept=kept)
        say(f"\n{told}")
        command = [sys.executable, "-m", *told.split(" "), "--write", str(root)]
        if subprocess.run(command, check=False).returncode:
            failed.append(told)
        say(f"{time.monotonic() - began:.0f} s")
    return failed


def main() -> None:
    """Reads the command line, measures where that is wanted, and makes the pages."""
    parser = argparse.ArgumentParser(prog="performance", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout (default: the current folder)")
    parser.add_argument("--run", action="store_true", help="measure first: some 40 minutes of two idle cores")
    parser.add_argument("--only", nargs="+", default=[], choices=sorted({module for module, *_ in PLAN}))
    parser.add_argument("--kept", type=Path, default=Path("build/bench"), help="where installations are kept")
    arguments = parser.parse_args()
    failed = []
    if arguments.run:
        if "TAILORBIRD_DATA" not in os.environ:
            sys.exit("Set TAILORBIRD_DATA to the folder that holds the data sets, such as ml-1m.")
        if not shutil.which("wrk"):
            sys.exit("wrk is needed: apt-get install wrk")
        failed = run(arguments.root, arguments.kept, arguments.only)
    report.write(arguments.root)
    if failed:
        sys.exit("These failed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
