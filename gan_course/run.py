"""Run a solved notebook in full and keep its outputs: `python -m gan_course run NOTEBOOK`."""

from __future__ import annotations

import os
from pathlib import Path

from nbformat import NotebookNode

from .minutes import seconds_run
from .notebook import KERNEL, put_in_form, read_notebook, write_notebook

CELL_SECONDS = 600
# Of a cell's times two are kept, and only where they matter: `minutes` reads them.
_TIMES = ("iopub.execute_input", "shell.execute_reply")


def run(path: str | Path, fast: bool = False) -> list[tuple[float, str]]:
    """Run a solved notebook from top to bottom, every check strict, and write it back.

    Returns (seconds, cell id) of the code cells, the longest first. Nothing is written if a cell
    raises or takes more than CELL_SECONDS; the error says which. `fast` is for a trial: the
    notebook is run shortened and not written.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellControlSignal

    path = Path(path)
    notebook = read_notebook(path)
    put_in_form(notebook)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        record_timing=True,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    settings = {"GAN_HELPERS_LIVE": "sync", "GAN_HELPERS_STRICT": "1"}
    try:
        client.execute(env=os.environ | settings | {"GAN_HELPERS_FAST": str(int(fast))})
    except CellControlSignal as error:
        raise RuntimeError(f"{path.name} did not run to its end: {error}") from None
    notebook.metadata = {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    seconds = sorted(
        ((_keep_times(cell), cell.id) for cell in notebook.cells if cell.cell_type == "code"),
        reverse=True,
    )
    if not fast:
        write_notebook(notebook, path)
    return seconds


def _keep_times(cell: NotebookNode) -> float:
    """The seconds that a cell ran; its times stay in its metadata if it ran for a second."""
    seconds = seconds_run(cell)
    times = cell.metadata.pop("execution", {})
    if seconds >= 1:
        cell.metadata["execution"] = {name: times[name] for name in _TIMES}
    return seconds
