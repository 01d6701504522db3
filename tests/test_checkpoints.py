"""Fits that are killed go on, to the same bits; files that cannot be trusted are not."""

import errno
import io
import json
import os
from pathlib import Path

import pytest
import torch
from estimator_cases import ESTIMATORS, SHORT, short_fits_may_warn
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from torch import nn

from skaae import AdversarialAutoencoder, checkpoints
from skaae.checkpoints import resumable
from skaae.distributed import Ranks
from skaae.networks import MLP
from skaae.training import _loop

pytestmark = short_fits_may_warn


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def kill(monkeypatch):
    """Return a function that ends fits in an epoch; it returns a list of the epochs trained."""
    original = _loop._Run._pass

    def in_epoch(number=None):
        trained = []

        def run_pass(run):
            epoch = len(run.history) + 1
            result = original(run)
            if epoch == number:
                raise Killed
            trained.append(epoch)
            return result

        monkeypatch.setattr(_loop._Run, "_pass", run_pass)
        return trained

    return in_epoch


@pytest.fixture
def files(tmp_path):
    """Return a function that lists the checkpoints there are, the oldest first."""
    return lambda: sorted(tmp_path.iterdir())


def fit_until(kill, number, model, folder, *data):
    """Fit `model` until it is killed in an epoch."""
    kill(number)
    with pytest.raises(Killed), resumable(folder, every=0.0):
        model.fit(*data)
    return kill()


def without_seconds(history):
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in history]


def assert_same(ours, theirs):
    assert without_seconds(ours.history_) == without_seconds(theirs.history_)
    pairs = zip(ours.model_.state_dict().values(), theirs.model_.state_dict().values())
    assert all(torch.equal(a, b) for a, b in pairs)
    assert (ours.sample(5, random_state=0) == theirs.sample(5, random_state=0)).all()


# ------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_that_was_killed_goes_on_to_the_same_bits(name, wine, tmp_path, kill, files):
    trained = fit_until(kill, 3, clone(ESTIMATORS[name]), tmp_path, *wine)
    assert len(files()) == 2
    with resumable(tmp_path, every=0.0):
        model = clone(ESTIMATORS[name]).fit(*wine)
    assert trained == [3]
    assert files() == []
    assert_same(model, clone(ESTIMATORS[name]).fit(*wine))


