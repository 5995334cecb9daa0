"""aws-user-personalization and its kin: which item a user interacts with next.

A log-linear blend of scorers: popularity of all times and as of the request, EASE, what follows what, what the
most alike users have, where there are columns what metadata and context say, and given enough data a transformer.
Items the user knows stay in; a learned offset says how likely people come back to them. The weights are learned on
training users whom the scorers did not see; then the closed forms are trained on everyone (the transformer stays
as it is: it costs minutes, and missed few users). Short histories have weights of their own. Someone without a
history gets what users do first, and what is popular now, sharpened by the user's metadata and the context of the
request (spec recipes-and-runtime 1.4).

What the size of the data decides: beyond 4,000 items EASE uses the 2,500 users seen last (ease.py); the window
of what follows what shrinks beyond some million rows (matrices.py); the transformer takes part from 200,000
distinct rows to 300,000 items, for as many epochs as `TOKENS` allow. Below, it costs more than it adds.

The second generation (user_personalization_v2.py) is the same blend with another transformer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes import features
from tailorbird.recipes.features import Features
from tailorbird.recipes.matrices import cut_histories, first_rows, keep_users, user_bounds
from tailorbird.recipes.recipe import Interactions, NotEnoughData, Progress, Query, Recipe, part
from tailorbird.recipes.recipe_types import PERSONALIZED_RANKING, USER_PERSONALIZATION
from tailorbird.recipes.scorers import (
    attributes,
    cold_users,
    decayed_popularity,
    ease,
    markov_chain,
    transformer,
    transformer_training,
    user_knn,
)
from tailorbird.recipes.scorers.blend_weights import (
    Sample,
    discount_popularity,
    draw_samples,
    factors,
    log_softmax,
    most_samples,
    score_samples,
    shortness,
)
from tailorbird.recipes.scorers.likelihood import fit
from tailorbird.recipes.scorers.merged import NO_STATES, SLOTS, Merged, MergedScorer, Part
from tailorbird.recipes.scorers.scorer import AddingScorer, Scorer, load_scorers, save_scorers
from tailorbird.recipes.scorers.sums import queries_of
from tailorbird.recipes.scorers.transformer import Transformer
from tailorbird.recipes.scorers.transformer_training import TransformerPlan
from tailorbird.recipes.settings import hyperparameter
from tailorbird.storage.arrays import load_arrays, save_arrays

HELD_OUT = 0.2
"""Share of the training users on whom the weights are learned, ... (the scorers are then trained on all)"""
MOST_HELD_OUT = 500
"""... at most so many of them, about as many as `blend_weights.most_samples` takes for a catalogue of 3000, ..."""
LEAST_HELD_OUT = 0.01
"""... but this share at least: where users are many their histories are short, and teach little each."""
TRANSFORMER_ROWS = 200_000
"""Distinct interactions from which on there is a transformer: below, the closed forms alone were as good and train in
seconds."""
TRANSFORMER_ITEMS = 300_000
"""Items up to which there is one: beyond, its vectors alone are 180 MB at the default width, and as much twice over
while training."""
TOKENS = 10_000_000
"""Rows the transformer sees in all its epochs. Its cost goes with rows, width and catalogue: minutes, not hours."""
MOST_EPOCHS = 20
"""Where the data are so few that `TOKENS` allows more: more learn a small set by heart."""
FULL_SOFTMAX_ITEMS = 4000
"""Up to here the softmax runs over all items: a full one is the better loss (Klenitskiy and Vasilev, RecSys 2023), and
costs with the catalogue."""
SAMPLED = 2000
"""Of a larger catalogue: items that a transformer's softmax runs over, half of the largest whole one, for the time's
sake; a full one costs Amazon Beauty's 12,101 items six times as many scores."""

