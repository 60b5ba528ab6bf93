"""What is asked of networks that readers build: shape, range, and a gradient that is true.

Most properties are tried, not looked up: a network is a function of its input, its parameters and
buffers and the dice, in both modes; `backward` says how its output changes with each of them.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from .compare import ask, need_tensor
from .framework import calling, describe_value, probe_device, wrong
from .guard import seed_torch

_HIDES = "Are the layers attributes of the module (a plain list hides them)?"
_CUT = "Is something detached, made under `no_grad` or rounded on the way?"


@contextlib.contextmanager
def _evaluated(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode and without gradients; then in training mode."""
    network.eval()
    with torch.no_grad():
        yield
    network.train()


def state_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def build(make: Callable[..., nn.Module], call: str, **sizes: int) -> nn.Module:
    """Call the reader's class or factory; reject what is not a network with parameters."""
    seed_torch(0)
    with calling(call):
        network = make(**sizes)
    if not isinstance(network, nn.Module):
        wrong(f"`{call}` should give a network (an nn.Module), but gave {describe_value(network)}.")
    parameters = dict(network.named_parameters())
    if not parameters:
        wrong(f"""arch-unregistered: `{call}` gives a network without parameters, so that an
            optimiser has nothing to move. {_HIDES}""")
    frozen = [name for name, p in parameters.items() if not p.requires_grad]
    if frozen:
        wrong(f"""`{call}` gives a network with frozen parameters: {", ".join(frozen[:3])} will
            never learn (requires_grad is False).""")
    return network.to(probe_device()).train()


def need_size_used(make: Callable[..., nn.Module], name: str, argument: str, given: Tensor) -> None:
    """Reject a network whose number of parameters does not depend on an argument."""
    counts = []
    if any(isinstance(part, _ConvNd) for part in build(make, f"{name}()").modules()):
        return  # its sizes are numbers of channels
    for n in (8, 16):
        call = f"{name}({argument}={n})"
        network = build(make, call, **{argument: n})
        run(network, given, call)  # lazy layers get their size at the first call
        counts.append(sum(p.numel() for p in network.parameters()))
    if counts[0] == counts[1]:
        wrong(f"""hardcoded-size: `{name}` has {counts[0]:,} parameters whatever {argument} is: the
            argument has no effect. Where is the size written as a number?""")


def run(network: nn.Module, inputs: Tensor, call: str) -> Tensor:
    """The network's output, with the same dropout masks at every call."""
    seed_torch(1)
    return ask(network, call, inputs)


def assess_outputs(network: nn.Module, inputs: Tensor, call: str, *shapes: tuple) -> None:
    """Reject outputs of another shape, type or device than asked for, in either mode."""
    for mode, where in ((True, ""), (False, " in evaluation mode")):
        output = run(network.train(mode), inputs, call + where)
        need_tensor(output, call + where)
        if tuple(output.shape) not in shapes:
            wrong(f"""`{call}`{where} returned shape {tuple(output.shape)};
                {" or ".join(map(str, shapes))} was expected.""")
        made, asked = (f"{x.dtype} on {x.device}".removeprefix("torch.") for x in (output, inputs))
        if made != asked:
            wrong(f"""`{call}`{where} returned a tensor of {made} for one of {asked}. Where does the
                other type come in?""")
    network.train()


