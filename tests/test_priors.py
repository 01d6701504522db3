"""What every prior promises."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from prior_cases import FOREIGN, ROWS, DensityObject, OwnObject, assert_follows, assert_mean, draw
from scipy import stats
from sklearn import neighbors
from sklearn.base import clone

from skaae._device import new_generator
from skaae.priors import (
    PRIORS,
    Categorical,
    ClassPrior,
    EmpiricalPrior,
    GaussianMixture,
    HeadPrior,
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

# What a fitted estimator has as ``prior_`` beside the prior that it was given.
OF_CLASSES = {
    "classes": lambda: ClassPrior(GaussianMixture(3), [0.2, 0.8]),
    "heads": lambda: HeadPrior(Normal(), [[-9.0, 1.0], [9.0, 0.0]], [0.2, 0.8]),
}
EVERY = {name: name for name in PRIORS} | FOREIGN | OF_CLASSES


@pytest.fixture(params=EVERY)
def prior(request) -> Prior:
    value = EVERY[request.param]
    return as_prior(value if isinstance(value, str) else value())


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


# A user's object draws where the user's default says.
@pytest.mark.parametrize("prior", [name for name in EVERY if name != "own object"], indirect=True)
def test_codes_lie_where_their_generator_lies_whatever_the_default_device(prior):
    expected = draw(prior, 20, 2)
    with torch.device("meta"):
        assert np.array_equal(draw(prior, 20, 2), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "prior",
    [Normal(), GaussianMixture(), OF_CLASSES["heads"](), as_prior(stats.t(df=5))],
    ids=["normal", "mixture", "heads", "scipy"],
)
def test_densities_have_the_type_of_codes(prior, dtype):
    assert prior.log_density(torch.zeros(3, 2, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize(
    "prior",
    [Normal(), GaussianMixture(), as_prior(torch.distributions.Normal(torch.zeros(2), 1.0))],
    ids=["normal", "mixture", "torch"],
)
def test_densities_lie_where_codes_lie_whatever_the_default_device(prior):
    codes = torch.tensor([[3.0, -1.0], [0.5, 0.5]])
    expected = prior.log_density(codes)
    with torch.device("meta"):
        ours = prior.log_density(codes)
    assert torch.equal(ours, expected)


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("normal", Normal),
        ("uniform", Uniform),
        ("gaussian_mixture", GaussianMixture),
        ("swiss_roll", SwissRoll),
        ("categorical", Categorical),
    ],
)
def test_as_prior_of_a_name_has_the_default_parameters(name, expected):
    assert type(as_prior(name)) is PRIORS[name] is expected
    assert as_prior(name).get_params() == expected().get_params()


@pytest.mark.parametrize("name", PRIORS)
def test_as_prior_copies_a_prior(name):
    given = PRIORS[name]()
    copy = as_prior(given)
    assert copy is not given
    assert type(copy) is type(given)
    assert copy.get_params() == given.get_params()


def test_as_prior_copies_an_array():
    rows = ROWS.copy()
    prior = as_prior(rows)
    rows[:] = 7.0
    assert not (draw(prior, 20, 2) == 7.0).any()


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
        (GaussianMixture(means=[0.0, 1.0]), 2, r"a row a mode, got shape \(2,\)"),
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
    y = np.tile([3, 0, 1], 20)
    assert Categorical().sample(60, 4, y=y).argmax(dim=1).tolist() == y.tolist()


@pytest.mark.parametrize(
    ("prior", "expected"),
    [
        (SwissRoll(n_stretches=4), [0.25] * 4),
        (Categorical(), [0.5, 0.5]),
        (Categorical([0, 1]), [0.0, 1.0]),
        (Categorical([0.3, 0.7]), [0.3, 0.7]),
        (GaussianMixture(5), [0.2] * 5),
        (GaussianMixture(2, weights=[0.3, 0.7]), [0.3, 0.7]),
        (GaussianMixture(means=[[0.0, 0.0]] * 4), [0.25] * 4),
        (ClassPrior(Categorical(), [0, 1]), [0.0, 1.0]),
        (HeadPrior(Normal(), [[0.0, 0.0]] * 2, [1, 0]), [1.0, 0.0]),
    ],
    ids=repr,
)
def test_class_weights_are_shares_of_all_classes(prior, expected):
    weights = prior.class_weights(2)
    assert weights.dtype.kind == "f"
    assert prior.n_classes(2) == len(expected)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "prior",
    [Categorical([0, 1]), ClassPrior(Categorical(), [0, 1])],
    ids=["categorical", "classes"],
)
def test_whole_numbers_are_shares_too(prior):
    assert draw(prior, 9, 2).tolist() == [[0.0, 1.0]] * 9


@pytest.mark.parametrize("name", [name for name in PRIORS if name not in WITH_CLASSES])
def test_priors_without_classes_say_so(name):
    assert PRIORS[name]().n_classes(2) == 0
    with pytest.raises(ValueError, match="has no classes"):
        PRIORS[name]().sample(3, 2, y=0)


@pytest.mark.parametrize("y", [10, [-2, 0, 1], 0.5])
def test_classes_that_are_not_there_are_refused(y):
    with pytest.raises(ValueError, match="expected classes y from 0 to 9"):
        GaussianMixture().sample(3, 2, y=y)


class Corners(PriorWithClasses):
    """A user's prior: the ends of every axis."""

    def n_classes(self, n_components):
        return 2 * n_components

    def _sample_given(self, y, n_components, generator):
        ends = torch.cat([torch.eye(n_components), -torch.eye(n_components)])
        drawn = torch.randint(len(ends), y.shape, generator=generator)
        return ends[torch.where(y < 0, drawn, y)]


def test_classes_of_a_users_prior_are_equally_frequent_and_as_many_as_it_says():
    assert Corners().class_weights(3).tolist() == [1.0 / 6.0] * 6
    assert Corners().sample(2, 2, y=[3, 0]).tolist() == [[0.0, -1.0], [1.0, 0.0]]
    with pytest.raises(ValueError, match="Corners prior: expected classes y from 0 to 3"):
        Corners().sample(2, 2, y=4)
    counts = np.unique(draw(Corners(), 4_000, 2), axis=0, return_counts=True)[1]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_classes_of_a_prior_have_its_support():
    codes = torch.tensor([[3.0, -1.0], [0.5, 0.5]])
    for prior in (Categorical(), GaussianMixture(2)):
        classes = ClassPrior(prior, [0.2, 0.8])
        assert classes.on_simplex is prior.on_simplex
        assert torch.equal(classes.project(codes), prior.project(codes))
