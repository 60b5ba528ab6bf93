"""Watching training code at work: two small networks that record how they are used.

A `Watch` holds a probe generator, a probe discriminator and a data set. The reader's code trains
them, however it is written. Of every call the watch keeps what went in, with which weights and in
which mode, and the gradients that later came back through it; of every optimiser step, the gradient
that was used and the weights before and after. Since D is linear and G's images are its own, the
gradient that each image contributes is known: `account` takes a step's gradient apart into them,
and `verdicts` and `loops` judge it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._C import _functorch
from torch.optim import optimizer as optimizers

from gan_helpers.datasets import ImageDataset

from .framework import describe_value, probe_device, wrong

LATENT = 50  # not the course's default, so that a size written as a number is noticed
IMAGES = 1600  # of the probe data set: no batch comes twice within a few steps


class _Tap(torch.autograd.Function):
    """The identity; its log gets the gradients of all backward passes through it."""

    @staticmethod
    def forward(ctx, x, log):
        ctx.save_for_backward(x)
        ctx.log = log
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.log.append(gradient.detach().cpu().to(torch.float64, copy=True))
        return gradient, None


def _inside(*tensors: Tensor) -> bool:
    """Within torch.func's transformations, where gradients cannot be listened to."""
    return any(map(_functorch.is_functorch_wrapped_tensor, tensors))


