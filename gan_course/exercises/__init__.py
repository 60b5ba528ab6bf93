"""Exercises and their checks: one module a notebook (`nb02`, ...) on a small framework."""

from .framework import (
    Exercise,
    ExerciseError,
    Result,
    all_exercises,
    check,
    contracts_table,
    evaluate,
    get_exercise,
    summary,
)
