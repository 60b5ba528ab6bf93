"""Checks of notebook 02: one step of the game (2.4, 2.5), the loop (2.6) and the clinic (2.11)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import Module
from torch.optim import Optimizer

from gan_helpers.datasets import ImageDataset
from gan_helpers.losses import cross_entropy_d_loss, non_saturating_g_loss

from . import loops
from .compare import need_tensor
from .explain import explain_exception
from .framework import (
    Raised,
    Rejected,
    calling,
    describe_value,
    exercise,
    in_use,
    probe_device,
    wrong,
)
from .nb02 import LOSS_MISTAKES, make_optimizers
from .probes import call_of
from .steps import LATENT, Watch
from .verdicts import assess_step

# --- 2.4 and 2.5: one step of the game -----------------------------------------------------------


def d_step(G: Module, D: Module, d_optimizer: Optimizer, real: Tensor, latent_dim: int) -> float:
    """Update D once, on a real batch and as many fakes; returns the loss before the update."""
    z = torch.randn(len(real), latent_dim, device=real.device)
    fake = G(z).detach()
    d_optimizer.zero_grad()
    loss = cross_entropy_d_loss(D(real), D(fake))
    loss.backward()
    d_optimizer.step()
    return loss.item()


def g_step(G: Module, D: Module, g_optimizer: Optimizer, batch_size: int, latent_dim: int) -> float:
    """Update G once, toward fakes that D calls real; returns the loss before the update."""
    z = torch.randn(batch_size, latent_dim, device=next(G.parameters()).device)
    g_optimizer.zero_grad()
    loss = non_saturating_g_loss(D(G(z)))
    loss.backward()
    g_optimizer.step()
    return loss.item()


_STEP_MISTAKES = f"""step-no-zero-grad step-retain-graph step-same-noise step-globals hardcoded-size
    {LOSS_MISTAKES}"""
_D_MISTAKES = """step-no-detach step-g-grad-left-in-d step-swapped-labels step-only-real
    step-only-fake loss-half-sum """
_G_MISTAKES = "step-detach-in-g step-g-targets-fake loss-saturating loss-nonsaturating-sign "


def _with_shapes(assess: Callable[[bool], None], both: bool) -> None:
    """Assess with D returning (N,) and (N, 1): both must do, or one of them if not `both`.

    If exercise 2.2 was checked in this session, D's shape in this notebook is known and counts.
    """
    if (make := in_use("2.2")) is not None:
        images = torch.zeros(2, 1, 28, 28, device=probe_device())
        assess(make().to(probe_device())(images).dim() == 2)
        return
    found: list[Raised | Rejected | None] = []
    for column in (False, True):
        try:
            assess(column)
            found.append(None)
        except (Raised, Rejected) as finding:
            found.append(finding)
        if not both and not isinstance(found[-1], Raised):
            break  # it does, or what is wrong has nothing to do with shapes
    first, last = found[0], found[-1]
    if first and last:
        # A complaint about shapes says less than whatever the other shape brought to light.
        raise last if isinstance(first, Raised) and "arget size" in str(first.error) else first
    if both and (failed := first or last):
        fits, fails = ("(N, 1)", "(N,)") if first else ("(N,)", "(N, 1)")
        raised = isinstance(failed, Raised)
        said = explain_exception(failed.call, failed.error)[1] if raised else failed.message
        wrong(f"""With a D that returns logits of shape {fits} this is right, but D may return
            {fails} as well, and then: {said}""")


@exercise(
    "2.4",
    "The discriminator's half",
    signature="d_step(G, D, d_optimizer, real, latent_dim)",
    takes="both networks, D's optimiser, real images (N, 1, 28, 28) in [-1, 1], the size of z; "
    "draws N times standard normal noise itself; D may hold gradients that G's step left",
    returns="the loss before the update, as a float: the mean real term plus the mean fake term",
    accepts="D may return (N,) or (N, 1); both must do until 2.2 says which is yours; fakes "
    "detached or made under no_grad; two calls of D or one; any way to write the loss on logits",
    mistakes=_D_MISTAKES + _STEP_MISTAKES,
    reference=d_step,
    uses_optimizers=True,
)
def check_d_step(answer: Callable) -> None:
    call = f"d_step(G, D, d_optimizer, real, latent_dim={LATENT})"
    _with_shapes(lambda column: _assess_half(answer, "D", call, column), both=True)


def _assess_half(answer: Callable, name: str, call: str, column: bool) -> None:
    """Several calls of d_step or g_step, of two sizes; then one where D is sure of itself."""

    def begin(scale: float) -> tuple[Watch, Optimizer]:
        watch = Watch(column, scale)
        rate = {"D": 5e-3, "G": 0.2}[name]
        return watch, torch.optim.SGD(watch.networks[name].parameters(), lr=rate)

    watch, optimizer = begin(1.0)
    for turn, n in enumerate((48, 37, 48)):
        watch.held_from_g = name == "D" and turn == 2
        if watch.held_from_g:
            _leave_g_gradient(watch)
        own, shown = range(100 * turn, 100 * turn + n), call.replace("=N", f"={n}")
        step, reported = loops.one_call(answer, watch, name, optimizer, shown, own)
        loops.assess_call(watch, step, name, reported, shown, own)
    loops.need_good_noise(watch)
    watch, optimizer = begin(300.0)
    shown = f"{call.replace('=N', '=48')} at large logits"
    step, _ = loops.one_call(answer, watch, name, optimizer, shown, range(48))
    assess_step(watch, step, name, extreme=True)


def _leave_g_gradient(watch: Watch) -> None:
    """What an ordinary G step leaves behind: a gradient of G's loss in D (and none in G)."""
    before = len(watch.calls)
    z = torch.randn(64, LATENT, device=probe_device())
    non_saturating_g_loss(watch.D(watch.G(z))).backward()
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
    mistakes=_G_MISTAKES + _STEP_MISTAKES,
    reference=g_step,
    uses_optimizers=True,
)
def check_g_step(answer: Callable) -> None:
    call = f"g_step(G, D, g_optimizer, batch_size=N, latent_dim={LATENT})"
    _with_shapes(lambda column: _assess_half(answer, "G", call, column), both=True)


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


