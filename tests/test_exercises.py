"""The exercise framework: what `check` says and returns, and that it disturbs and risks nothing."""

from __future__ import annotations

import math
import random
import sys
import threading
import time
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_course.exercises import (
    ExerciseError,
    Result,
    all_exercises,
    check,
    contracts_table,
    evaluate,
    framework,
    get_exercise,
    summary,
)
from gan_course.exercises.catalogue import MISTAKES, WAITING
from gan_course.exercises.compare import first_off, need_number, need_parts, need_tensor
from gan_course.exercises.guard import TimeUp, run_limited
from gan_helpers import plotting

all_exercises()  # loads them all, so that the registry below can be put back


def double(x):
    return 2 * x


@pytest.fixture(autouse=True)
def _fresh_session(monkeypatch):
    """Each test begins with nothing checked, and with one small exercise to play with."""
    monkeypatch.setattr(framework, "_status", {})
    monkeypatch.setattr(framework, "_in_use", {})
    monkeypatch.setattr(framework, "_exercises", dict(framework._exercises))
    monkeypatch.setattr(plotting, "_notes", {})
    framework.exercise(
        "2.99",
        "Twice as much",
        signature="double(x)",
        takes="a tensor",
        returns="a tensor of the same shape",
        mistakes=("loss-half-sum",),
        reference=double,
    )(check_double)


def check_double(answer):
    x = torch.tensor([1.0, -2.0])
    with framework.calling("double(x)"):
        got = answer(x)
    need_tensor(got, "double(x)", (2,))
    if torch.allclose(got, x / 2):
        framework.wrong("Every value is halved. Which factor was meant?", "loss-half-sum")
    framework.need(torch.allclose(got, 2 * x), "That is not twice the input.")


# --- check ---------------------------------------------------------------------------------------


def test_a_right_answer_is_returned_and_used(capsys):
    def mine(x):
        return x + x

    assert check("2.99", mine) is mine
    assert framework.in_use("2.99") is mine
    assert capsys.readouterr().out == (
        "2.99 Twice as much: passed. From here on the notebook runs on your code.\n"
    )


def test_a_wrong_answer_is_replaced_by_the_reference(capsys):
    assert check("2.99", lambda x: x / 2) is double
    out = " ".join(capsys.readouterr().out.split())
    assert out == (
        "2.99 Twice as much: not yet. Every value is halved. Which factor was meant? "
        "(Going on with the reference for now.)"
    )


def test_a_blank_is_replaced_by_the_reference(capsys):
    def blank(x):
        raise NotImplementedError("Exercise 2.99: write this part")

    assert check("2.99", blank) is double
    out = capsys.readouterr().out
    assert "open. This one is waiting for your answer at line" in out and "not yet" not in out


def test_figures_say_whose_code_they_come_from_until_the_answer_is_right():
    check("2.99", lambda x: x)
    assert plotting._notes == {"2.99": "2.99: reference"}
    check("2.99", lambda x: x * 2)
    assert plotting._notes == {}


def test_checking_the_reference_again_does_not_pass_for_the_reader_s_own_code(capsys):
    """Run the check cell twice without the answer cell: the name holds the reference by then."""
    answer = check("2.99", lambda x: x / 2)
    assert check("2.99", answer) is double
    assert framework._status["2.99"].passed is False
    assert framework._status["2.99"].mistake == "loss-half-sum"
    assert "Run your own cell first" in " ".join(capsys.readouterr().out.split())


def test_strict_mode_raises(monkeypatch, capsys):
    monkeypatch.setenv("GAN_HELPERS_STRICT", "1")
    with pytest.raises(ExerciseError, match=r"exercise 2\.99: Every value is halved") as caught:
        check("2.99", lambda x: x / 2)
    assert caught.value.result.mistake == "loss-half-sum"
    with pytest.raises(ExerciseError, match="waiting for your answer"):
        check("2.99", None)
    mine = lambda x: x + x  # noqa: E731
    assert check("2.99", mine) is mine
    assert "passed" in capsys.readouterr().out


