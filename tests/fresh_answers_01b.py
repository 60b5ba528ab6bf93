"""Answers of a blind trial to the exercises of notebook 01, in the styles of many readers."""
# ruff: noqa: B023, B904, B905, B006, C408, C416, E401, E402, E501, E701, E702, E731, E741, F401, F811, F841, SIM, UP, B
# fmt: off

import copy
import math

import numpy as np
import torch
from fresh import recorder
from torch import nn
from torch.nn import functional as F

ANSWERS, right, wrong = recorder()




@wrong('1.1', 'D loss halved', '0.5 * sum: the contract asks for the sum')
def _():
    def d_loss(real_logits, fake_logits):
        bce = nn.BCEWithLogitsLoss()
        errD_real = bce(real_logits, torch.ones_like(real_logits))
        errD_fake = bce(fake_logits, torch.zeros_like(fake_logits))
        return (errD_real + errD_fake) / 2
    def g_loss_saturating(fake_logits): return -F.softplus(fake_logits).mean()
    def g_loss_non_saturating(fake_logits): return F.softplus(-fake_logits).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@wrong('1.1', 'log1p(exp) by hand', 'overflows to inf at 200')
def _():
    def softplus(a): return torch.log(1 + torch.exp(a))
    def d_loss(real_logits, fake_logits): return softplus(-real_logits).mean() + softplus(fake_logits).mean()
    def g_loss_saturating(fake_logits): return -softplus(fake_logits).mean()
    def g_loss_non_saturating(fake_logits): return softplus(-fake_logits).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@wrong('1.1', 'sums over the batch', 'reduction="sum"')
def _():
    def d_loss(real_logits, fake_logits):
        return F.softplus(-real_logits).sum() + F.softplus(fake_logits).sum()
    def g_loss_saturating(fake_logits): return -F.softplus(fake_logits).sum()
    def g_loss_non_saturating(fake_logits): return F.softplus(-fake_logits).sum()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'logaddexp', 'log(1+e^a) = logaddexp(0, a)')
def _():
    def lse(a): return torch.logaddexp(torch.zeros_like(a), a).mean()
    d_loss = lambda real_logits, fake_logits: lse(-real_logits) + lse(fake_logits)
    g_loss_saturating = lambda fake_logits: -lse(fake_logits)
    g_loss_non_saturating = lambda fake_logits: lse(-fake_logits)
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'one mean over pairs (softplus(-r) + softplus(f)).mean()', 'right for equal N, as the contract has it')
def _():
    def d_loss(real_logits, fake_logits):
        return (F.softplus(-real_logits.flatten()) + F.softplus(fake_logits.flatten())).mean()
    def g_loss_saturating(fake_logits): return F.logsigmoid(-fake_logits).mean()
    def g_loss_non_saturating(fake_logits): return F.logsigmoid(fake_logits).mul(-1).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@wrong('1.2', 'share of the fakes', 'p_g on top')
def _():
    def optimal_discriminator(p_data, p_g):
        total = p_data + p_g
        return torch.where(total > 0, p_g / total.clamp(min=1e-300), torch.full_like(total, 0.5))
    return optimal_discriminator


@wrong('1.2', '+ 1e-8 in the denominator', 'tiny densities (1e-10) get a wrong value', told='Far out')
def _():
    def optimal_discriminator(p_data, p_g):
        return p_data / (p_data + p_g + 1e-8)
    return optimal_discriminator


@wrong('1.2', 'sigmoid of the difference', 'not of the log-ratio')
def _():
    def optimal_discriminator(p_data, p_g):
        return torch.sigmoid(p_data - p_g)
    return optimal_discriminator


@right('1.2', 'sigmoid of log-ratio with nan_to_num', '-inf and inf are right, nan becomes .5')
def _():
    def optimal_discriminator(p_data, p_g):
        return torch.sigmoid(p_data.log() - p_g.log()).nan_to_num(nan=0.5)
    return optimal_discriminator


@wrong('1.3', 'no dx', 'sum without the spacing')
def _():
    def js_divergence(p, q, dx):
        m = (p + q) / 2
        kl = lambda a: (torch.xlogy(a, a) - torch.xlogy(a, m)).sum()
        return (0.5 * kl(p) + 0.5 * kl(q)).item()
    return js_divergence


@wrong('1.3', 'KLs to the mixture the wrong way round', 'KL(m||p)')
def _():
    def js_divergence(p, q, dx):
        m = 0.5 * (p + q)
        e = 1e-12
        return float((0.5 * m * ((m + e) / (p + e)).log() + 0.5 * m * ((m + e) / (q + e)).log()).sum() * dx)
    return js_divergence


@right('1.3', 'entropies', 'H(m) - mean of H')
def _():
    def js_divergence(p, q, dx):
        H = lambda a: torch.special.entr(a).sum().item() * dx
        return H((p + q) / 2) - (H(p) + H(q)) / 2
    return js_divergence


