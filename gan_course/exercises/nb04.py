"""Exercises of notebook 04, failure modes: references, checks, named mistakes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_helpers.diagnostics import NAMES, Patient, diagnose, ward
from gan_helpers.failures import RING
from gan_helpers.losses import feature_matching_loss
from gan_helpers.metrics.coverage import mode_counts
from gan_helpers.toys import ToyGAN

from .architecture import build
from .catalogue import MISTAKES
from .compare import (
    all_near,
    ask,
    ask_number,
    close,
    explain,
    name_wrong,
    need_number,
    need_parts,
    need_tensor,
    off_by,
)
from .framework import calling, describe_value, exercise, need, probe_device, wrong
from .guard import seed_torch

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
        "fm-from-d-step": "feature matching without a gradient to the fakes",
        "fm-no-square": "the distance of the means is not squared",
        "fm-pairs": "pairs of images are compared where their means were asked",
        "grad-accumulated": "the gradient holds an earlier one as well",
        "grad-exchanged": "the two losses are exchanged",
        "grad-left-behind": "an instrument leaves its gradients in .grad",
        "grad-of-d": "D's gradient where G's was asked",
        "grad-sum-of-norms": "norms of single parameters are added",
        "mbd-l2": "another distance where the sum of absolute differences was asked",
        "mbd-mean": "the mean over the batch where the sum was asked",
        "mbd-no-features": "the features themselves are not passed on",
        "mbd-no-minus": "similarity grows with the distance",
        "mbd-t-not-learned": "the projection T is no parameter",
        "quality-of-covered": "only samples on covered modes count as good",
    }
)


def _cloud(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(probe_device())


def _reject(
    got: Sequence[float], right: Sequence[float], known: list, problems: Sequence,
    what: Sequence[str], hint: str,
) -> None:  # fmt: skip
    """Reject answers to several problems that are not right: by name, or by how they differ."""
    if all_near(got, right):
        return
    name_wrong(got, known, problems)
    i = next(i for i, pair in enumerate(zip(got, right, strict=True)) if not all_near(*zip(pair)))
    wrong(f"{what[i]}: {off_by(got[i], right[i])}. {explain(got, right) or hint}")


# --- 4.1: modes and quality ----------------------------------------------------------------------


def modes_and_quality(points: Tensor, centers: Tensor, sigma: float) -> tuple[int, float]:
    """(covered modes, share of the points within 3 sigma of a mode)."""
    return _cover(points, centers, sigma)


def _cover(
    points: Tensor, centers: Tensor, sigma: float, reach: float = 3, least: float = 0.2,
    of_good: bool = False, counted_reach: float = 0, covered: bool = False,
) -> tuple[int, float]:  # fmt: skip
    """The right answer, or with other arguments a known wrong one."""
    good = mode_counts(points, centers, reach * sigma)
    counts = mode_counts(points, centers, counted_reach) if counted_reach else good
    whole = good.sum() if of_good else len(points)
    has = counts >= max(least * float(whole) / len(centers), 1)
    return int(has.sum()), float(good[has].sum() if covered else good.sum()) / len(points)


def _covering(**changed: float) -> Callable:
    return functools.partial(_cover, **changed)


_WRONG_COVER = [
    ("cover-any", _covering(least=0.0),
     "Quality is right, but a mode counts as covered as soon as one sample lies on it. Of N "
     "samples and M modes, how many are a fifth of a fair share?"),
    ("cover-far-points", _covering(counted_reach=math.inf),
     "Quality is right, but samples far from every mode still count for the nearest one, and cover "
     "it. Which samples belong to a mode?"),
    ("cover-one-sigma", _covering(reach=1),
     "Good samples are those within one sigma here. Of a perfect generator's samples in the plane "
     "39 % lie that near. How far was asked for?"),
    ("cover-share-of-good", _covering(of_good=True),
     "Quality is right, but a fair share is taken of the good samples: the fewer are good, the "
     "less a mode needs. Of which samples is it a share?"),
    ("cover-squared", lambda points, centers, s: _cover(points, centers, math.sqrt(3 * s) / 3),
     "Too many samples are good: a squared distance is compared with 3 sigma, a distance. Which "
     "root is missing?"),
    ("quality-of-covered", _covering(covered=True),
     "The number of modes is right, but quality leaves out good samples on modes that are not "
     "covered. Which samples are good?"),
]  # fmt: skip


@exercise(
    "4.1",
    "Modes covered, and quality",
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
    problems, got = [], []
    for seed, m, sigma, shares in (
        (0, 8, 0.05, (90, 60, 40, 12, 8, 7, 6, 0)),
        (1, 5, 0.2, (50, 6, 3, 1, 0)),
        (2, 10, 0.1, (70, 30, 9, 8, 5, 4, 3, 1, 0, 0)),
    ):
        angles = torch.arange(m, device=probe_device()) * 2 * math.pi / m
        centers = 4 * torch.stack([angles.cos(), angles.sin()], 1) + 1
        owner = torch.repeat_interleave(torch.tensor(shares, device=probe_device()))
        near = centers[owner] + 0.9 * sigma * _cloud(len(owner), 2, seed=seed)
        # Far points lie beyond 3 sigma, but their squared distance does not.
        far = centers[-2:].repeat(20, 1) + (3 * sigma + math.sqrt(3 * sigma)) / 2 / math.sqrt(2)
        points = torch.cat([near, far])[torch.randperm(len(near) + len(far))]
        call = f"modes_and_quality(points, centers, {sigma}) of {len(points)} points, {m} modes"
        problems.append((points, centers, sigma))
        parts = need_parts(ask(answer, call, *problems[-1]), call, "modes", "quality")
        got.append([need_number(part, call, plain=False) for part in parts])
    right = [_cover(*problem) for problem in problems]
    if all(map(all_near, got, right)):
        return
    name_wrong(got, _WRONG_COVER, problems, all_near)
    for i, what in enumerate(("The number of modes", "The quality")):
        pair = [[row[i] for row in rows] for rows in (got, right)]
        hint = "Which points are good, and for which mode does each count? Of how many is a share?"
        _reject(*pair, [], [], [f"{what} is off"] * 3, hint)


# --- 4.2: minibatch discrimination ---------------------------------------------------------------


class MinibatchDiscrimination(nn.Module):
    """Features (N, A) -> (N, A + kernels): with them, how near the rest of the batch is.

    o_b(i) = sum over j != i of exp(-|M_ib - M_jb|_1), M = features T (Salimans et al. 2016).
    """

    def __init__(self, in_features: int, kernels: int = 8, dim: int = 4):
        super().__init__()
        self.T = nn.Parameter(torch.randn(in_features, kernels, dim) / in_features**0.5)

    def forward(self, features: Tensor) -> Tensor:
        M = torch.einsum("na,akd->nkd", features, self.T)
        apart = (M[:, None] - M).abs().sum(-1)
        return torch.cat([features, torch.exp(-apart).sum(1) - 1], 1)


_WRONG_SIMILARITY = [
    ("mbd-mean", lambda d: torch.exp(-d.abs().sum(-1)).mean(1),
     "The similarities are averaged over the batch where their sum was asked for, so that one twin "
     "in a large batch hardly shows."),
    ("mbd-mean", lambda d: (torch.exp(-d.abs().sum(-1)).sum(1) - 1) / (len(d) - 1),
     "The similarities are averaged over the others where their sum was asked for."),
    ("mbd-l2", lambda d: torch.exp(-d.norm(dim=-1)).sum(1),
     "The distance is the root of the summed squares. Which one does |.| with a 1 below it mean?"),
    ("mbd-l2", lambda d: torch.exp(-d.square().sum(-1)).sum(1),
     "Squares of the differences are summed, where their absolute values were asked for."),
    ("mbd-no-minus", lambda d: torch.exp(d.abs().sum(-1)).sum(1),
     "What is near counts little and what is far counts much: the exponent has the wrong sign."),
    (None, lambda d: d.abs().sum((-1, 1)),
     "The distances themselves are added up. How does a distance become a similarity?"),
    (None, lambda d: torch.exp(-d.abs()).sum((-1, 1)),
     "The exponential is taken of each of the `dim` differences, and only then are they summed. "
     "What is summed within a kernel, and what over the batch?"),
]  # fmt: skip


@exercise(
    "4.2",
    "A layer that sees the whole batch",
    signature="class MinibatchDiscrimination(in_features, kernels=8, dim=4)",
    takes="features (N, in_features)",
    returns="(N, in_features + kernels): the features, then for each kernel b the sum over j != i "
    "of exp(-|M_ib - M_jb|_1), where M = features T has `dim` numbers a kernel and T is learned",
    accepts="T of any shape, or a linear layer; the sample itself counted (a constant 1 more)",
    mistakes="mbd-t-not-learned mbd-mean mbd-l2 mbd-no-features mbd-no-minus hardcoded-size",
    reference=MinibatchDiscrimination,
)
def check_minibatch_discrimination(make: Callable[..., nn.Module]) -> None:
    found = []
    for a, k, d, n in ((7, 3, 2, 5), (5, 2, 4, 6)):
        call = f"MinibatchDiscrimination({a}, kernels={k}, dim={d})"
        with calling(call):
            layer = make(a, kernels=k, dim=d)
        if isinstance(layer, nn.Module) and not list(layer.parameters()):
            wrong(f"""mbd-t-not-learned: `{call}` has no parameters: T is never learned, and drawn
                at every call it gives similarities of chance. What makes a tensor a parameter?""")
        layer, x = build(lambda a=a, k=k, d=d: make(a, kernels=k, dim=d), call), _cloud(n, a)
        weights = [p for p in layer.parameters() if p.numel() == a * k * d]
        if not weights and any(p.numel() == a * 32 for p in layer.parameters()):
            wrong(f"""hardcoded-size: `{call}`: T has the size of 8 kernels of 4 numbers whatever is
                asked for.""")
        need(len(weights) == 1, f"`{call}` should hold one T of {a} x {k} x {d} numbers.")
        with torch.no_grad():
            weights[0].copy_(0.3 * _cloud(*weights[0].shape, seed=1))
        with calling(f"{call}(features)"):
            out = layer(x)
        if isinstance(out, Tensor) and tuple(out.shape) == (n, k):
            wrong(f"""mbd-no-features: `{call}` returns the {k} similarities alone, so that the
                layers behind it no longer see what the sample itself looks like. What is joined to
                what?""")
        need_tensor(out, f"{call}(features) of shape ({n}, {a})", (n, a + k))
        need(close(out[:, :a], x), f"The first {a} columns should be the features themselves.")
        slope = None
        if out.requires_grad:
            (slope,) = torch.autograd.grad(out[:, a:].sum(), weights, allow_unused=True)
        if slope is None or not slope.any():
            wrong(f"""mbd-t-not-learned: No gradient gets to T of `{call}`: is something detached or
                made under `no_grad`?""")
        T = weights[0].detach()
        T = T.reshape(a, -1) if len(T) == a else T.reshape(-1, a).T
        M = (x @ T).reshape(n, k, d), (x @ T).reshape(n, d, k).transpose(1, 2)
        found.append((out[:, a:].detach(), [m[:, None] - m for m in M]))

    def fits(formula: Callable[[Tensor], Tensor]) -> bool:
        return any(all(close(o, formula(d[i])) for o, d in found) for i in (0, 1))

    def similar(d: Tensor, itself: int = 0) -> Tensor:
        return torch.exp(-d.abs().sum(-1)).sum(1) - itself

    if fits(similar) or fits(functools.partial(similar, itself=1)):
        return
    for mistake, formula, message in _WRONG_SIMILARITY:
        variants = (formula, lambda d, f=formula: f(d) - f(0 * d) / len(d))
        need(not any(map(fits, variants)), message, mistake)
    got = torch.cat([o.flatten() for o, _ in found]).tolist()
    right = [torch.cat([similar(d[i], 1).flatten() for _, d in found]).tolist() for i in (0, 1)]
    said = explain(got, right[0]) or explain(got, right[1])
    wrong(f"""Shapes are right, but the similarities are not those of the formula. {said} Compare
        two samples by hand: how far apart are they in kernel 0, and what does exp(-...) give?""")


# --- 4.3: the gradients of both losses -----------------------------------------------------------


def both_gradients(G: nn.Module, D: nn.Module, z: Tensor) -> tuple[float, float]:
    """Norm of G's gradient under the saturating and under the non-saturating loss."""
    return tuple(_norm(slopes) for slopes in _gradients(G, D, z)[:2])


