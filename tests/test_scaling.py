"""Columns to the networks' units and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skaae._scaling import ColumnScaling

DTYPES = [np.float32, np.float64]


def rows(n_samples: int = 200, n_columns: int = 5) -> np.ndarray:
    # Columns of very different units, spreads and shapes.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_columns)) ** 3
    return X * 10.0 ** np.arange(-4, n_columns - 4) + np.arange(n_columns)


def forward(X: np.ndarray, scaling: ColumnScaling | None = None) -> np.ndarray:
    return (scaling or ColumnScaling.fit(X)).forward(torch.as_tensor(X)).numpy()


def test_units_are_the_standard_deviation_or_a_third_of_the_range():
    # A column of 0 and 1 in equal parts, and one that is lit in a single row of many.
    X = np.zeros((1000, 2))
    X[:500, 0] = 1.0
    X[0, 1] = 8.0
    scaling = ColumnScaling.fit(X)
    np.testing.assert_allclose(scaling.scale.numpy(), [0.5, 8.0 / 3.0], rtol=1e-12)
    np.testing.assert_allclose(scaling.location.numpy(), X.mean(axis=0), rtol=1e-12)


def test_no_column_spans_more_than_three_units():
    u = forward(rows())
    assert np.ptp(u, axis=0).max() <= 3.0 + 1e-12


def test_columns_are_centred():
    np.testing.assert_allclose(forward(rows()).mean(axis=0), 0.0, atol=1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_round_trip(dtype, tolerance):
    X = rows().astype(dtype)
    scaling = ColumnScaling.fit(X)
    back = scaling.inverse(scaling.forward(torch.as_tensor(X))).numpy()
    assert back.dtype == dtype
    # Rounding errors are relative to the largest number that the column passes through.
    assert (np.abs(back - X) / np.abs(X).max(axis=0)).max() < tolerance


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("constant", [0.1, 1e9 + 0.1, -1e-30, 0.0])
def test_constant_column_is_zero_on_the_way_in(dtype, constant):
    X = np.full((97, 1), constant, dtype=dtype)
    assert np.array_equal(forward(X), np.zeros((97, 1), dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("constant", [0.1, 1e9 + 0.1, -1e-30, 0.0])
def test_constant_column_is_exactly_its_constant_on_the_way_back(dtype, constant):
    X = np.full((97, 1), constant, dtype=dtype)
    outputs = torch.linspace(-5, 5, 97, dtype=torch.as_tensor(X).dtype)[:, None]
    assert np.array_equal(ColumnScaling.fit(X).inverse(outputs).numpy(), X)


def test_new_values_of_a_constant_column_stay_finite():
    scaling = ColumnScaling.fit(np.full((10, 1), 3.0))
    assert scaling.forward(torch.tensor([[5.0]])).tolist() == [[2.0]]


@pytest.mark.parametrize(("factor", "shift"), [(1000.0, 50.0), (-0.01, 0.0), (1e-12, 0.0)])
def test_units_of_a_column_do_not_matter(factor, shift):
    X = rows()
    np.testing.assert_allclose(
        forward(factor * X + shift), np.sign(factor) * forward(X), rtol=1e-7, atol=1e-9
    )


def test_small_noise_on_a_huge_offset_keeps_its_shape():
    noise = np.random.default_rng(0).normal(size=(5000, 3))
    X = 1e9 + noise
    noise = X - 1e9  # as float64 holds it
    scale = np.maximum(noise.std(axis=0), np.ptp(noise, axis=0) / 3.0)
    # Numbers of 1e9 lie 1.2e-7 apart, so the mean is known to about that.
    np.testing.assert_allclose(forward(X), (noise - noise.mean(axis=0)) / scale, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 199])
def test_blocks_give_the_same_as_all_rows_at_once(batch_size):
    X = rows()
    whole, blocks = ColumnScaling.fit(X), ColumnScaling.fit(X, batch_size)
    np.testing.assert_allclose(blocks.location.numpy(), whole.location.numpy(), rtol=1e-11)
    np.testing.assert_allclose(blocks.scale.numpy(), whole.scale.numpy(), rtol=1e-11)


def test_fit_leaves_the_rows_alone():
    X = rows()
    before = X.copy()
    ColumnScaling.fit(X)
    assert np.array_equal(X, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_identity_leaves_every_column_alone(dtype):
    x = torch.as_tensor(rows()).to(dtype)
    scaling = ColumnScaling.identity(5)
    assert torch.equal(scaling.forward(x), x)
    assert torch.equal(scaling.inverse(x), x)
    assert scaling.inverse(scaling.forward(x)).dtype == dtype


def test_numbers_that_differ_in_their_last_digit_are_constant():
    X = np.array([[0.3, -7.0], [0.1 + 0.2, -7.0], [0.3, 1.0]])
    scaling = ColumnScaling.fit(X)
    assert X[0, 0] != X[1, 0]
    assert scaling.scale[0] == 0.0 < scaling.scale[1]
    assert np.allclose(scaling.inverse(scaling.forward(torch.as_tensor(X))).numpy(), X)
