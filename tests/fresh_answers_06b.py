"""Answers of a blind trial to the exercises of notebook 06, in the styles of many readers."""
# ruff: noqa: B023, B904, B905, B006, C408, C416, E401, E402, E501, E701, E702, E731, E741, F401, F811, F841, SIM, UP, B
# fmt: off

import copy
import functools
import math

import numpy as np
import scipy.linalg
import torch
from fresh import recorder
from torch import nn
from torch.nn import functional as F

ANSWERS, right, wrong = recorder()

def mean_and_covariance(images, judge):
    judge.eval()
    with torch.no_grad():
        f = torch.cat([judge.features_and_logits(p.float() / 127.5 - 1)[0] for p in images.split(500)]).double()
    return f.mean(0), torch.cov(f.T)
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    root = torch.linalg.eigvals(cov_r @ cov_g).real.clamp(min=0).sqrt().sum()
    return float(((mean_r - mean_g) ** 2).sum() + cov_r.trace() + cov_g.trace() - 2 * root)


@wrong('6.1', 'marginal from mean logits', 'softmax of the mean')
def _():
    def inception_score(logits, splits=10):
        x = logits[torch.randperm(len(logits))].double()
        scores = []
        for part in x.chunk(splits):
            log_p, log_m = part.log_softmax(1), part.mean(0).log_softmax(0)
            scores.append((log_p.exp() * (log_p - log_m)).sum(1).mean().exp().item())
        return sum(scores) / len(scores)
    return inception_score


@right('6.1', 'entropies, parts in one reshaping', 'H(mean) - mean of H')
def _():
    def inception_score(logits, splits=10):
        n = len(logits) // splits * splits
        p = logits[torch.randperm(len(logits))[:n]].double().softmax(1).view(splits, -1, logits.shape[1])
        H = torch.special.entr
        return (H(p.mean(1)).sum(1) - H(p).sum(2).mean(1)).exp().mean().item()
    return inception_score


@wrong('6.2', 'range [0, 1]', '/ 255')
def _():
    def mean_and_covariance(images, judge):
        judge.eval()
        with torch.no_grad(): f, _ = judge.features_and_logits(images / 255)
        return f.mean(0), torch.cov(f.T)
    return mean_and_covariance


@wrong('6.2', 'logits for features', 'second of the pair')
def _():
    def mean_and_covariance(images, judge):
        judge.eval()
        with torch.no_grad(): _, f = judge.features_and_logits(images.float() / 127.5 - 1)
        return f.mean(0), torch.cov(f.T)
    return mean_and_covariance


@wrong('6.3', 'root of each entry', '(A @ B).sqrt()')
def _():
    def frechet_distance(mean_r, cov_r, mean_g, cov_g):
        return float(((mean_r - mean_g) ** 2).sum() + torch.trace(cov_r + cov_g - 2 * (cov_r @ cov_g).clamp(min=0).sqrt()))
    return frechet_distance


@wrong('6.3', 'roots multiplied', 'sqrtm(A) sqrtm(B): right only if they commute')
def _():
    def frechet_distance(mean_r, cov_r, mean_g, cov_g):
        def root(m):
            w, v = torch.linalg.eigh(m)
            return v @ torch.diag(w.clamp(min=0).sqrt()) @ v.T
        return float(((mean_r - mean_g) ** 2).sum() + cov_r.trace() + cov_g.trace() - 2 * torch.trace(root(cov_r) @ root(cov_g)))
    return frechet_distance


@wrong('6.3', 'cholesky', 'raises, or gives nan, for singular ones', told='Cholesky')
def _():
    def frechet_distance(mean_r, cov_r, mean_g, cov_g):
        L = torch.linalg.cholesky(cov_r)
        root = torch.linalg.eigvalsh(L.T @ cov_g @ L).clamp(min=0).sqrt().sum()
        return float(((mean_r - mean_g) ** 2).sum() + cov_r.trace() + cov_g.trace() - 2 * root)
    return frechet_distance


