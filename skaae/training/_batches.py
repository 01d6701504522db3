"""Rows in random batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from skaae._device import new_generator
from skaae._neighbors import nearest_neighbors, neighbors_of
from skaae._streams import StreamedRows, thinned
from skaae.distributed import check_same_rows, current_ranks, own_part

_MOST_LABELED_ROWS_IN_MEMORY = 10_000
# All of them with all of them, in each pass.
_COMPARED_ROWS = 8192
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Batch:
    """Rows of one step.

    Attributes
    ----------
    x : Tensor of shape (n_rows, n_features)
    y : Tensor of shape (n_rows,) or None
        Integer classes; -1 where there is no label.
    n_extra : int
        Rows at the end that were drawn for their labels or beside others, on top of a fair draw of
        all rows.
    n_pairs : int
        Rows at the end that are neighbours of as many rows at the start, in their order.
    places : Tensor of shape (n_rows, n_components) or None
        Where on the map the rows belong.
    """

    x: Tensor
    y: Tensor | None = None
    n_extra: int = 0
    n_pairs: int = 0
    places: Tensor | None = None

    @property
    def n_fair(self) -> int:
        """Rows that are a fair draw of all."""
        return len(self.x) - self.n_extra


class ResidentBatches:
    """Random batches of rows that lie on the device, or come to it a batch at a time.

    All batches have one size, the one nearest to `batch_size` that divides the rows evenly, so
    that no step is noisier than another; the few rows that are left over differ from pass to pass.
    No batch has one row alone, which has no spread to normalise by.

    Parameters
    ----------
    rows : Tensor or StreamedRows of shape (n_samples, n_features)
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
    n_neighbors : int, default=0
        Beside each row of a batch comes one of so many nearest neighbours, drawn at random.
    places : Tensor of shape (n_samples, n_components), default=None
        Where on the map each row belongs, which a batch is told.
    """

    def __init__(
        self,
        rows: Any,
        batch_size: int,
        generator: torch.Generator,
        *,
        y: Tensor | None = None,
        least_labeled: int = 0,
        n_neighbors: int = 0,
        places: Tensor | None = None,
    ) -> None:
        self.rows = rows
        # Rows that know their places need no neighbours beside them.
        self.n_neighbors = 0 if places is not None else min(n_neighbors, len(rows) - 1)
        self._neighbors = self._graph() if self.n_neighbors else None
        self.generator = generator
        self.y, self.places = y, places
        # Each process that trains along takes as many rows of a batch as the others.
        n_processes = current_ranks().size
        self.n_batches = max(
            1, min(round(len(rows) / batch_size), len(rows) // max(2, 2 * n_processes))
        )
        self.batch_size = len(rows) // self.n_batches // n_processes * n_processes
        self.n_extra = 0
        if y is not None and least_labeled:
            self._labeled = (y >= 0).nonzero().flatten()
            expected = self.batch_size * len(self._labeled) / len(rows)
            least = min(least_labeled, self.batch_size)
            n_extra = max(0, round(least - expected)) if len(self._labeled) else 0
            self.n_extra = n_extra // n_processes * n_processes

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one pass, in a new random order."""
        device = self.rows.device
        order = torch.randperm(len(self.rows), generator=self.generator, device=device)
        for index in order[: self.n_batches * self.batch_size].split(self.batch_size):
            fair = own_part(index)
            parts = [fair]
            if self.n_extra:
                parts.append(self._labeled[self._drawn_for_labels()])
            if self._neighbors is not None:
                parts.append(self._drawn_neighbors(self._neighbors[fair]))
            index = torch.cat(parts) if len(parts) > 1 else fair
            y = None if self.y is None else self.y[index]
            n_pairs = 0 if self._neighbors is None else len(fair)
            places = None if self.places is None else self.places[index]
            # Rows of a tensor are gathered twice as fast so; rows of a file have no such method.
            rows = self.rows
            x = rows.index_select(0, index) if isinstance(rows, Tensor) else rows[index]
            yield Batch(x, y, len(index) - len(fair), n_pairs, places)

    def _graph(self) -> Tensor | None:
        """Return the places of each row's neighbours, shape (n_samples, n_neighbors)."""
        return neighbors_of(self.rows, self.n_neighbors)

    def _drawn_neighbors(self, neighbors: Tensor) -> Tensor:
        """Return one of each row's neighbours, drawn at random."""
        drawn = torch.randint(
            neighbors.shape[1],
            (self.batch_size,),
            generator=self.generator,
            device=neighbors.device,
        )
        return neighbors.gather(1, own_part(drawn)[:, None]).flatten()

    def _drawn_for_labels(self) -> Tensor:
        device = self.rows.device
        shape = (self.n_extra,)
        drawn = torch.randint(len(self._labeled), shape, generator=self.generator, device=device)
        return own_part(drawn)


