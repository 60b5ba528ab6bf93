"""Answers of a blind trial to the exercises of notebook 04, in the styles of many readers."""
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

import gan_helpers as gh

ANSWERS, right, wrong = recorder()

ring = gh.synthetic.ring()
HEALTHY = {"lr": 5e-4, "betas": (0.5, 0.999), "r1": gh.anneal(1.0, 0.01)}


@wrong('4.1', 'eight modes written in', 'len(centers) not used', told='is 8 written')
def _():
    def modes_and_quality(points, centers, sigma):
        distance, which = torch.cdist(points, centers).min(1)
        good = distance <= 3 * sigma
        modes = 0
        for m in range(8):
            if (which[good] == m).sum() >= 0.2 * len(points) / 8: modes += 1
        return modes, good.float().mean().item()
    return modes_and_quality


@wrong('4.1', 'whole fifth: floor division', '0.2 * N // M is rounded down', told='rounded down')
def _():
    def modes_and_quality(points, centers, sigma):
        N, M = len(points), len(centers)
        distance, which = torch.cdist(points, centers).min(1)
        good = distance <= 3 * sigma
        counts = torch.bincount(which[good], minlength=M)
        return int((counts >= 0.2 * N // M).sum()), good.float().mean().item()
    return modes_and_quality


@wrong('4.1', 'every centre in reach counts', 'a point within 3 sigma of two centres belongs to both', told='counts for both')
def _():
    def modes_and_quality(points, centers, sigma):
        near = torch.cdist(points, centers) <= 3 * sigma
        modes = (near.sum(0) >= 0.2 * len(points) / len(centers)).sum().item()
        return modes, near.any(1).float().mean().item()
    return modes_and_quality


@wrong('4.1', 'box instead of a circle', 'each coordinate within 3 sigma', told='square around')
def _():
    def modes_and_quality(points, centers, sigma):
        which = torch.cdist(points, centers).argmin(1)
        good = ((points - centers[which]).abs() <= 3 * sigma).all(1)
        counts = torch.bincount(which[good], minlength=len(centers))
        return int((counts >= 0.2 * len(points) / len(centers)).sum()), good.float().mean().item()
    return modes_and_quality


@wrong('4.2', 'T drawn at each call', 'random projection, not learned')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self, in_features, kernels=8, dim=4):
            super().__init__()
            self.in_features, self.kernels, self.dim = in_features, kernels, dim
        def forward(self, features):
            T = torch.randn(self.in_features, self.kernels * self.dim, device=features.device)
            M = (features @ T).view(-1, self.kernels, self.dim)
            o = torch.exp(-(M[:, None] - M[None]).abs().sum(-1)).sum(1) - 1
            return torch.cat([features, o], 1)
    return MinibatchDiscrimination


@right('4.2', 'self not taken off', 'a constant 1 more does no harm')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self, in_features, kernels=8, dim=4):
            super().__init__()
            self.kernels, self.dim = kernels, dim
            self.T = nn.Parameter(torch.randn(in_features, kernels * dim))
        def forward(self, features):
            M = (features @ self.T).view(-1, self.kernels, self.dim)
            o = torch.exp(-(M[:, None] - M[None]).abs().sum(3)).sum(1)
            return torch.cat([features, o], 1)
    return MinibatchDiscrimination


@wrong('4.2', 'T starts at zero', 'nn.Parameter(torch.zeros): all distances 0, and no gradient', told='start as 0')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self, in_features, kernels=8, dim=4):
            super().__init__()
            self.kernels, self.dim = kernels, dim
            self.T = nn.Parameter(torch.zeros(in_features, kernels * dim))
        def forward(self, features):
            M = (features @ self.T).view(-1, self.kernels, self.dim)
            o = torch.exp(-(M[:, None] - M[None]).abs().sum(-1)).sum(1) - 1
            return torch.cat([features, o], 1)
    return MinibatchDiscrimination


