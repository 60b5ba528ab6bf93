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
from pathlib import Path

import torch

from gan_helpers import datasets, judges


def load(key: str, split: str, folder: Path | None) -> datasets.ImageDataset:
    """The judge's data; CIFAR-10 may also be a folder of images, whose re-encoding is recorded."""
    return datasets.load_dataset(key if folder is None else folder, split)


def train(key: str, folder: Path | None, quick: bool, note: str) -> None:
    """Train one judge by its recipe and write weights and card (with --quick: only a few steps)."""
    recipe = judges.RECIPES[key]
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

    judge = judges.train_judge(
        recipe.build(key),
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
    path = judges.save_judge(judge, card)
    card["test_accuracy"] = judges.accuracy(
        judges.load_judge(key, "cpu"), test.images, test.labels
    )  # of the rounded weights, as they are shipped
    judges.save_judge(judges.load_judge(key, "cpu"), card)
    print(f"{path.name}: test accuracy {card['test_accuracy']:.4f}")


def make_card(
    judge: judges.Judge, key: str, data: datasets.ImageDataset, seconds: float, note: str
) -> dict:
    """What a reader of the weights should know about them."""
    recipe = judges.RECIPES[key]
    return {
        "name": judge.name,
        "what": "a small residual classifier whose last features and logits the scores use",
        "data": f"{recipe.title}, {len(data):,} training images" + (f" ({note})" if note else ""),
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
    parser.add_argument("--train", choices=judges.RECIPES, help="train this judge anew")
    parser.add_argument("--data", type=Path, help="folder or tar with train/ and test/ of images")
    parser.add_argument("--note", default="", help="what the card should add about the data")
    parser.add_argument("--quick", action="store_true", help="few steps or images; writes nothing")
    options = parser.parse_args()
    if options.train:
        train(options.train, options.data, options.quick, options.note)
    keys = [options.train] if options.train else list(judges.RECIPES)
    found = {}
    for key in keys:
        try:
            judge, test = judges.load_judge(key, "cpu"), load(key, "test", options.data)
        except (FileNotFoundError, datasets.DatasetUnavailable) as error:
            print(f"{key:8} not scored: {error}")
            continue
        n = 1000 if options.quick else len(test)
        found[key] = judges.accuracy(judge, test.images[:n], test.labels[:n])
        size = (judges.WEIGHTS / f"{judge.name}.safetensors").stat().st_size / 1e6
        print(f"{key:8} {found[key]:.4f} of {n:,} {test.title}; {size:.2f} MB")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
