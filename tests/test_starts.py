"""Starts of the clusterer: which is trained to the end, and that it is trained as if alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from estimator_cases import short_fits_may_warn
from scipy.special import entr
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skaae import AdversarialAutoencoderClusterer, _clusterer
from skaae._device import Seeds
from skaae.checkpoints import resumable
from skaae.training import _loop

pytestmark = short_fits_may_warn

SETTINGS = {"hidden_layer_sizes": (16,), "batch_size": 30, "max_iter": 20, "random_state": 0}
N_ROWS = 60  # in two batches


@pytest.fixture(autouse=True)
def _few_steps_count_as_a_start(monkeypatch):
    monkeypatch.setattr(_clusterer, "_LEAST_TRIED_STEPS", 6)


@pytest.fixture(scope="module")
def rows(digits):
    return digits[0][:N_ROWS]


def clusterer(**settings):
    return AdversarialAutoencoderClusterer(5, **{**SETTINGS, "n_init": 1, **settings})


def label_loss(model, X):
    """Return how unsure and uneven labels are, by another formula than the divergence's."""
    p = model.predict_proba(X)
    return entr(p).sum(axis=1).mean() + 4.0 * (np.log(p.shape[1]) - entr(p.mean(axis=0)).sum())


def assert_same(ours, theirs):
    pairs = zip(ours.model_.state_dict().values(), theirs.model_.state_dict().values())
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def runs(monkeypatch):
    """Return a list of the runs, each with its epochs and whether it was the last."""
    kept, original = [], _loop._Run.__call__

    def run(self):
        outcome = original(self)
        kept.append((len(outcome.history), self.budget.n_planned))
        return outcome

    monkeypatch.setattr(_loop._Run, "__call__", run)
    return kept


@pytest.fixture
def begun(monkeypatch):
    """Return a list of the clusterers as they are where starts are compared."""
    kept, original = [], AdversarialAutoencoderClusterer._label_loss

    def compare(self, X, outcome, fitted):
        other = self._beginning()
        other.__dict__.update(fitted)
        loss = original(self, X, outcome, fitted)
        kept.append((other, loss))
        return loss

    monkeypatch.setattr(AdversarialAutoencoderClusterer, "_label_loss", compare)
    return kept


def test_one_start_is_a_fit_like_any_other(rows, runs):
    clusterer().fit(rows)
    assert runs == [(20, None)]


def test_starts_train_for_some_steps_and_one_for_all(rows, runs):
    clusterer(n_init=3).fit(rows)
    assert runs == [(3, 20)] * 3 + [(20, None)]


def test_starts_of_long_fits_train_for_a_tenth(rows, runs):
    clusterer(n_init=2, max_iter=50).fit(rows)
    assert runs == [(5, 50)] * 2 + [(50, None)]


def test_starts_of_short_fits_are_no_longer_than_these(rows, runs):
    clusterer(n_init=2, max_iter=2).fit(rows)
    assert runs == [(2, 2)] * 2 + [(2, None)]


def test_there_are_four_starts_unless_told(rows, runs):
    AdversarialAutoencoderClusterer(5, **SETTINGS).fit(rows)
    assert len(runs) == 5


def test_the_surest_and_most_even_start_is_trained_to_the_end(rows, begun):
    model = clusterer(n_init=4).fit(rows)
    losses = [label_loss(other, rows) for other, _ in begun]
    np.testing.assert_allclose([loss for _, loss in begun], losses, rtol=1e-4, atol=1e-6)
    assert len({round(loss, 6) for loss in losses}) == 4
    seeds = [Seeds.draw(0), *Seeds.draw(0).others(3)][int(np.argmin(losses))]
    alone = clusterer()
    alone._validate_params()
    X, _, learnt = alone._validated_with_labels(rows, None)
    _, fitted, _ = alone._train(X, None, learnt, seeds, lambda: (rows, rows), None)
    alone.__dict__.update(fitted)
    assert_same(model, alone)


