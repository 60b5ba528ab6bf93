"""Exercises of notebook 01, the theory: references, checks, named mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_helpers import losses
from gan_helpers.toys import gaussian_density, js_divergence, kl_divergence, optimal_discriminator

from .catalogue import MISTAKES
from .compare import Known, ask, ask_number, close, explain, name_wrong, need_tensor, reject, solve
from .framework import describe_value, exercise, wrong
from .logit_losses import Measured, measure, need_right_far_off, need_slopes

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

# What a wrong loss computes: (mistake, formula, how the message goes on after "`name`: ").
_D_WRONGS: list[Known] = [
    ("step-swapped-labels", lambda r, f: F.softplus(r).mean() + F.softplus(-f).mean(),
     "both terms are there, but it is small when D takes real data for generated and generated "
     "data for real. Which of the two is target 1, and which argument comes first?"),
    ("loss-half-sum", lambda r, f: (F.softplus(-r).mean() + F.softplus(f).mean()) / 2,
     "both terms are right, but halved. This course adds them: 2 log 2 at equilibrium."),
    ("step-only-real", lambda r, f: F.softplus(-r).mean(),
     "the real term is right and the fake term is missing, so that D may call everything real."),
    ("step-only-fake", lambda r, f: F.softplus(f).mean(),
     "the fake term is right and the real term is missing, so that D may call everything fake."),
    ("loss-d-sign", lambda r, f: -F.softplus(-r).mean() - F.softplus(f).mean(),
     "this is V itself, which D makes as large as it can. A loss is made small: mind the sign."),
]  # fmt: skip
_SATURATING_WRONGS: list[Known] = [
    ("loss-saturating-sign", lambda f: F.softplus(f).mean(),
     "this falls when D recognises the generated data, so that minimising it makes G worse. G "
     "minimises log(1 - D(G(z))) as it stands. Which sign does yours have?"),
    ("loss-not-saturating", lambda f: F.softplus(-f).mean(),
     "this is the non-saturating loss. The saturating one is the term of V that G has a hand in."),
]  # fmt: skip
_NON_SATURATING_WRONGS: list[Known] = [
    ("loss-nonsaturating-sign", lambda f: -F.softplus(-f).mean(),
     "log D(G(z)) is to be large, and a loss is made small: so G gets worse with every step."),
    ("loss-saturating", lambda f: -F.softplus(f).mean(),
     "this is the saturating loss, whose slope vanishes when D is sure. The other one asks how "
     "surprised D would be to hear that the generated data are real."),
    ("step-g-targets-fake", lambda f: F.softplus(f).mean(),
     "it is small when D recognises the generated data. Toward which target should G push D?"),
]  # fmt: skip


class _Asked(NamedTuple):
    """One of the three losses as it should be, and what wrong ones compute."""

    reference: Callable
    terms: dict[str, tuple[int, float]]  # each side's target, and its cross-entropy's factor
    wrongs: list[Known]


_ASKED = {
    "d_loss": _Asked(losses.cross_entropy_d_loss, {"real": (1, 1.0), "fake": (0, 1.0)}, _D_WRONGS),
    "g_loss_saturating": _Asked(losses.minimax_g_loss, {"fake": (0, -1.0)}, _SATURATING_WRONGS),
    "g_loss_non_saturating": _Asked(
        losses.non_saturating_g_loss, {"fake": (1, 1.0)}, _NON_SATURATING_WRONGS
    ),
}


@exercise(
    "1.1",
    "The three losses, from logits",
    signature="d_loss, g_loss_saturating, g_loss_non_saturating",
    takes="a tuple of functions: d_loss(real_logits, fake_logits), the others (fake_logits); "
    "logits are float tensors of one shape, (N,) or (N, 1)",
    returns="scalar tensors: means over the batch; D's loss is the sum of its two terms; values "
    "and slopes are right at any logit",
    accepts="functions, lambdas, modules; a scalar of shape () or (1,)",
    mistakes="step-swapped-labels loss-half-sum loss-sum-not-mean step-only-real step-only-fake "
    "loss-d-sign loss-double-sigmoid loss-no-sigmoid loss-integer-targets loss-log-sigmoid-nan "
    "loss-sigmoid-flat loss-saturating-sign loss-not-saturating loss-nonsaturating-sign "
    "loss-saturating loss-pair-exchanged step-g-targets-fake",
    reference=tuple(asked.reference for asked in _ASKED.values()),
)
def check_losses(answer: Sequence[Callable]) -> None:
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        wrong(f"""Three functions are expected, in the order {", ".join(_ASKED)}, but
            {describe_value(answer)} came.""")
    for name, loss in zip(_ASKED, answer, strict=True):
        if not callable(loss):
            wrong(f"""Three functions are expected, but in the place of `{name}` came
                {describe_value(loss)}. Was it called where only its name was needed?""")
    d_loss, saturating, other = map(_Loss, _ASKED, answer, _ASKED.values())
    _check_loss(d_loss)
    if saturating.gives(other.asked.reference) and other.gives(saturating.asked.reference):
        wrong("""loss-pair-exchanged: `d_loss` is right, and so are both generator losses, but under
            each other's names: the saturating one has the slope -D(G(z)) by the logit.""")
    _check_loss(saturating)
    _check_loss(other)


