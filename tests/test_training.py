"""The loop: what it learns, what it refuses, and that stopping and killing it lose nothing."""

import csv
import multiprocessing
import os
import random
import signal
import sys
import time

import pytest
import torch
from kill_target import TOTAL, D, G, small_digits, train
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

import gan_helpers as gh
from gan_helpers import checkpoints, losses
from gan_helpers.models import MLPDiscriminator, MLPGenerator
from gan_helpers.runs import TrainingDiverged
from gan_helpers.settings import step_generator


@pytest.fixture(scope="module")
def digits():
    return small_digits()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return train(tmp_path_factory.mktemp("through"))


def short(digits, **settings):
    gh.set_seed(0)
    settings = {"steps": 6, "batch_size": 32, "progress": False, **settings}
    return gh.train(G(), D(), digits, **settings)


def weights(run):
    return {
        f"{name}.{key}": value
        for name in ("generator", "discriminator")
        for key, value in getattr(run, name).state_dict().items()
    }


def assert_same_run(one, other):
    for key, value in weights(one).items():
        assert torch.equal(value, weights(other)[key]), key
    assert one.history == other.history
    assert [step for step, _ in one.snapshots] == [step for step, _ in other.snapshots]
    assert all(torch.equal(a[1], b[1]) for a, b in zip(one.snapshots, other.snapshots, strict=True))


# --- the mathematics ------------------------------------------------------------------------------


def test_one_step_is_the_textbook_step(digits):
    """Against a plain loop with BCE and torch's unfused Adam, on the same batch and noise."""
    gh.set_seed(1)
    generator, discriminator = MLPGenerator(8, 16), MLPDiscriminator(16)
    plain_G, plain_D = MLPGenerator(8, 16), MLPDiscriminator(16)
    plain_G.load_state_dict(generator.state_dict())
    plain_D.load_state_dict(discriminator.state_dict())
    run = gh.train(
        generator, discriminator, digits, steps=1, d_steps=2, batch_size=32, seed=3,
        progress=False, device="cpu",
    )  # fmt: skip

    bce, ones, zeros = nn.BCEWithLogitsLoss(), torch.ones(32), torch.zeros(32)
    g_opt, d_opt = (
        torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999))
        for net in (plain_G, plain_D)
    )

    def noise(stream):
        return torch.randn(32, 8, generator=step_generator(3, 0, stream))

    for k in range(2):
        real = digits.take(digits.batch_indices(k, 32, 3))
        d_loss = bce(plain_D(real), ones) + bce(plain_D(plain_G(noise(f"d{k}")).detach()), zeros)
        d_opt.zero_grad(), d_loss.backward(), d_opt.step()
    g_loss = bce(plain_D(plain_G(noise("g"))), ones)
    g_opt.zero_grad(), g_loss.backward(), g_opt.step()

    for trained, plain in ((generator, plain_G), (discriminator, plain_D)):
        for a, b in zip(trained.parameters(), plain.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-6)
    assert run.history["d_loss"][0] == pytest.approx(d_loss.item(), abs=1e-5)
    assert run.history["g_loss"][0] == pytest.approx(g_loss.item(), abs=1e-5)


def test_it_learns_on_drawn_digits(digits):
    """After a few hundred steps the background is black and the centre is not."""
    gh.set_seed(0)
    run = gh.train(
        MLPGenerator(16, 64), MLPDiscriminator(64), digits, steps=300, lr=1e-3, batch_size=64,
        progress=False,
    )  # fmt: skip
    before = run.snapshots[0][1].float().mean(0)[0]
    after = run.snapshots[-1][1].float().mean(0)[0]
    real = digits.images.float().mean(0)[0]
    assert (after - real).abs().mean() < 0.25 * (before - real).abs().mean()


