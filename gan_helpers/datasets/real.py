"""MNIST, Fashion-MNIST and CIFAR-10: read from the data folder, or downloaded into it once."""

import gzip
import hashlib
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import download
from .folders import read_folder
from .memory import DatasetUnavailable, ImageDataset


class _Missing(OSError):
    """The files are not there."""


class _Damaged(OSError):
    """A file is there and cannot be right; the message names it and says why."""


class Source(NamedTuple):
    """A real data set: what it is called, who downloads it and who reads it."""

    title: str
    torchvision_name: str  # the class in torchvision.datasets
    folder: str  # what that class makes in the data folder
    megabytes: int  # to download
    fallback: str  # the drawn set that is most like it
    read: Callable[[Path, str], ImageDataset]


def load_real(key: str, split: str, root: Path) -> ImageDataset:
    """Read a real data set from `root`; download it first if it is not there or damaged."""
    source, root = SOURCES[key], root.expanduser()
    try:
        try:
            return source.read(root, split)
        except (_Missing, _Damaged) as problem:
            mirrors = _before_download(source, root, problem)
        with download.one_kernel_at_a_time(root / f".{source.folder}.lock", source.title):
            try:  # another kernel may have fetched it while this one waited
                return source.read(root, split)
            except (_Missing, _Damaged):
                what = f"{source.title} ({source.megabytes} MB, once)"
                print(f"Downloading {what} into {root} ...", flush=True)
                download.fetch(source.torchvision_name, source.folder, root, mirrors)
        return source.read(root, split)
    except (OSError, RuntimeError, ValueError, EOFError, HTTPException) as error:
        raise DatasetUnavailable(_advice(key, root, error)) from error


def _before_download(source: Source, root: Path, problem: Exception) -> list[str]:
    """The mirrors that answer. Raises `problem`, and why it stays, if a download cannot work."""
    try:
        mirrors = download.answering_mirrors(source.torchvision_name)
    except OSError as error:
        raise type(problem)(f"{problem}, and a download does not work ({error})") from error
    try:
        download.check_writable(root)
    except OSError as error:
        raise type(problem)(f"{problem}, and the folder cannot be written to") from error
    return mirrors


def _advice(key: str, root: Path, error: Exception) -> str:
    source = SOURCES[key]
    first = "connect to the internet and run this again"
    if isinstance(error, _Damaged):
        first = f"delete the damaged file, {first}"
    return (
        f"{source.title} cannot be read from {root}: {' '.join(str(error).split())}.\n"
        "What helps, any of:\n"
        f"  1. {first} (it downloads {source.megabytes} MB, once);\n"
        f"  2. set GAN_HELPERS_DATA to a folder that holds {source.folder}/, perhaps one shared by "
        "your class, or to one that you may write to, and restart the kernel;\n"
        f"  3. go on without it: load_dataset({key!r}, fallback={source.fallback!r}) draws images "
        "that stand in for it."
    )


def _nothing_called(name: str, root: Path) -> _Missing:
    """What is missing, and what the folder holds instead: it may be the wrong one."""
    if not root.is_dir():
        return _Missing("there is no such folder")
    if (root.parent / name).exists():
        return _Missing(f"there is no {name} in it, but there is one in the folder above it")
    held = sorted(p.name for p in root.iterdir() if not p.name.startswith("."))
    some = ", ".join(held[:6]) + (", ..." if len(held) > 6 else "")
    return _Missing(f"there is no {name} in it (it holds {some or 'nothing'})")


# ------------------------------------------------------------------- MNIST and what looks like it

