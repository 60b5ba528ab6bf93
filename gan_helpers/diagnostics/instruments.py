"""The instruments of a run of images: a callback that reads them every so many steps."""

import torch
from torch import Tensor, nn

from ..callbacks import Callback
from ..datasets import ImageDataset
from ..judges import judge_for
from ..metrics import classes_covered, frechet_distance, look, precision_recall
from ..metrics.features import to_float
from ..runs import TrainingRun
from ..sampling import call, evaluating, generate, to_bytes
from .reading import Signs, judged, near_twins, spread, to_nearest, twin_limit

SEARCHED = 2000  # training images that are searched for copies, at most


class Instruments(Callback):
    """Look at a run every `every` steps; `history` holds what was read, `signs` the whole record.

    Args:
        every: steps between two looks; there is one before the first step.
        n: samples drawn for a look, and real images beside them.
        real: real images that were not trained on, such as the test split; without them the
            training images stand in, which hides some copying.
        judge: who names classes and gives features; default: the one shipped for these data.

    `history` has the names that `Signs` lists, and of the judge's features also: quality and
    recall (precision and recall against `real`); fd, their Fréchet distance; nearest: the median
    distance of a sample to the nearest training image (of 2,000 at most), over that of `real`;
    duplicates: the share of samples that have another one nearer than 99 % of real images have.
    Put it after `Averaging`. It draws from generators of its own and does not change the run.
    Raises ValueError for fewer than 50 samples, or data without a judge.
    """

    def __init__(
        self,
        every: int = 100,
        n: int = 500,
        real: ImageDataset | None = None,
        judge: nn.Module | None = None,
    ):
        if every < 1 or n < 50:
            raise ValueError(f"every={every}, n={n}: expected 1 or more steps, 50 or more samples")
        self.every, self.n, self.real, self.judge = every, n, real, judge
        self.history: dict[str, list] = {}
        self._run: TrainingRun | None = None
        self._ended: int | None = None

    def on_start(self, run: TrainingRun) -> None:
        if self._run is not None and run is not self._run and run.step == 0:
            self.history = {}  # the same object, used for another run
        self._run, self._ended = run, None
        judge = self.judge = self.judge or judge_for(run.dataset)
        order = torch.randperm(len(run.dataset), generator=torch.Generator().manual_seed(0))
        train = look(run.dataset.images[order[:SEARCHED]].unique(dim=0), judge, source="train")
        self._train, self._shown = train, order[: self.n]
        held = self.real or run.dataset
        chosen = torch.randperm(len(held), generator=torch.Generator().manual_seed(1))[: self.n]
        self._images = held.images[chosen]
        self._seen = look(self._images, judge, source="real")
        # A training image's nearest neighbour is itself: take the second.
        nearest = to_nearest(self._seen.values, train.values, 1 + (held is run.dataset))
        self._ruler = nearest.median()
        self._twins_within = twin_limit(self._seen.values)
        half = len(self._seen) // 2
        self.best = float(precision_recall(self._seen.take(slice(half)),
                                           self._seen.take(slice(half, None)))[0])  # fmt: skip
        if run.step == 0:
            self.look(run)

    def after_step(self, run: TrainingRun) -> None:
        if run.step % self.every == 0:
            self.look(run)

    def on_end(self, run: TrainingRun) -> None:
        if run.step < run.total_steps and not run.stopping:
            self._ended = run.step

    def look(self, run: TrainingRun) -> None:
        """Read the instruments once."""
        with torch.random.fork_rng():  # a look must not change the run
            labels = None if run.num_classes is None else torch.arange(self.n) % run.num_classes
            images = generate(run, self.n, labels)
            row = {"step": run.step, **self._of_d(run, images, labels), **self._of(images)}
        for name, value in row.items():
            self.history.setdefault(name, []).append(value)

    def _of_d(self, run: TrainingRun, images: Tensor, labels: Tensor | None) -> dict:
        count = min(run.batch_size, self.n, len(run.dataset))
        real = run.dataset.take(self._shown[:count], run.device)
        y = None if labels is None else run.dataset.labels[self._shown[:count]].to(run.device)
        z = None if labels is None else labels[:count].to(run.device)
        D = run.discriminator
        with evaluating(D), torch.no_grad():
            logits = [call(D, real, y), call(D, images[:count].to(run.device), z)]
        seen = judged(*(x.flatten() for x in logits), run.losses)
        row = {name: float(value) for name, value in seen.items()}
        for key, network in (("g", run.generator), ("d", D)):
            norms = gradient_norms(network)
            row[f"{key}_norm"] = float(torch.tensor([*norms.values()]).norm())
            row[f"{key}_layers"] = [v for name, v in norms.items() if name.endswith("weight")]
        return row

    def _of(self, images: Tensor) -> dict:
        seen = look(images.clamp(-1, 1), self.judge)
        classes = classes_covered(seen)
        counts = torch.as_tensor(classes.details["counts"])
        quality, recall = precision_recall(seen, self._seen)
        few = slice(min(250, self.n))
        real = to_float(self._images[few]).flatten(1)
        return {
            "modes_any": int((counts > 0).sum()), "modes": int(classes.value),
            "effective": classes.details["effective"], "top": int(counts.argmax()),
            "counts": counts.tolist(), "quality": float(quality), "recall": float(recall),
            "fd": float(frechet_distance(seen, self._seen, interval=False)),
            "diversity": float(spread(images[few].flatten(1)) / spread(real)),
            "nearest": float(to_nearest(seen.values, self._train.values).median() / self._ruler),
            "duplicates": near_twins(seen.values, self._twins_within),
        }  # fmt: skip

    @property
    def signs(self) -> Signs:
        """The record of the run, with 64 samples."""
        run = self._run
        if run is None:
            raise ValueError("nothing was read yet: pass the Instruments to gh.train as a callback")
        labels = None if run.num_classes is None else torch.arange(64) % run.num_classes
        images = to_bytes(generate(run, 64, labels))
        kinds = self.judge.num_classes
        return Signs(self.history, images, kinds, run.losses.probabilities, run.dataset_title,
                     self.best, self._ended)  # fmt: skip

    def state_dict(self) -> dict:
        return {"history": self.history}

    def load_state_dict(self, state: dict) -> None:
        self.history = {name: list(values) for name, values in state["history"].items()}


def gradient_norms(network: nn.Module) -> dict[str, float]:
    """Each parameter's name and the norm of its latest gradient, from the input on; nan: none."""
    return {
        name: float("nan") if p.grad is None else float(p.grad.norm())
        for name, p in network.named_parameters()
        if p.requires_grad
    }
