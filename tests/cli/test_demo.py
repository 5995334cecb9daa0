"""What the demo shows while jobs wait for a core, and of what its models learn from."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from support import Server
from tailorbird.cli.demo.films import Film, Films
from tailorbird.cli.demo.walk import RECIPES, VISITOR, Walk, clients_of

GENRES = ("Comedy", "Drama", "Horror", "Romance", "Sci-Fi")
FILMS = Films("made up", [("u", "f", 5.0, 1)], {})


def made_up() -> Films:
    """Users of five genres, who keep to theirs for four films of five and go through it in one order."""
    films = {
        str(film): Film(f"Matrix, The {film}" if film == 4 else f"Film {film}", GENRES[film % 5], 1970 + film % 20)
        for film in range(300)
    }
    rng = np.random.default_rng(0)
    ratings = []
    for user in range(100):
        place = int(rng.integers(60))
        for step in range(20 + user % 9):
            film = (place + step) % 60 * 5 + user % 5 if rng.random() < 0.8 else int(rng.integers(300))
            stars = float(rng.choice([2.0, 3.5, 5.0]))
            ratings.append((str(user), str(film), stars, 1_000_000_000 + user * 97 + step * 3600))
    return Films("made up", sorted(ratings, key=lambda row: row[3]), films)


def test_a_few_horror_films_make_the_list_one_of_horror(server: Server) -> None:
    films, shown = made_up(), io.StringIO()
    walk = Walk(films, clients_of(server.environment()), Console(file=shown, width=150))
    shelves: dict[str, list[str]] = {}
    show = walk._shelves

    def keep(given: dict[str, list[str]]) -> None:
        shelves.update(given)
        show(given)

    walk._shelves = keep  # type: ignore[method-assign]
    for step in (walk.interactions, walk.items, walk.solutions, walk.campaigns, walk.interact):
        step()
    for recipe in RECIPES:
        solution = walk.personalize.describe_solution(solutionArn=walk.arns[f"{recipe} solution"])["solution"]
        assert solution["eventType"] == "click", "watches are echoes, which none should foresee"

    def horror(shelf: str) -> int:
        return sum(films.films[film].genres == "Horror" for film in shelves[shelf])

    assert horror("after four horror films") >= horror(VISITOR) + 3
    told = shown.getvalue()
    assert "exploration" in told
    assert "user personalization: 100% done" in told, "a line, where no bar can be drawn"
    walk.clean_up()
    assert walk.arns["group"] not in str(walk.personalize.list_dataset_groups()["datasetGroups"])


def test_the_clock_of_a_training_stands_until_it_begins() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, force_interactive=True, width=100)
    states = iter(["CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE"])
    clocks = []

    def get_job_progress(**request: str) -> dict[str, Any]:
        clocks.append("-:--:--" in shown.getvalue())
        shown.seek(0)
        shown.truncate()
        return {"status": next(states), "share": 0.5, "message": "half"}

    walk = Walk(FILMS, lambda service: SimpleNamespace(get_job_progress=get_job_progress), console)
    walk._wait({"training": "arn"})
    assert clocks[1], "while it waits"
    assert "0:00:0" in shown.getvalue(), "in the end"


def test_a_failed_job_ends_the_demo_with_its_reason() -> None:
    failed = {"status": "CREATE FAILED", "share": 0.5, "message": "half", "failureReason": "too few"}
    services = SimpleNamespace(get_job_progress=lambda **request: failed)
    with pytest.raises(RuntimeError, match="arn: too few"):
        Walk(FILMS, lambda service: services, Console(file=io.StringIO()))._wait({"training": "arn"})
