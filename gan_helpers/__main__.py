"""The command line: `python -m gan_helpers train`."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

DATA_SETS = ("mnist", "fashion-mnist", "cifar10", "digits", "shapes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 if the work found a fault, 2 for bad usage."""
    return run_command(_parser().parse_args(arguments))


def run_command(options: argparse.Namespace) -> int:
    """Call `options.run(options)`; the package's own errors become a line and the exit code 1."""

    def show(message: Warning | str, *_where: object) -> None:
        print(f"warning: {for_the_shell(str(message))}", file=sys.stderr)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = show  # where in the code it was raised helps nobody here
            code = options.run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, RuntimeError) as error:
        # Messages of the package say what came, what was expected and what to do.
        print(f"error: {for_the_shell(str(error))}", file=sys.stderr)
        return 1


# The package's messages speak of arguments of functions; each becomes the option that sets it.
_PHRASES = {
    r"load_dataset\('[^']*', fallback=('\w+')\)": r"fallback=\1",
    r"\bresume=True": "--resume",
    r"\bpass Path\(('.*?')\)": r"pass --data \1",
    r"\bname='": "--data '",
    r", and after the run gh\.runs\.save\(run\) writes its last state": "",
    r", and restart the kernel": "",
    r"\b(run_dir|batch_size|d_steps|image_size|fallback|objective|steps|lr|betas|seed|device)=":
        r"--\1 ",
    r"(?<![-\w])run_dir\b": "--run-dir",
}  # fmt: skip


def for_the_shell(text: str) -> str:
    """A message of the package in the words of the command line: batch_size=9 is --batch-size 9."""
    for pattern, words in _PHRASES.items():
        text = re.sub(pattern, words, text)
    return re.sub(r"--\w+_\w+", lambda option: option[0].replace("_", "-"), text)


def _parser() -> argparse.ArgumentParser:
    from .models import PAIRS

    parser = argparse.ArgumentParser(
        prog="python -m gan_helpers", description="Long training runs from the shell."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    train = commands.add_parser(
        "train",
        help="train a GAN and save its checkpoints, samples and history",
        description=(
            "Train a GAN. RUN_DIR gets checkpoints, grids of samples, history.csv and config.json. "
            "After an interrupt, the same command with --resume goes on where it stopped, exactly."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = train.add_argument
    add("--data", default="mnist", help=f"{', '.join(DATA_SETS)}, or a folder of images")
    add("--fallback", help="stand-in if the data cannot be had, such as digits")
    add("--image-size", type=int, help="resize the images to so many pixels square")
    add("--model", choices=PAIRS, default="mlp", help="the pair of networks")
    add("--steps", type=int, default=20_000, help="generator steps in all, resumed ones included")
    add("--objective", default="non-saturating", help="the losses; a wrong name lists them all")
    add("--lr", type=float, nargs="+", default=[2e-4], help="one learning rate, or G's and D's")
    add("--betas", type=float, nargs=2, default=[0.5, 0.999], help="Adam's two decay rates")
    add("--batch-size", type=int, default=128, help="images in a batch")
    add("--d-steps", type=int, default=1, help="discriminator steps for each generator step")
    add("--seed", type=int, default=0, help="decides initial weights, batches and noise")
    add("--device", help="cpu, cuda or mps; the best one that is there, if not given")
    add("--run-dir", type=Path, default=Path("runs/gan"), help="the folder for results")
    add("--resume", action="store_true", help="go on from the newest checkpoint in RUN_DIR")
    train.set_defaults(run=_train)
    return parser


def _train(options: argparse.Namespace) -> int:
    from . import callbacks, models, sampling, settings, training

    if len(options.lr) > 2:
        raise ValueError(f"--lr takes one rate, or two (G's and D's), not {len(options.lr)}")
    data = _load(options)
    settings.set_seed(options.seed)
    generator, discriminator = models.build_pair(options.model, data.image_shape)
    print(f"{options.model} pair on {data.title}: {options.steps:,} steps into {options.run_dir}")
    # A terminal's bar moves; the log of a job in the background gets a line a minute.
    bar = callbacks.Progress(0.5 if sys.stderr.isatty() else 60.0)
    same = ("steps", "objective", "d_steps", "batch_size", "seed", "device", "run_dir", "resume")
    run = training.train(
        generator,
        discriminator,
        data,
        lr=tuple(options.lr) if len(options.lr) == 2 else options.lr[0],
        betas=tuple(options.betas),
        callbacks=[bar],
        progress=False,
        **{name: getattr(options, name) for name in same},
    )
    print(run)
    if run.unsaved:
        what = run.unsaved.split(". ")[0]
        raise OSError(f"{what}. Make room; --resume then goes on from what was saved before")
    path = options.run_dir / "samples.png"
    sampling.save_grid(sampling.generate(run, 64), path)
    print(f"samples: {path}")
    if run.interrupted:
        print("The same command with --resume goes on from here.")
    return 0


def _load(options: argparse.Namespace):
    from .datasets import load_dataset

    name: str | Path = options.data
    if name.lower() not in DATA_SETS and ("/" in name or os.sep in name or Path(name).exists()):
        name = Path(name)
    return load_dataset(name, fallback=options.fallback, image_size=options.image_size)


if __name__ == "__main__":
    sys.exit(main())
