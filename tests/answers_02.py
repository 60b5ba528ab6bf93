"""Answers to the exercises of notebook 02: correct ones in several styles, and wrong ones.

The tables are those of `test_answers`.
"""

from __future__ import annotations

import copy
import functools
import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_course.exercises.nb02_loops import CLINIC_BUGS, clinic_source
from gan_helpers.plotting import to_display

CORRECT: dict[str, dict] = {}
MUTANTS: dict[str, dict] = {}
UNFORESEEN: dict[str, dict] = {}

BCE = F.binary_cross_entropy_with_logits


# --- 2.1 -----------------------------------------------------------------------------------------


class LayeredGenerator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.first = nn.Linear(latent_dim, hidden_dim)
        self.second = nn.Linear(hidden_dim, hidden_dim)
        self.third = nn.Linear(hidden_dim, 28 * 28)

    def forward(self, z):
        h = F.leaky_relu(self.first(z), 0.2)
        h = F.leaky_relu(self.second(h), 0.2)
        return torch.tanh(self.third(h)).reshape(len(z), 1, 28, 28)


def sequential_generator(latent_dim=64, hidden_dim=256):
    return nn.Sequential(
        nn.Linear(latent_dim, hidden_dim),
        nn.ReLU(),
        nn.Linear(hidden_dim, 784),
        nn.Tanh(),
        nn.Unflatten(1, (1, 28, 28)),
    )


class BatchNormGenerator(nn.Module):
    """BatchNorm in the hidden layers, a scaled sigmoid at the end, a ModuleList between."""

    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        sizes = [latent_dim, hidden_dim, hidden_dim * 2]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for b in sizes[1:])
        self.out = nn.Linear(sizes[-1], 784)

    def forward(self, z):
        for layer, norm in zip(self.layers, self.norms, strict=True):
            z = F.leaky_relu(norm(layer(z)), 0.2)
        return (2 * torch.sigmoid(self.out(z)) - 1).view(-1, 1, 28, 28)


class PlainParameterGenerator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256, **_):
        super().__init__()
        self.a = nn.Parameter(torch.randn(latent_dim, hidden_dim) / math.sqrt(latent_dim))
        self.b = nn.Parameter(torch.randn(hidden_dim, 784) / math.sqrt(hidden_dim))

    def forward(self, z):
        return ((z @ self.a).relu() @ self.b).tanh()[:, None].unflatten(2, (28, 28))


def generator(
    end=nn.Tanh, between=lambda n: [nn.LeakyReLU(0.2)], last=(), view=(1, 28, 28), fixed=None
):
    """A factory of generators with one part exchanged."""

    class Generator(nn.Module):
        def __init__(self, latent_dim=64, hidden_dim=256):
            super().__init__()
            latent_dim, hidden_dim = (
                (fixed or {}).get("z", latent_dim),
                (fixed or {}).get("h", hidden_dim),
            )
            self.net = nn.Sequential(
                nn.Linear(latent_dim, hidden_dim),
                *between(hidden_dim),
                nn.Linear(hidden_dim, 784),
                *last,
                end(),
            )

        def forward(self, z):
            return self.net(z).view(-1, *view)

    return Generator


class PictureBatchNormGenerator(LayeredGenerator):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__(latent_dim, hidden_dim)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, z):
        return self.norm(super().forward(z))


class TransposedConvolutionGenerator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.ConvTranspose2d(latent_dim, hidden_dim, 7),
            nn.ReLU(),
            nn.ConvTranspose2d(hidden_dim, 8, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.net(z)


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(x)


class LazyGenerator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(nn.LazyLinear(hidden_dim), nn.SiLU(), nn.LazyLinear(784))

    def forward(self, z):
        return self.net(z).tanh().unflatten(1, (1, 28, 28))


class ConvolutionalGenerator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.body = TransposedConvolutionGenerator(latent_dim, hidden_dim)

    def forward(self, z):
        return self.body(z.view(*z.shape, 1, 1))


class HiddenListGenerator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.layers = [nn.Linear(latent_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 784)]

    def forward(self, z):
        for layer in self.layers:
            z = layer(z)
        return torch.tanh(z).view(-1, 1, 28, 28)


class UnusedLayerGenerator(LayeredGenerator):
    def forward(self, z):
        return torch.tanh(self.third(F.leaky_relu(self.first(z), 0.2))).view(-1, 1, 28, 28)


class OwnNoiseGenerator(LayeredGenerator):
    def forward(self, z):
        return super().forward(torch.randn_like(z))


class BatchSizeGenerator(LayeredGenerator):
    def forward(self, z):
        return super().forward(z).view(6, 1, 28, 28)


class NoForwardGenerator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Linear(latent_dim, 784)

    def foward(self, z):
        return self.net(z)


class NoSuperGenerator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        self.net = nn.Linear(latent_dim, 784)

    def forward(self, z):
        return self.net(z)


class DetachedGenerator(LayeredGenerator):
    def forward(self, z):
        return super().forward(z).detach()


CORRECT["2.1"] = {
    "layers": LayeredGenerator,
    "sequential, from a function": sequential_generator,
    "batchnorm inside": BatchNormGenerator,
    "plain parameters": PlainParameterGenerator,
    "partial": functools.partial(LayeredGenerator),
    "batchnorm after the activation": generator(
        between=lambda n: [nn.LeakyReLU(0.2), nn.BatchNorm1d(n, momentum=0.8)]
    ),
    "dropout": generator(between=lambda n: [nn.LeakyReLU(0.2), nn.Dropout(0.3)]),
    "hardtanh": generator(end=nn.Hardtanh),
    "sine": generator(end=lambda: torch.nn.Sequential(nn.Linear(784, 784), Sine())),
    "lazy": LazyGenerator,
    "convolutional": ConvolutionalGenerator,
    "spectral norm": generator(
        between=lambda n: [nn.utils.parametrizations.spectral_norm(nn.Linear(n, n)), nn.Tanh()]
    ),
}
MUTANTS["2.1"] = {
    "no activation": (generator(end=nn.Identity), "arch-no-output-activation"),
    "leaky relu": (generator(end=nn.LeakyReLU), "arch-no-output-activation"),
    "sigmoid": (generator(end=nn.Sigmoid), "arch-sigmoid-output"),
    "relu": (generator(end=nn.ReLU), "arch-relu-output"),
    "batchnorm before tanh": (generator(last=[nn.BatchNorm1d(784)]), "arch-bn-output"),
    "batchnorm after tanh": (PictureBatchNormGenerator, "arch-bn-output"),
    "linear": (generator(between=lambda n: []), "arch-no-nonlinearity"),
    "linear and deep": (generator(between=lambda n: [nn.Linear(n, n)]), "arch-no-nonlinearity"),
    "eps for momentum": (
        generator(between=lambda n: [nn.BatchNorm1d(n, 0.8), nn.ReLU()]),
        "arch-bn-eps",
    ),
    "transposed convolution": (TransposedConvolutionGenerator, "arch-z-shape"),
    "list of layers": (HiddenListGenerator, "arch-unregistered"),
    "hidden size written out": (generator(fixed={"h": 256}), "hardcoded-size"),
}
UNFORESEEN["2.1"] = {
    "flat": (generator(view=(784,)), "(6, 784)"),
    "channels last": (generator(view=(28, 28, 1)), "(6, 28, 28, 1)"),
    "latent size written out": (generator(fixed={"z": 64}), "mat1 and mat2"),
    "instance": (LayeredGenerator(), "without calling"),
    "unused layer": (UnusedLayerGenerator, "second.weight"),
    "own noise": (OwnNoiseGenerator, "noise drawn inside"),
    "no forward": (NoForwardGenerator, "forward"),
    "no super": (NoSuperGenerator, "super().__init__()"),
    "detached": (DetachedGenerator, "first.weight"),
    "other argument names": (
        lambda z_dim=64, hidden=256: sequential_generator(z_dim, hidden),
        "latent_dim",
    ),
    "half the range": (
        generator(end=lambda: nn.Sequential(nn.Tanh(), nn.Threshold(-0.3, -0.3))),
        "part of it",
    ),
    "batch size written out": (BatchSizeGenerator, "view(6, 1, 28, 28)"),
}


# --- 2.2 -----------------------------------------------------------------------------------------


class LayeredDiscriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.first = nn.Linear(784, hidden_dim)
        self.second = nn.Linear(hidden_dim, hidden_dim)
        self.third = nn.Linear(hidden_dim, 1)

    def forward(self, x):
        h = F.leaky_relu(self.first(x.view(x.size(0), -1)), 0.2)
        return self.third(F.leaky_relu(self.second(h), 0.2))


def sequential_discriminator(hidden_dim=256):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, hidden_dim),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Linear(hidden_dim, 1),
    )


class ConvolutionalDiscriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 16, 4, 2, 1)
        )
        self.norm = nn.BatchNorm2d(16)
        self.head = nn.Sequential(nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(784, hidden_dim))
        self.out = nn.Linear(hidden_dim, 1)

    def forward(self, images):
        h = self.head(self.norm(self.body(images)))
        return self.out(F.leaky_relu(h, 0.2)).flatten()


def discriminator(start=(), between=lambda n: [nn.LeakyReLU(0.2)], end=(), fixed=None, out=1):
    class Discriminator(nn.Module):
        def __init__(self, hidden_dim=256):
            super().__init__()
            n = fixed or hidden_dim
            self.net = nn.Sequential(
                *start, nn.Flatten(), nn.Linear(784, n), *between(n), nn.Linear(n, out), *end
            )

        def forward(self, x):
            return self.net(x)

    return Discriminator


class MaxoutDiscriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.pieces = nn.Linear(784, 3 * hidden_dim)
        self.out = nn.Parameter(torch.randn(hidden_dim) / hidden_dim**0.5)

    def forward(self, x):
        return self.pieces(x.reshape(-1, 784)).unflatten(1, (3, -1)).amax(1) @ self.out


class HugeDiscriminator(nn.Module):
    """A convolutional discriminator for 64x64 images."""

    def __init__(self, hidden_dim=256):
        super().__init__()
        sizes = [1, 4, 8, 16, 32]
        layers = [
            layer
            for a, b in itertools.pairwise(sizes)
            for layer in (nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2))
        ]
        self.net = nn.Sequential(*layers, nn.Conv2d(32, 1, 4))

    def forward(self, x):
        return self.net(x).flatten()


class HiddenListDiscriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.layers = [nn.Linear(784, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 1)]

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers:
            x = layer(x)
        return x


class NotFlattened(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(784, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 1))

    def forward(self, x):
        return self.net(x)


class BatchMeanDiscriminator(LayeredDiscriminator):
    def forward(self, x):
        return super().forward(x).mean()


class BlindDiscriminator(LayeredDiscriminator):
    def forward(self, x):
        return super().forward(torch.ones_like(x))


