"""Checks of notebook 04, failure modes: what samples and instruments say, the ward, the break.

What the players learn from (4.2 to 4.4) stands in `nb04_losses`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_helpers.toys import ToyGAN

from ..diagnosis import NAMES, diagnose
from ..failures import RING
from ..ward import Patient, patients
from .catalogue import MISTAKES
from .compare import (
    all_near,
    ask,
    ask_number,
    name_wrong,
    need_number,
    need_parts,
    off_by,
    reject,
)
from .framework import calling, describe_value, exercise, need, probe_device, wrong
from .probes import cloud

MISTAKES.update(
    {
        "accuracy-threshold": "an accuracy of one half is taken for equilibrium",
        "break-not-learned": "the GAN has never learned, so it cannot have collapsed",
        "break-nothing": "no setting is changed",
        "cover-any": "one sample is enough to cover a mode",
        "cover-far-points": "samples far from every mode count for the nearest one",
        "cover-one-sigma": "within one sigma where three were asked",
        "cover-share-of-good": "the fair share is one of the good samples, not of all",
        "cover-squared": "squared distances are compared with a distance",
        "d-loss-zero-goal": "a D that makes no mistakes is taken for success",
        "dist-diagonal": "the distance of a sample to itself is counted",
        "dist-inverted": "the ratio is upside down",
        "dist-mean-over-std": "mean over standard deviation of the samples' own distances",
        "dist-mixed": "samples are compared with real images, not with each other",
        "dist-no-reference": "the distance is not compared with that of real images",
        "dist-squared": "squared distances where distances were asked",
        "quality-of-covered": "only samples on covered modes count as good",
    }
)


def _reject_values(
    got: Sequence[float], right: Sequence[float], known: list, problems: Sequence,
    what: Sequence[str], hint: str,
) -> None:  # fmt: skip
    """Reject wrong numbers; what: how the message begins, by problem; hint: if nothing fits."""

    def say(i: int, told: str) -> str:
        return f"{what[i]}: {off_by(got[i], right[i])}. {told or hint}"

    reject(got, right, problems, known, say)


# --- 4.1: modes and quality ----------------------------------------------------------------------


def modes_and_quality(points: Tensor, centers: Tensor, sigma: float) -> tuple[int, float]:
    """(covered modes, share of the points within 3 sigma of a mode)."""
    return _cover(points, centers, sigma)


@dataclass
class _Cloud:
    """What an answer to 4.1 is made of; a known wrong one makes one of the parts otherwise."""

    points: Tensor
    centers: Tensor
    sigma: float

    def __post_init__(self) -> None:
        self.table = torch.cdist(self.points, self.centers)
        self.near, self.which = self.table.min(1)
        self.reach, self.n, self.m = 3 * self.sigma, len(self.points), len(self.centers)
        self.good = self.near <= self.reach

    def hold(self, kept: Tensor) -> Tensor:
        return torch.bincount(self.which[kept], minlength=self.m)


def _cover(
    points: Tensor, centers: Tensor, sigma: float,
    good: Callable = lambda c: c.good, counts: Callable = lambda c: c.hold(c.good),
    needed: Callable = lambda c: 0.2 * c.n / c.m, quality: Callable | None = None,
) -> tuple[int, float]:  # fmt: skip
    """The right answer, or with other parts a known wrong one."""
    cloud = _Cloud(points, centers, sigma)
    cloud.good = good(cloud)
    held = counts(cloud)
    covered = held >= needed(cloud)
    share = quality(cloud, covered) if quality else cloud.good.double().mean()
    return int(covered.sum()), float(share)


def _covering(**changed: Callable) -> Callable:
    return functools.partial(_cover, **changed)


_WRONG_COVER = [
    ("cover-any", _covering(needed=lambda c: 1),
     "Quality is right, but a mode counts as covered as soon as one sample lies on it. Of N "
     "samples and M modes, how many are a fifth of a fair share?"),
    ("cover-far-points", _covering(counts=lambda c: c.hold(c.near >= 0)),
     "Quality is right, but samples far from every mode still count for the nearest one, and cover "
     "it. Which samples belong to a mode?"),
    ("cover-one-sigma", _covering(good=lambda c: c.near <= c.sigma),
     "Good samples are those within one sigma here. Of a perfect generator's samples in the plane "
     "39 % lie that near. How far was asked for?"),
    ("cover-share-of-good", _covering(needed=lambda c: 0.2 * float(c.good.sum()) / c.m),
     "Quality is right, but a fair share is taken of the good samples: the fewer are good, the "
     "less a mode needs. Of which samples is it a share?"),
    ("cover-squared", _covering(good=lambda c: c.near**2 <= c.reach),
     "Too many samples are good: a squared distance is compared with 3 sigma, a distance. Which "
     "root is missing?"),
    ("quality-of-covered", _covering(quality=lambda c, on: c.good[on[c.which]].sum() / c.n),
     "The number of modes is right, but quality leaves out good samples on modes that are not "
     "covered. Which samples are good?"),
    (None, _covering(counts=lambda c: (c.table <= c.reach).sum(0)),
     "Quality is right, but a sample within reach of two centres counts for both. To which of them "
     "does it belong?"),
    (None, _covering(needed=lambda c: 0.2 * c.n / c.m + 1e-4),
     "Right but for a mode that holds exactly 0.2 N / M good samples. *At least* so many are asked "
     "for."),
    (None, _covering(needed=lambda c: 0.2 * c.n // c.m),
     "Quality is right, but 0.2 N / M is rounded down. Which division keeps the fraction?"),
    (None, _covering(needed=lambda c: c.n / 40, counts=lambda c: c.hold(c.good)[:8]),
     "Quality is right, and the number of modes where there are 8 centres: is 8 written as a "
     "number?"),
    (None, _covering(needed=lambda c: 0.2 * c.n / max(1 + int(c.which[c.good].max()), 1)),
     "Quality is right, but M is taken for the number of the last centre that has a sample. A mode "
     "without any counts among the M too; what makes `bincount` know of it?"),
    (None, _covering(good=lambda c: (c.points - c.centers[c.which]).abs().amax(1) <= c.reach),
     "Each coordinate by itself is compared with 3 sigma: that is a square around the centre. "
     "Which points lie within 3 sigma of it?"),
    (None, _covering(quality=lambda c, on: (c.table <= c.reach).double().mean()),
     "The number of modes is right, but quality is the share of all pairs of a sample and a centre "
     "that are near. Of what is it to be the share?"),
]  # fmt: skip


@exercise(
    "4.1",
    "Two numbers for a cloud",
    signature="modes_and_quality(points, centers, sigma)",
    takes="points (N, 2), the modes' centers (M, 2), their standard deviation sigma",
    returns="(modes, quality): the number of modes that hold at least 0.2 N / M good points, and "
    "the share of all points that is good: within 3 sigma of the nearest centre, whose mode the "
    "point belongs to",
    accepts="numbers or tensors of one number; loops",
    mistakes="cover-any cover-far-points cover-one-sigma cover-share-of-good cover-squared "
    "quality-of-covered",
    reference=modes_and_quality,
)
def check_modes_and_quality(answer: Callable) -> None:
    # 30 points between two centres, 2 (0.2 N / M of them) near a third, 7 in a corner of the last.
    centers = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 9.0], [9.0, 9.0]], device=probe_device())
    owner = torch.tensor([0] * 30 + [2] * 2 + [3] * 8, device=probe_device())
    aside = torch.tensor([[0.9, 0.0]] * 30 + [[0.1, 0.2]] * 3 + [[1.0, 1.0]] * 7).to(owner.device)
    last, problems, got = (centers[owner] + aside, centers, 0.4), [], []
    for seed, m, sigma, shares in (
        (0, 8, 0.05, (90, 60, 40, 12, 8, 7, 6, 0)),
        (1, 5, 0.2, (50, 6, 4, 1, 0)),
        (2, 10, 0.1, (70, 30, 9, 8, 5, 4, 3, 1, 0, 0)),
    ):
        angles = torch.arange(m, device=probe_device()) * 2 * math.pi / m
        centers = 4 * torch.stack([angles.cos(), angles.sin()], 1) + 1
        owner = torch.repeat_interleave(torch.tensor(shares, device=probe_device()))
        near = centers[owner] + 0.9 * sigma * cloud(len(owner), 2, seed=seed)
        # Far points lie beyond 3 sigma, but their squared distance does not.
        far = centers[-2:].repeat(20, 1) + (3 * sigma + math.sqrt(3 * sigma)) / 2 / math.sqrt(2)
        points = torch.cat([near, far])[torch.randperm(len(near) + len(far))]
        problems.append((points, centers, sigma))
    problems.append(last)
    for points, centers, sigma in problems:
        sizes = f"{len(points)} points, {len(centers)} modes"
        call = f"modes_and_quality(points, centers, {sigma}) of {sizes}"
        parts = need_parts(ask(answer, call, points, centers, sigma), call, "modes", "quality")
        got.append([need_number(part, call, plain=False) for part in parts])
    right = [_cover(*problem) for problem in problems]
    if all(map(all_near, got, right)):
        return
    name_wrong(got, _WRONG_COVER, problems, all_near)
    for i, what in enumerate(("The number of modes", "The quality")):
        pair = [[row[i] for row in rows] for rows in (got, right)]
        hint = "Which points are good, and for which mode does each count? Of how many is a share?"
        _reject_values(*pair, [], [], [f"{what} is off"] * 4, hint)


# --- 4.5: a detector -----------------------------------------------------------------------------


def distance_ratio(samples: Tensor, real: Tensor) -> float:
    """Mean distance of two different samples, over that of two different real images."""
    return (_between(samples).mean() / _between(real).mean()).item()


def _between(x: Tensor) -> Tensor:
    """The distances of all pairs of different rows."""
    return torch.pdist(x.flatten(1).double())


def _table(x: Tensor, y: Tensor) -> Tensor:
    return torch.cdist(x.flatten(1).double(), y.flatten(1).double())


def _ratio(spread: Callable[[Tensor], Tensor]) -> Callable:
    return lambda s, r: spread(s.double()) / spread(r.double())


def _own(spread: Callable[[Tensor], Tensor]) -> Callable:
    return lambda s, r: spread(s.double())


_WRONG_DISTANCES = [
    ("dist-diagonal", (_ratio(lambda x: _table(x, x).mean()),
                       lambda s, r: _table(s, s).mean() / _between(r).mean()),
     "The distance of each sample to itself, 0, is counted too, and with fewer samples it weighs "
     "more. How many pairs of *different* samples are there?"),
    ("dist-squared", _ratio(lambda x: _between(x).square().mean()),
     "Squared distances are averaged: samples half as far apart as real ones would score 1/4."),
    ("dist-mixed", (lambda s, r: _table(s, r).mean() / _between(r).mean(),
                    lambda s, r: _table(s, r).mean()),
     "The samples are compared with the real images. A collapsed G may be near them or far. With "
     "what are samples to be compared to see whether they are alike?"),
    ("dist-inverted", lambda s, r: _between(r).mean() / _between(s).mean(),
     "The ratio is upside down: it grows when the samples become alike."),
    ("dist-no-reference", (_own(lambda x: _between(x).mean()), _own(lambda x: _table(x, x).mean())),
     "This is the samples' own distance. Whether it is small depends on the data: as a threshold "
     "it means one thing for points in the plane and another for images. What is it compared to?"),
    ("dist-mean-over-std",
     (_own(lambda x: _between(x).mean() / _between(x).std()),
      _own(lambda x: _table(x, x).mean() / _table(x, x).std()),
      _own(lambda x: _between(x).mean() / _between(x).std(correction=0))),
     "This is mean over standard deviation of the samples' own distances. Samples shrunk to a "
     "hundredth of their distances have the same score, so that it cannot see a collapse. What "
     "were the distances to be compared with?"),
    (None, _ratio(lambda x: _between(x)[_between(x) > 0].mean()),
     "Pairs at distance 0 are left out, and with them two samples that are equal, which is what a "
     "collapsed G draws. Only the distance of a sample to *itself* is to be left out."),
    (None, _ratio(lambda x: _between(x).sum()),
     "Two sums are compared, or both are divided by the same number, so that more samples alone "
     "make a larger ratio. How many pairs has each of the two sets?"),
    (None, _ratio(lambda x: (x[1:] - x[:-1]).flatten(1).norm(dim=1).mean()),
     "Each sample is compared only with the next in the list. *All* pairs are meant: in another "
     "order the result would be another."),
    (None, _ratio(lambda x: torch.pdist(x.flatten(1), p=1).mean()),
     "Absolute differences are added up (p=1). The Euclidean distance was asked for."),
    (None, _ratio(lambda x: (x - x.mean(0)).flatten(1).norm(dim=1).mean()),
     "Each sample is compared with the mean image here. What was asked is the distance between two "
     "samples."),
    (None, _ratio(lambda x: x.std(0).mean()),
     "This compares the standard deviations of single pixels. What was asked is a distance between "
     "two whole samples."),
    (None, (_ratio(lambda x: torch.cdist(x, x).mean()), _ratio(lambda x: torch.cdist(x, x).sum())),
     "`cdist` takes the last two axes for a set of points: here it compares rows of pixels within "
     "an image. Each image is to be one point: which shape has such a table?"),
]  # fmt: skip


@exercise(
    "4.5",
    "How far apart?",
    signature="distance_ratio(samples, real)",
    takes="samples (N, ...) and real images (M, ...), N and M at least 2",
    returns="a number: the mean Euclidean distance of two different samples, over that of two "
    "different real images",
    accepts="a number or a tensor of one; loops, cdist or pdist; each pair once or twice",
    mistakes="dist-diagonal dist-squared dist-mixed dist-inverted dist-no-reference "
    "dist-mean-over-std",
    reference=distance_ratio,
)
def check_distance_ratio(answer: Callable) -> None:
    problems = [
        (0.3 * cloud(5, 1, 4, 4), cloud(9, 1, 4, 4, seed=1).abs()),
        (2.0 * cloud(8, 3, 2, 2, seed=2), 0.7 * cloud(6, 3, 2, 2, seed=3)),
        (cloud(7, 2, seed=4), 3 + 5 * cloud(4, 2, seed=5)),
        (cloud(4, 1, 3, 3, seed=6).repeat(2, 1, 1, 1), cloud(5, 1, 3, 3, seed=7)),
    ]
    calls = [f"distance_ratio(samples, real) of {len(s)} and {len(r)}" for s, r in problems]
    calls[-1] += " images, with each sample twice"
    got = [ask_number(answer, c, *p) for c, p in zip(calls, problems, strict=True)]
    right = [distance_ratio(*problem) for problem in problems]
    hint = "Take three samples by hand: which distances are there, and what is divided by what?"
    _reject_values(got, right, _WRONG_DISTANCES, problems, [f"`{call}`" for call in calls], hint)
    samples, real = cloud(1, 1, 4, 4).repeat(6, 1, 1, 1), problems[0][1]
    collapsed = ask_number(
        answer, "distance_ratio(samples, real), all samples alike", samples, real
    )
    if not abs(collapsed) < 0.01:
        wrong(f"""Right as long as samples differ. Where all of them are one image, {collapsed:.3g}
            came back, and 0 was expected: which distances are left out?""")


# --- 4.6: the ward -------------------------------------------------------------------------------

BEDS = (1, 2, 3, 4)  # the patients of the notebook; others may be named too


def charts() -> dict[int, tuple[str, str]]:
    """Each patient's disease and a prescription for it."""
    beds = [patient for patient in patients() if patient.number in BEDS]
    return {p.number: (_key(p, "disease")[0], _key(p, "cabinet")[0]) for p in beds}


