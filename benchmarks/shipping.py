"""Write what ships: weights as float16 safetensors with a card, and tables as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn

from gan_helpers.judges import WEIGHTS, Judge
from gan_helpers.pretrained import Pretrained


def save_judge(judge: Judge, card: dict, folder: Path = WEIGHTS) -> Path:
    """Write a judge's weights and card (data, epochs, seed, scores, ...)."""
    return write_weights(judge.state_dict(), card, folder / f"{judge.name}.safetensors")


def save_pair(pair: Pretrained, folder: Path = WEIGHTS) -> Path:
    """Write a pair's weights and its card into `folder`, for `pretrained.load`."""
    parts = {name: getattr(pair, name) for name in ("generator", "discriminator", "averaged")}
    networks = nn.ModuleDict({name: part for name, part in parts.items() if part is not None})
    return write_weights(networks.state_dict(), pair.card, folder / f"{pair.name}.safetensors")


def write_weights(state: dict[str, Tensor], card: dict, path: Path) -> Path:
    """Write tensors (float16, safetensors) and beside them their card (JSON)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in state.items()
    }
    save_file(stored, path)
    path.chmod(0o644)  # safetensors writes files that only their owner can read
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return path


def write_rows(rows: dict, order: Iterable[str], path: Path) -> None:
    """Put rows (name -> row) into a JSON file, one a line, in this order; its other rows stay."""
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stored |= rows
    lines = [f"{json.dumps(name)}: {json.dumps(stored[name])}" for name in order if name in stored]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
