"""Tensors in, tensors out: what they give is what arrays give, where they lie."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from scipy.sparse import csr_array
from sklearn.base import clone
from source_cases import ESTIMATORS, answers
from torch import Tensor

from skaae import AdversarialAutoencoder, AdversarialAutoencoderClassifier
from skaae._scaling import ColumnScaling
from skaae._sources import FileRows, SparseRows
from skaae._tensors import block_of

pytestmark = short_fits_may_warn

METHODS = ("transform", "predict", "predict_proba")
TRANSFORMERS = [name for name in ESTIMATORS if name != "implicit"]


@pytest.fixture(scope="module")
def models(counts, device):
    """Return each estimator, fitted to arrays."""
    X, y = counts
    return {
        name: clone(case).set_params(device=device, max_iter=1).fit(X, y)
        for name, case in ESTIMATORS.items()
    }


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_to_a_tensor_is_the_fit_to_the_array(counts, name):
    X, y = counts
    case = clone(ESTIMATORS[name]).set_params(max_iter=1, device="cpu")
    expected = answers(clone(case).fit(X, y), X, y)
    found = answers(case.fit(torch.as_tensor(X), torch.as_tensor(y)), X, y)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_passes_over_tensors_are_those_over_arrays(counts):
    ours, theirs = (AdversarialAutoencoder(device="cpu", **SHORT) for _ in range(2))
    for _ in range(2):
        ours.partial_fit(torch.as_tensor(counts[0]))
        theirs.partial_fit(counts[0])
    np.testing.assert_array_equal(ours.transform(counts[0]), theirs.transform(counts[0]))


@pytest.mark.parametrize("name", ["bernoulli", "classifier", "implicit"])
def test_a_fit_where_a_tensor_lies_is_nearly_the_fit_to_the_array(
    counts, name, device, monkeypatch
):
    """Sums differ in their last digits, so that a CUDA device need not send its rows back."""
    X, y = counts
    case = clone(ESTIMATORS[name]).set_params(max_iter=1, device=device)
    expected = clone(case).fit(X, y)
    monkeypatch.setattr("skaae._sources._trains_where_it_is", lambda X: X.device.type != "mps")
    found = case.fit(torch.as_tensor(X, device=device), y)
    for field in ("location", "scale"):
        ours, theirs = (getattr(model._scaling, field).numpy() for model in (found, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
    found, expected = (pickle.loads(pickle.dumps(model)) for model in (found, expected))
    for ours, theirs in zip(answers(found, X, y), answers(expected, X, y), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_scaling_on_a_device_knows_constant_columns():
    x = torch.full((5000, 2), 0.1, dtype=torch.float64)
    x[0, 1] = 3.0
    scaling, theirs = ColumnScaling.fit(x), ColumnScaling.fit(x.numpy())
    assert scaling.scale[0] == 0.0
    assert scaling.location[0] == 0.1
    torch.testing.assert_close(scaling.scale, theirs.scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, np.bool_])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_tensor_gives_a_tensor_with_what_its_array_gives(models, counts, name, dtype, device):
    X = (4 * counts[0]).round().clip(0, 1).astype(dtype)
    x = torch.as_tensor(X, device=device)
    for method in METHODS:
        if hasattr(models[name], method):
            expected = getattr(models[name], method)(X)
            found = getattr(models[name], method)(x)
            assert isinstance(found, Tensor)
            assert found.device.type == x.device.type
            if device != "mps":
                assert found.cpu().numpy().dtype == expected.dtype
            np.testing.assert_array_equal(found.cpu().numpy(), expected)
    y = 1 if name in ("conditional", "classifier", "clusterer") else None
    arguments = () if y is None else (y,)
    codes = models[name].transform(X)
    rows = models[name].inverse_transform(torch.as_tensor(codes, device=device), *arguments)
    assert rows.device.type == x.device.type
    np.testing.assert_array_equal(
        rows.cpu().numpy(), models[name].inverse_transform(codes, *arguments)
    )


def test_what_numpy_has_no_dtype_for_is_answered_as_other_halves_are(models, counts):
    x = torch.as_tensor(counts[0]).bfloat16()
    assert models["autoencoder"].transform(x).dtype == torch.float64


@pytest.mark.parametrize("name", ESTIMATORS)
def test_score_of_tensors(models, counts, name, device):
    X, y = counts
    x, labels = torch.as_tensor(X, device=device), torch.as_tensor(y, device=device)
    if hasattr(models[name], "score"):
        expected = models[name].score(X, y)
        assert models[name].score(x, labels) == pytest.approx(expected, rel=1e-5)


def test_a_tensor_is_not_copied_to_the_host(models, counts, device, monkeypatch):
    x = torch.as_tensor(counts[0], device=device)

    def refuse(*args, **kwargs):
        raise AssertionError("a tensor left its device")

    for method in ("cpu", "numpy", "__array__", "tolist"):
        monkeypatch.setattr(Tensor, method, refuse)
    codes = models["autoencoder"].transform(x)
    models["autoencoder"].inverse_transform(codes)
    models["autoencoder"].score(x)
    for name in ("classifier", "clusterer"):
        models[name].transform(x)
        models[name].predict(x)


def test_gradients_are_not_tracked_and_rows_stay_as_they_are(models, counts):
    x = torch.as_tensor(counts[0]).requires_grad_()
    codes = models["autoencoder"].transform(x)
    assert not codes.requires_grad
    assert x.requires_grad
    np.testing.assert_array_equal(x.detach().numpy(), counts[0])


def test_classes_that_are_no_numbers_stay_an_array(counts):
    X, y = torch.as_tensor(counts[0]), np.array(["few", "many", ""])[counts[1]]
    model = AdversarialAutoencoderClassifier(2, **SHORT).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), model.predict(X.numpy()))


def _wrong(kind):
    X = np.zeros((30, 12))
    X[:, 0] = np.arange(30)
    return {
        "NaN": lambda: np.where(X == 3.0, np.nan, X),
        "infinity": lambda: np.where(X == 3.0, -np.inf, X),
        "complex": lambda: X.astype(complex),
        "a column less": lambda: X[:, 1:],
        "no row": lambda: X[:0],
        "one dimension": lambda: X[:, 1],
        "three dimensions": lambda: X[None],
        "no dimension": lambda: X[0, 0],
    }[kind]()


@pytest.mark.parametrize("method", ["fit", "transform", "inverse_transform"])
@pytest.mark.parametrize(
    "kind",
    [
        "NaN",
        "infinity",
        "complex",
        "a column less",
        "no row",
        "one dimension",
        "three dimensions",
        "no dimension",
    ],
)
def test_what_is_wrong_with_a_tensor_is_said_as_of_an_array(models, kind, method, device):
    model = clone(models["autoencoder"]) if method == "fit" else models["autoencoder"]
    if (kind, method) == ("a column less", "fit"):
        pytest.skip("a fit takes any number of columns")
    X = _wrong(kind)
    with pytest.raises(ValueError) as expected:  # noqa: PT011 (the other's message is the match)
        getattr(model, method)(X)
    with pytest.raises(ValueError) as found:  # noqa: PT011
        getattr(model, method)(torch.as_tensor(X, device=device))
    found, expected = str(found.value), str(expected.value)
    if kind == "complex":  # the rest shows the numbers
        found, expected = (message.splitlines()[0] for message in (found, expected))
    assert found == expected


def test_a_sum_that_overflows_is_no_infinity(models):
    x = torch.full((4, 12), 3e38, dtype=torch.float32)
    assert models["bernoulli"].transform(x).shape == (4, 2)


def test_a_sparse_tensor_is_an_error_that_says_what_to_pass(models, counts):
    x = torch.as_tensor(counts[0]).to_sparse()
    with pytest.raises(TypeError, match=r"expected a dense tensor.*scipy\.sparse"):
        models["autoencoder"].transform(x)


def test_a_tensor_has_no_column_names(counts):
    frame = pd.DataFrame(counts[0]).add_prefix("column")
    model = AdversarialAutoencoder(**SHORT).fit(frame)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.transform(torch.as_tensor(counts[0]))


@pytest.mark.parametrize(
    ("container", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_set_output_has_the_last_word(models, counts, device, container, kind):
    model = pickle.loads(pickle.dumps(models["autoencoder"])).set_output(transform=container)
    frame = model.transform(torch.as_tensor(counts[0], device=device))
    assert isinstance(frame, kind)
    np.testing.assert_array_equal(frame.to_numpy(), models["autoencoder"].transform(counts[0]))


@pytest.mark.parametrize("kind", ["array", "read-only", "tensor", "memory map", "file", "sparse"])
@pytest.mark.parametrize("rows", [slice(2, 5), slice(None)])
def test_a_block_is_a_copy(kind, rows, tmp_path):
    """Networks, and the scaling of columns, may work in it."""
    X = np.arange(24.0).reshape(8, 3)
    np.save(tmp_path / "rows.npy", X)
    held = {
        "array": X.copy(),
        "read-only": np.broadcast_to(X, X.shape),
        "tensor": torch.as_tensor(X.copy()),
        "memory map": np.load(tmp_path / "rows.npy", mmap_mode="r+"),
        "file": FileRows(np.load(tmp_path / "rows.npy", mmap_mode="r+")),
        "sparse": SparseRows(csr_array(X)),
    }[kind]
    block_of(held, rows).zero_()
    np.testing.assert_array_equal(held[rows], X[rows])
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), X)
