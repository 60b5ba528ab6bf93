"""Checks of notebook 06 on the Fréchet distance: a judge's features, the formula, a report."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from gan_helpers import metrics

from . import compare
from .catalogue import MISTAKES
from .compare import Known, all_near, ask, close, explain, name_wrong, near, off_by, reject
from .framework import Raised, describe_value, exercise, need, wrong
from .probes import normal
from .watched_judge import JUDGE_HINTS, TinyJudge, check_shown, pixels, same_images

MISTAKES.update(
    {
        "fid-not-centred": "second moments where the covariance was asked",
        "fid-divided-by-n": "the covariance is divided by N, not N - 1",
        "fid-elementwise-root": "the root is taken entry by entry, not of the matrix",
        "fid-separate-roots": "the product of two roots for the root of the product",
    }
)

# --- 6.2 mean and covariance ---------------------------------------------------------------------


def mean_and_covariance(images: Tensor, judge: nn.Module) -> tuple[Tensor, Tensor]:
    """The package's mean (d,) and covariance (d, d) of a judge's features."""
    seen = metrics.look(images, judge.eval())
    return seen.mean, seen.covariance


# Of features (N, d) and the sizes of the batches that the judge saw.
_MEAN_WRONGS: list[Known] = [
    (None, lambda f, sizes: torch.stack([part.mean(0) for part in f.split(sizes)]).mean(0),
     "This is the mean of the batches' means: in it, an image of a smaller batch counts for more."),
    (None, lambda f, sizes: nn.functional.normalize(f, dim=1).mean(0),
     "This is the mean of features brought to length 1. Use them as the judge gives them."),
]  # fmt: skip
_COVARIANCE_WRONGS: list[Known] = [
    ("fid-divided-by-n", lambda f, sizes: torch.cov(f.T, correction=0),
     "All entries are (N - 1) / N times what they should be: the sum was divided by N. The mean "
     "was estimated from the same samples, which uses one of them up."),
    ("fid-not-centred",
     (lambda f, sizes: f.T @ f / len(f), lambda f, sizes: f.T @ f / (len(f) - 1)),
     "The mean is right, and it should be used once more: these are products of the features "
     "themselves, not of their deviations from the mean."),
    (None, lambda f, sizes: (f - f.mean()).T @ (f - f.mean()) / (len(f) - 1),
     "The deviations are from one mean of all features together. Each feature has its own."),
    (None, lambda f, sizes: torch.corrcoef(f.T),
     "These are correlations, with ones on the diagonal: divided by both standard deviations."),
    (None, lambda f, sizes: torch.diag(f.var(0)),
     "The variances on the diagonal are right. The covariances beside them are missing."),
]  # fmt: skip


@exercise(
    "6.2",
    "Mean and covariance of the features",
    signature="mean_and_covariance(images, judge)",
    takes="images: uint8 (N, C, H, W); judge: `judge.features_and_logits(x)` -> (N, d), (N, K) for "
    "float x in [-1, 1]; it may arrive in train mode",
    returns="(mean (d,), covariance (d, d)) of the features, dividing by N - 1",
    accepts="tensors or arrays, float32 or float64; one batch or many",
    mistakes="fid-range fid-train-mode fid-rowvar fid-not-centred fid-divided-by-n",
    reference=mean_and_covariance,
)
def check_mean_and_covariance(answer) -> None:
    # A prime number of images, so that no batch size divides it, and more of them than a batch.
    for images, d, channels in ((pixels(13, seed=3), 3, 1), (pixels(1031, 4, channels=2), 4, 2)):
        n, x, judge = len(images), metrics.to_float(images), TinyJudge(d, channels).train()
        call = f"mean_and_covariance({n} images, judge)"
        got = ask(answer, call, images, judge, hints=JUDGE_HINTS)
        got = compare.need_parts(got, call, "mean", "covariance")
        mean, covariance = map(_need_moment, ("mean", "covariance"), got)
        check_shown(judge, {"images": (x, 1e-3)})
        shapes = tuple(mean.shape), tuple(covariance.shape)
        if shapes == ((d, d), (d,)):
            wrong("Both are there, in the other order: which does the contract name first?")
        if mean.numel() == 5:
            wrong("The mean has 5 values: those are the logits. Which of the two are the features?")
        if shapes[0] != (d,):
            wrong(f"""The mean should have one value for each of the {d} features, shape ({d},); it
                has shape {shapes[0]}. Over which dimension is it taken?""")
        features, sizes = judge.truth(x), [len(part) for part, _ in judge.seen]
        _check_moment("mean", mean, features.mean(0), _MEAN_WRONGS, features, sizes)
        if shapes[1] == (n, n):
            wrong(f"""fid-rowvar: The mean is right. The covariance is {n} x {n}, a row an image:
                samples were taken for variables. In which dimension are the features expected?""")
        if shapes[1] != (d, d):
            wrong(f"""The mean is right. The covariance of {d} features is {d} x {d}; yours is
                {shapes[1]}.""")
        right = torch.cov(features.T)
        _check_moment("covariance", covariance, right, _COVARIANCE_WRONGS, features, sizes)


def _need_moment(name: str, value: object) -> Tensor:
    """Reject what is no tensor or array of real numbers; return it as a tensor."""
    array = value if isinstance(value, Tensor) else _array_of(value)
    if array is None:
        wrong(f"""The {name} should be a tensor or an array of numbers, and none can be made of
            {describe_value(value)}, which came back. What is in it?""")
    if "complex" in str(array.dtype):
        wrong(f"""The {name} holds complex numbers. The features are real: where do imaginary parts
            come in?""")
    return compare.as_tensor(array)


def _array_of(value: object) -> np.ndarray | None:
    """The numbers in a list, say, or None of text, of rows that differ in length and the like."""
    try:
        array = np.asarray(value)
        array = array.astype(float) if array.dtype == object else array
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.dtype.kind in "biufc" and value is not None else None


def _check_moment(name: str, got: Tensor, right: Tensor, known: list[Known], *problem) -> None:
    def say(_: int, told: str) -> str:
        off = (got - right).abs().nan_to_num(math.inf).flatten()
        mine, wanted = (float(part.flatten()[off.argmax()]) for part in (got, right))
        hint = "It is a mean over images of the features as they come."
        if name == "covariance":
            hint = "Each entry is a sum over all images of products of two deviations, over N - 1."
        return f"""The {name} has the right shape but is off by up to {off.max():.3g}:
            {off_by(mine, wanted)}. {told} {hint}"""

    reject([got], [right], [problem], known, say, same=lambda a, b: close(a, b, 2e-4))


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
            return compare.ask_number(answer, f"frechet_distance({what})", *statistics)
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
    cov_r, other = _COVARIANCES[0]
    cov_g = _COVARIANCES[1][1]
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
    (None, (lambda a, b: (a * b).diagonal().sqrt().sum(),
            lambda a, b: _sum_of_roots(torch.linalg.eigvals(a * b))),
     "The root term comes of entries that are multiplied one by one, as with `*`, or of the two "
     "diagonals alone. What more does a product of two matrices do?"),
    ("fid-separate-roots", lambda a, b: (_root(a) @ _root(b)).trace(),
     "This takes the root of each covariance and multiplies the roots. That is only the root of "
     "the product if the two matrices commute, which covariances of two data sets do not."),
    (None, (lambda a, b: _sum_of_roots(torch.linalg.eigvalsh(a @ b)),
            lambda a, b: _sum_of_roots(torch.linalg.eigvalsh(b @ a))),
     "The sum of roots of eigenvalues is there, but they are not those of the product. A routine "
     "for symmetric matrices looks at one triangle only. Is cov_r cov_g symmetric?"),
    (None, lambda a, b: _sum_of_roots(torch.linalg.eigvalsh((a @ b + b @ a) / 2)),
     "The product was made symmetric before its eigenvalues were taken: now it has others."),
    (None, (lambda a, b: a.trace(), lambda a, b: b.trace()),
     "The root term is that of one covariance with itself. Are both of them in the product?"),
    (None, lambda a, b: _sum_of_roots(torch.linalg.svdvals(a @ b)),
     "These are roots of the product's singular values; as it is not symmetric, its eigenvalues "
     "are others."),
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
    i = compare.first_off(got, right)
    if i is None:
        return
    if all_near(got, right**0.5):
        wrong("""The distance is right, but its root was taken at the end. The formula gives the
            square already.""")
    if all_near(got, [(a - b).square().sum() for a, b in _COVARIANCES]):
        wrong("""This is |cov_r - cov_g|^2, the sum of all squared differences of their entries. The
            formula has traces, and a root of the product.""")
    halves, praise = (traces - got) / 2, "The traces of the two covariances are right. "
    known = [(mistake, formula, praise + said) for mistake, formula, said in _ROOT_WRONGS]
    name_wrong(halves, known, _COVARIANCES, partial(np.isclose, rtol=1e-5, equal_nan=True))
    terms = {"the trace of cov_r": (of_r, 1), "the trace of cov_g": (of_g, 1)}
    terms["the root term"] = (roots, -2)
    told = explain(got, right, terms, {"the number of features": [len(a) for a, _ in _COVARIANCES]})
    if math.isnan(halves[i]):
        told = "Is a root taken of something negative on the way?"
    if not told:
        told = f"""If the traces are right, the root term comes to {2 * halves[i]:.4g} where it
            should be 2 x {roots[i]:.4g}."""
    wrong(f"""For equal means and two covariances with traces that sum to {traces[i]:.4g},
        {_off_by(got[i], right[i])}. {told}""")


def _check_shift(got: list[float]) -> None:
    """Reject a wrong part of the means, found with equal covariances."""
    known: list[Known] = [
        ("fid-no-square", lambda mean_r, mean_g: (mean_r - mean_g).norm(),
         "The covariance part is right. What the means add is the length of their difference: "
         "what does the formula do to it?"),
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


# --- 6.8 a report of one's own -------------------------------------------------------------------


def evaluate_gan(sample, reference: Tensor, judge: nn.Module) -> dict:
    """The package's distance of as many samples as there are reference images."""
    judge.eval()
    score = metrics.frechet_distance(sample(len(reference)), reference, judge)
    return {"FD": score.value, "n": score.n, "n_reference": len(reference)}


