"""Losses of logits that readers write, beside the right ones: values and slopes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .compare import FLAT, ask, close, need_tensor, off_by
from .framework import calling, wrong
from .targets import Group


@dataclass
class Measured:
    """What a reader's loss and the right one give for the same logits."""

    call: str
    value: Tensor
    right: Tensor
    sides: dict[str, Group]  # "real", "fake": flat logits and slopes, 0 where no gradient leads
    right_slopes: dict[str, Tensor]

    @property
    def off(self) -> str:
        """How the loss's value differs from the right one, in words."""
        return off_by(self.value.item(), self.right.item())

    def value_fits(self) -> bool:
        """Whether the loss's value is right."""
        return close(self.value, self.right, tolerance=1e-4, absolute=1e-5)

    def wrong_slopes(self) -> list[str]:
        """Of which logits, "real" or "fake", the loss's slopes are wrong."""
        return [k for k, side in self.sides.items() if not close(side.slopes, self.right_slopes[k])]


def measure(
    function: Callable, right: Callable, call: str, logits: Mapping[str, Tensor], hints=()
) -> Measured:
    """Ask both functions for their loss of these logits, and for its slopes."""
    leaves = [part.clone().requires_grad_() for part in logits.values()]
    got = ask(function, call, *leaves, hints=hints)
    need_tensor(got, call, finite=False)
    if not got.numel():
        wrong(f"""`{call}` returned shape {tuple(got.shape)}: it holds no value at all, where one
            number for the batch was expected. Which operation leaves nothing of the batch?""")
    if got.numel() != 1:
        wrong(f"""`{call}` returned shape {tuple(got.shape)}: one value for each sample. What turns
            a batch of losses into one number?""")
    slopes = [torch.zeros_like(leaf) for leaf in leaves]
    if got.requires_grad:
        with calling(f"{call}.backward()", hints):
            slopes = torch.autograd.grad(got, leaves, allow_unused=True, materialize_grads=True)
    flat = [[x.detach().flatten() for x in pair] for pair in zip(leaves, slopes, strict=True)]
    sides = {side: Group(*pair) for side, pair in zip(logits, flat, strict=True)}
    value = right(*leaves)
    wanted = [slope.flatten() for slope in torch.autograd.grad(value, leaves)]
    return Measured(call, got, value, sides, dict(zip(logits, wanted, strict=True)))


def need_slopes(found: Measured) -> None:
    """Reject a loss of the right value whose gradient is not that of this value."""
    for name in found.wrong_slopes():
        side, right = found.sides[name], found.right_slopes[name]
        if not side.slopes.any():
            wrong(f"""`{found.call}` returns the right number, but no gradient leads from it to the
                {name} logits. Is there a `detach`, an `item` or a `no_grad` on the way?""")
        if not torch.isfinite(side.slopes).all():
            wrong(f"""`{found.call}` returns the right number, but its slope by {name} logits is not
                finite. Which root, logarithm or division on the way has no finite slope where it is
                taken?""")
        worst = int((side.slopes - right).abs().argmax())
        off = off_by(side.slopes[worst].item(), right[worst].item())
        wrong(f"""`{found.call}` returns the right number, but its slope by the {name} logit
            {side.logits[worst]:.3g} is wrong: {off}. Which part is constant to autograd?""")


def need_right_far_off(found: Measured) -> None:
    """Reject a loss that is wrong at logits where a sigmoid in float32 is 0 or 1."""
    parts = [("value", found.value, found.right)]
    for name, side in found.sides.items():
        parts.append((f"slope by {name} logits", side.slopes, found.right_slopes[name]))
    start = f"`{found.call}` is right at ordinary logits, but at logits of 40 to a few hundred its"
    which = "Which function of torch takes both at once?"
    for what, got, right in parts:
        if not torch.isfinite(got).all():
            wrong(f"""loss-log-sigmoid-nan: {start} {what} is not finite: a sigmoid has been rounded
                to 0 or 1, or an exponential has overflowed, before the logarithm. {which}""")
        if not close(got, right):
            wrong(f"loss-sigmoid-flat: {start} {what} is wrong. {FLAT} {which}")
