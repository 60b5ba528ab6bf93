"""What is asked of networks that readers build: shape, range, and a gradient that is true.

Most properties are tried, not looked up: a network is a function of its input, its parameters and
buffers and the dice, in both modes; `backward` says how its output changes with each of them.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from .compare import ask, need_tensor
from .framework import calling, describe_value, probe_device, wrong
from .guard import seed_torch
from .probes import call_of

_HIDES = "Are the layers attributes of the module (a plain list hides them)?"
_BETWEEN = "What belongs between two linear layers?"
_LAST_LINE = "A logit is any number. What does the last line of D apply?"
_CUT = "Is something detached, made under `no_grad` or rounded on the way?"


def build(make: Callable[..., nn.Module], call: str, **sizes: int) -> nn.Module:
    """Call the reader's class or factory; reject what is not a network with parameters."""
    seed_torch(0)
    with calling(call):
        network = make(**sizes)
    if not isinstance(network, nn.Module):
        wrong(f"`{call}` should give a network (an nn.Module), but gave {describe_value(network)}.")
    if not hasattr(network, "_parameters"):
        wrong(f"""`{call}` gives a module that has not been set up: `super().__init__()` has not run
            in it. Which line comes first in `__init__`?""")
    parameters = dict(network.named_parameters())
    if not parameters:
        wrong(f"""arch-unregistered: `{call}` gives a network without parameters, so that an
            optimiser has nothing to move. {_HIDES}""")
    frozen = [name for name, p in parameters.items() if not p.requires_grad]
    if frozen:
        wrong(f"""`{call}` gives a network with frozen parameters: {", ".join(frozen[:3])} will
            never learn (requires_grad is False).""")
    return network.to(probe_device()).train()


def run(network: nn.Module, inputs: Tensor, call: str, training: bool = False) -> Tensor:
    """The network's output, by default in evaluation mode; each time with the same dropout masks.

    It leaves the network in that mode.
    """
    seed_torch(1)
    return ask(network.train(training), call, inputs)


def need_size_used(make: Callable[..., nn.Module], name: str, argument: str, given: Tensor) -> None:
    """Reject a network whose number of parameters does not depend on an argument."""
    counts = []
    for n in (8, 16):
        call = call_of(name, {argument: n})
        network = build(make, call, **{argument: n})
        if any(isinstance(part, _ConvNd) for part in network.modules()):
            return  # its sizes are numbers of channels
        run(network, given, call)  # lazy layers get their size at the first call
        counts.append(sum(p.numel() for p in network.parameters()))
    if counts[0] == counts[1]:
        wrong(f"""hardcoded-size: `{name}` has {counts[0]:,} parameters whatever {argument} is: the
            argument has no effect. Where is the size written as a number?""")


def assess_outputs(network: nn.Module, inputs: Tensor, call: str, *shapes: tuple) -> None:
    """Reject outputs of another shape, type or device than asked for, in either mode."""
    for training, where in ((True, ""), (False, " in evaluation mode")):
        output = run(network, inputs, call + where, training)
        need_tensor(output, call + where)
        if tuple(output.shape) not in shapes:
            wrong(f"""`{call}`{where} returned shape {tuple(output.shape)};
                {" or ".join(map(str, shapes))} was expected.""")
        made, asked = (f"{x.dtype} on {x.device}".removeprefix("torch.") for x in (output, inputs))
        if made != asked:
            wrong(f"`{call}`{where} returned {made} for {asked}. Where does that type come in?")


