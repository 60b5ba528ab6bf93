"""The notebooks in nbgrader: assign, mark, give feedback (needs the extra `instructor`)."""

import logging
import os
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gan_course.gate import problems
from gan_course.release import read_notebook, release, role, write_notebook

pytest.importorskip("nbgrader", reason="marking needs: pip install -e '.[instructor]'")

# nbgrader's own use of its database, nothing that the course could mend.
pytestmark = pytest.mark.filterwarnings("ignore:Object of type <Submitted")

ROOT = Path(__file__).parent.parent

SETUP = """\
import gan_course as course
from gan_course.exercises.framework import calling, exercise, need

contract = dict(takes="x", returns="a number")


@exercise("9.1", "Double", signature="double(x)", reference=lambda x: x + x, **contract)
def check_double(answer):
    with calling("double(2)"):
        need(answer(2) == 4, "Not twice the number.")


@exercise("9.2", "Square", signature="square(x)", reference=lambda x: x**2, **contract)
def check_square(answer):
    with calling("square(3)"):
        need(answer(3) == 9, "Not the square.")"""

# A warning of the student's own code must not cost points: nbgrader marks stderr as a failure.
DOUBLE = """\
# Exercise 9.1: your answer
def double(x):
    ### BEGIN SOLUTION
    import warnings
    warnings.warn("slow")
    return 2 * x
    ### END SOLUTION"""

SQUARE = """\
# Exercise 9.2: your answer
def square(x):
    ### BEGIN SOLUTION
    return x * double(x) / 2
    ### END SOLUTION"""


def cell(kind, grade_id, source, **flags):
    meta = dict.fromkeys(("grade", "solution", "locked", "task"), False) | flags
    meta |= {"grade_id": grade_id, "schema_version": 3}
    make = new_markdown_cell if kind == "markdown" else new_code_cell
    return make(source, id=grade_id, metadata={"nbgrader": meta})


def answer(grade_id, source):
    return cell("code", grade_id, source, solution=True)


def check(grade_id, source, points):
    return cell("code", grade_id, source, grade=True, locked=True, points=points)


