"""The private or version-dependent parts of scikit-learn that skaae imports, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
)
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import available_if as _available_if

__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "answers_frames",
    "available_if",
    "safe_indexing",
    "with_callbacks",
]


_Method = TypeVar("_Method", bound=Callable[..., Any])


def available_if(check: Callable[[Any], bool]) -> Callable[[_Method], _Method]:
    """Return scikit-learn's decorator, with the types that it lacks."""
    decorator: Callable[[_Method], _Method] = _available_if(check)
    return decorator


def answers_frames(transformer: Any) -> bool:
    """Return whether ``set_output`` has ``transform`` answer frames of pandas or polars."""
    answers: bool = _get_output_config("transform", transformer)["dense"] != "default"
    return answers


def _callback_support() -> tuple[Any, Callable[..., Any]]:
    """Return the mixin and the decorator of ``sklearn.callback``, or what stands for nothing."""
    try:
        from sklearn.callback import CallbackSupportMixin, with_callbacks
    except ImportError:  # before scikit-learn 1.9, where no callback can be set
        return type("CallbackSupportMixin", (), {}), lambda method: method
    return CallbackSupportMixin, with_callbacks


_SUPPORT = _callback_support()
CallbackSupportMixin: Any = _SUPPORT[0]
with_callbacks: Callable[..., Any] = _SUPPORT[1]
