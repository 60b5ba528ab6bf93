"""What watches or adjusts a run while it trains: averaging, schedules, scores, progress.

A schedule is a function of how far the run is, so a resumed run takes it up where it stopped. Its
shares are of the run's `steps`: plan the whole run, then continue it with the same `steps`.
"""

import copy
import math
import sys
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from . import checkpoints
from .runs import COLUMNS, TrainingRun, put_back, save_best, save_grids, state
from .settings import in_notebook, step_generator


class Callback:
    """Something that watches or adjusts a run. A plain function `f(run)` is called after each step.

    `state_dict` and `load_state_dict` (plain values and tensors) make it part of the checkpoint;
    a state is loaded after `on_start`, and again if a diverged run is set back. None: no state.
    """

    def on_start(self, run: TrainingRun) -> None: ...

    def after_d_step(self, run: TrainingRun) -> None: ...

    def after_step(self, run: TrainingRun) -> None: ...

    def on_end(self, run: TrainingRun) -> None: ...

    def state_dict(self) -> dict | None:
        return None

    def load_state_dict(self, state: dict) -> None: ...


class EachStep(Callback):
    """A plain function, called after each step."""

    def __init__(self, function: Callable[[TrainingRun], None]):
        self.after_step = function


class Averaging(Callback):
    """Keep a running average of G's weights and draw all samples from it (Yazıcı et al. 2019).

    After step t the average moves a share 1 - d of the way to G, d = min(decay, (1 + t)/(10 + t)):
    small at first, so that the start is forgotten. BatchNorm's statistics are averaged with the
    weights, other buffers are copied. `run.averaged` is the averaged generator; snapshots and
    `generate(run, n)` use it, and so do scores of what these return.
    """

    def __init__(self, decay: float = 0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"decay={decay} must be in [0, 1); typical values are 0.99 to 0.9999")
        self.decay = decay
        self.generator: nn.Module | None = None

    def on_start(self, run: TrainingRun) -> None:
        self.generator = copy.deepcopy(run.generator).requires_grad_(False).eval()
        run.averaged = self.generator
        self._averaged, self._current = _parts(self.generator), _parts(run.generator)

    @torch.no_grad()
    def after_step(self, run: TrainingRun) -> None:
        decay = min(self.decay, (1 + run.step) / (10 + run.step))
        torch._foreach_lerp_(self._averaged[0], self._current[0], 1 - decay)
        for kept, now in zip(self._averaged[1], self._current[1], strict=True):
            kept.copy_(now)

    def state_dict(self) -> dict:
        return {} if self.generator is None else dict(self.generator.state_dict())

    def load_state_dict(self, state: dict) -> None:
        self.generator.load_state_dict(state)


