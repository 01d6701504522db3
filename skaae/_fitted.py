"""What fitted autoencoders have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar, overload

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


_Value = TypeVar("_Value")


class Later:
    """A value that is worked out where it is first asked for; a pickle or deep copy has it.

    Parameters
    ----------
    work : callable
        Returns the value.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work: Callable[[], Any] | None = work
        self._value: Any = None

    def __call__(self) -> Any:
        """Return the value."""
        if self._work is not None:
            self._value, self._work = self._work(), None  # what the work needs is let go
        return self._value

    def __reduce__(self) -> tuple[Any, ...]:
        return _given, (self(),)


def _given(value: Any) -> Any:
    return value


class Answered(Generic[_Value]):
    """A fitted attribute whose value may be a :class:`Later`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, estimator: None, owner: type | None = None) -> Answered[_Value]: ...

    @overload
    def __get__(self, estimator: Any, owner: type | None = None) -> _Value: ...

    def __get__(self, estimator: Any, owner: type | None = None) -> Any:
        if estimator is None:
            return self
        attributes = vars(estimator)
        if self._name not in attributes:
            raise AttributeError(
                f"{type(estimator).__name__} has no {self._name}, which fit sets and partial_fit "
                "does not."
            )
        if isinstance(attributes[self._name], Later):
            attributes[self._name] = attributes[self._name]()
        return attributes[self._name]

    def __set__(self, estimator: Any, value: _Value) -> None:
        vars(estimator)[self._name] = value

    def __delete__(self, estimator: Any) -> None:
        del vars(estimator)[self._name]


class FittedAutoencoder(SavingMixin, AutoencoderParameters):
    """The fitted attributes that autoencoders share; a subclass with others adds them."""

    model_: AutoencoderModel
    history_: list[dict[str, float]]
    n_iter_: int
    best_iter_: int
    n_samples_seen_: int
    divergence_weight_: float
    device_: torch.device
    prior_match_ = Answered[PriorMatch]()
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
