"""The committed notebooks as files, and the set-up under which nbval runs them.

Whether every cell runs is tested by nbval itself: the notebooks are test files (pyproject.toml).
"""

import base64
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from gan_course.gate import problems
from gan_course.release import read_notebook, release_all, write_notebook

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
SOLVED = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))
ALL = SOLVED + sorted(NOTEBOOKS.glob("*.ipynb"))

MAX_NOTEBOOK = 2_500_000  # bytes
MAX_FIGURE = 150_000


def name(path):
    return path.relative_to(NOTEBOOKS).as_posix()


def test_the_student_notebooks_are_what_the_solved_ones_give():
    assert release_all(NOTEBOOKS, check=True) == []


@pytest.mark.parametrize("path", ALL, ids=name)
def test_a_notebook_is_well_formed(path):
    assert problems(path, student=path not in SOLVED) == []


@pytest.mark.parametrize("path", SOLVED, ids=name)
def test_a_solved_notebook_was_run_from_top_to_bottom(path):
    cells = [cell for cell in read_notebook(path).cells if cell.cell_type == "code" and cell.source]
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1))
    assert any(cell.outputs for cell in cells)


@pytest.mark.parametrize("path", ALL, ids=name)
def test_a_notebook_and_its_figures_are_small(path):
    assert path.stat().st_size <= MAX_NOTEBOOK
    text = path.read_text(encoding="utf-8")
    pictures = re.findall(r"base64,([A-Za-z0-9+/=]+)", text)
    pictures += re.findall(r'"image/\w+": "([^"]+)"', text)
    sizes = [len(base64.b64decode(picture.replace("\\n", ""))) for picture in pictures]
    assert max(sizes, default=0) <= MAX_FIGURE


@pytest.mark.parametrize("path", ALL, ids=name)
def test_the_files_that_a_notebook_links_to_exist(path):
    text = "\n".join(c.source for c in read_notebook(path).cells if c.cell_type == "markdown")
    text = re.sub(r"`[^`]*`", "", text)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    local = [t.split("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    assert [t for t in local if not (path.parent / t).exists()] == []


# --- the set-up, tried on small notebooks in a folder of their own --------------------------------

SETTINGS = """\
import os
assert os.environ["GAN_HELPERS_FAST"] == "1"
assert os.environ["GAN_HELPERS_LIVE"] == "sync"
assert os.environ["OMP_NUM_THREADS"] == "1"
assert os.environ.get("GAN_HELPERS_STRICT") == {strict}
import gan_helpers
"""


def write(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    write_notebook(new_notebook(cells=cells), path)


def run_pytest(folder, *arguments, env=()):
    """Run this project's pytest, with its configuration, in a folder; returns (code, output)."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "conftest.py", folder)
    unset = {"GAN_HELPERS_FAST", "GAN_HELPERS_LIVE", "OMP_NUM_THREADS", "REQUIRE_ALL"}
    kept = {key: value for key, value in os.environ.items() if key not in unset}
    kept = {key: value for key, value in kept.items() if not key.startswith(("PYTEST_", "COV_"))}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "--color=no", *arguments],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)} | dict(env),
        capture_output=True,
        text=True,
        timeout=300,
    )
    return result.returncode, result.stdout + result.stderr


def outcome(output, item):
    """PASSED or FAILED, as the summary says of one test."""
    found = re.findall(rf"^(PASSED|FAILED|ERROR|SKIPPED) {re.escape(item)}\b", output, re.M)
    assert found, output
    return found[-1]


def test_notebooks_run_in_order_each_with_its_settings_and_a_dead_kernel_is_noticed(tmp_path):
    notebooks = tmp_path / "notebooks"
    other_output = new_code_cell("x += 1\nprint(x)", execution_count=1)
    other_output.outputs = [new_output("stream", text="7")]
    settings = SETTINGS.format(strict=None)
    write(notebooks / "a.ipynb", settings, "x = 1", other_output, "assert x == 2")
    write(notebooks / "solutions" / "a.ipynb", SETTINGS.format(strict='"1"'))
    write(notebooks / "dies.ipynb", "import os; os._exit(1)", "x = 1")
    write(notebooks / "fails.ipynb", "raise ValueError('no')", "x = 1")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_after.py").write_text(
        "import os\ndef test_it(): assert 'GAN_HELPERS_STRICT' not in os.environ"
    )
    started = time.monotonic()
    code, output = run_pytest(tmp_path, env={"GAN_HELPERS_STRICT": "1"})
    assert code == 1
    for number in range(4):
        assert outcome(output, f"notebooks/a.ipynb::Cell {number}") == "PASSED"
    assert outcome(output, "notebooks/solutions/a.ipynb::Cell 0") == "PASSED"
    assert outcome(output, "tests/test_after.py::test_it") == "PASSED"
    assert outcome(output, "notebooks/fails.ipynb::Cell 0") == "FAILED"
    assert outcome(output, "notebooks/fails.ipynb::Cell 1") == "PASSED"
    assert outcome(output, "notebooks/dies.ipynb::Cell 0") == "FAILED"
    assert "the kernel died while it ran this cell" in output
    # nbval alone would wait for the cell timeout, 120 s.
    assert time.monotonic() - started < 100


def test_a_skip_is_a_failure_only_where_nothing_may_be_missing(tmp_path):
    (tmp_path / "test_one.py").write_text(
        "import pytest\n"
        "def test_absent(): pytest.importorskip('no_such_module')\n"
        "def test_gpu(): pytest.skip('needs a GPU')\n"
        "@pytest.mark.xfail\ndef test_known(): assert False\n"
    )
    (tmp_path / "test_two.py").write_text(
        "import pytest\npytest.importorskip('no_such_module')\ndef test_x(): pass\n"
    )
    arguments = ["-p", "no:cacheprovider", "--numprocesses=0", "."]
    code, output = run_pytest(tmp_path, *arguments)
    assert code == 0, output
    assert "3 skipped, 1 xfailed" in output
    arguments.append("--continue-on-collection-errors")
    code, output = run_pytest(tmp_path, *arguments, env={"REQUIRE_ALL": "1"})
    assert code == 1
    assert "1 failed, 1 skipped, 1 xfailed, 1 error" in output
