"""Minutes computed from a notebook: what counts how much, what is stated, what is written."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gan_course import minutes
from gan_course.__main__ import main
from gan_course.release import read_notebook, write_notebook


def graded(grade_id, grade=False):
    flags = {"solution": True, "grade": grade, "locked": False, "task": False}
    return {"nbgrader": {"grade_id": grade_id, "schema_version": 3, **flags}}


def code(source, outputs=(), seconds=0.0, **fields):
    cell = new_code_cell(source, execution_count=1, **fields)
    cell.outputs = [new_output("display_data", data) for data in outputs]
    if seconds:
        cell.metadata["execution"] = {
            "iopub.execute_input": "2026-01-01T00:00:00Z",
            "shell.execute_reply": f"2026-01-01T00:00:{seconds:09.6f}Z",
        }
    return cell


def words(count):
    return new_markdown_cell(" ".join(["word"] * count))


def section(line="*Core, about 5 minutes.*", title="1 Start"):
    return new_markdown_cell(f"## {title}\n\n{line}")


def of(*cells):
    """Minutes of the first section with these cells, without those of its own heading."""
    base, found = (minutes.parts(new_notebook(cells=[section(), *more])) for more in ((), cells))
    return found[1].minutes - base[1].minutes


SOLUTION = (
    "def f(x):\n    ### BEGIN SOLUTION\n    y = 2 * x\n    # so\n    return y\n    ### END SOLUTION"
)
REPAIR = f"{SOLUTION}\n    ### BEGIN STUDENT\n    # y = x\n    # return y\n    ### END STUDENT"
LINE = minutes.SECONDS_A_LINE / 60
WORTH = {
    "a hundred words": (words(100), 1),
    "a link and a tag have no words": (new_markdown_cell("[a](http://x.y/z) <b>c</b> | -"), 0.02),
    "four lines": (code("x = 1\n\n# note\ny = 2\nz = 3\nz"), 4 * LINE),
    "cells with a syntax of IPython's own": (code("%time x\ny"), 2 * LINE),
    "a solution of two lines": (code(SOLUTION, metadata=graded("exercise-2-4")), 2 + LINE),
    "one line of two to repair": (code(REPAIR, metadata=graded("exercise-2-4")), 1 + 2 * LINE),
    "a written answer": (
        new_markdown_cell("word " * 300, metadata=graded("exercise-2-9", grade=True)),
        10,
    ),
    "two figures, one text": (
        code("", [{"image/png": ""}, {"text/html": "<img>"}, {"text/plain": "x"}]),
        2,
    ),
    "a figure that was not drawn yet": (new_code_cell("gh.show_images(x)"), 1 + LINE),
    "a picture in the text": (new_markdown_cell("![alt text here](a.svg)"), 1),
    "a prediction": (code('course.predict(\n    "2.a",\n    "?",\n    ["x", "y"],\n)'), 1),
    "an outcome": (code('up = 1\ncourse.outcome("2.a", up)'), 0),
    "an outcome in the experiment": (
        code('for x in y:\n    f(x)\ncourse.outcome("a", x)'),
        2 * LINE,
    ),
    "a verdict": (code('course.verdict("2.case1", "x", "holds", "y")'), 1),
    "a question in the text": (new_markdown_cell("> **Question.**"), 1.01),
    "computing": (code("", seconds=45), 0.75),
}


@pytest.mark.parametrize("what", WORTH)
def test_what_each_part_of_a_notebook_is_worth(what):
    cell, expected = WORTH[what]
    assert of(cell) == pytest.approx(expected)


def test_a_part_of_another_kind_is_no_part_of_its_section():
    answer = code(SOLUTION, metadata=graded("exercise-2-4"))
    cells = [
        words(100),
        section(),
        words(200),
        new_markdown_cell("### 1a Inside\n\nword"),  # no minutes of its own
        words(99),
        new_markdown_cell("### Exercise 2.4: f\n*Further, about 5 minutes.*"),
        answer,
        words(300),  # behind the exercise: the section again
        new_markdown_cell("### 1b Aside\n\n*Further, about 5 minutes; as you like.*"),
        new_markdown_cell("### Exercise 2.5: g\n\nword"),  # stays in 1b
        words(100),
        new_markdown_cell("### 1c Back\n\n```\n## no heading\n```"),
        words(100),
        section("*Further, about 5 minutes.*", "2 More"),
        new_markdown_cell("### 2a Part\n\n*Further, about 5 minutes.*"),
        words(1000),
    ]
    found = minutes.parts(new_notebook(cells=cells))
    assert [(p.title, p.core, p.section and p.section.title) for p in found] == [
        ("Opening", True, None),
        ("1 Start", True, None),
        ("Exercise 2.4: f", False, "1 Start"),
        ("1b Aside", False, "1 Start"),
        ("2 More", False, None),
        ("2a Part", False, "2 More"),
    ]
    by_title = {part.title: part for part in found}
    assert by_title["1 Start"].minutes == pytest.approx(7, abs=0.3)
    assert by_title["Exercise 2.4: f"].minutes == pytest.approx(2, abs=0.3)
    assert by_title["1b Aside"].minutes == pytest.approx(1, abs=0.3)
    assert minutes.total(found, by_title["1 Start"]) == by_title["1 Start"].minutes
    assert minutes.total(found, by_title["2 More"]) == pytest.approx(10, abs=0.3)
    assert minutes.core_minutes(found) == pytest.approx(8, abs=0.3)
    rows = [row.split("|")[1].strip() for row in minutes.table(found).splitlines()[2:]]
    assert rows == [
        "Opening", "1 Start", "Exercise 2.4: f", "1b Aside", "2 More", "**core (C)**",
        "**further**",
    ]  # fmt: skip


@pytest.mark.parametrize(("exact", "told"), [(0.1, 5), (7.4, 5), (7.5, 10), (138, 140)])
def test_minutes_are_rounded_to_five(exact, told):
    assert minutes.rounded(exact) == told


TABLE = "| part | sections | minutes |\n|---|---|---|\n| core | 1 | 99 |"


def notebook():
    opening = new_markdown_cell(f"# 02 A GAN\n\n| a | b |\n|---|---|\n\n{TABLE}\n\nGo on.")
    return new_notebook(
        cells=[
            opening,
            section("*Core, about 99 minutes.*"),
            words(1000),
            new_markdown_cell("> **Pause.** A good place to stop for today."),
            section("*Core, about 99 minutes; with a walk.*", "2 More"),
            words(1200),
            section("*Further, about 99 minutes.*", "3 Aside"),
            words(2000),
        ]
    )


def test_what_is_written_is_what_is_computed_and_nothing_else_changes():
    solved = notebook()
    assert len(minutes.faults(solved)) == 4  # three sections and the table
    minutes.write(solved)
    assert minutes.faults(solved) == []
    text = [cell.source for cell in solved.cells]
    assert text[1].endswith("*Core, about 10 minutes.*")
    assert text[4].endswith("*Core, about 10 minutes; with a walk.*")
    assert text[6].endswith("*Further, about 20 minutes.*")
    assert text[0].startswith("# 02 A GAN\n\n| a | b |\n|---|---|\n\n| part |")
    assert text[0].endswith(" |\n\nGo on.")
    assert [text[n] for n in (2, 3, 5)] == [notebook().cells[n].source for n in (2, 3, 5)]
    minutes.write(solved)
    assert [cell.source for cell in solved.cells] == text


FAULTS = {
    "section without a line": (1, "## 1 Start", "no minutes are stated"),
    "section stated otherwise": (
        1,
        "## 1 Start\n\n*Core, about 35 minutes.*",
        "35 minutes are stated",
    ),
    "table stated otherwise": (0, TABLE, "does not hold the computed table"),
    "no pause": (3, "On.", "near the middle"),
    "a long core": (5, "word " * 15000, "at most 140"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(fault):
    solved = notebook()
    minutes.write(solved)
    cell, source, message = FAULTS[fault]
    solved.cells[cell].source = source
    assert any(message in text for text in minutes.faults(solved))


def test_a_pause_at_the_end_is_none():
    solved = notebook()
    solved.cells.append(solved.cells.pop(3))
    assert any("near the middle" in text for text in minutes.faults(solved))


def test_the_command_prints_and_writes(tmp_path, capsys):
    path = tmp_path / "02_x.ipynb"
    write_notebook(notebook(), path)
    assert main(["minutes", str(path)]) == 1
    assert "'3 Aside': 99 minutes are stated, computed 20" in capsys.readouterr().out
    assert main(["minutes", str(path), "--write"]) == 0
    assert "02_x.ipynb: core 22." in capsys.readouterr().out
    assert minutes.faults(read_notebook(path)) == []
