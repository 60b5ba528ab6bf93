"""Exercise 1.3 of notebook 01: the Jensen-Shannon divergence on a grid."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gan_helpers.toys import gaussian_density, js_divergence, kl_divergence

from .catalogue import MISTAKES
from .compare import Known, ask_number, explain, name_wrong
from .framework import exercise, wrong

MISTAKES.update(
    {
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


def _average(p: Tensor, q: Tensor, dx: float, middle: Tensor, back: bool = False) -> float:
    """Half the divergences of p and q from something between them, or of that from p and q."""
    pairs = ((middle, p), (middle, q)) if back else ((p, middle), (q, middle))
    return sum(kl_divergence(*pair, dx) for pair in pairs) / 2


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
     "This is the total variation distance, half of the area between the two. The divergence "
     "averages the logarithm of a ratio."),
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
    off = [i for i, pair in enumerate(zip(got, right, strict=True)) if not _near(*pair)]
    if off:
        _explain_divergence(got, right, problems, off[0])
    # Densities that share no point, and one of them beside the mixture.
    x = torch.linspace(-6, 6, 601, dtype=torch.float64)
    dx = float(x[1] - x[0])
    p = torch.where(x < 0, gaussian_density(x, -2, 0.5), 0.0)
    q = torch.where(x > 0, gaussian_density(x, 2, 0.5), 0.0)
    p, q = (density / (density.sum() * dx) for density in (p, q))
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


def _explain_divergence(
    got: list[float], right: list[float], problems: list[tuple], worst: int
) -> None:
    name_wrong(got, _JSD_WRONGS, problems, _near)
    one, other = (
        [kl_divergence(pair[k], (pair[0] + pair[1]) / 2, dx) for *pair, dx in problems]
        for k in (0, 1)
    )
    terms = {
        "KL(p || m)": (one, 0.5),
        "KL(q || m)": (other, 0.5),
        "a constant": ([1.0] * len(got), 0.0),
    }
    sizes = {
        "the spacing dx": [dx for *_, dx in problems],
        "the number of points": [len(p) for p, *_ in problems],
        "the width of the grid, as a mean over its points is": [len(p) * d for p, _, d in problems],
    }
    told = explain(got, right, terms, sizes) or "Print your two: which one is off?"
    n, _, mp, sp, mq, sq = _GAUSSIANS[worst]
    wrong(f"""For N({mp}, {sp}^2) and N({mq}, {sq}^2) on {n} points the two divergences to the
        mixture m are {one[worst]:.4f} and {other[worst]:.4f}, and their average is
        {right[worst]:.4f} nats; yours gives {got[worst]:.4f}. {told}""")
