"""What notebook 01 says, measured over seeds. The functions are the notebook's own, from its cells.

The quick tests run always; those that train many GANs are marked slow. What is said about orbits
and radii is in test_toys.py.
"""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import gan_helpers as gh

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SOLVED = NOTEBOOKS / "solutions" / "01_theory.ipynb"
# Definitions, and the few lines between them that run; in fast mode these take seconds.
CELLS = [
    *["setup", "game-networks", "game-arrows", "court-1-run", "exercise-1-1", "exercise-1-2"],
    *["optimal-densities", "optimal-train", "exercise-1-3", "value-jsd-verify", "frozen-run"],
    *["what-is-followed-verify", "court-3-theory", "court-3-runs", "bias-run"],
]


@pytest.fixture(scope="module")
def notebook():
    """The namespace of the notebook after its defining cells have run, in fast mode."""
    cells = json.loads(SOLVED.read_text(encoding="utf-8"))["cells"]
    sources = {cell["id"]: "".join(cell["source"]) for cell in cells}
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_HELPERS_FAST", "1")
        for cell in CELLS:
            if cell == "value-jsd-verify":
                names["ratio"] = (names["p_data"] / names["p_g"]).log()
            exec(compile(sources[cell], f"{SOLVED.name}:{cell}", "exec"), names)
        yield names


def test_the_picture_is_the_same_in_both_folders():
    one, other = (folder / "images" / "game.svg" for folder in (NOTEBOOKS, SOLVED.parent))
    assert one.read_bytes() == other.read_bytes()


# ---------------------------------------------------------------------------- sections 1 to 3
@pytest.mark.parametrize("seed", [1000, 1001, 1002])
def test_the_gradient_of_g_does_not_depend_on_the_real_batch_and_passes_through_its_samples(
    notebook, seed
):
    gh.set_seed(seed)
    G, D, z = notebook["network"](2, 2), notebook["network"](2, 1), torch.randn(40, 2)

    def gradient(real):
        value = F.logsigmoid(D(real)).mean() + F.logsigmoid(-D(G(z))).mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(G.parameters()))])

    one, other = gradient(torch.randn(256, 2)), gradient(5 + 3 * torch.randn(256, 2))
    assert torch.equal(one, other)
    fake = G(z).detach().requires_grad_(True)
    (arrows,) = torch.autograd.grad(F.logsigmoid(-D(fake)).mean(), fake)
    through = torch.autograd.grad(G(z), list(G.parameters()), grad_outputs=arrows)
    torch.testing.assert_close(torch.cat([g.flatten() for g in through]), one)


@pytest.mark.parametrize("seed", [1000, 1001])
def test_a_trained_d_is_the_optimal_one_where_samples_land_and_wrong_where_none_do(notebook, seed):
    logits = notebook["train_on_line"](seed, steps=600)
    seen = (notebook["p_data"] + notebook["p_g"]) > 2e-3
    best = notebook["best"]
    assert (logits.sigmoid() - best).abs()[seen].max() < 0.1
    assert best[notebook["left"]] < 0.01 and logits.sigmoid()[notebook["left"]] > 0.9
    value = notebook["value"]
    at_best = value(notebook["ratio"], notebook["p_data"], notebook["p_g"])
    jsd = gh.toys.js_divergence(notebook["p_data"], notebook["p_g"], notebook["dx"])
    assert at_best == pytest.approx(-math.log(4) + 2 * jsd, abs=1e-4)
    assert at_best - 0.01 < value(logits, notebook["p_data"], notebook["p_g"]) < at_best


def test_the_equilibrium_is_a_maximum_for_d_and_flat_for_g(notebook):
    value, x = notebook["value"], notebook["x"]
    same = gh.toys.gaussian_density(x, 0.0, 1.0)
    half = torch.zeros_like(x)
    for shift in (-1.0, 0.3, 2.0):
        moved = gh.toys.gaussian_density(x, shift, 1.0)
        assert value(half, same, moved) == pytest.approx(-math.log(4), abs=1e-6)
        assert value((same / moved).log(), same, moved) > -math.log(4) + 1e-3
        assert value(shift * torch.sin(x), same, same) < -math.log(4) - 1e-3


