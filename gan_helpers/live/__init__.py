"""Widgets: the 2-D playground, knobs on a trained generator, slides of a training."""

from __future__ import annotations

import importlib
import os

from ..settings import in_notebook

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
    """Whether widgets make sense here: a notebook's kernel, and not `sync`.

    A kernel cannot know whether somebody is looking at it; batch tools (nbclient, nbval) set
    GAN_HELPERS_LIVE=sync, and without it their output holds an unused widget, nothing worse.
    """
    return in_notebook() and not runs_in_cell()


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
