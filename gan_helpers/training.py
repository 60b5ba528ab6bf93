"""The training loop: D step, G step, history; and what a run leaves behind.

The loop is the one of notebook 02 with the conveniences of a long run around it: checks before the
first step, progress, snapshots, checkpoints, callbacks, and a calm way to stop.
"""

from __future__ import annotations

import contextlib
import csv
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from . import checkpoints
from .datasets import ImageDataset
from .losses import Penalty, get_objective
from .settings import pick_device, step_generator

COLUMNS = ("d_loss", "g_loss", "d_real", "d_fake")
FLUSH_EVERY = 50  # steps between looks at the numbers: on a GPU each look waits for the device


class Callback:
    """Something that watches or adjusts a run. A plain function `f(run)` is called after each step.

    `state_dict` and `load_state_dict` (plain values and tensors) make it part of the checkpoint.
    """

    def on_start(self, run: TrainingRun) -> None: ...

    def after_d_step(self, run: TrainingRun) -> None: ...

    def after_step(self, run: TrainingRun) -> None: ...

    def on_end(self, run: TrainingRun) -> None: ...

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None: ...


class _EachStep(Callback):
    def __init__(self, function: Callable[[TrainingRun], None]):
        self.after_step = function


@dataclass
class TrainingRun:
    """What `train` returns, and what callbacks see while it runs.

    history: dict of lists, one value a step: `step`, `d_loss` (of the last D step), `g_loss`,
    `d_real` and `d_fake`: the batch means of D(x) and D(G(z)) as D saw them when it was trained,
    as probabilities for the cross-entropy objectives, else D's raw output.
    snapshots: (step, uint8 images (n, C, H, W)) pairs, drawn from the same noise each time.
    """

    generator: nn.Module
    discriminator: nn.Module
    g_optimizer: torch.optim.Optimizer
    d_optimizer: torch.optim.Optimizer
    objective: str
    dataset_title: str
    seed: int
    latent_dim: int
    num_classes: int | None  # None for an unconditional run
    device: torch.device
    total_steps: int
    d_steps: int
    run_dir: Path | None = None
    step: int = 0
    batches_drawn: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    joint_batches: bool = False  # D sees real and fake images in one call (it judges each alone)
    history: dict[str, list[float]] = field(
        default_factory=lambda: {"step": [], **{name: [] for name in COLUMNS}}
    )
    snapshots: list[tuple[int, Tensor]] = field(default_factory=list)
    checkpoint: dict | None = field(default=None, repr=False)  # the last good state, in memory
    _stopping: bool = field(default=False, repr=False)

    @property
    def steps(self) -> int:
        """Generator steps done so far."""
        return self.step

    def stop(self) -> None:
        """Ask the run to end after the current step (callbacks and other threads may call it)."""
        self._stopping = True

    def __repr__(self) -> str:
        how = ", interrupted" if self.interrupted else ""
        return (
            f"TrainingRun({self.step:,} of {self.total_steps:,} steps on {self.dataset_title}, "
            f"{self.objective}, seed {self.seed}, {self.seconds:.1f} s on {self.device}{how})"
        )


class TrainingDiverged(RuntimeError):
    """A loss or a weight is NaN or infinite. `run` is the run, set back to its last good step."""

    def __init__(self, message: str, run: TrainingRun):
        super().__init__(message)
        self.run = run


