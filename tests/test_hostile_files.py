"""Whatever stands in a file, loading it answers an estimator or a ValueError, soon and unharmed."""

import io
import json
import os
import pickle
import resource
import shutil
import struct
import time
import zipfile

import pytest
import torch
from estimator_cases import short_fits_may_warn
from persistence_cases import (
    DOCUMENT,
    WEIGHTS,
    document_of,
    edit_document,
    edit_weights,
    save_originals,
)

import skaae

pytestmark = short_fits_may_warn


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return save_originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture
def saved(originals, tmp_path):
    """Return a copy of a saved estimator, for a test to spoil."""
    return shutil.copytree(originals / "autoencoder", tmp_path / "model")


def assert_refused(path, match, seconds=1.0):
    """Assert a ValueError that names the file, in time, with little memory and no trace."""
    beside = sorted(str(found) for found in path.parent.rglob("*"))
    start, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=match) as caught:
        skaae.load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 2_000
    assert time.process_time() - start < seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 300_000  # kilobytes
    assert sorted(str(found) for found in path.parent.rglob("*")) == beside


# ------------------------------------------------------------------------- the document

NESTED = "[" * 100_000 + "]" * 100_000
TEXTS = {
    "empty": (b"", "expected JSON"),
    "not JSON": (b"\x80\x04\x95K.", "expected JSON"),
    "a pickle": (pickle.dumps({"format": 1}), "expected JSON"),
    "a list": (b"[]", "expected an object"),
    "a number": (b"1", "expected an object"),
    "NaN": (b'{"format": NaN}', "not JSON"),
    "infinity": (b'{"format": -Infinity}', "not JSON"),
    "deep": (NESTED.encode(), "nests too deeply"),
    "deep objects": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nests too deeply"),
    "a name twice": (b'{"format": 1, "format": 1}', "stands twice"),
    "many digits": (b"1" * 10_000, "expected JSON|expected an object"),
    "another encoding": ('{"format": 1}'.encode("utf-16"), "expected JSON"),
    "huge": (b" " * (2**23 + 1), "at most"),
    "no parts": (b'{"format": 1}', "expected the names"),
    "format of another type": (b'{"format": true}', "number of a format"),
    "format zero": (b'{"format": 0}', "from 1 to 1"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_documents_that_are_none(saved, case):
    text, match = TEXTS[case]
    (saved / DOCUMENT).write_bytes(text)
    assert_refused(saved, match)


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"tuple": [value]}
    return value


def set_at(*path, to):
    def edit(document):
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return edit


def noun(name, **parameters):
    return {"noun": {"class": name, "parameters": parameters}}


LATENT = ("model", "latents", "tuple", 0, "record", "fields")
EDITS = {
    "unknown estimator": (set_at("estimator", to="Estimator"), "expected one of"),
    "an estimator that is not ours": (set_at("estimator", to="os.system"), "not part of skaae"),
    "a class of scikit-learn": (set_at("estimator", to="sklearn.svm.SVC"), "not part of skaae"),
    "an estimator that is no name": (set_at("estimator", to=[1]), "name of a class"),
    "further part": (set_at("code", to="import os"), "expected the names"),
    "unknown parameter": (set_at("parameters", "hook", to=1), "parameters of"),
    "parameter out of range": (set_at("parameters", "n_components", to=-1), "n_components"),
    "parameter of another type": (set_at("parameters", "max_iter", to="many"), "max_iter"),
    "parameter of another kind": (set_at("parameters", "prior", to={"device": "cpu"}), "prior"),
    "parameters that are none": (set_at("parameters", to=[]), "expected an object"),
    "unknown kind": (set_at("parameters", "prior", to={"pickle": "gASV"}), "expected one of"),
    "two kinds": (set_at("parameters", "prior", to={"list": 1, "tuple": 1}), "with one name"),
    "no kind": (set_at("parameters", "prior", to={}), "with one name"),
    "deep values": (set_at("parameters", "prior", to=nested(60)), "at most 32 levels"),
    "unknown noun": (set_at("parameters", "prior", to=noun("os.Normal")), "expected one of"),
    "unknown parameter of a noun": (
        set_at("parameters", "prior", to=noun("priors.Normal", code=1)),
        "expected the names",
    ),
    "a function": (set_at("parameters", "encoder", to={"object": ["os.system", "x"]}), "trust"),
    "a class": (
        set_at("parameters", "prior", to={"custom": {"class": "os.Prior", "parameters": {}}}),
        "trust",
    ),
    "a distribution that is none": (
        set_at("parameters", "prior", to={"scipy": ["linalg", [], {"dict": {}}]}),
        "distribution of scipy",
    ),
    "numbers that no distribution takes": (
        set_at("parameters", "prior", to={"scipy": ["t", [1, 2, 3, 4, 5], {"dict": {}}]}),
        r"scipy\.stats\.t",
    ),
    "a torch class that is no distribution": (
        set_at("parameters", "prior", to={"torch": ["biject_to", {}]}),
        "distribution of torch",
    ),
    "a dtype that is none": (set_at("fitted", "_output_dtype", to={"dtype": "O"}), "dtype"),
    "a dtype of a record": (
        set_at("fitted", "_output_dtype", to={"dtype": [["a", "O"]]}),
        "dtype",
    ),
    "a device that is none": (set_at("fitted", "device_", to={"device": "toaster"}), "a device"),
    "a number that is too large for its dtype": (
        set_at("parameters", "n_components", to={"numpy": ["int8", 300]}),
        "int8|n_components",
    ),
    "text of a huge width": (
        set_at("fitted", "feature_names_in_", to={"text": [10**9, ["a"]]}),
        "width",
    ),
    "a tensor that is not there": (
        set_at("fitted", "_scaling", "record", "fields", "scale", to={"tensor": "model.no"}),
        "name of a tensor",
    ),
    "an attribute that fit does not set": (set_at("fitted", "transform", to=1), "attributes of"),
    "an attribute of a class": (set_at("fitted", "__class__", to=1), "attributes of"),
    "an attribute of another type": (set_at("fitted", "n_iter_", to="three"), "int"),
    "a history that is none": (set_at("fitted", "history_", to=3), "list"),
    "a history of text": (
        set_at("fitted", "history_", to={"history": [{"epoch": "1"}]}),
        "columns",
    ),
    "fewer columns": (set_at("fitted", "n_features_in_", to=3), "n_features_in_"),
    "more columns": (set_at("model", "n_features", to=10**9), "weights.safetensors"),
    "names of other columns": (
        set_at("fitted", "feature_names_in_", to={"text": [None, ["a"]]}),
        "shape",
    ),
    "a missing attribute": (lambda document: document["fitted"].pop("_loss"), "_loss"),
    "a record of another type": (
        set_at("fitted", "_reference", "record", "fields", "loss", to="much"),
        "loss",
    ),
    "another record": (set_at("fitted", "_reference", "record", "class", to="Latent"), "names"),
    "an enormous code": (set_at(*LATENT, "n_components", to=10**9), "weights.safetensors"),
    "a code of no size": (set_at(*LATENT, "n_components", to=-1), "model"),
    "a number past any size": (set_at("model", "n_features", to=10**30), "cannot be built"),
    "latents that are none": (set_at("model", "latents", to={"tuple": []}), "cannot be built"),
    "a latent of text": (set_at("model", "latents", to="x"), "cannot be built"),
    "an encoder by name": (set_at("model", "encoder", to="mlp"), "cannot be built"),
    "an encoder that is a loss": (
        set_at("model", "encoder", to=noun("losses.SquaredError")),
        "cannot be built",
    ),
    "an enormous encoder": (
        set_at(
            *("model", "encoder", "noun", "parameters", "hidden_layer_sizes"),
            to={"tuple": [10**9, 10**9]},
        ),
        "weights.safetensors",
    ),
    "an endless encoder": (
        set_at(
            *("model", "encoder", "noun", "parameters", "hidden_layer_sizes"),
            to={"tuple": [1] * 100_000},
        ),
        "at most 64",
    ),
    "a mixture of a billion": (
        set_at(*LATENT, "prior", "noun", "parameters", "n_components", to=10**9),
        "at most",
    ),
    "a prior out of range": (
        set_at(*LATENT, "prior", "noun", "parameters", "radius", to=-1.0),
        "radius",
    ),
    "noise of a billion draws": (
        set_at(
            *LATENT,
            "posterior",
            to=noun("posteriors.UniversalApproximator", n_noise=1, n_mean_draws=10**9),
        ),
        "weights.safetensors",
    ),
    "an infinite prior": (
        set_at(*LATENT, "prior", to=noun("priors.Normal", scale={"float": "nan"})),
        "scale",
    ),
    "versions that are none": (set_at("versions", to=3), "versions"),
}


@pytest.mark.parametrize("case", EDITS)
def test_documents_that_say_something_else(saved, case):
    edit, match = EDITS[case]
    edit_document(saved, edit)
    assert_refused(saved, match)


def test_noise_of_a_billion_draws_that_fits_the_weights(originals, tmp_path):
    saved = shutil.copytree(originals / "training", tmp_path / "model")
    draws = (*LATENT, "posterior", "noun", "parameters", "n_mean_draws")
    edit_document(saved, set_at(*draws, to=10**9))
    edit_document(saved, set_at(*draws[:-1], "n_noise", to=8))
    assert_refused(saved, "at most")


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
    "a folder": lambda archive: archive.mkdir("folder") if hasattr(archive, "mkdir") else None,
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
