"""Exercises of notebook 01, the theory: references, checks, named mistakes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_helpers.losses import (
    OBJECTIVES,
    cross_entropy_d_loss,
    minimax_g_loss,
    non_saturating_g_loss,
)
from gan_helpers.toys import gaussian_density, js_divergence, kl_divergence, optimal_discriminator

from .catalogue import MISTAKES
from .compare import (
    Known,
    ask,
    close,
    explain,
    name_wrong,
    need_number,
    need_tensor,
    off_by,
    solve,
    times,
)
from .framework import describe_value, exercise, need, wrong

MISTAKES.update(
    {
        "loss-d-sign": "D's loss has the sign of V, so that minimising it makes D worse",
        "loss-saturating-sign": "log(1 - D(G(z))) is maximised where it should be minimised",
        "loss-not-saturating": "the non-saturating loss where the saturating one was asked",
        "loss-pair-exchanged": "the two generator losses are exchanged",
        "dstar-inverted": "p_g where p_data belongs: the probability of 'generated'",
        "dstar-odds": "the ratio p_data / p_g, which is odds and not a probability",
        "dstar-logit": "the logit log(p_data / p_g) where the probability was asked",
        "dstar-hard": "a yes or no where a probability was asked",
        "dstar-nan": "0/0 where neither density has mass",
        "jsd-kl": "a Kullback-Leibler divergence where the Jensen-Shannon one was asked",
        "jsd-jeffreys": "the two KL divergences of p and q, with no mixture between them",
        "jsd-no-half": "the two KL divergences to the mixture are added, not averaged",
        "jsd-middle": "the mixture is p + q, without the half",
        "jsd-reversed": "the divergences of the mixture from p and q, not of p and q from it",
        "jsd-no-dx": "the sum over the grid is not multiplied by its spacing",
        "jsd-bits": "logarithms to base 2 where nats were asked",
        "jsd-distance": "the square root of the divergence",
        "jsd-nan": "0 log 0 is not finite where a density vanishes",
    }
)

# --- 1.1: the losses -----------------------------------------------------------------------------

_NAMES = ("d_loss", "g_loss_saturating", "g_loss_non_saturating")
_REAL = [1.2, -0.7, 0.4, 2.1, -1.6, 0.1]
_FAKE = [-0.9, 1.5, -2.2, 0.3, 0.8, -0.2]
_SIZES = (6, 1, 4, 9, 2, 5, 7, 3, 1)  # of the batches, the first of which is _REAL and _FAKE
_LARGE = [200.0, -200.0, 90.0, -90.0, 40.0, -40.0]
# What a wrong loss computes: (mistake, formula, how the message goes on after "`name`: ").
# fmt: off
_D_WRONGS: list[Known] = [
    ("step-swapped-labels", lambda r, f: F.softplus(r).mean() + F.softplus(-f).mean(),
     "both terms are there, but it is small when D takes real data for generated and generated "
     "data for real. Which of the two is target 1?"),
    ("loss-half-sum", lambda r, f: (F.softplus(-r).mean() + F.softplus(f).mean()) / 2,
     "both terms are right, but the result is half of what was asked: this course uses their sum, "
     "which is 2 log 2 at equilibrium."),
    ("step-only-real", lambda r, f: F.softplus(-r).mean(),
     "the real term is right and the fake term is missing, so that D may call everything real."),
    ("step-only-fake", lambda r, f: F.softplus(f).mean(),
     "the fake term is right and the real term is missing, so that D may call everything fake."),
    ("loss-d-sign", lambda r, f: -F.softplus(-r).mean() - F.softplus(f).mean(),
     "this is V itself, which D makes as large as it can. A loss is made small: one sign stands "
     "between the two."),
]
# fmt: on
# fmt: off
_SATURATING_WRONGS: list[Known] = [
    ("loss-saturating-sign", lambda f: F.softplus(f).mean(),
     "this falls when D recognises the generated data, so that minimising it makes G worse. G "
     "minimises log(1 - D(G(z))) as it stands; is there one minus too many?"),
    ("loss-not-saturating", lambda f: F.softplus(-f).mean(),
     "this is the non-saturating loss. The saturating one is the term of V that G has a hand in, "
     "taken as it stands."),
]
# fmt: on
# fmt: off
_NON_SATURATING_WRONGS: list[Known] = [
    ("loss-nonsaturating-sign", lambda f: -F.softplus(-f).mean(),
     "log D(G(z)) is to be made large, and a loss is made small. As it stands, G gets worse with "
     "every step."),
    ("loss-saturating", lambda f: -F.softplus(f).mean(),
     "this is the saturating loss, whose slope vanishes when D is sure. The other one asks how "
     "surprised D would be to hear that the generated data are real."),
    ("step-g-targets-fake", lambda f: F.softplus(f).mean(),
     "it is small when D recognises the generated data. Toward which target should G push D's "
     "verdict?"),
]
# fmt: on


@exercise(
    "1.1",
    "The three losses, from logits",
    signature="d_loss, g_loss_saturating, g_loss_non_saturating",
    takes="a tuple of functions: d_loss(real_logits, fake_logits), the others (fake_logits); "
    "logits are float tensors of one shape, (N,) or (N, 1)",
    returns="scalar tensors: means over the batch; D's loss is the sum of its two terms; values "
    "and slopes are right at any logit",
    accepts="functions, lambdas, modules; a scalar of shape () or (1,)",
    mistakes="step-swapped-labels loss-half-sum loss-sum-not-mean step-only-real "
    "step-only-fake loss-d-sign loss-double-sigmoid loss-no-sigmoid "
    "loss-integer-targets loss-log-sigmoid-nan loss-sigmoid-flat "
    "loss-saturating-sign loss-not-saturating loss-nonsaturating-sign "
    "loss-saturating loss-pair-exchanged step-g-targets-fake",
    reference=(cross_entropy_d_loss, minimax_g_loss, non_saturating_g_loss),
)
def check_losses(answer: Sequence[Callable]) -> None:
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        wrong(
            f"Three functions are expected, in the order {', '.join(_NAMES)}, but "
            f"{describe_value(answer)} came."
        )
    for name, loss in zip(_NAMES, answer, strict=True):
        need(
            callable(loss),
            f"Three functions are expected, but in the place of `{name}` came "
            f"{describe_value(loss)}. Was it called where only its name was needed?",
        )
    d_loss, saturating, non_saturating = answer
    real, fake = _batches(_REAL, seed=1), _batches(_FAKE, seed=2)
    _assess_loss(
        "d_loss", d_loss, cross_entropy_d_loss, _D_WRONGS, list(zip(real, fake, strict=True))
    )
    fakes = [(batch,) for batch in fake]
    as_saturating = [_value(non_saturating, _NAMES[2], part) for part in fakes]
    as_other = [_value(saturating, _NAMES[1], part) for part in fakes]
    need(
        not (
            _same(as_saturating, [minimax_g_loss(*part) for part in fakes])
            and _same(as_other, [non_saturating_g_loss(*part) for part in fakes])
        ),
        "`d_loss` is right, and so are both generator losses, but under each other's names: the "
        "saturating one is the one whose slope by logit is -D(G(z)).",
        "loss-pair-exchanged",
    )
    _assess_loss(_NAMES[1], saturating, minimax_g_loss, _SATURATING_WRONGS, fakes)
    _assess_loss(_NAMES[2], non_saturating, non_saturating_g_loss, _NON_SATURATING_WRONGS, fakes)


_SIZE_HINTS = (
    (
        r"must match the size of tensor|is invalid for input of size|shape mismatch",
        None,
        "two shapes do not fit. The batch may have any size: is one written as a number?",
    ),
    (
        r"takes \d positional arguments? but|missing \d required positional",
        None,
        "`d_loss` takes two arguments and the others one. Do the three stand in the right order?",
    ),
)


def _batches(first: list[float], seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    more = [1.5 * torch.randn(n, generator=generator) + 0.3 for n in _SIZES[1:]]
    return [torch.tensor(first), *more]


def _value(loss: Callable, name: str, logits: tuple[Tensor, ...]) -> Tensor:
    """What the reader's loss returns, as a scalar; the call is described by `name`."""
    call = f"{name}({'real_logits, ' if len(logits) == 2 else ''}fake_logits)"
    got = ask(loss, call, *logits, hints=_SIZE_HINTS)
    need_tensor(got, call, finite=False)
    need(
        got.numel() == 1,
        f"`{call}` returned shape {tuple(got.shape)}: one value for each sample. What turns a "
        "batch of losses into one number?",
    )
    return got.reshape(())


