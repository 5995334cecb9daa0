"""What a recipe is: the one interface between an algorithm and the rest of Tailorbird.

A recipe module holds settings, `train(data, settings, progress) -> Model`, the model's class, and `RECIPES`: its row
of AWS's names. A model only scores. Candidates, filters, ranking, batch and evaluation are written once, outside
(`serving/`, `evaluation/`), and what recipes of one type have in common stands in `recipe_types.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tailorbird.data.interactions import ActionResponses as ActionResponses
from tailorbird.data.interactions import Column as Column
from tailorbird.data.interactions import Interactions as Interactions
from tailorbird.data.interactions import NotEnoughData as NotEnoughData
from tailorbird.recipes.recipe_types import RecipeType

SCORES_AT_ONCE = 4_000_000
"""Scores that a model is asked for together, wherever many are. Of 20,000 items user-personalization takes 66 MB for so
many and 0.75 ms a question; for four times as many four times the memory, and twice the time a question."""


@dataclass(frozen=True)
class Epoch:
    """What a network's training tells of itself; as text, a sentence."""

    number: int
    """From 1."""
    of: int
    loss: float
    """Of the training, averaged over the latest steps."""
    validation: float | None = None
    """The metric on users that are not trained on, where there are such."""
    during: str = ""
    """Which step of the job this is."""

    def __str__(self) -> str:
        validation = "" if self.validation is None else f" validation {self.validation:.4f}"
        return f"{self.during and self.during + ': '}epoch {self.number}/{self.of} loss {self.loss:.2f}{validation}"


Progress = Callable[[float, str | Epoch], None]
"""Called by a long computation with the share done (0..1) and a sentence; may raise to stop the job."""


def silent(share: float, told: str | Epoch) -> None:
    """A `Progress` for callers that do not watch."""


def part(progress: Progress, start: float, end: float, text: str) -> Progress:
    """A view of `progress` for a step that is only the part from `start` to `end` of the whole job."""

    def report(share: float, detail: str | Epoch) -> None:
        within = replace(detail, during=text) if isinstance(detail, Epoch) else f"{text}: {detail}"
        progress(start + (end - start) * share, within)

    return report


@dataclass(frozen=True)
class Query:
    """One question to a model: who asks (by what they did), and for related items, about which item.

    `items` and `timestamps` are parallel, oldest first; items the model does not know are already left out.
    An unknown or new user has empty arrays.
    """

    items: NDArray[np.int32]
    timestamps: NDArray[np.int64]
    item: int | None = None
    """The item that related items are asked for; None where the request names none or an unknown one."""
    now: int | None = None
    """Epoch seconds of the request; None means: just after the last interaction."""
    user: Mapping[str, object] = field(default_factory=dict)
    """The user's metadata by upper-case column; only for recipes with `features`. Any column may be missing."""
    context: Mapping[str, object] = field(default_factory=dict)
    """The request's context by upper-case column, values as the interactions' columns have them; likewise."""
    influence: Mapping[str, float] = field(default_factory=dict)
    """How much POPULARITY and FRESHNESS count, 0 to 1; only for an `InfluencedModel`."""


def from_nobody(item: int | None = None) -> Query:
    """Returns the question of someone without a history: about an item, or about none."""
    return Query(np.empty(0, np.int32), np.empty(0, np.int64), item=item)


class Model(Protocol):
    """A trained recipe. Scoring must be thread-safe."""

    @property
    def items(self) -> NDArray[np.str_]:
        """The items it can score, in the order of the columns of `score`."""
        ...

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) scores; higher is better, -inf never recommended.

        Where the recipe answers scores to clients they are log-probabilities up to a constant a query:
        softmax over the row sums to 1 over the catalogue (spec recipes-and-runtime 4.2).
        """
        ...

    def save(self, folder: Path) -> None:
        """Writes the model's own files into an existing empty folder; no pickle."""
        ...


class TrainedModel(Model, Protocol):
    """A model as a recipe makes it, which can be read again; others are made around it."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote."""
        ...


@runtime_checkable
class ListingModel(Protocol):
    """A model that knows its lists without a score for every item: in a large catalogue these are most of an exam."""

    def best(self, queries: Sequence[Query], length: int) -> NDArray[np.int64]:
        """Returns (query, length) item numbers, those of the highest `score`, best first and ties by number.

        -1 fills the places of a list that is shorter.
        """
        ...


@runtime_checkable
class SelfUpdatingModel(Protocol):
    """A model that takes up recorded events by itself, whenever an interval closes."""

    @property
    def interval(self) -> int:
        """Seconds."""
        ...

    def with_events(self, items: Sequence[str], timestamps: NDArray[np.int64], now: float) -> Model:
        """Returns the model with the interactions since its training, as of `now`; times in epoch seconds.

        Known items keep their numbers; new ones come after them.
        """
        ...


