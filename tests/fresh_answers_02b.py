"""Answers of a blind trial to the exercises of notebook 02, in the styles of many readers."""
# ruff: noqa: B023, B904, B905, B006, C408, C416, E401, E402, E501, E701, E702, E731, E741, F401, F811, F841, SIM, UP, B
# fmt: off

import copy
import functools
import math

import numpy as np
import torch
from fresh import recorder
from torch import nn
from torch.nn import functional as F

ANSWERS, right, wrong = recorder()

bce = F.binary_cross_entropy_with_logits
def make_optimizers(G, D):
    return (torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999)), torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999)))
def d_step(G, D, d_optimizer, real, latent_dim=64):
    fake = G(torch.randn(len(real), latent_dim)).detach()
    r, f = D(real), D(fake)
    loss = bce(r, torch.ones_like(r)) + bce(f, torch.zeros_like(f))
    d_optimizer.zero_grad(); loss.backward(); d_optimizer.step()
    return loss.item()
def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
    f = D(G(torch.randn(batch_size, latent_dim)))
    loss = bce(f, torch.ones_like(f))
    g_optimizer.zero_grad(); loss.backward(); g_optimizer.step()
    return loss.item()


@wrong('2.1', 'nothing learned: layers made in forward', 'new random weights every call', told='`__init__`')
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=64, hidden_dim=256):
            super().__init__()
            self.latent_dim, self.hidden_dim = latent_dim, hidden_dim
            self.last = nn.Linear(hidden_dim, 784)
        def forward(self, z):
            x = F.leaky_relu(nn.Linear(self.latent_dim, self.hidden_dim)(z), 0.2)
            return torch.tanh(self.last(x)).view(-1, 1, 28, 28)
    return Generator


@right('2.1', 'ModuleList and unflatten, ELU', 'another activation; the contract does not name one')
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=64, hidden_dim=256):
            super().__init__()
            self.steps = nn.ModuleList([nn.Linear(latent_dim, hidden_dim), nn.Linear(hidden_dim, hidden_dim)])
            self.out = nn.Linear(hidden_dim, 784)
        def forward(self, z):
            for s in self.steps:
                z = F.leaky_relu(s(z), negative_slope=0.2, inplace=True)
            return self.out(z).tanh().unflatten(1, (1, 28, 28))
    return Generator


@wrong('2.2', 'sigmoid at the end', 'probability for a logit')
def _():
    class Discriminator(nn.Module):
        def __init__(self, hidden_dim=256):
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 1), nn.Sigmoid())
        def forward(self, images): return self.net(images)
    return Discriminator


@wrong('2.2', 'LeakyReLU after the last layer too', 'negative logits shrunk', told='ends with an activation')
def _():
    class Discriminator(nn.Module):
        def __init__(self, hidden_dim=256):
            super().__init__()
            layers = [nn.Flatten()]
            for a, b in ((784, hidden_dim), (hidden_dim, hidden_dim), (hidden_dim, 1)):
                layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
            self.net = nn.Sequential(*layers)
        def forward(self, images): return self.net(images)
    return Discriminator


@wrong('2.2', 'two classes', 'real/fake scores (N, 2)')
def _():
    class Discriminator(nn.Module):
        def __init__(self, hidden_dim=256):
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 2))
        def forward(self, images): return self.net(images)
    return Discriminator


@right('2.2', 'functional, (N,) by dot product', 'last layer as a vector')
def _():
    class Discriminator(nn.Module):
        def __init__(self, hidden_dim=256):
            super().__init__()
            self.first, self.second = nn.Linear(784, hidden_dim), nn.Linear(hidden_dim, hidden_dim)
            self.v = nn.Parameter(torch.randn(hidden_dim) / hidden_dim ** 0.5); self.c = nn.Parameter(torch.zeros(()))
        def forward(self, images):
            h = F.leaky_relu(self.first(images.reshape(images.shape[0], -1)), 0.2)
            return F.leaky_relu(self.second(h), 0.2) @ self.v + self.c
    return Discriminator