_SIZE_HINTS = (
    (r"must match the size of tensor|is invalid for input of size|shape mismatch", None,
     "two shapes do not fit. The batch may have any size: is one written as a number?"),
    (r"takes \d positional arguments? but|missing \d required positional", None,
     "`d_loss` takes two arguments and the others one. Do the three stand in the right order?"),
)  # fmt: skip


def _problems(sides: int) -> list[tuple[Tensor, ...]]:
    """Batches of logits of each side, and single ones; with the last, D is quite sure."""
    dice = torch.Generator().manual_seed(1)
    sizes = (6, 4, 9, 2, 5, 1, 1, 1, 1, 1, 1)
    ordinary = [tuple(1.5 * torch.randn(sides, n, generator=dice) + 0.3) for n in sizes]
    return ordinary + [tuple(torch.full((sides, 1), x)) for x in (-5.5, 5.5)]


class _Loss:
    """One of the three: the reader's function, what was asked, and the logits to try it with."""

    def __init__(self, name: str, function: Callable, asked: _Asked):
        self.name, self.function, self.asked = name, function, asked
        self.sides = list(asked.terms)
        self.problems = _problems(len(self.sides))

    def __call__(self, *logits: Tensor) -> Measured:
        call = f"{self.name}({', '.join(f'{side}_logits' for side in self.sides)})"
        sides = dict(zip(self.sides, logits, strict=True))
        return measure(self.function, self.asked.reference, call, sides, _SIZE_HINTS)

    def gives(self, formula: Callable) -> bool:
        return all(close(self(*logits).value, formula(*logits)) for logits in self.problems)


def _check_loss(loss: _Loss) -> None:
    """Values at ordinary logits, then columns and slopes, then both at large logits."""
    found = [loss(*logits) for logits in loss.problems]
    if not all(one.value_fits() for one in found):
        _explain_loss(loss, found)
    for logits in loss.problems:
        column = loss(*(logit[:, None] for logit in logits))
        n = len(logits[0])
        if not column.value_fits():
            wrong(f"""`{loss.name}` is right for logits of shape ({n},), but for ({n}, 1)
                {column.off}. Are two shapes broadcast against each other?""")
    need_slopes(found[0])
    large = torch.tensor([200.0, -200.0, 90.0, -90.0, 40.0, -40.0])
    need_right_far_off(loss(*(large.roll(k) for k in range(len(loss.sides)))))


