"""What the steps of all models share: optimisers, their rates, precision and randomness."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from skaae._device import new_generator
from skaae._modes import autocast, evaluation
from skaae._scoped_randomness import ScopedRandomness
from skaae.training._adam import MOMENTS, Adam
from skaae.training._batches import Batch

# Below this many weights in its widest layer a discriminator runs in float32: it is soon done, and
# tells codes from prior by small differences.
_BFLOAT16_MIN_DISCRIMINATOR_WEIGHTS = 2**18

# In units in which rows span ten at most, and codes a few: whatever is beyond has gone astray, and
# other rows may be infinite.
_LARGEST_ANSWER = 1e12


class BaseStep(ABC):
    """Updates on one batch.

    Parameters
    ----------
    model : nn.Module
    generator : torch.Generator
        On the device of the model.
    autocast_dtype : torch.dtype or None
        Of the networks; small discriminators, and those whose slope counts, run in float32.
    scoped_randomness : bool
        Whether the networks may draw at random, as dropout does, so that their draws have to be
        led to `generator`.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        generator: torch.Generator,
        autocast_dtype: torch.dtype | None,
        scoped_randomness: bool,
    ) -> None:
        self.model = model
        self.generator = generator
        self.autocast_dtype = autocast_dtype
        self.scoped_randomness = scoped_randomness

    @property
    @abstractmethod
    def optimizers(self) -> list[Adam]:
        """Return the optimisers."""

    @abstractmethod
    def _answers(self, batch: Batch, generator: torch.Generator) -> list[Tensor]:
        """Return codes of the rows of a batch, and rows of codes, as inference would."""

    def is_sound(self, batch: Batch) -> bool:
        """Return whether weights are finite, and what they answer to a batch is of any size.

        Weights that a last update threw far may be finite where their products are not, for these
        rows or for others. No draw of training is taken for this.
        """
        generator = new_generator(0, batch.x.device)
        scoped = ScopedRandomness(generator) if self.scoped_randomness else nullcontext()
        with evaluation(self.model), scoped:
            finite = all(bool(p.isfinite().all()) for p in self.model.parameters())
            answers = self._answers(batch, generator)
            # What is NaN is not below either.
            return finite and all(bool((a.abs() < _LARGEST_ANSWER).all()) for a in answers)

    @abstractmethod
    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Update on a batch of rows in the networks' units; return its losses, detached."""

    def moments(self) -> dict[str, Tensor]:
        """Return what the optimisers know of past gradients, by its name and its parameter's."""
        names: dict[Tensor, str] = {p: name for name, p in self.model.named_parameters()}
        return {
            f"{key}.{names[parameter]}": value
            for optimizer in self.optimizers
            for parameter, state in optimizer.state.items()
            for key, value in state.items()
        }

    def set_moments(self, moments: Mapping[str, Tensor]) -> None:
        """Let the optimisers go on from ``moments``."""
        names: dict[Tensor, str] = {p: name for name, p in self.model.named_parameters()}
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    known = {key: f"{key}.{names[parameter]}" for key in MOMENTS}
                    if all(name in moments for name in known.values()):
                        optimizer.state[parameter] = {
                            key: moments[name].clone().to(parameter.device)
                            for key, name in known.items()
                        }

    def set_rate(self, factor: float) -> None:
        """Set every learning rate to `factor` times its initial value."""
        for optimizer in self.optimizers:
            optimizer.set_rate(factor)

    def forget(self) -> None:
        """Let every optimiser start anew from the weights there are."""
        for optimizer in self.optimizers:
            optimizer.state.clear()

    def _autocast(self, device_type: str) -> AbstractContextManager[Any]:
        if self.autocast_dtype is None:
            return nullcontext()
        return autocast(device_type, self.autocast_dtype)

    def _judging(
        self, divergence: Any, discriminator: nn.Module | None
    ) -> AbstractContextManager[Any]:
        """Return the precision to ask a discriminator in."""
        low = self.autocast_dtype is not None and divergence.bears_bfloat16
        if not low or discriminator is None:
            return nullcontext()
        parameters = list(discriminator.parameters())
        largest = max((p.numel() for p in parameters), default=0)
        if largest < _BFLOAT16_MIN_DISCRIMINATOR_WEIGHTS:
            return nullcontext()
        return self._autocast(parameters[0].device.type)

    def _randomness(self) -> AbstractContextManager[Any]:
        return ScopedRandomness(self.generator) if self.scoped_randomness else nullcontext()
