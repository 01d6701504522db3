"""Principal components that training starts from."""

import numpy as np
import torch
from sklearn.decomposition import PCA

from skaae._device import new_generator
from skaae.training import _initialization, principal_components, projected


def tilted(n_rows, seed=0):
    """Return rows of which each direction has a spread of its own, about a centre."""
    rows = torch.randn(n_rows, 5, generator=new_generator(seed))
    return rows * torch.tensor([4.0, 3.0, 2.0, 1.0, 0.5]) + 7.0


def test_components_are_those_of_all_rows():
    x = tilted(200)
    found = principal_components(x, 3, seed=0)
    expected = PCA(3).fit(x.double().numpy())
    np.testing.assert_allclose(np.abs(found.components_), np.abs(expected.components_), atol=1e-6)
    np.testing.assert_allclose(found.explained_variance_, expected.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(found.mean_, x.double().mean(dim=0), rtol=1e-6)
    assert found.components_.dtype == np.float64


def test_there_are_no_more_components_than_rows_and_columns():
    assert principal_components(tilted(200), 9, seed=0).n_components_ == 5
    assert principal_components(tilted(3), 9, seed=0).n_components_ == 3


def test_of_many_rows_a_random_part_is_looked_at(monkeypatch):
    monkeypatch.setattr(_initialization, "_MAX_ROWS", 20)
    x = torch.arange(200.0)[:, None] * torch.ones(2)
    means = [principal_components(x, 1, seed=seed).mean_[0] for seed in (0, 0, 1, 2, 3, 4)]
    assert means[0] == means[1]
    assert len(set(means)) == 5
    # Of 20 of 200 numbers the mean has a standard deviation of 13.
    np.testing.assert_allclose(means, 99.5, atol=40.0)
    pca = principal_components(x, 1, seed=0)
    assert pca.n_samples_ == 20


def test_a_row_that_is_repeated_warns_of_nothing():
    pca = principal_components(torch.ones(20, 3), 2, seed=0)
    assert (pca.explained_variance_ == 0.0).all()


def test_a_seed_repeats_them_without_the_global_generators(global_states):
    """Many columns and few components are found at random."""
    x, before = torch.randn(600, 600, generator=new_generator(0)), global_states()
    first, second, other = (principal_components(x, 2, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.components_, second.components_)
    assert global_states() == before
    assert (first.components_ != other.components_).any()


def test_rows_are_projected_as_pca_transforms_them():
    x = tilted(50)
    pca = principal_components(x, 3, seed=0)
    found = projected(pca, x)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, pca.transform(x.double().numpy()), atol=1e-4)
