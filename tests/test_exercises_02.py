"""What only notebook 02's checks have; its answers are tried in `test_answers`."""

from __future__ import annotations

import answers_02 as answers
import pytest
import torch

from gan_course.exercises import evaluate, framework, get_exercise
from gan_course.exercises.loops import need_good_noise
from gan_course.exercises.nb02 import make_optimizers
from gan_course.exercises.nb02_loops import CLINIC_BUGS, clinic_source
from gan_course.exercises.steps import LATENT, Watch
from gan_course.exercises.verdicts import assess_step
from gan_helpers.losses import OBJECTIVES, get_objective
from gan_helpers.training import train

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
        losses[name].append(assess_step(watch, step, name, objective=get_objective(objective)))
    assert losses["D"][d_steps - 1 :: d_steps] == pytest.approx(run.history["d_loss"], rel=1e-3)
    assert losses["G"] == pytest.approx(run.history["g_loss"], rel=1e-3)
    need_good_noise(watch)


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


def test_a_loop_must_fit_the_discriminator_in_use(monkeypatch):
    """A loop for (N, 1) alone is right, but would stop a notebook whose D gives (N,)."""
    change = ("torch.ones_like(real_logits)", "torch.ones(128, 1)")
    loop = answers.PlantedBug(answers.LOOP, change)
    assert evaluate("2.6", loop).passed
    monkeypatch.setitem(framework._in_use, "2.2", get_exercise("2.2").reference)
    result = evaluate("2.6", loop)
    assert not result.passed and "shape of the logits" in result.message
    monkeypatch.setitem(framework._in_use, "2.2", answers.LayeredDiscriminator)
    assert evaluate("2.6", loop).passed


def test_the_notebook_s_own_networks_are_left_alone():
    before = [p.clone() for p in (*answers.own_G.parameters(), *answers.own_D.parameters())]
    state = {k: dict(v) for k, v in answers.own_d_optimizer.state.items()}
    evaluate("2.4", answers.d_global_networks)
    evaluate("2.5", answers.g_globals)
    after = [*answers.own_G.parameters(), *answers.own_D.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is None for p in after)
    assert answers.own_d_optimizer.state == state
