"""Answers to the exercises of notebook 03: see test_answers.py for the three tables."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from gan_course.exercises.nb03_verify import verify_shapes
from gan_helpers.models import DCGANDiscriminator, DCGANGenerator

CORRECT: dict[str, dict] = {}
MUTANTS: dict[str, dict] = {}
UNFORESEEN: dict[str, dict] = {}
BLANKS: dict[str, dict] = {}

# --- 3.1 -----------------------------------------------------------------------------------------


def sizes(plain=None, transposed=None):
    """A factory of output_size with one half exchanged."""
    plain = plain or (lambda n, k, s, p: (n + 2 * p - k) // s + 1)
    other = transposed or (lambda n, k, s, p: (n - 1) * s - 2 * p + k)

    def output_size(size, kernel, stride=1, padding=0, transposed=False):
        return (other if transposed else plain)(size, kernel, stride, padding)

    return output_size


def by_trying(size, kernel, stride=1, padding=0, transposed=False):
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    with torch.no_grad():
        return kind(1, 1, kernel, stride, padding)(torch.zeros(1, 1, size, size)).shape[-1]


def by_counting(size, kernel, stride=1, padding=0, transposed=False):
    if transposed:
        return len(range(padding, (size - 1) * stride + kernel - padding))
    return len(range(0, size + 2 * padding - kernel + 1, stride))


CORRECT["3.1"] = {
    "two formulas": sizes(),
    "tried": by_trying,
    "counted": by_counting,
    "floor": sizes(lambda n, k, s, p: math.floor((n + 2 * p - (k - 1) - 1) / s + 1)),
}
MUTANTS["3.1"] = {
    "the stride alone": (sizes(lambda n, k, s, p: n // s), "arch-size-floor"),
    "times the stride": (sizes(None, lambda n, k, s, p: n * s), "arch-size-floor"),
    "without the one": (sizes(lambda n, k, s, p: (n + 2 * p - k) // s), "size-no-one"),
    "not floored": (sizes(lambda n, k, s, p: (n + 2 * p - k) / s + 1), "size-not-floored"),
    "rounded up": (sizes(lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1), "size-not-floored"),
    "padding once": (sizes(lambda n, k, s, p: (n + p - k) // s + 1), "size-padding-once"),
    "padding once, transposed": (
        sizes(None, lambda n, k, s, p: (n - 1) * s - p + k),
        "size-padding-once",
    ),
    "transposed unused": (
        sizes(None, lambda n, k, s, p: (n + 2 * p - k) // s + 1),
        "size-transposed-as-conv",
    ),
}
UNFORESEEN["3.1"] = {
    "one too many copies": (sizes(None, lambda n, k, s, p: n * s - 2 * p + k), "how many steps"),
    "no padding": (sizes(lambda n, k, s, p: (n - k) // s + 1), "too low"),
    "padding enlarges": (sizes(None, lambda n, k, s, p: (n - 1) * s + 2 * p + k), "too high"),
    "a float": (sizes(lambda n, k, s, p: float((n + 2 * p - k) // s + 1)), "a float"),
    "a pair": (lambda n, kernel, stride=1, padding=0, transposed=False: (n, n), "one number"),
    "always 1 more": (sizes(lambda n, k, s, p: (n + 2 * p - k) // s + 2), "constant of 1"),
}

# --- 3.2 -----------------------------------------------------------------------------------------


def generator(
    act=nn.ReLU, norm=nn.BatchNorm2d, end=nn.Tanh, last=(), kernel=4, first=None, fixed=None,
    view=lambda z: z[:, :, None, None], bias=False, more=lambda n: [],
):  # fmt: skip
    """A factory of generators with one part exchanged."""

    class Generator(nn.Module):
        def __init__(self, latent_dim=100, width=64):
            super().__init__()
            z, w = (fixed or {}).get("z", latent_dim), (fixed or {}).get("w", width)

            def up(a, b):
                pads = {4: (1, 0), 3: (1, 1), 5: (2, 1)}[kernel]
                return nn.ConvTranspose2d(a, b, kernel, 2, pads[0], pads[1], bias=bias)

            self.net = nn.Sequential(
                first(z, 4 * w) if first else nn.ConvTranspose2d(z, 4 * w, 4, bias=bias),
                norm(4 * w), act(), *more(4 * w),
                up(4 * w, 2 * w), norm(2 * w), act(),
                up(2 * w, w), norm(w), act(),
                up(w, 3), *[part() for part in last], end(),
            )  # fmt: skip

        def forward(self, z):
            return self.net(view(z))

    return Generator


def as_written_in_tutorials(latent_dim=100, width=64):
    return nn.Sequential(
        nn.Unflatten(1, (latent_dim, 1, 1)),
        nn.ConvTranspose2d(latent_dim, width * 4, 4, 1, 0),
        nn.BatchNorm2d(width * 4),
        nn.ReLU(True),
        nn.ConvTranspose2d(width * 4, width * 2, 4, 2, 1),
        nn.BatchNorm2d(width * 2),
        nn.ReLU(True),
        nn.ConvTranspose2d(width * 2, width, 4, 2, 1),
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, 3, 4, 2, 1),
        nn.Tanh(),
    )


class ProjectedGenerator(nn.Module):
    """A linear layer at the start, layers stored backwards, activations as functions."""

    def __init__(self, latent_dim=100, width=64):
        super().__init__()
        self.d = nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1)
        self.c = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False)
        self.b = nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1)
        self.a = nn.Linear(latent_dim, 4 * width * 16)
        self.norms = nn.ModuleList(nn.BatchNorm2d(n * width) for n in (4, 2, 1))

    def forward(self, z):
        x = self.a(z).unflatten(1, (-1, 4, 4))
        for norm, layer in zip(self.norms, (self.b, self.c, self.d), strict=True):
            x = layer(F.relu(norm(x)))
        return torch.tanh(x)


class FunctionalGenerator(nn.Module):
    """Bare weights, with DCGAN's own scale; a scaled sigmoid is a tanh."""

    def __init__(self, latent_dim=100, width=64, channels=3):
        super().__init__()
        widths = [latent_dim, 4 * width, 2 * width, width, channels]
        shapes = zip(widths, widths[1:], strict=False)
        self.kernels = nn.ParameterList(0.02 * torch.randn(a, b, 4, 4) for a, b in shapes)
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in widths[1:-1])

    def forward(self, z):
        x = F.conv_transpose2d(z.view(*z.shape, 1, 1), self.kernels[0])
        for norm, kernel in zip(self.norms, self.kernels[1:], strict=True):
            x = F.conv_transpose2d(norm(x).clamp(min=0), kernel, stride=2, padding=1)
        return 2 * torch.sigmoid(2 * x) - 1


