"""Notebook 02's checks: right answers pass, each mistake is named, blanks are met gently."""

from __future__ import annotations

import answers_02 as answers
import pytest
import torch
from torch import nn

from gan_course.exercises import evaluate, framework, get_exercise
from gan_course.exercises.nb02 import CLINIC_BUGS, clinic_source, make_optimizers
from gan_course.exercises.steps import LATENT, Watch
from gan_course.exercises.verdicts import judge_noise, judge_step
from gan_helpers.losses import OBJECTIVES, get_objective
from gan_helpers.training import train

IDS = ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.11"]


def _cases(table: dict) -> list:
    return [
        pytest.param(id, *(case if isinstance(case, tuple) else (case,)), id=f"{id}-{name}")
        for id, cases in table.items()
        for name, case in cases.items()
    ]


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
    # The clinic's loop has no d_steps, and its networks are tested with 2.6's mutants.
    made = {mistake for _, mistake in answers.MUTANTS[id].values()}
    missing = set(get_exercise(id).mistakes) - made
    assert missing <= ({"loop-d-steps-inverted", "step-globals"} if id == "2.11" else set())


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
    assert message[0] in "`" or message[0].isupper()
    assert message[-1] in ".?)"
    assert "!" not in message


# --- blanks --------------------------------------------------------------------------------------


class BlankForward(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Linear(latent_dim, 784)

    def forward(self, z):
        raise NotImplementedError("Exercise 2.1: write this part")


class BlankInit(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        raise NotImplementedError


def blank(*arguments, **options):
    raise NotImplementedError("Exercise: write this part")


def half_done(G, D, d_optimizer, real, latent_dim):
    d_optimizer.zero_grad()
    D(real)
    raise NotImplementedError


@pytest.mark.parametrize(
    ("id", "answer"),
    [("2.1", BlankForward), ("2.2", BlankInit), ("2.4", half_done)]
    + [(id, blank) for id in ("2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.11")]
    + [(id, None) for id in IDS],
)
def test_a_blank_is_met_gently(id, answer):
    result = evaluate(id, answer)
    assert (result.passed, result.attempted, result.mistake) == (False, False, None)
    assert result.message.startswith("This one is waiting for your answer")


# --- the clinic ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bugs", answers.CLINIC_COMBINATIONS, ids="+".join)
def test_the_clinic_names_one_of_the_bugs_that_are_left(bugs):
    result = evaluate("2.11", answers.PlantedBug(clinic_source(bugs)))
    assert not result.passed
    assert result.mistake in bugs, result.message


def test_the_clinic_can_be_cured_bug_by_bug():
    """Curing whatever is named, one after the other, ends in a healthy script."""
    bugs = list(CLINIC_BUGS)
    while bugs:
        result = evaluate("2.11", answers.PlantedBug(clinic_source(bugs)))
        bugs.remove(result.mistake)
    assert evaluate("2.11", answers.PlantedBug(clinic_source(bugs))).passed


def test_the_clinic_s_bugs_raise_nothing():
    """The script that the notebook shows runs to its end on ordinary networks."""
    from gan_helpers.datasets import load_dataset
    from gan_helpers.models import MLPDiscriminator, MLPGenerator

    script = answers.PlantedBug(clinic_source())
    dataset = load_dataset("digits", split="test").subset(n=300)
    history = script(MLPGenerator(), MLPDiscriminator(), dataset, 3, snapshot_every=2)
    assert len(history["d_loss"]) == 3 and len(history["snapshots"]) == 2


# --- the watch -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objective", "shape", "classes", "d_steps"),
    [(name, (1, 28, 28), None, 1) for name in OBJECTIVES]
    + [("hinge", (3, 16, 16), None, 2), ("non-saturating", (3, 16, 16), 10, 3)],
)
def test_the_watch_accounts_for_the_course_s_own_training(objective, shape, classes, d_steps):
    watch = Watch(shape=shape, classes=classes)
    with watch.on():
        run = train(
            watch.G, watch.D, watch.data, steps=2, objective=objective, d_steps=d_steps,
            batch_size=32, latent_dim=LATENT, conditional=classes is not None, progress=False,
            snapshots=1, device="cpu",
        )  # fmt: skip
    assert [sorted(step.networks) for step in watch.steps] == ([["D"]] * d_steps + [["G"]]) * 2
    losses = {"D": [], "G": []}
    for step in watch.steps:
        (name,) = step.networks
        losses[name].append(judge_step(watch, step, name, objective=get_objective(objective)))
    assert losses["D"][d_steps - 1 :: d_steps] == pytest.approx(run.history["d_loss"], rel=1e-3)
    assert losses["G"] == pytest.approx(run.history["g_loss"], rel=1e-3)
    judge_noise(watch)


def test_an_answer_to_the_older_contract_of_2_6_takes_optimisers_too(monkeypatch, capsys):
    monkeypatch.setattr(framework, "_status", {})
    monkeypatch.setattr(framework, "_in_use", {})
    loop = framework.check("2.6", answers.CORRECT["2.6"]["plain"])
    capsys.readouterr()
    watch = Watch()
    history = loop(
        watch.G, watch.D, watch.data, 1, LATENT, optimizers=make_optimizers(watch.G, watch.D)
    )
    assert len(history["d_loss"]) == 1


# --- D's shape in this session -------------------------------------------------------------------


def test_a_step_must_fit_the_discriminator_in_use(monkeypatch):
    """An answer for (N, 1) alone is right, but would stop a notebook whose D gives (N,)."""
    assert evaluate("2.4", answers.d_only_column).passed
    monkeypatch.setitem(framework._in_use, "2.2", get_exercise("2.2").reference)
    result = evaluate("2.4", answers.d_only_column)
    assert not result.passed and "shape of the logits" in result.message
    monkeypatch.setitem(framework._in_use, "2.2", answers.LayeredDiscriminator)
    assert evaluate("2.4", answers.d_only_column).passed


def test_the_notebook_s_own_networks_are_left_alone():
    before = [p.clone() for p in (*answers.own_G.parameters(), *answers.own_D.parameters())]
    state = {k: dict(v) for k, v in answers.own_d_optimizer.state.items()}
    evaluate("2.4", answers.d_global_networks)
    evaluate("2.5", answers.g_globals)
    after = [*answers.own_G.parameters(), *answers.own_D.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is None for p in after)
    assert answers.own_d_optimizer.state == state
