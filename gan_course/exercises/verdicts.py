"""Verdicts on training steps and whole loops, from what a `Watch` has recorded of them.

A step's gradient is taken apart (`Watch.account`): which images are in it, from where, and with
which slope by their logit. The slopes are solved for the targets and weights behind them, and what
is said is what was found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gan_helpers.losses import OBJECTIVES, Objective, get_objective

from .compare import close, need_number, off_by, times
from .framework import describe_value, need, wrong
from .steps import Account, Call, Share, Step, Watch

cross_entropy = get_objective("non-saturating")
OTHER = {"G": "D", "D": "G"}

# What is said of solved targets and weights: (of the real, of the fakes) for D, of the fakes for G.
# A weight "n" is the number of images.
_D_PATTERNS: list[tuple[tuple, tuple, str | None, str]] = [
    (
        (1, 0), (1, 1), "step-swapped-labels",
        "D is updated, but toward low logits for real images and high ones for fakes: the real "
        "images have target 0, the fakes target 1. Which target belongs to which batch?",
    ),
    (
        (0.5, 1), (0.5, 0), "loss-half-sum",
        "Direction and targets are right, but everything is half as large: the real and the fake "
        "term are averaged. The course adds them (2 log 2 = 1.386 when D knows nothing), so that "
        "your curves can be read against the text.",
    ),
    (
        ("n", 1), ("n", 0), "loss-sum-not-mean",
        "Direction and targets are right, but the loss is summed over the batch, so that it grows "
        "with the batch size. Where is it reduced to one number?",
    ),
    (
        (-1, 1), (-1, 0), None,
        "D's gradient points exactly the opposite way: both terms are there, with a minus sign. "
        "An optimiser makes its number small; what should it be given?",
    ),
]  # fmt: skip
_G_PATTERNS: list[tuple[tuple, str | None, str]] = [
    (
        (-1, 0), "loss-saturating",
        "G moves the right way, but by the saturating loss log(1 - D(G(z))), whose slope vanishes "
        "when D is sure of itself, as it is early on. Which quantity should be made large?",
    ),
    (
        (1, 0), "step-g-targets-fake",
        "G is updated, but toward the target 'fake': it helps D to catch it. What does G want D to "
        "say about its images?",
    ),
    (
        (-1, 1), "loss-nonsaturating-sign",
        "The loss has the right form and the wrong sign: log D(G(z)) is being made small, so that "
        "G gets worse by design. An optimiser minimises; what should it be given?",
    ),
    (
        ("n", 1), "loss-sum-not-mean",
        "Direction and target are right, but the loss is summed over the batch, so that it grows "
        "with the batch size. Where is it reduced to one number?",
    ),
    ((0.5, 1), None, "G moves the right way, but its loss is half of the one asked for."),
]  # fmt: skip
_ONLY = {
    "real": "D learns from the real batch, but the fakes leave no trace in its update, and so it "
    "may answer 'real' to everything. Does the fake term reach `backward`?",
    "fake": "D learns from the fakes, but the real batch leaves no trace in its update, and so it "
    "may answer 'fake' to everything. Does the real term reach `backward`?",
}
_NOT_FINITE = (
    "its gradient is not a finite number: a logarithm or exponential written by hand overflows "
    "there. Which function computes this from the logit in one go?"
)


# --- one step ------------------------------------------------------------------------------------


@dataclass
class Group:
    """The real images, or the fakes, that have a part in a step."""

    logits: Tensor
    slopes: Tensor  # of the loss, by each logit
    origins: list[tuple]

    def __len__(self) -> int:
        return len(self.logits)


def judge_step(
    watch: Watch,
    step: Step,
    name: str,
    *,
    objective: Objective = cross_entropy,
    extreme: bool = False,
    rows: int | None = None,
    real: Sequence[int] | None = None,
) -> float:
    """Reject unless a step of G or D used the gradient that it should; return the step's loss.

    rows: how many fakes there should be; real: which images of the data set D was given.
    """
    _judge_networks(watch, step, name)
    if not torch.isfinite(step.grad[name]).all():
        start = f"At ordinary logits {name}'s step is right, but at logits of a few hundred "
        wrong((start if extreme else f"In {name}'s step ") + _NOT_FINITE, "loss-log-sigmoid-nan")
    account = watch.account(step, name)
    groups = _sort(watch, account.shares, name)
    _judge_kept(account.shares, name)
    right = _right_slopes(watch, step, groups, objective, name)
    fits = close(account.rest, 0 * account.rest, absolute=1e-3 * step.grad[name].norm().item())
    held = abs(account.held) > 1e-3 and step.held[name] is not None
    wrong_slopes = right is None or not _same(groups, right) or not fits or held
    if wrong_slopes and not extreme:
        _judge_leftovers(watch, step, name, account, objective)
    if name == "D":
        _judge_detached(account.shares)
        _judge_real(groups, real)
    if wrong_slopes:
        if extreme:
            _say_flat(name)
        _judge_in_between(account, fits, step, name)
        _name_loss(watch, step, name, groups, right, objective, account.shares)
    _judge_ages(watch, account.shares, name, step)
    _judge_modes(account.shares, groups, name)
    _judge_rows(groups, rows, name)
    return _loss(watch, step, groups, objective, name).item()


def _judge_networks(watch: Watch, step: Step, name: str) -> None:
    """Did the step move the network whose loss was sent back?"""
    other = OTHER[name]
    need(
        step.networks != {"G", "D"},
        "One optimiser holds the parameters of both networks, so that each loss also moves the "
        "opponent, and the two aims cancel. How many optimisers does the game need?",
        "step-one-optimizer",
    )
    calls = [c for c in watch.calls[step.first[name] : step.last] if c.logits is not None]
    sent = [c for c in calls if c.back and c.epoch == step.epoch]
    saw_real = any(o[0] == "real" for c in sent for o in watch.origins(c))
    if name == "G" and step.grad["G"] is None and not any(c.functional for c in calls):
        if saw_real:
            wrong(
                "D's loss is sent back, but then G's optimiser is stepped, so that D does not "
                "learn. Which optimiser follows which loss?",
                "step-wrong-optimizer",
            )
        need(
            any(c.through for c in sent) or not calls,
            "The fakes are shown to D and the loss is computed, but no gradient reaches G: the "
            "thread from D's answer to G is cut, and G does not change. How does G's image get to "
            "D in this step?",
            "step-detach-in-g",
        )
    if name == "D" and sent and not saw_real and _toward_real(sent):
        wrong(
            "G's loss is sent back, but then D's optimiser is stepped: D learns to be fooled, and "
            "G does not learn. Which optimiser follows which loss?",
            "step-wrong-optimizer",
        )
    need(
        step.grad[name] is not None,
        f"{name}'s optimiser is stepped while {name} holds no gradient, so that nothing moves. In "
        "which order do `zero_grad`, `backward` and `step` come"
        + (f", and was {other}'s optimiser meant?" if step.grad[other] is not None else "?"),
    )


def _toward_real(calls: list[Call]) -> bool:
    """True if all images of these calls were given target 1."""
    fits = [fit(c.logits, sum(b.reshape(-1) for b in c.back)) for c in calls]
    return all(fit is not None and abs(fit[2] - 1) < 0.01 for fit in fits)


def _judge_kept(shares: list[Share], name: str) -> None:
    need(
        not any(share.call.kept for share in shares),
        f"The graph of {name}'s step is still in memory after its backward pass: `retain_graph` is "
        "set. It costs memory and hides the question that the error message asked. Which part of "
        "the graph should this loss not reach, or which graph is used twice?",
        "step-retain-graph",
    )


def _judge_detached(shares: list[Share]) -> None:
    need(
        not any(share.call.attached and share.call.through for share in shares),
        "D's loss is sent back through the generator as well: after D's backward pass the "
        "generator holds a gradient of D's loss. If nothing clears it, G's next update follows it. "
        "Where do the fakes enter the discriminator?",
        "step-no-detach",
    )


def _sort(watch: Watch, shares: list[Share], name: str) -> dict[str, Group]:
    """The images of a step as real ones and fakes; reject others."""
    parts: dict[str, list[tuple]] = {"real": [], "fake": []}
    for share in shares:
        origins = watch.origins(share.call)
        for i, origin in enumerate(origins):
            if origin[0] == "other" and share.weights[i]:
                _judge_strange(watch, share.call, i, name)
            elif origin[0] != "other" and (name == "D" or origin[0] == "fake"):
                parts[origin[0]].append((share.call.logits[i].cpu(), share.weights[i], origin))
    return {
        kind: Group(
            torch.stack([p[0] for p in part]).double() if part else torch.zeros(0).double(),
            torch.stack([p[1] for p in part]) if part else torch.zeros(0).double(),
            [p[2] for p in part],
        )
        for kind, part in parts.items()
    }


def _judge_strange(watch: Watch, call: Call, i: int, name: str) -> None:
    """Say what an image is that is neither real nor a fake."""
    kind, match, factor, shift = watch.nearest(call.rows[i])
    whose = "real images reach D" if kind == "real" else "fakes reach D"
    low, high = shift - factor, shift + factor
    if match > 0.9999 and kind == "real" and abs(low) < 0.01 and abs(high - 1) < 0.01:
        wrong(
            "The loop runs, but the real images reach D in [0, 1] while G draws in [-1, 1]: D can "
            "tell them apart by the blacks alone. Where are the pixels turned into floats?",
            "data-range",
        )
    if abs(match) > 0.9999:
        wrong(
            f"The {whose} with values from {min(low, high):.3g} to {max(low, high):.3g} where they "
            f"had -1 to 1{', and as negatives' if factor < 0 else ''}; D should judge both kinds "
            "of images in the same range. What is done to them on the way?"
        )
    if abs(match) > 0.5:
        wrong(
            f"Some {whose} changed: the image nearest to one of them has a correlation of only "
            f"{match:.2f} with it. What is added to the images, or mixed with them, on the way?"
        )
    wrong(
        f"In {name}'s step D is shown images that neither come from the data nor from the "
        "generator passed in. What is handed to D there?"
    )


def _judge_real(groups: dict[str, Group], given: Sequence[int] | None) -> None:
    """Reject a step that misses a batch, a part of one, or shows D other real images."""
    for kind, absent in (("real", "fake"), ("fake", "real")):
        if len(groups[kind]) and not _active(groups[absent]):
            seen = [origin[1] for origin in groups["real"].origins]
            if kind == "real" and len(seen) >= 2 * len(set(seen)):
                wrong(
                    "D is shown the real batch twice and no fakes: both terms of its loss see real "
                    "images. What is handed to D in the fake term?",
                    "step-only-real",
                )
            if _active(groups[kind]):
                wrong(_ONLY[kind], f"step-only-{kind}")
    seen = {origin[1] for origin in groups["real"].origins}
    if given is None or not seen:
        return
    need(
        seen <= set(given),
        "D learns from real images that are not in the batch passed in. Where do they come from?",
        "step-globals",
    )
    need(
        seen == set(given),
        f"Of the {len(given)} real images passed in, only {len(seen)} have a part in D's update. "
        "Where are the others left out? (Is a batch size written as a number?)",
    )


def _active(group: Group) -> bool:
    return bool(len(group)) and bool(group.slopes.abs().max() > 1e-9)


def _right_slopes(
    watch: Watch, step: Step, groups: dict[str, Group], objective: Objective, name: str
) -> dict[str, Tensor] | None:
    """By how much each image should count; None if there is nothing to count."""
    if not len(groups["fake"]) or (name == "D" and not len(groups["real"])):
        return None
    return _slopes_of(watch, step, groups, objective, name)


def _slopes_of(watch, step, groups, objective: Objective, name: str) -> dict[str, Tensor]:
    leaves = {kind: group.logits.clone().requires_grad_() for kind, group in groups.items()}
    loss = _loss_of(watch, step, leaves["real"], leaves["fake"], objective, name)
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return {
        kind: torch.zeros_like(leaf) if slope is None else slope
        for (kind, leaf), slope in zip(leaves.items(), found, strict=True)
    }


def _loss_of(watch, step, real: Tensor, fake: Tensor, objective: Objective, name: str) -> Tensor:
    if name == "D":
        return objective.d_loss(real, fake)
    if not getattr(objective, "g_sees_real", False):
        return objective.g_loss(fake)
    calls = watch.calls[step.first["G"] : step.last]
    seen = [c for c in calls if c.logits is not None and (c.back or c.functional)]
    real = [c.logits[i] for c in seen for i, o in enumerate(watch.origins(c)) if o[0] == "real"]
    return objective.g_loss(fake, torch.stack(real[-len(fake) :]).double().cpu())


def _loss(watch, step, groups, objective: Objective, name: str) -> Tensor:
    return _loss_of(watch, step, groups["real"].logits, groups["fake"].logits, objective, name)


def _same(groups: dict[str, Group], right: dict[str, Tensor]) -> bool:
    return all(close(groups[kind].slopes, right[kind], absolute=1e-9) for kind in right)


def _say_flat(name: str) -> None:
    wrong(
        f"At ordinary logits {name}'s step is right, but where the network is far off (logits of a "
        "few hundred) the gradient is wrong or gone, since the sigmoid has rounded to 0 or 1 "
        "before the logarithm is taken. Which loss takes the logits themselves?",
        "loss-sigmoid-flat",
    )


def _judge_leftovers(watch, step: Step, name: str, account: Account, objective) -> None:
    """Name gradients that were there before this step's backward pass."""
    g_left = (
        "From a clean start D is updated as it should be. But G's step leaves gradients in D, "
        "and these are added to D's next update, which then pulls D toward being fooled. What has "
        "to happen before D's own backward pass?"
    )
    if abs(account.held - 1) < 0.02:
        need(
            account.shares,
            f"{name}'s optimiser takes a second step with one and the same gradient. Is `step` "
            "called twice, or is a backward pass missing?",
        )
        if name == "D" and watch.held_from_g:
            wrong(g_left, "step-g-grad-left-in-d")
        wrong(
            f"The first update of {name} is right, but a later one also contains the gradient of "
            "the one before: `backward` adds to what is there already. When are the old gradients "
            "cleared?",
            "step-no-zero-grad",
        )
    current = [share for share in account.shares if share.call.epoch == step.epoch]
    if name == "D" and 0 < len(current) < len(account.shares):
        groups = _sort(watch, current, name)
        right = _right_slopes(watch, step, groups, objective, name)
        if right is not None and _same(groups, right):
            wrong(g_left, "step-g-grad-left-in-d")


