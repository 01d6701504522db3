"""The parameters that all autoencoders share."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch

from skaae._compat import HasMethods, Interval, StrOptions
from skaae._device import PRECISION_NAMES
from skaae._portable import PortableEstimator
from skaae.divergences import DIVERGENCES, Divergence
from skaae.losses import LOSSES, ReconstructionLoss
from skaae.networks import DECODERS, ENCODERS
from skaae.posteriors import POSTERIORS, Posterior
from skaae.priors import PRIORS


class AutoencoderParameters(PortableEstimator):
    """The shared constructor; :class:`~skaae.AdversarialAutoencoder` says what each means."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "prior": [
            StrOptions(set(PRIORS)),
            HasMethods("sample"),
            HasMethods("rvs"),
            "array-like",
        ],
        "divergence": [StrOptions(set(DIVERGENCES)), Divergence],
        "divergence_weight": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "posterior": [StrOptions(set(POSTERIORS)), Posterior],
        "reconstruction_loss": [StrOptions(set(LOSSES)), ReconstructionLoss],
        "hidden_layer_sizes": ["array-like"],
        "encoder": [StrOptions(set(ENCODERS)), callable, None],
        "decoder": [StrOptions(set(DECODERS)), callable, None],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "input_noise": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "device": [str, torch.device],
        "precision": [StrOptions(PRECISION_NAMES)],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        prior: Any = "normal",
        divergence: str | Divergence = "jensen_shannon",
        divergence_weight: float | str = "auto",
        posterior: str | Posterior = "deterministic",
        reconstruction_loss: str | ReconstructionLoss = "squared_error",
        hidden_layer_sizes: Sequence[int] = (512, 512),
        encoder: Any = None,
        decoder: Any = None,
        learning_rate: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | None = None,
        weight_decay: float = 1000.0,
        input_noise: float | str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        device: str | torch.device = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.prior = prior
        self.divergence = divergence
        self.divergence_weight = divergence_weight
        self.posterior = posterior
        self.reconstruction_loss = reconstruction_loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.encoder = encoder
        self.decoder = decoder
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.weight_decay = weight_decay
        self.input_noise = input_noise
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose
