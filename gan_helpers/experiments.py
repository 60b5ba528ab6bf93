"""Several configurations and seeds at one budget, and whether a run has converged.

A comparison of single runs says little: seeds differ. Here each configuration is trained with the
same seeds for the same number of steps, and what differs is shown with its spread over the seeds.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from . import checkpoints, plotting
from .callbacks import Scoring, progress_bar
from .datasets import ImageDataset
from .metrics.score import t_interval
from .models import PAIRS, build_pair
from .run_folder import write_json
from .runs import TrainingDiverged, TrainingRun
from .settings import set_seed
from .training import train

Pair = tuple[nn.Module, nn.Module]


@dataclass(frozen=True)
class Sign:
    """One sign of convergence: `settled` or not, and the number behind it in words."""

    name: str
    settled: bool
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {'settled' if self.settled else 'not settled'}, {self.text}"


@dataclass(eq=False)
class RunResult:
    """What a comparison keeps of one run. `samples`: uint8 (64, C, H, W), after the last step."""

    name: str
    seed: int
    steps: int
    seconds: float
    history: dict[str, list[float]]
    scores: list[tuple[int, float]]
    snapshots: list[tuple[int, Tensor]]  # the last two
    diverged: str = ""  # why it stopped, if it did

    @property
    def samples(self) -> Tensor:
        return self.snapshots[-1][1]

    @property
    def score(self) -> float:
        """The last score; NaN for a run that diverged."""
        return self.scores[-1][1] if self.scores and not self.diverged else math.nan

    @property
    def signs(self) -> list[Sign]:
        """The three signs of convergence, see `signs_of_convergence`."""
        return signs_of_convergence(self, self.scores)


def signs_of_convergence(run, scores: Sequence[tuple[int, float]] = ()) -> list[Sign]:
    """Three signs that a run (or a `RunResult`) has come to rest; none of them alone is proof.

    Score: its change between the last two of `scores`, (step, value), is below 5 % of the value.
    Losses: the lead of D, D(x) - D(G(z)), differs between the third and the last quarter of the
    steps by less than half of its spread from step to step, and D does not tell almost all images
    apart. Samples: from one snapshot to the last, the same noise moves by less than a quarter of
    what lies between images of different noise. A sign without its data is left out.
    """
    signs = []
    if len(scores) >= 2:
        (_, before), (step, now) = scores[-2:]
        change = abs(now - before) / max(abs(before), abs(now), 1e-12)
        text = (
            f"{before:.4g} at step {scores[-2][0]:,} and {now:.4g} at step {step:,} ({change:.0%})"
        )
        signs.append(Sign("score", change < 0.05, text))
    lead = _lead(run.history)
    if len(lead) >= 8:
        signs.append(_lead_sign(lead))
    if len(run.snapshots) >= 2:
        signs.append(_sample_sign(run.snapshots[-2], run.snapshots[-1]))
    return signs


def _lead(history: dict[str, list[float]]) -> np.ndarray:
    """The lead of D at each step: D(x) - D(G(z))."""
    return np.subtract(history["d_real"], history["d_fake"])


def _lead_sign(lead: np.ndarray) -> Sign:
    quarter = len(lead) // 4
    third, last = lead[-2 * quarter : -quarter], lead[-quarter:]
    spread = math.sqrt((third.var() + last.var()) / 2)
    drift = abs(last.mean() - third.mean()) / max(spread, 1e-12)
    text = (
        f"D(x) - D(G(z)) was {third.mean():.2f} in the third quarter and {last.mean():.2f} in the "
        f"last, {drift:.1f} of its spread from step to step"
    )
    # Of probabilities; for other outputs of D a lead of 0.95 means nothing in particular.
    won = float(np.abs(lead).max()) <= 1 and last.mean() > 0.95
    if won:
        text += "; D tells nearly all images apart, so G learns little: that is no rest"
    return Sign("losses", bool(drift < 0.5 and not won), text)


def _sample_sign(before: tuple[int, Tensor], last: tuple[int, Tensor]) -> Sign:
    (first_step, first), (step, now) = before, last
    first, now = first.float(), now.float()
    moved = float((now - first).abs().mean())
    apart = float((now - now.roll(1, 0)).abs().mean())
    if apart < 1:
        return Sign("samples", False, "the images of different noise are all alike: G collapsed")
    text = (
        f"from step {first_step:,} to {step:,} the same noise moved by {moved / apart:.0%} of what "
        "lies between images of different noise"
    )
    return Sign("samples", moved / apart < 0.25, text)


# --- running it ----------------------------------------------------------------------------------


def compare_runs(
    configurations: dict[str, str | dict | Callable[[], Pair]],
    dataset: ImageDataset,
    *,
    steps: int,
    score: Callable[[TrainingRun], float],
    seeds: Sequence[int] = (0, 1, 2),
    looks: int = 4,
    folder: str | Path | None = None,
    progress: bool = True,
) -> Comparison:
    """Train each configuration with each seed for `steps` steps, one run after the other.

    configurations: name -> a function that builds (G, D), or a name from `models.PAIRS`, or a dict
        of "pair" (either of these) and arguments of `train`; "callbacks" there is a function that
        makes a new list of them. The seed is set before networks are built.
    score: f(run) -> a number or a `metrics.Score`, the lower the better, taken at `looks` equal
        distances, the last after the last step.
    folder: finished runs are kept there and not repeated; one that was interrupted goes on where it
        was. Raises ValueError if a run there was made with other settings.

    An interrupt ends the comparison; what is finished is returned.
    """
    settings = {name: _settings(name, value) for name, value in configurations.items()}
    if folder is not None and len(set(map(_slug, settings))) < len(settings):
        raise ValueError(f"the names {list(settings)} are too much alike for names of folders")
    jobs = [(name, seed) for name in settings for seed in seeds]
    moments = sorted({round(k * steps / looks) for k in range(1, looks + 1)})
    comparison = Comparison([], steps, dataset.title, getattr(score, "__name__", "score"))
    total = len(jobs) * steps
    with progress_bar(total=total, unit="step", mininterval=0.5, disable=not progress) as bar:
        for done, (name, seed) in enumerate(jobs):
            bar.set_description(f"{name}, seed {seed}")
            bar.update(done * steps - bar.n)  # a run that diverged took fewer
            place = None if folder is None else Path(folder) / f"{_slug(name)}-seed{seed}"
            scoring = Scoring(score, moments)
            result = _train_one(name, seed, settings[name], dataset, steps, scoring, place, bar)
            if result is None:
                comparison.interrupted = True
                break
            comparison.results.append(result)
    return comparison


def _settings(name: str, value: str | dict | Callable[[], Pair]) -> dict:
    settings = dict(value) if isinstance(value, dict) else {"pair": value}
    pair = settings.get("pair")
    if not (callable(pair) or pair in PAIRS):
        raise ValueError(
            f"configuration {name!r} needs a pair: a function that returns (G, D), or one of "
            f"{', '.join(PAIRS)}; got {pair!r}"
        )
    return settings


def _slug(name: str) -> str:
    return re.sub(r"[^\w.]+", "-", name).strip("-")


def _train_one(
    name: str, seed: int, settings: dict, dataset: ImageDataset, steps: int, scoring: Scoring,
    place: Path | None, bar,
) -> RunResult | None:  # fmt: skip
    """One run of a comparison, or what is left of it in `place`; None if it was interrupted."""
    options, start, diverged = dict(settings), bar.n, ""
    pair, own_callbacks = options.pop("pair"), options.pop("callbacks", list)()
    set_seed(seed)
    networks = build_pair(pair, dataset.image_shape) if isinstance(pair, str) else pair()
    if place is not None:
        # Two networks of the same layers may begin with other weights.
        size = sum(float(p.detach().abs().sum()) for part in networks for p in part.parameters())
        data = f"{dataset.title}, {len(dataset)} images {dataset.image_shape}"
        words = {key: _word(value) for key, value in settings.items() if key != "pair"}
        _claim(place, {"steps": steps, "seed": seed, "data": data, "scored at": scoring.moments,
                       "score": _word(scoring.score), "networks": repr(networks),
                       "initial weights": f"{size:.4g}", **words})  # fmt: skip

    def move(run: TrainingRun) -> None:
        bar.update(start + run.step - bar.n)

    try:
        run = train(
            *networks, dataset, steps=steps, seed=seed, progress=False, run_dir=place,
            callbacks=[*own_callbacks, scoring, move],
            resume=None if place is None else True, **options,
        )  # fmt: skip
    except TrainingDiverged as error:
        run, diverged = error.run, str(error).split(". ")[0]
    if run.interrupted or (run.step < steps and not diverged):
        return None
    return RunResult(name, seed, run.step, run.seconds, run.history, scoring.scores,
                     run.snapshots[-2:], diverged)  # fmt: skip


def _claim(place: Path, mine: dict) -> None:
    """Note in `place` what is trained there; ValueError if it is something else."""
    file = place / "compared.json"
    theirs = json.loads(file.read_text(encoding="utf-8")) if file.exists() else mine
    different = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
    if different:
        raise ValueError(
            f"{place} holds a run with other settings ({', '.join(different)}): name another "
            "folder, or remove that one"
        )
    write_json(mine, file)


def _word(value: object) -> str:
    """A value as text that is the same in the next session: functions by their names."""
    return getattr(value, "__qualname__", None) or repr(value)


# --- what came out -------------------------------------------------------------------------------


@dataclass(eq=False)
class Comparison:
    """What `compare_runs` returns: `table()`, `show()`, `save(path)`; `load` reads it back."""

    results: list[RunResult]
    steps: int
    dataset_title: str
    score_name: str
    interrupted: bool = field(default=False)

    @property
    def names(self) -> list[str]:
        """The configurations, in the order in which they were given."""
        return list(dict.fromkeys(result.name for result in self.results))

    def runs(self, name: str) -> list[RunResult]:
        """The runs of one configuration, one a seed."""
        return [result for result in self.results if result.name == name]

    def mean(self, name: str) -> tuple[float, tuple[float, float] | None]:
        """Mean of the last scores over seeds, and its 95 % interval (Student's t; None for one).

        Runs that diverged have no score and are left out; the table counts them.
        """
        return _mean([run.score for run in self.runs(name)])

    def table(self) -> str:
        """One line a configuration: score over seeds, D's lead, signs of convergence, seconds."""
        head = ["", self.score_name, "95 % interval", "range", "lead of D", "settled", "s a run"]
        rows = [head]
        for name in self.names:
            runs, (mean, interval) = self.runs(name), self.mean(name)
            finite = [run.score for run in runs if not math.isnan(run.score)]
            leads = [_lead(run.history) for run in runs if run.history["step"]]
            lead = np.mean([lead[-max(1, len(lead) // 4) :].mean() for lead in leads] or math.nan)
            signs = [sign.settled for run in runs for sign in run.signs]
            between = "{:.3g} to {:.3g}".format
            rows.append([
                name, f"{mean:.4g}", between(*interval) if interval else "one seed",
                between(min(finite), max(finite)) if finite else "-", f"{lead:.2f}",
                f"{sum(signs)} of {len(signs)}", f"{np.mean([run.seconds for run in runs]):.0f}",
            ])  # fmt: skip
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(f"{cell:{'<' if not i else '>'}{widths[i]}}"
                           for i, cell in enumerate(row)) for row in rows]  # fmt: skip
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", *self._notes()])

    def _notes(self) -> list[str]:
        seeds = sorted({result.seed for result in self.results})
        notes = [
            f"{self.dataset_title}, {self.steps:,} steps, seeds {', '.join(map(str, seeds))}; "
            f"lower {self.score_name} is better.",
            "Lead of D: D(x) - D(G(z)) over the last quarter. Settled: signs of convergence, "
            "three a run.",
        ]
        notes += [f"{run.name}, seed {run.seed}: {run.diverged}; it has no score."
                  for run in self.results if run.diverged]  # fmt: skip
        return notes + (["Interrupted: some runs are missing."] if self.interrupted else [])

    def __repr__(self) -> str:
        return self.table() if self.results else "Comparison(no finished run)"

    def convergence(self) -> str:
        """The three signs of each run, in words."""
        lines = []
        for run in self.results:
            lines.append(f"{run.name}, seed {run.seed}")
            for sign in run.signs:
                lines += textwrap.wrap(f"  {sign}", 100, subsequent_indent="    ")
        return "\n".join(lines)

    def show(self, images: int = 16) -> None:
        """Losses and scores over the steps, and samples of each configuration's first seed."""
        names = self.names[: len(plotting.PALETTE)]
        half = math.ceil(len(names) / 2)
        top = ["losses"] * half + ["scores"] * half
        fig, ax = plotting.subplots(size=(max(7.0, 2.2 * len(names)), 5.4))
        ax.remove()
        grid = [top, [*(f"of {n}" for n in names), *(["."] * (2 * half - len(names)))]]
        axes = fig.subplot_mosaic(grid)
        for name, color in zip(names, plotting.PALETTE, strict=False):
            runs = self.runs(name)
            for run in runs:
                loss = plotting.smooth(
                    run.history["g_loss"], max(1, len(run.history["step"]) // 20)
                )
                axes["losses"].plot(run.history["step"], loss, color=color, alpha=0.7, linewidth=1)
            _draw_scores(axes["scores"], runs, name, color)
            plotting.draw_grid(
                axes[f"of {name}"], plotting.to_display(runs[0].samples[:images]), name
            )
        axes["losses"].set(title="G's loss, each seed", xlabel="step")
        axes["scores"].set(title=f"{self.score_name}, mean and 95 % interval", xlabel="step")
        axes["scores"].legend()
        fig.suptitle(self.dataset_title, x=0.01, ha="left", fontsize=10)
        plotting.show(fig, self._alt(names))

    def _alt(self, names: list[str]) -> str:
        parts = []
        for name in names:
            mean, interval = self.mean(name)
            spread = f" (95 % interval {interval[0]:.3g} to {interval[1]:.3g})" if interval else ""
            end = "has no score" if math.isnan(mean) else f"ends at {mean:.3g}{spread}"
            parts.append(f"{name} {end}")
        return (
            f"Losses of G and {self.score_name} over {self.steps:,} steps for {len(names)} "
            f"configurations, with samples of each: {'; '.join(parts)}. Lower is better."
        )

    def save(self, path: str | Path) -> None:
        """Write everything into one file."""
        values = {**vars(self), "results": [vars(result) for result in self.results]}
        checkpoints.write(values, path)

    @staticmethod
    def load(path: str | Path) -> Comparison:
        """Read what `save` wrote. Raises CheckpointError if it cannot be read."""
        values = checkpoints.load(path)
        if "results" not in values:
            raise checkpoints.CheckpointError(f"{path} holds no comparison")
        del values["format"]
        return Comparison(
            **{**values, "results": [RunResult(**item) for item in values["results"]]}
        )


def _mean(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    finite = np.array([value for value in values if not math.isnan(value)])
    if len(finite) < 2:
        return (float(finite[0]) if len(finite) else math.nan), None
    return float(finite.mean()), t_interval(finite)


def _draw_scores(ax, runs: list[RunResult], name: str, color: str) -> None:
    steps = sorted({step for run in runs for step, _ in run.scores})
    at = [_mean([value for run in runs for when, value in run.scores if when == step])
          for step in steps]  # fmt: skip
    ax.plot(steps, [mean for mean, _ in at], "o-", color=color, label=name, markersize=3)
    if at and all(interval for _, interval in at):
        low, high = zip(*(interval for _, interval in at), strict=True)
        ax.fill_between(steps, low, high, color=color, alpha=0.15, linewidth=0)
