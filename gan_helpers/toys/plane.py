"""GANs in the plane, one per seed, trained side by side: here everything is a setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..diagnostics.reading import Signs, judged, spread
from ..losses import get_objective, smooth_d_loss
from ..settings import step_generator
from . import networks
from .modes import mode_count, read_modes

LOOKED_AT = 512  # points behind one look; the first half of them is shown to D


@dataclass(frozen=True)
class anneal:
    """A weight that changes while a run trains, to be given in place of a number.

    From `start` to `end` over the first `share` of the steps, constant from there on: by the same
    factor each step, or by equal amounts where one of the two is 0. `anneal(1, 0.01)(0.4)` is the
    value when 40 % of the steps are done. Raises ValueError for negative numbers, or a share
    outside (0, 1].
    """

    start: float
    end: float
    share: float = 0.8

    def __post_init__(self) -> None:
        if not (self.start >= 0 and self.end >= 0 and 0 < self.share <= 1):
            raise ValueError(
                f"{self}: expected a start and an end from 0 on, and a share of the steps in (0, 1]"
            )

    def __call__(self, done: float) -> float:
        way = min(1.0, done / self.share)
        if min(self.start, self.end) > 0:
            return self.start * (self.end / self.start) ** way
        return self.start + (self.end - self.start) * way


Weight = float | anneal


class ToyGAN:
    """Independent GANs on 2-D data, one per seed, trained side by side with batched layers.

    G: latent_dim -> hidden layers -> 2, D: 2 -> hidden layers -> 1 (logits), ReLU, Adam.
    Seed s draws its weights, batches and noise from generators of its own, as functions of
    (s, step), so a seed gives the same run alone or in company (up to rounding).

    Args:
        target: anything with `sample(n, generator) -> (n, 2)`, as in `gan_helpers.synthetic`.
        seeds: one seed or several; S of them below.
        objective: a name from `losses.OBJECTIVES` or a pair of losses that are batch *means*.
        hidden, layers: units of a hidden layer, and how many: one number or (G's, D's).
        lr: Adam's step size, one for both players or (G's, D's).
        lr_decay: the last share of the steps, in which both rates fall to 0.
        d_steps: D steps per G step in `step()`.
        r1, r2, gp: weights of penalties on D: gamma of R1 (on real points) and of R2 (on generated
            ones), lambda of WGAN-GP; 0 leaves one out.
        instance_noise: standard deviation of noise added to all of D's training inputs.
        pack: points that D judges together (PacGAN).
        minibatch: "discrimination" (learned T) or "stddev": what D sees of the rest of the batch.
        feature_matching: G matches the mean of D's last hidden layer instead of fooling D.
        dropout: the share of D's hidden units left out in training.
        real_target: D's target for real points; 0.9 is one-sided label smoothing.
        spectral: "norm" divides D's weights by their largest singular value; a number sets that
            value after each D step (projection).
        average: decay of a running average of G's weights, from which samples are then drawn.

    r1, r2, gp and instance_noise may be an `anneal(start, end)` in place of a number. `target`,
    `objective`, `lr`, `d_steps` and these four may be changed at any time. Raises ValueError for
    sizes below 1, negative weights, or an unknown name.
    """

    def __init__(
        self,
        target,
        *,
        seeds: int | Sequence[int] = 0,
        objective: str | tuple[Callable, Callable] = "non-saturating",
        latent_dim: int = 16,
        hidden: int = 128,
        layers: int | tuple[int, int] = 2,
        lr: float | tuple[float, float] = 5e-4,
        lr_decay: float = 0.0,
        betas: tuple[float, float] = (0.5, 0.999),
        batch_size: int = 128,
        d_steps: int = 1,
        r1: Weight = 0.0,
        r2: Weight = 0.0,
        gp: Weight = 0.0,
        instance_noise: Weight = 0.0,
        pack: int = 1,
        minibatch: str | None = None,
        feature_matching: bool = False,
        dropout: float = 0.0,
        real_target: float = 1.0,
        spectral: str | float | None = None,
        average: float = 0.0,
    ) -> None:
        self.seeds = [seeds] if isinstance(seeds, int) else list(seeds)
        self.target, self.latent_dim, self.hidden = target, latent_dim, hidden
        self.layers = layers if isinstance(layers, tuple) else (layers, layers)
        self.lr_decay, self.batch_size, self.d_steps = lr_decay, batch_size, d_steps
        self.r1, self.r2, self.gp, self.instance_noise = r1, r2, gp, instance_noise
        self.pack, self.minibatch, self.feature_matching = pack, minibatch, feature_matching
        self.dropout, self.real_target, self.spectral = dropout, real_target, spectral
        self.average = average
        self._check()
        self.d_count = self.g_count = 0
        self.total: int | None = None  # steps of the whole run, by which schedules go
        self.objective = objective
        self.G = self._weights("G weights", latent_dim, 2, self.layers[0])
        self._averaged = [weight.detach().clone() for weight in self.G] if average else None
        self._betas, self.lr = betas, lr
        self._new_discriminator("D weights")
        self._adams = self._new_adams()
        self._looks: list[dict[str, Tensor]] = []

    def _check(self) -> None:
        if not self.seeds:
            raise ValueError("seeds is empty; give one seed or several")
        sizes = ("latent_dim", "hidden", "batch_size", "d_steps", "pack")
        for name, value in [(name, getattr(self, name)) for name in sizes]:
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if min(self.layers) < 1:
            raise ValueError(f"layers={self.layers}: each network has at least 1 hidden layer")
        for name in ("r1", "r2", "gp", "instance_noise"):
            value = getattr(self, name)
            if not isinstance(value, anneal) and not value >= 0:
                raise ValueError(f"{name}={value} must not be negative")
        for name in ("dropout", "average", "lr_decay"):
            if not 0 <= getattr(self, name) < 1 + (name == "lr_decay"):
                raise ValueError(f"{name}={getattr(self, name)} is a share: expected 0 to below 1")
        if self.batch_size % self.pack:
            raise ValueError(f"pack={self.pack} must divide batch_size={self.batch_size}")
        if self.minibatch not in networks.EXTRA:
            raise ValueError(f"minibatch={self.minibatch!r}: expected 'discrimination' or 'stddev'")
        number = isinstance(self.spectral, int | float) and self.spectral > 0
        if not (self.spectral in (None, "norm") or number):
            raise ValueError(f"spectral={self.spectral!r}: expected 'norm' or a number above 0")

    # ---- what may be changed
    @property
    def objective(self):
        """Name or pair of losses; setting it takes effect at the next step."""
        return self._objective_name

    @objective.setter
    def objective(self, objective) -> None:
        losses = get_objective(objective)
        if self.real_target != 1:
            if losses.name not in ("minimax", "non-saturating"):
                raise ValueError(
                    f"real_target={self.real_target} needs an objective with targets, 'minimax' or "
                    f"'non-saturating', and this one is {losses.name!r}"
                )
            losses = losses._replace(d_loss=partial(smooth_d_loss, real_target=self.real_target))
        self._losses, self._objective_name = losses, objective

    @property
    def lr(self) -> tuple[float, float]:
        """(G's, D's) step size before decay; setting it takes effect at the next step."""
        return self._rates

    @lr.setter
    def lr(self, rates: float | tuple[float, float]) -> None:
        self._rates = rates if isinstance(rates, tuple) else (rates, rates)

    @property
    def done(self) -> float:
        """The share of the planned steps that is done; 0 where no number was planned."""
        return min(1.0, self.g_count / self.total) if self.total else 0.0

    def now(self, weight: Weight) -> float:
        """A weight's value at this step."""
        return weight(self.done) if isinstance(weight, anneal) else weight

    def forget(self) -> None:
        """Empty the memory of both players' Adam; weights and rates stay as they are."""
        self._adams = self._new_adams()

    def renew_discriminator(self, stream: str = "D weights") -> None:
        """A D with first weights again, drawn from the seed and `stream`, and an empty Adam.

        The default stream gives the weights that D had at its start. G keeps weights and memory.
        """
        self._new_discriminator(stream)
        self._adams[1] = self._new_adams()[1]

    def _new_discriminator(self, stream: str) -> None:
        extra = networks.EXTRA[self.minibatch]
        self.D = self._weights(stream, 2 * self.pack, 1, self.layers[1], extra)
        self._kernels = None
        if self.minibatch == "discrimination":
            shape = (self.hidden, networks.KERNELS * networks.SIZE)
            draws = self._normal(shape, self._generators(0, f"{stream}, T"))
            self._kernels = (draws / self.hidden**0.5).requires_grad_(True)
        if self.spectral is not None:
            self._singular = networks.Spectral(self.D, self._generators(0, "spectral"))

    @property
    def _d_weights(self) -> list[Tensor]:
        return self.D if self._kernels is None else [*self.D, self._kernels]

    def _new_adams(self) -> list[torch.optim.Adam]:
        return [
            torch.optim.Adam(weights, lr=rate, betas=self._betas, fused=True)
            for weights, rate in zip((self.G, self._d_weights), self._rates, strict=True)
        ]

    # ---- forward
    def sample(self, n: int, stream: str = "samples") -> Tensor:
        """(S, n, 2) generated points. The noise depends on the seed and `stream` only, so that the
        same `stream` shows the same latent points as training goes on."""
        return self.generate(self._latent(n, 0, stream))

    def generate(self, latent: Tensor) -> Tensor:
        """G's points (S, n, 2) for chosen latent points (S, n, latent_dim); the averaged G's, if
        there is one."""
        with torch.no_grad():
            return networks.forward(self.G if self._averaged is None else self._averaged, latent)

    def judge(self, points: Tensor, weights=None, *, batches: int = 1, masks=None) -> Tensor:
        """D's logits (S, n / pack) at points (S, n, 2), with their graph.

        weights: those of another D in place of its own. batches: how many batches the points hold,
        where D looks across one. masks: dropout.
        """
        weights = self.D if weights is None else weights
        if self.spectral == "norm":
            weights = self._singular.divided(weights)
        packs = points.reshape(len(points), -1, 2 * self.pack)
        units = networks.hidden_units(weights, packs, masks)
        if self.minibatch is not None:
            units = networks.across_batch(units, batches, self._kernels)
        return torch.baddbmm(weights[-1], units, weights[-2]).squeeze(-1)

    def logits(self, points: Tensor) -> Tensor:
        """D's logits (S, n / pack) at points (n, 2) or (S, n, 2)."""
        with torch.no_grad():
            return self.judge(points.expand(len(self.seeds), *points.shape[-2:]))

    def pull(self, points: Tensor) -> Tensor:
        """Where G's loss asks each point of (S, n, 2) to go: minus the gradient of its own loss.

        One arrow at each generated point: this is all that D tells G.
        """
        points = points.detach().requires_grad_(True)
        loss = self.g_loss_on(points)
        (gradient,) = torch.autograd.grad(loss * len(points) * points.shape[1], points)
        return -gradient

    # ---- training
    def train(
        self,
        steps: int,
        look: int = 50,
        hooks: Sequence[Callable[[ToyGAN], None]] = (),
        total: int | None = None,
    ) -> ToyGAN:
        """Take `steps` steps, with a look of the instruments every `look` ones; returns itself.

        hooks: functions of the GAN, called after each step. total: the steps of the whole run, by
        which schedules go; without it, those that are done when this call ends.
        """
        if steps < 1 or look < 1:
            raise ValueError(f"steps={steps} and look={look} must be at least 1")
        self.total = total or self.g_count + steps
        if not self._looks:
            self.look()
        for _ in range(steps):
            self.step()
            for hook in hooks:
                hook(self)
            if self.g_count % look == 0:
                self.look()
        return self

    def step(self) -> None:
        """One step of the game: `d_steps` D steps, then one G step."""
        for _ in range(self.d_steps):
            self.d_step()
        self.g_step()

    def d_step(self) -> None:
        """Move every D once, on fresh real and generated batches."""
        n = self.batch_size
        generators = self._generators(self.d_count, "D step")
        real = self._real(n, generators)
        with torch.no_grad():
            fake = networks.forward(self.G, self._normal((n, self.latent_dim), generators))
        points = torch.cat([real, fake], 1)
        noise = self.now(self.instance_noise)
        if noise:
            points = points + noise * self._normal((2 * n, 2), generators)
        logits = self.judge(points, batches=2, masks=self._masks(self.d_count, "D step"))
        loss = self._losses.d_loss(logits[:, : n // self.pack], logits[:, n // self.pack :])
        loss = loss + self._penalty(points[:, :n], points[:, n:]) + self.d_extra()
        self.d_loss = self._update(self._d_weights, 1, loss)
        self.d_logits = logits.detach()
        self.d_count += 1
        if self.spectral is not None:
            self._keep_spectral()

    def g_step(self) -> None:
        """Move every G once, with fresh noise; D stands still."""
        latent = self._latent(self.batch_size, self.g_count, "G step")
        loss = self.g_loss_on(networks.forward(self.G, latent)) + self.g_extra()
        self.g_loss = self._update(self.G, 0, loss)
        self.g_count += 1
        if self._averaged is not None:
            decay = min(self.average, (1 + self.g_count) / (10 + self.g_count))
            torch._foreach_lerp_(self._averaged, [w.detach() for w in self.G], 1 - decay)

    def g_loss_on(self, fake: Tensor) -> Tensor:
        """G's loss at its points (S, n, 2), the mean over seeds. A subclass may ask another D."""
        masks = self._masks(self.g_count, "G step")
        if not (self.feature_matching or self._losses.g_sees_real):
            return self._losses.g_loss(self.judge(fake, masks=masks))
        real = self._real(fake.shape[-2], self._generators(self.g_count, "G step, real"))
        if self.feature_matching:
            units = [networks.hidden_units(self.D, x.reshape(len(x), -1, 2 * self.pack)).mean(1)
                     for x in (real, fake)]  # fmt: skip
            return (units[0] - units[1]).square().sum(-1).mean()
        return self._losses.g_loss(self.judge(fake, masks=masks), self.judge(real, masks=masks))

    def d_extra(self) -> Tensor | float:
        """What a subclass adds to D's loss, a mean over seeds."""
        return 0.0

    def g_extra(self) -> Tensor | float:
        """What a subclass adds to G's loss, a mean over seeds."""
        return 0.0

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor | float:
        r1, r2, gp = (self.now(weight) for weight in (self.r1, self.r2, self.gp))
        total = 0.0
        for gamma, points in ((r1, real), (r2, fake)):
            if gamma:
                total = total + gamma / 2 * self._slopes(points).square().sum(-1).mean()
        if gp:
            shape = (self.batch_size // self.pack, 1)
            generators = self._generators(self.d_count, "D step, between")
            mix = torch.stack([torch.rand(shape, generator=g) for g in generators])
            between = real + mix.repeat_interleave(self.pack, 1) * (fake - real)
            total = total + gp * (self._slopes(between).norm(dim=-1) - 1).square().mean()
        return total

    def _slopes(self, points: Tensor) -> Tensor:
        """D's gradient at points, (S, n / pack, 2 * pack), itself differentiable."""
        points = points.detach().requires_grad_(True)
        (slopes,) = torch.autograd.grad(self.judge(points).sum(), points, create_graph=True)
        return slopes.reshape(len(slopes), -1, 2 * self.pack)

    def _update(self, weights: list[Tensor], player: int, loss: Tensor) -> Tensor:
        """One Adam step of G (0) or D (1) on the mean loss over seeds, which is returned."""
        # The mean over S runs is S times too small for each of them.
        gradients = torch.autograd.grad(loss * len(self.seeds), weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient.contiguous()  # fused Adam misreads any other layout
        falling = (1 - self.done) / self.lr_decay if self.lr_decay else 1.0
        self._adams[player].param_groups[0]["lr"] = self._rates[player] * min(1.0, falling)
        self._adams[player].step()
        return loss.detach()

    @torch.no_grad()
    def _keep_spectral(self) -> None:
        self._singular.iterate(self.D)
        if self.spectral != "norm":
            scaled = self._singular.divided(self.D)
            for weight, unit in zip(self.D[::2], scaled[::2], strict=True):
                weight.copy_(self.spectral * unit)

    # ---- instruments
    @property
    def d_norm(self) -> Tensor:
        """Norm of D's latest gradient, (S,)."""
        return networks.gradient_norms(self._d_weights).norm(dim=1)

    @property
    def g_norm(self) -> Tensor:
        """Norm of G's latest gradient, (S,)."""
        return networks.gradient_norms(self.G).norm(dim=1)

    def look(self) -> None:
        """Read the instruments once, on the same latent and real points each time."""
        fake, half = self.sample(LOOKED_AT, "look"), LOOKED_AT // 2
        real = self._real(half, self._generators(0, "look, real"))
        row = {
            **judged(self.logits(real), self.logits(fake[:, :half]), self._losses),
            "g_norm": self.g_norm,
            "d_norm": self.d_norm,
            "g_layers": networks.gradient_norms(self.G[::2]),
            "d_layers": networks.gradient_norms(self.D[::2]),
            **read_modes(fake, self.target),
            "diversity": spread(fake[:, :half]) / spread(real),
        }
        self._looks.append({"step": torch.tensor(self.g_count), **row})

    @property
    def history(self) -> dict[str, Tensor]:
        """What the looks have read, (L, S) each, in their order; `step` is (L,).

        counts is (L, S, modes), g_layers and d_layers (L, S, layers): gradient norms of the
        weights from the input on. What the others mean: `diagnostics.Signs` and `modes.read_modes`.
        """
        if not self._looks:
            raise ValueError("there is no history yet: train(steps) looks at the run as it goes")
        return {name: torch.stack([row[name] for row in self._looks]) for name in self._looks[0]}

    def signs(self) -> list[Signs]:
        """One record a seed: history and 512 samples."""
        history, samples = self.history, self.sample(LOOKED_AT, "look")
        return [
            Signs(
                {name: (rows if rows.dim() == 1 else rows[:, k]).tolist()
                 for name, rows in history.items()},
                samples[k], mode_count(self.target), self._losses.probabilities, f"seed {seed}",
            )
            for k, seed in enumerate(self.seeds)
        ]  # fmt: skip

    # ---- randomness
    def _generators(self, step: int, stream: str) -> list[torch.Generator]:
        return [step_generator(seed, step, stream) for seed in self.seeds]

    def _real(self, n: int, generators: list[torch.Generator]) -> Tensor:
        return torch.stack([self.target.sample(n, generator) for generator in generators])

    def _normal(self, shape: tuple[int, ...], generators: list[torch.Generator]) -> Tensor:
        return torch.stack([torch.randn(shape, generator=generator) for generator in generators])

    def _latent(self, n: int, step: int, stream: str) -> Tensor:
        return self._normal((n, self.latent_dim), self._generators(step, stream))

    def _masks(self, step: int, stream: str) -> Callable[[Tensor], Tensor] | None:
        """Dropout for one networks.forward pass, from generators of the step; None without it."""
        if not self.dropout:
            return None
        generators = self._generators(step, f"{stream}, dropout")

        def mask(units: Tensor) -> Tensor:
            drawn = torch.stack([torch.rand(units.shape[1:], generator=g) for g in generators])
            return units * (drawn >= self.dropout) / (1 - self.dropout)

        return mask

    def _weights(
        self, stream: str, inputs: int, outputs: int, layers: int, extra: int = 0
    ) -> list[Tensor]:
        wide = self.hidden
        sizes = [(inputs, wide), *[(wide, wide)] * (layers - 1), (wide + extra, outputs)]
        return networks.new_weights(self._generators(0, stream), sizes)
