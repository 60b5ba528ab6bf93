"""Generators and discriminators of the course, and `describe`, which lists their layers.

Every generator maps z, (N, latent_dim), to images in [-1, 1] and has the attribute `latent_dim`.
Every discriminator maps images to logits, (N,): no sigmoid inside. The conditional ones also take a
label, (N,) int64. `PAIRS` names those that belong together, for the command line and the
benchmarks; `wrappers` change what a discriminator sees.
"""

from __future__ import annotations

from torch import nn

from .compact import CompactDiscriminator, CompactGenerator
from .conditional import (
    ConditionalDCGANGenerator,
    EmbeddingDiscriminator,
    EmbeddingGenerator,
    ProjectionDiscriminator,
    TwoBranchDiscriminator,
    TwoBranchGenerator,
)
from .dcgan import (
    Convolution5x5Discriminator,
    DCGANDiscriminator,
    DCGANGenerator,
    SmallKernelDiscriminator,
    SmallKernelGenerator,
    Transposed5x5Generator,
    UpsampleDiscriminator,
    UpsampleGenerator,
    conv_output_size,
    dcgan_init,
)
from .layers import count_parameters, describe
from .mlp import MLPDiscriminator, MLPGenerator, WideDiscriminator, WideGenerator
from .wrappers import InstanceNoise, Packing

# name -> (generator's class, discriminator's class)
PAIRS: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "mlp": (MLPGenerator, MLPDiscriminator),
    "wide": (WideGenerator, WideDiscriminator),
    "compact": (CompactGenerator, CompactDiscriminator),
    "dcgan": (DCGANGenerator, DCGANDiscriminator),
    "upsample": (UpsampleGenerator, UpsampleDiscriminator),
    "5x5": (Transposed5x5Generator, Convolution5x5Discriminator),
    "small-kernels": (SmallKernelGenerator, SmallKernelDiscriminator),
}


def build_pair(name: str) -> tuple[nn.Module, nn.Module]:
    """A new generator and discriminator; call `set_seed` first. Raises ValueError if unknown.

    DCGAN's come with the initial weights of its authors.
    """
    if name not in PAIRS:
        raise ValueError(f"{name!r} is no pair of networks; choose one of {', '.join(PAIRS)}")
    G, D = (build() for build in PAIRS[name])
    return (dcgan_init(G), dcgan_init(D)) if name == "dcgan" else (G, D)


__all__ = [
    "PAIRS",
    "CompactDiscriminator",
    "CompactGenerator",
    "ConditionalDCGANGenerator",
    "Convolution5x5Discriminator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "EmbeddingDiscriminator",
    "EmbeddingGenerator",
    "InstanceNoise",
    "MLPDiscriminator",
    "MLPGenerator",
    "Packing",
    "ProjectionDiscriminator",
    "SmallKernelDiscriminator",
    "SmallKernelGenerator",
    "Transposed5x5Generator",
    "TwoBranchDiscriminator",
    "TwoBranchGenerator",
    "UpsampleDiscriminator",
    "UpsampleGenerator",
    "WideDiscriminator",
    "WideGenerator",
    "build_pair",
    "conv_output_size",
    "count_parameters",
    "dcgan_init",
    "describe",
]
