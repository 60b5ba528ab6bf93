"""How fast is the Fréchet term, against the matrix square root that most FID scripts use?

    python benchmarks/metrics.py            # d = 2048, some minutes; --quick: d = 512, seconds

Two cases: full rank (two covariances), and few samples (1,000 of each: from features, covariances
included where they are needed). CPU seconds, medians of runs that alternate between the two ways.
The last line is JSON: the two ratios and the largest relative difference of the distances.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch

from gan_helpers import metrics


def naive_from_statistics(mean_1, cov_1, mean_2, cov_2) -> float:
    """The distance as FID scripts commonly write it."""
    difference = mean_1 - mean_2
    covariance_mean = scipy.linalg.sqrtm(cov_1.dot(cov_2))
    if np.iscomplexobj(covariance_mean):
        covariance_mean = covariance_mean.real
    return float(
        difference.dot(difference)
        + np.trace(cov_1)
        + np.trace(cov_2)
        - 2 * np.trace(covariance_mean)
    )


def naive_from_features(x: np.ndarray, y: np.ndarray) -> float:
    """The same, from features."""
    return naive_from_statistics(
        x.mean(axis=0), np.cov(x, rowvar=False), y.mean(axis=0), np.cov(y, rowvar=False)
    )


def features(n: int, d: int, seed: int) -> torch.Tensor:
    """Features with the spectrum of real ones: variances falling over three decades, mixed."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.logspace(0, -1.5, d, dtype=torch.float64).roll(seed * d // 16)
    mix = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    return (torch.randn(n, d, generator=generator, dtype=torch.float64) * scale) @ mix + 0.02 * seed


def alternate(naive: Callable, ours: Callable, runs: int) -> tuple[float, float, float]:
    """Median CPU seconds of both, and the relative difference of what they return."""
    seconds: dict[Callable, list[float]] = {naive: [], ours: []}
    values = {}
    for _ in range(runs):
        for way in (naive, ours):
            started = time.process_time()
            values[way] = float(way())
            seconds[way].append(time.process_time() - started)
    error = abs(values[ours] - values[naive]) / abs(values[naive])
    return statistics.median(seconds[naive]), statistics.median(seconds[ours]), error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="d = 512, one run each")
    quick = parser.parse_args().quick
    d, n, runs = (512, 250, 1) if quick else (2048, 1000, 3)
    torch.set_num_threads(1)

    x, y = features(3 * d, d, seed=1), features(3 * d, d, seed=2)
    full = [s for f in (x, y) for s in (f.mean(dim=0), torch.cov(f.T))]
    full_numpy = [s.numpy() for s in full]
    few = x[:n].contiguous(), y[:n].contiguous()
    few_numpy = [f.numpy() for f in few]
    cases = {
        "full_rank": (
            lambda: naive_from_statistics(*full_numpy),
            lambda: metrics.frechet_from_statistics(*full),
        ),
        "low_rank": (
            lambda: naive_from_features(*few_numpy),
            lambda: metrics.frechet_distance(*few, interval=False),
        ),
    }
    found, errors = {}, []
    print(f"d = {d}, low rank: {n:,} samples; one thread, CPU seconds, median of {runs}")
    print(f"{'':10} {'sqrtm':>8} {'ours':>8} {'ratio':>7} {'difference':>11}")
    for name, (naive, ours) in cases.items():
        slow, fast, error = alternate(naive, ours, runs)
        found[name] = round(slow / fast, 1)
        errors.append(error)
        print(f"{name:10} {slow:8.2f} {fast:8.2f} {found[name]:6.1f}x {error:11.1e}")
    print(json.dumps({**found, "error": max(errors)}))


if __name__ == "__main__":
    main()
