"""Verdicts on training steps and whole loops, from what a `Watch` has recorded of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gan_helpers.losses import get_objective

from .compare import need_number
from .framework import describe_value, need, wrong
from .steps import SIDE, Step, Watch


def close(a: Tensor | None, b: Tensor | None, tolerance: float = 1e-3) -> bool:
    """Equal up to rounding, as vectors. None stands for zero."""
    if a is None or b is None:
        other = b if a is None else a
        return other is None or not other.any()
    return bool((a - b).norm() <= tolerance * torch.maximum(a.norm(), b.norm()))


def compare(found: Tensor, wanted: Tensor) -> str:
    """How a gradient differs from the one asked for, in words with numbers."""
    if not torch.isfinite(found).all():
        return "is not finite"
    ratio = (found.norm() / wanted.norm()).item()
    cosine = F.cosine_similarity(found, wanted, dim=0).item()
    size = f"{ratio:.2f} times as large"
    if cosine > 0.999:
        return f"points the right way but is {size} as it should be"
    if cosine < -0.999:
        return f"points exactly the opposite way (and is {size})"
    return f"points another way (cosine {cosine:.2f} with the right one, and {size})"


# --- losses, right and wrong ---------------------------------------------------------------------

cross_entropy = get_objective("non-saturating")


def _double_sigmoid_d(real: Tensor, fake: Tensor) -> Tensor:
    return cross_entropy.d_loss(torch.sigmoid(real), torch.sigmoid(fake))


# (mistake or None, loss on (real logits, fake logits), what to say after "D's gradient ")
D_LOSSES: list[tuple[str | None, Callable[[Tensor, Tensor], Tensor], str]] = [
    (
        "step-swapped-labels",
        lambda r, f: cross_entropy.d_loss(f, r),
        "D is updated, but toward low logits for real images and high ones for fakes. Which "
        "target belongs to which batch?",
    ),
    (
        "step-only-real",
        lambda r, f: F.softplus(-r).mean(),
        "D learns from the real batch, but the fakes leave no trace in its update, and so it may "
        "answer 'real' to everything. Does the fake term reach `backward`?",
    ),
    (
        "step-only-fake",
        lambda r, f: F.softplus(f).mean(),
        "D learns from the fakes, but the real batch leaves no trace in its update, and so it may "
        "answer 'fake' to everything. Does the real term reach `backward`?",
    ),
    (
        "loss-double-sigmoid",
        _double_sigmoid_d,
        "Real and fake have the right targets, but a sigmoid is applied twice: once by hand, once "
        "inside the loss. The loss then cannot fall below about 1.0; look at what you hand to it.",
    ),
    (
        "loss-sum-not-mean",
        lambda r, f: F.softplus(-r).sum() + F.softplus(f).sum(),
        "Direction and targets are right, but the loss is summed over the batch, so that it grows "
        "with the batch size. Where is it reduced to one number?",
    ),
    (
        "loss-half-sum",
        lambda r, f: 0.5 * cross_entropy.d_loss(r, f),
        "Direction and targets are right, but everything is half as large: the real and the fake "
        "term are averaged. The course adds them (2 log 2 = 1.386 when D knows nothing), so that "
        "your curves can be read against the text.",
    ),
    (
        "step-retain-graph",
        lambda r, f: 2 * F.softplus(-r).mean() + F.softplus(f).mean(),
        "The real term is counted twice in D's gradient. `backward` adds to what is there: how "
        "many backward passes does each term go through, and is `retain_graph` needed at all?",
    ),
    (
        "step-retain-graph",
        lambda r, f: F.softplus(-r).mean() + 2 * F.softplus(f).mean(),
        "The fake term is counted twice in D's gradient. `backward` adds to what is there: how "
        "many backward passes does each term go through, and is `retain_graph` needed at all?",
    ),
    (
        None,
        get_objective("wasserstein").d_loss,
        "This is the gradient of the plain logits, as in the Wasserstein or the hinge loss; the "
        "cross-entropy on logits is asked for here.",
    ),
    (
        None,
        get_objective("least-squares").d_loss,
        "This is the gradient of the least-squares loss; the cross-entropy on logits is asked for.",
    ),
    (
        None,
        lambda r, f: cross_entropy.d_loss(r, f) - 0.1 * -r.mean(),
        "D's real target seems to be 0.9 instead of 1. Smoothing has an exercise of its own; the "
        "plain targets are asked for here.",
    ),
]

G_LOSSES: list[tuple[str | None, Callable[[Tensor], Tensor], str]] = [
    (
        "loss-saturating",
        lambda f: -F.softplus(f).mean(),
        "G moves the right way, but by the saturating loss log(1 - D(G(z))), whose slope vanishes "
        "when D is sure of itself, as it is early on. Which quantity should be made large?",
    ),
    (
        "step-g-targets-fake",
        lambda f: F.softplus(f).mean(),
        "G is updated, but toward the target 'fake': it helps D to catch it. What does G want D to "
        "say about its images?",
    ),
    (
        "loss-nonsaturating-sign",
        lambda f: -F.softplus(-f).mean(),
        "The loss has the right form and the wrong sign: log D(G(z)) is being made small, so that "
        "G gets worse by design. An optimiser minimises; what should it be given?",
    ),
    (
        "loss-double-sigmoid",
        lambda f: F.softplus(-torch.sigmoid(f)).mean(),
        "The target is right, but a sigmoid is applied twice: once by hand, once inside the loss, "
        "which flattens G's gradient. Look at what you hand to the loss.",
    ),
    (
        "loss-sum-not-mean",
        lambda f: F.softplus(-f).sum(),
        "Direction and target are right, but the loss is summed over the batch, so that it grows "
        "with the batch size. Where is it reduced to one number?",
    ),
    (
        None,
        lambda f: -f.mean(),
        "This is the gradient of the Wasserstein loss (the plain logit); the cross-entropy on "
        "logits is asked for here.",
    ),
    (
        None,
        lambda f: 0.5 * F.softplus(-f).mean(),
        "G moves the right way, but its loss is half of the one asked for.",
    ),
]


# --- verdicts ------------------------------------------------------------------------------------


def judge_d_step(watch: Watch, step: Step, extreme: bool = False) -> float:
    """Reject unless D's step used the gradient it should; return the loss it should report."""
    right = watch.d_gradient(step, cross_entropy.d_loss)
    if extreme:
        _judge_extreme(step.grad["D"], right, "D's")
        return math.nan
    _judge_networks(watch, step, "D")
    need(
        not step.kept_graph,
        "D's graph is still in memory after its backward pass: `retain_graph` is set. It costs "
        "memory and hides the question that the error message asked. Which part of the graph "
        "should D's loss not reach?",
        "step-retain-graph",
    )
    # Both backward passes may come before both steps; then G holds its own gradient by now.
    own = watch.g_gradient(step, cross_entropy.g_loss)
    need(
        step.fresh["G"] is None or close(step.fresh["G"], own),
        "D's loss is sent back through the generator as well: after D's backward pass the "
        "generator holds a gradient of D's loss. If nothing clears it, G's next update follows it. "
        "Where do the fakes enter the discriminator?",
        "step-no-detach",
    )
    for opponent in ("", "G"):
        if close(step.grad["D"], watch.d_gradient(step, cross_entropy.d_loss, opponent)):
            real, fake, _, _ = watch.logits(step, opponent)
            return cross_entropy.d_loss(real, fake).item()
    _judge_leftovers(step, "D")
    return _name_loss(watch.d_gradient, D_LOSSES, step, "D", right)


