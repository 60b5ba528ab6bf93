"""Answers to the exercises of notebook 04: see test_answers.py for the three tables."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from gan_course.exercises.nb04 import charts, my_break
from gan_course.exercises.nb04_losses import MinibatchDiscrimination
from gan_helpers.toys import anneal, coverage

CORRECT: dict[str, dict] = {}
MUTANTS: dict[str, dict] = {}
UNFORESEEN: dict[str, dict] = {}
BLANKS: dict[str, dict] = {}

# --- 4.1 -----------------------------------------------------------------------------------------


def covered(reach=lambda d, sigma: d <= 3 * sigma, least=None, keep=True, quality=None):
    """A factory of modes_and_quality with one part exchanged."""

    def modes_and_quality(points, centers, sigma):
        distance, nearest = torch.cdist(points, centers).min(dim=1)
        good = reach(distance, sigma)
        counts = torch.bincount(nearest[good] if keep else nearest, minlength=len(centers))
        needed = least(good) if least else 0.2 * len(points) / len(centers)
        share = quality(good, nearest, counts >= needed) if quality else good.float().mean()
        return (counts >= needed).sum(), share

    return modes_and_quality


def by_loops(points, centers, sigma):
    counts = [0] * len(centers)
    for point in points.tolist():
        far = [math.dist(point, center) for center in centers.tolist()]
        if min(far) <= 3 * sigma:
            counts[far.index(min(far))] += 1
    fair = len(points) / len(centers)
    return sum(c >= fair / 5 for c in counts), sum(counts) / len(points)


def by_package(points, centers, sigma):
    return coverage(points, SimpleNamespace(centers=centers, sigma=sigma))


def by_numpy(points, centers, sigma):
    squares = ((points[:, None] - centers) ** 2).sum(-1).numpy()
    good = squares.min(1) <= (3 * sigma) ** 2
    counts = np.bincount(squares.argmin(1)[good], minlength=len(centers))
    return int((counts >= len(points) / len(centers) / 5).sum()), good.mean()


CORRECT["4.1"] = {
    "bincount": covered(),
    "loops": by_loops,
    "the package": by_package,
    "numpy": by_numpy,
}
MUTANTS["4.1"] = {
    "one point is enough": (covered(least=lambda good: 1), "cover-any"),
    "far points count": (covered(keep=False), "cover-far-points"),
    "one sigma": (covered(lambda d, s: d <= s), "cover-one-sigma"),
    "squared": (covered(lambda d, s: d**2 <= 3 * s), "cover-squared"),
    "quality of covered": (
        covered(quality=lambda good, at, has: (good & has[at]).float().mean()),
        "quality-of-covered",
    ),
}


def of_good(points, centers, sigma):
    distance, nearest = torch.cdist(points, centers).min(dim=1)
    good = distance <= 3 * sigma
    counts = torch.bincount(nearest[good], minlength=len(centers))
    return int((counts >= 0.2 * good.sum() / len(centers)).sum()), good.float().mean().item()


def exchanged(points, centers, sigma):
    return covered()(points, centers, sigma)[::-1]


MUTANTS["4.1"]["share of the good"] = (of_good, "cover-share-of-good")
UNFORESEEN["4.1"] = {
    "exchanged": (exchanged, "The number of modes is off"),
    "bad share": (covered(quality=lambda good, at, has: 1 - good.float().mean()), "1 minus"),
    "half a share": (
        lambda p, c, s: covered(least=lambda good: 0.5 * len(p) / len(c))(p, c, s),
        "The number of modes is off",
    ),
    "only modes": (lambda p, c, s: covered()(p, c, s)[0], "2 things"),
    "percent": (lambda p, c, s: (covered()(p, c, s)[0], 100 * covered()(p, c, s)[1]), "100 times"),
}

# --- 4.2 -----------------------------------------------------------------------------------------


def layer(similar=lambda d: torch.exp(-d.abs().sum(-1)).sum(1), join=True, size=None, learn=True):
    """A factory of layers with one part exchanged; T is a matrix here."""

    class MinibatchDiscrimination(nn.Module):
        def __init__(self, in_features, kernels=8, dim=4):
            super().__init__()
            self.shape = size or (kernels, dim)
            T = torch.randn(in_features, math.prod(self.shape))
            self.T = nn.Parameter(T) if learn else T

        def forward(self, x):
            M = (x @ self.T).view(len(x), *self.shape)
            found = similar(M[:, None] - M[None])
            return torch.cat([x, found], dim=1) if join else found

    return MinibatchDiscrimination


class LinearLayer(nn.Module):
    """T as a linear layer, dim before kernels, the others one by one."""

    def __init__(self, in_features, kernels=8, dim=4):
        super().__init__()
        self.project = nn.Linear(in_features, dim * kernels, bias=False)
        self.kernels = kernels

    def forward(self, x):
        M = self.project(x).unflatten(1, (-1, self.kernels))
        rows = []
        for i in range(len(x)):
            others = torch.cat([M[:i], M[i + 1 :]])
            rows.append(torch.exp(-(others - M[i]).abs().sum(1)).sum(0))
        return torch.cat([x, torch.stack(rows)], dim=1)


class PairwiseLayer(MinibatchDiscrimination):
    def forward(self, features):
        M = torch.tensordot(features, self.T, 1)
        apart = torch.stack([torch.cdist(m, m, p=1) for m in M.unbind(1)], -1)
        return torch.hstack([features, (-apart).exp().sum(0)])


class DrawnLayer(nn.Module):
    def __init__(self, in_features, kernels=8, dim=4):
        super().__init__()
        self.sizes = in_features, kernels, dim

    def forward(self, x):
        M = torch.einsum("na,akd->nkd", x, torch.randn(self.sizes))
        return torch.cat([x, torch.exp(-(M[:, None] - M).abs().sum(-1)).sum(1)], 1)


class DetachedLayer(MinibatchDiscrimination):
    def forward(self, features):
        with torch.no_grad():
            return super().forward(features)


class BackwardsLayer(MinibatchDiscrimination):
    def forward(self, features):
        n = features.shape[1]
        return super().forward(features).roll(-n, 1)


CORRECT["4.2"] = {
    "a matrix, itself counted": layer(),
    "linear, a loop": LinearLayer,
    "cdist": PairwiseLayer,
}
MUTANTS["4.2"] = {
    "T a plain tensor": (layer(learn=False), "mbd-t-not-learned"),
    "T drawn at each call": (DrawnLayer, "mbd-t-not-learned"),
    "mean": (layer(lambda d: torch.exp(-d.abs().sum(-1)).mean(1)), "mbd-mean"),
    "Euclidean": (
        layer(lambda d: torch.exp(-(d.square().sum(-1) + 1e-12).sqrt()).sum(1)),
        "mbd-l2",
    ),
    "squares": (layer(lambda d: torch.exp(-d.square().sum(-1)).sum(1)), "mbd-l2"),
    "differences detached": (
        layer(lambda d: torch.exp(-d.detach().abs().sum(-1)).sum(1)),
        "mbd-t-not-learned",
    ),
    "similarities alone": (layer(join=False), "mbd-no-features"),
    "no minus": (layer(lambda d: torch.exp(d.abs().sum(-1)).sum(1)), "mbd-no-minus"),
    "sizes written in": (layer(size=(8, 4)), "hardcoded-size"),
}
UNFORESEEN["4.2"] = {
    "distances": (layer(lambda d: d.abs().sum(-1).sum(1)), "become a similarity"),
    "exponential first": (layer(lambda d: torch.exp(-d.abs()).sum((-1, 1))), "only then"),
    "kernels first": (BackwardsLayer, "first 7 columns"),
    "a square root of it": (layer(lambda d: torch.exp(-d.abs().sum(-1)).sum(1).sqrt()), "by hand"),
    "half": (layer(lambda d: (torch.exp(-d.abs().sum(-1)).sum(1) - 1) / 2), "half as large"),
    "max": (layer(lambda d: torch.exp(-d.abs().amax(-1)).sum(1)), "by hand"),
    "copies left out": (
        layer(lambda d: torch.exp(-d.abs().sum(-1)).where(d.abs().sum(-1) > 0, 0).sum(1)),
        "so are a sample's exact copies",
    ),
}

# --- 4.3 -----------------------------------------------------------------------------------------


def losses_of(logits):
    return -F.softplus(logits).mean(), F.softplus(-logits).mean()


def by_cat(G, D, z):
    norms = []
    for loss in losses_of(D(G(z))):
        slopes = torch.autograd.grad(loss, list(G.parameters()), retain_graph=True)
        norms.append(torch.cat([s.flatten() for s in slopes]).norm().item())
    return norms


def backwards(losses=losses_of, clear=True, norm=None, network=lambda G, D: G):
    """A factory of both_gradients by backward, with one part exchanged."""

    def both_gradients(G, D, z):
        found = []
        for i in range(2):
            if clear:
                G.zero_grad()
                D.zero_grad()
            losses(D(G(z)))[i].backward()
            slopes = [p.grad for p in network(G, D).parameters()]
            total = norm(slopes) if norm else sum(s.square().sum() for s in slopes) ** 0.5
            found.append(float(total))
        return tuple(found)

    return both_gradients


def on_copies(G, D, z):
    return backwards()(copy.deepcopy(G), copy.deepcopy(D), z)


def put_back(G, D, z):
    parameters = [*G.parameters(), *D.parameters()]
    before = [None if p.grad is None else p.grad.clone() for p in parameters]
    found = backwards()(G, D, z)
    for p, slope in zip(parameters, before, strict=True):
        p.grad = slope
    return found


def by_bce(G, D, z):
    G, D = copy.deepcopy(G), copy.deepcopy(D)
    bce = nn.BCEWithLogitsLoss()
    found = []
    for target, sign in ((0.0, -1), (1.0, 1)):
        logits = D(G(z))
        G.zero_grad(set_to_none=True)
        (sign * bce(logits, torch.full_like(logits, target))).backward()
        found.append(nn.utils.clip_grad_norm_(G.parameters(), float("inf")))
    return tuple(found)


def by_logsigmoid(G, D, z):
    logits = D(G(z)).flatten()
    found = {}
    for name, loss in (("s", F.logsigmoid(-logits).mean()), ("n", -F.logsigmoid(logits).mean())):
        slopes = torch.autograd.grad(loss, tuple(G.parameters()), retain_graph=True)
        found[name] = torch.stack([s.norm() for s in slopes]).norm()
    return found["s"].item(), found["n"].item()


def by_hand(logits):
    p = torch.sigmoid(logits)
    return torch.log(1 - p).mean(), -torch.log(p).mean()


def guarded(logits):
    p = torch.sigmoid(logits).clamp(1e-6, 1 - 1e-6)
    return torch.log(1 - p).mean(), -torch.log(p).mean()


def stepping(G, D, z):
    found = backwards()(G, D, z)
    torch.optim.SGD(G.parameters(), lr=0.1).step()
    return found


CORRECT["4.3"] = {
    "one long vector, a list": by_cat,
    "backward on copies": on_copies,
    "backward, put back": put_back,
    "cross-entropy, clip_grad_norm_": by_bce,
    "logsigmoid, norm of norms": by_logsigmoid,
}
MUTANTS["4.3"] = {
    "logarithms by hand": (backwards(by_hand), "loss-log-sigmoid-nan"),
    "D's": (backwards(network=lambda G, D: D), "grad-of-d"),
    "sum of norms": (backwards(norm=lambda s: sum(x.norm() for x in s)), "grad-sum-of-norms"),
    "mean of norms": (
        backwards(norm=lambda s: torch.stack([x.norm() for x in s]).mean()),
        "grad-sum-of-norms",
    ),
    "never cleared": (backwards(clear=False), "grad-accumulated"),
    "backward": (backwards(), "grad-left-behind"),
    "exchanged": (lambda G, D, z: by_cat(G, D, z)[::-1], "grad-exchanged"),
    "summed": (
        backwards(lambda x: (-F.softplus(x).sum(), F.softplus(-x).sum())),
        "loss-sum-not-mean",
    ),
}
UNFORESEEN["4.3"] = {
    "first layer": (backwards(norm=lambda s: s[0].norm()), "some of G's parameter tensors"),
    "squared": (backwards(norm=lambda s: sum(x.square().sum() for x in s)), "square of what"),
    "guarded": (backwards(guarded), "At ordinary logits both are right"),
    "largest": (backwards(norm=lambda s: max(x.abs().max() for x in s)), "too low"),
    "a step": (stepping, "changes weights"),
    "one": (lambda G, D, z: by_cat(G, D, z)[0], "2 things"),
    "halved": (lambda G, D, z: [x / 2 for x in by_cat(G, D, z)], "half as large"),
}

# --- 4.4 -----------------------------------------------------------------------------------------


def matching(compare):
    """A factory: what compares the features of both batches."""
    return lambda features, real, fake: compare(features(real), features(fake))


def with_mse(features, real, fake):
    with torch.no_grad():
        target = features(real).mean(0)
    return F.mse_loss(features(fake).mean(0), target)


def by_norm(features, real, fake):
    gap = features(fake).mean(dim=0) - features(real).mean(dim=0).detach()
    return torch.linalg.vector_norm(gap) ** 2


def by_dot(features, real, fake):
    gap = sum(features(fake)) / len(fake) - sum(features(real)) / len(real)
    return gap @ gap


CORRECT["4.4"] = {"mse of means": with_mse, "a norm": by_norm, "a dot product": by_dot}
MUTANTS["4.4"] = {
    "detached": (
        matching(lambda r, f: (r.mean(0) - f.detach().mean(0)).square().sum()),
        "fm-from-d-step",
    ),
    "no root, no square": (matching(lambda r, f: (r.mean(0) - f.mean(0)).norm()), "fm-no-square"),
    "absolute": (matching(lambda r, f: (r.mean(0) - f.mean(0)).abs().mean()), "fm-no-square"),
    "pairs": (
        matching(
            lambda r, f: (
                (r[:, None] - f).square().sum(-1).mean()
                if len(r) != len(f)
                else (r - f).square().sum(1).mean()
            )
        ),
        "fm-pairs",
    ),
    "under no_grad": (
        lambda features, real, fake: torch.no_grad()(by_norm)(features, real, fake),
        "fm-from-d-step",
    ),
}
UNFORESEEN["4.4"] = {
    "half": (matching(lambda r, f: (r.mean(0) - f.mean(0)).square().sum() / 2), "half as large"),
    "one mean for all": (matching(lambda r, f: (r.mean() - f.mean()) ** 2), "The value is off"),
    "pixels": (lambda features, r, f: (r.mean(0) - f.mean(0)).square().sum(), "The value is off"),
    "batches of one size": (matching(lambda r, f: (r - f).mean(0).square().sum()), "stopped"),
    "one for each": (matching(lambda r, f: (r.mean(0) - f.mean(0)) ** 2), "() was expected"),
    "deviations": (matching(lambda r, f: (r.std(0) - f.std(0)).square().sum()), "The value is off"),
}

# --- 4.5 -----------------------------------------------------------------------------------------


def table(x, y=None):
    y = x if y is None else y
    return torch.cdist(x.flatten(1), y.flatten(1))


def apart(x):
    n = len(x)
    return table(x).sum() / (n * (n - 1))


def ratio_by_loops(samples, real):
    means = []
    for images in (samples, real):
        rows = images.flatten(1)
        found = [(a - b).norm() for i, a in enumerate(rows) for b in rows[:i]]
        means.append(sum(found) / len(found))
    return means[0] / means[1]


def ratio_by_mask(samples, real):
    means = [table(x)[~torch.eye(len(x), dtype=torch.bool)].mean().item() for x in (samples, real)]
    return means[0] / means[1]


CORRECT["4.5"] = {
    "tables": lambda samples, real: (apart(samples) / apart(real)).item(),
    "loops": ratio_by_loops,
    "a mask": ratio_by_mask,
}
MUTANTS["4.5"] = {
    "with the diagonal": (lambda s, r: table(s).mean() / table(r).mean(), "dist-diagonal"),
    "squared": (lambda s, r: torch.pdist(s.flatten(1)).square().mean()
                / torch.pdist(r.flatten(1)).square().mean(), "dist-squared"),
    "samples against real": (lambda s, r: table(s, r).mean() / apart(r), "dist-mixed"),
    "upside down": (lambda s, r: apart(r) / apart(s), "dist-inverted"),
    "a threshold's distance": (lambda s, r: apart(s), "dist-no-reference"),
    "diversity score": (lambda s, r: table(s).mean() / table(s).std(), "dist-mean-over-std"),
    "diversity score of pairs": (
        lambda s, r: torch.pdist(s.flatten(1)).mean() / torch.pdist(s.flatten(1)).std(),
        "dist-mean-over-std",
    ),
}  # fmt: skip
UNFORESEEN["4.5"] = {
    "pixels": (lambda s, r: s.std(0).mean() / r.std(0).mean(), "deviations of single pixels"),
    "one sum": (lambda s, r: table(s).sum() / table(r).sum(), "Two sums"),
    "true or false": (lambda s, r: bool(apart(s) < apart(r) / 2), "one number"),
    "each sample's": (lambda s, r: table(s).sum(1) / (len(s) - 1) / apart(r), "What turns"),
    "a difference": (lambda s, r: 1 - apart(s) / apart(r), "1 minus"),
}

# --- 4.6 -----------------------------------------------------------------------------------------


def charted(**changes):
    """A factory of charts: right but for the patients who have one of these diseases.

    changes: the disease, with _ for blanks -> what to write into the chart instead.
    """

    def made():
        found = {}
        for number, (disease, prescription) in charts().items():
            found[number] = changes.get(disease.replace(" ", "_"), (disease, prescription))
        return found

    return made


def first(change):
    """A factory of charts: right but for patient 1."""
    return lambda: {**charts(), 1: change(*charts()[1])}


CORRECT["4.6"] = {
    "four": charted(),
    "as lists": lambda: {n: list(chart) for n, chart in charts().items()},
    "the other way round": lambda: dict(reversed(charts().items())),
}
MUTANTS["4.6"] = {
    "half right is healthy": (charted(G_overpowers_D=("healthy", "-")), "accuracy-threshold"),
    "never wrong is healthy": (
        charted(vanishing_gradients=("healthy", "-"), D_overpowers_G=("healthy", "-")),
        "d-loss-zero-goal",
    ),
}
UNFORESEEN["4.6"] = {
    "another disease": (first(lambda d, p: ("memorisation", p)), "does not fit"),
    "no disease": (first(lambda d, p: ("measles", p)), "none of the names"),
    "no treatment": (first(lambda d, p: (d, "more data")), "does not treat it"),
    "one patient": (lambda: {1: charts()[1]}, "nothing on patient 2"),
    "diseases alone": (lambda: {n: (d,) for n, (d, _) in charts().items()}, "2 things"),
    "words as keys": (lambda: {str(n): c for n, c in charts().items()}, "its keys are"),
}

# --- 4.8 -----------------------------------------------------------------------------------------

CORRECT["4.8"] = {
    "a list": lambda: {"batch_size": 8, "r1": 0, "lr": [2e-3, 1e-4]},
    "a critic without a bound": lambda: {"objective": "wasserstein", "r1": 0.0, "batch_size": 8},
    "with settings that stay": lambda: {"betas": (0.5, 0.999), **my_break()},
}
MUTANTS["4.8"] = {
    "nothing": (lambda: {"r1": anneal(1, 0.01)}, "break-nothing"),
    "what is there": (lambda: {"lr": (7e-4, 5e-4), "lr_decay": 0.2}, "break-nothing"),
    "a G that stands still": (lambda: {"lr": (1e-9, 5e-4), "batch_size": 8}, "break-not-learned"),
}
UNFORESEEN["4.8"] = {
    "still healthy": (lambda: {"batch_size": 16}, "of 10 runs collapse; at least 8"),
    "other data": (lambda: {"target": None}, "has to stay"),
    "a smaller network": (lambda: {"r1": 0.0, "hidden": 8}, "has to stay"),
    "no such setting": (lambda: {"learning_rate": 1e-3}, "learning_rate"),
    "a number": (lambda: 0.001, "a dict"),
}


class Undecided:
    """What neither compares nor says in one word whether it is true."""

    def __eq__(self, other):
        return np.array([True, False])

    __hash__ = object.__hash__


UNFORESEEN["4.6"] |= {
    "an array as disease": (first(lambda d, p: (np.array([d, d]), p)), "the disease should be one"),
    "no name at all": (first(lambda d, p: (Undecided(), p)), "an Undecided came"),
    "several prescriptions": (
        first(lambda d, p: (d, np.array([p, p]))),
        "The prescription should be a name from the cabinet",
    ),
}
CORRECT["4.8"] |= {
    "arrays": lambda: {"batch_size": np.int64(8), "r1": 0, "lr": np.array([2e-3, 1e-4])},
    "tensors": lambda: {"batch_size": 8, "r1": torch.tensor(0.0), "lr": torch.tensor([2e-3, 1e-4])},
}
MUTANTS["4.8"]["what is there, as lists"] = (
    lambda: {"lr": [7e-4, 5e-4], "betas": np.array([0.7, 0.999])},
    "break-nothing",
)
UNFORESEEN["4.8"] |= {
    "keys of two kinds": (lambda: {"batch_size": 8, 1: 0.0}, "one of them is an int"),
    "lists in a list": (lambda: {"lr": [[2e-3], [1e-4]]}, "lr=((0.002,), (0.0001,))"),
    "a dict for both players": (
        lambda: {"lr": {"G": 2e-3, "D": 1e-4}},
        "The setting lr of `my_break()` is a dict of 2",
    ),
}


class BlankLayer(nn.Module):
    def __init__(self, in_features, kernels=8, dim=4):
        super().__init__()
        raise NotImplementedError("Exercise 4.2: write this part")


BLANKS["4.2"] = {"an empty class": BlankLayer}
