"""Student notebooks from solved ones: what goes, what stays, what is refused, what is reported."""

import copy
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gan_course import release as rel
from gan_course.__main__ import main
from gan_course.gate import problems
from gan_course.release import ReleaseError, release, release_all


def graded(grade_id, *, solution=False, grade=False, locked=False, points=None):
    meta = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return {"nbgrader": meta | ({"points": points} if points is not None else {})}


def answer(source, grade_id="exercise-2-4"):
    return new_code_cell(source, id=grade_id, metadata=graded(grade_id, solution=True))


def check(source='d_step = course.check("2.4", d_step)', grade_id="check-2-4", points=2):
    meta = graded(grade_id, grade=True, locked=True, points=points)
    return new_code_cell(source, id=grade_id, metadata=meta)


def written(
    source="**Your answer to 2.9**\n\nD(x) = 1/2.\n\n**Rubric**: 2 points", grade_id="exercise-2-9"
):
    meta = graded(grade_id, solution=True, grade=True, points=4)
    return new_markdown_cell(source, id=grade_id, metadata=meta)


D_STEP = """\
# Exercise 2.4: your answer
def d_step(G, D, real):
    fake = G(real)
    ### BEGIN SOLUTION
    loss = D(real) - D(fake)
    loss.backward()
    ### END SOLUTION
    return loss"""


HEADINGS = "### Exercise 2.4: D's half\n\n### Exercise 2.9: Why"


def notebook(*cells):
    return new_notebook(cells=list(cells), metadata={"widgets": {"state": "x"}})


@pytest.fixture
def solved():
    intro = new_markdown_cell(f"# A GAN\n\n{HEADINGS}", id="intro")
    shown = new_code_cell("x = 1\nx", id="shown", execution_count=3)
    shown.outputs = [new_output("execute_result", {"text/plain": "1"}, execution_count=3)]
    shown.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    return notebook(intro, shown, answer(D_STEP), check(), written())


def test_a_good_notebook_has_no_problems_in_either_version(solved):
    assert problems(solved) == []
    assert problems(release(solved)) == []


def test_a_region_becomes_a_stub_that_names_the_exercise(solved):
    expected = (
        "# Exercise 2.4: your answer\ndef d_step(G, D, real):\n    fake = G(real)\n"
        '    raise NotImplementedError("Exercise 2.4: write this part")\n    return loss'
    )
    assert release(solved).cells[2].source == expected


def test_outputs_counts_and_transient_metadata_go_but_ids_and_text_stay(solved):
    before = copy.deepcopy(solved)
    student = release(solved)
    assert solved == before, "release changed its argument"
    assert [cell.id for cell in student.cells] == [cell.id for cell in solved.cells]
    shown = student.cells[1]
    assert (shown.source, shown.outputs, shown.execution_count) == ("x = 1\nx", [], None)
    assert shown.metadata == {}
    assert set(student.metadata) == {"kernelspec", "language_info"}


def test_the_nbgrader_metadata_stay_and_checks_are_locked(solved):
    student = release(solved)
    for old, new in zip(solved.cells, student.cells, strict=True):
        assert new.metadata.get("nbgrader") == old.metadata.get("nbgrader")
    assert student.cells[3].metadata["editable"] is False
    assert "editable" not in student.cells[2].metadata
    assert student.cells[3].source == solved.cells[3].source


def test_a_model_answer_and_its_rubric_become_an_empty_answer(solved):
    cell = release(solved).cells[4]
    assert cell.source.startswith("**Your answer to 2.9**\n")
    assert "1/2" not in cell.source
    assert "ubric" not in cell.source


