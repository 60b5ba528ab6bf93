"""Exercises of notebook 03: sizes and the networks. First weights and a check: `nb03_verify`."""

from __future__ import annotations

import copy
import itertools
import math
import operator
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gan_helpers.models import DCGANDiscriminator, DCGANGenerator, conv_output_size

from .architecture import assess_logits, assess_network, assess_outputs, assess_range, build, run
from .catalogue import MISTAKES
from .compare import all_near, ask, close, explain, first_off, name_wrong, need_number, off_by
from .framework import exercise, need, probe_device, wrong
from .probes import call_of

MISTAKES.update(
    {
        "arch-kernel-stride": "kernel size not a multiple of the stride",
        "arch-size-floor": "the stride alone decides: kernel and padding are left out",
        "dcgan-activation": "another activation than DCGAN's between the layers",
        "dcgan-no-batchnorm": "no BatchNorm in the hidden layers",
        "dcgan-pooling": "pooling where strides were asked",
        "dcgan-upsampling": "upsampling where strides were asked",
        "size-no-one": "the first place of the kernel is not counted",
        "size-not-floored": "the division is not rounded down",
        "size-padding-once": "padding is counted on one side only",
        "size-transposed-as-conv": "the formulas of the two kinds of convolution are exchanged",
    }
)

# --- 3.1: output sizes ---------------------------------------------------------------------------


