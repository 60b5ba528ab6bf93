"""Comparing an answer with the right formula, with known wrong ones, and with what it is made of.

A formula is asked for several problems that differ in size and in numbers: what is right for one of
them by luck is not right for another, and a cause is named only if it explains all of them.
`ask` calls the reader's function, `need_…` checks what came back, `name_wrong` looks for known
mistakes, and `explain` solves for the rest: "everything is half as large", "the term … is missing".
`reject` does all that for the answers to several problems.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .explain import Cause
from .framework import calling, describe_value, need, wrong

# A known wrong formula: the mistake (or None), what it (or each of several) computes, the message.
Known = tuple[str | None, Callable[..., Any] | tuple[Callable[..., Any], ...], str]
# Terms that a right answer is a sum of: name -> (its value in each problem, its right factor).
Terms = Mapping[str, tuple[Sequence[float], float]]
FLAT = (
    "Most often the sigmoid has been rounded to 0 or 1 (or kept away from it by a small constant, "
    "or the logit cut off) before the logarithm is taken."
)


def ask(
    function: Callable, call: str, *given: Any, hints: Sequence[Cause] = (), **options: Any
) -> Any:
    """What the reader's function returns for copies of these arguments, which it must not change.

    `call` describes the call in messages; hints: see `framework.calling`.
    """
    copies = [part.clone() if isinstance(part, Tensor) else part for part in given]
    with calling(call, hints):
        got = function(*copies, **options)
    tensors = [pair for pair in zip(copies, given, strict=True) if isinstance(pair[1], Tensor)]
    if not all(torch.equal(*pair) for pair in tensors):
        wrong(f"""`{call}` changes a tensor that was handed to it, so that whoever uses it next gets
            other numbers. Look for `+=` and the like, for a shuffle in place, and for methods whose
            name ends in an underscore.""")
    return got


# --- what came back ------------------------------------------------------------------------------


def need_tensor(
    value: object, call: str, shape: tuple[int, ...] | None = None, finite: bool = True
) -> None:
    """Reject anything but a floating-point tensor (of `shape`, if given)."""
    if not isinstance(value, Tensor):
        wrong(f"`{call}` should return a tensor, but {describe_value(value)} came back.")
    if not value.is_floating_point():
        kind = str(value.dtype).removeprefix("torch.")
        wrong(f"`{call}` returned a tensor of {kind}; floating point was expected.")
    if shape is not None and tuple(value.shape) != tuple(shape):
        wrong(f"`{call}` returned shape {tuple(value.shape)}; {tuple(shape)} was expected.")
    if finite and not torch.isfinite(value).all():
        wrong(f"`{call}` returned values that are not finite (inf or nan).")


def need_number(value: object, call: str, *, plain: bool = True, finite: bool = True) -> float:
    """Reject anything but one real number; return it as a float.

    plain: no tensor or array either. finite: nor nan or infinity. `call` stands in messages.
    """
    if plain and isinstance(value, Tensor):
        wrong(f"""`{call}` should return a plain number, but a tensor came back. A tensor may keep a
            whole graph alive in your history: which method turns one value into a number?""")
    if isinstance(value, complex) or "complex" in str(getattr(value, "dtype", "")):
        wrong(f"`{call}` gives a complex number.{_say_imaginary(value)}")
    if not plain and isinstance(value, Tensor | np.ndarray) and math.prod(value.shape) != 1:
        wrong(f"""`{call}` should give one number, but shape {tuple(value.shape)} came back. What
            turns these into one?""")
    number = _as_float(value, plain, call)
    if number is None or isinstance(value, bool):
        wrong(f"`{call}` should give one number, but {describe_value(value)} came back.")
    need(not finite or math.isfinite(number), f"`{call}` returned {number}, which is not finite.")
    return number


def _as_float(value: object, plain: bool, call: str) -> float | None:
    """The value as a float, or None. Unless `plain`, what Python can make a float of counts too."""
    try:
        if not plain and isinstance(value, Tensor | np.ndarray):
            value = value.item()
        elif not plain and hasattr(value, "__float__") and not isinstance(value, str | bytes):
            value = float(value)
        return float(value) if isinstance(value, numbers.Real) else None
    except OverflowError:
        return wrong(f"`{call}` gives a number that is too large for a float.")
    except Exception:  # a class, or an object of the reader's own whose `__float__` fails
        return None


def _say_imaginary(value: object) -> str:
    """What the imaginary part of a complex number tells."""
    try:
        number = complex(value)
    except Exception:  # several, or none
        return " Where does its imaginary part come from?"
    if number.imag == 0:
        return " Its imaginary part is 0: which part is meant?"
    if abs(number.imag) < 1e-6 * abs(number.real):
        return """ Its imaginary part is tiny, as rounding leaves it in the root of a matrix: which
            part is meant?"""
    return " Where does its imaginary part come from?"


def ask_number(function: Callable, call: str, *given: Any, **options: Any) -> float:
    """The one number, perhaps nan, that the reader's function returns; see `ask`."""
    return need_number(ask(function, call, *given, **options), call, plain=False, finite=False)


