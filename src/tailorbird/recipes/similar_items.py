"""aws-similar-items: items that happen together, and items that are alike.

A log-linear blend of scorers, each asked about a history of one item: how popular an item is, now and ever; what
else the item's users and sessions did; what comes close to it; the cosines of content vectors and of collaborative
ones. A cold item, one with fewer than `COLD` interactions, has hardly any of that but its columns. So
as a candidate it gets an offset and weights of its own for being alike, and takes the place of an average item in
the rest; as the item that is asked about it has a second set of all weights.

The weights are learned on sessions that the scorers did not see; some items are hidden from the
scorers altogether, to learn how cold ones fare. An item without interactions or columns, and one that the model
does not know, is answered with popular items (spec recipes-and-runtime 1.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailorbird.data.clocks import DAY
from tailorbird.recipes import item_vectors
from tailorbird.recipes.item_vectors import ItemEncoder
from tailorbird.recipes.matrices import session_item, user_item
from tailorbird.recipes.recipe import Interactions, Progress, Query, Recipe
from tailorbird.recipes.recipe_types import RELATED_ITEMS
from tailorbird.recipes.scorers import co_occurrence, cosine, decayed_popularity, markov_chain
from tailorbird.recipes.scorers.blend_weights import (
    TOLERANCE,
    Sample,
    discount_popularity,
    ndcg,
    samples_with_scores,
    sharpen,
)
from tailorbird.recipes.scorers.likelihood import fit
from tailorbird.recipes.scorers.scorer import Scorer, load_scorers, save_scorers
from tailorbird.recipes.settings import hyperparameter
from tailorbird.storage.arrays import load_arrays, save_arrays

COLD = 5
"""Interactions that make an item warm (spec recipes-and-runtime 1.4)."""
GAP = 1800.0
"""Seconds without an interaction that end a session: the half hour of recurrent.py and of web analytics."""
RECENT_HALF_LIFE = 30.0 * DAY
"""Seconds: a month, since related items are asked for in shops, where a season is too long; not tuned, its weight is
learned."""
HELD_OUT = 0.1
"""Share of the sessions on which the weights are learned, and of the items that are hidden meanwhile: as in the exam
(spec recipes-and-runtime 3.1)."""
FIT_CELLS = 2_000_000
"""Bound on (sample, item) pairs while learning the weights: 8 MB a part."""
LEAST_SAMPLES = 20
"""With fewer, `DEFAULTS` stay: there are up to ten weights to learn."""
LEAST_OF_SESSIONS = 0.1
"""Where fewer of the sessions hold several items, all that a user did counts as one session while learning: else there
would be next to nothing to learn from."""
SEEDS = 3
"""Items of a session that are asked about while learning: more of one session tell the same again."""
LEAST_SCALE = 0.1
"""Of the warm parts together: what cold items get is not blown up beyond ten times."""
ROOM = np.arange(0, 6.1, 0.5)
"""Steps by which the offset of cold items may grow: a step makes one 1.6 times as likely, all of them 400 times;
`TOLERANCE` ends it before."""
_OF_COLD = {"cold": -1.0, "cold content": 3.0, "cold collaborative": 3.0}  # as `DEFAULTS`
DEFAULTS = (
    {"popular": -0.1, "users": 0.3, "sessions": 0.7, **_OF_COLD},
    {"popular": 0.3, "content": 3.0, "collaborative": 3.0, **_OF_COLD},
)
"""Weights to begin with: asked about a warm item, and about a cold one. Not tuned: they only begin a search, or stand
in for one; popularity negative, since lists should be of the item."""


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of spec recipes-and-runtime 1.3."""

    item_id_hidden_dim: int = hyperparameter(
        100, low=30, high=200, tunable=True, only_tuned=True, spellings=("item_id_hidden_dimension",)
    )
    """Dimensions of the collaborative vectors."""
    item_metadata_hidden_dim: int = hyperparameter(
        100, low=30, high=200, tunable=True, only_tuned=True, spellings=("item_metadata_hidden_dimension",)
    )
    """Dimensions of the content vectors."""
    seed: int = 0


LOADERS: dict[str, Callable[[Path], Scorer]] = {
    "popular": decayed_popularity.load,
    "recent": decayed_popularity.load,
    "users": co_occurrence.load,
    "sessions": co_occurrence.load,
    "follows": markov_chain.load,
    "content": cosine.load,
    "collaborative": cosine.load,
}
"""The scorers in the order of their weights; the popularity, which may be discounted, comes first."""