def test_the_summary_says_what_ran_on_whose_code(capsys):
    summary()
    assert capsys.readouterr().out == "No exercise has been checked in this session.\n"
    check("2.99", double)
    check("2.3", None)
    check("2.8", lambda real_logits, fake_logits, real_target=0.9, fake_target=0.0: 3)
    capsys.readouterr()
    summary()
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["2.99"].endswith("your code")
    assert lines["2.3"].endswith("reference (open)")
    assert lines["2.8"].endswith("reference (not yet right)")
    assert lines["2.1"].endswith("not checked in this session")
    assert "6.1" not in lines
    assert lines["Your"] == "Your own code: 1 of 10."


def test_an_unknown_id_is_refused():
    with pytest.raises(ValueError, match=r"no exercise '2\.77' with a check; known here: .*2\.1"):
        evaluate("2.77", double)
    with pytest.raises(ValueError, match="'nonsense'"):
        check("nonsense", double)


# --- contracts -----------------------------------------------------------------------------------


def test_every_contract_is_complete():
    for found in all_exercises():
        assert found.title and found.returns and found.takes, found.id
        assert set(found.mistakes) <= set(MISTAKES), found.id
        assert len(set(found.mistakes)) == len(found.mistakes), found.id
        framework._check_kind(found, found.reference)  # the reference keeps the contract


def test_the_catalogue_lists_what_some_exercise_names_and_says_where_the_others_wait():
    named = {mistake for found in all_exercises() for mistake in found.mistakes}
    assert set(MISTAKES) == named
    assert not set(WAITING) & set(MISTAKES)
    written = {found.id.split(".")[0] for found in all_exercises()}
    assert not {str(notebook) for notebook, _ in WAITING.values()} & written


def test_the_table_shows_every_contract():
    table = contracts_table()
    for found in all_exercises():
        assert f"{found.id:<5} {found.title}\n" in table
        assert all(mistake in table for mistake in found.mistakes)
    assert "      d_step(G, D, d_optimizer, real, latent_dim)\n" in table
    assert max(map(len, table.splitlines())) <= 100


def test_exercises_are_sorted_by_number():
    ids = [found.id for found in all_exercises() if found.id.startswith("2.")]
    assert ids[:4] == ["2.1", "2.2", "2.3", "2.4"] and ids[-2:] == ["2.11", "2.99"]


def test_a_mistake_must_be_in_the_catalogue():
    with pytest.raises(ValueError, match="no-such-mistake"):
        framework.exercise(
            "2.98", "", signature="f(x)", takes="", returns="", reference=double,
            mistakes=("no-such-mistake",),
        )  # fmt: skip


# --- strange answers -----------------------------------------------------------------------------


class WithoutForward(nn.Module):
    pass


def endless(*_args, **_options):
    while True:
        pass


def endless_and_deaf(*_args, **_options):
    while True:
        try:  # noqa: SIM105
            sum(range(1000))
        except:  # noqa: E722
            pass


def recursive(*args, **options):
    return recursive(*args, **options)


def chatty(x):
    for _ in range(100_000):
        print("still here", file=sys.stderr)
        print("and here")
    return 2 * x


STRANGE = {
    "int": 3,
    "string": "d_step",
    "list": [double],
    "tensor": torch.ones(3),
    "instance": nn.Linear(2, 2),
    "class": WithoutForward,
    "builtin class": dict,
    "no arguments": lambda: None,
    "exit": lambda *a, **k: sys.exit("bye"),
    "quit": lambda *a, **k: (_ for _ in ()).throw(SystemExit),
    "none": lambda *a, **k: None,
    "nan": lambda *a, **k: float("nan"),
    "nan tensor": lambda *a, **k: torch.tensor(float("nan")),
    "strings": lambda *a, **k: "done",
    "echo": lambda *a, **k: a,
    "generator": lambda *a, **k: (yield),
    "function": lambda *a, **k: double,
    "empty dict": lambda *a, **k: {},
    "dict of None": lambda *a, **k: {"d_loss": None, "g_loss": None},
    "module": lambda *a, **k: nn.Linear(3, 4),
    "empty tensor": lambda *a, **k: torch.empty(0),
    "empty array": lambda *a, **k: np.zeros((0, 0), np.uint8),
    "bytes": lambda *a, **k: torch.zeros(0, 0, dtype=torch.uint8),
    "complex": lambda *a, **k: torch.zeros(3, dtype=torch.complex64),
    "recursive": recursive,
    "raises a string": lambda *a, **k: exec("raise KeyError('x')"),
    "assertion": lambda *a, **k: exec("assert False"),
    "print": print,
    "max": max,
    "partial of nothing": nn.Identity(),
}


