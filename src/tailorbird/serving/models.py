"""Models in service: a solution version's in memory, and what becomes of it between trainings."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data import datasets, event_rules, history
from tailorbird.data.datasets import Dataset, latest_records, stamp
from tailorbird.data.event_rules import EventRule
from tailorbird.data.history import History
from tailorbird.data.training import columns_of
from tailorbird.filters.evaluate import MetadataTable
from tailorbird.recipes import RECIPES, new_items, objective
from tailorbird.recipes.recipe import IncrementalModel, Model, Recipe, SelfUpdatingModel, from_nobody
from tailorbird.serving import exploration_pools
from tailorbird.serving.exploration_pools import ExplorationPool
from tailorbird.serving.scores import Mask, Recent, Scores
from tailorbird.storage.artifacts import ExplorationPools, ModelManifest
from tailorbird.workspace import Workspace

LATE_EVENT_SECONDS = 60.0
"""How long events that come after their interval has closed may stay unseen by a model that updates itself: to take up
a hundred thousand takes two seconds, and AWS promises a quarter of an hour (spec recipes-and-runtime 1.4)."""
UPDATE_SECONDS = 1800
"""How long new and changed items may stay unseen by a model that takes them up (spec recipes-and-runtime 1.4)."""


@dataclass(frozen=True)
class ServedModel:
    """A trained model in memory, with what is needed to ask it about users."""

    recipe: Recipe
    manifest: ModelManifest
    events: tuple[EventRule, ...]
    """Which interactions the model learned from; all where there is no rule."""
    model: Model
    history: History
    pools: ExplorationPools
    as_of: Hashable = None
    """Which later events or items the model took up; None for the trained one."""
    pool: ExplorationPool | None = None
    """What may be explored; None where the recipe takes up no new items between trainings."""
    recent: Recent[Scores] = field(init=False, default_factory=Recent)
    """What it said lately; another one for what becomes of the model."""
    recent_masks: Recent[Mask] = field(init=False, default_factory=Recent)
    """Of filters that ask for the user, those of the users who asked lately."""

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The model's number of each item id."""
        return {item: number for number, item in enumerate(self.model.items.tolist())}

    @cached_property
    def ids(self) -> list[str]:
        """The id of each of the model's items; the same texts as in `numbers`."""
        return list(self.numbers)

    def unknown(self, items: Iterable[str]) -> list[str]:
        """The distinct items that the model does not know, in their order."""
        found = dict.fromkeys(items)
        return [item for item in found if item not in self.numbers] if set(found).difference(self.numbers) else []

    @cached_property
    def updates_itself(self) -> bool:
        """Whether the model takes up recorded events by itself."""
        return isinstance(self.model, SelfUpdatingModel)

    @cached_property
    def until(self) -> int:
        """When the newest interaction of the training was; epoch seconds, 0 where there was none."""
        return int(self.history.timestamp.max(initial=0))

    @cached_property
    def popularity(self) -> NDArray[np.float32]:
        """How many interactions each of the model's items has in the users' recent histories at training."""
        return np.bincount(self.history.item, minlength=len(self.model.items)).astype(np.float32)


def open_model(workspace: Workspace, version_arn: str) -> ServedModel:
    """The model of an ACTIVE solution version, from memory if it was used lately.

    Raises DamagedFile: all its files are checked when they are opened.
    """
    return workspace.cache.get("model", version_arn, lambda: _load(workspace, version_arn))


def in_memory(workspace: Workspace, version_arn: str) -> ServedModel | None:
    """What `as_of_now` answers, if nothing has to be read or made for it."""
    served: ServedModel | None = workspace.cache.peek("model", version_arn)
    if served is None or served.updates_itself or served.manifest.updates_items:
        return None
    if served.recipe.updates:
        served = workspace.cache.peek("updated", (version_arn, served.pools.newest()))
    return served


def as_of_now(workspace: Workspace, version_arn: str, interactions: Dataset, items: Dataset | None) -> ServedModel:
    """The model with which to answer now: the trained one, or what became of it by later events or items."""
    served = open_model(workspace, version_arn)
    model = served.model
    if served.manifest.updates_items and items is not None and isinstance(model, IncrementalModel):
        return _with_items(workspace, version_arn, served, model, items)
    if served.recipe.updates:
        name = served.pools.newest()
        return workspace.cache.get("updated", (version_arn, name), lambda: _with_pool(served, name))
    return _with_events(workspace, version_arn, served, interactions) if served.updates_itself else served


