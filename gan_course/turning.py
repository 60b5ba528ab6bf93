"""Knobs on a conditional generator: choose the class, turn z along given directions."""

import html

import torch
from torch import Tensor, nn

from gan_helpers.live.canvas import enlarged, jpeg
from gan_helpers.plotting import show_picture
from gan_helpers.sampling import draw
from gan_helpers.settings import has_front_end

REACH = 3.0  # knobs turn from -REACH to REACH, in standard deviations of z
_STOPS = 9  # pictures along each knob in the static strip


class Knobs:
    """What `knobs` returns: the settings, and the image that belongs to them.

    generator: (z (1, latent_dim), y (1,)) -> image; directions (K, latent_dim), unit length each.
    label, turns (K floats) and z may be set; `image()` follows.
    """

    def __init__(self, generator: nn.Module, directions: Tensor, label: int = 0, seed: int = 0):
        self.generator, self.directions = generator, directions.float().cpu()
        self.label, self.turns = label, [0.0] * len(directions)
        self.new_z(seed)

    def new_z(self, seed: int) -> None:
        """Another starting point, a function of the seed."""
        self.seed, dice = seed, torch.Generator().manual_seed(seed)
        self.z = torch.randn(1, self.directions.shape[1], generator=dice)

    def image(self) -> Tensor:
        """(1, C, H, W) in [-1, 1]: the class `label`, z moved along each direction by its turn."""
        z = self.z + torch.tensor(self.turns) @ self.directions
        return draw(self.generator, z, torch.tensor([self.label]))

    def strip(self) -> Tensor:
        """(K * 9, C, H, W): one row a direction, turned from end to end, the others at 0."""
        stops = torch.linspace(-REACH, REACH, _STOPS)
        z = self.z + stops[None, :, None] * self.directions[:, None]
        labels = torch.full((len(self.directions) * _STOPS,), self.label)
        return draw(self.generator, z.flatten(0, 1), labels)

    def alt(self) -> str:
        """The settings in words."""
        turned = ", ".join(f"knob {i + 1} at {t:+.1f}" for i, t in enumerate(self.turns) if t)
        return f"A generated image of class {self.label}" + (f", {turned}." if turned else ".")


def knobs(source, directions: Tensor, *, label: int = 0, seed: int = 0) -> Knobs:
    """A generated image to order: buttons for its class, a slider for each direction of z.

    source: a conditional generator, or a run or pretrained pair with one. directions: (K,
    latent_dim), of length 1 each. Without a front end a static strip is shown: one row for each
    direction, turned from -3 to 3. Raises ValueError for an unconditional source.
    """
    generator = source if isinstance(source, nn.Module) else source.sampler
    classes = getattr(generator, "num_classes", None)
    if not classes:
        raise ValueError("knobs choose a class, and this generator has no num_classes")
    made = Knobs(generator, directions, label, seed)
    (_show_widgets(made, classes) if has_front_end() else _show_strip(made))
    return made


def _show_strip(made: Knobs) -> None:
    alt = (
        f"Images of class {made.label}: {len(made.directions)} rows, one for each direction of z, "
        f"turned from {-REACH:g} to {REACH:g} from left to right; the middle column is one image."
    )
    show_picture(jpeg(enlarged(made.strip(), columns=_STOPS)), "jpeg", alt)


def _show_widgets(made: Knobs, classes: int) -> None:
    import ipywidgets as w
    from IPython.display import display

    picture = w.Image(format="jpeg", width=280)
    words = w.HTML()
    choice = w.ToggleButtons(options=range(classes), value=made.label, description="class")
    choice.style.button_width = "2.6em"
    sliders = [
        w.FloatSlider(min=-REACH, max=REACH, step=0.1, description=f"knob {i + 1}")
        for i in range(len(made.directions))
    ]
    again = w.Button(description="Another z")

    def update(_change=None) -> None:
        made.label, made.turns = choice.value, [slider.value for slider in sliders]
        picture.value = jpeg(enlarged(made.image(), 280))
        words.value = f'<div role="status">{html.escape(made.alt())}</div>'

    def another(_button) -> None:
        made.new_z(made.seed + 1)
        update()

    for widget in (choice, *sliders):
        widget.observe(update, "value")
    again.on_click(another)
    update()
    right = w.VBox([choice, *sliders, again, words])
    display(w.HBox([picture, right], layout=w.Layout(flex_flow="row wrap")))