@wrong('2.3', 'D first', 'pair in the wrong order')
def _():
    def make_optimizers(G, D):
        optim = lambda net: torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.999))
        optimizerD, optimizerG = optim(D), optim(G)
        return optimizerD, optimizerG
    return make_optimizers


@right('2.3', 'one group per parameter', 'same update')
def _():
    def make_optimizers(G, D):
        def adam(net):
            groups = [{"params": [p]} for p in net.parameters()]
            return torch.optim.Adam(groups, lr=1e-3, betas=[0.5, 0.999])
        return [adam(G), adam(D)]
    return make_optimizers


@wrong('2.4', 'fakes not detached', 'gradient stays in G')
def _():
    def d_step(G, D, d_optimizer, real, latent_dim=64):
        d_optimizer.zero_grad()
        fake = G(torch.randn(len(real), latent_dim))
        r, f = D(real), D(fake)
        loss = bce(r, torch.ones_like(r)) + bce(f, torch.zeros_like(f))
        loss.backward()
        d_optimizer.step()
        return loss.item()
    return d_step


@wrong('2.4', 'zero_grad just before step', 'nothing to step with')
def _():
    def d_step(G, D, d_optimizer, real, latent_dim=64):
        fake = G(torch.randn(len(real), latent_dim)).detach()
        r, f = D(real), D(fake)
        loss = bce(r, torch.ones_like(r)) + bce(f, torch.zeros_like(f))
        loss.backward(); d_optimizer.zero_grad(); d_optimizer.step()
        return loss.item()
    return d_step


@right('2.4', 'G frozen during the pass and restored', 'no detach needed')
def _():
    def d_step(G, D, d_optimizer, real, latent_dim=64):
        flags = [p.requires_grad for p in G.parameters()]
        G.requires_grad_(False)
        fake = G(torch.randn(real.shape[0], latent_dim, device=real.device))
        for p, f in zip(G.parameters(), flags): p.requires_grad_(f)
        loss = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
        D.zero_grad()
        loss.backward()
        d_optimizer.step()
        return float(loss)
    return d_step


@wrong('2.5', 'saturating', 'minimises log(1-D)')
def _():
    def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
        f = D(G(torch.randn(batch_size, latent_dim)))
        loss = -bce(f, torch.zeros_like(f))
        g_optimizer.zero_grad(); loss.backward(); g_optimizer.step()
        return loss.item()
    return g_step


@right('2.5', 'closure, D frozen and thawed', 'step(closure) returns the loss')
def _():
    def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
        z = torch.randn((batch_size, latent_dim))
        was = [p.requires_grad for p in D.parameters()]
        D.requires_grad_(False)
        def closure():
            g_optimizer.zero_grad()
            loss = -F.logsigmoid(D(G(z))).mean()
            loss.backward()
            return loss
        loss = g_optimizer.step(closure)
        for p, w in zip(D.parameters(), was): p.requires_grad_(w)
        return float(loss)
    return g_step


@wrong('2.6', 'one batch for all D steps', 'drawn outside the inner loop')
def _():
    def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1, optimizers=None):
        g_opt, d_opt = optimizers or make_optimizers(G, D)
        history = {"d_loss": [], "g_loss": []}
        for _ in range(steps):
            real = dataset.take(torch.randint(len(dataset), (128,)))
            for _ in range(d_steps):
                d = d_step(G, D, d_opt, real, latent_dim)
            history["d_loss"].append(d); history["g_loss"].append(g_step(G, D, g_opt, 128, latent_dim))
        return history
    return train_gan


@right('2.6', 'every D loss kept', 'one value for each step of D will do')
def _():
    def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1, optimizers=None):
        g_opt, d_opt = optimizers or make_optimizers(G, D)
        history = {"d_loss": [], "g_loss": []}
        for _ in range(steps):
            for _ in range(d_steps):
                real = dataset.take(torch.randint(len(dataset), (128,)))
                history["d_loss"].append(d_step(G, D, d_opt, real, latent_dim))
            history["g_loss"].append(g_step(G, D, g_opt, 128, latent_dim))
        return history
    return train_gan


