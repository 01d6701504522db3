"""Where codes lie: a mixture of Gaussians fitted to the codes of training rows."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from sklearn import mixture
from torch import Tensor

from skaae.priors import GaussianMixture, Prior

# More modes than this gain little (Ghosh et al. 2020), and each needs rows for its covariance.
_MOST_MODES = 10
_ROWS_PER_PARAMETER = 10


class AggregatedPosterior:
    r"""The distribution :math:`q(z) = E_x[q(z|x)]` of codes, as a mixture of Gaussians.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Of training rows, in the prior's units.
    prior : Prior
        Which the codes were to follow.

    References
    ----------
    P. Ghosh, M. Sajjadi, A. Vergari, M. Black, B. Schoelkopf, *From Variational to Deterministic
    Autoencoders*, 2020.
    """

    def __init__(self, codes: np.ndarray, prior: Prior) -> None:
        self.codes = codes
        self.on_simplex = prior.on_simplex

    @classmethod
    def of_mixture(cls, mixture: GaussianMixture, on_simplex: bool) -> AggregatedPosterior:
        """Return the distribution of a mixture that was fitted before, without the codes."""
        posterior = cls.__new__(cls)
        posterior.on_simplex = on_simplex
        posterior.mixture = mixture
        return posterior

    @cached_property
    def mixture(self) -> GaussianMixture:
        """The mixture; fitted when it is first asked for, and the same for the same codes."""
        codes = self.codes.astype(np.float64)
        n_modes = len(codes) // (_ROWS_PER_PARAMETER * (codes.shape[1] + 1))
        n_distinct = len(np.unique(codes, axis=0))
        fitted = mixture.GaussianMixture(
            max(1, min(n_modes, n_distinct, _MOST_MODES)),
            # A share of the codes' own spread: priors have units of their own.
            reg_covar=1e-4 * max(float(codes.var()), 1e-12),
            max_iter=1000,
            init_params="k-means++",
            random_state=0,
        ).fit(codes)
        return GaussianMixture(
            means=fitted.means_,
            covariances=fitted.covariances_,
            weights=fitted.weights_ / fitted.weights_.sum(),
        )

    def sample(self, n_samples: int, generator: torch.Generator) -> Tensor:
        """Draw codes, shape (n_samples, n_components)."""
        n_components = np.shape(self.mixture.means)[1]
        codes = self.mixture.sample(n_samples, n_components, generator=generator)
        if self.on_simplex:
            codes = codes.clamp_min(0.0)
            codes = codes / codes.sum(dim=1, keepdim=True).clamp_min(1e-12)
        return codes
