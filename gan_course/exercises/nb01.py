"""Exercises of notebook 01, the theory: references, checks, named mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_helpers.losses import cross_entropy_d_loss, minimax_g_loss, non_saturating_g_loss
from gan_helpers.toys import gaussian_density, js_divergence, kl_divergence, optimal_discriminator

from .catalogue import MISTAKES
from .compare import need_tensor
from .framework import calling, describe_value, exercise, need, wrong

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


def _call(function: Callable, call: str, *given: Tensor) -> object:
    """What the reader's function returns for copies of these tensors, which it must not change."""
    copies = [tensor.clone() for tensor in given]
    with calling(call):
        got = function(*copies)
    need(
        all(map(torch.equal, copies, given)),
        f"`{call}` changes a tensor that was handed to it, so that whoever uses it next gets other "
        "numbers. Look for `+=` and the like, and for methods whose name ends in an underscore.",
    )
    return got


# --- 1.1: the losses -----------------------------------------------------------------------------

_NAMES = ("d_loss", "g_loss_saturating", "g_loss_non_saturating")
_REAL = [1.2, -0.7, 0.4, 2.1, -1.6, 0.1]
_FAKE = [-0.9, 1.5, -2.2, 0.3, 0.8, -0.2]
_LARGE = [200.0, -200.0, 90.0, -90.0, 40.0, -40.0]
_TWICE = (
    "a sigmoid is applied twice: once by hand, once inside the loss. Look at what you hand to it."
)
_SUMMED = (
    "it is summed over the batch, so that it grows with the batch size. Where is it reduced to one "
    "number?"
)

# What a wrong loss computes: (mistake, formula, how the message goes on after "`name`: ").
_D_WRONGS: list[tuple[str, Callable[[Tensor, Tensor], Tensor], str]] = [
    (
        "step-swapped-labels",
        lambda r, f: F.softplus(r).mean() + F.softplus(-f).mean(),
        "both terms are there, but it is small when D takes real data for generated and generated "
        "data for real. Which of the two is target 1?",
    ),
    (
        "loss-half-sum",
        lambda r, f: (F.softplus(-r).mean() + F.softplus(f).mean()) / 2,
        "both terms are right, but the result is half of what was asked: this course uses their "
        "sum, which is 2 log 2 at equilibrium.",
    ),
    ("loss-sum-not-mean", lambda r, f: F.softplus(-r).sum() + F.softplus(f).sum(), _SUMMED),
    (
        "step-only-real",
        lambda r, f: F.softplus(-r).mean(),
        "the real term is right and the fake term is missing, so that D may call everything real.",
    ),
    (
        "step-only-fake",
        lambda r, f: F.softplus(f).mean(),
        "the fake term is right and the real term is missing, so that D may call everything fake.",
    ),
    (
        "loss-d-sign",
        lambda r, f: -F.softplus(-r).mean() - F.softplus(f).mean(),
        "this is V itself, which D makes as large as it can. A loss is made small: one sign stands "
        "between the two.",
    ),
    (
        "loss-double-sigmoid",
        lambda r, f: F.softplus(-r.sigmoid()).mean() + F.softplus(f.sigmoid()).mean(),
        _TWICE,
    ),
]
_SATURATING_WRONGS: list[tuple[str, Callable[[Tensor], Tensor], str]] = [
    (
        "loss-saturating-sign",
        lambda f: F.softplus(f).mean(),
        "this falls when D recognises the generated data, so that minimising it makes G worse. G "
        "minimises log(1 - D(G(z))) as it stands; is there one minus too many?",
    ),
    (
        "loss-not-saturating",
        lambda f: F.softplus(-f).mean(),
        "this is the non-saturating loss. The saturating one is the term of V that G has a hand "
        "in, taken as it stands.",
    ),
    ("loss-sum-not-mean", lambda f: -F.softplus(f).sum(), _SUMMED),
    ("loss-double-sigmoid", lambda f: -F.softplus(f.sigmoid()).mean(), _TWICE),
]
_NON_SATURATING_WRONGS: list[tuple[str, Callable[[Tensor], Tensor], str]] = [
    (
        "loss-nonsaturating-sign",
        lambda f: -F.softplus(-f).mean(),
        "log D(G(z)) is to be made large, and a loss is made small. As it stands, G gets worse "
        "with every step.",
    ),
    (
        "loss-saturating",
        lambda f: -F.softplus(f).mean(),
        "this is the saturating loss, whose slope vanishes when D is sure. The other one asks how "
        "surprised D would be to hear that the generated data are real.",
    ),
    (
        "step-g-targets-fake",
        lambda f: F.softplus(f).mean(),
        "it is small when D recognises the generated data. Toward which target should G push D's "
        "verdict?",
    ),
    ("loss-sum-not-mean", lambda f: F.softplus(-f).sum(), _SUMMED),
    ("loss-double-sigmoid", lambda f: F.softplus(-f.sigmoid()).mean(), _TWICE),
]


