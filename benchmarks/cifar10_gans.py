"""Train the CIFAR-10 GANs whose weights the package ships. Resumable; one process, one thread.

    python benchmarks/cifar10_gans.py MODEL --data FOLDER --out FOLDER --images N [--decay SHARE]

MODEL is `dcgan`, `upsample` or `conditional`. FOLDER holds train/<class>/*.jpg and
test/<class>/*.jpg. The networks stand here a second time on purpose: a training of many hours must
not depend on a package that is being rebuilt. `tests/test_pretrained.py` compares the two.

Non-saturating loss on logits, one D and one G step a batch, Adam (0.5, 0.999), flips, an averaged
generator. The G step reuses the fakes of the D step, judged again by the updated D. Convolutions
run in bfloat16 with float32 master weights. The rate is constant, then falls linearly to zero over
the last `--decay` share of `--images`; a run that is resumed with more images goes on at the full
rate. Every `--score-every` images: FD(cifar10-judge, 5k vs test) of both generators and 64 images
from fixed latents, appended to the log.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gan_helpers as gh

CLASSES = 10


# --- networks ------------------------------------------------------------------------------------


def conv_init(network: nn.Module) -> nn.Module:
    """N(0, 0.02) for convolutions, N(1, 0.02) for BatchNorm's scale (Radford et al. 2016)."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, 0.0, 0.02)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, 0.02)
            nn.init.zeros_(part.bias)
    return network


class DCGenerator(nn.Module):
    """z 100 (+ label embedding) -> 256@4 -> 128@8 -> 64@16 -> 3@32."""

    latent_dim = 100

    def __init__(self, label_dim: int = 0) -> None:
        super().__init__()
        self.label = nn.Embedding(CLASSES, label_dim) if label_dim else None
        self.net = nn.Sequential(
            nn.ConvTranspose2d(100 + label_dim, 256, 4, 1, 0, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.label is not None:
            z = torch.cat((z, self.label(y)), dim=1)
        first = self.net[0].weight  # a 1x1 input: the transposed convolution is a matrix product
        x = (z @ first.flatten(1)).view(-1, first.shape[1], 4, 4)
        return self.net[1:](x.contiguous(memory_format=torch.channels_last))


class DCDiscriminator(nn.Module):
    """3@32 -> 64@16 -> 128@8 -> 256@4 -> logit (+ one last layer a class: projection)."""

    def __init__(self, labels: bool = False) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 64, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, 2, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(0.2),
            nn.Conv2d(128, 256, 4, 2, 1, bias=False),
            nn.BatchNorm2d(256),
            nn.LeakyReLU(0.2),
        )
        self.last = nn.Conv2d(256, 1, 4, 1, 0, bias=False)
        self.label = nn.Embedding(CLASSES, 256 * 4 * 4) if labels else None
        if labels:
            nn.init.zeros_(self.label.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        features = self.net(x).flatten(1)
        logit = (features @ self.last.weight.flatten(1).t()).squeeze(1)
        if self.label is not None:
            logit = logit + (features * self.label(y)).sum(1)
        return logit


# Nearest-neighbour doubling and a 3x3 convolution are one 4x4 transposed convolution of stride 2:
# each output pixel sees two of the three taps fall on the same input pixel.
FOLD = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])


class UpConv(nn.Module):
    """Doubling by nearest neighbour, then a 3x3 convolution, as one transposed convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fold = FOLD.to(self.conv.weight)
        kernel = torch.einsum("ph,qw,oihw->iopq", fold, fold, self.conv.weight)
        return F.conv_transpose2d(x, kernel, self.conv.bias, stride=2, padding=1)


class UpGenerator(nn.Module):
    """z 100 -> Linear 128@8, ReLU -> up, conv 128 -> up, conv 64 -> conv 3."""

    latent_dim = 100

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(100, 128 * 8 * 8)
        self.net = nn.Sequential(
            UpConv(128, 128),
            nn.BatchNorm2d(128, momentum=0.22),
            nn.ReLU(),
            UpConv(128, 64),
            nn.BatchNorm2d(64, momentum=0.22),
            nn.ReLU(),
            nn.Conv2d(64, 3, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, y: None = None) -> Tensor:
        x = self.linear(z).relu().view(-1, 128, 8, 8)
        return self.net(x.contiguous(memory_format=torch.channels_last))


class UpDiscriminator(nn.Module):
    """conv 32, 64 (zero-padded right and bottom), 128, 256, dropout .25; 395,713 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout(0.25),
            nn.Conv2d(32, 64, 3, 2, 1), nn.ZeroPad2d((0, 1, 0, 1)),
            nn.BatchNorm2d(64, momentum=0.18), nn.LeakyReLU(0.25), nn.Dropout(0.25),
            nn.Conv2d(64, 128, 3, 2, 1),
            nn.BatchNorm2d(128, momentum=0.18), nn.LeakyReLU(0.2), nn.Dropout(0.25),
            nn.Conv2d(128, 256, 3, 1, 1),
            nn.BatchNorm2d(256, momentum=0.2), nn.LeakyReLU(0.25), nn.Dropout(0.25),
        )  # fmt: skip
        self.last = nn.Linear(256 * 5 * 5, 1)

    def forward(self, x: Tensor, y: None = None) -> Tensor:
        return self.last(self.net(x).flatten(1)).squeeze(1)


