# ruff: noqa: B007, B905, C408, E501, E731, F401, F811
"""Answers of (played) students to the checked exercises of notebook 02, right and wrong ones."""

import copy
import functools
import itertools
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

ANSWERS = []  # (exercise, "right" or "wrong", label, answer, why)

# Set this to 1e-3 when exercise 2.3 asks for that rate. Read when an answer is called.
LR = 1e-3
BETAS = (0.5, 0.999)
bce = F.binary_cross_entropy_with_logits


def right(exercise, label, why):
    def keep(answer):
        ANSWERS.append((exercise, "right", label, answer, why))
        return answer

    return keep


def wrong(exercise, label, why):
    def keep(answer):
        ANSWERS.append((exercise, "wrong", label, answer, why))
        return answer

    return keep


# Correct parts that answers of the later exercises build on.
def good_optimizers(G, D):
    return (
        torch.optim.Adam(G.parameters(), lr=LR, betas=BETAS),
        torch.optim.Adam(D.parameters(), lr=LR, betas=BETAS),
    )


def good_d_loss(D, real, fake):
    return F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()


def good_d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    loss = good_d_loss(D, real, fake)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


def good_g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    loss = F.softplus(-D(G(torch.randn(batch_size, latent_dim)))).mean()
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


# ---- 2.1 right
@right(
    "2.1", "lazy layers, woken", "LazyLinear layers, materialised by one forward pass in __init__"
)
class Generator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.a, self.b, self.c = (
            nn.LazyLinear(hidden_dim),
            nn.LazyLinear(hidden_dim),
            nn.LazyLinear(28 * 28),
        )
        with torch.no_grad():
            self(torch.zeros(2, latent_dim))

    def forward(self, z):
        h = F.leaky_relu(self.a(z), 0.2)
        h = F.leaky_relu(self.b(h), 0.2)
        return torch.tanh(self.c(h)).unflatten(1, (1, 28, 28))


# ---- 2.1 right
@right(
    "2.1", "convolutions", "transposed convolutions from 7x7; layers of its own, tanh at the end"
)
class Generator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        channels = max(4, hidden_dim // 16)
        self.start = nn.Linear(latent_dim, channels * 49)
        self.up = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, channels, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, 1, 4, 2, 1),
        )
        self.channels = channels

    def forward(self, z):
        return self.up(self.start(z).reshape(len(z), self.channels, 7, 7)).tanh()


# ---- 2.1 right
@right(
    "2.1",
    "subclass of Sequential",
    "an nn.Sequential with an OrderedDict; weight normalisation in one layer",
)
class Generator(nn.Sequential):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__(
            OrderedDict(
                first=nn.utils.parametrizations.weight_norm(nn.Linear(latent_dim, hidden_dim)),
                act=nn.LeakyReLU(0.2),
                second=nn.Linear(hidden_dim, hidden_dim),
                act2=nn.LeakyReLU(0.2),
                last=nn.Linear(hidden_dim, 784),
                squash=nn.Tanh(),
                shape=nn.Unflatten(-1, (1, 28, 28)),
            )
        )


# ---- 2.1 wrong
@wrong("2.1", "sigmoid", "ends in a sigmoid: [0, 1], never negative")
class Generator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 784),
            nn.Sigmoid(),
        )

    def forward(self, z):
        return self.net(z).view(-1, 1, 28, 28)


# ---- 2.1 wrong
@wrong("2.1", "no tanh", "nothing bounds the output")
class Generator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 784),
        )

    def forward(self, z):
        return self.net(z).view(-1, 1, 28, 28)


# ---- 2.1 wrong
@wrong("2.1", "flat output", "returns (N, 784)")
def Generator(latent_dim=64, hidden_dim=256):
    return nn.Sequential(
        nn.Linear(latent_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 784), nn.Tanh()
    )


# ---- 2.1 wrong
@wrong("2.1", "hidden_dim ignored", "256 wherever hidden_dim is meant")
class Generator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 784),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.net(z).view(-1, 1, 28, 28)


# ---- 2.1 wrong
@wrong("2.1", "layers in forward", "makes new layers at each call: random images, no parameters")
class Generator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.latent_dim, self.hidden_dim = latent_dim, hidden_dim

    def forward(self, z):
        h = F.leaky_relu(nn.Linear(self.latent_dim, self.hidden_dim)(z), 0.2)
        return torch.tanh(nn.Linear(self.hidden_dim, 784)(h)).view(-1, 1, 28, 28)


# ---- 2.1 wrong
@wrong(
    "2.1",
    "scrambled batch",
    "reshape(28, 28, 1, N) and permute: the shape is right, but each image mixes pixels of all samples",
)
class Generator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 784),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.net(z).reshape(28, 28, 1, -1).permute(3, 2, 0, 1)


# ---- 2.1 wrong
@wrong("2.1", "channels last", "returns (N, 28, 28, 1)")
class Generator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 784),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.net(z).view(-1, 28, 28, 1)


# ---- 2.1 wrong
@wrong(
    "2.1",
    "noise changed in place",
    "normalises z in place: the caller's z (such as fixed_z) is altered",
)
class Generator(nn.Module):
    def __init__(self, latent_dim=64, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 784),
            nn.Tanh(),
        )

    def forward(self, z):
        z /= z.norm(dim=1, keepdim=True)
        return self.net(z).view(-1, 1, 28, 28)


# ---- 2.2 right
@right("2.2", "sequential", "the table of the notebook, (N, 1)")
class Discriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 1),
        )

    def forward(self, images):
        return self.net(images)


# ---- 2.2 right
@right("2.2", "function with dropout", "a function that builds; nn.Dropout heeds train and eval")
def Discriminator(hidden_dim=256):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, hidden_dim),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Linear(hidden_dim, hidden_dim // 2),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Linear(hidden_dim // 2, 1),
        nn.Flatten(0),
    )


