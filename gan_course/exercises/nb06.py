"""Checks of notebook 06: the Inception score and the prediction of two orders.

The other exercises: `nb06_features` (6.2 and 6.8, which look through a judge) and `nb06_distances`
(6.3 to 6.5).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gan_helpers import metrics

from .catalogue import MISTAKES
from .compare import Known, ask, ask_number, explain, near, need_parts, off_by, reject
from .framework import describe_value, exercise, need, wrong

MISTAKES.update(
    {
        "is-no-exp": "the mean divergence is returned without its exponential",
        "is-log-zero": "the logarithm of a probability that rounded to zero",
    }
)
GENERATORS = ("memoriser", "one of each", "half the classes", "noisy", "blurred", "speckle")


def normal(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def with_options(options: dict) -> str:
    return "".join(f", {name}={value}" for name, value in options.items())


# --- 6.1 Inception score -------------------------------------------------------------------------


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(dim=-1)


def _mean_kl(p: Tensor) -> float:
    """The mean of KL(p(y|x) || p(y)) from probabilities p (N, K)."""
    return float(_entropy(p.mean(dim=0)) - _entropy(p).mean())


# Of the probabilities and of the logits.
_IS_WRONGS: list[Known] = [
    ("is-kl-reversed", lambda p, z: (p.mean(0) * (p.mean(0) / p).log()).sum(1).mean(),
     "Probabilities and marginal are right, but the divergence is taken the wrong way round: this "
     "is KL(p(y) || p(y|x)). Which of the two weights the logarithm?"),
    ("is-no-exp", lambda p, z: math.log(_mean_kl(p)),
     "The mean divergence is right. The score runs from 1 to the number of classes: what is last?"),
    (None, lambda p, z: _mean_kl(p.softmax(dim=1)),
     "The softmax is taken twice, so that all answers become unsure. Where is the second one?"),
    (None, lambda p, z: (p * (p.log() - z.mean(0).log_softmax(0))).sum(1).mean(),
     "p(y) is made from the mean of the logits; it is the mean of the probabilities p(y|x)."),
    (None, lambda p, z: (p * (p / p.mean(0)).log()).sum(1).exp().mean().log(),
     "The exponential is taken of each sample's divergence, and then the mean. Which comes first?"),
]  # fmt: skip
_IS_TERMS = {
    "the entropy of p(y)": (lambda p, z: _entropy(p.mean(0)), 1.0),
    "the mean entropy of p(y|x)": (lambda p, z: _entropy(p).mean(), -1.0),
    "the entropy of the likeliest classes": (
        lambda p, z: _entropy(one_hot(p.argmax(1)).double().mean(0)), 0.0),
    "the logarithm of the number of classes": (lambda p, z: math.log(p.shape[1]), 0.0),
}  # fmt: skip


@exercise(
    "6.1",
    "The Inception score",
    signature="inception_score(logits, splits=10)",
    takes="logits: float tensor (N, K), one row a sample, in any order (sorted by class, too)",
    returns="a number: the mean over `splits` equal parts of exp(mean KL(p(y|x) || p(y)))",
    accepts="a float, or a tensor or array with one value; parts cut after any kind of shuffling",
    mistakes="is-kl-reversed is-logits is-sorted-splits is-no-exp is-log-zero",
    reference=lambda logits, splits=10: metrics.inception_score(logits, splits=splits).value,
)
def check_inception_score(answer) -> None:
    _check_one_part(answer)
    _check_hard_cases(answer)
    _check_parts(answer)
    # 40 sure samples of 40 classes: a part's score is its size, whatever the order.
    for options, splits in (({}, 10), ({"splits": 1}, 1), ({"splits": 8}, 8)):
        call = f"inception_score(logits of 40 sure samples of 40 classes{with_options(options)})"
        got = ask_number(answer, call, 60.0 * torch.eye(40), **options)
        parts = 40 / got if got > 0 else 0
        looks = f"As it is, it looks like {parts:.3g} part{'s' * (parts > 1.01)}. Is `splits` used?"
        if parts < 0.99 or not near(parts, round(parts), rel=1e-2):
            looks = "How is the list cut, and over what is the mean taken?"
        if splits == 1 and 1 < got < 40:  # p log (p + eps) - p log (q + eps), for p = 1, q = 1/40
            eps = (40 - got) / (40 * got - 40)
            twenty = ask_number(answer, "the same of 20 classes", 60.0 * torch.eye(20), splits=1)
            if near(twenty, (1 + eps) / (1 / 20 + eps), rel=1e-4):
                looks = f"It fits if {eps:.3g} is added to each probability before the logarithm."
        if not near(got, 40 / splits, rel=1e-2):
            wrong(f"""`{call}`: {off_by(got, 40 / splits)}, since a part holds {40 // splits}
                samples. {looks}""")


def _check_one_part(answer) -> None:
    """The exponent of the score of a single part, for several random logits."""

    def ask_for(what: str, logits: Tensor, splits: int = 1) -> float:
        return ask_number(answer, f"inception_score({what}, {splits=})", logits, splits=splits)

    shapes = ((60, 4), (44, 3), (30, 6), (25, 5), (50, 2), (36, 7))
    logits = [(1.5 * normal(*shape, seed=i)).float() for i, shape in enumerate(shapes, 1)]
    logits = [part + torch.linspace(0.5, -0.5, part.shape[1]) for part in logits]
    problems = [(part.double().softmax(dim=1), part.double()) for part in logits]
    got = [ask_for("logits", part) for part in logits]
    right = [_mean_kl(p) for p, _ in problems]

    def say(i: int, told: str) -> str:
        (p, _), z, mine, wanted = problems[i], logits[i], got[i], math.exp(right[i])
        if near(ask_for("values that sum to one in each row", p.float()), wanted):
            return """is-logits: The divergence itself is right, but the rows of `logits` go into
                it as they are, negative and with any sum. What turns logits into p(y|x)?"""
        start = f"For {len(p)} samples in one part, {off_by(mine, wanted)}."
        if near(mine, 1) and near(ask_for("logits", z, splits=len(p)), wanted):
            return f"""{start} It is right with splits={len(p)} in place of splits=1: here `splits`
                is how many samples a part has. It was to be the number of parts."""
        if not math.isnan(mine) and not near(ask_for("logits", z), mine):
            return f"""{start} Asked again, it gives another number. In one part the order of the
                samples does not matter: is `splits` used, does every sample count once, and does
                its row stay together when the order is changed?"""
        shifted = z + torch.linspace(-2, 2, len(z))[:, None]
        if not math.isnan(mine) and not near(ask_for("logits + a constant a row", shifted), mine):
            return f"""{start} It changes when all logits of a sample are raised alike, which leaves
                a softmax over the classes as it was. How is p(y|x) made, over which dimension?"""
        plain = explain(got, right)
        if plain.startswith("Everything"):
            told = f"Beside the mean divergence, without an exponential: {plain}"
        elif told and min(got) > 0:
            told = f"In the exponent: {told}"
        return f"""{start} {told} Check step by step: p(y) is a mean over samples, the divergence a
            sum over classes, the score the exponential of its mean over samples."""

    exponents = [math.log(value) if value > 0 else value for value in got]
    sizes = {"the number of classes": lambda p, z: p.shape[1]}
    reject(
        exponents, right, problems, _IS_WRONGS, say, terms=_IS_TERMS, sizes=sizes,
        same=lambda mine, other: abs(mine - other) < 2e-3,
    )  # fmt: skip


def _check_hard_cases(answer) -> None:
    """A very sure judge, a class whose p(y) is 0 in float32, and two orders of the classes."""
    unlikely = torch.cat([1.5 * normal(24, 3, seed=2), torch.full((24, 1), -300.0)], dim=1)
    classes = 20.0 * torch.eye(5)
    for what, logits, splits, right, said in (
        ("logits of 300", 300.0 * torch.eye(4).repeat(6, 1), 1, 4.0,
         "is-log-zero: Right for small logits. For a very sure judge, some probabilities round to "
         "0, whose logarithm is not finite. Which function gives log p directly from the logits?"),
        ("a class with logits of -300", unlikely, 1, math.exp(_mean_kl(unlikely.softmax(dim=1))),
         "is-log-zero: By now log p(y|x) is safe. But here one class is so unlikely for every "
         "image that its p(y) rounds to 0, too. How is log p(y) made, and in how many digits?"),
        ("600 samples sorted by class", classes.repeat_interleave(120, dim=0), 5, 4.8,
         "is-sorted-splits: One part is scored correctly. But these samples came sorted by class, "
         "so each of your parts saw a single class, and the score is {:.3g} where nearly 5 is "
         "right. What should happen to the order before the cut?"),
        ("600 samples whose classes come in turn", classes.repeat(120, 1), 5, 4.8,
         "Right for samples sorted by class. But where the classes come in turn (0, 1, 2, ..., 0, "
         "1, 2, ...), each of your parts sees a single class, and the score is {:.3g} where nearly "
         "5 is right. Which order is safe whatever comes in?"),
    ):  # fmt: skip
        call = f"inception_score(logits, {splits=}) of {what}"
        got = ask_number(answer, call, logits.float(), splits=splits)
        failed = got < 2 if splits > 1 else not math.isfinite(got)
        need(not failed, said.format(got))
        # In parts of a random order the classes are not quite equally frequent: 4.6 to 5.
        is_right = near(got, right, rel=1e-2 if splits == 1 else 0.043)
        need(is_right, f"`{call}`: {off_by(got, right)}.")


def _check_parts(answer) -> None:
    """20 parts of two sure samples, 10 of class 1 among 30 of class 0, in a random order.

    A part scores 1, or 2 if its samples differ. As 10 is even, so is the number of parts that
    differ, however the samples were shuffled: the mean is 1.1, 1.2, 1.3, 1.4 or 1.5. (It is 1 for
    one order in 50,000.)
    """
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    logits = 20.0 * one_hot((order < 10).long(), 5).float()
    got = ask_number(answer, "inception_score(logits of 40 samples, splits=20)", logits, splits=20)
    shares = (0.1, 0.2, 0.3, 0.4, 0.5)
    if any(near(got, 1 + share) for share in shares):
        return
    if any(near(got, 2**share) for share in shares):
        wrong("""The parts and their divergences are right, but the exponential is taken once, of
            the mean over all parts. Each part has a score of its own: what is averaged?""")
    single = near(got, 1.0) or near(got, 2.0)
    which = ": that is the score of a single part" if single else ", which no order gives"
    wrong(f"""With 20 parts of 2 samples each, {got:.4g} came back{which}. Is `splits` used, is the
        mean taken over the parts' scores, and is p(y) that of the part, not of all images?""")


# --- 6.6 prediction ------------------------------------------------------------------------------


def predicted_orders() -> tuple[list[str], list[str]]:
    """Best to worst by IS and by FD, as measured on MNIST in the notebook's full run."""
    by_is = ["one of each", "memoriser", "blurred", "noisy", "half the classes", "speckle"]
    by_fd = ["memoriser", "blurred", "one of each", "noisy", "half the classes", "speckle"]
    return by_is, by_fd


@exercise(
    "6.6",
    "Predict: six broken generators in order",
    signature="predicted_orders()",
    takes="nothing",
    returns="two lists of the six names, best first: your order by IS, and by FD",
    accepts="any order: a prediction is not marked",
    reference=predicted_orders,
)
def check_predicted_orders(answer) -> None:
    call = "predicted_orders()"
    got = need_parts(ask(answer, call), call, "a list by IS", "one by FD")
    for score, order in zip(("IS", "FD"), got, strict=True):
        if isinstance(order, str | dict | set) or not hasattr(order, "__iter__"):
            wrong(f"The order by {score} should be a list of names; it is {describe_value(order)}.")
        names = list(order)
        missing = ", ".join(name for name in GENERATORS if name not in names)
        strange = ", ".join(str(name) for name in names if name not in GENERATORS)
        if missing or len(names) != len(GENERATORS):
            said = f"It does not mention: {missing}." * bool(missing)
            said += f" It has {strange}: are all spelled as above?" * bool(strange)
            wrong(f"""Your order by {score} has {len(names)} entries for the {len(GENERATORS)}
                generators. {said}""")
