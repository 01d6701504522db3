"""The nearest neighbours of rows among themselves."""

from __future__ import annotations

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional

from skaae._device import resolve_precision
from skaae._streams import StreamedRows

_BLOCK = 512
# The nearest rows are among the chunks of rows that hold a nearest one.
_CHUNK = 32
# Candidates per neighbour that products in few digits find, of which exact distances choose.
_CANDIDATES = 2


@torch.no_grad()
def nearest_neighbors(x: Tensor, n_neighbors: int) -> Tensor:
    r"""Return the places of each row's nearest other rows, the nearest first.

    .. math:: \arg\min_j |x_i - x_j|^2 = \arg\max_j \; x_i \cdot x_j - |x_j|^2 / 2

    Every row is compared with every other, by a block of matrix products at a time. Candidates
    come from products in bfloat16 where the hardware has them, and are put in order by exact
    distances.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
    n_neighbors : int
        At most ``n_samples - 1``.

    Returns
    -------
    places : Tensor of shape (n_samples, n_neighbors), int64
    """
    n, n_columns = x.shape
    x = x - x.mean(dim=0)
    n_padded = -(-n // _CHUNK) * _CHUNK
    low = resolve_precision("auto", x.device, n * n_columns) or x.dtype
    # A further column carries -|x_j|^2 / 2 into the product. Rows that fill the last chunk are far.
    beside = torch.full((n_padded, 1), -torch.inf, dtype=x.dtype, device=x.device)
    beside[:n] = -0.5 * x.square().sum(dim=1, keepdim=True)
    others = functional.pad(x, (0, 0, 0, n_padded - n)).to(low)
    n_candidates = min(n - 1, n_neighbors * _CANDIDATES if low != x.dtype else n_neighbors)
    n_chunks = min(n_candidates + 1, n_padded // _CHUNK)
    within = torch.arange(_CHUNK, device=x.device)
    found = torch.empty(n, n_neighbors, dtype=torch.int64, device=x.device)
    for start in range(0, n, _BLOCK):
        rows = torch.arange(start, min(start + _BLOCK, n), device=x.device)
        near = (others[rows] @ others.T).to(x.dtype) + beside.T
        near[torch.arange(len(rows), device=x.device), rows] = -torch.inf
        chunked = near.view(len(rows), -1, _CHUNK)
        chunks = chunked.amax(dim=2).topk(n_chunks, dim=1, sorted=False).indices
        places = (chunks[:, :, None] * _CHUNK + within).flatten(1)
        best = near.gather(1, places).topk(n_candidates, dim=1).indices
        candidates = places.gather(1, best)
        exact = (x[candidates] @ x[rows, :, None]).squeeze(2) + beside[candidates].squeeze(2)
        order = exact.topk(n_neighbors, dim=1).indices
        found[rows] = candidates.gather(1, order)
    return found


def neighbors_of(rows: Tensor | StreamedRows, n_neighbors: int) -> Tensor:
    """Return the places of each row's nearest other rows; sparse rows stay sparse."""
    if isinstance(rows, Tensor):
        return nearest_neighbors(rows, n_neighbors)
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(rows.as_sparse())
    return torch.as_tensor(search.kneighbors(return_distance=False), device=rows.device)
