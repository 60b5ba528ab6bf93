"""Answers to the exercises of notebook 06: correct ones in several styles, and wrong ones.

See `test_answers.py` for the three tables; here they are lists, numbered below.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

# --- 6.1 -----------------------------------------------------------------------------------------


def _is(logits, splits=10, *, probabilities=None, kl=None, shuffle=True, last=torch.exp):
    """The Inception score with every step exchangeable."""
    if shuffle:
        logits = logits[torch.randperm(len(logits))]
    log_p = logits.log_softmax(1)
    p = log_p.exp() if probabilities is None else probabilities(logits)
    scores = []
    for part, log_part in zip(p.chunk(splits), log_p.chunk(splits), strict=True):
        log_q = log_part.logsumexp(0) - math.log(len(part))
        each = (part * (log_part - log_q)).sum(1) if kl is None else kl(part, part.mean(0))
        scores.append(last(each.mean()))
    return torch.stack(scores).mean().item()


def is_loop(logits, splits=10):
    order = torch.randperm(len(logits)).tolist()
    size, scores = len(order) // splits, []
    for i in range(splits):
        rows = [F.log_softmax(logits[j].double(), dim=0) for j in order[i * size : (i + 1) * size]]
        q = sum(row.exp() for row in rows) / size
        total = sum(float((row.exp() * (row - q.log())).sum()) for row in rows)
        scores.append(math.exp(total / size))
    return sum(scores) / splits


def is_numpy(logits, splits=10):
    z = logits.double().numpy()
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    np.random.default_rng(0).shuffle(log_p)
    parts = np.array_split(log_p, splits)
    kls = [(np.exp(a) * (a - np.log(np.exp(a).mean(0)))).sum(1).mean() for a in parts]
    return np.exp(kls).mean()


def is_entropies(logits, splits=10):
    """H(mean) - mean H, with every splits-th sample in a part instead of a shuffle."""

    def entropy(p):
        return torch.special.entr(p).sum(-1)

    p = torch.softmax(logits, dim=-1)
    parts = [p[i::splits] for i in range(splits)]
    return torch.stack([(entropy(a.mean(0)) - entropy(a).mean()).exp() for a in parts]).mean()


def is_shuffled_strides(logits, splits=10):
    return is_entropies(logits[torch.randperm(len(logits))], splits)


class IsClass:
    def __call__(self, logits, splits=10):
        p = torch.softmax(logits[torch.randperm(len(logits))].double(), 1)
        return float(
            np.mean(
                [
                    F.kl_div(a.mean(0).log().expand_as(a), a, reduction="batchmean").exp()
                    for a in p.split(len(p) // splits)
                ]
            )
        )


def is_dealt(logits, splits=10):
    """Every part gets the same mix of classes: sorted by class, then dealt out like cards."""
    log_p = logits.double().log_softmax(1)[logits.argmax(1).argsort(stable=True)]
    parts = [log_p[i::splits] for i in range(splits)]
    return sum(_part_score(a, a.exp().mean(0)) for a in parts) / splits


def _part_score(log_p, q):
    return (log_p.exp() * (log_p - q.log())).sum(1).mean().exp().item()


def _in_parts(scores):
    """Shuffled, in float64; `scores` makes the result of the parts' log p and the whole p."""

    def answer(logits, splits=10):
        log_p = logits.double().log_softmax(1)[torch.randperm(len(logits))]
        return scores(log_p.chunk(splits), log_p.exp())

    return answer


def is_first_part(parts, p):
    return _part_score(parts[0], parts[0].exp().mean(0))


def is_last_exp(parts, p):
    return math.exp(sum(math.log(_part_score(a, a.exp().mean(0))) for a in parts) / len(parts))


def is_common_marginal(parts, p):
    return sum(_part_score(a, p.mean(0)) for a in parts) / len(parts)


def is_float32(logits, splits=10):
    """log p(y|x) is safe; log p(y) is not, where a class never gets any mass."""
    log_p = logits.log_softmax(1)[torch.randperm(len(logits))]
    return sum(_part_score(a, a.exp().mean(0)) for a in log_p.chunk(splits)) / splits


