"""Predict-then-run cells and quizzes, without a front end (the browser test covers the buttons)."""

import pytest

from gan_course import quiz


@pytest.fixture(autouse=True)
def _empty_record(monkeypatch, tmp_path):
    monkeypatch.setattr(quiz, "_folder", tmp_path)
    restart(monkeypatch)


def restart(monkeypatch):
    """What a new kernel knows."""
    for record in ("_predictions", "_verdicts", "_answers"):
        monkeypatch.setattr(quiz, record, {})


@pytest.fixture
def reader(monkeypatch):
    """As if a person were at the notebook: choices are kept in the file."""
    monkeypatch.setattr(quiz.kernel, "has_reader", lambda: True)


def test_a_prediction_that_comes_true_is_counted(capsys):
    quiz.predict("2.a", "Which?", ["rises", "falls"], choice="falls")
    quiz.outcome("2.a", "falls", "It always does.")
    quiz.predictions_report()
    printed = capsys.readouterr().out
    assert "As you predicted: falls. It always does." in printed
    assert "1 of 1 predictions, and 1 came true" in printed


@pytest.mark.parametrize("choice", ["a", "A", "rises", 0, " rises "])
def test_a_choice_may_be_a_letter_a_text_or_an_index(choice, capsys):
    quiz.predict("2.a", "Which?", ["rises", "falls"], choice=choice)
    quiz.outcome("2.a", "falls")
    assert 'You predicted "rises". What happened: falls.' in capsys.readouterr().out


def test_without_a_choice_the_cell_runs_and_says_so(capsys):
    quiz.predict("2.a", "Which?", ["rises", "falls"])
    quiz.outcome("2.a", "falls", "Because.")
    quiz.predictions_report()
    printed = capsys.readouterr().out
    assert "a rises" in printed and "b falls" in printed
    assert printed.count("No prediction was made") == 1
    assert "you made none of them" in printed


def test_outcome_without_its_predict_cell_tells_the_result(capsys):
    quiz.outcome("9.z", "falls", "Because.")
    assert "What happened: falls. Because." in capsys.readouterr().out


def test_outcome_by_index_without_its_predict_cell_names_the_option(capsys):
    quiz.outcome("9.z", 2, "Because.")
    assert "option c" in capsys.readouterr().out
    quiz.outcome("9.z", 1, "Because.")  # and once more, with another result
    assert "option b" in capsys.readouterr().out


def test_a_prediction_made_after_the_result_does_not_count(capsys):
    quiz.predict("2.a", "Which?", ["rises", "falls"], choice="a")
    quiz.outcome("2.a", "falls")
    quiz.predict("2.a", "Which?", ["rises", "falls"], choice="b")
    quiz.outcome("2.a", "falls")
    quiz.predictions_report()
    printed = capsys.readouterr().out
    assert "stands" in printed
    assert "0 came true" in printed


def test_a_prediction_can_be_changed_before_the_result(capsys):
    for choice in ("a", "b"):
        quiz.predict("2.a", "Which?", ["rises", "falls"], choice=choice)
    quiz.predict("2.a", "Which?", ["rises", "falls"])  # running the cell again keeps the choice
    quiz.outcome("2.a", 1)
    assert "As you predicted: falls" in capsys.readouterr().out


def test_a_click_after_the_result_is_ignored():
    quiz.predict("2.a", "Which?", ["rises", "falls"])
    asked = quiz._predictions["2.a"]
    quiz.outcome("2.a", "falls")
    quiz._commit(asked, 1)
    assert asked.choice is None and asked.right is None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"options": ["one"]}, "options"),
        ({"options": ["same", "same"]}, "options"),
        ({"options": "yes"}, "options"),
        ({"options": ["yes", "no"], "choice": "maybe"}, "choice='maybe'"),
        ({"options": ["yes", "no"], "choice": 2}, "choice=2"),
        ({"options": ["yes", "no"], "choice": True}, "choice=True"),
    ],
)
def test_a_wrong_argument_is_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        quiz.predict("2.a", "Which?", **arguments)


