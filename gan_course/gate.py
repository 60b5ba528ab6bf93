"""The gate: what is wrong with a notebook of the course. The form is described in `release`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from nbformat import NotebookNode

from .notebook import (
    ReleaseError,
    course_calls,
    exercise_of,
    format_problems,
    has_marker,
    name_of,
    only_asks,
    parsed,
    read_notebook,
    regions,
    repeated,
    role,
)
from .release import student_cell, without_choices

MAX_CELL_LINES = 40
SCHEMA_VERSION = 3
# So many consecutive lines of a solution, seen elsewhere in the notebook, count as giving it away.
LEAK_LINES = 3

_EXERCISE_HEADING = re.compile(r"^### Exercise (\d+\.\d+): \S", re.M)
_RUBRIC = re.compile(r"^\W*(?:model answer|marking|rubric|mark scheme)\b", re.I | re.M)
_BASE64 = re.compile(r"base64,[A-Za-z0-9+/=\s]+")
_MACHINE_PATH = re.compile(
    r"(?<![\w.~:/])/(?:home|Users|root|opt|work|farm|tmp|mnt|private)/[\w.-]+|\b[A-Z]:\\\\?Users\b"
)
_IMG_TAG = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_IMG_ALT = re.compile(r"""\balt\s*=\s*("\s*[^"\s][^"]*"|'\s*[^'\s][^']*')""", re.IGNORECASE)
_MARKDOWN_IMAGE_WITHOUT_ALT = re.compile(r"!\[\s*\]\(")


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
        student = not any(has_marker(cell) for cell in notebook.cells)
    found = format_problems(notebook) + _grade_id_problems(notebook)
    for number, cell in enumerate(notebook.cells):
        checks = (
            _metadata_problems(cell)
            + _content_problems(cell)
            + (_student_problems(cell) if student else _solved_problems(cell))
        )
        found += [f"{name_of(cell, number)}: {text}" for text in checks]
    return found + _order_problems(notebook) + ([] if student else _leaks(notebook))


def _grade_id_problems(notebook: NotebookNode) -> list[str]:
    ids = [(cell.metadata.get("nbgrader") or {}).get("grade_id") for cell in notebook.cells]
    return [f"grade_id {name!r} is used more than once" for name in repeated(filter(None, ids))]


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
        student = student_cell(cell)
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
    if has_marker(cell):
        found.append("a solution marker is left in the student notebook")
    if cell.source != without_choices(cell):
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
            found.append(f"{name_of(cell, number)}: no check cell for exercise {mine} after it")
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
                hidden.append((name_of(cell, number), _runs(part.lines)))
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
