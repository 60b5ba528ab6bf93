"""What the two players minimise, on logits: six objectives, gradient penalties, two extras.

Logits are D's raw outputs, of any shape with one value a sample. Every loss is a mean over the
batch, a scalar tensor that can be differentiated. D's loss is the *sum* of its real and its fake
term, so that its value at equilibrium (all logits 0) is 2 log 2 = 1.386 for the first two
objectives.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Objective(NamedTuple):
    """A pair of losses: `d_loss(real_logits, fake_logits)` and `g_loss(fake_logits)`.

    probabilities: sigmoid(logit) is what D holds for the probability of "real", so that histories
    and figures show that; otherwise they show D's raw output. g_sees_real: G's loss is
    `g_loss(fake_logits, real_logits)`, and G's step takes a real batch too.
    """

    d_loss: Callable[[Tensor, Tensor], Tensor]
    g_loss: Callable[..., Tensor]
    name: str = "custom"
    probabilities: bool = True
    g_sees_real: bool = False


def cross_entropy_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))), with D = sigmoid(logit) (Goodfellow et al. 2014, eq. 1).

    softplus(-l) is -log sigmoid(l) and softplus(l) is -log(1 - sigmoid(l)), written so that no
    logit, however large, is rounded to a probability of 0 or 1 first.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def minimax_g_loss(fake_logits: Tensor) -> Tensor:
    """log(1 - D(G(z))): the saturating loss; its slope by logit is -D (Goodfellow et al. 2014)."""
    return -F.softplus(fake_logits).mean()


def non_saturating_g_loss(fake_logits: Tensor) -> Tensor:
    """-log D(G(z)); its slope by logit is -(1 - D) (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake_logits).mean()


def least_squares_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """(l_real - 1)^2 / 2 + l_fake^2 / 2 (Mao et al. 2017, eq. 9)."""
    return 0.5 * ((real_logits - 1) ** 2).mean() + 0.5 * (fake_logits**2).mean()


def least_squares_g_loss(fake_logits: Tensor) -> Tensor:
    """(l_fake - 1)^2 / 2 (Mao et al. 2017, eq. 9)."""
    return 0.5 * ((fake_logits - 1) ** 2).mean()


def hinge_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """max(0, 1 - l_real) + max(0, 1 + l_fake) (Lim and Ye 2017; Miyato et al. 2018, eq. 16)."""
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def wasserstein_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """l_fake - l_real: minus the critic's estimate of the Wasserstein-1 distance.

    Only an estimate while the critic is kept near 1-Lipschitz (Arjovsky et al. 2017, eq. 2).
    """
    return fake_logits.mean() - real_logits.mean()


def wasserstein_g_loss(fake_logits: Tensor) -> Tensor:
    """-l_fake; the generator's loss of both the Wasserstein and the hinge objective."""
    return -fake_logits.mean()


def relativistic_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """softplus(-(l_real - l_fake)): each real image against one fake (Jolicoeur-Martineau 2019).

    Only differences count: adding a constant to all logits changes nothing. At equilibrium log 2.
    """
    return F.softplus(fake_logits - real_logits).mean()


def relativistic_g_loss(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """softplus(-(l_fake - l_real)): D's loss with the roles exchanged (as in Huang et al. 2024).

    G gains by making a fake look more real than the real image that it is paired with.
    """
    return F.softplus(real_logits - fake_logits).mean()


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective(cross_entropy_d_loss, minimax_g_loss, "minimax"),
        Objective(cross_entropy_d_loss, non_saturating_g_loss, "non-saturating"),
        Objective(least_squares_d_loss, least_squares_g_loss, "least-squares", False),
        Objective(hinge_d_loss, wasserstein_g_loss, "hinge", False),
        Objective(wasserstein_d_loss, wasserstein_g_loss, "wasserstein", False),
        Objective(relativistic_d_loss, relativistic_g_loss, "relativistic", False, True),
    )
}


def get_objective(objective: str | Objective | tuple[Callable, Callable]) -> Objective:
    """The pair of losses behind a name of `OBJECTIVES`, or the given pair itself.

    A pair's g_loss with two required arguments is called with (fake_logits, real_logits). Raises
    ValueError for an unknown name, TypeError for anything that is not two functions.
    """
    if isinstance(objective, Objective):
        return objective
    if isinstance(objective, str):
        if objective not in OBJECTIVES:
            names = ", ".join(repr(name) for name in OBJECTIVES)
            raise ValueError(f"objective={objective!r} is unknown; choose one of {names}")
        return OBJECTIVES[objective]
    if (
        isinstance(objective, tuple | list)
        and len(objective) == 2
        and all(map(callable, objective))
    ):
        return Objective(*objective, g_sees_real=_required_arguments(objective[1]) == 2)
    raise TypeError(
        f"objective must be a name or a pair (d_loss, g_loss) of functions, got {objective!r}"
    )


