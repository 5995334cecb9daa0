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
    INTS,
    LONGS,
    NEW_INTS,
    OUT,
    OUT_2D,
    compiled,
    helper,
)
from tailorbird.recipes.scorers.pair_kernels import tuple_of

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


@helper(fast=True)
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


@compiled(LONGS, INTS, FLOATS, LONGS, INTS, FLOATS, types.float32, FLOATS, OUT, OUT_2D, fast=True)
def sparse_rows(
    bounds: NDArray[np.int64],
    index: NDArray[np.int32],
    weight: NDArray[np.float32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    floor: float,
    factor: NDArray[np.float32],
    sums: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Raises by the sums of the weighted rows of a sparse matrix. sums: a zero for each item."""
    for q in range(len(out)):
        for k in range(bounds[q], bounds[q + 1]):
            for place in range(indptr[index[k]], indptr[index[k] + 1]):
                sums[indices[place]] += weight[k] * data[place]
        _raise(sums, np.float32(1), data[:0], floor, factor[q], out[q])


@compiled(FLOATS_2D, LONGS, INTS, LONGS, INTS, FLOATS, FLOATS, types.float32, FLOATS, OUT, OUT_2D, fast=True)
def rebuilt(
    given: NDArray[np.float32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    bounds: NDArray[np.int64],
    index: NDArray[np.int32],
    weight: NDArray[np.float32],
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
        for k in range(bounds[q], bounds[q + 1]):
            sums[index[k]] += weight[k] * (diagonal[index[k]] - np.float32(1))
        _raise(sums, np.float32(1), diagonal, floor, factor[q], out[q])


@helper()
def _least_of_largest(
    bits: NDArray[np.uint32], chosen: NDArray[np.int32], rank: int, tally: NDArray[np.int64]
) -> tuple[int, int]:
    """Returns the bits of the rank-th largest of the chosen positive floats, and how many equal to it belong to them.

    Positive floats are ordered as their bits are, so three passes of a radix sort find it.
    """
    known, mask = 0, 0
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
    index: NDArray[np.int32],
    weight: NDArray[np.float32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    brings: NDArray[np.float32],
    alike: NDArray[np.float32],
    found: NDArray[np.int32],
) -> int:
    """Adds up the users' likeness, writes into `found` who has any, and returns how many these are."""
    count = 0
    for k in range(len(index)):
        for place in range(indptr[index[k]], indptr[index[k] + 1]):
            user = indices[place]
            if alike[user] == 0:
                found[count] = user
                count += 1
            alike[user] += weight[k] * brings[place]
    return count


@compiled(
    LONGS, INTS, FLOATS, tuple_of((LONGS, INTS, FLOATS)), tuple_of((LONGS, INTS)), tuple_of((LONGS, INTS)),
    types.int64, types.float32, FLOATS, OUT, NEW_INTS, OUT, OUT_2D, fast=True,
)  # fmt: skip
def neighbours(
    bounds: NDArray[np.int64],
    index: NDArray[np.int32],
    weight: NDArray[np.float32],
    brings: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    have: tuple[NDArray[np.int64], NDArray[np.int32]],
    histories: tuple[NDArray[np.int64], NDArray[np.int32]],
    nearest: int,
    floor: float,
    factor: NDArray[np.float32],
    alike: NDArray[np.float32],
    found: NDArray[np.int32],
    sums: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Raises by the share of a question's nearest users, by likeness, that have each item but for its own.

    brings: (item, user) likeness. have: (user, item) ones. alike, sums: a zero for each user and item; found: room for
    all users.
    """
    bits = alike.view(np.uint32)
    tally = np.empty(2048, np.int64)
    for q in range(len(out)):
        mine = slice(bounds[q], bounds[q + 1])
        count = _add_likeness(index[mine], weight[mine], brings[0], brings[1], brings[2], alike, found)
        least, equals = 0, 0
        if count > nearest:
            least, equals = _least_of_largest(bits, found[:count], nearest, tally)
        total = np.float32(0)
        for user in found[:count]:
            likeness, own = alike[user], np.int64(bits[user])
            alike[user] = 0
            if own == least:
                equals -= 1
            if own > least or (own == least and equals >= 0):
                total += likeness
                for place in range(have[0][user], have[0][user + 1]):
                    sums[have[1][place]] += likeness
        for place in range(histories[0][q], histories[0][q + 1]):
            sums[histories[1][place]] = 0
        if count:
            _raise(sums, np.float32(1) / total, alike[:0], floor, factor[q], out[q])
