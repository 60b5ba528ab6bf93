"""Verdicts on pictures: do the images stand in a grid, and with the right grey levels?"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from torch import Tensor

from .framework import describe_value, need, wrong


def levels(image: np.ndarray) -> np.ndarray:
    """The grey levels, 0 to 255 and not rounded, of values in [-1, 1]."""
    return (image.astype(np.float64) + 1) * 127.5


def as_grid(grid: object, call: str, colour: bool = False) -> np.ndarray:
    """The answer as a height x width x (1 or 3) array, or a rejection that names what is off."""
    if not isinstance(grid, Tensor | np.ndarray):
        wrong(f"`{call}` should return a uint8 array or tensor; {describe_value(grid)} came back.")
    need(math.prod(grid.shape), f"`{call}` returns an empty picture, of shape {tuple(grid.shape)}.")
    kind = str(grid.dtype).removeprefix("torch.")
    if kind != "uint8":
        wrong(f"""`{call}` returns {kind} values{_span(grid)}; uint8 was asked for, whole numbers
            from 0 to 255.""")
    array = grid.detach().cpu().to_dense().numpy() if isinstance(grid, Tensor) else grid
    picture = array[:, :, None] if array.ndim == 2 else array
    if picture.ndim != 3 or picture.shape[2] not in (1, 3):
        first = picture.ndim == 3 and picture.shape[0] in (1, 3)
        wrong(f"""`{call}` returns shape {array.shape}{", with the channels first" * first}; one
            picture, height x width (x 3), was expected.""")
    if colour and picture.shape[2] == 1:
        wrong("Grey images are right, but colour images lose their colour without a word.")
    if not colour and not (picture == picture[:, :, :1]).all():
        wrong("A grey image comes out coloured: its three channels differ.")
    return picture if colour else picture[:, :, :1]


def _span(grid: Tensor | np.ndarray) -> str:
    """' from 0 to 1', or '' of values that have no order."""
    if isinstance(grid, Tensor) and not grid.is_complex():
        grid = grid.detach().cpu().to_dense().float().numpy()
    if isinstance(grid, Tensor) or grid.dtype.kind not in "biuf":
        return ""
    return f" from {float(grid.min()):.3g} to {float(grid.max()):.3g}"


def contains(picture: np.ndarray, image: np.ndarray) -> bool:
    """True if the image stands somewhere in the picture, up to rounding."""
    if any(side < own for side, own in zip(picture.shape, image.shape, strict=True)):
        return False
    windows = np.lib.stride_tricks.sliding_window_view(picture, image.shape)[:, :, 0]
    some = np.s_[..., ::9, ::9, :]  # a few pixels rule out most places
    likely = (np.abs(windows[some] - image[some]) <= 1.01).all((2, 3, 4))
    return any((np.abs(window - image) <= 1.01).all() for window in windows[likely])


# Wrong grey levels of an image x, in a batch that runs from low to high.
_WRONG_LEVELS: list[tuple[str | None, Callable, str]] = [
    ("plot-per-image-scale", lambda x, low, high: (x - x.min()) / (x.max() - x.min()) * 255,
     "The images are in the grid, but each one is stretched to its own darkest and brightest "
     "pixel, which gives a collapsed sample false contrast. Which two values should be black and "
     "white for all?"),
    ("plot-batch-scale", lambda x, low, high: (x - low) / (high - low) * 255,
     "The images are in the grid, but each batch is stretched to its own darkest and brightest "
     "pixel, so that two grids do not compare. Which values are black and white for every batch?"),
    ("plot-range", lambda x, low, high: np.clip(x, 0, 1) * 255,
     "The images are in the grid, but everything below 0 is black: values in [-1, 1] are treated "
     "as if they were in [0, 1]. What has to happen before the factor 255?"),
    ("plot-range", lambda x, low, high: np.trunc(x * 255) % 256,
     "The images are in the grid, but the dark half has wrapped around to other greys: values in "
     "[-1, 1] are multiplied by 255, and bytes know no negative numbers. What has to come first?"),
    ("plot-range", lambda x, low, high: np.trunc(x * 127.5) % 256,
     "The images are in the grid, but the dark half has wrapped around to other greys: bytes know "
     "no negative numbers. Where does -1 have to go?"),
    (None, lambda x, low, high: 255 - levels(x),
     "The images are in the grid as negatives: -1 should be black and 1 white."),
    (None, lambda x, low, high: np.trunc((x + 1) * 128) % 256,
     "Almost right, but white has wrapped around to black: 1 becomes 256, and a byte ends at 255."),
    (None, lambda x, low, high: levels(x)[::-1],
     "The grey levels are right, but each image stands upside down: its first row belongs on top."),
    (None, lambda x, low, high: levels(x)[:, ::-1],
     "The grey levels are right, but left and right of each image have changed places."),
    (None, lambda x, low, high: levels(x)[::-1, ::-1],
     "The grey levels are right, but each image is turned by half a turn."),
    (None, lambda x, low, high: levels(x).transpose(1, 0, 2),
     "Each image is mirrored at the diagonal: its rows and columns have changed places."),
]  # fmt: skip


def find_images(picture: np.ndarray, images: Tensor) -> None:
    """Reject a grid in which the images do not stand with the right grey levels."""
    pixels = list(images.permute(0, 2, 3, 1).numpy())

    def share(level: Callable[..., np.ndarray], *ends: float) -> float:
        return sum(contains(picture, level(image, *ends)) for image in pixels) / len(pixels)

    found = share(levels)
    if found == 1:
        return
    ends = float(images.min()), float(images.max())
    for mistake, level, message in _WRONG_LEVELS:
        if share(level, *ends) > min(found + 0.5, 0.99):
            wrong(message, mistake)
    if found:
        wrong(f"""The grey levels are right, but only {round(found * len(pixels))} of {len(pixels)}
            images stand in the grid as a whole. Are the others left out, or do they overlap?""")
    wanted = levels(images.numpy())
    # How many pixels of each of 32 shades there should be, and are: padding may add some.
    asked, there = (np.histogram(x, 32, (0, 256))[0] for x in (wanted, picture))
    if np.minimum(asked, there).sum() > 0.85 * asked.sum():
        wrong("""The grey levels are there, but no image is in one piece: pixels are interleaved, or
            in another order. A reshape swaps no axes; which ones have to be neighbours first?""")
    wrong(f"""The images are not in the grid with the grey levels asked for (-1 is 0, 1 is 255): its
        mean is {picture.mean():.0f} where the images' is {wanted.mean():.0f}, and it runs from
        {picture.min()} to {picture.max()}.""")
