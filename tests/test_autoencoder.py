"""What a user of AdversarialAutoencoder relies on."""

import copy
import pickle
import subprocess
import sys
import threading
import warnings

import joblib
import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from torch import nn

from skaae import AdversarialAutoencoder
from skaae.divergences import DIVERGENCES, MMD, JensenShannon
from skaae.losses import LOSSES
from skaae.metrics import reconstruction_error
from skaae.networks import MLP
from skaae.posteriors import POSTERIORS
from skaae.priors import PRIORS, Categorical, GaussianMixture, Normal, ScipyPrior

SHORT = {"max_iter": 3, "hidden_layer_sizes": (16,), "random_state": 0}

short_fits_may_warn = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def posterior_for(divergence):
    return "gaussian" if divergence == "posterior_kl" else "deterministic"


@pytest.fixture(scope="module")
def X(wine):
    return wine[0]


@pytest.fixture(scope="module")
def unit_rows(X):
    return (X - X.min(axis=0)) / np.ptp(X, axis=0)


@pytest.fixture(scope="module")
def fitted(X, device):
    return AdversarialAutoencoder(3, device=device, max_iter=100, random_state=0).fit(X)


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
        model = AdversarialAutoencoder(5, max_iter=100, random_state=0).fit(rows)
        standardised = (model.inverse_transform(model.transform(rows)) - rows) / rows.std(axis=0)
        errors.append(np.mean(standardised**2))
    assert errors[1] == pytest.approx(errors[0], rel=0.05)


def test_a_constant_column_comes_back_exactly(X):
    rows = np.c_[X, np.full(len(X), 0.1), np.full(len(X), 1e12)]
    model = AdversarialAutoencoder(3, **SHORT).fit(rows)
    back = model.inverse_transform(model.transform(rows))
    assert (back[:, -2:] == rows[:, -2:]).all()
    assert (model.sample(5)[:, -2:] == rows[:5, -2:]).all()


def test_bernoulli_rows_decode_to_probabilities(unit_rows):
    model = AdversarialAutoencoder(reconstruction_loss="bernoulli", **SHORT).fit(unit_rows)
    rows = model.sample(50)
    assert rows.min() >= 0.0
    assert rows.max() <= 1.0


def test_codes_come_in_the_units_of_the_prior(X):
    model = AdversarialAutoencoder(
        prior=stats.norm(loc=100.0, scale=7.0), max_iter=200, random_state=0
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


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "3"])
def test_sample_refuses_an_impossible_number(fitted, n_samples):
    with pytest.raises(ValueError, match="n_samples: expected an integer"):
        fitted.sample(n_samples)


def test_score_is_minus_half_the_squared_error_in_scaled_units(fitted, X):
    spread = np.maximum(X.std(axis=0), np.ptp(X, axis=0) / fitted_range())
    residual = (X - fitted.inverse_transform(fitted.transform(X))) / spread
    assert fitted.score(X) == pytest.approx(-0.5 * (residual**2).sum(axis=1).mean(), rel=1e-4)


def fitted_range():
    from skaae import _scaling

    return _scaling._WIDEST_RANGE


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


def test_codes_of_the_wrong_width_are_refused(fitted):
    with pytest.raises(ValueError, match=r"expected codes with 3 columns .* got 2"):
        fitted.inverse_transform([[0.0, 0.0]])


def test_y_is_ignored(X, wine):
    plain = AdversarialAutoencoder(**SHORT).fit(X)
    labelled = AdversarialAutoencoder(**SHORT).fit(X, wine[1])
    assert (plain.transform(X) == labelled.transform(X)).all()


# ------------------------------------------------------------------------------ reproducibility


def codes_of(seed, X):
    return AdversarialAutoencoder(**{**SHORT, "random_state": seed}).fit(X).transform(X)


def test_a_seed_gives_the_same_codes_in_two_threads_at_once(X):
    results = [None, None]

    def work(index):
        results[index] = codes_of(0, X)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (results[0] == codes_of(0, X)).all()
    assert (results[1] == results[0]).all()


