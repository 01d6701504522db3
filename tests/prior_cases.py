"""What tests of priors share: objects of other libraries, draws, and their moments."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from sklearn import mixture, neighbors

from skaae._device import new_generator
from skaae.priors import (
    Prior,
)

ROWS = np.random.default_rng(0).normal(size=(60, 2))


class OwnObject:
    """What a user might write: draws with the generator that it is handed."""

    def sample(self, n_samples, n_components, generator):
        return 3.0 + torch.randn(n_samples, n_components, generator=generator)


class SeededObject:
    """A sampler in NumPy's manner."""

    def sample(self, n_samples, random_state=None):
        return np.random.default_rng(random_state).normal(size=(n_samples, 2))


class DensityObject(OwnObject):
    def log_density(self, codes):
        return -(codes - 3.0).abs().sum(dim=1)


# What `prior=` accepts beside the names, each with a law for codes of two components.
FOREIGN = {
    "scipy univariate": lambda: stats.t(df=5),
    "scipy multivariate": lambda: stats.multivariate_normal([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]]),
    "torch univariate": lambda: torch.distributions.Laplace(0.0, 1.0),
    "torch batch": lambda: torch.distributions.Normal(torch.zeros(2), torch.ones(2)),
    "torch event": lambda: torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)),
    "torch gamma": lambda: torch.distributions.Gamma(2.0, 1.0),
    "torch dirichlet": lambda: torch.distributions.Dirichlet(torch.tensor([1.0, 2.0])),
    "torch one-hot": lambda: torch.distributions.OneHotCategorical(torch.tensor([0.2, 0.8])),
    "array": lambda: ROWS,
    "list": lambda: ROWS.tolist(),
    "tensor": lambda: torch.as_tensor(ROWS),
    "kernel density": lambda: neighbors.KernelDensity(bandwidth=0.2).fit(ROWS),
    "sklearn mixture": lambda: mixture.GaussianMixture(2, random_state=None).fit(ROWS),
    "own object": OwnObject,
    "own object, random_state": SeededObject,
}


def draw(prior: Prior, n_samples: int, n_components: int, seed: int = 0) -> np.ndarray:
    return prior.sample(n_samples, n_components, generator=new_generator(seed)).numpy()


def assert_follows(values: np.ndarray, cdf) -> None:
    """Assert that the draws pass a Kolmogorov-Smirnov test at the 0.1 % level (fixed seed)."""
    assert stats.kstest(values, cdf).pvalue > 1e-3


def assert_mean(values: np.ndarray, expected, n_errors: float = 4.5) -> None:
    """Assert that the mean of rows lies within a few of its standard errors."""
    errors = values.std(axis=0) / np.sqrt(len(values))
    assert (np.abs(values.mean(axis=0) - expected) <= n_errors * errors + 1e-12).all()
