"""What a fit leaves alive: the fitted attributes, and with the estimator nothing."""

import gc
import tracemalloc
import types
import weakref

import numpy as np
import pytest
import torch
from estimator_cases import ESTIMATORS, short_fits_may_warn
from sklearn.base import clone

pytestmark = short_fits_may_warn

#: What says more of the program than of what holds it, and leads everywhere.
_NOT_FOLLOWED = (type, types.ModuleType, types.FrameType)


def tensors_and_optimizers():
    gc.collect()
    kinds = (torch.Tensor, torch.optim.Optimizer, torch.Generator)
    return [each for each in gc.get_objects() if issubclass(type(each), kinds)]


def bytes_of_arrays():
    """Return what NumPy has allocated since tracemalloc was started."""
    gc.collect()
    of_numpy = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    traces = tracemalloc.take_snapshot().filter_traces([of_numpy]).traces
    return sum(trace.size for trace in traces)


def reachable(*roots):
    """Return the ids of all that objects hold, through functions by what they enclose only."""
    found, waiting = {}, list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) in found or isinstance(one, _NOT_FOLLOWED):
            continue
        found[id(one)] = one
        if isinstance(one, types.FunctionType):
            waiting += [one.__closure__, one.__defaults__, one.__kwdefaults__]
        elif isinstance(one, np.ndarray):
            waiting.append(one.base)  # which the collector is not told of
        else:
            waiting += gc.get_referents(one)
    return found.keys()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(401, 100)), np.arange(401) % 3


@pytest.fixture
def fit(name, rows):
    """Return a function that fits an estimator, as another has been: some tables are shared."""

    def fit_anew():
        return clone(ESTIMATORS[name]).fit(*rows)

    fit_anew()
    return fit_anew


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_leaves_no_tensor_but_those_of_fitted_attributes(fit):
    before = tensors_and_optimizers()
    model = fit()
    known = {id(each) for each in before} | reachable(vars(model))
    left = [each for each in tensors_and_optimizers() if id(each) not in known]
    assert [(type(each), getattr(each, "shape", None)) for each in left] == []


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_leaves_no_copy_of_the_rows(fit, rows):
    tracemalloc.start()
    try:
        model = fit()
        assert bytes_of_arrays() < rows[0].nbytes / 10
    finally:
        tracemalloc.stop()
    of_model = reachable(vars(model))
    tensors = [each for each in tensors_and_optimizers() if isinstance(each, torch.Tensor)]
    shapes = {tuple(each.shape) for each in tensors if id(each) in of_model}
    assert len(shapes) > 3
    assert not {shape for shape in shapes if np.prod(shape) >= rows[0].size and 401 in shape}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_nothing_of_an_estimator_outlives_it(fit):
    before = tensors_and_optimizers()
    tracemalloc.start()
    try:
        model = fit()
        gone = [weakref.ref(model), weakref.ref(model.model_)]
        del model
        assert bytes_of_arrays() < 1000
    finally:
        tracemalloc.stop()
    assert [each() for each in gone] == [None, None]
    known = {id(each) for each in before}
    assert [each for each in tensors_and_optimizers() if id(each) not in known] == []
