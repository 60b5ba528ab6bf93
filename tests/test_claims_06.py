"""What notebook 06 says about the scores, measured over seeds, on MNIST and on the drawn stand-in.

The functions are the notebook's own, taken from its cells. What needs trained GANs is marked slow.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cells import cell_sources

import gan_helpers as gh
from gan_course.exercises.nb06 import predicted_orders
from gan_helpers import metrics

SOLVED = "06_evaluation.ipynb"
N = 1000
SEEDS = (1000, 1001, 1002)


def definitions(*cell_ids: str, **names) -> dict:
    """The functions that these cells of the notebook define; the lines that run come after them."""
    cells = cell_sources(SOLVED)
    setup = [line for line in cells["setup"].split("\n") if "import" in line]
    scope: dict = {}
    exec("\n".join(setup), scope)
    scope |= names
    for cell_id in cell_ids:
        parts = cells[cell_id].split("\n\n\n")
        functions = [part for part in parts if part.startswith("def ")]
        exec("\n\n\n".join(functions), scope)
    return scope


@pytest.fixture(scope="module", params=["mnist", "digits"])
def data(request, mnist_root):
    """Training and test digits, and their judge."""
    root = {"root": mnist_root} if request.param == "mnist" else {}
    train, test = (gh.load_dataset(request.param, split, **root) for split in ("train", "test"))
    return train, test, gh.judges.judge_for(test, "cpu")


@pytest.fixture(scope="module", params=SEEDS)
def lab(request, data):
    """The judge's view of test digits and of the six broken generators, for one seed."""
    train, test, judge = data
    broken = definitions("broken-generators")["broken_generators"](train, N, seed=request.param)
    reference = metrics.look(test.subset(n=N, seed=request.param), judge)
    return reference, {name: metrics.look(images, judge) for name, images in broken.items()}


def test_the_orders_of_the_six_generators(lab):
    reference, views = lab
    by_is = {name: metrics.inception_score(view, splits=1).value for name, view in views.items()}
    by_fd = {name: metrics.frechet_distance(view, reference).value for name, view in views.items()}
    orders = (sorted(views, key=by_is.get, reverse=True), sorted(views, key=by_fd.get))
    assert orders == predicted_orders()
    assert by_is["one of each"] > metrics.inception_score(reference, splits=1).value
    assert by_fd["half the classes"] > 1.2 * by_fd["noisy"]


def test_what_precision_recall_density_and_coverage_expose(lab):
    reference, views = lab
    found = {name: {} for name in views}
    for name, view in views.items():
        for scores in (metrics.precision_recall, metrics.density_coverage):
            found[name] |= {score.metric: score.value for score in scores(view, reference)}
    real = found["memoriser"]
    assert real["precision"] > 0.8 and real["recall"] > 0.8 and real["coverage"] > 0.9
    for name in ("one of each", "half the classes"):
        assert found[name]["coverage"] < 0.7 * real["coverage"]
        assert found[name]["recall"] < 0.7 * real["recall"]
        # Ten images make a coarse share: each is a tenth.
        assert found[name]["precision"] > 0.65
    assert found["noisy"]["precision"] < 0.8 * real["precision"]
    assert found["blurred"]["precision"] < 0.97 * real["precision"]
    assert max(found["speckle"].values()) == 0


def test_few_samples_look_worse_along_a_line_and_the_kernel_distance_does_not_mind(lab):
    reference, views = lab
    fd, kd, sizes = [], [], (100, 200, 400, 800)
    gh.set_seed(1000)
    for n in sizes:
        parts = [
            [seen.take(torch.randperm(N)[:n]) for seen in (views["memoriser"], reference)]
            for _ in range(10)
        ]
        fd.append(np.mean([metrics.frechet_distance(*p, interval=False).value for p in parts]))
        kd.append(np.mean([metrics.polynomial_mmd2(*(f.double for f in p)) for p in parts]))
    assert fd[1] > 2 * fd[3]
    assert np.corrcoef(1 / np.array(sizes[1:]), fd[1:])[0, 1] > 0.98
    assert np.abs(kd).max() < 0.1


def test_handling_alone_moves_real_images(data):
    train, test, judge = data
    scope = definitions("handled")
    for seed in SEEDS:
        reference = metrics.look(test.subset(n=N, seed=seed), judge)
        real = train.subset(n=N, seed=seed).images
        versions = {"untouched": real, "jpeg": scope["jpeg"](real, 25)}
        versions |= {
            mode: scope["resized"](real, mode) for mode in ("bicubic", "bilinear", "nearest")
        }
        fd = {name: metrics.frechet_distance(x, reference, judge) for name, x in versions.items()}
        fd = {name: score.value for name, score in fd.items()}
        assert fd["jpeg"] < 1.3 * fd["untouched"] < 1.3 * min(fd["bicubic"], fd["nearest"])
        assert fd["bilinear"] == max(fd.values()) and fd["bilinear"] > 5 * fd["untouched"]


def test_a_wrong_range_moves_real_images_farther_than_any_gan(data):
    _, test, judge = data
    reference = metrics.look(test.subset(n=N, seed=1000), judge)
    pixels = test.subset(n=N, seed=1000).images.float()
    with torch.inference_mode():
        wrong = judge.features_and_logits(pixels / 255)[0]
    assert metrics.frechet_distance(wrong, reference.values).value > 50
    with pytest.raises(ValueError, match="look like"):
        metrics.frechet_distance(pixels / 255, reference, judge)