def _key(patient: Patient, what: str) -> list[str]:
    """What counts as right: one name or several; empty if anything does."""
    found = patient.reveal().get(what, [])
    return [found] if isinstance(found, str) else found


def _returned_dict(answer: Callable, call: str) -> dict:
    with calling(call):
        given = answer()
    need(isinstance(given, dict), f"`{call}` should return a dict; {describe_value(given)} came.")
    return given


_NOT_HEALTHY = {
    "G overpowers D": """accuracy-threshold: Patient {} is not healthy, though D(x) and D(G(z)) lie
        near one half: they do so too for a D that has learned nothing. {}""",
    "D overpowers G": """d-loss-zero-goal: Patient {} is not healthy, though D makes hardly a
        mistake: its loss near 0 is no aim, for what can G still learn from such a D? {}""",
}
_NOT_HEALTHY["vanishing gradients"] = _NOT_HEALTHY["D overpowers G"]


@exercise(
    "4.6",
    "Diagnose and prescribe",
    signature="charts()",
    takes="nothing; the patients are those of course.ward.patients()",
    returns="a dict: the number of each patient from 1 to 4 -> (disease, prescription), one of "
    "course.diagnosis.NAMES and one from the notebook's cabinet",
    accepts="lists in place of tuples; further patients of the ward",
    mistakes="accuracy-threshold d-loss-zero-goal",
    reference=charts,
)
def check_charts(answer: Callable) -> None:
    given = _returned_dict(answer, "charts()")
    asked = [p for p in patients() if p.number in BEDS or p.number in given]
    for n in BEDS:
        need(n in given, f"`charts()` has nothing on patient {n}; its keys are {list(given)}.")
    for n, patient in ((p.number, p) for p in asked):
        disease, prescription = need_parts(given[n], f"charts()[{n}]", "disease", "prescription")
        if not isinstance(disease, str):
            wrong(f"""Patient {n}: the disease should be one of the names {", ".join(NAMES)};
                {describe_value(disease)} came.""")
        truth, seen = _key(patient, "disease"), " ".join(diagnose(patient.signs).evidence)
        if disease not in NAMES:
            wrong(f"Patient {n}: {disease!r} is none of the names {', '.join(NAMES)}.")
        if disease == "healthy" and truth[0] in _NOT_HEALTHY:
            wrong(_NOT_HEALTHY[truth[0]].format(n, seen))
        if disease not in truth:
            wrong(f"Patient {n}: {disease!r} does not fit what the instruments read. {seen}")
        cures = _key(patient, "cabinet")
        if cures and not isinstance(prescription, str):
            wrong(f"""The disease of patient {n} is named. The prescription should be a name from
                the cabinet; {describe_value(prescription)} came.""")
        if cures and prescription not in cures:
            wrong(f"""The disease of patient {n} is named, but {prescription!r} does not treat it.
                What made this run sick, and what acts on that?""")


