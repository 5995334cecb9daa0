"""trainingDataConfig: which columns of a group's datasets a solution or a recommender learns from.

What it may see is settled when it is created, so that a column that a later schema brings is not learned from
(spec recipes-and-runtime 2.1). A dataset that is created later is seen whole.
"""

from __future__ import annotations

from typing import Any

from tailorbird.api import lookup
from tailorbird.data.schema import Schema
from tailorbird.errors import InvalidInputException
from tailorbird.workspace import Workspace

TYPES = ("INTERACTIONS", "ITEMS", "USERS")
ALWAYS = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE")
"""Columns without which nothing can be learned; they cannot be left out."""

Columns = dict[str, list[str]]
"""Upper-case columns by dataset type, as a document keeps them."""


def visible_columns(workspace: Workspace, group_arn: str, where: str, config: dict[str, Any]) -> Columns:
    """The columns of every dataset of the group that `config`, a trainingDataConfig, lets a training see.

    `where` is the member that holds it. Raises InvalidInput for both maps at once, an unknown dataset or column,
    and the exclusion of a column that is always learned from.
    """
    given = {member: lists for member, lists in config.items() if lists}
    if len(given) > 1:
        raise InvalidInputException(f"{where}: give {' or '.join(given)}, not both.")
    found = {kind: lookup.dataset_of(workspace, group_arn, kind) for kind in TYPES}
    schemas = {kind: each.schema for kind, each in found.items() if each is not None}
    columns = {kind: [field.name.upper() for field in schema.fields] for kind, schema in schemas.items()}
    for member, lists in given.items():
        for key, names in lists.items():
            place = f"{where}.{member}.{key}"
            kind, named = _read(place, key, names, schemas)
            if member == "includedDatasetColumns":
                columns[kind] = [name for name in columns[kind] if name in (*ALWAYS, *named)]
            elif fixed := sorted(named & set(ALWAYS)):
                raise InvalidInputException(f"{place}: {fixed[0]} cannot be excluded; leave it out of the list.")
            else:
                columns[kind] = [name for name in columns[kind] if name not in named]
    return columns


def _read(place: str, key: str, names: list[str], schemas: dict[str, Schema]) -> tuple[str, set[str]]:
    """The dataset type of one entry, and its columns in upper case."""
    kind = key.upper()
    if kind not in TYPES:
        raise InvalidInputException(f"{place}: there is no such dataset type; use {', '.join(TYPES)}.")
    if kind not in schemas:
        raise InvalidInputException(f"{place}: the dataset group has no such dataset; create it first.")
    for name in names:
        if schemas[kind].field(name) is None:
            known = ", ".join(field.name for field in schemas[kind].fields)
            raise InvalidInputException(f"{place}: the dataset has no column {name}. It has: {known}.")
    return kind, {name.upper() for name in names}
