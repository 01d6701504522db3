"""``prior_``: the distribution of the codes that ``sample`` decodes."""

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from prior_cases import assert_follows, draw
from scipy import stats

from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
    ImplicitGenerativeModel,
)
from skaae._device import new_generator, random_seed
from skaae.priors import (
    Categorical,
    ClassPrior,
    GaussianMixture,
    HeadPrior,
    Normal,
    SwissRoll,
    Uniform,
    as_prior,
)

pytestmark = short_fits_may_warn
SHARES = [0.2, 0.8]
HEADS = [[-9.0, 1.0], [9.0, 0.0]]


# ------------------------------------------------------------------ of estimators


@pytest.mark.parametrize("prior", ["normal", "swiss_roll", Normal(5.0)])
def test_sample_decodes_draws_of_it(X, prior):
    aae = AdversarialAutoencoder(prior=prior, **SHORT).fit(X)
    codes = aae.prior_.sample(4, 2, generator=new_generator(random_seed(3)))
    expected = aae.sample(4, random_state=3)
    np.testing.assert_allclose(aae.inverse_transform(codes.double().numpy()), expected, rtol=1e-4)


def test_with_classes_it_holds_their_parts_as_often_as_there_are_rows(wine):
    X, y = wine
    aae = ConditionalAdversarialAutoencoder(
        label_role="discriminator", prior="gaussian_mixture", **SHORT
    ).fit(X, y)
    assert isinstance(aae.prior_, ClassPrior)
    np.testing.assert_allclose(aae.prior_.class_weights(2), np.bincount(y) / len(y))


def test_with_heads_it_lies_around_them(X):
    aae = AdversarialAutoencoderClusterer(
        3, n_components=2, prior=Normal(5.0), cluster_heads=True, **SHORT
    ).fit(X)
    labels = np.repeat([0, 1, 2], 2_000)
    draws = aae.prior_.sample(6_000, 2, y=labels, generator=new_generator(0)).numpy()
    rows = aae.inverse_transform(draws.astype(np.float64))
    sampled = aae.sample(6_000, y=labels, random_state=0)
    for label in range(3):
        ours, theirs = rows[labels == label], sampled[labels == label]
        errors = np.hypot(ours.std(axis=0), theirs.std(axis=0)) / np.sqrt(2_000)
        assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4.5 * errors).all()


def test_without_heads_and_without_an_encoder_it_is_that_of_the_codes(wine):
    X, y = wine
    classifier = AdversarialAutoencoderClassifier(2, prior="uniform", **SHORT).fit(X, y)
    assert isinstance(classifier.prior_, Uniform)
    gan = ImplicitGenerativeModel(2, prior="swiss_roll", **SHORT).fit(X)
    assert isinstance(gan.prior_, SwissRoll)


def test_an_estimator_that_is_not_fitted_has_none():
    assert not hasattr(AdversarialAutoencoder(), "prior_")


# ------------------------------------------------------------------ quantiles


@pytest.mark.parametrize(
    ("prior", "law"),
    [
        (Normal(3.0), stats.norm(scale=3.0)),
        (Uniform(-2.0, 5.0), stats.uniform(-2.0, 7.0)),
    ],
)
def test_quantiles_in_closed_form_are_scipys(prior, law):
    shares = [0.01, 0.3, 0.5, 0.9]
    expected = np.repeat(law.ppf(shares)[:, None], 3, axis=1)
    np.testing.assert_allclose(prior.quantiles(shares, 3), expected, atol=1e-12)


def test_other_quantiles_are_those_of_draws():
    prior = as_prior(stats.t(df=5))
    shares = np.linspace(0.05, 0.95, 7)
    quantiles = prior.quantiles(shares, 2)
    # 16,384 draws: the standard error of a share is 0.004 at most.
    np.testing.assert_allclose(stats.t(df=5).cdf(quantiles), np.c_[shares, shares], atol=0.02)
    np.testing.assert_array_equal(quantiles, prior.quantiles(shares, 2))


@pytest.mark.parametrize("prior", [SwissRoll(), GaussianMixture(3), as_prior([[0.0, 1.0]] * 3)])
def test_quantiles_of_draws_are_numpys(prior):
    shares = [0.0, 0.25, 1.0]
    expected = np.quantile(draw(prior, 16_384, 2, seed=0).astype(np.float64), shares, axis=0)
    np.testing.assert_array_equal(prior.quantiles(shares, 2), expected)


# ------------------------------------------------------------------ classes and heads


def test_classes_are_drawn_in_their_shares():
    draws = draw(ClassPrior(Categorical(), SHARES), 10_000, 3)
    # The standard error of a share is 0.004.
    np.testing.assert_allclose(draws.mean(axis=0), [0.2, 0.8, 0.0], atol=0.018)


def test_heads_move_the_prior():
    prior = HeadPrior(Normal(), HEADS, SHARES)
    draws = prior.sample(3_000, 2, y=0, generator=new_generator(0)).numpy()
    assert_follows(draws[:, 0] + 9.0, "norm")
    share = (draw(prior, 10_000, 2)[:, 0] > 0).mean()
    assert share == pytest.approx(0.8, abs=0.018)


def test_the_density_of_heads_is_a_mixtures():
    mixture = GaussianMixture(means=HEADS, weights=SHARES)
    codes = torch.as_tensor(np.random.default_rng(0).normal(scale=9.0, size=(50, 2)))
    density = HeadPrior(Normal(), HEADS, SHARES).log_density(codes)
    torch.testing.assert_close(density, mixture.log_density(codes))
    assert not hasattr(HeadPrior(Uniform(), HEADS, SHARES), "log_density")


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (ClassPrior(GaussianMixture(2), [0.2, 0.3, 0.5]), "at most as many shares"),
        (ClassPrior(GaussianMixture(2), [0.2, 0.9]), "shares >= 0 that sum to 1"),
        (HeadPrior(Normal(), HEADS, [0.2, 0.3, 0.5]), r"heads of shape \(3, 2\)"),
        (HeadPrior(Normal(), HEADS, [-0.2, 1.2]), "shares >= 0"),
        (HeadPrior(Normal(-1.0), HEADS, SHARES), "scale"),
    ],
)
def test_parts_that_do_not_fit_are_refused(prior, message):
    with pytest.raises(ValueError, match=message):
        prior.check(2)


def test_both_train_another_estimator(X):
    for prior in (ClassPrior(GaussianMixture(4), SHARES), HeadPrior(Normal(), HEADS, SHARES)):
        assert np.isfinite(AdversarialAutoencoder(prior=prior, **SHORT).fit(X).transform(X)).all()