# --- 4.8: a break of one's own -------------------------------------------------------------------

HEALTHY = {name: value for name, value in RING.cured.items() if name != "steps"}
SEEDS, STEPS, LOOKS = range(1000, 1010), 1000, 3
FIXED = ("target", "seeds", "hidden", "layers", "latent_dim")


def my_break() -> dict[str, Any]:
    """No penalty, a hasty G, a slow D, small batches."""
    return {"r1": 0.0, "lr": (2e-3, 1e-4), "batch_size": 8}


def _plain(value: Any) -> Any:
    """A setting as numbers and tuples, whatever held them; what is neither stays as it is."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        value = value.tolist()
    return tuple(map(_plain, value)) if type(value) in (list, tuple) else value


def _can_be_a_key(value: Any) -> bool:
    """False for a dict, say, by which no run could be remembered."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


@functools.lru_cache(maxsize=16)
def _collapses(settings: tuple) -> tuple[list[bool], list[bool]]:
    """Which of the ten runs ended alike, and which had learned before; always in full length."""
    gan = ToyGAN(RING.target(), seeds=SEEDS, **{**HEALTHY, **dict(settings)}).train(STEPS)
    alike = gan.history["diversity"][-LOOKS:].mean(0) < 0.5
    return alike.tolist(), (gan.history["quality"].amax(0) > 0.1).tolist()


