"""The playground without its widgets: settings, training and pictures of a GAN in the plane."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from .. import synthetic, toys
from ..losses import OBJECTIVES, get_objective
from .canvas import LIMIT, SIZE, Chart, draw_charts, draw_plane

TARGETS = {
    "gaussian": synthetic.gaussian,
    "ring": synthetic.ring,
    "grid": synthetic.grid,
    "moons": synthetic.two_moons,
}
POINTS = "points"  # the target that the reader places
SHOWN, ARROWS, COUNTED = 200, 100, 512  # points drawn, arrows drawn, points behind the scores
_CELLS = 48  # D is asked on a grid of so many points both ways
_NET_LINES, _NET_REACH = 9, 2.0  # G's grid: so many lines each way, latents up to so far from 0
_KEEP = 400  # moments kept for the charts; every other one goes when they are full


@dataclass(frozen=True)
class Settings:
    """What the reader can choose. `hidden`, `latent_dim` and `seed` start the run over."""

    target: str = "ring"
    points: tuple[tuple[float, float], ...] = ()
    objective: str = "non-saturating"
    lr_g: float = 1e-3
    lr_d: float = 3e-3
    d_steps: int = 1
    r1: float = 0.0
    latent_dim: int = 2
    hidden: int = 32
    seed: int = 1000

    def __post_init__(self) -> None:
        names = [*TARGETS, POINTS]
        if self.target not in names:
            raise ValueError(f"target={self.target!r} is unknown; choose one of {', '.join(names)}")
        get_objective(self.objective)
        for name in ("lr_g", "lr_d", "r1"):
            if not getattr(self, name) >= 0:  # nan is not
                raise ValueError(f"{name}={getattr(self, name)} must not be negative")
        for x, y in self.points:
            if not max(abs(x), abs(y)) <= LIMIT:  # nan and inf are not
                raise ValueError(
                    f"the point ({x:g}, {y:g}) is not on the picture, "
                    f"which runs from -{LIMIT} to {LIMIT} both ways"
                )
        for name in ("d_steps", "latent_dim", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")


class Plane:
    """A GAN in the plane that can be stepped, steered and drawn. A run is a function of its
    settings: the same ones, changed at the same steps, replay it exactly."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.reset()

    # ---- steering
    def change(self, **changes) -> None:
        """Apply settings from here on; some of them start the run over."""
        before, self.settings = self.settings, replace(self.settings, **changes)
        fixed = ("hidden", "latent_dim", "seed")
        if any(getattr(self.settings, name) != getattr(before, name) for name in fixed):
            self.reset()
        else:
            self._steer()

    def reset(self) -> None:
        """Start over: fresh networks from the seed, empty charts."""
        now = self.settings
        self.gan = toys.ToyGAN(None, seeds=now.seed, latent_dim=now.latent_dim, hidden=now.hidden)
        self._steer()
        self.moments: list[dict[str, float]] = []
        self._came_from: torch.Tensor | None = None
        self._measure()

    def _steer(self) -> None:
        """Give the GAN what may change at any step."""
        now = self.settings
        if now.target == POINTS:
            places = torch.tensor(now.points or ((0.0, 0.0),), dtype=torch.float32)
            self.target = synthetic.Mixture(places, 0.05)
        else:
            self.target = TARGETS[now.target]()
        self._real = self.target.sample(SHOWN, torch.Generator().manual_seed(0))
        self.gan.target, self.gan.objective = self.target, now.objective
        self.gan.lr = (now.lr_g, now.lr_d)
        self.gan.d_steps, self.gan.r1 = now.d_steps, now.r1

    # ---- training
    def advance(self, steps: int, go_on: Callable[[], bool] = lambda: True) -> int:
        """Take up to `steps` steps of the game while `go_on()`; returns how many were taken."""
        self._came_from = None
        d_losses, g_losses = [], []
        while len(d_losses) < steps and go_on():
            self.gan.step()
            d_losses.append(self.gan.d_loss)
            g_losses.append(self.gan.g_loss)
        if d_losses:
            self._measure(float(torch.stack(d_losses).mean()), float(torch.stack(g_losses).mean()))
        return len(d_losses)

    def one_d_step(self) -> None:
        """Only D moves."""
        self.gan.d_step()
        self._came_from = None
        self._measure(float(self.gan.d_loss), self.g_loss)

    def one_g_step(self) -> None:
        """Only G moves; the picture then shows where its points came from."""
        before = self._fake
        self.gan.g_step()
        self._measure(self.d_loss, float(self.gan.g_loss))
        self._came_from = before

    def _measure(self, d_loss: float = math.nan, g_loss: float = math.nan) -> None:
        """Look at the generated points, and keep the moment for the charts."""
        points = self.gan.sample(COUNTED)
        if not points.isfinite().all():
            raise FloatingPointError(
                "The generated points are no longer finite numbers: a learning rate is too large "
                "for this objective. Lower it and start over."
            )
        self._fake = points[0, :SHOWN]
        modes, share = toys.coverage(points, self.target)
        self.modes, self.share = int(modes), float(share)
        self.d_loss, self.g_loss = d_loss, g_loss
        self.moments.append(
            {
                "step": self.gan.g_count,
                "modes": self.modes / self.mode_count,
                "share": self.share,
                "d_loss": d_loss,
                "g_loss": g_loss,
                "d_norm": float(self.gan.d_norm),
                "g_norm": float(self.gan.g_norm),
            }
        )
        if len(self.moments) > _KEEP:
            self.moments = self.moments[::2]

    @property
    def mode_count(self) -> int:
        return toys.mode_count(self.target)

    # ---- pictures
    def surface(self) -> np.ndarray:
        """D's verdict on the plane, (n, n) in [0, 1], row 0 at the top.

        A probability where the objective has them. The others give scores: least squares aims at
        0 and 1, hinge at -1 and 1, and those of the Wasserstein critic and of the relativistic D
        have no level of their own, so that they are stretched between the lowest and the highest.
        """
        ticks = torch.linspace(-LIMIT, LIMIT, _CELLS)
        y, x = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")
        scores = self.gan.logits(torch.stack([x, y], -1).view(-1, 2)).view(_CELLS, _CELLS)
        objective = self.settings.objective
        if OBJECTIVES[objective].probabilities:
            scores = scores.sigmoid()
        elif objective in ("wasserstein", "relativistic"):
            low, high = scores.min(), scores.max()
            scores = (scores - low) / (high - low).clamp_min(1e-12)
        elif objective == "hinge":
            scores = (scores + 1) / 2
        return scores.clamp(0, 1).numpy()

    def net(self) -> list[np.ndarray]:
        """A square grid in the first two latent coordinates as G maps it, lines of (K, 2).

        The other coordinates are 0; with a single one the grid is one line.
        """
        size = self.settings.latent_dim
        along = torch.linspace(-_NET_REACH, _NET_REACH, 41)
        places = along[:: 40 // (_NET_LINES - 1)] if size > 1 else torch.zeros(1)
        lines = torch.zeros(len(places), len(along), size)
        lines[..., 0] = along
        if size > 1:
            lines[..., 1] = places[:, None]
            other = lines.clone()
            other[..., :2] = lines[..., :2].flip(-1)
            lines = torch.cat([lines, other])
        mapped = self.gan.generate(lines.view(1, -1, size)).view(*lines.shape[:2], 2)
        return list(mapped.numpy())

    def picture(self, size: int = SIZE) -> Image.Image:
        """D's surface, G's warped grid, real and generated points, and G's pull on the latter."""
        arrows = self.gan.pull(self._fake[None, :ARROWS])[0]
        came_from = None if self._came_from is None else self._came_from.numpy()
        real, fake = self._real.numpy(), self._fake.numpy()
        arrows = arrows.numpy()
        return draw_plane(self.surface(), real, fake, arrows, came_from, size, self.net())

    def charts(self) -> Image.Image:
        """Coverage, losses and gradient norms over the G steps."""
        steps = [moment["step"] for moment in self.moments]

        def chart(title: str, keys: dict[str, str], **options: bool) -> Chart:
            curves = {label: [m[key] for m in self.moments] for label, key in keys.items()}
            return Chart(title, steps, curves, **options)

        shares = {"modes covered": "modes", "high-quality share": "share"}
        charts = [
            chart("Share:", shares, share=True),
            chart("Loss:", {"D": "d_loss", "G": "g_loss"}),
            chart("Gradient norm:", {"D": "d_norm", "G": "g_norm"}, log=True),
        ]
        return draw_charts(charts)

    def charts_alt(self) -> str:
        """The charts in words."""
        return (
            "Charts over the G steps: share of modes covered and high-quality share; the losses "
            f"of D (now {self.d_loss:.2f}) and G ({self.g_loss:.2f}); the norms of their gradients."
        )

    def status(self) -> str:
        """Counters and scores in one line."""
        noun = "pieces of the moons" if self.settings.target == "moons" else "modes"
        return (
            f"{self.gan.d_count:,} D steps, {self.gan.g_count:,} G steps; "
            f"{self.modes} of {self.mode_count} {noun} covered; "
            f"high-quality share {self.share:.0%}"
        )

    def alt(self) -> str:
        """The picture in words, for readers who cannot see it."""
        return (
            f"A 2-D GAN on the target '{self.settings.target}' with the "
            f"{self.settings.objective} objective: the discriminator's verdict as a coloured "
            "surface, real points as blue squares, generated points as orange discs with arrows "
            "along the generator's pull, and a square grid of latent points as the generator "
            f"warps it. {self.status()}."
        )
