"""The ward of notebook 04: sick runs that come with the course, without a name on their charts."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gan_helpers.diagnostics import Signs

FOLDER = Path(__file__).resolve().parent / "data" / "ward"


@dataclass(frozen=True)
class Patient:
    """One run of the ward: its number, and all that the instruments read.

    `reveal()` tells what it was, once you have named the disease yourself.
    """

    number: int
    signs: Signs
    sealed: str

    def reveal(self) -> dict:
        """{"disease", "cause", "prescription"}: its name, what made it so, what cures it."""
        return json.loads(bytes.fromhex(self.sealed))

    def __repr__(self) -> str:
        steps = self.signs.history["step"][-1]
        return f"Patient({self.number}: {self.signs.title}, {steps:,} steps)"


def patients(folder: Path = FOLDER) -> list[Patient]:
    """The patients, in the order of their beds. They are made by `python benchmarks/ward.py`.

    Raises FileNotFoundError if none is installed.
    """
    paths = sorted(Path(folder).glob("patient_*.npz"))
    if not paths:
        raise FileNotFoundError(
            f"no patients in {folder}; reinstall the package, or make them with: "
            "python benchmarks/ward.py"
        )
    return [_read(path) for path in paths]


def write_patient(number: int, signs: Signs, truth: dict, folder: Path = FOLDER) -> Path:
    """Write one run; the truth is only hidden from a glance, not locked away."""
    sealed = json.dumps(truth).encode().hex()
    rest = {"kinds": signs.kinds, "probabilities": signs.probabilities, "title": signs.title,
            "best": signs.best, "ended": signs.ended, "sealed": sealed}  # fmt: skip
    history = {f"history/{name}": np.asarray(values, dtype=np.float32)
               for name, values in signs.history.items()}  # fmt: skip
    path = Path(folder) / f"patient_{number}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, samples=signs.samples.numpy(), rest=json.dumps(rest), **history)
    return path


def _read(path: Path) -> Patient:
    with np.load(path, allow_pickle=False) as stored:
        rest = json.loads(str(stored["rest"]))
        whole = ("step", "modes_any", "modes", "top", "counts")
        history = {
            name: stored[f"history/{name}"].astype(int if name in whole else float).tolist()
            for name in (f.removeprefix("history/") for f in stored.files if "/" in f)
        }
        samples = torch.from_numpy(stored["samples"])
    sealed = rest.pop("sealed")
    return Patient(int(path.stem.split("_")[1]), Signs(history, samples, **rest), sealed)
