"""Training: one minibatch, and epochs of them."""

from skaae.training._batches import ResidentBatches
from skaae.training._initialization import start_at_principal_components
from skaae.training._loop import Budget, EarlyStopping, Outcome, run
from skaae.training._progress import progress
from skaae.training._step import TrainingStep

__all__ = [
    "Budget",
    "EarlyStopping",
    "Outcome",
    "ResidentBatches",
    "TrainingStep",
    "progress",
    "run",
    "start_at_principal_components",
]