@pytest.mark.parametrize(
    "id", ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.11", "2.99"]
)
def test_strange_answers_are_rejected_in_words(id):
    for name, answer in STRANGE.items():
        result = evaluate(id, answer)
        assert result.attempted and not result.passed, name
        assert len(result.message) > 20, name
        assert "could not make sense" not in result.message, (name, result.message)


@pytest.mark.parametrize("value", [None, ...])
def test_nothing_at_all_is_a_blank(value):
    assert evaluate("2.99", value) == Result(
        False, False, None, "This one is waiting for your answer."
    )


def test_only_the_reader_s_own_stub_is_a_blank():
    """torch raises NotImplementedError as well, for instance for a forward that is missing."""
    result = evaluate("2.99", WithoutForward())
    assert result.attempted and "no method called `forward`" in result.message


def test_an_exception_is_reported_with_call_line_and_likely_cause():
    def mine(x):
        y = x[:, None] * 2
        return y @ torch.ones(3)

    line = mine.__code__.co_firstlineno + 2
    message = evaluate("2.99", mine).message
    assert message.startswith(
        f"`double(x)` stopped at line {line} (`return y @ torch.ones(3)`) with RuntimeError: "
    )
    assert "Likely cause: two neighbouring sizes do not fit" in message


def test_common_exceptions_get_their_likely_cause():
    def a_number(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
        return F.binary_cross_entropy_with_logits(real_logits, real_target)

    def an_if(real_logits, fake_logits, real_target=0.9, fake_target=0.0):
        return real_logits if real_logits > 0 else fake_logits

    assert "a plain number stands where a tensor" in evaluate("2.8", a_number).message
    assert "`if` decides once" in evaluate("2.8", an_if).message


def test_a_wrong_call_is_explained():
    message = evaluate("2.4", lambda generator, discriminator: 0.0).message
    assert "d_step(G, D, d_optimizer, real, latent_dim)" in message
    assert "yours takes (generator, discriminator)" in message


def test_printing_is_dropped(capsys):
    assert evaluate("2.99", chatty).passed
    assert capsys.readouterr() == ("", "")


def test_a_check_that_fails_itself_rejects_and_shows_the_contract():
    class Odd(torch.Tensor):
        pass

    def odd(x):
        return (2 * x).as_subclass(Odd)

    def broken(answer):
        raise ZeroDivisionError("division by zero")

    framework.exercise(
        "2.98", "Broken", signature="f(x)", takes="", returns="a thing", reference=double
    )(broken)
    result = evaluate("2.98", odd)
    assert not result.passed and result.mistake is None
    assert (
        "could not make sense" in result.message and "`f(x)`, returning a thing" in result.message
    )


def test_an_undeclared_mistake_keeps_its_message_and_loses_its_name():
    framework.exercise("2.98", "Narrow", signature="f(x)", takes="", returns="", reference=double)(
        check_double
    )
    result = evaluate("2.98", lambda x: x / 2)
    assert result.mistake is None and result.message.startswith("Every value is halved")


# --- odd values ----------------------------------------------------------------------------------


class Spoiled:
    """Looks like a number and like a list, and is neither."""

    def __float__(self):
        raise RuntimeError

    def __iter__(self):
        raise RuntimeError

    def __len__(self):
        raise RuntimeError


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float, "the class float"),
        (np.str_("1.5"), "a str_ came back"),
        ("1.5", "a str came back"),
        (np.bytes_(b"1.5"), "a bytes_ came back"),
        (np.datetime64("2020-01-01"), "a datetime64 came back"),
        (10**400, "too large for a float"),
        (Spoiled(), "a Spoiled came back"),
        (math.inf, "not finite"),
        (2 + 0j, "Its imaginary part is 0"),
        (2 + 1e-12j, "as rounding leaves it in the root of a matrix"),
        (np.complex64(2 + 1j), "Where does its imaginary part come from"),
        (np.array([1j, 2j]), "Where does its imaginary part come from"),
    ],
)
def test_what_is_no_real_number_is_rejected_in_words(value, words, plain):
    with pytest.raises(framework.Rejected, match=words):
        need_number(value, "f(x)", plain=plain)