def test_one_call_or_two_is_the_same_update(digits, monkeypatch):
    runs = []
    for joint in (True, False):
        monkeypatch.setattr(gh.verify, "judges_alone", lambda *_, joint=joint: joint)
        gh.set_seed(2)
        pair = MLPGenerator(8, 16), MLPDiscriminator(16)
        runs.append(gh.train(*pair, digits, steps=5, progress=False))
    for key, value in weights(runs[0]).items():
        assert torch.allclose(value, weights(runs[1])[key], atol=1e-6), key


class Pairwise(nn.Module):
    """Mixes the samples of a call without a layer that would tell."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(784, 1)

    def forward(self, x):
        logits = self.net(x.flatten(1))
        return logits + logits.mean()


def with_layer(layer):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), layer, nn.LeakyReLU(), nn.Linear(8, 1))


@pytest.mark.parametrize(
    ("discriminator", "alone"),
    [
        (with_layer(nn.Identity()), True),
        (with_layer(nn.Dropout(0.5)), True),
        (with_layer(nn.LayerNorm(8)), True),
        (with_layer(nn.BatchNorm1d(8)), False),
        (with_layer(spectral_norm(nn.Linear(8, 8))), False),
        # Already settled: its logits no longer tell, but its vectors still move.
        (with_layer(spectral_norm(nn.Linear(8, 8), n_power_iterations=200)), False),
        (Pairwise(), False),
    ],
)
def test_batches_are_joined_only_where_d_judges_each_image_alone(digits, discriminator, alone):
    before = {key: value.clone() for key, value in discriminator.state_dict().items()}
    images = digits.batch(8)
    assert gh.verify.judges_alone(discriminator, images[:4], images[4:], None) is alone
    assert all(torch.equal(v, before[k]) for k, v in discriminator.state_dict().items())
    assert all(module.training for module in discriminator.modules())


@pytest.mark.parametrize(
    "objective", [*losses.OBJECTIVES, (losses.hinge_d_loss, lambda f: -f.mean())]
)
def test_every_objective_and_a_pair_of_functions_run(digits, objective):
    run = short(digits, objective=objective)
    assert run.steps == 6 and len(run.history["d_loss"]) == 6


def test_penalties_change_the_discriminator_only_through_its_loss(digits):
    plain, with_r1 = short(digits), short(digits, penalty=losses.r1_penalty(10.0))
    assert with_r1.history["d_loss"][0] > plain.history["d_loss"][0]
    assert with_r1.steps == 6


def test_history_probabilities_and_raw_outputs(digits):
    for objective, probability in (("non-saturating", True), ("wasserstein", False)):
        run = short(digits, objective=objective)
        assert (0.3 < run.history["d_real"][0] < 0.7) is probability


class ConditionalG(nn.Module):
    latent_dim = 4

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.net = nn.Linear(8, 784)

    def forward(self, z, y):
        return torch.tanh(self.net(torch.cat([z, self.table(y)], 1))).view(-1, 1, 28, 28)


class ConditionalD(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.net = nn.Embedding(10, 784), nn.Linear(784, 1)

    def forward(self, x, y):
        return self.net(x.flatten(1) * self.table(y))  # (N, 1)


def test_conditional_pairs_see_the_labels(digits):
    seen = []

    class Spy(ConditionalD):
        def forward(self, x, y):
            seen.append(y.clone())
            return super().forward(x, y)

    generator = ConditionalG()
    run = gh.train(
        generator, Spy(), digits, steps=3, batch_size=32, conditional=True, progress=False,
        penalty=losses.gradient_penalty(),
    )  # fmt: skip
    assert all(y.dtype == torch.int64 and y.min() >= 0 and y.max() <= 9 for y in seen)
    assert any(len(y.unique()) > 5 for y in seen)
    assert gh.generate(run, 5, label=3).shape == (5, 1, 28, 28)
    both = gh.generate(run, 2, label=[1, 2])
    assert not torch.equal(both[0], both[1])
    with pytest.raises(ValueError, match="conditional run"):
        gh.generate(run, 5)


# --- the caller's state ---------------------------------------------------------------------------


def test_a_run_depends_on_its_seed_and_leaves_the_global_state(digits):
    gh.set_seed(0)
    one = short(digits)
    state = torch.random.get_rng_state()
    gh.set_seed(0)
    generator, discriminator = G(), D()
    torch.rand(17)  # whatever happened in between
    before = torch.random.get_rng_state()
    other = gh.train(generator, discriminator, digits, steps=6, batch_size=32, progress=False)
    assert torch.equal(before, torch.random.get_rng_state())
    assert_same_run(one, other)
    assert not torch.equal(state, before)
    different = short(digits, seed=1)
    assert different.history != one.history


def test_generate_leaves_modes_and_statistics(digits):
    run = short(digits)
    modes = [module.training for module in run.generator.modules()]
    before = weights(run)
    images = gh.generate(run, 7, seed=2)
    assert images.shape == (7, 1, 28, 28) and torch.equal(images, gh.generate(run, 7, seed=2))
    assert not torch.equal(images, gh.generate(run, 7, seed=3))
    assert modes == [module.training for module in run.generator.modules()] and modes[0]
    assert all(torch.equal(value, before[key]) for key, value in weights(run).items())
    assert not images.requires_grad
    with pytest.raises(ValueError, match="n=0"):
        gh.generate(run, 0)


def test_snapshots_come_from_one_noise_and_the_networks_stay_in_train_mode(digits):
    modes = []
    run = short(
        digits, steps=8, snapshots=4, callbacks=[lambda run: modes.append(run.generator.training)]
    )
    assert [step for step, _ in run.snapshots] == [0, 2, 4, 6, 8]
    assert all(modes)
    frozen = short(digits, steps=4, lr=1e-12, snapshots=2)
    first, last = frozen.snapshots[0][1], frozen.snapshots[-1][1]
    assert first.dtype == torch.uint8 and first.shape == (64, 1, 28, 28)
    # G hardly moved, so the same noise gives nearly the same images (BatchNorm's statistics move).
    assert (first.float() - last.float()).abs().mean() < 20


def test_d_does_not_keep_gradients_of_gs_step(digits):
    seen = []

    def look(run):
        seen.append([p.grad.clone() for p in run.discriminator.parameters()])
        assert all(p.requires_grad for p in run.discriminator.parameters())

    class AfterD(gh.callbacks.Callback):
        def after_d_step(self, run):
            self.grads = [p.grad.clone() for p in run.discriminator.parameters()]

    after_d = AfterD()
    short(digits, steps=1, callbacks=[look, after_d])
    assert all(torch.equal(a, b) for a, b in zip(seen[0], after_d.grads, strict=True))


def test_frozen_parameters_stay_frozen(digits):
    discriminator = D()
    discriminator.net[1].weight.requires_grad_(False)
    before = discriminator.net[1].weight.clone()
    gh.train(G(), discriminator, digits, steps=2, batch_size=32, progress=False)
    assert torch.equal(before, discriminator.net[1].weight)
    assert not discriminator.net[1].weight.requires_grad


# --- refusals -------------------------------------------------------------------------------------


def output(function):
    class Net(nn.Module):
        latent_dim = 8

        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(8, 784)

        def forward(self, z):
            return function(self.inner(z))

    return Net()


def logits(function):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(784, 1)

        def forward(self, x):
            return function(self.inner(x.flatten(1)))

    return Net()


def image(x):
    return x.view(-1, 1, 28, 28)


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (lambda: output(torch.tanh), r"\(4, 784\).*view"),
        (lambda: output(lambda x: image(3 * x)), "tanh"),
        (lambda: output(lambda x: image(torch.sigmoid(x))), "sigmoid or ReLU"),
        (lambda: output(lambda x: image(torch.relu(x).clamp(max=1))), "sigmoid or ReLU"),
        (lambda: nn.Linear(8, 784), "latent_dim"),
        (lambda: MLPGenerator(image_shape=(3, 32, 32)), "32"),
    ],
)
def test_refuses_a_generator_that_does_not_fit(digits, generator, message):
    with pytest.raises(ValueError, match=message):
        gh.train(generator(), D(), digits, steps=1, progress=False)


@pytest.mark.parametrize(
    ("discriminator", "message"),
    [
        (lambda: logits(lambda x: torch.sigmoid(x)), "sigmoid"),
        (lambda: logits(lambda x: x.expand(-1, 2)), r"\(4, 2\)"),
        (lambda: logits(lambda x: x.mean()), "one logit an image"),
        (lambda: nn.Linear(10, 1), "cannot run"),
    ],
)
def test_refuses_a_discriminator_that_does_not_fit(digits, discriminator, message):
    with pytest.raises(ValueError, match=message):
        gh.train(G(), discriminator(), digits, steps=1, progress=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "either steps or epochs"),
        ({"steps": 1, "epochs": 1}, "either steps or epochs"),
        ({"steps": 0}, "steps=0"),
        ({"epochs": 0.01}, "less than one step"),
        ({"steps": 1, "batch_size": 5000}, "300 images"),
        ({"steps": 1, "lr": 0}, "lr=0"),
        ({"steps": 1, "d_steps": 0}, "d_steps=0"),
        ({"steps": 1, "objective": "gan"}, "objective='gan'"),
        ({"steps": 1, "conditional": True}, "labels"),
        ({"steps": 1, "resume": True}, "run_dir"),
    ],
)
def test_refuses_settings_with_a_reason(digits, settings, message):
    with pytest.raises(ValueError, match=message):
        gh.train(G(), D(), digits, progress=False, **settings)


def test_refuses_a_loader_in_place_of_a_dataset(digits):
    with pytest.raises(TypeError, match="load_dataset"):
        gh.train(G(), D(), [digits.batch(4)], steps=1)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"steps": 2.5}, ValueError, "steps=2.5 must be a whole number.*epochs"),
        ({"steps": "10"}, TypeError, "steps='10' is a str.*without quotes"),
        ({"lr": "1e-3"}, TypeError, "lr='1e-3' is a str.*lr=1e-3 without quotes"),
        ({"lr": (1e-3, "1e-3")}, TypeError, "lr for D='1e-3'"),
        ({"lr": (1e-3, 1e-3, 1e-3)}, ValueError, "3 values.*G's, D's"),
        ({"lr": float("nan")}, ValueError, "lr=nan"),
        ({"betas": 0.5}, ValueError, "betas=0.5.*two numbers"),
        ({"betas": (0.5, 1.0)}, ValueError, "betas="),
        ({"batch_size": 32.5}, ValueError, "batch_size=32.5 must be a whole"),
        ({"d_steps": True}, TypeError, "d_steps=True is a bool"),
        ({"callbacks": [gh.Averaging]}, TypeError, r"Averaging\(\)"),
        ({"callbacks": gh.Averaging()}, TypeError, "expected a list"),
        ({"penalty": losses.r1_penalty}, TypeError, r"penalty.*r1_penalty\(\)"),
        ({"objective": (lambda r, f: r - f, lambda f: -f.mean())}, TypeError, "d_loss.*one number"),
        ({"objective": (lambda r, f: r.mean(), lambda: 0)}, TypeError, "g_loss.*cannot be"),
    ],
)
def test_wrong_kinds_are_named_as_what_they_are(digits, settings, error, message):
    with pytest.raises(error, match=message):
        gh.train(G(), D(), digits, progress=False, **{"steps": 1, "batch_size": 32, **settings})


def test_a_whole_number_may_be_written_as_a_float(digits):
    assert short(digits, steps=3.0).steps == 3


@pytest.mark.parametrize(
    ("pair", "error", "message"),
    [
        (lambda: (D(), G()), ValueError, "exchanged"),
        (lambda: (MLPDiscriminator(), MLPGenerator()), ValueError, "exchanged"),
        (lambda: (ConditionalD(), ConditionalG()), ValueError, "exchanged"),
        (lambda: (G, D()), TypeError, r"generator is the class G itself.*G\(\)"),
        (lambda: (G(), D), TypeError, r"discriminator is the class D itself.*D\(\)"),
        (lambda: (lambda z: z, D()), TypeError, "generator is a function, not a network"),
    ],
)
def test_swapped_networks_and_classes_are_named(digits, pair, error, message):
    generator, discriminator = pair()
    with pytest.raises(error, match=message):
        gh.train(
            generator, discriminator, digits, steps=1, progress=False,
            conditional=isinstance(generator, ConditionalD),
        )  # fmt: skip


def test_generate_names_what_it_cannot_draw_from():
    with pytest.raises(TypeError, match=r"the class G itself.*G\(\)"):
        gh.generate(G, 4)


def test_a_refusal_changes_nothing(digits):
    generator, discriminator = G(), logits(torch.sigmoid)
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    state = torch.random.get_rng_state()
    with pytest.raises(ValueError):
        gh.train(generator, discriminator, digits, steps=5, progress=False)
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())


# --- stopping, diverging, resuming ----------------------------------------------------------------


def test_nan_names_the_step_and_goes_back(digits, tmp_path):
    def break_it(run):
        if run.step == 25:
            with torch.no_grad():
                next(run.generator.parameters()).fill_(float("nan"))

    with pytest.raises(
        TrainingDiverged, match=r"at step 26.*set back to step 20.*Likely causes"
    ) as caught:
        short(digits, steps=60, checkpoint_every=10, run_dir=tmp_path, callbacks=[break_it])
    run = caught.value.run
    assert run.step == 20 and len(run.history["d_loss"]) == 20
    assert all(p.isfinite().all() for p in run.generator.parameters())
    assert checkpoints.load_newest(tmp_path / "checkpoints")["step"] == 20


def test_a_weight_that_is_nan_never_reaches_a_checkpoint(digits, tmp_path):
    def break_it(run):
        if run.step == 20:
            with torch.no_grad():
                next(run.discriminator.parameters()).fill_(float("nan"))

    with pytest.raises(TrainingDiverged, match="discriminator is not finite at step 20"):
        short(digits, steps=60, checkpoint_every=10, run_dir=tmp_path, callbacks=[break_it])
    assert checkpoints.load_newest(tmp_path / "checkpoints")["step"] == 10


@pytest.fixture
def interruptible():
    """Interrupts as in a terminal or a notebook, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_first_interrupt_returns_second_raises(digits, interruptible):
    handler = interruptible

    def interrupt(at):
        def press(run):
            if run.step in at:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)

        return press

    run = short(digits, steps=500, callbacks=[interrupt({7})])
    assert run.interrupted and run.steps == 7 and len(run.history["g_loss"]) == 7
    assert "interrupted" in repr(run)
    assert signal.getsignal(signal.SIGINT) is handler

    def twice(run):
        if run.step == 3:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)

    with pytest.raises(KeyboardInterrupt):
        short(digits, steps=500, callbacks=[twice])
    assert signal.getsignal(signal.SIGINT) is handler
    resumed = short(digits, steps=10, resume=run)
    assert resumed.steps == 10
    straight = short(digits, steps=10)
    assert resumed.history == straight.history
    assert all(
        torch.equal(value, weights(resumed)[key]) for key, value in weights(straight).items()
    )


