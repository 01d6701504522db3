"""What can be told of the rest that principal components leave."""

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.decomposition import PCA

from skaae.training import _pilot, principal_components
from skaae.training._pilot import directions_of_rest, predictable_share


def share(rows, n_components=2):
    return predictable_share(torch.as_tensor(rows), PCA(n_components).fit(rows), 0)


def curve(noise, n_rows=300):
    """Return a parabola in the plane, its height half noise of that standard deviation."""
    rng = np.random.default_rng(0)
    t = rng.normal(size=n_rows)
    return np.c_[3.0 * t, t**2 + noise * rng.normal(size=n_rows)]


def test_rows_on_a_curve_are_told_from_its_axis():
    assert share(curve(0.0), 1) > 0.98


def test_noise_cannot_be_told():
    """The height varies by 2 and is half noise: what is left to tell is the share of the curve."""
    assert share(curve(2.0**0.5), 1) == pytest.approx(0.5, abs=0.1)
    rows = np.random.default_rng(0).normal(size=(300, 6))
    assert share(rows) < 0.02


def test_units_of_the_rows_do_not_matter():
    assert share(1e6 * curve(1.0), 1) == pytest.approx(share(curve(1.0), 1), rel=1e-6)


def test_sorted_rows_are_looked_at_all_over():
    rows = curve(0.0, 5_000)
    assert share(rows[np.argsort(rows[:, 0])], 1) > 0.98


ON_A_LINE = np.c_[np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], 4), np.zeros(20)]


@pytest.mark.parametrize("rows", [np.ones((20, 3)), np.eye(2), np.zeros((2, 5)), ON_A_LINE])
def test_where_nothing_is_left_nothing_is_told(rows):
    with np.errstate(invalid="ignore"):
        assert share(rows, 1) == 0.0


def test_codes_of_two_places_are_enough():
    rows = np.repeat([[0.0, 1.0, 0.0], [4.0, 0.0, 0.0]], 10, axis=0)
    rows[::2, 2] = 0.1
    assert 0.0 <= share(rows, 1) < 0.1


def test_codes_of_which_most_are_in_one_place_tell_nothing():
    """Half of their distances are 0, so there is no width to look with."""
    rows = np.zeros((20, 2))
    rows[:4] = [[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]]
    assert share(rows, 1) == 0.0


def left_out_share(rows, n_components):
    """Return the share by refitting without each row, a ridge and a width at a time."""
    pca = PCA(n_components).fit(rows)
    codes = pca.transform(rows) / np.sqrt(pca.explained_variance_)
    rest = rows - pca.inverse_transform(pca.transform(rows))
    squared = np.square(codes[:, None] - codes).sum(axis=2)
    best = 0.0
    for width in _pilot._WIDTHS:
        values, vectors = np.linalg.eigh(np.exp(-width * squared / np.median(squared)))
        features = vectors * np.sqrt(np.maximum(values, 0.0))
        for ridge in _pilot._RIDGES:
            errors = []
            for i in range(len(rows)):
                others = np.arange(len(rows)) != i
                center, mean = features[others].mean(axis=0), rest[others].mean(axis=0)
                z = features[others] - center
                weights = np.linalg.solve(
                    z.T @ z + ridge * np.eye(z.shape[1]), z.T @ (rest[others] - mean)
                )
                errors.append(rest[i] - mean - (features[i] - center) @ weights)
            best = max(best, 1.0 - np.mean(np.square(errors)) / np.mean(rest**2))
    return best


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_share_is_that_of_regressions_without_each_row(noise):
    rows = np.c_[curve(noise, 30), np.random.default_rng(1).normal(size=(30, 1))]
    assert share(rows, 2) == pytest.approx(left_out_share(rows, 2), rel=1e-3)


def test_directions_without_rows_do_not_count():
    rows = curve(1.0)
    flat = np.c_[rows, 1e-9 * np.random.default_rng(1).normal(size=len(rows))]
    pca = PCA(2).fit(flat)
    pca.components_[1], pca.explained_variance_[1] = [0.0, 0.0, 1.0], 1e-18
    assert predictable_share(torch.as_tensor(flat), pca, 0) == pytest.approx(
        share(rows, 1), rel=1e-4
    )


def test_some_rows_stand_for_all_and_a_seed_repeats_them(global_states, monkeypatch):
    monkeypatch.setattr(_pilot, "_MAX_ROWS", 60)
    monkeypatch.setattr(_pilot, "_MAX_FEATURES", 20)
    before = global_states()
    rows = torch.as_tensor(curve(1.0, 500))
    pca = PCA(1).fit(rows.numpy())
    found = predictable_share(rows, pca, 0)
    assert predictable_share(rows, pca, 0) == found
    assert predictable_share(rows, pca, 1) != found
    assert global_states() == before
    seen = []
    pca.transform = lambda rows: seen.append(rows) or PCA.transform(pca, rows)
    predictable_share(rows, pca, 0)
    places = np.linspace(0, 499, 60).round().astype(int)
    np.testing.assert_array_equal(seen[0], rows[places])


def test_frames_that_users_ask_for_are_no_matter():
    with config_context(transform_output="pandas"):
        assert share(curve(1.0), 1) == pytest.approx(share(curve(1.0), 1))


def test_who_has_enough_asks_no_further(monkeypatch):
    asked = []

    class Counted(_pilot.Nystroem):
        def fit_transform(self, X):
            asked.append(self.gamma)
            return super().fit_transform(X)

    monkeypatch.setattr(_pilot, "Nystroem", Counted)
    rows = torch.as_tensor(curve(1.0))
    pca = PCA(1).fit(rows)
    whole = predictable_share(rows, pca, 0)
    assert len(asked) == 3
    assert 0.3 < predictable_share(rows, pca, 0, 0.3) <= whole
    assert len(asked) == 4


@pytest.mark.parametrize(("n_rows", "n_columns"), [(400, 12), (12, 400), (5_000, 12)])
def test_directions_of_the_rest_are_those_of_its_spectrum(n_rows, n_columns):
    rows = np.random.default_rng(0).normal(size=(n_rows, n_columns)) * np.geomspace(9, 1, n_columns)
    pca = PCA(3).fit(rows)
    rest = rows - pca.inverse_transform(pca.transform(rows))
    variances = np.linalg.svd(rest, compute_uv=False) ** 2
    expected = variances.sum() ** 2 / (variances**2).sum()
    # Of many rows a fifth is looked at.
    tolerance = 1e-9 if n_rows <= 1_000 else 0.05
    found = directions_of_rest(torch.as_tensor(rows), pca)
    assert found == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(("n_left", "found"), [(0, 0.0), (1, 1.0)])
def test_directions_of_nothing_and_of_one_column(n_left, found):
    spreads = np.array([9.0, 8.0, float(n_left), 0.0])
    rows = spreads * np.random.default_rng(0).normal(size=(50, 4))
    for dtype in (np.float32, np.float64):
        pca = PCA(2).fit(rows.astype(dtype))
        assert directions_of_rest(torch.as_tensor(rows.astype(dtype)), pca) == pytest.approx(found)


def test_rows_that_do_not_vary_leave_no_direction():
    x = torch.ones(20, 3)
    assert directions_of_rest(x, principal_components(x, 1, seed=0)) == 0.0
