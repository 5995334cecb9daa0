"""How alike two items are: the cosine of their vectors.

Content vectors say what the columns say (item_vectors.py). Collaborative ones say with what an item happens: the
main directions of the sessions, each item and each session weighing less the more they have. Those of an item that
little has happened to come from its content, through a ridge regression on the others; in between, the two are mixed
by the number of interactions.

Source: Gantner et al., Learning Attribute-to-Feature Mappings for Cold-Start Recommendations, ICDM 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.matrices import damped, main_directions, unit
from tailorbird.recipes.recipe import Query
from tailorbird.storage.arrays import load_arrays, save_arrays

RIDGE = 10.0
"""Of the regression on content, whose rows weigh up to `MOST_WEIGHT`: as much as half an item that is well known; not
tuned. On whole hidden items the peer's optimum is at 10000 or beyond (P8), which is why cold items have weights of
their own."""
EXPERIENCE = 5.0
"""Sessions of an item at which what happened weighs as much as what its content lets expect: those that make it warm
(spec recipes-and-runtime 1.4)."""
SESSION_DAMPING = 0.4
"""Power of its length by which a session weighs less: just below the .5 at which a long one weighs as a short one; not
tuned."""
MOST_WEIGHT = 20.0
"""Sessions of an item beyond which it teaches the regression no more, so that bestsellers do not set it alone; not
tuned."""


@dataclass(frozen=True)
class Cosine:
    """Vectors of length 1 (item, dimension); zeros for an item of which nothing is known."""

    vectors: NDArray[np.float32]

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the cosines with each query's newest item."""
        return np.asarray(self.vectors[[int(query.items[-1]) for query in queries]] @ self.vectors.T, np.float32)

    def save(self, folder: Path) -> None:
        """Writes vectors.npy."""
        save_arrays(folder, vectors=self.vectors)


def load(folder: Path) -> Cosine:
    """Reads what `Cosine.save` wrote."""
    return Cosine(*load_arrays(folder, "vectors"))


def collaborative(matrix: sparse.csr_matrix, content: NDArray[np.float32], dimensions: int, seed: int) -> Cosine:
    """Finds the vectors from a (session, item) matrix of ones and the items' content vectors."""
    counts = np.asarray(matrix.sum(axis=0)).ravel()
    scale = (np.maximum(counts, 1) ** -0.5).astype(np.float32)
    weighed = sparse.csr_matrix(damped(matrix, SESSION_DAMPING) @ sparse.diags_array(scale))
    directions = main_directions(weighed, dimensions, seed)
    strengths = np.linalg.norm(weighed @ directions, axis=0)
    experienced = unit(directions * strengths)
    known = np.hstack([content, np.ones((len(content), 1), np.float32)])
    weights = np.minimum(counts, MOST_WEIGHT)[:, None]
    gram = (known * weights).T @ known + RIDGE * np.eye(known.shape[1])
    expected = known @ np.linalg.solve(gram, (known * weights).T @ experienced)
    return Cosine(unit((counts[:, None] * experienced + EXPERIENCE * expected) / (counts[:, None] + EXPERIENCE)))