@wrong('4.2', 'minus forgotten in the exponent', 'exp(+distance)')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self, in_features, kernels=8, dim=4):
            super().__init__()
            self.kernels, self.dim = kernels, dim
            self.T = nn.Parameter(0.1 * torch.randn(in_features, kernels * dim))
        def forward(self, features):
            M = (features @ self.T).view(-1, self.kernels, self.dim)
            o = torch.exp((M[:, None] - M[None]).abs().sum(-1)).sum(1) - 1
            return torch.cat([features, o], 1)
    return MinibatchDiscrimination


@right('4.2', '3-D T, einsum, masked diagonal', 'T of shape (kernels, in, dim)')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self, in_features, kernels=8, dim=4):
            super().__init__()
            self.T = nn.Parameter(torch.empty(kernels, in_features, dim))
            nn.init.normal_(self.T, std=0.3)
        def forward(self, f):
            M = torch.einsum("ni,bic->bnc", f, self.T)
            sim = torch.cdist(M, M, p=1).neg().exp()
            other = 1 - torch.eye(len(f), dtype=f.dtype, device=f.device)
            return torch.hstack([f, (sim * other).sum(2).T])
    return MinibatchDiscrimination


@wrong('4.3', 'backward leaves gradients', '.grad of G and D changed')
def _():
    def both_gradients(G, D, z):
        norms = []
        for loss_of in (lambda l: -F.softplus(l).mean(), lambda l: F.softplus(-l).mean()):
            G.zero_grad()
            loss_of(D(G(z))).backward()
            norms.append(sum((p.grad ** 2).sum() for p in G.parameters()).sqrt().item())
        return tuple(norms)
    return both_gradients


@wrong('4.3', "gradient of D's parameters", 'wrong network')
def _():
    def both_gradients(G, D, z):
        def norm(loss):
            return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(D.parameters()))]).norm().item()
        return norm(-F.softplus(D(G(z))).mean()), norm(F.softplus(-D(G(z))).mean())
    return both_gradients


@wrong('4.3', 'only the last layer', 'a first-layer shortcut', told='tensors alone')
def _():
    def both_gradients(G, D, z):
        last = list(G.parameters())[-2:]
        def norm(loss): return torch.cat([g.flatten() for g in torch.autograd.grad(loss, last)]).norm().item()
        return norm(-F.softplus(D(G(z))).mean()), norm(F.softplus(-D(G(z))).mean())
    return both_gradients


@right('4.4', 'mean of the squares', 'divided by d, which the words allow')
def _():
    def feature_matching(features, real, fake):
        return F.mse_loss(features(fake).mean(0), features(real).mean(0).detach())
    return feature_matching


@right('4.4', 'no detach on the real side', 'a graph on the real side does no harm')
def _():
    def feature_matching(features, real, fake):
        return (features(real).mean(0) - features(fake).mean(0)).pow(2).sum()
    return feature_matching


@wrong('4.4', 'detach on both', ".detach() after the difference's sides")
def _():
    def feature_matching(features, real, fake):
        a = features(real).mean(0).detach()
        b = features(fake).mean(0).detach()
        return ((a - b) ** 2).sum()
    return feature_matching


@wrong('4.4', 'distances before the mean', 'pairs compared', told='no image has a partner')
def _():
    def feature_matching(features, real, fake):
        return ((features(real).detach() - features(fake)) ** 2).sum(1).mean()
    return feature_matching


@right('4.4', 'mse_loss with reduction sum', 'means by torch.mean(dim=0)')
def _():
    def feature_matching(features, real, fake):
        f_real = torch.mean(features(real).detach(), dim=0)
        f_fake = torch.mean(features(fake), dim=0)
        return nn.MSELoss(reduction="sum")(f_fake, f_real)
    return feature_matching


@wrong('4.5', 'zeros counted', 'mean over all N x N')
def _():
    def distance_ratio(samples, real):
        s, r = samples.flatten(1), real.flatten(1)
        return (torch.cdist(s, s).mean() / torch.cdist(r, r).mean()).item()
    return distance_ratio


@wrong('4.5', 'd[d > 0].mean()', 'equal samples are left out', told='left out')
def _():
    def distance_ratio(samples, real):
        def spread(x):
            x = x.flatten(1)
            d = torch.cdist(x, x)
            return d[d > 0].mean()
        return float(spread(samples) / spread(real))
    return distance_ratio


