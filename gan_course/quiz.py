"""Predict-then-run cells, verdicts of the claims court, and closing quizzes.

    course.predict("2.a", "Without detach, does D learn something different?", ["yes", "no"])
    ...the experiment...
    course.outcome("2.a", "no", "D's own gradient is the same; it is G that is touched.")
    course.verdict("2.case1", "A falling loss means progress.", "does not hold", "In ten runs …")
    course.predictions_report()                              # in the notebook's last cells

In a notebook with a front end the choice is a row of buttons; anywhere the reader may write it into
the cell instead: `choice="b"`, the option's text, or its position counted from 0. Without a choice
the cell runs all the same and stores "no prediction". No cell ever waits for the reader. Once a
result has been shown its prediction stands, and so does a verdict.

What the reader chose outlives the kernel, in the file FILE beside the notebook: delete it to begin
anew. Nothing is read or written where nobody looks on (marking, tests, a run by a program).

JupyterLab does not save widgets, so the question is always left as plain readable text, and the
buttons are replaced by text as soon as they have done their work. Quiz questions have no buttons:
the reply to each option is folded under it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gan_helpers.settings import has_front_end

from . import kernel

Choice = str | int | None
RULINGS = ("holds", "does not hold", "holds in part")
FILE = ".course-predictions.json"


@dataclass
class _Asked:
    """One prediction or one verdict, and what became of it."""

    id: str
    text: str
    options: tuple[str, ...]
    choice: int | None = None
    right: bool | None = None  # None: not known yet, or nothing was chosen
    actual: str | None = None  # the outcome, once it was shown
    buttons: Callable[[str], None] | None = field(default=None, repr=False)  # writes in their place

    def tell(self, markdown: str) -> None:
        """Write text where the buttons are, or below the question if there are none."""
        if self.buttons is None:
            _show(markdown)
        else:
            self.buttons(markdown)


_folder = Path.cwd()  # where the notebook lies: a kernel starts there
_predictions: dict[str, _Asked] = {}
_verdicts: dict[str, _Asked] = {}
_answers: dict[str, bool] = {}  # quiz question -> right at the first try


# ---------------------------------------------------------------------------- what readers call
def predict(id: str, question: str, options: Sequence[str], *, choice: Choice = None) -> None:
    """Ask the reader to commit to one of `options` before the result is shown; never blocks.

    Args:
        id: name of the prediction, such as "2.a"; `outcome` refers to it.
        question: one or two sentences; Markdown and $formulas$ are welcome.
        options: at least two different texts.
        choice: an answer given in code: a letter ("b"), an option's text, or its index from 0.

    Raises:
        ValueError: fewer than two options, equal options, or a `choice` that is none of them.
    """
    options = _valid_options(options)
    chosen = _position(choice, options, "choice")
    earlier = _predictions.get(id) or _recalled("predict", id, options)
    _show_text(f"Predict {id}", question, options)
    if earlier is not None and earlier.actual is not None:
        _predictions[id] = earlier
        told = "no prediction was made in time. Restart the kernel to predict anew."
        if earlier.choice is not None:
            told = f'your prediction "{earlier.options[earlier.choice]}" stands.'
        _say(f"The result of {id} has been shown: {told}")
        return
    asked = _predictions[id] = _Asked(id, question, options, choice=chosen)
    if chosen is None and earlier is not None and earlier.options == options:
        asked.choice = earlier.choice
        if asked.choice is not None:
            _say(f'Your prediction so far: "{options[asked.choice]}".')
    asked.buttons = _show_buttons(options, lambda index: _commit(asked, index))
    if chosen is not None:
        _commit(asked, chosen)


def outcome(id: str, actual: str | int, explanation: str = "") -> None:
    """Compare what happened with what the reader predicted, in one or two sentences.

    Args:
        id: the id given to `predict`; if that cell was not run, the result is told all the same.
        actual: the option that came true: its text, its letter, or its index from 0.
        explanation: why, in Markdown; shown after the comparison.

    Raises:
        ValueError: `actual` is none of the options of this prediction.
    """
    asked = _predictions.get(id)
    if asked is None or not asked.text:  # its cell was not run in this session
        asked = _recalled("predict", id)
        if asked is None or (isinstance(actual, str) and actual not in asked.options):
            asked = _Asked(id, "", (actual if isinstance(actual, str) else _option(actual),))
            actual = 0
    index = _position(actual, asked.options, "actual")
    _predictions[id] = asked
    asked.actual = asked.options[index]
    asked.right = None if asked.choice is None else asked.choice == index
    if asked.choice is None:
        if asked.buttons is not None:
            asked.tell("No prediction was made before the result was shown.")
        verdict = "No prediction was made. What happened:"
    elif asked.right:
        verdict = "As you predicted:"
    else:
        verdict = f'You predicted "{asked.options[asked.choice]}". What happened:'
    if asked.choice is not None:
        _keep("predict", asked)
    stop = "" if asked.actual.endswith((".", "?")) else "."
    markdown = f"{verdict} **{asked.actual}{stop}** {explanation}".strip()
    _show(markdown, kernel.fill(_plain(markdown)))


def verdict(
    id: str, claim: str, ruling: str, why: str | Mapping[str, str], *, choice: Choice = None
) -> None:
    """Ask the reader to rule on a claim, now that the evidence is on the screen, and reply.

    Args:
        id: name of the case, such as "2.case1".
        claim: the claim in one sentence, as it circulates.
        ruling: what the evidence says: "holds", "does not hold" or "holds in part".
        why: the reasons and the scope, in Markdown; or a reply to each ruling, {ruling: text}.
        choice: the reader's ruling given in code. The first ruling stands.

    Raises:
        ValueError: an unknown ruling, or a `why` that leaves one of the three without a reply.
    """
    right = _position(ruling, RULINGS, "ruling")
    replies = _replies_to_rulings(right, why)
    given = _position(choice, RULINGS, "choice")
    asked = _verdicts.get(id) or _recalled("verdict", id, RULINGS) or _Asked(id, claim, RULINGS)
    _verdicts[id] = asked

    def rule(index: int) -> None:
        asked.choice = index if asked.choice is None else asked.choice
        asked.right, asked.actual = asked.choice == right, RULINGS[right]
        _keep("verdict", asked)
        asked.tell(f"Your verdict: **it {RULINGS[asked.choice]}**. {replies[asked.choice]}")

    ruled = given if asked.choice is None else asked.choice
    if has_front_end():
        _show(f"**Your verdict.** {claim}")  # the buttons name the rulings
        asked.buttons = _show_buttons(RULINGS, rule, RULINGS) if ruled is None else None
    else:
        _show_question("Your verdict", claim, RULINGS, replies, right)
    if ruled is not None:
        rule(ruled)


def predictions_report() -> None:
    """Print how many of the reader's predictions came true, and which did not."""
    settled = [asked for asked in _predictions.values() if asked.actual is not None]
    made = [asked for asked in settled if asked.right is not None]
    true = sum(bool(asked.right) for asked in made)
    if not settled:
        _say("No predictions have been settled yet.")
    elif not made:
        _say(f"This notebook asked for {len(settled)} predictions; you made none of them.")
    else:
        _say(f"You made {len(made)} of {len(settled)} predictions, and {true} came true.")
    for asked in made:
        mark = "true " if asked.right else "false"
        told = "" if asked.right else f"; what happened: {asked.actual}"
        print(kernel.fill(f"  {asked.id:<5} {mark} {asked.options[asked.choice]}{told}", " " * 14))
    ruled = [asked.right for asked in _verdicts.values() if asked.right is not None]
    if ruled:
        _say(f"Claims court: {sum(ruled)} of {len(ruled)} verdicts as the evidence has it.")
    if _answers:
        _say(f"Quiz: {sum(_answers.values())} of {len(_answers)} right at the first try.")
    if (_folder / FILE).exists() and kernel.has_reader():
        _say(f"(Kept in {FILE} beside this notebook; delete that file to begin anew.)")


