"""Epochs: rates, history, validation and stopping. The loop knows no autoencoder."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from skaae._threads import watched_threads
from skaae.checkpoints import Checkpoints
from skaae.distributed import current_ranks
from skaae.training._batches import Batch
from skaae.training._budget import Budget
from skaae.training._interruption import interrupt_is_for_caller
from skaae.training._observer import Observer
from skaae.training._pass import Pass
from skaae.training._snapshot import Stateful, fits, restore, tensors_of

# Held-out rows are looked at every so many steps at the earliest: on small data an epoch is one
# step, and looking after each would cost more than training.
_STEPS_BETWEEN_LOOKS = 50
# A loss that is not finite is tried again from the last good state at half the rate, so often.
_RECOVERIES = 5
# What a run has come to beside the state of its step.
_FACTS = ("history", "n_steps", "last_look", "n_recoveries")


class Step(Stateful, Protocol):
    """What the loop asks of a training step."""

    def __call__(self, batch: Batch) -> dict[str, Tensor]: ...

    def is_sound(self, batch: Batch) -> bool: ...

    def set_rate(self, factor: float) -> None: ...

    def forget(self) -> None: ...


class EarlyStopping:
    """Stop when held-out reconstruction and prior match have stopped improving.

    The adversarial losses play no part: they say who is ahead, not how good the codes are.

    Parameters
    ----------
    n_iter_no_change : int
        Looks at the held-out rows without an improvement by `tol` before training ends.
    tol : float
    """

    def __init__(self, n_iter_no_change: int, tol: float) -> None:
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.best = math.inf
        self.n_looks = 0

    def __call__(self, criterion: float) -> tuple[bool, bool]:
        """Take a look's criterion; return whether it is the best, and whether to stop."""
        improved = criterion < self.best - self.tol
        is_best = criterion < self.best
        self.best = min(self.best, criterion)
        self.n_looks = 0 if improved else self.n_looks + 1
        return is_best, self.n_looks >= self.n_iter_no_change


@dataclass(frozen=True)
class Outcome:
    """What a run of the loop leaves behind.

    Attributes
    ----------
    history : list of dict
        One an epoch: ``epoch``, ``learning_rate`` (as a factor), mean losses, and at looks the
        held-out measures.
    best_epoch : int
        Whose state the model has, counted from 1.
    n_recoveries : int
        How often a loss or weight was not finite and training went on from the last good state.
    finite : bool
        False if that helped no longer; training then ended at the last good state.
    interrupted : bool
        True if Ctrl-C ended training, at the last good state.
    """

    history: list[dict[str, float]]
    best_epoch: int
    n_recoveries: int = 0
    finite: bool = True
    interrupted: bool = False


def run(
    step: Step,
    batches: Iterable[Batch],
    budget: Budget,
    *,
    look: Callable[[], dict[str, float]] | None = None,
    stopping: EarlyStopping | None = None,
    observers: Sequence[Observer] = (),
    checkpoints: Checkpoints | None = None,
) -> Outcome:
    """Train `step` on `batches` for `budget` and return the outcome.

    Parameters
    ----------
    step : Step
    batches : iterable
        Each pass over it yields the batches of one epoch.
    budget : Budget
    look : callable, default=None
        Measures held-out rows; its key ``criterion`` feeds `stopping`.
    stopping : EarlyStopping, default=None
        None trains for the whole budget and keeps the last state.
    observers : sequence of Observer, default=()
        Told of each epoch; each may ask to stop, which ends the run at the state it has then, or,
        with `stopping`, at the best.
    checkpoints : Checkpoints, default=None
        Where the run goes on from, and writes its state to.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C comes before the first epoch has ended, or where the run is one of many.
    """
    device = next(iter(step.model.parameters())).device
    with watched_threads(device) as watched:
        return _Run(step, watched, batches, budget, look, stopping, observers, checkpoints)()


