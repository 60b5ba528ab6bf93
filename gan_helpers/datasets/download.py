"""Downloading through torchvision, made safe for classrooms.

torchvision knows where the data are and checks what arrives. Added here: giving up quickly where
there is no network, and letting several kernels start at once without reading half a file.
"""

import io
import os
import queue
import shutil
import socket
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

_ANSWER_SECONDS = 4.0  # how long to wait for any mirror before all count as unreachable
_STALL_SECONDS = 20.0  # how long a download may stand still
_PATIENCE_SECONDS = 900.0  # how long to wait for another kernel's download


def check_writable(root: Path) -> None:
    """Make the folder if need be; raise OSError if no file can be made in it."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=root):
        pass


def answering_mirrors(torchvision_name: str) -> list[str]:
    """The mirror that answers first, as a list for torchvision. Raises OSError if none does.

    torchvision tries one after the other and waits without a limit. Asking all at once takes a few
    seconds at most, also where a network swallows what it does not let through.
    """
    downloader = _downloader(torchvision_name)
    if hasattr(downloader, "mirrors"):
        files = {mirror: mirror + downloader.resources[0][0] for mirror in downloader.mirrors}
    else:
        files = {downloader.url: downloader.url}
    answers: queue.Queue[tuple[str, Exception | None]] = queue.Queue()
    for mirror, file in files.items():
        # In daemon threads: looking up a host's name knows no time limit, so it is left behind.
        threading.Thread(target=_ask, args=(mirror, file, answers), daemon=True).start()
    deadline = time.monotonic() + _ANSWER_SECONDS
    failure: Exception = TimeoutError(f"no answer within {_ANSWER_SECONDS:g} seconds")
    for _ in files:
        try:
            mirror, error = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if error is None:
            return [mirror]
        failure = error
    raise OSError(str(failure)) from None  # the message says it; its origin is long and no help


def _ask(mirror: str, file: str, answers: queue.Queue) -> None:
    try:
        request = urllib.request.Request(file, method="HEAD")
        urllib.request.urlopen(request, timeout=_ANSWER_SECONDS).close()
        answers.put((mirror, None))
    except (OSError, HTTPException, ValueError) as error:
        answers.put((mirror, error))


def _downloader(torchvision_name: str) -> type:
    import torchvision.datasets  # here, because it takes a second or two

    return getattr(torchvision.datasets, torchvision_name)


def fetch(torchvision_name: str, folder: str, root: Path, mirrors: list[str]) -> None:
    """Download, check and unpack into a hidden folder of `root`; then move what is complete.

    folder: what torchvision makes, below `root`. A file is moved by renaming it, so that a reader
    sees none of it or all of it.
    """
    downloader = _downloader(torchvision_name)
    # The same class, asking only the mirrors that answer.
    changes = {"mirrors": mirrors} if hasattr(downloader, "mirrors") else {"url": mirrors[0]}
    downloader = type(downloader.__name__, (downloader,), changes)
    _clear_leftovers(root, folder)
    with tempfile.TemporaryDirectory(
        prefix=f".{folder}-", dir=root, ignore_cleanup_errors=True
    ) as hidden:
        # torchvision draws a progress bar for each of its small files.
        with _stalling_fails(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            try:
                downloader(hidden, train=False, download=True)
            except RuntimeError as error:  # its words differ from version to version
                raise OSError(
                    f"the download broke off, or what came is not the data ({error})"
                ) from error
        for file in sorted(Path(hidden, folder).rglob("*")):
            if file.is_file() and file.suffix != ".gz":
                target = root / file.relative_to(hidden)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, target)


def _clear_leftovers(root: Path, folder: str) -> None:
    """Remove what a kernel left that was killed while it downloaded, a day ago or more."""
    for old in root.glob(f".{folder}-*"):
        if time.time() - old.stat().st_mtime > 24 * 3600:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _stalling_fails() -> Iterator[None]:
    """Give torchvision's connections a time limit; it sets none itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def one_kernel_at_a_time(path: Path, title: str) -> Iterator[None]:
    """Hold a lock on the file `path`; say so while waiting for another kernel to release it.

    The lock is on the open file, and not in the file's being there: when a kernel is killed, the
    system releases its lock, so that a stale one cannot be.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with open(path, "a+b") as file:
        waiting = False
        while not try_lock(file):
            if not waiting:
                print(f"Another kernel is downloading {title}; waiting for it ...", flush=True)
                waiting = True
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"another kernel has been downloading it for {_PATIENCE_SECONDS:g} seconds"
                )
            time.sleep(0.1)
        yield


def try_lock(file: BinaryIO) -> bool:
    """Lock an open file; False if another process holds it. Closing it, or dying, frees it."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks: go on, as if nobody else were there.
        return not (os.name == "nt" or isinstance(error, BlockingIOError))
    return True
