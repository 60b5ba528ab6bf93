"""Judges: small classifiers whose features the scores are measured in.

A Fréchet distance or an Inception score is only as good as the network that looks at the images.
The course ships four small ones that work offline, trained by this file (the command is
`python benchmarks/judges.py`): one each for MNIST, CIFAR-10, the drawn digits and the drawn shapes.
`load_inception` adds the network that published numbers use, through torch-fidelity, where that and
its weights can be reached.

Every judge is a module with `name`, `feature_dim`, `num_classes`, `input_shape` (C, H, W; None is
any), `card`, and `features_and_logits(images)` for float images in [-1, 1].
"""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .sampling import to_bytes
from .settings import pick_device

WEIGHTS = Path(__file__).resolve().parent / "weights"


class InceptionUnavailable(RuntimeError):
    """Inception-v3 cannot be used here; the message says why, what to do, and what serves."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason}. Meanwhile gh.judges.load_judge('cifar10') or ('mnist') serves: its "
            "distances are called FD(cifar10-judge, ...) and compare with each other, not with "
            "published FIDs."
        )


# --- the network ---------------------------------------------------------------------------------


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(_conv(width, width), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class Judge(nn.Module):
    """A small residual classifier: (N, C, H, W) in [-1, 1] -> logits (N, num_classes).

    A 3x3 stem of widths[0] channels; for each further width a stride-2 convolution and a residual
    block; the mean over positions gives `widths[-1]` features, and one linear layer the logits.
    """

    def __init__(
        self,
        name: str,
        input_shape: tuple[int, int, int],
        widths: tuple[int, ...],
        num_classes: int = 10,
    ) -> None:
        super().__init__()
        self.name, self.input_shape = name, tuple(input_shape)
        self.feature_dim, self.num_classes = widths[-1], num_classes
        self.card: dict = {}
        layers: list[nn.Module] = [_conv(input_shape[0], widths[0])]
        for before, width in zip(widths, widths[1:], strict=False):
            layers += [_conv(before, width, stride=2), _Residual(width)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], num_classes)

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, feature_dim) and logits (N, num_classes) of images in [-1, 1]."""
        features = self.body(images).mean(dim=(2, 3))
        return features, self.head(features)

    def forward(self, images: Tensor) -> Tensor:
        return self.features_and_logits(images)[1]


class Kind(NamedTuple):
    """A shipped judge's network; `title` is the data set's name as `ImageDataset` has it."""

    title: str
    input_shape: tuple[int, int, int]
    widths: tuple[int, ...]


KINDS = {
    "mnist": Kind("MNIST", (1, 28, 28), (16, 32, 64)),
    "cifar10": Kind("CIFAR-10", (3, 32, 32), (32, 64, 128, 128)),
    "digits": Kind("drawn digits", (1, 28, 28), (16, 32, 64)),
    "shapes": Kind("drawn shapes", (3, 32, 32), (16, 32, 64)),
}


def build(key: str) -> Judge:
    """The untrained network of the shipped judge `key`."""
    return Judge(f"{key}-judge", KINDS[key].input_shape, KINDS[key].widths)


# --- shipped weights -----------------------------------------------------------------------------


def read_weights(path: Path, made_by: str) -> tuple[dict[str, Tensor], dict]:
    """The tensors and the card of shipped weights; they load into float32 networks as they are.

    Raises FileNotFoundError if they are not installed; `made_by` is the command that makes them.
    """
    from safetensors.torch import load_file

    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} is missing from the installed package; reinstall it, or make the file "
            f"with: {made_by}"
        )
    return load_file(path), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def load_judge(name: str, device: str | torch.device | None = None) -> Judge:
    """A shipped judge, in eval mode: "mnist", "cifar10", "digits" or "shapes".

    Raises ValueError for another name, FileNotFoundError if its weights are not installed.
    """
    key = str(name).removesuffix("-judge")
    if key not in KINDS:
        known = ", ".join(repr(known) for known in KINDS)
        raise ValueError(
            f"name={name!r} is not a shipped judge; expected one of {known}. For Inception-v3 use "
            "load_inception(); for data of your own, train one as benchmarks/judges.py does"
        )
    judge = build(key)
    state, judge.card = read_weights(
        WEIGHTS / f"{judge.name}.safetensors", f"python benchmarks/judges.py --train {key}"
    )
    judge.load_state_dict(state)
    judge.requires_grad_(False)
    return judge.eval().to(pick_device(device), memory_format=torch.channels_last)


def judge_for(dataset: object, device: str | torch.device | None = None) -> Judge:
    """The shipped judge of an `ImageDataset`, stand-ins included: their own judge, not MNIST's.

    Raises ValueError for data that none of them was trained on.
    """
    for key, kind in KINDS.items():
        if dataset.name == kind.title:
            return load_judge(key, device)
    raise ValueError(
        f"no shipped judge was trained on {dataset.name!r}; there are judges for "
        f"{', '.join(kind.title for kind in KINDS.values())}"
    )


# --- Inception-v3 --------------------------------------------------------------------------------


class Inception(nn.Module):
    """Inception-v3 as published FIDs use it, from torch-fidelity, in the form of a judge.

    Features are the 2,048 pooled ones, logits the 1,008 without bias, as torch-fidelity takes them
    for FID and IS. Images of any size are resized inside to 299 x 299 as the original did; grey
    ones become three equal channels.
    """

    name, feature_dim, num_classes = "inception-v3", 2048, 1008
    input_shape = (None, None, None)
    batch_size = 32

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.card = {"weights": "torch-fidelity's port of the 2015-12-05 TensorFlow weights"}

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, 2048) and logits (N, 1008) of images in [-1, 1], C 1 or 3."""
        pixels = to_bytes(images)
        if pixels.shape[1] == 1:
            pixels = pixels.expand(-1, 3, -1, -1)
        return self.network(pixels)


def load_inception(
    weights: str | Path | None = None, device: str | torch.device | None = None
) -> Inception:
    """Inception-v3 features through torch-fidelity; weights from a path, or downloaded by it.

    The file is torch-fidelity's `weights-inception-2015-12-05-6726825d.pth` (91 MB).
    Raises InceptionUnavailable with what to do, and which judge serves meanwhile.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise InceptionUnavailable(
            "torch-fidelity is not installed: pip install 'gan_helpers[inception]' (or pip "
            "install torch-fidelity)"
        ) from error
    if weights is not None:
        _check_inception_file(Path(weights))
    try:
        network = FeatureExtractorInceptionV3(
            "inception-v3-compat",
            ["2048", "logits_unbiased"],
            feature_extractor_weights_path=None if weights is None else str(weights),
        )
    except OSError as error:  # URLError is one: no network, or a firewall
        raise InceptionUnavailable(
            f"the Inception-v3 weights could not be downloaded ({error}). On a machine with "
            "network, fetch weights-inception-2015-12-05-6726825d.pth from torch-fidelity's "
            "releases, copy it here and pass weights=PATH"
        ) from error
    except RuntimeError as error:
        raise InceptionUnavailable(
            f"weights={str(weights)!r} does not fit torch-fidelity's Inception-v3: other ports of "
            "the network (torchvision's, say) give other scores"
        ) from error
    return Inception(network).eval().to(pick_device(device))


def _check_inception_file(path: Path) -> None:
    """Refuse a missing file, and one that is no plain state dict, before torch-fidelity runs it."""
    if not path.is_file():
        raise InceptionUnavailable(f"weights={str(path)!r}: there is no such file")
    try:
        torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise InceptionUnavailable(
            f"weights={str(path)!r} is not a readable file of plain tensors ({error})"
        ) from error