def _explain_loss(loss: _Loss, found: list[Measured]) -> None:
    """Say what is wrong with the values that a loss has at ordinary logits."""
    problems, reference = loss.problems, loss.asked.reference
    got, right = [one.value.item() for one in found], [one.right.item() for one in found]
    # As if these were probabilities: what the right loss gives for their logits.
    inside = [torch.tensor([0.2, 0.7, 0.9]).roll(k) for k in range(len(loss.sides))]
    as_if = reference(*map(torch.logit, inside))
    if not all(map(math.isfinite, got)) and close(loss(*inside).value, as_if):
        wrong(f"""loss-no-sigmoid: `{loss.name}` is not finite at ordinary logits such as -0.9, of
            which there is no logarithm. What turns logits into probabilities first?""")
    known: list[Known] = [
        *loss.asked.wrongs,
        ("loss-sum-not-mean", lambda *logits: reference(*logits) * len(logits[0]),
         "it is summed over the batch and grows with its size. Where does it become one number?"),
        ("loss-double-sigmoid", lambda *logits: reference(*map(torch.sigmoid, logits)),
         "a sigmoid is applied twice: by hand and inside the loss. Look at what you hand to it."),
    ]  # fmt: skip
    for other in ("least-squares", "hinge", "wasserstein"):
        formula = getattr(losses.OBJECTIVES[other], "d_loss" if len(loss.sides) == 2 else "g_loss")
        both = (formula, lambda *logits, formula=formula: 2 * formula(*logits))
        known.append((None, both, f"this is the {other} loss, not the cross-entropy."))
    name_wrong(got, [(m, f, f"`{loss.name}`: {text}") for m, f, text in known], problems, close)
    sizes = {"the batch size": [len(logits[0]) for logits in problems]}
    told = explain(got, right, _terms(loss), sizes)
    # One sample is the easiest by hand: that for which it is most wrong.
    off = [one for one in found if not one.value_fits()]
    shown = max(off, key=lambda one: (-len(one.sides["fake"]), abs(one.value - one.right).item()))
    values = {k: [round(x, 4) for x in side.logits.tolist()] for k, side in shown.sides.items()}
    start = f"""`{loss.name}` is not right yet: for
        {" and ".join(f"{side} logits {part}" for side, part in values.items())}
        {shown.off}."""
    if not told and len(shown.sides["fake"]) > 1:
        wrong(f"""{start} Yet it is right for each sample alone. How does a batch become one number:
            is the mean taken over it, and of the loss of each sample?""")
    wrong(f"{start} {told or _which_term(shown)}")


def _terms(loss: _Loss) -> dict:
    """What its values may be a sum of: cross-entropies of each side's logits with either target."""
    terms = {"a constant": ([1.0] * len(loss.problems), 0.0)}
    for side, batches in zip(loss.sides, zip(*loss.problems, strict=True), strict=True):
        right, factor = loss.asked.terms[side]
        for target in (right, 1 - right):
            name = f"the {side} term" + f" with target {target}" * (target != right)
            values = [F.softplus((1 - 2 * target) * batch).mean() for batch in batches]
            terms[name] = (values, factor * (target == right))
    return terms


def _which_term(one: Measured) -> str:
    """Where to look: each term has a slope of its own."""
    off = one.wrong_slopes()
    if not off:
        return "Its slopes are right: what is added or lost that autograd does not see?"
    if len(one.sides) == 1:
        return "Compute this one by hand, with a calculator."
    real, fake = F.softplus(-one.sides["real"].logits), F.softplus(one.sides["fake"].logits)
    return f"""The real term alone should be {real.mean():.4f} and the fake term {fake.mean():.4f}.
        By its slopes, what is off is the {" and the ".join(off)} term."""


# --- 1.2: the optimal discriminator --------------------------------------------------------------

