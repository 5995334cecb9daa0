"""The quality bench: its metrics by hand, its choice of settings, its peers, and its tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from quality import report
from quality.metrics import Unseen, ranking
from quality.peers.implicit_models import train_als, train_bpr
from quality.peers.linear import train_ease, train_item_knn, train_popular
from quality.peers.rectools_models import sequential
from quality.peers.sessions import train_session_knn
from quality.protocol import Contestant, Protocol, recipe
from quality.runner import run
from tailorbird import evaluation
from tailorbird.recipes.recipe import Interactions, Query

ITEMS = 40
METRICS = ("NDCG@10", "HR@10")


def walks(users: int = 60) -> Interactions:
    """Makes users who go round a ring of items, each from another place."""
    length = 12
    start = np.repeat(np.arange(users) * 7, length)
    return Interactions(
        users=np.array([f"u{number:02}" for number in range(users)]),
        items=np.array([f"i{number:02}" for number in range(ITEMS + 1)]),  # nobody touches the last
        user=np.repeat(np.arange(users, dtype=np.int32), length),
        item=((start + np.tile(np.arange(length), users)) % ITEMS).astype(np.int32),
        timestamp=np.tile(np.arange(length, dtype=np.int64), users),
        event_type=np.zeros(users * length, np.int16),
    )


@dataclasses.dataclass(frozen=True)
class Fixed:
    """The same scores for every question."""

    scores: np.ndarray

    @property
    def items(self) -> np.ndarray:
        return np.array([f"i{number}" for number in range(len(self.scores))])

    def score(self, queries: list[Query]) -> np.ndarray:
        return np.tile(self.scores.astype(np.float32), (len(queries), 1))


def query(*items: int) -> Query:
    return Query(np.array(items, np.int32), np.arange(len(items), dtype=np.int64))


def test_metrics_by_hand():
    model = Fixed(np.array([5, 4, 3, 2, 1]))
    truths = [np.array([1, 4], np.int32), np.array([0], np.int32)]
    figures = ranking(model, [query(), query()], truths, ["NDCG@3", "HR@1", "MRR@3", "P@2", "recall@3"])
    ideal = 1 + 1 / np.log2(3)
    assert figures == pytest.approx(
        {
            "NDCG@3": (1 / np.log2(3) / ideal + 1) / 2,
            "HR@1": 1 / 2,
            "MRR@3": (1 / 2 + 1) / 2,
            "P@2": 1 / 2,
            "recall@3": (1 / 2 + 1) / 2,
        }
    )


def test_what_was_seen_is_left_out_of_lists():
    lists = evaluation.top_lists(Unseen(Fixed(np.array([5, 4, 3]))), [query(0, 2), query()], 3)
    assert lists.tolist() == [[1, -1, -1], [0, 1, 2]]


PEERS = {
    "EASE": lambda data: train_ease(data, 0, regularisation=5.0, last=5),
    "item-kNN": lambda data: train_item_knn(data, 0, neighbours=5, shrink=1.0, last=3),
    "session-kNN": lambda data: train_session_knn(data, 0, neighbours=30, decay=0.5),
    "iALS": lambda data: train_als(data, 0, factors=8, alpha=4.0),
    "BPR": lambda data: train_bpr(data, 0, factors=8),
    "SASRec": lambda data: sequential("SASRec", 8, 16, 15).train(data, 0),
}
LIBRARIES = {"iALS": "implicit", "BPR": "implicit", "SASRec": "rectools"}


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.filterwarnings("ignore")  # of the libraries' own making
def test_peers_beat_popularity_on_a_ring(name):
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name])
    data = walks()
    split = evaluation.split(data, 1)

    def ndcg(model: evaluation.Scorer) -> float:
        return ranking(Unseen(model), split.queries, split.truths, ["NDCG@10"])["NDCG@10"]

    assert ndcg(PEERS[name](split.train)) > 1.5 * ndcg(train_popular(split.train, 0))


def test_ease_is_the_same_through_either_gram_matrix():
    data = walks()
    through_items = train_ease(data, 0, regularisation=5.0, last=10)
    few = data.rows(data.user < 30)
    through_users = train_ease(dataclasses.replace(few, users=data.users[:30]), 0, regularisation=5.0, last=10)
    padded = train_ease(few, 0, regularisation=5.0, last=10)  # 60 rows, half of them empty: through items
    np.testing.assert_allclose(through_users.weights, padded.weights, atol=1e-4)
    assert through_items.weights.shape == (ITEMS + 1, ITEMS + 1)


def made_up(*contestants: Contestant) -> Protocol:
    return Protocol(
        "P0",
        "A ring",
        "order",
        METRICS,
        lambda folder, seed: evaluation.split(walks(), seed),
        lambda model, split: ranking(Unseen(model), split.queries, split.truths, METRICS),
        contestants,
        validation=lambda split, seed: evaluation.split(split.train, seed),
        published={"somebody": {"NDCG@10": 0.1}},
        over_peers=1.0,
    )


EASE = Contestant("EASE", train_ease, grid=({"regularisation": 5.0, "last": 0}, {"regularisation": 5.0, "last": 3}))
POPULAR = Contestant("popular", train_popular)


def test_settings_are_chosen_on_validation_data_and_results_become_tables(tmp_path, capsys):
    protocol = made_up(recipe("aws-user-personalization"), EASE, POPULAR)
    first, results = run(protocol, Path(), 2, [], {})
    assert [one.seeds for one in first] == [1, 1, 1]
    ours, ease, popular = results
    assert ease.settings == EASE.grid[1]
    assert ease.means["NDCG@10"] > popular.means["NDCG@10"]
    assert (ours.kind, ours.seeds) == ("recipe", 2)
    assert ours.seconds > 0
    assert 0.01 < ours.gigabytes < 10
    assert "P0 EASE, seed 1" in capsys.readouterr().err

    (tmp_path / "docs/reference").mkdir(parents=True)
    (tmp_path / "README.md").write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    report.keep(tmp_path, protocol, results)
    report.keep(tmp_path, protocol, [dataclasses.replace(popular, means=dict.fromkeys(METRICS, 0.9))])
    report.write(tmp_path, [dataclasses.replace(protocol, over_peers=1.2)])
    written = (tmp_path / "docs/reference/quality.md").read_text(encoding="utf-8")
    assert f"| **{ours.name}** | {report.figure(ours, 'NDCG@10')} |" in written
    assert "| popular | 0.9000" in written
    assert "| somebody (*published*) | 0.1000 |" in written
    assert f"Goal missed by {ours.name}" in written  # 1.2 times what the popular are now said to reach
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("before\n")
    assert readme.endswith("after\n")
    assert "old" not in readme
    means = [one.means["NDCG@10"] for one in (ours, ease)]
    assert f"| P0 | NDCG@10 | {ours.name} | {means[0]:.4f} | EASE | {means[1]:.4f} | 0.1000 | missed |" in readme
    assert report.reached(protocol, results)


def test_only_some_may_run():
    (results,) = run(made_up(EASE, POPULAR), Path(), 1, ["popular"], {})
    assert [result.name for result in results] == ["popular"]


def test_a_run_goes_on_from_the_seeds_that_are_kept(tmp_path):
    (tmp_path / "docs/reference").mkdir(parents=True)
    protocol = made_up(EASE, POPULAR)
    *_, at_once = run(protocol, Path(), 3, [], {})
    for seeds in (1, 3):
        for results in run(protocol, Path(), seeds, [], report.kept(tmp_path, protocol)):
            report.keep(tmp_path, protocol, results)
    kept = report.kept(tmp_path, protocol)
    for one in at_once:
        assert (kept[one.name].seeds, kept[one.name].settings) == (3, one.settings)
        assert kept[one.name].means == pytest.approx(one.means)
        assert kept[one.name].spreads == pytest.approx(one.spreads)
    assert not list(run(protocol, Path(), 3, [], kept))
    with pytest.raises(ValueError, match="different seeds"):
        next(run(protocol, Path(), 4, [], {"EASE": kept["EASE"]}))


def test_a_grid_needs_validation_data():
    protocol = dataclasses.replace(made_up(EASE), validation=None)
    with pytest.raises(ValueError, match="give the protocol a validation"):
        next(run(protocol, Path(), 1, [], {}))
