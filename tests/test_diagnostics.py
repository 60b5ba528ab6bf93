"""A pair looked over before training: good ones pass, and each broken one is named."""

import copy

import pytest
import torch
from torch import nn

import gan_helpers as gh
from gan_helpers.synthetic import draw_digits, draw_shapes


def data(draw):
    images, labels = draw(64, seed=0)
    return gh.ImageDataset(images, labels)


def dcgan():
    gh.set_seed(0)
    builders = gh.models.PAIRS["dcgan"]
    return [gh.models.dcgan_init(build(28, 1, width=8)) for build in builders]


@pytest.mark.parametrize("name", ["mlp", "wide", "compact", "dcgan", "small-kernels"])
def test_good_pairs_pass_and_are_left_as_they_were(name):
    dataset = data(draw_digits)
    gh.set_seed(0)
    G, D = dcgan() if name == "dcgan" else gh.build_pair(name, dataset.image_shape)
    before, drawn = copy.deepcopy([G.state_dict(), D.state_dict()]), torch.random.get_rng_state()
    report = gh.verify_pair(G, D, dataset, batch_size=16)
    assert report.passed and report.problems == [], report
    assert "nothing to look at" in str(report)
    assert str(report.failed) == "nothing to look at"
    assert torch.equal(drawn, torch.random.get_rng_state()) and G.training and D.training
    for old, network in zip(before, (G, D), strict=True):
        assert all(torch.equal(value, network.state_dict()[key]) for key, value in old.items())
        assert all(p.grad is None for p in network.parameters())


def test_colour_and_conditional_pairs_pass():
    G, D = gh.build_pair("upsample")
    assert gh.verify_pair(G, D, data(draw_shapes), batch_size=8).passed
    G, D = gh.models.ConditionalDCGANGenerator(), gh.models.ProjectionDiscriminator()
    report = gh.verify_pair(G, D, data(draw_shapes), conditional=True, batch_size=8)
    assert report.passed, report


def problems(G, D):
    report = gh.verify_pair(G, D, data(draw_digits), batch_size=16)
    assert not report.passed and "LOOK" in str(report)
    assert "ok  " not in str(report.failed) and report.failed.problems == report.problems
    return {check.name: check.found for check in report.checks if not check.passed}


def test_a_generator_without_tanh():
    G, D = dcgan()
    G.net = G.net[:-1]  # its untrained images lie in [-1, 1] all the same
    assert gh.generate(G, 16).abs().max() < 1
    found = problems(G, D)
    assert list(found) == ["G's range"] and "tanh" in found["G's range"]


@pytest.mark.parametrize("where", [0, 1])
def test_a_batchnorm_whose_scale_is_dead(where):
    G, D = dcgan()
    names = [[key for key, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)][-1]
             for network in (G, D)]  # fmt: skip
    nn.init.zeros_((G, D)[where].get_submodule(names[where]).weight)
    found = problems(G, D)
    told = found[("G's gradient", "D's gradient")[where]]
    assert f"scale (weight) of the BatchNorm {names[where]} is 0" in told


def test_a_discriminator_of_the_wrong_stride():
    G, D = dcgan()
    D.features[2].stride = (1, 1)
    found = problems(G, D)
    assert list(found) == ["D's logits"]
    assert "breaks off at layer last (ToLogit), which is given 16x16x13x13" in found["D's logits"]


@pytest.mark.parametrize(("where", "title"), [(0, "G's parameters"), (1, "D's parameters")])
def test_a_frozen_layer(where, title):
    pair = dcgan()
    next(pair[where].parameters()).requires_grad_(False)
    found = problems(*pair)
    assert list(found) == [title] and "frozen" in found[title]
    assert next(name for name, _ in pair[where].named_parameters()) in found[title]


def test_more_that_can_be_wrong():
    G, D = dcgan()
    for p in D.parameters():
        p.requires_grad_(False)
    assert "nothing in it learns" in problems(G, D)["D's gradient"]
    G, D = dcgan()
    assert "sigmoid" in problems(G, nn.Sequential(D, nn.Sigmoid()))["D's logits"]
    assert "28, 28" in problems(gh.MLPGenerator(image_shape=(1, 14, 14)), D)["G's images"]
    with pytest.raises(TypeError, match="class"):
        gh.verify_pair(gh.MLPGenerator, D, data(draw_digits))


class Detached(nn.Module):
    """A D whose first layer gets no gradient."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(784, 8), nn.Linear(8, 1)

    def forward(self, x):
        return self.last(self.first(x.flatten(1)).detach()).squeeze(1)


def test_a_gradient_that_does_not_arrive():
    G, _ = dcgan()
    found = problems(G, Detached())
    assert "none reaches first.weight, first.bias" in found["D's gradient"]


def test_a_discriminator_that_cannot_learn_one_batch():
    class Blind(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, x):
            return self.layer(0 * x.mean((1, 2, 3))[:, None]).squeeze(1)

    G, _ = dcgan()
    assert "D does not learn even this" in problems(G, Blind())["one batch learned by D"]
