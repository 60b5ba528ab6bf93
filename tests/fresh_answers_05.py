"""Answers of a blind trial to the exercises of notebook 05, in the styles of many readers."""
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


@wrong('5.1', 'first label for all', 'code of y[0] expanded', told='labels of the whole batch')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
            super().__init__()
            self.latent_dim, self.num_classes = latent_dim, num_classes
            self.label = nn.Embedding(num_classes, 32)
            self.net = nn.Sequential(nn.Linear(latent_dim + 32, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 784), nn.Tanh())
        def forward(self, z, y):
            code = self.label(y[0]).expand(len(z), 32)
            return self.net(torch.cat([z, code], 1)).view(-1, 1, 28, 28)
    return ConditionalGenerator


@wrong('5.1', 'softmax over classes at the end? no: flat images', '(N, 784)')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
            super().__init__()
            self.latent_dim, self.num_classes = latent_dim, num_classes
            self.label = nn.Embedding(num_classes, 32)
            self.net = nn.Sequential(nn.Linear(latent_dim + 32, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 784), nn.Tanh())
        def forward(self, z, y):
            return self.net(torch.cat([z, self.label(y)], 1))
    return ConditionalGenerator


@wrong('5.2', 'label ignored', 'y not used')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self, num_classes=10, hidden_dim=256):
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 1))
        def forward(self, images, y): return self.net(images)
    return ConditionalDiscriminator


@wrong('5.2', 'projection on all labels', 'h @ label(y).T: (N, N), summed', told='labels of the whole batch')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self, num_classes=10, hidden_dim=256):
            super().__init__()
            self.h = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2))
            self.last, self.label = nn.Linear(hidden_dim, 1), nn.Embedding(num_classes, hidden_dim)
        def forward(self, images, y):
            h = self.h(images)
            return self.last(h) + (h @ self.label(y).T).sum(1, keepdim=True)
    return ConditionalDiscriminator


@wrong('5.2', 'the image ignored', 'only the label goes in')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self, num_classes=10, hidden_dim=256):
            super().__init__()
            self.label = nn.Embedding(num_classes, 784)
            self.net = nn.Sequential(nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 1))
        def forward(self, images, y):
            images = images.flatten(1)
            images = self.label(y)
            return self.net(images)
    return ConditionalDiscriminator


@right('5.2', 'an output for each class, the ordered one picked', 'gather')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self, num_classes=10, hidden_dim=256):
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, num_classes))
        def forward(self, images, y): return self.net(images).gather(1, y[:, None])
    return ConditionalDiscriminator


@wrong('5.3', 'random labels for the fakes', 'not those of the batch')
def _():
    def d_step(G, D, d_optimizer, real, labels, latent_dim):
        fake_labels = torch.randint(10, (len(real),))
        fake = G(torch.randn(len(real), latent_dim), fake_labels).detach()
        r, f = D(real, labels), D(fake, fake_labels)
        loss = bce(r, torch.ones_like(r)) + bce(f, torch.zeros_like(f))
        d_optimizer.zero_grad(); loss.backward(); d_optimizer.step()
        return loss.item()
    return d_step


@wrong('5.3', 'half of it', 'mean of the two terms')
def _():
    def d_step(G, D, d_optimizer, real, labels, latent_dim):
        with torch.no_grad(): fake = G(torch.randn(len(real), latent_dim), labels)
        loss = 0.5 * (F.softplus(-D(real, labels)).mean() + F.softplus(D(fake, labels)).mean())
        d_optimizer.zero_grad(); loss.backward(); d_optimizer.step()
        return loss.item()
    return d_step


@wrong('5.3', 'wrong-label pairs as a third term', 'matching-aware D, GAN-CLS copied in', told='a term too many')
def _():
    def d_step(G, D, d_optimizer, real, labels, latent_dim):
        with torch.no_grad(): fake = G(torch.randn(len(real), latent_dim), labels)
        wrong = (labels + 1) % 10
        loss = F.softplus(-D(real, labels)).mean() + 0.5 * (F.softplus(D(fake, labels)).mean() + F.softplus(D(real, wrong)).mean())
        d_optimizer.zero_grad(); loss.backward(); d_optimizer.step()
        return loss.item()
    return d_step


@right('5.3', 'one pass over both with doubled labels', 'repeat')
def _():
    def d_step(G, D, d_optimizer, real, labels, latent_dim):
        n = real.size(0)
        with torch.no_grad(): fake = G(torch.randn(n, latent_dim, device=real.device), y := labels)
        scores = D(torch.vstack([real, fake]), labels.repeat(2)).reshape(2, n)
        signs = torch.tensor([[-1.0], [1.0]])
        loss = F.softplus(signs * scores).mean(1).sum()
        d_optimizer.zero_grad()
        loss.backward()
        d_optimizer.step()
        return loss.detach().item()
    return d_step


@wrong('5.4', 'G left in eval mode', 'mode not restored')
def _():
    def generate_digit(G, digit, n, latent_dim=64):
        G.eval()
        with torch.no_grad():
            return G(torch.randn(n, latent_dim), torch.full((n,), digit))
    return generate_digit


