"""Checks of notebook 05 with labels: D's step (5.3), digits on demand (5.4), 5.6 and 5.7."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_helpers.losses import cross_entropy_d_loss
from gan_helpers.sampling import draw

from .catalogue import MISTAKES
from .compare import (
    Known,
    ask,
    close,
    explain,
    first_off,
    name_wrong,
    need_parts,
    need_tensor,
    off_by,
)
from .framework import calling, describe_value, exercise, need, probe_device, wrong
from .guard import seed_torch
from .loops import assess_call, need_good_noise, one_call
from .steps import LATENT, Step, Watch

MISTAKES.update(
    {
        "cond-other-labels": "D judges fakes under other labels than they were drawn for",
        "cond-uniform-labels": "the fakes have other class shares than the real batch",
        "sample-train-mode": "samples are drawn in training mode",
        "sample-leaves-eval": "the generator is left in evaluation mode",
        "acc-by-predicted": "divided by how often a class was said, not by how often it was asked",
        "acc-overall": "one number for all classes where each has its own",
        "ssl-supervised-with-fake": "the supervised term counts the class 'fake' as well",
        "ssl-max-not-sum": "the largest logit where the logarithm of the sum was asked",
    }
)


# --- 5.3: D's step with labels -------------------------------------------------------------------


def d_step(
    G: nn.Module,
    D: nn.Module,
    d_optimizer: torch.optim.Optimizer,
    real: Tensor,
    labels: Tensor,
    latent_dim: int,
) -> float:
    """Update D once, on a real batch and as many fakes of the same classes; returns the loss."""
    z = torch.randn(len(real), latent_dim, device=real.device)
    fake = G(z, labels).detach()
    d_optimizer.zero_grad()
    loss = cross_entropy_d_loss(D(real, labels), D(fake, labels))
    loss.backward()
    d_optimizer.step()
    return loss.item()


@exercise(
    "5.3",
    "D's half of the step, with labels",
    signature="d_step(G, D, d_optimizer, real, labels, latent_dim)",
    takes="both networks, G(z, y) and D(x, y), D's optimiser, real images (N, 1, 28, 28) with "
    "their labels (N,), the size of z; draws its own noise; the fakes take the real batch's labels",
    returns="the loss before the update, as a float: the mean real term plus the mean fake term",
    accepts="fakes detached or made under no_grad; two calls of D or one; the labels in any order",
    mistakes="cond-one-class cond-other-labels cond-uniform-labels step-no-detach "
    "step-no-zero-grad step-swapped-labels",
    reference=d_step,
    uses_optimizers=True,
)
def check_d_step(answer: Callable) -> None:
    call = f"d_step(G, D, d_optimizer, real, labels, latent_dim={LATENT})"
    watch = Watch(classes=10)
    optimizer = torch.optim.SGD(watch.D.parameters(), lr=5e-3)
    for start, n in ((0, 48), (400, 37)):
        # Classes 0 to 3 in unequal shares: other labels than the batch's are noticed.
        given = [i for i in range(start, start + 400) if i % 10 < 4 and i % 30 < 24][:n]
        step, reported = one_call(answer, watch, "D", optimizer, call, given)
        _need_own_labels(watch, step, watch.data.labels[given])
        assess_call(watch, step, "D", reported, call, given)
    need_good_noise(watch)


def _need_own_labels(watch: Watch, step: Step, labels: Tensor) -> None:
    """Reject a step whose images D judges under labels that are not theirs."""
    drawn: list[int] = []  # the classes that G was asked for
    for call in watch.heard(step, "D"):
        for said, image in zip(call.labels.tolist(), watch.origins(call), strict=True):
            if image.kind == "real" and said != int(watch.data.labels[image.source]):
                wrong("""D judges real images under labels that are not theirs. Two terms are asked
                    for, real images under their own labels and fakes. Is the order of images and
                    labels kept, and is there a term too many?""")
            if image.kind == "fake":
                drawn.append(int(image.source.labels[image.row]))
                if said != drawn[-1]:
                    wrong("""cond-other-labels: D judges fakes under other labels than G was given
                        for them, so that G is blamed for drawing what it was told to. Which labels
                        go with the fakes?""")
    if len(set(drawn)) == 1:
        wrong(f"""cond-one-class: All fakes of the batch have the class {drawn[:1]}: D can tell real
            from fake by the label alone. Which labels do the fakes take?""")
    if len(drawn) == len(labels) and sorted(drawn) != sorted(labels.tolist()):
        wrong("""cond-uniform-labels: The fakes have labels of their own, with other class shares
            than the real batch, so that D's logit also tells how frequent a class is. Which labels
            are there already, with the right shares?""")


# --- 5.4: any digit on demand --------------------------------------------------------------------


def generate_digit(G: nn.Module, digit: int, n: int, latent_dim: int = 64) -> Tensor:
    """n different images of one digit, drawn in evaluation mode without a graph."""
    return draw(G, torch.randn(n, latent_dim), torch.full((n,), digit))


class _Order(nn.Module):
    """A generator that remembers how it is used."""

    def __init__(self):
        super().__init__()
        self.latent_dim, self.calls = 23, []
        self.note = self.calls.append  # a copy of this generator writes into the same list
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        if not (isinstance(z, Tensor) and z.dim() == 2 and z.shape[1] == 23):
            wrong(f"""G was called with {describe_value(z)} for z, where (n, 23) was expected: the
                size of z is an argument.""")
        if not (isinstance(y, Tensor) and y.dtype == torch.int64 and tuple(y.shape) == (len(z),)):
            wrong(f"""cond-index-as-float: G was called with {describe_value(y)} for the labels,
                where an int64 tensor of shape ({len(z)},) was expected: one class for each row of
                z.""")
        logit = self.scale * z[:, :1, None, None] + 0.1 * y[:, None, None, None]
        images = torch.tanh(logit).expand(-1, 1, 28, 28)
        self.note((z.detach(), y.detach(), images.detach(), self.training))
        return images


@exercise(
    "5.4",
    "Any digit on demand",
    signature="generate_digit(G, digit, n, latent_dim=64)",
    takes="a conditional generator G(z, y), z standard normal, a digit from 0 to 9, how many "
    "images, the size of z",
    returns="n different images (n, 1, 28, 28) of that digit, without a graph; G is used in "
    "evaluation mode and left in the mode it was in",
    accepts="no_grad, inference_mode or detach; a helper such as gh.generate",
    mistakes="cond-one-class cond-index-as-float sample-train-mode sample-leaves-eval "
    "step-same-noise",
    reference=generate_digit,
)
def check_generate_digit(answer: Callable) -> None:
    for digit, n, training in ((7, 6, True), (0, 1, True), (3, 200, False)):
        G = _Order().to(probe_device()).train(training)
        call = f"generate_digit(G, {digit}, {n}, latent_dim=23)"
        with calling(call):
            images = answer(G, digit, n, latent_dim=23)
        need_tensor(images, call, (n, 1, 28, 28))
        need(G.calls, f"`{call}` never calls the generator that it is given.")
        z, y, drawn = (torch.cat([c[i] for c in G.calls]) for i in (0, 1, 2))
        if not (y == digit).all():
            wrong(f"""cond-one-class: `{call}` asks G for the classes {sorted(set(y.tolist()))}.
                Which class was ordered?""")
        different = len(torch.unique(z, dim=0))
        alike = n > 100 and z.std(0).mean() < 0.1
        if different < n or different != len(z) or alike:
            different = f"{different} {'nearly equal' if alike else 'different'}"
            wrong(f"""step-same-noise: `{call}` gives {n} images from {different} z, so that some
                are copies. Each image needs noise of its own.""")
        if any(c[3] for c in G.calls):
            wrong(f"""sample-train-mode: `{call}` draws in training mode: BatchNorm then uses the
                batch's own mean, and an image depends on those beside it. Which mode is for
                drawing?""")
        if not G.training and training:
            wrong(f"""sample-leaves-eval: `{call}` leaves G in evaluation mode, in which its next
                training steps would run. Who puts the mode back?""")
        if not training and G.training:
            wrong(f"""G was in evaluation mode before `{call}`, and is in training mode after it.
                Where is the mode remembered in which it was?""")
        if not all(p.requires_grad for p in G.parameters()):
            wrong(f"`{call}` leaves G's parameters frozen, so that it could not be trained on.")
        if images.requires_grad:
            wrong(f"""`{call}` returns images with a graph behind them, which keeps memory and fails
                at `.numpy()`. What switches the graph off?""")
        if len(drawn) > n and not close(images, drawn[:n], 1e-5):
            wrong(f"""For `{call}` G drew {len(drawn)} images, and those returned are not the first
                {n} of them. Are they chosen, and by what?""")
        if len(drawn) == n and not close(images, drawn, 1e-5):
            wrong(f"""What `{call}` returns is not what G drew: its images reach from
                {images.min().item():.2f} to {images.max().item():.2f}, G's from
                {drawn.min().item():.2f} to {drawn.max().item():.2f}.""")
        if n > 100:
            mean, spread = z.mean().item(), z.std().item()
            if not (abs(mean) < 0.1 and abs(spread - 1) < 0.1):
                wrong(f"""`{call}` draws z with mean {mean:.2f} and standard deviation {spread:.2f},
                    and G was trained on standard normal z (0 and 1). Which function draws it?""")


# --- 5.6: K + 1 outputs --------------------------------------------------------------------------


def kplus1_losses(
    labelled_logits: Tensor, labels: Tensor, real_logits: Tensor, fake_logits: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """D's three terms with K class logits and the logit of 'fake' fixed at 0 (each a mean)."""
    supervised = F.cross_entropy(labelled_logits, labels)
    real = F.softplus(-real_logits.logsumexp(1)).mean()
    fake = F.softplus(fake_logits.logsumexp(1)).mean()
    return supervised, real, fake


