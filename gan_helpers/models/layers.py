"""What the models share: three layers written for speed, counting parameters, `describe`."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Doubling by nearest neighbour puts one input pixel under two of the three taps of a 3x3 kernel:
# row p of this matrix says which taps add up to tap p of the equal 4x4 transposed convolution.
_FOLD = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))


class FromLatent(nn.ConvTranspose2d):
    """The transposed convolution of a 1x1 input: z (N, latent_dim) -> (N, channels, size, size).

    Of a single pixel it is one matrix product, and is computed as such, without a bias; z may also
    have the shape (N, latent_dim, 1, 1).
    """

    def __init__(self, latent_dim: int, channels: int, size: int):
        super().__init__(latent_dim, channels, size, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        return (z.flatten(1) @ self.weight.flatten(1)).view(-1, *self.weight.shape[1:])


class ToLogit(nn.Conv2d):
    """The convolution whose kernel covers its whole input: (N, channels, size, size) -> (N,)."""

    def __init__(self, channels: int, size: int):
        super().__init__(channels, 1, size, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        return features.flatten(1) @ self.weight.flatten()


class UpsampleConv(nn.Conv2d):
    """Doubling by nearest neighbour, then a 3x3 convolution: (N, C, H, W) -> (N, C', 2H, 2W).

    Computed as the one transposed convolution (4x4, stride 2) that it equals, which does not
    compute on copied pixels.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True):
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        fold = self.weight.new_tensor(_FOLD)
        kernel = torch.einsum("ph,qw,oihw->iopq", fold, fold, self.weight)
        return F.conv_transpose2d(images, kernel, self.bias, stride=2, padding=1)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters (single weights, not tensors)."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@contextlib.contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the `with`; afterwards each layer is in the mode it was in."""
    modes = [(module, module.training) for network in networks for module in network.modules()]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def describe(model: nn.Module, *inputs: Tensor) -> str:
    """A table of the layers of `model`, in the order in which they run on `inputs`.

    One line a leaf module: name, type, output shape, trainable parameters; the last line is the
    total. The model's mode and its BatchNorm statistics are left as they were. Print the result.
    """
    names = {module: name for name, module in model.named_modules() if not list(module.children())}
    rows = [("layer", "type", "output", "parameters")]

    def record(module: nn.Module, _inputs: object, output: object, name: str = "") -> None:
        shape = str(tuple(output.shape)) if isinstance(output, Tensor) else "-"
        number = f"{count_parameters(module):,}"
        rows.append((name or names[module], type(module).__name__, shape, number))

    hooks = [module.register_forward_hook(record) for module in names]
    try:
        # Evaluation mode: a look must not update running statistics or draw dropout masks.
        with evaluating(model), torch.no_grad():
            output = model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    record(model, inputs, output, "total")
    a, b, c, d = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = [f"{n:<{a}}  {kind:<{b}}  {shape:<{c}}  {p:>{d}}" for n, kind, shape, p in rows]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
