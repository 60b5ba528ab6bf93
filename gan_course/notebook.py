"""A notebook of the course as a file: reading and writing it, and what its cells are.

The form of a notebook and of its cells stands at the top of `release`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode, reader, validator

ASKS = {"predict", "verdict", "question"}  # the calls of `course` that may carry a `choice`
TELLS = ASKS | {"outcome", "predictions_report"}

_MARKER = re.compile(r"^(\s*)### (BEGIN|END) (SOLUTION|STUDENT)\s*$")
_NEARLY_MARKER = re.compile(r"\b(begin|end)[ _-]*(solution|student)\b", re.IGNORECASE)
_GRADE_ID = re.compile(r"^(exercise|check)-(\d+)-(\d+)(?:-[a-z0-9-]+)?$")

# The metadata that a student's notebook keeps; run times and widget state do not belong in it.
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


class ReleaseError(ValueError):
    """A solved notebook that cannot be turned into a student's notebook as it stands."""


# --- reading and writing -------------------------------------------------------------------------


def read_notebook(path: str | Path) -> NotebookNode:
    """The notebook as it stands in the file: unlike `nbformat.read`, no missing ids are made up."""
    text = Path(path).read_text(encoding="utf-8")
    try:
        notebook = reader.reads(text)
    except reader.NotJSONError as error:
        raise ReleaseError(f"{Path(path).name} is not a notebook: {error}") from error
    if notebook.get("nbformat") != 4:
        raise ReleaseError(f"{Path(path).name} has nbformat {notebook.get('nbformat')}, expected 4")
    return notebook


def notebook_text(notebook: NotebookNode) -> str:
    """The one way that a notebook is written: the same notebook always gives the same text."""
    text = nbformat.writes(notebook, version=4)
    return text if text.endswith("\n") else text + "\n"


def write_notebook(notebook: NotebookNode, path: str | Path) -> None:
    """Write a notebook in the one form, with the same line ends on every system."""
    Path(path).write_text(notebook_text(notebook), encoding="utf-8", newline="\n")


def format_problems(notebook: NotebookNode) -> list[str]:
    """What makes a file no proper notebook, or leaves its cells without lasting ids."""
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        return ["its format is older than 4.5, so cells have no ids: save it in JupyterLab"]
    ids = [cell.get("id") for cell in notebook.cells]
    found = [f"cell {number}: no id" for number, name in enumerate(ids) if not name]
    found += [f"cell id {name!r} is used more than once" for name in repeated(filter(None, ids))]
    # Missing ids would be reported once more, and less plainly.
    return found or [f"not valid: {e.message}" for e in validator.iter_validate(notebook)]


def repeated(names) -> list[str]:
    names = list(names)
    return sorted({name for name in names if names.count(name) > 1})


# --- what a cell is ------------------------------------------------------------------------------


def role(cell: NotebookNode) -> str:
    """What a cell is in the course: "answer", "check", "written", "open", or "plain"."""
    meta = cell.metadata.get("nbgrader") or {}
    solution, grade = bool(meta.get("solution")), bool(meta.get("grade"))
    if solution and grade:
        return "written" if cell.cell_type == "markdown" else "open"
    if solution:
        return "answer"
    return "check" if grade else "plain"


def exercise_of(cell: NotebookNode) -> str | None:
    """The exercise that a cell belongs to, such as "2.4" for grade_id `exercise-2-4`, or None."""
    grade_id = (cell.metadata.get("nbgrader") or {}).get("grade_id", "")
    found = _GRADE_ID.match(str(grade_id))
    return f"{found[2]}.{found[3]}" if found else None


def parsed(cell: NotebookNode) -> ast.Module:
    """A code cell as a syntax tree; an empty one for text and for IPython's own syntax."""
    try:
        return ast.parse(cell.source if cell.cell_type == "code" else "")
    except SyntaxError:
        return ast.Module([], [])


def course_calls(tree: ast.AST, names: set[str]) -> list[ast.Call]:
    """The calls in a cell of `course.name(…)`, or of the bare name, for some names."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", None)) in names
    ]


def only_asks(cell: NotebookNode) -> bool:
    """True for a cell to be folded: it asks or tells something, after assignments at most."""
    statements = parsed(cell).body
    asking = [s for s in statements if isinstance(s, ast.Expr) and course_calls(s, TELLS)]
    rest = [s for s in statements if s not in asking]
    return bool(asking) and all(isinstance(s, ast.Assign) for s in rest)


def put_in_form(notebook: NotebookNode) -> None:
    """Fold the cells that only ask, in place."""
    for cell in notebook.cells:
        if only_asks(cell):
            cell.metadata["jupyter"] = {**cell.metadata.get("jupyter", {}), "source_hidden": True}


def name_of(cell: NotebookNode, number: int) -> str:
    """How a message calls a cell: by its place and, where it has one, its grade_id."""
    grade_id = (cell.metadata.get("nbgrader") or {}).get("grade_id")
    return f"cell {number} ({grade_id})" if grade_id else f"cell {number}"


# --- regions of a cell ---------------------------------------------------------------------------


@dataclass
class Region:
    """A run of lines in a cell: kind is "text", "solution" or "student"."""

    kind: str
    indent: str
    lines: list[str]


def regions(source: str) -> list[Region]:
    """Cut a cell's source at its markers. Raises ReleaseError on markers that do not pair up."""
    regions, current = [], Region("text", "", [])
    for line in source.split("\n"):
        marker = _MARKER.match(line)
        if marker is None:
            if _NEARLY_MARKER.search(line):
                raise ReleaseError(
                    f"{line.strip()!r} looks like a marker but is none; the four markers are "
                    "'### BEGIN SOLUTION', '### END SOLUTION', '### BEGIN STUDENT' and "
                    "'### END STUDENT', each alone on its line"
                )
            current.lines.append(line)
            continue
        indent, edge, kind = marker[1], marker[2], marker[3].lower()
        if (edge == "BEGIN") != (current.kind == "text") or (
            edge == "END" and kind != current.kind
        ):
            raise ReleaseError(f"{line.strip()!r} comes where no such region can begin or end")
        regions.append(current)
        current = Region(kind, indent, []) if edge == "BEGIN" else Region("text", "", [])
    if current.kind != "text":
        raise ReleaseError(f"a region has no '### END {current.kind.upper()}'")
    regions.append(current)
    return [part for part in regions if part.kind != "text" or part.lines]


def has_marker(cell: NotebookNode) -> bool:
    return any(_MARKER.match(line) for line in cell.source.split("\n"))