def judge_g_step(watch: Watch, step: Step, extreme: bool = False) -> float:
    """Reject unless G's step used the gradient it should; return the loss it should report."""
    right = watch.g_gradient(step, cross_entropy.g_loss)
    if extreme:
        _judge_extreme(step.grad["G"], right, "G's")
        return math.nan
    _judge_networks(watch, step, "G")
    need(
        not step.kept_graph,
        "The graph of G's step is still in memory after its backward pass: `retain_graph` is set. "
        "It costs memory and hides the question that the error message asked. Which graph is used "
        "twice?",
        "step-retain-graph",
    )
    for opponent in ("", "D"):
        if close(step.grad["G"], watch.g_gradient(step, cross_entropy.g_loss, opponent)):
            return cross_entropy.g_loss(watch.logits(step, opponent)[1]).item()
    _judge_leftovers(step, "G")
    return _name_loss(watch.g_gradient, G_LOSSES, step, "G", right)


def _judge_networks(watch: Watch, step: Step, name: str) -> None:
    """Did the step move the network whose loss was sent back?"""
    other = "G" if name == "D" else "D"
    saw_real = any(len(real) for real in step.real_seen)
    need(
        step.networks != {"G", "D"},
        "One optimiser holds the parameters of both networks, so that each loss also moves the "
        "opponent, and the two aims cancel. How many optimisers does the game need?",
        "step-one-optimizer",
    )
    if name == "G" and step.fresh["G"] is None and step.grad["G"] is None:
        if saw_real:
            wrong(
                "D's loss is sent back, but then G's optimiser is stepped, so that D does not "
                "learn. Which optimiser follows which loss?",
                "step-wrong-optimizer",
            )
        need(
            step.fresh["D"] is None and not step.fakes_seen,
            "The fakes are shown to D and the loss is computed, but no gradient reaches G: the "
            "thread from D's answer to G is cut, and G does not change. How does G's image get to "
            "D in this step?",
            "step-detach-in-g",
        )
    if name == "D" and not saw_real and step.fresh["D"] is not None:
        gradient = watch.d_gradient(step, lambda r, f: F.softplus(-f).mean() + 0 * r.sum())
        need(
            not close(step.fresh["D"], gradient),
            "G's loss is sent back, but then D's optimiser is stepped: D learns to be fooled, and "
            "G does not learn. Which optimiser follows which loss?",
            "step-wrong-optimizer",
        )
    need(
        step.grad[name] is not None,
        f"{name}'s optimiser is stepped while {name} holds no gradient, so that nothing moves. In "
        "which order do `zero_grad`, `backward` and `step` come"
        + (f", and was {other}'s optimiser meant?" if step.fresh[other] is not None else "?"),
    )
    need(
        name == "G" or step.training,
        "D is in evaluation mode while it learns; dropout and BatchNorm would be switched off. "
        "Where is the mode set?",
    )