def _plain(tensor: Tensor) -> Tensor:
    """The values of a tensor, also within torch.func's transformations."""
    tensor = tensor.detach().clone()
    while _inside(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    return tensor


class Image(NamedTuple):
    """An image that D was shown, and where it came from."""

    kind: str  # "real", "fake" or "other"
    source: Call | int | None  # the call of G that drew it, or its index in the data set
    row: int | None  # in the call of G
    logit: Tensor  # what D said of it


@dataclass(eq=False)
class Call:
    """One call of a probe network. Rows are flat images: G's output or D's input."""

    rows: Tensor
    labels: Tensor | None
    weights: Tensor
    training: bool
    epoch: int
    functional: bool  # see _inside
    z: Tensor | None = None  # what G got
    logits: Tensor | None = None  # what D said
    attached: bool = False  # D's images came with a graph behind them
    back: list[Tensor] = field(default_factory=list)  # gradients by logit, one a backward pass
    through: list[Tensor] = field(default_factory=list)  # of those that went on to the images
    node: object = None
    kept: bool = False  # a backward pass ran through this call, and its graph outlived it
    images: list[Image] | None = None  # see Watch.origins

    @property
    def heard(self) -> bool:
        """Whether D's answer went into a loss, as far as that can be known."""
        return self.logits is not None and (bool(self.back) or self.functional)


class _Probe(nn.Module):
    """What both have: a watch, and a table with a row of pixels for each class, or one row."""

    def __init__(self, watch: Watch, table: Tensor):
        super().__init__()
        self.watch, self.table = watch, nn.Parameter(table)

    def flat(self) -> Tensor:
        return _plain(torch.cat([p.flatten() for p in self.parameters()]))

    def gradient(self) -> Tensor | None:
        """The flat gradient that the network holds; None if it holds none or nothing but zeros."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters()]
        flat = torch.cat([grad.detach().flatten() for grad in grads]).clone()
        return flat if flat.any() else None

    def rows(self, labels: object, n: int, name: str) -> Tensor:
        """The rows of the table for n images with these labels."""
        if (labels is None) != (self.watch.classes is None):
            one, two = (2, 3) if labels is not None else (3, 2)
            raise TypeError(f"forward() takes {one} positional arguments but {two} were given")
        whole = isinstance(labels, Tensor) and labels.dtype == torch.int64
        if labels is not None and not (whole and labels.shape == (n,)):
            wrong(f"""{name} was called with {describe_value(labels)} for the labels, where an int64
                tensor of shape ({n},) was expected.""")
        return rows_for(labels, self.table)

    def record(self, rows: Tensor, labels: Tensor | None, functional: bool, **more) -> Call:
        call = Call(
            rows=_plain(rows),
            labels=None if labels is None else _plain(labels),
            weights=self.flat(),
            training=self.training,
            epoch=self.watch.epoch,
            functional=functional,
            **more,
        )
        if not functional:
            self.watch.look(self)
        self.watch.calls.append(call)
        return call


class ProbeGenerator(_Probe):
    """z (N, latent_dim) -> images: a learned picture with a pattern of its own for every z."""

    def __init__(self, watch: Watch, table: Tensor):
        super().__init__(watch, table)
        self.latent_dim = LATENT
        mix = 0.4 * torch.randn(LATENT, table.shape[1], generator=_dice(4))
        self.register_buffer("mix", mix, persistent=False)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if not isinstance(z, Tensor) or z.dim() != 2 or z.shape[1] != LATENT:
            told = f"""The generator was called with {describe_value(z)} for z, where latent_dim was
                {LATENT} and so (N, {LATENT}) was expected."""
            if isinstance(z, Tensor) and z.dim() == 2:
                wrong(f"hardcoded-size: {told} Is a size written as a number?")
            wrong(told)
        pictures = self.rows(labels, len(z), "The generator")
        rows = torch.tanh(pictures + 0.7 * torch.sin(z @ self.mix))
        self.record(rows, labels, _inside(rows), z=_plain(z))
        return rows.view(-1, *self.watch.shape)


class ProbeDiscriminator(_Probe):
    """images -> logits (N,), or (N, 1) with `column`; linear in the pixels."""

    def __init__(self, watch: Watch, table: Tensor, bias: float, column: bool):
        super().__init__(watch, table)
        self.bias = nn.Parameter(torch.tensor([bias]))
        self.column = column

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        pixels = self.table.shape[1]
        if not isinstance(images, Tensor) or images.dim() < 2 or images.shape[1:].numel() != pixels:
            expected = ", ".join(map(str, ("N", *self.watch.shape)))
            wrong(f"""D was called with {describe_value(images)}, where images ({expected}) were
                expected. Which value is handed to D there?""")
        weights = self.rows(labels, len(images), "D")
        if images.dtype != weights.dtype:  # as in any linear layer
            types = " and ".join(
                x.type().split(".")[-1][: -len("Tensor")] for x in (images, weights)
            )
            raise RuntimeError(f"mat1 and mat2 must have the same dtype, but got {types}")
        flat, inside = images.flatten(1), _inside(weights, images)
        call = self.record(flat, labels, inside, attached=images.grad_fn is not None)
        if flat.requires_grad and not inside:
            flat = _Tap.apply(flat, call.through)
        logits = (flat * weights).sum(1) + self.bias
        call.logits = _plain(logits)
        if logits.requires_grad and not inside:
            logits = _Tap.apply(logits, call.back)
            call.node = logits.grad_fn
        return logits[:, None] if self.column else logits


def rows_for(labels: Tensor | None, table: Tensor) -> Tensor:
    """The table's row for each label; without labels the one row that it has."""
    return table if labels is None else table[labels]


def _dice(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass
class Step:
    """One optimiser step, as the watch saw it. Gradients and weights are flat, by network."""

    networks: frozenset[str]  # whose parameters the optimiser holds: {"G"}, {"D"}, both, neither
    optimizer: object
    epoch: int
    states: dict[str, int]  # how many states of each network were known before it
    held: dict[str, Tensor | None]  # what each held already after its last step, or before a call
    grad: dict[str, Tensor | None]  # what the optimiser used
    first: dict[str, int]  # the call with which each network's account of this step begins
    last: int  # the call after the account's end

    @property
    def name(self) -> str:
        """The network that it moved, "D" if both; "" if others."""
        return min(self.networks, default="")


class Watch:
    """Two probe networks and a record of what is done with them while it is on.

    shape: of an image; classes: for networks that also take labels; scale: of D's logits; gap:
    between those of real images and of fakes; images: how many there are in the data set: random
    ones, no two alike, of ten classes.
    """

    def __init__(
        self,
        column: bool = False,
        scale: float = 1.0,
        shape: tuple[int, int, int] = (1, 28, 28),
        classes: int | None = None,
        images: int = IMAGES,
        gap: float = 1.5,
    ):
        self.shape, self.classes = shape, classes
        pixels = math.prod(shape)
        self.images = torch.randint(0, 256, (images, *shape), generator=_dice(7), dtype=torch.uint8)
        labels = torch.arange(images) % 10
        names = tuple("0123456789")
        self.data = ImageDataset(self.images.clone(), labels, names, "probe images", "train")
        direction = torch.randn(pixels, generator=_dice(8))
        weight = 2.2 * direction / direction.norm()
        # With a gap of 1.5 real logits lie around -0.6, fakes around 0.9, both between -4 and 4.
        picture = torch.randn(pixels, generator=_dice(9)) * 0.4
        picture += direction * (gap - (weight @ picture)) / (weight @ direction)
        self.calls: list[Call] = []
        # Where images come from, by their bytes: real ones (of uint8) and fakes (of floats).
        self.real = {row.tobytes(): i for i, row in enumerate(self.images.numpy())}
        self.drawn: dict[bytes, tuple[Call, int]] = {}
        self.epoch = 0  # number of optimiser steps so far, those of others included
        several = bool(classes) * torch.randn(2, classes or 1, pixels, generator=_dice(3))
        pictures, weights = picture + 0.3 * several[0], weight + 0.05 * several[1]
        self.G = ProbeGenerator(self, pictures).to(probe_device())
        self.D = ProbeDiscriminator(self, scale * weights, -0.4 * gap * scale, column).to(
            probe_device()
        )
        self.networks: dict[str, _Probe] = {"G": self.G, "D": self.D}
        self.states = {name: [net.flat()] for name, net in self.networks.items()}
        self.steps: list[Step] = []
        self.past: list[Step] = []  # of earlier calls
        self.held_from_g = False  # what D holds at the start was left by a step of G
        self.disturbed: set[str] = set()  # networks whose weights changed without an optimiser
        self.begin()

    def __deepcopy__(self, memo: dict) -> Watch:
        return self  # a copy of a network is watched too

    @property
    def used(self) -> bool:
        """Whether a probe network was called since `begin`."""
        return len(self.calls) > self._begun

    def fakes(self) -> list[Call]:
        """All calls of the generator."""
        return [call for call in self.calls if call.z is not None]

    def judged(self, step: Step, name: str) -> list[Call]:
        """The calls of D since the last step of this network, empty batches left out."""
        calls = self.calls[step.first[name] : step.last]
        return [call for call in calls if call.logits is not None and len(call.rows)]

    def heard(self, step: Step, name: str) -> list[Call]:
        """Those of them whose answers went into a loss."""
        return [call for call in self.judged(step, name) if call.heard]

    def begin(self) -> None:
        """Before a further call of the reader's code: a clean record of steps."""
        self.past += self.steps
        self.steps = []
        self._begun = len(self.calls)
        self.epoch += 1
        self._first = dict.fromkeys("GD", len(self.calls))
        self._held = {name: net.gradient() for name, net in self.networks.items()}

    def look(self, network: _Probe | None = None) -> None:
        """Notice weights that changed since the last step, then take them as they are."""
        for name, own in self.networks.items():
            if network in (None, own) and not torch.equal(self.states[name][-1], own.flat()):
                self.disturbed.add(name)
                self.states[name].append(own.flat())

    def age(self, name: str, call: Call, step: Step) -> int | None:
        """How many states before a step the network had the weights of this call; None: never."""
        states = reversed(self.states[name][: step.states[name]])
        return next((age for age, old in enumerate(states) if torch.equal(old, call.weights)), None)

    @contextlib.contextmanager
    def on(self) -> Iterator[Watch]:
        """While it lasts, optimiser steps are recorded; at its end all fakes are known."""
        before = optimizers.register_optimizer_step_pre_hook(lambda *_: self.look())
        after = optimizers.register_optimizer_step_post_hook(self._after_step)
        try:
            yield self
        finally:
            before.remove()
            after.remove()
        self.look()
        for call in self.fakes():
            for i, row in enumerate(call.rows.cpu().numpy()):
                self.drawn[row.tobytes()] = call, i

    def _after_step(self, optimizer: torch.optim.Optimizer, _args, _kwargs) -> None:
        for call in self.calls:  # the loss is still alive
            with contextlib.suppress(RuntimeError):  # freed, as after any ordinary backward pass
                call.kept |= bool(call.back) and bool(call.node.saved_tensors)
        moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
        networks = self.networks.items()
        mine = frozenset(n for n, net in networks if moved & set(map(id, net.parameters())))
        step = Step(
            networks=mine,
            optimizer=optimizer,
            epoch=self.epoch,
            states={name: len(states) for name, states in self.states.items()},
            held=dict(self._held),
            grad={name: network.gradient() for name, network in networks},
            first=dict(self._first),
            last=len(self.calls),
        )
        self.steps.append(step)
        for name in mine:
            self._first[name], self._held[name] = step.last, step.grad[name]
            self.states[name].append(self.networks[name].flat())
        self.epoch += 1

    def shown(self, calls: Iterable[Call], kind: str = "") -> list[Image]:
        """The images (of this kind, or all) that D was shown in these calls."""
        images = [image for call in calls for image in self.origins(call)]
        return [image for image in images if kind in ("", image.kind)]

    def origins(self, call: Call) -> list[Image]:
        """The images of one call of D."""
        if call.images is None:
            levels = ((call.rows + 1) * 127.5).round()
            whole = ((levels / 127.5 - 1 - call.rows).abs() < 1e-3).all(1).tolist()
            keys = levels.clamp(0, 255).to(torch.uint8).cpu().numpy()
            call.images = []
            for i, row in enumerate(call.rows.cpu().numpy()):
                origin = "other", None, None
                if row.tobytes() in self.drawn:
                    origin = "fake", *self.drawn[row.tobytes()]
                elif whole[i] and keys[i].tobytes() in self.real:
                    origin = "real", self.real[keys[i].tobytes()], None
                call.images.append(Image(*origin, call.logits[i].cpu()))
        return call.images

    def noise_of(self, images: Tensor) -> tuple[Tensor, Tensor] | None:
        """(z, G's weights) that these images were drawn with, or None if G did not draw them."""
        rows = images.detach().float().flatten(1).cpu().numpy()
        found = [self.drawn.get(row.tobytes()) for row in rows]
        if not found or None in found:
            return None
        return torch.stack([call.z[i] for call, i in found]), found[0][0].weights
