"""What keeps the package small and quick to import: its layers, and what it leaves unloaded."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the bottom up: a module imports only from rows above its own, and `gan_course` from all of
# `gan_helpers`, which never imports it. `__init__` only forwards names.
LAYERS = {
    "gan_helpers": [
        "settings", "synthetic", "datasets", "models", "losses", "checkpoints", "sampling",
        "run_folder", "runs", "callbacks", "verify", "training", "judges", "pretrained", "metrics",
        "diagnostics", "toys", "plotting", "experiments", "live", "__main__",
    ],
    "gan_course": [
        "kernel", "quiz", "scores", "moments", "turning", "charts", "diagnosis", "detectors",
        "failures", "ward", "exercises", "notebook", "release", "gate", "minutes", "run",
        "__main__",
    ],
}  # fmt: skip

# Each of these costs a reader who does not use it between a tenth of a second and two.
HEAVY = ("torchvision", "ipywidgets", "scipy", "IPython", "matplotlib.pyplot")


def modules():
    return sorted(p.relative_to(ROOT) for package in LAYERS for p in (ROOT / package).rglob("*.py"))


def layer(path):
    """Package and row of a file: `gan_course/exercises/nb02.py` belongs to "exercises"."""
    package, row, *_ = path.with_suffix("").parts
    return package, row


def imported_layers(path):
    """(package, row) of each import of our own packages in a file, anywhere in it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(path.parts[: len(path.parts) - node.level]) if node.level else ""
            stem = ".".join(part for part in (base, node.module) if part)
            names = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package in LAYERS:
                yield package, rest.split(".")[0]


def rank(package, row):
    """The place from the bottom; None for the package itself and for plain names in it."""
    below = len(LAYERS["gan_helpers"]) if package == "gan_course" else 0
    return below + LAYERS[package].index(row) if row in LAYERS[package] else None


def test_every_module_has_a_row():
    rows = {layer(path) for path in modules()}
    assert [name for name in rows if name[1] != "__init__" and rank(*name) is None] == []


@pytest.mark.parametrize("path", [p for p in modules() if layer(p)[1] != "__init__"], ids=str)
def test_a_module_imports_only_from_rows_above(path):
    mine = rank(*layer(path))
    found = list(imported_layers(path))
    assert [name for name in found if (rank(*name) or 0) > mine] == []
    if layer(path)[0] == "gan_helpers":
        assert [name for name in found if name[0] == "gan_course"] == []


def test_gan_helpers_does_not_name_the_course():
    text = {
        p: (ROOT / p).read_text(encoding="utf-8") for p in modules() if "gan_course" not in p.parts
    }
    assert [str(path) for path, source in text.items() if "gan_course" in source] == []


def test_a_file_and_a_function_can_be_read_at_one_sitting():
    """500 lines a file and 60 a function, but for `train`, whose docstring is the reference; the
    file to show in class is at most 260."""
    long = []
    for path in modules():
        source = (ROOT / path).read_text(encoding="utf-8")
        length, limit = source.count("\n"), 260 if path.name == "training.py" else 500
        if length > limit:
            long.append(f"{path}: {length} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                if length > 60 and (path.name, node.name) != ("training.py", "train"):
                    long.append(f"{path}, {node.name}: {length} lines")
    assert long == []


def test_gan_helpers_stays_small_enough_to_be_read():
    """It was 5,900 lines with three notebooks; 03, 04 and 05 had 2,200 more to spend between them.

    A notebook that needs more says here how much, and why what it adds is not its own business.
    """
    lines = {p: (ROOT / p).read_text(encoding="utf-8").count("\n") for p in modules()}
    assert sum(n for path, n in lines.items() if layer(path)[0] == "gan_helpers") <= 5_900 + 2_200


def test_the_import_reader_sees_each_way_of_importing(tmp_path, monkeypatch):
    (tmp_path / "gan_helpers" / "models").mkdir(parents=True)
    (tmp_path / "gan_helpers" / "models" / "a.py").write_text(
        "from ..losses import x\nfrom .layers import y\nfrom .. import live\n"
        "import gan_course.quiz\nfrom gan_helpers import toys\n"
        "def f():\n    from gan_course.release import z\n"
    )
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    found = list(imported_layers(Path("gan_helpers/models/a.py")))
    assert sorted(found) == [
        ("gan_course", "quiz"), ("gan_course", "release"), ("gan_helpers", "live"),
        ("gan_helpers", "losses"), ("gan_helpers", "models"), ("gan_helpers", "toys"),
    ]  # fmt: skip


USES = ["", "; gh.set_seed(0); gh.train; gh.MLPGenerator", "; import gan_course; gan_course.check"]


@pytest.mark.parametrize("use", USES)
def test_importing_the_package_leaves_heavy_modules_alone(use):
    code = f"import sys, gan_helpers as gh{use}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "gan_helpers" in loaded
    assert [name for name in HEAVY if name in loaded] == []
