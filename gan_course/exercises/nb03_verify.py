"""Exercises of notebook 03: the first weights (3.4), and shapes verified before training (3.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gan_helpers.models import DCGANDiscriminator, DCGANGenerator, dcgan_init

from .catalogue import MISTAKES
from .compare import times
from .framework import Raised, calling, describe_value, exercise, need, probe_device, wrong

MISTAKES.update(
    {
        "init-bn-gamma": "BatchNorm's scale drawn around 0 where 1 was asked",
        "init-not-applied": "the initialisation does not get to all layers",
        "init-wrong-std": "initial weights of another standard deviation",
        "verify-first-only": "only the first problem is reported",
        "verify-pair-only": "D is only shown what G draws, not images of the size asked for",
        "verify-stops": "an error in a network is passed on instead of reported",
    }
)

# --- 3.4: initialisation -------------------------------------------------------------------------


def _untrained() -> nn.Module:
    """Layers at three depths, whose numbers say that nobody has been here."""
    deep = nn.Sequential(nn.ConvTranspose2d(48, 64, 4, bias=False), nn.BatchNorm2d(4096))
    inner = nn.ModuleDict({"deep": deep, "other": nn.ConvTranspose2d(48, 64, 4)})
    network = nn.Sequential(nn.Conv2d(64, 48, 4, bias=False), nn.BatchNorm2d(4096), inner)
    for p in network.parameters():
        nn.init.constant_(p, 0.3)
    return network.to(probe_device())


@exercise(
    "3.4",
    "The first weights",
    signature="dcgan_init(network)",
    takes="a network, whatever it consists of",
    returns="the same network, changed in place: the weights of all Conv2d and ConvTranspose2d "
    "from N(0, 0.02), those of all BatchNorm2d from N(1, 0.02), BatchNorm's biases 0",
    accepts="a loop over modules() or network.apply; anything for other layers and biases",
    mistakes="init-bn-gamma init-not-applied init-wrong-std",
    reference=dcgan_init,
)
def check_dcgan_init(answer: Callable) -> None:
    network = _untrained()
    before = dict(network.named_parameters())
    why = "a parameter is changed in sight of autograd. The functions of `nn.init` look away."
    no_bias = "some layers have no bias, theirs is None. Which layers get to this line?"
    hints = [("leaf Variable that requires grad", None, why), ("NoneType", None, no_bias)]
    with calling("dcgan_init(network)", hints):
        returned = answer(network)
    if returned is not network:
        wrong(f"""`dcgan_init(network)` returned {describe_value(returned)}; the network that went
            in was expected, and not a copy of it: who calls `dcgan_init(G)` wants G changed.""")
    for name, p in network.named_parameters():
        if p is not before.get(name) or not p.requires_grad:
            wrong(f"""`{name}` is another parameter now, or one that no longer learns: an optimiser
                made before would move the old one. What changes a tensor in place?""")
    parts = {k: m for k, m in network.named_modules() if hasattr(m, "weight")}
    idle = [f"{k} ({type(m).__name__})" for k, m in parts.items() if (m.weight == 0.3).all()]
    if idle:
        wrong(f"""init-not-applied: After `dcgan_init(network)`, {len(idle)} of {len(parts)} layers
            have the weights that they had: {", ".join(idle)}. The dots in a name say how deep a
            layer sits. What walks through all layers, and is every kind asked about?""")
    for name, part in parts.items():
        norm = isinstance(part, nn.BatchNorm2d)
        _need_normal(f"`{name}` ({type(part).__name__})", part.weight.detach().double(), norm)
        need(not norm or not part.bias.any(), f"The bias of `{name}` is not 0 as was asked.")
    if torch.equal(parts["2.deep.0"].weight, parts["2.other"].weight):
        wrong("""Two layers of one size get the very same weights. Is a seed set inside, or a draw
            reused?""")


def _need_normal(what: str, w: Tensor, norm: bool) -> None:
    """Reject weights that do not look like a draw from N(0, 0.02), or N(1, 0.02) if `norm`."""
    mean, std = w.mean().item(), w.std().item()
    if norm and abs(mean) <= 0.1:
        wrong(f"""init-bn-gamma: The scale of {what} is drawn around {mean:.2g}. It multiplies what
            passes, and near 0 the signal dies. Around which number should it lie?""")
    if not (0.95 < std / 0.02 < 1.05):
        wrong(f"""init-wrong-std: The weights of {what} have standard deviation {std:.3g}, where
            0.02 was asked for: it is {times(std / 0.02)}.""")
    need(abs(mean - norm) < 0.002, f"{what} has mean {mean:.3g}; {norm:d} was asked for.")
    for axis in range(min(2, w.dim() - norm)):
        if torch.equal(w, w.roll(1, axis)):
            wrong(f"""The weights of {what} repeat along axis {axis}: all its filters, or all parts
                of one, are the same, and would learn the same. How many numbers are drawn?""")
    peak = ((w - mean) / std).pow(4).mean().item()
    if not (2.5 < peak < 3.6):
        wrong(f"""Mean and standard deviation of {what} are right, but the weights are not normal:
            their fourth moment is {peak:.2f} (normal: 3, uniform: 1.8).""")


# --- 3.5: shapes verified ------------------------------------------------------------------------


def verify_shapes(
    G: nn.Module, D: nn.Module, size: int, channels: int = 3, latent_dim: int = 100
) -> list[str]:
    """What does not fit, in words: G's images (N, channels, size, size), D's logits of such."""
    problems, images = [], torch.zeros(2, channels, size, size)
    z = torch.randn(2, latent_dim)
    for name, network, given, shapes in (
        ("G", G, z, [images.shape]),
        ("D", D, images, [(2,), (2, 1)]),
    ):
        try:
            made = tuple(network(given).shape)
            if made not in shapes:
                problems.append(f"{name} makes {made} of {tuple(given.shape)}")
        except Exception as error:  # networks of a reader's own raise anything
            problems.append(f"{name} stops: {error}")
    return problems


def _pair(size: int, channels: int = 3, G: int = 0, D: int = 0) -> tuple[nn.Module, nn.Module]:
    """Small DCGANs for these sizes; a D for 28 pixels returns a column."""
    last = nn.Unflatten(0, (-1, 1)) if size == 28 else nn.Identity()
    return (
        DCGANGenerator(G or size, channels, latent_dim=7, width=4),
        nn.Sequential(DCGANDiscriminator(D or size, channels, width=4), last),
    )


def _ask_pair(answer: Callable, what: str, pair: Sequence[nn.Module], size: int, n: int) -> str:
    """The first letters of what is reported of a pair, sorted."""
    call = f"verify_shapes(G, D, {size}, channels={n}, latent_dim=7) of {what}"
    for net in pair:
        net.to(probe_device()).train(size != 64)
    before = [p.detach().clone() for net in pair for p in net.parameters()]
    with calling(call):
        found = answer(*pair, size, channels=n, latent_dim=7)
    if not (isinstance(found, list | tuple) and all(isinstance(text, str) for text in found)):
        wrong(f"`{call}` should return a list of texts, but {describe_value(found)} came back.")
    if not all(net.training == (size != 64) for net in pair):
        wrong(f"`{call}` leaves a network in another mode than it was in.")
    now = [p for net in pair for p in net.parameters()]
    if not all(p.requires_grad and torch.equal(p, old) for p, old in zip(now, before, strict=True)):
        wrong(
            f"`{call}` changes a network that it was to look at: its weights, or whether it learns."
        )
    said = "".join(sorted({text.strip()[:1].upper() for text in found}))
    named = f"`{call}`: each text should begin with the network that it is about, G or D."
    need(set(said) <= {"D", "G"}, named)
    return said


@exercise(
    "3.5",
    "Do the shapes fit?",
    signature="verify_shapes(G, D, size, channels=3, latent_dim=100)",
    takes="a pair, the side and channels of the images it is meant for, the size of z",
    returns="a list of texts, one for each network that does not fit, beginning with 'G' or 'D'; "
    "empty if G makes (N, channels, size, size) of z (N, latent_dim), and D makes (N,) or (N, 1) "
    "of any images of that shape. An error in a network is a problem too",
    accepts="a tuple; any words behind the letter; evaluation mode that is put back",
    mistakes="verify-pair-only verify-stops verify-first-only hardcoded-size",
    reference=verify_shapes,
)
def check_verify_shapes(answer: Callable) -> None:
    sizes = [(32, 3), (28, 1), (64, 3)]
    fitting = [_ask_pair(answer, f"a pair for {n} pixels", _pair(n, c), n, c) for n, c in sizes]
    blamed = [n for (n, _), said in zip(sizes, fitting, strict=True) if said]
    need(
        not blamed,
        f"Pairs that fit {' and '.join(map(str, blamed))} pixels are reported as broken. Where is "
        "a size, that of z or the channels written as a number, and may logits be (N,) and (N, 1)?",
        "hardcoded-size" if fitting == ["", "DG", "DG"] else None,
    )
    G, D = _pair(32)
    one_layer = nn.Sequential(nn.Flatten(), nn.Linear(3072, 1))
    one_number = nn.Unflatten(0, (1, -1)), nn.AdaptiveAvgPool1d(1), nn.Flatten(0)
    cases = [
        ("a G for 28 pixels and a fitting D", _pair(32, G=28), "G"),
        ("a fitting G and a D for 28 pixels", _pair(32, D=28), "D"),
        ("a pair for 64 pixels", _pair(64), "DG"),
        ("a pair for one channel", _pair(32, 1), "DG"),
        ("a G whose images are flat", (nn.Sequential(G, nn.Flatten()), D), "G"),
        ("a D that gives a map for each image", (G, nn.Conv2d(3, 1, 4, 2, 1)), "D"),
        ("a D that gives three numbers", (G, nn.Sequential(nn.Flatten(), nn.Linear(3072, 3))), "D"),
        ("a fitting G and D, whose D is one linear layer", (G, one_layer), ""),
        ("a D that gives one number a batch", (G, nn.Sequential(D, *one_number)), "D"),
        ("a G that stops, made for another z", (DCGANGenerator(32, latent_dim=9, width=4), D), "G"),
    ]
    try:
        found = [_ask_pair(answer, what, pair, 32, 3) for what, pair, _ in cases]
    except Raised as error:
        stops = f"`{error.call}` stops with the network's error. A report is asked for of every "
        need(not isinstance(error.error, RuntimeError), stops + "pair: what catches an error?",
             "verify-stops")  # fmt: skip
        raise
    if found[0] == "DG":
        wrong("""verify-pair-only: Of a G for another size and a D that fits, D is blamed too: it is
            shown only what G draws, and not images of the size in question. Which images should D
            be shown?""")
    if found[:2] == ["G", "D"] and {*found[2:4]} <= {"G", "D"}:
        wrong("""verify-first-only: Where both networks are wrong, only one is reported, and the
            other turns up after the next attempt. What ends the function early?""")
    for (what, _, right), said in zip(cases, found, strict=True):
        names = [" and ".join(part) or "nothing" for part in (said, right)]
        if said != right:
            wrong(f"""Of {what}, asked about 32 pixels and 3 channels, {names[0]} is reported, where
                {names[1]} was expected. What is compared with what?""")
