"""How many resources there may be: AWS's numbers (spec control-plane 2.4), enforced with the setting `aws_quotas`.

Without it the numbers are `GENEROUS` times as large, since most of AWS's have commercial reasons; what is left
guards against a client in an endless loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tailorbird import aws_texts
from tailorbird.errors import LimitExceededException
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

GENEROUS = 100
"""Not tuned: far above what one installation needs, and few enough to end a loop before it fills the disk."""
FILTER_FIELDS = 20
"""Distinct fields over all filters of a group (spec recipes-and-runtime 5.4)."""


@dataclass(frozen=True)
class Quota:
    """At most so many resources of a kind at a time."""

    kind: str
    most: int
    noun: str
    within: str | None = None
    """The member whose value they share; None: all of the region count."""
    waiting: bool = False
    """Whether only those count whose job has not ended."""


# Spec control-plane 2.4.
QUOTAS = (
    Quota("Schema", 500, "schema"),
    Quota("DatasetGroup", 5, "dataset group"),
    Quota("DatasetImportJob", 5, "dataset import job", waiting=True),
    # AWS documents no number for exports, though the operation has the error: that of imports.
    Quota("DatasetExportJob", 5, "dataset export job", waiting=True),
    Quota("BatchInferenceJob", 5, "batch inference job", waiting=True),
    Quota("BatchSegmentJob", 5, "batch segment job", waiting=True),
    Quota("SolutionVersion", 20, "solution version", waiting=True),
    Quota("DataDeletionJob", 5, "data deletion job", within="datasetGroupArn", waiting=True),
    Quota("Filter", 30, "filter", within="datasetGroupArn"),
    Quota("Solution", 10, "solution", within="datasetGroupArn"),
    Quota("Campaign", 5, "campaign", within="datasetGroupArn"),
    Quota("Recommender", 5, "recommender", within="datasetGroupArn"),
)


def check(
    workspace: Workspace, kind: str, document: Document, *, waiting: Sequence[str], not_counted: Sequence[str]
) -> None:
    """Raises LimitExceeded where one more resource of this kind would be too many.

    waiting: statuses of resources whose job has not ended. not_counted: statuses of those that take no room.
    """
    for quota in QUOTAS:
        if quota.kind != kind:
            continue
        most = quota.most if workspace.config.aws_quotas else quota.most * GENEROUS
        found = workspace.catalogue.count(
            kind,
            {quota.within: document[quota.within]} if quota.within else {},
            prefix=workspace.arn_prefix,
            statuses=waiting if quota.waiting else not_counted,
            without=not quota.waiting,
        )
        if found >= most:
            text = aws_texts.MANY_WAITING if quota.waiting else aws_texts.MANY_ACTIVE
            raise LimitExceededException(text.format(noun=quota.noun, most=most))


def check_filter_fields(workspace: Workspace, fields: int) -> None:
    """Raises LimitExceeded where the filters of a group would use too many distinct fields.

    Only with `aws_quotas`: a hundred times as many fields are more than filters can name.
    """
    if workspace.config.aws_quotas and fields > FILTER_FIELDS:
        raise LimitExceededException(
            f"The filters of the dataset group would use {fields} distinct fields; at most {FILTER_FIELDS} are allowed."
        )
