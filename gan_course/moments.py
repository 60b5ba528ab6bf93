"""Snapshots of a training as slides: what the same noise became, one moment at a time."""

import html
from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_helpers.live.canvas import draw_plane, enlarged, jpeg, side_by_side
from gan_helpers.plotting import describe_samples, show_picture
from gan_helpers.settings import has_front_end

SIZE, SMALL = 360, 150  # pixels of a slide, and of a picture in the static strip
_UNDECIDED = np.full((2, 2), 0.5)  # D's verdict where there is none to show: white


class Slides:
    """What `slides` returns: `labels`, the chosen `place`, and the picture that belongs to it."""

    def __init__(
        self, frames: Mapping[str, Tensor], alt: str | None = None, real: Tensor | None = None
    ):
        if not frames:
            raise ValueError("frames is empty: give at least one moment, label -> points or images")
        self.labels, self.place = [str(label) for label in frames], 0
        self._frames = [torch.as_tensor(frame) for frame in frames.values()]
        self._real = torch.zeros(0, 2) if real is None else torch.as_tensor(real)
        self.alt = self._in_words() if alt is None else alt

    def picture(self, place: int | None = None, size: int = SIZE) -> Image.Image:
        """The moment at `place` (default: the chosen one) as a picture of `size` pixels."""
        frame = self._frames[self.place if place is None else place]
        if frame.dim() == 2:  # points of the plane
            nothing = np.zeros((0, 2))
            return draw_plane(_UNDECIDED, self._real.numpy(), frame.numpy(), nothing, size=size)
        return enlarged(frame, size)

    def strip(self, shown: int = 6) -> Image.Image:
        """At most `shown` moments in a row, evenly spaced, the first and the last among them."""
        places = self._places(shown)
        pictures = [self.picture(place, SMALL) for place in places]
        return side_by_side(pictures, [self.labels[place] for place in places])

    def _places(self, shown: int) -> np.ndarray:
        return np.unique(np.linspace(0, len(self.labels) - 1, shown).round().astype(int))

    def _in_words(self) -> str:
        told = [f"{self.labels[k]}: {describe_samples(self._frames[k])}" for k in self._places(6)]
        return f"What the same noise becomes. {'; '.join(told)}."


def slides(
    frames: Mapping[str, Tensor], *, alt: str | None = None, real: Tensor | None = None,
    shown: int = 6,
) -> Slides:  # fmt: skip
    """A slider over moments of a training; without a front end a strip of `shown` of them.

    frames: label ("step 200") -> what the same noise gave at that moment, points (n, 2) or images
    (N, C, H, W) as `to_display` takes them. real: points (m, 2) drawn in blue below. alt: what
    there is to see, by default where the points lie or how much the images differ at six moments.
    Raises ValueError for no frames.
    """
    made = Slides(frames, alt, real)
    if has_front_end():
        _show_widgets(made)
    else:
        show_picture(jpeg(made.strip(shown)), "jpeg", made.alt)
    return made


def _show_widgets(made: Slides) -> None:
    import ipywidgets as w
    from IPython.display import display

    picture = w.Image(format="jpeg", width=SIZE)
    words = w.HTML(f'<div style="line-height: 1.4">{html.escape(made.alt)}</div>')
    slider = w.SelectionSlider(
        options=list(zip(made.labels, range(len(made.labels)), strict=True)),
        description="moment",
        layout=w.Layout(width=f"{SIZE}px"),
    )

    def turn(_change=None) -> None:
        made.place = slider.value
        picture.value = jpeg(made.picture())

    slider.observe(turn, "value")
    turn()
    display(w.VBox([slider, picture, words]))
