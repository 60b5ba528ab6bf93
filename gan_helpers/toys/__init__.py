"""Small worlds in which a GAN can be computed or watched.

`densities`: on a line, where the optimal discriminator and the divergences are known. `plane`: 2-D
GANs, of which many seeds train side by side, so that what depends on the seed can be shown as a
rate. `modes`: what they reach.
"""

from ..metrics.coverage import effective, reverse_kl
from .densities import (
    gaussian_density,
    js_divergence,
    kl_divergence,
    optimal_discriminator,
    wasserstein_1,
)
from .modes import Coverage, coverage, mode_count
from .plane import ToyGAN, anneal
