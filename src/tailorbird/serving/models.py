"""A solution version's files: written whole by a training, opened by serving processes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data import datasets, history
from tailorbird.data.datasets import Dataset, latest_records, stamp
from tailorbird.data.event_rules import EventRule
from tailorbird.data.history import History
from tailorbird.data.training import columns_of
from tailorbird.evaluation.beyond_accuracy import Row
from tailorbird.filters.evaluate import Table
from tailorbird.recipes import RECIPES, new_items, objective
from tailorbird.recipes.recipe import Following, Incremental, Model, Recipe
from tailorbird.serving import exploration_pools
from tailorbird.serving.exploration_pools import Pool
from tailorbird.storage import checksums
from tailorbird.workspace import Workspace

MANIFEST = "recipe.json"
METRICS = "metrics.json"
FOLLOWING_SECONDS = 60.0
"""How long events that come after their interval has closed may stay unseen by a model that follows events."""
REMEDY = "Train it anew, or restore the folder from a backup."
"""For a damaged model."""
UPDATE_SECONDS = 1800
"""How long new and changed items may stay unseen by a model that takes them up (spec recipes-and-runtime 1.4)."""


@dataclass(frozen=True)
class Manifest:
    """What a model's files say of themselves."""

    recipe: str
    newest_event: int
    """Number of the newest live event that the training saw."""
    events: tuple[EventRule, ...] = ()
    """Which interactions the model learned from; all where there is no rule."""
    updates_items: bool = False
    """Whether it takes up new and changed items while it serves."""
    checksums: bool = False
    """Whether checksums were written with the files, so that they are missed when they are gone."""


@dataclass(frozen=True)
class Served:
    """A trained model in memory, with what is needed to ask it about users."""

    recipe: Recipe
    manifest: Manifest
    model: Model
    history: History
    as_of: Hashable = None
    """Which later events or items the model took up; None for the trained one."""
    pool: Pool | None = None
    """What may be explored; None where the recipe takes up no new items between trainings."""

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The model's number of each item id."""
        return {item: number for number, item in enumerate(self.model.items.tolist())}

    @cached_property
    def until(self) -> int:
        """When the newest interaction of the training was; epoch seconds, 0 where there was none."""
        return int(self.history.timestamp.max(initial=0))

    @cached_property
    def popularity(self) -> NDArray[np.float32]:
        """How many interactions each of the model's items has in the users' recent histories at training."""
        return np.bincount(self.history.item, minlength=len(self.model.items)).astype(np.float32)


def folder_of(workspace: Workspace, version_arn: str) -> Path:
    """Where the files of a solution version, or of a recommender, are."""
    return folder_in(workspace.artifacts, version_arn)


def folder_in(artifacts: Path, version_arn: str) -> Path:
    """As `folder_of`, without an open workspace."""
    region, _, path = version_arn.split(":", 5)[3:]
    kind, _, name = path.partition("/")
    # No solution's name begins with an underscore.
    return artifacts / region / (name if kind == "solution" else f"_{kind}/{name}")


def owner(version_arn: str) -> str:
    """Whose model it is, as users know it: a recommender's has an ARN for each training, which no call takes."""
    return version_arn.rpartition("/")[0] if ":recommender/" in version_arn else version_arn


