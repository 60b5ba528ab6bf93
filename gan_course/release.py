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
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .notebook import (
    ASKS,
    KERNEL,
    Region,
    ReleaseError,
    course_calls,
    exercise_of,
    format_problems,
    has_marker,
    name_of,
    notebook_text,
    parsed,
    put_in_form,
    read_notebook,
    regions,
    role,
    write_notebook,
)


def _uncomment(region: Region) -> list[str]:
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


def student_cell(cell: NotebookNode) -> NotebookNode:
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
    elif has_marker(cell):
        raise ReleaseError("a SOLUTION or STUDENT region in a cell that is not marked as an answer")
    elif cell.cell_type == "code":
        cell.source = without_choices(cell)
    if kind != "plain":
        cell.metadata["deletable"] = False
    if kind == "check":
        cell.metadata["editable"] = False
    return cell


def without_choices(cell: NotebookNode) -> str:
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
    malformed = format_problems(source)
    if malformed:
        raise ReleaseError("; ".join(malformed))
    cells = []
    for number, cell in enumerate(source.cells):
        try:
            cells.append(student_cell(cell))
        except ReleaseError as error:
            raise ReleaseError(f"{name_of(cell, number)}: {error}") from error
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
            cell.source = without_choices(cell)
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
