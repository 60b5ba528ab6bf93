"""requirements.txt, environment.yml and pyproject.toml say the same, and name what is imported."""

import ast
import importlib.metadata
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gan_course.release import read_notebook

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# conda-forge calls these two otherwise; matplotlib-base is matplotlib without a desktop toolkit.
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def requirements():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def conda():
    """The conda specs and the pip lines of environment.yml."""
    found = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    specs = [item for item in found if isinstance(item, str)]
    (pip,) = (item["pip"] for item in found if not isinstance(item, str))
    return specs, pip


def normal(line):
    requirement = Requirement(line)
    return canonicalize_name(requirement.name), str(requirement.specifier)


def test_requirements_are_the_package_itself_and_its_dependencies():
    package, *rest = requirements()
    assert package == "-e ."
    assert sorted(map(normal, rest)) == sorted(map(normal, PROJECT["dependencies"]))


def test_the_conda_file_asks_for_the_same():
    specs, pip = conda()
    assert pip == ["-e ."]
    python, *others = [normal(spec) for spec in specs if spec != "pip"]
    assert python == ("python", PROJECT["requires-python"])
    expected = [normal(line) for line in PROJECT["dependencies"]]
    assert sorted(others) == sorted((CONDA_NAMES.get(name, name), spec) for name, spec in expected)


def test_conda_can_read_the_conda_file():
    rattler = pytest.importorskip("rattler", reason="needs: pip install -e '.[dev]'")
    for spec in conda()[0]:
        read = rattler.MatchSpec(spec, strict=True)
        assert read.name.normalized == spec.split()[0]
        assert str(read.version or "") == "".join(spec.split()[1:])
    from rattler.exceptions import InvalidMatchSpecError

    with pytest.raises(InvalidMatchSpecError):
        rattler.MatchSpec("numpy >=1.26.,<", strict=True)


def test_what_is_installed_here_satisfies_the_ranges():
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        assert importlib.metadata.version(requirement.name) in requirement.specifier, line


def top_level_imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def imports_of(*folders):
    """Every third-party module that the Python files and notebooks in these folders import."""
    own = {"gan_helpers", "gan_course", "tests", "benchmarks", "conftest"}
    own |= {path.stem for folder in folders for path in (ROOT / folder).glob("*.py")}
    found = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            found.update(top_level_imports(ast.parse(path.read_text(encoding="utf-8"))))
        for path in (ROOT / folder).rglob("*.ipynb"):
            for cell in read_notebook(path).cells:
                if cell.cell_type == "code" and not cell.source.lstrip().startswith(("%", "!")):
                    found.update(top_level_imports(ast.parse(cell.source)))
    return found - own - sys.stdlib_module_names


def distributions(lines):
    return {canonicalize_name(Requirement(line).name) for line in lines}


# Comes with another one that is asked for: IPython with ipykernel, and so on.
COME_ALONG = {
    "ipython", "cycler", "traitlets", "nbclient", "jupyter-client", "pluggy", "packaging", "pyyaml",
}  # fmt: skip


@pytest.mark.parametrize(
    "folders", [("gan_helpers", "gan_course", "notebooks"), ("tests", "benchmarks")]
)
def test_everything_imported_is_asked_for(folders):
    asked = distributions(PROJECT["dependencies"]) | COME_ALONG
    for lines in PROJECT["optional-dependencies"].values():
        asked |= distributions(lines)
    # An extra that is not installed here cannot say which modules it brings.
    providers = {"rattler": ["py-rattler"]} | importlib.metadata.packages_distributions()
    for module in imports_of(*folders):
        names = {canonicalize_name(name) for name in providers.get(module, [module])}
        assert names & asked, f"{module} is imported in {folders} but asked for nowhere"


def test_notebooks_import_only_what_the_course_promises():
    assert imports_of("notebooks") <= {"torch", "numpy", "matplotlib"}


def test_the_readmes_commands_are_those_that_are_tested():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install -r requirements.txt && jupyter lab notebooks" in readme
    assert "pip install -r requirements.txt && pytest" in readme


def test_the_public_workflow_runs_the_same_script():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    jobs = workflow["jobs"]
    runs = {job: [step.get("run") for step in jobs[job]["steps"]] for job in jobs}
    assert "bash .ci/run" in runs["everything"]
    assert "pip install -r requirements.txt && pytest" in runs["readme"]
    versions = jobs["readme"]["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={min(versions, key=lambda v: int(v.split('.')[1]))}"