def _same(got: Sequence[Tensor], wanted: Sequence[Tensor]) -> bool:
    return all(
        close(*pair, tolerance=1e-4, absolute=1e-5) for pair in zip(got, wanted, strict=True)
    )


def _assess_loss(
    name: str,
    loss: Callable,
    reference: Callable,
    wrongs: Sequence[Known],
    problems: list[tuple[Tensor, ...]],
) -> None:
    """Values at ordinary logits, then columns and slopes, then both at large logits."""
    got = [_value(loss, name, logits) for logits in problems]
    wanted = [reference(*logits) for logits in problems]
    if not _same(got, wanted):
        _explain_loss(name, loss, reference, wrongs, problems, torch.stack(got).detach())
    for logits, right in zip(problems, wanted, strict=True):
        column = _value(loss, name, tuple(logit[:, None] for logit in logits))
        n = len(logits[0])
        need(
            _same([column], [right]),
            f"`{name}` is right for logits of shape ({n},), but for ({n}, 1) "
            f"{off_by(column.item(), right.item())}. Are two shapes broadcast against each other?",
        )
    _assess_slopes(name, loss, reference, problems[0])
    large = tuple(torch.tensor(_LARGE).roll(k) for k in range(len(problems[0])))
    _assess_far_out(name, loss, reference, large)


