"""How often does each failure of notebook 04 happen, and how often does its cure work?

    python benchmarks/failures.py [--quick] [--seeds 1000 1001 ...] [--cases ring grid ...]
                                  [--keep FOLDER] [--write [FILE]] [--picture FILE]

The settings, and what counts as failed or cured, are in gan_course/failures.py; they were chosen
with the TUNING seeds of seeds.py. Each case runs broken and cured with each seed, the runs of the
plane side by side; `diagnose` names all of them, and its answers are counted against what the runs
are. --keep: a folder in which finished parts lie, so that the next call goes on from there.
--write puts the counts of the cases that ran into gan_course/data/failures.json, from which
notebook 04 makes its figure of rates and its table of what `diagnose` confuses.

Printed are rates with Wilson's 95 % intervals; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import torch
from PIL import Image
from seeds import REPORTING
from shipping import write_rows

import gan_course as course
import gan_helpers as gh
from gan_course import failures
from gan_course.moments import Slides
from gan_helpers.live.canvas import side_by_side
from gan_helpers.metrics import wilson

TABLE = failures.DATA / "failures.json"
SIDE_BY_SIDE = 10  # seeds of the plane that train together: one part of the work


def mnist() -> tuple[gh.ImageDataset, gh.ImageDataset]:
    """The digits to train on, and those for the instruments."""
    return tuple(gh.load_dataset("mnist", split=split) for split in ("train", "test"))


def settings_of(case: failures.Case, kind: str, quick: bool) -> dict:
    """The settings of a case's runs, `kind` being "broken" or "cured"."""
    return {**getattr(case, kind), **({"steps": 60} if quick else {})}


def run_part(case: failures.Case, kind: str, seeds: list[int], quick: bool, data) -> list[dict]:
    """One row a seed: what the run showed, whether it counts, what `diagnose` called it."""
    settings = settings_of(case, kind, quick)
    started = time.process_time()
    if case.target is not None:
        records = case.run(settings, seeds).signs()
    else:
        records = [failures.watched(data, seed, settings).signs for seed in seeds]
    spent = (time.process_time() - started) / len(seeds)
    counts = case.failed if kind == "broken" else case.healed
    return [
        {
            "seed": seed, "counts": bool(counts(signs)), "diagnosis": course.diagnose(signs).name,
            "seconds": round(spent, 1), **shown(signs), "settings": repr(settings),
        }
        for seed, signs in zip(seeds, records, strict=True)
    ]  # fmt: skip


def shown(signs) -> dict:
    """The numbers that a row keeps, of the last look."""
    names = ("modes", "effective", "quality", "g_norm", "d_real", "d_fake", "diversity", "nearest",
             "fd")  # fmt: skip
    history = signs.history
    row = {name: round(float(history[name][-1]), 6) for name in names if name in history}
    row["g_norm"] = failures.last(signs, "g_norm", 5)
    if "fd" in history:
        row["fd_first"] = history["fd"][0]
    return row


def parts(names: list[str], seeds: list[int]):
    """(case, kind, seeds) of each piece of work."""
    for name in names:
        case = failures.CASES[name]
        size = SIDE_BY_SIDE if case.target is not None else 5
        for kind in ("broken", "cured"):
            for start in range(0, len(seeds), size):
                yield case, kind, seeds[start : start + size]


def collect(options) -> dict[str, dict[str, list[dict]]]:
    """case -> "broken" and "cured" -> rows; what lies in --keep is not run again."""
    names = options.cases or list(failures.CASES)
    seeds = list(options.seeds[:2] if options.quick else options.seeds)
    rows = {name: {"broken": [], "cured": []} for name in names}
    data = None
    for case, kind, some in parts(names, seeds):
        place = (
            options.keep / f"{case.name}_{kind}_{some[0]}_{some[-1]}.json" if options.keep else None
        )
        found = []
        if place is not None and place.exists():
            found = json.loads(place.read_text(encoding="utf-8"))
            meant = repr(settings_of(case, kind, options.quick))
            if any(row.get("settings", meant) != meant for row in found):
                print(f"  {place.name}: other settings, run again")
                found = []
        if not found:
            if case.target is None and data is None:
                data = mnist()
            found = run_part(case, kind, some, options.quick, data)
            if place is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(json.dumps(found), encoding="utf-8")
        rows[case.name][kind] += found
        hits = sum(row["counts"] for row in found)
        print(f"  {case.name:16} {kind:7} seeds {some[0]} to {some[-1]}: {hits} of {len(found)}, "
              f"{found[0]['seconds']:.1f} s a run", flush=True)  # fmt: skip
    return rows


