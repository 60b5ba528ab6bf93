import errno
import gzip
import hashlib
import http.server
import os
import pickle
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
import timeit
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_helpers import datasets
from gan_helpers.datasets import DatasetUnavailable, ImageDataset, download, load_dataset, real

ROOT = Path(__file__).resolve().parent.parent


def tiny(n=20, channels=1, side=4, classes=3, **more) -> ImageDataset:
    images = torch.arange(n * channels * side**2).remainder(256).to(torch.uint8)
    labels = torch.arange(n) % classes
    names = tuple("abcdefghij"[:classes])
    return ImageDataset(images.view(n, channels, side, side), labels, names, "tiny", **more)


# ------------------------------------------------------------------------------- ImageDataset


def test_it_says_what_it_is():
    data = tiny()
    assert len(data) == 20 and data.image_shape == (1, 4, 4) and data.num_classes == 3
    assert data.title == "tiny (train)"
    assert repr(data) == "<tiny (train): 20 images, 1 x 4 x 4, 3 classes>"
    assert tiny(split="test", note="first half").title == "tiny (test, first half)"
    assert tiny(stand_in_for="MNIST").title == "tiny, standing in for MNIST"


def test_take_scales_to_minus_one_and_one_exactly():
    images = torch.arange(256).to(torch.uint8).view(256, 1, 1, 1)
    values = ImageDataset(images).take(torch.arange(256)).flatten()
    assert values.dtype == torch.float32
    assert values[0] == -1 and values[255] == 1
    assert torch.equal(values, -values.flip(0))  # symmetric about mid-grey
    expected = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    assert torch.allclose(values.double(), expected, rtol=0, atol=1e-7)


def test_take_returns_the_images_asked_for_and_leaves_the_data_alone():
    data = tiny()
    before = data.images.clone()
    for indices in (torch.tensor([3, 3, 0]), [3, 3, 0], np.array([3, 3, 0])):
        taken = data.take(indices, device="cpu")
        assert taken.shape == (3, 1, 4, 4)
        assert torch.equal(((taken + 1) * 127.5).round().to(torch.uint8), data.images[[3, 3, 0]])
        taken.zero_()
    assert torch.equal(data.images, before)


@pytest.mark.parametrize("indices", [[20], [-1, 0], [0, 10**9]])
def test_take_names_indices_that_do_not_exist(indices):
    with pytest.raises(IndexError, match="20 images, numbered from 0 to 19"):
        tiny().take(torch.tensor(indices))


@pytest.mark.parametrize("indices", [[0.5], [True, False], [[0], [1]], 3])
def test_take_wants_a_row_of_integers(indices):
    with pytest.raises(TypeError, match=r"indices has shape .*expected integers \(n,\)"):
        tiny().take(torch.tensor(indices))


def test_taking_a_batch_costs_far_less_than_a_training_step():
    data = ImageDataset(torch.zeros(60_000, 1, 28, 28, dtype=torch.uint8))
    best = min(
        timeit.repeat(lambda: data.take(data.batch_indices(0, 128, 0)), number=20, repeat=20)
    )
    assert best / 20 < 0.5e-3  # seconds; .05 on a quiet core, where a step takes 4e-3


def test_batch_is_a_function_of_its_seed_and_repeats_no_image():
    data = ImageDataset(torch.arange(100).to(torch.uint8).view(100, 1, 1, 1))
    batch = data.batch(100, seed=1)
    assert len(batch.unique()) == 100
    assert torch.equal(batch[:7], data.batch(7, seed=1))
    assert not torch.equal(batch[:7], data.batch(7, seed=2))


def test_an_epoch_shows_each_image_once_and_the_next_another_order():
    data = tiny(n=23)
    epochs = [torch.cat([data.batch_indices(e * 4 + s, 5, 0) for s in range(4)]) for e in range(3)]
    for epoch in epochs:
        assert epoch.dtype == torch.int64 and len(epoch.unique()) == 20  # 3 of 23 are left out
    assert not torch.equal(epochs[0], epochs[1])
    assert set(range(23)) == set(torch.cat(epochs).tolist())


def test_batch_indices_depend_on_step_and_seed_alone():
    steps = [0, 7, 3, 12, 3, 0]
    one = [tiny().batch_indices(s, 6, seed=5) for s in steps]  # a fresh data set each time
    data = tiny()
    torch.manual_seed(123)
    before = torch.get_rng_state()
    same = [data.batch_indices(s, 6, seed=5) for s in steps]
    assert torch.equal(before, torch.get_rng_state())
    assert all(map(torch.equal, one, same))
    assert not torch.equal(data.batch_indices(3, 6, seed=6), one[2])


def test_batch_indices_are_the_same_from_several_threads_with_other_seeds():
    data, wrong = tiny(n=50), []
    expected = {(s, k): tiny(n=50).batch_indices(k, 5, s) for s in range(4) for k in range(20)}

    def work(seed):
        for k in range(20):
            if not torch.equal(data.batch_indices(k, 5, seed), expected[seed, k]):
                wrong.append((seed, k))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("call", [lambda d, n: d.batch(n), lambda d, n: d.batch_indices(0, n, 0)])
@pytest.mark.parametrize("count", [0, -1, 21])
def test_a_batch_larger_than_the_data_is_refused(call, count):
    with pytest.raises(ValueError, match=f"={count}; expected 1 to 20"):
        call(tiny(), count)


