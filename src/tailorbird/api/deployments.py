"""A campaign or recommender, resolved: its document to the recipe, the model, the datasets, the filters, the rules.

This is the one place that does it; requests and batch jobs ask here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from typing import Any

from tailorbird.api import lifecycle, lookup, serving_config
from tailorbird.data import datasets
from tailorbird.data.datasets import Dataset
from tailorbird.data.values import IDS
from tailorbird.errors import InvalidInputException
from tailorbird.filters import syntax
from tailorbird.recipes.recipe import InfluencedModel, Recipe
from tailorbird.recipes.recipe_types import RecipeType
from tailorbird.serving import exploration, models
from tailorbird.serving.exploration import Exploration
from tailorbird.serving.models import ServedModel
from tailorbird.serving.questions import Deployment
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

log = logging.getLogger(__name__)

AT_HAND_ITEMS = 20_000
"""Items of a catalogue about which the event loop answers: the first mask of a filter takes 2.4 ms for 10,000, 20 ms
for 100,000, and other requests wait."""
SEGMENTS = "BatchSegmentJob"
"""What recipes of segments are asked by."""
KEPT = 1000
"""Targets in memory, of some kilobytes each: ten times what AWS's quotas allow a region."""

parse_filter = lru_cache(maxsize=1024)(syntax.parse)  # AWS allows a region 150 filters (spec control-plane 2.4)


@dataclass(frozen=True)
class Group:
    """A dataset group's datasets and filters; each is looked up when it is first asked for, and only then."""

    arn: str
    dataset: Callable[[str], Dataset | None]
    """From a type, in upper case, to the dataset with its schema, if there is one."""
    read_filter: Callable[[str], syntax.Filter]
    filters: dict[str, syntax.Filter] = field(default_factory=dict, compare=False)
    """Those that were asked for, by their ARNs."""

    def filter(self, arn: str) -> syntax.Filter:
        """The checked expression of an ACTIVE filter; raises ResourceNotFound, InvalidInput."""
        found = self.filters.get(arn)
        if found is None:
            found = self.filters[arn] = self.read_filter(arn)
        return found


@dataclass(frozen=True)
class Target:
    """A campaign or recommender that is asked: what answers, and what its recipe and configuration allow."""

    arn: str
    name: str
    """Of the recipe, for messages."""
    recipe_type: RecipeType
    artifact: str
    """ARN under which the model is kept."""
    group: Group
    required: tuple[str, ...]
    """Members that a request must have."""
    metadata: bool
    explores: Exploration | None = None
    """How GetRecommendations explores, where it does."""
    promotes: bool = True
    shows_scores: bool = True
    automatic_filter: syntax.Filter | None = None
    """What holds for every request."""
    influence: Mapping[str, float] = field(default_factory=dict)
    """The campaign's rankingInfluence."""


def target(workspace: Workspace, request: dict[str, Any]) -> Target:
    """What the request's campaignArn or recommenderArn names, provided it is in service.

    A known one costs a look at the catalogue's version and no document. No answer can be stale: the version is read
    before the documents, so that one of them that changes later, in whatever process, changes the version too, and
    the next request resolves anew. What a group looks up later is no older than that. The model is not kept here but
    asked for by each request (`deployment_of`), since pools, trends and items move on without a document.
    """
    kind, arn = _asked(request)
    resolve = _campaign if kind == "Campaign" else _recommender
    return workspace.cache.get(
        "target",
        (workspace.region, kind, arn),
        lambda: resolve(workspace, _in_service(workspace, kind, arn)),
        version=_version(workspace),
        kept=KEPT,
    )


def _version(workspace: Workspace) -> Hashable:
    """Of all documents, and of which datasets have a table, since no document tells when one gets lost."""
    return workspace.catalogue.version(), workspace.tables.changed()


def _asked(request: dict[str, Any]) -> tuple[str, str]:
    """The kind of resource that is asked, and its ARN; raises InvalidInput."""
    if ("campaignArn" in request) == ("recommenderArn" in request):
        raise InvalidInputException("Give either campaignArn or recommenderArn, one of the two.")
    if "campaignArn" in request:
        return "Campaign", request["campaignArn"]
    return "Recommender", request["recommenderArn"]


def in_memory(workspace: Workspace, request: dict[str, Any]) -> tuple[Target, Deployment] | None:
    """What is asked, if neither a document nor a model has to be read for it, and the catalogue is small."""
    key = workspace.region, *_asked(request)
    found: Target | None = workspace.cache.peek("target", key, _version(workspace))
    served = models.in_memory(workspace, found.artifact) if found is not None else None
    if found is None or served is None or len(served.model.items) > AT_HAND_ITEMS:
        return None
    return found, _deployment(workspace, found.artifact, found.group, served)


def _in_service(workspace: Workspace, kind: str, arn: str) -> Document:
    document = lifecycle.find(workspace, kind, arn)
    if document["status"] != lifecycle.ACTIVE:
        raise InvalidInputException(
            f"The {lifecycle.words(kind)} {arn} has status {document['status']}; it answers while ACTIVE."
        )
    return document


