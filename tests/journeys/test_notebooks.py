"""The notebooks, executed in order against a real server, on a small MovieLens-shaped set made here."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import Server, clean_environment

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("0*.ipynb"))
GENRES = ("Comedy", "Drama", "Horror", "Romance", "Sci-Fi", "Thriller", "War", "Western")
USERS, MOVIES = 120, 200


def make_movielens(folder: Path) -> None:
    """ratings.csv and movies.csv as GroupLens writes them; each user keeps to one genre for three ratings of four.

    As in the real set, a few titles have no year, one has a range of years and one film has no genre.
    """
    rng = np.random.default_rng(0)
    years = {3: "", 5: " (2006–2007)", 50: ""}
    movies = ["movieId,title,genres"]
    for movie in range(MOVIES):
        year = years.get(movie, f" ({1950 + movie % 60})")
        genre = GENRES[movie % len(GENRES)] + ("|Musical" if movie % 7 == 0 else "")
        movies.append(f'{movie},"Film, The {movie}{year}",{"(no genres listed)" if movie == 11 else genre}')
    ratings = ["userId,movieId,rating,timestamp"]
    for user in range(1, USERS + 1):
        own = [movie for movie in range(MOVIES) if movie % len(GENRES) == user % len(GENRES)]
        others = rng.permutation([movie for movie in range(MOVIES) if movie not in own])
        seen = rng.permutation([*rng.permutation(own)[:18], *others[: rng.integers(4, 10)]])
        for step, movie in enumerate(seen.tolist()):
            rating = rng.choice([1.0, 2.5, 3.5, 4.0, 5.0])
            ratings.append(f"{user},{movie},{rating},{1_000_000_000 + user * 1_000_000 + step * 3600}")
    folder.mkdir()
    (folder / "movies.csv").write_text("\n".join(movies), encoding="utf-8")
    (folder / "ratings.csv").write_text("\n".join(ratings), encoding="utf-8")


def environment(server: Server, movielens: Path) -> dict[str, str]:
    """What a reader's shell has after the first cells' instructions."""
    return clean_environment() | {
        **server.environment(),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TAILORBIRD_MOVIELENS": str(movielens),
    }


def execute(name: str, folder: Path, kernel: Any) -> Any:
    """Runs a notebook in `folder` and returns it with its outputs; a failing cell raises its error.

    All run in one kernel, which takes seconds to load pandas and matplotlib, and begin with no variable of the others.
    """
    import nbclient  # seconds, which every process of the test run would need to collect its tests
    import nbformat

    notebook = nbformat.read(folder / name, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    client = nbclient.NotebookClient(notebook, km=kernel, timeout=300)
    client.execute()
    client.kc.stop_channels()
    return notebook


@pytest.fixture(scope="module")
def kernel(empty_server: Server, folder: Path) -> Iterator[Any]:
    """Where notebooks run, in `folder`."""
    from jupyter_client.manager import KernelManager

    started = KernelManager(kernel_name="python3")
    started.start_kernel(env=environment(empty_server, folder / "movielens"), cwd=str(folder))
    yield started
    started.shutdown_kernel(now=True)
    started.cleanup_resources()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with copies of the notebooks and the data."""
    folder = tmp_path_factory.mktemp("notebooks")
    for name in (*NAMES, "helpers.py"):
        shutil.copy(NOTEBOOKS / name, folder)
    make_movielens(folder / "movielens")
    return folder


@pytest.fixture(scope="module")
def executed(kernel: Any, folder: Path) -> dict[str, Any]:
    """The first five notebooks with their outputs, by number."""
    return {name[:2]: execute(name, folder, kernel) for name in NAMES[:5]}


def outputs(notebook: Any, cell: str) -> str:
    """The text that a cell printed or showed."""
    found = next(each for each in notebook.cells if each.id == cell)
    return "\n".join(out.get("text") or out.data.get("text/plain", "") for out in found.outputs)


def images(notebook: Any) -> list[str]:
    """Ids of the cells that drew something."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell.id for cell in cells if any("image/png" in out.get("data", {}) for out in cell.outputs)]


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_stored_without_outputs(name: str) -> None:
    import nbformat

    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []


def test_there_are_six() -> None:
    assert [name[:2] for name in NAMES] == ["01", "02", "03", "04", "05", "06"]


def test_the_pictures_are_drawn(executed: dict[str, Any]) -> None:
    assert {number: images(notebook) for number, notebook in executed.items()} == {
        "01": ["activity", "long-tail"],
        "02": ["genres"],
        "03": ["plot"],
        "04": [],
        "05": ["before-after"],
    }


def test_the_report_names_the_spoiled_cells(executed: dict[str, Any]) -> None:
    spoiled, clean = (
        re.sub(r"\x1b\[[\d;]*m", "", outputs(executed["02"], cell)) for cell in ("report", "import-clean")
    )
    assert "nineties" in spoiled
    assert "ITEM_ID is empty" in spoiled
    assert "nineties" not in clean
    assert "2006–2007" in clean


def test_trained_and_deployed(executed: dict[str, Any], folder: Path, empty_server: Server) -> None:
    state = json.loads((folder / "working" / "state.json").read_text())
    personalize = empty_server.client("personalize")
    assert len(state["versions"]) == 4
    for arn in state["versions"].values():
        version = personalize.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
        assert version["status"] == "ACTIVE"
    assert set(state["campaigns"]) == {"user-personalization", "sims", "personalized-ranking"}
    assert "Items.GENERE" in outputs(executed["04"], "mistake")


def test_clicks_change_the_list_and_filters_follow(executed: dict[str, Any], folder: Path) -> None:
    assert re.search(r"'watched': +True\n.*'unwatched': False", outputs(executed["05"], "watch"))
    answers = (folder / "working" / "everyone.json.out").read_text().splitlines()
    assert len(answers) == USERS
    assert f"{USERS} answers, 0 of them errors" in outputs(executed["05"], "download")


@pytest.mark.usefixtures("executed")
def test_clean_up_leaves_nothing(empty_server: Server, folder: Path, kernel: Any) -> None:
    execute(NAMES[5], folder, kernel)
    personalize = empty_server.client("personalize")
    assert personalize.list_dataset_groups()["datasetGroups"] == []
    assert personalize.list_schemas()["schemas"] == []
    assert empty_server.client("s3").list_buckets()["Buckets"] == []
    assert not (folder / "working" / "state.json").exists()
