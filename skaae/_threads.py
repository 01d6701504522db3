"""How many threads of the processor a fit uses: PyTorch while others want them too, and BLAS."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController

from skaae.distributed import current_ranks

_Result = TypeVar("_Result")

# Threads of one matrix product wait for the slowest of them. Where that one has lost its core to
# another process, they wait for as long as the process may keep it, at every product: two threads
# beside two busy processes on two cores did 2 % of the quiet machine's steps, one thread 50 %.
_WINDOW = 0.25
_LEAST_SHARE = 0.8
_FREE_SHARE = 0.95
_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 60.0


class WatchedThreads:
    """Steps by all threads while the thread that calls them is let run, else by one.

    A thread that computes or waits for its fellows is busy all the time, so where it got less than
    80 % of a core in a quarter of a second, another process did. The others are tried again after
    2 seconds in which it got 95 %, then after 4, and so on.

    Parameters
    ----------
    n_threads : int
        The most to use.
    set_threads : callable
        Takes the number of threads for what follows.
    wall, own : callable
        The seconds that have passed, and those that this thread ran.
    """

    def __init__(
        self,
        n_threads: int,
        *,
        set_threads: Callable[[int], None] = torch.set_num_threads,
        wall: Callable[[], float] = time.perf_counter,
        own: Callable[[], float] = time.thread_time,
    ) -> None:
        self.n_threads = n_threads
        self.set_threads = set_threads
        self.wall, self.own = wall, own
        self.uses_all = True
        self._pause = _FIRST_PAUSE
        self._restart()

    def __call__(self, function: Callable[..., _Result], *args: Any) -> _Result:
        """Return ``function(*args)``, having looked whether it was let run."""
        wall, own = self.wall(), self.own()
        result = function(*args)
        self._seconds += self.wall() - wall
        self._ran += self.own() - own
        if self._seconds >= (_WINDOW if self.uses_all else self._pause):
            self._decide(self._ran / self._seconds)
            self._restart()
        return result

    def _decide(self, share: float) -> None:
        if self.uses_all and share < _LEAST_SHARE:
            self.uses_all = False
            self.set_threads(1)
        elif not self.uses_all and share > _FREE_SHARE:
            self.uses_all = True
            self._pause = min(2.0 * self._pause, _LONGEST_PAUSE)
            self.set_threads(self.n_threads)

    def _restart(self) -> None:
        self._seconds = self._ran = 0.0


def _at_once(function: Callable[..., _Result], *args: Any) -> _Result:
    return function(*args)


@contextmanager
def watched_threads(device: torch.device) -> Iterator[Callable[..., Any]]:
    """Lend a caller of steps that bears with a busy machine, and leave threads as they were."""
    n_threads = torch.get_num_threads()
    adjustable = "backend: OpenMP" in torch.__config__.parallel_info()
    # Waiting for another process's gradients is no sign of a busy machine.
    together = current_ranks().size > 1
    if device.type != "cpu" or n_threads < 2 or not adjustable or together:
        yield _at_once
        return
    try:
        yield WatchedThreads(n_threads)
    finally:
        torch.set_num_threads(n_threads)


# By process: in one that was forked, no thread would give back what was held.
_LIMITING: dict[int, Any] = {}


@functools.cache
def _blas() -> ThreadpoolController:
    # To look for libraries takes milliseconds.
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy and SciPy compute by one thread, and leave their threads as they were.

    Decompositions of some thousand rows are made of products that are over before a second thread
    has begun: two threads took three to four times as long for 2,000 columns on a quiet machine of
    two cores, and more where another process had one of them. Most libraries have one number of
    threads for a process, so one thread of Python computes here at a time.
    """
    with _LIMITING.setdefault(os.getpid(), threading.RLock()), _blas().limit(limits=1):
        yield
