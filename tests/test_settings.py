"""Seeds, device, fast mode, the data folder."""

import numpy as np
import pytest
import torch

import gan_helpers as gh
from gan_helpers.settings import step_generator


@pytest.mark.parametrize(
    ("value", "fast"), [("1", True), ("true", True), ("0", False), ("", False)]
)
def test_budget_follows_the_environment(monkeypatch, value, fast):
    monkeypatch.setenv("GAN_HELPERS_FAST", value)
    assert gh.is_fast() is fast
    assert gh.budget("full", "fast") == ("fast" if fast else "full")


def test_data_dir_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_HELPERS_DATA", str(tmp_path))
    assert gh.data_dir() == tmp_path
    monkeypatch.delenv("GAN_HELPERS_DATA")
    assert gh.data_dir().name == "data"


def test_device_says_what_there_is():
    assert gh.pick_device("cpu").type == "cpu"
    with pytest.raises(ValueError, match="not a device name"):
        gh.pick_device("graphics")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="this machine has: cpu"):
            gh.pick_device("cuda")


def test_set_seed_repeats_torch_and_numpy():
    gh.set_seed(3)
    first = torch.rand(4), np.random.rand(4)
    gh.set_seed(3)
    assert torch.equal(first[0], torch.rand(4)) and (first[1] == np.random.rand(4)).all()


def test_step_generator_is_a_function_of_its_arguments():
    def draw(*key):
        return torch.rand(100, generator=step_generator(*key))

    keys = [(0, 0, "a"), (0, 1, "a"), (1, 0, "a"), (0, 0, "b"), (12, 3, "a"), (1, 23, "a")]
    draws = [draw(*key) for key in keys]
    assert torch.equal(draws[0], draw(*keys[0]))
    for i, one in enumerate(draws):
        for other in draws[i + 1 :]:
            assert not torch.equal(one, other)
