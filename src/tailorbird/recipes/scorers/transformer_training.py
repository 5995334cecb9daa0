"""Training of the transformer, with torch, which is imported only when it is called.

Every place of every window asks for the next item, by softmax cross-entropy over the catalogue (Klenitskiy and
Vasilev, Turning Dross Into Gold Loss, RecSys 2023), which where the catalogue is too large for the time there is runs
over a sample of it, drawn by popularity and corrected for that (Yi et al., Sampling-Bias-Corrected Neural Modeling,
RecSys 2019). What is kept is the running mean of the weights at the end of the epoch that orders held-out users' next
items best.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes import features, seeding
from tailorbird.recipes.features import Encoder
from tailorbird.recipes.matrices import closeness, first_places, spectral
from tailorbird.recipes.recipe import Epoch, Interactions, Progress
from tailorbird.recipes.scorers.transformer import Transformer

if TYPE_CHECKING:
    import torch

    from tailorbird.recipes.scorers.transformer_network import Network, TransformerBatch

WINDOW, DECAY, POWER = 20, 0.9, 0.4
"""How items that occur close to each other are counted, as in markov_chain.py, and how much their totals are
discounted, at the start; which saves most of the epochs on sparse data."""
LENGTH_AT_START = 1.0
"""Of the item vectors: their root mean square, that of unit normal ones, which layer normalisation expects."""
RATE = 2e-3
"""Of AdamW at its highest: higher than the usual 1e-3, for the few epochs that there are; not tuned further."""
WEIGHT_DECAY = 0.01
"""AdamW's own default in torch."""
WARM_UP = 0.05
"""Share of the steps until the full rate, so that the vectors of the start are not shaken loose; not tuned."""
SORTED = 30
"""Batches whose windows are sorted by length together: enough to pad little, few enough that batches stay random."""
POPULARITY = 0.75
"""Power of an item's count by which it is drawn into a sample: that of Mikolov et al., NIPS 2013, for negative samples;
the correction makes it unbiased."""
VALIDATED = 10
"""Last items of a held-out user that are asked for: more questions of the same users make a steadier stop than one
each."""
CUTOFF = 10
"""Of the validation NDCG: that which P1 to P3 of bench/quality are judged by."""
REPORT_EVERY = 20
"""Batches between two calls of progress: a few seconds."""
PADDING = -1
"""No item has this number."""


@dataclass(frozen=True)
class TransformerPlan:
    """How large the network is and how it learns."""

    width: int
    epochs: int
    seed: int
    length: int = 50
    """Distinct recent items that it sees: as many as SASRec (Kang and McAuley, ICDM 2018) on all but MovieLens."""
    blocks: int = 2
    """Two or three is what tuned peers have (Klenitskiy and Vasilev); two are a third cheaper."""
    heads: int = 1
    """One takes any width, AWS's odd default of hidden_dimension included."""
    dropout: float = 0.2
    """That of tuned peers on data that are neither dense nor sparse; the recipes say otherwise where they know."""
    tokens: int = 1600
    """Places of a batch, at most: 32 windows of 50, as before windows were packed by length."""
    sampled: int = 2000
    """Items beside the targets that the softmax runs over; 0 for all of them."""
    times: bool = False
    """Whether the time between events and the time of the question are seen."""
    features: bool = False
    """Whether metadata and context are."""
    patience: int = 5
    """Epochs without a better validation after which it ends; not tuned."""


@dataclass(frozen=True)
class TrainingHistories:
    """Users' distinct items in order, each user's after a START; the arrays are parallel, one entry an event."""

    bounds: NDArray[np.int64]
    """(users + 1): the events of user u are at bounds[u]:bounds[u + 1]."""
    item: NDArray[np.int64]
    time: NDArray[np.int64]
    weight: NDArray[np.float32]
    user: sparse.csr_matrix
    """(user, feature)."""
    context: sparse.csr_matrix
    """(event, feature)."""


def training_histories(data: Interactions, user: Encoder, context: Encoder) -> TrainingHistories:
    """Returns what the network learns from; an item that a user returned to weighs as its weightiest row."""
    places = first_places(data)
    lengths = np.bincount(data.user[places], minlength=len(data.users))
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1][lengths > 0]
    rows = np.insert(places, starts, places[starts])
    is_start = np.insert(np.zeros(len(places), bool), starts, True)
    weight = np.ones(len(data.user), np.float32) if data.weight is None else data.weight
    pair = np.unique(data.user.astype(np.int64) * len(data.items) + data.item, return_inverse=True)[1]
    heaviest = np.zeros(len(places), np.float32)
    np.maximum.at(heaviest, pair, weight)
    columns = {name: replace(column, values=column.values[rows]) for name, column in data.context.items()}
    present = {name: replace(column, values=column.values[lengths > 0]) for name, column in data.user_columns.items()}
    return TrainingHistories(
        bounds=np.concatenate([[0], np.cumsum(lengths[lengths > 0] + 1)]),
        item=np.where(is_start, len(data.items), data.item[rows]).astype(np.int64),
        time=data.timestamp[rows],
        weight=heaviest[pair[rows]],
        user=user.columns(present, len(starts)),
        context=context.columns(columns, len(rows)),
    )


