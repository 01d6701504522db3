"""What an estimator says of its fitted attributes, so that they can be saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from skaae._persistence._kinds import expect
from skaae._scaling import ColumnScaling


@dataclass(frozen=True)
class Fitted:
    """Type, dtype and shape of a fitted attribute.

    Parameters
    ----------
    type : type or union of types
    kinds : str, default=""
        Of an array: the kinds of dtype that it may have, as in ``numpy.dtype.kind``.
    shape : tuple of str, default=()
        Of an array, of the columns of a scaling, of the tensors in a tuple: names of its lengths.
        One name is one length wherever it stands; the model says those of ``n_features``,
        ``n_components`` and, where it has labels, ``n_labels``.
    optional : bool, default=False
        Whether a fitted estimator may lack it.
    """

    type: Any
    kinds: str = ""
    shape: tuple[str, ...] = ()
    optional: bool = False

    def check(self, value: Any, lengths: dict[str, int], where: str) -> None:
        """Raise ValueError where a value is not what was declared; learn lengths from it."""
        exact = type(value) is int if self.type is int else isinstance(value, self.type)
        expect(exact, where, getattr(self.type, "__name__", str(self.type)), value)
        for shape in self._shapes(value, where):
            pairs = zip(self.shape, shape)
            expected = tuple(lengths.setdefault(name, size) for name, size in pairs)
            agrees = len(shape) == len(self.shape) and expected == shape
            expect(agrees, where, f"the shape {self.shape} = {expected}", shape)

    def _shapes(self, value: Any, where: str) -> list[tuple[int, ...]]:
        """Return the shapes of what a value holds, its numbers checked."""
        if isinstance(value, np.ndarray):
            expect(value.dtype.kind in self.kinds, where, "another dtype", value.dtype)
            finite = value.dtype.kind != "f" or bool(np.isfinite(value).all())
            expect(finite, where, "finite numbers", value.dtype)
            return [value.shape]
        if isinstance(value, ColumnScaling):
            return [tuple(value.location.shape), tuple(value.scale.shape)]
        if isinstance(value, tuple):
            expect(all(isinstance(item, Tensor) for item in value), where, "tensors", value)
            return [tuple(item.shape) for item in value]
        return []
