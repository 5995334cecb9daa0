"""aws-user-personalization-v2 and aws-personalized-ranking-v2: the blend of the first generation with a larger say
for the transformer.

Its transformer also sees metadata of items and users, the context of the request, the time between events and the
time of the request, and what each event weighs (spec recipes-and-runtime 1.4, 2.1). It takes part whatever the size
of the data; what the size decides is in `transformer_plan`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tailorbird.recipes import user_personalization
from tailorbird.recipes.matrices import first_rows
from tailorbird.recipes.recipe import Interactions, Progress, Recipe
from tailorbird.recipes.recipe_types import PERSONALIZED_RANKING, USER_PERSONALIZATION
from tailorbird.recipes.scorers.transformer import buckets
from tailorbird.recipes.scorers.transformer_training import TransformerPlan
from tailorbird.recipes.settings import hyperparameter
from tailorbird.recipes.user_personalization import BlendVariant, UserPersonalization

SIZES = ((50_000, 64, 40), (500_000, 64, 12), (5_000_000, 128, 20), (math.inf, 128, 8))
"""Up to how many distinct rows, which width and how many epochs at most: wider gains nothing on sparse data (Amazon
Beauty), 64 to 256 gained 4 % on MovieLens 1M, where 128 took 37 minutes; small data need more epochs for as many
steps."""
FULL_SOFTMAX_ITEMS = 5_000
"""Up to here the softmax runs over all items: MovieLens 1M has 3416, and took a third less time since the loss is taken
in parts."""
ALIKE = 0.99
"""Share of pauses between events in one bucket of time from which on times are not looked at: times that only count up,
as in data without any."""
DENSE = 50.0
"""Distinct rows an item from which on data count as dense: MovieLens 1M has 292, the sets of Amazon some 16."""
LONGEST = 200
"""Distinct items of a history that the transformer sees; half on sparse data, where the older half tells nothing: as
good there, and a quarter less time."""
SHORTEST = 20
"""Of its windows, however short the histories are: those of the users to come may be longer; not tuned."""
SEEN_WHOLE = 0.95
"""Share of the histories that a window takes whole: the few that are longer would set the time of all; not tuned."""
DROPOUT = {True: 0.2, False: 0.5}
"""By whether data are dense: what Kang and McAuley (SASRec, ICDM 2018) have for MovieLens 1M and for their sparse
sets."""
BATCH_TOKENS = {True: 4000, False: 1000}
"""Places of a batch, likewise: 20 windows of `LONGEST`, or 10 of half as much; not tuned."""


@dataclass(frozen=True)
class Settings:
    """The hyperparameter of spec recipes-and-runtime 1.3."""

    apply_recency_bias: bool = hyperparameter(True)
    """Whether recent popularity and time take part; where not, only the order of events and popularity of all times."""
    seed: int = 0


def train(data: Interactions, settings: Settings, progress: Progress) -> UserPersonalization:
    """Trains the blend; raises NotEnoughData for fewer than two users with two interactions."""
    makeup = BlendVariant(settings.apply_recency_bias, transformer_plan(data, settings), settings.seed)
    return user_personalization.blend(data, makeup, progress)


def transformer_plan(data: Interactions, settings: Settings) -> TransformerPlan:
    """Returns what suits the data: their distinct rows, rows an item, and the lengths of histories."""
    user, item = first_rows(data)
    rows = len(user)
    dense = bool(rows / max(1, len(np.unique(item))) >= DENSE)
    lengths = np.bincount(user)
    _, width, epochs = next(size for size in SIZES if rows <= size[0])
    return TransformerPlan(
        width=width,
        epochs=epochs,
        seed=settings.seed,
        length=int(
            np.clip(np.quantile(lengths[lengths > 0], SEEN_WHOLE), SHORTEST, LONGEST if dense else LONGEST // 2)
        ),
        blocks=2,
        heads=2,
        dropout=DROPOUT[dense],
        tokens=BATCH_TOKENS[dense],
        sampled=0 if len(data.items) <= FULL_SOFTMAX_ITEMS else user_personalization.SAMPLED,
        times=settings.apply_recency_bias and pauses_differ(data),
        features=True,
    )


def pauses_differ(data: Interactions) -> bool:
    """Returns whether times tell more than the order does: where they are only counted up, they do not."""
    pauses = np.diff(data.timestamp)[data.user[1:] == data.user[:-1]]
    return len(pauses) > 0 and bool(np.bincount(buckets(pauses)).max() < ALIKE * len(pauses))


CANDIDATES = 1000
"""Items that are scored (spec recipes-and-runtime 4.2): AWS publishes no number; ours is twice the longest answer."""
# The number of items is AWS's (spec recipes-and-runtime 1.2).
_NEXT_ITEM = Recipe(
    "aws-user-personalization-v2",
    USER_PERSONALIZATION,
    "Predicts the items a user will interact with next, by a transformer over events, time, metadata and "
    "context, blended with closed forms.",
    Settings,
    train,
    UserPersonalization,
    features=True,
    updates=("AUTOMATIC",),
    weighs_events=True,
    most_items=5_000_000,
    shows_metadata=True,
    candidates=CANDIDATES,
    when="Where the order and time of events tell much, and a training may take minutes, of a million interactions "
    "an hour and more.",
    learns_from="interactions: order, time and weight; metadata of items and users; context",
    paper="Kang and McAuley, Self-Attentive Sequential Recommendation, 2018; Zhai et al., Actions Speak Louder "
    "than Words, 2024; for the blend see aws-user-personalization.",
)
# One ranks what it is given, and has no candidates.
RECIPES = (
    _NEXT_ITEM,
    replace(
        _NEXT_ITEM,
        name="aws-personalized-ranking-v2",
        recipe_type=PERSONALIZED_RANKING,
        description="Orders a list of items for a user; the model is that of aws-user-personalization-v2.",
        updates=(),
        scores_unknown=True,
        candidates=0,
        when="As aws-personalized-ranking, where the order and time of events tell much.",
    ),
)
