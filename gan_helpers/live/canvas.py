"""Fast pictures for live widgets, drawn with PIL: a plane with points and arrows, line charts.

A matplotlib figure takes 45 ms and more to redraw; these take about 10, so that the time goes into
training. Everything is drawn at twice the size and halved, which smooths the edges.
"""

import functools
import io
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..plotting import BLUE, GREEN, ORANGE, PINK, picture_output
from ..sampling import to_display

SIZE = 420  # pixels of a square picture as it is shown
CHARTS = (400, SIZE)  # width and height of the charts beside it: both fit JupyterLab's column
LIMIT = 1.6  # the plane runs from -LIMIT to LIMIT both ways
_SHARP = 2  # drawn so many times larger, then reduced
_GREY, _INK, _PALE, _NET = "#8a8a8a", "#333333", "#e4e4e4", "#c98f5e"
_LABEL = "#606060"
_COLORS = {"D": BLUE, "G": ORANGE, "modes covered": GREEN, "high-quality share": PINK}


class Chart(NamedTuple):
    """Curves over the same xs on one pair of axes, each with its label and last value on top.

    The vertical axis is fitted to the values; `log`: powers of ten; `share`: 0 to 1.
    """

    title: str
    xs: Sequence[float]
    curves: dict[str, Sequence[float]]  # label -> values
    log: bool = False
    share: bool = False


def draw_plane(
    surface: np.ndarray,
    real: np.ndarray,
    fake: np.ndarray,
    arrows: np.ndarray,
    came_from: np.ndarray | None = None,
    size: int = SIZE,
    net: Sequence[np.ndarray] = (),
) -> Image.Image:
    """The game in the plane, as a square picture.

    Args:
        surface: (n, n) in [0, 1], D's verdict on a grid: 1 (blue) real, 0 (orange) generated;
            row 0 is the top.
        real, fake: (N, 2) points; blue squares and orange discs.
        arrows: (M, 2), M <= N, for the first M fake points: G's pull on each. An arrow's length
            grows with the pull and levels off, so that vanishing ones look vanishing.
        came_from: where the fake points were before the last step; drawn as grey tracks.
        size: pixels of the result.
        net: lines of a square grid in latent space as G maps them, each (K, 2); drawn thin, below
            the points. What G does to space: where lines crowd, G puts much of its mass.
    """
    surface = np.nan_to_num(surface, nan=0.5).clip(0, 1)  # a D that blew up is drawn as undecided
    picture = Image.fromarray((surface * 255).astype(np.uint8))
    picture = picture.resize((size * _SHARP, size * _SHARP), Image.Resampling.BILINEAR)
    picture.putpalette(_verdict_colors())
    picture = picture.convert("RGB")
    draw = ImageDraw.Draw(picture)
    unit = size * _SHARP / (2 * LIMIT)
    _draw_scale(draw, size, unit)
    for line in net:
        line = _pixels(np.clip(line, -9 * LIMIT, 9 * LIMIT), unit)  # far outside is outside
        draw.line(line.ravel().tolist(), fill=_NET, width=_SHARP)
    real, fake = _pixels(real, unit), _pixels(fake, unit)
    half = 2.6 * _SHARP
    for x, y in real:
        draw.rectangle((x - half, y - half, x + half, y + half), fill=BLUE, outline="white")
    if came_from is not None:
        for start, end in zip(_pixels(came_from, unit), fake, strict=True):
            draw.line((*start, *end), fill=_GREY, width=_SHARP)
    _draw_arrows(draw, fake[: len(arrows)], arrows)
    half = 3 * _SHARP
    for x, y in fake:
        draw.ellipse((x - half, y - half, x + half, y + half), fill=ORANGE, outline="white")
    return picture.reduce(_SHARP)