def _with_events(workspace: Workspace, version_arn: str, served: ServedModel, interactions: Dataset) -> ServedModel:
    """The model with the events of its last full interval."""
    model = served.model
    assert isinstance(model, SelfUpdatingModel), "see `ServedModel.updates_itself`"

    def update() -> ServedModel:
        after = served.manifest.newest_event
        items, times, newest = history.recorded(workspace, interactions, after, served.events)
        return replace(served, model=model.with_events(items, times, workspace.clock()), as_of=newest)

    key = version_arn, int(workspace.clock() // model.interval)
    return workspace.cache.get("following", key, update, LATE_EVENT_SECONDS)


def _with_items(
    workspace: Workspace, version_arn: str, served: ServedModel, model: IncrementalModel, items: Dataset
) -> ServedModel:
    """The model with the items of the last full half hour, made anew only when items came or changed since."""
    moment = version_arn, int(workspace.clock() // UPDATE_SECONDS)
    at = workspace.cache.get("items as of", moment, lambda: stamp(workspace, items))

    def update() -> ServedModel:
        rows = datasets.items(workspace, items)
        columns = columns_of(rows, items.schema.features)
        return replace(served, model=model.with_items(rows["ITEM_ID"].to_list(), columns), as_of=at)

    return workspace.cache.get("with items", (version_arn, at), update)


def table_key(workspace: Workspace, version_arn: str, served: ServedModel, items: Dataset | None) -> Hashable:
    """Of the metadata of a model's items, or of others: another one where they changed, or the items did."""
    newest = served.pool.name if served.pool else served.as_of
    return version_arn, stamp(workspace, items) if items else (), newest


def item_table(workspace: Workspace, served: ServedModel, items: Dataset | None) -> MetadataTable:
    """The newest metadata of the model's items, for filters."""
    records = None if items is None else latest_records(workspace, items, "ITEM_ID")
    return _table(served.model.items.tolist(), items, records)


def others_table(
    workspace: Workspace, key: Hashable, served: ServedModel, items: Dataset | None, others: Sequence[str]
) -> MetadataTable:
    """The newest metadata of items that the model does not know; all is missing of one without a record.

    key: that of the metadata.
    """
    if items is None:
        return _table(others, None, None)
    return _table(others, items, other_records(workspace, key, served, items))


def other_records(workspace: Workspace, key: Hashable, served: ServedModel, items: Dataset) -> pl.DataFrame:
    """The newest records of items that the model does not know. key: that of the metadata."""

    def records() -> pl.DataFrame:
        return latest_records(workspace, items, "ITEM_ID").filter(~pl.col("ITEM_ID").is_in(served.model.items.tolist()))

    return workspace.cache.get("other items", key, records)


def _load(workspace: Workspace, version_arn: str) -> ServedModel:
    with workspace.artifacts.open(version_arn) as artifact:
        manifest = artifact.manifest
        recipe = RECIPES[manifest.recipe]
        model = objective.load(recipe, artifact.model)
        # What the first question loads and makes, compiled loops above all, comes here, in a thread that may wait.
        model.score([from_nobody()])
        rules, past = event_rules.read(manifest.events), history.load(artifact.history)
        return ServedModel(recipe, manifest, rules, model, past, artifact.pools)


def _with_pool(served: ServedModel, name: str) -> ServedModel:
    """The model with the items of its newest pool."""
    if not name:  # trained before there were pools: as it is, until its first update
        return served
    with served.pools.open(name) as folder:
        pool = exploration_pools.load(folder)
    new = len(pool.items) > len(served.model.items)
    model = new_items.ExtendedModel(served.model, pool.items, pool.likeness) if new else served.model
    return replace(served, model=model, pool=pool)


def _table(ids: Sequence[str], items: Dataset | None, records: pl.DataFrame | None) -> MetadataTable:
    """The records of these ids, in their order."""
    if items is None or records is None:
        return MetadataTable(ids, {})
    joined = pl.DataFrame({"ITEM_ID": ids}, schema={"ITEM_ID": pl.String}).join(
        records, on="ITEM_ID", how="left", maintain_order="left"
    )
    columns = {name: joined[name].to_list() for name in joined.columns if name != "ITEM_ID"}
    return MetadataTable(ids, columns, items.schema.categories)
