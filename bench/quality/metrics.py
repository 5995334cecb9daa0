"""Standard metrics over lists: unlike the service's own NDCG, they punish a list for the truth it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quality.protocol import Values
from tailorbird.evaluation.ranking import Ranker, top_lists
from tailorbird.recipes.recipe import Query
from tailorbird.recipes.top_k import discounts


@dataclass(frozen=True)
class Unseen:
    """A model whose users' own items are never recommended to them again."""

    model: Ranker

    @property
    def items(self) -> NDArray[np.str_]:
        """The items of the model."""
        return self.model.items

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the model's (query, item) scores, -inf for the items of each query's history."""
        scores = np.array(self.model.score(queries))
        for row, query in enumerate(queries):
            scores[row, query.items] = -np.inf
        return scores


def ndcg(hits: NDArray[np.bool_], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the NDCG of each row of (list, rank) hits, with the sizes of the truths."""
    worth = discounts(hits.shape[1])
    return np.asarray((hits @ worth) / np.cumsum(worth)[np.minimum(sizes, hits.shape[1]) - 1])


METRICS: Mapping[str, Callable[[NDArray[np.bool_], NDArray[np.int64]], NDArray[np.float64]]] = {
    "NDCG": ndcg,
    "HR": lambda hits, _: hits.any(axis=1).astype(float),
    "MRR": lambda hits, _: (hits / np.arange(1, hits.shape[1] + 1)).max(axis=1),
    "P": lambda hits, _: hits.mean(axis=1),
    "recall": lambda hits, sizes: hits.sum(axis=1) / sizes,
}
"""By name: (query, rank) hits, and how many true items each query has, to one value a query."""


def ranking(
    model: Ranker, queries: Sequence[Query], truths: Sequence[NDArray[np.int32]], names: Iterable[str]
) -> Values:
    """Returns metrics such as NDCG@10, one value a query; every truth has at least one item."""
    wanted = {name: (METRICS[name.partition("@")[0]], int(name.partition("@")[2])) for name in names}
    lists = top_lists(model, list(queries), max(length for _, length in wanted.values()))
    hits = np.array([np.isin(row, truth) for row, truth in zip(lists, truths, strict=True)])
    sizes = np.array([len(truth) for truth in truths])
    return {name: np.asarray(metric(hits[:, :length], sizes), float) for name, (metric, length) in wanted.items()}
