"""What tells one call of ``fit`` from another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skaae._device import new_generator, resolve_device
from skaae._sources import Rows, RowSource, evenly_spaced
from skaae.priors import as_prior

_N_ROWS = 256
_N_DRAWS = 64
# They change nothing about what a fit ends with.
_LEFT_OUT = ("verbose",)


def fingerprint(estimator: Any, X: Rows, labels: Sequence[Any]) -> str:
    """Return what parameters, rows and labels are, in twenty-four digits.

    Of the rows a sample counts, from all over them; of a fit that goes on from fitted weights,
    these too. The kind of device counts, whichever name asked for it: its generator's state is of
    no use on another.
    """
    found = hashlib.blake2b(digest_size=12)
    parameters = estimator.get_params(deep=True)
    for name in sorted(set(parameters) - set(_LEFT_OUT)):
        _add(found, name)
        _add(found, parameters[name])
    _add(found, resolve_device(estimator.device).type)
    # Objects of others seldom show what they draw from.
    prior = as_prior(estimator.prior)
    _add(found, prior.sample(_N_DRAWS, estimator.n_components, generator=new_generator(0)))
    places = evenly_spaced(len(X), min(len(X), _N_ROWS))
    _add(found, list(X.shape))
    _add(found, X.take(places) if isinstance(X, RowSource) else X[places])
    _add(found, labels)
    if getattr(estimator, "warm_start", False) and hasattr(estimator, "model_"):
        _add(found, estimator.model_)
    return found.hexdigest()


def _add(found: Any, value: Any) -> None:
    """Let a value count."""
    if isinstance(value, np.random.RandomState):
        _, keys, *rest = value.get_state()
        value = [keys, *rest]
    if isinstance(value, nn.Module):
        value = [_name(value), *value.state_dict().values()]
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    found.update(type(value).__qualname__.encode())
    if isinstance(value, (list, tuple)):
        found.update(str(len(value)).encode())
        for item in value:
            _add(found, item)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        found.update(f"{value.shape} {value.dtype}".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    elif not isinstance(value, BaseEstimator):  # whose parameters are among the others
        found.update(_name(value).encode())


def _name(value: Any) -> str:
    # Objects say where in memory they lie, which is elsewhere in the next process.
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
