"""A dataset group's interactions and items as numbers: what recipes train on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray


class NotEnoughData(Exception):
    """The data are under a floor of spec recipes-and-runtime 1.2 or 1.3; the text is a failureReason."""


LEAST_TAKEN = 50
"""Responses of an action of which something is learned (spec recipes-and-runtime 1.4, as the next one)."""
LEAST_NOT_TAKEN = 50
"""Likewise, by those who did not take it."""


@dataclass(frozen=True)
class ActionResponses:
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
class Column:
    """One column of metadata or context that recipes may learn from (spec recipes-and-runtime 2.1).

    Strings that are neither categorical nor textual, and booleans, are never among them.
    """

    kind: Literal["numeric", "categorical", "textual"]
    values: NDArray[np.object_]
    """Parallel to what it describes; None where missing. A categorical value may be several, as in a|b."""


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
    """Epoch seconds; never after the time of reading, see `clocks`."""
    event_type: NDArray[np.int16]
    """Index into `event_types`; all zero where the schema has no EVENT_TYPE."""
    event_types: tuple[str, ...] = ("",)
    event_value: NDArray[np.float32] | None = None
    """Parallel to `user`; NaN where missing, None where the schema has no EVENT_VALUE."""
    item_columns: Mapping[str, Column] = field(default_factory=dict)
    """Metadata of the items by upper-case name, CREATION_TIMESTAMP (epoch seconds) included; parallel to `items`."""
    user_columns: Mapping[str, Column] = field(default_factory=dict)
    """Metadata of the users by upper-case name, parallel to `users`."""
    context: Mapping[str, Column] = field(default_factory=dict)
    """What the schema says of each interaction beyond the reserved columns, by upper-case name; parallel to `user`."""
    weight: NDArray[np.float32] | None = None
    """How much each interaction counts, parallel to `user`; 1 is the mean over the solution's event types.
    None where all count alike."""
    reward: NDArray[np.float32] | None = None
    """What an interaction with each item earns by the solution's objective, parallel to `items`; NaN where it is
    not known, None without an objective."""
    responses: ActionResponses | None = None
    """For recipes that recommend actions."""
    stated: NDArray[np.int64] | None = None
    """The times that the interactions came with, parallel to `user`; None where they are those of `timestamp`."""
    read: int | None = None
    """When they were read, in epoch seconds; None: at the newest interaction."""

    @property
    def stated_times(self) -> NDArray[np.int64]:
        """The times that the interactions came with; some may be after the time of reading."""
        return self.timestamp if self.stated is None else self.stated

    def rows(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Interactions:
        """Returns the data with some of the interactions; users and items keep their numbers."""
        return replace(
            self,
            user=self.user[keep],
            item=self.item[keep],
            timestamp=self.timestamp[keep],
            event_type=self.event_type[keep],
            event_value=None if self.event_value is None else self.event_value[keep],
            weight=None if self.weight is None else self.weight[keep],
            stated=None if self.stated is None else self.stated[keep],
            context={name: replace(column, values=column.values[keep]) for name, column in self.context.items()},
        )

    def user_of(self, user: int) -> dict[str, object]:
        """Returns what a query says of a user."""
        return {name: column.values[user] for name, column in self.user_columns.items()}

    def context_of(self, row: int) -> dict[str, object]:
        """Returns the context of the interaction at `row`, as a request for it would have given it."""
        return {name: column.values[row] for name, column in self.context.items()}
