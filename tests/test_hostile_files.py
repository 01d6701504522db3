"""Whatever weights, folders and zips hold, loading answers a ValueError, soon and unharmed."""

import io
import json
import os
import pickle
import shutil
import struct
import zipfile

import pytest
import torch
from estimator_cases import short_fits_may_warn
from persistence_cases import (
    DOCUMENT,
    WEIGHTS,
    assert_refused,
    document_of,
    edit_document,
    edit_weights,
    set_at,
)

import skaae

pytestmark = short_fits_may_warn


# ------------------------------------------------------------------------- the weights


def header(entries, data=b"", length=None):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


WEIGHT_FILES = {
    "empty": b"",
    "short": b"\x01\x02",
    "a pickle": pickle.dumps([1]),
    "a header past the end": header({}, length=2**40),
    "a header of all memory": header({}, length=2**63),
    "no header": struct.pack("<Q", 4) + b"abcd",
    "an enormous shape": header({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]}}),
    "a shape that overflows": header(
        {"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 0]}}
    ),
    "negative offsets": header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}),
    "data past the end": header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}),
    "overlapping": header(
        {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "ab"}, bytes(4)
    ),
    "a dtype that is none": header(
        {"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)
    ),
    "data that nothing names": header({}, bytes(64)),
    "none": header({}),
}


@pytest.mark.parametrize("case", WEIGHT_FILES)
def test_weights_that_are_none(saved, case):
    (saved / WEIGHTS).write_bytes(WEIGHT_FILES[case])
    assert_refused(saved, "weights.safetensors|tensor")


def replaced(name, change):
    def edit(tensors):
        tensors[name] = change(tensors[name])

    return edit


