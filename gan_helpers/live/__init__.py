"""A widget: the 2-D playground, a GAN in the plane that is steered while it trains."""

from .steering import Playground, playground