@wrong('2.6', 'mean of the D losses of a step', 'the contract wants the last', told='the mean of')
def _():
    def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1, optimizers=None):
        g_opt, d_opt = optimizers if optimizers is not None else make_optimizers(G, D)
        history = {"d_loss": [], "g_loss": []}
        for _ in range(steps):
            ds = [d_step(G, D, d_opt, dataset.take(torch.randint(len(dataset), (128,))), latent_dim) for _ in range(d_steps)]
            history["d_loss"].append(sum(ds) / d_steps); history["g_loss"].append(g_step(G, D, g_opt, 128, latent_dim))
        return history
    return train_gan


@wrong('2.7', '(x+1)/2 only, then uint8', '0 and 1')
def _():
    def to_display(images):
        images = ((images + 1) / 2).numpy().astype(np.uint8)
        return np.concatenate([i.transpose(1, 2, 0) if i.shape[0] == 3 else i[0] for i in images], axis=1)
    return to_display


@wrong('2.7', 'plain reshape', 'pixels of images scrambled', told='in one piece')
def _():
    def to_display(images):
        n, c, h, w = images.shape
        x = ((images + 1) * 127.5).round().to(torch.uint8).numpy()
        if c == 1: return x.reshape(n * h // 2 if n % 2 == 0 else n * h, -1)
        return x.reshape(n * h, w, 3)
    return to_display


@wrong('2.8', 'target as a weight', '0.9 * bce(real, ones)')
def _():
    def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
        real = real_target * bce(real_logits, torch.ones_like(real_logits))
        fake = (1 - fake_target) * bce(fake_logits, torch.zeros_like(fake_logits))
        return real + fake
    return smooth_d_loss


@right('2.8', 'softplus minus target times logit', 'closed form')
def _():
    def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
        return sum((F.softplus(l) - t * l).mean() for l, t in ((real_logits, real_target), (fake_logits, fake_target)))
    return smooth_d_loss


@wrong('2.11', "D's gradients still not cleared", 'three of four repaired')
def _():
    def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
        g_optimizer, d_optimizer = make_optimizers(G, D)
        images = dataset.images / 127.5 - 1
        fixed = torch.randn(16, latent_dim)
        history = {"d_loss": [], "g_loss": [], "snapshots": []}
        for step in range(steps):
            real = images[torch.randint(len(images), (128,))]
            fake = G(torch.randn(128, latent_dim)).detach()
            real_says, fake_says = D(real), D(fake)
            d_loss = bce(real_says, torch.ones_like(real_says)) + bce(fake_says, torch.zeros_like(fake_says))
            d_loss.backward()
            d_optimizer.step()
            g_optimizer.zero_grad()
            fake_says = D(G(torch.randn(128, latent_dim)))
            g_loss = bce(fake_says, torch.ones_like(fake_says))
            g_loss.backward()
            g_optimizer.step()
            history["d_loss"].append(d_loss.item()); history["g_loss"].append(g_loss.item())
            if step % snapshot_every == 0: history["snapshots"].append(G(fixed).detach())
        return history
    return clinic


@right('2.11', 'rewritten with the own steps', 'dataset.take, seeded fixed noise')
def _():
    def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
        fixed = torch.randn(16, latent_dim, generator=torch.Generator().manual_seed(7))
        g_opt, d_opt = make_optimizers(G, D)
        d_losses, g_losses, shots = [], [], []
        for step in range(steps):
            real = dataset.take(torch.randint(len(dataset), (128,)))
            d_losses.append(d_step(G, D, d_opt, real, latent_dim))
            g_losses.append(g_step(G, D, g_opt, 128, latent_dim))
            if not step % snapshot_every:
                with torch.no_grad(): shots.append(G(fixed))
        return {"d_loss": d_losses, "g_loss": g_losses, "snapshots": shots}
    return clinic


@wrong('2.6', 'first D loss of a step', 'setdefault-like: if k == 0', told='the first of')
def _():
    def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1, optimizers=None):
        g_opt, d_opt = optimizers or make_optimizers(G, D)
        history = {"d_loss": [], "g_loss": []}
        for _ in range(steps):
            for k in range(d_steps):
                d = d_step(G, D, d_opt, dataset.take(torch.randint(len(dataset), (128,))), latent_dim)
                if k == 0: history["d_loss"].append(d)
            history["g_loss"].append(g_step(G, D, g_opt, 128, latent_dim))
        return history
    return train_gan