def _gradients(G: nn.Module, D: nn.Module, z: Tensor) -> tuple[list[Tensor], ...]:
    """Gradients of both losses by G's parameters, then by D's."""
    logits = D(G(z))
    losses = -F.softplus(logits).mean(), F.softplus(-logits).mean()
    return tuple(
        list(torch.autograd.grad(loss, list(network.parameters()), retain_graph=True))
        for network in (G, D)
        for loss in losses
    )


def _norm(slopes: Sequence[Tensor]) -> float:
    return torch.cat([slope.flatten() for slope in slopes]).double().norm().item()


def _sum(*several: Sequence[Tensor]) -> list[Tensor]:
    return [sum(slopes) for slopes in zip(*several, strict=True)]


_LEFT = (
    "The gradient holds an earlier one too: `backward` adds to what is there. What has to be done "
    "before each, or which function leaves `.grad` alone?"
)
# A problem is (n, what stood in .grad, gradients of the two losses by G's parameters, and by D's).
_WRONG_GRADIENTS = [
    ("grad-exchanged", lambda n, old, s, t, ds, dt: (_norm(t), _norm(s)),
     "Both numbers are right, but exchanged: the saturating loss comes first."),
    ("grad-of-d", lambda n, old, s, t, ds, dt: (_norm(ds), _norm(dt)),
     "These are the norms of D's gradients. Whose parameters learn from these losses?"),
    ("grad-sum-of-norms",
     (lambda n, old, s, t, ds, dt: (sum(map(torch.norm, s)), sum(map(torch.norm, t))),
      lambda n, old, s, t, ds, dt: [sum(map(torch.norm, x)) / len(x) for x in (s, t)]),
     "The norms of single weight tensors are added or averaged. The norm of all of them as one "
     "long vector was asked for: what is summed before the root?"),
    ("grad-accumulated",
     (lambda n, old, s, t, ds, dt: (_norm(s), _norm(_sum(s, t))),
      lambda n, old, s, t, ds, dt: (_norm(_sum(old, s)), _norm(_sum(old, s, t))),
      lambda n, old, s, t, ds, dt: (_norm(_sum(old, s)), _norm(_sum(old, t)))), _LEFT),
    ("loss-sum-not-mean", lambda n, old, s, t, ds, dt: (n * _norm(s), n * _norm(t)),
     "Both are as many times too large as there are samples: the losses are summed over the "
     "batch where the mean was asked for."),
    (None, lambda n, old, s, t, ds, dt: (_norm(s[:1]), _norm(t[:1])),
     "These are the norms at the first weight tensor alone. Which parameters does G have?"),
]  # fmt: skip


