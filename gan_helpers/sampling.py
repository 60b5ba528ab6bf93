"""Drawing images from a generator: from given noise (`draw`) or so and so many (`generate`).

`to_display` and `save_grid` make one picture of them.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .checkpoints import whole_file
from .models.layers import evaluating
from .settings import step_generator


def generate(
    source,
    n: int,
    label: int | Sequence[int] | Tensor | None = None,
    *,
    seed: int = 0,
    latent_dim: int | None = None,
) -> Tensor:
    """Draw `n` images (n, C, H, W), float in [-1, 1], on the CPU.

    source: a generator, or a `TrainingRun`. A run that keeps an averaged generator (the callback
    `Averaging`) draws from that one; `run.generator` is the trained one. label: for a conditional
    generator, one class for all or n classes. The generator is used in evaluation mode and left in
    the mode it was in. The same seed gives the same latents on every device.
    """
    generator = source
    if not isinstance(source, nn.Module) and hasattr(source, "generator"):
        generator, latent_dim = source.sampler, source.latent_dim
        if (label is not None) != (source.num_classes is not None):
            kind = "an unconditional" if source.num_classes is None else "a conditional"
            raise ValueError(f"label={label!r}, but this is {kind} run")
    if not isinstance(generator, nn.Module):
        raise TypeError(
            f"generate draws from a generator or a run, and got {not_a_network(generator)}"
        )
    if n < 1:
        raise ValueError(f"n={n}: at least one image is needed")
    size = latent_size(generator, latent_dim)
    z = torch.randn(n, size, generator=step_generator(seed, 0, "generate"))
    labels = None
    if label is not None:
        labels = torch.as_tensor(label, dtype=torch.int64).expand(n)
    return draw(generator, z, labels)


def draw(generator: nn.Module, z: Tensor, labels: Tensor | None = None) -> Tensor:
    """G(z) or G(z, labels) without gradients, in evaluation mode, in batches; on the CPU."""
    first = next(generator.parameters(), None)
    device = first.device if first is not None else torch.device("cpu")
    with torch.no_grad(), evaluating(generator):
        parts = []
        for start in range(0, len(z), 256):
            y = None if labels is None else labels[start : start + 256].to(device)
            parts.append(call(generator, z[start : start + 256].to(device), y).cpu())
    return torch.cat(parts)


def to_display(
    images: torch.Tensor | np.ndarray, columns: int | None = None, padding: int = 2
) -> np.ndarray:
    """Images as one picture: a uint8 grid (height, width), or (height, width, 3) in colour.

    images: (N, C, H, W), C 1 or 3, float in [-1, 1] or uint8. Image i stands in row i // columns,
    column i % columns (default: as square as possible), with `padding` white pixels between. All
    images share one scale, -1 black and 1 white: stretching each to its own range would hide how
    alike they are. Raises ValueError for another shape or range.
    """
    images = check_images(images).cpu()
    n, channels, height, width = images.shape
    if channels not in (1, 3):
        raise ValueError(f"images have {channels} channels; expected 1 or 3")
    pixels = (images if images.dtype == torch.uint8 else to_bytes(images)).numpy()
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    rows = math.ceil(n / columns)
    cell = (height + padding, width + padding)
    grid = np.full((rows * cell[0] - padding, columns * cell[1] - padding, channels), 255, np.uint8)
    for i, image in enumerate(pixels):
        top, left = i // columns * cell[0], i % columns * cell[1]
        grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return grid[:, :, 0] if channels == 1 else grid


def check_images(images: torch.Tensor | np.ndarray) -> Tensor:
    """The same images as a tensor (N, C, H, W), if they are uint8 or floats in [-1, 1].

    Raises ValueError or TypeError with the likely cause for any other type, range or shape.
    """
    images = torch.as_tensor(images).detach()
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"images have shape {tuple(images.shape)}; expected (N, C, H, W) with N >= 1. "
            "Flat vectors need .view(-1, 1, 28, 28), a single image image[None]"
        )
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise TypeError(f"images are {images.dtype}; expected uint8 (0 to 255) or float in [-1, 1]")
    low, high = images.min().item(), images.max().item()
    cause = _range_problem(low, high)
    if cause:
        raise ValueError(
            f"images run from {low:.4g} to {high:.4g}; expected uint8, or float in [-1, 1]. {cause}"
        )
    return images


def _range_problem(low: float, high: float) -> str:
    """The likely cause of a range that is not [-1, 1], or ""."""
    if low >= -1.001 and high <= 1.001:  # a little slack for rounding
        return ""
    if math.isnan(low) or math.isnan(high):
        return "Some pixels are NaN: has training diverged?"
    if low >= 0 and high <= 255.5:
        return "They look like [0, 255] stored as floats: use images.to(torch.uint8)"
    if low >= -5 and high <= 5:
        return "Normalised with a mean and deviation, or without tanh at the generator's end?"
    return "Is the generator's output passed through tanh?"


def to_bytes(images: Tensor) -> Tensor:
    """Floats in [-1, 1] as uint8, rounded, the way images are stored."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def save_grid(images: Tensor | np.ndarray, path: str | Path) -> None:
    """Write images (as `to_display` takes them) as one PNG file, whole or not at all."""
    from PIL import Image

    with whole_file(path) as file:
        Image.fromarray(to_display(images)).save(file, format="png")


def call(network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    """network(x), or network(x, labels) in a conditional run."""
    return network(x) if labels is None else network(x, labels)


def latent_size(generator: nn.Module, latent_dim: int | None) -> int:
    """How many numbers z has: as given, or as the generator's attribute `latent_dim` says."""
    found = latent_dim if latent_dim is not None else getattr(generator, "latent_dim", None)
    if not isinstance(found, int) or found < 1:
        raise ValueError(
            f"latent_dim={found!r}: the size of z is not known. Pass latent_dim=..., or give the "
            "generator an attribute: self.latent_dim = latent_dim in its __init__"
        )
    return found


def not_a_network(value: object) -> str:
    """What was handed over in place of a network, in words, and what to pass instead."""
    if isinstance(value, type):
        return f"the class {value.__name__} itself; build a network of it first: {value.__name__}()"
    return f"a {type(value).__name__}, not a network (an nn.Module)"
