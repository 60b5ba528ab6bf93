"""Checks of notebook 02, an MLP GAN on MNIST: its parts. The steps and loops: `nb02_loops`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gan_helpers.losses import smooth_d_loss
from gan_helpers.models import MLPDiscriminator, MLPGenerator
from gan_helpers.plotting import to_display

from . import architecture, pictures
from .compare import ask, need_tensor
from .framework import calling, describe_value, exercise, probe_device, wrong
from .guard import seed_torch
from .logit_losses import Measured, measure, need_right_far_off, need_slopes
from .probes import call_of
from .targets import name_targets, say_targets

LOSS_MISTAKES = """loss-double-sigmoid loss-no-sigmoid loss-log-sigmoid-nan loss-sigmoid-flat
    loss-integer-targets loss-sum-not-mean """


# --- 2.1 and 2.2: the networks -------------------------------------------------------------------


@exercise(
    "2.1",
    "The generator",
    signature="class Generator(latent_dim=64, hidden_dim=256)",
    takes="z (N, latent_dim), standard normal",
    returns="images (N, 1, 28, 28) in [-1, 1]",
    accepts="a class with layers of its own or an nn.Sequential inside, or a function that builds "
    "a network; any depth; BatchNorm in hidden layers",
    mistakes="arch-no-output-activation arch-sigmoid-output arch-relu-output arch-bn-output "
    "arch-no-nonlinearity arch-bn-eps arch-z-shape arch-unregistered hardcoded-size",
    reference=MLPGenerator,
    uses_optimizers=True,
)
def check_generator(make: Callable[..., nn.Module]) -> None:
    for latent_dim, sizes in ((64, {}), (10, {"latent_dim": 10, "hidden_dim": 32})):
        call = call_of("Generator", sizes)
        G = architecture.build(make, call, **sizes)
        for n in (6, 5):  # two batch sizes
            z = torch.randn(n, latent_dim, device=probe_device())
            shown = f"{call}(z) with z of shape {tuple(z.shape)}"
            architecture.assess_outputs(G, z, shown, (n, 1, 28, 28))
    # The rest on the small network alone, which is quicker.
    architecture.assess_network(G, z, shown)
    architecture.need_whole_z(G, latent_dim, call)
    architecture.assess_range(G, latent_dim, shown)
    architecture.need_true_gradient(G, z, call, [*G.parameters()])
    given = torch.randn(4, 64, device=probe_device())
    architecture.need_size_used(make, "Generator", "hidden_dim", given)


@exercise(
    "2.2",
    "The discriminator",
    signature="class Discriminator(hidden_dim=256)",
    takes="images (N, 1, 28, 28) in [-1, 1]",
    returns="logits (N,) or (N, 1): any number, above 0 for 'real'",
    accepts="a class with layers of its own or an nn.Sequential inside, or a function that builds "
    "a network; any depth; dropout",
    mistakes="loss-double-sigmoid arch-bn-output arch-no-nonlinearity arch-bn-eps arch-64-on-32 "
    "arch-unregistered hardcoded-size",
    reference=MLPDiscriminator,
    uses_optimizers=True,
)
def check_discriminator(make: Callable[..., nn.Module]) -> None:
    images = torch.randn(64, 1, 28, 28, device=probe_device())
    for sizes in ({}, {"hidden_dim": 32}):
        call = call_of("Discriminator", sizes)
        D = architecture.build(make, call, **sizes)
        for n in (64, 5):
            shown = f"{call}(images) with images of shape ({n}, 1, 28, 28)"
            architecture.assess_outputs(D, images[:n], shown, (n,), (n, 1))
    # The rest on the small network alone, which is quicker.
    architecture.assess_network(D, images, call)
    architecture.assess_logits(D, images, call)
    architecture.need_gradient_of_images(D, images, call)
    architecture.need_true_gradient(D, images, call, [*D.parameters()])
    architecture.need_size_used(make, "Discriminator", "hidden_dim", images)


# --- 2.3: the optimisers -------------------------------------------------------------------------


def make_optimizers(G: nn.Module, D: nn.Module) -> tuple[Optimizer, Optimizer]:
    """One Adam for each network: the betas of Radford et al. 2016, a rate that suits an MLP."""
    g_optimizer = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
    return g_optimizer, d_optimizer


@exercise(
    "2.3",
    "Two optimisers",
    signature="make_optimizers(G, D)",
    takes="both networks",
    returns="(optimiser of G, optimiser of D): Adam, learning rate 1e-3, betas (0.5, 0.999)",
    accepts="a tuple or list; parameter groups; fused or foreach Adam",
    mistakes="step-wrong-optimizer step-one-optimizer optim-lr optim-betas",
    reference=make_optimizers,
    uses_optimizers=True,
)
def check_make_optimizers(answer: Callable) -> None:
    mine, theirs = _two_networks(), _two_networks()
    with calling("make_optimizers(G, D)"):
        pair = answer(*mine)
    made = pair if isinstance(pair, tuple | list) else ()
    others = [thing for thing in made if not isinstance(thing, Optimizer)]
    if others or len(made) != 2:
        wrong(f"""`make_optimizers(G, D)` should return two optimisers, G's and then D's, but
            {describe_value(others[0] if others else pair)} came back.""")
    _need_own_parameters(pair, mine)
    for optimizer, name in zip(pair, "GD", strict=True):
        for group in optimizer.param_groups:
            _need_settings(group, f"{name}'s", type(optimizer).__name__)
    # The same steps with the reference must lead to the same weights.
    _few_steps(pair, mine)
    _few_steps(make_optimizers(*theirs), theirs)
    usual = torch.optim.Adam([torch.zeros(1)]).defaults
    own = usual.keys() - {"lr", "betas", "fused", "foreach"}  # what may not differ
    for network, other, optimizer, name in zip(mine, theirs, pair, "GD", strict=True):
        options = [item for group in optimizer.param_groups for item in group.items()]
        options = [f"{key}={value}" for key, value in options if key in own and value != usual[key]]
        said = f" with {', '.join(dict.fromkeys(options))}" if options else ""
        pairs = zip(network.parameters(), other.parameters(), strict=True)
        if not all(torch.allclose(*pair, rtol=0, atol=1e-8) for pair in pairs):
            kind = f"{type(optimizer).__name__}{said}"
            wrong(f"""Rate and betas of {name}'s optimiser are right, but it moves the weights
                differently from Adam with otherwise default settings: it is {kind}.""")


def _two_networks() -> list[nn.Module]:
    seed_torch(0)
    networks = [nn.Sequential(nn.Linear(2, 4), nn.Linear(4, n)) for n in (3, 1)]
    for network in networks:
        for p in network.to(probe_device(), torch.float64).parameters():
            p.data *= 30  # so that a decay of the weights shows at once
    return networks


def _need_own_parameters(pair: Sequence, networks: Sequence[nn.Module]) -> None:
    held = [{id(p) for g in o.param_groups for p in g["params"]} for o in pair]
    own = [{id(p) for p in network.parameters()} for network in networks]
    shared = [[len(parameters & mine) for mine in own] for parameters in held]
    if any(map(all, shared)):
        wrong("""step-one-optimizer: One optimiser holds the parameters of both networks, so that
            each loss would also move the opponent. Each network needs an optimiser of its own.""")
    if shared[0][1] and shared[1][0]:
        wrong("""step-wrong-optimizer: Both optimisers are there, but in the first place stands the
            one that moves D: each loss would train the wrong network. G's comes first.""")
    for i, (name, other) in enumerate(("GD", "DG")):
        if shared[i][1 - i]:
            wrong(f"""step-wrong-optimizer: {name}'s optimiser holds the parameters of {other}, so
                that nothing would move {name}.""")
        if held[i] != own[i]:
            wrong(f"""{name}'s optimiser holds {shared[i][i]} of {name}'s {len(own[i])} parameter
                tensors; the others would never change.""")


