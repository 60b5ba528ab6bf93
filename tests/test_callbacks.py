"""Callbacks and wrappers of D, on drawn digits: what they compute, and that a resume loses nothing.

No real data are used: 300 drawn digits, networks of a thousand weights, a few steps a run.
"""

import copy
import math

import pytest
import torch
from kill_target import D, G, small_digits
from test_training import ConditionalD, ConditionalG, assert_same_run
from torch import nn

import gan_helpers as gh
from gan_helpers import callbacks, losses
from gan_helpers.models import MLPDiscriminator
from gan_helpers.runs import TrainingDiverged


@pytest.fixture(scope="module")
def digits():
    return small_digits()


def train(digits, *callbacks, pair=None, steps=8, **settings):
    gh.set_seed(0)
    generator, discriminator = pair() if pair else (G(), D())
    settings = {"batch_size": 32, "lr": 1e-3, "progress": False, **settings}
    return gh.train(
        generator, discriminator, digits, steps=steps, callbacks=list(callbacks), **settings
    )


def each_step(value):
    """A callback and the list of `value(run)` that it fills: before the run, after each step."""
    seen = []

    class Look(gh.callbacks.Callback):
        def on_start(self, run):
            seen.append(value(run))

        after_step = on_start

    return Look(), seen


# --- the averaged generator -----------------------------------------------------------------------


def test_the_average_is_the_formula_for_weights_and_batchnorm_alike(digits):
    look, states = each_step(lambda run: copy.deepcopy(run.generator.state_dict()))
    run = train(digits, look, gh.Averaging(0.3))
    expected = dict(states[0])
    for t, state in enumerate(states[1:], 1):
        d = min(0.3, (1 + t) / (10 + t))
        for name, value in state.items():
            float_value = value.is_floating_point()
            expected[name] = d * expected[name] + (1 - d) * value if float_value else value
    averaged = run.averaged.state_dict()
    assert {"net.1.running_mean", "net.1.num_batches_tracked"} <= set(averaged)
    for name, value in expected.items():
        torch.testing.assert_close(averaged[name], value, msg=name)
    assert not torch.equal(averaged["net.0.weight"], run.generator.state_dict()["net.0.weight"])


def test_other_buffers_than_batchnorms_are_copied(digits):
    class Counting(G):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, z):
            if self.training:
                self.calls += 1
            return super().forward(z)

    run = train(digits, gh.Averaging(), pair=lambda: (Counting(), D()))
    assert run.averaged.calls == run.generator.calls > 0


def test_samples_and_snapshots_are_the_averages_and_say_so(digits, capsys):
    run, plain = train(digits, gh.Averaging(0.9)), train(digits)
    assert "averaged" in repr(run) and "averaged" not in repr(plain)
    raw = gh.generate(run.generator, 5)
    assert torch.equal(gh.generate(run, 5), gh.generate(run.averaged, 5))
    assert not torch.equal(gh.generate(run, 5), raw)
    # The average changes what is drawn and nothing of what is learned.
    assert run.history == plain.history and torch.equal(raw, gh.generate(plain, 5))
    z = torch.randn(64, 8, generator=gh.settings.step_generator(0, 0, "snapshot"))
    last = ((gh.draw(run.averaged, z) + 1) * 127.5).round().to(torch.uint8)
    assert torch.equal(run.snapshots[-1][1], last)


def test_an_averaging_object_can_serve_two_runs(digits):
    average = gh.Averaging(0.9)
    first, again = train(digits, average), train(digits, average)
    assert torch.equal(gh.generate(first, 3), gh.generate(again, 3))
    longer = train(digits, average, steps=12, resume=again)
    straight = train(digits, gh.Averaging(0.9), steps=12)
    assert torch.equal(gh.generate(longer, 3), gh.generate(straight, 3))


def test_a_diverged_run_sets_the_average_back(digits):
    def break_it(run):
        if run.step == 6:
            with torch.no_grad():
                next(run.generator.parameters()).fill_(float("nan"))

    with pytest.raises(TrainingDiverged) as caught:
        train(digits, break_it, gh.Averaging(), checkpoint_every=2)
    run = caught.value.run
    assert run.step == 4 and gh.generate(run, 3).isfinite().all()
    assert torch.equal(
        run.averaged.state_dict()["net.0.weight"],
        train(digits, gh.Averaging(), steps=4).averaged.state_dict()["net.0.weight"],
    )