# ---- 2.2 right
@right(
    "2.2",
    "difference of two scores",
    "score(real) - score(fake) is a logit: the log-odds of a two-class softmax",
)
class Discriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, hidden_dim), nn.ELU(), nn.Linear(hidden_dim, 2)
        )

    def forward(self, images):
        fake, real = self.net(images).unbind(dim=1)
        return real - fake


# ---- 2.2 wrong
@wrong("2.2", "sigmoid", "returns probabilities")
class Discriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 1),
            nn.Sigmoid(),
        )

    def forward(self, images):
        return self.net(images)


# ---- 2.2 wrong
@wrong(
    "2.2", "squeeze without axis", "(N,), but for a single image the batch axis is lost: shape ()"
)
class Discriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 1)
        )

    def forward(self, images):
        return self.net(images).squeeze()


# ---- 2.2 wrong
@wrong("2.2", "hidden_dim ignored", "256 wherever hidden_dim is meant")
class Discriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 1),
        )

    def forward(self, images):
        return self.net(images)


# ---- 2.2 wrong
@wrong("2.2", "one number a batch", "averages over the batch")
class Discriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 1)
        )

    def forward(self, images):
        return self.net(images).mean(0)


# ---- 2.2 wrong
@wrong(
    "2.2",
    "ReLU after the last layer",
    "ReLU on the logit: never below 0, D can never say 'generated'",
)
class Discriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        layers, size = [nn.Flatten()], 784
        for width in (hidden_dim, hidden_dim, 1):
            layers += [nn.Linear(size, width), nn.ReLU()]
            size = width
        self.net = nn.Sequential(*layers)

    def forward(self, images):
        return self.net(images)


# ---- 2.2 wrong
@wrong(
    "2.2",
    "softmax over the batch",
    "a softmax over axis 0: probabilities that depend on the other images",
)
class Discriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 1),
            nn.Softmax(dim=0),
        )

    def forward(self, images):
        return self.net(images)


# ---- 2.2 wrong
@wrong("2.2", "log-probability", "ends in logsigmoid: log D, never above 0")
class Discriminator(nn.Module):
    def __init__(self, hidden_dim=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 1),
            nn.LogSigmoid(),
        )

    def forward(self, images):
        return self.net(images)


# ---- 2.3 right
@right("2.3", "plain pair", "as asked")
def make_optimizers(G, D):
    return (
        torch.optim.Adam(G.parameters(), lr=LR, betas=(0.5, 0.999)),
        torch.optim.Adam(D.parameters(), lr=LR, betas=(0.5, 0.999)),
    )


# ---- 2.3 right
@right(
    "2.3",
    "list by comprehension, foreach",
    "a list of two, G first; foreach is only an implementation",
)
def make_optimizers(G, D):
    return [
        torch.optim.Adam(list(network.parameters()), LR, (0.5, 0.999), foreach=True)
        for network in (G, D)
    ]


# ---- 2.3 right
Pair23 = namedtuple("Pair23", "generator discriminator")


@right("2.3", "namedtuple", "a namedtuple is a tuple, G first")
def make_optimizers(G, D):
    adam = functools.partial(torch.optim.Adam, lr=LR, betas=(0.5, 0.999))
    return Pair23(discriminator=adam(D.parameters()), generator=adam(G.parameters()))


# ---- 2.3 wrong
@wrong("2.3", "D first", "the pair is in the other order")
def make_optimizers(G, D):
    g, d = good_optimizers(G, D)
    return d, g


# ---- 2.3 wrong
@wrong("2.3", "G twice", "copy and paste: the second optimiser has G's parameters too")
def make_optimizers(G, D):
    return (
        torch.optim.Adam(G.parameters(), lr=LR, betas=(0.5, 0.999)),
        torch.optim.Adam(G.parameters(), lr=LR, betas=(0.5, 0.999)),
    )


# ---- 2.3 wrong
@wrong("2.3", "weights only", "biases (one-dimensional parameters) are left out")
def make_optimizers(G, D):
    return tuple(
        torch.optim.Adam([p for p in n.parameters() if p.dim() > 1], lr=LR, betas=BETAS)
        for n in (G, D)
    )


# ---- 2.3 wrong
@wrong("2.3", "SGD for D", "Adam for G and SGD with momentum 0.5 for D")
def make_optimizers(G, D):
    return torch.optim.Adam(G.parameters(), lr=LR, betas=BETAS), torch.optim.SGD(
        D.parameters(), lr=LR, momentum=0.5
    )


# ---- 2.3 wrong
@wrong("2.3", "betas (0.5, 0.99)", "the second beta has a 9 too few")
def make_optimizers(G, D):
    return tuple(torch.optim.Adam(n.parameters(), lr=LR, betas=(0.5, 0.99)) for n in (G, D))


# ---- 2.3 wrong
@wrong("2.3", "AdamW", "AdamW with its default decay of 0.01")
def make_optimizers(G, D):
    return tuple(torch.optim.AdamW(n.parameters(), lr=LR, betas=BETAS) for n in (G, D))


# ---- 2.3 wrong
@wrong("2.3", "RMSprop for both", "no Adam at all")
def make_optimizers(G, D):
    return tuple(torch.optim.RMSprop(n.parameters(), lr=LR, alpha=0.999) for n in (G, D))


# ---- 2.3 wrong
@wrong("2.3", "D maximises", "maximize=True for D, whose loss is to be minimised")
def make_optimizers(G, D):
    return torch.optim.Adam(G.parameters(), lr=LR, betas=BETAS), torch.optim.Adam(
        D.parameters(), lr=LR, betas=BETAS, maximize=True
    )


