"""The two-hour update: new items, and how often users were exposed to each, count without a training.

No version comes of it and no metrics change: a pool is put beside the model's files (`storage/artifacts.py`).
Only the newest version of a solution takes updates, and only if it is a FULL one (spec recipes-and-runtime 2.2).
"""

from __future__ import annotations

from functools import partial

from tailorbird.api import lifecycle, lookup, trainings
from tailorbird.api.due import is_due
from tailorbird.api.lifecycle import ACTIVE
from tailorbird.serving import models
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

EVERY = 7200.0
"""Seconds (spec recipes-and-runtime 2.2, "Automatic update")."""


def due(workspace: Workspace) -> list[str]:
    """The ARNs of the deployed models that must be updated now, in all regions.

    Whoever asks must do it: another look at each comes after `EVERY` seconds, whether there were news or not.
    """
    claimed: list[str] = []
    for document in _in_service(workspace):
        arn = _own_arn(document)
        workspace.faults.attempt(f"update of {arn}", partial(_claim, workspace.at_arn(arn), document, claimed))
    return claimed


def update(workspace: Workspace, document: Document) -> None:
    """Brings the model of a solution version or recommender up to date, if data are new to it."""
    stamp = trainings.data_stamp(workspace, document["datasetGroupArn"])
    if not _is_news(document, stamp):
        return
    served = models.open_model(workspace, _artifact(document))
    trainings.add_pool(workspace, served.pools, document, served)
    artifact = _artifact(document)

    def change(current: Document) -> Document | None:
        # A recommender of the same name may have taken the place of this one.
        return current | {"_updatedData": stamp} if _artifact(current) == artifact else None

    workspace.catalogue.update(_own_arn(document), change)


def takes_updates(workspace: Workspace, document: Document) -> bool:
    """Whether the model of a solution version or recommender is one that is kept up to date."""
    if "_artifact" in document:
        return "AUTOMATIC" in lookup.use_case(document["recipeArn"]).recipe.updates
    newest = lookup.newest_version(workspace, document["solutionArn"])
    return (
        "AUTOMATIC" in lookup.recipe(document["recipeArn"]).updates
        and document["trainingMode"] == trainings.FULL
        and newest is not None
        and newest["solutionVersionArn"] == document["solutionVersionArn"]
    )


def _in_service(workspace: Workspace) -> list[Document]:
    """The recommenders, and the solution versions of campaigns, that are ACTIVE."""
    failed = workspace.faults.failed
    campaigns = (each for _, each in workspace.catalogue.select("Campaign", failed=failed) if each["status"] == ACTIVE)
    deployed = {each["solutionVersionArn"] for each in campaigns}
    recommenders = (document for _, document in workspace.catalogue.select("Recommender", failed=failed))
    found = (*(_read(workspace, arn) for arn in deployed), *recommenders)
    return [document for document in found if document and document["status"] == ACTIVE]


def _read(workspace: Workspace, arn: str) -> Document | None:
    """The document of an ARN, if it can be read."""
    try:
        return workspace.catalogue.get(arn)
    except Exception as error:
        workspace.faults.failed(arn, error)
        return None


def _claim(workspace: Workspace, document: Document, claimed: list[str]) -> None:
    """Adds the model's ARN to `claimed` if it is due and there is news, provided no other server was faster."""
    last = float(document.get("_updatedAt") or document["lastUpdatedDateTime"])
    if not is_due(last + EVERY, EVERY, workspace.clock()) or not takes_updates(workspace, document):
        return

    def change(current: Document) -> Document | None:
        same = (current.get("_updatedAt") or current["lastUpdatedDateTime"]) == last
        return current | {"_updatedAt": workspace.clock()} if same else None

    news = _is_news(document, trainings.data_stamp(workspace, document["datasetGroupArn"]))
    if workspace.catalogue.update(_own_arn(document), change) is not None and news:
        claimed.append(_own_arn(document))


def _is_news(document: Document, stamp: Document) -> bool:
    # A deleted dataset is none: where there are no interactions there is nothing to be taken up.
    return "INTERACTIONS" in stamp and stamp not in (document.get("_updatedData"), document["_data"])


def _artifact(document: Document) -> str:
    return str(document.get("_artifact") or document["solutionVersionArn"])


def _own_arn(document: Document) -> str:
    return lifecycle.own_arn("Recommender" if "_artifact" in document else "SolutionVersion", document)
