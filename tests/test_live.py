"""The playground without a browser: its model, its pictures, its thread."""

import html
import math
import time

import numpy as np
import pytest
import torch
from PIL import Image

from gan_helpers import live, settings
from gan_helpers.live import canvas, steering
from gan_helpers.live.plane import Plane, Settings
from gan_helpers.losses import OBJECTIVES

SMALL = {"hidden": 8}


def weights(plane):
    return torch.cat([w.detach().flatten() for w in (*plane.gan.G, *plane.gan.D)])


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the playground's thread did not get there in time"
        time.sleep(0.01)


# ---------------------------------------------------------------------------- the model
def test_the_same_settings_replay_the_same_run_at_any_speed():
    once, again = Plane(Settings(**SMALL)), Plane(Settings(**SMALL))
    for _ in range(6):
        once.advance(5)
    again.advance(30)
    assert torch.equal(weights(once), weights(again))
    again.reset()
    assert again.gan.g_count == 0
    again.advance(30)
    assert torch.equal(weights(once), weights(again))


def test_one_step_each_is_a_step_of_the_game():
    once, again = Plane(Settings(**SMALL)), Plane(Settings(**SMALL))
    once.one_d_step()
    assert (once.gan.d_count, once.gan.g_count) == (1, 0)
    once.one_g_step()
    again.advance(1)
    assert torch.equal(weights(once), weights(again))


def test_another_seed_is_another_run():
    assert not torch.equal(
        weights(Plane(Settings(**SMALL))), weights(Plane(Settings(**SMALL, seed=1)))
    )


@pytest.mark.parametrize("change", [{"hidden": 4}, {"latent_dim": 3}, {"seed": 5}])
def test_some_settings_start_over(change):
    plane = Plane(Settings(**SMALL))
    plane.advance(3)
    plane.change(**change)
    assert plane.gan.g_count == 0 and len(plane.moments) == 1


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"objective": "hinge"}, lambda gan: gan.objective == "hinge"),
        ({"lr_g": 1e-4}, lambda gan: gan.lr == (1e-4, 3e-3)),
        ({"lr_d": 1e-4}, lambda gan: gan.lr == (1e-3, 1e-4)),
        ({"d_steps": 4}, lambda gan: gan.d_steps == 4),
        ({"r1": 0.5}, lambda gan: gan.r1 == 0.5),
        ({"target": "grid"}, lambda gan: len(gan.target.centers) == 25),
        (
            {"target": "points", "points": ((0.5, 0.5),)},
            lambda gan: gan.target.centers.tolist() == [[0.5, 0.5]],
        ),
    ],
)
def test_other_settings_take_effect_at_the_next_step(change, seen):
    plane = Plane(Settings(**SMALL))
    plane.advance(3)
    before = weights(plane)
    plane.change(**change)
    assert plane.gan.g_count == 3 and torch.equal(weights(plane), before)
    assert seen(plane.gan)
    plane.advance(2)
    assert plane.gan.g_count == 5


def test_advance_stops_between_two_steps():
    plane, answers = Plane(Settings(**SMALL)), iter([True, True, False])
    assert plane.advance(100, lambda: next(answers)) == 2
    assert plane.gan.g_count == 2


def test_the_charts_keep_a_bounded_number_of_moments():
    plane = Plane(Settings(**SMALL))
    for _ in range(900):
        plane._measure(1.0, 1.0)
    assert len(plane.moments) <= 400


def test_numbers_that_blow_up_are_told():
    plane = Plane(Settings(**SMALL, lr_g=1e30, lr_d=1e30))
    with pytest.raises(FloatingPointError, match="learning rate"):
        plane.advance(50)
    plane.picture()  # still drawable, from the last good points
    plane.reset()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_surface_is_a_verdict_between_0_and_1(objective):
    plane = Plane(Settings(**SMALL, objective=objective))
    plane.advance(5)
    surface = plane.surface()
    assert surface.min() >= 0 and surface.max() <= 1 and surface.std() > 0


def test_the_surface_is_d_at_the_places_where_it_is_drawn():
    plane = Plane(Settings(**SMALL))
    plane.advance(40)
    corner = torch.tensor([[-canvas.LIMIT, canvas.LIMIT]])  # left, top
    assert plane.surface()[0, 0] == pytest.approx(float(plane.gan.logits(corner).sigmoid()))


