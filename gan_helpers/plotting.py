"""Figures of one style: image grids drawn as one image, training curves, snapshots over time.

Figures are made without pyplot (so that threads and notebooks cannot disturb each other) and are
handed to `show`, which puts them under the cell together with their alternative text.
"""

from __future__ import annotations

import base64
import html
import io
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from .datasets import stand_ins
from .metrics.score import wilson
from .sampling import to_display
from .settings import in_notebook

if TYPE_CHECKING:  # for type hints only: matplotlib is loaded when the first figure is made
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, distinguishable with every common form of colour blindness.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"]
BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK, YELLOW = PALETTE

STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "font.size": 10,
    "legend.frameon": False,
}
DPI = 100

_notes: dict[str, str] = {}


def set_note(key: str, text: str) -> None:
    """Print `text`, say "2.4: reference", small under every later figure, until `clear_note`."""
    _notes[key] = text


def clear_note(key: str) -> None:
    """Take back the note under `key`, if there is one."""
    _notes.pop(key, None)


def subplots(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (7, 3), **options: object
) -> tuple[Figure, Axes | np.ndarray]:
    """A figure in the course's style, `size` in inches (width, height), and its axes.

    Like `matplotlib.pyplot.subplots`, with the same further options; hand the figure to `show`.
    The style is set for the whole session, so that figures of your own look alike.
    """
    import matplotlib
    from cycler import cycler
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({**STYLE, "axes.prop_cycle": cycler(color=PALETTE)})
    fig = Figure(figsize=size, dpi=DPI, layout="constrained")
    return fig, fig.subplots(rows, columns, **options)


def show(fig: Figure, alt: str) -> None:
    """Put `fig` under the cell, with `alt` as its text for screen readers, and close it.

    `alt` says what there is to see, in a sentence or two. Outside a notebook it is printed instead.
    Raises ValueError without it: a figure that some readers cannot see is not shown.
    """
    if not alt or not alt.strip():
        raise ValueError("show(fig, alt=...) needs alternative text: what does the figure show?")
    _write_notes(fig)
    if "matplotlib.pyplot" in sys.modules:  # a pyplot figure would be drawn a second time
        sys.modules["matplotlib.pyplot"].close(fig)
    if in_notebook():
        show_picture(figure_png(fig), "png", alt)
    else:
        print(f"[figure] {alt}")


def show_picture(data: bytes, kind: str, alt: str) -> None:
    """Put a picture file of this kind ("png", "jpeg") under the cell."""
    from IPython.display import display

    display(picture_output(data, kind, alt), raw=True)


def picture_output(data: bytes, kind: str, alt: str) -> dict[str, str]:
    """What to `display(..., raw=True)` for a picture file of this kind ("png", "jpeg")."""
    # An <img> in HTML, because JupyterLab ignores the alt metadata of image/png outputs.
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    tag = f'<img src="{source}" alt="{html.escape(alt, quote=True)}">'
    return {"text/html": tag, "text/plain": f"[figure] {alt}"}


def figure_png(fig: Figure) -> bytes:
    """`fig` as the bytes of a PNG file of at most 256 colours, at the course's resolution."""
    from PIL import Image

    buffer, small = io.BytesIO(), io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    # A palette makes the file two to four times smaller; a notebook holds dozens of figures.
    picture = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


def _write_notes(fig: Figure) -> None:
    notes = [*stand_ins(), *_notes.values()]
    if not notes:
        return
    groups: dict[str, list[str]] = {}  # "2.1: reference", "2.4: reference" -> one line
    for text in notes:
        key, _, rest = text.partition(": ")
        groups.setdefault(rest, []).append(key)
    line = "; ".join(
        ", ".join(keys) + (f": {rest}" if rest else "") for rest, keys in groups.items()
    )
    if fig.get_layout_engine() is not None:  # a taller figure, with the lowest part left free
        width, height = fig.get_size_inches()
        fig.set_size_inches(width, height + 0.2)
        below = 0.2 / (height + 0.2)
        fig.get_layout_engine().set(rect=(0, below, 1, 1 - below))
    fig.text(0.995, 0.005, line, ha="right", va="bottom", fontsize=7, color="#666666")


def show_images(
    images: torch.Tensor | np.ndarray,
    title: str = "",
    *,
    alt: str,
    columns: int | None = None,
    width: float = 5.0,
) -> None:
    """Show images (as `to_display` takes them) as one grid, `width` inches wide."""
    show_grids({title: images}, alt=alt, columns=columns, width=width)


def draw_grid(ax: Axes, grid: np.ndarray, title: str = "") -> None:
    """Draw a uint8 grid from `to_display` on `ax`, without axes."""
    # Nearest neighbour: pixels stay pixels, and the file stays small.
    ax.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(title)


