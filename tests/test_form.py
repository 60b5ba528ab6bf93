"""The form that all notebooks share (CONTRIBUTING.md), as far as a test can see it.

What makes a notebook releasable is in `gan_course.gate.problems`; here is what a reader meets.
Each rule is a function from a solved notebook to its faults, and is tried on a small example below.
"""

import ast
import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gan_course import minutes
from gan_course.release import course_calls, parsed, read_notebook, role

SOLVED = sorted((Path(__file__).parent.parent / "notebooks" / "solutions").glob("*.ipynb"))
COLUMNS = 90
ONE_LINE = "change-one-line"  # the tag of the cell that holds the two runs


def calls(notebook, *names):
    """(place, call, keyword -> argument) of the course's calls; by position as by name."""
    orders = {
        "predict": ("id", "question", "options"),
        "outcome": ("id", "actual", "explanation"),
        "verdict": ("id", "claim", "ruling", "why"),
        "question": ("id", "text", "options", "answer", "why"),
    }
    for place, cell in enumerate(notebook.cells):
        for call in course_calls(parsed(cell), set(names)):
            name = getattr(call.func, "attr", getattr(call.func, "id", None))
            given = dict(zip(orders[name], call.args, strict=False))
            yield place, call, given | {word.arg: word.value for word in call.keywords}


def text_of(node):
    return node.value if isinstance(node, ast.Constant) else None


def markdown(notebook):
    return [(n, c.source) for n, c in enumerate(notebook.cells) if c.cell_type == "markdown"]


# --- the rules -----------------------------------------------------------------------------------


def long_lines(notebook):
    return [
        f"cell {cell.id}: {len(line)} columns: {line}"
        for cell in notebook.cells
        if cell.cell_type == "code"
        for line in cell.source.split("\n")
        if len(line) > COLUMNS
    ]


def unnumbered_sections(notebook):
    titles = [line for _, text in markdown(notebook) for line in re.findall(r"^## .*", text, re.M)]
    return [title for title in titles if not re.match(r"## \d+ \S", title)]


def questions_without_an_answer(notebook):
    """Each `> **Question.**` has its answer folded below it, in its cell."""
    found = []
    for _, text in markdown(notebook):
        _, *asked = re.split(r"^(?=.*\*\*Question\b)", text, flags=re.M)
        for part in asked:
            quoted = part.startswith("> **Question")
            answer = re.search(
                r"^(?:> )?<details><summary>Answer</summary>.+?</details>", part, re.M | re.S
            )
            if not (quoted and answer):
                found.append(part[:80])
    return found


def options_without_a_reason(notebook):
    """A quiz says of every option why it is right or wrong."""
    found = []
    for _, _, given in calls(notebook, "question"):
        why, options = given.get("why"), given.get("options")
        if not isinstance(why, ast.Dict) or len(why.keys) != len(options.elts):
            found.append(text_of(given["id"]))
    return found


def unsettled_predictions(notebook):
    """A prediction has its outcome behind it; in the solved notebook one was made."""
    told = {text_of(given["id"]): place for place, _, given in calls(notebook, "outcome")}
    found = []
    for place, _, given in calls(notebook, "predict"):
        id = text_of(given["id"])
        if told.pop(id, -1) <= place:
            found.append(f"{id}: no outcome behind it")
        if "choice" not in given:
            found.append(f"{id}: no choice was made")
    found += [f"{id}: an outcome without a prediction" for id in told]
    shown = [str(out) for cell in notebook.cells for out in cell.get("outputs", [])]
    return found + [out for out in shown if "No prediction was made" in out]


def cases_without_a_verdict(notebook):
    """`> **Claims court, case N.**` with the claim in italics, then its verdict, then the next."""
    verdicts = {text_of(given["id"]): place for place, _, given in calls(notebook, "verdict")}
    found, last = [], -1
    for place, text in markdown(notebook):
        for number, after in re.findall(r"\*\*Claims court, case (\d+)\.\*\*((?:.*\n?)*)", text):
            mine = [where for id, where in verdicts.items() if str(id).endswith(f".case{number}")]
            if not mine or not last < place < mine[0]:
                found.append(f"case {number}: no verdict behind it")
            elif not re.search(r"(?<!\*)\*[^*]", after):
                found.append(f"case {number}: no claim in italics")
            last = mine[0] if mine else place
    cases = sum(text.count("**Claims court, case") for _, text in markdown(notebook))
    return found if cases == len(verdicts) else [*found, f"{cases} cases, {len(verdicts)} verdicts"]


