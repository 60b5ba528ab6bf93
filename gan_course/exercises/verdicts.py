"""What is asked of a training step, from what a `Watch` has recorded of it.

The step's gradient is taken apart (`Account`): which images are in it, from where, and with which
slope by their logit. The slopes are solved for the targets and weights behind them, and what is
said is what was found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gan_helpers.losses import OBJECTIVES, Objective, get_objective

from .account import Account
from .compare import FLAT, close, times
from .framework import wrong
from .steps import Step, Watch
from .targets import Group, fit, name_targets, say_targets

cross_entropy = get_objective("non-saturating")
_NOUNS = {"real": "real images", "fake": "fakes"}
_ONLY = {
    "real": """step-only-real: D learns from the real batch, but the fakes leave no trace in its
        update, and so it may answer 'real' to everything. Does the fake term reach `backward`?""",
    "fake": """step-only-fake: D learns from the fakes, but the real batch leaves no trace in its
        update, and so it may answer 'fake' to everything. Does the real term reach `backward`, and
        does its gradient last until the step?""",
}


# --- one step ------------------------------------------------------------------------------------


def assess_step(
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
    _need_network(watch, step, name)
    if not torch.isfinite(step.grad[name]).all():
        far = f"At ordinary logits {name}'s step is right, but at logits of a few hundred"
        wrong(f"""loss-log-sigmoid-nan: {far if extreme else f"In {name}'s step"} its gradient is
            not a finite number: a logarithm or exponential written by hand overflows there. Which
            function computes this from the logit in one go?""")
    account = Account(watch, step, name)
    groups = account.groups
    if any(call.kept for call in account.shares):
        wrong(f"""step-retain-graph: The graph of {name}'s step is still in memory after its
            backward pass: `retain_graph` or `create_graph` keeps it. It costs memory and hides the
            question that the error message asked. Which part of the graph should this loss not
            reach, or which graph is used twice?""")
    as_asked = account.follows(objective, groups) and account.complete and abs(account.held) <= 1e-3
    if not as_asked and not extreme:
        _need_no_leftovers(account, objective)
    if name == "D":
        _need_both_batches(account, real)
    if not as_asked and extreme:
        wrong(f"""loss-sigmoid-flat: At ordinary logits {name}'s step is right, but where the
            network is far off (logits of a few hundred) the gradient is wrong or gone. {FLAT} Which
            loss takes the logits themselves?""")
    if not as_asked:
        _need_nothing_between(account)
        _name_loss(account, objective)
    _need_moment(account)
    _need_modes_and_sizes(account, rows)
    return account.loss(objective, groups["real"].logits, groups["fake"].logits).item()


def _need_network(watch: Watch, step: Step, name: str) -> None:
    """Did the step move the network whose loss was sent back?"""
    other = "D" if name == "G" else "G"
    if step.networks == {"G", "D"}:
        wrong("""step-one-optimizer: One optimiser holds the parameters of both networks, so that
            each loss also moves the opponent, and the two aims cancel. How many optimisers does the
            game need?""")
    calls = watch.judged(step, name)
    sent = [c for c in calls if c.back and c.epoch == step.epoch]
    saw_real = watch.shown(sent, "real")
    if name == "G" and step.grad["G"] is None and not any(c.functional for c in calls):
        if saw_real:
            wrong("""step-wrong-optimizer: D's loss is sent back, but then G's optimiser is stepped,
                so that D does not learn. Which optimiser follows which loss?""")
        if calls and not any(c.through for c in sent):
            wrong("""step-detach-in-g: The fakes are shown to D and the loss is computed, but no
                gradient reaches G: the thread from D's answer to G is cut, and G does not change.
                How does G's image get to D in this step?""")
    if name == "D" and sent and not saw_real:
        fits = [fit(c.logits, sum(c.back)) for c in sent]
        if all(found is not None and abs(found.target - 1) < 0.01 for found in fits):
            wrong("""step-wrong-optimizer: G's loss is sent back, but then D's optimiser is stepped:
                D learns to be fooled, and G does not learn. Which optimiser follows which loss?""")
    if step.grad[name] is None:
        meant = f", and was {other}'s optimiser meant?" if step.grad[other] is not None else "?"
        wrong(f"""{name}'s optimiser is stepped while {name} holds no gradient, so that nothing
            moves. In which order do `zero_grad`, `backward` and `step` come{meant}""")