def draw_charts(charts: Sequence[Chart], size: tuple[int, int] = CHARTS) -> Image.Image:
    """Charts one below the other, `size` pixels (width, height) in all."""
    width, height = size[0] * _SHARP, size[1] * _SHARP
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    each = height // len(charts)
    for row, chart in enumerate(charts):
        last = row == len(charts) - 1
        _draw_chart(draw, chart, (0, row * each, width, (row + 1) * each), names_x=last)
    return picture.reduce(_SHARP)


def side_by_side(pictures: Sequence[Image.Image], titles: Sequence[str] = ()) -> Image.Image:
    """Pictures of one height in a row, each under its title if titles are given."""
    gap, top = 8, 22 if titles else 0
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    row = Image.new("RGB", (width, top + max(picture.height for picture in pictures)), "white")
    left, draw = 0, ImageDraw.Draw(row)
    for i, picture in enumerate(pictures):
        row.paste(picture, (left, top))
        if titles:
            draw.text((left + 2, 3), titles[i], fill=_INK, font=_font(13))
        left += picture.width + gap
    return row


def enlarged(images: Tensor, width: int | None = None, columns: int | None = None) -> Image.Image:
    """Images as a grid, see `to_display`, so many pixels wide or twice as wide, not smoothed."""
    grid = Image.fromarray(to_display(images, columns))
    width = width or 2 * grid.width
    return grid.resize((width, round(width * grid.height / grid.width)), Image.Resampling.NEAREST)


