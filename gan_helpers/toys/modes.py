"""What generated points in the plane reach: modes, their shares, quality."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..metrics.coverage import effective, mode_counts


class Coverage(NamedTuple):
    """What a set of generated points (..., n, 2) reaches: modes covered and high-quality share."""

    modes: Tensor
    share: Tensor


def mode_count(target) -> int:
    """How many modes `coverage` counts: a mixture's components, or 20 pieces of the two moons."""
    return int(_modes(target)[1].max()) + 1


def coverage(points: Tensor, target) -> Coverage:
    """Modes covered (int64) and high-quality share (float) of generated points (..., n, 2).

    A point is of high quality if it lies within 3 sigma of the nearest mode's centre; a mode counts
    as covered if it holds at least a fifth of its fair share of n such points. Read the two
    together: points smeared evenly along the ring also "cover" its modes.
    """
    read = read_modes(points, target)
    return Coverage(read["modes"], read["quality"])


def read_modes(points: Tensor, target) -> dict[str, Tensor]:
    """What the instruments read off points (S, n, 2): one value a seed, and `counts` (S, M).

    modes_any: modes with a point within 3 sigma; modes: those that hold a fifth of their fair
    share; quality: the share within 3 sigma. counts gives each point to its nearest mode, however
    far; effective and top (the fullest mode) are of these counts.
    """
    n = points.shape[-2]
    centers, mode_of = _modes(target)
    good = mode_counts(points, centers, 3 * target.sigma, mode_of)
    counts = mode_counts(points, centers, math.inf, mode_of)
    return {
        "modes_any": (good > 0).sum(-1),
        "modes": (good >= max(0.2 * n / good.shape[-1], 1)).sum(-1),
        "quality": good.sum(-1) / n,
        "effective": effective(counts),
        "top": counts.argmax(-1),
        "counts": counts,
    }


def _modes(target) -> tuple[Tensor, Tensor]:
    """Centres (M, 2), and for each the number of the mode that it belongs to."""
    if hasattr(target, "centers"):
        return target.centers, torch.arange(len(target.centers))
    angles = (torch.arange(60) + 0.5) / 60 * math.pi
    upper = torch.stack([angles.cos() - 0.5, angles.sin() - 0.25], 1) * target.radius
    return torch.cat([upper, -upper]), torch.arange(120) // 6
