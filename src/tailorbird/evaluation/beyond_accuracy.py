"""Metrics beside AWS's own, by which a figure can be believed: with confidence intervals, beside the most popular
items on the same questions, and by cohort of users.

An interval is the normal one at 95 %, mean ± 1.96 standard errors over the questions, cut to the metric's range.

Sources: Herlocker et al., Evaluating Collaborative Filtering Recommender Systems, 2004 (accuracy and coverage);
Zhou et al., Solving the Apparent Diversity-Accuracy Dilemma, 2010 (self-information); Ziegler et al., Improving
Recommendation Lists Through Topic Diversification, 2005 (intra-list similarity).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.evaluation.ranking import CUTOFFS, DIGITS, LIST_LENGTH, Answers, Ranker, RankingSplit, answers
from tailorbird.evaluation.segments import items_by_value
from tailorbird.recipes import popularity
from tailorbird.recipes.matrices import users_per_item
from tailorbird.recipes.recipe import Interactions, Query, silent
from tailorbird.recipes.top_k import discounts

METRICS = {
    **{f"ndcg_at_{k}": f"Gain of the first {k}, over that of the best list of {k} that there is." for k in CUTOFFS},
    **{f"recall_at_{k}": f"Share of the truth that is among the first {k}." for k in CUTOFFS},
    **{f"hit_rate_at_{k}": f"Share of the questions with a hit among the first {k}." for k in CUTOFFS},
    f"mean_reciprocal_rank_at_{LIST_LENGTH}": "1 / rank of the first hit, as GetSolutionMetrics has it.",
    "novelty": "Mean self-information of the items shown, in bits: -log2 of the share of users who had the item.",
    "diversity": "1 - mean cosine of the categorical metadata of two items of a list; only where there are such.",
    "coverage": "Share of the catalogue that is in at least one list.",
    "gini": "Inequality of how often items are shown: 0 all alike, 1 one item only.",
}
"""What each metric says."""
TWO_NDCGS = (
    "normalized_discounted_cumulative_gain_at_k of `tailorbird job` is Amazon's NDCG, relative to the best order of a "
    "list's own hits; ndcg_at_k of `tailorbird metrics` is relative to the best list there is."
)
COHORTS = {
    "all": "every question that GetSolutionMetrics rests on",
    "new": "test users asked as if they had no history, as of the time of their question",
    "light": "test users whose history is not longer than the median test user's",
    "heavy": "the other test users",
}
MOST_NEW = 500
"""Test users at most who are asked once more as new ones: of so many no share's interval is wider than ±.044."""
Z = 1.96
"""Standard errors to each side of a 95 % interval, by the normal distribution."""
UNBOUNDED = ("novelty",)


@dataclass(frozen=True)
class Estimate:
    """A metric's value, and the ends of its 95 % interval where it is a mean over two questions or more."""

    value: float
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Row:
    """One metric in one cohort."""

    name: str
    cohort: str
    questions: int
    model: Estimate
    popularity: Estimate


def compare(model: Ranker, held_out: RankingSplit) -> list[Row]:
    """Returns the metrics of a model that was trained on `held_out.train`, and of popularity.

    Questions about items are the same for everyone, so that they have the cohort "all" only.
    """
    popular = popularity.train(held_out.train, popularity.Settings(), silent)
    ours, theirs = (cohorts(each, held_out) for each in (model, popular))
    facts = _ItemFacts(held_out.train)
    return [row for name in ours if len(ours[name].lists) for row in _rows(name, ours[name], theirs[name], facts)]


def cohorts(model: Ranker, held_out: RankingSplit) -> dict[str, Answers]:
    """Returns the model's answers by the name of the cohort."""
    given = answers(model, held_out)
    if all(query.item is not None for query in held_out.queries):
        return {"all": given}
    lengths = np.array([len(query.items) for query in given.queries])
    light = lengths <= np.median(lengths)
    fresh = answers(model, as_new(held_out))
    return {"all": given, "new": fresh, "light": given.some(light), "heavy": given.some(~light)}


def as_new(held_out: RankingSplit) -> RankingSplit:
    """Returns the questions without the users' histories, evenly drawn where they are many; the truths stay."""
    number = len(held_out.queries)
    drawn = np.unique(np.linspace(0, number - 1, min(number, MOST_NEW)).astype(int)).tolist()
    queries = tuple(_without_history(held_out.queries[question]) for question in drawn)
    return replace(held_out, queries=queries, truths=tuple(held_out.truths[question] for question in drawn))


def _without_history(query: Query) -> Query:
    now = int(query.timestamps[-1]) if len(query.timestamps) else query.now
    return replace(query, items=query.items[:0], timestamps=query.timestamps[:0], now=now)


