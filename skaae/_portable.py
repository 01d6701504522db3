"""What every estimator that samples shares: pickles that load anywhere, seeded draws."""

from __future__ import annotations

import copy
from numbers import Integral
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skaae._compat import CallbackSupportMixin
from skaae._device import new_generator, random_seed, resolve_device


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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def prior_(self) -> Any:
        """The distribution of the codes that ``sample`` decodes, in the units of codes."""
        return self.model_.prior

    def _drawing(self, n_samples: Any, random_state: Any) -> torch.Generator:
        """Return the generator of a call of ``sample``, its arguments checked."""
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples: expected an integer >= 1, got {n_samples!r}.")
        # Drawn on the CPU, so that a seed gives the same codes on every device.
        return new_generator(random_seed(random_state))
