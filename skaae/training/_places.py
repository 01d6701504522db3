"""Where each training row belongs on the map, settled before training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from skaae._device import new_generator
from skaae._latent import Latent
from skaae._layout import carried_to_prior, lay_out, n_prior_draws
from skaae._neighbors import neighbors_of
from skaae._streams import StreamedRows
from skaae.distributed import current_ranks

_BLOCK = 8192
_MEASURED_ROWS = 1_000


@dataclass(frozen=True)
class Map:
    """Where training rows belong among the codes.

    Attributes
    ----------
    places : Tensor of shape (n_samples, n_components)
        In units of the prior.
    reach : float
        How far a row's neighbours are, as a root mean square over columns in the networks' units:
        the median over rows of the farthest of them.
    """

    places: Tensor
    reach: float


def map_of(
    rows: Tensor | StreamedRows,
    latent: Latent,
    start: Callable[[Tensor], Tensor],
    n_neighbors: int,
    seed: int,
) -> Map | None:
    """Return where among the codes of `latent` each row belongs, or None where that is not known.

    Rows are laid out beside their neighbours, and the whole is carried to the prior. Rows of a
    file are never at hand all at once, and corners of a simplex are no places to lie side by side.

    Parameters
    ----------
    rows : Tensor or StreamedRows of shape (n_samples, n_features)
    latent : Latent
    start : callable
        From a block of rows to where to start, of `n_components` columns or fewer.
    n_neighbors : int
    seed : int

    Returns
    -------
    map : Map or None
    """
    in_pieces = isinstance(rows, StreamedRows) and rows.source.in_runs
    if in_pieces or latent.prior.on_simplex:
        return None
    ranks = current_ranks()
    # One process lays them out for all: sums may differ in their last digits.
    first = None if ranks.rank else _laid_out(rows, latent, start, n_neighbors, seed)
    places, reach = cast(tuple[Tensor, float], ranks.of_first(first))
    return Map(places.to(rows.device), reach)


def _laid_out(
    rows: Tensor | StreamedRows,
    latent: Latent,
    start: Callable[[Tensor], Tensor],
    n_neighbors: int,
    seed: int,
) -> tuple[Tensor, float]:
    """Return places, in the CPU's memory, and reach."""
    n = len(rows)
    neighbors = neighbors_of(rows, min(n_neighbors, n - 1))
    generator = new_generator(seed, rows.device)
    starts = torch.zeros(n, latent.n_components, dtype=torch.float32, device=rows.device)
    done = 0
    with torch.no_grad():
        for block in rows.split(_BLOCK):
            first = start(block)
            starts[done : done + len(block), : first.shape[1]] = first
            done += len(block)
    places = lay_out(starts, neighbors, generator)
    prior_codes = latent.sample_prior(n_prior_draws(n), generator).to(places)
    sample = latent.sample_prior(n, generator).to(places)
    places = carried_to_prior(places, prior_codes, sample, generator)
    return places.cpu(), _reach(rows, neighbors)


def _reach(rows: Tensor | StreamedRows, neighbors: Tensor) -> float:
    n_looked_at = min(len(rows), _MEASURED_ROWS)
    some = torch.arange(n_looked_at, device=neighbors.device)
    some = some * (len(rows) - 1) // max(1, n_looked_at - 1)
    apart = rows[some] - rows[neighbors[some, -1]]
    return float(apart.square().mean(dim=1).sqrt().median())
