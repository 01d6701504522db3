"""Distributions and objects of other libraries as priors."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from prior_cases import (
    FOREIGN,
    ROWS,
    DensityObject,
    OwnObject,
    SeededObject,
    assert_follows,
    assert_mean,
    draw,
)
from scipy import stats
from sklearn import mixture, neighbors
from sklearn.base import clone

from skaae._device import new_generator
from skaae.priors import (
    EmpiricalPrior,
    ScipyPrior,
    TorchPrior,
    UserPrior,
    as_prior,
)


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


def test_cloning_copies_an_array_and_keeps_it_what_it_is():
    rows = [[0.1, 0.2], [0.3, 0.4]]
    copied = clone(EmpiricalPrior(rows)).codes
    assert copied == rows
    copied[0][0] = 9.0
    assert rows[0][0] == 0.1


def test_own_object_is_handed_dimension_and_generator():
    codes = draw(as_prior(OwnObject()), 3000, 4)
    assert codes.shape == (3000, 4)
    assert_mean(codes.astype(np.float64), 3.0)


def test_own_log_density_is_used():
    codes = torch.tensor([[3.0, 4.0], [1.0, 1.0]])
    assert as_prior(DensityObject()).log_density(codes).tolist() == [-1.0, -4.0]


class TwoHalves:
    """Draws its first component first, as scikit-learn's mixtures do."""

    def sample(self, n_samples, rng):
        half = n_samples // 2
        return np.repeat([[0.0], [1.0]], [half, n_samples - half], axis=0) + 0 * rng.normal()


def test_components_of_a_mixture_come_in_any_order():
    codes = draw(as_prior(TwoHalves()), 1000, 1)[:, 0]
    assert 0.4 < codes[:500].mean() < 0.6


class Noise:
    def sample(self, n_samples, rng=None):
        return (rng or np.random.default_rng()).normal(size=(n_samples, 2))


def test_an_object_is_handed_a_numpy_generator():
    prior = as_prior(Noise())
    assert (draw(prior, 5, 2) == draw(prior, 5, 2)).all()


@pytest.mark.parametrize(
    "distribution",
    [
        stats.uniform(),
        stats.gamma(2.0),
        torch.distributions.Uniform(-1.0, 1.0),
        torch.distributions.Exponential(1.0),
        torch.distributions.Independent(torch.distributions.Beta(torch.ones(2), torch.ones(2)), 1),
    ],
    ids=lambda distribution: str(type(getattr(distribution, "dist", distribution)).__name__),
)
def test_a_density_that_is_zero_somewhere_is_not_offered(distribution):
    """A posterior may lie there, at an infinite divergence."""
    assert not hasattr(as_prior(distribution), "log_density")


# ------------------------------------------------------------------ draws and their generator


def test_torch_draws_are_those_of_the_generator():
    expected = torch.normal(torch.zeros(6, 2), torch.ones(6, 2), generator=new_generator(5))
    ours = TorchPrior(torch.distributions.Normal(0.0, 1.0)).sample(6, 2, generator=new_generator(5))
    assert torch.equal(ours, expected)


@pytest.mark.parametrize(
    "source",
    [
        stats.norm(),
        stats.multivariate_normal([0.0]),
        torch.distributions.Laplace(0.0, 1.0),
        torch.distributions.Laplace(torch.zeros(1), torch.ones(1)),
        torch.distributions.MultivariateNormal(torch.zeros(1), torch.eye(1)),
        ROWS[:, :1],
        neighbors.KernelDensity().fit(ROWS[:, :1]),
    ],
    ids=lambda source: type(source).__name__,
)
def test_codes_of_one_component_are_a_column(source):
    codes = draw(as_prior(source), 200, 1)
    assert codes.shape == (200, 1)
    assert len(np.unique(codes)) > 30


def test_consecutive_draws_in_numpys_manner_have_seeds_of_their_own():
    """Among 2**31 seeds 300 hardly meet: the chance is 1 in 50,000, and the generator is fixed."""
    generator = new_generator(0)
    prior = as_prior(SeededObject())
    firsts = {prior.sample(1, 2, generator=generator)[0, 0].item() for _ in range(300)}
    assert len(firsts) == 300


# ------------------------------------------------------------------ densities of other libraries


class WithoutSupport(torch.distributions.Distribution):
    """A user's law, which does not say where it lies."""

    arg_constraints = {}  # noqa: RUF012

    def rsample(self, sample_shape=()):
        return torch.zeros(sample_shape)

    def log_prob(self, value):
        return -value.abs()


def test_a_law_that_does_not_say_where_it_lies_is_taken_for_one_of_the_whole_space():
    codes = torch.tensor([[1.0, -2.0], [0.0, 0.5]])
    assert as_prior(WithoutSupport()).log_density(codes).tolist() == [-3.0, -0.5]


@pytest.mark.parametrize(
    ("members", "offers"),
    [
        ({"logpdf": np.sum}, True),
        ({}, False),
        ({"logpdf": np.sum, "logpmf": np.sum}, False),
        ({"logpdf": np.sum, "dist": SimpleNamespace(_pmf=np.sum)}, False),
        ({"logpdf": np.sum, "dist": SimpleNamespace(_pdf=np.sum)}, True),
        ({"logpdf": np.sum, "support": lambda: (-np.inf, np.inf)}, True),
        ({"logpdf": np.sum, "support": lambda: (-np.inf, 0.0)}, False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_density_of_scipys_kind_is_known_by_what_a_distribution_has(members, offers):
    """In some versions of SciPy discrete distributions have a logpdf too, which fails."""
    assert hasattr(ScipyPrior(SimpleNamespace(**members)), "log_density") is offers


def test_scipy_log_density_keeps_the_type_of_codes():
    values = np.array([[0.3, -2.0], [1.0, 4.0], [0.0, -0.1]])
    codes = torch.tensor(values, dtype=torch.float32, requires_grad=True)
    log_density = ScipyPrior(stats.t(df=5)).log_density(codes)
    log_density.sum().backward()
    assert log_density.dtype == codes.grad.dtype == torch.float32
    expected = stats.t.logpdf(values, 5).sum(axis=1)
    np.testing.assert_allclose(log_density.detach().numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(codes.grad.numpy(), -6.0 * values / (5.0 + values**2), rtol=1e-5)


def test_scipy_gradient_holds_far_out():
    """Differences are taken over a share of a code: a fixed step would vanish beside it."""
    codes = torch.tensor([[1e6, -1e9]], dtype=torch.float64, requires_grad=True)
    ScipyPrior(stats.t(df=5)).log_density(codes).sum().backward()
    np.testing.assert_allclose(codes.grad.numpy(), -6.0 / codes.detach().numpy(), rtol=1e-5)
