"""What is checked before the first step: settings, networks, losses. A refusal changes nothing."""

import math
import numbers
from collections.abc import Callable

import torch
from torch import Tensor, nn

from . import checkpoints
from .callbacks import Callback, EachStep
from .datasets import ImageDataset
from .losses import Objective
from .models import InstanceNoise, Packing
from .sampling import call, evaluating, latent_size, not_a_network
from .settings import step_generator


def check_kinds(generator: object, discriminator: object, dataset: object) -> None:
    """Refuse, with TypeError, what are not two networks and a data set."""
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if not isinstance(network, nn.Module):
            raise TypeError(f"{name} is {not_a_network(network)}")
    if not isinstance(dataset, ImageDataset):
        raise TypeError(
            f"dataset is a {type(dataset).__name__}; expected an ImageDataset. "
            "load_dataset('mnist') makes one, and so does load_dataset(Path('folder/of/images'))"
        )


def number(name: str, value: object, whole: bool = False) -> float:
    """`value`, if it is a number above 0 (and a whole one, if asked for)."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        text = f"; write {name}={value} without quotes" if isinstance(value, str) else ""
        raise TypeError(f"{name}={value!r} is a {type(value).__name__}, not a number{text}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value} must be above 0 and finite")
    if whole and value != int(value):
        hint = "; for parts of an epoch, use epochs" if name == "steps" else ""
        raise ValueError(f"{name}={value} must be a whole number{hint}")
    return float(value)


def counts(**values: object) -> list[int]:
    """The values, whole numbers above 0."""
    return [int(number(name, value, whole=True)) for name, value in values.items()]


def rates(lr: object) -> tuple[float, float]:
    """(G's, D's) learning rate, from one rate or from such a pair."""
    if not isinstance(lr, tuple | list):
        return number("lr", lr), number("lr", lr)
    if len(lr) != 2:
        raise ValueError(f"lr={lr!r} has {len(lr)} values; expected one rate, or (G's, D's)")
    return number("lr for G", lr[0]), number("lr for D", lr[1])


def adam_betas(betas: object) -> tuple[float, float]:
    """Adam's two decay rates, each in [0, 1)."""
    given = list(betas) if isinstance(betas, tuple | list) else [betas]
    if len(given) != 2 or not all(isinstance(b, numbers.Real) and 0 <= b < 1 for b in given):
        raise ValueError(f"betas={betas!r}; expected two numbers in [0, 1), as in (0.5, 0.999)")
    return float(given[0]), float(given[1])


def total_steps(steps: float | None, epochs: float | None, steps_an_epoch: int) -> int:
    """How many steps `steps` or `epochs` ask for."""
    if (steps is None) == (epochs is None):
        raise ValueError(f"give either steps or epochs; got steps={steps}, epochs={epochs}")
    if steps is not None:
        return int(number("steps", steps, whole=True))
    total = round(number("epochs", epochs) * steps_an_epoch)
    if total < 1:
        raise ValueError(f"epochs={epochs}: that is less than one step")
    return total


def hooks(callbacks: object) -> list[Callback]:
    """The callbacks as objects; a plain function becomes one."""
    if not isinstance(callbacks, list | tuple):
        raise TypeError(f"callbacks={callbacks!r}; expected a list: callbacks=[...]")
    for item in callbacks:
        if isinstance(item, type) or not (isinstance(item, Callback) or callable(item)):
            build = f"; build one first: {item.__name__}()" if isinstance(item, type) else ""
            raise TypeError(f"callbacks holds {item!r}: expected Callbacks and functions{build}")
    return [item if isinstance(item, Callback) else EachStep(item) for item in callbacks]


def check_batch(batch_size: int, dataset: ImageDataset, discriminator: nn.Module) -> None:
    """A batch must be there, and be divisible by the images that D packs together."""
    if batch_size > len(dataset):
        raise ValueError(
            f"batch_size={batch_size} is more than the {len(dataset)} images there are"
        )
    pack = images_a_logit(discriminator)
    if batch_size % pack:
        raise ValueError(f"batch_size={batch_size} must be a multiple of {pack}: D packs so many")


def images_a_logit(discriminator: nn.Module) -> int:
    """How many images D judges together: 1, but for `Packing`."""
    return math.prod(m.pack for m in discriminator.modules() if isinstance(m, Packing))


