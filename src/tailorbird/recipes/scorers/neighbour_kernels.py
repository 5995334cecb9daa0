"""The loops that find each item's nearest neighbours, compiled: those with which it has most in common.

As in pair_kernels.py, which says what `groups` and `of_item` are, sums are those of whole numbers. Items have numbers,
by which popular ones come first, and names, which are what is answered and by which ties are broken.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from tailorbird.recipes.scorers.kernels import GIVEN_BOOLS, INTS, LONGS, compiled, tuple_of
from tailorbird.recipes.scorers.pair_kernels import GROUPS, HELPER, OF_ITEM, ONE, Groups, OfItem

NEAR, USERS = 1 << 30, (1 << 30) - 1
"""Of a count of common users, the bit that says that the items came close to each other, and the others."""
MANY = 2
"""Pairs of an item by the length of the catalogue from which all items are looked at for those that it was met with."""
BUCKETS = 4096
"""By which numbers are counted before the smallest are sorted: enough that few more than these are in the buckets."""

# Arrays as those of `kernels`.
DOUBLES = types.Array(types.float64, 1, "C", readonly=True)
NEW_INTS_2D = types.Array(types.int32, 2, "C")


@HELPER
def _worse(value: float, column: int, than: float, than_column: int, names: NDArray[np.int32]) -> bool:
    return value < than or (value == than and names[column] > names[than_column])


@HELPER
def _sink(
    values: NDArray[np.float64],
    columns: NDArray[np.int32],
    size: int,
    value: float,
    column: int,
    names: NDArray[np.int32],
) -> None:
    """Puts something into the place of a heap's root, which is the worst of its first `size` entries."""
    place, below = 0, 1
    while below < size:
        if below + 1 < size and _worse(values[below + 1], columns[below + 1], values[below], columns[below], names):
            below += 1
        if not _worse(values[below], columns[below], value, column, names):
            break
        values[place], columns[place] = values[below], columns[below]
        place, below = below, 2 * below + 1
    values[place], columns[place] = value, column


@HELPER
def _offer(
    values: NDArray[np.float64],
    columns: NDArray[np.int32],
    size: int,
    value: float,
    column: int,
    names: NDArray[np.int32],
) -> int:
    """Takes something into a heap of the best, where it is among them; returns how many these are now."""
    if size < len(values):
        place = size
        while place and _worse(value, column, values[(place - 1) // 2], columns[(place - 1) // 2], names):
            above = (place - 1) // 2
            values[place], columns[place] = values[above], columns[above]
            place = above
        values[place], columns[place] = value, column
        size += 1
    elif _worse(values[0], columns[0], value, column, names):
        _sink(values, columns, size, value, column, names)
    return size


@HELPER
def _drain(values: NDArray[np.float64], columns: NDArray[np.int32], size: int, names: NDArray[np.int32]) -> None:
    """Sorts a heap, the best first and ties by name."""
    for last in range(size - 1, 0, -1):
        worst, column = values[0], columns[0]
        _sink(values, columns, last, values[last], columns[last], names)
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
    count, pairs = 0, 0
    for user in users:
        pairs += bounds[user + 1] - bounds[user]
    many = pairs > MANY * len(together)
    for k in range(len(users)):
        start, end, place = bounds[users[k]], bounds[users[k] + 1], np.int64(places[k])
        if many:
            for at in range(start, end):
                together[items[at]] += 1
        else:
            for at in range(start, end):
                other = items[at]
                found[count] = other  # and stays there only if it is new: no branch that is foretold wrongly
                count += together[other] == 0
                together[other] += 1
        for distance in range(1, min(len(near), place - start) + 1):
            close[items[place - distance]] += near[distance - 1]
            together[items[place - distance]] |= NEAR
        for distance in range(1, min(len(near), end - 1 - place) + 1):
            close[items[place + distance]] += near[distance - 1]
            together[items[place + distance]] |= NEAR
    if many:
        for other in range(len(together)):
            found[count] = other
            count += together[other] != 0
    return count


@HELPER
def _add_baskets(
    bounds: NDArray[np.int64],
    items: NDArray[np.int32],
    baskets: NDArray[np.int32],
    weights: NDArray[np.int64],
    together: NDArray[np.int32],
    close: NDArray[np.int64],
) -> None:
    """Counts what lies in the same baskets as close; the users' items are all there already."""
    for basket in baskets:
        for other in items[bounds[basket] : bounds[basket + 1]]:
            close[other] += weights[basket]
            together[other] |= NEAR


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
    names: NDArray[np.int32],
) -> tuple[int, int]:
    """Puts the strong pairs into an empty heap; returns its size and how many they are."""
    size, strongs = 0, 0
    for other in found:
        users = together[other] & USERS
        if users >= least and kept[other]:
            strongs += 1
            value = np.float64(users)
            if together[other] & NEAR:
                value += weight * (close[other] / ONE)
            value /= discount[other]
            if size < len(best) or value >= values[0]:
                size = _offer(values, best, size, value, other, names)
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
    names: NDArray[np.int32],
    singles: NDArray[np.int32],
) -> tuple[int, int]:
    """Puts the weak pairs into a heap, with values below zero, but for those of one user that are not close.

    These are most, and their order is that of their numbers: they go into `singles`. Returns the heap's size and how
    many singles there are.
    """
    count = 0
    for other in found:
        users = together[other]
        if users == 1 and least > 1:
            singles[count] = other
            count += kept[other]
        elif 0 < users & USERS < least and kept[other]:
            value = np.float64(users & USERS)
            if users & NEAR:
                value += weight * (close[other] / ONE)
            value *= fame[other]
            size = _offer(values, best, size, value / (1 + value) - 1, other, names)
    return size, count


