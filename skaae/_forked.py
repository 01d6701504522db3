"""Processes that were forked: PyTorch's threads stayed behind in the one that forked them."""

from __future__ import annotations

import os

import torch

_IMPORTED_IN = os.getpid()


def was_forked() -> bool:
    """Return whether this process was forked from the one that imported this."""
    return os.getpid() != _IMPORTED_IN


def bear_being_forked() -> None:
    """Let PyTorch compute by one thread from here on where this process was forked.

    Where the other process has computed by several, OpenMP would wait for threads that are not
    here, and never end. In processes that were started otherwise nothing is done.
    """
    if was_forked() and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
