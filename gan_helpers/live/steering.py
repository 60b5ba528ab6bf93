"""The playground: a GAN in the plane that trains in a thread while its settings are changed."""

from __future__ import annotations

import contextlib
import contextvars
import html
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from ..losses import OBJECTIVES
from ..plotting import show_picture
from ..settings import budget, has_front_end
from .canvas import CHARTS, LIMIT, SIZE, jpeg, output, side_by_side
from .plane import POINTS, Plane, Settings

SPEEDS = (1, 2, 5, 10, 20, 50, 100)  # training steps between two frames
FRAMES_PER_SECOND = 10
_current: Playground | None = None

_LABELS = {
    "gaussian": "one Gaussian",
    "ring": "ring of 8",
    "grid": "grid of 25",
    "moons": "two moons",
    POINTS: "your points (click into the picture)",
}
_LEGEND = (
    "Blue squares: real points. Orange discs: generated points, drawn from the same latent points "
    "all the time. Colour: D's verdict, from orange (generated) over white (undecided) to blue "
    "(real). Arrows: where G's loss pulls each point. Thin lines: a square grid of latent points, "
    "as G warps it."
)
_STARRED = " Settings marked * start the run over; the others take effect at the next step."
# The pictures are images without mouse events and without alternative text. A transparent sheet
# over each carries the text; the plane's also writes the place of a click into a hidden text field,
# which Python observes. The last rule is for JupyterLab, which leaves cells that are out of sight
# unrendered: Chromium forgets images that were loaded there.
_HERE = Path(__file__).parent
_STYLE = (_HERE / "playground.css").read_text(encoding="utf-8")
_ON_CLICK = (_HERE / "place_point.js").read_text(encoding="utf-8")


def playground(target: str = "ring", *, steps: int | None = None, **settings) -> Playground:
    """A GAN in the plane to play with: run, pause, single steps, and every setting while it runs.

    Args:
        target: "gaussian", "ring", "grid", "moons", or "points" (placed with the mouse).
        steps: without a front end, so many steps are run and shown as a strip of frames.
        settings: `points`, `objective`, `lr_g`, `lr_d`, `d_steps`, `r1`, `latent_dim`, `hidden`,
            `seed` to start with; see `Settings`. The same ones replay the same run.

    Returns the playground; `.wait()` at the end of the cell re-raises an error of its thread.
    A playground that was started before is stopped. Raises ValueError for an unknown setting.
    """
    global _current
    if _current is not None:
        _current.stop()
    known = [field.name for field in fields(Settings)]
    for name in settings:
        if name not in known:
            raise ValueError(f"{name}=... is no setting; choose from {', '.join(known)}")
    plane = Plane(Settings(target, **settings))
    if has_front_end():
        _current = Playground(plane)
        return _current
    show_strip(plane, budget(1500, 60) if steps is None else steps)
    return Playground(plane, widgets=False)


def parse_points(text: str) -> tuple[tuple[float, float], ...]:
    """Points from "x, y; x, y"; raises ValueError that shows the part it cannot read."""
    points = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        try:
            x, y = (float(number) for number in part.split(","))
        except ValueError:
            raise ValueError(f"{part!r} is no point; write two numbers, as in 0.5, -1") from None
        points.append((x, y))
    return tuple(points)


