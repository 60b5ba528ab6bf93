"""Checks of notebook 06: Inception score, Fréchet and kernel distance, precision and recall."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from gan_helpers import metrics

from .catalogue import MISTAKES
from .compare import (
    Known,
    all_near,
    as_tensor,
    ask,
    ask_number,
    close,
    explain,
    name_wrong,
    near,
    need_number,
    need_parts,
    off_by,
)
from .framework import Raised, calling, describe_value, exercise, need, wrong

MISTAKES.update(
    {
        "is-no-exp": "the mean divergence is returned without its exponential",
        "is-log-zero": "the logarithm of a probability that rounded to zero",
        "fid-not-centred": "second moments where the covariance was asked",
        "fid-divided-by-n": "the covariance is divided by N, not N - 1",
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

GENERATORS = ("memoriser", "one of each", "half the classes", "noisy", "blurred", "speckle")


def _normal(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


# --- 6.1 Inception score -------------------------------------------------------------------------


def inception_score(logits: Tensor, splits: int = 10) -> float:
    """The package's Inception score of logits (N, K), as a plain number."""
    return metrics.inception_score(logits, splits=splits).value


def _score_of(p: Tensor, reverse: bool = False) -> float:
    """exp(mean KL) from probabilities p (N, K), in the asked direction or the other."""
    q = p.mean(dim=0, keepdim=True)
    kl = q * (q.log() - p.log()) if reverse else p * (p.log() - q.log())
    return math.exp(kl.sum(dim=1).mean())


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(dim=-1)


_IS_WRONGS: list[Known] = [
    ("is-kl-reversed", lambda p, z: _score_of(p, reverse=True),
     "Probabilities and marginal are right, but the divergence is taken the wrong way round: this "
     "is KL(p(y) || p(y|x)). Which of the two weights the logarithm?"),
    ("is-no-exp", lambda p, z: math.log(_score_of(p)),
     "The mean divergence is right. The score is on another scale, on which it runs from 1 to the "
     "number of classes: what is done with the divergence last?"),
    (None, lambda p, z: _score_of(p.softmax(dim=1)),
     "The softmax is taken twice, so that all answers become unsure. Where is the second one?"),
    (None, lambda p, z: math.exp((p * (p.log() - z.mean(0).log_softmax(0))).sum(1).mean()),
     "p(y) is made from the mean of the logits here. It is the mean of the probabilities p(y|x), "
     "which is another thing."),
    (None, lambda p, z: float((p * (p / p.mean(0)).log()).sum(1).exp().mean()),
     "The exponential is taken of each sample's divergence, and then the mean. Which of the two "
     "comes first in the formula?"),
]  # fmt: skip


@exercise(
    "6.1",
    "The Inception score",
    signature="inception_score(logits, splits=10)",
    takes="logits: float tensor (N, K), one row a sample, in any order (sorted by class, too)",
    returns="a number: the mean over `splits` equal parts of exp(mean KL(p(y|x) || p(y)))",
    accepts="a float, or a tensor or array with one value; parts cut after any kind of shuffling",
    mistakes="is-kl-reversed is-logits is-sorted-splits is-no-exp is-log-zero",
    reference=inception_score,
)
def check_inception_score(answer) -> None:
    shapes = ((60, 4), (44, 3), (30, 6), (25, 5), (50, 2), (36, 7))
    problems = [(1.5 * _normal(*shape, seed=i)).float() for i, shape in enumerate(shapes, 1)]
    problems = [part + torch.linspace(0.5, -0.5, part.shape[1]) for part in problems]
    p = [part.double().softmax(dim=1) for part in problems]
    call = "inception_score(logits, splits=1)"
    got = [ask_number(answer, call, part, splits=1) for part in problems]
    if not all_near(got, map(_score_of, p)):
        _explain_inception_score(answer, got, problems, p)
    _check_tiny_probabilities(answer)
    _check_sorted(answer)
    _check_parts(answer)
    _check_splits(answer)


def _explain_inception_score(answer, got: list[float], problems: list[Tensor], p: list[Tensor]):
    call = "inception_score(values that sum to one in each row, 1)"
    if near(ask_number(answer, call, p[0].float(), splits=1), _score_of(p[0])):
        wrong("""is-logits: The divergence itself is computed as asked, but the rows of `logits` go
            into it as they are: they may be negative and do not sum to one. What turns logits into
            p(y|x)?""")
    name_wrong(got, _IS_WRONGS, [(a, b.double()) for a, b in zip(p, problems, strict=True)])
    expected = [_score_of(part) for part in p]
    start = f"For 60 samples in one part, {off_by(got[0], expected[0])}. "
    call = "inception_score(logits, splits=1)"
    if not near(ask_number(answer, call, problems[0], splits=1), got[0]) and got[0] == got[0]:
        wrong(f"""{start}Asked again, it gives another number. In one part the order of the samples
            does not matter: is `splits` used, and does every sample count once?""")
    shift = torch.linspace(-2, 2, len(problems[0]))[:, None]
    call = "inception_score(logits + a constant for each row, splits=1)"
    if (
        not near(ask_number(answer, call, problems[0] + shift, splits=1), got[0])
        and got[0] == got[0]
    ):
        wrong(f"""{start}The score changes when all logits of a sample are raised by the same
            amount, which leaves a softmax over the classes as it was. Look at how p(y|x) is made,
            and over which dimension.""")
    classes = [part.shape[1] for part in p]
    likeliest = [nn.functional.one_hot(part.argmax(1)).double() for part in p]
    terms = {
        "the entropy of p(y)": ([_entropy(part.mean(0)) for part in p], 1.0),
        "the mean entropy of p(y|x)": ([_entropy(part).mean() for part in p], -1.0),
        "the entropy of the likeliest classes": ([_entropy(q.mean(0)) for q in likeliest], 0.0),
        "the logarithm of the number of classes": ([math.log(k) for k in classes], 0.0),
    }
    kl = [math.log(value) for value in expected]
    scale, told = "Beside the mean divergence, without an exponential", explain(got, kl)
    if not all(map(math.isfinite, got)):
        scale = "Not finite"
    elif min(got) > 0 and not told.startswith("Everything"):
        scale = "In the exponent"
        told = explain([math.log(v) for v in got], kl, terms, {"the number of classes": classes})
    wrong(f"""{start}{f"{scale}: {told[0].lower()}{told[1:]}" if told else ""} Check the three steps
        one by one: the marginal p(y) is a mean over samples, the divergence a sum over classes, the
        score the exponential of its mean over samples.""")


