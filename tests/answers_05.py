"""Answers to the exercises of notebook 05: see test_answers.py for the three tables."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

import gan_helpers as gh
from gan_course.exercises.nb05 import ConditionalDiscriminator, ConditionalGenerator
from gan_helpers.models import MLPDiscriminator, MLPGenerator

CORRECT: dict[str, dict] = {}
MUTANTS: dict[str, dict] = {}
UNFORESEEN: dict[str, dict] = {}
BLANKS: dict[str, dict] = {}

# --- 5.1 -----------------------------------------------------------------------------------------


class OneHotGenerator(nn.Module):
    """The code is one-hot, scaled, and joined behind z."""

    def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
        super().__init__()
        self.classes = num_classes
        self.net = MLPGenerator(latent_dim + num_classes, hidden_dim)

    def forward(self, z, y):
        return self.net(torch.cat([z, 3 * F.one_hot(y, self.classes)], 1))


class BranchGenerator(nn.Module):
    """Two first layers whose results are added; the table is as wide as the hidden layer."""

    def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
        super().__init__()
        self.from_z = nn.Linear(latent_dim, hidden_dim)
        self.from_label = nn.Embedding(num_classes, hidden_dim)
        self.last = nn.Linear(hidden_dim, 784)

    def forward(self, z, y):
        h = F.relu(self.from_z(z) + self.from_label(y))
        return torch.tanh(self.last(h)).unflatten(1, (1, 28, 28))


class ProductGenerator(nn.Module):
    """The label's vector multiplies z, as in some early conditional GANs."""

    def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
        super().__init__()
        self.label = nn.Embedding(num_classes, latent_dim)
        self.net = MLPGenerator(latent_dim, hidden_dim)

    def forward(self, z, y):
        return self.net(z * self.label(y))


def generator(code, width, net=MLPGenerator, hidden=None):
    """A factory of generators that join code(self, y), of `width` columns, to z."""

    class Generator(nn.Module):
        def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
            super().__init__()
            self.classes, self.latent_dim = num_classes, latent_dim
            columns = num_classes if width is None else width
            self.net = net(latent_dim + columns, hidden or hidden_dim)

        def forward(self, z, y):
            return self.net(torch.cat([z, code(self, y)], 1))

    return Generator


class BlindGenerator(ConditionalGenerator):
    def forward(self, z, y):
        return super().forward(z, torch.zeros_like(y))


class LatentTableGenerator(ConditionalGenerator):
    def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
        super().__init__(latent_dim, num_classes, hidden_dim)
        self.label = nn.Embedding(latent_dim, 32)


class TenClassesGenerator(ConditionalGenerator):
    def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
        super().__init__(latent_dim, 10, hidden_dim)


class NoTanhGenerator(ConditionalGenerator):
    def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
        super().__init__(latent_dim, num_classes, hidden_dim)
        self.net.net = self.net.net[:-1]


