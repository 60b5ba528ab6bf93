"""What every test run needs: fast mode, one thread a worker, real data where they lie beside the
checkout, and notebooks that fail rather than hang. Test fixtures are in tests/conftest.py.

This file is read before torch is imported, in each worker and by the kernels that they start.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from queue import Empty

import pytest

ROOT = Path(__file__).parent
# A real MNIST that a neighbour of the checkout may hold; used if nothing else was said.
SHARED_DATA = ROOT.parent / "shared" / "data"

# `GAN_HELPERS_FAST=0 pytest notebooks` runs the notebooks in full.
os.environ.setdefault("GAN_HELPERS_FAST", "1")
os.environ.setdefault("GAN_HELPERS_LIVE", "sync")
# One thread for each worker and kernel: two workers share two cores better than two threads each.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
# What the shell says is for marking; here each notebook gets what it needs, see below.
os.environ.pop("GAN_HELPERS_STRICT", None)
if (SHARED_DATA / "MNIST").is_dir():
    os.environ.setdefault("GAN_HELPERS_DATA", str(SHARED_DATA))


def _is_notebook_cell(item: pytest.Item) -> bool:
    return hasattr(item, "cell") and hasattr(item, "cell_num")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item):
    """Solved notebooks are strict: each check must pass on the notebook's own answer.

    The students' blanks must fail gently. nbval starts a notebook's kernel while its first cell is
    set up, and the kernel inherits this.
    """
    strict = _is_notebook_cell(item) and "solutions" in item.path.parts
    if strict:
        os.environ["GAN_HELPERS_STRICT"] = "1"
    try:
        return (yield)
    finally:
        if strict:
            del os.environ["GAN_HELPERS_STRICT"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Let a cell whose kernel died fail at once: nbval alone waits for the whole cell timeout."""
    kernel = getattr(item.parent, "kernel", None) if _is_notebook_cell(item) else None
    if kernel is not None and not hasattr(kernel, "patient_await_reply"):
        kernel.patient_await_reply = kernel.await_reply
        kernel.await_reply = lambda msg_id, timeout=None: _await_reply(kernel, msg_id, timeout)


def _await_reply(kernel, msg_id: str, timeout: float | None) -> None:
    deadline = time.monotonic() + timeout if timeout is not None else float("inf")
    while True:
        try:
            return kernel.patient_await_reply(msg_id, timeout=min(2.0, timeout or 2.0))
        except Empty:
            if not kernel.is_alive():
                raise RuntimeError("the kernel died while it ran this cell") from None
            if time.monotonic() > deadline:
                raise


def _nothing_may_be_missing() -> bool:
    return os.environ.get("REQUIRE_ALL", "").strip().lower() in {"1", "true", "yes", "on"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """With REQUIRE_ALL=1 a skipped test is a failed one, unless it needs a GPU."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _nothing_may_be_missing():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "gpu" not in reason.lower():
            report.outcome = "failed"
            report.longrepr = f"{reason}\nREQUIRE_ALL=1: nothing may be skipped here"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """The same for a whole file that skips itself, as `pytest.importorskip` does."""
    report = yield
    if report.skipped and _nothing_may_be_missing():
        report.outcome = "failed"
        report.longrepr = f"{report.longrepr}\nREQUIRE_ALL=1: nothing may be skipped here"
    return report
