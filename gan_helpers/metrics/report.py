"""All scores that belong into a report, and those of the course's own models."""

import json
import textwrap
from pathlib import Path

import numpy as np
from torch import nn

from .coverage import classes_covered
from .features import as_pair
from .frechet import frechet_distance
from .inception import inception_score
from .kernel import kernel_distance
from .neighbours import density_coverage, precision_recall
from .score import Score, digits

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


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


def course_scores() -> str:
    """The scores of the course's own models, a table a data set: medians over seeds, for FD ranges.

    Made by `python benchmarks/scores.py`; the scores' full names stand below each table.
    """
    path = WEIGHTS / "scores.json"
    tables = json.loads(path.read_text(encoding="utf-8"))["tables"]
    return "\n\n".join(_table(**table) for table in tables.values())


_SHORT = {"KD": "KD", "precision": "prec.", "recall": "recall", "density": "dens.",
          "coverage": "cover.", "IS": "IS"}  # fmt: skip


def _table(data: str, rows: dict[str, dict]) -> str:
    heads = "".join(f"{name:>7}" for name in _SHORT.values())
    lines = [f"{data:24}{'FD: median (range)':>21}{heads}"]
    for model, row in rows.items():
        middle = {name: float(np.median(values)) for name, values in row["scores"].items()}
        low, high = min(row["scores"]["FD"]), max(row["scores"]["FD"])
        spread = f" ({digits(low)} to {digits(high)})" if low < high else ""
        cell = f"{digits(middle['FD'])}{spread}"
        lines.append(f"{model:24}{cell:>21}" + "".join(f"{middle[name]:z7.2f}" for name in _SHORT))
    names = ", ".join(row["names"][name] for name in ("FD", *_SHORT))
    return "\n".join([*lines, *textwrap.wrap(f"In full: {names}.", 90, break_on_hyphens=False)])
