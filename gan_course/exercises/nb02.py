"""Exercises of notebook 02, an MLP GAN on MNIST: references, checks, named mistakes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_helpers.datasets import ImageDataset
from gan_helpers.losses import smooth_d_loss
from gan_helpers.models import MLPDiscriminator, MLPGenerator
from gan_helpers.plotting import to_display

from .architecture import (
    assess_network,
    assess_outputs,
    build,
    need_gradient_of_images,
    need_size_used,
    need_true_gradient,
    need_whole_z,
)
from .compare import close, need_number, need_tensor, off_by
from .explain import explain_exception
from .framework import (
    Raised,
    Rejected,
    calling,
    describe_value,
    exercise,
    in_use,
    need,
    probe_device,
    wrong,
)
from .guard import seed_torch
from .loops import (
    assess_far_off_loop,
    assess_loop,
    need_good_noise,
    need_order,
    need_same_loss,
    need_undisturbed,
    need_whole_data,
    one_step,
)
from .pictures import as_grid, contains, find_images, levels
from .ranges import assess_logits, assess_range
from .steps import LATENT, Watch
from .targets import Group, fit, name_targets, say_targets
from .verdicts import assess_step

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
    for latent_dim, arguments in ((64, {}), (10, {"latent_dim": 10, "hidden_dim": 32})):
        call = f"Generator({', '.join(f'{name}={value}' for name, value in arguments.items())})"
        G = build(make, call, **arguments)
        for n in (6, 5):  # two batch sizes
            z = torch.randn(n, latent_dim, device=probe_device())
            shown = f"{call}(z) with z of shape {tuple(z.shape)}"
            assess_outputs(G, z, shown, (n, 1, 28, 28))
    # The rest on the small network alone, which is quicker.
    assess_network(G, z, shown)
    need_whole_z(G, latent_dim, call)
    assess_range(G, latent_dim, shown)
    need_true_gradient(G, z, call)
    need_size_used(make, "Generator", "hidden_dim", torch.randn(4, 64, device=probe_device()))


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
    for arguments in ({}, {"hidden_dim": 32}):
        call = f"Discriminator({', '.join(f'{name}={value}' for name, value in arguments.items())})"
        D = build(make, call, **arguments)
        for n in (64, 5):
            images = torch.randn(n, 1, 28, 28, device=probe_device())
            shown = f"{call}(images) with images of shape {tuple(images.shape)}"
            assess_outputs(D, images, shown, (n,), (n, 1))
    # The rest on the small network alone, which is quicker.
    images = torch.randn(64, 1, 28, 28, device=probe_device())
    assess_network(D, images, call)
    assess_logits(D, images, call)
    need_gradient_of_images(D, images, call)
    need_true_gradient(D, images, call)
    need_size_used(make, "Discriminator", "hidden_dim", images)


# --- 2.3: the optimisers -------------------------------------------------------------------------


def make_optimizers(
    G: nn.Module, D: nn.Module
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
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
    def networks() -> list[nn.Module]:
        seed_torch(0)
        parts = [nn.Sequential(nn.Linear(2, 4), nn.Linear(4, n)) for n in (3, 1)]
        for p in [*parts[0].parameters(), *parts[1].parameters()]:
            p.data *= 30  # so that a decay of the weights shows at once
        return [part.to(probe_device(), torch.float64) for part in parts]

    G, D = networks()
    with calling("make_optimizers(G, D)"):
        pair = answer(G, D)
    if not (isinstance(pair, tuple | list) and len(pair) == 2):
        wrong(f"""`make_optimizers(G, D)` should return two optimisers, G's and then D's, but
            {describe_value(pair)} came back.""")
    for optimizer in pair:
        if not isinstance(optimizer, torch.optim.Optimizer):
            wrong(f"""`make_optimizers(G, D)` returned {describe_value(optimizer)} where an
                optimiser was expected.""")
    _need_own_parameters(pair, (G, D))
    for optimizer, name in zip(pair, "GD", strict=True):
        _need_settings(optimizer, name)
    # The same steps with the reference must lead to the same weights.
    others = networks()
    _few_steps(pair, (G, D))
    _few_steps(make_optimizers(*others), others)
    usual = torch.optim.Adam([torch.zeros(1)]).defaults
    for mine, theirs, optimizer, name in zip((G, D), others, pair, "GD", strict=True):
        pairs = zip(mine.parameters(), theirs.parameters(), strict=True)
        options = {
            f"{key}={value}": None
            for group in optimizer.param_groups
            for key, value in group.items()
            if key in usual.keys() - {"lr", "betas", "fused", "foreach"} and value != usual[key]
        }
        need(
            all(torch.allclose(*pair, rtol=0, atol=1e-8) for pair in pairs),
            f"Learning rate and betas of {name}'s optimiser are right, but it moves the weights "
            "differently from Adam with otherwise default settings: it is "
            f"{type(optimizer).__name__}" + (f" with {', '.join(options)}." if options else "."),
        )


def _need_own_parameters(
    pair: Sequence[torch.optim.Optimizer], networks: Sequence[nn.Module]
) -> None:
    held = [{id(p) for g in o.param_groups for p in g["params"]} for o in pair]
    own = [{id(p) for p in network.parameters()} for network in networks]
    if any(parameters & own[0] and parameters & own[1] for parameters in held):
        wrong("""step-one-optimizer: One optimiser holds the parameters of both networks, so that
            each loss would also move the opponent. Each network needs an optimiser of its own.""")
    if held[0] & own[1] or held[1] & own[0]:
        wrong("""step-wrong-optimizer: Both optimisers are there, but in the first place stands one
            that moves D, or in the second one that moves G: each loss would train the wrong
            network. G's comes first.""")
    for parameters, mine, name in zip(held, own, "GD", strict=True):
        if parameters != mine:
            wrong(f"""{name}'s optimiser holds {len(parameters & mine)} of {name}'s {len(mine)}
                parameter tensors; the others would never change.""")


