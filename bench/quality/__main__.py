"""Runs protocols: PYTHONPATH=src:bench python -m quality P4 P4d --seeds 20

Prints a table for each; with --write also keeps the results in docs/reference/quality.json, after each seed, and at
the end makes docs/reference/quality.md and the README's table from all results kept there. With --go-on, seeds whose
results are kept there are not run again, so that hours can be spent in parts, on the same code and machine. The data
sets' folder comes from the environment variable TAILORBIRD_DATA.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from quality import report, results
from quality.protocols import PROTOCOLS
from quality.runner import run


def main() -> None:
    """Reads the command line and prints the protocols' tables."""
    parser = argparse.ArgumentParser(prog="quality", description=__doc__)
    parser.add_argument("protocols", nargs="*", choices=[*PROTOCOLS, []], metavar="|".join(PROTOCOLS))
    parser.add_argument("--seeds", type=int, help="how many seeds to average over (default: the protocol's)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="leave out the other contestants")
    parser.add_argument("--write", type=Path, metavar="ROOT", help="the project's folder, whose documents to renew")
    parser.add_argument("--go-on", action="store_true", help="add to the seeds that --write's folder has results of")
    arguments = parser.parse_args()
    if arguments.go_on and not arguments.write:
        parser.error("--go-on needs --write: the folder with the results to add to")
    folder = os.environ.get("TAILORBIRD_DATA")
    if not folder and arguments.protocols:
        sys.exit("Set TAILORBIRD_DATA to the folder that holds the data sets, such as ml-latest-small.")
    for name in arguments.protocols:
        protocol = PROTOCOLS[name]
        kept = results.kept(arguments.write, protocol) if arguments.go_on else {}
        shown = list(kept.values())
        for runs in run(protocol, Path(folder or ""), arguments.seeds or protocol.seeds, arguments.only, kept):
            shown = [result for result, _ in runs]
            if arguments.write:
                results.keep(arguments.write, protocol, runs)
        print(report.table(protocol, shown))
    if arguments.write:
        report.write(arguments.write, PROTOCOLS.values())


main()
