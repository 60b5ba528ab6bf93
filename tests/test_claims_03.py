"""What notebook 03 says, measured. The functions are the notebook's own, taken from its cells.

The quick tests run always; those that train over several seeds are marked slow.
"""

import tempfile

import numpy as np
import pytest
import torch
from cells import cell_sources, namespace
from torch import nn
from torch.nn import functional as F

import gan_helpers as gh

NOTEBOOK = "03_dcgan_cifar10.ipynb"
# Definitions, and the few lines between them that run; in fast mode these take seconds.
CELLS = (  # noqa: SIM905
    "setup exercise-3-1 calculator-run matrix-run court-1-run quarter score-code court-2-code "
    "exercise-3-2 exercise-3-3 exercise-3-4 exercise-3-5 broken-code configurations "
    "batch-run momentum-run at-once-code"
).split()
SEEDS = range(1000, 1005)


@pytest.fixture(scope="module")
def notebook(mnist_root):
    """The namespace of the notebook after its defining cells have run, in fast mode.

    The photographs are drawn shapes here: the statements on photographs that are tested do not
    depend on which they are, and reading them takes longer than all tests together.
    """

    def shapes(setup: str) -> str:
        return setup.replace('load_dataset("cifar10"', 'load_dataset("shapes"')

    with namespace(NOTEBOOK, CELLS, mnist_root, edit={"setup": shapes}) as names:
        yield names


# --- sizes and transposed convolutions -----------------------------------------------------------


def test_the_paths_that_the_calculator_prints(notebook):
    sides = notebook["sides"]
    step = (4, 2, 1)
    assert sides(32, [step] * 3 + [(4, 1, 0)]) == "32 -> 16 -> 8 -> 4 -> 1"
    assert sides(28, [(4, 2, 0)] * 3) == "28 -> 13 -> 5 -> 1"
    assert sides(1, [(7, 1, 0)] + [step] * 2, True) == "1 -> 7 -> 14 -> 28"
    assert sides(1, [(3, 2, 0)] * 2 + [(2, 2, 0)] * 2, True) == "1 -> 3 -> 7 -> 14 -> 28"
    assert sides(48, [step] * 4) == "48 -> 24 -> 12 -> 6 -> 3"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_transposed_convolution_is_the_transpose_and_no_inverse(notebook, seed):
    gh.set_seed(seed)
    kernel, y = torch.randn(4), torch.randn(4)
    C = notebook["as_matrix"](kernel, 8)
    up = F.conv_transpose1d(y.view(1, 1, -1), kernel.view(1, 1, -1), stride=2, padding=1)
    assert torch.allclose(C.T @ y, up.flatten(), atol=1e-5)
    distance, middle, rank = notebook["there_and_back"](seed)
    assert middle == 4 and rank <= 4
    assert distance > 0.05


def test_kernels_that_are_multiples_of_the_stride_overlap_evenly(notebook):
    names = {"F": F, "torch": torch, "np": np}
    source = cell_sources(NOTEBOOK)["checkerboard-run"].split("fig, axes")[0]
    exec(source, names)
    for kernel in (2, 3, 4, 5):
        for layers in (1, 2):
            counts = names["overlaps"](kernel, layers)
            edge = kernel * layers
            middle = counts[edge:-edge, edge:-edge]
            assert (middle.min() == middle.max()) == (kernel % 2 == 0)


# --- pairs ---------------------------------------------------------------------------------------


def test_drawing_all_parameters_alike_makes_batchnorm_fifty_times_smaller():
    norm = nn.BatchNorm2d(4000)
    nn.init.normal_(norm.weight, 0, 0.02)
    x = torch.randn(8, 4000, 1, 1)
    assert norm(x).std() < nn.BatchNorm2d(4000)(x).std() / 40


def test_of_the_four_broken_pairs_one_stops_by_itself_and_all_are_found(notebook):
    photos, stopped = notebook["photos"], []
    for name in ("no_tanh", "dead_norm", "wrong_stride", "frozen_layer"):
        G, D = notebook["broken"](notebook[name])
        try:
            loss = F.softplus(-D(photos.batch(8))).mean() + F.softplus(D(G(torch.randn(8, 100))))
            assert loss.isfinite().all()
        except RuntimeError:
            stopped.append(name)
        assert gh.verify_pair(*notebook["broken"](notebook[name]), photos, batch_size=16).problems
    assert stopped == ["wrong_stride"]
    sound = notebook["broken"](lambda G, D: None)
    assert gh.verify_pair(*sound, photos, batch_size=16).passed


def test_the_readers_pair_is_that_of_the_package(notebook):
    mine = notebook["Generator"](), notebook["Discriminator"]()
    counts = [gh.models.count_parameters(network) for network in mine]
    assert counts == [1_068_928, 663_296]


def test_shapes_that_fit_and_shapes_that_do_not(notebook):
    verify, shape = notebook["verify_shapes"], (3, 64, 64)
    assert verify(*gh.build_pair("dcgan", shape), 64) == []
    assert [text[0] for text in verify(*gh.build_pair("dcgan", shape), 32)] == ["G", "D"]


def test_in_training_mode_an_image_depends_on_its_batch():
    z, others = torch.randn(8, 100), torch.randn(2, 56, 100)
    for training in (True, False):
        G = gh.pretrained.load("dcgan-cifar10").generator.train(training)
        with torch.no_grad():
            one, two = (G(torch.cat([z, company]))[:8] for company in (others[0], 0 * others[1]))
        moved = (one - two).abs().mean().item()
        assert moved > 0.01 if training else moved < 1e-4


# --- the shipped run -----------------------------------------------------------------------------