def _required_arguments(function: Callable) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions written in C have no signature
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in parameters)


def smooth_d_loss(
    real_logits: Tensor, fake_logits: Tensor, real_target: float = 0.9, fake_target: float = 0.0
) -> Tensor:
    """D's cross-entropy with targets other than 1 and 0 (one-sided smoothing by default).

    With real target a and fake target b the best D is (a p_data + b p_g) / (p_data + p_g)
    (Salimans et al. 2016, section 3.4). Raises ValueError unless 0 <= b < a <= 1.
    """
    if not 0 <= fake_target < real_target <= 1:
        raise ValueError(
            f"real_target={real_target} and fake_target={fake_target}: expected "
            "0 <= fake_target < real_target <= 1; were the two exchanged?"
        )
    # Cross-entropy against a target t is softplus(l) - t l.
    real = (F.softplus(real_logits) - real_target * real_logits).mean()
    fake = (F.softplus(fake_logits) - fake_target * fake_logits).mean()
    return real + fake


def feature_matching_loss(real_features: Tensor, fake_features: Tensor) -> Tensor:
    """Squared distance of the two batches' mean features, (N, d) each (Salimans et al. 2016)."""
    return ((real_features.mean(0) - fake_features.mean(0)) ** 2).sum()


@dataclass
class Penalty:
    """`weight * measure(D, real, fake, labels)`, a scalar that is added to D's loss.

    `weight` may be set at any time, by `callbacks.AnnealPenalty` or by hand.
    """

    name: str
    weight: float
    measure: Callable[[nn.Module, Tensor, Tensor, Tensor | None], Tensor]

    def __call__(
        self, D: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None = None
    ) -> Tensor:
        return self.weight * self.measure(D, real, fake, labels)


def r1_penalty(gamma: float = 10.0) -> Penalty:
    """gamma/2 times the mean squared gradient norm of D at real images (Mescheder et al. 2018)."""
    return Penalty("r1", gamma, lambda D, real, fake, labels: _half_square(D, real, labels))


def r2_penalty(gamma: float = 10.0) -> Penalty:
    """The same at generated images (Mescheder et al. 2018)."""
    return Penalty("r2", gamma, lambda D, real, fake, labels: _half_square(D, fake, labels))


def r1_r2_penalty(gamma: float = 10.0) -> Penalty:
    """R1 and R2 under one weight, as with the relativistic objective in Huang et al. 2024."""

    def measure(D: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> Tensor:
        return _half_square(D, real, labels) + _half_square(D, fake, labels)

    return Penalty("r1+r2", gamma, measure)


def gradient_penalty(weight: float = 10.0) -> Penalty:
    """weight * (|grad D| - 1)^2 on random points between real and fake (Gulrajani et al. 2017).

    One mixing factor a sample, uniform in [0, 1]. Not for a critic with BatchNorm: the penalty is
    per sample and BatchNorm mixes samples.
    """

    def measure(D: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> Tensor:
        mix = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
        between = real + mix * (fake - real)
        return (_input_gradients(D, between, labels).norm(dim=1) - 1).square().mean()

    return Penalty("wgan-gp", weight, measure)


PENALTIES: dict[str, Callable[[float], Penalty]] = {
    "r1": r1_penalty,
    "r2": r2_penalty,
    "r1+r2": r1_r2_penalty,
    "wgan-gp": gradient_penalty,
}


def _half_square(D: nn.Module, images: Tensor, labels: Tensor | None) -> Tensor:
    return 0.5 * _input_gradients(D, images, labels).square().sum(1).mean()


def _input_gradients(D: nn.Module, images: Tensor, labels: Tensor | None) -> Tensor:
    """The gradient of each logit, one row a logit, itself differentiable.

    A logit is of one image, or of several that D packs together (`models.Packing`).
    """
    images = images.detach().requires_grad_(True)
    logits = D(images) if labels is None else D(images, labels)
    # create_graph: the penalty is trained through, so the gradient must keep its own graph.
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.reshape(len(logits), -1)
