"""Rows in random batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of one step.

    Attributes
    ----------
    x : Tensor of shape (n_rows, n_features)
    y : Tensor of shape (n_rows,) or None
        Integer classes; -1 where there is no label.
    n_extra : int
        Rows at the end that were drawn for their labels, on top of a fair draw of all rows.
    """

    x: Tensor
    y: Tensor | None = None
    n_extra: int = 0

    @property
    def n_fair(self) -> int:
        """Rows that are a fair draw of all."""
        return len(self.x) - self.n_extra


class ResidentBatches:
    """Random batches of rows that lie on the device.

    All batches have one size, the one nearest to `batch_size` that divides the rows evenly, so
    that no step is noisier than another; the few rows that are left over differ from pass to pass.
    No batch has one row alone, which has no spread to normalise by.

    Parameters
    ----------
    rows : Tensor of shape (n_samples, n_features)
    batch_size : int
        Rows in a batch; at most all of them.
    generator : torch.Generator
        On the device of `rows`.
    y : Tensor of shape (n_samples,), default=None
        Integer classes; -1 where there is no label.
    least_labeled : int, default=0
        Where fewer rows of a batch than this are expected to have a label, labelled ones are drawn
        on top, with replacement, but no more than a batch has rows: 100 labels among 60,000 rows
        would otherwise be met once in a while only.
    """

    def __init__(
        self,
        rows: Tensor,
        batch_size: int,
        generator: torch.Generator,
        *,
        y: Tensor | None = None,
        least_labeled: int = 0,
    ) -> None:
        self.rows = rows
        self.generator = generator
        self.y = y
        self.n_batches = max(1, min(round(len(rows) / batch_size), len(rows) // 2))
        self.batch_size = len(rows) // self.n_batches
        self.n_extra = 0
        if y is not None and least_labeled:
            self._labeled = (y >= 0).nonzero().flatten()
            expected = self.batch_size * len(self._labeled) / len(rows)
            least = min(least_labeled, self.batch_size)
            self.n_extra = max(0, round(least - expected)) if len(self._labeled) else 0

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one pass, in a new random order."""
        device = self.rows.device
        order = torch.randperm(len(self.rows), generator=self.generator, device=device)
        for index in order[: self.n_batches * self.batch_size].split(self.batch_size):
            if self.n_extra:
                drawn = torch.randint(
                    len(self._labeled), (self.n_extra,), generator=self.generator, device=device
                )
                index = torch.cat([index, self._labeled[drawn]])
            y = None if self.y is None else self.y[index]
            yield Batch(self.rows[index], y, self.n_extra)