def train(
    generator: nn.Module,
    discriminator: nn.Module,
    dataset: ImageDataset,
    *,
    steps: int | None = None,
    epochs: float | None = None,
    objective: str | tuple[Callable, Callable] = "non-saturating",
    d_steps: int = 1,
    lr: float | tuple[float, float] = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
    batch_size: int = 128,
    latent_dim: int | None = None,
    conditional: bool = False,
    penalty: Penalty | None = None,
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
        g_loss(fake_logits)). penalty: f(D, real, fake, labels) -> scalar, added to D's loss.
    d_steps: D steps for each G step, each on a fresh real batch. lr: one rate or (G's, D's).
    seed: batches and noise are functions of (seed, step). The networks' initial weights are yours:
        call `set_seed` before building them.
    run_dir: a folder for checkpoints and history.csv. resume: True continues from the newest
        checkpoint in run_dir (or begins, if there is none), a path from that folder or file, a
        TrainingRun from where it stopped. `steps` is then the total, not what is added.
    snapshots: how many times to draw the same 64 latents. progress: a bar with losses.

    A first interrupt (Ctrl-C, or the square button) ends the run after the current step and returns
    what was learned; a second one raises KeyboardInterrupt.

    Raises ValueError or TypeError before the first step if shapes, ranges or labels do not fit,
    FileExistsError if run_dir holds another run, `checkpoints.CheckpointError` if a resume is not
    possible, and `TrainingDiverged` on NaN, with the last good state put back into the networks.
    """
    device = pick_device(device)
    losses = get_objective(objective)
    lr_g, lr_d = lr if isinstance(lr, tuple | list) else (lr, lr)
    _check_numbers(
        dataset, batch_size=batch_size, d_steps=d_steps, lr_g=lr_g, lr_d=lr_d,
        snapshots=snapshots, checkpoint_every=checkpoint_every,
    )  # fmt: skip
    total = _total_steps(steps, epochs, len(dataset) // batch_size)
    latent_dim = _latent_dim(generator, latent_dim)
    generator.to(device), discriminator.to(device)
    joint = _check_networks(generator, discriminator, dataset, latent_dim, conditional, device)

    run = TrainingRun(
        generator=generator,
        discriminator=discriminator,
        g_optimizer=_adam(generator, lr_g, betas, device),
        d_optimizer=_adam(discriminator, lr_d, betas, device),
        objective=objective if isinstance(objective, str) else "custom",
        dataset_title=dataset.title,
        seed=seed,
        latent_dim=latent_dim,
        num_classes=dataset.num_classes if conditional else None,
        device=device,
        total_steps=total,
        d_steps=d_steps,
        joint_batches=joint,
        run_dir=Path(run_dir) if run_dir is not None else None,
    )
    config = {
        "seed": seed, "batch_size": batch_size, "d_steps": d_steps, "lr": [lr_g, lr_d],
        "betas": list(betas), "latent_dim": latent_dim, "conditional": conditional,
        "objective": run.objective, "penalty": penalty is not None,
        "dataset": f"{dataset.name}, {dataset.split}, {len(dataset)} images",
    }  # fmt: skip
    watchers = [c if isinstance(c, Callback) else _EachStep(c) for c in callbacks]
    if progress:
        watchers.append(_Progress())
    # The run's own global random state (dropout, penalties), so that it depends on the seed alone
    # and leaves the caller's state as it was.
    with torch.random.fork_rng(), _gentle_interrupt(run):
        torch.manual_seed(seed)
        payload = _find_checkpoint(run.run_dir, resume)
        if payload is not None:
            _restore(run, payload, config, watchers)
        _loop(
            run, losses, penalty, dataset, batch_size, watchers, config, snapshots, checkpoint_every
        )
    return run


def _loop(run, losses, penalty, dataset, batch_size, watchers, config, snapshots, checkpoint_every):
    """Everything that happens from the first step to the last."""
    started = time.perf_counter() - run.seconds
    pending: list[Tensor] = []
    moments = {round(i * run.total_steps / snapshots) for i in range(snapshots + 1)}
    if run.step == 0:
        _take_snapshot(run)
    run.generator.train(), run.discriminator.train()
    for watcher in watchers:
        watcher.on_start(run)
    if run.checkpoint is None:
        _keep(run, config, watchers)
    try:
        while run.step < run.total_steps and not run._stopping:
            pending.append(_one_step(run, losses, penalty, dataset, batch_size, watchers))
            run.step += 1
            run.seconds = time.perf_counter() - started
            due = run.step % checkpoint_every == 0 or run.step == run.total_steps
            if len(pending) == FLUSH_EVERY or due or run.step in moments or run._stopping:
                _flush(run, pending)
            if run.step in moments:
                _take_snapshot(run)
            for watcher in watchers:
                watcher.after_step(run)
            if due:
                _keep(run, config, watchers)
        _flush(run, pending)
        if run.checkpoint["step"] != run.step:  # stopped early
            _keep(run, config, watchers)
    finally:
        for watcher in watchers:
            watcher.on_end(run)


def _one_step(run, losses, penalty, dataset, batch_size, watchers) -> Tensor:
    """`d_steps` steps of D and one of G. Returns the step's row of the history, (4,)."""
    G, D = run.generator, run.discriminator

    for k in range(run.d_steps):
        real, labels = _real_batch(run, dataset, batch_size)
        z = _latent(run, batch_size, f"d{k}")
        with torch.no_grad():  # D's loss must not reach G, and needs no graph of it
            fake = _call(G, z, labels)
        real_logits, fake_logits = _judge(run, real, fake, labels)
        d_loss = losses.d_loss(real_logits, fake_logits)
        if penalty is not None:
            d_loss = d_loss + penalty(D, real, fake, labels)
        run.d_optimizer.zero_grad()
        d_loss.backward()
        run.d_optimizer.step()
        for watcher in watchers:
            watcher.after_d_step(run)

    z = _latent(run, batch_size, "g")
    labels = _random_labels(run, dataset, batch_size)
    with _frozen(D):  # G's loss passes through D without computing gradients for D's weights
        g_loss = losses.g_loss(_flat(_call(D, _call(G, z, labels), labels)))
        run.g_optimizer.zero_grad()
        g_loss.backward()
    run.g_optimizer.step()

    with torch.no_grad():
        if run.objective in ("minimax", "non-saturating", "custom"):
            real_logits, fake_logits = real_logits.sigmoid(), fake_logits.sigmoid()
        return torch.stack((d_loss, g_loss, real_logits.mean(), fake_logits.mean()))