BIAS = "model.encoder.linear.bias"
TENSORS = {
    "missing": (lambda tensors: tensors.pop(BIAS), "missing"),
    "further": (lambda tensors: tensors.update({"model.hook": torch.ones(1)}), "hook"),
    "of a part alone": (lambda tensors: tensors.update(model=torch.ones(1)), "tensors of ours"),
    "of no part": (lambda tensors: tensors.update(other=torch.ones(1)), "tensors of ours"),
    "that nothing uses": (
        lambda tensors: tensors.update({"array.99": torch.ones(1)}),
        "no further tensors",
    ),
    "of training": (
        lambda tensors: tensors.update({"training.exp_avg.encoder": torch.ones(1)}),
        "moments",
    ),
    "of another shape": (replaced(BIAS, lambda t: torch.zeros(len(t) + 1)), "encoder.linear.bias"),
    "of another dtype": (replaced(BIAS, torch.Tensor.double), "float64"),
    "of integers": (replaced(BIAS, torch.Tensor.long), "int64"),
    "NaN": (replaced(BIAS, lambda t: t * torch.nan), "finite"),
    "infinite": (replaced(BIAS, lambda t: t + torch.inf), "finite"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_do_not_fit(saved, case):
    edit, match = TENSORS[case]
    edit_weights(saved, edit)
    assert_refused(saved, match)


@pytest.mark.parametrize(
    ("attribute", "field", "change"),
    [
        ("_scaling", "scale", lambda t: t[:2].clone()),
        ("_scaling", "location", lambda t: t * torch.nan),
        ("_scaling", "scale", lambda t: t.long()),
    ],
)
def test_units_that_do_not_fit(saved, attribute, field, change):
    name = document_of(saved)["fitted"][attribute]["record"]["fields"][field]["tensor"]
    edit_weights(saved, replaced(name, change))
    assert_refused(saved, attribute)


def test_classes_that_do_not_fit(originals, tmp_path):
    saved = shutil.copytree(originals / "classifier", tmp_path / "model")
    edit_document(saved, set_at("fitted", "classes_", to={"text": [1, ["a", "b", "c"]]}))
    assert_refused(saved, "classes_")


def test_tensors_that_are_named_again_and_again(saved):
    edit_weights(saved, lambda tensors: tensors.update({"array.99": torch.zeros(2**20)}))
    edit_document(saved, set_at("parameters", "prior", to=[{"tensor": "array.99"}] * 1_000))
    assert_refused(saved, "many times")


def test_a_distribution_that_broadcasts_to_a_huge_shape(saved):
    tensors = {"array.98": torch.ones(2**16, 1), "array.99": torch.ones(1, 2**16)}
    edit_weights(saved, lambda found: found.update(tensors))
    normal = {"loc": {"tensor": "array.98"}, "scale": {"tensor": "array.99"}}
    edit_document(saved, set_at("parameters", "prior", to={"torch": ["Normal", normal]}))
    assert_refused(saved, "many times")


def test_a_history_of_many_rows(saved):
    edit_weights(saved, lambda tensors: tensors.update({"array.99": torch.zeros(2**18).double()}))
    part = {"epoch": {"array": ["array.99", "float64"]}}
    edit_document(saved, set_at("fitted", "history_", "history", "parts", to=[part] * 1_000))
    assert_refused(saved, "many times")


def test_moments_that_cannot_be(originals, tmp_path):
    saved = shutil.copytree(originals / "training", tmp_path / "model")
    name = "training.exp_avg_sq.encoder.linear.weight"
    edit_weights(saved, replaced(name, lambda t: t - 1.0))
    assert_refused(saved, "not negative")


# ------------------------------------------------------------------------- folders and zips


def test_a_folder_without_a_file(saved):
    (saved / WEIGHTS).unlink()
    assert_refused(saved, "weights.safetensors: expected a file")


@pytest.mark.parametrize("name", [DOCUMENT, WEIGHTS])
def test_links_in_a_folder(saved, name):
    (saved / name).rename(saved.parent / "elsewhere")
    (saved / name).symlink_to(saved.parent / "elsewhere")
    assert_refused(saved, "symbolic link")


def test_a_pipe_in_a_folder(saved):
    (saved / DOCUMENT).unlink()
    os.mkfifo(saved / DOCUMENT)
    assert_refused(saved, "expected a file")


def test_further_files_are_not_looked_at(saved):
    (saved / "model.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    assert skaae.load(saved).n_iter_ == 1


def zipped(saved, change=None, **options):
    """Return a zip of the two files, what `change` writes beside them included."""
    path = saved.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name in (DOCUMENT, WEIGHTS):
            archive.write(saved / name, name)
        if change is not None:
            change(archive)
    return path


def _twice(archive):
    with pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(DOCUMENT, "{}")


ZIPS = {
    "a path up": lambda archive: archive.writestr("../evil.txt", "x"),
    "an absolute path": lambda archive: archive.writestr("/tmp/evil.txt", "x"),
    "a folder": lambda archive: archive.writestr("folder/", ""),
    "a name twice": _twice,
    "a further member": lambda archive: archive.writestr("model.pkl", "x"),
}


@pytest.mark.parametrize("case", ZIPS)
def test_zips_with_other_members(saved, case):
    assert_refused(zipped(saved, ZIPS[case]), "expected the members")


def test_a_zip_with_a_link(saved):
    path = saved.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(saved / DOCUMENT, DOCUMENT)
        link = zipfile.ZipInfo(WEIGHTS)
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert_refused(path, "symbolic link")


def test_a_zip_that_is_compressed(saved):
    """A bomb is one: a gigabyte of zeros takes a megabyte."""
    path = saved.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(saved / WEIGHTS, WEIGHTS)
        archive.writestr(DOCUMENT, bytes(10**7))
    assert_refused(path, "stored, not compressed")


def test_a_zip_that_says_that_it_is_longer(saved):
    data = bytearray(zipped(saved).read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 20 : place + 28] = struct.pack("<LL", 2**31, 2**31)
    saved.with_suffix(".zip").write_bytes(bytes(data))
    assert_refused(saved.with_suffix(".zip"), "no more than|zip")


def test_files_that_are_no_zip(saved):
    for name, data in {"a.zip": b"PK", "b.zip": b"", "c.pkl": pickle.dumps(1)}.items():
        (saved.parent / name).write_bytes(data)
        assert_refused(saved.parent / name, "expected a zip file")


def test_pickles_are_not_run(saved):
    class Code:
        def __reduce__(self):
            return os.mkdir, (str(saved.parent / "run"),)

    for path in (saved / WEIGHTS, saved.parent / "model.pkl"):
        buffer = io.BytesIO()
        torch.save(Code(), buffer)
        path.write_bytes(buffer.getvalue())
    assert_refused(saved, "safetensors")
    assert_refused(saved.parent / "model.pkl", "expected the members")
    assert not (saved.parent / "run").exists()
