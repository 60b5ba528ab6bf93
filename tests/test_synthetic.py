import pytest
import torch

from gan_helpers import synthetic
from gan_helpers.synthetic import SHAPE_NAMES, draw_digits, draw_shapes

DRAWN = {"digits": (draw_digits, (1, 28, 28)), "shapes": (draw_shapes, (3, 32, 32))}


@pytest.fixture(params=DRAWN, scope="module")
def drawn(request):
    draw, shape = DRAWN[request.param]
    return draw, shape, *draw(1500, seed=3)


def nearest_mean_accuracy(train, train_labels, test, test_labels) -> float:
    """How many test images lie closest to their own class's mean image."""
    flat, flat_test = train.flatten(1).float(), test.flatten(1).float()
    means = torch.stack([flat[train_labels == k].mean(0) for k in range(10)])
    return float((torch.cdist(flat_test, means).argmin(1) == test_labels).float().mean())


def test_images_are_bytes_with_labels_of_all_ten_classes(drawn):
    _, shape, images, labels = drawn
    assert images.dtype == torch.uint8 and images.shape == (1500, *shape)
    assert labels.dtype == torch.int64 and labels.shape == (1500,)
    counts = labels.bincount(minlength=10)
    assert counts.min() > 100 and counts.max() < 210 and len(counts) == 10
    assert images.min() == 0 and images.max() > 240


def test_the_same_seed_draws_the_same_and_another_seed_another(drawn):
    draw, _, images, labels = drawn
    again, again_labels = draw(1500, seed=3)
    assert torch.equal(images, again) and torch.equal(labels, again_labels)
    assert not torch.equal(images[:100], draw(100, seed=4)[0])


def test_a_longer_draw_begins_with_a_shorter_one(drawn):
    draw, _, images, labels = drawn
    for n in (1, 7, 250, 251):
        fewer, fewer_labels = draw(n, seed=3)
        assert torch.equal(fewer, images[:n]) and torch.equal(fewer_labels, labels[:n])


def test_no_two_images_are_alike(drawn):
    _, _, images, _ = drawn
    assert len(images.flatten(1).unique(dim=0)) == len(images)