# ---- 2.4 right
@right(
    "2.4",
    "two backward passes, one step",
    "gradients of the two terms add up; cleared once before, stepped once after",
)
def d_step(G, D, d_optimizer, real, latent_dim=64):
    d_optimizer.zero_grad(set_to_none=False)
    real_logits = D(real)
    on_real = bce(real_logits, torch.ones_like(real_logits))
    on_real.backward()
    fake_logits = D(G(torch.randn(len(real), latent_dim)).detach())
    on_fake = bce(fake_logits, torch.zeros_like(fake_logits))
    on_fake.backward()
    d_optimizer.step()
    return on_real.item() + on_fake.item()


# ---- 2.4 right
@right(
    "2.4", "closure", "Adam.step(closure) returns the closure's loss, computed before the update"
)
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(real.shape[0], latent_dim)).detach()

    def closure():
        d_optimizer.zero_grad()
        loss = good_d_loss(D, real, fake)
        loss.backward()
        return loss

    return d_optimizer.step(closure).item()


# ---- 2.4 right
@right(
    "2.4",
    "functional_call",
    "the same network called as a function of its parameters; old gradients set to None",
)
def d_step(G, D, d_optimizer, real, latent_dim=64):
    parameters = dict(D.named_parameters())
    for p in parameters.values():
        p.grad = None
    judge = lambda images: functional_call(D, parameters, (images,)).flatten()
    with torch.no_grad():
        fake = G(torch.randn(len(real), latent_dim))
    zero = torch.zeros(len(real))
    loss = torch.logaddexp(zero, -judge(real)).mean() + torch.logaddexp(zero, judge(fake)).mean()
    loss.backward()
    d_optimizer.step()
    return loss.detach().item()


# ---- 2.4 right
@right(
    "2.4",
    "accumulated in parts of 10",
    "gradients of parts weighted with their sizes add up to that of the whole batch; cleared before and after",
)
def d_step(G, D, d_optimizer, real, latent_dim=64):
    d_optimizer.zero_grad()
    fake = G(torch.distributions.Normal(0.0, 1.0).sample((len(real), latent_dim))).detach()
    total = 0.0
    for a, b in zip(real.split(10), fake.split(10)):
        part = (F.softplus(-D(a)).sum() + F.softplus(D(b)).sum()) / len(real)
        part.backward()
        total += part.item()
    d_optimizer.step()
    d_optimizer.zero_grad()
    return total


# ---- 2.4 right
class DStep24:
    """A callable object with its own generator of noise."""

    loss = staticmethod(nn.BCEWithLogitsLoss())

    def __init__(self, seed):
        self.noise = torch.Generator().manual_seed(seed)

    def __call__(self, G, D, d_optimizer, real, latent_dim=64):
        d_optimizer.zero_grad()
        for p in G.parameters():
            p.requires_grad_(False)
        fake = G(torch.randn(len(real), latent_dim, generator=self.noise))
        for p in G.parameters():
            p.requires_grad_(True)
        terms = [
            self.loss(logits, torch.full_like(logits, target))
            for logits, target in ((D(real), 1.0), (D(fake), 0.0))
        ]
        sum(terms).backward()
        d_optimizer.step()
        return sum(t.item() for t in terms)


right(
    "2.4",
    "callable object",
    "own random stream, seeded once; G frozen while it draws and thawed again",
)(DStep24(5))


# ---- 2.4 wrong
@wrong("2.4", "no zero_grad", "what G's step left in D is followed too")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    loss = good_d_loss(D, real, fake)
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong(
    "2.4",
    "zero_grad after the step only",
    "clears its own gradients afterwards, but not those that G's step leaves in D",
)
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    loss = good_d_loss(D, real, fake)
    loss.backward()
    d_optimizer.step()
    d_optimizer.zero_grad()
    return loss.item()


# ---- 2.4 wrong
@wrong(
    "2.4",
    "zero_grad between backward and step",
    "the gradient is cleared before it is used: D never moves",
)
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    loss = good_d_loss(D, real, fake)
    loss.backward()
    d_optimizer.zero_grad()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "returns the tensor", "the loss is returned with its graph, not as a number")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    loss = good_d_loss(D, real, fake)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss


# ---- 2.4 wrong
@wrong("2.4", "no detach", "G gets a gradient from D's loss")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim))
    loss = good_d_loss(D, real, fake)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "uniform noise", "torch.rand: uniform in [0, 1)")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.rand(len(real), latent_dim)).detach()
    loss = good_d_loss(D, real, fake)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "noise half as wide", "0.5 * randn")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(0.5 * torch.randn(len(real), latent_dim)).detach()
    loss = good_d_loss(D, real, fake)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "one z for all", "a single latent vector, repeated over the batch")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(1, latent_dim).expand(len(real), -1)).detach()
    loss = good_d_loss(D, real, fake)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "the same noise at each call", "a generator seeded anew at each call")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    z = torch.randn(len(real), latent_dim, generator=torch.Generator().manual_seed(0))
    loss = good_d_loss(D, real, G(z).detach())
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "128 fakes", "always 128 fakes, however many real images there are")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(128, latent_dim)).detach()
    loss = good_d_loss(D, real, fake)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "sigmoid before bce on logits", "two sigmoids")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    real_says, fake_says = torch.sigmoid(D(real)), torch.sigmoid(D(fake))
    loss = bce(real_says, torch.ones_like(real_says)) + bce(fake_says, torch.zeros_like(fake_says))
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "stepped twice", "optimizer.step() called twice on one gradient")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    loss = good_d_loss(D, real, fake)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
_old_fakes_24 = {}