def _explain_loss(
    name: str,
    loss: Callable,
    reference: Callable,
    wrongs: Sequence[Known],
    problems: list[tuple[Tensor, ...]],
    got: Tensor,
) -> None:
    """Say what is wrong with the values that a loss has at ordinary logits."""
    wanted = torch.stack([reference(*logits) for logits in problems])
    if not torch.isfinite(got).all():
        _explain_not_finite(name, loss, problems, got)
    _explain_order(name, loss, reference, problems)
    known = [
        *wrongs,
        (
            "loss-sum-not-mean",
            lambda *logits: reference(*logits) * len(logits[0]),
            "it is summed over the batch, so that it grows with the batch size. Where is it "
            "reduced to one number?",
        ),
        (
            "loss-double-sigmoid",
            lambda *logits: reference(*map(torch.sigmoid, logits)),
            "a sigmoid is applied twice: once by hand, once inside the loss. Look at what you hand "
            "to it.",
        ),
    ]
    for other in ("least-squares", "hinge", "wasserstein"):
        formula = OBJECTIVES[other].d_loss if len(problems[0]) == 2 else OBJECTIVES[other].g_loss
        text = f"this is the {other} loss. The cross-entropy is asked for here."
        known.append((None, formula, text))
    name_wrong(got, [(m, f, f"`{name}`: {text}") for m, f, text in known], problems)
    worst = int((got - wanted).abs().argmax()) if close(got[0], wanted[0]) else 0
    start = f"`{name}` is not right yet: for {_shown(problems[worst])} "
    start += f"{off_by(got[worst].item(), wanted[worst].item())}. "
    again = _value(loss, name, problems[worst])
    need(
        close(again, got[worst]),
        f"{start}Asked again, it gives {again.item():.5g}: is there chance in it?",
    )
    sizes = {"the batch size": [len(logits[0]) for logits in problems]}
    told = explain(got, wanted, sizes=sizes) or _targets(name, problems, got)
    single = list(zip(*(logit.split(1) for logit in problems[0]), strict=True))
    alone = [_value(loss, name, logits) for logits in single]
    need(
        told or not _same(alone, [reference(*logits) for logits in single]),
        f"{start}Yet it is right for each sample alone. How does a batch become one number: is the "
        "mean taken over it, and of the loss of each sample?",
    )
    wrong(start + (told or _which_term(name, loss, reference, problems[0])))


def _shown(logits: tuple[Tensor, ...]) -> str:
    lists = [str([round(v, 4) for v in logit.tolist()]) for logit in logits]
    return " and ".join(
        f"{k} logits {v}" for k, v in zip(("real", "fake")[-len(lists) :], lists, strict=True)
    )