CORRECT["2.2"] = {
    "layers, (N, 1)": LayeredDiscriminator,
    "sequential with dropout": sequential_discriminator,
    "convolutional, batchnorm inside": ConvolutionalDiscriminator,
    "relu": discriminator(between=lambda n: [nn.ReLU()]),
    "deep": discriminator(between=lambda n: [nn.ELU(), nn.Linear(n, n), nn.Tanh()]),
    "maxout, (N,)": MaxoutDiscriminator,
    "no bias, deep": discriminator(
        between=lambda n: [nn.ReLU()] + [m for _ in range(5) for m in (nn.Linear(n, n), nn.ReLU())]
    ),
    "weight norm": discriminator(
        between=lambda n: [nn.utils.parametrizations.weight_norm(nn.Linear(n, n)), nn.Mish()]
    ),
    "layer norm": discriminator(between=lambda n: [nn.LayerNorm(n), nn.GELU()]),
}
MUTANTS["2.2"] = {
    "sigmoid": (discriminator(end=[nn.Sigmoid()]), "loss-double-sigmoid"),
    "batchnorm on pixels": (discriminator(start=[nn.BatchNorm2d(1)]), "arch-bn-output"),
    "batchnorm in the first layer": (
        discriminator(between=lambda n: [nn.BatchNorm1d(n), nn.LeakyReLU(0.2)]),
        "arch-bn-output",
    ),
    "linear": (discriminator(between=lambda n: [nn.Dropout(0.1)]), "arch-no-nonlinearity"),
    "eps for momentum": (
        discriminator(between=lambda n: [nn.ReLU(), nn.BatchNorm1d(n, 0.8)]),
        "arch-bn-eps",
    ),
    "for 64x64": (HugeDiscriminator, "arch-64-on-32"),
    "list of layers": (HiddenListDiscriminator, "arch-unregistered"),
    "hidden size written out": (discriminator(fixed=128), "hardcoded-size"),
}
UNFORESEEN["2.2"] = {
    "two outputs": (discriminator(out=2), "(64, 2)"),
    "relu at the end": (discriminator(end=[nn.ReLU()]), "only one sign"),
    "tanh at the end": (discriminator(end=[nn.Tanh()]), "squashes"),
    "log-sigmoid": (discriminator(end=[nn.LogSigmoid()]), "only one sign"),
    "not flattened": (NotFlattened, "flattened"),
    "mean over the batch": (BatchMeanDiscriminator, "returned shape ()"),
    "blind": (BlindDiscriminator, "same result for every input"),
    "instance": (LayeredDiscriminator(), "without calling"),
    "a loss function": (lambda hidden_dim=256: BCE, "should give a network"),
}


class HalfBlindDiscriminator(LayeredDiscriminator):
    def forward(self, x):
        return super().forward(torch.cat([x[:, :, :14], torch.zeros_like(x[:, :, 14:])], 2))


class BatchMateDiscriminator(LayeredDiscriminator):
    def forward(self, x):
        h = super().forward(x)
        return h - h.mean(0)


UNFORESEEN["2.2"] |= {
    "half blind": (HalfBlindDiscriminator, "50% of the pixels"),
    "relative to the batch": (BatchMateDiscriminator, "changes with the other rows"),
    "axis lost": (lambda hidden_dim=256: SqueezingDiscriminator(hidden_dim), "a batch of one"),
}


class SqueezingDiscriminator(LayeredDiscriminator):
    def forward(self, x):
        return super().forward(x).squeeze()


CORRECT["2.2"] |= {
    "spectral norm": lambda hidden_dim=256: nn.Sequential(
        nn.Flatten(),
        nn.utils.spectral_norm(nn.Linear(784, hidden_dim)),
        nn.LeakyReLU(0.2),
        nn.utils.parametrizations.spectral_norm(nn.Linear(hidden_dim, 1)),
    ),
    "lazy": lambda hidden_dim=256: nn.Sequential(
        nn.Flatten(), nn.LazyLinear(hidden_dim), nn.ReLU(), nn.LazyLinear(1), nn.Flatten(0)
    ),
}
UNFORESEEN["2.1"] |= {
    "writes into z": (
        lambda latent_dim=64, hidden_dim=256: WritesIntoZ(latent_dim, hidden_dim),
        "changes a tensor that was handed",
    ),
    "scrambled": (
        lambda latent_dim=64, hidden_dim=256: ScrambledGenerator(latent_dim, hidden_dim),
        "changes with the other rows",
    ),
}


class WritesIntoZ(LayeredGenerator):
    def forward(self, z):
        return super().forward(z.mul_(0.5))


class ScrambledGenerator(LayeredGenerator):
    def forward(self, z):
        images = super().forward(z)
        return images.reshape(28, 28, 1, len(z)).permute(3, 2, 0, 1)


class HalfHiddenGenerator(LayeredGenerator):
    """Two of three layers are found by `parameters()`."""

    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__(latent_dim, hidden_dim)
        self.inner = [nn.Linear(hidden_dim, hidden_dim), nn.ReLU()]

    def forward(self, z):
        h = F.leaky_relu(self.second(F.leaky_relu(self.first(z), 0.2)), 0.2)
        for layer in self.inner:
            h = layer(h)
        return torch.tanh(self.third(h)).view(-1, 1, 28, 28)


class PlainTensorDiscriminator(LayeredDiscriminator):
    def __init__(self, hidden_dim=256):
        super().__init__(hidden_dim)
        self.extra = torch.randn(784, 784) / 28

    def forward(self, x):
        return super().forward(x.flatten(1) @ self.extra)


def changed(network, before=lambda x: x, after=lambda x: x):
    """A class whose forward does something to what goes in or comes out."""

    class Changed(network):
        def forward(self, x):
            return after(super().forward(before(x)))

    return Changed


def does(action):
    """The identity, with something done beside."""

    def identity(x):
        action()
        return x

    return identity


