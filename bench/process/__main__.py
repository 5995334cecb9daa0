"""What a server takes by itself: its start, its memory, what it loads; answers beside a training; and the demo.

    PYTHONPATH=src:bench python -m process start memory modules beside demo --kept build/bench

The data sets' folder comes from the environment variable TAILORBIRD_DATA. With --kept, the installation of
bench/serving is used.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import costs
from performance import results
from performance.results import Result, Table, say
from process import beside_training
from serving import shop
from serving.bench import install
from serving.cases import cases, kept
from serving.load import ask
from serving.servers import CORES, Server, clean_environment, free_port, tailorbird
from serving.shop import Films, signed
from tailorbird.cli.variables import environment
from tailorbird.config import load

STARTS = 5
ASKED = 100
"""Of each kind of question, before the memory is looked at."""
IDLE_SECONDS = 5.0
"""After which a server has loaded what it loads by itself."""
HEAVY = ("torch", "moto")
"""What a server is to do without until it is asked for it."""


@dataclass(frozen=True)
class Place:
    """Where the measurements take place."""

    films: Films
    folder: Path
    """Of the installation with models."""
    empty: Path
    """For one without anything."""
    seconds: float

    def ask(self) -> None:
        """Puts every kind of question to the server that runs on the installation."""
        values = environment(load({}, data_dir=self.folder / "data"))
        port = int(values["AWS_ENDPOINT_URL"].rpartition(":")[2])
        for case in cases(kept(self.folder), self.films):
            for request in signed(values, case.path, case.bodies[:ASKED]):
                ask(port, request)


def start(place: Place) -> Result:
    """Seconds until a server is ready."""
    found = {
        name: statistics.median(seconds_to_ready(folder) for _ in range(STARTS))
        for name, folder in {"an empty folder": place.empty, "models": place.folder / "data"}.items()
    }
    table = Table(
        "start of a server on", {"seconds until it is ready": ".2f"}, {name: [s] for name, s in found.items()}
    )
    return results.result([table], {"ready": found["models"]})


def seconds_to_ready(folder: Path) -> float:
    """How long a server takes until it says that it is ready."""
    began = time.perf_counter()
    with _ready(folder, {}, Path(os.devnull)):
        return time.perf_counter() - began


@contextmanager
def _ready(folder: Path, variables: dict[str, str], errors: Path) -> Iterator[None]:
    """A server as an operator starts it, once it says that it is ready."""
    command = [sys.executable, "-m", "tailorbird", "serve", "--port", "0", "--data-dir", str(folder)]
    told = clean_environment() | {"TAILORBIRD_LOG_LEVEL": "ERROR"} | variables
    with (
        errors.open("wb") as opened,
        subprocess.Popen(command, env=told, stdout=subprocess.PIPE, stderr=opened) as process,
    ):
        try:
            assert process.stdout is not None
            if b"ready at" not in process.stdout.readline():
                raise RuntimeError("the server did not start")
            yield
        finally:
            process.terminate()


def memory(place: Place) -> Result:
    """Megabytes of a server that does nothing, and of one that has answered every kind of question."""
    rows: dict[str, list[float | None]] = {}
    with tailorbird(place.empty, free_port(), {}, CORES) as server:
        time.sleep(IDLE_SECONDS)
        rows["idle, an empty folder"] = _megabytes(server)
    with tailorbird(place.folder / "data", free_port(), {}, CORES) as server:
        time.sleep(IDLE_SECONDS)
        rows["idle, models not asked yet"] = _megabytes(server)
        place.ask()
        rows["every model asked"] = _megabytes(server)
    table = Table("memory of the process", {"MB": ",.0f", "MB with mapped files": ",.0f"}, rows)
    idle, with_models = (rows[name][1] or 0.0 for name in ("idle, an empty folder", "every model asked"))
    return results.result([table], {"memory, idle": idle, "memory, with models": with_models})


def _megabytes(server: Server) -> list[float | None]:
    return [server.memory() / 1e6, server.mapped_memory() / 1e6]


def modules(place: Place) -> Result:
    """How many modules of large libraries a server loads that answers every kind of question."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "imports"
        with _ready(place.folder / "data", {"PYTHONPROFILEIMPORTTIME": "1"}, log):
            place.ask()
            time.sleep(IDLE_SECONDS)
        names = [line.rpartition("|")[2].strip() for line in log.read_text().splitlines() if "import time" in line]
    counts = {name: float(sum(each.partition(".")[0] == name for each in names)) for name in HEAVY}
    rows: dict[str, list[float | None]] = {name: [count] for name, count in counts.items()}
    table = Table("modules that a server loads which was not asked for S3", {"modules": ",.0f"}, rows)
    return results.result([table], {f"modules of {name}": count for name, count in counts.items()})


def beside(place: Place) -> Result:
    """Answers while a training runs."""
    with tempfile.TemporaryDirectory(prefix="tailorbird-process-") as folder:
        found = beside_training.measured(Path(folder), place.seconds)
    (_, _, idle), (_, _, busy) = found.values()
    columns = {"answers": ",.0f", "p50 ms": ".2f", "p99 ms": ".2f"}
    table = Table("one client, without a pause", columns, {name: list(figures) for name, figures in found.items()})
    return results.result([table], {"p99 while a training runs": busy / idle})


def demo(place: Place) -> Result:
    """What `make demo` costs, its server and workers included."""
    say("the demo")
    cost = costs.of("tailorbird", "demo", quiet=True)
    table = Table("six steps", costs.COLUMNS, {"make demo": list(cost)}, "The peak is of the largest process.")
    return results.result([table], {"make demo": cost.cpu})


PARTS: dict[str, Callable[[Place], Result]] = {
    "start": start,
    "memory": memory,
    "modules": modules,
    "beside": beside,
    "demo": demo,
}


def main(words: Sequence[str] | None = None) -> None:
    """Reads the command line and prints the tables."""
    parser = argparse.ArgumentParser(prog="process", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS), help="what to measure (default: all)")
    parser.add_argument("--data", default="ml-1m", choices=["ml-1m", "ml-latest-small"])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to ask beside a training (default 20)")
    parser.add_argument("--kept", type=Path, metavar="FOLDER", help="where installations are kept between runs")
    parser.add_argument("--write", type=Path, metavar="ROOT", help="the checkout that is to keep the result")
    arguments = parser.parse_args(words)
    data = os.environ.get("TAILORBIRD_DATA")
    if not data:
        sys.exit("Set TAILORBIRD_DATA to the folder that holds the data sets, such as ml-1m.")
    films = shop.read(Path(data), arguments.data)
    with tempfile.TemporaryDirectory(prefix="tailorbird-process-") as folder:
        kept_in = (arguments.kept or Path(folder)).absolute() / arguments.data
        install(films, kept_in)
        place = Place(films, kept_in, Path(folder) / "empty", arguments.seconds)
        for part in arguments.parts or PARTS:
            results.finish(arguments.write, "process", PARTS[part](place), joined=True)


if __name__ == "__main__":
    main()
