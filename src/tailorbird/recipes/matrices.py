"""Interactions as sparse matrices, and the cuts that AWS's percentile parameters make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.recipe import Interactions, NotEnoughData

MOST_PAIRS = 20_000_000
"""Bound on the pairs that `closeness` counts: about 1 GB."""
EXTRA_DIRECTIONS = 10
"""Oversampling of `main_directions`: 5 to 10 do, by Halko, Martinsson and Tropp."""
ROUNDS = 4
"""Of power iterations in `main_directions`: 2 to 4 do where singular values fall slowly, by the same paper."""
POWERS = 12
"""Of the subspace iteration in `spectral`: more than `ROUNDS`, since counts have no gap after the directions that are
kept; not tuned."""
MORE_VECTORS = 16
"""That `spectral` turns beyond those it returns, for the same want of a gap: cheap beside them; not tuned."""


def user_item(data: Interactions) -> sparse.csr_matrix:
    """Returns a (user, item) float32 matrix of ones: who ever interacted with what."""
    shape = (len(data.users), len(data.items))
    matrix = sparse.csr_matrix((np.ones(len(data.user), np.float32), (data.user, data.item)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def session_item(data: Interactions, gap: float) -> sparse.csr_matrix:
    """Returns a (session, item) float32 matrix of ones; a pause of more than `gap` seconds ends a session."""
    begins = (np.diff(data.user, prepend=-1) != 0) | (np.diff(data.timestamp, prepend=0) > gap)
    return user_item(replace(data, users=data.users[data.user[begins]], user=np.cumsum(begins, dtype=np.int32) - 1))


def damped(matrix: sparse.csr_matrix, power: float) -> sparse.csr_matrix:
    """Returns a matrix of ones with every row divided by its length to a power."""
    scale = np.maximum(np.diff(matrix.indptr), 1) ** -power
    return sparse.csr_matrix(sparse.diags_array(scale.astype(np.float32)) @ matrix)


def users_per_item(data: Interactions) -> NDArray[np.int64]:
    """Returns for each item how many distinct users interacted with it."""
    return np.bincount(first_rows(data)[1], minlength=len(data.items))


def user_bounds(data: Interactions) -> NDArray[np.int64]:
    """Returns (users + 1) offsets: the rows of user u are bounds[u]:bounds[u + 1]."""
    return np.searchsorted(data.user, np.arange(len(data.users) + 1))


def first_rows(data: Interactions) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Returns user and item of every row that is a user's first with that item, in the order of the rows."""
    first = first_places(data)
    return data.user[first], data.item[first]


def first_places(data: Interactions) -> NDArray[np.int64]:
    """Returns the places of the rows that `first_rows` are."""
    from tailorbird.recipes.scorers import pair_kernels

    first, latest = np.empty(len(data.user), bool), np.full(len(data.items), -1, np.int32)
    pair_kernels.mark_firsts(np.asarray(data.user, np.int32), np.asarray(data.item, np.int32), latest, first)
    return np.flatnonzero(first)


