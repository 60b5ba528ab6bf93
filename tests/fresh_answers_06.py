"""Answers to the exercises of notebook 06, right and wrong ones in the styles of many readers."""
# ruff: noqa: B905, C408, E501, E731, F811

import math

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.stats import entropy as scipy_entropy
from torch.nn import functional as F

ANSWERS = []  # (exercise, "right" or "wrong", label, answer, why)


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


# Correct parts that answers of later exercises build on.
def good_features(images, judge, size=500):
    judge.eval()
    with torch.no_grad():
        return torch.cat(
            [judge.features_and_logits(part.float() / 127.5 - 1)[0] for part in images.split(size)]
        ).double()


def good_statistics(images, judge):
    features = good_features(images, judge)
    return features.mean(0), features.T.cov()


def good_fd(mean_r, cov_r, mean_g, cov_g):
    roots = torch.linalg.eigvals(cov_r @ cov_g).real.clamp(min=0).sqrt().sum()
    return ((mean_r - mean_g).square().sum() + cov_r.trace() + cov_g.trace() - 2 * roots).item()


def as_bytes(images):
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


# ---- 6.1 right
@right(
    "6.1",
    "difference of entropies, numpy",
    "H(p(y)) - mean H(p(y|x)) with scipy's entropy along the classes",
)
def inception_score(logits, splits=10):
    x = logits.detach().cpu().numpy().astype(np.float64)
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p = np.random.default_rng(1).permutation(p, axis=0)
    return float(
        np.mean(
            [
                np.exp(scipy_entropy(part.mean(0)) - scipy_entropy(part, axis=1).mean())
                for part in np.array_split(p, splits)
            ]
        )
    )


# ---- 6.1 right
@right(
    "6.1",
    "shuffled strides",
    "a random order, then every splits-th row; logsumexp for the log of the marginal; a tensor returned",
)
def inception_score(logits, splits=10):
    log_p = F.log_softmax(logits.to(torch.float64), dim=-1)
    log_p = log_p.index_select(0, torch.randperm(log_p.shape[0]))

    def one(part):
        log_marginal = part.logsumexp(dim=0) - math.log(len(part))
        return F.kl_div(
            log_marginal.expand_as(part), part, log_target=True, reduction="batchmean"
        ).exp()

    return torch.stack([one(log_p[i::splits]) for i in range(splits)]).mean()


# ---- 6.1 wrong
@wrong(
    "6.1",
    "strides without shuffling",
    "logits[i::splits]: fine for images sorted by class, but not for classes that come in turn (0, 1, ..., 9, 0, 1, ...)",
)
def inception_score(logits, splits=10):
    log_p = logits.double().log_softmax(dim=1)
    scores = []
    for i in range(splits):
        part = log_p[i::splits]
        p = part.exp()
        scores.append((p * (part - p.mean(0).log())).sum(1).mean().exp().item())
    return sum(scores) / len(scores)


# ---- 6.1 wrong
@wrong(
    "6.1",
    "exp of the mean over parts",
    "the exponential of the mean of the parts' divergences: a geometric mean of the scores",
)
def inception_score(logits, splits=10):
    log_p = logits.double().log_softmax(dim=1)[torch.randperm(len(logits))]
    kl = [
        (part.exp() * (part - part.exp().mean(0).log())).sum(1).mean()
        for part in log_p.chunk(splits)
    ]
    return torch.stack(kl).mean().exp().item()


# ---- 6.1 wrong
@wrong("6.1", "marginal of the logits", "p(y) is the softmax of the mean logits")
def inception_score(logits, splits=10):
    logits = logits.double()[torch.randperm(len(logits))]
    scores = []
    for part in logits.chunk(splits):
        log_p, log_marginal = part.log_softmax(1), part.mean(0).log_softmax(0)
        scores.append((log_p.exp() * (log_p - log_marginal)).sum(1).mean().exp().item())
    return np.mean(scores)


