"""When training stops, what it warns of, and what is refused."""

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from scipy import stats
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skaae import AdversarialAutoencoder, ConditionalAdversarialAutoencoder

# ---------------------------------------------------------------- stopping and the prior's match


def test_early_stopping_restores_the_best_epoch(digits):
    rows = digits[0][:400]
    model = AdversarialAutoencoder(
        4,
        hidden_layer_sizes=(64, 64),
        early_stopping=True,
        n_iter_no_change=3,
        tol=0.01,
        max_iter=300,
        random_state=0,
    ).fit(rows)
    looks = {e["epoch"]: e["criterion"] for e in model.history_ if "criterion" in e}
    assert model.best_iter_ == min(looks, key=looks.get)
    assert model.n_iter_ < 300
    assert model.prior_match_.held_out


def test_early_stopping_needs_rows_to_hold_out(X):
    with pytest.raises(ValueError, match="expected at least 2 there"):
        AdversarialAutoencoder(early_stopping=True, **SHORT).fit(X[:10])


def test_the_prior_match_of_a_good_fit_is_close_to_its_reference(fitted):
    match = fitted.prior_match_
    assert match.ratio < 1.5
    assert not match.mismatched
    assert match.n_samples == 178
    assert not match.held_out


def test_many_rows_are_held_out_for_the_prior_match():
    rows = np.random.default_rng(0).normal(size=(2000, 3))
    match = AdversarialAutoencoder(**SHORT).fit(rows).prior_match_
    assert match.held_out
    assert match.n_samples == 200


def test_a_mismatch_warns_and_says_what_to_change(digits):
    model = AdversarialAutoencoder(
        divergence_weight=0.0, hidden_layer_sizes=(64, 64), max_iter=50, random_state=0
    )
    rows = digits[0][:300] ** 3  # codes free to spread wherever reconstruction likes them
    with pytest.warns(ConvergenceWarning, match=r"Raise divergence_weight \(it was 0\)"):
        model.set_params(prior="swiss_roll").fit(rows)


@short_fits_may_warn
def test_what_auto_came_to_gives_the_same_fit(X):
    auto = AdversarialAutoencoder(**SHORT).fit(X)
    same = AdversarialAutoencoder(divergence_weight=auto.divergence_weight_, **SHORT).fit(X)
    other = AdversarialAutoencoder(divergence_weight=3 * auto.divergence_weight_, **SHORT).fit(X)
    assert np.array_equal(auto.transform(X), same.transform(X))
    assert not np.array_equal(auto.transform(X), other.transform(X))


def test_collapsed_codes_warn(X):
    rows = np.repeat(X[:, :1], 3, axis=1)  # one direction of variation, three components
    with pytest.warns(ConvergenceWarning, match=r"collapsed.*Lower n_components"):
        AdversarialAutoencoder(3, max_iter=20, random_state=0).fit(rows)


def test_a_loss_that_is_not_finite_ends_at_a_good_state(X):
    def builder(n_inputs, n_outputs):
        return Exploding(n_inputs, n_outputs)

    with pytest.warns(ConvergenceWarning, match="a loss was not finite"):
        model = AdversarialAutoencoder(
            encoder=builder, device="cpu", max_iter=200, batch_size=178, random_state=0
        ).fit(X)
    assert np.isfinite(model.transform(X)).all()
    assert model.best_iter_ == 50


