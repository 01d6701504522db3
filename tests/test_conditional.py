"""Autoencoders that are given the class."""

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, share_read_from_samples, short_fits_may_warn
from sklearn.model_selection import KFold, cross_val_score
from sklearn.svm import SVC

from skaae import (
    ConditionalAdversarialAutoencoder,
)
from skaae._device import new_generator
from skaae.divergences import DIVERGENCES
from skaae.metrics import prior_match
from skaae.priors import GaussianMixture


@pytest.fixture(scope="module")
def styled(split, device):
    X_train, _, y_train, _ = split
    model = ConditionalAdversarialAutoencoder(
        8,
        hidden_layer_sizes=(128,),
        learning_rate=5e-3,
        max_iter=90,
        device=device,
        random_state=0,
    )
    return model.fit(X_train, y_train)


def test_samples_are_of_the_class_asked_for(styled, split):
    assert share_read_from_samples(styled, split, 50) > 0.9


def test_the_style_holds_less_of_the_class_than_rows_do(styled, split):
    X_train, X_test, y_train, y_test = split
    reader = SVC().fit(styled.transform(X_train), y_train)
    assert reader.score(styled.transform(X_test), y_test) < 0.6


def test_a_row_is_decoded_best_in_its_own_class(styled, split):
    _, X_test, _, y_test = split
    assert styled.score(X_test, y_test) > styled.score(X_test, (y_test + 1) % 10)


@short_fits_may_warn
def test_sampled_classes_are_as_frequent_as_in_training(split, device):
    X_train, _, y_train, _ = split
    kept = (y_train == 3) | (np.arange(len(y_train)) % 3 == 0) & (y_train == 5)
    model = ConditionalAdversarialAutoencoder(device=device, **SHORT)
    model.fit(X_train[kept], y_train[kept])
    frequencies = np.bincount(y_train[kept])[[3, 5]] / kept.sum()
    np.testing.assert_allclose(model.class_frequencies_, frequencies)
    drawn = model._drawn_classes(20_000, new_generator(0))
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, frequencies, atol=0.02)


@pytest.mark.parametrize("labeled", [0.5])
def test_classes_take_their_place_in_the_prior(split, device, labeled):
    """Rows of a class, with or without label, get codes in the class's mode."""
    X_train, X_test, y_train, y_test = split
    hidden = np.random.default_rng(0).random(len(y_train)) > labeled
    prior = GaussianMixture(n_components=10)
    model = ConditionalAdversarialAutoencoder(
        2,
        label_role="discriminator",
        prior=prior,
        hidden_layer_sizes=(128, 128),
        learning_rate=3e-3,
        max_iter=80,
        device=device,
        random_state=0,
    )
    model.fit(X_train, np.where(hidden, -1, y_train))
    angles = 2.0 * np.pi * np.arange(10) / 10
    means = 4.0 * np.c_[np.cos(angles), np.sin(angles)]
    codes = model.transform(X_test)
    nearest = np.square(codes[:, None] - means).sum(axis=2).argmin(axis=1)
    assert np.mean(nearest == y_test) > 0.8
    assert share_read_from_samples(model, split, 20) > 0.8


@short_fits_may_warn
def test_rows_without_a_class_are_decoded_and_scored_without_one(wine):
    X, y = wine
    few = np.where(np.arange(len(y)) % 2, y, -1)
    model = ConditionalAdversarialAutoencoder(**SHORT).fit(X, few)
    codes = model.transform(X)
    without, with_class = (model.inverse_transform(codes, labels) for labels in (few, y))
    marked = few == -1
    np.testing.assert_allclose(without[~marked], with_class[~marked])
    assert (without[marked] != with_class[marked]).any()
    folds = KFold(3, shuffle=True, random_state=0)
    assert np.isfinite(cross_val_score(model, X, few, cv=folds)).all()


@pytest.mark.parametrize("labeled", [0.5, 1.0])
def test_the_match_is_with_the_part_of_the_prior_that_classes_take(wine, labeled):
    """Three classes take three of ten modes, and no warning says that seven are empty."""
    X, y = wine
    few = np.where(np.random.default_rng(0).random(len(y)) < labeled, y, -1)
    model = ConditionalAdversarialAutoencoder(
        label_role="discriminator",
        prior="gaussian_mixture",
        hidden_layer_sizes=(64,),
        learning_rate=5e-3,
        max_iter=150,
        random_state=0,
    ).fit(X, few)
    assert model.prior_match_.ratio < 2.0
    assert prior_match(model, X, few, random_state=0).ratio < 2.0
    assert prior_match(model, X, random_state=0).ratio > 4.0
    # The modes of the classes lie side by side, the others across the ring.
    assert np.mean(model.transform(X) @ [1.0, 1.0] > 0.0) > 0.95


@short_fits_may_warn
@pytest.mark.parametrize("divergence", [n for n, d in DIVERGENCES.items() if d.of_samples])
@pytest.mark.parametrize("label_role", ["decoder", "discriminator"])
def test_every_divergence_of_samples_takes_labels(wine, divergence, label_role):
    X, y = wine
    model = ConditionalAdversarialAutoencoder(
        label_role=label_role, prior="gaussian_mixture", divergence=divergence, **SHORT
    ).fit(X, y)
    assert np.isfinite(model.sample(4, y=[0, 1, 2, 0])).all()
    assert np.isfinite(model.score(X, y))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_role": "discriminator"}, "prior with a class for each of the 3 classes"),
        (
            {"label_role": "discriminator", "prior": GaussianMixture(n_components=2)},
            "has 2. Use for example",
        ),
        (
            {
                "label_role": "discriminator",
                "prior": "gaussian_mixture",
                "divergence": "posterior_kl",
                "posterior": "gaussian",
            },
            "divergence that compares samples",
        ),
    ],
)
def test_priors_and_divergences_without_classes_are_refused(wine, changes, message):
    with pytest.raises(ValueError, match=message):
        ConditionalAdversarialAutoencoder(**changes, **SHORT).fit(*wine)


@short_fits_may_warn
def test_the_decoder_needs_classes(wine):
    X, y = wine
    model = ConditionalAdversarialAutoencoder(**SHORT).fit(X, y)
    with pytest.raises(ValueError, match="the decoder needs classes; pass y"):
        model.inverse_transform(model.transform(X))
    with pytest.raises(ValueError, match=r"among \[0, 1, 2\], got \[7\]"):
        model.sample(3, y=7)


@short_fits_may_warn
def test_rows_without_a_label_take_parts_as_often_as_the_prior_does(split):
    X_train, _, y_train, _ = split
    kept = y_train < 2
    prior = GaussianMixture(n_components=3, weights=[0.9, 0.05, 0.05])
    model = ConditionalAdversarialAutoencoder(
        2, label_role="discriminator", prior=prior, **SHORT
    ).fit(X_train[kept], y_train[kept])
    unlabeled = torch.full((4000,), -1)
    codes = model.model_.to_prior_units(
        model.model_.sample_prior(4000, new_generator(0), unlabeled)
    ).numpy()
    angles = 2.0 * np.pi * np.arange(3) / 3
    means = 4.0 * np.c_[np.cos(angles), np.sin(angles)]
    nearest = np.square(codes[:, None] - means).sum(axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=3) / 4000
    np.testing.assert_allclose(shares, [0.947, 0.053, 0.0], atol=0.02)