# ---- 6.1 wrong
@wrong("6.1", "softmax over the images", "dim=0")
def inception_score(logits, splits=10):
    log_p = logits.double()[torch.randperm(len(logits))].log_softmax(dim=0)
    scores = []
    for part in log_p.chunk(splits):
        p = part.exp()
        scores.append((p * (part - p.mean(0).log())).sum(1).mean().exp().item())
    return np.mean(scores)


# ---- 6.1 wrong
@wrong("6.1", "always ten parts", "right for the default splits only")
def inception_score(logits, splits=10):
    log_p = logits.double().log_softmax(dim=1)[torch.randperm(len(logits))]
    scores = []
    for part in log_p.chunk(10):
        p = part.exp()
        scores.append((p * (part - p.mean(0).log())).sum(1).mean().exp().item())
    return np.mean(scores)


# ---- 6.1 wrong
@wrong(
    "6.1",
    "mean over the classes",
    "KL as a mean over the K classes: divided by K before the exponential",
)
def inception_score(logits, splits=10):
    log_p = logits.double().log_softmax(dim=1)[torch.randperm(len(logits))]
    return np.mean(
        [
            (part.exp() * (part - part.exp().mean(0).log())).mean().exp().item()
            for part in log_p.chunk(splits)
        ]
    )


# ---- 6.1 wrong
@wrong(
    "6.1",
    "shuffles the caller's logits",
    "logits[:] = logits[perm]: the order of the caller's tensor is changed (and no longer fits its features)",
)
def inception_score(logits, splits=10):
    logits[:] = logits[torch.randperm(len(logits))]
    scores = []
    for part in logits.double().log_softmax(dim=1).chunk(splits):
        p = part.exp()
        scores.append((p * (part - p.mean(0).log())).sum(1).mean().exp().item())
    return np.mean(scores)


# ---- 6.1 wrong
@wrong("6.1", "softmax twice", "softmax of the softmax: all answers become unsure")
def inception_score(logits, splits=10):
    log_p = logits.double().softmax(1).log_softmax(dim=1)[torch.randperm(len(logits))]
    scores = []
    for part in log_p.chunk(splits):
        p = part.exp()
        scores.append((p * (part - p.mean(0).log())).sum(1).mean().exp().item())
    return np.mean(scores)


# ---- 6.2 right
@right("6.2", "eval, one batch, torch.cov", "the three steps")
def mean_and_covariance(images, judge):
    judge.eval()
    with torch.no_grad():
        features, _ = judge.features_and_logits(images / 127.5 - 1)
    return features.mean(dim=0), torch.cov(features.T)


# ---- 6.2 right
@right(
    "6.2", "running sums", "Chan's update: means and sums of products of parts merged, in float64"
)
def mean_and_covariance(images, judge):
    judge.train(False)
    n, mean, products = 0, 0.0, 0.0
    with torch.no_grad():
        for part in images.split(64):
            f = judge.features_and_logits((part.to(torch.float32) - 127.5) / 127.5)[0].double()
            m, centred = f.mean(0), f - f.mean(0)
            shift = m - mean
            total = n + len(f)
            products = (
                products + centred.T @ centred + torch.outer(shift, shift) * n * len(f) / total
            )
            mean = mean + shift * len(f) / total
            n = total
    return mean, products / (n - 1)


# ---- 6.2 wrong
@wrong(
    "6.2",
    "train mode by name",
    "judge.train() before looking, judge.eval() afterwards: the wrong way round",
)
def mean_and_covariance(images, judge):
    judge.train()
    with torch.no_grad():
        features, _ = judge.features_and_logits(images / 127.5 - 1)
    judge.eval()
    return features.mean(dim=0), torch.cov(features.T)


# ---- 6.2 wrong
@wrong("6.2", "[0, 255]", "images.float() without any scaling")
def mean_and_covariance(images, judge):
    judge.eval()
    with torch.no_grad():
        features, _ = judge.features_and_logits(images.float())
    return features.mean(dim=0), torch.cov(features.T)


