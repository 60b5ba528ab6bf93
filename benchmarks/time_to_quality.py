"""How many CPU seconds of training until the digits are good? The compact pair against others.

    python benchmarks/time_to_quality.py [--quick] [--seeds 1000 1001 ...] [--picture FILE]

Real MNIST, one thread, CPU seconds of this process during training alone. Each budget is a run of
its own, whose rate falls to zero at the end of that budget; "seconds to" a quality is the smallest
budget whose median over the seeds has it. Distances are FD(mnist-judge, 10k vs test). Compared are:

  compact      the compact pair, conditional and unconditional
  mlp pair     the pair of notebook 02 with its rate of 1e-3, looked at as it goes
  textbook     the same layers in the naive loop of engine.py, rate 2e-4, as tutorials have it

"Readable" is the rule of first_digits.py. With --picture, sixty digits of the first seed's longest
conditional run are saved. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from engine import naive_loader, naive_optimizers, naive_step
from first_digits import look as readable_signs
from first_digits import save_picture
from seeds import REPORTING

import gan_helpers as gh
from gan_helpers import metrics
from gan_helpers.callbacks import Averaging, Callback, SpectralProjection
from gan_helpers.models import CompactDiscriminator, CompactGenerator

BUDGETS = {  # seconds
    "conditional": (4, 6, 8, 12, 14, 20, 28, 30),
    "unconditional": (4, 6, 8, 12, 14, 20, 28, 30, 60, 90),
}
BATCH, RATE, BETAS = 32, 3e-3, (0.0, 0.99)
NORM = {"conditional": 1.7, "unconditional": 2.2}
AVERAGE = 0.985
FALLING = 0.5  # the last share of the budget, in which the rate falls
WARM_STEPS = 20  # before the clock starts: the first steps make torch load and choose kernels


class Budget(Callback):
    """Stop after so many CPU seconds, the rate falling linearly over the last share of them."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def on_start(self, run) -> None:
        self.rates, self.started = run.lr, time.process_time()

    def after_step(self, run) -> None:
        spent = (time.process_time() - self.started) / self.seconds
        run.lr = tuple(rate * min(1.0, max(0.0, (1 - spent) / FALLING)) for rate in self.rates)
        if spent >= 1:
            run.stop()


def train_compact(kind: str, data, seconds: float, seed: int, steps: int = 10**6):
    classes = data.num_classes if kind == "conditional" else None
    gh.set_seed(seed)
    return gh.train(
        CompactGenerator(num_classes=classes), CompactDiscriminator(num_classes=classes), data,
        steps=steps, batch_size=BATCH, lr=RATE, betas=BETAS, conditional=classes is not None,
        callbacks=[SpectralProjection(NORM[kind]), Averaging(AVERAGE), Budget(seconds)],
        seed=seed, snapshots=1, checkpoint_every=10**9, progress=False,
    )  # fmt: skip


def measure(run, judge, reference, real, n: int) -> dict:
    """FD, share of right labels, and whether 1,000 samples are readable by first_digits' rule."""
    labels = torch.arange(n) % 10 if run.num_classes else None
    images = gh.generate(run, n, labels, seed=run.seed)
    seen = metrics.look(images, judge)
    found = {"fd": metrics.frechet_distance(seen, reference, interval=False).value}
    if labels is not None:
        found["right"] = (seen.logits.argmax(1) == labels).double().mean().item()
    return found | {"readable": is_readable(images[:1000], judge, real)}


def is_readable(images, judge, real) -> bool:
    precision, sure, digits = readable_signs(images, judge, real)
    return precision >= 0.5 and sure >= 0.5 and digits == 10


def compact_table(kind: str, data, budgets, seeds, *looking) -> dict[float, dict]:
    """budget -> medians over the seeds (and whether at least half of them are readable)."""
    table = {}
    for seconds in budgets:
        rows = [measure(train_compact(kind, data, seconds, s), *looking) for s in seeds]
        table[seconds] = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        print(f"  {kind:13} {seconds:5g} s  " + describe(table[seconds], rows), flush=True)
    return table


def describe(medians: dict, rows: list[dict]) -> str:
    fds = [row["fd"] for row in rows]
    right = f", labels right {medians['right']:.3f}" if "right" in medians else ""
    readable = sum(row["readable"] for row in rows)
    spread = f"({min(fds):.2f} to {max(fds):.2f})"
    return f"FD {medians['fd']:6.2f} {spread:18}{right}, readable {readable} of {len(rows)}"


