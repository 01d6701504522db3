"""Estimators that are saved and loaded answer what they answered, and go on where they stood."""

import pickle

import numpy as np
import pytest
import safetensors.torch
import torch
from estimator_cases import short_fits_may_warn
from persistence_cases import (
    DOCUMENT,
    WEIGHTS,
    assert_answer_alike,
    document_of,
    fitted_small,
    roundtrip,
)
from prior_cases import FOREIGN, OwnObject
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from source_cases import ESTIMATORS
from torch import nn

import skaae
from skaae import (
    AdversarialAutoencoder,
)
from skaae._loading import ESTIMATORS as PUBLIC
from skaae.divergences import DIVERGENCES, JensenShannon, Wasserstein
from skaae.losses import LOSSES, SquaredError
from skaae.networks import DECODERS, ENCODERS, MLP, ConvolutionalDecoder, ConvolutionalEncoder
from skaae.posteriors import POSTERIORS, Deterministic
from skaae.priors import PRIORS, GaussianMixture, Normal, Prior, UserPrior

pytestmark = short_fits_may_warn


KINDS = {type(case).__name__: case for case in ESTIMATORS.values()}


@pytest.fixture(scope="module", params=KINDS)
def trained(request, counts):
    X, y = counts
    return clone(KINDS[request.param]).fit(X, y)


# ------------------------------------------------------------------------- every estimator


def test_every_public_estimator_is_loaded():
    public = {name for name in skaae.__all__ if hasattr(getattr(skaae, name), "save")}
    assert public == set(PUBLIC) == KINDS.keys()


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_answers_are_the_same_to_the_bit(trained, counts, tmp_path, name):
    assert_answer_alike(trained, roundtrip(trained, tmp_path, name), *counts)


def test_what_is_seen_of_an_estimator_is_the_same(trained, tmp_path):
    loaded = roundtrip(trained, tmp_path)
    check_is_fitted(loaded)
    assert type(loaded) is type(trained)
    assert loaded.get_params() == trained.get_params()
    assert repr(loaded) == repr(trained)
    assert repr(clone(loaded)) == repr(clone(trained))
    assert loaded.history_ == trained.history_
    assert vars(loaded).keys() == vars(trained).keys()


def test_every_attribute_that_fit_sets_is_declared(trained):
    set_by_fit = vars(trained).keys() - trained.get_params(deep=False).keys()
    assert set_by_fit <= trained._fitted_attributes.keys()


def test_fitted_attributes_keep_values_and_dtypes(trained, tmp_path):
    loaded = roundtrip(trained, tmp_path)
    for name in trained._fitted_attributes.keys() & vars(trained):
        before, after = getattr(trained, name), getattr(loaded, name)
        assert type(before) is type(after)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype
            assert np.array_equal(before, after)
        elif name in ("n_iter_", "best_iter_", "n_features_in_", "prior_match_", "_reference"):
            assert before == after


def test_a_loaded_estimator_can_be_saved_and_pickled(trained, counts, tmp_path):
    loaded = roundtrip(trained, tmp_path)
    assert_answer_alike(trained, roundtrip(loaded, tmp_path, "again"), *counts)
    assert_answer_alike(trained, pickle.loads(pickle.dumps(loaded)), *counts)


