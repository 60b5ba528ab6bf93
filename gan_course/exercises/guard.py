"""A safe place to run a reader's answer in: nothing is disturbed, and nothing runs for ever.

`sandbox` puts back what an answer (or the check itself) may change: random states, default dtype
and device, grad mode, deterministic flags, warning filters, the networks and optimisers that the
answer can reach, figures it opened. What it prints is dropped. `run_limited` stops loops.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import random
import sys
import sysconfig
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

_PACKAGE = str(Path(__file__).resolve().parent.parent)
_LIBRARIES = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {_PACKAGE, str(Path(torch.__file__).parent), "<frozen"}
)


def is_library(code: CodeType) -> bool:
    """True for code of Python, of installed packages and of this one: not the reader's own."""
    return code.co_filename.startswith(_LIBRARIES)


class TimeUp(BaseException):
    """Raised inside an answer that has run for too long. No `except Exception` swallows it."""


class _TimeUpForGood(TimeUp):
    """For an endless loop with a bare `except:` in it, which has swallowed TimeUp."""

    def __init__(self) -> None:
        super().__init__()
        # Made in the thread that is being stopped. From here on every further line of the reader's
        # own code raises too, the lines of the `except` block included.
        sys.settrace(_raise_at_next_line)
        frame = sys._getframe(1)
        while frame is not None and not frame.f_code.co_filename.startswith(_PACKAGE):
            if not is_library(frame.f_code):
                frame.f_trace = _raise_at_next_line
            frame = frame.f_back


def _raise_at_next_line(frame: FrameType, event: str, _argument: Any) -> Callable | None:
    if is_library(frame.f_code):  # clean-up code of libraries must run undisturbed
        return None
    if event == "line":
        raise _TimeUpForGood
    return _raise_at_next_line


def run_limited(function: Callable[[], object], seconds: float) -> None:
    """Call `function`; raise TimeUp inside it if it takes longer. Costs nothing until then.

    Works in any thread and on every system, since it asks the interpreter and not the clock of the
    operating system. It ends Python code; a single call into C (a sleep, an enormous matrix
    product) is only interrupted when it returns.
    """
    thread = ctypes.c_ulong(threading.get_ident())
    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    previous_trace = sys.gettrace()
    # Bare locks, since a request may interrupt our own clean-up at any point but not inside C.
    ready, running, asking = threading.Lock(), threading.Lock(), threading.Lock()
    over: list[bool] = []

    def watch() -> None:
        ready.acquire()  # the clock starts when the watcher stands, not while it is being started
        pause, request = seconds, TimeUp
        while not running.acquire(timeout=pause):
            with asking:
                if not over:
                    set_exception(thread, ctypes.py_object(request))
            pause, request = 0.2, _TimeUpForGood

    def isolated() -> Iterator[object]:
        # Raising from a trace function can leave an exception behind as "being handled"; inside a
        # generator it is gone with the generator.
        yield function()

    ready.acquire()
    running.acquire()
    threading.Thread(target=watch, daemon=True, name="exercise-time-limit").start()
    try:
        ready.release()
        next(isolated())
    finally:
        while True:  # a late request may arrive during this very clean-up
            try:
                with asking:
                    over.append(True)
                _breathe()
                break
            except TimeUp:
                continue
        sys.settrace(previous_trace)
        running.release()


def _breathe() -> None:
    """Entering a function is a moment at which the interpreter carries out what was requested.

    (Withdrawing a request with PyThreadState_SetAsyncExc(thread, None) is no alternative: Python
    3.11 then looks for it at every such moment for the rest of the session, and hangs in a
    profiler.)
    """


class _Nowhere(io.TextIOBase):
    """Takes any amount of printing and keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


@contextlib.contextmanager
def sandbox(answer: object) -> Iterator[None]:
    """Run the body in the course's defaults and put everything back afterwards."""
    with contextlib.ExitStack() as stack:
        for read, write in _SETTINGS:
            stack.callback(_set_if_changed, read, write, read())
        for read, write in _random_states():
            stack.callback(write, read())
        for thing in _reachable(answer):
            # type(), not isinstance alone: some objects answer isinstance with an error.
            if issubclass(type(thing), nn.Module):
                stack.callback(_remember_module(thing))
            elif issubclass(type(thing), torch.optim.Optimizer):
                stack.callback(_remember_optimizer(thing))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(contextlib.redirect_stdout(_Nowhere()))
        stack.enter_context(contextlib.redirect_stderr(_Nowhere()))
        stack.enter_context(torch.inference_mode(False))
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)
        # A check is a function of the answer alone: it may not pass on one day and fail on another.
        random.seed(0)
        np.random.seed(0)
        seed_torch(0)
        yield


