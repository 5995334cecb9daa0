"""Batch inference jobs: JSON lines in, JSON lines out (spec recipes-and-runtime 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tailorbird.api import batch, deployments, lifecycle, lookup, runtime, serving_config, updates
from tailorbird.api.lifecycle import Resource
from tailorbird.errors import InvalidInputException
from tailorbird.filters import syntax
from tailorbird.recipes import recipe_names
from tailorbird.recipes.recipe import SCORES_AT_ONCE, Recipe, ThematicModel
from tailorbird.serving import named_items, questions, ranked_items, themes
from tailorbird.serving.exploration import Exploration
from tailorbird.serving.questions import Deployment, FilterQuestion
from tailorbird.serving.scores import Scores
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

LINES_AT_ONCE = 64
"""At most, and fewer of a large catalogue (`SCORES_AT_ONCE`): a line takes 0.8 ms by itself, 0.25 among 16 and 0.2
among 64 to 2048 (user-personalization, MovieLens 100K)."""
THEMES = "THEME_GENERATION"
MOST_THEMES = 100
"""Input lines of a job that makes themes (spec recipes-and-runtime 6.2)."""


def infer(workspace: Workspace, document: Document, progress: Callable[[float, str], None]) -> Document:
    """Answers every line of every input file; a line that cannot be answered gets its `error`."""
    version = lookup.trained_version(workspace, document["solutionVersionArn"])
    if lookup.recipe(version["recipeArn"]).explores and updates.takes_updates(workspace, version):
        updates.update(workspace, version)
    items = len(batch.target_of(workspace, document).deployment.served.model.items)
    lines_at_once = int(np.clip(SCORES_AT_ONCE // max(1, items), 1, LINES_AT_ONCE))
    if document["batchInferenceJobMode"] != THEMES:
        return batch.run(workspace, document, _answering, lines_at_once, progress, helped=True)
    return batch.run(workspace, document, _answering_themed, lines_at_once, progress, MOST_THEMES)


def _answering(workspace: Workspace, document: Document) -> batch.Answered:
    asked, config = batch.target_of(workspace, document), document.get("batchInferenceJobConfig", {})
    explores = serving_config.exploration(config) if asked.deployment.served.recipe.explores else None
    return partial(_answers, workspace, asked, config.get("rankingInfluence", {}), document["numResults"], explores)


def _answering_themed(workspace: Workspace, document: Document) -> batch.Answered:
    deployment = batch.target_of(workspace, document).deployment
    assert deployment.items is not None, "creation has looked for the column of the items' names"
    known = themes.key_words_of(deployment.table, deployment.items.schema, _name_column(document))
    return partial(_themed, deployment, known, _answering(workspace, document))


def _answers(
    workspace: Workspace,
    target: batch.BatchTarget,
    influence: dict[str, float],
    count: int,
    explores: Exploration | None,
    lines: list[bytes],
) -> list[Document]:
    """One answer a line, in the order of the lines; scored together."""
    deployment, filter_ = target.deployment, target.filter
    ranks = "itemList" in deployment.served.recipe.recipe_type.line

    def prepare(request: Document) -> tuple[Any, list[str], Any, Any]:
        question = questions.query(deployment, request.get("userId"), request.get("itemId"))
        question = replace(question, influence=influence)
        items = request["itemList"] if ranks else []
        named_items.check(deployment, "itemList", items)
        if filter_ is None:
            return question, items, None, None
        others = deployment.served.unknown(items)
        values = request.get("filterValues", {})
        asked = FilterQuestion(filter_, values, request.get("userId"), request.get("itemId"))
        return (
            question,
            items,
            questions.mask(deployment, asked),
            questions.mask(deployment, asked, others) if others else None,
        )

    answers, waiting = batch.open_lines(lines, deployment.served.recipe.recipe_type.line, prepare, filter_)
    scores = deployment.served.model.score([question for _, (question, *_) in waiting]) if waiting else ()
    rows = map(Scores, scores)
    for (answer, (_, items, allowed, others_allowed)), row in zip(waiting, rows, strict=True):
        if ranks:
            ranking = ranked_items.reorder(deployment.served, row, items, allowed, others_allowed)
        else:
            ranking = ranked_items.top(deployment.served, row, allowed, count, explores)
        answer["output"] = {"recommendedItems": [each.item for each in ranking.items]}
        if deployment.served.recipe.recipe_type.scores:
            answer["output"]["scores"] = [each.score for each in ranking.items]
        if deployment.served.recipe.candidates:
            answer["output"]["reasons"] = [each.reason or [] for each in ranking.items]
    return answers


def _themed(
    deployment: Deployment,
    known: themes.ItemKeyWords,
    answered: Callable[[list[bytes]], list[Document]],
    lines: list[bytes],
) -> list[Document]:
    """Has the lines answered, then names what each answer's items have in common and orders them by it."""
    model, numbers = deployment.served.model, deployment.served.numbers
    assert isinstance(model, ThematicModel), "creation refuses other recipes"
    answers = answered(lines)
    for output in (answer["output"] for answer in answers if answer["output"]):
        theme, ranked = themes.theme_of(model, known, [numbers[item] for item in output["recommendedItems"]])
        output["recommendedItems"] = [str(model.items[number]) for number, _ in ranked]
        output["theme"] = theme
        output["itemsThemeRelevanceScores"] = [relevance for _, relevance in ranked]
    return answers


