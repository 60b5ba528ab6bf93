"""Notebook 01's checks: right answers pass, each mistake is named, blanks are met gently."""

from __future__ import annotations

import answers_01 as answers
import pytest
import torch

from gan_course.exercises import evaluate, framework, get_exercise

IDS = list(answers.CORRECT)


def _cases(table: dict) -> list:
    return [
        pytest.param(id, *(case if len(case) == 2 and isinstance(case[1], str) else (case,)),
                     id=f"{id}-{name}")
        if isinstance(case, tuple)
        else pytest.param(id, case, id=f"{id}-{name}")
        for id, cases in table.items()
        for name, case in cases.items()
    ]  # fmt: skip


@pytest.mark.parametrize("id", IDS)
def test_the_reference_passes(id):
    result = evaluate(id, get_exercise(id).reference)
    assert result == framework.Result(True, True, None, "All checks passed.")


@pytest.mark.parametrize(("id", "answer"), _cases(answers.CORRECT))
def test_other_styles_pass(id, answer):
    result = evaluate(id, answer)
    assert result.passed, result.message


@pytest.mark.parametrize("id", IDS)
def test_there_are_enough_styles_and_surprises(id):
    assert len(answers.CORRECT[id]) >= 3
    assert len(answers.UNFORESEEN[id]) >= 3


@pytest.mark.parametrize(("id", "answer", "mistake"), _cases(answers.MUTANTS))
def test_each_mistake_is_named(id, answer, mistake):
    result = evaluate(id, answer)
    assert not result.passed
    assert result.mistake == mistake, result.message
    _assert_readable(result.message)


@pytest.mark.parametrize("id", IDS)
def test_every_promised_mistake_has_a_mutant(id):
    made = {mistake for _, mistake in answers.MUTANTS[id].values()}
    assert made == set(get_exercise(id).mistakes)


@pytest.mark.parametrize(("id", "answer", "words"), _cases(answers.UNFORESEEN))
def test_other_wrong_answers_get_a_hint(id, answer, words):
    result = evaluate(id, answer)
    assert result.attempted and not result.passed
    assert result.mistake is None, result.message
    assert words in result.message
    assert "could not make sense" not in result.message
    _assert_readable(result.message)


def _assert_readable(message: str) -> None:
    assert 40 < len(message) < 700
    assert message[0] == "`" or message[0].isupper()
    assert message[-1] in ".?)"
    assert "!" not in message


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("blank", [None, ..., answers.stub], ids=["none", "dots", "stub"])
def test_a_blank_is_gentle(id, blank):
    answer = (blank,) * 3 if id == "1.1" and callable(blank) else blank
    result = evaluate(id, answer)
    assert (result.passed, result.attempted, result.mistake) == (False, False, None)


def test_one_blank_among_three_is_still_waiting():
    for position in range(3):
        result = evaluate("1.1", answers._with(position, answers.stub))
        assert not result.passed and not result.attempted


@pytest.mark.parametrize("id", IDS)
def test_nothing_is_disturbed(id):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for answer in answers.CORRECT[id].values():
        evaluate(id, answer)
    assert torch.equal(torch.get_rng_state(), before)
