"""Wrappers that change what a discriminator sees: several images at once, or images with noise."""

import torch
from torch import nn


class Packing(nn.Module):
    """Let D judge `pack` images together, as in PacGAN (Lin et al. 2018): repeats stand out.

    Consecutive images become the channels of one: (N, C, H, W) -> (N / pack, pack * C, H, W) ->
    logits (N / pack,). So the wrapped network is built for pack * C channels. Labels (N,) reach it
    as (N / pack, pack). Raises ValueError unless `pack` divides the batch.
    """

    def __init__(self, discriminator: nn.Module, pack: int = 2):
        super().__init__()
        if pack < 1:
            raise ValueError(f"pack={pack}: D judges at least one image at a time")
        self.discriminator, self.pack = discriminator, pack

    def forward(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        n, channels, height, width = images.shape
        if n % self.pack:
            raise ValueError(f"a batch of {n} images cannot be packed by {self.pack}")
        packs = images.reshape(n // self.pack, self.pack * channels, height, width)
        if labels is None:
            return self.discriminator(packs)
        return self.discriminator(packs, labels.view(-1, self.pack))


class InstanceNoise(nn.Module):
    """Add normal noise of standard deviation `std` to all that D sees in training, real and fake.

    The two distributions then overlap, so that D cannot be perfect and its gradient does not vanish
    (Sønderby et al. 2017; Arjovsky and Bottou 2017). In evaluation mode nothing is added. `std` may
    be set at any time, in mid-run by a callback of one's own.
    """

    def __init__(self, discriminator: nn.Module, std: float = 0.1):
        super().__init__()
        if not std >= 0:
            raise ValueError(f"std={std} must not be negative")
        self.discriminator, self.std = discriminator, std

    def forward(self, images: torch.Tensor, *labels: torch.Tensor) -> torch.Tensor:
        if self.training and self.std > 0:
            images = images + self.std * torch.randn_like(images)
        return self.discriminator(images, *labels)
