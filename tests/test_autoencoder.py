"""What a user of AdversarialAutoencoder relies on."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from torch import nn

from skaae import AdversarialAutoencoder
from skaae._parameters import AutoencoderParameters
from skaae._scaling import ColumnScaling
from skaae.divergences import DIVERGENCES, MMD, JensenShannon
from skaae.losses import LOSSES
from skaae.metrics import reconstruction_error
from skaae.networks import MLP, ConvolutionalEncoder
from skaae.posteriors import POSTERIORS
from skaae.priors import PRIORS, Categorical, GaussianMixture, Normal


def posterior_for(divergence):
    return "gaussian" if divergence == "posterior_kl" else "deterministic"


def assert_works(estimator, X):
    estimator.fit(X)
    codes = estimator.transform(X)
    assert codes.shape == (len(X), estimator.n_components)
    for rows in (codes, estimator.inverse_transform(codes), estimator.sample(7, random_state=0)):
        assert np.isfinite(rows).all()
    assert estimator.sample(7).shape == (7, X.shape[1])
    assert np.isfinite(estimator.score(X))


# ------------------------------------------------------------- every combination of the nouns


@short_fits_may_warn
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_every_prior_works_with_every_divergence(unit_rows, device, prior, divergence):
    estimator = AdversarialAutoencoder(
        prior=prior,
        divergence=divergence,
        posterior=posterior_for(divergence),
        device=device,
        **SHORT,
    )
    if divergence == "posterior_kl" and not hasattr(PRIORS[prior](), "log_density"):
        with pytest.raises(ValueError, match=r"posterior_kl.*needs log p\(z\)"):
            estimator.fit(unit_rows)
    elif divergence == "mutual_information" and not PRIORS[prior].on_simplex:
        with pytest.raises(ValueError, match="expected prior='categorical'"):
            estimator.fit(unit_rows)
    else:
        assert_works(estimator, unit_rows)


@short_fits_may_warn
@pytest.mark.parametrize("n_samples", [2, 3, 5])
@pytest.mark.parametrize("prior", [*PRIORS, Categorical([0.0, 1.0]), np.zeros((3, 2))], ids=str)
def test_a_handful_of_rows_is_enough_for_every_prior(X, prior, n_samples):
    for seed in range(3):
        estimator = AdversarialAutoencoder(prior=prior, **{**SHORT, "random_state": seed})
        assert_works(estimator, X[:n_samples])


class Dice:
    """A user's prior that draws from PyTorch without asking where its randomness comes from."""

    def sample(self, n_samples, n_components):
        return torch.randn(n_samples, n_components)


@short_fits_may_warn
def test_a_prior_may_be_any_object_with_sample(X):
    before = torch.get_rng_state()
    fits = [AdversarialAutoencoder(prior=Dice(), **SHORT) for _ in range(2)]
    for fit in fits:
        assert_works(fit, X)
    assert torch.equal(before, torch.get_rng_state())
    assert (fits[0].transform(X) == fits[1].transform(X)).all()


@short_fits_may_warn
@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_posterior_works_with_every_loss(unit_rows, device, posterior, loss):
    estimator = AdversarialAutoencoder(
        posterior=posterior, reconstruction_loss=loss, device=device, **SHORT
    )
    assert_works(estimator, unit_rows)


@short_fits_may_warn
@pytest.mark.parametrize(
    "prior",
    [
        Normal(scale=5.0),
        GaussianMixture(means=[[-2.0, 0.0], [2.0, 0.0]]),
        stats.t(df=5),
        stats.multivariate_normal([1.0, 2.0], [[1.0, 0.5], [0.5, 1.0]]),
        torch.distributions.Laplace(0.0, 1.0),
        torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)),
        np.random.default_rng(0).normal(size=(50, 2)),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_a_prior_may_be_an_object(X, device, prior):
    assert_works(AdversarialAutoencoder(prior=prior, device=device, **SHORT), X)


@short_fits_may_warn
def test_networks_may_be_convolutional(digits, device):
    rows = digits[0][:64] / 16
    estimator = AdversarialAutoencoder(
        encoder="convolutional", decoder="convolutional", device=device, **SHORT
    )
    assert_works(estimator, rows)


# ------------------------------------------------------------------------------ units of columns


