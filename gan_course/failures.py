"""How to break a GAN and how to mend it: the settings that notebook 04 and its benchmark share.

A case holds plain values: `broken`, what the cure changes (`changed`), and when a run counts as
failed or cured. Cases of the plane are settings of `toys.ToyGAN`, those of images are settings of
`train_images`. They were chosen with seeds 0 to 99; rates over other seeds come from
`python benchmarks/failures.py`.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from gan_helpers import synthetic
from gan_helpers.callbacks import AnnealPenalty, Averaging, LRSchedule
from gan_helpers.datasets import ImageDataset
from gan_helpers.diagnostics import Instruments, Signs
from gan_helpers.losses import PENALTIES
from gan_helpers.models.mlp import IMAGE_SHAPE
from gan_helpers.runs import TrainingRun
from gan_helpers.settings import set_seed
from gan_helpers.toys import ToyGAN, anneal
from gan_helpers.training import train

DATA = Path(__file__).resolve().parent / "data"


@dataclass(frozen=True)
class Case:
    """One failure and its cure.

    broken: settings, `steps` among them; changed: what the cure changes. failed, healed: what a
    run's `Signs` must show to count as the one or the other. target makes the data of the plane;
    None: the case is one of images. gradient: the cure's headline is that G's gradient is at least
    100 times the broken run's; what `healed` asks for is told beside it. after: what a run that
    healed is, by a name of `diagnosis.NAMES`.
    """

    name: str
    disease: str
    broken: dict
    changed: dict
    failed: Callable[[Signs], bool] = field(repr=False)
    healed: Callable[[Signs], bool] = field(repr=False)
    target: Callable[[], object] | None = None
    gradient: bool = False
    after: str = "healthy"

    @property
    def cured(self) -> dict:
        """The settings of the broken run with those that the cure changes."""
        return {**self.broken, **self.changed}

    def differs(self) -> list[str]:
        """The settings in which the two differ, `steps` aside."""
        return [
            name
            for name, value in self.changed.items()
            if name != "steps" and value != self.broken.get(name)
        ]

    def run(self, settings: dict, seeds: int | Sequence[int], look: int = 50) -> ToyGAN:
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

    images: train on so many of them only, drawn by the seed. penalty: a name of
    `losses.PENALTIES`; weight: its weight, or (start, end) over the first 80 % of the steps.
    average: decay of G's average. lr_decay: the last share of the steps, in which the rates fall to
    0. Other options are those of `train`.
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


def watched(data: tuple[ImageDataset, ImageDataset], seed: int, settings: dict) -> Instruments:
    """Train a case of images on the first data set, the second one being for the instruments.

    Returns the instruments, which hold the run's `signs`.
    """
    watch = Instruments(every=settings["steps"] // 10, n=300, real=data[1])
    train_images(data[0], seed, instruments=watch, **settings)
    return watch


def last(signs: Signs, name: str, looks: int = 3) -> float:
    """The mean of a reading over the last looks."""
    values = signs.history[name][-looks:]
    return sum(values) / len(values)


# --- the cases -----------------------------------------------------------------------------------


def _reaches(modes: int, quality: float) -> Callable[[Signs], bool]:
    """At least so many modes robustly at the last look, and such a quality."""
    return lambda s: s.history["modes"][-1] >= modes and s.history["quality"][-1] >= quality


def _at_most(modes: int) -> Callable[[Signs], bool]:
    """No more than so many modes or classes robustly at the last look."""
    return lambda s: s.history["modes"][-1] <= modes


def _d_knows(signs: Signs) -> bool:
    """D tells nearly all of both halves apart, and G's gradient is gone."""
    right = min(last(signs, "right_real"), last(signs, "right_fake"))
    return right > 0.97 and last(signs, "g_norm") < 1e-3


def _undecided(signs: Signs) -> bool:
    """D's mean is near one half on both, and no more than one mode is there."""
    near = all(0.45 < last(signs, name) < 0.55 for name in ("d_real", "d_fake"))
    return near and signs.history["modes"][-1] <= 1