def reach(rows: int, window: int) -> int:
    """Returns how far apart items are counted as close: `window`, or less where there are many of a user's items."""
    return min(window, 1 + MOST_PAIRS // max(1, rows))


def closeness(data: Interactions, window: int, decay: float, backwards: float) -> sparse.csr_matrix:
    """Returns (item, item): how often the second follows the first closely in a user's distinct items.

    A pair at distance d <= `window` counts decay ** (d - 1), and the other way round `backwards` times that.
    The window shrinks until about `MOST_PAIRS` pairs are counted, which bounds memory at about 1 GB.
    """
    user, item = first_rows(data)
    before, after, weight = [], [], []
    for distance in range(1, reach(len(user), window) + 1):
        same_user = user[distance:] == user[:-distance]
        before.append(item[:-distance][same_user])
        after.append(item[distance:][same_user])
        weight.append(np.full(len(after[-1]), decay ** (distance - 1), np.float32))
    places = np.concatenate(before), np.concatenate(after)
    shape = (len(data.items), len(data.items))
    counts = sparse.csr_matrix((np.concatenate(weight), places), shape=shape)
    return sparse.csr_matrix(counts + np.float32(backwards) * counts.T)


def spectral(counts: sparse.csr_matrix, width: int, power: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Returns (item, width) vectors whose products are near `counts`, each divided by its items' totals to `power`.

    These are the leading eigenvectors of the symmetric `counts`, by subspace iteration (Halko, Martinsson and Tropp,
    Finding Structure with Randomness, SIAM Review 2011), times the roots of the eigenvalues.
    """
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1) ** -power
    scaled = sparse.csr_matrix(sparse.diags_array(totals) @ counts @ sparse.diags_array(totals)).astype(np.float32)
    size = scaled.shape[0], min(width + MORE_VECTORS, scaled.shape[0])
    basis = rng.normal(size=size).astype(np.float32)
    for _ in range(POWERS):
        basis = np.linalg.qr(scaled @ basis)[0]
    values, turned = np.linalg.eigh(basis.T @ (scaled @ basis))
    vectors = np.zeros((scaled.shape[0], width), np.float32)
    kept = np.argsort(-values)[:width]
    vectors[:, : len(kept)] = basis @ (turned[:, kept] * np.sqrt(np.maximum(values[kept], 0)))
    return vectors


def keep_users(data: Interactions, keep: NDArray[np.bool_]) -> Interactions:
    """Returns the rows of the users in the mask, with users numbered anew; items keep their numbers."""
    numbers = np.cumsum(keep, dtype=np.int32) - 1
    kept = data.rows(keep[data.user])
    columns = {name: replace(column, values=column.values[keep]) for name, column in data.user_columns.items()}
    return replace(kept, users=data.users[keep], user=numbers[kept.user], user_columns=columns)


def within_percentiles(counts: NDArray[np.int64], low: float, high: float) -> NDArray[np.bool_]:
    """Returns which counts lie within two quantiles (0..1) of the counts that are not zero, ends included."""
    present = counts[counts > 0]
    if not len(present):
        return counts > 0
    bounds = np.quantile(present, [low, high], method="inverted_cdf")
    return np.asarray((counts >= max(bounds[0], 1)) & (counts <= bounds[1]))


def cut_histories(data: Interactions, low: float, high: float) -> Interactions:
    """Drops the users whose history length lies outside two quantiles (spec recipes-and-runtime 1.3).

    Raises:
        NotEnoughData: fewer than two of those that are left have two interactions.
    """
    lengths = np.diff(user_bounds(data))
    keep = within_percentiles(lengths, low, high)
    if np.count_nonzero(lengths[keep] >= 2) < 2:
        raise NotEnoughData(
            f"min_user_history_length_percentile {low:g} and max_user_history_length_percentile {high:g} leave fewer "
            "than two users with two interactions each: widen them."
        )
    return keep_users(data, keep)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the rows at length 1; zeros stay zeros."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def main_directions(rows: sparse.csr_matrix, count: int, seed: int) -> NDArray[np.float32]:
    """Returns (column, direction): at most `count` right singular vectors of the rows, those of the largest values.

    Source: Halko, Martinsson & Tropp, Finding Structure with Randomness, 2011.
    """
    count = min(count, *rows.shape)
    width = min(count + EXTRA_DIRECTIONS, *rows.shape)
    if not width:
        return np.zeros((rows.shape[1], 0), np.float32)
    found = np.random.default_rng(seed).normal(size=(rows.shape[1], width)).astype(np.float32)
    for _ in range(ROUNDS):
        found = np.linalg.qr(rows.T @ np.linalg.qr(rows @ found)[0])[0]
    turned = np.linalg.svd(np.linalg.qr(rows @ found)[1])[2]
    return np.asarray(found @ turned[:count].T, np.float32)
