"""Columns to the networks' units and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skaae._scaling import ColumnScaling

DTYPES = [np.float32, np.float64]


def rows(n_samples: int = 200, n_columns: int = 5) -> np.ndarray:
    # Columns of very different units, spreads and shapes.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_columns)) ** 3
    return X * 10.0 ** np.arange(-4, n_columns - 4) + np.arange(n_columns)


def forward(X: np.ndarray, scaling: ColumnScaling | None = None) -> np.ndarray:
    return (scaling or ColumnScaling.fit(X)).forward(torch.as_tensor(X)).numpy()


def pixels() -> np.ndarray:
    # One that is lit in every other row, and one that is lit in a single row of many.
    X = np.zeros((1000, 2))
    X[:500, 0] = 1.0
    X[0, 1] = 1.0
    return X


def table(n_samples: int = 400) -> np.ndarray:
    # Columns in units of all kinds.
    rng = np.random.default_rng(0)
    return rng.standard_t(8, size=(n_samples, 6)) @ rng.normal(size=(6, 6)) * 10.0 ** np.arange(6)


def test_units_of_pixels_are_the_standard_deviation_or_a_third_of_the_range():
    X = pixels()
    scaling = ColumnScaling.fit(X)
    np.testing.assert_allclose(scaling.scale.numpy(), [0.5, 1.0 / 3.0], rtol=1e-12)
    np.testing.assert_allclose(scaling.location.numpy(), X.mean(axis=0), rtol=1e-12)


def test_columns_that_are_alike_keep_their_common_unit():
    X = np.random.default_rng(0).normal(size=(500, 4)) * [1.0, 1.5, 0.8, 1.2]
    scale = ColumnScaling.fit(X).scale.numpy()
    np.testing.assert_allclose(scale, scale[0], rtol=1e-12)
    compact = forward(X, ColumnScaling.fit(X, compact=True))
    assert forward(X).var(axis=0).sum() == pytest.approx(compact.var(axis=0).sum())


def test_other_columns_count_alike():
    X = table()
    deviations = forward(X).std(axis=0)
    np.testing.assert_allclose(deviations, deviations[0], rtol=1e-9)
    assert X.std(axis=0).max() > 1e4 * X.std(axis=0).min()


@pytest.mark.parametrize("columns", [table(), (table() - 7.0) / table().std(axis=0)])
def test_a_linear_code_is_the_pca_of_the_standardised_table(columns):
    """So that codes which leave little lose nothing to PCA."""
    standardised = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    ours, theirs = PCA(2).fit(forward(columns)), PCA(2).fit(standardised)
    np.testing.assert_allclose(
        ours.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-9
    )


def test_no_column_rules_the_others():
    # 1 in 10,000 rows is 100 deviations off.
    X = np.where(np.random.default_rng(0).random((100_000, 3)) < 1e-4, [1.0, 1e3, 1e6], 0.0)
    assert (np.ptp(X, axis=0) > 50.0 * X.std(axis=0)).all()
    assert np.ptp(forward(X), axis=0).max() <= 10.0 + 1e-9


def test_standardised_pixels_are_not_measured_by_the_rarest():
    X = np.random.default_rng(0).random((20_000, 100)) < np.geomspace(1e-4, 0.5, 100)
    X = X[:, X.any(axis=0)].astype(float)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    u, compact = forward(X), forward(X, ColumnScaling.fit(X, compact=True))
    assert np.median(u.std(axis=0)) > 0.9 * np.median(compact.std(axis=0))
    assert np.ptp(u, axis=0).max() <= 10.0 + 1e-9


def test_no_column_spans_more_than_three_compact_units():
    u = forward(rows(), ColumnScaling.fit(rows(), compact=True))
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


def test_columns_whose_squares_are_zero_stay_finite():
    X = 1e-200 * rows()
    assert X.var() == 0.0
    assert np.isfinite(forward(X)).all()


def test_small_noise_on_a_huge_offset_keeps_its_shape():
    noise = np.random.default_rng(0).normal(size=(5000, 3))
    X = 1e9 + noise
    noise = X - 1e9  # as float64 holds it
    compact = np.maximum(noise.std(axis=0), np.ptp(noise, axis=0) / 3.0)
    scale = np.sqrt(noise.var(axis=0).sum() / (noise.var(axis=0) / compact**2).sum())
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


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_scaled_where_they_lie(dtype):
    X = np.hstack([rows(), np.full((200, 1), 7.0)]).astype(dtype)
    scaling, block = ColumnScaling.fit(X), torch.as_tensor(X.copy())
    scaled = scaling.forward_(block)
    assert scaled.data_ptr() == block.data_ptr()
    np.testing.assert_array_equal(scaled.numpy(), forward(X, scaling))
