"""Generators and discriminators of the course, and `describe`, which lists their layers.

Every generator maps z, (N, latent_dim), to images in [-1, 1] and has the attribute `latent_dim`.
Every discriminator maps images to logits, (N,): no sigmoid inside. Those with `num_classes` also
take a label, (N,) int64.
"""

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

__all__ = [
    "CompactDiscriminator",
    "CompactGenerator",
    "ConditionalDCGANGenerator",
    "Convolution5x5Discriminator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "EmbeddingDiscriminator",
    "EmbeddingGenerator",
    "MLPDiscriminator",
    "MLPGenerator",
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
    "conv_output_size",
    "count_parameters",
    "dcgan_init",
    "describe",
]