def _check_tiny_probabilities(answer) -> None:
    """A very sure judge; and a class so unlikely that in float32 its p(y) is 0, too."""
    sure = 300.0 * torch.eye(4).repeat(6, 1)
    unlikely = torch.cat([1.5 * _normal(24, 3, seed=2), torch.full((24, 1), -300.0)], dim=1)
    for logits, what, said in (
        (sure, "logits of 300",
         "Right for small logits. For a very sure judge, some probabilities round to 0, and their "
         "logarithm makes the score nan. There is a function that gives log p directly from the "
         "logits."),
        (unlikely, "a class that has logits of -300 everywhere",
         "By now log p(y|x) is safe. But here one class is so unlikely for every image that its "
         "p(y) rounds to 0, too, and the logarithm of that makes the score nan. How is log p(y) "
         "made, and in how many digits?"),
    ):  # fmt: skip
        call = f"inception_score(logits, splits=1) with {what}"
        got = ask_number(answer, call, logits.float(), splits=1)
        need(math.isfinite(got), said, "is-log-zero")
        p = logits.softmax(dim=1)
        expected = math.exp(_entropy(p.mean(0)) - _entropy(p).mean())
        need(near(got, expected, rel=1e-2), f"With {what}, {off_by(got, expected)}.")


def _check_splits(answer) -> None:
    """40 sure samples of 40 classes: a part's score is its size, whatever the order."""
    for options, splits in (({}, 10), ({"splits": 1}, 1), ({"splits": 8}, 8)):
        call = f"inception_score(logits of 40 sure samples of 40 classes{_named(options)})"
        got = ask_number(answer, call, 60.0 * torch.eye(40), **options)
        parts = 40 / got if got > 0 else 0
        looks = f"As it is, it looks like {parts:.3g} part{'s' * (parts > 1.01)}. Is `splits` used?"
        if parts < 0.99 or not near(parts, round(parts), rel=1e-2):
            looks = "How is the list cut, and over what is the mean taken?"
        if not near(got, 40 / splits, rel=1e-2):
            wrong(f"""`{call}`: {off_by(got, 40 / splits)}, since each of the {splits} parts holds
                {40 // splits} samples. {looks}""")


def _named(options: dict) -> str:
    return "".join(f", {name}={value}" for name, value in options.items())


def _check_sorted(answer) -> None:
    logits = 20.0 * torch.eye(5)
    for order, rows, said in (
        ("sorted by class", logits.repeat_interleave(120, dim=0),
         "One part is scored correctly. But these samples came sorted by class, so each of your "
         "parts saw a single class, and the score is {} where nearly 5 is right. What should "
         "happen to the order before the cut?"),
        ("whose classes come in turn", logits.repeat(120, 1),
         "Right for samples sorted by class. But where the classes come in turn (0, 1, 2, ..., 0, "
         "1, 2, ...), each of your parts sees a single class, and the score is {} where nearly 5 "
         "is right. Which order is safe whatever comes in?"),
    ):  # fmt: skip
        got = ask_number(answer, f"inception_score(logits {order}, splits=5)", rows, splits=5)
        mistake = "is-sorted-splits" if order.startswith("sorted") else None
        need(not got < 2, said.format(f"{got:.3g}"), mistake)
        if not 4.6 < got < 5.01:
            wrong(f"For 600 sure samples of 5 classes in 5 parts, {off_by(got, 4.95)}.")


def _check_parts(answer) -> None:
    """20 parts of two sure samples, 10 of class 1 among 30 of class 0, in a random order.

    A part scores 1, or 2 if its samples differ. As 10 is even, so is the number of parts that
    differ, however the samples were shuffled: the mean is 1.1, 1.2, 1.3, 1.4 or 1.5. (It is 1 for
    one order in 50,000.)
    """
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    logits = 20.0 * nn.functional.one_hot((order < 10).long(), 5).float()
    got = ask_number(answer, "inception_score(logits of 40 samples, splits=20)", logits, splits=20)
    shares = (0.1, 0.2, 0.3, 0.4, 0.5)
    if any(near(got, 1 + share) for share in shares):
        return
    if any(near(got, 2**share) for share in shares):
        wrong("""The parts are cut and their divergences are right, but the exponential is taken
            once, of the mean over all parts. Each part has a score of its own, and those are
            averaged: which of the two steps comes first?""")
    single = near(got, 1.0) or near(got, 2.0)
    wrong(
        f"With 20 parts of 2 samples each, {got:.4g} came back"
        + (": that is the score of a single part. " if single else ", which no order gives. ")
        + "Is `splits` used, is the mean taken over the parts' scores, and is p(y) that of the "
        "part, not of all images?"
    )


# --- 6.2 mean and covariance ---------------------------------------------------------------------


