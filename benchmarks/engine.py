"""How much faster is the package's training loop than a careful tutorial's, doing the same maths?

    python benchmarks/engine.py [--quick]

Both loops train the same pair with the same losses, batch size and Adam settings: the two dense
ones on MNIST, and the upsample pair on drawn shapes of CIFAR-10's size (what is drawn does not
change the time), at batch 32 and against its original, which doubles the maps and then convolves
them. They alternate in blocks within one process, on one thread, and CPU time is compared; each
ratio is the median over the rounds. First, one update from equal weights, batch and noise is
checked to agree. The last line is JSON: the ratios `mlp`, `wide` and `upsample`, and `difference`,
the largest difference of any weight after that one update (biases in front of a BatchNorm aside,
which takes them off again: their gradient is rounding, and Adam makes whole steps of it).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import gan_helpers as gh
from gan_helpers.settings import step_generator

LR, BETAS = 2e-4, (0.5, 0.999)


# --- the naive loop: as a careful tutorial writes it; not to be tuned --------------------------


def naive_loader():
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    data = datasets.MNIST(gh.data_dir(), train=True, download=False, transform=transform)
    return DataLoader(data, batch_size=128, shuffle=True, drop_last=True)


class NaiveCIFAR10(Dataset):
    """Reads as torchvision's CIFAR10 does: an array in memory, an image at a time through PIL."""

    def __init__(self, images, labels):
        from torchvision import transforms

        self.data, self.targets = images.permute(0, 2, 3, 1).numpy(), labels.tolist()
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
        )

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        from PIL import Image

        return self.transform(Image.fromarray(self.data[index])), self.targets[index]


def naive_upsample_generator():
    """UpsampleGenerator as its tutorial writes it; the same weights in the same order."""

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.latent_dim = 100
            self.linear = nn.Linear(100, 128 * 8 * 8)
            self.conv = nn.Sequential(
                nn.ReLU(),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(128, 128, 3, padding=1),
                nn.BatchNorm2d(128, momentum=0.22),
                nn.ReLU(),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(128, 64, 3, padding=1),
                nn.BatchNorm2d(64, momentum=0.22),
                nn.ReLU(),
                nn.Conv2d(64, 3, 3, padding=1),
                nn.Tanh(),
            )

        def forward(self, z):
            return self.conv(self.linear(z).view(-1, 128, 8, 8))

    return Generator()


def naive_optimizers(G, D):
    return (
        torch.optim.Adam(G.parameters(), lr=LR, betas=BETAS),
        torch.optim.Adam(D.parameters(), lr=LR, betas=BETAS),
    )


def naive_step(G, D, g_optimizer, d_optimizer, real, z_d, z_g):
    criterion = nn.BCELoss()
    ones, zeros = torch.ones(len(real)), torch.zeros(len(real))

    d_optimizer.zero_grad()
    fake = G(z_d)
    d_real = torch.sigmoid(D(real))
    d_fake = torch.sigmoid(D(fake.detach()))
    d_loss = criterion(d_real, ones) + criterion(d_fake, zeros)
    d_loss.backward()
    d_optimizer.step()

    g_optimizer.zero_grad()
    g_loss = criterion(torch.sigmoid(D(G(z_g))), ones)
    g_loss.backward()
    g_optimizer.step()
    return d_loss.item(), g_loss.item(), d_real.mean().item(), d_fake.mean().item()


def naive_train(G, D, loader, steps):
    g_optimizer, d_optimizer = naive_optimizers(G, D)
    history, step = [], 0
    while step < steps:
        for real, _ in loader:
            z_d = torch.randn(len(real), G.latent_dim)
            z_g = torch.randn(len(real), G.latent_dim)
            history.append(naive_step(G, D, g_optimizer, d_optimizer, real, z_d, z_g))
            step += 1
            if step == steps:
                break
    return history


# --- the comparison ----------------------------------------------------------------------------


