"""Rows that become arrays a block at a time: memory maps, files, sparse matrices."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite, check_array, check_consistent_length, get_tags
from sklearn.utils.validation import validate_data
from torch import Tensor

from skaae._forked import bear_being_forked
from skaae._tensors import as_array, as_floats, stand_in

_FLOATS = [np.float64, np.float32]
# Files of fewer bytes (as float32) are read at once: their rows then train as those of any array.
_LARGEST_READ_AT_ONCE = 2**30
# So are files of fewer columns: the order of their rows alone takes as much memory as they do.
_FEWEST_COLUMNS_TO_STREAM = 16
# Rows that nobody asked for, up to which neighbours are read together.
_WIDEST_GAP = 64
# What one block of rows may take in memory.
_BLOCK_BYTES = 2**25


class RowSource(ABC):
    """Rows that are no array yet; those that are asked for become one.

    Parameters
    ----------
    rows : object with ``shape`` (n_samples, n_features) and ``dtype``

    Attributes
    ----------
    shape : tuple (n_samples, n_features)
    dtype : np.dtype
        float32 or float64; what rows are read as.
    """

    #: Whether neighbours are read together far faster than rows from anywhere.
    in_runs: ClassVar[bool]

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self.shape: tuple[int, int] = tuple(int(n) for n in rows.shape)  # type: ignore[assignment]
        self.dtype = np.dtype(rows.dtype if rows.dtype in _FLOATS else np.float64)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def chunk_rows(self) -> int:
        """Rows that are kept, and perhaps compressed, together; 1 where the source says nothing."""
        return 1

    @abstractmethod
    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return some rows, shape (n_rows, n_features)."""

    @abstractmethod
    def take(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index`, in its order."""


class SparseRows(RowSource):
    """Rows of a sparse matrix in CSR format, checked; those that are asked for are made dense."""

    in_runs = False

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return some rows, shape (n_rows, n_features)."""
        dense: np.ndarray = self._rows[rows].toarray()
        return dense

    def take(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index`, in its order."""
        dense: np.ndarray = self._rows[index].toarray()
        return dense

    def as_sparse(self, index: np.ndarray | None) -> Any:
        """Return the rows at `index`, or all, as they are."""
        return self._rows if index is None else self._rows[index]


class FileRows(RowSource):
    """Rows of a memory map, or of what else has a shape, a dtype and slices of rows (HDF5, Zarr).

    Parameters
    ----------
    rows : memory map or data set of shape (n_samples, n_features)
    """

    in_runs = True

    def __init__(self, rows: Any) -> None:
        super().__init__(rows)
        # Not every format may be read from two threads at once.
        self._lock = threading.Lock()

    @property
    def chunk_rows(self) -> int:
        """Rows that the file keeps together; 1 where it does not say."""
        chunks = getattr(self._rows, "chunks", None)
        return int(chunks[0]) if isinstance(chunks, tuple) else 1

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return some rows, shape (n_rows, n_features); ValueError where one is not finite."""
        return self._read(rows)

    def _read(self, rows: slice | np.ndarray) -> np.ndarray:
        with self._lock:
            # A copy: maps that are only read are not for tensors.
            block = np.array(self._rows[rows], dtype=self.dtype)
        assert_all_finite(block, input_name="X")
        return block

    def take(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index`, in its order."""
        if isinstance(self._rows, np.memmap):
            return self._read(index)
        # Not all of them take a list of rows, and none takes one in any order.
        wanted, places = np.unique(index, return_inverse=True)
        taken = np.empty((len(wanted), self.shape[1]), self.dtype)
        # Neighbours are read together, but no more of them than a block holds.
        stretch = wanted // bounded_block(self, max(1, len(self)))
        breaks = np.flatnonzero((np.diff(wanted) > _WIDEST_GAP) | (np.diff(stretch) > 0)) + 1
        done = 0
        for run in np.split(wanted, breaks):
            if len(run):
                block = self[int(run[0]) : int(run[-1]) + 1]
                taken[done : done + len(run)] = block[run - run[0]]
                done += len(run)
        return taken[places]


#: Rows as estimators hold them once they are checked.
Rows: TypeAlias = "np.ndarray | Tensor | RowSource"


def _is_file(X: Any) -> bool:
    if isinstance(X, np.ndarray):
        return isinstance(X, np.memmap)
    return (
        isinstance(getattr(X, "dtype", None), np.dtype)
        and isinstance(getattr(X, "shape", None), tuple)
        and hasattr(X, "__getitem__")
        and not hasattr(X, "iloc")
        and not sparse.issparse(X)
    )


def _is_large(X: Any) -> bool:
    shape: tuple[int, ...] = X.shape
    n_columns = math.prod(shape[1:])
    return (
        n_columns >= _FEWEST_COLUMNS_TO_STREAM and 4 * shape[0] * n_columns > _LARGEST_READ_AT_ONCE
    )


def _quietly(check: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """Return what a check of scikit-learn does.

    Its first look is a sum, which is NaN for huge numbers of both signs and then warns of itself.
    """
    with np.errstate(invalid="ignore"):
        return check(*args, **settings)


def checked_rows(
    estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool, least: int = 1
) -> Any:
    """Return rows of `X`, and `y` if given, as ``validate_data`` does; a large file unread.

    Its rows are looked at for values that are not finite when they are read. Sparse rows stay so,
    and tensors where they are; those to train on (`reset`) only if that is a CUDA device, because
    elsewhere arrays give what arrays give.
    """
    bear_being_forked()
    settings: dict[str, Any] = {"reset": reset, "dtype": _FLOATS, "ensure_min_samples": least}
    has_labels = y is not None and not isinstance(y, str)
    if isinstance(X, Tensor):
        array, finite = stand_in(X)
        checked = _quietly(validate_data, estimator, array, y, **settings, **finite)
        rows = as_floats(X)
        rows = as_array(rows) if reset and not _trains_where_it_is(rows) else rows
        return (rows, checked[1]) if has_labels else rows
    if sparse.issparse(X):
        if get_tags(estimator).input_tags.sparse:
            settings["accept_sparse"] = "csr"
        checked = _quietly(validate_data, estimator, X, y, **settings)
        return (SparseRows(checked[0]), checked[1]) if has_labels else SparseRows(checked)
    if not _is_file(X) or not _is_large(X):
        read = X[:] if _is_file(X) and not hasattr(X, "__array__") else X
        return _quietly(validate_data, estimator, read, y, **settings)
    # What the first rows are is what scikit-learn has to say something of.
    _quietly(validate_data, estimator, X[:least], y[:least] if has_labels else y, **settings)
    if not has_labels:
        return FileRows(X)
    assert_all_finite(y, input_name="y")
    check_consistent_length(X, y)
    return FileRows(X), y


def _trains_where_it_is(X: Tensor) -> bool:
    return X.is_cuda


def checked_codes(X: Any, n_components: int, name: str) -> Any:
    """Return codes of `n_components` columns as ``check_array`` does; a tensor where it is."""
    bear_being_forked()
    array, finite = stand_in(X) if isinstance(X, Tensor) else (X, {})
    codes = _quietly(check_array, array, dtype=_FLOATS, **finite)
    if codes.shape[1] != n_components:
        raise ValueError(
            f"{name}: expected codes with {n_components} columns (n_components), got "
            f"{codes.shape[1]}."
        )
    return as_floats(X) if isinstance(X, Tensor) else codes


def bounded_block(X: Any, n_rows: int) -> int:
    """Return how many rows to read at once: `n_rows`, or fewer of a source of many columns."""
    if not isinstance(X, RowSource):
        return n_rows
    return max(1, min(n_rows, _BLOCK_BYTES // (X.dtype.itemsize * X.shape[1])))


def blocks(X: Rows, n_rows: int) -> Iterator[Any]:
    """Yield the rows of `X` in their order, at most `n_rows` at a time."""
    size = bounded_block(X, n_rows)
    for start in range(0, len(X), size):
        yield X[start : start + size]


def column_bounds(X: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest value of each column."""
    if isinstance(X, Tensor):
        return as_array(X.amin(dim=0)), as_array(X.amax(dim=0))
    if not isinstance(X, RowSource):
        return X.min(axis=0), X.max(axis=0)
    bounds = [(block.min(axis=0), block.max(axis=0)) for block in blocks(X, 8192)]
    lows, highs = zip(*bounds)
    return np.min(lows, axis=0), np.max(highs, axis=0)


def evenly_spaced(n_rows: int, n: int) -> np.ndarray:
    """Return `n` of the places 0 to n_rows - 1, the first and the last among them."""
    return np.arange(n, dtype=np.int64) * (n_rows - 1) // max(1, n - 1)


def thinned_rows(X: Rows, n_rows: int) -> np.ndarray | Tensor:
    """Return the rows of `X`; of a source at most `n_rows`, from all over it."""
    return X.take(evenly_spaced(len(X), min(len(X), n_rows))) if isinstance(X, RowSource) else X
