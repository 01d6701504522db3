"""What a saved estimator keeps of numbers, text, versions and devices, and how training goes on."""

import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from persistence_cases import (
    DOCUMENT,
    assert_answer_alike,
    edit_document,
    fitted_small,
    roundtrip,
)
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from source_cases import ESTIMATORS

import skaae
from skaae import AdversarialAutoencoder, ConditionalAdversarialAutoencoder, ImplicitGenerativeModel
from skaae.divergences import JensenShannon

pytestmark = short_fits_may_warn

# ------------------------------------------------------------------------- values

VALUES = {
    "NumPy numbers": {
        "n_components": np.int64(2),
        "learning_rate": np.float32(0.001),
        "early_stopping": np.bool_(False),
        "precision": np.str_("float32"),
    },
    "a list": {"hidden_layer_sizes": [8, 8]},
    "an array": {"hidden_layer_sizes": np.array([8, 8], dtype=np.int16)},
    "NumPy numbers in a tuple": {"hidden_layer_sizes": (np.int32(8),)},
    "big-endian": {"prior": np.arange(4.0).reshape(2, 2).astype(">f8")},
    "a view": {"prior": np.arange(12.0).reshape(4, 3)[::2, ::2]},
    "a device": {"device": torch.device("cpu")},
    "a seed of NumPy": {"random_state": np.int64(3)},
    "no seed": {"random_state": None},
    "large and small": {"prior": [[0.1, np.pi], [1e-300, -1e300]], "weight_decay": 1e-310},
    "half precision": {"prior": torch.ones(2, 2, dtype=torch.bfloat16)},
}


@pytest.mark.parametrize("case", VALUES)
def test_values_of_parameters_keep_their_types(tmp_path, case):
    model = fitted_small().set_params(**VALUES[case])
    loaded = roundtrip(model, tmp_path)
    for name in VALUES[case]:
        before, after = getattr(model, name), getattr(loaded, name)
        assert type(after) is type(before)
        assert repr(after) == repr(before) or (case == "big-endian" and (after == before).all())


