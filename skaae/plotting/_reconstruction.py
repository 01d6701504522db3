"""Rows, and what is left of them after encoding and decoding."""

from __future__ import annotations

from typing import Any

import numpy as np

from skaae._tensors import as_array
from skaae.plotting._arguments import (
    check_image_shape,
    check_offers,
    check_size,
    decode,
    dense_rows,
    labels_to_decode,
)
from skaae.plotting._axes import axes_for
from skaae.plotting._tiles import draw_tiles, tiles_figsize


class ReconstructionDisplay:
    r"""Rows, below each its reconstruction, and below that the mean squared error of its columns.

    .. math:: \frac{1}{d} \sum_j (x_{ij} - \hat x_{ij})^2

    Parameters
    ----------
    rows : ndarray of shape (n_shown, n_features)
    reconstructions : ndarray of shape (n_shown, n_features)
    mean_error : float, default=None
        Written above, as the mean over `n_samples` rows; None is that over the rows shown.
    n_samples : int, default=None
    image_shape : tuple of int, default=None

    Attributes
    ----------
    errors : ndarray of shape (n_shown,)
    ax_ : Axes
    figure_ : Figure
    tiles_ : AxesImage or LineCollection

    References
    ----------
    G. Hinton, R. Salakhutdinov, *Reducing the Dimensionality of Data with Neural Networks*, 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skaae import AdversarialAutoencoder
    >>> from skaae.plotting import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> aae = AdversarialAutoencoder(
    ...     max_iter=2, hidden_layer_sizes=(16,), random_state=0
    ... ).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(aae, X, n_shown=8, image_shape=(8, 8))
    >>> display.errors.shape
    (8,)
    """

    def __init__(
        self,
        *,
        rows: np.ndarray,
        reconstructions: np.ndarray,
        mean_error: float | None = None,
        n_samples: int | None = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.rows = rows
        self.reconstructions = reconstructions
        self.errors = _squared_errors(rows, reconstructions)
        self.mean_error = float(self.errors.mean()) if mean_error is None else mean_error
        self.n_samples = len(rows) if n_samples is None else n_samples
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        n_shown: int = 10,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> ReconstructionDisplay:
        """Encode and decode rows, and draw the first of them.

        Parameters
        ----------
        estimator : fitted transformer with ``inverse_transform``
            PCA too, for comparison.
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
        y : label or array-like of shape (n_samples,), default=None
            Classes to decode in, where the decoder is given them. None takes the labels that the
            estimator predicts, where it does.
        n_shown : int, default=10
            Rows drawn, from the first on; the error in the title is the mean over all of `X`.
        image_shape : (height, width) or (height, width, 3), default=None
            Of a row that is an image; None draws rows as profiles.
        ax : Axes, default=None
            None draws in a new figure.
        **plot_params : dict
            Passed to ``plot``.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        TypeError
            If the estimator does not encode and decode.
        ValueError
            If `image_shape` does not hold a row, or the decoder needs `y` and got none.
        """
        check_offers(cls, estimator, "transform", "inverse_transform")
        n_shown = check_size("n_shown", n_shown)
        X, y = as_array(X), as_array(y)
        labels = labels_to_decode(estimator, X, y)
        reconstructions = decode(estimator, estimator.transform(X), labels)
        rows = dense_rows(X)
        display = cls(
            rows=rows[:n_shown],
            reconstructions=reconstructions[:n_shown],
            mean_error=float(_squared_errors(rows, reconstructions).mean()),
            n_samples=len(rows),
            image_shape=check_image_shape(image_shape, rows.shape[1]),
        )
        return display.plot(ax=ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        cmap: Any = "gray",
        vmin: Any = None,
        vmax: Any = None,
    ) -> ReconstructionDisplay:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, default=None
            None draws in a new figure.
        cmap : str or Colormap, default="gray"
            Of images with one channel: great values are white. ``"gray_r"`` is ink on paper.
        vmin, vmax : float or array-like of shape (n_features,), default=None
            Black and white of images, and bottom and top of profiles. None is the least and the
            greatest value of the rows shown, of profiles in each column; reconstructions have the
            same.

        Returns
        -------
        display : ReconstructionDisplay
        """
        ax = axes_for(self, ax, tiles_figsize(2, len(self.rows), self.image_shape))
        tiles = np.stack([self.rows, self.reconstructions])
        self.tiles_ = draw_tiles(
            ax,
            tiles,
            image_shape=self.image_shape,
            cmap=cmap,
            vmin=self.rows.min(axis=0) if vmin is None else vmin,
            vmax=self.rows.max(axis=0) if vmax is None else vmax,
        )
        ax.set_yticks([0.5, 1.5], ["row", "restored"])
        ax.set_xticks(np.arange(len(self.rows)) + 0.5, [_short(error) for error in self.errors])
        ax.tick_params(length=0)
        ax.set_xlabel("squared error of the row, mean over columns")
        ax.set_title(f"Mean squared error of {self.n_samples:,} rows: {_short(self.mean_error)}")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _short(error: float) -> str:
    """Return three digits of a number, without a power of ten where there need be none."""
    return f"{error:,.0f}" if error >= 1_000.0 else f"{error:.3g}"


def _squared_errors(rows: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each row."""
    difference = np.asarray(rows, dtype=np.float64) - reconstructions
    errors: np.ndarray = np.square(difference).mean(axis=1)
    return errors
