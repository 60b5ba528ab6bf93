"""A run's folder: what lies in it, what is refused at the start, what cannot be lost."""

import json
import os
import signal
import time
import warnings

import numpy as np
import pytest
import torch
from kill_target import D, G, small_digits
from PIL import Image

import gan_helpers as gh
from gan_helpers import callbacks, checkpoints, run_folder, runs
from gan_helpers.run_folder import RunFolderError


@pytest.fixture(scope="module")
def digits():
    return small_digits()


def short(digits, folder, **settings):
    gh.set_seed(0)
    settings = {"steps": 6, "batch_size": 32, "progress": False, **settings}
    return gh.train(G(), D(), digits, run_dir=folder, **settings)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_what_lies_in_it(digits, tmp_path):
    # An epoch has 9 steps here: two grids are then 108 steps apart.
    run = short(digits, tmp_path, steps=110, callbacks=[callbacks.Averaging()])
    assert names(tmp_path) == [".lock", "checkpoints", "config.json", "history.csv", "samples"]
    assert names(tmp_path / "samples") == ["step_00000108_fixed.png", "step_00000108_new.png"]
    fixed, new = (np.asarray(Image.open(tmp_path / "samples" / n)) for n in
                  names(tmp_path / "samples"))  # fmt: skip
    assert fixed.shape == new.shape == (8 * 30 - 2, 8 * 30 - 2) and (fixed != new).any()
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["steps"] == 110 and config["generator"] == "G" and config["seed"] == 0
    assert config["batch_size"] == 32 and "Averaging" in config["callbacks"]
    assert run.unsaved is None


def test_the_grid_of_fixed_noise_is_the_snapshot(digits, tmp_path):
    run = short(digits, tmp_path, steps=108, snapshots=1)
    saved = np.asarray(Image.open(tmp_path / "samples" / "step_00000108_fixed.png"))
    assert np.array_equal(saved, gh.to_display(run.snapshots[-1][1]))


def test_grids_do_not_change_a_run(digits, tmp_path):
    one, other = (short(digits, place, steps=120) for place in (tmp_path, None))
    assert one.history == other.history


# --- refused at the start -------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["run", "run/deeper", "run/checkpoints"])
def test_a_file_in_its_place(digits, tmp_path, place):
    stem = tmp_path / place if place.endswith("checkpoints") else tmp_path / "run"
    stem.parent.mkdir(exist_ok=True)
    stem.write_text("I was here first")
    folder = tmp_path / "run" if place.endswith("checkpoints") else tmp_path / place
    with pytest.raises(RunFolderError, match=f"{stem.name} is a file"):
        short(digits, folder)
    assert stem.read_text() == "I was here first"