def generate(
    source: TrainingRun | nn.Module,
    n: int,
    label: int | Sequence[int] | Tensor | None = None,
    *,
    seed: int = 0,
    latent_dim: int | None = None,
) -> Tensor:
    """Draw `n` images (n, C, H, W), float in [-1, 1], on the CPU.

    source: a TrainingRun or a generator. label: for a conditional generator, one class for all or
    n classes. The generator is used in evaluation mode and left in the mode it was in. The same
    seed gives the same latents on every device.
    """
    generator = source.generator if isinstance(source, TrainingRun) else source
    if isinstance(source, TrainingRun):
        latent_dim = source.latent_dim
        if (label is not None) != (source.num_classes is not None):
            kind = "an unconditional" if source.num_classes is None else "a conditional"
            raise ValueError(f"label={label!r}, but this is {kind} run")
    if n < 1:
        raise ValueError(f"n={n}: at least one image is needed")
    z = torch.randn(
        n, _latent_dim(generator, latent_dim), generator=step_generator(seed, 0, "generate")
    )
    labels = None
    if label is not None:
        labels = torch.as_tensor(label, dtype=torch.int64).expand(n)
    return draw(generator, z, labels)


def draw(generator: nn.Module, z: Tensor, labels: Tensor | None = None) -> Tensor:
    """G(z) or G(z, labels) without gradients, in evaluation mode, in batches; on the CPU."""
    first = next(generator.parameters(), None)
    device = first.device if first is not None else torch.device("cpu")
    with torch.no_grad(), _evaluating(generator):
        parts = []
        for start in range(0, len(z), 256):
            y = None if labels is None else labels[start : start + 256].to(device)
            parts.append(_call(generator, z[start : start + 256].to(device), y).cpu())
    return torch.cat(parts)


# --- one step's ingredients ----------------------------------------------------------------------