BASE = {"lr": 5e-4, "betas": (0.5, 0.999)}

RING = Case(
    "ring", "hopping collapse",
    broken={"steps": 3000, "lr": (7e-4, 5e-4), "betas": (0.7, 0.999), "lr_decay": 0.2},
    changed={"r1": anneal(1, 0.01)},
    failed=_at_most(1), healed=_reaches(8, 0.75), target=synthetic.ring,
)  # fmt: skip
GRID = Case(
    "grid", "hopping collapse",
    broken={"steps": 3000, **BASE},
    changed={
        "steps": 7000, "layers": 3, "betas": (0.0, 0.999), "lr_decay": 0.3,
        "objective": "relativistic", "r1": anneal(1, 0.003, 0.6), "r2": anneal(1, 0.003, 0.6),
    },
    failed=_at_most(12), healed=_reaches(25, 0.75), target=synthetic.grid,
)  # fmt: skip
G_OVERPOWERS = Case(
    "G overpowers", "G overpowers D",
    broken={"steps": 1000, **BASE, "lr": (1e-3, 5e-6)},
    changed={"steps": 3000, "lr": (1e-3, 5e-4), "r1": anneal(1, 0.01)},
    failed=_undecided, healed=_reaches(7, 0.6), target=synthetic.ring,
)  # fmt: skip
VANISHING = Case(
    "vanishing gradients", "vanishing gradients",
    broken={"steps": 1000, **BASE, "lr": (1e-5, 2e-3), "d_steps": 5, "objective": "minimax"},
    changed={"objective": "non-saturating"},
    failed=_d_knows, healed=_reaches(7, 0.6), target=synthetic.ring, gradient=True,
)  # fmt: skip
MNIST_COLLAPSE = Case(
    "MNIST collapse", "total collapse",
    broken={"steps": 1000, "lr": 1e-3, "betas": (0.9, 0.999)},
    changed={
        "steps": 3000, "objective": "relativistic", "penalty": "r1+r2", "weight": (10, 0.1),
        "average": 0.995, "lr_decay": 0.3,
    },
    failed=_at_most(1),
    healed=lambda s: s.history["modes"][-1] >= 9 and s.history["effective"][-1] >= 7,
)  # fmt: skip
D_OVERPOWERS = Case(
    "D overpowers", "vanishing gradients",
    broken={
        "steps": 200, "hidden": (128, 256), "lr": (1e-4, 2e-3), "d_steps": 5,
        "objective": "minimax",
    },
    changed={"lr": (1e-3, 2e-3), "penalty": "r1", "weight": 10},
    failed=_d_knows, healed=lambda s: s.history["fd"][-1] <= s.history["fd"][0] / 2, gradient=True,
    after="too early to tell",  # 200 steps: on its way
)  # fmt: skip
MEMORISATION = Case(
    "memorisation", "memorisation",
    broken={
        "steps": 1500, "lr": 1e-3, "images": 10, "objective": "relativistic", "penalty": "r1+r2",
        "weight": (10, 0.1), "average": 0.995,
    },
    changed={"images": 10_000},
    failed=lambda s: s.history["nearest"][-1] < 0.5,
    healed=lambda s: s.history["nearest"][-1] > 0.8,
)  # fmt: skip

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        RING, GRID, G_OVERPOWERS, VANISHING, D_OVERPOWERS, MNIST_COLLAPSE, MEMORISATION,
    )
}  # fmt: skip


# --- how often ------------------------------------------------------------------------------------


def rates() -> dict[str, tuple[int, int]]:
    """How often each case failed when broken, and was cured: "ring: fails" -> (hits, runs).

    Measured by `python benchmarks/failures.py --write`. Where the cure is one of G's gradient, a
    third row has the runs in which the samples, too, became what the case asks for.
    """
    words = {"failure": "fails", "cure": "cured", "score": "and samples better"}
    return {
        f"{name}: {'gradient back' if what == 'cure' and CASES[name].gradient else word}": (
            row[what], row["runs"],
        )
        for name, row in _measured().items() for what, word in words.items() if what in row
    }  # fmt: skip


