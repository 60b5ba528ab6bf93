"""Ways to condition on a class: an embedding, a second branch, a projection.

Each generator is called G(z, y), each discriminator D(images, y), y int64 of shape (N,).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .dcgan import DCGANDiscriminator, DCGANGenerator, small_kernel_end, small_kernel_up
from .mlp import IMAGE_SHAPE, WideDiscriminator, WideGenerator


class EmbeddingGenerator(nn.Module):
    """(z (N, 100), y) -> (N, 1, 28, 28): the wide generator on [z, embedding]; 1,503,236.

    Mirza and Osindero 2014, with a learned embedding of 50 numbers a class.
    """

    def __init__(self, latent_dim: int = 100, num_classes: int = 10, label_dim: int = 50):
        super().__init__()
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.label = nn.Embedding(num_classes, label_dim)
        self.net = WideGenerator(latent_dim + label_dim)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.net(torch.cat((z, self.label(y)), dim=1))


class EmbeddingDiscriminator(nn.Module):
    """(images (N, 1, 28, 28), y) -> logits (N,): the wide D on [pixels, embedding]; 559,605."""

    def __init__(self, num_classes: int = 10, label_dim: int = 50, dropout: float = 0.3):
        super().__init__()
        self.num_classes = num_classes
        self.label = nn.Embedding(num_classes, label_dim)
        self.net = WideDiscriminator(dropout, inputs=IMAGE_SHAPE[1] * IMAGE_SHAPE[2] + label_dim)

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        return self.net(torch.cat((images.flatten(1), self.label(y)), dim=1))


class TwoBranchGenerator(nn.Module):
    """(z (N, 100), y) -> (N, 1, 28, 28): z and the label each get a first layer of their own.

    Transposed convolutions of z and of the one-hot label to 256@3 each, concatenated, then
    128@7 -> 64@14 -> 1@28 as in `SmallKernelGenerator`; 878,401 parameters with ten classes.
    """

    def __init__(self, latent_dim: int = 100, num_classes: int = 10):
        super().__init__()
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.from_z = small_kernel_up(latent_dim, 256, 3)
        self.from_label = small_kernel_up(num_classes, 256, 3)
        layers = [small_kernel_up(512, 128, 3), small_kernel_up(128, 64, 2)]
        self.net = nn.Sequential(*layers, nn.ConvTranspose2d(64, 1, 2, stride=2), nn.Tanh())

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        label = F.one_hot(y, self.num_classes).to(z.dtype)
        branches = [
            branch(x.view(len(x), -1, 1, 1))
            for branch, x in ((self.from_z, z), (self.from_label, label))
        ]
        return self.net(torch.cat(branches, dim=1))


class TwoBranchDiscriminator(nn.Module):
    """(images (N, 1, 28, 28), y) -> logits (N,): the label comes as planes, one a class.

    4x4 convolutions of the image and of the label planes to 64@13 each, concatenated, then
    128@5 -> 256@1 -> 1 as in `SmallKernelDiscriminator`; 799,233 parameters with ten classes.
    """

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.num_classes = num_classes
        self.from_image = nn.Sequential(nn.Conv2d(1, 64, 4, stride=2), nn.LeakyReLU(0.2))
        self.from_label = nn.Sequential(nn.Conv2d(num_classes, 64, 4, stride=2), nn.LeakyReLU(0.2))
        self.net = nn.Sequential(*small_kernel_end(64 + 64))

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        planes = F.one_hot(y, self.num_classes).to(images.dtype)[:, :, None, None]
        planes = planes.expand(-1, -1, *images.shape[2:])
        both = torch.cat((self.from_image(images), self.from_label(planes)), dim=1)
        return self.net(both).squeeze(1)


class ConditionalDCGANGenerator(nn.Module):
    """(z (N, latent_dim), y) -> images in [-1, 1]: DCGAN's generator on [z, embedding].

    y may also be float weights (N, num_classes), for what lies between two classes.
    """

    def __init__(self, size: int = 32, channels: int = 3, latent_dim: int = 100,
                 num_classes: int = 10, label_dim: int = 20, width: int = 64):  # fmt: skip
        super().__init__()
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.label = nn.Embedding(num_classes, label_dim)
        self.net = DCGANGenerator(size, channels, latent_dim + label_dim, width)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        code = y @ self.label.weight if y.is_floating_point() else self.label(y)
        return self.net(torch.cat((z, code), dim=1))


class ProjectionDiscriminator(nn.Module):
    """(images, y) -> logits (N,): DCGAN's discriminator and a last layer of its own for each class.

    logit = w . h(x) + v_y . h(x), h the features (Miyato and Koyama 2018, eq. 3): where the class
    is known, the second term says how typical the features are of it. v starts at zero.
    """

    def __init__(self, size: int = 32, channels: int = 3, num_classes: int = 10, width: int = 64):
        super().__init__()
        self.num_classes = num_classes
        self.net = DCGANDiscriminator(size, channels, width)
        self.label = nn.Embedding(num_classes, self.net.last.weight.numel())
        nn.init.zeros_(self.label.weight)

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        features = self.net.features(images)
        return self.net.last(features) + (features.flatten(1) * self.label(y)).sum(1)
