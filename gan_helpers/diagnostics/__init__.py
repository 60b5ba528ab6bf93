"""What tells a healthy GAN from a sick one, before it is trained and while it trains.

`pair`: a pair verified before the first step. `instruments`: what is read of a run of images while
it trains (a `toys.ToyGAN` reads its own).
"""

from .instruments import Instruments, gradient_norms
from .pair import Check, PairReport, verify_pair
from .reading import Signs, judged, near_twins, spread, twin_limit
