"""What displays ask of estimators and of their arguments."""

from __future__ import annotations

import inspect
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skaae._device import new_generator, random_seed


def check_offers(display: type, estimator: Any, *names: str) -> None:
    """Raise where `estimator` is not fitted or has not what the display shows.

    Raises
    ------
    TypeError
        If a method or fitted attribute of `names` is missing.
    NotFittedError
    """
    methods = [name for name in names if not name.endswith("_")]
    missing = [name for name in methods if not hasattr(estimator, name)]
    if not missing:
        check_is_fitted(estimator)
        missing = [name for name in names if not hasattr(estimator, name)]
    if missing:
        advice = "; of a Pipeline pass the last step, and rows as it takes them"
        raise TypeError(
            f"{display.__name__}: expected an estimator with {', '.join(names)}, but "
            f"{type(estimator).__name__} has no {', '.join(missing)}"
            f"{advice if hasattr(estimator, 'steps') else ''}."
        )


def check_components(
    components: Any, n_components: int, n_expected: tuple[int, ...]
) -> tuple[int, ...]:
    """Return `components` as a tuple of distinct integers from 0 to n_components - 1."""
    values = tuple(np.ravel(np.asarray(components, dtype=object)))
    valid = all(isinstance(value, Integral) and 0 <= int(value) < n_components for value in values)
    if not valid or len(values) not in n_expected or len(set(values)) < len(values):
        numbers = " or ".join(map(str, n_expected))
        raise ValueError(
            f"components: expected {numbers} different integers from 0 to {n_components - 1}, got "
            f"{components!r}."
        )
    return tuple(int(value) for value in values)


def check_size(name: str, value: Any, least: int = 1) -> int:
    """Return `value`, an integer of `least` or more."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: expected an integer >= {least}, got {value!r}.")
    return int(value)


def check_image_shape(image_shape: Any, n_features: int) -> tuple[int, ...] | None:
    """Return `image_shape`, whose values have to be `n_features` in number, or None."""
    if image_shape is None:
        return None
    shape = tuple(np.ravel(np.asarray(image_shape, dtype=object)))
    valid = len(shape) in (2, 3) and all(isinstance(n, Integral) and int(n) > 0 for n in shape)
    if not valid or shape[2:] not in ((), (3,)) or np.prod(shape) != n_features:
        raise ValueError(
            "image_shape: expected None, (height, width) or (height, width, 3), whose product is "
            f"the number of columns, {n_features}; got {image_shape!r}."
        )
    return tuple(int(n) for n in shape)


def n_components_of(estimator: Any) -> int:
    """Return the dimension of the codes of a fitted transformer."""
    return len(estimator.get_feature_names_out())


def dense_rows(X: Any) -> np.ndarray:
    """Return rows as an array, which sparse ones are not."""
    X = check_array(X, accept_sparse=True, dtype=[np.float64, np.float32])
    return X if isinstance(X, np.ndarray) else X.toarray()


def prior_draws(
    prior: Any, n_samples: int, n_components: int, random_state: Any = None
) -> np.ndarray:
    """Return draws of a prior, shape (n_samples, n_components)."""
    generator = new_generator(random_seed(random_state))
    draws: np.ndarray = prior.sample(n_samples, n_components, generator=generator).double().numpy()
    return draws


def labels_to_decode(estimator: Any, X: Any, y: Any) -> Any:
    """Return `y`, or where it is None and the estimator infers what its decoder needs, that."""
    takes_labels = "y" in inspect.signature(estimator.inverse_transform).parameters
    if y is None:
        return estimator.predict(X) if takes_labels and hasattr(estimator, "predict") else None
    if not takes_labels:
        raise ValueError(
            f"y: {type(estimator).__name__} decodes codes without labels, so expected y=None."
        )
    return y


def decode(estimator: Any, codes: np.ndarray, y: Any) -> np.ndarray:
    """Return the rows of `codes`, in the labels `y` where there are any."""
    rows = (
        estimator.inverse_transform(codes) if y is None else estimator.inverse_transform(codes, y)
    )
    return np.asarray(rows)
