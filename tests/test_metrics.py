"""Scores: equal to torch-fidelity's, defined on degenerate input, and plain about what they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from gan_course.scores import model_scores
from gan_helpers import metrics as m
from gan_helpers.metrics import score
from gan_helpers.metrics.coverage import mode_counts


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


class TinyJudge(nn.Module):
    """A judge in miniature: 4 features and 3 classes of one-channel 6x6 images."""

    name, feature_dim, num_classes, input_shape = "tiny-judge", 4, 3, (1, 6, 6)

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body, self.head = nn.Linear(36, 4), nn.Linear(4, 3)
            self.norm = nn.BatchNorm1d(4)
        self.looks = 0
        self.eval()

    def features_and_logits(self, images):
        self.looks += 1
        features = self.norm(self.body(images.flatten(1)))
        return features, self.head(features)


@dataclass
class TinyDataset:
    images: torch.Tensor
    split: str = "test"


def _images(n: int = 50, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 1, 6, 6), dtype=torch.uint8, generator=generator)


# --- parity with torch-fidelity ------------------------------------------------------------------


def _real_features(root) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of real digits, smoothed and as they are, under the judge of MNIST."""
    from gan_helpers import judges
    from gan_helpers.datasets import load_dataset

    judge = judges.load_judge("mnist", device="cpu")
    images = load_dataset("mnist", "test", root=root).subset(n=900, seed=0).images
    smooth = nn.functional.avg_pool2d(images[:400].float(), 3, stride=1, padding=1)
    return m.look(smooth.to(torch.uint8), judge).double, m.look(images[400:], judge).double


def _judge_features() -> tuple[torch.Tensor, torch.Tensor]:
    """Features of drawn digits, well and faintly inked, under their shipped judge."""
    from gan_helpers import judges
    from gan_helpers.synthetic import draw_digits

    judge = judges.load_judge("digits", device="cpu")
    digits = draw_digits(600, seed=5)[0]
    faint = (digits[300:].float() * 0.7).to(torch.uint8)
    return m.look(faint, judge).double, m.look(digits[:300], judge).double


SETS = {
    "full rank": lambda: (_normal(600, 32), _normal(500, 32, seed=1) * 1.2 + 0.3),
    "few samples": lambda: (_normal(40, 96), _normal(50, 96, seed=1) + 0.1),
    "few generated": lambda: (_normal(50, 96), _normal(800, 96, seed=1)),
    "flat": lambda: (
        _normal(600, 8) @ _normal(8, 32, seed=2),
        _normal(500, 5, seed=1) @ _normal(5, 32, seed=3),
    ),
    "dead features": lambda: (
        nn.functional.pad(_normal(500, 20).relu(), (0, 4)),
        nn.functional.pad(_normal(600, 22, seed=1).relu() * 2, (0, 2)),
    ),
    "judge": _judge_features,
}


@pytest.fixture(
    scope="module", params=[*SETS, "real digits"], ids=lambda name: name.replace(" ", "-")
)
def pair(request):
    pytest.importorskip("torch_fidelity")
    if request.param == "real digits":
        return _real_features(request.getfixturevalue("mnist_root"))
    return SETS[request.param]()


def _their_frechet(a: torch.Tensor, b: torch.Tensor) -> float:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    statistics = [fid_features_to_statistics(x) for x in (a, b)]
    return fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


def test_frechet_distance_equals_torch_fidelity(pair):
    a, b = pair
    theirs = _their_frechet(a, b)
    traces = float(torch.cov(a.T).trace() + torch.cov(b.T).trace())
    ours = [
        m.frechet_distance(a, b).value,
        m.frechet_distance(a, b, interval=False).value,
        m.frechet_from_statistics(a.mean(0), torch.cov(a.T), b.mean(0), torch.cov(b.T)),
    ]
    for value in ours:
        assert abs(value - theirs) <= max(1e-6 * theirs, 1e-9 * traces)


def test_frechet_distance_to_itself_is_zero(pair):
    for x in pair:
        assert 0 <= m.frechet_distance(x, x).value < 1e-6
        assert 0 <= m.frechet_distance(x, x, interval=False).value < 1e-6


def test_kernel_distance_equals_torch_fidelity(pair):
    from torch_fidelity.metric_kid import kid_features_to_metric

    a, b = pair
    size = min(len(a), len(b)) // 2
    theirs = kid_features_to_metric(a, b, kid_subsets=20, kid_subset_size=size, verbose=False)
    ours = m.kernel_distance(a, b, subsets=20, subset_size=size)
    assert ours.value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-6)
    assert ours.details["std"] == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-6)