@wrong("2.4", "stale fakes", "the fakes of the first call of each size are kept and used for ever")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    key = (len(real), latent_dim)
    if key not in _old_fakes_24:
        _old_fakes_24[key] = G(torch.randn(*key)).detach()
    loss = good_d_loss(D, real, _old_fakes_24[key])
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "one-sided smoothing", "the real target is 0.9")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    real_logits, fake_logits = D(real), D(fake)
    loss = bce(real_logits, torch.full_like(real_logits, 0.9)) + bce(
        fake_logits, torch.zeros_like(fake_logits)
    )
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong(
    "2.4",
    "D on the fakes under no_grad",
    "the fake term gives no gradient: D learns from real images only",
)
def d_step(G, D, d_optimizer, real, latent_dim=64):
    with torch.no_grad():
        fake_term = F.softplus(D(G(torch.randn(len(real), latent_dim)))).mean()
    loss = F.softplus(-D(real)).mean() + fake_term
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "targets of shape (N,)", "works for D returning (N,) and raises for (N, 1)")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    n = len(real)
    fake = G(torch.randn(n, latent_dim)).detach()
    loss = bce(D(real), torch.ones(n)) + bce(D(fake), torch.zeros(n))
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong("2.4", "the rate decays", "multiplies the rate of the given optimiser by 0.99 at each call")
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    loss = good_d_loss(D, real, fake)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    for group in d_optimizer.param_groups:
        group["lr"] *= 0.99
    return loss.item()


# ---- 2.4 wrong
@wrong(
    "2.4",
    "real images as fakes",
    "the variable `fake` is overwritten by the real batch: both terms see real images",
)
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    batches = {"fake": fake, "real": real}
    for name, fake in batches.items():
        pass
    loss = good_d_loss(D, real, fake)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.4 wrong
@wrong(
    "2.4", "logits averaged first", "softplus of the mean logit instead of the mean of the softplus"
)
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    loss = F.softplus(-D(real).mean()) + F.softplus(D(fake).mean())
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return loss.item()


# ---- 2.5 right
@right(
    "2.5",
    "arrows",
    "first the gradient at the images, then a backward pass from there: the chain rule in two parts",
)
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    fake = G(torch.randn(batch_size, latent_dim))
    leaf = fake.detach().requires_grad_()
    loss = F.softplus(-D(leaf)).mean()
    (arrows,) = torch.autograd.grad(loss, leaf)
    g_optimizer.zero_grad()
    fake.backward(arrows)
    g_optimizer.step()
    return loss.item()


# ---- 2.5 right
@right("2.5", "autograd.grad", "gradients for G's parameters only, written into .grad")
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    z = torch.from_numpy(np.random.default_rng().normal(size=(batch_size, latent_dim))).float()
    loss = F.softplus(-D(G(z)).double(), threshold=40).mean()
    parameters = list(G.parameters())
    for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):
        p.grad = g
    g_optimizer.step()
    return loss.item()


# ---- 2.5 right
@right(
    "2.5",
    "a copy of D as judge",
    "deepcopy of D has the same weights and mode, so the gradient for G is the same",
)
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    judge = copy.deepcopy(D).requires_grad_(False)
    loss = F.softplus(-judge(G(torch.randn(batch_size, latent_dim)))).mean()
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


# ---- 2.5 right
@right(
    "2.5",
    "closure, D cleared after",
    "step(closure) returns the loss before the update; D's leftover gradients are cleared, which harms nobody",
)
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    z = torch.normal(0.0, 1.0, size=(batch_size, latent_dim))

    def closure():
        g_optimizer.zero_grad()
        loss = F.softplus(D(G(z)).neg()).mean()
        loss.backward()
        return loss

    loss = g_optimizer.step(closure)
    D.zero_grad()
    return loss.item()


# ---- 2.5 wrong
@wrong("2.5", "saturating gradient, other value", "goes backward on log(1 - D) and returns -log D")
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    logits = D(G(torch.randn(batch_size, latent_dim)))
    g_optimizer.zero_grad()
    F.logsigmoid(-logits).mean().backward()
    g_optimizer.step()
    return F.softplus(-logits).mean().item()


# ---- 2.5 wrong
@wrong(
    "2.5",
    "saturating value, other gradient",
    "steps with the non-saturating loss and returns log(1 - D)",
)
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    logits = D(G(torch.randn(batch_size, latent_dim)))
    g_optimizer.zero_grad()
    F.softplus(-logits).mean().backward()
    g_optimizer.step()
    return F.logsigmoid(-logits).mean().item()


# ---- 2.5 wrong
@wrong("2.5", "zero_grad before step", "cleared between backward and step: G does not move")
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    loss = F.softplus(-D(G(torch.randn(batch_size, latent_dim)))).mean()
    loss.backward()
    g_optimizer.zero_grad()
    g_optimizer.step()
    return loss.item()


# ---- 2.5 wrong
@wrong("2.5", "returns the tensor", "a 0-dimensional tensor, detached, but no plain number")
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    loss = F.softplus(-D(G(torch.randn(batch_size, latent_dim)))).mean()
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.detach()


# ---- 2.5 wrong
@wrong(
    "2.5",
    "loss after the update",
    "the same fakes' noise is judged again after the step and that loss returned",
)
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    z = torch.randn(batch_size, latent_dim)
    g_optimizer.zero_grad()
    F.softplus(-D(G(z))).mean().backward()
    g_optimizer.step()
    with torch.no_grad():
        return F.softplus(-D(G(z))).mean().item()


# ---- 2.5 wrong
@wrong("2.5", "uniform noise in [-1, 1]", "2 rand - 1, as in the DCGAN paper")
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    loss = F.softplus(-D(G(2 * torch.rand(batch_size, latent_dim) - 1))).mean()
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


