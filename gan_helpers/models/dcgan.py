"""Convolutional pairs: DCGAN for 28, 32 and 64 pixels, and three relatives to compare it with."""

import math

from torch import Tensor, nn

from .layers import FromLatent, ToLogit, UpsampleConv


def dcgan_init(network: nn.Module) -> nn.Module:
    """Draw weights as DCGAN does, in place, and return the network: use it as `dcgan_init(G)`.

    Convolutions N(0, 0.02) with biases 0 (Radford et al. 2016, section 4); BatchNorm's scale
    N(1, 0.02) and shift 0, which the authors' code does and the paper does not say.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(part.weight, 0.0, 0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(part.weight, 1.0, 0.02)
            nn.init.zeros_(part.bias)
    return network


def _stages(size: int) -> tuple[int, int]:
    """Side of the first feature maps, and how many times it doubles up to `size`."""
    first = {28: 7, 32: 4, 64: 4}.get(size)
    if first is None:
        raise ValueError(f"size={size}; this pair is made for images of 28, 32 or 64 pixels")
    return first, round(math.log2(size // first))


class DCGANGenerator(nn.Module):
    """z (N, latent_dim) -> images (N, channels, size, size) in [-1, 1]; size 28, 32 or 64.

    The rules of Radford et al. 2016: strides in place of pooling or upsampling, BatchNorm in all
    layers but the last, ReLU, tanh at the end, no biases. `width` is the number of channels of the
    last hidden layer, and doubles toward z: for 32 pixels 256@4 -> 128@8 -> 64@16 -> 3@32.
    """

    def __init__(self, size: int = 32, channels: int = 3, latent_dim: int = 100, width: int = 64):
        super().__init__()
        self.latent_dim = latent_dim
        first, doublings = _stages(size)
        outputs = width * 2 ** (doublings - 1)
        layers = [FromLatent(latent_dim, outputs, first), nn.BatchNorm2d(outputs), nn.ReLU()]
        for _ in range(doublings - 1):
            inputs, outputs = outputs, outputs // 2
            layers += [
                nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
        layers += [nn.ConvTranspose2d(outputs, channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.net = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


class DCGANDiscriminator(nn.Module):
    """images (N, channels, size, size) in [-1, 1] -> logits (N,): the generator's mirror image.

    Strided convolutions, LeakyReLU(0.2), BatchNorm in all layers but the first and the last, no
    biases (Radford et al. 2016). For 32 pixels 3@32 -> 64@16 -> 128@8 -> 256@4 -> 1.
    """

    def __init__(self, size: int = 32, channels: int = 3, width: int = 64):
        super().__init__()
        last, halvings = _stages(size)
        layers = [nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2)]
        for _ in range(halvings - 1):
            inputs, width = width, 2 * width
            layers += [
                nn.Conv2d(inputs, width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.2),
            ]
        self.features = nn.Sequential(*layers)
        self.last = ToLogit(width, last)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.features(images))


class UpsampleGenerator(nn.Module):
    """z (N, 100) -> (N, 3, 32, 32): Linear to 128@8, twice (upsample, 3x3 convolution), tanh.

    The pair of many Keras tutorials, after E. Linder-Norén's Keras-GAN; 1,050,883 parameters.
    Its BatchNorm momentum of 0.78 there is 0.22 here. Breaks DCGAN's rules by a dense layer,
    upsampling in place of strides, and biases.
    """

    def __init__(self, latent_dim: int = 100):
        super().__init__()
        self.latent_dim = latent_dim
        self.linear = nn.Linear(latent_dim, 128 * 8 * 8)
        self.net = nn.Sequential(
            nn.ReLU(),
            UpsampleConv(128, 128),
            nn.BatchNorm2d(128, momentum=0.22),
            nn.ReLU(),
            UpsampleConv(128, 64),
            nn.BatchNorm2d(64, momentum=0.22),
            nn.ReLU(),
            nn.Conv2d(64, 3, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.net(self.linear(z).view(-1, 128, 8, 8))


class UpsampleDiscriminator(nn.Module):
    """images (N, 3, 32, 32) in [-1, 1] -> logits (N,); 395,713 parameters.

    3x3 convolutions of 32, 64, 128 (stride 2) and 256 channels, dropout after each; between the
    second and its BatchNorm the 8x8 maps are padded to 9x9, so that the features are 256@5.
    """

    def __init__(self, dropout: float = 0.25):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.BatchNorm2d(64, momentum=0.18),
            nn.LeakyReLU(0.25),
            nn.Dropout(dropout),
            nn.Conv2d(64, 128, 3, stride=2, padding=1),
            nn.BatchNorm2d(128, momentum=0.18),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Conv2d(128, 256, 3, padding=1),
            nn.BatchNorm2d(256, momentum=0.2),
            nn.LeakyReLU(0.25),
            nn.Dropout(dropout),
        )
        self.last = nn.Linear(256 * 5 * 5, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.net(images).flatten(1)).squeeze(1)


class Transposed5x5Generator(nn.Module):
    """z (N, 100) -> (N, 3, 32, 32): Linear to 256@8, then 5x5 transposed convolutions, tanh.

    128 (stride 1), 128 (2), 64 (2), 3 (1); LeakyReLU(0.3), no biases, the first BatchNorm over all
    16,384 units; 3,110,208 parameters. The shape of TensorFlow's DCGAN tutorial, for 32 pixels.
    """

    def __init__(self, latent_dim: int = 100):
        super().__init__()
        self.latent_dim = latent_dim
        self.linear = nn.Sequential(
            nn.Linear(latent_dim, 256 * 8 * 8, bias=False),
            nn.BatchNorm1d(256 * 8 * 8),
            nn.LeakyReLU(0.3),
        )
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((256, 128, 1), (128, 128, 2), (128, 64, 2)):
            layers += [
                # output_padding makes stride 2 an exact doubling: 8 -> 16, not 15.
                nn.ConvTranspose2d(inputs, outputs, 5, stride, 2, stride - 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.3),
            ]
        self.net = nn.Sequential(
            *layers, nn.ConvTranspose2d(64, 3, 5, padding=2, bias=False), nn.Tanh()
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.net(self.linear(z).view(-1, 256, 8, 8))


class Convolution5x5Discriminator(nn.Module):
    """images (N, 3, 32, 32) in [-1, 1] -> logits (N,): 5x5, stride 2, no BatchNorm, dropout.

    64@16 -> 128@8 -> 256@4 -> 1, LeakyReLU(0.3); 1,033,345 parameters.
    """

    def __init__(self, dropout: float = 0.3):
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 64), (64, 128), (128, 256)):
            layers += [
                nn.Conv2d(inputs, outputs, 5, stride=2, padding=2),
                nn.LeakyReLU(0.3),
                nn.Dropout(dropout),
            ]
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 4 * 4, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images).squeeze(1)


class SmallKernelGenerator(nn.Module):
    """z (N, 100) -> (N, 1, 28, 28) along 3 -> 7 -> 14 -> 28; 559,681 parameters.

    Transposed convolutions with kernels 3, 3, 2, 2 and stride 2 of 256, 128, 64 and 1 channels.
    Its original draws in [0, 1] with a sigmoid; here it ends in tanh as all generators do.
    """

    def __init__(self, latent_dim: int = 100):
        super().__init__()
        self.latent_dim = latent_dim
        layers = [*small_kernel_up(latent_dim, 256, 3), *small_kernel_up(256, 128, 3)]
        layers += [*small_kernel_up(128, 64, 2), nn.ConvTranspose2d(64, 1, 2, stride=2), nn.Tanh()]
        self.net = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z.view(len(z), -1, 1, 1))


class SmallKernelDiscriminator(nn.Module):
    """images (N, 1, 28, 28) in [-1, 1] -> logits (N,) along 28 -> 13 -> 5 -> 1; 657,857 parameters.

    4x4 convolutions of stride 2 without padding, 64, 128 and 256 channels, BatchNorm in the last
    two, then one linear layer.
    """

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 64, 4, stride=2), nn.LeakyReLU(0.2), *small_kernel_end(64)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images).squeeze(1)


def small_kernel_up(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Twice as large, about: (N, inputs, H, W) -> (N, outputs, 2 (H - 1) + kernel, ...)."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, kernel, stride=2), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def small_kernel_end(inputs: int) -> list[nn.Module]:
    """The layers from maps (N, inputs, 13, 13) to logits (N, 1): 128@5 -> 256@1 -> 1."""
    return [
        nn.Conv2d(inputs, 128, 4, stride=2),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2),
        nn.Conv2d(128, 256, 4, stride=2),
        nn.BatchNorm2d(256),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(256, 1),
    ]


def conv_output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, transposed: bool = False,
    output_padding: int = 0,
) -> int:  # fmt: skip
    """The side of a (transposed) convolution's output for a square input of side `size`.

    floor((size + 2 padding - kernel) / stride) + 1, and for the transposed one
    (size - 1) stride - 2 padding + kernel + output_padding (Dumoulin and Visin 2016). Raises
    ValueError where the kernel does not fit into the padded input.
    """
    if transposed:
        result = (size - 1) * stride - 2 * padding + kernel + output_padding
    else:
        result = (size + 2 * padding - kernel) // stride + 1
    if result < 1 or (not transposed and kernel > size + 2 * padding):
        raise ValueError(
            f"a kernel of {kernel} with padding {padding} does not fit an input of side {size}: is "
            "the network made for larger images?"
        )
    return result
