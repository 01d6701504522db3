"""Columns to the networks' units and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch import Tensor

from skaae._sources import Rows, blocks
from skaae._tensors import as_array, dtype_name

# No column spans more than this many of its units. A pixel that is lit in one row of 60,000 is
# 244 standard deviations bright there: dividing by its deviation alone would let such columns
# rule the loss and the gradients. See docs/guide/networks.rst for the figures behind it.
_WIDEST_RANGE = 3.0


@dataclass(frozen=True)
class ColumnScaling:
    r"""An invertible map of each column to the networks' units.

    .. math:: u_j = (x_j - m_j) / s_j, \qquad s_j = \max(\sigma_j, (\max_j - \min_j) / 3)

    with the column's mean :math:`m_j` and standard deviation :math:`\sigma_j`. The map commutes
    with any change of a column's unit. A constant column is 0 on the way in and exactly its
    constant on the way back.

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
    def fit(cls, X: Rows, batch_size: int = 4096) -> ColumnScaling:
        """Return the map of the columns of `X`, shape (n_samples, n_columns), in one pass."""
        mean, variance, low, high = (
            _moments_on_device(X, batch_size) if isinstance(X, Tensor) else _moments(X, batch_size)
        )
        spread = high - low
        # Equal numbers of different computations differ in their last digit.
        digit = np.finfo(dtype_name(X)).eps * np.maximum(np.abs(low), high)
        constant = spread <= digit
        scale = np.where(constant, 0.0, np.maximum(np.sqrt(variance), spread / _WIDEST_RANGE))
        # The mean of equal numbers is off by rounding; the number itself is not.
        location = np.where(constant, low, mean)
        return cls(torch.as_tensor(location), torch.as_tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return rows in the networks' units, in the dtype of `x`."""
        divisor = torch.where(self.scale == 0.0, 1.0, self.scale)
        return (x - self.location.to(x)) / divisor.to(x)

    def inverse(self, u: Tensor) -> Tensor:
        """Return rows in the data's units, in the dtype of `u`."""
        return u * self.scale.to(u) + self.location.to(u)


def _moments(X: Rows, batch_size: int) -> tuple[np.ndarray, ...]:
    """Return mean, variance, least and greatest value of each column."""
    moments, bounds = StandardScaler(), MinMaxScaler()
    for rows in blocks(X, batch_size):
        block = np.asarray(rows, dtype=np.float64)
        moments.partial_fit(block)
        bounds.partial_fit(block)
    return moments.mean_, moments.var_, bounds.data_min_, bounds.data_max_


def _moments_on_device(X: Tensor, batch_size: int) -> tuple[np.ndarray, ...]:
    """Return the same of rows that are to stay on their device."""
    mean = torch.stack([block.sum(dim=0, dtype=torch.float64) for block in X.split(batch_size)])
    mean = mean.sum(dim=0) / len(X)
    squares = [(block - mean).square().sum(dim=0) for block in X.split(batch_size)]
    variance = torch.stack(squares).sum(dim=0) / len(X)
    bounds = (X.amin(dim=0).double(), X.amax(dim=0).double())
    return tuple(map(as_array, (mean, variance, *bounds)))