class OwnNormGenerator(nn.Module):
    """BatchNorm written with its function, and DCGAN's initialisation inside."""

    def __init__(self, latent_dim=100, width=64):
        super().__init__()
        sizes = [latent_dim, 4 * width, 2 * width, width, 3]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 1 if a == latent_dim else 2, int(a != latent_dim))
            for a, b in zip(sizes, sizes[1:], strict=False)
        )
        for i, n in enumerate(sizes[1:-1]):
            self.register_parameter(f"g{i}", nn.Parameter(1 + 0.02 * torch.randn(n)))
            self.register_parameter(f"b{i}", nn.Parameter(torch.zeros(n)))
            self.register_buffer(f"m{i}", torch.zeros(n))
            self.register_buffer(f"v{i}", torch.ones(n))
        for layer in self.up:
            nn.init.normal_(layer.weight, 0, 0.02)

    def forward(self, z):
        x = self.up[0](z.unsqueeze(-1).unsqueeze(-1))
        for i, layer in enumerate(self.up[1:]):
            parts = (getattr(self, f"{letter}{i}") for letter in "mvgb")
            x = layer(F.batch_norm(x, *parts, training=self.training).relu())
        return x.tanh()


class LazyGenerator(ProjectedGenerator):
    def __init__(self, latent_dim=100, width=64):
        super().__init__(latent_dim, width)
        self.a = nn.LazyLinear(64 * width)


class HiddenGenerator(ProjectedGenerator):
    def __init__(self, latent_dim=100, width=64):
        super().__init__(latent_dim, width)
        self.b = [self.b]
        self._modules.pop("b", None)

    def forward(self, z):
        x = F.relu(self.norms[0](self.a(z).unflatten(1, (-1, 4, 4))))
        x = F.relu(self.norms[1](self.hidden[0](x)))
        return torch.tanh(self.d(F.relu(self.norms[2](self.c(x)))))


class ListGenerator(nn.Module):
    def __init__(self, latent_dim=100, width=64):
        super().__init__()
        self.layers = list(generator()(latent_dim, width).net)
        self.last = self.layers[-2]

    def forward(self, z):
        x = z[:, :, None, None]
        for layer in self.layers:
            x = layer(x)
        return x


