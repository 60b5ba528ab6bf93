"""What a score is: a value with its interval and its full name."""

import math
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

Z = 1.959964  # the 97.5 % point of the normal distribution


@dataclass(frozen=True)
class Score:
    """One score and what it was measured with.

    metric     short name: "FID", "FD", "IS", "KID", "KD", "precision", ...
    value      the score; `float(score)` gives it too
    interval   95 % interval (low, high), or None where none can be given honestly
    n          number of generated samples
    features   whose features, such as "mnist-judge" or "inception-v3"
    reference  what it was compared with, such as "test" or "60k train"; None if nothing was
    better     "higher" or "lower"
    note       a warning that belongs to this number, such as too few samples
    details    further results of the same computation, by name
    """

    metric: str
    value: float
    interval: tuple[float, float] | None
    n: int
    features: str
    reference: str | None
    better: str
    note: str = ""
    details: dict = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The score's full name, as design and honesty ask for: "FD(mnist-judge, 10k vs test)"."""
        against = f" vs {self.reference}" if self.reference else ""
        return f"{self.metric}({self.features}, {count(self.n)}{against})"

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        text = f"{self.name} = {digits(self.value)}"
        if self.interval is not None:
            text += f" [{digits(self.interval[0])}, {digits(self.interval[1])}]"
        return text + (f"  ({self.note})" if self.note else "")

    __repr__ = __str__


def count(n: int) -> str:
    """A count as names of scores have it: 10k, 2,048."""
    return f"{n / 1000:g}k" if n >= 1000 and n % 100 == 0 else f"{n:,}"


def digits(value: float) -> str:
    """A value with three digits or so: 8.71, 0.453, 1.20e-04."""
    if abs(value) < 1e-9 or abs(value) >= 1000:
        return f"{value:.0f}"
    places = max(0, 3 - max(0, math.floor(math.log10(abs(value))) + 1))
    return f"{value:.{min(places, 3)}f}" if abs(value) >= 0.005 else f"{value:.2e}"


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share; unlike hits / n +- error, it stays inside [0, 1]."""
    p, z2 = hits / n, Z**2
    middle, half = p + z2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)
    return max(0.0, min(low, p)), min(1.0, max(high, p))


def standard_error(values: Tensor) -> float:
    """Of the mean of independent values (N,)."""
    return float(values.std()) / math.sqrt(len(values))


def t_interval(values: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval for the mean of at least two independent values."""
    from scipy.stats import t

    error = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - error), float(values.mean() + error)