def _need_settings(optimizer: torch.optim.Optimizer, name: str) -> None:
    for group in optimizer.param_groups:
        lr, betas = float(group["lr"]), group.get("betas")
        if math.isclose(lr, 2e-4, rel_tol=1e-6):
            wrong(f"""optim-lr: {name}'s optimiser has learning rate 2e-4, the usual one for deep
                convolutional GANs. The small networks of this notebook bear more: 1e-3 is asked
                for.""")
        if not math.isclose(lr, 1e-3, rel_tol=1e-6):
            wrong(f"""optim-lr: {name}'s optimiser has learning rate {lr:g} ({lr / 1e-3:.3g} times
                the one asked for, 1e-3).""")
        if betas is None:
            wrong(f"""{name}'s optimiser is {type(optimizer).__name__}, which has no betas; Adam is
                asked for.""")
        betas = tuple(round(float(b), 6) for b in betas)
        if betas != (0.5, 0.999):
            wrong(f"""optim-betas: {name}'s learning rate is right, but its betas are {betas}
                instead of (0.5, 0.999). With the default of 0.9 the momentum outlives several moves
                of the opponent, a known way to mode collapse.""")


def _few_steps(pair: Sequence[torch.optim.Optimizer], networks: Sequence[nn.Module]) -> None:
    """Steps with large and tiny gradients, growing and shrinking: every option has an effect."""
    dice = torch.Generator().manual_seed(1)
    for scale in (1.0, 1e-3, 1e-5, 1.0):
        for optimizer, network in zip(pair, networks, strict=True):
            for p in network.parameters():
                sizes = torch.logspace(-6, 0, p.numel()).view(p.shape)
                p.grad = (scale * sizes * torch.randn(p.shape, generator=dice)).to(p)
            optimizer.step()


# --- 2.4 and 2.5: one step of the game -----------------------------------------------------------


def d_step(
    G: nn.Module, D: nn.Module, d_optimizer: torch.optim.Optimizer, real: Tensor, latent_dim: int
) -> float:
    """Update D once, on a real batch and as many fakes; returns the loss before the update."""
    z = torch.randn(len(real), latent_dim, device=real.device)
    fake = G(z).detach()
    d_optimizer.zero_grad()
    loss = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
    loss.backward()
    d_optimizer.step()
    return loss.item()


def g_step(
    G: nn.Module,
    D: nn.Module,
    g_optimizer: torch.optim.Optimizer,
    batch_size: int,
    latent_dim: int,
) -> float:
    """Update G once, toward fakes that D calls real; returns the loss before the update."""
    z = torch.randn(batch_size, latent_dim, device=next(G.parameters()).device)
    g_optimizer.zero_grad()
    loss = F.softplus(-D(G(z))).mean()
    loss.backward()
    g_optimizer.step()
    return loss.item()


