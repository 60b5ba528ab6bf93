"""JupyterLab in a real browser, for tests and measurements: a server, Chromium, and one notebook.

Needs playwright (extra `dev`) and an installed Chromium or Chrome; playwright's own download of a
browser is not used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# No sandbox: CI runs as root. The others keep the browser from calling home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOKEN = "test"


def browser_path() -> str | None:
    """An installed Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def lab_server(folder: Path) -> Iterator[str]:
    """A JupyterLab on `folder`, with settings of its own; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = Path(tempfile.mkdtemp())
    environment = {name: value for name, value in os.environ.items() if name != "GAN_HELPERS_LIVE"}
    environment |= {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
    }
    options = {
        "IdentityProvider.token": TOKEN,
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder,
        "ServerApp.allow_root": True,
        "ServerApp.open_browser": False,
        "LabApp.expose_app_in_browser": True,
        "LabApp.news_url": None,
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    log = open(own / "log", "w")  # noqa: SIM115
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *arguments],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/api?token={TOKEN}", server, own / "log")
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()
        shutil.rmtree(own, ignore_errors=True)


def _wait_for(address: str, server: subprocess.Popen, log: Path, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=5)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RuntimeError("JupyterLab did not start:\n" + log.read_text()[-2000:])


@contextlib.contextmanager
def notebook_page(folder: Path, *cells: str, size: tuple[int, int] = (1280, 1400)) -> Iterator:
    """A browser page that shows a notebook of these code cells after they have all been run.

    `page.troubles` lists what the browser's console called an error.
    """
    from playwright.sync_api import sync_playwright

    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "try.ipynb")
    with lab_server(folder) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_default_timeout(240_000)
        page.troubles = []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("console", lambda message: _note(page.troubles, message))
        page.goto(f"{address}/lab/tree/try.ipynb?token={TOKEN}")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        _run_all(page, len(cells))
        yield page
        browser.close()


def _run_all(page, cells: int) -> None:
    """Run the notebook's cells, once its kernel answers, and wait for their end.

    The indicator in the toolbar says "idle" before the kernel is connected; what is run then is
    dropped without a word.
    """
    from playwright.sync_api import TimeoutError

    prompts = "[...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')].map(p => p.innerText)"
    page.wait_for_function(f"n => {prompts}.length === n", arg=cells)
    page.wait_for_function(
        """() => {
            const context = window.jupyterapp.shell.currentWidget?.sessionContext;
            const kernel = context?.session?.kernel;
            return context?.isReady && kernel?.connectionStatus === 'connected'
                && kernel.status === 'idle';
        }"""
    )
    for last in (False, False, True):
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        try:  # a cell that waits or runs shows a star
            page.wait_for_function(f"() => {prompts}.some(p => /[0-9*]/.test(p))", timeout=20_000)
            break
        except TimeoutError:
            if last:
                raise
    page.wait_for_function(f"() => {prompts}.every(p => /[0-9]/.test(p))")


def _note(troubles: list[str], message) -> None:
    # A missing icon or source map is the browser's business, not the notebook's.
    if message.type == "error" and "Failed to load resource" not in message.text:
        troubles.append(message.text)


def frames_per_second(page, selector: str, seconds: float = 5.0) -> float:
    """How often the browser showed a new picture in this <img>, per second."""
    script = """async ([selector, seconds]) => {
        const image = document.querySelector(selector);
        let frames = 0;
        const count = () => { frames += 1; };
        image.addEventListener('load', count);
        await new Promise(done => setTimeout(done, 1000 * seconds));
        image.removeEventListener('load', count);
        return frames / seconds;
    }"""
    return page.evaluate(script, [selector, seconds])
