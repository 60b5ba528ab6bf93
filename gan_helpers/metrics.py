"""Scores for generated images: IS, FID and its relatives, each with an interval and its full name.

Every score is a `Score`: a value, a 95 % interval, the number of samples, whose features it was
measured in, and against which reference; `FD(mnist-judge, 10k vs test) = 8.71 [8.52, 8.90]`. "FID"
and "KID" are said only when the features are Inception-v3's; other features give "FD" and "KD".

Wherever a function takes `generated` or `reference`, it takes any of three things: `Features` (from
`look`, so that the judge looks once for many scores), images together with `judge=`, or a plain
matrix of features (N, d). Images are uint8 or float in [-1, 1]; anything else is refused, with the
likely cause. Intervals are for new draws of the generated sample, the reference held fixed.

Definitions and defaults follow torch-fidelity (seeds of the random subsets included), so numbers
agree with it to rounding on the same features; all sums are in float64.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .settings import data_dir

_CACHE_FORMAT = 1  # part of every cache key: raise it when what is stored changes
_Z = 1.959964  # the 97.5 % point of the normal distribution


# --- what a score is -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """One score and what it was measured with.

    metric     short name: "FID", "FD", "IS", "KID", "KD", "precision", ...
    value      the score; `float(score)` gives it too
    interval   95 % interval (low, high), or None where none can be given honestly
    n          number of generated samples
    features   whose features, such as "mnist-judge" or "inception-v3"
    reference  what it was compared with, such as "test" or "60k train"; None if nothing was
    better     "higher" or "lower"
    note       a warning that belongs to this number, such as too few samples
    details    further results of the same computation, by name
    """

    metric: str
    value: float
    interval: tuple[float, float] | None
    n: int
    features: str
    reference: str | None
    better: str
    note: str = ""
    details: dict = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The score's full name, as design and honesty ask for: "FD(mnist-judge, 10k vs test)"."""
        against = f" vs {self.reference}" if self.reference else ""
        return f"{self.metric}({self.features}, {_count(self.n)}{against})"

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        text = f"{self.name} = {_digits(self.value)}"
        if self.interval is not None:
            text += f" [{_digits(self.interval[0])}, {_digits(self.interval[1])}]"
        return text + (f"  ({self.note})" if self.note else "")

    __repr__ = __str__


def _count(n: int) -> str:
    return f"{n / 1000:g}k" if n >= 1000 and n % 100 == 0 else f"{n:,}"


def _digits(value: float) -> str:
    if abs(value) < 1e-9 or abs(value) >= 1000:
        return f"{value:.0f}"
    places = max(0, 3 - max(0, math.floor(math.log10(abs(value))) + 1))
    return f"{value:.{min(places, 3)}f}" if abs(value) >= 0.005 else f"{value:.2e}"


# --- images in, features out ---------------------------------------------------------------------


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
                _check_matrix(name, matrix)

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


def _check_matrix(name: str, matrix: Tensor) -> None:
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
    """The same images as a tensor (N, C, H, W), if they are uint8 or floats in [-1, 1].

    `shape` is the (C, H, W) that is needed; None in it leaves that side free. Raises ValueError or
    TypeError with the likely cause for any other type, range or shape: a wrong range does not fail
    by itself, it silently moves a score by hundreds.
    """
    images = torch.as_tensor(images).detach()
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"images have shape {tuple(images.shape)}; expected (N, C, H, W) with N >= 1. "
            "Flat vectors need .view(-1, 1, 28, 28), a single image image[None]"
        )
    _check_shape(tuple(images.shape[1:]), shape)
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


def _to_float(images: Tensor) -> Tensor:
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


def _range_problem(low: float, high: float) -> str:
    """The likely cause of a wrong range, or "" for a range that can be taken as [-1, 1]."""
    if math.isnan(low) or math.isnan(high):
        return "Some pixels are NaN: has training diverged?"
    if low >= 0 and high <= 1:
        return (
            "Nothing is below 0, so they look like [0, 1]: use images * 2 - 1. If they really are "
            "in [-1, 1], say so by passing uint8: ((images + 1) * 127.5).round().to(torch.uint8)"
        )
    if low >= -1.001 and high <= 1.001:
        return ""
    if low >= 0 and high <= 255.5:
        return "They look like [0, 255] stored as floats: use images.to(torch.uint8)"
    if low >= -5 and high <= 5:
        return "Normalised with a mean and deviation, or without tanh at the generator's end?"
    return "Is the generator's output passed through tanh?"


