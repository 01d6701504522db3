"""
An Optuna study that gives up early
===================================

Optuna tries settings one after another and ends a fit whose epochs look worse than those before it.
A callback of scikit-learn (1.9 or newer) tells it of each epoch. On the handwritten digits of
scikit-learn; seconds on one core (``pip install optuna``). Without Optuna the script says so and
ends.
"""

import importlib.util
import sys
import warnings

if importlib.util.find_spec("optuna") is None:
    print("optuna is not installed (pip install optuna): nothing to search with")
    sys.exit(0)

import optuna
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skaae import AdversarialAutoencoder
from skaae.metrics import reconstruction_error

if not hasattr(AdversarialAutoencoder, "set_callbacks"):
    print("callbacks need scikit-learn 1.9 or newer")
    sys.exit(0)

# %%
# What a setting is worth
# -----------------------
# Rows that the fit has not seen should be restored, and codes should lie as the prior does. The
# error is taken as a share of what the columns' means leave; the distance, which ``fit`` measures
# anyway, is in standard deviations of the prior.

X, _ = load_digits(return_X_y=True)
X_rest, X_test = train_test_split(X, test_size=0.25, random_state=0)
X_train, X_valid = train_test_split(X_rest, train_size=400, test_size=250, random_state=0)


def cost(estimator, rows):
    """Return a number that is small where rows are restored and codes meet the prior."""
    share = reconstruction_error(estimator, rows) / rows.var(axis=0).mean()
    return share + estimator.prior_match_.distance


# %%
# The callback
# ------------
# An argument ``fitted_estimator`` asks for a copy of the estimator as if ``fit`` had ended with
# this epoch. Returning True for an epoch ends training there.


class Pruning:
    """Report the cost of each epoch to a trial, and stop where Optuna would.

    Parameters
    ----------
    trial : optuna.Trial
    rows : array of shape (n_samples, n_features)
        Rows that the fit does not see.
    """

    def __init__(self, trial, rows):
        self.trial = trial
        self.rows = rows
        self.stopped = False

    def setup(self, estimator, context):
        self.stopped = False

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name != "epoch":
            return None
        self.trial.report(cost(fitted_estimator, self.rows), step=len(fitted_estimator.history_))
        self.stopped = self.trial.should_prune()
        return self.stopped

    def teardown(self, estimator, context):
        pass


# %%
# The study
# ---------
# An objective like any of Optuna's. A fit that is ended early is a trial that is pruned. Short fits
# may miss the prior, of which they warn.

N_EPOCHS = 8
short = {"hidden_layer_sizes": (64,), "max_iter": N_EPOCHS, "random_state": 0}


def objective(trial):
    """Fit with the settings of a trial; return its cost."""
    aae = AdversarialAutoencoder(
        n_components=trial.suggest_int("n_components", 2, 12),
        divergence=trial.suggest_categorical(
            "divergence", ["jensen_shannon", "sliced_wasserstein"]
        ),
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        **short,
    )
    pruning = Pruning(trial, X_valid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        aae.set_callbacks(pruning).fit(X_train)
    trial.set_user_attr("epochs", aae.n_iter_)
    if pruning.stopped:
        raise optuna.TrialPruned
    return cost(aae, X_valid)


verbosity = optuna.logging.get_verbosity()
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=2),
)
study.enqueue_trial({"n_components": 2, "divergence": "jensen_shannon", "learning_rate": 1e-3})
study.optimize(objective, n_trials=8)
optuna.logging.set_verbosity(verbosity)

# %%
# What came out
# -------------
# The first trial had the defaults. The best is fitted again and compared with them on rows that no
# trial has seen.

epochs = [trial.user_attrs["epochs"] for trial in study.trials]
pruned = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.PRUNED]
print(
    f"{len(study.trials)} trials, {len(pruned)} ended early: {sum(epochs)} epochs of "
    f"{N_EPOCHS * len(study.trials)}"
)


def fit(params):
    """Fit what a trial has fitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return AdversarialAutoencoder(**params, **short).fit(X_train)


first, best = (cost(fit(trial.params), X_test) for trial in (study.trials[0], study.best_trial))
print(f"best: {study.best_params}")
print(f"cost on rows that no trial has seen: {best:.3f}, of the defaults {first:.3f}")
assert pruned
assert all(trial.user_attrs["epochs"] < N_EPOCHS for trial in pruned)
assert best < first