def build(model: str) -> tuple[nn.Module, nn.Module]:
    if model == "dcgan":
        return conv_init(DCGenerator()), conv_init(DCDiscriminator())
    if model == "conditional":
        return conv_init(DCGenerator(label_dim=20)), conv_init(DCDiscriminator(labels=True))
    return UpGenerator(), UpDiscriminator()


SETTINGS = {  # batch, rate, decay of the average
    "dcgan": (64, 2e-4, 0.999),
    "conditional": (64, 2e-4, 0.999),
    "upsample": (64, 2e-4, 0.999),
}


# --- data and scores -----------------------------------------------------------------------------


def load(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """All images (N, 3, 32, 32) uint8 and labels of a split; decoded once, then cached."""
    from PIL import Image

    cache = folder / f"{split}.pt"
    if cache.exists():
        return tuple(torch.load(cache, weights_only=True))
    images, labels = [], []
    for label, part in enumerate(sorted((folder / split).iterdir())):
        for file in sorted(part.glob("*.jpg")):
            images.append(np.asarray(Image.open(file).convert("RGB")))
            labels.append(label)
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    torch.save([stacked, torch.tensor(labels)], cache)
    return stacked, torch.tensor(labels)


@torch.no_grad()
def draw(G: nn.Module, z: Tensor, y: Tensor) -> Tensor:
    G.eval()
    with torch.autocast("cpu", torch.bfloat16):
        parts = [G(a, b).float() for a, b in zip(z.split(100), y.split(100), strict=True)]
    G.train()
    return torch.cat(parts)


@torch.no_grad()
def settle(G: nn.Module, n: int = 40, batch: int = 64) -> None:
    """Recompute BatchNorm's running statistics for these weights, as a plain mean over batches."""
    norms = [m for m in G.modules() if isinstance(m, nn.BatchNorm2d)]
    kept = [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    G.train()
    dice = torch.Generator().manual_seed(5)
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(n):
            z = torch.randn(batch, 100, generator=dice)
            G(z, torch.randint(CLASSES, (batch,), generator=dice))
    for m, momentum in zip(norms, kept, strict=True):
        m.momentum = momentum


# --- training ------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=sorted(SETTINGS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, required=True, help="in all, with those before")
    parser.add_argument("--decay", type=float, default=0.3, help="share with a falling rate")
    parser.add_argument("--score-every", type=int, default=100_000)
    parser.add_argument("--keep-early", type=int, default=30_000, help="also keep this state")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    batch, rate, average_decay = SETTINGS[args.model]

    images, labels = load(args.data, "train")
    test, _ = load(args.data, "test")
    judge = gh.judges.load_judge("cifar10-judge")
    reference = gh.metrics.look(test, judge)
    dice = torch.Generator().manual_seed(123)
    fixed_z = torch.randn(5000, 100, generator=dice)
    fixed_y = torch.arange(5000) % CLASSES

    G, D = build(args.model)
    A, _ = build(args.model)
    A.load_state_dict(G.state_dict())
    for network in (G, D, A):
        network.to(memory_format=torch.channels_last)
    adam = {"lr": rate, "betas": (0.5, 0.999), "fused": True}
    g_opt, d_opt = (
        torch.optim.Adam(G.parameters(), **adam),
        torch.optim.Adam(D.parameters(), **adam),
    )
    seen, cpu = 0, 0.0
    newest = args.out / "state.pt"
    if newest.exists():
        state = torch.load(newest, weights_only=True)
        G.load_state_dict(state["G"]), D.load_state_dict(state["D"]), A.load_state_dict(state["A"])
        g_opt.load_state_dict(state["g_opt"]), d_opt.load_state_dict(state["d_opt"])
        seen, cpu = state["seen"], state["cpu"]
        torch.manual_seed(args.seed + seen)

    def save(name: str = "state.pt") -> None:
        state = {
            "G": G.state_dict(), "D": D.state_dict(), "A": A.state_dict(),
            "g_opt": g_opt.state_dict(), "d_opt": d_opt.state_dict(),
            "seen": seen, "cpu": spent(), "model": args.model, "seed": args.seed,
        }  # fmt: skip
        temporary = args.out / f"{name}.tmp"
        torch.save(state, temporary)
        os.replace(temporary, args.out / name)

    def score() -> None:
        before, done = time.process_time(), round(spent(), 1)
        settle(A)
        losses = {"d_loss": d_sum / max(count, 1), "g_loss": g_sum / max(count, 1)}
        row = {"seen": seen, "cpu": done, "rate": round(now, 7)}
        row |= {name: round(value, 4) for name, value in losses.items()}
        for name, network in (("raw", G), ("averaged", A)):
            fake = draw(network, fixed_z, fixed_y)
            features = gh.metrics.look(fake, judge)
            row[f"fd_{name}"] = round(gh.metrics.frechet_distance(features, reference).value, 3)
            if args.model == "conditional":
                right = (features.logits.argmax(1) == fixed_y).double().mean()
                row[f"right_{name}"] = round(right.item(), 4)
            if name == "averaged":
                grid = ((fake[:64] + 1) * 127.5).round().to(torch.uint8)
                torch.save(grid, args.out / f"grid_{seen:08d}.pt")
        with open(args.out / "log.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)
        overhead[0] += time.process_time() - before

    overhead = [0.0]
    started = time.process_time()

    def spent() -> float:
        """CPU seconds of training so far, without those of scoring."""
        return cpu + time.process_time() - started - overhead[0]

    count, d_sum, g_sum, now = 0, 0.0, 0.0, rate
    if seen == 0:
        score()
    while seen < args.images:
        falling = max(1.0, args.decay * args.images)
        now = rate * min(1.0, max(0.0, (args.images - seen) / falling))
        for optimizer in (g_opt, d_opt):
            optimizer.param_groups[0]["lr"] = now
        index = torch.randint(len(images), (batch,))
        real = images[index].float().div_(127.5).sub_(1)
        flip = torch.rand(batch) < 0.5
        real[flip] = real[flip].flip(3)
        real = real.contiguous(memory_format=torch.channels_last)
        y = labels[index]
        z = torch.randn(batch, 100)
        with torch.autocast("cpu", torch.bfloat16):
            fake = G(z, y)
            d_real, d_fake = D(real, y).float(), D(fake.detach(), y).float()
            d_loss = F.softplus(-d_real).mean() + F.softplus(d_fake).mean()
        d_opt.zero_grad()
        d_loss.backward()
        d_opt.step()
        for p in D.parameters():
            p.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16):
            g_loss = F.softplus(-D(fake, y).float()).mean()
        g_opt.zero_grad()
        g_loss.backward()
        g_opt.step()
        for p in D.parameters():
            p.requires_grad_(True)
        seen += batch
        beta = min(average_decay, (1 + seen / batch) / (10 + seen / batch))
        with torch.no_grad():
            torch._foreach_lerp_(list(A.parameters()), list(G.parameters()), 1 - beta)
        count += 1
        d_sum += d_loss.item()
        g_sum += g_loss.item()
        if seen // 20_000 > (seen - batch) // 20_000:
            if not torch.isfinite(d_loss + g_loss):
                raise SystemExit(f"not finite after {seen} images; the last state is kept")
            save()
        if args.keep_early and seen // args.keep_early == 1 and (seen - batch) < args.keep_early:
            save("early.pt")
        if seen // args.score_every > (seen - batch) // args.score_every:
            score()
            count, d_sum, g_sum = 0, 0.0, 0.0
    save()
    score()


if __name__ == "__main__":
    main()
