"""Offline metrics: hold out test users, ask the model, compare with what the users did next.

Source: spec recipes-and-runtime 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes import popularity
from tailorbird.recipes.matrices import keep_users, user_bounds
from tailorbird.recipes.recipe import SCORES_AT_ONCE, Interactions, ListingModel, Query, from_nobody, silent
from tailorbird.recipes.top_k import best_items, discounts

TEST_SHARE = 0.1
"""Share of users held out, and share of each one's rows that are the truth (spec recipes-and-runtime 3.1)."""
LIST_LENGTH = 25
"""Of an answer that is measured: AWS's, as are the cutoffs (spec recipes-and-runtime 3.2)."""
CUTOFFS = (5, 10, 25)
"""K of the metrics at K."""
DIGITS = 4
"""To which metrics are rounded (spec recipes-and-runtime 3.1)."""
MOST_ASKED = 10_000
"""Items asked about for the coverage alone: with 25 answers each they can bring up a quarter of a million; not
tuned."""
REWARDS = "average_rewards_at_k"
WEIGHTED_NDCG = "normalized_discounted_cumulative_gain_with_event_weights_at_k"
"""AWS prints both with a literal k, which is `LIST_LENGTH` here (spec recipes-and-runtime 3.2)."""


class Ranker(Protocol):
    """What is measured: a recipe's model, or a peer that only scores."""

    @property
    def items(self) -> NDArray[np.str_]:
        """The items, in the order of the columns of `score`."""
        ...

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) scores; -inf is never recommended."""
        ...


@dataclass(frozen=True)
class RankingSplit:
    """Users to train on, and questions with their answers: one of each test user, or those of `about_items`."""

    train: Interactions
    queries: tuple[Query, ...]
    truths: tuple[NDArray[np.int32], ...]
    """Distinct items of each test user's newest rows, or of those around an item; parallel to `queries`."""
    weights: tuple[NDArray[np.float32], ...] = ()
    """Parallel to each truth where the solution weighs events: the greatest weight of the rows of that item."""


def split(data: Interactions, seed: int) -> RankingSplit:
    """Returns a split in which each user is a test user with probability 0.1, drawn from `seed`.

    Of a test user's n rows the oldest floor(0.9 n) are the question and the rest, at least one, the truth.
    At least one user is on each side; the items keep their numbers.

    Raises:
        ValueError: fewer than two users.
    """
    if len(data.users) < 2:
        raise ValueError("evaluation needs at least two users: one to train on and one to test")
    rng = np.random.default_rng(seed)
    test = rng.random(len(data.users)) < TEST_SHARE
    if test.all() or not test.any():
        test[:] = False
        test[rng.integers(len(test))] = True
    bounds = user_bounds(data)
    queries, truths, weights = [], [], []
    for user in np.flatnonzero(test & (np.diff(bounds) > 0)).tolist():
        start, end = bounds[user], bounds[user + 1]
        cut = start + (end - start) * 9 // 10  # nine tenths exactly, which 0.9 is not
        queries.append(
            Query(
                data.item[start:cut],
                data.timestamp[start:cut],
                now=int(data.timestamp[cut]),
                user=data.user_of(user),
                context=data.context_of(cut),
            )
        )
        truth, place = np.unique(data.item[cut:end], return_inverse=True)
        truths.append(truth)
        if data.weight is not None:
            greatest = np.zeros(len(truth), np.float32)
            np.maximum.at(greatest, place, data.weight[cut:end])
            weights.append(greatest)
    return RankingSplit(keep_users(data, ~test), tuple(queries), tuple(truths), tuple(weights))


def about_items(held_out: RankingSplit) -> RankingSplit:
    """Returns the split with questions about items instead of users: what related items are asked for.

    One for each distinct item of the truths (spec recipes-and-runtime 3.2, coverage) that the training users
    interacted with at all, since no recipe can relate an item that it never saw; its truth is whatever else the test
    users with that item have in their truths.
    """
    others: dict[int, set[int]] = {}
    for truth in held_out.truths:
        for item in truth.tolist():
            others.setdefault(item, set()).update(truth.tolist())
    trained = set(np.unique(held_out.train.item).tolist())
    items = sorted(item for item, together in others.items() if len(together) > 1 and item in trained)
    truths = (np.array(sorted(others[item] - {item}), np.int32) for item in items)
    return RankingSplit(held_out.train, tuple(map(from_nobody, items)), tuple(truths))


@dataclass(frozen=True)
class Answers:
    """What a model answered to the questions of a split."""

    queries: Sequence[Query]
    truths: Sequence[NDArray[np.int32]]
    lists: NDArray[np.int64]
    """(question, LIST_LENGTH) item numbers, best first; -1 fills the places of a list that is shorter."""
    items: int
    """How many items the model knows."""

    @property
    def hits(self) -> NDArray[np.bool_]:
        """(question, rank): whether that item is in the truth."""
        # All questions are looked up at once: a question's items are numbered behind those of the one before.
        sizes = [len(truth) for truth in self.truths]
        offsets = (self.items + 1) * np.arange(len(sizes)) + 1
        true = np.sort(
            np.concatenate([*self.truths, np.empty(0, np.int64)]).astype(np.int64) + np.repeat(offsets, sizes)
        )
        shown = self.lists + offsets[:, None]
        after = np.append(true, -1)[np.searchsorted(true, shown)]
        return np.asarray(after == shown, np.bool_)

    def some(self, keep: NDArray[np.bool_]) -> Answers:
        """Returns the answers to the questions in the mask."""
        rows = np.flatnonzero(keep).tolist()
        queries, truths = [self.queries[row] for row in rows], [self.truths[row] for row in rows]
        return Answers(queries, truths, self.lists[keep], self.items)


