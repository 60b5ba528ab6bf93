"""Densities on a line, and 2-D GANs trained side by side."""

import math

import pytest
import torch
from torch import nn

from gan_helpers import losses, synthetic, toys
from gan_helpers.settings import step_generator
from gan_helpers.toys.networks import forward

LINE = torch.linspace(-8, 8, 3201, dtype=torch.float64)
DX = float(LINE[1] - LINE[0])


# ---------------------------------------------------------------------------- densities on a line
def test_densities_integrate_to_one():
    assert float(toys.gaussian_density(LINE, 1.0, 0.7).sum() * DX) == pytest.approx(1, abs=1e-9)


def test_kl_of_two_gaussians_matches_the_formula():
    p, q = toys.gaussian_density(LINE, 0.5, 0.8), toys.gaussian_density(LINE, -0.5, 1.1)
    expected = math.log(1.1 / 0.8) + (0.8**2 + 1.0**2) / (2 * 1.1**2) - 0.5
    assert toys.kl_divergence(p, q, DX) == pytest.approx(expected, abs=1e-6)


def test_kl_is_infinite_where_q_has_no_mass():
    p = torch.tensor([0.5, 0.5], dtype=torch.float64)
    q = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert toys.kl_divergence(p, q, 1.0) == math.inf
    assert toys.kl_divergence(q, p, 1.0) == pytest.approx(math.log(2))


def test_js_is_symmetric_zero_at_equality_and_log_2_apart():
    p, q = toys.gaussian_density(LINE, 0.0, 1.0), toys.gaussian_density(LINE, 1.0, 0.5)
    assert toys.js_divergence(p, q, DX) == pytest.approx(toys.js_divergence(q, p, DX))
    assert toys.js_divergence(p, p, DX) == pytest.approx(0, abs=1e-12)
    left, right = toys.gaussian_density(LINE, -4, 0.3), toys.gaussian_density(LINE, 4, 0.3)
    assert toys.js_divergence(left, right, DX) == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize("shift", [0.5, 2.0, 5.0])
def test_wasserstein_of_a_shift_is_the_shift(shift):
    p, q = toys.gaussian_density(LINE, 0.0, 0.5), toys.gaussian_density(LINE, shift, 0.5)
    assert toys.wasserstein_1(p, q, DX) == pytest.approx(shift, rel=1e-4)


def test_value_of_the_game_at_the_optimal_discriminator():
    p, q = toys.gaussian_density(LINE, -0.5, 1.0), toys.gaussian_density(LINE, 0.8, 0.6)
    best = toys.optimal_discriminator(p, q)
    value = float((p * best.log() + q * (q / (p + q)).log()).sum() * DX)
    assert value == pytest.approx(-math.log(4) + 2 * toys.js_divergence(p, q, DX), abs=1e-9)


def test_optimal_discriminator_is_finite_where_nothing_is():
    nothing = torch.zeros(3)
    assert torch.equal(toys.optimal_discriminator(nothing, nothing), torch.full((3,), 0.5))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: toys.gaussian_density(LINE, 0.0, 0.0), "std=0"),
        (lambda: toys.ToyGAN(synthetic.ring(), hidden=0), "hidden=0"),
        (lambda: toys.ToyGAN(synthetic.ring(), r1=-1), "r1=-1"),
        (lambda: toys.ToyGAN(synthetic.ring(), objective="best"), "objective='best'"),
        (lambda: toys.ToyGAN(synthetic.ring(), seeds=[]), "seeds"),
    ],
)
def test_a_wrong_argument_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


# ---------------------------------------------------------------------------- GANs in the plane
def toy(**options):
    return toys.ToyGAN(synthetic.ring(), **{"hidden": 16, "latent_dim": 2, **options})


def test_a_seed_gives_the_same_run_alone_and_in_company():
    together, alone = toy(seeds=[3, 4, 5], r1=0.1), toy(seeds=4, r1=0.1)
    for _ in range(20):
        together.step()
        alone.step()
    torch.testing.assert_close(together.sample(64)[1], alone.sample(64)[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together.d_norm[1], alone.d_norm[0], atol=1e-3, rtol=1e-3)


def test_the_same_seed_and_settings_replay_the_same_run_whatever_the_global_state():
    samples = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        gan = toy(seeds=7)
        for _ in range(5):
            gan.step()
        samples.append(gan.sample(32))
    assert torch.equal(*samples)


def test_one_d_step_moves_d_only_and_one_g_step_g_only():
    gan = toy()
    points = gan.target.sample(8)
    logits, samples = gan.logits(points), gan.sample(8)
    gan.d_step()
    assert not torch.equal(gan.logits(points), logits)
    assert torch.equal(gan.sample(8), samples)
    logits = gan.logits(points)
    gan.g_step()
    assert torch.equal(gan.logits(points), logits)
    assert not torch.equal(gan.sample(8), samples)
    assert (gan.d_count, gan.g_count) == (1, 1)


def test_a_step_is_the_step_of_plain_torch():
    """One D step and one G step against nn.Sequential, the course's losses and plain Adam."""
    gan = toy(seeds=11, r1=0.5, lr=(1e-3, 2e-3))
    G, D = as_modules(gan)
    opt_d = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.999))
    opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    generator = step_generator(11, 0, "D step")
    real = gan.target.sample(128, generator)
    fake = G(torch.randn(128, 2, generator=generator))
    objective = losses.OBJECTIVES["non-saturating"]
    loss = objective.d_loss(D(real), D(fake.detach()))
    (loss + losses.r1_penalty(0.5)(D, real, fake, None)).backward()
    opt_d.step()
    latent = torch.randn(128, 2, generator=step_generator(11, 0, "G step"))
    opt_g.zero_grad()
    objective.g_loss(D(G(latent))).backward()
    opt_g.step()
    gan.step()
    points = torch.randn(50, 2)
    torch.testing.assert_close(gan.logits(points)[0], D(points).detach()[:, 0])
    latent = torch.randn(50, 2)
    torch.testing.assert_close(forward(gan.G, latent[None])[0], G(latent))