@right('2.6', 'batch of 64', 'another batch size will do')
def _():
    def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1, optimizers=None):
        g_opt, d_opt = optimizers or make_optimizers(G, D)
        history = {"d_loss": [], "g_loss": []}
        for _ in range(steps):
            for _ in range(d_steps):
                d = d_step(G, D, d_opt, dataset.take(torch.randint(len(dataset), (64,))), latent_dim)
            history["d_loss"].append(d); history["g_loss"].append(g_step(G, D, g_opt, 64, latent_dim))
        return history
    return train_gan


@wrong('2.6', 'returns two lists', 'tuple in place of the dict')
def _():
    def train_gan(G, D, dataset, steps, latent_dim=64, d_steps=1, optimizers=None):
        g_opt, d_opt = optimizers or make_optimizers(G, D)
        ds, gs = [], []
        for _ in range(steps):
            for _ in range(d_steps):
                d = d_step(G, D, d_opt, dataset.take(torch.randint(len(dataset), (128,))), latent_dim)
            ds.append(d); gs.append(g_step(G, D, g_opt, 128, latent_dim))
        return ds, gs
    return train_gan


@wrong('2.4', 'gradient clipping', 'copied from WGAN code')
def _():
    def d_step(G, D, d_optimizer, real, latent_dim=64):
        fake = G(torch.randn(len(real), latent_dim)).detach()
        r, f = D(real), D(fake)
        loss = bce(r, torch.ones_like(r)) + bce(f, torch.zeros_like(f))
        d_optimizer.zero_grad(); loss.backward()
        nn.utils.clip_grad_norm_(D.parameters(), 0.1)
        d_optimizer.step()
        return loss.item()
    return d_step


@wrong('2.5', 'noise in the default argument', 'the same z at every call')
def _():
    FIXED = {}
    def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
        z = FIXED.setdefault((batch_size, latent_dim), torch.randn(batch_size, latent_dim))
        f = D(G(z))
        loss = bce(f, torch.ones_like(f))
        g_optimizer.zero_grad(); loss.backward(); g_optimizer.step()
        return loss.item()
    return g_step


@wrong('2.5', "D's traces cleared afterwards", 'the clamp stands on the wrong side, so the slope is lost below a logit of -80', told='logit cut off')
def _():
    def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
        g_optimizer.zero_grad()
        noise = torch.empty(batch_size, latent_dim).normal_()
        loss = torch.log1p(torch.exp(-D(G(noise)).clamp(min=-80))).mean()
        loss.backward()
        g_optimizer.step()
        D.zero_grad()
        return loss.item()
    return g_step


@wrong('2.7', 'height and width exchanged', 'transpose(2, 1, 0)')
def _():
    def to_display(images):
        x = ((images + 1) * 127.5).round().to(torch.uint8).numpy()
        return np.hstack([i.transpose(2, 1, 0) if len(i) == 3 else i[0].T for i in x])
    return to_display


@right('2.7', 'grey as (H, W, 1)', 'height x width x 1 will do')
def _():
    def to_display(images):
        x = ((images + 1) * 127.5).round().to(torch.uint8).numpy().transpose(0, 2, 3, 1)
        return np.concatenate(list(x), axis=1)
    return to_display


