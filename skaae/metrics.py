"""Measures: reconstruction, how well codes meet the prior, likelihood of samples, clusters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skaae._device import new_generator, random_seed
from skaae._modes import inference
from skaae._prior_match import PriorMatch, random_directions, sliced_distance

__all__ = [
    "PriorMatch",
    "cluster_error",
    "hungarian_accuracy",
    "parzen_bandwidth",
    "parzen_log_likelihood",
    "prior_match",
    "reconstruction_error",
    "sliced_wasserstein_distance",
    "two_sample_accuracy",
]

# Bandwidths that are tried, as shares of the spread of the rows.
_BANDWIDTH_SHARES = np.geomspace(0.01, 1.0, 41)
_BLOCK = 1_024


def reconstruction_error(estimator: Any, X: Any) -> float:
    r"""Return the mean squared error of ``inverse_transform(transform(X))``.

    .. math:: \frac{1}{n d} \sum_{ij} (x_{ij} - \hat x_{ij})^2

    Parameters
    ----------
    estimator : fitted transformer with ``inverse_transform``
        PCA too, for comparison. It has to map back without labels: of the classifier and the
        clusterer only those with cluster heads do.
    X : array-like of shape (n_samples, n_features)

    Returns
    -------
    error : float
        In squared units of the data.

    References
    ----------
    K. Pearson, *On Lines and Planes of Closest Fit to Systems of Points in Space*, 1901.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skaae.metrics import reconstruction_error
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> round(reconstruction_error(PCA(1).fit(X), X), 6)
    0.0
    """
    X = check_array(X, dtype=[np.float64, np.float32])
    difference = np.asarray(estimator.inverse_transform(estimator.transform(X))) - X
    return float(np.mean(np.square(difference, dtype=np.float64)))


def sliced_wasserstein_distance(
    X: Any, Y: Any, *, n_projections: int = 256, random_state: Any = None
) -> float:
    r"""Return the Wasserstein-1 distance of two samples, averaged over random directions.

    .. math:: E_\theta \, W_1(\theta^T x, \theta^T y), \qquad |\theta| = 1

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_components)
        Two samples of the same size.
    n_projections : int, default=256
    random_state : int, RandomState or None, default=None
        Of the directions.

    Returns
    -------
    distance : float
        In the samples' units.

    Raises
    ------
    ValueError
        If the samples differ in shape.

    References
    ----------
    N. Bonneel et al., *Sliced and Radon Wasserstein Barycenters of Measures*, 2015.

    Examples
    --------
    >>> from skaae.metrics import sliced_wasserstein_distance
    >>> sliced_wasserstein_distance([[0.0], [1.0]], [[2.0], [3.0]])
    2.0
    """
    X, Y = check_array(X, dtype=np.float64), check_array(Y, dtype=np.float64)
    if X.shape != Y.shape:
        raise ValueError(f"Expected two samples of one shape, got {X.shape} and {Y.shape}.")
    generator = new_generator(random_seed(random_state))
    with inference():
        directions = random_directions(X.shape[1], n_projections, generator).double()
        directions = directions / directions.norm(dim=0)
        return float(sliced_distance(torch.as_tensor(X), torch.as_tensor(Y), directions))


def two_sample_accuracy(X: Any, Y: Any, *, cv: int = 5, random_state: Any = None) -> float:
    """Return how often a classifier tells rows of `X` from rows of `Y`, cross-validated.

    The classifier is gradient-boosted trees, on held-out folds: 0.5 is a perfect match, 1 is
    samples that do not overlap. It sees what distances along lines miss, such as holes.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_components)
    cv : int, default=5
        Folds.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    accuracy : float

    Raises
    ------
    ValueError
        If the samples are not of one shape.

    References
    ----------
    D. Lopez-Paz, M. Oquab, *Revisiting Classifier Two-Sample Tests*, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skaae.metrics import two_sample_accuracy
    >>> rng = np.random.default_rng(0)
    >>> two_sample_accuracy(rng.normal(size=(50, 1)), 99 + rng.normal(size=(50, 1)))
    1.0
    """
    X, Y = check_array(X), check_array(Y)
    if X.shape != Y.shape:  # a classifier that answers the larger sample would be right too often
        raise ValueError(f"Expected two samples of one shape, got {X.shape} and {Y.shape}.")
    rows = np.concatenate([X, Y])
    labels = np.repeat([0, 1], [len(X), len(Y)])
    seed = random_seed(random_state)
    folds = StratifiedKFold(cv, shuffle=True, random_state=seed)
    classifier = HistGradientBoostingClassifier(random_state=seed)
    return float(cross_val_score(classifier, rows, labels, cv=folds).mean())


def prior_match(estimator: Any, X: Any, y: Any = None, *, random_state: Any = None) -> PriorMatch:
    """Return how well the codes of rows that took no part in training meet the prior.

    Parameters
    ----------
    estimator : fitted estimator that maps rows to codes
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,), default=None
        Classes, where each has its part of the prior (``label_role="discriminator"``); without
        them the codes are compared with the whole prior.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    match : PriorMatch
        Its ``ratio`` is about 1 where codes and prior cannot be told apart.

    Raises
    ------
    TypeError
        If the estimator has no codes, as an :class:`~skaae.ImplicitGenerativeModel`.

    References
    ----------
    N. Bonneel et al., *Sliced and Radon Wasserstein Barycenters of Measures*, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skaae import AdversarialAutoencoder
    >>> from skaae.metrics import prior_match
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> aae = AdversarialAutoencoder(max_iter=20, random_state=0).fit(X)
    >>> prior_match(aae, X, random_state=0).n_samples
    200
    """
    if not hasattr(estimator, "_prior_match"):
        found = type(estimator).__name__
        raise TypeError(f"estimator: expected one that maps rows to codes, got {found}.")
    match: PriorMatch = estimator._prior_match(X, y, seed=random_seed(random_state))
    return match


def parzen_log_likelihood(samples: Any, X: Any, *, bandwidth: float) -> float:
    r"""Return the mean log-likelihood of rows under Gaussians around samples of a model.

    .. math:: \frac{1}{n} \sum_i \log \frac{1}{m} \sum_j N(x_i; s_j, h^2 I)

    Blurred samples are rewarded: show reconstruction and a two-sample test beside it. Memory is
    bounded by blocks of 1,024 rows.

    Parameters
    ----------
    samples : array-like of shape (n_samples_drawn, n_features)
    X : array-like of shape (n_samples, n_features)
        Rows that took no part in training, nor in the choice of `bandwidth`.
    bandwidth : float
        The standard deviation h, in units of the data; see :func:`parzen_bandwidth`.

    Returns
    -------
    log_likelihood : float
        In nats a row.

    Raises
    ------
    ValueError
        If rows and samples differ in their columns, or the bandwidth is not positive.

    References
    ----------
    O. Breuleux, Y. Bengio, P. Vincent, *Quickly Generating Representative Samples from an
    RBM-Derived Process*, 2011.

    Examples
    --------
    >>> from skaae.metrics import parzen_log_likelihood
    >>> round(parzen_log_likelihood([[0.0]], [[0.0]], bandwidth=1.0), 4)
    -0.9189
    """
    if not bandwidth > 0.0:
        raise ValueError(f"bandwidth: expected a number > 0, got {bandwidth!r}.")
    return float(_parzen(samples, X, np.array([bandwidth]))[0])


def parzen_bandwidth(samples: Any, X: Any) -> float:
    """Return the bandwidth that gives rows `X` the greatest Parzen log-likelihood.

    Of 41 that are spread evenly, by their logarithm, from 1 % to 100 % of the rows' standard
    deviation, pooled over columns.

    Parameters
    ----------
    samples : array-like of shape (n_samples_drawn, n_features)
    X : array-like of shape (n_samples, n_features)
        Held-out rows, other than those whose likelihood is asked for.

    Returns
    -------
    bandwidth : float
        In units of the data.

    References
    ----------
    O. Breuleux, Y. Bengio, P. Vincent, *Quickly Generating Representative Samples from an
    RBM-Derived Process*, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skaae.metrics import parzen_bandwidth
    >>> rng = np.random.default_rng(0)
    >>> 0.1 < parzen_bandwidth(rng.normal(size=(500, 1)), rng.normal(size=(500, 1))) < 0.5
    True
    """
    X = check_array(X, dtype=np.float64)
    bandwidths = _BANDWIDTH_SHARES * max(math.sqrt(X.var(axis=0).mean()), 1e-12)
    return float(bandwidths[_parzen(samples, X, bandwidths).argmax()])


def _check_columns(A: np.ndarray, B: np.ndarray) -> None:
    if A.shape[1] != B.shape[1]:
        raise ValueError(f"Expected arrays of as many columns, got {A.shape[1]} and {B.shape[1]}.")


def _parzen(samples: Any, X: Any, bandwidths: np.ndarray) -> np.ndarray:
    """Return the mean log-likelihood for each bandwidth."""
    samples, X = check_array(samples, dtype=np.float64), check_array(X, dtype=np.float64)
    _check_columns(samples, X)
    centers, rows = (torch.as_tensor(each, device="cpu") for each in (samples, X))
    norms = centers.square().sum(dim=1)
    totals = np.zeros(len(bandwidths))
    for block in rows.split(_BLOCK):
        distances = block.square().sum(dim=1, keepdim=True) + norms - 2.0 * block @ centers.T
        for k, bandwidth in enumerate(bandwidths):
            exponents = distances.clamp_min(0.0) * (-0.5 / bandwidth**2)
            totals[k] += float(exponents.logsumexp(dim=1).sum())
    normalisers = math.log(len(centers)) + rows.shape[1] * np.log(
        bandwidths * math.sqrt(2.0 * math.pi)
    )
    return totals / len(rows) - normalisers


def cluster_error(
    y: Any, probabilities: Any, *, y_reference: Any = None, probabilities_reference: Any = None
) -> float:
    """Return the share of rows whose cluster stands for another class than theirs.

    A cluster stands for the class of its surest reference row, so only one label a cluster is
    needed. For an assignment of clusters to classes that knows all labels, see
    :func:`hungarian_accuracy`.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Classes.
    probabilities : array-like of shape (n_samples, n_clusters)
        As ``predict_proba`` of the clusterer answers them.
    y_reference : array-like of shape (n_references,), default=None
        Classes of the reference rows; None takes the rows themselves.
    probabilities_reference : array-like of shape (n_references, n_clusters), default=None
        Theirs; given where `y_reference` is.

    Returns
    -------
    error : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If one of `y_reference` and `probabilities_reference` is given without the other.

    References
    ----------
    A. Makhzani et al., *Adversarial Autoencoders*, 2015, section 6.

    Examples
    --------
    >>> from skaae.metrics import cluster_error
    >>> cluster_error([0, 0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.1, 0.9]])
    0.25
    """
    if (y_reference is None) != (probabilities_reference is None):
        raise ValueError("Expected y_reference and probabilities_reference both or neither.")
    y, probabilities = column_or_1d(y), check_array(probabilities)
    if y_reference is None:
        y_reference, probabilities_reference = y, probabilities
    reference = check_array(probabilities_reference)
    y_reference = column_or_1d(y_reference)
    check_consistent_length(y, probabilities)
    check_consistent_length(y_reference, reference)
    _check_columns(probabilities, reference)
    classes = y_reference[reference.argmax(axis=0)]
    return float(np.mean(classes[probabilities.argmax(axis=1)] != y))


def hungarian_accuracy(y: Any, labels: Any) -> float:
    """Return the share of rows that agree under the best one-to-one map of clusters to classes.

    Clusters beyond the number of classes stand for none, so their rows count as wrong.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Classes.
    labels : array-like of shape (n_samples,)
        Clusters, of any names.

    Returns
    -------
    accuracy : float
        Between 0 and 1.

    References
    ----------
    H. Kuhn, *The Hungarian Method for the Assignment Problem*, 1955.

    Examples
    --------
    >>> from skaae.metrics import hungarian_accuracy
    >>> hungarian_accuracy([0, 0, 1, 1], ["b", "b", "a", "b"])
    0.75
    """
    y, labels = column_or_1d(y), column_or_1d(labels)
    counts = contingency_matrix(y, labels)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(y))
