"""Fits that are killed within an epoch go on from there, to the same bits."""

import pytest
import torch
from estimator_cases import ESTIMATORS, short_fits_may_warn
from safetensors.torch import load_file
from sklearn.base import clone

from skaae import AdversarialAutoencoder
from skaae.checkpoints import resumable
from skaae.divergences import JensenShannon
from skaae.training._pass import Pass

pytestmark = short_fits_may_warn

# Of 178 rows in batches of 20 there are nine an epoch.
N_BATCHES = 9


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def kill(monkeypatch):
    """Return a function that ends fits in a step; it returns a list with an item a step done."""
    original = Pass.add

    def in_step(number=None):
        done = []

        def add(self, losses):
            if len(done) + 1 == number:
                raise Killed
            done.append(losses)
            original(self, losses)

        monkeypatch.setattr(Pass, "add", add)
        return done

    return in_step


def fit_until(kill, number, model, folder, data):
    kill(number)
    with pytest.raises(Killed), resumable(folder, every=1e-9):
        model.fit(*data)
    return kill()


def assert_same(ours, theirs):
    for a, b in zip(ours.history_, theirs.history_):
        assert {**a, "seconds": 0.0} == {**b, "seconds": 0.0}
    for a, b in zip(ours.model_.state_dict().values(), theirs.model_.state_dict().values()):
        assert torch.equal(a, b)


@pytest.mark.parametrize("step", [2, N_BATCHES, 2 * N_BATCHES - 3, 3 * N_BATCHES])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_goes_on_from_the_batch_it_was_killed_at(name, step, wine, tmp_path, kill):
    model = clone(ESTIMATORS[name]).set_params(batch_size=20)
    done = fit_until(kill, step, clone(model), tmp_path, wine)
    with resumable(tmp_path, every=1e-9):
        resumed = clone(model).fit(*wine)
    assert len(done) == 3 * N_BATCHES - (step - 1)
    assert_same(resumed, clone(model).fit(*wine))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"early_stopping": True, "n_iter_no_change": 2},
        {"neighbors_weight": 1.0},
        {"divergence": "wasserstein", "posterior": "gaussian"},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_all_that_moves_within_an_epoch_is_kept(changes, wine, tmp_path, kill):
    model = AdversarialAutoencoder(
        2, hidden_layer_sizes=(16,), max_iter=9, batch_size=20, random_state=0, **changes
    )
    fit_until(kill, 33, clone(model), tmp_path, wine)
    with resumable(tmp_path, every=1e-9):
        resumed = clone(model).fit(*wine)
    assert_same(resumed, clone(model).fit(*wine))


def test_each_process_goes_on_from_the_newest_and_two_files_are_kept(wine, tmp_path, kill):
    model = clone(ESTIMATORS["autoencoder"]).set_params(batch_size=20)
    places = []
    for step in (4, N_BATCHES + 1, N_BATCHES + 3):  # of its process: 3, 12 and 23 are done by then
        fit_until(kill, step, clone(model), tmp_path, wine)
        newest = max(tmp_path.iterdir())
        places.append(tuple(map(int, newest.stem.split("-")[-2:])))
        assert len(list(tmp_path.iterdir())) == 2
    assert places == [(0, 3), (1, 3), (2, 5)]


def test_none_is_written_within_an_epoch_where_each_epoch_has_one(wine, tmp_path, kill):
    model = clone(ESTIMATORS["autoencoder"]).set_params(batch_size=20)
    kill(N_BATCHES + 4)
    with pytest.raises(Killed), resumable(tmp_path, every=0.0):
        model.fit(*wine)
    (path,) = tmp_path.iterdir()
    assert path.stem.endswith("-00000001-00000000")
    assert not any(name.startswith("pass.") for name in load_file(path))


class InBfloat16(JensenShannon):
    """A divergence whose loss stays in the precision of its discriminator."""

    def discriminator_loss(self, *samples, **parts):
        return super().discriminator_loss(*samples, **parts).bfloat16()


def test_losses_in_bfloat16_are_kept_too(wine, tmp_path, kill):
    model = clone(ESTIMATORS["autoencoder"]).set_params(batch_size=20, divergence=InBfloat16())
    fit_until(kill, 5, clone(model), tmp_path, wine)
    with resumable(tmp_path, every=1e-9):
        resumed = clone(model).fit(*wine)
    assert_same(resumed, clone(model).fit(*wine))
