"""JSON of a file that may hold anything: bounded before it is parsed."""

from __future__ import annotations

import json
from typing import Any

DOCUMENT = "model.json"
WEIGHTS = "weights.safetensors"
FORMAT = 1

#: Bytes of JSON. Names of a hundred thousand columns and as many classes have room, and so have
#: those of tens of thousands of tensors; more is not ours.
LARGEST = 2**23
# Python takes seconds and gigabytes for millions of lists.
_MOST_OPENED = 2**18


def parse_document(data: bytes) -> dict[str, Any]:
    """Return the JSON document.

    Raises
    ------
    ValueError
        If it is not valid JSON, has too many lists, nests too deeply, names something twice, or is
        of another format.
    """
    document = parse_json(data, DOCUMENT)
    if not isinstance(document, dict) or type(document.get("format")) is not int:
        raise ValueError(f"{DOCUMENT}: expected an object with the number of a format.")
    if not 1 <= document["format"] <= FORMAT:
        raise ValueError(
            f"{DOCUMENT}: expected a format from 1 to {FORMAT}, got {document['format']}. If a "
            "newer skaae wrote it, upgrade to load it."
        )
    return document


def parse_json(data: bytes, name: str) -> Any:
    """Return JSON of the file `name`; raise ValueError where it is none, or too much."""
    _check_opened(data, name)
    try:
        return json.loads(
            data.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except RecursionError:
        raise ValueError(f"{name}: it nests too deeply.") from None
    except ValueError as error:  # of JSON, of UTF-8, of a number with too many digits
        raise ValueError(f"{name}: expected JSON: {str(error)[:200]}.") from error


def _check_opened(data: bytes, name: str) -> None:
    n_opened = data.count(b"[") + data.count(b"{")
    if n_opened > _MOST_OPENED:
        raise ValueError(f"{name}: expected at most {_MOST_OPENED:,} lists, got {n_opened:,}.")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def check_document(data: bytes) -> None:
    """Raise ValueError where a document is too large to be read again."""
    check_size(DOCUMENT, len(data))
    _check_opened(data, DOCUMENT)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def check_size(name: str, size: int) -> None:
    """Raise ValueError where there is more JSON than is read."""
    if size > LARGEST:
        raise ValueError(f"{name}: expected at most {LARGEST:,} bytes, got {size:,}.")
