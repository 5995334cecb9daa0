"""The recurrent network: numpy equals torch, sessions, truncation, cold items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recipes.tastes import DAY, NEW_ITEMS, OLD_ITEMS, question, tastes
from tailorbird.evaluation import ranking
from tailorbird.recipes import features, hrnn
from tailorbird.recipes.recipe import Column, Epoch, Interactions, NotEnoughData, Query, silent
from tailorbird.recipes.scorers import cold_users, decayed_popularity, recurrent, recurrent_training
from tailorbird.recipes.scorers.recurrent import SESSION_GAP, Recurrent
from tailorbird.recipes.scorers.recurrent_training import PopularityLogits, RecurrentPlan


def test_numpy_gives_what_torch_gives(torch):
    data, plan = tastes(users=8), RecurrentPlan(width=33, bptt=32, forget=0.0, seed=0)
    known, recent = features.of(data), decayed_popularity.train(data, np.inf)
    touched = np.bincount(data.item, minlength=len(data.items)) > 0
    torch.manual_seed(1)
    popularity = PopularityLogits(recent, cold_users.logits(cold_users.first_shares(data), recent.log_shares))
    net = recurrent_training.build(touched, popularity, known, plan).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    times = data.timestamp[:30].copy()
    times[5:9] = times[4] + 60 * np.arange(1, 5)  # one session of five, the others of one
    data = replace(data, timestamp=np.concatenate([times, data.timestamp[30:]]))
    batch = recurrent_training.batch(
        recurrent_training.training_rows(data, recent, known), np.arange(30)[None, :], np.random.default_rng(0)
    )
    model = Recurrent(recurrent_training.weights(net, touched, known.items), known.users, known.context)
    with torch.no_grad():
        vectors, _ = net.catalogue(batch)
        place = np.searchsorted(batch.chosen, batch.item)
        states, *_ = net.walk(vectors[torch.from_numpy(place)], batch, torch.zeros(1, 33), torch.zeros(1, 33))
    asked = [Query(data.item[:k], times[:k], now=int(times[k]), user=data.user_of(0)) for k in range(30)]
    assert sum(batch.resumes[0]) == 25
    np.testing.assert_allclose(model.states(asked), states[0].numpy(), rtol=1e-4, atol=1e-5)


def going_home(users: int = 80) -> Interactions:
    """In every session people walk the circle of items from 1 on; every new session starts at item 0."""
    rng = np.random.default_rng(2)
    item, gaps = [], []
    for _ in range(users):
        for _ in range(4):
            start, length = int(rng.integers(1, 40)), int(rng.integers(4, 8))
            item += [0, *(1 + (start + np.arange(length)) % 39).tolist()]
            gaps += [2 * SESSION_GAP, *[60] * length]
    user = np.cumsum(np.array(item) == 0) - 1
    return Interactions(
        users=np.array([f"u{number:03}" for number in range(users)]),
        items=np.array([f"i{number:03}" for number in range(40)]),
        user=(user // 4).astype(np.int32),
        item=np.array(item, np.int32),
        timestamp=np.cumsum(gaps),
        event_type=np.zeros(len(item), np.int16),
    )


def test_a_pause_ends_the_session():
    model = hrnn.train(going_home(), hrnn.Settings(), silent)
    times = np.array([0, 60, 120])
    going_on, coming_back = (
        model.score([Query(np.array([0, 7, 8], np.int32), times, now=120 + pause)])[0]
        for pause in (60, 2 * SESSION_GAP)
    )
    assert going_on.argmax() == 9
    assert coming_back.argmax() == 0


def test_long_histories_are_read_from_their_newest_part():
    model = hrnn.train(going_home(20), hrnn.Settings(bptt=8), silent)
    items = np.random.default_rng(0).integers(40, size=recurrent.LAST + 50).astype(np.int32)
    times = np.arange(len(items))
    long, recent = Query(items, times), Query(items[-recurrent.LAST :], times[-recurrent.LAST :])
    np.testing.assert_array_equal(model.network.states([long]), model.network.states([recent]))


@pytest.mark.parametrize("bptt", [2, 32])
def test_bptt_says_after_how_many_interactions_the_weights_step(bptt):
    heard: list[object] = []
    data = going_home(20)

    def stop_after_an_epoch(share: float, text: object) -> None:
        heard.append(text)
        if isinstance(text, Epoch) and text.number == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        hrnn.train(data, hrnn.Settings(bptt=bptt), stop_after_an_epoch)
    columns = recurrent_training.lanes(data, np.random.default_rng(0)).shape[1]
    assert sum(isinstance(text, Epoch) and text.number == 1 for text in heard) == -(-columns // bptt)


def test_recency_mask_lets_recent_popularity_take_part():
    data = going_home(30)
    late = data.timestamp.max() + 3 * int(decayed_popularity.RECENT_HALF_LIFE)
    last = np.searchsorted(data.user, 25)
    moved = replace(
        data,
        item=np.where(np.arange(len(data.item)) >= last, 39, data.item).astype(np.int32),
        timestamp=np.where(np.arange(len(data.item)) >= last, late, data.timestamp),
    )
    with_it, without = (
        hrnn.train(moved, hrnn.Settings(recency_mask=mask), silent).score([question([])])[0] for mask in (True, False)
    )
    assert with_it[39] > without[39] + 0.3


def test_cold_items_are_young_and_hardly_touched():
    data = tastes()
    cold = hrnn.cold_items(data, hrnn.ColdstartSettings())
    assert cold[OLD_ITEMS:].all()
    assert not cold[:OLD_ITEMS].any()
    once = hrnn.cold_items(data, hrnn.ColdstartSettings(cold_start_max_interactions=1))
    np.testing.assert_array_equal(np.flatnonzero(once), np.flatnonzero(np.bincount(data.item) <= 1)[-once.sum() :])
    assert 0 < once.sum() < NEW_ITEMS
    current = hrnn.ColdstartSettings(cold_start_relative_from="currentTime")
    assert not hrnn.cold_items(replace(data, read=int(data.timestamp.max()) + 10 * DAY), current).any()
    assert hrnn.cold_items(replace(data, read=int(data.timestamp.max())), current).any()
    created = np.array([None] * len(data.items), object)
    created[-10:] = int(data.timestamp.max()) - 6 * DAY
    dated = replace(data, item_columns=data.item_columns | {"CREATION_TIMESTAMP": Column("numeric", created)})
    assert hrnn.cold_items(dated, hrnn.ColdstartSettings()).sum() == NEW_ITEMS - 10


def test_too_few_cold_items_are_refused_with_their_number():
    with pytest.raises(NotEnoughData, match="100 to 80000 cold items, and the data have 0"):
        hrnn.train_with_cold_items(
            replace(tastes(users=20), read=2_000_000_000),
            hrnn.ColdstartSettings(cold_start_relative_from="currentTime"),
            silent,
        )


def test_cold_items_are_ranked_by_their_features_and_recommended():
    """Among cold items a held-out user's next one is a third of the way down on average; by chance, half of it."""
    held_out = ranking.split(tastes(), seed=1)
    model = hrnn.train_with_cold_items(held_out.train, hrnn.ColdstartSettings(hidden_dimension=43), silent)
    places = [
        float((row[OLD_ITEMS:] > row[item]).mean())
        for row, truth in zip(model.score(held_out.queries), held_out.truths, strict=True)
        for item in truth[truth >= OLD_ITEMS].tolist()
    ]
    assert len(places) > 20
    assert np.mean(places) < 0.35
    shown = ranking.top_lists(model, list(held_out.queries))
    assert (shown >= OLD_ITEMS).any(axis=1).mean() > 0.5
