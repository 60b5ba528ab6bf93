"""Checks of notebook 06: Fréchet distance (6.3), kernel distance (6.4), precision and recall."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from gan_helpers import metrics

from . import compare
from .catalogue import MISTAKES
from .compare import Known, ask, ask_number, explain, name_wrong, near, off_by, reject
from .framework import Raised, exercise, need, wrong
from .nb06 import normal, with_options

MISTAKES.update(
    {
        "fid-elementwise-root": "the root is taken entry by entry, not of the matrix",
        "fid-separate-roots": "the product of two roots for the root of the product",
        "kid-diagonal": "each sample is compared with itself too",
        "kid-no-scale": "the inner product is not divided by the number of features",
        "kid-missing-two": "the factor 2 before the cross term is missing",
        "pr-swapped": "precision and recall are returned in the other order",
        "pr-own-neighbour": "each sample counts as its own nearest neighbour",
        "pr-wrong-balls": "the balls are drawn around the set that is being judged",
        "pr-coverage": "recall, too, is counted with balls around real samples",
    }
)


# --- 6.3 Fréchet distance ------------------------------------------------------------------------


def _float64(*values: list) -> list[Tensor]:
    return [torch.tensor(value, dtype=torch.float64) for value in values]


# Both triangles of a product have positive eigenvalues, so that nan means another mistake; in the
# second pair all entries of the product are positive.
_COVARIANCES = [
    _float64([[5, -2, 2], [-2, 9, -1], [2, -1, 6]], [[3, 0, 2], [0, 9, -3], [2, -3, 7]]),
    _float64([[6, 1, 2], [1, 5, 1], [2, 1, 8]], [[4, 2, 1], [2, 7, 1], [1, 1, 3]]),
    _float64([[4, 1], [1, 3]], [[2, -1], [-1, 5]]),
    _float64([[3, 1], [1, 2]], [[4, 1], [1, 6]]),
    _float64([[7, 1], [1, 3]], [[2, 0], [0, 5]]),
]
_MEANS = _float64([1, -2, 4], [-3, 0.5, 1], [2, 5], [0.5, -1], [-2, 3])
_SHIFTS = _float64([2, 3, 6], [-1, 2, 2], [3, -4], [1, 1.5], [-2, 0.5])


@exercise(
    "6.3",
    "The Fréchet distance",
    signature="frechet_distance(mean_r, cov_r, mean_g, cov_g)",
    takes="means: float64 tensors (d,); covariances: float64 tensors (d, d), perhaps singular",
    returns="|mean_r - mean_g|^2 + Tr(cov_r + cov_g - 2 (cov_r cov_g)^(1/2)) as a number",
    accepts="a float, or a tensor or array with one value; any way of finding the root's trace",
    mistakes="fid-no-square fid-missing-two fid-elementwise-root fid-separate-roots",
    reference=metrics.frechet_from_statistics,
)
def check_frechet_distance(answer) -> None:
    def ask_for(what: str, *statistics: Tensor) -> float:
        """What the answer gives; nan also where a routine of linear algebra gave up.

        Some versions raise an error there and others return nan: the reader gets the same words.
        """
        try:
            return ask_number(answer, f"frechet_distance({what})", *statistics)
        except Raised as raised:
            if isinstance(raised.error, torch.linalg.LinAlgError | np.linalg.LinAlgError):
                return math.nan
            raise

    cases = list(zip(_MEANS, _SHIFTS, _COVARIANCES, strict=True))
    what = "equal means, two covariances"
    _check_root([ask_for(what, mean, a, mean, b) for mean, _, (a, b) in cases])
    what = "different means, equal covariances"
    _check_shift([ask_for(what, mean, a, mean + shift, a) for mean, shift, (a, _) in cases])
    # Rank 1, and as rounding leaves it: two eigenvalues a little below 0.
    flat = _MEANS[0]
    thin = torch.outer(flat, flat) - 1e-12 * torch.eye(3, dtype=torch.float64)
    (cov_r, other), (_, cov_g) = _COVARIANCES[:2]
    for what, statistics, said in (
        ("all four different", (_MEANS[0], cov_r, _MEANS[1], cov_g),
         "Right where either the means or the covariances are equal, but not where both differ: "
         "{}. It should be the sum of a part of each."),
        ("...) with singular covariances", (flat, thin, flat, other),
         "Right for full-rank covariances, but for one of rank 1, {}. Fewer samples than features "
         "always give such a matrix, and rounding then makes some eigenvalues slightly negative, "
         "for which there is no root and no Cholesky factor: what should become of them first?"),
    ):  # fmt: skip
        got, right = ask_for(what, *statistics), metrics.frechet_from_statistics(*statistics)
        need(near(got, right), said.format(_off_by(got, right)))


def _off_by(got: float, right: float) -> str:
    """`off_by` in words that are true of an error, too."""
    return off_by(got, right).replace("nan came", "no number came")


def _sum_of_roots(values: Tensor) -> float:
    return float(values.real.clamp(min=0).sqrt().sum())


def _trace_of_root(a: Tensor, b: Tensor) -> float:
    return _sum_of_roots(torch.linalg.eigvals(a @ b))


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


# What a wrong root term has for a trace; every message begins with praise of the other traces.
_ROOT_WRONGS: list[Known] = [
    ("fid-missing-two", lambda a, b: _trace_of_root(a, b) / 2,
     "The root term is right, but it is counted once, so that even a set compared with itself is "
     "not at distance 0. Compare with (a - b)^2 = a^2 + b^2 - 2ab."),
    ("fid-elementwise-root", (lambda a, b: (a @ b).clamp(min=0).sqrt().trace(),
                              lambda a, b: (a @ b).sqrt().sum(), lambda a, b: (a * b).sqrt().sum()),
     "The root is taken of each entry by itself. Meant is a matrix whose product with itself is "
     "cov_r cov_g: its trace is the sum of the roots of that product's eigenvalues."),
    (None, lambda a, b: (a * b).diagonal().sqrt().sum(),
     "The root term is what the two diagonals alone give, as with `*` in place of a product of "
     "matrices: what stands beside the diagonals has no effect on it."),
    ("fid-separate-roots", lambda a, b: (_root(a) @ _root(b)).trace(),
     "This takes the root of each covariance and multiplies the roots. That is only the root of "
     "the product if the two matrices commute, which covariances of two data sets do not."),
    (None, (lambda a, b: _sum_of_roots(torch.linalg.eigvalsh(a @ b)),
            lambda a, b: _sum_of_roots(torch.linalg.eigvalsh(b @ a))),
     "The sum of roots of eigenvalues is there, but they are not those of the product. A routine "
     "for symmetric matrices looks at one triangle only. Is cov_r cov_g symmetric?"),
    (None, lambda a, b: _sum_of_roots(torch.linalg.eigvalsh((a @ b + b @ a) / 2)),
     "The product was made symmetric before its eigenvalues were taken: now it has others."),
    (None, lambda a, b: _sum_of_roots(torch.linalg.svdvals(a @ b)),
     "These are roots of the product's singular values. It is not symmetric: eigenvalues differ."),
    (None, (lambda a, b: (a @ b).trace(), lambda a, b: (a @ b).trace().sqrt()),
     "The trace of the product itself is in it. What is asked for is the trace of its root."),
    *((None, lambda a, b, e=e: _trace_of_root(a + e * torch.eye(len(a)), b + e * torch.eye(len(b))),
       f"The root term fits if {e:g} is added to both diagonals, which changes every result: "
       "singular covariances need another remedy.") for e in (1e-3, 1e-2, 0.1, 1.0)),
]  # fmt: skip


def _check_root(got: list[float]) -> None:
    """Reject a wrong part of the covariances, found with equal means."""
    table = [(float(a.trace()), float(b.trace()), _trace_of_root(a, b)) for a, b in _COVARIANCES]
    of_r, of_g, roots = np.transpose(table)
    traces = of_r + of_g
    right = traces - 2 * roots
    if compare.all_near(got, right):
        return
    if compare.all_near(got, right**0.5):
        wrong("Right, but its root was taken at the end. The formula gives the square already.")
    if compare.all_near(got, [(a - b).square().sum() for a, b in _COVARIANCES]):
        wrong("""This is |cov_r - cov_g|^2, the sum of all squared differences of their entries. The
            formula has traces, and a root of the product.""")
    halves, praise = (traces - got) / 2, "The traces of the two covariances are right. "
    known = [(mistake, formula, praise + said) for mistake, formula, said in _ROOT_WRONGS]
    name_wrong(halves, known, _COVARIANCES, partial(np.isclose, rtol=1e-5, equal_nan=True))
    terms = {"the trace of cov_r": (of_r, 1), "the trace of cov_g": (of_g, 1)}
    terms["the root term"] = (roots, -2)
    i = next(i for i, pair in enumerate(zip(got, right, strict=True)) if not near(*pair))
    yours = f"yours comes to {2 * halves[i]:.4g}."
    if math.isnan(halves[i]):
        yours = "is a root taken of something negative on the way?"
    wrong(f"""For equal means and two covariances with traces that sum to {traces[i]:.4g},
        {_off_by(got[i], right[i])}. {explain(got, right, terms)} The root term should be 2 x
        {roots[i]:.4g}; {yours}""")


def _check_shift(got: list[float]) -> None:
    """Reject a wrong part of the means, found with equal covariances."""
    known: list[Known] = [
        ("fid-no-square", lambda mean_r, mean_g: (mean_r - mean_g).norm(),
         "The covariance part is right. What the means add is their distance: what does the "
         "formula do to the length of the difference?"),
        (None, lambda mean_r, mean_g: (mean_r - mean_g).sum().square(),
         "The covariance part is right. The differences are summed before they are squared."),
        (None, lambda mean_r, mean_g: (mean_r - mean_g).abs().sum(),
         "The covariance part is right. What the means add is a sum of sizes, not of squares."),
    ]  # fmt: skip
    terms = {
        "|mean_r|^2": (lambda mean_r, mean_g: mean_r @ mean_r, 1.0),
        "|mean_g|^2": (lambda mean_r, mean_g: mean_g @ mean_g, 1.0),
        "the product of the two means": (torch.dot, -2.0),
    }

    def say(i: int, told: str) -> str:
        return f"""The covariance part is right. For equal covariances and means
            {_SHIFTS[i].norm():.3g} apart, {_off_by(got[i], right[i])}. {told}"""

    right = [float(shift @ shift) for shift in _SHIFTS]
    pairs = [(mean, mean + shift) for mean, shift in zip(_MEANS, _SHIFTS, strict=True)]
    sizes = {"the number of features": lambda mean_r, mean_g: len(mean_r)}
    reject(got, right, pairs, known, say, terms=terms, sizes=sizes)


# --- 6.4 kernel distance -------------------------------------------------------------------------

# (mistake, kernel of inner products, the dimension and the size of x, what to say of it)
_KERNELS: list[Known] = [
    (None, lambda k, d, n: (k / d + 1) ** 3, ""),
    ("kid-no-scale", lambda k, d, n: (k + 1) ** 3,
     "the inner product goes into the kernel as it is: with 2,048 features it would be thousands, "
     "and its cube noise. By what is it divided?"),
    (None, lambda k, d, n: (k / d + 1) ** 2,
     "the kernel is squared where its third power was asked."),
    (None, lambda k, d, n: k / d + 1, "the kernel is taken without its third power."),
    (None, lambda k, d, n: (k / d) ** 3, "the 1 that is added in the kernel is missing."),
    (None, lambda k, d, n: (k / n + 1) ** 3,
     "the inner product is divided by the number of samples. Which size does d stand for?"),
    (None, lambda k, d, n: (k / (d + 1)) ** 3,
     "the 1 is added to d, below the line. What is added to what in (x.y / d + 1)?"),
]  # fmt: skip
# (mistake, the mean of the kernel within a set, what to say of it)
_WITHIN: list[Known] = [
    (None, lambda k: (k.sum() - k.trace()) / (len(k) * (len(k) - 1)), ""),
    ("kid-diagonal", lambda k: k.mean(),
     "each sample is compared with itself too. That makes every distance too large, the more so "
     "the fewer samples there are: leave out the diagonal, and count the pairs that are left."),
    (None, lambda k: (k.sum() - k.trace()) / len(k) ** 2,
     "the diagonal is left out of the sum, but not of the count. How many pairs are left?"),
    (None, lambda k: (k.sum() - k.trace() + len(k)) / (len(k) * (len(k) - 1)),
     "the diagonal is still in the sum, with ones: it was cleared before the power was taken."),
]  # fmt: skip
_TERMS = {"the term within x": 1.0, "the term within y": 1.0, "the term across": -2.0}
_KERNEL_HINTS = (
    (r"must match the size of tensor|could not be broadcast", None,
     "the two sets differ in size: n by n pairs within x, m by m within y, n by m across."),
)  # fmt: skip


def _means(x: Tensor, y: Tensor, kernel=_KERNELS[0][1], within=_WITHIN[0][1]) -> list[float]:
    """The mean of the kernel within x, within y (without the diagonal) and across."""
    kxx, kyy, kxy = (kernel(a @ b.T, x.shape[1], len(x)) for a, b in ((x, x), (y, y), (x, y)))
    return [float(within(kxx)), float(within(kyy)), float(kxy.mean())]


def _mmd2(x: Tensor, y: Tensor, factor: float = 2, **parts: Callable) -> float:
    of_x, of_y, across = _means(x, y, **parts)
    return of_x + of_y - factor * across


def _known_distances() -> list[Known]:
    """A missing factor, and each pair of a kernel and a mean of which one is wrong, or both."""
    known: list[Known] = [
        ("kid-missing-two", partial(_mmd2, factor=1),
         "Both terms within a set are right, but the term across is counted once, so that equal "
         "sets do not give 0. Compare with (a - b)^2."),
    ]  # fmt: skip
    for mistake, kernel, of_kernel in _KERNELS:
        for other, within, of_within in _WITHIN:
            praise = "All terms" if of_kernel else "Kernel and terms"
            text = f"{praise} are there, but {' Also, '.join(filter(None, (of_kernel, of_within)))}"
            known.append((mistake or other, partial(_mmd2, kernel=kernel, within=within), text))
    return known


@exercise(
    "6.4",
    "The kernel distance",
    signature="kernel_distance(x, y)",
    takes="x: float64 tensor (n, d), y: (m, d); n and m may differ",
    returns="the unbiased squared MMD with the kernel (x.y / d + 1)^3, as a number",
    accepts="a float, or a tensor or array with one value; it may be below 0",
    mistakes="kid-diagonal kid-no-scale kid-missing-two",
    reference=metrics.polynomial_mmd2,
)
def check_kernel_distance(answer) -> None:
    shapes = ((9, 7, 4), (6, 8, 5), (5, 5, 3), (4, 9, 6), (7, 3, 2))
    problems = [
        (normal(n, d, seed=7 * i), normal(m, d, seed=7 * i + 1) + 0.5)
        for i, (n, m, d) in enumerate(shapes, 1)
    ]
    # Draws from one distribution, for which the distance comes out below 0.
    problems += [(normal(8, 4, seed=74), normal(10, 4, seed=174))]
    got = []
    for x, y in problems:
        call = f"kernel_distance(x {tuple(x.shape)}, y {tuple(y.shape)})"
        got.append(ask_number(answer, call, x, y, hints=_KERNEL_HINTS))
    right = [metrics.polynomial_mmd2(x, y) for x, y in problems]

    def say(i: int, told: str) -> str:
        x, y = problems[i]
        means = _means(x, y)
        if not told:
            moved = ask_number(answer, "kernel_distance(x + 1, y + 1)", x + 1, y + 1)
            told = """Yours stays the same when all points are moved by 1, as when a mean is
                subtracted first, or with a kernel of distances (RBF, say). The kernel that is asked
                for has inner products, x.y, in it: it does not stay the same."""
            if not near(moved, got[i]):
                told = _explain_terms(answer, x, y, means)
        below = "A distance below 0 is possible here; without it, the score is biased."
        return f"""For {len(x)} and {len(y)} samples of {x.shape[1]} features,
            {off_by(got[i], right[i])}. {told} {below * (right[i] < 0)} The three means of the
            kernel should be {means[0]:.4g} within x, {means[1]:.4g} within y (without the diagonal)
            and {means[2]:.4g} across."""

    terms = {
        name: (lambda x, y, i=i: _means(x, y)[i], factor)
        for i, (name, factor) in enumerate(_TERMS.items())
    }
    sizes = {"the number of features": lambda x, y: x.shape[1]}
    reject(got, right, problems, _known_distances(), say, terms=terms, sizes=sizes)


def _explain_terms(answer, x: Tensor, y: Tensor, means: list[float]) -> str:
    """Which of the three terms are right: with zeros for a set, its own kernel values are all 1."""
    a, b, nothing, both = (
        ask_number(answer, "kernel_distance(x, y), one of them zeros", *pair)
        for pair in ((x, 0 * y), (0 * x, y), (0 * x, 0 * y), (x, y))
    )
    mine = a - nothing + 1, b - nothing + 1, 1 - (both - a - b + nothing) / 2
    good = [name for name, *pair in zip(_TERMS, mine, means, strict=True) if near(*pair)]
    pairs = zip(_TERMS, mine, strict=True)
    off = [f"{name} (it comes to {value:.4g})" for name, value in pairs if name not in good]
    if not good or not off:
        return ""
    right, wanting = " and ".join(good), " and ".join(off)
    return f"Right: {right}. Not yet: {wanting}. By how many pairs is each divided?"


# --- 6.5 precision and recall --------------------------------------------------------------------


def _radii(centers: Tensor, k: int, among: Tensor | None = None) -> Tensor:
    """How far each ball reaches; k counts each centre itself as number 0."""
    among = centers if among is None else among
    return torch.cdist(centers, among).sort(dim=1).values[:, k]


def _share(
    samples: Tensor, centers: Tensor, radii: Tensor, count=lambda hits: hits.any(1)
) -> float:
    """The share of samples that count, by what lies (samples, centres) in which ball."""
    return float(count(torch.cdist(samples, centers) <= radii).double().mean())


def _inside(samples: Tensor, centers: Tensor, k: int) -> float:
    """The share of samples inside a ball."""
    return _share(samples, centers, _radii(centers, k))


def _hold_any(samples: Tensor, others: Tensor, k: int) -> float:
    """The share of samples whose own ball holds one of the others."""
    return _share(others, samples, _radii(samples, k), lambda hits: hits.any(0))


_NAMES = ("precision", "recall")
# Wrong shares of samples s with balls around centres c, for precision and recall alike.
_SHARE_WRONGS: list[Known] = [
    ("pr-swapped", lambda s, c, k: _inside(c, s, k),
     "Here stands the other of the two shares. Of which samples is precision the share?"),
    ("pr-own-neighbour", lambda s, c, k: _inside(s, c, k - 1),
     "The balls are too small: each sample is among its own k nearest ones, at distance 0."),
    ("pr-wrong-balls", _hold_any,
     "The radii are right, but the balls stand around the set being judged. For precision, a fake "
     "must lie in a ball around a *real* sample: an outlier should not gain by reaching far."),
    (None, lambda s, c, k: _inside(s, c, k + 1),
     "The balls reach to neighbour k + 1. Is the sample itself, at distance 0, still in the list?"),
    (None, lambda s, c, k: _inside(s, c, 3),
     "Right for k=3, but every other k gives the same: is 3 written as a number?"),
    (None, lambda s, c, k: _inside(s, c, k) * len(s) / len(c),
     "The right samples are counted, and divided by the other set's size. Of what is it a share?"),
    (None, lambda s, c, k: _share(
        s, c, _radii(c, k), lambda hits: hits.gather(1, torch.cdist(s, c).argmin(1)[:, None])),
     "Only the nearest centre's ball is asked. Another may be larger: a sample may lie in any."),
    (None, lambda s, c, k: _share(s, c, _radii(c, k).sqrt()),
     "A squared distance is compared with a radius, which is none. Which root is missing?"),
    (None, lambda s, c, k: _share(s, c, _radii(c, k), lambda hits: hits.all(1)),
     "No sample counts here at all, as if it had to lie in every ball. One of them is enough."),
    (None, lambda s, c, k: _share(s, c, _radii(c, k), lambda hits: hits),
     "All pairs of a sample and a ball are counted. A sample counts once, in however many it is."),
    (None, (lambda s, c, k: _share(s, c, _radii(c, k, torch.cat([c, s]))),
            lambda s, c, k: _share(s, c, _radii(c, k, torch.cat([s, c])))),
     "The balls are too small: their radius reaches to the k-th nearest among real and fake "
     "samples together. Among whom are the neighbours of a real sample counted?"),
    (None, (lambda s, c, k: _share(s, c, _radii(c, k).mean()),
            lambda s, c, k: _share(s, c, _radii(c, k).amax())),
     "All balls have one radius here. Each centre has its own, small where samples lie close."),
]  # fmt: skip
_BALL_HINTS = (
    (r"must match the size of tensor|could not be broadcast", None,
     "One radius belongs to each centre: along which axis of the distances do the centres run?"),
)  # fmt: skip


def precision_recall(fake: Tensor, real: Tensor, k: int = 3) -> tuple[float, float]:
    """The package's precision and recall as plain numbers."""
    precision, recall = metrics.precision_recall(fake, real, neighbours=k)
    return precision.value, recall.value


