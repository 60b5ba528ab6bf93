"""What notebook 02 says, measured. The functions are the notebook's own, taken from its cells.

The quick tests run always; those that train over several seeds are marked slow.
"""

import math

import numpy as np
import pytest
import torch
from cells import cell_sources

import gan_helpers as gh

NOTEBOOK = "02_mlp_gan.ipynb"
# Definitions, and the few lines between them that run; in fast mode these take seconds.
CELLS = (  # noqa: SIM905
    "setup exercise-2-1 exercise-2-2 bce slopes exercise-2-3 step-d-loss detach-run exercise-2-4 "
    "exercise-2-5 zero-grad-run exercise-2-6 score-code court-1-run court-1-evidence "
    "exercise-2-8 smooth-run walk-run"
).split()
SEEDS = range(1000, 1005)


@pytest.fixture(scope="module")
def notebook(mnist_root):
    """The namespace of the notebook after its defining cells have run, in fast mode."""
    cells = cell_sources(NOTEBOOK)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_HELPERS_FAST", "1")
        patch.setenv("GAN_HELPERS_DATA", str(mnist_root))
        for cell in CELLS:
            exec(compile(cells[cell], f"{NOTEBOOK}:{cell}", "exec"), names)
        yield names


def test_a_wrong_range_gives_an_untrained_generator_away_at_once(notebook):
    for seed in SEEDS:
        gh.set_seed(seed)
        assert (gh.generate(gh.MLPGenerator(), 500, seed=seed) < 0).flatten(1).any(1).all()


def test_the_sigmoid_first_loses_the_slope_where_the_notebook_says(notebook):
    grid, slopes = notebook["grid"], notebook["slopes"]
    ratio_g = slopes["G, sigmoid first"] / slopes["G, on logits"]
    ratio_d = slopes["D on fakes, sigmoid first"] / slopes["D on fakes, on logits"]
    assert (ratio_g[(grid > -27) & (grid < 15)] - 1).abs().max() < 0.01
    assert ratio_g[grid < -29].max() < 0.5 and slopes["G, on logits"][grid < -29].abs().min() > 0.99
    assert (ratio_d[(grid < 15) & (grid > -15)] - 1).abs().max() < 0.01
    assert ratio_d[grid > 17.5].max() < 0.5


def test_without_detach_d_gets_the_same_gradient_and_g_gets_one(notebook):
    with_detach, without = notebook["norms"]["with detach"], notebook["norms"]["without detach"]
    assert with_detach[0] == pytest.approx(without[0], rel=1e-5)
    assert with_detach[1] is None and without[1] > 0


def test_untrained_discriminators_say_one_half(notebook):
    real = notebook["digits"].batch(64)
    for seed in SEEDS:
        gh.set_seed(seed)
        G, D = gh.MLPGenerator(), gh.MLPDiscriminator()
        with torch.no_grad():
            says = torch.sigmoid(torch.cat([D(real), D(G(torch.randn(64, 64)))]))
        assert says.min() > 0.4 and says.max() < 0.6


def test_lengths_of_latents_and_of_the_two_roads(notebook):
    norms = torch.randn(10_000, 64).norm(dim=1)
    assert abs(norms.mean().item() - 8) < 0.1 and norms.std() < 0.8
    z0, z1 = torch.randn(2, 200, 64)
    halfway = notebook["lerp"](z0, z1, 0.5).norm(dim=1).mean()
    assert halfway.item() == pytest.approx(8 / math.sqrt(2), rel=0.03)
    around = [
        notebook["slerp"](a, b, torch.tensor(0.5)).norm() for a, b in zip(z0, z1, strict=True)
    ]
    assert torch.stack(around).mean().item() == pytest.approx(8, rel=0.03)


def test_the_distance_is_zero_only_for_equal_clouds(notebook):
    digits, distance = notebook["digits"], notebook["distance"]
    same = distance(digits.batch(10_000, seed=0))
    other = distance(digits.batch(2000, seed=1))
    noise = distance(gh.generate(gh.MLPGenerator(), 2000))
    assert abs(same) < 1e-4 * noise and other < 0.02 * noise


# --- training claims, over seeds ------------------------------------------------------------------


@pytest.mark.slow
def test_never_clearing_gradients_makes_d_wilder(notebook):
    def roughness(forget, seed):
        return np.std(np.diff(notebook["short_run"](400, forget, seed)))

    for seed in SEEDS:
        assert roughness(True, seed) > 1.2 * roughness(False, seed), seed


@pytest.mark.slow
def test_samples_improve_while_gs_loss_rises(notebook):
    for seed in SEEDS:
        run = notebook["train_pair"](seed, 1500, lr=2e-4)
        early, late = (
            notebook["stretch"](run.history["g_loss"], part) for part in ("early", "late")
        )
        before, after = (run.snapshots[i][1].float() / 127.5 - 1 for i in (2, -1))
        assert late > early, seed
        assert notebook["distance"](after) < notebook["distance"](before), seed


@pytest.mark.slow
def test_a_blur_in_the_middle_first_and_a_dark_border_by_step_1000(notebook):
    mean_digit = notebook["digits"].batch(5000, seed=1).mean(0).flatten()
    border = torch.ones(28, 28, dtype=torch.bool)
    border[3:-3, 3:-3] = False
    for seed in SEEDS:
        early = notebook["train_pair"](seed, 250, lr=2e-4)
        mean_image = gh.generate(early, 1000, seed=seed).mean(0).flatten()
        likeness = torch.corrcoef(torch.stack([mean_image, mean_digit]))[0, 1]
        assert likeness > 0.6, (seed, likeness)
        later = notebook["train_pair"](seed, 1000, lr=2e-4)
        assert gh.generate(later, 1000, seed=seed)[:, 0, border].mean() < -0.7, seed


@pytest.mark.slow
def test_one_latent_number_is_too_few(notebook):
    for seed in list(SEEDS)[:3]:
        scores = {}
        for size in (1, 10, 64):
            run = notebook["train_pair"](seed, 2000, latent_dim=size)
            scores[size] = notebook["distance"](gh.generate(run, 2000))
        assert scores[1] > 1.5 * max(scores[10], scores[64]), (seed, scores)


@pytest.mark.slow
def test_smoothing_makes_d_say_real_less_firmly(notebook):
    for seed in list(SEEDS)[:3]:
        says_real = {}
        for targets in ((1.0, 0.0), (0.9, 0.0)):
            run = notebook["train_pair"](seed, 1000, objective=notebook["smoothed"](*targets))
            says_real[targets] = notebook["stretch"](run.history["d_real"], "late")
        assert says_real[0.9, 0.0] < says_real[1.0, 0.0], (seed, says_real)


@pytest.mark.slow
def test_the_small_pair_does_not_copy(notebook, mnist_root):
    digits = notebook["digits"]
    train = digits.take(torch.arange(len(digits))).flatten(1)
    test = gh.load_dataset("mnist", split="test", root=mnist_root)

    def median_distance(images):
        return torch.cdist(images.flatten(1), train).min(1).values.median().item()

    for seed in list(SEEDS)[:3]:
        run = notebook["train_pair"](seed, 2500)
        generated = median_distance(gh.generate(run, 200, seed=seed))
        assert generated > median_distance(test.batch(200, seed=seed)), seed
