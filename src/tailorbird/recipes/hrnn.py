"""aws-hrnn, aws-hrnn-metadata and aws-hrnn-coldstart: a hierarchical recurrent network says which item comes next.

The first learns from sequences alone. The second also from metadata of items and users and from the context of
interactions (text excepted). The third besides knows cold items by their features alone, and takes them to be as
popular as an average item, so that they appear before anybody found them (spec recipes-and-runtime 1.3 and 1.4).

The network and its source: scorers/recurrent.py. Recent popularity is added to what it says. Metadata and
context count for newcomers too; otherwise they get what users do first and what is popular now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailorbird.data.clocks import DAY
from tailorbird.recipes import features
from tailorbird.recipes.features import Features
from tailorbird.recipes.matrices import cut_histories
from tailorbird.recipes.recipe import Interactions, NotEnoughData, Progress, Query, Recipe
from tailorbird.recipes.recipe_types import USER_PERSONALIZATION
from tailorbird.recipes.scorers import cold_users, decayed_popularity, recurrent, recurrent_training
from tailorbird.recipes.scorers.blend_weights import log_softmax
from tailorbird.recipes.scorers.decayed_popularity import RECENT_HALF_LIFE, DecayedPopularity
from tailorbird.recipes.scorers.recurrent import Recurrent
from tailorbird.recipes.scorers.recurrent_training import PopularityLogits, RecurrentPlan
from tailorbird.recipes.settings import hyperparameter
from tailorbird.storage.arrays import load_arrays, save_arrays

COLD_ITEMS = 100, 80_000
"""Fewest and most cold items that a training takes (spec recipes-and-runtime 1.3)."""
FORGET = 0.25
"""Share of the other items that each step of a training takes for cold, so that features learn to stand alone: a
quarter, so that most of a step still teaches what items say themselves; not tuned."""


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of aws-hrnn and aws-hrnn-metadata (spec recipes-and-runtime 1.3)."""

    hidden_dimension: int = hyperparameter(43, low=32, high=256, tunable=True)
    """Width of the item vectors and of both states."""
    bptt: int = hyperparameter(32, low=2, high=32, tunable=True)
    """Interactions that the gradient goes back through."""
    recency_mask: bool = hyperparameter(True, tunable=True)
    """Whether recent popularity is added; where not, popularity of all times is."""
    min_user_history_length_percentile: float = hyperparameter(0.0, kind="F", low=0, high=1)
    max_user_history_length_percentile: float = hyperparameter(0.99, kind="F", low=0, high=1)
    seed: int = 0


@dataclass(frozen=True)
class ColdstartSettings(Settings):
    """Hyperparameters of aws-hrnn-coldstart: an item is cold if it is young and hardly touched."""

    hidden_dimension: int = hyperparameter(149, low=32, high=256, tunable=True)
    cold_start_max_interactions: int = hyperparameter(15, kind="F", low=1)
    """Interactions that a cold item has at most."""
    cold_start_max_duration: float = hyperparameter(5.0, kind="F", low=1 / DAY)
    """Days since its creation, or since its first interaction where that is not known."""
    cold_start_relative_from: str = hyperparameter(
        "latestItem", kind="F", choices=(("currentTime", "currenttime"), ("latestItem", "latestitem"))
    )
    """Until when the days are counted: the training, or the newest interaction."""


@dataclass(frozen=True)
class HRNN:
    """The network, and what is added whatever the user did."""

    items: NDArray[np.str_]
    network: Recurrent
    recent: DecayedPopularity
    first: NDArray[np.float32]
    """Log share of each item among users' first interactions."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) log-probabilities of the next interaction."""
        arrays = self.network.arrays
        recent = self.recent.score(queries)
        added = arrays["popularity"] * recent + arrays["bias"]
        empty = [row for row, query in enumerate(queries) if not len(query.items)]
        added[empty] = cold_users.logits(self.first, recent[empty])
        return log_softmax(self.network.score(queries) + added)

    def save(self, folder: Path) -> None:
        """Writes items.npy and first.npy, and the network and the popularity into folders of their own."""
        save_arrays(folder, items=self.items, first=self.first)
        for name, part in (("network", self.network), ("recent", self.recent)):
            (folder / name).mkdir()
            part.save(folder / name)

    @classmethod
    def load(cls, folder: Path) -> HRNN:
        """Reads what `save` wrote."""
        items, first = load_arrays(folder, "items", "first")
        return cls(items, recurrent.load(folder / "network"), decayed_popularity.load(folder / "recent"), first)


