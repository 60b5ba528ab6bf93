"""Watching training code at work: two tiny networks that record how they are used.

A `Watch` holds a probe generator and a probe discriminator. The reader's code trains them; at
every optimiser step the watch records which gradient was used, which part of it was fresh, what D
had been shown. Since the fakes do not depend on the values of z, the gradient that a step should
have used is known exactly, whatever noise the reader drew and in whatever order; and so are the
gradients of known mistakes. `verdicts` compares.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from gan_helpers.datasets import ImageDataset

from .framework import probe_device, wrong

LATENT = 50  # not the course's default, so that a size written as a number is noticed
SIDE, TOP = 28, 4  # the top rows of a probe image carry marks, the rest its content
CONTENT = (SIDE - TOP) * SIDE

# The content of the probe images: any two fixed pictures without structure would do.
_dice = torch.Generator().manual_seed(7)
_REAL = torch.where(torch.rand(CONTENT, generator=_dice) < 0.5, 0.6, -0.6)
_FAKE = 0.8 * torch.randn(CONTENT, generator=_dice)
_WEIGHT = 0.005 * torch.randn(CONTENT, generator=_dice)


class _Tap(torch.autograd.Function):
    """The identity; its node knows whether a backward pass went through and freed the graph."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.ran = True
        return gradient


def _kept(node) -> bool:
    """True if a backward pass ran through the node and the graph is still there."""
    if not getattr(node, "ran", False):
        return False
    try:
        return bool(node.saved_tensors)
    except RuntimeError:  # freed, as after any ordinary backward pass
        return False


class ProbeGenerator(nn.Module):
    """z (N, latent_dim) -> images (N, 1, 28, 28): a learned picture, weaker in every second row.

    The values of z only reach the marks at the top, which the probe discriminator does not weigh.
    """

    def __init__(self, watch: Watch):
        super().__init__()
        self.latent_dim = LATENT
        self.picture = nn.Parameter(_FAKE.clone())
        self._watch = [watch]  # in a list, so that it is no part of the module

    def forward(self, z: Tensor) -> Tensor:
        if not isinstance(z, Tensor) or z.dim() != 2 or z.shape[1] != LATENT:
            shape = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
            wrong(
                f"The generator was called with z of shape {shape}, where latent_dim was {LATENT} "
                f"and so (N, {LATENT}) was expected. Is a size written as a number?",
                "hardcoded-size",
            )
        self._watch[0].z.append(z.detach().clone())
        marks = torch.zeros(len(z), TOP * SIDE, device=z.device)
        marks[:, 0] = -1
        marks[:, SIDE : SIDE + 20] = torch.tanh(z[:, :20].detach())
        content = fake_content(self.picture, len(z))
        return torch.cat([marks, content], 1).view(-1, 1, SIDE, SIDE)


class ProbeDiscriminator(nn.Module):
    """images (N, 1, 28, 28) -> logits (N,), or (N, 1) with `column`; linear in the content."""

    def __init__(self, watch: Watch, column: bool, scale: float):
        super().__init__()
        fake = torch.tanh(_FAKE)
        # Weights for which the real picture has logit -1.3 and the (strong) fake one 1.6.
        pictures = torch.stack([_REAL, fake], 1)
        wanted = torch.tensor([-1.3, 1.6]) - pictures.T @ _WEIGHT
        weight = _WEIGHT + pictures @ torch.linalg.solve(pictures.T @ pictures, wanted)
        self.weight = nn.Parameter(scale * weight)
        self.bias = nn.Parameter(torch.zeros(1))
        self.column, self._watch = column, [watch]

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1) if isinstance(images, Tensor) and images.dim() > 1 else None
        if flat is None or flat.shape[1] != SIDE * SIDE:
            shape = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            wrong(
                f"D was called with {shape}, where images (N, 1, 28, 28) were expected. Which "
                "value is handed to D there?"
            )
        logits = _Tap.apply(flat[:, TOP * SIDE :] @ self.weight + self.bias)
        self._watch[0].saw(flat, logits, self.training)
        return logits[:, None] if self.column else logits


