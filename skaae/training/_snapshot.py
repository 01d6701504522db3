"""The state of a run as tensors with names, and back, to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

State = dict[str, Tensor]


class Stateful(Protocol):
    """What of a step moves in training."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]: ...

    @property
    def generator(self) -> torch.Generator: ...


def tensors_of(step: Stateful, good_state: State | None) -> State:
    """Return copies, on the CPU, of all that a step has learnt and drawn, and of the state to keep.

    `good_state` is None where that is the model's.
    """
    tensors = {f"model.{name}": value for name, value in step.model.state_dict().items()}
    tensors |= {f"good.{name}": value for name, value in (good_state or {}).items()}
    for i, optimizer in enumerate(step.optimizers):
        for j, parameter in enumerate(_parameters(optimizer)):
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{i}.{j}.{key}"] = value
    tensors["generator"] = step.generator.get_state()
    # Copies: tensors that share memory, as tied weights do, are no safetensors.
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }


def fits(step: Stateful, tensors: State) -> bool:
    """Return whether tensors are of a step with these parameters and buffers, and generator."""
    now = {f"model.{name}": value.shape for name, value in step.model.state_dict().items()}
    now["generator"] = step.generator.get_state().shape
    own = ("model.", "generator")
    return now == {k: value.shape for k, value in tensors.items() if k.startswith(own)}


def restore(step: Stateful, tensors: State) -> State | None:
    """Put a step where it was; return the state to keep, or None where that is the model's."""
    step.model.load_state_dict(_part(tensors, "model"))
    for i, optimizer in enumerate(step.optimizers):
        optimizer.state.clear()
        for j, parameter in enumerate(_parameters(optimizer)):
            state = _part(tensors, f"optimizer.{i}.{j}")
            if state:
                optimizer.state[parameter] = {
                    key: _laid_out_as(parameter, value) for key, value in state.items()
                }
    step.generator.set_state(tensors["generator"])
    good = _part(tensors, "good")
    device = next(iter(step.model.parameters())).device
    return {name: value.to(device) for name, value in good.items()} or None


def _part(tensors: State, prefix: str) -> State:
    start = f"{prefix}."
    return {k.removeprefix(start): value for k, value in tensors.items() if k.startswith(start)}


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """Return moments on the parameter's device, in memory as it lies there; counts as they are."""
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value).detach()
