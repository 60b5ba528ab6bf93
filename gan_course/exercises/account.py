"""A training step's gradient, taken apart into what each image contributed.

D is linear in the pixels and G's images are its own, so that the gradient which each image's logit
has by the weights is known. Least squares finds with which coefficients they make up the gradient
that the optimiser used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_helpers.losses import Objective

from .compare import close
from .framework import wrong
from .steps import Call, Step, Watch, rows_for
from .targets import Group


class Account:
    """What a step of G or D ("name") owes to which images.

    shares: call of D -> a coefficient for each of its images, the slope of the loss by its logit;
    held: how much of the gradient that the network held before is in it; rest: what is left.
    """

    def __init__(self, watch: Watch, step: Step, name: str):
        self.watch, self.step, self.name = watch, step, name
        self.gradient = step.grad[name].cpu().double()
        calls = watch.judged(step, name)
        if name == "G":  # only what went on to the images can have come to G
            calls = [call for call in calls if call.through or call.functional]
        owners: list[tuple[Call, Tensor]] = []
        self._columns: list[Tensor] = []
        for call in calls:
            slopes = _slopes(watch, name, call).cpu().double()
            parts = [back for back in call.back if torch.isfinite(back).all()]
            if call.functional:  # nothing is known of its backward passes: take each image alone
                parts += torch.eye(len(slopes), dtype=torch.float64)
            for part in parts:
                owners.append((call, part))
                self._columns.append(part @ slopes)
        held = step.held[name]
        if held is not None:
            self._columns.append(held.cpu().double())
        factors, self.rest = _least_squares(self._columns, self.gradient)
        self.held = float(factors[-1]) if held is not None else 0.0
        weights = {call: torch.zeros(len(call.logits), dtype=torch.float64) for call in calls}
        for (call, part), factor in zip(owners, factors[: len(owners)], strict=True):
            weights[call] += factor * part
        small = 1e-4 * max((w.abs().max().item() for w in weights.values()), default=0.0)

        def has_part(call: Call) -> bool:
            if weights[call].abs().max() > small:
                return True
            if call.epoch != step.epoch or not call.back:
                return False
            # Its slopes are 0 as such, as where D is sure of itself.
            return max(back.abs().max() for back in call.back) <= small

        self.shares = {call: w for call, w in weights.items() if has_part(call)}

    @property
    def complete(self) -> bool:
        """Whether the images (and what was there before) explain all of the gradient."""
        return bool(self.rest.norm() <= 1e-3 * self.gradient.norm())

    @property
    def decays(self) -> bool:
        """Whether the rest points along the network's weights."""
        before = self.watch.states[self.name][self.step.states[self.name] - 1].cpu().double()
        before = _least_squares(self._columns, before)[1]
        return torch.cosine_similarity(self.rest, before, dim=0).abs().item() > 0.99

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The images as real ones and fakes; other images are rejected."""
        return self.sort(self.shares)

    def sort(self, calls: Iterable[Call]) -> dict[str, Group]:
        """The images of some of the calls."""
        parts: dict[str, list[tuple]] = {"real": [], "fake": []}
        for call in calls:
            for i, image in enumerate(self.watch.origins(call)):
                weight = self.shares[call][i]
                if image.kind == "other" and weight:
                    _say_strange(self.watch, call.rows[i], self.name)
                elif image.kind == "fake" or (image.kind == "real" and self.name == "D"):
                    parts[image.kind].append((image.logit, weight, image))
        groups = {}
        for kind, part in parts.items():
            logits, slopes, images = zip(*part, strict=True) if part else ([], [], [])
            groups[kind] = Group(*(torch.tensor(x).double() for x in (logits, slopes)), [*images])
        return groups

    # --- the loss, and the slopes that it should have --------------------------------------------

    def loss(self, objective: Objective, real: Tensor, fake: Tensor) -> Tensor:
        """The loss of the step's network with these logits."""
        if self.name == "D":
            return objective.d_loss(real, fake)
        if not objective.g_sees_real:
            return objective.g_loss(fake)
        heard = self.watch.heard(self.step, "G")
        seen = [image.logit for image in self.watch.shown(heard, "real")]
        return objective.g_loss(fake, torch.stack(seen[-len(fake) :]).double())

    def right_slopes(
        self, objective: Objective, groups: Mapping[str, Group]
    ) -> dict[str, Tensor] | None:
        """By how much each image should count; None if there is nothing to count."""
        if not len(groups["fake"]) or (self.name == "D" and not len(groups["real"])):
            return None
        leaves = [groups[kind].logits.clone().requires_grad_() for kind in ("real", "fake")]
        loss = self.loss(objective, *leaves)
        slopes = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        return dict(zip(("real", "fake"), slopes, strict=True))

    def follows(self, objective: Objective, groups: Mapping[str, Group]) -> bool:
        """Whether each of these images counts as much as it should."""
        right = self.right_slopes(objective, groups)
        return right is not None and all(
            close(groups[kind].slopes, right[kind], absolute=1e-9) for kind in right
        )


