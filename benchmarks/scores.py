"""Score the course's own models and write the table that notebook 06 shows.

    python benchmarks/scores.py             # trains every model on real MNIST, each with three
                                            # reporting seeds, and writes weights/scores.json
    python benchmarks/scores.py --quick     # a few steps, one seed, nothing written

The last line is JSON: each model's median FD(mnist-judge, 10k vs test).
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections.abc import Callable

import torch
from seeds import REPORTING
from torch import Tensor

import gan_helpers as gh

# The settings of notebook 02, the same for both pairs; the MLP rows are the runs of notebook 06.
SETTINGS = {"steps": 2_500, "lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 128}
# name -> (name in models.PAIRS, keyword arguments of gh.train)
MODELS = {
    "MLP pair, 2,500 steps": ("mlp", SETTINGS),
    "wide pair, 2,500 steps": ("wide", SETTINGS),
}
SEEDS = REPORTING[:3]


def trained(pair: str, settings: dict, n: int, data) -> Callable:
    """seed -> n images of the pair trained with that seed, and the seconds that took."""

    def draw(seed: int) -> tuple[Tensor, float]:
        gh.set_seed(seed)
        run = gh.train(*gh.build_pair(pair), data, **settings, seed=seed, progress=False)
        return gh.generate(run, n, seed=seed), run.seconds

    return draw


def real(data, n: int) -> Callable:
    """seed -> n training images: what a perfect generator would score."""

    def draw(seed: int) -> tuple[Tensor, float]:
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
        return data.images[order[:n]], 0.0

    return draw


def score(draw: Callable, seeds: tuple[int, ...], reference, judge) -> dict:
    """All scores of `evaluate` for each seed, and the seconds of training."""
    found: dict[str, list[float]] = {}
    names: dict[str, str] = {}
    seconds = []
    for seed in seeds:
        images, took = draw(seed)
        seconds.append(round(took, 1))
        for one in gh.metrics.evaluate(images, reference, judge):
            found.setdefault(one.metric, []).append(round(one.value, 5))
            names[one.metric] = one.name
            print(f"  seed {seed}: {one}", flush=True)
    return {"seeds": list(seeds), "seconds": seconds, "scores": found, "names": names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps; nothing is written")
    quick = parser.parse_args().quick
    data, test = (gh.load_dataset("mnist", split) for split in ("train", "test"))
    judge = gh.judges.judge_for(test)
    n, seeds = (500, SEEDS[:1]) if quick else (len(test), SEEDS)
    reference = gh.metrics.reference(test, judge, n=n)
    sources = {"training images": real(data, n)}
    for name, (pair, settings) in MODELS.items():
        settings = settings | {"steps": 20} if quick else settings
        sources[name] = trained(pair, settings, n, data)
    rows = {}
    for name, draw in sources.items():
        print(name)
        rows[name] = score(draw, seeds, reference, judge)
    table = {
        "data": test.title,
        "made_with": "python benchmarks/scores.py",
        "hardware": f"{torch.get_num_threads()} thread(s) of a CPU ({platform.machine()})",
        "torch": torch.__version__,
        "settings": {name: settings for name, (_, settings) in MODELS.items()},
        "rows": rows,
    }
    if not quick:
        path = gh.judges.WEIGHTS / "scores.json"
        path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        print(gh.metrics.course_scores())
    print(json.dumps({name: statistics.median(row["scores"]["FD"]) for name, row in rows.items()}))


if __name__ == "__main__":
    main()
