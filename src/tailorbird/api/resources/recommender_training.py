"""The weekly retraining of a recommender: a job of our own, since AWS shows none (spec recipes-and-runtime 1.5).

The recommender stays ACTIVE and answers with its old model until the new one takes its place.
"""

from __future__ import annotations

from collections.abc import Callable

from tailorbird.api import lifecycle, trainings
from tailorbird.api.lifecycle import Resource
from tailorbird.api.resources import recommender
from tailorbird.recipes.recipe import Progress
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace


def retrain(workspace: Workspace, document: Document, progress: Progress) -> Document:
    """Trains anew, then gives the recommender the new artifact; earlier retrainings go after that."""
    arn, artifact = document["recommenderArn"], document["recommenderTrainingArn"]
    trained = recommender.train(workspace, document | {"_artifact": artifact}, progress)
    _replace(workspace, arn, artifact, trained, document.get("_owner"))
    return {name: trained[name] for name in ("_metrics", "_warnings")}


@lifecycle.atomic
def _replace(workspace: Workspace, arn: str, artifact: str, trained: Document, owner: str | None) -> None:
    """Gives the recommender its new model, unless it was deleted: one of the same name may be in its place.

    owner: of the run that trained; another run of the same retraining may have begun meanwhile, and will do it itself.
    """

    def change(current: Document) -> Document | None:
        return current | trained | {"_artifact": artifact} if current["status"] not in lifecycle.DELETING else None

    # The record of the retraining goes when the recommender goes.
    record = workspace.catalogue.get(artifact)
    if record is None or record.get("_owner") != owner or workspace.catalogue.update(arn, change) is None:
        return
    for other in lifecycle.related(workspace, RESOURCE.name, recommenderArn=arn):
        if other["status"] in lifecycle.SETTLED:
            lifecycle.mark_deleted(workspace, other["recommenderTrainingArn"])


def _dispose(workspace: Workspace, document: Document) -> None:
    workspace.artifacts.remove(document["recommenderTrainingArn"])


RESOURCE = Resource(
    "RecommenderTraining",
    arn="{name}/{hexId}",
    taggable=False,
    internal=True,
    job=retrain,
    dispose=_dispose,
)


@lifecycle.atomic
def begin(workspace: Workspace, document: Document) -> None:
    """Queues a retraining of an ACTIVE recommender; raises ResourceInUse while users' data are deleted."""
    lifecycle.refuse_while(workspace, trainings.RACING, datasetGroupArn=document["datasetGroupArn"])
    members = {
        member: document[member] for member in ("name", "recommenderArn", "recipeArn", "datasetGroupArn", "_columns")
    }
    lifecycle.create(workspace, RESOURCE, members, hexId=lifecycle.hex_id())


OPERATIONS: dict[str, Callable[..., Document]] = {}
"""None: clients see the recommender only."""
