"""All scores that belong into a report."""

from torch import nn

from .coverage import classes_covered
from .features import as_pair
from .frechet import frechet_distance
from .inception import inception_score
from .kernel import kernel_distance
from .neighbours import density_coverage, precision_recall
from .score import Score


def evaluate(generated: object, reference: object, judge: nn.Module) -> list[Score]:
    """The scores that a report should hold, best read together: what none of them sees alone.

    generated: images or Features; reference: a data set, images or Features. For counts below
    10,000 the subsets of the kernel distance shrink with them.
    """
    fake, real = as_pair(generated, reference, judge)
    size = min(1000, len(fake) // 2, len(real) // 2)
    scores = [frechet_distance(fake, real), kernel_distance(fake, real, subset_size=size)]
    scores += [*precision_recall(fake, real), *density_coverage(fake, real)]
    if fake.logits is not None:
        scores += [inception_score(fake), classes_covered(fake)]
    return scores