_LOSS_MISTAKES = (
    "loss-double-sigmoid loss-no-sigmoid loss-log-sigmoid-nan loss-sigmoid-flat "
    "loss-integer-targets loss-sum-not-mean"
)
_STEP_MISTAKES = (
    "step-no-zero-grad step-retain-graph step-same-noise step-globals hardcoded-size "
    + _LOSS_MISTAKES
)
_D_MISTAKES = (
    "step-no-detach step-g-grad-left-in-d step-swapped-labels step-only-real step-only-fake "
    "loss-half-sum " + _STEP_MISTAKES
)
_G_MISTAKES = (
    "step-detach-in-g step-g-targets-fake loss-saturating loss-nonsaturating-sign " + _STEP_MISTAKES
)


def _in_words(column: bool) -> str:
    return "(N, 1)" if column else "(N,)"


def _shape_in_session() -> bool | None:
    """Whether the D of this notebook returns (N, 1); None if exercise 2.2 was not checked yet."""
    make = in_use("2.2")
    if make is None:
        return None
    return make().to(probe_device())(torch.zeros(2, 1, 28, 28, device=probe_device())).dim() == 2


def _with_both_shapes(assess: Callable[[bool], None]) -> None:
    """D may return (N,) or (N, 1): a step must do for both. What fails for one alone is named.

    If exercise 2.2 was checked in this session, D's shape in this notebook is known and counts.
    """
    failed: dict[bool, Exception] = {}
    known = _shape_in_session()
    for column in (False, True) if known is None else ():
        try:
            assess(column)
        except (Raised, Rejected) as finding:
            failed[column] = finding
    if len(failed) == 1:
        ((column, finding),) = failed.items()
        said = finding.message if isinstance(finding, Rejected) else explain_exception(
            finding.call, finding.error
        )[1]  # fmt: skip
        wrong(f"""With a D that returns logits of shape {_in_words(not column)} this is right, but D
            may return {_in_words(column)} as well, and then: {said}""")
    if known is not None:
        assess(known)
    elif failed:
        # A complaint about shapes says less than whatever the other shape brought to light.
        first, second = failed[False], failed[True]
        shape = isinstance(first, Raised) and "arget size" in str(first.error)
        raise second if shape else first


def _with_either_shape(assess: Callable[[bool], None]) -> None:
    """Assess with D returning (N,) and, if that fails, (N, 1): one of the two must do.

    If exercise 2.2 was checked in this session, D's shape in this notebook is known and counts.
    """
    known = _shape_in_session()
    if known is not None:
        assess(known)
        return
    try:
        assess(False)
    except Raised as first:
        try:
            assess(True)
        except (Raised, Rejected) as second:
            raise second if "arget size" in str(first.error) else first  # noqa: B904


@exercise(
    "2.4",
    "The discriminator's half",
    signature="d_step(G, D, d_optimizer, real, latent_dim)",
    takes="both networks, D's optimiser, real images (N, 1, 28, 28) in [-1, 1], the size of z; "
    "draws N times standard normal noise itself; D may hold gradients that G's step left",
    returns="the loss before the update, as a float: the mean real term plus the mean fake term",
    accepts="D may return (N,) or (N, 1); both must do until 2.2 says which is yours; fakes "
    "detached or made under no_grad; two calls of D or one; any way to write the loss on logits",
    mistakes=_D_MISTAKES,
    reference=d_step,
    uses_optimizers=True,
)
def check_d_step(answer: Callable) -> None:
    call = f"d_step(G, D, d_optimizer, real, latent_dim={LATENT})"
    _with_both_shapes(lambda column: _assess_half(answer, "D", call, column))