class _Seen(list):
    """(images, in train mode?) of each look: one account for a judge and its copies."""

    def __deepcopy__(self, memo: dict) -> _Seen:
        return self


class _TinyJudge(nn.Module):
    """A judge for checks, with `d` features, of images with `channels` channels of 4 x 4."""

    name, num_classes = "tiny-judge", 5

    def __init__(self, d: int = 3, channels: int = 1) -> None:
        super().__init__()
        self.feature_dim, self.input_shape, self.seen = d, (channels, 4, 4), _Seen()
        self.body, self.norm = nn.Linear(16 * channels, d), nn.BatchNorm1d(d)
        self.head = nn.Linear(d, 5)
        with torch.no_grad():
            for layer, seed in ((self.body, 11), (self.head, 12)):
                layer.weight.copy_(_normal(*layer.weight.shape, seed=seed) / 3)
                layer.bias.zero_()
            self.norm.running_mean.copy_(torch.tensor([0.5, -1.0, 0.2, 0.9])[:d])
            self.norm.running_var.copy_(torch.tensor([0.3, 2.0, 1.0, 0.6])[:d])

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append((images.detach().float().cpu().clone(), self.training))
        features = self.norm(self.body(images.float().flatten(1)))
        return features, self.head(features)

    def forward(self, images: Tensor) -> Tensor:
        return self.features_and_logits(images)[1]

    def truth(self, images: Tensor) -> Tensor:
        """The features that it gives images in [-1, 1] in eval mode, in float64."""
        fresh = copy.deepcopy(self).eval()
        with torch.no_grad():
            return fresh.norm(fresh.body(images.flatten(1))).double()


def _pixels(n: int, seed: int, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, channels, 4, 4), generator=generator, dtype=torch.uint8)
    images[0, 0, 0, :2] = torch.tensor([0, 255], dtype=torch.uint8)
    return images


def _shown(judge: _TinyJudge) -> Tensor:
    """All that the judge saw, an image a row."""
    need(judge.seen, "The judge was never shown an image: its `features_and_logits` gives both.")
    return torch.cat([part.flatten(1) for part, _ in judge.seen])


def _same_images(shown: Tensor, images: Tensor, tolerance: float) -> Tensor:
    """(shown, images): which are the same, with each pixel within the tolerance."""
    return torch.cdist(shown, images.flatten(1).float(), p=math.inf) < tolerance


def _check_shown(judge: _TinyJudge, **sets: tuple[Tensor, float]) -> None:
    """Reject unless the judge saw every image of these sets, in eval mode.

    sets: what they are -> the images in [-1, 1], and how far a pixel may be off.
    """
    shown = _shown(judge)
    pairs = {name: _same_images(shown, *given) for name, given in sets.items()}
    seen = {name: pair.any(dim=0) for name, pair in pairs.items()}
    strangers = shown[~torch.cat([*pairs.values()], dim=1).any(dim=1)]
    missing = [name for name in sets if not seen[name].all()]
    for name in missing:
        what, (images, tolerance) = name.replace("_", " "), sets[name]
        if not len(strangers):
            need(seen[name].any(), f"The judge was never shown the {what}.")
            wrong(f"""The judge saw only {int(seen[name].sum())} of {len(images)} {what}. What
                happens to the last, smaller batch?""")
        praise = "The others were shown as they should be. " * (len(missing) < len(sets))
        what = "images" if len(missing) > 1 else what
        _explain_strangers(strangers, images, tolerance, what, praise)
    if any(training for _, training in judge.seen):
        wrong("""fid-train-mode: The pixels are right. But the judge was in train mode when it
            looked: its BatchNorm then uses each batch's own statistics, so the features change with
            the batch. It may come to you in either mode.""")


def _explain_strangers(
    strangers: Tensor, images: Tensor, tolerance: float, what: str, praise: str
) -> None:
    """Say what the judge saw in place of these images."""
    low, high, rows = strangers.min().item(), strangers.max().item(), images.flatten(1)
    generated = what.startswith("generated")
    cast = "Was a float cast to uint8 before it was scaled?" if generated else ""
    need(high > low, f"{praise}The {what} were shown all of one grey. {cast}")
    clipped, negative = (rows * 255).clamp(0, 255) / 127.5 - 1, -rows
    for other, said in (
        (clipped, "scaled as if they were in [0, 1], so that everything below middle grey became "
         "black. Which range do they have?"),
        (negative, "turned into their negatives. Which end of the range is black?"),
    ):  # fmt: skip
        found = _same_images(strangers, other, 2e-2).any(dim=1).all()
        need(not found, f"{praise}The {what} were shown {said}")
    if not abs(low - rows.min()) > tolerance and not abs(high - rows.max()) > tolerance:
        wrong(f"""{praise}The {what} were shown with values from -1 to 1, as they should be, but
            these are not the ones that came in. Was anything but their scale changed on the way?
            {cast}""")
    wrong(
        f"{praise}The judge was trained on pixels from -1 to 1, and was shown {what} with values "
        f"from {low:.3g} to {high:.3g}. It does not complain: look at how "
        + ("`sample`'s range becomes the judge's." if generated else "uint8 becomes float."),
        "fid-range",
    )


_JUDGE_HINTS = (
    (r"'tuple' object has no attribute|\b(got|not) tuple|type\(s\) for .*'tuple'", None,
     "`features_and_logits` gives two things: features and logits."),
    (r"non-empty (list|TensorList)|need at least one array", None,
     "Not one batch was made of these images. What happens to the last, smaller batch?"),
)  # fmt: skip