def _explain_not_finite(
    name: str, loss: Callable, problems: list[tuple[Tensor, ...]], got: Tensor
) -> None:
    bad = int((~torch.isfinite(got)).nonzero()[0])
    inside = tuple(torch.tensor([0.2, 0.7, 0.9]).roll(k) for k in range(len(problems[0])))
    value = _value(loss, name, inside)
    logs = {_NAMES[0]: -(inside[0].log() + (1 - inside[-1]).log()).mean()}
    logs[_NAMES[1]], logs[_NAMES[2]] = (1 - inside[-1]).log().mean(), -inside[-1].log().mean()
    need(
        not close(value, logs[name]),
        f"`{name}` returns {got[bad].item()} at ordinary logits such as -0.9: a logarithm is taken "
        "of the logits themselves, which may be negative. What turns a logit into a probability?",
        "loss-no-sigmoid",
    )
    wrong(
        f"`{name}` returns {got[bad].item()} for {_shown(problems[bad])}. Compute its parts one by "
        "one for these: which is the first that is not finite?"
    )


def _explain_order(
    name: str, loss: Callable, reference: Callable, problems: list[tuple[Tensor, ...]]
) -> None:
    """Reject right terms whose arguments stand in the other order."""
    try:
        names = list(inspect.signature(loss).parameters)
    except (TypeError, ValueError):
        return
    if name == "d_loss" and names[:2] == ["fake_logits", "real_logits"]:
        got = [_value(loss, name, logits[::-1]) for logits in problems]
        need(
            not _same(got, [reference(*logits) for logits in problems]),
            "`d_loss` computes the right thing from its arguments, but takes them in the other "
            "order: the contract is d_loss(real_logits, fake_logits).",
        )


def _targets(name: str, problems: list[tuple[Tensor, ...]], got: Tensor) -> str:
    """Which targets and weights a loss uses, if it is a cross-entropy; else ''."""
    sides = dict(
        zip(("real", "fake")[-len(problems[0]) :], zip(*problems, strict=True), strict=True)
    )
    terms: dict = {"a constant": ([1.0] * len(problems), 0.0)}
    for side, batches in sides.items():
        terms[side, 1] = ([F.softplus(-batch).mean() for batch in batches], 0.0)
        terms[side, 0] = ([F.softplus(batch).mean() for batch in batches], 0.0)
    found = solve(got, terms)
    if found is None:
        return ""
    said = []
    for side in sides:
        aim = 1.0 if side == "real" or name == _NAMES[2] else 0.0
        asked = -1.0 if name == _NAMES[1] else 1.0
        up, down = found[side, 1], found[side, 0]
        weight = up + down
        if abs(up) < 1e-3 and abs(down) < 1e-3:
            said.append(f"the {side} term is missing")
        elif abs(weight) < 1e-3:
            said.append(f"the {side} logits go in as they are, without a logarithm")
        else:
            if abs(up / weight - aim) > 1e-3:
                said.append(f"the {side} logits have target {up / weight:.3g}, not {aim:g}")
            if abs(weight / asked - 1) > 1e-3:
                said.append(f"the {side} term is {times(weight / asked)}")
    if abs(found["a constant"]) > 1e-3:
        said.append(f"a constant is added, {found['a constant']:.4g}")
    text = "; ".join(said)
    return f"Solved for what is in it: {text}. Start there." if text else ""


def _which_term(name: str, loss: Callable, reference: Callable, logits: tuple[Tensor, ...]) -> str:
    """Where to look: each term is moved by its own logits only; double them, and see."""
    if len(logits) == 1:
        pairs = [(_value(loss, name, (x,)), reference(x), x) for x in logits[0].split(1)]
        value, right, x = (part.item() for part in max(pairs, key=lambda p: abs(p[0] - p[1])))
        return (
            f"For the single logit {x:.3g} it gives {value:.4g} where {right:.4g} is "
            "right: compute that one by hand, with a calculator."
        )

    def follows(*moved: Tensor) -> bool:
        mine = _value(loss, name, moved) - _value(loss, name, logits)
        return _same([mine], [reference(*moved) - reference(*logits)])

    real, fake = logits
    found = {
        (True, True): "Both terms are right, but something constant is added to them.",
        (True, False): "The real term is right; look at the fake one.",
        (False, True): "The fake term is right; look at the real one.",
        (False, False): "Neither is right yet: take one of them first.",
    }[follows(2 * real, fake), follows(real, 2 * fake)]
    terms = F.softplus(-real).mean(), F.softplus(fake).mean()
    return f"The real term alone should be {terms[0]:.4f} and the fake term {terms[1]:.4f}. {found}"