def tiny_notebook():
    """A solved notebook in the course's form: 2 + 3 points by checks, 4 by hand."""
    cells = [
        new_code_cell(SETUP, id="setup"),
        new_markdown_cell("\n\n".join(f"### Exercise 9.{n}: …" for n in (1, 2, 3)), id="text"),
        answer("exercise-9-1", DOUBLE),
        check("check-9-1", 'double = course.check("9.1", double)', 2),
        answer("exercise-9-2", SQUARE),
        check("check-9-2", 'square = course.check("9.2", square)', 3),
        cell(
            "markdown",
            "exercise-9-3",
            "**Your answer to 9.3**\n\nWhy.",
            grade=True,
            solution=True,
            points=4,
        ),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


def with_source(notebook, grade_id, source):
    next(c for c in notebook.cells if c.id == grade_id).source = source
    return notebook


class Course:
    """An nbgrader course in a folder, with one assignment of one notebook."""

    def __init__(self, folder, solved, name="nb"):
        from nbgrader.apps import NbGraderAPI
        from traitlets.config import Config

        self.folder, self.name = folder, name
        config = Config()
        config.CourseDirectory.root = str(folder)
        config.CourseDirectory.course_id = "gans"
        config.Execute.timeout = 300
        self.api = NbGraderAPI(config=config)
        self.api.log.setLevel(logging.ERROR)
        self._put("source", "ps1", solved)
        self._done(self.api.generate_assignment("ps1"))

    def _put(self, *parts):
        *parts, notebook = parts
        folder = self.folder.joinpath(*parts)
        folder.mkdir(parents=True)
        write_notebook(notebook, folder / f"{self.name}.ipynb")

    def _done(self, result):
        assert result["success"], result["error"]

    def released(self):
        return read_notebook(self.folder / "release" / "ps1" / f"{self.name}.ipynb")

    def mark(self, student, notebook):
        """Hand a notebook in for a student and mark it: {grade_id: points} of the checks."""
        self._put("submitted", student, "ps1", notebook)
        self._done(self.api.autograde("ps1", student))
        with self.api.gradebook as gradebook:
            submission = gradebook.find_submission_notebook(self.name, "ps1", student)
            return {grade.name: grade.auto_score for grade in submission.grades}

    def feedback(self, student):
        self._done(self.api.generate_feedback("ps1", student))
        return (self.folder / "feedback" / student / "ps1" / f"{self.name}.html").read_text("utf-8")


@pytest.fixture(scope="module", autouse=True)
def _nbgraders_tools_on_the_path():
    """nbgrader calls `alembic` by name; in an environment that is not activated it has no PATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    solved = tiny_notebook()
    assert problems(solved) == []
    return Course(tmp_path_factory.mktemp("course"), solved)


def test_nbgrader_releases_what_the_course_releases(course):
    ours, theirs = release(tiny_notebook()), course.released()
    assert [c.id for c in theirs.cells] == [c.id for c in ours.cells]
    for mine, other in zip(ours.cells, theirs.cells, strict=True):
        added = {"checksum", "cell_type"}
        meta = {k: v for k, v in other.metadata.get("nbgrader", {}).items() if k not in added}
        assert meta == mine.metadata.get("nbgrader", {})
        for lock in ("deletable", "editable"):
            assert other.metadata.get(lock) == mine.metadata.get(lock), mine.id
        if role(mine) == "answer":
            # Only the words of the stub differ.
            bare = other.source.replace("    # YOUR CODE HERE\n", "").split("(")[:-1]
            assert bare == mine.source.split('"')[0].split("(")[:-1]
        elif role(mine) != "written":
            assert other.source == mine.source


def test_right_answers_get_all_points_and_a_written_one_waits_for_a_person(course):
    marks = course.mark("right", tiny_notebook())
    assert marks == {"check-9-1": 2, "check-9-2": 3, "exercise-9-3": None}


@pytest.mark.parametrize("released_by", ["the course", "nbgrader"])
def test_blank_answers_get_no_points(course, released_by):
    blank = release(tiny_notebook()) if released_by == "the course" else course.released()
    marks = course.mark(released_by.replace(" ", "-"), blank)
    assert (marks["check-9-1"], marks["check-9-2"]) == (0, 0)


def test_a_wrong_answer_loses_its_own_points_only_and_the_feedback_says_why(course):
    wrong = with_source(tiny_notebook(), "exercise-9-2", "def square(x):\n    return x + x")
    # A student who rewrites the check gains nothing: it is locked.
    wrong = with_source(wrong, "check-9-2", "pass")
    marks = course.mark("wrong", wrong)
    assert (marks["check-9-1"], marks["check-9-2"]) == (2, 0)
    assert "Not the square." in course.feedback("wrong")


@pytest.mark.parametrize("double", ["return x", "raise NotImplementedError"])
def test_a_mistake_does_not_cost_the_exercises_behind_it(course, double):
    """`square` is built on `double`: the notebook goes on with the reference."""
    answer = f"# Exercise 9.1: your answer\ndef double(x):\n    {double}"
    wrong = with_source(tiny_notebook(), "exercise-9-1", answer)
    marks = course.mark(double.replace(" ", "-"), wrong)
    assert (marks["check-9-1"], marks["check-9-2"]) == (0, 3)


def test_an_answer_that_does_not_run_costs_its_own_points_only(course):
    wrong = with_source(tiny_notebook(), "exercise-9-1", "def double(x)\n    return 2 * x")
    marks = course.mark("syntax", wrong)
    assert (marks["check-9-1"], marks["check-9-2"]) == (0, 3)
    assert "The cell above did not run" in course.feedback("syntax")


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "notebooks/solutions").glob("*.ipynb")), ids=str)
def test_a_whole_notebook_can_be_marked(path, tmp_path, monkeypatch, mnist_root):
    # As an instructor would: GAN_HELPERS_FAST=1 nbgrader autograde ...
    monkeypatch.setenv("GAN_HELPERS_FAST", "1")
    monkeypatch.setenv("GAN_HELPERS_LIVE", "sync")
    monkeypatch.setenv("GAN_HELPERS_DATA", str(mnist_root))
    solved = read_notebook(path)
    course = Course(tmp_path, solved, path.stem)
    points = {
        c.metadata.nbgrader.grade_id: c.metadata.nbgrader.points
        for c in solved.cells
        if role(c) == "check"
    }
    full = course.mark("solved", solved)
    assert {key: full[key] for key in points} == points
    none = course.mark("blank", release(solved))
    assert {key: none[key] for key in points} == dict.fromkeys(points, 0)