def test_precision_and_recall_equal_torch_fidelity(pair):
    from torch_fidelity.metric_prc import prc_features_to_metric

    a, b = pair
    theirs = prc_features_to_metric(a, b, verbose=False)
    precision, recall = m.precision_recall(a, b)
    assert precision.value == pytest.approx(theirs["precision"], rel=1e-6)
    assert recall.value == pytest.approx(theirs["recall"], rel=1e-6)


@pytest.mark.parametrize("splits", [1, 3, 10])
def test_inception_score_equals_torch_fidelity(pair, splits):
    from torch_fidelity.metric_isc import isc_features_to_metric

    for logits in (pair[0], pair[0] * 4):
        theirs = isc_features_to_metric(logits, splits=splits)
        ours = m.inception_score(logits, splits=splits)
        assert ours.value == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
        assert ours.details["std"] == pytest.approx(theirs["inception_score_std"], rel=1e-6)


def test_frechet_term_agrees_with_the_matrix_square_root():
    sqrtm = pytest.importorskip("scipy.linalg").sqrtm
    a, b = _normal(300, 40), _normal(200, 40, seed=1) @ _normal(40, 40, seed=2)
    covariances = [torch.cov(x.T) for x in (a, b)]
    root = np.trace(sqrtm((covariances[0] @ covariances[1]).numpy())).real
    expected = float((a.mean(0) - b.mean(0)).square().sum())
    expected += float(sum(c.trace() for c in covariances)) - 2 * root
    assert m.frechet_distance(a, b).value == pytest.approx(expected, rel=1e-9)


def test_known_gaussians_give_the_textbook_value():
    # Diagonal covariances: sum of (mean difference)^2 + (difference of deviations)^2.
    mean_g, mean_r = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    cov_g, cov_r = torch.diag(torch.tensor([4.0, 1.0])), torch.diag(torch.tensor([1.0, 9.0]))
    assert m.frechet_from_statistics(mean_g, cov_g, mean_r, cov_r) == pytest.approx(5 + 1 + 4)


def test_density_and_coverage_by_hand():
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    fake = torch.tensor([[0.5], [0.6]])
    # k = 1: the balls are [-1, 1], [0, 2], [1, 3] and [2, 18]; each fake lies in two of them.
    density, coverage = m.density_coverage(fake, real, neighbours=1)
    assert density.value == pytest.approx(2.0)
    assert coverage.value == pytest.approx(0.5)


# --- intervals -----------------------------------------------------------------------------------


def _coverage_of(score_of, draws: int = 120) -> float:
    """How often the interval of one draw holds the mean score of all draws."""
    scores = [score_of(seed) for seed in range(draws)]
    middle = np.mean([s.value for s in scores])
    return float(np.mean([s.interval[0] <= middle <= s.interval[1] for s in scores]))


def test_frechet_interval_covers():
    real = _normal(400, 6, seed=999)
    rate = _coverage_of(lambda s: m.frechet_distance(_normal(300, 6, seed=s) * 1.3 + 0.2, real))
    assert 0.88 <= rate <= 1.0


def test_kernel_interval_covers():
    real = _normal(400, 6, seed=999)
    rate = _coverage_of(
        lambda s: m.kernel_distance(
            _normal(300, 6, seed=s) * 1.3 + 0.2, real, subsets=30, subset_size=100
        ),
        draws=80,
    )
    assert 0.85 <= rate <= 1.0


def test_inception_interval_covers():
    rate = _coverage_of(lambda s: m.inception_score(_normal(400, 5, seed=s) * 3, splits=1))
    assert 0.88 <= rate <= 0.99


def test_wilson_interval_stays_inside_and_holds_the_share():
    assert score.wilson(0, 20)[0] == 0.0
    assert score.wilson(20, 20)[1] == 1.0
    low, high = score.wilson(5, 20)
    assert 0 < low < 0.25 < high < 0.5


# --- names ---------------------------------------------------------------------------------------


def test_a_score_says_what_it_is():
    judge = TinyJudge()
    fake = m.look(_images(40, seed=1), judge)
    assert m.frechet_distance(fake, TinyDataset(_images(40)), judge).name == (
        "FD(tiny-judge, 40 vs test)"
    )
    assert m.frechet_distance(fake, TinyDataset(_images(50), "train"), judge).name == (
        "FD(tiny-judge, 40 vs 50 train)"
    )
    assert m.inception_score(fake).name == "IS(tiny-judge, 40)"


def test_only_inception_features_earn_the_name_fid():
    a = m.Features(_normal(60, 4), judge="inception-v3", source="generated")
    b = m.Features(_normal(60, 4, seed=1), judge="inception-v3", source="test")
    assert m.frechet_distance(a, b).metric == "FID"
    assert m.kernel_distance(a, b, subset_size=30).metric == "KID"
    assert m.frechet_distance(a.values, b.values).metric == "FD"