def _need_both_batches(account: Account, given: Sequence[int] | None) -> None:
    """Reject a step of D that reaches G, misses a batch or a part of one, or sees other images."""
    if any(call.attached and call.through for call in account.shares):
        wrong("""step-no-detach: D's loss is sent back through the generator as well: after D's
            backward pass the generator holds a gradient of D's loss. If nothing clears it, G's next
            update follows it. Where do the fakes enter the discriminator?""")
    groups = account.groups
    active = {kind: len(g) and bool(g.slopes.abs().max() > 1e-9) for kind, g in groups.items()}
    seen = [image.source for image in groups["real"].images]
    if seen and not active["fake"] and len(seen) >= 2 * len(set(seen)):
        wrong("""step-only-real: D is shown the real batch twice and no fakes: both terms of its
            loss see real images. What is handed to D in the fake term?""")
    for kind, absent in (("real", "fake"), ("fake", "real")):
        if active[kind] and not active[absent]:
            wrong(_ONLY[kind])
    if given is not None and seen and not set(seen) <= set(given):
        wrong("""step-globals: D learns from real images that are not in the batch passed in. Where
            do they come from?""")
    if given is not None and seen and set(seen) != set(given):
        wrong(f"""Of the {len(given)} real images passed in, only {len(set(seen))} have a part in
            D's update. Where are the others left out? (Is a batch size written as a number?)""")


# --- gradients that come from elsewhere, or change on the way ------------------------------------


def _need_no_leftovers(account: Account, objective: Objective) -> None:
    """Name gradients that were there before this step's backward pass."""
    name, watch, step = account.name, account.watch, account.step
    g_left = """step-g-grad-left-in-d: From a clean start D is updated as it should be. But G's step
        leaves gradients in D, and these are added to D's next update, which then pulls D toward
        being fooled. What has to happen before D's own backward pass?"""
    if abs(account.held - 1) < 0.02:
        if not account.shares:
            wrong(f"""{name}'s optimiser takes a second step with one and the same gradient. Is
                `step` called twice, or is a backward pass missing?""")
        if name == "D" and watch.held_from_g:
            wrong(g_left)
        wrong(f"""step-no-zero-grad: The first update of {name} is right, but a later one also
            contains the gradient of the one before: `backward` adds to what is there already. When
            are the old gradients cleared?""")
    current = [call for call in account.shares if call.epoch == step.epoch]
    mixed = name == "D" and 0 < len(current) < len(account.shares)
    if mixed and account.follows(objective, account.sort(current)):
        wrong(g_left)


def _need_nothing_between(account: Account) -> None:
    """Reject a gradient that is not the sum of what the backward passes brought."""
    found, name = account.gradient, account.name
    factors = []
    for call, weights in account.shares.items():
        brought = sum(call.back, torch.zeros(1))
        if brought.any():
            factors.append((weights @ brought / brought.square().sum()).item())
    if account.complete:
        if factors and max(factors) - min(factors) < 1e-3 and abs(factors[0] - 1) > 2e-3:
            wrong(f"""Between `backward` and the optimiser's step {name}'s gradient changes: all of
                it is {times(factors[0])}. What happens between these two lines?""")
        return
    top = found.abs().max().item()
    if (found.abs() > 0.999 * top).sum() > 0.05 * len(found):
        wrong(f"""Between `backward` and the optimiser's step {name}'s gradient is cut off at
            {top:.3g}, entry by entry. What happens between these two lines?""")
    share = account.rest.norm() / found.norm()
    decays = "; it points along the weights themselves, as a decay of the weights does"
    wrong(f"""{name}'s gradient contains something that is no gradient of D's answers to the images
        that it was shown ({share:.0%} of it{decays * account.decays}). What else is in the loss,
        such as a penalty, or changes the gradient before the optimiser's step?""")


def _need_moment(account: Account) -> None:
    """Reject a step for which another D judged, or another G drew, than the one of that moment."""
    watch, step, name = account.watch, account.step, account.name
    for call in account.shares:
        age = watch.age("D", call, step)
        if name == "G" and age == 1:
            wrong("""G's step uses D as it was before D's own step: both gradients are taken first,
                and then both networks move. Here they take turns: G answers the D that has just
                learned.""")
        if age != 0:
            wrong(f"""In {name}'s step the images are judged by a D with other weights than the one
                being trained. Is a copy of it used that is never brought up to date?""")
        if any(watch.age("G", image.source, step) != 0 for image in watch.shown([call], "fake")):
            wrong(f"""In {name}'s step D is shown fakes of an older generator than the one of that
                moment. When are the fakes drawn?""")


