"""Data made on the spot: 2-D mixtures, drawn digits (28x28x1) and coloured shapes (32x32x3).

Everything is a function of its seed and leaves the global random state alone. The digits are no
copies of anything: each is a few pen strokes of our own, bent, slanted and inked differently.
"""

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from .settings import step_generator

# Images are made in chunks, each from its own generator, so that the first n of a longer draw are
# the same n images, and so that the work stays in the processor's cache.
_CHUNK = 250

# ---------------------------------------------------------------------------------- 2-D mixtures


def _normal(shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, generator=generator)


@dataclass(frozen=True)
class Mixture:
    """An even mixture of round 2-D Gaussians: `centers` (M, 2), one standard deviation `sigma`."""

    centers: Tensor
    sigma: float

    def __post_init__(self) -> None:
        if self.centers.ndim != 2 or self.centers.shape[1] != 2 or len(self.centers) == 0:
            raise ValueError(
                f"centers has shape {tuple(self.centers.shape)}; expected (M, 2), a row per mode"
            )
        if not self.sigma > 0:
            raise ValueError(f"sigma={self.sigma}; a standard deviation must be above 0")

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw `n` points, (n, 2) float32. Without a generator, the global one is used."""
        modes = torch.randint(len(self.centers), (n,), generator=generator)
        return self.centers[modes] + self.sigma * _normal((n, 2), generator)


def ring(modes: int = 8, radius: float = 1.0, sigma: float = 0.05) -> Mixture:
    """`modes` Gaussians, evenly spaced on a circle; the first one lies on the positive x axis."""
    angles = torch.arange(modes) * (2 * math.pi / modes)
    return Mixture(radius * torch.stack([angles.cos(), angles.sin()], dim=1), sigma)


def grid(side: int = 5, spacing: float = 0.5, sigma: float = 0.05) -> Mixture:
    """`side` x `side` Gaussians on a square grid around the origin, `spacing` apart."""
    ticks = (torch.arange(side) - (side - 1) / 2) * spacing
    return Mixture(torch.cartesian_prod(ticks, ticks), sigma)


def gaussian(center: tuple[float, float] = (0.0, 0.0), sigma: float = 0.5) -> Mixture:
    """One round Gaussian: the easiest target there is."""
    return Mixture(torch.tensor([center], dtype=torch.float32), sigma)


@dataclass(frozen=True)
class TwoMoons:
    """Two interlocking half circles of radius `radius`, blurred by Gaussian noise `sigma`.

    Connected but bent modes, with a gap between them.
    """

    radius: float = 0.7
    sigma: float = 0.05

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw `n` points, (n, 2) float32, about half of them on each moon."""
        upper = torch.randint(2, (n,), generator=generator) * 2 - 1  # +1 or -1
        angles = torch.rand(n, generator=generator) * math.pi
        # Each moon is the other one turned by half a circle about the origin.
        x = upper * (angles.cos() - 0.5) * self.radius
        y = upper * (angles.sin() - 0.25) * self.radius
        return torch.stack([x, y], dim=1) + self.sigma * _normal((n, 2), generator)


two_moons = TwoMoons  # beside `ring` and `grid`


# ---------------------------------------------------------------------------------- drawn digits

# How each digit is written: class -> ways of writing it -> strokes -> points that a smooth curve
# passes through. x runs right and y down, in a box of about 1 x 1. Two strokes that share a point
# make a corner there. A way that is listed twice is written twice as often.
_STROKES = Path(__file__).parent / "strokes.json"
_POINTS = 64  # points along all strokes of one digit: about a pixel apart
_CONTROLS = 16  # room for the control points of one digit; unused ones have weight 0


def _curve_weights(controls: int, points: int) -> Tensor:
    """Weights (points, controls) of a Catmull-Rom curve through its control points, ends included.

    The curve is linear in the control points, so that jittering them for thousands of digits at
    once is one matrix product.
    """
    t = torch.linspace(0, controls - 1, points)
    left = t.floor().long().clamp(max=controls - 2)
    u = (t - left).unsqueeze(1)
    basis = torch.cat(
        [
            -0.5 * u + u**2 - 0.5 * u**3,
            1 - 2.5 * u**2 + 1.5 * u**3,
            0.5 * u + 2 * u**2 - 1.5 * u**3,
            -0.5 * u**2 + 0.5 * u**3,
        ],
        dim=1,
    )
    weights = torch.zeros(points, controls)
    for k in range(4):
        # Beyond either end, the end point is repeated.
        index = (left + k - 1).clamp(0, controls - 1).unsqueeze(1)
        weights.scatter_add_(1, index, basis[:, k : k + 1])
    return weights


