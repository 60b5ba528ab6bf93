"""Solve, then speak: with which targets and weights a loss was made, from the slopes it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from .framework import wrong

_SUM = """loss-sum-not-mean: Direction and targets are right, but the loss is summed over the batch,
    so that it grows with the batch size. Where is it reduced to one number?"""
# Weights of a cross-entropy with the right targets, by batch: of the real and the fake images for
# D, of the fakes for G. "n" is the number of images, "share" that number by those of both batches.
_WEIGHTS: dict[tuple, str] = {
    (0.5, 0.5): """loss-half-sum: Direction and targets are right, but everything is half as large:
        the real and the fake term are averaged. The course adds them (2 log 2 = 1.386 when D knows
        nothing), so that your curves can be read against the text.""",
    ("n", "n"): _SUM,
    ("share", "share"): """Real and fake logits are averaged in one pot. Each batch has a mean of
        its own, and the two are added.""",
    (-1, -1): """D's gradient points exactly the opposite way: both terms are there, with a minus
        sign. An optimiser makes its number small; what should it be given?""",
    ("n",): _SUM,
    (0.5,): "G moves the right way, but its loss is half of the one asked for.",
    (-1,): """loss-nonsaturating-sign: The loss has the right form and the wrong sign: log D(G(z))
        is being made small, so that G gets worse by design. An optimiser minimises; what should it
        be given?""",
}
# The same with the targets exchanged.
_EXCHANGED: dict[tuple, str] = {
    (1, 1): """step-swapped-labels: D is updated toward low logits for real images and high ones for
        fakes: real images have target 0, fakes target 1. Which target belongs to which batch?""",
    (-1,): """loss-saturating: G moves the right way, but by the saturating loss log(1 - D(G(z))),
        whose slope vanishes where D is sure, as it is early on. Which quantity should be made
        large?""",
    (1,): """step-g-targets-fake: G is updated, but toward the target 'fake': it helps D to catch
        it. What does G want D to say about its images?""",
}


class Fit(NamedTuple):
    """A loss of this form, averaged over a batch, with this weight and target."""

    form: str
    weight: float
    target: float


@dataclass
class Group:
    """The real images, or the fakes, that have a part in a loss."""

    logits: Tensor
    slopes: Tensor  # of the loss, by each logit
    images: list = field(default_factory=list)  # of steps.Image, if they are known

    def __len__(self) -> int:
        return len(self.logits)

    @cached_property
    def fit(self) -> Fit | None:
        """The form, weight and target with which a loss has these slopes, if there are any."""
        return fit(self.logits, self.slopes)


def fit(logits: Tensor, slopes: Tensor) -> Fit | None:
    """The form, weight and target with which a loss has these slopes, if there are any."""
    x, y = logits.cpu().double(), slopes.cpu().double() * len(slopes)
    finite = torch.isfinite(x).all() and torch.isfinite(y).all()
    if len(y) < 4 or not finite or not y.any():
        return None
    one, p, tanh = torch.ones_like(x), x.sigmoid(), x.tanh()
    bend, tanh_bend = p * (1 - p), 1 - tanh**2
    # What a slope is made of: weight * a or, with a target, weight * (a - target * b).
    forms = {
        "plain": (one,),
        "probabilities": (bend,),
        "cross-entropy": (p, one),
        "squares of the logits": (x, one),
        "cross-entropy of a sigmoid": (p.sigmoid() * bend, bend),
        "squares of the probabilities": (p * bend, bend),
        "cross-entropy of a tanh": (tanh.sigmoid() * tanh_bend, tanh_bend),
    }
    for form, parts in forms.items():
        table = torch.stack(parts, 1)
        factors = torch.linalg.lstsq(table, y).solution
        if (table @ factors - y).norm() < 2e-3 * y.norm():
            weight, *rest = factors.tolist()
            return Fit(form, weight, -rest[0] / weight if rest else 1.0)
    return None


def name_targets(
    groups: Mapping[str, Group], asked: Mapping[str, float], where: str = "", exchanged: bool = True
) -> None:
    """Reject by name a cross-entropy with known wrong weights or targets.

    asked: the right target of each batch; where: ' in D's step', say; exchanged: name that too.
    """
    fits = [groups[kind].fit for kind in asked]
    if None in fits:
        return
    forms = {found.form for found in fits}
    if "cross-entropy of a sigmoid" in forms:
        seen = "D's loss then cannot fall below about 1"
        if len(asked) == 1:
            seen = "G's loss then stays between 0.31 and 0.69"
        wrong(f"""loss-double-sigmoid: A sigmoid is applied twice{where}: once by hand, once inside
            the loss, which flattens the gradient ({seen}). Look at what you hand to the loss.""")
    if forms != {"cross-entropy"}:
        return
    targets = list(asked.values())
    swapped = targets[::-1] if len(targets) > 1 else [1 - targets[0]]
    sizes = [len(groups[kind]) for kind in asked]
    symbols = [{"n": n, "share": n / sum(sizes)} for n in sizes]

    def is_it(found: Fit, weight: float, target: float) -> bool:
        return abs(found.weight - weight) < 0.01 * abs(weight) and abs(found.target - target) < 0.01

    for table, meant in ((_WEIGHTS, targets), (_EXCHANGED, swapped if exchanged else ())):
        for names, message in table.items():
            if len(names) == len(meant):
                weights = [s.get(name, name) for s, name in zip(symbols, names, strict=True)]
                if all(map(is_it, fits, weights, meant)):
                    wrong(message)


def say_targets(groups: Mapping[str, Group], asked: Mapping[str, float], nouns: dict) -> str:
    """What the slopes of each batch say, in words; '' if all is as it should be."""
    said = [_say_batch(nouns[kind], groups[kind], target) for kind, target in asked.items()]
    return "; ".join(filter(None, said))


def _say_batch(what: str, group: Group, asked: float) -> str:
    found = group.fit
    if found is None and not torch.isfinite(group.slopes).all():
        return f"the slope by the {what} is not finite"
    if found is None:
        targets = group.logits.sigmoid() - len(group) * group.slopes
        if len(group) and targets.min() > -0.05 and targets.max() < 1.05:
            low, high = targets.min().item(), targets.max().item()
            words = f"each of the {what} has a target of its own, from {low:.2f} to {high:.2f}"
            return f"{words}, or counts with a weight of its own"
        return f"the {what} enter in a way that fits no target"
    form, weight, target = found
    if form == "plain":
        mean = group.logits.mean().sigmoid().item() - asked
        if abs(weight - mean) < 2e-3:
            return f"the loss of the {what} is taken of the batch's mean logit"
        return f"the {what} all count alike, whatever D says of each"
    if form == "probabilities":
        mean = group.logits.sigmoid().mean().item()
        of_mean = any(abs(weight * p - sign) < 5e-3 for p, sign in ((mean, -1), (1 - mean, 1)))
        if of_mean:
            return f"the logarithm is taken of the mean probability of the {what}, not of each"
        return f"the {what} enter by their probability, of which no logarithm is taken"
    parts = []
    if abs(target - asked) > 5e-3:
        parts.append(f"have target {round(target, 3) + 0.0:g} where {asked:g} was asked for")
    if abs(weight - 1) > 5e-3 and not (form.startswith("squares") and abs(weight - 2) < 5e-3):
        parts.append(f"count {round(weight, 3):g} times")
    if form != "cross-entropy":
        parts.append(f"enter by the {form}")
    return f"the {what} {' and '.join(parts)}" if parts else ""
