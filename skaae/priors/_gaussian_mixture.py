"""Mixtures of Gaussians: the paper's ring, or any means and covariances."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from skaae._compat import Interval
from skaae._device import normal_draws
from skaae.priors._base import PriorWithClasses


class GaussianMixture(PriorWithClasses):
    r"""Mixture of Gaussians, in the plane the paper's ring of elongated modes.

    .. math:: p(z) = \sum_k w_k N(z; \mu_k, \Sigma_k)

    Without `means`, the modes lie at radius `radius` and are stretched outwards,
    :math:`\Sigma_k = s_r^2 u_k u_k^T + s_t^2 (I - u_k u_k^T)` with :math:`u_k = \mu_k / |\mu_k|`.
    Their directions are a closed form in every dimension: with :math:`\theta_k = 2 \pi k / K`,
    the harmonics :math:`(\cos\theta_k, \sin\theta_k, \cos 2\theta_k, \ldots)`, which in two
    dimensions is the ring; in one dimension the modes are evenly spaced.

    Parameters
    ----------
    n_components : int, default=10
        Number of modes K (as in :class:`sklearn.mixture.GaussianMixture`; the dimension of a code
        is the estimator's `n_components`).
    radius : float, default=4.0
        Distance of the modes from the origin.
    radial_scale, tangential_scale : float, default=1.0 and 0.5
        Standard deviations along and across the direction of a mode.
    means : array-like of shape (K, n_dimensions), default=None
        Means of your own; replaces the ring and `n_components`.
    covariances : array-like of shape (K, n_dimensions, n_dimensions), default=None
        Covariances for `means`; None is the identity for each.
    weights : array-like of shape (K,), default=None
        Probabilities of the modes; None is equal ones.

    Raises
    ------
    ValueError
        At ``fit``, if shapes disagree with each other or with the estimator's `n_components`, if
        weights are not probabilities, or if a covariance is not positive definite.

    References
    ----------
    A. Makhzani et al., *Adversarial Autoencoders*, 2015, figure 4.

    Examples
    --------
    >>> from skaae.priors import GaussianMixture
    >>> GaussianMixture(n_components=10).sample(5, 2).shape
    torch.Size([5, 2])
    >>> GaussianMixture(means=[[-3.0, 0.0], [3.0, 0.0]], weights=[0.2, 0.8]).sample(4, 2).shape
    torch.Size([4, 2])
    >>> bool((GaussianMixture(2, radius=9.0).sample(5, 2, y=1)[:, 0] < 0.0).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "radius": [Interval(Real, 0, None, closed="left")],
        "radial_scale": [Interval(Real, 0, None, closed="neither")],
        "tangential_scale": [Interval(Real, 0, None, closed="neither")],
        "means": ["array-like", None],
        "covariances": ["array-like", None],
        "weights": ["array-like", None],
    }

    def __init__(
        self,
        n_components: int = 10,
        *,
        radius: float = 4.0,
        radial_scale: float = 1.0,
        tangential_scale: float = 0.5,
        means: Any = None,
        covariances: Any = None,
        weights: Any = None,
    ) -> None:
        self.n_components = n_components
        self.radius = radius
        self.radial_scale = radial_scale
        self.tangential_scale = tangential_scale
        self.means = means
        self.covariances = covariances
        self.weights = weights

    def check(self, n_components: int) -> None:
        """Raise ValueError where means, covariances and weights do not fit together."""
        super().check(n_components)
        if self.means is None and self.covariances is not None:
            raise ValueError(
                "GaussianMixture prior: covariances belong to means of your own; got covariances "
                "and means=None. Pass both, or set radial_scale and tangential_scale."
            )
        means, factors, weights = self._arrays(n_components)
        n_modes = len(means)
        if means.shape != (n_modes, n_components):
            raise ValueError(
                f"GaussianMixture prior: expected means of shape ({n_modes}, {n_components}) for "
                f"n_components={n_components}, got {means.shape}."
            )
        if factors.shape != (n_modes, n_components, n_components):
            raise ValueError(
                "GaussianMixture prior: expected covariances of shape "
                f"({n_modes}, {n_components}, {n_components}), got {factors.shape}."
            )
        if weights.shape != (n_modes,) or (weights < 0).any() or not abs(weights.sum() - 1) < 1e-6:
            raise ValueError(
                f"GaussianMixture prior: expected {n_modes} weights that are >= 0 and sum to 1, "
                f"got {self.weights}."
            )

    def _n_numbers(self, n_components: int) -> int:
        return int(self.n_classes(n_components)) * (n_components + 1) ** 2

    def _directions(self, n_dimensions: int) -> np.ndarray:
        if n_dimensions == 1:
            # Evenly spaced over [-1, 1]; a single mode sits in the middle.
            return np.linspace(-1.0, 1.0, self.n_components + 2)[1:-1, None]
        angles = 2.0 * np.pi * np.arange(self.n_components) / self.n_components
        waves = [
            wave((harmonic // 2 + 1) * angles)
            for harmonic, wave in zip(range(n_dimensions), [np.cos, np.sin] * n_dimensions)
        ]
        directions = np.stack(waves, axis=1)
        unit: np.ndarray = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        return unit

    def _arrays(self, n_dimensions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return means, lower Cholesky factors of the covariances, and weights."""
        if self.means is None:
            directions = self._directions(n_dimensions)
            means = self.radius * directions
            norms = np.linalg.norm(directions, axis=1, keepdims=True)
            units = np.divide(directions, norms, out=np.zeros_like(directions), where=norms > 0)
            outer = units[:, :, None] * units[:, None, :]
            if n_dimensions == 1:
                # There is no direction to stretch along: modes on a line would merge.
                outer = np.zeros_like(outer)
            covariances = (
                self.tangential_scale**2 * (np.eye(n_dimensions) - outer)
                + self.radial_scale**2 * outer
            )
        else:
            means = np.asarray(self.means, dtype=np.float64)
            if means.ndim != 2:
                raise ValueError(
                    "GaussianMixture prior: expected means of shape (n_modes, n_dimensions), a row "
                    f"a mode, got shape {means.shape}; write [[0.0, 1.0]] for one mode in two "
                    "dimensions, [[0.0], [1.0]] for two in one."
                )
            covariances = (
                np.broadcast_to(np.eye(means.shape[1]), (len(means), *[means.shape[1]] * 2))
                if self.covariances is None
                else np.asarray(self.covariances, dtype=np.float64)
            )
        if not np.allclose(covariances, np.swapaxes(covariances, -1, -2)):
            raise ValueError("GaussianMixture prior: expected symmetric covariances.")
        try:
            factors = np.linalg.cholesky(covariances)
        except np.linalg.LinAlgError as error:
            raise ValueError(
                "GaussianMixture prior: expected positive definite covariances of shape "
                f"(n_modes, n_dimensions, n_dimensions), got shape {covariances.shape}: {error}."
            ) from error
        n_modes = len(means)
        weights = (
            np.full(n_modes, 1.0 / n_modes)
            if self.weights is None
            else np.asarray(self.weights, dtype=np.float64)
        )
        return means, factors, weights

    def n_classes(self, n_components: int) -> int:
        """Return the number of modes: class k is the k-th of them."""
        return self.n_components if self.means is None else len(self.means)

    def class_weights(self, n_components: int) -> np.ndarray:
        """Return the weights of the modes, shape (n_classes,)."""
        return self._arrays(n_components)[2]

    def _sample_given(self, y: Tensor, n_components: int, generator: torch.Generator) -> Tensor:
        device = generator.device
        means, factors, weights = (
            torch.as_tensor(array, dtype=torch.float32, device=device)
            for array in self._arrays(n_components)
        )
        modes = torch.multinomial(weights, len(y), replacement=True, generator=generator)
        modes = torch.where(y < 0, modes, y)
        noise = normal_draws(len(y), n_components, 1, generator=generator)
        return means[modes] + (factors[modes] @ noise).squeeze(2)

    def log_density(self, codes: Tensor) -> Tensor:
        """Return log p(z) of each row, shape (n_samples,)."""
        means, factors, weights = (
            torch.as_tensor(array, dtype=codes.dtype, device=codes.device)
            for array in self._arrays(codes.shape[1])
        )
        offsets = (codes[:, None, :] - means).transpose(0, 1).transpose(1, 2)
        whitened = torch.linalg.solve_triangular(factors, offsets, upper=False)
        log_volume = torch.diagonal(factors, dim1=1, dim2=2).log().sum(dim=1)
        constants = weights.log() - log_volume - 0.5 * codes.shape[1] * math.log(2.0 * math.pi)
        return torch.logsumexp(constants[:, None] - 0.5 * whitened.square().sum(dim=1), dim=0)
