"""Whatever a document says, loading answers an estimator or a ValueError, soon and unharmed."""

import pickle
import shutil

import pytest
from estimator_cases import short_fits_may_warn
from persistence_cases import (
    DOCUMENT,
    assert_refused,
    edit_document,
    set_at,
)

pytestmark = short_fits_may_warn


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


def noun(name, **parameters):
    return {"noun": {"class": name, "parameters": parameters}}


LATENT = ("model", "latents", "tuple", 0, "record", "fields")
TORCH_WITH_DIM = {"torch": ["LKJCholesky", {"dim": {"tensor": "array.0"}}]}
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
        "parameters of Normal",
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
        "many times",
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
        set_at("fitted", "history_", "history", "parts", to=[{"epoch": "1"}]),
        "columns of numbers",
    ),
    "a history in no order": (
        set_at("fitted", "history_", "history", "order", to=[0]),
        "an order",
    ),
    "a history of more parts than its order has": (
        lambda document: document["fitted"]["history_"]["history"].update(
            parts=2 * document["fitted"]["history_"]["history"]["parts"]
        ),
        "an order of",
    ),
    "fewer columns": (set_at("fitted", "n_features_in_", to=3), "n_features_in_"),
    "more columns": (set_at("model", "n_features", to=10**9), "weights.safetensors"),
    "names of other columns": (
        set_at("fitted", "feature_names_in_", to={"text": [None, ["a"]]}),
        "shape",
    ),
    "a missing attribute": (lambda document: document["fitted"].pop("_loss"), "_loss"),
    "a record of another type": (
        set_at("fitted", "_reference", "record", "fields", "constant_loss", to="much"),
        "constant_loss: expected <class 'float'>",
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
    "many latents": (
        lambda document: document["model"].update(
            latents={"tuple": document["model"]["latents"]["tuple"] * 3000}
        ),
        "more lists and objects",
    ),
    "three latents": (
        lambda document: document["model"].update(
            latents={"tuple": document["model"]["latents"]["tuple"] * 3}
        ),
        "a code and a label",
    ),
    "text of a huge width, many times": (
        set_at("parameters", "prior", to=[{"text": [2**18, ["a"] * 9]}] * 999),
        "many times",
    ),
    "a tensor, many times": (
        set_at("parameters", "prior", to=[{"tensor": "array.0"}] * 150_000),
        "more lists and objects|name of a tensor",
    ),
    "many lists": (set_at("parameters", "prior", to=[[]] * 2_000_000), "at most 262,144 lists"),
    "a long list": (set_at("parameters", "random_state", to=[0] * 500_000), "random_state"),
    "a distribution of a huge shape": (
        set_at(
            "parameters", "prior", to={"torch": ["LKJCholesky", {"dim": {"tensor": "array.0"}}]}
        ),
        "tensors that it has",
    ),
    "an array of distributions": (
        set_at("parameters", "prior", to={"scipy": ["t", [[1, 2]], {"dict": {}}]}),
        "numbers",
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
