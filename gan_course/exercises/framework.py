"""Exercises: a contract, a reference, checks, named mistakes.

How to write one (the whole of it, for a notebook's module `nb09.py`):

    def double(x):                                    # the reference, small and plain
        return 2 * x

    @exercise(
        "9.1", "Twice as much",
        signature="double(x)",                        # or "class Name(size=3)"
        takes="x: float tensor of any shape",
        returns="a tensor of x's shape, every value doubled",
        accepts="a function, a lambda or any callable",
        mistakes="loss-half-sum",                     # ids from catalogue.MISTAKES
        reference=double,
    )
    def check_double(answer):                         # called with the reader's answer
        x = torch.tensor([1.0, -2.0])
        with calling("double(x) with x = [1, -2]"):   # every call of the reader's code: what is
            got = answer(x)                           # raised inside becomes a readable message
        need_tensor(got, "double(x)", shape=(2,))     # wrong type or shape: said in words
        if torch.allclose(got, x / 2):
            wrong("loss-half-sum: Every value is halved. Which factor was meant?")
        if not torch.allclose(got, 2 * x):
            wrong(f"For [1, -2] it returned {got.tolist()}, and [2, -4] was expected.")

`wrong(message)` rejects, and returning accepts. A check is a function of the answer alone: seeds
are fixed before it, everything is put back after it, printing is dropped, endless loops are
stopped. A message is one to three sentences, in triple quotes where it needs several lines: what is
right already, what the mistake does, where to look; never the solution. An exercise is found by its
id: "9.1" lives in `nb09.py`, or in a module `nb09_…` beside it.

Shared means: `compare` (what came back beside right and wrong formulas), `steps` (networks that
record how they are trained) with `account`, `targets`, `verdicts` and `loops`, `logit_losses`
(losses that readers write), `architecture` (networks that they build), `pictures` (grids),
`explain` (exceptions in words), `guard` (the sandbox), `probes` (seeded numbers).
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, NoReturn

import torch
from torch import nn

from gan_helpers.plotting import clear_note, set_note
from gan_helpers.settings import pick_device

from ..kernel import bind, is_strict, why_not_run
from .catalogue import MISTAKES
from .explain import Cause, explain_exception, is_stub, short, where
from .guard import TimeUp, run_limited, sandbox
from .panel import Tried, show_panel

SECONDS = 20.0  # a check's time limit; the checks themselves take a fraction of a second


@dataclass(frozen=True)
class Result:
    """What a check found. `mistake` is an id of catalogue.MISTAKES, or None if it has no name.

    `tried` holds the last calls of the reader's code, as far as `calling` saw them.
    """

    passed: bool
    attempted: bool
    mistake: str | None
    message: str
    tried: tuple[Tried, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Exercise:
    """One exercise: its contract, its reference and the function that checks an answer.

    uses_optimizers: a session's first optimiser makes torch load for some seconds. Set this and
    that happens before the clock of the time limit starts. adapt: makes of an answer to an older
    contract one that can be called by today's. seconds: the time limit, for a check that trains.
    """

    id: str
    title: str
    check: Callable[[Any], None]
    mistakes: tuple[str, ...]
    _: KW_ONLY
    signature: str
    takes: str
    returns: str
    reference: Any
    accepts: str = ""
    uses_optimizers: bool = False
    adapt: Callable[[Any], Any] = lambda answer: answer
    seconds: float = SECONDS

    @property
    def kind(self) -> str:
        """'class', 'function' or 'value'."""
        if self.signature.startswith("class "):
            return "class"
        return "function" if "(" in self.signature else "value"

    @property
    def name(self) -> str:
        return self.signature.removeprefix("class ").split("(")[0]


class ExerciseError(Exception):
    """A failed or blank check under GAN_HELPERS_STRICT=1; `result` holds the findings."""

    def __init__(self, exercise_id: str, result: Result):
        super().__init__(f"exercise {exercise_id}: {result.message}")
        self.result = result


class Rejected(Exception):
    """Raised by a check (through `wrong`) to reject an answer."""

    def __init__(self, message: str, mistake: str | None = None):
        super().__init__(message)
        self.message, self.mistake = message, mistake


class _Blank(Exception):
    """The answer has not been written yet."""


class Raised(Exception):
    """From `calling`: the reader's code raised `error` during the call described by `call`."""

    def __init__(self, call: str, error: BaseException, hints: Sequence[Cause] = ()):
        super().__init__(call)
        self.call, self.error, self.hints = call, error, hints


