"""What bench/importing and bench/training do beside their peers: how long it takes is no test's business."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import costs
from costs import Cost
from importing import __main__ as importing
from serving import generated
from training import __main__ as training

ROWS = 3000


def test_both_take_in_the_same_rows(tmp_path: Path) -> None:
    importing.write(tmp_path / "rows.csv", ROWS, quoted=False, slips=False)
    importing.by_polars(tmp_path)
    importing.by_import(tmp_path)
    (ours,) = (tmp_path / "data").rglob("*.parquet")
    theirs = pl.read_parquet(tmp_path / "rows.parquet")
    assert len(theirs) == ROWS
    assert sorted(pl.read_parquet(ours)["TIMESTAMP"]) == sorted(theirs["TIMESTAMP"])


def test_quotes_and_slips_are_written(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    importing.write(file, ROWS, quoted=True, slips=False)
    assert file.read_text().count('"') == 2 * 3 * (ROWS + 1)
    importing.write(file, ROWS, quoted=False, slips=True)
    assert file.read_text().count("x") > ROWS // importing.SLIP


def test_the_peer_keeps_neighbours_of_each_item(tmp_path: Path) -> None:
    pytest.importorskip("implicit")
    generated.write(tmp_path / "rows.csv", ROWS, 100, 50)
    training.by_implicit(tmp_path, training.PEER)
    with np.load(tmp_path / "peer.npz") as saved:
        assert saved["shape"].tolist() == [50, 50]


def test_a_process_has_its_cost() -> None:
    with pytest.raises(RuntimeError, match="ended with"):
        costs.of("no_such_module")
    cost = costs.of("timeit", "-n1", "-r1")
    assert min(cost) > 0
    assert costs.medians([cost, cost._replace(cpu=5.0), cost._replace(cpu=7.0)]).cpu == 5.0


def test_shares_leave_out_what_a_start_takes() -> None:
    steps = {"polars": Cost(3.0, 3.0, 0.5), "import": Cost(5.0, 4.0, 1.0), "nothing": Cost(1.0, 1.0, 0.1)}
    found = importing.told({1000: steps, 2000: steps})
    assert found.measures == {
        "1,000 rows": 0.5,
        "1,000 rows, memory": 1.0,
        "2,000 rows": 0.5,
        "2,000 rows, memory": 1.0,
        "rows a second": 500.0,
    }
    assert [curve.lines["polars"] for curve in found.curves] == [[(1000.0, 2.0), (2000.0, 2.0)]]
    trained = {
        training.PEER_OF: Cost(9.0, 5.0, 1.0),
        training.PEER: Cost(3.0, 3.0, 0.5),
        "nothing": Cost(1.0, 1.0, 0.1),
    }
    measures = training.told("generated", 1000, training.ITEMS, trained).measures
    assert measures == {"SIMS, 1,000 rows": 0.5, "SIMS, 1,000 rows, memory": 2.0}
    measures = training.told("generated", 1000, 50, trained).measures
    assert measures == {"SIMS, 50 items": 5.0, "SIMS, 50 items, memory": 1.0}
    assert not training.told("ml-100k", 0, 0, {"aws-popularity-count": Cost(9.0, 5.0, 1.0)}).measures