def test_the_same_estimator_gives_the_same_files(trained, tmp_path):
    trained.save(tmp_path / "one")
    skaae.load(tmp_path / "one").save(tmp_path / "two")
    for name in (DOCUMENT, WEIGHTS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_unfitted_estimator_is_not_saved(trained, tmp_path):
    with pytest.raises(NotFittedError):
        clone(trained).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_files_say_what_is_in_them(trained, tmp_path):
    trained.save(tmp_path / "model")
    document = document_of(tmp_path / "model")
    assert document["estimator"] == type(trained).__name__
    assert document["format"] == 1
    assert document["versions"].keys() == {"skaae", "scikit-learn", "torch", "numpy"}
    tensors = safetensors.torch.load_file(tmp_path / "model" / WEIGHTS)
    assert not any("discriminator" in name for name in tensors)


# ------------------------------------------------------------------------- every noun

# Spares a discriminator where it is not what is looked at.
MMD_ONLY = {"divergence": "mmd"}
CASES = {
    **{f"prior {name}": {"prior": name, **MMD_ONLY} for name in PRIORS},
    **{
        f"divergence {name}": {"divergence": name}
        for name in DIVERGENCES
        if name not in ("posterior_kl", "mutual_information")
    },
    "divergence posterior_kl": {"divergence": "posterior_kl", "posterior": "gaussian"},
    "divergence mutual_information": {"divergence": "mutual_information", "prior": "categorical"},
    **{f"posterior {name}": {"posterior": name, **MMD_ONLY} for name in POSTERIORS},
    **{f"loss {name}": {"reconstruction_loss": name, **MMD_ONLY} for name in LOSSES},
    **{f"encoder {name}": {"encoder": name, **MMD_ONLY} for name in ENCODERS},
    **{f"decoder {name}": {"decoder": name, **MMD_ONLY} for name in DECODERS},
    "objects": {
        "prior": GaussianMixture(means=np.eye(2) * 3.0, weights=[0.25, np.float32(0.75)]),
        "divergence": Wasserstein((8, 8), learning_rate=1e-2),
        "reconstruction_loss": SquaredError(),
        "encoder": MLP((5,), activation="tanh", batch_norm=True),
        "decoder": ConvolutionalDecoder((4, 4), channels=[3]),
    },
    "moved images": {"encoder": ConvolutionalEncoder((4, 4), channels=(3,), max_shift=1)},
    "one component": {"n_components": 1},
    "linear": {"hidden_layer_sizes": ()},
}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(size=(40, 16))


def fit(images, parameters):
    short = {"max_iter": 1, "hidden_layer_sizes": (8,), "random_state": 0}
    return AdversarialAutoencoder(**(short | parameters)).fit(images)


@pytest.mark.parametrize("case", CASES)
def test_every_noun_survives(images, tmp_path, case):
    model = fit(images, CASES[case])
    loaded = roundtrip(model, tmp_path)
    assert_answer_alike(model, loaded, images)
    assert repr(loaded) == repr(model)
    assert repr(loaded.model_.latents) == repr(model.model_.latents)


@pytest.mark.parametrize("source", ["prior", "aggregated_posterior"])
@pytest.mark.parametrize("prior", ["normal", "categorical"])
def test_samples_of_either_source_are_the_same(images, tmp_path, prior, source):
    model = fit(images, {"prior": prior})
    loaded = roundtrip(model, tmp_path)
    drawn = [one.sample(9, random_state=0, source=source) for one in (model, loaded)]
    assert np.array_equal(*drawn)


@pytest.mark.parametrize("name", [n for n in FOREIGN if n.startswith("torch")])
def test_distributions_of_torch_are_saved(images, tmp_path, name):
    model = fit(images, {"prior": FOREIGN[name]()})
    loaded = roundtrip(model, tmp_path)
    assert type(loaded.prior) is type(model.prior)
    assert np.array_equal(loaded.sample(9, random_state=0), model.sample(9, random_state=0))


@pytest.mark.parametrize("name", ["scipy univariate", "array", "list", "tensor"])
def test_priors_that_are_numbers_are_saved(images, tmp_path, name):
    model = fit(images, {"prior": FOREIGN[name]()})
    loaded = roundtrip(model, tmp_path)
    assert type(loaded.prior) is type(model.prior)
    assert np.array_equal(loaded.sample(9, random_state=0), model.sample(9, random_state=0))


@pytest.mark.parametrize(
    "prior",
    [
        FOREIGN["scipy multivariate"](),
        torch.distributions.Independent(torch.distributions.Normal(torch.zeros(2), 1.0), 1),
    ],
    ids=["scipy", "torch"],
)
def test_distributions_that_are_no_numbers_are_refused(images, tmp_path, prior):
    with pytest.raises(TypeError, match=r"parameters\.prior.*Use pickle"):
        fit(images, {"prior": prior}).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------- a user's own


class Shifted(Prior):
    def __init__(self, by=1.0):
        self.by = by

    def _sample(self, n_samples, n_components, generator):
        return self.by + torch.randn(n_samples, n_components, generator=generator)


class Halved(Deterministic):
    def mean(self, outputs, networks):
        return outputs / 2


class WeighedLoss(SquaredError):  # noqa: N818 - no exception
    def __init__(self, weight=1.0):
        self.weight = weight


class Narrow(JensenShannon):
    """A divergence of a user's own."""


class Sub(AdversarialAutoencoder):
    """An estimator of a user's own."""


class WithBuffer(nn.Module):
    """A network with a buffer that is not among its weights, and one weight in two places."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.first, self.last = nn.Linear(n_inputs, n_outputs), nn.Linear(n_outputs, n_outputs)
        self.again = self.last
        self.register_buffer("factor", torch.full((n_inputs,), 2.0), persistent=False)

    def forward(self, x):
        return self.again(self.last(self.first(x * self.factor)))


class Making(nn.Linear):
    """A network that makes a tensor on its way, without a word of where."""

    def forward(self, x):
        return super().forward(x) + torch.ones(1)


OWN = {
    "prior": ({"prior": Shifted(2.0)}, [Shifted]),
    "posterior": ({"posterior": Halved()}, [Halved]),
    "loss": ({"reconstruction_loss": WeighedLoss(np.float64(2.0))}, [WeighedLoss]),
    "divergence": ({"divergence": Narrow((4,))}, [Narrow]),
    "function": ({"encoder": WithBuffer}, [WithBuffer]),
    "by import path": ({"encoder": WithBuffer}, {f"{__name__}.WithBuffer": WithBuffer}),
    "lambda": (
        {"encoder": lambda i, o: nn.Linear(i, o)},
        {"encoder": lambda i, o: nn.Linear(i, o)},
    ),
    "network that makes tensors": ({"encoder": Making}, [Making]),
    "module": ({"decoder": nn.Linear(2, 16)}, {"decoder": nn.Linear(2, 16)}),
    "sampler": ({"prior": OwnObject()}, {"OwnObject": OwnObject()}),
    "wrapped sampler": ({"prior": UserPrior(OwnObject())}, {"prior": OwnObject()}),
    "fitted sampler": (
        {"prior": FOREIGN["kernel density"]()},
        {"prior": FOREIGN["kernel density"]()},
    ),
}


@pytest.fixture(scope="module", params=OWN)
def own(request, images):
    parameters, custom_objects = OWN[request.param]
    return fit(images, parameters), custom_objects


def test_what_is_a_users_own_loads_where_it_is_passed(images, tmp_path, own):
    model, custom_objects = own
    model.save(tmp_path / "model")
    loaded = skaae.load(tmp_path / "model", custom_objects=custom_objects)
    assert_answer_alike(model, loaded, images)
    assert loaded.partial_fit(images).n_iter_ == 2


def test_what_is_a_users_own_is_refused_otherwise(tmp_path, own):
    own[0].save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"not part of skaae.*If you trust it, pass it"):
        skaae.load(tmp_path / "model")


def test_an_estimator_of_a_users_own(images, tmp_path):
    model = Sub(hidden_layer_sizes=(4,), max_iter=1, random_state=0).fit(images)
    model.save(tmp_path / "model")
    assert type(skaae.load(tmp_path / "model", custom_objects=[Sub])) is Sub
    with pytest.raises(ValueError, match="not part of skaae"):
        skaae.load(tmp_path / "model")
    with pytest.raises(ValueError, match="derived from"):
        skaae.load(tmp_path / "model", custom_objects={"Sub": Normal})


def test_a_tied_weight_stays_tied(images, tmp_path):
    fit(images, {"encoder": WithBuffer}).save(tmp_path / "model")
    encoder = skaae.load(tmp_path / "model", custom_objects=[WithBuffer]).model_.encoder
    assert encoder.again.weight is encoder.last.weight


class HalfFrozen(nn.Sequential):
    """A network whose first layer is not to be trained."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__(nn.Linear(n_inputs, 4), nn.Linear(4, n_outputs))
        self[0].requires_grad_(False)


@pytest.mark.parametrize("kind", ["builder", "module"])
def test_frozen_layers_stay_frozen(images, tmp_path, kind):
    given = HalfFrozen if kind == "builder" else HalfFrozen(16, 2)
    fit(images, {"encoder": given}).save(tmp_path / "model")
    loaded = skaae.load(tmp_path / "model", custom_objects={"HalfFrozen": given, "encoder": given})
    encoder = loaded.model_.encoder
    before = [layer.weight.clone() for layer in encoder]
    loaded.partial_fit(images)
    kept = [torch.equal(*pair) for pair in zip(before, (layer.weight for layer in encoder))]
    assert kept == [True, False]
    assert [p.requires_grad for p in encoder.parameters()] == [False, False, True, True]
    assert all(p.requires_grad for p in loaded.model_.decoder.parameters())


def test_custom_objects_that_have_no_name_are_refused(tmp_path):
    fitted_small().save(tmp_path / "model")
    with pytest.raises(TypeError, match="classes and functions"):
        skaae.load(tmp_path / "model", custom_objects=[nn.Linear(1, 1)])