def test_a_class_with_two_methods_can_still_be_defined():
    source = """\
class Generator(nn.Module):
    def __init__(self, latent_dim=64):
        super().__init__()
        ### BEGIN SOLUTION
        self.net = 1
        ### END SOLUTION

    def forward(self, z):
        if z is None:
            ### BEGIN SOLUTION
            return 0
            ### END SOLUTION
        return self.net"""
    student = release(notebook(answer(source))).cells[0].source

    class nn:  # noqa: N801
        Module = object

    names = {"nn": nn}
    exec(student, names)
    with pytest.raises(NotImplementedError, match=r"Exercise 2\.4"):
        names["Generator"]()
    bare = object.__new__(names["Generator"])
    with pytest.raises(NotImplementedError):
        bare.forward(None)


def test_a_student_region_is_the_text_that_students_start_from():
    source = """\
def train(steps):
    ### BEGIN SOLUTION
    total = sum(range(steps))
    ### END SOLUTION
    ### BEGIN STUDENT
    # # add the steps up
    # total = 0
    #
    # for step in range(steps):
    #     total = step

    ### END STUDENT
    return total"""
    student = release(notebook(answer(source))).cells[0].source
    assert student == (
        "def train(steps):\n    # add the steps up\n    total = 0\n\n"
        "    for step in range(steps):\n        total = step\n\n    return total"
    )


def test_a_whole_script_may_be_replaced_at_module_level_by_the_students_text():
    source = (
        "### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n"
        "### BEGIN STUDENT\n# x = 2\n# y = x\n### END STUDENT"
    )
    assert release(notebook(answer(source))).cells[0].source == "x = 2\ny = x"


def test_an_open_experiment_gets_a_comment_instead_of_a_stub():
    meta = graded("exercise-2-10", solution=True, grade=True, points=3)
    head = "# Exercise 2.10: your answer\nseeds = [0, 1, 2]\n"
    source = f"{head}### BEGIN SOLUTION\nruns = seeds\n### END SOLUTION"
    cell = new_code_cell(source, id="open", metadata=meta)
    student = release(notebook(cell)).cells[0].source
    assert student == f"{head}# Exercise 2.10: your code here"
    heading = new_markdown_cell("### Exercise 2.10: one change", id="heading")
    assert problems(notebook(heading, cell)) == []


CHOICES = {
    'course.predict("2.a", "é?", ["x"], choice="b")': 'course.predict("2.a", "é?", ["x"])',
    'course.predict(\n    "2.a",\n    ["é"],\n    choice=1,\n)': (
        'course.predict(\n    "2.a",\n    ["é"],\n)'
    ),
    'course.verdict("c", "x", choice="holds", why="y")': 'course.verdict("c", "x", why="y")',
    'x = 1\ncourse.question("q", "x", choice="a"); course.predict("p", [1], choice=0)': (
        'x = 1\ncourse.question("q", "x"); course.predict("p", [1])'
    ),
    'random(choice="b")': 'random(choice="b")',
}


@pytest.mark.parametrize("source", CHOICES)
def test_students_do_not_get_the_choices_of_the_solved_notebook(source):
    cell = new_code_cell(source, id="asks", metadata={"jupyter": {"source_hidden": True}})
    student = release(notebook(cell))
    assert student.cells[0].source == CHOICES[source]
    assert problems(student, student=True) == []
    if source != CHOICES[source]:
        assert any("choice is made" in text for text in problems(notebook(cell), student=True))


@pytest.mark.parametrize(
    ("source", "folded"),
    [
        ('course.predict("2.a", "?", ["x", "y"])', True),
        ('up = a > b\ncourse.outcome("2.a", int(up))\ncourse.predictions_report()', True),
        ('for x in y:\n    print(x)\ncourse.outcome("2.a", 0)', False),
        ("x = 1", False),
        ('x = course.check("2.4", x)', False),
    ],
)
def test_a_cell_that_only_asks_is_folded(source, folded):
    nb = notebook(new_code_cell(source, id="asks"))
    assert any("not folded" in text for text in problems(nb, student=False)) == folded
    rel.put_in_form(nb)
    assert nb.cells[0].metadata == ({"jupyter": {"source_hidden": True}} if folded else {})


