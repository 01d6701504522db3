"""What every prior p(z) offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from skaae._device import new_generator


class Prior(BaseEstimator, ABC):
    """A distribution p(z) that codes are drawn from.

    A subclass implements ``_sample`` and, where a density is known, ``log_density(codes)``
    (shape (n_samples, n_components) to (n_samples,), differentiable).
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    #: Codes are points of the probability simplex rather than of the whole space.
    on_simplex: ClassVar[bool] = False

    def check(self, n_components: int) -> None:
        """Raise ValueError where a parameter is off or no such prior exists in `n_components`."""
        self._validate_params()

    def sample(
        self, n_samples: int, n_components: int, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw codes z ~ p(z).

        Parameters
        ----------
        n_samples : int
        n_components : int
            Dimension of a code.
        generator : torch.Generator, default=None
            Where the draws come from; codes lie on its device. None draws afresh on the CPU.

        Returns
        -------
        codes : Tensor of shape (n_samples, n_components)
        """
        return self._sample(n_samples, n_components, generator or new_generator())

    @abstractmethod
    def _sample(self, n_samples: int, n_components: int, generator: torch.Generator) -> Tensor:
        """Draw from `generator`, on its device."""

    def gaussian_parameters(self, n_components: int) -> tuple[float, float] | None:
        """Return mean and standard deviation of every component if p(z) is Gaussian, else None.

        Divergences that know a closed form for Gaussians ask.
        """
        return None

    def project(self, codes: Tensor) -> Tensor:
        """Map what an encoder answers onto the support of the prior (the identity)."""
        return codes
