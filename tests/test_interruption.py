"""Ctrl-C: in training it ends a fit that can be used; elsewhere, and in a search, it raises."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from estimator_cases import ESTIMATORS, SHORT, short_fits_may_warn
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skaae import AdversarialAutoencoder, AdversarialAutoencoderClassifier
from skaae.distributed import _RANKS, Ranks
from skaae.training import _loop
from skaae.training._interruption import interrupt_is_for_caller


@pytest.fixture
def interrupt(monkeypatch):
    """Return a function that lets Ctrl-C come when the weights of an epoch have moved."""

    def in_epoch(number):
        original, passes = _loop._Run._pass, []

        def interrupted(run):
            passes.append(run)
            result = original(run)
            if len(passes) == number:
                raise KeyboardInterrupt
            return result

        monkeypatch.setattr(_loop._Run, "_pass", interrupted)

    return in_epoch


@pytest.mark.filterwarnings("ignore:(AdversarialAutoencoder|ImplicitGenerativeModel)")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_that_is_interrupted_is_whole(name, wine, interrupt):
    complete = clone(ESTIMATORS[name]).fit(*wine)
    interrupt(3)
    with pytest.warns(ConvergenceWarning, match=r"interrupted \(Ctrl-C\) after 2 epochs"):
        model = clone(ESTIMATORS[name]).fit(*wine)
    assert model.n_iter_ == len(model.history_) == 2
    assert {*vars(model)} == {*vars(complete)}
    assert not model.model_.training
    assert np.isfinite(model.sample(3, random_state=0)).all()


@short_fits_may_warn
def test_the_state_is_that_of_the_last_look_before(X, interrupt, monkeypatch):
    monkeypatch.setattr(_loop, "_STEPS_BETWEEN_LOOKS", 1)
    kept = {}
    original = _loop._Run._stops_after

    def stops_after(run, entry):
        result = original(run, entry)
        kept[entry["epoch"]] = _loop._state(run.step.model)
        return result

    monkeypatch.setattr(_loop._Run, "_stops_after", stops_after)
    interrupt(4)
    model = AdversarialAutoencoder(2, hidden_layer_sizes=(16,), max_iter=9, random_state=0).fit(X)
    assert model.best_iter_ == 3
    for name, value in model.model_.state_dict().items():
        assert (value == kept[3][name]).all()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_without_a_complete_epoch_the_estimator_stays_as_it_was(name, wine, interrupt):
    model = clone(ESTIMATORS[name])
    before = dict(vars(model))
    interrupt(1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*wine)
    assert vars(model) == before


@short_fits_may_warn
def test_a_second_one_raises_and_so_does_one_outside_of_training(X, interrupt, monkeypatch):
    interrupt(2)

    def measure(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("skaae._base.measure_prior_match", measure)
    model = AdversarialAutoencoder(**SHORT)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            model.fit(X)
    assert not hasattr(model, "model_")


@short_fits_may_warn
def test_partial_fit_keeps_the_weights_of_the_calls_before(X, interrupt):
    model = AdversarialAutoencoder(**SHORT).partial_fit(X)
    codes = model.transform(X)
    interrupt(1)
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X)
    assert (model.transform(X) == codes).all()
    assert model.n_iter_ == 1


@short_fits_may_warn
@pytest.mark.parametrize(
    "around",
    [
        lambda: GridSearchCV(AdversarialAutoencoder(**SHORT), {"n_components": [1, 2]}, cv=2),
        lambda: BaggingClassifier(AdversarialAutoencoderClassifier(**SHORT), n_estimators=2),
    ],
    ids=["search", "ensemble"],
)
def test_where_a_fit_is_one_of_many_all_of_them_end(around, wine, interrupt):
    interrupt(2)
    with pytest.raises(KeyboardInterrupt):
        around().fit(*wine)


def test_one_of_several_processes_does_not_end_a_fit_for_the_others(monkeypatch):
    assert not interrupt_is_for_caller()
    with monkeypatch.context() as patched:
        patched.setattr(multiprocessing, "parent_process", multiprocessing.current_process)
        assert interrupt_is_for_caller()
    token = _RANKS.set(Ranks(0, 2))
    try:
        assert interrupt_is_for_caller()
    finally:
        _RANKS.reset(token)


@short_fits_may_warn
@pytest.mark.parametrize("memory", [False, True])
def test_a_pipeline_goes_on_with_what_was_learnt(X, interrupt, memory, tmp_path):
    steps = AdversarialAutoencoder(**SHORT), StandardScaler()
    pipeline = make_pipeline(*steps, memory=str(tmp_path) if memory else None)
    interrupt(2)
    assert pipeline.fit_transform(X).shape == (len(X), 2)


@pytest.fixture
def ctrl_c_after():
    """Return a function that lets Ctrl-C come after some seconds, or, after 0, no more."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("needs a clock that interrupts")
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@short_fits_may_warn
# Out of a finaliser it cannot be raised.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_whenever_it_comes_the_fit_is_whole_or_there_is_none(name, wine, ctrl_c_after):
    draw = random.Random(name)
    unfitted = clone(ESTIMATORS[name]).set_params(max_iter=20)
    started = time.perf_counter()
    complete = clone(unfitted).fit(*wine)
    seconds = time.perf_counter() - started
    for _ in range(10):
        model, interrupted = clone(unfitted), False
        before = dict(vars(model))
        try:
            ctrl_c_after(draw.uniform(1e-3, seconds))
            model.fit(*wine)
            ctrl_c_after(0)
        except KeyboardInterrupt:
            interrupted = True
        if not interrupted or vars(model) != before:  # it may come when all is there already
            assert vars(model).keys() == vars(complete).keys()
            assert 1 <= len(model.history_) <= 20
            assert np.isfinite(model.sample(3, random_state=0)).all()
    again = clone(unfitted).fit(*wine)
    assert (again.sample(9, random_state=0) == complete.sample(9, random_state=0)).all()


@pytest.mark.slow
def test_a_terminals_ctrl_c_ends_a_search_by_several_processes():
    """The terminal sends the signal to the workers too; the parent has to see its own."""
    program = (
        # A test runner in the background hands on that the signal is ignored.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import numpy as np; from sklearn.model_selection import GridSearchCV; "
        "from skaae import AdversarialAutoencoder; print('ready', flush=True); "
        "GridSearchCV(AdversarialAutoencoder(max_iter=10**6), {'n_components': [1, 2, 3, 4]}, "
        "cv=2, n_jobs=2).fit(np.random.default_rng(0).normal(size=(200, 5)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert "KeyboardInterrupt" in errors
    assert process.returncode != 0
