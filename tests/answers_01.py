"""Answers to the exercises of notebook 01: correct ones in several styles, and wrong ones.

See `test_answers.py` for the three tables.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

# --- 1.1 -----------------------------------------------------------------------------------------


def d_loss(real_logits, fake_logits):
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def saturating(fake_logits):
    return -F.softplus(fake_logits).mean()


def non_saturating(fake_logits):
    return F.softplus(-fake_logits).mean()


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


class LogitLoss(nn.Module):
    def __init__(self, target, sign=1.0):
        super().__init__()
        self.target, self.sign, self.bce = target, sign, nn.BCEWithLogitsLoss()

    def forward(self, logits):
        return self.sign * self.bce(logits, torch.zeros_like(logits) + self.target)


def d_loss_concatenated(real_logits, fake_logits):
    logits = torch.cat([real_logits, fake_logits])
    targets = torch.cat([torch.ones_like(real_logits), torch.zeros_like(fake_logits)])
    return 2 * nn.BCEWithLogitsLoss()(logits, targets)


def d_loss_by_logaddexp(real_logits, fake_logits):
    zero = torch.zeros(())
    real, fake = torch.logaddexp(zero, -real_logits), torch.logaddexp(zero, fake_logits)
    return (real.sum() + fake.sum()) / len(real_logits)


def d_by_sigmoid(real_logits, fake_logits):
    return -(torch.sigmoid(real_logits).log() + (1 - torch.sigmoid(fake_logits)).log()).mean()


def d_by_bce_on_probabilities(real_logits, fake_logits):
    real, fake = real_logits.sigmoid(), fake_logits.sigmoid()
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    return F.binary_cross_entropy(real, ones) + F.binary_cross_entropy(fake, zeros)


def d_with_epsilon(real_logits, fake_logits):
    real, fake = real_logits.sigmoid(), fake_logits.sigmoid()
    return -((real + 1e-8).log() + (1 - fake + 1e-8).log()).mean()


def d_no_sigmoid(real_logits, fake_logits):
    ones, zeros = torch.ones_like(real_logits), torch.zeros_like(fake_logits)
    return F.binary_cross_entropy(real_logits, ones) + F.binary_cross_entropy(fake_logits, zeros)


def d_log_of_logits(real_logits, fake_logits):
    return -(real_logits.log() + (1 - fake_logits).log()).mean()


def d_integer_targets(real_logits, fake_logits):
    ones = torch.ones(real_logits.shape, dtype=torch.long)
    loss = nn.BCEWithLogitsLoss()
    return loss(real_logits, ones) + loss(fake_logits, 0 * ones)


def bce_with_flat_targets(logits):
    return F.binary_cross_entropy_with_logits(logits, torch.zeros(len(logits)))


def d_of_numbers(real_logits, fake_logits):
    return d_loss(real_logits, fake_logits).item()


def d_detached(real_logits, fake_logits):
    return d_loss(real_logits.detach(), fake_logits.detach())


def stub(*_):
    raise NotImplementedError


def _with(position, function):
    """The three right losses, with one of them replaced."""
    functions = [d_loss, saturating, non_saturating]
    functions[position] = function
    return tuple(functions)


# --- 1.2 -----------------------------------------------------------------------------------------


def share(p_data, p_g):
    total = p_data + p_g
    return torch.where(total > 0, p_data / torch.where(total > 0, total, 1), 0.5)


def share_by_logits(p_data, p_g):
    return torch.nan_to_num(torch.sigmoid(p_data.log() - p_g.log()), nan=0.5)


def share_by_loop(p_data, p_g):
    values = []
    for a, b in zip(p_data.tolist(), p_g.tolist(), strict=True):
        values.append(a / (a + b) if a + b else 0.0)
    return torch.tensor(values)


def share_with_mask(p_data, p_g):
    result = torch.zeros_like(p_data)
    mask = (p_data + p_g) > 0
    result[mask] = p_data[mask] / (p_data[mask] + p_g[mask])
    return result


# --- 1.3 -----------------------------------------------------------------------------------------


def _kl(p, q, dx):
    return (torch.where(p > 0, p * torch.log(p.clamp_min(1e-300) / q), 0.0)).sum() * dx


def jsd(p, q, dx):
    m = (p + q) / 2
    return 0.5 * _kl(p, m, dx) + 0.5 * _kl(q, m, dx)


def jsd_by_entropies(p, q, dx):
    def entropy(density):
        return torch.special.entr(density).sum() * dx

    return entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2


def jsd_by_xlogy(p, q, dx):
    m = 0.5 * p + 0.5 * q
    half_p = torch.xlogy(p, p) - torch.xlogy(p, m)
    half_q = torch.xlogy(q, q) - torch.xlogy(q, m)
    return float(torch.trapezoid(half_p + half_q, dx=dx)) / 2


def jsd_loop(p, q, dx):
    total = 0.0
    for a, b in zip(p.tolist(), q.tolist(), strict=True):
        m = (a + b) / 2
        total += (a * math.log(a / m) if a else 0) + (b * math.log(b / m) if b else 0)
    return 0.5 * total * dx


def jsd_with_epsilon(p, q, dx, epsilon=1e-12):
    m = (p + q) / 2 + epsilon
    halves = p * ((p + epsilon) / m).log() + q * ((q + epsilon) / m).log()
    return (halves.sum() * dx / 2).item()


def jsd_by_losses(p, q, dx):
    """The value of the game at D*, plus log 4, halved."""
    best = p / (p + q).clamp_min(1e-300)
    value = (torch.xlogy(p, best) + torch.xlogy(q, 1 - best)).sum() * dx
    return (value + math.log(4)) / 2


def plain_jsd(p, q, dx):
    m = (p + q) / 2
    return 0.5 * ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) * dx


# --- the tables ----------------------------------------------------------------------------------

CORRECT = {
    "1.1": {
        "softplus": (d_loss, saturating, non_saturating),
        "bce": (
            lambda r, f: bce(r, 1.0) + bce(f, 0.0),
            lambda f: -bce(f, 0.0),
            lambda f: bce(f, 1.0),
        ),
        "logsigmoid, list": [
            lambda r, f: -F.logsigmoid(r).mean() - F.logsigmoid(-f).mean(),
            lambda f: F.logsigmoid(-f).mean(),
            lambda f: F.logsigmoid(f).neg().mean(),
        ],
        "modules": (d_loss_concatenated, LogitLoss(0.0, -1.0), LogitLoss(1.0)),
        "logaddexp, shape (1,)": (
            d_loss_by_logaddexp,
            lambda f: -F.softplus(f).mean().reshape(1),
            lambda f: F.softplus(-f).mean()[None],
        ),
    },
    "1.2": {
        "where": share,
        "logits": share_by_logits,
        "loop": share_by_loop,
        "mask": share_with_mask,
        "epsilon": lambda p, q: p / (p + q + 1e-12),
        "ratio": lambda p, q: torch.nan_to_num(1 / (1 + q / p)),
        "clamp": lambda p, q: p / (p + q).clamp(min=1e-12),
    },
    "1.3": {
        "two KL": jsd,
        "entropies": jsd_by_entropies,
        "xlogy, trapezoid": jsd_by_xlogy,
        "loop": jsd_loop,
        "epsilon": jsd_with_epsilon,
        "value of the game": jsd_by_losses,
    },
}

MUTANTS = {
    "1.1": {
        "swapped": (_with(0, lambda r, f: bce(r, 0.0) + bce(f, 1.0)), "step-swapped-labels"),
        "halved": (_with(0, lambda r, f: d_loss(r, f) / 2), "loss-half-sum"),
        "mean of both": (
            _with(
                0,
                lambda r, f: F.binary_cross_entropy_with_logits(
                    torch.cat([r, f]), torch.cat([torch.ones_like(r), torch.zeros_like(f)])
                ),
            ),
            "loss-half-sum",
        ),
        "summed": (
            _with(0, lambda r, f: F.softplus(-r).sum() + F.softplus(f).sum()),
            "loss-sum-not-mean",
        ),
        "summed, saturating": (_with(1, lambda f: -F.softplus(f).sum()), "loss-sum-not-mean"),
        "summed, other": (_with(2, lambda f: F.softplus(-f).sum()), "loss-sum-not-mean"),
        "only real": (_with(0, lambda r, f: bce(r, 1.0)), "step-only-real"),
        "only fake": (_with(0, lambda r, f: bce(f, 0.0)), "step-only-fake"),
        "value": (_with(0, lambda r, f: -d_loss(r, f)), "loss-d-sign"),
        "sigmoid twice": (
            _with(0, lambda r, f: bce(r.sigmoid(), 1.0) + bce(f.sigmoid(), 0.0)),
            "loss-double-sigmoid",
        ),
        "sigmoid twice, saturating": (
            _with(1, lambda f: -bce(f.sigmoid(), 0.0)),
            "loss-double-sigmoid",
        ),
        "sigmoid twice, other": (_with(2, lambda f: bce(f.sigmoid(), 1.0)), "loss-double-sigmoid"),
        "bce of logits": (_with(0, d_no_sigmoid), "loss-no-sigmoid"),
        "log of logits": (_with(0, d_log_of_logits), "loss-no-sigmoid"),
        "integer targets": (_with(0, d_integer_targets), "loss-integer-targets"),
        "log sigmoid": (_with(0, d_by_sigmoid), "loss-log-sigmoid-nan"),
        "log sigmoid, saturating": (
            _with(1, lambda f: torch.log(1 - torch.sigmoid(f)).mean()),
            "loss-log-sigmoid-nan",
        ),
        "log sigmoid, other": (
            _with(2, lambda f: -torch.log(torch.sigmoid(f)).mean()),
            "loss-log-sigmoid-nan",
        ),
        "bce of probabilities": (_with(0, d_by_bce_on_probabilities), "loss-sigmoid-flat"),
        "epsilon": (_with(0, d_with_epsilon), "loss-sigmoid-flat"),
        "clamped": (
            _with(2, lambda f: -f.sigmoid().clamp(1e-7, 1 - 1e-7).log().mean()),
            "loss-sigmoid-flat",
        ),
        "saturating, sign": (_with(1, lambda f: F.softplus(f).mean()), "loss-saturating-sign"),
        "twice the other": (_with(1, non_saturating), "loss-not-saturating"),
        "log D": (_with(2, lambda f: F.logsigmoid(f).mean()), "loss-nonsaturating-sign"),
        "twice saturating": (_with(2, saturating), "loss-saturating"),
        "exchanged": ((d_loss, non_saturating, saturating), "loss-pair-exchanged"),
        "toward fake": (_with(2, lambda f: bce(f, 0.0)), "step-g-targets-fake"),
    },
    "1.2": {
        "inverted": (lambda p, q: q / (p + q), "dstar-inverted"),
        "inverted, safe": (lambda p, q: q / (p + q + 1e-12), "dstar-inverted"),
        "odds": (lambda p, q: p / q, "dstar-odds"),
        "odds, safe": (lambda p, q: p / (q + 1e-12), "dstar-odds"),
        "logit": (lambda p, q: p.log() - q.log(), "dstar-logit"),
        "hard": (lambda p, q: (p > q).float(), "dstar-hard"),
        "hard, bool": (lambda p, q: p > q, "dstar-hard"),
        "a threshold": (lambda p, q: (p > 0.5).float(), "dstar-hard"),
        "0/0": (lambda p, q: p / (p + q), "dstar-nan"),
    },
    "1.3": {
        "KL": (lambda p, q, dx: _kl(p, q, dx), "jsd-kl"),
        "KL back": (lambda p, q, dx: _kl(q, p, dx), "jsd-kl"),
        "Jeffreys": (lambda p, q, dx: _kl(p, q, dx) + _kl(q, p, dx), "jsd-jeffreys"),
        "half of Jeffreys": (
            lambda p, q, dx: (_kl(p, q, dx) + _kl(q, p, dx)) / 2,
            "jsd-jeffreys",
        ),
        "not halved": (lambda p, q, dx: 2 * jsd(p, q, dx), "jsd-no-half"),
        "p + q": (
            lambda p, q, dx: (_kl(p, p + q, dx) + _kl(q, p + q, dx)) / 2,
            "jsd-middle",
        ),
        "reversed": (
            lambda p, q, dx: (_kl((p + q) / 2, p, dx) + _kl((p + q) / 2, q, dx)) / 2,
            "jsd-reversed",
        ),
        "no dx": (lambda p, q, dx: jsd(p, q, 1.0), "jsd-no-dx"),
        "bits": (lambda p, q, dx: jsd(p, q, dx) / math.log(2), "jsd-bits"),
        "distance": (lambda p, q, dx: jsd(p, q, dx) ** 0.5, "jsd-distance"),
        "0 log 0": (plain_jsd, "jsd-nan"),
    },
}

UNFORESEEN = {
    "1.1": {
        "least squares": (_with(0, lambda r, f: ((r - 1) ** 2 + f**2).mean()), "least-squares"),
        "low threshold": (
            _with(2, lambda f: F.softplus(-f, threshold=1).mean()),
            "for fake logits [-",
        ),
        "threshold at 5": (
            _with(0, lambda r, f: (F.softplus(-r) + F.softplus(f, threshold=5)).mean()),
            "5.5",
        ),
        "logarithm of the mean": (
            _with(2, lambda f: -f.sigmoid().mean().log()),
            "right for each sample alone",
        ),
        "one function": (d_loss, "Three functions"),
        "two functions": ((d_loss, saturating), "a tuple of 2"),
        "per sample": (_with(0, lambda r, f: F.softplus(-r) + F.softplus(f)), "for each sample"),
        "a number": (_with(0, d_of_numbers), "should return a tensor"),
        "detached": (_with(0, d_detached), "no gradient"),
        "wasserstein": (_with(2, lambda f: -f.mean()), "hinge loss"),
        "targets of another shape": (
            _with(0, lambda r, f: bce(r, 1.0) + bce_with_flat_targets(f)),
            "do not have the shape of the logits",
        ),
        "broadcast": (
            _with(2, lambda f: (F.softplus(-f) * torch.ones(6)).sum() / 6),
            "is one written as a number",
        ),
        "hinge": (
            _with(0, lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean()),
            "this is the hinge loss",
        ),
        "smoothed": (
            _with(0, lambda r, f: bce(r, 0.9) + bce(f, 0.0)),
            "the real term with target 0 is in it, 0.1 times",
        ),
        "one sign": (
            _with(0, lambda r, f: F.softplus(-r).mean() - F.softplus(f).mean()),
            "The fake term is of the opposite sign",
        ),
        "a constant": (
            _with(0, lambda r, f: d_loss(r, f) - 2 * math.log(2)),
            "a constant of",
        ),
        "mean first": (
            _with(2, lambda f: -f.sigmoid().mean().log()),
            "right for each sample alone",
        ),
        "something detached on top": (
            _with(0, lambda r, f: d_loss(r, f) + 0.1 * r.detach().square().mean()),
            "Its slopes are right: what is added or lost",
        ),
        "in place": (_with(2, lambda f: F.softplus(f.neg_()).mean()), "changes a tensor"),
        "called": (
            _with(1, saturating(torch.zeros(3))),
            "in the place of `g_loss_saturating` came a float32 tensor",
        ),
        "forgot return": (_with(1, lambda f: None), "nothing (None)"),
        "one argument": (_with(0, lambda logits: logits.mean()), "stopped"),
    },
    "1.2": {
        "normalised": (lambda p, q: p / (p + q).sum(), "each point is decided for itself"),
        "squared": (lambda p, q: p**2 / (p**2 + q**2 + 1e-12), "raised to the power 2"),
        "p_data": (lambda p, q: p, "D* is 0.8, and yours gives 3.2"),
        "large constant": (lambda p, q: p / (p + q + 3e-5), "constant or threshold"),
        "threshold": (lambda p, q: torch.where(p + q > 1e-3, p / (p + q), 0.5), "or threshold"),
        "all or nothing": (
            lambda p, q: p / (p + q) if (p + q > 0).all() else torch.zeros_like(p),
            "one by one",
        ),
        "no probability": (lambda p, q: torch.where(p + q > 0, share(p, q), -1.0), "gives -1"),
        "in place": (lambda p, q: p.div_(p + q + 1e-12), "changes a tensor"),
        "a number": (lambda p, q: 0.5, "should return a tensor"),
        "one value": (lambda p, q: share(p, q).mean(), "shape ()"),
        "forgot return": (lambda p, q: None, "nothing (None)"),
        "always 0": (lambda p, q: 0 * p, "It is always 0."),
        "always 1": (lambda p, q: torch.ones_like(p), "It is always 1"),
        "always one half": (lambda p, q: torch.full_like(p, 0.5), "It is always 0.5"),
        "nan everywhere": (lambda p, q: p * math.nan, "the first that is not finite"),
        "nan at one point": (
            lambda p, q: torch.where(p > 3, math.nan, share(p, q)),
            "p_data = 3.2 and p_g = 0.8, D* is 0.8, and yours gives nan",
        ),
    },
    "1.3": {
        "total variation": (lambda p, q, dx: 0.5 * (p - q).abs().sum() * dx, "total variation"),
        "one half": (lambda p, q, dx: _kl(p, (p + q) / 2, dx), "KL(q || m) is missing"),
        "in place": (lambda p, q, dx: jsd(p.add_(1e-12), q, dx), "changes a tensor"),
        "per point": (lambda p, q, dx: p * q, "one number"),
        "forgot return": (lambda p, q, dx: None, "nothing (None)"),
        "geometric middle": (
            lambda p, q, dx: (_kl(p, (p * q).sqrt(), dx) + _kl(q, (p * q).sqrt(), dx)) / 2,
            "Print your two",
        ),
        "zero where one vanishes": (
            lambda p, q, dx: (
                jsd(p, q, dx) if (p > 0).all() and (q > 0).all() else torch.tensor(0.0)
            ),
            "share no point",
        ),
    },
}