def show_strip(plane: Plane, steps: int) -> None:
    """Train in the cell and show the result and a short strip of frames, as static pictures."""
    from IPython.display import display

    titles, frames = [], []
    for moment in sorted({0, steps // 25, steps // 8, steps // 3, steps}):
        while plane.gan.g_count < moment:  # a moment of the charts every few steps
            plane.advance(min(20, moment - plane.gan.g_count))
        titles.append(f"step {plane.gan.g_count:,}")
        frames.append(plane.picture(SIZE // 2 - 5))
    display(_static_output(plane), raw=True)
    alt = f"The same plane at {', '.join(titles)}, left to right."
    show_picture(jpeg(side_by_side(frames, titles)), "jpeg", alt)


def _static_output(plane: Plane) -> dict[str, str]:
    """The plane, its charts beside it, and what the marks mean below."""
    shown = output(side_by_side([plane.picture(), plane.charts()]), plane.alt())
    return {**shown, "text/html": f"{shown['text/html']}<p>{_LEGEND}</p>"}


class Playground:
    """What `playground` returns. Its thread trains; widget callbacks only leave it notes.

    With a front end: `run()`, `pause()`, `stop()` do what the buttons do. `wait()` re-raises an
    error of the thread; it does not block. `plane` holds the GAN.
    """

    def __init__(self, plane: Plane, widgets: bool = True) -> None:
        self.plane, self.error = plane, None
        self._running = self._stopped = False
        self._notes: list[Callable[[], None]] = []
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._rates: tuple[float, float] | None = None
        self._trouble = ""
        self._thread = None
        if widgets:
            self._build()
            self._draw()
            self._drawn = False  # nothing to keep before the first step
            # ipykernel routes what a thread shows by its context; a new thread has none.
            in_context = contextvars.copy_context().run
            self._thread = threading.Thread(target=in_context, args=(self._loop,), daemon=True)
            self._thread.start()

    # ---- for readers
    def run(self) -> None:
        """Train until paused. Without a front end nothing happens: the strip is all there is."""
        if self._thread is not None:
            self._run.value = True

    def pause(self) -> None:
        """Stop training after the step that is being taken."""
        if self._thread is not None:
            self._run.value = False

    def stop(self) -> None:
        """End the thread for good; the last picture stays as a static one."""
        self._running, self._stopped = False, True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def wait(self) -> None:
        """Re-raise an error that stopped the thread; never blocks."""
        if self.error is not None:
            raise self.error

    # ---- the thread
    def _ask(self, note: Callable[[], None]) -> None:
        """Leave a note for the thread: it calls `note` between two steps."""
        with self._lock:
            self._notes.append(note)
        self._wake.set()

    def _loop(self) -> None:
        try:
            while not self._stopped:
                self._wake.clear()
                with self._lock:
                    notes, self._notes = self._notes, []
                if notes:
                    self._trouble = ""
                for note in notes:
                    self._carefully(note)
                trained = self._running
                if trained:
                    self._carefully(self._train)
                # A pause cuts a frame short; its steps are shown all the same, without a speed.
                if notes or trained or self._speed_shown:
                    self._draw()
                if self._running:
                    self._rest()
                elif not self._notes and not self._stopped:
                    self._keep_static()
                    self._wake.wait()
            self._close()
        except Exception as error:  # shown in the widget, and raised again by wait()
            self.error, self._running = error, False
            self._say(f"Stopped by {type(error).__name__}: {error}")

    def _carefully(self, work: Callable[[], None]) -> None:
        """Blown-up numbers or a wrong entry are part of playing: pause, say so, stay usable."""
        try:
            work()
        except (FloatingPointError, ValueError) as error:
            self._run.value = False
            self._trouble = str(error)

    def _train(self) -> None:
        self._frame_began = time.perf_counter()
        self._steps = self.plane.advance(self._speed.value, lambda: self._running)

    def _rest(self) -> None:
        """Wait until the next frame is due (a note ends the rest at once)."""
        left = 1 / FRAMES_PER_SECOND - (time.perf_counter() - self._frame_began)
        if left > 0:
            self._wake.wait(left)
        seconds = time.perf_counter() - self._frame_began
        self._rates = (1 / seconds, self._steps / seconds)

    # ---- pictures
    def _draw(self) -> None:
        self._picture.value = jpeg(self.plane.picture())
        self._charts.value = jpeg(self.plane.charts())
        text = self.plane.status()
        self._speed_shown = self._running and self._rates is not None
        if self._speed_shown:
            text += "; {:.0f} frames/s, {:.0f} steps/s".format(*self._rates)
        self._say(f"{self._trouble} {text}".strip())
        self._drawn = True

    def _say(self, text: str) -> None:
        self._status.value = f'<div role="status">{html.escape(text)}</div>'

    def _tell_pictures(self) -> None:
        """Alternative text for the pictures, renewed at each pause: while training, a sheet that
        changes under the mouse would lose clicks."""
        click = (
            f'style="cursor: crosshair" title="Click to place a real point" onclick="{_ON_CLICK}"'
        )
        for sheet, alt, attributes in (
            (self._sheet, self.plane.alt(), click),
            (self._charts_sheet, self.plane.charts_alt(), ""),
        ):
            words = f'role="img" aria-label="{html.escape(alt, quote=True)}"'
            sheet.value = f"<style>{_STYLE}</style><div {words} {attributes}></div>"

    def _keep_static(self) -> None:
        """JupyterLab does not save widgets: below them a folded static copy is kept up to date."""
        self._tell_pictures()
        if not self._drawn or self._static is None:
            return
        self._drawn = False
        shown = _static_output(self.plane)
        text = "The picture at the last pause, which stays when the notebook is saved"
        folded = f"<details><summary>{text}</summary>{shown['text/html']}</details>"
        self._static.update({**shown, "text/html": folded}, raw=True)

    def _close(self) -> None:
        """Leave the static picture alone on the page."""
        if self._static is not None:
            self._static.update(_static_output(self.plane), raw=True)
        self._box.close()

    # ---- widgets
    def _build(self) -> None:
        import ipywidgets as w
        from IPython.display import display

        self._status = w.HTML()
        self._picture = w.Image(format="jpeg", width=SIZE, height=SIZE)
        self._charts = w.Image(format="jpeg", width=CHARTS[0], height=CHARTS[1])
        self._sheet, self._charts_sheet = w.HTML(), w.HTML()
        self._tell_pictures()
        plane = w.Box([self._picture, self._sheet])
        charts = w.Box([self._charts, self._charts_sheet])
        plane.add_class("gan-picture"), self._sheet.add_class("gan-sheet")
        charts.add_class("gan-charts"), self._charts_sheet.add_class("gan-words")
        wrap = w.Layout(flex_flow="row wrap", align_items="center")
        self._box = w.VBox(
            [
                w.HBox(self._buttons(w), layout=wrap),
                w.HBox([plane, charts], layout=wrap),
                self._status,
                w.HBox(self._sliders(w), layout=wrap),
                w.HTML(f'<div style="line-height: 1.4">{_LEGEND}{_STARRED}</div>'),
            ]
        )
        self._box.add_class("gan-playground")
        display(self._box)
        self._static = display({"text/html": "", "text/plain": ""}, raw=True, display_id=True)

    def _buttons(self, w) -> list:
        self._run = w.ToggleButton(description="Run", icon="play", tooltip="Run or pause")
        self._run.observe(lambda change: self._toggled(change.new), "value")
        self._speed = w.SelectionSlider(
            options=SPEEDS, value=20, description="steps a frame", continuous_update=False
        )
        self._speed.style.description_width = "initial"
        buttons = [self._run]
        for name, note in (
            ("One D step", self.plane.one_d_step),
            ("One G step", self.plane.one_g_step),
            ("Start over", self.plane.reset),
        ):
            button = w.Button(description=name)
            button.on_click(lambda _, note=note: self._ask(note))
            buttons.append(button)
        return [*buttons, self._speed]

    def _toggled(self, running: bool) -> None:
        self._run.description, self._run.icon = ("Pause", "pause") if running else ("Run", "play")
        self._running = running
        if running:
            self._trouble = ""
        self._wake.set()

    def _sliders(self, w) -> list:
        now, labels = self.plane.settings, [(text, name) for name, text in _LABELS.items()]
        look = {"style": {"description_width": "11em"}, "layout": w.Layout(width="29em")}

        def made(kind, name: str, description: str, **options):
            widget = kind(value=getattr(now, name), description=description, **look, **options)
            change = lambda new: self.plane.change(**{name: new})  # noqa: E731
            widget.observe(lambda event: self._ask(lambda: change(event.new)), "value")
            return widget

        def stops(name: str, description: str, *values: float):
            mine = sorted({*values, getattr(now, name)})
            return made(w.SelectionSlider, name, description, options=mine, continuous_update=False)

        rates = (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
        self._target = made(w.Dropdown, "target", "target", options=labels)
        self._points, mouse = self._point_fields(w, look)
        return [
            self._target,
            made(w.Dropdown, "objective", "objective", options=list(OBJECTIVES)),
            stops("lr_g", "G's learning rate", *rates),
            stops("lr_d", "D's learning rate", *rates),
            made(w.IntSlider, "d_steps", "D steps per G step", min=1, max=max(10, now.d_steps)),
            stops("r1", "R1 penalty", 0, 0.01, 0.1, 1, 10),
            stops("latent_dim", "noise size *", 1, 2, 4, 8, 16, 64),
            stops("hidden", "hidden width *", 4, 8, 16, 32, 64, 128),
            made(w.IntText, "seed", "seed *", continuous_update=False),
            self._points,
            mouse,
        ]

    def _point_fields(self, w, look: dict) -> tuple:
        """The list of placed points, editable by hand, and the hidden field the mouse writes to."""
        text = "; ".join(f"{x:g}, {y:g}" for x, y in self.plane.settings.points)
        field = w.Text(value=text, description="your points", placeholder="0.5, -1; -0.5, 0.8",
                       continuous_update=False, **look)  # fmt: skip
        field.observe(lambda event: self._place(event.new), "value")
        mouse = w.Text(layout=w.Layout(display="none"), continuous_update=False)
        mouse.add_class("gan-mouse")
        mouse.observe(lambda event: self._clicked(event.new), "value")
        return field, mouse

    def _clicked(self, text: str) -> None:
        with contextlib.suppress(ValueError):
            x, y = (2 * LIMIT * (float(part) - 0.5) for part in text.split(",")[:2])
            mine = self._points.value.strip().rstrip(";") if self._target.value == POINTS else ""
            new = f"{x:.2f}, {0 - y:.2f}"
            self._points.value = f"{mine}; {new}" if mine else new

    def _place(self, text: str) -> None:
        def note() -> None:
            self.plane.change(target=POINTS, points=parse_points(text))

        self._ask(note)
        self._target.value = POINTS