def test_reconstruction_ignores_the_units_of_columns(X):
    """Every column counts alike, whatever it is measured in."""
    units = 10.0 ** np.arange(-6, 7)
    errors = []
    for factor in (1.0, units):
        rows = X * factor + factor
        model = AdversarialAutoencoder(
            5, hidden_layer_sizes=(64, 64), max_iter=30, random_state=0
        ).fit(rows)
        standardised = (model.inverse_transform(model.transform(rows)) - rows) / rows.std(axis=0)
        errors.append(np.mean(standardised**2))
    assert errors[1] == pytest.approx(errors[0], rel=0.05)


def test_a_constant_column_comes_back_exactly(X):
    rows = np.c_[X, np.full(len(X), 0.1), np.full(len(X), 1e12)]
    model = AdversarialAutoencoder(3, **SHORT).fit(rows)
    back = model.inverse_transform(model.transform(rows))
    assert (back[:, -2:] == rows[:, -2:]).all()
    assert (model.sample(5)[:, -2:] == rows[:5, -2:]).all()


@short_fits_may_warn
def test_bernoulli_rows_decode_to_probabilities(unit_rows):
    model = AdversarialAutoencoder(reconstruction_loss="bernoulli", **SHORT).fit(unit_rows)
    rows = model.sample(50)
    assert rows.min() >= 0.0
    assert rows.max() <= 1.0


def test_codes_come_in_the_units_of_the_prior(X):
    model = AdversarialAutoencoder(
        prior=stats.norm(loc=100.0, scale=7.0),
        hidden_layer_sizes=(64, 64),
        max_iter=100,
        random_state=0,
    ).fit(X)
    codes = model.transform(X)
    # 178 rows: the standard error of a mean is 0.5 and that of a deviation 0.4.
    assert codes.mean(axis=0) == pytest.approx([100.0, 100.0], abs=2.0)
    assert codes.std(axis=0) == pytest.approx([7.0, 7.0], abs=2.0)


# -------------------------------------------------------------------------------------- budget


def test_max_iter_is_epochs(X):
    model = AdversarialAutoencoder(**{**SHORT, "max_iter": 7}).fit(X)
    assert model.n_iter_ == len(model.history_) == 7
    assert [entry["epoch"] for entry in model.history_] == list(range(1, 8))


def test_history_holds_every_loss_of_every_epoch(X):
    history = AdversarialAutoencoder(**SHORT).fit(X).history_
    for entry in history:
        assert {"reconstruction", "regularization", "discriminator"} <= entry.keys()
        assert all(np.isfinite(value) for value in entry.values())
    assert history[-1]["learning_rate"] < history[0]["learning_rate"]


def test_training_lowers_the_reconstruction_loss(fitted):
    losses = [entry["reconstruction"] for entry in fitted.history_]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[5:10])


@pytest.mark.parametrize("posterior", ["deterministic", "universal"])
def test_an_image_of_fewer_pixels_than_columns_is_refused(X, posterior):
    encoder = ConvolutionalEncoder((3, 4), channels=(4,))
    model = AdversarialAutoencoder(encoder=encoder, posterior=posterior, **SHORT)
    with pytest.raises(ValueError, match=r"product of 13, the number of columns, got \(3, 4, 1\)"):
        model.fit(X)


# ------------------------------------------------------------------- transform, sample and score


def test_transform_is_pure(fitted, X):
    before = pickle.dumps(fitted)
    first, second = fitted.transform(X), fitted.transform(X)
    fitted.inverse_transform(first)
    fitted.sample(3)
    assert (first == second).all()
    assert pickle.dumps(fitted) == before


def test_sample_draws_afresh_unless_seeded(fitted):
    assert not (fitted.sample(4) == fitted.sample(4)).all()
    assert (fitted.sample(4, random_state=1) == fitted.sample(4, random_state=1)).all()
    assert not (fitted.sample(4, random_state=1) == fitted.sample(4, random_state=2)).all()


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "3", True])
def test_sample_refuses_an_impossible_number(fitted, n_samples):
    with pytest.raises(ValueError, match="n_samples: expected an integer"):
        fitted.sample(n_samples)


def test_score_is_minus_half_the_squared_error_in_scaled_units(fitted, X):
    units = ColumnScaling.fit(X).scale.numpy()
    residual = (X - fitted.inverse_transform(fitted.transform(X))) / units
    assert fitted.score(X) == pytest.approx(-0.5 * (residual**2).sum(axis=1).mean(), rel=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(X, dtype):
    rows = X.astype(dtype)
    model = AdversarialAutoencoder(**SHORT).fit(rows)
    codes = model.transform(rows)
    assert codes.dtype == model.inverse_transform(codes).dtype == model.sample(2).dtype == dtype


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "score"])
def test_unfitted_estimators_say_so(method, X):
    with pytest.raises(NotFittedError):
        getattr(AdversarialAutoencoder(), method)(X)
    with pytest.raises(NotFittedError):
        AdversarialAutoencoder().sample()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        _ = AdversarialAutoencoder().prior_


