"""A training run: everything that the loop uses, what it leaves behind, and how it is kept.

The loop in `training` reads the objective, the penalty, the rates and `d_steps` from the run at
every step, so a callback or a widget that sets them there changes the run from its next step on.
"""

import contextlib
import math
import platform
import signal
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from . import checkpoints, run_folder
from .datasets import ImageDataset
from .losses import OBJECTIVES, PENALTIES, Objective, get_objective
from .sampling import draw, save_grid, to_bytes
from .settings import step_generator

COLUMNS = ("d_loss", "g_loss", "d_real", "d_fake")


@dataclass(eq=False)
class TrainingRun:
    """What `train` returns, and what callbacks see while it runs.

    history: dict of lists, one value a step: `step`, `d_loss` (of the last D step), `g_loss`,
    `d_real` and `d_fake`: the batch means of D(x) and D(G(z)) as D saw them when it was trained,
    as probabilities where the objective has them, else D's raw output.
    snapshots: (step, uint8 images (n, C, H, W)) pairs, drawn from the same noise each time.
    averaged: the averaged generator, if the callback `Averaging` keeps one; samples are its then.

    May be set while it runs: `objective`, `penalty`, `lr`, `d_steps`.
    """

    generator: nn.Module
    discriminator: nn.Module
    g_optimizer: torch.optim.Optimizer
    d_optimizer: torch.optim.Optimizer
    dataset: ImageDataset
    losses: Objective
    penalty: object  # f(D, real, fake, labels) -> scalar, or None
    d_steps: int
    batch_size: int
    latent_dim: int
    num_classes: int | None  # None for an unconditional run
    seed: int
    device: torch.device
    total_steps: int
    joint_batches: bool = False  # D sees real and fake images in one call (it judges each alone)
    callbacks: list = field(default_factory=list, repr=False)
    run_dir: Path | None = None
    config: dict = field(default_factory=dict)  # what `train` was called with
    averaged: nn.Module | None = None
    step: int = 0
    batches_drawn: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    history: dict[str, list[float]] = field(
        default_factory=lambda: {"step": [], **{name: [] for name in COLUMNS}}
    )
    snapshots: list[tuple[int, Tensor]] = field(default_factory=list)
    # (last step before it, name, whether D's means are probabilities) of each objective so far
    objectives: list[tuple[int, str, bool]] = field(default_factory=list)
    checkpoint: dict | None = field(default=None, repr=False)  # the last good state, in memory
    unsaved: str | None = None  # why the last attempt to save into run_dir failed, if it did
    stopping: bool = False

    def __post_init__(self) -> None:
        self.objective = self.losses

    @property
    def steps(self) -> int:
        """Generator steps done so far."""
        return self.step

    @property
    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """What learns, by name."""
        names = ("generator", "discriminator", "g_optimizer", "d_optimizer")
        return {name: getattr(self, name) for name in names}

    @property
    def dataset_title(self) -> str:
        """What figures call the data."""
        return self.dataset.title

    @property
    def sampler(self) -> nn.Module:
        """The generator that samples are drawn from: the averaged one where there is one."""
        return self.generator if self.averaged is None else self.averaged

    @property
    def objective(self) -> str:
        """Name of the losses in use; set it to a name, an `Objective` or a pair of functions."""
        return self.losses.name

    @objective.setter
    def objective(self, objective) -> None:
        self.losses = get_objective(objective)
        label = (self.losses.name, self.losses.probabilities)
        kept = [entry for entry in self.objectives if entry[0] < self.step]
        if not kept or kept[-1][1:] != label:
            kept.append((self.step, *label))
        self.objectives = kept

    @property
    def lr(self) -> tuple[float, float]:
        """(G's, D's) learning rate; set it to one rate for both or to a pair."""
        return tuple(adam.param_groups[0]["lr"] for adam in (self.g_optimizer, self.d_optimizer))

    @lr.setter
    def lr(self, rates: float | tuple[float, float]) -> None:
        rates = rates if isinstance(rates, tuple | list) else (rates, rates)
        for adam, rate in zip((self.g_optimizer, self.d_optimizer), rates, strict=True):
            for group in adam.param_groups:
                group["lr"] = rate

    def stop(self) -> None:
        """Ask the run to end after the current step (callbacks and other threads may call it)."""
        self.stopping = True

    def __repr__(self) -> str:
        names = " then ".join(name for _, name, _ in self.objectives)
        notes = ", samples from the averaged generator" if self.averaged is not None else ""
        notes += ", interrupted" if self.interrupted else ""
        text = (
            f"TrainingRun({self.step:,} of {self.total_steps:,} steps on {self.dataset_title}, "
            f"{names}, seed {self.seed}, {self.seconds:.1f} s on {self.device}{notes})"
        )
        return textwrap.fill(text, 105, subsequent_indent="    ", break_on_hyphens=False)

    # ---- a step's ingredients, all functions of the seed and of how far the run is
    def real_batch(self) -> tuple[Tensor, Tensor | None]:
        """The next real images and, in a conditional run, their labels."""
        indices = self.dataset.batch_indices(self.batches_drawn, self.batch_size, self.seed)
        self.batches_drawn += 1
        labels = None if self.num_classes is None else self.dataset.labels[indices].to(self.device)
        return self.dataset.take(indices, self.device), labels

    def noise(self, stream: str) -> Tensor:
        """z (batch_size, latent_dim), fresh for each step and `stream`."""
        # Drawn on the CPU, so that every device sees the same noise.
        generator = step_generator(self.seed, self.step, stream)
        noise = torch.randn(self.batch_size, self.latent_dim, generator=generator)
        return noise.to(self.device, non_blocking=True)

    def random_labels(self) -> Tensor | None:
        """Labels with the frequencies of the data; None in an unconditional run."""
        if self.num_classes is None:
            return None
        generator = step_generator(self.seed, self.step, "labels")
        chosen = torch.randint(len(self.dataset), (self.batch_size,), generator=generator)
        return self.dataset.labels[chosen].to(self.device)


