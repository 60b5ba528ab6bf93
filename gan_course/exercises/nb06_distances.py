"""Checks of notebook 06: Fréchet distance (6.3), kernel distance (6.4), precision and recall."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gan_helpers import metrics

from . import compare
from .catalogue import MISTAKES
from .compare import Known, ask, ask_number, explain, name_wrong, near, off_by
from .framework import Raised, exercise, wrong
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


def _matrix(values: list) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# Both triangles of a product have positive eigenvalues, so that nan means another mistake; in the
# second pair all entries of the product are positive.
_COVARIANCES = [
    (_matrix(a), _matrix(b))
    for a, b in (
        ([[5, -2, 2], [-2, 9, -1], [2, -1, 6]], [[3, 0, 2], [0, 9, -3], [2, -3, 7]]),
        ([[6, 1, 2], [1, 5, 1], [2, 1, 8]], [[4, 2, 1], [2, 7, 1], [1, 1, 3]]),
        ([[4, 1], [1, 3]], [[2, -1], [-1, 5]]),
        ([[3, 1], [1, 2]], [[4, 1], [1, 6]]),
        ([[7, 1], [1, 3]], [[2, 0], [0, 5]]),
    )
]
_MEANS = [_matrix(m) for m in ([1, -2, 4], [-3, 0.5, 1], [2, 5], [0.5, -1], [-2, 3])]
_SHIFTS = [_matrix(m) for m in ([2, 3, 6], [-1, 2, 2], [3, -4], [1, 1.5], [-2, 0.5])]


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
        """What the answer gives; nan where a routine of linear algebra gave up on the matrix.

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
    statistics = _MEANS[0], _COVARIANCES[0][0], _MEANS[1], _COVARIANCES[1][1]
    both = ask_for("all four different", *statistics)
    expected = metrics.frechet_from_statistics(*statistics)
    if not near(both, expected):
        wrong(f"""Right where either the means or the covariances are equal, but not where both
            differ: {off_by(both, expected)}. It should be the sum of a part of each.""")
    # Rank 1, and as rounding leaves it: two eigenvalues a little below 0.
    flat, cov_g = _matrix([1, 2, -1]), _COVARIANCES[0][1]
    thin = torch.outer(flat, flat) - 1e-12 * torch.eye(3, dtype=torch.float64)
    singular = ask_for("...) with singular covariances", _MEANS[0], thin, _MEANS[0], cov_g)
    expected = float(flat @ flat + cov_g.trace()) - 2 * float(flat @ cov_g @ flat) ** 0.5
    if not near(singular, expected):
        wrong(f"""Right for full-rank covariances, but for one of rank 1,
            {off_by(singular, expected)}. Fewer samples than features always give such a matrix, and
            rounding then makes some eigenvalues slightly negative, for which there is no root and
            no Cholesky factor: what should become of them first?""")


def _trace_of_root(a: Tensor, b: Tensor) -> float:
    return float(torch.linalg.eigvals(a @ b).real.clamp(min=0).sqrt().sum())


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def _symmetric(product: Tensor) -> float:
    """What a routine for symmetric matrices makes of a product."""
    return float(torch.linalg.eigvalsh(product).clamp(min=0).sqrt().sum())