# --- schedules ------------------------------------------------------------------------------------


def test_rates_rise_stay_and_fall(digits):
    look, rates = each_step(lambda run: run.lr)
    run = train(digits, gh.LRSchedule(decay=0.5, warm_up=0.25), look, lr=(1e-3, 2e-3))
    # One before each of the eight steps; after the last step there is nothing to set.
    factors = [0.5, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0.25]
    assert [g for g, _ in rates] == pytest.approx([1e-3 * f for f in factors])
    assert [d for _, d in rates] == pytest.approx([2e-3 * f for f in factors])
    assert run.config["lr"] == [1e-3, 2e-3]


def test_a_penalty_is_annealed_by_equal_factors(digits):
    look, weights = each_step(lambda run: run.penalty.weight)
    train(digits, gh.AnnealPenalty(1.0, 0.01, share=0.5), look, penalty=losses.r1_penalty())
    expected = [10 ** (-2 * min(1, step / 4)) for step in range(9)]
    assert weights == pytest.approx(expected)


@pytest.mark.parametrize(
    ("callback", "settings", "message"),
    [
        (gh.AnnealPenalty(1, 0.1), {}, "penalty=None has none"),
        (gh.AnnealPenalty(1, 0.1), {"penalty": lambda D, *_: 0 * D.net[1].weight.sum()}, "none"),
    ],
)
def test_a_callback_without_its_object_says_what_is_missing(digits, callback, settings, message):
    with pytest.raises(TypeError, match=message):
        train(digits, callback, **settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gh.Averaging(1.0), "decay=1.0"),
        (lambda: gh.LRSchedule(decay=0.8, warm_up=0.3), "add up to 1"),
        (lambda: gh.AnnealPenalty(1, 0), "end=0"),
        (lambda: gh.AnnealPenalty(1, 0.1, share=2), "share=2"),
        (lambda: gh.SpectralProjection(0), "norm=0"),
        (lambda: gh.Packing(D(), 0), "pack=0"),
        (lambda: gh.InstanceNoise(D(), -1), "std=-1"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- spectral projection --------------------------------------------------------------------------


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 4, 4), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(196, 1)
        )

    def forward(self, x):
        return self.net(x)


def test_weights_have_the_norm_after_each_d_step_and_biases_are_left_alone(digits):
    norms = []

    class Look(gh.callbacks.Callback):
        def after_d_step(self, run):
            weights = (p for p in run.discriminator.parameters() if p.dim() > 1)
            norms.append([torch.linalg.matrix_norm(w.flatten(1), 2).item() for w in weights])

    run = train(
        digits, gh.SpectralProjection(1.6), Look(), pair=lambda: (G(), Convolutions()), d_steps=2
    )
    assert len(norms) == 16 and len(norms[0]) == 2
    # Power iteration comes from below, so that a norm may lie a little above what is asked for.
    assert all(1.599 < norm < 1.7 for norm in sum(norms, []))
    free = train(digits, pair=lambda: (G(), Convolutions()), d_steps=2)
    assert run.history["d_loss"][0] != free.history["d_loss"][0]


# --- wrappers of D --------------------------------------------------------------------------------


class Sum(nn.Module):
    """A D whose logit and gradient are known; with labels it adds them up."""

    def forward(self, x, labels=None):
        logits = (x.flatten(1) ** 2).sum(1) / 2
        return logits if labels is None else logits + labels.sum(1)


def test_packing_makes_consecutive_images_one_and_its_penalty_is_the_packs(digits):
    images = torch.rand(6, 1, 4, 4)
    packed = gh.Packing(Sum(), 3)
    by_hand = torch.stack([Sum()(images[i : i + 3].reshape(1, -1)) for i in (0, 3)]).flatten()
    torch.testing.assert_close(packed(images), by_hand)
    labels = torch.tensor([0, 1, 2, 3, 4, 5])
    torch.testing.assert_close(packed(images, labels), by_hand + torch.tensor([3.0, 12.0]))
    # The gradient at x is x, so R1 is half the mean squared norm of a whole pack.
    expected = images.reshape(2, -1).square().sum(1).mean() / 2
    torch.testing.assert_close(losses.r1_penalty(1.0)(packed, images, images), expected)
    with pytest.raises(ValueError, match="7 images cannot be packed by 3"):
        packed(torch.rand(7, 1, 4, 4))