class TrainingDiverged(RuntimeError):
    """A loss or a weight is NaN or infinite. `run` is the run, set back to its last good step."""

    def __init__(self, message: str, run: TrainingRun):
        super().__init__(message)
        self.run = run


# --- history and snapshots -----------------------------------------------------------------------


def take_snapshot(run: TrainingRun) -> None:
    """Draw the run's 64 fixed latents once more."""
    run.snapshots.append((run.step, to_bytes(_draw_64(run, 0, "snapshot"))))


def save_grids(run: TrainingRun) -> None:
    """Write two grids of 64 samples into run_dir/samples: the fixed latents, and new ones."""
    for kind, key in (("fixed", (0, "snapshot")), ("new", (run.step, "new samples"))):
        path = run.run_dir / "samples" / f"step_{run.step:08d}_{kind}.png"
        with _warning_if_full(run, path):
            save_grid(_draw_64(run, *key), path)


def _draw_64(run: TrainingRun, step: int, stream: str) -> Tensor:
    z = torch.randn(64, run.latent_dim, generator=step_generator(run.seed, step, stream))
    labels = None if run.num_classes is None else torch.arange(64) % run.num_classes
    return draw(run.sampler, z, labels)


def record(run: TrainingRun, pending: list[Tensor]) -> None:
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


# --- keeping and restoring -----------------------------------------------------------------------


def keep(run: TrainingRun) -> None:
    """Remember the whole state in memory, and in run_dir if there is one."""
    run.checkpoint = state(run)
    if run.run_dir is not None and run.step > 0:
        save(run)


def save(run: TrainingRun) -> None:
    """Write the state that is kept in memory into run_dir.

    A full disk is no reason to lose a training: it warns, and `run.unsaved` says why. Call it again
    when there is room; until then run_dir holds the state before.
    """
    run.unsaved = None
    with _warning_if_full(run, run.run_dir / "checkpoints"):
        checkpoints.save(run.checkpoint, run.run_dir / "checkpoints")
        run_folder.write_history(run.history, run.run_dir / "history.csv")


def save_best(run: TrainingRun, best: dict) -> None:
    """Write a state as the one checkpoint in run_dir/best."""
    with _warning_if_full(run, run.run_dir / "best"):
        checkpoints.save(best, run.run_dir / "best", keep=1)


