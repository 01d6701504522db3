"""Training records gradients itself, whatever mode of PyTorch it is called in."""

import copy
import pickle

import pytest
import torch
from estimator_cases import ESTIMATORS, SHORT, short_fits_may_warn
from persistence_cases import fitted_small
from sklearn.base import clone

import skaae
from skaae import AdversarialAutoencoder

pytestmark = short_fits_may_warn

MODES = {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}


def modes():
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_is_the_same_in_every_mode(name, mode, wine):
    expected = clone(ESTIMATORS[name]).fit(*wine).sample(5, random_state=0)
    with MODES[mode]():
        before = modes()
        model = clone(ESTIMATORS[name]).fit(*wine)
        assert modes() == before
        assert (model.sample(5, random_state=0) == expected).all()


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_is_the_callers_after_a_fit_that_failed(mode, X):
    with MODES[mode]():
        before = modes()
        with pytest.raises(ValueError, match="n_components"):
            AdversarialAutoencoder(n_components=-1).fit(X)
        assert modes() == before


def test_rows_may_be_tensors_of_inference(X):
    with torch.inference_mode():
        rows = torch.tensor(X)
        model = AdversarialAutoencoder(**SHORT).fit(rows).partial_fit(rows)
    assert (model.transform(X) == model.transform(rows).numpy()).all()


def _loaded(model, folder):
    model.save(folder / "model")
    return skaae.load(folder / "model")


WAYS = {
    "copied": lambda model, _: copy.deepcopy(model),
    "pickled": lambda model, _: pickle.loads(pickle.dumps(model)),
    "loaded": _loaded,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_model_of_inference_mode_can_be_trained_on(way, tmp_path):
    rows = torch.randn(40, 4)
    with torch.inference_mode():
        model = WAYS[way](fitted_small(), tmp_path)
    model.partial_fit(rows)
    assert model.n_iter_ == 2
