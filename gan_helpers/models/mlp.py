"""Fully connected pairs for 28x28 images: the one of notebook 02 and a wider one."""

import math

import torch
from torch import nn

IMAGE_SHAPE = (1, 28, 28)


class MLPGenerator(nn.Module):
    """z (N, latent_dim) -> images (N, *image_shape) in [-1, 1].

    latent_dim -> hidden_dim -> hidden_dim -> pixels, LeakyReLU(0.2) between, tanh at the end.
    """

    def __init__(
        self,
        latent_dim: int = 64,
        hidden_dim: int = 256,
        image_shape: tuple[int, int, int] = IMAGE_SHAPE,
    ):
        super().__init__()
        self.latent_dim = latent_dim
        self.image_shape = tuple(image_shape)
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, math.prod(image_shape)),
            nn.Tanh(),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.net(z).view(-1, *self.image_shape)


class MLPDiscriminator(nn.Module):
    """images (N, *image_shape) in [-1, 1] -> logits (N,).

    pixels -> hidden_dim -> hidden_dim -> 1, LeakyReLU(0.2) between, no sigmoid.
    """

    def __init__(self, hidden_dim: int = 256, image_shape: tuple[int, int, int] = IMAGE_SHAPE):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(image_shape), hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, 1),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images).squeeze(1)


class WideGenerator(nn.Module):
    """z (N, latent_dim) -> images (N, 1, 28, 28) in [-1, 1]. 1,489,936 parameters by default.

    latent_dim -> 256 -> 512 -> 1024 -> 784, each hidden layer LeakyReLU(0.2) and *then*
    BatchNorm1d, tanh at the end.
    """

    def __init__(self, latent_dim: int = 100):
        super().__init__()
        self.latent_dim = latent_dim
        layers: list[nn.Module] = []
        for inputs, outputs in ((latent_dim, 256), (256, 512), (512, 1024)):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2), nn.BatchNorm1d(outputs)]
        self.net = nn.Sequential(*layers, nn.Linear(1024, math.prod(IMAGE_SHAPE)), nn.Tanh())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.net(z).view(-1, *IMAGE_SHAPE)


class WideDiscriminator(nn.Module):
    """images (N, 1, 28, 28) in [-1, 1] -> logits (N,); 533,505 parameters.

    784 -> 512 -> 256 -> 1, LeakyReLU(0.2) and dropout after each hidden layer, no sigmoid.
    """

    def __init__(self, dropout: float = 0.3, inputs: int = math.prod(IMAGE_SHAPE)):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs, 512),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(512, 256),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(256, 1),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images).squeeze(1)