def _slopes(
    name: str, loss: Callable, reference: Callable, logits: tuple[Tensor, ...]
) -> tuple[Tensor, Tensor, list[Tensor | None], list[Tensor]]:
    """The reader's value and the right one, and the slopes of both by each logit."""
    mine = [logit.clone().requires_grad_(True) for logit in logits]
    theirs = [logit.clone().requires_grad_(True) for logit in logits]
    got, wanted = _value(loss, name, tuple(mine)), reference(*theirs)
    slopes: list[Tensor | None] = [None] * len(mine)
    if got.requires_grad:
        slopes = list(torch.autograd.grad(got, mine, allow_unused=True))
    return got.detach(), wanted.detach(), slopes, list(torch.autograd.grad(wanted, theirs))


def _assess_slopes(
    name: str, loss: Callable, reference: Callable, logits: tuple[Tensor, ...]
) -> None:
    _, _, slopes, right = _slopes(name, loss, reference, logits)
    for side, slope, good in zip(("real", "fake")[-len(right) :], slopes, right, strict=True):
        need(
            slope is not None,
            f"`{name}` returns the right number, but no gradient leads from it to the {side} "
            "logits. Is there a `detach`, an `item` or a `no_grad` on the way?",
        )
        worst = int((slope - good).abs().argmax())
        need(
            close(slope, good),
            f"`{name}` returns the right number, but its slope by the {side} logit "
            f"{logits[0 if side == 'real' else -1][worst].item():.3g} is wrong: "
            f"{off_by(slope[worst].item(), good[worst].item())}. Which part of it is constant to "
            "autograd?",
        )


def _assess_far_out(
    name: str, loss: Callable, reference: Callable, logits: tuple[Tensor, ...]
) -> None:
    """Values and slopes where a sigmoid in float32 has long become 0 or 1."""
    got, wanted, slopes, right = _slopes(name, loss, reference, logits)
    need(
        torch.isfinite(got),
        f"`{name}` is right at ordinary logits, but at a logit of 200 it is {got.item()}: a "
        "sigmoid has been rounded to 0 or 1, or an exponential has overflowed, before the "
        "logarithm is taken. Which function of torch takes both at once?",
        "loss-log-sigmoid-nan",
    )
    flat = [
        side
        for side, slope, good in zip(("real", "fake")[-len(right) :], slopes, right, strict=True)
        if slope is None or not torch.allclose(slope.float(), good, atol=1e-6)
    ]
    if _same([got], [wanted]) and not flat:
        return
    what = (
        "its value is not"
        if not _same([got], [wanted])
        else f"its slope by {flat[0]} logits is not"
    )
    wrong(
        f"`{name}` is right at ordinary logits, but beyond 40 {what}. Most often the sigmoid has "
        "been rounded to 0 or 1 (or kept away from it by a small constant) before the logarithm is "
        "taken. Which function of torch takes both at once?",
        "loss-sigmoid-flat",
    )


# --- 1.2: the optimal discriminator --------------------------------------------------------------

_DSTAR_CALL = "optimal_discriminator(p_data, p_g)"
_POINTS = [  # (p_data, p_g): both below and above 1, one of them 0, and a single point
    ([0.8, 0.5, 0.1, 0.3, 0.02], [0.2, 0.5, 0.4, 0.0, 0.7]),
    ([0.0, 3.2, 0.6, 1.5], [0.4, 0.8, 2.4, 1.1]),
    ([0.3], [0.1]),
]
# fmt: off
_DSTAR_WRONGS: list[Known] = [
    ("dstar-inverted", lambda p, q: q / (p + q),
     "A probability, but of the wrong thing: it is large where the generated density is. D is "
     "asked for the probability that a point is real."),
    ("dstar-odds", lambda p, q: p / q,
     "This is the ratio of the two densities, which can be any positive number: the odds. Of all "
     "the mass at a point, which share is real?"),
    ("dstar-logit", lambda p, q: (p / q).log(),
     "This is the logit of the optimal discriminator, which is worth knowing. Here its "
     "probability was asked: a share of the mass at each point."),
]
# fmt: on