# ---- 2.5 wrong
@wrong("2.5", "batch_size ignored", "always 128 fakes")
def g_step(G, D, g_optimizer, batch_size=128, latent_dim=64):
    loss = F.softplus(-D(G(torch.randn(128, latent_dim)))).mean()
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


# ---- 2.5 wrong
@wrong(
    "2.5",
    "D left frozen",
    "switches D's gradients off and never on again: D cannot learn afterwards",
)
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    for p in D.parameters():
        p.requires_grad = False
    loss = F.softplus(-D(G(torch.randn(batch_size, latent_dim)))).mean()
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


# ---- 2.5 wrong
@wrong("2.5", "D left in eval mode", "D.eval() 'since it only judges', never undone")
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    D.eval()
    loss = F.softplus(-D(G(torch.randn(batch_size, latent_dim)))).mean()
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


# ---- 2.5 wrong
@wrong("2.5", "trains twice", "two updates a call 'so that G keeps up'; returns the second loss")
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    for _ in range(2):
        loss = F.softplus(-D(G(torch.randn(batch_size, latent_dim)))).mean()
        g_optimizer.zero_grad()
        loss.backward()
        g_optimizer.step()
    return loss.item()


# ---- 2.5 wrong
@wrong("2.5", "Wasserstein", "minus the mean logit")
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    loss = -D(G(torch.randn(batch_size, latent_dim))).mean()
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


# ---- 2.5 wrong
@wrong(
    "2.5",
    "seeds the noise",
    "torch.manual_seed(0): the same z at each call, and the global stream reset",
)
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    torch.manual_seed(0)
    loss = F.softplus(-D(G(torch.randn(batch_size, latent_dim)))).mean()
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


# ---- 2.5 wrong
@wrong(
    "2.5",
    "sum for the step",
    "goes backward on the sum over the batch, returns the mean: batch_size times the gradient (Adam nearly hides it, SGD does not)",
)
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    losses = F.softplus(-D(G(torch.randn(batch_size, latent_dim))))
    g_optimizer.zero_grad()
    losses.sum().backward()
    g_optimizer.step()
    return losses.mean().item()


# ---- 2.5 wrong
@wrong("2.5", "gradient values clipped", "each entry of the gradient clipped to 0.001")
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    loss = F.softplus(-D(G(torch.randn(batch_size, latent_dim)))).mean()
    g_optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(G.parameters(), 1e-3)
    g_optimizer.step()
    return loss.item()


# ---- 2.5 wrong
@wrong("2.5", "target 0.9", "smoothed target for G")
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    logits = D(G(torch.randn(batch_size, latent_dim)))
    loss = bce(logits, torch.full_like(logits, 0.9))
    g_optimizer.zero_grad()
    loss.backward()
    g_optimizer.step()
    return loss.item()


# ---- 2.6 right
@right(
    "2.6",
    "by functions, one counter",
    "d_step and g_step; the seeds come from one counter over all D steps",
)
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    seeds = itertools.count()
    d_losses, g_losses = [], []
    for _ in range(steps):
        losses = [
            good_d_step(G, D, d_optimizer, dataset.batch(128, seed=next(seeds)), latent_dim)
            for _ in range(d_steps)
        ]
        d_losses.append(losses[-1])
        g_losses.append(good_g_step(G, D, g_optimizer, 128, latent_dim))
    return dict(d_loss=d_losses, g_loss=g_losses)


# ---- 2.6 right
@right(
    "2.6",
    "epochs of a shuffled order",
    "indices are dealt out of shuffled epochs, the rest left out; batch 64; every D loss is kept",
)
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    def batches(size):
        while True:
            order = torch.randperm(len(dataset))
            for start in range(0, len(order) - size + 1, size):
                yield dataset.take(order[start : start + size])

    stream = batches(min(64, len(dataset)))
    g_optimizer, d_optimizer = good_optimizers(G, D)
    d_losses, g_losses = [], []
    for _ in range(steps):
        for _ in range(d_steps):
            real = next(stream)
            d_losses.append(good_d_step(G, D, d_optimizer, real, latent_dim))
        g_losses.append(good_g_step(G, D, g_optimizer, len(real), latent_dim))
    return {"d_loss": d_losses, "g_loss": g_losses}


# ---- 2.6 right
@right(
    "2.6",
    "own scaling, own sampling",
    "draws indices with replacement and scales the bytes itself; numpy columns turned into lists",
)
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)

    def real():
        return dataset.images[torch.randint(len(dataset), (128,))].float() / 127.5 - 1

    def one_step():
        d_loss = 0.0
        for _ in range(d_steps):
            d_loss = good_d_step(G, D, d_optimizer, real(), latent_dim)
        return d_loss, good_g_step(G, D, g_optimizer, 128, latent_dim)

    d_loss, g_loss = np.array([one_step() for _ in range(steps)]).reshape(-1, 2).T.tolist()
    return {"d_loss": d_loss, "g_loss": g_loss}


# ---- 2.6 wrong
@wrong("2.6", "one batch for ever", "the same seed, so the same real batch, at each step")
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        for _ in range(d_steps):
            d = good_d_step(G, D, d_optimizer, dataset.batch(128, seed=0), latent_dim)
        history["d_loss"].append(d)
        history["g_loss"].append(good_g_step(G, D, g_optimizer, 128, latent_dim))
    return history


# ---- 2.6 wrong
@wrong(
    "2.6",
    "one batch for the D steps of a step",
    "seed=step within the inner loop: right for d_steps=1 only",
)
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        for _ in range(d_steps):
            d = good_d_step(G, D, d_optimizer, dataset.batch(128, seed=step), latent_dim)
        history["d_loss"].append(d)
        history["g_loss"].append(good_g_step(G, D, g_optimizer, 128, latent_dim))
    return history


