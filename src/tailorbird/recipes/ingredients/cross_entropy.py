"""Softmax cross-entropy over a whole catalogue, without holding the (question, item) scores of a batch.

The gradient of each part of a batch is taken while its scores are in the processor's cache, which halves the time of
the loss. Importing this module loads torch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CELLS = 2**20
"""(question, item) scores that are held at a time: 4 MB."""


class CrossEntropy(torch.autograd.Function):
    """`CrossEntropy.apply(states, vectors, bias, targets, weights)` is the weighted sum of the questions' losses.

    Shapes: states (question, width), vectors (item, width), bias (item), targets and weights (question).
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Returns the loss, and keeps the gradient."""
        of_states, of_vectors, of_bias = (torch.zeros_like(tensor) for tensor in (states, vectors, bias))
        loss = states.new_zeros(())
        step = max(1, CELLS // len(vectors))
        for start in range(0, len(states), step):
            part = slice(start, start + step)
            state, target, weight = states[part], targets[part, None], weights[part, None]
            scores = torch.addmm(bias, state, vectors.T)
            highest = scores.amax(dim=1, keepdim=True)
            own = scores.gather(1, target)
            total = scores.sub_(highest).exp_().sum(dim=1, keepdim=True)
            loss += ((total.log() + highest - own) * weight).sum()
            error = scores.mul_(weight / total).scatter_add_(1, target, -weight)
            of_states[part] = error @ vectors
            of_vectors.addmm_(error.T, state)
            of_bias += error.sum(dim=0)
        ctx.save_for_backward(of_states, of_vectors, of_bias)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradient with respect to states, vectors and bias."""
        return (*(kept * gradients[0] for kept in ctx.saved_tensors), None, None)