def test_a_stopped_run_ends_with_a_snapshot_of_where_it_stopped(digits):
    run = short(digits, steps=500, callbacks=[lambda run: run.step == 3 and run.stop()])
    assert [step for step, _ in run.snapshots] == [0, 3]
    # What continues from there has the moments of a run that was never stopped.
    through, resumed = short(digits, steps=8), short(digits, steps=8, resume=stopped(digits))
    assert_same_run(through, resumed)


def stopped(digits, at=3, steps=8, **settings):
    callbacks = [*settings.pop("callbacks", ()), lambda run: run.step == at and run.stop()]
    return short(digits, steps=steps, callbacks=callbacks, **settings)


def test_a_background_job_that_ignores_interrupts_goes_on(digits, interruptible):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run = short(digits, callbacks=[lambda run: os.kill(os.getpid(), signal.SIGINT)])
    assert run.steps == 6 and not run.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_resume_in_parts_is_the_uninterrupted_run(uninterrupted, tmp_path):
    through, average = uninterrupted
    for steps in (30, 31, 115, TOTAL):  # a multiple of checkpoint_every, and not
        run, resumed_average = train(tmp_path, steps=steps)
        assert run.steps == steps
    # Snapshots are taken at fractions of the total, so they differ; everything else may not.
    run.snapshots, kept = through.snapshots, run.snapshots
    assert_same_run(through, run)
    assert torch.equal(kept[-1][1], through.snapshots[-1][1])
    assert all(torch.equal(value, resumed_average[key]) for key, value in average.items())


