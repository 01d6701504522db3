"""The Wasserstein distance along random lines."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from skaae._compat import Interval
from skaae._sorting import sorted_columns
from skaae.divergences._base import Divergence
from skaae.posteriors import PosteriorSample


class SlicedWasserstein(Divergence):
    r"""Squared Wasserstein-2 distance, averaged over random directions.

    .. math:: \text{SW}_2^2(q, p) = E_\theta \, W_2^2(\theta^T z, \theta^T \tilde z)

    In one dimension the optimal transport pairs sorted values, so no discriminator is trained.

    Parameters
    ----------
    n_projections : int, default=64
        Directions, drawn anew for each batch.

    Raises
    ------
    ValueError
        At ``fit``, if `n_projections` is not positive.

    References
    ----------
    S. Kolouri et al., *Sliced-Wasserstein Auto-Encoders*, 2019.

    Examples
    --------
    >>> from skaae.divergences import SlicedWasserstein
    >>> SlicedWasserstein(n_projections=10)
    SlicedWasserstein(n_projections=10)
    """

    auto_weight = 5.0
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_projections": [Interval(Integral, 1, None, closed="left")]
    }

    def __init__(self, n_projections: int = 64) -> None:
        self.n_projections = n_projections

    def encoder_loss(
        self,
        sample: PosteriorSample,
        prior_codes: Tensor,
        *,
        prior: Any,
        discriminator: nn.Module | None,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the mean squared difference of sorted projections."""
        codes = sample.codes
        directions = torch.randn(
            codes.shape[1],
            self.n_projections,
            generator=generator,
            dtype=codes.dtype,
            device=codes.device,
        )
        directions = directions / directions.norm(dim=0)
        ours = sorted_columns(codes @ directions)
        theirs = sorted_columns(prior_codes @ directions)
        distance: Tensor = (ours - theirs).square().mean()
        return distance
