"""What keeps the package small and quick to import: its layers, and what it leaves unloaded."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gan_helpers"

# From the bottom up: a module imports only from rows above its own. `__init__` only forwards names.
LAYERS = [
    "settings", "synthetic", "datasets", "models", "losses", "checkpoints", "training",
    "experiments", "judges", "metrics", "diagnostics", "toys", "plotting", "live", "quiz",
    "exercises", "release", "__main__",
]  # fmt: skip

# Each of these costs a reader who does not use it between a tenth of a second and two.
HEAVY = ("torchvision", "ipywidgets", "scipy", "IPython", "matplotlib.pyplot")


def modules():
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def layer(path):
    """The row of a file: `exercises/nb02.py` belongs to "exercises"."""
    return path.with_suffix("").parts[0]


def imported_layers(path):
    """The rows of gan_helpers that a file imports from, anywhere in it."""
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package_of(path, node.level) if node.level else ""
            stem = ".".join(part for part in (base, node.module) if part)
            names = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "gan_helpers" and len(parts) > 1:
                yield parts[1]


def package_of(path, level):
    parts = ["gan_helpers", *path.parts[:-1]]
    return ".".join(parts[: len(parts) - (level - 1)])


def test_every_module_has_a_row():
    assert {layer(path) for path in modules()} - {"__init__"} <= set(LAYERS)


@pytest.mark.parametrize("path", [p for p in modules() if layer(p) != "__init__"], ids=str)
def test_a_module_imports_only_from_rows_above(path):
    mine = LAYERS.index(layer(path))
    rows = [name for name in imported_layers(path) if name in LAYERS]
    assert [name for name in rows if LAYERS.index(name) > mine] == []


def test_the_import_reader_sees_each_way_of_importing(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.py").write_text(
        "from ..losses import x\nfrom .layers import y\nfrom .. import live\n"
        "import gan_helpers.quiz\nfrom gan_helpers import toys\n"
        "def f():\n    from gan_helpers.release import z\n"
    )
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    found = list(imported_layers(Path("models/a.py")))
    assert sorted(found) == ["live", "losses", "models", "quiz", "release", "toys"]


@pytest.mark.parametrize("use", ["", "; gh.set_seed(0); gh.train; gh.MLPGenerator; gh.check"])
def test_importing_the_package_leaves_heavy_modules_alone(use):
    code = f"import sys, gan_helpers as gh{use}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "gan_helpers" in loaded
    assert [name for name in HEAVY if name in loaded] == []
