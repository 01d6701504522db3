"""Training: one minibatch, and epochs of them."""

from skaae.training._adam import MOMENTS
from skaae.training._batches import Batch, ResidentBatches, StreamedBatches, batches_of
from skaae.training._budget import Budget
from skaae.training._defaults import (
    Reference,
    held_out_rows,
    resolve_batch_size,
    resolve_input_noise,
    resolve_learning_rate,
)
from skaae.training._implicit_step import ImplicitStep
from skaae.training._initialization import (
    principal_components,
    projected,
    start_at_principal_components,
)
from skaae.training._loop import EarlyStopping, Outcome, run
from skaae.training._observer import Observer
from skaae.training._places import Map, map_of
from skaae.training._progress import Progress
from skaae.training._step import TrainingStep
from skaae.training._terms import Classification, Consistency, HeadDistance, Neighbors, Term

__all__ = [
    "MOMENTS",
    "Batch",
    "Budget",
    "Classification",
    "Consistency",
    "EarlyStopping",
    "HeadDistance",
    "ImplicitStep",
    "Map",
    "Neighbors",
    "Observer",
    "Outcome",
    "Progress",
    "Reference",
    "ResidentBatches",
    "StreamedBatches",
    "Term",
    "TrainingStep",
    "batches_of",
    "held_out_rows",
    "map_of",
    "principal_components",
    "projected",
    "resolve_batch_size",
    "resolve_input_noise",
    "resolve_learning_rate",
    "run",
    "start_at_principal_components",
]
