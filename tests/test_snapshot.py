"""The state of a step as tensors, and back."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from skaae.training._snapshot import fits, restore, tensors_of


def stepper(seed=0):
    """Return what moves in training: two optimisers, each with its part of the weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    optimizers = [
        torch.optim.Adam([{"params": model[0].weight}, {"params": model[0].bias}], lr=0.1),
        torch.optim.Adam(model[2].parameters(), lr=0.1),
    ]
    return SimpleNamespace(
        model=model, optimizers=optimizers, generator=torch.Generator().manual_seed(seed)
    )


def moved(step, n_times=1):
    for _ in range(n_times):
        x = torch.randn(8, 3, generator=step.generator)
        step.model.zero_grad()
        step.model(x).square().sum().backward()
        for optimizer in step.optimizers:
            optimizer.step()
    return step


def state_of(step):
    moments = [
        value
        for optimizer in step.optimizers
        for state in optimizer.state.values()
        for value in state.values()
    ]
    return [*step.model.state_dict().values(), *moments, step.generator.get_state()]


def assert_alike(one, other):
    for mine, theirs in zip(state_of(one), state_of(other), strict=True):
        assert torch.equal(mine, theirs)
        assert mine.dtype == theirs.dtype


def test_names_tell_what_a_tensor_is_of():
    step = moved(stepper())
    weights = {f"model.{name}" for name in step.model.state_dict()}
    moments = {
        f"optimizer.{i}.{j}.{key}"
        for i in (0, 1)
        for j in (0, 1)
        for key in ("step", "exp_avg", "exp_avg_sq")
    }
    assert set(tensors_of(step, None)) == weights | moments | {"generator"}
    good = {name: value + 1.0 for name, value in step.model.state_dict().items()}
    tensors = tensors_of(step, good)
    assert set(tensors) == weights | moments | {"generator"} | {f"good.{name}" for name in good}
    assert torch.equal(tensors["good.0.weight"], step.model[0].weight + 1.0)
    assert not tensors["model.0.weight"].requires_grad


@pytest.mark.parametrize("n_times", [0, 1, 3])
def test_a_step_goes_on_where_it_was(n_times):
    """Whether it has begun or not, and whatever the other has been through."""
    step, other = moved(stepper(), n_times), moved(stepper(1), 2)
    tensors = tensors_of(step, None)
    assert restore(other, tensors) is None
    assert_alike(step, other)
    assert_alike(moved(step, 2), moved(other, 2))


def test_what_is_kept_does_not_move_with_the_step():
    step = moved(stepper())
    tensors = tensors_of(step, None)
    before = {name: value.clone() for name, value in tensors.items()}
    moved(step)
    assert all(torch.equal(value, before[name]) for name, value in tensors.items())


def test_the_state_to_keep_comes_back():
    step = moved(stepper())
    good = {name: value.clone() for name, value in step.model.state_dict().items()}
    tensors = tensors_of(moved(step), good)
    found = restore(stepper(1), tensors)
    assert set(found) == set(good)
    assert all(torch.equal(found[name], good[name]) for name in good)


def test_moments_lie_in_memory_as_their_parameters_do():
    step = stepper()
    step.model[0].weight.data = step.model[0].weight.data.T.contiguous().T
    tensors = tensors_of(moved(step), None)
    assert tensors["optimizer.0.0.exp_avg"].is_contiguous()
    restore(step, tensors)
    weight = step.model[0].weight
    for value in (step.optimizers[0].state[weight][key] for key in ("exp_avg", "exp_avg_sq")):
        assert value.stride() == weight.stride() == (1, 2)
    assert step.optimizers[0].state[weight]["step"].shape == ()


def test_what_fits_has_the_names_and_shapes_of_the_model():
    step = moved(stepper())
    tensors = tensors_of(step, None)
    assert fits(step, tensors)
    assert not fits(step, {**tensors, "model.0.weight": torch.zeros(3, 2)})
    assert not fits(step, {**tensors, "model.3.weight": torch.zeros(1)})
    assert not fits(step, {**tensors, "generator": tensors["generator"][:16]})
    step.model = nn.Sequential(nn.Linear(3, 2))
    assert not fits(step, tensors)
    step = moved(stepper())
    del tensors["model.0.bias"]
    assert not fits(step, tensors)
