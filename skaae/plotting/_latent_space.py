"""Codes in the plane, and the prior behind them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import stats
from scipy.ndimage import gaussian_filter
from sklearn.utils import check_consistent_length

from skaae._labels import mark_unlabeled
from skaae._modes import inference
from skaae._tensors import as_array
from skaae.plotting._arguments import check_components, check_offers, prior_draws
from skaae.plotting._axes import axes_for

# Paul Tol's "muted" colours and black: ten that readers of all kinds of sight tell apart, all of
# them on light grey too. With more classes than colours the markers still differ.
_COLOURS = (
    "#332288",
    "#88ccee",
    "#44aa99",
    "#117733",
    "#999933",
    "#ddcc77",
    "#cc6677",
    "#882255",
    "#aa4499",
    "#000000",
)
_MARKERS = ("o", "^", "s")
# More numbers than this are values, not names of classes; there are as many pairs as this.
_MOST_CLASSES = len(_COLOURS) * len(_MARKERS)
_MOST_LEGEND_ROWS = 16

_RESOLUTION = 120
_N_DRAWS = 200_000
# Smooths the counts of draws; in cells of the grid.
_SMOOTHING = 2.0
# How much of the prior the frame shows in each component, and the outline encloses.
_FRAMED = (0.001, 0.999)
_OUTLINED = 0.99


class LatentSpaceDisplay:
    """Codes in the plane, coloured by class or value, with the density of the prior behind them.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, 2)
    x0, x1 : ndarray of shape (n_points,)
        Where the density is known; they span the frame, which covers codes and prior.
    density : ndarray of shape (n_points, n_points)
        Density of the prior at ``(x0[j], x1[i])``.
    y : ndarray of shape (n_samples,), default=None
        Classes, or values (numbers with a fraction, or more than 30 different ones).
    components : tuple of int, default=(0, 1)
        Which components of the codes these are.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    density_ : AxesImage
        The prior; the darker, the denser.
    outline_ : ContourSet
        Around 99 % of the prior.
    scatter_ : list of PathCollection
        The codes, a collection for each class.
    legend_ : Legend
    colorbar_ : Colorbar or None
        Where `y` holds values.

    References
    ----------
    A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, *Adversarial Autoencoders*, 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skaae import AdversarialAutoencoder
    >>> from skaae.plotting import LatentSpaceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> aae = AdversarialAutoencoder(
    ...     max_iter=20, hidden_layer_sizes=(16,), random_state=0
    ... ).fit(X)
    >>> display = LatentSpaceDisplay.from_estimator(aae, X, y)
    >>> len(display.scatter_)
    3
    """

    def __init__(
        self,
        *,
        codes: np.ndarray,
        x0: np.ndarray,
        x1: np.ndarray,
        density: np.ndarray,
        y: np.ndarray | None = None,
        components: tuple[int, ...] = (0, 1),
    ) -> None:
        self.codes = codes
        self.x0 = x0
        self.x1 = x1
        self.density = density
        self.y = y
        self.components = components

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        components: tuple[int, int] = (0, 1),
        random_state: Any = 0,
        ax: Any = None,
        **plot_params: Any,
    ) -> LatentSpaceDisplay:
        """Encode rows and draw their codes before the prior.

        The prior's density is its closed form in the plane where the prior has one, else that of
        200,000 draws. Codes are those of ``transform``, so means of q(z|x): with a posterior that
        is not deterministic they spread a little less than draws from it do.

        Parameters
        ----------
        estimator : fitted autoencoder
            With two components or more.
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            Classes or values to colour codes by; rows without a class may be marked as for ``fit``.
            None takes the labels that the estimator predicts, where it does.
        components : (int, int), default=(0, 1)
            Which components to show.
        random_state : int, RandomState or None, default=0
            Of the draws from the prior.
        ax : Axes, default=None
            None draws in a new figure.
        **plot_params : dict
            Passed to ``plot``.

        Returns
        -------
        display : LatentSpaceDisplay

        Raises
        ------
        TypeError
            If the estimator has no codes or no prior.
        ValueError
            If there are no two such components, or `y` has another length than `X` or holds NaN.
        """
        check_offers(cls, estimator, "transform", "prior_")
        X, y = as_array(X), as_array(y)
        codes = np.asarray(estimator.transform(X), dtype=np.float64)
        if codes.shape[1] < 2:
            raise ValueError(
                f"{cls.__name__}: expected codes with at least two components, got one; "
                "PriorMatchDisplay shows one component."
            )
        plane = list(check_components(components, codes.shape[1], (2,)))
        if y is None and hasattr(estimator, "predict"):
            y = estimator.predict(X)
        if y is not None:
            y = mark_unlabeled(y)
            check_consistent_length(codes, y)
            # Classes that are sorted have to be of one type, also beside rows that have none.
            if y.dtype == object and len(set(map(type, y))) > 1:
                y = y.astype(str)
            if y.dtype.kind == "f" and not np.isfinite(y).all():
                raise ValueError("y: expected classes or finite values, got NaN or infinity.")
        prior, n_components = estimator.prior_, codes.shape[1]
        draws = prior_draws(prior, _N_DRAWS, n_components, random_state)[:, plane]
        codes = codes[:, plane]
        x0, x1 = (_frame(*columns) for columns in zip(codes.T, draws.T))
        density = _density(prior, n_components, plane, x0, x1, draws)
        display = cls(codes=codes, x0=x0, x1=x1, density=density, y=y, components=tuple(plane))
        return display.plot(ax=ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        cmap: Any = "viridis",
        legend: bool = True,
        scatter_kwargs: dict[str, Any] | None = None,
    ) -> LatentSpaceDisplay:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, default=None
            None draws in a new figure.
        cmap : str or Colormap, default="viridis"
            Of values `y`; classes have colours and markers of their own.
        legend : bool, default=True
            Whether to draw a legend, to the right of the axes. A figure with a layout engine makes
            room for it; else save with ``bbox_inches="tight"``.
        scatter_kwargs : dict, default=None
            Passed to ``Axes.scatter``.

        Returns
        -------
        display : LatentSpaceDisplay
        """
        ax = axes_for(self, ax, (6.4, 4.7))
        extent = (self.x0[0], self.x0[-1], self.x1[0], self.x1[-1])
        self.density_ = ax.imshow(
            self.density,
            extent=extent,
            origin="lower",
            cmap="Greys",
            vmin=0.0,
            # Light enough for points of all colours before it.
            vmax=2.5 * self.density.max(),
            interpolation="bilinear",
            zorder=0,
        )
        self.outline_ = ax.contour(
            self.x0,
            self.x1,
            self.density,
            levels=[_level(self.density, _OUTLINED)],
            colors="0.35",
            linestyles="--",
            linewidths=1.0,
            zorder=1,
        )
        size = float(np.clip(24_000 / max(len(self.codes), 1), 4.0, 22.0))
        style = {"s": size, "alpha": 0.8, "linewidths": 0.0, "zorder": 2, **(scatter_kwargs or {})}
        self.colorbar_ = None
        if self.y is None:
            self.scatter_ = [ax.scatter(*self.codes.T, **{"c": _COLOURS[0], **style})]
        elif _is_continuous(self.y):
            self.scatter_ = [ax.scatter(*self.codes.T, c=self.y, cmap=cmap, **style)]
            self.colorbar_ = ax.figure.colorbar(self.scatter_[0], ax=ax, label="y")
        else:
            self.scatter_ = [
                ax.scatter(
                    *self.codes[self.y == label].T,
                    label=str(label) or "no class",
                    **{"c": colour, "marker": marker, **style},
                )
                for label, colour, marker in _styles(np.unique(self.y))
            ]
        ax.set(
            xlabel=f"component {self.components[0]}",
            ylabel=f"component {self.components[1]}",
            xlim=extent[:2],
            ylim=extent[2:],
            aspect="equal",
        )
        self.legend_ = self._legend(ax) if legend else None
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _legend(self, ax: Any) -> Any:
        from matplotlib.lines import Line2D

        outline = Line2D([], [], color="0.35", linestyle="--", linewidth=1.0)
        handles, labels = ax.get_legend_handles_labels()
        # Values have their colour bar to the right, so what is left of the legend goes above.
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0)}
        if not handles:
            place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
        legend = ax.legend(
            [*handles, outline],
            [*labels, f"{_OUTLINED:.0%} of the prior"],
            frameon=False,
            ncols=1 + len(handles) // _MOST_LEGEND_ROWS,
            **place,
        )
        for handle in legend.legend_handles[: len(handles)]:
            handle.set(sizes=[30.0], alpha=1.0)
        return legend