def question(
    id: str,
    text: str,
    options: Sequence[str],
    answer: str | int,
    why: str | Mapping[str, str],
    *,
    choice: Choice = None,
) -> None:
    """One quiz question, with a reply folded under each option: the reader opens the one chosen.

    Nothing in it is a widget, so it works the same in a saved notebook or on paper.

    Args:
        id: name of the question, such as "quiz 3".
        text, options: as in `predict`.
        answer: the right option: its text, its letter, or its index from 0.
        why: a reason for each option, {option text or letter: sentence}; or why the right one is.
        choice: the reader's answer given in code; it is then counted in `predictions_report`.

    Raises:
        ValueError: as `predict`; also if `answer` or a key of `why` is none of the options.
    """
    options = _valid_options(options)
    right = _position(answer, options, "answer")
    feedback = {right: why} if isinstance(why, str) else _by_position(why, options)
    replies = [
        f"{'Right.' if index == right else 'Not this one.'} {feedback.get(index, '')}".strip()
        for index in range(len(options))
    ]
    _show_question(id[:1].upper() + id[1:], text, options, replies, right)
    given = _position(choice, options, "choice")
    if given is not None:
        _answers.setdefault(id, given == right)  # only the first try counts
        _show(f"**{_letter(given)}** {replies[given]}")


