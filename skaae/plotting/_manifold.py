"""What the decoder makes of codes all over the prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skaae.plotting._arguments import (
    check_components,
    check_image_shape,
    check_offers,
    check_size,
    decode,
    labels_to_decode,
    n_components_of,
)
from skaae.plotting._axes import axes_for
from skaae.plotting._tiles import draw_tiles, tiles_figsize

_MOST_TICKS = 8


class ManifoldDisplay:
    r"""Decoded codes of a grid through the quantiles of the prior.

    Along each of two components the codes are the prior's quantiles,

    .. math:: z_k = F^{-1}\left(\frac{k + 1/2}{K}\right), \qquad k = 0, \ldots, K - 1,

    so that steps hold equal mass: for a normal they widen outwards, for a uniform they are even.
    All other components rest at the median.

    Parameters
    ----------
    rows : ndarray of shape (n_cells, n_features)
        The decoded codes, line by line from the upper left, where the first component is least and
        the second greatest.
    quantiles : list of ndarray of shape (n_steps,)
        Of each component shown, rising.
    components : tuple of int, default=(0, 1)
    image_shape : tuple of int, default=None

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    tiles_ : AxesImage or LineCollection

    References
    ----------
    D. Kingma, M. Welling, *Auto-Encoding Variational Bayes*, 2014, figure 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skaae import AdversarialAutoencoder
    >>> from skaae.plotting import ManifoldDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> aae = AdversarialAutoencoder(
    ...     max_iter=2, hidden_layer_sizes=(16,), random_state=0
    ... ).fit(X)
    >>> ManifoldDisplay.from_estimator(aae, n_steps=4, image_shape=(8, 8)).rows.shape
    (16, 64)
    """

    def __init__(
        self,
        *,
        rows: np.ndarray,
        quantiles: Sequence[np.ndarray],
        components: tuple[int, ...] = (0, 1),
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.rows = rows
        self.quantiles = quantiles
        self.components = components
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        n_steps: int = 15,
        components: tuple[int, ...] | None = None,
        y: Any = None,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> ManifoldDisplay:
        """Decode a grid of codes and draw what comes out.

        Parameters
        ----------
        estimator : fitted autoencoder
        n_steps : int, default=15
            Codes along each component.
        components : (int, int) or (int,), default=None
            Which components to vary; None is the first two, or the one there is.
        y : label, default=None
            Class to decode in, where the decoder is given one.
        image_shape : (height, width) or (height, width, 3), default=None
            Of a row that is an image; None draws rows as profiles.
        ax : Axes, default=None
            None draws in a new figure.
        **plot_params : dict
            Passed to ``plot``.

        Returns
        -------
        display : ManifoldDisplay

        Raises
        ------
        TypeError
            If the estimator does not decode codes.
        ValueError
            If there are no such components, the prior's codes are one-hot, `image_shape` does not
            hold a row, or the decoder needs `y` and got none.
        """
        check_offers(cls, estimator, "inverse_transform", "prior_")
        n_steps = check_size("n_steps", n_steps)
        prior, n_components = estimator.prior_, n_components_of(estimator)
        if prior.on_simplex:
            raise ValueError(
                f"{cls.__name__}: expected a prior whose components vary freely, got one-hot codes "
                f"of {prior}."
            )
        default = tuple(range(min(2, n_components)))
        components = check_components(
            default if components is None else components, n_components, (1, 2)
        )
        label = labels_to_decode(estimator, None, y) if y is not None else None
        shares = (np.arange(n_steps) + 0.5) / n_steps
        quantiles = prior.quantiles(shares, n_components)
        # From the upper left: the first component rises to the right, the second upwards.
        grid = np.meshgrid(quantiles[:, components[0]], *_falling(quantiles, components[1:]))
        codes = np.repeat(prior.quantiles([0.5], n_components), grid[0].size, axis=0)
        for component, values in zip(components, grid):
            codes[:, component] = values.ravel()
        rows = decode(estimator, codes, label)
        display = cls(
            rows=rows,
            quantiles=[quantiles[:, component] for component in components],
            components=components,
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
    ) -> ManifoldDisplay:
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
        display : ManifoldDisplay
        """
        n_columns = len(self.quantiles[0])
        n_rows = len(self.rows) // n_columns
        ax = axes_for(self, ax, tiles_figsize(n_rows, n_columns, self.image_shape))
        self.tiles_ = draw_tiles(
            ax,
            self.rows.reshape(n_rows, n_columns, -1),
            image_shape=self.image_shape,
            cmap=cmap,
            vmin=vmin,
            vmax=vmax,
        )
        ticks = np.arange(0, n_columns, -(-n_columns // _MOST_TICKS))
        names = [[f"{values[k]:.2g}" for k in ticks] for values in self.quantiles]
        ax.set_xticks(ticks + 0.5, names[0])
        ax.set_xlabel(f"component {self.components[0]}")
        if len(self.components) == 2:
            ax.set_yticks(n_rows - 0.5 - ticks, names[1])
            ax.set_ylabel(f"component {self.components[1]}")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _falling(quantiles: np.ndarray, components: tuple[int, ...]) -> list[np.ndarray]:
    return [quantiles[::-1, component] for component in components]
