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


def test_dcgan_on_colour_images_and_its_folder(tmp_path):
    arguments = ["--data", "shapes", "--model", "dcgan", "--steps", "1", "--batch-size", "4"]
    assert train(tmp_path, *arguments) == 0
    assert (tmp_path / "config.json").exists() and (tmp_path / "samples.png").exists()


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "pets").mkdir()
    for k in range(20):
        Image.new("L", (50 + k, 40), 10 * k).save(tmp_path / "pets" / f"{k}.png")
    return tmp_path / "pets"


def test_a_folder_of_images_as_data(pictures, tmp_path, capsys):
    sized = ["--data", str(pictures), "--image-size", "28", "--steps", "1"]
    (pictures / "torn.png").write_bytes(b"no image")
    assert train(tmp_path / "a", *sized, "--model", "dcgan") == 0
    err = capsys.readouterr().err
    assert "warning: " in err and "torn.png" in err and "UserWarning" not in err
    assert train(tmp_path / "b", *sized, "--model", "upsample") == 1
    assert "these are 1x28x28" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["--steps", "1", "--resume"], []),
        (["--steps", "1"], ["--resume", "--run-dir"]),
        (["--batch-size", "99999"], ["--batch-size 99999"]),
        (["--data", "no/such/folder"], ["no/such/folder", "--fallback 'shapes'"]),
        (["--data", "pets"], ["with --image-size 64"]),
        (["--data", "pets", "--image-size", "30", "--model", "dcgan"], ["--image-size 64"]),
        (["--data", "cifar10"], ["--fallback 'shapes' draws images"]),
    ],
)
def test_messages_are_for_a_shell(arguments, messages, pictures, tmp_path, capsys, monkeypatch):
    def no_network(_name):
        raise OSError("no network")

    monkeypatch.setattr("gan_helpers.datasets.download.answering_mirrors", no_network)
    monkeypatch.chdir(tmp_path)
    assert train(tmp_path / "run", "--steps", "1") == 0
    capsys.readouterr()
    assert train(tmp_path / "run", *arguments) == (1 if messages else 0)
    err = capsys.readouterr().err.lower()
    assert all(message in err for message in messages)
    for python in ("_dir", "_size", "resume=", "path(", "load_dataset", "kernel", "error:  "):
        assert python not in err.replace("no/such/folder", ""), err


def test_a_run_that_could_not_be_saved_is_a_failure(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gan_helpers.checkpoints.save", full)
    assert train(tmp_path, "--steps", "1") == 1
    assert "No space left on device. Make room; --resume" in capsys.readouterr().err


def test_exercises_prints_the_contracts(capsys):
    assert course_commands.main(["exercises"]) == 0
    printed = capsys.readouterr().out
    assert "2.4   The discriminator's half" in printed
    assert "returns: the loss before the update" in printed
