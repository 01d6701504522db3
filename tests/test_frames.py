"""Frames in and out: pandas, pandas over pyarrow, polars."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from estimator_cases import short_fits_may_warn
from sklearn.base import clone
from source_cases import ESTIMATORS, answers

pytestmark = short_fits_may_warn

NAMES = [f"column{k}" for k in range(12)]


def over_pyarrow(X):
    pytest.importorskip("pyarrow")
    return pd.DataFrame(X, columns=NAMES).convert_dtypes(dtype_backend="pyarrow")


FRAMES = {
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "pandas over pyarrow": over_pyarrow,
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
}


def short(name):
    return clone(ESTIMATORS[name]).set_params(max_iter=1)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("name", ["conditional", "implicit"])
def test_a_frame_gives_what_its_array_gives(counts, name, kind):
    X, y = counts
    frame = FRAMES[kind](X)
    model = short(name).fit(frame, y)
    assert model.feature_names_in_.tolist() == NAMES
    expected = answers(short(name).fit(X, y), X, y)
    for ours, theirs in zip(answers(model, frame, y), expected, strict=True):
        # A frame hands over columns, whose sums differ from those of rows in the last digit.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("method", ["transform", "predict_proba", "score", "predict"])
def test_other_column_names_are_an_error(counts, kind, method):
    X, y = counts
    frame = FRAMES[kind](X)
    other = frame.rename(**{"columns" if "pandas" in kind else "mapping": {"column0": "weight"}})
    model = short("classifier").fit(frame, y)
    arguments = (other, y) if method == "score" else (other,)
    with pytest.raises(ValueError, match=r"feature names should match(.|\n)*weight"):
        getattr(model, method)(*arguments)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize(
    ("container", "made"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
@pytest.mark.parametrize("name", ["autoencoder", "classifier"])
def test_codes_as_frames(counts, name, kind, container, made):
    X, y = counts
    frame = FRAMES[kind](X)
    model = short(name).fit(frame, y)
    expected = model.transform(frame)
    codes = model.set_output(transform=container).transform(frame)
    assert isinstance(codes, made)
    assert list(codes.columns) == model.get_feature_names_out().tolist()
    assert codes.columns[0] == type(model).__name__.lower() + "0"
    np.testing.assert_array_equal(codes.to_numpy(), expected)


def test_the_index_of_a_frame_stays(counts):
    frame = FRAMES["pandas"](counts[0]).set_index(np.arange(150) + 1000)
    model = short("autoencoder").fit(frame).set_output(transform="pandas")
    assert model.transform(frame).index.equals(frame.index)


@pytest.mark.parametrize("kind", FRAMES)
def test_codes_may_be_a_frame(counts, kind):
    model = short("autoencoder").fit(counts[0])
    codes = model.transform(counts[0])
    frame = pd.DataFrame(codes) if "pandas" in kind else pl.DataFrame(codes)
    np.testing.assert_array_equal(model.inverse_transform(frame), model.inverse_transform(codes))
