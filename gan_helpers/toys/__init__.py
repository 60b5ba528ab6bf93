"""Small worlds in which a GAN can be computed or watched.

`games`: densities on a line, where the optimal discriminator and the divergences are known, and
games of two numbers, where every step can be drawn. `plane`: 2-D GANs, of which many seeds train
side by side, so that what depends on the seed can be shown as a rate. `modes`: what they reach.
"""

from ..metrics.coverage import effective, reverse_kl
from .games import (
    bilinear_game,
    dirac_game,
    gaussian_density,
    js_divergence,
    kl_divergence,
    optimal_discriminator,
    orbit,
    radius_ratio,
    wasserstein_1,
)
from .modes import Coverage, coverage, mode_count
from .plane import ToyGAN, anneal
