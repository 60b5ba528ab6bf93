"""A check's panel, and what `check` knows of the cells that ran, in a real notebook kernel."""

import html.parser
import os

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from gan_course.exercises import panel
from gan_course.exercises.panel import Tried, show_panel

SETUP = """\
import gan_course as course
from gan_course.exercises.framework import calling, exercise, need


def double(x):
    return 2 * x


@exercise("9.1", "Twice <as> much", signature="double(x)", takes="x", returns="the double of `x`",
          reference=double)
def check_double(answer):
    with calling("double(2)"):
        got = answer(2)
    need(got == 4, "`double(2)` is not 4.")


@exercise("9.2", "A pair", signature="up, down", takes="", returns="", reference=(abs, max))
def check_pair(answer):
    need(answer == (abs, max), "Another pair.")


del double
"""
CHECK = 'double = course.check("9.1", double)'
USE = "print(double(5))"
ANSWER = "# Exercise 9.1: your answer\n"


def run(*sources, **settings):
    """The cells of a notebook after a run that goes on after errors."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in (SETUP, *sources)])
    client = NotebookClient(notebook, allow_errors=True, kernel_name="python3", timeout=120)
    client.execute(env=os.environ | {"GAN_HELPERS_LIVE": "sync"} | settings)
    assert notebook.cells[0].outputs == []
    return notebook.cells[1:]


def told(cell, kind="text/plain"):
    """What a cell displayed, printed and raised, as one text."""
    texts = [out.get("data", {}).get(kind) or out.get("text") or "" for out in cell.outputs]
    return " ".join(" ".join(texts).split())


def raised(cell):
    return [out.ename for out in cell.outputs if out.output_type == "error"]


class Reader(html.parser.HTMLParser):
    """What a screen reader would meet: open tags must close, and marks are hidden."""

    def __init__(self, text):
        super().__init__()
        self.open, self.roles, self.heard = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.open.append((tag, dict(attributes)))
        self.roles += [value for name, value in attributes if name == "role"]

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if not any("aria-hidden" in attributes for _, attributes in self.open):
            self.heard.append(data)


@pytest.fixture
def shown(monkeypatch):
    bundles = []
    monkeypatch.setattr(panel, "show", bundles.append)
    return bundles


@pytest.mark.parametrize("state", panel.STATES)
def test_a_panel_says_its_state_in_words_and_shows_no_markup_of_the_reader(state, shown):
    calls = [Tried("f(x < 2)", "a list of 2"), Tried("f(3)")]
    show_panel("2.4 A <b>title</b>", state, "Not `x < 2` yet.", calls, "a tensor")
    (bundle,) = shown
    reader = Reader(bundle["text/html"])
    heard = " ".join("".join(reader.heard).split())
    assert heard.startswith(f"{state} 2.4 A <b>title</b>Not x < 2 yet.")
    assert "what was triedf(x < 2) gave a list of 2f(3)Expected: a tensor." in heard
    assert reader.roles == ["status"]
    assert bundle["text/plain"] == f"2.4 A <b>title</b>: {state}. Not `x < 2` yet."


def test_colours_have_a_value_of_their_own_where_there_is_no_theme(shown):
    show_panel("2.4 A title", "passed", "Fine.", [], "")
    text = shown[0]["text/html"]
    uses = text.split("var(--")[1:]
    assert len(uses) >= 5 and all("," in use.split(")")[0] for use in uses)
    assert "<details" not in text


def test_a_strict_check_binds_the_reference_before_it_raises():
    pair = 'up, down = course.check("9.2", (up, down))'
    cells = run(
        f"{ANSWER}def double(x):\n    return x", CHECK, USE,
        "up = down = 3", pair, "print(up is abs, down is max)",
        GAN_HELPERS_STRICT="1",
    )  # fmt: skip
    assert [raised(cell) for cell in cells] == [
        [],
        ["ExerciseError"],
        [],
        [],
        ["ExerciseError"],
        [],
    ]
    assert told(cells[2]) == "10" and told(cells[5]) == "True True"


NEVER = "The cell above has not been run"
STOPPED = "The cell above did not run: it stopped"
GOOD = "def double(x):\n    return x + x"
BROKEN = "def double(x)\n    return x"
GONE = "del double"  # no cell has defined the name yet
# What is run before the check cell, and what the check says.
ANSWERED = {
    "never": ([GONE], f"open. {NEVER}"),
    "syntax error": (
        [GONE, ANSWER + BROKEN],
        f"not yet. {STOPPED} at line 2 with SyntaxError: expect",
    ),
    "no comment": ([GONE, "def double(x:\n    return x"], f"{STOPPED} at line"),
    "stopped before": (
        [GONE, f"{ANSWER}1 / 0\n{GOOD}"],
        f"{STOPPED} with ZeroDivisionError: division",
    ),
    "stopped after": (
        [GONE, f"{ANSWER}{GOOD}\n1 / 0"],
        "passed. From here on the notebook runs on your",
    ),
    "broken after it was right": ([ANSWER + BROKEN, "print('elsewhere')"], f"{STOPPED} at line 2"),
    "mended": ([ANSWER + GOOD], "passed."),
    "wrong": (
        [f"{ANSWER}def double(x):\n    return [x, x]"],
        "not yet. `double(2)` is not 4. (Going",
    ),
}


@pytest.fixture(scope="module")
def checked():
    """The check cells after each of ANSWERED, in one session; the last cell uses the name."""
    sources, places = ["double = 0"], {}
    for case, (cells, _) in ANSWERED.items():
        sources += [*cells, CHECK]
        places[case] = len(sources) - 1
    cells = run(*sources, USE)
    return {case: cells[place] for case, place in places.items()} | {"use": cells[-1]}


@pytest.mark.parametrize("case", ANSWERED)
def test_a_check_says_what_became_of_the_cell_above_and_goes_on(case, checked):
    assert ANSWERED[case][1] in told(checked[case])
    assert raised(checked[case]) == []


def test_the_panel_of_a_notebook_shows_what_came_and_the_reference_is_used(checked):
    page = told(checked["wrong"], "text/html")
    assert "Twice &lt;as&gt; much" in page and "double(2)</code> gave a list of 2" in page
    assert told(checked["use"]) == "10"