def test_a_random_state_goes_on_where_it_stood(tmp_path):
    random_state = np.random.RandomState(0)
    random_state.normal(size=3)
    loaded = roundtrip(fitted_small().set_params(random_state=random_state), tmp_path)
    assert loaded.random_state.normal() == random_state.normal()
    assert loaded.random_state.randint(2**31 - 1) == random_state.randint(2**31 - 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_survive_as_valid_json(tmp_path, value):
    model = fitted_small()
    model.prior_match_ = replace(model.prior_match_, distance=value)
    model.history_ = [*model.history_, {"epoch": 2, "reconstruction": value}]
    loaded = roundtrip(model, tmp_path)
    json.loads((tmp_path / "model" / DOCUMENT).read_text(), parse_constant=pytest.fail)
    assert repr(loaded.prior_match_) == repr(model.prior_match_)
    assert repr(loaded.history_) == repr(model.history_)


@pytest.mark.parametrize(
    "classes",
    [
        np.array([0, 1, 300]),
        np.array([-3, 5, 2**40]),
        np.array([1, 2, 3], dtype=np.uint8),
        np.array([False, True]),
        np.array([0.0, 1.0, 2.0]),
        np.array(["a", "b", "länger"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array(["a", "b"], dtype="U30"),
    ],
    ids=lambda classes: str(classes.dtype),
)
def test_classes_keep_their_dtype(tmp_path, classes):
    rows = np.random.default_rng(0).normal(size=(30, 3))
    y = classes[np.arange(30) % len(classes)]
    model = ConditionalAdversarialAutoencoder(max_iter=1, hidden_layer_sizes=(3,)).fit(rows, y)
    loaded = roundtrip(model, tmp_path)
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.classes_.tolist() == model.classes_.tolist()


def test_names_of_columns_and_the_output_that_was_asked_for(tmp_path):
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), columns=["x", "größe"])
    model = AdversarialAutoencoder(**SHORT).set_output(transform="pandas").fit(rows)
    loaded = roundtrip(model, tmp_path)
    assert loaded.feature_names_in_.dtype == object
    assert loaded.feature_names_in_.tolist() == ["x", "größe"]
    pd.testing.assert_frame_equal(loaded.transform(rows), model.transform(rows))
    with pytest.raises(ValueError, match="feature names"):
        loaded.transform(rows[["größe", "x"]])


def test_parameters_set_after_fit_do_not_change_the_model(tmp_path, X):
    model = AdversarialAutoencoder(prior="uniform", **SHORT).fit(X)
    model.set_params(prior="normal", hidden_layer_sizes=(7, 7), n_components=5)
    loaded = roundtrip(model, tmp_path)
    assert_answer_alike(model, loaded, X)
    assert loaded.n_components == 5


def test_parameters_that_fit_would_refuse_are_not_saved(tmp_path):
    with pytest.raises(ValueError, match="n_components"):
        fitted_small().set_params(n_components=-1).save(tmp_path / "model")


@pytest.mark.parametrize("value", [range(3), {1: 2}, 1j, pd.Series([3.0])], ids=repr)
def test_other_values_are_refused_by_name(tmp_path, value):
    model = fitted_small()
    model.prior_match_ = value
    with pytest.raises(TypeError, match=r"fitted\.prior_match_.*Use pickle"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = fitted_small()
    with torch.no_grad():
        model.model_.encoder.linear.bias[0] = float("nan")
    with pytest.raises(ValueError, match="finite"):
        model.save(tmp_path / "model")


def test_more_layers_than_are_loaded_are_not_saved(tmp_path):
    model = fitted_small(hidden_layer_sizes=(1,) * 65)
    with pytest.raises(ValueError, match="at most 64"):
        model.save(tmp_path / "model")


# ------------------------------------------------------------------------- size


@pytest.mark.parametrize("name", ["autoencoder", "classifier", "clusterer", "implicit"])
def test_files_are_as_small_as_what_inference_needs(counts, tmp_path, name):
    X, y = counts
    model = clone(ESTIMATORS[name]).set_params(hidden_layer_sizes=(128, 128), max_iter=1)
    model.fit(X, y)
    model.save(tmp_path / "model")
    weights = model.model_.inference_state().values()
    needed = sum(value.numel() * value.element_size() for value in weights)
    written = sum(path.stat().st_size for path in (tmp_path / "model").iterdir())
    assert written < 1.05 * needed + 8_000


def test_a_long_history_stays_small(tmp_path):
    model = fitted_small()
    entry, look = model.history_[0], {"criterion": 0.5, "prior_distance": 0.1}
    # Every fifth epoch looks at held-out rows, as with early stopping.
    model.history_ = [
        {**entry, "epoch": epoch + 1, **({} if epoch % 5 else look)} for epoch in range(10_000)
    ]
    loaded = roundtrip(model, tmp_path)
    assert loaded.history_ == model.history_
    assert (tmp_path / "model" / DOCUMENT).stat().st_size < 10_000


# ------------------------------------------------------------------------- going on


@pytest.fixture(scope="module")
def trained(X):
    parameters = {"max_iter": 20, "hidden_layer_sizes": (16,), "random_state": 0}
    return AdversarialAutoencoder(3, warm_start=True, **parameters).fit(X)


@pytest.mark.parametrize("training", [False, True])
def test_partial_fit_goes_on(tmp_path, X, trained, training):
    model = trained
    loaded = roundtrip(model, tmp_path, training=training).partial_fit(X)
    assert loaded.n_iter_ == 21
    assert loaded.n_samples_seen_ == 2 * len(X)
    assert loaded.score(X) > 2.0 * model.score(X)


def test_moments_of_the_optimisers_are_kept_on_request(tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 4))
    model = fitted_small(input_noise=0.0, divergence_weight=0.0)
    for _ in range(3):
        model.partial_fit(rows)
    kept, fresh = (
        roundtrip(model, tmp_path, str(training), training=training) for training in (True, False)
    )
    before, after = model._step.moments(), roundtrip(kept, tmp_path, training=True)._moments
    assert before.keys() == after.keys()
    assert any(name.startswith("exp_avg_sq.discriminators.") for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before)
    for one in (kept, fresh):
        one.partial_fit(rows)
    count = "step.encoder.linear.weight"
    assert kept._step.moments()[count] == model._step.moments()[count] + 1
    assert fresh._step.moments()[count] == 1
    assert "_moments" not in vars(kept)


def test_discriminators_are_kept_on_request(tmp_path):
    model = fitted_small()
    assert not roundtrip(model, tmp_path, "small").model_.discriminators
    kept = roundtrip(model, tmp_path, training=True).model_.discriminators
    for before, after in zip(model.model_.discriminators.parameters(), kept.parameters()):
        assert torch.equal(before, after)


def test_an_implicit_model_keeps_its_discriminator_on_request(tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 4))
    model = ImplicitGenerativeModel(2, **SHORT).fit(rows)
    assert roundtrip(model, tmp_path).model_.discriminator is None
    kept = roundtrip(model, tmp_path, training=True).model_.discriminator
    assert torch.equal(kept[0].weight, model.model_.discriminator[0].weight)


