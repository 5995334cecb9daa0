"""Offline metrics of USER_SEGMENTATION recipes: who would have been selected, and who really interacted.

Of each user's rows the oldest four fifths are trained on and the newest fifth is the truth; every user may be
selected (spec recipes-and-runtime 3.1 and 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailorbird.data.values import categories
from tailorbird.evaluation.ranking import DIGITS
from tailorbird.recipes import affinity
from tailorbird.recipes.matrices import user_bounds, user_item
from tailorbird.recipes.recipe import Interactions, Model

TRAIN_SHARE = 0.8
"""Of each user's rows, the oldest (spec recipes-and-runtime 3.1)."""
SELECTED_SHARE = 0.01
"""Share of the users who are selected for each target: the "1 percent" of the metrics' names."""


@dataclass(frozen=True)
class SegmentSplit:
    """What to train on, the targets asked for, and which users interacted with each in the truth."""

    train: Interactions
    targets: tuple[NDArray[np.int32], ...]
    """Distinct items that occur in `train`."""
    truths: tuple[NDArray[np.int32], ...]
    """Users, at least one, parallel to `targets`."""


def split(data: Interactions, columns: Sequence[str], seed: int) -> SegmentSplit:
    """Returns the split of each user's rows, at least one of which is trained on.

    columns: of the items. Without them each item of the truth is a target; with them each of their values is one,
    the categories of `A|B` taken apart, of which the truth has an item. `seed` draws a sample of the targets where they
    and the users make more pairs than `PAIRS_AT_ONCE`.
    """
    bounds = user_bounds(data)
    cut = bounds[:-1] + np.maximum(1, (np.diff(bounds) * TRAIN_SHARE).astype(np.int64))
    old = np.arange(len(data.user)) < cut[data.user]
    train, truth = data.rows(old), user_item(data.rows(~old)).tocsc()
    known = np.bincount(train.item, minlength=len(data.items)) > 0
    groups = items_by_value(data, columns) if columns else list(np.flatnonzero(known)[:, None])
    targets: list[NDArray[np.int32]] = []
    truths: list[NDArray[np.int32]] = []
    most = max(1, affinity.PAIRS_AT_ONCE // max(1, len(data.users)))
    for number in np.random.default_rng(seed).permutation(len(groups)):
        items = groups[number][known[groups[number]]].astype(np.int32)
        users = np.unique(truth[:, items].indices)
        if len(users) and len(targets) < most:
            targets.append(items)
            truths.append(users)
    return SegmentSplit(train, tuple(targets), tuple(truths))


def items_by_value(data: Interactions, columns: Sequence[str]) -> list[NDArray[np.int32]]:
    """Returns the items that have each value of each column."""
    found: dict[tuple[str, object], list[int]] = {}
    for column in columns:
        for item, value in enumerate(data.item_columns[column].values.tolist()):
            for part in categories(value) if isinstance(value, str) else (value,):
                if part is not None and part == part:  # NaN is unequal to itself
                    found.setdefault((column, part), []).append(item)
    return [np.array(items, np.int32) for items in found.values()]


def measure(model: Model, held_out: SegmentSplit) -> dict[str, float]:
    """Returns the three metrics of spec recipes-and-runtime 3.2, rounded to 4 digits, in string order."""
    return _metrics(affinity.expected(model, held_out.train, held_out.targets), held_out)


def activity_baseline(held_out: SegmentSplit) -> dict[str, float]:
    """Returns the metrics of the users with most interactions, for every target: what a segment should beat."""
    activity = np.diff(user_bounds(held_out.train)).astype(np.float32)
    return _metrics(np.broadcast_to(activity, (len(held_out.targets), len(activity))), held_out)


def _metrics(scores: NDArray[np.float32], held_out: SegmentSplit) -> dict[str, float]:
    """Scores are (target, user); without a target all metrics are 0."""
    users = len(held_out.train.users)
    most = max(1, int(users * SELECTED_SHARE))
    count = max(1, len(held_out.targets))
    hits, recall, selected = 0, 0.0, np.zeros(users, bool)
    for row, truth in zip(scores, held_out.truths, strict=True):
        best = np.argsort(-row, kind="stable")[:most]
        selected[best] = True
        found = int(np.isin(best, truth).sum())
        hits += found
        recall += found / min(len(truth), most)
    metrics = {"coverage": selected.mean(), "hits_at_1_percent": hits / count, "recall_at_1_percent": recall / count}
    return {name: round(float(value), DIGITS) for name, value in metrics.items()}