def seed_torch(seed: int) -> None:
    """`torch.manual_seed`, but without a word to devices that have not been started yet.

    They would remember it, and the reader's own seed for them would be lost.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


# --- settings and random states: pairs of how to read one and how to set it -----------------------

_Pair = tuple[Callable[[], Any], Callable[[Any], object]]


def _random_states() -> list[_Pair]:
    pairs: list[_Pair] = [
        (random.getstate, random.setstate),
        (np.random.get_state, np.random.set_state),
        (torch.get_rng_state, torch.set_rng_state),
    ]
    if torch.cuda.is_initialized():
        pairs.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    if torch.backends.mps.is_available():
        pairs.append((torch.mps.get_rng_state, torch.mps.set_rng_state))
    return pairs


def _open_figures() -> set[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def _close_other_figures(kept: set[int]) -> None:
    for number in _open_figures() - kept:
        sys.modules["matplotlib.pyplot"].close(number)


_CUDNN = ("benchmark", "deterministic", "enabled")
_SETTINGS: list[_Pair] = [
    (torch.get_default_dtype, torch.set_default_dtype),
    (
        lambda: torch.empty(0).device,  # torch 2.6 cannot always tell its default device
        lambda device: torch.set_default_device(None if device.type == "cpu" else device),
    ),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (torch.get_num_threads, torch.set_num_threads),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (
        torch.get_deterministic_debug_mode,  # 0: off, 1: warn, 2: on
        lambda mode: torch.use_deterministic_algorithms(mode > 0, warn_only=mode == 1),
    ),
    (
        lambda: {name: getattr(torch.backends.cudnn, name) for name in _CUDNN},
        lambda values: [setattr(torch.backends.cudnn, *item) for item in values.items()],
    ),
    (_open_figures, _close_other_figures),
]


def _set_if_changed(read: Callable, write: Callable, before: Any) -> None:
    if read() != before:  # setting some of them is slow
        write(before)


# --- the reader's own networks -------------------------------------------------------------------


def _reachable(answer: object) -> list[object]:
    """What the answer's code can name: its globals, its closure, itself and what it is made of."""
    if isinstance(answer, functools.partial):
        return [*answer.args, *answer.keywords.values(), *_reachable(answer.func)]
    found: list[object] = [answer]
    members = vars(answer if isinstance(answer, type) else type(answer)).values()
    for code in (answer, *members):
        code = getattr(code, "__func__", code)  # static, class and bound methods
        if not hasattr(code, "__code__"):
            continue
        found += code.__globals__.values()
        for cell in code.__closure__ or ():
            with contextlib.suppress(ValueError):  # an empty cell: a name not yet bound
                found.append(cell.cell_contents)
    if not isinstance(answer, type):
        found += getattr(answer, "__dict__", {}).values()
    return list({id(thing): thing for thing in found}.values())


def _remember_module(module: nn.Module) -> Callable[[], None]:
    parameters = list(module.parameters())
    tensors = [t for t in (*parameters, *module.buffers()) if not is_lazy(t)]  # those have no shape
    tensors += [p.grad for p in parameters if p.grad is not None]
    values = [tensor.detach().clone() for tensor in tensors]
    fields = [(p, name, getattr(p, name)) for p in parameters for name in ("requires_grad", "grad")]
    fields += [(part, "training", part.training) for part in module.modules()]

    def restore() -> None:
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                if not torch.equal(tensor, value):  # an untouched one stays in the reader's graphs
                    tensor.copy_(value)
        for owner, name, value in fields:
            setattr(owner, name, value)

    return restore


def _remember_optimizer(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    def copy(values: dict) -> dict:
        return {k: v.detach().clone() if torch.is_tensor(v) else v for k, v in values.items()}

    state = {parameter: copy(values) for parameter, values in optimizer.state.items()}
    groups = [copy(group) for group in optimizer.param_groups]

    def restore() -> None:
        optimizer.state.clear()
        optimizer.state.update(state)
        for group, saved in zip(optimizer.param_groups, groups, strict=False):
            group.update(saved)

    return restore
