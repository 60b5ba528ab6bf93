"""Answers to the exercises of notebook 01, right and wrong ones in the styles of many readers."""
# ruff: noqa: B905, C408, E501, E731, F811

import math

import numpy as np
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
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


# Correct parts that answers of several functions share.
def good_d(real_logits, fake_logits):
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def good_sat(fake_logits):
    return -F.softplus(fake_logits).mean()


def good_ns(fake_logits):
    return F.softplus(-fake_logits).mean()


# ---- 1.1 right
bce = F.binary_cross_entropy_with_logits


def r11_d(real_logits, fake_logits):
    return bce(real_logits, torch.ones_like(real_logits)) + bce(
        fake_logits, torch.zeros_like(fake_logits)
    )


def r11_sat(fake_logits):
    return -bce(fake_logits, torch.zeros_like(fake_logits))


def r11_ns(fake_logits):
    return bce(fake_logits, torch.ones_like(fake_logits))


right("1.1", "bce_with_logits", "cross-entropy on logits, sat is minus the fake term")(
    (r11_d, r11_sat, r11_ns)
)


# ---- 1.1 right
def log1pexp_11(a):
    return torch.logaddexp(torch.zeros_like(a), a)


right("1.1", "logaddexp", "log(e^0 + e^a) is softplus, stable, with the exact slope")(
    (
        lambda real_logits, fake_logits: (
            torch.mean(log1pexp_11(-real_logits)) + torch.mean(log1pexp_11(fake_logits))
        ),
        lambda fake_logits: -torch.mean(log1pexp_11(fake_logits)),
        lambda fake_logits: torch.mean(log1pexp_11(-fake_logits)),
    )
)


# ---- 1.1 right
def two_class_11(logits, label):
    two = torch.stack([torch.zeros_like(logits), logits], dim=-1).reshape(-1, 2)
    return F.cross_entropy(two, torch.full((len(two),), label))


right(
    "1.1", "two-class cross_entropy", "softmax over (0, l) is the sigmoid; log-softmax is stable"
)(
    (
        lambda real_logits, fake_logits: (
            two_class_11(real_logits, 1) + two_class_11(fake_logits, 0)
        ),
        lambda fake_logits: -two_class_11(fake_logits, 0),
        lambda fake_logits: two_class_11(fake_logits, 1),
    )
)


# ---- 1.1 wrong
wrong("1.1", "half the sum", "D's loss is the mean over a mixed batch: half of what is asked")(
    (
        lambda real_logits, fake_logits: F.softplus(torch.cat([-real_logits, fake_logits])).mean(),
        good_sat,
        good_ns,
    )
)


# ---- 1.1 wrong
def w11_d(real_logits, fake_logits):
    real, fake = torch.sigmoid(real_logits), torch.sigmoid(fake_logits)
    return F.binary_cross_entropy(real, torch.ones_like(real)) + F.binary_cross_entropy(
        fake, torch.zeros_like(fake)
    )


wrong("1.1", "bce on probabilities", "sigmoid first: cut off at 100, slope 0 for large logits")(
    (w11_d, good_sat, good_ns)
)


# ---- 1.1 wrong
wrong(
    "1.1",
    "epsilon in the log",
    "-log(sigmoid + 1e-8): stops at 18.4, and the slope is gone for very negative logits",
)((good_d, good_sat, lambda fake_logits: -(torch.sigmoid(fake_logits) + 1e-8).log().mean()))


# ---- 1.1 wrong
wrong("1.1", "sat sign", "sat is -log(1-D), positive: the sign is wrong and G learns to be caught")(
    (good_d, lambda fake_logits: F.softplus(fake_logits).mean(), good_ns)
)


# ---- 1.1 wrong
wrong(
    "1.1", "mean over the last axis", "right for (N,), but for (N, 1) mean(dim=-1) leaves N numbers"
)(
    (
        lambda real_logits, fake_logits: (
            F.softplus(-real_logits).mean(-1) + F.softplus(fake_logits).mean(-1)
        ),
        lambda fake_logits: -F.softplus(fake_logits).mean(-1),
        lambda fake_logits: F.softplus(-fake_logits).mean(-1),
    )
)


