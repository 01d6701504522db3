"""The training run of an estimator: where it begins, its log, the callbacks that watch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from sklearn.base import BaseEstimator

from skaae._compat import with_callbacks
from skaae._device import Seeds
from skaae._fingerprint import fingerprint
from skaae._sources import Rows
from skaae.checkpoints import Checkpoints, asked_checkpoints
from skaae.distributed import current_ranks
from skaae.training import Budget, Observer, Outcome, Progress, ResidentBatches, run
from skaae.training._base_step import BaseStep

History = list[dict[str, float]]


def begin(estimator: Any, X: Rows, *labels: Any) -> tuple[Seeds, Checkpoints | None]:
    """Return the seeds of a fit, and its checkpoints where it is to have any.

    A fit that goes on from one takes its seeds from there.

    Raises
    ------
    ValueError
        If processes that train together are asked for checkpoints.
    """
    asked = asked_checkpoints()
    if asked is None:
        return current_ranks().of_first(Seeds.draw(estimator.random_state)), None
    if current_ranks().size > 1:
        raise ValueError(
            "resumable: expected a fit by one process, got one by several. Leave one of the blocks "
            "resumable() and data_parallel()."
        )
    folder, every = asked
    # Before seeds are drawn: a random state that is passed in moves on.
    name = f"{type(estimator).__name__}-{fingerprint(estimator, X, labels)}"
    seeds = Seeds.draw(estimator.random_state)
    checkpoints = Checkpoints(folder, name, every)
    if checkpoints.start is not None:
        seeds = Seeds(**checkpoints.start[1]["seeds"])
    checkpoints.about = {"seeds": asdict(seeds)}
    return seeds, checkpoints


def epochs_so_far(history: History) -> dict[str, Any]:
    """Return the fitted attributes that tell of epochs."""
    return {"history_": list(history), "n_iter_": len(history)}


@dataclass(frozen=True)
class Watch:
    """What callbacks may ask for while an estimator trains.

    Attributes
    ----------
    rows : callable
        Returns the rows to score, as the user passed them, and their targets.
    fitted : callable
        Takes a history; returns all attributes of the estimator as if ``fit`` had ended there.
    """

    rows: Callable[[], tuple[Any, Any]]
    fitted: Callable[[History], dict[str, Any]]


@dataclass
class EpochCallbacks:
    """An observer that tells scikit-learn's callbacks of a fit and its epochs.

    Rows, targets and fitted estimator are made where a callback asks for them.
    """

    estimator: BaseEstimator
    watch: Watch
    n_epochs: int
    _fit: Any = field(init=False)
    _epoch: Any = field(init=False)

    def __post_init__(self) -> None:
        self._fit = self.estimator._init_callback_context(max_subtasks=self.n_epochs)
        self._fit.call_on_fit_task_begin(**self._told)

    @property
    def _told(self) -> dict[str, Any]:
        return {
            "estimator": self.estimator,
            "X": lambda: self.watch.rows()[0],
            "y": lambda: self.watch.rows()[1],
        }

    def begin_epoch(self) -> None:
        """Open a task below the fit."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._told)

    def end_epoch(self, history: History) -> bool:
        """Close it; return whether a callback asks to stop."""
        return self._end(self._epoch, history)

    def end_fit(self, outcome: Outcome) -> None:
        """Close the task of the fit."""
        self._end(self._fit, outcome.history)

    def _end(self, task: Any, history: History) -> bool:
        stop: bool = task.call_on_fit_task_end(
            **self._told, reconstruction_attributes=lambda: self.watch.fitted(history)
        )
        return stop


@with_callbacks
def watched_run(
    estimator: Any,
    step: BaseStep,
    batches: ResidentBatches,
    budget: Budget,
    watch: Watch,
    **choices: Any,
) -> Outcome:
    """Train and return the outcome; `choices` are those of :func:`skaae.training.run`.

    Callbacks are set up and torn down here, around training itself, so that they know the number of
    epochs, and that an error in ``fit`` finds nothing of theirs to undo.
    """
    observers: list[Observer] = []
    if estimator.verbose:
        observers.append(Progress(budget.n_epochs, len(batches.rows)))
    if not getattr(estimator, "_skl_callbacks", None):
        return run(step, batches, budget, observers=observers, **choices)
    callbacks = EpochCallbacks(estimator, watch, budget.n_epochs)
    outcome = run(step, batches, budget, observers=[*observers, callbacks], **choices)
    callbacks.end_fit(outcome)
    return outcome