def look(
    images: object,
    judge: nn.Module | str,
    *,
    source: str = "generated",
    batch_size: int | None = None,
) -> Features:
    """Show `images` to a judge once; the result serves any number of scores.

    images: (N, C, H, W) uint8 or float in [-1, 1], or an `ImageDataset`, whose split becomes the
    `source`. judge: from `judges.load_judge`, or "pixels" for the raw pixel values.
    Raises ValueError for a judge in train mode, whose BatchNorm would change the score each time.
    """
    if hasattr(images, "images") and hasattr(images, "split"):
        images, source = images.images, images.split
    if judge == "pixels":
        return Features(_to_float(check_images(images)).flatten(1), None, "pixels", source)
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
        for batch in images.split(batch_size or getattr(judge, "batch_size", 100)):
            parts = judge.features_and_logits(_to_float(batch.to(device)))
            seen.append([part.cpu() for part in parts])
    values, logits = (torch.cat(parts).clone() for parts in zip(*seen, strict=True))
    return Features(values, logits, judge.name, source)


def _features(given: object, judge: nn.Module | str | None, source: str = "generated") -> Features:
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


def _pair(generated: object, reference: object, judge: nn.Module | str | None) -> tuple:
    """Generated and reference Features, seen by the same judge."""
    fake, real = _features(generated, judge), _features(reference, judge, "reference")
    if fake.judge != real.judge:
        raise ValueError(f"generated samples were seen by {fake.judge}, reference by {real.judge}")
    if fake.dim != real.dim:
        raise ValueError(f"generated samples have {fake.dim} features, the reference {real.dim}")
    return fake, real


def _against(fake: Features, real: Features) -> str:
    """The reference in a score's name; its count is left out if it equals the generated one."""
    return real.source if len(real) == len(fake) else f"{_count(len(real))} {real.source}"


# --- reference statistics on disk ----------------------------------------------------------------


def reference(
    dataset: object, judge: nn.Module, *, n: int | None = None, seed: int = 0
) -> Features:
    """The judge's view of a reference data set, with mean and covariance, cached on disk.

    n: use only the first `n` of an order shuffled by `seed` (default: all). The cache is keyed by
    the pixels and the judge's weights, so it can never answer for other data; a damaged file is
    made anew, and where nothing can be written the cache is left out.
    """
    images, source = dataset.images, dataset.split
    if n is not None and n < len(images):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        images = images[order[:n].sort().values]
    path = _cache_file(images, judge)
    if path is not None and (found := _read_cache(path, judge.name, source)) is not None:
        return found
    seen = look(images, judge, source=source)
    if path is not None:
        _write_cache(path, seen)
    return seen


def _cache_file(images: Tensor, judge: nn.Module) -> Path | None:
    folder = _cache_folder()
    if folder is None:
        return None
    key = hashlib.blake2b(f"{_CACHE_FORMAT} {tuple(images.shape)}".encode(), digest_size=12)
    key.update(images.contiguous().numpy())
    for name, value in judge.state_dict().items():
        key.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return folder / f"{judge.name}-{key.hexdigest()}.safetensors"


def _cache_folder() -> Path | None:
    """`reference` in the data folder, or in the user's cache if that is read-only; None if neither.

    A data folder without write permission for anybody is left alone by administrators too, whom
    the system would let write there.
    """
    data = data_dir()
    writable = data.is_dir() and data.stat().st_mode & 0o222 and os.access(data, os.W_OK)
    folder = (data if writable else Path.home() / ".cache" / "gan_helpers") / "reference"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def _read_cache(path: Path, judge: str, source: str) -> Features | None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(path)
        seen = Features(stored["values"], stored["logits"], judge, source)
        # cached_property reads the instance's __dict__, so this is where a known value goes.
        seen.__dict__.update(mean=stored["mean"], covariance=stored["covariance"])
        return seen
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def _write_cache(path: Path, seen: Features) -> None:
    from safetensors.torch import save

    tensors = {
        "values": seen.values,
        "logits": seen.logits,
        "mean": seen.mean,
        "covariance": seen.covariance,
    }
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(save({name: value.contiguous() for name, value in tensors.items()}))
        os.replace(file.name, path)  # whole or not at all, also with several kernels at once
    except OSError:
        pass  # a full or read-only disk costs time at the next call, nothing else