def _log_sum(logits: Tensor) -> Tensor:
    """log S, the logit of D."""
    return logits.logsumexp(1)


# What may stand where the logarithm of S is asked: (mistake, of logits x, what to say of it).
_SCORES: list[tuple] = [
    (None, _log_sum, ""),
    ("ssl-max-not-sum", lambda x: x.amax(1),
     "the largest logit stands for all. The probability of 'real' is a sum over the classes: which "
     "function takes the logarithm of a sum of exponentials?"),
    (None, lambda x: x.logsumexp(0),
     "the logarithm of the sum is taken over the batch. Which axis has the classes?"),
    (None, lambda x: x.sum(1),
     "the logits themselves are added up. S is the sum of their exponentials, and its logarithm is "
     "the logit of D."),
    (None, lambda x: x.mean(1),
     "the mean of the logits stands for all. S is the sum of their exponentials."),
    (None, lambda x: x,
     "each of the K logits is taken for a verdict of its own. The probability of 'real' is one "
     "number for each image: a sum over the classes."),
]  # fmt: skip
_ARGUMENTS = {"labelled": 0, "real": 2, "fake": 3}  # where their logits stand
_TURNED = {  # if the sign of log S is turned
    "real": "The real term teaches D to call real images fake. Which sign makes -log D(x)?",
    "fake": "The fake term teaches D to call fakes real, which is G's aim. Which sign makes "
    "-log(1 - D)?",
}
_BARE = {  # if log S stands where log(1 + S) has a part
    "real": "In the real term the normaliser is missing: log D(x) = log S - log(1 + S), and the "
    "second part is left out. As it stands it has no lower bound.",
    "fake": "In the fake term log S came, where 1 - D = 1 / (1 + S) has a 1 beside S.",
}


