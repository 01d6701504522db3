"""Priors: what they draw, their densities, and distributions of other libraries."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import special, stats
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from sklearn import mixture, neighbors
from sklearn.base import clone

from skaae._device import new_generator
from skaae.priors import (
    PRIORS,
    Categorical,
    EmpiricalPrior,
    GaussianMixture,
    Normal,
    Prior,
    PriorWithClasses,
    ScipyPrior,
    SwissRoll,
    TorchPrior,
    Uniform,
    UserPrior,
    as_prior,
)

ROWS = np.random.default_rng(0).normal(size=(60, 2))


class OwnObject:
    """What a user might write: draws with the generator that it is handed."""

    def sample(self, n_samples, n_components, generator):
        return 3.0 + torch.randn(n_samples, n_components, generator=generator)


class SeededObject:
    """A sampler in NumPy's manner."""

    def sample(self, n_samples, random_state=None):
        return np.random.default_rng(random_state).normal(size=(n_samples, 2))


class DensityObject(OwnObject):
    def log_density(self, codes):
        return -(codes - 3.0).abs().sum(dim=1)


# What `prior=` accepts beside the names, each with a law for codes of two components.
FOREIGN = {
    "scipy univariate": lambda: stats.t(df=5),
    "scipy multivariate": lambda: stats.multivariate_normal([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]]),
    "torch univariate": lambda: torch.distributions.Laplace(0.0, 1.0),
    "torch batch": lambda: torch.distributions.Normal(torch.zeros(2), torch.ones(2)),
    "torch event": lambda: torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)),
    "torch gamma": lambda: torch.distributions.Gamma(2.0, 1.0),
    "torch dirichlet": lambda: torch.distributions.Dirichlet(torch.tensor([1.0, 2.0])),
    "torch one-hot": lambda: torch.distributions.OneHotCategorical(torch.tensor([0.2, 0.8])),
    "array": lambda: ROWS,
    "list": lambda: ROWS.tolist(),
    "tensor": lambda: torch.as_tensor(ROWS),
    "kernel density": lambda: neighbors.KernelDensity(bandwidth=0.2).fit(ROWS),
    "sklearn mixture": lambda: mixture.GaussianMixture(2, random_state=None).fit(ROWS),
    "own object": OwnObject,
    "own object, random_state": SeededObject,
}
EVERY = {name: name for name in PRIORS} | FOREIGN


@pytest.fixture(params=EVERY)
def prior(request) -> Prior:
    value = EVERY[request.param]
    return as_prior(value if isinstance(value, str) else value())


@pytest.fixture
def global_states():
    """Return a function that reads the state of the global generators of torch and numpy."""

    def read():
        _, keys, position, *_ = np.random.get_state()
        return torch.get_rng_state().tolist(), keys.tolist(), position

    return read


def draw(prior: Prior, n_samples: int, n_components: int, seed: int = 0) -> np.ndarray:
    return prior.sample(n_samples, n_components, generator=new_generator(seed)).numpy()


def assert_follows(values: np.ndarray, cdf) -> None:
    """Assert that the draws pass a Kolmogorov-Smirnov test at the 0.1 % level (fixed seed)."""
    assert stats.kstest(values, cdf).pvalue > 1e-3


def assert_mean(values: np.ndarray, expected, n_errors: float = 4.5) -> None:
    """Assert that the mean of rows lies within a few of its standard errors."""
    errors = values.std(axis=0) / np.sqrt(len(values))
    assert (np.abs(values.mean(axis=0) - expected) <= n_errors * errors + 1e-12).all()


# ------------------------------------------------------------------ every prior


@pytest.mark.parametrize("n_samples", [1, 7])
def test_draws_finite_float32_codes_of_the_shape_asked_for(prior, n_samples):
    codes = prior.sample(n_samples, 2, generator=new_generator(0))
    assert codes.shape == (n_samples, 2)
    assert codes.dtype == torch.float32
    assert torch.isfinite(codes).all()


def test_draws_repeat_with_the_generator(prior):
    assert np.array_equal(draw(prior, 20, 2, seed=5), draw(prior, 20, 2, seed=5))


def test_draws_differ_from_seed_to_seed(prior):
    assert not np.array_equal(draw(prior, 20, 2, seed=5), draw(prior, 20, 2, seed=6))


def test_consecutive_draws_of_one_generator_differ(prior):
    generator = new_generator(0)
    first = prior.sample(20, 2, generator=generator)
    assert not torch.equal(first, prior.sample(20, 2, generator=generator))


