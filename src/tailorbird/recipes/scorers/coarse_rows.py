"""Tables as whole numbers of 16 bits, a unit for each row: half the memory of floats, in which most of an answer's time
is spent. What is added up from some rows is right to a 30,000th of their largest values, which moves no list.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.scorers.sums import WeightedItems

MOST = np.iinfo(np.int16).max
"""The largest number of a row."""


class CoarseRows:
    """A table (row, column) whose entries are `numbers` times the `unit` of their row."""

    def __init__(self, table: NDArray[np.floating]) -> None:
        self.numbers, self.unit = np.empty(table.shape, np.int16), np.ones(len(table), np.float32)
        for place, row in enumerate(table):  # one by one, so that nothing as large as the table is made beside it
            if largest := np.abs(row).max(initial=0):
                self.unit[place] = largest / MOST
                self.numbers[place] = np.rint(row / self.unit[place])
            else:
                self.numbers[place] = 0

    def add(self, given: WeightedItems, out: NDArray[np.float32]) -> None:
        """Adds to (question, column) the weighted rows."""
        from tailorbird.recipes.scorers import kernels

        kernels.add_coarse_rows(*given, self.numbers, self.unit, out)
