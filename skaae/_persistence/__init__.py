"""Fitted estimators as files without code: JSON, and weights as safetensors."""

from __future__ import annotations

from skaae._persistence._documents import DOCUMENT, WEIGHTS
from skaae._persistence._estimators import from_files, to_files, versions
from skaae._persistence._fields import Fitted
from skaae._persistence._files import open_files, write_files
from skaae._persistence._saving import SavingMixin

__all__ = [
    "DOCUMENT",
    "WEIGHTS",
    "Fitted",
    "SavingMixin",
    "from_files",
    "open_files",
    "to_files",
    "versions",
    "write_files",
]
