"""The benches that put questions to a server, on one tiny shop: how long it takes is no test's business."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

import installation
from batch import __main__ as batch
from batch import peers
from events import __main__ as events
from growth import answers, made_up
from growth.made_up import Shop, Size
from performance.goals import ACTED, FILTERED, KNOWN, SECOND, TWO
from process import __main__ as process
from quality.datasets import encode
from serving import generated
from serving.bench import PEERS, Bench, measures
from serving.cases import STATE, Case, Installed, cases, kept
from serving.load import Flood
from serving.shop import Films
from tailorbird.recipes.recipe import Epoch
from tailorbird.recipes.scorers import transformer_training
from tailorbird.recipes.scorers.transformer_training import TransformerPlan

SIZE = Size(items=150, users=60, rows=2000, of_length=1)


@pytest.fixture(scope="module", autouse=True)
def modules() -> Iterator[None]:
    """The bench's modules, for the processes that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(Path(installation.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        yield


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return made_up.shop(tmp_path_factory.mktemp("shop"), SIZE, filters=2)


@pytest.fixture(scope="module")
def bench(shop: Shop) -> Bench:
    """The same shop, as bench/serving has its films."""
    workspace = installation.installed(shop.place)
    (group,) = installation.call(workspace, "list_dataset_groups")["datasetGroups"]
    tracking = installation.track(workspace, group["datasetGroupArn"])
    workspace.close()
    installed = Installed({"aws-user-personalization-v2": shop.campaign}, shop.filter, tracking)
    (shop.place / STATE).write_bytes(msgspec.json.encode(installed))
    rows, items = (pl.read_csv(shop.place / name, infer_schema=False) for name in ("rows.csv", "items.csv"))
    return Bench("made-up", Films(rows, items), shop.place, rounds=1, seconds=0.2)


def test_answers_are_asked_for_first_again_and_with_filters_and_are_the_exact_ones(shop):
    with answers.serving(shop) as asker:
        costs = answers.costs(asker, SIZE)
        assert min(costs.again, costs.first, costs.mask, costs.memory) > 0
        assert answers.recall(asker, SIZE) == 1
        assert [count for count, _ in answers.by_filters(asker, "1", [1, 2])] == [1, 2]
        assert [length for length, _ in answers.by_length(asker, SIZE)] == list(made_up.LENGTHS)
        assert answers.by_values(asker, "1", [3]).keys() == {"mask", "again"}


def case_of(bench: Bench, end: str) -> Case:
    (found,) = [case for case in cases(kept(bench.folder), bench.films) if case.name.endswith(end)]
    return found


def test_answers_after_events_are_measured(bench):
    case = case_of(bench, ACTED)
    assert len(case.before) == len(case.bodies) == len(bench.films.users)
    flood = bench.measured(case)
    assert 0 < flood.p50 <= flood.p99


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not here")
def test_answers_are_measured_at_fixed_rates(bench):
    rates, memory = bench.at_rates(case_of(bench, KNOWN))
    assert [row[0] for row in rates.rows.values()] == sorted(row[0] for row in rates.rows.values())
    assert memory > 0


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not here")
def test_two_processes_are_measured_beside_one(bench):
    table, found = bench.two_processes(case_of(bench, KNOWN))
    assert list(table.rows) == ["one process", "two"]
    assert found[TWO] > 0
    one, two = (row[-1] for row in table.rows.values())
    assert found[SECOND] == pytest.approx(two - one)


def test_goals_are_looked_at_as_shares_of_what_they_name():
    rates = {"bare": 1000.0, "item-kNN": 100.0, "ALS": 200.0, f"v2, {KNOWN}": 120.0, f"v2, {FILTERED}": 90.0}
    rates |= {f"user-personalization, {KNOWN}": 300.0, f"user-personalization, {FILTERED}": 240.0}
    found = measures({name: Flood(rate, 1.0, 1.0, 1.0) for name, rate in rates.items()})
    assert found[f"v2, {KNOWN}"] == pytest.approx(0.12)
    assert found[f"v2, {FILTERED}"] == pytest.approx(0.75)
    assert found[f"user-personalization, {KNOWN}"] == pytest.approx(1.5)
    assert found[f"user-personalization, {FILTERED}"] == pytest.approx(0.8)
    assert found["bare, a second"] == 1000
    assert set(PEERS) <= set(rates)


def test_batch_jobs_answer_every_user(bench):
    assert batch.ours(kept(bench.folder), bench.folder, bench.films.users, 1)["v2"] > 0


@pytest.mark.parametrize("name", ["implicit item-kNN", "implicit ALS"])
def test_peers_answer_every_user(name, bench, tmp_path):
    pytest.importorskip("implicit")
    bench.films.save_matrix(tmp_path / "matrix.npz")
    (tmp_path / peers.INPUT).write_text("".join(json.dumps({"userId": user}) + "\n" for user in bench.films.users))
    peers.answer(name, tmp_path, 10)
    lines = [json.loads(line) for line in (tmp_path / peers.OUTPUT).read_text().splitlines()]
    assert [line["input"]["userId"] for line in lines] == bench.films.users
    assert all(len(set(line["output"]["recommendedItems"])) == 10 for line in lines)


def test_events_are_measured_beside_sqlite(tmp_path):
    flood = events.ours(tmp_path, 64, 1)
    raw = events.theirs(tmp_path, 64, 1)
    assert events.told(flood, raw).measures["PutEvents of 32 clients, durable"] == flood.rate / raw


def test_a_server_tells_what_it_loads(bench, monkeypatch):
    monkeypatch.setattr(process, "IDLE_SECONDS", 0.0)
    place = process.Place(bench.films, bench.folder, bench.folder / "empty", 0.0)
    found = process.modules(place)
    assert found.measures["modules of torch"] == 0


def test_a_brief_training_makes_a_model_of_the_same_shape(monkeypatch, tmp_path):
    monkeypatch.setattr(installation, "BRIEF_ROWS", 300)
    generated.write(tmp_path / "rows.csv", 2000, 60, 100)
    rows = pl.read_csv(tmp_path / "rows.csv").rename(str.lower)
    data, plan = encode(rows, rows.select("item_id"), {}), TransformerPlan(16, 2, 0, times=True, features=True)
    watched: list[Epoch] = []

    def train(folder: Path) -> dict[Path, tuple[int, ...]]:
        folder.mkdir()
        told: list[str | Epoch] = []
        transformer_training.train(data, data, plan, lambda _, text: told.append(text)).save(folder)
        watched.append(told[-1])
        return {file.relative_to(folder): np.load(file).shape for file in folder.rglob("*.npy")}

    whole = train(tmp_path / "whole")
    with installation.brief():
        brief = train(tmp_path / "brief")
    assert whole == brief != {}
    assert [epoch.of for epoch in watched] == [2, 1]
