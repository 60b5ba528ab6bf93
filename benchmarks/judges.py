"""Train the course's judges and write their weights and cards.

    python benchmarks/judges.py                     # score those that are shipped
    python benchmarks/judges.py --train mnist       # train one anew (minutes to half an hour)
    python benchmarks/judges.py --train cifar10 --data PATH     # a folder or tar of images

The last line is JSON: each judge's accuracy on its test set.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from shipping import save_judge
from torch import Tensor

from gan_helpers import datasets, judges


@dataclass(frozen=True)
class Augment:
    """How training images are varied: shift and cutout side in pixels, rotation in degrees.

    noise: each image gets Gaussian noise of a deviation drawn from 0 to this. Small GANs leave a
    faint speckle; without it in training, a judge takes a plain 4 with a few grey dots for an 8.
    """

    flip: bool = False
    shift: int = 0
    rotate: float = 0.0
    cutout: int = 0
    noise: float = 0.0

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        n, _, height, width = images.shape

        def uniform(scale: float) -> Tensor:
            return (torch.rand(n, generator=generator) * 2 - 1) * scale

        angle = uniform(self.rotate * torch.pi / 180)
        mirror = torch.where(uniform(1.0) < 0, -1.0, 1.0) if self.flip else torch.ones(n)
        move = [torch.round(uniform(self.shift + 0.49)) * 2 / side for side in (width, height)]
        theta = torch.stack(
            [
                torch.stack([mirror * angle.cos(), -angle.sin(), move[0]], dim=1),
                torch.stack([mirror * angle.sin(), angle.cos(), move[1]], dim=1),
            ],
            dim=1,
        )
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        if self.cutout:
            rows = torch.randint(height, (n, 1, 1, 1), generator=generator)
            cols = torch.randint(width, (n, 1, 1, 1), generator=generator)
            half = self.cutout / 2
            hidden = ((torch.arange(height).view(1, 1, -1, 1) - rows).abs() < half) & (
                (torch.arange(width).view(1, 1, 1, -1) - cols).abs() < half
            )
            images = images.masked_fill(hidden, 0.0)
        if self.noise:
            deviation = self.noise * torch.rand(n, 1, 1, 1, generator=generator)
            images = images + deviation * torch.randn(images.shape, generator=generator)
        return images.clamp(-1, 1)


@dataclass(frozen=True)
class Recipe:
    """How long a judge is trained, and on which variations of the images."""

    epochs: int
    augment: Augment


RECIPES = {
    "mnist": Recipe(8, Augment(shift=2, rotate=12, noise=0.4)),
    "cifar10": Recipe(12, Augment(flip=True, shift=4, cutout=8)),
    "digits": Recipe(1, Augment(shift=1, noise=0.4)),
    "shapes": Recipe(1, Augment(shift=2)),
}


def train_judge(
    judge: judges.Judge,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    augment: Augment,
    lr: float = 0.1,
    batch_size: int = 128,
    weight_decay: float = 5e-4,
    seed: int = 0,
    mixed: bool = False,
    on_epoch: Callable[[int, float], None] | None = None,
) -> judges.Judge:
    """Train on uint8 images (N, C, H, W) and labels (N,): SGD, one-cycle rate, cross-entropy.

    `mixed` computes in bfloat16, which halves the time on processors that have it.
    `on_epoch(epoch, mean_loss)` is called after each epoch. Returns the judge, in eval mode.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(
        judge.parameters(), lr, momentum=0.9, nesterov=True, weight_decay=weight_decay
    )
    per_epoch = len(images) // batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=epochs * per_epoch, pct_start=0.2, anneal_strategy="linear"
    )
    judge.to(memory_format=torch.channels_last)
    for epoch in range(epochs):
        judge.train()
        order, total = torch.randperm(len(images), generator=generator), 0.0
        for chosen in order[: per_epoch * batch_size].split(batch_size):
            batch = augment(images[chosen].float() / 127.5 - 1, generator)
            batch = batch.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                logits = judge(batch)
            loss = F.cross_entropy(logits.float(), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        judge.eval()
        if on_epoch is not None:
            on_epoch(epoch + 1, total / per_epoch)
    return judge.eval()


def load(key: str, split: str, folder: Path | None) -> datasets.ImageDataset:
    """The judge's data; CIFAR-10 may also be a folder of images, whose re-encoding is recorded."""
    return datasets.load_dataset(key if folder is None else folder, split)


def train(key: str, folder: Path | None, quick: bool, note: str) -> None:
    """Train one judge by its recipe and write weights and card (with --quick: only a few steps)."""
    recipe = RECIPES[key]
    data, test = (load(key, split, folder) for split in ("train", "test"))
    images, labels = (
        (data.images[:2560], data.labels[:2560]) if quick else (data.images, data.labels)
    )
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    started = time.process_time()

    def report(epoch: int, loss: float) -> None:
        seconds = time.process_time() - started
        print(f"epoch {epoch}: loss {loss:.4f}, {seconds:.0f} s of CPU time", flush=True)

    judge = train_judge(
        judges.build(key),
        images,
        labels,
        epochs=1 if quick else recipe.epochs,
        augment=recipe.augment,
        mixed=True,
        on_epoch=report,
    )
    if quick:
        print("--quick: nothing is written")
        return
    card = make_card(judge, key, data, time.process_time() - started, note)
    path = save_judge(judge, card)
    card["test_accuracy"] = accuracy(
        judges.load_judge(key, "cpu"), test.images, test.labels
    )  # of the rounded weights, as they are shipped
    save_judge(judges.load_judge(key, "cpu"), card)
    print(f"{path.name}: test accuracy {card['test_accuracy']:.4f}")


def accuracy(judge: judges.Judge, images: Tensor, labels: Tensor, batch_size: int = 100) -> float:
    """The share of uint8 images (N, C, H, W) that the judge gives their label."""
    device = next(judge.parameters()).device
    right = 0
    with torch.inference_mode():
        for batch, wanted in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            logits = judge(batch.to(device).float() / 127.5 - 1)
            right += int((logits.argmax(dim=1).cpu() == wanted).sum())
    return right / len(labels)


def make_card(
    judge: judges.Judge, key: str, data: datasets.ImageDataset, seconds: float, note: str
) -> dict:
    """What a reader of the weights should know about them."""
    recipe = RECIPES[key]
    return {
        "name": judge.name,
        "what": "a small residual classifier whose last features and logits the scores use",
        "data": f"{judges.KINDS[key].title}, {len(data):,} training images"
        + (f" ({note})" if note else ""),
        "classes": list(data.classes),
        "parameters": sum(p.numel() for p in judge.parameters()),
        "features": judge.feature_dim,
        "epochs": recipe.epochs,
        "augmentation": vars(recipe.augment),
        "optimiser": "SGD, Nesterov momentum 0.9, weight decay 5e-4, one cycle to 0.1, batch 128",
        "seed": 0,
        "precision": "trained in bfloat16 (mixed), stored in float16",
        "hardware": f"{torch.get_num_threads()} thread of a CPU ({platform.machine()})",
        "cpu_seconds": round(seconds),
        "torch": torch.__version__,
        "made_with": f"python benchmarks/judges.py --train {key}",
        "licence": "MIT, as the course",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", choices=RECIPES, help="train this judge anew")
    parser.add_argument("--data", type=Path, help="folder or tar with train/ and test/ of images")
    parser.add_argument("--note", default="", help="what the card should add about the data")
    parser.add_argument("--quick", action="store_true", help="few steps or images; writes nothing")
    options = parser.parse_args()
    if options.train:
        train(options.train, options.data, options.quick, options.note)
    keys = [options.train] if options.train else list(RECIPES)
    found = {}
    for key in keys:
        try:
            judge, test = judges.load_judge(key, "cpu"), load(key, "test", options.data)
        except (FileNotFoundError, datasets.DatasetUnavailable) as error:
            print(f"{key:8} not scored: {error}")
            continue
        n = 1000 if options.quick else len(test)
        found[key] = accuracy(judge, test.images[:n], test.labels[:n])
        size = (judges.WEIGHTS / f"{judge.name}.safetensors").stat().st_size / 1e6
        print(f"{key:8} {found[key]:.4f} of {n:,} {test.title}; {size:.2f} MB")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