def train(data: Interactions, settings: Settings, progress: Progress) -> HRNN:
    """Learns from who did what, and when."""
    nothing = features.fit({})
    side = Features(nothing.columns({}, len(data.items)), nothing, nothing)
    return _train(data, np.zeros(len(data.items), bool), side, settings, progress)


def train_with_metadata(data: Interactions, settings: Settings, progress: Progress) -> HRNN:
    """Learns from metadata and context too."""
    return _train(data, np.zeros(len(data.items), bool), features.of(data), settings, progress)


def train_with_cold_items(data: Interactions, settings: ColdstartSettings, progress: Progress) -> HRNN:
    """Learns as with metadata, from the items that are not cold.

    Raises:
        NotEnoughData: too few or too many cold items, or no interactions with others.
    """
    cold = cold_items(data, settings)
    fewest, most = COLD_ITEMS
    if not fewest <= (count := np.count_nonzero(cold)) <= most:
        raise NotEnoughData(
            f"The recipe needs {fewest} to {most} cold items, and the data have {count}: change "
            "cold_start_max_interactions or cold_start_max_duration, or use aws-hrnn-metadata."
        )
    warm = data.rows(~cold[data.item])
    if not len(warm.user):
        raise NotEnoughData("All items with interactions are cold: lower cold_start_max_interactions.")
    return _train(warm, cold, features.of(data), settings, progress)


def cold_items(data: Interactions, settings: ColdstartSettings) -> NDArray[np.bool_]:
    """Returns which items are cold (spec recipes-and-runtime 1.3, ages as in 1.4)."""
    newest = int(data.timestamp.max())
    current = newest if data.read is None else data.read
    created = np.full(len(data.items), newest, np.float64)
    np.minimum.at(created, data.item, data.timestamp)
    if "CREATION_TIMESTAMP" in data.item_columns:
        known = data.item_columns["CREATION_TIMESTAMP"].values.astype(np.float64)  # None becomes NaN
        created = np.where(np.isnan(known), created, known)
    until = current if settings.cold_start_relative_from == "currentTime" else newest
    young = until - created <= settings.cold_start_max_duration * DAY
    counts = np.bincount(data.item, minlength=len(data.items))
    return np.asarray(young & (counts <= settings.cold_start_max_interactions))


def _train(data: Interactions, cold: NDArray[np.bool_], side: Features, settings: Settings, progress: Progress) -> HRNN:
    progress(0.0, "counting popularity")
    data = cut_histories(data, settings.min_user_history_length_percentile, settings.max_user_history_length_percentile)
    recent = decayed_popularity.train(data, RECENT_HALF_LIFE if settings.recency_mask else np.inf)
    recent = replace(recent, log_shares=_averaged(recent.log_shares, cold))
    first = _averaged(cold_users.first_shares(data)[None, :], cold)[0]
    plan = RecurrentPlan(settings.hidden_dimension, settings.bptt, FORGET if cold.any() else 0.0, settings.seed)
    network = recurrent_training.train(
        data, PopularityLogits(recent, cold_users.logits(first, recent.log_shares)), side, plan, progress
    )
    return HRNN(data.items, network, recent, first)


def _averaged(log_shares: NDArray[np.float32], cold: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns the (moment, item) log shares with each cold item's replaced by the others' average share."""
    averages = np.log(np.exp(log_shares[:, ~cold]).mean(axis=1, keepdims=True))
    return np.where(cold, averages, log_shares)


_SEQUENCES = Recipe(
    "aws-hrnn",
    USER_PERSONALIZATION,
    "Predicts the items a user will interact with next by a hierarchical recurrent network over sessions.",
    Settings,
    train,
    HRNN,
    feature_transformation="JSON-percentile-filtering",
    retired=True,
    when="For code that names it; on both data sets below aws-user-personalization is better.",
    learns_from="interactions: who, with what, when, and in which order",
    paper="Quadrana et al., Personalizing Session-based Recommendations with Hierarchical Recurrent Neural "
    "Networks, 2017.",
)
_METADATA = replace(
    _SEQUENCES,
    name="aws-hrnn-metadata",
    description="As aws-hrnn, and from metadata of items and users and the context of interactions.",
    train=train_with_metadata,
    feature_transformation="featurize_metadata",
    features=True,
    learns_from=f"{_SEQUENCES.learns_from}; metadata and context",
)
RECIPES = (
    _SEQUENCES,
    _METADATA,
    replace(
        _METADATA,
        name="aws-hrnn-coldstart",
        description="As aws-hrnn-metadata, and recommends new items by their metadata.",
        settings=ColdstartSettings,
        train=train_with_cold_items,
        feature_transformation="featurize_coldstart",
        updates=("MANUAL",),
    ),
)
