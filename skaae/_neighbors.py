"""The nearest neighbours of rows among themselves."""

from __future__ import annotations

import math

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional

from skaae._device import multiplies_bfloat16
from skaae._streams import StreamedRows

# Bytes of the products that are looked at together, and of the rows that are measured again, which
# a processor keeps near.
_BLOCK_BYTES = 2**27
_MEASURED_BYTES = 2**23
# The nearest rows are in the chunks of rows whose nearest are nearest.
_CHUNK = 32
# From so many rows on, products of bfloat16 come first, where the hardware has them.
_LEAST_ROUNDED = 16_384
# So many times the neighbours asked for are measured again in float32.
_CANDIDATES = 4
# Two factors and their product are each off by so much of themselves: half of what is between two
# numbers with eight binary digits.
_ROUNDING = 3.0 * 2.0**-8


@torch.no_grad()
def nearest_neighbors(x: Tensor, n_neighbors: int) -> Tensor:
    r"""Return the places of each row's nearest other rows, the nearest first.

    .. math:: \arg\min_j |x_i - x_j|^2 = \arg\max_j \; x_i \cdot x_j - |x_j|^2 / 2

    Every row is compared with every other, by a block of matrix products at a time. Where bfloat16
    is fast, its products choose candidates; rows of which it cannot be sure that the nearest are
    among them, as in tight clusters, which come out equally near, are compared again in float32.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
    n_neighbors : int
        At most ``n_samples - 1``.

    Returns
    -------
    places : Tensor of shape (n_samples, n_neighbors), int64
    """
    x = x - x.mean(dim=0)
    found = torch.empty(len(x), n_neighbors, dtype=torch.int64, device=x.device)
    unsure = torch.arange(len(x), device=x.device)
    if len(x) >= _LEAST_ROUNDED and multiplies_bfloat16(x.device):
        unsure = unsure[~_fill_from_candidates(found, x)]
    if len(unsure):
        search = _Search(x, x.dtype)
        for rows in unsure.split(search.n_rows):
            found[rows] = search(rows, n_neighbors)[1]
    return found


class _Search:
    """The nearest of rows `x` to some of them, by products of a dtype.

    What is as large as the products is kept from block to block: to be given new memory takes a
    processor as long as the products themselves.
    """

    def __init__(self, x: Tensor, dtype: torch.dtype) -> None:
        n = len(x)
        n_filled = math.ceil(n / _CHUNK) * _CHUNK
        self.shift = torch.full((n_filled,), torch.inf, dtype=x.dtype, device=x.device)
        self.shift[:n] = 0.5 * x.square().sum(dim=1)
        # What fills the last chunk is infinitely far.
        self.others = functional.pad(x, (0, 0, 0, n_filled - n)).to(dtype)
        self.n_rows = min(n, max(1, _BLOCK_BYTES // (4 * n_filled)))
        shape = (self.n_rows, n_filled)
        self._products = torch.empty(shape, dtype=dtype, device=x.device)
        self._near = torch.empty(shape, dtype=x.dtype, device=x.device)

    def __call__(self, rows: Tensor, n_neighbors: int) -> tuple[Tensor, Tensor]:
        """Return how near the nearest are, and their places."""
        products, near = self._products[: len(rows)], self._near[: len(rows)]
        torch.mm(self.others[rows], self.others.T, out=products)
        near.copy_(products).sub_(self.shift)
        near.scatter_(1, rows[:, None], -torch.inf)
        nearest_of_chunks = near.view(len(rows), -1, _CHUNK).amax(dim=2)
        n_chunks = min(n_neighbors, nearest_of_chunks.shape[1])
        chunks = nearest_of_chunks.topk(n_chunks, dim=1, sorted=False).indices
        within = torch.arange(_CHUNK, device=near.device)
        places = (chunks[:, :, None] * _CHUNK + within).flatten(1)
        best = near.gather(1, places).topk(n_neighbors, dim=1)
        return best.values, places.gather(1, best.indices)


def _fill_from_candidates(found: Tensor, x: Tensor) -> Tensor:
    """Fill in the neighbours of the rows `x` that are among candidates; return which surely are."""
    search, n_neighbors = _Search(x, torch.bfloat16), found.shape[1]
    n_candidates = min(_CANDIDATES * n_neighbors, len(x) - 1)
    # Two rows' lengths bound how far their product can be off. The longest may be an outlier's.
    lengths = x.norm(dim=1)
    slack = _ROUNDING * lengths * lengths.max()
    sure = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    n_measured = max(1, _MEASURED_BYTES // (4 * n_candidates * x.shape[1]))
    measured = x.new_empty(n_measured * n_candidates, x.shape[1])
    for rows in torch.arange(len(x), device=x.device).split(search.n_rows):
        rounded, candidates = search(rows, n_candidates)
        for here, places, last in zip(
            rows.split(n_measured), candidates.split(n_measured), rounded[:, -1].split(n_measured)
        ):
            others = measured[: places.numel()]
            torch.index_select(x, 0, places.flatten(), out=others)
            near = torch.bmm(others.view(*places.shape, -1), x[here][:, :, None])[:, :, 0]
            best = (near - search.shift[places]).topk(n_neighbors, dim=1)
            found[here] = places.gather(1, best.indices)
            # No other can be nearer than the last candidate, but for rounding.
            sure[here] = best.values[:, -1] >= last + slack[here]
        if not sure[rows].any():
            # Nor will it help other rows.
            break
    return sure


def neighbors_of(rows: Tensor | StreamedRows, n_neighbors: int) -> Tensor:
    """Return the places of each row's nearest other rows.

    Sparse rows stay sparse, and are compared by scikit-learn on the CPU.
    """
    if isinstance(rows, Tensor):
        return nearest_neighbors(rows, n_neighbors)
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(rows.as_sparse())
    return torch.as_tensor(search.kneighbors(return_distance=False), device=rows.device)