MANY = 8
"""Questions from which on the transformer's answers come by BLAS."""


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of spec recipes-and-runtime 1.3."""

    hidden_dimension: int = hyperparameter(149, low=32, high=256, tunable=True)
    """Width of the transformer, where the data are large enough for one."""
    bptt: int = hyperparameter(32, low=2, high=32, tunable=True)
    """Accepted and without effect: it unrolls a recurrent network, which this is not."""
    recency_mask: bool = hyperparameter(True, tunable=True)
    """Whether recent popularity takes part; where not, only popularity of all times does."""
    min_user_history_length_percentile: float = hyperparameter(0.0, kind="F", low=0, high=1)
    max_user_history_length_percentile: float = hyperparameter(0.99, kind="F", low=0, high=1)
    seed: int = 0


LOADERS: dict[str, Callable[[Path], Scorer]] = {
    "popular": decayed_popularity.load,
    "recent": decayed_popularity.load,
    "ease": ease.load,
    "follows": markov_chain.load,
    "user_knn": user_knn.load,
    "transformer": transformer.load,
    "items": attributes.load,
    "user": attributes.load,
    "context": attributes.load,
}


@dataclass(frozen=True)
class UserPersonalization:
    """The scorers by name, their (long and short) weights in the same order, and the offsets of known items."""

    items: NDArray[np.str_]
    scorers: dict[str, Scorer]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    first: NDArray[np.float32]
    """Log share of each item among users' first interactions."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) log-probabilities of the next interaction."""
        queries = queries_of(queries)
        short, logits = shortness(queries), np.zeros((len(queries), len(self.items)), np.float32)
        for name, scorer in self._others.items():
            scorer.add(queries, factors(self._weights[name], short)[0], logits)
        states, transformer = NO_STATES, self.scorers.get("transformer")
        if isinstance(transformer, Transformer):
            if len(queries) < MANY:
                states = transformer.states(queries)
            else:
                transformer.add(queries, factors(self._weights["transformer"], short)[0], logits)
        self._merged.add(queries, self._merged_weights, short, logits, states, self.offsets)
        if empty := [row for row, query in enumerate(queries) if not len(query.items)]:
            logits[empty] = log_softmax(self._of_newcomers([queries[row] for row in empty]))
        return logits

    @cached_property
    def _weights(self) -> dict[str, NDArray[np.float32]]:
        """(long and short, 1) of each scorer."""
        return {name: self.weights[:, [place]] for place, name in enumerate(self.scorers)}

    @cached_property
    def _parts(self) -> dict[str, Part]:
        found = {name: each.part for name, each in self.scorers.items() if isinstance(each, MergedScorer)}
        return {name: part for name, part in found.items() if part is not None}

    @cached_property
    def _merged(self) -> Merged:
        return Merged(self._parts, len(self.items))

    @cached_property
    def _merged_weights(self) -> NDArray[np.float32]:
        """(long and short, slot); 0 of a scorer that is not there."""
        nothing = np.zeros((2, 1), np.float32)
        return np.hstack([self._weights[name] if name in self._parts else nothing for name in SLOTS])

    @cached_property
    def _others(self) -> dict[str, AddingScorer]:
        """The scorers without a part."""
        others = {name: each for name, each in self.scorers.items() if name not in self._parts}
        return {name: each for name, each in others.items() if isinstance(each, AddingScorer)}

    def _of_newcomers(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        popularity = self.scorers["recent" if "recent" in self.scorers else "popular"]
        logits = cold_users.logits(self.first, popularity.score(queries))
        # Nothing else speaks for a newcomer, so what is known of him and of the request counts in full.
        for name in ("user", "context"):
            if name in self.scorers:
                logits += self.scorers[name].score(queries)
        return logits

    def save(self, folder: Path) -> None:
        """Writes the blend's arrays, and each scorer into a folder of its name."""
        save_arrays(folder, items=self.items, weights=self.weights, offsets=self.offsets, first=self.first)
        save_scorers(folder, self.scorers)

    @classmethod
    def load(cls, folder: Path) -> UserPersonalization:
        """Reads what `save` wrote."""
        items, weights, offsets, first = map(np.asarray, load_arrays(folder, "items", "weights", "offsets", "first"))
        return cls(items, load_scorers(folder, LOADERS), weights, offsets, first)


def train(data: Interactions, settings: Settings, progress: Progress) -> UserPersonalization:
    """Learns the weights on held-out users, then the scorers on all users; `settings.seed` decides both.

    Raises:
        NotEnoughData: fewer than two users with two interactions.
    """
    data = cut_histories(data, settings.min_user_history_length_percentile, settings.max_user_history_length_percentile)
    return blend(data, BlendVariant(settings.recency_mask, transformer_plan(data, settings), settings.seed), progress)


def transformer_plan(data: Interactions, settings: Settings) -> TransformerPlan | None:
    """Returns how to train the transformer where the data are of a size for it."""
    rows = len(first_rows(data)[0])
    if rows < TRANSFORMER_ROWS or len(data.items) > TRANSFORMER_ITEMS:
        return None
    epochs = min(max(TOKENS // rows, 1), MOST_EPOCHS)
    sampled = 0 if len(data.items) <= FULL_SOFTMAX_ITEMS else SAMPLED
    return TransformerPlan(settings.hidden_dimension, epochs, settings.seed, sampled=sampled)


@dataclass(frozen=True)
class BlendVariant:
    """What distinguishes one blend from another."""

    recent: bool
    """Whether popularity as of the request takes part."""
    transformer: TransformerPlan | None
    seed: int


def blend(data: Interactions, makeup: BlendVariant, progress: Progress) -> UserPersonalization:
    """Trains a blend; raises NotEnoughData for fewer than two users with two interactions."""
    rng = np.random.default_rng(makeup.seed)
    held_out = hold_out(data, rng)
    aside, others, known = keep_users(data, held_out), keep_users(data, ~held_out), features.of(data)
    samples = draw_samples(aside, most_samples(len(data.items)), rng)
    network = train_transformer(others, aside, makeup.transformer, progress)
    progress(0.8, "training the closed forms without the users who are to weigh them")
    parts = train_closed_forms(others, known, makeup) | network
    weights, offsets = learn_weights(parts, samples, len(data.items), rng)
    progress(0.9, f"learned the weights on {len(samples)} histories of these users")
    scorers = train_closed_forms(data, known, makeup) | {name: each.knowing(data) for name, each in network.items()}
    progress(1.0, f"trained on {len(data.user)} interactions")
    return UserPersonalization(data.items, scorers, weights, offsets, cold_users.first_shares(data))


def hold_out(data: Interactions, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Returns a mask of the users to learn the weights on, drawn from those with two interactions or more."""
    able = np.flatnonzero(np.diff(user_bounds(data)) >= 2)
    if len(able) < 2:
        raise NotEnoughData("Training needs at least two users with two interactions each.")
    held_out = np.zeros(len(data.users), bool)
    most = max(MOST_HELD_OUT, int(LEAST_HELD_OUT * len(able)))
    held_out[rng.permutation(able)[: min(max(1, int(HELD_OUT * len(able))), most)]] = True
    return held_out


def learn_weights(
    scorers: dict[str, Scorer], samples: Sequence[Sample], items: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the weights of the scorers and the offsets of known items."""
    table = score_samples(list(scorers.values()), samples, items, rng)
    weights, offsets = fit(table)
    return discount_popularity(table, weights, offsets), offsets


def train_closed_forms(data: Interactions, known: Features, makeup: BlendVariant) -> dict[str, Scorer]:
    """Trains every scorer that takes seconds."""
    scorers: dict[str, Scorer] = {"popular": decayed_popularity.train(data, np.inf)}
    if makeup.recent:
        scorers["recent"] = decayed_popularity.train(data, decayed_popularity.RECENT_HALF_LIFE)
    scorers["ease"] = ease.train(data)
    scorers["follows"] = markov_chain.train(data)
    scorers["user_knn"] = user_knn.train(data)
    return scorers | attributes.train(data, known)


def train_transformer(
    data: Interactions, held_out: Interactions, plan: TransformerPlan | None, progress: Progress
) -> dict[str, Transformer]:
    """Trains the transformer where there is a plan for one; otherwise returns nothing."""
    if plan is None:
        return {}
    step = part(progress, 0.0, 0.8, "transformer")
    return {"transformer": transformer_training.train(data, held_out, plan, step)}


PAPER = (
    "Steck, Embarrassingly Shallow Autoencoders for Sparse Data, 2019, blended with recent popularity and a Markov "
    "chain; from 200,000 distinct interactions also Kang and McAuley, Self-Attentive Sequential Recommendation, 2018."
)
_NEXT_ITEM = Recipe(
    "aws-user-personalization",
    USER_PERSONALIZATION,
    "Predicts the items a user will interact with next, from what they and others did and in which order.",
    Settings,
    train,
    UserPersonalization,
    features=True,
    explores=True,
    updates=("AUTOMATIC", "MANUAL"),
    optimizes=True,
    when="The first to try wherever a user is known: home pages, mails, feeds. A newcomer gets a list too; before "
    "some ten interactions it is no better than popular items (P6 in quality.md). From 200,000 distinct "
    "interactions on a transformer takes part, and a training takes many minutes instead of seconds.",
    learns_from="interactions: who, with what, when, and in which order; metadata and context",
    paper=PAPER,
)
RECIPES = (
    _NEXT_ITEM,
    replace(
        _NEXT_ITEM,
        name="aws-personalized-ranking",
        recipe_type=PERSONALIZED_RANKING,
        description="Orders a list of items for a user; the model is that of aws-user-personalization.",
        feature_transformation="JSON-percentile-filtering",
        explores=False,
        updates=(),
        when="The items are given and their order is wanted: search results, a curated shelf.",
    ),
)