def test_a_seed_gives_the_same_codes_in_another_process(X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    program = (
        "import sys, numpy as np, torch; torch.set_num_threads(1); "
        "from skaae import AdversarialAutoencoder; X = np.load(sys.argv[1]); "
        f"model = AdversarialAutoencoder(**{SHORT!r}).fit(X); "
        "np.save(sys.argv[2], model.transform(X))"
    )
    paths = [str(tmp_path / "X.npy"), str(tmp_path / "codes.npy")]
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, *paths], check=True)
    assert (np.load(tmp_path / "codes.npy") == codes_of(0, X)).all()


def test_seeds_differ(X):
    assert not (codes_of(0, X) == codes_of(1, X)).all()
    assert not (codes_of(None, X) == codes_of(None, X)).all()


@pytest.mark.parametrize("seed", [None, 0])
def test_global_generators_are_untouched(X, seed):
    numpy_before, torch_before = np.random.get_state(), torch.get_rng_state()
    model = AdversarialAutoencoder(**{**SHORT, "random_state": seed}).fit(X)
    model.transform(X)
    model.sample(3)
    model.partial_fit(X)
    numpy_after = np.random.get_state()
    assert (numpy_before[1] == numpy_after[1]).all()
    assert numpy_before[2] == numpy_after[2]
    assert torch.equal(torch_before, torch.get_rng_state())


@short_fits_may_warn
def test_global_generators_are_untouched_by_a_network_with_dropout(X):
    def builder(n_inputs, n_outputs):
        return nn.Sequential(nn.Linear(n_inputs, 8), nn.Dropout(0.5), nn.Linear(8, n_outputs))

    before = torch.get_rng_state()
    fits = [AdversarialAutoencoder(encoder=builder, **SHORT).fit(X) for _ in range(2)]
    assert torch.equal(before, torch.get_rng_state())
    assert (fits[0].transform(X) == fits[1].transform(X)).all()


def test_thread_settings_are_left_alone(X):
    before = torch.get_num_threads()
    AdversarialAutoencoder(**SHORT).fit(X)
    assert torch.get_num_threads() == before


def test_fit_is_silent_unless_asked(X, capfd, caplog):
    AdversarialAutoencoder(**SHORT).fit(X)
    assert capfd.readouterr() == ("", "")
    assert not caplog.messages
    AdversarialAutoencoder(verbose=1, **SHORT).fit(X)
    assert len(caplog.messages) == 3
    assert caplog.messages[0].startswith("epoch 1 of 3: reconstruction ")


