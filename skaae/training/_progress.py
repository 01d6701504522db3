"""One line an epoch, for those who asked for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(verbose: int, n_epochs: int) -> Iterator[Callable[[dict[str, float]], None] | None]:
    """Yield a function that logs an epoch, or None; a handler of ours lives as long as this."""
    if not verbose:
        yield None
        return
    logger = logging.getLogger("skaae")
    handler = None if logger.hasHandlers() else logging.StreamHandler(sys.stdout)
    level = logger.level
    if handler is not None:
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    def report(entry: dict[str, float]) -> None:
        shown = {k: v for k, v in entry.items() if k not in ("epoch", "learning_rate")}
        losses = ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
        logger.info("epoch %d of %d: %s", entry["epoch"], n_epochs, losses)

    try:
        yield report
    finally:
        logger.setLevel(level)
        if handler is not None:
            logger.removeHandler(handler)