def _naive_kl(p, q):
    return (p * (p / q).log()).sum(1)


def _reversed_kl(p, q):
    return (q * (q.log() - p.log())).sum(1)


# --- 6.2 -----------------------------------------------------------------------------------------


def _look(images, judge, *, scale=None, evaluate=True):
    if evaluate:
        judge.eval()
    x = images.float() / 127.5 - 1 if scale is None else scale(images)
    with torch.no_grad():
        return judge.features_and_logits(x)[0]


def mc_plain(images, judge):
    f = _look(images, judge).double()
    return f.mean(0), torch.cov(f.T)


def mc_by_hand(images, judge):
    f = _look(images, judge)
    mean = f.mean(dim=0, keepdim=True)
    return mean.squeeze(0), (f - mean).T @ (f - mean) / (len(f) - 1)


def mc_numpy_batches(images, judge):
    judge.train(False)
    parts = []
    for batch in images.split(5):
        x = 2 * (batch.float() / 255) - 1
        parts.append(judge.features_and_logits(x)[0].detach().numpy())
    f = np.concatenate(parts).astype(np.float64)
    return f.mean(axis=0), np.cov(f, rowvar=False)


def mc_list(images, judge):
    was = judge.training
    judge.eval()
    f = judge.features_and_logits((images.float() - 127.5) / 127.5)[0]
    judge.train(was)
    return [f.mean(0), f.T.cov()]


def mc_plain_lists(images, judge):
    return [part.tolist() for part in mc_plain(images, judge)]


def mc_objects(images, judge):
    return [part.numpy().astype(object) for part in mc_plain(images, judge)]


def mc_with_gradients(images, judge):
    f = judge.eval().features_and_logits(images.float() / 127.5 - 1)[0]
    return list(f.mean(0)), torch.cov(f.T)


def _look_at_whole_batches(images, judge, size=5):
    judge.eval()
    starts = range(0, len(images) - size + 1, size)
    parts = [judge.features_and_logits(images[i : i + size].float() / 127.5 - 1)[0] for i in starts]
    return torch.cat(parts).detach()


def _look_at_both(images, judge):
    """Forgets that features come with logits."""
    return judge.eval().features_and_logits(images.float() / 127.5 - 1)


def _mc(look=None, cov=lambda f: torch.cov(f.T), mean=lambda f: f.mean(0)):
    def answer(images, judge):
        f = (look or _look)(images, judge)
        return mean(f), cov(f)

    return answer


# --- 6.3 -----------------------------------------------------------------------------------------


def fd_eigvals(mr, cr, mg, cg):
    root = torch.linalg.eigvals(cr @ cg).real.clamp(min=0).sqrt().sum()
    return ((mr - mg) ** 2).sum() + cr.trace() + cg.trace() - 2 * root


def fd_scipy(mr, cr, mg, cg):
    from scipy.linalg import sqrtm

    root = sqrtm((cr @ cg).numpy() + 1e-12 * np.eye(len(mr)))
    d = (mr - mg).numpy()
    return float(d @ d + np.trace(cr) + np.trace(cg) - 2 * np.trace(np.real(root)))


def fd_symmetric(mr, cr, mg, cg):
    values, vectors = torch.linalg.eigh(cr)
    half = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
    inner = torch.linalg.eigvalsh(half @ cg @ half).clamp_min(0)
    return torch.dist(mr, mg).item() ** 2 + (cr + cg).trace().item() - 2 * inner.sqrt().sum().item()


class FdClass:
    def __init__(self, factor=2.0):
        self.factor = factor

    def __call__(self, mean_r, cov_r, mean_g, cov_g):
        s = torch.linalg.svdvals(self.root(cov_r) @ self.root(cov_g)).sum()
        shift = torch.linalg.vector_norm(mean_r - mean_g).square()
        return np.asarray(shift + torch.diagonal(cov_r + cov_g).sum() - self.factor * s)

    @staticmethod
    def root(c):
        values, vectors = torch.linalg.eigh(c)
        return vectors * values.clamp(min=0).sqrt() @ vectors.T


