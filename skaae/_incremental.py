"""Training that goes on from call to call."""

from __future__ import annotations

from typing import Any

import numpy as np

from skaae._base import BaseAdversarialAutoencoder
from skaae._device import Seeds, resolve_device
from skaae._rows import check_values, constant_loss, fit_scaling, rows_in_units
from skaae._safety import one_pass, unchanged_on_error, warn_of_ending
from skaae._streams import thinned
from skaae.distributed import current_ranks
from skaae.losses import as_loss
from skaae.training import (
    Reference,
    batches_of,
    principal_components,
    resolve_batch_size,
    resolve_input_noise,
    resolve_learning_rate,
)


class IncrementalAutoencoder(BaseAdversarialAutoencoder):
    """An autoencoder of unlabelled rows that takes them piece by piece."""

    def _partial_fit(self, X: Any) -> None:
        """Train for one pass over `X`, from the state that the last call left."""
        first = not hasattr(self, "model_")
        with unchanged_on_error(self):
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
                reference = Reference.of(constant_loss(loss, typical), pca)
            else:
                model, reference = self.model_, self._reference
            n_seen = len(x) + (0 if first else self.n_samples_seen_)
            step = self.__dict__.get("_step")
            step = step or self._new_step(model, loss, len(x), reference, seeds)
            step.adjust(
                divergence_weights=self._divergence_weights(model.latents, reference),
                learning_rate=resolve_learning_rate(self.learning_rate, len(x)),
                weight_decay=self.weight_decay / n_seen,
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
            self._loss, self._reference, self._output_dtype = loss, reference, X.dtype
            # It told of a model that has moved on.
            self.__dict__.pop("prior_match_", None)
            if not outcome.finite:
                # The weights are those before the pass; the optimiser's moments are not finite.
                del self._step
                self.n_samples_seen_ -= len(x)
        warn_of_ending(outcome, n_iter - 1)