def as_modules(gan):
    """The one G and D of a toy GAN as ordinary modules with copies of its weights."""
    networks = []
    for weights in (gan.G, gan.D):
        layers = []
        for weight, bias in zip(weights[::2], weights[1::2], strict=True):
            linear = nn.Linear(*weight.shape[1:])
            linear.weight.data = weight[0].detach().T.clone()
            linear.bias.data = bias[0, 0].detach().clone()
            layers += [linear, nn.ReLU()]
        networks.append(nn.Sequential(*layers[:-1]))
    return networks


def test_arrows_are_minus_the_gradient_of_the_generator_loss_at_each_point():
    gan = toy()
    gan.step()
    points = gan.sample(5)
    arrows = gan.pull(points)[0]
    _, D = as_modules(gan)
    for point, arrow in zip(points[0], arrows, strict=True):
        point = point.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(losses.non_saturating_g_loss(D(point)), point)
        torch.testing.assert_close(arrow, -slope)


def test_the_relativistic_objective_compares_with_real_points():
    gan = toy(objective="relativistic")
    points = gan.sample(8)
    pull = gan.pull(points)
    assert pull.shape == points.shape and pull.abs().sum() > 0
    gan.step()
    assert gan.g_loss.isfinite() and not torch.equal(gan.sample(8), points)


def test_chosen_latent_points_are_mapped_by_the_generator_of_each_seed():
    gan = toy(seeds=[3, 4])
    latent = gan._latent(5, 0, "samples")
    assert torch.equal(gan.generate(latent), gan.sample(5))


def test_a_new_discriminator_is_the_first_one_again_or_another_and_g_keeps_its_own():
    gan = toy(seeds=[3, 4], lr=(1e-3, 3e-3))
    points = torch.randn(6, 2)
    first = gan.logits(points)
    for _ in range(3):
        gan.step()
    samples, memory = gan.sample(5), len(gan._adams[0].state)
    gan.renew_discriminator()
    assert torch.equal(gan.logits(points), first) and torch.equal(gan.sample(5), samples)
    assert len(gan._adams[0].state) == memory and not gan._adams[1].state
    gan.renew_discriminator("another")
    assert not torch.allclose(gan.logits(points), first)
    gan.forget()
    assert not gan._adams[0].state and gan.lr == (1e-3, 3e-3)
    gan.step()
    assert not torch.equal(gan.sample(5), samples)


def test_settings_can_be_changed_while_training():
    gan = toy()
    gan.step()
    gan.objective, gan.lr, gan.target = "hinge", (0.0, 1e-3), synthetic.grid()
    samples = gan.sample(8)
    gan.step()
    assert torch.equal(gan.sample(8), samples)  # G's rate is 0 now
    assert gan.lr == (0.0, 1e-3)


def test_coverage_counts_modes_and_points_near_them():
    ring = synthetic.ring()
    modes, share = toys.coverage(ring.sample(4000, torch.Generator().manual_seed(0)), ring)
    assert modes == 8
    # A 2-D Gaussian has 1 - exp(-9/2) of its mass within 3 sigma.
    assert float(share) == pytest.approx(1 - math.exp(-4.5), abs=0.01)
    one_mode = ring.centers[:1].expand(2, 100, 2)
    modes, share = toys.coverage(one_mode, ring)
    assert modes.tolist() == [1, 1] and share.tolist() == [1, 1]
    modes, share = toys.coverage(torch.zeros(100, 2), ring)
    assert modes == 0 and share == 0


def test_a_smeared_circle_covers_all_modes_with_a_low_share():
    angles = torch.linspace(0, 2 * math.pi, 4001)[:-1]
    modes, share = toys.coverage(torch.stack([angles.cos(), angles.sin()], 1), synthetic.ring())
    assert modes == 8
    assert 0.35 < share < 0.41


def test_the_two_moons_count_as_twenty_pieces():
    moons = synthetic.two_moons()
    modes, share = toys.coverage(moons.sample(4000, torch.Generator().manual_seed(0)), moons)
    assert modes == toys.mode_count(moons) == 20
    assert share > 0.98


def test_the_playground_settings_learn_the_ring():
    """What notebook 01 shows: healthy with a fast D, collapsed with the two rates exchanged."""
    settings = {"hidden": 32, "latent_dim": 2, "seeds": [1000, 1001]}
    healthy, broken = toy(lr=(1e-3, 3e-3), **settings), toy(lr=(3e-3, 1e-3), **settings)
    for _ in range(600):
        healthy.step()
        broken.step()
    modes, share = toys.coverage(healthy.sample(1000), healthy.target)
    assert modes.min() >= 7 and share.min() > 0.4
    modes, _ = toys.coverage(broken.sample(1000), broken.target)
    assert modes.max() <= 4