@wrong('5.4', 'float labels', 'torch.ones(n) * digit')
def _():
    def generate_digit(G, digit, n, latent_dim=64):
        was = G.training; G.eval()
        with torch.no_grad(): images = G(torch.randn(n, latent_dim), torch.ones(n) * digit)
        G.train(was)
        return images
    return generate_digit


@right('5.4', 'a copy in eval mode', 'deepcopy; the original is untouched')
def _():
    def generate_digit(G, digit, n, latent_dim=64):
        twin = copy.deepcopy(G).eval()
        return torch.cat([twin(torch.randn(1, latent_dim), torch.tensor([digit])).detach() for _ in range(n)])
    return generate_digit


@wrong('5.6', 'fake and real exchanged', 'signs')
def _():
    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        s_real, s_fake = real_logits.logsumexp(1), fake_logits.logsumexp(1)
        return F.cross_entropy(labelled_logits, labels), F.softplus(s_real).mean(), F.softplus(-s_fake).mean()
    return kplus1_losses


@wrong('5.6', 'logsumexp over the batch', 'dim 0', told='over the batch')
def _():
    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        s_real, s_fake = real_logits.logsumexp(0), fake_logits.logsumexp(0)
        return F.cross_entropy(labelled_logits, labels), F.softplus(-s_real).mean(), F.softplus(s_fake).mean()
    return kplus1_losses


@right('5.6', 'K + 1 cross-entropies', 'with the zero column written out')
def _():
    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        def log_p_fake(l): return torch.log_softmax(torch.cat([l, torch.zeros_like(l[:, :1])], 1), 1)[:, -1]
        def log_p_real(l): return torch.log_softmax(torch.cat([l, torch.zeros_like(l[:, :1])], 1), 1)[:, :-1].logsumexp(1)
        supervised = -labelled_logits.log_softmax(1)[torch.arange(len(labels)), labels].mean()
        return supervised, -log_p_real(real_logits).mean(), -log_p_fake(fake_logits).mean()
    return kplus1_losses


@wrong('5.7', 'share of what was said', 'precision: divides by said')
def _():
    def class_accuracy(said, asked, num_classes=10):
        return torch.stack([(asked[said == k] == k).float().mean() for k in range(num_classes)])
    return class_accuracy


@wrong('5.7', 'counts', 'not shares', told='counts')
def _():
    def class_accuracy(said, asked, num_classes=10):
        return torch.tensor([((said == k) & (asked == k)).sum().item() for k in range(num_classes)])
    return class_accuracy


@wrong('5.7', 'equal shares assumed', 'divides by N / K', told='N / K')
def _():
    def class_accuracy(said, asked, num_classes=10):
        return torch.bincount(asked[said == asked], minlength=num_classes) / (len(asked) / num_classes)
    return class_accuracy


@wrong('5.7', 'bincount without minlength', 'too short if the last class is never hit', told='never hit')
def _():
    def class_accuracy(said, asked, num_classes=10):
        hits = torch.bincount(asked[said == asked])
        return hits / torch.bincount(asked)
    return class_accuracy


@right('5.7', 'confusion matrix by index_put', 'diagonal over row sums')
def _():
    def class_accuracy(said, asked, num_classes=10):
        table = torch.zeros(num_classes, num_classes, dtype=torch.float64)
        table.index_put_((asked, said), torch.ones(len(said), dtype=torch.float64), accumulate=True)
        return table.diagonal() / table.sum(1)
    return class_accuracy


@wrong('5.1', 'code not learned nor used enough: z missing', 'only the label draws')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
            super().__init__()
            self.latent_dim, self.num_classes = latent_dim, num_classes
            self.label = nn.Embedding(num_classes, latent_dim)
            self.net = nn.Sequential(nn.Linear(latent_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 784), nn.Tanh())
        def forward(self, z, y):
            z = self.label(y)
            return self.net(z).view(-1, 1, 28, 28)
    return ConditionalGenerator


@wrong('5.2', 'argument order', 'forward(y, images)', told='comes last')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self, num_classes=10, hidden_dim=256):
            super().__init__()
            self.label = nn.Embedding(num_classes, 32)
            self.net = nn.Sequential(nn.Linear(784 + 32, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 1))
        def forward(self, y, images): return self.net(torch.cat([images.flatten(1), self.label(y)], 1))
    return ConditionalDiscriminator


@right('5.2', 'bilinear', 'nn.Bilinear of features and one-hot')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self, num_classes=10, hidden_dim=256):
            super().__init__()
            self.k = num_classes
            self.h = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, 64), nn.LeakyReLU(0.2))
            self.out = nn.Bilinear(64, num_classes, 1)
        def forward(self, images, y): return self.out(self.h(images), F.one_hot(y, self.k).float()).view(-1)
    return ConditionalDiscriminator


