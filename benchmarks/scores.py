"""Score the course's own models and write the tables that notebook 06 shows.

    python benchmarks/scores.py              # trains on real MNIST, each model with three of the
                                             # reporting seeds, and writes its scores.json
    python benchmarks/scores.py --only NAME  # this row or table alone, beside those that stand
    python benchmarks/scores.py --quick      # a few steps, one seed, nothing written

The CIFAR-10 table needs the images of CIFAR-10 (see the README) and draws from shipped weights.
The last line is JSON: each model's median FD.
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
from gan_course.scores import STORED, model_scores
from gan_helpers.callbacks import Averaging, LRSchedule, SpectralProjection

# The settings of notebook 02, the same for both pairs; the MLP rows are the runs of notebook 06.
SETTINGS = {"steps": 2_500, "lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 128}
# The settings of notebook 05 for its conditional pair.
COMPACT = {"steps": 900, "lr": 3e-3, "betas": (0, 0.99), "batch_size": 32, "conditional": True}
CALLBACKS = {"SpectralProjection": 1.7, "Averaging": 0.985, "LRSchedule decay": 0.5}
SEEDS = REPORTING[:3]
REAL = "training images"
TABLES = {  # data set -> name of a row -> how it was made
    "mnist": {
        REAL: {},
        "MLP pair, 2,500 steps": SETTINGS,
        "wide pair, 2,500 steps": SETTINGS,
        "compact (05), 900 steps": COMPACT | {"callbacks": CALLBACKS},
    },
    "cifar10": {REAL: {}, "DCGAN, 1.5M images": {"weights": "dcgan-cifar10"}},
}


def build(row: str) -> tuple[torch.nn.Module, torch.nn.Module, list]:
    """G, D and the callbacks of a row that is trained here."""
    if row.startswith("compact"):
        G, D = (
            network(num_classes=10)
            for network in (gh.models.CompactGenerator, gh.models.CompactDiscriminator)
        )
        projection, average, decay = CALLBACKS.values()
        return G, D, [SpectralProjection(projection), Averaging(average), LRSchedule(decay=decay)]
    return *gh.build_pair("mlp" if row.startswith("MLP") else "wide"), []


def source(row: str, made: dict, data, n: int, quick: bool) -> Callable[[int], tuple]:
    """seed -> n images (of labels in equal shares, if there are any), seconds of training."""

    def real(seed: int) -> tuple[Tensor, float]:  # what a perfect generator would score
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
        return data.images[order[:n]], 0.0

    def shipped(seed: int) -> tuple[Tensor, float]:
        return gh.generate(gh.pretrained.load(made["weights"]), n, seed=seed), 0.0

    def trained(seed: int) -> tuple[Tensor, float]:
        gh.set_seed(seed)
        G, D, callbacks = build(row)
        settings = {name: value for name, value in made.items() if name != "callbacks"}
        settings |= {"steps": 20} if quick else {}
        run = gh.train(G, D, data, **settings, callbacks=callbacks, seed=seed, progress=False)
        labels = torch.arange(n) % 10 if run.num_classes else None
        return gh.generate(run, n, labels, seed=seed), run.seconds

    return shipped if "weights" in made else trained if made else real


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


def score_table(data_set: str, rows: list[str], quick: bool) -> dict:
    """The named rows of one table, made anew."""
    data, test = (gh.load_dataset(data_set, split) for split in ("train", "test"))
    judge = gh.judges.judge_for(test)
    # Shipped weights are one training: other seeds would only draw other images from it.
    one = quick or any("weights" in made for made in TABLES[data_set].values())
    n, seeds = 500 if quick else len(test), SEEDS[:1] if one else SEEDS
    reference = gh.metrics.reference(test, judge, n=n)
    found = {}
    for row in rows:
        print(row)
        made = TABLES[data_set][row]
        draw = source(row, made, data, n, quick)
        found[row] = score(draw, seeds, reference, judge)
        found[row]["settings"] = made
    return {"data": test.title, "rows": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps; nothing is written")
    parser.add_argument("--only", help="a part of a row's name, or of a data set's")
    options = parser.parse_args()
    path = STORED
    wanted = options.only or ""
    tables = {} if not wanted else json.loads(path.read_text(encoding="utf-8"))["tables"]
    medians = {}
    for data_set, all_rows in TABLES.items():
        rows = [row for row in all_rows if wanted in row or wanted in data_set]
        if not rows:
            continue
        new = score_table(data_set, rows, options.quick)
        medians |= {f"{data_set}: {row}": statistics.median(found["scores"]["FD"])
                    for row, found in new["rows"].items()}  # fmt: skip
        known = tables.get(data_set, {"rows": {}})["rows"] | new["rows"]
        new["rows"] = {row: known[row] for row in all_rows if row in known}
        tables[data_set] = new
    if not options.quick:
        table = {
            "made_with": "python benchmarks/scores.py",
            "hardware": f"{torch.get_num_threads()} thread(s) of a CPU ({platform.machine()})",
            "torch": torch.__version__,
            "tables": {name: tables[name] for name in TABLES if name in tables},
        }
        path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        print(model_scores())
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
