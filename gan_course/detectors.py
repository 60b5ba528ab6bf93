"""Detectors of collapse in a set of samples: each sees one kind, none sees all."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gan_helpers.diagnostics import near_twins, spread, twin_limit
from gan_helpers.metrics import check_images, classes_covered, look, precision_recall, to_float

DRAWS = 200  # resamplings behind a bootstrap bound


class Finding(NamedTuple):
    """One detector's verdict: it fires if `value` is beyond `limit`; `sees` says what it is for."""

    name: str
    value: float
    limit: float
    fires: bool
    sees: str

    def __str__(self) -> str:
        mark = "FIRES" if self.fires else "quiet"
        return f"{mark}  {self.name:<34}{self.value:8.3f}  (limit {self.limit:g}; {self.sees})"


def collapse_detectors(samples: Tensor, real: Tensor, judge: nn.Module) -> list[Finding]:
    """Six detectors on images, (N, C, H, W) uint8 or float in [-1, 1], beside as many real ones.

    The first is the threshold that circulates. The last is no detector but the gate for the rest:
    noise is as diverse as can be, so where precision is low "no collapse" says nothing.
    """
    fake, true = (to_float(check_images(x)) for x in (samples, real))
    seen, seen_real = look(samples, judge), look(real, judge, source="real")
    mean, bound = distances(fake.flatten(1), true.flatten(1))
    classes = classes_covered(seen)
    kinds = seen.logits.shape[1]
    twins = near_twins(seen.values, twin_limit(seen_real.values))
    precision, recall = (float(score) for score in precision_recall(seen, seen_real))
    effective = classes.details["effective"]
    return [
        Finding("mean distance", mean, 0.1, mean < 0.1, "only a generator that is constant"),
        Finding("distance over real, upper bound", bound, 0.5, bound < 0.5, "total collapse"),
        Finding("effective classes", effective, kinds / 2, effective < kinds / 2,
                "missing classes"),
        Finding("near twins", twins, 0.3, twins > 0.3, "few images; young GANs too"),
        Finding("recall", recall, 0.6, recall < 0.6, "all of these; young GANs too"),
        Finding("precision (the gate)", precision, 0.5, precision < 0.5, "noise, young GANs"),
    ]  # fmt: skip


def distances(samples: Tensor, real: Tensor, seed: int = 0) -> tuple[float, float]:
    """Mean pairwise distance of (N, d), and an upper bound of its ratio to that of `real`.

    The bound is the 97.5th percentile over resamplings of both sets; a sample drawn twice is not
    compared with itself.
    """
    tables = [torch.cdist(x, x) for x in (samples, real)]
    draw = np.random.default_rng(seed)
    ratios = []
    for _ in range(DRAWS):
        means = []
        for table in tables:
            n = len(table)
            # How often each is drawn; the mean over pairs of different samples is a quadratic form.
            w = torch.as_tensor(draw.multinomial(n, np.full(n, 1 / n)), dtype=table.dtype)
            pairs = w.sum() ** 2 - w.square().sum()
            means.append(float(w @ table @ w / pairs))
        ratios.append(means[0] / max(means[1], 1e-12))
    return float(spread(samples)), float(np.quantile(ratios, 0.975))