def smooth(values: Sequence[float], window: int) -> np.ndarray:
    """Running mean over `window` values, as long as the input; shorter windows at the ends."""
    values = np.asarray(values, dtype=float)
    if len(values) == 0 or window <= 1:
        return values
    kernel = np.ones(min(window, len(values)))
    counts = np.convolve(np.ones(len(values)), kernel, "same")
    return np.convolve(values, kernel, "same") / counts


def draw_curves(ax: Axes, curves: dict[str, Sequence[float]], colors: Sequence[str], steps=None):
    """Noisy curves over the same steps: values pale, running means strong, labels at their ends.

    At most 400 of the values are drawn, evenly spaced: more would be a block that hides the means.
    """
    ends = []
    for (label, values), color in zip(curves.items(), colors, strict=False):
        at = range(1, len(values) + 1) if steps is None else steps
        mean = smooth(values, max(1, len(values) // 40))
        some = slice(None, None, max(1, math.ceil(len(values) / 400)))
        ax.plot(at[some], values[some], color=color, alpha=0.25, linewidth=0.4)
        ax.plot(at, mean, color=color)
        ends.append((mean[-1], at[-1], label, color))
    low, high = ax.get_ylim()
    height = -math.inf
    for value, at, label, color in sorted(ends, key=lambda end: end[0]):
        height = max(value, height + 0.09 * (high - low))  # labels must not overlap
        ax.annotate(label, (at, height), (4, 0), textcoords="offset points", color=color,
                    va="center", fontsize=9, annotation_clip=False)  # fmt: skip
    ax.set_xlabel("step")


def plot_history(history, title: str = "", *, alt: str | None = None) -> None:
    """Losses on the left, D(x) and D(G(z)) on the right, over the steps of a run.

    history: a `TrainingRun`, or a dict of lists with `d_loss` and `g_loss` and, if there,
    `d_real`, `d_fake` (mean probabilities) and `step`. Dashed: the values at equilibrium for the
    non-saturating objective (2 log 2, log 2, and 1/2). Dotted: where the objective was changed.
    """
    title = title or getattr(history, "dataset_title", "")
    objectives = getattr(history, "objectives", [(0, "non-saturating", True)])
    values = getattr(history, "history", history)
    steps = values.get("step") or list(range(1, len(values["d_loss"]) + 1))
    panels = 2 if values.get("d_real") else 1
    fig, axes = subplots(1, panels, size=(4.6 * panels, 2.9), squeeze=False)
    losses = axes[0, 0]
    ends = [start for start, _, _ in objectives[1:]] + [len(steps)]
    for (start, name, _), end in zip(objectives, ends, strict=True):
        if name == "non-saturating":
            for level, color in ((2 * math.log(2), BLUE), (math.log(2), ORANGE)):
                losses.hlines(level, start, end, color=color, linestyle="--", linewidth=0.8)
    draw_curves(losses, {"D": values["d_loss"], "G": values["g_loss"]}, [BLUE, ORANGE], steps)
    losses.set_ylabel("loss")
    losses.set_title(title)
    if panels == 2:
        kinds = {True: "probability of real", False: "mean output of D"}
        shown = list(dict.fromkeys(kinds[probabilities] for *_, probabilities in objectives))
        if shown == [kinds[True]]:
            axes[0, 1].axhline(0.5, color=BLACK, linestyle="--", linewidth=0.8)
            axes[0, 1].set_ylim(0, 1)
        means = {"D(x)": values["d_real"], "D(G(z))": values["d_fake"]}
        draw_curves(axes[0, 1], means, [GREEN, PINK], steps)
        axes[0, 1].set_ylabel(", then ".join(shown))
    for start, name, _ in objectives[1:]:
        for ax in axes.flat:
            ax.axvline(start, color=BLACK, linestyle=":", linewidth=0.8)
        losses.text(start, 0.99, f" {name}", transform=losses.get_xaxis_transform(), va="top")
    show(fig, alt or _describe_history(values, objectives))


def _describe_history(values: dict[str, list[float]], objectives: Sequence[tuple]) -> str:
    """Alternative text that says where the curves start and end, measured from the run."""
    parts = []
    names = {"d_loss": "D's loss", "g_loss": "G's loss", "d_real": "D(x)", "d_fake": "D(G(z))"}
    for key, name in names.items():
        if values.get(key):
            mean = smooth(values[key], max(1, len(values[key]) // 40))
            parts.append(f"{name} from {mean[0]:.2f} to {mean[-1]:.2f}")
    changes = "".join(f" From step {start:,} on: {name}." for start, name, _ in objectives[1:])
    return f"Training curves over {len(values['d_loss'])} steps: {', '.join(parts)}.{changes}"


def plot_comparison(
    curves: dict[str, Sequence[float]], *, ylabel: str, alt: str, title: str = ""
) -> None:
    """Curves of several runs over the same steps on one axis, each labelled at its end.

    curves: label -> one value a step; each is drawn pale, with its running mean on top. At most
    eight, the number of colours that can be told apart.
    """
    fig, ax = subplots()
    draw_curves(ax, curves, PALETTE)
    ax.set(ylabel=ylabel, title=title)
    show(fig, alt)


def show_grids(
    panels: dict[str, torch.Tensor | np.ndarray],
    *,
    alt: str,
    columns: int | None = None,
    per_row: int = 5,
    width: float = 10.0,
) -> None:
    """Several sets of images side by side, each a grid of `columns` under its own label.

    panels: label -> images as `to_display` takes them. At most `per_row` grids stand in a row.
    """
    across = min(per_row, len(panels))
    down = math.ceil(len(panels) / across)
    grids = [to_display(images, columns) for images in panels.values()]
    tallest = max(grid.shape[0] / grid.shape[1] for grid in grids)
    size = (width, down * (width / across * tallest + (0.35 if any(panels) else 0)))
    fig, axes = subplots(down, across, size=size, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, label, grid in zip(axes.flat, panels, grids, strict=False):
        draw_grid(ax, grid, label)
    show(fig, alt)


def show_snapshots(run, count: int = 5, *, images: int = 16, alt: str, width: float = 10.0) -> None:
    """The same noise drawn by the generator at `count` moments of a run, early to late.

    The last one is where the run stopped. With `Averaging`, they are the averaged generator's, and
    the first label says so. `width` in inches is for five; fewer take less of it.
    """
    if not run.snapshots:
        raise ValueError("the run holds no snapshots; train(..., snapshots=8) keeps some")
    chosen = np.unique(np.linspace(0, len(run.snapshots) - 1, count).round().astype(int))
    panels = {f"step {run.snapshots[i][0]:,}": run.snapshots[i][1][:images] for i in chosen}
    if getattr(run, "averaged", None) is not None:
        first = next(iter(panels))
        panels = {f"{first}, averaged G" if k == first else k: v for k, v in panels.items()}
    # A run that was stopped early has one or two: they must not grow to fill the width.
    show_grids(panels, alt=alt, per_row=len(panels), width=min(width, 3.0 * len(panels)))


def rates(counts: dict[str, tuple[int, int]], *, alt: str | None = None, title: str = "") -> None:
    """How often something happened: a dot and Wilson's 95 % interval a row, with its count.

    counts: label -> (hits, runs), drawn from the top down. alt: by default each row in words.
    """
    wrong = {label: pair for label, pair in counts.items() if not 0 <= pair[0] <= pair[1] > 0}
    if wrong or not counts:
        raise ValueError(f"expected label -> (hits, runs) with 0 <= hits <= runs, got {wrong}")
    fig, ax = subplots(size=(7, 0.5 + 0.3 * (len(counts) + 1)))
    for row, (hits, runs) in enumerate(counts.values()):
        low, high = wilson(hits, runs)
        ax.plot([low, high], [row, row], color=BLUE, linewidth=2.5, alpha=0.45)
        ax.plot(hits / runs, row, "o", color=BLUE, markersize=6)
        ax.annotate(
            f"{hits} of {runs}", (1.03, row), va="center", fontsize=9, annotation_clip=False
        )
    ax.set(xlim=(-0.02, 1.02), ylim=(len(counts) - 0.5, -0.5), xlabel="share of runs", title=title)
    ax.set_yticks(range(len(counts)), list(counts))
    ax.grid(axis="y", visible=False)
    if alt is None:
        told = [f"{label}: {hits} of {runs} ({low:.0%} to {high:.0%})"
                for label, (hits, runs) in counts.items()
                for low, high in [wilson(hits, runs)]]  # fmt: skip
        alt = f"Shares with their 95 % intervals. {'; '.join(told)}."
    show(fig, alt)


def describe_samples(samples: torch.Tensor) -> str:
    """What is seen of points (n, 2) or images (N, C, H, W), in a clause: for alternative texts.

    Of points where their middle lies (the median) and how far they reach; of images, uint8 or from
    -1 to 1, how much two of them differ.
    """
    x = torch.as_tensor(samples)
    if x.dim() == 2:
        middle = x.median(0).values
        reach = float((x - middle).norm(dim=1).quantile(0.9))
        return (
            f"points around ({middle[0]:z.1f}, {middle[1]:z.1f}), nine tenths of them within "
            f"{reach:.2f} of it"
        )
    if len(x) == 1:
        return "one image"
    shades = x.flatten(1).float() / (255 if x.dtype == torch.uint8 else 2)
    apart = float(torch.pdist(shades, p=1).mean()) / shades.shape[1]
    return f"{len(x)} images, of which two differ by {apart:.0%} of the scale in an average pixel"