@exercise(
    "1.2",
    "The optimal discriminator",
    signature="optimal_discriminator(p_data, p_g)",
    takes="two densities at the same points: float tensors of one shape, values >= 0",
    returns="D* at these points, a tensor of that shape with values in [0, 1]; where both "
    "densities are 0 any such value will do",
    accepts="any way of keeping 0/0 out, a small constant in the denominator included",
    mistakes="dstar-inverted dstar-odds dstar-logit dstar-hard dstar-nan",
    reference=optimal_discriminator,
)
def check_optimal_discriminator(answer: Callable) -> None:
    problems = [tuple(map(torch.tensor, pair)) for pair in _POINTS]
    got = [_dstar(answer, *pair) for pair in problems]
    if not all(_close(mine, p / (p + q)) for mine, (p, q) in zip(got, problems, strict=True)):
        _explain_dstar(answer, got, problems)
    # Two empty points, and between them one where there is mass.
    empty, full = torch.tensor([0.0, 0.6, 0.0]), torch.tensor([0.0, 0.2, 0.0])
    there, mass, _ = _dstar(answer, empty, full, " where both are 0").tolist()
    need(
        math.isfinite(there),
        f"Right wherever there is mass. Where neither density has any, it gives {there}: 0/0. Any "
        "probability would do there; keep the division from happening.",
        "dstar-nan",
    )
    need(
        0 <= there <= 1,
        f"Right wherever there is mass. Where neither density has any, it gives {there:g}, which "
        "is no probability; any number from 0 to 1 would do.",
    )
    need(
        abs(mass - 0.75) < 1e-3,
        "Right as long as there is mass everywhere. With densities 0.6 and 0.2 at a point that has "
        f"empty neighbours, D* is 0.75 at this point, and yours gives {mass:.4f}. Empty points "
        "are to be sorted out one by one.",
    )
    # Densities far out in the tails: a constant in the denominator must not take over.
    thin = torch.tensor([1e-4, 3e-4])
    got = _dstar(answer, thin, thin.flip(0))
    need(
        torch.allclose(got.float(), torch.tensor([0.25, 0.75]), atol=0.01),
        f"Right at large densities. At densities of 0.0001 and 0.0003 it gives {got[0].item():.3f} "
        "where 0.25 is right: the constant or threshold that keeps 0/0 out is too large beside "
        "them.",
    )


def _dstar(answer: Callable, p_data: Tensor, p_g: Tensor, where: str = "") -> Tensor:
    got = ask(answer, _DSTAR_CALL + where, p_data, p_g)
    if isinstance(got, Tensor) and got.dtype == torch.bool:
        got = got.float()
    need_tensor(got, _DSTAR_CALL + where, shape=tuple(p_data.shape), finite=False)
    return got.detach()


def _close(got: Tensor, wanted: Tensor) -> bool:
    """The same wherever `wanted` is finite."""
    there = torch.isfinite(wanted)
    return torch.allclose(got[there].double(), wanted[there].double(), rtol=1e-4, atol=1e-4)


def _explain_dstar(answer: Callable, got: list[Tensor], problems: list[tuple]) -> None:
    name_wrong(got, _DSTAR_WRONGS, problems, _close)
    mine, p, q = torch.cat(got), *(torch.cat(part) for part in zip(*problems, strict=True))
    right = p / (p + q)
    need(
        not ((mine == 0) | (mine == 1) | (mine == 0.5)).all(),
        "This says which density is larger. The optimal D is less sure than that: where both have "
        "mass it answers with a share.",
        "dstar-hard",
    )
    worst = int(torch.nan_to_num((mine - right).abs(), nan=math.inf).argmax())
    a, b = p[worst : worst + 1], q[worst : worst + 1]
    alone = _dstar(answer, a, b, " at one point")
    hint = explain(mine, right) or _like_dstar(mine, p, q)
    if not _close(alone, mine[worst : worst + 1]):
        hint = f"Asked about this point alone, it gives {alone.item():.4g}"
        hint += ", which is right" * _close(alone, right[worst : worst + 1])
        hint += ": each point is decided for itself, without looking at the others."
    hint = hint or "Of all the samples that turn up at such a point, which share is real?"
    wrong(
        f"Where p_data = {a.item():g} and p_g = {b.item():g}, D* is {right[worst].item():.4g}, and "
        f"yours gives {mine[worst].item():.4g}. {hint}"
    )


