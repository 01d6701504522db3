"""Generative models without an encoder."""

import pickle

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from skaae import ImplicitGenerativeModel
from skaae.divergences import DIVERGENCES, JensenShannon, PosteriorKL
from skaae.metrics import sliced_wasserstein_distance
from skaae.priors import PRIORS

OF_SAMPLES = [name for name, case in DIVERGENCES.items() if case.of_samples]


def two_moons(n_samples, seed):
    generator = np.random.default_rng(seed)
    angle = np.pi * generator.random(n_samples)
    upper = generator.random(n_samples) < 0.5
    moon = np.c_[np.cos(angle), np.sin(angle)] * np.where(upper, 1, -1)[:, None]
    return 30.0 * (moon + np.where(upper, 0.0, 1.0)[:, None] * [1.0, 0.5])


@pytest.mark.parametrize("divergence", OF_SAMPLES)
def test_samples_are_distributed_as_the_rows(divergence, device):
    """Nearer to held-out rows than a normal with their mean and covariance is."""
    X, held_out = two_moons(1000, 0), two_moons(1000, 1)
    model = ImplicitGenerativeModel(
        2,
        divergence=divergence,
        hidden_layer_sizes=(64, 64),
        learning_rate=0.002,
        max_iter=40,
        device=device,
        random_state=0,
    ).fit(X)
    normal = np.random.default_rng(2).multivariate_normal(X.mean(axis=0), np.cov(X.T), 1000)
    ours, theirs = (
        sliced_wasserstein_distance(held_out, drawn, random_state=0)
        for drawn in (model.sample(1000, random_state=0), normal)
    )
    assert ours < theirs


@short_fits_may_warn
@pytest.mark.parametrize("prior", PRIORS)
def test_every_prior_is_a_source_of_codes(wine, prior):
    model = ImplicitGenerativeModel(2, prior=prior, **SHORT).fit(wine[0])
    assert np.isfinite(model.sample(5)).all()


@short_fits_may_warn
def test_bounds_are_those_of_the_columns(wine):
    X = wine[0]
    drawn = ImplicitGenerativeModel(2, bounded=True, **SHORT).fit(X).sample(100, random_state=0)
    assert (drawn >= X.min(axis=0)).all()
    assert (drawn <= X.max(axis=0)).all()


@short_fits_may_warn
def test_bounds_hold_to_the_last_digit():
    """Saturated units would answer a rounding error beyond."""
    X = np.random.default_rng(0).integers(0, 2, (200, 3)).astype(float) * [1.0, 0.1, 3.0]
    model = ImplicitGenerativeModel(2, bounded=True, **SHORT).fit(X)
    low, high = X.min(axis=0), X.max(axis=0)
    for saturated, bound in ((-1e3, low), (1e3, high)):
        model.model_.generator.forward = lambda z, value=saturated: torch.full((len(z), 3), value)
        drawn = model.sample(2)
        assert ((low <= drawn) & (drawn <= high)).all()
        np.testing.assert_allclose(drawn, [bound, bound], atol=1e-6)


@short_fits_may_warn
def test_a_seed_gives_the_same_samples_and_pickling_keeps_them(wine):
    X = wine[0].astype(np.float32)
    fits = [ImplicitGenerativeModel(2, **SHORT).fit(X) for _ in range(2)]
    drawn = fits[0].sample(4, random_state=0)
    assert drawn.dtype == np.float32
    for other in (fits[1], pickle.loads(pickle.dumps(fits[0]))):
        assert (other.sample(4, random_state=0) == drawn).all()


@short_fits_may_warn
def test_the_score_prefers_rows_like_those_of_training(wine):
    X = wine[0]
    model = ImplicitGenerativeModel(
        2, divergence="mmd", hidden_layer_sizes=(64, 64), max_iter=100, random_state=0
    ).fit(X)
    assert model.score(X) > model.score(X + 2.0 * X.std(axis=0))


@pytest.mark.parametrize("divergence", [PosteriorKL(), DIVERGENCES["mutual_information"]()])
def test_divergences_of_densities_are_refused(wine, divergence):
    with pytest.raises(ValueError, match="compares samples"):
        ImplicitGenerativeModel(2, divergence=divergence, **SHORT).fit(wine[0])


@short_fits_may_warn
def test_the_adversary_of_a_name_is_penalised_and_a_plain_one_is_at_hand():
    """Of 100 epochs of 600 digits the plain one leaves out kinds of rows, and says so."""
    X = load_digits().data[:600]
    settings = {"hidden_layer_sizes": (64, 64), "max_iter": 100, "random_state": 0}
    named = ImplicitGenerativeModel(4, **settings).fit(X)
    assert named.model_.latent.divergence.gradient_penalty > 0.0
    plain = ImplicitGenerativeModel(4, divergence=JensenShannon(), **settings)
    with pytest.warns(ConvergenceWarning, match="left rows out"):
        plain.fit(X)
    assert plain.model_.latent.divergence.gradient_penalty == 0.0
    assert named.score(X) > plain.score(X)
