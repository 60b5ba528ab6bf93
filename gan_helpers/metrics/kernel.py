"""The kernel distance (squared MMD with a polynomial kernel)."""

import math

import numpy as np
from torch import Tensor, nn

from .features import as_pair, pair_score
from .score import Score, Z


def kernel_distance(
    generated: object,
    reference: object,
    judge: nn.Module | str | None = None,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> Score:
    """Squared MMD with the kernel (x.y / d + 1)^3, unbiased; "KID" with Inception features.

    Lower is better; 0 on average for equal distributions, so a single value may be below 0. The
    mean over random subsets; the interval adds the noise of the sample (which subsets of size m
    show, scaled by m / N) and of drawing subsets. Binkowski et al., 2018, arXiv:1801.01401.
    """
    fake, real = as_pair(generated, reference, judge)
    smallest = min(len(fake), len(real))
    if subset_size < 2 or subsets < 2:
        raise ValueError(f"subsets={subsets}, subset_size={subset_size}: at least 2 of each")
    if subset_size > smallest:
        raise ValueError(
            f"subset_size={subset_size} but there are only {smallest:,} samples; give more samples "
            f"or, say, subset_size={max(2, smallest // 2)}"
        )
    rng = np.random.RandomState(seed)
    values = np.empty(subsets)
    for i in range(subsets):
        x = fake.double[rng.choice(len(fake), subset_size, replace=False)]
        y = real.double[rng.choice(len(real), subset_size, replace=False)]
        values[i] = polynomial_mmd2(x, y)
    value, spread = float(values.mean()), float(values.std(ddof=1))
    error = Z * spread * math.sqrt(subset_size / smallest + 1 / subsets)
    metric = "KID" if fake.judge == "inception-v3" else "KD"
    band, std = (value - error, value + error), float(values.std())
    return pair_score(metric, value, band, fake, real, "lower", subsets=values, std=std)


def polynomial_mmd2(x: Tensor, y: Tensor) -> float:
    """Unbiased squared MMD of x (n, d) and y (m, d) with the kernel (x.y / d + 1)^3."""
    d = x.shape[1]

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        k = (a @ b.T).div_(d).add_(1)
        return (k * k).mul_(k)

    def within(k: Tensor) -> float:  # without the diagonal
        return float(k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1))

    return within(kernel(x, x)) + within(kernel(y, y)) - 2 * float(kernel(x, y).mean())
