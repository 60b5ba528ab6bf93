"""What notebook 01 says, measured over seeds. The functions are the notebook's own, from its cells.

The quick tests run always; those that train many GANs are marked slow. What is said about orbits
and radii is in test_games.py.
"""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from cells import cell_sources, namespace
from torch.nn import functional as F

import gan_helpers as gh
from gan_helpers.live.plane import Plane, Settings

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SOLVED = NOTEBOOKS / "solutions" / "01_theory.ipynb"
# Definitions, and the few lines between them that run; in fast mode these take seconds.
CELLS = [
    *["setup", "game-networks", "game-arrows", "game-arrows-nearest"],
    *["game-arrows-suffice", "court-1-run"],
    *["exercise-1-1", "exercise-1-2", "optimal-densities", "optimal-train", "value-jsd-verify"],
    *[
        "frozen-run",
        "train-toys",
        "collapse-run",
        "later-run",
        "exercise-1-3",
        "what-is-followed-verify",
    ],
    *["court-3-theory", "bilinear-run", "bias-run"],
]


@pytest.fixture(scope="module")
def notebook():
    """The namespace of the notebook after its defining cells have run, in fast mode."""

    def points(names: dict) -> None:
        names |= {"real": names["ring"].sample(200), "points": names["fake"].detach()}

    def one_seed(names: dict) -> None:
        names["ratio"] = (names["p_data"] / names["p_g"]).log()
        names["logits"] = names["logits"][:1]

    before = {"game-arrows-nearest": points, "value-jsd-verify": one_seed}
    with namespace(SOLVED.name, CELLS, before=before) as names:
        yield names


def test_the_pictures_are_the_same_in_both_folders():
    one, other = (
        {path.name: path.read_bytes() for path in (folder / "images").iterdir()}
        for folder in (NOTEBOOKS, SOLVED.parent)
    )
    assert one == other and {"d_step.svg", "g_step.svg"} <= one.keys()


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


@pytest.fixture(scope="module", params=[1000, 1010])
def critics(request, notebook):
    """Case 1 for ten seeds: an untaught critic, two taught by the ring, one by a corner."""
    seeds = list(range(request.param, request.param + 10))
    corner = gh.synthetic.Mixture(torch.tensor([[2.0, 2.0]]), sigma=0.3)
    first = gh.toys.ToyGAN(notebook["ring"], seeds=seeds, hidden=32, latent_dim=2, lr=1e-3)
    untaught, second, third = (copy.deepcopy(first) for _ in range(3))
    second.renew_discriminator("another critic")
    third.renew_discriminator("a third critic")
    third.target = corner
    for critic in (first, second, third):
        for _ in range(300):
            critic.d_step()
    gh.set_seed(request.param)
    places = 0.6 * torch.randn(10, 200, 2)
    return [critic.pull(places) for critic in (untaught, first, second, third)], places


@pytest.mark.slow
def test_critics_of_the_same_data_agree_and_critics_of_different_data_do_not(critics):
    (_, first, second, third), _ = critics
    same, different = (
        F.cosine_similarity(first.flatten(1), pull.flatten(1)) for pull in (second, third)
    )
    assert same.min() > 0.75 and different.max() < 0.6


@pytest.mark.slow
def test_arrows_of_a_taught_d_hit_more_often_than_chance_and_miss_more_often_than_not(
    notebook, critics
):
    (untaught, first, *_), places = critics
    real = notebook["ring"].sample(200)
    taught, by_chance = (
        notebook["share_of_hits"](pull, places, real).mean() for pull in (first, untaught)
    )
    assert by_chance == pytest.approx(50 / 360, abs=0.06)
    assert 1.5 * 50 / 360 < taught < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1000, 1001, 1002, 1010, 1011])
def test_arrows_at_the_samples_hit_more_often_than_chance_and_many_miss(notebook, seed):
    gh.set_seed(seed)
    G, D, ring = torch.nn.Linear(2, 2), notebook["network"](2, 1), notebook["ring"]
    notebook["train_discriminator"](D, G, ring, steps=300)
    points = G(torch.randn(200, 2)).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(F.softplus(-D(points)).mean(), points)
    hits = notebook["share_of_hits"](-slope, points.detach(), ring.sample(200))
    assert 0.2 < hits < 0.8