class HalvedClassesGenerator(ConditionalGenerator):
    def forward(self, z, y):
        return super().forward(z, y // 2)


class WrappedGenerator(ConditionalGenerator):
    def forward(self, z, y):
        return super().forward(z, y % self.num_classes)


class WrappedTooEarlyGenerator(ConditionalGenerator):
    def forward(self, z, y):
        return super().forward(z, y % 5)


class SortingGenerator(ConditionalGenerator):
    def forward(self, z, y):
        return super().forward(z, y.sort().values)


class FlatGenerator(ConditionalGenerator):
    def forward(self, z, y):
        return super().forward(z, y).flatten(1)


class SpareLayerGenerator(ConditionalGenerator):
    def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
        super().__init__(latent_dim, num_classes, hidden_dim)
        self.spare = nn.Linear(3, 3)


class CutLabelGenerator(ConditionalGenerator):
    def forward(self, z, y):
        return self.net(torch.cat([z, self.label(y).detach()], dim=1))


CORRECT["5.1"] = {
    "one-hot": OneHotGenerator,
    "two branches, added": BranchGenerator,
    "label times z": ProductGenerator,
    "the label's remainder": WrappedGenerator,
}
MUTANTS["5.1"] = {
    "label unused": (BlindGenerator, "cond-g-blind"),
    "index as a number": (generator(lambda s, y: y[:, None].float(), 1), "cond-index-as-float"),
    "index divided by 10": (generator(lambda s, y: y[:, None] / 10, 1), "cond-index-as-float"),
    "table of z's size": (LatentTableGenerator, "cond-embedding-shared-size"),
    "ten classes written in": (TenClassesGenerator, "hardcoded-size"),
    "hidden size written in": (
        generator(lambda s, y: F.one_hot(y, s.classes), None, hidden=64),
        "hardcoded-size",
    ),
    "no tanh": (NoTanhGenerator, "arch-no-output-activation"),
}
UNFORESEEN["5.1"] = {
    "a layer that is not used": (SpareLayerGenerator, "does not depend on spare.weight"),
    "the label's code detached": (CutLabelGenerator, "depends on label.weight, but no gradient"),
    "two classes share a code": (HalvedClassesGenerator, "The classes 0 and 1 lead to the same"),
    "five codes for all": (WrappedTooEarlyGenerator, "The classes 0 and 5 lead to the same"),
    "labels sorted": (SortingGenerator, "does each row get that of its own label"),
    "flat images": (FlatGenerator, "(13, 1, 28, 28) was expected"),
    "one-hot of this batch": (
        generator(lambda s, y: F.one_hot(y), None),
        "as many as this batch happens to need",
    ),
}

# --- 5.2 -----------------------------------------------------------------------------------------


class OneHotDiscriminator(nn.Module):
    def __init__(self, num_classes=10, hidden_dim=256):
        super().__init__()
        self.classes = num_classes
        self.net = MLPDiscriminator(hidden_dim, (784 + num_classes,))

    def forward(self, images, y):
        return self.net(torch.cat([images.flatten(1), F.one_hot(y, self.classes)], 1))[:, None]


class ProjectingDiscriminator(nn.Module):
    def __init__(self, num_classes=10, hidden_dim=256):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2))
        self.last = nn.Linear(hidden_dim, 1)
        self.label = nn.Embedding(num_classes, hidden_dim)

    def forward(self, images, y):
        h = self.body(images)
        return self.last(h).squeeze(1) + (h * self.label(y)).sum(1)


class PlanesDiscriminator(nn.Module):
    """The label as planes beside the image, read by a convolution."""

    def __init__(self, num_classes=10, hidden_dim=256):
        super().__init__()
        self.classes = num_classes
        self.first = nn.Conv2d(1 + num_classes, 8, 4, stride=4)
        self.net = nn.Sequential(nn.Linear(8 * 49, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 1))

    def forward(self, images, y):
        planes = F.one_hot(y, self.classes).float()[:, :, None, None].expand(-1, -1, 28, 28)
        return self.net(F.leaky_relu(self.first(torch.cat([images, planes], 1))).flatten(1))


class BlindDiscriminator(ConditionalDiscriminator):
    def forward(self, images, y):
        return super().forward(images, torch.zeros_like(y))


class NumberDiscriminator(nn.Module):
    def __init__(self, num_classes=10, hidden_dim=256):
        super().__init__()
        self.net = MLPDiscriminator(hidden_dim, (785,))

    def forward(self, images, y):
        return self.net(torch.cat([images.flatten(1), y[:, None].float()], 1))


class TenClassesDiscriminator(ConditionalDiscriminator):
    def __init__(self, num_classes=10, hidden_dim=256):
        super().__init__(10, hidden_dim)


class SigmoidDiscriminator(ConditionalDiscriminator):
    def forward(self, images, y):
        return torch.sigmoid(super().forward(images, y))


class AllPairsDiscriminator(ProjectingDiscriminator):
    def forward(self, images, y):
        h = self.body(images)
        return self.last(h) + h @ self.label(y).T


class SummedDiscriminator(ConditionalDiscriminator):
    def forward(self, images, y):
        return super().forward(images, y).mean()


class PriorDiscriminator(nn.Module):
    """The label's vector is added to features that only a linear layer follows."""

    def __init__(self, num_classes=10, hidden_dim=256):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden_dim), nn.LeakyReLU(0.2))
        self.label = nn.Embedding(num_classes, hidden_dim)
        self.last = nn.Linear(hidden_dim, 1)

    def forward(self, images, y):
        return self.last(self.body(images) + self.label(y))


class DetachedDiscriminator(ConditionalDiscriminator):
    def forward(self, images, y):
        return super().forward(images.detach(), y)


class DetachedOutputDiscriminator(ConditionalDiscriminator):
    def forward(self, images, y):
        return super().forward(images, y).detach()


class RoundingDiscriminator(ConditionalDiscriminator):
    def forward(self, images, y):
        return super().forward((4 * images).round() / 4 + 0.1 * images, y)


class HalfDiscriminator(ConditionalDiscriminator):
    def forward(self, images, y):
        return super().forward(F.pad(images[:, :, :14], (0, 0, 0, 14)), y)


