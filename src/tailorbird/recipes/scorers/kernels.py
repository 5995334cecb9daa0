"""The loops that a score consists of, compiled: sums of rows of matrices, nearest neighbours, and attention.

numpy and scipy have no call that adds some weighted rows of a matrix without copying them first, nor one that does so
for short rows in less than a tenth of a millisecond. Importing this module loads numba and takes 0.3 s and 64 MB, the
first time on a machine some seconds for compiling; so it is imported when a model is used, not when a server starts.

All kernels release the interpreter's lock, are told what to write into, and check nothing: indices must be within
bounds. `given` and `bounds` are questions: the rows that question q is made of are index[bounds[q]:bounds[q + 1]].
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])

# Arrays of one dimension or two.
FLOATS, FLOATS_2D = (types.Array(types.float32, d, "C", readonly=True) for d in (1, 2))
OUT, OUT_2D = (types.Array(types.float32, d, "C") for d in (1, 2))
COARSE_2D = types.Array(types.int16, 2, "C", readonly=True)
INTS, LONGS = types.Array(types.int32, 1, "C", readonly=True), types.Array(types.int64, 1, "C", readonly=True)
INDICES = types.Array(types.uint16, 1, "C", readonly=True), INTS
"""Of sparse matrices: alternatives, for each of which a kernel is compiled."""
NEW_INTS, NEW_LONGS = types.Array(types.int32, 1, "C"), types.Array(types.int64, 1, "C")
BOOLS, DOUBLES = types.Array(types.boolean, 1, "C"), types.Array(types.float64, 1, "C")
GIVEN_BOOLS = types.Array(types.boolean, 1, "C", readonly=True)
LONGS_2D = types.Array(types.int64, 2, "C", readonly=True)

tuple_of: Callable[[tuple[Any, ...]], Any] = types.Tuple

LEAST = np.float32(-87.0)
"""Whose exponential is the least normal float."""
SUMMED = 1024
"""Floats that are summed as such, before doubles sum these: to the digits of a float, and twice as fast; not tuned."""

COLUMNS = 4096
"""That are added up together: 16 kB, a third of a core's first cache."""

SUMS = {"contract", "reassoc", "nsz", "nnan"}
"""What LLVM may do to count in vectors: the order of a sum changes, and with it the last bit; nothing is NaN."""


def compiled(*signature: Any, fast: bool = False) -> Callable[[Function], Function]:
    """Returns a decorator that compiles a function of these types, once for a machine where its cache can be written.

    In place of a type may be alternatives, for all of which it is compiled.
    The cache lies beside this file or in the user's cache folder; where neither can be written, as in a container
    that is read only, each process compiles for itself.
    """
    options: dict[str, Any] = {"nogil": True, **_options(fast)}
    alternatives = product(*(each if type(each) is tuple else (each,) for each in signature))
    signatures = [types.void(*each) for each in alternatives]

    def compile_(function: Function) -> Function:
        try:
            made: Any = numba.njit(signatures, cache=True, **options)(function)
        except RuntimeError:  # "no locator available"
            made = numba.njit(signatures, **options)(function)
        return cast("Function", made)

    return compile_


def helper(*, fast: bool = False) -> Callable[[Function], Function]:
    """Returns a decorator for what only kernels call, whose compilation is part of theirs."""
    decorator: Callable[[Function], Function] = numba.njit(inline="always", **_options(fast))
    return decorator


def step(*, fast: bool = False) -> Callable[[Function], Function]:
    """Returns a decorator for what only kernels call, as a function of its own, since they would be large otherwise."""
    decorator: Callable[[Function], Function] = numba.njit(nogil=True, **_options(fast))
    return decorator


def _options(fast: bool) -> dict[str, Any]:
    return {"error_model": "numpy", "fastmath": SUMS if fast else False}


