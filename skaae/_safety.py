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
        # Their moments have moved on with weights that are gone.
        for optimizer in step.optimizers:
            optimizer.state.clear()
        raise
    finally:
        step.model.eval()


def warn_if_not_finite(outcome: Outcome, n_before: int = 0, *, stacklevel: int = 4) -> bool:
    """Raise a ConvergenceWarning where training stopped early; return whether it did.

    `n_before` epochs had gone before, and the user's call is `stacklevel` frames up.
    """
    if outcome.finite:
        return False
    warnings.warn(
        f"Training stopped in epoch {n_before + len(outcome.history)}: a loss was not finite. The "
        f"model is that of epoch {n_before + outcome.best_epoch}. Lower learning_rate, or look for "
        "extreme values in the data.",
        ConvergenceWarning,
        stacklevel=stacklevel,
    )
    return True
