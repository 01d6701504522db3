"""What modes of PyTorch computation runs in, whatever its caller has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_DEVICE_TYPES = ("cpu", "cuda", "mps")


@contextmanager
def _without_autocast() -> Iterator[None]:
    """Compute in the dtype of tensors inside the block, also where the caller casts."""
    with ExitStack() as stack:
        for kind in _DEVICE_TYPES:
            if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@contextmanager
def autocast(device_type: str, dtype: torch.dtype) -> Iterator[None]:
    """Multiply in `dtype` inside the block, with the weights that there are.

    PyTorch keeps casts of weights until the outermost autocast ends. Where that is a caller's,
    which may span a whole fit, weights that an optimiser has moved since would not be cast again.
    """
    torch.clear_autocast_cache()
    try:
        with torch.autocast(device_type, dtype):
            yield
    finally:
        torch.clear_autocast_cache()


@contextmanager
def gradients() -> Iterator[None]:
    """Record gradients inside the block, whatever mode of PyTorch the caller is in."""
    with _without_autocast(), torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def inference() -> Iterator[None]:
    """Record no gradients inside the block, whatever mode of PyTorch the caller is in."""
    with _without_autocast(), torch.no_grad():
        yield


@contextmanager
def evaluation(module: torch.nn.Module) -> Iterator[None]:
    """Hold `module` in evaluation mode and without gradients inside the block."""
    was_training = module.training
    module.eval()
    try:
        with inference():
            yield
    finally:
        module.train(was_training)
