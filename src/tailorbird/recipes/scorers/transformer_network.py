"""The transformer as torch has it. Importing this module loads torch, so only training does, when it is called.

Architecture: Kang and McAuley, Self-Attentive Sequential Recommendation (SASRec), ICDM 2018, in the pre-norm form.
Instead of places it has what each attention adds for the distance between two events and for the time between the
earlier one and the moment that is asked about (Zhai et al., Actions Speak Louder than Words (HSTU), ICML 2024).
Windows begin at the left, so that the causal mask hides padding as well. A history begins with an event of its own,
START, at which the first item is asked for. What is known of the user and of the request is added to the state
that a question ends in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tailorbird.recipes.scorers.transformer import EDGES, EPSILON
from tailorbird.recipes.scorers.transformer_training import PADDING

SPREAD = 0.02
"""Standard deviation of vectors before training: that of BERT and GPT-2; not tuned."""


@dataclass(frozen=True)
class Shape:
    """How large the network is, and which kinds of information it takes in besides the order of the items."""

    items: int
    width: int
    blocks: int
    heads: int
    length: int
    dropout: float
    times: bool
    item_features: int = 0
    user_features: int = 0
    context_features: int = 0


class TransformerBatch(NamedTuple):
    """Windows of histories; (window, place) unless said otherwise. Each place asks for what comes next."""

    items: Tensor
    """Numbers of items; `Shape.items` is START."""
    targets: Tensor
    """The next item; PADDING where none is asked for."""
    weights: Tensor
    """How much each target counts."""
    times: Tensor
    """Epoch seconds of the items."""
    asked: Tensor
    """Epoch seconds of the targets."""
    user: Tensor
    """(window, feature) of the users."""
    context: Tensor
    """(window, place, feature) of the targets."""


class Block(nn.Module):
    """Attention, then a feed-forward layer, each on normalised input and added to it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.heads, self.dropout = shape.heads, shape.dropout
        self.before_attention = nn.LayerNorm(width, eps=EPSILON)
        self.query, self.key, self.value, self.join = (nn.Linear(width, width) for _ in range(4))
        self.distance = nn.Parameter(torch.zeros(shape.heads, shape.length))
        self.time = nn.Parameter(torch.zeros(len(EDGES) + 1, shape.heads)) if shape.times else None
        self.before_feed = nn.LayerNorm(width, eps=EPSILON)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, waits: Tensor | None) -> Tensor:
        """Returns x after the block; `waits` are the buckets of time between the events and the questions."""

        def heads(projection: nn.Linear) -> Tensor:
            split: Tensor = projection(normed).unflatten(2, (self.heads, -1))
            return split.transpose(1, 2)

        normed = self.before_attention(x)
        dropout = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(
            heads(self.query),
            heads(self.key),
            heads(self.value),
            self.bias(x.shape[1], waits).to(normed.dtype),
            dropout,
        )
        x = x + functional.dropout(self.join(attended.transpose(1, 2).flatten(2)), self.dropout, self.training)
        fed = self.narrow(functional.gelu(self.widen(self.before_feed(x))))
        return x + functional.dropout(fed, self.dropout, self.training)

    def bias(self, length: int, waits: Tensor | None) -> Tensor:
        """Returns what attention adds, (1 or window, head, asking, asked about); -inf for what comes later."""
        place = torch.arange(length, device=self.distance.device)
        apart = place[:, None] - place
        distance = functional.embedding(apart.clamp(min=0), self.distance.T).permute(2, 0, 1)[None]
        bias: Tensor = distance.masked_fill(apart < 0, float("-inf"))
        if self.time is not None and waits is not None:
            bias = bias + torch.stack([entries(column, waits) for column in self.time.unbind(1)], 1)
        return bias


def entries(column: Tensor, index: Tensor) -> Tensor:
    """Returns column[index], for a short column and a large index.

    The gradient is counted up in one pass: that of an embedding or an index takes several times as long on a CPU.
    """
    found: Tensor = _Entries.apply(column, index)  # type: ignore[no-untyped-call]
    return found


class _Entries(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, column: Tensor, index: Tensor) -> Tensor:
        """Returns an entry for each number in the index."""
        ctx.save_for_backward(index)
        ctx.size = len(column)
        return column[index]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Returns the sum of each entry's gradients, added up in double precision."""
        (index,) = ctx.saved_tensors
        total = torch.bincount(index.flatten(), gradient.flatten().double(), ctx.size)
        return total.to(gradient.dtype), None


class Network(nn.Module):
    """Calling it with a batch and `vectors()` gives the states of all places that ask; (question, width)."""

    def __init__(self, shape: Shape, log_shares: Tensor, item_features: Tensor) -> None:
        super().__init__()
        self.shape = shape
        self.item = nn.Embedding(shape.items + 1, shape.width)
        self.register_buffer("of_items", item_features, persistent=False)
        self.feature = _start(shape.item_features, shape.width)
        self.user = _start(shape.user_features, shape.width)
        self.context = _start(shape.context_features, shape.width)
        self.gap = _start(len(EDGES) + 1 if shape.times else 0, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.blocks))
        self.norm = nn.LayerNorm(shape.width, eps=EPSILON)
        self.bias = nn.Parameter(log_shares)
        nn.init.normal_(self.item.weight, std=SPREAD)

    def vectors(self) -> Tensor:
        """Returns (item, width): what stands for each item, as input and as output; START is the last."""
        vectors: Tensor = self.item.weight
        return vectors + torch.sparse.mm(self.of_items, self.feature) if self.shape.item_features else vectors

    def forward(self, batch: TransformerBatch, vectors: Tensor) -> Tensor:
        """Returns the states of the places with a target, window by window."""
        x = functional.embedding(batch.items, vectors)
        waits = None
        if self.shape.times:
            waits = buckets(batch.asked[:, :, None] - batch.times[:, None, :])
            x = x + self.gap[waits.diagonal(dim1=1, dim2=2)]
        x = functional.dropout(x, self.shape.dropout, self.training)
        for block in self.blocks:
            x = block(x, waits)
        x = x + (batch.user @ self.user)[:, None] + batch.context @ self.context
        normed: Tensor = self.norm(x[batch.targets != PADDING])
        return normed


def _start(features: int, width: int) -> nn.Parameter:
    return nn.Parameter(SPREAD * torch.randn(features, width))


def buckets(seconds: Tensor) -> Tensor:
    """Returns the bucket of each span of time, as `transformer.buckets` does."""
    return torch.bucketize(seconds, torch.from_numpy(EDGES).to(seconds.device), right=True)