def _need_settings(group: dict, whose: str, kind: str) -> None:
    lr, betas = float(group["lr"]), group.get("betas")
    if not math.isclose(lr, 1e-3, rel_tol=1e-6):
        usual = """ (the usual one for deep convolutional GANs; the small networks of this notebook
            bear more)""" * math.isclose(lr, 2e-4)
        wrong(f"""optim-lr: {whose} optimiser has learning rate {lr:g}{usual}, {lr / 1e-3:.3g} times
            the one asked for, 1e-3.""")
    if betas is None:
        wrong(f"{whose} optimiser is {kind}, which has no betas; Adam is asked for.")
    betas = tuple(round(float(b), 6) for b in betas)
    if betas != (0.5, 0.999):
        wrong(f"""optim-betas: {whose} betas are {betas} and not (0.5, 0.999). With the default 0.9,
            momentum outlives several moves of the opponent, a known way to mode collapse.""")


_STEP_HINTS = (
    (r"dense gradients", None,
     "SparseAdam takes sparse gradients only, which no layer here has. Adam itself is asked for."),
    (r"in-place operation", None,
     "`differentiable=True` is for steps that are themselves to be differentiated. What is its "
     "default?"),
)  # fmt: skip


def _few_steps(pair: Sequence[Optimizer], networks: Sequence[nn.Module]) -> None:
    """Steps with large and tiny gradients, growing and shrinking: every option has an effect."""
    dice = torch.Generator().manual_seed(1)
    for scale in (1.0, 1e-3, 1e-5, 1.0):
        for name, optimizer, network in zip("gd", pair, networks, strict=True):
            for p in network.parameters():
                sizes = torch.logspace(-6, 0, p.numel()).view(p.shape)
                p.grad = (scale * sizes * torch.randn(p.shape, generator=dice)).to(p)
            with calling(f"{name}_optimizer.step()", _STEP_HINTS):
                optimizer.step()