@exercise(
    "4.3",
    "How strongly each loss pulls",
    signature="both_gradients(G, D, z)",
    takes="a generator, a discriminator that gives logits, noise z (N, latent_dim)",
    returns="(saturating, non_saturating), two numbers: the norm, over all parameters of G "
    "together, of the gradient of the mean of log(1 - D(G(z))) and of that of -log D(G(z))",
    accepts="any way to write the losses that is finite at logits of some hundreds; backward on "
    "copies, since what stands in .grad is to stay",
    mistakes="loss-log-sigmoid-nan grad-of-d grad-sum-of-norms grad-accumulated grad-exchanged "
    "grad-left-behind loss-sum-not-mean",
    reference=both_gradients,
)
def check_both_gradients(answer: Callable) -> None:
    problems, got, right = [], [], []
    for seed, n, scale in ((0, 6, 1.0), (1, 9, 1.0), (2, 6, 600.0)):
        seed_torch(seed)
        G = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).to(probe_device())
        D = nn.Sequential(nn.Linear(3, 7), nn.Tanh(), nn.Linear(7, 1)).to(probe_device())
        with torch.no_grad():
            D[2].weight.mul_(3 * scale)
        z, call = _cloud(n, 4, seed=seed), f"both_gradients(G, D, z) with {n} samples"
        call += " and logits of some hundreds" if scale > 1 else ""
        old = [_cloud(*p.shape, seed=3) for p in G.parameters()]
        for p, slope in zip(G.parameters(), old, strict=True):
            p.grad = slope.clone()
        before = [p.detach().clone() for p in (*G.parameters(), *D.parameters())]
        parts = need_parts(ask(answer, call, G, D, z), call, "saturating", "non_saturating")
        got.append([need_number(part, call, plain=False, finite=scale == 1) for part in parts])
        after = (*G.parameters(), *D.parameters())
        if not all(map(torch.equal, before, after)):
            wrong(f"`{call}` changes weights; it should only look.")
        stands = [torch.zeros_like(p) if p.grad is None else p.grad for p in after]
        left = not all(map(torch.equal, stands, [*old, *map(torch.zeros_like, D.parameters())]))
        problems.append((n, old, *_gradients(G, D, z)))
        right.append(both_gradients(G, D, z))
    if not all(map(all_near, got[:2], right[:2])):
        name_wrong(got[:2], _WRONG_GRADIENTS, problems[:2], all_near)
        flat = [[x for pair in pairs[:2] for x in pair] for pairs in (got, right)]
        i = next(i for i in range(4) if not all_near(flat[0][i : i + 1], flat[1][i : i + 1]))
        which = ("saturating", "non-saturating")[i % 2]
        said = explain(*flat) or "Which loss, of what, and which norm of which parameters is it?"
        wrong(f"The {which} norm: {off_by(flat[0][i], flat[1][i])}. {said}")
    if not all(map(math.isfinite, got[2])):
        wrong("""loss-log-sigmoid-nan: At ordinary logits both are right, but at logits of some
            hundreds a norm is not finite: the sigmoid has rounded to 0 or 1 before the logarithm.
            Which functions take the logit?""")
    if not all_near(got[2], right[2]):
        wrong(f"""At ordinary logits both are right, but at logits of some hundreds a norm is not:
            {got[2]} came back, {list(right[2])} was expected. What is cut off on the way?""")
    if left:
        wrong("""grad-left-behind: Both norms are right, but what stood in `.grad` of G or D has
            changed: read between `backward` and `step`, this instrument would spoil the step. Which
            function returns gradients and stores none?""")


