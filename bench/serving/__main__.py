"""How fast answers are, beside the least that any costs and beside what a user would write instead.

    PYTHONPATH=src:bench python -m serving --data ml-1m --kept build/bench

Runs three servers on one core at the same time, Tailorbird, `bare` and `peer`, and asks one after the other over 32
connections from another core, in several rounds. Each is pinned, signatures are verified, and requests are signed
beforehand. The data sets' folder comes from the environment variable TAILORBIRD_DATA. With --kept, an installation
that was trained before is used again.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from serving import report, shop
from serving.load import Flood, ask, at_rate, each_once, flat_out
from serving.report import ACTED, FILTERED, FIRST, KNOWN, Row, Run
from serving.servers import CORES, SERVER_CORE, Server, application, free_port, tailorbird
from serving.shop import Films, Shop
from tailorbird.cli.variables import environment
from tailorbird.config import load

RECIPES = ("aws-user-personalization", "aws-user-personalization-v2", "aws-personalized-ranking", "aws-sims")
PEERS = ("item-kNN", "ALS")
ANSWERS, RANKED, REPEATED = 25, 100, 500
"""Items of an answer; items of a list to be ranked; users who are asked about again and again."""
STATE = "serving.json"
PATH = "/recommendations"


@dataclass(frozen=True)
class Installed:
    """What is asked of an installation."""

    campaigns: dict[str, str]
    """ARN by recipe."""
    filter: str
    tracking: str


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    path: str
    bodies: list[dict[str, Any]]
    first: bool = False
    """Whether each is asked once, of a server that was just started."""
    before: list[dict[str, Any]] | None = None
    """Calls of PutEvents that come before."""


def main() -> None:
    """Reads the command line and prints the table."""
    parser = argparse.ArgumentParser(prog="serving", description=__doc__)
    parser.add_argument("--data", default="ml-1m", choices=["ml-1m", "ml-latest-small"])
    parser.add_argument("--users", type=int, help="only the first so many users, for a quick try")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to ask each time (default 3)")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--kept", type=Path, metavar="FOLDER", help="where installations are kept between runs")
    parser.add_argument(
        "--write", type=Path, metavar="ROOT", help="the checkout whose tables are to be made of this run"
    )
    arguments = parser.parse_args()
    data = os.environ.get("TAILORBIRD_DATA")
    if not data:
        sys.exit("Set TAILORBIRD_DATA to the folder that holds the data sets, such as ml-1m.")
    films = shop.read(Path(data), arguments.data)
    films = shop.cut(films, arguments.users) if arguments.users else films
    with tempfile.TemporaryDirectory(prefix="tailorbird-serving-") as place:
        folder = (arguments.kept or Path(place)).absolute() / arguments.data
        bench = Bench(films, folder, arguments.rounds, arguments.seconds)
        bench.install(arguments.recipes)
        found = bench.run()
    if arguments.write:
        report.keep(arguments.write, arguments.data, found)


class Bench:
    """One installation, and the measurements on it."""

    def __init__(self, films: Films, folder: Path, rounds: int, seconds: float) -> None:
        self._films, self._folder, self._rounds, self._seconds = films, folder, rounds, seconds
        self._data, self._port = folder / "data", free_port()
        self._variables = {"TAILORBIRD_FILE_ROOTS": str(folder)}

    def _shop(self) -> Shop:
        return Shop(environment(load({}, data_dir=self._data)))

    def _tailorbird(self, cores: Sequence[int] = (SERVER_CORE,)) -> Any:
        return tailorbird(self._data, self._port, self._variables, cores)

    def install(self, recipes: Sequence[str]) -> None:
        """Imports and trains what is not there yet."""
        state = self._folder / STATE
        if state.exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._tailorbird(CORES):
            made = self._shop()
            group = made.group("films", self._films, self._folder)
            campaigns = {}
            for recipe in recipes:
                print(f"training {recipe}", file=sys.stderr, flush=True)
                campaigns[recipe] = made.campaign(group, recipe)
            installed = Installed(campaigns, made.filter(group), made.tracker(group))
        state.write_bytes(msgspec.json.encode(installed))

    def run(self) -> Run:
        """Measures all cases and prints the table."""
        installed = msgspec.json.decode((self._folder / STATE).read_bytes(), type=Installed)
        with ExitStack() as stack:
            sample = self._sample(installed)
            (self._folder / "body").write_bytes(sample)
            bare = stack.enter_context(application("bare", "serving.bare", {"BARE_BODY": str(self._folder / "body")}))
            peers = [stack.enter_context(self._peer(name)) for name in PEERS]
            head = f"{'':54}{'answers/s':>10}{'µs CPU':>9}{'of bare':>9}{'× peer':>8}{'p50 ms':>8}{'p99 ms':>8}"
            print(head, flush=True)
            cases = _cases(installed, self._films)
            known = cases[0]
            floods = {server.name: self._rounds_of(server, known) for server in (bare, *peers)}
            least = floods["bare"]
            best = max((floods[name] for name in PEERS), key=lambda flood: flood.rate)
            rows = [Row(name, flood) for name, flood in floods.items()]
            for row in rows:
                _print(row, least, best)
            for case in cases:
                rows.append(Row(case.name, self._measure(case, installed), report.goal(case.name, least, best)))
                _print(rows[-1], least, best)
            return Run(_machine(), rows, *self._at_half_load(known))

    def _measure(self, case: Case, installed: Installed) -> Flood:
        if not case.first:
            with self._tailorbird() as server:
                return self._rounds_of(server, case)
        floods = []
        for _ in range(min(self._rounds, 3)):
            with self._tailorbird() as server:
                made = self._shop()
                if case.before:
                    each_once(server, made.signed("/events", case.before))
                ask(server, made.signed(case.path, [case.bodies[0] | {"userId": "nobody"}])[0])
                floods.append(each_once(server, made.signed(case.path, case.bodies)))
        return _median(floods)

    def _rounds_of(self, server: Server, case: Case) -> Flood:
        made = self._shop()
        for request in made.signed(case.path, case.bodies):
            ask(server, request)
        return _median(
            [flat_out(server, made.signed(case.path, case.bodies), self._seconds) for _ in range(self._rounds)]
        )

    def _at_half_load(self, case: Case) -> tuple[tuple[float, float, float], int]:
        """How long answers take at half of what the server can do, and its memory; looks at each of them."""
        with self._tailorbird() as server:
            requests = self._shop().signed(case.path, case.bodies)
            for request in requests:
                ask(server, request)
            rate = flat_out(server, requests, self._seconds).rate / 2
            took = at_rate(server, requests, rate, self._seconds * 3, _check)
            p50, p99 = np.percentile(took, [50, 99]).tolist()
            memory = server.memory()
            print(f"\nat {rate:.0f} answers/s, due at fixed times: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
            print(f"memory of the process: {memory / 1e6:.0f} MB")
            return (rate, p50, p99), memory

    def _sample(self, installed: Installed) -> bytes:
        """An answer of Tailorbird's."""
        with self._tailorbird() as server:
            body = _cases(installed, self._films)[0].bodies[0]
            return ask(server, self._shop().signed(PATH, [body])[0]).partition(b"\r\n\r\n")[2]

    def _peer(self, name: str) -> Any:
        rows = self._films.interactions.unique(["USER_ID", "ITEM_ID"])
        users, user = np.unique(rows["USER_ID"].to_numpy().astype(str), return_inverse=True)
        items, item = np.unique(rows["ITEM_ID"].to_numpy().astype(str), return_inverse=True)
        file = self._folder / "matrix.npz"
        np.savez(file, users=users, items=items, user=user, item=item)
        return application(name, "serving.peer", {"PEER_MATRIX": str(file), "PEER_MODEL": name})


