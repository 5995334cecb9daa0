"""Arrays as files of a model: one .npy each, which every process maps into memory rather than reads, and no pickle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class _Sink:
    """No real file for numpy, which writes to those past Python and then cannot tell that a disk is full."""

    write: Callable[[bytes], int]


def save_arrays(folder: Path, **arrays: Array | np.generic) -> None:
    """Writes each array into the existing folder, under its name."""
    for name, array in arrays.items():
        with (folder / f"{name}.npy").open("wb") as file:
            np.save(_Sink(file.write), array, allow_pickle=False)


def load_arrays(folder: Path, *names: str) -> tuple[Array, ...]:
    """The arrays of these names, in that order."""
    return tuple(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names)


def load_all_arrays(folder: Path) -> dict[str, Array]:
    """All arrays of a folder by name, in the order of their names."""
    names = sorted(file.stem for file in folder.glob("*.npy"))
    return dict(zip(names, load_arrays(folder, *names), strict=True))