# ---- 1.1 wrong
wrong("1.1", "base 2", "all losses in bits, divided by log 2")(
    (
        lambda real_logits, fake_logits: good_d(real_logits, fake_logits) / math.log(2),
        lambda fake_logits: good_sat(fake_logits) / math.log(2),
        lambda fake_logits: good_ns(fake_logits) / math.log(2),
    )
)


# ---- 1.1 wrong
wrong(
    "1.1",
    "fake logits detached",
    "the value is right, but the fake term has no slope: D never learns from fakes",
)(
    (
        lambda real_logits, fake_logits: (
            F.softplus(-real_logits).mean() + F.softplus(fake_logits.detach()).mean()
        ),
        good_sat,
        good_ns,
    )
)


# ---- 1.1 wrong
wrong("1.1", "mean before the log", "log(1 - mean of D) instead of the mean of log(1 - D)")(
    (good_d, lambda fake_logits: torch.log(1 - torch.sigmoid(fake_logits).mean()), good_ns)
)


# ---- 1.2 right
@right("1.2", "nan_to_num", "0/0 is the only nan that can occur; it becomes 0.3, a value in [0, 1]")
def optimal_discriminator(p_data, p_g):
    return torch.nan_to_num(p_data / (p_data + p_g), nan=0.3)


# ---- 1.2 right
@right(
    "1.2",
    "numpy divide with where",
    "numpy divides only where the sum is positive, and 0.5 stays elsewhere",
)
def optimal_discriminator(p_data, p_g):
    p, q = p_data.detach().numpy(), p_g.detach().numpy()
    total = p + q
    return torch.from_numpy(np.divide(p, total, out=np.full_like(total, 0.5), where=total > 0))


# ---- 1.2 right
@right(
    "1.2",
    "one over one plus ratio",
    "1/(1 + q/p): q/0 = inf gives 0; 0/0 is replaced by 1, so D* = 1/2",
)
def optimal_discriminator(p_data, p_g):
    ratio = torch.where((p_data == 0) & (p_g == 0), torch.ones_like(p_g), p_g / p_data)
    return 1 / (1 + ratio)


# ---- 1.2 wrong
@wrong("1.2", "nan at 0/0", "nan where both densities are 0")
def optimal_discriminator(p_data, p_g):
    return p_data / (p_data + p_g)


# ---- 1.2 wrong
@wrong("1.2", "the other share", "p_g in the numerator: the share of generated samples")
def optimal_discriminator(p_data, p_g):
    total = p_data + p_g
    return torch.where(total > 0, p_g / total.clamp(min=1e-30), torch.full_like(total, 0.5))


# ---- 1.2 wrong
@wrong(
    "1.2",
    "epsilon 0.01",
    "an 'epsilon' of 0.01 dominates wherever densities are small: D* = 1/3 at p = q = 0.01",
)
def optimal_discriminator(p_data, p_g):
    return p_data / (p_data + p_g + 0.01)


# ---- 1.2 wrong
@wrong("1.2", "squares", "p^2 / (p^2 + q^2): agrees at 0, 1/2 and 1 only")
def optimal_discriminator(p_data, p_g):
    return torch.nan_to_num(p_data**2 / (p_data**2 + p_g**2), nan=0.5)


# ---- 1.2 wrong
@wrong(
    "1.2",
    "normalised over the points",
    "divides each by its sum over the points: a subset of points changes D*",
)
def optimal_discriminator(p_data, p_g):
    p, q = p_data / p_data.sum(), p_g / p_g.sum()
    return torch.nan_to_num(p / (p + q), nan=0.5)


# ---- 1.2 wrong
@wrong("1.2", "changes its argument", "the value is right, but p_data of the caller is overwritten")
def optimal_discriminator(p_data, p_g):
    total = (p_data + p_g).clamp(min=1e-38)
    p_data /= total
    return p_data


