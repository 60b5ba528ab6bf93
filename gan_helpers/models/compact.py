"""The compact pair: small convolutions that draw readable digits after seconds on one core.

It is made for speed on a CPU. G's last and D's first layer work at half the resolution, since
rearranging 2x2 pixels into channels is free; D has no BatchNorm and is held in check by
`callbacks.SpectralProjection`; both use Adam with betas (0, 0.99).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LABEL_SCALE = 3.0  # a one-hot label of length 1 would be lost among 64 normal coordinates


class CompactGenerator(nn.Module):
    """z (N, latent_dim), and y (N,) int64 with `num_classes`, -> (N, 1, 28, 28) in [-1, 1].

    y may also be float weights (N, num_classes), for what lies between two classes.

    Linear to 32@7 -> transposed convolution to 16@14 -> 3x3 convolution to 4@14, whose channels are
    the 2x2 pixels of 1@28; BatchNorm and ReLU between, tanh at the end.
    """

    def __init__(self, latent_dim: int = 64, num_classes: int | None = None, width: int = 16):
        super().__init__()
        self.latent_dim, self.num_classes, self.width = latent_dim, num_classes, width
        self.linear = nn.Linear(latent_dim + (num_classes or 0), 2 * width * 7 * 7, bias=False)
        self.net = nn.Sequential(
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 4, 3, padding=1),
            nn.PixelShuffle(2),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.num_classes is not None:
            code = y if y.is_floating_point() else F.one_hot(y, self.num_classes)
            z = torch.cat((z, LABEL_SCALE * code), dim=1)
        return self.net(self.linear(z).view(-1, 2 * self.width, 7, 7))


class CompactDiscriminator(nn.Module):
    """images (N, 1, 28, 28) in [-1, 1], and y (N,) with `num_classes`, -> logits (N,).

    2x2 pixels to channels, 4@14 -> 16@14 -> 32@7 -> 64@4 -> 1, LeakyReLU(0.2), no BatchNorm. The
    label enters by projection: a learned vector of its class times the features (Miyato and
    Koyama 2018).
    """

    def __init__(self, num_classes: int | None = None, width: int = 16):
        super().__init__()
        self.num_classes = num_classes
        self.net = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.last = nn.Linear(4 * width * 4 * 4, 1)
        if num_classes is not None:
            self.label = nn.Embedding(num_classes, 4 * width * 4 * 4)

    def forward(self, images: Tensor, y: Tensor | None = None) -> Tensor:
        features = self.net(images)
        logits = self.last(features).squeeze(1)
        return logits if self.num_classes is None else logits + (features * self.label(y)).sum(1)
