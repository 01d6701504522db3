"""The private or version-dependent parts of scikit-learn that skaae imports, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
)
from sklearn.utils._set_output import _get_output_config

__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "answers_frames",
    "safe_indexing",
    "with_callbacks",
]


def answers_frames(transformer: Any) -> bool:
    """Return whether ``set_output`` has ``transform`` answer frames of pandas or polars."""
    return _get_output_config("transform", transformer)["dense"] != "default"


def _callback_support() -> tuple[Any, Callable]:
    """Return the mixin and the decorator of ``sklearn.callback``, or what stands for nothing."""
    try:
        from sklearn.callback import CallbackSupportMixin, with_callbacks
    except ImportError:  # before scikit-learn 1.9, where no callback can be set
        return type("CallbackSupportMixin", (), {}), lambda method: method
    return CallbackSupportMixin, with_callbacks


_SUPPORT = _callback_support()
CallbackSupportMixin: Any = _SUPPORT[0]
with_callbacks: Callable = _SUPPORT[1]