def test_a_start_is_the_beginning_of_its_fit(rows, begun):
    model = clusterer(n_init=2).fit(rows)
    (chosen, _) = min(begun, key=lambda pair: pair[1])
    assert len(chosen.history_) == 3
    for ours, whole in zip(chosen.history_, model.history_):
        names = set(whole) - {"seconds"}
        assert {name: ours[name] for name in names} == {name: whole[name] for name in names}


def test_starts_differ_and_are_the_same_again(rows, begun):
    first = clusterer(n_init=3).fit(rows)
    losses = [loss for _, loss in begun]
    begun.clear()
    again = clusterer(n_init=3).fit(rows)
    assert [loss for _, loss in begun] == losses
    assert len(set(losses)) == 3
    assert_same(first, again)


def test_a_start_whose_losses_are_not_finite_is_not_taken(rows, begun, monkeypatch):
    original = AdversarialAutoencoderClusterer._train

    def train(self, *args):
        outcome, *rest = original(self, *args)
        failed = self._only_begins and not begun
        return replace(outcome, finite=False) if failed else outcome, *rest

    clusterer(n_init=2).fit(rows)
    (_, first), (_, second) = begun
    begun.clear()
    monkeypatch.setattr(AdversarialAutoencoderClusterer, "_train", train)
    model = clusterer(n_init=2).fit(rows)
    assert [loss for _, loss in begun] == [float("inf"), second]
    assert first < float("inf")
    for ours, start in zip(model.history_, begun[1][0].history_):
        assert ours["reconstruction"] == start["reconstruction"]


def test_a_fit_that_goes_on_from_a_fitted_one_has_one_start(rows, runs):
    model = clusterer(warm_start=True).fit(rows)
    runs.clear()
    model.set_params(n_init=3).fit(rows)
    assert runs == [(20, None)]


def test_ctrl_c_in_a_start_ends_the_fit_with_that_start(rows, monkeypatch):
    original, passes = _loop._Run._pass, []

    def interrupted(run):
        passes.append(run)
        if len(passes) == 3:
            raise KeyboardInterrupt
        return original(run)

    monkeypatch.setattr(_loop._Run, "_pass", interrupted)
    with pytest.warns(ConvergenceWarning, match=r"interrupted \(Ctrl-C\) after 2 epochs"):
        model = clusterer(n_init=3).fit(rows)
    assert len(passes) == 3
    assert model.labels_.shape == (N_ROWS,)
    assert np.isfinite(model.sample(3, random_state=0)).all()


def test_a_killed_fit_goes_on_with_the_start_that_was_chosen(rows, runs, tmp_path, monkeypatch):
    whole = clusterer(n_init=3).fit(rows)
    runs.clear()
    original = _loop._Run._pass

    class Killed(BaseException):
        pass

    def killed(run):
        if run.budget.n_planned is None and len(run.history) == 10:
            raise Killed
        return original(run)

    monkeypatch.setattr(_loop._Run, "_pass", killed)
    with pytest.raises(Killed), resumable(tmp_path, every=0.0):
        clusterer(n_init=3).fit(rows)
    assert len(runs) == 3
    runs.clear()
    monkeypatch.setattr(_loop._Run, "_pass", original)
    with resumable(tmp_path, every=0.0):
        model = clusterer(n_init=3).fit(rows)
    assert runs == [(20, None)]
    assert_same(model, whole)
    assert not list(tmp_path.iterdir())


def test_callbacks_are_told_of_the_whole_fit_alone(rows):
    pytest.importorskip("sklearn.callback", reason="callbacks need scikit-learn 1.9")
    from test_callbacks import Recorder

    recorder = Recorder()
    clusterer(n_init=2).set_callbacks(recorder).fit(rows)
    assert sum(event == "begin" and name == "epoch" for event, name, _ in recorder.told) == 20


def test_starts_are_counted_from_one(rows):
    with pytest.raises(ValueError, match="n_init"):
        clone(clusterer()).set_params(n_init=0).fit(rows)
