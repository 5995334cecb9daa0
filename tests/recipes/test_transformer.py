"""The transformer: the numpy forward pass equals torch's, and what it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tailorbird.recipes import features
from tailorbird.recipes.matrices import keep_users
from tailorbird.recipes.recipe import Column, Interactions, Query, silent
from tailorbird.recipes.scorers import transformer, transformer_training
from tailorbird.recipes.scorers.transformer_training import TransformerPlan

PLAN = TransformerPlan(32, 30, seed=0, sampled=0, tokens=150, dropout=0.1)


def cycles(users: int, items: int, length: int) -> Interactions:
    """Every user walks once around the circle of items, from another place."""
    starts = np.random.default_rng(0).integers(items, size=users)
    item = (starts[:, None] + np.arange(length)) % items
    return Interactions(
        users=np.array([f"u{number:04}" for number in range(users)]),
        items=np.array([f"i{number:04}" for number in range(items)]),
        user=np.repeat(np.arange(users, dtype=np.int32), length),
        item=item.ravel().astype(np.int32),
        timestamp=np.tile(np.arange(length, dtype=np.int64), users),
        event_type=np.zeros(users * length, np.int16),
    )


def train(data: Interactions, plan: TransformerPlan, progress=silent) -> transformer.Transformer:
    """Every tenth user is held out."""
    held_out = np.arange(len(data.users)) % 10 == 0
    return transformer_training.train(keep_users(data, ~held_out), keep_users(data, held_out), plan, progress)


def query(*items: int, **more: object) -> Query:
    return Query(np.array(items, np.int32), np.arange(len(items), dtype=np.int64), **more)


def categorical(*values: object) -> Column:
    return Column("categorical", np.array(values, object))


def described(users: int = 60, items: int = 20, length: int = 8) -> Interactions:
    """Walks around the circle with times, weights, metadata and a context."""
    data = cycles(users, items, length)
    rows = np.arange(len(data.user))
    return replace(
        data,
        timestamp=1_600_000_000 + np.cumsum(np.random.default_rng(1).integers(1, 10**6, len(rows))),
        weight=np.where(rows % 2, 1.5, 0.5).astype(np.float32),
        item_columns={"GENRE": categorical(*("ab"[item % 2] for item in range(items)))},
        user_columns={"CITY": categorical(*("xyz"[user % 3] for user in range(users)))},
        context={"DEVICE": categorical(*("pq"[row % 2] for row in rows))},
    )


@pytest.mark.parametrize("rich", [False, True])
def test_numpy_gives_what_torch_gives(rich, torch):
    data = described()
    plan = TransformerPlan(34, 1, seed=0, length=6, heads=2, times=rich, features=rich)
    user, context, item = (
        features.fit(columns if rich else {}) for columns in (data.user_columns, data.context, data.item_columns)
    )
    torch.manual_seed(1)
    net = transformer_training.build(
        data, plan, item.columns(data.item_columns, len(data.items)), user.size, context.size
    ).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        vectors = net.vectors().detach()
    arrays = {name: tensor.numpy() for name, tensor in net.state_dict().items()} | {"vectors": vectors.numpy()}
    model = transformer.Transformer(arrays, int(data.timestamp.max()), user, context)
    told = transformer_training.training_histories(data, user, context)
    bounds = data.timestamp.reshape(60, 8)
    for start, end in ((0, 2), (9, 12), (18, 25), (28, 35)):  # of users 0 to 3; the last does not see the beginning
        batch = transformer_training.collate(told, np.array([[start, end]]), net, last=1)
        with torch.no_grad():
            expected = torch.log_softmax(net(batch, vectors) @ vectors[:-1].T + net.bias, 1).numpy()
        number = start // 9
        seen = slice(8 * number, 8 * number + end - 1 - 9 * number - 1)
        asked = Query(
            data.item[seen],
            data.timestamp[seen],
            now=int(bounds[number, seen.stop - 8 * number]),
            user=data.user_of(number),
            context=data.context_of(seen.stop),
        )
        np.testing.assert_allclose(model.score([asked]), expected, rtol=1e-4, atol=1e-4)


def test_entries_have_the_gradient_of_an_index(torch):
    from tailorbird.recipes.scorers import transformer_network

    torch.manual_seed(0)
    column, index, given = torch.randn(7, requires_grad=True), torch.randint(6, (4, 3, 5)), torch.randn(4, 3, 5)
    found, expected = transformer_network.entries(column, index), column[index]
    assert torch.equal(found, expected)
    (ours,), (theirs,) = (torch.autograd.grad(each, column, given) for each in (found, expected))
    torch.testing.assert_close(ours, theirs)
    assert ours[6] == 0  # of which there are none


def test_learns_what_follows_and_survives_save_and_load(tmp_path):
    heard: list[str] = []
    model = train(cycles(users=300, items=30, length=12), PLAN, lambda share, told: heard.append(str(told)))
    best = model.score([query(here) for here in range(30)]).argmax(axis=1)
    assert (best == (np.arange(30) + 1) % 30).mean() > 0.9
    assert heard[0].startswith("epoch 1/30 loss 3.40")  # log of 30 items
    model.save(tmp_path)
    questions = [query(), query(3, 4), query(*range(30), *range(30))]
    np.testing.assert_array_equal(transformer.load(tmp_path).score(questions), model.score(questions))


def test_sampled_softmax_learns_too():
    model = train(cycles(users=300, items=30, length=12), replace(PLAN, sampled=10))
    best = model.score([query(here) for here in range(30)]).argmax(axis=1)
    assert (best == (np.arange(30) + 1) % 30).mean() > 0.9


def test_a_sample_stands_for_all_items(torch):
    """Over many draws the corrected sum over a sample has the mean of the sum over all items."""
    torch.manual_seed(0)
    states, vectors, bias = torch.randn(1, 4), torch.randn(51, 4), torch.randn(50)
    target, weight = torch.tensor([7]), torch.ones(1)
    counts = np.arange(50)
    whole, sampled = (transformer_training.Softmax(counts, size, torch.device("cpu")) for size in (0, 20))
    own = (states @ vectors[7] + bias[7]).exp()
    drawn = [(own * sampled.loss(states, target, weight, vectors, bias).exp()).item() for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(
        (own * whole.loss(states, target, weight, vectors, bias).exp()).item(), rel=0.05
    )


def test_the_loss_in_parts_is_torchs_and_so_is_its_gradient(monkeypatch, torch):
    from tailorbird.recipes.scorers import cross_entropy

    torch.manual_seed(0)
    monkeypatch.setattr(cross_entropy, "CELLS", 90)  # of 30 items: three questions at a time
    given = states, vectors, bias = [torch.randn(*shape).requires_grad_() for shape in ((10, 4), (31, 4), (30,))]
    targets, weights = torch.randint(30, (10,)), torch.rand(10)
    scores = torch.nn.functional.linear(states, vectors[:-1], bias)
    expected = (torch.nn.functional.cross_entropy(scores, targets, reduction="none") * weights).sum()
    whole = transformer_training.Softmax(np.arange(30), 0, torch.device("cpu"))
    found = whole.loss(states, targets, weights, vectors, bias)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(torch.autograd.grad(found, given), torch.autograd.grad(expected, given), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_time_tells_what_comes_next():
    """After a short pause the next item follows, after a long one the one opposite."""
    data, pauses = cycles(users=300, items=30, length=12), np.random.default_rng(2).random((300, 12)) < 0.5
    item = (np.cumsum(np.where(pauses, 15, 1), axis=1) + np.arange(300)[:, None]) % 30
    times = np.cumsum(np.where(pauses, 10**6, 60), axis=1)
    data = replace(data, item=item.ravel().astype(np.int32), timestamp=times.ravel())
    model = train(data, replace(PLAN, times=True))
    for pause, step in ((60, 1), (10**6, 15)):
        best = model.score([query(here, now=pause) for here in range(30)]).argmax(axis=1)
        assert (best == (np.arange(30) + step) % 30).mean() > 0.8


def test_metadata_and_context_tell_what_comes_first_and_next():
    users, items = 400, 20
    rng = np.random.default_rng(0)
    city, device = rng.integers(2, size=users), rng.integers(2, size=users * 2)
    first = rng.integers(items // 4, size=users) * 4 + 2 * city
    item = np.stack([first, rng.integers(items // 4, size=users) * 4 + 1], axis=1)
    item[:, 1] += 2 * device[1::2]
    data = replace(
        cycles(users, items, 2),
        item=item.ravel().astype(np.int32),
        user_columns={"CITY": categorical(*(str(each) for each in city))},
        context={"DEVICE": categorical(*(str(each) for each in device))},
    )
    model = train(data, replace(PLAN, tokens=60, features=True))
    for number in (0, 1):
        lists = np.argsort(-model.score([query(user={"CITY": str(number)})])[0])[:5]
        assert set(lists % 4) == {2 * number}
        lists = np.argsort(-model.score([query(0, context={"DEVICE": str(number)})])[0])[:5]
        assert set(lists % 4) == {1 + 2 * number}


def test_what_weighs_more_is_learned_more():
    users, items = 300, 10
    data = cycles(users, items, 2)
    item = np.stack([np.zeros(users), 1 + np.arange(users) % 2], axis=1).astype(np.int32)
    for heavy, light in ((1, 2), (2, 1)):
        weights = np.where(item == heavy, 4, 1).astype(np.float32)
        weighed = train(replace(data, item=item.ravel(), weight=weights.ravel()), PLAN)
        shares = np.exp(weighed.score([query(0)])[0])
        assert shares[heavy] > 1.5 * shares[light]


def test_same_seed_same_weights_and_torch_keeps_its_own_state(torch):
    data = cycles(users=20, items=30, length=5)
    torch.manual_seed(5)
    one = train(data, replace(PLAN, epochs=1))
    draw = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(draw, torch.rand(1))
    other = train(data, replace(PLAN, epochs=1))
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name])


def test_a_later_event_does_not_change_what_an_earlier_one_sees(torch):
    data = described()
    encoders = features.fit(data.user_columns), features.fit(data.context)
    told = transformer_training.training_histories(data, *encoders)
    torch.manual_seed(1)
    plan = TransformerPlan(8, 1, seed=0, length=8, times=True, dropout=0.0)
    nothing = features.fit({}).columns({}, len(data.items))
    net = transformer_training.build(data, plan, nothing, *(encoder.size for encoder in encoders))
    with torch.no_grad():
        vectors = net.vectors().detach()
        short = net(transformer_training.collate(told, np.array([[0, 5]]), net), vectors)
        long = net(transformer_training.collate(told, np.array([[0, 9]]), net), vectors)
    torch.testing.assert_close(long[:4], short)


def test_buckets_of_time_are_the_same_in_both(torch):
    from tailorbird.recipes.scorers import transformer_network

    seconds = np.unique(np.concatenate([transformer.EDGES + shift for shift in (-1, 0, 1)]))
    seconds = np.concatenate([[-5, 0], seconds, [2**40]])
    found = transformer.buckets(seconds)
    assert found[0] == found[1] == 0
    assert found[-1] == len(transformer.EDGES)
    np.testing.assert_array_equal(found, transformer_network.buckets(torch.from_numpy(seconds)).numpy())


def test_windows_cover_every_transition_once_and_batches_every_window():
    rng = np.random.default_rng(0)
    bounds = np.array([0, 130, 132, 140, 191])
    for _ in range(5):
        spans = transformer_training.windows(bounds, 50, rng)
        transitions = [row for start, end in spans for row in range(start, end - 1)]
        assert sorted(transitions) == [*range(129), 130, *range(132, 139), *range(140, 190)]
        assert all(end - start <= 51 for start, end in spans)
        assert [132, 140] in spans.tolist()  # what fits is never cut
        parts = transformer_training.batches(spans, 60, rng)
        assert sorted(map(tuple, np.concatenate(parts).tolist())) == sorted(map(tuple, spans.tolist()))
        assert all(len(part) == 1 or len(part) * (np.diff(part).max() - 1) <= 60 for part in parts)


def test_whoever_did_nothing_since_the_training_is_not_run_through_the_network_again(tmp_path, monkeypatch):
    data = cycles(users=40, items=30, length=12)
    model = train(data, replace(PLAN, epochs=1))
    knows = model.knowing(data)
    known = [Query(data.item[row : row + 12], data.timestamp[row : row + 12], now=10**9) for row in (0, 24, 120)]
    acted = [
        replace(known[0], items=np.append(known[0].items, np.int32(7)), timestamps=np.append(known[0].timestamps, 99)),
        replace(known[1], items=known[1].items[:-1], timestamps=known[1].timestamps[:-1]),
        replace(known[2], items=known[2].items[::-1]),
    ]
    expected = model.score([*known, *acted])
    np.testing.assert_allclose(knows.score([*known, *acted]), expected, rtol=1e-5, atol=1e-5)
    knows.save(tmp_path)
    read = transformer.load(tmp_path)
    monkeypatch.setattr(transformer.Transformer, "_run", None)
    np.testing.assert_allclose(read.score(known), expected[:3], rtol=1e-5, atol=1e-5)
    for each in acted:
        with pytest.raises(TypeError):
            read.score([each])


def test_states_are_kept_of_the_users_seen_last(monkeypatch):
    data = cycles(users=40, items=30, length=12)
    data = replace(data, timestamp=data.timestamp + 100 * data.user)
    monkeypatch.setattr(transformer, "KNOWN_EVENTS", 36)
    model = train(data, replace(PLAN, epochs=1)).knowing(data)
    queries = [
        Query(*(part[12 * user : 12 * user + 12] for part in (data.item, data.timestamp)), now=10**9)
        for user in range(40)
    ]
    known = [model.known.rows(model._windows([each]).keys()) != [-1] for each in queries]
    assert np.flatnonzero(known).tolist() == [37, 38, 39]


def test_a_model_of_before_there_were_known_states_is_read(tmp_path):
    model = train(cycles(users=40, items=30, length=12), replace(PLAN, epochs=1))
    model.save(tmp_path)
    for name in ("known_keys", "known_states"):
        (tmp_path / f"{name}.npy").unlink()
    np.testing.assert_array_equal(transformer.load(tmp_path).score([query(3)]), model.score([query(3)]))
