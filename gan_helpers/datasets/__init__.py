"""Image data in memory: `load_dataset` gives an `ImageDataset`, a uint8 tensor with labels."""

import os
import warnings
from dataclasses import replace
from pathlib import Path

import torch

from ..settings import budget, data_dir
from ..synthetic import SHAPE_NAMES, draw_digits, draw_shapes
from .folders import read_folder
from .memory import SPLITS, DatasetUnavailable, ImageDataset
from .real import DIGIT_NAMES, SOURCES, load_real


def load_dataset(
    name: str | Path,
    split: str = "train",
    fallback: str | None = None,
    *,
    root: str | Path | None = None,
    image_size: int | None = None,
) -> ImageDataset:
    """Load a data set by name, or a folder of images by its `Path`.

    name: "mnist", "fashion-mnist" or "cifar10" (downloaded once into `root`, default `data_dir()`),
        "digits" or "shapes" (drawn on the spot), or a Path: a folder, or a tar archive of one, with
        a subfolder for each class or just images. A folder with train/ and test/ honours `split`.
    fallback: "digits" or "shapes" to go on with drawn images if the data cannot be reached. This
        warns, and the result's `title` and every later figure say what stands in for what.
    image_size: resize to this many pixels square (from a folder: the shorter side, then the middle
        is cut out). Images of a folder that cannot be read are counted, named and passed over.

    Raises DatasetUnavailable, with what to do, if the data cannot be reached; ValueError for a name
    or split that does not exist and for a folder's images that cannot be used.
    """
    if split not in SPLITS:
        raise ValueError(f"split={split!r}; expected one of {', '.join(map(repr, SPLITS))}")
    if fallback is not None and fallback not in _DRAWN:
        raise ValueError(f"fallback={fallback!r}; expected {' or '.join(map(repr, _DRAWN))}")
    if image_size is not None and image_size < 1:
        raise ValueError(f"image_size={image_size}; expected a number of pixels, at least 1")
    key = name if isinstance(name, os.PathLike) else _key(name)
    try:
        if isinstance(key, os.PathLike):
            return read_folder(Path(key), split, image_size)
        data = (
            _drawn(key, split) if key in _DRAWN else load_real(key, split, Path(root or data_dir()))
        )
    except DatasetUnavailable as error:
        if fallback is None:
            raise
        missing = Path(key).name if isinstance(key, os.PathLike) else SOURCES[key].title
        data = replace(_drawn(fallback, split), stand_in_for=missing)
        _warn_of_stand_in(data.title, fallback, error)
    return data if image_size is None else _resized(data, image_size)


def _key(name: object) -> str:
    choices = [*SOURCES, *_DRAWN]
    if isinstance(name, str):
        plain = "".join(c for c in name.lower() if c.isalnum())
        for choice in choices:
            if plain == choice.replace("-", ""):
                return choice
    hint = ""
    if isinstance(name, str) and (os.sep in name or "/" in name or Path(name).is_dir()):
        hint = f". For a folder of images, say Path({name!r})"
    raise ValueError(f"name={name!r}; expected one of {', '.join(map(repr, choices))}{hint}")


_DRAWN = {
    "digits": (draw_digits, DIGIT_NAMES, 60_000),
    "shapes": (draw_shapes, SHAPE_NAMES, 50_000),
}
_stand_ins: list[str] = []  # titles


def stand_ins() -> list[str]:
    """The titles of the data that stand in for others in this session; every figure shows them."""
    return list(_stand_ins)


def _warn_of_stand_in(title: str, fallback: str, error: Exception) -> None:
    """Say it once for each data set, not in every cell that loads it."""
    if title in _stand_ins:
        return
    _stand_ins.append(title)
    reason = str(error).splitlines()[0]
    warnings.warn(f"{reason} Going on with drawn {fallback} instead.", UserWarning, stacklevel=3)


def _drawn(key: str, split: str) -> ImageDataset:
    draw, classes, full = _DRAWN[key]
    count = {"train": budget(full, 10_000), "test": budget(10_000, 2_000)}[split]
    images, labels = draw(count, seed=SPLITS.index(split))
    return ImageDataset(images, labels, classes, f"drawn {key}", split)


def _resized(data: ImageDataset, size: int) -> ImageDataset:
    if data.image_shape[1:] == (size, size):
        return data
    parts = [
        torch.nn.functional.interpolate(
            part.float(), (size, size), mode="bilinear", antialias=True, align_corners=False
        )
        .round_()
        .clamp_(0, 255)
        .to(torch.uint8)
        for part in data.images.split(1000)
    ]
    return replace(data, images=torch.cat(parts))
