"""Worlds that can be computed: densities on a line, and games of two numbers.

On the line the optimal discriminator and the divergences are known; in the games (bilinear,
Dirac-GAN) every step can be drawn.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor


# ---------------------------------------------------------------------------- densities on a line
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


# ---------------------------------------------------------------------------- games of two numbers
# Two players with one number each, theta (generator) and psi (discriminator): a game is a function
# game(theta, psi) -> both players' directions of improvement. The equilibrium is (0, 0).
Game = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def bilinear_game() -> Game:
    """min over theta, max over psi of theta * psi: the simplest game with a rotating field.

    It is also the Dirac-GAN with the Wasserstein objective and an unrestricted critic.
    """
    return lambda theta, psi: (-psi, theta)


def dirac_game(loss: str = "minimax", *, r1: float = 0.0, instance_noise: float = 0.0) -> Game:
    """The Dirac-GAN (Mescheder et al. 2018): all real data at 0, all generated data at theta.

    D's logit at x is psi * x.

    Args:
        loss: G's loss: "minimax" or "non-saturating"; D's is cross-entropy in both cases.
        r1: weight gamma of the gradient penalty gamma/2 * psi^2.
        instance_noise: standard deviation of Gaussian noise added to real and generated points.

    Raises ValueError for an unknown loss or a negative weight.
    """
    if loss not in ("minimax", "non-saturating"):
        raise ValueError(f"loss={loss!r}: expected 'minimax' or 'non-saturating'")
    if min(r1, instance_noise) < 0:
        raise ValueError("r1 and instance_noise must not be negative")
    nodes, weights = _noise_nodes(instance_noise)

    def game(theta: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
        """-dL_G/dtheta and -dL_D/dpsi, averaged over the noise; slopes by logit in closed form."""
        real, fake = nodes, theta[..., None] + nodes
        d_real = torch.sigmoid(psi[..., None] * real)
        d_fake = torch.sigmoid(psi[..., None] * fake)
        pull = (1 - d_fake) if loss == "non-saturating" else d_fake
        d_theta = psi * (weights * pull).sum(-1)
        d_psi = (weights * ((1 - d_real) * real - d_fake * fake)).sum(-1)
        return d_theta, d_psi - r1 * psi

    return game


def _noise_nodes(std: float) -> tuple[Tensor, Tensor]:
    """Points and weights that average over N(0, std^2) (Gauss-Hermite, exact enough for us)."""
    if std == 0:
        return torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    return torch.tensor(nodes) * std, torch.tensor(weights / weights.sum())


UPDATES = ("simultaneous", "alternating", "optimistic")


def orbit(
    game: Game,
    start: Sequence[float] | Tensor,
    *,
    step: float = 0.1,
    steps: int = 500,
    updates: str = "simultaneous",
) -> Tensor:
    """The path of (theta, psi) under gradient steps of size `step`: (steps + 1, ..., 2), float64.

    start: one point or many, (..., 2). Updates: "simultaneous"; "alternating" (D moves first, G
    answers the new D); "optimistic" (each step takes twice this velocity minus the last one;
    Daskalakis et al. 2018). Raises ValueError for unknown updates or a start of another shape.
    """
    if updates not in UPDATES:
        raise ValueError(f"updates={updates!r}: expected one of {', '.join(UPDATES)}")
    place = torch.as_tensor(start, dtype=torch.float64)
    if place.shape[-1:] != (2,):
        raise ValueError(f"start has shape {tuple(place.shape)}; expected (..., 2): theta and psi")
    theta, psi = place.unbind(-1)
    path, before = [place], None
    for _ in range(steps):
        d_theta, d_psi = game(theta, psi)
        if updates == "optimistic":
            last = before or (d_theta, d_psi)
            before = (d_theta, d_psi)
            d_theta, d_psi = 2 * d_theta - last[0], 2 * d_psi - last[1]
        psi = psi + step * d_psi
        if updates == "alternating":
            d_theta, _ = game(theta, psi)
        theta = theta + step * d_theta
        path.append(torch.stack([theta, psi], -1))
    return torch.stack(path)


def radius_ratio(path: Tensor) -> Tensor:
    """Final over initial distance from the equilibrium (0, 0) of paths (steps + 1, ..., 2)."""
    return path[-1].norm(dim=-1) / path[0].norm(dim=-1)
