"""Training of the recurrent network, which imports torch, and only when called.

All users' interactions, one user after the other in a random order, are cut into equal lanes that are read side by
side (the session-parallel batches of Hidasi et al., ICLR 2016). Every `bptt` columns the weights take a step: the
states go on to the next columns, the gradient does not (truncated backpropagation through time).

An item that nobody interacted with in the data has no vector of its own, only that of its features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes import seeding
from tailorbird.recipes.features import Features
from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.recipe import Epoch, Interactions, Progress
from tailorbird.recipes.scorers.decayed_popularity import DecayedPopularity
from tailorbird.recipes.scorers.recurrent import SESSION_GAP, Recurrent
from tailorbird.recipes.scorers.transformer_training import descend, schedule

if TYPE_CHECKING:
    import torch

DROPOUT = 0.2
"""As the transformer has; not tuned here."""
RATE = 1e-2
"""Of AdamW at its highest: five times the transformer's, since a small set gets few steps; not tuned further."""
WEIGHT_DECAY = 0.01
"""AdamW's own default in torch."""
ROWS = 700_000
"""Interactions read in all epochs together: some 25 seconds of one core at the default width. A million cost 40 seconds
and brought no quality."""
SMOOTHING = 0.1
"""Of a step in the loss that is told: the mean of some ten; nothing depends on it."""
MOST_EPOCHS = 20
"""More learn a small set by heart."""
MOST_LANES = 32
"""As rows side by side make one product; more make fewer steps an epoch. Not tuned."""
ROWS_OF_LANE = 100
"""In an epoch, at least: a small set is better read in some steps an epoch than in one."""
ALL_ITEMS = 2000
"""Up to here the softmax runs over all items; beyond, over the batch's own and `SAMPLED` others."""
SAMPLED = 700
"""Beside those of the batch: a third of the catalogue at which sampling begins; time against how well a sample stands
for it, not tuned."""


@dataclass(frozen=True)
class RecurrentPlan:
    """How to train."""

    width: int
    bptt: int
    """Columns between two steps: how far back the gradient goes."""
    forget: float
    """Share of the items that are known by their features alone in a step, so that features learn to stand alone."""
    seed: int


@dataclass(frozen=True)
class PopularityLogits:
    """What is added to the logits whatever the user did."""

    recent: DecayedPopularity
    newcomers: NDArray[np.float32]
    """(moment, item), in the place of the recent log shares where someone has no history: see `cold_users.logits`."""


@dataclass(frozen=True)
class TrainingRows:
    """The interactions with what the network is told of each; the arrays are parallel."""

    item: NDArray[np.int64]
    user: NDArray[np.int32]
    begins: NDArray[np.bool_]
    """Whether a user's first interaction."""
    resumes: NDArray[np.bool_]
    """Whether the first of another session of the same user."""
    moment: NDArray[np.int64]
    """Row of `DecayedPopularity.log_shares` as of the interaction before."""
    users: sparse.csr_matrix
    """(user, feature)"""
    context: sparse.csr_matrix
    """(row, feature)"""
    known: NDArray[np.int64]
    """Sorted numbers of the items that occur."""


@dataclass(frozen=True)
class RecurrentBatch:
    """`bptt` columns of all lanes; the first four are (lane, column), the next two (lane x column, feature)."""

    item: NDArray[np.int64]
    begins: NDArray[np.bool_]
    resumes: NDArray[np.bool_]
    moment: NDArray[np.int64]
    users: sparse.csr_matrix
    context: sparse.csr_matrix
    chosen: NDArray[np.int64]
    """Sorted numbers of the items that the softmax runs over, those of `item` included."""