# --- 4.4: feature matching -----------------------------------------------------------------------


def feature_matching(features: Callable, real: Tensor, fake: Tensor) -> Tensor:
    """Squared distance of the mean features of real and generated images."""
    return feature_matching_loss(features(real).detach(), features(fake))


def _paired(how: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda r, f: how((r - f) if len(r) == len(f) else (r[:, None] - f).flatten(0, 1))


_WRONG_MATCHING = [
    ("fm-pairs",
     tuple(_paired(lambda d, h=h: h(d.square())) for h in (torch.mean, lambda x: x.sum(1).mean())),
     "Real and generated images are compared in pairs, which asks G for particular images. The "
     "means of the two batches were to be compared: where does the mean belong?"),
    ("fm-no-square",
     tuple(lambda r, f, h=h: h(r.mean(0) - f.mean(0))
           for h in (torch.norm, lambda d: d.abs().sum(), lambda d: d.abs().mean())),
     "The means are compared, but their distance is not squared."),
]  # fmt: skip


@exercise(
    "4.4",
    "Feature matching",
    signature="feature_matching(features, real, fake)",
    takes="features: images -> (N, d), a network or function; real and generated images, perhaps "
    "not as many of each",
    returns="a scalar tensor: the squared distance between the mean of features(real) and the mean "
    "of features(fake), through which a gradient gets to `fake`",
    accepts="the mean over the d features in place of the sum; real features with or without graph",
    mistakes="fm-from-d-step fm-pairs fm-no-square",
    reference=feature_matching,
)
def check_feature_matching(answer: Callable) -> None:
    rows = []
    for seed, n, m, d in ((0, 6, 6, 5), (1, 4, 4, 3), (2, 5, 8, 4)):
        seed_torch(seed)
        features = nn.Sequential(nn.Flatten(), nn.Linear(12, d), nn.Tanh()).to(probe_device())
        real, fake = _cloud(n, 3, 2, 2, seed=seed), 1 + _cloud(m, 3, 2, 2, seed=9).abs()
        call = f"feature_matching(features, real, fake) with {n} real and {m} generated images"
        fake.requires_grad_()
        value, slope = ask(answer, call, features, real, fake), None
        need_tensor(value, call, ())
        if value.requires_grad:
            (slope,) = torch.autograd.grad(value, fake, allow_unused=True)
        if slope is None or not slope.any():
            wrong(f"""fm-from-d-step: From `{call}` no gradient gets to the generated images, so
                that G cannot learn from it. Are their features detached, made under `no_grad`, or
                those of D's step?""")
        wanted = feature_matching(features, real, fake)
        (right_slope,) = torch.autograd.grad(wanted, fake, retain_graph=True)
        rows.append(
            (value.item(), wanted.item(), slope, right_slope, (features(real), features(fake)))
        )
    got, right, slopes, right_slopes, problems = zip(*rows, strict=True)
    factors = [1.0 if all_near(got, right) else 1 / r.shape[1] for r, _ in problems]
    if not all_near(got, [a * b for a, b in zip(factors, right, strict=True)]):
        hint = "What is averaged, over the batch or over the features, and what is squared?"
        _reject(got, right, _WRONG_MATCHING, problems, ["The value is off"] * 3, hint)
    if not all(close(a, f * b) for a, b, f in zip(slopes, right_slopes, factors, strict=True)):
        wrong("The value is right, but its gradient is not: is something on its way detached?")


# --- 4.5: a detector -----------------------------------------------------------------------------


def distance_ratio(samples: Tensor, real: Tensor) -> float:
    """Mean distance of two different samples, over that of two different real images."""
    return (_between(samples).mean() / _between(real).mean()).item()


def _between(x: Tensor) -> Tensor:
    """The distances of all pairs of different rows."""
    return torch.pdist(x.flatten(1).double())


def _table(x: Tensor, y: Tensor) -> Tensor:
    return torch.cdist(x.flatten(1).double(), y.flatten(1).double())


_WRONG_DISTANCES = [
    ("dist-diagonal",
     (lambda s, r: _table(s, s).mean() / _table(r, r).mean(),
      lambda s, r: _table(s, s).mean() / _between(r).mean()),
     "The distance of each sample to itself, 0, is counted too, and with fewer samples it weighs "
     "more. How many pairs of *different* samples are there?"),
    ("dist-squared", lambda s, r: _between(s).square().mean() / _between(r).square().mean(),
     "Squared distances are averaged: samples half as far apart as real ones would score 1/4."),
    ("dist-mixed", (lambda s, r: _table(s, r).mean() / _between(r).mean(),
                    lambda s, r: _table(s, r).mean()),
     "The samples are compared with the real images. A collapsed G may be near them or far. With "
     "what are samples to be compared to see whether they are alike?"),
    ("dist-inverted", lambda s, r: _between(r).mean() / _between(s).mean(),
     "The ratio is upside down: it grows when the samples become alike."),
    ("dist-no-reference",
     (lambda s, r: _between(s).mean(), lambda s, r: _table(s, s).mean()),
     "This is the samples' own distance. Whether it is small depends on the data: as a threshold "
     "it means one thing for points in the plane and another for images. What is it compared to?"),
    ("dist-mean-over-std",
     (lambda s, r: _between(s).mean() / _between(s).std(),
      lambda s, r: _table(s, s).mean() / _table(s, s).std(),
      lambda s, r: _between(s).mean() / _between(s).std(correction=0)),
     "This is mean over standard deviation of the samples' own distances. Samples shrunk to a "
     "hundredth of their distances have the same score, so that it cannot see a collapse. What "
     "were the distances to be compared with?"),
]  # fmt: skip


@exercise(
    "4.5",
    "Are the samples alike?",
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
        (0.3 * _cloud(5, 1, 4, 4), _cloud(9, 1, 4, 4, seed=1).abs()),
        (2.0 * _cloud(8, 3, 2, 2, seed=2), 0.7 * _cloud(6, 3, 2, 2, seed=3)),
        (_cloud(7, 2, seed=4), 3 + 5 * _cloud(4, 2, seed=5)),
    ]
    calls = [f"distance_ratio(samples, real) of {len(s)} and {len(r)}" for s, r in problems]
    got = [ask_number(answer, c, *p) for c, p in zip(calls, problems, strict=True)]
    right = [distance_ratio(*problem) for problem in problems]
    hint = "Take three samples by hand: which distances are there, and what is divided by what?"
    _reject(got, right, _WRONG_DISTANCES, problems, [f"`{call}`" for call in calls], hint)


# --- 4.6: the ward -------------------------------------------------------------------------------

BEDS = (1, 2, 3, 4)  # the patients of the notebook; others may be named too


def charts() -> dict[int, tuple[str, str]]:
    """Each patient's disease and a prescription for it."""
    beds = [patient for patient in ward() if patient.number in BEDS]
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
    "The ward",
    signature="charts()",
    takes="nothing; the patients are those of gh.diagnostics.ward()",
    returns="a dict: the number of each patient from 1 to 4 -> (disease, prescription), one of "
    "gh.diagnostics.NAMES and one from the notebook's cabinet",
    accepts="lists in place of tuples; further patients of the ward",
    mistakes="accuracy-threshold d-loss-zero-goal",
    reference=charts,
)
def check_charts(answer: Callable) -> None:
    given = _returned_dict(answer, "charts()")
    patients = [p for p in ward() if p.number in BEDS or p.number in given]
    for n, patient in ((p.number, p) for p in patients):
        need(n in given, f"`charts()` has nothing on patient {n}; its keys are {list(given)}.")
        disease, prescription = need_parts(given[n], f"charts()[{n}]", "disease", "prescription")
        truth, seen = _key(patient, "disease"), " ".join(diagnose(patient.signs).evidence)
        if disease not in NAMES:
            wrong(f"Patient {n}: {disease!r} is none of the names {', '.join(NAMES)}.")
        if disease == "healthy" and truth[0] in _NOT_HEALTHY:
            wrong(_NOT_HEALTHY[truth[0]].format(n, seen))
        if disease not in truth:
            wrong(f"Patient {n}: {disease!r} does not fit what the instruments read. {seen}")
        if prescription not in (_key(patient, "cabinet") or [prescription]):
            wrong(f"""The disease of patient {n} is named, but {prescription!r} does not treat it.
                What made this run sick, and what acts on that?""")


