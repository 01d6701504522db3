"""Rows and labels that come as tensors of PyTorch: where they lie, and as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def as_array(values: Any) -> Any:
    """Return a tensor as an array; all else as it is."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


def as_floats(X: Tensor) -> Tensor:
    """Return `X` without gradients, float32 if it is, else float64 (float32 on MPS)."""
    X = X.detach()
    if X.dtype in (torch.float32, torch.float64):
        return X
    return X.to(torch.float32 if X.device.type == "mps" else torch.float64)


def stand_in(X: Tensor) -> tuple[np.ndarray, dict[str, Any]]:
    """Return an array for scikit-learn to check in place of `X`, and what else to tell it.

    The array takes no memory: one number, of X's kind, in X's shape. It is not finite if a number
    of `X` is not, so that the error is scikit-learn's.

    Raises
    ------
    TypeError
        If `X` is a sparse tensor.
    """
    if X.layout is not torch.strided:
        raise TypeError(
            f"X: expected a dense tensor, got one of layout {X.layout}. Sparse rows may be a "
            "matrix of scipy.sparse."
        )
    kind = np.complex64 if X.is_complex() else np.dtype(dtype_name(as_floats(X.new_empty(0))))
    number = 0.0
    # One number tells, unless a sum of finite ones overflows.
    if not (bool(X.sum().isfinite()) or bool(X.isfinite().all())):
        number = np.nan if bool(X.isnan().any()) else np.inf
    array = np.broadcast_to(np.asarray(number, dtype=kind), tuple(X.shape))
    return array, {"ensure_all_finite": number != 0.0}


def dtype_name(X: Any) -> str:
    """Return "float32" or "float64", for rows of any kind."""
    return str(X.dtype).removeprefix("torch.")


def empty_like_rows(X: Any, n_columns: int) -> Tensor:
    """Return a tensor for as many rows as `X` has, of its dtype, where it lies."""
    device = X.device if isinstance(X, Tensor) else "cpu"
    return torch.empty(len(X), n_columns, dtype=getattr(torch, dtype_name(X)), device=device)


def block_of(X: Any, rows: slice) -> Tensor:
    """Return some rows of `X` as a tensor of their own, where they lie."""
    # Rows may be read-only (memory maps, joblib), and a network may work in place.
    if isinstance(X, Tensor):
        return X[rows].clone()
    block = X[rows]
    return torch.as_tensor(block if block.flags.owndata else np.array(block))


def entries_at(values: np.ndarray, places: Any) -> Any:
    """Return `values` at `places`; numbers as a tensor where those are one."""
    if isinstance(places, Tensor) and values.dtype.kind in "biuf":
        return torch.tensor(values, device=places.device)[places]
    return values[as_array(places)]
