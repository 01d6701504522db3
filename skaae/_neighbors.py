"""The nearest neighbours of rows among themselves."""

from __future__ import annotations

import math

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional

from skaae._streams import StreamedRows

# Bytes of the products that are looked at together.
_BLOCK_BYTES = 2**26
# The nearest rows are in the chunks of rows whose nearest are nearest.
_CHUNK = 32


@torch.no_grad()
def nearest_neighbors(x: Tensor, n_neighbors: int) -> Tensor:
    r"""Return the places of each row's nearest other rows, the nearest first.

    .. math:: \arg\min_j |x_i - x_j|^2 = \arg\max_j \; x_i \cdot x_j - |x_j|^2 / 2

    Every row is compared with every other, by a block of matrix products at a time. Products of
    fewer digits than the rows have are no help: rows of one tight cluster come out equally near.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
    n_neighbors : int
        At most ``n_samples - 1``.

    Returns
    -------
    places : Tensor of shape (n_samples, n_neighbors), int64
    """
    n = len(x)
    n_filled = math.ceil(n / _CHUNK) * _CHUNK
    x = x - x.mean(dim=0)
    shift = torch.full((n_filled,), torch.inf, dtype=x.dtype, device=x.device)
    shift[:n] = 0.5 * x.square().sum(dim=1)
    # What fills the last chunk is infinitely far.
    others = functional.pad(x, (0, 0, 0, n_filled - n))
    n_chunks = min(n_neighbors, n_filled // _CHUNK)
    within = torch.arange(_CHUNK, device=x.device)
    found = torch.empty(n, n_neighbors, dtype=torch.int64, device=x.device)
    for rows in torch.arange(n, device=x.device).split(max(1, _BLOCK_BYTES // (4 * n_filled))):
        near = (others[rows] @ others.T).sub_(shift)
        near[rows - rows[0], rows] = -torch.inf
        nearest_of_chunks = near.view(len(rows), -1, _CHUNK).amax(dim=2)
        chunks = nearest_of_chunks.topk(n_chunks, dim=1, sorted=False).indices
        places = (chunks[:, :, None] * _CHUNK + within).flatten(1)
        best = near.gather(1, places).topk(n_neighbors, dim=1).indices
        found[rows] = places.gather(1, best)
    return found


def neighbors_of(rows: Tensor | StreamedRows, n_neighbors: int) -> Tensor:
    """Return the places of each row's nearest other rows.

    Sparse rows stay sparse, and are compared by scikit-learn on the CPU.
    """
    if isinstance(rows, Tensor):
        return nearest_neighbors(rows, n_neighbors)
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(rows.as_sparse())
    return torch.as_tensor(search.kneighbors(return_distance=False), device=rows.device)