def test_numbers_of_other_types_are_taken_for_what_they_are():
    for value in (1, np.float32(1), np.int64(1), Fraction(1)):
        assert need_number(value, "f(x)") == 1.0
    for value in (torch.ones(1), np.ones((1, 1)), torch.tensor(1), Decimal(1)):
        assert need_number(value, "f(x)", plain=False) == 1.0


@pytest.mark.parametrize("value", [Spoiled(), 1, None, "ab", {1: 2, 3: 4}])
def test_what_does_not_unpack_is_rejected_in_words(value):
    with pytest.raises(framework.Rejected, match="should return 2 things, one and other"):
        need_parts(value, "f(x)", "one", "other")


def test_the_first_wrong_answer_is_found():
    assert first_off([1.0, 2.0, 3.0], [1.0, 2.5, 3.5]) == 1
    assert first_off([1.0, 2.0], [1.0, 2.0]) is None
    assert first_off("ab", "aB", str.__eq__) == 1


# --- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [endless, endless_and_deaf])
def test_an_endless_loop_is_stopped(answer):
    started = time.perf_counter()
    result = evaluate("2.99", answer, seconds=0.3)
    assert time.perf_counter() - started < 5
    assert result.attempted and not result.passed
    assert "stopped after 0.3 seconds" in result.message
    line = result.message.split("at line ")[1].split()[0]
    first = answer.__code__.co_firstlineno
    assert first < int(line) <= first + 5
    assert sys.gettrace() is None or "coverage" in sys.modules
    assert sys.exc_info() == (None, None, None)


@pytest.mark.parametrize("id", ["2.1", "2.4", "2.6", "2.7"])
def test_an_endless_loop_is_stopped_in_every_kind_of_exercise(id):
    class Endless(nn.Module):
        def __init__(self, latent_dim=64, hidden_dim=256):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, z):
            return endless()

    result = evaluate(id, Endless if id == "2.1" else endless, seconds=0.3)
    assert "stopped after 0.3 seconds" in result.message


def test_an_endless_loop_is_stopped_outside_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(evaluate("2.99", endless, seconds=0.3)))
    thread.start()
    thread.join(20)
    assert "stopped after" in found[0].message
    assert evaluate("2.99", double).passed  # and nothing of it reaches this thread


def test_the_time_limit_leaves_nothing_behind():
    """Bodies that end just when their time is up: TimeUp inside the block or not at all."""
    stopped = 0
    for _ in range(150):
        try:
            run_limited(lambda: sum(range(100_000)), 0.002)
        except TimeUp:
            stopped += 1
    time.sleep(0.5)
    assert sum(range(1000)) == 499_500
    assert 0 <= stopped <= 150
    assert not [t for t in threading.enumerate() if t.name == "exercise-time-limit"]


def test_an_interrupt_by_the_reader_passes_through():
    def interrupted(x):
        raise KeyboardInterrupt

    state = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        evaluate("2.99", interrupted)
    assert torch.equal(state, torch.get_rng_state())


# --- nothing is disturbed ------------------------------------------------------------------------

notebook_G = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
notebook_optimizer = torch.optim.Adam(notebook_G.parameters(), lr=0.1)


def vandal(x):
    """A right answer that turns everything it can reach upside down."""
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_default_device("meta")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = True
    torch.autograd.set_detect_anomaly(True)
    torch.set_num_threads(2)
    sys.setrecursionlimit(5000)
    warnings.simplefilter("error")
    with torch.enable_grad():
        notebook_G(torch.randn(4, 2, dtype=torch.float32, device="cpu")).sum().backward()
    notebook_optimizer.step()
    notebook_optimizer.param_groups[0]["lr"] = 3.0
    notebook_G.eval()
    notebook_G[0].weight.requires_grad_(False)
    return 2 * x


