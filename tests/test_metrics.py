"""Measures, against closed forms and against samples whose answer is known."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from skaae import AdversarialAutoencoder, ImplicitGenerativeModel
from skaae._prior_match import PriorMatch
from skaae.metrics import (
    cluster_error,
    hungarian_accuracy,
    parzen_bandwidth,
    parzen_log_likelihood,
    prior_match,
    reconstruction_error,
    sliced_wasserstein_distance,
    two_sample_accuracy,
)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def test_the_distance_in_one_dimension_is_scipys(generator):
    X, Y = generator.normal(size=(200, 1)), generator.exponential(size=(200, 1))
    expected = stats.wasserstein_distance(X[:, 0], Y[:, 0])
    assert sliced_wasserstein_distance(X, Y) == pytest.approx(expected)


def test_the_distance_of_a_shift_is_its_mean_projection(generator):
    """A shift by s moves each projection by |s . theta|, in the plane 2 |s| / pi on average."""
    X = generator.normal(size=(300, 2))
    distance = sliced_wasserstein_distance(
        X, X + np.array([3.0, 4.0]), n_projections=4096, random_state=0
    )
    assert distance == pytest.approx(5.0 * 2.0 / np.pi, rel=0.02)


@pytest.mark.parametrize("measure", [sliced_wasserstein_distance, two_sample_accuracy])
def test_samples_are_of_one_shape(measure):
    with pytest.raises(ValueError, match=r"got \(3, 2\) and \(4, 2\)"):
        measure(np.zeros((3, 2)), np.zeros((4, 2)))


def test_samples_have_the_columns_of_rows():
    samples, rows = np.zeros((3, 2)), np.zeros((4, 1))
    with pytest.raises(ValueError, match="as many columns, got 2 and 1"):
        parzen_log_likelihood(samples, rows, bandwidth=1.0)
    with pytest.raises(ValueError, match="as many columns, got 2 and 1"):
        parzen_bandwidth(samples, rows)


def test_a_classifier_cannot_tell_samples_of_one_distribution(generator):
    X, Y = generator.normal(size=(2, 1000, 2))
    # 2,000 rows: the standard error of the accuracy is 0.011.
    assert two_sample_accuracy(X, Y, random_state=0) == pytest.approx(0.5, abs=0.035)


def test_a_classifier_sees_a_hole_that_moments_hide(generator):
    """A ring with the mean and covariance of a normal."""
    angle = generator.uniform(0, 2 * np.pi, size=1000)
    ring = np.sqrt(2.0) * np.c_[np.cos(angle), np.sin(angle)]
    assert two_sample_accuracy(ring, generator.normal(size=(1000, 2)), random_state=0) > 0.8


def test_the_error_of_pca_is_its_discarded_variance(generator):
    X = generator.normal(size=(500, 4)) * [4.0, 3.0, 2.0, 1.0]
    pca = PCA().fit(X)
    discarded = pca.explained_variance_[2:].sum() * (499 / 500) / 4
    assert reconstruction_error(PCA(2).fit(X), X) == pytest.approx(discarded)


def test_the_prior_match_tells_a_match_from_a_mismatch(wine):
    X = wine[0]
    model = AdversarialAutoencoder(hidden_layer_sizes=(64, 64), max_iter=150, random_state=0).fit(X)
    assert prior_match(model, X, random_state=0).ratio < 2.0
    shifted = prior_match(model, X + 2.0 * X.std(axis=0), random_state=0)
    assert shifted.ratio > 3.0
    assert shifted.mismatched


@pytest.mark.parametrize(
    ("distance", "reference", "spread", "mismatched", "collapsed"),
    [
        (0.05, 0.04, 1.0, False, False),
        (0.15, 0.01, 1.0, False, False),
        (0.50, 0.40, 0.9, False, False),
        (0.50, 0.05, 0.9, True, False),
        (0.80, 0.05, 0.01, True, True),
    ],
)
def test_only_a_clear_mismatch_is_called_one(distance, reference, spread, mismatched, collapsed):
    match = PriorMatch(distance, reference, spread, 100, True)
    assert (match.mismatched, match.collapsed) == (mismatched, collapsed)


# ------------------------------------------------------------------ likelihood of samples


def test_parzen_is_scipys_mixture_of_normals(generator):
    samples, X = generator.normal(size=(30, 3)), generator.normal(size=(2_000, 3))
    density = np.mean(
        [stats.multivariate_normal(center, 0.25 * np.eye(3)).pdf(X) for center in samples], axis=0
    )
    ours = parzen_log_likelihood(samples, X, bandwidth=0.5)
    assert ours == pytest.approx(np.log(density).mean(), rel=1e-10)


def test_the_bandwidth_is_the_best_of_those_around_it(generator):
    samples, X = generator.normal(size=(200, 2)), generator.normal(size=(300, 2))
    best = parzen_bandwidth(samples, X)
    at_best = parzen_log_likelihood(samples, X, bandwidth=best)
    for factor in (0.85, 1.15):
        assert parzen_log_likelihood(samples, X, bandwidth=factor * best) < at_best


def test_the_bandwidth_follows_the_units(generator):
    samples, X = generator.normal(size=(100, 2)), generator.normal(size=(100, 2))
    expected = 1000.0 * parzen_bandwidth(samples, X)
    assert parzen_bandwidth(1000.0 * samples, 1000.0 * X) == pytest.approx(expected)


def test_a_bandwidth_of_zero_is_refused():
    with pytest.raises(ValueError, match="bandwidth: expected a number > 0"):
        parzen_log_likelihood([[0.0]], [[0.0]], bandwidth=0.0)


# ------------------------------------------------------------------ clusters


def test_a_cluster_stands_for_its_surest_reference_row():
    probabilities = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.4, 0.6]]
    assert cluster_error([5, 5, 7, 7], probabilities) == 0.0
    # The surest reference row of the second cluster is a 5.
    error = cluster_error(
        [5, 5, 7, 7],
        probabilities,
        y_reference=[5, 5, 7],
        probabilities_reference=[[0.8, 0.2], [0.1, 0.9], [0.3, 0.7]],
    )
    assert error == 0.5


def test_reference_rows_come_with_their_labels():
    with pytest.raises(ValueError, match="both or neither"):
        cluster_error([0], [[1.0, 0.0]], y_reference=[0])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [([2, 2, 0, 0, 1, 1], 1.0), ([0, 0, 0, 0, 0, 0], 1 / 3), ([0, 3, 1, 1, 2, 2], 5 / 6)],
)
def test_the_best_map_of_clusters_to_classes(labels, expected):
    assert hungarian_accuracy([0, 0, 1, 1, 2, 2], labels) == pytest.approx(expected)


def test_what_has_no_codes_has_no_prior_match(X):
    model = ImplicitGenerativeModel(2, hidden_layer_sizes=(8,), max_iter=2, random_state=0)
    with warnings.catch_warnings():  # two epochs are no fit
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X)
    with pytest.raises(TypeError, match="maps rows to codes, got ImplicitGenerativeModel"):
        prior_match(model, X)


def test_the_prior_match_looks_at_classes_only_where_they_have_their_parts(wine):
    X, y = wine
    model = AdversarialAutoencoder(hidden_layer_sizes=(64, 64), max_iter=20, random_state=0).fit(X)
    with_classes = prior_match(model, X, y.tolist(), random_state=0)
    assert with_classes == prior_match(model, X, random_state=0)
