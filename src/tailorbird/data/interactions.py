"""A dataset group's interactions and items as numbers: what recipes train on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Responses:
    """What users did with the actions that were offered to them.

    The four arrays are parallel, one entry a response, in the order of time.
    """

    actions: NDArray[np.str_]
    """All actions of the Actions and Action interactions datasets together, sorted."""
    user: NDArray[np.int32]
    """Index into `Interactions.users`; -1 for one without interactions."""
    action: NDArray[np.int32]
    timestamp: NDArray[np.int64]
    """Epoch seconds."""
    taken: NDArray[np.bool_]
    """Whether the action was taken; otherwise it was viewed or declined."""


@dataclass(frozen=True)
class Interactions:
    """Everything a recipe trains on, as numbers.

    The four arrays are parallel, one entry an interaction, sorted by user and within a user by time
    (ties keep the order of the file). `user` and `item` index into `users` and `items`.
    """

    users: NDArray[np.str_]
    items: NDArray[np.str_]
    """All items of the Items and Interactions datasets together; an item may have no interaction."""
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    timestamp: NDArray[np.int64]
    """Epoch seconds."""
    event_type: NDArray[np.int16]
    """Index into `event_types`; all zero where the schema has no EVENT_TYPE."""
    event_types: tuple[str, ...] = ("",)
    item_columns: dict[str, NDArray[np.object_]] = field(default_factory=dict)
    """Metadata of the items by column name, parallel to `items`; None where missing."""
    responses: Responses | None = None
    """For recipes that recommend actions."""