def test_numbers_are_written_with_their_interval_and_note():
    score = m.Score("FD", 8.7134, (8.521, 8.899), 10_000, "mnist-judge", "test", "lower", "careful")
    assert str(score) == "FD(mnist-judge, 10k vs test) = 8.71 [8.52, 8.90]  (careful)"
    assert repr(score) == str(score)
    assert float(score) == 8.7134


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.00123, "1.23e-03"), (0.5, "0.500"), (9.876, "9.88"), (145.2, "145")],
)
def test_digits(value, text):
    assert score.digits(value) == text


@pytest.mark.parametrize(
    ("n", "text"), [(40, "40"), (1000, "1k"), (2500, "2.5k"), (1234, "1,234"), (60000, "60k")]
)
def test_counts(n, text):
    assert score.count(n) == text


# --- images in -----------------------------------------------------------------------------------


def test_uint8_and_floats_in_range_are_the_same_images():
    images = _images()
    floats = images.float() / 127.5 - 1
    one, other = (m.look(x, TinyJudge()).values for x in (images, floats))
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda x: x / 255, r"\[0, 1\]"),
        (lambda x: x, r"\[0, 255\] stored as floats"),
        (lambda x: (x / 255 - 0.13) / 0.31, "mean and deviation"),
        (lambda x: x * 100 - 3000, "tanh"),
        (lambda x: (x / 127.5 - 1).masked_fill(x > 250, math.nan), "NaN"),
    ],
)
def test_a_wrong_range_is_refused_with_its_cause(change, cause):
    images = _images().float()
    images[0, 0, 0, :2] = torch.tensor([0.0, 255.0])
    with pytest.raises(ValueError, match=cause):
        m.look(change(images), TinyJudge())


def test_a_wrong_type_shape_or_size_is_refused():
    with pytest.raises(TypeError, match="int64"):
        m.look(_images().long(), TinyJudge())
    with pytest.raises(ValueError, match=r"\.view\(-1, 1, 28, 28\)"):
        m.look(_images().flatten(1), TinyJudge())
    with pytest.raises(ValueError, match="resizing"):
        m.look(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), TinyJudge())
    with pytest.raises(ValueError, match="N >= 1"):
        m.look(_images()[:0], TinyJudge())
    with pytest.raises(ValueError, match="need a judge"):
        m.frechet_distance(_images(), _images())


def test_a_judge_in_train_mode_is_refused():
    with pytest.raises(ValueError, match="train mode"):
        m.look(_images(), TinyJudge().train())


def test_features_of_different_judges_do_not_mix():
    a = m.Features(_normal(30, 4), judge="one")
    b = m.Features(_normal(30, 4), judge="other")
    with pytest.raises(ValueError, match="seen by one"):
        m.frechet_distance(a, b)
    with pytest.raises(ValueError, match="4 features, the reference 5"):
        m.frechet_distance(_normal(30, 4), _normal(30, 5))


def test_pixels_serve_as_features():
    images = _images()
    score = m.nearest_neighbours(images, TinyDataset(images), "pixels", k=2)
    assert score.value == 0
    assert score.details["indices"].shape == (50, 2)
    assert score.details["indices"][:, 0].tolist() == list(range(50))


# --- degenerate samples --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "score", [m.frechet_distance, m.kernel_distance, m.precision_recall, m.density_coverage]
)
def test_one_sample_is_refused(score):
    with pytest.raises(ValueError, match="at least 2"):
        score(_normal(1, 4), _normal(50, 4))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_is_refused_and_counted(bad):
    x = _normal(50, 4)
    x[3, 1] = bad
    with pytest.raises(ValueError, match="1 of 50 rows"):
        m.frechet_distance(x, _normal(50, 4))


def test_inception_score_of_too_few_and_of_probabilities():
    with pytest.raises(ValueError, match="at least 2"):
        m.inception_score(_normal(1, 10))
    with pytest.raises(ValueError, match="splits=10 with 12"):
        m.inception_score(_normal(12, 10))
    with pytest.raises(ValueError, match="logits are expected"):
        m.inception_score(_normal(50, 10).softmax(dim=1))


def test_one_class_has_inception_score_one():
    logits = torch.zeros(100, 10)
    logits[:, 3] = 900.0  # every other probability underflows to 0
    score = m.inception_score(logits)
    assert score.value == pytest.approx(1.0)
    assert m.classes_covered(m.Features(logits, logits)).value == 1


