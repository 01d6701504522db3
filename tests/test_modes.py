"""Modes of PyTorch that computation runs in, whatever its caller has set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from estimator_cases import ESTIMATORS, SHORT, short_fits_may_warn
from robustness_cases import answers
from sklearn.base import clone
from torch import nn

from skaae import AdversarialAutoencoder
from skaae._modes import autocast, evaluation

pytestmark = short_fits_may_warn


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_holds_and_restores_the_mode(training):
    module = nn.Dropout().train(training)
    with evaluation(module):
        assert not module.training
        assert not torch.is_grad_enabled()
    assert module.training is training
    assert torch.is_grad_enabled()


def test_evaluation_restores_the_mode_after_an_error():
    module = nn.Dropout().train()

    def fail():
        with evaluation(module):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert module.training


# ------------------------------------------------------------------ autocast


def casting():
    return torch.autocast("cpu", torch.bfloat16)


def assert_equal(ours, theirs):
    for method, values in theirs.items():
        assert np.array_equal(ours[method], values), method


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_is_the_same_inside_of_autocast(name, precision, wine):
    model = clone(ESTIMATORS[name]).set_params(precision=precision)
    expected = answers(clone(model).fit(*wine), *wine)
    with casting():
        model.fit(*wine)
        assert torch.is_autocast_enabled("cpu")
    assert_equal(answers(model, *wine), expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_partial_fit_is_the_same_inside_of_autocast(precision, X):
    model = AdversarialAutoencoder(precision=precision, **SHORT)
    expected = clone(model).partial_fit(X).partial_fit(X).transform(X)
    with casting():
        model.partial_fit(X).partial_fit(X)
    assert (model.transform(X) == expected).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_answers_are_the_same_inside_of_autocast(name, dtype, wine):
    X, y = wine[0].astype(dtype), wine[1]
    model = clone(ESTIMATORS[name]).fit(X, y)
    expected = answers(model, X, y)
    with casting():
        assert_equal(answers(model, X, y), expected)


def test_weights_that_moved_are_cast_again_inside_of_a_callers_autocast():
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    with casting():
        for factor in (1.0, 2.0):
            with torch.no_grad():
                layer.weight.fill_(factor)
                layer.bias.zero_()
            with autocast("cpu", torch.bfloat16):
                assert layer(x).tolist() == [[2.0 * factor] * 2]
        with torch.no_grad():
            layer.weight.fill_(4.0)
        assert layer(x).tolist() == [[8.0, 8.0]]


def test_weights_are_cast_once_in_a_block():
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    with autocast("cpu", torch.bfloat16):
        before, _ = layer(x), layer.weight.data.fill_(3.0)
        assert torch.equal(layer(x), before)