def _real_batch(run, dataset, batch_size) -> tuple[Tensor, Tensor | None]:
    indices = dataset.batch_indices(run.batches_drawn, batch_size, run.seed)
    run.batches_drawn += 1
    labels = None if run.num_classes is None else dataset.labels[indices].to(run.device)
    return dataset.take(indices, run.device), labels


def _latent(run, n: int, stream: str) -> Tensor:
    # Drawn on the CPU, so that every device sees the same noise.
    noise = torch.randn(n, run.latent_dim, generator=step_generator(run.seed, run.step, stream))
    return noise.to(run.device, non_blocking=True)


def _random_labels(run, dataset, n: int) -> Tensor | None:
    """Labels for G's step, drawn with the frequencies of the data; None when unconditional."""
    if run.num_classes is None:
        return None
    generator = step_generator(run.seed, run.step, "labels")
    return dataset.labels[torch.randint(len(dataset), (n,), generator=generator)].to(run.device)


def _judge(run, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """D's logits for both batches, (N,) each: in one call where that is the same, else in two."""
    D = run.discriminator
    if not run.joint_batches:
        return _flat(_call(D, real, labels)), _flat(_call(D, fake, labels))
    both = None if labels is None else torch.cat((labels, labels))
    return _flat(_call(D, torch.cat((real, fake)), both)).split(len(real))


def _call(network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    return network(x) if labels is None else network(x, labels)


def _flat(logits: Tensor) -> Tensor:
    return logits.squeeze(1) if logits.dim() == 2 else logits  # (N, 1) is welcome too


@contextlib.contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    trainable = [p for p in network.parameters() if p.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _adam(network: nn.Module, lr: float, betas: tuple[float, float], device: torch.device):
    trainable = [p for p in network.parameters() if p.requires_grad]
    # The fused kernel does the same arithmetic in one pass over the weights.
    return torch.optim.Adam(trainable, lr=lr, betas=betas, fused=device.type in ("cpu", "cuda"))


# --- what a run keeps ----------------------------------------------------------------------------


def _take_snapshot(run: TrainingRun) -> None:
    z = torch.randn(64, run.latent_dim, generator=step_generator(run.seed, 0, "snapshot"))
    labels = None if run.num_classes is None else torch.arange(64) % run.num_classes
    images = draw(run.generator, z, labels)
    run.snapshots.append((run.step, ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)))


def _flush(run: TrainingRun, pending: list[Tensor]) -> None:
    """Move the pending rows into the history; raise if one of them is not finite."""
    if not pending:
        return
    rows = torch.stack(pending).tolist()
    pending.clear()
    first = run.step - len(rows) + 1
    for step, row in enumerate(rows, first):
        if not all(map(math.isfinite, row)):
            _diverged(run, step, dict(zip(COLUMNS, row, strict=True)))
        run.history["step"].append(step)
        for name, value in zip(COLUMNS, row, strict=True):
            run.history[name].append(value)


def _keep(run: TrainingRun, config: dict, watchers: Iterable[Callback]) -> None:
    """Remember the whole state in memory, and in run_dir if there is one."""
    for name, network in (("generator", run.generator), ("discriminator", run.discriminator)):
        if not all(p.isfinite().all() for p in network.parameters()):
            _diverged(run, run.step, {name: math.nan})
    run.checkpoint = checkpoints.clone({
        "step": run.step,
        "batches_drawn": run.batches_drawn,
        "joint_batches": run.joint_batches,
        "seconds": run.seconds,
        "config": config,
        "generator": dict(run.generator.state_dict()),
        "discriminator": dict(run.discriminator.state_dict()),
        "g_optimizer": run.g_optimizer.state_dict(),
        "d_optimizer": run.d_optimizer.state_dict(),
        "callbacks": _callback_states(watchers),
        "random": {
            "cpu": torch.random.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(run.device) if run.device.type == "cuda" else None,
        },
        "history": run.history,
        "snapshots": run.snapshots,
    })  # fmt: skip
    if run.run_dir is not None and run.step > 0:
        checkpoints.save(run.checkpoint, run.run_dir / "checkpoints")
        write_history(run.history, run.run_dir / "history.csv")


def _callback_states(watchers: Iterable[Callback]) -> list[list]:
    """[class name, state] of each callback that has a state."""
    states = [[type(watcher).__name__, watcher.state_dict()] for watcher in watchers]
    return [item for item in states if item[1]]


def write_history(history: dict[str, list[float]], path: str | Path) -> None:
    """Write a history as CSV, one row a step; a reader never sees half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp{os.getpid()}")
    with open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(history)
        writer.writerows(zip(*history.values(), strict=True))
    os.replace(temporary, path)


def _find_checkpoint(run_dir: Path | None, resume) -> dict | None:
    if isinstance(resume, TrainingRun):
        return resume.checkpoint
    if resume is None or resume is False:
        if run_dir is not None and checkpoints.exists(run_dir / "checkpoints"):
            raise FileExistsError(
                f"run_dir={str(run_dir)!r} already holds a run: pass resume=True to continue it, "
                "or another run_dir to begin a new one"
            )
        return None
    if resume is True:
        if run_dir is None:
            raise ValueError("resume=True needs run_dir: the folder that holds the run")
        folder = run_dir / "checkpoints"
        return checkpoints.load_newest(folder) if checkpoints.exists(folder) else None
    path = Path(resume)
    if path.is_dir():
        inner = path / "checkpoints"
        return checkpoints.load_newest(inner if inner.is_dir() else path)
    return checkpoints.load(path)


def _restore(run: TrainingRun, payload: dict, config: dict, watchers: Sequence[Callback]) -> None:
    """Put a checkpoint's state into the run, exactly; refuse one that belongs to another run."""
    saved = payload["config"]
    different = [f"{key} was {saved.get(key)!r} and is now {config[key]!r}"
                 for key in config if saved.get(key) != config[key]]  # fmt: skip
    if different:
        raise checkpoints.CheckpointError(
            "this checkpoint belongs to a run with other settings: "
            + "; ".join(different)
            + ". To "
            "go on from its networks with new settings, train them in a new run without resume"
        )
    parts = {"generator": run.generator, "discriminator": run.discriminator}
    for name, network in parts.items():
        try:
            network.load_state_dict(payload[name])
        except RuntimeError as error:
            raise checkpoints.CheckpointError(
                f"the {name} does not have the layers of the checkpoint: {error}"
            ) from error
    # The optimisers keep what they are given: hand them a copy, or training would change payload.
    run.g_optimizer.load_state_dict(checkpoints.clone(payload["g_optimizer"]))
    run.d_optimizer.load_state_dict(checkpoints.clone(payload["d_optimizer"]))
    saved_names = [name for name, _ in payload["callbacks"]]
    stateful = [watcher for watcher in watchers if watcher.state_dict()]
    if [type(watcher).__name__ for watcher in stateful] != saved_names:
        raise checkpoints.CheckpointError(
            f"the checkpoint holds the state of the callbacks {saved_names}; pass the same ones, "
            "in the same order"
        )
    for watcher, (_, state) in zip(stateful, payload["callbacks"], strict=True):
        watcher.load_state_dict(checkpoints.clone(state))
    torch.random.set_rng_state(payload["random"]["cpu"])
    if run.device.type == "cuda" and payload["random"]["cuda"] is not None:
        torch.cuda.set_rng_state(payload["random"]["cuda"], run.device)
    run.step, run.batches_drawn = payload["step"], payload["batches_drawn"]
    run.seconds, run.joint_batches = payload["seconds"], payload["joint_batches"]
    run.history = {name: list(values) for name, values in payload["history"].items()}
    run.snapshots = [tuple(item) for item in payload["snapshots"]]
    run.checkpoint = payload


def _diverged(run: TrainingRun, step: int, values: dict[str, float]) -> None:
    broken = ", ".join(name for name, value in values.items() if not math.isfinite(value))
    message = f"training diverged: {broken} is not finite at step {step:,}. "
    if run.checkpoint is not None:
        good = run.checkpoint["step"]
        run.generator.load_state_dict(run.checkpoint["generator"])
        run.discriminator.load_state_dict(run.checkpoint["discriminator"])
        run.step = good
        run.history = {name: values[:good] for name, values in run.history.items()}
        message += f"The networks were set back to step {good:,}. "
        if run.run_dir is not None and good > 0:
            message += f"The same state is saved in {run.run_dir / 'checkpoints'}. "
    message += (
        "Likely causes: a learning rate too high, log(sigmoid(x)) written by hand instead of a "
        "loss on logits, or images outside [-1, 1]"
    )
    raise TrainingDiverged(message, run)


@contextlib.contextmanager
def _gentle_interrupt(run: TrainingRun) -> Iterator[None]:
    """Turn the first Ctrl-C into run.stop(). Only the main thread receives signals."""
    main = threading.current_thread() is threading.main_thread()
    previous = signal.getsignal(signal.SIGINT)
    if not main or previous is signal.SIG_IGN:  # a background job was told to ignore interrupts
        yield
        return

    def first_interrupt(_signal: int, _frame: object) -> None:
        run.interrupted = True
        run.stop()
        signal.signal(signal.SIGINT, previous or signal.default_int_handler)

    signal.signal(signal.SIGINT, first_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous or signal.default_int_handler)


class _Progress(Callback):
    """A progress bar with the last values of the history."""

    def on_start(self, run: TrainingRun) -> None:
        from tqdm import tqdm

        self.bar = tqdm(total=run.total_steps, initial=run.step, unit="step", mininterval=0.5)

    def after_step(self, run: TrainingRun) -> None:
        self.bar.update()
        # Only when new rows have arrived: reading a tensor each step would hold up a GPU.
        if run.history["step"] and run.history["step"][-1] == run.step:
            last = {name: run.history[name][-1] for name in COLUMNS}
            self.bar.set_postfix_str(
                f"D loss {last['d_loss']:.2f}, G loss {last['g_loss']:.2f}, "
                f"D(x) {last['d_real']:.2f}, D(G(z)) {last['d_fake']:.2f}",
                refresh=False,
            )

    def on_end(self, run: TrainingRun) -> None:
        self.bar.close()


# --- checks before the first step ----------------------------------------------------------------


def _total_steps(steps: int | None, epochs: float | None, steps_an_epoch: int) -> int:
    if (steps is None) == (epochs is None):
        raise ValueError(f"give either steps or epochs; got steps={steps}, epochs={epochs}")
    total = steps if steps is not None else round(epochs * steps_an_epoch)
    if total < 1:
        raise ValueError(f"steps={steps}, epochs={epochs}: that is less than one step")
    return int(total)


def _check_numbers(dataset: ImageDataset, **numbers: float) -> None:
    if not isinstance(dataset, ImageDataset):
        raise TypeError(
            f"dataset is a {type(dataset).__name__}; expected an ImageDataset. "
            "load_dataset('mnist') makes one, and so does load_dataset(Path('folder/of/images'))"
        )
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{name}={value} must be above 0")
    if numbers["batch_size"] > len(dataset):
        raise ValueError(
            f"batch_size={numbers['batch_size']} is more than the {len(dataset)} images there are"
        )


def _latent_dim(generator: nn.Module, latent_dim: int | None) -> int:
    found = latent_dim if latent_dim is not None else getattr(generator, "latent_dim", None)
    if not isinstance(found, int) or found < 1:
        raise ValueError(
            f"latent_dim={found!r}: the size of z is not known. Pass latent_dim=..., or give the "
            "generator an attribute: self.latent_dim = latent_dim in its __init__"
        )
    return found


def _check_networks(G, D, dataset, latent_dim, conditional, device) -> bool:
    """Run both networks once, on four samples, and say what does not fit.

    Returns whether D judges each image alone, see `_judges_alone`.
    """
    n = min(4, len(dataset))
    labels = dataset.labels[:n].to(device) if conditional else None
    z = torch.randn(n, latent_dim, generator=step_generator(0, 0, "check")).to(device)
    real = dataset.take(torch.arange(n), device)
    with torch.no_grad(), torch.random.fork_rng(), _evaluating(G), _evaluating(D):
        fake = _try("generator", G, z, labels)
        _check_fake(fake, (n, *dataset.image_shape))
        for name, images in (("a real batch", real), ("the generator's output", fake)):
            logits = _try("discriminator", D, images, labels)
            if logits.shape not in ((n,), (n, 1)):
                raise ValueError(
                    f"discriminator({name}) has shape {tuple(logits.shape)}; expected one logit an "
                    f"image, ({n},) or ({n}, 1), for {n} images of shape {tuple(images.shape)}"
                )
        _check_logits(D, real, labels)
    return _judges_alone(D, real, fake, labels)


def _judges_alone(D: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> bool:
    """Whether one call of D on real and fake images gives the logits of two calls.

    Not so with BatchNorm or minibatch layers, which mix the samples of a call, and with whatever
    moves on with each call, as the vectors of spectral norm do. Dropout is put aside.
    """
    state = checkpoints.clone(dict(D.state_dict()))
    modes = [(module, module.training) for module in D.modules()]
    D.train()
    for module, _ in modes:
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng():
            # Settled vectors stand still until the weights move, as they will in training.
            for p in filter(torch.is_floating_point, D.parameters()):
                p.mul_(1 + 0.1 * torch.rand_like(p))
            before = checkpoints.clone(dict(D.state_dict()))
            apart = torch.cat([_call(D, images, labels) for images in (real, fake)])
            both = None if labels is None else torch.cat((labels, labels))
            together = _call(D, torch.cat((real, fake)), both)
        now = checkpoints.clone(dict(D.state_dict()))
        moved = any(not torch.equal(now[key], value) for key, value in before.items())
        alike = together.shape == apart.shape and torch.allclose(together, apart, 1e-4, 1e-5)
        return alike and not moved
    finally:
        D.load_state_dict(state)
        for module, mode in modes:
            module.training = mode


def _try(name: str, network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    given = f"an input of shape {tuple(x.shape)}" + ("" if labels is None else " and labels")
    try:
        return _call(network, x, labels)
    except Exception as error:
        raise ValueError(
            f"the {name} cannot run on {given}: {error}. Does its first layer expect another size, "
            "and does it take labels exactly when conditional=True?"
        ) from error


def _check_fake(fake: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(fake.shape) != expected:
        raise ValueError(
            f"generator(z) has shape {tuple(fake.shape)}, but the data have {expected}. Does "
            "forward end with the right .view(-1, channels, height, width)?"
        )
    low, high = fake.min().item(), fake.max().item()
    if not (low >= -1.001 and high <= 1.001):
        raise ValueError(
            f"generator(z) runs from {low:.2f} to {high:.2f}, the data lie in [-1, 1]: does the "
            "generator end in tanh?"
        )
    if low >= 0 and high > 0:
        raise ValueError(
            f"generator(z) runs from {low:.2f} to {high:.2f}: half of the data's range [-1, 1] is "
            "out of its reach. Does it end in sigmoid or ReLU where tanh is needed?"
        )


def _check_logits(D: nn.Module, real: Tensor, labels: Tensor | None) -> None:
    """Refuse a D that ends in sigmoid: enormous inputs drive logits, but not probabilities, far."""
    try:
        far = torch.cat([_flat(_call(D, scale * real, labels)) for scale in (-1e4, 1e4)])
    except Exception:  # a D that refuses such inputs is its author's business
        return
    if far.min() >= 0 and far.max() <= 1 and far.max() > far.min():
        raise ValueError(
            "discriminator(x) seems to end in a sigmoid: even inputs of size 10,000 give values in "
            "[0, 1]. The losses take logits and apply the sigmoid themselves; leave it out of D"
        )