_POINTS = [  # (p_data, p_g): both below and above 1, and a single point
    ([0.8, 0.5, 0.1, 0.02], [0.2, 0.5, 0.4, 0.7]),
    ([3.2, 0.6, 1.5], [0.8, 2.4, 1.1]),
    ([0.3], [0.1]),
]
_DSTAR_WRONGS: list[Known] = [
    ("dstar-inverted", lambda p, q: q / (p + q),
     "A probability, but that of 'generated'. D is asked how probable it is that a point is real."),
    ("dstar-odds", lambda p, q: p / q,
     "This is the ratio of the two: the odds. Of all the mass at a point, which share is real?"),
    ("dstar-logit", lambda p, q: (p / q).log(),
     "This is the logit of D*, worth knowing. Its probability was asked: a share of the mass."),
]  # fmt: skip


@exercise(
    "1.2",
    "The optimal discriminator",
    signature="optimal_discriminator(p_data, p_g)",
    takes="two densities at the same points: float tensors of one shape, values >= 0",
    returns="D* at these points, a tensor of that shape with values in [0, 1]; where both "
    "densities are 0 any such value will do",
    accepts="any way of keeping 0/0 out, a constant far below 1e-10 in the denominator included",
    mistakes="dstar-inverted dstar-odds dstar-logit dstar-hard dstar-nan",
    reference=optimal_discriminator,
)
def check_optimal_discriminator(answer: Callable) -> None:
    problems = [tuple(map(torch.tensor, pair)) for pair in _POINTS]
    got = [_dstar(answer, *pair) for pair in problems]
    if not all(close(mine, p / (p + q), 1e-4) for mine, (p, q) in zip(got, problems, strict=True)):
        _explain_dstar(answer, got, problems)
    empty = _dstar(answer, torch.tensor([0.3, 0.0]), torch.tensor([0.0, 0.4]), " where one is 0")
    if not close(empty, [1.0, 0.0]):
        wrong(f"""Right where both densities have mass. Where p_data alone has any, D* is 1, where
            p_g alone, 0: all or none is real. Yours gives {empty[0]:.4g} and {empty[1]:.4g}.""")
    # Two empty points, and between them one where there is mass.
    peak = torch.tensor([0.0, 0.2, 0.0])
    there, mass, _ = _dstar(answer, 3 * peak, peak, " where both are 0").tolist()
    if not 0 <= there <= 1:
        mistake = None if math.isfinite(there) else "dstar-nan"
        wrong(
            f"""Right wherever there is mass. Where neither density has any, it gives {there:g}.
            Any probability will do there: keep the division 0/0 from happening.""",
            mistake=mistake,
        )
    if not abs(mass - 0.75) < 1e-3:
        wrong(f"""Right as long as there is mass everywhere. With densities 0.6 and 0.2 among empty
            points D* is 0.75, and yours gives {mass:.4f}. Sort empty points out one by one.""")
    # Densities far out in the tails: a constant in the denominator must not take over.
    for small in (1e-4, 1e-10):
        thin = torch.tensor([small, 3 * small])
        far = _dstar(answer, thin, thin.flip(0), " far out")
        if not close(far, [0.25, 0.75], 0.01):
            wrong(f"""Right at large densities. Far out, at {small:g} and {3 * small:g}, it is
                {far[0]:.3f}, not 0.25. A constant or threshold that keeps 0/0 out has to be far
                smaller than these densities.""")


def _dstar(answer: Callable, p_data: Tensor, p_g: Tensor, where: str = "") -> Tensor:
    call = f"optimal_discriminator(p_data, p_g){where}"
    got = ask(answer, call, p_data, p_g)
    if isinstance(got, Tensor) and got.dtype == torch.bool:
        got = got.float()
    need_tensor(got, call, shape=tuple(p_data.shape), finite=False)
    return got.detach()


