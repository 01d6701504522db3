"""The isotropic Gaussian."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from skaae._compat import Interval
from skaae._device import normal_draws
from skaae.priors._base import Prior


class Normal(Prior):
    r"""Isotropic Gaussian prior, the default.

    .. math:: p(z) = N(z; 0, \text{scale}^2 I)

    Parameters
    ----------
    scale : float, default=1.0
        Standard deviation of each component. The paper's likelihood experiments take 5.

    Raises
    ------
    ValueError
        At ``fit``, if `scale` is not positive.

    References
    ----------
    A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, *Adversarial Autoencoders*, 2015.

    Examples
    --------
    >>> from skaae.priors import Normal
    >>> Normal(scale=5.0).sample(3, 2).shape
    torch.Size([3, 2])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "scale": [Interval(Real, 0, None, closed="neither")]
    }

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def _sample(self, n_samples: int, n_components: int, generator: torch.Generator) -> Tensor:
        return self.scale * normal_draws(n_samples, n_components, generator=generator)

    def log_density(self, codes: Tensor) -> Tensor:
        """Return log p(z) of each row, shape (n_samples,)."""
        n_components = codes.shape[1]
        normaliser = n_components * (math.log(self.scale) + 0.5 * math.log(2.0 * math.pi))
        return -0.5 * (codes / self.scale).square().sum(dim=1) - normaliser

    def quantiles(self, probabilities: Any, n_components: int) -> np.ndarray:
        quantiles = self.scale * ndtri(np.asarray(probabilities, dtype=np.float64))
        return np.repeat(quantiles[:, None], n_components, axis=1)

    def gaussian_parameters(self, n_components: int) -> tuple[float, float] | None:
        """Return 0 and `scale`."""
        return 0.0, self.scale
