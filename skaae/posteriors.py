"""Posteriors q(z|x): how an encoder's output becomes a code."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from typing import Any, ClassVar, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from torch import Tensor, nn

from skaae._compat import Interval
from skaae._device import normal_draws

# Standard deviations of a code, in units of the prior's, stay within e**-7 and e**2.
_LOG_STD_BOUNDS = (-7.0, 2.0)
_LOG_2_PI = math.log(2.0 * math.pi)


@dataclass(frozen=True)
class PosteriorSample:
    """Codes drawn from q(z|x), with what is known of their density.

    Attributes
    ----------
    codes : Tensor of shape (n_samples, n_components)
    log_density : Tensor of shape (n_samples,) or None
        log q(z|x) of the codes, or a quantity whose mean is an upper bound of its mean; None
        where q(z|x) has no known density.
    mean, std : Tensor of shape (n_samples, n_components) or None
        Parameters of q(z|x) where it is Gaussian.
    logits : Tensor of shape (n_samples, n_components) or None
        Log odds, up to a constant, of codes that are probabilities.

    References
    ----------
    D. Kingma, M. Welling, *Auto-Encoding Variational Bayes*, 2014.

    Examples
    --------
    >>> import torch
    >>> from skaae.posteriors import PosteriorSample
    >>> PosteriorSample(torch.zeros(4, 2)).first(3).codes.shape
    torch.Size([3, 2])
    """

    codes: Tensor
    log_density: Tensor | None = None
    mean: Tensor | None = None
    std: Tensor | None = None
    logits: Tensor | None = None

    def first(self, n_samples: int) -> PosteriorSample:
        """Return what is known of the first rows."""
        parts = {name: value for name, value in vars(self).items() if value is not None}
        return PosteriorSample(**{name: value[:n_samples] for name, value in parts.items()})


def gaussian_log_density(codes: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Return log N(codes; mean, diag(exp(log_std))^2) of each row, shape (n_samples,)."""
    standardised = (codes - mean) * torch.exp(-log_std)
    return -(0.5 * standardised.square() + log_std + 0.5 * _LOG_2_PI).sum(dim=1)


def _mean_and_log_std(outputs: Tensor) -> tuple[Tensor, Tensor]:
    mean, raw = outputs.chunk(2, dim=1)
    low, high = _LOG_STD_BOUNDS
    # Raw 0 is a standard deviation of e**-2: narrow enough to reconstruct from the first step.
    return mean, low + (high - low) * torch.sigmoid(raw + math.log((-2.0 - low) / (high + 2.0)))


def fixed_noise(n_draws: int, n_columns: int) -> Tensor:
    """Return standard normal rows that are always the same, in antithetic pairs.

    Averages over them make the mean code a pure function of x.
    """
    if torch.empty(0).is_meta:  # a model as shapes only, of a size that nothing vouches for yet
        return torch.empty(n_draws, n_columns, dtype=torch.float64)
    return torch.as_tensor(_fixed_numbers(n_draws, n_columns))


