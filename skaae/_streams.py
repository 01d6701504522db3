"""Rows in the networks' units that are read and scaled when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from scipy.sparse import diags_array
from torch import Tensor

from skaae._device import OutOfMemoryError, new_generator
from skaae._scaling import ColumnScaling
from skaae._sources import RowSource, SparseRows, bounded_block, evenly_spaced

# Rows that stand for all, where training starts: so many, from so many places of the file.
_THINNED_ROWS = 10_000
_THINNED_RUNS = 100
_LEAST_THINNED_ROWS = 1_000
# Rows are read in runs of neighbours; so many runs from all over the file are mixed at a time,
# fewer where a file keeps longer runs together.
_RUNS_IN_A_WINDOW = 128
_FEWEST_RUNS_IN_A_WINDOW = 8


class StreamedRows:
    """Rows of a source, or some of them, as tensors on a device.

    It has what training asks of a tensor of rows: a length, a shape, a device, ``split`` and rows
    at an index.

    Parameters
    ----------
    source : RowSource
    scaling : ColumnScaling
    device : torch.device
    index : ndarray of shape (n_rows,), default=None
        Which rows of the source, of a file in its order; None takes all.
    """

    def __init__(
        self,
        source: RowSource,
        scaling: ColumnScaling,
        device: torch.device,
        index: np.ndarray | None = None,
    ) -> None:
        self.source, self.scaling, self.device = source, scaling, device
        self._index = index

    def __len__(self) -> int:
        return len(self.source) if self._index is None else len(self._index)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_features)."""
        return len(self), self.source.shape[1]

    def __getitem__(self, places: Tensor) -> Tensor:
        """Return the rows at `places` among these."""
        wanted = places.cpu().numpy()
        return self.in_units(
            self.source.take(wanted if self._index is None else self._index[wanted])
        )

    def _scaled(self, block: np.ndarray) -> Tensor:
        # float64 rows are centred before they are rounded: 1e9 + noise keeps its noise.
        return self.scaling.forward(torch.as_tensor(block)).float()

    def as_sparse(self) -> Any:
        """Return sparse rows in the networks' units but for a shift: as far from each other."""
        rows = cast(SparseRows, self.source).as_sparse(self._index)
        scale = self.scaling.scale.numpy()
        return rows @ diags_array(1.0 / np.where(scale == 0.0, 1.0, scale))

    def subset(self, places: Tensor) -> StreamedRows:
        """Return those of the rows that are at `places`, not read yet."""
        index = places.cpu().numpy()
        index = index if self._index is None else self._index[index]
        return StreamedRows(self.source, self.scaling, self.device, index)

    def split(self, n_rows: int) -> Iterator[Tensor]:
        """Yield the rows in their order, at most `n_rows` at a time."""
        yield from (self[places] for places in torch.arange(len(self)).split(self._bounded(n_rows)))

    def thinned(self) -> Tensor:
        """Return rows that stand for all: runs of neighbours, evenly spaced."""
        n = min(
            len(self), max(_LEAST_THINNED_ROWS, 4 * self._bounded(_THINNED_ROWS)), _THINNED_ROWS
        )
        length = math.ceil(n / _THINNED_RUNS)
        starts = evenly_spaced(len(self) - length + 1, min(_THINNED_RUNS, len(self) - length + 1))
        places = np.unique(starts[:, None] + np.arange(length))
        return self[torch.as_tensor(places)]

    def _bounded(self, n_rows: int) -> int:
        return max(2, bounded_block(self.source, n_rows))

    def windows(self, seed: int, n_rows: int) -> list[list[np.ndarray]]:
        """Return the rows of one pass in a random order, as runs of places to be read together.

        Each window has runs of neighbours from all over the source, in the order of the source,
        and about as many rows as a block may take, but about `n_rows` at least.
        """
        size = min(len(self), max(n_rows, self._bounded(len(self))))
        kept_together = min(self.source.chunk_rows, size // _FEWEST_RUNS_IN_A_WINDOW)
        n_runs = math.ceil(len(self) / max(1, size // _RUNS_IN_A_WINDOW, kept_together))
        runs = np.array_split(np.arange(len(self)), n_runs)
        order = torch.randperm(n_runs, generator=new_generator(seed)).numpy()
        n_windows = max(1, round(len(self) / size))
        return [[runs[k] for k in np.sort(part)] for part in np.array_split(order, n_windows)]

    def read(self, window: list[np.ndarray]) -> np.ndarray:
        """Return the rows of a window as the source has them."""
        parts = []
        for run in window:
            rows = run if self._index is None else self._index[run]
            # Those in between that are not among these rows are few: they are held out.
            block = self.source[int(rows[0]) : int(rows[-1]) + 1]
            parts.append(block if len(block) == len(rows) else block[rows - rows[0]])
        return np.concatenate(parts)

    def in_units(self, block: np.ndarray) -> Tensor:
        """Return rows of the source in the networks' units, on the device."""
        return self._scaled(block).to(self.device)


class RowsOutOfMemoryError(OutOfMemoryError):
    """The device has no memory for the rows themselves, whatever the batches are."""


@contextmanager
def placing_rows() -> Iterator[None]:
    """Tell a device that is too small for the rows from one that is too small for a step."""
    try:
        yield
    except OutOfMemoryError as error:
        raise RowsOutOfMemoryError(str(error)) from error


def subset(rows: Tensor | StreamedRows, places: Tensor) -> Tensor | StreamedRows:
    """Return rows at `places`; those of a source are not read yet."""
    if isinstance(rows, StreamedRows):
        return rows.subset(places)
    with placing_rows():
        return rows[places]


def as_read(rows: Tensor | StreamedRows, *places: Tensor | None) -> tuple[Any, ...]:
    """Return each of `places` in the order in which a file is read, and as they are elsewhere."""
    if not (isinstance(rows, StreamedRows) and rows.source.in_runs):
        return places
    return tuple(None if index is None else index.sort().values for index in places)


def thinned(rows: Tensor | StreamedRows) -> Tensor:
    """Return rows that stand for all: all of them, or an even part of those of a source."""
    return rows.thinned() if isinstance(rows, StreamedRows) else rows
