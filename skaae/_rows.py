"""Rows on their way into training: scaled, on the device, measured against a constant."""

from __future__ import annotations

import torch
from torch import Tensor

from skaae._scaling import ColumnScaling
from skaae._sources import Rows, RowSource, blocks
from skaae._streams import StreamedRows, placing_rows
from skaae._tensors import block_of
from skaae.distributed import check_alike
from skaae.losses import ReconstructionLoss

_BLOCK = 8192


def fit_scaling(loss: ReconstructionLoss, X: Rows) -> ColumnScaling:
    """Return the scaling of the columns of `X` that `loss` asks for."""
    return _alike(
        ColumnScaling.fit(X) if loss.scales_columns else ColumnScaling.identity(X.shape[1])
    )


def fit_compact_scaling(X: Rows) -> ColumnScaling:
    """Return a scaling for rows that are told from others, not restored: no column spans far."""
    return _alike(ColumnScaling.fit(X, compact=True))


def _alike(scaling: ColumnScaling) -> ColumnScaling:
    check_alike(float(scaling.location.sum()), float(scaling.scale.sum()))
    return scaling


def check_values(loss: ReconstructionLoss, X: Rows) -> None:
    """Let `loss` refuse values of `X`, if it has a mind of them; most read no file for that."""
    if type(loss).check is not ReconstructionLoss.check:
        for block in blocks(X, len(X)):
            loss.check(block)


def rows_in_units(X: Rows, scaling: ColumnScaling, device: torch.device) -> Tensor | StreamedRows:
    """Return the rows in the networks' units: on the device, or to be read when asked for.

    float64 rows are centred before they are rounded: 1e9 + noise keeps its noise.

    Raises
    ------
    RowsOutOfMemoryError
        If the device has no memory for them.
    """
    if isinstance(X, RowSource):
        return StreamedRows(X, scaling, device)
    with placing_rows():
        x = torch.empty(X.shape, dtype=torch.float32, device=device)
        for start in range(0, len(X), _BLOCK):
            block = block_of(X, slice(start, start + _BLOCK))
            x[start : start + _BLOCK] = scaling.forward_(block)
    return x


def constant_loss(loss: ReconstructionLoss, x: Tensor) -> float:
    """Return the loss of the best constant row: what no code at all would give."""
    outputs = loss.link(x.mean(dim=0, keepdim=True))
    total = sum(float(loss(outputs.expand(len(b), -1), b).sum()) for b in x.split(_BLOCK))
    return max(total / len(x), 1e-6)
