"""Scores from neighbours: precision and recall, density and coverage, copies of training images."""

import math

import torch
from torch import Tensor, nn

from .features import Features, as_pair, pair_score
from .score import Score, Z, count, standard_error, wilson


def precision_recall(
    generated: object,
    reference: object,
    judge: nn.Module | str | None = None,
    *,
    neighbours: int = 3,
) -> tuple[Score, Score]:
    """Precision: the share of generated samples inside the reference's region; recall: the reverse.

    A set's region is the union of balls around its samples, each reaching to the k-th neighbour.
    Intervals are Wilson's for the share alone; the region's own noise is not in them.
    Kynkäänniemi et al., 2019, arXiv:1904.06991.
    """
    fake, real = as_pair(generated, reference, judge)
    inside_real, _ = _inside(fake, real, _radii(real, neighbours))
    inside_fake, _ = _inside(real, fake, _radii(fake, neighbours))
    return (
        _share("precision", inside_real > 0, fake, real),
        _share("recall", inside_fake > 0, fake, real),
    )


def density_coverage(
    generated: object,
    reference: object,
    judge: nn.Module | str | None = None,
    *,
    neighbours: int = 5,
) -> tuple[Score, Score]:
    """Density: in how many of the reference's balls a generated sample lies, over k; may pass 1.

    Coverage: the share of reference balls that hold at least one generated sample. Both build
    balls around the reference only, so that one generated outlier cannot claim a large region.
    Naeem et al., 2020, arXiv:2002.09797.
    """
    fake, real = as_pair(generated, reference, judge)
    inside, hit = _inside(fake, real, _radii(real, neighbours))
    each = inside.double() / neighbours
    value, error = float(each.mean()), Z * standard_error(each)
    # No spread at all (all in no ball) says nothing about the error.
    band = (max(0.0, value - error), value + error) if error > 0 else None
    density = pair_score("density", value, band, fake, real, "higher")
    return density, _share("coverage", hit, fake, real)


def _radii(samples: Features, neighbours: int) -> Tensor:
    """Each sample's distance to its k-th neighbour among the others, (N,)."""
    if not 1 <= neighbours < len(samples):
        raise ValueError(
            f"neighbours={neighbours} with {len(samples):,} samples; expected 1 to N - 1"
        )
    blocks = samples.double.split(1000)
    radii = [torch.cdist(b, samples.double).kthvalue(neighbours + 1).values for b in blocks]
    return torch.cat(radii)


def _inside(samples: Features, centers: Features, radii: Tensor) -> tuple[Tensor, Tensor]:
    """For each sample, in how many balls it lies; for each ball, whether it holds a sample."""
    counts, hit = [], torch.zeros(len(centers), dtype=torch.bool)
    for block in samples.double.split(1000):
        within = torch.cdist(block, centers.double) <= radii
        counts.append(within.sum(dim=1))
        hit |= within.any(dim=0)
    return torch.cat(counts), hit


def _share(metric: str, hits: Tensor, fake: Features, real: Features) -> Score:
    band = wilson(int(hits.sum()), len(hits))
    return pair_score(metric, float(hits.double().mean()), band, fake, real, "higher")


def nearest_neighbours(
    generated: object, reference: object, judge: nn.Module | str | None = None, *, k: int = 1
) -> Score:
    """The median distance to the nearest reference sample, with the k nearest of each.

    details: `distances` and `indices`, both (N, k), nearest first; indices count in the reference.
    With judge="pixels" the distance is that of the pixel values.
    """
    fake, real = as_pair(generated, reference, judge)
    if not 1 <= k <= len(real):
        raise ValueError(f"k={k} with {len(real):,} reference samples; expected 1 to that many")
    found = [
        torch.cdist(block, real.double).topk(k, largest=False) for block in fake.double.split(1000)
    ]
    distances, indices = (torch.cat(parts) for parts in zip(*found, strict=True))
    nearest = distances[:, 0].sort().values
    n = len(nearest)
    # The ranks between which the median of new draws falls: binomial(n, 1/2), as a normal.
    low = max(0, math.floor(n / 2 - Z * math.sqrt(n) / 2))
    high = min(n - 1, math.ceil(n / 2 + Z * math.sqrt(n) / 2))
    band = (float(nearest[low]), float(nearest[high]))
    return pair_score("NN distance", float(nearest.quantile(0.5)), band, fake, real, "higher",
                      distances=distances, indices=indices)  # fmt: skip


def closer_to_train(
    generated: object, train: object, test: object, judge: nn.Module | str | None = None
) -> Score:
    """The share of generated samples whose nearest neighbour is in `train` rather than in `test`.

    Both must be of equal size. New samples of the same distribution give 0.5; copies of training
    images give 1. FD and precision cannot see the difference. After Meehan et al., 2020,
    arXiv:2004.05675.
    """
    fake, seen = as_pair(generated, train, judge)
    _, unseen = as_pair(generated, test, judge)
    if len(seen) != len(unseen):
        raise ValueError(
            f"train has {len(seen):,} samples and test {len(unseen):,}; they must be as many, "
            "since the larger set is nearer by its size alone"
        )
    distances = [nearest_neighbours(fake, other).details["distances"] for other in (seen, unseen)]
    closer = (distances[0] < distances[1]).double() + 0.5 * (distances[0] == distances[1])
    value, n = float(closer.mean()), len(fake)
    band = wilson(round(value * n), n)
    against = f"{count(len(seen))} {seen.source}, {count(len(unseen))} {unseen.source}"
    return Score("closer to train", value, band, n, fake.judge, against, "lower")
