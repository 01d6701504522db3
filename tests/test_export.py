"""Exports: what a file answers is what the estimator does."""

import json
import logging
import sys
import warnings

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from torch import nn

from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
    ImplicitGenerativeModel,
)
from skaae._device import new_generator, random_seed
from skaae.export import to_onnx
from skaae.networks import ConvolutionalDecoder, ConvolutionalEncoder
from skaae.posteriors import Hierarchical, UniversalApproximator

pytestmark = short_fits_may_warn

CONVOLUTIONS = {
    "encoder": ConvolutionalEncoder((6, 2), channels=(4, 4), hidden_layer_sizes=()),
    "decoder": ConvolutionalDecoder((6, 2), channels=(4, 4)),
}
UNIVERSAL = UniversalApproximator(2, n_mean_draws=2)
SETTINGS = SHORT | {"max_iter": 1}

ESTIMATORS = {
    "universal": AdversarialAutoencoder(
        posterior=UNIVERSAL, prior="gaussian_mixture", divergence="mmd", **SETTINGS
    ),
    "gaussian, categorical": AdversarialAutoencoder(
        3, posterior="gaussian", prior="categorical", **SETTINGS
    ),
    "convolutions": AdversarialAutoencoder(
        posterior=Hierarchical(4, n_mean_draws=2),
        prior="swiss_roll",
        reconstruction_loss="bernoulli",
        **CONVOLUTIONS,
        **SETTINGS,
    ),
    "conditional": ConditionalAdversarialAutoencoder(
        reconstruction_loss="bernoulli", prior="uniform", **CONVOLUTIONS, **SETTINGS
    ),
    "conditional, discriminator": ConditionalAdversarialAutoencoder(
        label_role="discriminator", prior="gaussian_mixture", **SETTINGS
    ),
    "classifier": AdversarialAutoencoderClassifier(3, **SETTINGS),
    "classifier, heads": AdversarialAutoencoderClassifier(3, cluster_heads=True, **SETTINGS),
    "clusterer": AdversarialAutoencoderClusterer(3, posterior="hierarchical", n_init=1, **SETTINGS),
    "clusterer, heads": AdversarialAutoencoderClusterer(
        3, posterior=UNIVERSAL, n_init=1, cluster_heads=True, **SETTINGS
    ),
    "implicit": ImplicitGenerativeModel(4, prior="uniform", **SETTINGS),
    "implicit, bounded": ImplicitGenerativeModel(4, bounded=True, **SETTINGS),
}
LABELED = [name for name in ESTIMATORS if "classifier" in name or "conditional" in name]
INFERRING = [name for name in ESTIMATORS if "classifier" in name or "clusterer" in name]
PARTS = [
    *((name, "encoder") for name in ESTIMATORS if "implicit" not in name),
    *((name, "decoder") for name in ESTIMATORS),
    *((name, "classifier") for name in INFERRING),
]
# An export takes seconds. These have kept noise, units, both losses, convolutions and two inputs;
# the graphs of all are compared without a file.
EXPORTED = [("universal", "encoder"), ("conditional", "decoder")]


@pytest.fixture(scope="module")
def fitted_models(counts):
    """Return each estimator after a moment of training on rows of which a column is constant."""
    X, y = counts[0].copy(), np.array(["never", "seldom", "often"])[counts[1] % 3]
    X[:, 3] = 0.7
    return {
        name: clone(estimator).fit(
            # Units that differ, but for the loss that takes none.
            X if getattr(estimator, "reconstruction_loss", "") == "bernoulli" else 100.0 * X - 20.0,
            y if name in LABELED else None,
        )
        for name, estimator in ESTIMATORS.items()
    }, X


def inputs_and_answer(model, part, X, n_samples):
    """Return what a file is given, and what the estimator answers to the same."""
    bernoulli = getattr(model, "reconstruction_loss", "") == "bernoulli"
    rows = np.resize(X if bernoulli else 100.0 * X - 20.0, (n_samples, X.shape[1]))
    rows = rows.astype(np.float32)
    if part == "encoder":
        return {"rows": rows}, model.transform(rows)
    if part == "classifier":
        return {"rows": rows}, model.predict_proba(rows)
    if isinstance(model, ImplicitGenerativeModel):
        latent = model.model_.latent
        generator = new_generator(random_seed(0))
        codes = latent.prior.sample(n_samples, latent.n_components, generator=generator)
        return {"codes": codes.numpy()}, model.sample(n_samples, random_state=0)
    codes = model.transform(rows)
    if not model._codec.model.n_label_inputs:
        return {"codes": codes}, model.inverse_transform(codes)
    labels = np.arange(n_samples) % 3
    classes = getattr(model, "classes_", np.arange(3))
    return {"codes": codes, "labels": labels}, model.inverse_transform(codes, classes[labels])


