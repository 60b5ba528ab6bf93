"""GANs whose trained weights come with the package, each with a card that says how it was made."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from . import models
from .judges import WEIGHTS, read_weights

# name -> (generator's class, discriminator's class). "early" is the same run after fewer images.
PAIRS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = {
    "dcgan-cifar10": models.PAIRS["dcgan"],
    "dcgan-cifar10-early": models.PAIRS["dcgan"],
    "upsample-cifar10": models.PAIRS["upsample"],
    "conditional-cifar10": (models.ConditionalDCGANGenerator, models.ProjectionDiscriminator),
}


@dataclass
class Pretrained:
    """A trained pair and its card; `generate(pretrained, n)` draws from it as from a run.

    averaged: the averaged generator, or None where the weights hold none. card: data, images seen,
    seed, hardware, seconds, precision and scores. log: scores on the way, one dict a look.
    Optimisers are not kept: a training that goes on from here begins with new ones, so let its
    rate warm up.
    """

    name: str
    generator: nn.Module
    discriminator: nn.Module
    averaged: nn.Module | None = None
    card: dict = field(default_factory=dict, repr=False)

    @property
    def sampler(self) -> nn.Module:
        """The generator that samples are drawn from: the averaged one where there is one."""
        return self.generator if self.averaged is None else self.averaged

    @property
    def latent_dim(self) -> int:
        """How many numbers z has."""
        return self.generator.latent_dim

    @property
    def num_classes(self) -> int | None:
        """How many classes the labels have; None for an unconditional pair."""
        return getattr(self.generator, "num_classes", None)

    @property
    def log(self) -> list[dict]:
        """The training's own scores: images seen, FD, losses, ..., in the order of the training."""
        return self.card["log"]

    def __repr__(self) -> str:
        seen, score = self.card["images_seen"], self.card["score"]
        return f"Pretrained({self.name!r}, {seen:,} images seen, {score})"


def load(name: str) -> Pretrained:
    """The shipped pair `name`, in evaluation mode on the CPU; see `PAIRS` for the names.

    Raises ValueError for another name, FileNotFoundError if the weights are not installed.
    """
    if name not in PAIRS:
        raise ValueError(f"name={name!r} is no shipped pair; choose one of {', '.join(PAIRS)}")
    state, card = read_weights(
        WEIGHTS / f"{name}.safetensors", "python benchmarks/cifar10_gans.py (many CPU hours)"
    )
    build_g, build_d = PAIRS[name]
    networks = nn.ModuleDict({"generator": build_g(), "discriminator": build_d()})
    if any(key.startswith("averaged.") for key in state):
        networks["averaged"] = build_g()
    networks.load_state_dict(state)
    return Pretrained(name, **networks.eval(), card=card)
