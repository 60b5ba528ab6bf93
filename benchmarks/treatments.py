"""What is recommended against mode collapse, each tried on the ring: all modes, and how sharp.

    python benchmarks/treatments.py [--quick] [--rows "PacGAN, 4 points" ...] [--write]

Each row lays one of `failures.TREATMENTS`, untuned, over the plain GAN, for the first ten REPORTING
seeds, which train side by side (about a minute of one core a row, WGAN-GP and minibatch
discrimination several). --write puts the rows that ran into gan_course/data/treatments.json, from
which notebook 04 makes its table; a row is kept as soon as it is done. The last line is JSON: how
many seeds of each row learned the ring, with all modes and 75 % of the points within three sigma.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from seeds import REPORTING
from shipping import write_rows

from gan_course.failures import DATA, RING, TREATMENTS

SEEDS = REPORTING[:10]
TABLE = DATA / "treatments.json"


def run_row(name: str, quick: bool) -> tuple[dict, int]:
    """The last look of each seed, and how many of them learned the ring."""
    settings = RING.broken | TREATMENTS[name]
    if quick:
        settings["steps"] = 50
    gan = RING.run(settings, SEEDS)
    last = {name: gan.history[name][-1].tolist() for name in ("modes", "quality")}
    row = {
        "seeds": list(SEEDS),
        "modes": last["modes"],
        "quality": [round(value, 4) for value in last["quality"]],
    }
    return row, sum(RING.healed(signs) for signs in gan.signs())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps each")
    parser.add_argument("--rows", nargs="+", choices=list(TREATMENTS), default=list(TREATMENTS))
    parser.add_argument("--write", action="store_true", help="renew the table that is shipped")
    options = parser.parse_args()
    torch.set_num_threads(1)
    learned = {}
    for name in options.rows:
        started = time.process_time()
        row, learned[name] = run_row(name, options.quick)
        low, high = min(row["quality"]), max(row["quality"])
        print(f"{name:34} learned {learned[name]:2} of {len(SEEDS)}   modes {row['modes']}   "
              f"quality {low:.2f} to {high:.2f}   {time.process_time() - started:.0f} s",
              flush=True)  # fmt: skip
        if options.write and not options.quick:
            write_rows({name: row}, TREATMENTS, TABLE)
    print(json.dumps(learned))


if __name__ == "__main__":
    main()
