"""What estimators share whose codes may keep neighbouring rows together."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

from skaae._base import BaseAdversarialAutoencoder
from skaae._compat import Interval
from skaae.priors import as_prior
from skaae.training import Neighbors, Reference, Term

# Of the encoder's last hidden layer, where the map is laid out before training.
_N_ANCHORS = 192


class NeighborhoodAutoencoder(BaseAdversarialAutoencoder):
    """An autoencoder with ``neighbors_weight`` and ``n_neighbors``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAdversarialAutoencoder._parameter_constraints,
        "neighbors_weight": [Interval(Real, 0, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    @property
    def _neighbors_beside(self) -> int:
        return self.n_neighbors if self.neighbors_weight else 0

    def _terms(self, reference: Reference) -> list[Term]:
        if not self.neighbors_weight:
            return []
        return [Neighbors(self.neighbors_weight * reference.loss)]

    def _default_builder(self, role: str) -> Any:
        builder = super()._default_builder(role)
        if role == "encoder" and self.neighbors_weight and not as_prior(self.prior).on_simplex:
            # Groups that stand apart on the map are no linear function of the rows.
            builder.set_params(linear_path=False, n_anchors=_N_ANCHORS)
        return builder
