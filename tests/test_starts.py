"""Starts of the clusterer: which is trained to the end, and that it is trained as if alone."""

from dataclasses import replace
from types import SimpleNamespace

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
    settings = {"n_clusters": 5, **SETTINGS, "n_init": 1, **settings}
    return AdversarialAutoencoderClusterer(**settings)


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


def test_starts_of_short_fits_train_for_a_quarter(rows, runs):
    clusterer(n_init=2, max_iter=8).fit(rows)
    assert runs == [(2, 8)] * 2 + [(8, None)]


def test_one_cluster_needs_one_start(rows, runs):
    AdversarialAutoencoderClusterer(1, **SETTINGS).fit(rows)
    assert runs == [(20, None)]


def test_there_are_four_starts_unless_told(rows, runs):
    AdversarialAutoencoderClusterer(5, **SETTINGS).fit(rows)
    assert len(runs) == 5


def test_the_start_that_loses_least_is_trained_to_the_end_as_if_alone(rows, monkeypatch):
    losses = iter([3.0, 1.0, float("inf"), 2.0])
    monkeypatch.setattr(
        AdversarialAutoencoderClusterer, "_label_loss", lambda self, *trained: next(losses)
    )
    model = clusterer(n_init=4).fit(rows)
    alone = clusterer()
    alone._validate_params()
    X, _, learnt = alone._validated_with_labels(rows, None)
    second = Seeds.draw(0).others(3)[0]
    _, fitted, _ = alone._train(X, None, learnt, second, lambda: (rows, rows), None)
    alone.__dict__.update(fitted)
    assert_same(model, alone)


def test_what_is_compared_is_the_labels_of_the_rows(rows, begun):
    clusterer(n_init=3).fit(rows)
    expected = [label_loss(other, rows) for other, _ in begun]
    np.testing.assert_allclose([loss for _, loss in begun], expected, rtol=1e-5)


EYE = torch.eye(3, dtype=torch.float64)


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        (EYE.repeat(4, 1), 0.0),
        (torch.full((12, 3), 1.0 / 3.0, dtype=torch.float64), np.log(3.0)),
        (EYE[:1].repeat(12, 1), 4.0 * np.log(3.0)),
        (torch.full((12, 3), float("nan"), dtype=torch.float64), np.inf),
    ],
    ids=["sure and even", "unsure", "uneven", "nan"],
)
def test_labels_lose_by_being_unsure_and_uneven(rows, monkeypatch, probabilities, expected):
    model = clusterer(n_clusters=3, max_iter=1).fit(rows)
    codec = SimpleNamespace(label_probabilities=lambda X: probabilities.numpy())
    monkeypatch.setattr(AdversarialAutoencoderClusterer, "_codec", codec)
    fitted = {"model_": model.model_}
    found = model._label_loss(rows, _loop.Outcome([], 1), fitted)
    assert found == pytest.approx(expected, abs=1e-6)
    assert model._label_loss(rows, _loop.Outcome([], 0, finite=False), fitted) == np.inf


def test_starts_are_compared_where_they_have_come_to_with_early_stopping_too(rows, begun):
    clusterer(n_init=2, early_stopping=True, n_iter_no_change=1, tol=10.0).fit(rows)
    assert [other.best_iter_ for other, _ in begun] == [3, 3]


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


def test_the_first_fit_of_those_that_go_on_has_starts(rows, runs):
    clusterer(n_init=2, warm_start=True).fit(rows)
    assert len(runs) == 3


@pytest.mark.parametrize(("pass_of", "n_epochs"), [(3, 2), (4, 3), (5, 3), (6, 3)])
def test_ctrl_c_in_a_start_ends_the_fit_with_the_best_so_far(
    rows, begun, monkeypatch, pass_of, n_epochs
):
    """Starts are three epochs long; the first ends with its third pass."""
    original, passes = _loop._Run._pass, []

    def interrupted(run):
        passes.append(run)
        if len(passes) == pass_of:
            raise KeyboardInterrupt
        return original(run)

    monkeypatch.setattr(_loop._Run, "_pass", interrupted)
    with pytest.warns(ConvergenceWarning, match=r"interrupted \(Ctrl-C\)"):
        model = clusterer(n_init=3).fit(rows)
    assert len(passes) == pass_of
    best, _ = min(begun, key=lambda pair: pair[1])
    assert_same(model, best)
    assert model.labels_.shape == (N_ROWS,)
    if len(begun) == 1:
        assert model.n_iter_ == n_epochs


def test_ctrl_c_in_a_start_of_a_search_is_the_searchs(rows, monkeypatch):
    original, passes = _loop._Run._pass, []

    def interrupted(run):
        passes.append(run)
        if len(passes) == 4:
            raise KeyboardInterrupt
        return original(run)

    monkeypatch.setattr(_loop._Run, "_pass", interrupted)
    monkeypatch.setattr(_clusterer, "interrupt_is_for_caller", lambda: True)
    with pytest.raises(KeyboardInterrupt):
        clusterer(n_init=3).fit(rows)


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
