"""The measurements of bench/serving on one installation."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import installation
from performance.goals import ACTED, FILTERED, FIRST, KNOWN, SECOND, TWO
from performance.results import Curve, Result, Table, printed, result, say
from serving.cases import PERSONAL, RECIPES, STATE, Case, Installed, cases, check, kept
from serving.load import Flood, ask, at_rate, each_once, flat_out
from serving.servers import CORES, Server, application, free_port, tailorbird
from serving.shop import FILTER, Films, signed
from tailorbird.cli.variables import environment
from tailorbird.config import load

PEERS = ("item-kNN", "ALS")
ROUNDS_OF_FIRST = 2
"""At most, of users who are asked about once: each takes a new server."""
SHARES = (0.25, 0.5, 0.75, 0.9)
"""Of what the server can do: the rates at which requests are due."""
COLUMNS = {"answers/s": ",.0f", "µs CPU": ",.0f", "of bare": ".1%", "× faster peer": ".2f", "p50 ms": ".1f"}
COLUMNS |= {"p99 ms": ".1f"}
TOGETHER_COLUMNS = {"answers/s": ",.0f", "µs CPU": ",.0f", "p50 ms": ".1f", "p99 ms": ".1f", "memory, MB": ",.0f"}
MOST_TOGETHER = 2
"""Processes that are measured beside one."""
RATE_COLUMNS = {"answers/s": ",.0f", "p50 ms": ".2f", "p99 ms": ".2f", "p99 / p50": ".1f"}


def install(films: Films, folder: Path, recipes: Sequence[str] = RECIPES, *, whole: bool = False) -> Installed:
    """Imports and trains what is not there yet, briefly unless told to train `whole`; see `installation.brief`."""
    if (folder / STATE).exists():
        return kept(folder)
    folder.mkdir(parents=True, exist_ok=True)
    workspace = installation.installed(folder)
    campaigns = {}
    with ExitStack() as stack:
        stack.callback(workspace.close)
        group = installation.take_in(workspace, films.write(folder), "films")
        if not whole:
            stack.enter_context(installation.brief())
        for recipe in recipes:
            say(f"training {recipe}")
            version = installation.train(workspace, group, recipe)
            campaigns[recipe] = installation.serve(workspace, recipe, version)
        genres = installation.filter_by(workspace, group, "genres", FILTER)
        installed = Installed(campaigns, genres, installation.track(workspace, group))
    (folder / STATE).write_bytes(msgspec.json.encode(installed))
    return installed


@dataclass(frozen=True)
class Bench:
    """One installation, and how long to ask it."""

    name: str
    """Of the data set."""
    films: Films
    folder: Path
    rounds: int
    seconds: float

    def run(self) -> Result:
        """Measures all cases, saying each line on the way."""
        asked = cases(kept(self.folder), self.films)
        floods: dict[str, Flood] = {}
        for name, flood in self._floods(asked):
            floods[name] = flood
            say(f"{name}: {flood.rate:,.0f} answers/s, {flood.cpu:,.0f} µs, p99 {flood.p99:.1f} ms")
        rates, memory = self.at_rates(asked[0])
        say(printed(rates))
        points = {
            f"p{at}": [(row[0] or 0.0, row[column] or 0.0) for row in rates.rows.values()]
            for at, column in ((50, 1), (99, 2))
        }
        curve = Curve(
            f"rates-{self.name}", "Known users, at fixed rates", "answers a second", "milliseconds", points, False
        )
        together, measured = self.two_processes(asked[0])
        say(printed(together))
        found = measures(floods) | _of_half(rates) | measured
        return result([_table(floods, memory), rates, together], found, [curve])

    def _floods(self, asked: Sequence[Case]) -> Iterator[tuple[str, Flood]]:
        with ExitStack() as stack:
            body = self.folder / "body"
            body.write_bytes(self._sample(asked[0]))
            bare = stack.enter_context(application("bare", "serving.bare", {"BARE_BODY": str(body)}))
            peers = [stack.enter_context(self._peer(name)) for name in PEERS]
            for server in (bare, *peers):
                yield server.name, self._rounds_of(server, asked[0])
            for case in asked:
                yield case.name, self.measured(case)

    def _server(self, serving: int = 1) -> AbstractContextManager[Server]:
        roots = {"TAILORBIRD_FILE_ROOTS": str(self.folder)}
        return tailorbird(self.folder / "data", free_port(), roots, CORES[:serving], serving)

    def _signed(self, case: Case) -> list[bytes]:
        return self._requests(case.path, case.bodies)

    def _requests(self, path: str, bodies: Sequence[Mapping[str, Any]]) -> list[bytes]:
        return signed(environment(load({}, data_dir=self.folder / "data")), path, bodies)

    def measured(self, case: Case) -> Flood:
        if not case.first:
            with self._server() as server:
                return self._rounds_of(server, case)
        floods = []
        for _ in range(min(self.rounds, ROUNDS_OF_FIRST)):
            with self._server() as server:
                if case.before:
                    each_once(server, self._requests("/events", case.before))
                ask(server.port, self._requests(case.path, [case.bodies[0] | {"userId": "nobody"}])[0])
                floods.append(each_once(server, self._signed(case)))
        return median(floods)

    def _rounds_of(self, server: Server, case: Case) -> Flood:
        for request in self._signed(case):
            ask(server.port, request)
        return median([flat_out(server, self._signed(case), self.seconds) for _ in range(self.rounds)])

    def at_rates(self, case: Case) -> tuple[Table, int]:
        """How long answers take at shares of what the server can do, and its memory; looks at each of them."""
        with self._server() as server:
            requests = self._signed(case)
            for request in requests:
                ask(server.port, request)
            most, rows = flat_out(server, requests, self.seconds).rate, dict[str, list[float | None]]()
            for share in SHARES:
                took = at_rate(server, self._signed(case), share * most, self.seconds * 3, check)
                p50, p99 = np.percentile(took, [50, 99]).tolist()
                rows[f"{share:.0%} of flat out"] = [share * most, p50, p99, p99 / p50]
            return Table("known users, at fixed rates", RATE_COLUMNS, rows), server.memory()

    def two_processes(self, case: Case) -> tuple[Table, dict[str, float]]:
        """What a second process adds: answers, and memory of all processes, mapped files shared out among them.

        With a core for each process and one for the client, that is the ratio of their rates. On a machine with fewer
        it is that of the answers that their processor time would be enough for.
        """
        floods, sizes = {1: list[Flood](), 2: list[Flood]()}, {1: 0, 2: 0}
        for _ in range(self.rounds):
            for serving in (1, 2):
                with self._server(serving) as server:
                    for request in self._signed(case):
                        ask(server.port, request)
                    flat_out(server, self._signed(case), self.seconds)  # until every process knows every user
                    floods[serving].append(flat_out(server, self._signed(case), self.seconds))
                    sizes[serving] = server.mapped_memory()
        one, two = median(floods[1]), median(floods[2])
        times = two.rate / one.rate if len(CORES) > MOST_TOGETHER else 2 * one.cpu / two.cpu
        rows: dict[str, list[float | None]] = {
            name: [flood.rate, flood.cpu, flood.p50, flood.p99, sizes[serving] / 1e6]
            for serving, (name, flood) in enumerate({"one process": one, "two": two}.items(), start=1)
        }
        how = "rates" if len(CORES) > MOST_TOGETHER else "processor time, as the client has no core of its own"
        note = f"Two give {times:.2f} times the answers of one, by their {how}."
        measured = {TWO: times, SECOND: (sizes[2] - sizes[1]) / 1e6}
        return Table("two serving processes", TOGETHER_COLUMNS, rows, note), measured

    def _sample(self, case: Case) -> bytes:
        """An answer of Tailorbird's."""
        with self._server() as server:
            return ask(server.port, self._signed(case)[0]).partition(b"\r\n\r\n")[2]

    def _peer(self, name: str) -> AbstractContextManager[Server]:
        file = self.folder / "matrix.npz"
        self.films.save_matrix(file)
        return application(name, "serving.peer", {"PEER_MATRIX": str(file), "PEER_MODEL": name})