class Forgetful(LayeredDiscriminator):
    """Python-level state: each call adds a little more."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) + 0.1 * self.calls


class HalfDetached(LayeredDiscriminator):
    def forward(self, x):
        h = F.leaky_relu(self.first(x.flatten(1)), 0.2)
        h = h + 5 * F.leaky_relu(self.second(h.detach()), 0.2)
        return self.third(h - 0.9 * h.detach())


class Frozen(LayeredDiscriminator):
    def __init__(self, hidden_dim=256):
        super().__init__(hidden_dim)
        self.first.requires_grad_(False)


MUTANTS["2.1"] |= {
    "a part of the layers in a list": (HalfHiddenGenerator, "arch-unregistered"),
    "dropout after tanh": (
        generator(end=lambda: nn.Sequential(nn.Tanh(), nn.Dropout(0.3))),
        "arch-no-output-activation",
    ),
}
UNFORESEEN["2.1"] |= {
    "double": (changed(LayeredGenerator, after=lambda x: x.double()), "float64"),
    "half": (changed(LayeredGenerator, after=lambda x: x.half()), "float16"),
    "sets the seed": (
        changed(LayeredGenerator, does(lambda: torch.manual_seed(0))),
        "sets the random numbers of `torch`",
    ),
    "sets numpy's seed": (
        changed(LayeredGenerator, does(lambda: np.random.seed(0))),
        "sets the random numbers of `numpy`",
    ),
    "a part of z": (
        changed(LayeredGenerator, lambda z: torch.cat([z[:, :4], 0 * z[:, 4:]], 1)),
        "Of the 10 numbers of z, 6",
    ),
}
MUTANTS["2.2"]["a plain tensor as weights"] = (PlainTensorDiscriminator, "arch-unregistered")
UNFORESEEN["2.2"] |= {
    "clamped": (
        changed(LayeredDiscriminator, after=lambda x: x.clamp(-10, 10)),
        "no slope left",
    ),
    "clamped above": (changed(LayeredDiscriminator, after=lambda x: x.clamp(max=5)), "no slope"),
    "squashed, but wide": (
        changed(LayeredDiscriminator, after=lambda x: 30 * (x / 30).tanh()),
        "no slope left",
    ),
    "images detached": (
        changed(LayeredDiscriminator, lambda x: x.detach()),
        "no gradient comes back to the images",
    ),
    "images rounded": (
        changed(LayeredDiscriminator, lambda x: (127.5 * x).round() / 127.5),
        "no gradient comes back to the images",
    ),
    "all under no_grad": (
        changed(LayeredDiscriminator, after=lambda x: x.detach()),
        "no gradient gets there",
    ),
    "half detached": (HalfDetached, "not how its output changes"),
    "keeps count": (Forgetful, "keep from one call to the next"),
    "frozen": (Frozen, "first.weight"),
    "double": (changed(LayeredDiscriminator, after=lambda x: x.double()), "float64"),
}


# --- 2.3 -----------------------------------------------------------------------------------------


def adams(G, D, cls=torch.optim.Adam, order=1, **options):
    settings = {"lr": 1e-3, "betas": (0.5, 0.999), **options}
    return tuple(cls(net.parameters(), **settings) for net in (G, D))[::order]


def listed_groups(G, D):
    made = []
    for net in (G, D):
        groups = [{"params": [p]} for p in net.parameters()]
        made.append(torch.optim.Adam(groups, 0.001, [0.5, 0.999]))
    return made


def shared_adam(G, D):
    both = torch.optim.Adam([*G.parameters(), *D.parameters()], lr=1e-3, betas=(0.5, 0.999))
    return both, both


def uncalled_parameters(G, D):
    return torch.optim.Adam(G.parameters, lr=1e-3), torch.optim.Adam(D.parameters, lr=2e-4)


def first_layers_only(G, D):
    return adams(next(G.children()), D)


CORRECT["2.3"] = {
    "tuple": adams,
    "list of groups": listed_groups,
    "foreach": lambda G, D: adams(G, D, foreach=True),
    "lr as a tensor": lambda G, D: adams(G, D, lr=torch.tensor(1e-3), foreach=False),
    "fused": lambda G, D: adams(G, D, fused=True),
    "adamw without decay": lambda G, D: adams(G, D, torch.optim.AdamW, weight_decay=0.0),
    "lambda": lambda g, d: [
        torch.optim.Adam(list(n.parameters()), lr=1e-3, betas=(0.5, 0.999)) for n in (g, d)
    ],
}
MUTANTS["2.3"] = {
    "exchanged": (lambda G, D: adams(G, D, order=-1), "step-wrong-optimizer"),
    "twice D": (lambda G, D: adams(D, D), "step-wrong-optimizer"),
    "one for both": (shared_adam, "step-one-optimizer"),
    "lr 2e-3": (lambda G, D: adams(G, D, lr=2e-3), "optim-lr"),
    "the convolutional rate": (
        lambda G, D: adams(G, D, lr=2e-4),
        "optim-lr",
    ),
    "default betas": (
        lambda G, D: tuple(torch.optim.Adam(n.parameters(), lr=1e-3) for n in (G, D)),
        "optim-betas",
    ),
    "betas exchanged": (lambda G, D: adams(G, D, betas=(0.999, 0.5)), "optim-betas"),
}
UNFORESEEN["2.3"] = {
    "sgd": (lambda G, D: [torch.optim.SGD(n.parameters(), lr=1e-3) for n in (G, D)], "Adam"),
    "adamw": (lambda G, D: adams(G, D, torch.optim.AdamW), "moves the weights differently"),
    "weight decay": (lambda G, D: adams(G, D, weight_decay=0.1), "moves the weights differently"),
    "amsgrad's cousin": (lambda G, D: adams(G, D, torch.optim.NAdam), "moves the weights"),
    "a little decay": (
        lambda G, D: adams(G, D, weight_decay=1e-4),
        "otherwise default settings: it is Adam with weight_decay=0.0001",
    ),
    "amsgrad": (lambda G, D: adams(G, D, amsgrad=True), "amsgrad=True"),
    "another eps": (lambda G, D: adams(G, D, eps=1e-7), "eps=1e-07"),
    "large eps": (lambda G, D: adams(G, D, eps=0.1), "moves the weights differently"),
    "maximize": (lambda G, D: adams(G, D, maximize=True), "moves the weights differently"),
    "uncalled": (uncalled_parameters, "hands out when that method is called"),
    "half of G": (first_layers_only, "2 of G's 4"),
    "only one": (lambda G, D: adams(G, D)[0], "two optimisers"),
    "a dict": (lambda G, D: dict(zip("GD", adams(G, D), strict=True)), "a dict of 2"),
    "nothing": (lambda G, D: adams(G, D) and None, "nothing (None)"),
}


# --- 2.4: correct --------------------------------------------------------------------------------


def d_plain(G, D, d_optimizer, real, latent_dim=64):
    criterion = nn.BCEWithLogitsLoss()
    z = torch.randn(real.size(0), latent_dim)
    fake = G(z)
    d_optimizer.zero_grad()
    real_logits, fake_logits = D(real), D(fake.detach())
    loss = criterion(real_logits, torch.ones_like(real_logits)) + criterion(
        fake_logits, torch.zeros_like(fake_logits)
    )
    loss.backward()
    d_optimizer.step()
    return loss.item()


def d_two_backwards(G, D, d_optimizer, real, latent_dim):
    """Two backward passes that add up, fakes under no_grad, zero_grad by the network."""
    D.zero_grad(set_to_none=False)
    real_loss = BCE(D(real).flatten(), torch.ones(len(real)))
    real_loss.backward()
    with torch.no_grad():
        fake = G(torch.empty(len(real), latent_dim).normal_())
    fake_loss = BCE(D(fake).flatten(), torch.zeros(len(real)))
    fake_loss.backward()
    d_optimizer.step()
    return float(real_loss + fake_loss)


def d_concatenated(G, D, d_optimizer, real, latent_dim):
    n = len(real)
    fake = G(torch.randn(n, latent_dim, device=real.device)).data
    logits = D(torch.cat([real, fake])).squeeze()
    targets = torch.cat([torch.full((n,), 1.0), torch.full((n,), 0.0)])
    loss = 2 * BCE(logits, targets)
    d_optimizer.zero_grad(set_to_none=True)
    loss.backward()
    d_optimizer.step()
    return loss.detach().cpu().numpy().item()


def d_softplus(G, D, d_optimizer, real, latent_dim):
    """By hand; gradients by autograd.grad; noise from numpy and reversed order of the calls."""
    z = torch.from_numpy(np.random.randn(real.shape[0], latent_dim).astype("float32"))
    fake_loss = F.softplus(D(G(z).detach())).mean()
    loss = fake_loss - F.logsigmoid(D(real)).mean()
    parameters = list(D.parameters())
    for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        p.grad = g
    d_optimizer.step()
    return np.float32(loss.item())


def d_only_column(G, D, d_optimizer, real, latent_dim):
    """Works only with a D that returns (N, 1)."""
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    z = torch.randn(len(real), latent_dim)
    d_optimizer.zero_grad()
    loss = BCE(D(real), ones) + BCE(D(G(z).detach()), zeros)
    loss.backward()
    d_optimizer.step()
    return loss.item()


def d_closure(G, D, d_optimizer, real, latent_dim):
    fake = G(torch.randn(len(real), latent_dim)).detach()

    def closure():
        d_optimizer.zero_grad()
        loss = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
        loss.backward()
        return loss

    return d_optimizer.step(closure).item()


def d_frozen_g(G, D, d_optimizer, real, latent_dim):
    """G frozen for the moment instead of detached; a stable formula by hand; logs and prints."""
    for p in G.parameters():
        p.requires_grad_(False)
    fake = G(torch.normal(0.0, 1.0, (len(real), latent_dim)))

    def ce(x, t):
        return (x.clamp(min=0) - x * t + torch.log1p(torch.exp(-x.abs()))).mean()

    loss = ce(D(real), 1.0) + ce(D(fake), 0.0)
    print("d loss", loss)
    with torch.no_grad():
        print(torch.sigmoid(D(real)).mean(), torch.sigmoid(D(fake)).mean())
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    for p in G.parameters():
        p.requires_grad_(True)
    return loss.item()


def d_backward_inputs(G, D, d_optimizer, real, latent_dim):
    """Not detached, but the backward pass is told where to end."""
    fake = G(torch.randn(len(real), latent_dim))
    d_optimizer.zero_grad()
    loss = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
    loss.backward(inputs=list(D.parameters()))
    d_optimizer.step()
    return loss.item()


class DStep:
    def __call__(self, G, D, d_optimizer, real, latent_dim):
        return d_plain(G, D, d_optimizer, real, latent_dim)


CORRECT["2.4"] = {
    "plain": d_plain,
    "two backward passes": d_two_backwards,
    "concatenated": d_concatenated,
    "softplus": d_softplus,
    "closure": d_closure,
    "G frozen": d_frozen_g,
    "backward with inputs": d_backward_inputs,
    "an object": DStep(),
    "default argument": functools.partial(d_plain),
}


# --- 2.4: wrong, one part exchanged --------------------------------------------------------------


def _bce_sum(x, t):
    return BCE(x, torch.full_like(x, t), reduction="sum")


def _bce(x, t):
    return BCE(x, torch.full_like(x, float(t)))


def _by_hand(eps=0.0):
    def ce(x, t):
        p = torch.sigmoid(x)
        return -torch.log(p + eps).mean() if t else -torch.log(1 - p + eps).mean()

    return ce


def d_variant(
    ce=_bce,
    targets=(1.0, 0.0),
    total=lambda real, fake: real + fake,
    prepare=lambda fake: fake.detach(),
    clear="start",
    noise=torch.randn,
    latent=None,
    rows=None,
    backward=lambda loss, real, fake: loss.backward(),
    report=lambda loss: loss.item(),
    steps=1,
    after=lambda G, D: None,
):
    """A d_step with one part exchanged."""

    def d_step(G, D, d_optimizer, real, latent_dim):
        fake = prepare(G(noise(rows or len(real), latent or latent_dim)))
        if clear == "start":
            d_optimizer.zero_grad()
        real_loss, fake_loss = ce(D(real), targets[0]), ce(D(fake), targets[1])
        loss = total(real_loss, fake_loss)
        backward(loss, real_loss, fake_loss)
        if clear == "between":
            d_optimizer.zero_grad()
        for _ in range(steps):
            d_optimizer.step()
        if clear == "end":
            d_optimizer.zero_grad()
        after(G, D)
        return report(loss)

    return d_step


def _integer_targets(x, t):
    return BCE(x, torch.full(x.shape, int(t)))


def _no_sigmoid(x, t):
    return F.binary_cross_entropy(x, torch.full_like(x, t))


def _sigmoid_first(x, t):
    return F.binary_cross_entropy(torch.sigmoid(x), torch.full_like(x, t))


def _double_sigmoid(x, t):
    return _bce(torch.sigmoid(x), t)


def _hinge(x, t):
    return F.relu(1 - x if t else 1 + x).mean()


def _least_squares(x, t):
    return 0.5 * ((x - t) ** 2).mean()


def _keep(loss, real, fake):
    loss.backward(retain_graph=True)


def _twice_real(loss, real, fake):
    real.backward(retain_graph=True)
    loss.backward()


def _always_the_same(*shape):
    torch.manual_seed(0)
    return torch.randn(*shape)


def d_mean_of_all(G, D, d_optimizer, real, latent_dim):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    targets = torch.cat([torch.ones(len(real)), torch.zeros(len(real))])
    loss = BCE(D(torch.cat([real, fake])).flatten(), targets)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# A notebook's own networks, which a hasty answer reaches for instead of its arguments.
own_G = nn.Sequential(nn.Linear(50, 784), nn.Unflatten(1, (1, 28, 28)))
own_D = nn.Sequential(nn.Flatten(), nn.Linear(784, 1))
own_d_optimizer = torch.optim.Adam(own_D.parameters(), lr=1e-3)
own_g_optimizer = torch.optim.Adam(own_G.parameters(), lr=1e-3)


def d_global_networks(G, D, d_optimizer, real, latent_dim):
    return d_plain(own_G, own_D, own_d_optimizer, real, latent_dim)


def d_global_optimizer(G, D, d_optimizer, real, latent_dim):
    return d_plain(G, D, own_d_optimizer, real, latent_dim)


def d_new_optimizer(G, D, d_optimizer, real, latent_dim):
    return d_plain(G, D, torch.optim.SGD(D.parameters(), lr=1e-3), real, latent_dim)


def d_moves_g(G, D, d_optimizer, real, latent_dim):
    loss = d_plain(G, D, d_optimizer, real, latent_dim)
    with torch.no_grad():
        for p in G.parameters():
            p.mul_(0.9)
    return loss


def d_clips(G, D, d_optimizer, real, latent_dim):
    def backward(loss, real, fake):
        loss.backward()
        nn.utils.clip_grad_norm_(D.parameters(), 0.01)

    return d_variant(backward=backward)(G, D, d_optimizer, real, latent_dim)


def d_no_step(G, D, d_optimizer, real, latent_dim):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    loss = _bce(D(real), 1.0) + _bce(D(fake), 0.0)
    loss.backward()
    return loss.item()


def d_mean_logit(G, D, d_optimizer, real, latent_dim):
    return d_variant(ce=lambda x, t: _bce(x.mean(), t))(G, D, d_optimizer, real, latent_dim)


def d_eval(G, D, d_optimizer, real, latent_dim):
    D.eval()
    return d_plain(G, D, d_optimizer, real, latent_dim)


def d_typo(G, D, d_optimizer, real, latent_dim):
    return G(torch.randn(len(reel), latent_dim)).mean().item()  # noqa: F821


def no_detach_but_cleared(G, D):
    G.zero_grad()


def same(x):
    return x


MUTANTS["2.4"] = {
    "no detach": (d_variant(prepare=same), "step-no-detach"),
    "no detach, cleared later": (
        d_variant(prepare=same, after=no_detach_but_cleared),
        "step-no-detach",
    ),
    "never cleared": (d_variant(clear=None), "step-no-zero-grad"),
    "cleared at the end only": (d_variant(clear="end"), "step-g-grad-left-in-d"),
    "no detach, graph kept": (d_variant(prepare=same, backward=_keep), "step-retain-graph"),
    "graph kept": (d_variant(backward=_keep), "step-retain-graph"),
    "real counted twice": (d_variant(backward=_twice_real), "step-retain-graph"),
    "swapped": (d_variant(targets=(0.0, 1.0)), "step-swapped-labels"),
    "only real": (d_variant(total=lambda r, f: r), "step-only-real"),
    "only fake": (d_variant(total=lambda r, f: f), "step-only-fake"),
    "only real backward": (d_variant(backward=lambda s, r, f: r.backward()), "step-only-real"),
    "same noise": (d_variant(noise=_always_the_same), "step-same-noise"),
    "other networks": (d_global_networks, "step-globals"),
    "other optimiser": (d_global_optimizer, "step-globals"),
    "double sigmoid": (d_variant(ce=_double_sigmoid), "loss-double-sigmoid"),
    "no sigmoid": (d_variant(ce=_no_sigmoid), "loss-no-sigmoid"),
    "log of sigmoid": (d_variant(ce=_by_hand()), "loss-log-sigmoid-nan"),
    "naive softplus": (
        d_variant(ce=lambda x, t: torch.log(1 + torch.exp(-x if t else x)).mean()),
        "loss-log-sigmoid-nan",
    ),
    "log of sigmoid plus eps": (d_variant(ce=_by_hand(1e-8)), "loss-sigmoid-flat"),
    "sigmoid, then BCELoss": (d_variant(ce=_sigmoid_first), "loss-sigmoid-flat"),
    "integer targets": (d_variant(ce=_integer_targets), "loss-integer-targets"),
    "sum": (d_variant(ce=_bce_sum), "loss-sum-not-mean"),
    "half": (d_variant(total=lambda r, f: (r + f) / 2), "loss-half-sum"),
    "mean of all": (d_mean_of_all, "loss-half-sum"),
    "latent size written out": (d_variant(latent=64), "hardcoded-size"),
    "batch size written out": (d_variant(rows=128), "hardcoded-size"),
}
UNFORESEEN["2.4"] = {
    "uniform noise": (d_variant(noise=torch.rand), "mean 0.50"),
    "noise in [-1, 1]": (
        d_variant(noise=lambda *shape: 2 * torch.rand(*shape) - 1),
        "standard deviation 0.58",
    ),
    "hinge": (d_variant(ce=_hinge), "hinge"),
    "wasserstein": (d_variant(ce=lambda x, t: (-x if t else x).mean()), "Wasserstein"),
    "least squares": (d_variant(ce=_least_squares), "least-squares"),
    "smoothed": (d_variant(targets=(0.9, 0.0)), "0.9"),
    "smoothed on both sides": (d_variant(targets=(0.9, 0.1)), "target 0.9 where 1"),
    "minus": (d_variant(total=lambda r, f: r - f), "the fakes count -1 times"),
    "all negative": (d_variant(total=lambda r, f: -(r + f)), "opposite way"),
    "mean of logits": (d_mean_logit, "mean logit"),
    "new optimiser": (d_new_optimizer, "another optimiser"),
    "two steps": (d_variant(steps=2), "2 optimiser steps"),
    "no step": (d_no_step, "never told to step"),
    "cleared before the step": (d_variant(clear="between"), "In which order"),
    "a tensor": (d_variant(report=lambda loss: loss), "plain number"),
    "nothing": (d_variant(report=lambda loss: None), "nothing (None)"),
    "a pair": (d_variant(report=lambda loss: (loss.item(), 0.0)), "a tuple of 2"),
    "half the loss": (d_variant(report=lambda loss: loss.item() / 2), "mean of the two terms"),
    "G moves": (d_moves_g, "weights of G"),
    "clipped": (d_clips, "Between `backward`"),
    "eval": (d_eval, "evaluation mode"),
    "eval at the end": (d_variant(after=lambda G, D: G.eval()), "leaves G in evaluation mode"),
    "frozen at the end": (
        d_variant(after=lambda G, D: [p.requires_grad_(False) for p in D.parameters()]),
        "leaves D frozen",
    ),
    "a typo": (d_typo, "(`return G(torch.randn(len(reel), latent_dim))"),
    "too few arguments": (lambda G, D, real: 0.0, "yours takes (G, D, real)"),
    "BCE on a batch": (d_variant(ce=lambda x, t: F.softplus(-x if t else x)), "single number"),
    "zero noise": (d_variant(noise=torch.zeros), "standard deviation 0.00"),
    "exits": (d_variant(after=lambda G, D: exit()), "SystemExit"),
}


# --- 2.5 -----------------------------------------------------------------------------------------


def g_plain(G, D, g_optimizer, batch_size, latent_dim=64):
    g_optimizer.zero_grad()
    logits = D(G(torch.randn(batch_size, latent_dim)))
    loss = nn.BCEWithLogitsLoss()(logits, torch.ones_like(logits))
    loss.backward()
    g_optimizer.step()
    return loss.item()


def g_cleared_at_the_end(G, D, g_optimizer, batch_size, latent_dim):
    fake = G(torch.randn((batch_size, latent_dim)))
    loss = -F.logsigmoid(D(fake)).mean()
    loss.backward()
    g_optimizer.step()
    g_optimizer.zero_grad(set_to_none=False)
    return float(loss)


def g_frozen_d(G, D, g_optimizer, batch_size, latent_dim):
    for p in D.parameters():
        p.requires_grad = False
    noise = torch.empty(batch_size, latent_dim).normal_()
    loss = F.softplus(-D(G(noise)).squeeze()).mean()
    G.zero_grad()
    loss.backward()
    g_optimizer.step()
    for p in D.parameters():
        p.requires_grad = True
    return loss.item()


def g_flipped_labels(G, D, g_optimizer, batch_size, latent_dim):
    """cross-entropy of -logit against 0, gradient by autograd.grad."""
    logits = D(G(torch.from_numpy(np.random.normal(size=(batch_size, latent_dim))).float()))
    loss = BCE(-logits, torch.zeros_like(logits))
    parameters = list(G.parameters())
    for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        p.grad = g
    g_optimizer.step()
    return loss.item()


def g_only_column(G, D, g_optimizer, batch_size, latent_dim):
    loss = BCE(D(G(torch.randn(batch_size, latent_dim))), torch.ones(batch_size, 1))
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


CORRECT["2.5"] = {
    "plain": g_plain,
    "cleared at the end": g_cleared_at_the_end,
    "D frozen": g_frozen_d,
    "flipped": g_flipped_labels,
}


def g_variant(
    ce=_bce,
    target=1.0,
    sign=1,
    prepare=same,
    clear="start",
    noise=torch.randn,
    rows=None,
    latent=None,
    backward=lambda loss: loss.backward(),
    report=lambda loss: loss.item(),
    after=lambda G, D: None,
    steps=1,
):
    def g_step(G, D, g_optimizer, batch_size, latent_dim):
        if clear == "start":
            g_optimizer.zero_grad()
        fake = prepare(G(noise(rows or batch_size, latent or latent_dim)))
        loss = sign * ce(D(fake), target)
        backward(loss)
        if clear == "between":
            g_optimizer.zero_grad()
        for _ in range(steps):
            g_optimizer.step()
        after(G, D)
        return report(loss)

    return g_step


def g_no_grad(G, D, g_optimizer, batch_size, latent_dim):
    with torch.no_grad():
        fake = G(torch.randn(batch_size, latent_dim))
    loss = _bce(D(fake), 1.0)
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


def g_all_no_grad(G, D, g_optimizer, batch_size, latent_dim):
    with torch.no_grad():
        logits = D(G(torch.randn(batch_size, latent_dim)))
    loss = _bce(logits, 1.0)
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


def g_item_then_backward(G, D, g_optimizer, batch_size, latent_dim):
    loss = torch.tensor(_bce(D(G(torch.randn(batch_size, latent_dim))), 1.0).item())
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


def g_globals(G, D, g_optimizer, batch_size, latent_dim):
    return g_plain(own_G, own_D, own_g_optimizer, batch_size, latent_dim)


def g_steps_d(G, D, g_optimizer, batch_size, latent_dim):
    return g_plain(G, D, torch.optim.SGD(D.parameters(), lr=1e-3), batch_size, latent_dim)


def g_moves_d(G, D, g_optimizer, batch_size, latent_dim):
    loss = g_plain(G, D, g_optimizer, batch_size, latent_dim)
    with torch.no_grad():
        for p in D.parameters():
            p.sub_(1e-3 * p.grad)
    return loss


def _keep_g(loss):
    loss.backward(retain_graph=True)


MUTANTS["2.5"] = {
    "detached": (g_variant(prepare=lambda fake: fake.detach()), "step-detach-in-g"),
    "fakes under no_grad": (g_no_grad, "step-detach-in-g"),
    "all under no_grad": (g_all_no_grad, "step-detach-in-g"),
    "a number, not a graph": (g_item_then_backward, "step-detach-in-g"),
    "never cleared": (g_variant(clear=None), "step-no-zero-grad"),
    "graph kept": (g_variant(backward=_keep_g), "step-retain-graph"),
    "toward fake": (g_variant(target=0.0), "step-g-targets-fake"),
    "same noise": (g_variant(noise=_always_the_same), "step-same-noise"),
    "globals": (g_globals, "step-globals"),
    "double sigmoid": (g_variant(ce=_double_sigmoid), "loss-double-sigmoid"),
    "no sigmoid": (g_variant(ce=_no_sigmoid), "loss-no-sigmoid"),
    "log of sigmoid": (g_variant(ce=_by_hand()), "loss-log-sigmoid-nan"),
    "log of sigmoid plus eps": (g_variant(ce=_by_hand(1e-8)), "loss-sigmoid-flat"),
    "sigmoid, then BCELoss": (g_variant(ce=_sigmoid_first), "loss-sigmoid-flat"),
    "integer targets": (g_variant(ce=_integer_targets), "loss-integer-targets"),
    "sum": (g_variant(ce=_bce_sum), "loss-sum-not-mean"),
    "saturating": (g_variant(target=0.0, sign=-1), "loss-saturating"),
    "saturating by hand": (
        g_variant(ce=lambda x, t: torch.log(1 - torch.sigmoid(x)).mean()),
        "loss-saturating",
    ),
    "wrong sign": (g_variant(sign=-1), "loss-nonsaturating-sign"),
    "latent size written out": (g_variant(latent=100), "hardcoded-size"),
    "batch size written out": (g_variant(rows=128), "hardcoded-size"),
}
UNFORESEEN["2.5"] = {
    "uniform noise": (g_variant(noise=torch.rand), "mean 0.50"),
    "wasserstein": (g_variant(ce=lambda x, t: -x.mean()), "Wasserstein"),
    "half": (g_variant(sign=0.5), "half"),
    "logarithm of the mean": (
        g_variant(ce=lambda x, t: -x.sigmoid().mean().log()),
        "the logarithm is taken of the mean probability of the fakes",
    ),
    "no logarithm": (
        g_variant(ce=lambda x, t: -x.sigmoid().mean()),
        "by their probability, of which no logarithm is taken",
    ),
    "target 0.9": (g_variant(target=0.9), "G's gradient"),
    "least squares": (g_variant(ce=_least_squares), "least-squares"),
    "D moves too": (g_moves_d, "weights of D"),
    "D steps instead": (g_steps_d, "another optimiser"),
    "cleared before the step": (g_variant(clear="between"), "In which order"),
    "two steps": (g_variant(steps=2), "2 optimiser steps"),
    "a tensor": (g_variant(report=lambda loss: loss.detach()), "plain number"),
    "a list": (g_variant(report=lambda loss: [loss.item()]), "a list of 1"),
    "minus the loss": (g_variant(report=lambda loss: -loss.item()), "opposite sign"),
    "D in eval mode": (g_variant(after=lambda G, D: D.eval()), "leaves D in evaluation mode"),
    "flat images": (g_variant(prepare=lambda fake: fake.sum(1)[:, 0]), "(48, 28)"),
}


# --- unusual styles of a step --------------------------------------------------------------------


def d_accumulated(G, D, d_optimizer, real, latent_dim):
    """Three pieces, whose gradients add up."""
    d_optimizer.zero_grad()
    total = 0.0
    for part in real.split(16):
        fake = G(torch.randn(len(part), latent_dim)).detach()
        loss = (F.softplus(-D(part)).sum() + F.softplus(D(fake)).sum()) / len(real)
        loss.backward()
        total += loss.item()
    d_optimizer.step()
    return total


def d_copied(G, D, d_optimizer, real, latent_dim):
    """Gradients of a copy of D, on fakes by a frozen copy of G."""
    twin, frozen = copy.deepcopy(D), copy.deepcopy(G).requires_grad_(False)
    twin.zero_grad()
    fake = frozen(torch.randn(len(real), latent_dim))
    loss = F.softplus(-twin(real)).mean() + F.softplus(twin(fake)).mean()
    loss.backward()
    for mine, its in zip(D.parameters(), twin.parameters(), strict=True):
        mine.grad = its.grad.clone()
    d_optimizer.step()
    return loss.item()


def d_torch_func(G, D, d_optimizer, real, latent_dim):
    with torch.no_grad():
        fake = G(torch.randn(len(real), latent_dim))

    def loss(weights):
        return (
            F.softplus(-torch.func.functional_call(D, weights, (real,))).mean()
            + F.softplus(torch.func.functional_call(D, weights, (fake,))).mean()
        )

    weights = {name: p.detach() for name, p in D.named_parameters()}
    grads, value = torch.func.grad_and_value(loss)(weights)
    for name, p in D.named_parameters():
        p.grad = grads[name]
    d_optimizer.step()
    return value.item()


def d_shuffled(G, D, d_optimizer, real, latent_dim):
    """One shuffled batch of both kinds; D's numbers are looked at before and after."""
    fake = G(torch.randn(len(real), latent_dim)).detach()
    images = torch.cat([fake, real])
    targets = torch.cat([torch.zeros(len(fake)), torch.ones(len(real))])
    order = torch.randperm(len(images))
    assert torch.isfinite(D(real)).all()
    loss = BCE(D(images[order]).view(-1), targets[order], reduction="sum") / len(real)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    assert torch.isfinite(D(fake)).all()
    return loss.item()