def confusion() -> dict[str, dict[str, int]]:
    """What runs are -> what `diagnose` called them -> how many runs; from the same measurement.

    A broken run that failed is what its case's `disease` says, a cured run that healed what `after`
    says. Runs that did neither are left out: nobody knows what they are.
    """
    table: dict[str, Counter] = {}
    for row in _measured().values():
        for truth, called in row["called"].items():
            table.setdefault(truth, Counter()).update(called)
    return {truth: dict(called.most_common()) for truth, called in table.items()}


def _measured() -> dict[str, dict]:
    stored = json.loads((DATA / "failures.json").read_text(encoding="utf-8"))
    return {name: stored[name] for name in CASES if name in stored}


# --- what is recommended against collapse ---------------------------------------------------------

# Each is laid over RING.broken: one change, untuned but for the penalties.
TREATMENTS: dict[str, dict] = {
    "plain GAN": {},
    "R1, annealed 1 to 0.01": RING.changed,
    "R1, constant 1": {"r1": 1.0},
    "relativistic + R1 + R2, annealed": {
        "objective": "relativistic", "r1": anneal(1, 0.01), "r2": anneal(1, 0.01),
    },
    "relativistic alone": {"objective": "relativistic"},
    "WGAN-GP, 5 D steps": {
        "objective": "wasserstein", "gp": 1.0, "d_steps": 5, "betas": (0.0, 0.9),
    },
    "instance noise, 1 to 0": {"instance_noise": anneal(1, 0)},
    "PacGAN, 4 points": {"pack": 4},
    "minibatch discrimination": {"minibatch": "discrimination"},
    "minibatch stddev": {"minibatch": "stddev"},
    "feature matching": {"feature_matching": True},
    "spectral norm": {"spectral": "norm"},
    "spectral projection to 2": {"spectral": 2.0},
    "one-sided smoothing, 0.9": {"real_target": 0.9},
    "TTUR, D four times faster": {"lr": (7e-4, 2.8e-3)},
    "averaged weights": {"average": 0.999},
    "dropout 0.3 in D": {"dropout": 0.3},
}  # fmt: skip


def treatments() -> dict[str, dict]:
    """How often each of TREATMENTS worked on the ring: name -> settings, seeds, modes, quality.

    One value a seed, of the last look; measured by `python benchmarks/treatments.py --write`.
    """
    stored = json.loads((DATA / "treatments.json").read_text(encoding="utf-8"))
    return {name: {"settings": TREATMENTS[name], **row} for name, row in stored.items()}


# --- the medicine cabinet of the ward -------------------------------------------------------------

# Prescription -> what it changes; a function of both rates where it scales them.
CABINET: dict[str, dict] = {
    "annealed R1": RING.changed,
    "relativistic, R1 and R2": TREATMENTS["relativistic + R1 + R2, annealed"],
    "faster D and annealed R1": {"lr": (1e-3, 5e-4), "r1": anneal(1, 0.01)},
    "slower D": {"lr": lambda g, d: (g, d / 10)},
    "lower rates": {"lr": lambda g, d: (g / 10, d / 10)},
    "non-saturating loss": {"objective": "non-saturating"},
    "more data": {"images": 10_000},
}  # fmt: skip


def prescribed(case: Case, prescription: str) -> dict:
    """The broken settings of a case with what a prescription of CABINET changes.

    On images R1 and R2 are a `penalty` that falls from 10 to 0.1, with G averaged and the rates
    falling, as in MNIST_COLLAPSE. Raises KeyError for an unknown prescription.
    """
    change = dict(CABINET[prescription])
    if callable(change.get("lr")):
        lr = case.broken["lr"]
        change["lr"] = change["lr"](*(lr if isinstance(lr, tuple) else (lr, lr)))
    if case.target is None and change.pop("r1", None) is not None:
        change["penalty"] = "r1+r2" if change.pop("r2", None) is not None else "r1"
        change |= {"weight": (10, 0.1), "average": 0.995, "lr_decay": 0.3}
    return {**case.broken, **change}