def test_a_folder_that_cannot_be_written(digits, tmp_path, monkeypatch):
    def refuse(_folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(run_folder, "check_writable", refuse)
    with pytest.raises(RunFolderError, match="Permission denied.*Name a folder"):
        short(digits, tmp_path)


def test_two_runs_at_once_in_one_folder(digits, tmp_path):
    def second(run):
        if run.step == 3:
            with pytest.raises(RunFolderError, match="another run is being written"):
                short(digits, tmp_path, resume=True)

    assert short(digits, tmp_path, callbacks=[second]).steps == 6
    assert short(digits, tmp_path, steps=8, resume=True).steps == 8  # free again


def test_leftovers_of_killed_runs_are_removed_and_nothing_else(digits, tmp_path):
    for name in ("checkpoints/step_00000005.pt.tmp77", "history.csv.tmp1", "best/x.pt.tmp9"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    for name in ("notes.tmp", "notes.tmpl", "my.tmp12.txt"):
        (tmp_path / name).touch()
    short(digits, tmp_path)
    left = [p.name for p in tmp_path.rglob("*") if ".tmp" in p.name]
    assert sorted(left) == ["my.tmp12.txt", "notes.tmp", "notes.tmpl"]


# --- a full disk ----------------------------------------------------------------------------------


@pytest.fixture
def disk(monkeypatch):
    """A disk that is full while `disk.full` is set."""

    class Disk:
        full = False

    flush = os.fsync

    def fsync(file):
        if Disk.full:
            raise OSError(28, "No space left on device")
        flush(file)

    monkeypatch.setattr(os, "fsync", fsync)
    return Disk


def test_a_full_disk_costs_neither_the_run_nor_what_was_saved(digits, tmp_path, disk):
    def fill(run):
        disk.full = run.step >= 5

    with pytest.warns(UserWarning, match="step 6 could not be saved.*No space left.*gh.runs.save"):
        run = short(digits, tmp_path, checkpoint_every=3, callbacks=[fill])
    assert run.steps == 6 and "No space" in run.unsaved
    assert names(tmp_path / "checkpoints") == ["step_00000003.pt"]
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + 3

    disk.full = False
    runs.save(run)
    assert run.unsaved is None
    straight = short(digits, None, steps=9)
    resumed = short(digits, tmp_path, steps=9, resume=True)
    assert resumed.history == straight.history


def test_a_disk_that_was_full_for_a_while(digits, tmp_path, disk):
    def fill(run):
        disk.full = run.step == 3

    with pytest.warns(UserWarning, match="step 3 could not be saved"):
        run = short(digits, tmp_path, checkpoint_every=3, callbacks=[fill])
    assert run.unsaved is None
    assert names(tmp_path / "checkpoints") == ["step_00000006.pt"]


# --- the best by a score --------------------------------------------------------------------------


def scripted(values):
    return lambda run: values[run.step]


def test_the_best_is_kept_beside_the_last(digits, tmp_path):
    values, best = {2: 5.0, 4: 1.0, 6: float("nan"), 8: 9.0}, (4, 1.0)
    keep = callbacks.KeepBest(scripted(values), every=2)
    run = short(digits, tmp_path, steps=8, callbacks=[keep])
    assert keep.best == best and [step for step, _ in keep.scores] == [2, 4, 6, 8]
    assert names(tmp_path / "best") == [f"step_{best[0]:08d}.pt"]
    assert checkpoints.load_newest(tmp_path / "checkpoints")["step"] == 8
    keep.put_back(run)
    assert run.steps == best[0]
    again = short(digits, None, steps=best[0])
    for name, value in run.generator.state_dict().items():
        assert torch.equal(value, again.generator.state_dict()[name])


def test_a_score_does_not_change_the_run_and_survives_a_resume(digits, tmp_path):
    def score(run):
        return float(torch.randn(())) + run.step

    straight = short(digits, None, steps=8)
    settings = {"callbacks": [callbacks.KeepBest(score, every=2)]}
    short(digits, tmp_path, steps=5, **settings)
    keep = callbacks.KeepBest(score, every=2)
    run = short(digits, tmp_path, steps=8, resume=True, callbacks=[keep])
    assert run.history == straight.history
    assert [step for step, _ in keep.scores] == [2, 4, 6, 8]
    keep.put_back(run)
    assert run.steps == keep.best[0]


def test_without_a_folder_the_best_stays_in_memory(digits):
    keep = callbacks.KeepBest(lambda run: -run.step, every=4)
    with pytest.raises(ValueError, match="never scored"):
        keep.put_back(short(digits, None, steps=2, callbacks=[keep]))
    run = short(digits, None, steps=6, callbacks=[keep])
    keep.put_back(run)
    assert run.steps == 4


# --- told to end ----------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_sigterm_saves_as_an_interrupt_does_and_then_ends(digits, tmp_path, capsys):
    ended = []
    before = signal.signal(signal.SIGTERM, lambda *_: ended.append(1))

    def end(run):
        if run.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            assert not ended

    try:
        run = short(digits, tmp_path, callbacks=[end])
        assert ended == [1] and run.interrupted and run.steps == 3
        assert "step 3 is saved in" in capsys.readouterr().err
        assert checkpoints.load_newest(tmp_path / "checkpoints")["step"] == 3
        assert signal.getsignal(signal.SIGTERM) is not before
        ended.clear()
        short(digits, None, callbacks=[lambda run: run.step == 2 and signal.raise_signal(15)])
        assert ended == [1]  # without a folder there is nothing to save it in: ended at once
    finally:
        signal.signal(signal.SIGTERM, before)


# --- damaged files --------------------------------------------------------------------------------


def test_damage_is_told_in_our_own_words(digits, tmp_path):
    short(digits, tmp_path)
    file = next((tmp_path / "checkpoints").glob("*.pt"))
    file.write_bytes(file.read_bytes()[:-100])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(checkpoints.CheckpointError, match="start the run again") as error:
            short(digits, tmp_path, resume=True)
    told = " ".join(str(w.message) for w in caught) + str(error.value)
    assert "it is damaged, or was cut off" in told and "weights_only" not in told


def test_a_file_that_could_run_code_is_refused_without_advice_to_load_it(tmp_path):
    torch.save({"step": 1, "format": checkpoints.FORMAT, "x": Unsafe()}, tmp_path / "step_1.pt")
    with pytest.raises(checkpoints.CheckpointError, match="do not load it") as error:
        checkpoints.load(tmp_path / "step_1.pt")
    assert error.value.__cause__ is None and error.value.__suppress_context__
    assert "weights_only" not in str(error.value)


class Unsafe:
    def __reduce__(self):
        return (print, ("ran",))
