"""Users' objects as priors: what they are handed, and what is left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import neighbors
from sklearn.base import clone

from skaae._device import new_generator
from skaae.priors import UserPrior, as_prior


class Recorder:
    """Takes all that is offered, and keeps it."""

    def sample(self, n, n_components, generator, random_state, rng, own="kept"):
        self.handed = locals()
        return np.zeros((n, n_components))


def test_an_object_is_handed_all_that_it_names():
    recorder, generator = Recorder(), new_generator(0)
    UserPrior(recorder).sample(3, 2, generator=generator)
    handed = recorder.handed
    assert (handed["n"], handed["n_components"], handed["own"]) == (3, 2, "kept")
    assert handed["generator"] is generator
    assert type(handed["random_state"]) is int
    assert isinstance(handed["rng"], np.random.Generator)


class GlobalTorch:
    """Draws as most users of PyTorch do, and names no generator."""

    def sample(self, n_samples):
        return torch.randn(n_samples, 2)


def test_pytorchs_global_draws_are_the_generators(global_states):
    before = global_states()
    first, second = (
        UserPrior(GlobalTorch()).sample(20, 2, generator=new_generator(3)) for _ in range(2)
    )
    assert torch.equal(first, second)
    assert global_states() == before


def test_numpy_generators_that_are_handed_repeat():
    states = []
    for _ in range(2):
        recorder = Recorder()
        UserPrior(recorder).sample(3, 2, generator=new_generator(0))
        handed = recorder.handed
        states.append((handed["random_state"], handed["rng"].bit_generator.state))
    assert states[0] == states[1]


class Stateful:
    """Has a `random_state` of its own beside the argument."""

    random_state = 7

    def sample(self, n_samples, random_state):
        assert self.random_state == 7
        return np.full((n_samples, 2), random_state)


class Slotted:
    """Takes no attributes."""

    __slots__ = ()

    def sample(self, n_samples):
        return np.zeros((n_samples, 2))


@pytest.mark.parametrize("source", [Stateful(), Slotted()], ids=lambda s: type(s).__name__)
def test_an_objects_own_random_state_is_set_only_where_there_is_no_other_way(source):
    assert as_prior(source).sample(3, 2).shape == (3, 2)


def test_a_copied_prior_shares_nothing_with_the_users_object():
    source = neighbors.KernelDensity(bandwidth=0.1).fit([[5.0, -5.0]])
    source.marks = [1, 2]
    copy = clone(UserPrior(source)).source
    copy.marks.append(3)
    assert source.marks == [1, 2]