class ReluDiscriminator(ConditionalDiscriminator):
    def forward(self, images, y):
        return super().forward(images, y).relu()


class OneForEachClass(nn.Module):
    """A network of its own for every class."""

    def __init__(self, num_classes=10, hidden_dim=256):
        super().__init__()
        self.all = nn.ModuleList(MLPDiscriminator(hidden_dim) for _ in range(num_classes))

    def forward(self, images, y):
        return torch.cat([self.all[k](images[i : i + 1]) for i, k in enumerate(y.tolist())])


class SignDiscriminator(ConditionalDiscriminator):
    def forward(self, images, y):
        return super().forward(images, y).abs()


CORRECT["5.2"] = {
    "one-hot, a column of logits": OneHotDiscriminator,
    "projection": ProjectingDiscriminator,
    "label planes": PlanesDiscriminator,
    "a network for each class": OneForEachClass,
}
MUTANTS["5.2"] = {
    "label unused": (BlindDiscriminator, "cond-d-blind"),
    "label added at the end": (PriorDiscriminator, "cond-label-only-shifts"),
    "index as a number": (NumberDiscriminator, "cond-index-as-float"),
    "ten classes written in": (TenClassesDiscriminator, "hardcoded-size"),
    "sigmoid at the end": (SigmoidDiscriminator, "loss-double-sigmoid"),
}
UNFORESEEN["5.2"] = {
    "every image with every label": (AllPairsDiscriminator, "(13, 13)"),
    "one logit for the batch": (SummedDiscriminator, "returned shape ()"),
    "never negative": (SignDiscriminator, "only one sign"),
    "a ReLU at the end": (ReluDiscriminator, "What does the last line of D apply"),
    "image detached": (DetachedDiscriminator, "no gradient comes back to the images"),
    "output detached": (DetachedOutputDiscriminator, "but no gradient gets there"),
    "image rounded on the way": (RoundingDiscriminator, "is not how its output changes"),
    "half of the image": (HalfDiscriminator, "50% of the pixels"),
}

# --- 5.3 -----------------------------------------------------------------------------------------


def step(fake_labels=None, judged=None, loss=None, detach=True, clear=True, real_labels=None):
    """A factory of d_step with one part exchanged."""

    def d_step(G, D, d_optimizer, real, labels, latent_dim):
        drawn = fake_labels(labels) if fake_labels else labels
        fake = G(torch.randn(len(real), latent_dim), drawn)
        fake = fake.detach() if detach else fake
        says_real = D(real, real_labels(labels) if real_labels else labels)
        says_fake = D(fake, judged(drawn) if judged else drawn)
        value = (loss or usual)(says_real, says_fake)
        if clear:
            d_optimizer.zero_grad()
        value.backward()
        d_optimizer.step()
        return value.item()

    return d_step


def usual(real, fake):
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def in_one_call(G, D, d_optimizer, real, labels, latent_dim):
    with torch.no_grad():
        fake = G(torch.randn(len(real), latent_dim), labels)
    logits = D(torch.cat([real, fake]), torch.cat([labels, labels]))
    target = torch.cat([torch.ones(len(real)), torch.zeros(len(real))])
    loss = 2 * F.binary_cross_entropy_with_logits(logits, target)
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    return float(loss)


def sent_back_apart(G, D, d_optimizer, real, labels, latent_dim):
    D.zero_grad()
    bce = F.binary_cross_entropy_with_logits
    says = D(real, labels)
    first = bce(says, torch.ones_like(says))
    first.backward()
    says = D(G(torch.randn(len(labels), latent_dim), labels).detach(), labels)
    second = bce(says, torch.zeros_like(says))
    second.backward()
    d_optimizer.step()
    return first.item() + second.item()


def by_torch_func(G, D, d_optimizer, real, labels, latent_dim):
    with torch.no_grad():
        fake = G(torch.randn(len(real), latent_dim), labels)

    def loss(weights):
        says_real = torch.func.functional_call(D, weights, (real, labels))
        return usual(says_real, torch.func.functional_call(D, weights, (fake, labels)))

    weights = {name: p.detach() for name, p in D.named_parameters()}
    slopes, value = torch.func.grad_and_value(loss)(weights)
    for name, p in D.named_parameters():
        p.grad = slopes[name]
    d_optimizer.step()
    return value.item()


