"""What modes of PyTorch computation runs in, whatever its caller has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def gradients() -> Iterator[None]:
    """Record gradients inside the block, whatever mode of PyTorch the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def evaluation(module: torch.nn.Module) -> Iterator[None]:
    """Hold `module` in evaluation mode and without gradients inside the block."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was_training)