def need_parts(value: object, call: str, *names: str) -> tuple:
    """Reject anything that does not unpack into parts of these names; return them."""
    try:
        parts = () if isinstance(value, str | dict | set) else tuple(value)
    except Exception:  # nothing to unpack, or it fails on the way
        parts = ()
    if len(parts) != len(names):
        wrong(f"""`{call}` should return {len(names)} things, {" and ".join(names)};
            {describe_value(value)} came back.""")
    return parts


# --- closeness and known mistakes ----------------------------------------------------------------


def as_tensor(value: object) -> Tensor:
    """A float64 tensor of a number, sequence, array or tensor."""
    if isinstance(value, Tensor):
        return value.detach().cpu().double()
    return torch.as_tensor(np.asarray(value, dtype=float))


def close(a: object, b: object, tolerance: float = 1e-3, absolute: float = 0.0) -> bool:
    """Equal up to rounding, as vectors; nan is close to nothing."""
    a, b = as_tensor(a).flatten(), as_tensor(b).flatten()
    if a.shape != b.shape or not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        return False
    return bool((a - b).norm() <= absolute + tolerance * torch.maximum(a.norm(), b.norm()))


def near(got: float, right: float, rel: float = 2e-3) -> bool:
    """Equal up to rounding, as numbers."""
    return math.isclose(got, right, rel_tol=rel, abs_tol=1e-6)


def all_near(got: Iterable[float], right: Iterable[float], rel: float = 2e-3) -> bool:
    """Each number of `got` near that of `right` in its place."""
    return all(near(*pair, rel) for pair in zip(got, right, strict=True))


def name_wrong(
    got: Sequence[Any],
    known: Iterable[Known],
    problems: Sequence[tuple],
    same: Callable[[Any, Any], bool] = near,
) -> None:
    """Reject by name what a known wrong formula gives for every one of these problems."""
    for mistake, formulas, message in known:
        for formula in formulas if isinstance(formulas, tuple) else (formulas,):
            try:
                made = [formula(*problem) for problem in problems]
            except (ArithmeticError, ValueError, RuntimeError):  # no value here, so it is not it
                continue
            if all(same(*pair) for pair in zip(got, made, strict=True)):
                wrong(message, mistake)


def first_off(
    got: Sequence[Any], right: Sequence[Any], same: Callable[[Any, Any], bool] = near
) -> int | None:
    """The place of the first answer that is not the same as the right one; None if all are."""
    pairs = enumerate(zip(got, right, strict=True))
    return next((i for i, pair in pairs if not same(*pair)), None)


# --- solve, then speak ---------------------------------------------------------------------------

_RELATED: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [
    ("the square root of what was asked", np.sqrt),
    ("the square of what was asked", np.square),
    ("the exponential of what was asked", np.exp),
    ("the logarithm of what was asked", np.log),
    ("1 minus what was asked", lambda right: 1 - right),
    ("one divided by what was asked", lambda right: 1 / right),
    ("what was asked without its sign", np.abs),
    ("what was asked, but never below 0", lambda right: np.maximum(right, 0)),
]


def solve(got: Sequence[float], terms: Terms) -> dict[str, float] | None:
    """The factors with which these terms add up to what came, or None if there are none.

    There must be more values in `got` than terms, or anything would fit.
    """
    target = np.asarray(got, dtype=float).ravel()
    table = np.stack([np.asarray(values, float).ravel() for values, _ in terms.values()], axis=1)
    size = np.linalg.norm(table, axis=0)
    finite = np.isfinite(target).all() and np.isfinite(table).all()
    usable = len(target) > len(terms) and finite and size.all()
    if not usable or np.linalg.matrix_rank(table / size, tol=1e-6) < len(terms):
        return None
    factors = np.linalg.lstsq(table / size, target, rcond=None)[0] / size
    if np.linalg.norm(table @ factors - target) > 1e-4 * np.linalg.norm(target):
        return None
    return dict(zip(terms, factors.tolist(), strict=True))


def times(ratio: float) -> str:
    """How many times too large, in words; the ratio is not 1."""
    for value, words in (
        (0.5, "half as large as it should be"),
        (2.0, "twice as large as it should be"),
        (-1.0, "of the opposite sign"),
        (1 / math.log(2), "1.443 times as large, as with logarithms to base 2"),
        (1 / math.log(10), "0.4343 times as large, as with logarithms to base 10"),
    ):
        if math.isclose(ratio, value, rel_tol=5e-4):
            return words
    return f"{ratio:.4g} times as large as it should be"