# ---------------------------------------------------------------------------- choices
def _letter(index: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[index]


def _valid_options(options: Sequence[str]) -> tuple[str, ...]:
    if isinstance(options, str) or not all(isinstance(option, str) for option in options):
        raise ValueError(f"options must be a list of texts, but {options!r} came")
    if not 2 <= len(set(options)) == len(options) <= 26:
        raise ValueError(f"options must be two or more different texts, but {options!r} came")
    return tuple(options)


def _option(index: int) -> str:
    """What an option is called whose text is not known."""
    return f"option {_letter(index)}"


def _position(choice: Choice, options: tuple[str, ...], name: str) -> int | None:
    """The index that a text, a letter or an index names; None stays None."""
    if choice is None or choice == "":
        return None
    if isinstance(choice, int) and not isinstance(choice, bool) and 0 <= choice < len(options):
        return choice
    if isinstance(choice, str):
        wanted = choice.strip()
        if wanted in options:
            return options.index(wanted)
        letters = [_letter(index) for index in range(len(options))]
        if wanted.lower() in letters:
            return letters.index(wanted.lower())
    last = len(options) - 1
    known = "; ".join(f"{_letter(index)}: {option}" for index, option in enumerate(options))
    raise ValueError(
        f"{name}={choice!r} is none of the options ({known}); "
        f"write a letter, the text, or an index from 0 to {last}"
    )


def _by_position(why: Mapping[str, str], options: tuple[str, ...]) -> dict[int, str]:
    return {_position(key, options, "why"): sentence for key, sentence in why.items()}


def _commit(asked: _Asked, index: int) -> None:
    if asked.actual is None:
        asked.choice = index
        _keep("predict", asked)
        chosen = f"**{_letter(index)}** {asked.options[index]}"
        asked.tell(f"Your prediction: {chosen}. (Run the cell again to change it.)")


def _replies_to_rulings(right: int, why: str | Mapping[str, str]) -> list[str]:
    reasons = dict.fromkeys(range(3), why) if isinstance(why, str) else _by_position(why, RULINGS)
    missing = [name for index, name in enumerate(RULINGS) if not reasons.get(index)]
    if missing:
        raise ValueError(f"why must reply to each ruling; there is no text for {missing}")
    told = f"The evidence: it {RULINGS[right]}"
    return [f"{'So it is' if i == right else told}. {reasons[i]}" for i in range(3)]


# ---------------------------------------------------------------------------- the file
def _kept() -> dict:
    """What the file holds; nothing if there is none, or none that can be read."""
    try:
        record = json.loads((_folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _keep(kind: str, asked: _Asked) -> None:
    """Put one choice into the file. Other notebooks' choices stay; one that is half written never
    shows, since the file is replaced at once."""
    if not kernel.has_reader():
        return
    entry = {"options": asked.options, "choice": asked.choice, "actual": asked.actual}
    text = json.dumps(_kept() | {f"{kind} {asked.id}": entry}, indent=1)
    own = _folder / f"{FILE}.{os.getpid()}"
    with contextlib.suppress(OSError):  # a folder that cannot be written to
        own.write_text(text, encoding="utf-8")
        os.replace(own, _folder / FILE)


def _recalled(kind: str, id: str, options: tuple[str, ...] | None = None) -> _Asked | None:
    """What an earlier session kept, if the same options were offered then."""
    entry = _kept().get(f"{kind} {id}") if kernel.has_reader() else None
    try:
        then, choice, actual = tuple(entry["options"]), entry["choice"], entry["actual"]
        _position(choice, _valid_options(then), "choice")
        settled = None if actual is None else then.index(actual)
    except (TypeError, KeyError, ValueError):
        return None
    if choice is None or (options is not None and options != then):
        return None
    right = None if settled is None else choice == settled
    return _Asked(id, "", then, choice=choice, right=right, actual=actual)


# ---------------------------------------------------------------------------- drawing
def _say(text: str) -> None:
    print(kernel.fill(text))


def _plain(markdown: str) -> str:
    return markdown.replace("**", "")


def _show(markdown: str, plain: str | None = None) -> None:
    """Show Markdown in a notebook, plain text elsewhere."""
    plain = _plain(markdown) if plain is None else plain
    kernel.show({"text/markdown": markdown, "text/plain": plain})


def _show_text(title: str, text: str, options: tuple[str, ...]) -> None:
    lettered = [(_letter(index), option) for index, option in enumerate(options)]
    listed = "\n".join(f"- **{letter}** {option}" for letter, option in lettered)
    plain = f"{title}. {text}\n" + "\n".join(f"  {a} {option}" for a, option in lettered)
    _show(f"**{title}.** {text}\n\n{listed}", plain)


def _show_question(
    title: str, text: str, options: tuple[str, ...], replies: list[str], right: int
) -> None:
    folded, plain = "", f"{title}. {text}\n"
    for index, (option, reply) in enumerate(zip(options, replies, strict=True)):
        letter = _letter(index)
        # Markdown is not read on a line of HTML, but it is between blank lines.
        line = re.sub(r"`([^`]*)`", r"<code>\1</code>", option)
        line = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", line)
        folded += f"<details><summary><b>{letter}</b> {line}</summary>\n\n{reply}\n\n</details>\n"
        plain += f"  {letter} {option}\n"
    plain += f"  (answer: {_letter(right)}. {replies[right]})"
    _show(f"**{title}.** {text}\n\n{folded}", _plain(plain))


def _show_buttons(
    options: tuple[str, ...],
    clicked: Callable[[int], None],
    labels: tuple[str, ...] | None = None,
) -> Callable[[str], None] | None:
    """Show one button per option; returns place(text), which writes text where the buttons are.

    Without a front end there are no buttons, and None is returned.
    """
    if not has_front_end():
        return None
    import ipywidgets

    buttons = []
    for index, option in enumerate(options):
        label, width = (labels[index], "auto") if labels else (_letter(index), "4em")
        layout = ipywidgets.Layout(width=width)
        button = ipywidgets.Button(description=label, tooltip=option, layout=layout)
        button.on_click(lambda _, index=index: clicked(index))
        buttons.append(button)
    row = kernel.kernel_display()(ipywidgets.HBox(buttons), display_id=True)

    def place(text: str) -> None:
        row.update({"text/markdown": text, "text/plain": _plain(text)}, raw=True)

    return place