@exercise(
    "6.5",
    "Precision and recall",
    signature="precision_recall(fake, real, k=3)",
    takes="fake: float64 tensor (n, d), real: (m, d), no two samples equal",
    returns="(precision, recall): precision is the share of fakes in at least one ball around a "
    "real sample that reaches to its k-th nearest other real sample; recall the reverse",
    accepts="numbers, or tensors or arrays with one value; < or <= at the ball's edge",
    mistakes="pr-swapped pr-own-neighbour pr-wrong-balls pr-coverage",
    reference=precision_recall,
)
def check_precision_recall(answer) -> None:
    fake = torch.cat([0.9 * normal(30, 2, seed=21), 3 + 0.9 * normal(14, 2, seed=22)])
    real = 1.2 * normal(50, 2, seed=20)
    shifted = torch.cat([normal(20, 3, seed=24), normal(12, 3, seed=25) - 2])
    others = 1.1 * normal(40, 3, seed=23), shifted

    def shares(a: Tensor, b: Tensor, **options: int) -> list[float]:
        sizes = f"fake {tuple(a.shape)}, real {tuple(b.shape)}"
        call = f"precision_recall({sizes}{with_options(options)})"
        parts = ask(answer, call, a, b, hints=_BALL_HINTS, **options)
        parts = compare.need_parts(parts, call, *_NAMES)
        return [compare.need_number(part, call, plain=False) for part in parts]

    got, problems = [], []
    for a, b, k in ((fake, real, 3), (fake, real, 1), (*others, 5)):
        got += shares(a, b, k=k)
        problems += [(a, b, k), (b, a, k)]
    _check_shares(got, problems)
    got, pairs = shares(*others), (others, others[::-1])
    fits = [k for k in range(1, 20) if all(map(_like, got, [_inside(*p, k) for p in pairs]))]
    if 3 not in fits:
        wrong(f"""Right where k is given. Without it, k should be 3, and this is the result for
            k={" or ".join(map(str, fits)) or "no number from 1 to 19"}.""")


