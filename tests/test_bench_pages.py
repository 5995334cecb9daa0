"""The page of speed and cost: every figure is a kept result, and every goal stands beside what was reached."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from performance import misses, report, results
from performance.goals import GOALS
from performance.results import FILE, FOLDER, Curve, Result, Table

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir(parents=True)
    for name in ("README.md", FILE):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_pages_are_those_of_the_file_of_results(checkout):
    report.write(checkout)
    for name in ("README.md", f"{FOLDER}/performance.md"):
        assert (checkout / name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")
    drawn, kept = (sorted(path.name for path in (root / FOLDER).glob("*.svg")) for root in (checkout, ROOT))
    assert drawn == kept


def made_up(**measures: float) -> Result:
    table = Table("rows", {"s": ".1f", "share": ".0%"}, {"one": [1.25, None], "two": [2.0, 0.5]}, "A note.")
    curve = Curve("import-rows", "Import", "rows", "seconds", {"ours": [(10.0, 1.0), (100.0, 2.0)]})
    return Result("a machine", "2026-01-01", [table], [curve], measures)


def test_a_goal_is_reached_missed_or_not_measured(checkout):
    kept = json.loads((checkout / FILE).read_text())
    del kept["events"]
    (checkout / FILE).write_text(json.dumps(kept))
    results.keep(checkout, "importing", made_up(**{"10,000,000 rows": 0.6, "10,000,000 rows, memory": 1.6}))
    report.write(checkout)
    page = (checkout / FOLDER / "performance.md").read_text()
    assert "| importing | 10,000,000 rows | at least 50% of polars | 60% of polars | **reached** |" in page
    assert "| importing | 10,000,000 rows, memory | at most 1.50 GB | 1.60 GB | missed |" in page
    assert "| events | PutEvents of 32 clients, durable | at least 60% of raw SQLite | not measured |  |" in page
    assert "| rows | s | share |\n| --- | ---: | ---: |\n| one | 1.2 |  |\n| two | 2.0 | 50% |\n\nA note." in page
    assert (checkout / FOLDER / "performance-import-rows.svg").read_text().count("<svg") == 1


def test_a_plot_of_the_same_figures_is_the_same(tmp_path):
    first, again = tmp_path / "1.svg", tmp_path / "2.svg"
    for file in (first, again):
        report.plots.draw(made_up().curves[0], file)
    assert first.read_bytes() == again.read_bytes()


def test_a_result_takes_the_place_of_the_last_or_joins_it(checkout):
    results.keep(checkout, "training", made_up(a=1.0, b=1.0))
    later = Table("others", {"s": ".1f"}, {"one": [1.0]})
    results.keep(checkout, "training", Result("a machine", "2026-01-02", [later], [], {"b": 2.0}), joined=True)
    joined = results.stored(checkout)["training"]
    assert joined.measures == {"a": 1.0, "b": 2.0}
    assert [table.title for table in joined.tables] == ["rows", "others"]
    results.keep(checkout, "training", made_up(c=1.0))
    assert results.stored(checkout)["training"] == made_up(c=1.0)


def test_no_goal_stands_twice():
    names = [(goal.bench, goal.measure) for goal in GOALS]
    assert len(names) == len(set(names))
    assert {goal.bench for goal in GOALS} == set(report.SECTIONS)


def test_reasons_are_of_goals_that_there_are():
    assert set(misses.WHY) <= {goal.measure for goal in GOALS}
