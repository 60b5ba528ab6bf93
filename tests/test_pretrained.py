"""Shipped GANs: saved and read again, drawn from, and trained by the same networks."""

import cifar10_gans
import pytest
import ship_cifar10
import shipping
import torch

import gan_helpers as gh
from gan_helpers import pretrained

SHIPPED = [name for name in pretrained.PAIRS if (pretrained.WEIGHTS / f"{name}.json").exists()]


@pytest.mark.parametrize("name", pretrained.PAIRS)
def test_what_is_saved_is_what_is_loaded(name, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path)
    torch.manual_seed(0)
    build_g, build_d = pretrained.PAIRS[name]
    card = {"images_seen": 10, "score": "FD = 3", "log": []}
    pair = pretrained.Pretrained(name, build_g(), build_d(), build_g(), card)
    shipping.save_pair(pair, tmp_path)
    again = pretrained.load(name)
    label = 3 if pair.num_classes else None
    for name in ("generator", "averaged"):
        before, after = (gh.generate(getattr(p, name), 4, label) for p in (pair, again))
        assert torch.allclose(before, after, atol=2e-2)  # stored in float16
    assert again.card == card
    assert "10 images seen" in repr(again)
    assert not again.generator.training


def test_a_name_that_is_not_shipped_is_refused():
    with pytest.raises(ValueError, match="dcgan-cifar10"):
        pretrained.load("stylegan")


def test_missing_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path)
    with pytest.raises(FileNotFoundError, match="dcgan-cifar10.safetensors is missing"):
        pretrained.load("dcgan-cifar10")


@pytest.mark.parametrize("name", pretrained.PAIRS)
def test_the_frozen_networks_of_the_long_training_are_those_of_the_package(name):
    torch.manual_seed(1)
    theirs = cifar10_gans.build(ship_cifar10.MODELS[name])
    mine = [build() for build in pretrained.PAIRS[name]]
    for a, b in zip(theirs, mine, strict=True):
        ship_cifar10.transfer(a.eval(), b)
    z, images = torch.randn(3, 100), torch.rand(3, 3, 32, 32) * 2 - 1
    y = [torch.tensor([0, 4, 9])] if name.startswith("conditional") else []
    assert torch.allclose(theirs[0](z, *y), mine[0](z, *y), atol=1e-5)
    assert torch.allclose(theirs[1](images, *y), mine[1](images, *y), atol=1e-4)


@pytest.mark.skipif(not SHIPPED, reason="no weights have been trained yet")
def test_shipped_weights_are_small_and_say_what_they_are():
    files = [pretrained.WEIGHTS / f"{name}.safetensors" for name in SHIPPED]
    assert sum(file.stat().st_size for file in files) <= 15e6
    for name in SHIPPED:
        pair = pretrained.load(name)
        assert pair.card["name"] == name
        assert "JPEG" in pair.card["data"]
        assert pair.card["score"].startswith("FD(cifar10-judge, 10k vs test)")
        assert pair.log[-1]["seen"] <= pair.card["images_seen"]
        label = 1 if pair.num_classes else None
        images = gh.generate(pair, 32, label)
        assert images.abs().max() <= 1
        assert images.std(dim=0).mean() > 0.1  # not one image