# ---------------------------------------------------------------------------- section 4
def test_the_saturating_gradient_falls_behind_as_d_gets_better(notebook):
    for seed in (1000, 1001):
        rows = np.array(notebook["watch_frozen_generator"](seed, checks=8, between=50))
        assert rows[0, 0] == pytest.approx(rows[0, 1], rel=0.3)  # equal at the start
        assert rows[-1, 1] / rows[-1, 0] > 10
        assert rows[-1, 1] > rows[0, 1]


def test_what_g_follows_with_a_perfect_d(notebook, capsys):
    cells = json.loads(SOLVED.read_text(encoding="utf-8"))["cells"]
    source = next(cell["source"] for cell in cells if cell["id"] == "what-is-followed-verify")
    exec("".join(source), notebook)
    for row in capsys.readouterr().out.splitlines()[1:]:
        _, saturating, jsd2, other, kl_minus = map(float, row.split())
        assert saturating == pytest.approx(jsd2, abs=2e-6)
        assert other == pytest.approx(kl_minus, abs=2e-6)


def test_with_a_perfect_d_the_start_and_the_loss_decide_together(notebook):
    play = notebook["play_with_perfect_D"]
    ends = {
        (start, kind): play(kind, *start, steps=1000)
        for start in [(0.3, 2.0), (0.3, 0.5), (2.5, 0.4)]
        for kind in (False, True)
    }
    covers = {key: abs(mean) < 0.2 and width > 1.5 for key, (mean, width) in ends.items()}
    settles = {key: abs(mean - 2) < 0.2 and width < 0.6 for key, (mean, width) in ends.items()}
    assert covers[(0.3, 2.0), False] and covers[(0.3, 2.0), True]
    assert covers[(0.3, 0.5), False] and settles[(0.3, 0.5), True]
    assert settles[(2.5, 0.4), False] and settles[(2.5, 0.4), True]


# ---------------------------------------------------------------------------- section 5, over seeds
TEN = list(range(1010, 1020))  # not the ten that the notebook shows


def last(run):
    _, modes, share = run[1][-1]
    return modes, share


@pytest.mark.slow
def test_both_losses_cover_the_ring_and_exchanged_rates_collapse(notebook):
    train = notebook["train_toys"]
    healthy = train(1500, seeds=TEN)
    for run in (healthy, train(1500, seeds=TEN, objective="minimax")):
        modes, share = last(run)
        assert (modes >= 7).sum() >= 8 and modes.median() == 8 and share.median() > 0.65
    for objective in ("minimax", "non-saturating"):
        modes, _ = last(train(1500, seeds=TEN, objective=objective, lr=(3e-3, 1e-3)))
        assert modes.max() <= 3 and modes.median() <= 1
    # The same rates, but only from step 1,500 on.
    later = copy.deepcopy(healthy[0])
    later.lr = (3e-3, 1e-3)
    for _ in range(1000):
        later.step()
    modes, share = gh.toys.coverage(later.sample(1000), later.target)
    assert (modes >= 7).sum() >= 8
    assert share.mean() > last(healthy)[1].mean()


@pytest.mark.slow
def test_a_slow_d_says_one_half_and_no_more_than_two_modes_are_covered(notebook):
    gan, history = notebook["train_toys"](1000, seeds=TEN, lr=(1e-3, 1e-4))
    healthy, _ = notebook["train_toys"](1500, seeds=TEN)
    assert history[-1][1].max() <= 2

    def distance_from_half(pair):
        seen = (pair.target.sample(2000), pair.sample(2000))
        return max((pair.logits(x).sigmoid().mean(1) - 0.5).abs().max() for x in seen)

    assert distance_from_half(gan) < distance_from_half(healthy) < 0.15


@pytest.mark.slow
def test_a_rare_group_is_rarer_among_the_samples(notebook):
    gan, _ = notebook["train_toys"](1500, seeds=TEN, target=notebook["skewed"])
    shares = notebook["share_of_first"](gan.sample(5000))
    assert (shares < 0.02).all()
    assert shares.mean() < 0.012


@pytest.mark.slow
def test_r1_costs_sharpness_on_the_ring_at_equal_steps(notebook):
    plain, with_r1 = (last(notebook["train_toys"](1000, seeds=TEN, r1=r1))[1] for r1 in (0.0, 1.0))
    assert plain.median() > with_r1.median() + 0.1
