"""The loops that raise the scores of items that something speaks for, compiled: see `kernels` for what holds of all.

A scorer of this kind says the log of a share plus a floor, which of most items of a large catalogue is the floor's log.
So only what the shares are found for is looked at, and only how far it is above the floor is added: what all items
have in common changes no answer. `factor` is the weight of each question's scores in `out` (question, item).

The logarithm is a polynomial, as the exponential in `kernels`: logf of Moshier's Cephes Mathematical Library.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from tailorbird.recipes.scorers.kernels import (
    FLOATS,
    FLOATS_2D,
    INDICES,
    INTS,
    LONGS,
    OUT,
    OUT_2D,
    add_coarse,
    compiled,
    helper,
    step,
)

BLOCK, MANY = 64, 12
"""Items that are looked at together whether anything was found for them, and for how many of them until each is taken
by itself; not tuned."""


@helper(fast=True)
def logarithm(x: Any) -> Any:
    """Returns the natural logarithm of a positive float32 that is not denormal."""
    bits = np.float32(x).view(np.int32)
    power = np.float32((bits >> np.int32(23)) - np.int32(126))
    rest = np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F000000)).view(np.float32)  # 0.5 to 1
    small = rest < np.float32(0.70710678)
    power = power - np.float32(1) if small else power
    rest = rest + rest - np.float32(1) if small else rest - np.float32(1)
    series = np.float32(7.0376836292e-2) * rest + np.float32(-1.1514610310e-1)
    series = series * rest + np.float32(1.1676998740e-1)
    series = series * rest + np.float32(-1.2420140846e-1)
    series = series * rest + np.float32(1.4249322787e-1)
    series = series * rest + np.float32(-1.6668057665e-1)
    series = series * rest + np.float32(2.0000714765e-1)
    series = series * rest + np.float32(-2.4999993993e-1)
    series = series * rest + np.float32(3.3333331174e-1)
    square = rest * rest
    return rest + (series * rest * square - np.float32(0.5) * square) + power * np.float32(0.69314718)


@helper(fast=True)
def _raise_all(block: NDArray[np.float32], floor: Any, factor: Any, raised: NDArray[np.float32]) -> None:
    """Raises a block of items by vector instructions, those with a share of zero or less by nothing."""
    least = logarithm(floor)
    for place in range(len(block)):
        above = factor * (logarithm(max(block[place], np.float32(0)) + floor) - least)
        raised[place] += above if block[place] > 0 else np.float32(0)


@helper(fast=True)
def _raise_some(block: NDArray[np.float32], floor: Any, factor: Any, raised: NDArray[np.float32]) -> None:
    """As `_raise_all`, one item after the other: faster for a few."""
    least = logarithm(floor)
    for place in range(len(block)):
        if block[place] > 0:
            raised[place] += factor * (logarithm(block[place] + floor) - least)


@step(fast=True)
def _raise(
    sums: NDArray[np.float32], share: Any, divisor: Any, floor: Any, factor: Any, out: NDArray[np.float32]
) -> None:
    """Adds to a row how far the logs of the shares are above the floor's. The sums are 0 afterwards, for the next row.

    share: of a sum of 1. divisor: (item) of each share; empty where there is none.
    """
    for start in range(0, len(sums), BLOCK):
        block, raised = sums[start : start + BLOCK], out[start : start + BLOCK]
        found = 0
        for place in range(len(block)):
            found += block[place] != 0
        if found:
            for place in range(len(block)):
                block[place] *= share
            if len(divisor):
                for place in range(len(block)):
                    block[place] /= divisor[start + place]
            if found > MANY:
                _raise_all(block, floor, factor, raised)
            else:
                _raise_some(block, floor, factor, raised)
            block[:] = 0


@step(fast=True)
def raise_by_table(
    mine: NDArray[np.int32], part: Any, factor: Any, sums: NDArray[np.float32], row: NDArray[np.float32]
) -> None:
    """Raises by the sums of the weighted rows of a table. sums: a zero for each item."""
    numbers, unit, weights, floor = part
    add_coarse(mine[: len(weights)], weights, numbers, unit, sums)
    _raise(sums, np.float32(1), unit[:0], np.float32(floor), factor, row)


@step(fast=True)
def raise_by_rows(
    mine: NDArray[np.int32], part: Any, factor: Any, sums: NDArray[np.float32], row: NDArray[np.float32]
) -> None:
    """Raises by the sums of the weighted rows of a sparse matrix. sums: a zero for each item."""
    indptr, indices, data, weights, floor = part
    for k in range(min(len(mine), len(weights))):
        for place in range(indptr[mine[k]], indptr[mine[k] + 1]):
            sums[indices[place]] += weights[k] * data[place]
    _raise(sums, np.float32(1), data[:0], np.float32(floor), factor, row)


@compiled(FLOATS_2D, LONGS, INDICES, LONGS, INTS, FLOATS, FLOATS, types.float32, FLOATS, OUT, OUT_2D, fast=True)
def rebuilt(
    given: NDArray[np.float32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.integer],
    bounds: NDArray[np.int64],
    index: NDArray[np.int32],
    weights: NDArray[np.float32],
    diagonal: NDArray[np.float32],
    floor: float,
    factor: NDArray[np.float32],
    sums: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Raises by what is given (question, user) times a matrix of ones, divided by (item) a diagonal.

    The weighted items of the question itself have no part in what rebuilds them (ease.py). sums: a zero for each item.
    By row, since most columns are short: as dot products of these it takes twice as long.
    """
    for q in range(len(out)):
        for user in range(given.shape[1]):
            value = given[q, user]
            if value:
                for place in range(indptr[user], indptr[user + 1]):
                    sums[indices[place]] += value
        for k in range(min(bounds[q + 1] - bounds[q], len(weights))):
            item = index[bounds[q] + k]
            sums[item] += weights[k] * (diagonal[item] - np.float32(1))
        _raise(sums, np.float32(1), diagonal, floor, factor[q], out[q])