# ---- 2.6 wrong
@wrong(
    "2.6",
    "seed step + k",
    "for d_steps > 1 the second batch of a step comes again as the first of the next",
)
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        for k in range(d_steps):
            d = good_d_step(G, D, d_optimizer, dataset.batch(128, seed=step + k), latent_dim)
        history["d_loss"].append(d)
        history["g_loss"].append(good_g_step(G, D, g_optimizer, 128, latent_dim))
    return history


# ---- 2.6 wrong
@wrong(
    "2.6", "five batches in turn", "seed = count % 5: only five different batches, over and over"
)
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    history, count = {"d_loss": [], "g_loss": []}, 0
    for step in range(steps):
        for _ in range(d_steps):
            d = good_d_step(G, D, d_optimizer, dataset.batch(128, seed=count % 5), latent_dim)
            count += 1
        history["d_loss"].append(d)
        history["g_loss"].append(good_g_step(G, D, g_optimizer, 128, latent_dim))
    return history


# ---- 2.6 wrong
@wrong("2.6", "G first", "the generator's step comes before the discriminator's steps")
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        history["g_loss"].append(good_g_step(G, D, g_optimizer, 128, latent_dim))
        for k in range(d_steps):
            d = good_d_step(
                G, D, d_optimizer, dataset.batch(128, seed=step * d_steps + k), latent_dim
            )
        history["d_loss"].append(d)
    return history


# ---- 2.6 wrong
@wrong(
    "2.6",
    "G in the inner loop",
    "d_steps generator steps too: G's step is indented one level too far",
)
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        for k in range(d_steps):
            d = good_d_step(
                G, D, d_optimizer, dataset.batch(128, seed=step * d_steps + k), latent_dim
            )
            g = good_g_step(G, D, g_optimizer, 128, latent_dim)
        history["d_loss"].append(d)
        history["g_loss"].append(g)
    return history


# ---- 2.6 wrong
@wrong("2.6", "new optimisers at each step", "Adam's memory is lost at each step")
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        g_optimizer, d_optimizer = good_optimizers(G, D)
        for k in range(d_steps):
            d = good_d_step(
                G, D, d_optimizer, dataset.batch(128, seed=step * d_steps + k), latent_dim
            )
        history["d_loss"].append(d)
        history["g_loss"].append(good_g_step(G, D, g_optimizer, 128, latent_dim))
    return history


# ---- 2.6 wrong
@wrong("2.6", "[0, 1] images", "dataset.images / 255: the real images are in [0, 1]")
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        for _ in range(d_steps):
            real = dataset.images[torch.randint(len(dataset), (128,))] / 255
            d = good_d_step(G, D, d_optimizer, real, latent_dim)
        history["d_loss"].append(d)
        history["g_loss"].append(good_g_step(G, D, g_optimizer, 128, latent_dim))
    return history


# ---- 2.6 wrong
@wrong(
    "2.6",
    "optimisers mixed up",
    "unpacked in the wrong order: D's loss is stepped by G's optimiser and the other way round",
)
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    d_optimizer, g_optimizer = good_optimizers(G, D)
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        for k in range(d_steps):
            d = good_d_step(
                G, D, d_optimizer, dataset.batch(128, seed=step * d_steps + k), latent_dim
            )
        history["d_loss"].append(d)
        history["g_loss"].append(good_g_step(G, D, g_optimizer, 128, latent_dim))
    return history


# ---- 2.6 wrong
@wrong("2.6", "the same noise at each step", "torch.manual_seed(0) within the loop")
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        torch.manual_seed(0)
        for k in range(d_steps):
            d = good_d_step(
                G, D, d_optimizer, dataset.batch(128, seed=step * d_steps + k), latent_dim
            )
        history["d_loss"].append(d)
        history["g_loss"].append(good_g_step(G, D, g_optimizer, 128, latent_dim))
    return history


# ---- 2.6 wrong
@wrong(
    "2.6",
    "both losses before both updates",
    "G's gradient is taken against the D from before D's step (simultaneous play)",
)
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        for k in range(d_steps):
            fake = G(torch.randn(128, latent_dim))
            g_loss = F.softplus(-D(fake)).mean()
            g_gradients = torch.autograd.grad(g_loss, list(G.parameters()))
            d = good_d_loss(D, dataset.batch(128, seed=step * d_steps + k), fake.detach())
            d_optimizer.zero_grad()
            d.backward()
            d_optimizer.step()
        for p, g in zip(G.parameters(), g_gradients):
            p.grad = g
        g_optimizer.step()
        history["d_loss"].append(d.item())
        history["g_loss"].append(g_loss.item())
    return history


# ---- 2.6 wrong
@wrong(
    "2.6",
    "stops when it looks good",
    "breaks off as soon as D's loss is near 2 log 2: fewer steps than asked",
)
def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    history = {"d_loss": [], "g_loss": []}
    for step in range(steps):
        for k in range(d_steps):
            d = good_d_step(
                G, D, d_optimizer, dataset.batch(128, seed=step * d_steps + k), latent_dim
            )
        history["d_loss"].append(d)
        history["g_loss"].append(good_g_step(G, D, g_optimizer, 128, latent_dim))
        if abs(d - 1.386) < 0.2:
            break
    return history


# ---- 2.7 right
@right("2.7", "one row by permute", "all images side by side: (C, H, N, W) flattened to H x N W")
def to_display(images):
    n, c, h, w = images.shape
    row = images.permute(2, 0, 3, 1).reshape(h, n * w, c)
    row = np.rint(np.clip((row.numpy() + 1) / 2, 0, 1) * 255).astype(np.uint8)
    return row.squeeze(2) if c == 1 else row


