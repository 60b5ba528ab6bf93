"""The convolutional and conditional pairs: layer tables, parameter counts, exact fast layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan_helpers import models as m

# name -> (class, arguments, its parameters): facts that the pairs' sources print.
COUNTS = {
    "DCGAN G, 64": (m.DCGANGenerator, {"size": 64}, 3_576_704),
    "DCGAN D, 64": (m.DCGANDiscriminator, {"size": 64}, 2_765_568),
    "DCGAN G, 32": (m.DCGANGenerator, {}, 1_068_928),
    "DCGAN D, 32": (m.DCGANDiscriminator, {}, 663_296),
    "upsample G": (m.UpsampleGenerator, {}, 1_050_883),
    "upsample D": (m.UpsampleDiscriminator, {}, 395_713),
    "5x5 G": (m.Transposed5x5Generator, {}, 3_110_208),
    "5x5 D": (m.Convolution5x5Discriminator, {}, 1_033_345),
    "3-7-14-28 G": (m.SmallKernelGenerator, {}, 559_681),
    "28-13-5-1 D": (m.SmallKernelDiscriminator, {}, 657_857),
    "embedding G": (m.EmbeddingGenerator, {}, 1_503_236),
    "embedding D": (m.EmbeddingDiscriminator, {}, 559_605),
    "two branches G": (m.TwoBranchGenerator, {}, 878_401),
    "two branches D": (m.TwoBranchDiscriminator, {}, 799_233),
    "two branches G, two classes": (m.TwoBranchGenerator, {"num_classes": 2}, 859_969),
    "two branches D, two classes": (m.TwoBranchDiscriminator, {"num_classes": 2}, 791_041),
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_number_of_parameters_is_that_of_the_source(name):
    build, arguments, count = COUNTS[name]
    assert m.count_parameters(build(**arguments)) == count


def maps(network, *inputs):
    """The shapes (channels, side) after each convolution, in order."""
    seen = []
    hooks = [
        part.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:3])))
        for part in network.modules()
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)
        and not isinstance(part, m.dcgan.ToLogit)
    ]
    network.eval()(*inputs)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (m.DCGANGenerator(), [(256, 4), (128, 8), (64, 16), (3, 32)]),
        (m.DCGANGenerator(64), [(512, 4), (256, 8), (128, 16), (64, 32), (3, 64)]),
        (m.DCGANGenerator(28, 1), [(128, 7), (64, 14), (1, 28)]),
        (m.DCGANGenerator(28, 1, width=16), [(32, 7), (16, 14), (1, 28)]),
        (m.UpsampleGenerator(), [(128, 16), (64, 32), (3, 32)]),
        (m.Transposed5x5Generator(), [(128, 8), (128, 16), (64, 32), (3, 32)]),
        (m.SmallKernelGenerator(), [(256, 3), (128, 7), (64, 14), (1, 28)]),
        (m.CompactGenerator(), [(16, 14), (4, 14)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_generators_layer_table(network, expected):
    z = torch.randn(2, network.latent_dim)
    assert maps(network, z) == expected


@pytest.mark.parametrize(
    ("network", "shape", "expected"),
    [
        (m.DCGANDiscriminator(), (3, 32, 32), [(64, 16), (128, 8), (256, 4)]),
        (m.DCGANDiscriminator(64), (3, 64, 64), [(64, 32), (128, 16), (256, 8), (512, 4)]),
        (m.DCGANDiscriminator(28, 1), (1, 28, 28), [(64, 14), (128, 7)]),
        (m.UpsampleDiscriminator(), (3, 32, 32), [(32, 16), (64, 8), (128, 5), (256, 5)]),
        (m.Convolution5x5Discriminator(), (3, 32, 32), [(64, 16), (128, 8), (256, 4)]),
        (m.SmallKernelDiscriminator(), (1, 28, 28), [(64, 13), (128, 5), (256, 1)]),
        (m.CompactDiscriminator(), (1, 28, 28), [(16, 14), (32, 7), (64, 4)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_discriminators_layer_table(network, shape, expected):
    images = torch.rand(2, *shape) * 2 - 1
    assert maps(network, images) == expected
    assert network(images).shape == (2,)


CONDITIONAL = {
    "embedding": (m.EmbeddingGenerator, m.EmbeddingDiscriminator, (1, 28, 28)),
    "two branches": (m.TwoBranchGenerator, m.TwoBranchDiscriminator, (1, 28, 28)),
    "projection": (m.ConditionalDCGANGenerator, m.ProjectionDiscriminator, (3, 32, 32)),
    "compact": (
        lambda: m.CompactGenerator(num_classes=10),
        lambda: m.CompactDiscriminator(num_classes=10),
        (1, 28, 28),
    ),
}


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_conditional_pair_uses_its_label(name):
    build_g, build_d, shape = CONDITIONAL[name]
    torch.manual_seed(0)
    G, D = build_g().eval(), build_d().eval()
    if name == "projection":  # its class vectors start at zero, on purpose
        nn.init.normal_(D.label.weight, std=0.02)
    z, y = torch.randn(4, G.latent_dim), torch.tensor([0, 1, 2, 9])
    images = G(z, y)
    assert images.shape == (4, *shape)
    assert images.abs().max() <= 1
    assert not torch.allclose(images, G(z, (y + 1) % 10))
    logits = D(images, y)
    assert logits.shape == (4,)
    assert not torch.allclose(logits, D(images, (y + 1) % 10))


@pytest.mark.parametrize("name", ["projection", "compact"])
def test_labels_may_be_weights(name):
    G = CONDITIONAL[name][0]().eval()
    z, y = torch.randn(4, G.latent_dim), torch.tensor([0, 1, 2, 9])
    code = torch.eye(10)[y]
    assert torch.allclose(G(z, code), G(z, y), atol=1e-6)
    between = G(z, (code + code.flip(0)) / 2)
    assert not torch.allclose(between, G(z, y), atol=1e-3)


def test_a_new_projection_does_not_yet_look_at_the_label():
    D, images = m.ProjectionDiscriminator().eval(), torch.rand(3, 3, 32, 32)
    label = torch.tensor([1, 2, 3])
    assert torch.equal(D(images, label), D(images, label + 1))


def test_the_projection_is_a_last_layer_for_each_class():
    D, images = m.ProjectionDiscriminator().eval(), torch.rand(3, 3, 32, 32)
    nn.init.normal_(D.label.weight)
    features = D.net.features(images).flatten(1)
    weights = D.net.last.weight.flatten() + D.label.weight
    expected = features @ weights.T
    label = torch.tensor([4, 0, 9])
    assert torch.allclose(D(images, label), expected[torch.arange(3), label], atol=1e-4)


def test_upsample_and_convolve_is_the_same_as_in_two_steps():
    torch.manual_seed(1)
    layer, images = m.dcgan.UpsampleConv(5, 7), torch.randn(3, 5, 6, 9)
    doubled = F.interpolate(images, scale_factor=2, mode="nearest")
    plain = F.conv2d(doubled, layer.weight, layer.bias, padding=1)
    assert torch.allclose(layer(images), plain, atol=1e-5)


def test_the_layers_of_one_pixel_are_the_convolutions_that_they_stand_for():
    torch.manual_seed(2)
    first, z = m.dcgan.FromLatent(10, 6, 4), torch.randn(3, 10)
    plain = F.conv_transpose2d(z[:, :, None, None], first.weight, first.bias)
    assert torch.allclose(first(z), plain, atol=1e-5)
    assert torch.allclose(first(z[:, :, None, None]), plain, atol=1e-5)
    last, features = m.dcgan.ToLogit(6, 4), torch.randn(3, 6, 4, 4)
    plain = F.conv2d(features, last.weight, last.bias).flatten()
    assert torch.allclose(last(features), plain, atol=1e-5)


def test_dcgan_init_draws_as_the_authors_did():
    torch.manual_seed(3)
    G = m.dcgan_init(m.DCGANGenerator(64))
    for part in G.modules():
        if isinstance(part, nn.ConvTranspose2d):
            # Five standard errors of a standard deviation.
            slack = 5 / (2 * part.weight.numel()) ** 0.5
            assert abs(part.weight.std() / 0.02 - 1) < slack
            assert abs(part.weight.mean()) < 5 * 0.02 / part.weight.numel() ** 0.5
        elif isinstance(part, nn.BatchNorm2d):
            assert 0.9 < part.weight.mean() < 1.1
            assert not part.bias.any()


@pytest.mark.parametrize(
    ("arguments", "layer"),
    [
        ((32, 4, 2, 1), nn.Conv2d(1, 1, 4, 2, 1)),
        ((28, 4, 2), nn.Conv2d(1, 1, 4, 2)),
        ((28, 5, 3, 2), nn.Conv2d(1, 1, 5, 3, 2)),
        ((4, 4, 2, 1, True), nn.ConvTranspose2d(1, 1, 4, 2, 1)),
        ((8, 5, 2, 2, True, 1), nn.ConvTranspose2d(1, 1, 5, 2, 2, 1)),
        ((3, 3, 2, 0, True), nn.ConvTranspose2d(1, 1, 3, 2)),
    ],
)
def test_output_sizes_are_those_of_the_layers(arguments, layer):
    side = layer(torch.zeros(1, 1, arguments[0], arguments[0])).shape[-1]
    assert m.conv_output_size(*arguments) == side


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="larger images"):
        m.conv_output_size(2, 4)
    with pytest.raises(ValueError, match="28, 32 or 64"):
        m.DCGANGenerator(48)


def test_the_compact_generator_takes_weights_of_classes_too():
    torch.manual_seed(0)
    G, z, y = m.CompactGenerator(num_classes=10).eval(), torch.randn(3, 64), torch.tensor([1, 5, 9])
    weights = nn.functional.one_hot(y, 10).float()
    assert torch.equal(G(z, y), G(z, weights))
    between = G(z, weights.lerp(weights.roll(1, 0), 0.5))
    assert between.shape == (3, 1, 28, 28) and not torch.equal(between, G(z, y))


def test_the_naive_upsample_generator_of_the_benchmark_is_the_same_function():
    from engine import Case, naive_upsample_generator

    case = Case("upsample", None, None, naive_upsample_generator)
    (naive, _), (G, _) = case.networks(naive=True), case.networks(naive=False)
    z = torch.randn(4, 100)
    assert any(isinstance(module, nn.Upsample) for module in naive.modules())
    torch.testing.assert_close(naive(z), G(z), rtol=0, atol=1e-5)
