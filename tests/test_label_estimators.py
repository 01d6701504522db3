"""What the estimators that use labels or infer them share."""

import pickle

import numpy as np
import pytest
from estimator_cases import SHORT, short_fits_may_warn
from sklearn.base import clone
from torch import nn

from skaae import (
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
)
from skaae.networks import MLP
from skaae.training import Budget

# ------------------------------------------------------------------------------------ the rest


ESTIMATORS = [
    ConditionalAdversarialAutoencoder(**SHORT),
    AdversarialAutoencoderClassifier(2, **SHORT),
    AdversarialAutoencoderClusterer(3, n_components=2, n_init=1, **SHORT),
]


@short_fits_may_warn
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_a_seed_gives_the_same_fit_and_pickling_keeps_it(wine, estimator):
    X, y = wine
    fits = [clone(estimator).fit(X, y) for _ in range(2)]
    loaded = pickle.loads(pickle.dumps(fits[0]))
    for other in (fits[1], loaded):
        assert (other.transform(X) == fits[0].transform(X)).all()
        assert (
            other.sample(3, y=1, random_state=0) == fits[0].sample(3, y=1, random_state=0)
        ).all()


@short_fits_may_warn
@pytest.mark.parametrize("estimator", ESTIMATORS[1:], ids=lambda e: type(e).__name__)
def test_where_labels_are_inferred_the_budget_is_one_for_labels(wine, estimator, monkeypatch):
    X, y = wine
    asked = []

    def for_labels(n_samples, n_batches):
        asked.append((n_samples, n_batches))
        return Budget(2, n_batches)

    monkeypatch.setattr(Budget, "for_labels", for_labels)
    model = clone(estimator).set_params(max_iter=None, batch_size=60).fit(X, y)
    assert asked == [(178, 3)]
    assert model.n_iter_ == 2


@short_fits_may_warn
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_stopping_ends_training_at_the_best_look(wine, estimator):
    X, y = wine
    model = clone(estimator).set_params(
        early_stopping=True, max_iter=400, n_iter_no_change=1, tol=1.0
    )
    model.fit(X, y)
    # No look improves by that much, so the second is the last.
    looks = [entry for entry in model.history_ if "criterion" in entry]
    assert len(looks) == 2
    assert model.n_iter_ < 400
    best = min(looks, key=lambda entry: entry["criterion"])
    assert model.best_iter_ == best["epoch"]


@short_fits_may_warn
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_a_warm_start_goes_on_from_the_codes_before(wine, estimator):
    X, y = wine
    model = clone(estimator).set_params(max_iter=100).fit(X, y)
    before = model.transform(X)
    still = {"max_iter": 1, "learning_rate": 1e-9, "weight_decay": 0.0, "random_state": 1}
    warm = model.set_params(warm_start=True, **still).fit(X, y).transform(X)
    fresh = clone(estimator).set_params(**still).fit(X, y).transform(X)
    # Running statistics move on where layers are normalised over the batch.
    assert np.abs(warm - before).max() < 0.2 * np.abs(fresh - before).max()


@short_fits_may_warn
def test_a_warm_start_takes_more_labels(wine):
    X, y = wine
    few = np.where(np.arange(len(y)) % 2, y, -1)
    model = AdversarialAutoencoderClassifier(2, warm_start=True, **SHORT).fit(X, few)
    model.fit(X, y)
    frequencies = np.bincount(y) / len(y)
    np.testing.assert_allclose(model.class_frequencies_, frequencies)
    np.testing.assert_allclose(
        model.model_.latents[1].category_probabilities(), frequencies, atol=1e-6
    )


@short_fits_may_warn
def test_a_warm_start_needs_the_same_classes(wine):
    X, y = wine
    model = AdversarialAutoencoderClassifier(2, warm_start=True, **SHORT).fit(X, y)
    with pytest.raises(ValueError, match="warm_start=True: expected"):
        model.fit(X, y + 1)


@short_fits_may_warn
def test_a_warm_start_needs_the_same_heads(wine):
    model = AdversarialAutoencoderClassifier(2, warm_start=True, **SHORT).fit(*wine)
    with pytest.raises(ValueError, match="warm_start=True: expected cluster_heads=False"):
        model.set_params(cluster_heads=True).fit(*wine)


# ------------------------------------------------------------------------------------ encoders


@short_fits_may_warn
@pytest.mark.parametrize(
    ("encoder", "normalised"),
    [
        (None, True),
        ("mlp", True),
        ("convolutional", True),
        (MLP((8,)), False),
        (MLP((8,), batch_norm=True), True),
    ],
    ids=str,
)
def test_encoders_that_infer_labels_are_normalised_unless_they_are_yours(
    digits, encoder, normalised
):
    X, _ = digits
    model = AdversarialAutoencoderClusterer(3, encoder=encoder, **SHORT).fit(X[:100])
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    assert any(isinstance(m, norms) for m in model.model_.encoder.modules()) == normalised
