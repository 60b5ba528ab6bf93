"""Grids, curves, alternative text, notes."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import gan_helpers as gh
from gan_helpers import plotting


@pytest.fixture
def shown(monkeypatch):
    """What `show` would put into a notebook: (figure as an array, alt)."""
    pictures = []

    def show(fig, alt):
        plotting._write_notes(fig)
        pictures.append((np.array(Image.open(io.BytesIO(plotting.figure_png(fig)))), alt))

    monkeypatch.setattr(plotting, "show", show)
    return pictures


def test_grid_places_and_scales():
    images = torch.full((3, 1, 2, 2), -1.0)
    images[1] = 1.0
    grid = gh.to_display(images, columns=2, padding=1)
    assert grid.shape == (5, 5) and grid.dtype == np.uint8
    assert (grid[:2, :2] == 0).all() and (grid[:2, 3:] == 255).all() and (grid[3:, :2] == 0).all()
    assert (grid[3:, 3:] == 255).all(), "an empty place is white"


def test_one_scale_for_all_images():
    images = torch.stack([torch.full((1, 2, 2), v) for v in (-1.0, -0.5, 0.0, 1.0)])
    grid = gh.to_display(images, columns=4, padding=0)
    assert grid[0, ::2].tolist() == [0, 64, 128, 255]


def test_colour_uint8_and_arrays():
    images = torch.randint(0, 256, (4, 3, 5, 6), dtype=torch.uint8)
    grid = gh.to_display(images.numpy(), columns=2, padding=0)
    assert grid.shape == (10, 12, 3)
    assert (grid[:5, 6:] == images[1].permute(1, 2, 0).numpy()).all()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(3, 784), r"\.view\(-1, 1, 28, 28\)"),
        (torch.rand(3, 2, 8, 8), "1 or 3"),
        (torch.rand(2, 1, 8, 8) * 255, r"\[0, 255\] stored as floats"),
        (torch.rand(2, 1, 8, 8) * 50 - 20, "tanh"),
        (torch.full((2, 1, 8, 8), torch.nan), "nan"),
        (torch.rand(0, 1, 8, 8), "N >= 1"),
    ],
)
def test_grid_refuses_with_a_reason(images, message):
    with pytest.raises(ValueError, match=message):
        gh.to_display(images)


def test_show_asks_for_alternative_text():
    fig, _ = gh.subplots()
    with pytest.raises(ValueError, match="alternative text"):
        gh.show(fig, "  ")


def test_show_puts_an_image_with_its_text_into_a_notebook(monkeypatch):
    from IPython import display as ipython_display

    sent = []
    monkeypatch.setattr(plotting, "in_notebook", lambda: True)
    monkeypatch.setattr(ipython_display, "display", lambda bundle, raw: sent.append(bundle))
    fig, _ = gh.subplots()
    gh.show(fig, alt='a "quoted" <b>')
    assert 'alt="a &quot;quoted&quot; &lt;b&gt;"' in sent[0]["text/html"]
    assert sent[0]["text/html"].startswith('<img src="data:image/png;base64,')


def test_every_figure_says_what_stands_in_for_what(tmp_path):
    with pytest.warns(UserWarning, match="Going on with drawn digits"):
        gh.load_dataset(tmp_path / "nowhere", fallback="digits")
    fig, _ = gh.subplots()
    plotting._write_notes(fig)
    assert [text.get_text() for text in fig.texts] == ["drawn digits, standing in for nowhere"]


def test_notes_are_printed_under_later_figures(shown):
    images = torch.zeros(1, 1, 8, 8)
    gh.show_images(images, alt="x")
    plotting.set_note("2.1", "2.1: reference")
    plotting.set_note("2.4", "2.4: reference")
    try:
        gh.show_images(images, alt="x")
        fig, _ = gh.subplots()
        plotting._write_notes(fig)
        assert [text.get_text() for text in fig.texts] == ["2.1, 2.4: reference"]
    finally:
        plotting.clear_note("2.1"), plotting.clear_note("2.4")
    fig, _ = gh.subplots()
    plotting._write_notes(fig)
    assert fig.texts == []
    assert shown[0][0].shape[1] == shown[1][0].shape[1], "the note is below, not beside"
    assert shown[0][0].shape[0] < shown[1][0].shape[0]


def test_a_grid_is_drawn_in_grey_and_unsmoothed(shown):
    images = torch.ones(1, 1, 2, 2)
    images[0, 0, 0, 0] = -1
    gh.show_images(images, alt="x", width=2)
    picture, _ = shown[0]
    image = Image.fromarray(picture)
    assert image.size[0] == 200
    assert set(np.unique(picture)) <= {0, 1}, (
        "two palette entries: black and white, nothing between"
    )


def test_smooth_is_a_running_mean():
    values = np.arange(10.0)
    assert plotting.smooth(values, 1).tolist() == values.tolist()
    assert plotting.smooth(values, 3)[5] == pytest.approx(5.0)
    assert len(plotting.smooth([1.0, 5.0], 50)) == 2
    assert len(plotting.smooth([], 5)) == 0


def test_history_plots_dicts_and_says_what_they_show(shown):
    gh.plot_history({"d_loss": [1.4, 1.2, 1.0], "g_loss": [0.7, 0.9, 1.1]})
    assert "D's loss from 1.40 to 1.00" in shown[0][1]
    full = {
        "step": [1, 2],
        "d_loss": [1, 1],
        "g_loss": [1, 1],
        "d_real": [0.5, 0.6],
        "d_fake": [0.5, 0.4],
    }
    gh.plot_history(full, "a run", alt="mine")
    assert shown[1][0].shape[1] > shown[0][0].shape[1], "the second panel has its own place"


def test_comparisons_and_labelled_grids(shown):
    gh.plot_comparison({"a": [1.0, 2.0], "b": [2.0, 1.0]}, ylabel="loss", alt="x")
    gh.show_grids({str(i): torch.zeros(4, 1, 4, 4) for i in range(7)}, per_row=3, alt="x")
    assert len(shown) == 2


class Run:
    """What the figures read of a run."""

    def __init__(self, *moments, objectives=((0, "non-saturating", True),)):
        self.snapshots = [(m, torch.zeros(64, 1, 28, 28, dtype=torch.uint8)) for m in moments]
        self.objectives, self.dataset_title, self.averaged = objectives, "drawn digits", None
        names = ("d_loss", "g_loss", "d_real", "d_fake")
        self.history = {"step": list(range(1, 41)), **{name: [0.5] * 40 for name in names}}


def test_snapshots_of_a_run_that_was_stopped_make_a_figure_of_normal_size(shown):
    sizes = {}
    for moments in ((0,), (0, 3), (0, 1, 2, 3, 4)):
        gh.show_snapshots(Run(*moments), alt="x")
        sizes[len(moments)] = shown[-1][0].shape[:2]
    height, width = sizes[5]
    assert all(h < 400 and w <= width for h, w in sizes.values()), sizes
    assert sizes[1][0] < 2 * height and sizes[1][1] < 0.5 * width


def test_a_history_says_where_the_objective_was_changed(shown, monkeypatch):
    figures = []
    make = plotting.subplots

    def kept(*args, **options):
        figures.append(make(*args, **options))
        return figures[-1]

    monkeypatch.setattr(plotting, "subplots", kept)
    gh.plot_history(Run(0, objectives=[(0, "non-saturating", True), (20, "hinge", False)]))
    losses, outputs = figures[-1][1][0]
    assert shown[-1][1].endswith("From step 20 on: hinge.")
    assert "hinge" in [text.get_text().strip() for text in losses.texts]
    assert outputs.get_ylabel() == "probability of real, then mean output of D"
    gh.plot_history(Run(0, objectives=[(0, "relativistic", False)]))
    assert figures[-1][1][0][1].get_ylabel() == "mean output of D"
    gh.plot_history(Run(0))
    assert figures[-1][1][0][1].get_ylabel() == "probability of real"


def test_rates_have_a_row_each_with_wilson_s_interval_and_the_count(monkeypatch):
    seen = []
    monkeypatch.setattr(plotting, "show", lambda fig, alt: seen.append((fig, alt)))
    plotting.rates({"broken": (19, 20), "cured": (0, 20)}, alt="two rates")
    ((fig, alt),) = seen
    ax = fig.axes[0]
    bars = [line for line in ax.lines if len(line.get_xdata()) == 2][:2]
    for bar, hits in zip(bars, (19, 0), strict=True):
        assert tuple(bar.get_xdata()) == gh.metrics.wilson(hits, 20)
    assert [text.get_text() for text in ax.texts] == ["19 of 20", "0 of 20"] and alt == "two rates"
    plotting.rates({"broken": (19, 20)})
    assert seen[-1][1] == "Shares with their 95 % intervals. broken: 19 of 20 (76% to 99%)."
    with pytest.raises(ValueError, match="hits"):
        plotting.rates({"broken": (3, 2)}, alt="wrong")


def test_images_are_told_by_how_much_they_differ():
    half = torch.cat([torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 255)]).to(torch.uint8)
    assert "2 images, of which two differ by 100%" in plotting.describe_samples(half)
    alike = plotting.describe_samples(torch.zeros(5, 1, 4, 4))
    assert "5 images, of which two differ by 0%" in alike
    assert plotting.describe_samples(torch.zeros(1, 1, 4, 4)) == "one image"
