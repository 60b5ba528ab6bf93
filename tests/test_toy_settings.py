"""What can be set on a ToyGAN, each against a plain calculation; its history and its hooks."""

import math

import pytest
import torch
from torch import nn

import gan_helpers as gh
from gan_helpers import losses, synthetic, toys
from gan_helpers.callbacks import LRSchedule
from gan_helpers.settings import step_generator
from gan_helpers.toys.networks import KERNELS, SIZE, across_batch, forward


def toy(**options):
    return toys.ToyGAN(synthetic.ring(), **{"hidden": 16, "latent_dim": 2, **options})


def modules(gan):
    """The one G and D of a toy GAN as plain modules that share its weights' values."""
    networks = []
    for weights in (gan.G, gan.D):
        layers = []
        for weight, bias in zip(weights[::2], weights[1::2], strict=True):
            linear = nn.Linear(*weight.shape[1:])
            linear.weight.data, linear.bias.data = weight[0].detach().T, bias[0, 0].detach()
            layers += [linear, nn.ReLU()]
        networks.append(nn.Sequential(*layers[:-1]))
    return networks


def batch(gan, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(gan.seeds), gan.batch_size, 2, generator=generator)


# ---------------------------------------------------------------------------- schedules
def test_a_schedule_falls_by_equal_factors_and_to_zero_by_equal_amounts():
    fall = gh.anneal(1, 0.01, share=0.8)
    assert [fall(done) for done in (0, 0.4, 0.8, 1)] == pytest.approx([1, 0.1, 0.01, 0.01])
    assert [gh.anneal(2, 0)(done) for done in (0, 0.4, 0.9)] == pytest.approx([2, 1, 0])


def test_schedules_go_by_the_whole_run():
    gan = toy(r1=gh.anneal(1, 0.01, share=1), lr_decay=0.5)
    seen = []

    def note(gan):
        seen.append((gan.now(gan.r1), gan._adams[0].param_groups[0]["lr"]))

    gan.train(4, hooks=[note], total=10).train(6, hooks=[note], total=10)
    schedule = LRSchedule(decay=0.5)
    for k, (weight, rate) in enumerate(seen):
        assert weight == pytest.approx(0.01 ** ((k + 1) / 10))
        # The rate is that of the step that was just taken.
        assert rate == pytest.approx(5e-4 * schedule.factor(k, 10))
    assert gan.lr == (5e-4, 5e-4)


# ---------------------------------------------------------------------------- penalties
@pytest.mark.parametrize("name", ["r1", "r2", "gp"])
def test_a_penalty_is_the_one_of_the_course(name):
    gan = toy(**{name: 0.7}, layers=(2, 3))
    _, D = modules(gan)
    real, fake = batch(gan, 1), batch(gan, 2)
    if name == "gp":
        mix = torch.rand(128, 1, generator=step_generator(0, 0, "D step, between"))
        between = (real[0] + mix * (fake[0] - real[0])).requires_grad_(True)
        (slope,) = torch.autograd.grad(D(between).sum(), between)
        expected = 0.7 * (slope.norm(dim=1) - 1).square().mean()
    else:
        expected = losses.PENALTIES[name](0.7)(D, real[0], fake[0], None)
    torch.testing.assert_close(gan._penalty(real, fake), expected.detach(), check_stride=False)


def test_penalties_of_packs_are_of_the_pack():
    gan = toy(r1=1.0, pack=4)
    _, D = modules(gan)
    packs = batch(gan).reshape(-1, 8).requires_grad_(True)
    (slope,) = torch.autograd.grad(D(packs).sum(), packs)
    torch.testing.assert_close(gan._penalty(batch(gan), None), slope.square().sum(1).mean() / 2)


# ---------------------------------------------------------------------------- networks
def test_layers_and_packs():
    gan = toy(layers=(1, 3), pack=2)
    G, D = modules(gan)
    assert [len(G), len(D)] == [3, 7] and D[0].in_features == 4
    points = batch(gan)
    torch.testing.assert_close(gan.logits(points)[0], D(points.reshape(-1, 4)).detach()[:, 0])
    gan.step()
    assert gan.d_logits.shape == (1, 128)  # 64 packs of real points and 64 of generated ones