def test_status_and_alt_text_tell_counters_and_scores():
    plane = Plane(Settings(target="moons", **SMALL))
    plane.advance(3)
    assert "3 D steps, 3 G steps; " in plane.status()
    assert "of 20 pieces of the moons" in plane.status()
    assert "two moons" in plane.alt() or "'moons'" in plane.alt()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"target": "cube"}, "target='cube'"),
        ({"objective": "best"}, "objective='best'"),
        ({"lr_g": -1.0}, "lr_g=-1.0"),
        ({"hidden": 0}, "hidden=0"),
        ({"lr_d": math.nan}, "lr_d=nan"),
        ({"target": "points", "points": ((math.nan, 0.0),)}, "nan"),
        ({"target": "points", "points": ((0.0, 1e30),)}, "1e[+]30"),
        ({"speed": 3}, "speed"),
    ],
)
def test_a_wrong_setting_is_named(settings, named):
    with pytest.raises(ValueError, match=named):
        live.playground(**{"steps": 1, **settings})


# ---------------------------------------------------------------------------- pictures
def colors_at(picture, x, y, radius=3):
    unit = picture.width / (2 * canvas.LIMIT)
    column, row = round((x + canvas.LIMIT) * unit), round((canvas.LIMIT - y) * unit)
    pixels = np.asarray(picture)[row - radius : row + radius, column - radius : column + radius]
    return pixels.reshape(-1, 3).astype(int).mean(0)


def test_points_are_drawn_where_they_are_and_y_points_up():
    nothing = np.zeros((0, 2))
    white = np.full((4, 4), 0.5)
    picture = canvas.draw_plane(white, np.array([[1.0, 1.0]]), np.array([[-1.0, 0.5]]), nothing)
    assert picture.size == (canvas.SIZE, canvas.SIZE)
    red, _, blue = colors_at(picture, 1.0, 1.0)
    assert blue > red + 50  # the real point: blue, upper right
    red, _, blue = colors_at(picture, -1.0, 0.5)
    assert red > blue + 50  # the generated one: orange, left
    assert colors_at(picture, 0.5, -1.0).min() > 250


def test_arrows_point_along_the_pull_and_grow_with_it():
    white, start = np.full((4, 4), 0.5), np.zeros((1, 2))

    def ink(pull):
        picture = canvas.draw_plane(white, np.zeros((0, 2)), start, np.array([pull]))
        dark = np.asarray(picture).astype(int).sum(2) < 250
        if not dark.any():
            return None
        rows, columns = np.nonzero(dark)
        middle = canvas.SIZE / 2
        return columns.mean() - middle, middle - rows.mean(), dark.sum()

    right, up, small = ink([0.4, 0.4])
    assert right > 2 and up > 2
    assert ink([4.0, 4.0])[2] > small
    assert ink([1e-3, 0.0]) is None  # vanished


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_the_net_is_a_grid_of_latent_points_as_g_maps_it(latent_dim):
    plane = Plane(Settings(**SMALL, latent_dim=latent_dim))
    lines = plane.net()
    assert len(lines) == (1 if latent_dim == 1 else 18)
    middle = plane.gan.generate(torch.zeros(1, 1, latent_dim))[0, 0].numpy()
    assert min(np.abs(line - middle).max(1).min() for line in lines) < 1e-6
    white, nothing = np.full((4, 4), 0.5), np.zeros((0, 2))
    drawn, empty = (
        np.asarray(canvas.draw_plane(white, nothing, nothing, nothing, net=net))
        for net in (lines, ())
    )
    assert (drawn != empty).any()


def test_a_static_picture_says_what_its_marks_mean(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda value, **_: shown.append(value))
    live.playground("ring", steps=2, **SMALL)
    whole, strip = shown
    assert "Orange discs" in whole["text/html"].split("alt=")[1].split(">", 1)[1]
    assert "step 0, step 2" in strip["text/plain"]


def test_a_chart_stays_inside_its_picture_whatever_the_values():
    for values in ([], [1.0], [math.nan, 2.0, math.inf], [0.0, 0.0], [1e-9, 1e9], [-3.0, -2.0]):
        xs = list(range(len(values)))
        for options in ({}, {"log": True}, {"share": True}):
            chart = canvas.Chart("Loss:", xs, {"D": values}, **options)
            picture = canvas.draw_charts([chart], (300, 100))
            assert picture.size == (300, 100)


def test_an_image_tag_carries_its_picture_and_escaped_alt_text():
    tag = canvas.output(Image.new("RGB", (4, 4)), 'a "ring" <b>')["text/html"]
    assert 'alt="a &quot;ring&quot; &lt;b&gt;"' in tag and "base64," in tag