def check_networks(
    G: nn.Module,
    D: nn.Module,
    dataset: ImageDataset,
    latent_dim: int | None,
    conditional: bool,
    device: torch.device,
    losses: Objective,
    penalty: Callable | None,
) -> tuple[int, bool]:
    """Run both networks and the losses once, on a few samples, and say what does not fit.

    Returns the size of z, and whether D judges each image alone, see `judges_alone`.
    """
    n = min(4, len(dataset)) * images_a_logit(D)
    indices = torch.arange(n) % len(dataset)
    real = dataset.take(indices, device)
    labels = dataset.labels[indices].to(device) if conditional else None
    with torch.no_grad(), torch.random.fork_rng(), evaluating(G, D):
        try:
            latent_dim = latent_size(G, latent_dim)
            z = _latents(n, latent_dim, device)
            fake = attempt("the generator", G, z, labels)
            check_fake(fake, (n, *dataset.image_shape))
            logits = (check_logits(D, "a real batch", real, labels),
                      check_logits(D, "the generator's output", fake, labels))  # fmt: skip
        except ValueError:
            if _exchanged(G, D, real, labels, latent_dim):
                raise ValueError(
                    "generator and discriminator seem to be exchanged: the first network turns "
                    "images into logits, the second makes images. Call train(G, D, dataset, ...)"
                ) from None
            raise
        check_no_sigmoid(D, real, labels)
        _check_losses(losses, penalty, D, real, fake, labels, logits)
    return latent_dim, judges_alone(D, real, fake, labels)


