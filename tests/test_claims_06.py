"""What the text of notebook 06 says about the scores, on fresh draws of real MNIST digits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import gan_helpers as gh
from gan_helpers.exercises.nb06 import predicted_orders
from gan_helpers.release import read_notebook

SOLVED = Path(__file__).parent.parent / "notebooks" / "solutions" / "06_evaluation.ipynb"
N = 1000


def _from_notebook(cell_id: str, name: str):
    """A function as the notebook itself defines it."""
    (source,) = [cell.source for cell in read_notebook(SOLVED).cells if cell.id == cell_id]
    scope = {"torch": torch, "F": F, "gh": gh}
    exec(source.split("\n\n\nbroken = ")[0], scope)
    return scope[name]


@pytest.fixture(scope="module", params=["mnist", "digits"])
def lab(request):
    """Judge, data, the judge's view of test digits and of the six broken generators."""
    try:
        train, test = (gh.load_dataset(request.param, split) for split in ("train", "test"))
    except gh.DatasetUnavailable as error:
        pytest.skip(str(error))
    judge = gh.judges.judge_for(test, "cpu")
    broken = _from_notebook("broken-generators", "broken_generators")(train, N, seed=1000)
    reference = gh.metrics.look(test.subset(n=N, seed=1000), judge)
    views = {name: gh.metrics.look(images, judge) for name, images in broken.items()}
    return judge, train, test, reference, views


def test_the_orders_of_the_six_generators(lab):
    _, _, _, reference, views = lab
    by_is = {name: gh.metrics.inception_score(view, splits=1).value for name, view in views.items()}
    by_fd = {name: gh.metrics.frechet_distance(view, reference) for name, view in views.items()}
    orders = (
        sorted(views, key=by_is.get, reverse=True),
        sorted(views, key=lambda name: by_fd[name].value),
    )
    assert orders == predicted_orders()
    assert by_is["one of each"] > gh.metrics.inception_score(reference, splits=1).value


def test_what_precision_recall_density_and_coverage_expose(lab):
    _, _, _, reference, views = lab
    found = {
        name: [
            score.value
            for scores in (gh.metrics.precision_recall, gh.metrics.density_coverage)
            for score in scores(view, reference)
        ]
        for name, view in views.items()
    }
    precision, recall, _, coverage = zip(*found.values(), strict=True)
    precision, recall, coverage = (
        dict(zip(found, values, strict=True)) for values in (precision, recall, coverage)
    )
    for name in ("one of each", "half the classes"):
        assert coverage[name] < 0.7 * coverage["memoriser"]
        assert recall[name] < 0.9 * recall["memoriser"]
        assert precision[name] > 0.8 * precision["memoriser"]
    assert precision["noisy"] < 0.8 * precision["memoriser"]
    assert precision["blurred"] < 0.95 * precision["memoriser"]
    assert max(found["speckle"]) == 0


def test_few_samples_look_worse_and_the_kernel_distance_does_not_mind(lab):
    _, _, _, reference, views = lab
    fd, kd = {}, {}
    for n in (40, 100, 800):
        parts = [
            (views["memoriser"].take(pick), reference.take(pick))
            for pick in (torch.randperm(N)[:n] for _ in range(10))
        ]
        fd[n] = sum(gh.metrics.frechet_distance(*p, interval=False).value for p in parts) / 10
        kd[n] = sum(gh.metrics.polynomial_mmd2(*(f.double for f in p)) for p in parts) / 10
    assert fd[40] > 4 * fd[800]
    assert fd[100] > 2 * fd[800]
    assert abs(kd[100]) < 0.1


def test_handling_alone_moves_real_images(lab):
    judge, train, _, reference, _ = lab
    real = train.subset(n=N, seed=1001).images
    half = F.interpolate(real.float(), scale_factor=0.5, mode="bilinear", antialias=True)
    back = F.interpolate(half, size=real.shape[2:], mode="bilinear", antialias=True)
    untouched = gh.metrics.frechet_distance(real, reference, judge).value
    handled = back.round().clamp(0, 255).to(torch.uint8)
    assert gh.metrics.frechet_distance(handled, reference, judge).value > 5 * untouched


def test_copies_show_beside_a_control_only(lab):
    judge, train, _, reference, views = lab
    copies = views["memoriser"]
    control = gh.metrics.look(train.subset(n=N, seed=1002), judge)
    share = gh.metrics.closer_to_train(copies, copies, reference).value
    assert share == 1.0
    assert abs(gh.metrics.closer_to_train(control, copies, reference).value - 0.5) < 0.1
    assert gh.metrics.frechet_distance(copies, copies).value < 1e-6


def test_moving_a_digit_matters_in_pixels_only(lab):
    judge, _, test, _, _ = lab
    distances = {}
    digits = test.take(test.labels.argsort(stable=True)[: N // 2 * 2])
    for eyes in ("pixels", judge):
        a, moved, other = (
            gh.metrics.look(x, eyes).values
            for x in (digits[::2], digits[::2].roll(2, dims=3), digits[1::2])
        )
        distances[eyes] = ((a - moved).norm(dim=1).mean() / (a - other).norm(dim=1).mean()).item()
    assert distances["pixels"] > 0.7
    assert distances[judge] < 0.75 * distances["pixels"]


def test_unshuffled_parts_of_sorted_samples_ruin_the_score(lab):
    _, _, _, reference, _ = lab
    ordered = reference.take(reference.logits.argmax(dim=1).argsort())
    assert gh.metrics.inception_score(ordered, shuffle=False).value < 3
    assert gh.metrics.inception_score(ordered).value > 8


@pytest.mark.parametrize("seed", [1000, 1001, 1002])
def test_the_loss_of_a_frozen_generator_rises_while_d_trains(seed):
    gh.set_seed(seed)
    train = gh.load_dataset("digits", "train")
    g, d = gh.MLPGenerator().eval(), gh.MLPDiscriminator()
    optimizer = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    losses = []
    for step in range(40):
        real = train.take(train.batch_indices(step, 64, seed))
        fake = g(torch.randn(64, g.latent_dim)).detach()
        optimizer.zero_grad()
        (F.softplus(-d(real)).mean() + F.softplus(d(fake)).mean()).backward()
        optimizer.step()
        losses.append(F.softplus(-d(fake)).mean().item())
    assert sum(losses[-10:]) > 1.2 * sum(losses[:10])