@pytest.mark.parametrize("seed", [1000, 1001, 1002, 1003, 1004])
def test_a_trained_d_is_the_optimal_one_where_samples_land_and_wrong_where_none_do(notebook, seed):
    logits = notebook["train_on_line"](seed, steps=600)
    seen = (notebook["p_data"] + notebook["p_g"]) > 2e-3
    best = notebook["best"]
    assert (logits.sigmoid() - best).abs()[seen].max() < 0.1
    left = int((notebook["x"] + 6).abs().argmin())
    assert best[left] < 0.01 and logits.sigmoid()[left] > 0.9
    # The logit is the log-ratio, but falls short where hardly any real sample lands.
    short = {
        place: float((logits - notebook["ratio"])[int((notebook["x"] - place).abs().argmin())])
        for place in (-2, -1, 0, 1, 2)
    }
    assert short.pop(2) > 0.7 and max(map(abs, short.values())) < 0.6
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
    for seed in (1001, 1003):  # of the seeds 1000 to 1011 those with the smallest gap
        rows = np.array(notebook["watch_frozen_generator"](seed, checks=16, between=50))
        assert rows[0, 0] == pytest.approx(rows[0, 1], rel=0.3)  # equal at the start
        assert rows[-1, 1] / rows[-1, 0] > 10
        assert rows[:, 0].max() > rows[0, 0] and rows[-1, 1] > rows[0, 1]  # both grow at first
        assert rows[-1, 0] < 0.7 * rows[:, 0].max() and rows[-1, 1] > 0.7 * rows[:, 1].max()


def test_what_g_follows_with_a_perfect_d(notebook, capsys):
    exec(cell_sources(SOLVED.name)["what-is-followed-verify"], notebook)
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
    covers = {key: abs(mean) < 0.2 and width > 1.5 for key, (mean, width, _) in ends.items()}
    settles = {key: abs(mean - 2) < 0.2 and width < 0.6 for key, (mean, width, _) in ends.items()}
    assert covers[(0.3, 2.0), False] and covers[(0.3, 2.0), True]
    assert covers[(0.3, 0.5), False] and settles[(0.3, 0.5), True]
    assert settles[(2.5, 0.4), False] and settles[(2.5, 0.4), True]


# ---------------------------------------------------------------------------- section 5, over seeds
TEN = list(range(1010, 1020))  # not the ten that the notebook shows


def last(run):
    _, modes, share = run[1][-1]
    return modes, share


@pytest.fixture(scope="module")
def healthy(notebook):
    return notebook["train_toys"](1500, seeds=TEN)


@pytest.fixture(scope="module")
def exchanged(notebook):
    return notebook["train_toys"](1500, seeds=TEN, lr=(3e-3, 1e-3))


@pytest.mark.slow
def test_minimax_covers_a_little_more_and_neither_loss_drops_the_rest(notebook, healthy):
    minimax = notebook["train_toys"](1500, seeds=TEN, objective="minimax")
    for run in (healthy, minimax):
        modes, share = last(run)
        assert (modes >= 7).sum() >= 8 and modes.min() >= 4 and share.median() > 0.65
    assert (last(minimax)[0] == 8).sum() >= 9
    assert last(healthy)[0].float().mean() < last(minimax)[0].float().mean()
    assert last(healthy)[1].median() > last(minimax)[1].median()


@pytest.mark.slow
def test_exchanged_rates_collapse_under_both_losses(notebook, exchanged):
    minimax = notebook["train_toys"](1500, seeds=TEN, objective="minimax", lr=(3e-3, 1e-3))
    for run in (exchanged, minimax):
        modes, _ = last(run)
        assert modes.median() <= 1 and (modes <= 1).sum() >= 7
    modes, share = (torch.stack([row[k] for row in exchanged[1]]).float() for k in (1, 2))
    assert modes.median(1).values.max() <= 1  # the curve of the figure
    assert share.max() > 0.8  # many copies of a good point


