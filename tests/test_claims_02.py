"""What notebook 02 says, measured. The functions are the notebook's own, taken from its cells.

The quick tests run always; those that train over several seeds are marked slow.
"""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from cells import cell_sources, namespace

import gan_helpers as gh

NOTEBOOK = "02_mlp_gan.ipynb"
# Definitions, and the few lines between them that run; in fast mode these take seconds.
CELLS = (  # noqa: SIM905
    "setup exercise-2-1 exercise-2-2 bce slopes exercise-2-3 step-d-loss detach-run separately "
    "exercise-2-4 exercise-2-5 zero-grad-run zero-grad-pair detach-cost detach-cost-print "
    "reuse-run exercise-2-6 score-code court-1-run rate-run pca pixel-distance "
    "exercise-2-8 smooth-run better-train nearest nearest-ruler-run median-filter exercise-2-11"
).split()
SEEDS = range(1000, 1005)
RATES = (2e-4, 1e-3)


@pytest.fixture(scope="module")
def notebook(mnist_root):
    """The namespace of the notebook after its defining cells have run, in fast mode."""

    def any_run(names: dict) -> None:  # will do for the definitions
        names["run_main"] = names["run"]

    with namespace(NOTEBOOK, CELLS, mnist_root, before={"nearest": any_run}) as names:
        yield names


@pytest.fixture
def full(monkeypatch):
    """Runs at their full length."""
    monkeypatch.delenv("GAN_HELPERS_FAST", raising=False)


def fd(notebook, run, n=2000, **options):
    return notebook["score"](gh.generate(run, n, **options))


def test_a_wrong_range_gives_an_untrained_generator_away_at_once(notebook):
    for seed in SEEDS:
        gh.set_seed(seed)
        assert (gh.generate(gh.MLPGenerator(), 500, seed=seed) < 0).flatten(1).any(1).all()


def test_three_ways_to_write_the_loss_part_where_the_notebook_says(notebook):
    grid, slopes = notebook["grid"], notebook["slopes"]
    g, d = slopes["G"], slopes["D on fakes"]
    assert torch.allclose(g["on logits"], torch.sigmoid(-grid), atol=1e-5)
    assert torch.allclose(d["on logits"], torch.sigmoid(grid), atol=1e-5)
    # On probabilities: a guard, silent; G's slope fades below about -28, D's is gone above 17.
    assert not g["on probabilities"].isnan().any() and not d["on probabilities"].isnan().any()
    assert g["on probabilities"][(grid > -27) & (grid < -10)].min() > 0.99
    assert g["on probabilities"][grid < -29].max() < 0.5
    assert d["on probabilities"][(grid > 10) & (grid < 15)].min() > 0.99
    assert d["on probabilities"][grid > 18].max() == 0
    # By hand: right for much longer, then nan.
    assert g["by hand"][(grid > -85) & (grid < -10)].min() > 0.99
    assert g["by hand"][grid < -104].isnan().all()
    assert d["by hand"][(grid > 10) & (grid < 15)].min() > 0.99
    assert d["by hand"][grid > 18].isnan().all()


def test_without_detach_d_gets_the_same_gradient_and_g_gets_one(notebook):
    with_detach = notebook["gradients"]["with detach"]
    without = notebook["gradients"]["without detach"]
    assert torch.allclose(with_detach[0], without[0], atol=1e-6)
    assert with_detach[1] is None and without[1].norm() > 0


def test_two_backward_calls_give_the_gradient_of_the_sum(notebook):
    assert torch.allclose(notebook["summed"], notebook["apart"], rtol=1e-3, atol=1e-5)


def test_reused_fakes_give_g_the_same_gradient_if_d_is_run_again(notebook):
    reused, anew = notebook["got"]
    assert torch.allclose(reused, anew, rtol=1e-4, atol=1e-7)


def test_no_grad_keeps_nothing_for_a_backward_pass(notebook):
    def kept(way):
        bytes_kept = []

        def keep(tensor):
            bytes_kept.append(tensor.nbytes)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            notebook["fakes"](way)
        return sum(bytes_kept)

    assert kept("no_grad") == 0
    assert kept("detach") == kept("attached") > 128 * 784  # the pictures themselves and more


def test_untrained_discriminators_say_one_half(notebook):
    real = notebook["digits"].batch(64)
    for seed in SEEDS:
        gh.set_seed(seed)
        G, D = gh.MLPGenerator(), gh.MLPDiscriminator()
        with torch.no_grad():
            says = torch.sigmoid(torch.cat([D(real), D(G(torch.randn(64, 64)))]))
        assert says.min() > 0.4 and says.max() < 0.6


