"""The run that tests/test_training.py kills: small, with everything that a resume must restore."""

import torch
from torch import nn

import gan_helpers as gh
from gan_helpers.callbacks import Callback
from gan_helpers.synthetic import draw_digits

TOTAL = 240


class G(nn.Module):
    latent_dim = 8

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 784)
        )

    def forward(self, z):
        return torch.tanh(self.net(z)).view(-1, 1, 28, 28)


class D(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 32), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(32, 1)
        )

    def forward(self, x):
        return self.net(x).squeeze(1)


class Average(Callback):
    """A running average of G's weights: state that only a callback knows."""

    def __init__(self):
        self.weights = {}

    def after_step(self, run):
        for name, value in run.generator.state_dict().items():
            kept = self.weights.get(name, value.float())
            self.weights[name] = kept + 0.1 * (value.float() - kept)

    def state_dict(self):
        return {"weights": self.weights}

    def load_state_dict(self, state):
        self.weights = state["weights"]


def small_digits():
    images, labels = draw_digits(300, seed=0)
    return gh.ImageDataset(images, labels, tuple("0123456789"), "drawn digits")


def train(run_dir, *watchers, steps=TOTAL, **settings):
    """The whole run, or what is left of it. Returns (run, averaged weights)."""
    torch.set_num_threads(1)
    gh.set_seed(5)
    average = Average()
    run = gh.train(
        G(), D(), small_digits(), steps=steps, batch_size=64, seed=7, run_dir=run_dir, resume=True,
        checkpoint_every=10, callbacks=[average, *watchers], progress=False, **settings,
    )  # fmt: skip
    return run, average.weights


def train_slowly(run_dir, position):
    """As `train`, telling the parent process where it is, and slow enough to be caught."""
    import time

    def tell(run):
        position.value = run.step
        time.sleep(0.002)

    train(run_dir, tell)
