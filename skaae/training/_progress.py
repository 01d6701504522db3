"""One line an epoch, for those who asked for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable


def progress(verbose: int, n_epochs: int) -> Callable[[dict[str, float]], None] | None:
    """Return a function that logs an epoch, or None unless `verbose`."""
    if not verbose:
        return None
    # A logger of this fit's own, so that no level or handler of the public one is changed.
    logger = logging.Logger("skaae.fit", logging.INFO)
    logger.parent = logging.getLogger("skaae")
    if not logger.parent.hasHandlers():
        logger.addHandler(logging.StreamHandler(sys.stdout))

    def report(entry: dict[str, float]) -> None:
        shown = {k: v for k, v in entry.items() if k not in ("epoch", "learning_rate")}
        losses = ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
        logger.info("epoch %d of %d: %s", entry["epoch"], n_epochs, losses)

    return report
