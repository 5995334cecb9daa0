"""The quality bench: its metrics by hand, its choice of settings, its peers, and its file of results."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quality import comparison, report, results
from quality.metrics import Unseen, ranking
from quality.peers.implicit_models import train_als, train_bpr
from quality.peers.linear import train_ease, train_item_knn, train_popular
from quality.peers.rectools_models import sequential
from quality.peers.rules import train_rules
from quality.peers.sessions import train_session_knn
from quality.protocol import ORDER, STRICT, Contestant, recipe
from quality.protocols import PROTOCOLS
from quality.runner import means, run
from quality_protocol import EASE, ITEMS, POPULAR, made_up, walks
from tailorbird.evaluation.ranking import Ranker, split, top_lists
from tailorbird.recipes.matrices import user_bounds, user_item
from tailorbird.recipes.recipe import Query


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
    assert means(figures) == pytest.approx(
        {
            "NDCG@3": (1 / np.log2(3) / ideal + 1) / 2,
            "HR@1": 1 / 2,
            "MRR@3": (1 / 2 + 1) / 2,
            "P@2": 1 / 2,
            "recall@3": (1 / 2 + 1) / 2,
        }
    )


def test_what_was_seen_is_left_out_of_lists():
    lists = top_lists(Unseen(Fixed(np.array([5, 4, 3]))), [query(0, 2), query()], 3)
    assert lists.tolist() == [[1, -1, -1], [0, 1, 2]]


PEERS = {
    "sequential rules": lambda data: train_rules(data, 0, window=5, decay=0.5),
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
    held_out = split(data, 1)

    def ndcg(model: Ranker) -> float:
        return ranking(Unseen(model), held_out.queries, held_out.truths, ["NDCG@10"])["NDCG@10"].mean()

    assert ndcg(PEERS[name](held_out.train)) > 1.5 * ndcg(train_popular(held_out.train, 0))


def test_ease_is_the_same_through_either_gram_matrix():
    data = walks()
    through_items = train_ease(data, 0, regularisation=5.0, last=10)
    few = data.rows(data.user < 30)
    through_users = train_ease(dataclasses.replace(few, users=data.users[:30]), 0, regularisation=5.0, last=10)
    padded = train_ease(few, 0, regularisation=5.0, last=10)  # 60 rows, half of them empty: through items
    np.testing.assert_allclose(through_users.weights, padded.weights, atol=1e-4)
    matrix = user_item(data).toarray()
    inverse = np.linalg.inv(matrix.T @ matrix + 5.0 * np.eye(ITEMS + 1))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(through_items.weights, expected, atol=1e-4)
    assert through_items.weights.shape == (ITEMS + 1, ITEMS + 1)


def folder_of_results(folder: Path) -> Path:
    (folder / "docs/reference").mkdir(parents=True)
    (folder / "README.md").write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    return folder


def test_settings_are_chosen_on_validation_data_and_results_become_tables(tmp_path, capsys):
    protocol = made_up(recipe("aws-user-personalization"), EASE, POPULAR, Contestant("late", train_popular))
    first, runs = run(protocol, Path(), 2, ["aws-user-personalization", "EASE", "popular"], {})
    assert [one.seeds for one, _ in first] == [1, 1, 1]
    ours, ease, popular = (result for result, _ in runs)
    assert ease.settings == EASE.grid[1]
    assert ease.means["NDCG@10"] > popular.means["NDCG@10"]
    assert (ours.kind, ours.seeds) == ("recipe", 2)
    assert ours.seconds > 0
    assert ours.questions == len(runs[0][1][1]["NDCG@10"])
    assert 0.01 < ours.gigabytes < 10
    assert "P0 EASE, seed 1" in capsys.readouterr().err

    root = folder_of_results(tmp_path)
    results.keep(root, protocol, runs)
    report.write(root, [protocol])
    written = (root / "docs/reference/quality.md").read_text(encoding="utf-8")
    assert f"| **{ours.name}** | {report.figure(protocol, [ours], ours, 'NDCG@10')} |" in written
    assert "| late | not run | not run |" in written
    assert "| somebody (*published*) | 0.1000 |" in written
    assert "| somebody with a clock (*published*; not compared, it used: order and times) | 0.9000 |" in written
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("before\n")
    assert readme.endswith("after\n")
    assert "\nold\n" not in readme
    assert f"| what comes next on a ring | order alone | NDCG@10 | {ours.means['NDCG@10']:.4f} (user-per" in readme
    assert "; 1 of 3 peers not run | " in readme
    assert "Peers that were run in no line: late. " in readme
    (printed,) = comparison.printed(protocol, [ours, ease], "NDCG@10")
    assert f"{printed.margin.mean:+.4f} ±{2 * printed.margin.error:.4f}: somebody 0.1000 |" in readme
    assert "clock" not in readme


def test_differences_are_paired_also_where_peers_ran_later(tmp_path):
    root = folder_of_results(tmp_path)
    protocol = made_up(dataclasses.replace(EASE, name="ours", kind="recipe"), POPULAR)
    for name in ("ours", "popular"):
        for runs in run(protocol, Path(), 2, [name], {}):
            results.keep(root, protocol, runs)
    ours, popular = results.kept(root, protocol).values()
    margin = comparison.peers(protocol, [ours, popular], "NDCG@10")[0].margin
    assert margin.paired
    assert margin.mean == pytest.approx(ours.means["NDCG@10"] - popular.means["NDCG@10"], abs=1e-6)
    # Another machine has the file, but not the values of every question; a new run of the recipe then pairs nothing.
    shutil.rmtree(root / results.VALUES)
    results.keep(root, protocol, [(popular, {})])
    assert results.kept(root, protocol)["popular"].margins == popular.margins
    results.keep(root, protocol, [(ours, {})])
    assert results.kept(root, protocol)["popular"].margins == {}


def test_only_some_may_run():
    (runs,) = run(made_up(EASE, POPULAR), Path(), 1, ["popular"], {})
    assert [result.name for result, _ in runs] == ["popular"]


def test_a_run_goes_on_from_the_seeds_that_are_kept(tmp_path):
    root = folder_of_results(tmp_path)
    protocol = made_up(EASE, POPULAR)
    *_, at_once = run(protocol, Path(), 3, [], {})
    for seeds in (1, 3):
        for runs in run(protocol, Path(), seeds, [], results.kept(root, protocol)):
            results.keep(root, protocol, runs)
    kept = results.kept(root, protocol)
    for one, _ in at_once:
        assert (kept[one.name].seeds, kept[one.name].settings) == (3, one.settings)
        assert kept[one.name].means == pytest.approx(one.means)
        assert kept[one.name].spreads == pytest.approx(one.spreads)
        assert kept[one.name].errors == pytest.approx(one.errors)
    assert not list(run(protocol, Path(), 3, [], kept))
    with pytest.raises(ValueError, match="different seeds"):
        next(run(protocol, Path(), 4, [], {"EASE": kept["EASE"]}))


def test_a_grid_needs_validation_data():
    protocol = dataclasses.replace(made_up(EASE), validation=None)
    with pytest.raises(ValueError, match="give the protocol a validation"):
        next(run(protocol, Path(), 1, [], {}))


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_one_recipe_is_judged_and_compared_with_its_like(protocol):
    assert protocol.judged.kind == "recipe"
    assert set(protocol.verdicts) <= set(protocol.metrics)
    assert all(one.used == protocol.used for one in protocol.anchors)
    names = [one.name for one in protocol.contestants]
    assert len(set(names)) == len(names)
    assert any(one.kind == "peer" for one in protocol.contestants)
    assert all(protocol.validation for one in protocol.contestants if len(one.grid) > 1)


def test_what_the_tables_must_not_hide():
    assert PROTOCOLS["P5"].verdicts == ("HR@20", "MRR@20")
    assert PROTOCOLS["P6"].verdicts == tuple(f"NDCG@10 after {events}" for events in (1, 3, 5, 10))
    assert PROTOCOLS["P8"].verdicts[0] == PROTOCOLS["P8r"].verdicts[0] == "cold recall@100"
    for name, best in {
        "P1 strict": 0.2007,
        "P1": 0.1944,
        "P2 Beauty strict": 0.0623,
        "P2 Sports strict": 0.0369,
    }.items():
        assert max(one.figures["NDCG@10"] for one in PROTOCOLS[name].anchors) == best
    for name in ("P2 Beauty", "P2 Sports", "P3 Beauty", "P3 Sports"):
        assert not PROTOCOLS[name].anchors  # nobody printed figures of models that use days and metadata


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> Path:
    """Two users a day later than the other two, in the files that P2 and P3 read."""
    folder = tmp_path_factory.mktemp("data")
    rows = [
        {
            "user_id": f"u{user}",
            "item_id": f"i{(user + place) % 5}",
            "timestamp": 86400 * (user + place),
            "position": place,
        }
        for user in range(4)
        for place in range(4)
    ]
    items = [{"item_id": f"i{item}", "attributes": [item, 9]} for item in range(5)]
    for name in ("amazon-beauty-s3", "amazon-sports-s3"):
        (folder / name).mkdir()
        pl.DataFrame(rows).write_parquet(folder / name / "interactions.parquet")
        pl.DataFrame(items).write_parquet(folder / name / "items.parquet")
    return folder


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name.startswith(("P2", "P3"))])
def test_models_are_shown_what_the_tables_say(name, reviews):
    protocol = PROTOCOLS[name]
    split = protocol.split(reviews, 0)
    data = split.train
    starts = user_bounds(data)[data.user]
    only_order = protocol.used in (ORDER, STRICT)
    assert only_order == (not data.item_columns)
    assert only_order == bool((data.timestamp == np.arange(len(data.user)) - starts).all())
    assert only_order == all(query.now == len(query.items) for query in split.queries)
    trained = {(int(user), int(item)) for user, item in zip(data.user, data.item, strict=True)}
    if name.startswith("P2"):
        assert len(split.queries) == 4
        before_last = {(user, int(query.items[-1])) for user, query in enumerate(split.queries)}
        assert before_last.isdisjoint(trained) if protocol.used == STRICT else before_last <= trained
        assert all((user, int(truth[0])) not in trained for user, truth in enumerate(split.truths))


def test_the_tables_are_those_of_the_file_of_results(tmp_path):
    root = Path(__file__).parents[1]
    (tmp_path / "docs/reference").mkdir(parents=True)
    for name in ("README.md", "docs/reference/quality.json"):
        shutil.copy(root / name, tmp_path / name)
    report.write(tmp_path, PROTOCOLS.values())
    for name in ("README.md", "docs/reference/quality.md"):
        assert (tmp_path / name).read_text(encoding="utf-8") == (root / name).read_text(encoding="utf-8")
    for name, rows in results.stored(root).items():
        assert {row["name"] for row in rows} <= {one.name for one in PROTOCOLS[name].contestants}