@runtime_checkable
class InfluencedModel(Protocol):
    """A model whose answers may lean to popular and to fresh items (rankingInfluence, spec 1.4)."""

    @property
    def influences(self) -> tuple[str, ...]:
        """Which of POPULARITY and FRESHNESS its data allow."""
        ...


@runtime_checkable
class IncrementalModel(Protocol):
    """A model that takes up new and changed items between trainings (performIncrementalUpdate, spec 1.4)."""

    def with_items(self, items: Sequence[str], columns: Mapping[str, Column]) -> Model:
        """Returns the model with the items as they are now; the columns are parallel to `items`.

        Known items keep their numbers, also those that are not among `items`; new ones come after them.
        """
        ...


@runtime_checkable
class ThematicModel(Protocol):
    """A model that lists can be given themes by (batchInferenceJobMode THEME_GENERATION, spec 6.2)."""

    def relevance(self, words: Sequence[str], items: Sequence[int]) -> NDArray[np.float32]:
        """Returns how alike each item is to just these words, as cosines."""
        ...


@runtime_checkable
class PropensityModel(Protocol):
    """A model whose columns are actions; its `items` are those of the histories that it is asked about."""

    @property
    def actions(self) -> NDArray[np.str_]:
        """In the order of the columns of `score`, which are probabilities."""
        ...


@dataclass(frozen=True)
class Recipe:
    """One AWS recipe name, what stands behind it, and in what it differs from others of its type."""

    name: str
    """AWS's recipe name, such as aws-sims."""
    recipe_type: RecipeType
    description: str
    settings: type[Any]
    """A frozen dataclass of hyperparameters: its fields carry AWS's names and defaults."""
    train: Callable[[Interactions, Any, Progress], TrainedModel]
    """May raise NotEnoughData, whose text becomes the failureReason."""
    model: type[TrainedModel]
    """The class of what `train` returns, which reads it again, and says by its protocols what more it can do."""
    answering: Callable[[Interactions, Any, Progress, Sequence[Query]], Model] | None = None
    """As `train`, of a model that lists for these questions about items alone: where that is much less work."""
    algorithm: str = ""
    """Name behind algorithmArn; empty means the recipe's own name (spec 1.1), as for the next."""
    feature_transformation: str = ""
    """Name behind featureTransformationArn."""
    features: bool = False
    """Whether it learns from metadata and context: only then are they read (spec 1.2)."""
    explores: bool = False
    """Whether campaigns may configure exploration (spec 1.2, row "exploration")."""
    updates: tuple[str, ...] = ()
    """How new items and exposures may come to count without a training (spec 1.2, rows "2-hour auto-update" and
    "trainingMode UPDATE"): AUTOMATIC, every two hours; MANUAL, by a version of training mode UPDATE."""
    weighs_events: bool = False
    """Whether eventsConfig may say how much each type of event counts (spec 1.2, row "eventsConfig weights")."""
    optimizes: bool = False
    """Whether lists may be steered towards an item attribute (spec 1.2, row "optimizationObjective")."""
    most_items: int = 750_000
    """How many items it trains on and answers with; of more, the most-interacted (spec 1.2, last row)."""
    retired: bool = False
    """Whether AWS no longer has it: it can be used, and the configuration may keep it out of ListRecipes (spec 1.1)."""
    needs_text: bool = False
    """Whether it learns from texts: an Items dataset with a name and a textual column must be there, interactions need
    not (spec 1.4). All others cannot be trained without interactions enough (spec 1.2, "Data floors")."""
    shows_metadata: bool = False
    """Whether campaigns answer metadata without being configured to (spec 1.2, row "metadataColumns")."""
    scores_unknown: bool = False
    """Whether items of a ranked list that the model does not know have the score 0 rather than none (spec 4.2)."""
    candidates: int = 0
    """How many of the model's best items an answer is chosen from before popular ones follow; 0 for all. Where they
    are few, scores are shares among them and answers say the reason for any other item (spec 4.2)."""
    when: str = ""
    """When to use it, and when another recipe: for the documentation, as are the next two."""
    learns_from: str = "interactions"
    """Which data it uses."""
    paper: str = ""
    """Where the algorithm is published."""

    def candidate(self, data: Interactions, settings: Any, progress: Progress, queries: Sequence[Query]) -> Model:
        """Trains a model to be measured by the lists that it gives on some questions; without any, on all."""
        if self.answering is None or not queries:
            return self.train(data, settings, progress)
        return self.answering(data, settings, progress, queries)

    @property
    def needs_interactions(self) -> bool:
        """Whether there must be interactions."""
        return not self.needs_text

    @property
    def updates_items(self) -> bool:
        """Whether solutions may perform incremental updates."""
        return issubclass(self.model, IncrementalModel)

    @property
    def makes_themes(self) -> bool:
        """Whether it does batch jobs of mode THEME_GENERATION."""
        return issubclass(self.model, ThematicModel)