def mean_and_covariance(images: Tensor, judge: nn.Module) -> tuple[Tensor, Tensor]:
    """The package's mean (d,) and covariance (d, d) of a judge's features."""
    seen = metrics.look(images, judge.eval())
    return seen.mean, seen.covariance


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
    for images, d, channels in ((_pixels(13, seed=3), 3, 1), (_pixels(1031, 4, channels=2), 4, 2)):
        judge = _TinyJudge(d, channels).train()
        call = f"mean_and_covariance({len(images)} images, judge)"
        got = need_parts(
            ask(answer, call, images, judge, hints=_JUDGE_HINTS), call, "mean", "covariance"
        )
        _check_shown(judge, images=(images.float() / 127.5 - 1, 1e-3))
        features = judge.truth(images.float() / 127.5 - 1)
        for part in got:
            if not isinstance(part, Tensor | np.ndarray | list | tuple):
                wrong(f"""`{call}` should return two tensors, but one of them is
                    {describe_value(part)}.""")
        mean, covariance = map(as_tensor, got)
        if (tuple(mean.shape), tuple(covariance.shape)) == ((d, d), (d,)):
            wrong("Both are there, in the other order: which does the contract name first?")
        _check_mean(mean, features, [len(part) for part, _ in judge.seen])
        _check_covariance(covariance, features)


def _check_mean(mean: Tensor, features: Tensor, batches: list[int]) -> None:
    expected, d = features.mean(dim=0), features.shape[1]
    if mean.numel() == 5:
        wrong("The mean has 5 values: those are the logits. Which of the two are the features?")
    if tuple(mean.shape) != (d,):
        wrong(f"""The mean should have one value for each of the {d} features, shape ({d},); it has
            shape {tuple(mean.shape)}. Over which dimension is it taken?""")
    if close(mean, expected):
        return
    of_batches = expected
    if sum(batches) == len(features):
        parts = [part.mean(dim=0) for part in features.split(batches)]
        of_batches = torch.stack(parts).mean(dim=0)
    unit = nn.functional.normalize(features, dim=1).mean(dim=0)
    known: list[Known] = [
        (None, lambda: of_batches,
         f"The judge saw batches of {batches[0]} and, last, {batches[-1]} images, and this is the "
         "mean of their means: in it, an image of the smaller batch counts for more."),
        (None, lambda: unit,
         "This is the mean of features that were brought to length 1 first. They are to be used as "
         "the judge gives them."),
    ]  # fmt: skip
    name_wrong([mean], known, [()], close)
    shown = [[round(value, 4) for value in part.tolist()] for part in (mean, expected)]
    wrong(
        f"The mean has the right shape but is off by up to {(mean - expected).abs().max():.3g}: "
        f"{shown[0]} came back, {shown[1]} was expected. "
        + (explain(mean, expected) or "It is a mean over images of the features as they come.")
    )


def _check_covariance(covariance: Tensor, features: Tensor) -> None:
    n, d = features.shape
    shape = tuple(covariance.shape)
    if shape == (n, n):
        wrong(f"""fid-rowvar: The mean is right. The covariance is {n} x {n}, one row for each
            image: samples were taken for variables. In which dimension does this function expect
            the features?""")
    if shape != (d, d):
        wrong(f"The mean is right. The covariance of {d} features is {d} x {d}; yours is {shape}.")
    expected, moments = torch.cov(features.T), features.T @ features
    if close(covariance, expected, tolerance=2e-4):
        return
    from_one = features - features.mean()
    known: list[Known] = [
        ("fid-divided-by-n", lambda: expected * (n - 1) / n,
         f"All entries are {1 - 1 / n:.4f} times what they should be: the sum was divided by N. "
         "The mean was estimated from the same samples, which uses one of them up."),
        ("fid-not-centred", (lambda: moments / n, lambda: moments / (n - 1)),
         "The mean is right, and it should be used once more: these are products of the features "
         "themselves, not of their deviations from the mean."),
        (None, lambda: from_one.T @ from_one / (n - 1),
         "The deviations are taken from one mean of all features together. Each feature has a mean "
         "of its own."),
        (None, lambda: torch.corrcoef(features.T),
         "These are correlations, with ones on the diagonal: each product of two deviations was "
         "divided by both standard deviations, too."),
        (None, lambda: torch.diag(expected.diagonal()),
         "The variances on the diagonal are right. The covariances of two different features are "
         "missing beside them."),
    ]  # fmt: skip
    name_wrong([covariance], known, [()], lambda a, b: close(a, b, tolerance=2e-4))
    wrong(f"""The covariance has the right shape, but differs by up to
        {(covariance - expected).abs().max():.3g} (largest entry {expected.abs().max():.3g}) for {n}
        images. {explain(covariance.flatten(), expected.flatten())} Each entry is a sum over all
        images of products of two deviations, divided by N - 1.""")


