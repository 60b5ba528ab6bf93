"""Verdicts on networks that readers build: shape, range, and what the layers do to the numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from .compare import need_tensor
from .framework import calling, describe_value, need, probe_device, wrong
from .guard import seed_torch


def build(make: Callable[..., nn.Module], call: str, **sizes: int) -> nn.Module:
    """Call the reader's class or factory; reject what is not a network with parameters."""
    seed_torch(0)
    with calling(call):
        network = make(**sizes)
    if not isinstance(network, nn.Module):
        wrong(f"`{call}` should give a network (an nn.Module), but gave {describe_value(network)}.")
    need(
        any(True for _ in network.parameters()),
        f"`{call}` gives a network without parameters, so that an optimiser has nothing to move. "
        "Are the layers attributes of the module (a plain list hides them)?",
        "arch-unregistered",
    )
    return network.to(probe_device()).train()


def need_size_used(
    make: Callable[..., nn.Module], name: str, argument: str, inputs: Tensor
) -> None:
    """Reject a network whose number of parameters does not depend on an argument."""
    counts = []
    if any(isinstance(part, _ConvNd) for part in build(make, f"{name}()").modules()):
        return  # its sizes are numbers of channels
    for n in (8, 16):
        call = f"{name}({argument}={n})"
        network = build(make, call, **{argument: n})
        run(network, inputs, call)  # lazy layers get their size at the first call
        counts.append(sum(p.numel() for p in network.parameters()))
    need(
        counts[0] != counts[1],
        f"`{name}` has {counts[0]:,} parameters whatever {argument} is: the argument has no "
        "effect. Where is the size written as a number?",
        "hardcoded-size",
    )


def run(network: nn.Module, inputs: Tensor, call: str) -> Tensor:
    """The network's output, with the same dropout masks at every call."""
    seed_torch(1)
    given = inputs.clone()
    with calling(call):
        output = network(given)
    need(
        torch.equal(given, inputs),
        f"`{call}` changes the tensor that it is given, so that whoever uses it next (fixed noise, "
        "say) has other numbers. Operations whose names end in _ work in place.",
    )
    return output


def need_all_used(network: nn.Module, output: Tensor, call: str) -> None:
    """Reject a network in which some parameters have no part in the output."""
    network.zero_grad()
    if output.requires_grad:
        (output * torch.randn_like(output)).sum().backward()
    idle = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    need(
        not idle,
        f"The shape is right, but {', '.join(idle[:3])} {'has' if len(idle) == 1 else 'have'} no "
        f"part in the output of `{call}`. Is a layer built and not used, or the graph cut?",
    )


def need_sane_batchnorm(network: nn.Module) -> None:
    """Reject BatchNorm layers whose eps is so large that it must have been meant otherwise."""
    for name, part in network.named_modules():
        need(
            not (isinstance(part, _BatchNorm) and part.eps > 0.01),
            f"The BatchNorm layer `{name}` has eps = {getattr(part, 'eps', 0)}, which damps its "
            "output. The second positional argument is eps; which one was meant?",
            "arch-bn-eps",
        )


def _is_affine(function: Callable[[Tensor], Tensor], a: Tensor, b: Tensor) -> bool:
    """f(a) + f(b) = f(a + b) + f(0), up to rounding: then nothing but linear layers is there."""
    left = function(a) + function(b)
    right = function(a + b) + function(torch.zeros_like(a))
    varies = (function(a) - function(b)).norm()
    return bool(varies > 0 and (left - right).norm() <= 1e-3 * varies)


def _reach(network: nn.Module, inputs: Tensor, call: str) -> tuple[float, float]:
    """The lowest and the highest output that a few training steps can drive the network to."""
    start = {name: value.clone() for name, value in network.state_dict().items()}
    network.eval()
    ends = []
    for sign in (1, -1):
        network.load_state_dict(start)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
        for _ in range(20):
            optimizer.zero_grad()
            (sign * run(network, inputs, call)).mean().backward()
            optimizer.step()
        with torch.no_grad():
            out = run(network, inputs, call)
        ends.append((out.min() if sign == 1 else out.max()).item())
    network.load_state_dict(start)
    network.train()
    return ends[0], ends[1]


