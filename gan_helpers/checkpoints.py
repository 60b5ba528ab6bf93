"""Save a run so that it can be continued exactly, and survive a crash while saving.

A checkpoint is a plain dictionary of tensors, numbers, strings, lists and dicts, written by
`torch.save` and read with `weights_only=True`, so a checkpoint from a stranger cannot run code.
"""

import contextlib
import io
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import torch

FORMAT = 2
KEEP = 2  # the newest, and one to fall back to

Payload = dict[str, object]


class CheckpointError(RuntimeError):
    """No readable checkpoint, or one that does not belong to this run."""


def save(payload: Payload, folder: str | Path, keep: int = KEEP) -> Path:
    """Write `payload` (it must hold an int under "step") as `folder/step_00001000.pt`.

    A name that ends in .pt is always a whole file, also after a crash, see `whole_file`. Only the
    `keep` newest are kept, this one among them. Raises OSError, as for a full disk, with what was
    there before left as it was.
    """
    path = Path(folder) / f"step_{payload['step']:08d}.pt"
    write(payload, path)
    others = [other for other in _newest_first(path.parent) if other != path]
    for old in others[keep - 1 :]:
        old.unlink(missing_ok=True)
    return path


def write(payload: Payload, path: str | Path) -> None:
    """Write `payload` as one file that `load` reads. Raises OSError if there is no room for it."""
    # By way of memory: torch's own writer turns a full disk into an error about positions.
    content = io.BytesIO()
    torch.save({**payload, "format": FORMAT}, content)
    with whole_file(path) as file:
        file.write(content.getbuffer())


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open `path` for writing bytes: afterwards it holds all of them, or what it held before.

    Written under a temporary name beside it, flushed to the disk and renamed; the folder is made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: str | Path) -> Payload:
    """Read one checkpoint file, onto the CPU. Raises CheckpointError if it cannot be read."""
    try:
        # torch.save writes a zip archive, but torch.load does not look at its checksums.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
        payload = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except Exception as error:  # torch raises many types for a truncated or foreign file
        # In our own words, and without the origin: torch advises to load such a file unsafely.
        raise CheckpointError(f"checkpoint {path} cannot be read: {_reason(error)}") from None
    if not isinstance(payload, dict) or payload.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of this package (format {FORMAT})")
    return payload


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError | IsADirectoryError):
        return error.strerror
    if isinstance(error, pickle.UnpicklingError):
        return (
            "it holds more than tensors, numbers and text. This package writes no such file, and "
            "to open one could run somebody's code: do not load it by other means"
        )
    return "it is damaged, or was cut off while it was written or copied"


def exists(folder: str | Path) -> bool:
    """True if `folder` holds a checkpoint, readable or not."""
    return bool(_newest_first(Path(folder)))


def load_newest(folder: str | Path) -> Payload:
    """The newest readable checkpoint in `folder`; warns for each damaged one it steps over.

    Raises CheckpointError if there is none, or none that can be read.
    """
    found = _newest_first(Path(folder))
    if not found:
        raise CheckpointError(f"there is no checkpoint in {folder}")
    for path in found:
        try:
            return load(path)
        except CheckpointError as error:
            warnings.warn(f"{error}; trying the one before", stacklevel=2)
    raise CheckpointError(
        f"none of the {len(found)} checkpoints in {folder} can be read; start the run again with "
        "another run_dir (the files were left as they are)"
    )


def clone(value: object) -> object:
    """A copy of a nested state, tensors copied to the CPU, which later steps cannot change."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], int | float):
        return list(value)  # a column of the history: long, and numbers need no copying
    if isinstance(value, list | tuple):
        return type(value)(clone(item) for item in value)
    return value


def _newest_first(folder: Path) -> list[Path]:
    names = [path for path in folder.glob("step_*.pt") if re.fullmatch(r"step_\d+\.pt", path.name)]
    return sorted(names, key=lambda path: int(path.stem[5:]), reverse=True)
