"""What the models share: counting parameters and describing a network layer by layer."""

from __future__ import annotations

import torch
from torch import nn


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters (single weights, not tensors)."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def describe(model: nn.Module, *inputs: torch.Tensor) -> str:
    """A table of the layers of `model`, in the order in which they run on `inputs`.

    One line a leaf module: name, type, output shape, trainable parameters; the last line is the
    total. The model's mode and its BatchNorm statistics are left as they were. Print the result.
    """
    names = {module: name for name, module in model.named_modules() if not list(module.children())}
    rows: list[tuple[str, str, str, str]] = []

    def record(module: nn.Module, _inputs: object, output: object) -> None:
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else "-"
        rows.append((names[module], type(module).__name__, str(shape), _own(module)))

    modes = {module: module.training for module in model.modules()}
    hooks = [module.register_forward_hook(record) for module in names]
    try:
        # Evaluation mode: a look must not update running statistics or draw dropout masks.
        model.eval()
        with torch.no_grad():
            output = model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
    shape = str(tuple(output.shape)) if isinstance(output, torch.Tensor) else "-"
    total = ("total", type(model).__name__, shape, f"{count_parameters(model):,}")
    return _table([("layer", "type", "output", "parameters"), *rows, total])


def _own(module: nn.Module) -> str:
    own = sum(p.numel() for p in module.parameters(recurse=False) if p.requires_grad)
    return f"{own:,}"


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = []
    for name, kind, shape, number in rows:
        lines.append(
            f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:<{widths[2]}}  {number:>{widths[3]}}"
        )
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