def _judge_in_between(account: Account, fits: bool, step: Step, name: str) -> None:
    """Reject a gradient that is not the sum of what the backward passes brought."""
    found = step.grad[name].double().cpu()
    factors = []
    for share in account.shares:
        brought = sum((back.reshape(-1).double().cpu() for back in share.call.back), 0)
        if isinstance(brought, Tensor) and brought.any():
            factors.append((share.weights @ brought / brought.square().sum()).item())
    if fits and factors and max(factors) - min(factors) < 1e-3 and abs(factors[0] - 1) > 2e-3:
        wrong(
            f"Between `backward` and the optimiser's step {name}'s gradient changes: all of it is "
            f"{times(factors[0])}. What happens between these two lines?"
        )
    if fits:
        return
    top = found.abs().max().item()
    if (found.abs() > 0.999 * top).sum() > 0.05 * len(found):
        wrong(
            f"Between `backward` and the optimiser's step {name}'s gradient is cut off at "
            f"{top:.3g}, entry by entry. What happens between these two lines?"
        )
    share = account.rest.norm() / found.norm()
    decays = "; it points along the weights themselves, as a decay of the weights does"
    wrong(
        f"{name}'s gradient contains something that comes from none of the images that D was "
        f"shown ({share:.0%} of it{decays if account.decays else ''}). What else is in the loss, "
        "or changes the gradient before the optimiser's step?"
    )


