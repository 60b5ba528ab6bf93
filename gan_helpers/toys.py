"""Small worlds in which a GAN can be computed or watched.

Three of them: densities on a line, where the optimal discriminator and the divergences are known;
games of two numbers (bilinear, Dirac-GAN), where every step can be drawn; and 2-D GANs, where many
seeds train side by side, so that what depends on the seed can be shown as a rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .losses import get_objective
from .metrics.coverage import mode_counts
from .settings import step_generator


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
class Game(NamedTuple):
    """Two players with one number each: theta (generator) and psi (discriminator).

    `velocity(theta, psi)` gives both players' directions of improvement, tensors of the same shape;
    the equilibrium is (0, 0).
    """

    name: str
    velocity: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def bilinear_game() -> Game:
    """min over theta, max over psi of theta * psi: the simplest game with a rotating field.

    It is also the Dirac-GAN with the Wasserstein objective and an unrestricted critic.
    """
    return Game("bilinear", lambda theta, psi: (-psi, theta))


def dirac_game(
    loss: str = "minimax", *, r1: float = 0.0, instance_noise: float = 0.0, consensus: float = 0.0
) -> Game:
    """The Dirac-GAN (Mescheder et al. 2018): all real data at 0, all generated data at theta.

    D's logit at x is psi * x.

    Args:
        loss: G's loss: "minimax" or "non-saturating"; D's is cross-entropy in both cases.
        r1: weight gamma of the gradient penalty gamma/2 * psi^2.
        instance_noise: standard deviation of Gaussian noise added to real and generated points.
        consensus: weight of the consensus term (Mescheder et al. 2017), gamma/2 |velocity|^2.

    Raises ValueError for an unknown loss or a negative weight.
    """
    if loss not in ("minimax", "non-saturating"):
        raise ValueError(f"loss={loss!r}: expected 'minimax' or 'non-saturating'")
    if min(r1, instance_noise, consensus) < 0:
        raise ValueError("r1, instance_noise and consensus must not be negative")
    nodes, weights = _noise_nodes(instance_noise)

    def plain(theta: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
        """-dL_G/dtheta and -dL_D/dpsi, averaged over the noise; slopes by logit in closed form."""
        real, fake = nodes, theta[..., None] + nodes
        d_real = torch.sigmoid(psi[..., None] * real)
        d_fake = torch.sigmoid(psi[..., None] * fake)
        pull = (1 - d_fake) if loss == "non-saturating" else d_fake
        d_theta = psi * (weights * pull).sum(-1)
        d_psi = (weights * ((1 - d_real) * real - d_fake * fake)).sum(-1)
        return d_theta, d_psi - r1 * psi

    def with_consensus(theta: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            both = torch.stack([theta, psi]).detach().requires_grad_(True)
            velocity = torch.stack(plain(both[0], both[1]))
            (slope,) = torch.autograd.grad(0.5 * velocity.square().sum(), both)
        return tuple(velocity.detach() - consensus * slope)

    return Game(f"Dirac, {loss}", with_consensus if consensus else plain)


def _noise_nodes(std: float) -> tuple[Tensor, Tensor]:
    """Points and weights that average over N(0, std^2) (Gauss-Hermite, exact enough for us)."""
    if std == 0:
        return torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    import numpy as np

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
        d_theta, d_psi = game.velocity(theta, psi)
        if updates == "optimistic":
            last = before or (d_theta, d_psi)
            before = (d_theta, d_psi)
            d_theta, d_psi = 2 * d_theta - last[0], 2 * d_psi - last[1]
        psi = psi + step * d_psi
        if updates == "alternating":
            d_theta, _ = game.velocity(theta, psi)
        theta = theta + step * d_theta
        path.append(torch.stack([theta, psi], -1))
    return torch.stack(path)


def radius_ratio(path: Tensor) -> Tensor:
    """Final over initial distance from the equilibrium (0, 0) of paths (steps + 1, ..., 2)."""
    return path[-1].norm(dim=-1) / path[0].norm(dim=-1)


# ---------------------------------------------------------------------------- GANs in the plane
class ToyGAN:
    """Independent GANs on 2-D data, one per seed, trained side by side with batched layers.

    G: latent_dim -> hidden -> hidden -> 2, D: 2 -> hidden -> hidden -> 1 (logits), ReLU, Adam.
    Seed s draws its weights, batches and noise from generators of its own, as functions of
    (s, step), so a seed gives the same run alone or in company (up to rounding).

    Args:
        target: anything with `sample(n, generator) -> (n, 2)`, as in `gan_helpers.synthetic`.
        seeds: one seed or several; S of them below.
        objective: a name from `losses.OBJECTIVES` or a pair of losses that are batch *means*.
        lr: Adam's step size, one for both players or (G's, D's).
        d_steps: D steps per G step in `step()`.
        r1: weight gamma of the R1 penalty on real points; 0 leaves it out.
        instance_noise: standard deviation of noise added to all of D's training inputs.

    `target`, `objective`, `lr`, `d_steps`, `r1` and `instance_noise` may be changed at any time.
    Raises ValueError for sizes below 1, negative weights, or an unknown objective.
    """

    def __init__(
        self,
        target,
        *,
        seeds: int | Sequence[int] = 0,
        objective: str | tuple[Callable, Callable] = "non-saturating",
        latent_dim: int = 16,
        hidden: int = 128,
        lr: float | tuple[float, float] = 5e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        batch_size: int = 128,
        d_steps: int = 1,
        r1: float = 0.0,
        instance_noise: float = 0.0,
    ) -> None:
        seeds = [seeds] if isinstance(seeds, int) else list(seeds)
        if not seeds:
            raise ValueError("seeds is empty; give one seed or several")
        sizes = {"latent_dim": latent_dim, "hidden": hidden, "batch_size": batch_size}
        for name, value in {**sizes, "d_steps": d_steps}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if r1 < 0 or instance_noise < 0:
            raise ValueError(f"r1={r1} and instance_noise={instance_noise} must not be negative")
        self.target, self.seeds = target, seeds
        self.latent_dim, self.hidden, self.batch_size = latent_dim, hidden, batch_size
        self.d_steps, self.r1, self.instance_noise = d_steps, r1, instance_noise
        self.d_count = self.g_count = 0
        self.objective = objective
        self._G = self._weights("G weights", latent_dim, 2)
        self._D = self._weights("D weights", 2, 1)
        self._betas = betas
        self._adams = self._new_adams(lr if isinstance(lr, tuple) else (lr, lr))

    @property
    def objective(self):
        """Name or pair of losses; setting it takes effect at the next step."""
        return self._objective_name

    @objective.setter
    def objective(self, objective) -> None:
        self._losses = get_objective(objective)
        self._objective_name = objective

    @property
    def lr(self) -> tuple[float, float]:
        """(G's, D's) step size; setting it takes effect at the next step."""
        return tuple(adam.param_groups[0]["lr"] for adam in self._adams)

    @lr.setter
    def lr(self, rates: float | tuple[float, float]) -> None:
        rates = rates if isinstance(rates, tuple) else (rates, rates)
        for adam, rate in zip(self._adams, rates, strict=True):
            adam.param_groups[0]["lr"] = rate

    def forget(self) -> None:
        """Empty the memory of both players' Adam; weights and rates stay as they are."""
        self._adams = self._new_adams(self.lr)

    def renew_discriminator(self, stream: str = "D weights") -> None:
        """A D with first weights again, drawn from the seed and `stream`, and an empty Adam.

        The default stream gives the weights that D had at its start. G keeps weights and memory.
        """
        self._D = self._weights(stream, 2, 1)
        self._adams[1] = self._new_adams(self.lr)[1]

    def _new_adams(self, rates: tuple[float, float]) -> list[torch.optim.Adam]:
        return [
            torch.optim.Adam(weights, lr=rate, betas=self._betas, fused=True)
            for weights, rate in zip((self._G, self._D), rates, strict=True)
        ]

    # ---- forward
    def sample(self, n: int, stream: str = "samples") -> Tensor:
        """(S, n, 2) generated points. The noise depends on the seed and `stream` only, so that the
        same `stream` shows the same latent points as training goes on."""
        return self.generate(self._latent(n, 0, stream))

    def generate(self, latent: Tensor) -> Tensor:
        """G's points (S, n, 2) for chosen latent points (S, n, latent_dim)."""
        with torch.no_grad():
            return _forward(self._G, latent)

    def logits(self, points: Tensor) -> Tensor:
        """D's logits (S, n) at points (n, 2) or (S, n, 2)."""
        with torch.no_grad():
            return _forward(self._D, points.expand(len(self.seeds), *points.shape[-2:])).squeeze(-1)

    def pull(self, points: Tensor) -> Tensor:
        """Where G's loss asks each point of (S, n, 2) to go: minus the gradient of its own loss.

        One arrow at each generated point: this is all that D tells G.
        """
        points = points.detach().requires_grad_(True)
        loss = self._g_loss(_forward(self._D, points).squeeze(-1))
        (gradient,) = torch.autograd.grad(loss * len(points) * points.shape[1], points)
        return -gradient

    # ---- training
    def step(self) -> None:
        """One step of the game: `d_steps` D steps, then one G step."""
        for _ in range(self.d_steps):
            self.d_step()
        self.g_step()

    def d_step(self) -> None:
        """Move every D once, on fresh real and generated batches."""
        n = self.batch_size
        generators = self._generators(self.d_count, "D step")
        real = torch.stack([self.target.sample(n, generator) for generator in generators])
        with torch.no_grad():
            fake = _forward(self._G, self._normal((n, self.latent_dim), generators))
        points = torch.cat([real, fake], 1)
        if self.instance_noise:
            points = points + self.instance_noise * self._normal((2 * n, 2), generators)
        logits = _forward(self._D, points).squeeze(-1)
        loss = self._losses.d_loss(logits[:, :n], logits[:, n:])
        if self.r1:
            loss = loss + self._r1(points[:, :n])
        self.d_loss = self._update(self._D, self._adams[1], loss)
        self.d_logits = logits.detach()
        self.d_count += 1

    def g_step(self) -> None:
        """Move every G once, with fresh noise; D stands still."""
        latent = self._latent(self.batch_size, self.g_count, "G step")
        loss = self._g_loss(_forward(self._D, _forward(self._G, latent)).squeeze(-1))
        self.g_loss = self._update(self._G, self._adams[0], loss)
        self.g_count += 1

    def _g_loss(self, fake_logits: Tensor) -> Tensor:
        if not self._losses.g_sees_real:
            return self._losses.g_loss(fake_logits)
        generators = self._generators(self.g_count, "G step, real")
        n = fake_logits.shape[-1]
        real = torch.stack([self.target.sample(n, generator) for generator in generators])
        return self._losses.g_loss(fake_logits, _forward(self._D, real).squeeze(-1))

    def _r1(self, real: Tensor) -> Tensor:
        real = real.detach().requires_grad_(True)
        logits = _forward(self._D, real)
        (slopes,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
        return self.r1 / 2 * slopes.square().sum(-1).mean()

    @property
    def d_norm(self) -> Tensor:
        """Norm of D's latest gradient, (S,)."""
        return _gradient_norm(self._D)

    @property
    def g_norm(self) -> Tensor:
        """Norm of G's latest gradient, (S,)."""
        return _gradient_norm(self._G)

    def _update(self, weights: list[Tensor], adam, loss: Tensor) -> Tensor:
        """One Adam step on the mean loss over seeds, which is returned."""
        # The mean over S runs is S times too small for each of them.
        gradients = torch.autograd.grad(loss * len(self.seeds), weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient.contiguous()  # fused Adam misreads any other layout
        adam.step()
        return loss.detach()

    # ---- randomness
    def _generators(self, step: int, stream: str) -> list[torch.Generator]:
        return [step_generator(seed, step, stream) for seed in self.seeds]

    def _normal(self, shape: tuple[int, ...], generators: list[torch.Generator]) -> Tensor:
        return torch.stack([torch.randn(shape, generator=generator) for generator in generators])

    def _latent(self, n: int, step: int, stream: str) -> Tensor:
        return self._normal((n, self.latent_dim), self._generators(step, stream))

    def _weights(self, stream: str, inputs: int, outputs: int) -> list[Tensor]:
        """Six batched tensors: weights (S, in, out) and biases (S, 1, out), PyTorch's init."""
        generators = self._generators(0, stream)
        weights = []
        for fan_in, fan_out in ((inputs, self.hidden), (self.hidden,) * 2, (self.hidden, outputs)):
            for rows in (fan_in, 1):
                unit = [torch.rand(rows, fan_out, generator=g) for g in generators]
                drawn = (2 * torch.stack(unit) - 1) / math.sqrt(fan_in)
                weights.append(drawn.requires_grad_(True))
        return weights


def _forward(weights: list[Tensor], x: Tensor) -> Tensor:
    """S perceptrons at once: (S, n, in) -> (S, n, out)."""
    for layer in (0, 2, 4):
        x = torch.baddbmm(weights[layer + 1], x, weights[layer])
        if layer < 4:
            x = F.relu(x)
    return x


def _gradient_norm(weights: list[Tensor]) -> Tensor:
    if weights[0].grad is None:
        return torch.full((len(weights[0]),), float("nan"))
    return torch.stack([weight.grad.square().flatten(1).sum(1) for weight in weights]).sum(0).sqrt()


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
    centers, mode_of = _modes(target)
    counts = mode_counts(points, centers, 3 * target.sigma, mode_of)
    n = points.shape[-2]
    needed = max(0.2 * n / counts.shape[-1], 1)
    return Coverage((counts >= needed).sum(-1), counts.sum(-1) / n)


def _modes(target) -> tuple[Tensor, Tensor]:
    """Centres (M, 2), and for each the number of the mode that it belongs to."""
    if hasattr(target, "centers"):
        return target.centers, torch.arange(len(target.centers))
    angles = (torch.arange(60) + 0.5) / 60 * math.pi
    upper = torch.stack([angles.cos() - 0.5, angles.sin() - 0.25], 1) * target.radius
    return torch.cat([upper, -upper]), torch.arange(120) // 6