@pytest.mark.parametrize(
    "changes",
    [
        {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 60},
        {"posterior": "hierarchical", "divergence": "mmd"},
        {"encoder": MLP((8,), batch_norm=True), "divergence": "wasserstein"},
        {"encoder": "convolutional", "decoder": "convolutional"},
        {"neighbors_weight": 1.0},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_all_that_moves_in_training_is_kept(changes, digits, tmp_path, kill, monkeypatch):
    monkeypatch.setattr(_loop, "_STEPS_BETWEEN_LOOKS", 1)
    X = digits[0][:128]
    model = AdversarialAutoencoder(2, **{**SHORT, "max_iter": 4, **changes})
    fit_until(kill, 3, clone(model), tmp_path, X)
    with resumable(tmp_path, every=0.0):
        resumed = clone(model).fit(X)
    assert_same(resumed, clone(model).fit(X))


def test_recoveries_are_kept(X, tmp_path, kill, monkeypatch):
    original = _loop._Run._epoch

    def lose_second(run):
        entry, finite = original(run)
        return entry, finite and entry["epoch"] != 2

    monkeypatch.setattr(_loop._Run, "_epoch", lose_second)
    model = AdversarialAutoencoder(**{**SHORT, "max_iter": 4})
    fit_until(kill, 4, clone(model), tmp_path, X)
    with resumable(tmp_path, every=0.0):
        resumed = clone(model).fit(X)
    assert [entry["learning_rate"] for entry in resumed.history_][2] < 0.5
    assert_same(resumed, clone(model).fit(X))


def test_a_fit_without_a_seed_goes_on_with_the_one_it_drew(X, tmp_path, kill, monkeypatch):
    monkeypatch.setattr("skaae._device.secrets.randbits", lambda n: 17)
    model = AdversarialAutoencoder(**{**SHORT, "random_state": None})
    whole = clone(model).fit(X)
    fit_until(kill, 3, clone(model), tmp_path, X)
    monkeypatch.setattr("skaae._device.secrets.randbits", lambda n: 18)
    with resumable(tmp_path, every=0.0):
        assert_same(clone(model).fit(X), whole)


def test_after_ctrl_c_the_same_call_goes_on(X, tmp_path, monkeypatch, kill):
    original = _loop._Run._pass

    def interrupted(run):
        if len(run.history) == 2:
            raise KeyboardInterrupt
        return original(run)

    monkeypatch.setattr(_loop._Run, "_pass", interrupted)
    model = AdversarialAutoencoder(**SHORT)
    with resumable(tmp_path, every=0.0), pytest.warns(ConvergenceWarning, match="interrupted"):
        model.fit(X)
    monkeypatch.undo()
    trained = kill()
    with resumable(tmp_path, every=0.0):
        assert_same(clone(model).fit(X), clone(model).fit(X))
    assert trained[0] == 3


def test_a_search_goes_on_with_the_fit_that_was_killed(X, tmp_path, kill, monkeypatch):
    search = GridSearchCV(AdversarialAutoencoder(**SHORT), {"n_components": [1, 2]}, cv=2)
    original, fits = _loop._Run.__call__, []

    def counted(run):
        fits.append(len(run.history))
        if len(fits) == 4:
            kill(3)
        return original(run)

    monkeypatch.setattr(_loop._Run, "__call__", counted)
    with pytest.raises(Killed), resumable(tmp_path, every=0.0):
        clone(search).fit(X)
    kill()
    fits.clear()
    fits.extend([0] * 100)
    with resumable(tmp_path, every=0.0):
        clone(search).fit(X)
    assert fits[100:] == [0, 0, 0, 2, 0]


def test_checkpoints_are_as_far_apart_as_was_asked(X, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(checkpoints, "_write", lambda path, content: written.append(path))
    with resumable(tmp_path):
        AdversarialAutoencoder(**SHORT).fit(X)
    assert written == []


def test_without_the_block_nothing_is_written(X, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "_write", None)
    with resumable(tmp_path, every=0.0):
        pass
    AdversarialAutoencoder(**SHORT).fit(X)


# --------------------------------------------------------------------- files that are not used


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(bytes(content))


def write_garbage(path):
    path.write_bytes(b"not a checkpoint")


def take_the_facts_away(path):
    save_file({"model.x": torch.zeros(3)}, path)


def rewrite(path, **changes):
    """Write a checkpoint again, with other facts."""
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        facts = {**json.loads(file.metadata()["facts"]), **changes}
    text = json.dumps(facts)
    save_file(tensors, path, {"facts": text, "digest": checkpoints._digest(tensors, text)})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncate, "incomplete metadata|not fully covered|MetadataIncompleteBuffer"),
        (flip_a_bit, "its content is not what was written"),
        (write_garbage, "header"),
        (take_the_facts_away, "not a checkpoint of skaae"),
        (lambda path: rewrite(path, skaae="0.0"), "was written by skaae 0.0"),
        (lambda path: rewrite(path, name="another"), "fit with other parameters or rows"),
    ],
    ids=["truncated", "bit", "garbage", "no facts", "version", "other fit"],
)
def test_the_one_before_is_used(X, tmp_path, kill, files, spoil, reason):
    model = AdversarialAutoencoder(**SHORT)
    trained = fit_until(kill, 3, clone(model), tmp_path, X)
    spoil(files()[-1])
    with (
        resumable(tmp_path, every=0.0),
        pytest.warns(RuntimeWarning, match=f"not used: .*({reason}).* one before it is"),
    ):
        resumed = clone(model).fit(X)
    assert trained == [2, 3]
    assert_same(resumed, clone(model).fit(X))


def model_of_width(width, **parameters):
    """Return an estimator whose parameters do not tell how wide its encoder is."""

    def build(n_inputs, n_outputs):
        return nn.Sequential(nn.Linear(n_inputs, width), nn.Linear(width, n_outputs))

    return AdversarialAutoencoder(encoder=build, **{**SHORT, **parameters})


def test_networks_of_other_shapes_are_no_start(X, tmp_path, kill):
    trained = fit_until(kill, 3, model_of_width(4), tmp_path, X)
    with resumable(tmp_path, every=0.0), pytest.warns(RuntimeWarning, match="other shapes"):
        model_of_width(5).fit(X)
    assert trained == [1, 2, 3]


