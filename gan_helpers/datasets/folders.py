"""The reader's own images: a folder, or a tar archive of one."""

import io
import lzma
import tarfile
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .memory import SPLITS, DatasetUnavailable, ImageDataset

_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm"),
)


def read_folder(place: Path, split: str, image_size: int | None = None) -> ImageDataset:
    """Read a folder of images, or a tar archive of one: a class for each subfolder, or one class.

    Files that are no images by their ending, and hidden ones, are ignored. What cannot be read is
    passed over with a warning that counts and names it.
    """
    place = place.expanduser()
    if not place.exists():
        raise DatasetUnavailable(
            f"There is no folder {place.absolute()}. Check the name, and what it is relative to "
            f"(this runs in {Path.cwd()}).\nfallback='shapes' goes on with drawn images instead."
        )
    files = _open_folder(place)
    chosen, classes = _sort_into_classes(place, list(files), split)
    images, labels, unreadable, first = [], [], [], ""
    for name, label in chosen:
        try:
            image = _decode(files[name], image_size)
        except ValueError as error:
            unreadable.append(f"{name} ({error})")
            continue
        first = first or name
        if images and image.shape[:2] != images[0].shape[:2]:
            raise ValueError(
                f"the images in {place} differ in size: {first} has {_size(images[0].shape)} "
                f"pixels, {name} has {_size(image.shape)}. With image_size=64, for example, they "
                "are resized, and the middle is cut out"
            )
        images.append(image)
        labels.append(label)
    _tell_unreadable(place, unreadable, len(chosen))
    stem = place.absolute().name.split(".tar")[0]
    return ImageDataset(_stack(images), torch.tensor(labels), classes or (stem,), stem, split)


def _tell_unreadable(place: Path, unreadable: list[str], total: int) -> None:
    """Name what could not be read: all of it is an error, some of it is passed over."""
    named = "; ".join(unreadable[:5]) + ("; ..." if len(unreadable) > 5 else "")
    if len(unreadable) == total:
        raise ValueError(f"{place}: none of the {total} images can be read: {named}")
    if unreadable:
        warnings.warn(
            f"{place}: {len(unreadable)} of {total} images cannot be read and are passed over: "
            f"{named}",
            stacklevel=4,
        )


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _open_folder(place: Path) -> dict[str, Path | bytes]:
    """The image files below a folder or in a tar archive, by relative path with forward slashes."""
    if place.is_dir():
        found = {file.relative_to(place).as_posix(): file for file in sorted(place.rglob("*"))}
        return {name: file for name, file in found.items() if _is_image(name)}
    try:
        with tarfile.open(place) as archive:
            # Read in the archive's own order: to go back in it means to unpack it once more.
            return {
                member.name.removeprefix("./"): archive.extractfile(member).read()
                for member in archive
                if _is_image(member.name.removeprefix("./")) and member.isfile()
            }
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise ValueError(
            f"{place} is neither a folder nor a whole tar archive of images ({error})"
        ) from error


def _is_image(name: str) -> bool:
    return name.lower().endswith(_SUFFIXES) and not f"/{name}".count("/.")


def _sort_into_classes(
    place: Path, files: list[str], split: str
) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    """The files of `split` with their labels, and the class names (none: just images)."""
    if not files:
        held = sorted(p.name for p in place.iterdir())[:8] if place.is_dir() else []
        raise DatasetUnavailable(
            f"{place} holds no images ({', '.join(_SUFFIXES)}); it holds "
            f"{', '.join(held) or 'nothing'}. Is it the right folder?"
        )
    below = {file: file.split("/") for file in files}  # the path as the classes see it
    if any(parts[0] == "train" and len(parts) > 1 for parts in below.values()):
        chosen = [file for file in files if below[file][0] == split]
        below = {file: parts[1:] for file, parts in below.items() if parts[0] in SPLITS}
    elif split == "train":
        chosen = files
    else:
        raise ValueError(f"split={split!r}: {place} has no subfolders train and test, only images")
    # Class names are taken from both splits, so that a label means the same in each.
    classes = sorted({parts[0] for parts in below.values() if len(parts) > 1})
    loose = [file for file in chosen if classes and len(below[file]) == 1]
    _check_level(place, list(below.values()), classes)
    if loose:
        warnings.warn(
            f"{place}: {len(loose)} images, such as {loose[0]}, lie beside the class folders and "
            "are left out",
            stacklevel=4,
        )
    chosen = [file for file in chosen if not classes or len(below[file]) > 1]
    if not chosen:
        raise ValueError(f"split={split!r}: {place} has no images for it")
    number = {name: k for k, name in enumerate(classes)}
    return [(file, number.get(below[file][0], 0)) for file in chosen], tuple(classes)


def _check_level(place: Path, below: list[list[str]], classes: list[str]) -> None:
    """Warn if the classes seem to be one folder further down than they are looked for."""
    inner = sorted({parts[1] for parts in below if len(parts) > 2})
    if len(classes) == 1 and len(inner) > 1 and all(len(parts) > 2 for parts in below):
        names = ", ".join(inner[:4]) + (", ..." if len(inner) > 4 else "")
        where = f"pass Path({str(place / classes[0])!r})"
        if not place.is_dir():
            where = f"unpack it and pass the folder {classes[0]}"
        warnings.warn(
            f"{place}: every label is 0, for its only subfolder is {classes[0]}. The classes seem "
            f"to be the folders in that one ({names}): {where}",
            stacklevel=5,
        )


def _decode(file: Path | bytes, image_size: int | None) -> np.ndarray:
    """One image as uint8 (H, W) if it is grey, else (H, W, 3). What is transparent turns white."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as opened:
            if image_size is not None:
                opened.draft(None, (image_size, image_size))  # a large JPEG is decoded smaller
            # A photograph may be stored lying on its side, with a note.
            image = ImageOps.exif_transpose(opened) if "exif" in opened.info else opened
            if image.mode in ("1", "L"):
                image = image.convert("L")
            elif image.mode.startswith(("I", "F")):
                raise ValueError("16-bit and float images cannot be read; store it with 8 bits")
            elif "A" in image.mode or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = image if image.mode == "L" else image.convert("RGB")
            if image_size is not None:
                image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BICUBIC)
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        unknown = isinstance(error, UnidentifiedImageError)
        raise ValueError("no image by its content" if unknown else str(error)) from error


def _stack(images: list[np.ndarray]) -> Tensor:
    """Join images to (N, C, H, W): one channel if all of them are grey, else three."""
    if any(image.ndim == 3 for image in images):
        images = [
            i if i.ndim == 3 else np.broadcast_to(i[..., None], (*i.shape, 3)) for i in images
        ]
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return torch.from_numpy(np.stack(images)).unsqueeze(1)