def test_a_batch_that_cannot_be_packed_is_refused_before_the_first_step(digits):
    def pair():
        return G(), gh.Packing(MLPDiscriminator(16, (3, 28, 28)), 3)

    with pytest.raises(ValueError, match="batch_size=32 must be a multiple of 3"):
        train(digits, pair=pair)
    assert train(digits, pair=pair, batch_size=33, steps=2).joint_batches


def test_noise_is_added_in_training_only():
    images = torch.zeros(4000, 1, 2, 2)
    noisy = gh.InstanceNoise(nn.Identity(), 0.5)
    assert noisy(images).std().item() == pytest.approx(0.5, rel=0.05)
    assert torch.equal(noisy.eval()(images), images)
    noisy.train().std = 0.0
    assert torch.equal(noisy(images), images)


# --- all of it, stopped and resumed ---------------------------------------------------------------


def conditional_packed():
    class PackD(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.net = nn.Embedding(10, 4), nn.Linear(2 * 784 + 8, 1)

        def forward(self, x, y):
            return self.net(torch.cat([x.flatten(1), self.table(y).flatten(1)], 1))

    return ConditionalG(), gh.Packing(PackD(), 2)


class FallingNoise(callbacks.Callback):
    def on_start(self, run):
        run.discriminator.std = 0.5 / (1 + run.step)

    after_step = on_start


CASES = {
    "averaging": lambda: {"callbacks": [gh.Averaging(0.9)]},
    "averaging, Adam's rates": lambda: {
        "callbacks": [gh.Averaging(0.9), gh.LRSchedule(0.5, 0.2)], "lr": (1e-3, 2e-3),
    },
    "projection": lambda: {"callbacks": [gh.SpectralProjection(1.7)], "d_steps": 2},
    "annealed R1": lambda: {
        "callbacks": [gh.AnnealPenalty(10, 0.1)], "penalty": losses.r1_penalty(),
    },
    "annealed WGAN-GP": lambda: {
        "callbacks": [gh.AnnealPenalty(10, 0.1)], "penalty": losses.gradient_penalty(),
        "objective": "wasserstein",
    },
    "relativistic, R1 and R2": lambda: {
        "callbacks": [gh.AnnealPenalty(1, 0.01), gh.LRSchedule(0.3)],
        "penalty": losses.r1_r2_penalty(), "objective": "relativistic",
    },
    "packing": lambda: {"pair": lambda: (G(), gh.Packing(MLPDiscriminator(16, (2, 28, 28)), 2))},
    "falling noise": lambda: {
        "pair": lambda: (G(), gh.InstanceNoise(D())),
        "callbacks": [FallingNoise()],
    },
    "conditional": lambda: {
        "pair": lambda: (ConditionalG(), ConditionalD()), "conditional": True,
        "callbacks": [gh.Averaging(0.9), gh.SpectralProjection(), gh.AnnealPenalty(1, 0.1)],
        "penalty": losses.r2_penalty(), "objective": "relativistic",
    },
    "conditional packing": lambda: {
        "pair": conditional_packed, "conditional": True, "penalty": losses.r1_penalty(1.0),
    },
}  # fmt: skip


def run_case(digits, case, *callbacks, **settings):
    made = CASES[case]()
    return train(digits, *made.pop("callbacks", ()), *callbacks, **{**made, **settings})


@pytest.mark.parametrize("case", CASES)
def test_stopped_twice_it_is_the_same_run_to_the_last_bit(digits, case, tmp_path):
    """Each part is built anew and reads its state from the files, as after a crash."""
    through = run_case(digits, case)
    run = None
    for at in (3, 6, math.inf):
        stop = lambda run, at=at: run.step >= at and run.stop()  # noqa: E731
        run = run_case(digits, case, stop, run_dir=tmp_path, resume=True, checkpoint_every=4)
        assert run.step == min(at, 8)
    assert_same_run(through, run)
    label = None if through.num_classes is None else 3
    assert torch.equal(gh.generate(through, 3, label), gh.generate(run, 3, label))


def test_callbacks_of_a_checkpoint_are_asked_for_by_name(digits, tmp_path):
    train(digits, gh.Averaging(), run_dir=tmp_path)
    with pytest.raises(gh.checkpoints.CheckpointError, match="Averaging.*same ones"):
        train(digits, run_dir=tmp_path, resume=True)