def fd_complex(mr, cr, mg, cg):
    root = torch.linalg.eigvals(cr @ cg).sqrt().sum()
    return ((mr - mg) ** 2).sum() + cr.trace() + cg.trace() - 2 * root


def fd_elementwise(mr, cr, mg, cg):
    return float(((mr - mg) ** 2).sum() + (cr + cg - 2 * (cr @ cg).clamp(min=0).sqrt()).trace())


def fd_elementwise_nan(mr, cr, mg, cg):
    return float(
        ((mr - mg) ** 2).sum() + (cr + cg - 2 * (cr * cg).sqrt() @ torch.eye(3).double()).sum()
    )


def fd_separate(mr, cr, mg, cg):
    root = (FdClass.root(cr) @ FdClass.root(cg)).trace()
    return ((mr - mg) ** 2).sum() + cr.trace() + cg.trace() - 2 * root


def fd_one_triangle(product, clamp=True):
    def answer(mr, cr, mg, cg):
        values = torch.linalg.eigvalsh(product(cr, cg))
        root = (values.clamp(min=0) if clamp else values).sqrt().sum()
        return ((mr - mg) ** 2).sum() + (cr + cg).trace() - 2 * root

    return answer


def fd_mean_square(mr, cr, mg, cg):
    return fd_eigvals(mr, cr, mr, cg) + F.mse_loss(mr, mg)


def fd_cholesky(mr, cr, mg, cg):
    """Right, but not for a singular covariance."""
    lower = torch.linalg.cholesky(cr)
    root = torch.linalg.eigvalsh(lower.T @ cg @ lower).clamp(min=0).sqrt().sum()
    return ((mr - mg) ** 2).sum() + cr.trace() + cg.trace() - 2 * root


def fd_no_clamp(mr, cr, mg, cg):
    values, vectors = torch.linalg.eigh(cr)
    half = vectors * values.sqrt() @ vectors.T
    return (
        (mr - mg).square().sum()
        + (cr + cg).trace()
        - 2 * torch.linalg.eigvalsh(half @ cg @ half).sqrt().sum()
    )


# --- 6.4 -----------------------------------------------------------------------------------------


def kd_plain(x, y):
    d, n, m = x.shape[1], len(x), len(y)
    kxx, kyy, kxy = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = (kxx.sum() - kxx.trace()) / (n * (n - 1)) + (kyy.sum() - kyy.trace()) / (m * (m - 1))
    return within - 2 * kxy.mean()


