"""Generators and discriminators of the course, and `describe`, which lists their layers.

Every generator maps z, (N, latent_dim), to images in [-1, 1] and has the attribute `latent_dim`.
Every discriminator maps images to logits, (N,): no sigmoid inside.
"""

from .layers import count_parameters, describe
from .mlp import MLPDiscriminator, MLPGenerator, WideDiscriminator, WideGenerator

__all__ = [
    "MLPDiscriminator",
    "MLPGenerator",
    "WideDiscriminator",
    "WideGenerator",
    "count_parameters",
    "describe",
]
