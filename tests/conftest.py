"""What the unit tests share: one torch thread, a clean environment, and real MNIST where it is.

What a whole test run needs (fast mode, notebooks, REQUIRE_ALL) is in ../conftest.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
# What CI or the shell says about the data, before the tests are kept from it.
_DATA_SAID = os.environ.get("GAN_HELPERS_DATA")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Results do not depend on how many cores there are, and workers do not fight for them."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory) -> None:
    """A test that wants fast or strict mode or a data folder sets it; it never meets one by chance.

    The data folder is an empty one, so that no test reads or writes the checkout's; no stand-in of
    another test's is remembered.
    """
    for name in [name for name in os.environ if name.startswith("GAN_HELPERS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GAN_HELPERS_DATA", str(tmp_path_factory.getbasetemp() / "no-data"))
    monkeypatch.setattr("gan_helpers.datasets._stand_ins", [])


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder that holds real MNIST, for `load_dataset("mnist", root=mnist_root)`.

    Skips where there is none; REQUIRE_ALL=1 makes that a failure.
    """
    places = [ROOT.parent / "shared" / "data", ROOT / "data"]
    if _DATA_SAID:
        places.insert(0, Path(_DATA_SAID))
    for place in places:
        raw = place / "MNIST" / "raw"
        if any((raw / f"t10k-images-idx3-ubyte{end}").is_file() for end in ("", ".gz")):
            return place
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1, and there is no MNIST in {', '.join(map(str, places))}")
    pytest.skip("there is no MNIST beside the checkout or in GAN_HELPERS_DATA")


@pytest.fixture(scope="session")
def real_mnist(mnist_root: Path):
    """The 60,000 training digits."""
    from gan_helpers.datasets import load_dataset

    return load_dataset("mnist", root=mnist_root)


@pytest.fixture()
def in_full(notebook, monkeypatch):
    """What a claims module calls `notebook`, with the budgets of a full run from here on."""
    monkeypatch.delenv("GAN_HELPERS_FAST", raising=False)
    return notebook
