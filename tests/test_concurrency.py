"""Threads and processes at once: no shared state, no waiting for each other, the same to the bit.

``examples/benchmarks/concurrency.py`` does so for minutes.
"""

import multiprocessing
import threading
import warnings

import joblib
import numpy as np
import pytest
import torch
from estimator_cases import ESTIMATORS, SHORT, short_fits_may_warn
from robustness_cases import answers, fitted_answers, in_threads, put_fitted_answers
from sklearn.base import clone

from skaae import AdversarialAutoencoder, ImplicitGenerativeModel

pytestmark = short_fits_may_warn

N_THREADS = 8


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for method, values in theirs.items():
        assert np.array_equal(ours[method], values), method


def test_threads_that_wait_for_ever_are_a_failure():
    with pytest.raises(AssertionError, match="2 of 2 threads still wait"):
        in_threads(lambda event: event.wait(), [threading.Event()] * 2, seconds=0.1)


def test_fits_in_eight_threads_are_those_that_were_alone(wine):
    names = [*ESTIMATORS, *ESTIMATORS][:N_THREADS]
    alone = {name: fitted_answers(name, *wine) for name in ESTIMATORS}
    for name, ours in zip(names, in_threads(lambda name: fitted_answers(name, *wine), names)):
        assert_equal(ours, alone[name])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_eight_threads_ask_one_estimator(name, wine):
    model = clone(ESTIMATORS[name]).fit(*wine)
    alone = answers(model, *wine)
    for ours in in_threads(lambda _: answers(model, *wine), range(N_THREADS)):
        assert_equal(ours, alone)


# Python 3.12 advises against forks, of which joblib makes its processes.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    "backend", ["threading", "multiprocessing", pytest.param("loky", marks=pytest.mark.slow)]
)
def test_jobs_of_joblib_are_fits_that_were_alone(backend, wine):
    with joblib.parallel_config(backend, n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(fitted_answers)(n, *wine) for n in ESTIMATORS)
    for name, ours in zip(ESTIMATORS, found):
        assert_equal(ours, fitted_answers(name, *wine))


def answers_of(process, queue):
    """Return what a process puts into a queue, and let it end; one that waits is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 advises against forks
        process.start()
    try:
        return queue.get(timeout=60)
    finally:
        process.kill()
        process.join()


@pytest.mark.slow
def test_a_process_that_was_spawned_has_fits_that_were_alone(wine):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=put_fitted_answers, args=(queue, list(ESTIMATORS), *wine))
    for name, ours in answers_of(process, queue).items():
        assert_equal(ours, fitted_answers(name, *wine))


@pytest.fixture
def two_threads():
    """Let PyTorch have a pool of threads, as it has by default."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(n_threads)


def put_answers(queue, model, X):
    queue.put((answers(model, X), answers(clone(model).fit(X), X), torch.get_num_threads()))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.parametrize("kind", [AdversarialAutoencoder, ImplicitGenerativeModel])
def test_a_process_that_was_forked_after_a_fit_does_not_wait_for_threads_it_lacks(
    two_threads, kind
):
    X = np.random.default_rng(0).normal(size=(2000, 64))
    model = kind(2, **{**SHORT, "hidden_layer_sizes": (256,), "batch_size": 512})
    model.set_params(max_iter=1).fit(X)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=put_answers, args=(queue, model, X))
    of_model, of_its_own, n_threads = answers_of(process, queue)
    assert n_threads == 1
    # Last digits of products depend on the number of threads.
    torch.set_num_threads(1)
    assert_equal(of_model, answers(model, X))
    assert_equal(of_its_own, answers(clone(model).fit(X), X))