@right('6.3', "nuclear norm of A'B", "singular values of the two roots' product")
def _():
    def frechet_distance(mean_r, cov_r, mean_g, cov_g):
        def factor(m):
            w, v = torch.linalg.eigh(m)
            return v * w.clamp(min=0).sqrt()
        nuclear = torch.linalg.svdvals(factor(cov_r).T @ factor(cov_g)).sum()
        d = mean_r - mean_g
        return (d.dot(d) + cov_r.diagonal().sum() + cov_g.diagonal().sum() - 2 * nuclear).item()
    return frechet_distance


@wrong('6.4', 'diagonal in', 'means over all pairs')
def _():
    def kernel_distance(x, y):
        k = lambda a, b: (a @ b.T / x.shape[1] + 1) ** 3
        return float(k(x, x).mean() + k(y, y).mean() - 2 * k(x, y).mean())
    return kernel_distance


@wrong('6.4', 'zip across: equal counts assumed', 'i = j pairs left out across as well')
def _():
    def kernel_distance(x, y):
        n, d = x.shape
        k = lambda a, b: (a @ b.T / d + 1) ** 3
        off = lambda m: (m.sum() - m.diagonal().sum()) / (n * (n - 1))
        return float(off(k(x, x)) + off(k(y, y)) - 2 * off(k(x, y)))
    return kernel_distance


@wrong('6.4', 'the RBF kernel', 'copied MMD', told='moved by 1')
def _():
    def kernel_distance(x, y):
        k = lambda a, b: torch.exp(-torch.cdist(a, b) ** 2 / (2 * x.shape[1]))
        def within(a):
            m = k(a, a); return (m.sum() - m.diagonal().sum()) / (len(a) * (len(a) - 1))
        return (within(x) + within(y) - 2 * k(x, y).mean()).item()
    return kernel_distance


@right('6.4', 'moments of products by loops', 'triu pairs, twice')
def _():
    def kernel_distance(x, y):
        x, y = x.numpy(), y.numpy()
        d = x.shape[1]
        def pairs(a):
            i, j = np.triu_indices(len(a), 1)
            return np.mean((np.einsum("nd,nd->n", a[i], a[j]) / d + 1) ** 3)
        cross = np.mean([((row @ y.T) / d + 1) ** 3 for row in x])
        return float(pairs(x) + pairs(y) - 2 * cross)
    return kernel_distance


@wrong('6.5', 'self counted as a neighbour', 'kthvalue(k)')
def _():
    def precision_recall(fake, real, k=3):
        def inside(s, c):
            radius = torch.cdist(c, c).kthvalue(k, dim=1).values
            return (torch.cdist(s, c) <= radius).any(1).double().mean().item()
        return inside(fake, real), inside(real, fake)
    return precision_recall


@wrong('6.5', 'nearest ball only', 'in the ball of the nearest centre', told='nearest centre')
def _():
    def precision_recall(fake, real, k=3):
        def inside(s, c):
            radius = torch.cdist(c, c).kthvalue(k + 1, dim=1).values
            d, i = torch.cdist(s, c).min(1)
            return (d <= radius[i]).double().mean().item()
        return inside(fake, real), inside(real, fake)
    return precision_recall


@wrong('6.5', 'coverage for recall', 'real balls that hold a fake')
def _():
    def precision_recall(fake, real, k=3):
        radius = torch.cdist(real, real).kthvalue(k + 1, dim=1).values
        hit = torch.cdist(fake, real) <= radius
        return hit.any(1).double().mean().item(), hit.any(0).double().mean().item()
    return precision_recall


@right('6.5', 'scipy tree', 'query k + 1')
def _():
    def precision_recall(fake, real, k=3):
        from scipy.spatial import cKDTree
        def inside(s, c):
            tree = cKDTree(c.numpy())
            radius = tree.query(c.numpy(), k + 1)[0][:, k]
            d = np.linalg.norm(s.numpy()[:, None] - c.numpy()[None], axis=2)
            return float((d <= radius).any(1).mean())
        return inside(fake, real), inside(real, fake)
    return precision_recall


