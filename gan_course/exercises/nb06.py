"""Checks of notebook 06: Inception score, kernel distance, precision and recall, a prediction.

The Fréchet distance and what it is made of: `nb06_frechet` (6.2, 6.3 and 6.8).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gan_helpers import metrics

from . import compare
from .catalogue import MISTAKES
from .compare import Known, ask, ask_number, explain, name_wrong, near, off_by, reject
from .framework import describe_value, exercise, need, wrong
from .probes import call_of, normal

MISTAKES.update(
    {
        "is-no-exp": "the mean divergence is returned without its exponential",
        "is-log-zero": "the logarithm of a probability that rounded to zero",
        "kid-diagonal": "each sample is compared with itself too",
        "kid-no-scale": "the inner product is not divided by the number of features",
        "kid-missing-two": "the factor 2 before the cross term is missing",
        "pr-swapped": "precision and recall are returned in the other order",
        "pr-own-neighbour": "each sample counts as its own nearest neighbour",
        "pr-wrong-balls": "the balls are drawn around the set that is being judged",
        "pr-coverage": "recall, too, is counted with balls around real samples",
    }
)
GENERATORS = ("memoriser", "one of each", "half the classes", "noisy", "blurred", "speckle")


# --- 6.1 Inception score -------------------------------------------------------------------------


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(dim=-1)


def _mean_kl(p: Tensor) -> float:
    """The mean of KL(p(y|x) || p(y)) from probabilities p (N, K)."""
    return float(_entropy(p.mean(dim=0)) - _entropy(p).mean())


# Of the probabilities and of the logits.
_IS_WRONGS: list[Known] = [
    ("is-kl-reversed", lambda p, z: (p.mean(0) * (p.mean(0) / p).log()).sum(1).mean(),
     "Probabilities and marginal are right, but the divergence is taken the wrong way round: this "
     "is KL(p(y) || p(y|x)). Which of the two weights the logarithm?"),
    ("is-no-exp", lambda p, z: math.log(_mean_kl(p)),
     "The mean divergence is right. The score is on another scale, on which it runs from 1 to the "
     "number of classes: what is done with the divergence last?"),
    (None, lambda p, z: _mean_kl(p.softmax(dim=1)),
     "The softmax is taken twice, so that all answers become unsure. Where is the second one?"),
    (None, lambda p, z: (p * (p.log() - z.mean(0).log_softmax(0))).sum(1).mean(),
     "p(y) is made from the mean of the logits; it is the mean of the probabilities p(y|x)."),
    (None, lambda p, z: (p * (p / p.mean(0)).log()).sum(1).exp().mean().log(),
     "The exponential is taken of each sample's divergence, and then the mean. Which of the "
     "two comes first in the formula?"),
]  # fmt: skip
_IS_TERMS = {
    "the entropy of p(y)": (lambda p, z: _entropy(p.mean(0)), 1.0),
    "the mean entropy of p(y|x)": (lambda p, z: _entropy(p).mean(), -1.0),
    "the entropy of the likeliest classes": (
        lambda p, z: _entropy(one_hot(p.argmax(1)).double().mean(0)), 0.0),
    "the logarithm of the number of classes": (lambda p, z: math.log(p.shape[1]), 0.0),
}  # fmt: skip


@exercise(
    "6.1",
    "The Inception score",
    signature="inception_score(logits, splits=10)",
    takes="logits: float tensor (N, K), one row a sample, in any order (sorted by class, too)",
    returns="a number: the mean over `splits` equal parts of exp(mean KL(p(y|x) || p(y)))",
    accepts="a float, or a tensor or array with one value; parts cut after any kind of shuffling",
    mistakes="is-kl-reversed is-logits is-sorted-splits is-no-exp is-log-zero",
    reference=lambda logits, splits=10: metrics.inception_score(logits, splits=splits).value,
)
def check_inception_score(answer) -> None:
    _check_one_part(answer)
    _check_hard_cases(answer)
    _check_parts(answer)
    # 40 sure samples of 40 classes: a part's score is its size, whatever the order.
    for options, splits in (({}, 10), ({"splits": 1}, 1), ({"splits": 8}, 8)):
        call = call_of("inception_score", options, "logits of 40 sure samples of 40 classes")
        got = ask_number(answer, call, 60.0 * torch.eye(40), **options)
        parts = 40 / got if got > 0 else 0
        looks = f"As it is, it looks like {parts:.3g} part{'s' * (parts > 1.01)}. Is `splits` used?"
        if parts < 0.99 or not near(parts, round(parts), rel=1e-2):
            looks = "How is the list cut, and over what is the mean taken?"
        if splits == 1 and 1 < got < 40:  # p log (p + eps) - p log (q + eps), for p = 1, q = 1/40
            eps = (40 - got) / (40 * got - 40)
            twenty = ask_number(answer, "the same of 20 classes", 60.0 * torch.eye(20), splits=1)
            if near(twenty, (1 + eps) / (1 / 20 + eps), rel=1e-4):
                looks = f"It fits if {eps:.3g} is added to each probability before the logarithm."
        if not near(got, 40 / splits, rel=1e-2):
            wrong(f"""`{call}`: {off_by(got, 40 / splits)}, since a part holds {40 // splits}
                samples. {looks}""")


def _check_one_part(answer) -> None:
    """The exponent of the score of a single part, for several random logits."""

    def ask_for(what: str, logits: Tensor, splits: int = 1) -> float:
        return ask_number(answer, f"inception_score({what}, {splits=})", logits, splits=splits)

    shapes = ((60, 4), (44, 3), (30, 6), (25, 5), (50, 2), (36, 7))
    logits = [(1.5 * normal(*shape, seed=i)).float() for i, shape in enumerate(shapes, 1)]
    logits = [part + torch.linspace(0.5, -0.5, part.shape[1]) for part in logits]
    problems = [(part.double().softmax(dim=1), part.double()) for part in logits]
    got = [ask_for("logits", part) for part in logits]
    right = [_mean_kl(p) for p, _ in problems]

    def say(i: int, told: str) -> str:
        (p, _), z, mine, wanted = problems[i], logits[i], got[i], math.exp(right[i])
        if near(ask_for("values that sum to one in each row", p.float()), wanted):
            return """is-logits: The divergence itself is right, but the rows of `logits` go into
                it as they are, negative and with any sum. What turns logits into p(y|x)?"""
        start = f"For {len(p)} samples in one part, {off_by(mine, wanted)}."
        if near(mine, 1) and near(ask_for("logits", z, splits=len(p)), wanted):
            return f"""{start} It is right with splits={len(p)} in place of splits=1: here `splits`
                is how many samples a part has. It was to be the number of parts."""
        if not math.isnan(mine) and not near(ask_for("logits", z), mine):
            return f"""{start} Asked again, it gives another number. In one part the order of the
                samples does not matter: is `splits` used, does every sample count once, and does
                its row stay together when the order is changed?"""
        shifted = z + torch.linspace(-2, 2, len(z))[:, None]
        if not math.isnan(mine) and not near(ask_for("logits + a constant a row", shifted), mine):
            return f"""{start} It changes when all logits of a sample are raised alike, which leaves
                a softmax over the classes as it was. How is p(y|x) made, over which dimension?"""
        plain = explain(got, right)
        if plain.startswith("Everything"):
            told = f"Beside the mean divergence, without an exponential: {plain}"
        elif told and min(got) > 0:
            told = f"In the exponent: {told}"
        return f"""{start} {told} Check step by step: p(y) is a mean over samples, the divergence a
            sum over classes, the score the exponential of its mean over samples."""

    exponents = [math.log(value) if value > 0 else value for value in got]
    sizes = {"the number of classes": lambda p, z: p.shape[1]}
    same = partial(math.isclose, rel_tol=0, abs_tol=2e-3)  # for the score: equal but for rounding
    reject(exponents, right, problems, _IS_WRONGS, say, terms=_IS_TERMS, sizes=sizes, same=same)


def _check_hard_cases(answer) -> None:
    """A very sure judge, a class whose p(y) is 0 in float32, and two orders of the classes."""
    unlikely = torch.cat([1.5 * normal(24, 3, seed=2), torch.full((24, 1), -300.0)], dim=1)
    classes = 20.0 * torch.eye(5)
    for what, logits, splits, right, said in (
        ("logits of 300", 300.0 * torch.eye(4).repeat(6, 1), 1, 4.0,
         "is-log-zero: Right for small logits. For a very sure judge, some probabilities round to "
         "0, whose logarithm is not finite. Which function gives log p directly from the logits?"),
        ("a class with logits of -300", unlikely, 1, math.exp(_mean_kl(unlikely.softmax(dim=1))),
         "is-log-zero: By now log p(y|x) is safe. But here one class is so unlikely for every "
         "image that its p(y) rounds to 0, too. How is log p(y) made, and in how many digits?"),
        ("600 samples sorted by class", classes.repeat_interleave(120, dim=0), 5, 4.8,
         "is-sorted-splits: One part is right. But if samples come sorted by class, each part sees "
         "one and scores {:.3g}, not nearly 5. What should happen to the order before the cut?"),
        ("600 samples whose classes come in turn", classes.repeat(120, 1), 5, 4.8,
         "Right for samples sorted by class. But where the classes come in turn (0, 1, 2, 0, "
         "...), each part sees one and scores {:.3g}, not nearly 5. Which order is always safe?"),
    ):  # fmt: skip
        call = f"inception_score(logits, {splits=}) of {what}"
        got = ask_number(answer, call, logits.float(), splits=splits)
        failed = got < 2 if splits > 1 else not math.isfinite(got)
        need(not failed, said.format(got))
        # In parts of a random order the classes are not quite equally frequent: 4.6 to 5.
        is_right = near(got, right, rel=1e-2 if splits == 1 else 0.043)
        need(is_right, f"`{call}`: {off_by(got, right)}.")


def _check_parts(answer) -> None:
    """20 parts of two sure samples, 10 of class 1 among 30 of class 0, in a random order.

    A part scores 1, or 2 if its samples differ. As 10 is even, so is the number of parts that
    differ, however the samples were shuffled: the mean is 1.1, 1.2, 1.3, 1.4 or 1.5. (It is 1 for
    one order in 50,000.)
    """
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    logits = 20.0 * one_hot((order < 10).long(), 5).float()
    got = ask_number(answer, "inception_score(logits of 40 samples, splits=20)", logits, splits=20)
    shares = (0.1, 0.2, 0.3, 0.4, 0.5)
    if any(near(got, 1 + share) for share in shares):
        return
    if any(near(got, 2**share) for share in shares):
        wrong("""The parts and their divergences are right, but the exponential is taken once, of
            the mean over all parts. Each part has a score of its own: what is averaged?""")
    single = near(got, 1.0) or near(got, 2.0)
    which = ": that is the score of a single part" if single else ", which no order gives"
    wrong(f"""With 20 parts of 2 samples each, {got:.4g} came back{which}. Is `splits` used, is the
        mean taken over the parts' scores, and is p(y) that of the part, not of all images?""")


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
            off = [said for said in (of_kernel, of_within) if said]
            if not off:
                continue  # the right one
            praise = "All terms" if of_kernel else "Kernel and terms"
            text = f"{praise} are there, but {' Also, '.join(off)}"
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
        "the term within x": (lambda x, y: _means(x, y)[0], 1.0),
        "the term within y": (lambda x, y: _means(x, y)[1], 1.0),
        "the term across": (lambda x, y: _means(x, y)[2], -2.0),
    }
    sizes = {"the number of features": lambda x, y: x.shape[1]}
    reject(got, right, problems, _known_distances(), say, terms=terms, sizes=sizes)


