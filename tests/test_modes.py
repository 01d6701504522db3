"""Modes of PyTorch that computation runs in, whatever its caller has set."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from estimator_cases import ESTIMATORS, SHORT, short_fits_may_warn
from robustness_cases import answers
from sklearn.base import clone
from torch import nn

import skaae
from skaae import AdversarialAutoencoder, metrics
from skaae._device import new_generator
from skaae._modes import autocast, evaluation, gradients, inference
from skaae.priors import PRIORS

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


# ------------------------------------------------------------------ default dtype and device

DEFAULTS = {
    "float64": lambda: torch.set_default_dtype(torch.float64),
    "bfloat16": lambda: torch.set_default_dtype(torch.bfloat16),
    "meta": lambda: torch.set_default_device("meta"),
}


@contextmanager
def by_default(name):
    DEFAULTS[name]()
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


class OfTheDefault(nn.Module):
    """A network that names no dtype and no device, neither where it is built nor where it runs."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_inputs, n_outputs)
        self.scale = nn.Parameter(torch.tensor([0.3]))
        self.shift = nn.Parameter(torch.full((n_outputs,), 0.1))
        self.register_buffer("steps", torch.arange(0.0, n_outputs, 1.0) / 3.0)
        self.start = nn.Parameter(torch.normal(0.0, 1.0, (n_outputs,)))

    def forward(self, x):
        weight = torch.eye(self.linear.out_features, dtype=x.dtype)
        inner = self.linear(x) * self.scale + self.start + self.steps
        return inner @ weight + self.shift * torch.ones(1) + torch.linspace(0, 1, len(self.steps))


CASES = {
    **ESTIMATORS,
    "map": AdversarialAutoencoder(2, neighbors_weight=1.0, **SHORT),
    "noise": AdversarialAutoencoder(2, posterior="universal", prior="categorical", **SHORT),
    "network": AdversarialAutoencoder(2, encoder=OfTheDefault, decoder=OfTheDefault, **SHORT),
}


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("name", CASES)
def test_defaults_of_a_caller_have_no_say(name, default, wine, tmp_path):
    model = clone(CASES[name])
    expected = answers(clone(model).fit(*wine), *wine)
    custom = (OfTheDefault,)
    with by_default(default):
        model.fit(*wine).save(tmp_path / "model")
        assert_equal(answers(model, *wine), expected)
        loaded = skaae.load(tmp_path / "model", custom_objects=custom if name == "network" else ())
        assert_equal(answers(loaded, *wine), expected)
    assert_equal(answers(model, *wine), expected)


@pytest.mark.parametrize("default", DEFAULTS)
def test_defaults_of_a_caller_have_no_say_in_partial_fit_and_measures(default, X):
    def measured():
        model = AdversarialAutoencoder(2, **SHORT).partial_fit(X).partial_fit(X)
        match = metrics.prior_match(model, X, random_state=0)
        apart = metrics.sliced_wasserstein_distance(X, X[::-1] + 1.0, random_state=0)
        parzen = metrics.parzen_log_likelihood(X[::2], X[1::2], bandwidth=10.0)
        return match.distance, match.spread, apart, parzen, model.score(X)

    expected = measured()
    with by_default(default):
        assert measured() == expected


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("prior", PRIORS)
def test_defaults_of_a_caller_have_no_say_in_priors(prior, default):
    def drawn():
        one = PRIORS[prior]()
        classes = [0, 1, -1, 0] if one.n_classes(2) else None
        return one.sample(4, 2, y=classes, generator=new_generator(0))

    expected = drawn()
    with by_default(default):
        ours = drawn()
    assert ours.dtype == torch.float32
    assert torch.equal(ours, expected)


def test_defaults_are_the_callers_again_after_a_fit(X):
    with by_default("float64"), torch.device("meta"):
        AdversarialAutoencoder(2, **SHORT).fit(X)
        made = torch.empty(1)
    assert made.dtype == torch.float64
    assert made.is_meta


@pytest.mark.parametrize("block", [gradients, inference])
def test_nothing_is_set_where_a_caller_has_set_nothing(block):
    with block():
        assert not torch.overrides._get_current_function_mode_stack()


MADE = {
    "integers": lambda: torch.tensor([1, 2]),
    "a range": lambda: torch.arange(3),
    "truths": lambda: torch.full((2,), True),
    "an array": lambda: torch.as_tensor(np.ones(2)),
    "a number of NumPy": lambda: torch.tensor(np.float64(1.0)),
    "a tensor": lambda: torch.asarray(torch.ones(2, dtype=torch.float64)),
    "means": lambda: torch.normal(torch.zeros(2, dtype=torch.float64), 1.0),
    "a dtype": lambda: torch.zeros(2, dtype=torch.float16),
    "floats": lambda: torch.tensor([0.5]),
    "drawn": lambda: torch.rand(2),
    "normal": lambda: torch.normal(0.0, 1.0, (2,)),
    "spaced": lambda: torch.linspace(0, 1, 3),
    "out": lambda: torch.zeros(2, out=torch.empty(2, dtype=torch.float64)),
}


@pytest.mark.parametrize("default", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", MADE)
def test_what_is_made_inside_has_the_dtype_that_it_has_where_nothing_is_set(name, default):
    expected = MADE[name]().dtype
    torch.set_default_dtype(default)
    try:
        with inference():
            assert MADE[name]().dtype == expected
    finally:
        torch.set_default_dtype(torch.float32)