def in_pieces(G, D, d_optimizer, real, labels, latent_dim):
    """Pieces of 16, the last one perhaps empty."""
    d_optimizer.zero_grad()
    total = 0.0
    for start in range(0, len(real) + 1, 16):
        x, y = real[start : start + 16], labels[start : start + 16]
        fake = G(torch.randn(len(x), latent_dim), y).detach()
        loss = (F.softplus(-D(x, y)).sum() + F.softplus(D(fake, y)).sum()) / len(real)
        loss.backward()
        total += loss.item()
    d_optimizer.step()
    return total


def before(change):
    """A d_step that first does something to (d_optimizer, real, labels)."""

    def d_step(G, D, d_optimizer, real, labels, latent_dim):
        real, labels = change(d_optimizer, real, labels) or (real, labels)
        return step()(G, D, d_optimizer, real, labels, latent_dim)

    return d_step


def slows_down(d_optimizer, real, labels):
    d_optimizer.param_groups[0]["lr"] *= 0.9


def scales_in_place(d_optimizer, real, labels):
    real.mul_(0.5)


def scales_and_back(d_optimizer, real, labels):
    return real.mul(0.5).mul(2), labels


def sorts_labels(d_optimizer, real, labels):
    order = labels.argsort()
    labels.copy_(labels[order])
    return real[order], labels


CORRECT["5.3"] = {
    "torch.func": by_torch_func,
    "pieces, the last one empty": in_pieces,
    "a copy is scaled, and back": before(scales_and_back),
    "one call of D": in_one_call,
    "two backward passes": sent_back_apart,
    "the batch's labels in another order": step(lambda y: y[torch.randperm(len(y))]),
}
MUTANTS["5.3"] = {
    "one class": (step(lambda y: torch.full_like(y, 3)), "cond-one-class"),
    "judged under new labels": (
        step(judged=lambda y: y.roll(1)),
        "cond-other-labels",
    ),
    "uniform labels": (
        step(lambda y: torch.randint(10, y.shape)),
        "cond-uniform-labels",
    ),
    "no detach": (step(detach=False), "step-no-detach"),
    "never cleared": (step(clear=False), "step-no-zero-grad"),
    "targets swapped": (step(loss=lambda r, f: usual(f, r)), "step-swapped-labels"),
}
UNFORESEEN["5.3"] = {
    f"real images in {name}": (
        before(lambda o, real, y, name=name: (real.to(getattr(torch, name)), y)),
        f"must have the same dtype, but got {said} and Float",
    )
    for name, said in {
        "float64": "Double",
        "float16": "Half",
        "bfloat16": "BFloat16",
        "uint8": "Byte",
    }.items()
}
UNFORESEEN["5.3"] |= {
    "a learning rate of its own": (before(slows_down), "changes the settings of the optimiser"),
    "scales the images in place": (before(scales_in_place), "changes the real images"),
    "sorts the labels in place": (before(sorts_labels), "changes the labels"),
    "short labels": (
        before(lambda o, real, y: (real, y.int())),
        "where an int64 tensor of shape (48,) was expected",
    ),
    "real labels shuffled": (step(real_labels=lambda y: y.flip(0)), "labels that are not theirs"),
    "real term doubled": (
        step(loss=lambda r, f: 2 * F.softplus(-r).mean() + F.softplus(f).mean()),
        "real",
    ),
    "returns nothing": (
        lambda G, D, o, real, labels, n: step()(G, D, o, real, labels, n) and None,
        "nothing (None)",
    ),
}

# --- 5.4 -----------------------------------------------------------------------------------------


def digits_by_hand(G, digit, n, latent_dim=64):
    mode = G.training
    G.eval()
    with torch.inference_mode():
        images = G(torch.randn(n, latent_dim), torch.tensor([digit] * n))
    G.train(mode)
    return images


def digits_by_helper(G, digit, n, latent_dim=64):
    return gh.generate(G, n, digit, latent_dim=latent_dim)


def digits_one_by_one(G, digit, n, latent_dim=64):
    mode = G.training
    made = [
        G.eval()(torch.randn(1, latent_dim), torch.full((1,), digit)).detach() for _ in range(n)
    ]
    G.train(mode)
    return torch.cat(made)


def after(change):
    """A factory of generate_digit that changes G or the images when all is done."""

    def generate_digit(G, digit, n, latent_dim=64):
        images = digits_by_hand(G, digit, n, latent_dim)
        return change(G, images)

    return generate_digit


