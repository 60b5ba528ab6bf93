"""Checks of notebook 06 that look through a judge: 6.2 its features, 6.8 a report of one's own."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from gan_helpers import metrics

from . import compare
from .catalogue import MISTAKES
from .compare import Known, ask, close, explain, name_wrong, near, off_by
from .framework import calling, describe_value, exercise, need, wrong
from .nb06 import normal

MISTAKES.update(
    {
        "fid-not-centred": "second moments where the covariance was asked",
        "fid-divided-by-n": "the covariance is divided by N, not N - 1",
    }
)
_JUDGE_HINTS = (
    (r"'tuple' object has no attribute|\b(got|not) tuple|type\(s\) for .*'tuple'", None,
     "`features_and_logits` gives two things: features and logits."),
    (r"non-empty (list|TensorList)|need at least one array", None,
     "Not one batch was made of these images. What happens to the last, smaller batch?"),
)  # fmt: skip


# --- what a judge was shown ----------------------------------------------------------------------


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
                layer.weight.copy_(normal(*layer.weight.shape, seed=seed) / 3)
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

    def shown(self) -> Tensor:
        """All that it saw, an image a row."""
        need(self.seen, "The judge was never shown an image: its `features_and_logits` gives both.")
        return torch.cat([part.flatten(1) for part, _ in self.seen])


def _pixels(n: int, seed: int, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, channels, 4, 4), generator=generator, dtype=torch.uint8)
    images[0, 0, 0, :2] = torch.tensor([0, 255], dtype=torch.uint8)
    return images


def _same_images(shown: Tensor, images: Tensor, tolerance: float = 2e-2) -> Tensor:
    """(shown, images): which are the same, with each pixel within the tolerance."""
    return torch.cdist(shown, images.flatten(1).float(), p=math.inf) < tolerance


def _check_shown(judge: _TinyJudge, **sets: tuple[Tensor, float]) -> None:
    """Reject unless the judge saw every image of these sets, in eval mode.

    sets: what they are -> the images in [-1, 1], and how far a pixel may be off.
    """
    shown = judge.shown()
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
        _explain_strangers(strangers, images.flatten(1), tolerance, what, praise)
    if any(training for _, training in judge.seen):
        wrong("""fid-train-mode: The pixels are right. But the judge was in train mode when it
            looked: its BatchNorm then uses each batch's own statistics, so the features change with
            the batch. It may come to you in either mode.""")


def _explain_strangers(strangers: Tensor, rows: Tensor, tolerance: float, what: str, praise: str):
    """Say what the judge saw in place of the images that these rows are."""
    low, high = strangers.min().item(), strangers.max().item()
    generated = what.startswith("generated")
    cast = "Was a float cast to uint8 before it was scaled?" if generated else ""
    same = strangers.unique(return_counts=True)[1].max() / strangers.numel()
    if same > 0.6:
        amount = "all" if same == 1 else "almost all"
        wrong(f"{praise}The {what} were shown {amount} of one grey. {cast}")
    start, end = rows.min().item(), rows.max().item()
    least, most = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
    for name, other, said in (
        ("", (rows * 255).clamp(0, 255) / 127.5 - 1, "scaled as if they were in [0, 1], so that "
         "everything below middle grey became black. Which range do they have?"),
        ("", (rows * 255).remainder(256) / 127.5 - 1, "with the dark half wrapped around to other "
         "greys: bytes know no negative numbers. What has to happen before the factor 255?"),
        ("", -rows, "turned into their negatives. Which end of the range is black?"),
        ("", torch.where(rows > 0.999, -1, rows), "with white wrapped around to black: 1 has "
         "become 256, and a byte ends at 255. What does 1 have to become?"),
        ("fid-range: ", (rows - least) / (most - least) * 2 - 1, "each stretched to its own "
         "darkest and brightest pixel. Which two should be black and white for all of them?"),
    ):  # fmt: skip
        found = _same_images(strangers, other).any(dim=1).all()
        need(not found, f"{name}{praise}The {what} were shown {said}")
    if abs(low - start) <= tolerance and abs(high - end) <= tolerance:
        wrong(f"""{praise}The {what} were shown with values from {start:.3g} to {end:.3g}, as they
            should be, but these are not the ones that came in. Was anything but their scale changed
            on the way? {cast}""")
    if low > -1.01 and 0.99 < high < 1.01 and high - low > end - start + 0.1:
        wrong(f"""fid-range: {praise}The {what} were shown stretched: with values from {low:.3g} to
            {high:.3g}, where they had {start:.3g} to {end:.3g}. A dull sample is to be judged as
            dull: which two values should be black and white, whatever comes in?""")
    look = "`sample`'s range becomes the judge's" if generated else "uint8 becomes float"
    wrong(f"""fid-range: {praise}The judge was trained on pixels from -1 to 1, and was shown {what}
        with values from {low:.3g} to {high:.3g}. It does not complain: look at how {look}.""")


# --- 6.2 mean and covariance ---------------------------------------------------------------------


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
        got = ask(answer, call, images, judge, hints=_JUDGE_HINTS)
        got = compare.need_parts(got, call, "mean", "covariance")
        _check_shown(judge, images=(images.float() / 127.5 - 1, 1e-3))
        features = judge.truth(images.float() / 127.5 - 1)
        for part in got:
            if not isinstance(part, Tensor | np.ndarray | list | tuple):
                wrong(f"""`{call}` should return two tensors, but one of them is
                    {describe_value(part)}.""")
        mean, covariance = map(compare.as_tensor, got)
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
    known: list[Known] = [
        (None, lambda: of_batches,
         f"The judge saw batches of {batches[0]} and, last, {batches[-1]} images, and this is the "
         "mean of their means: in it, an image of the smaller batch counts for more."),
        (None, lambda: nn.functional.normalize(features, dim=1).mean(dim=0),
         "This is the mean of features that were brought to length 1 first. They are to be used as "
         "the judge gives them."),
    ]  # fmt: skip
    name_wrong([mean], known, [()], close)
    shown = [[round(value, 4) for value in part.tolist()] for part in (mean, expected)]
    wrong(f"""The mean has the right shape but is off by up to
        {(mean - expected).abs().max():.3g}: {shown[0]} came back, {shown[1]} was expected.
        {explain(mean, expected) or "It is a mean over images of the features as they come."}""")


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

    def same(a: Tensor, b: Tensor) -> bool:
        return close(a, b, tolerance=2e-4)

    if same(covariance, expected):
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
    name_wrong([covariance], known, [()], same)
    wrong(f"""The covariance has the right shape, but differs by up to
        {(covariance - expected).abs().max():.3g} (largest entry {expected.abs().max():.3g}) for {n}
        images. {explain(covariance.flatten(), expected.flatten())} Each entry is a sum over all
        images of products of two deviations, divided by N - 1.""")


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
    # A sample that reaches black and white exactly, and a dull one that reaches neither.
    for m, seed, contrast in ((60, 31, 0.8), (37, 33, 0.2)):
        reference, judge, drawn = _pixels(m, seed=seed), _TinyJudge().train(), []

        def sample(n: int, drawn: list = drawn, seed: int = seed, by: float = contrast) -> Tensor:
            images = by * normal(int(n), 1, 4, 4, seed=100 * seed + len(drawn))
            drawn.append(images.clamp(-1, 1).float())
            return drawn[-1].clone()

        call = f"evaluate_gan(sample, {m} reference images, judge)"
        with calling(call, _JUDGE_HINTS):
            got = answer(sample, reference.clone(), judge)
        if not isinstance(got, dict):
            wrong(f"`{call}` should return a dict; {describe_value(got)} came back.")
        missing = [key for key in ("FD", "n", "n_reference") if key not in got]
        need(not missing, f"The report says nothing about {', '.join(map(repr, missing))}.")
        value, n, n_reference = (
            compare.need_number(got[key], f"evaluate_gan(...)[{key!r}]", plain=False, finite=False)
            for key in ("FD", "n", "n_reference")
        )
        pool = torch.cat([torch.zeros(0, 1, 4, 4), *drawn])
        _check_counts(n, n_reference, m, len(pool))
        real = reference.float() / 127.5 - 1
        fakes = _shown_fakes(judge, pool, m)
        _check_shown(judge, generated_images=(fakes, 2e-2), reference_images=(real, 1e-3))
        # As they were shown: on the way they may have been rounded to uint8.
        shown = judge.shown()
        fakes = shown[torch.cdist(fakes.flatten(1), shown, p=math.inf).argmin(dim=1)]
        expected = metrics.frechet_distance(judge.truth(fakes), judge.truth(real)).value
        outputs = [judge.head.double()(judge.truth(part)) for part in (fakes, real)]
        if near(value, metrics.frechet_distance(*outputs).value, rel=1e-2):
            wrong("""Counts and pixels are right, but this is the distance of the judge's logits.
                Which of its two outputs are the features?""")
        means = [judge.truth(part).double().mean(0) for part in (fakes, real)]
        if near(value, float((means[0] - means[1]).square().sum()), rel=1e-2):
            wrong("""Counts and pixels are right, but this is the distance of the two means alone,
                as it is when one covariance stands in both places. Whose covariances are they?""")
        if not near(value, expected, rel=5e-3):
            wrong(f"""Counts and pixels are right, but the distance is not:
                {off_by(value, expected)}. {explain([value, 1], [expected, 1])} Do 6.2 and 6.3 pass
                by themselves?""")


def _check_counts(n: float, n_reference: float, m: int, drawn: int) -> None:
    if n != n_reference:
        wrong(f"""fid-n-mismatch: {n:g} generated images are compared with {n_reference:g} real
            ones. The distance falls as either count grows, so a score means something only beside
            scores at the same counts: how many should you draw?""")
    if (n, n_reference) != (m, m) or drawn < m:
        wrong(f"""Use all {m} images of the reference and as many generated ones; the report says
            {n_reference:g} and {n:g}, and {drawn} were drawn.""")


def _shown_fakes(judge: _TinyJudge, pool: Tensor, m: int) -> Tensor:
    """Those of the images drawn that the judge saw, if they are m; else the first m."""
    if len(pool) == m or not judge.seen:
        return pool[:m]
    seen = _same_images(judge.shown(), pool).any(dim=0)
    count = int(seen.sum())
    if count > m:
        wrong(f"""fid-n-mismatch: The judge saw {count} generated images beside {m} real ones; as
            many were asked for. Which of them go into the distance?""")
    return pool[seen] if count == m else pool[:m]