def test_without_a_generator_draws_are_fresh(prior):
    assert not torch.equal(prior.sample(20, 2), prior.sample(20, 2))


def test_drawing_leaves_the_global_generators_untouched(prior, global_states):
    before = global_states()
    prior.sample(10, 2, generator=new_generator(0))
    prior.sample(10, 2)
    assert global_states() == before


def test_check_accepts_the_dimension(prior):
    prior.check(2)


def test_clone_draws_the_same(prior):
    copy = clone(prior)
    assert copy is not prior
    assert np.array_equal(draw(copy, 20, 2), draw(prior, 20, 2))


def test_pickle_draws_the_same(prior):
    copy = pickle.loads(pickle.dumps(prior))
    assert np.array_equal(draw(copy, 20, 2), draw(prior, 20, 2))


def test_repr_names_the_class(prior):
    assert repr(prior).startswith(type(prior).__name__ + "(")


@pytest.mark.parametrize("name", PRIORS)
def test_as_prior_of_a_name_has_the_default_parameters(name):
    assert type(as_prior(name)) is PRIORS[name]
    assert as_prior(name).get_params() == PRIORS[name]().get_params()


@pytest.mark.parametrize("name", PRIORS)
def test_as_prior_copies_a_prior(name):
    given = PRIORS[name]()
    assert as_prior(given) is not given


