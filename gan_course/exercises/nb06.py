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
from .compare import Known, all_near, ask, ask_number, explain, name_wrong, near, need_parts, off_by
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


def _score_of(p: Tensor, reverse: bool = False) -> float:
    """exp(mean KL) from probabilities p (N, K), in the asked direction or the other."""
    q = p.mean(dim=0, keepdim=True)
    kl = q * (q.log() - p.log()) if reverse else p * (p.log() - q.log())
    return math.exp(kl.sum(dim=1).mean())


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(dim=-1)


_IS_WRONGS: list[Known] = [
    ("is-kl-reversed", lambda p, z: _score_of(p, reverse=True),
     "Probabilities and marginal are right, but the divergence is taken the wrong way round: this "
     "is KL(p(y) || p(y|x)). Which of the two weights the logarithm?"),
    ("is-no-exp", lambda p, z: math.log(_score_of(p)),
     "The mean divergence is right. The score is on another scale, on which it runs from 1 to the "
     "number of classes: what is done with the divergence last?"),
    (None, lambda p, z: _score_of(p.softmax(dim=1)),
     "The softmax is taken twice, so that all answers become unsure. Where is the second one?"),
    (None, lambda p, z: math.exp((p * (p.log() - z.mean(0).log_softmax(0))).sum(1).mean()),
     "p(y) is made from the mean of the logits here. It is the mean of the probabilities p(y|x), "
     "which is another thing."),
    (None, lambda p, z: float((p * (p / p.mean(0)).log()).sum(1).exp().mean()),
     "The exponential is taken of each sample's divergence, and then the mean. Which of the two "
     "comes first in the formula?"),
]  # fmt: skip


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
    shapes = ((60, 4), (44, 3), (30, 6), (25, 5), (50, 2), (36, 7))
    problems = [(1.5 * normal(*shape, seed=i)).float() for i, shape in enumerate(shapes, 1)]
    problems = [part + torch.linspace(0.5, -0.5, part.shape[1]) for part in problems]
    p = [part.double().softmax(dim=1) for part in problems]
    call = "inception_score(logits, splits=1)"
    got = [ask_number(answer, call, part, splits=1) for part in problems]
    if not all_near(got, map(_score_of, p)):
        _explain_inception_score(answer, got, problems, p)
    _check_tiny_probabilities(answer)
    _check_order(answer)
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


def _explain_inception_score(answer, got: list[float], problems: list[Tensor], p: list[Tensor]):
    """Say what is wrong with the score of a single part."""

    def again(what: str, values: Tensor) -> float:
        return ask_number(answer, f"inception_score({what}, splits=1)", values, splits=1)

    if near(again("values that sum to one in each row", p[0].float()), _score_of(p[0])):
        wrong("""is-logits: The divergence itself is computed as asked, but the rows of `logits` go
            into it as they are: they may be negative and do not sum to one. What turns logits into
            p(y|x)?""")
    name_wrong(got, _IS_WRONGS, [(a, b.double()) for a, b in zip(p, problems, strict=True)])
    expected = [_score_of(part) for part in p]
    start = f"For 60 samples in one part, {off_by(got[0], expected[0])}. "
    whole = [ask_number(answer, "logits, splits=60", problems[0], splits=60)] * near(got[0], 1)
    if all_near(whole, expected[: len(whole)]) and whole:
        wrong(f"""{start}It is right with splits=60 in place of splits=1: here `splits` is how many
            samples a part has. It was to be the number of parts.""")
    if got[0] == got[0] and not near(again("logits", problems[0]), got[0]):
        wrong(f"""{start}Asked again, it gives another number. In one part the order of the samples
            does not matter: is `splits` used, does every sample count once, and does its row stay
            together when the order is changed?""")
    shifted = problems[0] + torch.linspace(-2, 2, len(problems[0]))[:, None]
    if got[0] == got[0] and not near(again("logits + a constant for each row", shifted), got[0]):
        wrong(f"""{start}The score changes when all logits of a sample are raised by the same
            amount, which leaves a softmax over the classes as it was. Look at how p(y|x) is made,
            and over which dimension.""")
    classes = [part.shape[1] for part in p]
    likeliest = [one_hot(part.argmax(1)).double() for part in p]
    terms = {
        "the entropy of p(y)": ([_entropy(part.mean(0)) for part in p], 1.0),
        "the mean entropy of p(y|x)": ([_entropy(part).mean() for part in p], -1.0),
        "the entropy of the likeliest classes": ([_entropy(q.mean(0)) for q in likeliest], 0.0),
        "the logarithm of the number of classes": ([math.log(k) for k in classes], 0.0),
    }
    kl = [math.log(value) for value in expected]
    scale, told = "Beside the mean divergence, without an exponential", explain(got, kl)
    if not all(map(math.isfinite, got)):
        scale = "Not finite"
    elif min(got) > 0 and not told.startswith("Everything"):
        scale = "In the exponent"
        told = explain([math.log(v) for v in got], kl, terms, {"the number of classes": classes})
    wrong(f"""{start}{f"{scale}: {told[0].lower()}{told[1:]}" if told else ""} Check the three steps
        one by one: the marginal p(y) is a mean over samples, the divergence a sum over classes, the
        score the exponential of its mean over samples.""")


