"""How answers of readers are recorded: `ANSWERS, right, wrong = recorder()`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial


def recorder() -> tuple[list, Callable, Callable]:
    """A list of (exercise, "right" or "wrong", label, answer, why, told), and what fills it.

    `@wrong("4.5", "a label", "what is wrong", told="words of the message")` stands above a function
    without arguments that returns the answer.
    """
    answers: list[tuple] = []

    def keep(kind: str, exercise: str, label: str, why: str, told: str = "") -> Callable:
        def record(make: Callable) -> None:
            answers.append((exercise, kind, label, make(), why, told))

        return record

    return answers, partial(keep, "right"), partial(keep, "wrong")