def test_lengths_of_latents_and_halfway_along_a_straight_line():
    norms = torch.randn(10_000, 64).norm(dim=1)
    assert abs(norms.mean().item() - 8) < 0.1 and norms.std() < 0.8
    z0, z1 = torch.randn(2, 200, 64)
    assert ((z0 + z1) / 2).norm(dim=1).mean().item() == pytest.approx(8 / math.sqrt(2), rel=0.03)


def test_runs_that_change_one_line_differ_in_one_setting(notebook):
    first, second = (run.checkpoint["config"] for run in notebook["rate_runs"].values())
    assert {key for key in first if first[key] != second[key]} == {"lr"}
    assert first["lr"] == [1e-3, 1e-3] and second["lr"] == [2e-4, 2e-4]
    runs = list(notebook["rate_runs"].values())
    assert runs[0].step == runs[1].step
    source = cell_sources(NOTEBOOK)["zero-grad-pair"]
    calls = [line.split(": ", 1)[1] for line in source.splitlines() if ": short_run(" in line]
    assert calls == ["short_run(steps, forget=False),", "short_run(steps, forget=True),"]


def test_the_pixel_distance_is_zero_only_for_equal_clouds(notebook):
    digits, distance = notebook["digits"], notebook["pixel_distance"]
    same = distance(digits.batch(10_000, seed=0))
    other = distance(digits.batch(2000, seed=1))
    noise = distance(gh.generate(gh.MLPGenerator(), 2000))
    assert abs(same) < 1e-4 * noise and other < 0.02 * noise


def test_pca_pleases_the_pixel_distance_until_it_is_clamped_and_never_the_judge(notebook):
    distance, score = notebook["pixel_distance"], notebook["score"]
    real = notebook["digits"].batch(2000, seed=1)
    noise = distance(gh.generate(gh.MLPGenerator(), 2000))
    for seed in SEEDS:
        gh.set_seed(seed)
        images = notebook["pca_images"](torch.randn(2000, 64))
        free, clamped = distance(images), distance(images.clamp(-1, 1))
        assert free < 3 * distance(real) and 2 * free < clamped < 0.1 * noise
        assert score(images.clamp(-1, 1)) > 20 * score(real)


def test_smoothing_the_fake_side_takes_the_logits_slope_where_the_fakes_are():
    x = torch.linspace(-6, 6, 601, dtype=torch.double, requires_grad=True)
    p_data, p_g = (torch.exp(-((x - c) ** 2) / 2) for c in (2, -2))
    at = (x + 4).abs().argmin()
    for (a, b), expected in {(1.0, 0.0): 4.0, (0.9, 0.0): 4.0, (0.9, 0.1): 0.0}.items():
        best = (a * p_data + b * p_g) / (p_data + p_g)
        rest = ((1 - a) * p_data + (1 - b) * p_g) / (p_data + p_g)
        (slope,) = torch.autograd.grad(torch.log(best / rest).sum(), x, retain_graph=True)
        assert slope[at].item() == pytest.approx(expected, abs=0.01)


def test_a_median_filter_sees_through_speckle_and_plain_pixels_do_not(notebook, mnist_root):
    digits = notebook["digits"]
    filtered, speckled = notebook["filtered"], notebook["speckled"]
    test = gh.load_dataset("mnist", split="test", root=mnist_root)
    train = digits.take(torch.arange(20_000))
    for seed in (1000, 1001):
        chosen = torch.randperm(20_000, generator=torch.Generator().manual_seed(seed))[:100]
        copies = speckled(train[chosen], 0.14, seed)
        unseen = test.batch(100, seed=seed)

        def nearest(images, pool=train):
            return torch.cdist(images.flatten(1), pool.flatten(1)).min(1).values

        assert nearest(copies).median() > nearest(unseen).median()
        pool = filtered(train)
        limit = nearest(filtered(copies), pool).quantile(0.95)
        assert (nearest(filtered(unseen), pool) < limit).float().mean() < 0.4


# --- training claims, over seeds ------------------------------------------------------------------


def readable(images, mnist_root):
    """The rule of benchmarks/first_digits.py."""
    path = Path(__file__).resolve().parent.parent / "benchmarks" / "first_digits.py"
    spec = importlib.util.spec_from_file_location("first_digits", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path.parent))
        spec.loader.exec_module(module)
    judge = gh.judges.load_judge("mnist")
    test = gh.load_dataset("mnist", split="test", root=mnist_root)
    real = gh.metrics.reference(test, judge, n=5000)
    return module.look(images, judge, real)