def test_inception_score_of_all_classes_is_their_number():
    logits = 900.0 * torch.eye(10).repeat(30, 1)
    assert m.inception_score(logits, splits=1).value == pytest.approx(10.0)
    # Sorted by class and not shuffled, each part sees one class only.
    ordered = logits[logits.argmax(1).argsort()]
    assert m.inception_score(ordered, shuffle=False).value == pytest.approx(1.0)
    assert m.inception_score(ordered).value > 8


def test_constant_images_have_no_spread_but_a_distance():
    real = _images()
    grey = torch.full((50, 1, 6, 6), 128, dtype=torch.uint8)
    seen, reference = m.look(grey, TinyJudge()), m.look(real, TinyJudge())
    shift = float((seen.mean - reference.mean).square().sum())
    score = m.frechet_distance(seen, reference)
    assert score.value == pytest.approx(shift + reference.spread, rel=1e-6)
    assert m.frechet_distance(seen, seen).value == pytest.approx(0, abs=1e-9)
    assert math.isfinite(m.kernel_distance(seen, reference, subset_size=20).value)
    assert m.precision_recall(seen, reference)[1].value == 0


def test_duplicates_keep_the_distance_and_are_inside_themselves():
    x = _normal(30, 4).repeat(10, 1)
    assert m.frechet_distance(x, x).value < 1e-9
    precision, recall = m.precision_recall(x, x)
    assert (precision.value, recall.value) == (1.0, 1.0)
    assert m.density_coverage(x, x)[1].value == 1.0
    # Balls of radius zero: a copy is inside, a neighbour is not.
    assert m.precision_recall(_normal(30, 4, seed=1), x)[0].value == 0


def test_few_samples_are_noted():
    assert "biased far upward" in m.frechet_distance(_normal(20, 32), _normal(50, 32)).note
    assert m.frechet_distance(_normal(60, 32), _normal(50, 32)).note == ""


def test_subsets_and_neighbours_beyond_the_samples_are_refused():
    with pytest.raises(ValueError, match="subset_size=1000 but there are only 50"):
        m.kernel_distance(_normal(50, 4), _normal(60, 4))
    with pytest.raises(ValueError, match="neighbours=50"):
        m.precision_recall(_normal(60, 4), _normal(50, 4), neighbours=50)


# --- classes, modes, neighbours ------------------------------------------------------------------


def test_classes_covered_needs_a_fair_share():
    logits = 20.0 * torch.eye(4)[torch.tensor([0] * 60 + [1] * 38 + [2] * 2)]
    score = m.classes_covered(m.Features(logits, logits))
    assert score.value == 2  # two samples are less than 0.2 * 100 / 4
    assert score.details["counts"].tolist() == [60, 38, 2, 0]
    assert 1.9 < score.details["effective"] < 2.3
    assert score.details["confidence"] > 0.99


def test_modes_and_quality_are_told_apart():
    centers = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    points = torch.cat([0.05 * _normal(80, 2), torch.full((20, 2), 5.0)])
    first, second = mode_counts(points, centers.double(), reach=3 * 0.05)
    assert 75 < first <= 80 and second == 0


def test_copies_are_closer_to_train():
    train, test, fresh = (_normal(300, 3, seed=s) for s in range(3))
    assert m.closer_to_train(train[:100] + 1e-3, train, test).value > 0.95
    low, high = m.closer_to_train(fresh, train, test).interval
    assert low < 0.5 < high
    with pytest.raises(ValueError, match="as many"):
        m.closer_to_train(fresh, train, test[:200])


def test_evaluate_gives_every_score_once():
    judge = TinyJudge()
    scores = m.evaluate(_images(60, seed=1), TinyDataset(_images(60)), judge)
    names = [score.metric for score in scores]
    assert names == ["FD", "KD", "precision", "recall", "density", "coverage", "IS", "classes"]
    assert judge.looks == 2  # each set once, whatever the number of scores


def test_the_table_of_the_courses_models_fits_a_page_and_names_its_scores():
    lines = model_scores().splitlines()
    assert lines[1].startswith("training images") and max(map(len, lines)) <= 90
    assert "FD(mnist-judge, 10k vs test)" in " ".join(lines)


def test_a_part_of_the_reference_is_drawn_by_the_seed_and_named_by_its_count():
    judge, data = TinyJudge(), TinyDataset(_images(150))
    part = m.reference(data, judge, n=60)
    assert len(part) == 60 and torch.equal(part.values, m.reference(data, judge, n=60).values)
    assert not torch.equal(part.values, m.reference(data, judge, n=60, seed=1).values)
    assert m.frechet_distance(_images(50), part, judge).name == "FD(tiny-judge, 50 vs 60 test)"
