"""How smooth is the playground in a real browser?

    python benchmarks/playground.py [--quick]

Opens JupyterLab in headless Chromium, starts the playground on the ring with hidden width 32 and 20
training steps to a frame, and counts the pictures that the browser has shown. Then the parts of a
frame are timed without a browser, in CPU time. The last line is JSON: `frames` a second,
`steps_per_frame`, and milliseconds a frame of training (`train_ms`) and drawing (`draw_ms`).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from lab import browser_path, frames_per_second, notebook_page  # noqa: E402

from gan_helpers.live.canvas import jpeg  # noqa: E402
from gan_helpers.live.plane import Plane, Settings  # noqa: E402

CELL = "import gan_helpers as gh\nplayground = gh.live.playground('ring', hidden=32)"


def in_browser(seconds: float) -> tuple[float, float]:
    """Pictures a second that the browser showed, and training steps to a picture."""
    folder = Path(tempfile.mkdtemp())
    with notebook_page(folder, CELL) as page:
        page.wait_for_selector(".gan-picture img")
        page.click(".gan-playground button:has-text('Run')")
        page.wait_for_timeout(3000)
        before, started = _steps(page), time.perf_counter()
        frames = frames_per_second(page, ".gan-picture img", seconds)
        steps = (_steps(page) - before) / (time.perf_counter() - started)
        page.click(".gan-playground button:has-text('Pause')")
    return frames, steps / frames


def _steps(page) -> int:
    text = page.inner_text(".gan-playground [role=status]")
    return int(re.search(r"([\d,]+) G steps", text)[1].replace(",", ""))


def milliseconds(work, times: int) -> float:
    work()
    started = time.process_time()
    for _ in range(times):
        work()
    return 1000 * (time.process_time() - started) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a shorter look")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    plane = Plane(Settings(hidden=32))
    train = milliseconds(lambda: plane.advance(20), 3 if quick else 20)
    draw = milliseconds(lambda: (jpeg(plane.picture()), jpeg(plane.charts())), 3 if quick else 20)
    print(f"CPU time of a frame: {train:.1f} ms for 20 training steps, {draw:.1f} ms for drawing")
    frames, per_frame = (None, None)
    if browser_path():
        frames, per_frame = in_browser(3 if quick else 10)
        print(f"in the browser: {frames:.1f} frames a second, {per_frame:.1f} steps to a frame")
    else:
        print("in the browser: not measured, there is no Chromium or Chrome here")
    rounded = [value if value is None else round(value, 1) for value in (frames, per_frame)]
    print(
        json.dumps(
            {
                "frames": rounded[0],
                "steps_per_frame": rounded[1],
                "train_ms": round(train, 1),
                "draw_ms": round(draw, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
