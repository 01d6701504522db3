"""What every prior p(z) offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from skaae._device import new_generator

# Draws that quantiles are read from where no closed form is known.
_N_QUANTILE_DRAWS = 2**14


class Prior(BaseEstimator, ABC):
    """A distribution p(z) that codes are drawn from.

    A subclass implements ``_sample`` and, where a density is known, ``log_density(codes)``
    (shape (n_samples, n_components) to (n_samples,), differentiable). A prior that falls into
    classes derives from :class:`PriorWithClasses` instead.

    Raises
    ------
    ValueError
        At ``fit``, where ``check`` finds a parameter out of its range or no such prior in as many
        components; from ``sample``, if it is asked for a class that there is not.

    References
    ----------
    A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, *Adversarial Autoencoders*, 2015.

    Examples
    --------
    >>> import torch
    >>> from skaae.priors import Prior
    >>> class Exponential(Prior):
    ...     def _sample(self, n_samples, n_components, generator):
    ...         shape = (n_samples, n_components)
    ...         return torch.empty(shape, device=generator.device).exponential_(generator=generator)
    >>> Exponential().sample(4, 2).shape
    torch.Size([4, 2])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    #: Codes are points of the probability simplex rather than of the whole space.
    on_simplex: ClassVar[bool] = False

    def check(self, n_components: int) -> None:
        """Raise ValueError where a parameter is off or no such prior exists in `n_components`."""
        self._validate_params()

    def _n_numbers(self, n_components: int) -> int:
        """Return how many numbers it computes with, by order of magnitude; 0 for few."""
        return 0

    def n_classes(self, n_components: int) -> int:
        """Return the number of classes that `sample` can draw from by `y`; 0 if it has none."""
        return 0

    def sample(
        self,
        n_samples: int,
        n_components: int,
        *,
        y: Any = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw codes z ~ p(z), or z ~ p(z|y).

        Parameters
        ----------
        n_samples : int
        n_components : int
            Dimension of a code.
        y : int or array-like of shape (n_samples,), default=None
            Class of each code, from 0, where the prior has classes; -1 and None draw from the
            whole prior.
        generator : torch.Generator, default=None
            Where the draws come from; codes lie on its device. None draws afresh on the CPU.

        Returns
        -------
        codes : Tensor of shape (n_samples, n_components)

        Raises
        ------
        ValueError
            If `y` asks for a class that the prior does not have.
        """
        generator = generator or new_generator()
        if y is None:
            return self._sample(n_samples, n_components, generator)
        raise ValueError(
            f"{type(self).__name__} prior: it has no classes to draw from, so expected y=None. "
            "Priors with classes are 'gaussian_mixture', 'swiss_roll' and 'categorical'."
        )

    @abstractmethod
    def _sample(self, n_samples: int, n_components: int, generator: torch.Generator) -> Tensor:
        """Draw from `generator`, on its device."""

    def gaussian_parameters(self, n_components: int) -> tuple[float, float] | None:
        """Return mean and standard deviation of every component if p(z) is Gaussian, else None.

        Divergences that know a closed form for Gaussians ask.
        """
        return None

    def quantiles(self, probabilities: Any, n_components: int) -> np.ndarray:
        """Return quantiles of the margin of every component.

        In closed form where there is one, else of 16,384 draws, the same for every call.

        Parameters
        ----------
        probabilities : array-like of shape (n_quantiles,)
            Between 0 and 1.
        n_components : int

        Returns
        -------
        codes : ndarray of shape (n_quantiles, n_components)
        """
        draws = self.sample(_N_QUANTILE_DRAWS, n_components, generator=new_generator(0))
        codes: np.ndarray = np.quantile(draws.double().numpy(), probabilities, axis=0)
        return codes

    def project(self, codes: Tensor) -> Tensor:
        """Map what an encoder answers onto the support of the prior (the identity)."""
        return codes


class PriorWithClasses(Prior):
    """A prior that is a mixture of classes, each with the same part in every draw by `y`.

    A subclass implements ``n_classes`` and ``_sample_given``.

    Raises
    ------
    ValueError
        As :class:`Prior`.

    References
    ----------
    A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, *Adversarial Autoencoders*, 2015.

    Examples
    --------
    >>> from skaae.priors import GaussianMixture, PriorWithClasses
    >>> isinstance(GaussianMixture(), PriorWithClasses)
    True
    >>> GaussianMixture().n_classes(n_components=2)
    10
    """

    @abstractmethod
    def n_classes(self, n_components: int) -> int:
        """Return the number of classes."""

    def class_weights(self, n_components: int) -> np.ndarray:
        """Return how often each class is drawn, shape (n_classes,); they sum to 1."""
        n_classes = self.n_classes(n_components)
        return np.full(n_classes, 1.0 / n_classes)

    def sample(
        self,
        n_samples: int,
        n_components: int,
        *,
        y: Any = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        generator = generator or new_generator()
        if y is None:
            return self._sample(n_samples, n_components, generator)
        if not isinstance(y, Tensor):
            # Tensors come from training, where looking at them would make the device wait.
            y = self._checked(y, n_samples, n_components)
        return self._sample_given(y.to(generator.device), n_components, generator)

    def _checked(self, y: Any, n_samples: int, n_components: int) -> Tensor:
        classes = np.broadcast_to(np.asarray(y), n_samples)
        n_classes = self.n_classes(n_components)
        if classes.dtype.kind not in "iu" or classes.min() < -1 or classes.max() >= n_classes:
            raise ValueError(
                f"{type(self).__name__} prior: expected classes y from 0 to {n_classes - 1}, or -1 "
                f"for the whole prior, got {np.unique(classes)}."
            )
        return torch.as_tensor(classes.astype(np.int64), device="cpu")

    def _sample(self, n_samples: int, n_components: int, generator: torch.Generator) -> Tensor:
        y = torch.full((n_samples,), -1, device=generator.device)
        return self._sample_given(y, n_components, generator)

    @abstractmethod
    def _sample_given(self, y: Tensor, n_components: int, generator: torch.Generator) -> Tensor:
        """Draw a code for each entry of `y`, -1 being any class, on the generator's device."""
