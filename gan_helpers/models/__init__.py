"""Generators and discriminators of the course, and `describe`, which lists their layers.

Every generator maps z, (N, latent_dim), to images in [-1, 1] and has the attribute `latent_dim`.
Every discriminator maps images to logits, (N,): no sigmoid inside. `PAIRS` names those that belong
together, for the command line and the benchmarks; `wrappers` change what a discriminator sees.
"""

from __future__ import annotations

from torch import nn

from .layers import count_parameters, describe
from .mlp import MLPDiscriminator, MLPGenerator, WideDiscriminator, WideGenerator
from .wrappers import InstanceNoise, Packing

# name -> (generator's class, discriminator's class)
PAIRS: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "mlp": (MLPGenerator, MLPDiscriminator),
    "wide": (WideGenerator, WideDiscriminator),
}


def build_pair(name: str) -> tuple[nn.Module, nn.Module]:
    """A new generator and discriminator; call `set_seed` first. Raises ValueError if unknown."""
    if name not in PAIRS:
        raise ValueError(f"{name!r} is no pair of networks; choose one of {', '.join(PAIRS)}")
    generator, discriminator = PAIRS[name]
    return generator(), discriminator()


__all__ = [
    "PAIRS",
    "InstanceNoise",
    "MLPDiscriminator",
    "MLPGenerator",
    "Packing",
    "WideDiscriminator",
    "WideGenerator",
    "build_pair",
    "count_parameters",
    "describe",
]
