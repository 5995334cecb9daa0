"""The loops that count what happens together, compiled: for one item after the other, whatever its groups hold.

A group is a user, a session or a basket. What is added up for an item lies in arrays as long as the catalogue, so that
no product of matrices is ever held; sums are those of whole numbers, which are the same in any order.

For all kernels: `groups` are (bounds, items), the items of group g at items[bounds[g]:bounds[g + 1]], each once there.
`of_item` are (bounds, groups, places), the groups of item i and where in `items` it stands, at the same kind of bounds.
Like those in kernels.py they release the interpreter's lock and check nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from tailorbird.recipes.scorers.kernels import BOOLS, INTS, LONGS, NEW_INTS, NEW_LONGS, OUT, compiled

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

_both: Callable[[tuple[Any, ...]], Any] = types.Tuple
GROUPS, OF_ITEM = _both((LONGS, INTS)), _both((LONGS, INTS, INTS))
# Arrays as those of `kernels`.
DOUBLES = types.Array(types.float64, 1, "C", readonly=True)
GIVEN_BOOLS = types.Array(types.boolean, 1, "C", readonly=True)
NEW_INTS_2D = types.Array(types.int32, 2, "C")


@compiled(INTS, INTS, NEW_INTS, BOOLS)
def mark_firsts(
    group: NDArray[np.int32], item: NDArray[np.int32], latest: NDArray[np.int32], first: NDArray[np.bool_]
) -> None:
    """Marks each row that is the first of its group with its item; `group` ascends, `latest` is -1 for each item."""
    for row in range(len(group)):
        first[row] = latest[item[row]] != group[row]
        latest[item[row]] = group[row]


@HELPER
def _worse(value: float, column: int, than: float, than_column: int) -> bool:
    return value < than or (value == than and column > than_column)


@HELPER
def _sink(values: NDArray[np.float64], columns: NDArray[np.int32], size: int, value: float, column: int) -> None:
    """Puts something into the place of a heap's root, which is the worst of its first `size` entries."""
    place, below = 0, 1
    while below < size:
        if below + 1 < size and _worse(values[below + 1], columns[below + 1], values[below], columns[below]):
            below += 1
        if not _worse(values[below], columns[below], value, column):
            break
        values[place], columns[place] = values[below], columns[below]
        place, below = below, 2 * below + 1
    values[place], columns[place] = value, column


