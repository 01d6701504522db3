"""Values as JSON and tensors, and back: numbers, text, lists, arrays.

JSON's own values stand for themselves. Any other value is an object with one name, its kind, and
what that needs: ``{"tuple": [16, 16]}``. A kind is a small class and a line in ``KINDS``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch

# What a dict and a number in it take, about.
_DICT_BYTES, _FLOAT_BYTES = 256, 32
_NUMBERS = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]


class Kind(ABC):
    """One kind of value.

    ``encode`` and ``decode`` are handed a :class:`~skaae._persistence._values.Writer` or
    :class:`~skaae._persistence._values.Reader` for what is inside the value, and where in the
    document it stands, for messages.
    """

    name: ClassVar[str]
    #: Of reading one, where a plain list costs 1.
    cost: ClassVar[int] = 8

    @abstractmethod
    def takes(self, value: Any) -> bool:
        """Return whether a value is of this kind."""

    @abstractmethod
    def encode(self, value: Any, writer: Any, where: str) -> Any:
        """Return JSON for a value."""

    @abstractmethod
    def decode(self, body: Any, reader: Any, where: str) -> Any:
        """Return the value; raise ValueError where it is none."""


def expect(condition: bool, where: str, expected: str, got: Any) -> None:
    """Raise ValueError unless a condition holds."""
    if not condition:
        raise ValueError(f"{where}: expected {expected}, got {repr(got)[:80]}.")


def fields_of(body: Any, names: set[str], where: str) -> dict[str, Any]:
    """Return an object of JSON that has just these names."""
    expect(isinstance(body, dict), where, "an object", body)
    expect(set(body) == names, where, f"the names {sorted(names)}", sorted(body))
    fields: dict[str, Any] = body
    return fields


class NotFinite(Kind):
    """NaN and infinities, which JSON lacks."""

    name = "float"

    def takes(self, value: Any) -> bool:
        return type(value) is float and not math.isfinite(value)

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return repr(value)

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        expect(body in ("nan", "inf", "-inf"), where, "'nan', 'inf' or '-inf'", body)
        return float(body)


class Tuple(Kind):
    name = "tuple"

    def takes(self, value: Any) -> bool:
        return type(value) is tuple

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return writer.encode(list(value), where)

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        expect(isinstance(body, list), where, "a list", body)
        return tuple(reader.decode(body, where))


class Mapping(Kind):
    name = "dict"

    def takes(self, value: Any) -> bool:
        return type(value) is dict and all(type(key) is str for key in value)

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return {key: writer.encode(item, f"{where}.{key}") for key, item in value.items()}

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        expect(isinstance(body, dict), where, "an object", body)
        return {key: reader.decode(item, f"{where}.{key[:40]}") for key, item in body.items()}


class History(Kind):
    """A list of dicts of numbers, as columns: thousands of epochs are no longer than weights."""

    name = "history"

    def takes(self, value: Any) -> bool:
        return (
            type(value) is list
            and len(value) > 0
            and all(type(entry) is dict and entry for entry in value)
            and all(type(key) is str for entry in value for key in entry)
            and all(type(item) in (int, float) for entry in value for item in entry.values())
        )

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        # Looks at held-out rows come every few epochs, so entries of one make are no neighbours.
        groups: dict[tuple[tuple[str, type], ...], list[dict[str, Any]]] = {}
        for entry in value:
            groups.setdefault(_signature(entry), []).append(entry)
        places = {signature: place for place, signature in enumerate(groups)}
        parts = [
            {
                key: writer.encode(np.array([entry[key] for entry in part]), f"{where}.{key}")
                for key in part[0]
            }
            for part in groups.values()
        ]
        order = np.array([places[_signature(entry)] for entry in value])
        return {"order": writer.encode(order, where), "parts": parts}

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        fields_of(body, {"order", "parts"}, where)
        parts = body["parts"]
        expect(isinstance(parts, list) and bool(parts), where, "a list of columns", parts)
        groups = [self._entries(part, reader, where) for part in parts]
        order = reader.decode(body["order"], where)
        numbers = isinstance(order, np.ndarray) and order.ndim == 1 and order.dtype.kind == "i"
        expect(numbers, where, "an order of columns", order)
        known = bool(((order >= 0) & (order < len(groups))).all())
        expect(known, where, f"an order of {len(groups)} columns", order)
        counts = np.bincount(order, minlength=len(groups)).tolist()
        lengths = [len(group) for group in groups]
        expect(counts == lengths, where, f"an order of {lengths[:3]} rows", counts[:3])
        rows = [iter(group) for group in groups]
        return [next(rows[place]) for place in order.tolist()]

    def _entries(self, part: Any, reader: Any, where: str) -> list[dict[str, Any]]:
        """Return the entries that columns of one length hold."""
        expect(isinstance(part, dict) and bool(part), where, "columns", part)
        columns = [reader.decode(column, where) for column in part.values()]
        for column in columns:
            numbers = isinstance(column, np.ndarray) and column.ndim == 1
            expect(numbers and column.dtype.kind in "if", where, "columns of numbers", column)
        expect(len({len(c) for c in columns}) == 1, where, "columns of one length", len(part))
        reader.spend(len(columns[0]) * (_DICT_BYTES + _FLOAT_BYTES * len(columns)), where)
        return [dict(zip(part, row)) for row in zip(*(column.tolist() for column in columns))]


def _signature(entry: dict[str, Any]) -> tuple[tuple[str, type], ...]:
    return tuple((key, type(item)) for key, item in entry.items())


class NumPyNumber(Kind):
    name = "numpy"

    def takes(self, value: Any) -> bool:
        return isinstance(value, np.generic) and value.dtype.name in _NUMBERS

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return [value.dtype.name, writer.encode(value.item(), where)]

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        pair = isinstance(body, list) and len(body) == 2 and body[0] in _NUMBERS
        expect(pair, where, "a dtype and a number", body)
        number = reader.decode(body[1], where)
        kinds = {"b": bool, "i": int, "u": int, "f": float}
        dtype = np.dtype(body[0])
        expect(type(number) is kinds[dtype.kind], where, f"a number of {dtype}", number)
        if dtype.kind in "iu":
            # NumPy 1 would take it round to the other end.
            fits = np.iinfo(dtype).min <= number <= np.iinfo(dtype).max
            expect(fits, where, f"a number that fits {dtype}", number)
        return dtype.type(number)


class NumPyText(Kind):
    name = "numpy_str"

    def takes(self, value: Any) -> bool:
        return type(value) is np.str_

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return str(value)

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        expect(isinstance(body, str), where, "text", body)
        return np.str_(body)


class DType(Kind):
    name = "dtype"

    def takes(self, value: Any) -> bool:
        return isinstance(value, np.dtype) and value.name in _NUMBERS

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return value.name

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        expect(body in _NUMBERS, where, "the name of a dtype", body)
        return np.dtype(body)


class Array(Kind):
    """Numbers, in the file of weights; integers in the narrowest dtype that holds them."""

    name = "array"

    def takes(self, value: Any) -> bool:
        return type(value) is np.ndarray and value.dtype.name in _NUMBERS

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        stored = value
        if value.dtype.kind in "iu" and value.size:
            low, high = np.min_scalar_type(value.min()), np.min_scalar_type(value.max())
            narrow = np.promote_types(low, high)
            stored = value if narrow.itemsize >= value.dtype.itemsize else value.astype(narrow)
        return [writer.store(stored), value.dtype.name]

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        pair = isinstance(body, list) and len(body) == 2 and body[1] in _NUMBERS
        expect(pair, where, "the name of a tensor and a dtype", body)
        dtype = np.dtype(body[1])
        return reader.tensor(body[0], where, dtype).numpy().astype(dtype)


class TextArray(Kind):
    """Text: fixed width, or objects as scikit-learn keeps the names of columns."""

    name = "text"

    def takes(self, value: Any) -> bool:
        if type(value) is not np.ndarray or value.ndim != 1:
            return False
        is_text = value.dtype.kind == "O" and all(type(item) is str for item in value)
        return is_text or (value.dtype.kind == "U" and value.dtype.isnative)

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        width = None if value.dtype.kind == "O" else value.dtype.itemsize // 4
        return [width, value.tolist()]

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        pair = isinstance(body, list) and len(body) == 2 and isinstance(body[1], list)
        expect(pair, where, "a width and a list of text", body)
        width, items = body
        expect(all(isinstance(item, str) for item in items), where, "text", items)
        if width is None:
            return np.array([*items, None], dtype=object)[:-1]  # an array, whatever the items
        enough = type(width) is int and max(map(len, items), default=0) <= width
        expect(enough, where, "the width of text", width)
        reader.spend(4 * width * len(items), where)
        return np.array(items, dtype=f"U{width}")


class TorchTensor(Kind):
    name = "tensor"

    def takes(self, value: Any) -> bool:
        return type(value) is torch.Tensor

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return writer.store(value)

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        return reader.tensor(body, where)


class Device(Kind):
    name = "device"

    def takes(self, value: Any) -> bool:
        return type(value) is torch.device

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return str(value)

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        expect(isinstance(body, str), where, "the name of a device", body)
        try:
            return torch.device(body)
        except RuntimeError:
            raise ValueError(f"{where}: expected a device, got {body[:40]!r}.") from None


class RandomNumbers(Kind):
    """A ``RandomState``: the numbers that it goes on from."""

    name = "random_state"

    def takes(self, value: Any) -> bool:
        return type(value) is np.random.RandomState and _state(value)[0] == "MT19937"

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        _, keys, position, has_gauss, gauss = _state(value)
        return writer.encode([keys, int(position), int(has_gauss), float(gauss)], where)

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        state = reader.decode(body, where)
        expect(isinstance(state, list) and len(state) == 4, where, "four numbers", body)
        keys, position, has_gauss, gauss = state
        is_key = isinstance(keys, np.ndarray) and keys.shape == (624,) and keys.dtype == np.uint32
        expect(is_key, where, "624 keys", keys)
        expect(type(position) is int and 0 <= position <= 624, where, "a position", position)
        expect(has_gauss in (0, 1) and type(gauss) is float, where, "a number", gauss)
        random_state = np.random.RandomState(0)
        random_state.set_state(("MT19937", keys, position, has_gauss, gauss))
        return random_state


def _state(value: np.random.RandomState) -> Any:
    return value.get_state()


KINDS: list[Kind] = [
    NotFinite(),
    Tuple(),
    Mapping(),
    History(),
    NumPyNumber(),
    NumPyText(),
    DType(),
    Array(),
    TextArray(),
    TorchTensor(),
    Device(),
    RandomNumbers(),
]
