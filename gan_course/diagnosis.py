"""From the signs to the disease: a list of rules, each with what it goes by, tried in order."""

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from gan_helpers.diagnostics import Signs
from gan_helpers.metrics import effective

EARLY = 1000  # steps before which a young run and a collapsed one look alike


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found: a `name` of NAMES, and the evidence in sentences."""

    name: str
    evidence: list[str]
    title: str = ""
    readings: dict[str, float] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        lines = [f"{self.title}: {self.name}" if self.title else self.name]
        for sentence in self.evidence:
            lines += textwrap.wrap(sentence, 88, initial_indent="  - ", subsequent_indent="    ")
        return "\n".join(lines)

    __repr__ = __str__


def diagnose(run: object) -> Diagnosis:
    """Name what ails a run, with the evidence.

    run: `Signs`, a `toys.ToyGAN` of one seed that was trained with `train`, an `Instruments`
    callback, or a `TrainingRun` that had one. For many seeds: `[diagnose(s) for s in gan.signs()]`.

    The rules are in `RULES`, from the unmistakable to the doubtful; the first that holds names the
    disease. They go by the last third of the looks, and know nothing of the settings. Raises
    TypeError or ValueError for what has no signs to go by.
    """
    signs = _signs(run)
    r = readings(signs)
    for name, rule in RULES.items():
        evidence = list(rule(signs, r))
        if evidence:
            return Diagnosis(name, evidence, signs.title, r)
    return Diagnosis("unclear", [_quality(signs, r), _kinds(signs, r), _d_says(signs, r)],
                     signs.title, r)  # fmt: skip


def _signs(run: object) -> Signs:
    if isinstance(run, Signs):
        signs = run
    elif callable(getattr(run, "signs", None)):  # a ToyGAN
        several = run.signs()
        if len(several) > 1:
            raise ValueError(
                f"this ToyGAN holds {len(several)} runs, one a seed, and each has its own "
                "diagnosis: [course.diagnose(signs) for signs in gan.signs()]"
            )
        signs = several[0]
    elif isinstance(getattr(run, "signs", None), Signs):  # Instruments
        signs = run.signs
    elif hasattr(run, "callbacks"):
        found = [c for c in run.callbacks if isinstance(getattr(c, "signs", None), Signs)]
        if not found:
            raise ValueError(
                "this run had no instruments: gh.train(..., callbacks=[gh.Instruments()]) reads "
                "what a diagnosis goes by"
            )
        signs = found[0].signs
    else:
        raise TypeError(
            f"diagnose takes Signs, a ToyGAN, Instruments or a TrainingRun, and got a "
            f"{type(run).__name__}"
        )
    wanted = {"step", "d_real", "right_real", "auc", "g_norm", "counts", "quality", "diversity"}
    missing = sorted(wanted - set(signs.history))
    if missing or not signs.history["step"]:
        raise ValueError(f"the history lacks {', '.join(missing) or 'any look'}: what can be said?")
    return signs


# --- what the rules go by ------------------------------------------------------------------------


def readings(signs: Signs) -> dict[str, float]:
    """The numbers behind a diagnosis: medians over the last third of the looks, and trends.

    quality is over that of real samples. averaged: effective kinds of the summed counts of the
    last half; hops: how often the fullest kind changed between looks there; faded: G's gradient
    norm over its largest among the first looks; apart: between D(x) and D(G(z)), by the means;
    right: the worse of the two halves.
    """
    history = signs.history
    looks = len(history["step"])
    late = slice(looks - max(1, looks // 3), None)
    middle = slice(looks // 3, max(looks // 3 + 1, 2 * looks // 3))
    r = {name: _median(values[late]) for name, values in history.items()
         if np.ndim(values[0]) == 0}  # fmt: skip
    r["step"], r["looks"] = history["step"][-1], looks
    r["quality"] /= signs.best
    r["before"] = _median(history["quality"][middle]) / signs.best
    r["modes_before"] = _median(history["modes"][middle])
    half = slice(looks // 2, None)
    counts, top = torch.tensor(history["counts"][half]), np.array(history["top"][half])
    r["averaged"] = float(effective(counts.sum(0)))
    r["hops"] = float((top[1:] != top[:-1]).mean()) if len(top) > 1 else 0.0
    first = [x for x in history["g_norm"][: max(3, looks // 5)] if math.isfinite(x)]
    r["faded"] = r["g_norm"] / max([*first, 1e-30])
    r["apart"] = _median(np.abs(np.subtract(history["d_real"], history["d_fake"]))[late])
    r["right"] = min(r["right_real"], r["right_fake"])
    return r


def _median(values) -> float:
    return float(np.median(np.array(values, dtype=float)))


def _d_says(signs: Signs, r: dict) -> str:
    text = f"D judges {r['right_real']:.0%} of the real and {r['right_fake']:.0%} of the generated "
    text += f"samples right (a real one scores higher in {r['auc']:.0%} of pairs)"
    if signs.probabilities:
        text += f"; D(x) is {r['d_real']:.2f} and D(G(z)) {r['d_fake']:.2f}"
    return text + "."


def _quality(signs: Signs, r: dict) -> str:
    what = "pass for real by the judge's features" if signs.is_images else "lie on a mode"
    of_real = "" if signs.best > 0.98 else f" of what real ones reach ({signs.best:.0%})"
    return f"Quality: {r['quality']:.0%}{of_real}: so many samples {what}."


def _kinds(signs: Signs, r: dict) -> str:
    kind = "classes" if signs.is_images else "modes"
    return (
        f"{r['modes']:.0f} of {signs.kinds} {kind} hold a fifth of their fair share; effective "
        f"{kind}: {r['effective']:.1f} at one moment, {r['averaged']:.1f} over the last half of "
        "the run."
    )


def _gradient(r: dict) -> str:
    return (
        f"G's gradient has a norm of {r['g_norm']:.2g}, {r['faded']:.2g} of the largest one among "
        "the first looks."
    )


# --- the rules -----------------------------------------------------------------------------------
# Each yields its evidence, or nothing where it does not hold.


def _divergence(signs: Signs, r: dict) -> Iterator[str]:
    names = ("g_norm", "d_norm", "quality", "diversity", "d_real", "d_fake")
    broken = [n for n in names if not math.isfinite(_last(signs, n))]
    if signs.ended is not None:
        yield f"The run broke off at step {signs.ended:,}: a number was not finite."
    elif broken:
        yield f"No longer finite: {', '.join(broken)}."
    elif r["diversity"] > 10:
        yield f"The samples lie {r['diversity']:.0f} times as far apart as the real ones."


def _last(signs: Signs, name: str) -> float:
    values = signs.history.get(name, [0.0])
    return values[-1] if len(values) > 1 else 0.0  # before the first step there is no gradient


def _too_early(signs: Signs, r: dict) -> Iterator[str]:
    if r["step"] < EARLY or r["looks"] < 9:
        yield (
            f"{r['step']:,} steps and {r['looks']} looks: healthy runs, too, show one to three "
            f"kinds in their first hundreds of steps. Look again after {EARLY:,} steps."
        )


def _vanishing(signs: Signs, r: dict) -> Iterator[str]:
    gone = r["g_norm"] < 1e-3 or r["faded"] < 0.01
    if gone and r["looks"] >= 4 and r["right"] > 0.95 and r["quality"] < 0.5:
        yield _gradient(r)
        yield _d_says(signs, r)
        yield _quality(signs, r)


def _memorisation(signs: Signs, r: dict) -> Iterator[str]:
    if r.get("nearest", 1.0) < 0.5 and r["quality"] > 0.2:
        yield (
            f"A sample's nearest training image is {r['nearest']:.2f} as far away as that of a "
            "real image which was not trained on: copies."
        )
        yield f"{r['duplicates']:.0%} of the samples have a near twin among the others."


def _g_overpowers(signs: Signs, r: dict) -> Iterator[str]:
    undecided = abs(r["d_real"] - 0.5) < 0.1 and r["apart"] < 0.05
    driven = r["hops"] > 0.8  # a D that sends G elsewhere between any two looks is not too slow
    if signs.probabilities and undecided and not driven and r["modes"] <= 0.25 * signs.kinds:
        yield _d_says(signs, r) + " By its means it does not tell the two apart."
        yield _kinds(signs, r)
        yield _quality(signs, r)


def _hopping(signs: Signs, r: dict) -> Iterator[str]:
    few = r["effective"] < 0.4 * signs.kinds
    if few and r["averaged"] > 1.8 * r["effective"] and r["hops"] > 0.25:
        yield _kinds(signs, r)
        yield f"The fullest kind changes from one look to the next in {r['hops']:.0%} of cases."


def _total(signs: Signs, r: dict) -> Iterator[str]:
    if r["diversity"] < 0.3 and r["modes"] <= 0.25 * signs.kinds:
        yield (
            f"The samples lie {r['diversity']:.2f} as far apart as real ones: all are nearly the "
            "same."
        )
        yield _kinds(signs, r)


def _d_overpowers(signs: Signs, r: dict) -> Iterator[str]:
    stuck = r["quality"] < 0.25 and r["quality"] < r["before"] + 0.1
    if r["right"] > 0.97 and r["auc"] > 0.98 and stuck:
        yield _d_says(signs, r)
        yield _quality(signs, r) + " It does not rise."
        yield _gradient(r)


def _few_images(signs: Signs, r: dict) -> Iterator[str]:
    if r.get("duplicates", 0.0) > 0.5:
        yield (
            f"{r['duplicates']:.0%} of the samples have a near twin among the others; of real "
            "images 1 % have."
        )
        yield _kinds(signs, r)


def _class_collapse(signs: Signs, r: dict) -> Iterator[str]:
    if r["modes"] <= 0.75 * signs.kinds and r["averaged"] < 0.8 * signs.kinds:
        if r["modes"] > r["modes_before"] + 0.1 * signs.kinds:
            return  # still gaining
        if r["quality"] > 0.25:
            yield _kinds(signs, r)
            yield _quality(signs, r)


def _healthy(signs: Signs, r: dict) -> Iterator[str]:
    whole = r["modes"] >= 0.85 * signs.kinds and r["effective"] >= 0.65 * signs.kinds
    if whole and r["quality"] >= 0.5 and r["diversity"] > 0.7:
        yield _kinds(signs, r)
        yield _quality(signs, r)
        yield _d_says(signs, r)


RULES = {
    "divergence": _divergence,
    "vanishing gradients": _vanishing,
    "too early to tell": _too_early,
    "memorisation": _memorisation,
    "G overpowers D": _g_overpowers,
    "hopping collapse": _hopping,
    "D overpowers G": _d_overpowers,
    "total collapse": _total,
    "few images": _few_images,
    "class collapse": _class_collapse,
    "healthy": _healthy,
}
NAMES = (*RULES, "unclear")
