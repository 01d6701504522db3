"""What can be told of the rest that principal components leave."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skaae.training._pilot import predictable_share


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


@pytest.mark.parametrize("rows", [np.ones((20, 3)), np.eye(2), np.zeros((2, 5))])
def test_where_nothing_is_left_nothing_is_told(rows):
    with np.errstate(invalid="ignore"):
        assert share(rows, 1) == 0.0


def test_codes_of_two_places_are_enough():
    rows = np.repeat([[0.0, 1.0, 0.0], [4.0, 0.0, 0.0]], 10, axis=0)
    rows[::2, 2] = 0.1
    assert 0.0 <= share(rows, 1) < 0.1