def fake_content(picture: Tensor, n: int) -> Tensor:
    """The content of n fakes: rows of alternating strength, so that not all logits are alike."""
    strength = 1 - 0.5 * (torch.arange(n, device=picture.device) % 2)
    return strength[:, None] * torch.tanh(picture)


def real_images(n: int, varied: bool = False) -> Tensor:
    """n real probe images (n, 1, 28, 28) in [-1, 1]; `varied`: of several strengths and signs."""
    strength = torch.tensor([1.0, 0.5, -0.4, 0.8]) if varied else torch.ones(1)
    content = _REAL * strength.repeat(n)[:n, None]
    bits = torch.arange(n)[:, None] >> torch.arange(10) & 1
    marks = torch.zeros(n, TOP * SIDE)
    marks[:, 0], marks[:, 1] = 1, -1
    marks[:, SIDE : SIDE + 10] = 2.0 * bits - 1
    return torch.cat([marks, content], 1).view(-1, 1, SIDE, SIDE)


def probe_dataset(n: int = 300) -> ImageDataset:
    """A data set of real probe images, all of one content, each marked with its index."""
    images = ((real_images(n) + 1) * 127.5).round().to(torch.uint8)
    labels = torch.arange(n) % 10
    return ImageDataset(images, labels, tuple("0123456789"), "probe images", "train")


@dataclass
class Step:
    """One optimiser step, as the watch saw it. Gradients are flat; None where there was none."""

    networks: frozenset[str]  # whose parameters the optimiser holds: {"G"}, {"D"}, both, neither
    optimizer: object
    weights: dict[str, Tensor]  # before the step
    earlier: dict[str, Tensor]  # before the step that came before it
    grad: dict[str, Tensor | None] = field(default_factory=dict)  # what the optimiser used
    fresh: dict[str, Tensor | None] = field(default_factory=dict)  # from backward since last step
    stale: dict[str, Tensor | None] = field(default_factory=dict)  # from before, since own step
    previous: dict[str, Tensor | None] = field(default_factory=dict)  # used at own last step
    real_seen: list[Tensor] = field(default_factory=list)  # flat images, from calls with gradient
    fakes_seen: int = 0
    training: bool = True
    kept_graph: bool = False


