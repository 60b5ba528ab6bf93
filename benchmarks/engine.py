"""How much faster is the package's training loop than a careful tutorial's, doing the same maths?

    python benchmarks/engine.py [--quick]

Both loops train the same pair on MNIST with the same losses, batch size and Adam settings. They
alternate in blocks within one process, on one thread, and CPU time is compared; each ratio is the
median over the rounds. First, one update from equal weights, batch and noise is checked to agree.
The last line is JSON: the ratios `mlp` and `wide`, and `difference`, the largest difference of any
weight after that one update.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time

import torch
from torch import nn
from torch.utils.data import DataLoader

import gan_helpers as gh
from gan_helpers.settings import step_generator

BATCH, LR, BETAS = 128, 2e-4, (0.5, 0.999)
PAIRS = {name: gh.models.PAIRS[name] for name in ("mlp", "wide")}
# The one update that is compared weight by weight is made without dropout: its masks are random.
WITHOUT_DROPOUT = {
    "mlp": gh.MLPDiscriminator,
    "wide": lambda: gh.WideDiscriminator(dropout=0.0),
}


# --- the naive loop: as a careful tutorial writes it; not to be tuned --------------------------


def naive_loader():
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    data = datasets.MNIST(gh.data_dir(), train=True, download=False, transform=transform)
    return DataLoader(data, batch_size=BATCH, shuffle=True, drop_last=True)


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
            z_d, z_g = torch.randn(BATCH, G.latent_dim), torch.randn(BATCH, G.latent_dim)
            history.append(naive_step(G, D, g_optimizer, d_optimizer, real, z_d, z_g))
            step += 1
            if step == steps:
                break
    return history


# --- the comparison ----------------------------------------------------------------------------


def engine_train(G, D, dataset, steps):
    return gh.train(G, D, dataset, steps=steps, device="cpu", progress=False, snapshots=1)


def one_update_difference(make_G, make_D, dataset) -> float:
    """Largest difference of any weight after one update by each loop, from the same state."""
    gh.set_seed(0)
    G, D = make_G(), make_D()
    naive_G, naive_D = copy.deepcopy(G), copy.deepcopy(D)
    run = engine_train(G, D, dataset, 1)

    real = dataset.take(dataset.batch_indices(0, BATCH, run.seed))
    z_d, z_g = (
        torch.randn(BATCH, G.latent_dim, generator=step_generator(run.seed, 0, stream))
        for stream in ("d0", "g")
    )
    naive_step(naive_G, naive_D, *naive_optimizers(naive_G, naive_D), real, z_d, z_g)
    pairs = zip(
        [*G.parameters(), *D.parameters()],
        [*naive_G.parameters(), *naive_D.parameters()],
        strict=True,
    )
    return max((a - b).abs().max().item() for a, b in pairs)


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

    dataset, loader = gh.load_dataset("mnist"), naive_loader()
    result: dict[str, float] = {}
    differences = []
    print(f"MNIST, batch {BATCH}, {rounds} rounds of {steps} steps each, one thread, CPU time")
    print(f"{'pair':<6}{'naive ms/step':>15}{'package ms/step':>17}{'ratio':>8}{'difference':>13}")
    for name, (make_G, make_D) in PAIRS.items():
        differences.append(one_update_difference(make_G, WITHOUT_DROPOUT[name], dataset))
        times = {"naive": [], "package": []}
        for _ in range(rounds):
            gh.set_seed(0)
            times["naive"].append(cpu_seconds(naive_train, make_G(), make_D(), loader, steps))
            times["package"].append(cpu_seconds(engine_train, make_G(), make_D(), dataset, steps))
        ratios = [a / b for a, b in zip(times["naive"], times["package"], strict=True)]
        result[name] = round(statistics.median(ratios), 2)
        naive, package = (1000 * statistics.median(times[k]) / steps for k in times)
        print(
            f"{name:<6}{naive:>15.2f}{package:>17.2f}{result[name]:>8.2f}{differences[-1]:>13.1e}"
        )
    print(json.dumps({**result, "difference": max(differences)}))


if __name__ == "__main__":
    main()
