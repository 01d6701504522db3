"""What a nonlinear map could restore of what principal components leave, found before training."""

from __future__ import annotations

import numpy as np
from sklearn import config_context
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import RidgeCV
from sklearn.metrics import pairwise_distances
from torch import Tensor

from skaae._threads import one_blas_thread

_MAX_ROWS = 1_000
_MAX_FEATURES = 300
# Widths of the kernel, as shares of the median squared distance, and ridges, from which each row's
# prediction by the others chooses.
_WIDTHS = (0.3, 1.0, 3.0)
_RIDGES = np.logspace(-3, 2, 6)
# What is no more of what principal components hold is due to rows having seven digits.
_ROUNDING = 1e-10


def predictable_share(x: Tensor, pca: PCA, seed: int, enough: float = 1.0) -> float:
    r"""Return the share of what `pca` leaves of rows that its components tell all the same.

    .. math:: 1 - \sum_i |r_i - \hat{r}_{-i}(z_i)|^2 / \sum_i |r_i|^2

    with the whitened components :math:`z_i` of a row, what they leave of it :math:`r_i`, and a
    kernel ridge regression :math:`\hat{r}_{-i}` fitted to all other rows. Rows that lie on a curved
    sheet come near 1; where nothing but noise is left it is 0, and a network would learn it by
    heart.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Of which at most 1,000 rows are looked at.
    pca : PCA
        Fitted to them.
    seed : int
    enough : float, default=1.0
        A share from which on nobody asks how large it is.
    """
    scores, rest = _scores_and_rest(x, pca)
    deviations = np.sqrt(pca.explained_variance_)
    used = deviations > 1e-6 * deviations.max()
    if not used.any() or not rest.any():
        return 0.0
    # Users may have asked for frames of all transformers.
    with one_blas_thread(), config_context(transform_output="default"):
        return _told_by_others(scores[:, used] / deviations[used], rest, seed, enough)


def directions_of_rest(x: Tensor, pca: PCA) -> float:
    r"""Return over how many directions is spread what `pca` leaves of rows.

    .. math:: \frac{(\sum_k \lambda_k)^2}{\sum_k \lambda_k^2}

    with its variances :math:`\lambda_k` along principal axes of its own. A sheet that is bent
    enough holds a part of a few directions beside its own, also of such as do not follow from
    them, but none worth having of as many as noise has.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Of which at most 1,000 rows are looked at.
    pca : PCA
        Fitted to them.

    Returns
    -------
    directions : float
        0 where nothing is left but rounding.
    """
    scores, rest = _scores_and_rest(x, pca)
    if np.sum(rest**2) <= _ROUNDING * np.sum(scores**2):
        return 0.0
    with one_blas_thread():
        products = rest.T @ rest if rest.shape[1] <= len(rest) else rest @ rest.T
    return float(np.trace(products)) ** 2 / float(np.sum(products**2))


def _scores_and_rest(x: Tensor, pca: PCA) -> tuple[np.ndarray, np.ndarray]:
    """Return components of some rows, and what they leave of them."""
    # As spread over a sorted table as they can be.
    index = np.linspace(0, len(x) - 1, min(len(x), _MAX_ROWS)).round().astype(int)
    rows = x[index].cpu().double().numpy()
    with one_blas_thread(), config_context(transform_output="default"):
        scores = pca.transform(rows)
        return scores, rows - pca.inverse_transform(scores)


def _told_by_others(codes: np.ndarray, rest: np.ndarray, seed: int, enough: float) -> float:
    """Return the share of `rest` that kernel ridge regressions on the codes of other rows tell."""
    median = float(np.median(pairwise_distances(codes, metric="sqeuclidean")))
    if median == 0.0:
        return 0.0
    best = 0.0
    for width in _WIDTHS:
        kernel = Nystroem(
            gamma=width / median,
            n_components=min(_MAX_FEATURES, len(codes)),
            random_state=seed,
        )
        fitted = RidgeCV(_RIDGES).fit(kernel.fit_transform(codes), rest)
        best = max(best, 1.0 + float(fitted.best_score_) / float(np.mean(rest**2)))
        if best >= enough:
            break
    return best