# ---- 2.7 right
@right(
    "2.7",
    "near-square with np.block",
    "rows of blocks, missing ones grey, gap of one pixel; truncation after adding one half",
)
def to_display(images):
    if images.shape[1] != 1:
        raise ValueError("only grey images, please")
    pictures = [
        np.pad(np.floor(x[0] * 127.5 + 128).clip(0, 255).astype(np.uint8), 1)
        for x in images.numpy()
    ]
    columns = max(1, int(len(pictures) ** 0.5))
    while len(pictures) % columns:
        pictures.append(np.full_like(pictures[0], 128))
    return np.block([pictures[i : i + columns] for i in range(0, len(pictures), columns)])


# ---- 2.7 wrong
@wrong("2.7", "each image on its own scale", "minimum and maximum of each image become 0 and 255")
def to_display(images):
    n, c, h, w = images.shape
    low = images.amin(dim=(1, 2, 3), keepdim=True)
    high = images.amax(dim=(1, 2, 3), keepdim=True)
    pixels = ((images - low) / (high - low).clamp(min=1e-6) * 255).round().to(torch.uint8)
    return pixels[:, 0].reshape(n * h, w)


# ---- 2.7 wrong
@wrong(
    "2.7",
    "scrambled by reshape",
    "reshapes (N, 1, 28, 28) to a grid of columns without moving the axes: rows of different images interleave",
)
def to_display(images):
    n, c, h, w = images.shape
    pixels = ((images + 1) * 127.5).round().to(torch.uint8)
    columns = next(k for k in range(min(8, n), 0, -1) if n % k == 0)
    columns = columns if columns > 1 else n
    return pixels.reshape(n // columns * h, columns * w)


# ---- 2.7 wrong
@wrong(
    "2.7",
    "images transposed",
    "permutes width before height: each digit lies on its side, mirrored",
)
def to_display(images):
    n, c, h, w = images.shape
    pixels = ((images + 1) * 127.5).round().to(torch.uint8)
    return pixels[:, 0].permute(0, 2, 1).reshape(n * w, h)


# ---- 2.7 wrong
@wrong("2.7", "times 255 only", "x * 255: negative pixels wrap around")
def to_display(images):
    n, c, h, w = images.shape
    return (images[:, 0].reshape(n * h, w) * 255).to(torch.int64).numpy().astype(np.uint8)


# ---- 2.7 wrong
@wrong(
    "2.7",
    "negative pixels black",
    "clamped to [0, 1] and times 255: everything from -1 to 0 is black",
)
def to_display(images):
    n, c, h, w = images.shape
    return (images[:, 0].clamp(0, 1).reshape(n * h, w) * 255).round().to(torch.uint8)


# ---- 2.7 wrong
@wrong("2.7", "channel axis in front", "make_grid's (3, height, width) as it is")
def to_display(images):
    from torchvision.utils import make_grid

    return (
        ((make_grid(images, nrow=4, pad_value=-1) + 1) * 127.5)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
    )


# ---- 2.7 wrong
@wrong(
    "2.7",
    "upside down",
    "each image is flipped from top to bottom, as for a plot with its origin below",
)
def to_display(images):
    n, c, h, w = images.shape
    pixels = ((images + 1) * 127.5).round().to(torch.uint8).flip(2)
    return pixels[:, 0].reshape(n * h, w)


# ---- 2.7 wrong
@wrong("2.7", "darker white", "(x + 1) * 100: white is 200")
def to_display(images):
    n, c, h, w = images.shape
    return ((images[:, 0].reshape(n * h, w) + 1) * 100).round().to(torch.uint8)


# ---- 2.8 right
@right("2.8", "bce with full_like", "targets of the logits' own shape")
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return bce(real_logits, torch.full_like(real_logits, real_target)) + bce(
        fake_logits, torch.full_like(fake_logits, fake_target)
    )


# ---- 2.8 right
@right(
    "2.8", "softplus minus target times logit", "cross-entropy with target t is softplus(l) - t l"
)
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return (F.softplus(real_logits) - real_target * real_logits).mean() + (
        F.softplus(fake_logits) - fake_target * fake_logits
    ).mean()


# ---- 2.8 right
@right(
    "2.8",
    "weighted log-probabilities",
    "-t log D - (1 - t) log(1 - D) by a helper with keyword-only arguments",
)
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    def cross_entropy(logits, *, target):
        return -(target * F.logsigmoid(logits) + (1 - target) * F.logsigmoid(-logits)).mean()

    return cross_entropy(real_logits, target=real_target) + cross_entropy(
        fake_logits, target=fake_target
    )


# ---- 2.8 wrong
@wrong("2.8", "half the sum", "the mean of the two terms")
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return 0.5 * (
        bce(real_logits, torch.full_like(real_logits, real_target))
        + bce(fake_logits, torch.full_like(fake_logits, fake_target))
    )


# ---- 2.8 wrong
@wrong("2.8", "target as a weight", "0.9 times -log D: the part 0.1 times -log(1 - D) is missing")
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return (
        real_target * F.softplus(-real_logits).mean()
        + (1 - fake_target) * F.softplus(fake_logits).mean()
    )


# ---- 2.8 wrong
@wrong("2.8", "0.9 written in", "the real target is 0.9, whatever is asked")
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return bce(real_logits, torch.full_like(real_logits, 0.9)) + bce(
        fake_logits, torch.full_like(fake_logits, fake_target)
    )


# ---- 2.8 wrong
@wrong(
    "2.8",
    "fake target is 1 - real target",
    "both sides smoothed alike: fake_target is not looked at",
)
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return bce(real_logits, torch.full_like(real_logits, real_target)) + bce(
        fake_logits, torch.full_like(fake_logits, 1 - real_target)
    )


# ---- 2.8 wrong
@wrong("2.8", "targets exchanged", "real logits against fake_target and the other way round")
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return bce(real_logits, torch.full_like(real_logits, fake_target)) + bce(
        fake_logits, torch.full_like(fake_logits, real_target)
    )


# ---- 2.8 wrong
@wrong("2.8", "both over the real count", "sums divided by the number of real logits")
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return (
        bce(real_logits, torch.full_like(real_logits, real_target), reduction="sum")
        + bce(fake_logits, torch.full_like(fake_logits, fake_target), reduction="sum")
    ) / len(real_logits)


# ---- 2.8 wrong
@wrong(
    "2.8",
    "probabilities",
    "sigmoid and binary_cross_entropy: cut off at 100 and no slope for large logits",
)
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return F.binary_cross_entropy(
        real_logits.sigmoid(), torch.full_like(real_logits, real_target)
    ) + F.binary_cross_entropy(fake_logits.sigmoid(), torch.full_like(fake_logits, fake_target))


# ---- 2.8 wrong
@wrong("2.8", "a number", "item(): no gradient")
def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
    return (
        bce(real_logits, torch.full_like(real_logits, real_target))
        + bce(fake_logits, torch.full_like(fake_logits, fake_target))
    ).item()


# ---- 2.11 right
@right(
    "2.11",
    "four repairs",
    "scaled to [-1, 1], no sigmoid, D's gradients cleared, one noise for all snapshots",
)
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 right
class Clinic211:
    def __init__(self, G, D, latent_dim):
        self.G, self.D, self.latent_dim = G, D, latent_dim
        self.g_optimizer, self.d_optimizer = good_optimizers(G, D)
        self.z = torch.randn(16, latent_dim)

    def picture(self):
        training = self.G.training
        self.G.eval()
        with torch.no_grad():
            images = self.G(self.z)
        self.G.train(training)
        return images

    def run(self, dataset, steps, every):
        d_losses, g_losses, pictures = [], [], []
        for step in range(steps):
            real = dataset.take(torch.randperm(len(dataset))[:128])
            d_losses.append(good_d_step(self.G, self.D, self.d_optimizer, real, self.latent_dim))
            g_losses.append(
                good_g_step(self.G, self.D, self.g_optimizer, len(real), self.latent_dim)
            )
            if not step % every:
                pictures.append(self.picture())
        return {"d_loss": d_losses, "g_loss": g_losses, "snapshots": pictures}


@right(
    "2.11",
    "class",
    "an object that holds the fixed noise; snapshots in eval mode, the mode restored",
)
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    return Clinic211(G, D, latent_dim).run(dataset, steps, snapshot_every)


# ---- 2.11 wrong
@wrong(
    "2.11",
    "bytes overflow",
    "2 * images in uint8 wraps before the division: bright pixels (128 and more) come out between -1 and 0",
)
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = (2 * dataset.images) / 255 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong(
    "2.11",
    "standardised",
    "mean 0 and standard deviation 1 of the data: white is at about 2.8, out of G's reach",
)
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images.float()
    images = (images - images.mean()) / images.std()
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong("2.11", "sigmoid left on the fakes", "the sigmoid is removed from the real side only")
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), torch.sigmoid(D(fake))
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong(
    "2.11", "sigmoid moved to G's loss", "the sigmoid is gone from D's step and has come into G's"
)
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = torch.sigmoid(D(G(torch.randn(128, latent_dim))))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong("2.11", "D cleared once", "zero_grad stands before the loop")
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    d_optimizer.zero_grad()
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong("2.11", "fixed noise drawn inside the loop", "fixed_z is drawn anew at each step")
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        fixed_z = torch.randn(16, latent_dim)
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong(
    "2.11",
    "seed reset for the snapshots",
    "manual_seed(0) before each snapshot: one noise, but the training's noise and batches repeat after each",
)
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            torch.manual_seed(0)
            fixed_z = torch.randn(16, latent_dim)
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong("2.11", "training fakes as snapshots", "the first 16 fakes of D's batch")
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(fake[:16])
    return history


