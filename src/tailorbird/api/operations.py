"""Every operation of this server, by the name of its function: the derived ones and the written ones."""

from __future__ import annotations

from tailorbird.api import events, extensions, records, runtime, standard
from tailorbird.api.resources import OPERATIONS as WRITTEN
from tailorbird.api.resources import RESOURCES

# Jobs and solution versions have no Delete of their own (spec control-plane 3).
NOT_DELETED = (
    "DatasetImportJob",
    "DatasetExportJob",
    "DataDeletionJob",
    "SolutionVersion",
    "BatchInferenceJob",
    "BatchSegmentJob",
)


def _derived() -> dict[str, standard.Operation]:
    table: dict[str, standard.Operation] = {}
    for resource in RESOURCES.values():
        if not resource.internal:
            table |= standard.operations(resource, deletable=resource.name not in NOT_DELETED)
    return table | standard.tag_operations(RESOURCES)


OPERATIONS: dict[str, standard.Operation] = {
    **_derived(),
    **WRITTEN,
    **events.OPERATIONS,
    **records.OPERATIONS,
    **runtime.OPERATIONS,
    **extensions.OPERATIONS,
}