@dataclass(frozen=True)
class SimilarItems:
    """The scorers by name, and the weights of the parts of the blend."""

    items: NDArray[np.str_]
    scorers: dict[str, Scorer]
    weights: NDArray[np.float32]
    """(asked about a warm item or a cold one, part), the parts as `parts` gives them."""
    cold: NDArray[np.bool_]
    blank: NDArray[np.bool_]
    """Items of which nothing is known: neither interactions nor columns."""
    encoder: ItemEncoder | None
    """Made the items' content vectors; None where items have no columns."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) scores on the scale of log-probabilities; the item itself is left out."""
        known = [row for row, query in enumerate(queries) if query.item is not None and not self.blank[query.item]]
        scores = self.scorers["popular"].score([_about(0)] * len(queries)).copy()
        if known:
            asked = [_about(int(queries[row].item or 0)) for row in known]
            kinds = self.cold[[query.items[0] for query in asked]].astype(np.int64)
            found = parts(self.scorers, asked, self.cold)
            scores[known] = sum(self.weights[kinds, place, None] * part for place, part in enumerate(found.values()))
        for row, query in enumerate(queries):
            if query.item is not None:
                scores[row, query.item] = -np.inf
        return scores

    def relevance(self, words: Sequence[str], items: Sequence[int]) -> NDArray[np.float32]:
        """Returns how alike each item's columns are to just these words, as cosines; 0 where items have no columns."""
        if self.encoder is None:
            return np.zeros(len(items), np.float32)
        content = self.scorers["content"]
        assert isinstance(content, cosine.Cosine), "an encoder goes with the vectors it made"
        return np.asarray(content.vectors[np.array(items, np.int64)] @ self.encoder.encode_words(words), np.float32)

    def save(self, folder: Path) -> None:
        """Writes the blend's arrays, each scorer into a folder of its name, and the encoder."""
        save_arrays(folder, items=self.items, weights=self.weights, cold=self.cold, blank=self.blank)
        save_scorers(folder, self.scorers)
        if self.encoder is not None:
            (folder / "encoder").mkdir()
            self.encoder.save(folder / "encoder")

    @classmethod
    def load(cls, folder: Path) -> SimilarItems:
        """Reads what `save` wrote."""
        items, weights, cold, blank = load_arrays(folder, "items", "weights", "cold", "blank")
        scorers = load_scorers(folder, LOADERS)
        encoder = item_vectors.load(folder / "encoder") if (folder / "encoder").exists() else None
        return cls(items, scorers, weights, cold, blank, encoder)


def train(data: Interactions, settings: Settings, progress: Progress) -> SimilarItems:
    """Learns the weights on some sessions, then the scorers on everything."""
    progress(0.0, "reading what the items' columns say")
    rng, count = np.random.default_rng(settings.seed), len(data.items)
    encoder, content = None, np.zeros((count, 0), np.float32)
    if data.item_columns:
        encoder = item_vectors.fit(data.item_columns, count, settings.item_metadata_hidden_dim, settings.seed)
        content = encoder.encode(data.item_columns, count)
        encoder = encoder if content.any() else None
    progress(0.2, "training on most sessions")
    seen = np.bincount(data.item, minlength=count) > 0
    hidden = seen & (rng.random(count) < (HELD_OUT if content.any() else 0.0))
    before, samples = hold_out(data, hidden, rng)
    cold = _cold(before, content)
    tried = train_scorers(before, content, settings)
    progress(0.5, f"learning the weights on {sum(map(len, samples)):,} questions about the other sessions")
    weights = np.array([learn_weights(tried, *each, cold, seen) for each in zip(samples, DEFAULTS, strict=True)])
    del tried  # as large as what comes now
    progress(0.7, "training on everything")
    scorers = train_scorers(data, content, settings)
    blank = ~content.any(axis=1) & ~seen
    progress(1.0, f"trained on {len(data.user)} interactions")
    return SimilarItems(data.items, scorers, weights, _cold(data, content), blank, encoder)


