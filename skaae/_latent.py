"""A part of the code: its prior, its posterior, its divergence, and its units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from skaae._device import new_generator
from skaae._scaling import ColumnScaling
from skaae.divergences import DIVERGENCES, AdversarialDivergence, Divergence
from skaae.posteriors import POSTERIORS, Posterior, PosteriorSample
from skaae.priors import Categorical, Prior

_N_CHECKED_DRAWS = 4096


@dataclass(frozen=True)
class Latent:
    """One latent variable of an autoencoder.

    Everything below the estimators works in *units of the prior*, in which its components have
    mean 0 and standard deviation 1: an encoder, a discriminator or a bandwidth then need not know
    whether the user asked for N(0, I) or N(0, 25 I). ``scaling`` leads there and back.

    Parameters
    ----------
    name : str
    n_components : int
    prior : Prior
    posterior : Posterior
    divergence : Divergence
    scaling : ColumnScaling
        From the prior's own units to those with mean 0 and standard deviation 1.
    """

    name: str
    n_components: int
    prior: Prior
    posterior: Posterior
    divergence: Divergence
    scaling: ColumnScaling

    @classmethod
    def create(
        cls,
        name: str,
        n_components: int,
        *,
        prior: Prior,
        posterior: Posterior,
        divergence: Divergence,
        seed: int,
    ) -> Latent:
        """Check that the parts fit together and measure the prior's units on draws from it.

        Raises
        ------
        ValueError
            If the prior does not draw finite codes of dimension `n_components`, or if a part
            needs of another what that does not offer.
        """
        prior.check(n_components)
        posterior.check()
        divergence.check(prior, posterior)
        draws = prior.sample(_N_CHECKED_DRAWS, n_components, generator=new_generator(seed))
        if not torch.isfinite(draws).all():
            raise ValueError(f"The prior {prior} drew codes with NaN or infinity.")
        if prior.on_simplex:
            scaling = ColumnScaling.identity(n_components)
        else:
            scaling = _standard_units(draws)
        return cls(name, n_components, prior, posterior, divergence, scaling)

    @property
    def is_adversarial(self) -> bool:
        """Whether a discriminator is trained."""
        return isinstance(self.divergence, AdversarialDivergence)

    @property
    def is_ours(self) -> bool:
        """Whether its networks come from this package, and draw nothing at random."""
        ours = (*DIVERGENCES.values(), *POSTERIORS.values())
        return type(self.divergence) in ours and type(self.posterior) in ours

    def sample_prior(
        self, n_samples: int, generator: torch.Generator, y: Tensor | None = None
    ) -> Tensor:
        """Draw codes in units of the prior, of the classes `y`, shape (n_samples, n_components)."""
        draws = self.prior.sample(n_samples, self.n_components, y=y, generator=generator)
        return self.scaling.forward(draws)

    def log_density(self, codes: Tensor) -> Tensor:
        """Return log p(z) of codes in units of the prior, shape (n_samples,)."""
        log_scale = self.scaling.scale.log().sum().to(codes)
        log_density: Tensor = self.prior.log_density(self.scaling.inverse(codes)) + log_scale
        return log_density

    def gaussian_parameters(self) -> tuple[Tensor, Tensor] | None:
        """Return mean and standard deviation of p(z) in units of the prior, if Gaussian."""
        parameters = self.prior.gaussian_parameters(self.n_components)
        if parameters is None:
            return None
        mean, std = parameters
        return (mean - self.scaling.location) / self.scaling.scale, std / self.scaling.scale

    def category_probabilities(self) -> Tensor:
        """Return the probability of each one-hot code, for a prior that has such codes."""
        return cast(Categorical, self.prior).category_probabilities(self.n_components)

    def project(self, sample: PosteriorSample) -> PosteriorSample:
        """Return the sample on the prior's support."""
        if not self.prior.on_simplex:
            return sample
        return PosteriorSample(self.prior.project(sample.codes), logits=sample.codes)


def _standard_units(draws: Tensor) -> ColumnScaling:
    draws = draws.double()
    scale = draws.std(dim=0, unbiased=False)
    # A component that the prior holds constant keeps its own units.
    return ColumnScaling(draws.mean(dim=0), torch.where(scale == 0.0, 1.0, scale))
