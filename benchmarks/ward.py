"""Make the ward's patients: sick runs, one healthy one among them, as small files without a name.

    python benchmarks/ward.py [--only NUMBER ...]

Each is a run of a case in gan_course/failures.py, broken or cured, or of settings below; what the
instruments read of it, and its last samples, go into gan_course/data/ward. Their seeds are of
neither list in seeds.py. Runs of images need real MNIST.
"""

from __future__ import annotations

import argparse

import torch
from failures import mnist

from gan_course import diagnose, failures
from gan_course.failures import CASES
from gan_course.ward import FOLDER, write_patient

SEED = 500  # and on, one a patient

# number -> (case, settings, disease, cause, prescription, what of failures.CABINET treats it). The
# order says nothing.
PATIENTS = {
    1: ("ring", "broken", "hopping collapse",
        "Rates of 7e-4 and 5e-4 and no penalty: D chases G from mode to mode.",
        "R1 on D, its weight falling from 1 to 0.01.",
        ["annealed R1", "relativistic, R1 and R2", "faster D and annealed R1"]),
    2: ("G overpowers", "broken", "G overpowers D",
        "D's rate is 5e-6 beside G's 1e-3: D cannot follow.",
        "Give D a rate of G's order, and R1 falling from 1 to 0.01.",
        ["faster D and annealed R1"]),
    3: ("MNIST collapse", "broken", "total collapse",
        "Adam's default beta1 of 0.9 at a rate of 1e-3.",
        "The relativistic loss with R1 and R2, falling from 10 to 0.1.",
        ["relativistic, R1 and R2"]),
    4: ("vanishing gradients", "broken", "vanishing gradients",
        "The saturating loss with a D that is trained five times as often, at 200 times the rate.",
        "The non-saturating loss brings the gradient back; a weaker D brings the modes.",
        ["non-saturating loss", "annealed R1", "slower D"]),
    5: ("ring", "cured", "healthy",
        "Nothing: this is the ring with R1 falling from 1 to 0.01.", "None. Let it go.",
        []),
    6: ("memorisation", "broken", "memorisation",
        "Ten training images.", "More images.",
        ["more data"]),
    7: ("ring", {"steps": 600, "r1": failures.anneal(1, 0.01)}, "too early to tell",
        "Nothing yet: 600 steps.", "Train on, and look again.",
        []),
    8: ("vanishing gradients", {"lr": (1e-4, 2e-3)}, "total collapse",
        "The saturating loss, a D that is trained five times as often, and a G that got through "
        "to one mode and stays there.",
        "R1 on D, its weight falling from 1 to 0.01, and rates of the same order.",
        ["faster D and annealed R1"]),
}  # fmt: skip


def make(number: int) -> None:
    name, change, disease, cause, prescription, cabinet = PATIENTS[number]
    case, seed = CASES[name], SEED + number
    known = getattr(case, change) if isinstance(change, str) else {**case.broken, **change}
    if case.target is None:
        signs = failures.watched(mnist(), seed, known).signs
        signs.title = "MNIST"
    else:
        (signs,) = case.run(known, seed).signs()
        signs.title = f"{signs.kinds} modes in the plane"
    truth = {"disease": disease, "cause": cause, "prescription": prescription, "case": name,
             "cabinet": cabinet}  # fmt: skip
    path = write_patient(number, signs, truth)
    found = diagnose(signs).name
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {disease}, diagnosed: {found}")
    if found != disease:
        raise SystemExit(f"patient {number} does not show what it is meant to: {found}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=int, nargs="+", default=list(PATIENTS))
    torch.set_num_threads(1)
    for number in parser.parse_args().only:
        make(number)
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{total / 1e6:.2f} MB in all")


if __name__ == "__main__":
    main()