CORRECT["2.4"] |= {
    "accumulated": d_accumulated,
    "copied networks": d_copied,
    "torch.func": d_torch_func,
    "shuffled": d_shuffled,
}


def g_torch_func(G, D, g_optimizer, batch_size, latent_dim):
    z = torch.randn(batch_size, latent_dim)

    def loss(weights):
        return F.softplus(-D(torch.func.functional_call(G, weights, (z,)))).mean()

    weights = {name: p.detach() for name, p in G.named_parameters()}
    grads, value = torch.func.grad_and_value(loss)(weights)
    for name, p in G.named_parameters():
        p.grad = grads[name]
    g_optimizer.step()
    return value.item()


def g_one_by_one(G, D, g_optimizer, batch_size, latent_dim):
    g_optimizer.zero_grad()
    total = 0.0
    for _ in range(batch_size):
        loss = F.softplus(-D(G(torch.randn(1, latent_dim)))).sum() / batch_size
        loss.backward()
        total += loss.item()
    g_optimizer.step()
    return total


def g_by_the_images(G, D, g_optimizer, batch_size, latent_dim):
    """The gradient by the images first, then on to G; D is a copy whose weights hold still."""
    judge = copy.deepcopy(D).requires_grad_(False)
    images = G(torch.randn(batch_size, latent_dim))
    leaf = images.detach().requires_grad_()
    loss = F.softplus(-judge(leaf)).mean()
    g_optimizer.zero_grad()
    images.backward(torch.autograd.grad(loss, leaf)[0])
    g_optimizer.step()
    return loss.item()