def part(folder: Path, name: str) -> Path:
    """A new folder inside `folder`."""
    (folder / name).mkdir()
    return folder / name


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the file that makes a folder a model; it is for `durable.publish`, which adds the checksums."""
    (folder / MANIFEST).write_bytes(msgspec.json.encode(replace(manifest, checksums=True)))


def read_manifest(folder: Path, version_arn: str) -> Manifest:
    """Reads what `write_manifest` wrote; raises DamagedFile."""
    with checksums.reading(folder, REMEDY, owner(version_arn), MANIFEST):
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)


def write_metrics(folder: Path, rows: Sequence[Row]) -> None:
    """Writes what the model's evaluation told beyond AWS's metrics."""
    (folder / METRICS).write_bytes(msgspec.json.encode(rows))


def read_metrics(workspace: Workspace, version_arn: str) -> list[Row]:
    """Reads what `write_metrics` wrote; raises DamagedFile."""
    folder = folder_of(workspace, version_arn)
    written = read_manifest(folder, version_arn).checksums
    with checksums.reading(folder, REMEDY, owner(version_arn), METRICS, written=written):
        return msgspec.json.decode((folder / METRICS).read_bytes(), type=list[Row])


def open_model(workspace: Workspace, version_arn: str) -> Served:
    """The model of an ACTIVE solution version, from memory if it was used lately.

    Raises DamagedFile: all its files are checked when they are opened.
    """
    return workspace.cache.get("model", version_arn, lambda: _load(folder_of(workspace, version_arn), version_arn))


def as_of_now(workspace: Workspace, version_arn: str, interactions: Dataset, items: Dataset | None) -> Served:
    """The model with which to answer now: the trained one, or what became of it by later events or items."""
    served = open_model(workspace, version_arn)
    model = served.model
    if isinstance(model, Incremental) and served.manifest.updates_items and items is not None:
        return _with_items(workspace, version_arn, served, model, items)
    if served.recipe.updates:
        folder = folder_of(workspace, version_arn)
        name = exploration_pools.newest(folder)
        return workspace.cache.get("updated", (version_arn, name), lambda: _updated(served, folder, name, version_arn))
    if not isinstance(model, Following):
        return served

    def follow() -> Served:
        manifest = served.manifest
        items, times, newest = history.recorded(workspace, interactions, manifest.newest_event, manifest.events)
        return replace(served, model=model.following(items, times, workspace.clock()), as_of=newest)

    key = version_arn, int(workspace.clock() // model.interval)
    return workspace.cache.get("following", key, follow, FOLLOWING_SECONDS)


def _with_items(workspace: Workspace, version_arn: str, served: Served, model: Incremental, items: Dataset) -> Served:
    """The model with the items of the last full half hour, made anew only when items came or changed since."""
    moment = version_arn, int(workspace.clock() // UPDATE_SECONDS)
    at = workspace.cache.get("items as of", moment, lambda: stamp(workspace, items))

    def update() -> Served:
        rows = datasets.items(workspace, items)
        columns = columns_of(rows, items.schema.features)
        return replace(served, model=model.with_items(rows["ITEM_ID"].to_list(), columns), as_of=at)

    return workspace.cache.get("with items", (version_arn, at), update)


def item_table(workspace: Workspace, version_arn: str, served: Served, items: Dataset | None) -> Table:
    """The newest metadata of the model's items, for filters; made anew after imports, puts, and for new items."""
    newest = served.pool.name if served.pool else served.as_of
    key = version_arn, stamp(workspace, items) if items else (), newest

    def table() -> Table:
        records = None if items is None else latest_records(workspace, items, "ITEM_ID")
        return _table(served.model.items.tolist(), items, records)

    return workspace.cache.get("table", key, table)


def others_table(
    workspace: Workspace, version_arn: str, served: Served, items: Dataset | None, others: Sequence[str]
) -> Table:
    """The newest metadata of items that the model does not know; all is missing of one without a record."""
    if items is None:
        return _table(others, None, None)

    def records() -> pl.DataFrame:
        return latest_records(workspace, items, "ITEM_ID").filter(~pl.col("ITEM_ID").is_in(served.model.items.tolist()))

    key = version_arn, stamp(workspace, items), served.pool.name if served.pool else served.as_of
    return _table(others, items, workspace.cache.get("other items", key, records))


def _load(folder: Path, version_arn: str) -> Served:
    manifest = read_manifest(folder, version_arn)
    with checksums.reading(folder, REMEDY, owner(version_arn), written=manifest.checksums):
        recipe = RECIPES[manifest.recipe]
        return Served(recipe, manifest, objective.load(recipe, folder / "model"), history.load(folder / "history"))


def _updated(served: Served, folder: Path, name: str, version_arn: str) -> Served:
    """The model with the items of its newest pool."""
    if not name:  # trained before there were pools: as it is, until its first update
        return served
    path, written = folder / exploration_pools.FOLDER / name, served.manifest.checksums
    with checksums.reading(path, exploration_pools.REMEDY, owner(version_arn), written=written):
        pool = exploration_pools.load(folder, name)
    new = len(pool.items) > len(served.model.items)
    model = new_items.Extended(served.model, pool.items, pool.likeness) if new else served.model
    return replace(served, model=model, pool=pool)


def _table(ids: Sequence[str], items: Dataset | None, records: pl.DataFrame | None) -> Table:
    """The records of these ids, in their order."""
    if items is None or records is None:
        return Table(ids, {})
    joined = pl.DataFrame({"ITEM_ID": ids}, schema={"ITEM_ID": pl.String}).join(
        records, on="ITEM_ID", how="left", maintain_order="left"
    )
    columns = {name: joined[name].to_list() for name in joined.columns if name != "ITEM_ID"}
    return Table(ids, columns, items.schema.categories)