REFUSED = {
    "no end": ("def f():\n    ### BEGIN SOLUTION\n    pass", "no '### END SOLUTION'"),
    "no begin": ("def f():\n    pass\n    ### END SOLUTION", "can begin or end"),
    "nested": (
        "def f():\n    ### BEGIN SOLUTION\n    ### BEGIN SOLUTION\n    ### END SOLUTION",
        "can begin or end",
    ),
    "crossed": ("def f():\n    ### BEGIN SOLUTION\n    ### END STUDENT", "can begin or end"),
    "nearly a marker": ("def f():\n    # begin solution\n    pass", "looks like a marker"),
    "module level": ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "not inside a function"),
    "class body": (
        "class A:\n    ### BEGIN SOLUTION\n    x = 1\n    ### END SOLUTION",
        "not inside a function",
    ),
    "default argument": (
        "def f(\n    a=[\n    ### BEGIN SOLUTION\n    1\n    ### END SOLUTION\n]): pass",
        "not valid Python",
    ),
    "half a statement": (
        "def f():\n    x = [\n    ### BEGIN SOLUTION\n    1]\n    ### END SOLUTION",
        "not valid Python",
    ),
    "student text alone": (
        "def f():\n    ### BEGIN STUDENT\n    # pass\n    ### END STUDENT",
        "must follow directly",
    ),
    "student text not commented": (
        "def f():\n    ### BEGIN SOLUTION\n    pass\n    ### END SOLUTION\n"
        "    ### BEGIN STUDENT\n    pass\n    ### END STUDENT",
        "must be a comment",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_region_that_cannot_be_released_is_refused_and_the_cell_named(case):
    source, message = REFUSED[case]
    bad = notebook(new_markdown_cell("# x", id="a"), answer(source))
    with pytest.raises(ReleaseError, match=message) as error:
        release(bad)
    assert "cell 1 (exercise-2-4)" in str(error.value)


def test_a_region_in_a_cell_that_is_no_answer_is_refused():
    bad = notebook(new_code_cell(D_STEP, id="plain"))
    with pytest.raises(ReleaseError, match="not marked as an answer"):
        release(bad)
    assert any("not marked as an answer" in text for text in problems(bad))


def test_cells_without_ids_are_refused_because_new_ones_would_be_random(solved):
    del solved.cells[1]["id"]
    with pytest.raises(ReleaseError, match="cell 1: no id"):
        release(solved)
    solved.nbformat_minor = 4
    with pytest.raises(ReleaseError, match=r"older than 4\.5"):
        release(solved)


# --- the validator: each fault is found; without it nothing is (the first test above) ------------


def change(cell_index, **meta):
    def apply(nb):
        nb.cells[cell_index].metadata["nbgrader"].update(meta)

    return apply


def put(cell_index, **fields):
    def apply(nb):
        nb.cells[cell_index].update(fields)

    return apply


def drop(cell_index):
    return lambda nb: nb.cells.pop(cell_index)


def output(data=None, **kwargs):
    kind = kwargs.pop("kind", "display_data")
    out = new_output(kind, **(kwargs if data is None else {"data": data}))
    return put(1, outputs=[out], execution_count=3)


def repeat_visible(nb):
    body = "a = 1\nb = 2\nc = a + b"
    region = "\n".join("    " + line for line in body.split("\n"))
    nb.cells[2].source = f"def f():\n    ### BEGIN SOLUTION\n{region}\n    ### END SOLUTION"
    nb.cells[1].source = body


FAULTS = {
    "cell id twice": (put(1, id="intro"), "'intro' is used more than once"),
    "grade_id twice": (change(4, grade_id="exercise-2-4"), "'exercise-2-4' is used more"),
    "invalid": (put(1, execution_count="three"), "not valid"),
    "check missing": (drop(3), "no check cell for exercise 2.4"),
    "check of another exercise": (
        change(3, grade_id="check-2-5"),
        "no check cell for exercise 2.4 after it",
    ),
    "check calls another id": (
        put(3, source='d_step = course.check("2.5", d_step)'),
        'does not call course.check("2.4"',
    ),
    "check without metadata": (put(3, metadata={}), "no nbgrader metadata"),
    "check not locked": (change(3, locked=False), "must be locked"),
    "check ends in a value": (
        put(3, source='d_step = course.check("2.4", d_step)\nd_step'),
        "read its value as points",
    ),
    "check writes to stderr": (
        put(3, outputs=[new_output("stream", name="stderr", text="!")], execution_count=1),
        "stderr",
    ),
    "answer locked": (change(2, locked=True), "must not be locked"),
    "answer without region": (put(2, source="def d_step(): pass"), "blank all of it"),
    "answer without its first line": (
        put(2, source=D_STEP.split("\n", 1)[1]),
        "first line must be '# Exercise 2.4: your answer'",
    ),
    "written answer without its first line": (
        put(4, source="Because."),
        "first line must be '**Your answer to 2.9**'",
    ),
    "exercise without heading": (put(0, source="# A GAN"), "no heading '### Exercise 2.4: …'"),
    "no points": (change(3, points=None), "needs points"),
    "old schema": (change(3, schema_version=2), "expected 3"),
    "metadata not a truth value": (change(2, grade="no"), "expected true or false"),
    "strange grade_id": (change(2, grade_id="d_step"), "must look like"),
    "long cell": (put(1, source="x = 1\n" * 41), "42 lines of code"),
    "stored error": (
        output(kind="error", ename="ValueError", evalue="no", traceback=[]),
        "stored error: ValueError: no",
    ),
    "figure without alt": (output({"image/png": "aGVsbG8="}), "figure without alt text"),
    "html image without alt": (
        output({"text/html": '<img src="data:image/png;base64,aGk=" alt=" ">'}),
        "figure without alt text",
    ),
    "markdown image without alt": (put(0, source="![](a.png)"), "image without alt text"),
    "a path in a cell": (put(1, source='open("/home/ada/x.png")'), "/home/ada"),
    "a path in an output": (
        output(kind="stream", name="stdout", text="in /root/.cache/x"),
        "path of one machine: /root/.cache",
    ),
    "a rubric for all": (put(0, source="### Rubric\n2 points"), "students see"),
    "outputs without a run": (put(1, execution_count=None), "no execution count"),
    "solution shown": (repeat_visible, "stand elsewhere"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_validator_names_each_fault(fault, solved):
    apply, message = FAULTS[fault]
    apply(solved)
    found = problems(solved, student=False)
    assert any(message in text for text in found), found


def test_alt_text_and_base64_are_no_faults(solved):
    # The picture's base64 happens to hold what looks like a path.
    data = {"text/html": '<img src="data:image/png;base64,AA/home/ada+/root/b" alt="a circle">'}
    solved.cells[1].outputs = [new_output("display_data", data)]
    assert problems(solved) == []


def test_several_answer_cells_may_share_one_check():
    second = D_STEP.replace("d_step", "part_b")
    heading = new_markdown_cell(HEADINGS, id="heading")
    cells = [heading, answer(D_STEP), answer(second, "exercise-2-4-b"), check()]
    assert problems(notebook(*cells)) == []


@pytest.mark.parametrize(
    "apply, message",
    [
        (lambda nb: nb.cells[1].update(execution_count=3), "must not hold outputs"),
        (lambda nb: nb.cells[2].update(source=D_STEP), "marker is left"),
        (lambda nb: nb.cells[4].update(source="**Model answer.** 1/2"), "rubric in a student"),
    ],
)
def test_the_validator_sees_remains_in_a_student_notebook(apply, message, solved):
    student = release(solved)
    apply(student)
    assert any(message in text for text in problems(student, student=True))


# --- files and the command ------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, solved):
    (tmp_path / "solutions").mkdir()
    solved.cells.append(new_code_cell('course.predict("2.a", "?", ["x", "y"])', id="asks"))
    rel.write_notebook(solved, tmp_path / "solutions" / "02_mlp_gan.ipynb")
    return tmp_path


def test_released_files_are_the_same_bytes_every_time(folder):
    source = folder / "solutions" / "02_mlp_gan.ipynb"
    assert release_all(folder, check=True) == ["02_mlp_gan.ipynb is missing"]
    assert problems(source) != [], "a check must not fold"
    assert release_all(folder) == ["02_mlp_gan.ipynb is missing"]
    assert problems(source) == []
    first = (folder / "02_mlp_gan.ipynb").read_bytes()
    assert release_all(folder) == []
    (folder / "02_mlp_gan.ipynb").unlink()
    release_all(folder)
    assert (folder / "02_mlp_gan.ipynb").read_bytes() == first
    assert first.endswith(b"}\n")
    assert b"\r" not in first
    assert json.loads(first)["nbformat_minor"] == 5
    assert first.startswith(b'{\n "cells"'), "indent of 1, as JupyterLab saves"


def test_saving_as_jupyter_does_changes_nothing(folder):
    release_all(folder)
    path = folder / "02_mlp_gan.ipynb"
    before = path.read_bytes()
    nbformat.write(nbformat.read(path, as_version=4), path)
    assert path.read_bytes() == before


def test_the_check_sees_an_edit_line_ends_and_a_notebook_without_source(folder):
    release_all(folder)
    path = folder / "02_mlp_gan.ipynb"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert release_all(folder, check=True) == [
        "02_mlp_gan.ipynb differs from what solutions/02_mlp_gan.ipynb gives"
    ]
    assert b"\r\n" in path.read_bytes(), "--check must not write"
    release_all(folder)
    (folder / "03_own.ipynb").write_bytes(path.read_bytes())
    assert release_all(folder, check=True) == [
        f"03_own.ipynb has no solved notebook in {folder.name}/solutions"
    ]


def test_a_folder_without_solutions_is_an_error(tmp_path):
    with pytest.raises(ReleaseError, match="no solved notebooks"):
        release_all(tmp_path)


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text("not json")
    with pytest.raises(ReleaseError, match=r"x\.ipynb is not a notebook"):
        release(path)


def test_the_command_fails_on_a_difference_and_passes_after_a_release(folder, capsys):
    assert main(["release", "--check", str(folder)]) == 1
    assert "02_mlp_gan.ipynb is missing" in capsys.readouterr().out
    assert main(["release", str(folder)]) == 0
    assert main(["release", "--check", str(folder)]) == 0


def test_the_command_writes_what_nbgrader_is_given(folder, solved):
    solved.cells[-1].source = 'course.predict("2.a", "?", ["x", "y"], choice="x")'
    rel.write_notebook(solved, folder / "solutions" / "02_mlp_gan.ipynb")
    assert main(["release", str(folder), "--nbgrader", str(folder / "source")]) == 0
    given = rel.read_notebook(folder / "source" / "02_mlp_gan" / "02_mlp_gan.ipynb")
    assert given.cells[-1].source == 'course.predict("2.a", "?", ["x", "y"])'
    assert [c.source for c in given.cells[:-1]] == [c.source for c in solved.cells[:-1]]


def test_the_command_fails_on_a_problem(folder, solved, capsys):
    solved.cells.pop(3)
    rel.write_notebook(solved, folder / "solutions" / "02_mlp_gan.ipynb")
    assert main(["release", str(folder)]) == 1
    assert "no check cell for exercise 2.4" in capsys.readouterr().out


def test_the_command_says_plainly_what_it_cannot_do(tmp_path, capsys):
    assert main(["release", str(tmp_path)]) == 1
    assert "no solved notebooks in" in capsys.readouterr().err
