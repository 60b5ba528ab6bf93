"""Comparisons: the same seeds and budget for all, nothing done twice, signs that mean something."""

import copy
import math

import numpy as np
import pytest
import torch
from kill_target import D, G, small_digits

import gan_helpers as gh
from gan_helpers import checkpoints, experiments, plotting
from gan_helpers.experiments import Comparison, RunResult, compare_runs, signs_of_convergence


@pytest.fixture(scope="module")
def digits():
    return small_digits()


def pair():
    return G(), D()


def louder_pair():
    networks = pair()
    with torch.no_grad():
        networks[0].net[0].weight.mul_(3)
    return networks


def brightness(run):
    return float(gh.generate(run, 16).mean()) + 1


TWO = {"plain": pair, "fast D": {"pair": pair, "lr": (2e-4, 1e-3)}}


def compare(digits, configurations=None, **settings):
    settings = {"steps": 12, "score": brightness, "seeds": (0, 1), "progress": False, **settings}
    settings.setdefault("looks", 3)
    return compare_runs(configurations or TWO, digits, **settings)


@pytest.fixture(scope="module")
def result(digits):
    return compare(digits)


def test_all_get_the_same_seeds_and_steps(result, digits):
    assert [(r.name, r.seed, r.steps) for r in result.results] == [
        ("plain", 0, 12), ("plain", 1, 12), ("fast D", 0, 12), ("fast D", 1, 12)
    ]  # fmt: skip
    assert [step for step, _ in result.results[0].scores] == [4, 8, 12]
    gh.set_seed(1)
    alone = gh.train(*pair(), digits, steps=12, seed=1, progress=False)
    assert alone.history == result.runs("plain")[1].history
    assert torch.equal(alone.snapshots[-1][1], result.runs("plain")[1].samples)


def test_the_table_has_means_and_intervals_over_seeds(result):
    one, other = (run.score for run in result.runs("plain"))
    mean, (low, high) = result.mean("plain")
    assert mean == pytest.approx((one + other) / 2)
    # Student's t with one degree of freedom; the standard error of two is half their distance.
    assert high - mean == pytest.approx(12.7062 * abs(one - other) / 2, rel=1e-4)
    table = result.table()
    assert "plain" in table and "fast D" in table and "brightness" in table
    assert f"{mean:.4g}" in table and "12 steps, seeds 0, 1; lower brightness" in table


def test_saved_and_read_back(result, tmp_path):
    result.save(tmp_path / "rules.pt")
    again = Comparison.load(tmp_path / "rules.pt")
    assert again.table() == result.table() and again.convergence() == result.convergence()
    assert torch.equal(again.results[0].samples, result.results[0].samples)
    checkpoints.write({"step": 1}, tmp_path / "other.pt")
    with pytest.raises(checkpoints.CheckpointError, match="no comparison"):
        Comparison.load(tmp_path / "other.pt")


def test_the_figure_and_its_words(result, monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "show", lambda fig, alt: shown.append((fig, alt)))
    result.show()
    (fig, alt), = shown  # fmt: skip
    assert len(fig.axes) == 2 + 2 and "plain ends at" in alt and "12 steps" in alt
    assert plotting.figure_png(fig)


def test_finished_runs_are_not_repeated_and_interrupted_ones_go_on(result, digits, tmp_path):
    calls = []

    def counted():
        def interrupt(run):
            calls.append(run.step)
            if len(calls) == 12 + 5:  # in the second run
                run.interrupted = True
                run.stop()

        return [interrupt]

    settings = {name: {"pair": pair, **(value if isinstance(value, dict) else {}),
                       "callbacks": counted} for name, value in TWO.items()}  # fmt: skip
    first = compare(digits, settings, folder=tmp_path)
    assert first.interrupted and len(first.results) == 1 and "Interrupted" in first.table()
    second = compare(digits, settings, folder=tmp_path)
    assert not second.interrupted and len(calls) == 4 * 12  # not one step twice
    for one, other in zip(second.results, result.results, strict=True):
        assert one.history == other.history and one.scores == other.scores
    third = compare(digits, settings, folder=tmp_path)
    assert len(calls) == 4 * 12 and third.table() == second.table()


