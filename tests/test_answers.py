"""Every notebook's checks: right answers pass, each mistake is named, blanks are met gently.

The answers stand in `answers_NN.py`, in three tables by exercise:

CORRECT[id]    {name: answer}: must pass.
MUTANTS[id]    {name: (answer, mistake)}: must be rejected, and by exactly this name.
UNFORESEEN[id] {name: (answer, words)}: wrong in a way without a name; the message holds the words.

and, where a notebook needs them, UNMADE[id], the promised mistakes that have no answer here, and
BLANKS[id] {name: answer}, stubs of their own.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

from gan_course.exercises import all_exercises, evaluate, framework, get_exercise
from gan_course.exercises.nb06 import GENERATORS

PATHS = sorted(Path(__file__).parent.glob("answers_*.py"))
BOOKS = [importlib.import_module(path.stem) for path in PATHS]
IDS = [id for book in BOOKS for id in book.CORRECT]


def stub(*_, **__):
    raise NotImplementedError("write this part")


def cases(table: str, split: bool = True) -> list:
    return [
        pytest.param(id, *(case if split else (case,)), id=f"{id}-{name}")
        for book in BOOKS
        for id, answers in getattr(book, table, {}).items()
        for name, case in answers.items()
    ]


def of(table: str, id: str, default: object = ()) -> object:
    found = [getattr(book, table, {}).get(id) for book in BOOKS]
    return next((answers for answers in found if answers is not None), default)


def assert_readable(message: str) -> None:
    assert 40 < len(message) < 700
    assert message[0] == "`" or message[0].isupper() or message[0].isdigit()
    assert message[-1] in ".?)"
    assert "!" not in message
    assert "could not make sense" not in message
    assert "1.00 times" not in message and "cosine 1.00" not in message


def test_every_exercise_with_a_check_has_answers():
    assert {found.id for found in all_exercises()} == set(IDS)


@pytest.mark.parametrize("id", IDS)
def test_the_reference_passes(id):
    result = evaluate(id, get_exercise(id).reference)
    assert result == framework.Result(True, True, None, "All checks passed.")


@pytest.mark.parametrize(("id", "answer"), cases("CORRECT", split=False))
def test_other_styles_pass(id, answer):
    result = evaluate(id, answer)
    assert result.passed, result.message


@pytest.mark.parametrize("id", IDS)
def test_there_are_enough_styles_and_surprises(id):
    assert len(of("CORRECT", id)) >= 3
    assert len(of("UNFORESEEN", id)) >= 3


@pytest.mark.parametrize(("id", "answer", "mistake"), cases("MUTANTS"))
def test_each_mistake_is_named(id, answer, mistake):
    result = evaluate(id, answer)
    assert not result.passed
    assert result.mistake == mistake, result.message
    assert_readable(result.message)


@pytest.mark.parametrize("id", IDS)
def test_every_promised_mistake_has_a_mutant(id):
    made = {mistake for _, mistake in of("MUTANTS", id, {}).values()}
    assert made | set(of("UNMADE", id)) == set(get_exercise(id).mistakes)


@pytest.mark.parametrize(("id", "answer", "words"), cases("UNFORESEEN"))
def test_other_wrong_answers_get_a_hint(id, answer, words):
    result = evaluate(id, answer)
    assert result.attempted and not result.passed
    assert result.mistake is None, result.message
    assert words in result.message
    assert_readable(result.message)


def blanks():
    """Each exercise with None, ... and a stub; a class is blank in its methods, see BLANKS."""
    for id in IDS:
        yield id, None
        yield id, ...
        if get_exercise(id).kind != "class":
            yield id, stub


@pytest.mark.parametrize(("id", "blank"), list(blanks()))
def test_a_blank_is_gentle(id, blank):
    several = id == "1.1" and blank is stub
    result = evaluate(id, (blank,) * 3 if several else blank)
    assert (result.passed, result.attempted, result.mistake) == (False, False, None)
    assert result.message.startswith("This one is waiting for your answer")


@pytest.mark.parametrize(("id", "answer"), cases("BLANKS", split=False))
def test_a_notebook_s_own_blanks_are_gentle(id, answer):
    result = evaluate(id, answer)
    assert (result.passed, result.attempted, result.mistake) == (False, False, None)


@pytest.mark.parametrize("id", [id for id in IDS if not id.startswith("2.")])
def test_nothing_is_disturbed(id):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for answer in of("CORRECT", id).values():
        evaluate(id, answer)
    assert torch.equal(torch.get_rng_state(), before)


# --- what only one notebook has ------------------------------------------------------------------


@pytest.mark.parametrize("position", range(3))
def test_one_blank_among_three_is_still_waiting(position):
    functions = list(get_exercise("1.1").reference)
    functions[position] = stub
    result = evaluate("1.1", tuple(functions))
    assert not result.passed and not result.attempted


def test_predictions_name_the_six_generators():
    for order in get_exercise("6.6").reference():
        assert sorted(order) == sorted(GENERATORS)


@pytest.mark.parametrize("id", ["6.2", "6.8"])
def test_a_range_is_only_blamed_with_the_values_that_were_wrong(id):
    for answer, mistake in of("MUTANTS", id).values():
        message = evaluate(id, answer).message
        assert mistake != "fid-range" or "values from -1 to 1." not in message


def test_the_check_of_the_parts_does_not_depend_on_the_shuffle():
    score = importlib.import_module("answers_06").is_entropies
    for seed in range(40):

        def answer(logits, splits=10, seed=seed):
            order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(seed))
            return score(logits[order], splits)

        assert evaluate("6.1", answer).passed


def test_a_library_that_gives_up_gets_the_same_words_as_one_that_returns_nan():
    """Some versions raise where others return nan; the reader sees neither."""

    def gives_up(mean_r, cov_r, mean_g, cov_g):
        if torch.linalg.matrix_rank(cov_r, rtol=1e-9) < len(cov_r):
            raise torch.linalg.LinAlgError("eigvalsh: an illegal value in argument 3")
        return get_exercise("6.3").reference(mean_r, cov_r, mean_g, cov_g)

    def gives_nan(*statistics):
        try:
            return gives_up(*statistics)
        except torch.linalg.LinAlgError:
            return float("nan")

    assert evaluate("6.3", gives_up) == evaluate("6.3", gives_nan)
    assert "rank 1" in evaluate("6.3", gives_up).message