def test_verbose_fits_print_where_logging_is_not_set_up():
    program = (
        "import numpy as np, logging; from skaae import AdversarialAutoencoder; "
        f"X = np.eye(8); AdversarialAutoencoder(verbose=1, **{SHORT!r}).fit(X); "
        "assert not logging.getLogger('skaae').handlers"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert [line.split(":")[0] for line in output.splitlines()] == [
        "epoch 1 of 3",
        "epoch 2 of 3",
        "epoch 3 of 3",
    ]


# ------------------------------------------------------------------ copies, pickles, going on


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_duplicates_give_the_same_codes(fitted, X, duplicate):
    assert (duplicate(fitted).transform(X) == fitted.transform(X)).all()


def test_joblib_gives_the_same_codes(fitted, X, tmp_path):
    joblib.dump(fitted, tmp_path / "model.joblib")
    assert (joblib.load(tmp_path / "model.joblib").transform(X) == fitted.transform(X)).all()


def test_a_model_of_an_absent_device_loads_on_the_cpu(X):
    """What a GPU's pickle meets on a machine without one."""
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    model = AdversarialAutoencoder(**SHORT).fit(X)
    codes = model.transform(X)
    state = model.__getstate__()
    state["device_"] = torch.device("cuda")
    loaded = AdversarialAutoencoder()
    loaded.__setstate__(state)
    assert loaded.device_.type == "cpu"
    assert (loaded.transform(X) == codes).all()


def test_codes_of_a_gpu_model_agree_on_the_cpu(X, device):
    if device == "cpu":
        pytest.skip("needs --device cuda")
    model = AdversarialAutoencoder(3, device=device, random_state=0).fit(X)
    codes = model.transform(X)
    loaded = pickle.loads(pickle.dumps(model))
    loaded.model_.cpu()
    loaded.device_ = torch.device("cpu")
    assert loaded.transform(X) == pytest.approx(codes, abs=1e-4)


def test_clone_copies_parameters_and_not_the_fit(fitted):
    cloned = clone(fitted)
    assert cloned.n_components == 3
    assert not hasattr(cloned, "model_")


def test_partial_fit_goes_on(X):
    model = AdversarialAutoencoder(3, random_state=0).partial_fit(X)
    first = model.score(X)
    for _ in range(30):
        model.partial_fit(X)
    assert model.n_iter_ == len(model.history_) == 31
    assert model.n_samples_seen_ == 31 * len(X)
    assert model.score(X) > first


def test_partial_fit_goes_on_after_fit_and_after_a_pickle(fitted, X):
    model = copy.deepcopy(fitted).partial_fit(X)
    assert model.n_iter_ == fitted.n_iter_ + 1
    again = pickle.loads(pickle.dumps(model)).partial_fit(X)
    # One pass at the full rate moves an annealed model a little, not back to the start.
    assert again.score(X) > 2.0 * fitted.score(X)


def test_partial_fit_refuses_other_columns(X):
    model = AdversarialAutoencoder(**SHORT).partial_fit(X)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :5])


def test_warm_start_goes_on_and_leaves_the_old_model_alone(X):
    model = AdversarialAutoencoder(warm_start=True, max_iter=60, random_state=0).fit(X)
    old, score = model.model_, model.score(X)
    codes = model.transform(X)
    model.set_params(max_iter=1, learning_rate=1e-6).fit(X)
    assert model.model_ is not old
    assert model.transform(X) == pytest.approx(codes, abs=0.05)
    assert model.score(X) == pytest.approx(score, rel=0.05)


def test_partial_fit_survives_a_batch_that_cannot_be_learnt(X):
    """Weights, counts and optimiser are those before it."""
    model = AdversarialAutoencoder(max_iter=5, random_state=0).fit(X.astype(np.float32))
    codes, n_seen = model.transform(X), model.n_samples_seen_
    model.set_params(learning_rate=1e30)
    with pytest.warns(ConvergenceWarning, match="not finite"):
        model.partial_fit(X)
    assert (model.transform(X) == codes).all()
    assert model.n_samples_seen_ == n_seen
    model.set_params(learning_rate=1e-4).partial_fit(X)
    assert np.isfinite(model.transform(X)).all()


def test_partial_fit_keeps_the_loss_it_began_with(X):
    model = AdversarialAutoencoder(**SHORT).fit(X)
    model.set_params(reconstruction_loss="bernoulli").partial_fit(X)
    assert model.inverse_transform([[0.0, 0.0]]).max() > 100.0


@pytest.mark.parametrize(
    "changed", [{"reconstruction_loss": "bernoulli"}, {"prior": "uniform"}, {"divergence": "mmd"}]
)
def test_warm_start_refuses_other_nouns(unit_rows, changed):
    model = AdversarialAutoencoder(warm_start=True, **SHORT).fit(unit_rows)
    with pytest.raises(ValueError, match=rf"warm_start=True: expected {next(iter(changed))}="):
        model.set_params(**changed).fit(unit_rows)


def test_warm_start_refuses_another_size(X):
    model = AdversarialAutoencoder(2, warm_start=True, **SHORT).fit(X)
    with pytest.raises(ValueError, match="warm_start=True: expected n_components=2"):
        model.set_params(n_components=3).fit(X)


