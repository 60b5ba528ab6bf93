"""Student notebooks from solved notebooks, and the gate that keeps the two in step.

Only the solved notebooks (`notebooks/solutions/NN_name.ipynb`) are edited; `python -m gan_course
release` writes the students' (`notebooks/NN_name.ipynb`) from them. The form of a notebook:

* An answer cell is code with nbgrader metadata solution=true and grade_id `exercise-2-4`. Its first
  line is `# Exercise 2.4: your answer`, and a heading `### Exercise 2.4: …` stands above. What lies
  between `### BEGIN SOLUTION` and `### END SOLUTION` becomes a stub that raises
  NotImplementedError. Where students start from a text instead of a blank (a script to repair),
  that text follows the region as comments between `### BEGIN STUDENT` and `### END STUDENT`.
* The check cell after it is locked, graded code with grade_id `check-2-4` and a call of
  `course.check("2.4", …)`.
* A written answer is markdown with solution and grade both true; it holds the line `**Your answer
  to 2.9**`, the model answer and the rubric, and the student gets an empty answer cell. An open
  experiment is the same in code, and its regions become a comment.
* A cell that only asks (`course.predict`, `outcome`, `verdict`, `question`) is folded. Solved
  notebooks answer by an argument `choice=…`, which students do not get.

`nbgrader generate_assignment` understands the same cells and delimiters.
"""

from __future__ import annotations

import ast
import copy
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode, reader, validator

MAX_CELL_LINES = 40
SCHEMA_VERSION = 3
ASKS = {"predict", "verdict", "question"}  # the calls of `course` that may carry a `choice`
TELLS = ASKS | {"outcome", "predictions_report"}
# So many consecutive lines of a solution, seen elsewhere in the notebook, count as giving it away.
LEAK_LINES = 3

_MARKER = re.compile(r"^(\s*)### (BEGIN|END) (SOLUTION|STUDENT)\s*$")
_NEARLY_MARKER = re.compile(r"\b(begin|end)[ _-]*(solution|student)\b", re.IGNORECASE)
_GRADE_ID = re.compile(r"^(exercise|check)-(\d+)-(\d+)(?:-[a-z0-9-]+)?$")
_EXERCISE_HEADING = re.compile(r"^### Exercise (\d+\.\d+): \S", re.M)
_RUBRIC = re.compile(r"^\W*(?:model answer|marking|rubric|mark scheme)\b", re.I | re.M)
_BASE64 = re.compile(r"base64,[A-Za-z0-9+/=\s]+")
_MACHINE_PATH = re.compile(
    r"(?<![\w.~:/])/(?:home|Users|root|opt|work|farm|tmp|mnt|private)/[\w.-]+|\b[A-Z]:\\\\?Users\b"
)
_IMG_TAG = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_IMG_ALT = re.compile(r"""\balt\s*=\s*("\s*[^"\s][^"]*"|'\s*[^'\s][^']*')""", re.IGNORECASE)
_MARKDOWN_IMAGE_WITHOUT_ALT = re.compile(r"!\[\s*\]\(")

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


# --- regions of a cell ---------------------------------------------------------------------------


@dataclass
class _Region:
    """A run of lines in a cell: kind is "text", "solution" or "student"."""

    kind: str
    indent: str
    lines: list[str]


def regions(source: str) -> list[_Region]:
    """Cut a cell's source at its markers. Raises ReleaseError on markers that do not pair up."""
    regions, current = [], _Region("text", "", [])
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
        current = _Region(kind, indent, []) if edge == "BEGIN" else _Region("text", "", [])
    if current.kind != "text":
        raise ReleaseError(f"a region has no '### END {current.kind.upper()}'")
    regions.append(current)
    return [part for part in regions if part.kind != "text" or part.lines]


def _uncomment(region: _Region) -> list[str]:
    """The students' starting text: the region's comment lines, with one '# ' taken away."""
    lines = []
    for line in region.lines:
        bare = line.removeprefix(region.indent)
        if not bare.strip():
            lines.append("")
        elif bare.startswith("#"):
            lines.append((region.indent + bare[1:].removeprefix(" ")).rstrip())
        else:
            raise ReleaseError(f"{line.strip()!r} in a STUDENT region must be a comment")
    return lines


