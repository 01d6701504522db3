"""Columns to the networks' units and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch import Tensor

from skaae._sources import Rows, blocks
from skaae._tensors import as_array, dtype_name

# No column spans more than so many of its units. A pixel that is lit in one row of 60,000 is 244
# standard deviations bright there: dividing by its deviation alone would let such columns rule the
# loss and the gradients. See docs/guide/networks.rst for the figures behind it.
_RANGE_OF_PIXELS = 3.0
_RANGE = 10.0
# Columns share a unit where the variances of the logarithms of their deviations and of their ranges
# add up to less than this: to 0.1 for tables that are standardised already, 0.04 for faces, 0.6 for
# expressions of genes; 8 to 23 for tables in units of all kinds, 3 for digits, standardised or not.
_ALIKE = 1.0
# They share a range, but no more, where that of their ranges is less than this share of it: 0.006
# to 0.31 for images and expressions of genes, 0.5 to 500 for tables.
_SHARED = 0.4
# Numbers whose squares, summed over 100 million rows, float64 still holds, and those that float32,
# which its rows are answered in, holds a hundred times over.
_LARGEST = {"float64": 1e150, "float32": 1e36}


@dataclass(frozen=True)
class ColumnScaling:
    r"""An invertible map of each column to the networks' units.

    .. math:: u_j = (x_j - m_j) / s_j

    with the column's mean :math:`m_j`. What a unit is depends on what the columns share; with the
    deviations :math:`\sigma_j` and the ranges :math:`r_j`,

    - columns whose ranges alone are alike, as pixels', :math:`\max(\sigma_j, r_j / 3)`;
    - columns that are alike in both have one unit for all, in which their variances sum up to what
      they do in those;
    - others each their own, :math:`\max(c \, \sigma_j, r_j / 10)`, where :math:`c \geq 1` is a
      third of the median of :math:`r_j / \sigma_j`. This map commutes with any change of a
      column's unit.

    A constant column is 0 on the way in and exactly its constant on the way back.

    Parameters
    ----------
    location, scale : Tensor of shape (n_columns,), float64
        The scale of a constant column is 0.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skaae._scaling import ColumnScaling
    >>> scaling = ColumnScaling.fit(np.array([[0.0, 7.0], [200.0, 7.0]]))
    >>> scaling.forward(torch.tensor([[200.0, 7.0]]))
    tensor([[1., 0.]])
    >>> scaling.inverse(torch.tensor([[1.0, 0.3]]))
    tensor([[200.,   7.]])
    """

    location: Tensor
    scale: Tensor

    @classmethod
    def identity(cls, n_columns: int) -> ColumnScaling:
        """Return the map that leaves every column alone."""
        return cls(
            torch.zeros(n_columns, dtype=torch.float64),
            torch.ones(n_columns, dtype=torch.float64),
        )

    @classmethod
    def fit(cls, X: Rows, batch_size: int = 4096, *, compact: bool = False) -> ColumnScaling:
        """Return the map of the columns of `X`, shape (n_samples, n_columns), in one pass.

        A `compact` one treats all columns as those whose ranges are alike, so that none spans more
        than three units.

        Raises
        ------
        ValueError
            If a value is beyond 1e150, or 1e36 where `X` is float32.
        """
        mean, variance, low, high = (
            _moments_on_device(X, batch_size) if isinstance(X, Tensor) else _moments(X, batch_size)
        )
        spread, deviation = high - low, np.sqrt(variance)
        # Equal numbers of different computations differ in their last digit, and numbers of which
        # no digit is whole are zeros.
        precision = np.finfo(dtype_name(X))
        digit = precision.eps * np.maximum(np.abs(low), high)
        constant = spread <= np.maximum(digit, precision.tiny)
        scale = np.zeros_like(spread)
        units = _compact_units if compact else _units
        scale[~constant] = units(spread[~constant], deviation[~constant])
        # The mean of equal numbers is off by rounding; the number itself is not.
        location = np.where(constant, low, mean)
        return cls(torch.as_tensor(location), torch.as_tensor(scale))

    @cached_property
    def _divisor(self) -> Tensor:
        return torch.where(self.scale == 0.0, 1.0, self.scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return rows in the networks' units, in the dtype of `x`."""
        return (x - self.location.to(x)) / self._divisor.to(x)

    def forward_(self, x: Tensor) -> Tensor:
        """Return the same in the memory of `x`, in half the time for a block of rows."""
        return x.sub_(self.location.to(x)).div_(self._divisor.to(x))

    def inverse(self, u: Tensor) -> Tensor:
        """Return rows in the data's units, in the dtype of `u`."""
        return u * self.scale.to(u) + self.location.to(u)


def _moments(X: Rows, batch_size: int) -> tuple[np.ndarray, ...]:
    """Return mean, variance, least and greatest value of each column."""
    moments, bounds = StandardScaler(), MinMaxScaler()
    for rows in blocks(X, batch_size):
        block = np.asarray(rows, dtype=np.float64)
        _check_size(block.min(axis=0), block.max(axis=0), dtype_name(X))
        moments.partial_fit(block)
        bounds.partial_fit(block)
    return moments.mean_, moments.var_, bounds.data_min_, bounds.data_max_


def _moments_on_device(X: Tensor, batch_size: int) -> tuple[np.ndarray, ...]:
    """Return the same of rows that are to stay on their device."""
    bounds = (X.amin(dim=0).double(), X.amax(dim=0).double())
    _check_size(as_array(bounds[0]), as_array(bounds[1]), dtype_name(X))
    mean = torch.stack([block.sum(dim=0, dtype=torch.float64) for block in X.split(batch_size)])
    mean = mean.sum(dim=0) / len(X)
    squares = [(block - mean).square().sum(dim=0) for block in X.split(batch_size)]
    variance = torch.stack(squares).sum(dim=0) / len(X)
    return tuple(map(as_array, (mean, variance, *bounds)))


def _check_size(low: np.ndarray, high: np.ndarray, dtype: str) -> None:
    """Refuse columns whose squares, or whose answers, would be infinite."""
    size = np.maximum(np.abs(low), np.abs(high))
    column = int(size.argmax())
    if size[column] > _LARGEST[dtype]:
        raise ValueError(
            f"X: expected values of at most {_LARGEST[dtype]:g} in size for rows of {dtype}, got "
            f"{size[column]:.3g} in column {column}. Measure that column in a larger unit, or take "
            "its logarithm; if the value stands for a missing one, remove or impute it."
        )


def _units(spread: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the units of columns that are not constant, by their ranges and deviations."""
    if len(spread) == 0:
        return spread
    # Numbers below 1e-154 have squares of 0.
    deviation = np.maximum(deviation, 1e-9 * spread)
    deviations_differ, ranges_differ = np.log(deviation).var(), np.log(spread).var()
    if deviations_differ + ranges_differ < _ALIKE:
        # In shares of the largest, whose square would else be 0 or infinite.
        shares = deviation / deviation.max()
        compact = np.square(deviation / _compact_units(spread, deviation))
        common = deviation.max() * np.sqrt(np.square(shares).sum() / compact.sum())
        return np.full_like(spread, common)
    if ranges_differ < _SHARED * deviations_differ:
        return _compact_units(spread, deviation)
    stretch = max(1.0, np.median(spread / deviation) / _RANGE_OF_PIXELS)
    units: np.ndarray = np.maximum(stretch * deviation, spread / _RANGE)
    return units


def _compact_units(spread: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    units: np.ndarray = np.maximum(deviation, spread / _RANGE_OF_PIXELS)
    return units
