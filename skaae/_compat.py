"""The private or version-dependent parts of scikit-learn that skaae imports, in one place."""

from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
)

__all__ = ["HasMethods", "Interval", "StrOptions"]
