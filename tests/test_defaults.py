"""What ``"auto"`` stands for."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skaae.training import Reference, principal_components, resolve_input_noise


def rows_that_leave(share, n_rows=400):
    """Return rows of which two of four directions hold all variance but `share`."""
    rng = np.random.default_rng(0)
    directions, _ = np.linalg.qr(rng.normal(size=(n_rows, 4)))
    directions -= directions.mean(axis=0)
    variances = np.array([(1 - share) / 2, (1 - share) / 2, share / 2, share / 2])
    return np.linalg.qr(directions)[0] * np.sqrt(variances * n_rows)


@pytest.mark.parametrize(("left", "factor"), [(0.5, 1.0), (0.4, 0.8), (0.1, 0.2)])
def test_weights_are_relative_to_what_a_linear_code_leaves(left, factor):
    rows = rows_that_leave(left)
    reference = Reference.of(10.0, PCA(2).fit(rows))
    assert reference.loss == pytest.approx(10.0 * factor, rel=1e-3)
    assert reference.unexplained == pytest.approx(left, rel=1e-3)


def test_a_code_that_may_keep_everything_still_meets_the_prior():
    rows = np.random.default_rng(0).normal(size=(50, 3))
    assert 0.0 < Reference.of(1.0, PCA(3).fit(rows)).loss < 0.1


def test_rows_that_do_not_vary_have_a_reference():
    pca = principal_components(torch.ones(20, 3), 2, seed=0)
    assert Reference.of(1e-6, pca) == Reference(1e-6, 1e-6, 1.0)


@pytest.mark.parametrize(("left", "noise"), [(0.9, 0.6), (0.04, 0.25)])
def test_noise_hides_no_more_than_a_linear_code_leaves(left, noise):
    assert resolve_input_noise("auto", Reference(1.0, 1.0, left)) == pytest.approx(noise)
    assert resolve_input_noise(0.3, Reference(1.0, 1.0, left)) == 0.3
