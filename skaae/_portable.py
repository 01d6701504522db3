"""What every estimator that samples shares: pickles that load anywhere, seeded draws."""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skaae._compat import CallbackSupportMixin
from skaae._device import new_generator, random_seed, resolve_device
from skaae._forked import bear_being_forked
from skaae._modes import gradients, inference
from skaae._version import __version__


class _OtherVersionWarning(InconsistentVersionWarning):
    """scikit-learn's warning, saying whose version it is."""

    def __init__(self, *, package: str, **versions: str) -> None:
        super().__init__(**versions)
        self.package = package

    def __str__(self) -> str:
        return (
            f"{self.estimator_name} was saved with {self.package} "
            f"{self.original_sklearn_version} and is loaded with {self.current_sklearn_version}: "
            "what it answers may differ. Load it with the version that it was saved with, or fit "
            "it again."
        )


def warn_of_version(estimator: str, package: str, saved: str, here: str) -> None:
    """Raise an InconsistentVersionWarning of an estimator that another version saved."""
    warning = _OtherVersionWarning(
        package=package,
        estimator_name=estimator,
        original_sklearn_version=saved,
        current_sklearn_version=here,
    )
    warnings.warn(warning, stacklevel=2)


def device_here(device: torch.device) -> torch.device:
    """Return a device if this machine has it, else one of its kind, else the CPU."""
    return _resolved_or_none(device) or _resolved_or_none(device.type) or torch.device("cpu")


def _resolved_or_none(device: torch.device | str) -> torch.device | None:
    try:
        return resolve_device(device)
    except ValueError:
        return None


class PortableEstimator(CallbackSupportMixin, BaseEstimator):
    """An estimator with a fitted ``model_`` on a ``device_``, which another machine may lack."""

    model_: nn.Module
    device_: torch.device

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with its tensors on the CPU, so that it loads anywhere."""
        state = dict(super().__getstate__())
        if "model_" in state and self.device_.type != "cpu":
            state["model_"] = copy.deepcopy(self.model_).cpu()
        # Optimiser state holds generators and device tensors; partial_fit starts it anew.
        for name in ("_step", "_moments"):
            state.pop(name, None)
        # scikit-learn stamps its own classes only.
        return {**state, "_skaae_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state, on the fitted device or one of its kind, else on the CPU."""
        state = dict(state)
        saved = state.pop("_skaae_version", __version__)
        if saved != __version__:
            warn_of_version(type(self).__name__, "skaae", saved, __version__)
        super().__setstate__(state)
        if "model_" in state:
            self.device_ = device_here(self.device_)
            self.model_.to(self.device_)
            if any(value.is_inference() for value in self.model_.state_dict().values()):
                with gradients():  # so that training can go on from the weights
                    self.model_ = copy.deepcopy(self.model_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def prior_(self) -> Any:
        """The distribution of the codes that ``sample`` decodes, in the units of codes."""
        check_is_fitted(self, "model_")
        return self.model_.prior

    @abstractmethod
    def _graphs(self) -> dict[str, Any]:
        """Return the parts that can be exported, by name; NotFittedError before ``fit``."""

    @contextmanager
    def _drawing(self, n_samples: Any, random_state: Any) -> Iterator[torch.Generator]:
        """Check the arguments of ``sample``, and yield the generator that its block draws from."""
        check_is_fitted(self)
        bear_being_forked()
        is_number = isinstance(n_samples, Integral) and not isinstance(n_samples, bool)
        if not is_number or n_samples < 1:
            raise ValueError(f"n_samples: expected an integer >= 1, got {n_samples!r}.")
        # Drawn on the CPU, so that a seed gives the same codes on every device.
        generator = new_generator(random_seed(random_state))
        with inference():
            yield generator