class UpsamplingGenerator(nn.Module):
    def __init__(self, latent_dim=100, width=64):
        super().__init__()
        self.first = nn.Linear(latent_dim, 4 * width * 16)
        blocks = []
        for a, b in ((4, 2), (2, 1)):
            conv = nn.Conv2d(a * width, b * width, 3, padding=1)
            blocks += [nn.Upsample(scale_factor=2), conv, nn.BatchNorm2d(b * width), nn.ReLU()]
        self.net = nn.Sequential(
            *blocks, nn.Upsample(scale_factor=2), nn.Conv2d(width, 3, 3, padding=1), nn.Tanh()
        )

    def forward(self, z):
        return self.net(self.first(z).unflatten(1, (-1, 4, 4)))


class DetachedGenerator(ProjectedGenerator):
    def forward(self, z):
        x = self.a(z).unflatten(1, (-1, 4, 4))
        x = self.b(F.relu(self.norms[0](x)))
        x = F.relu(self.norms[1](x))
        return torch.tanh(self.d(F.relu(self.norms[2](self.c(x + 0.5 * (x.detach() - x))))))


CORRECT["3.2"] = {
    "tutorial": as_written_in_tutorials,
    "projected, functions": ProjectedGenerator,
    "bare weights": FunctionalGenerator,
    "lazy": LazyGenerator,
    "a norm of its own": OwnNormGenerator,
    "sequential inside": generator(bias=True),
}
MUTANTS["3.2"] = {
    "no tanh": (generator(end=nn.Identity), "arch-no-output-activation"),
    "sigmoid": (generator(end=nn.Sigmoid), "arch-sigmoid-output"),
    "relu at the end": (generator(end=nn.ReLU), "arch-relu-output"),
    "batchnorm at the end": (generator(last=[lambda: nn.BatchNorm2d(3)]), "arch-bn-output"),
    "eps": (generator(norm=lambda n: nn.BatchNorm2d(n, 0.8)), "arch-bn-eps"),
    "flat z": (generator(view=lambda z: z), "arch-z-shape"),
    "a plain list": (ListGenerator, "arch-unregistered"),
    "kernel 3": (generator(kernel=3), "arch-kernel-stride"),
    "kernel 5": (generator(kernel=5), "arch-kernel-stride"),
    "width written in": (generator(fixed={"w": 64}), "hardcoded-size"),
    "latent size written in": (generator(fixed={"z": 100}), "hardcoded-size"),
    "no batchnorm": (generator(norm=lambda n: nn.Identity()), "dcgan-no-batchnorm"),
    "leaky": (generator(act=lambda: nn.LeakyReLU(0.2)), "dcgan-activation"),
    "upsampling": (UpsamplingGenerator, "dcgan-upsampling"),
}
UNFORESEEN["3.2"] = {
    "for 64 pixels": (lambda latent_dim=100, width=64: DCGANGenerator(64), "(5, 3, 64, 64)"),
    "instance norm": (generator(norm=nn.InstanceNorm2d), "between layer 1 and layer 2"),
    "dropout": (generator(more=lambda n: [nn.Dropout(0.5)]), "in training mode"),
    "grey": (lambda latent_dim=100, width=64: DCGANGenerator(32, 1), "(5, 1, 32"),
    "an extra layer": (
        generator(more=lambda n: [nn.Conv2d(n, n, 3, padding=1), nn.ReLU()]),
        "Their weights are",
    ),
    "half of the gradient": (DetachedGenerator, "its gradient is not"),
    "hard tanh": (generator(end=nn.Hardtanh), "at the end"),
    "softplus": (generator(act=nn.Softplus), "between layer 1 and layer 2"),
}

# --- 3.3 -----------------------------------------------------------------------------------------


def discriminator(
    act=lambda: nn.LeakyReLU(0.2), norm=nn.BatchNorm2d, first=lambda n: [], last=(), fixed=None,
    down=lambda a, b: [nn.Conv2d(a, b, 4, 2, 1, bias=False)], end=lambda n: nn.Conv2d(n, 1, 4),
):  # fmt: skip
    """A factory of discriminators with one part exchanged."""

    class Discriminator(nn.Module):
        def __init__(self, width=64):
            super().__init__()
            w = fixed or width
            self.net = nn.Sequential(
                *down(3, w), *first(w), act(),
                *down(w, 2 * w), norm(2 * w), act(),
                *down(2 * w, 4 * w), norm(4 * w), act(),
                end(4 * w), *last,
            )  # fmt: skip

        def forward(self, images):
            return self.net(images).flatten(1)

    return Discriminator