def ordered(noise=torch.randn, label=torch.full, quiet=True, back=True, graph=False, size=None):
    """A factory of generate_digit with one part exchanged."""

    def generate_digit(G, digit, n, latent_dim=64):
        mode = G.training
        if quiet:
            G.eval()
        with torch.set_grad_enabled(graph):
            images = G(noise(n, size or latent_dim), label((n,), digit))
        if back:
            G.train(mode)
        return images

    return generate_digit


CORRECT["5.4"] = {
    "inference mode": digits_by_hand,
    "gh.generate": digits_by_helper,
    "one by one": digits_one_by_one,
}
MUTANTS["5.4"] = {
    "always sevens": (ordered(label=lambda shape, k: torch.full(shape, 7)), "cond-one-class"),
    "a float label": (ordered(label=lambda s, k: torch.full(s, float(k))), "cond-index-as-float"),
    "one label for all": (ordered(label=lambda s, k: torch.tensor([k])), "cond-index-as-float"),
    "training mode": (ordered(quiet=False), "sample-train-mode"),
    "left in evaluation mode": (ordered(back=False), "sample-leaves-eval"),
    "copies": (ordered(lambda n, k: torch.randn(1, k).expand(n, k)), "step-same-noise"),
}
UNFORESEEN["5.4"] = {
    "a graph": (ordered(graph=True), "a graph behind them"),
    "always in training mode after": (
        after(lambda G, x: x if G.train() else x),
        "was in evaluation mode before",
    ),
    "parameters frozen": (after(lambda G, x: x if G.requires_grad_(False) else x), "frozen"),
    "images in [0, 1]": (after(lambda G, x: (x + 1) / 2), "is not what G drew"),
    "uniform z": (ordered(noise=torch.rand), "standard normal z"),
    "z of 64": (ordered(size=64), "the size of z is an argument"),
    "one image": (lambda G, d, n, latent_dim=64: digits_by_hand(G, d, 1, latent_dim), "returned"),
}

# --- 5.6 -----------------------------------------------------------------------------------------


def by_columns(labelled_logits, labels, real_logits, fake_logits):
    """With the column of zeros written out: 'fake' is class K."""

    def wide(logits):
        return F.pad(logits, (0, 1)).log_softmax(1)

    supervised = F.nll_loss(labelled_logits.log_softmax(1), labels)
    real = -(wide(real_logits)[:, :-1].logsumexp(1)).mean()
    return supervised, real, -wide(fake_logits)[:, -1].mean()


def by_cross_entropy(labelled_logits, labels, real_logits, fake_logits):
    bce = F.binary_cross_entropy_with_logits
    real, fake = (torch.logsumexp(logits, dim=1) for logits in (real_logits, fake_logits))
    return [
        nn.CrossEntropyLoss()(labelled_logits, labels),
        bce(real, torch.ones_like(real)),
        bce(fake, torch.zeros_like(fake)),
    ]


def as_in_the_paper(labelled_logits, labels, real_logits, fake_logits):
    picked = labelled_logits.gather(1, labels[:, None])[:, 0]
    supervised = (torch.logsumexp(labelled_logits, 1) - picked).mean()
    lse = torch.logsumexp(real_logits, 1)
    return (
        supervised,
        (F.softplus(lse) - lse).mean(),
        F.softplus(torch.logsumexp(fake_logits, 1)).mean(),
    )


def three(supervised=None, real=None, fake=None):
    """A factory of kplus1_losses with one term exchanged."""

    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        terms = list(by_cross_entropy(labelled_logits, labels, real_logits, fake_logits))
        if supervised:
            terms[0] = supervised(labelled_logits, labels)
        if real:
            terms[1] = real(real_logits)
        if fake:
            terms[2] = fake(fake_logits)
        return terms

    return kplus1_losses


def by_exponentials(labelled_logits, labels, real_logits, fake_logits):
    supervised, *_ = by_cross_entropy(labelled_logits, labels, real_logits, fake_logits)
    real, fake = (logits.exp().sum(1) for logits in (real_logits, fake_logits))
    return supervised, -(real / (real + 1)).log().mean(), (1 + fake).log().mean()


