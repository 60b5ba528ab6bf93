"""The training loop of notebook 02, for any pair of networks: D's step, G's step, and again.

First the game itself, `d_step`, `g_step` and `one_step`; then the loop around them with all that a
long run needs, and `train`, which checks what it is given and starts the loop. What a run holds and
how it is kept is in `runs`, the checks are in `verify`, what can be added to a run in `callbacks`.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from . import run_folder, runs, verify
from .callbacks import Callback, Grids, Progress
from .datasets import ImageDataset
from .losses import Objective, Penalty, get_objective
from .runs import TrainingRun
from .sampling import call
from .settings import pick_device

FLUSH_EVERY = 50  # steps between looks at the numbers: on a GPU each look waits for the device


def d_step(
    run: TrainingRun, real: Tensor, z: Tensor, labels: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Update D once, on a real batch and as many fakes.

    Returns the loss and the logits (N,) of the real and of the fake images, all before the update.
    """
    G, D = run.generator, run.discriminator
    with torch.no_grad():  # as .detach(): D's loss must not reach G, and needs no graph of it
        fake = call(G, z, labels)
    real_logits, fake_logits = judge(run, real, fake, labels)
    loss = run.losses.d_loss(real_logits, fake_logits)
    if run.penalty is not None:
        loss = loss + run.penalty(D, real, fake, labels)
    run.d_optimizer.zero_grad()
    loss.backward()
    run.d_optimizer.step()
    return loss, real_logits, fake_logits


def g_step(run: TrainingRun, z: Tensor, labels: Tensor | None, real: Tensor | None) -> Tensor:
    """Update G once, toward fakes that D calls real; returns the loss before the update.

    real: a real batch with the same labels, for losses that compare with it (relativistic).
    """
    G, D = run.generator, run.discriminator
    with frozen(D):  # G's loss passes through D without computing gradients for D's weights
        fake = call(G, z, labels)
        if real is None:
            loss = run.losses.g_loss(flat(call(D, fake, labels)))
        else:
            real_logits, fake_logits = judge(run, real, fake, labels)
            loss = run.losses.g_loss(fake_logits, real_logits)
        run.g_optimizer.zero_grad()
        loss.backward()
    run.g_optimizer.step()
    return loss


def one_step(run: TrainingRun) -> Tensor:
    """`d_steps` steps of D, each on a fresh real batch, and one of G: a row of history."""
    for k in range(run.d_steps):
        real, labels = run.real_batch()
        d_loss, real_logits, fake_logits = d_step(run, real, run.noise(f"d{k}"), labels)
        for callback in run.callbacks:
            callback.after_d_step(run)

    real, labels = run.real_batch() if run.losses.g_sees_real else (None, run.random_labels())
    g_loss = g_step(run, run.noise("g"), labels, real)

    with torch.no_grad():
        if run.losses.probabilities:
            real_logits, fake_logits = real_logits.sigmoid(), fake_logits.sigmoid()
        return torch.stack((d_loss, g_loss, real_logits.mean(), fake_logits.mean()))


def loop(run: TrainingRun, snapshots: int, checkpoint_every: int) -> None:
    """Everything that happens from the first step to the last."""
    started = time.perf_counter() - run.seconds
    pending: list[Tensor] = []  # rows that have not been looked at yet
    moments = {round(i * run.total_steps / snapshots) for i in range(snapshots + 1)}
    run.generator.train(), run.discriminator.train()
    for callback in run.callbacks:
        callback.on_start(run)
    if run.checkpoint is not None:  # resumed
        runs.put_callbacks_back(run, run.checkpoint)
    if run.step == 0:
        runs.take_snapshot(run)
    if run.checkpoint is None:
        runs.keep(run)
    try:
        while run.step < run.total_steps and not run.stopping:
            pending.append(one_step(run))
            run.step += 1
            run.seconds = time.perf_counter() - started
            due = run.step % checkpoint_every == 0 or run.step == run.total_steps
            if len(pending) == FLUSH_EVERY or due or run.step in moments or run.stopping:
                runs.record(run, pending)
            for callback in run.callbacks:
                callback.after_step(run)
            if run.step in moments:  # after the callbacks: the average has taken this step, too
                runs.take_snapshot(run)
            if due:
                runs.keep(run)
        runs.record(run, pending)
        if run.checkpoint["step"] != run.step:  # stopped early
            runs.keep(run)
        if run.snapshots[-1][0] != run.step:
            runs.take_snapshot(run)  # not kept: what continues from here has its own moments
    finally:
        for callback in run.callbacks:
            callback.on_end(run)


def judge(run: TrainingRun, real: Tensor, fake: Tensor, labels: Tensor | None) -> Sequence[Tensor]:
    """D's logits for both batches, (N,) each: in one call where that is the same, else in two."""
    D = run.discriminator
    if not run.joint_batches:
        return flat(call(D, real, labels)), flat(call(D, fake, labels))
    both = None if labels is None else torch.cat((labels, labels))
    return flat(call(D, torch.cat((real, fake)), both)).chunk(2)