def _like_dstar(got: Tensor, p: Tensor, q: Tensor) -> str:
    """Says if it is a share with a constant below the line, or of powers of the densities."""
    both = (p > 0) & (q > 0) & (got > 0) & (got < 1)
    if both.sum() < 3:
        return ""
    got, p, q = (part[both].double() for part in (got, p, q))
    odds, ratio = got / (1 - got), p / q
    added, weight = p / got - (p + q), odds / ratio
    power = (odds.log() / ratio.log())[p != q]
    if close(odds, ratio):
        return "It is right wherever both densities have mass. What if only one of them is 0?"
    if close(added, added.mean().expand_as(added)):
        return f"It fits if {added.mean():.3g} is added below the line, too much beside these."
    if close(weight, weight.mean().expand_as(weight)):
        return f"It fits if p_data is {weight.mean():.3g} times as large as it is."
    if close(power, power.mean().expand_as(power)):
        return f"It fits if both densities are raised to the power {power.mean():.3g} first."
    return ""


# --- 1.3: the Jensen-Shannon divergence ----------------------------------------------------------


def _average(p: Tensor, q: Tensor, dx: float, middle: Tensor, back: bool = False) -> float:
    """Half the divergences of p and q from something between them, or of that from p and q."""
    pairs = ((middle, p), (middle, q)) if back else ((p, middle), (q, middle))
    return sum(kl_divergence(*pair, dx) for pair in pairs) / 2


_KL = (
    "This is a Kullback-Leibler divergence between p and q. The Jensen-Shannon divergence "
    "compares each of them with what lies in the middle."
)
_JEFFREYS = (
    "Both directions count, as they should, but p and q are compared with each other. What are "
    "they compared with in the definition?"
)
# fmt: off
_JSD_WRONGS: list[Known] = [
    ("jsd-no-dx", lambda p, q, dx: js_divergence(p, q, 1.0),
     "The terms are right, but a sum over grid points is no integral yet: with twice as many "
     "points it would be twice as large."),
    ("jsd-no-half", lambda p, q, dx: 2 * js_divergence(p, q, dx),
     "The mixture and both divergences to it are right. Two of them are added where their average "
     "was asked."),
    ("jsd-middle", lambda p, q, dx: _average(p, q, dx, p + q),
     "A divergence cannot be negative, and this one is. Does the density in the middle integrate "
     "to 1?"),
    ("jsd-reversed", lambda p, q, dx: _average(p, q, dx, (p + q) / 2, back=True),
     "The mixture is right, but the average is taken over samples of the mixture: in KL(first || "
     "second) the density stands first and the mixture second. Mind the order of arguments, which "
     "some libraries turn around."),
    ("jsd-bits", lambda p, q, dx: js_divergence(p, q, dx) / math.log(2),
     "Right, but in bits: the logarithm has base 2. Nats were asked, so that the largest value is "
     "log 2 and not 1."),
    ("jsd-distance", lambda p, q, dx: math.sqrt(js_divergence(p, q, dx)),
     "This is the square root of the divergence, the Jensen-Shannon distance, which some "
     "libraries return. Here the divergence itself is needed."),
    ("jsd-kl", lambda p, q, dx: kl_divergence(p, q, dx), _KL),
    ("jsd-kl", lambda p, q, dx: kl_divergence(q, p, dx), _KL),
    ("jsd-jeffreys", lambda p, q, dx: kl_divergence(p, q, dx) + kl_divergence(q, p, dx), _JEFFREYS),
    ("jsd-jeffreys", lambda p, q, dx: (kl_divergence(p, q, dx) + kl_divergence(q, p, dx)) / 2,
     _JEFFREYS),
    (None, lambda p, q, dx: float((p - q).abs().sum() * dx) / 2,
     "This is the total variation distance, half of the area between the two. The divergence "
     "averages the logarithm of a ratio."),
]
# fmt: on


