"""The variational autoencoder's divergence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from skaae.divergences._base import Divergence
from skaae.posteriors import Posterior, PosteriorSample
from skaae.priors import Prior


class PosteriorKL(Divergence):
    r"""Kullback-Leibler divergence of each row's posterior from the prior, averaged over rows.

    .. math:: E_x \, \text{KL}(q(z|x) \| p(z)) = E_x E_{q(z|x)}[\log q(z|x) - \log p(z)]

    With weight 1, which ``divergence_weight="auto"`` is here, and a Gaussian posterior the
    objective is the variational autoencoder's evidence bound. Where prior and posterior are
    Gaussian the closed form is used, else an estimate from one draw (for a hierarchical
    posterior, its upper bound). It regularises q(z|x), not the aggregated posterior.

    Raises
    ------
    ValueError
        At ``fit``, if the posterior or the prior has no density.

    References
    ----------
    D. Kingma, M. Welling, *Auto-Encoding Variational Bayes*, 2014.

    Examples
    --------
    >>> from skaae.divergences import PosteriorKL
    >>> PosteriorKL().absolute_weight(constant_loss=32.0)
    1.0
    """

    of_samples = False

    def absolute_weight(self, constant_loss: float) -> float:
        """Return 1: the evidence bound."""
        return 1.0

    def check(self, prior: Prior, posterior: Posterior) -> None:
        """Raise ValueError where log q(z|x) or log p(z) is not to be had."""
        super().check(prior, posterior)
        if not posterior.has_density:
            raise ValueError(
                "divergence='posterior_kl' needs log q(z|x): expected posterior='gaussian' or "
                f"'hierarchical', got {posterior}."
            )
        if not hasattr(prior, "log_density"):
            raise ValueError(
                "divergence='posterior_kl' needs log p(z), which the prior does not offer; got "
                f"prior={prior}. Use a prior with a density, such as 'normal' or "
                "'gaussian_mixture', or a divergence that needs samples only."
            )

    def encoder_loss(
        self,
        sample: PosteriorSample,
        prior_codes: Tensor,
        *,
        prior: Any,
        discriminator: nn.Module | None,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the divergence in nats, averaged over rows."""
        gaussian = prior.gaussian_parameters()
        if gaussian is None or sample.mean is None:
            sampled: Tensor = sample.log_density - prior.log_density(sample.codes)
            return sampled.mean()
        mean, std = (parameter.to(sample.mean) for parameter in gaussian)
        ratio = (sample.std / std).square()
        shift = ((sample.mean - mean) / std).square()
        exact: Tensor = 0.5 * (ratio + shift - 1.0 - ratio.log()).sum(dim=1)
        return exact.mean()
