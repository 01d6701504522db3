"""Fits that are repeated, copied, pickled, and gone on with."""

import copy
import pickle
import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skaae import AdversarialAutoencoder
from skaae.networks import MLP, ConvolutionalEncoder
from skaae.priors import ScipyPrior

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


@pytest.fixture(scope="module")
def another_process(X, tmp_path_factory):
    """Return the codes of a verbose fit in a process of its own, and what it printed."""
    folder = tmp_path_factory.mktemp("another_process")
    np.save(folder / "X.npy", X)
    program = (
        "import sys, logging, numpy as np, torch; torch.set_num_threads(1); "
        "from skaae import AdversarialAutoencoder; X = np.load(sys.argv[1]); "
        f"model = AdversarialAutoencoder(verbose=1, **{SHORT!r}).fit(X); "
        "assert not logging.getLogger('skaae').handlers; "
        "np.save(sys.argv[2], model.transform(X))"
    )
    paths = [str(folder / "X.npy"), str(folder / "codes.npy")]
    command = [sys.executable, "-W", "ignore", "-c", program, *paths]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return np.load(folder / "codes.npy"), output


def test_a_seed_gives_the_same_codes_in_another_process(X, another_process):
    codes, _ = another_process
    assert (codes == codes_of(0, X)).all()


def test_seeds_differ(X):
    assert not (codes_of(0, X) == codes_of(1, X)).all()
    assert not (codes_of(None, X) == codes_of(None, X)).all()


@pytest.mark.parametrize("seed", [None, 0])
def test_global_generators_are_untouched(X, global_states, seed):
    before = global_states()
    model = AdversarialAutoencoder(**{**SHORT, "random_state": seed}).fit(X)
    model.transform(X)
    model.sample(3)
    model.partial_fit(X)
    assert global_states() == before


def with_dropout(n_inputs, n_outputs):
    return nn.Sequential(nn.Linear(n_inputs, 8), nn.Dropout(0.5), nn.Linear(8, n_outputs))


@short_fits_may_warn
@pytest.mark.parametrize(
    "encoder",
    [with_dropout, ConvolutionalEncoder(channels=(4,), max_shift=1)],
    ids=["dropout", "moved images"],
)
def test_global_generators_are_untouched_by_a_network_that_draws(digits, global_states, encoder):
    X = digits[0][:64]
    before = global_states()
    fits = [AdversarialAutoencoder(encoder=encoder, **SHORT).fit(X) for _ in range(2)]
    assert global_states() == before
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


def test_verbose_fits_print_where_logging_is_not_set_up(another_process):
    _, output = another_process
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
    model = AdversarialAutoencoder(
        warm_start=True, hidden_layer_sizes=(64, 64), max_iter=60, random_state=0
    ).fit(X)
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
    with pytest.warns(ConvergenceWarning, match="epoch 6: a loss was not finite.*of epoch 5"):
        model.partial_fit(X)
    assert (model.transform(X) == codes).all()
    assert model.n_samples_seen_ == n_seen
    assert (model.n_iter_, model.best_iter_) == (6, 5)
    model.set_params(learning_rate=1e-4).partial_fit(X)
    assert np.isfinite(model.transform(X)).all()


def test_partial_fit_that_is_interrupted_goes_on_as_if_it_had_not_been_called(X, monkeypatch):
    """Weights, moments of the optimisers and what was drawn are those before it."""
    model = AdversarialAutoencoder(3, random_state=0).partial_fit(X)
    undisturbed = AdversarialAutoencoder(3, random_state=0).partial_fit(X)
    after_one_step = iter([False, True])
    original = type(model._step).__call__

    def interrupted(step, batch):
        if next(after_one_step):
            raise KeyboardInterrupt
        return original(step, batch)

    monkeypatch.setattr(type(model._step), "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X)
    monkeypatch.undo()
    ours, theirs = model._step.moments(), undisturbed._step.moments()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert (model.transform(X) == undisturbed.transform(X)).all()
    for one in (model, undisturbed):
        one.partial_fit(X)
    assert (model.transform(X) == undisturbed.transform(X)).all()


@short_fits_may_warn
def test_partial_fit_that_ends_before_its_pass_leaves_a_model_that_answers(X, monkeypatch):
    model = AdversarialAutoencoder(encoder=MLP((16,), batch_norm=True), **SHORT).fit(X)
    codes = model.transform(X)

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skaae._incremental.batches_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X)
    np.testing.assert_array_equal(model.transform(X), codes)


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
def test_warm_start_refuses_to_make_a_map_of_what_is_none(unit_rows):
    model = AdversarialAutoencoder(warm_start=True, **SHORT).fit(unit_rows)
    with pytest.raises(ValueError, match=r"expected encoder \(or neighbors_weight\)="):
        model.set_params(neighbors_weight=1.0).fit(unit_rows)


@short_fits_may_warn
def test_warm_start_refuses_other_layers(unit_rows):
    model = AdversarialAutoencoder(warm_start=True, **SHORT).fit(unit_rows)
    with pytest.raises(
        ValueError, match=r"warm_start=True: expected encoder \(or hidden_layer_sizes\)="
    ):
        model.set_params(hidden_layer_sizes=(7, 7)).fit(unit_rows)


@short_fits_may_warn
def test_warm_start_takes_a_distribution_of_scipy(unit_rows):
    prior = ScipyPrior(stats.t(df=5))
    model = AdversarialAutoencoder(prior=prior, warm_start=True, **SHORT).fit(unit_rows)
    before = model.transform(unit_rows)
    model.set_params(learning_rate=1e-12, weight_decay=0.0, max_iter=1).fit(unit_rows)
    np.testing.assert_allclose(model.transform(unit_rows), before, atol=1e-6)


@short_fits_may_warn
@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({"prior": stats.norm()}, {"prior": stats.norm(100, 50)}, "prior=the distribution"),
        ({"prior": stats.t(df=5)}, {"prior": stats.uniform()}, "prior=the distribution"),
        ({"encoder": MLP((8,))}, {"encoder": MLP((8,), activation="tanh")}, "encoder .*ReLU"),
        (
            {"encoder": ConvolutionalEncoder((13, 1), channels=(4,), max_shift=1)},
            {"encoder": ConvolutionalEncoder((13, 1), channels=(4,), max_shift=2)},
            "encoder .*most=1",
        ),
    ],
)
def test_warm_start_refuses_what_only_looks_alike(unit_rows, before, after, message):
    model = AdversarialAutoencoder(warm_start=True, **SHORT, **before).fit(unit_rows)
    with pytest.raises(ValueError, match=f"(?s)warm_start=True: expected {message}"):
        model.set_params(**after).fit(unit_rows)


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
