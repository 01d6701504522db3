"""How training went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skaae.plotting._arguments import check_offers
from skaae.plotting._axes import panels_for

# Entries that are no losses.
_LEFT_OUT = {"epoch", "learning_rate", "recoveries", "seconds"}
# Which losses share a scale; what a panel has nothing of is left out, and what belongs to none is
# a further term of the objective.
_PANELS = {
    "reconstruction": ("reconstruction", "validation_reconstruction"),
    "divergence": (
        "divergence",
        "regularization",
        "discriminator",
        "label_regularization",
        "label_discriminator",
    ),
    "held-out measures": ("prior_distance", "criterion"),
}
_FURTHER = "further terms"
_NAMES = {
    "reconstruction": "training rows",
    "validation_reconstruction": "held-out rows",
    "prior_distance": "distance from the prior",
    "criterion": "criterion of early stopping",
}
# Values that span more than this are shown by their logarithm.
_WIDE = 20.0
# Colour and dashes differ, for readers of all kinds of sight.
_STYLES = (("#332288", "-"), ("#cc6677", "--"), ("#117733", "-."), ("#aa4499", ":"))


class HistoryDisplay:
    """Losses over epochs, and the epoch whose state was kept.

    Parameters
    ----------
    history : list of dict
        An entry an epoch, as ``history_`` holds them.
    best_iter : int, default=None
        Epoch to mark, counted from 1.

    Attributes
    ----------
    panels : dict of str to tuple of str
        Losses that share a panel, by its name.
    ax_ : Axes
        That was divided into panels, or the first of them.
    axes_ : ndarray of Axes of shape (n_panels,)
        The panels: reconstruction of training and held-out rows; divergence and discriminator;
        measures of held-out rows; further terms. Those that training had nothing of are missing.
    figure_ : Figure
    lines_ : dict of str to Line2D
        By name in ``history_``.

    References
    ----------
    L. Buitinck et al., *API Design for Machine Learning Software: Experiences from the Scikit-learn
    Project*, 2013.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skaae import AdversarialAutoencoder
    >>> from skaae.plotting import HistoryDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> aae = AdversarialAutoencoder(
    ...     max_iter=20, hidden_layer_sizes=(16,), random_state=0
    ... ).fit(X)
    >>> sorted(HistoryDisplay.from_estimator(aae).lines_)
    ['discriminator', 'reconstruction', 'regularization']
    """

    def __init__(self, *, history: list[Mapping[str, float]], best_iter: int | None = None) -> None:
        self.history = history
        self.best_iter = best_iter
        self.panels = _panels(history)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, **plot_params: Any
    ) -> HistoryDisplay:
        """Draw the history of a fit.

        Parameters
        ----------
        estimator : fitted estimator with ``history_``
        ax : Axes or sequence of Axes, default=None
            One axes of a subplot is divided; None draws in a new figure.
        **plot_params : dict
            Passed to ``plot``.

        Returns
        -------
        display : HistoryDisplay

        Raises
        ------
        TypeError
            If the estimator keeps no history.
        """
        check_offers(cls, estimator, "history_")
        display = cls(history=estimator.history_, best_iter=getattr(estimator, "best_iter_", None))
        return display.plot(ax=ax, **plot_params)

    def plot(self, ax: Any = None, *, line_kwargs: dict[str, Any] | None = None) -> HistoryDisplay:
        """Draw the display.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default=None
            One axes of a subplot is divided into panels, a sequence has one axes for each of
            ``panels``; None draws in a new figure.
        line_kwargs : dict, default=None
            Passed to ``Axes.plot``.

        Returns
        -------
        display : HistoryDisplay
        """
        n_panels = len(self.panels)
        self.ax_, self.axes_ = panels_for(
            self,
            ax,
            [(row, 0) for row in range(n_panels)],
            (n_panels, 1),
            (6.4, 0.8 + 1.9 * n_panels),
        )
        self.figure_ = self.ax_.figure
        self.lines_: dict[str, Any] = {}
        for panel, (title, names) in zip(self.axes_, self.panels.items()):
            for name, (colour, dashes) in zip(names, _STYLES * len(names)):
                epochs, values = self._series(name)
                style = {
                    "color": colour,
                    "linestyle": dashes,
                    # A single point has no line.
                    "marker": "o" if len(epochs) < 3 else None,
                    "label": _NAMES.get(name, name.replace("_", " ")),
                    **(line_kwargs or {}),
                }
                (self.lines_[name],) = panel.plot(epochs, values, **style)
            self._finish(panel, title)
        self.axes_[-1].set_xlabel("epoch")
        return self

    def _series(self, name: str) -> tuple[list[float], list[float]]:
        """Return the epochs in which `name` was measured, and its values."""
        known = [entry for entry in self.history if name in entry]
        return [entry["epoch"] for entry in known], [entry[name] for entry in known]

    def _finish(self, panel: Any, title: str) -> None:
        from matplotlib.ticker import MaxNLocator

        values = np.concatenate([line.get_ydata() for line in panel.get_lines()])
        values = values[np.isfinite(values)]
        if len(values) and values.min() > 0.0 and values.max() > _WIDE * values.min():
            panel.set_yscale("log")
        if self.best_iter:
            label = f"kept: epoch {self.best_iter}"
            panel.axvline(self.best_iter, color="0.5", linewidth=1.0, zorder=0, label=label)
        first, last = self.history[0]["epoch"], self.history[-1]["epoch"]
        margin = max(0.02 * (last - first), 0.5)
        panel.set(xlim=(first - margin, last + margin), ylabel=title)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small")


def _panels(history: list[Mapping[str, float]]) -> dict[str, tuple[str, ...]]:
    """Return the losses of each panel, by its name."""
    known = dict.fromkeys(name for entry in history for name in entry if name not in _LEFT_OUT)
    panels = {
        title: tuple(name for name in names if name in known) for title, names in _PANELS.items()
    }
    placed = {name for names in panels.values() for name in names}
    panels[_FURTHER] = tuple(name for name in known if name not in placed)
    return {title: names for title, names in panels.items() if names}