def _assess_half(answer: Callable, name: str, call: str, column: bool) -> None:
    """Several calls of d_step or g_step, of two sizes; then one where D is sure of itself."""

    def begin(scale: float) -> tuple[Watch, torch.optim.Optimizer]:
        watch = Watch(column, scale)
        rate = {"D": 5e-3, "G": 0.2}[name]
        return watch, torch.optim.SGD(watch.networks[name].parameters(), lr=rate)

    watch, optimizer = begin(1.0)
    for turn, n in enumerate((48, 37, 48)):
        watch.held_from_g = name == "D" and turn == 2
        if watch.held_from_g:
            _leave_g_gradient(watch)
        own, shown = range(100 * turn, 100 * turn + n), call.replace("=N", f"={n}")
        step, reported = _one_call(answer, watch, name, optimizer, shown, own)
        wanted = assess_step(watch, step, name, rows=n, real=own if name == "D" else None)
        need_same_loss(watch, need_number(reported, shown), wanted, step, shown)
        need_undisturbed(watch, shown, name)
    need_good_noise(watch)
    watch, optimizer = begin(300.0)
    shown = f"{call.replace('=N', '=48')} at large logits"
    step, _ = _one_call(answer, watch, name, optimizer, shown, range(48))
    assess_step(watch, step, name, extreme=True)


def _one_call(answer, watch: Watch, name: str, optimizer, call: str, indices: range) -> tuple:
    """Call d_step or g_step once; what it did, and what it returned."""
    watch.begin()
    settings = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    real = watch.data.take(list(indices)).to(probe_device())
    given = real if name == "D" else len(indices)
    with watch.on(), calling(call):
        reported = answer(watch.G, watch.D, optimizer, given, LATENT)
    step = one_step(watch, name, optimizer, call)
    if not torch.equal(real, watch.data.take(list(indices)).to(probe_device())):
        wrong(f"""`{call}` changes the real images that it is given, so that whoever uses them next
            gets others. Operations whose names end in _ work in place.""")
    if settings != [
        {k: g[k] for k in s} for s, g in zip(settings, optimizer.param_groups, strict=True)
    ]:
        wrong(f"`{call}` changes the settings of the optimiser that it is given.")
    return step, reported


def _leave_g_gradient(watch: Watch) -> None:
    """What an ordinary G step leaves behind: a gradient of G's loss in D (and none in G)."""
    before = len(watch.calls)
    F.softplus(-watch.D(watch.G(torch.randn(64, LATENT, device=probe_device())))).mean().backward()
    watch.G.zero_grad()
    del watch.calls[before:]


@exercise(
    "2.5",
    "The generator's half",
    signature="g_step(G, D, g_optimizer, batch_size, latent_dim)",
    takes="both networks, G's optimiser, how many images to draw, the size of z; draws standard "
    "normal noise itself",
    returns="the loss before the update, as a float: -log D(G(z)), averaged",
    accepts="D may return (N,) or (N, 1); both must do until 2.2 says which is yours; D frozen "
    "meanwhile or not; any way to write the cross-entropy on logits",
    mistakes=_G_MISTAKES,
    reference=g_step,
    uses_optimizers=True,
)
def check_g_step(answer: Callable) -> None:
    call = f"g_step(G, D, g_optimizer, batch_size=N, latent_dim={LATENT})"
    _with_both_shapes(lambda column: _assess_half(answer, "G", call, column))


# --- 2.6: the loop -------------------------------------------------------------------------------


def train_gan(
    G: nn.Module,
    D: nn.Module,
    dataset: ImageDataset,
    steps: int,
    latent_dim: int,
    d_steps: int = 1,
    optimizers: Sequence[torch.optim.Optimizer] | None = None,
) -> dict[str, list[float]]:
    """`steps` times: `d_steps` steps of D, each on a fresh batch, then one step of G.

    Called again with the same `optimizers` (of G and D), it goes on where it was.
    """
    g_optimizer, d_optimizer = optimizers or make_optimizers(G, D)
    device = next(G.parameters()).device
    history: dict[str, list[float]] = {"d_loss": [], "g_loss": []}
    for _ in range(steps):
        for _ in range(d_steps):
            real = dataset.take(torch.randint(len(dataset), (128,)), device)
            d_loss = d_step(G, D, d_optimizer, real, latent_dim)
        history["d_loss"].append(d_loss)
        history["g_loss"].append(g_step(G, D, g_optimizer, 128, latent_dim))
    return history


_LOOP_MISTAKES = (
    "step-wrong-optimizer step-one-optimizer loop-d-steps-inverted loop-same-batch data-range "
    f"{_D_MISTAKES} {_G_MISTAKES.removesuffix(_STEP_MISTAKES)}"
)