@contextlib.contextmanager
def _warning_if_full(run: TrainingRun, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        run.unsaved = (
            f"step {run.step:,} could not be saved in {path}: {error.strerror or error}. What was "
            "saved before is as it was, and the run goes on in memory. Make room: the next "
            "checkpoint is tried again, and after the run gh.runs.save(run) writes its last state"
        )
        warnings.warn(run.unsaved, stacklevel=4)


def state(run: TrainingRun) -> dict:
    """A copy of all that a resume needs; TrainingDiverged if a weight is not finite."""
    for name, network in (("generator", run.generator), ("discriminator", run.discriminator)):
        if not all(p.isfinite().all() for p in network.parameters()):
            _diverged(run, run.step, {name: math.nan})
    return checkpoints.clone({
        "step": run.step,
        "batches_drawn": run.batches_drawn,
        "joint_batches": run.joint_batches,
        "seconds": run.seconds,
        "config": run.config,
        "objectives": run.objectives,
        "penalty": penalty_state(run.penalty),
        "d_steps": run.d_steps,
        **{name: part.state_dict() for name, part in run.parts.items()},
        "callbacks": [[type(c).__name__, c.state_dict()] for c in _with_state(run)],
        "random": {
            "cpu": torch.random.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(run.device) if run.device.type == "cuda" else None,
        },
        "history": run.history,
        "snapshots": run.snapshots,
    })  # fmt: skip


def describe_setup(run: TrainingRun) -> dict:
    """What config.json says: settings, networks and versions, in plain values."""
    return {
        "generator": type(run.generator).__name__,
        "discriminator": type(run.discriminator).__name__,
        "steps": run.total_steps,
        **run.config,
        "callbacks": [type(callback).__name__ for callback in run.callbacks],
        "device": str(run.device),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def find_checkpoint(run_dir: Path | None, resume) -> dict | None:
    """The state that `resume` speaks of; None if the run begins. See `train`."""
    if isinstance(resume, TrainingRun):
        return resume.checkpoint
    begun = run_dir is not None and checkpoints.exists(run_dir / "checkpoints")
    if resume is None or resume is False:
        if begun:
            raise FileExistsError(
                f"run_dir={str(run_dir)!r} already holds a run: pass resume=True to continue it, "
                "or another run_dir to begin a new one"
            )
        return None
    if resume is True:
        if run_dir is None:
            raise ValueError("resume=True needs run_dir: the folder that holds the run")
        return checkpoints.load_newest(run_dir / "checkpoints") if begun else None
    path = Path(resume)
    if path.is_dir():
        inner = path / "checkpoints"
        return checkpoints.load_newest(inner if inner.is_dir() else path)
    return checkpoints.load(path)


def restore(run: TrainingRun, payload: dict) -> None:
    """Put a checkpoint's state into the run, exactly; refuse one that belongs to another run."""
    saved = payload["config"]
    different = [f"{key} was {saved.get(key)!r} and is now {value!r}"
                 for key, value in run.config.items() if saved.get(key) != value]  # fmt: skip
    if different:
        raise checkpoints.CheckpointError(
            f"this checkpoint belongs to a run with other settings: {'; '.join(different)}. To go "
            "on from its networks with new settings, train them in a new run without resume"
        )
    names = [name for name, _ in payload["callbacks"]]
    if [type(callback).__name__ for callback in _with_state(run)] != names:
        raise checkpoints.CheckpointError(
            f"the checkpoint holds the state of the callbacks {names}; pass the same ones, in the "
            "same order"
        )
    _put_networks_back(run, payload)
    _restore_settings(run, payload)
    torch.random.set_rng_state(payload["random"]["cpu"])
    if run.device.type == "cuda" and payload["random"]["cuda"] is not None:
        torch.cuda.set_rng_state(payload["random"]["cuda"], run.device)
    run.seconds, run.joint_batches = payload["seconds"], payload["joint_batches"]
    run.checkpoint = payload


def put_back(run: TrainingRun, payload: dict) -> None:
    """Networks, optimisers, history, snapshots and callbacks as they were at a checkpoint."""
    _put_networks_back(run, payload)
    put_callbacks_back(run, payload)


def put_callbacks_back(run: TrainingRun, payload: dict) -> None:
    """The callbacks' states as they were at a checkpoint; each has been started before."""
    for callback, (_, state) in zip(_with_state(run), payload["callbacks"], strict=True):
        callback.load_state_dict(checkpoints.clone(state))


def _put_networks_back(run: TrainingRun, payload: dict) -> None:
    for name, part in run.parts.items():
        try:  # of a copy: optimisers keep what they are given, and training would change it
            part.load_state_dict(checkpoints.clone(payload[name]))
        except RuntimeError as error:
            raise checkpoints.CheckpointError(
                f"the {name} does not have the layers of the checkpoint: {error}"
            ) from error
    run.step, run.batches_drawn = payload["step"], payload["batches_drawn"]
    run.history = {name: list(values) for name, values in payload["history"].items()}
    run.snapshots = [tuple(item) for item in payload["snapshots"]]
    run.objectives = [tuple(entry) for entry in payload["objectives"]]


def _restore_settings(run: TrainingRun, payload: dict) -> None:
    """What may have been changed in mid-run: objective, penalty and D steps (rates are Adam's)."""
    *_, (_, objective, _) = payload["objectives"]
    if objective != run.losses.name:
        run.losses = _known(OBJECTIVES, objective, "objective")
    name, weight = payload["penalty"]
    if name != penalty_state(run.penalty)[0]:
        run.penalty = None if name == "none" else _known(PENALTIES, name, "penalty")(weight)
    elif weight is not None:
        run.penalty.weight = weight
    run.d_steps = payload["d_steps"]


def _known(table: dict, name: str, what: str):
    if name not in table:
        raise checkpoints.CheckpointError(
            f"the run's {what} was changed in mid-run to functions of your own, which a checkpoint "
            "cannot hold. Begin a new run with them, from these networks"
        )
    return table[name]


def penalty_state(penalty: object) -> list:
    """[name, weight] of a penalty; a function of one's own is "custom" and may have no weight."""
    if penalty is None:
        return ["none", None]
    weight = getattr(penalty, "weight", None)
    number = isinstance(weight, int | float)
    return [getattr(penalty, "name", "custom"), weight if number else None]


def _with_state(run: TrainingRun) -> list:
    return [callback for callback in run.callbacks if callback.state_dict() is not None]


def _diverged(run: TrainingRun, step: int, values: dict[str, float]) -> None:
    broken = ", ".join(name for name, value in values.items() if not math.isfinite(value))
    message = f"training diverged: {broken} is not finite at step {step:,}. "
    if run.checkpoint is not None:
        put_back(run, run.checkpoint)
        message += f"The networks were set back to step {run.step:,}. "
        if run.run_dir is not None and run.step > 0 and run.unsaved is None:
            message += f"The same state is saved in {run.run_dir / 'checkpoints'}. "
    message += (
        "Likely causes: a learning rate too high, log(sigmoid(x)) written by hand instead of a "
        "loss on logits, or images outside [-1, 1]"
    )
    raise TrainingDiverged(message, run)


# --- stopping ------------------------------------------------------------------------------------


@contextlib.contextmanager
def gentle_interrupt(run: TrainingRun) -> Iterator[None]:
    """Turn the first Ctrl-C into run.stop(), and so the first SIGTERM of a run with a folder.

    After a SIGTERM the signal is raised again at the end, when the state is saved. Only the main
    thread receives signals; a background job that was told to ignore them goes on.
    """
    wanted = [signal.SIGINT] if run.run_dir is None else [signal.SIGINT, signal.SIGTERM]
    if threading.current_thread() is not threading.main_thread():
        wanted = []
    default = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.getsignal(number) or default[number] for number in wanted}
    before = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    received = []

    def ask(number: int, _frame: object) -> None:
        received.append(number)
        run.interrupted = True
        run.stop()
        signal.signal(number, before[number])  # the second one is not gentle

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
    if signal.SIGTERM in received:
        state = (
            run.unsaved or f"step {run.step:,} is saved in {run.run_dir}; a resume goes on there"
        )
        print(f"Told to end: {state}", file=sys.stderr)
        sys.stdout.flush(), sys.stderr.flush()  # the system ends the process without doing it
        signal.raise_signal(signal.SIGTERM)
