"""From a user to ranked actions (spec recipes-and-runtime 1.4, "NBA").

Every action that has a record is a candidate, unless it has expired, or its REPEAT_FREQUENCY has not passed since
the user last had to do with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tailorbird.data import actions
from tailorbird.data.actions import ActionResponse
from tailorbird.data.clocks import DAY, Window
from tailorbird.data.datasets import Dataset, latest_records, stamp
from tailorbird.errors import InvalidInputException
from tailorbird.filters import evaluate, syntax
from tailorbird.filters import values as filter_values
from tailorbird.filters.evaluate import MetadataTable
from tailorbird.recipes.recipe import PropensityModel
from tailorbird.serving.questions import Deployment, asking_user, query
from tailorbird.serving.scores import SCORE_DIGITS, Mask
from tailorbird.workspace import Workspace

CONSIDERED_BY_FILTERS = 300
"""Newest responses of a user, for each event type, that filters consider (spec recipes-and-runtime 5.2)."""


@dataclass(frozen=True)
class Offer:
    """The newest records of a group's actions, columns in upper case."""

    ids: list[str]
    columns: Mapping[str, list[object]]
    categories: frozenset[str]
    """Names of the categorical columns."""

    @cached_property
    def table(self) -> MetadataTable:
        """For filters."""
        return MetadataTable(self.ids, self.columns, self.categories)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The row of each id."""
        return {action: number for number, action in enumerate(self.ids)}

    def numeric(self, column: str, missing: float) -> NDArray[np.float64]:
        """A column of numbers; `missing` where there is none."""
        values = self.columns.get(column, [None] * len(self.ids))
        return np.array([missing if value is None else value for value in values], np.float64)


def offer(workspace: Workspace, dataset: Dataset) -> Offer:
    """The actions as they are now; read anew when one was imported or put."""
    at = stamp(workspace, dataset)

    def read() -> Offer:
        rows = latest_records(workspace, dataset, "ACTION_ID").sort("ACTION_ID")
        columns = {name: rows[name].to_list() for name in rows.columns if name != "ACTION_ID"}
        return Offer(rows["ACTION_ID"].to_list(), columns, dataset.schema.categories)

    return workspace.cache.get("offer", (dataset.place, at), read)


def available(offered: Offer, responses: list[ActionResponse], now: float) -> Mask:
    """Which actions may be recommended at `now` (epoch seconds) to a user with these responses."""
    waits = offered.numeric("REPEAT_FREQUENCY", 0.0) * DAY
    last = np.full(len(offered.ids), -np.inf)
    for response in reversed(responses):
        if response.action in offered.numbers:
            last[offered.numbers[response.action]] = response.timestamp
    allowed: Mask = (offered.numeric("EXPIRATION_TIMESTAMP", np.inf) > now) & (last + waits <= now)
    return allowed


def mask(
    deployment: Deployment,
    offered: Offer,
    filter_: syntax.Filter,
    values: dict[str, str],
    user: str,
    responses: list[ActionResponse],
) -> Mask:
    """Which actions the filter allows; raises InvalidInput."""
    if filter_.target.upper() != "ACTIONID":
        raise InvalidInputException(f"The filter selects {filter_.target}; actions need one of ActionID.")

    def touched(types: frozenset[str] | None) -> NDArray[np.int32]:
        window = Window(CONSIDERED_BY_FILTERS)
        found = set()
        for response in responses:
            held = window.holds(response.kind, wrong=response.wrong)
            if held and (types is None or response.kind in types):
                found.add(response.action)
        return np.array([offered.numbers[action] for action in found if action in offered.numbers], np.int32)

    asking = asking_user(deployment, user, touched)
    given = filter_values.read(filter_, values, offered.table, asking)
    return evaluate.evaluate(filter_, offered.table, given, asking, None)


def ranked(deployment: Deployment, offered: Offer, user: str, allowed: Mask, count: int) -> list[tuple[str, float]]:
    """The `count` best allowed actions with their propensities; equal ones by VALUE, the larger first, then by id."""
    model = deployment.served.model
    assert isinstance(model, PropensityModel), "only campaigns of such models are asked for actions"
    scores = model.score([query(deployment, user, None)])[0]
    known = dict(zip(model.actions.tolist(), scores.tolist(), strict=True))
    shown = np.array([round(known.get(action, 0.0), SCORE_DIGITS) for action in offered.ids])
    order = np.lexsort((-offered.numeric("VALUE", 0.0), -shown))
    return [(offered.ids[row], float(shown[row])) for row in order if allowed[row]][:count]


def responses(workspace: Workspace, dataset: Dataset | None, user: str) -> list[ActionResponse]:
    """The user's responses, newest first; none where the group has no dataset for them."""
    return actions.of_user(workspace, dataset, user) if dataset else []