def _known_terms(name: str) -> list[Known]:
    """Wrong ways to make one of the three terms."""
    if name == "supervised":
        return [
            ("ssl-supervised-with-fake", lambda a, y, r, f: F.cross_entropy(F.pad(a, (0, 1)), y),
             "The supervised term also lets 'fake' compete (a column of zeros is among its "
             "logits). It is asked for among the K classes alone: the image is known to be real."),
            (None, lambda a, y, r, f: F.cross_entropy(a.softmax(1), y),
             "In the supervised term a softmax is taken twice: once by hand, once inside the loss. "
             "Look at what you hand to it."),
        ]  # fmt: skip
    own, sign = _ARGUMENTS[name], -1 if name == "real" else 1

    def term(i: int, score: Callable, sign: int) -> Callable[..., Tensor]:
        return lambda *given: F.softplus(sign * score(given[i])).mean()

    known: list[Known] = [
        ("step-swapped-labels", term(own, _log_sum, -sign), _TURNED[name]),
        (None, lambda *given: sign * _log_sum(given[own]).mean(), _BARE[name]),
    ]
    for mistake, score, said in _SCORES:
        for whose, i in _ARGUMENTS.items():
            other = f"the {whose} logits are used; those of other images are asked for here."
            parts = [said, other if i != own else ""]
            text = " Also, ".join(filter(None, parts))
            known.append((mistake, term(i, score, sign), f"In the {name} term {text}"))
    return known