def assess_network(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject what no network should be, whatever it is for."""
    _need_registered(network, inputs, call)
    _need_function(network, inputs, call)
    _need_no_plain_tensors(network, inputs, call)
    _need_rows_alone(network, inputs, call)
    _need_all_used(network.eval(), inputs, call)
    network.train()
    _need_free_dice(network, inputs, call)
    for name, part in network.named_modules():
        if isinstance(part, _BatchNorm) and part.eps > 0.01:
            wrong(f"""arch-bn-eps: The BatchNorm layer `{name}` has eps = {getattr(part, "eps", 0)},
                which damps its output. The second positional argument is eps; which one was
                meant?""")


# --- a function of its input, its weights and the dice -------------------------------------------


def _need_function(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network that ignores its input, or that draws or remembers something of its own."""
    state = state_of(network)
    for mode, where in ((False, " in evaluation mode"), (True, "")):
        outputs = []
        for _ in range(2):
            network.load_state_dict(state)
            with torch.no_grad():
                outputs.append(run(network.train(mode), inputs, call))
        if not torch.allclose(*outputs, atol=1e-6):
            wrong(f"""`{call}`{where}, called twice with the same input, the same weights and the
                same seed, gives two results. What does the network keep from one call to the
                next?""")
    network.load_state_dict(state)
    with _evaluated(network), calling(call):
        first, again = network(inputs), network(inputs)
        other = network(1.5 * inputs.roll(1, 0))
    if not torch.allclose(first, again, atol=1e-6):
        wrong(f"""`{call}`, called twice with the same input, gives two results (in evaluation
            mode). Is noise drawn inside the network?""")
    if torch.allclose(first, other, atol=1e-9):
        wrong(f"""`{call}` gives the same result for every input of a test (in evaluation mode).
            Is the argument used, and does anything cut off what comes out (a ReLU at the end)?""")


def _need_rows_alone(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network whose answer to one row depends on the others, or that fails at one row."""
    with _evaluated(network), calling(f"{call} in evaluation mode, given a batch of one"):
        alone, together = network(inputs[:1]), network(inputs[:5])
    if not (alone.shape[:1] == (1,) and alone.shape[1:] == together.shape[1:]):
        wrong(f"""For a batch of one `{call}` gives shape {tuple(alone.shape)} where
            {(1, *together.shape[1:])} was expected: the batch's own axis is lost. Which axes are
            meant to go?""")
    if not torch.allclose(alone[0], together[0], atol=1e-4):
        wrong(f"""The shape is right, but the first result of `{call}` changes with the other rows
            of the batch (in evaluation mode): samples are mixed. Which operation reaches over the
            batch's axis, or which axes change places?""")


# Sources of random numbers: name, how to seed it, how to draw from it.
_DICE: Sequence[tuple[str, Callable[[int], object], Callable[[], object]]] = (
    ("torch", seed_torch, lambda: torch.rand(2).tolist()),
    ("numpy", np.random.seed, lambda: np.random.rand(2).tolist()),
    ("random", random.seed, random.random),
)


def _need_free_dice(network: nn.Module, inputs: Tensor, call: str) -> None:
    for name, seed, draw in _DICE:
        drawn = []
        for number in (11, 22):
            seed(number)
            with torch.no_grad(), calling(call):
                network(inputs)
            drawn.append(draw())
        if drawn[0] == drawn[1]:
            wrong(f"""`{call}` sets the random numbers of `{name}`: what is drawn after a call is
                the same every time, so that noise and batches repeat. Where is a seed set in the
                network?""")


# --- what its parameters are, and whether the gradient is that of the output ---------------------


def _leaves(output: Tensor) -> Iterator[Tensor]:
    """The tensors with a gradient that an output was computed from."""
    seen, open_nodes = set(), [output.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        open_nodes += [before for before, _ in node.next_functions]


def _plain_tensors(network: nn.Module) -> Iterator[Tensor]:
    """Tensors of more than one number that modules hold, alone or in lists, unregistered."""
    for part in network.modules():
        held = [value for key, value in vars(part).items() if not key.startswith("_")]
        while held:
            value = held.pop()
            if isinstance(value, list | tuple):
                held += value
            elif isinstance(value, dict):
                held += value.values()
            elif isinstance(value, Tensor) and value.is_floating_point() and value.numel() > 1:
                yield value


def _need_registered(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network that computes with tensors which neither optimiser nor `to` can find."""
    output = run(network, inputs, call)
    known = {id(t) for t in (*network.parameters(), *network.buffers())}
    hidden = [leaf for leaf in _leaves(output) if id(leaf) not in known]
    if hidden:
        wrong(f"""arch-unregistered: `{call}` is computed with {sum(p.numel() for p in hidden):,}
            weights (in {len(hidden)} tensors) that `parameters()` does not find, so that they never
            learn. {_HIDES} Are all made in `__init__`?""")


def _need_no_plain_tensors(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network that computes with tensors of its own that are not even trained."""
    known = {id(t) for t in (*network.parameters(), *network.buffers())}
    state = state_of(network)
    for tensor in _plain_tensors(network):
        if id(tensor) in known or not tensor.is_leaf:
            continue
        before = tensor.detach().clone()
        with torch.no_grad():
            network.load_state_dict(state)
            first = run(network, inputs, call)
            tensor += 1 + before.abs().mean()
            network.load_state_dict(state)
            second = run(network, inputs, call)
            tensor.copy_(before)
        if not torch.equal(first, second):
            wrong(f"""arch-unregistered: The output of `{call}` depends on a tensor of shape
                {tuple(tensor.shape)} that is neither a parameter nor a buffer: it does not learn,
                is not saved and does not move to another device. What makes it one of the two?""")


def _step_along(move: Callable[[float], None], value: Callable[[], Tensor], step: float) -> float:
    """By how much a value differs between a step forth and a step back, by the step."""
    ends = []
    for sign in (1, -1):
        move(sign * step)
        ends.append(value().item())
        move(-sign * step)
    return (ends[0] - ends[1]) / step


def _slopes(network: nn.Module, inputs: Tensor, call: str) -> tuple[Callable, dict]:
    """A mixture of all outputs, as a function, and its gradient by the parameters as they say."""
    parameters = dict(network.named_parameters())
    mix = torch.randn_like(run(network, inputs, call))

    def value() -> Tensor:
        return (run(network, inputs, call).double() * mix).sum()

    slopes, total = dict.fromkeys(parameters), value()
    if total.requires_grad:
        found = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
        slopes = dict(zip(parameters, found, strict=True))
    return value, slopes


def _need_all_used(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network with parameters that have no part, or that no gradient gets to."""
    parameters, (value, slopes) = dict(network.named_parameters()), _slopes(network, inputs, call)
    unused, cut = [], []
    with torch.no_grad():
        first = value()
        for name, slope in slopes.items():
            if slope is not None and slope.any():
                continue
            before = parameters[name].clone()
            parameters[name].add_(torch.randn_like(before) * (before.abs().mean() + 0.1))
            moved = not torch.equal(first, value())
            parameters[name].copy_(before)
            if moved or slope is None:
                (cut if moved else unused).append(name)
    if cut:
        wrong(f"""The output of `{call}` depends on {", ".join(cut[:3])}, but no gradient gets
            there, so that no optimiser could improve it. {_CUT}""")
    if unused:
        wrong(f"""The shape is right, but {", ".join(unused[:3])}
            {"has" if len(unused) == 1 else "have"} no part in the output of `{call}`. Is a layer
            built and not used?""")


def need_true_gradient(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network whose gradient is not how its output changes: it is cut on the way."""
    network.eval()
    value, slopes = _slopes(network, inputs, call)
    used = [(p, slopes[n]) for n, p in network.named_parameters() if slopes[n] is not None]
    used = [(p, s, p.detach().norm() / s.norm()) for p, s in used if s.any()]

    def move(step: float) -> None:
        for parameter, slope, size in used:
            parameter.add_(step * size * slope)

    expected = 2 * sum((size * slope.square().sum()).item() for _, slope, size in used)
    _compare_slope(move, value, expected, call, "its weights")
    network.train()


@torch.no_grad()
def _compare_slope(move: Callable, value: Callable, expected: float, call: str, what: str) -> None:
    """Reject a gradient that the output does not follow, however small the step: no mere bend."""
    for step in (5e-3, 1e-3, 2e-4):
        found = _step_along(move, value, step)
        if abs(found - expected) < 0.2 * max(abs(found), abs(expected)):
            return
    wrong(f"""The gradient of `{call}` by {what} is not how its output changes: along it the output
        grows {found:.3g} a step where `backward` says {expected:.3g}. {_CUT}""")


def need_gradient_of_images(network: nn.Module, images: Tensor, call: str) -> None:
    """Reject a discriminator through which no true gradient comes back to its images."""
    network.eval()
    pixels = images.clone().requires_grad_()
    slope = None
    output = run(network, pixels, call)
    if output.requires_grad:
        (slope,) = torch.autograd.grad(output.sum(), pixels, allow_unused=True)
    if slope is None or not slope.any():
        wrong(f"""`{call}` notices what it is shown, but no gradient comes back to the images, so
            that no generator could learn from it. {_CUT}""")
    unseen = (slope == 0).all(0).float().mean().item()
    if unseen >= 0.25:
        wrong(f"""Shapes are right, but {unseen:.0%} of the pixels have no influence on D's output.
            Which part of the image is left out?""")
    moved = images.clone()
    direction = slope / slope.norm() * images.norm()

    def value() -> Tensor:
        return run(network, moved, call).double().sum()

    expected = 2 * (slope * direction).sum().item()
    _compare_slope(lambda step: moved.add_(step * direction), value, expected, call, "the images")
    network.train()


def need_whole_z(network: nn.Module, latent_dim: int, call: str) -> None:
    """Reject a generator that looks at a part of z only."""
    z = torch.randn(1, latent_dim, device=probe_device())
    with _evaluated(network):
        moved = run(network, torch.cat([z, z + torch.eye(latent_dim, device=z.device)]), call)
    idle = int(((moved[1:] - moved[:1]).abs().flatten(1).amax(1) < 1e-7).sum())
    if idle:
        wrong(f"""Of the {latent_dim} numbers of z, {idle} have no influence on the images of
            `{call}`. Where are they left out?""")