def test_codes_of_the_wrong_width_are_refused(fitted):
    with pytest.raises(ValueError, match=r"expected codes with 3 columns .* got 2"):
        fitted.inverse_transform([[0.0, 0.0]])


def test_y_is_ignored(X, wine):
    plain = AdversarialAutoencoder(**SHORT).fit(X)
    labelled = AdversarialAutoencoder(**SHORT).fit(X, wine[1])
    assert (plain.transform(X) == labelled.transform(X)).all()


# ---------------------------------------------------------------------------- with scikit-learn


def test_grid_search_reaches_nested_parameters(digits):
    X, y = digits[0][:150], digits[1][:150]
    pipeline = make_pipeline(AdversarialAutoencoder(**SHORT), SVC())
    name = "adversarialautoencoder"
    search = GridSearchCV(
        pipeline,
        [
            {f"{name}__divergence": [MMD()], f"{name}__divergence__kernel": ["rbf"]},
            {
                f"{name}__divergence": [JensenShannon()],
                f"{name}__divergence__n_discriminator_steps": [1, 2],
            },
            {f"{name}__n_components": [2, 3], f"{name}__prior": ["normal", "uniform"]},
        ],
        cv=2,
        error_score="raise",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y)
    assert len(search.cv_results_["params"]) == 7


def test_grid_search_without_labels_uses_the_score(X):
    search = GridSearchCV(
        AdversarialAutoencoder(hidden_layer_sizes=(64, 64), max_iter=60, random_state=0),
        {"n_components": [1, 4]},
        cv=2,
    )
    assert search.fit(X).best_params_ == {"n_components": 4}


@pytest.mark.parametrize("n_components", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_small_tables_are_reconstructed_as_well_as_by_pca(wine, n_components):
    """Held out rows, in standardised units; the network may not learn 133 rows by heart."""
    X = wine[0]
    train, test = X[::2], X[1::2]
    spread = train.std(axis=0)
    model = AdversarialAutoencoder(n_components, random_state=0).fit(train)
    center = train.mean(axis=0)
    pca = PCA(n_components).fit((train - center) / spread)
    ours = (model.inverse_transform(model.transform(test)) - test) / spread
    scaled = (test - center) / spread
    theirs = pca.inverse_transform(pca.transform(scaled)) - scaled
    assert np.mean(ours**2) < 1.05 * np.mean(theirs**2)


def test_factors_and_noise_are_reconstructed_as_well_as_by_pca():
    """Most of a row is noise, spread over all columns alike, and no part of it is to be learnt."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(700, 3)) @ rng.normal(size=(3, 100)) + 2.0 * rng.normal(size=(700, 100))
    train, test = rows[:200], rows[200:]
    model = AdversarialAutoencoder(3, hidden_layer_sizes=(128, 128), random_state=0).fit(train)
    pca = PCA(3).fit(train)
    assert reconstruction_error(model, test) < 1.01 * reconstruction_error(pca, test)


def test_a_builder_of_a_noun_can_be_passed(X):
    model = AdversarialAutoencoder(encoder=MLP((8,), activation="tanh"), **SHORT).fit(X)
    assert any(isinstance(module, nn.Tanh) for module in model.model_.encoder.modules())
    assert "encoder=" in repr(model.model_)
    assert len(repr(model.model_)) < 200


def test_mnist_is_reconstructed_far_better_than_by_pca(mnist, device):
    X_train, _, X_test, _ = mnist
    rows = X_train[:5000]
    model = AdversarialAutoencoder(
        8,
        hidden_layer_sizes=(256, 256),
        learning_rate=4e-3,
        max_iter=15,
        device=device,
        random_state=0,
    ).fit(rows)
    pca, X_test = PCA(8).fit(rows), X_test[:2000]
    assert reconstruction_error(model, X_test) < 0.75 * reconstruction_error(pca, X_test)
    assert model.prior_match_.held_out
    assert model.prior_match_.ratio < 3.0


def test_shared_parameters_have_the_shared_defaults():
    ours, shared = (
        inspect.signature(kind.__init__).parameters
        for kind in (AdversarialAutoencoder, AutoencoderParameters)
    )
    assert {name: ours[name].default for name in shared} == {
        name: parameter.default for name, parameter in shared.items()
    }
    assert set(ours) - set(shared) == {"neighbors_weight", "n_neighbors"}