def _explain_dstar(answer: Callable, got: list[Tensor], problems: list[tuple]) -> None:
    name_wrong(got, _DSTAR_WRONGS, problems, close)
    mine, p, q = torch.cat(got), *(torch.cat(part) for part in zip(*problems, strict=True))
    right = p / (p + q)
    if len(mine.unique()) > 1 and ((mine == 0) | (mine == 1) | (mine == 0.5)).all():
        wrong("""dstar-hard: This answers with a yes or a no. The optimal D is less sure than that:
            where both densities have mass it answers with a share.""")
    points = zip(*(part.split(1) for part in (p, q, mine)), strict=True)
    for a, b, together in points if torch.isfinite(mine).all() else ():
        alone = _dstar(answer, a, b, " at one point")
        if not close(alone, together, 1e-4):
            wrong(f"""Where p_data = {a.item():g} and p_g = {b.item():g}, yours gives
                {together.item():.4g} among other points and {alone.item():.4g} for this point
                alone: each point is decided for itself, without looking at the others.""")
    worst = int(torch.nan_to_num((mine - right).abs(), nan=math.inf).argmax())
    hint = explain(mine, right) or _like_dstar(mine, p, q)
    hint = hint or "Of all the samples that turn up at such a point, which share is real?"
    wrong(f"""Where p_data = {p[worst].item():g} and p_g = {q[worst].item():g}, D* is
        {right[worst].item():.4g}, and yours gives {mine[worst].item():.4g}. {hint}""")


def _like_dstar(got: Tensor, p: Tensor, q: Tensor) -> str:
    """Says if it is p_data over something else, or a share of powers of the densities."""
    terms = {" p_data": (p, 1.0), " p_g": (q, 1.0), "": (torch.ones_like(p), 0.0)}
    below = solve(p / got, terms) or {}
    parts = [f"{factor:.3g}{name}" for name, factor in below.items() if abs(factor) > 1e-4]
    if len(parts) > 1:
        return f"This is p_data / ({' + '.join(part.removeprefix('1 ') for part in parts)})."
    if power := solve(got.logit(), {"power": ((p / q).log(), 1.0)}):
        return f"It fits if both densities are raised to the power {power['power']:.3g} first."
    return ""


# --- 1.3: the Jensen-Shannon divergence ----------------------------------------------------------


def _average(p: Tensor, q: Tensor, dx: float, middle: Tensor, back: bool = False) -> float:
    """Half the divergences of p and q from something between them, or of that from p and q."""
    pairs = ((middle, p), (middle, q)) if back else ((p, middle), (q, middle))
    return sum(kl_divergence(*pair, dx) for pair in pairs) / 2


_JSD_WRONGS: list[Known] = [
    ("jsd-no-dx", lambda p, q, dx: js_divergence(p, q, 1.0),
     "The terms are right, but a sum over grid points is no integral yet: with twice as many "
     "points it would be twice as large."),
    ("jsd-no-half", lambda p, q, dx: 2 * js_divergence(p, q, dx),
     "The mixture and both divergences to it are right, but added where their mean was asked."),
    ("jsd-middle", lambda p, q, dx: _average(p, q, dx, p + q),
     "A divergence cannot be negative, and this one is. Does the density in the middle "
     "integrate to 1?"),
    ("jsd-reversed", lambda p, q, dx: _average(p, q, dx, (p + q) / 2, back=True),
     "The mixture is right, but the average is taken over samples of the mixture: in KL(first || "
     "second) the density stands first and the mixture second. Mind the order of arguments, which "
     "some libraries turn around."),
    ("jsd-bits", lambda p, q, dx: js_divergence(p, q, dx) / math.log(2),
     "Right, but in bits, by logarithms to base 2. In nats the largest value is log 2 and not 1."),
    ("jsd-distance", lambda p, q, dx: math.sqrt(js_divergence(p, q, dx)),
     "This is the square root of the divergence, the Jensen-Shannon distance, which some "
     "libraries return. Here the divergence itself is needed."),
    ("jsd-kl", (kl_divergence, lambda p, q, dx: kl_divergence(q, p, dx)),
     "This is a Kullback-Leibler divergence between p and q. The Jensen-Shannon divergence "
     "compares each of them with what lies in the middle."),
    ("jsd-jeffreys", (lambda p, q, dx: kl_divergence(p, q, dx) + kl_divergence(q, p, dx),
                      lambda p, q, dx: (kl_divergence(p, q, dx) + kl_divergence(q, p, dx)) / 2),
     "Both directions count, as they should, but p and q are compared with each other. What are "
     "they compared with in the definition?"),
    (None, lambda p, q, dx: js_divergence(p.softmax(0), q.softmax(0), 1.0),
     "Both densities go through a softmax first, which makes other densities of them. They "
     "integrate to 1 already: what stands for the integral on a grid?"),
    (None, lambda p, q, dx: float((p - q).abs().sum() * dx) / 2,
     "This is the total variation distance. The divergence averages the logarithm of a ratio."),
]  # fmt: skip


