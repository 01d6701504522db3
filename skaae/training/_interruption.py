"""Whose business Ctrl-C is: that of a fit, or that of what runs the fit among others."""

from __future__ import annotations

import multiprocessing
import sys

from skaae.distributed import current_ranks


def interrupt_is_for_caller() -> bool:
    """Return whether KeyboardInterrupt has to leave the fit that it found.

    It has to where the fit is one of many: in ``joblib.Parallel``, as searches, cross-validation
    and ensembles call it, also with one job, a fit that ended here would only make room for the
    next. In a process that another one started, and among processes that train together, the
    others got the signal too and would wait.
    """
    if multiprocessing.parent_process() is not None or current_ranks().size > 1:
        return True
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        # Not joblib.memory, which stands between a Pipeline and its steps.
        if frame.f_globals.get("__name__") == "joblib.parallel":
            return True
    return False