def test_subset_filters_classes_and_keeps_labels():
    data = tiny()
    two = data.subset(classes=[2, 0])
    assert two.labels.unique().tolist() == [0, 2] and len(two) == 13
    assert two.classes == data.classes and two.title == data.title
    assert torch.equal(two.images, data.images[data.labels != 1])  # in the same order
    assert data.subset(classes=1).labels.unique().tolist() == [1]


def test_subset_draws_n_by_seed():
    data = tiny()
    few = data.subset(n=5, seed=1)
    assert len(few) == 5
    assert torch.equal(few.images, data.subset(n=8, seed=1).images[:5])
    assert not torch.equal(few.images, data.subset(n=5, seed=2).images)
    assert len(data.subset(classes=[0], n=3)) == 3
    # A subset starts its own epochs.
    data.batch_indices(0, 10, 0)
    assert data.subset(n=5).batch_indices(0, 5, 0).max() < 5


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"classes": [3]}, "class ids from 0 to 2"),
        ({"classes": [-1]}, "class ids from 0 to 2"),
        ({"classes": []}, "class ids from 0 to 2"),
        ({"n": 21}, "n=21; expected 1 to 20"),
        ({"classes": [1], "n": 8}, "n=8; expected 1 to 7"),
    ],
)
def test_subset_refuses_what_is_not_there(wanted, message):
    with pytest.raises(ValueError, match=message):
        tiny().subset(**wanted)


def test_a_class_without_images_is_named():
    data = ImageDataset(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 2]))
    assert data.classes == ("0", "1", "2")
    with pytest.raises(ValueError, match="has no image of these"):
        data.subset(classes=[1])


ZEROS = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.rand(2, 1, 4, 4), TypeError, r"images in \[0, 1\]: \(images \* 255\)"),
        (torch.rand(2, 1, 4, 4) * 2 - 1, TypeError, r"images in \[-1, 1\]: \(\(images \+ 1\)"),
        (torch.rand(2, 1, 4, 4) * 255, TypeError, "float32 with values from .* Expected uint8"),
        (ZEROS.long(), TypeError, "dtype torch.int64. Expected uint8"),
        (ZEROS.numpy(), TypeError, "images is a ndarray.*from_numpy"),
        (ZEROS[:, 0], ValueError, r"images.unsqueeze\(1\)"),
        (ZEROS[0, 0], ValueError, r"shape \(8, 8\); expected \(N, C, H, W\)"),
        (ZEROS.permute(0, 2, 3, 1), ValueError, r"channels seem to come last.*permute"),
        (ZEROS[:0], ValueError, "no image in it"),
    ],
)
def test_images_of_another_kind_are_refused_with_the_likely_cause(images, error, message):
    with pytest.raises(error, match=message):
        ImageDataset(images)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 1], TypeError, "labels is list.*torch.tensor"),
        (torch.tensor([0.0, 1.0]), TypeError, r"labels is torch.float32.*labels.long\(\)"),
        (torch.tensor([0, 1, 0]), ValueError, r"shape \(3,\); expected \(2,\)"),
        (torch.eye(2).long(), ValueError, r"one-hot rows: labels.argmax\(1\)"),
        (torch.tensor([0, -1]), ValueError, "labels go down to -1"),
        (torch.tensor([1, 2]), ValueError, "labels go up to 2, but classes has 2 names"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        ImageDataset(ZEROS, labels, classes=("a", "b"))


# ------------------------------------------------------------------------------- by name


def test_real_mnist_is_read_whole(real_mnist, mnist_root):
    assert real_mnist.image_shape == (1, 28, 28) and len(real_mnist) == 60_000
    assert real_mnist.title == "MNIST (train)" and real_mnist.classes == tuple("0123456789")
    assert real_mnist.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert real_mnist.images.float().mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    test = load_dataset("MNIST", "test", root=mnist_root)
    assert len(test) == 10_000 and test.labels[:3].tolist() == [7, 2, 1]


def test_reading_mnist_does_not_import_torchvision(mnist_root):
    code = (
        "import sys, gan_helpers as gh\n"
        f"print(gh.load_dataset('mnist', 'test', root={str(mnist_root)!r}))\n"
        "assert 'torchvision' not in sys.modules and 'PIL' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "<MNIST (test): 10,000 images, 1 x 28 x 28, 10 classes>"


def test_drawn_sets_load_by_name_and_their_splits_differ(monkeypatch):
    monkeypatch.setenv("GAN_HELPERS_FAST", "1")
    for name, classes in (("digits", 10), ("shapes", 10)):
        train, test = load_dataset(name), load_dataset(name, "test")
        assert train.title == f"drawn {name} (train)" and train.num_classes == classes
        assert len(train) == 10_000 and len(test) == 2_000
        assert not torch.equal(train.images[:100], test.images[:100])


@pytest.mark.parametrize("name", ["MNIST ", "Fashion_MNIST", "FashionMNIST", "CIFAR-10", "Digits"])
def test_spelling_of_names_is_forgiven(name):
    assert datasets._key(name) in {"mnist", "fashion-mnist", "cifar10", "digits"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("imagenet",), "name='imagenet'; expected one of 'mnist', 'fashion-mnist', 'cifar10'"),
        (("photos/cats",), r"say Path\('photos/cats'\)"),
        ((3,), "name=3; expected one of"),
        (("mnist", "valid"), "split='valid'; expected one of 'train', 'test'"),
        (("mnist", "train", "shape"), "fallback='shape'; expected 'digits' or 'shapes'"),
    ],
)
def test_names_that_do_not_exist_are_answered_with_those_that_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_dataset(*arguments)