@wrong('5.3', 'one mean over both', 'cat with one bce mean, not doubled')
def _():
    def d_step(G, D, d_optimizer, real, labels, latent_dim):
        with torch.no_grad(): fake = G(torch.randn(len(real), latent_dim), labels)
        out = D(torch.cat([real, fake]), torch.cat([labels, labels])).flatten()
        target = torch.cat([torch.ones(len(real)), torch.zeros(len(real))])
        loss = bce(out, target)
        d_optimizer.zero_grad(); loss.backward(); d_optimizer.step()
        return loss.item()
    return d_step


@wrong('5.4', 'a batch of 100, cut', 'at most 100 images')
def _():
    def generate_digit(G, digit, n, latent_dim=64):
        was = G.training; G.eval()
        with torch.no_grad(): images = G(torch.randn(100, latent_dim), torch.full((100,), digit))[:n]
        G.train(was)
        return images
    return generate_digit


@wrong('5.6', 'sums over the batch', 'reduction sum', told='multiplied by the number of images')
def _():
    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        s_real, s_fake = real_logits.logsumexp(1), fake_logits.logsumexp(1)
        return F.cross_entropy(labelled_logits, labels, reduction="sum"), F.softplus(-s_real).sum(), F.softplus(s_fake).sum()
    return kplus1_losses


@wrong('5.6', 'sum of logits', 'sum(1) in place of logsumexp', told='added up')
def _():
    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        return F.cross_entropy(labelled_logits, labels), F.softplus(-real_logits.sum(1)).mean(), F.softplus(fake_logits.sum(1)).mean()
    return kplus1_losses


@wrong('5.6', 'the real term on the labelled images', 'wrong batch', told='labelled logits')
def _():
    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        s_real, s_fake = labelled_logits.logsumexp(1), fake_logits.logsumexp(1)
        return F.cross_entropy(labelled_logits, labels), F.softplus(-s_real).mean(), F.softplus(s_fake).mean()
    return kplus1_losses


@wrong('5.6', 'order (real, fake, supervised)', 'mixed up')
def _():
    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        s_real, s_fake = real_logits.logsumexp(1), fake_logits.logsumexp(1)
        return F.softplus(-s_real).mean(), F.softplus(s_fake).mean(), F.cross_entropy(labelled_logits, labels)
    return kplus1_losses


@wrong('5.6', 'log-sigmoid of every class', 'K independent real/fake answers', told='verdict of its own')
def _():
    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        return F.cross_entropy(labelled_logits, labels), F.softplus(-real_logits).mean(), F.softplus(fake_logits).mean()
    return kplus1_losses


@wrong('5.7', 'counts as floats', 'no division', told='counts')
def _():
    def class_accuracy(said, asked, num_classes=10):
        return torch.stack([((said == k) & (asked == k)).sum().float() for k in range(num_classes)])
    return class_accuracy


@wrong('5.7', 'true/false positives: Jaccard', 'intersection over union', told='*or*')
def _():
    def class_accuracy(said, asked, num_classes=10):
        return torch.stack([((said == k) & (asked == k)).sum() / ((said == k) | (asked == k)).sum() for k in range(num_classes)])
    return class_accuracy


@wrong('5.7', 'whole-number division', 'hits // orders', told='0 or 1')
def _():
    def class_accuracy(said, asked, num_classes=10):
        hits = torch.bincount(asked[said == asked], minlength=num_classes)
        return (hits // torch.bincount(asked, minlength=num_classes)).float()
    return class_accuracy


@wrong('5.6', 'supervised with a softmax before cross_entropy', 'twice', told='twice')
def _():
    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        s_real, s_fake = real_logits.logsumexp(1), fake_logits.logsumexp(1)
        return F.cross_entropy(labelled_logits.softmax(1), labels), F.softplus(-s_real).mean(), F.softplus(s_fake).mean()
    return kplus1_losses


@wrong('5.7', 'labels sorted first', 'both sorted: pairs lost', told='sorted')
def _():
    def class_accuracy(said, asked, num_classes=10):
        said, asked = said.sort().values, asked.sort().values
        return torch.stack([(said[asked == k] == k).float().mean() for k in range(num_classes)])
    return class_accuracy


@right('5.7', 'python dicts', 'counted by hand')
def _():
    def class_accuracy(said, asked, num_classes=10):
        orders, hits = [0] * num_classes, [0] * num_classes
        for s, a in zip(said.tolist(), asked.tolist()):
            orders[a] += 1; hits[a] += s == a
        return torch.tensor([h / o for h, o in zip(hits, orders)])
    return class_accuracy


@right('5.3', 'autograd.grad and step', 'gradients put in by hand')
def _():
    def d_step(G, D, d_optimizer, real, labels, latent_dim):
        fake = G(torch.randn(len(labels), latent_dim), labels).detach()
        loss = (F.softplus(-D(real, labels)) + F.softplus(D(fake, labels))).mean()
        params = [p for p in D.parameters() if p.requires_grad]
        for p, g in zip(params, torch.autograd.grad(loss, params)): p.grad = g
        d_optimizer.step()
        return float(loss)
    return d_step