# ---- 6.2 wrong
@wrong("6.2", "bytes overflow", "images * 2 wraps in uint8 before it becomes float")
def mean_and_covariance(images, judge):
    judge.eval()
    with torch.no_grad():
        features, _ = judge.features_and_logits((images * 2) / 255 - 1)
    return features.mean(dim=0), torch.cov(features.T)


# ---- 6.2 wrong
@wrong("6.2", "divides by N", "the population covariance")
def mean_and_covariance(images, judge):
    judge.eval()
    with torch.no_grad():
        features, _ = judge.features_and_logits(images / 127.5 - 1)
    return features.mean(dim=0), torch.cov(features.T, correction=0)


# ---- 6.2 wrong
@wrong("6.2", "logits", "the second output in place of the first")
def mean_and_covariance(images, judge):
    judge.eval()
    with torch.no_grad():
        _, features = judge.features_and_logits(images / 127.5 - 1)
    return features.mean(dim=0), torch.cov(features.T)


# ---- 6.2 wrong
@wrong("6.2", "not centred", "second moments: the mean is not subtracted")
def mean_and_covariance(images, judge):
    f = good_features(images, judge)
    return f.mean(dim=0), f.T @ f / (len(f) - 1)


# ---- 6.2 wrong
@wrong(
    "6.2",
    "covariances of batches averaged",
    "mean of the parts' covariances: what the parts' means differ by is lost",
)
def mean_and_covariance(images, judge):
    parts = [good_features(part, judge) for part in images.split(32) if len(part) > 1]
    return torch.stack([f.mean(0) for f in parts]).mean(0), torch.stack(
        [f.T.cov() for f in parts]
    ).mean(0)


# ---- 6.2 wrong
@wrong("6.2", "standard deviations", "a vector of standard deviations in place of the matrix")
def mean_and_covariance(images, judge):
    f = good_features(images, judge)
    return f.mean(0), f.std(0)


# ---- 6.2 wrong
@wrong("6.2", "features of length 1", "each feature vector is normalised first")
def mean_and_covariance(images, judge):
    f = F.normalize(good_features(images, judge), dim=1)
    return f.mean(0), f.T.cov()


# ---- 6.3 right
@right("6.3", "eigenvalues of the product", "the hints")
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    roots = torch.linalg.eigvals(cov_r @ cov_g).real.clamp(min=0).sqrt()
    return (
        ((mean_r - mean_g) ** 2).sum().item()
        + torch.trace(cov_r + cov_g).item()
        - 2 * roots.sum().item()
    )


# ---- 6.3 right
@right("6.3", "symmetric root", "tr (AB)^(1/2) = tr (S B S)^(1/2) with S = A^(1/2), all symmetric")
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    values, vectors = torch.linalg.eigh(cov_r)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    inner = torch.linalg.eigvalsh(root @ cov_g @ root).clamp(min=0).sqrt().sum()
    return (mean_r - mean_g).dot(mean_r - mean_g) + cov_r.trace() + cov_g.trace() - 2 * inner


# ---- 6.3 right
@right(
    "6.3",
    "nuclear norm of two factors",
    "with A = L L^T and B = M M^T the trace is the sum of the singular values of L^T M",
)
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    def factor(c):
        values, vectors = torch.linalg.eigh((c + c.T) / 2)
        return vectors * values.clamp(min=0).sqrt()

    overlap = torch.linalg.matrix_norm(factor(cov_r).T @ factor(cov_g), ord="nuc")
    return float(
        torch.dist(mean_r, mean_g) ** 2
        + cov_r.diagonal().sum()
        + cov_g.diagonal().sum()
        - 2 * overlap
    )


# ---- 6.3 wrong
@wrong("6.3", "root of every entry", "the root of each entry of the product (negative ones as 0)")
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    root = (cov_r @ cov_g).clamp(min=0).sqrt()
    return ((mean_r - mean_g).square().sum() + (cov_r + cov_g - 2 * root).trace()).item()