def test_image_size_resizes_what_is_in_memory(monkeypatch):
    monkeypatch.setenv("GAN_HELPERS_FAST", "1")
    small, full = load_dataset("shapes", "test", image_size=16), load_dataset("shapes", "test")
    assert small.image_shape == (3, 16, 16) and small.images.dtype == torch.uint8
    halved = torch.nn.functional.avg_pool2d(full.images.float(), 2)
    assert (halved - small.images).abs().mean() < 8
    assert load_dataset("shapes", "test", image_size=32).images.equal(full.images)
    with pytest.raises(ValueError, match="image_size=0"):
        load_dataset("shapes", image_size=0)


# ------------------------------------------------------------------------------- MNIST from files


def idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(np.uint8).tobytes()


def idx_files() -> dict[str, bytes]:
    """A small data set in MNIST's format: file name -> content."""
    files, random = {}, np.random.default_rng(0)
    for prefix, n in (("train", 40), ("t10k", 20)):
        files[f"{prefix}-images-idx3-ubyte"] = idx(random.integers(0, 256, (n, 28, 28)))
        files[f"{prefix}-labels-idx1-ubyte"] = idx(np.arange(n) % 10)
    return files


@pytest.fixture
def files(monkeypatch) -> dict[str, bytes]:
    """The small data set, with its own checksums in place of MNIST's."""
    files = idx_files()
    sums = {f"MNIST/raw/{k}": hashlib.md5(content).hexdigest() for k, content in files.items()}
    monkeypatch.setattr(real, "_IDX_MD5", sums)
    return files


@pytest.fixture
def place(tmp_path) -> Path:
    """A data folder."""
    return tmp_path / "data"


