"""gan_course: what makes the notebooks a course. Use it as `import gan_course as course`.

Exercises that are checked at once, predictions and quizzes, the minutes and the release of the
students' notebooks; and what a single lesson needs: the cases, charts, slides, diagnosis and ward
of notebook 04, the knobs of 05, the table of scores of 06. What the notebooks compute with is in
`gan_helpers`, which does not know of this package.
"""

from __future__ import annotations

import importlib

from .kernel import watch_cells

# Public name -> module that holds it; loaded when first used.
_EXPORTS = {
    "quiz": ["outcome", "predict", "predictions_report", "question", "verdict"],
    "exercises": ["check", "summary"],
    "scores": ["model_scores"],
    "charts": ["plot_instruments"],
    "diagnosis": ["diagnose"],
    "moments": ["Slides", "slides"],
    "turning": ["Knobs", "knobs"],
}
_MODULES = [*_EXPORTS, "detectors", "failures", "minutes", "release", "run", "ward"]
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = sorted({*_HOME, *_MODULES})


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


watch_cells()