@helper()
def _least_of_largest(bits: NDArray[np.uint32], chosen: NDArray[np.int32], rank: int) -> tuple[int, int]:
    """Returns the bits of the rank-th largest of the chosen positive floats, and how many equal to it belong to them.

    Positive floats are ordered as their bits are, so three passes of a radix sort find it.
    """
    known, mask = 0, 0
    tally = np.empty(2048, np.int64)
    for shift, digits in ((21, 2048), (10, 2048), (0, 1024)):
        tally[:] = 0
        for user in chosen:
            if np.int64(bits[user]) & mask == known:
                tally[(np.int64(bits[user]) >> shift) & (digits - 1)] += 1
        digit = digits - 1
        while rank > tally[digit]:
            rank -= tally[digit]
            digit -= 1
        known |= digit << shift
        mask |= (digits - 1) << shift
    return known, rank


@helper()
def _add_likeness(
    mine: NDArray[np.int32],
    weights: NDArray[np.float32],
    indptr: NDArray[np.int64],
    users: NDArray[np.integer],
    damping: NDArray[np.float32],
    alike: NDArray[np.float32],
    found: NDArray[np.int32],
) -> int:
    """Adds up the users' likeness, writes into `found` who has any, and returns how many these are."""
    count = 0
    for k in range(min(len(mine), len(weights))):
        for place in range(indptr[mine[k]], indptr[mine[k] + 1]):
            user = users[place]
            found[count] = user  # and stays there only if it is new: no branch that is foretold wrongly
            count += alike[user] == 0
            alike[user] += weights[k]
    for user in found[:count]:
        alike[user] *= damping[user]
    return count


@step(fast=True)
def raise_by_neighbours(
    mine: NDArray[np.int32],
    part: Any,
    factor: Any,
    alike: NDArray[np.float32],
    found: NDArray[np.int32],
    sums: NDArray[np.float32],
    row: NDArray[np.float32],
) -> None:
    """Raises by the share of the nearest users, by likeness, that have each item but for those in `mine`.

    alike, sums: a zero for each user and item; found: room for all users and one more.
    """
    of_item, users, damping, of_user, items, weights, nearest, floor = part
    bits = alike.view(np.uint32)
    count = _add_likeness(mine, weights, of_item, users, damping, alike, found)
    least, equals = 0, 0
    if count > nearest:
        least, equals = _least_of_largest(bits, found[:count], nearest)
    total = np.float32(0)
    for user in found[:count]:
        likeness, own = alike[user], np.int64(bits[user])
        alike[user] = 0
        if own == least:
            equals -= 1
        if own > least or (own == least and equals >= 0):
            total += likeness
            for place in range(of_user[user], of_user[user + 1]):
                sums[items[place]] += likeness
    for item in mine:
        sums[item] = 0
    if count:
        _raise(sums, np.float32(1) / total, alike[:0], np.float32(floor), factor, row)
