"""Writer and reader of values, which know their tensors and a user's own objects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skaae._persistence._kinds import KINDS, Kind, expect
from skaae._persistence._nouns import NOUN_KINDS
from skaae._persistence._weights import Weights

_KINDS: list[Kind] = [*KINDS, *NOUN_KINDS]
_BY_NAME = {kind.name: kind for kind in _KINDS}
# Nothing that is saved comes near; a document may nest deeper than Python's stack.
_DEEPEST = 32
# Bytes of values for each byte of tensors, and without any: a document may name one many times.
_MEMORY_PER_BYTE = 16
_MEMORY = 2**26
# What a document may cost to read, about a second in all: a list costs 1.
_MOST_COST = 2**16


def _charge(left: int, cost: int, where: str) -> int:
    if left < cost:
        raise ValueError(f"{where}: more lists and objects than can be loaded; use an array.")
    return left - cost


class Writer:
    """JSON from values, with their arrays on the side.

    Attributes
    ----------
    tensors : dict of str to Tensor
        What arrays became; equal ones are kept once.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._digests: dict[bytes, str] = {}
        self._cost_left = _MOST_COST

    def encode(self, value: Any, where: str) -> Any:
        """Return JSON for a value; raise TypeError where it is of no kind."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float and value - value == 0.0:
            return value
        for kind in _KINDS:
            if kind.takes(value):
                self._cost_left = _charge(self._cost_left, kind.cost, where)
                return {kind.name: kind.encode(value, self, where)}
        if type(value) is list:
            self._cost_left = _charge(self._cost_left, 1, where)
            return [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
        raise TypeError(
            f"{where}: save keeps numbers, text, lists, arrays, and objects of skaae, not "
            f"{type(value).__name__}. Use pickle, or pass a class of your own that holds numbers."
        )

    def store(self, value: np.ndarray | Tensor) -> str:
        """Keep an array and return its name."""
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(
                np.array(value, dtype=value.dtype.newbyteorder("="), order="C")
            )
        tensor = value.detach().cpu().contiguous()
        digest = hashlib.sha256(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
        name = self._digests.setdefault(digest.digest(), f"array.{len(self._digests)}")
        self.tensors[name] = tensor
        return name


class Reader:
    """Values from JSON.

    Parameters
    ----------
    weights : Weights
        Of which an array is read when a value asks for it.
    custom_objects : sequence or dict
        What the caller of ``load`` handed over.
    """

    def __init__(self, weights: Weights, custom_objects: Any) -> None:
        self._weights, self._names = weights, {f"array.{name}" for name in weights.of("array")}
        self._custom = _by_name(custom_objects)
        self._used: set[str] = set()
        self._depth, self._cost_left = 0, _MOST_COST
        self._memory_left = _MEMORY

    def decode(self, value: Any, where: str) -> Any:
        """Return the value that a writer encoded; raise ValueError where it cannot have."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        self._depth += 1
        expect(self._depth <= _DEEPEST, where, f"at most {_DEEPEST} levels", "more")
        try:
            if isinstance(value, list):
                self._cost_left = _charge(self._cost_left, 1, where)
                if not any(isinstance(item, (list, dict)) for item in value):
                    return value
                return [self.decode(item, where) for item in value]
            expect(len(value) == 1, where, "an object with one name, its kind", list(value)[:3])
            ((name, body),) = value.items()
            expect(name in _BY_NAME, where, f"one of {sorted(_BY_NAME)}", name)
            self._cost_left = _charge(self._cost_left, _BY_NAME[name].cost, where)
            return _BY_NAME[name].decode(body, self, where)
        finally:
            self._depth -= 1

    def tensor(self, name: Any, where: str, dtype: np.dtype[Any] | None = None) -> Tensor:
        """Return a tensor by its name, in memory of its own, if it may become an array of `dtype`.

        Integers may be of fewer bytes than they become.
        """
        known = isinstance(name, str) and name in self._names
        expect(known, where, "the name of a tensor in the file of weights", name)
        n_bytes = self._weights.n_bytes([name])
        if name not in self._used:  # those that nothing uses account for no values
            self._memory_left += _MEMORY_PER_BYTE * n_bytes
        self._used.add(name)
        if dtype is not None:
            stored = str(self._weights.shapes[name].dtype).removeprefix("torch.")
            whole = dtype.kind in "iu" and stored.startswith(("int", "uint"))
            expect(whole or stored == dtype.name, where, f"an array of {dtype}", stored)
            self.spend(self._weights.shapes[name].numel() * dtype.itemsize, where)
        self.spend(n_bytes, where)
        return self._weights.read(name)

    def spend(self, n_bytes: int, where: str) -> None:
        """Raise ValueError where values take more memory than the files account for."""
        self._memory_left -= n_bytes
        if self._memory_left < 0:
            raise ValueError(
                f"{where}: expected values of the size of the files, got many times it."
            )

    def check_all_used(self) -> None:
        """Raise ValueError where a tensor is there that no value asked for."""
        further = sorted(self._names - self._used)
        expect(not further, "weights.safetensors", "no further tensors", further[:3])

    def custom(self, names: list[Any], where: str) -> Any:
        """Return an object that the caller handed over under one of these names.

        Raises
        ------
        ValueError
            If there is none.
        """
        for name in names:
            expect(isinstance(name, str) and len(name) < 1000, where, "the name of an object", name)
            for key in (name, name.rpartition(".")[2]):
                if key in self._custom:
                    return self._custom[key]
        raise ValueError(
            f"{where}: it was saved with {names[0]}, which is not part of skaae and is not "
            "imported for you. If you trust it, pass it: load(path, custom_objects=[...]) takes "
            "classes and functions, "
            f"load(path, custom_objects={{{names[-1]!r}: ...}}) any object."
        )


def _by_name(custom_objects: Sequence[Any] | dict[str, Any]) -> dict[str, Any]:
    if isinstance(custom_objects, dict):
        return custom_objects
    found: dict[str, Any] = {}
    for item in custom_objects:
        if not hasattr(item, "__qualname__"):
            raise TypeError(
                f"custom_objects: expected classes and functions in a list, got {item!r}. Pass a "
                "dict from names to objects instead."
            )
        found[f"{item.__module__}.{item.__qualname__}"] = item
        found[item.__qualname__.rpartition(".")[2]] = item
    return found
