"""Notebook 06's checks: right answers pass, each mistake is named, blanks are met gently."""

from __future__ import annotations

import answers_06 as answers
import pytest
import torch

from gan_course.exercises import evaluate, get_exercise
from gan_course.exercises.nb06 import GENERATORS

IDS = list(answers.CORRECT)


def _cases(table: dict) -> list:
    return [
        pytest.param(id, *(case if isinstance(case, tuple) else (case,)), id=f"{id}-{number}")
        for id, cases in table.items()
        for number, case in enumerate(cases)
    ]


@pytest.mark.parametrize("id", IDS)
def test_the_reference_passes(id):
    result = evaluate(id, get_exercise(id).reference)
    assert result.passed, result.message


@pytest.mark.parametrize(("id", "answer"), _cases(answers.CORRECT))
def test_other_styles_pass(id, answer):
    result = evaluate(id, answer)
    assert result.passed, result.message


@pytest.mark.parametrize("id", IDS)
def test_there_are_enough_styles(id):
    assert len(answers.CORRECT[id]) >= 3


@pytest.mark.parametrize(("id", "answer", "mistake"), _cases(answers.MUTANTS))
def test_each_mistake_is_named(id, answer, mistake):
    result = evaluate(id, answer)
    assert not result.passed
    assert result.mistake == mistake, result.message
    assert 1 <= result.message.count(". ") + 1 <= 4


@pytest.mark.parametrize("id", IDS)
def test_every_promised_mistake_has_a_mutant(id):
    assert {name for _, name in answers.MUTANTS[id]} == set(get_exercise(id).mistakes)


@pytest.mark.parametrize(("id", "answer", "words"), _cases(answers.UNFORESEEN))
def test_other_wrong_answers_get_a_hint(id, answer, words):
    result = evaluate(id, answer)
    assert not result.passed
    assert result.mistake is None, result.message
    assert words in result.message


def _blank(*_args, **_options):
    raise NotImplementedError("write this part")


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("blank", [None, _blank], ids=["none", "stub"])
def test_a_blank_is_gentle(id, blank):
    result = evaluate(id, blank)
    assert (result.passed, result.attempted, result.mistake) == (False, False, None)


@pytest.mark.parametrize("id", IDS)
def test_nothing_is_disturbed(id):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for answer in answers.CORRECT[id]:
        evaluate(id, answer)
    assert torch.equal(torch.get_rng_state(), before)


def test_predictions_name_the_six_generators():
    assert sorted(answers.NAMES) == sorted(GENERATORS)
    for order in get_exercise("6.6").reference():
        assert sorted(order) == sorted(GENERATORS)


@pytest.mark.parametrize("id", ["6.2", "6.8"])
def test_a_range_is_only_blamed_with_the_values_that_were_wrong(id):
    for answer, mistake in answers.MUTANTS[id]:
        message = evaluate(id, answer).message
        assert mistake != "fid-range" or "values from -1 to 1." not in message


def test_the_check_of_the_parts_does_not_depend_on_the_shuffle():
    for seed in range(40):

        def answer(logits, splits=10, seed=seed):
            order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(seed))
            return answers.is_entropies(logits[order], splits)

        assert evaluate("6.1", answer).passed
