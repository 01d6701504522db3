"""Training that goes on from call to call."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skaae._base import BaseAdversarialAutoencoder
from skaae._device import Seeds, resolve_device
from skaae._modes import gradients
from skaae._rows import check_values, fit_scaling, rows_in_units
from skaae._safety import one_pass, unchanged_on_error, warn_of_ending
from skaae._streams import thinned
from skaae._tensors import dtype_name
from skaae.distributed import current_ranks
from skaae.losses import as_loss
from skaae.training import (
    MOMENTS,
    batches_of,
    principal_components,
    resolve_batch_size,
    resolve_input_noise,
    resolve_learning_rate,
)


class IncrementalAutoencoder(BaseAdversarialAutoencoder):
    """An autoencoder of unlabelled rows that takes them piece by piece."""

    #: Of a model that was saved in training, where ``partial_fit`` goes on.
    _moments: Mapping[str, Tensor] = MappingProxyType({})

    def _training_state(self) -> dict[str, Tensor]:
        step = self.__dict__.get("_step")
        return dict(self._moments) if step is None else step.moments()

    def _check_resumable(self, state: dict[str, Tensor]) -> None:
        shapes = {name: p.shape for name, p in self.model_.named_parameters()}
        for name, value in state.items():
            key, _, parameter = name.partition(".")
            others = (f"{other}.{parameter}" in state for other in MOMENTS)
            known = key in MOMENTS and parameter in shapes and all(others)
            shape = shapes[parameter] if known and key != "step" else torch.Size([])
            if not known or value.shape != shape or value.dtype != torch.float32:
                raise ValueError(f"{name}: expected the moments of a weight of the model.")

    def _resume(self, state: dict[str, Tensor]) -> None:
        for name, value in state.items():
            if not name.startswith("exp_avg.") and bool((value < 0).any()):
                raise ValueError(f"{name}: expected numbers that are not negative.")
        if state:
            self._moments = state

    def _partial_fit(self, X: Any) -> None:
        """Train for one pass over `X`, from the state that the last call left."""
        first = not hasattr(self, "model_")
        with unchanged_on_error(self, X), gradients():
            self._validate_params()
            X = self._validated(X, reset=first)
            seeds = current_ranks().of_first(Seeds.draw(self.random_state))
            loss = as_loss(self.reconstruction_loss) if first else self._loss
            check_values(loss, X)
            device = resolve_device(self.device) if first else self.device_
            scaling = fit_scaling(loss, X) if first else self._scaling
            x = rows_in_units(X, scaling, device)
            if first:
                latents, role = self._latents(seeds.latents, np.zeros(0)), self._role(0)
                typical = thinned(x)
                pca = principal_components(typical, self.n_components, seeds.components)
                model = self._new_model(typical, loss, latents, role, seeds, pca)
                reference = self._reference_of(typical, loss, pca, seeds)
            else:
                model, reference = self.model_, self._reference
            n_seen = len(x) + (0 if first else self.n_samples_seen_)
            step = self.__dict__.get("_step")
            if step is None:
                step = self._new_step(model, loss, len(x), reference, seeds)
                step.set_moments(self._moments)
            step.adjust(
                divergence_weights=self._divergence_weights(model.latents, reference),
                learning_rate=resolve_learning_rate(self.learning_rate, len(x)),
                weight_decay=reference.decay_factor * self.weight_decay / n_seen,
                input_noise=resolve_input_noise(self.input_noise, reference),
                terms=self._terms(reference),
            )
            batch_size = resolve_batch_size(self.batch_size, len(x))
            batches = batches_of(x, batch_size, step.generator, n_neighbors=self._neighbors_beside)
            outcome = one_pass(step, batches)
            n_iter = 1 if first else self.n_iter_ + 1
            entry = {**outcome.history[0], "epoch": n_iter}
            self.history_ = [entry] if first else [*self.history_, entry]
            self.n_iter_, self.best_iter_ = n_iter, n_iter - 1 + outcome.best_epoch
            self.n_samples_seen_, self._step = n_seen, step
            self.model_, self._scaling, self.device_ = model, scaling, device
            self._loss, self._reference = loss, reference
            self.divergence_weight_ = step.divergence_weights[0]
            self._output_dtype = np.dtype(dtype_name(X))
            # It told of a model that has moved on.
            self.__dict__.pop("prior_match_", None)
            self.__dict__.pop("_moments", None)
            if not outcome.finite:
                # The weights are those before the pass; the optimiser's moments are not finite.
                del self._step
                self.n_samples_seen_ -= len(x)
        warn_of_ending(outcome, n_iter - 1)
