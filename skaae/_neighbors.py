"""The nearest neighbours of rows among themselves."""

from __future__ import annotations

import math
import threading
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional

from skaae._device import multiplies_bfloat16
from skaae._forked import was_forked
from skaae._streams import StreamedRows

# Bytes of the distances that are looked at together, and of the rows that are measured again, which
# a processor keeps near.
_BLOCK_BYTES = 2**26
_MEASURED_BYTES = 2**23
# The nearest rows are in the groups of rows whose nearest are nearest.
_GROUP = 32
# From so many rows on, something quicker chooses candidates first, if there is anything quicker.
_LEAST_ROUGH = 16_384
# Beyond so many, PyNNDescent, which finds 96 to 99 in 100 of the same, is compiled and done before
# a processor has compared all pairs; of 100,000 rows it finds them six times as fast.
_MOST_COMPARED = 200_000
# Not all kinds of numba's threads bear two callers.
_DESCENDING = threading.Lock()
# So many times the neighbours asked for are measured again.
_CANDIDATES = 4
# Axes that keep so much of the variance stand for all, if they are at most so many of the columns.
# To find them is worth it for so many rows a column.
_KEPT_VARIANCE = 0.98
_MOST_AXES = 0.5
_LEAST_ROWS_A_COLUMN = 16
# Columns are filled up to a multiple of this, which products like.
_ALIGNED = 16
# So many rows are turned to other axes at a time, and so much of its length a row may lose by that.
_TURNED = 8192
_TURNING = 2.0**-16


