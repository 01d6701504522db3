"""Rows to codes and back, in users' units: a fitted model behind arrays, and as graphs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skaae._device import apply_in_batches, inference_dtype
from skaae._labels import one_hot
from skaae._model import AutoencoderModel
from skaae._modes import inference
from skaae._scaling import ColumnScaling
from skaae._sources import Rows
from skaae.losses import ReconstructionLoss


@dataclass(frozen=True)
class Graph:
    """A part of a fitted model as one function of tensors in users' units, for exporters.

    Parameters
    ----------
    function : callable
        ``(model, *inputs) -> Tensor``.
    inputs : dict of str to Tensor
        Names of the inputs, and two rows of each.
    output : str
        Name of what comes out.
    """

    function: Callable[..., Tensor]
    inputs: dict[str, Tensor]
    output: str


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

    def encode(self, X: Rows) -> np.ndarray:
        """Return mean codes in the prior's units, shape (n_samples, n_components)."""
        return self._apply(
            _codes,
            X,
            self.model.n_components,
            before=self.scaling.forward_,
        )

    def label_probabilities(self, X: Rows) -> np.ndarray:
        """Return q(y|x) of the inferred labels, shape (n_samples, n_labels)."""
        return self._apply(
            _probabilities,
            X,
            self.model.latents[1].n_components,
            before=self.scaling.forward_,
        )

    def decode(self, codes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Return rows in the data's units, shape (n_samples, n_features).

        Parameters
        ----------
        codes : ndarray of shape (n_samples, n_components)
            In the prior's units; with heads, as ``encode`` answers them.
        labels : ndarray of shape (n_samples, n_labels), default=None
            Label columns of the decoder.
        """
        n_components = self.model.n_components

        def rows(model: AutoencoderModel, both: Tensor) -> Tensor:
            beside = None if labels is None else both[:, n_components:]
            return self._rows(model, both[:, :n_components], beside)

        return self._apply(
            rows, codes, self.model.n_features, beside=labels, after=self.scaling.inverse
        )

    def shift(self, codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return codes moved to the heads of their labels, in the prior's units."""
        n_components = self.model.n_components

        def moved(model: AutoencoderModel, both: Tensor) -> Tensor:
            code = model.from_prior_units(both[:, :n_components])
            return model.to_prior_units(model.shifted(code, both[:, n_components:]))

        return self._apply(moved, codes, n_components, beside=labels)

    def row_losses(self, X: Rows, labels: np.ndarray | None = None) -> np.ndarray:
        """Return the reconstruction loss of each row, shape (n_samples,)."""
        n_features = self.model.n_features

        def losses(model: AutoencoderModel, both: Tensor) -> Tensor:
            x, given = both[:, :n_features], None if labels is None else both[:, n_features:]
            return self.loss(model.decode_codes(model.mean_codes(x), given), x)[:, None]

        return self._apply(losses, X, 1, before=self.scaling.forward_, beside=labels)[:, 0]

    def graphs(self) -> dict[str, Graph]:
        """Return what ``encode``, ``decode`` and ``label_probabilities`` compute, by part."""
        model, forward = self.model, self.scaling.forward
        # The networks' dtype and the exporter's device, whatever PyTorch's defaults are.
        like: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
        rows = {"rows": torch.zeros(2, model.n_features, **like)}
        codes = {"codes": torch.zeros(2, model.n_components, **like)}
        n_labels = model.n_label_inputs
        labels = {"labels": torch.zeros(2, dtype=torch.int64, device="cpu")} if n_labels else {}

        def decoded(model: AutoencoderModel, codes: Tensor, *labels: Tensor) -> Tensor:
            beside = [one_hot(y, n_labels) for y in labels]
            return self.scaling.inverse(self._rows(model, codes, *beside))

        found = {
            "encoder": Graph(lambda model, x: _codes(model, forward(x)), rows, "codes"),
            "decoder": Graph(decoded, {**codes, **labels}, "rows"),
        }
        if model.role.infers:
            found["classifier"] = Graph(
                lambda model, x: _probabilities(model, forward(x)), rows, "probabilities"
            )
        return found

    def _rows(self, model: AutoencoderModel, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return rows in the networks' units for codes in the prior's."""
        return self.loss.mean(model.decode(model.from_prior_units(codes), labels))

    def _apply(
        self,
        function: Callable[[AutoencoderModel, Tensor], Tensor],
        X: Rows,
        n_outputs: int,
        **around: Any,
    ) -> np.ndarray:
        exact = self.model.runs_in_double and inference_dtype(X, self.device) == torch.float64
        dtype = torch.float64 if exact else torch.float32
        with inference():
            model = copy.deepcopy(self.model).to(dtype) if exact else self.model
            values: np.ndarray = apply_in_batches(
                lambda block: function(model, block),
                X,
                n_outputs=n_outputs,
                dtype=dtype,
                device=self.device,
                **around,
            )
        return values


def _codes(model: AutoencoderModel, x: Tensor) -> Tensor:
    return model.to_prior_units(model.code_of(x))


def _probabilities(model: AutoencoderModel, x: Tensor) -> Tensor:
    return model.mean_codes(x)[1]