def assess_network(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject what no network should be, whatever it is for."""
    _need_registered(network, inputs, call)
    _need_function(network, inputs, call)
    _need_rows_alone(network, inputs, call)
    _need_all_used(network, inputs, call)
    _need_free_dice(network, inputs, call)
    for name, part in network.named_modules():
        if isinstance(part, _BatchNorm) and part.eps > 0.01:
            wrong(f"""arch-bn-eps: The BatchNorm layer `{name}` has eps = {part.eps}, which damps
                its output. The second positional argument is eps; which one was meant?""")


# --- a function of its input, its weights and the dice -------------------------------------------


def _need_function(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network that ignores its input, or that draws or remembers something of its own."""
    state, outputs = copy.deepcopy(network.state_dict()), []
    for _ in range(2):
        network.load_state_dict(state)
        outputs.append(run(network, inputs, call, training=True))
    if not torch.allclose(*outputs, atol=1e-6):
        wrong(f"""`{call}`, called twice with the same input, the same weights and the same seed,
            gives two results. What does the network keep from one call to the next?""")
    network.load_state_dict(state)
    network.eval()
    with calling(call):
        first, again, other = (network(x) for x in (inputs, inputs, 1.5 * inputs.roll(1, 0)))
    if not torch.allclose(first, again, atol=1e-6):
        wrong(f"""`{call}`, called twice with the same input, gives two results (in evaluation
            mode). Is noise drawn inside the network?""")
    if torch.allclose(first, other, atol=1e-9):
        wrong(f"""`{call}` gives the same result for every input of a test (in evaluation mode).
            Is the argument used, and does anything cut off what comes out (a ReLU at the end)?""")


def _need_rows_alone(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network whose answer to one row depends on the others, or that fails at one row."""
    alone = run(network, inputs[:1], f"{call} in evaluation mode, given a batch of one")
    together = run(network, inputs[:5], call)
    if not (alone.shape[:1] == (1,) and alone.shape[1:] == together.shape[1:]):
        wrong(f"""For a batch of one `{call}` gives shape {tuple(alone.shape)}, not
            {(1, *together.shape[1:])}: the batch's own axis is lost. Which axes should go?""")
    if not torch.allclose(alone[0], together[0], atol=1e-4):
        wrong(f"""The shape is right, but the first result of `{call}` changes with the other rows
            of the batch (in evaluation mode). What mixes samples, or which axes change places?""")


def _need_free_dice(network: nn.Module, inputs: Tensor, call: str) -> None:
    drawn = []
    for seed in (11, 22):
        for set_seed in (seed_torch, np.random.seed, random.seed):
            set_seed(seed)
        with calling(call):
            network(inputs)
        drawn.append({"torch": torch.rand(1), "numpy": np.random.rand(), "random": random.random()})
    for name, value in drawn[0].items():
        if value == drawn[1][name]:
            wrong(f"""`{call}` sets the random numbers of `{name}`: what is drawn after a call is
                the same every time, so that noise and batches repeat. Where does it set a seed?""")


# --- what it is computed with --------------------------------------------------------------------


class _Foreign(TorchFunctionMode):
    """While it is on: collects the tensors that are computed with and come from elsewhere."""

    def __init__(self, *known: Tensor):
        super().__init__()
        self.known = {id(tensor): tensor for tensor in known}  # kept, or an id might come again
        self.found: list[Tensor] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        for value in tree_leaves((args, kwargs)):
            if not isinstance(value, Tensor) or id(value) in self.known:
                continue
            self.known[id(value)] = value
            if not is_functorch_wrapped_tensor(value):  # as within vmap
                self.found.append(value)
        made = function(*args, **(kwargs or {}))
        results = (value for value in tree_leaves(made) if not isinstance(value, nn.Parameter))
        self.known |= {id(value): value for value in results}
        return made


def _need_registered(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network that computes with tensors which neither optimiser nor `to` can find."""
    with _Foreign(inputs, *network.parameters(), *network.buffers()) as foreign:
        first = run(network, inputs, call)
    leaves = [tensor for tensor in foreign.found if tensor.is_leaf]
    hidden = [leaf for leaf in leaves if leaf.requires_grad]
    if hidden:
        wrong(f"""arch-unregistered: `{call}` is computed with {sum(p.numel() for p in hidden):,}
            weights (in {len(hidden)} tensors) that `parameters()` does not find, so that they never
            learn. {_HIDES} Are all made in `__init__`?""")
    for tensor in (leaf for leaf in leaves if leaf.is_floating_point() and leaf.numel() > 1):
        before = tensor.clone()
        _overwrite(tensor, before + 1 + before.abs().mean())
        second = run(network, inputs, call)
        _overwrite(tensor, before)
        if not torch.equal(first, second):
            wrong(f"""arch-unregistered: The output of `{call}` depends on a tensor of shape
                {tuple(tensor.shape)} that is neither a parameter nor a buffer: it does not learn,
                is not saved and does not move to another device. What makes it one of the two?""")


def _overwrite(tensor: Tensor, values: Tensor) -> None:
    """Put other values into a tensor, also one made in inference mode or by `expand`."""
    try:
        with torch.inference_mode(tensor.is_inference()):
            tensor.copy_(values)
    except RuntimeError:  # many of its entries share one place in memory
        tensor.data = values


# --- whether the gradient is that of the output --------------------------------------------------


def _slopes(
    network: nn.Module, inputs: Tensor, call: str, by: Sequence[Tensor]
) -> tuple[Callable[[], Tensor], Sequence[Tensor | None]]:
    """A mixture of all outputs, as a function, and its gradient by these tensors, as it says."""
    mix = torch.randn_like(run(network, inputs, call))

    def value() -> Tensor:
        return (run(network, inputs, call).double() * mix).sum()

    with torch.enable_grad():
        total = value()
    if not total.requires_grad:
        return value, [None] * len(by)
    return value, torch.autograd.grad(total, by, allow_unused=True)


@torch.no_grad()
def _need_all_used(network: nn.Module, inputs: Tensor, call: str) -> None:
    """Reject a network with parameters that have no part, or that no gradient gets to."""
    names, parameters = zip(*network.named_parameters(), strict=True)
    value, slopes = _slopes(network, inputs, call, parameters)
    first, unused, cut = value(), [], []
    for name, parameter, slope in zip(names, parameters, slopes, strict=True):
        if slope is not None and slope.any():
            continue
        before = parameter.clone()
        parameter += torch.randn_like(before) * (before.abs().mean() + 0.1)
        moved = not torch.equal(first, value())
        parameter.copy_(before)
        if moved or slope is None:
            (cut if moved else unused).append(name)
    if cut:
        wrong(f"""The output of `{call}` depends on {", ".join(cut[:3])}, but no gradient gets
            there, so that no optimiser could improve it. {_CUT}""")
    if unused:
        wrong(f"""The shape is right, but the output of `{call}` does not depend on
            {", ".join(unused[:3])}. Is a layer built and not used?""")


@torch.no_grad()
def need_true_gradient(
    network: nn.Module, inputs: Tensor, call: str, by: Sequence[Tensor], what: str = "its weights"
) -> None:
    """Reject a gradient that is not how the output changes with these tensors: it is cut."""
    value, slopes = _slopes(network, inputs, call, by)
    moves, expected = [], 0.0
    for tensor, slope in zip(by, slopes, strict=True):
        if slope is not None and slope.any():
            direction = slope * tensor.norm() / slope.norm()
            moves.append((tensor, tensor.clone(), direction))
            expected += 2 * (slope * direction).sum().item()

    def after(step: float) -> float:
        for tensor, start, direction in moves:
            tensor.copy_(start + step * direction)
        return value().item()

    for step in (5e-3, 1e-3, 2e-4):  # however small the step: it is no mere bend
        found = (after(step) - after(-step)) / step
        after(0)
        if abs(found - expected) < 0.2 * max(abs(found), abs(expected)):
            return
    wrong(f"""The gradient of `{call}` by {what} is not how its output changes: along it the output
        grows {found:.3g} a step where `backward` says {expected:.3g}. {_CUT}""")


def need_gradient_of_images(
    network: nn.Module, images: Tensor, call: str, most_unseen: float = 0.25
) -> None:
    """Reject a discriminator through which no true gradient comes back to its images."""
    pixels = images.clone().requires_grad_()
    _, (slope,) = _slopes(network, pixels, call, [pixels])
    if slope is None or not slope.any():
        wrong(f"""`{call}` notices what it is shown, but no gradient comes back to the images, so
            that no generator could learn from it. {_CUT}""")
    unseen = (slope == 0).all(0).float().mean().item()
    if unseen >= most_unseen:
        wrong(f"""Shapes are right, but {unseen:.0%} of the pixels have no influence on D's output.
            Which part of the image is left out?""")
    need_true_gradient(network, pixels, call, [pixels], "the images")


def need_whole_z(network: nn.Module, latent_dim: int, call: str) -> None:
    """Reject a generator that looks at a part of z only."""
    z = torch.randn(1, latent_dim, device=probe_device())
    moved = run(network, torch.cat([z, z + torch.eye(latent_dim, device=z.device)]), call)
    idle = int(((moved[1:] - moved[:1]).abs().flatten(1).amax(1) < 1e-7).sum())
    if idle:
        wrong(f"""Of the {latent_dim} numbers of z, {idle} have no influence on the images of
            `{call}`. Where are they left out?""")
    if torch.allclose(moved[1:], moved[1:2].expand_as(moved[1:]), atol=1e-5):
        wrong(f"""All {latent_dim} numbers of z have the very same influence on the images of
            `{call}`, as if it were one number. Where are they added up?""")


# --- how far its outputs can go ----------------------------------------------------------------


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
    start, parameters = copy.deepcopy(network.state_dict()), list(network.parameters())
    # Normalised weights turn slowly, and spectral norm follows them in training mode only.
    for steps, rate, mode in ((20, 0.1, False), (150, 0.02, True)):
        ends, sloped = [], True
        for sign in (1, -1):
            network.load_state_dict(start)
            optimizer = torch.optim.Adam(parameters, lr=rate)
            for _ in range(steps):
                optimizer.zero_grad()
                (sign * run(network, inputs, call, mode)).mean().backward()
                optimizer.step()
            out = (sign * run(network, inputs, call, training)).min()
            slopes = torch.autograd.grad(out, parameters, allow_unused=True)
            sloped = sloped and any(s is not None and s.any() for s in slopes)
            ends.append(sign * out.item())
        if ends[0] < -0.9 and ends[1] > 0.9:
            break
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
                wrong("""arch-bn-output: Shape and size are right, but a layer at the output gives
                    every batch the same mean and contrast, as BatchNorm does, unlike the data's.
                    Which layers may normalise?""")
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
            use [-1, 1]: the missing dark half alone gives G away. Which function ends G?""")
    if low >= 0:
        wrong(f"""arch-relu-output: {start} no value is below 0 {seen}: half of the data's range
            [-1, 1] is out of reach. Which function ends G?""")
    if low < -1.001 or high > 1.001:
        wrong(f"""arch-no-output-activation: {start} the values leave [-1, 1] {seen}, so that D wins
            on range alone. What keeps the last layer's output in bounds?""")
    if low > -0.9 or high < 0.9:
        wrong(f"The images use [-1, 1], but only a part of it {seen}; the data use all of it.")
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
            richer in contrast: BatchNorm at its input removes both. Which layers may have it?""")
    low, high, sloped = _reach(network, images[:16], call)
    if not low < 0 and 0.5 < high <= 1:
        wrong(f"""loss-double-sigmoid: {start} returns probabilities, within [0, 1]. The losses here
            apply the sigmoid themselves, and a second one flattens them. {_LAST_LINE}""")
    if not low < 0 < high:
        wrong(f"""{start}'s output has only one sign (it can be driven from {low:.3g} to
            {high:.3g}), so that it cannot say both 'real' and 'fake'. {_LAST_LINE}""")
    if not high > 1.1 and not low < -1.1:
        wrong(
            f"D's output stays within {low:.3g} and {high:.3g}: something squashes it. {_LAST_LINE}"
        )
    if not sloped:
        wrong(f"""{start}'s output is cut off: driven as far as it goes, to {low:.3g} and
            {high:.3g}, it has no slope left, and images beyond teach nothing. {_LAST_LINE}""")

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
            squeezes negative logits. Activations stand between layers; the last gives a logit.""")
