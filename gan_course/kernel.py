"""What the course knows of the kernel that it runs in: who is looking, and which cells ran.

`check` needs the last: a cell with a syntax error defines nothing, so its name is missing or still
holds what was there before. Two hooks of IPython see to it that `check` hears of that.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
import sys
import textwrap
from collections.abc import Callable
from typing import Any

from gan_helpers.settings import runs_in_cell, switch

_ANSWER = re.compile(r"\s*# Exercise (\d+\.\d+): your answer")
_NAME = re.compile(r"^(?:def|class)\s+(\w+)", re.M)
_failed: dict[str, dict[str, str]] = {}  # exercise -> name whose cell stopped -> how it did
_last: str | None = None  # how the last cell stopped, if it did and is no exercise's by its comment


class _NotRun:
    """Stands for a name that a check cell uses and no cell has defined."""


NOT_RUN = _NotRun()
_defined: dict[str, Any] = {}  # names that the running cell defines -> what they stood for before


# --- who is looking ------------------------------------------------------------------------------


def shell() -> Any | None:
    """The IPython shell of a notebook kernel, else None."""
    ipython = sys.modules.get("IPython")  # a kernel has loaded it
    found = ipython.get_ipython() if ipython else None
    return found if getattr(found, "kernel", None) is not None else None


def kernel_display() -> Callable | None:
    """IPython's display function inside a notebook kernel, else None."""
    if shell() is None:
        return None
    from IPython.display import display

    return display


def show(data: dict[str, str]) -> None:
    """Show a bundle of MIME type -> text in a notebook; print its "text/plain" elsewhere."""
    display = kernel_display()
    if display is None:
        print(data["text/plain"])
    else:
        display(data, raw=True)


def fill(text: str, indent: str = "") -> str:
    """Text in lines of at most 100 characters; all but the first begin with `indent`."""
    return textwrap.fill(text, width=100, subsequent_indent=indent, break_long_words=False)


def is_strict() -> bool:
    """True when a failed or blank exercise check is to be an exception: for marking and for tests.

    GAN_HELPERS_STRICT=1 asks for it. nbgrader, when it marks or validates a notebook, says so in a
    variable of its own, so that marking needs no setting.
    """
    if "GAN_HELPERS_STRICT" in os.environ:
        return switch("GAN_HELPERS_STRICT")
    return "NBGRADER_EXECUTION" in os.environ


def has_reader() -> bool:
    """Whether a person may be at the notebook: a kernel, not marking, not run by a program."""
    return shell() is not None and not is_strict() and not runs_in_cell()


# --- names of the notebook -----------------------------------------------------------------------


def bind(values: dict[str, Any]) -> None:
    """Set names in the notebook or, outside of one, in the module that called the course."""
    inside = shell()
    if inside is not None:
        inside.user_ns.update(values)
        return
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("gan_course"):
        frame = frame.f_back
    if frame is not None:
        frame.f_globals.update(values)


# --- which cells ran -----------------------------------------------------------------------------


def watch_cells() -> None:
    """Register the two hooks, once; does nothing outside of a notebook kernel."""
    inside = shell()
    if inside is not None and _before_cell not in inside.events.callbacks["pre_run_cell"]:
        inside.events.register("pre_run_cell", _before_cell)
        inside.events.register("post_run_cell", _after_cell)


def why_not_run(exercise: str, answer: Any) -> tuple[bool, None, str] | None:
    """(attempted, None, why) if the answer cell above a check did not run; None if it did."""
    told = next(iter(_failed.get(exercise, {}).values()), None) or _last
    if told:
        return True, None, f"The cell above did not run: {told}"
    if any(part is NOT_RUN for part in (answer if type(answer) is tuple else (answer,))):
        told = "The cell above has not been run, or it does not define the name that is checked."
        return False, None, told
    return None


def _before_cell(info: Any) -> None:
    """Before a check cell: give each name in it that nothing has defined a value to go on with.

    Before any cell: note what the names that it defines stand for now.
    """
    inside = shell()
    _defined.clear()
    try:
        tree = ast.parse(info.raw_cell)
    except SyntaxError:
        return
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            _defined[node.name] = inside.user_ns.get(node.name)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", None) == "check":
            names = {node.id for part in call.args for node in ast.walk(part) if _is_read(node)}
            missing = names - inside.user_ns.keys() - vars(builtins).keys()
            inside.user_ns.update(dict.fromkeys(missing, NOT_RUN))


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _after_cell(result: Any) -> None:
    """After each cell: remember whether it ran to its end, by the exercise that it answers."""
    global _last
    error = result.error_before_exec or result.error_in_exec
    names = shell().user_ns
    if not result.error_before_exec and all(names.get(n) is not old for n, old in _defined.items()):
        error = None  # it stopped after it had defined everything
    told = _in_words(error) if error is not None else None
    answers = _ANSWER.match(result.info.raw_cell or "")
    if answers is None:  # a reader may have taken the comment away
        _last = told if isinstance(error, SyntaxError) else None
        return
    _last = None
    name = _NAME.search(result.info.raw_cell)
    name = name[1] if name else ""
    stopped = _failed.setdefault(answers[1], {})
    stopped.pop(name, None)
    if told:
        stopped[name] = told


def _in_words(error: BaseException) -> str:
    place = f" at line {error.lineno}" if getattr(error, "lineno", None) else ""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    first = (text or "no message").strip().splitlines()[0].rstrip(".")
    return f"it stopped{place} with {type(error).__name__}: {first}."