def answers(model: Ranker, held_out: RankingSplit) -> Answers:
    """Puts the questions to a model that was trained on `held_out.train`."""
    return Answers(held_out.queries, held_out.truths, top_lists(model, held_out.queries), len(model.items))


def measure(model: Ranker, held_out: RankingSplit) -> dict[str, float]:
    """Returns the eight metrics of spec recipes-and-runtime 3.2, rounded to 4 digits, in string order.

    `model` was trained on `held_out.train`. A solution that weighs events or has an objective gets a ninth.
    """
    given = answers(model, held_out)
    shown = np.unique(given.lists[given.lists >= 0])
    metrics = {"coverage": len(shown) / given.items, **ranking_metrics(given.hits)}
    if held_out.train.reward is not None:
        metrics[REWARDS] = average_rewards(given.lists, given.truths, held_out.train.reward)
    if held_out.weights:
        metrics[WEIGHTED_NDCG] = weighted_ndcg(given.lists, given.truths, held_out.weights)
    return {name: round(value, DIGITS) for name, value in sorted(metrics.items())}


def coverage(model: Ranker) -> float:
    """Returns the share of the items that related ones bring up, asked for up to `MOST_ASKED` items evenly spread."""
    count = len(model.items)
    asked = np.unique(np.linspace(0, count - 1, min(count, MOST_ASKED)).astype(np.int64)).tolist()
    lists = top_lists(model, list(map(from_nobody, asked)))
    return round(len(np.unique(lists[lists >= 0])) / count, DIGITS)


def top_lists(model: Ranker, queries: Sequence[Query], length: int = LIST_LENGTH) -> NDArray[np.int64]:
    """Returns (query, length) item numbers, best first; -1 fills the places of a list that is shorter."""
    if isinstance(model, ListingModel):
        return model.best(queries, length)
    lists = np.full((len(queries), length), -1, np.int64)
    step = max(1, SCORES_AT_ONCE // max(1, len(model.items)))
    for start in range(0, len(queries), step):
        scores = model.score(queries[start : start + step])
        best = best_items(scores, length)
        best[~np.isfinite(np.take_along_axis(scores, best, axis=1))] = -1
        lists[start : start + step, : best.shape[1]] = best
    return lists


def ranking_metrics(hits: NDArray[np.bool_]) -> dict[str, float]:
    """Returns MRR, NDCG and precision, averaged over the rows of (query, rank) hits.

    The ideal of NDCG is the list's own hits moved to the top, so a list is not punished for truth it lacks.
    Without a row all are 0.
    """
    hits = hits if len(hits) else np.zeros((1, hits.shape[1]), bool)
    ranks = np.arange(1, hits.shape[1] + 1)
    worth = discounts(len(ranks))
    reciprocal = (hits / ranks).max(axis=1)
    metrics = {f"mean_reciprocal_rank_at_{LIST_LENGTH}": reciprocal.mean()}
    for cutoff in CUTOFFS:
        found = hits[:, :cutoff].sum(axis=1)
        gain = hits[:, :cutoff] @ worth[:cutoff]
        ideal = np.concatenate([[1.0], np.cumsum(worth)])[found]
        metrics[f"normalized_discounted_cumulative_gain_at_{cutoff}"] = (gain / ideal).mean()
        metrics[f"precision_at_{cutoff}"] = (found / cutoff).mean()
    return {name: round(float(value), DIGITS) for name, value in metrics.items()}


def average_rewards(
    lists: NDArray[np.int64], truths: Sequence[NDArray[np.int32]], reward: NDArray[np.float32]
) -> float:
    """Returns what lists earn as a share of what they could have earned, averaged over the users who could earn any.

    A list earns the reward of its hits; it could have earned that of as many of the truth's dearest items as it is
    long. Rewards count from 0, or from the least one where that is negative; an unknown one is 0. AWS divides by
    what all recommendations earn and does not publish how it normalises (spec recipes-and-runtime 3.2).
    """
    worth = np.nan_to_num(reward - min(0.0, float(np.nanmin(reward, initial=0.0))))
    shares = []
    for row, truth in zip(lists, truths, strict=True):
        possible = np.sort(worth[truth])[::-1][: lists.shape[1]].sum()
        if possible > 0:
            shares.append(worth[truth[np.isin(truth, row)]].sum() / possible)
    return float(np.mean(shares)) if shares else 0.0


def weighted_ndcg(
    lists: NDArray[np.int64], truths: Sequence[NDArray[np.int32]], weights: Sequence[NDArray[np.float32]]
) -> float:
    """Returns NDCG where a hit is worth its weight; the ideal is the list's own hits, the heaviest first."""
    of_ranks = discounts(lists.shape[1])
    gains = []
    for row, truth, weight in zip(lists, truths, weights, strict=True):
        worth = np.where(row[:, None] == truth, weight, 0).sum(axis=1)
        ideal = np.sort(worth)[::-1] @ of_ranks
        gains.append(worth @ of_ranks / ideal if ideal > 0 else 0.0)
    return float(np.mean(gains))


def popularity_baseline(held_out: RankingSplit) -> dict[str, float]:
    """Returns the metrics of the most popular items on the same questions: what any recipe should beat."""
    model = popularity.train(held_out.train, popularity.Settings(), silent)
    return measure(model, held_out)