def test_an_outcome_that_is_no_option_is_refused():
    quiz.predict("2.a", "Which?", ["rises", "falls"])
    with pytest.raises(ValueError, match="actual='stays'"):
        quiz.outcome("2.a", "stays")


def test_quiz_feedback_belongs_to_the_option(capsys):
    why = {"log 2": "That is half the sum.", "b": "Both halves cost log 2."}
    quiz.question("quiz 1", "D's loss?", ["log 2", "2 log 2"], "b", why, choice="a")
    printed = capsys.readouterr().out
    assert "Not this one. That is half the sum." in printed
    assert "(answer: b. Right. Both halves cost log 2.)" in printed


def test_only_the_first_try_of_a_question_counts(capsys):
    for choice in ("yes", "no"):
        quiz.question("quiz 1", "Which?", ["yes", "no"], "no", "Because.", choice=choice)
    quiz.predict("2.a", "Which?", ["yes", "no"], choice="no")
    quiz.outcome("2.a", "no")
    quiz.predictions_report()
    assert "Quiz: 0 of 1 right at the first try." in capsys.readouterr().out


def test_every_option_of_a_question_has_a_reply_folded_under_it(monkeypatch):
    shown = []
    monkeypatch.setattr(quiz, "_show", lambda markdown, plain=None: shown.append(markdown))
    options = ["the `value`", "the *slope*", "$x_1$ and $x_2$"]
    quiz.question("quiz 1", "Which?", options, "b", {"a": "That is V.", "b": "By logit."})
    (markdown,) = shown
    assert markdown.count("<details>") == markdown.count("</details>") == 3
    assert "<b>a</b> the <code>value</code></summary>\n\nNot this one. That is V." in markdown
    assert "<b>b</b> the <em>slope</em></summary>\n\nRight. By logit." in markdown
    assert "<b>c</b> $x_1$ and $x_2$</summary>\n\nNot this one.\n" in markdown


# --- verdicts ------------------------------------------------------------------------------------

REPLIES = {"holds": "No run shows it.", "does not hold": "Ten seeds.", "c": "Which part?"}


@pytest.mark.parametrize(
    ("choice", "reply"),
    [
        ("does not hold", "Your verdict: it does not hold. So it is. Ten seeds."),
        ("a", "Your verdict: it holds. The evidence: it does not hold. No run shows it."),
    ],
)
def test_a_verdict_is_answered_and_counted(choice, reply, capsys):
    quiz.verdict("2.case1", "It falls.", "does not hold", REPLIES, choice=choice)
    quiz.predictions_report()
    printed = capsys.readouterr().out
    assert reply in printed
    right = int(choice == "does not hold")
    assert f"Claims court: {right} of 1 verdicts as the evidence has it." in printed


def test_without_a_choice_each_ruling_has_its_reply_folded_under_it(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(quiz, "_show", lambda markdown, plain=None: shown.append(markdown))
    quiz.verdict("2.case1", "It falls.", "holds in part", "In this ring, ten seeds.")
    (markdown,) = shown
    assert markdown.startswith("**Your verdict.** It falls.")
    assert "<b>c</b> holds in part</summary>\n\nSo it is. In this ring, ten seeds." in markdown
    assert markdown.count("The evidence: it holds in part. In this ring, ten seeds.") == 2
    quiz.predictions_report()
    assert "Claims court" not in capsys.readouterr().out


def test_the_first_verdict_stands(capsys):
    for choice in ("a", "b"):
        quiz.verdict("2.case1", "It falls.", "b", REPLIES, choice=choice)
    assert "Your verdict: it does not hold." not in capsys.readouterr().out
    quiz.predictions_report()
    assert "0 of 1 verdicts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ruling", "why", "named"),
    [("maybe", "x", "ruling='maybe'"), ("holds", {"holds": "x"}, "does not hold")],
)
def test_a_wrong_verdict_cell_is_refused(ruling, why, named):
    with pytest.raises(ValueError, match=named):
        quiz.verdict("2.case1", "It falls.", ruling, why)


