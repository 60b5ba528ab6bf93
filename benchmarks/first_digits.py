"""How long does it take until the small pair of notebook 02 writes digits that can be read?

    python benchmarks/first_digits.py [--quick] [--picture FILE]

Real MNIST, `gh.train` with learning rate 1e-3, on all cores that torch uses. Every 250 steps the
MNIST judge looks at 1,000 samples. "Readable" means that half of them or more lie where real digits
lie (precision against 5,000 test digits, which noise and blots fail), that the judge is 90 % sure
of half of them or more, and that each of the ten digits makes up 2 % of those or more (a generator
that repeats one clear digit is not done). Seconds are of training alone. With --picture, 60 samples
of the first seed at that moment are saved. The last line is JSON: seconds and steps by seed.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import torch
from seeds import REPORTING

import gan_helpers as gh
from gan_helpers import metrics
from gan_helpers.judges import load_judge
from gan_helpers.live.canvas import enlarged

EVERY = 250


def look(images: torch.Tensor, judge, real) -> tuple[float, float, int]:
    """(precision, share that the judge is 90 % sure of, number of digits with 2 % of those)."""
    precision, _ = metrics.precision_recall(images, real, judge)
    with torch.no_grad():
        sure, digit = judge.features_and_logits(images)[1].softmax(1).max(1)
    counts = torch.bincount(digit[sure >= 0.9], minlength=10)
    enough = int((counts >= max(1, 0.02 * counts.sum())).sum())
    return precision.value, (sure >= 0.9).float().mean().item(), enough


def train_until_readable(dataset, judge, real, seed: int, most: int) -> gh.TrainingRun:
    gh.set_seed(seed)
    G, D, run = gh.MLPGenerator(), gh.MLPDiscriminator(), None
    for steps in range(EVERY, most + 1, EVERY):
        run = gh.train(
            G, D, dataset, steps=steps, lr=1e-3, seed=seed, snapshots=1, resume=run, progress=False
        )
        precision, share, digits = look(gh.generate(run, 1000), judge, real)
        print(
            f"  {run.steps:>6,} steps {run.seconds:6.1f} s: precision {precision:.2f}, "
            f"sure of {share:.0%}, {digits} digits",
            flush=True,
        )
        if precision >= 0.5 and share >= 0.5 and digits == 10:
            return run
    return run


def save_picture(images: torch.Tensor, path: Path, columns: int = 12) -> None:
    """A grid of the images, each at twice its size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    enlarged(images, columns=columns).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, at most 500 steps")
    parser.add_argument("--picture", type=Path, help="where to save samples of the first seed")
    options = parser.parse_args()
    seeds, most = (REPORTING[:1], 500) if options.quick else (REPORTING[:3], 10_000)

    dataset, judge = gh.load_dataset("mnist"), load_judge("mnist")
    print(f"{dataset.title}, {torch.get_num_threads()} threads, {os.cpu_count()} cores")
    test = gh.load_dataset("mnist", split="test")
    real = metrics.reference(test, judge, n=5000)
    examples = {"real": dataset.batch(1000), "noise": gh.generate(gh.MLPGenerator(), 1000)}
    for name, images in examples.items():
        precision, share, digits = look(images, judge, real)
        print(f"  {name:<6} precision {precision:.2f}, sure of {share:.0%}, {digits} digits")
    runs = []
    for seed in seeds:
        print(f"seed {seed}")
        runs.append(train_until_readable(dataset, judge, real, seed, most))
    if options.picture:
        save_picture(gh.generate(runs[0], 60), options.picture)
    print(json.dumps({str(run.seed): [round(run.seconds, 1), run.steps] for run in runs}))


if __name__ == "__main__":
    main()
