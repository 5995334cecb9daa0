"""How likely young items are to be drawn, compiled: see `tailorbird.recipes.scorers.kernels` for what holds of all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from tailorbird.recipes.scorers.kernels import (
    DOUBLES,
    FLOATS,
    INTS,
    LEAST,
    LONGS,
    compiled,
    exponential,
    helper,
    highest,
    tuple_of,
)

# Arrays as those of `kernels`, and the parts of a sparse matrix.
GIVEN_DOUBLES = types.Array(types.float64, 1, "C", readonly=True)
SPARSE = tuple_of((LONGS, INTS, FLOATS))


@helper(fast=True)
def _power(score: Any, top: Any) -> Any:
    below = score - top
    return exponential(max(below, LEAST)) if below > LEAST else np.float32(0)


@compiled(
    FLOATS, LONGS, GIVEN_DOUBLES, GIVEN_DOUBLES, SPARSE, SPARSE, FLOATS, types.int64, types.float64, DOUBLES, fast=True
)
def chances(
    scores: NDArray[np.float32],
    items: NDArray[np.int64],
    unknown: NDArray[np.float64],
    bonus: NDArray[np.float64],
    means: Any,
    chosen: Any,
    prior: NDArray[np.float32],
    known: int,
    least: float,
    out: NDArray[np.float64],
) -> None:
    """Writes how each of the young `items` stands among them: what is expected of it times its bonus, `least` or more.

    0 of one that may not be recommended. Expected is its own probability, and in the proportion `unknown` what
    `new_items.Expectation` says, whose parts are means (feature, known item), chosen (young item, feature) and prior.
    known: how many items the model knows, which are the first.
    """
    top = highest(scores)
    powers, features, total = np.empty(known, np.float32), np.zeros(len(means[0]) - 1, np.float32), 0.0
    for item in range(known):
        powers[item] = _power(scores[item], top)
    for item in range(known):
        total += powers[item]
    for feature in range(len(features)):
        for place in range(means[0][feature], means[0][feature + 1]):
            features[feature] += means[2][place] * powers[means[1][place]]
    for arm in range(len(items)):
        expected = prior[arm] * (total / known)
        for place in range(chosen[0][arm], chosen[0][arm + 1]):
            expected += chosen[2][place] * features[chosen[1][place]]
        own = np.float64(_power(scores[items[arm]], top))
        of = ((1 - unknown[arm]) * own + unknown[arm] * expected) * bonus[arm]
        out[arm] = max(of, least) if scores[items[arm]] > -np.inf else 0.0
