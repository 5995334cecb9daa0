"""PutEvents of 32 clients, each call durable before it is acknowledged, beside raw SQLite in groups of 32.

    PYTHONPATH=src:bench python -m events --calls 8000 --rounds 3

Server and SQLite have the same core and disk, one after the other. A call has one event, which no other call has.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import installation
from performance import results
from performance.results import Result, Table, say
from serving import generated
from serving.load import CONNECTIONS, Flood, each_once
from serving.servers import SERVER_CORE, free_port, tailorbird
from serving.shop import signed
from tailorbird.cli.variables import environment
from tailorbird.config import load

USERS, ITEMS = 1000, 500
TABLE = (
    "CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, dataset TEXT NOT NULL, subject TEXT NOT NULL, "
    "timestamp INTEGER NOT NULL, key TEXT NOT NULL, session TEXT NOT NULL, row TEXT, UNIQUE (dataset, key))"
)
INDEX = "CREATE INDEX of_subject ON events (dataset, subject, number)"
"""The columns and indexes that events need here too: to be found by user, and to be known again."""
COLUMNS = {"events/s": ",.0f", "of SQLite": ".0%", "µs CPU": ",.0f", "p50 ms": ".1f", "p99 ms": ".1f"}
DATASET = "arn:aws:personalize:us-east-1:123456789012:dataset/shop/INTERACTIONS"


def calls(tracking: str, count: int, first: int) -> list[dict[str, Any]]:
    """Bodies of PutEvents; `first` is the number of the first of them among all."""
    return [
        {
            "trackingId": tracking,
            "sessionId": f"s{number}",
            "userId": str(number % USERS),
            "eventList": [{"eventType": "watch", "itemId": str(number % ITEMS), "sentAt": 1_700_000_000 + number}],
        }
        for number in range(first, first + count)
    ]


def ours(place: Path, count: int, rounds: int) -> Flood:
    """What the server does while 32 clients send; the median by rate."""
    generated.write(place / "rows.csv", 10_000, USERS, ITEMS)
    workspace = installation.installed(place)
    tracking = installation.track(workspace, installation.take_in(workspace, {"INTERACTIONS": place / "rows.csv"}))
    workspace.close()
    floods = []
    with tailorbird(place / "data", free_port(), {}) as server:
        values = environment(load({}, data_dir=place / "data"))
        for number in range(rounds):
            floods.append(each_once(server, signed(values, "/events", calls(tracking, count, number * count))))
            say(f"PutEvents: {floods[-1].rate:,.0f} a second")
    return sorted(floods, key=lambda flood: flood.rate)[len(floods) // 2]


def by_sqlite(place: Path, count: int) -> None:
    """Writes so many rows, 32 a transaction, and keeps the seconds in a file."""
    connection = sqlite3.connect(place / "raw.db")
    for told in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", TABLE, INDEX):
        connection.execute(told)
    connection.commit()
    row = json.dumps({"eventType": "watch", "itemId": "1"})
    rows = [
        (DATASET, str(at % USERS), 1_700_000_000 + at, f"{at % USERS} {at % ITEMS} {at}", f"s{at}", row)
        for at in range(count)
    ]
    insert = "INSERT INTO events (dataset, subject, timestamp, key, session, row) VALUES (?, ?, ?, ?, ?, ?)"
    began = time.perf_counter()
    for start in range(0, count, CONNECTIONS):
        connection.executemany(insert, rows[start : start + CONNECTIONS])
        connection.commit()
    (place / "seconds").write_text(str(time.perf_counter() - began))


def theirs(place: Path, count: int, rounds: int) -> float:
    """Rows a second of raw SQLite, the median of some fresh databases."""
    rates = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=place) as folder:
            command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "events"]
            subprocess.run([*command, "--calls", str(count), "--place", folder], check=True)
            rates.append(count / float((Path(folder) / "seconds").read_text()))
    say(f"SQLite: {statistics.median(rates):,.0f} a second")
    return statistics.median(rates)


def told(flood: Flood, raw: float) -> Result:
    """The result."""
    rows: Mapping[str, list[float | None]] = {
        "PutEvents": [flood.rate, flood.rate / raw, flood.cpu, flood.p50, flood.p99],
        f"raw SQLite, {CONNECTIONS} a transaction": [raw, 1.0, None, None, None],
    }
    measures = {"PutEvents of 32 clients, durable": flood.rate / raw, "PutEvents a second": flood.rate}
    return results.result([Table(f"{CONNECTIONS} clients", COLUMNS, dict(rows))], measures)


def main(words: Sequence[str] | None = None) -> None:
    """Reads the command line and prints the table."""
    parser = argparse.ArgumentParser(prog="events", description=__doc__)
    parser.add_argument("--calls", type=int, default=8000, help="of each round (default 8,000)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the medians are told (default 3)")
    parser.add_argument("--write", type=Path, metavar="ROOT", help="the checkout that is to keep the result")
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.place:
        by_sqlite(arguments.place, arguments.calls)
        return
    with tempfile.TemporaryDirectory(prefix="tailorbird-events-") as place:
        flood = ours(Path(place), arguments.calls, arguments.rounds)
        raw = theirs(Path(place), arguments.calls, arguments.rounds)
    results.finish(arguments.write, "events", told(flood, raw))


if __name__ == "__main__":
    main()
