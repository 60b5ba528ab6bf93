"""Answers in the styles of many readers: the right ones pass, the wrong ones get a plain message.

They stand in `fresh_answers_NN.py`: ANSWERS holds (exercise, "right" or "wrong", label, answer,
what is right or wrong about it, and perhaps words that the message should have).
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from gan_course.exercises import evaluate

PATHS = sorted(Path(__file__).parent.glob("fresh_answers_*.py"))
BOOKS = [importlib.import_module(path.stem) for path in PATHS]
CASES = [
    pytest.param(id, kind == "right", answer, why, *(told or [""]), id=f"{id}-{kind}-{label}")
    for book in BOOKS
    for id, kind, label, answer, why, *told in book.ANSWERS
]


@pytest.mark.parametrize(("id", "right", "answer", "why", "told"), CASES)
def test_right_answers_pass_and_wrong_ones_are_told_how_they_differ(id, right, answer, why, told):
    result = evaluate(id, answer)
    assert result.passed == right, f"{why}: {result.message}"
    if right:
        return
    assert result.attempted
    assert told in result.message
    assert "1.00 times" not in result.message and "cosine" not in result.message
    if "nan" not in why:
        assert "nan" not in result.message.lower().split()