@dataclass
class Case:
    """A pair, what it is trained on by each loop, and how the naive loop's generator is built."""

    name: str
    dataset: gh.ImageDataset
    loader: DataLoader
    naive_G: Callable[[], nn.Module] | None = None  # None: the same class
    batch: int = 128
    scale: float = 1.0  # shares of the steps, for pairs whose steps are long

    def networks(self, naive: bool, **options) -> tuple[nn.Module, nn.Module]:
        """The pair from seed 0; both kinds of generator begin with the same weights."""
        gh.set_seed(0)
        make_G, make_D = gh.models.PAIRS[self.name]
        G, D = make_G(), make_D(**options)
        if naive and self.naive_G is not None:
            weights = list(G.state_dict().values())
            G = self.naive_G()
            G.load_state_dict(dict(zip(G.state_dict(), weights, strict=True)))
        return G, D


def cases() -> list[Case]:
    mnist, mnist_loader = gh.load_dataset("mnist"), naive_loader()
    colour = gh.ImageDataset(*gh.draw_shapes(10_000, seed=0), name="drawn shapes")
    loader = DataLoader(
        NaiveCIFAR10(colour.images, colour.labels), batch_size=32, shuffle=True, drop_last=True
    )
    return [
        Case("mlp", mnist, mnist_loader),
        Case("wide", mnist, mnist_loader),
        Case("upsample", colour, loader, naive_upsample_generator, batch=32, scale=0.25),
    ]


def engine_train(G, D, dataset, steps, batch=128):
    return gh.train(
        G, D, dataset, steps=steps, batch_size=batch, device="cpu", progress=False, snapshots=1
    )


def one_update_difference(case: Case) -> float:
    """Largest difference of any weight after one update by each loop, from the same state."""
    # Without dropout: its masks are random.
    options = {} if case.name == "mlp" else {"dropout": 0.0}
    naive_G, naive_D = case.networks(naive=True, **options)
    G, D = case.networks(naive=False, **options)
    dataset = case.dataset
    run = engine_train(G, D, dataset, 1, case.batch)

    real = dataset.take(dataset.batch_indices(0, case.batch, run.seed))
    z_d, z_g = (
        torch.randn(case.batch, G.latent_dim, generator=step_generator(run.seed, 0, stream))
        for stream in ("d0", "g")
    )
    naive_step(naive_G, naive_D, *naive_optimizers(naive_G, naive_D), real, z_d, z_g)
    pairs = zip(
        [*G.parameters(), *D.parameters()],
        [*naive_G.parameters(), *naive_D.parameters()],
        strict=True,
    )
    idle = {id(bias) for network in (G, D) for bias in biases_before_a_norm(network)}
    return max((a - b).abs().max().item() for a, b in pairs if id(a) not in idle)


def biases_before_a_norm(network: nn.Module) -> list[nn.Parameter]:
    """Biases that the BatchNorm right behind them subtracts again."""
    chains = [list(m) for m in network.modules() if isinstance(m, nn.Sequential)]
    return [
        layer.bias
        for chain in chains
        for layer, following in zip(chain, chain[1:], strict=False)
        if isinstance(following, nn.BatchNorm2d) and getattr(layer, "bias", None) is not None
    ]


def cpu_seconds(function, *arguments) -> float:
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    quick = parser.parse_args().quick
    rounds, steps = (3, 40) if quick else (7, 200)
    torch.set_num_threads(1)

    result: dict[str, float] = {}
    differences = []
    print(f"{rounds} rounds of {steps} steps each (upsample: a quarter), one thread, CPU time")
    print(f"{'pair':<10}{'naive':>8}{'package':>9} images/s{'ratio':>7}{'difference':>12}  data")
    for case in cases():
        differences.append(one_update_difference(case))
        count = round(case.scale * steps)
        times = {"naive": [], "package": []}
        for _ in range(rounds):
            G, D = case.networks(naive=True)
            times["naive"].append(cpu_seconds(naive_train, G, D, case.loader, count))
            G, D = case.networks(naive=False)
            arguments = (G, D, case.dataset, count, case.batch)
            times["package"].append(cpu_seconds(engine_train, *arguments))
        ratios = [a / b for a, b in zip(times["naive"], times["package"], strict=True)]
        result[case.name] = round(statistics.median(ratios), 2)
        naive, package = (case.batch * count / statistics.median(times[k]) for k in times)
        print(
            f"{case.name:<10}{naive:>8.0f}{package:>9.0f}         {result[case.name]:>7.2f}"
            f"{differences[-1]:>12.1e}  {case.dataset.title}, batch {case.batch}"
        )
    print(json.dumps({**result, "difference": max(differences)}))


if __name__ == "__main__":
    main()
