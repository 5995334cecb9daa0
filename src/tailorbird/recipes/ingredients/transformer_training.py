"""Training of the transformer: the one place that imports torch, and only when called.

Full softmax is the better loss; where the catalogue is too large for the time there is, the softmax runs over
the batch's own items and a uniform sample of the others, shared by the batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes import determinism
from tailorbird.recipes.ingredients.transformer import EPSILON, HEADS, LENGTH, Transformer
from tailorbird.recipes.matrices import first_rows
from tailorbird.recipes.recipe import Interactions, Progress

if TYPE_CHECKING:
    import torch

BLOCKS = 2
DROPOUT = 0.2
BATCH = 32
RATE = 2e-3
WEIGHT_DECAY = 0.01
WARM_UP = 0.15
SAMPLED = 2000
REPORT_EVERY = 50
"""Batches between two calls of progress: a few seconds."""
PADDING = -1


@dataclass(frozen=True)
class Plan:
    """How to train: width of the item vectors, passes over the data, and the seed."""

    width: int
    epochs: int
    seed: int


def train(data: Interactions, plan: Plan, progress: Progress) -> Transformer:
    """Trains on every user's distinct items in order, cut into windows at another place each epoch."""
    import torch

    user, item = first_rows(data)
    bounds = np.searchsorted(user, np.arange(len(data.users) + 1))
    counts = np.bincount(item, minlength=len(data.items)) + 0.5
    rng = np.random.default_rng(plan.seed)
    with determinism.seeded(plan.seed):
        net = build(len(data.items), plan.width, np.log(counts / counts.sum()).astype(np.float32))
        optimizer = torch.optim.AdamW(net.parameters(), weight_decay=WEIGHT_DECAY)
        for epoch in range(plan.epochs):
            spans = rng.permutation(windows(bounds, int(rng.integers(LENGTH))))
            loss = math.log(len(data.items))
            for start in range(0, len(spans), BATCH):
                done = (epoch + start / len(spans)) / plan.epochs
                if start % (REPORT_EVERY * BATCH) == 0:
                    progress(done, f"epoch {epoch + 1}/{plan.epochs} loss {loss:.2f}")
                fresh = step(net, optimizer, batch(item, spans[start : start + BATCH]), RATE * schedule(done))
                loss += (fresh - loss) / min(1 + start // BATCH, REPORT_EVERY)
        progress(1.0, f"epoch {plan.epochs}/{plan.epochs} loss {loss:.2f}")
    return Transformer({name: tensor.detach().numpy() for name, tensor in net.state_dict().items()})


def step(
    net: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    windows: tuple[NDArray[np.int64], NDArray[np.int64]],
    rate: float,
) -> float:
    """Takes one step down the gradient; returns the loss before it."""
    import torch

    loss = net(*map(torch.from_numpy, windows))
    descend(net, optimizer, loss, rate)
    return float(loss.item())


def descend(net: torch.nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor, rate: float) -> None:
    """Takes one step down the gradient of `loss`, which is clipped."""
    import torch

    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()


def schedule(done: float) -> float:
    """Returns the share of the full learning rate: a linear rise, then half a cosine."""
    if done < WARM_UP:
        return max(done, 0.01) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def windows(bounds: NDArray[np.int64], offset: int) -> NDArray[np.int64]:
    """Returns (window, 2): start and end rows of windows of LENGTH + 1 items, the first `offset` shorter."""
    found = []
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        for left in range(start - offset, end - 1, LENGTH):
            window = max(start, left), min(end, left + LENGTH + 1)
            if window[1] - window[0] >= 2:
                found.append(window)
    return np.array(found, np.int64).reshape(-1, 2)


def batch(item: NDArray[np.int32], spans: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns (window, LENGTH) inputs and next items, both aligned to the right and padded with -1."""
    inputs = np.full((len(spans), LENGTH), PADDING, np.int64)
    targets = np.full((len(spans), LENGTH), PADDING, np.int64)
    for row, (start, end) in enumerate(spans):
        inputs[row, LENGTH - (end - start - 1) :] = item[start : end - 1]
        targets[row, LENGTH - (end - start - 1) :] = item[start + 1 : end]
    return inputs, targets


def build(items: int, width: int, log_shares: NDArray[np.float32]) -> torch.nn.Module:
    """Returns the network; calling it with inputs and next items gives the loss."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before_attention = nn.LayerNorm(width, eps=EPSILON)
            self.query, self.key, self.value, self.join = (nn.Linear(width, width) for _ in range(4))
            self.before_feed = nn.LayerNorm(width, eps=EPSILON)
            self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            def heads(projection: nn.Linear) -> torch.Tensor:
                split: torch.Tensor = projection(normed).unflatten(2, (HEADS, -1))
                return split.transpose(1, 2)

            normed = self.before_attention(x)
            attended = functional.scaled_dot_product_attention(
                heads(self.query), heads(self.key), heads(self.value), mask, DROPOUT if self.training else 0.0
            )
            x = x + functional.dropout(self.join(attended.transpose(1, 2).flatten(2)), DROPOUT, self.training)
            fed = self.narrow(functional.gelu(self.widen(self.before_feed(x))))
            return x + functional.dropout(fed, DROPOUT, self.training)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.item, self.place = nn.Embedding(items, width), nn.Embedding(LENGTH, width)
            self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
            self.norm = nn.LayerNorm(width, eps=EPSILON)
            self.bias = nn.Parameter(torch.from_numpy(log_shares.copy()))
            for embedding in (self.item, self.place):
                nn.init.normal_(embedding.weight, std=0.02)

        def states(self, inputs: torch.Tensor) -> torch.Tensor:
            here = inputs != PADDING
            square = torch.ones(LENGTH, LENGTH, dtype=torch.bool)
            # Padding may look at itself: a row without anything to attend to would be NaN.
            mask = (here[:, None, None] & square.tril()) | torch.eye(LENGTH, dtype=torch.bool)
            x = self.item(inputs.clamp(min=0)) + self.place.weight
            x = functional.dropout(x, DROPOUT, self.training)
            for block in self.blocks:
                x = block(x, mask)
            normed: torch.Tensor = self.norm(x)
            return normed

        def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            known = targets != PADDING
            states, target = self.states(inputs)[known], targets[known]
            if items <= 2 * SAMPLED:
                return functional.cross_entropy(states @ self.item.weight.T + self.bias, target)
            chosen, place = torch.unique(torch.cat([target, torch.randint(items, (SAMPLED,))]), return_inverse=True)
            logits = states @ self.item.weight[chosen].T + self.bias[chosen]
            return functional.cross_entropy(logits, place[: len(target)])

    return Net()