def _judge_ages(watch: Watch, shares: list[Share], name: str, step: Step) -> None:
    """Reject a step for which another D judged, or another G drew, than the one of that moment."""
    for share in shares:
        age = watch.age("D", share.call, step)
        need(
            name == "D" or age != 1,
            "G's step uses D as it was before D's own step: both gradients are taken first, and "
            "then both networks move. Here they take turns: G answers the D that has just learned.",
        )
        need(
            age == 0,
            f"In {name}'s step the images are judged by a D with other weights than the one being "
            "trained. Is a copy of it used that is never brought up to date?",
        )
        for origin in watch.origins(share.call):
            need(
                origin[0] != "fake" or watch.age("G", origin[1], step) == 0,
                f"In {name}'s step D is shown fakes of an older generator than the one of that "
                "moment. When are the fakes drawn?",
            )


def _judge_modes(shares: list[Share], groups: dict[str, Group], name: str) -> None:
    need(
        all(share.call.training for share in shares),
        f"D is in evaluation mode in {name}'s step; dropout and BatchNorm would be switched off. "
        "Where is the mode set?",
    )
    need(
        all(origin[1].training for origin in groups["fake"].origins),
        f"The fakes of {name}'s step are drawn with G in evaluation mode; dropout and BatchNorm "
        "would be switched off. Where is the mode set?",
    )