@dataclass(frozen=True)
class _ItemFacts:
    """What is known of the items before anything is recommended."""

    train: Interactions

    @cached_property
    def information(self) -> NDArray[np.float64]:
        """Bits of each item; one that nobody had counts as had by one."""
        return -np.log2(np.maximum(users_per_item(self.train), 1) / max(1, len(self.train.users)))

    @cached_property
    def categories(self) -> sparse.csr_matrix | None:
        """(item, category), rows of unit length or zero; None where no item has any."""
        columns = [name for name, column in self.train.item_columns.items() if column.kind == "categorical"]
        groups = items_by_value(self.train, columns)
        if not groups:
            return None
        places = np.concatenate(groups), np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        shape = (len(self.train.items), len(groups))
        matrix = sparse.csr_matrix((np.ones(len(places[0])), places), shape=shape)
        lengths = np.sqrt(np.diff(matrix.indptr))
        return sparse.csr_matrix(sparse.diags_array(1 / np.maximum(lengths, 1)) @ matrix)


def _rows(cohort: str, ours: Answers, theirs: Answers, facts: _ItemFacts) -> Iterator[Row]:
    model, popular = (_estimates(each, facts) for each in (ours, theirs))
    for name in METRICS:
        if name in model and name in popular:
            yield Row(name, cohort, len(ours.lists), model[name], popular[name])


def _estimates(given: Answers, facts: _ItemFacts) -> Mapping[str, Estimate]:
    means = accuracy(given) | novelty(given, facts.information)
    if facts.categories is not None:
        means["diversity"] = diversity(given.lists, facts.categories)
    counts = np.bincount(given.lists[given.lists >= 0], minlength=given.items)
    found = {name: mean(values, math.inf if name in UNBOUNDED else 1.0) for name, values in means.items()}
    whole = {"coverage": float((counts > 0).mean()), "gini": gini(counts)}
    return {name: estimate for name, estimate in found.items() if estimate is not None} | {
        name: Estimate(round(value, DIGITS)) for name, value in whole.items()
    }


def accuracy(given: Answers) -> dict[str, NDArray[np.float64]]:
    """Returns NDCG, recall, hit rate and reciprocal rank of each question."""
    hits = given.hits
    sizes = np.array([len(truth) for truth in given.truths])
    ranks = np.arange(1, LIST_LENGTH + 1)
    worth = discounts(LIST_LENGTH)
    ideal = np.concatenate([[0.0], np.cumsum(worth)])
    found = {f"mean_reciprocal_rank_at_{LIST_LENGTH}": (hits / ranks).max(axis=1)}
    for k in CUTOFFS:
        found[f"ndcg_at_{k}"] = np.divide(hits[:, :k] @ worth[:k], ideal[np.minimum(sizes, k)])
        found[f"recall_at_{k}"] = hits[:, :k].sum(axis=1) / sizes
        found[f"hit_rate_at_{k}"] = hits[:, :k].any(axis=1).astype(np.float64)
    return found


def novelty(given: Answers, information: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Returns the mean bits of each list; NaN for an empty one."""
    shown = given.lists >= 0
    bits = np.where(shown, information[given.lists], 0).sum(axis=1)
    return {"novelty": np.divide(bits, shown.sum(axis=1), out=np.full(len(bits), np.nan), where=shown.any(axis=1))}


def diversity(lists: NDArray[np.int64], categories: sparse.csr_matrix) -> NDArray[np.float64]:
    """Returns 1 - mean cosine over the pairs of each list; NaN where fewer than two of its items have categories.

    The squared length of the sum of n unit vectors is n plus twice the sum of their cosines.
    """
    known = (lists >= 0) & (np.diff(categories.indptr)[lists] > 0)
    rows, _ = np.nonzero(known)
    chosen = sparse.csr_matrix((np.ones(len(rows)), (rows, lists[known])), shape=(len(lists), categories.shape[0]))
    sums = sparse.csr_matrix(chosen @ categories)
    squares = np.asarray(sums.multiply(sums).sum(axis=1)).ravel()
    count = known.sum(axis=1)
    pairs = count * (count - 1.0)
    cosines: NDArray[np.float64] = np.full(len(lists), np.nan)
    np.divide(squares - count, pairs, out=cosines, where=pairs > 0)
    return 1 - cosines


def gini(counts: NDArray[np.int64]) -> float:
    """Returns the Gini index of how often each item of the catalogue is shown; 0 where nothing is."""
    if not counts.sum():
        return 0.0
    number = len(counts)
    weighted = np.arange(1, number + 1) @ np.sort(counts)
    return float(2 * weighted / (number * counts.sum()) - (number + 1) / number)


def mean(values: Sequence[float] | NDArray[np.float64], most: float) -> Estimate | None:
    """Returns the mean of the values that are numbers and its interval within 0..`most`; None where there are none."""
    known = np.asarray(values)[~np.isnan(values)]
    if not len(known):
        return None
    value = float(known.mean())
    if len(known) == 1:
        return Estimate(round(value, DIGITS))
    error = Z * float(known.std(ddof=1)) / math.sqrt(len(known))
    return Estimate(
        round(value, DIGITS), round(max(0.0, value - error), DIGITS), round(min(most, value + error), DIGITS)
    )
