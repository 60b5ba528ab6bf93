"""Batched perceptrons: S small networks as tensors (S, in, out), and what a D of them can have."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

KERNELS, SIZE = 8, 4  # of minibatch discrimination: how many similarities, each in so many numbers
EXTRA = {None: 0, "stddev": 1, "discrimination": KERNELS}  # inputs that they add to the last layer

# Masks for a hidden layer of so many units, or None: dropout of one forward pass.
Masks = Callable[[Tensor], Tensor] | None


def new_weights(generators: Sequence[torch.Generator], sizes: Sequence[tuple[int, int]]):
    """Weights (S, in, out) and biases (S, 1, out) in turn, drawn as PyTorch's linear layers are."""
    weights = []
    for fan_in, fan_out in sizes:
        for rows in (fan_in, 1):
            unit = [torch.rand(rows, fan_out, generator=g) for g in generators]
            drawn = (2 * torch.stack(unit) - 1) / math.sqrt(fan_in)
            weights.append(drawn.requires_grad_(True))
    return weights


def hidden_units(weights: Sequence[Tensor], x: Tensor, masks: Masks = None) -> Tensor:
    """The last hidden layer (S, n, hidden) for inputs (S, n, in)."""
    for weight, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = F.relu(torch.baddbmm(bias, x, weight))
        if masks is not None:
            x = masks(x)
    return x


def forward(weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """S perceptrons at once: (S, n, in) -> (S, n, out)."""
    return torch.baddbmm(weights[-1], hidden_units(weights, x), weights[-2])


def across_batch(units: Tensor, batches: int, kernels: Tensor | None) -> Tensor:
    """What a D learns of the rest of the batch, appended to its hidden units (S, n, hidden).

    n holds `batches` batches one after the other, which do not see each other. With kernels T
    (S, hidden, KERNELS * SIZE): minibatch discrimination, for each kernel the sum over the others
    of exp(-|difference|_1) (Salimans et al. 2016, section 3.2). Without: the standard deviation
    over the batch, averaged over the units (Karras et al. 2018).
    """
    s, n, width = units.shape
    x = units.reshape(s * batches, n // batches, width)
    if kernels is None:
        spread = (x.var(1, unbiased=False) + 1e-8).sqrt().mean(-1)
        extra = spread[:, None, None].expand(-1, n // batches, 1)
    else:
        seen = (units @ kernels).reshape(s * batches, n // batches, KERNELS, SIZE)
        apart = (seen[:, :, None] - seen[:, None]).abs().sum(-1)
        extra = (-apart).exp().sum(2) - 1  # without the point itself
    return torch.cat([units, extra.reshape(s, n, -1)], -1)


class Spectral:
    """The largest singular value of each weight of S networks, followed by power iteration."""

    def __init__(self, weights: Sequence[Tensor], generators: Sequence[torch.Generator]) -> None:
        self.left = [
            F.normalize(
                torch.stack([torch.randn(w.shape[2], generator=g) for g in generators]), dim=1
            )
            for w in weights[::2]
        ]
        for _ in range(15):  # random vectors first have to settle
            self.iterate(weights)

    @torch.no_grad()
    def iterate(self, weights: Sequence[Tensor]) -> None:
        """One step (Miyato et al. 2018, algorithm 1); weights and biases in turn."""
        self.right = []
        for k, weight in enumerate(weights[::2]):
            right = F.normalize(torch.einsum("sio,so->si", weight, self.left[k]), dim=1)
            self.left[k] = F.normalize(torch.einsum("sio,si->so", weight, right), dim=1)
            self.right.append(right)

    def divided(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The same networks with each weight over its singular value, which is differentiated."""
        scaled = list(weights)
        for k, weight in enumerate(weights[::2]):
            sigma = torch.einsum("si,sio,so->s", self.right[k], weight, self.left[k])
            scaled[2 * k] = weight / sigma[:, None, None]
        return scaled


def gradient_norms(weights: Sequence[Tensor]) -> Tensor:
    """Norm of each tensor's latest gradient, (S, tensors); nan before the first step."""
    if weights[0].grad is None:
        return torch.full((len(weights[0]), len(weights)), math.nan)
    return torch.stack([w.grad.square().flatten(1).sum(1) for w in weights], 1).sqrt()