# ---- 6.3 wrong
@wrong(
    "6.3",
    "no clamp",
    "roots of the real parts as they are: nan where rounding makes one negative (singular covariances)",
)
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    roots = torch.linalg.eigvals(cov_r @ cov_g).real.sqrt().sum()
    return ((mean_r - mean_g).square().sum() + cov_r.trace() + cov_g.trace() - 2 * roots).item()


# ---- 6.3 wrong
@wrong(
    "6.3",
    "symmetrised product",
    "eigenvalues of (AB + BA) / 2: others than those of AB unless A and B commute",
)
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    product = (cov_r @ cov_g + cov_g @ cov_r) / 2
    roots = torch.linalg.eigvalsh(product).clamp(min=0).sqrt().sum()
    return ((mean_r - mean_g).square().sum() + cov_r.trace() + cov_g.trace() - 2 * roots).item()


# ---- 6.3 wrong
@wrong(
    "6.3",
    "singular values of the product",
    "roots of singular values in place of eigenvalues of AB",
)
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    roots = torch.linalg.svdvals(cov_r @ cov_g).sqrt().sum()
    return ((mean_r - mean_g).square().sum() + cov_r.trace() + cov_g.trace() - 2 * roots).item()


# ---- 6.3 wrong
@wrong(
    "6.3",
    "variances only",
    "sum of (sigma_r - sigma_g)^2 along the axes: correlations do not count",
)
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    return (
        (mean_r - mean_g).square().sum()
        + (cov_r.diagonal().sqrt() - cov_g.diagonal().sqrt()).square().sum()
    ).item()


# ---- 6.3 wrong
@wrong("6.3", "complex", "returns a complex number: the roots are summed as they come")
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    roots = torch.linalg.eigvals(cov_r @ cov_g).sqrt().sum()
    return ((mean_r - mean_g).square().sum() + cov_r.trace() + cov_g.trace() - 2 * roots).item()


# ---- 6.3 wrong
@wrong(
    "6.3",
    "jitter of 0.01",
    "adds 0.01 to both diagonals 'against singular matrices' and leaves it in the root",
)
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    eye = 0.01 * torch.eye(len(cov_r), dtype=cov_r.dtype)
    roots = torch.linalg.eigvals((cov_r + eye) @ (cov_g + eye)).real.clamp(min=0).sqrt().sum()
    return ((mean_r - mean_g).square().sum() + cov_r.trace() + cov_g.trace() - 2 * roots).item()


# ---- 6.3 wrong
@wrong(
    "6.3",
    "changes the mean",
    "mean_r -= mean_g: the caller's reference is spoilt, so the next call differs",
)
def frechet_distance(mean_r, cov_r, mean_g, cov_g):
    mean_r -= mean_g
    roots = torch.linalg.eigvals(cov_r @ cov_g).real.clamp(min=0).sqrt().sum()
    return (mean_r.square().sum() + cov_r.trace() + cov_g.trace() - 2 * roots).item()


# ---- 6.4 right
@right("6.4", "diagonals subtracted", "sum minus trace, over n (n - 1)")
def kernel_distance(x, y):
    d = x.shape[1]
    k = lambda a, b: (a @ b.T / d + 1) ** 3
    n, m = len(x), len(y)
    xx, yy, xy = k(x, x), k(y, y), k(x, y)
    return (
        (xx.sum() - xx.trace()) / (n * (n - 1))
        + (yy.sum() - yy.trace()) / (m * (m - 1))
        - 2 * xy.mean()
    ).item()


# ---- 6.4 right
@right(
    "6.4",
    "pairs above the diagonal",
    "the kernel is symmetric: each pair once, by combinations of indices",
)
def kernel_distance(x, y):
    d = x.size(-1)

    def within(a):
        i, j = torch.triu_indices(len(a), len(a), offset=1)
        return ((a[i] * a[j]).sum(1) / d + 1).pow(3).mean()

    across = ((x[:, None] * y[None]).sum(-1) / d + 1).pow(3).mean()
    return within(x) + within(y) - 2 * across