def measured(case: failures.Case, kinds: dict) -> list[tuple[str, int, bool]]:
    """(what, hits, whether it is the case's headline) of its failure, its cure and its score.

    Where a case is about G's gradient, "cure" is the share of runs in which the cure has at least
    100 times the broken run's, and "score" what `healed` asks for.
    """
    broken, cured = kinds["broken"], kinds["cured"]
    failed, healed = (sum(row["counts"] for row in found) for found in (broken, cured))
    rows = [("failure", failed, True)]
    if not case.gradient:
        return [*rows, ("cure", healed, True)]
    pairs = zip(broken, cured, strict=True)
    restored = sum(after["g_norm"] >= 100 * before["g_norm"] for before, after in pairs)
    return [*rows, ("cure", restored, True), ("score", healed, False)]


def confusion(rows: dict) -> dict[str, dict[str, int]]:
    """What the runs are -> what `diagnose` called them -> how many.

    Only runs that show what their case is about: the broken ones that failed, the cured ones that
    healed.
    """
    table: dict[str, Counter] = {}
    for name, kinds in rows.items():
        for kind, found in kinds.items():
            case = failures.CASES[name]
            names = Counter(row["diagnosis"] for row in found if row["counts"])
            if names:
                table.setdefault(case.after if kind == "cured" else case.disease,
                                 Counter()).update(names)  # fmt: skip
    return {truth: dict(counts.most_common()) for truth, counts in table.items()}


def write(rows: dict, path: Path) -> None:
    """The counts of these cases into the stored file, one line a case; other cases stay."""
    table = {}
    for name, kinds in rows.items():
        hits = {what: n for what, n, _ in measured(failures.CASES[name], kinds)}
        table[name] = {
            "runs": len(kinds["broken"]), "seeds": [row["seed"] for row in kinds["broken"]], **hits,
            "called": confusion({name: kinds}),
        }  # fmt: skip
    write_rows(table, failures.CASES, path)


def draw_hopping(file: Path) -> None:
    """Notebook 04's first picture: the ring's first seed, broken above, cured below."""
    first, last, every = 2000, 2250, 50
    rows = []
    for settings in (failures.RING.broken, failures.RING.cured):
        settings, frames = dict(settings), {}
        total = settings.pop("steps")
        gan = gh.toys.ToyGAN(failures.RING.target(), seeds=REPORTING[0], **settings)
        gan.train(first - every, look=last, total=total)
        for step in range(first, last + 1, every):
            gan.train(every, look=last, total=total)
            frames[f"step {step}"] = gan.sample(100)[0]
        made = Slides(frames, "", gan.target.sample(60, torch.Generator().manual_seed(0)))
        rows.append(side_by_side([made.picture(place, 156) for place in range(len(frames))]))
    picture = Image.new("RGB", (rows[0].width, 2 * rows[0].height), "white")
    for place, row in enumerate(rows):
        picture.paste(row, (0, place * row.height))
    picture.quantize(64).save(file, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds, a few steps each")
    parser.add_argument("--seeds", type=int, nargs="+", default=REPORTING)
    parser.add_argument("--cases", nargs="+", choices=list(failures.CASES))
    parser.add_argument("--keep", type=Path, help="folder of finished parts")
    parser.add_argument("--write", type=Path, nargs="?", const=TABLE, metavar="FILE",
                        help="renew the counts that are shipped, or those in FILE")  # fmt: skip
    parser.add_argument("--picture", type=Path, help="only draw notebook 04's first picture there")
    options = parser.parse_args()
    if options.quick and options.write == TABLE:
        parser.error("--quick runs are too short for what is shipped: --write FILE")
    torch.set_num_threads(1)
    if options.picture:
        draw_hopping(options.picture)
        return
    rows = collect(options)
    if options.write is not None:
        write(rows, options.write)
    result, worst = {}, {"failure": 1.0, "cure": 1.0}
    for name, kinds in rows.items():
        case, key = failures.CASES[name], name.replace(" ", "_")
        print(f"\n{name}: {case.disease}; the cure changes {', '.join(case.differs())}")
        for what, hits, is_headline in measured(case, kinds):
            n = len(kinds["cured"])
            low, high = wilson(hits, n)
            print(f"  {what:9} {hits:3} of {n}  [{low:.2f}, {high:.2f}]")
            result[f"{key}_{what}_rate"] = round(hits / n, 3)
            if is_headline:
                worst[what] = min(worst[what], hits / n)
        for kind, found in kinds.items():
            print(f"  {kind} runs are called {Counter(row['diagnosis'] for row in found)}")
    table = confusion(rows)
    right = sum(counts.get(truth, 0) for truth, counts in table.items())
    total = sum(sum(counts.values()) for counts in table.values())
    print(f"\ndiagnose: {right} of {total} named as what they are")
    for truth, counts in table.items():
        print(f"  {truth:20} {counts}")
    result = {
        "worst_failure_rate": round(worst["failure"], 3),
        "worst_cure_rate": round(worst["cure"], 3),
        "diagnosed": round(right / max(total, 1), 3),
        **result,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
