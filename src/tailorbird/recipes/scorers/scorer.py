"""What a blend is made of: something that says for each item how likely it comes next, on a log scale."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.recipe import Query
from tailorbird.storage.arrays import load_arrays, save_arrays

PARTS = ("data", "indices", "indptr")
"""Of a sparse matrix."""


NAMES = "ingredients.json"
"""The file that lists a model's scorers, under the word of the models that were trained first."""


S = TypeVar("S", bound="Scorer")


class Scorer(Protocol):
    """A trained part of a blend. Scoring must be thread-safe and take an empty history."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item): the log of something like a probability, finite everywhere."""
        ...

    def save(self, folder: Path) -> None:
        """Writes the scorer into an existing empty folder."""
        ...


@runtime_checkable
class AddingScorer(Scorer, Protocol):
    """A scorer that adds to what others say, up to a number that is the same for all items of a query.

    One that has the same to say of most items of a large catalogue need not touch these.
    """

    def add(self, queries: Sequence[Query], factor: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Adds to (query, item) `factor` (query) times the scores, up to that number."""
        ...


def added(scorer: AddingScorer, queries: Sequence[Query], items: int, start: float = 0.0) -> NDArray[np.float32]:
    """Returns the (query, item) scores of a scorer by itself; `start`: the number that it does not add."""
    scores = np.full((len(queries), items), start, np.float32)
    scorer.add(queries, np.ones(len(queries), np.float32), scores)
    return scores


def recent_items(query: Query, last: int) -> NDArray[np.int32]:
    """Returns the distinct items of a history, most recent first, at most `last` of them."""
    _, first = np.unique(query.items[::-1], return_index=True)
    return query.items[len(query.items) - 1 - np.sort(first)[:last]]


def weighted_histories(
    histories: Sequence[NDArray[np.int32]], weights: NDArray[np.float32], items: int
) -> sparse.csr_matrix:
    """Returns (history, item): the k-th item of each history weighs `weights[k]`."""
    lengths = [len(history) for history in histories]
    indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    indices = np.concatenate([*histories, np.empty(0, np.int32)])
    data = np.concatenate([*(weights[:length] for length in lengths), np.empty(0, np.float32)])
    return sparse.csr_matrix((data, indices, indptr), shape=(len(histories), items))


def save_csr(folder: Path, name: str, matrix: sparse.csr_matrix) -> None:
    """Writes a sparse matrix as three arrays that can be mapped into memory."""
    save_arrays(folder, **{f"{name}-{part}": getattr(matrix, part) for part in PARTS})


def load_csr(folder: Path, name: str, columns: int) -> sparse.csr_matrix:
    """Reads what `save_csr` wrote, without copying it into memory."""
    data, indices, indptr = map(np.asarray, load_arrays(folder, *(f"{name}-{part}" for part in PARTS)))
    return sparse.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, columns), copy=False)


def csr_rows(folder: Path, name: str) -> int:
    """Returns how many rows a matrix has that `save_csr` wrote."""
    (indptr,) = load_arrays(folder, f"{name}-indptr")
    return len(indptr) - 1


def save_scorers(folder: Path, scorers: Mapping[str, Scorer]) -> None:
    """Writes scorers.json with their names in order, and each into a folder of its name."""
    (folder / NAMES).write_text(json.dumps(list(scorers)), encoding="utf-8")
    for name, scorer in scorers.items():
        (folder / name).mkdir()
        scorer.save(folder / name)


def load_scorers(folder: Path, loaders: Mapping[str, Callable[[Path], S]]) -> dict[str, S]:
    """Reads what `save_scorers` wrote."""
    names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    return {name: loaders[name](folder / name) for name in names}