def train(
    data: Interactions, popularity: PopularityLogits, features: Features, plan: RecurrentPlan, progress: Progress
) -> Recurrent:
    """Trains on all interactions, of which there must be one; the number of epochs depends on theirs."""
    import torch

    rng = np.random.default_rng(plan.seed)
    rows = training_rows(data, popularity.recent, features)
    known = np.isin(np.arange(len(data.items)), rows.known)
    epochs = int(np.clip(ROWS // len(data.user), 1, MOST_EPOCHS))
    with seeding.seeded(plan.seed):
        net = build(known, popularity, features, plan)
        optimizer = torch.optim.AdamW(net.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
        loss = math.log(len(data.items))
        for epoch in range(epochs):
            order = lanes(data, rng)
            state = user = torch.zeros(len(order), plan.width)
            for start in range(0, order.shape[1], plan.bptt):
                done = (epoch + start / order.shape[1]) / epochs
                progress(done, Epoch(epoch + 1, epochs, loss))
                fresh, state, user = net(batch(rows, order[:, start : start + plan.bptt], rng), state, user)
                descend(net, optimizer, fresh, RATE * schedule(done))
                loss += SMOOTHING * (float(fresh.item()) - loss)
    progress(1.0, Epoch(epochs, epochs, loss))
    return Recurrent(weights(net, known, features.items), features.users, features.context)


def training_rows(data: Interactions, recent: DecayedPopularity, features: Features) -> TrainingRows:
    """Returns the rows of the data, in their order."""
    bounds = user_bounds(data)[:-1]
    begins = np.zeros(len(data.user), bool)
    begins[bounds[bounds < len(begins)]] = True
    before = np.where(begins, data.timestamp, np.roll(data.timestamp, 1))
    return TrainingRows(
        data.item.astype(np.int64),
        data.user,
        begins,
        data.timestamp - before > SESSION_GAP,
        recent.rows(before),
        features.users.columns(data.user_columns, len(data.users)),
        features.context.columns(data.context, len(data.user)),
        np.unique(data.item).astype(np.int64),
    )


def lanes(data: Interactions, rng: np.random.Generator) -> NDArray[np.int64]:
    """Returns (lane, column) row numbers: users in a random order, each one's rows in theirs.

    The last lane is filled up with rows of the first.
    """
    bounds = user_bounds(data)
    stream = np.concatenate([np.arange(bounds[user], bounds[user + 1]) for user in rng.permutation(len(data.users))])
    count = int(np.clip(len(stream) // ROWS_OF_LANE, 1, MOST_LANES))
    return np.resize(stream, (count, -(-len(stream) // count)))


def batch(rows: TrainingRows, here: NDArray[np.int64], rng: np.random.Generator) -> RecurrentBatch:
    """Returns the batch of the rows `here`, (lane, column)."""
    item, flat = rows.item[here], here.ravel()
    chosen = rows.known
    if len(chosen) > ALL_ITEMS:
        chosen = np.unique(np.concatenate([item.ravel(), rng.choice(chosen, SAMPLED)]))
    users, context = rows.users[rows.user[flat]], rows.context[flat]
    return RecurrentBatch(item, rows.begins[here], rows.resumes[here], rows.moment[here], users, context, chosen)


def build(
    known: NDArray[np.bool_], popularity: PopularityLogits, features: Features, plan: RecurrentPlan
) -> torch.nn.Module:
    """Returns the network: called with a batch and the states so far it gives the loss and the states after.

    known: the items that have a vector of their own.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    width = plan.width
    recent, newcomers = map(torch.from_numpy, (popularity.recent.log_shares, popularity.newcomers))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.item = nn.Parameter(torch.randn(len(known), width) * width**-0.5)
            self.bias = nn.Parameter(torch.zeros(len(known)))
            self.feature = nn.Parameter(torch.zeros(features.items.shape[1], width + 1))
            self.person = nn.Parameter(torch.zeros(features.users.size, width))
            self.context = nn.Parameter(torch.zeros(features.context.size, width))
            self.popularity = nn.Parameter(torch.ones(1))
            self.session, self.users = nn.GRUCell(width, width), nn.GRUCell(width, width)
            self.start = nn.Linear(width, width)

        def first(self, user: torch.Tensor) -> torch.Tensor:
            """The initial state of a session."""
            return torch.tanh(self.start(user))

        def forward(
            self, batch: RecurrentBatch, state: torch.Tensor, user: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            chosen, item = map(torch.from_numpy, (batch.chosen, batch.item))
            vectors, bias = self.catalogue(batch)
            target = torch.searchsorted(chosen, item)
            x = functional.dropout(vectors[target], DROPOUT, self.training)
            states, state, user = self.walk(x, batch, state, user)
            asked = states.flatten(0, 1) + embedded(self.context, batch.context)
            added = torch.cat([self.popularity * recent[:, chosen] + bias, newcomers[:, chosen]])
            row = torch.from_numpy(batch.moment + len(recent) * batch.begins).flatten()
            logits = torch.addmm(added[row], functional.dropout(asked, DROPOUT, self.training), vectors.T)
            return functional.cross_entropy(logits, target.flatten()), state.detach(), user.detach()

        def catalogue(self, batch: RecurrentBatch) -> tuple[torch.Tensor, torch.Tensor]:
            """Vectors and biases of the chosen items."""
            own = torch.from_numpy(known[batch.chosen].astype(np.float32))
            if plan.forget:
                own = own * (torch.rand(len(own)) >= plan.forget)
            described = embedded(self.feature, features.items[batch.chosen])
            vectors = own[:, None] * self.item[batch.chosen] + described[:, :-1]
            return vectors, own * self.bias[batch.chosen] + described[:, -1]

        def walk(
            self, x: torch.Tensor, batch: RecurrentBatch, state: torch.Tensor, user: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            """The state before each interaction, (lane, column, width); the states after the last."""
            people = embedded(self.person, batch.users).view(*batch.item.shape, width)
            begins, resumes = torch.from_numpy(batch.begins), torch.from_numpy(batch.resumes)
            states = []
            for column in range(x.shape[1]):
                if batch.resumes[:, column].any() or batch.begins[:, column].any():
                    began, resumed = begins[:, column, None], resumes[:, column, None]
                    user = torch.where(resumed, self.users(state, user), user)
                    user = torch.where(began, people[:, column], user)
                    state = torch.where(began | resumed, self.first(user), state)
                states.append(state)
                state = self.session(x[:, column], state)
            return torch.stack(states, 1), state, user

    return Net()


def embedded(weight: torch.Tensor, rows: sparse.csr_matrix) -> torch.Tensor:
    """Returns rows @ weight."""
    import torch

    if not weight.shape[0]:
        return weight.new_zeros(rows.shape[0], weight.shape[1])
    indices, offsets, shares = map(torch.from_numpy, (rows.indices, rows.indptr[:-1], rows.data))
    return torch.nn.functional.embedding_bag(indices, weight, offsets, mode="sum", per_sample_weights=shares)


def weights(net: torch.nn.Module, known: NDArray[np.bool_], items: sparse.csr_matrix) -> dict[str, NDArray[np.float32]]:
    """Returns the arrays that serving needs: what `items`, (item, feature), say of each item is added to its own."""
    arrays = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    described = np.asarray(items @ arrays.pop("feature"), np.float32)
    vectors = known[:, None] * arrays["item"] + described[:, :-1]
    return arrays | {"item": vectors, "bias": known * arrays["bias"] + described[:, -1]}
