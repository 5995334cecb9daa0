"""What the server does by itself as time passes, by the workspace's clock (spec recipes-and-runtime 2.2).

Automatic training of solutions and recommenders, and campaigns in step with their solution; the two-hour update is in
`updates.py`. Several servers may take a step at once: the first one wins.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tailorbird.api import lifecycle, lookup, solution_config, trainings
from tailorbird.api.due import beyond, is_due
from tailorbird.api.lifecycle import ACTIVE, UNFINISHED
from tailorbird.api.resources import campaign, recommender_training, solution_version
from tailorbird.data.clocks import DAY
from tailorbird.recipes import RECIPES
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

FIRST_TRAINING = 3300.0
"""Seconds after which a solution without a version gets its first: within the hour that AWS names, and late in it."""
RECHECK = 60.0
"""Seconds until a solution is looked at again that was due and could not be trained, or had no new data: for rates of
days a minute is soon."""
RECOMMENDER_DAYS = 7
"""Between two trainings (spec recipes-and-runtime 1.5)."""


def tick(workspace: Workspace) -> None:
    """One look at everything that may be due, in all regions; what cannot be done is tried again later."""
    tasks: tuple[tuple[str, Callable[[Workspace, Document], None]], ...] = (
        ("Solution", _train),
        ("Recommender", _retrain),
        ("Campaign", _sync_campaign),
    )
    for kind, task in tasks:
        for _, document in workspace.catalogue.select(kind, failed=workspace.faults.failed):
            if document["status"] != ACTIVE or document.get("_changes"):
                continue
            arn = lifecycle.own_arn(kind, document)
            workspace.faults.attempt(f"schedule of {arn}", partial(task, workspace.at_arn(arn), document))


def _train(workspace: Workspace, document: Document) -> None:
    """Begins an automatic training if one is due and there is something new to learn."""
    now, arn = workspace.clock(), document["solutionArn"]
    looked = document.get("_lookAgain") or 0.0
    length = looked - (document.get("_lookedAt") or looked)
    if not document["performAutoTraining"] or not is_due(looked, length, now):
        return
    versions = lifecycle.related(
        workspace, solution_version.RESOURCE.name, solutionArn=arn, trainingMode=trainings.FULL
    )
    due, length = _training_due(document, versions, now)
    ripe = is_due(due, length, now)
    ready = ripe and _has_news(workspace, document, versions)
    again = now + RECHECK if ripe else due

    def change(current: Document) -> Document | None:
        same = (current.get("_lookAgain") or 0.0) == looked
        return current | {"_lookAgain": again, "_lookedAt": now} if same else None

    if workspace.catalogue.update(arn, change) is not None and ready:
        solution_version.begin(workspace, {"solutionArn": arn}, "AUTOMATIC")


def _retrain(workspace: Workspace, document: Document) -> None:
    """Begins the weekly retraining of a recommender, if there is something new to learn."""
    now, arn = workspace.clock(), document["recommenderArn"]
    last = document.get("_trainedAt") or document["creationDateTime"]
    week = float(RECOMMENDER_DAYS * DAY)
    if not is_due(last + week, week, now) or not _has_news(workspace, document, [document]):
        return

    def change(current: Document) -> Document | None:
        same = (current.get("_trainedAt") or current["creationDateTime"]) == last
        return current | {"_trainedAt": now} if same else None

    if workspace.catalogue.update(arn, change) is not None:
        recommender_training.begin(workspace, document)


def _training_due(document: Document, versions: list[Document], now: float) -> tuple[float, float]:
    """When the next automatic training is due, and how long after what it is counted from.

    That is the start of the newest one, or the setting of a new rate; not what a clock that was ahead has set.
    """
    if not versions:
        return float(document["creationDateTime"]) + FIRST_TRAINING, FIRST_TRAINING
    length = solution_config.training_days(document["solutionConfig"]) * DAY
    starts = (float(versions[-1]["creationDateTime"]), float(document.get("_scheduledFrom", 0.0)))
    start = max((start for start in starts if start <= beyond(0.0, now)), default=0.0)
    return start + length, length


def _has_news(workspace: Workspace, document: Document, versions: list[Document]) -> bool:
    """Whether interactions came after the newest of the trainings `versions`, and nothing stands in the way of another.

    A training that is under way does, and so does a deletion of users' data. For a recipe that does without
    interactions, items are news as well.
    """
    group = document["datasetGroupArn"]
    if any(version["status"] in UNFINISHED for version in versions):
        return False
    if lifecycle.unfinished(workspace, trainings.RACING, datasetGroupArn=group):
        return False
    seen = versions[-1].get("_data") if versions else None
    now = trainings.data_stamp(workspace, group)
    if seen is None or seen.get("INTERACTIONS") != now.get("INTERACTIONS"):
        return True
    recipe = RECIPES.get(document["recipeArn"].rpartition("/")[2])
    return recipe is not None and not recipe.needs_interactions and seen != now


def _sync_campaign(workspace: Workspace, document: Document) -> None:
    """Updates a campaign with syncWithLatestSolutionVersion to the newest version."""
    if not document.get("campaignConfig", {}).get(campaign.SYNC):
        return
    version = lookup.newest_version(workspace, document["solutionArn"])
    if version is not None and version["solutionVersionArn"] != document["solutionVersionArn"]:
        campaign.begin_update(
            workspace, document, {member: document.get(member) for member in campaign.SERVED}, version
        )
