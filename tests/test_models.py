"""The pairs of notebook 02: shapes, ranges, the parameter counts of the syllabus."""

import pytest
import torch

import gan_helpers as gh
from gan_helpers.models import count_parameters

PAIRS = [
    (gh.MLPGenerator, gh.MLPDiscriminator, 64, 283_920, 267_009),
    (gh.WideGenerator, gh.WideDiscriminator, 100, 1_489_936, 533_505),
]


@pytest.mark.parametrize(("make_G", "make_D", "latent_dim", "g_count", "d_count"), PAIRS)
def test_shapes_ranges_and_counts(make_G, make_D, latent_dim, g_count, d_count):
    G, D = make_G(), make_D()
    assert G.latent_dim == latent_dim
    images = G(3 * torch.randn(5, latent_dim))
    assert images.shape == (5, 1, 28, 28) and images.abs().max() <= 1
    assert images.min() < 0 < images.max()
    assert D(images).shape == (5,)
    assert (count_parameters(G), count_parameters(D)) == (g_count, d_count)


def test_batchnorm_comes_after_the_nonlinearity_in_the_wide_pair():
    kinds = [type(layer).__name__ for layer in gh.WideGenerator().net]
    assert kinds == ["Linear", "LeakyReLU", "BatchNorm1d"] * 3 + ["Linear", "Tanh"]


def test_describe_adds_up_and_leaves_the_model_alone():
    G = gh.WideGenerator()
    before = {name: value.clone() for name, value in G.state_dict().items()}
    G.net[2].eval()  # a mixed mode must survive, too
    modes = [module.training for module in G.modules()]
    lines = gh.describe(G, torch.randn(2, 100)).splitlines()
    assert modes == [module.training for module in G.modules()]
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items())
    counts = [int(line.split()[-1].replace(",", "")) for line in lines[2:-2]]
    assert sum(counts) == int(lines[-1].split()[-1].replace(",", "")) == 1_489_936
    assert "(2, 1, 28, 28)" in lines[-1]


def test_every_pair_of_the_registry_builds_and_fits_together():
    for name, (generator, discriminator) in gh.models.PAIRS.items():
        G, D = gh.build_pair(name)
        assert type(G) is generator and type(D) is discriminator
        assert D(G(torch.randn(2, G.latent_dim))).shape == (2,)
    with pytest.raises(ValueError, match="'giant' is no pair.*mlp"):
        gh.build_pair("giant")


@pytest.mark.parametrize(
    ("name", "shape"),
    [("mlp", (3, 10, 12)), ("dcgan", (1, 28, 28)), ("dcgan", (3, 64, 64)),
     ("upsample", (3, 32, 32)), ("wide", (1, 28, 28))],
)  # fmt: skip
def test_a_pair_for_given_images(name, shape):
    G, D = gh.build_pair(name, shape)
    images = G(torch.randn(2, G.latent_dim))
    assert images.shape == (2, *shape) and D(images).shape == (2,)


@pytest.mark.parametrize(
    ("name", "shape"), [("dcgan", (3, 30, 30)), ("dcgan", (3, 32, 64)), ("upsample", (1, 28, 28)),
                        ("wide", (3, 28, 28))]
)  # fmt: skip
def test_a_pair_that_is_not_made_for_the_images_says_so(name, shape):
    with pytest.raises(ValueError, match=f"'{name}' is made for .*{'x'.join(map(str, shape))}"):
        gh.build_pair(name, shape)