@wrong('6.6', 'one list for both', 'only six names')
def _():
    def predicted_orders():
        return ["memoriser", "half the classes", "one of each", "noisy", "blurred", "speckle"]
    return predicted_orders


@right('6.6', 'tuples', 'another order')
def _():
    def predicted_orders():
        return ("one of each", "memoriser", "half the classes", "blurred", "noisy", "speckle"), ("memoriser", "half the classes", "blurred", "one of each", "noisy", "speckle")
    return predicted_orders


@wrong('6.8', 'times 255', 'floats in [-1, 1] taken for [0, 1]')
def _():
    def evaluate_gan(sample, reference, judge):
        n = len(reference)
        images = (sample(n) * 255).clamp(0, 255).round().to(torch.uint8)
        fd = frechet_distance(*mean_and_covariance(reference, judge), *mean_and_covariance(images, judge))
        return {"FD": fd, "n": n, "n_reference": n}
    return evaluate_gan


@wrong('6.8', 'keys of another kind', '"fid", no n_reference')
def _():
    def evaluate_gan(sample, reference, judge):
        images = ((sample(len(reference)) + 1) * 127.5).round().to(torch.uint8)
        return {"fid": frechet_distance(*mean_and_covariance(reference, judge), *mean_and_covariance(images, judge)), "n": len(images)}
    return evaluate_gan


@wrong('6.8', 'the halves of the reference', 'real against real: sample not drawn into it', told='two means alone')
def _():
    def evaluate_gan(sample, reference, judge):
        n = len(reference)
        images = ((sample(n) + 1) * 127.5).round().to(torch.uint8)
        real = mean_and_covariance(reference, judge)
        fd = frechet_distance(real[0], real[1], mean_and_covariance(images, judge)[0], real[1])
        return {"FD": fd, "n": n, "n_reference": n}
    return evaluate_gan


@right('6.8', 'own features in one pass, extra keys', 'no uint8 helper; rounds by hand')
def _():
    def evaluate_gan(sample, reference, judge):
        was, n = judge.training, len(reference)
        judge.eval()
        drawn = sample(n).detach().clamp(-1, 1)
        quantised = torch.floor((drawn + 1) * 127.5 + 0.5).byte()
        def stats(images):
            with torch.no_grad():
                f = torch.cat([judge.features_and_logits(b.float() / 127.5 - 1)[0] for b in images.split(256)]).double()
            return f.mean(0), torch.cov(f.T)
        result = dict(FD=frechet_distance(*stats(quantised), *stats(reference)), n=n, n_reference=n, seed=None)
        judge.train(was)
        return result
    return evaluate_gan


@wrong('6.1', 'eps of 1e-3 in the logs', 'log(p + 1e-3)', told='0.001 is added')
def _():
    def inception_score(logits, splits=10):
        p = logits[torch.randperm(len(logits))].double().softmax(1)
        s = [(q * (torch.log(q + 1e-3) - torch.log(q.mean(0) + 1e-3))).sum(1).mean().exp().item() for q in p.chunk(splits)]
        return sum(s) / len(s)
    return inception_score


@wrong('6.1', "exp of the mean of the parts' KL", 'one exp at the end')
def _():
    def inception_score(logits, splits=10):
        log_p = logits[torch.randperm(len(logits))].double().log_softmax(1)
        s = [(q.exp() * (q - q.exp().mean(0).log())).sum(1).mean().item() for q in log_p.chunk(splits)]
        return math.exp(sum(s) / len(s))
    return inception_score


@wrong('6.1', 'parts of `splits` images', 'split(splits) in place of chunk', told='splits=60')
def _():
    def inception_score(logits, splits=10):
        log_p = logits[torch.randperm(len(logits))].double().log_softmax(1)
        s = [(q.exp() * (q - q.exp().mean(0).log())).sum(1).mean().exp().item() for q in log_p.split(splits)]
        return sum(s) / len(s)
    return inception_score