def _one_way(strokes: list[list[tuple[float, float]]]) -> tuple[Tensor, Tensor, Tensor]:
    """One way of writing as weights (P, M), control points (M, 2) and segment mask (P - 1,)."""
    lengths = [sum(map(math.dist, stroke, stroke[1:])) for stroke in strokes]
    shares = [round(_POINTS * length / sum(lengths)) for length in lengths]
    shares[-1] += _POINTS - sum(shares)
    # Strokes that share a point are to share it still when the points are jittered.
    strokes = [[tuple(point) for point in stroke] for stroke in strokes]
    corners = list(dict.fromkeys(point for stroke in strokes for point in stroke))
    curves, mask = [], []
    for stroke, share in zip(strokes, shares, strict=True):
        curve = torch.zeros(share, _CONTROLS)
        columns = torch.tensor([corners.index(point) for point in stroke])
        curves.append(curve.index_add_(1, columns, _curve_weights(len(stroke), share)))
        mask += [1.0] * (share - 1) + [0.0]  # the pen is up between two strokes
    controls = torch.tensor(corners + [(0.0, 0.0)] * (_CONTROLS - len(corners)))
    return torch.cat(curves), controls, torch.tensor(mask[:-1])


@lru_cache(maxsize=1)
def _digit_table() -> tuple[Tensor, ...]:
    """All W ways of writing: weights (W, P, M), control points (W, M, 2), segment masks (W, P - 1);
    and for each class the number of its first way and how many ways it has."""
    listed = json.loads(_STROKES.read_text(encoding="utf-8"))
    ways = [_one_way(strokes) for digit in range(10) for strokes in listed[str(digit)]]
    weights, controls, masks = (torch.stack(part) for part in zip(*ways, strict=True))
    count = torch.tensor([len(listed[str(digit)]) for digit in range(10)])
    return weights, controls, masks, count.cumsum(0) - count, count


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """`n` numbers between `low` and `high`, as a column (n, 1)."""
    return torch.rand(n, 1, generator=generator) * (high - low) + low


