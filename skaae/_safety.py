"""A fit that fails leaves the estimator as it was; one that goes astray says so."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from skaae.training import Budget, Outcome, ResidentBatches, TrainingStep, run


@contextmanager
def unchanged_on_error(estimator: BaseEstimator) -> Iterator[None]:
    """Give the estimator back its attributes if the block fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def one_pass(step: TrainingStep, batches: ResidentBatches) -> Outcome:
    """Train for one pass, or, if that fails, leave the weights as they were."""
    before = copy.deepcopy(step.model.state_dict())
    step.model.train()
    try:
        return run(step, batches, Budget.one_pass(batches.n_batches))
    except BaseException:
        step.model.load_state_dict(before)
        raise
    finally:
        step.model.eval()


def warn_if_not_finite(outcome: Outcome) -> bool:
    """Raise a ConvergenceWarning where training stopped early; return whether it did."""
    if outcome.finite:
        return False
    warnings.warn(
        f"Training stopped in epoch {len(outcome.history)}: a loss was not finite. The model is "
        f"that of epoch {outcome.best_epoch}. Lower learning_rate, or look for extreme values in "
        "the data.",
        ConvergenceWarning,
        stacklevel=4,
    )
    return True