def kd_loop(x, y):
    def k(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    def within(s):
        pairs = [(i, j) for i in range(len(s)) for j in range(len(s)) if i != j]
        return sum(k(s[i], s[j]) for i, j in pairs) / len(pairs)

    across = sum(k(a, b) for a in x for b in y) / (len(x) * len(y))
    return within(x) + within(y) - 2 * across


def kd_numpy(x, y):
    x, y = x.numpy(), y.numpy()

    def kernel(a, b):
        return np.power(1 + np.einsum("id,jd->ij", a, b) / a.shape[1], 3)

    def off(k):
        return k[~np.eye(len(k), dtype=bool)].mean()

    return off(kernel(x, x)) + off(kernel(y, y)) - 2 * np.mean(kernel(x, y))


def kd_one_matrix(x, y):
    both = torch.vstack([x, y])
    k = (both @ both.T).div(both.size(1)).add(1).pow(3).fill_diagonal_(0)
    n, m = len(x), len(y)
    a, b, c = k[:n, :n].sum(), k[n:, n:].sum(), k[:n, n:].sum()
    return np.array([float(a / (n * n - n) + b / (m * m - m) - 2 * c / (n * m))])


def kd_zeroed_diagonal(x, y):
    """The pairs of a sample with itself are set to 0, but counted."""
    kxx, kyy, kxy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    return kxx.fill_diagonal_(0).mean() + kyy.fill_diagonal_(0).mean() - 2 * kxy.mean()


def _kd(scale=None, two=2, diagonal=False, power=3, last=lambda v: v):
    def answer(x, y):
        d = x.shape[1] if scale is None else scale
        kxx, kyy, kxy = ((a @ b.T / d + 1) ** power for a, b in ((x, x), (y, y), (x, y)))
        if diagonal:
            return last(kxx.mean() + kyy.mean() - two * kxy.mean())
        n, m = len(x), len(y)
        a, b = (kxx.sum() - kxx.trace()) / (n * n - n), (kyy.sum() - kyy.trace()) / (m * m - m)
        return last(a + b - two * kxy.mean())

    return answer


# --- 6.5 -----------------------------------------------------------------------------------------


def pr_plain(fake, real, k=3):
    def inside(a, b):
        radii = torch.cdist(b, b).kthvalue(k + 1).values
        return (torch.cdist(a, b) <= radii).any(1).double().mean()

    return inside(fake, real), inside(real, fake)


def pr_loop(fake, real, k=3):
    def share(points, centres):
        count = 0
        radii = [sorted(float((c - o).norm()) for o in centres)[k] for c in centres]
        for p in points:
            count += any(float((p - c).norm()) < r for c, r in zip(centres, radii, strict=True))
        return count / len(points)

    return share(fake, real), share(real, fake)


def pr_numpy(fake, real, k=3):
    f, r = fake.numpy(), real.numpy()

    def distances(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))

    def radii(a):
        d = distances(a, a)
        np.fill_diagonal(d, np.inf)
        return np.sort(d, axis=1)[:, k - 1]

    cross = distances(f, r)
    precision = (cross < radii(r)[None, :]).any(axis=1).mean()
    recall = (cross < radii(f)[:, None]).any(axis=0).mean()
    return np.array([precision]), np.array([recall])


def pr_topk(fake, real, k=3):
    both = []
    for a, b in ((fake, real), (real, fake)):
        radii = torch.cdist(b, b).topk(k + 1, largest=False, dim=1).values[:, -1]
        both.append(((torch.cdist(a, b) - radii[None]).amin(1) <= 0).float().mean().item())
    return both


def pr_swapped(fake, real, k=3):
    return pr_plain(fake, real, k)[::-1]


def pr_own_neighbour(fake, real, k=3):
    return pr_plain(fake, real, k - 1)


def pr_wrong_balls(fake, real, k=3):
    def share(a, b):
        radii = torch.cdist(a, a).kthvalue(k + 1).values[:, None]
        return (torch.cdist(a, b) <= radii).any(1).double().mean()

    return share(fake, real), share(real, fake)


def pr_coverage(fake, real, k=3):
    """The second share asks of each real ball whether a fake lies in it."""
    radii = torch.cdist(real, real).kthvalue(k + 1).values
    inside = torch.cdist(fake, real) <= radii
    return inside.any(1).double().mean(), inside.any(0).double().mean()


def pr_wrong_axis(fake, real, k=3):
    radii = torch.cdist(real, real).kthvalue(k + 1).values[:, None]
    inside = torch.cdist(fake, real) <= radii
    return inside.any(1).double().mean(), inside.any(0).double().mean()


def pr_wrong_axis_numpy(fake, real, k=3):
    fake, real = fake.numpy(), real.numpy()
    distances = np.linalg.norm(fake[:, None] - real[None], axis=-1)
    radii = np.sort(np.linalg.norm(real[:, None] - real[None], axis=-1))[:, k]
    return (distances <= radii[:, None]).any(1).mean(), (distances <= radii[:, None]).any(0).mean()


def pr_counts(fake, real, k=3):
    precision, recall = pr_plain(fake, real, k)
    return precision * len(fake), recall * len(real)


def pr_all_balls(fake, real, k=3):
    def inside(a, b):
        radii = torch.cdist(b, b).kthvalue(k + 1).values
        return (torch.cdist(a, b) <= radii).double().mean()

    return inside(fake, real), inside(real, fake)


# --- 6.6 and 6.8 ---------------------------------------------------------------------------------

