"""Images in, features out: what a judge sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from .. import sampling
from .score import Score, count


@dataclass(frozen=True)
class Features:
    """What a judge saw: `values` (N, d), `logits` (N, K) or None, whose they are and of what."""

    values: Tensor
    logits: Tensor | None = None
    judge: str = "given features"
    source: str = "reference"

    def __post_init__(self) -> None:
        for name, matrix in (("features", self.values), ("logits", self.logits)):
            if matrix is not None:
                check_matrix(name, matrix)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dim(self) -> int:
        """The number of features, d."""
        return self.values.shape[1]

    @cached_property
    def double(self) -> Tensor:
        """The values in float64."""
        return self.values.double()

    @cached_property
    def mean(self) -> Tensor:
        """Mean (d,) in float64."""
        return self.double.mean(dim=0)

    @cached_property
    def factor(self) -> Tensor:
        """Centred values over sqrt(N - 1), (N, d): covariance = factor^T factor."""
        return (self.double - self.mean) / math.sqrt(len(self) - 1)

    @cached_property
    def spread(self) -> float:
        """The trace of the covariance: the total variance."""
        return float((self.double - self.mean).square().sum()) / (len(self) - 1)

    @cached_property
    def covariance(self) -> Tensor:
        """Covariance (d, d) in float64, with N - 1 in the denominator."""
        return self.factor.T @ self.factor

    def take(self, indices: Tensor | slice) -> Features:
        """The same judge's view of some of the samples."""
        logits = None if self.logits is None else self.logits[indices]
        return Features(self.values[indices], logits, self.judge, self.source)


def check_matrix(name: str, matrix: Tensor) -> None:
    """ValueError unless it is a finite floating-point matrix (N, d) with something in it."""
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"{name} have shape {tuple(matrix.shape)}; expected (N, d), a row a sample"
        )
    if not matrix.is_floating_point():
        raise ValueError(f"{name} are {matrix.dtype}; expected floating point")
    bad = int((~torch.isfinite(matrix)).any(dim=1).sum())
    if bad:
        raise ValueError(
            f"{name}: {bad:,} of {len(matrix):,} rows hold NaN or infinity. Has training diverged? "
            "No score is defined for these samples"
        )


def check_images(images: Tensor | np.ndarray, shape: Sequence[int] | None = None) -> Tensor:
    """The same images as a tensor, if a judge can take them: see `sampling.check_images`.

    `shape` is the (C, H, W) that is needed; None in it leaves that side free. Floats that are all
    in [0, 1] are refused as well: a wrong range does not fail by itself, it silently moves a score
    by hundreds.
    """
    images = sampling.check_images(images)
    _check_shape(tuple(images.shape[1:]), shape)
    if images.is_floating_point() and images.min() >= 0 and images.max() <= 1:
        raise ValueError(
            f"images run from {images.min():.4g} to {images.max():.4g}; expected uint8, or float "
            "in [-1, 1]. Nothing is below 0, so they look like [0, 1]: use images * 2 - 1. If they "
            "really are in [-1, 1], say so by passing uint8: "
            "((images + 1) * 127.5).round().to(torch.uint8)"
        )
    return images


def to_float(images: Tensor) -> Tensor:
    """uint8 images as float32 in [-1, 1]; float ones as float32."""
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images.float()


def _check_shape(got: tuple[int, ...], wanted: Sequence[int] | None) -> None:
    if wanted is None or all(w is None or w == g for g, w in zip(got, wanted, strict=True)):
        return
    text = " x ".join("any" if side is None else str(side) for side in wanted)
    raise ValueError(
        f"images are {' x '.join(map(str, got))} (channels, height, width); this judge was trained "
        f"on {text}. Generate at that size, or choose another judge: the filter used for resizing "
        "changes scores by itself"
    )


def look(images: object, judge: nn.Module | str, *, source: str = "generated") -> Features:
    """Show `images` to a judge once; the result serves any number of scores.

    images: (N, C, H, W) uint8 or float in [-1, 1], or an `ImageDataset`, whose split becomes the
    `source`. judge: from `judges.load_judge`, or "pixels" for the raw pixel values.
    Raises ValueError for a judge in train mode, whose BatchNorm would change the score each time.
    """
    if hasattr(images, "images") and hasattr(images, "split"):
        images, source = images.images, images.split
    if judge == "pixels":
        return Features(to_float(check_images(images)).flatten(1), None, "pixels", source)
    if not isinstance(judge, nn.Module):
        raise TypeError(f"judge is {judge!r}; expected a network from gh.judges.load_judge(...)")
    if judge.training:
        raise ValueError(
            f"{judge.name} is in train mode: its BatchNorm would use each batch's own statistics "
            "and the score would change from call to call. Call judge.eval() first"
        )
    images = check_images(images, judge.input_shape)
    device = next(judge.parameters()).device
    seen = []
    with torch.inference_mode():
        for batch in images.split(getattr(judge, "batch_size", 100)):
            parts = judge.features_and_logits(to_float(batch.to(device)))
            seen.append([part.cpu() for part in parts])
    values, logits = (torch.cat(parts).clone() for parts in zip(*seen, strict=True))
    return Features(values, logits, judge.name, source)


def as_features(
    given: object, judge: nn.Module | str | None, source: str = "generated"
) -> Features:
    """Any accepted input as Features with at least two samples."""
    if not isinstance(given, Features):
        is_images = hasattr(given, "images") or getattr(given, "ndim", 0) == 4
        if is_images and judge is None:
            raise ValueError("images need a judge to look at them: judge=gh.judges.load_judge(...)")
        if is_images:
            given = look(given, judge, source=source)
        else:
            given = Features(torch.as_tensor(given), source=source)
    if len(given) < 2:
        raise ValueError("one sample has no spread: a score needs at least 2, and a few thousand")
    return given


def as_pair(generated: object, reference: object, judge: nn.Module | str | None) -> tuple:
    """Generated and reference Features, seen by the same judge."""
    fake, real = as_features(generated, judge), as_features(reference, judge, "reference")
    if fake.judge != real.judge:
        raise ValueError(f"generated samples were seen by {fake.judge}, reference by {real.judge}")
    if fake.dim != real.dim:
        raise ValueError(f"generated samples have {fake.dim} features, the reference {real.dim}")
    return fake, real


def pair_score(
    metric: str, value: float, interval: tuple | None, fake: Features, real: Features, better: str,
    note: str = "", **details: object,
) -> Score:  # fmt: skip
    """A score of generated against reference features, whose names and counts it carries."""
    # The reference's count is left out if it equals the generated one.
    against = real.source if len(real) == len(fake) else f"{count(len(real))} {real.source}"
    return Score(metric, value, interval, len(fake), fake.judge, against, better, note, details)


def reference(
    dataset: object, judge: nn.Module, *, n: int | None = None, seed: int = 0
) -> Features:
    """The judge's view of a data set, or of `n` of its images, drawn by `seed`."""
    images = dataset.images
    if n is not None and n < len(images):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        images = images[order[:n].sort().values]
    return look(images, judge, source=dataset.split)
