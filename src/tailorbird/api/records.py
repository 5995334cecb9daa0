"""PutItems, PutUsers, PutActions: single records, each replacing the whole record of its id (spec control-plane 6)."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from tailorbird.api import lifecycle, lookup, properties, recording
from tailorbird.api.recording import lasting
from tailorbird.data.datasets import Dataset
from tailorbird.data.null_words import is_null_name
from tailorbird.errors import InvalidInputException
from tailorbird.storage.live import Event
from tailorbird.workspace import Workspace


def _put(kind: str, listed: str, id_member: str, workspace: Workspace, request: dict[str, Any]) -> None:
    """Keeps the records, all or none; the next answer's filter and the next training see them.

    Raises ResourceNotFound, ResourceInUse, and InvalidInput for a dataset of another type, a property that is no
    column and a required one that is missing.
    """
    arn = request["datasetArn"]
    target = recording.found(workspace, arn, lambda: _dataset(workspace, arn))
    if target.schema.dataset_type != kind:
        raise InvalidInputException(f"{arn} is a dataset of type {target.schema.dataset_type}, not {kind}.")
    now = int(workspace.clock())
    events = [
        Event(record[id_member], "", now, _row(target, record, id_member, f"{listed}[{i}]"), secrets.token_hex(16))
        for i, record in enumerate(request[listed])
    ]
    for text in recording.oddities(target, "records", events):
        recording.tell(workspace, target, text)
    recording.append(workspace, target, events)


def _dataset(workspace: Workspace, arn: str) -> Dataset:
    return lookup.dataset(workspace, lifecycle.active(workspace, "Dataset", arn))


def _row(target: Dataset, record: dict[str, Any], id_member: str, where: str) -> dict[str, Any]:
    fields = {properties.plain(field.name): field for field in target.schema.fields}
    values, others = properties.read(record.get("properties"), f"{where}.properties", fields)
    if others:
        columns = ", ".join(field.name for field in target.schema.fields)
        raise InvalidInputException(
            f"{where}.properties: {next(iter(others))} is no column of the dataset, which has {columns}."
        )
    if is_null_name(record[id_member]):
        raise InvalidInputException(
            f"{where}.{id_member} is {record[id_member]!r}, a word for no value: give the id, or leave it out."
        )
    inside = values.get(id_member.lower())
    if inside is not None and str(inside) != record[id_member]:
        raise InvalidInputException(
            f"{where}.properties names another {id_member} than {where}.{id_member}: leave it out of properties."
        )
    values[id_member.lower()] = record[id_member]
    row = properties.row(target.schema.fields, values, where)
    for field in target.schema.fields:
        if row[field.name.upper()] is None and not field.nullable:
            raise InvalidInputException(
                f"{where}.properties: {field.name} is missing; a record is replaced as a whole, and the schema allows "
                f"no null there."
            )
    return row


OPERATIONS = {
    "put_items": lasting(partial(_put, "ITEMS", "items", "itemId")),
    "put_users": lasting(partial(_put, "USERS", "users", "userId")),
    "put_actions": lasting(partial(_put, "ACTIONS", "actions", "actionId")),
}