def _judge_rows(groups: dict[str, Group], rows: int | None, name: str) -> None:
    real, fakes = len(groups["real"]), len(groups["fake"])
    need(
        rows is None or fakes == rows,
        f"For a batch of {rows}, {fakes} fakes have a part in the update. Is a batch size written "
        "as a number?",
        "hardcoded-size",
    )
    need(
        name == "G" or fakes == real,
        f"Beside {real} real images D learns from {fakes} fakes; as many were asked for. Is a "
        "batch size written as a number?",
        "hardcoded-size",
    )


# --- solve, then speak ---------------------------------------------------------------------------

# What an image's slope is made of: (a, b) in weight * (a(logit) - target * b(logit)).
_FORMS = {
    "cross-entropy": lambda x: (x.sigmoid(), torch.ones_like(x)),
    "squares of the logits": lambda x: (x, torch.ones_like(x)),
    "cross-entropy of a sigmoid": lambda x: (
        x.sigmoid().sigmoid() * _bend(x),
        _bend(x),
    ),
    "squares of the probabilities": lambda x: (x.sigmoid() * _bend(x), _bend(x)),
    "cross-entropy of a tanh": lambda x: (
        x.tanh().sigmoid() * (1 - x.tanh() ** 2),
        1 - x.tanh() ** 2,
    ),
}


def _bend(x: Tensor) -> Tensor:
    return x.sigmoid() * (1 - x.sigmoid())


def fit(logits: Tensor, slopes: Tensor) -> tuple[str, float, float] | None:
    """(form, weight, target) with which a loss, averaged over a batch, has these slopes."""
    x, y = logits.double().cpu(), slopes.double().cpu() * len(slopes)
    if len(y) < 4 or not y.any():
        return None
    if (y - y.mean()).abs().max() < 2e-3 * y.abs().max():
        return ("plain", y.mean().item(), 1.0)
    for form, parts in _FORMS.items():
        a, b = parts(x)
        table = torch.stack([a, -b], 1)
        weight, both = torch.linalg.lstsq(table, y[:, None]).solution[:, 0].tolist()
        if (table @ torch.tensor([weight, both]).double() - y).norm() < 2e-3 * y.norm():
            return (form, weight, both / weight)
    return None


