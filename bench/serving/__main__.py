"""How fast answers are, beside the least that any costs and beside what a user would write instead.

    PYTHONPATH=src:bench python -m serving --data ml-1m --kept build/bench

Runs three servers on one core at the same time, Tailorbird, `bare` and `peer`, and asks one after the other over 32
connections from another core, in several rounds. Each is pinned, signatures are verified, and requests are signed
beforehand. The data sets' folder comes from the environment variable TAILORBIRD_DATA. With --kept, an installation
that was trained before is used again; a new one is trained briefly, which changes no answer's cost.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from performance import results
from serving import bench, shop
from serving.cases import RECIPES


def main() -> None:
    """Reads the command line and prints the tables."""
    parser = argparse.ArgumentParser(prog="serving", description=__doc__)
    parser.add_argument("--data", default="ml-1m", choices=["ml-1m", "ml-latest-small"])
    parser.add_argument("--users", type=int, help="only the first so many users, for a quick try")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to ask each time (default 3)")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--whole", action="store_true", help="train a new installation whole: hours for ml-1m")
    parser.add_argument("--kept", type=Path, metavar="FOLDER", help="where installations are kept between runs")
    parser.add_argument("--write", type=Path, metavar="ROOT", help="the checkout that is to keep the result")
    arguments = parser.parse_args()
    data = os.environ.get("TAILORBIRD_DATA")
    if not data:
        sys.exit("Set TAILORBIRD_DATA to the folder that holds the data sets, such as ml-1m.")
    films = shop.read(Path(data), arguments.data)
    films = shop.cut(films, arguments.users) if arguments.users else films
    with tempfile.TemporaryDirectory(prefix="tailorbird-serving-") as place:
        folder = (arguments.kept or Path(place) / "kept").absolute() / arguments.data
        bench.install(films, folder, arguments.recipes, whole=arguments.whole)
        asked = Path(place) / "asked"  # a copy: events stay, and who has acted is no longer a user of the training
        shutil.copytree(folder, asked)
        found = bench.Bench(arguments.data, films, asked, arguments.rounds, arguments.seconds).run()
    results.finish(arguments.write, f"serving {arguments.data}", found)


if __name__ == "__main__":
    main()
