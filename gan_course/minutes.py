"""How long a notebook takes a novice, computed from its cells: `python -m gan_course minutes`.

Prose at 100 words a minute; a minute for each line of an exercise's solution, 8 seconds for any
other line of code that the reader sees; a minute for each figure, prediction, verdict and question;
ten for a written answer; and the computing time that the run left in the solved notebook.

A section is a heading `## 3 Title`, followed by a line `*Core, about 15 minutes.*` or `*Further,
about 10 minutes.*`. A heading `### …` with such a line is a part of its own, up to the next heading
(for an exercise: to its last cell); it counts in its section only if both are core or both further.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from nbformat import NotebookNode

from .notebook import (
    ASKS,
    TELLS,
    ReleaseError,
    course_calls,
    exercise_of,
    only_asks,
    parsed,
    read_notebook,
    regions,
    role,
)

WORDS_A_MINUTE = 100
SECONDS_A_LINE = 8
WRITTEN_ANSWER = 10
MOST_CORE = 140

_HEADING = re.compile(r"(##|###) (.+)")
_STATED = re.compile(r"(\*(Core|Further), about )(\d+)( minutes\b.*)")
_DRAWS = re.compile(r"\b(?:gh\.|plotting\.)?(?:show|show_\w+|plot_\w+)\(")


@dataclass
class Part:
    """A section, or a part of one that has minutes of its own; minutes are not rounded."""

    title: str
    level: int
    core: bool = True
    stated: int | None = None  # what its line says
    section: Part | None = None
    minutes: float = 0.0
    computing: float = 0.0
    pauses: list[float] = field(default_factory=list)  # core minutes before each `> **Pause.**`


def parts(notebook: NotebookNode | str | Path) -> list[Part]:
    """The opening and the parts of a solved notebook, in order, with their minutes."""
    if not isinstance(notebook, NotebookNode):
        notebook = read_notebook(notebook)
    ends = {exercise_of(cell): number for number, cell in enumerate(notebook.cells)}
    found = [Part("Opening", 2)]
    now = found[0]
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and role(cell) != "written":
            for heading, text in _pieces(cell.source):
                if heading:
                    now = _next_part(heading, text, now, found)
                if "> **Pause.**" in text:
                    now.pauses.append(sum(part.minutes for part in found if part.core))
                now.minutes += _prose(text)
        elif cell.cell_type == "markdown":
            now.minutes += WRITTEN_ANSWER
        else:
            seconds = seconds_run(cell)
            now.minutes += _code(cell) + seconds / 60
            now.computing += seconds / 60
        exercise = re.match(r"Exercise (\d+\.\d+)", now.title)
        if exercise and ends.get(exercise[1]) == number:
            now = now.section
    return found


def rounded(minutes: float) -> int:
    """To 5 minutes, at least 5."""
    return max(5, 5 * int(minutes / 5 + 0.5))


def counted(found: list[Part], part: Part) -> list[Part]:
    """A part, and those parts in it that are core, or further, as it is."""
    return [p for p in found if p is part or (p.section is part and p.core == part.core)]


def total(found: list[Part], part: Part) -> float:
    """The minutes of a part and of what counts in it."""
    return sum(p.minutes for p in counted(found, part))


def core_minutes(found: list[Part]) -> float:
    return sum(part.minutes for part in found if part.core)


def table(found: list[Part]) -> str:
    """The opening's table of parts, in Markdown."""
    rows = [
        (part.title, "C" if part.core else "further", counted(found, part))
        for part in found
        if part.section is None or part.core != part.section.core
    ]
    for name, core in (("**core (C)**", True), ("**further**", False)):
        rows.append((name, "", [part for part in found if part.core == core]))
    lines = ["| part | | minutes | computing |", "|---|---|---|---|"]
    for name, kind, mine in rows:
        minutes, computing = sum(p.minutes for p in mine), sum(p.computing for p in mine)
        shown = f"{computing:.0f} min" if computing >= 0.75 else ""
        if mine:
            lines.append(f"| {name} | {kind} | {rounded(minutes)} | {shown} |")
    return "\n".join(lines)


def faults(notebook: NotebookNode | str | Path) -> list[str]:
    """What the notebook states otherwise than it is computed, one sentence each."""
    if not isinstance(notebook, NotebookNode):
        notebook = read_notebook(notebook)
    found = parts(notebook)
    wrong = [
        f"{part.title!r}: {'no' if part.stated is None else part.stated} minutes are stated, "
        f"computed {rounded(total(found, part))}"
        for part in found[1:]
        if part.stated != rounded(total(found, part))
    ]
    if table(found) not in _opening(notebook).source:
        wrong.append("the opening does not hold the computed table of parts")
    core = core_minutes(found)
    if core > MOST_CORE:
        wrong.append(f"the core takes {core:.0f} minutes, at most {MOST_CORE}")
    pauses = [before / core for part in found for before in part.pauses if part.core]
    if not any(1 / 3 <= share <= 2 / 3 for share in pauses):
        wrong.append("no line '> **Pause.** …' near the middle of the core")
    return wrong