CORRECT["2.5"] |= {
    "torch.func": g_torch_func,
    "one by one": g_one_by_one,
    "by the images": g_by_the_images,
}


def d_part_of_the_batch(G, D, d_optimizer, real, latent_dim):
    return d_plain(G, D, d_optimizer, real[:32], latent_dim)


def d_noisy_real(G, D, d_optimizer, real, latent_dim):
    return d_plain(G, D, d_optimizer, real + 0.3 * torch.randn_like(real), latent_dim)


def d_darker_fakes(G, D, d_optimizer, real, latent_dim):
    return d_variant(prepare=lambda fake: 0.5 * fake.detach())(G, D, d_optimizer, real, latent_dim)


def d_decays(G, D, d_optimizer, real, latent_dim):
    def total(r, f):
        return r + f + 0.05 * sum(p.square().sum() for p in D.parameters())

    return d_variant(total=total)(G, D, d_optimizer, real, latent_dim)


def d_clips_weights(G, D, d_optimizer, real, latent_dim):
    loss = d_plain(G, D, d_optimizer, real, latent_dim)
    for p in D.parameters():
        p.data.clamp_(-0.01, 0.01)
    return loss


def d_writes_into_real(G, D, d_optimizer, real, latent_dim):
    loss = d_plain(G, D, d_optimizer, real, latent_dim)
    real.mul_(0.5)
    return loss


def d_real_twice(G, D, d_optimizer, real, latent_dim):
    G(torch.randn(len(real), latent_dim))
    loss = F.softplus(-D(real)).mean() + F.softplus(D(real)).mean()
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


def d_relativistic(G, D, d_optimizer, real, latent_dim):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    loss = F.softplus(D(fake) - D(real)).mean()
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


def _scaled_uniform(*shape):
    return (torch.rand(*shape) - 0.5) * 12**0.5


UNFORESEEN["2.4"] |= {
    "part of the batch": (d_part_of_the_batch, "only 32 have a part"),
    "noise on the real images": (d_noisy_real, "has a correlation of only"),
    "darker fakes": (d_darker_fakes, "with values from -0.5 to 0.5"),
    "a decay of the weights": (d_decays, "as a decay of the weights does"),
    "weights clipped": (d_clips_weights, "something else than its optimiser's step"),
    "writes into real": (d_writes_into_real, "changes the real images"),
    "wide uniform noise": (d_variant(noise=_scaled_uniform), "not its shape"),
    "columns of z alike": (
        d_variant(noise=lambda n, k: torch.randn(n, 1).expand(n, k)),
        "depend on each other",
    ),
    "G in eval mode": (
        d_variant(prepare=lambda fake: fake.detach(), after=lambda G, D: G.eval()),
        "evaluation mode",
    ),
    "the loss after the update": (
        lambda G, D, d_optimizer, real, latent_dim: (
            d_plain(G, D, d_optimizer, real, latent_dim)
            and (
                F.softplus(-D(real)).mean()
                + F.softplus(D(G(torch.randn(len(real), latent_dim)))).mean()
            ).item()
        ),
        "reports another loss",
    ),
}


def d_of_type(real_type=None, fake_type=None):
    """A d_step that shows D images of another type than its weights have."""

    def d_step(G, D, d_optimizer, real, latent_dim):
        fake = G(torch.randn(len(real), latent_dim)).detach()
        d_optimizer.zero_grad()
        loss = F.softplus(-D(real.to(real_type))).mean() + F.softplus(D(fake.to(fake_type))).mean()
        loss.backward()
        d_optimizer.step()
        return loss.item()

    return d_step


def d_to_and_fro(G, D, d_optimizer, real, latent_dim):
    """The images pass through float64, and D gets them in its own type."""
    return d_plain(G, D, d_optimizer, real.double().float(), latent_dim)


def d_in_chunks(last):
    """Pieces of 16 by hand, where the last one may be empty."""

    def d_step(G, D, d_optimizer, real, latent_dim):
        d_optimizer.zero_grad()
        total = 0.0
        for start in range(0, len(real) + last, 16):
            part = real[start : start + 16]
            fake = G(torch.randn(len(part), latent_dim)).detach()
            loss = (F.softplus(-D(part)).sum() + F.softplus(D(fake)).sum()) / len(real)
            loss.backward()
            total += loss.item()
        d_optimizer.step()
        return total

    return d_step


def d_changes_the_rate(G, D, d_optimizer, real, latent_dim):
    d_optimizer.param_groups[0]["lr"] *= 0.9
    return d_plain(G, D, d_optimizer, real, latent_dim)


def g_changes_the_rate(G, D, g_optimizer, batch_size, latent_dim):
    g_optimizer.param_groups[0]["lr"] *= 0.9
    return g_plain(G, D, g_optimizer, batch_size, latent_dim)


CORRECT["2.4"] |= {
    "through float64 and back": d_to_and_fro,
    "an empty piece at the end": d_in_chunks(1),
}
_OTHER_TYPES = {
    "real images in float64": (torch.float64, None),
    "real images in float16": (torch.float16, None),
    "real images in bfloat16": (torch.bfloat16, None),
    "real images in uint8": (torch.uint8, None),
    "fakes in float64": (None, torch.float64),
    "both in float64": (torch.float64, torch.float64),
    "both in uint8": (torch.uint8, torch.uint8),
}
UNFORESEEN["2.4"] |= {
    name: (d_of_type(*types), "must have the same dtype, but got")
    for name, types in _OTHER_TYPES.items()
}
UNFORESEEN["2.4"] |= {
    "the learning rate": (d_changes_the_rate, "changes the settings of the optimiser"),
    "a complex number": (
        d_variant(report=lambda loss: complex(loss.item())),
        "gives a complex number. Its imaginary part is 0",
    ),
    "an enormous number": (d_variant(report=lambda loss: 10**400), "too large for a float"),
    "no number but its class": (d_variant(report=lambda loss: float), "the class float"),
}
UNFORESEEN["2.5"] |= {
    "fakes in float64": (
        g_variant(prepare=lambda fake: fake.double()),
        "must have the same dtype, but got Double and Float",
    ),
    "a learning rate of its own": (
        g_changes_the_rate,
        "changes the settings of the optimiser",
    ),
}
UNFORESEEN["2.4"] |= {
    "targets at random": (
        d_variant(ce=lambda x, t: BCE(x, 0.7 + 0.3 * torch.rand_like(x) if t else 0 * x)),
        "each of the real images has a target of its own, from 0.7",
    ),
    "logits clamped": (
        d_variant(ce=lambda x, t: _bce(x.clamp(-1, 1), t)),
        "those with the largest logits",
    ),
    "relativistic": (d_relativistic, "relativistic"),
    "a tanh on the logits": (d_variant(ce=lambda x, t: _bce(x.tanh(), t)), "tanh"),
    "squares of the probabilities": (
        d_variant(ce=lambda x, t: ((x.sigmoid() - t) ** 2).mean()),
        "squares of the probabilities",
    ),
}
MUTANTS["2.4"]["real images in both terms"] = (d_real_twice, "step-only-real")
MUTANTS["2.4"]["one z for all"] = (
    d_variant(noise=lambda n, k: torch.randn(1, k).repeat(n, 1)),
    "step-same-noise",
)
UNFORESEEN["2.4"] |= {
    "only (N, 1)": (d_only_column, "With a D that returns logits of shape (N, 1) this is right"),
    "only (N,)": (
        d_variant(ce=lambda x, t: BCE(x, torch.full((len(x),), t))),
        "With a D that returns logits of shape (N,) this is right",
    ),
}
UNFORESEEN["2.5"] |= {
    "only (N, 1)": (g_only_column, "With a D that returns logits of shape (N, 1) this is right"),
    "only (N,)": (
        g_variant(ce=lambda x, t: BCE(x, torch.full((len(x),), t))),
        "With a D that returns logits of shape (N,) this is right",
    ),
}


# --- 2.6 and 2.11: whole scripts, as text, with one part exchanged -------------------------------

LOOP = """
def train_gan(G, D, dataset, steps, latent_dim, d_steps=1):
    bce = nn.BCEWithLogitsLoss()
    g_optimizer = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
    history = {"d_loss": [], "g_loss": []}
    drawn = 0
    for step in range(steps):
        for _ in range(d_steps):
            real = dataset.take(dataset.batch_indices(drawn, 128, seed=0))
            drawn += 1
            fake = G(torch.randn(128, latent_dim)).detach()
            real_logits, fake_logits = D(real), D(fake)
            real_loss = bce(real_logits, torch.ones_like(real_logits))
            fake_loss = bce(fake_logits, torch.zeros_like(fake_logits))
            d_loss = real_loss + fake_loss
            d_optimizer.zero_grad()
            d_loss.backward()
            d_optimizer.step()

        g_optimizer.zero_grad()
        logits = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(logits, torch.ones_like(logits))
        g_loss.backward()
        g_optimizer.step()

        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
    return history
"""


class PlantedBug:
    """A function made from text with replacements; its lines are known, as in a notebook."""

    count = 0

    def __new__(cls, source: str, *changes: tuple[str, str]):
        for old, new in changes:
            assert old in source, old
            source = source.replace(old, new)
        PlantedBug.count += 1
        name = f"<cell {PlantedBug.count}>"
        import linecache

        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        space = {"torch": torch, "nn": nn, "F": F, "np": np, "own_G": own_G, "own_D": own_D}
        exec(compile(source, name, "exec"), space)
        return space["clinic" if "def clinic" in source else "train_gan"]


