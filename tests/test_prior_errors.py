"""What priors say of parameters that are off, and the edges of what they take."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from prior_cases import OwnObject
from scipy import stats
from sklearn import neighbors

from skaae.priors import (
    Categorical,
    ClassPrior,
    EmpiricalPrior,
    GaussianMixture,
    HeadPrior,
    Normal,
    Prior,
    SwissRoll,
    Uniform,
    as_prior,
)

ONE_MEAN = [[0.0, 0.0]]


def ids(value):
    return type(value).__name__ if isinstance(value, Prior) else ""


# ------------------------------------------------------------------ messages


@pytest.mark.parametrize(
    ("prior", "n_components", "message"),
    [
        (Uniform(2.0, 1.0), 2, "Uniform prior: expected low < high, got low=2.0, high=1.0."),
        (
            SwissRoll(),
            4,
            "SwissRoll prior: it exists in 2 or 3 dimensions, got n_components=4.",
        ),
        (
            Categorical(),
            1,
            "Categorical prior: expected n_components >= 2, got n_components=1; with one category "
            "every code is the same.",
        ),
        (
            Categorical([0.5, 0.6]),
            2,
            "Categorical prior: expected 2 probabilities (n_components) that are >= 0 and sum to "
            "1, got [0.5, 0.6].",
        ),
        (
            GaussianMixture(covariances=[np.eye(2)]),
            2,
            "GaussianMixture prior: covariances belong to means of your own; got covariances and "
            "means=None. Pass both, or set radial_scale and tangential_scale.",
        ),
        (
            GaussianMixture(means=ONE_MEAN),
            3,
            "GaussianMixture prior: expected means of shape (1, 3) for n_components=3, got (1, 2).",
        ),
        (
            GaussianMixture(means=ONE_MEAN, covariances=[np.eye(2)] * 2),
            2,
            "GaussianMixture prior: expected covariances of shape (1, 2, 2), got (2, 2, 2).",
        ),
        (
            GaussianMixture(means=ONE_MEAN, covariances=[[[1.0, 0.5], [0.0, 1.0]]]),
            2,
            "GaussianMixture prior: expected symmetric covariances.",
        ),
        (
            GaussianMixture(means=ONE_MEAN, covariances=[np.diag([1.0, -1.0])]),
            2,
            "GaussianMixture prior: expected positive definite covariances of shape (n_modes, "
            "n_dimensions, n_dimensions), got shape (1, 2, 2): Matrix is not positive definite.",
        ),
        (
            GaussianMixture(2, weights=[0.5, 0.6]),
            2,
            "GaussianMixture prior: expected 2 weights that are >= 0 and sum to 1, got [0.5, 0.6].",
        ),
        (
            EmpiricalPrior(np.zeros((5, 3))),
            2,
            "Array prior: expected codes of shape (n_codes, n_components=2), got (5, 3).",
        ),
        (
            EmpiricalPrior([[0.0, np.nan]]),
            2,
            "Array prior: expected finite codes, got NaN or infinity.",
        ),
        (
            ClassPrior(GaussianMixture(2), [0.2, 0.3, 0.5]),
            2,
            "ClassPrior: expected at most as many shares as GaussianMixture(n_components=2) has "
            "classes, 2, got 3.",
        ),
        (
            ClassPrior(Categorical(), [0.2, 0.3, 0.5]),
            2,
            "ClassPrior: expected at most as many shares as Categorical() has classes, 2, got 3.",
        ),
        (
            HeadPrior(SwissRoll(), np.zeros((1, 4)), [1.0]),
            4,
            "SwissRoll prior: it exists in 2 or 3 dimensions, got n_components=4.",
        ),
        (
            ClassPrior(GaussianMixture(2), [0.2, 0.9]),
            2,
            "ClassPrior: expected shares >= 0 that sum to 1, one a class, got [0.2, 0.9].",
        ),
        (
            ClassPrior(GaussianMixture(2), [[0.2, 0.8]]),
            2,
            "ClassPrior: expected shares >= 0 that sum to 1, one a class, got [[0.2, 0.8]].",
        ),
        (
            HeadPrior(Normal(), [[0.0, 0.0]], [1.5, -0.5]),
            2,
            "HeadPrior: expected shares >= 0 that sum to 1, one a class, got [1.5, -0.5].",
        ),
        (
            HeadPrior(Normal(), [[0.0, 0.0]], [0.2, 0.8]),
            2,
            "HeadPrior: expected heads of shape (2, 2), a place for each share, got (1, 2).",
        ),
    ],
    ids=ids,
)
def test_messages_say_what_was_expected_and_what_came(prior, n_components, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        prior.check(n_components)


@pytest.mark.parametrize("prior", [Normal(), Uniform(), EmpiricalPrior(ONE_MEAN)], ids=ids)
def test_priors_without_classes_name_those_with_classes(prior):
    with pytest.raises(ValueError, match="no classes") as caught:
        prior.sample(3, 2, y=0)
    assert str(caught.value) == (
        f"{type(prior).__name__} prior: it has no classes to draw from, so expected y=None. Priors "
        "with classes are 'gaussian_mixture', 'swiss_roll' and 'categorical'."
    )


@pytest.mark.parametrize("prior", [GaussianMixture(3), SwissRoll(n_stretches=3)], ids=ids)
def test_classes_that_came_are_named(prior):
    with pytest.raises(ValueError, match="expected classes") as caught:
        prior.sample(4, 2, y=[3, 0, -2, 3])
    assert str(caught.value) == (
        f"{type(prior).__name__} prior: expected classes y from 0 to 2, or -1 for the whole prior, "
        "got [-2  0  3]."
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (stats.multivariate_normal([0.0, 0.0, 0.0]), "<scipy.stats"),
        (torch.distributions.Dirichlet(torch.ones(3)), "Dirichlet(concentration"),
        (neighbors.KernelDensity().fit(np.zeros((4, 3))), "KernelDensity"),
    ],
    ids=["scipy", "torch", "object"],
)
def test_draws_of_another_dimension_name_the_source_and_both_shapes(source, name):
    with pytest.raises(ValueError, match="was expected") as caught:
        as_prior(source).sample(6, 2)
    assert str(caught.value).startswith(f"The prior {name}")
    assert str(caught.value).endswith(
        " drew codes of shape (6, 3) where (6, 2) was expected: its dimension has to be the "
        "estimator's n_components=2."
    )


# ------------------------------------------------------------------ edges


@pytest.mark.parametrize(
    ("prior", "n_components"),
    [
        (Normal(1e-3), 1),
        (Uniform(0.0, 0.5), 1),
        (SwissRoll(radius=0.5, noise=0.0, n_stretches=1), 3),
        (Categorical([0.0, 1.0]), 2),
        (Categorical([1.0]), 1),
        (Categorical([1.0 - 1e-7, 0.0]), 2),
        (GaussianMixture(1, radius=0.0, radial_scale=0.5, tangential_scale=0.01), 2),
        (GaussianMixture(2, weights=[0.0, 1.0]), 2),
        (GaussianMixture(means=[[0.0, 1.0]]), 2),
        (GaussianMixture(means=[[0.0]], covariances=[[[0.5]]]), 1),
        (EmpiricalPrior([[1.0]]), 1),
        (EmpiricalPrior(np.array([[1, 2.5]], dtype=object)), 2),
        (ClassPrior(GaussianMixture(2), [0.0, 1.0]), 2),
        (HeadPrior(Uniform(), [[0.0], [9.0]], [1.0, 0.0]), 1),
    ],
    ids=ids,
)
def test_the_edges_of_parameters_are_taken(prior, n_components):
    prior.check(n_components)
    assert torch.isfinite(prior.sample(5, n_components)).all()


OBJECTS = {
    "means": np.array([[1, 2.5], [0, -1]], dtype=object),
    "covariances": np.array([np.diag([2, 1])] * 2, dtype=object),
    "weights": np.array([1, 0], dtype=object),
}


def test_numbers_in_arrays_of_objects_are_numbers():
    """So the values of a table arrive whose columns have several types."""
    plain = GaussianMixture(**{name: value.astype(float) for name, value in OBJECTS.items()})
    prior, codes = GaussianMixture(**OBJECTS), torch.zeros(1, 2)
    prior.check(2)
    assert torch.equal(prior.log_density(codes), plain.log_density(codes))
    shares = np.array([0.25, 0.75], dtype=object)
    for prior in (Normal(), Uniform()):
        quantiles = prior.quantiles(shares, 2)
        assert quantiles.dtype == np.float64
        assert np.array_equal(quantiles, prior.quantiles([0.25, 0.75], 2))


@pytest.mark.parametrize(
    ("prior", "name"),
    [
        (SwissRoll(n_stretches=0), "n_stretches"),
        (SwissRoll(n_stretches=1.5), "n_stretches"),
        (SwissRoll(radius=np.inf, noise="some"), "noise"),
        (Uniform(low=-np.inf), "low"),
        (Uniform(low="left"), "low"),
        (Uniform(high="right"), "high"),
        (Categorical("half"), "probabilities"),
        (GaussianMixture(1.5), "n_components"),
        (GaussianMixture(radius="far"), "radius"),
        (GaussianMixture(means=0.0), "means"),
        (GaussianMixture(means=ONE_MEAN, covariances=1.0), "covariances"),
        (GaussianMixture(2, weights=0.5), "weights"),
    ],
    ids=ids,
)
def test_what_is_no_number_and_no_array_is_named(prior, name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {type(prior).__name__} must"):
        prior.check(2)


@pytest.mark.parametrize(
    ("prior", "defaults"),
    [
        (Normal, {"scale": 1.0}),
        (Uniform, {"low": -1.0, "high": 1.0}),
        (SwissRoll, {"radius": 4.0, "noise": 0.3, "n_stretches": 10}),
        (Categorical, {"probabilities": None}),
        (
            GaussianMixture,
            {"n_components": 10, "radius": 4.0, "radial_scale": 1.0, "tangential_scale": 0.5}
            | dict.fromkeys(("means", "covariances", "weights")),
        ),
    ],
)
def test_defaults_are_the_documented_ones(prior, defaults):
    assert prior().get_params() == defaults


def test_only_mixtures_compute_with_many_numbers():
    for prior in (Normal(), SwissRoll(), Categorical(), as_prior(OwnObject())):
        assert prior._n_numbers(3) == 0


@pytest.mark.parametrize("n_components", [1, 2, 8])
@pytest.mark.parametrize("own_means", [False, True])
def test_numbers_of_a_mixture_are_means_factors_and_weights(n_components, own_means):
    """Only the order of magnitude is promised: no fewer than there are, nor twice as many."""
    means = np.zeros((7, n_components)) if own_means else None
    prior = GaussianMixture(7, means=means)
    n_numbers = 7 * n_components + 7 * n_components**2 + 7
    assert n_numbers <= prior._n_numbers(n_components) < 2 * n_numbers