def _is_continuous(y: np.ndarray) -> bool:
    """Return whether `y` holds values rather than names of classes."""
    if y.dtype.kind not in "fiu":
        return False
    return bool((y != np.floor(y)).any()) or len(np.unique(y)) > _MOST_CLASSES


def _styles(labels: np.ndarray) -> list[tuple[Any, str, str]]:
    """Return label, colour and marker of each class; neighbours in the list differ in both."""
    return [
        (label, _COLOURS[k % len(_COLOURS)], _MARKERS[k % len(_MARKERS)])
        for k, label in enumerate(labels)
    ]


def _frame(codes: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return points along an axis that covers codes and prior."""
    ends = np.concatenate([[codes.min(), codes.max()], np.quantile(draws, _FRAMED)])
    margin = 0.04 * max(np.ptp(ends), 1e-6)
    return np.linspace(ends.min() - margin, ends.max() + margin, _RESOLUTION)


def _density(
    prior: Any,
    n_components: int,
    plane: list[int],
    x0: np.ndarray,
    x1: np.ndarray,
    draws: np.ndarray,
) -> np.ndarray:
    """Return the density of the prior's components `plane`, shape (len(x1), len(x0))."""
    gaussian = prior.gaussian_parameters(n_components)
    if gaussian is not None:  # as is every margin
        law = stats.norm(*gaussian)
        product: np.ndarray = law.pdf(x1)[:, None] * law.pdf(x0)
        return product
    if n_components == 2 and hasattr(prior, "log_density"):
        points = np.empty((x1.size, x0.size, 2))
        points[..., plane[0]], points[..., plane[1]] = x0, x1[:, None]
        with inference():
            log_density = prior.log_density(torch.as_tensor(points.reshape(-1, 2)))
        density: np.ndarray = np.exp(log_density.numpy()).reshape(points.shape[:2])
        return density
    steps = x1[1] - x1[0], x0[1] - x0[0]
    edges = [
        np.append(points - step / 2, points[-1] + step / 2) for points, step in zip((x1, x0), steps)
    ]
    counts, *_ = np.histogram2d(draws[:, 1], draws[:, 0], bins=edges)
    smoothed: np.ndarray = gaussian_filter(counts / (len(draws) * steps[0] * steps[1]), _SMOOTHING)
    return smoothed


def _level(density: np.ndarray, share: float) -> float:
    """Return the density above which `share` of the mass lies."""
    values = np.sort(density, axis=None)[::-1]
    mass = np.cumsum(values)
    return float(values[np.searchsorted(mass, share * mass[-1])])