def test_minibatch_discrimination_is_salimans_formula():
    gan = toy(minibatch="discrimination")
    units = torch.randn(1, 6, 16)
    kernels = gan._kernels.detach()
    got = across_batch(units, 2, kernels)
    assert torch.equal(got[..., :16], units)
    seen = (units[0] @ kernels[0]).reshape(6, KERNELS, SIZE)
    for i in range(6):
        mates = range(3) if i < 3 else range(3, 6)
        expected = sum(torch.exp(-(seen[i] - seen[j]).abs().sum(-1)) for j in mates if j != i)
        torch.testing.assert_close(got[0, i, 16:], expected)
    before = gan._kernels.detach().clone()
    gan.step()
    assert not torch.equal(gan._kernels, before)  # T is learned


def test_minibatch_stddev_is_the_mean_deviation_of_each_batch():
    units = torch.randn(2, 8, 5)
    got = across_batch(units, 2, None)[..., 5]
    expected = units[1, 4:].std(0, unbiased=False).mean()
    torch.testing.assert_close(got[1, 4:], expected.expand(4), atol=1e-5, rtol=1e-5)


def test_spectral_norm_and_projection():
    for spectral, wanted in (("norm", 1.0), (1.7, 1.7)):
        gan = toy(seeds=[1, 2], spectral=spectral, lr=1e-4)
        for _ in range(30):
            gan.d_step()
        weights = gan._singular.divided(gan.D) if spectral == "norm" else gan.D
        largest = torch.linalg.svdvals(weights[2].detach())[:, 0]
        assert largest.tolist() == pytest.approx([wanted, wanted], rel=0.02)
    gan = toy(spectral="norm")
    _, D = modules(gan)
    for layer in D[::2]:
        layer.weight.data = layer.weight / torch.linalg.svdvals(layer.weight)[0]
    torch.testing.assert_close(gan.logits(batch(gan))[0], D(batch(gan)[0]).detach()[:, 0],
                               rtol=0.05, atol=0.02)  # fmt: skip


def test_dropout_is_in_training_only_and_keeps_the_mean():
    gan = toy(dropout=0.5)
    points = batch(gan)
    assert torch.equal(gan.logits(points), gan.logits(points))
    masked = gan._masks(0, "D step")(torch.ones(1, 4000, 16))
    assert set(masked.unique().tolist()) == {0.0, 2.0}
    assert float(masked.mean()) == pytest.approx(1, abs=0.03)
    plain = toy()
    plain.d_step(), gan.d_step()
    assert not torch.equal(plain.d_logits, gan.d_logits)


def test_feature_matching_is_the_loss_of_the_course():
    gan = toy(feature_matching=True)
    _, D = modules(gan)
    fake = batch(gan)
    real = gan.target.sample(128, step_generator(0, 0, "G step, real"))
    expected = losses.feature_matching_loss(D[:-1](real), D[:-1](fake[0]))
    torch.testing.assert_close(gan.g_loss_on(fake), expected)


def test_smoothing_has_the_course_s_smoothed_loss():
    gan = toy(real_target=0.9)
    gan.d_step()
    real, fake = gan.d_logits[:, :128], gan.d_logits[:, 128:]
    torch.testing.assert_close(gan.d_loss, losses.smooth_d_loss(real, fake, 0.9))


def test_the_average_follows_g_and_is_what_samples_come_from():
    gan = toy(average=0.9)
    average = gan.G[0].detach().clone()
    for step in range(1, 4):
        gan.step()
        average = average.lerp(gan.G[0].detach(), 1 - min(0.9, (1 + step) / (10 + step)))
    torch.testing.assert_close(gan._averaged[0], average)
    latent = torch.randn(1, 5, 2)
    torch.testing.assert_close(gan.generate(latent), forward(gan._averaged, latent))
    assert not torch.allclose(gan.generate(latent), forward(gan.G, latent))