# --- Inception score -----------------------------------------------------------------------------


def inception_score(
    generated: object,
    judge: nn.Module | None = None,
    *,
    splits: int = 10,
    shuffle: bool = True,
    seed: int = 2020,
) -> Score:
    """IS = exp of the mean KL(p(y|x) || p(y)), from logits; between 1 and K. Higher is better.

    generated: Features, images with `judge`, or a matrix of *logits* (N, K). As published scores
    do, it averages over `splits` parts, shuffled first: parts of samples sorted by class would each
    see few classes and score far too low. The interval is a t interval over the parts, or, with
    splits=1, the delta method's. Salimans et al., 2016, arXiv:1606.03498.
    """
    logits, judge_name = _logits(generated, judge)
    n = len(logits)
    if not 1 <= splits <= n // 2:
        raise ValueError(f"splits={splits} with {n:,} samples; each part needs at least 2")
    if shuffle:
        logits = logits[np.random.RandomState(seed).permutation(n)]
    log_p = logits.log_softmax(dim=1)
    parts = [_mean_kl(log_p[i * n // splits : (i + 1) * n // splits]) for i in range(splits)]
    scores = np.array([math.exp(kl.mean()) for kl in parts])
    value = float(scores.mean())
    if splits == 1:
        error = _Z * _standard_error(parts[0])
        interval = (value * math.exp(-error), value * math.exp(error))
    else:
        interval = _t_interval(scores)
    details = {"splits": scores, "std": float(scores.std())}
    return Score("IS", value, interval, n, judge_name, None, "higher", "", details)


def _logits(generated: object, judge: nn.Module | None) -> tuple[Tensor, str]:
    if getattr(generated, "ndim", 0) == 2:
        logits = torch.as_tensor(generated)
        _check_matrix("logits", logits)
        sums = logits.double().sum(dim=1)
        if logits.min() >= 0 and (sums - 1).abs().max() < 1e-3:
            raise ValueError("every row sums to 1: these are probabilities; logits are expected")
        name = "given logits"
    else:
        seen = _features(generated, judge)
        if seen.logits is None:
            raise ValueError(f"{seen.judge} gives no class logits; the Inception score needs them")
        logits, name = seen.logits, seen.judge
    if len(logits) < 2:
        raise ValueError("one sample has no spread: a score needs at least 2, and a few thousand")
    return logits.double(), name


def _mean_kl(log_p: Tensor) -> Tensor:
    """KL(p(y|x) || p(y)) of each sample, (n,)."""
    p = log_p.exp()
    log_marginal = p.mean(dim=0).log()
    # A class that never gets any mass contributes 0 * log(0 / 0) = 0, not NaN.
    return torch.where(p > 0, p * (log_p - log_marginal), 0.0).sum(dim=1)


def _standard_error(values: Tensor) -> float:
    return float(values.std()) / math.sqrt(len(values))


def _t_interval(values: np.ndarray) -> tuple[float, float]:
    from scipy.stats import t

    error = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - error), float(values.mean() + error)


# --- Fréchet distance ----------------------------------------------------------------------------


def frechet_distance(
    generated: object,
    reference: object,
    judge: nn.Module | str | None = None,
    *,
    interval: bool = True,
) -> Score:
    """|mu_r - mu_g|^2 + Tr(S_r + S_g - 2 (S_r S_g)^(1/2)), "FID" with Inception features.

    Lower is better, 0 for equal means and covariances. It is biased upward by few samples, so only
    equal counts compare; with N at or below the feature dimension a note says that the covariance
    has not even full rank. The interval is the delta method's: sampling noise, not that bias.
    `interval=False` saves about half of the time. Heusel et al., 2017, arXiv:1706.08500.
    """
    fake, real = _pair(generated, reference, judge)
    shift = fake.mean - real.mean
    root, transport = _root_of_samples(fake, real, with_map=interval)
    value = max(0.0, float(shift @ shift + fake.spread + real.spread) - 2 * root)
    band = None
    if interval:
        centred = fake.double - fake.mean
        # The derivative of the distance with respect to the weight of each generated sample.
        influence = 2 * centred @ shift + centred.square().sum(dim=1)
        influence -= (centred @ transport).square().sum(dim=1)
        error = _Z * _standard_error(influence)
        band = (max(0.0, value - error), value + error)
    few = min(len(fake), len(real)) <= fake.dim
    note = f"fewer samples than the {fake.dim} features allow: biased far upward" if few else ""
    metric = "FID" if fake.judge == "inception-v3" else "FD"
    against = _against(fake, real)
    return Score(metric, value, band, len(fake), fake.judge, against, "lower", note)


def frechet_from_statistics(
    mean_g: Tensor, covariance_g: Tensor, mean_r: Tensor, covariance_r: Tensor
) -> float:
    """The Fréchet distance of two Gaussians, from means (d,) and covariances (d, d)."""
    means = torch.as_tensor(mean_g).double() - torch.as_tensor(mean_r).double()
    covariances = [torch.as_tensor(c).double() for c in (covariance_g, covariance_r)]
    for name, matrix in zip(("covariance_g", "covariance_r"), covariances, strict=True):
        _check_matrix(name, matrix)
        if matrix.shape != (len(means), len(means)):
            raise ValueError(f"{name} is {tuple(matrix.shape)} for means of {len(means)} features")
    root, _ = _root_of_covariances(*covariances, with_map=False)
    traces = sum(float(matrix.trace()) for matrix in covariances)
    return max(0.0, float(means @ means) + traces - 2 * root)


# All of the following give Tr (S_r S_g)^(1/2) and, with_map, a matrix W (d, r) such that T = W W^T
# is the linear map that carries one Gaussian to the other (T S_g T = S_r): T / 2 is the derivative
# of the trace with respect to S_g, which the interval needs.
_Root = tuple[float, Tensor | None]


def _root_of_samples(fake: Features, real: Features, with_map: bool) -> _Root:
    if min(len(fake), len(real)) > fake.dim:
        return _root_of_covariances(fake.covariance, real.covariance, with_map)
    # With few samples the centred samples themselves are a thin half of their covariance.
    halves = [f.factor if len(f) <= f.dim else _half(f.covariance) for f in (fake, real)]
    return _root_of_halves(*halves, with_map)


def _root_of_covariances(covariance_g: Tensor, covariance_r: Tensor, with_map: bool) -> _Root:
    """By the eigenvalues of L^T S_g L, S_r = L L^T, where both covariances have full rank."""
    lower, failed = torch.linalg.cholesky_ex(covariance_r)
    if failed or torch.linalg.cholesky_ex(covariance_g).info:
        return _root_of_halves(_half(covariance_g), _half(covariance_r), with_map)
    product = torch.zeros_like(lower)
    for start in range(0, len(lower), 256):
        # The lower triangle is enough, and L is 0 above its diagonal: a third of the work is left.
        columns, rest = slice(start, start + 256), slice(start, None)
        product[rest, columns] = lower[rest, rest].T @ (
            covariance_g[rest, rest] @ lower[rest, columns]
        )
    if not with_map:
        values = torch.linalg.eigvalsh(product)
        return float(values.clamp(min=0).sqrt().sum()), None
    values, vectors = torch.linalg.eigh(product)
    return _with_map(values.clamp(min=0).sqrt(), lower @ vectors)


def _half(covariance: Tensor) -> Tensor:
    """R (r, d) with R^T R = covariance, r its numerical rank."""
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > values[-1].clamp(min=0) * len(values) * torch.finfo(values.dtype).eps
    return (vectors[:, kept] * values[kept].sqrt()).T


def _root_of_halves(half_g: Tensor, half_r: Tensor, with_map: bool) -> _Root:
    """By the singular values of R_g R_r^T; its squares would lose those below 1e-8 of the largest.

    Covariances that lack full rank have many of those.
    """
    product = half_g @ half_r.T
    if 0 in product.shape:  # a constant sample: its covariance is zero
        return 0.0, product.new_zeros(half_r.shape[1], 1)
    if not with_map:
        return float(torch.linalg.svdvals(product).sum()), None
    _, values, right = torch.linalg.svd(product, full_matrices=False)
    return _with_map(values, half_r.T @ right.T)


def _with_map(values: Tensor, vectors: Tensor) -> _Root:
    kept = values > values.max() * len(values) * torch.finfo(values.dtype).eps
    return float(values.sum()), vectors[:, kept] / values[kept].sqrt()


# --- kernel distance -----------------------------------------------------------------------------


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
    fake, real = _pair(generated, reference, judge)
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
    error = _Z * spread * math.sqrt(subset_size / smallest + 1 / subsets)
    metric = "KID" if fake.judge == "inception-v3" else "KD"
    details = {"subsets": values, "std": float(values.std())}
    band, against = (value - error, value + error), _against(fake, real)
    return Score(metric, value, band, len(fake), fake.judge, against, "lower", "", details)


def polynomial_mmd2(x: Tensor, y: Tensor) -> float:
    """Unbiased squared MMD of x (n, d) and y (m, d) with the kernel (x.y / d + 1)^3."""
    d = x.shape[1]

    def kernel_mean(a: Tensor, b: Tensor, without_diagonal: bool) -> float:
        k = (a @ b.T).div_(d).add_(1)
        k = (k * k).mul_(k)
        if not without_diagonal:
            return float(k.mean())
        return float(k.sum() - k.diagonal().sum()) / (len(a) * (len(a) - 1))

    within = kernel_mean(x, x, True) + kernel_mean(y, y, True)
    return within - 2 * kernel_mean(x, y, False)


# --- precision and recall, density and coverage --------------------------------------------------


def precision_recall(
    generated: object,
    reference: object,
    judge: nn.Module | str | None = None,
    *,
    neighbours: int = 3,
) -> tuple[Score, Score]:
    """Precision: the share of generated samples inside the reference's region; recall: the reverse.

    A set's region is the union of balls around its samples, each reaching to the k-th neighbour.
    Intervals are Wilson's for the share alone; the region's own noise is not in them.
    Kynkäänniemi et al., 2019, arXiv:1904.06991.
    """
    fake, real = _pair(generated, reference, judge)
    inside_real, _ = _inside(fake, real, _radii(real, neighbours))
    inside_fake, _ = _inside(real, fake, _radii(fake, neighbours))
    return (
        _share("precision", inside_real > 0, fake, real),
        _share("recall", inside_fake > 0, fake, real),
    )


def density_coverage(
    generated: object,
    reference: object,
    judge: nn.Module | str | None = None,
    *,
    neighbours: int = 5,
) -> tuple[Score, Score]:
    """Density: in how many of the reference's balls a generated sample lies, over k; may pass 1.

    Coverage: the share of reference balls that hold at least one generated sample. Both build
    balls around the reference only, so that one generated outlier cannot claim a large region.
    Naeem et al., 2020, arXiv:2002.09797.
    """
    fake, real = _pair(generated, reference, judge)
    inside, hit = _inside(fake, real, _radii(real, neighbours))
    each = inside.double() / neighbours
    value, error = float(each.mean()), _Z * _standard_error(each)
    # No spread at all (all in no ball) says nothing about the error.
    band = (max(0.0, value - error), value + error) if error > 0 else None
    against = _against(fake, real)
    density = Score("density", value, band, len(fake), fake.judge, against, "higher")
    return density, _share("coverage", hit, fake, real)


def _radii(samples: Features, neighbours: int) -> Tensor:
    """Each sample's distance to its k-th neighbour among the others, (N,)."""
    if not 1 <= neighbours < len(samples):
        raise ValueError(
            f"neighbours={neighbours} with {len(samples):,} samples; expected 1 to N - 1"
        )
    blocks = samples.double.split(1000)
    radii = [torch.cdist(b, samples.double).kthvalue(neighbours + 1).values for b in blocks]
    return torch.cat(radii)


def _inside(samples: Features, centers: Features, radii: Tensor) -> tuple[Tensor, Tensor]:
    """For each sample, in how many balls it lies; for each ball, whether it holds a sample."""
    counts, hit = [], torch.zeros(len(centers), dtype=torch.bool)
    for block in samples.double.split(1000):
        within = torch.cdist(block, centers.double) <= radii
        counts.append(within.sum(dim=1))
        hit |= within.any(dim=0)
    return torch.cat(counts), hit


def _share(metric: str, hits: Tensor, fake: Features, real: Features) -> Score:
    value = float(hits.double().mean())
    band = _wilson(int(hits.sum()), len(hits))
    return Score(metric, value, band, len(fake), fake.judge, _against(fake, real), "higher")


def _wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share; unlike hits / n +- error, it stays inside [0, 1]."""
    p, z2 = hits / n, _Z**2
    middle, half = p + z2 / (2 * n), _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)
    return max(0.0, min(low, p)), min(1.0, max(high, p))


# --- classes, modes, neighbours ------------------------------------------------------------------


def classes_covered(
    generated: object, judge: nn.Module | None = None, *, share: float = 0.2
) -> Score:
    """How many classes the judge finds, each in at least `share` of its fair part N / K.

    details: `counts` (K,), `effective` = exp of the entropy of the counts (K when all are equally
    frequent), `confidence` = the judge's mean top probability. A judge names a class for noise too,
    so read this beside precision. The interval resamples the counts.
    """
    seen = _features(generated, judge)
    if seen.logits is None:
        raise ValueError(f"{seen.judge} gives no class logits; classes cannot be counted")
    classes = seen.logits.shape[1]
    counts = torch.bincount(seen.logits.argmax(dim=1), minlength=classes).numpy()
    confidence = seen.logits.double().softmax(dim=1).amax(dim=1).mean()
    return _covered("classes", counts, len(seen), share, seen.judge, float(confidence))


def modes_covered(
    points: Tensor, centers: Tensor, sigma: float, *, share: float = 0.2, within: float = 3.0
) -> tuple[Score, Score]:
    """Modes of a 2-D mixture that get at least `share` of their fair part, and high-quality share.

    points (N, 2), centers (M, 2). A point is of high quality if it lies within `within` * sigma of
    its nearest centre, and only such points count for a mode. Ask for both: a uniform ring covers
    all modes of a ring with a high-quality share below 40 %.
    """
    points, centers = torch.as_tensor(points), torch.as_tensor(centers)
    _check_matrix("points", points)
    if centers.ndim != 2 or centers.shape[1] != points.shape[1]:
        raise ValueError(f"centers are {tuple(centers.shape)} for points {tuple(points.shape)}")
    distance, nearest = torch.cdist(points.double(), centers.double()).min(dim=1)
    good = distance <= within * sigma
    counts = torch.bincount(nearest[good], minlength=len(centers)).numpy()
    n, hits = len(points), int(good.sum())
    modes = _covered("modes", counts, n, share, "coordinates", None)
    band = _wilson(hits, n)
    return modes, Score("high-quality share", hits / n, band, n, "coordinates", None, "higher")


def _covered(
    metric: str, counts: np.ndarray, n: int, share: float, features: str, confidence: float | None
) -> Score:
    threshold = share * n / len(counts)
    value = int((counts >= threshold).sum())
    frequencies = counts / n
    rest = max(0.0, 1 - frequencies.sum())  # points that belong to no mode
    draws = np.random.default_rng(0).multinomial(n, [*frequencies, rest], size=1000)[:, :-1]
    low, high = np.percentile((draws >= threshold).sum(axis=1), [2.5, 97.5])
    seen = frequencies[frequencies > 0] / max(frequencies.sum(), 1e-300)
    details = {"counts": counts, "effective": float(np.exp(-(seen * np.log(seen)).sum()))}
    if confidence is not None:
        details["confidence"] = confidence
    band = (float(low), float(high))
    return Score(metric, float(value), band, n, features, None, "higher", "", details)


def nearest_neighbours(
    generated: object, reference: object, judge: nn.Module | str | None = None, *, k: int = 1
) -> Score:
    """The median distance to the nearest reference sample, with the k nearest of each.

    details: `distances` and `indices`, both (N, k), nearest first; indices count in the reference.
    With judge="pixels" the distance is that of the pixel values.
    """
    fake, real = _pair(generated, reference, judge)
    if not 1 <= k <= len(real):
        raise ValueError(f"k={k} with {len(real):,} reference samples; expected 1 to that many")
    found = [
        torch.cdist(block, real.double).topk(k, largest=False) for block in fake.double.split(1000)
    ]
    distances = torch.cat([part.values for part in found])
    details = {"distances": distances, "indices": torch.cat([part.indices for part in found])}
    nearest = distances[:, 0].sort().values
    n = len(nearest)
    # The ranks between which the median of new draws falls: binomial(n, 1/2), as a normal.
    low = max(0, math.floor(n / 2 - _Z * math.sqrt(n) / 2))
    high = min(n - 1, math.ceil(n / 2 + _Z * math.sqrt(n) / 2))
    band = (float(nearest[low]), float(nearest[high]))
    value, against = float(nearest.quantile(0.5)), _against(fake, real)
    return Score("NN distance", value, band, n, fake.judge, against, "higher", "", details)


def closer_to_train(
    generated: object, train: object, test: object, judge: nn.Module | str | None = None
) -> Score:
    """The share of generated samples whose nearest neighbour is in `train` rather than in `test`.

    Both must be of equal size. New samples of the same distribution give 0.5; copies of training
    images give 1. FD and precision cannot see the difference. After Meehan et al., 2020,
    arXiv:2004.05675.
    """
    fake, seen = _pair(generated, train, judge)
    _, unseen = _pair(generated, test, judge)
    if len(seen) != len(unseen):
        raise ValueError(
            f"train has {len(seen):,} samples and test {len(unseen):,}; they must be as many, "
            "since the larger set is nearer by its size alone"
        )
    distances = [nearest_neighbours(fake, other).details["distances"] for other in (seen, unseen)]
    closer = (distances[0] < distances[1]).double() + 0.5 * (distances[0] == distances[1])
    value, n = float(closer.mean()), len(fake)
    band = _wilson(round(value * n), n)
    against = f"{_count(len(seen))} {seen.source}, {_count(len(unseen))} {unseen.source}"
    return Score("closer to train", value, band, n, fake.judge, against, "lower")


# --- all at once ---------------------------------------------------------------------------------


def evaluate(generated: object, reference: object, judge: nn.Module) -> list[Score]:
    """The scores that a report should hold, best read together: what none of them sees alone.

    generated: images or Features; reference: a data set, images or Features. For counts below
    10,000 the subsets of the kernel distance shrink with them.
    """
    fake, real = _pair(generated, reference, judge)
    size = min(1000, len(fake) // 2, len(real) // 2)
    scores = [frechet_distance(fake, real), kernel_distance(fake, real, subset_size=size)]
    scores += [*precision_recall(fake, real), *density_coverage(fake, real)]
    if fake.logits is not None:
        scores += [inception_score(fake), classes_covered(fake)]
    return scores


def course_scores() -> str:
    """The scores of the course's own models as a table: medians over seeds, for FD the range too.

    Made by `python benchmarks/scores.py`; the scores' full names stand below the table.
    """
    path = Path(__file__).resolve().parent / "weights" / "scores.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    short = {"KD": "KD", "precision": "prec.", "recall": "recall", "density": "dens.",
             "coverage": "cover.", "IS": "IS"}  # fmt: skip
    lines = [
        f"{'':23}{'FD: median (range)':>21}" + "".join(f"{name:>7}" for name in short.values())
    ]
    for model, row in table["rows"].items():
        middle = {name: float(np.median(values)) for name, values in row["scores"].items()}
        low, high = min(row["scores"]["FD"]), max(row["scores"]["FD"])
        cell = f"{_digits(middle['FD'])} ({_digits(low)} to {_digits(high)})"
        rest = "".join(f"{middle[name]:z7.2f}" for name in short)
        lines.append(f"{model:23}{cell:>21}{rest}")
    names = ", ".join(row["names"][name] for name in ("FD", *short))
    lines += ["", f"Medians over the training seeds {', '.join(map(str, row['seeds']))}."]
    return "\n".join([*lines, *textwrap.wrap(f"In full: {names}.", 90, break_on_hyphens=False)])