@exercise(
    "1.3",
    "The Jensen-Shannon divergence on a grid",
    signature="js_divergence(p, q, dx)",
    takes="two densities on a grid of spacing dx: float64 tensors (N,), values >= 0, sums * dx = 1",
    returns="the divergence in nats, 0 to log 2, a number or a scalar tensor; also where a density "
    "is exactly 0",
    accepts="any way of treating 0 log 0 as 0",
    mistakes="jsd-kl jsd-jeffreys jsd-no-half jsd-middle jsd-reversed jsd-no-dx jsd-bits "
    "jsd-distance jsd-nan",
    reference=js_divergence,
)
def check_js_divergence(answer: Callable) -> None:
    problems = [_gaussians(*numbers) for numbers in _GAUSSIANS]
    got = [_divergence(answer, *problem) for problem in problems]
    right = [js_divergence(*problem) for problem in problems]
    if not all(_near(*pair) for pair in zip(got, right, strict=True)):
        _explain_divergence(got, right, problems)
    x = torch.linspace(-6, 6, 601, dtype=torch.float64)
    dx = float(x[1] - x[0])
    halves = [
        torch.where(side > 0, gaussian_density(x, m, 0.5), 0.0) for side, m in ((-x, -2), (x, 2))
    ]
    p, q = (density / (density.sum() * dx) for density in halves)
    apart, partly = _divergence(answer, p, q, dx), _divergence(answer, (p + q) / 2, q, dx)
    for value in (apart, partly):
        need(
            math.isfinite(value),
            "Right for densities that are positive everywhere. Where one of them is exactly 0, "
            f"yours gives {value}: 0 log 0 is 0 in the limit, but not to the computer.",
            "jsd-nan",
        )
    need(
        abs(apart - math.log(2)) < 1e-3,
        "Right for densities that overlap. For two that share no point the divergence is log 2 = "
        f"0.6931, and yours gives {apart:.4f}. What does a point add where only one of them is 0?",
    )
    need(
        _near(partly, js_divergence((p + q) / 2, q, dx)),
        "Right for densities that are positive everywhere. Where one of them vanishes on half of "
        f"the line, {off_by(partly, js_divergence((p + q) / 2, q, dx))}. What does a point add "
        "where only one of them is 0?",
    )


# Points, half of the width, and mean and standard deviation of p and of q.
_GAUSSIANS = [
    (601, 6, -0.5, 1.0, 0.9, 0.7),
    (401, 6, 0.3, 1.2, -1.4, 0.9),
    (301, 5, 0.0, 1.0, 1.0, 1.0),
    (201, 5, -1.0, 0.9, 1.1, 1.3),
    (257, 6, 0.5, 1.2, 0.2, 0.9),
    (333, 6, 1.0, 0.9, -0.6, 1.1),
    (601, 6, 0.2, 0.9, 0.2, 0.9),
]


def _gaussians(n: int, width: float, *moments: float) -> tuple[Tensor, Tensor, float]:
    x = torch.linspace(-width, width, n, dtype=torch.float64)
    return gaussian_density(x, *moments[:2]), gaussian_density(x, *moments[2:]), 2 * width / (n - 1)


def _divergence(answer: Callable, p: Tensor, q: Tensor, dx: float) -> float:
    call = "js_divergence(p, q, dx)"
    return need_number(ask(answer, call, p, q, dx), call, plain=False, finite=False)


def _near(got: float, right: float) -> bool:
    return abs(got - right) < 1e-3 * max(1.0, abs(right))


def _explain_divergence(got: list[float], right: list[float], problems: list[tuple]) -> None:
    for value, good, (_, _, dx) in zip(got, right, problems, strict=True):
        need(
            math.isfinite(value),
            f"For two Gaussians on a grid of spacing {dx:.3g} the divergence is {good:.4f}, and "
            f"yours gives {value}. Print your terms: which is the first that is not finite?",
        )
    name_wrong(got, _JSD_WRONGS, problems, _near)
    to_middle = [[kl_divergence(d, (p + q) / 2, dx) for d in (p, q)] for p, q, dx in problems]
    one, other = zip(*to_middle, strict=True)
    ones = [1.0] * len(got)
    terms = {"KL(p || m)": (one, 0.5), "KL(q || m)": (other, 0.5), "a constant": (ones, 0.0)}
    spacing = [dx for _, _, dx in problems]
    sizes = {"the spacing dx": spacing, "the number of points": [len(p) for p, _, _ in problems]}
    worst = max(range(len(got)), key=lambda i: abs(got[i] - right[i]))
    p, q, dx = problems[worst]
    need(
        worst != len(got) - 1,
        f"For two equal densities the divergence is 0, and yours gives {got[worst]:.4g}. "
        + explain(got, right, terms, sizes),
    )
    n, _, mp, sp, mq, sq = _GAUSSIANS[worst]
    wrong(
        f"For N({mp}, {sp}^2) and N({mq}, {sq}^2) on {n} points the two divergences to the mixture "
        f"m are {one[worst]:.4f} and {other[worst]:.4f}, and their average is {right[worst]:.4f} "
        f"nats; yours gives {got[worst]:.4f}. "
        + (explain(got, right, terms, sizes) or "Print your two: which one is off?")
    )