RESOURCE = Resource(
    "BatchInferenceJob",
    arn="{jobName}",
    deletable=False,
    parents=("SolutionVersion",),
    job=infer,
)


def create_batch_inference_job(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The paths are looked at by the job; what is wrong with them shows as its failureReason."""
    mode = request.get("batchInferenceJobMode", "BATCH_INFERENCE")
    if not 1 <= request.get("numResults", runtime.DEFAULT_RESULTS) <= runtime.MOST_RESULTS:
        raise InvalidInputException(f"numResults must be 1 to {runtime.MOST_RESULTS}.")
    version = lookup.trained_version(workspace, request["solutionVersionArn"])
    recipe = lookup.recipe(version["recipeArn"])
    if recipe.recipe_type.batch_job != RESOURCE.name:
        raise InvalidInputException(
            f"{recipe.name} does no batch inference; ask a campaign, or make a batch segment job of an affinity recipe."
        )
    if mode != THEMES and "themeGenerationConfig" in request:
        raise InvalidInputException(
            f"themeGenerationConfig is for batchInferenceJobMode {THEMES}: give this mode, or leave the config out."
        )
    if mode == THEMES:
        _check_themes(workspace, request, recipe, version)
    config = request.get("batchInferenceJobConfig", {})
    influences = deployments.influences(workspace, version["solutionVersionArn"])
    serving_config.check("batchInferenceJobConfig", config, recipe.name, recipe.explores, influences)
    if "filterArn" in request:
        group = deployments.group(workspace, version["datasetGroupArn"])
        _check_filter(group.filter(request["filterArn"]), recipe)
    defaults = {"numResults": runtime.DEFAULT_RESULTS, "batchInferenceJobMode": mode}
    return lifecycle.create(workspace, RESOURCE, defaults | request, solutionArn=version["solutionArn"])


def _check_filter(filter_: syntax.Filter, recipe: Recipe) -> None:
    """Raises InvalidInput for a filter that no line of the job could use (spec 5.2)."""
    questions.check_target(filter_)
    if filter_.needs_current_item and "itemId" not in recipe.recipe_type.line:
        raise InvalidInputException(f"The filter uses CurrentItem; lines for {recipe.name} are about no item.")


def _name_column(document: Document) -> str:
    return str(document.get("themeGenerationConfig", {}).get("fieldsForThemeGeneration", {}).get("itemName", ""))


def _check_themes(workspace: Workspace, request: dict[str, Any], recipe: Recipe, version: Document) -> None:
    """Raises InvalidInput where there is nothing that a theme could be made of (spec recipes-and-runtime 6.2)."""
    if not recipe.makes_themes:
        able = recipe_names(lambda each: each.makes_themes)
        raise InvalidInputException(f"batchInferenceJobMode {THEMES} is for {able}, not for {recipe.name}.")
    items = lookup.dataset_of(workspace, version["datasetGroupArn"], "ITEMS")
    if items is None or not any(field.textual for field in items.schema.fields):
        raise InvalidInputException(f"batchInferenceJobMode {THEMES} needs an Items dataset with a textual column.")
    name = _name_column(request)
    field = items.schema.field(name)
    if field is None or field.type != "string":
        raise InvalidInputException(
            "themeGenerationConfig.fieldsForThemeGeneration.itemName must name the string column of the Items schema "
            f"that holds the items' names; given: {name!r}."
        )


OPERATIONS = {"create_batch_inference_job": create_batch_inference_job}