@HELPER
def _offer(values: NDArray[np.float64], columns: NDArray[np.int32], size: int, value: float, column: int) -> int:
    """Takes something into a heap of the best, where it is among them; returns how many these are now."""
    if size < len(values):
        place = size
        while place and _worse(value, column, values[(place - 1) // 2], columns[(place - 1) // 2]):
            above = (place - 1) // 2
            values[place], columns[place] = values[above], columns[above]
            place = above
        values[place], columns[place] = value, column
        size += 1
    elif _worse(values[0], columns[0], value, column):
        _sink(values, columns, size, value, column)
    return size


@HELPER
def _drain(values: NDArray[np.float64], columns: NDArray[np.int32], size: int) -> None:
    """Sorts a heap, the best first and ties by column."""
    for last in range(size - 1, 0, -1):
        worst, column = values[0], columns[0]
        _sink(values, columns, last, values[last], columns[last])
        values[last], columns[last] = worst, column


@HELPER
def _meet(
    bounds: NDArray[np.int64],
    items: NDArray[np.int32],
    users: NDArray[np.int32],
    places: NDArray[np.int32],
    near: NDArray[np.int64],
    together: NDArray[np.int32],
    close: NDArray[np.int64],
    found: NDArray[np.int32],
) -> int:
    """Adds up what the users have besides an item and how close; returns how many items are in `found` now."""
    count = 0
    for k in range(len(users)):
        start, end, place = bounds[users[k]], bounds[users[k] + 1], np.int64(places[k])
        for other in items[start:end]:
            if together[other] == 0:
                found[count] = other
                count += 1
            together[other] += 1
        for distance in range(1, min(len(near), place - start) + 1):
            close[items[place - distance]] += near[distance - 1]
        for distance in range(1, min(len(near), end - 1 - place) + 1):
            close[items[place + distance]] += near[distance - 1]
    return count


@HELPER
def _offer_strong(
    found: NDArray[np.int32],
    together: NDArray[np.int32],
    close: NDArray[np.int64],
    kept: NDArray[np.bool_],
    least: int,
    weight: float,
    discount: NDArray[np.float64],
    values: NDArray[np.float64],
    best: NDArray[np.int32],
) -> tuple[int, int]:
    """Puts the strong pairs into an empty heap; returns its size and how many they are."""
    size, strongs = 0, 0
    for other in found:
        if together[other] >= least and kept[other]:
            strongs += 1
            value = (together[other] + weight * (close[other] / ONE)) / discount[other]
            if size < len(best) or value >= values[0]:
                size = _offer(values, best, size, value, other)
    return size, strongs


@HELPER
def _offer_weak(
    found: NDArray[np.int32],
    together: NDArray[np.int32],
    close: NDArray[np.int64],
    kept: NDArray[np.bool_],
    least: int,
    weight: float,
    fame: NDArray[np.float64],
    values: NDArray[np.float64],
    best: NDArray[np.int32],
    size: int,
) -> int:
    """Puts the weak pairs into a heap, with values below zero, and returns its size."""
    for other in found:
        if 0 < together[other] < least and kept[other]:
            value = (together[other] + weight * (close[other] / ONE)) * fame[other]
            size = _offer(values, best, size, value / (1 + value) - 1, other)
    return size


@compiled(
    types.int64, _both((GROUPS, OF_ITEM)), _both((GROUPS, OF_ITEM, LONGS)), LONGS, GIVEN_BOOLS,
    types.int64, types.int64, _both((types.float64, DOUBLES)), _both((types.float64, DOUBLES)), NEW_INTS_2D,
)  # fmt: skip
def nearest(
    first: int,
    users: tuple[Groups, OfItem],
    baskets: tuple[Groups, OfItem, NDArray[np.int64]],
    near: NDArray[np.int64],
    kept: NDArray[np.bool_],
    least: int,
    enough: int,
    strong: tuple[float, NDArray[np.float64]],
    weak: tuple[float, NDArray[np.float64]],
    out: NDArray[np.int32],
) -> None:
    """Writes into each row of `out` the neighbours of an item, the best first; the first row is that of item `first`.

    baskets: with what two items of each count, as two neighbouring rows count. near: what two items of a user count by
    their distance, 1 first. kept: the items that have and are neighbours. least: common users of a strong pair; items
    with fewer than `enough` of these get weak ones behind them. strong, weak: what closeness counts against a common
    user, and what the value of a pair with each item is multiplied by (weak) or divided by (strong).
    """
    (bounds, items), (item_bounds, item_users, places) = users
    (basket_bounds, basket_items), (in_bounds, in_baskets, _), basket_weights = baskets
    together, close = np.zeros(len(kept), np.int32), np.zeros(len(kept), np.int64)
    found, values = np.empty(len(kept), np.int32), np.empty(out.shape[1], np.float64)
    for row in range(len(out)):
        item, best = first + row, out[row]
        if not kept[item]:
            continue
        mine = slice(item_bounds[item], item_bounds[item + 1])
        count = _meet(bounds, items, item_users[mine], places[mine], near, together, close, found)
        for basket in in_baskets[in_bounds[item] : in_bounds[item + 1]]:
            for other in basket_items[basket_bounds[basket] : basket_bounds[basket + 1]]:
                close[other] += basket_weights[basket]
        together[item] = 0
        size, strongs = _offer_strong(found[:count], together, close, kept, least, strong[0], strong[1], values, best)
        if strongs < enough:
            size = _offer_weak(found[:count], together, close, kept, least, weak[0], weak[1], values, best, size)
        _drain(values, best, size)
        for other in found[:count]:
            together[other] = 0
            close[other] = 0


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