# --- 2.7: drawing a grid -------------------------------------------------------------------------


@exercise(
    "2.7",
    "Images as one grid",
    signature="to_display(images)",
    takes="images (N, 1, 28, 28) in [-1, 1]; in colour (N, 3, H, W) if you like",
    returns="one grid, uint8, height x width (x 3): -1 is 0 (black), 1 is 255 (white)",
    accepts="a tensor or an array; any number of columns, any order and any padding; grey as "
    "height x width, x 1 or x 3; refusing colour with an exception",
    mistakes="plot-range plot-per-image-scale plot-batch-scale",
    reference=to_display,
)
def check_to_display(answer: Callable) -> None:
    dice = torch.Generator().manual_seed(2)
    # Images of different ranges, without symmetry, all of them using -1 .. 1 together.
    spans = torch.tensor([(-1, 1), (-1, 0), (0, 1), (-0.3, 0.3), (0.2, 0.9), (-0.9, -0.1), (-1, 1)])
    low, high = spans.view(7, 1, 1, 1, 2).unbind(-1)
    images = low + torch.rand(7, 1, 28, 28, generator=dice) * (high - low)
    images[0, 0, 0, :2] = torch.tensor([-1.0, 1.0])
    many = torch.rand(19, 1, 28, 28, generator=dice) * 2 - 1  # more than a row, and no whole ones
    for batch in (images, 0.4 * images[:5], images[:1], images[:6], many):
        call = f"to_display(images) with images of shape {tuple(batch.shape)}"
        pictures.find_images(pictures.as_grid(ask(answer, call, batch), call), batch)
    colour = torch.rand(5, 3, 12, 12, generator=dice) * 2 - 1
    try:
        grid = answer(colour.clone())
    except Exception:  # refusing colour is honest, and enough for this notebook
        return
    picture = pictures.as_grid(grid, "to_display(images) with colour images", colour=True)
    tiles = pictures.levels(colour.permute(0, 2, 3, 1).numpy())
    if not all(pictures.contains(picture, tile) for tile in tiles):
        wrong("""Grey images are right. Colour images come out with other colours or pixels in other
            places: images are (N, 3, H, W), a picture is (H, W, 3).""")


# --- 2.8: smoothed labels ------------------------------------------------------------------------