_NAMES = ("supervised", "real", "fake")


@exercise(
    "5.6",
    "The three losses of K + 1 outputs",
    signature="kplus1_losses(labelled_logits, labels, real_logits, fake_logits)",
    takes="logits (N, K) of labelled real images with labels (N,), of unlabelled real images "
    "(M, K), of fakes (L, K); the logit of 'fake' is 0 everywhere",
    returns="(supervised, real, fake), three scalar tensors with a gradient: -log p(y | x, real), "
    "-log D(x) and -log(1 - D(x)), each a mean, D(x) = S / (S + 1), S the sum of exp(logits)",
    accepts="any way to write them that is finite at logits of a few hundred",
    mistakes="ssl-supervised-with-fake ssl-max-not-sum step-swapped-labels loss-log-sigmoid-nan",
    reference=kplus1_losses,
)
def check_kplus1_losses(answer: Callable) -> None:
    problems, got = [], []
    for seed, classes, sizes in ((0, 10, (6, 5, 4)), (1, 3, (4, 7, 5)), (2, 4, (3, 3, 8))):
        seed_torch(seed)
        logits = [
            torch.randn(n, classes, device=probe_device()).mul(2).requires_grad_() for n in sizes
        ]
        labels = torch.arange(sizes[0], device=probe_device()) % classes
        call = f"kplus1_losses(...) with {classes} classes"
        problems.append((logits[0], labels, *logits[1:]))
        got.append(_three_terms(answer, call, problems[-1]))
    right = [[part.detach() for part in kplus1_losses(*p)] for p in problems]
    for i, name in enumerate(_NAMES):
        mine, wanted = ([row[i].item() for row in rows] for rows in (got, right))
        if not close(mine, wanted):
            name_wrong(mine, _known_terms(name), problems, close)
            said = f"The {name} term is off: {off_by(mine[0], wanted[0])}."
            for j, other in enumerate(_NAMES):
                if close(mine, [row[j].item() for row in right]):
                    wrong(f"{said} It is the {other} term. In which order are the three asked for?")
            sizes = {"the number of images": [len(p[i + (i > 0)]) for p in problems]}
            sizes["the number of classes"] = [p[0].shape[1] for p in problems]
            wrong(f"{said} {explain(mine, wanted, None, sizes)}")
    a, y, r, f = problems[0]
    far = (300 * a, y, 300 * r, 300 * f)
    got = _three_terms(answer, "kplus1_losses(...) at large logits", far, finite=False)
    if not all(map(close, got, kplus1_losses(*far))):
        wrong("""loss-log-sigmoid-nan: At ordinary logits all is right, but at logits of a few
            hundred a term is not finite or not right. Does an exponential overflow, or is something
            cut off? Which functions take logits as they are?""")


def _three_terms(answer: Callable, call: str, problem: tuple, finite: bool = True) -> list[Tensor]:
    """What the answer gives for a problem: three scalar tensors with a gradient."""
    parts = need_parts(ask(answer, call, *problem), call, *_NAMES)
    for name, part in zip(_NAMES, parts, strict=True):
        need_tensor(part, f"the {name} term of {call}", (), finite)
        need(part.requires_grad, f"The {name} term of `{call}` has no gradient. What detaches it?")
    return [part.detach() for part in parts]


# --- 5.7: is the order obeyed? -------------------------------------------------------------------


def class_accuracy(said: Tensor, asked: Tensor, num_classes: int = 10) -> Tensor:
    """(num_classes,): of the images asked for as class k, the share in which the judge sees k."""
    return torch.stack([(said[asked == k] == k).double().mean() for k in range(num_classes)])


def _hits(said: Tensor, asked: Tensor, num_classes: int) -> Tensor:
    return torch.bincount(asked[said == asked], minlength=num_classes).double()


_SHORT = (
    (r"must match the size of tensor|broadcast", None,
     "here a class at the end is never hit. Does each of the counts have an entry for it?"),
)  # fmt: skip