def test_the_one_before_networks_of_other_shapes_is_used(X, tmp_path, kill, files):
    fit_until(kill, 3, model_of_width(4), tmp_path, X)
    files()[0].unlink()
    with pytest.warns(RuntimeWarning, match="other shapes"):
        fit_until(kill, 2, model_of_width(5), tmp_path, X)
    trained = kill()
    with resumable(tmp_path, every=0.0), pytest.warns(RuntimeWarning, match="other shapes"):
        resumed = model_of_width(5).fit(X)
    assert trained == [2, 3]
    assert_same(resumed, model_of_width(5).fit(X))


def test_one_before_that_has_other_seeds_is_not_used(X, tmp_path, kill, files):
    """The rows that are held out, for one, were chosen with them."""
    fit_until(kill, 3, model_of_width(4), tmp_path, X)
    rewrite(files()[0], seeds={})
    trained = kill()
    with (
        resumable(tmp_path, every=0.0),
        pytest.warns(RuntimeWarning, match="other shapes"),
        pytest.warns(RuntimeWarning, match="other seeds"),
    ):
        model_of_width(5).fit(X)
    assert trained == [1, 2, 3]


def test_a_generator_of_another_device_is_no_start(X, tmp_path, kill, files):
    model = AdversarialAutoencoder(**SHORT)
    fit_until(kill, 2, clone(model), tmp_path, X)
    (path,) = files()
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        text = file.metadata()["facts"]
    tensors["generator"] = torch.zeros(16, dtype=torch.uint8)  # as those of CUDA have it
    save_file(tensors, path, {"facts": text, "digest": checkpoints._digest(tensors, text)})
    trained = kill()
    with resumable(tmp_path, every=0.0), pytest.warns(RuntimeWarning, match="device's generator"):
        model.fit(X)
    assert trained == [1, 2, 3]


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class HalfWritten(io.FileIO):
    """A file on a disk that has room for half of what is to be written."""

    def write(self, content):
        super().write(content[: len(content) // 2])
        full()


FULL = {
    "open": (Path, "open", full),
    "write": (Path, "open", lambda path, mode: HalfWritten(path, mode)),
    "fsync": (os, "fsync", full),
}


@pytest.mark.parametrize("fails_at", FULL)
def test_a_full_disk_leaves_the_last_good_one(X, tmp_path, kill, files, monkeypatch, fails_at):
    model = AdversarialAutoencoder(**{**SHORT, "max_iter": 4})
    fit_until(kill, 2, clone(model), tmp_path, X)
    (good,) = files()
    monkeypatch.setattr(*FULL[fails_at])
    kill(4)
    with (
        pytest.raises(Killed),
        resumable(tmp_path, every=0.0),
        pytest.warns(RuntimeWarning, match=r"No space left.*training goes on"),
    ):
        clone(model).fit(X)
    assert files() == [good]
    trained = kill()
    with resumable(tmp_path, every=0.0), pytest.warns(RuntimeWarning, match="No space left"):
        resumed = clone(model).fit(X)
    assert trained == [2, 3, 4]
    assert_same(resumed, clone(model).fit(X))


def test_what_a_killed_write_left_is_no_checkpoint(X, tmp_path, kill, files):
    fit_until(kill, 3, AdversarialAutoencoder(**SHORT), tmp_path, X)
    newest = files()[-1]
    truncate(newest)
    newest.rename(newest.with_suffix(".part"))
    with resumable(tmp_path, every=0.0):
        AdversarialAutoencoder(**SHORT).fit(X)
    assert files() == []


# ---------------------------------------------------------------------------- which call it is


def test_another_call_starts_anew_and_leaves_the_files(X, tmp_path, kill, files):
    trained = fit_until(kill, 3, AdversarialAutoencoder(**SHORT), tmp_path, X)
    before = files()
    with resumable(tmp_path, every=0.0):
        AdversarialAutoencoder(3, **SHORT).fit(X)
        AdversarialAutoencoder(**SHORT).fit(X + 1)
    assert trained == [1, 2, 3, 1, 2, 3]
    assert files() == before


def test_processes_that_train_together_are_refused(X, tmp_path, monkeypatch):
    monkeypatch.setattr("skaae._runs.current_ranks", lambda: Ranks(0, 2))
    with resumable(tmp_path), pytest.raises(ValueError, match="got one by several"):
        AdversarialAutoencoder(**SHORT).fit(X)


@pytest.mark.parametrize("every", [-1.0, float("nan")])
def test_seconds_are_not_negative(tmp_path, every):
    with pytest.raises(ValueError, match="every"), resumable(tmp_path, every=every):
        pass