class Watch:
    """Two probe networks and a record of every optimiser step taken while it is on."""

    def __init__(self, column: bool = False, scale: float = 1.0, real: Tensor | None = None):
        device = probe_device()
        self.z: list[Tensor] = []
        self.G = ProbeGenerator(self).to(device)
        self.D = ProbeDiscriminator(self, column, scale).to(device)
        self.real = (real_images(1) if real is None else real).to(device).flatten(1)
        self.steps: list[Step] = []
        self.history: list[Step] = []  # steps of earlier calls, see `keep`
        self.saw_anything = False
        self.start = {name: _flat(list(net.parameters())) for name, net in self.networks.items()}
        self._deposits: dict[str, list[tuple[int, Tensor]]] = {"G": [], "D": []}
        self._calls: list[tuple] = []
        self._epoch = 0  # number of steps so far, those of others included

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {"G": self.G, "D": self.D}

    def begin(self) -> None:
        """Before a further call of the reader's code: a clean record of steps."""
        self.steps = []
        self.start = {name: _flat(list(net.parameters())) for name, net in self.networks.items()}
        self.next_epoch()

    def keep(self, step: Step) -> None:
        """Remember a step of an earlier call, whose gradient a later one may still contain."""
        self.history.append(step)

    def saw(self, flat: Tensor, logits: Tensor, training: bool) -> None:
        self.saw_anything = True
        if logits.requires_grad:
            self._calls.append((flat.detach(), logits.grad_fn, training))

    @contextlib.contextmanager
    def on(self) -> Iterator[Watch]:
        handles = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        for name, network in self.networks.items():
            for i, parameter in enumerate(network.parameters()):
                handles.append(parameter.register_hook(self._deposit(name, i)))
        try:
            yield self
        finally:
            for handle in handles:
                handle.remove()

    def next_epoch(self) -> None:
        """Whatever was deposited so far belongs to an earlier step than what follows."""
        self._epoch += 1
        self._calls.clear()

    def _deposit(self, name: str, index: int) -> Callable[[Tensor], None]:
        def hook(gradient: Tensor) -> None:
            shapes = [p.shape for p in self.networks[name].parameters()]
            parts = [torch.zeros(shape, device=gradient.device) for shape in shapes]
            parts[index] = gradient.detach().clone()
            self._deposits[name].append((self._epoch, _flat(parts)))

        return hook

    def _before_step(self, optimizer, _args, _kwargs) -> None:
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        mine = {
            name: net
            for name, net in self.networks.items()
            if held & {id(p) for p in net.parameters()}
        }
        weights = {name: _flat(list(net.parameters())) for name, net in self.networks.items()}
        earlier = self.steps[-1].weights if self.steps else weights
        self.steps.append(Step(frozenset(mine), optimizer, weights, earlier))

    def _after_step(self, _optimizer, _args, _kwargs) -> None:
        step = self.steps[-1]
        for name, network in self.networks.items():
            own = [s for s in self.history + self.steps[:-1] if name in s.networks]
            step.previous[name] = own[-1].grad[name] if own else None
            step.grad[name] = _gradient(network)
            deposits = self._deposits[name]
            step.fresh[name] = _sum([g for epoch, g in deposits if epoch == self._epoch])
            step.stale[name] = _sum([g for epoch, g in deposits if epoch < self._epoch])
            if name in step.networks:
                deposits.clear()
        for flat, node, training in self._calls:
            real = flat[:, 0] > 0
            step.real_seen.append(flat[real])
            step.fakes_seen += int((~real).sum())
            step.training &= training
            step.kept_graph |= _kept(node)
        self.next_epoch()

    # what a step should have used, and what known mistakes would have used

    def logits(self, step: Step, opponent: str = "") -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Real and fake logits at the weights before the step, and those weights of D and G.

        `opponent`: the network to be taken as it was one step earlier.
        """
        weights = {n: (step.earlier if n == opponent else step.weights)[n] for n in "DG"}
        d, g = (weights[name].clone().requires_grad_() for name in "DG")
        n = step.fakes_seen or (len(self.z[-1]) if self.z else 2)
        seen = self.real if len(self.real) > 1 else self.real.expand(n, -1)
        real = seen[:, TOP * SIDE :] @ d[:-1] + d[-1]
        fake = fake_content(g, n) @ d[:-1] + d[-1]
        return real, fake, d, g

    def d_gradient(self, step: Step, loss: Callable, opponent: str = "") -> Tensor:
        real, fake, d, _ = self.logits(step, opponent)
        return torch.autograd.grad(loss(real, fake), d)[0]

    def g_gradient(self, step: Step, loss: Callable, opponent: str = "") -> Tensor:
        _, fake, _, g = self.logits(step, opponent)
        return torch.autograd.grad(loss(fake), g)[0]


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([t.detach().flatten() for t in tensors]).clone()


def _sum(tensors: list[Tensor]) -> Tensor | None:
    return torch.stack(tensors).sum(0) if tensors else None


def _gradient(network: nn.Module) -> Tensor | None:
    """The flat gradient a network holds; None if it holds none or nothing but zeros."""
    parameters = list(network.parameters())
    if all(p.grad is None for p in parameters):
        return None
    flat = _flat([torch.zeros_like(p) if p.grad is None else p.grad for p in parameters])
    return flat if flat.any() else None
