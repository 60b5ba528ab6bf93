"""The sources of a solved notebook's cells, for the tests that run what its text claims."""

from __future__ import annotations

from pathlib import Path

from gan_course.release import read_notebook

SOLUTIONS = Path(__file__).resolve().parent.parent / "notebooks" / "solutions"


def cell_sources(name: str) -> dict[str, str]:
    """Cell id -> source, for the solved notebook `name`."""
    return {cell.id: cell.source for cell in read_notebook(SOLUTIONS / name).cells}
