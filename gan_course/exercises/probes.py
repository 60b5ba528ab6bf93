"""What checks try answers with: numbers drawn from a seed, and how a call is written."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .framework import probe_device


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in float64, the same for each seed."""
    dice = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=dice, dtype=torch.float64)


def cloud(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in float32, the same for each seed, where the networks are."""
    dice = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=dice).to(probe_device())


def call_of(name: str, options: Mapping[str, object], *given: str) -> str:
    """How a call with these options is written: 'Generator(latent_dim=10)'.

    given: what stands before the options, in words: 'inception_score(logits, splits=1)'.
    """
    said = [f"{option}={value}" for option, value in options.items()]
    return f"{name}({', '.join([*given, *said])})"