# --- over a restart ------------------------------------------------------------------------------


def test_a_prediction_outlives_the_kernel(reader, monkeypatch, capsys):
    quiz.predict("2.a", "Which?", ["rises", "falls"], choice="falls")
    restart(monkeypatch)
    quiz.predict("2.a", "Which?", ["rises", "falls"])
    assert 'Your prediction so far: "falls"' in capsys.readouterr().out
    quiz.outcome("2.a", "falls")
    restart(monkeypatch)
    quiz.predict("2.a", "Which?", ["rises", "falls"], choice="rises")  # too late
    assert 'your prediction "falls" stands' in capsys.readouterr().out
    restart(monkeypatch)
    quiz.outcome("2.a", "falls")  # without its predict cell
    quiz.predictions_report()
    printed = capsys.readouterr().out
    assert "As you predicted: falls." in printed and "1 of 1 predictions" in printed
    assert f"Kept in {quiz.FILE}" in printed


def test_a_verdict_outlives_the_kernel(reader, monkeypatch, capsys):
    quiz.verdict("2.case1", "It falls.", "b", REPLIES, choice="a")
    restart(monkeypatch)
    quiz.verdict("2.case1", "It falls.", "b", REPLIES)
    quiz.predictions_report()
    assert "Claims court: 0 of 1" in capsys.readouterr().out


def test_notebooks_in_one_folder_keep_their_choices_apart(reader, monkeypatch):
    for id in ("1.a", "2.a"):
        restart(monkeypatch)
        quiz.predict(id, "Which?", ["rises", "falls"], choice=int(id[0]) - 1)
    assert [quiz._recalled("predict", id).choice for id in ("1.a", "2.a")] == [0, 1]
    assert quiz._recalled("predict", "2.a", ("up", "down")) is None, "other options now"
    assert [path.name for path in quiz._folder.iterdir()] == [quiz.FILE]


DAMAGED = ["", "{", "[]", "7", '{"predict 2.a": 7}', '{"predict 2.a": {"options": ["rises"]}}']
DAMAGED += [
    f'{{"predict 2.a": {{"options": ["rises", "falls"], "choice": {choice}, "actual": {actual}}}}}'
    for choice, actual in (("7", "null"), ("null", "null"), ("[]", "null"), ("0", '"stays"'))
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_as_good_as_none(text, reader, monkeypatch, capsys):
    (quiz._folder / quiz.FILE).write_text(text, encoding="utf-8")
    quiz.predict("2.a", "Which?", ["rises", "falls"])
    assert "so far" not in capsys.readouterr().out
    quiz.predict("2.a", "Which?", ["rises", "falls"], choice="a")
    restart(monkeypatch)
    assert quiz._recalled("predict", "2.a").choice == 0


def test_a_folder_that_cannot_be_written_to_is_no_trouble(reader, monkeypatch, capsys):
    monkeypatch.setattr(quiz, "_folder", quiz._folder / "missing")
    quiz.predict("2.a", "Which?", ["rises", "falls"], choice="a")
    quiz.outcome("2.a", "rises")
    assert "As you predicted" in capsys.readouterr().out


PROGRAMS = {
    "GAN_HELPERS_STRICT": "1",
    "NBGRADER_EXECUTION": "autograde",
    "GAN_HELPERS_LIVE": "sync",
}


@pytest.mark.parametrize("variable", PROGRAMS)
def test_nothing_is_kept_where_a_program_runs_the_notebook(variable, monkeypatch):
    monkeypatch.setattr(quiz.kernel, "shell", lambda: object())
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    assert quiz.kernel.has_reader()
    monkeypatch.setenv(variable, PROGRAMS[variable])
    quiz._keep("predict", quiz._Asked("2.a", "Which?", ("rises", "falls"), choice=0))
    assert list(quiz._folder.iterdir()) == []


def test_outside_of_a_notebook_nothing_is_kept():
    quiz.predict("2.a", "Which?", ["rises", "falls"], choice="a")
    assert list(quiz._folder.iterdir()) == []