def test_what_is_read_off_the_log_of_the_shipped_run():
    log = gh.pretrained.load("dcgan-cifar10").log
    fd = {round(row["seen"], -5): row["fd_raw"] for row in log}
    assert fd[400_000] > fd[200_000]
    best = min(log, key=lambda row: row["fd_raw"])
    assert best["seen"] < log[-1]["seen"]
    last_third = [row for row in log if row["seen"] >= 1_000_000 and row["d_loss"]]
    d_losses, g_losses = ([row[key] for row in last_third] for key in ("d_loss", "g_loss"))
    assert d_losses[-1] < 0.1 * d_losses[0] and g_losses[-1] > g_losses[0]
    assert fd[200_000] < fd[400_000] - 0.3  # had it ended there, the kept state would be better
    card = gh.pretrained.load("dcgan-cifar10").card
    low, high = card["scores"]["interval"]
    assert abs(log[-1]["fd_raw"] - best["fd_raw"]) < 2 * (high - low)


def test_the_early_state_is_of_the_same_run():
    early, last = (gh.pretrained.load(f"dcgan-cifar10{end}") for end in ("-early", ""))
    assert early.log[0] == last.log[0] and early.card["seed"] == last.card["seed"]
    assert early.card["images_seen"] < last.log[1]["seen"]
    scores = [pair.card["scores"]["value"] for pair in (early, last)]
    assert scores[0] > 2 * scores[1]


def test_the_two_shipped_runs_and_what_their_logs_say():
    dcgan, up = (gh.pretrained.load(f"{name}-cifar10") for name in ("dcgan", "upsample"))
    assert dcgan.card["scores"]["value"] < up.card["scores"]["value"]
    assert 3.5 < dcgan.card["images_seen"] / up.card["images_seen"] < 4
    seconds = [pair.card["cpu_seconds"] / pair.card["images_seen"] for pair in (dcgan, up)]
    assert seconds[0] < seconds[1]
    at = [{round(row["seen"], -5): row["fd_raw"] for row in pair.log} for pair in (dcgan, up)]
    assert [round(fd[300_000], 1) for fd in at] == [5.5, 4.7]
    assert round(at[1][400_000], 1) == 5.1 and up.log[3]["rate"] < up.log[0]["rate"]


# --- a folder of images --------------------------------------------------------------------------


def test_a_folder_as_folders_are(tmp_path, capsys):
    cells = cell_sources(NOTEBOOK)
    names = {"gh": gh, "Path": lambda _: tmp_path, "tempfile": tempfile}
    for cell in ("own-folder", "own-load"):
        exec(cells[cell], names)
    assert "1 of 81 images cannot be read" in capsys.readouterr().out
    own = names["own"]
    assert len(own) == 80 and own.image_shape == (3, 64, 64) and own.num_classes == 2
    exec(cells["own-level"], names)
    assert "every label is 0" in capsys.readouterr().out
    assert names["higher"].labels.unique().tolist() == [0]


# --- further -------------------------------------------------------------------------------------


def test_where_half_the_bits_bite():
    half, brain = torch.float16, torch.bfloat16
    assert torch.tensor(1e-8).to(half) == 0 and torch.tensor(1e-8).to(brain) > 0
    assert (torch.tensor(300.0).to(half) ** 2).isinf()
    assert (torch.tensor(300.0).to(brain) ** 2).isfinite()
    for kind in (half, brain):
        assert torch.tensor(1.0).to(kind) - 2e-4 == 1


def test_a_momentum_of_another_framework_changes_evaluation_mode_only(notebook):
    (slow, out), (jumpy, same) = (notebook["running_means"](m) for m in (0.2, 0.8))
    assert torch.equal(out, same)
    assert np.std(jumpy[20:]) > 2 * np.std(slow[20:])


# --- over seeds ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_first_weights_of_a_narrow_pair_on_digits(in_full):
    train, FD, draw = in_full["train_digits"], in_full["FD"], in_full["drawn_by"]
    alike = []
    for seed in SEEDS:
        small = train(seed, gh.models.dcgan_init, steps=400)
        if gh.generate(small, 64).std(0).mean() < 0.05:
            alike.append(seed)
            assert FD(train(seed, steps=200)) < FD(small) / 2
        for init in (nn.init.kaiming_normal_, nn.init.xavier_normal_):
            run = train(seed, draw(init), steps=400)
            assert gh.generate(run, 64).std(0).mean() > 0.15
            assert FD(run) < 100  # noise and grey have about 140
    assert len(alike) >= 3  # seed 1003 learns


@pytest.mark.slow
def test_d_is_less_far_ahead_without_batchnorm(in_full):
    cells = cell_sources(NOTEBOOK)
    source = cells["rules-run"]
    source = source[source.index("def lead") : source.index("for name, scores")]
    names = {"np": np}
    exec(source, names)
    for seed in SEEDS:
        runs = [
            in_full["train_digits"](seed, off=off, steps=200)
            for off in (None, (nn.BatchNorm2d, nn.Identity))
        ]
        assert names["lead"](runs[1]) < names["lead"](runs[0])


@pytest.mark.slow
def test_progress_shows_in_minutes_from_the_early_state_only(mnist_root):
    cells = cell_sources(NOTEBOOK)
    photos, photos_test = (
        gh.load_dataset("cifar10", split, root=mnist_root) for split in ("train", "test")
    )
    names = {"gh": gh, "photos": photos, "photos_test": photos_test, "MANY": 1000}
    for cell in ("photo-score", "continue-code"):
        exec(cells[cell], names)
    for seed in SEEDS[:3]:
        _, before, after = names["go_on"]("dcgan-cifar10-early", seed)
        assert before - after > 1
    _, before, after = names["go_on"]("dcgan-cifar10")
    assert abs(before - after) < 1
