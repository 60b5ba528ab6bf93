"""Scores for generated images: IS, FID and its relatives, each with an interval and its full name.

Every score is a `Score`: a value, a 95 % interval, the number of samples, whose features it was
measured in, and against which reference; `FD(mnist-judge, 10k vs test) = 8.71 [8.52, 8.90]`. "FID"
and "KID" are said only when the features are Inception-v3's; other features give "FD" and "KD".

Wherever a function takes `generated` or `reference`, it takes any of three things: `Features` (from
`look`, so that the judge looks once for many scores), images together with `judge=`, or a plain
matrix of features (N, d). Images are uint8 or float in [-1, 1]; anything else is refused, with the
likely cause. Intervals are for new draws of the generated sample, the reference held fixed.

Definitions and defaults follow torch-fidelity (seeds of the random subsets included), so numbers
agree with it to rounding on the same features; all sums are in float64.
"""

from .coverage import classes_covered, effective, reverse_kl
from .features import Features, check_images, look, reference, to_float
from .frechet import frechet_distance, frechet_from_statistics
from .inception import inception_score
from .kernel import kernel_distance, polynomial_mmd2
from .neighbours import closer_to_train, density_coverage, nearest_neighbours, precision_recall
from .report import evaluate
from .score import Score, wilson