# An array that is kept: to an exporter it is a constant, where a draw would be a step of the graph.
@lru_cache(maxsize=32)
def _fixed_numbers(n_draws: int, n_columns: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(0)
    half = torch.randn((n_draws + 1) // 2, n_columns, generator=generator, dtype=torch.float64)
    return torch.cat([half, -half])[:n_draws].numpy()


class Posterior(BaseEstimator, ABC):
    """The distribution q(z|x) of the codes of one row.

    It says how many outputs (and further noise inputs) the encoder needs, and turns outputs into
    codes. Further networks that it needs are built by ``build`` and handed back to ``sample`` and
    ``mean``.

    References
    ----------
    D. Kingma, M. Welling, *Auto-Encoding Variational Bayes*, 2014.

    Examples
    --------
    >>> import torch
    >>> from skaae.posteriors import Posterior, PosteriorSample
    >>> class Clipped(Posterior):
    ...     def sample(self, outputs, networks, generator):
    ...         return PosteriorSample(self.mean(outputs, networks))
    ...     def mean(self, outputs, networks):
    ...         return outputs.clamp(-3.0, 3.0)
    >>> Clipped().mean(torch.tensor([[5.0]]), None)
    tensor([[3.]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    #: Whether codes come with a log density, as `posterior_kl` needs.
    has_density: ClassVar[bool] = False

    def check(self) -> None:
        """Raise ValueError where a parameter is off."""
        self._validate_params()

    def n_outputs(self, n_components: int) -> int:
        """Return the number of encoder outputs for codes of dimension `n_components`."""
        return n_components

    def _n_numbers(self, n_components: int) -> int:
        """Return how many numbers it computes with beside networks; 0 for few."""
        return 0

    def input_noise(self) -> Tensor:
        """Return the noise over which ``transform`` averages, shape (n_draws, n_noise).

        Its columns join the encoder's input; one draw of no columns is no noise.
        """
        return torch.zeros(1, 0)

    def build(self, n_components: int) -> nn.ModuleDict:
        """Return the further networks."""
        return nn.ModuleDict()

    @abstractmethod
    def sample(
        self, outputs: Tensor, networks: nn.ModuleDict, generator: torch.Generator
    ) -> PosteriorSample:
        """Draw one code for each row of encoder `outputs`."""

    def mean(self, outputs: Tensor, networks: nn.ModuleDict) -> Tensor:
        """Return E[z|x] of each row, for encoder `outputs`, without random draws."""
        return outputs


class Deterministic(Posterior):
    r"""The code is the encoder's output; the default.

    .. math:: q(z|x) = \delta(z - f(x))

    The adversarial autoencoder regularises the *aggregated* posterior, whose randomness then
    comes from the data alone.

    References
    ----------
    A. Makhzani et al., *Adversarial Autoencoders*, 2015, section 2.

    Examples
    --------
    >>> from skaae.posteriors import Deterministic
    >>> Deterministic().n_outputs(8)
    8
    """

    def sample(
        self, outputs: Tensor, networks: nn.ModuleDict, generator: torch.Generator
    ) -> PosteriorSample:
        """Return the outputs as codes."""
        return PosteriorSample(outputs)


class Gaussian(Posterior):
    r"""A Gaussian with diagonal covariance, reparametrised.

    .. math:: z = \mu(x) + \sigma(x) \odot \epsilon, \qquad \epsilon \sim N(0, I)

    References
    ----------
    D. Kingma, M. Welling, *Auto-Encoding Variational Bayes*, 2014.

    Examples
    --------
    >>> from skaae.posteriors import Gaussian
    >>> Gaussian().n_outputs(8)
    16
    """

    has_density = True

    def n_outputs(self, n_components: int) -> int:
        """Return two outputs a component: mean and log standard deviation."""
        return 2 * n_components

    def sample(
        self, outputs: Tensor, networks: nn.ModuleDict, generator: torch.Generator
    ) -> PosteriorSample:
        """Draw mean + std * noise; gradients reach both."""
        mean, log_std = _mean_and_log_std(outputs)
        std = log_std.exp()
        codes = mean + std * normal_draws(*mean.shape, generator=generator)
        return PosteriorSample(codes, gaussian_log_density(codes, mean, log_std), mean, std)

    def mean(self, outputs: Tensor, networks: nn.ModuleDict) -> Tensor:
        """Return the mean."""
        return outputs.chunk(2, dim=1)[0]


class UniversalApproximator(Posterior):
    r"""Noise as a further input of the encoder, so that q(z|x) may have any shape.

    .. math:: z = f(x, \eta), \qquad \eta \sim N(0, I)

    Its density is not known; :class:`Hierarchical` is the relative that has a bound.

    Parameters
    ----------
    n_noise : int, default=8
        Columns of noise.
    n_mean_draws : int, default=16
        The mean code of ``transform`` is an average over this many fixed draws of the noise.

    Raises
    ------
    ValueError
        At ``fit``, if a parameter is not a positive integer.

    References
    ----------
    A. Makhzani et al., *Adversarial Autoencoders*, 2015, section 2.

    Examples
    --------
    >>> from skaae.posteriors import UniversalApproximator
    >>> UniversalApproximator(n_noise=4).input_noise().shape
    torch.Size([16, 4])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_noise": [Interval(Integral, 1, None, closed="left")],
        "n_mean_draws": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_noise: int = 8, *, n_mean_draws: int = 16) -> None:
        self.n_noise = n_noise
        self.n_mean_draws = n_mean_draws

    def _n_numbers(self, n_components: int) -> int:
        return int(self.n_noise) * int(self.n_mean_draws)

    def input_noise(self) -> Tensor:
        """Return `n_mean_draws` fixed draws of `n_noise` columns."""
        return fixed_noise(self.n_mean_draws, self.n_noise)

    def sample(
        self, outputs: Tensor, networks: nn.ModuleDict, generator: torch.Generator
    ) -> PosteriorSample:
        """Return the outputs, which already depend on the noise."""
        return PosteriorSample(outputs)


class Hierarchical(Posterior):
    r"""A Gaussian whose mean is itself random: a mixture of infinitely many Gaussians.

    .. math:: q(z|x) = \int q(z|\lambda) \, q(\lambda|x) \, d\lambda, \qquad
        q(\lambda|x) = N(\mu(x), \sigma^2(x)), \quad
        q(z|\lambda) = N(\lambda + m(\lambda), s^2(\lambda))

    Its log density is not known. An auxiliary network :math:`r(\lambda|z, x)` bounds its mean,

    .. math:: E \log q(z|x) \le E[\log q(z|\lambda) + \log q(\lambda|x) - \log r(\lambda|z, x)],

    with equality where r is the posterior of :math:`\lambda`; the right side has a gradient of
    much lower variance than a Monte Carlo average over :math:`\lambda`.

    Parameters
    ----------
    n_hidden : int, default=64
        Width of the hidden layer of both networks.
    n_mean_draws : int, default=16
        The mean code of ``transform`` is an average over this many fixed draws.

    Raises
    ------
    ValueError
        At ``fit``, if a parameter is not a positive integer.

    References
    ----------
    R. Ranganath, D. Tran, D. Blei, *Hierarchical Variational Models*, 2016.

    Examples
    --------
    >>> from skaae.posteriors import Hierarchical
    >>> sorted(Hierarchical().build(2))
    ['auxiliary', 'likelihood']
    """

    has_density = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_hidden": [Interval(Integral, 1, None, closed="left")],
        "n_mean_draws": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_hidden: int = 64, *, n_mean_draws: int = 16) -> None:
        self.n_hidden = n_hidden
        self.n_mean_draws = n_mean_draws

    def n_outputs(self, n_components: int) -> int:
        """Return two outputs a component: mean and log standard deviation of lambda."""
        return 2 * n_components

    def _n_numbers(self, n_components: int) -> int:
        return int(self.n_mean_draws) * n_components

    def build(self, n_components: int) -> nn.ModuleDict:
        """Return q(z|lambda) and r(lambda|z, x), the latter seeing x through q(lambda|x)."""

        def network(n_inputs: int) -> nn.Module:
            hidden = nn.Linear(n_inputs, self.n_hidden)
            return nn.Sequential(hidden, nn.Tanh(), nn.Linear(self.n_hidden, 2 * n_components))

        return nn.ModuleDict(
            {"likelihood": network(n_components), "auxiliary": network(3 * n_components)}
        )

    def _given_lambda(self, lambda_: Tensor, networks: nn.ModuleDict) -> tuple[Tensor, Tensor]:
        shift, log_std = _mean_and_log_std(networks["likelihood"](lambda_).to(lambda_.dtype))
        return lambda_ + shift, log_std

    def sample(
        self, outputs: Tensor, networks: nn.ModuleDict, generator: torch.Generator
    ) -> PosteriorSample:
        """Draw lambda, then z; the log density is the bound's integrand."""
        mean, log_std = _mean_and_log_std(outputs)
        lambda_ = mean + log_std.exp() * normal_draws(*mean.shape, generator=generator)
        code_mean, code_log_std = self._given_lambda(lambda_, networks)
        codes = code_mean + code_log_std.exp() * normal_draws(*mean.shape, generator=generator)
        guess, guess_log_std = _mean_and_log_std(
            networks["auxiliary"](torch.cat([codes, mean, log_std], dim=1)).to(codes.dtype)
        )
        log_density = (
            gaussian_log_density(codes, code_mean, code_log_std)
            + gaussian_log_density(lambda_, mean, log_std)
            - gaussian_log_density(lambda_, codes + guess, guess_log_std)
        )
        return PosteriorSample(codes, log_density)

    def mean(self, outputs: Tensor, networks: nn.ModuleDict) -> Tensor:
        """Return the average of E[z|lambda] over fixed draws of lambda."""
        mean, log_std = _mean_and_log_std(outputs)
        std = log_std.exp()
        draws = fixed_noise(self.n_mean_draws, mean.shape[1]).to(mean)
        means = (self._given_lambda(mean + std * noise, networks)[0] for noise in draws)
        return cast(Tensor, sum(means)) / self.n_mean_draws


#: The names that `posterior=` accepts.
POSTERIORS: dict[str, type[Posterior]] = {
    "deterministic": Deterministic,
    "gaussian": Gaussian,
    "universal": UniversalApproximator,
    "hierarchical": Hierarchical,
}


def as_posterior(value: str | Posterior) -> Posterior:
    """Return a :class:`Posterior` for whatever `posterior=` accepts."""
    return POSTERIORS[value]() if isinstance(value, str) else clone(value)