def need_readable(looks):
    """The rule for each run, but for its last digit in one run of the three.

    A GAN amplifies rounding, so another machine has other runs; in about one of ten of them the
    rarest digit is just under the 2 % that the rule asks for.
    """
    for precision, sure, digits in looks:
        assert precision >= 0.5 and sure >= 0.5 and digits >= 9, looks
    assert sum(digits == 10 for _, _, digits in looks) >= len(looks) - 1, looks


@pytest.mark.slow
def test_the_first_own_run_ends_in_readable_digits(notebook, mnist_root, full):
    looks = []
    for seed in list(SEEDS)[:3]:
        gh.set_seed(seed)
        G, D = notebook["Generator"](), notebook["Discriminator"]()
        pair = notebook["make_optimizers"](G, D)
        torch.randn(9, 64)  # the notebook's fixed_z, drawn here too
        for steps in (250, 750, 3000):  # one pair of optimisers throughout
            notebook["train_gan"](G, D, notebook["digits"], steps, latent_dim=64, optimizers=pair)
        looks.append(readable(gh.generate(G, 1000, latent_dim=64), mnist_root))
    need_readable(looks)


@pytest.mark.slow
def test_the_repaired_clinic_ends_in_readable_digits(notebook, mnist_root, full):
    looks = []
    for seed in list(SEEDS)[:3]:
        gh.set_seed(seed)
        G, D = notebook["Generator"](), notebook["Discriminator"]()
        notebook["clinic"](G, D, notebook["digits"], steps=4000, snapshot_every=1000)
        looks.append(readable(gh.generate(G, 1000, latent_dim=64), mnist_root))
    need_readable(looks)


@pytest.mark.slow
def test_never_clearing_gradients_makes_d_swing(notebook):
    for seed in SEEDS:
        swing = {
            forget: np.std(notebook["short_run"](400, forget, seed)[100:])
            for forget in (True, False)
        }
        assert swing[True] > 1.2 * swing[False], (seed, swing)


@pytest.mark.slow
def test_samples_improve_while_gs_loss_rises_and_d_stays_ahead(notebook, full):
    for seed in SEEDS:
        early = notebook["train_pair"](seed, 300)
        before, loss_before = fd(notebook, early), notebook["late"](early, "g_loss")
        run = notebook["train_pair"](seed, 1500, resume=early)
        assert notebook["late"](run, "g_loss") > loss_before, seed
        assert fd(notebook, run) < 0.7 * before, seed
        assert notebook["late"](run, "d_real") > 0.5 > notebook["late"](run, "d_fake"), seed


@pytest.mark.slow
def test_against_a_d_that_hardly_learns_gs_loss_falls_and_the_samples_stay_far_off(notebook, full):
    for seed in SEEDS:
        run = notebook["train_pair"](seed, 400, lr=(1e-3, 5e-6))
        assert notebook["late"](run, "g_loss") < 0.8 * run.history["g_loss"][0], seed
        assert fd(notebook, run) > 25, seed  # a healthy run has less than half of it by step 500


@pytest.mark.slow
def test_the_smaller_rate_gives_away_a_good_part_of_what_the_steps_can_do(notebook, full):
    for seed in list(SEEDS)[:3]:
        larger, smaller = (
            fd(notebook, notebook["train_pair"](seed, 1500, lr=lr)) for lr in (1e-3, 2e-4)
        )
        assert smaller > 1.2 * larger, (seed, larger, smaller)


@pytest.mark.slow
def test_first_what_all_digits_share_and_a_dark_border_by_step_1000(notebook):
    mean_digit = notebook["digits"].batch(5000, seed=1).mean(0).flatten()
    border = torch.ones(28, 28, dtype=torch.bool)
    border[3:-3, 3:-3] = False
    for seed in SEEDS:
        early = notebook["train_pair"](seed, 250)
        mean_image = gh.generate(early, 1000, seed=seed).mean(0).flatten()
        likeness = torch.corrcoef(torch.stack([mean_image, mean_digit]))[0, 1]
        assert likeness > 0.6, (seed, likeness)
        later = notebook["train_pair"](seed, 1000)
        assert gh.generate(later, 1000, seed=seed)[:, 0, border].mean() < -0.7, seed


