"""Class labels: what users pass as y, integer codes, and rows without a label."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d
from torch import Tensor

from skaae._tensors import as_array

#: The integer code of a row whose class is not known.
UNLABELED = -1


def _is_missing(value: Any) -> bool:
    is_nan = isinstance(value, float) and value != value
    return value is None or is_nan or type(value).__name__ == "NAType"


def _is_empty(y: np.ndarray) -> np.ndarray:
    """Return which entries of an array are missing or the empty string."""
    if y.dtype.kind not in "OUS":
        return np.zeros(len(y), dtype=bool)
    empty = (_is_missing(value) or value == "" for value in y.tolist())
    return np.fromiter(empty, dtype=bool, count=len(y))


def _is_marked(y: np.ndarray) -> np.ndarray:
    """Return which entries of an array are the number -1."""
    if y.dtype.kind in "US":
        return np.zeros(len(y), dtype=bool)
    if y.dtype.kind != "O":
        is_marked: np.ndarray = y == UNLABELED
        return is_marked
    marks = (not isinstance(value, str) and value == UNLABELED for value in y.tolist())
    return np.fromiter(marks, dtype=bool, count=len(y))


def mark_unlabeled(y: Any) -> np.ndarray:
    """Return `y` as an array in which missing objects are the empty string.

    NaN in an array of numbers stays, for scikit-learn's checks to refuse; in a series of pandas it
    says that the label is missing.
    """
    y = as_array(y)
    if hasattr(y, "isna") and np.any(y.isna()):  # pandas has integers that may be missing
        y = y.astype(object)
    if isinstance(y, (list, tuple)) and len({isinstance(value, str) for value in y}) > 1:
        y = np.array(y, dtype=object)  # or NumPy would make strings of the numbers
    labels: np.ndarray = column_or_1d(y, warn=True)
    if labels.dtype != object:
        return labels
    marked: np.ndarray = labels.copy()
    marked[_is_empty(labels)] = ""
    return marked


def encode_labels(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes in `y`, sorted, and each row's index among them, -1 for no label.

    Numbers: -1 is "unlabelled" if at least two other classes remain; otherwise {-1, 1} are two
    classes as usual. Strings: the empty string; among objects also None and NaN, and -1 among
    strings.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n_samples,) of int64

    Raises
    ------
    ValueError
        If no row has a label, or if `y` holds continuous values.
    """
    named, marked = ~_is_empty(y), _is_marked(y)
    labeled = named & ~marked
    holds_text = any(isinstance(value, str) for value in y[labeled].tolist()[:1])
    if not holds_text and len(set(y[labeled].tolist())) < 2:
        labeled = named  # -1 is one of the two classes
    if not labeled.any():
        raise ValueError(
            "y: expected at least one row with a label, got only rows marked as unlabelled (-1, or "
            "the empty string)."
        )
    known = y[labeled]
    if known.dtype == object:
        if len({isinstance(value, str) for value in known}) > 1:
            raise ValueError("y: expected labels that are all strings or numbers, got a mixture.")
        known = np.array(known.tolist())
    check_classification_targets(known)
    classes, indices = np.unique(known, return_inverse=True)
    codes = np.full(len(y), UNLABELED, dtype=np.int64)
    codes[labeled] = indices
    return classes, codes


def codes_of(
    y: Any, classes: np.ndarray, n_samples: int, *, allow_unlabeled: bool = False
) -> np.ndarray:
    """Return the index of each label in `classes`, shape (n_samples,).

    Parameters
    ----------
    y : label or array-like of shape (n_samples,)
    classes : ndarray of shape (n_classes,), sorted
    n_samples : int
    allow_unlabeled : bool, default=False
        Whether rows marked as unlabelled get -1.

    Raises
    ------
    ValueError
        If a label is not among `classes` or there are not `n_samples` of them.
    """
    y = as_array(y)
    values = mark_unlabeled(y) if np.ndim(y) == 1 else np.asarray(y)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != n_samples):
        raise ValueError(
            f"y: expected one label or {n_samples} of them, one a row, got an array of shape "
            f"{values.shape}."
        )
    index = {label: code for code, label in enumerate(classes.tolist())}
    if allow_unlabeled:
        index = {"": UNLABELED, UNLABELED: UNLABELED} | index
    labels = np.atleast_1d(values).tolist()
    unknown = sorted({label for label in labels if label not in index}, key=repr)
    if unknown:
        raise ValueError(f"y: expected labels among {classes.tolist()}, got {unknown}.")
    codes = [index[label] for label in labels]
    repeated: np.ndarray = np.broadcast_to(np.array(codes, dtype=np.int64), n_samples).copy()
    return repeated


def one_hot(codes: Tensor, n_classes: int, *, unlabeled_column: bool = False) -> Tensor:
    """Return label columns of 0 and 1, shape (n_samples, n_classes or one more).

    A row of class -1 has zeros only, or 1 in the further column where there is one.
    """
    columns = torch.nn.functional.one_hot(
        torch.where(codes < 0, n_classes, codes), n_classes + 1
    ).float()
    return columns if unlabeled_column else columns[:, :n_classes]