def assert_agrees(answered, expected, part, X):
    # Codes and probabilities as they are, rows in units of their columns.
    unit = 1.0 if part != "decoder" else np.maximum(1.0, np.abs(expected).max(axis=0))
    np.testing.assert_allclose(answered / unit, expected / unit, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_a_graph_answers_what_the_estimator_does(fitted_models, name, part):
    models, X = fitted_models
    graph = models[name]._graphs()[part]
    inputs, expected = inputs_and_answer(models[name], part, X, 40)
    assert set(inputs) == set(graph.inputs)
    with torch.no_grad():
        answered = graph.function(models[name].model_, *map(torch.as_tensor, inputs.values()))
    assert answered.dtype == torch.float32
    assert_agrees(answered.numpy(), expected, part, X)


@pytest.mark.parametrize("name", ["conditional", "clusterer", "implicit"])
def test_inputs_are_float32_whatever_the_default(fitted_models, name):
    model = fitted_models[0][name]
    torch.set_default_dtype(torch.float64)
    try:
        graphs = model._graphs().values()
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        answers = [graph.function(model.model_, *graph.inputs.values()) for graph in graphs]
    assert {answer.dtype for answer in answers} == {torch.float32}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        pytest.param(*case, marks=[] if case in EXPORTED else pytest.mark.slow, id="-".join(case))
        for case in PARTS
    ],
)
def test_a_file_answers_what_the_estimator_does(
    fitted_models, name, part, tmp_path, capfd, global_states
):
    onnxruntime = pytest.importorskip("onnxruntime")
    models, X = fitted_models
    model, path = models[name], tmp_path / "part.onnx"
    state = global_states(), list(warnings.filters), logging.getLogger("torch.onnx").level
    to_onnx(model, path, part)
    assert state == (
        global_states(),
        list(warnings.filters),
        logging.getLogger("torch.onnx").level,
    )
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == [path]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [put.name for put in session.get_outputs()] == [model._graphs()[part].output]
    for n_samples in (1, 1000):
        inputs, expected = inputs_and_answer(model, part, X, n_samples)
        (answered,) = session.run(None, inputs)
        assert_agrees(answered, expected, part, X)
    described = session.get_modelmeta().custom_metadata_map
    assert described["estimator"] == type(model).__name__
    assert described["part"] == part
    assert ("classes" in described) == (name in LABELED)
    if name in LABELED:
        assert json.loads(described["classes"]) == ["never", "often", "seldom"]


def test_a_decoder_without_a_class(fitted_models):
    model = fitted_models[0]["conditional"]
    graph, codes = model._graphs()["decoder"], torch.zeros(2, 2)
    with torch.no_grad():
        answered = graph.function(model.model_, codes, torch.tensor([-1, -1])).numpy()
    np.testing.assert_allclose(
        answered, model.inverse_transform(codes.numpy(), ["", ""]), atol=1e-6
    )


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - set(INFERRING)))
def test_a_part_that_is_not_there_is_an_error(fitted_models, name, tmp_path):
    with pytest.raises(ValueError, match=r"part: .* has \[.*'decoder'.*\], got 'classifier'"):
        to_onnx(fitted_models[0][name], tmp_path / "part.onnx", "classifier")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_that_is_not_fitted_is_an_error(name, tmp_path):
    with pytest.raises(NotFittedError):
        to_onnx(clone(ESTIMATORS[name]), tmp_path / "part.onnx", "decoder")


def test_another_estimator_is_an_error(X, tmp_path):
    with pytest.raises(ValueError, match=r"expected a fitted estimator of skaae, got PCA"):
        to_onnx(PCA(2).fit(X), tmp_path / "part.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_an_absent_package_is_an_error_that_says_what_to_install(
    fitted_models, monkeypatch, package, tmp_path
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r'pip install "skaae\[onnx\]"'):
        to_onnx(fitted_models[0]["universal"], tmp_path / "part.onnx")


def test_an_export_that_fails_is_an_error_with_its_cause(fitted_models, monkeypatch, tmp_path):
    pytest.importorskip("onnxscript")

    def fail(*args, **kwargs):
        raise KeyError("an operator")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(RuntimeError, match="encoder of AdversarialAutoencoder could not") as caught:
        to_onnx(fitted_models[0]["universal"], tmp_path / "part.onnx")
    assert isinstance(caught.value.__cause__, KeyError)
    assert not list(tmp_path.iterdir())


class _Branching(nn.Linear):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


class _Counting(nn.Linear):
    def forward(self, x):
        return super().forward(x.reshape(len(x), -1))


@pytest.mark.slow
@pytest.mark.parametrize("network", [_Branching, _Counting])
def test_a_network_that_cannot_be_exported_is_an_error(counts, tmp_path, network):
    pytest.importorskip("onnxscript")
    model = AdversarialAutoencoder(decoder=network, **SETTINGS).fit(counts[0])
    with pytest.raises(RuntimeError, match="decoder of AdversarialAutoencoder could not"):
        to_onnx(model, tmp_path / "part.onnx", "decoder")
    assert not list(tmp_path.iterdir())
