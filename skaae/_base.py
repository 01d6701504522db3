"""What all estimators share: checks, the fit template, rows to codes and back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from skaae._decoding import Decoding, look_at_decoder, warn_of_decoder
from skaae._device import Seeds, new_generator, resolve_device, resolve_precision
from skaae._fitted import Later
from skaae._inference import EncodingEstimator
from skaae._labels import encode_labels, mark_unlabeled
from skaae._latent import Latent
from skaae._model import AutoencoderModel, LabelRole
from skaae._modes import gradients
from skaae._prior_match import (
    PriorMatch,
    look_at_held_out,
    measure_prior_match,
    warn_if_mismatched,
)
from skaae._rows import check_values, constant_loss, fit_scaling, rows_in_units
from skaae._runs import History, Watch, begin, epochs_so_far, watched_run
from skaae._safety import unchanged_on_error, warn_of_ending
from skaae._scoped_randomness import ScopedRandomness
from skaae._sources import Rows, checked_rows
from skaae._streams import StreamedRows, as_read, subset, thinned
from skaae._tensors import dtype_name
from skaae._warm_start import continued_model
from skaae.checkpoints import Checkpoints
from skaae.divergences import as_divergence
from skaae.losses import ReconstructionLoss, as_loss
from skaae.networks import DECODERS, ENCODERS, MLP, draws_at_random, resolve_builder
from skaae.posteriors import as_posterior
from skaae.priors import as_prior
from skaae.training import (
    Budget,
    EarlyStopping,
    Map,
    Outcome,
    Reference,
    Term,
    TrainingStep,
    batches_of,
    held_out_rows,
    map_of,
    principal_components,
    projected,
    resolve_batch_size,
    resolve_input_noise,
    resolve_learning_rate,
    start_at_principal_components,
)


class BaseAdversarialAutoencoder(EncodingEstimator):
    """Template of the estimators.

    A subclass says in ``_latents`` which latents it combines, in ``_role`` what labels do, and in
    ``_terms`` what else its objective has.
    """

    #: Whether ``fit`` takes the classes of rows.
    _takes_labels: ClassVar[bool] = False
    #: Whether the decoder restores rows from a code alone, without a label that is inferred.
    _code_alone: ClassVar[bool] = True
    #: Rows with a label in each batch, at the least.
    _least_labeled: ClassVar[int] = 0

    @property
    def _neighbors_beside(self) -> int:
        """How many nearest rows count as a row's neighbours; 0 where nothing asks for them."""
        return 0

    def _map(
        self,
        rows: Tensor | StreamedRows,
        latent: Latent,
        start: Callable[[Tensor], Tensor],
        seed: int,
    ) -> Map | None:
        """Return where rows belong among their neighbours, if that is asked for and known."""
        k = self._neighbors_beside
        return map_of(rows, latent, start, k, seed) if k else None

    def _latents(self, seed: int, frequencies: np.ndarray) -> tuple[Latent, ...]:
        """Return the latents, checked: the code, and the label where it is inferred.

        `frequencies` are the shares of the classes that ``fit`` was given.
        """
        return (self._code_latent(seed),)

    def _code_latent(self, seed: int) -> Latent:
        return Latent.create(
            "code",
            self.n_components,
            prior=as_prior(self.prior),
            posterior=as_posterior(self.posterior),
            divergence=as_divergence(self.divergence),
            seed=seed,
        )

    def _n_labels(self, frequencies: np.ndarray) -> int:
        return len(frequencies)

    def _role(self, n_labels: int) -> LabelRole:
        """Return what labels do."""
        return LabelRole()

    def _reference_of(
        self,
        x: Tensor,
        loss: ReconstructionLoss,
        pca: PCA,
        seeds: Seeds,
        on_map: Map | None = None,
    ) -> Reference:
        # On a map nobody asks what principal components leave.
        alone, scale = self._code_alone and on_map is None, constant_loss(loss, x)
        reference = Reference.of(scale, x, pca, seeds.components, code_alone=alone)
        return reference if on_map is None else reference.on_map(on_map.reach)

    def _terms(self, reference: Reference) -> list[Term]:
        """Return the further terms of the objective."""
        return []

    def _divergence_weights(self, latents: tuple[Latent, ...], reference: Reference) -> list[float]:
        return [
            latent.divergence.absolute_weight(reference.loss)
            if self.divergence_weight == "auto"
            else float(self.divergence_weight)
            for latent in latents
        ]

    # ------------------------------------------------------------------ fit

    def _fit(self, X: Any, y: Any = None) -> None:
        """Train on `X` and set the fitted attributes, or leave everything as it was."""
        with unchanged_on_error(self, X), gradients():
            self._validate_params()
            scored = partial(self._scored_rows, X, y)
            X, y, learnt = self._validated_with_labels(X, y)
            seeds, checkpoints = begin(self, X, *learnt.values(), y)
            outcome, fitted, decoding = self._train(X, y, learnt, seeds, scored, checkpoints)
            for name in ("_step", "_moments"):
                self.__dict__.pop(name, None)
            self.__dict__.update(fitted)
            self._set_answers(X)
        if checkpoints is not None and not outcome.interrupted:
            checkpoints.remove()
        # Last, so that a fit survives a caller who turns warnings into errors.
        if not warn_of_ending(outcome):
            name, explained = type(self).__name__, 1.0 - self._reference.unexplained
            self._warn_of_labels()
            # One that has gone astray took the codes along.
            if not warn_of_decoder(decoding, name, explained):
                warn_if_mismatched(self.prior_match_, name, self.divergence_weight_)

    def _set_answers(self, X: Rows) -> None:
        """Set the fitted attributes that the fitted model itself answers."""

    def _as_fitted(self, X: Rows, fitted: dict[str, Any]) -> dict[str, Any]:
        """Return all attributes of a copy of this estimator with those that were fitted."""
        other = copy.copy(self)
        for name in ("_step", "_moments"):
            other.__dict__.pop(name, None)
        other.__dict__.update(fitted)
        other._set_answers(X)
        return dict(vars(other))

    def _warn_of_labels(self) -> None:
        """Raise a ConvergenceWarning where inferred labels are not what was asked for."""

    def _scored_rows(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return what callbacks score: rows as the user passed them, and their targets."""
        # The targets of an autoencoder are its rows.
        return X, X if y is None else y

    def _train(
        self,
        X: Rows,
        y: np.ndarray | None,
        learnt: dict[str, Any],
        seeds: Seeds,
        scored: Callable[[], tuple[Any, Any]],
        checkpoints: Checkpoints | None,
    ) -> tuple[Outcome, dict[str, Any], Decoding]:
        """Return how training went, the fitted attributes, and what the decoder came to.

        Callbacks score `scored`.
        """
        device = resolve_device(self.device)
        loss = as_loss(self.reconstruction_loss)
        check_values(loss, X)
        frequencies = learnt.get("class_frequencies_", np.zeros(0))
        latents, role = (
            self._latents(seeds.latents, frequencies),
            self._role(self._n_labels(frequencies)),
        )
        warm = self._warm_model(X, latents, role, learnt)
        scaling = fit_scaling(loss, X) if warm is None else self._scaling
        x = rows_in_units(X, scaling, device)
        labels = None if y is None else torch.as_tensor(y, device=device)
        train, held_out = as_read(
            x,
            *held_out_rows(
                x,
                self.validation_fraction,
                seed=seeds.split,
                early_stopping=self.early_stopping,
                y=labels,
            ),
        )
        rows = x if held_out is None else subset(x, train)
        typical = thinned(rows)
        pca = principal_components(typical, self.n_components, seeds.components)
        model = (
            self._new_model(typical, loss, latents, role, seeds, pca)
            if warm is None
            else warm.to(device)
        )
        # A map that is there already is where the next one starts.
        start = partial(projected, pca) if warm is None else warm.code_of
        on_map = self._map(rows, latents[0], start, seeds.places)
        reference = self._reference_of(typical, loss, pca, seeds, on_map)
        step = self._new_step(model, loss, len(rows), reference, seeds)
        batches = batches_of(
            rows,
            resolve_batch_size(self.batch_size, len(rows), is_map=reference.is_map),
            step.generator,
            y=None if labels is None else labels[train],
            least_labeled=self._least_labeled,
            n_neighbors=self._neighbors_beside,
            places=None if on_map is None else on_map.places,
        )
        measured = (x, labels) if held_out is None else _taken(x, labels, held_out)
        look = None
        if held_out is not None:
            scale = constant_loss(loss, thinned(measured[0]))
            look = partial(look_at_held_out, model, loss, *measured, scale, seeds.measure)
        settled = {
            **learnt,
            "n_samples_seen_": len(X),
            "device_": device,
            "_scaling": scaling,
            "_loss": loss,
            "_reference": reference,
            "divergence_weight_": step.divergence_weights[0],
            "_output_dtype": np.dtype(dtype_name(X)),
        }

        def match(model: AutoencoderModel) -> PriorMatch:
            return measure_prior_match(
                model, *measured, seed=seeds.measure, held_out=held_out is not None
            )

        def fitted(history: History, best: int, **of_model: Any) -> dict[str, Any]:
            return {**settled, **epochs_so_far(history), "best_iter_": best, **of_model}

        def fitted_so_far(history: History) -> dict[str, Any]:
            now = copy.deepcopy(model).eval()
            answers = {"model_": now, "prior_match_": Later(partial(match, now))}
            return self._as_fitted(X, fitted(history, len(history), **answers))

        budget = self._budget(len(batches.rows), batches.n_batches, reference)
        stopping = EarlyStopping(self.n_iter_no_change, self.tol) if self.early_stopping else None
        watch = Watch(scored, fitted_so_far)
        model.train()
        outcome = watched_run(
            self,
            step,
            batches,
            budget,
            watch,
            look=look,
            stopping=stopping,
            checkpoints=checkpoints,
        )
        model.eval()
        seen = (rows, labels) if held_out is None else _taken(x, labels, train)
        decoding = look_at_decoder(model, loss, *seen)
        answers = {"model_": model, "prior_match_": match(model)}
        return outcome, fitted(outcome.history, outcome.best_epoch, **answers), decoding

    def _budget(self, n_samples: int, n_batches: int, reference: Reference) -> Budget:
        if self.max_iter is not None:
            return Budget(self.max_iter, n_batches)
        kind = Budget.for_map if reference.is_map else Budget.default
        return kind(n_samples, n_batches)

    # ------------------------------------------------------- parts of a fit

    def _validated_with_labels(
        self, X: Any, y: Any
    ) -> tuple[Rows, np.ndarray | None, dict[str, Any]]:
        """Return rows, integer classes, and what is learnt from the labels."""
        if not self._takes_labels:
            return self._validated(X, reset=True), None, {}
        y = None if y is None else mark_unlabeled(y)
        X, y = checked_rows(self, X, y, reset=True, least=2)
        classes, codes = encode_labels(y)
        counts = np.bincount(codes[codes >= 0], minlength=len(classes))
        return X, codes, {"classes_": classes, "class_frequencies_": counts / counts.sum()}

    def _warm_model(
        self, X: Rows, latents: tuple[Latent, ...], role: LabelRole, learnt: dict[str, Any]
    ) -> AutoencoderModel | None:
        """Return a copy of the fitted model to go on from, or None."""
        if not (self.warm_start and hasattr(self, "model_")):
            return None
        asked = self._built(X.shape[1], latents, role, seed=0)
        return continued_model(
            self.model_,
            asked,
            losses=(self._loss, as_loss(self.reconstruction_loss)),
            classes=(getattr(self, "classes_", None), learnt.get("classes_")),
        )

    def _default_builder(self, role: str) -> Any:
        sizes = tuple(self.hidden_layer_sizes)
        return MLP(sizes if role == "encoder" else sizes[::-1])

    def _builder(self, role: str, registry: dict[str, Any]) -> Any:
        return resolve_builder(getattr(self, role), self._default_builder(role), registry)

    def _new_model(
        self,
        x: Tensor,
        loss: ReconstructionLoss,
        latents: tuple[Latent, ...],
        role: LabelRole,
        seeds: Seeds,
        pca: PCA,
    ) -> AutoencoderModel:
        model = self._built(x.shape[1], latents, role, seeds.weights)
        model = model.to(x.device, torch.float32)
        start_at_principal_components(model, loss, x, pca)
        return model

    def _built(
        self, n_features: int, latents: tuple[Latent, ...], role: LabelRole, seed: int
    ) -> AutoencoderModel:
        # Built on the CPU, so that a seed gives the same weights on every device.
        with ScopedRandomness(new_generator(seed)):
            return AutoencoderModel(
                n_features,
                latents,
                encoder=self._builder("encoder", ENCODERS),
                decoder=self._builder("decoder", DECODERS),
                role=role,
            )

    def _new_step(
        self,
        model: AutoencoderModel,
        loss: ReconstructionLoss,
        n_samples: int,
        reference: Reference,
        seeds: Seeds,
    ) -> TrainingStep:
        builders = (self._builder("encoder", ENCODERS), self._builder("decoder", DECODERS))
        largest = max((p.numel() for p in model.encoder.parameters()), default=0)
        device = next(iter(model.parameters())).device
        # A model that was saved for inference has none.
        with ScopedRandomness(new_generator(seeds.weights)):
            model.add_discriminators()
        model.to(device, torch.float32)
        return TrainingStep(
            model,
            loss,
            divergence_weights=self._divergence_weights(model.latents, reference),
            learning_rate=resolve_learning_rate(
                self.learning_rate, n_samples, self.batch_size, is_map=reference.is_map
            ),
            weight_decay=reference.decay_factor * self.weight_decay / n_samples,
            decoder_decay_factor=reference.decoder_decay_factor,
            adversary_decay_factor=reference.adversary_decay_factor,
            input_noise=resolve_input_noise(self.input_noise, reference),
            generator=new_generator(seeds.training, device),
            autocast_dtype=resolve_precision(self.precision, device, largest),
            scoped_randomness=any(map(draws_at_random, builders))
            or not all(latent.is_ours for latent in model.latents),
            terms=self._terms(reference),
            noise_falls=not reference.is_map,
        )


def _taken(
    x: Tensor | StreamedRows, y: Tensor | None, rows: Tensor
) -> tuple[Tensor | StreamedRows, Tensor | None]:
    return subset(x, rows), None if y is None else y[rows]
