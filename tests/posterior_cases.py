"""What tests of posteriors share."""

from __future__ import annotations

import torch
from torch import nn

from skaae._device import new_generator
from skaae._scoped_randomness import ScopedRandomness
from skaae.posteriors import (
    Posterior,
)


def build(posterior: Posterior, n_components: int, seed: int = 0) -> nn.ModuleDict:
    with ScopedRandomness(new_generator(seed)):
        return posterior.build(n_components)


def log_std_of(raw: torch.Tensor) -> torch.Tensor:
    """Return the log deviation between -7 and 2 that is -2 at raw 0, whose odds are 5 to 4."""
    odds = 5.0 / 4.0 * torch.exp(raw)
    return -7.0 + 9.0 * odds / (1.0 + odds)
