"""Widgets and charts of single lessons: knobs, slides, the six instruments."""

import pytest
import torch

import gan_course as course
from gan_course import charts, moments, turning
from gan_helpers import models, plotting
from gan_helpers.sampling import draw

# --- knobs on a conditional generator ------------------------------------------------------------


def made_knobs(monkeypatch, widgets):
    monkeypatch.setattr(turning, "has_front_end", lambda: widgets)
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda value, **_: shown.append(value))
    torch.manual_seed(0)
    G = models.CompactGenerator(num_classes=10)
    return course.knobs(G, torch.eye(64)[:3], label=4, seed=1), shown


def test_knobs_turn_z_along_the_directions_and_choose_the_class(monkeypatch):
    made, (shown,) = made_knobs(monkeypatch, widgets=False)
    assert "Images of class 4: 3 rows" in shown["text/plain"] and "<img" in shown["text/html"]
    before = made.image()
    made.turns[1] = 2.0
    turned = made.image()
    expected = models_draw(made, made.z + 2 * torch.eye(64)[1])
    assert torch.equal(turned, expected) and not torch.equal(turned, before)
    made.label = 7
    assert not torch.equal(made.image(), turned)
    assert made.alt() == "A generated image of class 7, knob 2 at +2.0."


def models_draw(made, z):
    return draw(made.generator, z, torch.tensor([made.label]))


def test_knobs_with_widgets_follow_them(monkeypatch):
    made, (box,) = made_knobs(monkeypatch, widgets=True)
    picture, right = box.children
    choice, first, *_, again, words = right.children
    before = picture.value
    choice.value, first.value = 9, 1.5
    assert picture.value != before
    assert (made.label, made.turns) == (9, [1.5, 0.0, 0.0])
    assert "class 9, knob 1 at +1.5" in words.value
    before = picture.value
    again.click()
    assert picture.value != before


def test_knobs_need_a_conditional_generator():
    with pytest.raises(ValueError, match="no num_classes"):
        course.knobs(models.CompactGenerator(), torch.eye(64)[:3])


# --- slides of a training ------------------------------------------------------------------------


def made_slides(monkeypatch, frames, widgets, **options):
    monkeypatch.setattr(moments, "has_front_end", lambda: widgets)
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda value, **_: shown.append(value))
    return course.slides(frames, alt="points that hop", **options), shown[0]


POINTS = {f"step {k}": torch.full((5, 2), k / 10) for k in range(9)}


def test_slides_without_a_front_end_are_a_strip_with_the_first_and_the_last(monkeypatch):
    made, shown = made_slides(monkeypatch, POINTS, widgets=False, real=torch.eye(2), shown=4)
    assert shown["text/plain"] == "[figure] points that hop" and "<img" in shown["text/html"]
    narrow, wide = made.strip(2), made.strip(4)
    assert narrow.width < wide.width and narrow.height == wide.height
    assert made.strip(99).width == made.strip(9).width  # no moment twice
    assert made.picture(0).tobytes() != made.picture(8).tobytes()


def test_slides_with_widgets_follow_the_slider_also_with_images(monkeypatch):
    frames = {"early": -torch.ones(4, 1, 8, 8), "late": torch.zeros(4, 1, 8, 8)}
    made, box = made_slides(monkeypatch, frames, widgets=True)
    slider, picture, words = box.children
    before = picture.value
    slider.value = 1
    assert made.place == 1 and picture.value != before
    assert "points that hop" in words.value
    assert made.picture(0, size=60).size == (60, 60)


def test_slides_of_nothing_are_refused():
    with pytest.raises(ValueError, match="frames is empty"):
        course.slides({}, alt="nothing")
    told = course.Slides({"step 0": torch.zeros(9, 2), "step 5": 1 + torch.zeros(9, 2)}).alt
    assert "step 0: points around (0.0, 0.0)" in told and "step 5: points around (1.0, 1.0)" in told


# --- the six instruments ---


@pytest.fixture
def pictures(monkeypatch):
    """What `show` was given: (figure as PNG, alternative text)."""
    seen = []
    monkeypatch.setattr(
        plotting, "show", lambda fig, alt: seen.append((plotting.figure_png(fig), alt))
    )
    return seen


def read_out(seeds, looks=4):
    """A history as instruments write it: lists of numbers, or (looks, seeds)."""
    shape = (looks,) if seeds is None else (looks, seeds)
    names = [name for pair in charts.INSTRUMENTS.values() for name in pair]
    return {"step": list(range(looks)), **{name: torch.rand(shape) for name in names}}


@pytest.mark.parametrize("samples", [None, torch.randn(9, 2), torch.rand(9, 1, 8, 8)])
def test_instruments_of_many_seeds_and_of_one_run(pictures, samples):
    course.plot_instruments({"ten": read_out(10)}, alt="a", samples=samples)
    course.plot_instruments({"one": read_out(None), "two": read_out(3)}, alt="b", samples=samples)
    assert [alt for _, alt in pictures] == ["a", "b"]
    assert pictures[0][0] != pictures[1][0]


def test_instruments_and_samples_are_told_in_words_where_no_words_are_given(pictures):
    history = read_out(3, looks=6)
    history["quality"] = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])[:, None].expand(6, 3)
    points = torch.tensor([2.0, -1.0]) + 0.01 * torch.randn(50, 2)
    course.plot_instruments({"run": history}, samples=points, title="patient 9", kinds="classes")
    words = pictures[-1][1]
    assert words.startswith("patient 9") and "classes covered" in words
    assert "quality 0 at first, 0.4 to 0.5 in the last third" in words
    assert "points around (2.0, -1.0), nine tenths of them within 0.0" in words
