import multiprocessing
import threading
import warnings

import numpy as np
import pytest
import torch
from robustness_cases import in_threads
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from threadpoolctl import threadpool_info, threadpool_limits

from skaae import AdversarialAutoencoder
from skaae._threads import WatchedThreads, one_blas_thread, watched_threads


class Machine:
    """Clocks of a thread that gets a share of a core, and the number of threads it asked for."""

    def __init__(self):
        self.share, self.seconds, self.ran, self.asked = 1.0, 0.0, 0.0, []

    def watch(self, n_threads=4):
        return WatchedThreads(
            n_threads,
            set_threads=self.asked.append,
            wall=lambda: self.seconds,
            own=lambda: self.ran,
        )

    def step(self, seconds=0.1):
        self.seconds += seconds
        self.ran += self.share * seconds
        return self.seconds


@pytest.fixture
def machine():
    return Machine()


def run(watched, machine, seconds):
    end = machine.seconds + seconds
    while machine.seconds < end:
        watched(machine.step)


def test_threads_are_left_alone_on_a_quiet_machine(machine):
    run(machine.watch(), machine, 10.0)
    assert machine.asked == []


def test_one_thread_goes_on_where_others_have_the_cores(machine):
    machine.share = 0.5
    run(machine.watch(), machine, 10.0)
    assert machine.asked == [1]


def test_all_threads_come_back_when_the_cores_are_free(machine):
    watched = machine.watch()
    machine.share = 0.5
    run(watched, machine, 1.0)
    machine.share = 1.0
    run(watched, machine, 10.0)
    assert machine.asked == [1, 4]


def test_threads_are_tried_ever_more_seldom_where_that_fails(machine):
    watched = machine.watch()
    # One thread has a core for itself here, four have not.
    for _ in range(3000):
        machine.share = 0.5 if watched.uses_all else 1.0
        watched(machine.step)
    n_trials = machine.asked.count(4)
    assert 3 <= n_trials <= 12  # in 300 seconds; every 2 seconds would be over 100


def test_a_step_answers_what_it_answers(machine):
    assert machine.watch()(machine.step, 0.25) == 0.25


def test_the_callers_threads_are_those_of_before():
    n_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with watched_threads(torch.device("cpu")) as watched:
            watched(torch.set_num_threads, 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(n_threads)


def test_a_fit_that_fails_gives_threads_back(monkeypatch):
    n_threads = torch.get_num_threads()

    def fail(*args):
        torch.set_num_threads(1)
        raise RuntimeError("on purpose")

    monkeypatch.setattr("skaae.training._step.TrainingStep.__call__", fail)
    try:
        torch.set_num_threads(2)
        with pytest.raises(RuntimeError, match="on purpose"):
            AdversarialAutoencoder(max_iter=1).fit(np.random.default_rng(0).normal(size=(20, 3)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(n_threads)


def blas_threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def let_blas_have(n_threads):
    """Set it for all: who has limited BLAS keeps others from it for as long as the thread lives."""
    in_threads(lambda n: threadpool_limits(n, "blas"), [n_threads])


@pytest.fixture
def two_of_blas():
    before = blas_threads()
    let_blas_have(2)
    if blas_threads() != {2}:
        pytest.skip("needs a BLAS whose threads can be set")
    yield
    let_blas_have(max(before))


def test_one_thread_of_blas_within_and_as_before_after(two_of_blas):
    with one_blas_thread():
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_blas_has_its_threads_back_after_an_error(two_of_blas):
    with pytest.raises(RuntimeError, match="on purpose"), one_blas_thread():
        raise RuntimeError("on purpose")
    assert blas_threads() == {2}


def test_blocks_within_blocks_give_the_threads_of_blas_back_at_the_end(two_of_blas):
    with one_blas_thread():
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_threads_that_meet_leave_blas_as_it_was(two_of_blas):
    """Who limits it first may end first or last: the number is one of the whole process."""
    inside = []
    # Those that have limited it live on while another thread looks, and limits it too.
    meet = threading.Barrier(5, timeout=60)

    def limit():
        for _ in range(20):
            with one_blas_thread():
                inside.append(blas_threads())
        meet.wait()
        meet.wait()
        limited = blas_threads()
        meet.wait()
        return limited

    def look_on():
        meet.wait()
        left = blas_threads()
        with threadpool_limits(1, user_api="blas"):
            meet.wait()
            meet.wait()
        return left

    left, *limited = in_threads(lambda act: act(), [look_on, *[limit] * 4])
    assert left == {2}
    assert limited == [{1}] * 4
    assert inside == [{1}] * 80


def enter_and_leave():
    with one_blas_thread():
        pass


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_process_that_is_forked_meanwhile_does_not_wait():
    process = multiprocessing.get_context("fork").Process(target=enter_and_leave)
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with one_blas_thread():
            entered.set()
            leave.wait()

    # Another thread, which the forked process will not have.
    other = threading.Thread(target=stay, daemon=True)
    other.start()
    assert entered.wait(timeout=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 advises against it
        process.start()
    process.join(timeout=20)
    process.kill()
    process.join()
    leave.set()
    other.join(timeout=60)
    assert process.exitcode == 0


def test_what_comes_before_training_has_one_thread_of_blas(two_of_blas, monkeypatch):
    seen = []

    def watched(original):
        def recorded(*args, **kwargs):
            seen.append(blas_threads())
            return original(*args, **kwargs)

        return recorded

    for kind, name in ((PCA, "fit"), (PCA, "transform"), (RidgeCV, "fit")):
        monkeypatch.setattr(kind, name, watched(getattr(kind, name)))
    X = np.random.default_rng(0).normal(size=(60, 40))
    AdversarialAutoencoder(2, hidden_layer_sizes=(8,), max_iter=1, random_state=0).fit(X)
    assert len(seen) >= 4  # axes, what they leave (twice), what tells it
    assert all(each == {1} for each in seen)
    assert blas_threads() == {2}