def _need_modes_and_sizes(account: Account, rows: int | None) -> None:
    name, groups = account.name, account.groups
    off = "in evaluation mode; dropout and BatchNorm would be switched off. Where is the mode set?"
    if not all(call.training for call in account.shares):
        wrong(f"In {name}'s step D is {off}")
    if not all(image.source.training for image in groups["fake"].images):
        wrong(f"In {name}'s step the fakes are drawn with G {off}")
    real, fakes = len(groups["real"]), len(groups["fake"])
    if rows is not None and fakes != rows:
        wrong(f"""hardcoded-size: For a batch of {rows}, {fakes} fakes have a part in the update. Is
            a batch size written as a number?""")
    if name == "D" and fakes != real:
        wrong(f"""hardcoded-size: Beside {real} real images D learns from {fakes} fakes; as many
            were asked for. Is a batch size written as a number?""")


# --- solve, then speak ---------------------------------------------------------------------------


def _name_loss(account: Account, objective: Objective) -> None:
    """Say with which targets and weights a step was made, or by which other loss."""
    name, groups = account.name, account.groups
    for label, other in OBJECTIVES.items():
        sees_real = name == "G" and other.g_sees_real
        if other == objective or sees_real or other.d_loss is cross_entropy.d_loss:
            continue  # of a cross-entropy `name_targets` says more
        if account.follows(other, groups):
            label = label.replace("wasserstein", "Wasserstein")
            if name == "G" and label in ("Wasserstein", "hinge"):
                label = "Wasserstein or hinge"
            wrong(f"""This is the gradient of the {label} loss; the cross-entropy on logits is asked
                for here.""")
    asked = {"real": 1, "fake": 0} if name == "D" else {"fake": 1}
    if objective.d_loss is cross_entropy.d_loss:
        name_targets(groups, asked, f" in {name}'s step")
    for kind in asked:
        _need_whole_batch(groups[kind], _NOUNS[kind], name)
    if right := account.right_slopes(objective, groups):
        _need_once(account, {kind: right[kind] for kind in asked})
    fits = [groups[kind].fit for kind in asked]
    smooth = any(f and f.form == "cross-entropy" and 0.02 < f.target < 0.98 for f in fits)
    said = say_targets(groups, asked, _NOUNS) or "the images do not all count as they should"
    look = "Look at targets, sign, the reduction to one number and what is handed to the loss."
    if smooth:
        look = "Smoothing has an exercise of its own; the plain targets are asked for here."
    wrong(f"Solved for what each image contributes, {name}'s gradient says: {said}. {look}")


def _need_whole_batch(group: Group, noun: str, name: str) -> None:
    """Reject a step in which part of a batch has no weight, if that part is no matter of margin."""
    size = group.slopes.abs()
    idle = size < 1e-6 * size.max() if len(size) else size > 0
    used = ~idle
    if not idle.any() or used.sum() < 4 or fit(group.logits[used], group.slopes[used]) is None:
        return
    size = group.logits.abs()
    where = "Where are the others left out?"
    if size[idle].min() > size[used].max():
        where = "The others are those with the largest logits: what is cut off there?"
    wrong(f"Only {used.sum()} of the {len(group)} {noun} have a part in {name}'s update. {where}")


def _need_once(account: Account, right: Mapping[str, Tensor]) -> None:
    """Name a term that went through several backward passes and counts as often."""
    factors = {}
    for kind, slopes in right.items():
        norm, found = slopes.square().sum(), account.groups[kind].slopes
        factors[kind] = (found @ slopes / norm).item() if norm > 0 else math.nan
        if not close(found, factors[kind] * slopes, 2e-3):
            return
    for kind, factor in factors.items():
        own = [call for call in account.shares if account.watch.shown([call], kind)]
        passes = max((len(call.back) for call in own), default=0)
        if passes >= 2 and abs(factor - passes) < 0.01:
            wrong(f"""step-retain-graph: The {kind} term is counted
                {"twice" if passes == 2 else f"{passes} times"} in {account.name}'s gradient.
                `backward` adds to what is there: how many backward passes does each term go
                through, and is `retain_graph` needed at all?""")
