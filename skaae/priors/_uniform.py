"""The box."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from skaae._compat import Interval
from skaae._device import uniform_draws
from skaae.priors._base import Prior


class Uniform(Prior):
    r"""Uniform prior on a box.

    .. math:: p(z) = \prod_j [\text{low} \le z_j \le \text{high}] / (\text{high} - \text{low})

    Parameters
    ----------
    low, high : float, default=-1.0 and 1.0
        Bounds of every component.

    Raises
    ------
    ValueError
        At ``fit``, if `low` is not below `high`.

    Notes
    -----
    It offers no ``log_density``: every Gaussian has mass outside the box, so that KL(q(z|x) ||
    p(z)) would be infinite.

    References
    ----------
    A. Makhzani et al., *Adversarial Autoencoders*, 2015.

    Examples
    --------
    >>> from skaae.priors import Uniform
    >>> codes = Uniform(low=0.0, high=2.0).sample(100, 3)
    >>> bool((codes >= 0).all() and (codes <= 2).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "low": [Interval(Real, None, None, closed="neither")],
        "high": [Interval(Real, None, None, closed="neither")],
    }

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        self.low = low
        self.high = high

    def check(self, n_components: int) -> None:
        """Raise ValueError where the box is empty."""
        super().check(n_components)
        if not self.low < self.high:
            raise ValueError(
                f"Uniform prior: expected low < high, got low={self.low}, high={self.high}."
            )

    def quantiles(self, probabilities: Any, n_components: int) -> np.ndarray:
        shares = np.asarray(probabilities, dtype=np.float64)
        quantiles = self.low + (self.high - self.low) * shares
        return np.repeat(quantiles[:, None], n_components, axis=1)

    def _sample(self, n_samples: int, n_components: int, generator: torch.Generator) -> Tensor:
        unit = uniform_draws(n_samples, n_components, generator=generator)
        return self.low + (self.high - self.low) * unit