def _check_tiny_probabilities(answer) -> None:
    """A very sure judge; and a class so unlikely that in float32 its p(y) is 0, too."""
    sure = 300.0 * torch.eye(4).repeat(6, 1)
    unlikely = torch.cat([1.5 * normal(24, 3, seed=2), torch.full((24, 1), -300.0)], dim=1)
    for logits, what, said in (
        (sure, "logits of 300",
         "Right for small logits. For a very sure judge, some probabilities round to 0, and their "
         "logarithm makes the score nan. There is a function that gives log p directly from the "
         "logits."),
        (unlikely, "a class that has logits of -300 everywhere",
         "By now log p(y|x) is safe. But here one class is so unlikely for every image that its "
         "p(y) rounds to 0, too, and the logarithm of that makes the score nan. How is log p(y) "
         "made, and in how many digits?"),
    ):  # fmt: skip
        call = f"inception_score(logits, splits=1) with {what}"
        got = ask_number(answer, call, logits.float(), splits=1)
        need(math.isfinite(got), f"is-log-zero: {said}")
        p = logits.softmax(dim=1)
        expected = math.exp(_entropy(p.mean(0)) - _entropy(p).mean())
        need(near(got, expected, rel=1e-2), f"With {what}, {off_by(got, expected)}.")


def _check_order(answer) -> None:
    """Samples sorted by class, or with the classes in turn, are cut into parts that have all."""
    for order, rows, said in (
        ("sorted by class", 20.0 * torch.eye(5).repeat_interleave(120, dim=0),
         "is-sorted-splits: One part is scored correctly. But these samples came sorted by class, "
         "so each of your parts saw a single class, and the score is {} where nearly 5 is right. "
         "What should happen to the order before the cut?"),
        ("whose classes come in turn", 20.0 * torch.eye(5).repeat(120, 1),
         "Right for samples sorted by class. But where the classes come in turn (0, 1, 2, ..., 0, "
         "1, 2, ...), each of your parts sees a single class, and the score is {} where nearly 5 "
         "is right. Which order is safe whatever comes in?"),
    ):  # fmt: skip
        got = ask_number(answer, f"inception_score(logits {order}, splits=5)", rows, splits=5)
        need(not got < 2, said.format(f"{got:.3g}"))
        if not 4.6 < got < 5.01:
            wrong(f"For 600 sure samples of 5 classes in 5 parts, {off_by(got, 4.95)}.")


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
        wrong("""The parts are cut and their divergences are right, but the exponential is taken
            once, of the mean over all parts. Each part has a score of its own, and those are
            averaged: which of the two steps comes first?""")
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
        missing = [name for name in GENERATORS if name not in names]
        strange = [str(name) for name in names if name not in GENERATORS]
        if missing or len(names) != len(GENERATORS):
            said = f"It does not mention: {', '.join(missing)}." * bool(missing)
            said += f" It has {', '.join(strange)}: are all spelled as above?" * bool(strange)
            wrong(f"""Your order by {score} has {len(names)} entries for the {len(GENERATORS)}
                generators. {said}""")
