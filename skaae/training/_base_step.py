"""What the steps of all models share: optimisers, their rates, precision and randomness."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from skaae._device import ScopedRandomness
from skaae._model import ClusterHeads
from skaae.distributed import current_ranks
from skaae.networks import LinearPathNetwork
from skaae.training._batches import Batch

# Below this many weights in its widest layer a discriminator runs in float32: it is soon done, and
# tells codes from prior by small differences.
_BFLOAT16_MIN_DISCRIMINATOR_WEIGHTS = 2**18


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
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Return the optimisers, each with ``initial_lr`` in its groups."""

    @abstractmethod
    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Update on a batch of rows in the networks' units; return its losses, detached."""

    def set_rate(self, factor: float) -> None:
        """Set every learning rate to `factor` times its initial value."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = factor * group["initial_lr"]

    def _autocast(self, device_type: str) -> AbstractContextManager:
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(device_type, self.autocast_dtype)

    def _judging(self, divergence: Any, discriminator: nn.Module | None) -> AbstractContextManager:
        """Return the precision to ask a discriminator in."""
        low = self.autocast_dtype is not None and divergence.bears_bfloat16
        if not low or discriminator is None:
            return nullcontext()
        parameters = list(discriminator.parameters())
        largest = max((p.numel() for p in parameters), default=0)
        if largest < _BFLOAT16_MIN_DISCRIMINATOR_WEIGHTS:
            return nullcontext()
        return self._autocast(parameters[0].device.type)

    def _randomness(self) -> AbstractContextManager:
        return ScopedRandomness(self.generator) if self.scoped_randomness else nullcontext()


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, inputs: list | None = None) -> None:
    """Move weights against the gradient of `loss`; naming `inputs` keeps it out of others."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward(inputs=inputs)
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    current_ranks().average(p.grad for p in parameters if p.grad is not None)
    optimizer.step()


def bounded_decay(weight_decay: float, learning_rate: float) -> float:
    """Return a decay that takes at most a tenth of a weight in one step, on any number of rows."""
    return min(weight_decay, 0.1 / learning_rate)


def adam(
    parts: list[nn.Module], learning_rate: float, weight_decay: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """Return an optimiser whose first group decays and whose second does not."""
    undecayed = {
        id(parameter)
        for part in parts
        for module in part.modules()
        if isinstance(module, (LinearPathNetwork, ClusterHeads))
        for parameter in getattr(module, "linear", module).parameters()
    }
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for part in parts:
        for parameter in part.parameters():
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and id(parameter) not in undecayed
                groups[decays].append(parameter)
    decay = bounded_decay(weight_decay, learning_rate)
    return torch.optim.AdamW(
        [
            {"params": groups[True], "weight_decay": decay, "initial_lr": learning_rate},
            {"params": groups[False], "weight_decay": 0.0, "initial_lr": learning_rate},
        ],
        lr=learning_rate,
        betas=betas,
        fused=True,
    )
