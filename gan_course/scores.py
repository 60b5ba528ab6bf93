"""The scores of the course's own models, as notebook 06 shows them."""

import json
import textwrap
from pathlib import Path

import numpy as np

from gan_helpers.metrics.score import digits

STORED = Path(__file__).resolve().parent / "data" / "scores.json"


def model_scores() -> str:
    """The scores of the course's own models, a table a data set: medians over seeds, for FD ranges.

    Made by `python benchmarks/scores.py`; the scores' full names stand below each table.
    """
    tables = json.loads(STORED.read_text(encoding="utf-8"))["tables"]
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