def _cold(data: Interactions, content: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which items are cold and can be judged by their columns."""
    return np.asarray((np.bincount(data.item, minlength=len(data.items)) < COLD) & content.any(axis=1))


def train_scorers(data: Interactions, content: NDArray[np.float32], settings: Settings) -> dict[str, Scorer]:
    """Trains all scorers; those of vectors only where columns tell something."""
    sessions = session_item(data, GAP)
    scorers: dict[str, Scorer] = {
        "popular": decayed_popularity.train(data, np.inf),
        "recent": decayed_popularity.train(data, RECENT_HALF_LIFE),
        "users": co_occurrence.train(user_item(data)),
        "sessions": co_occurrence.train(sessions),
        "follows": markov_chain.train(data),
    }
    if content.any():
        scorers["content"] = cosine.Cosine(content)
        scorers["collaborative"] = cosine.collaborative(sessions, content, settings.item_id_hidden_dim, settings.seed)
    return scorers


def _about(item: int, time: int = np.iinfo(np.int64).max) -> Query:
    """The question to a scorer: who did just this item, at that time (epoch seconds), does what next?"""
    return Query(np.array([item], np.int32), np.array([time], np.int64))


def parts(
    scorers: Mapping[str, Scorer], queries: Sequence[Query], cold: NDArray[np.bool_]
) -> dict[str, NDArray[np.float32]]:
    """Returns (query, item) for each part of the blend: the scorers, and what counts for cold candidates alone."""
    found = {name: np.array(each.score(queries), np.float32) for name, each in scorers.items()}
    if "content" not in found:
        return found
    own = {"cold": np.tile(cold.astype(np.float32), (len(queries), 1))}
    own |= {f"cold {name}": found[name] * cold for name in ("content", "collaborative")}
    for part in found.values():
        part[:, cold] = part[:, ~cold].mean(axis=1, keepdims=True) if not cold.all() else 0
    return found | own


def hold_out(
    data: Interactions, hidden: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Interactions, tuple[list[Sample], list[Sample]]]:
    """Returns the rows of most sessions without the hidden items, and questions about the other sessions.

    The questions are about items that are not hidden, and about those that are. Each one's truth is what else its
    session holds.
    """
    session = _sessions(data)
    held_out = rng.random(session[-1] + 1) < HELD_OUT
    found: tuple[list[Sample], list[Sample]] = ([], [])
    most = max(LEAST_SAMPLES, FIT_CELLS // len(data.items))
    for number in rng.permutation(np.flatnonzero(held_out)):
        rows = np.arange(*np.searchsorted(session, [number, number + 1]))
        for kind, able in zip(found, (~hidden, hidden), strict=True):
            for row in rng.permutation(rows[able[data.item[rows]]])[:SEEDS]:
                truth = np.setdiff1d(data.item[rows], data.item[row])
                if len(truth) and len(kind) < most:
                    kind.append(Sample(_about(data.item[row], int(data.timestamp[row])), truth))
    keep = ~held_out[session] & ~hidden[data.item]
    return data.rows(keep) if keep.any() else data, found


def _sessions(data: Interactions) -> NDArray[np.int64]:
    """The number of each row's session; of its user, where hardly a session holds more than one item."""
    users = np.diff(data.user, prepend=data.user[:1]) != 0
    for begins in (users | (np.diff(data.timestamp, prepend=data.timestamp[:1]) > GAP), users):
        session = np.cumsum(begins)
        distinct = np.unique(np.stack([session, data.item]), axis=1)[0]
        if (np.bincount(distinct) > 1).mean() > LEAST_OF_SESSIONS:
            break
    return session


def learn_weights(
    scorers: Mapping[str, Scorer],
    samples: Sequence[Sample],
    defaults: Mapping[str, float],
    cold: NDArray[np.bool_],
    seen: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Returns the weights of the parts with which the samples' truths come first; the defaults with too few samples.

    Items that nobody ever interacted with take no part: that they were not found would tell against hidden ones.
    """
    queries = [sample.query for sample in samples] or [_about(0)]
    found = {name: part[:, seen] for name, part in parts(scorers, queries, cold).items()}
    number = (np.cumsum(seen) - 1).astype(np.int32)
    samples = [
        Sample(replace(sample.query, items=number[sample.query.items]), number[sample.truth]) for sample in samples
    ]
    usual = np.array([defaults.get(name, 0.0) for name in found], np.float32)
    if len(samples) < LEAST_SAMPLES:
        return usual
    scores = list(found.values())
    table = samples_with_scores(scores, samples)
    (likely, none), offsets = fit(table)
    warm = sum(name in scorers for name in found)
    usual[warm:] = likely[warm:]
    sharp = np.stack([sharpen(table, [likely, usual], range(warm)), none])
    weights: NDArray[np.float32] = discount_popularity(table, sharp, offsets)[0]
    if warm < len(scores):
        weights[warm:] = _of_cold(np.tensordot(weights[:warm], table.scores[:warm], 1), scores[warm:], samples)
    return weights


def _of_cold(
    rest: NDArray[np.float32], own: Sequence[NDArray[np.float32]], samples: Sequence[Sample]
) -> NDArray[np.float32]:
    """Returns the weights of the parts that are cold candidates' `own`, on top of the weighed rest.

    They make the truths most likely; then the offset grows as long as lists do not get worse than `TOLERANCE` says,
    since an item that is never shown stays cold.
    """
    table = samples_with_scores([rest, *own], samples)
    (found, _), _ = fit(table)
    weights = np.asarray(found[1:] / max(found[0], LEAST_SCALE), np.float32)
    total = rest + np.tensordot(weights, table.scores[1:], 1)
    total[np.arange(len(samples)), [sample.query.items[-1] for sample in samples]] = -np.inf
    gains = np.array([ndcg(total + np.float32(step) * own[0], table.truth > 0) for step in ROOM])
    weights[0] += ROOM[gains >= (1 - TOLERANCE) * gains.max()].max()
    return weights


RECIPES = (
    Recipe(
        "aws-similar-items",
        RELATED_ITEMS,
        "Items that happen together and items that are alike; the same answer for everyone.",
        Settings,
        train,
        SimilarItems,
        when="On an item's page, for what is bought or watched together; themes give its lists a name. Metadata "
        "did not make such lists better (P7, P7g in quality.md). New items get neighbours, but seldom the right "
        "ones: of films it found fewer than random lists did (P8), of gifts more (P8r); aws-semantic-similarity "
        "found more of both.",
        learns_from="interactions: who, what, when; metadata and texts of items",
        paper="Our own blend: Christoffel et al., Blockbusters and Wallflowers, RecSys 2015; Deerwester et al., "
        "Indexing by Latent Semantic Analysis, 1990; Gantner et al., Learning Attribute-to-Feature Mappings for "
        "Cold-Start Recommendations, ICDM 2010.",
    ),
)
