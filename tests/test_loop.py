"""The loop: looks, stopping, and what a run keeps and says."""

import math

import pytest
import torch
from test_recovery import StopAfter
from test_training import CountingStep

from skaae.training import Budget, EarlyStopping, Outcome, _loop, run


def weight_of(step):
    return float(step.model.weight.detach())


def ones(n_batches):
    return [torch.ones(1)] * n_batches


# -------------------------------------------------------------------------------------- stopping


def test_stopping_counts_looks_without_an_improvement_by_tol():
    stopping = EarlyStopping(n_iter_no_change=2, tol=0.25)
    found = [stopping(criterion) for criterion in (2.0, 1.875, 1.5, 1.25, 1.5, 0.5, 0.5)]
    assert [best for best, _ in found] == [True, True, True, True, False, True, False]
    assert [stop for _, stop in found] == [False, False, False, False, True, False, False]
    assert (stopping.best, stopping.n_looks) == (0.5, 1)


def test_looks_that_are_not_finite_count_too():
    stopping = EarlyStopping(n_iter_no_change=2, tol=0.0)
    assert [stopping(math.inf) for _ in range(2)] == [(False, False), (False, True)]


# ----------------------------------------------------------------------------------- what is said


def test_an_outcome_is_a_good_one_unless_told_otherwise():
    outcome = Outcome([], 3)
    assert (outcome.n_recoveries, outcome.finite, outcome.interrupted) == (0, True, False)


def test_an_entry_tells_epoch_rate_losses_and_seconds(monkeypatch):
    clock = iter([10.0, 12.5, 20.0, 21.0])
    monkeypatch.setattr(_loop.time, "perf_counter", lambda: next(clock, 30.0))
    budget = Budget(2, 2)
    step = Quiet()
    outcome = _loop._Run(step, step_directly, ones(2), budget, None, None, (), None)()
    assert outcome.history == [
        {"epoch": 1, "learning_rate": budget.rate(0), "reconstruction": 1.0, "seconds": 2.5},
        {"epoch": 2, "learning_rate": budget.rate(2), "reconstruction": 1.0, "seconds": 1.0},
    ]
    assert step.rates == [budget.rate(k) for k in range(4)]
    assert (outcome.best_epoch, outcome.n_recoveries, outcome.finite) == (2, 0, True)


class Quiet(CountingStep):
    """A step whose losses are those of its batch."""


def step_directly(step, batch):
    return step(batch)


def test_several_losses_are_averaged_each():
    class Two(CountingStep):
        def __call__(self, x):
            super().__call__(x)
            return {"a": x.sum(), "b": 10.0 * x.sum()}

    batches = [torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([6.0])]
    (entry,) = run(Two(), batches, Budget(1, 3)).history
    assert (entry["a"], entry["b"]) == (3.0, 30.0)


# ------------------------------------------------------------------------------------------ looks


@pytest.mark.parametrize(
    ("n_batches", "n_epochs", "expected"),
    [(50, 3, [1, 2, 3]), (49, 4, [2, 4]), (25, 5, [2, 4, 5]), (1, 60, [50, 60])],
)
def test_looks_are_at_the_last_epoch_and_fifty_steps_apart(n_batches, n_epochs, expected):
    outcome = run(
        CountingStep(), ones(n_batches), Budget(n_epochs, n_batches), look=lambda: {"seen": 1.0}
    )
    assert [entry["epoch"] for entry in outcome.history if "seen" in entry] == expected
    assert outcome.best_epoch == n_epochs


def test_without_a_look_the_last_state_is_kept():
    step = CountingStep()
    outcome = run(step, ones(2), Budget(3, 2))
    assert (outcome.best_epoch, weight_of(step)) == (3, 6.0)


def test_the_best_may_be_the_first_look_and_the_last_epoch():
    for criteria, best in (([1.0, 2.0, 3.0], 1), ([3.0, 2.0, 1.0], 3)):
        looks, step = iter(criteria), CountingStep()
        outcome = run(
            step,
            ones(50),
            Budget(3, 50),
            look=lambda looks=looks: {"criterion": next(looks)},
            stopping=EarlyStopping(n_iter_no_change=5, tol=0.0),
        )
        assert (outcome.best_epoch, len(outcome.history)) == (best, 3)
        assert weight_of(step) == 50.0 * best