def judge_image_output(network: nn.Module, latent_dim: int, call: str) -> None:
    """Reject a generator whose images do not use [-1, 1], or that is linear before its tanh."""
    z = torch.randn(256, latent_dim, device=probe_device())
    with torch.no_grad():
        out = run(network, z, call).double()
    before_tanh = torch.atanh(out.clamp(-1 + 1e-12, 1 - 1e-12))
    for values in (out, before_tanh):
        need(
            abs(values.mean()) > 1e-3 or abs(values.std() - 1) > 0.02,
            "Shape and size are right, but BatchNorm stands at the output: every batch of images "
            "is forced to the same mean and contrast, which the data do not have. Which layers may "
            "be normalised?",
            "arch-bn-output",
        )
    low, high = _reach(network, z[:16], call)
    seen = f"(pushed as far as they go, they reach from {low:.3g} to {high:.3g})"
    if low >= 0:
        if high <= 1:
            wrong(
                f"Shape and size are right, but the values never leave [0, 1] {seen}, while the "
                "data use [-1, 1]: D can tell the two by the missing dark half alone. Which "
                "function ends G?",
                "arch-sigmoid-output",
            )
        wrong(
            f"Shape and size are right, but no value is below 0 {seen}: half of the data's range "
            "[-1, 1] is out of reach. Which function ends G?",
            "arch-relu-output",
        )
    need(
        low >= -1.001 and high <= 1.001,
        f"Shape and size are right, but the values leave [-1, 1] {seen}, so that D wins on range "
        "alone. What keeps the last layer's output in bounds?",
        "arch-no-output-activation",
    )
    need(
        low < -0.9 and high > 0.9,
        f"The images stay within [-1, 1] but use only a part of it {seen}; the data use all of it.",
    )
    network.eval()
    a, b = 0.1 * z[:128], 0.1 * z[128:]

    def logit(z: Tensor) -> Tensor:
        with torch.no_grad():
            out = run(network, z, call).double().clamp(-1 + 1e-9, 1 - 1e-9)
        return torch.atanh(out)

    need(
        not _is_affine(logit, a, b),
        "Shape and range are right, but up to the final tanh G is one linear map of z, however "
        "many layers it has: it can only blend fixed pictures. What belongs between two linear "
        "layers?",
        "arch-no-nonlinearity",
    )
    network.train()


def judge_logits(network: nn.Module, images: Tensor, call: str) -> None:
    """Reject a discriminator whose outputs are no free logits, or that is linear or batch-blind."""
    with torch.no_grad():
        out = run(network, images, call).double()
        brighter = run(network, 2 * images + 0.5, call).double()
    need(
        (out - brighter).norm() > 1e-3 * out.norm(),
        "Shapes are right, but D does not notice when a whole batch becomes brighter and richer in "
        "contrast: BatchNorm stands at its input layer and removes both before D can look. Which "
        "layers may be normalised?",
        "arch-bn-output",
    )
    pixels = images.clone().requires_grad_()
    run(network, pixels, call).sum().backward()
    unseen = (pixels.grad == 0).all(0).float().mean().item()
    need(
        unseen < 0.25,
        f"Shapes are right, but {unseen:.0%} of the pixels have no influence on D's output. Which "
        "part of the image is left out?",
    )
    low, high = _reach(network, images[:16], call)
    if low >= 0 and 0.5 < high <= 1:
        wrong(
            "Shapes are right, but D returns probabilities: its output never leaves [0, 1]. The "
            "losses of this course apply the sigmoid themselves, and a second one flattens them. "
            "What does the last line of D apply?",
            "loss-double-sigmoid",
        )
    need(
        low < 0 < high,
        "Shapes are right, but D's output has only one sign (it can be driven from "
        f"{low:.3g} to {high:.3g}), so that it cannot say both 'real' and 'fake'. What does the "
        "last line of D apply?",
    )
    need(
        high > 1.1 or low < -1.1,
        f"Shapes are right, but D's output cannot be driven beyond {low:.3g} and {high:.3g}: "
        "something squashes it. A logit is any number; what does the last line of D apply?",
    )
    network.eval()

    def logit(x: Tensor) -> Tensor:
        with torch.no_grad():
            return run(network, x, call).double()

    half = len(images) // 2
    need(
        not _is_affine(logit, images[:half], images[half : 2 * half]),
        "Shapes are right, but D is one linear map of the pixels, however many layers it has. What "
        "belongs between two linear layers?",
        "arch-no-nonlinearity",
    )
    network.train()


def need_rows_alone(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network whose answer to one row depends on the others, or that fails at one row."""
    network.eval()
    with torch.no_grad(), calling(f"{call} in evaluation mode, given a batch of one"):
        alone, together = network(inputs[:1]), network(inputs[:5])
    network.train()
    need(
        alone.shape[:1] == (1,) and alone.shape[1:] == together.shape[1:],
        f"For a batch of one `{call}` gives shape {tuple(alone.shape)} where "
        f"{(1, *together.shape[1:])} was expected: the batch's own axis is lost. Which axes are "
        "meant to go?",
    )
    need(
        torch.allclose(alone[0], together[0], atol=1e-4),
        f"The shape is right, but the first result of `{call}` changes with the other rows of the "
        "batch (in evaluation mode): samples are mixed. Which operation reaches over the batch's "
        "axis, or which axes change places?",
    )


def need_depends_on_input(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network that ignores its input, or that draws its own randomness."""
    network.eval()
    with torch.no_grad(), calling(call):
        first, again = network(inputs), network(inputs)
        other = network(1.5 * inputs.roll(1, 0))
    network.train()
    need(
        torch.allclose(first, again, atol=1e-6),
        f"`{call}`, called twice with the same input, gives two results (in evaluation mode). Is "
        "noise drawn inside the network?",
    )
    need(
        not torch.allclose(first, other, atol=1e-9),
        f"`{call}` gives the same result for every input. Is the argument used?",
    )
    need_tensor(first, call)
