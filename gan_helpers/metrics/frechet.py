"""The Fréchet distance, exact and fast, from samples or from statistics."""

import torch
from torch import Tensor, nn

from .features import Features, as_pair, check_matrix, pair_score
from .score import Score, Z, standard_error


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
    fake, real = as_pair(generated, reference, judge)
    shift = fake.mean - real.mean
    root, transport = _root_of_samples(fake, real, with_map=interval)
    value = max(0.0, float(shift @ shift + fake.spread + real.spread) - 2 * root)
    band = None
    if interval:
        centred = fake.double - fake.mean
        # The derivative of the distance with respect to the weight of each generated sample.
        influence = 2 * centred @ shift + centred.square().sum(dim=1)
        influence -= (centred @ transport).square().sum(dim=1)
        error = Z * standard_error(influence)
        band = (max(0.0, value - error), value + error)
    few = min(len(fake), len(real)) <= fake.dim
    note = f"fewer samples than the {fake.dim} features allow: biased far upward" if few else ""
    metric = "FID" if fake.judge == "inception-v3" else "FD"
    return pair_score(metric, value, band, fake, real, "lower", note)


def frechet_from_statistics(
    mean_g: Tensor, covariance_g: Tensor, mean_r: Tensor, covariance_r: Tensor
) -> float:
    """The Fréchet distance of two Gaussians, from means (d,) and covariances (d, d)."""
    means = torch.as_tensor(mean_g).double() - torch.as_tensor(mean_r).double()
    covariances = [torch.as_tensor(c).double() for c in (covariance_g, covariance_r)]
    for name, matrix in zip(("covariance_g", "covariance_r"), covariances, strict=True):
        check_matrix(name, matrix)
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