# ---- 6.4 wrong
@wrong("6.4", "biased", "the diagonal is kept: means over all pairs")
def kernel_distance(x, y):
    d = x.shape[1]
    k = lambda a, b: (a @ b.T / d + 1) ** 3
    return (k(x, x).mean() + k(y, y).mean() - 2 * k(x, y).mean()).item()


# ---- 6.4 wrong
@wrong(
    "6.4",
    "diagonal out, count not",
    "the diagonal is left out of the sum, which is still divided by n^2",
)
def kernel_distance(x, y):
    d = x.shape[1]
    k = lambda a, b: (a @ b.T / d + 1) ** 3
    xx, yy = k(x, x).fill_diagonal_(0), k(y, y).fill_diagonal_(0)
    return (xx.mean() + yy.mean() - 2 * k(x, y).mean()).item()


# ---- 6.4 wrong
@wrong(
    "6.4",
    "diagonal cleared before the cube",
    "fill_diagonal_(0) on the products: the entries become 1 and stay in the sum",
)
def kernel_distance(x, y):
    d, n, m = x.shape[1], len(x), len(y)
    xx = ((x @ x.T).fill_diagonal_(0) / d + 1) ** 3
    yy = ((y @ y.T).fill_diagonal_(0) / d + 1) ** 3
    return (
        xx.sum() / (n * (n - 1)) + yy.sum() / (m * (m - 1)) - 2 * ((x @ y.T / d + 1) ** 3).mean()
    ).item()


# ---- 6.4 wrong
@wrong("6.4", "square instead of cube", "a kernel of degree 2")
def kernel_distance(x, y):
    d, n, m = x.shape[1], len(x), len(y)
    k = lambda a, b: (a @ b.T / d + 1) ** 2
    xx, yy = k(x, x).fill_diagonal_(0), k(y, y).fill_diagonal_(0)
    return (xx.sum() / (n * (n - 1)) + yy.sum() / (m * (m - 1)) - 2 * k(x, y).mean()).item()


# ---- 6.4 wrong
@wrong("6.4", "+1 forgotten", "(x.y / d)^3")
def kernel_distance(x, y):
    d, n, m = x.shape[1], len(x), len(y)
    k = lambda a, b: (a @ b.T / d) ** 3
    xx, yy = k(x, x).fill_diagonal_(0), k(y, y).fill_diagonal_(0)
    return (xx.sum() / (n * (n - 1)) + yy.sum() / (m * (m - 1)) - 2 * k(x, y).mean()).item()


# ---- 6.4 wrong
@wrong(
    "6.4",
    "pairs i = j left out across",
    "the third term leaves out i = j too: right numbers of pairs, another estimate; fails for n unlike m",
)
def kernel_distance(x, y):
    d, n = x.shape[1], len(x)
    k = lambda a, b: (a @ b.T / d + 1) ** 3
    total = k(x, x) + k(y, y) - 2 * k(x, y)
    return (total.fill_diagonal_(0).sum() / (n * (n - 1))).item()


# ---- 6.4 wrong
@wrong("6.4", "n for both", "n in place of m in the second and third term: right for n = m only")
def kernel_distance(x, y):
    d, n = x.shape[1], len(x)
    k = lambda a, b: (a @ b.T / d + 1) ** 3
    xx, yy = k(x, x).fill_diagonal_(0), k(y, y).fill_diagonal_(0)
    return (
        xx.sum() / (n * (n - 1)) + yy.sum() / (n * (n - 1)) - 2 * k(x, y).sum() / (n * n)
    ).item()


# ---- 6.4 wrong
@wrong(
    "6.4",
    "centred features",
    "x and y have the mean of all points subtracted: the kernel is not the same for moved points",
)
def kernel_distance(x, y):
    d, n, m = x.shape[1], len(x), len(y)
    mean = torch.cat([x, y]).mean(0)
    x, y = x - mean, y - mean
    k = lambda a, b: (a @ b.T / d + 1) ** 3
    xx, yy = k(x, x).fill_diagonal_(0), k(y, y).fill_diagonal_(0)
    return (xx.sum() / (n * (n - 1)) + yy.sum() / (m * (m - 1)) - 2 * k(x, y).mean()).item()