# ---------------------------------------------------------------------------- without a front end
def test_without_a_front_end_a_strip_is_shown_and_the_cell_goes_on(capsys):
    shown = live.playground("ring", steps=8, **SMALL)
    assert shown.plane.gan.g_count == 8
    shown.run()
    shown.wait()
    shown.stop()
    assert "step 0, step 1, step 2, step 8" in capsys.readouterr().out


def test_sync_is_no_front_end(monkeypatch):
    monkeypatch.setenv("GAN_HELPERS_LIVE", "sync")
    assert not settings.has_front_end()


# ---------------------------------------------------------------------------- the thread
@pytest.fixture
def running(monkeypatch):
    """A playground with widgets but no browser: its thread and its callbacks are the real ones."""
    monkeypatch.setattr("IPython.display.display", lambda *args, **options: None)
    made = steering.Playground(Plane(Settings(**SMALL)))
    yield made
    made.stop()
    assert not made._thread.is_alive()


def test_run_changes_pause_and_single_steps(running):
    first = running._picture.value
    running.run()
    wait_until(lambda: running.plane.gan.g_count > 40)
    running._target.value = "grid"
    wait_until(lambda: running.plane.mode_count == 25)
    running.pause()
    wait_until(lambda: running.plane.moments[-1]["step"] == running.plane.gan.g_count)
    time.sleep(0.3)
    d_count, g_count = running.plane.gan.d_count, running.plane.gan.g_count
    assert running._picture.value != first
    buttons = {b.description: b for b in running._box.children[0].children[1:4]}
    buttons["One G step"].click()
    wait_until(lambda: running.plane.gan.g_count == g_count + 1)
    assert running.plane.gan.d_count == d_count
    buttons["Start over"].click()
    wait_until(lambda: running.plane.gan.g_count == 0)
    assert "error" not in running._status.value.lower()
    running.wait()


def test_a_pause_in_the_middle_of_a_frame_shows_the_steps_it_took(running):
    running._speed.value = 100
    for _ in range(5):
        before = running.plane.gan.g_count
        running.run()
        wait_until(lambda before=before: running.plane.gan.g_count > before + 3)
        running.pause()
        wait_until(lambda: f", {running.plane.gan.g_count:,} G steps" in running._status.value)
        assert running.plane.moments[-1]["step"] == running.plane.gan.g_count


def test_a_click_places_a_point(running):
    running._clicked("0.5,0.5,1")
    running._clicked("0.75,0.25,2")
    wait_until(lambda: len(running.plane.settings.points) == 2)
    assert running._points.value == "0.00, 0.00; 0.80, 0.80"
    assert running.plane.settings.target == "points"


def test_points_that_cannot_be_read_are_told_and_nothing_breaks(running):
    running._points.value = "0.5; 1, 2"
    wait_until(lambda: "is no point" in running._status.value)
    running.run()
    wait_until(lambda: running.plane.gan.g_count > 3)
    running.wait()


def test_numbers_that_blow_up_pause_the_run(running):
    running._ask(lambda: running.plane.change(lr_g=1e30, lr_d=1e30))
    running.run()
    wait_until(lambda: "no longer finite" in running._status.value)
    assert not running._run.value
    running.wait()


def test_an_error_of_the_thread_is_shown_and_raised_by_wait(running):
    def broken():
        raise KeyError("a bug")

    running._ask(broken)
    wait_until(lambda: running.error is not None)
    assert "a bug" in running._status.value
    with pytest.raises(KeyError):
        running.wait()


@pytest.mark.parametrize("text", ["nan, 0", "0, 1e30", "-inf, 0", "0, 1.7"])
def test_points_off_the_picture_are_refused(running, text):
    running._points.value = text
    wait_until(lambda: "is not on the picture" in running._status.value)
    running.run()
    wait_until(lambda: running.plane.gan.g_count > 3)
    running.wait()


def test_the_pictures_have_words_that_follow_the_run(running):
    def words(sheet):
        return sheet.value.split('aria-label="')[1].split('"')[0]

    assert "real points as blue squares" in words(running._sheet)
    assert "losses" in words(running._charts_sheet)
    running.run()
    wait_until(lambda: running.plane.gan.g_count > 40)
    running.pause()
    status = lambda: html.escape(running.plane.status(), quote=True)  # noqa: E731
    wait_until(lambda: status() in words(running._sheet))


def test_points_are_read_from_text():
    assert steering.parse_points("0.5, 1; -1,2 ;") == ((0.5, 1.0), (-1.0, 2.0))
    with pytest.raises(ValueError, match="'1 2'"):
        steering.parse_points("1 2")
