"""Widgets: the 2-D playground, knobs on a trained generator, slides of a training."""

from __future__ import annotations

import importlib
import os

_EXPORTS = {
    "moments": ["Slides", "slides"],
    "steering": ["Playground", "playground"],
    "turning": ["Knobs", "knobs"],
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = sorted([*_HOME, "has_front_end", "runs_in_cell"])


def runs_in_cell() -> bool:
    """True when GAN_HELPERS_LIVE=sync asks live parts to run inside the cell (tests)."""
    return os.environ.get("GAN_HELPERS_LIVE", "").strip().lower() == "sync"


def has_front_end() -> bool:
    """Whether widgets make sense here: a notebook kernel, ipywidgets installed, not `sync`.

    A kernel cannot know whether somebody is looking at it; batch tools (nbclient, nbval) set
    GAN_HELPERS_LIVE=sync, and without it their output holds an unused widget, nothing worse.
    """
    if runs_in_cell():
        return False
    try:
        import ipywidgets  # noqa: F401
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