def _slopes(watch: Watch, name: str, call: Call) -> Tensor:
    """(N, parameters): each image's logit differentiated by the network's parameters."""
    by_pixel, labels = call.rows, call.labels
    if name == "G":
        weights = rows_for(labels, call.weights[:-1].view_as(watch.D.table))
        drawn = [[image.kind == "fake"] for image in watch.origins(call)]
        by_pixel = weights * (1 - call.rows**2) * torch.tensor(drawn, device=weights.device)
    if labels is None:
        labels = torch.zeros(len(by_pixel), dtype=torch.int64, device=by_pixel.device)
    code = F.one_hot(labels, len(watch.D.table))
    table = (code[:, :, None] * by_pixel[:, None, :]).flatten(1)
    return table if name == "G" else torch.cat([table, torch.ones_like(table[:, :1])], 1)


def _least_squares(columns: list[Tensor], found: Tensor) -> tuple[Tensor, Tensor]:
    """Factors of the columns that come nearest to `found`, and what is left of it."""
    if not columns:
        return torch.zeros(0), found
    table = torch.stack(columns, 1)
    size = table.norm(dim=0)
    table = table / size.clamp(min=1e-30)
    solved = torch.linalg.lstsq(table, found[:, None], rcond=1e-7, driver="gelsd").solution[:, 0]
    factors = torch.where(size > 1e-9 * size.max(), solved / size.clamp(min=1e-30), 0)
    return factors, found - table @ solved


def _say_strange(watch: Watch, row: Tensor, name: str) -> None:
    """Say what an image is that is neither real nor a fake: most like which, and how changed."""
    match, whose, factor, shift = 0.0, "real images reach D", 0.0, 0.0
    banks = [(whose, watch.images.flatten(1).to(row) / 127.5 - 1)]
    banks += [("fakes reach D", call.rows) for call in watch.fakes() if len(call.rows)]
    y = row - row.mean()
    for noun, bank in banks:
        x = bank - bank.mean(1, keepdim=True)
        products = x @ y
        matches = products / (x.norm(dim=1) * y.norm() + 1e-9)
        i = int(matches.abs().argmax())
        if abs(matches[i]) > abs(match):
            match, whose = matches[i].item(), noun
            factor = (products[i] / x[i].square().sum()).item()
            shift = (row.mean() - factor * bank[i].mean()).item()
    low, high = shift - factor, shift + factor
    is_real = whose.startswith("real")
    if match > 0.9999 and is_real and abs(low) < 0.01 and abs(high - 1) < 0.01:
        wrong("""data-range: The loop runs, but real images reach D in [0, 1] while G draws in [-1,
            1]: D can tell them by the blacks alone. Where are the pixels turned into floats?""")
    if abs(match) > 0.9999:
        wrong(f"""The {whose} with values from {min(low, high):.3g} to {max(low, high):.3g} where
            they had -1 to 1{", and as negatives" * (factor < 0)}; D should judge both kinds of
            images in the same range. What is done to them on the way?""")
    if abs(match) > 0.5:
        wrong(f"""Some {whose} changed: the image nearest to one of them has a correlation of only
            {match:.2f} with it. What is added to the images, or mixed with them, on the way?""")
    wrong(f"""In {name}'s step D is shown images that neither come from the data nor from the
        generator passed in. What is handed to D there?""")