# ---- 6.5 right
@right(
    "6.5",
    "own distance set to infinity",
    "sorted with the diagonal at infinity; compared as squares, strictly",
)
def precision_recall(fake, real, k=3):
    squares = lambda a, b: (a[:, None] - b[None]).square().sum(-1)

    def share(samples, centers):
        own = squares(centers, centers)
        own.fill_diagonal_(float("inf"))
        radius = own.sort(dim=1).values[:, k - 1]
        return (squares(samples, centers) < radius[None]).any(1).double().mean()

    return share(fake, real), share(real, fake)


# ---- 6.5 right
@right(
    "6.5",
    "kd-tree",
    "scipy's tree finds k + 1 neighbours, the first of which is the point itself; one centre at a time",
)
def precision_recall(fake, real, k=3):
    def share(samples, centers):
        samples, centers = np.asarray(samples), np.asarray(centers)
        radius = cKDTree(centers).query(centers, k=k + 1)[0][:, -1]
        hit = np.zeros(len(samples), dtype=bool)
        for center, r in zip(centers, radius):
            hit |= np.linalg.norm(samples - center, axis=1) <= r
        return hit.mean()

    return share(fake, real), share(real, fake)


# ---- 6.5 wrong
@wrong(
    "6.5", "self counted", "the k-th smallest in the row counts the point itself: k - 1 neighbours"
)
def precision_recall(fake, real, k=3):
    def inside(samples, centers):
        radius = torch.cdist(centers, centers).kthvalue(k, dim=1).values
        return (torch.cdist(samples, centers) <= radius).any(dim=1).double().mean().item()

    return inside(fake, real), inside(real, fake)


# ---- 6.5 wrong
@wrong("6.5", "exchanged", "(recall, precision)")
def precision_recall(fake, real, k=3):
    def inside(samples, centers):
        radius = torch.cdist(centers, centers).kthvalue(k + 1, dim=1).values
        return (torch.cdist(samples, centers) <= radius).any(dim=1).double().mean().item()

    return inside(real, fake), inside(fake, real)


# ---- 6.5 wrong
@wrong(
    "6.5",
    "arguments exchanged for one",
    "the second share is computed like the first: precision twice",
)
def precision_recall(fake, real, k=3):
    def inside(samples, centers):
        radius = torch.cdist(centers, centers).kthvalue(k + 1, dim=1).values
        return (torch.cdist(samples, centers) <= radius).any(dim=1).double().mean().item()

    return inside(fake, real), inside(samples=fake, centers=real)


# ---- 6.5 wrong
@wrong("6.5", "k ignored", "three neighbours, whatever k is")
def precision_recall(fake, real, k=3):
    def inside(samples, centers):
        radius = torch.cdist(centers, centers).sort(dim=1).values[:, 3]
        return (torch.cdist(samples, centers) <= radius).any(dim=1).double().mean().item()

    return inside(fake, real), inside(real, fake)


# ---- 6.5 wrong
@wrong(
    "6.5",
    "radii along the wrong axis",
    "radius[:, None] for distances (samples, centres): fails unless n = m, and then mixes up the balls",
)
def precision_recall(fake, real, k=3):
    def inside(samples, centers):
        radius = torch.cdist(centers, centers).kthvalue(k + 1, dim=1).values
        return (torch.cdist(samples, centers) <= radius[:, None]).any(dim=1).double().mean().item()

    return inside(fake, real), inside(real, fake)


# ---- 6.5 wrong
@wrong("6.5", "per cent", "shares times 100")
def precision_recall(fake, real, k=3):
    def inside(samples, centers):
        radius = torch.cdist(centers, centers).kthvalue(k + 1, dim=1).values
        return 100 * (torch.cdist(samples, centers) <= radius).any(dim=1).double().mean().item()

    return inside(fake, real), inside(real, fake)