@exercise(
    "2.6",
    "The loop",
    signature="train_gan(G, D, dataset, steps, latent_dim, d_steps=1, optimizers=None)",
    takes="both networks (they are trained in place), an ImageDataset, the number of G steps, the "
    "size of z, the number of D steps before each G step, and optionally the optimisers of G and "
    "D, as made in 2.3, to go on with",
    returns="a dict with lists of floats 'd_loss' and 'g_loss', one value a G step each",
    accepts="any batch size up to 256; steps written out or by functions; 'd_loss' with one value "
    "for each D step; further keys; no argument `optimizers` (a new pair is then made each time)",
    mistakes=_LOOP_MISTAKES,
    reference=train_gan,
    adapt=lambda answer: _with_optimizers(answer),
    uses_optimizers=True,
)
def check_train_gan(answer: Callable) -> None:
    answer = _with_optimizers(answer)
    takes_optimizers = not hasattr(answer, "without_optimizers")

    def assess(column: bool) -> None:
        for steps, options in ((4, {}), (2, {"d_steps": 3}), (2, {"optimizers": None})):
            watch = Watch(column)
            if "optimizers" in options:
                if not takes_optimizers:
                    continue
                pair = [torch.optim.SGD(n.parameters(), lr=1e-3) for n in watch.networks.values()]
                options = {"optimizers": tuple(pair)}
            shown = ", ".join(["G", "D", "dataset", f"steps={steps}", f"latent_dim={LATENT}"])
            shown += ", d_steps=3" if "d_steps" in options else ""
            shown += ", optimizers=(g_optimizer, d_optimizer)" if "optimizers" in options else ""
            call = f"train_gan({shown})"
            with watch.on(), calling(call):
                history = answer(watch.G, watch.D, watch.data, steps, LATENT, **options)
            given = options.get("optimizers")
            assess_loop(watch, history, steps, options.get("d_steps", 1), call, given)
        watch = Watch(column, 300.0)
        with watch.on(), calling("train_gan(...) at large logits"):
            answer(watch.G, watch.D, watch.data, 1, LATENT)
        assess_far_off_loop(watch)
        watch = Watch(column, 1e-3, images=300)  # two batches an epoch, and D knows nothing
        call = f"train_gan(G, D, dataset, steps=5, latent_dim={LATENT}) with 300 images"
        with watch.on(), calling(call):
            answer(watch.G, watch.D, watch.data, 5, LATENT)
        need_order(watch, 5, 1, call)
        need_whole_data(watch)

    _with_either_shape(assess)


def _with_optimizers(answer: Callable) -> Callable:
    """The answer itself, or a loop without the argument `optimizers` in a coat that takes it."""
    try:
        parameters = inspect.signature(answer).parameters
    except (TypeError, ValueError):  # some callables do not tell
        return answer
    kinds = {parameter.kind for parameter in parameters.values()}
    if "optimizers" in parameters or inspect.Parameter.VAR_KEYWORD in kinds:
        return answer

    def loop(G, D, dataset, steps, latent_dim, d_steps=1, optimizers=None):
        return answer(G, D, dataset, steps, latent_dim, d_steps)

    loop.without_optimizers = True
    return loop


# --- 2.7: drawing a grid -------------------------------------------------------------------------


@exercise(
    "2.7",
    "Images as one grid",
    signature="to_display(images)",
    takes="images (N, 1, 28, 28) in [-1, 1]; in colour (N, 3, H, W) if you like",
    returns="one grid, uint8, height x width (x 3): -1 is 0 (black), 1 is 255 (white)",
    accepts="a tensor or an array; any number of columns, any order and any padding; grey as "
    "height x width or x 3; refusing colour with an exception",
    mistakes="plot-range plot-per-image-scale plot-batch-scale",
    reference=to_display,
)
def check_to_display(answer: Callable) -> None:
    images = _grey_images()
    for batch in (images, 0.4 * images[:5], images[:1]):
        call = f"to_display(images) with images of shape {tuple(batch.shape)}"
        given = batch.clone()
        with calling(call):
            grid = answer(given)
        if not torch.equal(given, batch):
            wrong(f"""`{call}` changes the images that it is given; drawing should leave the data
                alone. Operations whose names end in _ work in place.""")
        picture = as_grid(grid, call)
        find_images(picture, batch)
    colour = torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(3)) * 2 - 1
    try:
        grid = answer(colour.clone())
    except Exception:  # refusing colour is honest, and enough for this notebook
        return
    picture = as_grid(grid, "to_display(images) with colour images (5, 3, 12, 12)", colour=True)
    tiles = [levels(image).transpose(1, 2, 0) for image in colour.numpy()]
    if not all(contains(picture, tile) for tile in tiles):
        wrong("""Grey images are right. Colour images come out with other colours or pixels in other
            places: images are (N, 3, H, W), a picture is (H, W, 3). Refusing colour would do
            too.""")


