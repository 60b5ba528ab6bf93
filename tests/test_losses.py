"""The objectives on logits: values, slopes, extremes; the penalties against known gradients."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan_helpers import losses

LOGITS = torch.linspace(-12, 12, 49, dtype=torch.float64)


def slope(loss, logits):
    logits = logits.clone().requires_grad_(True)
    return torch.autograd.grad(loss(logits) * len(logits), logits)[0]


def g_loss(objective, fake, real):
    return objective.g_loss(fake, real) if objective.g_sees_real else objective.g_loss(fake)


def test_cross_entropy_is_the_textbook_formula():
    real, fake = LOGITS, LOGITS.flip(0) + 0.3
    by_hand = -torch.log(torch.sigmoid(real)).mean() - torch.log(1 - torch.sigmoid(fake)).mean()
    assert torch.isclose(losses.cross_entropy_d_loss(real, fake), by_hand)
    zero = torch.zeros(4)
    assert losses.cross_entropy_d_loss(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert losses.non_saturating_g_loss(zero).item() == pytest.approx(math.log(2))


def test_slopes_of_both_generator_losses():
    D = torch.sigmoid(LOGITS)
    assert torch.allclose(slope(losses.minimax_g_loss, LOGITS), -D)
    assert torch.allclose(slope(losses.non_saturating_g_loss, LOGITS), -(1 - D))


@pytest.mark.parametrize("name", losses.OBJECTIVES)
def test_finite_at_enormous_logits(name):
    objective = losses.OBJECTIVES[name]
    real = torch.tensor([-1e4, 1e4], requires_grad=True)
    fake = torch.tensor([1e4, -1e4], requires_grad=True)
    for value in (objective.d_loss(real, fake), g_loss(objective, fake, real)):
        gradients = torch.autograd.grad(value, fake, retain_graph=True)
        assert value.isfinite() and all(g.isfinite().all() for g in gradients)


def test_the_slope_survives_where_a_sigmoid_would_lose_it():
    far = torch.tensor([-60.0])
    assert slope(losses.non_saturating_g_loss, far).item() == pytest.approx(-1)


@pytest.mark.parametrize("name", losses.OBJECTIVES)
def test_directions(name):
    """D's loss falls when real logits rise and fake ones fall; G's falls when fake ones rise."""
    objective = losses.OBJECTIVES[name]
    low, high = torch.full((3,), -0.5), torch.full((3,), 0.5)
    assert objective.d_loss(high, low) < objective.d_loss(low, high)
    assert g_loss(objective, high, low) < g_loss(objective, low, low)


def test_relativistic_losses_see_differences_only_and_exchange_their_roles():
    real, fake = LOGITS, LOGITS.flip(0) + 0.3
    by_hand = -torch.log(torch.sigmoid(real - fake)).mean()
    assert torch.isclose(losses.relativistic_d_loss(real, fake), by_hand)
    shifted = losses.relativistic_d_loss(real + 5, fake + 5)
    assert torch.isclose(losses.relativistic_d_loss(real, fake), shifted)
    g = losses.relativistic_g_loss(fake, real)
    assert torch.isclose(g, -torch.log(torch.sigmoid(fake - real)).mean())
    assert not torch.isclose(g, losses.relativistic_d_loss(real, fake))


def test_a_pair_says_by_its_arguments_whether_g_sees_real_logits():
    def smooth(real, fake, target=0.9):
        return (fake - target * real).mean()

    one = losses.get_objective((smooth, lambda fake, scale=2: -scale * fake.mean()))
    two = losses.get_objective((smooth, lambda fake, real: (real - fake).mean()))
    assert (one.g_sees_real, two.g_sees_real) == (False, True)
    assert one.probabilities and one.name == "custom"
    assert losses.get_objective(two) is two


def test_objectives_by_name_and_by_hand():
    pair = (lambda real, fake: fake.mean(), lambda fake: -fake.mean())
    assert losses.get_objective(pair).g_loss is pair[1]
    with pytest.raises(ValueError, match="'non-saturating'"):
        losses.get_objective("vanilla")
    with pytest.raises(TypeError, match="pair"):
        losses.get_objective((1, 2))


def test_smoothing_is_cross_entropy_with_targets():
    bce = F.binary_cross_entropy_with_logits
    real, fake = LOGITS, LOGITS.flip(0) - 1
    expected = bce(real, torch.full_like(real, 0.8)) + bce(fake, torch.full_like(fake, 0.1))
    assert torch.isclose(losses.smooth_d_loss(real, fake, 0.8, 0.1), expected)
    plain = losses.smooth_d_loss(real, fake, 1.0, 0.0)
    assert torch.isclose(plain, losses.cross_entropy_d_loss(real, fake))


def test_best_logit_under_smoothing():
    """The minimum of the real term alone lies at log(a / (1 - a)), log 9 for a = 0.9."""
    grid = torch.linspace(0, 5, 5001, dtype=torch.float64)
    values = F.softplus(grid) - 0.9 * grid
    assert grid[values.argmin()].item() == pytest.approx(math.log(9), abs=1e-3)


@pytest.mark.parametrize("targets", [(0.0, 0.9), (1.1, 0.0), (0.9, -0.1), (0.5, 0.5)])
def test_smoothing_refuses_impossible_targets(targets):
    with pytest.raises(ValueError, match="exchanged"):
        losses.smooth_d_loss(torch.zeros(2), torch.zeros(2), *targets)


class Slope(nn.Module):
    """A D with a known gradient: logit = factor * sum(x), so its norm is |factor| sqrt(pixels)."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x, labels=None):
        return self.factor * x.flatten(1).sum(1)