@right('1.1', 'mean over dim 0', 'a scalar of shape (1,) will do')
def _():
    def d_loss(real_logits, fake_logits):
        return F.softplus(-real_logits).mean(0) + F.softplus(fake_logits).mean(0)
    def g_loss_saturating(fake_logits): return -F.softplus(fake_logits).mean(0)
    def g_loss_non_saturating(fake_logits): return F.softplus(-fake_logits).mean(0)
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@wrong('1.1', 'least squares', 'LSGAN losses', told='least-squares')
def _():
    def d_loss(real_logits, fake_logits): return ((real_logits - 1) ** 2).mean() + (fake_logits ** 2).mean()
    def g_loss_saturating(fake_logits): return -(fake_logits ** 2).mean()
    def g_loss_non_saturating(fake_logits): return ((fake_logits - 1) ** 2).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'piecewise with where, safe on both sides', 'a for big a')
def _():
    def pieces(a):
        small = torch.where(a < 30, a, torch.zeros_like(a))
        return torch.where(a < 30, torch.log1p(small.exp()), a).mean()
    def d_loss(real_logits, fake_logits): return pieces(-real_logits) + pieces(fake_logits)
    def g_loss_saturating(fake_logits): return -pieces(fake_logits)
    def g_loss_non_saturating(fake_logits): return pieces(-fake_logits)
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@wrong('1.2', 'clamp of the sum at 1e-8', 'tiny densities', told='Far out')
def _():
    def optimal_discriminator(p_data, p_g):
        return p_data / (p_data + p_g).clamp(min=1e-8)
    return optimal_discriminator


@wrong('1.2', 'eps above and below', '1/2 far out, where D* is near 0', told='Far out')
def _():
    def optimal_discriminator(p_data, p_g):
        eps = 1e-8
        return (p_data + eps) / (p_data + p_g + 2 * eps)
    return optimal_discriminator


@right('1.2', 'nan_to_num of the ratio', '0 where nothing is')
def _():
    def optimal_discriminator(p_data, p_g):
        return torch.nan_to_num(p_data / (p_data + p_g))
    return optimal_discriminator


@wrong('1.3', 'mean over the grid', '.mean() for the integral', told='width of the grid')
def _():
    def js_divergence(p, q, dx):
        m = (p + q) / 2
        f = 0.5 * (torch.xlogy(p, p) - torch.xlogy(p, m)) + 0.5 * (torch.xlogy(q, q) - torch.xlogy(q, m))
        return f.mean().item()
    return js_divergence


@right('1.3', 'through D*', 'log 2 + V/2 with D* (0 log 0 by xlogy)')
def _():
    def js_divergence(p, q, dx):
        best = torch.nan_to_num(p / (p + q), nan=0.5)
        value = (torch.xlogy(p, best) + torch.xlogy(q, 1 - best)).sum() * dx
        return (value + (p.sum() + q.sum()) * dx * math.log(2)).item() / 2
    return js_divergence


@wrong('1.1', 'numpy on tensors', 'np.log1p cuts the graph or stops')
def _():
    def d_loss(real_logits, fake_logits):
        return torch.tensor(np.logaddexp(0, -real_logits.detach().numpy()).mean() + np.logaddexp(0, fake_logits.detach().numpy()).mean())
    def g_loss_saturating(fake_logits): return torch.tensor(-np.logaddexp(0, fake_logits.detach().numpy()).mean())
    def g_loss_non_saturating(fake_logits): return torch.tensor(np.logaddexp(0, -fake_logits.detach().numpy()).mean())
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@wrong('1.1', "D's loss is V, not -V", 'maximised in the paper')
def _():
    def d_loss(real_logits, fake_logits): return F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean()
    def g_loss_saturating(fake_logits): return -F.softplus(fake_logits).mean()
    def g_loss_non_saturating(fake_logits): return F.softplus(-fake_logits).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@wrong('1.2', 'python if on tensors', 'ambiguous truth value')
def _():
    def optimal_discriminator(p_data, p_g):
        if p_data + p_g == 0: return 0.5
        return p_data / (p_data + p_g)
    return optimal_discriminator


@wrong('1.3', 'per-point tensor', 'not summed')
def _():
    def js_divergence(p, q, dx):
        m = (p + q) / 2
        return (torch.xlogy(p, p) - torch.xlogy(p, m) + torch.xlogy(q, q) - torch.xlogy(q, m)) / 2 * dx
    return js_divergence


@wrong('1.3', 'normalises with softmax', 'softmax of the densities', told='softmax')
def _():
    def js_divergence(p, q, dx):
        p, q = p.softmax(0), q.softmax(0)
        m = (p + q) / 2
        return float((p * (p / m).log() + q * (q / m).log()).sum() / 2)
    return js_divergence
