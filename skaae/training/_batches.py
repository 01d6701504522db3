"""Rows in random batches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


class ResidentBatches:
    """Random batches of rows that lie on the device.

    All batches have one size, the one nearest to `batch_size` that divides the rows evenly, so
    that no step is noisier than another; the few rows that are left over differ from pass to pass.

    Parameters
    ----------
    rows : Tensor of shape (n_samples, n_features)
    batch_size : int
        Rows in a batch; at most all of them.
    generator : torch.Generator
        On the device of `rows`.
    """

    def __init__(self, rows: Tensor, batch_size: int, generator: torch.Generator) -> None:
        self.rows = rows
        self.generator = generator
        self.n_batches = max(1, round(len(rows) / batch_size))
        self.batch_size = len(rows) // self.n_batches

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the batches of one pass, in a new random order."""
        order = torch.randperm(len(self.rows), generator=self.generator, device=self.rows.device)
        for index in order[: self.n_batches * self.batch_size].split(self.batch_size):
            yield self.rows[index]
