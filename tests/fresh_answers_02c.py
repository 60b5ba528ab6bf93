"""Answers to 2.1, 2.2, 2.3 and 2.7 that come in unusual shapes: each is told in plain words."""

from __future__ import annotations

import numpy as np
import torch
from fresh import recorder
from torch import nn

from gan_helpers.models import MLPDiscriminator, MLPGenerator
from gan_helpers.plotting import to_display

ANSWERS, right, wrong = recorder()


def shifted(make_shift):
    """A class of generators whose images are moved by a tensor that is no parameter."""

    class Generator(nn.Module):
        def __init__(self, latent_dim=64, hidden_dim=256):
            super().__init__()
            self.inner = MLPGenerator(latent_dim, hidden_dim)
            self.shift = make_shift()

        def forward(self, z):
            return torch.tanh(self.inner(z).flatten(1) + self.shift).reshape(-1, 1, 28, 28)

    return Generator


@wrong("2.1", "an expanded tensor", "it is no buffer", told="neither a parameter nor a buffer")
def _():
    return shifted(lambda: torch.zeros(1).expand(784))


@wrong("2.1", "a broadcast array", "it is no buffer", told="neither a parameter nor a buffer")
def _():
    return shifted(lambda: torch.from_numpy(np.broadcast_to(np.zeros(1, np.float32), (784,))))


@wrong("2.1", "made in inference mode", "it is no buffer", told="neither a parameter nor a buffer")
def _():
    return shifted(torch.inference_mode()(lambda: torch.zeros(784)))


@right("2.2", "a buffer", "it is saved, and moves to other devices")
def _():
    class Discriminator(MLPDiscriminator):
        def __init__(self, hidden_dim=256):
            super().__init__(hidden_dim=hidden_dim)
            self.register_buffer("shift", torch.zeros(784))

        def forward(self, images):
            return super().forward(images + self.shift.reshape(1, 28, 28))

    return Discriminator


@wrong(
    "2.2", "no super().__init__", "the module is not set up", told="`super().__init__()` has not"
)
def _():
    class Discriminator(nn.Module):
        def __init__(self, hidden_dim=256):
            self.hidden_dim = hidden_dim

        def forward(self, images):
            return images.flatten(1).sum(1)

    return Discriminator


def adams(kind=torch.optim.Adam, **options):
    """A factory of pairs of optimisers."""
    return lambda G, D: tuple(
        kind(network.parameters(), lr=1e-3, betas=(0.5, 0.999), **options) for network in (G, D)
    )


@wrong("2.3", "SparseAdam", "it takes no dense gradients", told="`g_optimizer.step()` stopped")
def _():
    return adams(torch.optim.SparseAdam)


@wrong(
    "2.3", "differentiable", "its step is not made in place", told="`g_optimizer.step()` stopped"
)
def _():
    return adams(differentiable=True)


@right("2.3", "foreach", "another way to the same step")
def _():
    return adams(foreach=True)


def displayed(change):
    """A factory of grids: right but for what becomes of them last."""
    return lambda images: change(torch.as_tensor(np.array(to_display(images))))


@wrong("2.7", "bfloat16", "bytes were asked for", told="returns bfloat16 values from 0 to 255")
def _():
    return displayed(lambda grid: grid.bfloat16())


@wrong("2.7", "sparse floats", "bytes were asked for", told="returns float32 values from 0 to 255")
def _():
    return displayed(lambda grid: grid.float().to_sparse())


@wrong("2.7", "complex", "they have no order", told="returns complex64 values; uint8 was asked for")
def _():
    return displayed(lambda grid: grid.to(torch.complex64))


@wrong("2.7", "objects", "bytes were asked for", told="returns object values; uint8 was asked for")
def _():
    return displayed(lambda grid: grid.numpy().astype(object))


@wrong("2.7", "text", "numbers were asked for", told="values; uint8 was asked for")
def _():
    return displayed(lambda grid: grid.numpy().astype(str))


@wrong("2.7", "true or false", "bytes were asked for", told="returns bool values from 0 to 1")
def _():
    return displayed(lambda grid: grid > 127)