def judges_alone(D: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> bool:
    """Whether one call of D on real and fake images gives the logits of two calls.

    Not so with BatchNorm or minibatch layers, which mix the samples of a call, and with whatever
    moves on with each call, as the vectors of spectral norm do. Dropout and noise are put aside.
    """
    state = checkpoints.clone(dict(D.state_dict()))
    random = (nn.modules.dropout._DropoutNd, InstanceNoise)
    try:
        with evaluating(D), torch.no_grad(), torch.random.fork_rng():
            for module in D.modules():
                module.training = not isinstance(module, random)
            # Settled vectors stand still until the weights move, as they will in training.
            for p in filter(torch.is_floating_point, D.parameters()):
                p.mul_(1 + 0.1 * torch.rand_like(p))
            before = checkpoints.clone(dict(D.state_dict()))
            apart = torch.cat([call(D, images, labels) for images in (real, fake)])
            both = None if labels is None else torch.cat((labels, labels))
            together = call(D, torch.cat((real, fake)), both)
        now = checkpoints.clone(dict(D.state_dict()))
        moved = any(not torch.equal(now[key], value) for key, value in before.items())
        alike = together.shape == apart.shape and torch.allclose(together, apart, 1e-4, 1e-5)
        return alike and not moved
    finally:
        D.load_state_dict(state)


def _latents(n: int, latent_dim: int, device: torch.device) -> Tensor:
    return torch.randn(n, latent_dim, generator=step_generator(0, 0, "check")).to(device)


def _exchanged(G, D, real: Tensor, labels: Tensor | None, latent_dim: int | None) -> bool:
    """Whether the two networks do each other's work."""
    try:
        z = _latents(len(real), latent_size(D, latent_dim), real.device)
        return len(call(G, real, labels)) == call(G, real, labels).numel() and (
            call(D, z, labels).shape == real.shape
        )
    except Exception:  # whatever else is wrong is told in its own words
        return False


def attempt(name: str, network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    """The network's output; ValueError says where it breaks off, and why."""
    try:
        return call(network, x, labels)
    except Exception as error:  # whatever a network of one's own may raise
        given = f"an input {size_text(x)}" + ("" if labels is None else " and labels")
        given += _last_layer_begun(network, x, labels)
        reason = (str(error).splitlines() or [repr(error)])[0]
        if isinstance(error, TypeError):
            reason += ". Does it take labels exactly when conditional=True?"
        raise ValueError(f"{name} cannot run on {given}: {reason}") from error


def _last_layer_begun(network: nn.Module, x: Tensor, labels: Tensor | None) -> str:
    """Where a call that fails breaks off, in words: it is made once more, and watched."""
    begun: list[tuple[str, Tensor]] = []

    def watch(path: str, layer: nn.Module):
        place = f"layer {path} ({type(layer).__name__})" if path else type(layer).__name__
        return layer.register_forward_pre_hook(
            lambda _, inputs: begun.extend((place, x) for x in inputs[:1] if isinstance(x, Tensor))
        )

    watched = [watch(p, m) for p, m in network.named_modules() if not list(m.children())]
    try:
        call(network, x, labels)
    except Exception:  # told by the caller
        pass
    finally:
        for hook in watched:
            hook.remove()
    if not begun:
        return ""
    return f": it breaks off at {begun[-1][0]}, which is given {size_text(begun[-1][1])}"


def size_text(x: Tensor) -> str:
    """A tensor's shape in the form 64x3x32x32."""
    return "x".join(map(str, x.shape))


def check_fake(fake: Tensor, expected: tuple[int, ...]) -> None:
    """ValueError unless G's images have the shape `expected` and lie in [-1, 1]."""
    if tuple(fake.shape) != expected:
        raise ValueError(
            f"generator(z) has shape {tuple(fake.shape)}, but the data have {expected}. Does "
            "forward end with the right .view(-1, channels, height, width)?"
        )
    low, high = fake.min().item(), fake.max().item()
    if not (low >= -1.001 and high <= 1.001):
        raise ValueError(
            f"generator(z) runs from {low:.2f} to {high:.2f}, the data lie in [-1, 1]: does the "
            "generator end in tanh?"
        )
    if low >= 0 and high > 0:
        raise ValueError(
            f"generator(z) runs from {low:.2f} to {high:.2f}: half of the data's range [-1, 1] is "
            "out of its reach. Does it end in sigmoid or ReLU where tanh is needed?"
        )


def check_logits(D: nn.Module, name: str, images: Tensor, labels: Tensor | None) -> Tensor:
    """D's logits for the images called `name`; ValueError unless there is one for each."""
    logits = attempt("the discriminator", D, images, labels)
    n, pack = len(images), images_a_logit(D)
    expected = n // pack
    if logits.shape not in ((expected,), (expected, 1)):
        one = "one logit an image" if pack == 1 else f"one logit for {pack} images"
        raise ValueError(
            f"discriminator({name}) has shape {tuple(logits.shape)}; expected {one}, "
            f"({expected},) or ({expected}, 1), for {n} images of shape {tuple(images.shape)}"
        )
    return logits.flatten()


def check_no_sigmoid(D: nn.Module, real: Tensor, labels: Tensor | None) -> None:
    """Refuse a D that ends in sigmoid: enormous inputs drive logits, but not probabilities, far."""
    try:
        far = torch.cat([call(D, scale * real, labels).flatten() for scale in (-1e4, 1e4)])
    except Exception:  # a D that refuses such inputs is its author's business
        return
    if far.min() >= 0 and far.max() <= 1 and far.max() > far.min():
        raise ValueError(
            "discriminator(x) seems to end in a sigmoid: even inputs of size 10,000 give values in "
            "[0, 1]. The losses take logits and apply the sigmoid themselves; leave it out of D"
        )


def _check_losses(losses: Objective, penalty, D, real, fake, labels, logits) -> None:
    """Losses and penalty of one's own must take what the loop hands over and return one number."""
    _one_number("d_loss(real_logits, fake_logits)", losses.d_loss, *logits)
    if losses.g_sees_real:
        _one_number("g_loss(fake_logits, real_logits)", losses.g_loss, *logits[::-1])
    else:
        _one_number("g_loss(fake_logits)", losses.g_loss, logits[1])
    if penalty is not None:
        _one_number("penalty(D, real, fake, labels)", penalty, D, real, fake, labels)


def _one_number(what: str, function: Callable, *arguments: object) -> None:
    try:
        with torch.enable_grad():
            value = function(*arguments)
    except Exception as error:
        hint = ". Were the parentheses of r1_penalty() left out?" if "penalty" in what else ""
        raise TypeError(f"{what} cannot be computed: {error}{hint}") from error
    if not isinstance(value, Tensor) or value.numel() != 1:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{what} must return a tensor with one number, a batch mean; got {got}")