# ---- 2.11 wrong
@wrong("2.11", "snapshot_every ignored", "every 100 steps, whatever is asked")
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % 100 == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong("2.11", "detach in G's half", "detach in G's step as well, 'to be safe': G does not move")
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)).detach())
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong("2.11", "saturating repair", "G's loss rewritten as minus bce with target 0")
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = -bce(fake_says, torch.zeros_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong(
    "2.11",
    "eval for pictures, never back",
    "G.eval() at the first snapshot and no train() afterwards",
)
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            G.eval()
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong("2.11", "one batch of real images", "the indices are drawn before the loop")
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    real = images[torch.randint(len(images), (128,))]
    for step in range(steps):
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history


# ---- 2.11 wrong
@wrong("2.11", "history of the last loss", "g_loss list gets D's loss")
def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
    g_optimizer, d_optimizer = good_optimizers(G, D)
    images = dataset.images / 127.5 - 1
    fixed_z = torch.randn(16, latent_dim)
    history = {"d_loss": [], "g_loss": [], "snapshots": []}
    for step in range(steps):
        real = images[torch.randint(len(images), (128,))]
        fake = G(torch.randn(128, latent_dim)).detach()
        real_says, fake_says = D(real), D(fake)
        d_loss = bce(real_says, torch.ones_like(real_says)) + bce(
            fake_says, torch.zeros_like(fake_says)
        )
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        fake_says = D(G(torch.randn(128, latent_dim)))
        g_loss = bce(fake_says, torch.ones_like(fake_says))
        g_loss.backward()
        g_optimizer.step()
        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(d_loss.item())
        if step % snapshot_every == 0:
            history["snapshots"].append(G(fixed_z).detach())
    return history
