"""What all estimators share: checks, the fit template, rows to codes and back."""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import Tensor

from skaae._codec import Codec
from skaae._device import (
    ScopedRandomness,
    Seeds,
    new_generator,
    resolve_device,
    resolve_precision,
)
from skaae._latent import Latent
from skaae._model import AutoencoderModel
from skaae._prior_match import (
    PriorMatch,
    look_at_held_out,
    measure_prior_match,
    warn_if_mismatched,
)
from skaae._rows import constant_loss, fit_scaling, resident_rows
from skaae._scaling import ColumnScaling
from skaae.losses import ReconstructionLoss, as_loss
from skaae.networks import DECODERS, ENCODERS, MLP, OWN_BUILDERS
from skaae.training import (
    Budget,
    EarlyStopping,
    Outcome,
    ResidentBatches,
    TrainingStep,
    progress,
    run,
    start_at_principal_components,
)

# Rows that are set aside to measure the prior match, where there are plenty.
_MAX_MEASURED_ROWS = 1_000
_MIN_ROWS_TO_SET_ASIDE = 2_000
_LARGEST_BATCH = 256
# On few rows a higher rate learns them by heart; many rows it makes more of, in the same steps.
_BASE_RATE = 1e-3
_ROWS_AT_BASE_RATE = 30_000


class BaseAdversarialAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Template of the estimators.

    A subclass holds the constructor and says in ``_latents`` which latents it combines.
    """

    model_: AutoencoderModel
    history_: list[dict[str, float]]
    n_iter_: int
    best_iter_: int
    n_samples_seen_: int
    device_: torch.device
    prior_match_: PriorMatch
    _scaling: ColumnScaling
    _loss: ReconstructionLoss
    _null_loss: float
    _output_dtype: np.dtype
    _step: TrainingStep

    @abstractmethod
    def _latents(self, seed: int) -> tuple[Latent, ...]:
        """Return the latents, checked."""

    # ------------------------------------------------------------------ fit

    def _fit(self, X: Any) -> None:
        """Train on `X` and set the fitted attributes, or leave everything as it was."""
        with _unchanged_on_error(self):
            self._validate_params()
            X = self._validated(X, reset=True)
            outcome, fitted = self._train(X, Seeds.draw(self.random_state))
            self.__dict__.pop("_step", None)
            self.__dict__.update(fitted)
        # Last, so that a fit survives a caller who turns warnings into errors.
        if not _warn_if_not_finite(outcome):
            warn_if_mismatched(self.prior_match_, type(self).__name__)

    def _partial_fit(self, X: Any) -> None:
        """Train for one pass over `X`, from the state that the last call left."""
        first = not hasattr(self, "model_")
        with _unchanged_on_error(self):
            self._validate_params()
            X = self._validated(X, reset=first)
            seeds = Seeds.draw(self.random_state)
            loss = as_loss(self.reconstruction_loss) if first else self._loss
            loss.check(X)
            device = resolve_device(self.device) if first else self.device_
            scaling = fit_scaling(loss, X) if first else self._scaling
            x = resident_rows(X, scaling, device)
            model = self._new_model(x, loss, seeds) if first else self.model_
            null_loss = constant_loss(loss, x) if first else self._null_loss
            n_seen = len(x) + (0 if first else self.n_samples_seen_)
            step = self.__dict__.get("_step") or self._new_step(model, loss, x, null_loss, seeds)
            step.set_weight_decay(self.weight_decay / n_seen)
            outcome = _one_pass(step, ResidentBatches(x, self._batch_size(len(x)), step.generator))
            n_iter = 1 if first else self.n_iter_ + 1
            entry = {**outcome.history[0], "epoch": n_iter}
            self.history_ = [entry] if first else [*self.history_, entry]
            self.n_iter_ = self.best_iter_ = n_iter
            self.n_samples_seen_, self._step = n_seen, step
            self.model_, self._scaling, self.device_ = model, scaling, device
            self._loss, self._null_loss, self._output_dtype = loss, null_loss, X.dtype
            # It told of a model that has moved on.
            self.__dict__.pop("prior_match_", None)
            if not outcome.finite:
                # The weights are those before the pass; the optimiser's moments are not finite.
                del self._step
                self.n_samples_seen_ -= len(x)
        _warn_if_not_finite(outcome)

    def _train(self, X: np.ndarray, seeds: Seeds) -> tuple[Outcome, dict[str, Any]]:
        """Return how training went, and the fitted attributes."""
        device = resolve_device(self.device)
        loss = as_loss(self.reconstruction_loss)
        loss.check(X)
        warm = self._warm_model(X)
        scaling = fit_scaling(loss, X) if warm is None else self._scaling
        x = resident_rows(X, scaling, device)
        train_rows, held_out_rows = self._split(x, seeds.split)
        model = self._new_model(train_rows, loss, seeds) if warm is None else warm.to(device)
        null_loss = constant_loss(loss, train_rows)
        step = self._new_step(model, loss, train_rows, null_loss, seeds)
        outcome = self._run(step, loss, train_rows, held_out_rows, seeds)
        model.eval()
        measured = train_rows if held_out_rows is None else held_out_rows
        match = measure_prior_match(
            model, measured, seed=seeds.measure, held_out=held_out_rows is not None
        )
        return outcome, {
            "model_": model,
            "history_": outcome.history,
            "n_iter_": len(outcome.history),
            "best_iter_": outcome.best_epoch,
            "n_samples_seen_": len(X),
            "device_": device,
            "prior_match_": match,
            "_scaling": scaling,
            "_loss": loss,
            "_null_loss": null_loss,
            "_output_dtype": X.dtype,
        }

    def _run(
        self,
        step: TrainingStep,
        loss: ReconstructionLoss,
        train_rows: Tensor,
        held_out_rows: Tensor | None,
        seeds: Seeds,
    ) -> Outcome:
        batches = ResidentBatches(train_rows, self._batch_size(len(train_rows)), step.generator)
        budget = (
            Budget.default(len(train_rows), batches.n_batches)
            if self.max_iter is None
            else Budget(self.max_iter, batches.n_batches)
        )
        look = None
        if held_out_rows is not None:
            scale = constant_loss(loss, held_out_rows)
            look = partial(look_at_held_out, step.model, loss, held_out_rows, scale, seeds.measure)
        stopping = EarlyStopping(self.n_iter_no_change, self.tol) if self.early_stopping else None
        report = progress(self.verbose, budget.n_epochs)
        return run(step, batches, budget, look=look, stopping=stopping, report=report)

    # ------------------------------------------------------- parts of a fit

    def _validated(self, X: Any, *, reset: bool) -> np.ndarray:
        # BatchNorm in a user's network needs two rows, and so does any spread of a column.
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_min_samples=2 if reset else 1,
        )

    def _split(self, x: Tensor, seed: int) -> tuple[Tensor, Tensor | None]:
        """Return rows to train on, and rows held out for stopping and for the prior match."""
        n_held_out = round(self.validation_fraction * len(x))
        if not self.early_stopping:
            plenty = len(x) >= _MIN_ROWS_TO_SET_ASIDE
            n_held_out = min(n_held_out, _MAX_MEASURED_ROWS) if plenty else 0
        elif n_held_out < 2 or len(x) - n_held_out < 2:
            raise ValueError(
                f"early_stopping=True with validation_fraction={self.validation_fraction} leaves "
                f"{n_held_out} of {len(x)} rows to hold out; expected at least 2 there and 2 to "
                "train on. Set early_stopping=False or pass more rows."
            )
        if n_held_out == 0:
            return x, None
        order = torch.randperm(len(x), generator=new_generator(seed)).to(x.device)
        return x[order[n_held_out:]], x[order[:n_held_out]]

    def _batch_size(self, n_samples: int) -> int:
        if self.batch_size == "auto":
            # Few rows still make several batches a pass.
            return min(_LARGEST_BATCH, max(64, n_samples // 8), n_samples)
        return min(self.batch_size, n_samples)

    def _learning_rate(self, n_samples: int) -> float:
        if self.learning_rate == "auto":
            return _BASE_RATE * min(max(n_samples / _ROWS_AT_BASE_RATE, 1.0), 2.0)
        return float(self.learning_rate)

    def _warm_model(self, X: np.ndarray) -> AutoencoderModel | None:
        """Return a copy of the fitted model to go on from, or None."""
        if not (self.warm_start and hasattr(self, "model_")):
            return None
        model = self.model_
        if model.n_features != X.shape[1] or model.n_components != self.n_components:
            raise ValueError(
                f"warm_start=True: expected {model.n_features} features and n_components="
                f"{model.n_components} as fitted before, got {X.shape[1]} and "
                f"{self.n_components}. Set warm_start=False to start anew."
            )
        fitted = {"reconstruction_loss": self._loss, **self._nouns(model.latents)}
        asked = {
            "reconstruction_loss": as_loss(self.reconstruction_loss),
            **self._nouns(self._latents(0)),
        }
        for name, noun in asked.items():
            if repr(noun) != repr(fitted[name]):
                raise ValueError(
                    f"warm_start=True: expected {name}={fitted[name]} as fitted, got {noun}. "
                    "Set warm_start=False to start anew."
                )
        return copy.deepcopy(model)

    @staticmethod
    def _nouns(latents: tuple[Latent, ...]) -> dict[str, Any]:
        return {
            noun: getattr(latent, noun)
            for latent in latents
            for noun in ("prior", "posterior", "divergence")
        }

    def _builder(self, role: str, registry: dict) -> Any:
        builder = getattr(self, role)
        if builder is None or builder == "mlp":
            sizes = tuple(self.hidden_layer_sizes)
            return MLP(sizes if role == "encoder" else sizes[::-1])
        return registry[builder]() if isinstance(builder, str) else builder

    def _new_model(self, x: Tensor, loss: ReconstructionLoss, seeds: Seeds) -> AutoencoderModel:
        # Built on the CPU, so that a seed gives the same weights on every device.
        with ScopedRandomness(new_generator(seeds.weights)):
            model = AutoencoderModel(
                x.shape[1],
                self._latents(seeds.latents),
                encoder=self._builder("encoder", ENCODERS),
                decoder=self._builder("decoder", DECODERS),
            )
        model = model.to(x.device, torch.float32)
        start_at_principal_components(model, loss, x, seeds.components)
        return model

    def _new_step(
        self,
        model: AutoencoderModel,
        loss: ReconstructionLoss,
        x: Tensor,
        null_loss: float,
        seeds: Seeds,
    ) -> TrainingStep:
        builders = (self._builder("encoder", ENCODERS), self._builder("decoder", DECODERS))
        largest = max((p.numel() for p in model.encoder.parameters()), default=0)
        model.train()
        return TrainingStep(
            model,
            loss,
            divergence_weights=[
                latent.divergence.absolute_weight(null_loss)
                if self.divergence_weight == "auto"
                else float(self.divergence_weight)
                for latent in model.latents
            ],
            learning_rate=self._learning_rate(len(x)),
            weight_decay=self.weight_decay / len(x),
            input_noise=self.input_noise,
            generator=new_generator(seeds.training, x.device),
            autocast_dtype=resolve_precision(self.precision, x.device, largest),
            scoped_randomness=not all(type(b) in OWN_BUILDERS for b in builders),
        )

    # ------------------------------------------------------------ inference

    @property
    def _codec(self) -> Codec:
        check_is_fitted(self)
        return Codec(self.model_, self._scaling, self._loss, self.device_)

    def _prior_match(self, X: Any, *, seed: int) -> PriorMatch:
        check_is_fitted(self)
        x = resident_rows(self._validated(X, reset=False), self._scaling, self.device_)
        return measure_prior_match(self.model_, x, seed=seed, held_out=None)

    def _validated_codes(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        codes = check_array(X, dtype=[np.float64, np.float32])
        if codes.shape[1] != self.model_.n_components:
            raise ValueError(
                f"{type(self).__name__}: expected codes with {self.model_.n_components} columns "
                f"(n_components), got {codes.shape[1]}."
            )
        return codes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.model_.n_components

    # --------------------------------------------------------------- pickle

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with its tensors on the CPU, so that it loads anywhere."""
        state = dict(super().__getstate__())
        if "model_" in state and self.device_.type != "cpu":
            state["model_"] = copy.deepcopy(self.model_).cpu()
        # Optimiser state holds generators and device tensors; partial_fit starts it anew.
        state.pop("_step", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state, on the fitted device if this machine has it, else on the CPU."""
        super().__setstate__(state)
        if "model_" in state:
            try:
                self.device_ = resolve_device(self.device_)
            except ValueError:
                self.device_ = torch.device("cpu")
            self.model_.to(self.device_)


def _one_pass(step: TrainingStep, batches: ResidentBatches) -> Outcome:
    """Train for one pass, or, if that fails, leave the weights as they were."""
    before = copy.deepcopy(step.model.state_dict())
    step.model.train()
    try:
        return run(step, batches, Budget.one_pass(batches.n_batches))
    except BaseException:
        step.model.load_state_dict(before)
        raise
    finally:
        step.model.eval()


@contextmanager
def _unchanged_on_error(estimator: BaseEstimator) -> Iterator[None]:
    """Give the estimator back its attributes if the block fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def _warn_if_not_finite(outcome: Outcome) -> bool:
    if outcome.finite:
        return False
    warnings.warn(
        f"Training stopped in epoch {len(outcome.history)}: a loss was not finite. The model is "
        f"that of epoch {outcome.best_epoch}. Lower learning_rate, or look for extreme values in "
        "the data.",
        ConvergenceWarning,
        stacklevel=4,
    )
    return True
