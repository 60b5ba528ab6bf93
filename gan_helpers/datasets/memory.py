"""A data set in memory: what `load_dataset` returns and what training reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..settings import step_generator

SPLITS = ("train", "test")


class DatasetUnavailable(RuntimeError):
    """The data cannot be reached; the message says why and what to do, `__cause__` has the rest."""


@dataclass(eq=False, repr=False)
class ImageDataset:
    """Images in memory, uint8 in [0, 255], with labels; batches come as float in [-1, 1].

    images: (N, C, H, W) uint8. labels: (N,) int64, each an index into `classes` (default: all 0).
    name: what the images are. split: "train" or "test". stand_in_for: the name of the data that
    these stand in for, if they do. note: anything else that a figure's title should say.
    """

    images: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    name: str = "images"
    split: str = "train"
    stand_in_for: str | None = None
    note: str = ""
    # The order of one epoch, kept because drawing it anew at every step would cost more than the
    # step's batch: (seed, epoch) and the order itself.
    _order: tuple[tuple[int, int], Tensor] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        _check_images(self.images)
        if self.labels is None:
            self.labels = torch.zeros(len(self.images), dtype=torch.int64)
        _check_labels(self.labels, len(self.images))
        if self.classes is None:
            self.classes = tuple(str(k) for k in range(int(self.labels.max()) + 1))
        self.classes = tuple(self.classes)
        if int(self.labels.max()) >= len(self.classes):
            raise ValueError(
                f"labels go up to {int(self.labels.max())}, but classes has {len(self.classes)} "
                "names; a label is the index of its class, counted from 0"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.image_shape))
        return f"<{self.title}: {len(self):,} images, {shape}, {self.num_classes} classes>"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.images.shape[1:])

    @property
    def num_classes(self) -> int:
        """How many classes the labels speak of, those without an image included."""
        return len(self.classes)

    @property
    def title(self) -> str:
        """What a figure should call these images: "MNIST (train)", or the stand-in by its name."""
        if self.stand_in_for:
            return f"{self.name}, standing in for {self.stand_in_for}"
        return f"{self.name} ({', '.join(filter(None, [self.split, self.note]))})"

    def take(self, indices: Tensor | Sequence[int], device: object = None) -> Tensor:
        """The images at `indices` (n,), as float32 (n, C, H, W) in [-1, 1], on `device`.

        They travel as bytes and become numbers on the device. Raises IndexError for an index
        outside 0 .. N - 1.
        """
        indices = torch.as_tensor(indices, device=self.images.device)
        if indices.ndim != 1 or indices.dtype not in (torch.int64, torch.int32):
            raise TypeError(
                f"indices has shape {tuple(indices.shape)} and dtype {indices.dtype}; expected "
                "integers (n,). A mask becomes indices by mask.nonzero().flatten()"
            )
        try:
            chosen = self.images.index_select(0, indices)
        except (IndexError, RuntimeError) as error:
            raise IndexError(
                f"indices run from {int(indices.min())} to {int(indices.max())}; this data set has "
                f"{len(self)} images, numbered from 0 to {len(self) - 1}"
            ) from error
        if device is not None:
            chosen = chosen.to(device)
        # A product is faster than a division; taken in this order, 255 still becomes exactly 1.
        return chosen.float().sub_(127.5).mul_(1 / 127.5)

    def batch(self, n: int, seed: int = 0, device: object = None) -> Tensor:
        """`n` different images, drawn at random by `seed`, as float (n, C, H, W) in [-1, 1]."""
        self._check_count("n", n)
        order = torch.randperm(len(self), generator=step_generator(seed, 0, "one batch"))
        return self.take(order[:n], device)

    def batch_indices(self, step: int, batch_size: int, seed: int) -> Tensor:
        """The indices (batch_size,) of training step `step`: a function of (seed, step) alone.

        Each epoch goes through all images once in a new order; the images that do not fill a last
        batch are left out of that epoch.
        """
        self._check_count("batch_size", batch_size)
        epoch, position = divmod(step, len(self) // batch_size)
        kept = self._order  # read once: another thread may replace it
        if kept is None or kept[0] != (seed, epoch):
            order = torch.randperm(len(self), generator=step_generator(seed, epoch, "epoch"))
            self._order = kept = ((seed, epoch), order)
        return kept[1][position * batch_size : (position + 1) * batch_size]

    def subset(
        self, classes: Sequence[int] | int | None = None, n: int | None = None, seed: int = 0
    ) -> ImageDataset:
        """Only the images of some `classes` (ids), or only `n` of them, drawn at random by `seed`.

        Labels and class names stay as they are. Filtering is not stratifying: the classes keep the
        shares that they had.
        """
        indices = torch.arange(len(self))
        if classes is not None:
            classes = [classes] if isinstance(classes, int) else list(classes)
            wanted = sorted({int(k) for k in classes})
            if not wanted or wanted[0] < 0 or wanted[-1] >= self.num_classes:
                raise ValueError(
                    f"classes={classes}; expected class ids from 0 to {self.num_classes - 1}"
                )
            indices = torch.isin(self.labels, torch.tensor(wanted)).nonzero().flatten()
            if len(indices) == 0:
                raise ValueError(f"classes={classes}: {self.title} has no image of these")
        if n is not None:
            self._check_count("n", n, len(indices))
            order = torch.randperm(len(indices), generator=step_generator(seed, 0, "subset"))
            indices = indices[order[:n]]
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def _check_count(self, name: str, count: int, available: int | None = None) -> None:
        available = len(self) if available is None else available
        if not 1 <= count <= available:
            raise ValueError(
                f"{name}={count}; expected 1 to {available}, as many images as there are"
            )


def _check_images(images: object) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images is a {type(images).__name__}; expected a uint8 tensor (N, C, H, W). "
            "torch.from_numpy(array) turns an array into a tensor"
        )
    shape = tuple(images.shape)
    if images.dtype != torch.uint8:
        hint = ""
        if images.is_floating_point() and images.numel():
            low, high = float(images.min()), float(images.max())
            hint = f" with values from {low:.3g} to {high:.3g}"
            if low >= 0 and high <= 1:
                hint += "; for images in [0, 1]: (images * 255).round().to(torch.uint8)"
            elif low >= -1 and high <= 1:
                hint += "; for images in [-1, 1]: ((images + 1) * 127.5).round().to(torch.uint8)"
        raise TypeError(f"images has dtype {images.dtype}{hint}. Expected uint8 in [0, 255]")
    if images.ndim != 4:
        fix = "; images.unsqueeze(1) adds the one channel" if images.ndim == 3 else ""
        raise ValueError(f"images has shape {shape}; expected (N, C, H, W){fix}")
    if shape[3] in (1, 3, 4) and shape[1] not in (1, 3, 4):
        raise ValueError(
            f"images has shape {shape}: the channels seem to come last. Expected (N, C, H, W); "
            "images.permute(0, 3, 1, 2) moves them"
        )
    if images.numel() == 0:
        raise ValueError(f"images has shape {shape}: there is no image in it")


def _check_labels(labels: object, count: int) -> None:
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        what = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(
            f"labels is {what}; expected an int64 tensor of class indices (N,). labels.long() or "
            "torch.tensor(labels) makes one"
        )
    if labels.ndim != 1 or len(labels) != count:
        fix = "; for one-hot rows: labels.argmax(1)" if labels.ndim == 2 else ""
        raise ValueError(f"labels has shape {tuple(labels.shape)}; expected ({count},){fix}")
    if int(labels.min()) < 0:
        raise ValueError(f"labels go down to {int(labels.min())}; class indices count from 0")