@wrong('4.5', 'sums in place of means', 'right only for N = M', told='Two sums')
def _():
    def distance_ratio(samples, real):
        return (torch.pdist(samples.flatten(1)).sum() / torch.pdist(real.flatten(1)).sum()).item()
    return distance_ratio


@right('4.5', 'gram matrix in float64', 'root mean over d cancels')
def _():
    def distance_ratio(samples, real):
        def spread(x):
            x = x.flatten(1).double()
            n = len(x)
            total = sum((x[i] - x[:i]).norm(dim=1).sum().item() for i in range(1, n))
            return total / (n * (n - 1))
        return spread(samples) / spread(real)
    return distance_ratio


@wrong('4.6', 'the class-room example', 'the dict of the text')
def _():
    def charts():
        return {1: ("healthy", "lower rates"), 2: ("healthy", "lower rates"), 3: ("healthy", "lower rates"), 4: ("healthy", "lower rates")}
    return charts


@wrong('4.6', 'two diseases exchanged', '1 total collapse, 3 hopping')
def _():
    def charts():
        return {1: ("total collapse", "annealed R1"), 2: ("G overpowers D", "faster D and annealed R1"), 3: ("hopping collapse", "relativistic, R1 and R2"), 4: ("vanishing gradients", "non-saturating loss")}
    return charts


@right('4.6', 'another choice of cures', 'dict by zip')
def _():
    def charts():
        names = "hopping collapse", "G overpowers D", "total collapse", "vanishing gradients"
        cures = "relativistic, R1 and R2", "faster D and annealed R1", "relativistic, R1 and R2", "slower D"
        return dict(enumerate(zip(names, cures), start=1))
    return charts


@wrong('4.1', 'more than, not at least', 'counts > share', told='*At least*')
def _():
    def modes_and_quality(points, centers, sigma):
        distance, which = torch.cdist(points, centers).min(1)
        good = distance <= 3 * sigma
        counts = torch.bincount(which[good], minlength=len(centers))
        return int((counts > 0.2 * len(points) / len(centers)).sum()), good.float().mean().item()
    return modes_and_quality


@wrong('4.1', 'share of good points on covered modes', 'quality only of covered ones')
def _():
    def modes_and_quality(points, centers, sigma):
        distance, which = torch.cdist(points, centers).min(1)
        counts = torch.bincount(which[distance <= 3 * sigma], minlength=len(centers))
        covered = counts >= 0.2 * len(points) / len(centers)
        return int(covered.sum()), (counts[covered].sum() / len(points)).item()
    return modes_and_quality


@wrong('4.1', 'only the modes with points', 'bincount without minlength and fair share by its length', told='M is taken')
def _():
    def modes_and_quality(points, centers, sigma):
        distance, which = torch.cdist(points, centers).min(1)
        good = distance <= 3 * sigma
        counts = torch.bincount(which[good])
        return int((counts >= 0.2 * len(points) / max(1, len(counts))).sum()), good.float().mean().item()
    return modes_and_quality


@wrong('4.2', 'mean over the coordinates', '|.| averaged', told='averaged')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self, in_features, kernels=8, dim=4):
            super().__init__()
            self.kernels, self.dim = kernels, dim
            self.T = nn.Parameter(torch.randn(in_features, kernels * dim))
        def forward(self, features):
            M = (features @ self.T).view(-1, self.kernels, self.dim)
            o = torch.exp(-(M[:, None] - M[None]).abs().mean(-1)).sum(1) - 1
            return torch.cat([features, o], 1)
    return MinibatchDiscrimination


@wrong('4.2', 'minus N', 'one taken off per sample', told='taken off')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self, in_features, kernels=8, dim=4):
            super().__init__()
            self.kernels, self.dim = kernels, dim
            self.T = nn.Parameter(torch.randn(in_features, kernels * dim))
        def forward(self, features):
            M = (features @ self.T).view(-1, self.kernels, self.dim)
            o = torch.exp(-(M[:, None] - M[None]).abs().sum(-1)).sum(1) - len(features)
            return torch.cat([features, o], 1)
    return MinibatchDiscrimination


