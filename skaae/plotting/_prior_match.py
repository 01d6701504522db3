"""Codes against the prior that they are to follow."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from skaae._prior_match import PriorMatch
from skaae._tensors import as_array
from skaae.plotting._arguments import check_components, check_offers, check_size, prior_draws
from skaae.plotting._axes import panels_for

_MOST_MARGINS = 4
_MOST_POINTS = 2_000
# More draws from the prior than there are codes make a smooth margin.
_LEAST_DRAWS = 20_000
# Room for three lines of words above the panels, in inches.
_HEADER = 0.65
_CODES, _PRIOR = "#332288", "#b07800"
_KINDS = ("histogram", "quantile")


class PriorMatchDisplay:
    """Codes beside draws from the prior: margins, one view, and the distance in words.

    The view is the plane of the components where there are two. Where there are more, its axes are
    the two directions in which codes spread least and most in comparison with the prior: where
    codes have collapsed, it shows.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
    prior_codes : ndarray of shape (n_draws, n_components)
    components : tuple of int
        Whose margins are shown.
    match : PriorMatch, default=None
        The figures to write.

    Attributes
    ----------
    view : ndarray of shape (n_components, 2) or None
        Directions of unit length that the view projects on; None for codes of one component.
    words : str or None
        The figures in words. They stand above the panels, but where axes were given for each.
    ax_ : Axes
        That was divided into panels, or the first of them.
    axes_ : ndarray of Axes of shape (n_panels,)
        A panel for each of `components`, and behind them that of the view.
    figure_ : Figure

    References
    ----------
    M. Wilk, R. Gnanadesikan, *Probability Plotting Methods for the Analysis of Data*, 1968.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skaae import AdversarialAutoencoder
    >>> from skaae.plotting import PriorMatchDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> aae = AdversarialAutoencoder(
    ...     max_iter=20, hidden_layer_sizes=(16,), random_state=0
    ... ).fit(X)
    >>> PriorMatchDisplay.from_estimator(aae, X).axes_.shape
    (3,)
    """

    def __init__(
        self,
        *,
        codes: np.ndarray,
        prior_codes: np.ndarray,
        components: tuple[int, ...],
        match: PriorMatch | None = None,
    ) -> None:
        self.codes = codes
        self.prior_codes = prior_codes
        self.components = components
        self.match = match
        self.view = _view(codes, prior_codes)
        self.words = None if match is None else _in_words(match)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        components: tuple[int, ...] | None = None,
        match: Any = None,
        random_state: Any = 0,
        ax: Any = None,
        **plot_params: Any,
    ) -> PriorMatchDisplay:
        """Encode rows and draw their codes beside draws from the prior.

        Codes are those of ``transform``, so means of q(z|x): with a posterior that is not
        deterministic they spread a little less than draws from it do.

        Parameters
        ----------
        estimator : fitted autoencoder
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
            Rows that took no part in training, for an honest picture.
        components : sequence of at most four int, default=None
            Whose margins to show; None takes those four that are farthest from the prior's.
        match : PriorMatch, default=None
            The figures to write: None is the ``prior_match_`` of the fit. For those of `X` pass
            what :func:`skaae.metrics.prior_match` answers.
        random_state : int, RandomState or None, default=0
            Of the draws from the prior.
        ax : Axes or sequence of Axes, default=None
            One axes of a subplot is divided; None draws in a new figure.
        **plot_params : dict
            Passed to ``plot``.

        Returns
        -------
        display : PriorMatchDisplay

        Raises
        ------
        TypeError
            If the estimator has no codes or no prior.
        ValueError
            If there are no such components.
        """
        check_offers(cls, estimator, "transform", "prior_")
        codes = np.asarray(estimator.transform(as_array(X)), dtype=np.float64)
        n_components = codes.shape[1]
        n_draws = max(len(codes), _LEAST_DRAWS)
        draws = prior_draws(estimator.prior_, n_draws, n_components, random_state)
        if components is None:
            components = _farthest_margins(codes, draws)
        allowed = tuple(range(1, min(n_components, _MOST_MARGINS) + 1))
        display = cls(
            codes=codes,
            prior_codes=draws,
            components=check_components(components, n_components, allowed),
            match=getattr(estimator, "prior_match_", None) if match is None else match,
        )
        return display.plot(ax=ax, **plot_params)

    def plot(
        self, ax: Any = None, *, kind: str = "histogram", n_bins: int | None = None
    ) -> PriorMatchDisplay:
        """Draw the display.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default=None
            One axes of a subplot is divided, a sequence has one axes for each panel; None draws in
            a new figure.
        kind : {"histogram", "quantile"}, default="histogram"
            Of the margins: densities, or quantiles of the codes over those of the prior, on the
            diagonal where they agree.
        n_bins : int, default=None
            Of histograms; None is the square root of the number of codes, 10 at least and 60 at
            most.

        Returns
        -------
        display : PriorMatchDisplay

        Raises
        ------
        ValueError
            If `kind` is none of the two, or `n_bins` is not a positive integer.
        """
        if kind not in _KINDS:
            raise ValueError(f"kind: expected 'histogram' or 'quantile', got {kind!r}.")
        if n_bins is None:
            n_bins = int(np.clip(np.sqrt(len(self.codes)), 10, 60))
        n_bins = check_size("n_bins", n_bins)
        cells, shape = _cells(len(self.components), has_view=self.view is not None)
        ratios = [1.0] * shape[1]
        if self.view is not None:
            ratios[-1] = 1.6
        size = (max(2.6 * sum(ratios) + 0.4, 7.0), 5.6 if self.view is not None else 4.0)
        header = 0.0 if self.words is None else _HEADER
        self.ax_, self.axes_ = panels_for(self, ax, cells, shape, size, ratios, header)
        self.figure_ = self.ax_.figure
        for component, panel in zip(self.components, self.axes_):
            ours, theirs = self.codes[:, component], self.prior_codes[:, component]
            if kind == "histogram":
                _draw_histograms(panel, ours, theirs, n_bins)
            else:
                _draw_quantiles(panel, ours, theirs)
            panel.set_title(f"component {component}", fontsize="medium")
        if self.view is not None:
            self._draw_view(self.axes_[-1])
        self.axes_[-1].legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False
        )
        # Axes that were not divided have no room for words of their own.
        if self.words is not None and self.ax_ is not self.axes_[0]:
            self.ax_.text(
                0.0, 1.0, self.words, transform=self.ax_.transAxes, va="top"
            ).set_in_layout(False)
        return self

    def _draw_view(self, panel: Any) -> None:
        for rows, colour, marker, label in (
            (self.prior_codes, _PRIOR, "x", "prior"),
            (self.codes, _CODES, "o", "codes"),
        ):
            shown = rows[: min(len(self.codes), _MOST_POINTS)] @ self.view
            width = 0.8 if marker == "x" else 0.0
            panel.scatter(
                *shown.T, s=10, c=colour, marker=marker, linewidths=width, alpha=0.6, label=label
            )
        if self.codes.shape[1] == 2:
            names = ["component 0", "component 1"]
        else:
            names = ["direction of least spread", "direction of greatest spread"]
        panel.set(xlabel=names[0], ylabel=names[1])
        panel.set_aspect("equal", adjustable="datalim")
        panel.set_title("codes and as many draws of the prior", fontsize="medium")


def _in_words(match: Any) -> str:
    """Return the figures of a :class:`~skaae.metrics.PriorMatch` in words."""
    verdict = "Codes meet the prior about as two of its samples meet each other."
    if match.collapsed:
        verdict = "Codes have collapsed: they leave a direction of the prior unused."
    elif match.mismatched:
        verdict = "Codes do not follow the prior."
    elif match.ratio > 1.5:
        verdict = "Codes are near the prior, not quite distributed as it is."
    rows = {True: "held-out rows", False: "training rows", None: "rows"}[match.held_out]
    return (
        f"{verdict}\nThey are {match.distance:.2g} standard deviations of the prior from it, two "
        f"samples of it {match.reference:.2g} ({match.ratio:.1f} times).\nLeast spread in a "
        f"direction: {match.spread:.0%} of the prior's. Measured on {match.n_samples:,} {rows}."
    )


def _view(codes: np.ndarray, prior_codes: np.ndarray) -> np.ndarray | None:
    """Return the two directions of least and greatest spread against the prior, as columns."""
    if codes.shape[1] <= 2:
        return np.eye(2) if codes.shape[1] == 2 else None
    values, vectors = np.linalg.eigh(np.cov(prior_codes.T))
    # A prior on the simplex has no spread along the diagonal: leave such directions out.
    kept = values > 1e-6 * values.max()
    if kept.sum() < 2 or len(codes) < 2:
        return np.eye(codes.shape[1])[:, :2]
    whitening = vectors[:, kept] / np.sqrt(values[kept])
    _, directions = np.linalg.eigh(whitening.T @ np.cov(codes.T) @ whitening)
    view = whitening @ directions[:, [0, -1]]
    unit: np.ndarray = view / np.linalg.norm(view, axis=0)
    return unit


def _farthest_margins(codes: np.ndarray, draws: np.ndarray) -> tuple[int, ...]:
    spread = draws.std(axis=0)
    distances = [
        stats.wasserstein_distance(ours, theirs) / max(scale, 1e-12)
        for ours, theirs, scale in zip(codes.T, draws.T, spread)
    ]
    return tuple(sorted(np.argsort(distances)[::-1][:_MOST_MARGINS].tolist()))


def _cells(
    n_margins: int, *, has_view: bool
) -> tuple[list[tuple[int | None, int]], tuple[int, int]]:
    """Return the place of each panel, and the shape of the grid: margins left, the view right."""
    n_columns = 1 if n_margins <= 2 else 2
    n_rows = -(-n_margins // n_columns)
    cells: list[tuple[int | None, int]] = [
        (k // n_columns, k % n_columns) for k in range(n_margins)
    ]
    if has_view:
        cells.append((None, n_columns))
    return cells, (n_rows, n_columns + has_view)


def _draw_histograms(panel: Any, codes: np.ndarray, draws: np.ndarray, n_bins: int) -> None:
    # The farthest of many draws would leave the codes a corner.
    ends = np.concatenate([codes, np.quantile(draws, [0.001, 0.999])])
    bins = np.histogram_bin_edges(ends, bins=n_bins)
    panel.hist(codes, bins, density=True, color=_CODES, alpha=0.45, label="codes")
    panel.hist(
        draws, bins, density=True, histtype="step", color=_PRIOR, linewidth=1.6, label="prior"
    )
    panel.set(yticks=[])


def _draw_quantiles(panel: Any, codes: np.ndarray, draws: np.ndarray) -> None:
    shares = (np.arange(min(len(codes), 200)) + 0.5) / min(len(codes), 200)
    theirs, ours = np.quantile(draws, shares), np.quantile(codes, shares)
    ends = [min(theirs[0], ours[0]), max(theirs[-1], ours[-1])]
    panel.plot(ends, ends, color=_PRIOR, linewidth=1.2, label="prior")
    panel.scatter(theirs, ours, s=8, c=_CODES, linewidths=0.0, label="codes")
    panel.set(xlabel="quantiles of the prior", ylabel="of the codes")