def _takes_optimizers(loop: Callable) -> bool:
    try:
        parameters = inspect.signature(loop).parameters.values()
    except (TypeError, ValueError):  # some callables do not tell
        return True
    return any(p.name == "optimizers" or p.kind is p.VAR_KEYWORD for p in parameters)


def _with_optimizers(answer: Callable) -> Callable:
    """The answer itself, or a loop without the argument `optimizers` in a coat that takes it."""

    def loop(G, D, dataset, steps, latent_dim, d_steps=1, optimizers=None):
        return answer(G, D, dataset, steps, latent_dim, d_steps)

    return answer if _takes_optimizers(answer) else loop


_LOOP_MISTAKES = f"""step-wrong-optimizer step-one-optimizer loop-d-steps-inverted loop-same-batch
    data-range {_D_MISTAKES} {_G_MISTAKES} {_STEP_MISTAKES}"""


@exercise(
    "2.6",
    "The loop",
    signature="train_gan(G, D, dataset, steps, latent_dim, d_steps=1, optimizers=None)",
    takes="both networks (they are trained in place), an ImageDataset, the number of G steps, the "
    "size of z, the number of D steps before each G step, and optionally the optimisers of G and "
    "D, as made in 2.3, to go on with",
    returns="a dict with lists of floats 'd_loss' and 'g_loss', one value a G step each: of the "
    "last of its D steps",
    accepts="any batch size up to 256; steps written out or by functions; 'd_loss' with one value "
    "for each D step; further keys; no argument `optimizers` (a new pair is then made each time)",
    mistakes=_LOOP_MISTAKES,
    reference=train_gan,
    adapt=_with_optimizers,
    uses_optimizers=True,
)
def check_train_gan(answer: Callable) -> None:
    cases: list[tuple[int, dict]] = [(4, {}), (2, {"d_steps": 3})]
    if _takes_optimizers(answer):
        cases.append((2, {"optimizers": "(g_optimizer, d_optimizer)"}))

    def assess(column: bool) -> None:
        for steps, options in cases:
            watch, given = Watch(column), dict(options)
            if "optimizers" in options:
                given["optimizers"] = make_optimizers(watch.G, watch.D)
            sizes = {"steps": steps, "latent_dim": LATENT, **options}
            call = call_of("train_gan", sizes, "G", "D", "dataset")
            with watch.on(), calling(call):
                history = answer(watch.G, watch.D, watch.data, steps, LATENT, **given)
            d_steps = options.get("d_steps", 1)
            pair = given.get("optimizers", ())
            loops.assess_loop(watch, history, steps, d_steps, call, pair)
            if any(group["lr"] != 1e-3 for optimizer in pair for group in optimizer.param_groups):
                wrong(f"`{call}` changes the settings of the optimisers that it is given.")
        loops.assess_other_runs(answer, "train_gan", column)

    _with_shapes(assess, both=False)


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


# The four bugs: mistake -> (right text, buggy text). `clinic_source` plants them.
CLINIC_BUGS: dict[str, tuple[str, str]] = {
    "data-range": ("/ 127.5 - 1", "/ 255"),
    "loss-double-sigmoid": ("D(real), D(fake)", "torch.sigmoid(D(real)), torch.sigmoid(D(fake))"),
    "step-no-zero-grad": ("        d_optimizer.zero_grad()\n", ""),
    "plot-new-noise": ("G(fixed_noise)", "G(torch.randn(16, latent_dim, device=device))"),
}


def clinic_source(bugs: Sequence[str] = tuple(CLINIC_BUGS)) -> str:
    """The clinic's script as text with these bugs in it (all four: what the notebook shows)."""
    source = inspect.getsource(clinic)
    for bug in bugs:
        right, buggy = CLINIC_BUGS[bug]
        source = source.replace(right, buggy)
    if "plot-new-noise" in bugs:  # its noise would stand there unused and give the bug away
        source = re.sub(" *fixed_noise = .*\n", "", source)
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
        loops.assess_loop(watch, history, 5, 1, call)
        _need_snapshots(watch, history)
        loops.assess_other_runs(answer, "clinic", column)

    try:
        _with_shapes(assess, both=False)
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
        wrong(f"{start}the snapshots are not images as G draws them, in [-1, 1]. What is kept?")
    if not all(torch.equal(noise, drawn[0][0]) for noise, _ in drawn):
        wrong(f"""plot-new-noise: {start}every snapshot is drawn from new noise, so that the
            pictures show other images and not the progress of the same ones. When should that noise
            be drawn?""")
    states = watch.states["G"]
    updates = [
        next((i for i, weights in enumerate(states) if torch.equal(weights, own)), None)
        for _, own in drawn
    ]
    if None in updates:
        wrong(f"""{start}a snapshot is drawn by a G with other weights than the trained one ever
            has. Is it a copy of G, or an average over its weights?""")
    again = "When is each of them taken?"
    if len(set(updates)) == 1:
        again = "Are they taken at the end, or is one tensor written over again and again?"
    if updates not in ([1, 3, 5], [0, 2, 4]):
        wrong(f"""{start}the {len(updates)} snapshots show G after {", ".join(map(str, updates))} of
            its updates, where those of the steps 0, 2 and 4 come after 1, 3 and 5 of them (5 steps,
            snapshot_every=2). {again}""")