def _judge_leftovers(step: Step, name: str) -> None:
    """Name gradients that were there before this step's backward pass."""
    found, fresh = step.grad[name], step.fresh[name]
    if fresh is None or close(found, fresh):
        return
    zero = torch.zeros_like(fresh)
    stale = zero if step.stale[name] is None else step.stale[name]
    previous = zero if step.previous[name] is None else step.previous[name]
    if close(found, fresh + stale) and stale.any():
        wrong(
            "From a clean start D is updated as it should be. But G's step leaves gradients in D, "
            "and these are added to D's next update, which then pulls D toward being fooled. What "
            "has to happen before D's own backward pass?",
            "step-g-grad-left-in-d",
        )
    if close(found, fresh + stale + previous) or close(found, fresh + previous):
        wrong(
            f"The first update of {name} is right, but the second one also contains the gradient "
            "of the first: `backward` adds to what is there already. When are the old gradients "
            "cleared?",
            "step-no-zero-grad",
        )
    wrong(
        f"Between `backward` and the optimiser's step {name}'s gradient changes: it "
        f"{compare(found, fresh)}. What happens between these two lines?"
    )


def _name_loss(gradient: Callable, table: list, step: Step, name: str, right: Tensor) -> NoReturn:
    found = step.grad[name] if step.fresh[name] is None else step.fresh[name]
    for mistake, loss, message in table:
        if close(found, gradient(step, loss)):
            wrong(message, mistake)
    wrong(
        f"{name}'s gradient {compare(found, right)}. The target, the sign, the reduction to one "
        "number and what is handed to the loss are the places to look."
    )


def _judge_extreme(found: Tensor | None, right: Tensor, whose: str) -> None:
    if found is not None and not torch.isfinite(found).all():
        wrong(
            f"At ordinary logits {whose} step is right, but at logits of a few hundred its "
            "gradient is not a finite number: a logarithm or exponential written by hand "
            "overflows there. Which function computes this from the logit in one go?",
            "loss-log-sigmoid-nan",
        )
    need(
        close(found, right),
        f"At ordinary logits {whose} step is right, but where the network is far off (logits of a "
        "few hundred) the gradient is wrong or gone, since the sigmoid has rounded to 0 or 1 "
        "before the logarithm is taken. Which loss takes the logits themselves?",
        "loss-sigmoid-flat",
    )