def test_killed_ten_times_it_is_still_the_same_run(uninterrupted, tmp_path, monkeypatch):
    """kill -9 at ten random points, while computing or while saving."""
    through, average = uninterrupted
    context = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
    if hasattr(context, "set_forkserver_preload"):  # import torch once, not ten times
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.path.dirname(__file__), *sys.path]))
        context.set_forkserver_preload(["kill_warm"])
    from kill_target import train_slowly

    chance = random.Random(time.time_ns())
    targets = sorted(chance.sample(range(3, TOTAL - 3), 10))
    killed_at = []
    for target in targets:
        position = context.RawValue("i", 0)  # without a lock, which a killed child may hold
        child = context.Process(target=train_slowly, args=(tmp_path, position))
        child.start()
        while position.value < target and child.is_alive():
            time.sleep(0.001)
        time.sleep(chance.random() * 0.01)
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        killed_at.append(position.value)
    run, resumed_average = train(tmp_path)
    assert_same_run(through, run)
    for key, value in average.items():
        assert torch.equal(value, resumed_average[key]), (key, killed_at)


def test_a_damaged_checkpoint_costs_only_the_steps_since_the_one_before(uninterrupted, tmp_path):
    train(tmp_path, steps=100)
    newest = max((tmp_path / "checkpoints").glob("*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="cannot be read"):
        run, _ = train(tmp_path)
    assert run.history == uninterrupted[0].history


def test_history_is_written_as_csv(tmp_path):
    run, _ = train(tmp_path, steps=25)
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 26))
    assert [float(row["d_fake"]) for row in rows] == run.history["d_fake"]


