"""Weights of a blend: a softmax regression on what held-out users did next.

logits(query, item) = sum_k weight_k(query) * scorer_k(query, item) + offset[bucket of the item in the history]
weight_k(query) = long_k + shortness(query) * short_k

A single click asks for another blend than a long history does. The offset of a bucket that no sample shows is near
that of the others. Where the catalogue is large, the softmax runs over each sample's candidates: the best of every
scorer, the truth, the history, and a uniform draw that stands for all other items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers import repeat_consumption
from tailorbird.recipes.scorers.scorer import Scorer
from tailorbird.recipes.scorers.sums import queries_of
from tailorbird.recipes.top_k import best_items, discounts

DISCOUNTS = np.arange(0, 0.61, 0.1)
"""What is tried: up to .6 off the weight of log popularity, in steps as coarse as validation NDCG can tell apart; not
tuned."""
TOLERANCE = 0.015
"""Share of validation NDCG given up for lists that repeat the same popular items less. On MovieLens 100K similar-items'
NDCG@10 is .108 and its coverage .46 with it, .081 and .26 without."""
SHORT = 5.0
"""Interactions of a history that is half short: between the 1 to 10 of newcomers on whom P6 of bench/quality asks; not
tuned."""
NEWCOMER = 20
"""Rows below which a history is a newcomer's: twice the longest that P6 of bench/quality asks about; not tuned."""
ALL_CANDIDATES = 10_000
"""Up to here every item is a candidate: a table of 400 samples, as many as `CELLS` allows, still teaches eight
weights."""
BEST, DRAWN = 150, 500
"""Candidates of each scorer, six times a list of 25, and those that are drawn for the rest: memory of a sample against
how well a draw stands for a large catalogue; not tuned."""
CELLS = 4_000_000
"""Bound on (sample, item) pairs where all are candidates, and on those scored at a time: 16 MB a scorer."""
SCORED_CELLS = 100_000_000
"""Bound on (sample, item) pairs that are scored where only candidates are kept: a matter of time, not of memory."""
MOST_SAMPLES = 2000
"""Where only candidates are kept: with some 1500 of them a sample, 12 MB a scorer."""
LEAST_SAMPLES = 20
"""However large the catalogue is, so that something is learned; not tuned."""


MOVES = (-0.3, 0.3)
"""Steps of a search for better weights, tried in every place in each of the rounds: about a third of a usual weight;
not tuned."""
ROUNDS = 2
"""Of that search: it is coordinate-wise, so that a second round sees what the first has changed; more were not
measured."""
LEAST_GAIN = 1.002
"""How much better a search's step must be to be taken: less is noise, as differences under 2 % of one seed are."""


@dataclass(frozen=True)
class Sample:
    """A user's history up to some moment, and the distinct items of the time after it."""

    query: Query
    truth: NDArray[np.int32]


@dataclass(frozen=True)
class ScoredSamples:
    """What the weights are learned from; arrays are (sample, candidate), `scores` (scorer, sample, candidate)."""

    scores: NDArray[np.float32]
    correction: NDArray[np.float32]
    """Log of how many items a candidate stands for; `ABSENT` fills the places of rows that have fewer."""
    truth: NDArray[np.float32]
    """Each row sums to 1."""
    bucket: NDArray[np.int64]
    """`repeat_consumption.BUCKETS` for an item outside the history."""
    shortness: NDArray[np.float32]
    """(sample)."""


ABSENT = np.float32(-1e9)
"""A logit that no softmax notices and float32 still holds exactly enough to be told by equality."""


def shortness(queries: Sequence[Query]) -> NDArray[np.float32]:
    """Returns 1 for an empty history, falling to 0 with its length."""
    return (SHORT / (SHORT + np.array([len(query.items) for query in queries]))).astype(np.float32)


