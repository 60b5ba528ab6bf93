"""The sources of a solved notebook's cells, for the tests that run what its text claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gan_course.release import read_notebook

SOLUTIONS = Path(__file__).resolve().parent.parent / "notebooks" / "solutions"


def cell_sources(name: str) -> dict[str, str]:
    """Cell id -> source, for the solved notebook `name`."""
    return {cell.id: cell.source for cell in read_notebook(SOLUTIONS / name).cells}


@contextmanager
def namespace(
    name: str,
    cells: Iterable[str],
    data: Path | None = None,
    *,
    before: dict[str, Callable[[dict], None]] | None = None,
    edit: dict[str, Callable[[str], str]] | None = None,
) -> Iterator[dict]:
    """The names of the solved notebook `name` after these cells have run, in fast mode.

    Fast mode stays on until the end of the `with`. data: the folder of data sets. before: cell id
    -> what to do with the names first; edit: cell id -> its source changed.
    """
    sources, names = cell_sources(name), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_HELPERS_FAST", "1")
        if data is not None:
            patch.setenv("GAN_HELPERS_DATA", str(data))
        for cell in cells:
            if before and cell in before:
                before[cell](names)
            source = edit[cell](sources[cell]) if edit and cell in edit else sources[cell]
            exec(compile(source, f"{name}:{cell}", "exec"), names)
        yield names