# ---- 6.5 wrong
@wrong(
    "6.5",
    "divided by the other count",
    "hits among the fakes over the number of real samples, and the other way round",
)
def precision_recall(fake, real, k=3):
    def hits(samples, centers):
        radius = torch.cdist(centers, centers).kthvalue(k + 1, dim=1).values
        return (torch.cdist(samples, centers) <= radius).any(dim=1).sum().item() / len(centers)

    return hits(fake, real), hits(real, fake)


# ---- 6.5 wrong
@wrong("6.5", "inside all balls", "all in place of any")
def precision_recall(fake, real, k=3):
    def inside(samples, centers):
        radius = torch.cdist(centers, centers).kthvalue(k + 1, dim=1).values
        return (torch.cdist(samples, centers) <= radius).all(dim=1).double().mean().item()

    return inside(fake, real), inside(real, fake)


# ---- 6.5 wrong
@wrong(
    "6.5",
    "k-th nearest of both",
    "the radius reaches to the k-th nearest among real and fake samples together",
)
def precision_recall(fake, real, k=3):
    both = torch.cat([fake, real])

    def inside(samples, centers):
        radius = torch.cdist(centers, both).kthvalue(k + 1, dim=1).values
        return (torch.cdist(samples, centers) <= radius).any(dim=1).double().mean().item()

    return inside(fake, real), inside(real, fake)


# ---- 6.6 right
@right("6.6", "sorted by guesses", "guessed scores, sorted")
def predicted_orders():
    names = ["blurred", "half the classes", "memoriser", "noisy", "one of each", "speckle"]
    guess_is = dict(zip(names, (8.5, 5, 9.5, 7, 10, 1.2)))
    guess_fd = dict(zip(names, (9, 30, 0.3, 20, 25, 300)))
    return [sorted(names, key=guess_is.get, reverse=True), sorted(names, key=guess_fd.get)]


# ---- 6.6 right
@right("6.6", "the same order twice", "a poor guess, but all six names in both")
def predicted_orders():
    order = ["memoriser", "noisy", "blurred", "half the classes", "one of each", "speckle"]
    return order, list(order)


# ---- 6.6 wrong
@wrong("6.6", "another spelling", "'memorizer' is none of the six names")
def predicted_orders():
    by_is = ["one of each", "memorizer", "half the classes", "blurred", "noisy", "speckle"]
    by_fd = ["memorizer", "blurred", "one of each", "noisy", "half the classes", "speckle"]
    return by_is, by_fd


# ---- 6.6 wrong
@wrong("6.6", "one list", "a single order, not two")
def predicted_orders():
    return ["one of each", "memoriser", "half the classes", "blurred", "noisy", "speckle"]


# ---- 6.6 wrong
@wrong("6.6", "seven names", "the real digits are put in as well")
def predicted_orders():
    by_is = [
        "one of each",
        "other real digits",
        "memoriser",
        "half the classes",
        "blurred",
        "noisy",
        "speckle",
    ]
    by_fd = [
        "other real digits",
        "memoriser",
        "blurred",
        "one of each",
        "noisy",
        "half the classes",
        "speckle",
    ]
    return by_is, by_fd


# ---- 6.8 right
@right("6.8", "sampled in parts", "parts of 64 and a rest; eval mode restored; further entries")
def evaluate_gan(sample, reference, judge):
    mode, n = judge.training, len(reference)
    parts, missing = [], n
    while missing:
        part = sample(min(64, missing))
        parts.append(part.detach().add(1).mul(127.5).add(0.5).clamp(0, 255).floor().byte())
        missing -= len(part)
    images = torch.cat(parts)
    judge.eval()
    stats = {name: good_statistics(x, judge) for name, x in (("r", reference), ("g", images))}
    judge.train(mode)
    return {
        "FD": good_fd(*stats["r"], *stats["g"]),
        "n": len(images),
        "n_reference": n,
        "judge": type(judge).__name__,
        "mean shift": (stats["r"][0] - stats["g"][0]).norm().item(),
    }