def say_fit(what: str, found: tuple[str, float, float] | None, asked: float) -> str:
    """What a fit says of a batch, in words; '' if it is as it should be."""
    if found is None:
        return f"the {what} enter in a way that fits no target"
    form, weight, target = found
    if form == "plain":
        return f"the {what} all count alike, whatever D says of each"
    parts = []
    if abs(target - asked) > 5e-3:
        parts.append(f"have target {round(target, 3):g} where {asked:g} was asked for")
    if abs(weight - 1) > 5e-3:
        parts.append(f"count {round(weight, 3):g} times")
    if form != "cross-entropy":
        parts.append(f"enter by the {form}")
    return f"the {what} {' and '.join(parts)}" if parts else ""


def _name_loss(watch, step, name, groups, right, objective, shares) -> None:
    """Say with which targets and weights a step was made, or by which other loss."""
    for other in OBJECTIVES.values():
        if right is None or other == objective or (name == "G" and other.g_sees_real):
            continue
        if _same(groups, _slopes_of(watch, step, groups, other, name)):
            _say_other_objective(other, name)
    fits = {kind: fit(group.logits, group.slopes) for kind, group in groups.items()}
    kinds = ["real", "fake"] if name == "D" else ["fake"]
    if objective.d_loss is cross_entropy.d_loss and all(fits[kind] for kind in kinds):
        _name_pattern(name, kinds, fits, groups)
    _judge_missing(groups, kinds, name)
    if right is not None:
        _judge_twice(groups, right, kinds, shares, name, watch)
    _say_targets(name, kinds, fits, groups, right)


def _say_other_objective(other: Objective, name: str) -> None:
    label = next(key for key, value in OBJECTIVES.items() if value is other)
    if label in ("minimax", "non-saturating"):
        if name == "G" and label == "minimax":
            wrong(_G_PATTERNS[0][2], "loss-saturating")
        return
    label = label.replace("wasserstein", "Wasserstein")
    if name == "G" and label in ("Wasserstein", "hinge"):
        label = "Wasserstein or hinge"
    wrong(
        f"This is the gradient of the {label} loss; the cross-entropy on logits is asked for here."
    )


def _name_pattern(name: str, kinds: list[str], fits: dict, groups: dict[str, Group]) -> None:
    forms = {fits[kind][0] for kind in kinds}

    def matches(kind: str, pattern: tuple) -> bool:
        weight = len(groups[kind]) if pattern[0] == "n" else pattern[0]
        _, found, target = fits[kind]
        return abs(found - weight) < 0.01 * abs(weight) and abs(target - pattern[1]) < 0.01

    if forms == {"cross-entropy"} and name == "D":
        for real, fake, mistake, message in _D_PATTERNS:
            if matches("real", real) and matches("fake", fake):
                wrong(message, mistake)
    if forms == {"cross-entropy"} and name == "G":
        for fake, mistake, message in _G_PATTERNS:
            if matches("fake", fake):
                wrong(message, mistake)
    if "cross-entropy of a sigmoid" in forms:
        which = "in D's step" if name == "D" else "in G's step"
        wrong(
            f"A sigmoid is applied twice {which}: once by hand, once inside the loss, which "
            "flattens the gradient (D's loss then cannot fall below about 1.0). Look at what you "
            "hand to the loss.",
            "loss-double-sigmoid",
        )


def _judge_missing(groups: dict[str, Group], kinds: list[str], name: str) -> None:
    """Reject a step in which part of a batch has no weight, if that part is no matter of margin."""
    for kind in kinds:
        group = groups[kind]
        size = group.slopes.abs()
        idle = size < 1e-6 * size.max() if len(size) else size > 0
        used = ~idle
        if not idle.any() or not used.any() or used.sum() < 4:
            continue
        if fit(group.logits[used], group.slopes[used] * 1.0) is not None:
            what = "real images" if kind == "real" else "fakes"
            size = group.logits.abs()
            far = size[idle].min() > size[used].max()
            wrong(
                f"Only {int(used.sum())} of the {len(group)} {what} have a part in {name}'s "
                "update. "
                + (
                    "The others are those with the largest logits: what is cut off there?"
                    if far
                    else "Where are the others left out?"
                )
            )


def _judge_twice(groups, right, kinds, shares, name, watch) -> None:
    """Name a term that went through several backward passes, or has a weight of its own."""
    factors = {}
    for kind in kinds:
        norm = right[kind].square().sum()
        factors[kind] = (groups[kind].slopes @ right[kind] / norm).item() if norm > 0 else math.nan
        if not close(groups[kind].slopes, factors[kind] * right[kind], 2e-3):
            return
    for kind in kinds:
        passes = max(
            (s.passes for s in shares if any(o[0] == kind for o in watch.origins(s.call))),
            default=0,
        )
        if passes > 1 and abs(factors[kind] - passes) < 0.01:
            wrong(
                f"The {kind} term is counted {'twice' if passes == 2 else f'{passes} times'} in "
                f"{name}'s gradient. `backward` adds to what is there: how many backward passes "
                "does each term go through, and is `retain_graph` needed at all?",
                "step-retain-graph",
            )


