"""Instruments, diagnosis (each disease from signs made by hand) and detectors."""

import math

import numpy as np
import pytest
import torch

import gan_course as course
import gan_helpers as gh
from gan_course import detectors
from gan_helpers import diagnostics, synthetic
from gan_helpers.synthetic import draw_digits

LOOKS, KINDS = 31, 8


def record(looks=LOOKS, every=50, images=False, **changes):
    """Signs of a healthy run of 1,500 steps; `changes` replace readings: a value or a list."""
    even = [[64] * KINDS] * looks
    history = {
        "step": [every * k for k in range(looks)], "d_real": 0.52, "d_fake": 0.49,
        "right_real": 0.55, "right_fake": 0.5, "auc": 0.53, "g_norm": 0.5, "d_norm": 0.4,
        "modes_any": KINDS, "modes": KINDS, "effective": 7.8, "top": 3, "quality": 0.85,
        "diversity": 1.0, "counts": even,
    }  # fmt: skip
    if images:
        history |= {"nearest": 1.1, "duplicates": 0.02, "recall": 0.7, "fd": 5.0}
    history |= changes
    filled = {name: v if isinstance(v, list) else [v] * looks for name, v in history.items()}
    samples = torch.zeros(4, 1, 8, 8, dtype=torch.uint8) if images else torch.zeros(4, 2)
    return gh.diagnostics.Signs(filled, samples, KINDS)


def one_mode(hop=False):
    top = [(3 * k) % KINDS if hop else 2 for k in range(LOOKS)]
    counts = [[512 * (mode == full) for mode in range(KINDS)] for full in top]
    return {"top": top, "counts": counts, "effective": 1.0, "modes": 1, "modes_any": 1}


STRONG_D = {"right_real": 1.0, "right_fake": 1.0, "auc": 1.0, "d_real": 1.0, "d_fake": 0.0}
BY_HAND = {
    "healthy": [record(), record(images=True)],
    "total collapse": [record(**one_mode(), diversity=0.05, quality=0.9, **STRONG_D)],
    "hopping collapse": [record(**one_mode(hop=True), diversity=0.1, d_real=0.7, d_fake=0.3)],
    "class collapse": [
        record(modes=4, effective=3.9, counts=[[128] * 4 + [0] * 4] * LOOKS, diversity=0.8)
    ],
    "few images": [record(images=True, duplicates=0.9, nearest=0.9, diversity=0.9)],
    "memorisation": [record(images=True, duplicates=0.9, nearest=0.3)],
    "D overpowers G": [record(**STRONG_D, quality=0.02, g_norm=20.0, modes=0)],
    "G overpowers D": [record(d_real=0.5, d_fake=0.5, modes=0, quality=0.03, effective=1.2)],
    "vanishing gradients": [record(**STRONG_D, quality=0.0, g_norm=1e-6, modes=0)],
    "divergence": [record(g_norm=math.nan), record(diversity=50.0)],
    "too early to tell": [record(looks=13), record(looks=6, every=500)],
    "unclear": [record(quality=0.3, modes=8)],
}


@pytest.mark.parametrize("name", course.diagnosis.NAMES)
def test_each_disease_is_named_from_its_signs_with_evidence(name):
    for signs in BY_HAND[name]:
        found = course.diagnose(signs)
        assert found.name == name, found
        assert found.evidence and all(text.endswith(".") for text in found.evidence)
        assert str(found).startswith(name) and found.evidence[0][:20] in str(found)


def test_a_diagnosis_takes_what_has_signs_and_says_so_otherwise():
    gan = gh.toys.ToyGAN(synthetic.ring(), seeds=[1, 2], hidden=8).train(4, look=2)
    with pytest.raises(ValueError, match=r"holds 2 runs.*gan\.signs\(\)"):
        course.diagnose(gan)
    assert {course.diagnose(signs).name for signs in gan.signs()} == {"too early to tell"}
    with pytest.raises(TypeError, match="a dict"):
        course.diagnose({})
    with pytest.raises(ValueError, match="lacks quality"):
        signs = record()
        del signs.history["quality"]
        course.diagnose(signs)


def test_a_toy_run_that_blows_up_is_called_diverged():
    gan = gh.toys.ToyGAN(synthetic.ring(), hidden=8, seeds=0).train(20, look=2)
    with torch.no_grad():
        gan.G[0].fill_(math.nan)
    gan.train(4, look=2)
    assert course.diagnose(gan).name == "divergence"


# ---------------------------------------------------------------------------- how D judges
def test_both_halves_apart_and_the_level_of_each_objective():
    real, fake = torch.tensor([1.0, 2.0, -1.0, 4.0]), torch.tensor([0.5, 3.0, 1.5, 2.0])
    plain = gh.losses.OBJECTIVES["non-saturating"]
    seen = diagnostics.judged(real, fake, plain)
    assert float(seen["right_real"]) == 0.75 and float(seen["right_fake"]) == 0
    pairs = [(a > b) + 0.5 * (a == b) for a in real.tolist() for b in fake.tolist()]
    assert float(seen["auc"]) == pytest.approx(sum(pairs) / 16)
    assert float(seen["d_real"]) == pytest.approx(float(real.sigmoid().mean()))
    squares = diagnostics.judged(real, fake, gh.losses.OBJECTIVES["least-squares"])
    assert float(squares["right_fake"]) == 0.25 and float(squares["d_real"]) == 1.5
    # Only differences count: a constant added to all logits changes no share.
    pairing = gh.losses.OBJECTIVES["relativistic"]
    one, two = (diagnostics.judged(real + c, fake + c, pairing) for c in (0.0, 7.0))
    assert all(one[name] == two[name] for name in ("right_real", "right_fake", "auc"))


