"""Callbacks of scikit-learn, and the line that an epoch logs."""

import copy
import pickle
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from estimator_cases import ESTIMATORS, SHORT, short_fits_may_warn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skaae
from skaae import AdversarialAutoencoder, AdversarialAutoencoderClassifier, _base, _compat
from skaae._model import AutoencoderModel
from skaae.training import Progress

EXAMPLE = Path(__file__).parents[1] / "examples/callbacks_tensorboard.py"

pytestmark = short_fits_may_warn


@pytest.fixture
def callback():
    return pytest.importorskip("sklearn.callback", reason="callbacks need scikit-learn 1.9")


class Recorder:
    """A callback that keeps what it is told, and stops at an epoch."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.told = []
        self.is_set_up = False

    def setup(self, estimator, context):
        self.is_set_up = True

    def teardown(self, estimator, context):
        self.is_set_up = False

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context):
        self.told.append(("end", context.task_name, context.task_id))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_at


class Keeper(Recorder):
    """A callback that keeps the estimator of each epoch."""

    def __init__(self, stop_at=None):
        super().__init__(stop_at)
        self.fitted = []

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch":
            self.fitted.append(fitted_estimator)
        return super().on_fit_task_end(estimator, context)


@pytest.mark.usefixtures("callback")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_callback_is_told_of_the_fit_and_each_epoch(name, wine):
    recorder = Recorder()
    clone(ESTIMATORS[name]).set_callbacks(recorder).fit(*wine)
    epochs = [(when, "epoch", i) for i in range(3) for when in ("begin", "end")]
    assert recorder.told == [("begin", "fit", 0), *epochs, ("end", "fit", 0)]
    assert not recorder.is_set_up


@pytest.mark.usefixtures("callback")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_callback_that_asks_to_stop_is_obeyed(name, wine):
    stopped = clone(ESTIMATORS[name]).set_callbacks(Recorder(stop_at=2)).fit(*wine)
    assert stopped.n_iter_ == len(stopped.history_) == 2
    stopped.sample(3, random_state=0)


@pytest.mark.usefixtures("callback")
def test_a_fit_that_is_stopped_has_the_state_of_that_moment(X):
    """Also where no look at the state was due yet, which are fifty steps apart."""
    keeper = Keeper(stop_at=2)
    stopped = AdversarialAutoencoder(**SHORT).set_callbacks(keeper).fit(X)
    assert stopped.best_iter_ == 2
    assert (stopped.transform(X) == keeper.fitted[1].transform(X)).all()


@pytest.mark.usefixtures("callback")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_watching_changes_no_bit(name, wine):
    watched = clone(ESTIMATORS[name]).set_callbacks(Keeper()).fit(*wine)
    alone = clone(ESTIMATORS[name]).fit(*wine)
    assert (watched.sample(5, random_state=0) == alone.sample(5, random_state=0)).all()


@pytest.mark.usefixtures("callback")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_estimator_of_an_epoch_is_whole_and_stays(name, wine):
    keeper = Keeper()
    model = clone(ESTIMATORS[name]).set_callbacks(keeper).fit(*wine)
    first, *_, last = keeper.fitted
    assert (first.n_iter_, len(first.history_)) == (1, 1)
    assert {*vars(model)} <= {*vars(first)}
    draw = {"n_samples": 5, "random_state": 0}
    assert not (first.sample(**draw) == last.sample(**draw)).all()
    assert (last.sample(**draw) == model.sample(**draw)).all()


@pytest.mark.usefixtures("callback")
def test_the_prior_match_of_an_epoch_is_measured_where_it_is_read(X, monkeypatch):
    def counted(model, *rows, **options):
        measured.append(model)
        return original(model, *rows, **options)

    measured, original, keeper = [], _base.measure_prior_match, Keeper()
    monkeypatch.setattr(_base, "measure_prior_match", counted)
    model = AdversarialAutoencoder(**SHORT).set_callbacks(keeper).fit(X)
    assert len(measured) == 1
    first, *_, last = keeper.fitted
    assert last.prior_match_ == last.prior_match_ == model.prior_match_
    assert len(measured) == 2
    assert first.prior_match_ != model.prior_match_


@pytest.mark.usefixtures("callback")
def test_the_estimator_of_an_epoch_is_pickled_with_its_prior_match(X, tmp_path):
    keeper = Keeper()
    model = AdversarialAutoencoder(**SHORT).set_callbacks(keeper).fit(X)
    last = keeper.fitted[-1]
    assert pickle.loads(pickle.dumps(last)).prior_match_ == model.prior_match_
    last.save(tmp_path / "model")
    assert skaae.load(tmp_path / "model").prior_match_ == model.prior_match_


@pytest.mark.usefixtures("callback")
def test_a_second_fit_leaves_nothing_of_the_first_to_its_epochs(X):
    keeper = Keeper()
    model = AdversarialAutoencoder(**SHORT).fit(X)
    first = model.prior_match_
    model.set_params(n_components=3).set_callbacks(keeper).fit(X)
    assert first not in [fitted.prior_match_ for fitted in keeper.fitted]


@pytest.mark.usefixtures("callback")
def test_weights_are_copied_only_where_a_callback_asks_for_the_estimator(X, monkeypatch):
    copied = []

    def deepcopy(value, memo=None):
        copied.append(type(value))
        return original(value, memo)

    original = copy.deepcopy
    monkeypatch.setattr(copy, "deepcopy", deepcopy)
    X = X.astype(np.float32)  # float64 rows are encoded by a copy in float64
    AdversarialAutoencoder(**SHORT).set_callbacks(Recorder()).fit(X)
    assert AutoencoderModel not in copied
    AdversarialAutoencoder(**SHORT).set_callbacks(Keeper()).fit(X)
    assert copied.count(AutoencoderModel) == SHORT["max_iter"] + 1  # once more at the end


def test_nothing_is_built_for_callbacks_where_none_is_set(X, monkeypatch):
    monkeypatch.setattr("skaae._runs.EpochCallbacks", None)
    AdversarialAutoencoder(**SHORT).fit(X)


@pytest.mark.usefixtures("callback")
def test_an_error_in_training_tears_callbacks_down(X):
    recorder = Recorder()
    model = AdversarialAutoencoder(decoder=lambda n_in, n_out: None, **SHORT)
    model.set_callbacks(recorder)
    before = dict(vars(model))
    with pytest.raises((TypeError, ValueError)):
        model.fit(X)

    def fail(*_):
        raise ZeroDivisionError

    model.set_params(decoder=None)
    recorder.on_fit_task_begin = fail
    with pytest.raises(ZeroDivisionError):
        model.fit(X)
    assert not recorder.is_set_up
    assert {*vars(model)} == {*before}


def test_progress_bars_nest_epochs_under_search_and_pipeline(callback, X, capsys):
    pytest.importorskip("rich", reason="progress bars need rich")
    pipeline = make_pipeline(StandardScaler(), AdversarialAutoencoder(**SHORT))
    search = GridSearchCV(pipeline, {"adversarialautoencoder__n_components": [2]}, cv=2)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X)
    lines = capsys.readouterr().out
    assert "GridSearchCV - fit" in lines
    assert len(re.findall(r"AdversarialAutoencoder - fit #1 .*100%", lines)) == 3


def own_score(estimator, X, y):
    """Score as the estimator does; ``scoring=None`` fails with every estimator of 1.9.1."""
    return estimator.score(X, y)


@pytest.mark.parametrize("name", [name for name, e in ESTIMATORS.items() if hasattr(e, "score")])
def test_the_scoring_monitor_logs_a_score_each_epoch(callback, name, wine):
    monitor = callback.ScoringMonitor(scoring={"score": own_score})
    X, y = wine
    model = clone(ESTIMATORS[name]).set_callbacks(monitor)
    model.fit(X, y) if name in ("conditional", "classifier") else model.fit(X)
    log = monitor.get_logs().data
    scores = [row["score"] for row in log if row["task_name"] == "epoch"]
    assert len(scores) == 3
    assert len(set(scores)) > 1  # of two epochs an accuracy may be the same
    y = y if name in ("conditional", "classifier") else None
    assert scores[-1] == pytest.approx(model.score(X, y))


def test_the_scoring_monitor_takes_true_clusters_that_fit_does_not_look_at(callback, wine):
    monitor = callback.ScoringMonitor(scoring="adjusted_rand_score")
    clone(ESTIMATORS["clusterer"]).set_callbacks(monitor).fit(*wine)
    assert all(np.isfinite(row["adjusted_rand_score"]) for row in monitor.get_logs().data)


@pytest.mark.parametrize("none", [-1, ""])
def test_rows_without_a_label_are_not_scored(callback, wine, none):
    X, y = wine
    y = y if none == -1 else np.array(["a", "b", "c"])[y]
    few = y.copy()
    few[::2] = none
    monitor = callback.ScoringMonitor(scoring={"score": own_score})
    model = AdversarialAutoencoderClassifier(2, **SHORT).set_callbacks(monitor).fit(X, few)
    assert monitor.get_logs().data[-1]["score"] == model.score(X[1::2], y[1::2])


# ------------------------------------------------------------------------------- lines of a log


def test_the_line_of_an_epoch_tells_losses_speed_and_time_left(caplog, monkeypatch):
    clock = iter([100.0, 104.0])
    monkeypatch.setattr("skaae.training._progress.time.perf_counter", lambda: next(clock))
    entry = {"epoch": 2, "learning_rate": 0.5, "reconstruction": 1.25, "seconds": 2.0}
    Progress(32, 5_000).end_epoch([{}, {**entry, "criterion": 0.1}])
    assert caplog.messages == [
        "epoch 2 of 32: reconstruction 1.25, criterion 0.1 (2,500 rows/s, 2 min 0 s left)"
    ]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_verbose_fits_log_a_line_an_epoch(name, wine, caplog):
    clone(ESTIMATORS[name]).set_params(verbose=1).fit(*wine)
    assert [line.split(":")[0] for line in caplog.messages] == [
        f"epoch {i} of 3" for i in (1, 2, 3)
    ]
    assert all(re.search(r"\([\d,]+ rows/s, \d+ s left\)$", line) for line in caplog.messages)


@pytest.mark.usefixtures("callback")
def test_the_example_of_tensorboard_runs_without_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    runpy.run_path(str(EXAMPLE))
    assert "tensorboard is not installed" in capsys.readouterr().out


def test_an_older_scikit_learn_is_no_complaint(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    mixin, decorator = _compat._callback_support()
    assert not hasattr(mixin, "set_callbacks")
    assert decorator(len) is len
