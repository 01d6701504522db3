"""A pass over the rows that may be left in its middle, and gone on with from there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from skaae.training._batches import Batch

_TOTAL, _BEGAN = "pass.total.", "pass.began"


@dataclass
class Pass:
    """How far a pass over the rows has come.

    Attributes
    ----------
    n_batches : int
        Batches that are done.
    totals : dict of str to Tensor
        Sums of their losses.
    began : Tensor or None
        State of the generator where the pass began, which its order was drawn from.
    """

    n_batches: int = 0
    totals: dict[str, Tensor] = field(default_factory=dict)
    began: Tensor | None = None

    def add(self, losses: dict[str, Tensor]) -> None:
        """Count a batch and its losses."""
        # Summed on the device and read once: reading each would make the device wait.
        for name, value in losses.items():
            self.totals[name] = self.totals[name] + value if name in self.totals else value
        self.n_batches += 1

    def rest_of(self, batches: Iterable[Batch], generator: torch.Generator) -> Iterator[Batch]:
        """Yield the batches that are not done yet, of the order that was drawn when it began."""
        n_done, now = self.n_batches, generator.get_state()
        if self.began is None:
            self.began = now
        generator.set_state(self.began)
        for n, batch in enumerate(batches, start=1):
            if n > n_done:
                yield batch
            elif n == n_done:  # what is drawn for those that are done is not what was drawn then
                generator.set_state(now)

    def tensors(self) -> dict[str, Tensor]:
        """Return copies, on the CPU, of what is to be kept on disk; nothing at a pass's end."""
        if self.began is None or not self.n_batches:
            return {}
        totals = {f"{_TOTAL}{name}": total.cpu().clone() for name, total in self.totals.items()}
        return {**totals, _BEGAN: self.began.clone()}

    @classmethod
    def of(cls, tensors: dict[str, Tensor], n_batches: int, device: torch.device) -> Pass:
        """Return what was kept on disk."""
        totals = {
            name.removeprefix(_TOTAL): total.to(device)
            for name, total in tensors.items()
            if name.startswith(_TOTAL)
        }
        return cls(n_batches, totals, tensors.get(_BEGAN))