def _without_solutions(source: str, stub: str) -> tuple[str, list[int]]:
    """The cell with a stub, or the students' text, for each solution; and the stubs' line numbers.

    Line numbers start at 1. Raises ReleaseError if a STUDENT region does not follow a solution.
    """
    lines: list[str] = []
    stubs: list[int] = []
    parts = regions(source)
    for place, part in enumerate(parts):
        following = parts[place + 1].kind if place + 1 < len(parts) else ""
        if part.kind == "text":
            lines += part.lines
        elif part.kind == "student":
            if place == 0 or parts[place - 1].kind != "solution":
                raise ReleaseError("a STUDENT region must follow directly on a SOLUTION region")
            lines += _uncomment(part)
        elif following != "student":
            lines.append(part.indent + stub)
            stubs.append(len(lines))
    return "\n".join(lines), stubs


def _inside_functions(tree: ast.Module) -> set[int]:
    """The line numbers that are in the body of some function or method."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, functions):
            found.update(range(node.body[0].lineno, node.end_lineno + 1))
    return found


def _student_code(cell: NotebookNode) -> str:
    """The student's version of an answer cell or of an open experiment."""
    exercise = exercise_of(cell)
    if exercise is None:
        raise ReleaseError("an answer cell needs a grade_id such as 'exercise-2-4'")
    stub = f'raise NotImplementedError("Exercise {exercise}: write this part")'
    source, stubs = _without_solutions(cell.source, stub)
    try:
        inside = _inside_functions(ast.parse(source))
    except SyntaxError as error:
        raise ReleaseError(
            f"what is left for the student is not valid Python (line {error.lineno}: {error.msg})"
        ) from error
    outside = [number for number in stubs if number not in inside]
    if outside and role(cell) != "open":
        raise ReleaseError(
            f"a SOLUTION region at line {outside[0]} is not inside a function or method; its stub "
            "would stop the notebook. Move it into a function, or give a STUDENT region"
        )
    lines = source.split("\n")
    for number in outside:
        lines[number - 1] = lines[number - 1].replace(
            stub, f"# Exercise {exercise}: your code here"
        )
    return "\n".join(lines)


# --- release -------------------------------------------------------------------------------------


def _student_cell(cell: NotebookNode) -> NotebookNode:
    """One cell as the student gets it: same id, no output, no solution, locked where it must be."""
    cell, kind = copy.deepcopy(cell), role(cell)
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    for transient in ("execution", "collapsed", "scrolled", "ExecuteTime"):
        cell.metadata.pop(transient, None)
    if kind in {"answer", "open"}:
        cell.source = _student_code(cell)
    elif kind == "written":
        exercise = exercise_of(cell)
        cell.source = f"**Your answer to {exercise}**\n\n*Double-click here and write.*"
        cell.pop("attachments", None)
    elif any(_MARKER.match(line) for line in cell.source.split("\n")):
        raise ReleaseError("a SOLUTION or STUDENT region in a cell that is not marked as an answer")
    elif cell.cell_type == "code":
        cell.source = _without_choices(cell)
    if kind != "plain":
        cell.metadata["deletable"] = False
    if kind == "check":
        cell.metadata["editable"] = False
    return cell


def _without_choices(cell: NotebookNode) -> str:
    """The cell's source without the argument `choice=…` of what it asks."""
    source = cell.source.encode()  # Python counts columns in bytes
    starts = [0, *(found.end() for found in re.finditer(b"\n", source))]
    for call in reversed(course_calls(parsed(cell), ASKS)):
        arguments = sorted([*call.args, *(k.value for k in call.keywords)], key=_end)
        for keyword in call.keywords:
            if keyword.arg == "choice" and keyword.value is not arguments[0]:
                before = arguments[arguments.index(keyword.value) - 1]
                begin, end = (
                    starts[line - 1] + column for line, column in map(_end, (before, keyword))
                )
                source = source[:begin] + source[end:]
    return source.decode()


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset


