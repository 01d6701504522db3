"""Rows with neighbours, and which they are."""

import torch
from sklearn.neighbors import NearestNeighbors


def scattered(n, n_columns=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, n_columns, generator=generator)


def reference(x, n_neighbors):
    return NearestNeighbors(n_neighbors=n_neighbors).fit(x).kneighbors(return_distance=False)


def clusters(spread, n_columns, n=500):
    """Return rows about four centres, ever less spread out along their columns."""
    centres = 4.0 * scattered(4, n_columns, seed=1)
    widths = spread * torch.arange(1.0, n_columns + 1.0) ** -1.5
    return centres.repeat_interleave(n // 4, dim=0) + widths * scattered(n, n_columns)
