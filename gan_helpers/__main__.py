"""The command line: `python -m gan_helpers train`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

DATA_SETS = ("mnist", "fashion-mnist", "cifar10", "digits", "shapes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 if the work found a fault, 2 for bad usage."""
    return run_command(_parser().parse_args(arguments))


def run_command(options: argparse.Namespace) -> int:
    """Call `options.run(options)`; the package's own errors become a line and the exit code 1."""
    try:
        code = options.run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, RuntimeError) as error:
        # Messages of the package say what came, what was expected and what to do.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gan_helpers",
        description="Long training runs from the shell.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_train(commands)
    return parser


# --- train ---------------------------------------------------------------------------------------


def _add_train(commands) -> None:
    from .models import PAIRS

    train = commands.add_parser(
        "train",
        help="train a GAN and save its checkpoints, samples and history",
        description=(
            "Train a GAN. RUN_DIR gets checkpoints, history.csv and samples.png. After an "
            "interrupt, the same command with --resume goes on where it stopped, exactly."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = train.add_argument
    add("--data", default="mnist", help=f"{', '.join(DATA_SETS)}, or a folder of images")
    add("--fallback", help="stand-in if the data cannot be had, such as digits")
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


def _train(options: argparse.Namespace) -> int:
    from . import datasets, models, plotting, sampling, settings, training

    if len(options.lr) > 2:
        raise ValueError(f"--lr takes one rate, or two (G's and D's), not {len(options.lr)}")
    folder = Path(options.data)
    use_folder = options.data.lower() not in DATA_SETS and folder.exists()
    data = datasets.load_dataset(folder if use_folder else options.data, fallback=options.fallback)
    settings.set_seed(options.seed)
    generator, discriminator = models.build_pair(options.model)
    print(f"{options.model} pair on {data.title}: {options.steps:,} steps into {options.run_dir}")
    run = training.train(
        generator,
        discriminator,
        data,
        steps=options.steps,
        objective=options.objective,
        d_steps=options.d_steps,
        lr=tuple(options.lr) if len(options.lr) == 2 else options.lr[0],
        betas=tuple(options.betas),
        batch_size=options.batch_size,
        seed=options.seed,
        device=options.device,
        run_dir=options.run_dir,
        resume=options.resume,
    )
    _save_grid(plotting.to_display(sampling.generate(run, 64)), options.run_dir / "samples.png")
    print(run)
    return 0


def _save_grid(grid, path: Path) -> None:
    from PIL import Image

    Image.fromarray(grid).save(path)
    print(f"samples: {path}")


if __name__ == "__main__":
    sys.exit(main())
