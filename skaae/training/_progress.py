"""One line an epoch, for those who asked for it."""

from __future__ import annotations

import logging
import sys
import time

# Keys of an epoch that the line says in other words, or not at all.
_NOT_LISTED = ("epoch", "learning_rate", "seconds")


class Progress:
    """An observer that logs each epoch: losses, held-out measures, speed and time left.

    Parameters
    ----------
    n_epochs : int
        Of the whole budget.
    n_rows : int
        In an epoch.
    """

    def __init__(self, n_epochs: int, n_rows: int) -> None:
        self.n_epochs, self.n_rows = n_epochs, n_rows
        # A logger of this fit's own, so that no level or handler of the public one is changed.
        self._logger = logging.Logger("skaae.fit", logging.INFO)
        self._logger.parent = logging.getLogger("skaae")
        if not self._logger.parent.hasHandlers():
            self._logger.addHandler(logging.StreamHandler(sys.stdout))
        self._started = time.perf_counter()
        self._n_seen = 0

    def begin_epoch(self) -> None:
        """Do nothing: an epoch is logged when it has ended."""

    def end_epoch(self, history: list[dict[str, float]]) -> bool:
        """Log the last epoch."""
        entry = history[-1]
        self._n_seen += 1
        values = [f"{k} {v:.4g}" for k, v in entry.items() if k not in _NOT_LISTED]
        # Looks at held-out rows take time too, hence the clock and not the seconds of epochs.
        each = (time.perf_counter() - self._started) / self._n_seen
        left = duration(each * (self.n_epochs - entry["epoch"]))
        self._logger.info(
            "epoch %d of %d: %s (%s rows/s, %s left)",
            entry["epoch"],
            self.n_epochs,
            ", ".join(values),
            f"{self.n_rows / max(entry['seconds'], 1e-9):,.0f}",
            left,
        )
        return False


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``"12 s"``, ``"3 min 5 s"``, ``"2 h 10 min"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