def _grey_images() -> Tensor:
    """Seven images of different ranges, without symmetry, all of them using -1 .. 1 together."""
    dice = torch.Generator().manual_seed(2)
    images = torch.rand(7, 1, 28, 28, generator=dice) * 2 - 1
    spans = torch.tensor([(-1, 1), (-1, 0), (0, 1), (-0.3, 0.3), (0.2, 0.9), (-0.9, -0.1), (-1, 1)])
    low, high = spans[:, 0].view(-1, 1, 1, 1), spans[:, 1].view(-1, 1, 1, 1)
    images = low + (images + 1) / 2 * (high - low)
    images[0, 0, 0, :2] = torch.tensor([-1.0, 1.0])
    return images


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
    "step-only-fake " + _LOSS_MISTAKES,
    reference=smooth_d_loss,
)
def check_smooth_d_loss(answer: Callable) -> None:
    device = probe_device()
    real = torch.tensor([-2.0, 0.3, 1.7, 4.0, 2.2, -0.6], device=device)
    fake = torch.tensor([1.2, -0.7, 0.4, -3.0], device=device)
    problems = [
        (real, fake, {}),
        (real, fake, {"real_target": 0.8, "fake_target": 0.1}),
        (-real[:5], 2 * fake, {"real_target": 1.0}),
        (real[:, None], fake[:, None], {}),
        (0.5 * real, -fake, {"fake_target": 0.3}),
        (real[:1], fake[:1], {}),
    ]
    answers = [_ask_smooth(answer, *problem) for problem in problems]
    for found in answers:
        _assess_smooth(found, answers[:-1])
    far = [torch.tensor(x, device=device) for x in ([-300.0, 400.0], [350.0, -300.0])]
    found = _ask_smooth(answer, *far, {})
    if not all(torch.isfinite(s).all() for s in (found.value, *found.slopes)):
        wrong("""loss-log-sigmoid-nan: At ordinary logits it is right, but at logits of a few
            hundred the loss or its slope is not a finite number: a logarithm or exponential written
            by hand overflows there. Which function computes this from the logit in one go?""")
    if not (close(found.value, found.right) and all(map(close, found.slopes, found.right_slopes))):
        wrong("""loss-sigmoid-flat: At ordinary logits it is right, but at logits of a few hundred
            the loss or its slope is wrong, since the sigmoid has rounded to 0 or 1 before the
            logarithm is taken. Which loss takes the logits themselves?""")


@dataclass
class _Smoothed:
    """What the reader's loss and the right one give for one problem."""

    call: str
    asked: dict[str, float]  # the targets
    value: Tensor
    groups: dict[str, Group]
    right: Tensor
    right_slopes: list[Tensor]

    @property
    def slopes(self) -> list[Tensor]:
        return [group.slopes for group in self.groups.values()]


def _ask_smooth(answer: Callable, real: Tensor, fake: Tensor, options: dict) -> _Smoothed:
    logits = [real.clone().requires_grad_(), fake.clone().requires_grad_()]
    shown = "".join(f", {name}={value}" for name, value in options.items())
    call = f"smooth_d_loss(real_logits, fake_logits{shown})"
    with calling(call):
        got = answer(*logits, **options)
    if not all(torch.equal(a, b) for a, b in zip(logits, (real, fake), strict=True)):
        wrong(f"""`{call}` changes the logits that it is given. Operations whose names end in _ do
            that.""")
    need_tensor(got, call, (), finite=False)
    if not got.requires_grad:
        wrong(f"""`{call}` returns a tensor without a gradient, so that `backward` cannot start from
            it. Is something detached, turned into a number or computed under `no_grad`?""")
    asked = {"real": options.get("real_target", 0.9), "fake": options.get("fake_target", 0.0)}
    right = smooth_d_loss(*logits, *asked.values())
    wanted = [slope.flatten() for slope in torch.autograd.grad(right, logits)]
    slopes = torch.autograd.grad(got, logits, allow_unused=True)
    groups = {
        kind: Group(x.detach().flatten(), (0 * x if slope is None else slope).detach().flatten())
        for kind, x, slope in zip(asked, logits, slopes, strict=True)
    }
    return _Smoothed(call, asked, got.detach(), groups, right.detach(), wanted)