def median(floods: Sequence[Flood]) -> Flood:
    """Of each figure by itself."""
    middle: Callable[[str], float] = lambda name: statistics.median(getattr(flood, name) for flood in floods)  # noqa: E731
    return Flood(middle("rate"), middle("cpu"), middle("p50"), middle("p99"))


def _table(floods: Mapping[str, Flood], memory: int) -> Table:
    bare, peer = floods["bare"].rate, max(floods[name].rate for name in PEERS)
    rows: dict[str, list[float | None]] = {
        name: [flood.rate, flood.cpu, flood.rate / bare, flood.rate / peer, flood.p50, flood.p99]
        for name, flood in floods.items()
    }
    return Table("flat out", COLUMNS, rows, f"Memory of the process: {memory / 1e6:.0f} MB.")


def measures(floods: Mapping[str, Flood]) -> dict[str, float]:
    """What goals and the guide of capacities look at: shares of bare, but of a filter and of the fastest peer."""
    bare, peer = floods["bare"].rate, max(floods[name].rate for name in PEERS)
    found = {f"{name}, a second": flood.rate for name, flood in floods.items()}
    for name, flood in floods.items():
        found[name] = flood.rate / bare
    for name in PERSONAL.values():
        if f"{name}, {FILTERED}" in floods:
            found[f"{name}, {FILTERED}"] = floods[f"{name}, {FILTERED}"].rate / floods[f"{name}, {KNOWN}"].rate
    for name in (KNOWN, FIRST, ACTED):
        if f"user-personalization, {name}" in floods:
            found[f"user-personalization, {name}"] = floods[f"user-personalization, {name}"].rate / peer
    return found


def _of_half(rates: Table) -> dict[str, float]:
    _, _, p99, times = rates.rows[f"{0.5:.0%} of flat out"]
    return {"p99 at half load": times or 0.0, "p99 at half load, ms": p99 or 0.0}