# -------------------------------------------------------------------------------------- observers


class Recording(StopAfter):
    def __init__(self, epoch=0):
        super().__init__(epoch)
        self.calls = []

    def begin_epoch(self):
        self.calls.append("begin")

    def end_epoch(self, history):
        self.calls.append([entry["epoch"] for entry in history])
        return super().end_epoch(history)


def test_observers_are_told_of_each_epoch_and_all_of_the_last():
    first, second = Recording(2), Recording()
    step = CountingStep()
    outcome = run(step, ones(3), Budget(5, 3), observers=[first, second])
    assert first.calls == second.calls == ["begin", [1], "begin", [1, 2]]
    assert (len(outcome.history), outcome.best_epoch, weight_of(step)) == (2, 2, 6.0)
    assert outcome.finite
    assert not outcome.interrupted


@pytest.mark.parametrize(("epoch", "kept"), [(2, 2), (4, 3), (6, 3)])
def test_a_stop_keeps_the_best_state_where_there_was_a_look(epoch, kept):
    """Looks are at epochs 3 and 6; before the first of them there is no best."""
    criteria, step = iter([1.0, 2.0]), CountingStep()
    outcome = run(
        step,
        ones(20),
        Budget(9, 20),
        look=lambda: {"criterion": next(criteria)},
        stopping=EarlyStopping(n_iter_no_change=9, tol=0.0),
        observers=[StopAfter(epoch)],
    )
    assert (len(outcome.history), outcome.best_epoch) == (epoch, kept)
    assert weight_of(step) == 20.0 * kept


class Unsound(CountingStep):
    """A step that is not sound from some weight on; its losses do not tell."""

    def __init__(self, from_weight):
        super().__init__()
        self.from_weight, self.asked = from_weight, []

    def is_sound(self, batch):
        self.asked.append((weight_of(self), float(batch)))
        return weight_of(self) < self.from_weight


def test_a_stop_in_an_epoch_that_is_not_sound_goes_back():
    step = Unsound(6.0)
    outcome = run(step, ones(2), Budget(9, 2), observers=[StopAfter(3)])
    assert (len(outcome.history), outcome.best_epoch, weight_of(step)) == (3, 1, 2.0)


def test_soundness_is_asked_of_the_last_batch_where_states_are_kept():
    step = Unsound(math.inf)
    batches = [torch.tensor(1.0), torch.tensor(7.0)] * 10
    run(step, batches, Budget(4, 20))
    # The first epoch, the look after fifty steps, and the last.
    assert step.asked == [(20.0, 7.0), (60.0, 7.0), (80.0, 7.0)]


def test_an_epoch_that_is_not_sound_is_tried_again():
    step = Unsound(101.0)
    outcome = run(step, ones(50), Budget(4, 50, annealed=False))
    # The third and the fourth reach 150; from the fourth, the last, there is no going on.
    assert [entry.get("recoveries") for entry in outcome.history] == [None, None, 1, None]
    assert (outcome.best_epoch, outcome.finite, weight_of(step)) == (2, False, 100.0)
    assert step.rates[100:] == [1.0] * 50 + [0.5] * 50


# -------------------------------------------------------------------------------- interruptions


class Interrupted(CountingStep):
    def __init__(self, at):
        super().__init__()
        self.at, self.n_calls = at, 0

    def __call__(self, x):
        self.n_calls += 1
        if self.n_calls == self.at:
            raise KeyboardInterrupt
        return super().__call__(x)


def test_an_interruption_goes_back_to_the_last_state_kept():
    step = Interrupted(at=131)
    outcome = run(step, ones(20), Budget(9, 20))
    # Epochs 1, 3 and 6 were kept.
    assert (outcome.interrupted, outcome.finite, outcome.best_epoch) == (True, True, 6)
    assert (len(outcome.history), weight_of(step)) == (6, 120.0)


@pytest.mark.parametrize(("at", "for_caller"), [(20, False), (50, True)])
def test_an_interruption_raises_in_the_first_epoch_or_for_the_caller(at, for_caller, monkeypatch):
    monkeypatch.setattr(_loop, "interrupt_is_for_caller", lambda: for_caller)
    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(at), ones(20), Budget(9, 20))


