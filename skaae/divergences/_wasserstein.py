"""The Wasserstein distance, through a critic with bounded slope."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from skaae._compat import Interval
from skaae.divergences._base import AdversarialDivergence
from skaae.posteriors import PosteriorSample


class Wasserstein(AdversarialDivergence):
    r"""Wasserstein-1 distance of codes and prior, with gradient penalty.

    .. math:: W_1(q, p) = \max_{|v|_L \le 1} E_q[v(z)] - E_p[v(z)]

    The critic maximises it less ``gradient_penalty`` times
    :math:`E[(|\nabla v(\hat z)| - 1)^2]` on lines :math:`\hat z` between codes and prior codes.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(256, 256)
        Units of the critic's hidden layers.
    learning_rate : float, default=0.001
        Of the critic's optimiser.
    n_discriminator_steps : int, default=3
        Critic updates before each update of the autoencoder.
    gradient_penalty : float, default=1.0
        Codes have few dimensions; 10, as for images, lets the critic learn too slowly here.

    Raises
    ------
    ValueError
        At ``fit``, if a parameter is out of its range.

    References
    ----------
    I. Gulrajani et al., *Improved Training of Wasserstein GANs*, 2017.

    Examples
    --------
    >>> from skaae.divergences import Wasserstein
    >>> Wasserstein(gradient_penalty=10.0)
    Wasserstein(gradient_penalty=10.0)
    """

    auto_weight = 0.3
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AdversarialDivergence._parameter_constraints,
        "gradient_penalty": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        *,
        learning_rate: float = 1e-3,
        n_discriminator_steps: int = 3,
        gradient_penalty: float = 1.0,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            learning_rate=learning_rate,
            n_discriminator_steps=n_discriminator_steps,
        )
        self.gradient_penalty = gradient_penalty

    def discriminator_loss(
        self,
        codes: Tensor,
        prior_codes: Tensor,
        discriminator: nn.Module,
        *,
        generator: torch.Generator,
    ) -> Tensor:
        """Return minus the distance, plus the penalty."""
        share = torch.rand(
            len(codes), 1, generator=generator, dtype=codes.dtype, device=codes.device
        )
        between = (share * codes + (1.0 - share) * prior_codes).requires_grad_(True)
        (slope,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
        penalty = (slope.square().sum(dim=1).add(1e-12).sqrt() - 1.0).square().mean()
        distance = discriminator(codes).mean() - discriminator(prior_codes).mean()
        loss: Tensor = self.gradient_penalty * penalty - distance
        return loss

    def encoder_loss(
        self,
        sample: PosteriorSample,
        prior_codes: Tensor,
        *,
        prior: Any,
        discriminator: nn.Module | None,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the critic's mean over the codes."""
        answers: Tensor = cast(nn.Module, discriminator)(sample.codes)
        return answers.mean()