def _handwriting(labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pen paths for `labels` (n,): points (n, P, 2) in a loose unit box, mask (n, P - 1)."""
    weights, controls, masks, first, count = _digit_table()
    n = len(labels)
    way = first[labels] + (torch.rand(n, generator=generator) * count[labels]).long()
    wobble = 0.042 * _normal((n, _CONTROLS, 2), generator)
    points = torch.bmm(weights[way], controls[way] + wobble) - 0.5
    x, y = points.unbind(-1)
    # A slow bend across the page, then size, slant and a turn.
    phase, bend = _uniform(n, 0, 2 * math.pi, generator), 0.075 * _normal((n, 2), generator)
    x, y = (
        x + bend[:, :1] * torch.sin(4 * y + phase),
        y + bend[:, 1:] * torch.sin(4 * x + 2 * phase),
    )
    x = x * torch.exp(0.22 * _normal((n, 1), generator))
    slant = 0.16 + 0.20 * _normal((n, 1), generator)
    x = x - slant * y
    angle = 0.12 * _normal((n, 1), generator)
    points = torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], -1)
    return points, masks[way]


def _fit(points: Tensor, mass: Tensor, half_width: Tensor) -> Tensor:
    """Scale paths into a 20x20 box and put their centre of mass in the middle of 28x28 pixels."""
    low, high = points.amin(1, keepdim=True), points.amax(1, keepdim=True)
    side = (high - low).amax(-1, keepdim=True)
    points = points * ((20 - 2 * half_width.unsqueeze(-1)) / side)
    middles = (points[:, 1:] + points[:, :-1]) / 2
    total = mass.sum(1, keepdim=True)
    center = (middles * mass.unsqueeze(-1)).sum(1) / total
    return points - center.unsqueeze(1) + 13.5


def _ink(points: Tensor, mask: Tensor, half_width: Tensor, generator: torch.Generator) -> Tensor:
    """Draw pen paths (n, P, 2), in pixels, as images (n, 28, 28) in [0, 1].

    Each piece of the path leaves a round Gaussian spot. A spot is a product of a function of x and
    one of y, so that the sum over all spots is one small matrix product per image. Along a straight
    stroke the sum is exp(-d^2 / 2 s^2) at distance d, which gives back d, and d gives the edge.
    """
    n = len(points)
    spread = (0.7 * half_width).clamp(min=0.8)
    middles = (points[:, 1:] + points[:, :-1]) / 2
    length = (points[:, 1:] - points[:, :-1]).norm(dim=-1) * mask
    # Pressure: the pen gets a little lighter or heavier on its way.
    t = torch.linspace(0, 1, length.shape[1])
    pressure = (
        0.20
        * _normal((n, 1), generator)
        * torch.sin(_uniform(n, 2, 6, generator) * t + _uniform(n, 0, 2 * math.pi, generator))
    )
    amount = length * pressure.exp() / (math.sqrt(2 * math.pi) * spread)
    pixels = torch.arange(28.0)
    scale = (-0.5 / spread.square()).unsqueeze(-1)
    # Far from the pen the exponent is cut off: numbers near the smallest float are slow to handle.
    spots_x, spots_y = (
        (middles[:, :, axis : axis + 1] - pixels).square_().mul_(scale).clamp_(min=-30).exp_()
        for axis in (0, 1)
    )
    spots = torch.bmm((spots_y * amount.unsqueeze(-1)).transpose(1, 2), spots_x)
    distance = spots.clamp_(1e-6, 1).log_().mul_(-2).sqrt_().mul_(spread.unsqueeze(-1))
    return (half_width.unsqueeze(-1) - distance).div_(1.6).add_(0.5).clamp_(0, 1)


def _digit_chunk(seed: int, chunk: int) -> tuple[Tensor, Tensor]:
    generator = step_generator(seed, chunk, "digits")
    labels = torch.randint(10, (_CHUNK,), generator=generator)
    half_width = (1.28 + 0.26 * _normal((_CHUNK, 1), generator)).clamp(0.85, 1.9)
    points, mask = _handwriting(labels, generator)
    mass = (points[:, 1:] - points[:, :-1]).norm(dim=-1) * mask
    points = _fit(points, mass, half_width)
    images = _ink(points, mask, half_width, generator)
    return images.mul_(255).round_().to(torch.uint8).unsqueeze(1), labels


def _draw(make_chunk, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Join as many chunks as `n` images need."""
    if not isinstance(n, int) or n < 1:
        raise ValueError(
            f"n={n!r}; expected the number of images to draw, an integer of at least 1"
        )
    with torch.no_grad():
        chunks = [make_chunk(seed, chunk) for chunk in range(-(-n // _CHUNK))]
    images, labels = zip(*chunks, strict=True)
    return torch.cat(images)[:n].clone(), torch.cat(labels)[:n].clone()


def draw_digits(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw `n` handwritten-looking digits, white on black, in the manner of MNIST.

    Returns images uint8 (n, 1, 28, 28) and labels int64 (n,), all ten classes about equally often.
    As in MNIST, a digit fills a box of 20x20 and its centre of mass is in the middle. The same seed
    gives the same digits, and a longer draw begins with a shorter one.
    """
    return _draw(_digit_chunk, n, seed)


# ---------------------------------------------------------------------------------- drawn shapes


def _polygon(x: Tensor, y: Tensor, corners: int, radius: float) -> Tensor:
    """Signed distance (about) to a regular polygon with one corner pointing up."""
    sector = 2 * math.pi / corners
    angle = torch.atan2(x, -y)
    nearest = (angle / sector).floor() * sector + sector / 2
    return x.hypot(y) * (angle - nearest).cos() - radius * math.cos(sector / 2)


def _star(x: Tensor, y: Tensor) -> Tensor:
    """Signed distance (about) to a five-pointed star with one point up."""
    sector = 2 * math.pi / 5
    angle = (torch.atan2(x, -y) + sector / 2) % sector - sector / 2
    along, aside = x.hypot(y) * angle.cos(), (x.hypot(y) * angle.sin()).abs()
    # Each edge runs from the tip (1, 0) to the inner corner.
    inner = 0.45
    dx, dy = inner * math.cos(sector / 2) - 1, inner * math.sin(sector / 2)
    return ((1 - along) * dy - aside * -dx) / -math.hypot(dx, dy)


def _arrow(x: Tensor, y: Tensor) -> Tensor:
    """Signed distance (about) to an arrow that points up: a head over a shaft."""
    x = x.abs()
    head = torch.maximum((x - 0.85 * (y + 0.95)) * 0.76, y)
    shaft = torch.maximum(torch.maximum(x - 0.28, y - 0.92), -0.4 - y)
    return torch.minimum(head, shaft)


def _cross(x: Tensor, y: Tensor) -> Tensor:
    """Signed distance (about) to an upright cross with arms of equal length."""
    x, y = x.abs(), y.abs()
    return torch.maximum(torch.maximum(x, y) - 0.9, torch.minimum(x, y) - 0.3)


def _heart(x: Tensor, y: Tensor) -> Tensor:
    """Signed distance (about) to a heart: two discs over a wedge."""
    x = x.abs()
    lobe = (x - 0.42).hypot(y + 0.30) - 0.48
    # The wedge's edge touches the disc: same normal (0.73, 0.68), at a distance of the radius.
    # Its top slants up to the middle, so that no gap is left between the two discs.
    wedge = torch.maximum(0.73 * x + 0.68 * y - 0.583, 0.43 * x - y - 0.35)
    return torch.minimum(lobe, wedge)


# Signed distances (about), negative inside, to shapes that fill a disc of radius 1. A diamond is
# narrower than a square on its corner.
_SHAPES = {
    "disc": lambda x, y: x.hypot(y) - 0.9,
    "ring": lambda x, y: (x.hypot(y) - 0.72).abs() - 0.2,
    "square": lambda x, y: torch.maximum(x.abs(), y.abs()) - 0.75,
    "triangle": lambda x, y: _polygon(x, y - 0.1, 3, 1.1),
    "diamond": lambda x, y: _polygon(1.45 * x, y, 4, 1.0),
    "arrow": _arrow,
    "star": _star,
    "cross": _cross,
    "heart": _heart,
    "crescent": lambda x, y: torch.maximum(x.hypot(y) - 0.92, 0.72 - (x - 0.42).hypot(y)),
}
SHAPE_NAMES = tuple(_SHAPES)


def _color(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Hue, saturation and value in [0, 1], each (n, 1), as colours (n, 3, 1, 1)."""
    wheel = ((hue * 6 + torch.tensor([5.0, 3.0, 1.0])) % 6).sub(3).abs().sub(1).clamp(0, 1)
    return (value * (1 - saturation * (1 - wheel)))[:, :, None, None]


def _shape_chunk(seed: int, chunk: int) -> tuple[Tensor, Tensor]:
    generator = step_generator(seed, chunk, "shapes")
    n = _CHUNK
    labels = torch.randint(len(SHAPE_NAMES), (n,), generator=generator)
    pixels = torch.arange(32.0) - 15.5
    size = _uniform(n, 7.5, 13.0, generator)
    shift_x, shift_y = ((15 - size) * 0.8 * _uniform(n, -1, 1, generator) for _ in range(2))
    turn = 0.25 * _normal((n, 1), generator)
    x = ((pixels - shift_x) / size)[:, None, :]
    y = ((pixels - shift_y) / size)[:, :, None]
    cos, sin = turn.cos()[:, :, None], turn.sin()[:, :, None]
    x, y = x * cos + y * sin, y * cos - x * sin
    distance = torch.empty(n, 32, 32)
    for label, signed_distance in enumerate(_SHAPES.values()):
        own = labels == label
        distance[own] = signed_distance(x[own], y[own])
    cover = (0.5 - distance * size[:, :, None]).clamp_(0, 1).unsqueeze(1)
    # A bright shape on a darker ground of clearly another hue; both lit from one side.
    hue = _uniform(n, 0, 1, generator)
    shape = _color(hue, _uniform(n, 0.5, 1, generator), _uniform(n, 0.8, 1, generator))
    ground = _color(
        (hue + _uniform(n, 0.25, 0.75, generator)) % 1,
        _uniform(n, 0.3, 0.9, generator),
        _uniform(n, 0.15, 0.5, generator),
    )
    light = _uniform(n, 0, 2 * math.pi, generator)[:, :, None]
    slope = (light.cos() * pixels + light.sin() * pixels[:, None]).unsqueeze(1) / 16
    images = ground * (1 + 0.35 * slope) * (1 - cover) + shape * (0.9 + 0.12 * slope) * cover
    images += 0.012 * _normal((n, 1, 32, 32), generator)  # a little grain
    return images.clamp_(0, 1).mul_(255).round_().to(torch.uint8), labels


def draw_shapes(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw `n` coloured shapes on coloured grounds: a stand-in for small photographs.

    Returns images uint8 (n, 3, 32, 32) and labels int64 (n,), indices into SHAPE_NAMES. The same
    seed gives the same images, and a longer draw begins with a shorter one.
    """
    return _draw(_shape_chunk, n, seed)