def as_written_for_64(width=64):
    return nn.Sequential(
        nn.Conv2d(3, width, 4, 2, 1),
        nn.LeakyReLU(0.2),
        *[
            part
            for n in (1, 2, 4)
            for part in (
                nn.Conv2d(n * width, 2 * n * width, 4, 2, 1),
                nn.BatchNorm2d(2 * n * width),
                nn.LeakyReLU(0.2),
            )
        ],
        nn.Conv2d(8 * width, 1, 4),
    )


class FunctionalDiscriminator(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.a = nn.Conv2d(3, width, 4, 2, 1)
        self.b = nn.Conv2d(width, 2 * width, 4, 2, 1)
        self.c = nn.Conv2d(2 * width, 4 * width, 4, 2, 1)
        self.norm_b, self.norm_c = nn.BatchNorm2d(2 * width), nn.BatchNorm2d(4 * width)
        self.d = nn.Linear(4 * width * 16, 1)

    def forward(self, x):
        x = F.leaky_relu(self.a(x), 0.2)
        x = F.leaky_relu(self.norm_b(self.b(x)), 0.2)
        x = F.leaky_relu(self.norm_c(self.c(x)), 0.2)
        return self.d(x.flatten(1)).squeeze(1)


class MaxDiscriminator(FunctionalDiscriminator):
    """LeakyReLU as a maximum, the last layer as an explicit sum."""

    def forward(self, x):
        for layer, norm in ((self.a, None), (self.b, self.norm_b), (self.c, self.norm_c)):
            x = layer(x) if norm is None else norm(layer(x))
            x = torch.maximum(x, x / 5)
        return (x.flatten(1) * self.d.weight[0]).sum(1) + self.d.bias


class DetachedDiscriminator(FunctionalDiscriminator):
    def forward(self, x):
        return super().forward(x.detach())


class HiddenDiscriminator(FunctionalDiscriminator):
    def __init__(self, width=64):
        super().__init__(width)
        layer = self.c
        del self.c
        self.rest = [layer]

    def forward(self, x):
        x = F.leaky_relu(self.norm_b(self.b(F.leaky_relu(self.a(x), 0.2))), 0.2)
        return self.d(F.leaky_relu(self.norm_c(self.rest[0](x)), 0.2).flatten(1))


def pooled(a, b):
    return [nn.Conv2d(a, b, 3, padding=1), nn.MaxPool2d(2)]


CORRECT["3.3"] = {
    "sequential": discriminator(),
    "functions": FunctionalDiscriminator,
    "maxima": MaxDiscriminator,
    "a linear end": discriminator(
        end=lambda n: nn.Sequential(nn.Flatten(), nn.Linear(16 * n, 1, bias=False))
    ),
}
MUTANTS["3.3"] = {
    "sigmoid": (discriminator(last=[nn.Sigmoid()]), "loss-double-sigmoid"),
    "batchnorm first": (discriminator(first=lambda n: [nn.BatchNorm2d(n)]), "arch-bn-output"),
    "eps": (discriminator(norm=lambda n: nn.BatchNorm2d(n, 0.8)), "arch-bn-eps"),
    "for 64 pixels": (as_written_for_64, "arch-64-on-32"),
    "a plain list": (HiddenDiscriminator, "arch-unregistered"),
    "width written in": (discriminator(fixed=64), "hardcoded-size"),
    "no batchnorm": (discriminator(norm=lambda n: nn.Identity()), "dcgan-no-batchnorm"),
    "relu": (discriminator(act=nn.ReLU), "dcgan-activation"),
    "default slope": (discriminator(act=nn.LeakyReLU), "dcgan-activation"),
    "pooling": (discriminator(down=pooled), "dcgan-pooling"),
}
UNFORESEEN["3.3"] = {
    "images detached": (DetachedDiscriminator, "its gradient is not"),
    "dropout": (discriminator(first=lambda n: [nn.Dropout(0.3)]), "in training mode"),
    "norm after the activation": (
        discriminator(
            act=nn.Identity, norm=lambda n: nn.Sequential(nn.LeakyReLU(0.2), nn.BatchNorm2d(n))
        ),
        "between layer 1 and layer 2",
    ),
    "kernel 3": (discriminator(down=lambda a, b: [nn.Conv2d(a, b, 3, 2, 1)]), "Their weights are"),
    "a row of logits": (
        discriminator(last=[nn.Flatten(0), nn.Unflatten(0, (1, -1))]),
        "returned shape",
    ),
    "a hidden dense layer": (
        discriminator(
            end=lambda n: nn.Sequential(nn.Flatten(), nn.Linear(16 * n, 50), nn.Linear(50, 1))
        ),
        "Their weights are",
    ),
    "a squashed logit": (discriminator(last=[nn.Tanh()]), "squashes it"),
}

# --- 3.4 -----------------------------------------------------------------------------------------


def one_layer(
    conv=lambda w: nn.init.normal_(w, 0, 0.02), norm=lambda w: nn.init.normal_(w, 1, 0.02)
):
    def change(m):
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
            conv(m.weight)
        elif isinstance(m, nn.BatchNorm2d):
            norm(m.weight)
            nn.init.zeros_(m.bias)

    return change


def applied(**parts):
    return lambda network: network.apply(one_layer(**parts))


def by_class_name(network):
    def weights_init(m):
        classname = m.__class__.__name__
        if classname.find("Conv") != -1:
            m.weight.data.normal_(0.0, 0.02)
        elif classname.find("BatchNorm") != -1:
            m.weight.data.normal_(1.0, 0.02)
            m.bias.data.fill_(0)

    network.apply(weights_init)
    return network


def by_loop(network):
    with torch.no_grad():
        for m in network.modules():
            if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
                m.weight.copy_(0.02 * torch.randn_like(m.weight))
                if m.bias is not None:
                    m.bias.zero_()
            if isinstance(m, nn.BatchNorm2d):
                m.weight.copy_(1 + torch.randn(m.num_features).to(m.weight) / 50)
                m.bias *= 0
    return network


def by_parameters(network):
    for name, p in network.named_parameters():
        if p.dim() == 4:
            nn.init.trunc_normal_(p, 0.0, 0.02)
        elif name.endswith("weight"):
            nn.init.normal_(p, 1.0, 0.02)
        else:
            nn.init.zeros_(p)
    return network


def by_recursion(network):
    for child in network.children():
        one_layer()(child)
        by_recursion(child)
    return network


def at_the_top(network):
    for m in network.children():
        one_layer()(m)
    return network


def never(network):
    one_layer()
    return network


def replaced(network):
    for m in network.modules():
        one_layer()(m)
        if hasattr(m, "weight"):
            m.weight = nn.Parameter(m.weight.clone())
    return network


def seeded(network):
    def change(w):
        torch.manual_seed(0)
        nn.init.normal_(w, 0, 0.02)

    return network.apply(one_layer(change))


CORRECT["3.4"] = {
    "apply": applied(),
    "by class name": by_class_name,
    "a loop": by_loop,
    "recursion": by_recursion,
    "by parameters": by_parameters,
}
MUTANTS["3.4"] = {
    "scale around 0": (applied(norm=lambda w: nn.init.normal_(w, 0, 0.02)), "init-bn-gamma"),
    "never called": (never, "init-not-applied"),
    "only the top": (at_the_top, "init-not-applied"),
    "only convolutions": (applied(norm=lambda w: None), "init-not-applied"),
    "0.2": (applied(conv=lambda w: nn.init.normal_(w, 0, 0.2)), "init-wrong-std"),
    "0.002": (applied(conv=lambda w: nn.init.normal_(w, 0, 0.002)), "init-wrong-std"),
    "the variance": (applied(conv=lambda w: nn.init.normal_(w, 0, 0.02**0.5)), "init-wrong-std"),
    "xavier": (applied(conv=nn.init.xavier_normal_), "init-wrong-std"),
}
UNFORESEEN["3.4"] = {
    "uniform": (applied(conv=lambda w: nn.init.uniform_(w, -0.0346, 0.0346)), "uniform: 1.8"),
    "nothing returned": (
        lambda network: list(network.apply(one_layer()))[9:] or None,
        "returned nothing",
    ),
    "a copy": (lambda network: copy.deepcopy(network).apply(one_layer()), "that went in"),
    "new parameters": (replaced, "another parameter"),
    "a seed": (seeded, "the very same weights"),
    "around 1": (applied(conv=lambda w: nn.init.normal_(w, 0.02, 0.02)), "has mean 0.0199"),
    "in sight of autograd": (applied(conv=lambda w: w.normal_(0, 0.02)), "look away"),
}

# --- 3.5 -----------------------------------------------------------------------------------------


def one_by_one(G, D, size, channels=3, latent_dim=100):
    shape, found = (3, channels, size, size), []
    with torch.no_grad():
        try:
            if G(torch.randn(3, latent_dim)).shape != shape:
                found.append("G draws other images")
        except Exception:
            found.append("G fails")
        try:
            if D(torch.randn(shape)).reshape(3, -1).shape != (3, 1):
                found.append("D gives more than one number an image")
        except Exception:
            found.append("D fails")
    return found


def in_evaluation(G, D, size, channels=3, latent_dim=100):
    return one_by_one(copy.deepcopy(G).eval(), copy.deepcopy(D).eval(), size, channels, latent_dim)


def by_one_helper(G, D, size, channels=3, latent_dim=100):
    def problem(name, network, x, right):
        try:
            made = list(network(x).shape)
        except RuntimeError as error:
            return f"{name}: {error}"
        return None if made in right else f"{name}: {made}"

    n = 4
    found = (
        problem("Generator", G, torch.randn(n, latent_dim), [[n, channels, size, size]]),
        problem("Discriminator", D, torch.rand(n, channels, size, size), [[n], [n, 1]]),
    )
    return tuple(text for text in found if text)


def verify(images=None, catch=True, early=False, size=None, logits=((4,), (4, 1)), mode=None):
    """A factory of verify_shapes with one part exchanged."""

    def verify_shapes(G, D, pixels, channels=3, latent_dim=100):
        pixels, found = size or pixels, []
        shape = (4, channels, pixels, pixels)
        for name, network, right in (("G", G, [shape]), ("D", D, logits)):
            if mode is not None:
                network.train(mode)
            try:
                if name == "G":
                    x = torch.randn(4, latent_dim)
                else:
                    x = images(G, latent_dim) if images else torch.randn(shape)
                made = tuple(network(x).shape)
                if made not in right:
                    found.append(f"{name} gives {made}")
            except RuntimeError:
                if not catch:
                    raise
                found.append(f"{name} stops")
            if early and found:
                break
        return found

    return verify_shapes


CORRECT["3.5"] = {
    "one by one": one_by_one,
    "evaluation mode, copies": in_evaluation,
    "a helper, a tuple": by_one_helper,
}
MUTANTS["3.5"] = {
    "D sees G's images": (verify(images=lambda G, n: G(torch.randn(4, n))), "verify-pair-only"),
    "nothing caught": (verify(catch=False), "verify-stops"),
    "the first problem": (verify(early=True), "verify-first-only"),
    "32 written in": (verify(size=32), "hardcoded-size"),
}
UNFORESEEN["3.5"] = {
    "no column": (verify(logits=((4,),)), "(N, 1)"),
    "three channels": (
        lambda G, D, n, channels=3, latent_dim=100: verify_shapes(G, D, n, 3, latent_dim),
        "the channels",
    ),
    "latent size written in": (
        lambda G, D, n, channels=3, latent_dim=100: verify_shapes(G, D, n, channels, 100),
        "of z",
    ),
    "D unlooked at": (
        lambda G, D, n, channels=3, latent_dim=100: verify_shapes(
            G, nn.Sequential(nn.Flatten(), nn.LazyLinear(1)), n, channels, latent_dim
        ),
        "nothing is reported",
    ),
    "true or false": (lambda *given, **more: not verify_shapes(*given, **more), "a bool"),
    "no letter": (
        lambda *given, **more: ["Shapes: " + text for text in verify_shapes(*given, **more)],
        "should begin with",
    ),
    "left in evaluation mode": (verify(mode=False), "another mode"),
    "any logits": (verify(logits=((4,), (4, 1), (4, 3))), "nothing is reported"),
}


class BlankGenerator(nn.Module):
    def __init__(self, latent_dim=100, width=64):
        super().__init__()
        raise NotImplementedError("Exercise 3.2: write this part")


class BlankDiscriminator(DCGANDiscriminator):
    def __init__(self, width=64):
        super().__init__(width=width)

    def forward(self, images):
        raise NotImplementedError("Exercise 3.3: write this part")


BLANKS["3.2"] = {"an empty class": BlankGenerator}
BLANKS["3.3"] = {"an empty forward": BlankDiscriminator}
