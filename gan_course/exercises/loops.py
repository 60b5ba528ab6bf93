"""Checks of noise, of what should hold still, and of whole training loops, from a `Watch`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .account import Account
from .compare import need_number, off_by
from .framework import calling, describe_value, need, probe_device, wrong
from .steps import LATENT, Step, Watch
from .verdicts import assess_step, cross_entropy

_NEITHER = """step-globals: `{call}` uses neither of the networks passed in. Which names in your
    function are not its arguments?"""

# --- noise, loss, what should hold still ---------------------------------------------------------


def need_good_noise(watch: Watch) -> None:
    """Reject noise of the wrong distribution, or the same noise at two steps of one network.

    Counts only what D was shown: noise for pictures may be drawn once.
    """
    calls = watch.fakes()
    need(calls, "step-globals: The generator that was passed in is never called.")
    fakes = watch.shown((call for call in watch.calls if call.heard), "fake")
    batches = [call.z for call in dict.fromkeys([fake.source for fake in fakes] or calls)]
    _need_distribution(torch.unique(torch.cat([z.float().cpu() for z in batches]), dim=0))
    for z in batches:
        different = len(torch.unique(z, dim=0))
        if different != len(z):
            wrong(f"""step-same-noise: A batch of noise for {len(z)} images has {different}
                different rows, so that some fakes are copies of others. Each image needs noise of
                its own.""")
    for name in "DG":
        seen: set[bytes] = set()
        for step in (step for step in [*watch.past, *watch.steps] if name in step.networks):
            calls = [call for call in watch.heard(step, name) if call.epoch == step.epoch]
            fakes = watch.shown(calls, "fake")
            own = {fake.source.z[fake.row].cpu().numpy().tobytes() for fake in fakes}
            if own & seen:
                wrong(f"""step-same-noise: Two steps of {name} use exactly the same noise, so that
                    it meets the same few images again. Where is the noise (or a seed) set?""")
            seen |= own


def _need_distribution(z: Tensor) -> None:
    across = z.mean(1).var().item() * z.shape[1]  # 1 if the columns are independent
    if len(z) >= 8 and across > 1 + 8 * (2 / len(z)) ** 0.5:
        wrong("""The numbers within one z depend on each other: the same value stands in several of
            its places. How many numbers does each image need?""")
    values = z.flatten()
    slack = 5 / len(values) ** 0.5
    mean, spread = values.mean().item(), values.std().item()
    if not (abs(mean) < slack and abs(spread - 1) < slack):
        wrong(f"""The noise has mean {mean:.2f} and standard deviation {spread:.2f}; z is drawn from
            the standard normal distribution (0 and 1). Which function draws it?""")
    # Kolmogorov-Smirnov: the largest gap between the share below x and that of a normal law.
    ordered = values.sort().values.double()
    ranks = torch.arange(1, len(values) + 1) / len(values)
    gap = (torch.special.ndtr(ordered) - ranks).abs().max().item()
    if gap > 2.6 / len(values) ** 0.5:
        wrong(f"""The noise has the mean and the standard deviation of a standard normal, but not
            its shape: its values run from {values.min():.2f} to {values.max():.2f}. Which function
            draws it?""")


def need_same_loss(watch: Watch, reported: float, wanted: float, step: Step, call: str) -> None:
    """Reject a reported loss that is not the loss of this step."""

    def is_it(value: float) -> bool:
        return math.isfinite(value) and abs(reported - value) <= 1e-3 * max(0.1, abs(value))

    if is_it(wanted):
        return
    account = Account(watch, step, step.name)
    real, fake = account.groups["real"].logits, account.groups["fake"].logits
    terms = {
        "the loss with the opposite sign": -wanted,
        "the sum over the batch": wanted * len(fake),
    }
    if step.name == "D":
        terms["the mean of the two terms"] = wanted / 2
        terms["the real term alone"] = F.softplus(-real).mean().item()
        terms["the term of the fakes alone"] = F.softplus(fake).mean().item()
    else:
        terms["log(1 - D(G(z)))"] = -F.softplus(fake).mean().item()
    later = [call for call in watch.calls[step.last :] if call.logits is not None]
    real, fake = ([image.logit for image in watch.shown(later, kind)] for kind in ("real", "fake"))
    if fake and (real or step.name == "G"):
        after = account.loss(cross_entropy, torch.tensor(real), torch.tensor(fake)).item()
        terms["the loss after the update, where the one before it was asked for"] = after
    what = next((f"This is {what}." for what, value in terms.items() if is_it(value)), "")
    wrong(f"""The update is right, but `{call}` reports another loss: {off_by(reported, wanted)}.
        {what} Which value is returned?""")


def need_undisturbed(watch: Watch, call: str, moved: str = "") -> None:
    """Reject changes of anything but the networks that are trained, by their optimisers."""
    for name in sorted(watch.disturbed):
        if moved and name != moved:
            wrong(f"`{call}` also changes the weights of {name}, which should hold still here.")
        wrong(f"""`{call}` changes the weights of {name} by something else than its optimiser's
            step. Where are they written to, clipped or set anew?""")
    need_ready(watch.networks, call)


def need_ready(networks: Mapping[str, nn.Module], call: str) -> None:
    """Reject a call that leaves a network frozen or in evaluation mode."""
    for name, part in networks.items():
        if not all(module.training for module in part.modules()):
            wrong(f"""`{call}` leaves {name} in evaluation mode, in which dropout and BatchNorm are
                switched off for the rest of the training. Where is it switched, and back?""")
        if not all(p.requires_grad for p in part.parameters()):
            wrong(f"`{call}` leaves {name} frozen (requires_grad is False): it no longer learns.")


def one_step(watch: Watch, name: str, optimizer: object, call: str) -> Step:
    """The step that one call of d_step or g_step took; anything but one step is rejected."""
    own = [step for step in watch.steps if step.optimizer is optimizer]
    given = f"{name.lower()}_optimizer"
    if own and len(watch.steps) == 1:
        return own[0]
    if own:
        wrong(f"""`{call}` takes {len(watch.steps)} optimiser steps where one was expected. Is
            `step` called twice, or in a loop?""")
    if any(step.networks for step in watch.steps):
        wrong(f"""`{call}` steps another optimiser than `{given}`, the one it is given. An optimiser
            built anew at each step forgets its averages.""")
    if watch.steps:
        wrong(f"""step-globals: `{call}` steps an optimiser of other networks than the ones passed
            in. Which names in your function are not its arguments?""")
    need(watch.used, _NEITHER.format(call=call))
    if watch.disturbed:
        need_undisturbed(watch, call)
    return wrong(f"After `{call}` nothing has moved: `{given}` was never told to step.")


# --- one call of d_step or g_step ----------------------------------------------------------------


def one_call(
    answer: Callable,
    watch: Watch,
    name: str,
    optimizer: torch.optim.Optimizer,
    call: str,
    indices: Sequence[int],
) -> tuple[Step, object]:
    """Call d_step or g_step once; the step that it took, and what it returned.

    indices: the images of the batch. D's step is handed them, with their labels if the networks
    take labels; G's step only their number.
    """
    watch.begin()
    given: dict[str, Tensor] = {}
    if name == "D":
        given["real images"] = watch.data.take(list(indices)).to(probe_device())
    if name == "D" and watch.classes is not None:
        given["labels"] = watch.data.labels[list(indices)].to(probe_device())
    before = {what: tensor.clone() for what, tensor in given.items()}
    settings = _settings(optimizer)
    batch = given.values() if name == "D" else [len(indices)]
    with watch.on(), calling(call):
        reported = answer(watch.G, watch.D, optimizer, *batch, LATENT)
    step = one_step(watch, name, optimizer, call)
    for what, tensor in given.items():
        if not torch.equal(tensor, before[what]):
            wrong(f"""`{call}` changes the {what} that it is given, so that whoever uses them next
                gets others. Operations whose names end in _ work in place.""")
    for now, old in zip(_settings(optimizer), settings, strict=False):
        if any(now.get(key) != value for key, value in old.items()):
            wrong(f"`{call}` changes the settings of the optimiser that it is given.")
    return step, reported


def _settings(optimizer: torch.optim.Optimizer) -> list[dict]:
    """The learning rate and the like, by group of parameters."""
    groups = optimizer.param_groups
    return [{key: group[key] for key in group if key != "params"} for group in groups]


def assess_call(
    watch: Watch, step: Step, name: str, reported: object, call: str, indices: Sequence[int]
) -> None:
    """Reject a call that took a wrong step, reports another loss, or moves what it should not."""
    real = indices if name == "D" else None
    wanted = assess_step(watch, step, name, rows=len(indices), real=real)
    need_same_loss(watch, need_number(reported, call), wanted, step, call)
    need_undisturbed(watch, call, name)


# --- whole loops ---------------------------------------------------------------------------------


def assess_loop(
    watch: Watch,
    history: object,
    steps: int,
    d_steps: int,
    call: str,
    optimizers: tuple | None = None,
) -> None:
    """Every step of a whole training run, then the batches, the noise and the history."""
    need(watch.used, _NEITHER.format(call=call))
    if not any(step.networks for step in watch.steps):
        told = f"After `{call}` no optimiser of these two networks has taken a step."
        if watch.steps:
            wrong(f"""step-globals: {told} Other networks were stepped: which names are not
                arguments?""")
        wrong(told)
    losses: dict[str, list[float]] = {"D": [], "G": []}
    for step in watch.steps:
        if step.networks:
            losses[step.name].append(assess_step(watch, step, step.name))
    _need_optimizers(watch, optimizers, call)
    need_order(watch, steps, d_steps, call)
    _need_new_batches(watch)
    need_whole_data(watch)
    need_good_noise(watch)
    _need_history(history, losses, steps, d_steps, call)
    need_undisturbed(watch, call)
    if not torch.equal(watch.data.images, watch.images):
        wrong(f"`{call}` changes the data set's own images. Work on a copy of them.")


def _need_optimizers(watch: Watch, given: tuple | None, call: str) -> None:
    for name, asked in zip("GD", given or (None, None), strict=True):
        used = {id(step.optimizer) for step in watch.steps if name in step.networks}
        if len(used) > 1:
            wrong(f"""`{call}` moves {name} with {len(used)} different optimisers. One that is built
                anew forgets its averages; where is it made?""")
        if asked is not None and used and used != {id(asked)}:
            wrong(f"""`{call}` was given optimisers, but moves {name} with another one, which has
                forgotten what the given one learned. Where does the argument enter?""")


def need_order(watch: Watch, steps: int, d_steps: int, call: str) -> None:
    """Reject a loop that takes too few steps, too many, or in another order."""
    order = "".join(step.name for step in watch.steps)
    if order == ("D" * d_steps + "G") * steps:
        return
    d, g = order.count("D"), order.count("G")
    if (d, g) == (steps * d_steps, steps):
        wrong(f"""`{call}` takes its steps in the order {order}, where {"D" * d_steps}G in turn was
            asked for: first D, then G. Where in the loop does each of them stand?""")
    seen = f"`{call}` takes {d} steps of D and {g} of G; {steps * d_steps} and {steps} were asked"
    if d_steps > 1 and d == g == steps * d_steps:
        wrong(f"{seen}: both players step d_steps times. Which of them stands in the inner loop?")
    if d_steps > 1 and g == steps * d_steps:
        wrong(f"""loop-d-steps-inverted: {seen}: d_steps counts the steps of the wrong player. Which
            of the two stands in the inner loop?""")
    if d_steps > 1 and (d, g) == (steps, steps):
        wrong(f"{seen}: the argument d_steps has no effect. Where would it enter?")
    wrong(f"""{seen}. Does the loop end early, at the end of an epoch, leave steps out where a loss
        is small or large, or count something else?""")


def _batches(watch: Watch) -> list[list[int]]:
    """Which real images each step of D was shown."""
    steps = [step for step in watch.steps if "D" in step.networks]
    shown = [watch.shown(watch.heard(step, "D"), "real") for step in steps]
    return [[image.source for image in images] for images in shown]


def _need_new_batches(watch: Watch) -> None:
    """Reject a run in which D meets the same real images again and again."""
    shown = _batches(watch)
    for rows in shown:
        if 4 * len(set(rows)) < len(rows):
            wrong(f"""loop-same-batch: Each step is right, but a batch of {len(rows)} real images
                holds only {len(set(rows))} different ones. How many indices are drawn?""")
    batches = [frozenset(rows) for rows in shown]
    for i, batch in enumerate(batches):
        if batch in batches[:i]:
            when = f"again: those of its step {batches.index(batch) + 1} come back in step {i + 1}"
            when = "every time" if len(set(batches)) == 1 else when
            wrong(f"""loop-same-batch: Each step is right, but D meets the same real images {when},
                and so sees less of the data than it could. What changes from one batch to the next,
                or is a seed set again and again?""")


def need_whole_data(watch: Watch) -> None:
    """Reject a run whose real images can only have come from a part of the data set.

    A batch that the end of an epoch leaves out is none. Images that stand beside each other may
    have been drawn together, so that it is their runs that count as drawn by chance.
    """
    batches, n = [frozenset(rows) for rows in _batches(watch)], len(watch.data)
    if frozenset() in batches:
        wrong(f"""In its step {batches.index(frozenset()) + 1} D is shown no real image: the data
            have come to their end. What happens when all images have had their turn?""")
    seen, drawn = sorted(frozenset().union(*batches)), sum(map(len, batches))
    if len(batches) < 4 or not seen or n - len(seen) < len(batches[0]):
        return
    runs = len(set(seen) - {i + 1 for i in seen})
    likely = 1e-7 ** (1 / runs)  # all within a smaller share by chance: less than once in 10^7
    parts = [
        ((seen[-1] + 1) / n, f"none after number {seen[-1]} of {n}"),
        (1 - seen[0] / n, f"none before number {seen[0]} of {n}"),
    ]
    for m in (2, 3, 4, 5, 10):
        for rest in sorted(set(range(m)) - {i % m for i in seen}):
            parts.append((1 - 1 / m, f"none whose number leaves {rest} when divided by {m}"))
    for share, which in parts:
        if share < likely:
            wrong(f"""Each step is right, but among the {drawn} real images that D met there is
                {which}: a part of the data is never seen. From which numbers are indices drawn?""")
    # Drawn with replacement so many different ones come, give or take five standard deviations.
    none = math.exp(-drawn / n)  # the share of images that never come
    spread = (n * none * (1 - (1 + drawn / n) * none)) ** 0.5
    if len(seen) < n * (1 - none) - 5 * spread:
        wrong(f"""Each step is right, but its {len(batches)} batches of real images hold only
            {len(seen)} different ones of the data set's {n}. From which numbers are the indices
            drawn?""")


def _need_history(history, losses: dict[str, list[float]], steps: int, d_steps: int, call: str):
    start = "The training is right, but"
    if not (isinstance(history, dict) and {"d_loss", "g_loss"} <= set(history)):
        keys = f" with {sorted(map(str, history))}" if isinstance(history, dict) else ""
        wrong(f"""{start} `{call}` should return a dict with the lists 'd_loss' and 'g_loss', and
            {describe_value(history)} came back{keys}.""")
    for key, name in (("d_loss", "D"), ("g_loss", "G")):
        values = history[key]
        listed = isinstance(values, Sequence | np.ndarray | Tensor)
        if not listed or getattr(values, "ndim", 1) == 0:  # one number has no length
            wrong(f"{start} history['{key}'] is {describe_value(values)}, not a list.")
        size = d_steps if name == "D" and len(values) == steps else 1
        parts = [losses[name][i : i + size] for i in range(0, len(losses[name]), size)]
        if len(values) != len(parts):
            wrong(f"""{start} history['{key}'] holds {len(values)} values after {steps} steps. When
                is a value added?""")
        for i, (value, part) in enumerate(zip(values, parts, strict=True)):
            number = need_number(value, f"history['{key}'][{i}]")
            if math.isclose(number, part[-1], rel_tol=2e-3, abs_tol=2e-3):
                continue
            said = f"is not the loss of that step: {off_by(number, part[-1])}"
            for which, other in (("the first", part[0]), ("the mean", sum(part) / len(part))):
                if len(part) > 1 and math.isclose(number, other, rel_tol=1e-4):
                    said = f"is {which} of its {len(part)} losses of D; the last was asked for"
            wrong(f"{start} history['{key}'][{i}] {said}. Which value is added there?")


def assess_other_runs(answer: Callable, name: str, column: bool) -> None:
    """A loop where D is far off, where it is sure and right, and over several small epochs."""
    for scale, gap, where in (
        (300.0, 1.5, "at large logits"), (-300.0, 20.0, "where D is sure and right")
    ):  # fmt: skip
        watch, call = Watch(column, scale, gap=gap), f"{name}(...) {where}"
        with watch.on(), calling(call):
            answer(watch.G, watch.D, watch.data, 2, LATENT)
        if scale > 0:
            _assess_far_off(watch)
        need_order(watch, 2, 1, call)
    watch = Watch(column, 1e-3, images=300)  # two batches an epoch, and D knows nothing
    call = f"{name}(...) for 5 steps with 300 images"
    with watch.on(), calling(call):
        answer(watch.G, watch.D, watch.data, 5, LATENT)
    need_order(watch, 5, 1, call)
    need_whole_data(watch)


def _assess_far_off(watch: Watch) -> None:
    """The first step of each network, with a D whose logits are in the hundreds."""
    for name in "DG":
        own = [step for step in watch.steps if name in step.networks]
        need(own, f"At large logits {name} is not updated any more. What stops the loop?")
        assess_step(watch, own[0], name, extreme=True)
