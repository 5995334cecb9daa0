"""The loops that count what happens together, compiled: for one item after the other, whatever its groups hold.

A group is a user, a session or a basket. What is added up for an item lies in arrays as long as the catalogue, so that
no product of matrices is ever held; sums are those of whole numbers, which are the same in any order.

For all kernels: `groups` are (bounds, items), the items of group g at items[bounds[g]:bounds[g + 1]], each once there.
`of_item` are (bounds, groups, places), the groups of item i and where in `items` it stands, at the same kind of bounds.
Like those in kernels.py they release the interpreter's lock and check nothing.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from tailorbird.recipes.scorers.kernels import BOOLS, INTS, LONGS, NEW_INTS, NEW_LONGS, OUT, compiled, tuple_of

HELPER = numba.njit(error_model="numpy", nogil=True)
"""For what only kernels call."""
SHIFT = 36
"""Weights are multiples of 2 ** -36: a weight of 0.001 is right to eight digits, and 100 million ones add up."""
ONE = float(2**SHIFT)
"""A weight of 1."""
DENSE = 16
"""Sorting n numbers takes about as long as looking at so many times n."""

Groups = tuple[NDArray[np.int64], NDArray[np.int32]]
OfItem = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]

GROUPS, OF_ITEM = tuple_of((LONGS, INTS)), tuple_of((LONGS, INTS, INTS))


@compiled(INTS, INTS, NEW_INTS, BOOLS)
def mark_firsts(
    group: NDArray[np.int32], item: NDArray[np.int32], latest: NDArray[np.int32], first: NDArray[np.bool_]
) -> None:
    """Marks each row that is the first of its group with its item; `group` ascends, `latest` is -1 for each item."""
    for row in range(len(group)):
        first[row] = latest[item[row]] != group[row]
        latest[item[row]] = group[row]


@HELPER
def _ascend(found: NDArray[np.int32], count: int, together: NDArray[np.int64]) -> int:
    """Sorts what was found and returns how many; where it is much, faster by looking at everything."""
    if count * DENSE < len(together):
        found[:count].sort()
        return count
    count = 0
    for other in range(len(together)):
        if together[other]:
            found[count] = other
            count += 1
    return count


@HELPER
def _descending(values: NDArray[np.int64], rank: int) -> int:
    """Returns which value comes at a rank, 0 for the largest, and leaves others elsewhere (Hoare's quickselect).

    numpy's own takes numba six seconds to compile.
    """
    low, high = 0, len(values) - 1
    while low < high:
        pivot, left, right = values[(low + high) // 2], low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if rank <= right:
            high = right
        elif rank >= left:
            low = left
        else:
            low = high
    return int(values[rank])


@HELPER
def _pick(
    found: NDArray[np.int32], values: NDArray[np.int64], indices: NDArray[np.int32], data: NDArray[np.float32]
) -> int:
    """Writes the largest values that are not zero, as many as there is room for, and returns how many."""
    bar, equals = 0, 0
    if len(values) > len(indices):
        bar = _descending(values.copy(), len(indices) - 1)
        equals = len(indices)
        for value in values:
            equals -= value > bar
    size = 0
    for k in range(len(values)):
        if values[k] > bar or (values[k] == bar and bar > 0 and equals > 0):
            equals -= values[k] == bar
            indices[size], data[size] = found[k], values[k] / ONE
            size += 1
    return size


@compiled(types.int64, GROUPS, OF_ITEM, LONGS, LONGS, NEW_INTS, OUT, NEW_LONGS, NEW_LONGS)
def largest(
    first: int,
    groups: Groups,
    of_item: OfItem,
    weights: NDArray[np.int64],
    starts: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    counts: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> None:
    """Finds the items with which each item counts most, ties by item, and what it counts with all of them.

    weights: of a pair in each group. starts: (items + 1) where those of each begin in `indices` and `data`, which
    hold the items in ascending order and their sums; as many are looked for as there is room. counts: how many were
    found. The first of all these is item `first`.
    """
    (bounds, items), (item_bounds, item_groups, _) = groups, of_item
    together, found = np.zeros(len(item_bounds) - 1, np.int64), np.empty(len(item_bounds) - 1, np.int32)
    values = np.empty(len(found), np.int64)
    for row in range(len(counts)):
        item, count = first + row, 0
        for group in item_groups[item_bounds[item] : item_bounds[item + 1]]:
            for other in items[bounds[group] : bounds[group + 1]]:
                if together[other] == 0:
                    found[count] = other
                    count += 1
                together[other] += weights[group]
        together[item] = 0
        count = _ascend(found, count, together)
        for k in range(count):
            values[k] = together[found[k]]
        mine = slice(starts[row], starts[row + 1])
        counts[row] = _pick(found[:count], values[:count], indices[mine], data[mine])
        totals[row] = 0
        for value in values[:count]:
            totals[row] += value
        for other in found[:count]:
            together[other] = 0