def flat(logits: Tensor) -> Tensor:
    """(N,), also from a D that returns (N, 1)."""
    return logits.squeeze(1) if logits.dim() == 2 else logits


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Inside the `with`, no gradients are computed for the network's weights."""
    trainable = [p for p in network.parameters() if p.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


def train(
    generator: nn.Module,
    discriminator: nn.Module,
    dataset: ImageDataset,
    *,
    steps: int | None = None,
    epochs: float | None = None,
    objective: str | Objective | tuple[Callable, Callable] = "non-saturating",
    d_steps: int = 1,
    lr: float | tuple[float, float] = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
    batch_size: int = 128,
    latent_dim: int | None = None,
    conditional: bool = False,
    penalty: Callable[..., Tensor] | None = None,
    callbacks: Sequence[Callback | Callable[[TrainingRun], None]] = (),
    seed: int = 0,
    device: str | torch.device | None = None,
    run_dir: str | Path | None = None,
    resume: bool | str | Path | TrainingRun | None = None,
    snapshots: int = 8,
    checkpoint_every: int = 500,
    progress: bool = True,
) -> TrainingRun:
    """Train a generator and a discriminator against each other with Adam; both are changed.

    generator: z (N, latent_dim) -> images (N, C, H, W) in [-1, 1]; with `conditional`, G(z, y).
    discriminator: images -> logits (N,) or (N, 1); with `conditional`, D(x, y). y is int64, (N,).
    steps or epochs: how long, counted in generator steps; an epoch is len(dataset) // batch_size.
    objective: a name from `losses.OBJECTIVES` or a pair (d_loss(real_logits, fake_logits),
        g_loss(fake_logits) or g_loss(fake_logits, real_logits)).
    penalty: f(D, real, fake, labels) -> scalar, added to D's loss, as `losses.r1_penalty()` is.
    d_steps: D steps for each G step, each on a fresh real batch. lr: one rate or (G's, D's).
    callbacks: from `callbacks`, your own, or plain functions f(run), called after each step. They
        may set `run.objective`, `run.penalty` (a copy of yours), `run.lr` and `run.d_steps`.
    seed: batches and noise are functions of (seed, step). The networks' initial weights are yours:
        call `set_seed` before building them.
    run_dir: a folder for checkpoints, sample grids, history.csv and config.json, see `run_folder`.
        resume: True continues from the newest checkpoint in it (or begins, if there is none), a
        path from that folder or file, a TrainingRun from where it stopped. `steps` is then the
        total, not what is added.
    snapshots: how many times to draw the same 64 latents. progress: a bar with losses.

    A first interrupt (Ctrl-C, or the square button) ends the run after the current step and returns
    what was learned; a second one raises KeyboardInterrupt.

    Raises ValueError or TypeError before the first step if shapes, ranges or labels do not fit,
    FileExistsError if run_dir holds another run, `RunFolderError` if it cannot be written or is in
    use, `checkpoints.CheckpointError` if a resume is not possible, and `TrainingDiverged` on NaN,
    with the last good state put back into the networks. A full disk only warns, see `runs.save`.
    """
    verify.check_kinds(generator, discriminator, dataset)
    device, losses = pick_device(device), get_objective(objective)
    batch_size, d_steps, snapshots, checkpoint_every = verify.counts(
        batch_size=batch_size, d_steps=d_steps, snapshots=snapshots,
        checkpoint_every=checkpoint_every,
    )  # fmt: skip
    verify.check_batch(batch_size, dataset, discriminator)
    total = verify.total_steps(steps, epochs, len(dataset) // batch_size)
    rates, betas, hooks = verify.rates(lr), verify.adam_betas(betas), verify.hooks(callbacks)
    generator.to(device), discriminator.to(device)
    latent_dim, joint = verify.check_networks(
        generator, discriminator, dataset, latent_dim, conditional, device, losses, penalty
    )
    if run_dir is not None:
        hooks.append(Grids())
    if progress:
        hooks.append(Progress())
    run = TrainingRun(
        generator, discriminator, _adam(generator, rates[0], betas, device),
        _adam(discriminator, rates[1], betas, device), dataset, losses,
        penalty=replace(penalty) if isinstance(penalty, Penalty) else penalty,
        d_steps=d_steps, batch_size=batch_size, latent_dim=latent_dim,
        num_classes=dataset.num_classes if conditional else None, seed=seed, device=device,
        total_steps=total, joint_batches=joint, callbacks=hooks,
        run_dir=Path(run_dir) if run_dir is not None else None,
    )  # fmt: skip
    run.config = {
        "seed": seed, "batch_size": batch_size, "d_steps": d_steps, "lr": list(rates),
        "betas": list(betas), "latent_dim": latent_dim, "conditional": conditional,
        "objective": run.objective, "penalty": runs.penalty_state(penalty),
        "dataset": f"{dataset.name}, {dataset.split}, {len(dataset)} images",
    }  # fmt: skip
    # The run's own global random state (dropout, penalties), so that it depends on the seed alone
    # and leaves the caller's state as it was.
    with runs.gentle_interrupt(run), torch.random.fork_rng(), run_folder.opened(run.run_dir):
        torch.manual_seed(seed)
        payload = runs.find_checkpoint(run.run_dir, resume)
        if payload is not None:
            runs.restore(run, payload)
        if run.run_dir is not None:
            run_folder.write_json(runs.describe_setup(run), run.run_dir / "config.json")
        loop(run, snapshots, checkpoint_every)
    return run


def _adam(network: nn.Module, lr: float, betas: tuple[float, float], device: torch.device):
    trainable = [p for p in network.parameters() if p.requires_grad]
    # The fused kernel does the same arithmetic in one pass over the weights.
    return torch.optim.Adam(trainable, lr=lr, betas=betas, fused=device.type in ("cpu", "cuda"))
