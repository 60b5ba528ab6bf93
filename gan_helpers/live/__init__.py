"""Widgets: the 2-D playground, knobs on a trained generator, slides of a training."""

from .moments import Slides, slides
from .steering import Playground, playground
from .turning import Knobs, knobs
