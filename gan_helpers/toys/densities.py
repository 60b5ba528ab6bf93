"""Densities on a line: there the optimal discriminator and the divergences can be computed."""

import math

import torch
from torch import Tensor


def gaussian_density(x: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Density of N(mean, std^2) at `x` (any shape). Raises ValueError unless std > 0."""
    if not std > 0:
        raise ValueError(f"std={std} must be positive")
    return torch.exp(-0.5 * ((x - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))


def optimal_discriminator(p_data: Tensor, p_g: Tensor) -> Tensor:
    """D* = p_data / (p_data + p_g), a probability; 1/2 where both densities vanish.

    (Goodfellow et al. 2014, proposition 1; where neither density has mass any value is optimal.)
    """
    total = p_data + p_g
    return torch.where(total > 0, p_data / total.clamp_min(torch.finfo(total.dtype).tiny), 0.5)


def kl_divergence(p: Tensor, q: Tensor, dx: float) -> float:
    """KL(p || q) in nats of two densities on a grid of spacing `dx`; inf where q misses p."""
    # 0 log 0 counts as 0: where p has no mass, q does not matter.
    terms = torch.where(p > 0, p * (p.clamp_min(1e-300).log() - q.log()), 0.0)
    return float(terms.sum() * dx)


def js_divergence(p: Tensor, q: Tensor, dx: float) -> float:
    """Jensen-Shannon divergence in nats, 0 to log 2, of two densities on a grid of spacing `dx`.

    Half of KL(p || m) plus half of KL(q || m) with m = (p + q)/2 (Lin 1991).
    """
    middle = (p + q) / 2
    return (kl_divergence(p, middle, dx) + kl_divergence(q, middle, dx)) / 2


def wasserstein_1(p: Tensor, q: Tensor, dx: float) -> float:
    """Wasserstein-1 distance on the line: the area between the two distribution functions."""
    return float(((p - q).cumsum(0) * dx).abs().sum() * dx)