# ---------------------------------------------------------------------------------- checkpoints


class Optimised(CountingStep):
    """A step with what checkpoints keep beside weights, and a loss of random size."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)
        self.optimizers = [torch.optim.Adam(self.model.parameters(), lr=0.1)]

    def forget(self):
        self.optimizers[0].state.clear()

    def __call__(self, x):
        target = torch.randn(1, generator=self.generator)
        loss = (self.model(x) - target).square().sum()
        (optimizer,) = self.optimizers
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"reconstruction": loss.detach() * x.sum().sign()}


class KeptCheckpoints:
    """Checkpoints of every epoch, and of every batch if asked, in memory."""

    def __init__(self, start=None, due=None, within=False):
        self.start, self.due, self.saved, self.refused = start, due, [], []
        self.is_due_within = lambda: within

    def is_due(self):
        return self.due is None or len(self.saved) in self.due

    def save(self, epoch, n_batches, tensors, facts):
        facts = {**facts, "history": [dict(entry) for entry in facts["history"]]}
        self.saved.append((epoch, tensors, facts))

    def refuse(self, reason):
        self.refused.append(reason)
        self.start = None  # there is none before it


def criteria_of(step):
    return {"criterion": abs(weight_of(step))}


def whole_run(checkpoints, n_epochs=6):
    step = Optimised()
    stopping = EarlyStopping(n_iter_no_change=99, tol=0.1)
    outcome = run(
        step,
        ones(30),
        Budget(n_epochs, 30),
        look=lambda: criteria_of(step),
        stopping=stopping,
        checkpoints=checkpoints,
    )
    for entry in outcome.history:
        del entry["seconds"]
    return outcome, weight_of(step), stopping


@pytest.mark.parametrize("k", range(5))
def test_a_run_goes_on_from_each_checkpoint_to_the_same_bits(k):
    kept = KeptCheckpoints()
    outcome, weight, stopping = whole_run(kept)
    assert [epoch for epoch, *_ in kept.saved] == [1, 2, 3, 4, 5, 6]
    again = KeptCheckpoints(kept.saved[k][1:])
    other, other_weight, other_stopping = whole_run(again)
    for entry in other.history:
        entry.pop("seconds", None)
    assert again.start is None
    assert [epoch for epoch, *_ in again.saved] == list(range(k + 2, 7))
    assert (other, other_weight) == (outcome, weight)
    assert vars(stopping) == vars(other_stopping)


def test_a_checkpoint_holds_the_state_to_keep_where_it_is_another():
    kept = KeptCheckpoints()
    whole_run(kept)
    # The first epoch's state is kept at once, and the second is a look.
    good = [facts["good_epoch"] for _, _, facts in kept.saved]
    assert good[0] == 1
    for epoch, tensors, facts in kept.saved:
        assert any(name.startswith("good.") for name in tensors) == (facts["good_epoch"] < epoch)
        assert len(facts["history"]) == epoch
        assert facts["n_steps"] == 30 * epoch
        assert facts["n_recoveries"] == 0
    assert [facts["last_look"] for *_, facts in kept.saved] == [0, 60, 60, 120, 120, 180]


def test_checkpoints_are_written_when_they_are_due_and_without_stopping_too():
    kept = KeptCheckpoints(due={0})
    outcome = run(Optimised(), ones(30), Budget(4, 30), checkpoints=kept)
    assert [epoch for epoch, *_ in kept.saved] == [1]
    assert "stopping" not in kept.saved[0][2]
    again = run(
        Optimised(), ones(30), Budget(4, 30), checkpoints=KeptCheckpoints(kept.saved[0][1:])
    )
    losses = [[entry["reconstruction"] for entry in found.history] for found in (outcome, again)]
    assert losses[0] == losses[1]


def test_a_checkpoint_of_other_shapes_is_refused():
    kept = KeptCheckpoints()
    whole_run(kept)
    _, tensors, facts = kept.saved[0]
    again = KeptCheckpoints(({**tensors, "model.weight": torch.zeros(2, 1)}, facts))
    outcome, *_ = whole_run(again)
    assert again.refused == ["its networks, or the device's generator, are of other shapes"]
    assert [entry["epoch"] for entry in outcome.history] == [1, 2, 3, 4, 5, 6]