def write(notebook: NotebookNode) -> None:
    """Put the computed minutes into the section lines and the table into the opening, in place.

    The table takes the place of the first one in the opening that speaks of minutes, and comes at
    its end if there is none. The minutes of the opening's prose change with it, so this runs twice.
    """
    for _ in range(2):
        found = parts(notebook)
        due = iter(found[1:])
        for cell in notebook.cells:
            if cell.cell_type == "markdown" and role(cell) != "written":
                cell.source = "".join(
                    _restated(text, next(due) if _begins_part(heading, text) else None, found)
                    for heading, text in _pieces(cell.source)
                )
        cell = _opening(notebook)
        tables = re.findall(r"(?:^\|.*\|(?:\n|$))+", cell.source, re.M)
        old = next((rows for rows in tables if re.search(r"\bminutes\b", rows)), None)
        if old is None:
            cell.source += f"\n\n{table(found)}"
        else:
            cell.source = cell.source.replace(old.rstrip("\n"), table(found), 1)


# --- headings and lines --------------------------------------------------------------------------


def _pieces(source: str) -> Iterator[tuple[re.Match | None, str]]:
    """A markdown cell cut before its headings: (the heading or None, the text with its heading)."""
    heading, lines, fenced = None, [], False
    for line in source.splitlines(keepends=True):
        fenced ^= line.startswith("```")
        match = None if fenced else _HEADING.match(line)
        if match:
            if lines:
                yield heading, "".join(lines)
            heading, lines = match, []
        lines.append(line)
    if lines:
        yield heading, "".join(lines)


def _stated(text: str) -> re.Match | None:
    """The line with minutes that follows directly on a heading."""
    following = text.split("\n", 1)[1] if "\n" in text else ""
    return _STATED.match(following.lstrip("\n"))


def _begins_part(heading: re.Match | None, text: str) -> bool:
    return heading is not None and (heading[1] == "##" or _stated(text) is not None)


def _next_part(heading: re.Match, text: str, now: Part, found: list[Part]) -> Part:
    """The part that a heading begins or goes back to."""
    title, stated = heading[2].strip(), _stated(text)
    section = now.section or now
    if not _begins_part(heading, text):
        exercise = title.startswith("Exercise")  # belongs to the part that it stands in
        return now if exercise else section
    core = stated[2] == "Core" if stated else True
    level = len(heading[1])
    inside = section if level == 3 else None
    found.append(Part(title, level, core, int(stated[3]) if stated else None, inside))
    return found[-1]


def _restated(text: str, part: Part | None, found: list[Part]) -> str:
    stated = _stated(text) if part else None
    if stated is None:
        return text
    minutes = rounded(total(found, part))
    return text.replace(stated[0], f"{stated[1]}{minutes}{stated[4]}", 1)


def _opening(notebook: NotebookNode) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.cell_type == "markdown")


# --- minutes -------------------------------------------------------------------------------------


def _prose(text: str) -> float:
    images = len(re.findall(r"!\[|<img\b", text))
    questions = len(re.findall(r"\*\*Question\b", text))
    bare = re.sub(r"!\[[^\]]*\]\([^)]*\)|<[^>]*>|\]\([^)]*\)", " ", text)
    words = [word for word in bare.split() if re.search(r"\w", word)]
    return len(words) / WORDS_A_MINUTE + images + questions


def _code(cell: NotebookNode) -> float:
    """Minutes for a code cell without its computing: lines, figures, what it asks."""
    tree = parsed(cell)
    told = {
        line
        for call in course_calls(tree, TELLS)
        for line in range(call.lineno, call.end_lineno + 1)
    }
    lines = 0 if only_asks(cell) else _lines(cell, told)
    return lines + len(course_calls(tree, ASKS)) + _figures(cell)


def _lines(cell: NotebookNode, without: set[int]) -> float:
    if role(cell) not in {"answer", "open"}:
        lines = cell.source.split("\n")
        return _read([line for n, line in enumerate(lines, 1) if n not in without])
    try:
        found = regions(cell.source)
    except ReleaseError:
        return _read(cell.source.split("\n"))
    given = {line.strip(" #") for part in found if part.kind == "student" for line in part.lines}
    minutes = 0.0
    for part in found:
        if part.kind == "text":
            minutes += _read(part.lines)
        elif part.kind == "solution":  # of a script to repair, what was there before is read
            own = [line for line in part.lines if line.strip() not in given]
            minutes += _read([line for line in part.lines if line.strip() in given])
            minutes += _read(own) * 60 / SECONDS_A_LINE
    return minutes


def _read(lines: list[str]) -> float:
    code = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    return len(code) * SECONDS_A_LINE / 60


def _figures(cell: NotebookNode) -> int:
    if cell.get("execution_count") is None:
        return len(_DRAWS.findall(cell.source))
    datas = [output.get("data", {}) for output in cell.outputs]
    return sum(
        any(kind.startswith("image/") for kind in data)
        or "<img" in "".join(data.get("text/html", ""))
        for data in datas
    )


def seconds_run(cell: NotebookNode) -> float:
    """Seconds that the cell ran, as the run left them in its metadata; 0 where nothing is kept."""
    kept = cell.metadata.get("execution", {})
    try:
        begin, end = kept["iopub.execute_input"], kept["shell.execute_reply"]
        moments = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (begin, end)]
        return max(0.0, (moments[1] - moments[0]).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0.0