# --- 4.8: a break of one's own -------------------------------------------------------------------

HEALTHY = {name: value for name, value in RING.cured.items() if name != "steps"}
SEEDS, STEPS, LOOKS = range(1000, 1010), 1000, 3
FIXED = ("target", "seeds", "hidden", "layers", "latent_dim")


def my_break() -> dict[str, Any]:
    """No penalty, a hasty G, a slow D, small batches."""
    return {"r1": 0.0, "lr": (2e-3, 1e-4), "batch_size": 8}


@functools.lru_cache(maxsize=16)
def _collapses(settings: tuple) -> tuple[list[bool], list[bool]]:
    """Which of the ten runs ended alike, and which had learned before; always in full length."""
    gan = ToyGAN(RING.target(), seeds=SEEDS, **{**HEALTHY, **dict(settings)}).train(STEPS)
    alike = gan.history["diversity"][-LOOKS:].mean(0) < 0.5
    return alike.tolist(), (gan.history["quality"].amax(0) > 0.1).tolist()


@exercise(
    "4.8",
    "A break of your own",
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
    fixed = [name for name in given if name in FIXED]
    need(not fixed, f"The setting {', '.join(fixed)} has to stay: data, seeds and networks are the "
         "same for all. What else can be changed?")  # fmt: skip
    changed = {k: v for k, v in given.items() if k not in HEALTHY or v != HEALTHY[k]}
    if not changed:
        wrong("break-nothing: No setting differs from the healthy run's, so it stays healthy.")
    said = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    settings = tuple(
        sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in changed.items())
    )
    with calling(f"ToyGAN(ring, {said}).train({STEPS})"):
        alike, learned = _collapses(settings)
    collapsed = sum(a and b for a, b in zip(alike, learned, strict=True))
    if not (collapsed >= 8 or sum(alike) < 8):
        wrong(f"""break-not-learned: With {said}, {sum(alike)} of 10 runs end with samples that are
            alike, but {10 - sum(learned)} of the 10 never had a tenth of their samples on a mode:
            they have not collapsed, they have not learned. Which change lets G learn first?""")
    if not (collapsed >= 8):
        wrong(f"""With {said}, {collapsed} of 10 runs collapse; at least 8 were asked for. What kept
            the healthy run healthy, and which player should be the faster one?""")