def test_another_run_in_the_folder_is_not_overwritten(digits, tmp_path):
    short(digits, run_dir=tmp_path)
    with pytest.raises(FileExistsError, match="resume=True"):
        short(digits, run_dir=tmp_path)
    with pytest.raises(checkpoints.CheckpointError, match="seed was 0 and is now 1"):
        short(digits, run_dir=tmp_path, resume=True, seed=1)
    with pytest.raises(checkpoints.CheckpointError, match="does not have the layers"):
        gh.train(
            MLPGenerator(8), D(), digits, steps=9, batch_size=32, run_dir=tmp_path, resume=True,
            progress=False,
        )  # fmt: skip
    with pytest.raises(checkpoints.CheckpointError, match="callbacks"):
        short(
            digits, run_dir=tmp_path, resume=True, callbacks=[__import__("kill_target").Average()]
        )
    assert short(digits, steps=8, run_dir=tmp_path, resume=True).steps == 8


def test_resume_from_a_path_or_file(digits, tmp_path):
    short(digits, run_dir=tmp_path)
    file = next((tmp_path / "checkpoints").glob("*.pt"))
    runs = [short(digits, steps=9, resume=place) for place in (tmp_path, str(file))]
    assert_same_run(*runs)
    with pytest.raises(checkpoints.CheckpointError, match="no checkpoint"):
        short(digits, resume=tmp_path / "elsewhere")