@pytest.mark.parametrize(
    "options",
    [
        {"r1": gh.anneal(1, 0.01), "r2": 0.1, "objective": "relativistic", "layers": 3},
        {"gp": 1.0, "objective": "wasserstein", "betas": (0.0, 0.9)},
        {"pack": 4, "instance_noise": gh.anneal(1, 0)},
        {"minibatch": "discrimination", "dropout": 0.2},
        {"minibatch": "stddev", "average": 0.9},
        {"spectral": "norm", "objective": "hinge"},
        {"feature_matching": True, "real_target": 0.9, "spectral": 1.0},
    ],
    ids=str,
)
def test_a_seed_alone_and_in_company_also_with_these(options):
    together, alone = toy(seeds=[3, 4], **options).train(6, 3), toy(seeds=4, **options).train(6, 3)
    torch.testing.assert_close(together.sample(64)[1], alone.sample(64)[0], atol=1e-4, rtol=1e-3)
    assert together.history["quality"].shape == (3, 2)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"pack": 3}, "pack=3 must divide batch_size=128"),
        ({"minibatch": "both"}, "minibatch='both'"),
        ({"spectral": 0.0}, "spectral=0.0"),
        ({"spectral": "sn"}, "spectral='sn'"),
        ({"layers": 0}, "layers"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"real_target": 0.9, "objective": "hinge"}, "real_target=0.9.*'hinge'"),
        ({"gp": -1.0}, "gp=-1.0"),
    ],
)
def test_a_wrong_setting_is_named(options, named):
    with pytest.raises(ValueError, match=named):
        toy(**options)
    with pytest.raises(ValueError, match="share"):
        gh.anneal(1, 0.1, share=0)


# ---------------------------------------------------------------------------- looks and hooks
def test_looks_do_not_change_the_run_and_hooks_are_called():
    plain, watched, calls = toy(seeds=[1, 2]), toy(seeds=[1, 2]), []
    for _ in range(7):
        plain.step()
    with pytest.raises(ValueError, match="no history"):
        plain.history  # noqa: B018
    assert watched.train(7, look=2, hooks=[lambda gan: calls.append(gan.g_count)]) is watched
    assert calls == list(range(1, 8)) and torch.equal(plain.sample(9), watched.sample(9))
    history = watched.history
    assert history["step"].tolist() == [0, 2, 4, 6]
    assert history["counts"].shape == (4, 2, 8) and history["g_layers"].shape == (4, 2, 3)
    assert torch.equal(history["counts"].sum(-1), torch.full((4, 2), 512))
    norms = history["g_layers"][-1].square().sum(-1).sqrt()
    assert bool((norms <= history["g_norm"][-1] + 1e-6).all())  # without the biases' part
    assert bool(history["g_norm"][0].isnan().all()) and bool(history["g_norm"][1:].gt(0).all())
    one = watched.signs()[1]
    assert one.history["modes"] == history["modes"][:, 1].tolist() and one.samples.shape == (512, 2)


def test_the_instruments_read_what_they_say():
    ring = synthetic.ring()
    even = ring.sample(512, torch.Generator().manual_seed(0))
    one = ring.centers[2] + torch.zeros(512, 2)
    far = 5 * one
    seen = toys.modes.read_modes(torch.stack([even, one, far]), ring)
    assert seen["modes"].tolist() == [8, 1, 0] and seen["modes_any"].tolist() == [8, 1, 0]
    assert seen["effective"].tolist() == pytest.approx([8, 1, 1], abs=0.1)
    assert seen["quality"].tolist()[1:] == [1, 0] and seen["top"].tolist()[1:] == [2, 2]
    assert toys.reverse_kl(torch.tensor([[5, 5, 5, 5], [20, 0, 0, 0]])).tolist() == pytest.approx(
        [0, math.log(4)]
    )
    assert float(toys.effective(torch.zeros(4))) == 0


def test_a_subclass_may_add_to_the_losses_and_ask_another_discriminator():
    class Own(toys.ToyGAN):
        def g_extra(self):
            return 3.0

        def g_loss_on(self, fake):
            return self.judge(fake, [0 * w for w in self.D]).mean()

    gan = Own(synthetic.ring(), hidden=8)
    before = [w.detach().clone() for w in gan.G]
    gan.g_step()
    assert float(gan.g_loss) == 3.0
    assert all(torch.equal(a, b) for a, b in zip(before, gan.G, strict=True))  # a blind D
