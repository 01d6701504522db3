"""A fit that fails leaves the estimator as it was; one that goes astray says so."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from skaae._device import OutOfMemoryError
from skaae._forked import bear_being_forked
from skaae._streams import RowsOutOfMemoryError
from skaae.training import (
    Budget,
    Outcome,
    ResidentBatches,
    TrainingStep,
    resolve_batch_size,
    run,
)


@contextmanager
def unchanged_on_error(estimator: BaseEstimator, X: Any) -> Iterator[None]:
    """Give the estimator back its attributes if the block, which trains on `X`, fails.

    Raises
    ------
    torch.OutOfMemoryError
        Where the device has no memory for the rows, or for a step. Training does not go on in
        smaller batches: divergences compare all codes of a batch, so parts of one would add up to
        another fit.
    """
    bear_being_forked()
    before = dict(vars(estimator))
    try:
        yield
    except BaseException as error:
        vars(estimator).clear()
        vars(estimator).update(before)
        if isinstance(error, OutOfMemoryError):
            raise OutOfMemoryError(_told_of_memory(estimator, np.shape(X), error)) from error
        raise


def _told_of_memory(
    estimator: BaseEstimator, shape: tuple[int, ...], error: OutOfMemoryError
) -> str:
    """Return what there was no memory for, and what would need less."""
    n_rows, n_columns = shape
    name = type(estimator).__name__
    rows = f"{n_rows:,} rows of {n_columns:,} columns ({4 * n_rows * n_columns:,} bytes)"
    if isinstance(error, RowsOutOfMemoryError):
        return (
            f"{name}: the device has no memory left for {rows}, which lie there while they train, "
            "so smaller batches need no less. Set device='cpu', or pass rows that are read in "
            "pieces: a numpy.memmap or an open HDF5 or Zarr data set of more than 1 GiB and at "
            f"least 16 columns, or a sparse matrix. PyTorch says: {error}"
        )
    batch_size = resolve_batch_size(estimator.batch_size, n_rows)
    return (
        f"{name}: the device has no memory left to train on {rows} in batches of {batch_size:,}. "
        f"Set batch_size={max(2, batch_size // 2)} or less, precision='bfloat16', or smaller "
        "networks; rows of a large file are read in pieces where they come as a memory map. "
        f"PyTorch says: {error}"
    )


def one_pass(step: TrainingStep, batches: ResidentBatches) -> Outcome:
    """Train for one pass, or, if that fails, leave weights, moments and generator as they were."""
    before = copy.deepcopy(step.model.state_dict())
    # Copied here and not by the snapshot of checkpoints, which brings all to the CPU.
    moments = [
        {
            parameter: {key: value.clone() for key, value in state.items()}
            for parameter, state in optimizer.state.items()
        }
        for optimizer in step.optimizers
    ]
    drawn = step.generator.get_state()
    step.model.train()
    try:
        return run(step, batches, Budget.one_pass(batches.n_batches))
    except BaseException:
        step.model.load_state_dict(before)
        step.forget()
        for optimizer, known in zip(step.optimizers, moments):
            optimizer.state.update(known)
        step.generator.set_state(drawn)
        raise
    finally:
        step.model.eval()


def warn_of_ending(outcome: Outcome, n_before: int = 0, *, stacklevel: int = 4) -> bool:
    """Raise a ConvergenceWarning where training was cut short; return whether it was.

    `n_before` epochs had gone before, and the user's call is `stacklevel` frames up.
    """
    last, kept = n_before + len(outcome.history), n_before + outcome.best_epoch
    n = outcome.n_recoveries
    tries = f", {n} times again at half the rate each" if n else ""
    if outcome.interrupted:
        message = (
            f"Training was interrupted (Ctrl-C) after {last} epochs. The model is that of epoch "
            f"{kept} and can be used; its learning rate had not come down to zero. Fit again for "
            "the whole of it, or with a smaller max_iter for one that comes to its end sooner."
        )
    elif not outcome.finite:
        message = (
            f"Training stopped in epoch {last}: a loss was not finite{tries}. The model is that of "
            f"epoch {kept}. {_advice(outcome)}"
        )
    elif n:
        lost = [int(entry["epoch"]) for entry in outcome.history if "recoveries" in entry]
        message = (
            f"A loss was not finite in epochs {lost}. Each time training went on from the last "
            f"good epoch at half the rate, at last at {0.5**n:g} of it, and it then came to its "
            f"end. {_advice(outcome)}"
        )
    else:
        return False
    warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)
    return outcome.interrupted or not outcome.finite


def _advice(outcome: Outcome) -> str:
    """Return what to change, by the losses that were not finite."""
    names = sorted({k for e in outcome.history for k, v in e.items() if not math.isfinite(v)})
    which = f" ({', '.join(names)})" if names else ""
    return (
        f"Lower learning_rate{which}, here or of the divergence if it has a discriminator, or look "
        "for extreme values in the data."
    )