def test_a_run_that_is_complete_is_returned_as_it_is(digits, tmp_path):
    first = short(digits, run_dir=tmp_path)
    again = short(digits, run_dir=tmp_path, resume=True)
    assert_same_run(first, again)


def test_callbacks_can_stop_and_steer(digits):
    def steer(run):
        run.d_steps = 3
        if run.step == 4:
            run.stop()

    run = short(digits, steps=50, callbacks=[steer])
    assert run.steps == 4 and not run.interrupted
    assert run.batches_drawn == 1 + 3 * 3


def test_everything_that_the_loop_uses_can_be_changed_in_mid_run(digits):
    def steer(run):
        if run.step == 2:
            run.objective, run.penalty = "relativistic", losses.r1_r2_penalty(0.5)
            run.lr, run.d_steps = (1e-3, 2e-3), 2
        if run.step == 4:
            run.objective = (losses.hinge_d_loss, losses.wasserstein_g_loss)

    run = short(digits, callbacks=[steer])
    assert run.objectives == [
        (0, "non-saturating", True), (2, "relativistic", False), (4, "custom", True),
    ]  # fmt: skip
    assert run.objective == "custom" and "non-saturating then relativistic" in repr(run)
    assert run.lr == (1e-3, 2e-3)
    assert run.batches_drawn == 2 + 2 * (2 + 1) + 2 * 2  # G's relativistic step takes one, too
    plain = short(digits)
    assert run.history["d_loss"][:2] == plain.history["d_loss"][:2]
    assert all(
        a != b for a, b in zip(run.history["d_loss"][2:], plain.history["d_loss"][2:], strict=True)
    )