def more_than_one_line(notebook):
    """Behind each `> **Change one line.**`, before the next, one tagged cell with the two runs."""
    blocks = [n for n, text in markdown(notebook) if "> **Change one line.**" in text]
    tagged = [n for n, c in enumerate(notebook.cells) if ONE_LINE in c.metadata.get("tags", ())]
    found = []
    ends = [*blocks, len(notebook.cells)][1:]
    for begin, end in zip(blocks, ends, strict=True):
        mine = [notebook.cells[n] for n in tagged if begin < n < end]
        if len(mine) != 1:
            found.append(f"cell {begin}: {len(mine)} cells tagged {ONE_LINE!r} behind it")
        found += [
            f"cell {cell.id}: {fault}" for cell in mine if (fault := two_settings(cell.source))
        ]
    return found + [
        f"cell {n}: tagged without a block" for n in tagged if n < min(blocks, default=n + 1)
    ]


def two_settings(source):
    """What keeps a cell from being two runs that differ in one setting; None if nothing does.

    The runs are two calls of one function that differ in one argument, or one call in a
    comprehension over two values.
    """
    tree, groups = ast.parse(source), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp) and _two_values(node):
            return None
        if isinstance(node, ast.Call):
            groups.setdefault(ast.unparse(node.func), []).append(_arguments(node))
    pairs = [group for group in groups.values() if len(group) == 2 and group[0] != group[1]]
    if not pairs:
        return "no function is called twice, in two ways"
    differences = [
        {name for name in {**one, **other} if one.get(name) != other.get(name)}
        for one, other in pairs
    ]
    if any(len(names) == 1 for names in differences):
        return None
    return f"the runs differ in {sorted(map(str, differences[0]))}"


def _arguments(call):
    places = {n: ast.unparse(value) for n, value in enumerate(call.args)}
    return places | {word.arg: ast.unparse(word.value) for word in call.keywords}


def _two_values(node):
    """A comprehension over two written values, whose variable is one argument of one call."""
    first = node.generators[0]
    values = getattr(first.iter, "elts", getattr(first.iter, "keys", ()))
    names = {n.id for n in ast.walk(first.target) if isinstance(n, ast.Name)}
    inner = [node.value] if isinstance(node, ast.DictComp) else [node.elt]
    used = [
        word
        for part in inner
        for call in ast.walk(part)
        if isinstance(call, ast.Call)
        for word in [*call.args, *call.keywords]
        if {n.id for n in ast.walk(word) if isinstance(n, ast.Name)} & names
    ]
    return len(node.generators) == 1 and len(values) == 2 and len(used) == 1