DIGIT_NAMES = tuple("0123456789")
_FASHION_NAMES = (
    *("T-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)

# MD5 of the unpacked files. torchvision has only those of the packed ones, and the files of
# Fashion-MNIST have the same names.
_IDX_MD5 = {
    "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "MNIST/raw/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "MNIST/raw/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def _read_mnist(root: Path, split: str) -> ImageDataset:
    return _read_idx_pair(root, "MNIST", split, "MNIST", DIGIT_NAMES)


def _read_fashion(root: Path, split: str) -> ImageDataset:
    return _read_idx_pair(root, "FashionMNIST", split, "Fashion-MNIST", _FASHION_NAMES)


def _read_idx_pair(
    root: Path, folder: str, split: str, title: str, classes: tuple[str, ...]
) -> ImageDataset:
    """One split from its two files, laid out as torchvision does."""
    prefix = "train" if split == "train" else "t10k"
    images = _read_idx(root, f"{folder}/raw/{prefix}-images-idx3-ubyte", 3)
    labels = _read_idx(root, f"{folder}/raw/{prefix}-labels-idx1-ubyte", 1).long()
    if len(images) != len(labels) or int(labels.max()) > 9:
        raise _Damaged(f"{root / folder / 'raw'}: the {prefix} labels do not fit the images")
    return ImageDataset(images.unsqueeze(1), labels, classes, title, split)


def _read_idx(root: Path, name: str, dimensions: int) -> Tensor:
    """Read the IDX file of bytes `name`, or else `name`.gz, as a uint8 tensor.

    Without torchvision: to import it takes longer than to read all of MNIST, and it would not
    notice a file that was changed after unpacking.
    """
    problem: Exception = _nothing_called(name, root)
    for file in (root / name, root / f"{name}.gz"):
        if not file.is_file():
            continue
        try:
            raw = file.read_bytes()
            raw = gzip.decompress(raw) if file.suffix == ".gz" else raw
            return _parse_idx(raw, dimensions, _IDX_MD5.get(name))
        except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            problem = _Damaged(f"{file} is damaged ({error})")
            problem.__cause__ = error
    raise problem


def _parse_idx(raw: bytes, dimensions: int, md5: str | None) -> Tensor:
    """What follows the header, which is 0, 0, 8 (for bytes), the number of dimensions, and each."""
    start = 4 + 4 * dimensions
    if raw[:4] != bytes([0, 0, 8, dimensions]) or len(raw) < start:
        raise ValueError("it does not begin like such a file")
    shape = np.frombuffer(raw[4:start], ">u4").tolist()
    promised = start + int(np.prod(shape))
    if len(raw) != promised:
        raise ValueError(f"{len(raw):,} bytes where its header promises {promised:,}")
    if md5 is not None and hashlib.md5(raw, usedforsecurity=False).hexdigest() != md5:
        raise ValueError("its checksum is wrong")
    # A copy, because a tensor on top of read-only bytes could be written to.
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=start).reshape(shape).copy())


# ------------------------------------------------------------------- CIFAR-10


def _read_cifar(root: Path, split: str) -> ImageDataset:
    """Read CIFAR-10 from torchvision's folder, from its archive, or from JPEG copies."""
    archive = root / "cifar-10-python.tar.gz"
    if (root / "cifar-10-batches-py").is_dir():
        return _read_cifar_batches(root, split)
    if archive.is_file():
        return _read_cifar_archive(archive, split)
    for copies in sorted(root.glob("cifar10-jpeg*")):
        # Real images, not the exact pixels: the title says so.
        return replace(read_folder(copies, split), name="CIFAR-10", note="JPEG copies")
    raise _nothing_called("cifar-10-batches-py", root)


def _read_cifar_batches(root: Path, split: str) -> ImageDataset:
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    folder = root / CIFAR10.base_folder
    meta = (CIFAR10.meta["filename"], CIFAR10.meta["md5"])
    for file, md5 in (*CIFAR10.train_list, *CIFAR10.test_list, meta):
        if not (folder / file).is_file():
            raise _nothing_called(f"{CIFAR10.base_folder}/{file}", root)
        if not check_integrity(folder / file, md5):
            raise _Damaged(f"{folder / file} is damaged (its checksum is wrong)")
    data = CIFAR10(root, train=split == "train")
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
    return ImageDataset(images, torch.tensor(data.targets), tuple(data.classes), "CIFAR-10", split)


def _read_cifar_archive(archive: Path, split: str) -> ImageDataset:
    """For a shared folder that holds only what was downloaded: unpack it elsewhere and read."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity, extract_archive

    if not check_integrity(archive, CIFAR10.tgz_md5):
        raise _Damaged(f"{archive} is damaged (its checksum is wrong)")
    with tempfile.TemporaryDirectory() as elsewhere:
        extract_archive(archive, elsewhere)
        return _read_cifar_batches(Path(elsewhere), split)


SOURCES = {
    "mnist": Source("MNIST", "MNIST", "MNIST", 12, "digits", _read_mnist),
    "fashion-mnist": Source(
        "Fashion-MNIST", "FashionMNIST", "FashionMNIST", 31, "digits", _read_fashion
    ),
    "cifar10": Source("CIFAR-10", "CIFAR10", "cifar-10-batches-py", 170, "shapes", _read_cifar),
}