def _settings():
    return {
        "python": random.getstate(),
        "numpy": [np.asarray(part).tolist() for part in np.random.get_state()],
        "torch": torch.get_rng_state().tolist(),
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "device": torch.empty(0).device,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "anomaly": torch.is_anomaly_enabled(),
        "threads": torch.get_num_threads(),
        "recursion": sys.getrecursionlimit(),
        "filters": list(warnings.filters),
        "out": (sys.stdout, sys.stderr),
        "trace": sys.gettrace(),
    }


def _network_state():
    return {
        "tensors": {k: v.tolist() for k, v in notebook_G.state_dict().items()},
        "grads": [None if p.grad is None else p.grad.tolist() for p in notebook_G.parameters()],
        "required": [p.requires_grad for p in notebook_G.parameters()],
        "modes": [part.training for part in notebook_G.modules()],
        "lr": notebook_optimizer.param_groups[0]["lr"],
        "moments": [
            {k: torch.as_tensor(v).tolist() for k, v in s.items()}
            for s in notebook_optimizer.state.values()
        ],
    }


def _train_once():
    notebook_G(torch.randn(4, 2)).square().sum().backward()
    notebook_optimizer.step()


def test_everything_is_as_it_was_after_a_check():
    _train_once()  # so that there are gradients and moments to lose
    before = (_settings(), _network_state())
    assert "leaves gradients switched off" in evaluate("2.99", vandal).message
    assert (_settings(), _network_state()) == before


def test_everything_is_as_it_was_after_a_failure_and_after_a_time_out():
    def failing(x):
        vandal(x)
        raise ValueError("no")

    def looping(x):
        vandal(x)
        endless()

    before = (_settings(), _network_state())
    assert "ValueError: no" in evaluate("2.99", failing).message
    assert "stopped after" in evaluate("2.99", looping, seconds=0.5).message
    assert (_settings(), _network_state()) == before


def test_networks_in_a_closure_or_an_object_are_put_back():
    network = nn.Linear(2, 2)

    class Answer:
        def __init__(self):
            self.network = nn.Linear(2, 2)

        def __call__(self, x):
            with torch.no_grad():
                network.weight.zero_()
                self.network.weight.zero_()
            return 2 * x

    answer = Answer()
    assert evaluate("2.99", answer).passed
    assert network.weight.any() and answer.network.weight.any()


def test_a_network_waiting_for_its_backward_pass_still_can():
    network = nn.Linear(2, 2)
    loss = network(torch.ones(1, 2)).square().sum()
    assert evaluate("2.99", lambda x: 2 * x + 0 * network.weight.sum()).passed
    loss.backward()


@pytest.mark.parametrize("id", ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.11"])
def test_checks_do_not_depend_on_what_the_notebook_has_set(id):
    reference = get_exercise(id).reference
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            assert evaluate(id, reference).passed
        with torch.inference_mode():
            assert evaluate(id, reference).passed
    finally:
        torch.set_default_dtype(torch.float32)


def test_figures_that_an_answer_opens_are_closed():
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    kept = plt.figure()

    def drawing(x):
        plt.figure()
        plt.plot([1, 2])
        return 2 * x

    assert evaluate("2.99", drawing).passed
    assert plt.get_fignums() == [kept.number]
    plt.close(kept)


def test_a_check_moves_to_the_device_that_an_answer_insists_on(monkeypatch):
    """Stands in for a GPU: an answer that makes its own tensors on the machine's device."""
    monkeypatch.setattr(framework, "pick_device", lambda: torch.device("meta"))
    seen = []

    def judge(answer):
        seen.append(framework.probe_device().type)
        with framework.calling("f(x)"):
            answer(torch.ones(2, device=framework.probe_device()))

    framework.exercise("2.98", "", signature="f(x)", takes="", returns="", reference=double)(judge)
    assert evaluate("2.98", lambda x: x @ torch.ones(2, device="meta")).passed
    assert seen == ["cpu", "meta"]
    assert framework.probe_device().type == "cpu"
