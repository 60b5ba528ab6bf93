"""A pair looked over before it is trained: what would cost hours is found in seconds."""

from __future__ import annotations

import copy
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import verify
from ..datasets import ImageDataset
from ..losses import cross_entropy_d_loss, non_saturating_g_loss
from ..models import count_parameters
from ..sampling import call, evaluating, latent_size
from ..settings import step_generator


@dataclass(frozen=True)
class Check:
    """One line of a report: what was looked at, whether it is as it should be, what was found."""

    name: str
    passed: bool
    found: str


@dataclass(frozen=True)
class PairReport:
    """What `verify_pair` found; print it for the table."""

    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    @property
    def problems(self) -> list[str]:
        """What was found by the checks that failed."""
        return [check.found for check in self.checks if not check.passed]

    @property
    def failed(self) -> PairReport:
        """The checks that failed, as a report of their own."""
        return PairReport([check for check in self.checks if not check.passed])

    def __str__(self) -> str:
        width = max((len(check.name) for check in self.checks), default=0)
        lines = []
        for check in self.checks:
            mark = "ok    " if check.passed else "LOOK  "
            found = textwrap.wrap(check.found, 88 - width, break_on_hyphens=False)
            lines.append(f"{mark}{check.name:<{width}}  {found[0]}")
            lines += [" " * (width + 8) + more for more in found[1:]]
        failed = len(self.problems)
        return "\n".join([*lines, f"{failed} to look at" if failed else "nothing to look at"])

    __repr__ = __str__


def verify_pair(
    generator: nn.Module,
    discriminator: nn.Module,
    dataset: ImageDataset,
    *,
    latent_dim: int | None = None,
    conditional: bool = False,
    batch_size: int = 64,
    steps: int = 100,
) -> PairReport:
    """Look a pair over before training: shapes, ranges, parameters, gradients, one batch learned.

    The last check trains a copy of D for at most `steps` Adam steps (lr 1e-3) to tell one batch of
    real from one of generated images: a D that cannot do this will not do more. The networks and
    the random state are left as they were. Checks that need what an earlier one found broken are
    left out. Raises TypeError for what are not networks and a data set, ValueError where the size
    of z is not known.
    """
    verify.check_kinds(generator, discriminator, dataset)
    n = min(batch_size, len(dataset)) // verify.images_a_logit(discriminator)
    n *= verify.images_a_logit(discriminator)
    indices = dataset.batch_indices(0, n, 0)
    checks = [_check("G's parameters", _parameters, generator),
              _check("D's parameters", _parameters, discriminator)]  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        G, D = copy.deepcopy(generator).cpu().train(), copy.deepcopy(discriminator).cpu().train()
        real, labels = dataset.take(indices), dataset.labels[indices] if conditional else None
        z = torch.randn(n, latent_size(G, latent_dim), generator=step_generator(0, 0, "verify"))
        shapes = [_check("G's images", _images, G, z, labels, dataset.image_shape),
                  _check("D's logits", _logits, D, real, labels)]  # fmt: skip
        checks += shapes
        if all(check.passed for check in shapes):
            checks.append(_check("G's range", _range, G, z, labels))
            checks.append(_check("G's variety", _variety, G, z, labels))
            g_loss, d_loss = _losses(G, D, real, z, labels)
            checks.append(_check("G's gradient", _gradient, G, g_loss))
            checks.append(_check("D's gradient", _gradient, D, d_loss))
            checks.append(_check("one batch learned by D", _overfit, G, D, real, z, labels, steps))
    return PairReport(checks)


def _check(name: str, look: Callable[..., str], *given: object) -> Check:
    """A line of the report: what `look` returns, or the ValueError that it raises."""
    try:
        return Check(name, True, look(*given))
    except ValueError as error:
        return Check(name, False, str(error))


def _parameters(network: nn.Module) -> str:
    found = f"{count_parameters(network):,} that learn"
    frozen = {key: p for key, p in network.named_parameters() if not p.requires_grad}
    if frozen:
        total = sum(p.numel() for p in frozen.values())
        raise ValueError(
            f"{found}, and {total:,} that do not: {_some([*frozen])} frozen (requires_grad is "
            "False). Unless it is meant, leave it True"
        )
    if not count_parameters(network):
        raise ValueError(found)
    return found


def _images(G: nn.Module, z: Tensor, labels: Tensor | None, shape: tuple[int, ...]) -> str:
    with torch.no_grad():
        fake = verify.attempt("G", G, z, labels)
    verify.check_fake(fake, (len(z), *shape))
    sizes = f"{verify.size_text(fake)} for z {verify.size_text(z)}"
    return f"{sizes}, from {fake.min():.2f} to {fake.max():.2f}"


