"""Text as numbers, and items as vectors of their columns."""

from __future__ import annotations

import numpy as np
import pytest

from tailorbird.recipes import item_vectors, text
from tailorbird.recipes.recipe import Column

FILMS = ("The Sea, the sea", "A boat at sea", "Cooking with rice", "Rice and beans", "Boat!")
COLUMNS = {
    "TITLE": Column("textual", np.array(FILMS, object)),
    "GENRE": Column("categorical", np.array(["Water", "Water", "Food", "Food|Water", None], object)),
    "CREATION_TIMESTAMP": Column("numeric", np.arange(5).astype(object)),
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("The Café, No. 2!", ["the", "café", "no", "2", "the café", "café no", "no 2"]),
        ("千と千尋", ["千と", "と千", "千尋", "千と と千", "と千 千尋"]),
        ("鬼 snow_white", ["鬼", "snow", "white", "鬼 snow", "snow white"]),
        ("", []),
    ],
)
def test_words_and_pairs(given, expected):
    assert text.terms(given) == expected


def test_rare_words_weigh_more_and_unknown_ones_nothing():
    vocabulary = text.fit([*FILMS, "sea"])
    assert "cooking" not in vocabulary.terms
    row = vocabulary.encode(["rice sea", "nothing known", ""]).toarray()
    assert row[0, vocabulary.terms["rice"]] > row[0, vocabulary.terms["sea"]] > 0
    np.testing.assert_allclose((row**2).sum(axis=1), [1, 0, 0], rtol=1e-6)


def test_alike_items_point_the_same_way_and_age_does_not_count():
    encoder = item_vectors.fit(COLUMNS, 5, 100, seed=0)
    vectors = encoder.encode(COLUMNS, 5)
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > likeness[0, 2]
    assert likeness[2, 3] > likeness[2, 4]
    aged = COLUMNS | {"CREATION_TIMESTAMP": Column("numeric", np.arange(5)[::-1].astype(object))}
    np.testing.assert_allclose(encoder.encode(aged, 5), vectors)
    assert (vectors @ encoder.encode_words(["Food", "rice"])).argmax() in (2, 3)


def test_main_directions_keep_likeness_when_there_are_enough_of_them():
    encoder = item_vectors.fit(COLUMNS, 5, 100, seed=0)
    content = encoder._sparse({name: COLUMNS[name] for name in ("TITLE", "GENRE")}, 5).toarray()
    vectors = encoder.encode(COLUMNS, 5)
    np.testing.assert_allclose(vectors @ vectors.T, content @ content.T, atol=1e-5)


def test_survives_save_and_load(tmp_path):
    encoder = item_vectors.fit(COLUMNS, 5, 3, seed=0)
    encoder.save(tmp_path)
    np.testing.assert_array_equal(item_vectors.load(tmp_path).encode(COLUMNS, 5), encoder.encode(COLUMNS, 5))


def test_nothing_told_gives_nothing():
    encoder = item_vectors.fit({}, 5, 100, seed=0)
    assert encoder.encode({}, 5).shape == (5, 0)
    assert encoder.encode_words(["Food"]).shape == (0,)
