"""Pairs of items in groups (users, sessions, baskets), counted in blocks of items on all cores.

A block is as much as one thread does at a time. What comes out is the same for any number of threads, and nothing but
that and some arrays as long as the catalogue is held.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.matrices import first_places
from tailorbird.recipes.recipe import Interactions
from tailorbird.recipes.scorers.sums import bounds_of

BLOCK_PAIRS = 10_000_000
"""Pairs of a block, a few hundredths of a second: few enough that a stopped job ends soon."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Groups:
    """Groups of items, and the groups of each item; the types are those that the loops are compiled for."""

    bounds: NDArray[np.int64]
    """(groups + 1): the items of group g are items[bounds[g]:bounds[g + 1]]."""
    items: NDArray[np.int32]
    """Each at most once in a group."""
    item_bounds: NDArray[np.int64]
    """(items + 1), likewise for the next two."""
    item_groups: NDArray[np.int32]
    """Ascending for each item."""
    places: NDArray[np.int32]
    """Where in `items` each of them has the item."""

    @property
    def parts(
        self,
    ) -> tuple[
        tuple[NDArray[np.int64], NDArray[np.int32]], tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]
    ]:
        """As the loops take them."""
        return (self.bounds, self.items), (self.item_bounds, self.item_groups, self.places)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many items each group has."""
        return np.diff(self.bounds)

    def pairs(self) -> NDArray[np.int64]:
        """Returns (item): in how many pairs each is, those with itself included."""
        entries = bounds_of(self.sizes[self.item_groups])
        return entries[self.item_bounds[1:]] - entries[self.item_bounds[:-1]]


def groups_of(bounds: NDArray[np.integer[Any]], items: NDArray[np.int32], catalogue: int) -> Groups:
    """Returns groups by their bounds; `catalogue`: how many items there are."""
    shape = (len(bounds) - 1, catalogue)
    places = np.arange(len(items), dtype=np.int32)
    turned = sparse.csr_matrix((places, items, bounds), shape=shape).tocsc()
    return Groups(
        np.asarray(bounds, np.int64),
        np.asarray(items, np.int32),
        np.asarray(turned.indptr, np.int64),
        np.asarray(turned.indices, np.int32),
        turned.data,
    )


def grouped(data: Interactions, group: NDArray[np.int32]) -> Groups:
    """Returns the distinct items of groups of rows, in the order of their first; `group`: of each row, ascending."""
    first = first_places(replace(data, user=group))
    bounds = np.searchsorted(group[first], np.arange(int(group[-1]) + 2 if len(group) else 1))
    return groups_of(bounds, data.item[first], len(data.items))


def whole(weights: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Returns weights as the whole numbers that the loops add up, see `pair_kernels.SHIFT`."""
    from tailorbird.recipes.scorers import pair_kernels

    return np.asarray(np.rint(weights * pair_kernels.ONE), np.int64)


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_blocks(pairs: NDArray[np.int64], work: Callable[[slice], Found]) -> Iterator[tuple[slice, Found]]:
    """Yields slices of items and what `work` returns for them, in order; it runs in threads.

    pairs: (item) what each costs.
    """
    ends = np.cumsum(pairs + 1)
    cuts = np.unique(np.searchsorted(ends, np.arange(BLOCK_PAIRS, ends[-1] if len(ends) else 0, BLOCK_PAIRS)))
    edges = np.unique([0, *cuts.tolist(), len(pairs)]).tolist()
    blocks = [slice(start, stop) for start, stop in pairwise(edges)]
    with ThreadPoolExecutor(cores(), "pairs") as pool:
        yield from zip(blocks, pool.map(work, blocks), strict=True)