class Exploding(nn.Linear):
    """Linear for 60 training batches, then infinite."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__(n_inputs, n_outputs)
        self.n_calls = 0

    def forward(self, x):
        self.n_calls += self.training
        return super().forward(x) * (float("inf") if self.training and self.n_calls > 60 else 1.0)


# ------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"prior": "gauss"}, "'prior' parameter .* must be a str among"),
        ({"divergence": "js"}, "'divergence' parameter .* must be a str among"),
        ({"posterior": "delta"}, "'posterior' parameter .* must be a str among"),
        ({"reconstruction_loss": "mse"}, "'reconstruction_loss' parameter .* must be a str among"),
        ({"encoder": "cnn"}, "'encoder' parameter .* must be a str among"),
        ({"n_components": 0}, "'n_components' parameter .* must be an int"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"hidden_layer_sizes": (8, -1)}, "hidden_layer_sizes: expected a sequence of positive"),
        ({"hidden_layer_sizes": (8.5,)}, "hidden_layer_sizes: expected a sequence of positive"),
        ({"device": "abacus"}, "device must be 'auto' or a name"),
        ({"prior": np.zeros((5, 3))}, r"n_components=2\), got \(5, 3\)"),
        ({"prior": stats.multivariate_normal(np.zeros(3))}, "n_components=2"),
        (
            {"prior": torch.distributions.MultivariateNormal(torch.zeros(3), torch.eye(3))},
            "n_components=2",
        ),
        ({"prior": np.full((5, 2), np.nan)}, "NaN or infinity"),
        ({"prior": "swiss_roll", "n_components": 5}, "exists in 2 or 3 dimensions"),
        ({"prior": "categorical", "n_components": 1}, "n_components >= 2"),
        ({"divergence": "posterior_kl"}, "expected posterior='gaussian'"),
        (
            {"encoder": lambda i, o: nn.Linear(i, o + 1)},
            r"encoder: .* to \(2, 2\), but answered \(2, 3\)",
        ),
        ({"decoder": lambda i, o: nn.Linear(i, 1)}, r"decoder: .* to \(2, 13\)"),
        ({"encoder": "convolutional"}, "square grey or colour images, got 13 columns"),
    ],
)
def test_a_bad_parameter_is_refused_at_fit_and_named(X, parameters, message):
    with pytest.raises(ValueError, match=message):
        AdversarialAutoencoder(**{**SHORT, **parameters}).fit(X)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros(5), "Expected 2D array"),
        (np.zeros((1, 3)), "minimum of 2 is required"),
        (np.zeros((3, 0)), "0 feature"),
        (np.array([[0.0, np.nan], [1.0, 2.0]]), "contains NaN"),
        (np.array([[0.0, np.inf], [1.0, 2.0]]), "infinity"),
    ],
)
def test_bad_rows_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        AdversarialAutoencoder(**SHORT).fit(rows)


def test_bernoulli_refuses_values_outside_0_and_1(X):
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\], got values from"):
        AdversarialAutoencoder(reconstruction_loss="bernoulli", **SHORT).fit(X)


@short_fits_may_warn
@pytest.mark.parametrize("as_given", [np.asarray, torch.as_tensor, csr_array])
@pytest.mark.parametrize("case", [AdversarialAutoencoder, ConditionalAdversarialAutoencoder])
def test_bernoulli_judges_no_values_outside_0_and_1(unit_rows, case, as_given):
    """Their log-likelihood may be above zero."""
    y = np.arange(len(unit_rows)) % 2
    model = case(reconstruction_loss="bernoulli", **SHORT).fit(unit_rows, y)
    assert model.score(as_given(unit_rows), y) < 0.0
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\], got values from"):
        model.score(as_given(16.0 * unit_rows), y)


def test_a_builder_that_returns_no_module_is_a_type_error(X):
    with pytest.raises(TypeError, match=r"encoder: .*got str"):
        AdversarialAutoencoder(encoder=lambda i, o: "network", **SHORT).fit(X)


@pytest.mark.parametrize(
    ("parameters", "rows"),
    [
        ({"prior": "gauss"}, None),
        ({"encoder": lambda i, o: nn.Linear(i, 1)}, None),
        ({}, np.ones((4, 2)) * np.nan),
    ],
)
def test_a_failed_fit_leaves_a_fitted_estimator_as_it_was(X, parameters, rows):
    model = AdversarialAutoencoder(**SHORT).fit(X)
    codes, n_features = model.transform(X), model.n_features_in_
    model.set_params(**parameters)
    with pytest.raises(ValueError, match=r"."):
        model.fit(X[:, :4] if rows is None else rows)
    assert model.n_features_in_ == n_features
    assert (model.transform(X) == codes).all()


@short_fits_may_warn
def test_parameters_set_after_fit_do_not_change_the_fit(unit_rows):
    model = AdversarialAutoencoder(reconstruction_loss="bernoulli", **SHORT).fit(unit_rows)
    rows = model.inverse_transform([[0.0, 0.0]])
    model.set_params(reconstruction_loss="squared_error")
    assert (model.inverse_transform([[0.0, 0.0]]) == rows).all()
