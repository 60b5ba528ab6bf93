"""Checks of notebook 04: what the players learn from (4.2 to 4.4)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_helpers.losses import feature_matching_loss, minimax_g_loss, non_saturating_g_loss

from .architecture import build
from .catalogue import MISTAKES
from .compare import (
    all_near,
    ask,
    close,
    explain,
    first_off,
    need_number,
    need_parts,
    need_tensor,
    off_by,
    reject,
)
from .framework import calling, exercise, need, probe_device, wrong
from .guard import seed_torch
from .loops import need_ready
from .probes import cloud

MISTAKES.update(
    {
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
    }
)

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


def _read_T(weights: list[Tensor], a: int, k: int, d: int) -> list[Tensor]:
    """T as (a, k, d), however it is stored; twice, where it can be read in two ways."""
    T = (torch.stack(weights) if len(weights) > 1 else weights[0]).detach()
    if sorted(T.shape) == sorted((a, k, d)):
        return [T.permute([list(T.shape).index(n) for n in (a, k, d)])] * 2
    T = T.reshape(a, -1) if len(T) == a else T.reshape(-1, a).T
    return [T.reshape(a, k, d), T.reshape(a, d, k).transpose(1, 2)]


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
    (None, lambda d: torch.exp(-d.abs().mean(-1)).sum(1),
     "The absolute differences within a kernel are averaged, where |.| with a 1 below it is their "
     "sum."),
    (None, lambda d: torch.exp(-d.abs().sum(-1)).sum(1) - len(d),
     "As much is taken off as there are samples. Of the N similarities in a sum, how many are "
     "those of the sample with itself?"),
    (None, lambda d: torch.exp(-d.abs().sum((-1, -2))).sum(1, keepdim=True).expand(-1, d.shape[2]),
     "All kernels go into one distance, so that every kernel gives the same number. Each has a "
     "distance of its own: over which axes is the sum taken?"),
    (None, lambda d: d.abs().sum((-1, 1)),
     "The distances themselves are added up. How does a distance become a similarity?"),
    (None, lambda d: torch.exp(-d.abs()).sum((-1, 1)),
     "The exponential is taken of each of the `dim` differences, and only then are they summed. "
     "What is summed within a kernel, and what over the batch?"),
    (None, lambda d: (torch.exp(-d.abs().sum(-1)) * d.abs().sum(-1).gt(1e-6)).sum(1),
     "Whatever lies at distance 0 is left out, and so are a sample's exact copies, which are the "
     "most company of all. Which one of the N is the sample itself?"),
]  # fmt: skip


@exercise(
    "4.2",
    "How much company has a sample?",
    signature="class MinibatchDiscrimination(in_features, kernels=8, dim=4)",
    takes="features (N, in_features)",
    returns="(N, in_features + kernels): the features, then for each kernel b the sum over j != i "
    "of exp(-|M_ib - M_jb|_1), where M = features T has `dim` numbers a kernel and T is learned",
    accepts="T of any shape, or linear layers; the sample itself counted (a constant 1 more)",
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
            wrong(f"""mbd-t-not-learned: `{call}` has no parameters, so that T is never learned.
                What makes a tensor a parameter?""")
        layer, x = build(functools.partial(make, a), call, kernels=k, dim=d), cloud(n, a)
        x[-1] = x[0]  # a copy is company, and no less than a sample itself
        with calling(f"{call}(features)"):
            layer(x)  # lazy layers get their size
        alike = [[p for p in layer.parameters() if p.shape == q.shape] for q in layer.parameters()]
        weights = next((w for w in alike if sum(p.numel() for p in w) == a * k * d), [])
        if not weights and any(p.numel() == a * 32 for p in layer.parameters()):
            wrong(f"""hardcoded-size: `{call}`: T has the size of 8 kernels of 4 numbers whatever is
                asked for.""")
        need(weights, f"`{call}` should hold one T of {a} x {k} x {d} numbers.")
        if all((p == weights[0].flatten()[0]).all() for p in weights):
            wrong(f"""mbd-t-not-learned: In `{call}` all numbers of T start as
                {weights[0].flatten()[0].item():g}. At 0 all distances are 0 and have no slope, and
                numbers that start alike learn alike: T needs a random start.""")
        with torch.no_grad():
            for i, weight in enumerate(weights):
                weight.copy_(0.3 * cloud(*weight.shape, seed=1 + i))
        with calling(f"{call}(features)"):
            out = layer(x)
        if isinstance(out, Tensor) and tuple(out.shape) == (n, k):
            wrong(f"""mbd-no-features: `{call}` returns the {k} similarities alone, so that the
                layers behind it no longer see what the sample itself looks like. What is joined to
                what?""")
        need_tensor(out, f"{call}(features) of shape ({n}, {a})", (n, a + k))
        need(close(out[:, :a], x), f"The first {a} columns should be the features themselves.")
        slopes = [None]
        if out.requires_grad:
            slopes = torch.autograd.grad(out[:, a:].sum(), weights, allow_unused=True)
        if not all(slope is not None and slope.any() for slope in slopes):
            wrong(f"""mbd-t-not-learned: No gradient gets to T of `{call}`: is something detached or
                made under `no_grad`?""")
        M = [torch.einsum("na,akd->nkd", x, T) for T in _read_T(weights, a, k, d)]
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
    losses = minimax_g_loss(logits), non_saturating_g_loss(logits)
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


@dataclass
class _Slopes:
    """What an answer to 4.3 is made of: gradients of both losses, as lists of tensors."""

    n: int  # samples
    old: list[Tensor]  # what stood in .grad of G's parameters
    sat: list[Tensor]  # of the saturating loss, by G's parameters
    non: list[Tensor]  # of the non-saturating one
    d_sat: list[Tensor]  # the same by D's parameters
    d_non: list[Tensor]


_WRONG_GRADIENTS = [
    ("grad-exchanged", lambda c: (_norm(c.non), _norm(c.sat)),
     "Both numbers are right, but exchanged: the saturating loss comes first."),
    ("grad-of-d", lambda c: (_norm(c.d_sat), _norm(c.d_non)),
     "These are the norms of D's gradients. Whose parameters learn from these losses?"),
    ("grad-sum-of-norms",
     (lambda c: [sum(map(torch.norm, slopes)) for slopes in (c.sat, c.non)],
      lambda c: [sum(map(torch.norm, slopes)) / len(slopes) for slopes in (c.sat, c.non)]),
     "The norms of single weight tensors are added or averaged. The norm of all of them as one "
     "long vector was asked for: what is summed before the root?"),
    ("grad-accumulated",
     (lambda c: (_norm(c.sat), _norm(_sum(c.sat, c.non))),
      lambda c: (_norm(_sum(c.old, c.sat)), _norm(_sum(c.old, c.sat, c.non))),
      lambda c: (_norm(_sum(c.old, c.sat)), _norm(_sum(c.old, c.non)))), _LEFT),
    ("loss-sum-not-mean", lambda c: (c.n * _norm(c.sat), c.n * _norm(c.non)),
     "Both are as many times too large as there are samples: the losses are summed over the "
     "batch where the mean was asked for."),
    (None, tuple(lambda c, i=i, j=j: (_norm(c.sat[i:j]), _norm(c.non[i:j]))
                 for i in range(4) for j in range(i + 1, 5)),
     "These are the norms at some of G's parameter tensors alone. Which parameters does G have?"),
    (None, (lambda c: (_norm(c.sat), _norm(c.sat)), lambda c: (_norm(c.non), _norm(c.non))),
     "One of the two is right, and stands in both places. In which sign, and of which logit, do "
     "the two losses differ?"),
]  # fmt: skip


_TWICE = (
    (r"backward through the graph a second time", None,
     "the first gradient has freed the graph that it went through. Is the second loss computed "
     "anew, or is the graph kept?"),
)  # fmt: skip


@exercise(
    "4.3",
    "Both gradients",
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
        z, call = cloud(n, 4, seed=seed), f"both_gradients(G, D, z) with {n} samples"
        call += " and logits of some hundreds" if scale > 1 else ""
        old = [cloud(*p.shape, seed=3) for p in G.parameters()]
        for p, slope in zip(G.parameters(), old, strict=True):
            p.grad = slope.clone()
        before = [p.detach().clone() for p in (*G.parameters(), *D.parameters())]
        came = ask(answer, call, G, D, z, hints=_TWICE)
        parts = need_parts(came, call, "saturating", "non_saturating")
        got.append([need_number(part, call, plain=False, finite=scale == 1) for part in parts])
        after = (*G.parameters(), *D.parameters())
        if not all(map(torch.equal, before, after)):
            wrong(f"`{call}` changes weights; it should only look.")
        need_ready({"G": G, "D": D}, call)
        stands = [torch.zeros_like(p) if p.grad is None else p.grad for p in after]
        left = not all(map(torch.equal, stands, [*old, *map(torch.zeros_like, D.parameters())]))
        problems.append((_Slopes(n, old, *_gradients(G, D, z)),))
        right.append(both_gradients(G, D, z))

    def say(i: int, told: str) -> str:
        which = first_off(got[i], right[i])
        name = ("saturating", "non-saturating")[which]
        hint = "Which loss, of what, and which norm of which parameters is it?"
        return f"The {name} norm: {off_by(got[i][which], right[i][which])}. {told or hint}"

    reject(got[:2], right[:2], problems[:2], _WRONG_GRADIENTS, say, same=all_near)
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
    return lambda r, f, *_: how((r - f) if len(r) == len(f) else (r[:, None] - f).flatten(0, 1))


_WRONG_MATCHING = [
    ("fm-pairs",
     tuple(_paired(lambda d, h=h: h(d.square())) for h in (torch.mean, lambda x: x.sum(1).mean())),
     "Real and generated images are compared in pairs, which asks G for particular images. The "
     "means of the two batches were to be compared: where does the mean belong?"),
    ("fm-no-square",
     tuple(lambda r, f, *_, h=h: h(r.mean(0) - f.mean(0))
           for h in (torch.norm, lambda d: d.abs().sum(), lambda d: d.abs().mean())),
     "The means are compared, but their distance is not squared."),
    (None, lambda r, f, *of_means: (of_means[0] - of_means[1]).square().sum(),
     "These are the features of a mean image. The mean is to be taken of the features: which of "
     "the two comes first?"),
]  # fmt: skip


_TWO_SIZES = (
    (r"must match the size of tensor", None,
     "here the two batches differ in size, so that no image has a partner. What is to be compared, "
     "images or the means of two batches?"),
)  # fmt: skip


@exercise(
    "4.4",
    "Match the features",
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
        real, fake = cloud(n, 3, 2, 2, seed=seed), 1 + cloud(m, 3, 2, 2, seed=9).abs()
        call = f"feature_matching(features, real, fake) with {n} real and {m} generated images"
        fake.requires_grad_()
        value, slope = ask(answer, call, features, real, fake, hints=_TWO_SIZES), None
        need_tensor(value, call, ())
        if value.requires_grad:
            (slope,) = torch.autograd.grad(value, fake, allow_unused=True)
        if slope is None or not slope.any():
            wrong(f"""fm-from-d-step: From `{call}` no gradient gets to the generated images, so
                that G cannot learn from it. Are their features detached, made under `no_grad`, or
                those of D's step?""")
        wanted = feature_matching(features, real, fake)
        (right_slope,) = torch.autograd.grad(wanted, fake, retain_graph=True)
        of_means = [features(images.mean(0, keepdim=True)) for images in (real, fake)]
        problem = (features(real), features(fake), *of_means)
        rows.append((value.item(), wanted.item(), slope, right_slope, problem))
    got, right, slopes, right_slopes, problems = zip(*rows, strict=True)
    factors = [1.0 if all_near(got, right) else 1 / r.shape[1] for r, *_ in problems]
    if not all_near(got, [a * b for a, b in zip(factors, right, strict=True)]):
        hint = "What is averaged, over the batch or over the features, and what is squared?"

        def say(i: int, told: str) -> str:
            return f"The value is off: {off_by(got[i], right[i])}. {told or hint}"

        reject(got, right, problems, _WRONG_MATCHING, say)
    if not all(close(a, f * b) for a, b, f in zip(slopes, right_slopes, factors, strict=True)):
        wrong("The value is right, but its gradient is not: is something on its way detached?")