@exercise(
    "2.8",
    "D's loss with smoothed targets",
    signature="smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0)",
    takes="logits (N,) or (N, 1), real and fake ones possibly of different number; two targets "
    "with 0 <= fake_target < real_target <= 1",
    returns="scalar tensor with a gradient: mean cross-entropy of the real logits against "
    "real_target plus that of the fake logits against fake_target",
    accepts="any way to write the cross-entropy on logits",
    mistakes="loss-half-sum loss-smooth-wrong-way loss-targets-ignored step-only-real "
    "step-only-fake " + LOSS_MISTAKES,
    reference=smooth_d_loss,
)
def check_smooth_d_loss(answer: Callable) -> None:
    real = torch.tensor([-2.0, 0.3, 1.7, 4.0, 2.2, -0.6])
    fake = torch.tensor([1.2, -0.7, 0.4, -3.0])

    def measured(real: Tensor, fake: Tensor, **targets: float) -> Measured:
        call = call_of("smooth_d_loss", targets, "real_logits", "fake_logits")
        logits = {"real": real.to(probe_device()), "fake": fake.to(probe_device())}
        both = (partial(loss, **targets) for loss in (answer, smooth_d_loss))
        found = measure(*both, call, logits)
        need_tensor(found.value, call, (), finite=False)
        if not found.value.requires_grad:
            wrong(f"""`{call}` returns a tensor without a gradient, so that `backward` cannot start
                from it. Is something detached, made a number or computed under `no_grad`?""")
        return found

    problems = [
        (measured(real, fake), 0.9, 0.0),
        (measured(real, fake, real_target=0.8, fake_target=0.1), 0.8, 0.1),
        (measured(-real[:5], 2 * fake, real_target=1.0), 1.0, 0.0),
        (measured(real[:, None], fake[:, None]), 0.9, 0.0),
        (measured(0.5 * real, -fake, fake_target=0.3), 0.9, 0.3),
    ]
    elsewhere = [_solved(found) for found, *_ in problems]
    for found, *targets in (*problems, (measured(real[:1], fake[:1]), 0.9, 0.0)):
        _assess_smooth(found, dict(zip(found.sides, targets, strict=True)), elsewhere)
    need_right_far_off(measured(torch.tensor([-300.0, 400.0]), torch.tensor([350.0, -300.0])))


def _solved(found: Measured) -> list[float] | None:
    """The targets of both sides, if it is a cross-entropy of the right weights."""
    fits = [side.fit for side in found.sides.values()]
    known = all(f and f.form == "cross-entropy" and abs(f.weight - 1) < 5e-3 for f in fits)
    return [f.target for f in fits] if known else None


def _assess_smooth(found: Measured, asked: dict[str, float], elsewhere: list) -> None:
    """Reject a wrong value or slope, by the targets and weights that the slopes speak of.

    elsewhere: what `_solved` gives for each problem.
    """
    if not torch.isfinite(found.value):
        wrong(f"loss-log-sigmoid-nan: At ordinary logits `{found.call}` returns {found.value}.")
    if found.value_fits():
        need_slopes(found)
        return
    if not found.wrong_slopes():
        wrong(f"""The slopes of `{found.call}` are right, but not its value: {found.off}. Which
            constant is added or lost?""")
    for kind, left in (("real", "fake"), ("fake", "real")):
        side = found.sides[kind]
        size, idle = side.logits.abs(), side.slopes == 0
        if idle.all():
            wrong(f"step-only-{left}: The {kind} term is missing: {kind} logits change nothing.")
        if idle.any() and size[idle].min() > size[~idle].max():
            wrong(f"""`{found.call}`: {found.off}. The {kind} logits of size {size[idle].min():.3g}
                and more have no influence on it. What is cut off there?""")
    name_targets(found.sides, asked, exchanged=False)
    if solved := _solved(found):
        _name_smooth_targets(solved, asked, elsewhere)
    said = say_targets(found.sides, asked, {"real": "real logits", "fake": "fake logits"})
    wrong(f"""`{found.call}`: {found.off}. Solved for how each logit counts in it:
        {said or "each as it should"}.""")


def _name_smooth_targets(solved: list[float], asked: dict[str, float], elsewhere: list) -> None:
    def same(x: float, y: float) -> bool:
        return abs(x - y) < 2e-3

    if same(solved[0], asked["fake"]) and same(solved[1], asked["real"]):
        wrong("""loss-smooth-wrong-way: Both terms are there, but real logits are compared with the
            fake target and fake logits with the real one. Which target belongs to which batch?""")
    for i, kind in enumerate(asked):
        if None not in elsewhere and all(same(targets[i], solved[i]) for targets in elsewhere):
            target = round(solved[i], 3) + 0.0  # not -0
            wrong(f"""loss-targets-ignored: The {kind} target is {target:g} whatever is asked for:
                the argument `{kind}_target` changes nothing. Where should it enter?""")
    if solved[0] > 1.001:
        wrong(f"""loss-smooth-wrong-way: The real target is {solved[0]:.3g}, above 1: smoothing asks
            D to be *less* sure, which means a target a little below 1.""")
    if same(solved[0], 1 - asked["real"]):
        wrong("""loss-smooth-wrong-way: The real logits are compared with 1 minus their target, so
            that D learns to call real images fake. Which way does smoothing move a target?""")