# Of the features of the generated and of the real images, and the layer that makes logits of them.
_REPORT_WRONGS: list[Known] = [
    (None, lambda f, r, head: metrics.frechet_distance(head(f), head(r)).value,
     "Counts and pixels are right, but this is the distance of logits. Which are the features?"),
    (None, lambda f, r, head: float((f.mean(0) - r.mean(0)).square().sum()),
     "Counts and pixels are right, but this is the distance of the two means alone, as it is when "
     "one covariance stands in both places. Whose covariances are they?"),
]  # fmt: skip


@exercise(
    "6.8",
    "Evaluate a generator of your own",
    signature="evaluate_gan(sample, reference, judge)",
    takes="sample(n): n images, floats in [-1, 1]; reference: uint8 (M, C, H, W); judge as in 6.2",
    returns='a dict with "FD" (number), "n" and "n_reference" (sample counts), n = M',
    accepts="further entries in the dict; sampling in one call or many",
    mistakes="fid-n-mismatch fid-range fid-train-mode",
    reference=evaluate_gan,
)
def check_evaluate_gan(answer) -> None:
    got, problems = [], []
    # A sample that reaches black and white exactly, and a dull one that reaches neither.
    for m, seed, contrast in ((60, 31, 0.8), (37, 33, 0.2)):
        reference, judge, drawn = pixels(m, seed=seed), TinyJudge().train(), []

        def sample(n: int, drawn: list = drawn, seed: int = seed, by: float = contrast) -> Tensor:
            images = by * normal(int(n), 1, 4, 4, seed=100 * seed + len(drawn))
            drawn.append(images.clamp(-1, 1).float())
            return drawn[-1].clone()

        call = f"evaluate_gan(sample, {m} reference images, judge)"
        report = ask(answer, call, sample, reference, judge, hints=JUDGE_HINTS)
        if not isinstance(report, dict):
            wrong(f"`{call}` should return a dict; {describe_value(report)} came back.")
        keys = ("FD", "n", "n_reference")
        missing = [key for key in keys if key not in report]
        need(not missing, f"The report says nothing about {', '.join(map(repr, missing))}.")
        options = {"plain": False, "finite": False}
        value, n, n_reference = (
            compare.need_number(report[key], f"evaluate_gan(...)[{key!r}]", **options)
            for key in keys
        )
        real, pool = metrics.to_float(reference), torch.cat([torch.zeros(0, 1, 4, 4), *drawn])
        shown = judge.shown()
        seen = same_images(shown, pool).any(dim=0)
        compared = int(seen.sum()), int(same_images(shown, real, 1e-3).any(dim=0).sum())
        _check_counts(n, n_reference, m, len(pool), compared)
        fakes = pool[seen] if compared[0] == m else pool[:m]
        check_shown(judge, {"generated images": (fakes, 2e-2), "reference images": (real, 1e-3)})
        # As they were shown: on the way they may have been rounded to uint8.
        fakes = shown[torch.cdist(fakes.flatten(1), shown, p=math.inf).argmin(dim=1)]
        got.append(value)
        problems.append((judge.truth(fakes), judge.truth(real), judge.head.double()))

    def say(i: int, told: str) -> str:
        return f"""Counts and pixels are right, but the distance is not: {off_by(got[i], right[i])}.
            {told} Do 6.2 and 6.3 pass by themselves?"""

    right = [metrics.frechet_distance(*features).value for *features, _ in problems]
    reject(got, right, problems, _REPORT_WRONGS, say, same=lambda a, b: near(a, b, 5e-3))


def _check_counts(n: float, n_reference: float, m: int, drawn: int, compared: tuple) -> None:
    """n, n_reference: what the report says; compared: how many of each the judge saw."""
    if compared == (m, m) and (n, n_reference) != (m, m):
        wrong(f"""The judge saw {m} generated and {m} real images, as it should, but the report says
            n = {n:g} and n_reference = {n_reference:g}. Where do these two come from?""")
    if n != n_reference:
        wrong(f"""fid-n-mismatch: The report speaks of {n:g} generated images and {n_reference:g}
            real ones. The distance falls as either count grows, so a score means something only
            beside scores at the same counts: how many should you draw?""")
    if n != m or drawn < m:
        wrong(f"""Use all {m} images of the reference and as many generated ones; the report says
            {n_reference:g} and {n:g}, and {drawn} were drawn.""")
    if compared[0] > m:
        wrong(f"""fid-n-mismatch: The judge saw {compared[0]} generated images beside {m} real ones;
            as many were asked for. Which of them go into the distance?""")