def test_drawing_leaves_the_global_random_state_alone(drawn):
    draw = drawn[0]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    draw(10)
    synthetic.ring().sample(10, torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("n", [0, -1, 2.5, "12"])
def test_a_count_that_is_none_is_refused(n):
    with pytest.raises(ValueError, match="n=.*at least 1"):
        draw_digits(n)


def test_a_digit_fills_a_box_of_20_and_is_centred_as_in_mnist():
    images, labels = draw_digits(2000)
    ink = images[:, 0].double()
    rows, columns = ink.sum(2), ink.sum(1)
    pixels = torch.arange(28.0, dtype=torch.float64)
    for line in (rows, columns):
        center = (line * pixels).sum(1) / line.sum(1)
        off = (center - 13.5).abs()
        assert off.median() < 0.3 and off.quantile(0.99) < 1.2
    spans = [((line > 128).float() * pixels).amax(1) for line in (rows, columns)]
    starts = [28 - ((line > 128).float() * pixels.flip(0)).amax(1) for line in (rows, columns)]
    sides = torch.stack([end - start + 2 for end, start in zip(spans, starts, strict=True)]).amax(0)
    assert 18 <= sides.median() <= 22


def test_digits_have_as_much_ink_as_mnist(real_mnist):
    drawn, _ = draw_digits(3000)
    ours, theirs = drawn.float().mean(), real_mnist.images[:10_000].float().mean()
    assert abs(ours - theirs) / theirs < 0.1


def test_mean_images_of_drawn_digits_recognise_real_ones(real_mnist):
    # By the means of real digits themselves it is .82; a guess is right one time in ten.
    images, labels = draw_digits(3000)
    real, real_labels = real_mnist.images[:3000], real_mnist.labels[:3000]
    assert nearest_mean_accuracy(images, labels, real, real_labels) > 0.6


def test_digits_vary_within_a_class_about_as_much_as_mnist(real_mnist):
    images, labels = draw_digits(6000)

    def spread(images, labels):
        flat = images.flatten(1).float()
        return torch.stack([flat[labels == k].std(0).norm() for k in range(10)]).mean()

    ratio = spread(images, labels) / spread(real_mnist.images[:6000], real_mnist.labels[:6000])
    assert 0.8 < ratio < 1.2


def test_every_shape_has_a_name_and_its_own_form():
    assert len(set(SHAPE_NAMES)) == 10
    # On centred outlines of one size, each shape covers a different part of the picture.
    ticks = torch.linspace(-1.2, 1.2, 64)
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    inside = torch.stack([(shape(x, y) < 0).flatten() for shape in synthetic._SHAPES.values()])
    assert inside.float().mean(1).min() > 0.1 and inside.float().mean(1).max() < 0.6
    for i in range(10):
        for k in range(i):
            union = (inside[i] | inside[k]).sum()
            assert (inside[i] ^ inside[k]).sum() / union > 0.1, (SHAPE_NAMES[i], SHAPE_NAMES[k])


def test_shapes_stand_out_from_their_ground_in_any_colour():
    images, _ = draw_shapes(1000)
    flat = images.float().flatten(2)
    contrast = (flat.amax(2) - flat.amin(2)).amax(1)  # over the channels
    assert contrast.min() > 50
    mean_color = flat.mean(2)
    assert mean_color.std(0).min() > 20


# ------------------------------------------------------------------------------- 2-D mixtures


def test_ring_has_its_modes_on_a_circle():
    ring = synthetic.ring(modes=8, radius=2.0, sigma=0.01)
    assert ring.centers.shape == (8, 2)
    assert torch.allclose(ring.centers.norm(dim=1), torch.full((8,), 2.0))
    assert torch.allclose(ring.centers[2], torch.tensor([0.0, 2.0]), atol=1e-6)


def test_grid_is_square_and_centred():
    grid = synthetic.grid(side=5, spacing=0.5)
    assert grid.centers.shape == (25, 2)
    assert torch.allclose(grid.centers.mean(0), torch.zeros(2), atol=1e-6)
    assert grid.centers.max() == 1.0 and grid.centers.min() == -1.0


@pytest.mark.parametrize("mixture", [synthetic.ring(), synthetic.grid(), synthetic.gaussian()])
def test_samples_lie_around_all_centres_with_the_right_spread(mixture):
    points = mixture.sample(20_000, torch.Generator().manual_seed(1))
    assert points.shape == (20_000, 2) and points.dtype == torch.float32
    distance, mode = torch.cdist(points, mixture.centers).min(1)
    shares = mode.bincount(minlength=len(mixture.centers)) / len(points)
    assert (shares * len(mixture.centers) - 1).abs().max() < 0.2
    # The squared distance of a round 2-D Gaussian has mean 2 sigma^2.
    assert distance.square().mean().item() == pytest.approx(2 * mixture.sigma**2, rel=0.03)


def test_sampling_follows_its_generator_or_else_the_global_one():
    for target in (synthetic.ring(), synthetic.two_moons()):
        one = target.sample(50, torch.Generator().manual_seed(7))
        assert torch.equal(one, target.sample(50, torch.Generator().manual_seed(7)))
        torch.manual_seed(1)
        other = target.sample(50)
        torch.manual_seed(1)
        assert torch.equal(other, target.sample(50)) and not torch.equal(one, other)


def test_two_moons_are_two_centred_arcs_with_a_gap():
    points = synthetic.two_moons(radius=1.0, sigma=0.0).sample(5000, torch.Generator())
    assert points.mean(0).abs().max() < 0.03
    upper = (points - torch.tensor([-0.5, -0.25])).norm(dim=1)
    lower = (points - torch.tensor([0.5, 0.25])).norm(dim=1)
    on_upper, on_lower = (upper - 1).abs() < 1e-5, (lower - 1).abs() < 1e-5
    assert bool((on_upper | on_lower).all())
    assert 0.45 < on_upper.float().mean() < 0.55
    # No point of one moon is near the other.
    first, second = points[on_upper & ~on_lower], points[on_lower & ~on_upper]
    assert torch.cdist(first, second).min() > 0.2


@pytest.mark.parametrize(
    ("centers", "sigma", "message"),
    [
        (torch.zeros(3), 0.1, r"centers has shape \(3,\); expected \(M, 2\)"),
        (torch.zeros(0, 2), 0.1, "centers has shape"),
        (torch.zeros(3, 2), 0.0, "sigma=0.0"),
    ],
)
def test_a_mixture_refuses_what_it_cannot_draw(centers, sigma, message):
    with pytest.raises(ValueError, match=message):
        synthetic.Mixture(centers, sigma)
