"""The swiss roll."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from skaae._compat import Interval
from skaae._device import normal_draws, uniform_draws
from skaae.priors._base import PriorWithClasses


class SwissRoll(PriorWithClasses):
    r"""Swiss roll: a spiral band in the plane, rolled up paper in space.

    With t uniform along the band's length, :math:`r = t`, :math:`z = r (\cos t, \sin t) +
    \text{noise} \cdot \epsilon`, :math:`t \in [\tfrac{3}{2}\pi, \tfrac{3}{2}\pi (1 + 2)]` shrunk
    to `radius`; in three dimensions the third coordinate is uniform in [-radius, radius].

    Parameters
    ----------
    radius : float, default=4.0
        Outer radius.
    noise : float, default=0.3
        Standard deviation of the Gaussian noise around the band, whose turns are 1.8 apart at the
        default radius. A band that is much narrower is no prior that a network meets: it would have
        to place every row to within the noise.
    n_stretches : int, default=10
        Classes: class k is the k-th stretch of the band, all of one length, from the inside out.

    Raises
    ------
    ValueError
        At ``fit``, if the codes have neither two nor three dimensions.

    Notes
    -----
    Rows are spread evenly along the band, so no part of it is denser than another. It offers no
    ``log_density``.

    References
    ----------
    A. Makhzani et al., *Adversarial Autoencoders*, 2015, figure 4.

    Examples
    --------
    >>> from skaae.priors import SwissRoll
    >>> SwissRoll().sample(5, 2).shape
    torch.Size([5, 2])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "radius": [Interval(Real, 0, None, closed="neither")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "n_stretches": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, radius: float = 4.0, noise: float = 0.3, *, n_stretches: int = 10) -> None:
        self.radius = radius
        self.noise = noise
        self.n_stretches = n_stretches

    def check(self, n_components: int) -> None:
        """Raise ValueError where there is no roll of that dimension."""
        super().check(n_components)
        if n_components not in (2, 3):
            raise ValueError(
                f"SwissRoll prior: it exists in 2 or 3 dimensions, got n_components={n_components}."
            )

    def n_classes(self, n_components: int) -> int:
        """Return the number of stretches."""
        return self.n_stretches

    def _sample_given(self, y: Tensor, n_components: int, generator: torch.Generator) -> Tensor:
        n_samples = len(y)
        first, last = 1.5 * math.pi, 4.5 * math.pi
        unit = uniform_draws(n_samples, generator=generator)
        unit = torch.where(y < 0, unit, (y + unit) / self.n_stretches)
        # The band's length grows as t**2 / 2, so evenly spread rows need the square root.
        angle = (first**2 + (last**2 - first**2) * unit).sqrt()
        columns = [angle * angle.cos(), angle * angle.sin()]
        if n_components == 3:
            height = 2.0 * uniform_draws(n_samples, generator=generator) - 1.0
            columns.append(height * last)
        codes = torch.stack(columns, dim=1) * (self.radius / last)
        return codes + self.noise * normal_draws(n_samples, n_components, generator=generator)