@right('2.7', 'truncation, tall strip', 'one column')
def _():
    def to_display(images):
        x = ((images.clamp(-1, 1) * 0.5 + 0.5) * 255).to(torch.uint8)
        strip = torch.cat(list(x), dim=1).permute(1, 2, 0)
        return strip.numpy() if strip.shape[2] == 3 else strip[:, :, 0].numpy()
    return to_display


@wrong('2.1', 'tanh in the middle, linear at the end', 'unbounded output')
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=64, hidden_dim=256):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(latent_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.Tanh(), nn.Linear(hidden_dim, 784))
        def forward(self, z): return self.net(z).view(-1, 1, 28, 28)
    return Generator


@right('2.2', 'GELU and residual', 'another non-linearity; a 1-D output')
def _():
    class Discriminator(nn.Module):
        def __init__(self, hidden_dim=256):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(784, hidden_dim), nn.Linear(hidden_dim, hidden_dim), nn.Linear(hidden_dim, 1)
        def forward(self, images):
            h = F.gelu(self.a(images.flatten(1)))
            h = h + F.gelu(self.b(h))
            return self.c(h).flatten()
    return Discriminator


@wrong('2.3', 'rates 1e-4', 'another number')
def _():
    def make_optimizers(G, D):
        return (torch.optim.Adam(G.parameters(), lr=1e-4, betas=(0.5, 0.999)), torch.optim.Adam(D.parameters(), lr=1e-4, betas=(0.5, 0.999)))
    return make_optimizers


@wrong('2.4', 'sigmoid before bce with logits', 'twice')
def _():
    def d_step(G, D, d_optimizer, real, latent_dim=64):
        fake = G(torch.randn(len(real), latent_dim)).detach()
        r, f = torch.sigmoid(D(real)), torch.sigmoid(D(fake))
        loss = bce(r, torch.ones_like(r)) + bce(f, torch.zeros_like(f))
        d_optimizer.zero_grad(); loss.backward(); d_optimizer.step()
        return loss.item()
    return d_step


@wrong('2.5', "D's logits averaged first", 'softplus of the mean')
def _():
    def g_step(G, D, g_optimizer, batch_size, latent_dim=64):
        f = D(G(torch.randn(batch_size, latent_dim)))
        loss = F.softplus(-f.mean())
        g_optimizer.zero_grad(); loss.backward(); g_optimizer.step()
        return loss.item()
    return g_step


@wrong('2.8', 'number', 'item')
def _():
    def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
        return (bce(real_logits, torch.full_like(real_logits, real_target)) + bce(fake_logits, torch.full_like(fake_logits, fake_target))).item()
    return smooth_d_loss


@wrong('2.8', "logits clamped to the target's logit", 'D not pushed beyond 0.9', told='What is cut off')
def _():
    def smooth_d_loss(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
        limit = math.log(real_target / (1 - real_target + 1e-8))
        return F.softplus(-real_logits.clamp(max=limit)).mean() + F.softplus(fake_logits).mean()
    return smooth_d_loss


@right('2.2', 'tanh layers and a wide head', 'saturating units')
def _():
    class Discriminator(nn.Module):
        def __init__(self, hidden_dim=256):
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden_dim), nn.Tanh(), nn.Linear(hidden_dim, hidden_dim), nn.Tanh(), nn.Linear(hidden_dim, 1))
            nn.init.normal_(self.net[1].weight, 0, 0.5)
        def forward(self, images): return self.net(images).view(-1)
    return Discriminator


@wrong('2.7', 'whole rows only', 'the last images of an unfinished row are missing')
def _():
    def to_display(images):
        n, c, h, w = images.shape
        columns = 8
        rows = max(n // columns, 1)
        levels = ((images.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
        out = np.zeros((rows * h, columns * w, c), np.uint8)
        for i in range(min(n, rows * columns)):
            top, left = i // columns * h, i % columns * w
            out[top : top + h, left : left + w] = levels[i]
        return out
    return to_display
