"""How far the outputs of networks that readers build can go: images in [-1, 1], free logits."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .architecture import run
from .framework import probe_device, wrong

_BETWEEN = "What belongs between two linear layers?"
_LAST_LINE = "What does the last line of D apply?"


def _is_affine(function: Callable[[Tensor], Tensor], a: Tensor, b: Tensor) -> bool:
    """f(a) + f(b) = f(a + b) + f(0), up to rounding: then nothing but linear layers is there."""
    at_a, at_b = function(a), function(b)
    gap = at_a + at_b - function(a + b) - function(torch.zeros_like(a))
    varies = (at_a - at_b).norm()
    return bool(varies > 0 and gap.norm() <= 1e-3 * varies)


def _reach(network: nn.Module, inputs: Tensor, call: str, training: bool = False) -> tuple:
    """The lowest and the highest output that a few steps of training can drive the network to.

    Driven in evaluation mode, seen in that or in training mode; then whether a slope is left at
    both ends.
    """
    start = copy.deepcopy(network.state_dict())
    parameters, ends, sloped = list(network.parameters()), [], True
    for sign in (1, -1):
        network.load_state_dict(start)
        optimizer = torch.optim.Adam(parameters, lr=0.1)
        for _ in range(20):
            optimizer.zero_grad()
            (sign * run(network, inputs, call)).mean().backward()
            optimizer.step()
        out = (sign * run(network, inputs, call, training)).min()
        slopes = torch.autograd.grad(out, parameters, allow_unused=True)
        sloped = sloped and any(s is not None and s.any() for s in slopes)
        ends.append(sign * out.item())
    network.load_state_dict(start)
    return *ends, sloped


def assess_range(network: nn.Module, latent_dim: int, call: str) -> None:
    """Reject a generator whose images do not use [-1, 1], or that is linear before its tanh."""
    z = torch.randn(256, latent_dim, device=probe_device())

    def logit(z: Tensor, training: bool = False) -> Tensor:
        out = run(network, z, call, training).double()
        return torch.atanh(out.clamp(-1 + 1e-9, 1 - 1e-9))

    with torch.no_grad():
        for values in (run(network, z, call, training=True), logit(z, training=True)):
            if not abs(values.mean()) > 1e-3 and not abs(values.std() - 1) > 0.02:
                wrong("""arch-bn-output: Shape and size are right, but BatchNorm stands at the
                    output: every batch of images is forced to the same mean and contrast, which the
                    data do not have. Which layers may be normalised?""")
    _assess_ends(network, z[:16], call)
    with torch.no_grad():
        linear = _is_affine(logit, 0.1 * z[:128], 0.1 * z[128:])
    if linear:
        wrong(f"""arch-no-nonlinearity: Shape and range are right, but up to the final tanh G is one
            linear map of z, however many layers it has: it can only blend fixed pictures.
            {_BETWEEN}""")


def _assess_ends(network: nn.Module, z: Tensor, call: str) -> None:
    low, high, _ = _reach(network, z, call)
    seen = f"(pushed as far as they go, they reach from {low:.3g} to {high:.3g})"
    start = "Shape and size are right, but"
    if low >= 0 and high <= 1:
        wrong(f"""arch-sigmoid-output: {start} the values never leave [0, 1] {seen}, while the data
            use [-1, 1]: D can tell the two by the missing dark half alone. Which function ends
            G?""")
    if low >= 0:
        wrong(f"""arch-relu-output: {start} no value is below 0 {seen}: half of the data's range
            [-1, 1] is out of reach. Which function ends G?""")
    if low < -1.001 or high > 1.001:
        wrong(f"""arch-no-output-activation: {start} the values leave [-1, 1] {seen}, so that D wins
            on range alone. What keeps the last layer's output in bounds?""")
    if low > -0.9 or high < 0.9:
        wrong(f"""The images stay within [-1, 1] but use only a part of it {seen}; the data use all
            of it.""")
    low, high, _ = _reach(network, z, call, training=True)
    if low < -1.001 or high > 1.001:
        wrong(f"""arch-no-output-activation: {start} in training mode the values reach from
            {low:.3g} to {high:.3g}, while in evaluation mode they stay within [-1, 1]. Which layer
            that works in training alone (dropout, say) comes after the last activation?""")


def assess_logits(network: nn.Module, images: Tensor, call: str) -> None:
    """Reject a discriminator whose outputs are no free logits, or that is linear or batch-blind."""
    start = "Shapes are right, but D"
    out, brighter = (run(network, x, call, training=True) for x in (images, 2 * images + 0.5))
    if not (out - brighter).norm() > 1e-3 * out.norm():
        wrong(f"""arch-bn-output: {start} does not notice when a whole batch becomes brighter and
            richer in contrast: BatchNorm stands at its input layer and removes both before D can
            look. Which layers may be normalised?""")
    low, high, sloped = _reach(network, images[:16], call)
    if not low < 0 and 0.5 < high <= 1:
        wrong(f"""loss-double-sigmoid: {start} returns probabilities: its output never leaves [0,
            1]. The losses of this course apply the sigmoid themselves, and a second one flattens
            them. {_LAST_LINE}""")
    if not low < 0 < high:
        wrong(f"""{start}'s output has only one sign (it can be driven from {low:.3g} to
            {high:.3g}), so that it cannot say both 'real' and 'fake'. {_LAST_LINE}""")
    if not high > 1.1 and not low < -1.1:
        wrong(f"""{start}'s output cannot be driven beyond {low:.3g} and {high:.3g}: something
            squashes it. A logit is any number. {_LAST_LINE}""")
    if not sloped:
        wrong(f"""{start}'s output is cut off: driven as far as it goes, to {low:.3g} and
            {high:.3g}, it has no slope left, and images beyond teach nobody anything. A logit is
            any number. {_LAST_LINE}""")

    def logit(x: Tensor) -> Tensor:
        return run(network, x, call).double()

    half = len(images) // 2
    if _is_affine(logit, images[:half], images[half : 2 * half]):
        look = _BETWEEN
        for part in network.modules():
            if isinstance(part, nn.LeakyReLU) and part.negative_slope == 1:
                look = f"{part} changes nothing: its first argument is the slope below 0."
        wrong(f"""arch-no-nonlinearity: {start} is one linear map of the pixels, however many layers
            it has. {look}""")
    last = run(network, images, call).grad_fn
    while len(last.next_functions) == 1 and re.match("View|Squeeze|Select|Reshape", last.name()):
        last = last.next_functions[0][0]
    if re.match("LeakyRelu|Elu|Celu|Gelu|Silu|Softplus", last.name()):
        wrong(f"""{start} ends with an activation ({re.sub("Backward.*", "", last.name())}), which
            squeezes negative logits and leaves positive ones as they are. Activations stand between
            layers; a logit is what the last layer gives.""")
