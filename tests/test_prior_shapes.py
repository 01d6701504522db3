"""The draws and densities of each prior of skaae."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from prior_cases import assert_follows, assert_mean, draw
from scipy import special, stats
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from skaae._device import new_generator
from skaae.priors import (
    Categorical,
    GaussianMixture,
    Normal,
    SwissRoll,
    Uniform,
)

# ------------------------------------------------------------------ normal


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_normal_draws_are_normal(scale):
    codes = draw(Normal(scale), 4000, 3)
    for column in codes.T:
        assert_follows(column, stats.norm(0.0, scale).cdf)
    # Correlations of independent columns have standard error 1 / sqrt(n).
    assert np.abs(np.corrcoef(codes.T) - np.eye(3)).max() < 4.0 / np.sqrt(4000)


@pytest.mark.parametrize("scale", [0.5, 5.0])
def test_normal_log_density_is_scipys(scale):
    codes = 3.0 * np.random.default_rng(1).normal(size=(10, 4))
    ours = Normal(scale).log_density(torch.as_tensor(codes)).numpy()
    np.testing.assert_allclose(ours, stats.norm(0, scale).logpdf(codes).sum(axis=1), rtol=1e-12)


# ------------------------------------------------------------------ uniform


def test_uniform_draws_are_uniform_on_the_box():
    codes = draw(Uniform(low=-2.0, high=3.0), 4000, 2)
    assert codes.min() >= -2.0
    assert codes.max() <= 3.0
    for column in codes.T:
        assert_follows(column, stats.uniform(-2.0, 5.0).cdf)


def test_uniform_moments():
    codes = draw(Uniform(low=1.0, high=4.0), 20_000, 2).astype(np.float64)
    assert_mean(codes, 2.5)
    assert_mean((codes - 2.5) ** 2, 3.0**2 / 12.0)


# ------------------------------------------------------------------ Gaussian mixture


def ring(n_modes=10, radius=4.0, radial=1.0, tangential=0.5):
    """Return means and covariances of the ring, built from rotations."""
    angles = 2.0 * np.pi * np.arange(n_modes) / n_modes
    means = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    spread = np.diag([radial**2, tangential**2])
    turns = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in angles]
    return means, np.stack([turn @ spread @ turn.T for turn in turns])


def mixture_log_density(codes, means, covariances, weights):
    terms = [
        np.log(weight) + stats.multivariate_normal(mean, covariance).logpdf(codes)
        for mean, covariance, weight in zip(means, covariances, weights)
    ]
    return special.logsumexp(terms, axis=0)


EXPLICIT = {
    "means": [[-3.0, 0.0, 1.0], [3.0, 1.0, 0.0]],
    "covariances": [
        [[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]],
        [[0.2, 0.0, 0.1], [0.0, 0.3, 0.0], [0.1, 0.0, 1.0]],
    ],
    "weights": [0.3, 0.7],
}


def test_default_ring_has_ten_modes_stretched_outwards():
    means, covariances = ring()
    codes = 6.0 * np.random.default_rng(0).uniform(-1, 1, size=(50, 2))
    expected = mixture_log_density(codes, means, covariances, np.full(10, 0.1))
    ours = GaussianMixture().log_density(torch.as_tensor(codes)).numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_draws_of_the_ring_have_its_geometry():
    n_samples, radial, tangential = 40_000, 0.5, 0.1
    codes = draw(GaussianMixture(radial_scale=radial, tangential_scale=tangential), n_samples, 2)
    means, _ = ring()
    # Modes this narrow do not overlap: the nearest mean is the mode of a draw.
    modes = cdist(codes, means).argmin(axis=1)
    counts = np.bincount(modes, minlength=10)
    assert stats.chisquare(counts).pvalue > 1e-3
    for mode in range(10):
        outwards = means[mode] / 4.0
        axes = np.stack([outwards, [-outwards[1], outwards[0]]])
        along, across = axes @ (codes[modes == mode] - means[mode]).T
        # The standard error of a variance is sqrt(2 / n) of it; 20 of them are compared.
        tolerance = 4.0 * np.sqrt(2.0 / counts[mode])
        assert abs(along.var() / radial**2 - 1.0) < tolerance
        assert abs(across.var() / tangential**2 - 1.0) < tolerance
        assert abs(np.corrcoef(along, across)[0, 1]) < 4.0 / np.sqrt(counts[mode])


@pytest.mark.parametrize("n_components", [2, 3, 8])
def test_ring_has_separate_modes_at_the_radius_in_every_dimension(n_components):
    prior = GaussianMixture(n_components=10, radius=3.0, radial_scale=1e-3, tangential_scale=1e-3)
    codes = draw(prior, 500, n_components)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 3.0, atol=0.01)
    n_clusters, _ = connected_components(cdist(codes, codes) < 0.1)
    assert n_clusters == 10


@pytest.mark.parametrize("n_components", [3, 8])
def test_ring_in_more_dimensions_goes_through_the_harmonics(n_components):
    angles = 2.0 * np.pi * np.arange(10) / 10
    harmonics = [wave(k * angles) for k in (1, 2, 3, 4) for wave in (np.cos, np.sin)]
    directions = np.stack(harmonics[:n_components], axis=1)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    covariances = [
        0.5**2 * np.eye(n_components) + (1.0 - 0.5**2) * np.outer(u, u) for u in directions
    ]
    codes = 2.0 * np.random.default_rng(0).normal(size=(20, n_components))
    expected = mixture_log_density(codes, 4.0 * directions, covariances, np.full(10, 0.1))
    ours = GaussianMixture().log_density(torch.as_tensor(codes)).numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


@pytest.mark.parametrize("n_components", [3, 8])
def test_modes_are_stretched_outwards_in_every_dimension(n_components):
    # A single mode, so that all draws belong to it.
    prior = GaussianMixture(1, radius=3.0, radial_scale=1.0, tangential_scale=0.1)
    codes = draw(prior, 20_000, n_components).astype(np.float64)
    outwards = codes.mean(axis=0) / np.linalg.norm(codes.mean(axis=0))
    expected = 0.1**2 * np.eye(n_components) + (1.0 - 0.1**2) * np.outer(outwards, outwards)
    # Standard errors of covariances are at most sqrt(2 / n) = 0.01; the estimated direction
    # tilts by 0.1 / 3 / sqrt(n), which is far less.
    np.testing.assert_allclose(np.cov(codes.T), expected, atol=0.05)


def test_ring_in_one_dimension_is_evenly_spaced():
    prior = GaussianMixture(4, radius=5.0, tangential_scale=0.3)
    centres = [-3.0, -1.0, 1.0, 3.0]

    def cdf(z):
        return np.mean([stats.norm(centre, 0.3).cdf(z) for centre in centres], axis=0)

    assert_follows(draw(prior, 4000, 1)[:, 0], cdf)


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_mixture_log_density_integrates_to_one(n_components):
    prior = GaussianMixture(3, radius=2.0, radial_scale=0.8, tangential_scale=0.5)
    # Spacing of 0.6 tangential deviations and 6 radial deviations of room: the trapezoidal sum of
    # a Gaussian is exact to far below the tolerance there.
    axis = torch.linspace(-7.5, 7.5, 51, dtype=torch.float64)
    grid = torch.cartesian_prod(*[axis] * n_components).reshape(-1, n_components)
    total = prior.log_density(grid).exp().sum() * (axis[1] - axis[0]) ** n_components
    assert total.item() == pytest.approx(1.0, abs=1e-6)


def test_explicit_mixture_log_density_is_scipys():
    codes = 3.0 * np.random.default_rng(0).normal(size=(50, 3))
    ours = GaussianMixture(**EXPLICIT).log_density(torch.as_tensor(codes)).numpy()
    np.testing.assert_allclose(ours, mixture_log_density(codes, *EXPLICIT.values()), rtol=1e-10)


def test_explicit_mixture_draws_have_its_moments():
    codes = draw(GaussianMixture(**EXPLICIT), 40_000, 3).astype(np.float64)
    means, covariances, weights = (np.array(value) for value in EXPLICIT.values())
    mean = weights @ means
    offsets = means - mean
    covariance = np.einsum("k,kij->ij", weights, covariances)
    covariance += np.einsum("k,ki,kj->ij", weights, offsets, offsets)
    assert_mean(codes, mean)
    products = np.einsum("ni,nj->nij", codes - mean, codes - mean).reshape(-1, 9)
    assert_mean(products, covariance.ravel())


def test_means_alone_have_identity_covariances_and_equal_weights():
    means = [[-3.0, 0.0], [3.0, 1.0]]
    codes = np.random.default_rng(0).normal(size=(20, 2))
    expected = mixture_log_density(codes, means, [np.eye(2)] * 2, [0.5, 0.5])
    ours = GaussianMixture(means=means).log_density(torch.as_tensor(codes)).numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_mixture_log_density_has_its_gradient():
    codes = torch.randn(4, 3, dtype=torch.float64, generator=new_generator(0), requires_grad=True)
    assert torch.autograd.gradcheck(GaussianMixture(**EXPLICIT).log_density, (codes,))


# ------------------------------------------------------------------ swiss roll


def test_swiss_roll_lies_on_its_spiral():
    codes = draw(SwissRoll(radius=4.0, noise=0.0), 2000, 2).astype(np.float64)
    angle = np.linalg.norm(codes, axis=1) * (4.5 * np.pi / 4.0)
    assert angle.min() >= 1.5 * np.pi - 1e-5
    assert angle.max() <= 4.5 * np.pi + 1e-5
    spiral = 4.0 / (4.5 * np.pi) * angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # float32 angles of about 14 are exact to 1e-6.
    np.testing.assert_allclose(codes, spiral, atol=2e-5)


def test_swiss_roll_is_spread_along_the_band():
    codes = draw(SwissRoll(radius=4.5 * np.pi, noise=0.0), 2000, 2)
    # The length of a spiral of radius t is t**2 / 2 but for the innermost turn.
    length = np.linalg.norm(codes.astype(np.float64), axis=1) ** 2
    first, last = (1.5 * np.pi) ** 2, (4.5 * np.pi) ** 2
    assert_follows(length, stats.uniform(first, last - first).cdf)


def test_swiss_roll_noise_adds_its_variance():
    codes = draw(SwissRoll(radius=4.0, noise=1.0), 40_000, 2).astype(np.float64)
    # Without noise the squared radius is uniform between (4 / 3)**2 and 4**2.
    assert_mean((codes**2).sum(axis=1), ((4.0 / 3.0) ** 2 + 4.0**2) / 2.0 + 2.0)


@pytest.mark.parametrize("n_components", [2, 3])
def test_swiss_roll_noise_is_normal(n_components):
    # Of a roll this small nothing is left but its noise.
    for column in draw(SwissRoll(radius=1e-6, noise=2.0), 2000, n_components).T:
        assert_follows(column, stats.norm(0.0, 2.0).cdf)


def test_swiss_roll_in_space_has_a_uniform_height():
    codes = draw(SwissRoll(radius=4.0, noise=0.0), 2000, 3)
    assert_follows(codes[:, 2], stats.uniform(-4.0, 8.0).cdf)
    radius = np.linalg.norm(codes[:, :2], axis=1)
    assert radius.min() >= 4.0 / 3.0 - 1e-5
    assert radius.max() <= 4.0 + 1e-5
    assert abs(np.corrcoef(codes[:, 2], radius)[0, 1]) < 4.0 / np.sqrt(2000)


@pytest.mark.parametrize("n_components", [1, 4])
def test_swiss_roll_exists_in_two_and_three_dimensions_only(n_components):
    with pytest.raises(ValueError, match=f"2 or 3 dimensions, got n_components={n_components}"):
        SwissRoll().check(n_components)


# ------------------------------------------------------------------ categorical


@pytest.mark.parametrize("probabilities", [None, [0.1, 0.2, 0.7]])
def test_categorical_draws_one_hot_rows_at_the_probabilities(probabilities):
    codes = draw(Categorical(probabilities), 5000, 3)
    assert np.array_equal(np.sort(codes, axis=1), np.tile([0.0, 0.0, 1.0], (5000, 1)))
    expected = 5000 * np.array([1 / 3] * 3 if probabilities is None else probabilities)
    assert stats.chisquare(codes.sum(axis=0), expected).pvalue > 1e-3


def test_categorical_projection_is_the_softmax():
    outputs = 5.0 * np.random.default_rng(0).normal(size=(10, 4))
    ours = Categorical().project(torch.as_tensor(outputs)).numpy()
    np.testing.assert_allclose(ours, special.softmax(outputs, axis=1), rtol=1e-12)