@pytest.mark.slow
def test_one_latent_number_is_too_few_and_two_are_too(notebook, full):
    for seed in list(SEEDS)[:3]:
        one, two, ten = (
            fd(notebook, notebook["train_pair"](seed, 1000, latent_dim=size)) for size in (1, 2, 10)
        )
        assert one > two > ten, (seed, one, two, ten)


@pytest.mark.slow
def test_ones_are_easier_than_eights_by_the_plain_distance(notebook, mnist_root, full):
    judge = notebook["judge"]
    test = gh.load_dataset("mnist", split="test", root=mnist_root)
    plain = {1: [], 8: []}
    for digit, values in plain.items():
        data = notebook["digits"].subset(classes=digit)
        crowd = gh.metrics.look(test.subset(classes=digit), judge)
        for seed in list(SEEDS)[:3]:
            images = gh.generate(notebook["train_pair"](seed, 500, data=data), 1000)
            value = gh.metrics.frechet_distance(images, crowd, judge, interval=False)
            values.append(float(value))
    assert np.mean(plain[1]) < 0.7 * np.mean(plain[8]), plain


@pytest.mark.slow
def test_the_larger_rate_helps_both_pairs_and_the_small_one_more(notebook, full):
    def narrow(seed, lr):
        return notebook["train_pair"](seed, 1250, lr=lr)

    def wide(seed, lr):  # 400 steps cost about as much as 1,250 of the small pair
        gh.set_seed(seed)
        G, D = gh.WideGenerator(), gh.WideDiscriminator()
        return gh.train(G, D, notebook["digits"], steps=400, lr=lr, seed=seed, progress=False)

    small, large = (
        {lr: np.mean([fd(notebook, train(seed, lr)) for seed in list(SEEDS)[:3]]) for lr in RATES}
        for train in (narrow, wide)
    )
    assert large[2e-4] > 1.1 * large[1e-3], large
    assert small[2e-4] / small[1e-3] > large[2e-4] / large[1e-3], (small, large)
    assert large[2e-4] < small[2e-4], (small, large)  # the lead that is gone at 1e-3
    assert small[1e-3] < 1.1 * large[1e-3], (small, large)


@pytest.mark.slow
def test_smoothing_makes_d_say_real_less_firmly(notebook, full):
    for seed in list(SEEDS)[:3]:
        says_real = {}
        for targets in ((1.0, 0.0), (0.9, 0.0)):
            run = notebook["train_pair"](seed, 800, objective=notebook["smoothed"](*targets))
            says_real[targets] = notebook["late"](run, "d_real")
        assert says_real[0.9, 0.0] < says_real[1.0, 0.0], (seed, says_real)


@pytest.mark.slow
def test_a_better_design_is_ahead_and_not_by_its_average_and_falling_rate_alone(notebook, full):
    steps = {"small": 800, "small, averaged": 785, "compact": 600}  # equal seconds, about
    found = {
        name: np.mean([fd(notebook, notebook["rows"][name](s, n)) for s in list(SEEDS)[:3]])
        for name, n in steps.items()
    }
    gain = found["small"] - found["compact"]
    assert gain > 0.1 * found["small"], found
    assert found["small"] - found["small, averaged"] < 0.5 * gain, found


@pytest.mark.slow
def test_adams_default_beta_is_worse(notebook, full):
    for seed in list(SEEDS)[:3]:
        short, long = (
            fd(notebook, notebook["train_pair"](seed, 500, betas=(beta, 0.999)))
            for beta in (0.5, 0.9)
        )
        assert long > 1.3 * short, (seed, short, long)


@pytest.mark.slow
def test_generated_digits_lie_as_unseen_ones_do_not_as_speckled_copies(notebook, mnist_root, full):
    digits, filtered = notebook["digits"], notebook["filtered"]
    test = gh.load_dataset("mnist", split="test", root=mnist_root)
    pool = torch.cat([filtered(digits.take(part)) for part in torch.arange(60_000).split(5000)])

    def nearest(images):
        return torch.cdist(filtered(images).flatten(1), pool.flatten(1)).min(1).values

    for seed in list(SEEDS)[:2]:
        run = notebook["train_pair"](seed, 4000)
        copies = notebook["speckled"](digits.batch(200, seed=seed), 0.14)
        limit = nearest(copies).quantile(0.95)
        assert (nearest(gh.generate(run, 200, seed=seed)) < limit).float().mean() < 0.25, seed
        assert (nearest(test.batch(200, seed=seed)) < limit).float().mean() < 0.4, seed