@torch.no_grad()
def nearest_neighbors(x: Tensor, n_neighbors: int) -> Tensor:
    r"""Return the places of each row's nearest other rows, the nearest first.

    Every row is compared with every other, by a block of matrix products at a time, and the nearest
    are measured again, column by column. Where there are many rows, these candidates are chosen by
    fewer columns, the principal axes and how far a row is from what they span, which brings no two
    rows farther apart,

    .. math:: |V^T (x_i - x_j)|^2 + (r_i - r_j)^2 \le |x_i - x_j|^2,
        \quad r_i^2 = |x_i|^2 - |V^T x_i|^2,

    and by products of bfloat16 where the hardware has them. Rows of which this leaves open whether
    the nearest are among the candidates, as in tight clusters, are compared again with all.

    On a processor, PyNNDescent finds nearly the same of more than 200,000 rows, where it is
    installed.

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
    if _descends(len(x), x.device):
        found = torch.as_tensor(_by_descent(x.numpy(), n_neighbors))
        unsure = unsure[(found < 0).any(dim=1)]
    elif len(x) >= _LEAST_ROUGH:
        dtype = torch.bfloat16 if multiplies_bfloat16(x.device) else x.dtype
        fewer = _in_fewer_columns(x)
        if dtype != x.dtype or fewer.shape[1] < x.shape[1]:
            unsure = unsure[~_fill_from_candidates(found, x, unsure, _Search(fewer, dtype))]
    if len(unsure):
        _fill_from_candidates(found, x, unsure, _Search(x, x.dtype), gives_up=False)
    return found


def _in_fewer_columns(x: Tensor) -> Tensor:
    """Return centred rows in fewer columns, no farther apart; `x` itself if that loses much."""
    n, n_columns = x.shape
    if n < _LEAST_ROWS_A_COLUMN * n_columns:
        return x
    # On the CPU, since not every device can decompose; with all digits, so that axes are no longer
    # than they should be, whatever precision products may have.
    variances, axes = torch.linalg.eigh((x.T @ x).cpu().double())
    kept = variances.flip(0).cumsum(0) < _KEPT_VARIANCE * variances.sum()
    n_axes = int(kept.sum()) + 1
    if n_axes + 1 > _MOST_AXES * n_columns:
        return x
    device = torch.device("cpu") if x.device.type == "mps" else x.device
    axes = axes[:, -n_axes:].to(device)
    fewer = x.new_empty(n, n_axes + 1)
    for rows, block in zip(fewer.split(_TURNED), x.split(_TURNED)):
        exact = block.to(device).double()
        along = exact @ axes
        rest = exact.square().sum(dim=1) - along.square().sum(dim=1)
        rows.copy_(torch.cat([along, rest.clamp_min(0.0).sqrt()[:, None]], dim=1))
    return fewer


class _Search:
    r"""The nearest of rows `x` to some of them, by products of a dtype.

    .. math:: -\frac{1}{2} |x_i - x_j|^2 = x_i \cdot x_j - \frac{1}{2} |x_i|^2 - \frac{1}{2} |x_j|^2

    comes out of one product, whose last columns hold the lengths, in as many parts as keep their
    digits. Rows are rounded before they are measured, so what comes out are distances of rounded
    rows, as near as the sums are exact.
    """

    def __init__(self, x: Tensor, dtype: torch.dtype) -> None:
        n, n_columns = x.shape
        self._rounded = x.to(dtype)
        self._half = 0.5 * self._rounded.to(x.dtype).square().sum(dim=1)
        self._moved = _TURNING * x.norm(dim=1)
        if dtype != x.dtype:
            self._moved += (x - self._rounded).norm(dim=1)
        self._parts = _parts(self._half).to(dtype)
        n_parts = self._parts.shape[1]
        n_filled = math.ceil(n / _GROUP) * _GROUP
        n_summed = math.ceil((n_columns + 2 * n_parts) / _ALIGNED) * _ALIGNED
        self._others = self._rounded.new_zeros(n_filled, n_summed)
        self._others[:n, :n_columns] = self._rounded
        self._others[:n, n_columns : n_columns + n_parts] = -1.0
        self._others[:n, n_columns + n_parts : n_columns + 2 * n_parts] = -self._parts
        # What fills the last of each group is infinitely far.
        self._others[n:, n_columns + n_parts] = -torch.inf
        # A power of two: others take products half as long again.
        n_rows = max(1, _BLOCK_BYTES // (dtype.itemsize * n_filled))
        self.n_rows = min(n, 2 ** (n_rows.bit_length() - 1))
        # Kept from block to block: to be given new memory takes a processor as long as products.
        self._near = self._rounded.new_empty(self.n_rows, n_filled)

    def __call__(self, rows: Tensor, n_neighbors: int) -> tuple[Tensor, Tensor]:
        """Return how near the nearest are, and their places."""
        near, parts = self._near[: len(rows)], self._parts[rows]
        asked = torch.cat([self._rounded[rows], parts, torch.ones_like(parts)], dim=1)
        asked = functional.pad(asked, (0, self._others.shape[1] - asked.shape[1]))
        torch.mm(asked, self._others.T, out=near)
        # In one dimension, since PyTorch copies the whole to scatter into it.
        itself = torch.arange(0, near.numel(), near.shape[1], device=near.device) + rows
        near.view(-1).index_fill_(0, itself, -torch.inf)
        # A group is of places that are far apart: processors compare what is side by side at once.
        nearest_of_groups = near.view(len(rows), _GROUP, -1).amax(dim=1)
        n_groups = nearest_of_groups.shape[1]
        groups = nearest_of_groups.topk(min(n_neighbors, n_groups), dim=1, sorted=False).indices
        within = n_groups * torch.arange(_GROUP, device=near.device)
        places = (groups[:, :, None] + within).flatten(1)
        best = near.gather(1, places).topk(n_neighbors, dim=1)
        return best.values, places.gather(1, best.indices)

    def least_distance(self, rows: Tensor, near: Tensor) -> Tensor:
        """Return how far what came out as `near` to `rows` is at the least."""
        half, digits = self._half, float(torch.finfo(near.dtype).eps)
        # A sum of so many numbers is off by so much of how large they are together.
        n_summed = self._others.shape[1]
        off = n_summed * float(torch.finfo(half.dtype).eps) * (half[rows] + half.max())
        squared = 2.0 * (-near.to(half.dtype) / (1.0 + digits) - off)
        least: Tensor = squared.clamp_min(0.0).sqrt() - self._moved[rows] - self._moved.max()
        return least


def _parts(x: Tensor) -> Tensor:
    """Return three numbers for each of `x` that add up to it and have few digits each.

    So they come through products of any precision, which a user may have lowered.
    """
    parts, rest = [], x
    for _ in range(3):
        parts.append(rest.bfloat16())
        rest = rest - parts[-1]
    return torch.stack(parts, dim=1)


def _fill_from_candidates(
    found: Tensor, x: Tensor, asked: Tensor, search: _Search, *, gives_up: bool = True
) -> Tensor:
    """Fill in those of the nearest to the rows asked for that are among a search's candidates.

    Returns which of `x` surely have theirs. Who gives up leaves the rest where a block has none.
    """
    n_neighbors = found.shape[1]
    n_candidates = min(_CANDIDATES * n_neighbors, len(x) - 1)
    sure = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    n_measured = max(1, _MEASURED_BYTES // (4 * n_candidates * x.shape[1]))
    measured = x.new_empty(n_measured * n_candidates, x.shape[1])
    for rows in asked.split(search.n_rows):
        near, candidates = search(rows, n_candidates)
        # No row that is not among the candidates is nearer than the last of them came out.
        beyond = search.least_distance(rows, near[:, -1])
        for here, places, least in zip(
            rows.split(n_measured), candidates.split(n_measured), beyond.split(n_measured)
        ):
            others = measured[: places.numel()]
            torch.index_select(x, 0, places.flatten(), out=others)
            apart = others.view(*places.shape, -1).sub_(x[here][:, None])
            # A distance is the same whichever others it is measured with, unlike a product.
            best = torch.linalg.vector_norm(apart, dim=2).topk(n_neighbors, dim=1, largest=False)
            found[here] = places.gather(1, best.indices)
            sure[here] = best.values[:, -1] <= least
        if gives_up and not sure[rows].any():
            # Nor will it help other rows.
            break
    return sure


def neighbors_of(rows: Tensor | StreamedRows, n_neighbors: int) -> Tensor:
    """Return the places of each row's nearest other rows.

    Sparse rows stay sparse, and are compared on the CPU, by scikit-learn or by PyNNDescent.
    """
    if isinstance(rows, Tensor):
        return nearest_neighbors(rows, n_neighbors)
    sparse = rows.as_sparse()
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(sparse)
    if _descends(len(rows), rows.device):
        found = _by_descent(sparse, n_neighbors)
        unsure = np.flatnonzero((found < 0).any(axis=1))
        if len(unsure):
            beside = search.kneighbors(sparse[unsure], n_neighbors + 1, return_distance=False)
            found[unsure] = _without(unsure, beside)
    else:
        found = search.kneighbors(return_distance=False)
    return torch.as_tensor(found, device=rows.device)


def _descends(n_rows: int, device: torch.device) -> bool:
    """Return whether PyNNDescent is to look: its threads would not bear being forked."""
    many = device.type == "cpu" and n_rows > _MOST_COMPARED
    return many and not was_forked() and find_spec("pynndescent") is not None


def _by_descent(rows: Any, n_neighbors: int) -> np.ndarray:
    """Return the places of nearly the nearest other rows of an array or a CSR matrix.

    -1 stands where none was found. The same rows have the same neighbours each time.
    """
    n_threads = torch.get_num_threads()
    with _DESCENDING:
        try:
            import numba
            from pynndescent import NNDescent

            of_numba = numba.get_num_threads()
            try:
                # By one thread: others find others. A row is the first of its own neighbours.
                search = NNDescent(rows, n_neighbors=n_neighbors + 1, random_state=0, n_jobs=1)
            finally:
                numba.set_num_threads(of_numba)
        finally:
            # Which numba sets where both compute by one library of threads.
            torch.set_num_threads(n_threads)
    places = search.neighbor_graph[0].astype(np.int64)
    return _without(np.arange(len(places)), places)


def _without(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return places of neighbours without the row itself, or the last one where it is not there."""
    last = np.argsort(places == rows[:, None], axis=1, kind="stable")
    others: np.ndarray = np.take_along_axis(places, last, axis=1)[:, :-1]
    return others