def _parts(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """(What is averaged, what is copied) of a network's state."""
    averaged = [p.detach() for p in network.parameters()]
    copied = []
    for module in network.modules():
        is_norm = isinstance(module, nn.modules.batchnorm._NormBase)
        for buffer in module.buffers(recurse=False):
            (averaged if is_norm and buffer.is_floating_point() else copied).append(buffer)
    return averaged, copied


class LRSchedule(Callback):
    """Multiply both learning rates by a factor: up from 0, level at 1, down to 0 at the end.

    warm_up and decay: the shares of the steps in which the factor rises and falls, linearly.
    The rates are those that `train` was given; what else sets `run.lr` is overruled.
    """

    def __init__(self, decay: float = 0.0, warm_up: float = 0.0):
        if not (decay >= 0 and warm_up >= 0 and decay + warm_up <= 1):
            raise ValueError(
                f"decay={decay} and warm_up={warm_up} are shares of the run: expected numbers from "
                "0 on that add up to 1 at most"
            )
        self.decay, self.warm_up = decay, warm_up

    def factor(self, step: int, total: int) -> float:
        """The factor of the step that follows `step` steps done; the last one is above 0."""
        up = (step + 1) / (self.warm_up * total) if self.warm_up else 1.0
        down = (total - step) / (self.decay * total) if self.decay else 1.0
        return min(1.0, up, down)

    def on_start(self, run: TrainingRun) -> None:
        if run.step < run.total_steps:
            factor = self.factor(run.step, run.total_steps)
            run.lr = tuple(factor * rate for rate in run.config["lr"])

    after_step = on_start


class AnnealPenalty(Callback):
    """Change the weight of the run's penalty from `start` to `end`, by the same factor each step.

    `train(..., penalty=r1_penalty(), callbacks=[AnnealPenalty(10, 0.1)])`. A strong penalty keeps
    D smooth while the distributions are far apart; a weak one lets it see detail at the end. Over
    the first `share` of the steps, constant from there on.
    """

    def __init__(self, start: float, end: float, share: float = 0.8):
        if not 0 < share <= 1:
            raise ValueError(f"share={share} of the steps must lie in (0, 1]")
        if not (start > 0 and end > 0):
            raise ValueError(f"start={start} and end={end} must be above 0: 0 has no factor to it")
        self.start, self.end, self.share = start, end, share

    def on_start(self, run: TrainingRun) -> None:
        if not hasattr(run.penalty, "weight"):
            raise TypeError(
                f"AnnealPenalty sets the penalty's weight, and penalty={run.penalty!r} has none. "
                "Pass penalty=losses.r1_penalty() or another one of losses.PENALTIES"
            )
        way = min(1.0, run.step / (self.share * run.total_steps))
        run.penalty.weight = self.start * (self.end / self.start) ** way

    after_step = on_start


class SpectralProjection(Callback):
    """Keep the largest singular value of each of D's weight matrices at `norm`.

    After each D step: one step of power iteration (as in Miyato et al. 2018), then the weight is
    rescaled. A convolution's weight counts as the matrix (out, in * kh * kw).
    """

    def __init__(self, norm: float = 1.0):
        if not norm > 0:
            raise ValueError(f"norm={norm} must be above 0")
        self.norm, self._vectors = norm, {}

    def on_start(self, run: TrainingRun) -> None:
        draw = step_generator(run.seed, 0, "spectral projection")
        self._vectors = {}
        for name, weight in self._weights(run):
            self._vectors[name] = torch.randn(len(weight), generator=draw).to(weight.device)
            for _ in range(15):  # random vectors first have to settle
                self._singular_value(name, weight)

    def after_d_step(self, run: TrainingRun) -> None:
        for name, weight in self._weights(run):
            weight.mul_(self.norm / self._singular_value(name, weight))

    def _singular_value(self, name: str, weight: Tensor) -> Tensor:
        """The largest one, as one step of power iteration from the last vector finds it."""
        matrix = weight.flatten(1)
        right = normalize(matrix.T @ self._vectors[name], dim=0)
        product = matrix @ right
        self._vectors[name] = normalize(product, dim=0)
        return product.norm()

    @staticmethod
    def _weights(run: TrainingRun) -> list[tuple[str, Tensor]]:
        named = run.discriminator.named_parameters()
        return [(name, p.detach()) for name, p in named if p.dim() >= 2 and p.requires_grad]

    def state_dict(self) -> dict:
        return dict(self._vectors)

    def load_state_dict(self, state: dict) -> None:
        self._vectors = {name: v.to(self._vectors[name].device) for name, v in state.items()}


class Grids(Callback):
    """Write two grids of samples into run_dir after each epoch: of fixed noise and of new.

    Every run with a run_dir has one of these. Short epochs are taken together to 100 steps or more.
    """

    def on_start(self, run: TrainingRun) -> None:
        epoch = len(run.dataset) // run.batch_size
        self._every = epoch * math.ceil(100 / epoch)

    def after_step(self, run: TrainingRun) -> None:
        if run.step % self._every == 0:
            save_grids(run)


class Scoring(Callback):
    """Call `score(run)` from time to time; `scores` holds (step, value) pairs.

    score: f(run) -> a number or a `metrics.Score`. moments: every so many steps, or a list of
    steps. Put it after `Averaging`, so that the average has taken the step that is scored.
    """

    def __init__(self, score: Callable[[TrainingRun], float], moments: int | Collection[int]):
        if not callable(score) or (isinstance(moments, int) and moments < 1):
            raise ValueError(
                f"score={score!r}, moments={moments!r}: expected a function of the run, and a "
                "number of steps from 1 on or a list of steps"
            )
        self.score, self.moments = score, moments
        self.scores: list[tuple[int, float]] = []

    def after_step(self, run: TrainingRun) -> None:
        if isinstance(self.moments, int):
            due = run.step % self.moments == 0
        else:
            due = run.step in self.moments
        if due:
            with torch.random.fork_rng():  # a score's own randomness must not change the run
                self.scores.append((run.step, float(self.score(run))))
            self.scored(run)

    def scored(self, run: TrainingRun) -> None: ...

    def state_dict(self) -> dict:
        return {"scores": self.scores}

    def load_state_dict(self, state: dict) -> None:
        self.scores = [tuple(pair) for pair in state["scores"]]


class KeepBest(Scoring):
    """Score the run every `every` steps; keep the best state beside the last one.

    score: f(run) -> a number or a `metrics.Score`, the lower the better, as FD is; return minus one
    of which more is better. The best state is a checkpoint in run_dir/best, or stays in memory if
    there is no run_dir; after the run `put_back(run)` sets the run back to it.
    """

    def __init__(self, score: Callable[[TrainingRun], float], every: int = 1000):
        super().__init__(score, every)
        self._state: dict | None = None

    @property
    def best(self) -> tuple[int, float] | None:
        """(step, value) of the best score so far; None before the first. NaN is never the best."""
        finite = [pair for pair in self.scores if not math.isnan(pair[1])]
        return min(finite, key=lambda pair: pair[1], default=None)

    def scored(self, run: TrainingRun) -> None:
        if self.best is not None and self.best[0] == run.step:
            self._state = state(run)
            if run.run_dir is not None:
                save_best(run, self._state)

    def put_back(self, run: TrainingRun) -> None:
        """Set the run's networks, optimisers and history back to the best state."""
        if self._state is None and run.run_dir is not None:
            self._state = checkpoints.load_newest(run.run_dir / "best")
        if self._state is None:
            raise ValueError("there is no best state yet: the run was never scored")
        put_back(run, self._state)


def progress_bar(**options: Any) -> Any:
    """A tqdm bar; in a notebook on stdout, since stderr is shown in red there, like an error."""
    from tqdm import tqdm

    return tqdm(file=sys.stdout if in_notebook() else None, **options)


class Progress(Callback):
    """A progress bar with the last values of the history, drawn every so many seconds."""

    def __init__(self, seconds: float = 0.5):
        self.seconds = seconds

    def on_start(self, run: TrainingRun) -> None:
        self.bar = progress_bar(
            total=run.total_steps, initial=run.step, unit="step", mininterval=self.seconds
        )

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