def mlp_seconds(data, seeds, judge, real, n: int, most: int) -> float:
    """CPU seconds of training until the pair of notebook 02 is readable, looked at each 250 steps.

    It is looked at while it trains and keeps its rate, as a reader of notebook 02 sees it.
    """
    found = []
    for seed in seeds:
        gh.set_seed(seed)
        G, D, run, spent = gh.MLPGenerator(), gh.MLPDiscriminator(), None, 0.0
        for steps in range(250, most + 1, 250):
            started = time.process_time()
            run = gh.train(G, D, data, steps=steps, lr=1e-3, seed=seed, snapshots=1, resume=run,
                           progress=False)  # fmt: skip
            spent += time.process_time() - started
            if is_readable(gh.generate(run, n), judge, real):
                break
        found.append(spent)
        print(
            f"  mlp pair, seed {seed}: readable after {spent:.1f} s, {run.steps} steps", flush=True
        )
    return statistics.median(found)


def textbook_fd(seeds, seconds: float, judge, reference, n: int) -> tuple[float, float]:
    """(median FD, median CPU seconds) of the naive loop after about `seconds`."""
    fds, spent = [], []
    for seed in seeds:
        gh.set_seed(seed)
        G, D = gh.MLPGenerator(), gh.MLPDiscriminator()
        optimizers, loader = naive_optimizers(G, D), naive_loader()
        started = time.process_time()
        while time.process_time() - started < seconds:
            for real, _ in loader:
                z_d, z_g = torch.randn(len(real), 64), torch.randn(len(real), 64)
                naive_step(G, D, *optimizers, real, z_d, z_g)
                if time.process_time() - started >= seconds:
                    break
        spent.append(time.process_time() - started)
        seen = metrics.look(gh.generate(G, n, seed=seed), judge)
        fds.append(metrics.frechet_distance(seen, reference, interval=False).value)
        print(f"  textbook, seed {seed}: FD {fds[-1]:.1f} after {spent[-1]:.1f} s", flush=True)
    return statistics.median(fds), statistics.median(spent)


def seconds_to(table: dict[float, dict], good) -> float | None:
    """The smallest budget whose medians are good; None if none is."""
    return next((seconds for seconds, row in table.items() if good(row)), None)


def ratio(slow: float, fast: float | None) -> float | None:
    return None if fast is None else round(slow / fast, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, two short budgets")
    parser.add_argument("--seeds", type=int, nargs="+", default=REPORTING[:5])
    parser.add_argument("--picture", type=Path, help="where to save digits of the first seed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # the averages of unused weights fade into denormal numbers
    seeds = options.seeds[:1] if options.quick else options.seeds
    budgets = dict.fromkeys(BUDGETS, (1, 2)) if options.quick else BUDGETS
    n = 1000 if options.quick else 10_000
    data, test = gh.load_dataset("mnist"), gh.load_dataset("mnist", split="test")
    judge = gh.judges.judge_for(test)
    looking = (judge, metrics.reference(test, judge, n=n), metrics.reference(test, judge, n=5000))
    train_compact("conditional", data, 1e9, 0, steps=WARM_STEPS)
    tables = {
        kind: compact_table(kind, data, budgets[kind], seeds, *looking, n) for kind in budgets
    }
    conditional, unconditional = tables["conditional"], tables["unconditional"]
    longest = max(conditional)
    if options.picture:
        run = train_compact("conditional", data, longest, seeds[0])
        images = gh.generate(run, 60, torch.arange(60) % 10, seed=seeds[0])
        save_picture(images, options.picture, columns=10)
    digits = seconds_to(conditional, lambda row: row["readable"] >= 0.5)
    mlp = mlp_seconds(data, seeds, judge, looking[2], 1000, 500 if options.quick else 10_000)
    fd, spent = textbook_fd(seeds, 2 if options.quick else 120, judge, looking[1], n)
    result = {
        "first_digits_seconds": digits,
        "conditional_fd1_seconds": seconds_to(conditional, lambda row: row["fd"] <= 1),
        "conditional_fd05_seconds": seconds_to(conditional, lambda row: row["fd"] <= 0.5),
        "conditional_label_accuracy": round(conditional[longest]["right"], 4),
        "unconditional_fd5_seconds": seconds_to(unconditional, lambda row: row["fd"] <= 5),
        "unconditional_fd2_seconds": seconds_to(unconditional, lambda row: row["fd"] <= 2),
        "textbook_fd": round(fd, 1),
        "speedup_textbook": ratio(spent, seconds_to(unconditional, lambda row: row["fd"] <= fd)),
        "mlp_digits_seconds": round(mlp, 1),
        "speedup_digits": ratio(mlp, digits),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