def _like(mine: float, other: float) -> bool:
    return abs(mine - other) < 1e-6


def _check_shares(got: list[float], problems: list[tuple]) -> None:
    """Reject wrong values of precision, at even places, or of recall, at odd ones."""
    right = [_inside(*problem) for problem in problems]
    off = [i for i in (0, 1) if not all(map(_like, got[i::2], right[i::2]))]
    if not off:
        return
    praise = f"The {_NAMES[1 - off[0]]} is right for every k; the {_NAMES[off[0]]} is not. "
    if len(off) == 2:
        name_wrong(got, _SHARE_WRONGS, problems, _like)
        praise = f"Neither share is right; first the {_NAMES[0]}. "
    known = [(None, formula, praise + said) for _, formula, said in _SHARE_WRONGS]
    if off == [1]:
        said = "It draws balls around *real* samples again; for recall they stand around the fakes."
        known.insert(0, ("pr-coverage", _hold_any, praise + said))
    got, right, problems = (values[off[0] :: 2] for values in (got, right, problems))

    def say(i: int, told: str) -> str:
        between = "A share lies between 0 and 1." * (not 0 <= got[i] <= 1)
        return f"""{praise}With k={problems[i][2]}, {off_by(got[i], right[i])}. {told} {between}
            Look at one ball: its centre, its radius, and who is asked whether it lies inside."""

    sizes = {"the number of samples": lambda samples, centers, k: len(samples)}
    reject(got, right, problems, known, say, sizes=sizes, same=_like)
