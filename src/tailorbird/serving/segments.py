"""From an item, or attributes of items, to a segment: the users most likely to interact (spec 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data import population
from tailorbird.data.datasets import latest_records
from tailorbird.data.population import Population
from tailorbird.errors import InvalidInputException
from tailorbird.filters import evaluate, item_attributes, syntax
from tailorbird.filters import values as filter_values
from tailorbird.filters.evaluate import MetadataTable
from tailorbird.recipes import affinity
from tailorbird.serving.questions import Deployment
from tailorbird.serving.scores import Mask
from tailorbird.workspace import Workspace


@dataclass(frozen=True)
class Audience:
    """A model in use and all users as they are when the job begins."""

    deployment: Deployment
    population: Population
    table: MetadataTable
    """The newest metadata of the users, for filters."""


def audience(workspace: Workspace, deployment: Deployment) -> Audience:
    """Reads all users and what they did, recorded events included."""
    served = deployment.served
    found = population.gather(workspace, deployment.interactions, served.model.items, served.events)
    ids = found.interactions.users.tolist()
    if deployment.users is None:
        return Audience(deployment, found, MetadataTable(ids, {}))
    rows = latest_records(workspace, deployment.users, "USER_ID")
    joined = pl.DataFrame({"USER_ID": ids}, schema={"USER_ID": pl.String}).join(
        rows, on="USER_ID", how="left", maintain_order="left"
    )
    columns = {name: joined[name].to_list() for name in joined.columns if name != "USER_ID"}
    return Audience(deployment, found, MetadataTable(ids, columns, deployment.users.schema.categories))


def of_item(audience: Audience, item: str) -> NDArray[np.int32]:
    """The target that an item is; raises InvalidInput for one that the model does not know."""
    number = audience.deployment.served.numbers.get(item)
    if number is None:
        raise InvalidInputException(
            f"itemId {item!r} was not among the items of the training: train again, or correct it."
        )
    return np.array([number], np.int32)


def of_attributes(audience: Audience, text: str) -> NDArray[np.int32]:
    """The target of all items with certain attributes; raises InvalidInput where there is none."""
    items = audience.deployment.items
    if items is None:
        raise InvalidInputException("itemAttributes: the dataset group has no Items dataset any more.")
    conditions = item_attributes.parse(text, items.schema)
    mask = item_attributes.evaluate(conditions, audience.deployment.table)
    if not mask.any():
        advice = item_attributes.parted(conditions)
        raise InvalidInputException(f"itemAttributes: no item of the training has {text}.{advice}")
    return np.flatnonzero(mask).astype(np.int32)


TARGETS = {"itemId": of_item, "itemAttributes": of_attributes}
"""From the member of a line to the items that it stands for."""


def mask(audience: Audience, filter_: syntax.Filter, values: dict[str, str]) -> Mask:
    """Which users the filter allows; raises InvalidInput."""
    everyone = evaluate.User({}, audience.population.having)
    given = filter_values.read(filter_, values, audience.table, everyone)
    return evaluate.evaluate(filter_, audience.table, given, everyone, None)


def top(
    audience: Audience, targets: Sequence[NDArray[np.int32]], allowed: Sequence[Mask | None], count: int
) -> list[list[str]]:
    """For each target the ids of the `count` most likely allowed users, most likely first."""
    interactions = audience.population.interactions
    scores = affinity.expected(audience.deployment.served.model, interactions, targets)
    segments = []
    for row, mask in zip(scores, allowed, strict=True):
        if mask is not None:
            row[~mask] = 0
        best = np.argsort(-row, kind="stable")[: min(count, np.count_nonzero(row))]
        segments.append(interactions.users[best].tolist())
    return segments
