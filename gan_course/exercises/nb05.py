"""Checks of notebook 05: networks that take a label. `nb05_labels` has what is done with them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gan_helpers.models import MLPDiscriminator, MLPGenerator

from .architecture import (
    assess_logits,
    assess_network,
    assess_outputs,
    assess_range,
    build,
    need_gradient_of_images,
    need_size_used,
    need_whole_z,
)
from .catalogue import MISTAKES
from .compare import close, need_tensor
from .explain import Cause
from .framework import Raised, calling, exercise, probe_device, wrong
from .probes import call_of

MISTAKES.update(
    {
        "cond-g-blind": "G does not see the label",
        "cond-label-only-shifts": "the label shifts D's logit by the same amount for every image",
    }
)


# --- 5.1 and 5.2: networks that take a label -----------------------------------------------------


class ConditionalGenerator(nn.Module):
    """(z (N, latent_dim), y (N,)) -> (N, 1, 28, 28): the MLP of notebook 02 on [z, embedding]."""

    def __init__(self, latent_dim: int = 64, num_classes: int = 10, hidden_dim: int = 256):
        super().__init__()
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.label = nn.Embedding(num_classes, 32)
        self.net = MLPGenerator(latent_dim + 32, hidden_dim)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.net(torch.cat([z, self.label(y)], dim=1))


class ConditionalDiscriminator(nn.Module):
    """(images (N, 1, 28, 28), y (N,)) -> logits (N,): the MLP of 02 on [pixels, embedding]."""

    def __init__(self, num_classes: int = 10, hidden_dim: int = 256):
        super().__init__()
        self.label = nn.Embedding(num_classes, 32)
        self.net = MLPDiscriminator(hidden_dim, (784 + 32,))

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        return self.net(torch.cat([images.flatten(1), self.label(y)], dim=1))


class _InTurn(nn.Module):
    """A conditional network as one of its first argument alone: each row has a fixed class."""

    def __init__(self, network: nn.Module, classes: int):
        super().__init__()
        self.network, self.classes = network, classes

    def named_modules(self, *args, **options):
        """The network's own, so that messages name parts as the reader's class does."""
        return self.network.named_modules(*args, **options)

    def forward(self, x: Tensor) -> Tensor:
        # 7 has no divisor in common with 10 and 12: all classes occur, and not in their order.
        return self.network(x, (7 * torch.arange(len(x), device=x.device) + 3) % self.classes)


_AS_NUMBER = (
    "the class index goes into a layer as a number. A 7 is not seven times a 1: a class needs a "
    "code of its own, an embedding or a one-hot vector."
)
_HINTS: list[Cause] = [
    (r"dtype|expected scalar type|Long", "cond-index-as-float", _AS_NUMBER),
    (r"index out of range|out of bounds|Class values must be smaller", "hardcoded-size",
     "a class index is larger than the table in which it is looked up. Which number of rows "
     "should the table have?"),
    (r"mat1 and mat2|size of tensor|Sizes of tensors", None,
     "two sizes do not fit. Count the columns after the label's code has been joined on; "
     "`F.one_hot` without its second argument makes as many as this batch happens to need."),
]  # fmt: skip
_BLIND = {
    "cond-g-blind": "G draws the same image from one z whatever the label is, so nothing can be "
    "ordered",
    "cond-d-blind": "D says the same of an image under every label, so G is never told whether it "
    "drew what was ordered",
}


def _call(network: nn.Module, inputs: Tensor, classes: int, call: str) -> Tensor:
    """The network's output for `inputs`, whose rows have the classes in turn."""
    _need_rows_for_all(network, classes, call)
    y = torch.arange(len(inputs), device=inputs.device) % classes
    shown = f"{call}(…, y) with a first argument of shape {tuple(inputs.shape)}, y ({len(y)},)"
    try:
        with calling(shown, _HINTS):
            result = network(inputs, y)
    except Raised as raised:
        with contextlib.suppress(Exception):
            network(y, inputs)
            raised.hints = [("", None, "y is taken for the first argument, and it comes last.")]
        raise
    need_tensor(result, shown)
    return result


def _need_rows_for_all(network: nn.Module, classes: int, call: str) -> None:
    """Name an embedding that has fewer rows than there are classes."""
    for part in network.modules():
        if isinstance(part, nn.Embedding) and part.num_embeddings < classes:
            rows = part.num_embeddings
            mistake = "cond-embedding-shared-size" if rows == 5 else "hardcoded-size"
            wrong(f"""{mistake}: `{call}`: the embedding has {rows} rows, and each of the {classes}
                classes needs one. Which argument says how many there are?""")


