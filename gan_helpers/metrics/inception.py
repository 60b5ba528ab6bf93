"""The Inception score."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from .features import Features, as_features, check_matrix
from .score import Score, Z, standard_error, t_interval


def inception_score(
    generated: object,
    judge: nn.Module | None = None,
    *,
    splits: int = 10,
    shuffle: bool = True,
    seed: int = 2020,
) -> Score:
    """IS = exp of the mean KL(p(y|x) || p(y)), from logits; between 1 and K. Higher is better.

    generated: Features, images with `judge`, or a matrix of *logits* (N, K). As published scores
    do, it averages over `splits` parts, shuffled first: parts of samples sorted by class would each
    see few classes and score far too low. The interval is a t interval over the parts, or, with
    splits=1, the delta method's. Salimans et al., 2016, arXiv:1606.03498.
    """
    seen = _with_logits(generated, judge)
    logits, n = seen.logits.double(), len(seen)
    if not 1 <= splits <= n // 2:
        raise ValueError(f"splits={splits} with {n:,} samples; each part needs at least 2")
    if shuffle:
        logits = logits[np.random.RandomState(seed).permutation(n)]
    log_p = logits.log_softmax(dim=1)
    parts = [_mean_kl(log_p[i * n // splits : (i + 1) * n // splits]) for i in range(splits)]
    scores = np.array([math.exp(kl.mean()) for kl in parts])
    value = float(scores.mean())
    if splits == 1:
        error = Z * standard_error(parts[0])
        interval = (value * math.exp(-error), value * math.exp(error))
    else:
        interval = t_interval(scores)
    details = {"splits": scores, "std": float(scores.std())}
    return Score("IS", value, interval, n, seen.judge, None, "higher", "", details)


def _with_logits(generated: object, judge: nn.Module | None) -> Features:
    if getattr(generated, "ndim", 0) == 2:
        logits = torch.as_tensor(generated)
        check_matrix("logits", logits)
        sums = logits.double().sum(dim=1)
        if logits.min() >= 0 and (sums - 1).abs().max() < 1e-3:
            raise ValueError("every row sums to 1: these are probabilities; logits are expected")
        generated = Features(logits, logits, "given logits")
    seen = as_features(generated, judge)
    if seen.logits is None:
        raise ValueError(f"{seen.judge} gives no class logits; the Inception score needs them")
    return seen


def _mean_kl(log_p: Tensor) -> Tensor:
    """KL(p(y|x) || p(y)) of each sample, (n,)."""
    p = log_p.exp()
    log_marginal = p.mean(dim=0).log()
    # A class that never gets any mass contributes 0 * log(0 / 0) = 0, not NaN.
    return torch.where(p > 0, p * (log_p - log_marginal), 0.0).sum(dim=1)
