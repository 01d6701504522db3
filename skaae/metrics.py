"""Measures of a fitted autoencoder: reconstruction, and how well codes meet the prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.utils import check_array, check_consistent_length

from skaae._device import new_generator, random_seed
from skaae._prior_match import PriorMatch, random_directions, sliced_distance

__all__ = [
    "PriorMatch",
    "prior_match",
    "reconstruction_error",
    "sliced_wasserstein_distance",
    "two_sample_accuracy",
]


def reconstruction_error(estimator: Any, X: Any) -> float:
    r"""Return the mean squared error of ``inverse_transform(transform(X))``.

    .. math:: \frac{1}{n d} \sum_{ij} (x_{ij} - \hat x_{ij})^2

    Parameters
    ----------
    estimator : fitted transformer with ``inverse_transform``
        PCA too, for comparison.
    X : array-like of shape (n_samples, n_features)

    Returns
    -------
    error : float
        In squared units of the data.

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
    check_consistent_length(X.T, Y.T)
    rows = np.concatenate([X, Y])
    labels = np.repeat([0, 1], [len(X), len(Y)])
    seed = random_seed(random_state)
    folds = StratifiedKFold(cv, shuffle=True, random_state=seed)
    classifier = HistGradientBoostingClassifier(random_state=seed)
    return float(cross_val_score(classifier, rows, labels, cv=folds).mean())


def prior_match(estimator: Any, X: Any, *, random_state: Any = None) -> PriorMatch:
    """Return how well the codes of rows that took no part in training meet the prior.

    Parameters
    ----------
    estimator : fitted AdversarialAutoencoder
    X : array-like of shape (n_samples, n_features)
    random_state : int, RandomState or None, default=None

    Returns
    -------
    match : PriorMatch
        Its ``ratio`` is about 1 where codes and prior cannot be told apart.

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
    return estimator._prior_match(X, seed=random_seed(random_state))
