"""Items that came after the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tailorbird.data.interactions import Column
from tailorbird.recipes import new_items
from tailorbird.recipes.new_items import SMOOTHING
from tailorbird.recipes.recipe import Query


@dataclass(frozen=True)
class Fixed:
    """A model of four items that only takes them."""

    items: NDArray[np.str_]
    shares: NDArray[np.float32]

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        assert all((query.items < len(self.items)).all() for query in queries)
        return np.tile(np.log(self.shares), (len(queries), 1))

    def save(self, folder: Path) -> None: ...


def column(*values: object) -> dict[str, Column]:
    return {"GENRE": Column("categorical", np.array(values, object))}


def test_new_items_score_as_items_like_them_do(tmp_path: Path) -> None:
    model = Fixed(np.array(["p", "q", "r", "s"]), np.array([0.5, 0.3, 0.1, 0.1], np.float32))
    columns = column("a", "a", "b", "b", "a", "b", None, "a|b")
    made = new_items.likeness(columns, 8, 4)
    made.save(tmp_path)
    extended = new_items.ExtendedModel(model, np.array(list("pqrstuvw")), new_items.load(tmp_path))
    history = np.array([0, 5, 3], np.int32)
    (row,) = np.exp(extended.score([Query(history, np.arange(3, dtype=np.int64))]))
    assert row[:4] == pytest.approx(model.shares)
    a, b = ((total + SMOOTHING * 0.25) / (2 + SMOOTHING) for total in (0.8, 0.2))
    assert row[4:] == pytest.approx([a, b, 0.25, (a + b) / 2])


def test_without_columns_a_new_item_is_an_average_one() -> None:
    model = Fixed(np.array(["p", "q"]), np.array([0.9, 0.1], np.float32))
    extended = new_items.ExtendedModel(model, np.array(["p", "q", "r"]), new_items.likeness({}, 3, 2))
    assert np.exp(extended.score([Query(np.empty(0, np.int32), np.empty(0, np.int64))]))[0, 2] == pytest.approx(0.5)
