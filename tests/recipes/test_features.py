"""Metadata and context as features."""

from __future__ import annotations

import numpy as np

from tailorbird.recipes import features
from tailorbird.recipes.recipe import Column


def column(kind, *values):
    return Column(kind, np.array(values, object))


COLUMNS = {
    "GENRE": column("categorical", "a|b", "a", None, "b", "only here"),
    "YEAR": column("numeric", 1990, 1995, float("nan"), 2000, None),
    "TEXT": column("textual", "x", "y", "z", "x", "y"),
}


def test_categories_share_a_weight_of_one_and_rare_ones_are_left_out():
    encoder = features.fit(COLUMNS)
    assert set(encoder.categories["GENRE"]) == {"a", "b"}
    rows = encoder.encode([{"GENRE": "a|b"}, {"GENRE": "b|never seen"}, {"GENRE": None}, {}]).toarray()
    assert rows[:, [encoder.categories["GENRE"][each] for each in "ab"]].tolist() == [
        [0.5, 0.5],
        [0, 1],
        [0, 0],
        [0, 0],
    ]


def test_numbers_fall_into_ranges_and_missing_ones_into_none():
    encoder = features.fit(COLUMNS)
    rows = encoder.encode([{"YEAR": 1900}, {"YEAR": 1990.0}, {"YEAR": 2050}, {"YEAR": float("nan")}]).toarray()
    assert rows.sum(axis=1).tolist() == [1, 1, 1, 0]
    assert rows[0].argmax() <= rows[1].argmax() < rows[2].argmax()


def test_columns_are_encoded_as_rows_are():
    encoder = features.fit(COLUMNS)
    rows = [
        {"GENRE": genre, "YEAR": year}
        for genre, year in zip(*(COLUMNS[n].values for n in ("GENRE", "YEAR")), strict=True)
    ]
    np.testing.assert_array_equal(encoder.columns(COLUMNS, 5).toarray(), encoder.encode(rows).toarray())


def test_survives_save_and_load(tmp_path):
    encoder = features.fit(COLUMNS)
    encoder.save(tmp_path / "features.json")
    assert features.load(tmp_path / "features.json") == encoder


def test_nothing_to_learn_from_gives_no_features():
    encoder = features.fit({})
    assert encoder.columns(COLUMNS, 5).shape == (5, 0)
