"""The command line: `python -m gan_course release | run | minutes | exercises`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gan_helpers.__main__ import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 if the work found a fault, 2 for bad usage."""
    return run_command(_parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gan_course",
        description="The student notebooks, and the list of exercises.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_release(commands)
    _add_run(commands)
    _add_minutes(commands)
    listing = commands.add_parser(
        "exercises",
        help="list the contract of every exercise",
        description="Print every exercise with its signature, what it returns, and its mistakes.",
    )
    listing.set_defaults(run=_exercises)
    return parser


def _add_release(commands) -> None:
    parser = commands.add_parser(
        "release",
        help="write the student notebooks from the solved ones",
        description=(
            "Write FOLDER/NN_name.ipynb from FOLDER/solutions/NN_name.ipynb. Only the solved "
            "notebooks are edited by hand."
        ),
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("notebooks"), help="notebooks")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if anything differs"
    )
    parser.add_argument(
        "--nbgrader",
        type=Path,
        metavar="SOURCE",
        help="also write SOURCE/NN_name/NN_name.ipynb, solved but nothing predicted, for nbgrader",
    )
    parser.set_defaults(run=_release)


def _release(options: argparse.Namespace) -> int:
    from .gate import problems
    from .release import read_notebook, release_all, unchosen, write_notebook

    changes = release_all(options.folder, check=options.check)
    faults = [
        f"solutions/{path.name}, {text}"
        for path in sorted((options.folder / "solutions").glob("*.ipynb"))
        for text in problems(path, student=False)
    ]
    print("\n".join(faults), end="\n" if faults else "")
    print("\n".join(changes), end="\n" if changes else "")
    for path in sorted((options.folder / "solutions").glob("*.ipynb")) if options.nbgrader else ():
        target = options.nbgrader / path.stem / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_notebook(unchosen(read_notebook(path)), target)
    if not faults and not changes:
        print("the student notebooks are in step with the solved ones")
    elif changes and not options.check:
        print(f"wrote the student notebooks in {options.folder}")
    return 1 if faults or (options.check and changes) else 0


def _add_run(commands) -> None:
    parser = commands.add_parser(
        "run",
        help="run a solved notebook in full and keep its outputs",
        description="Run solved notebooks in full, every check strict, and write their outputs.",
    )
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="notebook")
    parser.add_argument("--fast", action="store_true", help="a trial: shortened, nothing written")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from .run import run

    for path in options.notebooks:
        seconds = run(path, fast=options.fast)
        total = sum(time for time, _ in seconds)
        longest = ", ".join(f"{name} {time:.0f} s" for time, name in seconds[:3])
        print(f"{path.name}: {total:.0f} s; longest: {longest}")
    return 0


def _add_minutes(commands) -> None:
    parser = commands.add_parser(
        "minutes",
        help="how long a notebook takes a novice, section by section",
        description="Compute the minutes of solved notebooks and compare what they state.",
    )
    parser.add_argument(
        "notebooks", nargs="*", type=Path, metavar="notebook", help="all by default"
    )
    parser.add_argument("--write", action="store_true", help="put them into the notebook")
    parser.set_defaults(run=_minutes)


def _minutes(options: argparse.Namespace) -> int:
    from . import minutes
    from .release import read_notebook, write_notebook

    found = 0
    for path in options.notebooks or sorted(Path("notebooks/solutions").glob("*.ipynb")):
        notebook = read_notebook(path)
        if options.write:
            minutes.write(notebook)
            write_notebook(notebook, path)
        parts = minutes.parts(notebook)
        print(f"{path.name}: core {minutes.core_minutes(parts):.1f} minutes")
        for part in parts:
            kind = "core" if part.core else "further"
            print(
                f"  {'  ' * (part.section is not None)}{part.title:<52.52} {kind:<8}"
                f"{part.minutes:6.1f}  of it computing {part.computing:4.1f}"
            )
        faults = minutes.faults(notebook)
        print("\n".join(f"  ! {text}" for text in faults))
        found += len(faults)
    return 1 if found else 0


def _exercises(options: argparse.Namespace) -> int:
    from .exercises import contracts_table

    print(contracts_table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