# What a wrong root term has for a trace; every message begins with praise of the other traces.
_ROOT_WRONGS: list[Known] = [
    ("fid-missing-two", lambda a, b: _trace_of_root(a, b) / 2,
     "The root term is right, but it is counted once, so that even a set compared with itself is "
     "not at distance 0. Compare with (a - b)^2 = a^2 + b^2 - 2ab."),
    ("fid-elementwise-root", (lambda a, b: float((a @ b).clamp(min=0).sqrt().trace()),
                              lambda a, b: float((a @ b).sqrt().sum()),
                              lambda a, b: float((a * b).sqrt().sum())),
     "The root is taken of each entry by itself; the root that is meant is a matrix whose product "
     "with itself is cov_r cov_g. Its trace is the sum of the roots of this product's "
     "eigenvalues."),
    (None, lambda a, b: float((a * b).diagonal().sqrt().sum()),
     "The root term is what the two diagonals alone give, as with `*` in place of a product of "
     "matrices: what stands beside the diagonals has no effect on it."),
    ("fid-separate-roots", lambda a, b: float((_root(a) @ _root(b)).trace()),
     "This takes the root of each covariance and multiplies the roots. That is only the root of "
     "the product if the two matrices commute, which covariances of two data sets do not."),
    (None, (lambda a, b: _symmetric(a @ b), lambda a, b: _symmetric(b @ a)),
     "The sum of roots of eigenvalues is there, but they are not those of the product. A routine "
     "for symmetric matrices looks at one triangle only. Is cov_r cov_g symmetric?"),
    (None, lambda a, b: _symmetric((a @ b + b @ a) / 2),
     "The product was made symmetric before its eigenvalues were taken, and has other eigenvalues "
     "now."),
    (None, lambda a, b: float(torch.linalg.svdvals(a @ b).sqrt().sum()),
     "These are roots of the product's singular values; as it is not symmetric, its eigenvalues "
     "are others."),
    (None, (lambda a, b: float((a @ b).trace()), lambda a, b: float((a @ b).trace()) ** 0.5),
     "The trace of the product itself is in it. What is asked for is the trace of its root."),
]  # fmt: skip


def _check_root(got: list[float]) -> None:
    """Reject a wrong part of the covariances, found with equal means."""
    traces = [(float(a.trace()), float(b.trace())) for a, b in _COVARIANCES]
    roots = [_trace_of_root(*pair) for pair in _COVARIANCES]
    right = [sum(pair) - 2 * root for pair, root in zip(traces, roots, strict=True)]
    if compare.all_near(got, right):
        return
    if compare.all_near(got, [value**0.5 for value in right]):
        wrong("""The distance is right, but its root was taken at the end. The formula gives the
            square already.""")
    if compare.all_near(got, [float((a - b).square().sum()) for a, b in _COVARIANCES]):
        wrong("""This is |cov_r - cov_g|^2, the sum of all squared differences of their entries. The
            formula has traces, and a root of the product.""")
    halves = [(sum(pair) - value) / 2 for pair, value in zip(traces, got, strict=True)]

    def same(mine: float, other: float) -> bool:
        return near(mine, other) or math.isnan(mine) and math.isnan(other)

    praise = "The traces of the two covariances are right. "
    for extra in (1e-3, 1e-2, 0.1, 1.0):
        plus = [tuple(c + extra * torch.eye(len(c)) for c in pair) for pair in _COVARIANCES]
        if compare.all_near(halves, [_trace_of_root(*pair) for pair in plus], rel=1e-5):
            wrong(f"""{praise}The root term fits if {extra:g} is added to both diagonals, which
                changes every result: singular covariances need another remedy.""")
    if any(map(math.isfinite, halves)):
        known = [(mistake, formula, praise + said) for mistake, formula, said in _ROOT_WRONGS]
        name_wrong(halves, known, _COVARIANCES, same)
    of_r, of_g = zip(*traces, strict=True)
    terms = {
        "the trace of cov_r": (of_r, 1.0),
        "the trace of cov_g": (of_g, 1.0),
        "the root term": (roots, -2.0),
    }
    yours = f"yours comes to {2 * halves[0]:.4g}."
    if math.isnan(halves[0]):
        yours = "is a root taken of something negative on the way?"
    wrong(f"""For equal means and two covariances with traces that sum to {sum(traces[0]):.4g},
        {off_by(got[0], right[0])}. {explain(got, right, terms)} The root term should be 2 x
        {roots[0]:.4g}; {yours}""")