@exercise(
    "4.8",
    "Break it",
    signature="my_break()",
    takes="nothing",
    returns="a dict of ToyGAN's settings that differ from the healthy run's; with it at least 8 of "
    "10 runs of 1,000 steps end with samples less than half as far apart as the data, after more "
    "than a tenth of their samples had lain on a mode",
    accepts=f"any settings but {', '.join(FIXED)}",
    mistakes="break-nothing break-not-learned",
    reference=my_break,
    uses_optimizers=True,
    seconds=240.0,
)
def check_my_break(answer: Callable) -> None:
    given = _returned_dict(answer, "my_break()")
    strange = [key for key in given if not isinstance(key, str)]
    if strange:
        wrong(f"""The keys of `my_break()` should be the names of ToyGAN's settings, but one of them
            is {describe_value(strange[0])}.""")
    given = {name: _plain(value) for name, value in given.items()}
    odd = [name for name, value in given.items() if not _can_be_a_key(value)]
    if odd:
        wrong(f"""The setting {odd[0]} of `my_break()` is {describe_value(given[odd[0]])}. A setting
            of ToyGAN is a number, a name or a few of them in a row.""")
    fixed = [name for name in given if name in FIXED]
    need(not fixed, f"The setting {', '.join(fixed)} has to stay: data, seeds and networks are the "
         "same for all. What else can be changed?")  # fmt: skip
    changed = {k: v for k, v in given.items() if k not in HEALTHY or v != HEALTHY[k]}
    if not changed:
        wrong("break-nothing: No setting differs from the healthy run's, so it stays healthy.")
    said = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    settings = tuple(sorted(changed.items()))
    with calling(f"ToyGAN(ring, {said}).train({STEPS})"):
        alike, learned = _collapses(settings)
    collapsed = sum(a and b for a, b in zip(alike, learned, strict=True))
    if collapsed < 8 <= sum(alike):
        wrong(f"""break-not-learned: With {said}, {sum(alike)} of 10 runs end with samples that are
            alike, but {10 - sum(learned)} of the 10 never had a tenth of their samples on a mode:
            they have not collapsed, they have not learned. Which change lets G learn first?""")
    if collapsed < 8:
        wrong(f"""With {said}, {collapsed} of 10 runs collapse; at least 8 were asked for. What kept
            the healthy run healthy, and which player should be the faster one?""")