def test_penalties_of_a_linear_discriminator():
    real, fake = torch.rand(6, 1, 4, 4), -torch.rand(6, 1, 4, 4)
    D = Slope(0.5)  # norm 0.5 * 4 = 2 everywhere
    assert losses.r1_penalty(10.0)(D, real, fake, None).item() == pytest.approx(10 / 2 * 4)
    penalty = losses.gradient_penalty(10.0)(D, real, fake, None)
    assert penalty.item() == pytest.approx(10 * (2 - 1) ** 2, rel=1e-5)
    penalty.backward()  # d/df of 10 (4 f - 1)^2 is 80 (4 f - 1) = 80
    assert D.factor.grad.item() == pytest.approx(80, rel=1e-5)


def test_r1_looks_at_real_images_and_r2_at_generated_ones():
    class Square(nn.Module):
        def forward(self, x, labels=None):
            return x.flatten(1).square().sum(1) / 2  # the gradient at x is x

    real, fake = torch.full((3, 1, 2, 2), 1.0), torch.full((3, 1, 2, 2), 2.0)
    values = {
        name: make(3.0)(Square(), real, fake).item() for name, make in losses.PENALTIES.items()
    }
    assert values["r1"] == pytest.approx(3 / 2 * 4)
    assert values["r2"] == pytest.approx(3 / 2 * 16)
    assert values["r1+r2"] == pytest.approx(values["r1"] + values["r2"])


def test_a_penalty_follows_its_weight_and_knows_its_name():
    real, fake = torch.rand(4, 1, 2, 2), torch.rand(4, 1, 2, 2)
    for name, make in losses.PENALTIES.items():
        penalty = make(10.0)
        torch.manual_seed(0)
        full = penalty(Slope(0.7), real, fake)
        penalty.weight = 2.5
        torch.manual_seed(0)
        assert penalty(Slope(0.7), real, fake).item() == pytest.approx(full.item() / 4)
        assert penalty.name == name


def test_gradient_penalty_stays_on_the_segments():
    seen = []

    class Spy(Slope):
        def forward(self, x, labels=None):
            seen.append(x.detach())
            return super().forward(x)

    real, fake = torch.ones(50, 1, 2, 2), -torch.ones(50, 1, 2, 2)
    losses.gradient_penalty()(Spy(1.0), real, fake, None)
    points = seen[0].flatten(1)
    assert torch.equal(points, points[:, :1].expand(-1, 4)), "one mixing factor a sample"
    assert points.min() >= -1 and points.max() <= 1 and points[:, 0].std() > 0.3


def test_feature_matching_compares_means():
    real, fake = torch.tensor([[0.0, 2.0], [2.0, 2.0]]), torch.tensor([[3.0, 2.0], [1.0, 2.0]])
    assert losses.feature_matching_loss(real, fake).item() == pytest.approx(1.0)