def _assess_smooth(found: _Smoothed, others: Sequence[_Smoothed]) -> None:
    """Reject a wrong value or slope, by the targets and weights that the slopes speak of."""
    off = off_by(found.value.item(), found.right.item())
    if not torch.isfinite(found.value):
        wrong(f"""loss-log-sigmoid-nan: `{found.call}` returns {found.value.item()} at ordinary
            logits.""")
    same_value = close(found.value, found.right, 1e-4)
    if all(map(close, found.slopes, found.right_slopes)):
        if not same_value:
            wrong(f"""The slopes of `{found.call}` are right, but not its value: {off}. Which
                constant is added or lost?""")
        return
    if same_value:
        wrong(f"""`{found.call}` gives the right value, but its gradient does not reach the logits
            as it should. Is one of the two terms detached?""")
    for kind, left in (("real", "fake"), ("fake", "real")):
        need(
            found.groups[kind].slopes.any(),
            f"The {kind} term is missing: the {kind} logits have no influence on the loss.",
            f"step-only-{left}",
        )
    name_targets(found.groups, found.asked, exchanged=False)
    _name_smooth_targets(found, others)
    said = say_targets(found.groups, found.asked, {"real": "real logits", "fake": "fake logits"})
    wrong(f"""`{found.call}`: {off}. Solved for how each logit counts in it:
        {said or "each as it should"}.""")


def _solved(found: _Smoothed) -> list[float] | None:
    """The targets of the real and the fake logits, if it is a cross-entropy of right weights."""
    fits = [fit(group.logits, group.slopes) for group in found.groups.values()]
    known = all(f and f.form == "cross-entropy" and abs(f.weight - 1) < 5e-3 for f in fits)
    return [f.target for f in fits] if known else None


def _name_smooth_targets(found: _Smoothed, others: Sequence[_Smoothed]) -> None:
    solved = _solved(found)
    if solved is None:
        return
    a, b = found.asked.values()

    def same(x: float, y: float) -> bool:
        return abs(x - y) < 2e-3

    way = "loss-smooth-wrong-way"
    need(
        not (same(solved[0], b) and same(solved[1], a)),
        "Both terms are there, but real logits are compared with the fake target and fake logits "
        "with the real one. Which target belongs to which batch?",
        way,
    )
    elsewhere = [_solved(other) for other in others]
    for i, kind in enumerate(found.asked):
        constant = None not in elsewhere and all(same(t[i], solved[i]) for t in elsewhere)
        if constant and len({other.asked[kind] for other in others}) != 1:
            wrong(f"""loss-targets-ignored: The {kind} target is {solved[i]:.3g} whatever is asked
                for: the argument `{kind}_target` changes nothing. Where should it enter?""")
    need(
        solved[0] <= 1.001,
        f"The real target is {solved[0]:.3g}, above 1: smoothing asks D to be *less* sure, which "
        "means a target a little below 1.",
        way,
    )
    need(
        not same(solved[0], 1 - a),
        "The real logits are compared with 1 minus their target, so that D learns to call real "
        "images fake. Which way does smoothing move a target?",
        way,
    )


# --- 2.11: the clinic ----------------------------------------------------------------------------


def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    """Train a GAN and photograph its progress; returns losses and snapshots."""
    device = next(G.parameters()).device
    images = dataset.images.to(device) / 127.5 - 1
    g_optimizer = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
    bce = nn.BCEWithLogitsLoss()
    fixed_noise = torch.randn(16, latent_dim, device=device)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}

    for step in range(steps):
        # The discriminator's half.
        real = images[torch.randint(len(images), (128,), device=device)]
        fake = G(torch.randn(128, latent_dim, device=device)).detach()
        says_real, says_fake = D(real), D(fake)
        d_loss = bce(says_real, torch.ones_like(says_real))
        d_loss = d_loss + bce(says_fake, torch.zeros_like(says_fake))
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()

        # The generator's half.
        says_fake = D(G(torch.randn(128, latent_dim, device=device)))
        g_loss = bce(says_fake, torch.ones_like(says_fake))
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()

        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            with torch.no_grad():
                history["snapshots"].append(G(fixed_noise))
    return history


