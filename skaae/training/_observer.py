"""Who is told of a run's epochs."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """What the loop tells of each epoch, on the CPU and between epochs only."""

    def begin_epoch(self) -> None:
        """Take note that an epoch begins."""

    def end_epoch(self, history: list[dict[str, float]]) -> bool:
        """Take note of the epochs so far, the last of which has ended; return whether to stop."""