def most_samples(items: int) -> int:
    """Returns how many samples a catalogue of that size has time and memory for."""
    if items <= ALL_CANDIDATES:
        return max(LEAST_SAMPLES, CELLS // items)
    return min(MOST_SAMPLES, max(LEAST_SAMPLES, SCORED_CELLS // items))


def draw_samples(data: Interactions, most: int, rng: np.random.Generator) -> list[Sample]:
    """Cuts histories in two, `most` times at the most: each user's at nine tenths, at a random row, and early.

    What follows the first two cuts is a ninth as long as what came before, as in the service's own evaluation. After
    the third, of less than `NEWCOMER` rows, all that follows counts: of newcomers we want to know what they will like.
    """
    bounds = user_bounds(data)
    samples: list[Sample] = []
    for user in rng.permutation(len(data.users)).tolist():
        start, end = int(bounds[user]), int(bounds[user + 1])
        if end - start < 2:
            continue
        early = start + int(min(NEWCOMER, end - start) ** rng.random())
        cuts = {max(start + 1, start + (end - start) * 9 // 10), int(rng.integers(start + 1, end))}
        for cut, horizon in (*((cut, cut + max(1, (cut - start) // 9)) for cut in cuts), (early, end)):
            query = Query(
                data.item[start:cut],
                data.timestamp[start:cut],
                now=int(data.timestamp[cut]),
                user=data.user_of(user),
                context=data.context_of(cut),
            )
            samples.append(Sample(query, np.unique(data.item[cut : min(end, horizon)])))
        if len(samples) >= most:
            break
    return samples[:most]


def score_samples(
    scorers: Sequence[Scorer], samples: Sequence[Sample], items: int, rng: np.random.Generator
) -> ScoredSamples:
    """Scores the samples and keeps the candidates."""
    rows: list[tuple[NDArray[np.int64], NDArray[np.float32], int]] = []
    step = max(1, CELLS // items)
    for start in range(0, len(samples), step):
        part = samples[start : start + step]
        queries = queries_of([sample.query for sample in part])
        scores = np.stack([one.score(queries) for one in scorers])
        for row, sample in enumerate(part):
            columns, chosen = candidates(scores[:, row], sample, rng)
            rows.append((columns, scores[:, row, columns], chosen))
    widest = max(len(columns) for columns, _, _ in rows)
    table = ScoredSamples(
        np.zeros((len(scorers), len(rows), widest), np.float32),
        np.full((len(rows), widest), ABSENT),
        np.zeros((len(rows), widest), np.float32),
        np.full((len(rows), widest), repeat_consumption.BUCKETS),
        shortness([sample.query for sample in samples]),
    )
    for row, (sample, (columns, scores, chosen)) in enumerate(zip(samples, rows, strict=True)):
        width = len(columns)
        table.scores[:, row, :width] = scores
        table.correction[row, :chosen] = 0
        if width > chosen:
            table.correction[row, chosen:width] = np.log((items - chosen) / (width - chosen))
        table.truth[row, :width] = np.isin(columns, sample.truth) / len(sample.truth)
        known, bucket = repeat_consumption.buckets(sample.query)
        table.bucket[row, np.searchsorted(columns[:chosen], known)] = bucket
    return table


def samples_with_scores(scores: Sequence[NDArray[np.float32]], samples: Sequence[Sample]) -> ScoredSamples:
    """Returns the table of (sample, item) scores of all items, for histories that are equally long: all long."""
    count, items = scores[0].shape
    truth = np.zeros((count, items), np.float32)
    bucket = np.full((count, items), repeat_consumption.BUCKETS)
    for row, sample in enumerate(samples):
        truth[row, sample.truth] = 1 / len(sample.truth)
        known, kinds = repeat_consumption.buckets(sample.query)
        bucket[row, known] = kinds
    return ScoredSamples(
        np.stack(scores), np.zeros((count, items), np.float32), truth, bucket, np.zeros(count, np.float32)
    )


def candidates(scores: NDArray[np.float32], sample: Sample, rng: np.random.Generator) -> tuple[NDArray[np.int64], int]:
    """Returns the columns of (scorer, item) that count, and how many of them, sorted, stand for themselves."""
    items = scores.shape[1]
    if items <= ALL_CANDIDATES:
        return np.arange(items), items
    best = best_items(scores, BEST).ravel()
    chosen = np.unique(np.concatenate([best, sample.truth, sample.query.items]))
    drawn = np.setdiff1d(rng.integers(items, size=DRAWN), chosen)
    return np.concatenate([chosen, drawn]), len(chosen)


def logits(table: ScoredSamples, weights: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns (sample, candidate)."""
    total = np.zeros_like(table.scores[0])
    for factor, scores in zip(factors(weights, table.shortness), table.scores, strict=True):
        total += factor[:, None] * scores
    return np.asarray(total + np.append(offsets, np.float32(0))[table.bucket])


def discount_popularity(
    table: ScoredSamples, weights: NDArray[np.float32], offsets: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Returns the weights with less weight on the first scorer, the popularity, the longer the history.

    Likelihood leans to popular items more than lists should: it counts how probable every true item is, where
    a list only has room for the top. Of the `DISCOUNTS` the largest is taken whose NDCG@25 is within
    `TOLERANCE` of the best.
    """
    blended = logits(table, weights, offsets)
    blended[table.correction == ABSENT] = ABSENT
    popularity = (1 - table.shortness[:, None]) * table.scores[0]
    gains = np.array([ndcg(blended - np.float32(step) * popularity, table.truth > 0) for step in DISCOUNTS])
    step = DISCOUNTS[gains >= (1 - TOLERANCE) * gains.max()].max()
    discounted = weights.copy()
    discounted[:, 0] += np.array([-step, step], np.float32)
    return discounted


def sharpen(table: ScoredSamples, starts: Sequence[NDArray[np.float32]], places: Sequence[int]) -> NDArray[np.float32]:
    """Returns weights of a higher NDCG@25, found from the best of the starts by a search in some places, one at a time.

    A likelihood cares for all items alike, a list for the first ones. The items of the queries' own histories are
    left out.
    """
    own = table.bucket < repeat_consumption.BUCKETS

    def gain(logits: NDArray[np.float32]) -> float:
        return ndcg(np.where(own, -np.inf, logits), table.truth > 0)

    def blend(weights: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tensordot(weights, table.scores, 1)

    weights = max(starts, key=lambda start: gain(blend(start))).copy()
    found = gain(total := blend(weights))
    for place in [*places] * ROUNDS:
        for move in (*MOVES, -weights[place]):
            reached = gain(moved := total + np.float32(move) * table.scores[place])
            if reached > found * LEAST_GAIN:
                found, total = reached, moved
                weights[place] += move
                break
    return weights


def ndcg(scores: NDArray[np.float32], truth: NDArray[np.bool_], length: int = 25) -> float:
    """Returns the mean NDCG of the lists that the scores make, of the default length of an answer."""
    worth = discounts(length)
    hits = np.take_along_axis(truth, best_items(scores, length), axis=1)
    ideal = np.cumsum(worth)[np.minimum(truth.sum(axis=1), length) - 1]
    return float((hits @ worth[: hits.shape[1]] / ideal).mean())


def factors(weights: NDArray[np.float32], shortness: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns (scorer, query): what each scorer's scores are multiplied by. weights: (long and short, scorer)."""
    return np.ascontiguousarray((weights[0] + shortness[:, None] * weights[1]).T)


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns log-probabilities along the last of two axes."""
    from tailorbird.recipes.scorers import kernels

    found = np.array(logits, np.float32, order="C")
    kernels.normalise(found)
    return found