def train(data: Interactions, held_out: Interactions, plan: TransformerPlan, progress: Progress) -> Transformer:
    """Learns from the histories in `data`, and when to stop from those in `held_out`, which hold other users."""
    import torch

    user, context, item = (
        features.fit(columns if plan.features else {})
        for columns in (data.user_columns, data.context, data.item_columns)
    )
    learned, validated = training_histories(data, user, context), training_histories(held_out, user, context)
    rng = np.random.default_rng(plan.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with seeding.seeded(plan.seed):
        net = build(data, plan, item.columns(data.item_columns, len(data.items)), user.size, context.size)
        place(net, data, rng)
        net = net.to(device)
        best = learn(net, learned, validated, plan, rng, progress)
    arrays = {name: tensor.float().cpu().numpy() for name, tensor in best.state_dict().items()}
    with torch.no_grad():
        vectors = best.vectors().float().cpu().numpy()
    unseen = np.bincount(data.item, minlength=len(data.items)) == 0
    vectors[:-1][unseen] -= arrays["item.weight"][:-1][unseen]  # nothing was learned but their features
    for name in ("item.weight", "feature"):
        del arrays[name]
    return Transformer(arrays | {"vectors": vectors}, int(data.timestamp.max()), user, context)


def build(
    data: Interactions, plan: TransformerPlan, item_features: sparse.csr_matrix, user: int, context: int
) -> Network:
    """Returns the network before training."""
    import torch

    from tailorbird.recipes.scorers.transformer_network import Network, Shape

    counts = np.bincount(data.item, minlength=len(data.items)) + 0.5  # logs are finite
    shape = Shape(
        items=len(data.items),
        width=plan.width,
        blocks=plan.blocks,
        heads=plan.heads,
        length=plan.length,
        dropout=plan.dropout,
        times=plan.times,
        item_features=item_features.shape[1],
        user_features=user,
        context_features=context,
    )
    log_shares = torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))
    entries = item_features.tocoo()
    places = torch.from_numpy(np.stack([entries.row, entries.col]).astype(np.int64))
    sparse_features = torch.sparse_coo_tensor(
        places, torch.from_numpy(entries.data), (shape.items + 1, shape.item_features), check_invariants=False
    )
    return Network(shape, log_shares, sparse_features.coalesce())


def place(net: Network, data: Interactions, rng: np.random.Generator) -> None:
    """Begins with vectors that are alike where items occur close to each other, which spares half the epochs."""
    import torch

    vectors = spectral(closeness(data, WINDOW, DECAY, 1.0), net.shape.width, POWER, rng)
    scale = np.sqrt(np.mean(np.sum(vectors**2, axis=1)))
    if scale > 0:
        with torch.no_grad():
            net.item.weight[:-1] += torch.from_numpy(vectors * np.float32(LENGTH_AT_START / scale))


def learn(
    net: Network,
    learned: TrainingHistories,
    held_out: TrainingHistories,
    plan: TransformerPlan,
    rng: np.random.Generator,
    progress: Progress,
) -> Network:
    """Returns the network with the mean weights of the best epoch."""
    import torch

    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
    counts = np.bincount(learned.item, minlength=net.shape.items + 1)[:-1]
    softmax = Softmax(counts, plan.sampled, next(net.parameters()).device)
    mean, best = copy.deepcopy(net), copy.deepcopy(net)
    loss, found, waited, steps = math.log(net.shape.items), None, 0, 0
    for epoch in range(plan.epochs):
        spans = batches(windows(learned.bounds, plan.length, rng), plan.tokens, rng)
        for number, span in enumerate(spans):
            done = (epoch + number / len(spans)) / plan.epochs
            if number % REPORT_EVERY == 0:
                progress(done, Epoch(epoch + 1, plan.epochs, loss, found))
            fresh = step(net, optimizer, collate(learned, span, net), softmax, RATE * schedule(done))
            steps += 1
            loss += (fresh - loss) / min(steps, REPORT_EVERY)
            move_mean(mean, net, max(1 / steps, 1 / len(spans)))
        value = validate(mean, held_out, plan)
        waited += 1
        if found is None or value > found:
            best, found, waited = copy.deepcopy(mean), value, 0
        if waited >= plan.patience:
            break
    progress(1.0, Epoch(epoch + 1, plan.epochs, loss, found))
    return best


def move_mean(mean: Network, net: Network, share: float) -> None:
    """Moves the running mean of the weights by that share towards the weights."""
    import torch

    with torch.no_grad():
        for kept, fresh in zip(mean.parameters(), net.parameters(), strict=True):
            kept.lerp_(fresh, share)