def store(place: Path, files: dict[str, bytes], packed: bool = False) -> Path:
    raw = place / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        if packed:
            (raw / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (raw / name).write_bytes(content)
    return raw


def is_whole(data: ImageDataset, files: dict[str, bytes]) -> bool:
    return data.images.numpy().tobytes() == files["train-images-idx3-ubyte"][16:]


@pytest.fixture
def offline(monkeypatch) -> None:
    """No mirror can be reached."""

    def refuse(name):
        raise OSError("the network is unreachable")

    monkeypatch.setattr(download, "answering_mirrors", refuse)


@pytest.fixture
def freeze(monkeypatch):
    """Make a folder read-only, as far as Python can tell. (Permissions would not stop root.)"""

    def freeze(folder: Path) -> None:
        def guard(function, writes):
            def guarded(path, *rest, **named):
                inside = isinstance(path, str | os.PathLike) and (
                    Path(folder) in (p := Path(os.path.abspath(path))).parents or p == Path(folder)
                )
                if inside and writes(*rest, **named):
                    raise OSError(errno.EROFS, "Read-only file system", str(path))
                return function(path, *rest, **named)

            return guarded

        def opens_for_writing(mode="r", *rest, **named):
            return bool(set(mode) & set("wax+"))

        flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT
        monkeypatch.setattr("builtins.open", guard(open, opens_for_writing))
        monkeypatch.setattr(os, "open", guard(os.open, lambda given, *_, **__: given & flags))
        monkeypatch.setattr(os, "mkdir", guard(os.mkdir, lambda *_, **__: True))

    return freeze


@pytest.mark.parametrize("packed", [False, True])
def test_a_shared_read_only_folder_is_enough(place, files, offline, freeze, packed, monkeypatch):
    raw = store(place, files, packed)
    held = sorted(place.rglob("*"))
    freeze(place)
    with pytest.raises(OSError, match="Read-only"):
        (raw / "new").mkdir()
    monkeypatch.setenv("GAN_HELPERS_DATA", str(place))
    data = load_dataset("mnist")
    assert is_whole(data, files) and len(load_dataset("mnist", "test")) == 20
    assert sorted(place.rglob("*")) == held  # nothing was left behind


def test_a_read_only_folder_without_the_data_says_so(place, freeze, monkeypatch):
    place.mkdir()
    freeze(place)
    monkeypatch.setattr(download, "answering_mirrors", lambda name: ["http://somewhere/"])
    with pytest.raises(DatasetUnavailable) as caught:
        load_dataset("mnist", root=place)
    assert "the folder cannot be written to" in str(caught.value)
    assert "GAN_HELPERS_DATA" in str(caught.value)


def test_a_wrong_folder_is_told_from_an_empty_one(place, offline, tmp_path):
    place.mkdir()
    (place / "holiday.jpg").touch()
    with pytest.raises(DatasetUnavailable, match="it holds holiday.jpg"):
        load_dataset("mnist", root=place)
    with pytest.raises(DatasetUnavailable, match="there is no such folder"):
        load_dataset("mnist", root=tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_one_folder_too_deep_is_recognised(place, files, offline):
    store(place, files)
    with pytest.raises(DatasetUnavailable, match="there is one in the folder above it"):
        load_dataset("mnist", root=place / "MNIST")


def test_unreachable_data_say_what_to_do(place, offline):
    with pytest.raises(DatasetUnavailable) as caught:
        load_dataset("mnist", root=place)
    message = str(caught.value)
    assert "the network is unreachable" in message.splitlines()[0]
    assert "connect to the internet" in message
    assert "GAN_HELPERS_DATA" in message
    assert "fallback='digits'" in message
    causes = [caught.value.__cause__, caught.value.__cause__.__cause__]
    assert isinstance(causes[1], OSError)  # the network's own error is kept


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


DAMAGE = {
    "truncated": ("train-images-idx3-ubyte", cut, "bytes where its header promises"),
    "one bit": ("train-images-idx3-ubyte", flip, "its checksum is wrong"),
    "empty": ("train-labels-idx1-ubyte", lambda _: b"", "does not begin like such a file"),
    "a web page": ("train-labels-idx1-ubyte", lambda _: b"<html>" * 99, "does not begin like"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_named_with_what_to_do(place, files, offline, kind):
    name, damage, reason = DAMAGE[kind]
    raw = store(place, files)
    (raw / name).write_bytes(damage(files[name]))
    with pytest.raises(DatasetUnavailable, match=reason) as caught:
        load_dataset("mnist", root=place)
    assert f"{raw / name} is damaged" in str(caught.value)
    assert "delete the damaged file" in str(caught.value)


@pytest.mark.parametrize("damage", [cut, flip, lambda content: b"PK" + content])
def test_a_damaged_packed_file_is_named(place, files, offline, damage):
    raw = store(place, files, packed=True)
    file = raw / "train-images-idx3-ubyte.gz"
    # flip: the last byte of the file belongs to gzip's own count of bytes
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DatasetUnavailable, match="train-images-idx3-ubyte.gz is damaged"):
        load_dataset("mnist", root=place)


def test_a_whole_packed_file_replaces_a_damaged_one(place, files, offline):
    raw = store(place, files)
    name = "train-images-idx3-ubyte"
    (raw / name).write_bytes(cut(files[name]))
    (raw / f"{name}.gz").write_bytes(gzip.compress(files[name]))
    assert is_whole(load_dataset("mnist", root=place), files)


def test_labels_of_another_set_are_noticed(place, files, offline, monkeypatch):
    monkeypatch.setattr(real, "_IDX_MD5", {})  # as for Fashion-MNIST: no checksum to go by
    raw = store(place, files)
    (raw / "train-labels-idx1-ubyte").write_bytes(files["t10k-labels-idx1-ubyte"])
    with pytest.raises(DatasetUnavailable, match="labels do not fit the images"):
        load_dataset("mnist", root=place)


def test_fashion_mnist_in_the_place_of_mnist_is_noticed(place, offline):
    store(place, idx_files())  # well-formed files of the same names, but not MNIST's
    with pytest.raises(DatasetUnavailable, match="its checksum is wrong"):
        load_dataset("mnist", root=place)


# ------------------------------------------------------------------------------- fallback


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setenv("GAN_HELPERS_FAST", "1")


def test_the_fallback_warns_once_and_its_title_says_so(place, offline, fast):
    with pytest.warns(UserWarning, match="MNIST cannot be read.*unreachable.*drawn digits"):
        data = load_dataset("mnist", fallback="digits", root=place)
    assert data.stand_in_for == "MNIST"
    assert data.title == "drawn digits, standing in for MNIST"
    assert data.image_shape == (1, 28, 28)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = load_dataset("mnist", "test", fallback="digits", root=place)
    assert again.stand_in_for == "MNIST" and again.split == "test"
    with pytest.warns(UserWarning, match="CIFAR-10 cannot be read.*drawn shapes"):
        other = load_dataset("cifar10", fallback="shapes", root=place)
    assert other.title == "drawn shapes, standing in for CIFAR-10"


def test_the_fallback_is_not_used_where_the_data_are_there(place, files, fast):
    store(place, files)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load_dataset("mnist", fallback="digits", root=place)
    assert data.stand_in_for is None and is_whole(data, files)


def test_a_missing_folder_falls_back_and_a_subset_still_says_so(tmp_path, fast):
    with pytest.warns(UserWarning, match="There is no folder .*celebs"):
        data = load_dataset(tmp_path / "celebs", fallback="shapes", image_size=16)
    assert data.title == "drawn shapes, standing in for celebs"
    assert data.image_shape == (3, 16, 16) and data.subset(n=3).stand_in_for == "celebs"


# ------------------------------------------------------------------------------- downloading


class Server:
    """A real HTTP server on this machine: path -> content."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.asked: list[str] = []  # "GET /name" and "HEAD /name", in order
        self.delay = 0.0
        self.promise_more = 0  # bytes announced and never sent
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.answer(send=False)

            def do_GET(self):
                self.answer(send=True)

            def answer(self, send):
                # torchvision looks for redirections by a GET that calls itself a HEAD.
                server.asked.append(f"{self.command} {self.path}")
                content = server.content.get(self.path.lstrip("/"))
                if content is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content) + server.promise_more))
                self.end_headers()
                for start in range(0, len(content) if send else 0, 4096):
                    time.sleep(server.delay)
                    self.wfile.write(content[start : start + 4096])
                return None

            def log_message(self, *_):
                pass

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.httpd.handle_error = lambda *_: None  # a client may hang up early
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}/"
        threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.httpd.shutdown()
        self.httpd.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


@pytest.fixture
def resources(server, files, monkeypatch) -> list[tuple[str, str]]:
    """The small data set on the server, and torchvision told of its address and checksums."""
    from torchvision.datasets import MNIST

    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}
    server.content.update(packed)
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(MNIST, "mirrors", [server.url])
    monkeypatch.setattr(MNIST, "resources", resources)
    return resources


def visible(place: Path) -> list[str]:
    return sorted(
        file.relative_to(place).as_posix()
        for file in place.rglob("*")
        if file.is_file() and not file.relative_to(place).parts[0].startswith(".")
    )


def no_leftovers(place: Path) -> bool:
    return [p.name for p in place.iterdir() if p.name.startswith(".")] in ([], [".MNIST.lock"])


def test_mnist_is_downloaded_once_and_then_read(place, files, server, resources, capfd):
    assert is_whole(load_dataset("mnist", root=place), files)
    assert visible(place) == sorted(f"MNIST/raw/{name}" for name in files)
    assert no_leftovers(place)
    out, err = capfd.readouterr()
    assert out.count("\n") == 1 and "Downloading MNIST (12 MB, once)" in out
    assert err == ""  # no progress bars
    asked = list(server.asked)
    assert len(load_dataset("mnist", "test", root=place)) == 20
    assert server.asked == asked and capfd.readouterr().out == ""
    # What was downloaded is what torchvision itself expects.
    from torchvision.datasets import MNIST

    assert len(MNIST(place, download=False)) == 40
    # Others may read it: the files are as open as any that this user makes.
    beside = place / "beside"
    beside.touch()
    assert (place / f"MNIST/raw/{next(iter(files))}").stat().st_mode == beside.stat().st_mode


def test_nobody_ever_sees_half_a_file(place, files, server, resources):
    server.delay = 0.02
    seen, done = set(), threading.Event()

    def look():
        while not done.is_set():
            raw = place / "MNIST" / "raw"
            for file in raw.iterdir() if raw.is_dir() else ():
                seen.add((file.name, file.stat().st_size))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        load_dataset("mnist", root=place)
    finally:
        done.set()
        watcher.join()
    assert seen <= {(name, len(content)) for name, content in files.items()}


def test_download_time_limits_do_not_outlive_the_download(place, resources):
    load_dataset("mnist", root=place)
    assert socket.getdefaulttimeout() is None


def test_a_dead_mirror_is_passed_over(place, files, server, resources, monkeypatch):
    from torchvision.datasets import MNIST

    monkeypatch.setattr(MNIST, "mirrors", [closed_port(), server.url])
    assert is_whole(load_dataset("mnist", root=place), files)


def test_no_network_fails_fast_and_leaves_nothing(place, resources, monkeypatch):
    from torchvision.datasets import MNIST

    monkeypatch.setattr(MNIST, "mirrors", [closed_port(), closed_port()])
    start = time.monotonic()
    with pytest.raises(DatasetUnavailable, match="a download does not work .*refused"):
        load_dataset("mnist", root=place)
    assert time.monotonic() - start < 3
    assert not place.exists()


def test_a_network_that_swallows_everything_fails_fast(place, resources, monkeypatch):
    from torchvision.datasets import MNIST

    monkeypatch.setattr(download, "_ANSWER_SECONDS", 0.5)
    with socket.socket() as silent:  # accepts connections and never says a word
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(MNIST, "mirrors", [address, address])
        start = time.monotonic()
        with pytest.raises(DatasetUnavailable, match="a download does not work"):
            load_dataset("mnist", root=place)
        assert time.monotonic() - start < 3


def test_a_name_look_up_that_hangs_fails_fast(place, resources, monkeypatch):
    released = threading.Event()

    def hang(*_, **__):
        released.wait(20)
        raise OSError("too late")

    monkeypatch.setattr(download, "_ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    with pytest.raises(DatasetUnavailable, match="no answer within 0.3 seconds"):
        load_dataset("mnist", root=place)
    assert time.monotonic() - start < 3
    released.set()


def test_a_download_that_stalls_fails_and_leaves_nothing(place, server, resources, monkeypatch):
    server.promise_more = 10  # the connection stays open, and nothing more comes
    monkeypatch.setattr(download, "_STALL_SECONDS", 0.3)
    server.delay = 1.0
    start = time.monotonic()
    with pytest.raises(DatasetUnavailable, match="the download broke off|timed out"):
        load_dataset("mnist", root=place)
    assert time.monotonic() - start < 10
    assert visible(place) == [] and no_leftovers(place)


@pytest.mark.parametrize("content", [b"<html>please log in</html>", None])
def test_a_download_that_is_not_the_data_fails_and_leaves_nothing(
    place, server, resources, content
):
    name = resources[2][0]
    server.content[name] = server.content[name][:100] if content is None else content
    with pytest.raises(DatasetUnavailable, match="what came is not the data"):
        load_dataset("mnist", root=place)
    assert visible(place) == [] and no_leftovers(place)


def test_a_damaged_file_is_downloaded_again(place, files, server, resources):
    raw = store(place, files)
    (raw / "train-images-idx3-ubyte").write_bytes(cut(files["train-images-idx3-ubyte"]))
    assert is_whole(load_dataset("mnist", root=place), files)
    assert (raw / "train-images-idx3-ubyte").read_bytes() == files["train-images-idx3-ubyte"]


def test_what_a_killed_download_left_is_cleared_away(place, files, resources):
    place.mkdir()
    old, recent = place / ".MNIST-abandoned", place / ".MNIST-recent"
    for folder in (old, recent):
        folder.mkdir()
        (folder / "half").write_text("half")
    os.utime(old, (0, 0))
    assert is_whole(load_dataset("mnist", root=place), files)
    assert not old.exists() and recent.exists()  # the recent one may be another kernel's


KERNEL = """
import sys
import torchvision.datasets
torchvision.datasets.MNIST.mirrors = [{url!r}]
torchvision.datasets.MNIST.resources = {resources!r}
from gan_helpers.datasets import load_dataset, real
real._IDX_MD5.clear()
print("ready", flush=True)
sys.stdin.readline()
data = load_dataset("mnist", root={place!r})
print(int(data.images.sum()), data)
"""


def test_two_kernels_at_once_download_once_and_both_read(place, files, server, resources, capsys):
    server.delay = 0.03  # a download of more than a second
    code = KERNEL.format(url=server.url, resources=resources, place=str(place))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    other = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True, **pipes)
    assert other.stdout.readline() == "ready\n"
    other.stdin.write("go\n")
    other.stdin.flush()
    data = load_dataset("mnist", root=place)
    out, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    assert is_whole(data, files)
    assert out.splitlines()[-1] == f"{int(data.images.sum())} {data}"
    said = out + capsys.readouterr().out
    assert said.count("Downloading MNIST") == 1
    assert said.count("Another kernel is downloading MNIST; waiting for it") == 1
    for name, _ in resources:  # torchvision asks twice: once for redirections
        assert server.asked.count(f"GET /{name}") == 2
    assert no_leftovers(place)


HOLDER = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("download", {module!r})
download = importlib.util.module_from_spec(spec)
spec.loader.exec_module(download)
with download.one_kernel_at_a_time({lock!r}, "MNIST"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_kernel_is_free_at_once(tmp_path, monkeypatch, capsys):
    lock = tmp_path / "lock"
    code = HOLDER.format(module=download.__file__, lock=str(lock))
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setattr(download, "_PATIENCE_SECONDS", 0.3)
        with (
            pytest.raises(TimeoutError, match="another kernel has been downloading it"),
            download.one_kernel_at_a_time(lock, "MNIST"),
        ):
            pass
        assert "Another kernel is downloading MNIST" in capsys.readouterr().out
    finally:
        holder.kill()
        holder.communicate()
    start = time.monotonic()
    with download.one_kernel_at_a_time(lock, "MNIST"):
        assert time.monotonic() - start < 0.2
    assert lock.exists()  # the file may stay; only an open, locked one counts


def test_a_file_system_without_locks_does_not_stop_a_download(place, files, resources, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="only where locks are made by fcntl")

    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert is_whole(load_dataset("mnist", root=place), files)


# ------------------------------------------------------------------------------- CIFAR-10


@pytest.fixture
def cifar(tmp_path, monkeypatch, server) -> Path:
    """A small CIFAR-10 archive, on the server and as a file; torchvision told of its checksums."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "source" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    sums, random = {}, np.random.default_rng(0)
    for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list):
        labels = list(range(10))
        batch = {"data": random.integers(0, 256, (10, 3072), np.uint8), "labels": labels}
        (folder / name).write_bytes(pickle.dumps(batch))
    names = {"label_names": [f"class {k}" for k in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names))
    for file in folder.iterdir():
        sums[file.name] = hashlib.md5(file.read_bytes()).hexdigest()
    archive = tmp_path / "source" / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    content = archive.read_bytes()
    server.content[archive.name] = content
    monkeypatch.setattr(CIFAR10, "train_list", [[n, sums[n]] for n, _ in CIFAR10.train_list])
    monkeypatch.setattr(CIFAR10, "test_list", [[n, sums[n]] for n, _ in CIFAR10.test_list])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    monkeypatch.setattr(CIFAR10, "url", server.url + archive.name)
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(content).hexdigest())
    return archive


def test_cifar_is_downloaded_and_its_channels_come_first(place, cifar):
    data = load_dataset("cifar10", root=place)
    assert data.image_shape == (3, 32, 32) and len(data) == 50 and data.title == "CIFAR-10 (train)"
    assert data.classes[3] == "class 3" and data.labels[:3].tolist() == [0, 1, 2]
    first = pickle.loads((place / "cifar-10-batches-py" / "data_batch_1").read_bytes())["data"][0]
    assert data.images[0].flatten().tolist() == first.tolist()
    assert data.images.is_contiguous()
    assert len(load_dataset("cifar10", "test", root=place)) == 10
    assert {p.name for p in place.iterdir()} == {"cifar-10-batches-py", ".cifar-10-batches-py.lock"}


def test_cifar_is_read_from_an_archive_in_a_read_only_folder(place, cifar, offline, freeze):
    place.mkdir()
    os.replace(cifar, place / cifar.name)
    freeze(place)
    assert len(load_dataset("cifar10", root=place)) == 50
    assert [p.name for p in place.iterdir()] == [cifar.name]


def test_damaged_cifar_files_are_named_and_downloaded_again(place, cifar, monkeypatch):
    load_dataset("cifar10", root=place)
    batch = place / "cifar-10-batches-py" / "data_batch_2"
    batch.write_bytes(b"x")
    with monkeypatch.context() as broken:
        broken.setattr(download, "answering_mirrors", lambda name: (_ for _ in ()).throw(OSError()))
        with pytest.raises(DatasetUnavailable, match="data_batch_2 is damaged"):
            load_dataset("cifar10", root=place)
    assert len(load_dataset("cifar10", root=place)) == 50
    batch.unlink()
    assert len(load_dataset("cifar10", root=place)) == 50


def test_a_damaged_cifar_archive_is_named(place, cifar, offline):
    place.mkdir()
    (place / cifar.name).write_bytes(cut(cifar.read_bytes()))
    with pytest.raises(DatasetUnavailable, match=f"{cifar.name} is damaged"):
        load_dataset("cifar10", root=place)


@pytest.mark.parametrize("packed", [False, True])
def test_jpeg_copies_of_cifar_serve_and_the_title_says_so(place, packed, offline):
    folder = place / "cifar10-jpeg"
    for split, n in (("train", 3), ("test", 1)):
        for k, name in enumerate(("airplane", "frog")):
            for i in range(n):
                paint(folder / split / name / f"{i:04}.jpg", (32, 32), (90 * k, 40 * i, 0))
    if packed:
        with tarfile.open(place / "cifar10-jpeg.tar.xz", "w:xz") as tar:
            for split in ("train", "test"):
                tar.add(folder / split, split)
        for file in sorted(folder.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        folder.rmdir()
    data = load_dataset("cifar10", root=place)
    assert data.title == "CIFAR-10 (train, JPEG copies)" and data.name == "CIFAR-10"
    assert data.classes == ("airplane", "frog") and data.labels.bincount().tolist() == [3, 3]
    assert load_dataset("cifar10", "test", root=place).labels.tolist() == [0, 1]


# ------------------------------------------------------------------------------- folders of images


def paint(file: Path, size=(8, 8), color=(200, 100, 0), mode="RGB", **options) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(file, **options)
    return file


def test_subfolders_are_classes_in_alphabetical_order(tmp_path):
    paint(tmp_path / "pets/dog/b.png", color=(0, 0, 255))
    paint(tmp_path / "pets/cat/deeper/a.png", color=(255, 0, 0))
    paint(tmp_path / "pets/dog/a.bmp", color=(0, 255, 0))
    data = load_dataset(tmp_path / "pets")
    assert data.classes == ("cat", "dog") and data.labels.tolist() == [0, 1, 1]
    assert data.name == "pets" and data.title == "pets (train)"
    assert data.images[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert data.images.is_contiguous()


def test_a_flat_folder_is_one_class_and_other_files_are_ignored(tmp_path):
    folder = tmp_path / "faces"
    for name in ("b.jpg", "a.PNG", "c.webp"):
        paint(folder / name)
    (folder / "notes.txt").write_text("no image")
    (folder / "._a.png").write_bytes(b"what some systems leave beside a file")
    paint(folder / ".thumbnails" / "a.png")
    data = load_dataset(folder)
    assert len(data) == 3 and data.classes == ("faces",) and data.labels.tolist() == [0, 0, 0]


def test_train_and_test_folders_are_splits_with_the_same_class_numbers(tmp_path):
    for file in ("train/b/1.png", "train/c/2.png", "test/a/3.png", "test/c/4.png", "extra/d/5.png"):
        paint(tmp_path / file)
    train, test = load_dataset(tmp_path), load_dataset(tmp_path, "test")
    assert train.classes == test.classes == ("a", "b", "c")
    assert train.labels.tolist() == [1, 2] and test.labels.tolist() == [0, 2]
    assert test.split == "test"


def test_flat_splits_are_one_class(tmp_path):
    paint(tmp_path / "train/1.png")
    paint(tmp_path / "test/2.png")
    assert load_dataset(tmp_path, "test").labels.tolist() == [0]


def test_a_split_that_is_not_there_is_named(tmp_path):
    paint(tmp_path / "a/1.png")
    with pytest.raises(ValueError, match="split='test': .* no subfolders train and test"):
        load_dataset(tmp_path, "test")
    paint(tmp_path / "train/a/1.png")
    with pytest.raises(ValueError, match="split='test': .* no images for it"):
        load_dataset(tmp_path, "test")


def test_images_beside_class_folders_are_left_out_with_a_warning(tmp_path):
    paint(tmp_path / "cat/1.png")
    paint(tmp_path / "loose.png")
    with pytest.warns(UserWarning, match="1 images, such as loose.png, lie beside"):
        assert len(load_dataset(tmp_path)) == 1


def test_grey_images_keep_one_channel_only_if_all_are_grey(tmp_path):
    paint(tmp_path / "1.png", mode="L", color=77)
    paint(tmp_path / "2.png", mode="1", color=1)
    grey = load_dataset(tmp_path)
    assert grey.image_shape == (1, 8, 8) and grey.images[:, 0, 0, 0].tolist() == [77, 255]
    paint(tmp_path / "3.png", color=(1, 2, 3))
    colored = load_dataset(tmp_path)
    assert colored.images[:, :, 0, 0].tolist() == [[77, 77, 77], [255, 255, 255], [1, 2, 3]]


def test_transparent_pixels_become_white_and_palettes_colours(tmp_path):
    paint(tmp_path / "1.png", mode="RGBA", color=(255, 0, 0, 0))
    paint(tmp_path / "2.png", mode="RGBA", color=(0, 0, 0, 255))
    Image.new("RGB", (8, 8), (0, 153, 0)).convert("P").save(tmp_path / "3.gif")
    first, second, third = load_dataset(tmp_path).images[:, :, 0, 0].tolist()
    assert first == [255, 255, 255] and second == [0, 0, 0]
    assert third == [0, 153, 0]


def test_mixed_sizes_are_refused_or_resized_and_cropped(tmp_path):
    paint(tmp_path / "1.png", size=(8, 8))
    wide = Image.new("RGB", (40, 20), (0, 0, 0))
    wide.paste((255, 255, 255), (10, 0, 30, 20))  # the middle is white
    wide.save(tmp_path / "2.png")
    with pytest.raises(
        ValueError, match="1.png has 8 x 8 pixels, 2.png has 40 x 20.*image_size=64"
    ):
        load_dataset(tmp_path)
    data = load_dataset(tmp_path, image_size=10)
    assert data.image_shape == (3, 10, 10)
    assert data.images[1].min() > 220  # the dark sides were cut off, not squeezed in
    assert data.images[0, :, 5, 5].tolist() == [200, 100, 0]


def test_images_of_one_oblong_size_are_kept_as_they_are(tmp_path):
    paint(tmp_path / "1.png", size=(12, 6))
    paint(tmp_path / "2.png", size=(12, 6))
    assert load_dataset(tmp_path).image_shape == (3, 6, 12)


def test_photographs_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me by 90 degrees"
    paint(tmp_path / "1.jpg", size=(16, 8), exif=exif)
    assert load_dataset(tmp_path).image_shape == (3, 16, 8)


def test_a_large_photograph_is_resized_whole(tmp_path):
    steps = np.linspace(0, 255, 800).astype(np.uint8)
    Image.fromarray(np.broadcast_to(steps, (800, 800)).copy()).save(tmp_path / "1.jpg", quality=95)
    small = load_dataset(tmp_path, image_size=32).images[0, 0].float()
    assert (small[16] - torch.linspace(4, 251, 32)).abs().max() < 4


@pytest.mark.parametrize("damage", [cut, lambda _: b"", lambda _: b"not an image"])
def test_broken_images_are_counted_named_and_passed_over(tmp_path, damage):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for name in ("cat/1.jpg", "cat/2.jpg", "dog/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(noise).save(tmp_path / name)
    for name in ("cat/1.jpg", "cat/2.jpg"):
        (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    with pytest.warns(UserWarning, match="2 of 3 images cannot be read .*cat/1.jpg.*cat/2.jpg"):
        data = load_dataset(tmp_path, image_size=8)
    # What is left has the labels that it had.
    assert data.classes == ("cat", "dog") and data.labels.tolist() == [1]
    (tmp_path / "dog/3.jpg").unlink()
    with pytest.raises(ValueError, match="none of the 2 images can be read: cat/1.jpg"):
        load_dataset(tmp_path, image_size=8)
    with pytest.raises(ValueError, match="none of the 2"):  # no fallback hides one's own mistake
        load_dataset(tmp_path, fallback="shapes", image_size=8)


def test_many_broken_images_are_counted_and_the_first_named(tmp_path):
    paint(tmp_path / "z.png")
    for k in range(9):
        (tmp_path / f"{k}.png").write_bytes(b"not an image")
    with pytest.warns(UserWarning, match="9 of 10 .*4.png.*; \\.\\.\\.$") as caught:
        load_dataset(tmp_path)
    assert "5.png" not in str(caught[0].message)


def test_sixteen_bit_images_are_passed_over_with_the_reason(tmp_path):
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "1.png")
    with pytest.raises(ValueError, match="1.png .*16-bit"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("inner", [("cat", "dog"), ("train", "test")])
def test_a_folder_one_level_too_high_is_told(tmp_path, inner):
    for k, name in enumerate(inner):
        paint(tmp_path / "top/pets" / name / "a" / f"{k}.png")
    with pytest.warns(UserWarning, match="every label is 0.*only subfolder is pets") as caught:
        data = load_dataset(tmp_path / "top")
    assert data.labels.tolist() == [0, 0]
    assert str(tmp_path / "top/pets") in str(caught[0].message)
    with tarfile.open(tmp_path / "top.tar", "w") as tar:
        tar.add(tmp_path / "top/pets", "pets")
    with pytest.warns(UserWarning, match="unpack it and pass the folder pets"):
        load_dataset(tmp_path / "top.tar")


def test_one_class_or_the_right_level_is_not_complained_about(tmp_path, recwarn):
    for file in ("one/cat/1.png", "one/cat/2.png", "deep/cat/a/1.png", "two/cat/x/1.png",
                 "two/cat/y/2.png", "two/dog/1.png"):  # fmt: skip
        paint(tmp_path / file)
    for folder in ("one", "deep", "two"):
        load_dataset(tmp_path / folder)
    assert [str(w.message) for w in recwarn] == []


def test_any_sizes_grey_and_colour_become_one_square_size(tmp_path):
    paint(tmp_path / "cat/1.jpg", size=(300, 200))
    paint(tmp_path / "cat/2.png", size=(17, 90), mode="L", color=40)
    paint(tmp_path / "dog/3.png", size=(64, 64), mode="RGBA", color=(1, 2, 3, 255))
    assert load_dataset(tmp_path, image_size=64).image_shape == (3, 64, 64)
    paint(tmp_path / "grey/1.png", size=(9, 70), mode="L", color=40)
    assert load_dataset(tmp_path / "grey", image_size=64).image_shape == (1, 64, 64)


def test_a_folder_without_images_says_what_it_holds(tmp_path):
    (tmp_path / "report.pdf").touch()
    with pytest.raises(DatasetUnavailable, match="holds no images .*it holds report.pdf"):
        load_dataset(tmp_path)
    with pytest.raises(DatasetUnavailable, match="There is no folder .*missing"):
        load_dataset(tmp_path / "missing")


def test_an_archive_of_a_folder_is_read_like_the_folder(tmp_path):
    for file in ("train/b/1.png", "train/a/2.png", "test/a/3.png", "train/a/._2.png"):
        paint(tmp_path / "pets" / file, color=(len(file), 0, 0))
    (tmp_path / "pets/train/a/notes.txt").write_text("no image")
    for dot in ("", "./"):
        with tarfile.open(tmp_path / "pets.tar.gz", "w:gz") as tar:
            for split in ("train", "test"):
                tar.add(tmp_path / "pets" / split, dot + split)
        folder, archive = load_dataset(tmp_path / "pets"), load_dataset(tmp_path / "pets.tar.gz")
        assert archive.title == folder.title == "pets (train)"
        assert archive.classes == folder.classes
        assert sorted(archive.labels.tolist()) == folder.labels.tolist() == [0, 1]


def test_a_file_that_is_no_archive_is_named(tmp_path):
    for content in (b"", b"text", gzip.compress(b"text")):
        (tmp_path / "pets.tar.gz").write_bytes(content)
        with pytest.raises(ValueError, match="pets.tar.gz is neither a folder nor a whole tar"):
            load_dataset(tmp_path / "pets.tar.gz")