class _Run:
    """Epochs of one run, and how far they have come."""

    def __init__(
        self,
        step: Step,
        watched: Callable[..., dict[str, Tensor]],
        batches: Iterable[Batch],
        budget: Budget,
        look: Callable[[], dict[str, float]] | None,
        stopping: EarlyStopping | None,
        observers: Sequence[Observer],
        checkpoints: Checkpoints | None,
    ) -> None:
        self.step, self.watched, self.batches, self.budget = step, watched, batches, budget
        self.look, self.observers = look, observers
        # A beginning is judged by where it has come to.
        self.stopping = stopping if budget.n_planned is None else None
        self.checkpoints = checkpoints
        self.last_batch: Any = None
        self.ranks = current_ranks()
        self.ranks.start_alike(step)
        self.history: list[dict[str, float]] = []
        self.n_steps = self.last_look = self.n_recoveries = 0
        self.done = Pass()
        # State and epoch in one, so that an interruption finds both or neither.
        self.good = (_state(step.model), 0)
        while checkpoints is not None and checkpoints.start is not None:
            if fits(step, checkpoints.start[0]):
                start, checkpoints.start = checkpoints.start, None
                self._go_on_from(*start)
                break
            checkpoints.refuse("its networks, or the device's generator, are of other shapes")

    def __call__(self) -> Outcome:
        """Train to the end, whichever comes first, and leave the model at the state to keep."""
        ending = {}
        try:
            while len(self.history) < self.budget.n_epochs:
                for observer in self.observers:
                    observer.begin_epoch()
                entry, finite = self._epoch()
                if not finite and not self._recovers(entry):
                    ending = {"finite": False}
                    self.step.model.load_state_dict(self.good[0])
                    self._ask_to_stop()
                    break
                stop = finite and self._stops_after(entry)
                if self._told_to_stop() or stop:
                    break
                if self.checkpoints is not None and self.checkpoints.is_due():
                    self._save(self.checkpoints)
        except KeyboardInterrupt:
            if self.good[1] == 0 or interrupt_is_for_caller():
                raise
            ending = {"interrupted": True}
        state, epoch = self.good
        if ending or epoch < len(self.history):
            self.step.model.load_state_dict(state)
        return Outcome(self.history, epoch, self.n_recoveries, **ending)

    def _epoch(self) -> tuple[dict[str, float], bool]:
        """Train for a pass; return its entry of the history, and whether all is finite."""
        started = time.perf_counter()
        entry: dict[str, float] = {
            "epoch": len(self.history) + 1,
            "learning_rate": self._rate(self.n_steps),
        }
        losses, n_batches = self._pass()
        self.ranks.agree(self.step.model)
        entry |= losses
        self.n_steps += n_batches
        entry["seconds"] = time.perf_counter() - started
        self.history.append(entry)
        finite = all(math.isfinite(value) for value in losses.values())
        # The last update of an epoch is younger than its losses.
        if finite and (self._is_look(entry) or entry["epoch"] == 1):
            finite = self._is_sound()
        return entry, finite

    def _is_sound(self) -> bool:
        return self.ranks.of_first(self.step.is_sound(self.last_batch))

    def _rate(self, step: int) -> float:
        return self.budget.rate(step) * 0.5**self.n_recoveries

    def _recovers(self, entry: dict[str, float]) -> bool:
        """Go back to the last good state, to go on at half the rate; return whether to go on."""
        if self.n_recoveries == _RECOVERIES or entry["epoch"] == self.budget.n_epochs:
            return False
        self.n_recoveries += 1
        entry["recoveries"] = self.n_recoveries
        self.step.model.load_state_dict(self.good[0])
        # Their moments are not finite either, or lead where the weights were.
        self.step.forget()
        return True

    def _is_look(self, entry: dict[str, float]) -> bool:
        is_last = entry["epoch"] == self.budget.n_epochs
        return is_last or self.n_steps - self.last_look >= _STEPS_BETWEEN_LOOKS

    def _stops_after(self, entry: dict[str, float]) -> bool:
        """Look at held-out rows and keep the state, where it is time; return whether to stop."""
        epoch, stop = int(entry["epoch"]), False
        # The first epoch's state is kept at once, as one to go back to.
        is_good = epoch == 1
        if self._is_look(entry):
            self.last_look = self.n_steps
            is_good = True
            if self.look is not None:
                entry |= self.look()
            if self.stopping is not None:
                is_good, stop = self.ranks.of_first(self.stopping(entry["criterion"]))
        if is_good:
            self.good = (_state(self.step.model), epoch)
        return stop

    def _told_to_stop(self) -> bool:
        """Ask observers; keep the state where one asks to stop and there is no better one."""
        stop = self._ask_to_stop()
        # There may have been no look yet to choose a best state at.
        has_best = self.stopping is not None and math.isfinite(self.stopping.best)
        # An epoch that is tried again has left the state of an earlier one.
        is_new = "recoveries" not in self.history[-1]
        if stop and is_new and not has_best and self._is_sound():
            self.good = (_state(self.step.model), len(self.history))
        return stop

    def _ask_to_stop(self) -> bool:
        """Tell observers that an epoch has ended; return whether one asks to stop."""
        asked = [observer.end_epoch(self.history) for observer in self.observers]
        return self.ranks.of_first(any(asked))

    def _save(self, checkpoints: Checkpoints) -> None:
        good_state, good_epoch = self.good
        epoch, n_batches = len(self.history), self.done.n_batches
        is_now = good_epoch == epoch and not n_batches
        tensors = tensors_of(self.step, None if is_now else good_state) | self.done.tensors()
        facts = {name: getattr(self, name) for name in _FACTS} | {"good_epoch": good_epoch}
        if self.stopping is not None:
            facts["stopping"] = [self.stopping.best, self.stopping.n_looks]
        checkpoints.save(epoch, n_batches, tensors, facts | {"n_batches": n_batches})

    def _go_on_from(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        good_state = restore(self.step, tensors)
        for name in _FACTS:
            setattr(self, name, facts[name])
        device = next(iter(self.step.model.parameters())).device
        self.done = Pass.of(tensors, facts["n_batches"], device)
        self.good = (good_state or _state(self.step.model), facts["good_epoch"])
        if self.stopping is not None:
            self.stopping.best, self.stopping.n_looks = facts["stopping"]

    def _pass(self) -> tuple[dict[str, float], int]:
        """Return the mean losses of one pass over the rows and its number of batches."""
        done, checkpoints, batches = self.done, self.checkpoints, self.batches
        if checkpoints is not None:
            batches = done.rest_of(batches, self.step.generator)
        for batch in batches:
            self.step.set_rate(self._rate(self.n_steps + done.n_batches))
            done.add(self.watched(self.step, batch))
            self.last_batch = batch
            # After the last one the epoch ends, which is kept as such.
            is_within = done.n_batches < self.budget.n_batches
            if checkpoints is not None and is_within and checkpoints.is_due_within():
                self._save(checkpoints)
        self.done = Pass()
        means = self.ranks.average(done.totals.values())
        losses = {name: float(mean) / done.n_batches for name, mean in zip(done.totals, means)}
        return losses, done.n_batches


def _state(model: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy({name: value.detach() for name, value in model.state_dict().items()})