@wrong('6.1', 'columns shuffled too', 'each column by its own permutation', told='stay together')
def _():
    def inception_score(logits, splits=10):
        x = torch.stack([c[torch.randperm(len(logits))] for c in logits.double().T], 1)
        log_p = x.log_softmax(1)
        s = [(q.exp() * (q - q.exp().mean(0).log())).sum(1).mean().exp().item() for q in log_p.chunk(splits)]
        return sum(s) / len(s)
    return inception_score


@wrong('6.2', 'int8', 'images.to(torch.int8) wraps')
def _():
    def mean_and_covariance(images, judge):
        judge.eval()
        with torch.no_grad(): f = judge.features_and_logits(images.to(torch.int8).float() / 127.5 - 1)[0].double()
        return f.mean(0), torch.cov(f.T)
    return mean_and_covariance


@wrong('6.3', '1e-3 on the diagonals', 'against singularity', told='0.001 is added')
def _():
    def frechet_distance(mean_r, cov_r, mean_g, cov_g):
        eye = 1e-3 * torch.eye(len(cov_r), dtype=cov_r.dtype)
        root = torch.linalg.eigvals((cov_r + eye) @ (cov_g + eye)).real.clamp(min=0).sqrt().sum()
        return float(((mean_r - mean_g) ** 2).sum() + cov_r.trace() + cov_g.trace() - 2 * root)
    return frechet_distance


@wrong('6.3', 'Frobenius norm of the covariances', '|S_r - S_g|^2', told='squared differences')
def _():
    def frechet_distance(mean_r, cov_r, mean_g, cov_g):
        return float(((mean_r - mean_g) ** 2).sum() + ((cov_r - cov_g) ** 2).sum())
    return frechet_distance


@wrong('6.4', 'divided by the number of samples', 'shape[0] for d', told='number of samples')
def _():
    def kernel_distance(x, y):
        k = lambda a, b: (a @ b.T / len(x) + 1) ** 3
        def within(a):
            m = k(a, a); return (m.sum() - m.diagonal().sum()) / (len(a) * (len(a) - 1))
        return (within(x) + within(y) - 2 * k(x, y).mean()).item()
    return kernel_distance


@wrong('6.4', 'precedence: x @ y.T / (d + 1)', '+ 1 in the denominator', told='below the line')
def _():
    def kernel_distance(x, y):
        k = lambda a, b: (a @ b.T / (x.shape[1] + 1)) ** 3
        def within(a):
            m = k(a, a); return (m.sum() - m.diagonal().sum()) / (len(a) * (len(a) - 1))
        return (within(x) + within(y) - 2 * k(x, y).mean()).item()
    return kernel_distance


@wrong('6.5', 'squared distance against the radius', 'cdist ** 2', told='squared distance')
def _():
    def precision_recall(fake, real, k=3):
        def inside(s, c):
            radius = torch.cdist(c, c).kthvalue(k + 1, dim=1).values
            return (torch.cdist(s, c) ** 2 <= radius).any(1).double().mean().item()
        return inside(fake, real), inside(real, fake)
    return precision_recall


@wrong('6.5', 'radii from the union', 'k-th neighbour in real and fake together')
def _():
    def precision_recall(fake, real, k=3):
        both = torch.cat([fake, real])
        def inside(s, c):
            radius = torch.cdist(c, both).kthvalue(k + 1, dim=1).values
            return (torch.cdist(s, c) <= radius).any(1).double().mean().item()
        return inside(fake, real), inside(real, fake)
    return precision_recall


@wrong('6.8', 'stretched by the batch', 'own min and max')
def _():
    def evaluate_gan(sample, reference, judge):
        n = len(reference)
        x = sample(n)
        images = ((x - x.min()) / (x.max() - x.min()) * 255).round().to(torch.uint8)
        fd = frechet_distance(*mean_and_covariance(reference, judge), *mean_and_covariance(images, judge))
        return {"FD": fd, "n": n, "n_reference": n}
    return evaluate_gan