def _need_labels_used(network: nn.Module, x: Tensor, classes: int, call: str, blind: str) -> None:
    """Reject a network that ignores the label or takes its index for a number."""
    network.eval()
    n = min(len(x), 24)
    each = x[:n].repeat_interleave(classes, 0)  # every input under every class in turn
    with torch.no_grad():
        out = _call(network, each, classes, call).reshape(n, classes, -1).double()
    by_class = out.transpose(0, 1).flatten(1)
    gaps = torch.cdist(by_class, by_class, compute_mode="donot_use_mm_for_euclid_dist")
    if not gaps.max() > 1e-6:
        with torch.no_grad():
            each_label = [network(x[:n], torch.full((n,), k, device=x.device)) for k in (0, 1)]
        if not close(*each_label, 1e-6):
            wrong("""Each row's result depends on the labels of the whole batch, and not on its own:
                where labels differ, all rows are treated alike. Does each row meet the code of its
                own label alone?""")
        wrong(f"{blind}: The shapes are right, but {_BLIND[blind]}. Where does y enter the layers?")
    gaps.fill_diagonal_(float("inf"))
    first, second = divmod(int(gaps.argmin()), classes)
    if not gaps.min() > 1e-6:
        wrong(f"""The classes {first} and {second} lead to the same result. How is the code of a
            class made, and does each row get that of its own label?""")
    if blind == "cond-d-blind":
        _need_label_meets_image(out[..., 0])
    rows = [part.num_embeddings for part in network.modules() if isinstance(part, nn.Embedding)]
    first = max([classes, *rows])
    try:  # a table has no row for a class that does not exist; a number goes in anyway
        with torch.no_grad():
            beyond = network(each[:2], torch.tensor([first, first + 9], device=x.device))
    except Exception:
        return
    finally:
        network.train()
    known = any(close(beyond[0].flatten(), row.flatten(), 1e-6) for row in out[0])  # y % classes
    if not known and not close(beyond[0], beyond[1], 1e-6):
        wrong(f"cond-index-as-float: It runs, but {_AS_NUMBER}")


def _need_label_meets_image(logits: Tensor) -> None:
    """Reject logits (images, classes) that are a part of the image plus a part of the label."""
    by_label = logits - logits.mean(1, keepdim=True)
    if not (by_label - by_label.mean(0)).norm() > 1e-3 * by_label.norm():
        wrong("""cond-label-only-shifts: The label moves the logit by the same amount whatever the
            image shows: this D can say that a class is rare, but never that an image does not fit
            its label. Where do image and label meet, and is there anything after that which is not
            linear?""")


def _assess_network(make: Callable, name: str, x: Tensor, network, classes: int, call: str) -> None:
    """What holds for both networks, judged with the classes in turn."""
    assess_network(_InTurn(network, classes), x, call)

    def in_turn(**sizes: int) -> nn.Module:
        return _InTurn(make(**sizes), 10)

    default = torch.randn(10, *((64,) if x.dim() == 2 else x.shape[1:]), device=x.device)
    need_size_used(in_turn, name, "hidden_dim", default)


@exercise(
    "5.1",
    "A generator that takes orders",
    signature="class ConditionalGenerator(latent_dim=64, num_classes=10, hidden_dim=256)",
    takes="z (N, latent_dim), standard normal, and y (N,), int64 class indices",
    returns="images (N, 1, 28, 28) in [-1, 1]",
    accepts="embedding or one-hot; joined to z or in a branch of its own; any depth",
    mistakes="cond-g-blind cond-index-as-float cond-embedding-shared-size hardcoded-size "
    "arch-no-output-activation",
    reference=ConditionalGenerator,
    uses_optimizers=True,
)
def check_conditional_generator(make: Callable[..., nn.Module]) -> None:
    sizes = {"latent_dim": 5, "num_classes": 12, "hidden_dim": 32}
    for latent, classes, given in ((64, 10, {}), (5, 12, sizes)):
        call = call_of("ConditionalGenerator", given)
        G = build(make, call, **given)
        for n in (13, 6):
            z = torch.randn(n, latent, device=probe_device())
            _call(G, z, classes, call)
            assess_outputs(_InTurn(G, classes), z, f"{call}(z, y)", (n, 1, 28, 28))
        _need_labels_used(G, z, classes, call, "cond-g-blind")
    z = torch.randn(24, 5, device=probe_device())
    _assess_network(make, "ConditionalGenerator", z, G, 12, call)
    assess_range(_InTurn(G, 12), 5, call)
    need_whole_z(_InTurn(G, 1), 5, call)  # with class 0 for all


@exercise(
    "5.2",
    "A discriminator that knows what was ordered",
    signature="class ConditionalDiscriminator(num_classes=10, hidden_dim=256)",
    takes="images (N, 1, 28, 28) in [-1, 1] and y (N,), int64 class indices",
    returns="logits (N,) or (N, 1): any number, above 0 for 'a real image of this class'",
    accepts="embedding, one-hot or label planes; joined to the pixels or a projection; any depth",
    mistakes="cond-d-blind cond-label-only-shifts cond-index-as-float hardcoded-size "
    "loss-double-sigmoid",
    reference=ConditionalDiscriminator,
    uses_optimizers=True,
)
def check_conditional_discriminator(make: Callable[..., nn.Module]) -> None:
    for classes, given in ((10, {}), (12, {"num_classes": 12, "hidden_dim": 32})):
        call = call_of("ConditionalDiscriminator", given)
        D = build(make, call, **given)
        for n in (13, 64):
            images = torch.randn(n, 1, 28, 28, device=probe_device())
            _call(D, images, classes, call)
            assess_outputs(_InTurn(D, classes), images, f"{call}(images, y)", (n,), (n, 1))
        _need_labels_used(D, images, classes, call, "cond-d-blind")
    _assess_network(make, "ConditionalDiscriminator", images, D, 12, call)
    assess_logits(_InTurn(D, 12), images, call)
    need_gradient_of_images(_InTurn(D, 12), images, call, most_unseen=0.1)