@compiled(INTS, LONGS, NEW_INTS, NEW_LONGS, BOOLS, NEW_LONGS)
def distinct(
    items: NDArray[np.int32],
    bounds: NDArray[np.int64],
    index: NDArray[np.int32],
    place: NDArray[np.int64],
    repeated: NDArray[np.bool_],
    found: NDArray[np.int64],
) -> None:
    """Finds the distinct items of each history, most recent first.

    bounds: of the histories in `items`. place: the last one of each in `items`. repeated: whether there was an earlier
    one. found: bounds of what is found of each, from 0 on.
    """
    size, longest = 16, 0
    for q in range(len(bounds) - 1):
        longest = max(longest, bounds[q + 1] - bounds[q])
    while size < 2 * longest:
        size *= 2
    table = np.empty(size, np.int64)  # by hash, where in `index` an item is: as many as all items would be memory
    for q in range(len(bounds) - 1):
        count, bits = found[q], 4
        while (1 << bits) < 2 * (bounds[q + 1] - bounds[q]):
            bits += 1
        table[: 1 << bits] = -1
        for here in range(bounds[q + 1] - 1, bounds[q] - 1, -1):
            item = items[here]
            slot = ((np.int64(item) * 2654435761) & 0xFFFFFFFF) >> (32 - bits)  # Knuth's multiplicative hash
            while table[slot] >= 0 and index[table[slot]] != item:
                slot = (slot + 1) & ((1 << bits) - 1)
            if table[slot] >= 0:
                repeated[table[slot]] = True
            else:
                table[slot], index[count], place[count] = count, item, here
                repeated[count] = False
                count += 1
        found[q + 1] = count


@helper()
def bucket(rank: int, newest: bool, repeated: bool, by_rank: NDArray[np.int64]) -> Any:
    """Returns the bucket of a known item, see repeat_consumption.py; newest: whether it is of the newest second."""
    return 2 * by_rank[0 if newest else 1, min(rank, by_rank.shape[1] - 1)] + repeated


