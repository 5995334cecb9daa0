"""Runs one protocol: PYTHONPATH=src:bench python -m quality P4 --draws 20

The data sets' folder comes from the environment variable TAILORBIRD_DATA.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from quality import p4, p7, p8

PROTOCOLS = {"P4": p4.run, "P7": p7.run, "P8": p8.run}


def main() -> None:
    """Reads the command line and prints the protocol's table."""
    parser = argparse.ArgumentParser(prog="quality", description=__doc__)
    parser.add_argument("protocol", choices=sorted(PROTOCOLS))
    parser.add_argument("--draws", type=int, default=20, help="random splits to average over (default 20)")
    arguments = parser.parse_args()
    folder = os.environ.get("TAILORBIRD_DATA")
    if not folder:
        sys.exit("Set TAILORBIRD_DATA to the folder that holds the data sets, such as ml-latest-small.")
    PROTOCOLS[arguments.protocol](Path(folder), arguments.draws)


main()
