"""What the reader's code raised, in words: where it happened, and what it usually means."""

from __future__ import annotations

import dis
import linecache
import re
from collections.abc import Sequence
from types import TracebackType

from .guard import is_library

# What an exception usually means: (pattern, mistake or None, likely cause). First match wins.
Cause = tuple[str, str | None, str]
CAUSES: list[Cause] = [
    (r"all elements of (input|target) should be between 0 and 1|Assertion .*>= *0.*<= *1",
     "loss-no-sigmoid",
     "D returns logits, which may be any number; this loss expects probabilities. Which loss "
     "takes logits as they are?"),
    (r"result type Float can't be cast to|Found dtype (Long|Int|Bool)|expected .*Float.* but "
     r"(got|found).*(Long|Int)|\"?binary_cross_entropy\"? not implemented for '(Long|Int)'",
     "loss-integer-targets",
     "the targets are integers, and this loss compares floating-point numbers. How were the "
     "ones and zeros made?"),
    (r"does not require grad and does not have a grad_fn", "step-detach-in-g",
     "the loss is not connected to any parameter: something on the way was detached, made under "
     "`no_grad`, or turned into a plain number."),
    (r"backward through the graph a second time", None,
     "the same forward pass is used for two backward passes. `retain_graph` would silence this "
     "but not cure it: which part of the graph should the first loss not reach?"),
    (r"Expected [23]D .*(conv|batch)|expected 4D input|Expected 3D \(unbatched\) or 4D",
     "arch-z-shape",
     "a convolution expects (N, channels, height, width), and got something flatter. Does z "
     "have its two extra dimensions when it meets the first layer?"),
    (r"[Kk]ernel size can't be greater than actual input size|Output size is too small",
     "arch-64-on-32",
     "the picture shrank to less than the kernel. For which image size were these layers meant?"),
    (r"mat1 and mat2 shapes cannot be multiplied|inconsistent tensor size|size mismatch|"
     r"must match the size of tensor", None,
     "two neighbouring sizes do not fit. Follow the shape from layer to layer; images may "
     "need to be flattened first."),
    (r"have the same dtype", None,
     "numbers of two types meet in one layer, whose weights are float32 unless told otherwise. "
     "Where does the other type come in?"),
    (r"[Tt]arget size .* (input size|must be the same)", None,
     "the targets do not have the shape of the logits. Making them from the logits themselves "
     "keeps both in step."),
    (r"shape '\[.*\]' is invalid for input of size", None,
     "a view or reshape asks for another number of values than there are. A batch size written "
     "as a number is a common reason."),
    (r"missing the required \"forward\"", None,
     "the network has no method called `forward`, spelled like that and indented into the class."),
    (r"before Module\.__init__\(\) call|cannot assign module before", None,
     "`super().__init__()` has to run before the first layer is stored."),
    (r"takes 0 positional arguments|takes \d positional arguments? but", None,
     "a function is called with more arguments than it takes; in a class, every method's first "
     "argument is `self`."),
    (r"can't optimize a non-leaf|params argument given to the optimizer|"
     r"'method' object is not iterable|optimizer got an empty parameter list", None,
     "an optimiser is built from a network's parameters, which the network hands out when that "
     "method is called."),
    (r"element 0 of tensors|grad can be implicitly created only for scalar", None,
     "`backward` starts from a single number; here it is called on a whole batch of losses."),
    (r"modified by an inplace operation", None,
     "between a forward pass and its backward pass a network was stepped, or a tensor that is "
     "still needed was changed in place."),
    (r"NoneType", None,
     "something is None: perhaps a function or method that should return a value has no `return`."),
    (r"^name '.*' is not defined|referenced before assignment|cannot access local variable", None,
     "a name is used that this function does not know. Does it come from the arguments, or is "
     "it spelled differently above?"),
    (r"maximum recursion depth", None, "a function calls itself without an end."),
    (r"same device|[Ee]xpected .* on device", None,
     "Tensors on different devices met. Make new tensors on the device of those you are given."),
    (r"[Bb]oolean value of Tensor|truth value of an array", None,
     "`if` decides once, and here stand many values. `torch.where` decides for each of them."),
    (r"'(float|int)' object has no attribute '(size|shape|dtype|dim|to)'", None,
     "a plain number stands where a tensor is expected. A loss's targets, for one, are a tensor "
     "of the logits' shape."),
    (r"has no attribute", None, "an attribute is spelled differently, or was never set."),
]  # fmt: skip


def explain_exception(
    call: str, error: BaseException, hints: Sequence[Cause] = ()
) -> tuple[str | None, str]:
    """(mistake or None, message) for an exception raised during `call`; `hints` come first."""
    text, mistake, likely = short(error), None, ""
    for pattern, name, cause in (*hints, *CAUSES):
        if re.search(pattern, str(error)):
            mistake, likely = name, f" Likely cause: {cause}"
            break
    if isinstance(error, SystemExit):
        text, likely = "the program was asked to end", ""
    stopped = f"stopped{where(error)} with {type(error).__name__}"
    return mistake, f"`{call}` {stopped}: {text}.{likely}"


def _frames(error: BaseException) -> tuple[list[TracebackType], list[TracebackType]]:
    """The frames that an error passed through, outermost first: all, and the reader's own."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    return frames, [trace for trace in frames if not is_library(trace.tb_frame.f_code)]


def where(error: BaseException) -> str:
    """' at line 7 (`x = self.net(x)`)' of the reader's own code, or '' if none of it ran."""
    _, own = _frames(error)
    if not own:
        return ""
    code = linecache.getline(own[-1].tb_frame.f_code.co_filename, own[-1].tb_lineno).strip()
    return f" at line {own[-1].tb_lineno}" + (f" (`{code[:80]}`)" if code else "")


def is_stub(error: BaseException) -> bool:
    """True for a `raise NotImplementedError` in the reader's code (torch has some of its own)."""
    frames, own = _frames(error)
    if not isinstance(error, NotImplementedError) or frames[-1:] != own[-1:]:
        return False
    return dis.opname[own[-1].tb_frame.f_code.co_code[own[-1].tb_lasti]] == "RAISE_VARARGS"


def short(error: BaseException) -> str:
    """The first line of an error's message, at most 200 characters of it."""
    lines = str(error).strip().splitlines()
    text = re.sub(r"\s+", " ", lines[0] if lines else "no message").rstrip(".")
    return text if len(text) <= 200 else text[:197] + "..."
