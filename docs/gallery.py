"""What happens around each example of the gallery."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from typing import Any

from sklearn.exceptions import ConvergenceWarning

# Names of an example are looked up also where it is not run.
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

_AROUND = ExitStack()


def refuse_warnings(gallery_conf: dict[str, Any], fname: str, when: str) -> None:
    """Let an example fail that warns of anything but a short fit."""
    _AROUND.close()
    if when == "before":
        _AROUND.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error")
        warnings.simplefilter("default", ConvergenceWarning)
        # Where there is a display but pictures are taken without it.
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
