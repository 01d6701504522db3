"""What a block of a test does beside computing: files written, processes, code, memory, time."""

import ast
import os
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scipy.stats import _distn_infrastructure

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Of the audit events of Python; "import" comes for modules only that are not there yet.
_EVENTS = {"import", "exec", "compile", "marshal.loads", "pickle.find_class", "ctypes.dlopen"}
_PREFIXES = ("os.", "subprocess.", "shutil.", "socket.", "tempfile.", "pty.", "urllib.")
# SciPy makes each distribution a method, of a text of its own; what is parsed is not run.
_TEMPLATES = {_distn_infrastructure.__file__, ast.__file__}
# Looks at folders, which change nothing.
_LOOKS = {"os.listdir", "os.scandir", "os.walk", "os.fwalk"}


class _Watch:
    """The one audit hook of a process, which can never be taken away: off but in a block."""

    def __init__(self):
        self.found, self.thread, self.installed = None, None, False

    def __call__(self, event, args):
        if self.found is None or threading.get_ident() != self.thread:
            return
        if event == "open":
            path, mode, flags = args
            if flags & _WRITES or set(mode or "") & set("wax+"):
                self.found.append((event, str(path)))
        elif event in ("compile", "exec") and sys._getframe(1).f_code.co_filename in _TEMPLATES:
            return
        elif event in _EVENTS or (event.startswith(_PREFIXES) and event not in _LOOKS):
            self.found.append((event, str(args[:1])[:80]))


_WATCH = _Watch()


@contextmanager
def actions():
    """Give a list of what the block wrote, started, imported and executed, seen by Python."""
    if not _WATCH.installed:
        sys.addaudithook(_WATCH)
        _WATCH.installed = True
    _WATCH.found, _WATCH.thread = [], threading.get_ident()
    try:
        yield _WATCH.found
    finally:
        _WATCH.found = None


@dataclass
class Cost:
    """Seconds, and bytes at the highest, where the system tells; else None."""

    cpu: float = 0.0
    wall: float = 0.0
    memory: int | None = None
    actions: list = field(default_factory=list)


@contextmanager
def cost():
    """Give a cost, which is known when the block has ended."""
    found, before = Cost(), _fresh_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    with actions() as found.actions:
        try:
            yield found
        finally:
            found.cpu, found.wall = time.process_time() - cpu, time.perf_counter() - wall
    if before is not None:
        found.memory = _peak() - before


def _fresh_peak():
    """Let the peak be what is held now, and return it; None where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _peak()
    except OSError:
        return None


def _peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