@pytest.mark.slow
def test_collapsed_samples_sit_in_one_spot_that_moves(exchanged):
    gan = copy.deepcopy(exchanged[0])
    before = gan.sample(500)
    for _ in range(50):
        gan.step()
    after = gan.sample(500)
    assert (after.std(1).norm(dim=-1) < 0.4).sum() >= 7
    assert ((after.mean(1) - before.mean(1)).norm(dim=-1) > 1).sum() >= 7


@pytest.mark.slow
def test_a_grown_d_or_a_full_memory_is_enough_to_bear_the_exchanged_rates(notebook, healthy):
    notebook["runs"] = {"healthy": healthy}

    def modes(rates, change=None):
        return notebook["go_on"](rates, change, steps=600).modes

    def both(gan):
        gan.forget()
        gan.renew_discriminator()

    exchanged, as_before = (3e-3, 1e-3), (1e-3, 3e-3)
    late = modes(exchanged)
    assert late.median() >= 7 and (late >= 6).sum() >= 9
    for change in (lambda gan: gan.forget(), lambda gan: gan.renew_discriminator()):
        assert (modes(exchanged, change) >= 6).sum() >= 9  # "nearly every run"
    assert (modes(exchanged, both) <= 2).sum() >= 3  # "many runs"
    assert (modes(as_before, both) >= 7).sum() >= 9


@pytest.mark.slow
def test_a_slow_d_says_one_half_and_at_most_one_mode_is_covered(notebook, healthy):
    gan, history = notebook["train_toys"](1000, seeds=TEN, lr=(1e-3, 1e-4))
    assert history[-1][1].max() <= 1

    def answers(pair):
        return [pair.logits(x).sigmoid() for x in (pair.target.sample(2000), pair.sample(2000))]

    def away(pair):  # of single answers from one half, by seed
        return (torch.cat(answers(pair), dim=1) - 0.5).abs().mean(1)

    assert all((side.mean(1) - 0.5).abs().max() < 0.15 for side in answers(healthy[0]))
    assert away(gan).max() < min(0.03, away(healthy[0]).min())


@pytest.mark.slow
def test_a_rare_group_comes_out_rarer_and_worse(notebook):
    gan, _ = notebook["train_toys"](1500, seeds=TEN, target=notebook["skewed"])
    of_good, of_all, quality, others = notebook["small_group"](gan.sample(5000))
    assert (of_good < 0.02).all() and of_good.mean() < 0.015
    assert 0.015 < of_all.mean() < 0.03  # "well represented" by nearest centre
    assert (quality < others).all() and quality.mean() < 0.5 < others.mean()


@pytest.mark.slow
def test_r1_costs_sharpness_on_the_ring_at_equal_steps(notebook):
    plain, with_r1 = (last(notebook["train_toys"](1000, seeds=TEN, r1=r1))[1] for r1 in (0.0, 1.0))
    assert plain.median() > with_r1.median() + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1000, 1001, 1002])
def test_the_tasks_of_the_playground_show_what_they_ask_about(seed):
    # 1: the ring is learned before its eight clusters.
    plane = Plane(Settings(seed=seed))
    plane.advance(400)
    distance = plane.gan.sample(1000).norm(dim=-1)
    assert distance.mean() == pytest.approx(1, abs=0.1) and distance.std() < 0.2
    assert plane.share < 0.6
    # 3: against a D that is well ahead, the arrows of the minimax loss are much shorter.
    lengths = {}
    for objective in ("minimax", "non-saturating"):
        plane = Plane(Settings(seed=seed, objective=objective, d_steps=10))
        plane.advance(25)
        lengths[objective] = plane.gan.pull(plane.gan.sample(200)).norm(dim=-1).median()
    assert lengths["non-saturating"] > 5 * lengths["minimax"]
    # 5: a critic without limits lets the losses run away; R1 holds them.
    far = {}
    for r1 in (0.0, 0.1):
        plane = Plane(Settings(seed=seed, objective="wasserstein", r1=r1))
        plane.advance(1500)
        plane.advance(100)
        far[r1] = abs(plane.g_loss)
    assert far[0.0] > 12 > 10 > far[0.1]
