"""Related items that need no history: cold items by their columns, texts alone, what is popular or fresh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recipes.test_exam import CHAIN, ITEMS, NEW_ITEMS, query, train, walks
from tailorbird.errors import InvalidInputException
from tailorbird.evaluation import protocols, ranking
from tailorbird.recipes import RECIPES, settings_of
from tailorbird.recipes.recipe import Column, IncrementalModel, InfluencedModel, Interactions

SIMILAR, SEMANTIC = RECIPES["aws-similar-items"], RECIPES["aws-semantic-similarity"]
COLD = [3, 44, 87, 131, 176]
"""Items of five chains that nobody touched yet."""


@pytest.fixture(scope="module")
def data() -> Interactions:
    rows = walks()
    return rows.rows(~np.isin(rows.item, COLD))


@pytest.fixture(scope="module")
def similar(data):
    return train(SIMILAR, data)


def chains(items) -> list[int]:
    return [item % ITEMS // CHAIN for item in items]


def test_a_cold_item_is_related_to_its_kind_and_so_is_its_kind_to_it(similar):
    answers = ranking.top_lists(similar, [query(item=item) for item in COLD])
    assert (
        np.mean([np.isin(chains(row[:5]), item // CHAIN).mean() for item, row in zip(COLD, answers, strict=True)]) > 0.9
    )
    kin = [query(item=item + 2) for item in COLD]
    found = [item in row for item, row in zip(COLD, ranking.top_lists(similar, kin), strict=True)]
    assert sum(found) >= 3


def test_unknown_items_and_silent_ones_get_popular_items(data):
    model = train(SIMILAR, replace(data, item_columns={}))
    lists = ranking.top_lists(model, [query(), query(item=COLD[0])])
    counts = np.bincount(data.item, minlength=len(data.items))
    for row in lists:
        assert counts[row].tolist() == sorted(counts, reverse=True)[: len(row)]


def test_weights_are_those_that_data_speak_for(data):
    """Where texts say nothing, they count less for cold items than where they tell who belongs together."""
    rng = np.random.default_rng(0)
    noise = [f"a tale of chain {number}" for number in rng.permutation(ITEMS + NEW_ITEMS) // CHAIN]
    mixed = train(SIMILAR, replace(data, item_columns={"TEXT": Column("textual", np.array(noise, object))}))
    telling = train(SIMILAR, data)
    of_cold = [*telling.scorers, "cold", "cold content", "cold collaborative"].index("cold content")
    assert (mixed.weights[:, of_cold] < telling.weights[:, of_cold] - 0.3).all()


@pytest.mark.parametrize("name", ["item_id_hidden_dim", "item_metadata_hidden_dim", "item_id_hidden_dimension"])
def test_dimensions_are_for_tuning_only(name):
    with pytest.raises(InvalidInputException, match="no parameter"):
        settings_of(SIMILAR, {name: "50"}, {})


def test_dimensions_have_an_effect(data):
    small = train(SIMILAR, data, item_id_hidden_dim=30, item_metadata_hidden_dim=30)
    assert small.scorers["collaborative"].vectors.shape == (ITEMS + NEW_ITEMS, 30)


def texts(*values: str) -> Interactions:
    """Items without any interaction, created a month apart."""
    nothing = np.empty(0, np.int64)
    count = len(values)
    return Interactions(
        users=np.empty(0, np.str_),
        items=np.array([f"i{number}" for number in range(count)]),
        user=nothing.astype(np.int32),
        item=nothing.astype(np.int32),
        timestamp=nothing,
        event_type=nothing.astype(np.int16),
        item_columns={
            "TEXT": Column("textual", np.array(values, object)),
            "CREATION_TIMESTAMP": Column("numeric", (np.arange(count) * 30 * 86400).astype(object)),
        },
    )


SEA = texts("a boat at sea", "the sea and a boat", "rice with beans", "beans and rice", "boat and beans")


def best(model, **influence: float) -> list[str]:
    scores = model.score([replace(query(item=0), influence=influence)])[0]
    return model.items[np.argsort(-scores, kind="stable")].tolist()


def test_semantic_similarity_needs_texts_only():
    model = train(SEMANTIC, SEA)
    assert isinstance(model, InfluencedModel)
    assert model.influences == ("FRESHNESS",)
    assert best(model)[0] == "i1"
    assert best(model)[-1] == "i0"
    assert best(model, FRESHNESS=1.0)[0] == "i4"


def test_popularity_counts_as_much_as_it_is_told_to(data):
    model = train(SEMANTIC, data)
    assert model.influences == ("POPULARITY",)
    popular = int(np.bincount(data.item).argmax())
    scores = [model.score([replace(query(item=42), influence={"POPULARITY": weight})])[0] for weight in (0.0, 0.5, 1.0)]
    gains = [row[popular] - scores[0][popular] for row in scores]
    np.testing.assert_allclose(gains, [0, 0.5, 1.0], atol=1e-5)


def test_new_and_changed_items_are_taken_up_without_a_training(tmp_path):
    trained = train(SEMANTIC, SEA)
    trained.save(tmp_path)
    model = SEMANTIC.model.load(tmp_path)
    assert isinstance(model, IncrementalModel)
    columns = {
        "TEXT": Column("textual", np.array(["boat at sea", "sea boat", "boat"], object)),
        "CREATION_TIMESTAMP": Column("numeric", np.array([10**9, None, 0], object)),
    }
    taken = model.with_items(["new", "i3", "i4"], columns)
    assert taken.items.tolist() == ["i0", "i1", "i2", "i3", "i4", "new"]
    order = best(taken)
    assert set(order[:3]) == {"new", "i1", "i3"}
    assert order.index("i3") < order.index("i2"), "its text is about boats now"
    assert best(taken, FRESHNESS=1.0)[0] == "new"
    assert best(model) == best(trained), "the trained model stays as it was"
    same = trained.with_items(trained.items.tolist(), SEA.item_columns)
    np.testing.assert_array_equal(same.vectors, trained.vectors)


def test_without_interactions_the_exam_measures_the_coverage_only():
    evaluation = protocols.of(SEMANTIC, SEMANTIC.settings(), SEA, (), seed=0)
    assert evaluation.measure(train(SEMANTIC, evaluation.train)) == {"coverage": 1.0}
    assert evaluation.baseline() == {"coverage": 1.0}