def train_gan_by_parts(G, D, dataset, steps, latent_dim, d_steps=1):
    """The two halves of 2.4 and 2.5, a loader over epochs, every D loss kept, a running picture."""
    g_optimizer = torch.optim.Adam(G.parameters(), 1e-3, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(D.parameters(), 1e-3, betas=(0.5, 0.999))

    def batches():
        while True:
            order = torch.randperm(len(dataset))
            for part in order.split(64):
                if len(part) == 64:
                    yield dataset.take(part)

    d_losses, g_losses, pictures, stream = [], [], [], batches()
    fixed = torch.randn(9, latent_dim)
    for _ in range(steps):
        for _ in range(d_steps):
            d_losses.append(d_concatenated(G, D, d_optimizer, next(stream), latent_dim))
        g_losses.append(g_plain(G, D, g_optimizer, 64, latent_dim))
        G.eval()
        with torch.no_grad():
            pictures.append(G(fixed))
        G.train()
    return {"d_loss": d_losses, "g_loss": g_losses, "pictures": pictures}


def train_gan_shared_fakes(G, D, dataset, steps, latent_dim, d_steps=1):
    """One batch of fakes for both halves; both networks cleared at the end of each half."""
    g_optimizer = torch.optim.Adam(G.parameters(), 1e-3, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(D.parameters(), 1e-3, betas=(0.5, 0.999))
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        for k in range(d_steps):
            real = dataset.batch(100, seed=1000 * step + k)
            fake = G(torch.randn(100, latent_dim))
            loss = F.softplus(-D(real)).mean() + F.softplus(D(fake.detach())).mean()
            loss.backward()
            d_optimizer.step()
            d_optimizer.zero_grad()
        g_loss = F.softplus(-D(fake)).mean()
        g_loss.backward()
        g_optimizer.step()
        g_optimizer.zero_grad()
        d_optimizer.zero_grad()
        history["d_loss"].append(loss.item())
        history["g_loss"].append(g_loss.item())
    return history


def train_gan_simultaneous(G, D, dataset, steps, latent_dim, d_steps=1):
    """Both gradients first, then both steps (with further D steps before)."""
    g_optimizer = torch.optim.Adam(G.parameters(), 1e-3, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(D.parameters(), 1e-3, betas=(0.5, 0.999))
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        for k in range(d_steps - 1):
            d_plain(
                G, D, d_optimizer, dataset.batch(128, seed=100 + step * d_steps + k), latent_dim
            )
        real = dataset.batch(128, seed=step)
        fake = G(torch.randn(128, latent_dim))
        g_optimizer.zero_grad()
        g_loss = F.softplus(-D(fake)).mean()
        g_loss.backward()
        d_optimizer.zero_grad()
        d_loss = F.softplus(-D(real)).mean() + F.softplus(D(fake.detach())).mean()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
    return history


CORRECT["2.6"] = {
    "plain": PlantedBug(LOOP),
    "by parts": train_gan_by_parts,
    "shared fakes, cleared at the end": train_gan_shared_fakes,
    "sgd": PlantedBug(
        LOOP,
        (
            "torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))",
            "torch.optim.SGD(G.parameters(), lr=1e-2, momentum=0.5)",
        ),
    ),
}

_ZERO_D = "            d_optimizer.zero_grad()\n"
_STEP_D = "            d_optimizer.step()\n"
_REAL = "bce(real_logits, torch.ones_like(real_logits))"
_FAKE = "bce(fake_logits, torch.zeros_like(fake_logits))"
_G = "g_loss = bce(logits, torch.ones_like(logits))"
_LOGITS = "real_logits, fake_logits = D(real), D(fake)"
_BATCH = "dataset.take(dataset.batch_indices(drawn, 128, seed=0))"
_NOISE = "torch.randn(128, latent_dim)"

_LOOP_BUGS: dict[str, tuple] = {
    "no detach": ("step-no-detach", (".detach()", "")),
    "D never cleared": ("step-no-zero-grad", (_ZERO_D, "")),
    "G never cleared": ("step-no-zero-grad", ("        g_optimizer.zero_grad()\n", "")),
    "nothing ever cleared": (
        "step-no-zero-grad",
        (_ZERO_D, ""),
        ("        g_optimizer.zero_grad()\n", ""),
    ),
    "D cleared after its step": (
        "step-g-grad-left-in-d",
        (_ZERO_D, ""),
        (_STEP_D, _STEP_D + _ZERO_D),
    ),
    "graph kept, one batch of fakes": (
        "step-retain-graph",
        (".detach()", ""),
        ("d_loss.backward()", "d_loss.backward(retain_graph=True)"),
    ),
    "real counted twice": (
        "step-retain-graph",
        ("d_loss.backward()", "real_loss.backward(retain_graph=True); d_loss.backward()"),
    ),
    "swapped": (
        "step-swapped-labels",
        ("ones_like(real", "zeros_like(real"),
        ("zeros_like(fake", "ones_like(fake"),
    ),
    "only real": ("step-only-real", ("d_loss = real_loss + fake_loss", "d_loss = real_loss")),
    "only fake": ("step-only-fake", ("d_loss = real_loss + fake_loss", "d_loss = fake_loss")),
    "same noise": (
        "step-same-noise",
        ("    drawn = 0\n", "    drawn = 0\n    z = torch.randn(128, latent_dim)\n"),
        (_NOISE, "z"),
        ("z = z", "z = torch.randn(128, latent_dim)"),
    ),
    "other networks": ("step-globals", ("    drawn = 0\n", "    drawn = 0; G, D = own_G, own_D\n")),
    "other networks from the start": (
        "step-globals",
        ("    bce =", "    G, D = own_G, own_D\n    bce ="),
    ),
    "double sigmoid": (
        "loss-double-sigmoid",
        (_LOGITS, "real_logits, fake_logits = D(real).sigmoid(), D(fake).sigmoid()"),
    ),
    "double sigmoid for G": (
        "loss-double-sigmoid",
        ("logits = D(G(", "logits = torch.sigmoid(D(G("),
        (f"(D(G({_NOISE}))", f"(D(G({_NOISE})))"),
    ),
    "no sigmoid": ("loss-no-sigmoid", ("nn.BCEWithLogitsLoss", "nn.BCELoss")),
    "log of sigmoid": (
        "loss-log-sigmoid-nan",
        (_REAL, "-torch.log(torch.sigmoid(real_logits)).mean()"),
    ),
    "log of sigmoid for G": (
        "loss-log-sigmoid-nan",
        (_G, "g_loss = -torch.log(torch.sigmoid(logits)).mean()"),
    ),
    "sigmoid, then BCELoss": (
        "loss-sigmoid-flat",
        ("nn.BCEWithLogitsLoss()", "lambda x, t: F.binary_cross_entropy(torch.sigmoid(x), t)"),
    ),
    "integer targets": (
        "loss-integer-targets",
        ("torch.ones_like(real_logits)", "torch.ones(real_logits.shape, dtype=torch.long)"),
    ),
    "sum": (
        "loss-sum-not-mean",
        ("nn.BCEWithLogitsLoss()", "nn.BCEWithLogitsLoss(reduction='sum')"),
    ),
    "half": ("loss-half-sum", ("real_loss + fake_loss", "0.5 * (real_loss + fake_loss)")),
    "latent size written out": ("hardcoded-size", (_NOISE, "torch.randn(128, 64)")),
    "detached in G": ("step-detach-in-g", (f"D(G({_NOISE}))", f"D(G({_NOISE}).detach())")),
    "toward fake": ("step-g-targets-fake", ("ones_like(logits)", "zeros_like(logits)")),
    "saturating": ("loss-saturating", (_G, "g_loss = -bce(logits, torch.zeros_like(logits))")),
    "wrong sign": (
        "loss-nonsaturating-sign",
        (_G, "g_loss = -bce(logits, torch.ones_like(logits))"),
    ),
    "G's loss steps D": (
        "step-wrong-optimizer",
        ("        g_optimizer.step()", "        d_optimizer.step()"),
    ),
    "D's loss steps G": ("step-wrong-optimizer", (_STEP_D, _STEP_D.replace("d_", "g_"))),
    "optimisers exchanged": (
        "step-wrong-optimizer",
        ("(G.parameters()", "(X.parameters()"),
        ("(D.parameters()", "(G.parameters()"),
        ("(X.parameters()", "(D.parameters()"),
    ),
    "one optimiser": (
        "step-one-optimizer",
        ("Adam(G.parameters()", "Adam([*G.parameters(), *D.parameters()]"),
        (
            "d_optimizer = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))",
            "d_optimizer = g_optimizer",
        ),
    ),
    "inverted": (
        "loop-d-steps-inverted",
        ("        for _ in range(d_steps):\n", "        if True:\n"),
        ("        g_optimizer.zero_grad()\n", "        for _ in range(d_steps):\n"),
        ("        logits = ", "            logits = "),
        ("        g_loss = bce", "            g_loss = bce"),
        (
            "        g_loss.backward()\n        g_optimizer.step()",
            "            G.zero_grad(); g_loss.backward(); g_optimizer.step()",
        ),
    ),
    "same batch": ("loop-same-batch", (_BATCH, "dataset.batch(128, seed=0)")),
    "[0, 1]": (
        "data-range",
        (_BATCH, "dataset.images[dataset.batch_indices(drawn, 128, seed=0)] / 255"),
    ),
    "back to [0, 1]": ("data-range", (_BATCH, f"({_BATCH} + 1) / 2")),
}
MUTANTS["2.6"] = {
    name: (PlantedBug(LOOP, *changes), mistake) for name, (mistake, *changes) in _LOOP_BUGS.items()
}
_APPEND_D = 'history["d_loss"].append(d_loss.item())'
_UNFORESEEN_LOOPS: dict[str, tuple] = {
    "[0, 255]": (
        "255",
        (_BATCH, "dataset.images[dataset.batch_indices(drawn, 128, seed=0)].float()"),
    ),
    "d_steps ignored": ("d_steps has no effect", ("range(d_steps)", "range(1)")),
    "one step too few": ("3 of G", ("range(steps)", "range(steps - 1)")),
    "one epoch only": ("2 of G", ("range(steps)", "range(min(steps, len(dataset) // 128))")),
    "no history": ("nothing (None)", ("    return history\n", "")),
    "a pair": ("a tuple of 2", ("return history", "return history['d_loss'], history['g_loss']")),
    "other keys": (
        "['D', 'G']",
        ("history = {", "history = {'D': [], 'G': [], "),
        ("return history", "return {k: history[k] for k in 'DG'}"),
    ),
    "tensors": ("plain number", (_APPEND_D, 'history["d_loss"].append(d_loss)')),
    "losses exchanged": (
        "Which value is added",
        (_APPEND_D, 'history["d_loss"].append(g_loss.item())'),
    ),
    "only the last": (
        "holds 1 values",
        ("    return history", "    return {k: v[-1:] for k, v in history.items()}"),
    ),
    "appended twice": ("holds 8 values", (_APPEND_D, f"{_APPEND_D}; {_APPEND_D}")),
    "uniform noise": ("mean 0.50", ("torch.randn(", "torch.rand(")),
    "G is never stepped": ("0 of G", ("        g_optimizer.step()\n", "")),
    "eval": (
        "evaluation mode",
        (
            "        g_optimizer.zero_grad()\n",
            "        D.eval()\n        g_optimizer.zero_grad()\n",
        ),
    ),
    "weight of the fake term": (
        "D's gradient",
        ("real_loss + fake_loss", "real_loss + 0.3 * fake_loss"),
    ),
    "a crash": ("`real = dataset.nex()`", (_BATCH, "dataset.nex()")),
}
UNFORESEEN["2.6"] = {
    name: (PlantedBug(LOOP, *changes), words)
    for name, (words, *changes) in _UNFORESEEN_LOOPS.items()
}

UNFORESEEN["2.6"] |= {
    "G first": (
        PlantedBug(
            LOOP,
            (
                "        for _ in range(d_steps):\n",
                "        g_half(G, D, g_optimizer, 128, latent_dim)\n"
                "        for _ in range(d_steps):\n",
            ),
            ("        g_loss.backward()\n        g_optimizer.step()\n", ""),
            ("    drawn = 0\n", "    drawn = 0\n    from answers_02 import g_plain as g_half\n"),
        ),
        "first D, then G",
    ),
    "optimisers built anew": (
        PlantedBug(
            LOOP,
            (
                "        g_optimizer.zero_grad()\n",
                "        g_optimizer = torch.optim.Adam(G.parameters(), lr=1e-3)\n"
                "        g_optimizer.zero_grad()\n",
            ),
        ),
        "4 different optimisers",
    ),
    "optimizers ignored": (
        PlantedBug(LOOP, ("d_steps=1)", "d_steps=1, optimizers=None)")),
        "was given optimisers",
    ),
    "stops when balanced": (
        PlantedBug(
            LOOP,
            (
                "        g_optimizer.zero_grad()\n",
                "        if abs(d_loss.item() - 1.386) < 0.01:\n            break\n"
                "        g_optimizer.zero_grad()\n",
            ),
        ),
        "with 300 images",
    ),
    "data set overwritten": (
        PlantedBug(LOOP, ("    return history", "    dataset.images.zero_()\n    return history")),
        "the data set's own images",
    ),
}
MUTANTS["2.6"]["half as many fakes"] = (
    PlantedBug(
        LOOP,
        ("G(torch.randn(128, latent_dim)).detach()", "G(torch.randn(64, latent_dim)).detach()"),
    ),
    "hardcoded-size",
)
MUTANTS["2.6"]["one batch for all D steps of a round"] = (
    PlantedBug(LOOP, ("batch_indices(drawn, 128", "batch_indices(step, 128")),
    "loop-same-batch",
)
CORRECT["2.6"]["goes on with optimisers"] = PlantedBug(
    LOOP,
    ("d_steps=1)", "d_steps=1, optimizers=None)"),
    (
        "    drawn = 0\n",
        "    drawn = 0\n    g_optimizer, d_optimizer = optimizers or (g_optimizer, d_optimizer)\n",
    ),
)
# Which images a batch is taken from: a part of the data set, or all of it in some way of one's own.
_FROM_A_PART = {
    "a quarter": "torch.randint(len(dataset) // 4, (128,))",
    "half": "torch.randint(len(dataset) // 2, (128,))",
    "three quarters": "torch.randint(3 * len(dataset) // 4, (128,))",
    "all but the first fifth": "torch.randint(len(dataset) // 5, len(dataset), (128,))",
    "every other": "2 * torch.randint(len(dataset) // 2, (128,))",
    "no zeros": "torch.arange(len(dataset))[dataset.labels > 0][torch.randperm(int("
    "(dataset.labels > 0).sum()))[:128]]",
    "a quarter, in order": "torch.arange(128 * drawn, 128 * drawn + 128) % (len(dataset) // 4)",
    "half, chosen at random": "torch.randperm(len(dataset), generator=torch.Generator()"
    ".manual_seed(9))[: len(dataset) // 2][torch.randint(len(dataset) // 2, (128,))]",
}
_FROM_ALL = {
    "in order": "torch.arange(128 * drawn, 128 * drawn + 128) % len(dataset)",
    "a window": "torch.arange(128) + torch.randint(len(dataset) - 127, (1,))",
    "in order, no small batch": "torch.arange(128) + 128 * (drawn % (len(dataset) // 128))",
    "shuffled once": "torch.randperm(len(dataset), generator=torch.Generator().manual_seed(9))"
    "[torch.arange(128 * drawn, 128 * drawn + 128) % len(dataset)]",
}
UNFORESEEN["2.6"] |= {
    f"only {part}": (
        PlantedBug(LOOP, (_BATCH, f"dataset.take({indices})")),
        "different ones" if "chosen" in part or "order" in part else "never seen",
    )
    for part, indices in _FROM_A_PART.items()
}
CORRECT["2.6"] |= {
    f"batches: {how}": PlantedBug(LOOP, (_BATCH, f"dataset.take({indices})"))
    for how, indices in _FROM_ALL.items()
}
CORRECT["2.6"]["batches: small batches"] = PlantedBug(
    LOOP, (_BATCH, "dataset.take(torch.randint(len(dataset), (16,)))"), ("(128, l", "(16, l")
)
UNFORESEEN["2.6"]["simultaneous"] = (train_gan_simultaneous, "both gradients are taken first")

UNFORESEEN["2.6"] |= {
    f"the losses as {what}": (
        PlantedBug(LOOP, ("return history", f'return history | {{"d_loss": {made}}}')),
        "not a list",
    )
    for what, made in {
        "one tensor": "torch.tensor(1.0)",
        "one array": "np.array(1.0)",
        "their sum": 'sum(history["d_loss"])',
    }.items()
}
CORRECT["2.6"] |= {
    f"the losses as {what}": PlantedBug(
        LOOP, ("return history", f"return {{k: {made} for k, v in history.items()}}")
    )
    for what, made in {"arrays": "np.array(v)", "tuples": "tuple(v)"}.items()
}
UNFORESEEN["2.6"]["complex losses"] = (
    PlantedBug(LOOP, ('["d_loss"].append(d_loss.item())', '["d_loss"].append(d_loss.item() + 0j)')),
    "history['d_loss'][0]` gives a complex number. Its imaginary part is 0",
)

CLINIC = clinic_source(())
CORRECT["2.11"] = {
    "repaired": PlantedBug(CLINIC),
    "repaired otherwise": PlantedBug(
        CLINIC,
        (
            "dataset.images.to(device) / 127.5 - 1",
            "dataset.take(torch.arange(len(dataset)), device)",
        ),
        ("nn.BCEWithLogitsLoss()", "F.binary_cross_entropy_with_logits"),
        ("        d_optimizer.zero_grad()\n", "        D.zero_grad()\n"),
        ("G(fixed_noise)", "G(fixed_noise).clone()"),
    ),
    "functional": PlantedBug(
        CLINIC,
        ("/ 127.5 - 1", "/ 255 * 2 - 1"),
        (
            "d_loss = bce(says_real, torch.ones_like(says_real))",
            "d_loss = F.softplus(-says_real).mean()",
        ),
        (
            "d_loss + bce(says_fake, torch.zeros_like(says_fake))",
            "d_loss + F.softplus(says_fake).mean()",
        ),
    ),
}
# Every combination of the four bugs; which one is named first is not promised.
CLINIC_COMBINATIONS = [bugs for n in range(1, 5) for bugs in itertools.combinations(CLINIC_BUGS, n)]
_RENAMED = [
    ("train_gan(", "clinic("),
    ("latent_dim, d_steps=1)", "latent_dim=64, snapshot_every=100)"),
    (
        "    drawn = 0\n",
        "    drawn, d_steps, seen, fixed = 0, 1, [], torch.randn(16, latent_dim)\n",
    ),
    (
        '        history["d_loss"].append(',
        "        if step % snapshot_every == 0:\n"
        "            with torch.no_grad():\n"
        "                seen.append(G(fixed))\n"
        '        history["d_loss"].append(',
    ),
    ("return history", 'return history | {"snapshots": seen}'),
]


def _as_clinic(*changes):
    """The loop of 2.6 as an answer to the clinic: every mistake of a loop can be made there too."""
    source = LOOP
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    return PlantedBug(source, *_RENAMED)


CORRECT["2.11"]["snapshots before the step"] = PlantedBug(
    CLINIC,
    (
        "        if step % snapshot_every == 0:\n"
        "            with torch.no_grad():\n"
        '                history["snapshots"].append(G(fixed_noise))\n',
        "",
    ),
    (
        "    for step in range(steps):\n",
        "    for step in range(steps):\n"
        "        if step % snapshot_every == 0:\n"
        '            history["snapshots"].append(G(fixed_noise).detach())\n',
    ),
)
CORRECT["2.11"]["rewritten"] = _as_clinic()
MUTANTS["2.11"] = {
    name: (_as_clinic(*changes), mistake)
    for name, (mistake, *changes) in _LOOP_BUGS.items()
    if "drawn = 0" not in changes[0][0] and mistake != "loop-d-steps-inverted"
}
MUTANTS["2.11"]["same noise"] = (
    PlantedBug(
        CLINIC,
        ("torch.randn(128, latent_dim, device=device)", "z"),
        ("    for step in", "    z = torch.randn(128, latent_dim, device=device)\n    for step in"),
    ),
    "step-same-noise",
)
for _bug in CLINIC_BUGS:
    MUTANTS["2.11"][f"bug {_bug}"] = (PlantedBug(clinic_source([_bug])), _bug)
UNFORESEEN["2.11"] = {
    "no snapshots": (
        PlantedBug(CLINIC, ('"snapshots": []', '"x": []'), ('["snapshots"]', '["x"]')),
        "snapshots",
    ),
    "a snapshot at every step": (
        PlantedBug(CLINIC, ("step % snapshot_every == 0", "True")),
        "after 1, 2, 3, 4, 5 of its updates",
    ),
    "G steps twice": (
        PlantedBug(CLINIC, ("        g_optimizer.step()\n", "        g_optimizer.step()\n" * 2)),
        "second step with one and the same gradient",
    ),
    "crash": (
        PlantedBug(
            CLINIC,
            ("says_real, says_fake = D(real), D(fake)", "says_real, says_fake = D(real, fake)"),
        ),
        "line 1",
    ),
}


UNFORESEEN["2.11"]["only three quarters of the data"] = (
    PlantedBug(CLINIC, ("torch.randint(len(images), ", "torch.randint(3 * len(images) // 4, ")),
    "never seen",
)
UNFORESEEN["2.11"] |= {
    "a snapshot one step late": (
        PlantedBug(CLINIC, ("step % snapshot_every == 0", "step % snapshot_every == 1")),
        "after 2, 4 of its updates",
    ),
    "counted from 1": (
        PlantedBug(CLINIC, ("step % snapshot_every == 0", "(step + 1) % snapshot_every == 0")),
        "after 2, 4 of its updates",
    ),
    "none at step 0": (
        PlantedBug(CLINIC, ("step % snapshot_every == 0", "step and step % snapshot_every == 0")),
        "after 3, 5 of its updates",
    ),
    "the last is missing": (
        PlantedBug(CLINIC, ("if step %", "if step < steps - 1 and step %")),
        "after 1, 3 of its updates",
    ),
    "all of the trained generator": (
        PlantedBug(
            CLINIC,
            (
                "    return history",
                '    history["snapshots"] = [G(fixed_noise)] * 3\n    return history',
            ),
        ),
        "after 5, 5, 5 of its updates",
    ),
}
UNFORESEEN["2.11"] |= {
    "snapshots of the training's fakes": (
        PlantedBug(CLINIC, ("append(G(fixed_noise))", "append(fake[:16])")),
        "drawn from new noise",
    ),
    "snapshots in [0, 1]": (
        PlantedBug(CLINIC, ("append(G(fixed_noise))", "append(G(fixed_noise) / 2 + 0.5)")),
        "not images as G draws them",
    ),
}
UNFORESEEN["2.11"]["snapshots of an average"] = (
    PlantedBug(
        CLINIC,
        ("    for step in", "    import copy\n    mean = copy.deepcopy(G)\n    for step in"),
        (
            "            with torch.no_grad():\n",
            "            with torch.no_grad():\n"
            "                for a, b in zip(mean.parameters(), G.parameters()):\n"
            "                    a.lerp_(b, 0.5)\n",
        ),
        ("append(G(fixed_noise))", "append(mean(fixed_noise))"),
    ),
    "with other weights than the trained one ever has",
)
MUTANTS["2.11"]["snapshots of the training's fakes"] = (
    UNFORESEEN["2.11"].pop("snapshots of the training's fakes")[0],
    "plot-new-noise",
)


# --- 2.7 -----------------------------------------------------------------------------------------


def _tile(values, columns=4, padding=0, fill=0):
    """uint8 images (N, C, H, W) as one picture (H, W, C)."""
    n, c, h, w = values.shape
    rows = -(-n // columns)
    grid = np.full((rows * (h + padding), columns * (w + padding), c), fill, np.uint8)
    for i, image in enumerate(values):
        y, x = divmod(i, columns)
        top, left = y * (h + padding), x * (w + padding)
        grid[top : top + h, left : left + w] = image.transpose(1, 2, 0)
    return grid


def display_numpy(images):
    values = ((images.numpy() + 1) * 127.5).astype(np.uint8)
    grid = _tile(values, columns=8, padding=1)
    return grid[:, :, 0] if grid.shape[2] == 1 else grid


def display_torchvision(images):
    from torchvision.utils import make_grid

    grid = make_grid(images, nrow=3, normalize=True, value_range=(-1, 1))
    return (grid * 255).byte().permute(1, 2, 0)


def display_grey_only(images):
    """One column, by a reshape that happens to be right; colour is refused."""
    assert images.shape[1] == 1, "grey images only"
    return images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).reshape(-1, 28)


def display_permuted(images, columns=2):
    n, c, h, w = images.shape
    rows = -(-n // columns)
    full = torch.cat([images, -torch.ones(rows * columns - n, c, h, w)])
    grid = (
        full.view(rows, columns, c, h, w).permute(0, 3, 1, 4, 2).reshape(rows * h, columns * w, c)
    )
    return (grid * 0.5 + 0.5).mul(255).to(torch.uint8).numpy()


def display_row(images):
    if images.shape[1] != 1:
        raise ValueError("grey images only")
    values = ((images + 1) / 2 * 255).round().byte()
    return torch.hstack([image[0] for image in values])


def display(level, columns=3):
    def answer(images):
        if images.shape[1] != 1:
            raise ValueError("grey images only")
        return _tile(level(images.numpy()), columns)[:, :, 0]

    return answer


def _each(x):
    low, high = x.min((1, 2, 3), keepdims=True), x.max((1, 2, 3), keepdims=True)
    return ((x - low) / (high - low) * 255).astype(np.uint8)


def display_per_image_torchvision(images):
    from torchvision.utils import make_grid

    grid = make_grid(images, nrow=3, normalize=True, scale_each=True)
    return (grid * 255).byte().permute(1, 2, 0)


def display_batch_torchvision(images):
    from torchvision.utils import make_grid

    return (make_grid(images, nrow=3, normalize=True) * 255).byte().permute(1, 2, 0)


def _right(x):
    return ((x + 1) * 127.5).astype(np.uint8)


CORRECT["2.7"] = {
    "numpy": display_numpy,
    "torchvision": display_torchvision,
    "one column, grey only": display_grey_only,
    "permuted": display_permuted,
    "one row": display_row,
    "partial": functools.partial(to_display, columns=5, padding=0),
}
MUTANTS["2.7"] = {
    "clipped": (display(lambda x: (x.clip(0, 1) * 255).astype(np.uint8)), "plot-range"),
    "wrapped": (display(lambda x: (x * 255).astype(np.int64).astype(np.uint8)), "plot-range"),
    "no shift": (display(lambda x: (x * 127.5).astype(np.int64).astype(np.uint8)), "plot-range"),
    "each image": (display(_each), "plot-per-image-scale"),
    "each image, torchvision": (display_per_image_torchvision, "plot-per-image-scale"),
    "the batch": (display_batch_torchvision, "plot-batch-scale"),
}
UNFORESEEN["2.7"] = {
    "floats": (lambda images: _tile(_right(images.numpy()))[:, :, 0] / 255.0, "float64"),
    "channels first": (
        lambda images: display_torchvision(images).permute(2, 0, 1),
        "channels first",
    ),
    "negative": (display(lambda x: 255 - _right(x)), "negatives"),
    "white wraps": (display(lambda x: ((x + 1) * 128).astype(np.int64).astype(np.uint8)), "white"),
    "interleaved": (
        lambda images: (
            ((images + 1) * 127.5)
            .byte()
            .permute(1, 2, 0, 3)
            .contiguous()
            .view(28, -1)
            .T.reshape(28, -1)
        ),
        "interleaved",
    ),
    "images missing": (display(lambda x: _right(x[: max(1, len(x) - 2)])), "of 7 images"),
    "a list": (lambda images: [image[0] for image in images], "a list of 7"),
    "a batch": (lambda images: ((images + 1) * 127.5).byte(), "(7, 1, 28, 28)"),
    "upside down": (display(lambda x: _right(x)[:, :, ::-1]), "upside down"),
    "too dark": (display(lambda x: ((x + 1) * 60).astype(np.uint8)), "its mean is"),
    "transposed": (display(lambda x: _right(x).transpose(0, 1, 3, 2)), "mirrored"),
    "in place": (
        lambda images: display_numpy(images.add_(1).div_(2).mul_(2).sub_(1).mul_(0.999)),
        "changes a tensor",
    ),
    "colour lost": (lambda images: display_numpy(images[:, :1]), "lose their colour"),
    "colour exchanged": (
        lambda images: display_numpy(images.flip(1)),
        "other colours",
    ),
    "nothing": (lambda images: None, "nothing (None)"),
}


# --- 2.8 -----------------------------------------------------------------------------------------


def smooth_bce(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return BCE(real_logits, torch.full_like(real_logits, real_target)) + BCE(
        fake_logits, torch.full_like(fake_logits, fake_target)
    )


def smooth_logsigmoid(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    def ce(x, t):
        return -(t * F.logsigmoid(x) + (1 - t) * F.logsigmoid(-x)).mean()

    return ce(real_logits, real_target) + ce(fake_logits, fake_target)


def smooth_module(real_logits, fake_logits, *, real_target=0.9, fake_target=0.0):
    loss = nn.BCEWithLogitsLoss()
    loss_real = loss(real_logits, real_target * torch.ones_like(real_logits))
    return loss_real + loss(fake_logits, torch.zeros_like(fake_logits) + fake_target)


def smooth_variant(
    ce=None, swap=False, total=lambda r, f: r + f, real=None, fake=None, default=0.9
):
    ce = ce or (lambda x, t: BCE(x, torch.full_like(x, t)))

    def smooth_d_loss(real_logits, fake_logits, real_target=default, fake_target=0.0):
        a = real_target if real is None else real(real_target)
        b = fake_target if fake is None else fake(fake_target)
        if swap:
            a, b = b, a
        return total(ce(real_logits, a), ce(fake_logits, b))

    return smooth_d_loss


def _smooth_by_hand(x, t, eps=0.0):
    p = torch.sigmoid(x)
    return -(t * torch.log(p + eps) + (1 - t) * torch.log(1 - p + eps)).mean()


def smooth_one_pot(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    targets = torch.cat(
        [torch.full_like(real_logits, real_target), torch.full_like(fake_logits, fake_target)]
    )
    return BCE(torch.cat([real_logits, fake_logits]), targets)


def smooth_integer(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    ones = torch.ones(real_logits.shape, dtype=torch.long)
    return BCE(real_logits, ones) * real_target + BCE(fake_logits, ones * 0)


CORRECT["2.8"] = {
    "bce": smooth_bce,
    "logsigmoid": smooth_logsigmoid,
    "module, keywords only": smooth_module,
    "softplus": smooth_variant(ce=lambda x, t: (F.softplus(x) - t * x).mean()),
    "mixture": lambda real_logits, fake_logits, real_target=0.9, fake_target=0.0: (
        real_target * F.softplus(-real_logits).mean()
        + (1 - real_target) * F.softplus(real_logits).mean()
        + fake_target * F.softplus(-fake_logits).mean()
        + (1 - fake_target) * F.softplus(fake_logits).mean()
    ),
}
MUTANTS["2.8"] = {
    "exchanged": (smooth_variant(swap=True), "loss-smooth-wrong-way"),
    "above 1": (smooth_variant(real=lambda a: 2 - a), "loss-smooth-wrong-way"),
    "default above 1": (smooth_variant(default=1.1), "loss-smooth-wrong-way"),
    "one minus": (smooth_variant(real=lambda a: 1 - a), "loss-smooth-wrong-way"),
    "targets written out": (
        smooth_variant(real=lambda a: 0.9, fake=lambda b: 0.0),
        "loss-targets-ignored",
    ),
    "no smoothing": (smooth_variant(real=lambda a: 1.0), "loss-targets-ignored"),
    "fake target unused": (smooth_variant(fake=lambda b: 0.0), "loss-targets-ignored"),
    "half": (smooth_variant(total=lambda r, f: (r + f) / 2), "loss-half-sum"),
    "sum": (
        smooth_variant(ce=lambda x, t: BCE(x, torch.full_like(x, t), reduction="sum")),
        "loss-sum-not-mean",
    ),
    "double sigmoid": (
        smooth_variant(ce=lambda x, t: BCE(torch.sigmoid(x), torch.full_like(x, t))),
        "loss-double-sigmoid",
    ),
    "no sigmoid": (smooth_variant(ce=_no_sigmoid), "loss-no-sigmoid"),
    "log of sigmoid": (smooth_variant(ce=_smooth_by_hand), "loss-log-sigmoid-nan"),
    "log of sigmoid plus eps": (
        smooth_variant(ce=functools.partial(_smooth_by_hand, eps=1e-8)),
        "loss-sigmoid-flat",
    ),
    "sigmoid, then BCELoss": (smooth_variant(ce=_sigmoid_first), "loss-sigmoid-flat"),
    "integer targets": (smooth_integer, "loss-integer-targets"),
    "only real": (smooth_variant(total=lambda r, f: r), "step-only-real"),
    "only fake": (smooth_variant(total=lambda r, f: f), "step-only-fake"),
}
UNFORESEEN["2.8"] = {
    "one pot": (smooth_one_pot, "one pot"),
    "a number": (smooth_variant(total=lambda r, f: (r + f).item()), "should return a tensor"),
    "detached": (smooth_variant(total=lambda r, f: (r + f).detach()), "without a gradient"),
    "half detached": (smooth_variant(total=lambda r, f: r + f.detach()), "no gradient leads"),
    "a batch": (
        smooth_variant(ce=lambda x, t: F.softplus(x) - t * x, total=lambda r, f: r[:4] + f),
        "returned shape (4,)",
    ),
    "negative": (smooth_variant(total=lambda r, f: -(r + f)), "sign"),
    "real term scaled": (
        smooth_variant(ce=lambda x, t: (t if t else 1) * BCE(x, torch.full_like(x, t))),
        "the real logits count 0.9 times",
    ),
    "squares": (smooth_variant(ce=lambda x, t: ((x - t) ** 2).mean()), "squares of the logits"),
    "other names": (lambda real, fake, a=0.9, b=0.0: smooth_bce(real, fake, a, b), "real_target"),
}

MUTANTS["2.8"] |= {
    "nan": (smooth_variant(total=lambda r, f: (r + f) * float("nan")), "loss-log-sigmoid-nan"),
}


def smooth_nan_slopes(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    """The right value, with a root of 0 in it, whose slope is not finite."""
    nothing = 0 * (real_logits - real_logits).sqrt().sum()
    return smooth_bce(real_logits, fake_logits, real_target, fake_target) + nothing


UNFORESEEN["2.8"] |= {
    "nan in the slopes": (smooth_nan_slopes, "its slope by real logits is not finite"),
    "another loss with nan in the slopes": (
        lambda r, f, real_target=0.9, fake_target=0.0: (
            2 * smooth_nan_slopes(r, f, real_target, fake_target)
        ),
        "the slope by the real logits is not finite",
    ),
    "no value": (
        smooth_variant(total=lambda r, f: (r + f)[None][:0]),
        "returned shape (0,): it holds no value at all",
    ),
}

UNMADE = {"2.11": {"loop-d-steps-inverted", "step-globals"}}  # its loop has no d_steps


# --- blanks --------------------------------------------------------------------------------------


class BlankForward(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Linear(latent_dim, 784)

    def forward(self, z):
        raise NotImplementedError("Exercise 2.1: write this part")


class BlankInit(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        raise NotImplementedError


def half_done(G, D, d_optimizer, real, latent_dim):
    d_optimizer.zero_grad()
    D(real)
    raise NotImplementedError


BLANKS = {
    "2.1": {"forward": BlankForward},
    "2.2": {"init": BlankInit},
    "2.4": {"half done": half_done},
}