def say_factors(found: Mapping[str, float], terms: Terms) -> str:
    """What factors found by `solve` mean: which term is missing, of wrong sign or size."""
    said = []
    for name, (_, right) in terms.items():
        if right and abs(found[name] / right) < 1e-3:
            said.append(f"{name} is missing")
        elif right and abs(found[name] / right - 1) > 1e-3:
            said.append(f"{name} is {times(found[name] / right)}")
        elif not right and abs(found[name]) > 1e-3:
            often = "" if abs(found[name] - 1) < 1e-3 else f", {found[name]:.4g} times,"
            said.append(f"{name} is in it{often} and should not be")
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if text else ""


def explain(
    got: Sequence[float],
    right: Sequence[float],
    terms: Terms | None = None,
    sizes: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """How the answers to several problems differ from the right ones, in a true sentence, or ''.

    sizes: numbers that a factor may have to do with, such as the number of samples: name -> its
    value in each problem. Only what fits every problem is said.
    """
    got, right = np.asarray(got, dtype=float), np.asarray(right, dtype=float)
    if not np.isfinite(got).all():
        return "Compute its parts one by one: which is the first that is not finite?"
    if np.abs(got).max() < 1e-9 * np.abs(right).max():
        return "It is always 0."
    if len(got) > 1 and np.ptp(got) == 0:
        return f"It is always {got[0]:.4g}, whatever it is asked about."
    ratio = _factor(got, right)
    if ratio and abs(ratio - 1) > 1e-3:
        return f"Everything is {times(ratio)}."
    if said := _related(got, right, sizes or {}):
        return said
    if np.ptp(got - right) < 1e-4 * np.abs(right).max():
        return f"All is right but for a constant of {(got - right).mean():.4g} that is added."
    found = solve(got, terms) if terms else None
    if not found:
        return ""
    made = sum(found[name] * np.asarray(values, float) for name, (values, _) in terms.items())
    explains = np.linalg.norm(got - made) < 0.02 * np.linalg.norm(got - right)
    return say_factors(found, terms) if explains else ""


def reject(
    got: Sequence[Any],
    right: Sequence[Any],
    problems: Sequence[tuple],
    known: Iterable[Known],
    say: Callable[[int, str], str],
    *,
    terms: Mapping[str, tuple[Callable[..., float], float]] | None = None,
    sizes: Mapping[str, Callable[..., float]] | None = None,
    same: Callable[[Any, Any], bool] = near,
) -> None:
    """Reject answers to several problems unless all are right: by name, or by how they differ.

    say(i, told): the message, where problem i is the first that is answered wrong, and `explain`
    found `told`. terms, sizes: as for `explain`, but with formulas of a problem for values.
    """
    first = first_off(got, right, same)
    if first is None:
        return
    name_wrong(got, known, problems, same)
    with_values = {
        name: ([formula(*problem) for problem in problems], factor)
        for name, (formula, factor) in (terms or {}).items()
    }
    measured = {name: [f(*problem) for problem in problems] for name, f in (sizes or {}).items()}
    flat = (torch.cat([as_tensor(part).flatten() for part in parts]) for parts in (got, right))
    wrong(say(first, explain(*flat, with_values, measured)))


def _factor(got: np.ndarray, other: np.ndarray) -> float | None:
    """By how much to multiply `other` to get `got`, if one number does it."""
    factor = float(got @ other / (other @ other))
    fits = np.allclose(got, factor * other, rtol=1e-3, atol=1e-5 * np.abs(got).max())
    return factor if fits else None


def _related(got: np.ndarray, right: np.ndarray, sizes: Mapping[str, Sequence[float]]) -> str:
    """Says what was made of the right values, perhaps with a size or a number in it."""
    with np.errstate(all="ignore"):
        for words, relation in _RELATED:
            if close(got, relation(right)) and not close(right, relation(right)):
                return f"This is {words}."
    for name, values in sizes.items():
        size = np.asarray(values, dtype=float)
        for verb, made in (("multiplied", right * size), ("divided", right / size)):
            factor = _factor(got, made)
            if not factor or np.ptp(size) == 0:
                continue
            words = f"This is what was asked, {verb} by {name}"
            if math.isclose(factor, 1, rel_tol=1e-3):
                return f"{words}."
            number = f"divided by {1 / factor:.4g}" if abs(factor) < 1 else f"times {factor:.4g}"
            return f"{words}, {number}: is a size written as a number?"
    return ""


def off_by(got: float, right: float) -> str:
    """What came, what was expected, and in which direction it is off."""
    if not math.isfinite(got):
        return f"{got} came back, {right:.5g} was expected"
    digits = next((n for n in range(5, 12) if f"{got:.{n}g}" != f"{right:.{n}g}"), 12)
    where = "too high" if got > right else "too low"
    return f"{got:.{digits}g} came back, {right:.{digits}g} was expected: {where}"
