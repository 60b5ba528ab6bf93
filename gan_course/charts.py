"""The chart at the bedside: six instruments over the steps of one run or several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from gan_helpers import plotting

if TYPE_CHECKING:  # for type hints only: matplotlib is loaded when the first figure is made
    from matplotlib.axes import Axes

# Title -> what of a history it shows; the second is dashed.
INSTRUMENTS = {
    "scores: D(x), dashed D(G(z))": ("d_real", "d_fake"),
    "right on real, dashed on generated": ("right_real", "right_fake"),
    "gradient norm of G, dashed D": ("g_norm", "d_norm"),
    "{kinds} covered, dashed effective": ("modes", "effective"),
    "quality": ("quality",),
    "diversity, 1 is the data's": ("diversity",),
}


def plot_instruments(
    histories: dict[str, dict], *, alt: str | None = None, kinds: str = "modes", samples=None,
    title: str = "",
) -> None:  # fmt: skip
    """Six instruments over the steps of one run or several, and perhaps the last samples.

    histories: label -> history of a `toys.ToyGAN` (a line for the median of its seeds, a band from
    lowest to highest), of `Instruments` or of `Signs`; at most eight. samples: points (n, 2) or
    images, shown at the right. kinds: what is covered, modes or classes. alt: by default what the
    instruments read at first and in the last third of the looks, and how the samples lie.
    """
    layout = [["0", "1", "2"], ["3", "4", "5"]]
    if samples is not None:
        layout = [[*row, "samples"] for row in layout]
    fig, ax = plotting.subplots(size=(10 if samples is None else 12.5, 5))
    ax.remove()
    axes = fig.subplot_mosaic(layout)
    for place, (heading, names) in enumerate(INSTRUMENTS.items()):
        ax = axes[str(place)]
        for history, color in zip(histories.values(), plotting.PALETTE, strict=False):
            for name, style in zip(names, ("-", "--"), strict=False):
                _draw_seeds(ax, history["step"], history[name], color, style)
        ax.set_title(heading.format(kinds=kinds), fontsize=9)
        if names == ("g_norm", "d_norm"):
            ax.set_yscale("log")
        else:
            ax.set_ylim(0, 1.02 if place in (0, 1, 4) else None)
    for place in ("3", "4", "5"):
        axes[place].set_xlabel("step")
    if len(histories) > 1:
        for row, (label, color) in enumerate(zip(histories, plotting.PALETTE, strict=False)):
            axes["4"].text(0.03, 0.97 - 0.1 * row, label, color=color, va="top", fontsize=9,
                           transform=axes["4"].transAxes)  # fmt: skip
    if samples is not None:
        _draw_samples(axes["samples"], samples)
    if title:
        fig.suptitle(title, x=0.01, ha="left", fontsize=11)
    if alt is None:
        told = [f"{label}: {_in_words(history, kinds)}" for label, history in histories.items()]
        if samples is not None:
            told.append(f"The last samples: {plotting.describe_samples(samples)}")
        alt = f"{title or 'Instruments'}, six panels over the steps. {'. '.join(told)}."
    plotting.show(fig, alt)


def _in_words(history: dict, kinds: str) -> str:
    """Each instrument's median over the seeds: at the first look, and its range in the last third.

    The gradient norms are left out of the first look, before which no step was made.
    """
    words = {"d_real": "D(x)", "d_fake": "D(G(z))", "right_real": "right on real",
             "right_fake": "right on generated", "g_norm": "gradient norm of G",
             "d_norm": "of D", "modes": f"{kinds} covered", "effective": "effective",
             "quality": "quality", "diversity": "diversity"}  # fmt: skip
    looks = len(history["step"])
    parts = []
    for name, word in words.items():
        values = np.asarray(history[name], dtype=float).reshape(looks, -1)
        middle = np.median(values, axis=1)
        late = middle[looks - max(1, looks // 3) :]
        first = "" if name.endswith("norm") else f"{middle[0]:.2g} at first, "
        parts.append(f"{word} {first}{late.min():.2g} to {late.max():.2g} in the last third")
    return "; ".join(parts)


def _draw_seeds(ax: Axes, steps, values, color: str, style: str) -> None:
    values = np.asarray(values, dtype=float).reshape(len(steps), -1)
    ax.plot(steps, np.median(values, axis=1), style, color=color)
    if values.shape[1] > 1:
        band = values.min(axis=1), values.max(axis=1)
        ax.fill_between(steps, *band, color=color, alpha=0.12, linewidth=0)


def _draw_samples(ax: Axes, samples: torch.Tensor) -> None:
    if samples.dim() == 4:
        plotting.draw_grid(ax, plotting.to_display(samples[:25], 5), "last samples")
        return
    ax.plot(*samples.T, ".", color=plotting.ORANGE, markersize=2)
    ax.set(title="last samples", aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