def _cases(installed: Installed, films: Films) -> list[Case]:
    users, items = films.users, films.interactions["ITEM_ID"].unique().sort().to_list()
    again = users[:: max(len(users) // REPEATED, 1)][:REPEATED]
    found = []
    for recipe, name in (("aws-user-personalization", "user-personalization"), ("aws-user-personalization-v2", "v2")):
        if recipe not in installed.campaigns:
            continue
        asked = {"campaignArn": installed.campaigns[recipe], "numResults": ANSWERS}
        genres = {"filterArn": installed.filter, "filterValues": {"GENRES": '"Drama"'}}
        found += [
            Case(f"{name}, {KNOWN}", PATH, [asked | {"userId": user} for user in again]),
            Case(f"{name}, {FILTERED}", PATH, [asked | {"userId": user} | genres for user in again]),
            Case(f"{name}, {FIRST}", PATH, [asked | {"userId": user} for user in users], True),
            Case(
                f"{name}, {ACTED}",
                PATH,
                [asked | {"userId": user} for user in users],
                True,
                [_event(installed.tracking, user, items[at % len(items)]) for at, user in enumerate(users)],
            ),
        ]
    if arn := installed.campaigns.get("aws-personalized-ranking"):
        lists = [items[at % 50 : at % 50 + RANKED] for at in range(len(again))]
        bodies: list[dict[str, Any]] = [
            {"campaignArn": arn, "userId": user, "inputList": each} for user, each in zip(again, lists, strict=True)
        ]
        found.append(Case(f"personalized-ranking of {RANKED} items", "/personalize-ranking", bodies))
    if arn := installed.campaigns.get("aws-sims"):
        bodies = [{"campaignArn": arn, "itemId": item, "numResults": ANSWERS} for item in items[:REPEATED]]
        found.append(Case("sims", PATH, bodies))
    return found


def _event(tracking: str, user: str, item: str) -> dict[str, Any]:
    event = {"eventType": "watch", "itemId": item, "sentAt": 1_700_000_000}
    return {"trackingId": tracking, "sessionId": f"s{user}", "userId": user, "eventList": [event]}


def _check(answer: bytes) -> None:
    listed = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["itemList"]
    if b" 200 " not in answer[:16] or len({each["itemId"] for each in listed}) != ANSWERS:
        raise RuntimeError(answer.decode())


def _median(floods: Sequence[Flood]) -> Flood:
    middle: Callable[[str], float] = lambda name: statistics.median(getattr(flood, name) for flood in floods)  # noqa: E731
    return Flood(middle("rate"), middle("cpu"), middle("p50"), middle("p99"))


def _machine() -> str:
    """What it was measured on, for readers."""
    told = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((text.partition(":")[2].strip() for text in told if text.startswith("model name")), platform.machine())
    return f"{model}, {len(CORES)} cores, Python {platform.python_version()}"


def _print(row: Row, bare: Flood, peer: Flood) -> None:
    flood = row.flood
    print(
        f"{row.name:54}{flood.rate:>10.0f}{flood.cpu:>9.0f}{flood.rate / bare.rate:>9.1%}{flood.rate / peer.rate:>8.2f}"
        f"{flood.p50:>8.2f}{flood.p99:>8.2f}",
        flush=True,
    )


main()
