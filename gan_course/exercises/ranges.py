"""How far the outputs of networks that readers build can go: images in [-1, 1], free logits."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .architecture import run, state_of
from .framework import probe_device, wrong

_BETWEEN = "What belongs between two linear layers?"
_LAST_LINE = "What does the last line of D apply?"


def _is_affine(function: Callable[[Tensor], Tensor], a: Tensor, b: Tensor) -> bool:
    """f(a) + f(b) = f(a + b) + f(0), up to rounding: then nothing but linear layers is there."""
    left = function(a) + function(b)
    right = function(a + b) + function(torch.zeros_like(a))
    varies = (function(a) - function(b)).norm()
    return bool(varies > 0 and (left - right).norm() <= 1e-3 * varies)


def _reach(network: nn.Module, inputs: Tensor, call: str, training: bool = False) -> tuple:
    """The lowest and the highest output that a few steps of training can drive the network to.

    Both in evaluation mode, or in training mode afterwards; then whether there is a slope left at
    both ends.
    """
    start = state_of(network)
    parameters, ends, sloped = list(network.parameters()), [], True
    for sign in (1, -1):
        network.load_state_dict(start)
        network.eval()
        optimizer = torch.optim.Adam(parameters, lr=0.1)
        for _ in range(20):
            optimizer.zero_grad()
            (sign * run(network, inputs, call)).mean().backward()
            optimizer.step()
        out = (sign * run(network.train(training), inputs, call)).min()
        slopes = torch.autograd.grad(out, parameters, allow_unused=True)
        sloped = sloped and any(s is not None and s.any() for s in slopes)
        ends.append(sign * out.item())
    network.load_state_dict(start)
    network.train()
    return *ends, sloped


def assess_range(network: nn.Module, latent_dim: int, call: str) -> None:
    """Reject a generator whose images do not use [-1, 1], or that is linear before its tanh."""
    z = torch.randn(256, latent_dim, device=probe_device())
    with torch.no_grad():
        out = run(network, z, call).double()
    before_tanh = torch.atanh(out.clamp(-1 + 1e-12, 1 - 1e-12))
    for values in (out, before_tanh):
        if not abs(values.mean()) > 1e-3 and not abs(values.std() - 1) > 0.02:
            wrong("""arch-bn-output: Shape and size are right, but BatchNorm stands at the output:
                every batch of images is forced to the same mean and contrast, which the data do not
                have. Which layers may be normalised?""")
    for training in (False, True):
        low, high, _ = _reach(network, z[:16], call, training)
        _assess_ends(low, high, training)
    network.eval()

    def logit(z: Tensor) -> Tensor:
        with torch.no_grad():
            out = run(network, z, call).double().clamp(-1 + 1e-9, 1 - 1e-9)
        return torch.atanh(out)

    if _is_affine(logit, 0.1 * z[:128], 0.1 * z[128:]):
        wrong(f"""arch-no-nonlinearity: Shape and range are right, but up to the final tanh G is one
            linear map of z, however many layers it has: it can only blend fixed pictures.
            {_BETWEEN}""")
    network.train()


def _assess_ends(low: float, high: float, training: bool) -> None:
    seen = f"(pushed as far as they go, they reach from {low:.3g} to {high:.3g})"
    start = "Shape and size are right, but"
    leaves = low < -1.001 or high > 1.001
    if training:
        if leaves:
            wrong(f"""arch-no-output-activation: {start} in training mode the values leave [-1, 1]
                {seen}, while in evaluation mode they stay within. Which layer that works in
                training alone (dropout, say) comes after the last activation?""")
        return
    if low >= 0 and high <= 1:
        wrong(f"""arch-sigmoid-output: {start} the values never leave [0, 1] {seen}, while the data
            use [-1, 1]: D can tell the two by the missing dark half alone. Which function ends
            G?""")
    if low >= 0:
        wrong(f"""arch-relu-output: {start} no value is below 0 {seen}: half of the data's range
            [-1, 1] is out of reach. Which function ends G?""")
    if leaves:
        wrong(f"""arch-no-output-activation: {start} the values leave [-1, 1] {seen}, so that D wins
            on range alone. What keeps the last layer's output in bounds?""")
    if low > -0.9 or high < 0.9:
        wrong(f"""The images stay within [-1, 1] but use only a part of it {seen}; the data use all
            of it.""")


def assess_logits(network: nn.Module, images: Tensor, call: str) -> None:
    """Reject a discriminator whose outputs are no free logits, or that is linear or batch-blind."""
    with torch.no_grad():
        out = run(network, images, call).double()
        brighter = run(network, 2 * images + 0.5, call).double()
    start = "Shapes are right, but D"
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
    network.eval()

    def logit(x: Tensor) -> Tensor:
        with torch.no_grad():
            return run(network, x, call).double()

    half = len(images) // 2
    if _is_affine(logit, images[:half], images[half : 2 * half]):
        layers = network.modules()
        idle = [m for m in layers if isinstance(m, nn.LeakyReLU) and m.negative_slope == 1]
        look = (
            f"{idle[0]} changes nothing: its first argument is the slope below 0." if idle else ""
        )
        wrong(f"""arch-no-nonlinearity: {start} is one linear map of the pixels, however many layers
            it has. {look or _BETWEEN}""")
    last = run(network, images, call).grad_fn
    while len(last.next_functions) == 1 and re.match("View|Squeeze|Select|Reshape", last.name()):
        last = last.next_functions[0][0]
    if re.match("LeakyRelu|Elu|Celu|Gelu|Silu|Softplus", last.name()):
        wrong(f"""{start} ends with an activation ({re.sub("Backward.*", "", last.name())}), which
            squeezes negative logits and leaves positive ones as they are. Activations stand between
            layers; a logit is what the last layer gives.""")
    network.train()