# ---------------------------------------------------------------------------- images
@pytest.fixture(scope="module")
def digits():
    images, labels = draw_digits(400, seed=0)
    data = gh.ImageDataset(images, labels, name="drawn digits")
    unseen, labels = draw_digits(200, seed=5)
    return data, gh.ImageDataset(unseen, labels, name="drawn digits", split="test")


def short_run(data, *callbacks, steps=6, **options):
    gh.set_seed(0)
    return gh.train(*gh.build_pair("mlp"), data, steps=steps, batch_size=16, progress=False,
                    callbacks=callbacks, **options)  # fmt: skip


def test_instruments_read_a_run_and_leave_it_as_it_was(digits):
    data, unseen = digits
    watch = gh.Instruments(every=3, n=60, real=unseen)
    run, plain = short_run(data, watch), short_run(data)
    for a, b in zip(run.generator.parameters(), plain.generator.parameters(), strict=True):
        assert torch.equal(a, b)
    history = watch.history
    assert history["step"] == [0, 3, 6] and {len(values) for values in history.values()} == {3}
    assert len(history["g_layers"][-1]) == 3 and history["g_norm"][-1] > 0
    norms = gh.diagnostics.gradient_norms(run.generator)
    assert history["g_norm"][-1] == pytest.approx(math.hypot(*norms.values()), rel=1e-5)
    found = course.diagnose(run)
    assert found.name == "too early to tell" and course.diagnose(watch).name == found.name
    assert watch.signs.samples.dtype == torch.uint8
    with pytest.raises(ValueError, match="no instruments"):
        course.diagnose(plain)
    assert all(math.isnan(norm) for norm in gh.diagnostics.gradient_norms(
        gh.MLPGenerator()).values())  # fmt: skip


def test_instruments_go_on_with_a_run_that_goes_on(digits):
    data, unseen = digits
    watch = gh.Instruments(every=3, n=60, real=unseen)
    run = short_run(data, watch, steps=3)
    short_run(data, watch, steps=6, resume=run)
    assert watch.history["step"] == [0, 3, 6]
    short_run(data, watch, steps=3)
    assert watch.history["step"] == [0, 3]


def test_a_run_that_diverges_is_called_so(digits):
    class Explode(gh.callbacks.Callback):
        def after_step(self, run):
            if run.step == 4:
                next(run.generator.parameters()).data.fill_(math.nan)

    watch = gh.Instruments(every=2, n=60)
    with pytest.raises(gh.runs.TrainingDiverged) as caught:
        short_run(digits[0], watch, Explode(), steps=20)
    assert course.diagnose(watch).name == "divergence" == course.diagnose(caught.value.run).name


def test_what_the_instruments_read_of_copies_of_one_image_and_of_real_ones(digits):
    data, unseen = digits
    watch = gh.Instruments(every=3, n=100, real=unseen)
    short_run(data, watch, steps=3)
    copies = watch._of(data.take(range(100)))
    assert copies["nearest"] == pytest.approx(0, abs=1e-3) and copies["modes"] == 10
    others, _ = draw_digits(100, seed=9)
    real = watch._of(others.float() / 127.5 - 1)
    assert 0.7 < real["nearest"] < 1.4 and real["duplicates"] < 0.2 and real["effective"] > 8
    assert real["quality"] > 0.5 and 0.9 < real["diversity"] < 1.1
    same = watch._of(data.take([3]).expand(100, -1, -1, -1))
    assert same["effective"] == pytest.approx(1) and same["duplicates"] == 1
    assert same["diversity"] < 0.01 and same["modes_any"] == 1


@pytest.mark.parametrize("options", [{"every": 0}, {"n": 10}])
def test_instruments_refuse_what_tells_nothing(options):
    with pytest.raises(ValueError, match="expected 1 or more steps, 50 or more samples"):
        gh.Instruments(**options)


# ---------------------------------------------------------------------------- detectors
def test_each_detector_sees_what_it_is_for(digits):
    judge = gh.judges.load_judge("digits")
    images, labels = draw_digits(600, seed=1)
    real, _ = draw_digits(200, seed=2)
    sets = {
        "real": images[:200],
        "one image": images[:1].repeat(200, 1, 1, 1),
        "three classes": images[labels < 3][:150],
        "twenty images": images[:20].repeat(10, 1, 1, 1),
    }
    fires = {}
    for name, samples in sets.items():
        found = detectors.collapse_detectors(samples, real, judge)
        fires[name] = [finding.fires for finding in found]
        assert all(str(f).startswith("FIRES" if f.fires else "quiet") for f in found)
    #                         mean    ratio  classes twins  (recall) (precision)
    assert fires["real"][:4] == [False, False, False, False]
    assert fires["one image"][:4] == [True, True, True, True]
    assert fires["three classes"][:4] == [False, False, True, False]
    assert fires["twenty images"][:4] == [False, False, False, True]


def test_the_bootstrap_bound_lies_above_the_ratio_of_mean_distances():
    generator = torch.Generator().manual_seed(0)
    real, near = torch.randn(80, 5, generator=generator), torch.randn(60, 5, generator=generator)
    mean, bound = detectors.distances(near / 4, real)
    pairs = [float((a - b).norm()) for i, a in enumerate(near / 4) for b in (near / 4)[:i]]
    assert mean == pytest.approx(np.mean(pairs), rel=1e-3)
    ratio = mean / float(diagnostics.spread(real))
    assert 0.2 < ratio < bound < 0.35