def _own_targets(group: Group) -> tuple[float, float] | None:
    """The lowest and highest target that a cross-entropy has with these slopes, if it has."""
    targets = group.logits.sigmoid() - len(group) * group.slopes
    if not len(group) or targets.min() < -0.05 or targets.max() > 1.05:
        return None
    return targets.min().item(), targets.max().item()


def _say_targets(name, kinds, fits, groups, right) -> None:
    """The rest: what the slopes say of targets and weights, as far as they say anything."""
    said, asked = [], {"real": 1, "fake": 0 if name == "D" else 1}
    for kind in kinds:
        what, found = ("real images" if kind == "real" else "fakes"), fits[kind]
        mean = groups[kind].logits.mean().sigmoid().item() - asked[kind] if found else 0
        if found and found[0] == "plain" and abs(found[1] - mean) < 2e-3:
            said.append(f"the loss of the {what} is taken of the batch's mean logit")
        elif found is None and _own_targets(groups[kind]):
            low, high = _own_targets(groups[kind])
            said.append(f"each of the {what} has a target of its own, from {low:.2f} to {high:.2f}")
        elif text := say_fit(what, found, asked[kind]):
            said.append(text)
    smooth = any(
        fits[k] and fits[k][0] == "cross-entropy" and 0.02 < fits[k][2] < 0.98 for k in kinds
    )
    text = "; ".join(said) or "the images do not all count as they should"
    wrong(
        f"Solved for what each image contributes, {name}'s gradient says: {text}. "
        + (
            "Smoothing has an exercise of its own; the plain targets are asked for here."
            if smooth
            else "Look at the targets, the sign, the reduction to one number and what is handed "
            "to the loss."
        )
    )


# --- noise, loss, what should hold still ---------------------------------------------------------


def judge_noise(watch: Watch) -> None:
    """Reject noise of the wrong distribution, or the same noise at two steps of one network.

    Counts only what D was shown: noise for pictures may be drawn once.
    """
    calls = watch.fakes()
    need(calls, "The generator that was passed in is never called.", "step-globals")
    judged = [c for c in watch.calls if c.logits is not None and (c.back or c.functional)]
    shown = {id(o[1]): o[1] for c in judged for o in watch.origins(c) if o[0] == "fake"}
    batches = [call.z for call in shown.values()] or [call.z for call in calls]
    _judge_distribution(torch.cat([torch.unique(z.float().cpu(), dim=0) for z in batches]))
    for z in batches:
        different = len(torch.unique(z, dim=0))
        need(
            different == len(z),
            f"A batch of noise for {len(z)} images has {different} different rows, so that some "
            "fakes are copies of others. Each image needs noise of its own.",
            "step-same-noise",
        )
    for name in "DG":
        seen: set[bytes] = set()
        for step in [*watch.past, *watch.steps]:
            if name not in step.networks:
                continue
            calls = [c for c in watch.calls[step.first[name] : step.last] if c.logits is not None]
            calls = [c for c in calls if (c.back or c.functional) and c.epoch == step.epoch]
            own = {
                o[1].z[o[2]].cpu().numpy().tobytes()
                for c in calls
                for o in watch.origins(c)
                if o[0] == "fake"
            }
            need(
                not own & seen,
                f"Two steps of {name} use exactly the same noise, so that it only ever meets these "
                "few images. Where is the noise (or a seed) set?",
                "step-same-noise",
            )
            seen |= own


def _judge_distribution(z: Tensor) -> None:
    across = z.mean(1).var().item() * z.shape[1]  # 1 if the columns are independent
    need(
        len(z) < 8 or across < 1 + 8 * (2 / len(z)) ** 0.5,
        "The numbers within one z depend on each other: the same value stands in several of its "
        "places. How many numbers does each image need?",
    )
    values = z.flatten()
    slack = 5 / len(values) ** 0.5
    mean, spread = values.mean().item(), values.std().item()
    need(
        abs(mean) < slack and abs(spread - 1) < slack,
        f"The noise has mean {mean:.2f} and standard deviation {spread:.2f}; z is drawn from the "
        "standard normal distribution (0 and 1). Which function draws it?",
    )
    # Kolmogorov-Smirnov: the largest gap between the share below x and that of a normal law.
    ordered = values.sort().values.double()
    ranks = torch.arange(1, len(values) + 1) / len(values)
    gap = (torch.special.ndtr(ordered) - ranks).abs().max().item()
    need(
        gap < 2.6 / len(values) ** 0.5,
        "The noise has the mean and the standard deviation of a standard normal, but not its "
        f"shape: its values run from {values.min():.2f} to {values.max():.2f}. Which function "
        "draws it?",
    )