def release(solution: NotebookNode | str | Path) -> NotebookNode:
    """The student's notebook of a solved one, given as a notebook or as its path.

    Cell ids, order, text and nbgrader metadata stay; outputs, execution counts, solutions, model
    answers and rubrics go. Raises ReleaseError, naming the cell, if that cannot be done cleanly.
    """
    source = solution if isinstance(solution, NotebookNode) else read_notebook(solution)
    malformed = _format_problems(source)
    if malformed:
        raise ReleaseError("; ".join(malformed))
    cells = []
    for number, cell in enumerate(source.cells):
        try:
            cells.append(_student_cell(cell))
        except ReleaseError as error:
            raise ReleaseError(f"{_name(cell, number)}: {error}") from error
    metadata = {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    return nbformat.from_dict(
        {
            "cells": cells,
            "metadata": metadata,
            "nbformat": source.nbformat,
            "nbformat_minor": source.nbformat_minor,
        }
    )


def unchosen(solution: NotebookNode) -> NotebookNode:
    """A copy of a solved notebook without choices: what `nbgrader generate_assignment` is given."""
    source = copy.deepcopy(solution)
    for cell in source.cells:
        if cell.cell_type == "code" and role(cell) == "plain":
            cell.source = _without_choices(cell)
    return source


def release_all(folder: str | Path = "notebooks", check: bool = False) -> list[str]:
    """Release every `folder/solutions/*.ipynb` into `folder`; return what that changed.

    With `check=True` nothing is written and the changes are those that would be made. Each entry is
    one sentence; an empty list means that the students' notebooks are exactly what the solved ones
    give. A student notebook that has no solved one is named and left alone.
    """
    folder = Path(folder)
    solved = sorted((folder / "solutions").glob("*.ipynb"))
    if not solved:
        raise ReleaseError(f"no solved notebooks in {folder / 'solutions'}; expected NN_name.ipynb")
    changes = []
    for path in solved:
        notebook = read_notebook(path)
        if not check:
            put_in_form(notebook)
            write_notebook(notebook, path)
        target = folder / path.name
        text = notebook_text(release(notebook))
        # Bytes, not text: reading as text would hide line ends that differ.
        if target.exists() and target.read_bytes() == text.encode("utf-8"):
            continue
        changes.append(
            f"{target.name} differs from what {path.parent.name}/{path.name} gives"
            if target.exists()
            else f"{target.name} is missing"
        )
        if not check:
            target.write_text(text, encoding="utf-8", newline="\n")
    names = {path.name for path in solved}
    changes += [
        f"{path.name} has no solved notebook in {folder.name}/solutions"
        for path in sorted(folder.glob("*.ipynb"))
        if path.name not in names
    ]
    return changes


# --- the validator -------------------------------------------------------------------------------


def problems(notebook: NotebookNode | str | Path, student: bool | None = None) -> list[str]:
    """What is wrong with a notebook of the course, one sentence each; an empty list if nothing is.

    `student` says which version it is; by default it is the solved one if it has any solution
    marker. Both are checked for ids, nbgrader metadata, a check after each answer, cell length,
    stored errors, alt text and absolute paths; the solved one for whether it can be released and
    gives a solution away elsewhere; the student's for outputs and remains of solutions.
    """
    if not isinstance(notebook, NotebookNode):
        notebook = read_notebook(notebook)
    if student is None:
        student = not any(_has_marker(cell) for cell in notebook.cells)
    found = _format_problems(notebook) + _grade_id_problems(notebook)
    for number, cell in enumerate(notebook.cells):
        checks = (
            _metadata_problems(cell)
            + _content_problems(cell)
            + (_student_problems(cell) if student else _solved_problems(cell))
        )
        found += [f"{_name(cell, number)}: {text}" for text in checks]
    return found + _order_problems(notebook) + ([] if student else _leaks(notebook))


def _name(cell: NotebookNode, number: int) -> str:
    """How a message calls a cell: by its place and, where it has one, its grade_id."""
    grade_id = (cell.metadata.get("nbgrader") or {}).get("grade_id")
    return f"cell {number} ({grade_id})" if grade_id else f"cell {number}"


def _has_marker(cell: NotebookNode) -> bool:
    return any(_MARKER.match(line) for line in cell.source.split("\n"))


def _format_problems(notebook: NotebookNode) -> list[str]:
    """What makes a file no proper notebook, or leaves its cells without lasting ids."""
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        return ["its format is older than 4.5, so cells have no ids: save it in JupyterLab"]
    ids = [cell.get("id") for cell in notebook.cells]
    found = [f"cell {number}: no id" for number, name in enumerate(ids) if not name]
    found += [f"cell id {name!r} is used more than once" for name in _repeated(filter(None, ids))]
    # Missing ids would be reported once more, and less plainly.
    return found or [f"not valid: {e.message}" for e in validator.iter_validate(notebook)]


def _grade_id_problems(notebook: NotebookNode) -> list[str]:
    ids = [(cell.metadata.get("nbgrader") or {}).get("grade_id") for cell in notebook.cells]
    return [f"grade_id {name!r} is used more than once" for name in _repeated(filter(None, ids))]


def _repeated(names) -> list[str]:
    names = list(names)
    return sorted({name for name in names if names.count(name) > 1})


def _metadata_problems(cell: NotebookNode) -> list[str]:
    """nbgrader's metadata (schema 3), as far as nbgrader would refuse it or misread it."""
    meta = cell.metadata.get("nbgrader")
    if meta is None:
        return ["calls course.check but has no nbgrader metadata"] if _checked_ids(cell) else []
    found = []
    for key in ("solution", "grade", "locked"):
        if not isinstance(meta.get(key), bool):
            found.append(f"nbgrader metadata {key!r} is {meta.get(key)!r}, expected true or false")
    if meta.get("schema_version") != SCHEMA_VERSION:
        found.append(f"nbgrader schema_version is {meta.get('schema_version')!r}, expected 3")
    if meta.get("task"):
        found.append("nbgrader task cells are not used here; mark it as a written answer")
    points = meta.get("points")
    if meta.get("grade") and not (isinstance(points, int | float) and points >= 0):
        found.append(f"a graded cell needs points of 0 or more, has {points!r}")
    kind = role(cell)
    if kind == "plain":
        return found
    if exercise_of(cell) is None:
        found.append("its grade_id must look like 'exercise-2-4' or 'check-2-4'")
    elif (kind == "check") != meta["grade_id"].startswith("check-"):
        found.append(f"its grade_id does not fit a cell of kind {kind!r}")
    if meta.get("locked") != (kind == "check"):
        found.append("a check cell must be locked" if kind == "check" else "must not be locked")
    name = exercise_of(cell)
    first = f"**Your answer to {name}**" if kind == "written" else f"# Exercise {name}: your answer"
    if kind != "check" and not cell.source.startswith(first + "\n"):
        found.append(f"its first line must be {first!r}")
    return found + (_check_cell_problems(cell) if kind == "check" else [])


def _check_cell_problems(cell: NotebookNode) -> list[str]:
    """What would make a check cell check the wrong thing, or make nbgrader misread its points."""
    if cell.cell_type != "code":
        return ["a check cell must be code"]
    found = []
    if exercise_of(cell) not in _checked_ids(cell):
        found.append(f'does not call course.check("{exercise_of(cell)}", …)')
    statements = parsed(cell).body
    if statements and isinstance(statements[-1], ast.Expr):
        found.append("ends in an expression; nbgrader would read its value as points")
    outputs = cell.get("outputs", [])
    if any(out.output_type == "stream" and out.name == "stderr" for out in outputs):
        found.append("writes to stderr, for which nbgrader gives no points")
    return found


def _checked_ids(cell: NotebookNode) -> set[str]:
    """The exercises that a code cell passes to `check(...)` or `course.check(...)`."""
    return {
        node.args[0].value
        for node in course_calls(parsed(cell), {"check"})
        if node.args and isinstance(node.args[0], ast.Constant)
    }


def _content_problems(cell: NotebookNode) -> list[str]:
    """Length, folding, stored errors, alt text and absolute paths."""
    found = []
    if only_asks(cell) and not cell.metadata.get("jupyter", {}).get("source_hidden"):
        found.append("only asks, and is not folded (`python -m gan_course release` folds it)")
    lines = cell.source.count("\n") + 1
    if cell.cell_type == "code" and lines > MAX_CELL_LINES:
        found.append(f"{lines} lines of code, at most {MAX_CELL_LINES} are read with ease")
    texts = [cell.source]
    if cell.cell_type == "markdown":
        images = _IMG_TAG.findall(cell.source)
        if _MARKDOWN_IMAGE_WITHOUT_ALT.search(cell.source) or _lacks_alt(images):
            found.append("an image without alt text")
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            found.append(f"a stored error: {output.get('ename')}: {output.get('evalue')}")
        if _output_lacks_alt(output):
            found.append("a figure without alt text (draw it through gh.show(fig, alt=…))")
        texts += _output_texts(output)
    paths = {path for text in texts for path in _MACHINE_PATH.findall(_BASE64.sub("", text))}
    found += [f"names a path of one machine: {path}" for path in sorted(paths)]
    return found


def _lacks_alt(image_tags: list[str]) -> bool:
    return any(not _IMG_ALT.search(tag) for tag in image_tags)


def _output_lacks_alt(output: NotebookNode) -> bool:
    """True for a picture that a screen reader could not describe.

    A bundle counts as described if its HTML form has alt text, or its image metadata names `alt`.
    """
    data = output.get("data", {})
    tags = _IMG_TAG.findall(_text(data.get("text/html", "")))
    pictures = [kind for kind in data if kind.startswith("image/")]
    described = output.get("metadata", {})
    if tags:
        return _lacks_alt(tags)
    return any(
        not (described.get(kind, {}).get("alt") or described.get("alt")) for kind in pictures
    )


def _text(value) -> str:
    """A notebook's text, which the file may hold as a list of lines."""
    return "".join(value) if isinstance(value, list) else str(value)


def _output_texts(output: NotebookNode) -> list[str]:
    """The readable texts of an output: streams, tracebacks, text and HTML."""
    data = output.get("data", {})
    texts = [_text(value) for kind, value in data.items() if kind.startswith("text/")]
    return [*texts, _text(output.get("text", "")), *output.get("traceback", [])]


def _solved_problems(cell: NotebookNode) -> list[str]:
    """What only a solved notebook can have wrong."""
    found, kind = [], role(cell)
    try:
        student = _student_cell(cell)
    except ReleaseError as error:
        found.append(f"cannot be released: {error}")
    else:
        if kind in {"answer", "open"} and student.source == cell.source:
            found.append("an answer cell without a SOLUTION region; nbgrader would blank all of it")
    if kind in {"plain", "check"} and cell.cell_type == "markdown" and _RUBRIC.search(cell.source):
        found.append("a model answer or rubric in a cell that students see")
    if cell.get("outputs") and cell.get("execution_count") is None:
        found.append("has outputs but no execution count: run the notebook from top to bottom")
    return found


def _student_problems(cell: NotebookNode) -> list[str]:
    """What only a student's notebook can have wrong."""
    found = []
    if cell.get("outputs") or cell.get("execution_count") is not None:
        found.append("a student notebook must not hold outputs or execution counts")
    if _has_marker(cell):
        found.append("a solution marker is left in the student notebook")
    if cell.source != _without_choices(cell):
        found.append("a choice is made in a student notebook")
    if cell.cell_type == "markdown" and _RUBRIC.search(cell.source):
        found.append("a model answer or rubric in a student notebook")
    return found


def _order_problems(notebook: NotebookNode) -> list[str]:
    """An answer without its heading, or without the check that must come after it, before any
    other exercise begins."""
    marked = [(n, cell) for n, cell in enumerate(notebook.cells) if role(cell) != "plain"]
    headings = _EXERCISE_HEADING.findall(
        "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    )
    found = [
        f"exercise {exercise}: no heading '### Exercise {exercise}: …'"
        for exercise in dict.fromkeys(exercise_of(cell) for _, cell in marked)
        if exercise and exercise not in headings
    ]
    for place, (number, cell) in enumerate(marked):
        if role(cell) != "answer":
            continue
        mine = exercise_of(cell)
        following = [other for _, other in marked[place + 1 :]]
        while following and role(following[0]) == "answer" and exercise_of(following[0]) == mine:
            following.pop(0)
        if not following or (role(following[0]), exercise_of(following[0])) != ("check", mine):
            found.append(f"{_name(cell, number)}: no check cell for exercise {mine} after it")
    return found


def _leaks(solved: NotebookNode) -> list[str]:
    """Solutions of which several lines running also stand where students can read them."""
    visible: set[tuple[str, ...]] = set()
    hidden: list[tuple[str, set[tuple[str, ...]]]] = []
    for number, cell in enumerate(solved.cells):
        if role(cell) not in {"answer", "open"}:
            if role(cell) != "written":
                visible |= _runs(cell.source.split("\n"))
            continue
        try:
            parts = regions(cell.source)
        except ReleaseError:  # said already by the check of the cell itself
            continue
        for part in parts:
            if part.kind == "solution":
                hidden.append((_name(cell, number), _runs(part.lines)))
            elif part.kind == "text":
                visible |= _runs(part.lines)
    return [
        f"{name}: {LEAK_LINES} lines running of its solution stand elsewhere in the notebook"
        for name, runs in hidden
        if runs & visible
    ]


def _runs(lines: list[str]) -> set[tuple[str, ...]]:
    """All runs of LEAK_LINES lines of code, without indentation, blank lines and comments."""
    bare = [line.strip() for line in lines]
    code = [line for line in bare if line and not line.startswith("#")]
    return {tuple(code[i : i + LEAK_LINES]) for i in range(len(code) - LEAK_LINES + 1)}
