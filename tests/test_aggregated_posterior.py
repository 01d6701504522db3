"""Samples from where codes lie."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn

from skaae import AdversarialAutoencoder
from skaae._aggregated_posterior import AggregatedPosterior
from skaae.metrics import sliced_wasserstein_distance
from skaae.priors import PRIORS, Normal

FROM_CODES = {"source": "aggregated_posterior", "random_state": 0}


@pytest.fixture(scope="module")
def two_groups():
    rng = np.random.default_rng(0)
    return np.repeat([[-2.0, 0.0], [2.0, 1.0]], 150, axis=0) + 0.1 * rng.normal(size=(300, 2))


def test_draws_lie_where_codes_lie(two_groups):
    posterior = AggregatedPosterior(two_groups, Normal())
    drawn = posterior.sample(3000, torch.Generator().manual_seed(0)).numpy()
    right = drawn[:, 0] > 0
    assert abs(right.mean() - 0.5) < 0.05
    for side, mean in ((~right, [-2.0, 0.0]), (right, [2.0, 1.0])):
        np.testing.assert_allclose(drawn[side].mean(axis=0), mean, atol=0.05)
        np.testing.assert_allclose(drawn[side].std(axis=0), 0.1, atol=0.02)


@pytest.mark.parametrize("rows", [2, 5, 40])
@pytest.mark.parametrize("n_components", [1, 3, 50])
def test_few_codes_or_equal_ones_are_enough(rows, n_components):
    rng = np.random.default_rng(0)
    for codes in (rng.normal(size=(rows, n_components)), np.ones((rows, n_components))):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            drawn = AggregatedPosterior(codes, Normal()).sample(4, torch.Generator())
        assert torch.isfinite(drawn).all()


@short_fits_may_warn
def test_samples_are_nearer_to_the_rows_where_codes_leave_the_prior(two_groups):
    """Codes of two groups, free to leave the prior, most of which lies between them."""
    X = np.tanh(two_groups @ np.random.default_rng(1).normal(size=(2, 6)))
    model = AdversarialAutoencoder(divergence_weight=0.0, **SHORT).fit(X)
    from_prior, from_codes = (
        sliced_wasserstein_distance(
            X, model.sample(len(X), random_state=0, source=source), random_state=0
        )
        for source in ("prior", "aggregated_posterior")
    )
    assert from_codes < 0.5 * from_prior


@short_fits_may_warn
@pytest.mark.parametrize("prior", PRIORS)
def test_every_prior_has_codes_to_draw_like(unit_rows, prior):
    model = AdversarialAutoencoder(3, prior=prior, **SHORT).fit(unit_rows)
    drawn = model.sample(5, **FROM_CODES)
    assert drawn.shape == (5, 13)
    assert np.isfinite(drawn).all()
    if PRIORS[prior].on_simplex:
        codes = model._aggregated_posterior.sample(50, torch.Generator().manual_seed(0))
        torch.testing.assert_close(codes.sum(dim=1), torch.ones(50))
        assert (codes >= 0).all()


@short_fits_may_warn
def test_a_seed_gives_the_same_rows_before_and_after_pickling(X):
    model = AdversarialAutoencoder(**SHORT).fit(X)
    copy = pickle.loads(pickle.dumps(model))
    drawn = model.sample(6, **FROM_CODES)
    np.testing.assert_array_equal(drawn, model.sample(6, **FROM_CODES))
    np.testing.assert_array_equal(drawn, copy.sample(6, **FROM_CODES))
    assert model.sample(6, **{**FROM_CODES, "random_state": 1}).tolist() != drawn.tolist()


@short_fits_may_warn
def test_what_cannot_be_drawn_from_is_refused(X):
    model = AdversarialAutoencoder(**SHORT).fit(X)
    with pytest.raises(ValueError, match="expected 'prior' or 'aggregated_posterior', got 'codes'"):
        model.sample(2, source="codes")
    model.partial_fit(X)
    with pytest.raises(ValueError, match="partial_fit does not keep"):
        model.sample(2, **FROM_CODES)