@wrong('4.2', 'all kernels in one distance', 'summed over kernels too, repeated', told='All kernels')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self, in_features, kernels=8, dim=4):
            super().__init__()
            self.kernels, self.dim = kernels, dim
            self.T = nn.Parameter(0.1 * torch.randn(in_features, kernels * dim))
        def forward(self, features):
            M = (features @ self.T)
            o = torch.exp(-(M[:, None] - M[None]).abs().sum(-1)).sum(1, keepdim=True) - 1
            return torch.cat([features, o.expand(-1, self.kernels)], 1)
    return MinibatchDiscrimination


@right('4.2', 'a list of small linear layers, one for each kernel', 'ModuleList')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self, in_features, kernels=8, dim=4):
            super().__init__()
            self.maps = nn.ModuleList(nn.Linear(in_features, dim, bias=False) for _ in range(kernels))
        def forward(self, features):
            columns = [features]
            for m in self.maps:
                v = m(features)
                d = torch.cdist(v, v, p=1)
                columns.append(((-d).exp().sum(1) - 1)[:, None])
            return torch.cat(columns, 1)
    return MinibatchDiscrimination


@wrong('4.3', 'D in eval mode and left', 'D.eval()', told='evaluation mode')
def _():
    def both_gradients(G, D, z):
        D.eval()
        def norm(loss): return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(G.parameters()))]).norm().item()
        return norm(-F.softplus(D(G(z))).mean()), norm(F.softplus(-D(G(z))).mean())
    return both_gradients


@wrong('4.3', 'squared norm', 'root forgotten')
def _():
    def both_gradients(G, D, z):
        def norm(loss): return sum(g.pow(2).sum() for g in torch.autograd.grad(loss, list(G.parameters()))).item()
        return norm(-F.softplus(D(G(z))).mean()), norm(F.softplus(-D(G(z))).mean())
    return both_gradients


@wrong('4.3', 'D frozen and left frozen', 'requires_grad_(False)', told='frozen')
def _():
    def both_gradients(G, D, z):
        D.requires_grad_(False)
        def norm(loss): return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(G.parameters()))]).norm().item()
        return norm(-F.softplus(D(G(z))).mean()), norm(F.softplus(-D(G(z))).mean())
    return both_gradients


@right('4.3', 'log D with the other sign', 'the norm does not feel the sign; get and restore .grad')
def _():
    def both_gradients(G, D, z):
        everything = [*G.parameters(), *D.parameters()]
        kept = [p.grad for p in everything]
        out = []
        for loss in (F.logsigmoid(-D(G(z))).mean(), F.logsigmoid(D(G(z))).mean()):
            for p in everything: p.grad = None
            loss.backward()
            out.append(float(torch.linalg.vector_norm(torch.cat([p.grad.ravel() for p in G.parameters()]))))
        for p, g in zip(everything, kept): p.grad = g
        return tuple(out)
    return both_gradients


@wrong('4.4', 'sums over the batch', 'features summed, not averaged')
def _():
    def feature_matching(features, real, fake):
        return (features(real).detach().sum(0) - features(fake).sum(0)).pow(2).sum()
    return feature_matching


@wrong('4.4', 'images averaged first', 'features of the mean image', told='mean image')
def _():
    def feature_matching(features, real, fake):
        a, b = features(real.mean(0, keepdim=True)).detach(), features(fake.mean(0, keepdim=True))
        return (a - b).pow(2).sum()
    return feature_matching


@wrong('4.5', 'both by N(N-1)/2 of the samples', "real side divided by the samples' count", told='Two sums')
def _():
    def distance_ratio(samples, real):
        n = len(samples)
        s, r = samples.flatten(1), real.flatten(1)
        return float((torch.cdist(s, s).sum() / (n * (n - 1))) / (torch.cdist(r, r).sum() / (n * (n - 1))))
    return distance_ratio