def _logits(D: nn.Module, real: Tensor, labels: Tensor | None) -> str:
    with torch.no_grad():
        verify.check_logits(D, "real images", real, labels)
        with evaluating(D):
            verify.check_no_sigmoid(D, real, labels)
    return f"one for each image {verify.size_text(real[0])}"


def _range(G: nn.Module, z: Tensor, labels: Tensor | None) -> str:
    """Young networks draw small numbers also without tanh: drive this one to large ones."""
    loud = copy.deepcopy(G)
    weights = [p for p in loud.parameters() if p.dim() >= 2]
    with torch.no_grad(), evaluating(loud):
        if weights:
            weights[-1].mul_(1e4)
        outputs = [call(network, 1e4 * z, labels) for network in (G, loud)]
    largest = max(float(images.nan_to_num().abs().max()) for images in outputs)
    if largest > 1.001:
        raise ValueError(
            f"with large inputs and weights it reaches {largest:.3g}, and images lie in [-1, 1]: "
            "does the last layer lack its tanh?"
        )
    return "stays in [-1, 1] for large inputs and weights too"


def _variety(G: nn.Module, z: Tensor, labels: Tensor | None) -> str:
    with torch.no_grad():
        difference = float((call(G, z, labels) - call(G, z.roll(1, 0), labels)).abs().mean())
    found = f"another z moves a pixel by {difference:.2g} on average"
    if difference < 1e-4:
        cause = _dead_norms(G) or "Does forward use its input?"
        raise ValueError(f"{found}: all images are alike. {cause}")
    return found


def _losses(G: nn.Module, D: nn.Module, real: Tensor, z: Tensor, labels: Tensor | None) -> tuple:
    """(G's, D's) loss, non-saturating."""
    fake = call(G, z, labels)
    g_loss = non_saturating_g_loss(call(D, fake, labels))
    return g_loss, cross_entropy_d_loss(call(D, real, labels), call(D, fake.detach(), labels))


def _gradient(network: nn.Module, loss: Tensor) -> str:
    """Of a network's own loss, at the first layer and in all others."""
    trainable = {key: p for key, p in network.named_parameters() if p.requires_grad}
    if not trainable or not loss.requires_grad:
        raise ValueError("none: nothing in it learns")
    values = torch.autograd.grad(loss, [*trainable.values()], retain_graph=True, allow_unused=True)
    norms = [0.0 if value is None else float(value.norm()) for value in values]
    dead = [key for key, norm in zip(trainable, norms, strict=True) if not norm > 0]
    found = f"{norms[0]:.2g} at the first layer ({next(iter(trainable))})"
    if dead:
        cause = _dead_norms(network) or "Are these layers used, and is nothing detached?"
        raise ValueError(f"{found}; none reaches {_some(dead)}. {cause}")
    return found


def _dead_norms(network: nn.Module) -> str:
    """BatchNorm layers whose scale is 0, in words; empty if there is none."""
    dead = [
        name for name, module in network.named_modules()
        if isinstance(module, nn.modules.batchnorm._NormBase)
        and module.weight is not None and not module.weight.any()
    ]  # fmt: skip
    if not dead:
        return ""
    return f"The scale (weight) of the BatchNorm {_some(dead)} is 0: nothing passes through it"


def _overfit(
    G: nn.Module, D: nn.Module, real: Tensor, z: Tensor, labels: Tensor | None, steps: int
) -> str:
    weights = [p for p in D.parameters() if p.requires_grad]
    if not weights:
        raise ValueError("not tried: nothing in D learns")
    with torch.no_grad():
        fake = call(G, z, labels)
    adam, share = torch.optim.Adam(weights, lr=1e-3, betas=(0.5, 0.999)), 0.0
    for step in range(steps):
        real_logits, fake_logits = call(D, real, labels), call(D, fake, labels)
        right = (real_logits > 0).float().mean() + (fake_logits < 0).float().mean()
        share = float(right) / 2
        if share == 1:
            return f"all {2 * len(real)} images told apart after {step} steps"
        adam.zero_grad()
        cross_entropy_d_loss(real_logits, fake_logits).backward()
        adam.step()
    found = f"after {steps} steps {share:.0%} of {2 * len(real)} images are judged right"
    if share < 0.95:
        raise ValueError(f"{found}: D does not learn even this. Does each layer reach the next?")
    return found


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