NAMES = ["memoriser", "one of each", "half the classes", "noisy", "blurred", "speckle"]


def _stretched(images):
    return (images - images.min()) / (images.max() - images.min()) * 2 - 1


def _as_bytes(images, factor=127.5):
    """Images as bytes show them, which know no 256."""
    return ((images + 1) * factor).floor() % 256 / 127.5 - 1


def _report(n=None, *, evaluate=True, scale=None, fake_scale=None, reference_count=None, **extra):
    def answer(sample, reference, judge):
        m = len(reference) if reference_count is None else reference_count
        fakes = sample(m if n is None else n)
        fakes = fakes if fake_scale is None else fake_scale(fakes)
        if evaluate:
            judge.eval()
        x = reference[:m].float() / 127.5 - 1 if scale is None else scale(reference[:m])
        f, r = (judge.features_and_logits(a)[0].detach().double() for a in (fakes, x))
        value = fd_eigvals(r.mean(0), torch.cov(r.T), f.mean(0), torch.cov(f.T))
        return {"FD": value, "n": len(fakes), "n_reference": m, **extra}

    return answer


def report_in_batches(sample, reference, judge):
    parts = [sample(min(20, len(reference) - i)) for i in range(0, len(reference), 20)]
    judge.eval()
    f = torch.cat([judge.features_and_logits(part)[0] for part in parts])
    r = torch.cat([judge.features_and_logits(b.float() / 127.5 - 1)[0] for b in reference.split(7)])
    f, r = f.detach().double(), r.detach().double()
    value = fd_symmetric(r.mean(0), torch.cov(r.T), f.mean(0), torch.cov(f.T))
    return {"FD": value, "n": len(f), "n_reference": torch.tensor(len(r)), "judge": judge.name}


def report_with_the_package(sample, reference, judge):
    import gan_helpers as gh

    score = gh.metrics.frechet_distance(sample(len(reference)), reference, judge.eval())
    return {"FD": float(score), "n": score.n, "n_reference": len(reference), "name": score.name}


def report_a_score(sample, reference, judge):
    """Counts as tensors, and the package's Score as it is."""
    import gan_helpers as gh

    score = gh.metrics.frechet_distance(sample(len(reference)), reference, judge.eval())
    return {"FD": score, "n": torch.tensor(len(reference)), "n_reference": np.int64(len(reference))}


def report_as_bytes(sample, reference, judge):
    """By way of uint8, as a file would hold the images."""
    fakes = ((sample(len(reference)) + 1) * 127.5).round().to(torch.uint8)
    stats = [moment for images in (reference, fakes) for moment in mc_plain(images, judge)]
    return {"FD": fd_eigvals(*stats), "n": len(fakes), "n_reference": len(reference)}


def report_of_nan(sample, reference, judge):
    """Divides by a range of 0."""
    fakes = sample(len(reference))
    judge.eval().features_and_logits((fakes - fakes) / 0.0)
    judge.features_and_logits(reference.float() / 127.5 - 1)
    return {"FD": 1.0, "n": len(reference), "n_reference": len(reference)}


def report_without_fakes(sample, reference, judge):
    """Draws, and then looks at the reference twice."""
    stats = [*mc_plain(reference, judge), *mc_plain(reference, judge)]
    return {"FD": fd_eigvals(*stats), "n": len(sample(60)), "n_reference": 60}


CORRECT = {
    "6.1": [is_loop, is_numpy, is_shuffled_strides, IsClass(), _is, is_dealt],
    "6.2": [mc_plain, mc_by_hand, mc_numpy_batches, mc_list, mc_plain_lists, mc_objects],
    "6.3": [fd_eigvals, fd_scipy, fd_symmetric, FdClass()],
    "6.4": [kd_plain, kd_loop, kd_numpy, kd_one_matrix],
    "6.5": [pr_plain, pr_loop, pr_numpy, pr_topk],
    "6.6": [
        lambda: (NAMES, NAMES[::-1]),
        lambda: [tuple(NAMES), tuple(sorted(NAMES))],
        lambda: ([NAMES[i] for i in (5, 4, 3, 2, 1, 0)], list(NAMES)),
        lambda: (np.array(NAMES), (name for name in NAMES)),
    ],
    "6.8": [
        _report(),
        _report(seed=1),
        report_in_batches,
        report_with_the_package,
        report_a_score,
        report_as_bytes,
    ],
}

