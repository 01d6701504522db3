"""Weights that are holes in a file, as large as it says: refused before any is read."""

import json
import os
import struct
import zipfile

import numpy as np
import pytest
from estimator_cases import short_fits_may_warn
from persistence_cases import (
    DOCUMENT,
    WEIGHTS,
    assert_refused,
    edit_document,
    set_at,
)

pytestmark = short_fits_may_warn
LARGE, IMMENSE = 2**29, 2**40


def header_of(folder):
    data = (folder / WEIGHTS).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def declare(folder, changes):
    """Write shapes of tensors, there or new, in a header that agrees, and holes for data."""
    entries, _ = header_of(folder)
    for name, (dtype, shape) in changes.items():
        entries[name] = {"dtype": dtype, "shape": shape}
    end = 0
    for entry in entries.values():
        itemsize = int(entry["dtype"].lstrip("BFUI")) // 8
        size = itemsize * int(np.prod(entry["shape"], dtype=object))
        entry["data_offsets"] = [end, end + size]
        end += size
    text = json.dumps(entries).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(folder / WEIGHTS, 8 + len(text) + end)


def pad(folder, size):
    os.truncate(folder / WEIGHTS, size)


def of_part(name):
    return lambda folder, size: declare(folder, {name: ("F32", [size // 4])})


HOLES = {
    "after the data": (pad, "as its header says"),
    "of no part": (of_part("other.a"), "tensors of ours"),
    "that nothing uses": (of_part("array.99"), "no further tensors"),
    "that no model needs": (of_part("model.hook"), "not .'hook'"),
    "of another shape": (of_part("model.encoder.linear.bias"), "encoder.linear.bias"),
    "of training": (of_part("training.exp_avg.encoder.linear.bias"), "moments"),
}


@pytest.mark.parametrize("size", [LARGE, IMMENSE])
@pytest.mark.parametrize("case", HOLES)
def test_holes_in_place_of_weights(saved, case, size):
    hole, match = HOLES[case]
    hole(saved, size)
    assert_refused(saved, match, memory=2**24)


def sparse_zip(folder):
    """Return a zip of the two files, with a hole where the data of its weights is."""
    path, size = folder.with_suffix(".zip"), (folder / WEIGHTS).stat().st_size
    with (folder / WEIGHTS).open("rb") as file:
        data = file.read(min(size, 2**16))
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        archive.write(folder / DOCUMENT, DOCUMENT)
        member = zipfile.ZipInfo(WEIGHTS)
        archive.writestr(member, data)
        # The directory is written on closing, after the hole.
        member.file_size = member.compress_size = size
        archive.start_dir += size - len(data)
    return path


@pytest.mark.parametrize("size", [LARGE, IMMENSE])
@pytest.mark.parametrize("case", HOLES)
def test_holes_in_a_zip(saved, case, size):
    hole, match = HOLES[case]
    hole(saved, size)
    assert_refused(sparse_zip(saved), match, memory=2**24)


@pytest.mark.parametrize(("stored", "dtype"), [("BF16", "float32"), ("U8", "float64")])
def test_arrays_of_another_dtype_are_refused_before_they_are_read(saved, stored, dtype):
    declare(saved, {"array.99": (stored, [LARGE])})
    edit_document(saved, set_at("parameters", "max_iter", to={"array": ["array.99", dtype]}))
    assert_refused(saved, f"an array of {dtype}", memory=2**24)


def test_a_zip_with_a_long_list_of_members(saved):
    path, long = saved.with_suffix(".zip"), 2**30
    with path.open("wb") as file:
        file.seek(long)
        file.write(b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 2, 2, long, 0, 0))
    assert_refused(path, "short list of members", memory=2**24)


def test_a_header_that_is_long(saved):
    (saved / WEIGHTS).write_bytes(struct.pack("<Q", LARGE))
    os.truncate(saved / WEIGHTS, LARGE + 8)
    assert_refused(saved, "a header of at most 8,388,608 bytes", memory=2**24)


@pytest.mark.parametrize("form", [lambda folder: folder, sparse_zip], ids=["folder", "zip"])
def test_a_model_beyond_memory(saved, form):
    """Its document asks for as much as its weights say that there is."""
    n = 2**19
    shapes = {"0.weight": [n, 4], "0.bias": [n], "2.weight": [n, n], "2.bias": [n]}
    shapes |= {"4.weight": [2, n], "4.bias": [2]}
    network = {f"model.encoder.network.{name}": ("F32", shape) for name, shape in shapes.items()}
    declare(saved, network)
    sizes = ("model", "encoder", "noun", "parameters", "hidden_layer_sizes")
    edit_document(saved, set_at(*sizes, to={"tuple": [n, n]}))
    assert_refused(form(saved), "memory for, got 1,099,5", memory=2**24)


def test_an_array_beyond_memory(saved):
    declare(saved, {"array.99": ("F32", [2**41])})
    edit_document(saved, set_at("parameters", "prior", to={"tensor": "array.99"}))
    assert_refused(saved, "memory for, got 8,796,0", memory=2**24)


def test_arrays_that_nothing_uses_account_for_no_values(saved):
    """Or a hole would let a document name another array again and again."""
    declare(saved, {"array.98": ("F32", [2**16]), "array.99": ("F32", [2**40])})
    edit_document(saved, set_at("parameters", "prior", to=[{"tensor": "array.98"}] * 1_000))
    assert_refused(saved, "many times", memory=2**27)
