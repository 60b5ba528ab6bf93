"""What is covered: classes by a judge's word, modes of a mixture by position."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .features import as_features
from .score import Score


def classes_covered(
    generated: object, judge: nn.Module | None = None, *, share: float = 0.2
) -> Score:
    """How many classes the judge finds, each in at least `share` of its fair part N / K.

    details: `counts` (K,), `effective` = exp of the entropy of the counts (K when all are equally
    frequent), `confidence` = the judge's mean top probability. A judge names a class for noise too,
    so read this beside precision. The interval resamples the counts.
    """
    seen = as_features(generated, judge)
    if seen.logits is None:
        raise ValueError(f"{seen.judge} gives no class logits; classes cannot be counted")
    n, classes = seen.logits.shape
    counts = torch.bincount(seen.logits.argmax(dim=1), minlength=classes)
    confidence = seen.logits.double().softmax(dim=1).amax(dim=1).mean()
    threshold = share * n / classes
    shares = [*(counts.numpy() / n), 0.0]  # the last one takes up what rounding leaves
    draws = np.random.default_rng(0).multinomial(n, shares, size=1000)[:, :-1]
    low, high = np.percentile((draws >= threshold).sum(axis=1), [2.5, 97.5])
    details = {"counts": counts.numpy(), "effective": float(effective(counts)),
               "confidence": float(confidence)}  # fmt: skip
    value, band = float((counts >= threshold).sum()), (float(low), float(high))
    return Score("classes", value, band, n, seen.judge, None, "higher", "", details)


def mode_counts(
    points: Tensor, centers: Tensor, reach: float, mode_of: Tensor | None = None
) -> Tensor:
    """How many of the points (..., n, 2) belong to each mode: int64 (..., M).

    A point belongs to its nearest centre (C, 2) if it lies within `reach` of it, else to none.
    mode_of: (C,) for modes of several centres, such as an arc; without it each centre is one.
    """
    distance, nearest = torch.cdist(points, centers.expand(*points.shape[:-2], -1, -1)).min(-1)
    owner = torch.arange(len(centers)) if mode_of is None else mode_of
    which = F.one_hot(owner[nearest], int(owner.max()) + 1)
    return (which * (distance <= reach).unsqueeze(-1)).sum(-2)


def effective(counts: Tensor) -> Tensor:
    """exp of the entropy of counts (..., M): M if all are alike, 1 if one has all, 0 if none."""
    counts = counts.double()
    shares = counts / counts.sum(-1, keepdim=True).clamp_min(1)
    entropy = -torch.special.xlogy(shares, shares).sum(-1)
    return torch.where(counts.sum(-1) > 0, entropy.exp(), 0.0)


def reverse_kl(counts: Tensor) -> Tensor:
    """KL(generated || even) in nats over modes, from counts (..., M): log(M / effective)."""
    return math.log(counts.shape[-1]) - effective(counts).log()