def _campaign(workspace: Workspace, document: Document) -> Target:
    artifact = document["solutionVersionArn"]
    version = workspace.catalogue.get(artifact)
    if version is None:
        raise lifecycle.not_found("SolutionVersion", artifact)
    recipe, config = models.open_model(workspace, artifact).recipe, document.get("campaignConfig", {})
    return Target(
        arn=document["campaignArn"],
        name=recipe.name,
        recipe_type=recipe.recipe_type,
        artifact=artifact,
        group=group(workspace, version["datasetGroupArn"]),
        required=recipe.recipe_type.required,
        metadata=recipe.shows_metadata or config.get("enableMetadataWithRecommendations", False),
        influence=config.get("rankingInfluence", {}),
        explores=_exploration(recipe, config),
    )


def _exploration(recipe: Recipe, config: dict[str, Any]) -> Exploration | None:
    """As the configuration says; of recipes that it has no say in, as the service does."""
    if recipe.explores:
        return serving_config.exploration(config)
    return exploration.MANAGED if "AUTOMATIC" in recipe.updates else None


def _recommender(workspace: Workspace, document: Document) -> Target:
    case = lookup.use_case(document["recipeArn"])
    config, here = document.get("recommenderConfig", {}), group(workspace, document["datasetGroupArn"])
    automatic = parse_filter(case.filter_expression) if case.filter_expression is not None else None
    if automatic is not None:
        _check_columns(automatic, here.arn, here.dataset)
    return Target(
        arn=document["recommenderArn"],
        name=case.name,
        recipe_type=case.recipe_type,
        artifact=document["_artifact"],
        group=here,
        required=case.required,
        metadata=config.get("enableMetadataWithRecommendations", False),
        explores=serving_config.exploration(config) if case.recipe.explores else None,
        promotes=case.promotes,
        shows_scores=False,
        automatic_filter=automatic,
    )


def group(workspace: Workspace, arn: str) -> Group:
    """The dataset group of an ARN; its own document is not looked at."""
    dataset = cache(partial(lookup.dataset_of, workspace, arn))
    return Group(arn, dataset, partial(_filter, workspace, arn, dataset))


def _filter(workspace: Workspace, group_arn: str, dataset: Callable[[str], Dataset | None], arn: str) -> syntax.Filter:
    """See `Group.filter`."""
    document = lifecycle.find(workspace, "Filter", arn)
    if document["status"] != lifecycle.ACTIVE:
        raise InvalidInputException(f"The filter {arn} has status {document['status']}, not ACTIVE.")
    if document["datasetGroupArn"] != group_arn:
        raise InvalidInputException(f"The filter {arn} belongs to {document['datasetGroupArn']}, not to {group_arn}.")
    parsed = parse_filter(document["filterExpression"])
    _check_columns(parsed, group_arn, dataset)
    return parsed


def _check_columns(filter_: syntax.Filter, group_arn: str, dataset: Callable[[str], Dataset | None]) -> None:
    """Raises InvalidInput where a dataset or column is gone since the filter was made: an EXCLUDE would do nothing."""
    for column in filter_.columns:
        if column.name in IDS:  # the model's
            continue
        found = dataset(column.dataset)
        if found is None or found.schema.field(column.name) is None:
            raise InvalidInputException(
                f"The filter asks for {column}, which {group_arn} does not have any more: "
                "create the dataset with this field again, and import its rows."
            )


def deployment_of(workspace: Workspace, artifact: str, group: Group) -> Deployment:
    """The model kept under an artifact's ARN, as of now, with the datasets of its group; raises InvalidInput."""
    served = models.as_of_now(workspace, artifact, _interactions(workspace, artifact, group), group.dataset("ITEMS"))
    return _deployment(workspace, artifact, group, served)


def _deployment(workspace: Workspace, artifact: str, group: Group, served: ServedModel) -> Deployment:
    interactions = _interactions(workspace, artifact, group)
    return Deployment(workspace, artifact, served, interactions, group.dataset("ITEMS"), group.dataset("USERS"))


def _interactions(workspace: Workspace, artifact: str, group: Group) -> Dataset:
    """The dataset, which may be gone: a model goes on with the users' histories that it was trained on."""
    found = group.dataset("INTERACTIONS")
    if found is None and models.open_model(workspace, artifact).recipe.recipe_type.batch_job == SEGMENTS:
        raise InvalidInputException(
            f"{group.arn} has no Interactions dataset any more, whose users segments are made of: create it again, "
            "and import its rows."
        )
    return found or datasets.no_interactions(group.arn)


def actions_of(group: Group) -> Dataset:
    """The group's Actions dataset; raises InvalidInput."""
    actions = group.dataset("ACTIONS")
    if actions is None:
        raise InvalidInputException(
            f"{group.arn} has no Actions dataset any more, whose records say which actions may be offered, until when "
            "and how often: create it again, and import its rows or put its actions."
        )
    return actions


def influences(workspace: Workspace, artifact: str) -> tuple[str, ...]:
    """What rankingInfluence may name for the model kept under an artifact's ARN."""
    model = models.open_model(workspace, artifact).model
    return model.influences if isinstance(model, InfluencedModel) else ()


def tell_unfiltered(workspace: Workspace, arn: str, what: str) -> None:
    """Logs that values for a filter are given and no filter, once for each of what is asked: nothing is filtered."""
    if workspace.cache.is_first(("unfiltered", arn)):
        log.warning(f"{what}: nothing is filtered", extra={"of": arn})


def tell_unknown(workspace: Workspace, arn: str) -> None:
    """Logs that a whole list to be ranked is unknown to the model, once for each of what is asked: it is not ranked."""
    if workspace.cache.is_first(("unknown", arn)):
        log.warning("the model knows no item of an inputList: such a list keeps its order", extra={"of": arn})
