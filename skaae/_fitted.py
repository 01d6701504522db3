"""What fitted autoencoders have."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from skaae._aggregated_posterior import AggregatedPosterior
from skaae._model import AutoencoderModel
from skaae._parameters import AutoencoderParameters
from skaae._persistence import Fitted, SavingMixin
from skaae._prior_match import PriorMatch
from skaae._scaling import ColumnScaling
from skaae.losses import ReconstructionLoss
from skaae.training import Reference, TrainingStep

#: Of estimators whose ``fit`` takes the classes of rows.
CLASSES: dict[str, Fitted] = {
    "classes_": Fitted(np.ndarray, "biufOU", ("n_labels",)),
    "class_frequencies_": Fitted(np.ndarray, "f", ("n_labels",)),
}


class FittedAutoencoder(SavingMixin, AutoencoderParameters):
    """The fitted attributes that autoencoders share; a subclass with others adds them."""

    model_: AutoencoderModel
    history_: list[dict[str, float]]
    n_iter_: int
    best_iter_: int
    n_samples_seen_: int
    divergence_weight_: float
    device_: torch.device
    prior_match_: PriorMatch
    classes_: np.ndarray
    _scaling: ColumnScaling
    _loss: ReconstructionLoss
    _reference: Reference
    _output_dtype: np.dtype
    _aggregated_posterior: AggregatedPosterior
    _step: TrainingStep

    _fitted_attributes: ClassVar[dict[str, Fitted]] = {
        **SavingMixin._fitted_attributes,
        "model_": Fitted(AutoencoderModel),
        "best_iter_": Fitted(int),
        "n_samples_seen_": Fitted(int),
        "divergence_weight_": Fitted(float),
        # partial_fit has none.
        "prior_match_": Fitted(PriorMatch, optional=True),
        "_scaling": Fitted(ColumnScaling, shape=("n_features",)),
        "_loss": Fitted(ReconstructionLoss),
        "_reference": Fitted(Reference),
    }