@short_fits_may_warn
def test_warm_start_refuses_other_layers(unit_rows):
    model = AdversarialAutoencoder(warm_start=True, **SHORT).fit(unit_rows)
    with pytest.raises(ValueError, match="warm_start=True: expected sizes of weights="):
        model.set_params(hidden_layer_sizes=(7, 7)).fit(unit_rows)


@short_fits_may_warn
def test_warm_start_takes_a_distribution_of_scipy(unit_rows):
    prior = ScipyPrior(stats.t(df=5))
    model = AdversarialAutoencoder(prior=prior, warm_start=True, **SHORT).fit(unit_rows)
    before = model.transform(unit_rows)
    model.set_params(learning_rate=1e-12, weight_decay=0.0, max_iter=1).fit(unit_rows)
    np.testing.assert_allclose(model.transform(unit_rows), before, atol=1e-6)


@short_fits_may_warn
def test_partial_fit_heeds_parameters_set_between_calls(unit_rows):
    model = AdversarialAutoencoder(**SHORT).partial_fit(unit_rows)
    before = model.transform(unit_rows)
    model.set_params(learning_rate=1e-12, weight_decay=0.0).partial_fit(unit_rows)
    np.testing.assert_allclose(model.transform(unit_rows), before, atol=1e-6)
    model.set_params(learning_rate=1e-2).partial_fit(unit_rows)
    assert np.abs(model.transform(unit_rows) - before).max() > 1e-2


@short_fits_may_warn
def test_a_user_module_is_not_trained_in_place(X):
    encoder = nn.Linear(13, 2)
    weight = encoder.weight.detach().clone()
    AdversarialAutoencoder(encoder=encoder, **SHORT).fit(X)
    assert torch.equal(encoder.weight, weight)


# ---------------------------------------------------------------- stopping and the prior's match


def test_early_stopping_restores_the_best_epoch(digits):
    rows = digits[0][:400]
    model = AdversarialAutoencoder(
        4, early_stopping=True, n_iter_no_change=3, tol=0.01, max_iter=300, random_state=0
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
    model = AdversarialAutoencoder(divergence_weight=0.0, max_iter=150, random_state=0)
    rows = digits[0][:300] ** 3  # codes free to spread wherever reconstruction likes them
    with pytest.warns(ConvergenceWarning, match="Raise divergence_weight"):
        model.set_params(prior="swiss_roll").fit(rows)


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


def test_parameters_set_after_fit_do_not_change_the_fit(unit_rows):
    model = AdversarialAutoencoder(reconstruction_loss="bernoulli", **SHORT).fit(unit_rows)
    rows = model.inverse_transform([[0.0, 0.0]])
    model.set_params(reconstruction_loss="squared_error")
    assert (model.inverse_transform([[0.0, 0.0]]) == rows).all()


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
        AdversarialAutoencoder(max_iter=60, random_state=0), {"n_components": [1, 4]}, cv=2
    )
    assert search.fit(X).best_params_ == {"n_components": 4}


@pytest.mark.parametrize("n_components", [2, 5])
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


def test_a_builder_of_a_noun_can_be_passed(X):
    model = AdversarialAutoencoder(encoder=MLP((8,), activation="tanh"), **SHORT).fit(X)
    assert any(isinstance(module, nn.Tanh) for module in model.model_.encoder.modules())
    assert "encoder=" in repr(model.model_)
    assert len(repr(model.model_)) < 200


def test_mnist_is_reconstructed_far_better_than_by_pca(mnist, device):
    X_train, _, X_test, _ = mnist
    rows = X_train[:5000]
    model = AdversarialAutoencoder(8, max_iter=30, device=device, random_state=0).fit(rows)
    pca = PCA(8).fit(rows)
    assert reconstruction_error(model, X_test) < 0.75 * reconstruction_error(pca, X_test)
    assert model.prior_match_.held_out
    assert model.prior_match_.ratio < 3.0