def _check_shift(got: list[float]) -> None:
    """Reject a wrong part of the means, found with equal covariances."""
    right = [float(shift @ shift) for shift in _SHIFTS]
    if compare.all_near(got, right):
        return
    start = "The covariance part is right. "
    if compare.all_near(got, [value**0.5 for value in right]):
        wrong(f"""fid-no-square: {start}The two means are 7 apart, and that adds 7 to your distance.
            What does the formula do to the length of the difference?""")
    start += f"For equal covariances and means 7 apart, {off_by(got[0], right[0])}. "
    known: list[Known] = [
        (None, lambda shift: abs(float(shift.sum())) ** 2,
         f"{start}The differences are summed before they are squared."),
        (None, lambda shift: float(shift.abs().sum()), f"{start}These are sizes, not squares."),
    ]  # fmt: skip
    name_wrong(got, known, [(shift,) for shift in _SHIFTS])
    moved = [(mean, mean + shift) for mean, shift in zip(_MEANS, _SHIFTS, strict=True)]
    terms = {
        "|mean_r|^2": ([a @ a for a, _ in moved], 1.0),
        "|mean_g|^2": ([b @ b for _, b in moved], 1.0),
        "the product of the two means": ([a @ b for a, b in moved], -2.0),
    }
    sizes = {"the number of features": [float(len(shift)) for shift in _SHIFTS]}
    wrong(f"{start}{explain(got, right, terms, sizes)}")


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
_TERMS = ("the term within x", "the term within y", "the term across")
_KERNEL_HINTS = (
    (r"must match the size of tensor|could not be broadcast", None,
     "the two sets differ in size: n by n pairs within x, m by m within y, n by m across."),
)  # fmt: skip


def _means(x: Tensor, y: Tensor, kernel=_KERNELS[0][1], within=_WITHIN[0][1]) -> list[float]:
    """The mean of the kernel within x, within y (without the diagonal) and across."""
    kxx, kyy, kxy = (kernel(a @ b.T, x.shape[1], len(x)) for a, b in ((x, x), (y, y), (x, y)))
    return [float(within(kxx)), float(within(kyy)), float(kxy.mean())]


def _known_distances() -> list[Known]:
    """Every pair of a kernel and a mean of which one is wrong, or both; and two more mistakes."""

    def mmd2(*kernel_and_within: Callable, factor: float = 2) -> Callable:
        def distance(x: Tensor, y: Tensor) -> float:
            of_x, of_y, across = _means(x, y, *kernel_and_within)
            return of_x + of_y - factor * across

        return distance

    def centred(x: Tensor, y: Tensor) -> float:
        mean = torch.cat([x, y]).mean(0)
        return metrics.polynomial_mmd2(x - mean, y - mean)

    known: list[Known] = []
    for kernel_mistake, kernel, of_kernel in _KERNELS:
        for mistake, within, of_within in _WITHIN:
            praise = "Kernel and terms" if of_within and not of_kernel else "All terms"
            text = f"{praise} are there, but {' Also, '.join(filter(None, (of_kernel, of_within)))}"
            known.append((kernel_mistake or mistake, mmd2(kernel, within), text))
    return known + [
        ("kid-missing-two", mmd2(factor=1),
         "Both terms within a set are right, but the term across is counted once, so that equal "
         "sets do not give 0. Compare with (a - b)^2."),
        (None, centred,
         "Terms and kernel are there, but a mean is subtracted from the features first. This "
         "kernel is not the same for points that have been moved."),
    ]  # fmt: skip


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
    if compare.all_near(got, right):
        return
    name_wrong(got, _known_distances(), problems)
    i = next(i for i, pair in enumerate(zip(got, right, strict=True)) if not near(*pair))
    x, y = problems[i]
    means = [_means(*problem) for problem in problems]
    factors = zip(_TERMS, zip(*means, strict=True), (1.0, 1.0, -2.0), strict=True)
    terms = {name: (values, factor) for name, values, factor in factors}
    sizes = {"the number of features": [x.shape[1] for x, _ in problems]}
    told = explain(got, right, terms, sizes) or _explain_terms(answer, x, y, means[i])
    if not told and near(ask_number(answer, "kernel_distance(x + 1, y + 1)", x + 1, y + 1), got[i]):
        told = """Yours stays the same when all points are moved by 1, as with a kernel of their
            distances (RBF, say). The kernel that is asked for has inner products, x.y, in it."""
    below = "A distance below 0 is possible here; without it, the score is biased."
    wrong(f"""For {len(x)} and {len(y)} samples of {x.shape[1]} features,
        {off_by(got[i], right[i])}. {told} {below * (right[i] < 0)} The three means of the kernel
        should be {means[i][0]:.4g} within x, {means[i][1]:.4g} within y (without the diagonal) and
        {means[i][2]:.4g} across.""")


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


