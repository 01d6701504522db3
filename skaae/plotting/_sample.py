"""New rows."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from skaae.plotting._arguments import check_image_shape, check_offers, check_size
from skaae.plotting._axes import axes_for
from skaae.plotting._tiles import draw_tiles, tiles_figsize


class SampleDisplay:
    """Samples of a generative model in a grid, on request a class in each line.

    Parameters
    ----------
    samples : ndarray of shape (n_rows * n_columns, n_features)
    n_columns : int
    y : sequence of length n_rows, default=None
        Class of each line.
    image_shape : tuple of int, default=None

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    tiles_ : AxesImage or LineCollection

    References
    ----------
    A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, *Adversarial Autoencoders*, 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skaae import ConditionalAdversarialAutoencoder
    >>> from skaae.plotting import SampleDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> aae = ConditionalAdversarialAutoencoder(
    ...     4, max_iter=2, hidden_layer_sizes=(16,), random_state=0
    ... ).fit(X, y)
    >>> display = SampleDisplay.from_estimator(aae, y=[3, 8], n_columns=5, image_shape=(8, 8))
    >>> display.samples.shape
    (10, 64)
    """

    def __init__(
        self,
        *,
        samples: np.ndarray,
        n_columns: int,
        y: Any = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.samples = samples
        self.n_columns = n_columns
        self.y = y
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        n_rows: int = 5,
        n_columns: int = 10,
        y: Any = None,
        random_state: Any = None,
        sample_params: dict[str, Any] | None = None,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> SampleDisplay:
        """Draw new rows.

        Parameters
        ----------
        estimator : fitted estimator with ``sample``
        n_rows, n_columns : int, default=5 and 10
            Of the grid; with `y` it has a line for each class instead of `n_rows`.
        y : label or array-like of shape (n_classes,), default=None
            Classes to draw, for estimators whose ``sample`` takes them. None draws any.
        random_state : int, RandomState or None, default=None
            A seed gives the same rows again.
        sample_params : dict, default=None
            Further arguments of ``sample``, such as ``{"source": "aggregated_posterior"}``.
        image_shape : (height, width) or (height, width, 3), default=None
            Of a row that is an image; None draws rows as profiles.
        ax : Axes, default=None
            None draws in a new figure.
        **plot_params : dict
            Passed to ``plot``.

        Returns
        -------
        display : SampleDisplay

        Raises
        ------
        TypeError
            If the estimator does not sample.
        ValueError
            If a size is not positive, `image_shape` does not hold a row, or `y` is given to an
            estimator that draws no classes or not those.
        """
        check_offers(cls, estimator, "sample")
        n_rows, n_columns = check_size("n_rows", n_rows), check_size("n_columns", n_columns)
        asked = dict(sample_params or {})
        if y is not None:
            if "y" not in inspect.signature(estimator.sample).parameters:
                raise ValueError(
                    f"y: {type(estimator).__name__} draws rows without classes, so expected y=None."
                )
            y = np.atleast_1d(y)
            if y.ndim != 1 or len(y) == 0:
                raise ValueError(f"y: expected labels, one a line of the grid, got {y!r}.")
            n_rows, asked["y"] = len(y), np.repeat(y, n_columns)
        samples = estimator.sample(n_rows * n_columns, random_state=random_state, **asked)
        display = cls(
            samples=samples,
            n_columns=n_columns,
            y=y,
            image_shape=check_image_shape(image_shape, samples.shape[1]),
        )
        return display.plot(ax=ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        cmap: Any = "gray",
        vmin: Any = None,
        vmax: Any = None,
    ) -> SampleDisplay:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, default=None
            None draws in a new figure.
        cmap : str or Colormap, default="gray"
            Of images with one channel: great values are white. ``"gray_r"`` is ink on paper.
        vmin, vmax : float or array-like of shape (n_features,), default=None
            Black and white of images, and bottom and top of profiles. None takes percentiles 1 and
            99 of images, and of profiles the least and the greatest value of each column.

        Returns
        -------
        display : SampleDisplay
        """
        n_rows = len(self.samples) // self.n_columns
        ax = axes_for(self, ax, tiles_figsize(n_rows, self.n_columns, self.image_shape))
        self.tiles_ = draw_tiles(
            ax,
            self.samples.reshape(n_rows, self.n_columns, -1),
            image_shape=self.image_shape,
            cmap=cmap,
            vmin=vmin,
            vmax=vmax,
        )
        if self.y is not None:
            ax.set_yticks(np.arange(n_rows) + 0.5, [str(label) for label in self.y])
            ax.tick_params(length=0)
        self.ax_, self.figure_ = ax, ax.figure
        return self
