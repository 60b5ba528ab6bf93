"""Whole files or none, the newest that can be read, nothing executed."""

import pickle

import pytest
import torch

from gan_helpers import checkpoints


def payload(step):
    return {"step": step, "weights": {"w": torch.full((1000,), float(step))}, "note": "x"}


def test_round_trip_and_only_two_are_kept(tmp_path):
    for step in (10, 20, 30):
        checkpoints.save(payload(step), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_00000020.pt", "step_00000030.pt"]
    loaded = checkpoints.load_newest(tmp_path)
    assert loaded["step"] == 30 and torch.equal(loaded["weights"]["w"], payload(30)["weights"]["w"])


@pytest.mark.parametrize("damage", ["truncate", "empty", "flip", "text"])
def test_a_damaged_newest_falls_back_to_the_one_before(tmp_path, damage):
    checkpoints.save(payload(10), tmp_path)
    newest = checkpoints.save(payload(20), tmp_path)
    content = newest.read_bytes()
    middle = len(content) // 2
    flipped = bytes(255 - byte for byte in content[middle : middle + 64])
    damaged = {
        "truncate": content[:middle],
        "empty": b"",
        "flip": content[:middle] + flipped + content[middle + 64 :],
        "text": b"not a checkpoint",
    }
    newest.write_bytes(damaged[damage])
    with pytest.warns(UserWarning, match="step_00000020"):
        assert checkpoints.load_newest(tmp_path)["step"] == 10


def test_all_damaged_says_so_and_leaves_the_files(tmp_path):
    checkpoints.save(payload(10), tmp_path).write_bytes(b"x")
    with (
        pytest.warns(UserWarning),
        pytest.raises(checkpoints.CheckpointError, match="none of the 1"),
    ):
        checkpoints.load_newest(tmp_path)
    assert (tmp_path / "step_00000010.pt").exists()


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(checkpoints.CheckpointError, match="no checkpoint in"):
        checkpoints.load_newest(tmp_path)
    with pytest.raises(checkpoints.CheckpointError, match="there is no checkpoint"):
        checkpoints.load(tmp_path / "step_00000001.pt")
    torch.save({"weights": 1}, tmp_path / "other.pt")
    with pytest.raises(checkpoints.CheckpointError, match="not a checkpoint of this package"):
        checkpoints.load(tmp_path / "other.pt")


class Boom:
    def __reduce__(self):
        return (print, ("a pickle ran code",))


def test_a_strangers_pickle_is_not_run(tmp_path, capsys):
    path = tmp_path / "step_00000001.pt"
    path.write_bytes(pickle.dumps({"step": 1, "x": Boom()}))
    with pytest.raises(checkpoints.CheckpointError):
        checkpoints.load(path)
    torch.save({"step": 1, "format": 1, "x": Boom()}, path)
    with pytest.raises(checkpoints.CheckpointError):
        checkpoints.load(path)
    assert "ran code" not in capsys.readouterr().out


def test_a_failed_save_leaves_what_was_there(tmp_path, monkeypatch):
    checkpoints.save(payload(10), tmp_path)

    def full_disk(*_args, **_kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        checkpoints.save(payload(20), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["step_00000010.pt"]


def test_a_leftover_of_a_crash_is_not_taken_for_a_checkpoint(tmp_path):
    checkpoints.save(payload(10), tmp_path)
    (tmp_path / "step_00000020.tmp123").write_bytes(b"half")
    assert checkpoints.load_newest(tmp_path)["step"] == 10


def test_clone_is_independent():
    weights = torch.zeros(3)
    state = {"a": [weights, (1, weights)], "b": [1.0, 2.0], "c": "text"}
    copy = checkpoints.clone(state)
    weights += 1
    state["b"].append(3.0)
    assert copy["a"][0].sum() == 0 and copy["a"][1][1].sum() == 0 and copy["b"] == [1.0, 2.0]
