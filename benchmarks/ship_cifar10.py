"""Turn a state of `cifar10_gans.py` into weights that the package ships, scored and with a card.

    python benchmarks/ship_cifar10.py NAME --run FOLDER --data FOLDER [--state early.pt]

NAME is one of `pretrained.PAIRS`. The score is FD(cifar10-judge, 10k vs test) of the generator as
it will be loaded: float16 on disk, float32 in memory, BatchNorm's statistics recomputed for these
weights. The averaged generator is shipped where it scores better than the last one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from cifar10_gans import build, load, settle
from shipping import save_pair
from torch import nn

import gan_helpers as gh
from gan_helpers import metrics, pretrained
from gan_helpers.judges import load_judge
from gan_helpers.live.canvas import enlarged

MODELS = {
    "dcgan-cifar10": "dcgan",
    "dcgan-cifar10-early": "dcgan",
    "upsample-cifar10": "upsample",
    "conditional-cifar10": "conditional",
}


def transfer(source: nn.Module, target: nn.Module) -> nn.Module:
    """Copy weights between two writings of one network: the same tensors in the same order."""
    theirs, mine = source.state_dict(), target.state_dict()
    pairs = list(zip(mine.items(), theirs.items(), strict=True))
    wrong = [(a, b) for (a, x), (b, y) in pairs if x.shape != y.shape]
    if wrong:
        raise ValueError(f"these do not have the same shape: {wrong}")
    target.load_state_dict({name: value for (name, _), (_, value) in pairs})
    return target.eval()


def score(generator: nn.Module, reference, judge, conditional: bool) -> tuple[dict, metrics.Score]:
    labels = torch.arange(10_000) % 10 if conditional else None
    seen = metrics.look(gh.generate(generator, 10_000, labels, seed=1000), judge)
    fd = metrics.frechet_distance(seen, reference)
    found = {"name": fd.name, "value": round(fd.value, 3),
             "interval": [round(x, 3) for x in fd.interval]}  # fmt: skip
    precision, recall = metrics.precision_recall(seen, reference)
    found |= {"precision": round(precision.value, 3), "recall": round(recall.value, 3)}
    if conditional:
        right = (seen.logits.argmax(1) == labels).double().mean()
        found["labels_right"] = round(right.item(), 4)
    return found, fd


def draw_progress(
    run: Path, file: Path, thousands: Sequence[int] = (0, 100, 200, 400, 900, 1500)
) -> None:
    """One picture of the run's fixed noise after so many thousand images: 16 tiles a row, JPEG."""
    from matplotlib import font_manager
    from PIL import Image, ImageDraw, ImageFont

    grids = {round(int(path.stem[5:]), -3) // 1000: path for path in run.glob("grid_*.pt")}
    rows = [torch.load(grids[k], weights_only=True)[:16] for k in thousands]
    tiles = enlarged(torch.cat(rows), columns=16)
    picture = Image.new("RGB", (tiles.width + 110, tiles.height), "white")
    picture.paste(tiles, (110, 0))
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 17)
    for row, k in enumerate(thousands):
        text = f"{k:,}k" if k else "0"
        ImageDraw.Draw(picture).text((4, 68 * row + 22), text, fill="black", font=font)
    picture.save(file, quality=88, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=sorted(MODELS))
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--state", default="state.pt")
    parser.add_argument("--out", type=Path, default=pretrained.WEIGHTS)
    parser.add_argument("--progress", type=Path, help="also draw the run's grids into this file")
    args = parser.parse_args()
    if args.progress is not None:
        draw_progress(args.run, args.progress)
    torch.set_num_threads(1)
    model = MODELS[args.name]
    state = torch.load(args.run / args.state, weights_only=True)
    judge = load_judge("cifar10")
    reference = metrics.look(load(args.data, "test")[0], judge, source="test")
    build_g, build_d = pretrained.PAIRS[args.name]
    candidates = {}
    for key in ("G", "A"):
        G, _ = build(model)
        G.load_state_dict(state[key])
        settle(G)
        network = transfer(G, build_g()).half().float()
        candidates[key] = (network, *score(network, reference, judge, model == "conditional"))
        print(key, candidates[key][2], flush=True)
    best = min(candidates, key=lambda key: candidates[key][2].value)
    generator, scores, fd = candidates[best]
    D = build(model)[1]
    D.load_state_dict(state["D"])
    log = [json.loads(line) for line in (args.run / "log.jsonl").read_text().splitlines()]
    card = {
        "name": args.name,
        "what": "a generator and the discriminator that it was trained against",
        "data": "CIFAR-10, 50,000 training images, re-encoded as JPEG (quality 75, 4:2:0)",
        "images_seen": state["seen"],
        "generator": "as trained" if best == "G" else "a moving average of its weights",
        "seed": state["seed"],
        "precision": "convolutions in bfloat16, weights in float32; stored in float16",
        "hardware": "1 thread of a 2-core AMD EPYC virtual machine, other work beside it",
        "cpu_seconds": round(state["cpu"]),
        "torch": torch.__version__,
        "made_with": f"python benchmarks/cifar10_gans.py {model}",
        "licence": "MIT, as the course",
        "score": str(fd),
        "scores": scores,
        "log": [row for row in log if row["seen"] <= state["seen"]],
    }
    pair = pretrained.Pretrained(args.name, generator, transfer(D, build_d()), None, card)
    print(save_pair(pair, args.out))


if __name__ == "__main__":
    main()