@pytest.mark.parametrize("name", [name for name in PRIORS if PRIORS[name].on_simplex])
def test_projection_lands_on_the_simplex(name):
    codes = PRIORS[name]().project(torch.tensor([[3.0, -1.0], [0.5, 0.5]]))
    assert (codes >= 0).all()
    assert torch.allclose(codes.sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("name", [name for name in PRIORS if not PRIORS[name].on_simplex])
def test_projection_leaves_codes_alone_where_there_is_no_simplex(name):
    codes = torch.tensor([[3.0, -1.0], [0.5, 0.5]])
    assert torch.equal(PRIORS[name]().project(codes), codes)


@pytest.mark.parametrize("prior", [Normal(), Normal(5.0)], ids=repr)
def test_gaussian_parameters_are_those_of_the_draws(prior):
    law = stats.norm(*prior.gaussian_parameters(2))
    for column in draw(prior, 2000, 2).T:
        assert_follows(column, law.cdf)


@pytest.mark.parametrize("name", [name for name in PRIORS if name != "normal"])
def test_no_other_prior_says_that_it_is_gaussian(name):
    assert PRIORS[name]().gaussian_parameters(2) is None


@pytest.mark.parametrize(
    ("prior", "offers"),
    [
        (Normal(), True),
        (GaussianMixture(), True),
        (TorchPrior(torch.distributions.Laplace(0.0, 1.0)), True),
        (ScipyPrior(stats.t(df=5)), True),
        (ScipyPrior(stats.multivariate_normal([0.0, 0.0])), True),
        (UserPrior(DensityObject()), True),
        (Uniform(), False),
        (SwissRoll(), False),
        (Categorical(), False),
        (EmpiricalPrior(ROWS), False),
        (ScipyPrior(stats.poisson(3.0)), False),
        (UserPrior(OwnObject()), False),
        (UserPrior(neighbors.KernelDensity().fit(ROWS)), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_log_density_is_offered_only_where_it_is_known(prior, offers):
    assert hasattr(prior, "log_density") is offers


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


# ------------------------------------------------------------------ other libraries


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scipy univariate", ScipyPrior),
        ("scipy multivariate", ScipyPrior),
        ("torch univariate", TorchPrior),
        ("torch event", TorchPrior),
        ("array", EmpiricalPrior),
        ("list", EmpiricalPrior),
        ("tensor", EmpiricalPrior),
        ("kernel density", UserPrior),
        ("sklearn mixture", UserPrior),
        ("own object", UserPrior),
    ],
)
def test_as_prior_recognises_what_it_is_given(name, expected):
    assert type(as_prior(FOREIGN[name]())) is expected


def test_data_frame_is_an_array_though_it_has_a_method_sample():
    pandas = pytest.importorskip("pandas")
    prior = as_prior(pandas.DataFrame(ROWS))
    assert type(prior) is EmpiricalPrior
    assert np.isin(draw(prior, 10, 2), ROWS.astype(np.float32)).all()


@pytest.mark.parametrize(
    "value",
    [
        stats.multivariate_normal([0.0, 0.0, 0.0]),
        torch.distributions.MultivariateNormal(torch.zeros(3), torch.eye(3)),
        torch.distributions.Normal(torch.zeros(3), torch.ones(3)),
        torch.distributions.Dirichlet(torch.ones(3)),
        torch.distributions.OneHotCategorical(torch.ones(3)),
        torch.distributions.LKJCholesky(2),
        np.zeros((5, 3)),
        np.zeros(2),
        neighbors.KernelDensity().fit(np.zeros((4, 3))),
        mixture.GaussianMixture(1).fit(np.random.default_rng(0).normal(size=(9, 3))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_wrong_dimension_is_an_error_that_names_n_components(value):
    prior = as_prior(value)

    def as_fit_does():
        prior.check(2)
        prior.sample(6, 2)

    with pytest.raises(ValueError, match="n_components=2"):
        as_fit_does()


def test_univariate_scipy_draws_each_component_independently():
    codes = draw(as_prior(stats.t(df=5)), 4000, 3)
    for column in codes.T:
        assert_follows(column, stats.t(df=5).cdf)
    ranks = stats.spearmanr(codes).statistic
    assert np.abs(ranks - np.eye(3)).max() < 4.0 / np.sqrt(4000)


def test_multivariate_scipy_keeps_its_covariance():
    covariance = np.array([[2.0, 0.9], [0.9, 1.0]])
    codes = draw(as_prior(stats.multivariate_normal([1.0, -1.0], covariance)), 20_000, 2)
    centred = codes.astype(np.float64) - [1.0, -1.0]
    assert_mean(centred, 0.0)
    assert_mean(np.einsum("ni,nj->nij", centred, centred).reshape(-1, 4), covariance.ravel())


@pytest.mark.parametrize(
    ("distribution", "cdf"),
    [
        (torch.distributions.Laplace(1.0, 2.0), stats.laplace(1.0, 2.0).cdf),
        (torch.distributions.Gamma(2.0, 4.0), stats.gamma(2.0, scale=0.25).cdf),
        (torch.distributions.StudentT(4.0), stats.t(4.0).cdf),
        (torch.distributions.Uniform(-1.0, 3.0), stats.uniform(-1.0, 4.0).cdf),
        (torch.distributions.Beta(2.0, 3.0), stats.beta(2.0, 3.0).cdf),
    ],
    ids=lambda value: type(value).__name__,
)
def test_univariate_torch_draws_each_component_from_its_law(distribution, cdf):
    for column in draw(as_prior(distribution), 3000, 2).T:
        assert_follows(column, cdf)


def test_torch_batch_draws_each_component_from_its_own_law():
    distribution = torch.distributions.Normal(torch.tensor([0.0, 10.0]), torch.tensor([1.0, 2.0]))
    codes = draw(as_prior(distribution), 3000, 2)
    assert_follows(codes[:, 0], stats.norm(0.0, 1.0).cdf)
    assert_follows(codes[:, 1], stats.norm(10.0, 2.0).cdf)


def test_torch_dirichlet_draws_have_its_mean_on_the_simplex():
    codes = draw(as_prior(torch.distributions.Dirichlet(torch.tensor([1.0, 2.0, 5.0]))), 5000, 3)
    np.testing.assert_allclose(codes.sum(axis=1), 1.0, atol=1e-6)
    assert_mean(codes.astype(np.float64), np.array([1.0, 2.0, 5.0]) / 8.0)


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (
            torch.distributions.Laplace(1.0, 2.0),
            lambda z: stats.laplace(1.0, 2.0).logpdf(z).sum(axis=1),
        ),
        (
            torch.distributions.Normal(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 3.0])),
            lambda z: stats.norm([0.0, 1.0], [1.0, 3.0]).logpdf(z).sum(axis=1),
        ),
        (
            torch.distributions.MultivariateNormal(
                torch.zeros(2), torch.tensor([[2.0, 0.5], [0.5, 1.0]])
            ),
            stats.multivariate_normal([0, 0], [[2.0, 0.5], [0.5, 1.0]]).logpdf,
        ),
    ],
    ids=["univariate", "batch", "event"],
)
def test_torch_log_density_is_scipys(distribution, expected):
    codes = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
    ours = TorchPrior(distribution).log_density(torch.as_tensor(codes)).numpy()
    np.testing.assert_allclose(ours, expected(codes.astype(np.float64)), rtol=1e-5)


SCIPY_LAWS = {
    "student": (
        stats.t(df=5),
        lambda z: stats.t.logpdf(z, 5).sum(axis=1),
        lambda z: -6.0 * z / (5.0 + z**2),
    ),
    "gaussian": (
        stats.multivariate_normal([1.0, 0.0], [[2.0, 0.5], [0.5, 1.0]]),
        lambda z: stats.multivariate_normal.logpdf(z, [1.0, 0.0], [[2.0, 0.5], [0.5, 1.0]]),
        lambda z: -np.linalg.solve([[2.0, 0.5], [0.5, 1.0]], (z - [1.0, 0.0]).T).T,
    ),
}


@pytest.mark.parametrize("n_samples", [1, 10])
@pytest.mark.parametrize("law", SCIPY_LAWS)
def test_scipy_log_density_answers_one_value_a_row(law, n_samples):
    distribution, log_density, _ = SCIPY_LAWS[law]
    codes = np.random.default_rng(0).normal(size=(n_samples, 2))
    ours = ScipyPrior(distribution).log_density(torch.as_tensor(codes))
    assert ours.shape == (n_samples,)
    np.testing.assert_allclose(ours.numpy(), np.atleast_1d(log_density(codes)), rtol=1e-12)


@pytest.mark.parametrize("n_samples", [1, 10])
@pytest.mark.parametrize("law", SCIPY_LAWS)
def test_scipy_log_density_has_the_analytic_gradient(law, n_samples):
    distribution, _, gradient = SCIPY_LAWS[law]
    values = 3.0 * np.random.default_rng(0).normal(size=(n_samples, 2))
    codes = torch.tensor(values, requires_grad=True)
    weights = torch.arange(1.0, n_samples + 1.0, dtype=torch.float64)
    (weights * ScipyPrior(distribution).log_density(codes)).sum().backward()
    # Central differences with the cube root of eps as their step are good to eps**(2/3) = 4e-11.
    expected = weights[:, None].numpy() * gradient(values)
    np.testing.assert_allclose(codes.grad.numpy(), expected, rtol=1e-8, atol=1e-8)


def test_array_draws_its_rows_equally_often():
    rows = np.arange(8.0).reshape(4, 2)
    codes = draw(as_prior(rows), 4000, 2)
    values, counts = np.unique(codes, axis=0, return_counts=True)
    assert np.array_equal(values, rows)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_kernel_density_draws_around_its_rows():
    density = neighbors.KernelDensity(bandwidth=0.1).fit([[5.0, -5.0]])
    codes = draw(as_prior(density), 2000, 2)
    assert_follows(codes[:, 0], stats.norm(5.0, 0.1).cdf)
    assert_follows(codes[:, 1], stats.norm(-5.0, 0.1).cdf)


def test_sklearn_mixture_draws_have_its_mean():
    model = mixture.GaussianMixture(2).fit(ROWS)
    codes = draw(as_prior(model), 5000, 2).astype(np.float64)
    assert_mean(codes, model.weights_ @ model.means_)


def test_drawing_does_not_change_the_users_mixture():
    model = mixture.GaussianMixture(2, random_state=None).fit(ROWS)
    as_prior(model).sample(5, 2)
    assert model.random_state is None


def test_cloning_keeps_the_fit_of_a_density_estimator():
    # scikit-learn's clone of an estimator among the parameters would come without its fit.
    density = neighbors.KernelDensity(bandwidth=0.1).fit([[5.0, -5.0]])
    assert clone(UserPrior(density)).source.get_params() == density.get_params()
    assert np.abs(draw(as_prior(UserPrior(density)), 10, 2) - [5.0, -5.0]).max() < 1.0


def test_own_object_is_handed_dimension_and_generator():
    codes = draw(as_prior(OwnObject()), 3000, 4)
    assert codes.shape == (3000, 4)
    assert_mean(codes.astype(np.float64), 3.0)


def test_own_log_density_is_used():
    codes = torch.tensor([[3.0, 4.0], [1.0, 1.0]])
    assert as_prior(DensityObject()).log_density(codes).tolist() == [-1.0, -4.0]


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("prior", "n_components", "message"),
    [
        (Normal(scale=0.0), 2, "scale"),
        (Normal(scale=-1.0), 2, "scale"),
        (Normal(scale="wide"), 2, "scale"),
        (Uniform(low=1.0, high=1.0), 2, "low < high"),
        (Uniform(low=2.0, high=1.0), 2, "low < high"),
        (Uniform(high=np.inf), 2, "high"),
        (SwissRoll(radius=0.0), 2, "radius"),
        (SwissRoll(noise=-0.1), 2, "noise"),
        (Categorical(), 1, "n_components >= 2"),
        (Categorical([0.5, 0.5]), 3, "expected 3 probabilities"),
        (Categorical([0.5, 0.6]), 2, "sum to 1"),
        (Categorical([1.5, -0.5]), 2, ">= 0"),
        (Categorical([np.nan, 0.5]), 2, "sum to 1"),
        (GaussianMixture(0), 2, "n_components"),
        (GaussianMixture(radius=-1.0), 2, "radius"),
        (GaussianMixture(radial_scale=0.0), 2, "radial_scale"),
        (GaussianMixture(tangential_scale=0.0), 2, "tangential_scale"),
        (GaussianMixture(means=[[0.0, 0.0]]), 3, r"means of shape \(1, 3\)"),
        (GaussianMixture(2, weights=[0.5, 0.6]), 2, "sum to 1"),
        (GaussianMixture(2, weights=[1.5, -0.5]), 2, ">= 0"),
        (GaussianMixture(2, weights=[1.0]), 2, "expected 2 weights"),
        (GaussianMixture(2, weights=[np.nan, 0.5]), 2, "sum to 1"),
        (GaussianMixture(means=[[0.0]], covariances=[[[-1.0]]]), 1, "positive definite"),
        (GaussianMixture(means=[[0.0, 0.0]], covariances=[[1.0, 1.0]]), 2, "covariances of shape"),
        (
            GaussianMixture(means=[[0.0, 0.0]], covariances=[np.eye(2), np.eye(2)]),
            2,
            r"covariances of shape \(1, 2, 2\)",
        ),
        (EmpiricalPrior(np.zeros((0, 2))), 2, "n_codes"),
        (EmpiricalPrior([[0.0, np.nan]]), 2, "finite"),
        (EmpiricalPrior([[0.0, np.inf]]), 2, "finite"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Prior) else "",
)
def test_parameters_that_are_off_are_named(prior, n_components, message):
    with pytest.raises(ValueError, match=message):
        prior.check(n_components)


# ------------------------------------------------------------------ classes


WITH_CLASSES = [name for name in PRIORS if issubclass(PRIORS[name], PriorWithClasses)]


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_classes_together_are_the_whole_prior(name):
    """Equal shares of all classes have the quantiles of draws without a class."""
    prior = PRIORS[name]()
    y = np.arange(20_000) % prior.n_classes(2)
    drawn = prior.sample(len(y), 2, y=y, generator=new_generator(0)).numpy()
    whole = draw(prior, 20_000, 2, seed=1)
    for direction in ([1.0, 0.0], [0.6, 0.8]):
        assert stats.ks_2samp(drawn @ direction, whole @ direction).pvalue > 1e-3


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_no_class_is_any_class(name):
    prior = PRIORS[name]()
    drawn = prior.sample(5_000, 2, y=-1, generator=new_generator(0)).numpy()
    assert stats.ks_2samp(drawn[:, 0], draw(prior, 5_000, 2, seed=1)[:, 0]).pvalue > 1e-3


def test_classes_of_a_mixture_are_its_modes():
    prior = GaussianMixture(means=[[-5.0, 0.0], [5.0, 0.0], [0.0, 9.0]])
    drawn = prior.sample(4_000, 2, y=np.repeat([2, 0], 2_000), generator=new_generator(0)).numpy()
    assert_mean(drawn[:2_000], [0.0, 9.0])
    assert_mean(drawn[2_000:], [-5.0, 0.0])


def test_classes_of_the_roll_wind_outwards():
    prior = SwissRoll(noise=0.0, n_stretches=4)
    radii = [
        np.linalg.norm(prior.sample(500, 2, y=k, generator=new_generator(k)).numpy(), axis=1)
        for k in range(4)
    ]
    for inner, outer in pairwise(radii):
        assert inner.max() < outer.min() + 1e-5


def test_classes_of_one_hot_codes_are_their_ones():
    assert Categorical().sample(3, 4, y=[3, 0, 1]).argmax(dim=1).tolist() == [3, 0, 1]


@pytest.mark.parametrize("name", [name for name in PRIORS if name not in WITH_CLASSES])
def test_priors_without_classes_say_so(name):
    assert PRIORS[name]().n_classes(2) == 0
    with pytest.raises(ValueError, match="has no classes"):
        PRIORS[name]().sample(3, 2, y=0)


@pytest.mark.parametrize("y", [10, [-2, 0, 1], 0.5])
def test_classes_that_are_not_there_are_refused(y):
    with pytest.raises(ValueError, match="expected classes y from 0 to 9"):
        GaussianMixture().sample(3, 2, y=y)
