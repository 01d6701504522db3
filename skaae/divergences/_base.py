"""What every divergence D(q(z) || p(z)) offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skaae._compat import Interval
from skaae.networks import MLP
from skaae.posteriors import Posterior, PosteriorSample
from skaae.priors import Prior


class Divergence(BaseEstimator, ABC):
    """How far the codes are from the prior, as a loss of the encoder.

    Codes and prior codes come in units in which the prior has mean 0 and standard deviation 1,
    so bandwidths and penalties mean the same for every prior.

    References
    ----------
    I. Tolstikhin, O. Bousquet, S. Gelly, B. Schoelkopf, *Wasserstein Auto-Encoders*, 2018.

    Examples
    --------
    >>> import torch
    >>> from skaae.divergences import Divergence
    >>> from skaae.posteriors import PosteriorSample
    >>> class Means(Divergence):
    ...     def encoder_loss(self, sample, prior_codes, *, prior, discriminator, generator):
    ...         return (sample.codes.mean(dim=0) - prior_codes.mean(dim=0)).square().sum()
    >>> codes, prior_codes = torch.ones(4, 2), torch.zeros(4, 2)
    >>> Means().encoder_loss(
    ...     PosteriorSample(codes), prior_codes, prior=None, discriminator=None, generator=None
    ... )
    tensor(2.)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    #: Discriminator updates before each encoder update; 0 where there is no discriminator.
    n_discriminator_steps = 0

    #: Whether a large discriminator may run in bfloat16; not where its slope enters a loss.
    bears_bfloat16: ClassVar[bool] = False

    #: Whether samples are all it needs, so that it compares any two distributions.
    of_samples: ClassVar[bool] = True

    #: `divergence_weight="auto"` is this times the reconstruction loss of the constant mean.
    auto_weight: ClassVar[float] = 1.0

    def check(self, prior: Prior, posterior: Posterior) -> None:
        """Raise ValueError where a parameter is off or prior or posterior do not fit."""
        self._validate_params()

    def absolute_weight(self, constant_loss: float) -> float:
        """Return the weight that ``divergence_weight="auto"`` stands for.

        Parameters
        ----------
        constant_loss : float
            Reconstruction loss of the best constant row, or twice what principal components leave
            of it: the scale that makes one weight mean the same balance for 10 columns and for
            1,000.
        """
        return self.auto_weight * constant_loss

    @abstractmethod
    def encoder_loss(
        self,
        sample: PosteriorSample,
        prior_codes: Tensor,
        *,
        prior: Any,
        discriminator: nn.Module | None,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the loss whose gradient moves the codes towards the prior.

        Parameters
        ----------
        sample : PosteriorSample
            Codes of shape (n_samples, n_components), and their density where it is known.
        prior_codes : Tensor of shape (n_samples, n_components)
        prior : object with ``log_density`` and ``gaussian_parameters``
            The prior in the same units.
        discriminator : nn.Module or None
            As built by ``build_discriminator``, its weights frozen.
        generator : torch.Generator
            For a divergence that draws at random.

        Returns
        -------
        loss : Tensor of shape ()
        """


class AdversarialDivergence(Divergence):
    """A divergence that a discriminator estimates.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(256, 256)
        Units of the discriminator's hidden layers.
    learning_rate : float, default=0.001
        Of the discriminator's optimiser.
    n_discriminator_steps : int, default=1
        Discriminator updates before each update of the autoencoder.

    References
    ----------
    I. Goodfellow et al., *Generative Adversarial Nets*, 2014.

    Examples
    --------
    >>> import torch
    >>> from skaae.divergences import AdversarialDivergence, JensenShannon
    >>> isinstance(JensenShannon(), AdversarialDivergence)
    True
    >>> JensenShannon((8,)).build_discriminator(2)(torch.zeros(4, 2)).shape
    torch.Size([4, 1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like"],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "n_discriminator_steps": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        *,
        learning_rate: float = 1e-3,
        n_discriminator_steps: int = 1,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.n_discriminator_steps = n_discriminator_steps

    def build_discriminator(self, n_inputs: int) -> nn.Module:
        """Return a new discriminator, from `n_inputs` columns to one; high means "a code"."""
        builder = MLP(self.hidden_layer_sizes, activation="leaky_relu", linear_path=False)
        return builder(n_inputs, 1)

    @abstractmethod
    def discriminator_loss(
        self,
        codes: Tensor,
        prior_codes: Tensor,
        discriminator: nn.Module,
        *,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the loss of the discriminator, shape (), for detached codes."""
