"""The command line, run as a function: what it writes, and what it says when it cannot."""

import csv

import numpy as np
import pytest
from PIL import Image

import gan_course.__main__ as course_commands
from gan_helpers.__main__ import main


@pytest.fixture(autouse=True)
def _few_images(monkeypatch):
    monkeypatch.setenv("GAN_HELPERS_FAST", "1")


@pytest.mark.parametrize(
    ("package", "run", "command"),
    [
        ("gan_helpers", main, []),
        ("gan_helpers", main, ["train"]),
        ("gan_course", course_commands.main, []),
        ("gan_course", course_commands.main, ["release"]),
        ("gan_course", course_commands.main, ["exercises"]),
    ],
)
def test_every_command_explains_itself(package, run, command, capsys):
    with pytest.raises(SystemExit) as end:
        run([*command, "--help"])
    assert end.value.code == 0
    assert f"usage: python -m {package}" in capsys.readouterr().out


def train(folder, *arguments):
    quick = ["--data", "digits", "--batch-size", "16", "--device", "cpu", "--run-dir", str(folder)]
    return main(["train", *quick, *arguments])


def steps_in(folder):
    with (folder / "history.csv").open(newline="") as file:
        return [int(float(row["step"])) for row in csv.DictReader(file)]


def test_train_saves_samples_and_history_and_resumes(tmp_path, capsys):
    folder = tmp_path / "run"
    assert train(folder, "--steps", "3") == 0, capsys.readouterr().err
    grid = np.asarray(Image.open(folder / "samples.png"))
    assert grid.shape[0] >= 8 * 28
    assert grid.dtype == np.uint8
    assert steps_in(folder) == [1, 2, 3]
    assert train(folder, "--steps", "5", "--resume") == 0, capsys.readouterr().err
    assert steps_in(folder) == [1, 2, 3, 4, 5]


def test_a_run_is_not_overwritten_without_being_asked(tmp_path, capsys):
    assert train(tmp_path, "--steps", "1") == 0
    assert train(tmp_path, "--steps", "1") == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_the_wide_pair_and_two_learning_rates(tmp_path):
    assert train(tmp_path, "--steps", "1", "--model", "wide", "--lr", "1e-4", "2e-4") == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "mnits"], "mnits"),
        (["--objective", "hing"], "non-saturating"),
        (["--lr", "1", "2", "3"], "two (G's and D's)"),
        (["--steps", "0"], "steps"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_a_wrong_argument_is_named_with_what_would_do(arguments, message, tmp_path, capsys):
    assert train(tmp_path, *arguments) == 1
    assert message in capsys.readouterr().err


def test_exercises_prints_the_contracts(capsys):
    assert course_commands.main(["exercises"]) == 0
    printed = capsys.readouterr().out
    assert "what it returns" in printed
    assert "2.4" in printed