# ---- 1.3 right
@right("1.3", "scipy rel_entr", "rel_entr(p, m) is p log(p/m) with 0 at p = 0; float returned")
def js_divergence(p, q, dx):
    p, q = p.numpy(), q.numpy()
    m = 0.5 * (p + q)
    return float(0.5 * dx * (rel_entr(p, m).sum() + rel_entr(q, m).sum()))


# ---- 1.3 right
@right(
    "1.3",
    "scipy jensenshannon squared",
    "scipy normalises to sum 1 and returns the root of the JSD in nats; squared it is the JSD",
)
def js_divergence(p, q, dx):
    return jensenshannon(p.numpy(), q.numpy()) ** 2


# ---- 1.3 right
@right("1.3", "python sum over masses", "probabilities p*dx; terms with p = 0 are skipped")
def js_divergence(p, q, dx):
    total = 0.0
    for a, b in zip((p * dx).tolist(), (q * dx).tolist()):
        m = (a + b) / 2
        for c in (a, b):
            if c > 0:
                total += 0.5 * c * math.log(c / m)
    return total


# ---- 1.3 right
@right("1.3", "through the optimal D", "V(D*) = -log 4 + 2 JSD solved for the JSD")
def js_divergence(p, q, dx):
    total = p + q
    D = torch.where(total > 0, p / torch.where(total > 0, total, 1.0), 0.5)
    value = (
        torch.xlogy(p, D)
        + torch.xlogy(q, torch.where(total > 0, q / torch.where(total > 0, total, 1.0), 0.5))
    ).sum() * dx
    return (value + math.log(4)) / 2


# ---- 1.3 wrong
@wrong("1.3", "without the halves", "KL + KL, twice the JSD")
def js_divergence(p, q, dx):
    m = (p + q) / 2
    return (
        (torch.xlogy(p, p) - torch.xlogy(p, m)) + (torch.xlogy(q, q) - torch.xlogy(q, m))
    ).sum() * dx


# ---- 1.3 wrong
@wrong("1.3", "bits", "log2 instead of the natural logarithm: at most 1 rather than log 2")
def js_divergence(p, q, dx):
    m = (p + q) / 2
    return 0.5 * dx * (torch.nansum(p * torch.log2(p / m)) + torch.nansum(q * torch.log2(q / m)))


# ---- 1.3 wrong
@wrong(
    "1.3",
    "scipy jensenshannon",
    "scipy returns the Jensen-Shannon distance, the root of the divergence",
)
def js_divergence(p, q, dx):
    return float(jensenshannon(p.numpy() * dx, q.numpy() * dx))


# ---- 1.3 wrong
@wrong("1.3", "symmetrised KL", "average of KL(p|q) and KL(q|p) (kept finite): no mixture in it")
def js_divergence(p, q, dx):
    a, b = p.clamp(min=1e-12), q.clamp(min=1e-12)
    return 0.5 * ((a - b) * (a / b).log()).sum() * dx


# ---- 1.3 wrong
@wrong("1.3", "only one side", "KL(p|m) alone; right only if the two sides happen to be equal")
def js_divergence(p, q, dx):
    m = (p + q) / 2
    return (torch.xlogy(p, p) - torch.xlogy(p, m)).sum() * dx


# ---- 1.3 wrong
@wrong("1.3", "weight of the second term", "0.5 KL(p|m) + KL(q|m): the second half forgotten")
def js_divergence(p, q, dx):
    m = (p + q) / 2
    return (
        0.5 * (torch.xlogy(p, p) - torch.xlogy(p, m)) + torch.xlogy(q, q) - torch.xlogy(q, m)
    ).sum() * dx


# ---- 1.3 wrong
@wrong(
    "1.3",
    "floor of 1e-2",
    "lifts all densities to at least 0.01 to keep log finite; long empty tails then change the value",
)
def js_divergence(p, q, dx):
    p, q = p + 0.01, q + 0.01
    m = (p + q) / 2
    return 0.5 * (p * (p / m).log() + q * (q / m).log()).sum() * dx
