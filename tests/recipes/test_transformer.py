"""The transformer: the numpy forward pass equals torch's, and what it learns."""

from __future__ import annotations

import numpy as np
import torch

from tailorbird.recipes.ingredients import transformer, transformer_training
from tailorbird.recipes.ingredients.transformer_training import Plan
from tailorbird.recipes.recipe import Interactions, Query, silent


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


def query(*items: int) -> Query:
    return Query(np.array(items, np.int32), np.arange(len(items), dtype=np.int64))


def test_numpy_gives_what_torch_gives():
    items, width = 40, 33
    torch.manual_seed(1)
    log_shares = np.random.default_rng(0).normal(size=items).astype(np.float32)
    net = transformer_training.build(items, width, log_shares).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    arrays = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    model = transformer.Transformer(arrays)
    for history in ((7,), (3, 9, 27), tuple(range(40)), tuple(range(39, -1, -1))):
        inputs = np.full((1, transformer.LENGTH), transformer_training.PADDING)
        inputs[0, -len(history) :] = history
        with torch.no_grad():
            state = net.states(torch.from_numpy(inputs))[:, -1]
            expected = torch.log_softmax(state @ net.item.weight.T + net.bias, 1).numpy()
        np.testing.assert_allclose(model.score([query(*history)]), expected, rtol=1e-4, atol=1e-4)


def test_learns_what_follows_and_survives_save_and_load(tmp_path):
    data = cycles(users=300, items=30, length=12)
    heard: list[str] = []
    model = transformer_training.train(data, Plan(32, 25, seed=0), lambda share, told: heard.append(str(told)))
    best = model.score([query(here) for here in range(30)]).argmax(axis=1)
    assert (best == (np.arange(30) + 1) % 30).mean() > 0.9
    assert len(heard) == 26
    assert heard[0] == "epoch 1/25 loss 3.40"  # log of 30 items
    model.save(tmp_path)
    questions = [query(), query(3, 4), query(*range(30), *range(30))]
    np.testing.assert_array_equal(transformer.load(tmp_path).score(questions), model.score(questions))


def test_sampled_softmax_learns_too(monkeypatch):
    monkeypatch.setattr(transformer_training, "SAMPLED", 10)
    data = cycles(users=300, items=30, length=12)
    model = transformer_training.train(data, Plan(32, 25, seed=0), silent)
    best = model.score([query(here) for here in range(30)]).argmax(axis=1)
    assert (best == (np.arange(30) + 1) % 30).mean() > 0.9


def test_same_seed_same_weights_and_torch_keeps_its_own_state():
    data = cycles(users=20, items=30, length=5)
    torch.manual_seed(5)
    one = transformer_training.train(data, Plan(32, 1, seed=4), silent)
    draw = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(draw, torch.rand(1))
    other = transformer_training.train(data, Plan(32, 1, seed=4), silent)
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name])


def test_a_later_item_does_not_change_what_an_earlier_one_sees():
    torch.manual_seed(1)
    net = transformer_training.build(10, 8, np.zeros(10, np.float32)).eval()
    inputs = torch.full((2, transformer.LENGTH), transformer_training.PADDING)
    inputs[:, -4:] = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 9]])
    with torch.no_grad():
        states = net.states(inputs)
    assert torch.equal(states[0, -2], states[1, -2])
    assert not torch.equal(states[0, -1], states[1, -1])


def test_windows_cover_every_transition_once():
    bounds = np.array([0, 130, 131, 140])
    for offset in (0, 17, 49):
        spans = transformer_training.windows(bounds, offset)
        transitions = [row for start, end in spans for row in range(start, end - 1)]
        assert sorted(transitions) == [*range(129), *range(131, 139)]
        assert all(end - start <= transformer.LENGTH + 1 for start, end in spans)