def jpeg(picture: Image.Image) -> bytes:
    """The picture as the bytes of a JPEG file with full colour resolution."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85, subsampling=0)
    return buffer.getvalue()


def output(picture: Image.Image, alt: str) -> dict[str, str]:
    """What to `display(..., raw=True)` for a static picture with its alternative text."""
    return picture_output(jpeg(picture), "jpeg", alt)


# ---------------------------------------------------------------------------- the plane
@functools.cache
def _verdict_colors() -> list[int]:
    """256 colours from pale orange (generated) over white (undecided) to pale blue (real)."""
    low, middle, high = np.array([[243, 183, 128], [255, 255, 255], [140, 192, 226]], float)
    up = np.linspace(0, 1, 128)[:, None]
    return np.concatenate([low + (middle - low) * up, middle + (high - middle) * up]).astype(
        int
    ).ravel().tolist()  # fmt: skip


def _pixels(points: np.ndarray, unit: float) -> np.ndarray:
    """Plane coordinates to pixels; the y axis points up in the plane and down in pictures."""
    return (np.asarray(points, float) * (1, -1) + LIMIT) * unit


def _draw_scale(draw: ImageDraw.ImageDraw, size: int, unit: float) -> None:
    """Dots on the left and lower edge at -1, 0 and 1 (a dash there would read as a minus sign)."""
    bottom, dot, font = size * _SHARP, 1.5 * _SHARP, _font(11 * _SHARP)
    for tick in (-1, 0, 1):
        place = (tick + LIMIT) * unit
        for x, y in ((place, bottom - 2 * dot), (2 * dot, place)):
            draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=_GREY)
        if size >= 300:
            draw.text((place, bottom - 4 * dot), str(tick), fill=_LABEL, font=font, anchor="mb")
            draw.text((5 * dot, place), str(-tick), fill=_LABEL, font=font, anchor="lm")


def _draw_arrows(draw: ImageDraw.ImageDraw, starts: np.ndarray, arrows: np.ndarray) -> None:
    pull = np.linalg.norm(arrows, axis=1, keepdims=True)
    # Length pull / (1 + pull): proportional while small, never longer than the picture can bear.
    vectors = arrows / (1 + pull) * (1, -1) * 34 * _SHARP
    for (x, y), (dx, dy) in zip(starts, vectors, strict=True):
        length = math.hypot(dx, dy)
        if length < 2 * _SHARP:
            continue
        tip = (x + dx, y + dy)
        draw.line((x, y, *tip), fill=_INK, width=_SHARP)
        back, side = min(5 * _SHARP, length / 2) / length, 0.5
        root = (tip[0] - dx * back, tip[1] - dy * back)
        across = (-dy * back * side, dx * back * side)
        wings = [(root[0] + s * across[0], root[1] + s * across[1]) for s in (1, -1)]
        draw.polygon([tip, *wings], fill=_INK)


# ---------------------------------------------------------------------------- charts
@functools.cache
def _font(size: int) -> ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _draw_chart(
    draw: ImageDraw.ImageDraw, chart: Chart, box: tuple[int, int, int, int], names_x: bool
) -> None:
    small, normal = _font(11 * _SHARP), _font(12 * _SHARP)
    left, top = box[0] + 44 * _SHARP, box[1] + 20 * _SHARP
    right, bottom = box[2] - 10 * _SHARP, box[3] - 20 * _SHARP
    _draw_title(draw, chart, (left, box[1] + 2 * _SHARP), normal)
    low, high = _limits(chart)
    for value in _ticks(low, high, chart.log):
        y = bottom - (value - low) / (high - low) * (bottom - top)
        draw.line((left, y, right, y), fill=_PALE, width=_SHARP)
        text = _power(value) if chart.log else f"{value:.0%}" if chart.share else f"{value:g}"
        draw.text((left - 5 * _SHARP, y), text, fill=_INK, font=small, anchor="rm")
    end = max(chart.xs, default=1) or 1
    xs = left + np.asarray(chart.xs, float) / end * (right - left)
    for label, values in chart.curves.items():
        values = np.asarray(values, float)
        values = np.log10(values.clip(1e-12)) if chart.log else values
        ys = bottom - (values.clip(low, high) - low) / (high - low) * (bottom - top)
        points = np.stack([xs, ys], 1)[np.isfinite(ys)]
        if len(points) > 1:
            draw.line(points.ravel().tolist(), fill=_COLORS[label], width=2 * _SHARP)
    for x, step, anchor in ((left, 0, "lt"), (right, end, "rt")):
        draw.text((x, bottom + 4 * _SHARP), f"{step:,.0f}", fill=_INK, font=small, anchor=anchor)
    if names_x:
        middle = (left + right) / 2
        draw.text((middle, bottom + 4 * _SHARP), "G steps", fill=_INK, font=small, anchor="mt")


def _draw_title(draw, chart: Chart, place: tuple[float, float], font) -> None:
    """The title, and behind it each curve's label in its colour with its last value."""
    x, y = place
    draw.text((x, y), chart.title, fill=_INK, font=font)
    x += draw.textlength(chart.title, font=font) + 10 * _SHARP
    number = "{} {:.0%}" if chart.share else "{} {:.3g}"
    for label, values in chart.curves.items():
        known = len(values) and math.isfinite(values[-1])
        text = number.format(label, values[-1]) if known else label
        draw.text((x, y), text, fill=_COLORS[label], font=font)
        x += draw.textlength(text, font=font) + 10 * _SHARP


def _limits(chart: Chart) -> tuple[float, float]:
    """The range of the vertical axis; exponents of ten if the chart is logarithmic."""
    if chart.share:
        return 0.0, 1.02
    values = np.array([*chart.curves.values()], float)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    if chart.log:
        exponents = np.log10(values[values > 1e-12]) if (values > 1e-12).any() else np.zeros(1)
        low, high = math.floor(exponents.min()), math.ceil(exponents.max())
        return float(low), float(max(high, low + 1))
    low, high = min(0.0, values.min()), np.quantile(values, 0.99)
    return float(low), float(max(high * 1.1, low + 0.1))


def _ticks(low: float, high: float, log: bool) -> list[float]:
    from matplotlib.ticker import MaxNLocator  # here: matplotlib takes a while to load

    ticks = MaxNLocator(4, steps=[1, 2, 5, 10], integer=log).tick_values(low, high)
    return [tick for tick in ticks if low <= tick <= high]


def _power(exponent: float) -> str:
    return f"{10.0**exponent:g}" if -3 <= exponent <= 3 else f"1e{exponent:.0f}"
