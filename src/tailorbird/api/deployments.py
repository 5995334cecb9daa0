"""From the documents of a solution version and its group to a model in use, and to a filter's mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tailorbird.api import lifecycle, lookup
from tailorbird.data import datasets
from tailorbird.data.datasets import Dataset
from tailorbird.data.schema import DATASET_TYPES
from tailorbird.data.values import IDS
from tailorbird.errors import InvalidInputException
from tailorbird.filters import syntax
from tailorbird.recipes.recipe import Influenced
from tailorbird.serving import models, recommend
from tailorbird.serving.recommend import Deployment, Mask
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

DATASETS_SECONDS = 1.0
"""How long a serving process may not notice that a group got another dataset."""

parse_filter = lru_cache(maxsize=1024)(syntax.parse)


def opened(workspace: Workspace, arn: str, group: str) -> Deployment:
    """The model kept under an artifact's ARN, with the datasets of its group; raises InvalidInput."""
    interactions, items, users = workspace.cache.get(
        "datasets",
        group,
        lambda: tuple(lookup.dataset_of(workspace, group, kind) for kind in ("INTERACTIONS", "ITEMS", "USERS")),
        DATASETS_SECONDS,
    )
    if interactions is None:
        if models.open_model(workspace, arn).recipe.needs_interactions:
            raise InvalidInputException(f"{group} has no Interactions dataset any more: create it again.")
        interactions = datasets.no_interactions(group)
    served = models.as_of_now(workspace, arn, interactions, items)
    return Deployment(
        served=served,
        interactions=interactions,
        items=items,
        users=users,
        table=lambda: models.item_table(workspace, arn, served, items),
        others=lambda others: models.others_table(workspace, arn, served, items, others),
    )


def influences(workspace: Workspace, arn: str) -> tuple[str, ...]:
    """What rankingInfluence may name for the model kept under an artifact's ARN."""
    model = models.open_model(workspace, arn).model
    return model.influences if isinstance(model, Influenced) else ()


@dataclass(frozen=True)
class ActionDatasets:
    """What a group has of actions."""

    actions: Dataset
    responses: Dataset | None


def action_datasets(workspace: Workspace, group: str) -> ActionDatasets:
    """The group's Actions dataset and that of action interactions; raises InvalidInput."""
    actions, responses = workspace.cache.get(
        "action datasets",
        group,
        lambda: tuple(lookup.dataset_of(workspace, group, kind) for kind in ("ACTIONS", "ACTION_INTERACTIONS")),
        DATASETS_SECONDS,
    )
    if actions is None:
        raise InvalidInputException(f"{group} has no Actions dataset any more: create it again.")
    return ActionDatasets(actions, responses)


def found_filter(workspace: Workspace, arn: str, group_arn: str) -> syntax.Filter:
    """The parsed expression of an ACTIVE filter of this group; raises ResourceNotFound, InvalidInput."""
    document = lifecycle.find(workspace, "Filter", arn)
    if document["status"] != lifecycle.ACTIVE:
        raise InvalidInputException(f"The filter {arn} has status {document['status']}, not ACTIVE.")
    if document["datasetGroupArn"] != group_arn:
        raise InvalidInputException(f"The filter {arn} belongs to {document['datasetGroupArn']}, not to {group_arn}.")
    parsed = parse_filter(document["filterExpression"])
    _check_fields(workspace, parsed, group_arn)
    return parsed


def _check_fields(workspace: Workspace, filter_: syntax.Filter, group: str) -> None:
    """Raises InvalidInput where a dataset that the filter asks was deleted: an EXCLUDE would exclude nothing."""
    schemas = workspace.cache.get(
        "schemas",
        group,
        lambda: {kind: found.schema for kind in DATASET_TYPES if (found := lookup.dataset_of(workspace, group, kind))},
        DATASETS_SECONDS,
    )
    for column in filter_.columns:
        schema = schemas.get(column.dataset)
        # The ids are the model's.
        if column.name not in IDS and (schema is None or schema.field(column.name) is None):
            raise InvalidInputException(
                f"The filter asks for {column}, which {group} does not have any more: "
                "create the dataset with this field again, and import its rows."
            )


def mask(
    workspace: Workspace,
    deployment: Deployment,
    filter_: syntax.Filter,
    request: Document,
    others: Sequence[str] | None = None,
) -> Mask:
    """What a filter allows for a request, by its filterValues, userId and itemId.

    others: items that the model does not know, of which to tell it instead of the model's.
    """
    values, user, item = request.get("filterValues", {}), request.get("userId"), request.get("itemId")
    return recommend.mask(workspace, deployment, filter_, values, user, item, others)
