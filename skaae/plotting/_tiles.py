"""Rows of data in a grid of one axes, as images or as profiles."""

from __future__ import annotations

from typing import Any

import numpy as np

# Pixels between images.
_GAP = 1
# Images that a network drew have a few values far out, which would leave the rest little contrast.
_SHOWN = (0.01, 0.99)
# Share of a cell's width and height that a profile leaves free on each side.
_MARGIN = 0.08
_LARGEST_FIGURE = 7.0


def draw_tiles(
    ax: Any,
    rows: np.ndarray,
    *,
    image_shape: tuple[int, ...] | None,
    cmap: Any = "gray",
    vmin: Any = None,
    vmax: Any = None,
) -> Any:
    """Draw rows in the cells of a grid; cell (i, j) is at j to j + 1 and, downwards, i to i + 1.

    Parameters
    ----------
    ax : Axes
    rows : ndarray of shape (n_rows, n_columns, n_features)
        By place in the grid, from its upper left.
    image_shape : tuple of int or None
        None draws each row as a profile, its columns from left to right.
    cmap : str or Colormap, default="gray"
        Of images with one channel.
    vmin, vmax : float or array-like of shape (n_features,), default=None
        Black and white of images, and bottom and top of profiles. None takes percentiles 1 and 99
        of images, and of profiles the least and the greatest value of each column.

    Returns
    -------
    artist : AxesImage or LineCollection
    """
    artist = (
        _profiles(ax, rows, vmin, vmax)
        if image_shape is None
        else _images(ax, rows, image_shape, cmap, vmin, vmax)
    )
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return artist


def _images(
    ax: Any, rows: np.ndarray, image_shape: tuple[int, ...], cmap: Any, vmin: Any, vmax: Any
) -> Any:
    n_rows, n_columns = rows.shape[:2]
    height, width = image_shape[:2]
    images = rows.reshape(n_rows, n_columns, *image_shape).astype(np.float64)
    low = np.quantile(images, _SHOWN[0]) if vmin is None else np.min(vmin)
    high = np.quantile(images, _SHOWN[1]) if vmax is None else np.max(vmax)
    if len(image_shape) == 3:
        colours = np.clip((images - low) / max(high - low, 1e-12), 0.0, 1.0)
        images = np.concatenate([colours, np.ones_like(colours[..., :1])], axis=-1)
    # What is between images is NaN, or has an opacity of 0: either shows what is behind.
    between = 0.0 if len(image_shape) == 3 else np.nan
    pads = [(0, 0), (0, 0), (0, _GAP), (0, _GAP)] + [(0, 0)] * (images.ndim - 4)
    images = np.pad(images, pads, constant_values=between)
    mosaic = images.swapaxes(1, 2)
    mosaic = mosaic.reshape(n_rows * (height + _GAP), n_columns * (width + _GAP), *images.shape[4:])
    return ax.imshow(
        mosaic,
        cmap=cmap,
        vmin=low,
        vmax=high,
        extent=(0, n_columns, n_rows, 0),
        aspect=(height + _GAP) / (width + _GAP),
        interpolation="nearest",
    )


def _profiles(ax: Any, rows: np.ndarray, vmin: Any, vmax: Any) -> Any:
    from matplotlib.collections import LineCollection

    n_rows, n_columns, n_features = rows.shape
    low = rows.min(axis=(0, 1)) if vmin is None else np.asarray(vmin, dtype=np.float64)
    high = rows.max(axis=(0, 1)) if vmax is None else np.asarray(vmax, dtype=np.float64)
    spread = np.where(high > low, high - low, 1.0)
    heights = np.clip(np.where(high > low, (rows - low) / spread, 0.5), -0.05, 1.05)
    places = np.linspace(0.0, 1.0, n_features) if n_features > 1 else np.array([0.0, 1.0])
    inner = 1.0 - 2.0 * _MARGIN
    x = np.arange(n_columns)[None, :, None] + _MARGIN + inner * places
    y = np.arange(n_rows)[:, None, None] + 1.0 - _MARGIN - inner * heights
    lines = np.stack(np.broadcast_arrays(x, y), axis=-1).reshape(n_rows * n_columns, -1, 2)
    borders = [((j, 0), (j, n_rows)) for j in range(n_columns + 1)]
    borders += [((0, i), (n_columns, i)) for i in range(n_rows + 1)]
    ax.add_collection(LineCollection(borders, colors="0.85", linewidths=0.8))
    artist = ax.add_collection(LineCollection(list(lines), colors="#332288", linewidths=1.2))
    ax.set(xlim=(0, n_columns), ylim=(n_rows, 0))
    return artist


def tiles_figsize(
    n_rows: int, n_columns: int, image_shape: tuple[int, ...] | None
) -> tuple[float, float]:
    """Return the size of a new figure for such a grid, in inches."""
    ratio = 0.8 if image_shape is None else image_shape[0] / image_shape[1]
    width, height = 0.75 * n_columns, 0.75 * n_rows * ratio
    shrink = min(1.0, _LARGEST_FIGURE / max(width, height))
    # Beside the grid: labels and a title.
    return max(3.5, shrink * width) + 0.6, shrink * height + 0.8