# The four bugs: mistake -> (right lines, buggy lines). `clinic_source` plants them.
CLINIC_BUGS: dict[str, tuple[str, str]] = {
    "data-range": (
        "images = dataset.images.to(device) / 127.5 - 1",
        "images = dataset.images.to(device) / 255",
    ),
    "loss-double-sigmoid": (
        "says_real, says_fake = D(real), D(fake)",
        "says_real, says_fake = torch.sigmoid(D(real)), torch.sigmoid(D(fake))",
    ),
    "step-no-zero-grad": (
        "        d_optimizer.zero_grad()\n        d_loss.backward()\n",
        "        d_loss.backward()\n",
    ),
    "plot-new-noise": (
        'history["snapshots"].append(G(fixed_noise))',
        'history["snapshots"].append(G(torch.randn(16, latent_dim, device=device)))',
    ),
}


def clinic_source(bugs: Sequence[str] = tuple(CLINIC_BUGS)) -> str:
    """The clinic's script as text with these bugs in it (all four: what the notebook shows)."""
    source = inspect.getsource(clinic)
    for bug in bugs:
        right, buggy = CLINIC_BUGS[bug]
        source = source.replace(right, buggy)
    if "plot-new-noise" in bugs:  # its noise would stand there unused and give the bug away
        source = source.replace(
            "    fixed_noise = torch.randn(16, latent_dim, device=device)\n", ""
        )
    return source


@exercise(
    "2.11",
    "The clinic: a script with four bugs",
    signature="clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100)",
    takes="as train_gan; a snapshot of 16 images is taken at step 0 and every snapshot_every steps",
    returns="a dict with lists 'd_loss', 'g_loss' (floats) and 'snapshots' (images from one noise)",
    accepts="any repair that makes every step right; rewriting it",
    mistakes="plot-new-noise " + _LOOP_MISTAKES,
    reference=clinic,
    uses_optimizers=True,
)
def check_clinic(answer: Callable) -> None:
    def assess(column: bool) -> None:
        call = f"clinic(G, D, dataset, steps=5, latent_dim={LATENT}, snapshot_every=2)"
        watch = Watch(column)
        with watch.on(), calling(call):
            history = answer(watch.G, watch.D, watch.data, 5, latent_dim=LATENT, snapshot_every=2)
        assess_loop(watch, history, 5, 1, call)
        _need_snapshots(watch, history)
        watch = Watch(column, 300.0)
        with watch.on(), calling("clinic(...) at large logits"):
            answer(watch.G, watch.D, watch.data, 1, latent_dim=LATENT, snapshot_every=1)
        assess_far_off_loop(watch)

    try:
        _with_either_shape(assess)
    except Rejected as finding:
        wrong(f"{finding.message} (More may be hidden behind this one.)", finding.mistake)


def _need_snapshots(watch: Watch, history: dict) -> None:
    """One noise for all snapshots, and each of them taken when it should be (5 steps, every 2)."""
    snapshots = history.get("snapshots")
    start = "The training is right, but "
    if not (isinstance(snapshots, Sequence) and len(snapshots)):
        wrong(f"""{start}the history should hold snapshots of the steps 0, 2 and 4 after 5 steps
            with snapshot_every=2, and holds {describe_value(snapshots)}.""")
    drawn = []
    for images in snapshots:
        need_tensor(images, "history['snapshots'][i]", (16, 1, 28, 28))
        drawn.append(watch.noise_of(images))
    if None in drawn:
        wrong(f"""{start}the snapshots are not images as G draws them, in [-1, 1]. What is kept
            there?""")
    if not all(torch.equal(noise, drawn[0][0]) for noise, _ in drawn):
        wrong(f"""plot-new-noise: {start}every snapshot is drawn from new noise, so that the
            pictures show other images rather than the progress of the same ones. When should that
            noise be drawn?""")
    states = watch.states["G"]
    updates = [next(i for i, w in enumerate(states) if torch.equal(w, own)) for _, own in drawn]
    if updates not in ([1, 3, 5], [0, 2, 4]):
        wrong(f"""{start}the {len(updates)} snapshots show G after {", ".join(map(str, updates))} of
            its updates, where those of the steps 0, 2 and 4 were asked for (5 steps,
            snapshot_every=2), which come after 1, 3 and 5 updates. When is each of them taken?""")
