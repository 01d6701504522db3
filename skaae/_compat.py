"""The private or version-dependent parts of scikit-learn that skaae imports, in one place."""

from typing import Any

from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
)
from sklearn.utils._set_output import _get_output_config

__all__ = ["HasMethods", "Interval", "StrOptions", "answers_frames"]


def answers_frames(transformer: Any) -> bool:
    """Return whether ``set_output`` has ``transform`` answer frames of pandas or polars."""
    return _get_output_config("transform", transformer)["dense"] != "default"