@HELPER
def _smallest(numbers: NDArray[np.int32], most: int, tally: NDArray[np.int32], shift: int) -> int:
    """Brings the smallest numbers to the front in ascending order and returns how many these are, `most` or fewer.

    tally: room for how many numbers are alike but for their last `shift` bits.
    """
    count = len(numbers)
    if count > most:
        tally[:] = 0
        for number in numbers:
            tally[number >> shift] += 1
        last, below = 0, tally[0]
        while below < most:
            last += 1
            below += tally[last]
        count = 0
        for number in numbers:
            numbers[count] = number
            count += number >> shift <= last
    numbers[:count].sort()
    return min(count, most)


@HELPER
def _merge(
    values: NDArray[np.float64],
    best: NDArray[np.int32],
    size: int,
    singles: NDArray[np.int32],
    fame: NDArray[np.float64],
    names: NDArray[np.int32],
) -> int:
    """Puts singles among the first `size` of the best, both in their order; returns how many are in there now."""
    old_values, old = values[:size].copy(), best[:size].copy()
    place, at = 0, 0
    for single in singles:
        value = fame[single] / (1 + fame[single]) - 1
        while at < size and place < len(best) and not _worse(old_values[at], old[at], value, single, names):
            best[place] = old[at]
            at += 1
            place += 1
        if place == len(best):
            return place
        best[place] = single
        place += 1
    while at < size and place < len(best):
        best[place] = old[at]
        at += 1
        place += 1
    return place


@compiled(
    INTS, tuple_of((GROUPS, OF_ITEM)), tuple_of((GROUPS, OF_ITEM, LONGS)), LONGS, GIVEN_BOOLS,
    types.int64, types.int64, tuple_of((types.float64, DOUBLES)), tuple_of((types.float64, DOUBLES)), INTS, NEW_INTS_2D,
)  # fmt: skip
def nearest(
    asked: NDArray[np.int32],
    users: tuple[Groups, OfItem],
    baskets: tuple[Groups, OfItem, NDArray[np.int64]],
    near: NDArray[np.int64],
    kept: NDArray[np.bool_],
    least: int,
    enough: int,
    strong: tuple[float, NDArray[np.float64]],
    weak: tuple[float, NDArray[np.float64]],
    names: NDArray[np.int32],
    out: NDArray[np.int32],
) -> None:
    """Writes the names of the neighbours of each item that is asked about, the best first, into the row of its name.

    baskets: with what two items of each count, as two neighbouring rows count. near: what two items of a user count by
    their distance, 1 first. kept: the items that have and are neighbours. least: common users of a strong pair; items
    with fewer than `enough` of these get weak ones behind them. strong, weak: what closeness counts against a common
    user, and what the value of a pair with each item is multiplied by (weak) or divided by (strong). The items are
    numbered so that the factor of weak pairs never grows, and ascend by name where it is the same.
    """
    (bounds, items), (item_bounds, item_users, places) = users
    (basket_bounds, basket_items), (in_bounds, in_baskets, _), basket_weights = baskets
    together, close = np.zeros(len(kept), np.int32), np.zeros(len(kept), np.int64)
    found, values = np.empty(len(kept) + 1, np.int32), np.empty(out.shape[1], np.float64)
    singles, tally = np.empty(len(kept) + 1, np.int32), np.empty(BUCKETS, np.int32)
    shift = 0
    while (len(kept) - 1) >> shift >= BUCKETS:
        shift += 1
    for item in asked:
        best = out[names[item]]
        if not kept[item]:
            continue
        mine = slice(item_bounds[item], item_bounds[item + 1])
        count = _meet(bounds, items, item_users[mine], places[mine], near, together, close, found)
        _add_baskets(
            basket_bounds,
            basket_items,
            in_baskets[in_bounds[item] : in_bounds[item + 1]],
            basket_weights,
            together,
            close,
        )
        together[item], close[item] = 0, 0
        met = found[:count]
        size, strongs = _offer_strong(met, together, close, kept, least, strong[0], strong[1], values, best, names)
        alone = 0
        if strongs < enough:
            size, alone = _offer_weak(
                met, together, close, kept, least, weak[0], weak[1], values, best, size, names, singles
            )
        _drain(values, best, size, names)
        if alone:
            alone = _smallest(singles[:alone], len(best), tally, shift)
            size = _merge(values, best, size, singles[:alone], weak[1], names)
        for place in range(size):
            best[place] = names[best[place]]
        for other in met:
            if together[other] & NEAR:
                close[other] = 0
            together[other] = 0