_exercises: dict[str, Exercise] = {}
_status: dict[str, Result] = {}  # what `check` found in this session, in the order of checking
_in_use: dict[str, Any] = {}  # what `check` returned: the reader's answer or the reference
_device = torch.device("cpu")
_tried: list[Tried] = []  # the calls of the answer that is being checked
MOST_TRIED = 6


# --- for the authors of exercises ----------------------------------------------------------------


def exercise(
    id: str, title: str, *, mistakes: str | tuple[str, ...] = (), **contract: Any
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register the decorated check under `id`; see the module's docstring for an example.

    mistakes: ids of `catalogue.MISTAKES`, a tuple or one string with spaces between them;
    contract: the fields of `Exercise`.
    """
    mistakes = tuple(mistakes.split()) if isinstance(mistakes, str) else mistakes
    unknown = [mistake for mistake in mistakes if mistake not in MISTAKES]
    if unknown:
        raise ValueError(f"exercise {id}: no such mistakes in the catalogue: {unknown}")

    def register(check: Callable[[Any], None]) -> Callable[[Any], None]:
        _exercises[id] = Exercise(id, title, check, mistakes, **contract)
        return check

    return register


def wrong(message: str, mistake: str | None = None) -> NoReturn:
    """Reject the answer, with a message for its author.

    What the mistake is called, if it has a name, may stand before the message: "is-logits: The rows
    of `logits` …". White space counts as one space, so that a message may run over several lines.
    """
    name, _, rest = message.partition(": ")
    if name in MISTAKES:
        mistake, message = name, rest
    raise Rejected(" ".join(message.split()), mistake)


def need(condition: object, message: str, mistake: str | None = None) -> None:
    """Reject the answer unless the condition holds."""
    if not condition:
        wrong(message, mistake)


@contextlib.contextmanager
def calling(call: str, hints: Sequence[Cause] = ()) -> Iterator[None]:
    """Run the reader's code in the body; what it raises is reported as the fault of `call`.

    hints: what an error usually means in this exercise, asked before `explain.CAUSES`. The call,
    and what the body assigned to a new name, is kept for the panel's "what was tried".
    """
    check = sys._getframe(2)  # behind contextlib
    before, grad = dict(check.f_locals), torch.is_grad_enabled()
    came = "no result"
    try:
        yield
        came = _assigned(before, check.f_locals)
        if torch.is_grad_enabled() != grad:
            torch.set_grad_enabled(grad)
            now = "off" if grad else "on"
            wrong(f"""`{call}` leaves gradients switched {now} for whatever comes after it. `with
                torch.no_grad():` ends where its block ends.""")
    except (Rejected, _Blank, Raised):
        raise
    except (Exception, SystemExit) as error:
        if is_stub(error):
            raise _Blank(where(error)) from error
        came = describe_value(error)
        raise Raised(call, error, hints) from error
    finally:
        _tried.append(Tried(call, came))


def _assigned(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What came into the one name that is new or changed, in a few words; "" if there are more."""
    new = [value for name, value in after.items() if before.get(name, before) is not value]
    if len(new) != 1:
        return ""
    (value,) = new
    if isinstance(value, torch.Tensor) and value.numel() <= 4 and not value.is_complex():
        return f"{describe_value(value)}, {value.tolist()}"
    return f"{value:.6g}" if isinstance(value, float) else describe_value(value)


def describe_value(value: object) -> str:
    """A value in a few words, for a message: 'nothing (None)', 'a tuple of 3', ..."""
    if value is None:
        return "nothing (None)"
    if isinstance(value, torch.Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        return f"a{'n' * kind.startswith('int')} {kind} tensor of shape {tuple(value.shape)}"
    if isinstance(value, tuple | list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, type):
        return f"the class {value.__name__} (not an instance of it)"
    if inspect.isgenerator(value):
        return "a generator (is there a `yield` where `return` was meant?)"
    if inspect.isroutine(value):
        return f"a function ({getattr(value, '__name__', '?')})"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def in_use(id: str) -> Any:
    """What this session goes on with for exercise `id`, or None if it was not checked yet."""
    return _in_use.get(id)


def probe_device() -> torch.device:
    """Where a check puts its networks and tensors: the CPU, unless an answer insists on a GPU."""
    return _device


# --- for notebooks and tests ---------------------------------------------------------------------


def get_exercise(id: str) -> Exercise:
    """The exercise with this id. Raises ValueError if there is none."""
    number = str(id).split(".")[0]
    if number.isdigit():
        _load(f"nb{int(number):02d}")
    if id not in _exercises:
        known = ", ".join(_exercises) or "none is loaded"
        raise ValueError(f"there is no exercise {id!r} with a check; known here: {known}")
    return _exercises[id]


def _load(name: str) -> None:
    """Load the modules of one notebook, or of all: `nb09` and, if it is long, `nb09_…`."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        if re.match(name, module.name):
            importlib.import_module(f"{__package__}.{module.name}")


def all_exercises() -> list[Exercise]:
    """Every exercise of every notebook, in the order of their ids."""
    _load(r"nb\d\d")
    return sorted(_exercises.values(), key=_order)


def _order(found: Exercise) -> tuple[int, ...]:
    return tuple(int(part) for part in found.id.split("."))


def evaluate(id: str, answer: Any, *, seconds: float | None = None) -> Result:
    """Check an answer and say what was found, without printing or remembering anything.

    Random states, dtypes, grad mode, the reader's networks and so on are left as they were; code
    that runs longer than `seconds` (default: what the exercise allows) is stopped. Raises
    ValueError for an unknown id.
    """
    found = get_exercise(id)
    global _device
    _tried.clear()
    try:
        result = _judge(found, answer, seconds or found.seconds)
    finally:
        _device = torch.device("cpu")
    return replace(result, tried=tuple(dict.fromkeys(_tried))[-MOST_TRIED:])


def check(id: str, answer: Any) -> Any:
    """Check an answer, say what was found, and return what the notebook should go on with.

    Returns `answer` itself if it passes, else the course's reference. With GAN_HELPERS_STRICT=1 an
    answer that is blank or wrong raises ExerciseError, after its name in the notebook was given the
    reference: so one mistake does not cost the exercises behind it.
    """
    found = get_exercise(id)
    earlier = _status.get(id)
    not_run = why_not_run(id, answer)
    if not_run is not None:
        result = Result(False, *not_run)
    elif answer is found.reference and earlier is not None and not earlier.passed:
        # The check cell was run again without the answer cell: the name holds the reference now.
        told = "is the reference at the moment. Run your own cell first, then this one again."
        result = replace(earlier, message=f"`{found.name}` {told}", tried=())
    else:
        result = evaluate(id, answer)
    _status.pop(id, None)
    _status[id] = result
    if result.passed:
        _in_use[id] = found.adapt(answer)
        clear_note(id)
        message = "From here on the notebook runs on your code."
    else:
        _in_use[id] = found.reference
        set_note(id, f"{id}: reference")  # so that figures say which parts are not the reader's
        message = f"{result.message} (Going on with the reference for now.)"
    state = "passed" if result.passed else "not yet" if result.attempted else "open"
    show_panel(f"{id} {found.title}", state, message, result.tried, found.returns)
    if is_strict() and not result.passed:
        names = [name.strip() for name in found.name.split(",")]  # several of a value like `a, b`
        values = found.reference if len(names) > 1 else (found.reference,)
        bind(dict(zip(names, values, strict=True)))
        raise ExerciseError(id, result)
    return _in_use[id]


def summary() -> None:
    """Print, for the last cell of a notebook, which exercises ran on whose code."""
    if not _status:
        print("No exercise has been checked in this session.")
        return
    books = {id.split(".")[0] for id in _status}
    rows = sorted((e for e in _exercises.values() if e.id.split(".")[0] in books), key=_order)
    for found in rows:
        result = _status.get(found.id)
        if result is None:
            whose = "not checked in this session"
        elif result.passed:
            whose = "your code"
        else:
            reason = "not yet right" if result.attempted else "open"
            whose = f"reference ({result.mistake or reason})"
        print(f"{found.id:<5} {found.title:<42} {whose}")
    own = sum(result.passed for result in _status.values())
    print(f"Your own code: {own} of {len(rows)}.")


def contracts_table() -> str:
    """All contracts in plain text (`python -m gan_course exercises` prints it)."""
    return "\n\n".join(map(_contract, all_exercises()))


def _contract(found: Exercise) -> str:
    told = {"takes": found.takes, "returns": found.returns, "accepts": found.accepts}
    told["names"] = ", ".join(found.mistakes)
    lines = [f"{found.id:<5} {found.title}", f"      {found.signature}"]
    for key, text in told.items():
        if text:
            indents = {"initial_indent": " " * 6, "subsequent_indent": " " * 15}
            part = f"{key + ':':<9}{text}"
            lines += textwrap.wrap(part, 100, break_on_hyphens=False, **indents)
    return "\n".join(lines)


# --- how an answer is judged ---------------------------------------------------------------------


def _judge(found: Exercise, answer: Any, seconds: float) -> Result:
    loaded = len(sys.modules)

    def judge() -> None:
        _check_kind(found, answer)
        found.check(answer)

    global _device
    mistake = None
    if found.uses_optimizers:
        torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    try:
        with sandbox(answer):
            run_limited(judge, seconds)
        return Result(True, True, None, "All checks passed.")
    except Rejected as finding:
        mistake, message = finding.mistake, finding.message
    except _Blank as finding:
        return Result(False, False, None, f"This one is waiting for your answer{finding}.")
    except TimeUp as error:
        if len(sys.modules) > loaded + 50:  # the time went into loading parts of torch: once more
            return _judge(found, answer, seconds)
        while isinstance(error.__context__, TimeUp):  # the first one stood in the loop itself
            error = error.__context__
        stopped = f"Your code was stopped after {seconds:g} seconds{where(error)}"
        message = f"{stopped}: is there a loop that does not end?"
    except Raised as finding:
        two_devices = re.search(r"same device|on device|is on cpu|device type", str(finding.error))
        if two_devices and _device.type == "cpu" and pick_device().type != "cpu":
            _device = pick_device()  # the answer insists on it: put the probes there
            return _judge(found, answer, seconds)
        mistake, message = explain_exception(finding.call, finding.error, finding.hints)
    except Exception as error:  # an answer so unusual that it upset the check itself
        message = (
            f"The check could not make sense of this answer ({type(error).__name__}: "
            f"{short(error)}). The contract is `{found.signature}`, returning {found.returns}."
        )
    # Only a mistake that the exercise promises to name has a name.
    return Result(False, True, mistake if mistake in found.mistakes else None, message)


def _check_kind(found: Exercise, answer: Any) -> None:
    if answer is None or answer is Ellipsis:
        raise _Blank("")
    if found.kind == "value":
        return
    if found.kind == "class" and isinstance(answer, nn.Module):
        wrong(f"""This is a network that has been built already. Hand over `{found.name}` itself,
            without calling it, so that it can be built in several sizes.""")
    if found.kind == "function" and isinstance(answer, type):
        wrong(f"`{found.name}` should be a function, but a class came ({answer.__name__}).")
    if not callable(answer):
        wrong(f"""`{found.name}` should be a {found.kind}, but {describe_value(answer)} came. Was it
            called where only its name was needed?""")
    _check_arguments(found, found.adapt(answer))


def _check_arguments(found: Exercise, answer: Callable) -> None:
    """Reject an answer that cannot be called as the contract says."""
    try:
        theirs = inspect.signature(answer)
    except (TypeError, ValueError):  # some callables do not tell
        return
    contract = ast.parse(f"def {found.signature.removeprefix('class ')}: ...").body[0].args
    names = [argument.arg for argument in contract.args]
    optional = len(names) - len(contract.defaults)
    for options in ([], names[optional:]):
        try:
            theirs.bind(*names[:optional], **dict.fromkeys(options))
        except TypeError as error:
            call = ", ".join(names[:optional] + [f"{name}=..." for name in options])
            wrong(f"""It will be called as `{found.name}({call})`, but yours takes {theirs}:
                {error}.""")
