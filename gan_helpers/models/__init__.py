"""Generators and discriminators of the course, and `describe`, which lists their layers.

Every generator maps z, (N, latent_dim), to images in [-1, 1] and has the attribute `latent_dim`.
Every discriminator maps images to logits, (N,): no sigmoid inside. The conditional ones also take a
label, (N,) int64. `PAIRS` names those that belong together, for the command line and the
benchmarks; `wrappers` change what a discriminator sees.
"""

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
# What a pair is made for; "mlp" and "dcgan" are made for the images that they are told of.
_MADE_FOR = {
    **dict.fromkeys(("wide", "compact", "small-kernels"), (1, 28, 28)),
    **dict.fromkeys(("upsample", "5x5"), (3, 32, 32)),
}


def build_pair(
    name: str, image_shape: tuple[int, int, int] | None = None
) -> tuple[nn.Module, nn.Module]:
    """A new generator and discriminator; call `set_seed` first. DCGAN's come with `dcgan_init`.

    image_shape: (C, H, W) of the images, `dataset.image_shape`; None: each class's default. Raises
    ValueError for an unknown name, and for a pair that is not made for such images.
    """
    if name not in PAIRS:
        raise ValueError(f"{name!r} is no pair of networks; choose one of {', '.join(PAIRS)}")
    options = {} if image_shape is None else _options(name, tuple(image_shape))
    G, D = (build(**options) for build in PAIRS[name])
    return (dcgan_init(G), dcgan_init(D)) if name == "dcgan" else (G, D)


def _options(name: str, shape: tuple[int, int, int]) -> dict:
    channels, height, width = shape
    if name == "mlp":
        return {"image_shape": shape}
    if name == "dcgan" and height == width and height in (28, 32, 64):
        return {"size": height, "channels": channels}
    if shape == _MADE_FOR.get(name):
        return {}
    made = "x".join(map(str, _MADE_FOR.get(name, ()))) or "28, 32 or 64 pixels square"
    raise ValueError(
        f"the pair {name!r} is made for images of {made}, and these are "
        f"{'x'.join(map(str, shape))} (channels, height, width). The pair 'dcgan' takes 28, 32 or "
        "64 pixels square, such as image_size=64 makes them, and 'mlp' any size"
    )