def schedule(done: float) -> float:
    """Returns the share of the full learning rate: a linear rise from next to nothing, then half a cosine."""
    if done < WARM_UP:
        return max(done, 0.001) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def step(
    net: Network, optimizer: torch.optim.Optimizer, batch: TransformerBatch, softmax: Softmax, rate: float
) -> float:
    """Takes one step down the gradient; returns the loss before it."""
    import torch

    net.train()
    with torch.autocast(batch.items.device.type, torch.bfloat16, enabled=batch.items.is_cuda):
        vectors = net.vectors()
        states = net(batch, vectors)
    asked = batch.targets != PADDING
    weights = batch.weights[asked] / batch.weights[asked].sum()
    loss = softmax.loss(states.float(), batch.targets[asked], weights, vectors.float(), net.bias)
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


class Softmax:
    """Cross-entropy over all items, or over the targets and a sample of the others."""

    def __init__(self, counts: NDArray[np.int64], size: int, device: torch.device) -> None:
        import torch

        shares = torch.from_numpy((counts + 1.0) ** POPULARITY).float().to(device)
        self.shares, self.size = shares / shares.sum(), size
        self.all = torch.arange(len(shares), device=device)

    def loss(
        self,
        states: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
        vectors: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        """Returns the sum over (question) targets by their weights; vectors: (item and START, width)."""
        import torch
        from torch.nn.functional import embedding

        from tailorbird.recipes.scorers.cross_entropy import cross_entropy

        # The gradient of an embedding is added up in one order, that of an index in the threads' own.
        own = (states * embedding(targets, vectors)).sum(dim=1) + embedding(targets, bias[:, None])[:, 0]
        if not self.size:
            return cross_entropy(own, states, vectors[:-1], bias, self.all, targets, weights)
        others = torch.multinomial(self.shares, self.size, replacement=True)
        corrected = embedding(others, bias[:, None])[:, 0] - torch.log(self.size * self.shares[others])
        return cross_entropy(own, states, embedding(others, vectors), corrected, others, targets, weights)


def windows(bounds: NDArray[np.int64], length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Returns (window, 2): start and end rows; a history of more than length + 1 is cut at a drawn place."""
    found = []
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        offset = int(rng.integers(length)) if end - start > length + 1 else 0
        for left in range(start - offset, end - 1, length):
            window = max(start, left), min(end, left + length + 1)
            if window[1] - window[0] >= 2:
                found.append(window)
    return np.array(found, np.int64).reshape(-1, 2)


def batches(spans: NDArray[np.int64], tokens: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Returns the windows in batches of at most `tokens` places, padding included, of similar lengths."""
    spans = rng.permutation(spans)
    pool = max(1, SORTED * tokens * len(spans) // max(1, int((spans[:, 1] - spans[:, 0]).sum())))
    found = []
    for start in range(0, len(spans), pool):
        part = spans[start : start + pool]
        part = part[np.argsort(part[:, 1] - part[:, 0], kind="stable")]
        longest = part[:, 1] - part[:, 0] - 1
        left = 0
        while left < len(part):
            right = left + 1
            while right < len(part) and (right + 1 - left) * longest[right] <= tokens:
                right += 1
            found.append(part[left:right])
            left = right
    return [found[number] for number in rng.permutation(len(found))]


def collate(
    told: TrainingHistories, spans: NDArray[np.int64], net: Network, last: int | None = None
) -> TransformerBatch:
    """Returns the windows as tensors; with `last`, only that many of each window's last items are asked for."""
    import torch

    from tailorbird.recipes.scorers.transformer_network import TransformerBatch

    start, end = spans[:, :1], spans[:, 1:]
    place = start + np.arange(int((end - start).max()) - 1)
    real = place < end - 1
    asked = real if last is None else real & (place >= end - 1 - last)
    row = np.minimum(place, end - 2)
    user = np.searchsorted(told.bounds, spans[:, 0], side="right") - 1
    context = told.context[(row + 1).ravel()].toarray().reshape(*row.shape, -1)
    arrays = (
        told.item[row],
        np.where(asked, told.item[row + 1], PADDING),
        told.weight[row + 1],
        told.time[row],
        told.time[row + 1],
        told.user[user].toarray(),
        context,
    )
    device = next(net.parameters()).device
    return TransformerBatch(*(torch.from_numpy(array).to(device, non_blocking=True) for array in arrays))


def validate(net: Network, held_out: TrainingHistories, plan: TransformerPlan) -> float:
    """Returns NDCG@CUTOFF of the last items of each held-out history, by what came before and by what they weigh."""
    import torch

    net.eval()
    ends = held_out.bounds[1:]
    spans = np.stack([np.maximum(held_out.bounds[:-1], ends - plan.length - 1), ends], axis=1)
    gains, weights = [], []
    with torch.no_grad():
        vectors = net.vectors()
        for part in batches(spans, plan.tokens, np.random.default_rng(0)):
            batch = collate(held_out, part, net, VALIDATED)
            logits = net(batch, vectors) @ vectors[:-1].T + net.bias
            asked = batch.targets != PADDING
            targets = batch.targets[asked]
            weights.append(batch.weights[asked])
            rank = (logits > logits.gather(1, targets[:, None])).sum(dim=1)
            gains.append(torch.where(rank < CUTOFF, 1 / torch.log2(2.0 + rank), 0.0))
    weight = torch.cat(weights)
    return float((torch.cat(gains) * weight).sum() / weight.sum())