def test_an_objective_set_again_is_no_change(digits):
    def steer(run):
        run.objective = "hinge"
        run.objective = "non-saturating"

    assert short(digits, callbacks=[steer]).objectives == [(0, "non-saturating", True)]


@pytest.mark.parametrize("at", [1, 3, 5])
def test_changes_of_mid_run_survive_a_resume(digits, at):
    def steer(run):
        if run.step == 2:
            run.objective, run.penalty = "relativistic", losses.gradient_penalty(0.5)
            run.lr, run.d_steps = (1e-3, 2e-3), 2
        if run.step == 4:
            run.penalty.weight, run.objective = 0.1, "hinge"

    through = short(digits, steps=8, callbacks=[steer])
    part = stopped(digits, at=at, callbacks=[steer])
    resumed = short(digits, steps=8, callbacks=[steer], resume=part)
    assert_same_run(through, resumed)
    assert through.objectives == resumed.objectives


def test_functions_set_in_mid_run_cannot_be_resumed_and_say_so(digits):
    def steer(run):
        if run.step == 2:
            run.objective = (losses.hinge_d_loss, losses.wasserstein_g_loss)

    part = stopped(digits, callbacks=[steer])
    with pytest.raises(checkpoints.CheckpointError, match="objective was changed in mid-run"):
        short(digits, steps=8, callbacks=[steer], resume=part)


def test_the_callers_penalty_stays_as_it_was_and_another_weight_is_another_run(digits):
    def lower(run):
        run.penalty.weight = 0.5

    penalty = losses.r1_penalty(10.0)
    run = short(digits, penalty=penalty, callbacks=[lower])
    assert (penalty.weight, run.penalty.weight) == (10.0, 0.5)
    with pytest.raises(checkpoints.CheckpointError, match="penalty was"):
        short(digits, steps=9, penalty=losses.r1_penalty(1.0), resume=run)


def test_progress_shows_the_four_numbers(digits, capsys):
    short(digits, progress=True)
    err = capsys.readouterr().err
    assert "6/6" in err and "D loss" in err and "D(G(z))" in err