def _explain_terms(answer, x: Tensor, y: Tensor, means: list[float]) -> str:
    """The three terms, if some are right: with zeros for a set, its own kernel values are all 1."""
    a, b, nothing, both = (
        ask_number(answer, "kernel_distance(x, y), one of them zeros", *pair)
        for pair in ((x, 0 * y), (0 * x, y), (0 * x, 0 * y), (x, y))
    )
    mine = a - nothing + 1, b - nothing + 1, 1 - (both - a - b + nothing) / 2
    right = list(map(near, mine, means))
    if all(right) or not any(right):
        return ""
    return f"""Yours are {mine[0]:.4g} within x, {mine[1]:.4g} within y and {mine[2]:.4g} across. By
        how many pairs is each divided?"""


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


_like = partial(math.isclose, rel_tol=0, abs_tol=1e-6)
# Wrong shares of samples s with balls around centres c, for precision and recall alike.
_SHARE_WRONGS: list[Known] = [
    ("pr-swapped", lambda s, c, k: _inside(c, s, k),
     "This is the other one of the two shares, as if they were exchanged. Precision asks whether "
     "the fakes are believable: whose share is it?"),
    ("pr-own-neighbour", lambda s, c, k: _inside(s, c, k - 1),
     "The balls are too small: each sample is among its own k nearest ones, at distance 0."),
    ("pr-wrong-balls", lambda s, c, k: _share(c, s, _radii(s, k), lambda hits: hits.any(0)),
     "The radii are right, but the balls stand around the set that is being judged. They belong "
     "around *real* samples for precision, around fakes for recall: an outlier among the fakes "
     "should not be believed for reaching far itself."),
    (None, lambda s, c, k: _inside(s, c, k + 1),
     "The balls reach to neighbour k + 1. Is the sample itself, at distance 0, still in the list?"),
    (None, lambda s, c, k: _inside(s, c, 3),
     "Right for k=3, but every other k gives the same: is 3 written as a number?"),
    (None, lambda s, c, k: _inside(s, c, k) * len(s) / len(c),
     "The right samples are counted, and divided by the other set's size. Of what is it a share?"),
    (None, lambda s, c, k: _share(
        s, c, _radii(c, k), lambda hits: hits.gather(1, torch.cdist(s, c).argmin(1)[:, None])),
     "Only the ball of the nearest centre is asked. A ball farther away may be larger: a sample "
     "counts if it lies in any of them."),
    (None, lambda s, c, k: _share(s, c, _radii(c, k).sqrt()),
     "A squared distance is compared with a radius, which is none. Which root is missing?"),
    (None, lambda s, c, k: _share(s, c, _radii(c, k), lambda hits: hits.all(1)),
     "No sample counts here at all, as if it had to lie in every ball. One of them is enough."),
    (None, lambda s, c, k: _share(s, c, _radii(c, k), lambda hits: hits),
     "All pairs of a sample and a ball are counted. A sample counts once, in one ball or in many."),
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


@exercise(
    "6.5",
    "Precision and recall",
    signature="precision_recall(fake, real, k=3)",
    takes="fake: float64 tensor (n, d), real: (m, d), no two samples equal",
    returns="(precision, recall): precision is the share of fakes in at least one ball around a "
    "real sample that reaches to its k-th nearest other real sample; recall the reverse",
    accepts="numbers, or tensors or arrays with one value; < or <= at the ball's edge",
    mistakes="pr-swapped pr-own-neighbour pr-wrong-balls pr-coverage",
    reference=lambda fake, real, k=3: tuple(
        share.value for share in metrics.precision_recall(fake, real, neighbours=k)
    ),
)
def check_precision_recall(answer) -> None:
    fake = torch.cat([0.9 * normal(30, 2, seed=21), 3 + 0.9 * normal(14, 2, seed=22)])
    real = 1.2 * normal(50, 2, seed=20)
    shifted = torch.cat([normal(20, 3, seed=24), normal(12, 3, seed=25) - 2])
    others = 1.1 * normal(40, 3, seed=23), shifted

    def shares(a: Tensor, b: Tensor, **options: int) -> tuple[float, float]:
        sizes = f"fake {tuple(a.shape)}, real {tuple(b.shape)}"
        call = call_of("precision_recall", options, sizes)
        parts = ask(answer, call, a, b, hints=_BALL_HINTS, **options)
        parts = compare.need_parts(parts, call, "precision", "recall")
        return tuple(compare.need_number(part, call, plain=False) for part in parts)

    problems = [(fake, real, 3), (fake, real, 1), (*others, 5)]
    got = [shares(a, b, k=k) for a, b, k in problems]
    _check_shares([precision for precision, _ in got], [recall for _, recall in got], problems)
    got, pairs = shares(*others), (others, others[::-1])
    fits = [k for k in range(1, 20) if all(map(_like, got, [_inside(*p, k) for p in pairs]))]
    if 3 not in fits:
        wrong(f"""Right where k is given. Without it, k should be 3, and this is the result for
            k={" or ".join(map(str, fits)) or "no number from 1 to 19"}.""")


def _check_shares(precisions: list[float], recalls: list[float], problems: list[tuple]) -> None:
    """Reject wrong values of either share; problems: (fake, real, k)."""
    back = [(real, fake, k) for fake, real, k in problems]
    precision = precisions, [_inside(*problem) for problem in problems], problems
    recall = recalls, [_inside(*problem) for problem in back], back
    precision_fits, recall_fits = (all(map(_like, *share[:2])) for share in (precision, recall))
    if not precision_fits and not recall_fits:
        name_wrong(precisions + recalls, _SHARE_WRONGS, problems + back, _like)
        _reject_share("Neither share is right; first the precision.", *precision)
    if not precision_fits:
        _reject_share("The recall is right for every k; the precision is not.", *precision)
    if not recall_fits:
        praise = "The precision is right for every k; the recall is not."
        _reject_share(praise, *recall, {"pr-wrong-balls": "pr-coverage"})


def _reject_share(
    praise: str, got: list[float], right: list[float], problems: list[tuple],
    names: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Reject one of the shares; names: what a known mistake is called in this one."""

    def say(i: int, told: str) -> str:
        between = "A share lies between 0 and 1." * (not 0 <= got[i] <= 1)
        return f"""{praise} With k={problems[i][2]}, {off_by(got[i], right[i])}. {told} {between}
            Look at one ball: its centre, its radius, and who is asked whether it lies inside."""

    known = [
        ((names or {}).get(mistake), f, f"{praise} {said}") for mistake, f, said in _SHARE_WRONGS
    ]
    sizes = {"the number of samples": lambda samples, centers, k: len(samples)}
    reject(got, right, problems, known, say, sizes=sizes, same=_like)


# --- 6.6 prediction ------------------------------------------------------------------------------


def predicted_orders() -> tuple[list[str], list[str]]:
    """Best to worst by IS and by FD, as measured on MNIST in the notebook's full run."""
    by_is = ["one of each", "memoriser", "blurred", "noisy", "half the classes", "speckle"]
    by_fd = ["memoriser", "blurred", "one of each", "noisy", "half the classes", "speckle"]
    return by_is, by_fd


@exercise(
    "6.6",
    "Predict: six broken generators in order",
    signature="predicted_orders()",
    takes="nothing",
    returns="two lists of the six names, best first: your order by IS, and by FD",
    accepts="any order: a prediction is not marked",
    reference=predicted_orders,
)
def check_predicted_orders(answer) -> None:
    call = "predicted_orders()"
    got = compare.need_parts(ask(answer, call), call, "a list by IS", "one by FD")
    for score, order in zip(("IS", "FD"), got, strict=True):
        entries = None
        if not isinstance(order, str | dict | set):
            with contextlib.suppress(TypeError):  # it is nothing to walk along
                entries = list(order)
        if entries is None:
            wrong(f"The order by {score} should be a list of names; it is {describe_value(order)}.")
        names = [entry if isinstance(entry, str) else describe_value(entry) for entry in entries]
        missing = ", ".join(name for name in GENERATORS if name not in names)
        strange = ", ".join(dict.fromkeys(name for name in names if name not in GENERATORS))
        if missing or len(names) != len(GENERATORS):
            said = f"It does not mention: {missing}." * bool(missing)
            said += f" It has {strange}: are all spelled as above?" * bool(strange)
            wrong(f"""Your order by {score} has {len(names)} entries for the {len(GENERATORS)}
                generators. {said}""")