CORRECT["5.6"] = {
    "a column of zeros": by_columns,
    "cross-entropies, a list": by_cross_entropy,
    "as in the paper": as_in_the_paper,
}
MUTANTS["5.6"] = {
    "'fake' competes": (
        three(lambda a, y: F.cross_entropy(F.pad(a, (0, 1)), y)),
        "ssl-supervised-with-fake",
    ),
    "largest logit, real": (three(real=lambda r: F.softplus(-r.amax(1)).mean()), "ssl-max-not-sum"),
    "largest logit, fake": (three(fake=lambda f: F.softplus(f.amax(1)).mean()), "ssl-max-not-sum"),
    "real swapped": (
        three(real=lambda r: F.softplus(r.logsumexp(1)).mean()),
        "step-swapped-labels",
    ),
    "fake swapped": (
        three(fake=lambda f: F.softplus(-f.logsumexp(1)).mean()),
        "step-swapped-labels",
    ),
    "exponentials": (by_exponentials, "loss-log-sigmoid-nan"),
    "cut off at 20": (
        three(real=lambda r: F.softplus(-r.logsumexp(1).clamp(-20, 20)).mean()),
        "loss-log-sigmoid-nan",
    ),
}


def far_off(change):
    """A factory of kplus1_losses that changes its terms where a logit is above 100."""

    def kplus1_losses(labelled_logits, labels, real_logits, fake_logits):
        terms = by_cross_entropy(labelled_logits, labels, real_logits, fake_logits)
        return change(terms) if real_logits.max() > 100 else terms

    return kplus1_losses


UNFORESEEN["5.6"] = {
    "two terms far off": (far_off(lambda terms: terms[:2]), "at large logits` should return 3"),
    "nothing far off": (far_off(lambda terms: None), "nothing (None) came back"),
    "numbers far off": (far_off(lambda terms: [t.item() for t in terms]), "a float came back"),
    "detached far off": (far_off(lambda terms: [t.detach() for t in terms]), "no gradient"),
    "no normaliser": (three(real=lambda r: -r.logsumexp(1).mean()), "normaliser is missing"),
    "half of a term": (three(fake=lambda f: F.softplus(f.logsumexp(1)).mean() / 2), "half"),
    "another order": (lambda *a: by_columns(*a)[::-1], "In which order"),
    "two terms": (lambda a, y, r, f: by_columns(a, y, r, f)[:2], "3 things"),
}

# --- 5.7 -----------------------------------------------------------------------------------------


def by_counts(said, asked, num_classes=10):
    hits = torch.bincount(asked[said == asked], minlength=num_classes)
    return hits / torch.bincount(asked, minlength=num_classes)


def by_loop(said, asked, num_classes=10):
    shares = torch.zeros(num_classes)
    for k in range(num_classes):
        mine = asked == k
        shares[k] = ((said == k) & mine).sum() / mine.sum()
    return shares


def by_code(said, asked, num_classes=10):
    code = F.one_hot(asked, num_classes).double()
    return code.T @ (said == asked).double() / code.sum(0)


CORRECT["5.7"] = {"counts": by_counts, "a loop": by_loop, "one-hot": by_code}
MUTANTS["5.7"] = {
    "over all": (
        lambda said, asked, num_classes=10: (said == asked).float().mean().expand(num_classes),
        "acc-overall",
    ),
    "ten written in": (lambda said, asked, num_classes=10: by_loop(said, asked), "hardcoded-size"),
}
MUTANTS["5.7"]["of those said"] = (
    lambda said, asked, num_classes=10: by_counts(asked, said, num_classes),
    "acc-by-predicted",
)
UNFORESEEN["5.7"] = {
    "complex": (
        lambda said, asked, num_classes=10: by_counts(said, asked, num_classes) + 0j,
        "returned a tensor of complex64",
    ),
    "of all images": (
        lambda said, asked, num_classes=10: (
            torch.bincount(asked[said == asked], minlength=num_classes) / len(asked)
        ),
        "divided by the number of all images",
    ),
    "errors": (
        lambda said, asked, num_classes=10: 1 - by_counts(said, asked, num_classes),
        "1 minus what was asked",
    ),
    "the most frequent answer": (
        lambda said, asked, num_classes=10: torch.stack(
            [
                torch.bincount(said[asked == k]).max() / (asked == k).sum()
                for k in range(num_classes)
            ]
        ),
        "came back",
    ),
    "one number": (
        lambda said, asked, num_classes=10: (said == asked).float().mean(),
        "one share for each",
    ),
}


class BlankGenerator(nn.Module):
    def __init__(self, latent_dim=64, num_classes=10, hidden_dim=256):
        super().__init__()
        raise NotImplementedError("Exercise 5.1: write this part")


class BlankDiscriminator(ConditionalDiscriminator):
    def forward(self, images, y):
        raise NotImplementedError("Exercise 5.2: write this part")


BLANKS["5.1"] = {"an empty class": BlankGenerator}
BLANKS["5.2"] = {"an empty forward": BlankDiscriminator}