# --- 6.3 Fréchet distance ------------------------------------------------------------------------


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
    # Both triangles of a product have positive eigenvalues, so that nan means another mistake; in
    # the second pair all entries of the product are positive.
    pairs = [
        ([[5, -2, 2], [-2, 9, -1], [2, -1, 6]], [[3, 0, 2], [0, 9, -3], [2, -3, 7]]),
        ([[6, 1, 2], [1, 5, 1], [2, 1, 8]], [[4, 2, 1], [2, 7, 1], [1, 1, 3]]),
        ([[4, 1], [1, 3]], [[2, -1], [-1, 5]]),
        ([[3, 1], [1, 2]], [[4, 1], [1, 6]]),
        ([[7, 1], [1, 3]], [[2, 0], [0, 5]]),
    ]
    covariances = [(_matrix(a), _matrix(b)) for a, b in pairs]
    means = [_matrix(m) for m in ([1, -2, 4], [-3, 0.5, 1], [2, 5], [0.5, -1], [-2, 3])]
    shifts = [_matrix(m) for m in ([2, 3, 6], [-1, 2, 2], [3, -4], [1, 1.5], [-2, 0.5])]
    same = [
        _frechet(answer, "equal means, two covariances", mean, a, mean, b)
        for mean, (a, b) in zip(means, covariances, strict=True)
    ]
    right = [float(a.trace() + b.trace()) - 2 * _trace_of_root(a, b) for a, b in covariances]
    if not all_near(same, right):
        _explain_root(same, right, covariances)
    apart = [
        _frechet(answer, "different means, equal covariances", mean, a, mean + shift, a)
        for mean, shift, (a, _) in zip(means, shifts, covariances, strict=True)
    ]
    _explain_shift(apart, means, shifts)
    statistics = means[0], covariances[0][0], means[1], covariances[1][1]
    both = _frechet(answer, "all four different", *statistics)
    expected = metrics.frechet_from_statistics(*statistics)
    if not near(both, expected):
        wrong(f"""Right where either the means or the covariances are equal, but not where both
            differ: {off_by(both, expected)}. It should be the sum of a part of each.""")
    # Rank 1, and as rounding leaves it: two eigenvalues a little below 0.
    flat, cov_g = _matrix([1, 2, -1]), covariances[0][1]
    thin = torch.outer(flat, flat) - 1e-12 * torch.eye(3, dtype=torch.float64)
    singular = _frechet(answer, "...) with singular covariances", means[0], thin, means[0], cov_g)
    expected = float(flat @ flat + cov_g.trace()) - 2 * float(flat @ cov_g @ flat) ** 0.5
    if not abs(singular - expected) < 2e-3 * expected:
        wrong(f"""Right for full-rank covariances, but for one of rank 1,
            {off_by(singular, expected)}. Fewer samples than features always give such a matrix, and
            rounding then makes some eigenvalues slightly negative: what should become of them
            before a root is taken?""")


def _frechet(answer, what: str, *statistics: Tensor) -> float:
    """What the answer gives; nan where a routine of linear algebra gave up on the matrix.

    Some versions raise an error there and others return nan: the reader gets the same words.
    """
    try:
        return ask_number(answer, f"frechet_distance({what})", *statistics)
    except Raised as raised:
        if isinstance(raised.error, torch.linalg.LinAlgError | np.linalg.LinAlgError):
            return math.nan
        raise


def _matrix(values: list) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _explain_shift(got: list[float], means: list[Tensor], shifts: list[Tensor]) -> None:
    """Say what went wrong with means that differ, if anything did."""
    right = [float(shift @ shift) for shift in shifts]
    if all_near(got, right):
        return
    start = "The covariance part is right. "
    if all_near(got, [value**0.5 for value in right]):
        wrong(f"""fid-no-square: {start}The two means are 7 apart, and that adds 7 to your distance.
            What does the formula do to the length of the difference?""")
    start += f"For equal covariances and means 7 apart, {off_by(got[0], right[0])}. "
    known: list[Known] = [
        (None, lambda shift: abs(float(shift.sum())) ** 2,
         f"{start}The differences are summed before they are squared."),
        (None, lambda shift: float(shift.abs().sum()), f"{start}These are sizes, not squares."),
    ]  # fmt: skip
    name_wrong(got, known, [(shift,) for shift in shifts])
    moved = [(mean, mean + shift) for mean, shift in zip(means, shifts, strict=True)]
    terms = {
        "|mean_r|^2": ([a @ a for a, _ in moved], 1.0),
        "|mean_g|^2": ([b @ b for _, b in moved], 1.0),
        "the product of the two means": ([a @ b for a, b in moved], -2.0),
    }
    sizes = {"the number of features": [float(len(shift)) for shift in shifts]}
    wrong(f"{start}{explain(got, right, terms, sizes)}")


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


def _explain_root(
    got: list[float], right: list[float], covariances: list[tuple[Tensor, Tensor]]
) -> None:
    """Say what is wrong with the part of the covariances."""
    if all_near(got, [value**0.5 for value in right]):
        wrong("""The distance is right, but its root was taken at the end. The formula gives the
            square already.""")
    traces = [float(a.trace() + b.trace()) for a, b in covariances]
    halves = [(total - value) / 2 for total, value in zip(traces, got, strict=True)]

    def same(mine: float, other: float) -> bool:
        return near(mine, other) or math.isnan(mine) and math.isnan(other)

    praise = "The traces of the two covariances are right. "
    if any(map(math.isfinite, halves)):
        known = [(mistake, formula, praise + said) for mistake, formula, said in _ROOT_WRONGS]
        name_wrong(halves, known, covariances, same)
    for extra in (1e-3, 1e-2, 0.1, 1.0):
        plus = [tuple(c + extra * torch.eye(len(c)) for c in pair) for pair in covariances]
        if all_near(halves, [_trace_of_root(*pair) for pair in plus], rel=1e-5):
            wrong(f"""{praise}The root term fits if {extra:g} is added to both diagonals, which
                changes every result: singular covariances need another remedy.""")
    roots = [_trace_of_root(a, b) for a, b in covariances]
    terms = {
        "the trace of cov_r": ([float(a.trace()) for a, _ in covariances], 1.0),
        "the trace of cov_g": ([float(b.trace()) for _, b in covariances], 1.0),
        "the root term": (roots, -2.0),
    }
    yours = f"yours comes to {2 * halves[0]:.4g}."
    if math.isnan(halves[0]):
        yours = "is a root taken of something negative on the way?"
    wrong(f"""For equal means and two covariances with traces that sum to {traces[0]:.4g},
        {off_by(got[0], right[0])}. {explain(got, right, terms)} The root term should be 2 x
        {roots[0]:.4g}; {yours}""")


