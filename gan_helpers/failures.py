"""How to break a GAN and how to mend it: the settings that notebook 04 and its benchmark share.

A case holds plain values: `broken`, what the cure changes (`changed`), and when a run counts as
failed or cured. Cases of the plane are settings of `toys.ToyGAN`, those of images are settings of
`train_images`. They were chosen with seeds 0 to 99; rates over other seeds come from
`python benchmarks/failures.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from . import synthetic
from .callbacks import AnnealPenalty, Averaging, LRSchedule
from .datasets import ImageDataset
from .diagnostics import Instruments, Signs
from .losses import PENALTIES
from .models.mlp import IMAGE_SHAPE
from .runs import TrainingRun
from .settings import set_seed
from .toys import ToyGAN, anneal
from .training import train


@dataclass(frozen=True)
class Case:
    """One failure and its cure.

    failed, healed: what a run's `Signs` must show to count as the one or the other; `steps` is for
    the broken run, `changed` may hold another number for the cured one. `target` makes the data of
    the plane; None: the case is one of images.
    """

    name: str
    disease: str
    broken: dict
    changed: dict
    failed: Callable[[Signs], bool] = field(repr=False)
    healed: Callable[[Signs], bool] = field(repr=False)
    target: Callable[[], object] | None = None

    @property
    def cured(self) -> dict:
        """The settings of the broken run with those that the cure changes."""
        return {**self.broken, **self.changed}

    def differs(self) -> list[str]:
        """The settings in which the two differ, `steps` aside."""
        now = self.cured
        names = [name for name in now if now[name] != self.broken.get(name)]
        return [name for name in names if name != "steps"]

    def run(self, settings: dict, seeds: Sequence[int], look: int = 50) -> ToyGAN:
        """Train a case of the plane with its `broken` or `cured` settings, or others."""
        settings = dict(settings)
        steps = settings.pop("steps")
        return ToyGAN(self.target(), seeds=seeds, **settings).train(steps, look)


# --- images --------------------------------------------------------------------------------------


def relu_pair(hidden: tuple[int, int] = (128, 128), latent_dim: int = 64) -> tuple:
    """G latent_dim -> h -> h -> 784, tanh, and D 784 -> h -> h -> 1; hidden: (G's h, D's h)."""
    g, d = hidden
    G = nn.Sequential(
        nn.Linear(latent_dim, g), nn.ReLU(), nn.Linear(g, g), nn.ReLU(),
        nn.Linear(g, 784), nn.Tanh(), nn.Unflatten(1, IMAGE_SHAPE),
    )  # fmt: skip
    G.latent_dim = latent_dim
    D = nn.Sequential(
        nn.Flatten(), nn.Linear(784, d), nn.ReLU(), nn.Linear(d, d), nn.ReLU(), nn.Linear(d, 1)
    )
    return G, D


def train_images(
    dataset: ImageDataset,
    seed: int,
    *,
    steps: int,
    images: int | None = None,
    hidden: tuple[int, int] = (128, 128),
    penalty: str | None = None,
    weight: float | tuple[float, float] = 10.0,
    average: float = 0.0,
    lr_decay: float = 0.0,
    instruments: Instruments | None = None,
    **options,
) -> TrainingRun:
    """`relu_pair` trained on 28x28 images, everything a setting.

    images: train on so many of them only, drawn by the seed. penalty: a name of `losses.PENALTIES`; weight: its
    weight, or (start, end) over the first 80 % of the steps. average: decay of G's average.
    lr_decay: the last share of the steps, in which the rates fall to 0. Other options are those of
    `train`.
    """
    set_seed(seed)
    G, D = relu_pair(hidden)
    start, end = weight if isinstance(weight, tuple) else (weight, weight)
    callbacks = [Averaging(average)] if average else []
    callbacks += [LRSchedule(decay=lr_decay)] if lr_decay else []
    if penalty is not None:
        options["penalty"] = PENALTIES[penalty](start)
        callbacks += [AnnealPenalty(start, end)] if end != start else []
    callbacks += [instruments] if instruments is not None else []
    if images is not None:
        few = dataset.subset(n=images, seed=seed)
        again = torch.arange(max(images, 64)) % images  # a batch needs 64 of them
        dataset = replace(few, images=few.images[again], labels=few.labels[again])
    return train(G, D, dataset, steps=steps, callbacks=callbacks, seed=seed, progress=False,
                 **{"batch_size": 64, "snapshots": 8, "checkpoint_every": 10**9, **options},
                 )  # fmt: skip


# --- when a run counts ---------------------------------------------------------------------------


def last(signs: Signs, name: str, looks: int = 3) -> float:
    """The mean of a reading over the last looks."""
    values = signs.history[name][-looks:]
    return sum(values) / len(values)


def modes_and_quality(modes: int, quality: float) -> Callable[[Signs], bool]:
    """At least so many modes or classes robustly at the last look, and such a quality."""
    return lambda s: s.history["modes"][-1] >= modes and s.history["quality"][-1] >= quality


def at_most(modes: int) -> Callable[[Signs], bool]:
    """No more than so many modes or classes robustly at the last look."""
    return lambda s: s.history["modes"][-1] <= modes


BASE = {"lr": 5e-4, "betas": (0.5, 0.999), "layers": 2}

RING = Case(
    "ring",
    "hopping collapse",
    {"steps": 3000, **BASE},
    {"r1": anneal(1, 0.01)},
    at_most(2),
    modes_and_quality(8, 0.75),
    synthetic.ring,
)
GRID = Case(
    "grid",
    "hopping collapse",
    {"steps": 7000, "lr": 5e-4, "betas": (0.0, 0.999), "layers": 3, "lr_decay": 0.3},
    {"objective": "relativistic", "r1": anneal(1, 0.003, 0.6), "r2": anneal(1, 0.003, 0.6)},
    at_most(12),
    modes_and_quality(25, 0.75),
    synthetic.grid,
)
G_OVERPOWERS = Case(
    "G overpowers",
    "G overpowers D",
    {"steps": 1000, **BASE, "lr": (1e-3, 5e-6)},
    {"steps": 3000, "lr": (1e-3, 5e-4), "r1": anneal(1, 0.01)},
    lambda s: s.history["modes"][-1] <= 1 and _undecided(s),
    modes_and_quality(7, 0.6),
    synthetic.ring,
)


def _undecided(signs: Signs) -> bool:
    return all(0.4 < last(signs, name) < 0.6 for name in ("d_real", "d_fake"))
