"""From what a document names to the thing itself: a dataset with its schema, a recipe, a solution version.

Whoever asks for one of these does it here, below all operations, jobs and resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from tailorbird import aws_texts
from tailorbird.api import lifecycle
from tailorbird.data import schema as avro
from tailorbird.data.datasets import Dataset
from tailorbird.errors import InvalidInputException, ResourceNotFoundException
from tailorbird.recipes import RECIPES
from tailorbird.recipes.recipe import Recipe
from tailorbird.recipes.use_cases import USE_CASES, UseCase
from tailorbird.storage.catalogue import Document
from tailorbird.storage.manifests import key_of
from tailorbird.workspace import Workspace

T = TypeVar("T")

RECIPE = "arn:aws:personalize:::recipe/"
"""What the ARNs of recipes and use cases begin with; they belong to the service, not to an account."""


def recipe(arn: str) -> Recipe:
    """The recipe of an ARN; raises InvalidInput for another kind of ARN and for a use case, ResourceNotFound."""
    name = name_of(arn, RECIPE, "recipe")
    if name in USE_CASES:
        raise InvalidInputException(f"{name} is a use case of the domain {USE_CASES[name].domain}: CreateRecommender.")
    return known(RECIPES, name, arn)


def use_case(arn: str) -> UseCase:
    """The domain use case of a recipe's ARN; raises InvalidInput for other recipes, ResourceNotFound."""
    name = name_of(arn, RECIPE, "recipe")
    if name in RECIPES:
        raise InvalidInputException(f"{name} is a recipe for solutions; a recommender needs a domain's use case.")
    return known(USE_CASES, name, arn)


def name_of(arn: str, prefix: str, noun: str) -> str:
    """What an ARN of the service's own names, which begins with `prefix`; raises InvalidInput for another one."""
    if not arn.startswith(prefix):
        raise InvalidInputException(f"{arn} is not a {noun}'s ARN; such ARNs begin {prefix}")
    return arn.removeprefix(prefix)


def known(table: Mapping[str, T], name: str, arn: str) -> T:
    """What the service has under a name; raises ResourceNotFound."""
    if name not in table:
        raise ResourceNotFoundException(
            f"{aws_texts.RESOURCE_MISSING.format(arn=arn)} This server has {', '.join(sorted(table))}."
        )
    return table[name]


def dataset_of(workspace: Workspace, group_arn: str, kind: str) -> Dataset | None:
    """The group's dataset of a type (upper case), if it has one."""
    found = lifecycle.related(workspace, "Dataset", datasetGroupArn=group_arn, datasetType=kind)
    return dataset(workspace, found[0]) if found else None


def dataset(workspace: Workspace, document: Document) -> Dataset:
    """The dataset of a document, with its schema; raises DamagedFile where imported rows are gone."""
    refuse_loss(workspace, document)
    schema = lifecycle.find(workspace, "Schema", document["schemaArn"])
    parsed = avro.parse(schema["schema"], schema.get("domain"))
    return Dataset(document["datasetArn"], parsed, document.get("_incarnation", ""))


def place_of(document: Document) -> str:
    """Under which name the stores keep the rows of a dataset."""
    return key_of(document["datasetArn"], document.get("_incarnation", ""))


def refuse_loss(workspace: Workspace, document: Document) -> None:
    """Raises DamagedFile where a dataset has no table though rows were imported into it."""
    where, arn = place_of(document), document["datasetArn"]
    if workspace.tables.has(where):
        return
    imports = lifecycle.related(workspace, "DatasetImportJob", datasetArn=arn)
    now = workspace.catalogue.get(arn, "Dataset")  # it may have been deleted meanwhile
    here = now is not None and now["status"] not in lifecycle.DELETING and place_of(now) == where
    if here and any(job["status"] == lifecycle.ACTIVE for job in imports):
        workspace.tables.refuse_loss(where)


def is_here(workspace: Workspace, target: Dataset) -> bool:
    """Whether the dataset is neither deleted nor being deleted, nor another of the same ARN in its place."""
    document = workspace.catalogue.get(target.arn, "Dataset")
    return (
        document is not None
        and document["status"] not in lifecycle.DELETING
        and document.get("_incarnation", "") == target.incarnation
    )


def trained_version(workspace: Workspace, arn: str) -> Document:
    """The solution version, if it is ACTIVE; raises ResourceInUse while it trains, InvalidInput where it failed."""
    return lifecycle.active(workspace, "SolutionVersion", arn)


def newest_version(workspace: Workspace, solution_arn: str, **members: str) -> Document | None:
    """The newest ACTIVE version of a solution, of those with these members."""
    found = lifecycle.related(workspace, "SolutionVersion", solutionArn=solution_arn, **members)
    return next((version for version in reversed(found) if version["status"] == lifecycle.ACTIVE), None)