@exercise(
    "1.1",
    "The three losses, from logits",
    signature="d_loss, g_loss_saturating, g_loss_non_saturating",
    takes="a tuple of functions: d_loss(real_logits, fake_logits), the others (fake_logits); "
    "logits are float tensors of one shape, (N,) or (N, 1)",
    returns="scalar tensors: means over the batch; D's loss is the sum of its two terms; values "
    "and slopes are right at any logit",
    accepts="functions, lambdas, modules; a scalar of shape () or (1,)",
    mistakes=(
        "step-swapped-labels",
        "loss-half-sum",
        "loss-sum-not-mean",
        "step-only-real",
        "step-only-fake",
        "loss-d-sign",
        "loss-double-sigmoid",
        "loss-no-sigmoid",
        "loss-integer-targets",
        "loss-log-sigmoid-nan",
        "loss-sigmoid-flat",
        "loss-saturating-sign",
        "loss-not-saturating",
        "loss-nonsaturating-sign",
        "loss-saturating",
        "loss-pair-exchanged",
        "step-g-targets-fake",
    ),
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
    real, fake = torch.tensor(_REAL), torch.tensor(_FAKE)
    _judge_loss("d_loss", d_loss, cross_entropy_d_loss, _D_WRONGS, (real, fake))
    exchanged = (_value(saturating, _NAMES[1], (fake,)), _value(non_saturating, _NAMES[2], (fake,)))
    need(
        not (
            _same(exchanged[0], non_saturating_g_loss(fake))
            and _same(exchanged[1], minimax_g_loss(fake))
        ),
        "`d_loss` is right, and so are both generator losses, but under each other's names: the "
        "saturating one is the one whose slope by logit is -D(G(z)).",
        "loss-pair-exchanged",
    )
    _judge_loss(_NAMES[1], saturating, minimax_g_loss, _SATURATING_WRONGS, (fake,))
    _judge_loss(_NAMES[2], non_saturating, non_saturating_g_loss, _NON_SATURATING_WRONGS, (fake,))


def _value(loss: Callable, name: str, logits: tuple[Tensor, ...]) -> Tensor:
    """What the reader's loss returns, as a scalar; the call is described by `name`."""
    call = f"{name}({'real_logits, ' if len(logits) == 2 else ''}fake_logits)"
    got = _call(loss, call, *logits)
    need_tensor(got, call, finite=False)
    need(
        got.numel() == 1,
        f"`{call}` returned shape {tuple(got.shape)}: one value for each sample. What turns a "
        "batch of losses into one number?",
    )
    return got.reshape(())


def _judge_loss(
    name: str,
    loss: Callable,
    reference: Callable,
    wrongs: Sequence[tuple[str, Callable, str]],
    logits: tuple[Tensor, ...],
) -> None:
    """Values at ordinary logits, then columns, then values and slopes at large logits."""
    got, wanted = _value(loss, name, logits), reference(*logits)
    need(
        torch.isfinite(got),
        f"`{name}` returns {got.item()} at ordinary logits such as -0.9: a logarithm is taken of "
        "the logits themselves, which may be negative. What turns a logit into a probability?",
        "loss-no-sigmoid",
    )
    if not _same(got, wanted):
        for mistake, formula, message in wrongs:
            if _same(got, formula(*logits)):
                wrong(f"`{name}`: {message}", mistake)
        right_and_yours = f"`{name}` gives {got.item():.4f} where {wanted.item():.4f} is right"
        wrong(f"{right_and_yours}, {_hint(name, loss, reference, logits)}")
    columns = tuple(logit[:, None] for logit in logits)
    need(
        _same(_value(loss, name, columns), wanted),
        f"`{name}` is right for logits of shape (6,), but for (6, 1) it gives another value: a "
        "shape is broadcast somewhere.",
    )
    _judge_far_out(name, loss, reference, len(logits))


def _hint(name: str, loss: Callable, reference: Callable, logits: tuple[Tensor, ...]) -> str:
    """Where to look when a value is wrong in a way that has no name."""
    single = list(zip(*(logit.split(1) for logit in logits), strict=True))
    if all(_same(_value(loss, name, one), reference(*one)) for one in single):
        return (
            "though it is right for every single sample: what is averaged over the batch, the loss "
            "of each sample or something that comes before it?"
        )
    if len(logits) == 1:
        return f"for fake logits {_FAKE}. Compute it for one of them by hand, with a calculator."

    # Each term is moved by its own logits only: double them, and see whether it follows.
    def follows(*moved: Tensor) -> bool:
        mine = _value(loss, name, moved) - _value(loss, name, logits)
        return _same(mine, reference(*moved) - reference(*logits))

    real, fake = logits
    found = {
        (True, True): "Both terms are right, but something constant is added to them.",
        (True, False): "The real term is right; look at the fake one.",
        (False, True): "The fake term is right; look at the real one.",
        (False, False): "Neither is right yet: take one of them first.",
    }[follows(2 * real, fake), follows(real, 2 * fake)]
    terms = F.softplus(-real).mean(), F.softplus(fake).mean()
    return (
        f"for real logits {_REAL} and fake logits {_FAKE}. The real term alone should be "
        f"{terms[0]:.4f} and the fake term {terms[1]:.4f}. {found}"
    )


def _judge_far_out(name: str, loss: Callable, reference: Callable, arguments: int) -> None:
    """Values and slopes where a sigmoid in float32 has long become 0 or 1."""
    mine = [torch.tensor(_LARGE).roll(k).requires_grad_(True) for k in range(arguments)]
    theirs = [logit.detach().clone().requires_grad_(True) for logit in mine]
    got, wanted = _value(loss, name, tuple(mine)), reference(*theirs)
    need(
        torch.isfinite(got),
        f"`{name}` is right at ordinary logits, but at a logit of 200 it is {got.item()}: the "
        "sigmoid has been rounded to 0 or 1 before the logarithm is taken. Which function of "
        "torch takes both at once?",
        "loss-log-sigmoid-nan",
    )
    need(
        got.requires_grad,
        f"`{name}` returns the right number, but no gradient leads from it to the logits. Is there "
        "a `detach`, an `item` or a `no_grad` on the way?",
    )
    slopes = torch.autograd.grad(got, mine, allow_unused=True)
    right = torch.autograd.grad(wanted, theirs)
    flat = not all(
        slope is not None and torch.allclose(slope, good, atol=1e-6)
        for slope, good in zip(slopes, right, strict=True)
    )
    need(
        _same(got, wanted) and not flat,
        f"`{name}` is right at ordinary logits, but at logits beyond 40 its value or its slope is "
        "not: the sigmoid has been rounded to 0 or 1 (or kept away from it by a small constant) "
        "before the logarithm is taken. Which function of torch takes both at once?",
        "loss-sigmoid-flat",
    )


def _same(got: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(got.detach().float(), wanted.detach(), rtol=1e-4, atol=1e-5)


# --- 1.2: the optimal discriminator --------------------------------------------------------------


@exercise(
    "1.2",
    "The optimal discriminator",
    signature="optimal_discriminator(p_data, p_g)",
    takes="two densities at the same points: float tensors of one shape, values >= 0",
    returns="D* at these points, a tensor of that shape with values in [0, 1]; where both "
    "densities are 0 any such value will do",
    accepts="any way of keeping 0/0 out, a small constant in the denominator included",
    mistakes=("dstar-inverted", "dstar-odds", "dstar-logit", "dstar-hard", "dstar-nan"),
    reference=optimal_discriminator,
)
def check_optimal_discriminator(answer: Callable) -> None:
    call = "optimal_discriminator(p_data, p_g)"
    p_data = torch.tensor([0.8, 0.5, 0.1, 0.3, 0.02])
    p_g = torch.tensor([0.2, 0.5, 0.4, 0.0, 0.7])
    got = _call(answer, call, p_data, p_g)
    if isinstance(got, Tensor) and got.dtype == torch.bool:
        got = got.float()
    need_tensor(got, call, shape=(5,), finite=False)
    right = p_data / (p_data + p_g)
    if not _close(got, right):
        _name_wrong_discriminator(answer, got, p_data, p_g, right)
    # Two empty points, and between them one where there is mass.
    empty, full = torch.tensor([0.0, 0.6, 0.0]), torch.tensor([0.0, 0.2, 0.0])
    got = _call(answer, f"{call} where both are 0", empty, full)
    need_tensor(got, call, shape=(3,), finite=False)
    there, mass = float(got[0]), float(got[1])
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
    got = _call(answer, call, thin, thin.flip(0))
    need_tensor(got, call, shape=(2,), finite=False)
    need(
        torch.allclose(got.float(), torch.tensor([0.25, 0.75]), atol=0.01),
        f"Right at large densities. At densities of 0.0001 and 0.0003 it gives {got[0].item():.3f} "
        "where 0.25 is right: the constant or threshold that keeps 0/0 out is too large beside "
        "them.",
    )


def _close(got: Tensor, wanted: Tensor, atol: float = 1e-4) -> bool:
    finite = torch.isfinite(wanted)
    return bool(
        torch.equal(torch.isfinite(got), finite)
        and torch.allclose(got[finite].double(), wanted[finite].double(), rtol=1e-4, atol=atol)
    )


def _name_wrong_discriminator(
    answer: Callable, got: Tensor, p_data: Tensor, p_g: Tensor, right: Tensor
) -> None:
    there = p_g > 0  # elsewhere a ratio with p_g below the line is not finite
    ratio = (p_data / p_g)[there]
    named = (
        (
            "dstar-inverted",
            _close(got, 1 - right),
            "A probability, but of the wrong thing: it is large where the generated density is. D "
            "is asked for the probability that a point is real.",
        ),
        (
            "dstar-odds",
            _close(got[there], ratio),
            "This is the ratio of the two densities, which can be any positive number: the odds. "
            "Of all the mass at a point, which share is real?",
        ),
        (
            "dstar-logit",
            _close(got[there], ratio.log()),
            "This is the logit of the optimal discriminator, which is worth knowing. Here its "
            "probability was asked: a share of the mass at each point.",
        ),
        (
            "dstar-hard",
            bool(((got == 0) | (got == 1) | (got == 0.5)).all()),
            "This says which density is larger. The optimal D is less sure than that: where both "
            "have mass it answers with a share.",
        ),
    )
    for mistake, met, message in named:
        if met:
            wrong(message, mistake)
    worst = int(torch.nan_to_num((got - right).abs(), nan=math.inf).argmax())
    a, b = p_data[worst : worst + 1], p_g[worst : worst + 1]
    alone = _call(answer, "optimal_discriminator(p_data, p_g) at one point", a, b)
    hint = (
        "Asked about this point alone, it is right: each point is decided for itself, without "
        "looking at the others."
        if isinstance(alone, Tensor) and alone.shape == (1,) and _close(alone, right[worst][None])
        else "Of all the samples that turn up at such a point, which share is real?"
    )
    wrong(
        f"Where p_data = {a.item():g} and p_g = {b.item():g}, D* is {right[worst].item():.4g}, and "
        f"yours gives {got[worst].item():.4g}. {hint}"
    )


# --- 1.3: the Jensen-Shannon divergence ----------------------------------------------------------


@exercise(
    "1.3",
    "The Jensen-Shannon divergence on a grid",
    signature="js_divergence(p, q, dx)",
    takes="two densities on a grid of spacing dx: float64 tensors (N,), values >= 0, sums * dx = 1",
    returns="the divergence in nats, 0 to log 2, a number or a scalar tensor; also where a density "
    "is exactly 0",
    accepts="any way of treating 0 log 0 as 0",
    mistakes=(
        "jsd-kl",
        "jsd-jeffreys",
        "jsd-no-half",
        "jsd-middle",
        "jsd-reversed",
        "jsd-no-dx",
        "jsd-bits",
        "jsd-distance",
        "jsd-nan",
    ),
    reference=js_divergence,
)
def check_js_divergence(answer: Callable) -> None:
    x = torch.linspace(-6, 6, 601, dtype=torch.float64)
    dx = float(x[1] - x[0])
    p, q = gaussian_density(x, -0.5, 1.0), gaussian_density(x, 0.9, 0.7)
    got, right = _divergence(answer, p, q, dx), js_divergence(p, q, dx)
    need(
        math.isfinite(got),
        f"For two overlapping Gaussians the divergence is {right:.4f}, and yours gives {got}.",
    )
    if abs(got - right) > 1e-3:
        _name_wrong_divergence(got, p, q, dx, right)
    p = torch.where(x < 0, gaussian_density(x, -2.0, 0.5), 0.0)
    q = torch.where(x > 0, gaussian_density(x, 2.0, 0.5), 0.0)
    p, q = p / (p.sum() * dx), q / (q.sum() * dx)
    got = _divergence(answer, p, q, dx)
    need(
        math.isfinite(got),
        "Right for densities that are positive everywhere. Where one of them is exactly 0, yours "
        f"gives {got}: 0 log 0 is 0 in the limit, but not to the computer.",
        "jsd-nan",
    )
    need(
        abs(got - math.log(2)) < 1e-3,
        "Right for densities that overlap. For two that share no point the divergence is log 2 = "
        f"0.6931, and yours gives {got:.4f}.",
    )


def _divergence(answer: Callable, p: Tensor, q: Tensor, dx: float) -> float:
    call = "js_divergence(p, q, dx)"
    got = _call(lambda *densities: answer(*densities, dx), call, p, q)
    if isinstance(got, Tensor) and got.numel() > 1:
        wrong(f"`{call}` returned shape {tuple(got.shape)}; one number is asked for.")
    try:
        return float(got)
    except (TypeError, ValueError):
        wrong(f"`{call}` should return a number, but {describe_value(got)} came back.")


def _name_wrong_divergence(got: float, p: Tensor, q: Tensor, dx: float, right: float) -> None:
    forth, back = kl_divergence(p, q, dx), kl_divergence(q, p, dx)
    middle = (p + q) / 2
    to_middle = kl_divergence(p, middle, dx), kl_divergence(q, middle, dx)
    reversed_ = (kl_divergence(middle, p, dx) + kl_divergence(middle, q, dx)) / 2
    named: tuple[tuple[str, tuple[float, ...], str], ...] = (
        (
            "jsd-no-dx",
            (right / dx,),
            "The terms are right, but a sum over grid points is no integral yet: with twice as "
            "many points it would be twice as large.",
        ),
        (
            "jsd-no-half",
            (2 * right,),
            "The mixture and both divergences to it are right. Two of them are added where their "
            "average was asked.",
        ),
        (
            "jsd-middle",
            (right - math.log(2),),
            "A divergence cannot be negative, and this one is. Does the density in the middle "
            "integrate to 1?",
        ),
        (
            "jsd-reversed",
            (reversed_,),
            "The mixture is right, but the average is taken over samples of the mixture: in "
            "KL(first || second) the density stands first and the mixture second. Mind the order "
            "of arguments, which some libraries turn around.",
        ),
        (
            "jsd-bits",
            (right / math.log(2),),
            "Right, but in bits: the logarithm has base 2. Nats were asked, so that the largest "
            "value is log 2 and not 1.",
        ),
        (
            "jsd-distance",
            (math.sqrt(right),),
            "This is the square root of the divergence, the Jensen-Shannon distance, which some "
            "libraries return. Here the divergence itself is needed.",
        ),
        (
            "jsd-kl",
            (forth, back),
            "This is a Kullback-Leibler divergence between p and q. The Jensen-Shannon divergence "
            "compares each of them with what lies in the middle.",
        ),
        (
            "jsd-jeffreys",
            (forth + back, (forth + back) / 2),
            "Both directions count, as they should, but p and q are compared with each other. "
            "What are they compared with in the definition?",
        ),
    )
    for mistake, values, message in named:
        if any(abs(got - value) < 1e-3 * max(1.0, abs(value)) for value in values):
            wrong(message, mistake)
    wrong(
        "For N(-0.5, 1) and N(0.9, 0.7^2) the two divergences to the mixture are "
        f"{to_middle[0]:.4f} and {to_middle[1]:.4f}, and their average is {right:.4f} nats. Yours "
        f"gives {got:.4f} ({got / right:.2f} times as much). Print your two: which one is off?"
    )
