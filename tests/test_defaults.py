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


def sheet(share, n_rows=400):
    """Return rows on a curved sheet: two columns, and a third that bends by `share` of them."""
    flat = np.random.default_rng(0).normal(size=(n_rows, 2))
    return np.c_[flat, share * (flat[:, :1] ** 2 - 1.0)]


def reference_of(rows, n_components=2, constant_loss=1.0, **settings):
    pca = PCA(n_components).fit(rows)
    return Reference.of(constant_loss, torch.as_tensor(rows), pca, 0, **settings)


@pytest.mark.parametrize(("left", "factor"), [(0.5, 1.0), (0.4, 0.8), (0.1, 0.2)])
def test_weights_are_relative_to_what_a_linear_code_leaves(left, factor):
    reference = reference_of(rows_that_leave(left), constant_loss=10.0)
    assert reference.loss == pytest.approx(10.0 * factor, rel=1e-3)
    assert reference.unexplained == pytest.approx(left, rel=1e-3)


def test_beside_a_label_the_whole_row_is_there_to_win():
    reference = reference_of(rows_that_leave(0.05), constant_loss=10.0, code_alone=False)
    assert (reference.loss, reference.rest_decay_factor) == (10.0, 1.0)


@pytest.mark.parametrize(("left", "factor"), [(0.5, 1.0), (0.2, 2.5), (0.05, 10.0)])
def test_decoders_decay_by_what_a_linear_code_leaves_of_noise(left, factor):
    assert reference_of(rows_that_leave(left)).rest_decay_factor == pytest.approx(factor, rel=0.02)


def test_decoders_of_a_curved_sheet_decay_as_ever():
    reference = reference_of(sheet(0.1))
    assert reference.unexplained < 0.02
    assert reference.rest_decay_factor == 1.0


def test_a_code_that_may_keep_everything_still_meets_the_prior():
    rows = np.random.default_rng(0).normal(size=(50, 3))
    assert 0.0 < reference_of(rows, n_components=3).loss < 0.1


def test_rows_that_do_not_vary_have_a_reference():
    x = torch.ones(20, 3)
    pca = principal_components(x, 2, seed=0)
    assert Reference.of(1e-6, x, pca, 0) == Reference(1e-6, 1.0)


@pytest.mark.parametrize(("left", "noise"), [(0.9, 0.6), (0.04, 0.25)])
def test_noise_hides_no_more_than_a_linear_code_leaves(left, noise):
    assert resolve_input_noise("auto", Reference(1.0, left)) == pytest.approx(noise)
    assert resolve_input_noise(0.3, Reference(1.0, left)) == 0.3


@pytest.mark.parametrize(("reach", "noise"), [(0.1, 0.1), (0.9, 0.6)])
def test_on_a_map_there_is_all_of_a_row_to_learn(reach, noise):
    reference = reference_of(rows_that_leave(0.25), constant_loss=10.0).on_map(reach)
    assert (reference.loss, reference.rest_decay_factor) == (10.0, 1.0)
    assert reference.decay_factor == 0.1
    assert resolve_input_noise("auto", reference) == noise
    assert resolve_input_noise(0.7, reference) == 0.7