MUTANTS = {
    "6.1": [
        (lambda x, splits=10: _is(x, splits, kl=_reversed_kl), "is-kl-reversed"),
        (lambda x, splits=10: _is(x, splits, probabilities=lambda z: z, kl=_naive_kl), "is-logits"),
        (
            lambda x, splits=10: _is(
                x, splits, probabilities=lambda z: z.clamp(min=1e-12), kl=_naive_kl
            ),
            "is-logits",
        ),
        (lambda x, splits=10: _is(x, splits, shuffle=False), "is-sorted-splits"),
        (lambda x, splits=10: _is(x, splits, last=lambda v: v), "is-no-exp"),
        (lambda x, splits=10: _is(x, splits, kl=_naive_kl), "is-log-zero"),
        (is_float32, "is-log-zero"),
    ],
    "6.2": [
        (_mc(cov=lambda f: torch.cov(f)), "fid-rowvar"),
        (_mc(cov=lambda f: np.cov(f.numpy())), "fid-rowvar"),
        (_mc(lambda x, j: _look(x, j, scale=lambda i: i.float())), "fid-range"),
        (_mc(lambda x, j: _look(x, j, scale=lambda i: i.float() / 255)), "fid-range"),
        (
            _mc(lambda x, j: _look(x, j, scale=lambda i: ((i.float() / 127.5 - 1) - 0.5) / 0.5)),
            "fid-range",
        ),
        (_mc(lambda x, j: _look(x, j, scale=lambda i: i.float() / 128 - 1)), "fid-range"),
        (_mc(lambda x, j: _look(x, j, scale=lambda i: (i.float() + 0.5) / 128 - 1)), "fid-range"),
        (_mc(lambda x, j: _look(x, j, evaluate=False)), "fid-train-mode"),
        (_mc(cov=lambda f: f.T @ f / (len(f) - 1)), "fid-not-centred"),
        (_mc(cov=lambda f: f.T @ f / len(f)), "fid-not-centred"),
        (_mc(cov=lambda f: torch.cov(f.T, correction=0)), "fid-divided-by-n"),
    ],
    "6.3": [
        (lambda a, b, c, d: fd_eigvals(a, b, a, d) + (a - c).norm(), "fid-no-square"),
        (FdClass(factor=1.0), "fid-missing-two"),
        (fd_elementwise, "fid-elementwise-root"),
        (
            lambda a, b, c, d: (a - c).square().sum() + (b + d - 2 * (b @ d).sqrt()).trace(),
            "fid-elementwise-root",
        ),
        (fd_separate, "fid-separate-roots"),
    ],
    "6.4": [
        (_kd(diagonal=True), "kid-diagonal"),
        (_kd(scale=1.0), "kid-no-scale"),
        (_kd(two=1), "kid-missing-two"),
    ],
    "6.5": [
        (pr_swapped, "pr-swapped"),
        (pr_own_neighbour, "pr-own-neighbour"),
        (pr_wrong_balls, "pr-wrong-balls"),
        (pr_coverage, "pr-coverage"),
    ],
    "6.6": [],
    "6.8": [
        (_report(n=25), "fid-n-mismatch"),
        (_report(n=60, reference_count=40), "fid-n-mismatch"),
        (_report(scale=lambda r: r.float() / 255), "fid-range"),
        (_report(scale=lambda r: r.float()), "fid-range"),
        (_report(scale=lambda r: r.float() / 128 - 1), "fid-range"),
        (_report(fake_scale=lambda f: (f + 1) / 2), "fid-range"),
        (_report(fake_scale=lambda f: f / 127.5 - 1), "fid-range"),
        (_report(fake_scale=_stretched), "fid-range"),
        (_report(fake_scale=lambda f: torch.stack([_stretched(x) for x in f])), "fid-range"),
        (
            _report(scale=lambda r: r.float() / 255, fake_scale=lambda f: (f + 1) / 2),
            "fid-range",
        ),
        (_report(evaluate=False), "fid-train-mode"),
    ],
}

