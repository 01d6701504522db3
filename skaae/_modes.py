"""What modes of PyTorch computation runs in, whatever its caller has set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_DEVICE_TYPES = ("cpu", "cuda", "mps")


class _Float32ByDefault(TorchFunctionMode):
    """Let tensors be float32 where no dtype is named, inside the block and in this thread.

    PyTorch's default dtype is one for all threads, so it is not ours to set.
    """

    _OF_THE_DEFAULT: ClassVar[frozenset[Any]] = frozenset(
        {
            torch.bartlett_window,
            torch.blackman_window,
            torch.empty,
            torch.empty_permuted,
            torch.empty_strided,
            torch.eye,
            torch.fft.fftfreq,
            torch.fft.rfftfreq,
            torch.hamming_window,
            torch.hann_window,
            torch.kaiser_window,
            torch.linspace,
            torch.logspace,
            torch.ones,
            torch.rand,
            torch.randn,
            torch.scalar_tensor,
            torch.zeros,
        }
    )
    # Integers stay what they are, and so do arrays and tensors.
    _OF_WHAT_IS_GIVEN: ClassVar[frozenset[Any]] = frozenset(
        {
            torch.arange,
            torch.as_tensor,
            torch.asarray,
            torch.full,
            torch.normal,
            torch.range,
            torch.tensor,
        }
    )

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if kwargs.get("dtype") is not None or kwargs.get("out") is not None:
            return func(*args, **kwargs)
        if func in self._OF_THE_DEFAULT:
            return func(*args, **{**kwargs, "dtype": torch.float32})
        if func in self._OF_WHAT_IS_GIVEN and not _has_dtype(*args, *kwargs.values()):
            # A draw is one of floats; what else it would be costs no draw to find out.
            drawn = func is torch.normal
            if drawn or func(*args, **kwargs).dtype == torch.get_default_dtype():
                kwargs["dtype"] = torch.float32
        return func(*args, **kwargs)


def _has_dtype(*values: Any) -> bool:
    return any(isinstance(value, (Tensor, np.ndarray, np.generic)) for value in values)


@contextmanager
def _settings_of_our_own() -> Iterator[None]:
    """Let what a caller has set of PyTorch's have no say inside the block.

    Autocast, the default device and the default dtype. A mode of functions costs each of them some
    microseconds, so where nothing is set there is none.
    """
    made = torch.empty(0)
    with ExitStack() as stack:
        for kind in _DEVICE_TYPES:
            if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if made.device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if made.dtype != torch.float32:
            stack.enter_context(_Float32ByDefault())
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
    """Record gradients inside the block, whatever the caller has set of PyTorch's."""
    with _settings_of_our_own(), torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def inference() -> Iterator[None]:
    """Record no gradients inside the block, whatever the caller has set of PyTorch's."""
    with _settings_of_our_own(), torch.no_grad():
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