class StreamedBatches(ResidentBatches):
    """Random batches of rows of a file, which is read ahead while the step runs.

    Rows come in windows, each of runs of rows from all over the file, and are mixed within their
    window, where their neighbours are sought too: reading single rows in a random order would wait
    for the disk at each.
    """

    @cached_property
    def _labeled_x(self) -> Tensor | None:
        """The rows that have a label, where those are few: they are drawn again and again."""
        few = len(self._labeled) <= _MOST_LABELED_ROWS_IN_MEMORY
        return self.rows[self._labeled] if few else None

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one pass, in a new random order."""
        device = self.rows.device
        drawn = torch.randint(2**31, (2,), generator=self.generator, device=device)
        of_windows, of_orders = map(int, drawn)
        windows = self.rows.windows(of_windows, self.batch_size)
        # Orders in all windows follow from the start of the pass, so that it can be gone on with.
        orders = new_generator(of_orders, device)
        left_x = torch.empty(0, self.rows.shape[1], dtype=torch.float32, device=device)
        left_index = torch.empty(0, dtype=torch.int64, device=device)
        n_left = self.n_batches
        for window, read in zip(windows, _ahead(self.rows.read, windows)):
            # Scaled here, by all threads: the one that reads would take a core from the step.
            x = torch.cat([left_x, self.rows.in_units(read)])
            index = torch.cat([left_index, torch.as_tensor(np.concatenate(window), device=device)])
            order = torch.randperm(len(x), generator=orders, device=device)
            n_here = min(len(x) // self.batch_size, n_left)
            n_left -= n_here
            # A window may have fewer rows than a batch; an empty order would split into one part.
            whole = order[: n_here * self.batch_size]
            for section in whole.split(self._section) if n_here else ():
                here = x[section]
                near = self._near(here)
                places = torch.arange(len(here), device=device)
                for part in map(own_part, places.split(self.batch_size)):
                    beside = part[:0] if near is None else self._drawn_neighbors(near[part])
                    yield self._batch(here, index[section], part, beside)
            if not n_left:
                return
            rest = order[n_here * self.batch_size :]
            left_x, left_index = x[rest], index[rest]

    def _batch(self, x: Tensor, index: Tensor, part: Tensor, beside: Tensor) -> Batch:
        """Return rows of a window, rows drawn for their labels, and rows of the window again."""
        rows, places = [x[part]], [index[part]]
        if self.n_extra:
            drawn = self._drawn_for_labels()
            labeled = self._labeled[drawn]
            few = self._labeled_x
            rows.append(self.rows[labeled] if few is None else few[drawn])
            places.append(labeled)
        rows.append(x[beside])
        places.append(index[beside])
        x, index = torch.cat(rows), torch.cat(places)
        y = None if self.y is None else self.y[index]
        return Batch(x, y, len(x) - len(part), len(beside))

    def _graph(self) -> Tensor | None:
        """Return None: each section of a window has neighbours of its own."""
        return None

    @property
    def _section(self) -> int:
        """Rows of a window among which neighbours are sought: whole batches."""
        return max(1, _COMPARED_ROWS // self.batch_size) * self.batch_size

    def _near(self, x: Tensor) -> Tensor | None:
        n_neighbors = min(self.n_neighbors, len(x) - 1)
        return nearest_neighbors(x, n_neighbors) if n_neighbors else None


def _ahead(read: Callable[[Any], _Read], items: Sequence[Any]) -> Iterator[_Read]:
    """Yield ``read(item)`` for each item; the next is read in a thread while one is worked on."""
    with ThreadPoolExecutor(1, "skaae-read-ahead") as pool:
        coming = pool.submit(read, items[0])
        for item in items[1:]:
            here, coming = coming.result(), pool.submit(read, item)
            yield here
        yield coming.result()


def batches_of(
    rows: Tensor | StreamedRows, batch_size: int, generator: torch.Generator, **beside: Any
) -> ResidentBatches:
    """Return the batches that suit where the rows lie; `beside` as for ResidentBatches.

    Raises
    ------
    ValueError
        If processes that train together have different rows, or too few.
    """
    if current_ranks().size > 1:
        check_same_rows(thinned(rows), len(rows), beside.get("y"))
    if isinstance(rows, StreamedRows) and rows.source.in_runs:
        return StreamedBatches(rows, batch_size, generator, **beside)
    return ResidentBatches(rows, batch_size, generator, **beside)
