"""Predict-then-run cells and quizzes, without a front end (the browser test covers the buttons)."""

import pytest

from gan_course import quiz


@pytest.fixture(autouse=True)
def _empty_record(monkeypatch):
    monkeypatch.setattr(quiz, "_predictions", {})
    monkeypatch.setattr(quiz, "_answers", {})


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