def test_copies_show_beside_a_control_only(data):
    train, test, judge = data
    for seed in SEEDS:
        gh.set_seed(seed)
        halves = test.images[torch.randperm(len(test))[: 2 * N]].split(N)
        fresh, unseen = (metrics.look(half, judge) for half in halves)
        copies = metrics.look(train.subset(n=N, seed=seed), judge)
        assert metrics.closer_to_train(copies, copies, unseen).value == 1.0
        honest = metrics.closer_to_train(fresh, copies, unseen).value
        # The writers of MNIST's test digits are not those of its training digits.
        low, high = (0.42, 0.5) if train.name == "MNIST" else (0.45, 0.55)
        assert low < honest < high
        assert metrics.frechet_distance(copies, copies).value < 1e-6
        fd = [metrics.frechet_distance(seen, unseen, interval=False) for seen in (copies, fresh)]
        assert abs(fd[0].value - fd[1].value) < 0.3


def test_moving_a_digit_matters_in_pixels_only(data):
    _, test, judge = data
    by_class = test.take(test.labels.argsort(stable=True)[: 2 * N])
    digit, other = by_class[::2], by_class[1::2]
    ratio = {}
    for eyes in ("pixels", judge):
        a, moved, b = (metrics.look(x, eyes).values for x in (digit, digit.roll(2, dims=3), other))
        ratio[eyes] = ((a - moved).norm(dim=1).mean() / (a - b).norm(dim=1).mean()).item()
    assert ratio["pixels"] > 2 / 3
    assert ratio[judge] < 0.75 * ratio["pixels"]


def test_the_judge_names_digits_in_pure_noise(data):
    _, test, judge = data
    for seed in SEEDS:
        gh.set_seed(seed)
        noise = torch.randint(0, 256, (300, *test.image_shape), dtype=torch.uint8)
        assert metrics.look(noise, judge).logits.softmax(1).amax(1).mean() > 0.8


def test_unshuffled_parts_of_sorted_samples_ruin_the_score(lab):
    _, views = lab
    seen = views["memoriser"]
    ordered = seen.take(seen.logits.argmax(dim=1).argsort())
    assert metrics.inception_score(ordered, shuffle=False).value < 3
    assert metrics.inception_score(ordered).value > 8


def test_the_loss_of_a_frozen_generator_rises_while_d_trains(data):
    frozen_run = definitions("frozen-run", train=data[0])["frozen_run"]
    for seed in SEEDS:
        losses = frozen_run(seed, 40)
        assert sum(losses[-10:]) > 1.2 * sum(losses[:10])


def test_single_precision_is_off_and_the_thin_way_is_exact():
    for seed in SEEDS:
        gh.set_seed(seed)
        many = torch.randn(300, 512, dtype=torch.float64) * torch.logspace(0, -2, 512)
        centred = (many - many.mean(0)) / (len(many) - 1) ** 0.5
        covariance = centred.T @ centred
        roots = torch.linalg.eigvals((covariance.float() @ covariance.float()).float())
        single = 2 * covariance.trace().item() - 2 * roots.real.clamp(min=0).sqrt().sum().item()
        thin = 2 * covariance.trace() - 2 * torch.linalg.svdvals(centred @ centred.T).sum()
        assert abs(single) > 1e-4 and abs(thin) < 1e-10


def test_one_outlier_fools_recall_and_not_coverage():
    # The points of the notebook's cell, with other seeds.
    source = cell_sources(SOLVED)["balls"]
    for seed in range(1000, 1010):
        scope = {"torch": torch, "gh": gh}
        exec(source.replace("gh.set_seed(1000)", f"gh.set_seed({seed})"), scope)
        data, fakes = scope["data"], scope["fakes"]
        _, without = metrics.precision_recall(fakes[:-1], data)
        precision, recall = metrics.precision_recall(fakes, data)
        _, coverage = metrics.density_coverage(fakes, data)
        assert without.value < 0.6 and recall.value > 0.75
        assert coverage.value < 0.6 and precision.value > 0.85


@pytest.mark.slow
def test_scores_of_trained_gans(mnist_root):
    """Section 4: the distance falls and the loss does not follow; section 6: ten images beat it."""
    train, test = (gh.load_dataset("mnist", split, root=mnist_root) for split in ("train", "test"))
    judge, n = gh.judges.judge_for(test, "cpu"), 5000
    reference = metrics.look(test.subset(n=n, seed=1000), judge)
    watched_run = definitions("train-watched", train=train, MOMENTS=(500, 2500))["watched_run"]
    last = []
    for seed in SEEDS:
        run, kept = watched_run(seed)
        early, late = (
            metrics.frechet_distance(gh.generate(kept[step], n), reference, judge)
            for step in (500, 2500)
        )
        assert late.value < 0.7 * early.value
        loss = np.array(run.history["g_loss"])
        assert loss[2250:].mean() > 0.8 * loss[250:500].mean()  # it does not follow
        last.append(late)
    images = definitions("broken-generators")["broken_generators"](train, n, seed=1000)
    ten = metrics.frechet_distance(images["one of each"], reference, judge).value
    assert ten < 0.5 * min(score.value for score in last)
