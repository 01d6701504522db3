"""What holds for all estimators, settings, tables and containers, drawn at random.

Either ``fit`` refuses them with words, or its answers have the shapes and dtypes that were promised
and are finite, copies and what was saved agree, rows that were mapped back may be mapped again, and
nothing global has moved. ``-m slow`` draws further cases of each estimator, ``-m long`` two
thousand.
"""

import os
import pickle
import re
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import property_cases
import pytest
import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from persistence_cases import roundtrip
from robustness_cases import answers
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info

N_EXAMPLES = 30
N_SLOW = 80
N_NIGHTLY = int(os.environ.get("SKAAE_EXAMPLES", "2000"))

# Fits of a moment, which a busy machine may hold up.
PROFILE = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


def global_state():
    _, keys, position, *_ = np.random.get_state()
    return (
        torch.get_rng_state().tolist(),
        keys.tolist(),
        position,
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        np.geterr(),
        [pool["num_threads"] for pool in threadpool_info()],
    )


@contextmanager
def nothing_global_moves():
    before = global_state()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("error")
        warnings.simplefilter("always", ConvergenceWarning)
        yield heard
    assert global_state() == before


def refused(model, rows, y):
    """Fit; return whether that was refused, in words and with nothing left behind."""
    before = dict(vars(model))
    try:
        model.fit(rows, y)
    except (ValueError, TypeError) as error:
        told = str(error)
        assert len(told) > 20
        # What the parts below say to each other is no use to a user.
        assert not any(part in told for part in ("PCA", "tensor", "mat1", "size of", "ufunc"))
        assert vars(model) == before
        event(f"refused: {re.split('[.,:] ', told)[0][:60]}")
        return True
    event("fitted")
    return False


def check(name, case):
    model, X, rows, y = case
    with nothing_global_moves() as heard:
        other = clone(model)
        if refused(model, rows, y):
            return
        found = answers(model, rows, y)
        shapes = expected_shapes(name, model, len(X))
        # What has no dtype to ask for becomes float64; of polars, scikit-learn does not ask.
        keeps = X.dtype == np.float32 and not isinstance(rows, (list, pl.DataFrame))
        floats = np.float32 if keeps else np.float64
        for method, values in found.items():
            as_array = np.asarray(values)
            assert as_array.shape == shapes[method], method
            # The last step may throw weights so far that their products are infinite: that is told.
            told = any("Lower learning_rate" in str(warning.message) for warning in heard)
            assert told or np.isfinite(as_array).all(), method
            assert method in ("score", "predict_proba") or as_array.dtype == floats, method
            is_tensor = isinstance(rows, torch.Tensor) and method not in ("score", "sample")
            assert isinstance(values, torch.Tensor) == is_tensor, method
        check_mapped_back(model, rows, found)
        assert_agree(found, answers(pickle.loads(pickle.dumps(model)), rows, y))
        with tempfile.TemporaryDirectory() as folder:
            assert_agree(found, answers(roundtrip(model, Path(folder)), rows, y))
        assert_agree(found, answers(other.fit(rows, y), rows, y))
        assert_agree(found, answers(model, rows, y))


def check_mapped_back(model, rows, found):
    """Map rows again that were mapped back."""
    if "transform" not in found or not np.isfinite(np.asarray(found["inverse_transform"])).all():
        return
    restored, codes = found["inverse_transform"], found["transform"]
    if hasattr(model, "feature_names_in_"):
        restored = pd.DataFrame(restored, columns=model.feature_names_in_)
    again = model.transform(restored)
    assert type(again) is type(codes)
    assert again.shape == codes.shape
    assert again.dtype == codes.dtype
    assert np.isfinite(np.asarray(again)).all()


def expected_shapes(name, model, n_rows):
    rows = (n_rows, model.n_features_in_)
    found = {"sample": (5, rows[1]), "inverse_transform": rows, "score": ()}
    found["transform"] = (n_rows, model.n_components)
    if name in ("classifier", "clusterer"):
        classes = len(model.classes_) if name == "classifier" else model.n_clusters
        found["predict_proba"] = (n_rows, classes)
    return found


def assert_agree(found, theirs):
    assert found.keys() == theirs.keys()
    for method, values in found.items():
        assert np.array_equal(np.asarray(values), np.asarray(theirs[method]), equal_nan=True), (
            method
        )


@pytest.mark.parametrize("name", property_cases.ESTIMATORS)
@settings(max_examples=N_EXAMPLES, derandomize=True, **PROFILE)
@given(data=st.data())
def test_a_fit_is_refused_in_words_or_keeps_its_promises(name, data):
    check(name, data.draw(property_cases.cases(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", property_cases.ESTIMATORS)
@settings(max_examples=N_SLOW, derandomize=True, **PROFILE)
@given(data=st.data())
def test_further_fits_are_refused_in_words_or_keep_their_promises(name, data):
    check(name, data.draw(property_cases.cases(name)))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", property_cases.ESTIMATORS)
@settings(max_examples=N_NIGHTLY, print_blob=True, **PROFILE)
@given(data=st.data())
def test_thousands_of_fits_are_refused_in_words_or_keep_their_promises(name, data):
    check(name, data.draw(property_cases.cases(name)))
