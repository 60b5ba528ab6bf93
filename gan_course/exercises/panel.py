"""A check's result as a panel in the notebook: a word and a mark, the message, what was tried.

Colours come from JupyterLab's theme, with values that are readable on light and dark grounds where
there is none; nothing is said by colour alone. Outside of a notebook the same is plain text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import NamedTuple

from ..kernel import fill, show

# state, as it is shown -> (mark, colour of the mark and of the edge)
STATES = {
    "passed": ("✓", "var(--jp-success-color1, #2e8b57)"),
    "not yet": ("✗", "var(--jp-warn-color1, #c46a00)"),
    "open": ("○", "var(--jp-info-color1, #2a7fc0)"),
}
_BOX = (
    "border:1px solid var(--jp-border-color2, #8886);border-left:4px solid {colour};"
    "border-radius:3px;padding:.5em .9em;margin:.3em 0;max-width:50em;line-height:1.45;"
    "color:var(--jp-ui-font-color1, inherit);font-family:var(--jp-ui-font-family, sans-serif);"
    "font-size:var(--jp-content-font-size1, 14px)"
)
_CODE = (
    "font-family:var(--jp-code-font-family, monospace);font-size:.93em;background:transparent;"
    "color:inherit;padding:0;overflow-wrap:anywhere"
)


class Tried(NamedTuple):
    """One call of the reader's code: how it is written, and what came of it in a few words."""

    call: str
    came: str = ""


def show_panel(title: str, state: str, message: str, tried: Sequence[Tried], expected: str) -> None:
    """Show a check's result: the exercise's title, a key of STATES and what was found.

    Folded below: the calls that were made, in order, and what the contract says that a call
    returns. All texts are plain, with `code` in them.
    """
    mark, colour = STATES[state]
    box = (
        f'<div role="status" style="{_BOX.format(colour=colour)}"><div>'
        f'<span aria-hidden="true" style="color:{colour};font-weight:bold">{mark}</span> '
        f"<strong>{state}</strong>&ensp;{_marked_up(title)}</div>"
        f'<div style="margin-top:.25em">{_marked_up(message)}</div>{_folded(tried, expected)}</div>'
    )
    show({"text/html": box, "text/plain": fill(f"{title}: {state}. {message}")})


def _folded(tried: Sequence[Tried], expected: str) -> str:
    rows = ""
    for call, came in tried:
        gave = f" gave {_marked_up(came)}" if came else ""
        rows += f'<li><code style="{_CODE}">{html.escape(call)}</code>{gave}</li>'
    return rows and (
        '<details style="margin-top:.25em"><summary style="cursor:pointer">what was tried</summary>'
        f'<ol style="margin:.3em 0;padding-left:1.6em">{rows}</ol>'
        f"<div>Expected: {_marked_up(expected)}.</div></details>"
    )


def _marked_up(text: str) -> str:
    return re.sub(r"`([^`]*)`", rf'<code style="{_CODE}">\1</code>', html.escape(text))
