"""Where a run happens and how long it takes: seeds, device, fast mode, data folder, notebook."""

import os
import random
import sys
import zlib
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

T = TypeVar("T")

_TRUE = {"1", "true", "yes", "on"}


def switch(name: str) -> bool:
    """True when the environment variable `name` is set to 1, true, yes or on."""
    return os.environ.get(name, "").strip().lower() in _TRUE


def is_fast() -> bool:
    """True when GAN_HELPERS_FAST=1 asks for shortened runs (tests, CI, a quick look)."""
    return switch("GAN_HELPERS_FAST")


def budget(full: T, fast: T) -> T:
    """The one place where a long run becomes a short one: `full`, or `fast` in fast mode."""
    return fast if is_fast() else full


def data_dir() -> Path:
    """The folder that data sets are read from and downloaded into.

    GAN_HELPERS_DATA if it is set (it may be shared and read-only), else `data/` beside the package
    when that is a checkout of the course, else `data/` in the working directory.
    """
    named = os.environ.get("GAN_HELPERS_DATA")
    if named:
        return Path(named).expanduser()
    checkout = Path(__file__).resolve().parent.parent
    return checkout / "data" if (checkout / "pyproject.toml").exists() else Path("data").resolve()


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """The device to run on: the one asked for, else cuda, else mps, else cpu.

    Raises ValueError if the device asked for is unknown or not available on this machine.
    """
    available = {"cpu": True}
    available["cuda"] = torch.cuda.is_available()
    available["mps"] = torch.backends.mps.is_available()
    if device is None:
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if available[name]))
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device!r} is not a device name; try 'cpu' or 'cuda'") from error
    if not available.get(chosen.type, False):
        have = ", ".join(name for name, there in available.items() if there)
        raise ValueError(f"device={device!r} is not available here; this machine has: {have}")
    return chosen


def set_seed(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global random state (all devices).

    Call it *before* networks are built: their initial weights come from this state.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def step_generator(seed: int, step: int, stream: str) -> torch.Generator:
    """A CPU random generator that is a function of (seed, step, stream) alone.

    Training draws its batches and its noise from such generators, so a resumed run, another thread
    or another process sees exactly the same stream, whatever happened before. `stream` names what
    is drawn ("latent", "batch", ...), so that two uses at one step are independent.
    """
    # crc32 mixes the three numbers into 32 bits; Python's own hash() changes with each process.
    key = zlib.crc32(f"{stream}/{seed}/{step}".encode())
    return torch.Generator().manual_seed((int(seed) << 32 ^ key) % 2**63)


def in_notebook() -> bool:
    """True in the kernel of a notebook, where more can be shown than text."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def runs_in_cell() -> bool:
    """True when GAN_HELPERS_LIVE=sync asks live parts to run inside the cell (tests)."""
    return os.environ.get("GAN_HELPERS_LIVE", "").strip().lower() == "sync"


def has_front_end() -> bool:
    """Whether widgets make sense here: a notebook's kernel, and not `sync`.

    A kernel cannot know whether somebody is looking at it; batch tools (nbclient, nbval) set
    GAN_HELPERS_LIVE=sync, and without it their output holds an unused widget, nothing worse.
    """
    return in_notebook() and not runs_in_cell()