@wrong('4.5', 'neighbours in the list only', 'consecutive pairs', told='next in the list')
def _():
    def distance_ratio(samples, real):
        step = lambda x: (x[1:] - x[:-1]).flatten(1).norm(dim=1).mean()
        return (step(samples) / step(real)).item()
    return distance_ratio


@wrong('4.5', 'L1 distances', 'p=1', told='Euclidean')
def _():
    def distance_ratio(samples, real):
        return (torch.pdist(samples.flatten(1), p=1).mean() / torch.pdist(real.flatten(1), p=1).mean()).item()
    return distance_ratio


@wrong('4.5', 'flatten to one vector', 'cdist on the pixel columns: (N, C, H, W) handed to cdist', told='last two axes')
def _():
    def distance_ratio(samples, real):
        return (torch.cdist(samples, samples).mean() / torch.cdist(real, real).mean()).item()
    return distance_ratio


@right('4.5', 'tensor', 'a tensor of one number will do')
def _():
    def distance_ratio(samples, real):
        return torch.pdist(samples.flatten(1)).mean() / torch.pdist(real.flatten(1)).mean()
    return distance_ratio


@wrong('4.5', 'distance to the mean image', 'spread around the mean', told='mean image')
def _():
    def distance_ratio(samples, real):
        spread = lambda x: (x - x.mean(0)).flatten(1).norm(dim=1).mean()
        return (spread(samples) / spread(real)).item()
    return distance_ratio


@wrong('4.6', 'counted from 0', 'patients 0 to 3', told='nothing on patient 4')
def _():
    def charts():
        return dict(enumerate([("hopping collapse", "annealed R1"), ("G overpowers D", "faster D and annealed R1"), ("total collapse", "relativistic, R1 and R2"), ("vanishing gradients", "non-saturating loss")]))
    return charts


@wrong('4.3', 'graph used twice', 'retain_graph forgotten', told='graph kept')
def _():
    def both_gradients(G, D, z):
        logits = D(G(z))
        def norm(loss): return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(G.parameters()))]).norm().item()
        return norm(-F.softplus(logits).mean()), norm(F.softplus(-logits).mean())
    return both_gradients


@wrong('4.3', 'saturating twice', 'sign of the logit forgotten in the second', told='in both places')
def _():
    def both_gradients(G, D, z):
        def norm(loss): return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(G.parameters()))]).norm().item()
        return norm(-F.softplus(D(G(z))).mean()), norm(F.softplus(D(G(z))).mean())
    return both_gradients


@wrong('4.1', 'all distances within 3 sigma counted for quality', 'pairs / N', told='all pairs')
def _():
    def modes_and_quality(points, centers, sigma):
        d = torch.cdist(points, centers)
        which = d.argmin(1)
        good = (d <= 3 * sigma)
        counts = torch.bincount(which[good.any(1)], minlength=len(centers))
        return int((counts >= 0.2 * len(points) / len(centers)).sum()), good.float().mean().item()
    return modes_and_quality


@right('4.1', 'tensor for the count', 'tensors of one number will do')
def _():
    def modes_and_quality(points, centers, sigma):
        distance, which = torch.cdist(points, centers).min(1)
        good = distance <= 3 * sigma
        counts = torch.bincount(which[good], minlength=len(centers))
        return (counts >= 0.2 * len(points) / len(centers)).sum(), good.float().mean()
    return modes_and_quality


@wrong('4.5', 'variance ratio', 'std over the batch', told='single pixels')
def _():
    def distance_ratio(samples, real):
        return (samples.std(0).mean() / real.std(0).mean()).item()
    return distance_ratio


@right('4.1', 'scatter_add and broadcasting', 'squared distances on both sides')
def _():
    def modes_and_quality(points, centers, sigma):
        d2 = (points.unsqueeze(1) - centers.unsqueeze(0)).square().sum(-1)
        nearest = d2.argmin(dim=1)
        ok = d2.gather(1, nearest[:, None]).squeeze(1) <= 9 * sigma**2
        tally = torch.zeros(len(centers)).scatter_add_(0, nearest, ok.float())
        return (tally * len(centers) * 5 >= len(points)).sum().item(), (ok.sum() / ok.numel()).item()
    return modes_and_quality