def judge_noise(batches: list[Tensor], rows: int | None) -> None:
    """Reject noise of the wrong size or distribution, or the same noise at two steps."""
    need(batches, "The generator that was passed in is never called.", "step-globals")
    if rows is not None:
        need(
            all(len(z) == rows for z in batches),
            f"For a batch of {rows}, noise for {len(batches[0])} images is drawn. Is a batch size "
            "written as a number?",
            "hardcoded-size",
        )
    values = torch.cat([z.flatten() for z in batches]).float()
    # Five standard errors of the mean and of the standard deviation.
    slack = 5 / len(values) ** 0.5
    mean, spread = values.mean().item(), values.std().item()
    need(
        abs(mean) < slack and abs(spread - 1) < slack,
        f"The noise has mean {mean:.2f} and standard deviation {spread:.2f}; z is drawn from the "
        "standard normal distribution (0 and 1). Which function draws it?",
    )
    need(
        len(batches) < 2 or not any(torch.equal(batches[0], z) for z in batches[1:]),
        "Two steps use exactly the same noise, so that G only ever learns these few images. Where "
        "is the noise (or a seed) set?",
        "step-same-noise",
    )


def need_same_loss(reported: float, wanted: float, call: str) -> None:
    """Reject a reported loss that is not the loss of this step."""
    if abs(reported - wanted) <= 1e-3 * max(1.0, abs(wanted)):
        return
    wrong(
        f"The update is right, but `{call}` reports a loss of {reported:.4f} where it was "
        f"{wanted:.4f} ({reported / wanted:.2f} times as large). Which value is returned?"
    )


# --- whole loops ---------------------------------------------------------------------------------


def judge_loop(watch: Watch, history: object, steps: int, d_steps: int, call: str) -> None:
    """Every step of a whole training run, then the batches, the noise and the history."""
    need(
        watch.saw_anything or watch.z,
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
    _judge_real_images(watch)
    losses: dict[str, list[float]] = {"D": [], "G": []}
    for step in watch.steps:
        name = "D" if "D" in step.networks else "G"
        verdict = judge_d_step if name == "D" else judge_g_step
        losses[name].append(verdict(watch, step))
    _judge_counts(len(losses["D"]), len(losses["G"]), steps, d_steps, call)
    _judge_batches(watch)
    judge_noise([z for z in watch.z if len(z) > 1], rows=None)
    _judge_history(history, losses, steps, d_steps, call)
    for name, part in watch.networks.items():
        need(
            part.training,
            f"`{call}` leaves {name} in evaluation mode. Where is it switched, and back?",
        )


def _judge_real_images(watch: Watch) -> None:
    for step in watch.steps:
        for real in step.real_seen:
            if not len(real):
                continue
            low, high = real[0, 1].item(), real[0, 0].item()  # a black and a white pixel
            need(
                not (abs(low) < 0.01 and abs(high - 1) < 0.01),
                "The loop runs, but the real images reach D in [0, 1] while G draws in [-1, 1]: D "
                "can tell them apart by the blacks alone. Where are the pixels turned into floats?",
                "data-range",
            )
            need(
                abs(low + 1) < 0.01 and abs(high - 1) < 0.01,
                f"Real images reach D with values from {low:.3g} to {high:.3g}, while G draws in "
                "[-1, 1]. Where are the pixels turned into floats?",
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
    """Reject a run in which D meets the same real images at every step."""
    batches = []
    for step in watch.steps:
        rows = [real[:, SIDE : SIDE + 10] for real in step.real_seen if len(real)]
        if rows:
            batches.append({tuple(row) for row in (torch.cat(rows) > 0).tolist()})
    need(
        len(batches) < 2 or any(batch != batches[0] for batch in batches[1:]),
        "Each step is right, but D meets the same real images every time, so that the rest of the "
        "data is never seen. What changes from one batch to the next?",
        "loop-same-batch",
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
                f"The training is right, but history['{key}'][{i}] is {number:.4f} where the loss "
                f"of that step was {low:.4f}. Which value is added there?",
            )


def judge_far_off_loop(watch: Watch, name: str) -> None:
    own = [step for step in watch.steps if name in step.networks]
    need(own, f"At large logits {name} is not updated any more. What stops the loop?")
    verdict = judge_d_step if name == "D" else judge_g_step
    verdict(watch, own[0], extreme=True)