# Points, half of the width, and mean and standard deviation of p and of q.
_GAUSSIANS = [
    (601, 6, -0.5, 1.0, 0.9, 0.7),
    (401, 6, 0.3, 1.2, -1.4, 0.9),
    (201, 5, -1.0, 0.9, 1.1, 1.3),
    (257, 6, 0.5, 1.2, 0.2, 0.9),
    (601, 6, 0.2, 0.9, 0.2, 0.9),
]


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
    problems = []
    for n, width, mp, sp, mq, sq in _GAUSSIANS:
        x = torch.linspace(-width, width, n, dtype=torch.float64)
        p, q = gaussian_density(x, mp, sp), gaussian_density(x, mq, sq)
        problems.append((p, q, 2 * width / (n - 1)))
    got = [ask_number(answer, "js_divergence(p, q, dx)", *problem) for problem in problems]
    right = [js_divergence(*problem) for problem in problems]
    _assess_divergence(got, right, problems)
    # Densities that share no point, and one of them beside the mixture.
    x = torch.linspace(-6, 6, 601, dtype=torch.float64)
    p, dx = gaussian_density(x, -3, 0.3) * (x < 0), 0.02
    q = p.flip(0)
    start = "Right for densities that are positive everywhere. "
    apart = "For two that share no point the divergence is log 2 = 0.6931"
    beside = "Where one of them vanishes on half of the line, it is 0.2158"
    for first, case in ((p, apart), ((p + q) / 2, beside)):
        value = ask_number(answer, "js_divergence(p, q, dx)", first, q, dx)
        if not math.isfinite(value):
            wrong(f"""jsd-nan: {start}Where one of them is exactly 0, yours gives {value}: 0 log 0
                is 0 in the limit, but not to the computer.""")
        if not _near(value, js_divergence(first, q, dx)):
            wrong(f"""{start}{case}, and yours gives {value:.4f}. What does a point add where only
                one of them is 0?""")


def _near(got: float, right: float) -> bool:
    return abs(got - right) < 1e-3 * max(1.0, abs(right))


def _assess_divergence(got: list[float], right: list[float], problems: list[tuple]) -> None:
    def to_middle(p: Tensor, q: Tensor, dx: float) -> list[float]:
        return [kl_divergence(density, (p + q) / 2, dx) for density in (p, q)]

    def say(i: int, told: str) -> str:
        n, _, mp, sp, mq, sq = _GAUSSIANS[i]
        one, other = to_middle(*problems[i])
        return f"""For N({mp}, {sp}^2) and N({mq}, {sq}^2) on {n} points the two divergences to the
            mixture m are {one:.4f} and {other:.4f}, and their average is {right[i]:.4f} nats;
            yours gives {got[i]:.4f}. {told or "Print your two: which one is off?"}"""

    terms = {
        "KL(p || m)": (lambda *given: to_middle(*given)[0], 0.5),
        "KL(q || m)": (lambda *given: to_middle(*given)[1], 0.5),
        "a constant": (lambda *_: 1.0, 0.0),
    }
    sizes = {
        "the spacing dx": lambda p, q, dx: dx,
        "the number of points": lambda p, q, dx: len(p),
        "the width of the grid, as a mean over its points is": lambda p, q, dx: len(p) * dx,
    }
    reject(got, right, problems, _JSD_WRONGS, say, terms=terms, sizes=sizes, same=_near)
