"""What the instruments of images and of the plane have in common: how D judges, and a record."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..losses import Objective


@dataclass(eq=False)
class Signs:
    """What the instruments have read of one run: all that a diagnosis can go by.

    history: name -> one value a look, from the first to the last:
        step; d_real, d_fake: D's mean on real and generated samples (probabilities where
        `probabilities`, else raw); right_real, right_fake, auc: see `judged`; g_norm, d_norm:
        gradient norms (g_layers, d_layers by layer); modes_any, modes: kinds with a sample, and
        with a fifth of their fair share; effective: exp of the entropy of `counts`; top: the
        fullest kind; quality: the share of samples that pass for real; diversity: their mean
        distance from each other over that of real ones. Images also have recall, nearest,
        duplicates and fd, see `Instruments`.
    samples: the last ones, points (n, 2) or uint8 images (n, C, H, W).
    kinds: how many modes or classes there are. best: the `quality` of real samples.
    ended: the step at which the run broke off by itself, diverged; None if it did not.
    """

    history: dict[str, list]
    samples: Tensor
    kinds: int
    probabilities: bool = True
    title: str = ""
    best: float = 0.99
    ended: int | None = None

    @property
    def is_images(self) -> bool:
        """Whether the samples are images, and the kinds classes, rather than points and modes."""
        return self.samples.dim() == 4


def judged(real_logits: Tensor, fake_logits: Tensor, objective: Objective) -> dict[str, Tensor]:
    """How D judges both halves, from logits (..., n): one value for each leading index.

    d_real, d_fake: means, as probabilities where the objective has them. right_real, right_fake:
    the share of each half on its side of the level, apart, since one number hides which half is
    missed; the level is 0 (least squares: 1/2; where only differences count: the median of all).
    auc: how often a real sample scores above a generated one: 1/2 if D sees no difference, below it
    if the generated ones look more real.
    """
    both = torch.cat([real_logits, fake_logits], -1)
    if objective.name == "least-squares":
        level = torch.full_like(both[..., :1], 0.5)
    elif objective.name in ("wasserstein", "relativistic"):
        level = both.quantile(0.5, dim=-1, keepdim=True)
    else:
        level = torch.zeros_like(both[..., :1])
    above = (real_logits[..., :, None] > fake_logits[..., None, :]).float()
    ties = (real_logits[..., :, None] == fake_logits[..., None, :]).float()
    means = [x.sigmoid() if objective.probabilities else x for x in (real_logits, fake_logits)]
    return {
        "d_real": means[0].mean(-1),
        "d_fake": means[1].mean(-1),
        "right_real": (real_logits > level).float().mean(-1),
        "right_fake": (fake_logits <= level).float().mean(-1),
        "auc": (above + ties / 2).mean((-2, -1)),
    }


def spread(samples: Tensor) -> Tensor:
    """Mean distance between two different samples of (..., n, d)."""
    n = samples.shape[-2]
    return torch.cdist(samples, samples).sum((-2, -1)) / (n * (n - 1))


def to_nearest(samples: Tensor, others: Tensor, k: int = 1) -> Tensor:
    """Distance of each sample (N, d) to its k-th nearest among `others` (M, d): (N,).

    Within one set k is 2: each is its own nearest. With fewer than k others, to the last of them.
    """
    return torch.cdist(samples, others).kthvalue(min(k, len(others))).values


def twin_limit(real: Tensor) -> Tensor:
    """The distance within which only 1 % of real samples (N, d) have another one."""
    return to_nearest(real, real, 2).quantile(0.01)


def near_twins(samples: Tensor, limit: Tensor) -> float:
    """The share of samples (N, d) with another one nearer than `limit`."""
    return float((to_nearest(samples, samples, 2) < limit).float().mean())
