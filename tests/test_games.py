"""Games of two numbers, as notebook 01 defines and plays them: fields, orbits, radii."""

import math

import pytest
import torch
from cells import namespace
from torch import nn

from gan_helpers import losses

with namespace("01_theory.ipynb", ["setup", "game-orbit", "dirac-game"]) as notebook:
    bilinear, dirac, orbit = (notebook[name] for name in ("bilinear", "dirac", "orbit"))

# Ten starts at distances from 0.5 to 2, evenly around the equilibrium.
RADII = torch.linspace(0.5, 2.0, 10, dtype=torch.float64)
ANGLES = torch.arange(10, dtype=torch.float64) * 2 * math.pi / 10
STARTS = torch.stack([RADII * ANGLES.cos(), RADII * ANGLES.sin()], -1)


def ratio(path):
    """Final over initial distance from the equilibrium."""
    return path[-1].norm(dim=-1) / path[0].norm(dim=-1)


def final_ratio(game, updates="simultaneous", step=0.1, steps=500):
    return ratio(orbit(game, STARTS, updates, step, steps))


def test_dirac_velocity_is_minus_the_gradient_of_the_course_losses():
    theta = torch.tensor([0.7, -1.3], dtype=torch.float64, requires_grad=True)
    psi = torch.tensor([-0.4, 2.0], dtype=torch.float64, requires_grad=True)
    for name in ("minimax", "non-saturating"):
        objective = losses.OBJECTIVES[name]
        # The mean over two independent games is half of each game's own loss.
        (d_theta,) = torch.autograd.grad(2 * objective.g_loss(psi * theta), theta)
        (d_psi,) = torch.autograd.grad(2 * objective.d_loss(psi * 0, psi * theta), psi)
        got = dirac(name)(theta.detach(), psi.detach())
        torch.testing.assert_close(got[0], -d_theta)
        torch.testing.assert_close(got[1], -d_psi)


def test_r1_in_the_dirac_game_is_the_course_penalty():
    class Line(nn.Module):
        def __init__(self, psi):
            super().__init__()
            self.psi = nn.Parameter(psi)

        def forward(self, x):
            return (self.psi * x).flatten()

    D = Line(torch.tensor(1.7, dtype=torch.float64))
    penalty = losses.r1_penalty(0.6)(D, torch.zeros(4, 1, dtype=torch.float64), None, None)
    (slope,) = torch.autograd.grad(penalty, D.psi)
    here = (torch.tensor([0.3], dtype=torch.float64), D.psi.detach()[None])
    with_r1 = dirac(r1=0.6)(*here)[1]
    torch.testing.assert_close(with_r1, dirac()(*here)[1] - slope)


def test_instance_noise_averages_over_the_noise():
    here = (torch.tensor([0.9], dtype=torch.float64), torch.tensor([1.2], dtype=torch.float64))
    noise = torch.randn(2, 400_000, generator=torch.Generator().manual_seed(0)).double() * 0.8
    psi = here[1].clone().requires_grad_(True)
    loss = losses.cross_entropy_d_loss(psi * noise[0], psi * (here[0] + noise[1]))
    (slope,) = torch.autograd.grad(loss, psi)
    got = dirac(noise=0.8)(*here)[1]
    torch.testing.assert_close(got, -slope, atol=0.01, rtol=0)


def test_simultaneous_bilinear_steps_spiral_outwards_by_the_predicted_factor():
    expected = (1 + 0.1**2) ** (500 / 2)
    torch.testing.assert_close(
        final_ratio(bilinear), torch.full((10,), expected, dtype=torch.float64)
    )


def test_who_spirals_out_who_stays_and_who_comes_home():
    """Radii after 500 steps of 0.1, from ten starts at distances from 0.5 to 2."""
    out = final_ratio(dirac())
    assert out.min() > 1.2 and out.max() < 1.9
    stays = final_ratio(dirac(), "alternating")
    assert stays.min() > 0.9 and stays.max() < 1.1
    stays = final_ratio(bilinear, "alternating")
    assert stays.min() > 0.9 and stays.max() < 1.1
    assert final_ratio(dirac(r1=1.0)).max() < 1e-8
    assert final_ratio(dirac(noise=1.0)).max() < 1e-4
    assert final_ratio(bilinear, "optimistic").max() < 0.1
    assert final_ratio(dirac(), "optimistic", steps=5000).max() < 0.01


def test_what_500_steps_achieve_depends_on_the_start():
    """Medians over ten starts at one distance, as in the table of notebook 01."""
    circle = STARTS / RADII[:, None]

    def medians(game, updates="simultaneous"):
        paths = (orbit(game, r * circle, updates) for r in (0.1, 1.0, 3.0))
        return [float(ratio(path).median()) for path in paths]

    near, middle, far = medians(dirac())
    assert near > middle > far > 1
    assert medians(dirac(), "alternating") == pytest.approx([1, 1, 1], abs=0.05)
    near, middle, far = medians(dirac(), "optimistic")
    assert near == pytest.approx(0.54, abs=0.02) and near <= middle < far < 1
    near, middle, far = medians(dirac("non-saturating"))
    assert near > 1.5 and middle < 0.6 and far < 0.3
    assert max(medians(dirac(r1=1.0))) < 1e-6
    assert max(medians(dirac(noise=1.0))) < 1e-3


def test_near_the_centre_the_minimax_game_is_the_bilinear_one_at_half_speed_turned_round():
    place = 1e-3 * STARTS.T
    slow, fast = dirac()(*place), bilinear(*place)
    for mine, theirs in zip(slow, fast, strict=True):
        torch.testing.assert_close(mine, -theirs / 2, rtol=1e-5, atol=1e-12)


def test_the_flow_of_the_minimax_game_is_a_circle_and_the_non_saturating_one_shrinks():
    radius = orbit(dirac(), (1.0, 0.0), step=0.005, steps=2000).norm(dim=-1)
    assert radius.max() < 1.01 and radius.min() > 0.99
    radius = orbit(dirac("non-saturating"), (1.0, 0.0), step=0.005, steps=2000).norm(dim=-1)
    assert 0.6 < radius[-1] < 0.75


@pytest.mark.parametrize("step", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("start", [0.2, 2.0])
def test_simultaneous_non_saturating_steps_settle_on_a_cycle_of_radius_sqrt_2_step(step, start):
    path = orbit(dirac("non-saturating"), (start, 0.0), step=step, steps=int(1000 / step))
    late = path[-200:].norm(dim=-1).mean()
    assert late == pytest.approx(math.sqrt(2 * step), rel=0.01)
