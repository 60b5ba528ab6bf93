"""The folder of a run: tried at the start, one process at a time, nothing half-written left.

config.json          what `train` was called with, and the versions
history.csv          one row a step
checkpoints/         the newest two states: step_00001000.pt
best/                the best one by a score, if the callback `KeepBest` looks for it
samples/             a grid an epoch of fixed noise and one of new: step_00000468_fixed.png
"""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from .checkpoints import whole_file
from .datasets.download import check_writable, try_lock


class RunFolderError(RuntimeError):
    """A run cannot be kept in this folder; the message says why."""


@contextlib.contextmanager
def opened(folder: Path | None) -> Iterator[None]:
    """Inside the `with`, `folder` is this process's own; what a killed run left is removed.

    None: no folder, nothing to do. Raises RunFolderError if nothing can be written there, or if
    another run is being written there; its lock goes when its process ends, however it ends.
    """
    if folder is None:
        yield
        return
    try:
        check_writable(folder / "checkpoints")
        lock = open(folder / ".lock", "a+b")  # noqa: SIM115
    except OSError as error:
        raise RunFolderError(
            f"run_dir={str(folder)!r} cannot hold a run: {_reason(folder, error)}. Name a folder "
            "that you may write to; it is made if it is not there"
        ) from None
    with lock:
        if not try_lock(lock):
            raise RunFolderError(
                f"another run is being written into run_dir={str(folder)!r} at this moment, "
                "perhaps by another notebook or terminal. Wait for it, end it, or name another "
                "run_dir"
            )
        _clear_leftovers(folder)
        yield


def _reason(folder: Path, error: OSError) -> str:
    for part in (folder / "checkpoints", folder, *folder.parents):
        if part.exists() and not part.is_dir():
            return f"{part} is a file"
    return error.strerror or str(error)


def _clear_leftovers(folder: Path) -> None:
    """Remove half-written files of killed runs: whoever holds the lock is alone here."""
    for place in (folder, *(folder / name for name in ("checkpoints", "best", "samples"))):
        for file in place.glob("*.tmp*"):
            if re.search(r"\.tmp\d+$", file.name):
                file.unlink(missing_ok=True)


def write_history(history: dict[str, list[float]], path: str | Path) -> None:
    """Write a history as CSV, one row a step; a reader never sees half a file."""
    rows = [history, *zip(*history.values(), strict=True)]  # its keys are the head
    with whole_file(path) as file:
        file.write("".join(",".join(map(str, row)) + "\n" for row in rows).encode())


def write_json(values: dict, path: Path) -> None:
    """Write plain values as JSON; a reader never sees half a file."""
    with whole_file(path) as file:
        file.write((json.dumps(values, indent=2) + "\n").encode())