# --- 6.4 kernel distance -------------------------------------------------------------------------


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
        (_normal(n, d, seed=7 * i), _normal(m, d, seed=7 * i + 1) + 0.5)
        for i, (n, m, d) in enumerate(shapes, 1)
    ]
    # Draws from one distribution, for which the distance comes out below 0.
    problems += [(_normal(8, 4, seed=74), _normal(10, 4, seed=174))]
    got = [
        ask_number(answer, f"kernel_distance(x {tuple(x.shape)}, y {tuple(y.shape)})", x, y)
        for x, y in problems
    ]
    right = [metrics.polynomial_mmd2(x, y) for x, y in problems]
    if not all_near(got, right):
        _explain_kernel_distance(answer, got, right, problems)


# (mistake, the kernel of a matrix of inner products and the dimension, what to say of it)
_KERNELS: list[Known] = [
    (None, lambda k, d: (k / d + 1) ** 3, ""),
    ("kid-no-scale", lambda k, d: (k + 1) ** 3,
     "the inner product goes into the kernel as it is: with 2,048 features it would be thousands, "
     "and its cube noise. By what is it divided?"),
    (None, lambda k, d: (k / d + 1) ** 2, "the kernel is squared where its third power was asked."),
    (None, lambda k, d: k / d + 1, "the kernel is taken without its third power."),
    (None, lambda k, d: (k / d) ** 3, "the 1 that is added in the kernel is missing."),
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


def _mmd2(x: Tensor, y: Tensor, kernel: Callable, within: Callable, factor: float = 2) -> float:
    kxx, kyy, kxy = (kernel(a @ b.T, x.shape[1]) for a, b in ((x, x), (y, y), (x, y)))
    return float(within(kxx) + within(kyy) - factor * kxy.mean())


def _explain_kernel_distance(
    answer, got: list[float], right: list[float], problems: list[tuple]
) -> None:
    known: list[Known] = []
    for kernel_mistake, kernel, of_kernel in _KERNELS:
        for mistake, within, of_within in _WITHIN:
            praise = "Kernel and terms" if of_within and not of_kernel else "All terms"
            text = f"{praise} are there, but {' Also, '.join(filter(None, (of_kernel, of_within)))}"
            name = kernel_mistake or mistake
            known.append((name, lambda x, y, k=kernel, w=within: _mmd2(x, y, k, w), text))
    kernel, within = _KERNELS[0][1], _WITHIN[0][1]
    known += [
        ("kid-missing-two", lambda x, y: _mmd2(x, y, kernel, within, 1),
         "Both terms within a set are right, but the term across is counted once, so that equal "
         "sets do not give 0. Compare with (a - b)^2."),
        (None, lambda x, y: metrics.polynomial_mmd2(x - torch.cat([x, y]).mean(0),
                                                    y - torch.cat([x, y]).mean(0)),
         "Terms and kernel are there, but a mean is subtracted from the features first. This "
         "kernel is not the same for points that have been moved."),
    ]  # fmt: skip
    name_wrong(got, known, problems)
    i = next(i for i, pair in enumerate(zip(got, right, strict=True)) if not near(*pair))
    x, y = problems[i]
    means = [_kernel_means(*problem) for problem in problems]
    factors = zip(_TERMS, zip(*means, strict=True), (1.0, 1.0, -2.0), strict=True)
    terms = {name: (values, factor) for name, values, factor in factors}
    sizes = {"the number of features": [x.shape[1] for x, _ in problems]}
    told = explain(got, right, terms, sizes) or _explain_terms(answer, x, y, means[i])
    told += " A distance below 0 is possible here; without it, the score is biased." * (
        right[i] < 0
    )
    wrong(f"""For {len(x)} and {len(y)} samples of {x.shape[1]} features,
        {off_by(got[i], right[i])}. {told} The three means of the kernel should be {means[i][0]:.4g}
        within x, {means[i][1]:.4g} within y (without the diagonal) and {means[i][2]:.4g}
        across.""")


_TERMS = ("the term within x", "the term within y", "the term across")


def _explain_terms(answer, x: Tensor, y: Tensor, means: tuple[float, ...]) -> str:
    """Which of the three terms are right: with zeros for a set, its own kernel values are all 1."""
    a, b, nothing, both = (
        ask_number(answer, "kernel_distance(x, y), one of them zeros", *pair)
        for pair in ((x, 0 * y), (0 * x, y), (0 * x, 0 * y), (x, y))
    )
    mine = a - nothing + 1, b - nothing + 1, 1 - (both - a - b + nothing) / 2
    good = [name for name, *pair in zip(_TERMS, mine, means, strict=True) if near(*pair)]
    off = [
        f"{name} (it comes to {value:.4g})"
        for name, value in zip(_TERMS, mine, strict=True)
        if name not in good
    ]
    if not good or not off:
        return ""
    right, wanting = " and ".join(good), " and ".join(off)
    return f"Right: {right}. Not yet: {wanting}. By how many pairs is each divided?"


def _kernel_means(x: Tensor, y: Tensor) -> tuple[float, float, float]:
    kernel, within = _KERNELS[0][1], _WITHIN[0][1]
    kxx, kyy, kxy = (kernel(a @ b.T, x.shape[1]) for a, b in ((x, x), (y, y), (x, y)))
    return float(within(kxx)), float(within(kyy)), float(kxy.mean())


# --- 6.5 precision and recall --------------------------------------------------------------------

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
    fake = torch.cat([0.9 * _normal(30, 2, seed=21), 3 + 0.9 * _normal(14, 2, seed=22)])
    real = 1.2 * _normal(50, 2, seed=20)
    other = (
        1.1 * _normal(40, 3, seed=23),
        torch.cat([_normal(20, 3, seed=24), _normal(12, 3, seed=25) - 2]),
    )
    asked = [(fake, real, {"k": 3}), (fake, real, {"k": 1}), (*other, {"k": 5}), (*other, {})]
    problems, got = [], []
    for a, b, options in asked:
        call = f"precision_recall(fake {tuple(a.shape)}, real {tuple(b.shape)}{_named(options)})"
        parts = ask(answer, call, a, b, hints=_BALL_HINTS, **options)
        parts = need_parts(parts, call, "precision", "recall")
        got.append(tuple(need_number(part, call, plain=False) for part in parts))
        problems.append((a, b, options.get("k", 3)))
    right = [(_inside(a, b, k), _inside(b, a, k)) for a, b, k in problems]
    if not all(map(_like, got, right)):
        _explain_precision_recall(got, right, problems)


def _like(mine: tuple, other: tuple) -> bool:
    return all(abs(a - b) < 1e-6 for a, b in zip(mine, other, strict=True))


def _radii(centers: Tensor, k: int, others: Tensor | None = None) -> Tensor:
    """How far each ball reaches; k counts each centre itself as number 0."""
    others = centers if others is None else torch.cat([centers, others])
    return torch.cdist(centers, others).sort(dim=1).values[:, k]


def _mean(hits: Tensor) -> float:
    return float(hits.double().mean())


def _inside(samples: Tensor, centers: Tensor, k: int) -> float:
    """The share of samples inside a ball."""
    return _mean((torch.cdist(samples, centers) <= _radii(centers, k)).any(dim=1))


def _hold_any(centers: Tensor, others: Tensor, k: int) -> float:
    """The share of centres whose own ball holds one of the others."""
    return _mean(torch.cdist(centers, others).amin(dim=1) <= _radii(centers, k))


def _both(share: Callable[[Tensor, Tensor, int], float]) -> Callable:
    return lambda fake, real, k: (share(fake, real, k), share(real, fake, k))


# What a wrong pair of shares is: (mistake, formula, message).
_BALL_WRONGS: list[Known] = [
    ("pr-swapped", lambda fake, real, k: _both(_inside)(real, fake, k),
     "Both shares are right, in the other order. Precision asks whether the fakes are believable: "
     "whose share is it?"),
    ("pr-own-neighbour", _both(lambda s, c, k: _inside(s, c, k - 1)),
     "The balls are too small: each sample was counted among its own k nearest neighbours, at "
     "distance 0."),
    ("pr-wrong-balls", _both(_hold_any),
     "The radii are right, but the balls stand around the set that is being judged. For "
     "precision, a fake must lie in a ball around a *real* sample: an outlier among the fakes "
     "should not be believed for reaching far itself."),
    ("pr-coverage", lambda fake, real, k: (_inside(fake, real, k), _hold_any(real, fake, k)),
     "Precision is right. This second share draws balls around *real* samples again; for recall "
     "they stand around the fakes."),
    (None, _both(lambda s, c, k: _inside(s, c, k + 1)),
     "The balls are too large: they reach to neighbour number k + 1. Is the sample itself at "
     "distance 0 still in the list that is counted here?"),
    (None, _both(lambda s, c, k: _inside(s, c, 3)),
     "Right for k=3, but every other k gives the same: is 3 written as a number?"),
    (None, lambda fake, real, k: (_inside(fake, real, k),) * 2,
     "Precision is right, and stands in both places. For recall the sets change roles."),
    (None, lambda fake, real, k: (_inside(real, fake, k),) * 2,
     "Recall is right, and stands in both places. For precision the sets change roles."),
    (None, _both(lambda s, c, k: _inside(s, c, k) * len(s) / len(c)),
     "The right samples are counted, and divided by the size of the other set. Of what is this "
     "the share?"),
    (None, _both(lambda s, c, k: _mean((torch.cdist(s, c) <= _radii(c, k)).all(dim=1))),
     "A sample counts here only if it lies in every ball. One of them is enough."),
    (None, _both(lambda s, c, k: _mean(torch.cdist(s, c) <= _radii(c, k))),
     "All pairs of a sample and a ball are counted. A sample counts once, however many balls it "
     "lies in."),
    (None, _both(lambda s, c, k: _mean((torch.cdist(s, c) <= _radii(c, k, s)).any(dim=1))),
     "The balls are too small: their radius reaches to the k-th nearest among real and fake "
     "samples together. Among whom are the neighbours of a real sample counted?"),
    (None, tuple(_both(lambda s, c, k, f=f: _mean((torch.cdist(s, c) <= f(_radii(c, k))).any(1)))
                 for f in (torch.mean, torch.amax)),
     "All balls have one radius here. Each centre has a radius of its own, which is small where "
     "samples lie close together."),
]  # fmt: skip


def _explain_precision_recall(got: list, right: list, problems: list[tuple]) -> None:
    name_wrong(got, _BALL_WRONGS, problems, _like)
    first = next(i for i, pair in enumerate(got) if not _like(pair, right[i]))
    fakes, reals, k = problems[first]
    came = f"{got[first][0]:.4g} and {got[first][1]:.4g}"
    others = [j for j in range(1, 20) if _like(got[first], _both(_inside)(fakes, reals, j))]
    if not first < len(got) - 1 and others:
        wrong(f"""Right where k is given. Without it, k should be {k}, and this is the result for
            k={" or ".join(map(str, others))}.""")
    seen = ["A share lies between 0 and 1."] * (max(got[first]) > 1 + 1e-6 or min(got[first]) < 0)
    for i, name in enumerate(("precision", "recall")):
        mine, good = [pair[i] for pair in got], [pair[i] for pair in right]
        if close(mine, good, tolerance=1e-6):
            seen.append(f"The {name} is right for every k.")
            continue
        told = explain(mine, good)
        for _, formula, message in _BALL_WRONGS[1:-1]:  # what a mistake makes of one share alone
            if close(mine, [formula(*problem)[i] for problem in problems], tolerance=1e-6):
                told = message
        if told:
            seen.append(f"The {name}: {told[0].lower()}{told[1:]}")
    wrong(f"""With k={k}{" by default" if first == len(got) - 1 else ""}, precision and recall came
        back as {came}; {right[first][0]:.4g} and {right[first][1]:.4g} were expected.
        {" ".join(seen)} Look at one ball: its centre, its radius, and who is asked whether it lies
        inside.""")


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
    got = need_parts(ask(answer, call), call, "a list by IS", "one by FD")
    for score, order in zip(("IS", "FD"), got, strict=True):
        if not (not isinstance(order, str | dict | set) and hasattr(order, "__iter__")):
            wrong(f"The order by {score} should be a list of names; it is {describe_value(order)}.")
        names = list(order)
        missing = [name for name in GENERATORS if name not in names]
        strange = [str(name) for name in names if name not in GENERATORS]
        said = f" It does not mention: {', '.join(missing)}." * bool(missing)
        said += f" It has {', '.join(strange)}: are all spelled as above?" * bool(strange)
        if not (not missing and len(names) == len(GENERATORS)):
            wrong(f"""Your order by {score} has {len(names)} entries for the {len(GENERATORS)}
                generators.{said}""")


# --- 6.8 a report of one's own -------------------------------------------------------------------


def evaluate_gan(sample, reference: Tensor, judge: nn.Module) -> dict:
    """The package's distance of as many samples as there are reference images."""
    judge.eval()
    score = metrics.frechet_distance(sample(len(reference)), reference, judge)
    return {"FD": score.value, "n": score.n, "n_reference": len(reference)}


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
    for m, seed in ((60, 31), (37, 33)):
        reference, judge, drawn = _pixels(m, seed=seed), _TinyJudge().train(), []

        def sample(n: int, drawn: list = drawn, seed: int = seed) -> Tensor:
            drawn.append(
                (1.4 * _normal(int(n), 1, 4, 4, seed=100 * seed + len(drawn))).tanh().float()
            )
            return drawn[-1].clone()

        call = f"evaluate_gan(sample, {m} reference images, judge)"
        with calling(call, _JUDGE_HINTS):
            got = answer(sample, reference.clone(), judge)
        if not isinstance(got, dict):
            wrong(f"`{call}` should return a dict; {describe_value(got)} came back.")
        missing = [key for key in ("FD", "n", "n_reference") if key not in got]
        need(not missing, f"The report says nothing about {', '.join(map(repr, missing))}.")
        value, n, n_reference = (
            need_number(got[key], f"evaluate_gan(...)[{key!r}]", plain=False, finite=False)
            for key in ("FD", "n", "n_reference")
        )
        pool = torch.cat([torch.zeros(0, 1, 4, 4), *drawn])
        _check_counts(n, n_reference, m, len(pool))
        real = reference.float() / 127.5 - 1
        fakes = _shown_fakes(judge, pool, m)
        _check_shown(judge, generated_images=(fakes, 2e-2), reference_images=(real, 1e-3))
        # As they were shown: on the way they may have been rounded to uint8.
        shown = _shown(judge)
        fakes = shown[torch.cdist(fakes.flatten(1), shown, p=math.inf).argmin(dim=1)]
        expected = metrics.frechet_distance(judge.truth(fakes), judge.truth(real)).value
        outputs = [judge.head.double()(judge.truth(part)) for part in (fakes, real)]
        if near(value, metrics.frechet_distance(*outputs).value, rel=1e-2):
            wrong("""Counts and pixels are right, but this is the distance of the judge's logits.
                Which of its two outputs are the features?""")
        if not near(value, expected, rel=5e-3):
            wrong(f"""Counts and pixels are right, but the distance is not:
                {off_by(value, expected)}. {explain([value, 1], [expected, 1])} Do 6.2 and 6.3 pass
                by themselves?""")


def _check_counts(n: float, n_reference: float, m: int, drawn: int) -> None:
    if n != n_reference:
        wrong(f"""fid-n-mismatch: {n:g} generated images are compared with {n_reference:g} real
            ones. The distance falls as either count grows, so a score means something only beside
            scores at the same counts: how many should you draw?""")
    if not ((n, n_reference) == (m, m) and drawn >= m):
        wrong(f"""Use all {m} images of the reference and as many generated ones; the report says
            {n_reference:g} and {n:g}, and {drawn} were drawn.""")


def _shown_fakes(judge: _TinyJudge, pool: Tensor, m: int) -> Tensor:
    """Those of the images drawn that the judge saw, if they are m; else the first m."""
    if len(pool) == m or not judge.seen:
        return pool[:m]
    seen = _same_images(_shown(judge), pool, 2e-2).any(dim=0)
    count = int(seen.sum())
    if not count <= m:
        wrong(f"""fid-n-mismatch: The judge saw {count} generated images beside {m} real ones; as
            many were asked for. Which of them go into the distance?""")
    return pool[seen] if count == m else pool[:m]
