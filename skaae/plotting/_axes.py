"""Where displays draw: on axes that are given, or in a new figure."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_matplotlib(display: object) -> None:
    """Raise ImportError that says how to install Matplotlib, where it is missing."""
    try:
        import matplotlib  # noqa: F401, ICN001
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__}.plot needs Matplotlib, which is not installed: "
            'pip install "skaae[plot]".'
        ) from error


def axes_for(display: object, ax: Any, figsize: tuple[float, float]) -> Any:
    """Return `ax`, or where it is None the axes of a new figure.

    PyPlot, which remembers figures, is imported for a new figure only.
    """
    check_matplotlib(display)
    if ax is not None:
        _check_axes(display, [ax], "one Matplotlib axes or None")
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1]


def panels_for(
    display: object,
    ax: Any,
    cells: list[tuple[int | None, int]],
    shape: tuple[int, int],
    figsize: tuple[float, float],
    width_ratios: list[float] | None = None,
    header: float = 0.0,
) -> tuple[Any, np.ndarray]:
    """Return the axes that hold several panels, and the axes of the panels.

    Parameters
    ----------
    display : object
    ax : Axes, sequence of Axes or None
        One axes is divided, as in scikit-learn's displays; as many as there are panels are used as
        they are; None is a new figure.
    cells : list of (row, column)
        Place of each panel in a grid; None is all rows.
    shape : (int, int)
        Of the grid.
    figsize : (float, float)
        Of a new figure.
    width_ratios : list of float, default=None
    header : float, default=0.0
        Height that is left free above the panels, in inches.

    Returns
    -------
    whole : Axes
        That was divided, or the first panel.
    panels : ndarray of Axes
    """
    expected = f"one Matplotlib axes of a subplot, a sequence of {len(cells)}, or None"
    if np.ndim(ax) > 0:
        check_matplotlib(display)
        panels = np.asarray(ax, dtype=object).ravel()
        _check_axes(display, list(panels), expected)
        if len(panels) != len(cells):
            raise ValueError(
                f"{type(display).__name__}.plot: expected ax to be {expected}, got {len(panels)} "
                "axes."
            )
        return panels[0], panels
    whole = axes_for(display, ax, figsize)
    if whole.get_subplotspec() is None:
        raise ValueError(
            f"{type(display).__name__}.plot: expected ax to be {expected}, got axes that are no "
            "subplot and cannot be divided."
        )
    whole.set_axis_off()
    n_rows, n_columns = shape
    height = whole.get_window_extent().height / whole.figure.dpi
    share = min(header / height, 0.5)
    # Layout engines make no room for a title above panels, so it has a row of the grid.
    grid = whole.get_subplotspec().subgridspec(
        n_rows + 1,
        n_columns,
        width_ratios=width_ratios,
        height_ratios=[max(share, 1e-6)] + [(1.0 - share) / n_rows] * n_rows,
    )
    divided = [
        whole.figure.add_subplot(grid[1:, column] if row is None else grid[row + 1, column])
        for row, column in cells
    ]
    return whole, np.array(divided, dtype=object)


def _check_axes(display: object, axes: list[Any], expected: str) -> None:
    from matplotlib.axes import Axes

    for ax in axes:
        if not isinstance(ax, Axes):
            raise TypeError(
                f"{type(display).__name__}.plot: expected ax to be {expected}, got "
                f"{type(ax).__name__}."
            )