@exercise(
    "5.7",
    "Is the order obeyed?",
    signature="class_accuracy(said, asked, num_classes=10)",
    takes="said (N,): the class that the judge sees in each image; asked (N,): the class that was "
    "ordered, each at least once, in any order",
    returns="a float tensor (num_classes,): for each class, the share of its orders in which the "
    "judge sees it",
    accepts="loops or bincount; float32 or float64",
    mistakes="acc-by-predicted acc-overall hardcoded-size",
    reference=class_accuracy,
)
def check_class_accuracy(answer: Callable) -> None:
    problems, got, hits = [], [], (10, 4, 10, 1, 4)  # only so many of the classes are ever hit
    for seed, (n, classes) in enumerate(((200, 10), (90, 4), (150, 10), (70, 5), (70, 5))):
        seed_torch(seed)
        asked = torch.cat([torch.arange(classes), torch.randint(classes, (n,)) // 2])
        said = torch.where(torch.rand(len(asked)) < 0.6, asked, torch.randint(classes, asked.shape))
        said[asked == 1] = 0  # one class is mostly taken for another
        said[(asked == said) & (asked >= hits[seed])] = 0
        some = torch.arange(classes).roll(-int(hits[seed] < classes))
        said[:classes] = some  # every class is seen at least once
        problems.append((said.to(probe_device()), asked.to(probe_device()), classes))
        call = f"class_accuracy(said, asked, num_classes={classes})"
        got.append(ask(answer, call, *problems[-1][:2], hints=_SHORT, num_classes=classes))
        if isinstance(got[-1], Tensor) and not got[-1].is_complex():
            got[-1] = got[-1].double()  # whole numbers and truth values are shares too
        need_tensor(got[-1], call, finite=False)
        shape = tuple(got[-1].shape)
        if shape != (classes,):
            told = f"`{call}` returned shape {shape}; one share for each of the {classes} classes"
            wrong(f"{told} was expected.", "hardcoded-size" if shape == (10,) else None)
    right = [class_accuracy(*p) for p in problems]
    if all(map(close, got, right)):
        return
    known: list[Known] = [
        ("acc-by-predicted", lambda said, asked, k: class_accuracy(asked, said, k),
         "Of the images in which the judge sees class k, this is the share that was asked for "
         "as k. The question goes the other way: of the images asked for as k, in how many is "
         "it seen?"),
        ("acc-overall", lambda said, asked, k: (said == asked).double().mean().expand(k),
         "Every class has the same value, the share over all images. One class that always "
         "fails would not show. Which images belong to class k?"),
        (None, lambda said, asked, k: k * _hits(said, asked, k) / len(said),
         "The hits of each class are divided by N / K, as if all classes were ordered equally "
         "often. How often was each one?"),
        (None, _hits,
         "These are counts: how often each class was hit. Of how many orders of this class is the "
         "share asked for?"),
        (None, lambda said, asked, k: _hits(said, asked, k) / torch.stack(
            [((said == i) | (asked == i)).sum() for i in range(k)]),
         "The hits are divided by all images that were ordered *or* seen as the class. Which of "
         "them were ordered as it?"),
        (None, lambda said, asked, k: (class_accuracy(said, asked, k) == 1).double(),
         "Every share comes out as 0 or 1: a whole-number division, or a question that is asked of "
         "the class as a whole. Each class has a mean of its own."),
        (None, lambda said, asked, k: class_accuracy(said.sort()[0], asked.sort()[0], k),
         "Both lists are sorted, each by itself, so that what was seen no longer stands beside "
         "what was ordered. Does anything need to be sorted?"),
        (None, lambda said, asked, k: _hits(said, asked, k) / len(said),
         "The hits of each class are divided by the number of all images. Of which images is "
         "the share taken?"),
    ]  # fmt: skip
    name_wrong(got, known, problems, close)
    flat = [torch.cat([t.double().cpu() for t in part]).tolist() for part in (got, right)]
    i = first_off(*flat, close)
    which = f"Of {problems[0][2]} classes, for class {i}" if i < problems[0][2] else "For one class"
    said = explain(*flat) or "Take the orders of this class: in how many is it seen?"
    wrong(f"{which}, {off_by(flat[0][i], flat[1][i])}. {said}")