@pytest.mark.parametrize("training", [False, True])
def test_warm_start_goes_on(tmp_path, X, trained, training):
    loaded = roundtrip(trained, tmp_path, training=training)
    codes = loaded.transform(X)
    loaded.set_params(max_iter=1, learning_rate=1e-6).fit(X)
    assert loaded.transform(X) == pytest.approx(codes, abs=0.05)
    assert loaded.model_.discriminators


def test_global_generators_are_untouched(tmp_path, X, global_states):
    model = AdversarialAutoencoder(**SHORT).fit(X)
    before = global_states()
    roundtrip(model, tmp_path)
    assert global_states() == before


# ------------------------------------------------------------------------- devices


def test_a_model_of_an_absent_device_loads_on_the_cpu(tmp_path, X):
    """What a GPU's file meets on a machine without one."""
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    model = AdversarialAutoencoder(**SHORT).fit(X)
    model.save(tmp_path / "model")
    edit_document(tmp_path / "model", lambda d: d["fitted"].update(device_={"device": "cuda:0"}))
    loaded = skaae.load(tmp_path / "model")
    assert loaded.device_.type == "cpu"
    assert_answer_alike(model, loaded, X)
    with pytest.raises(ValueError, match="PyTorch sees no such device"):
        skaae.load(tmp_path / "model", device="cuda")


def test_a_device_may_be_asked_for(tmp_path, X, device):
    AdversarialAutoencoder(device=device, **SHORT).fit(X).save(tmp_path / "model")
    assert skaae.load(tmp_path / "model").device_.type == device
    loaded = skaae.load(tmp_path / "model", device="cpu")
    assert loaded.device_.type == "cpu"
    assert {p.device.type for p in loaded.model_.parameters()} == {"cpu"}


# ------------------------------------------------------------------------- versions


@pytest.mark.parametrize(
    ("package", "version"), [("skaae", "0.0.1"), ("skaae", "99.0"), ("scikit-learn", "1.2.0")]
)
def test_another_version_warns(tmp_path, package, version):
    fitted_small().save(tmp_path / "model")
    edit_document(tmp_path / "model", lambda d: d["versions"].update({package: version}))
    with pytest.warns(InconsistentVersionWarning, match=f"{package} {version}"):
        skaae.load(tmp_path / "model")


@pytest.mark.parametrize("package", ["torch", "numpy"])
def test_another_version_of_what_only_stores_is_silent(tmp_path, package):
    fitted_small().save(tmp_path / "model")
    edit_document(tmp_path / "model", lambda d: d["versions"].update({package: "0.0.1"}))
    skaae.load(tmp_path / "model")


def test_a_newer_format_is_refused(tmp_path):
    fitted_small().save(tmp_path / "model")
    edit_document(tmp_path / "model", lambda d: d.update(format=2))
    with pytest.raises(ValueError, match=r"from 1 to 1, got 2.*upgrade"):
        skaae.load(tmp_path / "model")


def test_a_parameter_that_an_older_version_lacked_takes_its_default(tmp_path):
    fitted_small().save(tmp_path / "model")
    edit_document(tmp_path / "model", lambda d: d["parameters"].pop("n_neighbors"))
    assert skaae.load(tmp_path / "model").n_neighbors == 15


@pytest.mark.parametrize("part", ["parameters", "model"])
def test_a_parameter_of_a_noun_that_an_older_version_lacked_takes_its_default(tmp_path, part):
    fitted_small(divergence=JensenShannon()).save(tmp_path / "model")

    def forget(document):
        found = document["parameters"]["divergence"]
        if part == "model":
            (latent,) = document["model"]["latents"]["tuple"]
            found = latent["record"]["fields"]["divergence"]
        del found["noun"]["parameters"]["gradient_penalty"]

    edit_document(tmp_path / "model", forget)
    model = skaae.load(tmp_path / "model")
    assert model.divergence.gradient_penalty == 0.0
    assert model.model_.latents[0].divergence.gradient_penalty == 0.0


def test_pickles_are_stamped(monkeypatch):
    model = fitted_small()
    stored = pickle.dumps(model)
    assert "_skaae_version" not in vars(pickle.loads(stored))
    monkeypatch.setattr("skaae._portable.__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match=r"skaae 0.*with 99\.0"):
        pickle.loads(stored)
    assert copy.deepcopy(model).n_iter_ == model.n_iter_
