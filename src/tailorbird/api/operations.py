"""Every operation of this server, by the name of its function: the derived ones and the written ones."""

from __future__ import annotations

from tailorbird.api import events, extensions, records, runtime, standard
from tailorbird.api.resources import OPERATIONS as WRITTEN
from tailorbird.api.resources import RESOURCES


def _derived() -> dict[str, standard.Operation]:
    table: dict[str, standard.Operation] = {}
    for resource in RESOURCES.values():
        if not resource.internal:
            table |= standard.operations(resource)
    return table | standard.tag_operations(RESOURCES)


OPERATIONS: dict[str, standard.Operation] = {
    **_derived(),
    **WRITTEN,
    **events.OPERATIONS,
    **records.OPERATIONS,
    **runtime.OPERATIONS,
    **extensions.OPERATIONS,
}
