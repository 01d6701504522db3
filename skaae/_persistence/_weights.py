"""The file of weights, read tensor by tensor: what it holds is known before any of it is read.

A file says its size for nothing, with a hole in place of data; so what its header says is compared
with what is needed, and only then is memory asked for.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from skaae._persistence._documents import LARGEST, WEIGHTS, check_size, parse_json
from skaae._persistence._files import Part
from skaae._persistence._kinds import expect, fields_of

# The length of the header, before it.
_PREFIX = 8
# As many as NumPy 1 has.
_MOST_DIMENSIONS = 32
_TYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
}
_DTYPES: dict[str, torch.dtype] = {
    key: getattr(torch, name) for key, name in _TYPES.items() if hasattr(torch, name)
}


class Weights:
    """The tensors of a file of safetensors.

    Parameters
    ----------
    part : Part
        Where they lie; it stays open while they are read.

    Attributes
    ----------
    shapes : dict of str to Tensor
        On the meta device: shapes and dtypes, without memory.

    Raises
    ------
    ValueError
        If it is no such file, or larger or smaller than its header says.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        header = _header(part)
        self._data = _PREFIX + len(header)
        entries = parse_json(header, WEIGHTS)
        expect(isinstance(entries, dict), WEIGHTS, "safetensors, an object", entries)
        entries.pop("__metadata__", None)
        self.shapes: dict[str, Tensor] = {}
        self._begins: dict[str, int] = {}
        for name, entry in entries.items():
            self.shapes[name], self._begins[name] = _tensor_of(entry, f"{WEIGHTS}: {name[:80]}")
        self._check_places()

    def _check_places(self) -> None:
        """Raise ValueError unless tensors lie one after the other, to the end of the file."""
        end = 0
        # A tensor of no numbers begins where another does.
        for name in sorted(
            self.shapes, key=lambda name: (self._begins[name], self.n_bytes([name]))
        ):
            begin = self._begins[name]
            expect(begin == end, WEIGHTS, f"safetensors without gaps, {name[:80]} at {end}", begin)
            end += self.n_bytes([name])
        expected = f"safetensors of {self._data + end:,} bytes, as its header says"
        expect(self._part.size == self._data + end, WEIGHTS, expected, self._part.size)

    def of(self, part: str) -> dict[str, Tensor]:
        """Return those of a part by their names in it, without memory."""
        names, prefix = self._names(part), f"{part}."
        return {name.removeprefix(prefix): self.shapes[name] for name in names}

    def _names(self, part: str) -> list[str]:
        return [name for name in self.shapes if name.startswith(f"{part}.")]

    def n_bytes(self, names: Iterable[str]) -> int:
        """Return how many bytes some of the tensors take."""
        found = (self.shapes[name] for name in names)
        return sum(tensor.numel() * tensor.element_size() for tensor in found)

    def read(self, name: str) -> Tensor:
        """Return a tensor, in memory of its own."""
        like = self.shapes[name]
        tensor = torch.empty_like(like, device="cpu")
        if not tensor.numel():
            return tensor
        octets = tensor.reshape(-1).view(torch.uint8)
        self._part.read_into(self._data + self._begins[name], octets.numpy())
        if sys.byteorder == "big":
            size = tensor.element_size() // (2 if tensor.is_complex() else 1)
            octets.copy_(octets.reshape(-1, size).flip(1).reshape(-1))
        return tensor

    def read_all(self, part: str) -> dict[str, Tensor]:
        """Return those of a part by their names in it, if there is memory for all."""
        names, prefix = self._names(part), f"{part}."
        # A system may grant each, and end the process when they are filled.
        torch.empty(self.n_bytes(names), dtype=torch.uint8, device="cpu")
        return {name.removeprefix(prefix): self.read(name) for name in names}


def _header(part: Part) -> bytes:
    expect(part.size >= _PREFIX, WEIGHTS, f"safetensors, of {_PREFIX} bytes or more", part.size)
    length = int.from_bytes(part.read(0, _PREFIX), "little")
    most = min(part.size - _PREFIX, LARGEST)
    expect(length <= most, WEIGHTS, f"safetensors with a header of at most {most:,} bytes", length)
    return part.read(_PREFIX, length)


def check_header(data: bytes) -> None:
    """Raise ValueError where weights have a header that is too large to be read again."""
    check_size(f"{WEIGHTS}: its header", int.from_bytes(data[:_PREFIX], "little"))


def _tensor_of(entry: Any, where: str) -> tuple[Tensor, int]:
    """Return the shape of a tensor, without memory, and where it begins."""
    fields = fields_of(entry, {"dtype", "shape", "data_offsets"}, where)
    key, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    expect(isinstance(key, str) and key in _DTYPES, where, f"one of {sorted(_DTYPES)}", key)
    expect(_are_lengths(shape) and len(shape) <= _MOST_DIMENSIONS, where, "a shape", shape)
    expect(_are_lengths(offsets) and len(offsets) == 2, where, "a begin and an end", offsets)
    (begin, end), dtype = offsets, _DTYPES[key]
    n_bytes = math.prod(shape) * dtype.itemsize
    expect(end - begin == n_bytes, where, f"a tensor of {n_bytes} bytes", end - begin)
    try:
        return torch.empty(shape, dtype=dtype, device="meta"), begin
    except (RuntimeError, OverflowError, TypeError) as error:  # no numbers, in an immense shape
        raise ValueError(f"{where}: expected a tensor: {str(error)[:200]}.") from error


def _are_lengths(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 2**63 for n in values)


@contextmanager
def within_memory(n_bytes: int) -> Iterator[None]:
    """Raise ValueError where the memory for values of files of `n_bytes` is not there."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "you tried to allocate" not in str(error):
            raise
        raise ValueError(
            f"{WEIGHTS}: expected values that there is memory for, got {n_bytes:,} bytes of "
            f"them: {str(error)[-200:]}"
        ) from error