# ---- 6.8 right
@right(
    "6.8",
    "samples, no covariance",
    "FD from the singular values of the product of centred samples, which is the same number",
)
def evaluate_gan(sample, reference, judge):
    with torch.no_grad():
        x = good_features(as_bytes(sample(len(reference))), judge)
    y = good_features(reference, judge)
    a, b = ((f - f.mean(0)) / (len(f) - 1) ** 0.5 for f in (x, y))
    fd = (
        (x.mean(0) - y.mean(0)).square().sum()
        + a.square().sum()
        + b.square().sum()
        - 2 * torch.linalg.svdvals(a @ b.T).sum()
    )
    return dict(FD=fd.item(), n=x.shape[0], n_reference=y.shape[0])


# ---- 6.8 wrong
@wrong("6.8", "1,000 images", "always 1,000 generated images")
def evaluate_gan(sample, reference, judge):
    images = as_bytes(sample(1000))
    return {
        "FD": good_fd(*good_statistics(reference, judge), *good_statistics(images, judge)),
        "n": 1000,
        "n_reference": len(reference),
    }


# ---- 6.8 wrong
@wrong("6.8", "[0, 1] to bytes", "x * 255 clamped: everything below grey is black")
def evaluate_gan(sample, reference, judge):
    images = (sample(len(reference)) * 255).clamp(0, 255).round().to(torch.uint8)
    return {
        "FD": good_fd(*good_statistics(reference, judge), *good_statistics(images, judge)),
        "n": len(images),
        "n_reference": len(reference),
    }


# ---- 6.8 wrong
@wrong("6.8", "root of the distance", "sqrt(FD) under the name FD")
def evaluate_gan(sample, reference, judge):
    images = as_bytes(sample(len(reference)))
    fd = good_fd(*good_statistics(reference, judge), *good_statistics(images, judge))
    return {"FD": max(fd, 0.0) ** 0.5, "n": len(images), "n_reference": len(reference)}


# ---- 6.8 wrong
@wrong("6.8", "best of three", "three draws, and the smallest distance is reported")
def evaluate_gan(sample, reference, judge):
    target = good_statistics(reference, judge)
    fds = [
        good_fd(*target, *good_statistics(as_bytes(sample(len(reference))), judge))
        for _ in range(3)
    ]
    return {"FD": min(fds), "n": len(reference), "n_reference": len(reference)}


# ---- 6.8 wrong
@wrong("6.8", "small letters", "the key is 'fd'")
def evaluate_gan(sample, reference, judge):
    images = as_bytes(sample(len(reference)))
    return {
        "fd": good_fd(*good_statistics(reference, judge), *good_statistics(images, judge)),
        "n": len(images),
        "n_reference": len(reference),
    }


# ---- 6.8 wrong
@wrong("6.8", "wrong entry of the shape", "both counts are shape[-1], the width of an image")
def evaluate_gan(sample, reference, judge):
    images = as_bytes(sample(len(reference)))
    return {
        "FD": good_fd(*good_statistics(reference, judge), *good_statistics(images, judge)),
        "n": images.shape[-1],
        "n_reference": reference.shape[-1],
    }


# ---- 6.8 wrong
@wrong(
    "6.8",
    "rest of the batches left out",
    "draws whole batches of 100 only: fewer than the reference unless 100 divides M",
)
def evaluate_gan(sample, reference, judge):
    images = torch.cat([as_bytes(sample(100)) for _ in range(max(1, len(reference) // 100))])
    return {
        "FD": good_fd(*good_statistics(reference, judge), *good_statistics(images, judge)),
        "n": len(images),
        "n_reference": len(reference),
    }


# ---- 6.8 wrong
@wrong("6.8", "logits", "the distance is computed from the judge's logits")
def evaluate_gan(sample, reference, judge):
    judge.eval()

    def statistics(images):
        with torch.no_grad():
            f = judge.features_and_logits(images.float() / 127.5 - 1)[1].double()
        return f.mean(0), f.T.cov()

    images = as_bytes(sample(len(reference)))
    return {
        "FD": good_fd(*statistics(reference), *statistics(images)),
        "n": len(images),
        "n_reference": len(reference),
    }
