"""Judges: what is shipped is small, documented and as good as its card; Inception's ways out."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
import urllib.error

import judges as judge_training  # benchmarks/judges.py
import pytest
import shipping
import torch
from torch import nn

from gan_helpers import judges
from gan_helpers.datasets import load_dataset
from gan_helpers.metrics import frechet_distance, look

SHIPPED = list(judges.KINDS)


# --- what is shipped -----------------------------------------------------------------------------


@pytest.mark.parametrize("key", SHIPPED)
def test_weights_are_small_and_have_a_card(key):
    judge = judges.load_judge(key, device="cpu")
    file = judges.WEIGHTS / f"{key}-judge.safetensors"
    assert file.stat().st_size < 2e6
    assert judge.feature_dim <= 128
    assert not judge.training
    assert not any(p.requires_grad for p in judge.parameters())
    assert {
        "data", "epochs", "seed", "hardware", "cpu_seconds", "test_accuracy", "made_with"
    } <= set(judge.card)  # fmt: skip
    assert judge.card["parameters"] == sum(p.numel() for p in judge.parameters())


def test_what_the_cards_promise():
    promised = {key: judges.load_judge(key, "cpu").card["test_accuracy"] for key in SHIPPED}
    assert promised["mnist"] >= 0.994
    assert promised["cifar10"] >= 0.80
    assert promised["digits"] >= 0.99
    assert promised["shapes"] >= 0.99
    assert "JPEG" in judges.load_judge("cifar10", "cpu").card["data"]


def test_the_mnist_judge_is_as_good_as_its_card(mnist_root):
    test = load_dataset("mnist", "test", root=mnist_root)
    judge = judges.load_judge("mnist", "cpu")
    assert judge_training.accuracy(judge, test.images, test.labels) >= 0.994


@pytest.mark.parametrize("key", ["digits", "shapes"])
def test_the_drawn_sets_judges_are_as_good_as_their_cards(key):
    test = load_dataset(key, "test").subset(n=500)
    judge = judges.judge_for(test, "cpu")
    assert judge.name == f"{key}-judge"
    assert judge_training.accuracy(judge, test.images, test.labels) > 0.98


def test_features_do_not_depend_on_the_batch():
    judge = judges.load_judge("mnist", "cpu")
    images = torch.randint(0, 256, (7, 1, 28, 28), dtype=torch.uint8)
    whole, ones = (
        look(images, judge).values,
        [look(image, judge).values for image in images[:, None]],
    )
    torch.testing.assert_close(whole, torch.cat(ones), rtol=1e-4, atol=1e-4)


def test_unknown_judges_and_data_are_refused():
    with pytest.raises(ValueError, match="load_inception"):
        judges.load_judge("imagenet")
    data = load_dataset("digits", "test").subset(n=10)
    data.name = "cats"
    with pytest.raises(ValueError, match="no shipped judge was trained on 'cats'"):
        judges.judge_for(data)


def test_missing_weights_say_how_to_make_them(tmp_path, monkeypatch):
    monkeypatch.setattr(judges, "WEIGHTS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"benchmarks/judges\.py"):
        judges.load_judge("mnist")


# --- training ------------------------------------------------------------------------------------


def test_training_learns_and_repeats(tmp_path):
    data = load_dataset("digits", "train").subset(classes=[0, 1], n=512)

    def trained() -> judges.Judge:
        torch.manual_seed(0)
        judge = judges.Judge("small-judge", (1, 28, 28), (4, 8))
        return judge_training.train_judge(
            judge,
            data.images,
            data.labels,
            epochs=6,
            augment=judge_training.Augment(shift=1),
            batch_size=32,
        )

    one, other = trained(), trained()
    assert judge_training.accuracy(one, data.images, data.labels) > 0.9
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)

    path = shipping.save_judge(one, {"seed": 0}, tmp_path)
    assert json.loads(path.with_suffix(".json").read_text()) == {"seed": 0}
    assert path.stat().st_size < 2.5 * sum(t.numel() for t in one.state_dict().values()) + 4000


def test_augmentation_moves_whole_pixels_and_keeps_the_range():
    images = torch.rand(64, 1, 12, 12) * 2 - 1
    generator = torch.Generator().manual_seed(0)
    still = judge_training.Augment()(images, generator)
    torch.testing.assert_close(still, images, atol=1e-5, rtol=0)
    moved = judge_training.Augment(shift=2)(images, generator)
    for before, after in zip(images[:, 0, 4:8, 4:8], moved[:, 0], strict=True):
        windows = after.unfold(0, 4, 1).unfold(1, 4, 1)
        assert (windows - before).abs().amax(dim=(2, 3)).min() < 1e-4
    changed = judge_training.Augment(flip=True, shift=2, rotate=15, cutout=4)(images, generator)
    assert changed.abs().max() <= 1 + 1e-5
    assert (changed == 0).any()


# --- Inception -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """A state dict of Inception-v3's shape with random values, saved as torch-fidelity reads it."""
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(module, "load_state_dict_from_url", lambda *_args, **_options: {})
        patch.setattr(nn.Module, "load_state_dict", lambda self, state, *_args: None)
        network = module.FeatureExtractorInceptionV3("random", ["2048"])
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def test_inception_gives_what_torch_fidelity_gives(random_weights):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    theirs = FeatureExtractorInceptionV3(
        "check", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(random_weights)
    )
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    judge = judges.load_inception(random_weights, device="cpu")
    seen = look(images, judge)
    features, logits = theirs(images)
    torch.testing.assert_close(seen.values, features)
    torch.testing.assert_close(seen.logits, logits)
    assert seen.values.shape == (3, 2048)
    # Floats in [-1, 1] come back to the same pixels, and grey images become three equal channels.
    torch.testing.assert_close(look(images.float() / 127.5 - 1, judge).values, features)
    grey = images[:, :1]
    torch.testing.assert_close(
        look(grey, judge).values, theirs(grey.expand(-1, 3, -1, -1).contiguous())[0]
    )
    score = frechet_distance(seen, look(images.flip(-1), judge, source="test"))
    assert score.name == "FID(inception-v3, 3 vs test)"


def test_inception_without_network_says_what_to_do(monkeypatch):
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")

    def unreachable(*_args, **_options):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(module, "load_state_dict_from_url", unreachable)
    with pytest.raises(judges.InceptionUnavailable, match=r"weights=PATH.*cifar10-judge"):
        judges.load_inception()


def test_inception_without_torch_fidelity_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **options):
        if name.startswith("torch_fidelity"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    for name in [name for name in sys.modules if name.startswith("torch_fidelity")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(judges.InceptionUnavailable, match=r"gan_helpers\[inception\]"):
        judges.load_inception()


def test_wrong_inception_files_are_refused(tmp_path):
    pytest.importorskip("torch_fidelity")
    with pytest.raises(judges.InceptionUnavailable, match="no such file"):
        judges.load_inception(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(judges.InceptionUnavailable, match="plain tensors"):
        judges.load_inception(tmp_path / "text.pth")
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(judges.InceptionUnavailable, match="does not fit"):
        judges.load_inception(tmp_path / "other.pth")


def test_importing_judges_and_metrics_loads_nothing_heavy():
    code = (
        "import sys, gan_helpers.judges, gan_helpers.metrics\n"
        "heavy = {'torchvision', 'torch_fidelity', 'scipy', 'ipywidgets', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
