"""A judge that keeps what it was shown, and what is asked of that: exercises 6.2 and 6.8."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .compare import Known, name_wrong
from .framework import describe_value, need, wrong

JUDGE_HINTS = (
    (r"'tuple' object has no attribute|\b(got|not) tuple|type\(s\) for .*'tuple'", None,
     "`features_and_logits` gives two things: features and logits."),
    (r"non-empty (list|TensorList)|need at least one array", None,
     "Not one batch was made of these images. What happens to the last, smaller batch?"),
)  # fmt: skip


class TinyJudge(nn.Module):
    """A judge for checks, with `d` features, of images with `channels` channels of 4 x 4."""

    name, num_classes = "tiny-judge", 5

    def __init__(self, d: int = 3, channels: int = 1) -> None:
        super().__init__()
        self.feature_dim, self.input_shape = d, (channels, 4, 4)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(16 * channels, d), nn.BatchNorm1d(d))
        self.body[2].running_mean = torch.tensor([0.5, -1.0, 0.2, 0.9])[:d]
        self.head = nn.Linear(d, 5)
        self.seen: list[tuple[Tensor, bool]] = []  # each look: the images, and if in train mode
        self.note = self.seen.append  # a copy of this judge writes into the same list

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if not isinstance(images, Tensor):
            wrong(f"""The judge was given {describe_value(images)}. It is a network: it looks at
                tensors of floats in [-1, 1].""")
        self.note((images.detach().float().cpu().clone(), self.training))
        features = self.body(images.float())
        return features, self.head(features)

    def forward(self, images: Tensor) -> Tensor:
        return self.features_and_logits(images)[1]

    def truth(self, images: Tensor) -> Tensor:
        """The features that it gives images in [-1, 1] in eval mode, in float64."""
        with torch.no_grad():
            return copy.deepcopy(self.body).eval()(images).double()

    def shown(self) -> Tensor:
        """All that it saw, an image a row."""
        need(self.seen, "The judge was never shown an image: its `features_and_logits` gives both.")
        shown = torch.cat([part.flatten(1) for part, _ in self.seen])
        if not torch.isfinite(shown).all():
            wrong("""The judge was shown images with values that are not finite (inf or nan). Where
                on their way do these come in?""")
        return shown


def pixels(n: int, seed: int, channels: int = 1) -> Tensor:
    """Images (n, channels, 4, 4) uint8; the second is the first once more, and counts."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, channels, 4, 4), generator=generator, dtype=torch.uint8)
    images[0, 0, 0, :2] = torch.tensor([0, 255], dtype=torch.uint8)
    images[1] = images[0]
    return images


def same_images(shown: Tensor, images: Tensor, tolerance: float = 2e-2) -> Tensor:
    """(shown, images): which are the same, with each pixel within the tolerance."""
    return torch.cdist(shown, images.flatten(1).float(), p=math.inf) < tolerance


# What became of images in [-1, 1], an image a row.
_PIXEL_WRONGS: list[Known] = [
    (None, lambda rows: (rows * 255).clamp(0, 255) / 127.5 - 1,
     "scaled as if in [0, 1]: all below middle grey became black. Which range do they have?"),
    (None, lambda rows: (rows * 255).remainder(256) / 127.5 - 1,
     "with the dark half wrapped around to other greys: bytes know no negative numbers. What has "
     "to happen before the factor 255?"),
    (None, torch.neg, "turned into their negatives. Which end of the range is black?"),
    (None, lambda rows: torch.where(rows > 0.999, -1, rows),
     "with white wrapped around to black: 1 became 256, and bytes end at 255. What should it be?"),
    ("fid-range", lambda rows: 2 * (rows - rows.amin(1, True)) / (
        rows.amax(1, True) - rows.amin(1, True)) - 1,
     "each stretched to its own range. Which two values should be black and white for all?"),
]  # fmt: skip


def check_shown(judge: TinyJudge, sets: Mapping[str, tuple[Tensor, float]]) -> None:
    """Reject unless the judge saw every image of these sets, in eval mode.

    sets: what they are -> the images in [-1, 1], and how far a pixel may be off.
    """
    shown = judge.shown()
    pairs = {name: same_images(shown, *given) for name, given in sets.items()}
    strangers = shown[~torch.cat([*pairs.values()], dim=1).any(dim=1)]
    missing = [name for name, pair in pairs.items() if not pair.any(dim=0).all()]
    if not missing:
        if any(training for _, training in judge.seen):
            wrong("""fid-train-mode: The pixels are right, but the judge looked in train mode: its
                BatchNorm used each batch's own statistics. It may come to you in either mode.""")
        return
    what, (images, tolerance) = missing[0], sets[missing[0]]
    if not len(strangers):
        count = int(pairs[missing[0]].any(dim=0).sum())
        need(count, f"The judge was never shown the {what}.")
        wrong(f"""The judge saw only {count} of {len(images)} {what}. What happens to the last,
            smaller batch?""")
    generated = missing == ["generated images"]
    if len(missing) > 1:
        what = "images"
    cast = "Was a float cast to uint8 before it was scaled?" if generated else ""
    praise = "The others were shown as they should be. " * (len(missing) < len(sets))
    start = f"{praise}The {what} were shown "
    same = strangers.unique(return_counts=True)[1].max() / strangers.numel()
    need(same <= 0.6, f"{start}{'all' if same == 1 else 'almost all'} of one grey. {cast}")
    rows = images.flatten(1)
    known = [(mistake, formula, start + said) for mistake, formula, said in _PIXEL_WRONGS]
    name_wrong([strangers], known, [(rows,)], lambda a, b: same_images(a, b).any(dim=1).all())
    (low, high), (least, most) = strangers.aminmax(), rows.aminmax()
    seen = f"with values from {low:.3g} to {high:.3g}"
    if abs(low - least) <= tolerance and abs(high - most) <= tolerance:
        wrong(f"""{start}{seen}, as they should be, but these are not the ones that came in. Was
            anything but their scale changed on the way? {cast}""")
    if low > -1.01 and 0.99 < high < 1.01 and high - low > most - least + 0.1:
        wrong(f"""fid-range: {start}stretched: {seen}, where they had {least:.3g} to {most:.3g}. A
            dull sample is to be judged as dull: which two values are always black and white?""")
    look = "`sample`'s range becomes the judge's" if generated else "uint8 becomes float"
    wrong(f"""fid-range: {praise}The judge was trained on pixels from -1 to 1, and was shown {what}
        {seen}. It does not complain: look at how {look}.""")