@pytest.mark.parametrize(
    ("change", "word"),
    [({"steps": 14}, "steps"), ({"score": len}, "score"),
     ({"configurations": {"plain": {"pair": pair, "lr": 1e-3}}}, "lr"),
     ({"configurations": {"plain": louder_pair}}, "initial weights")],
)  # fmt: skip
def test_a_finished_run_with_other_settings_is_not_taken(digits, tmp_path, change, word):
    settings = {"configurations": {"plain": pair}, "seeds": (0,), "folder": tmp_path, "looks": 1}
    compare(digits, **settings)
    with pytest.raises(ValueError, match=f"other settings .*{word}"):
        compare(digits, **{**settings, **change})


def test_a_run_that_diverges_is_counted_and_the_others_go_on(digits):
    def break_it(run):
        if run.step == 5:
            with torch.no_grad():
                next(run.generator.parameters()).fill_(float("nan"))

    broken = {"plain": pair, "broken": {"pair": pair, "callbacks": lambda: [break_it]}}
    result = compare(digits, broken, seeds=(0,))
    assert result.runs("broken")[0].diverged and math.isnan(result.mean("broken")[0])
    assert "broken, seed 0: training diverged" in result.table() and "one seed" in result.table()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"configurations": {"x": "no such pair"}}, "'x' needs a pair"),
     ({"configurations": {"x": {"lr": 1}}}, "'x' needs a pair"),
     ({"configurations": {"a b": pair, "a-b": pair}, "folder": "somewhere"}, "too much alike")],
)  # fmt: skip
def test_what_cannot_be_compared(digits, settings, message):
    with pytest.raises(ValueError, match=message):
        compare(digits, **settings)


# --- the signs ------------------------------------------------------------------------------------


def fake_run(lead=0.2, drift=0.0, moved=0, alike=False, scores=((1, 10.0), (2, 10.1))):
    rng = np.random.default_rng(0)
    d_fake = np.full(400, 0.4)
    d_real = 0.4 + lead + rng.normal(0, 0.02, 400) + drift * np.linspace(0, 1, 400)
    history = {"step": [*range(400)], "d_real": d_real.tolist(), "d_fake": d_fake.tolist()}
    last = torch.from_numpy(rng.integers(0, 200, (64, 1, 8, 8)).astype(np.uint8))
    if alike:
        last = last[:1].expand(64, -1, -1, -1).clone()
    before = copy.deepcopy(last) + moved
    return RunResult("x", 0, 400, 1.0, history, list(scores), [(350, before), (400, last)])


def settled(**settings):
    return {sign.name: sign.settled for sign in fake_run(**settings).signs}


def test_a_run_at_rest_and_each_sign_alone():
    assert settled() == {"score": True, "losses": True, "samples": True}
    assert settled(scores=[(1, 20.0), (2, 15.0)])["score"] is False
    assert settled(drift=0.4)["losses"] is False
    assert settled(moved=50)["samples"] is False
    assert settled(alike=True)["samples"] is False
    won = fake_run(lead=0.55)
    won.history["d_fake"] = [0.0] * 400
    won.history["d_real"] = [min(1.0, value + 0.03) for value in won.history["d_real"]]
    assert [s.settled for s in won.signs if s.name == "losses"] == [False]


def test_each_sign_gives_its_number_in_words():
    score, losses, samples = fake_run(scores=[(300, 20.0), (400, 15.0)]).signs
    assert str(score) == "score: not settled, 20 at step 300 and 15 at step 400 (25%)"
    assert "third quarter" in losses.text and "of its spread" in losses.text
    assert "from step 350 to 400 the same noise moved by 0%" in samples.text


def test_a_training_run_has_signs_too(digits):
    gh.set_seed(0)
    run = gh.train(*pair(), digits, steps=9, progress=False)
    assert [sign.name for sign in signs_of_convergence(run)] == ["losses", "samples"]
    assert experiments.signs_of_convergence(run, [(4, 1.0)])[0].name == "losses"