@compiled(LONGS, LONGS, GIVEN_BOOLS, LONGS, LONGS, LONGS_2D, NEW_LONGS)
def buckets(
    bounds: NDArray[np.int64],
    place: NDArray[np.int64],
    repeated: NDArray[np.bool_],
    times: NDArray[np.int64],
    histories: NDArray[np.int64],
    by_rank: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Writes the bucket of each of the distinct items that `distinct` finds, see repeat_consumption.py.

    histories: where the times of each begin. by_rank: half of the bucket of an item of the newest second, and of an
    older one; the last also for all that are further back.
    """
    for q in range(len(bounds) - 1):
        for k in range(bounds[q], bounds[q + 1]):
            newest = times[place[k]] == times[histories[q + 1] - 1]
            out[k] = bucket(k - bounds[q], newest, repeated[k], by_rank)


@helper(fast=True)
def exponential(x: Any) -> Any:
    """Returns e ** x of a float32 between -87 and 0: a polynomial, which LLVM turns into vector instructions.

    Its relative error is that of a float32. Source: expf of Moshier's Cephes Mathematical Library.
    """
    power = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    rest = x - power * np.float32(0.693359375) + power * np.float32(2.12194440e-4)
    series = np.float32(1.9875691500e-4) * rest + np.float32(1.3981999507e-3)
    series = series * rest + np.float32(8.3334519073e-3)
    series = series * rest + np.float32(4.1665795894e-2)
    series = series * rest + np.float32(1.6666665459e-1)
    series = series * rest + np.float32(5.0000001201e-1)
    series = series * rest * rest + rest + np.float32(1)
    return series * np.int32((np.int32(power) + np.int32(127)) << np.int32(23)).view(np.float32)


@helper(fast=True)
def _sum_exponentials(x: NDArray[np.float32], highest: Any) -> Any:
    total = 0.0
    for start in range(0, len(x), SUMMED):
        part: Any = np.float32(0)
        block = x[start : start + SUMMED]
        for place in range(len(block)):
            below = block[place] - highest
            part += exponential(max(below, LEAST)) if below > LEAST else np.float32(0)
        total += part
    return total


@helper(fast=True)
def highest(x: NDArray[np.float32]) -> Any:
    found = np.float32(-np.inf)
    for place in range(len(x)):
        found = max(found, x[place])
    return found


@compiled(FLOATS_2D, FLOATS, DOUBLES, fast=True)
def sum_exponentials(x: NDArray[np.float32], highest: NDArray[np.float32], out: NDArray[np.float64]) -> None:
    """Writes the sum of e ** (x - highest) of each row; what is 87 below its highest, or -inf, counts as nothing."""
    for row in range(len(x)):
        out[row] = _sum_exponentials(x[row], highest[row])


@step(fast=True)
def normalise_scores(row: NDArray[np.float32]) -> None:
    """Makes log-probabilities of a row."""
    top = highest(row)
    norm = top + np.float32(np.log(_sum_exponentials(row, top)))
    for place in range(len(row)):
        row[place] -= norm


@compiled(OUT_2D, fast=True)
def normalise(x: NDArray[np.float32]) -> None:
    """Makes log-probabilities of each row."""
    for row in range(len(x)):
        normalise_scores(x[row])


@compiled(LONGS, INTS, FLOATS, FLOATS_2D, OUT_2D, fast=True)
def add_rows(
    bounds: NDArray[np.int64],
    index: NDArray[np.int32],
    weight: NDArray[np.float32],
    matrix: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Adds to each row of `out` the weighted rows of a dense matrix."""
    for q in range(len(bounds) - 1):
        total = out[q]
        end = bounds[q + 1]
        whole = bounds[q] + (end - bounds[q]) // 4 * 4
        for k in range(bounds[q], whole, 4):  # four at a time, so that `total` is read and written a fourth as often
            a, b, c, d = matrix[index[k]], matrix[index[k + 1]], matrix[index[k + 2]], matrix[index[k + 3]]
            u, v, w, x = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
            for column in range(len(total)):
                total[column] += u * a[column] + v * b[column] + w * c[column] + x * d[column]
        for k in range(whole, end):
            a, u = matrix[index[k]], weight[k]
            for column in range(len(total)):
                total[column] += u * a[column]


@step(fast=True)
def add_coarse(
    index: NDArray[np.int32],
    weight: NDArray[np.float32],
    numbers: NDArray[np.int16],
    unit: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Adds weighted rows of a table of whole numbers, see coarse_rows.py, to one row."""
    whole = len(index) // 4 * 4
    for start in range(0, len(out), COLUMNS):
        part = slice(start, start + COLUMNS)
        total = out[part]
        for k in range(0, whole, 4):  # as in `add_rows`
            i, j, r, s = index[k], index[k + 1], index[k + 2], index[k + 3]
            a, b, c, d = numbers[i, part], numbers[j, part], numbers[r, part], numbers[s, part]
            u, v = weight[k] * unit[i], weight[k + 1] * unit[j]
            w, x = weight[k + 2] * unit[r], weight[k + 3] * unit[s]
            for column in range(len(total)):
                total[column] += (
                    u * np.float32(a[column])
                    + v * np.float32(b[column])
                    + w * np.float32(c[column])
                    + x * np.float32(d[column])
                )
        for k in range(whole, len(index)):
            a, u = numbers[index[k], part], weight[k] * unit[index[k]]
            for column in range(len(total)):
                total[column] += u * np.float32(a[column])


@compiled(LONGS, INTS, FLOATS, COARSE_2D, FLOATS, OUT_2D, fast=True)
def add_coarse_rows(
    bounds: NDArray[np.int64],
    index: NDArray[np.int32],
    weight: NDArray[np.float32],
    numbers: NDArray[np.int16],
    unit: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Adds to each row of `out` the weighted rows of a table of whole numbers."""
    for q in range(len(bounds) - 1):
        mine = slice(bounds[q], bounds[q + 1])
        add_coarse(index[mine], weight[mine], numbers, unit, out[q])


@compiled(LONGS, INTS, FLOATS, LONGS, INDICES, FLOATS, OUT_2D)
def add_sparse_rows(
    bounds: NDArray[np.int64],
    index: NDArray[np.int32],
    weight: NDArray[np.float32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.integer[Any]],
    data: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Adds to each row of `out` the weighted rows of a sparse matrix."""
    for q in range(len(bounds) - 1):
        total = out[q]
        for k in range(bounds[q], bounds[q + 1]):
            factor = weight[k]
            for place in range(indptr[index[k]], indptr[index[k] + 1]):
                total[indices[place]] += factor * data[place]