_ALONE = (
    "Here the stride alone decides. With kernel 4, stride 2, padding 1 that fits, and hardly "
    "elsewhere: in how many places does a kernel fit, or how far do its copies reach?"
)
_ROUNDINGS = (float, math.ceil, round)
_SIDES = "Padding lies on two sides, and here only one of them counts."
_WRONG_SIZES = {
    False: [
        ("arch-size-floor", (lambda n, k, s, p: n // s, lambda n, k, s, p: -(-n // s)), _ALONE),
        ("size-no-one", lambda n, k, s, p: (n + 2 * p - k) // s,
         "Everywhere 1 is missing. The quotient says how often the kernel moves on; how many "
         "places is that, with the first?"),
        (None, lambda n, k, s, p: (n + 2 * p - k + 1) // s,
         "The 1 stands inside the division. How often the kernel moves on is a quotient; its first "
         "place comes on top of that."),
        (None, lambda n, k, s, p: n + (2 * p - k) // s + 1,
         "The size itself is not divided: how often a kernel moves on depends on all of the room "
         "that it has. What is divided by the stride?"),
        ("size-padding-once", lambda n, k, s, p: (n + p - k) // s + 1, _SIDES),
        ("size-not-floored",
         tuple(lambda n, k, s, p, f=f: f((n + 2 * p - k) / s) + 1 for f in _ROUNDINGS),
         "It is right where the stride divides evenly. Elsewhere the last step would leave the "
         "image and is not made. Which way is the quotient rounded?"),
        ("size-transposed-as-conv", lambda n, k, s, p: (n - 1) * s - 2 * p + k,
         "This is the size after a *transposed* convolution. Which of the two shrinks images?"),
    ],
    True: [
        ("arch-size-floor", lambda n, k, s, p: n * s, _ALONE),
        ("size-transposed-as-conv", lambda n, k, s, p: (n + 2 * p - k) // s + 1,
         "With transposed=True this is still the size after a plain convolution. Transposed, each "
         "input pixel lays down a copy of the kernel, `stride` apart: how far do they reach?"),
        ("size-padding-once", lambda n, k, s, p: (n - 1) * s - p + k, _SIDES),
        (None, lambda n, k, s, p: n * s - 2 * p + k,
         "Transposed, each value is too large by the stride. Between n copies of the kernel, how "
         "many steps are there?"),
    ],
}  # fmt: skip


@exercise(
    "3.1",
    "Sizes",
    signature="output_size(size, kernel, stride=1, padding=0, transposed=False)",
    takes="the side of a square input, and what the layer was made with; the kernel fits",
    returns="the side of the output, a whole number: of a convolution, or with transposed=True of "
    "a transposed one",
    accepts="any way to count it",
    mistakes="arch-size-floor size-no-one size-padding-once size-not-floored "
    "size-transposed-as-conv",
    reference=conv_output_size,
)
def check_output_size(answer: Callable) -> None:
    rows = [(32, 4, 2, 1), (28, 5, 3, 2), (13, 3, 1, 0), (7, 4, 4, 1), (9, 2, 4, 0), (64, 6, 3, 4)]
    for transposed, known in _WRONG_SIZES.items():
        calls, values = [], []
        for size, kernel, stride, padding in rows:
            options = {"kernel": kernel, "stride": stride, "padding": padding}
            options["transposed"] = transposed
            calls.append(call_of("output_size", options, str(size)))
            values.append(ask(answer, calls[-1], size, **options))
        got = [need_number(*pair, plain=False) for pair in zip(values, calls, strict=True)]
        right = [conv_output_size(*row, transposed=transposed) for row in rows]
        i = first_off(got, right, operator.eq)
        if i is not None:
            name_wrong(got, known, rows)
            n, k, s, p = zip(*rows, strict=True)
            steps = [a * b for a, b in zip(n, s, strict=True)]
            names = ("size times stride", "the stride", "the kernel", "the padding", "the size")
            values = zip((steps, s, k, p, n), (1.0, -1.0, 1.0, -2.0, 0.0), strict=True)
            terms = dict(zip(names, values, strict=True))
            told = explain(got, right, terms if transposed else None)
            wrong(f"`{calls[i]}`: {off_by(got[i], right[i])}. {told}")
        if any(isinstance(value, float) for value in values):
            wrong(f"""The numbers are right, but `{calls[0]}` gives {values[0]!r}, a float, and
                layers want whole numbers. Which division stays whole?""")


# --- 3.2 and 3.3: the networks -------------------------------------------------------------------


def _weights(network: nn.Module) -> dict[int, Tensor]:
    """The weights of the layers by how many numbers each holds, which differs in the plan."""
    weights = {p.numel(): p for p in network.parameters() if p.dim() > 1}
    return dict(sorted(weights.items()))


def _need_arguments_used(network: nn.Module, kind: type[nn.Module], call: str, given: dict) -> None:
    """Name the argument without which the reference would have the sizes of this network."""
    for n in range(1, len(given) + 1):
        for ignored in itertools.combinations(given, n):
            other = kind(**{name: given[name] for name in given if name not in ignored})
            if [*_weights(network)] == [*_weights(other)]:
                wrong(f"""hardcoded-size: `{call}` has the layers that it has without
                    {" and ".join(ignored)}: there the argument has no effect. Where is a size
                    written as a number?""")


def _need_plan(network: nn.Module, reference: nn.Module, call: str) -> None:
    """Reject a network whose layers have other sizes than the plan's."""
    for name, _ in network.named_parameters():
        if "parametrizations" in name or name.endswith(("weight_orig", "weight_g", "weight_v")):
            wrong(f"""In `{call}` the weights of a layer are normalised (`{name}`), as by spectral
                or weight norm. The plan has plain weights.""")
    kinds = {"dcgan-upsampling": nn.Upsample, "dcgan-pooling": nn.MaxPool2d | nn.AvgPool2d}
    for part in network.modules():
        if isinstance(part, nn.ConvTranspose2d) and part.kernel_size[0] % part.stride[0]:
            wrong(f"""arch-kernel-stride: `{call}` has the layer {part}. Where the stride does not
                divide the kernel, neighbouring pixels are made by different numbers of weights:
                checkerboards. Which kernel was asked for?""")
        for mistake, kind in kinds.items():
            if isinstance(part, kind):
                wrong(f"""{mistake}: `{call}` changes the size with {part}. In a DCGAN the
                    convolutions do this themselves, so that how is learned too. By which of their
                    arguments?""")
    own, asked = (
        ["x".join(map(str, p.shape)) for p in net.parameters() if p.dim() > 1]
        for net in (network, reference)
    )
    if len(own) != len(asked) or [*_weights(network)] != [*_weights(reference)]:
        wrong(f"""Inputs and outputs have the right shapes, but the layers of `{call}` are not those
            of the plan. Their weights are {", ".join(own)}, and {", ".join(asked)} were expected.
            Compare channels and kernels.""")


def _exchanged(network: nn.Module, change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A copy of a network with its layers changed."""
    network = copy.deepcopy(network)
    for part in list(network.modules()):
        for name, child in list(part.named_children()):
            setattr(part, name, change(child))
    return network.to(probe_device())


def _give_weights(network: nn.Module, reference: nn.Module) -> None:
    """Draw weights anew, the same for both; scales become 1, and biases 0, which are idle."""
    for part in network.modules():
        if hasattr(part, "reset_running_stats"):
            part.reset_running_stats()
    with torch.no_grad():
        for p in network.parameters():
            p.normal_(0, 0.2) if p.dim() > 1 else p.fill_(float(p.mean() > 0.5))
        for own, p in zip(_weights(network).values(), _weights(reference).values(), strict=True):
            p.copy_((own.T if own.dim() == 2 and len(own) != len(p) else own).reshape(p.shape))


def _numbers(network: nn.Module, x: Tensor, training: bool) -> dict[str, Tensor]:
    """What a network makes of x: what goes into each layer with weights, the output, the slopes."""
    network, seen = copy.deepcopy(network), {}
    for part in network.modules():
        if isinstance(weight := getattr(part, "weight", None), Tensor) and weight.dim() > 1:
            part.register_forward_pre_hook(
                lambda part, given: seen.update({part.weight.numel(): given[0].detach()})
            )
    x = x.clone().requires_grad_()
    seen["output"] = run(network, x, "the network", training).flatten()
    mix = torch.linspace(-1, 1, len(seen["output"]), device=x.device)
    by = [x, *_weights(network).values()]
    slopes = torch.autograd.grad(seen["output"] @ mix, by, allow_unused=True)
    seen["slopes"] = torch.stack([0 * mix[0] if s is None else s.norm() for s in slopes])
    return seen


def _assess_same(
    network: nn.Module, reference: nn.Module, x: Tensor, known: list, assess: Callable[[], None]
) -> None:
    """Reject a network that computes other numbers from its weights than the reference does."""
    _give_weights(network, reference)
    for mode in ("training", "evaluation"):
        own, asked = (_numbers(net, x, mode == "training") for net in (network, reference))
        if close(own["output"], asked["output"]):
            if not all_near(own["slopes"].tolist(), asked["slopes"].tolist(), 1e-2):
                wrong("""What the network returns is right, but its gradient is not that of what it
                    computes. Is something detached on the way, or made under `no_grad`?""")
            continue
        for change, message in known:
            variant = _numbers(_exchanged(reference, change), x, mode == "training")
            need(not close(own["output"], variant["output"]), message)
        assess()
        layers = [n for n in asked if isinstance(n, int)]
        parted = [i for i, n in enumerate(layers) if not close(own.get(n, ()), asked[n])]
        place = f"between layer {parted[0]} and layer {parted[0] + 1}" if parted else "at the end"
        wrong(f"""All sizes are right, but with the same weights the network computes something else
            than the plan in {mode} mode: counting layers with weights, they part {place}. Which
            normalisation, activation, stride and padding belong there?""")


def _check_network(
    make: Callable, name: str, kind: type[nn.Module], small: dict[str, int], rest: tuple,
    shapes: Sequence[tuple], known: list, assess: Callable,
) -> None:  # fmt: skip
    for given in ({}, small):
        call = call_of(name, given)
        network, reference = build(make, call, **given), kind(**given).to(probe_device())
        if not any(map(is_lazy, network.parameters())):
            _need_arguments_used(network, kind, call, given)
        for n in (5, 6):
            x = torch.randn(n, *(rest or (given.get("latent_dim", 100),)), device=probe_device())
            shown = f"{call}(...) with an input of shape {tuple(x.shape)}"
            assess_outputs(network, x, shown, *[(n, *shape) for shape in shapes])
    assess_network(network, x, call)
    _need_plan(network, reference, call)
    fresh = build(make, call, **given)  # with fresh statistics
    if not any(map(is_lazy, fresh.parameters())):
        network = fresh
    _assess_same(network, reference, x, known, lambda: assess(network, call))


def _variant(kind: type, instead: nn.Module, message: str) -> tuple:
    """For `_assess_same`: a change of the reference's layers, and what to say if that explains."""
    return lambda m: copy.deepcopy(instead) if isinstance(m, kind) else m, message


_NO_NORM = _variant(
    nn.BatchNorm2d, nn.Identity(), """dcgan-no-batchnorm: All sizes are right, but BatchNorm is
    missing: a DCGAN without it computes exactly this from the same weights. Which layers have
    one?"""
)  # fmt: skip
_ACTIVATION = """dcgan-activation: All sizes are right, but between the layers stands {}, where {}
    was asked for."""


def _other_activations(kind: type, asked: str, *others: nn.Module) -> list[tuple]:
    return [_variant(kind, other, _ACTIVATION.format(other, asked)) for other in others]


@exercise(
    "3.2",
    "The generator",
    signature="class Generator(latent_dim=100, width=64)",
    takes="z (N, latent_dim), standard normal",
    returns="images (N, 3, 32, 32) in [-1, 1] by 4 width @ 4, 2 width @ 8, width @ 16, 3 @ 32: "
    "transposed convolutions of kernel 4 (stride 1, padding 0, then 2 and 1), BatchNorm and ReLU "
    "after all but the last, tanh after the last",
    accepts="a class, an nn.Sequential inside, a function that builds one; biases; a linear first "
    "layer; plain weights, which no norm divides",
    mistakes="arch-no-output-activation arch-sigmoid-output arch-relu-output arch-bn-output "
    "arch-bn-eps arch-z-shape arch-unregistered arch-kernel-stride hardcoded-size "
    "dcgan-no-batchnorm dcgan-activation dcgan-upsampling",
    reference=DCGANGenerator,
    uses_optimizers=True,
)
def check_generator(make: Callable[..., nn.Module]) -> None:
    leaky = [nn.LeakyReLU(slope) for slope in (0.2, 0.01)]
    known = [_NO_NORM, *_other_activations(nn.ReLU, "ReLU", *leaky)]
    _check_network(
        make, "Generator", DCGANGenerator, {"latent_dim": 10, "width": 8}, (), [(3, 32, 32)], known,
        lambda G, call: assess_range(G, 10, call),
    )  # fmt: skip


@exercise(
    "3.3",
    "The discriminator",
    signature="class Discriminator(width=64)",
    takes="images (N, 3, 32, 32) in [-1, 1]",
    returns="logits (N,) or (N, 1) by width @ 16, 2 width @ 8, 4 width @ 4, 1: convolutions of "
    "kernel 4 (stride 2, padding 1, at last 1 and 0), LeakyReLU(0.2) after all but the last, "
    "BatchNorm before it in all but the first",
    accepts="a class, an nn.Sequential inside, a function that builds one; biases; a linear last "
    "layer; plain weights, which no norm divides",
    mistakes="loss-double-sigmoid arch-bn-output arch-bn-eps arch-64-on-32 arch-unregistered "
    "hardcoded-size dcgan-no-batchnorm dcgan-activation dcgan-pooling",
    reference=DCGANDiscriminator,
    uses_optimizers=True,
)
def check_discriminator(make: Callable[..., nn.Module]) -> None:
    def norm_first(part: nn.Module) -> nn.Module:
        first = isinstance(part, nn.Conv2d) and part.in_channels == 3
        return nn.Sequential(part, nn.BatchNorm2d(part.out_channels)) if first else part

    known = [
        _NO_NORM,
        *_other_activations(nn.LeakyReLU, "LeakyReLU(0.2)", nn.ReLU(), nn.LeakyReLU(0.01)),
        (norm_first, """arch-bn-output: BatchNorm stands in the first layer too, and takes away the
            brightness and contrast of the batch before D can look at them. Which layers may be
            normalised?"""),
    ]  # fmt: skip
    _check_network(
        make, "Discriminator", DCGANDiscriminator, {"width": 8}, (3, 32, 32), [(), (1,)], known,
        lambda D, call: assess_logits(D, torch.randn(64, 3, 32, 32, device=probe_device()), call),
    )  # fmt: skip