def need_same_loss(watch: Watch, reported: float, wanted: float, step: Step, call: str) -> None:
    """Reject a reported loss that is not the loss of this step."""
    if abs(reported - wanted) <= 1e-3 * max(0.1, abs(wanted)):
        return
    name = "D" if "D" in step.networks else "G"
    groups = _sort(watch, watch.account(step, name).shares, name)
    real, fake = groups["real"].logits, groups["fake"].logits
    target = "fakes alone" if name == "D" else "fakes"
    terms = [
        ("the mean of the two terms", wanted / 2 if name == "D" else math.inf),
        ("the loss with the opposite sign", -wanted),
        ("the sum over the batch", wanted * len(fake)),
        ("the real term alone", F.softplus(-real).mean().item() if len(real) else math.inf),
        (f"the term of the {target}", F.softplus(fake).mean().item() if len(real) else math.inf),
    ]
    if name == "G":
        terms.append(("log(1 - D(G(z)))", -F.softplus(fake).mean().item()))
    later: dict[str, list[Tensor]] = {"real": [], "fake": []}
    for later_call in watch.calls[step.last :]:
        if later_call.logits is not None:
            for logit, origin in zip(later_call.logits, watch.origins(later_call), strict=True):
                later.get(origin[0], []).append(logit.cpu())
    if later["fake"] and (later["real"] or name == "G"):
        later = {kind: torch.stack(x) if x else torch.zeros(0) for kind, x in later.items()}
        after = _loss_of(watch, step, later["real"], later["fake"], cross_entropy, name).item()
        terms.append(("the loss after the update, where the one before it was asked for", after))
    what = next(
        (w for w, v in terms if abs(v) < math.inf and abs(v - reported) <= 1e-3 * max(0.1, abs(v))),
        None,
    )
    wrong(
        f"The update is right, but `{call}` reports another loss: {off_by(reported, wanted)}."
        + (f" This is {what}." if what else "")
        + " Which value is returned?"
    )


def need_undisturbed(watch: Watch, call: str, moved: str = "") -> None:
    """Reject changes of anything but the networks that are trained, by their optimisers."""
    for name in sorted(watch.disturbed):
        if moved and name != moved:
            wrong(f"`{call}` also changes the weights of {name}, which should hold still here.")
        wrong(
            f"`{call}` changes the weights of {name} by something else than its optimiser's step. "
            "Where are they written to, clipped or set anew?"
        )
    for name, part in watch.networks.items():
        need(
            all(module.training for module in part.modules()),
            f"`{call}` leaves {name} in evaluation mode, in which dropout and BatchNorm are "
            "switched off for the rest of the training. Where is it switched, and back?",
        )
        need(
            all(p.requires_grad for p in part.parameters()),
            f"`{call}` leaves {name} frozen (requires_grad is False): it will not learn any more.",
        )


def one_step(watch: Watch, name: str, optimizer: object, call: str) -> Step:
    """The step that one call of d_step or g_step took; anything but one step is rejected."""
    own = [step for step in watch.steps if step.optimizer is optimizer]
    given = f"{name.lower()}_optimizer"
    if own:
        need(
            len(watch.steps) == 1,
            f"`{call}` takes {len(watch.steps)} optimiser steps where one was expected. Is `step` "
            "called twice, or in a loop?",
        )
        return own[0]
    if any(step.networks for step in watch.steps):
        wrong(
            f"`{call}` steps another optimiser than `{given}`, the one it is given. An optimiser "
            "built anew at each step forgets its averages."
        )
    if watch.steps:
        wrong(
            f"`{call}` steps an optimiser of other networks than the ones passed in. Which names "
            "in your function are not its arguments?",
            "step-globals",
        )
    need(
        watch.used,
        f"`{call}` uses neither of the networks passed in. Which names in your function are not "
        "its arguments?",
        "step-globals",
    )
    if watch.disturbed:
        need_undisturbed(watch, call)
    return wrong(f"After `{call}` nothing has moved: `{given}` was never told to step.")


# --- whole loops ---------------------------------------------------------------------------------


def judge_loop(
    watch: Watch,
    history: object,
    steps: int,
    d_steps: int,
    call: str,
    optimizers: tuple | None = None,
    objective: Objective = cross_entropy,
) -> None:
    """Every step of a whole training run, then the batches, the noise and the history."""
    need(
        watch.used,
        f"`{call}` uses neither of the networks passed in. Which names in your function are not "
        "its arguments?",
        "step-globals",
    )
    need(
        any(step.networks for step in watch.steps),
        f"After `{call}` no optimiser of these two networks has taken a step."
        + (" Other networks were stepped: which names are not arguments?" if watch.steps else ""),
        "step-globals" if watch.steps else None,
    )
    losses: dict[str, list[float]] = {"D": [], "G": []}
    for step in watch.steps:
        if step.networks:
            name = "D" if "D" in step.networks else "G"
            losses[name].append(judge_step(watch, step, name, objective=objective))
    _judge_optimizers(watch, optimizers, call)
    judge_order(watch, steps, d_steps, call)
    _judge_batches(watch)
    judge_noise(watch)
    _judge_history(history, losses, steps, d_steps, call)
    need_undisturbed(watch, call)
    need(
        watch.data_unchanged(),
        f"`{call}` changes the data set's own images. Work on a copy of them.",
    )