def _radii(centers: Tensor, k: int, others: Tensor | None = None) -> Tensor:
    """How far each ball reaches; k counts each centre itself as number 0."""
    others = centers if others is None else torch.cat([centers, others])
    return torch.cdist(centers, others).sort(dim=1).values[:, k]


def _within(samples: Tensor, centers: Tensor, k: int, radii=_radii) -> Tensor:
    """(samples, centres): which sample lies in which ball."""
    return torch.cdist(samples, centers) <= radii(centers, k)


def _mean(hits: Tensor) -> float:
    return float(hits.double().mean())


def _inside(samples: Tensor, centers: Tensor, k: int) -> float:
    """The share of samples inside a ball."""
    return _mean(_within(samples, centers, k).any(dim=1))


def _hold_any(samples: Tensor, others: Tensor, k: int) -> float:
    """The share of samples whose own ball holds one of the others."""
    return _mean(_within(others, samples, k).any(dim=0))


def _both(share: Callable[[Tensor, Tensor, int], float]) -> Callable:
    return lambda fake, real, k: (share(fake, real, k), share(real, fake, k))


# Wrong shares of samples s with balls around centres c, for precision and recall alike.
_SHARE_WRONGS: list[Known] = [
    ("pr-own-neighbour", lambda s, c, k: _inside(s, c, k - 1),
     "The balls are too small: each sample was counted among its own k nearest neighbours, at "
     "distance 0."),
    ("pr-wrong-balls", _hold_any,
     "The radii are right, but the balls stand around the set that is being judged. For "
     "precision, a fake must lie in a ball around a *real* sample: an outlier among the fakes "
     "should not be believed for reaching far itself."),
    (None, lambda s, c, k: _inside(s, c, k + 1),
     "The balls are too large: they reach to neighbour number k + 1. Is the sample itself at "
     "distance 0 still in the list that is counted here?"),
    (None, lambda s, c, k: _inside(s, c, 3),
     "Right for k=3, but every other k gives the same: is 3 written as a number?"),
    (None, lambda s, c, k: _inside(s, c, k) * len(s) / len(c),
     "The right samples are counted, and divided by the size of the other set. Of what is this "
     "the share?"),
    (None, lambda s, c, k: _mean(_within(s, c, k).gather(1, torch.cdist(s, c).argmin(1)[:, None])),
     "Only the ball of the nearest centre is asked. A ball farther away may be larger: a sample "
     "counts if it lies in any of them."),
    (None, lambda s, c, k: _mean((torch.cdist(s, c) ** 2 <= _radii(c, k)).any(dim=1)),
     "A squared distance is compared with a radius, which is none. Which root is missing?"),
    (None, lambda s, c, k: _mean(_within(s, c, k).all(dim=1)),
     "No sample counts here at all, as if it had to lie in every ball. One of them is enough."),
    (None, lambda s, c, k: _mean(_within(s, c, k)),
     "All pairs of a sample and a ball are counted. A sample counts once, however many balls it "
     "lies in."),
    (None, lambda s, c, k: _mean(_within(s, c, k, lambda c, k: _radii(c, k, s)).any(dim=1)),
     "The balls are too small: their radius reaches to the k-th nearest among real and fake "
     "samples together. Among whom are the neighbours of a real sample counted?"),
    (None, lambda s, c, k: _mean(_within(s, c, k, lambda c, k: _radii(c, k).mean()).any(dim=1)),
     _ONE_RADIUS := "All balls have one radius here. Each centre has a radius of its own, which is "
     "small where samples lie close together."),
    (None, lambda s, c, k: _mean(_within(s, c, k, lambda c, k: _radii(c, k).amax()).any(dim=1)),
     _ONE_RADIUS),
]  # fmt: skip
_PAIR_WRONGS: list[Known] = [
    ("pr-swapped", lambda fake, real, k: _both(_inside)(real, fake, k),
     "Both shares are right, in the other order. Precision asks whether the fakes are believable: "
     "whose share is it?"),
    ("pr-coverage", lambda fake, real, k: (_inside(fake, real, k), _hold_any(real, fake, k)),
     "Precision is right. This second share draws balls around *real* samples again; for recall "
     "they stand around the fakes."),
    (None, lambda fake, real, k: (_inside(fake, real, k),) * 2,
     "Precision is right, and stands in both places. For recall the sets change roles."),
    (None, lambda fake, real, k: (_inside(real, fake, k),) * 2,
     "Recall is right, and stands in both places. For precision the sets change roles."),
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
    other = (
        1.1 * normal(40, 3, seed=23),
        torch.cat([normal(20, 3, seed=24), normal(12, 3, seed=25) - 2]),
    )
    asked = [(fake, real, {"k": 3}), (fake, real, {"k": 1}), (*other, {"k": 5}), (*other, {})]
    problems, got = [], []
    for a, b, options in asked:
        sizes = f"fake {tuple(a.shape)}, real {tuple(b.shape)}"
        call = f"precision_recall({sizes}{with_options(options)})"
        parts = ask(answer, call, a, b, hints=_BALL_HINTS, **options)
        parts = compare.need_parts(parts, call, "precision", "recall")
        got.append(tuple(compare.need_number(part, call, plain=False) for part in parts))
        problems.append((a, b, options.get("k", 3)))
    right = [_both(_inside)(*problem) for problem in problems]
    if not all(map(_like, got, right)):
        _explain_precision_recall(got, right, problems)


def _like(mine: tuple, other: tuple) -> bool:
    return all(abs(a - b) < 1e-6 for a, b in zip(mine, other, strict=True))


def _explain_precision_recall(got: list, right: list, problems: list[tuple]) -> None:
    known = [*_PAIR_WRONGS, *((name, _both(share), said) for name, share, said in _SHARE_WRONGS)]
    name_wrong(got, known, problems, _like)
    first = next(i for i, pair in enumerate(got) if not _like(pair, right[i]))
    fakes, reals, k = problems[first]
    by_default = first == len(got) - 1
    others = [j for j in range(1, 20) if _like(got[first], _both(_inside)(fakes, reals, j))]
    if by_default and others:
        wrong(f"""Right where k is given. Without it, k should be {k}, and this is the result for
            k={" or ".join(map(str, others))}.""")
    seen = ["A share lies between 0 and 1."] * (max(got[first]) > 1 + 1e-6 or min(got[first]) < 0)
    for i, name in enumerate(("precision", "recall")):
        mine, good = [pair[i] for pair in got], [pair[i] for pair in right]
        if compare.close(mine, good, tolerance=1e-6):
            seen.append(f"The {name} is right for every k.")
            continue
        told = explain(mine, good)
        for _, formula, message in known[1:]:  # what a mistake makes of one share alone
            if compare.close(mine, [formula(*problem)[i] for problem in problems], tolerance=1e-6):
                told = message
        if told:
            seen.append(f"The {name}: {told[0].lower()}{told[1:]}")
    shares = [f"{pair[first][0]:.4g} and {pair[first][1]:.4g}" for pair in (got, right)]
    wrong(f"""With k={k}{" by default" * by_default}, precision and recall came back as {shares[0]};
        {shares[1]} were expected. {" ".join(seen)} Look at one ball: its centre, its radius, and
        who is asked whether it lies inside.""")