UNFORESEEN = {
    "6.1": [
        (
            lambda x, splits=10: _is(x, splits, probabilities=lambda z: z.softmax(0), kl=_naive_kl),
            "over which dimension",
        ),
        (
            lambda x, splits=10: _is(x, splits, probabilities=torch.sigmoid, kl=_naive_kl),
            "softmax over",
        ),
        (lambda x, splits=10: _is(x, splits, last=lambda v: 2**v), "too low"),
        (lambda x, splits=10: _is(x, 1), "Is `splits` used"),
        (is_entropies, "where the classes come in turn"),
        (_in_parts(is_first_part), "score of a single part"),
        (_in_parts(is_last_exp), "exponential is taken once"),
        (_in_parts(is_common_marginal), "not of all images"),
        (lambda x, splits=10: x, "one number"),
        (lambda x, splits=10: None, "None"),
    ],
    "6.2": [
        (_mc(mean=lambda f: f.mean(1)), "Over which dimension"),
        (_mc(cov=lambda f: torch.corrcoef(f.T)), "These are correlations"),
        (_mc(cov=lambda f: f.var(0)), "3 x 3"),
        (_mc(mean=lambda f: f.median(0).values), "off by up to"),
        (lambda x, j: (torch.zeros(3), torch.eye(3)), "never shown"),
        (
            lambda x, j: (lambda f: (f.mean(0), torch.cov(f.T)))(
                j.eval()(x.float() / 127.5 - 1).detach()
            ),
            "logits",
        ),
        (lambda x, j: _look(x, j).mean(0), "2 things"),
        (_mc(_look_at_whole_batches), "only 10 of 13 images. What happens to the last"),
        (_mc(lambda x, j: _look_at_whole_batches(x, j, size=100)), "Not one batch"),
        (_mc(lambda x, j: _look(x.flip(0, 3), j)), "not the ones that came in"),
        (_mc(_look_at_both), "features and logits"),
        (_mc(_look_at_both, torch.cov, lambda f: f - 1), "features and logits"),
        (
            lambda x, j: (lambda parts: (torch.cat(parts).mean(0), torch.eye(3)))(
                [_look_at_both(part, j) for part in x.split(5)]
            ),
            "features and logits",
        ),
        (lambda x, j: mc_plain(x, j)[::-1], "in the other order"),
        (
            lambda x, j: tuple(part + 0j for part in mc_plain(x, j)),
            "The mean holds complex numbers",
        ),
        (_mc(cov=lambda f: np.cov(f.T.numpy()) + 0j), "The covariance holds complex numbers"),
        (_mc(cov=lambda f: torch.cov(f.T).tolist()[:2] + [[0.0]]), "none can be made of a list"),
        (mc_with_gradients, "none can be made of a list of 3, which came back"),
        (_mc(mean=lambda f: {"mean": f.mean(0)}), "none can be made of a dict of 1"),
        (_mc(mean=lambda f: "0 0 0"), "The mean should be a tensor or an array of numbers"),
        (_mc(cov=lambda f: None), "none can be made of nothing (None)"),
        (
            _mc(lambda x, j: torch.as_tensor(j.eval().features_and_logits(x.numpy() / 127.5 - 1))),
            "The judge was given a ndarray",
        ),
        (_mc(lambda x, j: _look(x, j, scale=lambda i: i * math.nan)), "that are not finite"),
    ],
    "6.3": [
        (fd_complex, "complex"),
        (lambda a, b, c, d: fd_eigvals(a, b, c, d) / 2, "half as large"),
        (lambda a, b, c, d: fd_eigvals(a, b, a, d), "49 was expected: too low"),
        (fd_mean_square, "divided by the number of features"),
        (lambda a, b, c, d: fd_eigvals(a, b, c, d).sqrt(), "root was taken at the end"),
        (fd_one_triangle(lambda b, d: b @ d), "one triangle only"),
        (fd_one_triangle(lambda b, d: d @ b), "one triangle only"),
        (fd_one_triangle(lambda b, d: b @ d, clamp=False), "one triangle only"),
        (fd_cholesky, "rank 1"),
        (fd_no_clamp, "rank 1"),
        (lambda a, b, c, d: a - c, "one number"),
    ],
    "6.4": [
        (_kd(power=2), "squared where its third power"),
        (_kd(last=lambda v: v.abs().sqrt()), "three means"),
        (lambda x, y: x @ y.T, "one number"),
        (_kd(last=lambda v: max(0.0, float(v))), "never below 0"),
        (_kd(last=lambda v: v.clamp(min=0)), "never below 0"),
        (_kd(last=abs), "without its sign"),
        (kd_zeroed_diagonal, "How many pairs are left"),
    ],
    "6.5": [
        (pr_all_balls, "A sample counts once"),
        (lambda f, r, k=3: pr_plain(f, r, 3), "is 3 written as a number"),
        (lambda f, r, k=3: pr_plain(f, r, k)[0], "precision and recall"),
        (lambda f, r, k=3: [100 * v for v in pr_plain(f, r, k)], "A share lies between 0 and 1"),
        (pr_counts, "A share lies between 0 and 1"),
        (pr_wrong_axis, "along which axis"),
        (pr_wrong_axis_numpy, "along which axis"),
    ],
    "6.6": [
        (lambda: NAMES, "2 things"),
        (lambda: (NAMES, NAMES[:5]), "does not mention: speckle"),
        (lambda: (NAMES + ["x"], NAMES), "7 entries"),
        (lambda: ("memoriser", NAMES), "list of names"),
        (lambda: (torch.tensor(3), NAMES), "should be a list of names"),
        (lambda: (np.array(3), NAMES), "should be a list of names"),
        (lambda: (NAMES[:5] + [np.arange(3)], NAMES), "It has a ndarray"),
        (lambda: (NAMES, torch.arange(6)), "does not mention: memoriser"),
    ],
    "6.8": [
        (lambda s, r, j: _report()(s, r, j)["FD"], "dict"),
        (lambda s, r, j: {"FD": 1.0}, "'n'"),
        (lambda s, r, j: {**_report()(s, r, j), "FD": 3.0}, "too"),
        (_report(n=25, reference_count=25), "all 60"),
        (lambda s, r, j: {**_report()(s, r, j), "n": "60"}, "['n']` should give one number"),
        (
            lambda s, r, j: {**_report()(s, r, j), "FD": [3.0]},
            "but a list of 1 came",
        ),
        (lambda s, r, j: {**_report()(s, r, j), "FD": 1j}, "gives a complex number"),
        (report_without_fakes, "never shown the generated images"),
        (
            lambda s, r, j: {**_report(fake_scale=lambda f: f[:50])(s, r, j), "n": 60},
            "only 50 of 60 generated images",
        ),
        (
            _report(scale=lambda r: r[:50].float() / 127.5 - 1),
            "only 50 of 60 reference images",
        ),
        (
            _report(fake_scale=lambda f: (f * 255 % 256).floor() / 127.5 - 1),
            "dark half wrapped around",
        ),
        (_report(fake_scale=lambda f: f.to(torch.uint8) / 127.5 - 1), "all of one grey"),
        (_report(fake_scale=lambda f: _as_bytes(f, 128)), "white wrapped around to black"),
        (_report(scale=lambda r: r.flip(0, 3).float() / 127.5 - 1), "not the ones that came in"),
        (report_of_nan, "that are not finite"),
    ],
}

# The answers of a list are called by their numbers.
CORRECT["6.8"].append(_report(fake_scale=_as_bytes))
CORRECT, MUTANTS, UNFORESEEN = (
    {id: {str(number): case for number, case in enumerate(cases)} for id, cases in table.items()}
    for table in (CORRECT, MUTANTS, UNFORESEEN)
)
