"""A loss that is not finite: tried again, a bounded number of times, and told of."""

import math
import re
import warnings

import numpy as np
import pytest
import torch
from estimator_cases import ESTIMATORS
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from test_training import CountingStep

from skaae import AdversarialAutoencoder
from skaae.divergences import KullbackLeibler
from skaae.training import Budget, _loop, run


class Batches:
    """Fifty batches a pass; those of some passes are not finite."""

    def __init__(self, bad):
        self.bad = bad
        self.n_passes = 0

    def __iter__(self):
        self.n_passes += 1
        return iter([torch.tensor([math.nan if self.n_passes in self.bad else 1.0])] * 50)


# ------------------------------------------------------------------------------------- the loop


def test_training_goes_on_from_the_last_good_state_at_half_the_rate():
    step = CountingStep()
    outcome = run(step, Batches(bad={3, 5}), Budget(6, 50, annealed=False))
    assert (outcome.finite, outcome.n_recoveries, outcome.best_epoch) == (True, 2, 6)
    assert [entry["learning_rate"] for entry in outcome.history] == [1, 1, 1, 0.5, 0.5, 0.25]
    assert [entry.get("recoveries") for entry in outcome.history] == [None, None, 1, None, 2, None]
    assert float(step.model.weight.detach()) == 4 * 50
    assert step.n_forgotten == 2


class StopAfter:
    """An observer that asks to stop at the end of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def begin_epoch(self):
        pass

    def end_epoch(self, history):
        return len(history) == self.epoch


def test_a_stop_in_an_epoch_that_failed_tells_the_epoch_of_the_state():
    step = CountingStep()
    outcome = run(step, Batches(bad={3}), Budget(6, 50), observers=[StopAfter(3)])
    assert (outcome.best_epoch, len(outcome.history)) == (2, 3)
    assert float(step.model.weight.detach()) == 2 * 50


def test_it_ends_at_the_last_good_state_when_that_helps_no_longer():
    step = CountingStep()
    outcome = run(step, Batches(bad=range(4, 100)), Budget(100, 50))
    assert (outcome.finite, outcome.n_recoveries, outcome.best_epoch) == (False, 5, 3)
    assert len(outcome.history) == 3 + 5 + 1
    assert float(step.model.weight.detach()) == 150.0


class Told:
    """An observer that keeps what it is told, and the weights of that moment."""

    def __init__(self, step):
        self.step, self.told = step, []

    def begin_epoch(self):
        self.told.append("begin")

    def end_epoch(self, history):
        self.told.append((len(history), float(self.step.model.weight.detach())))
        return False


def test_an_epoch_that_fails_for_good_is_told_of_at_the_last_good_state():
    step = CountingStep()
    observer = Told(step)
    run(step, Batches(bad={2}), Budget(2, 50), observers=[observer])
    assert observer.told == ["begin", (1, 50.0), "begin", (2, 50.0)]


def test_a_single_pass_is_not_tried_again():
    """``partial_fit`` has no next epoch."""
    outcome = run(CountingStep(), Batches(bad={1}), Budget.one_pass(50))
    assert (outcome.finite, outcome.n_recoveries, outcome.best_epoch) == (False, 0, 0)


def test_weights_that_are_not_finite_count_too():
    step = CountingStep()

    class Poison(Batches):
        def __iter__(self):
            with torch.no_grad():
                step.model.weight.mul_(math.nan if self.n_passes == 1 else 1.0)
            return super().__iter__()

    outcome = run(step, Poison(bad=()), Budget(4, 50))
    assert outcome.n_recoveries == 1
    assert torch.isfinite(step.model.weight).all()


# ----------------------------------------------------------------------------------- estimators


@pytest.fixture
def lose(monkeypatch):
    """Return a function that lets the loss of some epochs not be finite, weights included."""

    def in_epochs(*numbers):
        original, passes = _loop._Run._pass, []

        def poisoned(run):
            passes.append(run)
            losses, n_batches = original(run)
            if len(passes) in numbers:
                losses = dict.fromkeys(losses, math.nan)
                with torch.no_grad():
                    for parameter in run.step.model.parameters():
                        parameter.fill_(math.nan)
                for optimizer in run.step.optimizers:
                    for state in optimizer.state.values():
                        state["exp_avg"].fill_(math.nan)
            return losses, n_batches

        monkeypatch.setattr(_loop._Run, "_pass", poisoned)

    return in_epochs


def fit_and_read_warnings(model, wine):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*wine)
    return [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]


def assert_advises(message):
    """Assert that it names a loss that was lost, and what to change."""
    advice = r"Lower learning_rate \([\w, ]*(regularization|divergence)[\w, ]*\), here or of the"
    assert re.search(advice, message)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_recovers_and_says_so_once(name, wine, lose):
    lose(2)
    model = clone(ESTIMATORS[name])
    messages = fit_and_read_warnings(model, wine)
    said = [text for text in messages if "not finite" in text]
    assert len(said) == 1
    assert "in epochs [2]" in said[0]
    assert "at last at 0.5 of it" in said[0]
    assert_advises(said[0])
    assert model.n_iter_ == 3
    assert np.isfinite(model.sample(5, random_state=0)).all()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_that_does_not_recover_has_the_last_good_state(name, wine, lose):
    lose(*range(2, 100))
    model = clone(ESTIMATORS[name]).set_params(max_iter=20)
    messages = fit_and_read_warnings(model, wine)
    (message,) = messages
    assert "Training stopped in epoch 7" in message
    assert_advises(message)
    assert model.n_iter_ == 7
    assert np.isfinite(model.sample(5, random_state=0)).all()


def test_a_discriminator_that_is_too_fast_is_slowed_down(digits):
    """exp overflows in its loss at once; a quarter of the rate and less is borne."""
    X = digits[0][:300]
    model = AdversarialAutoencoder(
        divergence=KullbackLeibler(learning_rate=1.0),
        hidden_layer_sizes=(32,),
        max_iter=20,
        random_state=0,
    )
    (message,) = fit_and_read_warnings(model, (X, None))
    assert "regularization" in message
    assert "of the divergence" in message
    assert model.best_iter_ == model.n_iter_ == 20
    assert not model.prior_match_.mismatched
