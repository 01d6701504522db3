"""Arrays to codes and back: a fitted model behind NumPy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skaae._device import apply_in_batches, inference_dtype
from skaae._model import AutoencoderModel
from skaae._scaling import ColumnScaling
from skaae.losses import ReconstructionLoss


@dataclass(frozen=True)
class Codec:
    """Encode and decode arrays in users' units with fitted networks, which stay as they are.

    Parameters
    ----------
    model : AutoencoderModel
        In evaluation mode.
    scaling : ColumnScaling
    loss : ReconstructionLoss
    device : torch.device
        Where `model` lies.
    """

    model: AutoencoderModel
    scaling: ColumnScaling
    loss: ReconstructionLoss
    device: torch.device

    def encode(self, X: np.ndarray) -> np.ndarray:
        """Return mean codes in the prior's units, shape (n_samples, n_components)."""
        return self._apply(
            lambda model, x: model.to_prior_units(model.mean_codes(x)),
            X,
            self.model.n_components,
            before=self.scaling.forward,
        )

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return rows in the data's units, shape (n_samples, n_features)."""
        return self._apply(
            lambda model, z: self.loss.mean(model.decode(model.from_prior_units(z))),
            codes,
            self.model.n_features,
            after=self.scaling.inverse,
        )

    def row_losses(self, X: np.ndarray) -> np.ndarray:
        """Return the reconstruction loss of each row, shape (n_samples,)."""
        return self._apply(
            lambda model, x: self.loss(model.decode(model.mean_codes(x)), x)[:, None],
            X,
            1,
            before=self.scaling.forward,
        )[:, 0]

    def _apply(
        self,
        function: Callable[[AutoencoderModel, Tensor], Tensor],
        X: np.ndarray,
        n_outputs: int,
        **around: Any,
    ) -> np.ndarray:
        dtype = inference_dtype(X, self.device)
        exact = dtype == torch.float64
        model = copy.deepcopy(self.model).to(dtype) if exact else self.model
        with torch.no_grad():
            return apply_in_batches(
                lambda block: function(model, block),
                X,
                n_outputs=n_outputs,
                dtype=dtype,
                device=self.device,
                **around,
            )