RULES = [
    long_lines,
    unnumbered_sections,
    questions_without_an_answer,
    options_without_a_reason,
    unsettled_predictions,
    cases_without_a_verdict,
    more_than_one_line,
    minutes.faults,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", SOLVED, ids=lambda path: path.stem)
def test_a_solved_notebook_keeps_the_form(path, rule):
    assert rule(read_notebook(path)) == []


@pytest.mark.parametrize("path", SOLVED, ids=lambda path: path.stem)
def test_ids_are_used_once_and_belong_to_their_notebook(path):
    notebook = read_notebook(path)
    for name in ("predict", "verdict", "question"):
        ids = [text_of(given["id"]) for _, _, given in calls(notebook, name)]
        assert len(set(ids)) == len(ids)
        if name != "question":  # their choices share one file with those of other notebooks
            assert all(id.startswith(f"{int(path.name[:2])}.") for id in ids)


@pytest.mark.parametrize("path", SOLVED, ids=lambda path: path.stem)
def test_every_answer_has_a_heading_that_names_it(path):
    cells = read_notebook(path).cells
    assert any(role(cell) == "answer" for cell in cells)
    titles = re.findall(r"^### Exercise (\d+\.\d+): ", "\n".join(c.source for c in cells), re.M)
    assert len(titles) == len(set(titles))


# --- the rules, tried ----------------------------------------------------------------------------


def text(source):
    return new_markdown_cell(source)


def tagged(source):
    return new_code_cell(source, metadata={"tags": [ONE_LINE]})


def shown(source, output):
    cell = new_code_cell(source)
    cell.outputs = [new_output("stream", text=output)]
    return cell


PREDICT = 'course.predict("2.a", "?", ["x", "y"], choice="x")'
OUTCOME = 'course.outcome("2.a", "x", "So.")'
VERDICT = 'course.verdict("2.case1", "It rises.", "holds", "In ten runs.")'
CASE = '> **Claims court, case 1.** *"It rises."*'
BLOCK = "> **Change one line.** Another rate."
ANSWER = "<details><summary>Answer</summary>\n\nBecause.\n\n</details>"
GOOD_AND_BAD = [
    (long_lines, [new_code_cell("x" * 90)], [new_code_cell("x" * 91)]),
    (unnumbered_sections, [text("## 1 Start")], [text("Text\n\n## Start")]),
    (
        questions_without_an_answer,
        [text(f"> **Question.** Why?\n\n{ANSWER}\n\n> **Question.** How?\n\n{ANSWER}")],
        [text(f"> **Question.** Why?\n\n> **Question.** How?\n\n{ANSWER}")],
    ),
    (questions_without_an_answer, [], [text(f"**Question.** Why?\n\n{ANSWER}")]),
    (
        options_without_a_reason,
        [new_code_cell('course.question("1", "?", ["x", "y"], "x", {"x": "a", "y": "b"})')],
        [new_code_cell('course.question("1", "?", ["x", "y"], "x", why={"x": "a"})')],
    ),
    (
        options_without_a_reason,
        [],
        [new_code_cell('course.question("1", "?", ["x", "y"], "x", "Because.")')],
    ),
    (
        unsettled_predictions,
        [new_code_cell(PREDICT), new_code_cell(OUTCOME)],
        [new_code_cell(OUTCOME), new_code_cell(PREDICT)],
    ),
    (unsettled_predictions, [], [new_code_cell(OUTCOME)]),
    (
        unsettled_predictions,
        [],
        [new_code_cell(PREDICT.replace(', choice="x"', "")), new_code_cell(OUTCOME)],
    ),
    (
        unsettled_predictions,
        [],
        [new_code_cell(PREDICT), shown(OUTCOME, "No prediction was made. What happened: x.")],
    ),
    (cases_without_a_verdict, [text(CASE), new_code_cell(VERDICT)], [text(CASE)]),
    (cases_without_a_verdict, [], [new_code_cell(VERDICT), text(CASE)]),
    (cases_without_a_verdict, [], [new_code_cell(VERDICT)]),
    (
        cases_without_a_verdict,
        [],
        [text("> **Claims court, case 1.** It rises."), new_code_cell(VERDICT)],
    ),
    (
        more_than_one_line,
        [text(BLOCK), new_code_cell("x"), tagged("a, b = run(1, lr=2), run(1, lr=3)")],
        [text(BLOCK), new_code_cell("a, b = run(1, lr=2), run(1, lr=3)")],
    ),
    (more_than_one_line, [], [tagged("a, b = run(1), run(2)")]),
    (more_than_one_line, [], [text(BLOCK), tagged("a, b = run(1, lr=2), run(2, lr=3)")]),
]


@pytest.mark.parametrize(("rule", "good", "bad"), GOOD_AND_BAD)
def test_a_rule_accepts_the_good_and_names_the_bad(rule, good, bad):
    assert rule(new_notebook(cells=good)) == []
    assert rule(new_notebook(cells=bad)) != []


ONE_SETTING = {
    'runs = {"a": run(seed, forget=False), "b": run(seed, forget=True)}': True,
    "a = train(net(), lr=1)\nb = train(net(), lr=1, betas=(0, 1))\nprint(a, b)": True,
    '{"a": [run(s) for s in SEEDS], "b": [run(s, d_steps=5) for s in SEEDS]}': True,
    "a, b = (score(x, shuffle=s) for s in (True, False))": True,
    "a, b = (score(x, shuffle=s, seed=s) for s in (True, False))": False,
    "a = train(G, lr=1)\nb = train(H, lr=2)": False,
    "a = train(G, lr=1)": False,
    "a = train(G, lr=1)\nb = train(G, lr=1)": False,
}


@pytest.mark.parametrize("source", ONE_SETTING)
def test_two_runs_differ_in_one_setting(source):
    assert (two_settings(source) is None) == ONE_SETTING[source]