def _judge_optimizers(watch: Watch, given: tuple | None, call: str) -> None:
    for name, asked in zip("GD", given or (None, None), strict=True):
        used = {id(step.optimizer) for step in watch.steps if name in step.networks}
        need(
            len(used) <= 1,
            f"`{call}` moves {name} with {len(used)} different optimisers. One that is built anew "
            "forgets its averages; where is it made?",
        )
        need(
            asked is None or not used or used == {id(asked)},
            f"`{call}` was given optimisers, but moves {name} with another one, which has "
            "forgotten what the given one learned. Where does the argument enter?",
        )


def _judge_counts(d: int, g: int, steps: int, d_steps: int, call: str) -> None:
    if (d, g) == (steps * d_steps, steps):
        return
    seen = f"`{call}` takes {d} steps of D and {g} of G; {steps * d_steps} and {steps} were asked"
    if d_steps > 1 and g == steps * d_steps:
        wrong(
            f"{seen}: d_steps counts the steps of the wrong player. Which of the two stands in the "
            "inner loop?",
            "loop-d-steps-inverted",
        )
    if d_steps > 1 and d == steps:
        wrong(f"{seen}: the argument d_steps has no effect. Where would it enter?")
    wrong(f"{seen}. Does the loop end early, at the end of an epoch, or count something else?")


def _judge_batches(watch: Watch) -> None:
    """Reject a run in which D meets the same real images again and again."""
    batches = []
    for step in watch.steps:
        if "D" not in step.networks:
            continue
        calls = [c for c in watch.calls[step.first["D"] : step.last] if c.logits is not None]
        origins = [o for c in calls if c.back or c.functional for o in watch.origins(c)]
        batches.append(frozenset(o[1] for o in origins if o[0] == "real"))
    again = [(batches.index(batch), i) for i, batch in enumerate(batches) if batch in batches[:i]]
    need(
        not again,
        "Each step is right, but D meets the same real images "
        + (
            "every time"
            if len(set(batches)) == 1
            else "again: those of its step {} come back in its step {}".format(
                *(i + 1 for i in (again or [(0, 0)])[0])
            )
        )
        + ", so that much of the data is never seen. What changes from one batch to the next?",
        "loop-same-batch",
    )
    drawn, different = sum(map(len, batches)), len(frozenset().union(*batches))
    usual = len(watch.data) * (1 - math.exp(-drawn / len(watch.data)))  # drawn with replacement
    need(
        len(batches) < 4 or different > 0.6 * usual,
        f"Each step is right, but its {len(batches)} batches of real images hold only {different} "
        f"different ones of the data set's {len(watch.data)}. From which numbers are the indices "
        "drawn?",
    )


def _judge_history(history, losses: dict[str, list[float]], steps: int, d_steps: int, call: str):
    need(
        isinstance(history, dict) and {"d_loss", "g_loss"} <= set(history),
        f"The training is right, but `{call}` should return a dict with the lists 'd_loss' and "
        f"'g_loss', and {describe_value(history)} came back"
        + (f" with {sorted(map(str, history))}." if isinstance(history, dict) else "."),
    )
    per_step = [losses["D"][i * d_steps : (i + 1) * d_steps] for i in range(steps)]
    g_wanted = [(loss, loss) for loss in losses["G"]]
    wanted = {"d_loss": [(min(part), max(part)) for part in per_step], "g_loss": g_wanted}
    for key, bands in wanted.items():
        values = history[key]
        need(
            isinstance(values, Sequence | np.ndarray | Tensor),
            f"The training is right, but history['{key}'] is {describe_value(values)}, not a list.",
        )
        if key == "d_loss" and len(values) == steps * d_steps:
            bands = [(loss, loss) for loss in losses["D"]]
        need(
            len(values) == len(bands),
            f"The training is right, but history['{key}'] holds {len(values)} values after {steps} "
            "steps. When is a value added?",
        )
        for i, (value, (low, high)) in enumerate(zip(values, bands, strict=True)):
            number = need_number(value, f"history['{key}'][{i}]")
            need(
                low - 2e-3 * (1 + abs(low)) <= number <= high + 2e-3 * (1 + abs(high)),
                f"The training is right, but history['{key}'][{i}] is not the loss of that step: "
                f"{off_by(number, (low + high) / 2)}. Which value is added there?",
            )


def judge_order(watch: Watch, steps: int, d_steps: int, call: str) -> None:
    """Reject a loop that takes too few steps, too many, or in another order."""
    order = "".join(sorted(step.networks)[0] for step in watch.steps if step.networks)
    _judge_counts(order.count("D"), order.count("G"), steps, d_steps, call)
    need(
        order == ("D" * d_steps + "G") * steps,
        f"`{call}` takes its steps in the order {order}, where {'D' * d_steps}G in turn was asked "
        "for: first D, then G. Where in the loop does each of them stand?",
    )


def judge_far_off_loop(watch: Watch) -> None:
    for name in "DG":
        own = [step for step in watch.steps if name in step.networks]
        need(own, f"At large logits {name} is not updated any more. What stops the loop?")
        judge_step(watch, own[0], name, extreme=True)
