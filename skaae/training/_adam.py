"""Adam with decoupled decay: PyTorch's kernel, without what stands around it."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from skaae._model import ClusterHeads
from skaae.distributed import current_ranks
from skaae.networks import LinearPathNetwork

#: What is known of the past gradients of a parameter: their number, and their moments.
MOMENTS = ("step", "exp_avg", "exp_avg_sq")

# Moments of a weight whose gradient is zero, as behind a unit that has died, halve step by step. On
# their way to zero they spend steps among numbers so small that some processors take a hundred
# times as long for each: such steps took half as long again. From 1e-30, below which a moment moves
# no weight, it takes them 26 steps to get there.
_SMALLEST_MOMENT = 1e-30
_STEPS_BETWEEN_SWEEPS = 24


class _Move:
    """Parameters of a group that move together, sorted once for all steps."""

    def __init__(
        self, group: dict[str, Any], parameters: list[Tensor], states: Any, place: slice
    ) -> None:
        self.group, self.parameters, self.place = group, parameters, place
        self.strides = [parameter.stride() for parameter in parameters]
        self.states = [states[parameter] for parameter in parameters]
        self.steps = [state["step"] for state in self.states]
        self.counts = list({id(step): step for step in self.steps}.values())
        self.means = [state["exp_avg"] for state in self.states]
        self.squares = [state["exp_avg_sq"] for state in self.states]

    def is_of(self, states: Any) -> bool:
        """Return whether it moves what `states` has, in which others may put what was saved."""
        return all(map(operator.is_, map(states.get, self.parameters), self.states))

    def __call__(self, gradients: list[Tensor]) -> None:
        """Move the parameters against their part of the gradients of all."""
        # The kernel walks through memory, so a gradient has to lie there as its parameter does.
        gradients = [
            gradient if gradient.stride() == stride else torch.empty_like(parameter).copy_(gradient)
            for gradient, stride, parameter in zip(
                gradients[self.place], self.strides, self.parameters
            )
        ]
        for count in self.counts:
            count.add_(1)
        group = self.group
        torch._fused_adamw_(
            self.parameters,
            gradients,
            self.means,
            self.squares,
            [],
            self.steps,
            amsgrad=False,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


class Adam(torch.optim.AdamW):
    """AdamW over the parameters of networks, which :meth:`descend` moves.

    Weight matrices decay, by a tenth of themselves in a step at most; biases, linear paths and
    heads do not. It is PyTorch's AdamW, state and all, but asks autograd for the gradients and
    hands them straight to the fused kernel: ``backward``, ``zero_grad`` and ``step`` take a tenth
    of a small network's step for gathering and sorting what does not change.

    Parameters
    ----------
    parts : dict of nn.Module to float
        Networks, of which parameters that require gradients move, and by what the decay of each is
        multiplied.
    learning_rate : float
    weight_decay : float
    betas : tuple of two floats
    """

    _n_steps = 0
    # What the last loss depended on, and how that moves.
    _reached: Sequence[bool] = ()
    _moves: Sequence[_Move] = ()

    def __init__(
        self,
        parts: dict[nn.Module, float],
        learning_rate: float,
        weight_decay: float,
        betas: tuple[float, float],
    ) -> None:
        undecayed = {
            id(parameter)
            for part in parts
            for module in part.modules()
            if isinstance(module, (LinearPathNetwork, ClusterHeads))
            for parameter in getattr(module, "linear", module).parameters()
        }
        groups: dict[float, list[nn.Parameter]] = {factor: [] for factor in parts.values()}
        groups.setdefault(0.0, [])
        for part, factor in parts.items():
            for parameter in part.parameters():
                if parameter.requires_grad:
                    decays = parameter.ndim > 1 and id(parameter) not in undecayed
                    groups[factor if decays else 0.0].append(parameter)
        super().__init__(
            [
                {"params": parameters, "initial_lr": learning_rate, "decay_factor": factor}
                for factor, parameters in groups.items()
            ],
            lr=learning_rate,
            betas=betas,
            weight_decay=0.0,
            fused=True,
        )
        self.set_decay(weight_decay)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, without PyTorch's compiler.

        PyTorch's own imports it, to keep it from compiling what adds them: 800 modules and three
        quarters of a second in every process, as long as fifteen small fits.
        """
        inspect.unwrap(torch.optim.AdamW.add_param_group)(self, param_group)

    def set_rate(self, factor: float) -> None:
        """Set the learning rate to `factor` times its initial value."""
        for group in self.param_groups:
            group["lr"] = factor * group["initial_lr"]

    def set_decay(self, weight_decay: float) -> None:
        """Set the decay, which takes a tenth of a weight in a step at most."""
        for group in self.param_groups:
            decay = group["decay_factor"] * weight_decay
            group["weight_decay"] = min(decay, 0.1 / group["initial_lr"])

    def descend(self, loss: Tensor) -> None:
        """Move the parameters against the gradient of `loss`, averaged over the processes.

        Other tensors that `loss` depends on get no gradients, and no parameter keeps one: hooks
        that wait for ``.grad`` are not called.
        """
        parameters = [p for group in self.param_groups for p in group["params"]]
        if not parameters:
            return
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        reached = [gradient is not None for gradient in found]
        if reached != self._reached or not all(move.is_of(self.state) for move in self._moves):
            self._reached, self._moves = reached, self._new_moves(parameters, reached)
        gradients = current_ranks().average(gradient for gradient in found if gradient is not None)
        with torch.no_grad():
            for move in self._moves:
                move(gradients)
        self._n_steps += 1
        if self._n_steps % _STEPS_BETWEEN_SWEEPS == 0:
            self._sweep()

    def _new_moves(self, parameters: list[Tensor], reached: list[bool]) -> list[_Move]:
        """Return how the parameters that a loss depends on move, by groups."""
        fresh = torch.zeros((), dtype=torch.float32, device=parameters[0].device)
        moves, n_before = [], 0
        left = iter(reached)
        for group in self.param_groups:
            moved = [parameter for parameter, yes in zip(group["params"], left) if yes]
            # Of those that moved together so far, one count stands for all; it is a new one, as
            # not all of them may do so from here on.
            counts: dict[int, Tensor] = {}
            for parameter in moved:
                state = self.state[parameter]
                if not state:
                    state["step"] = fresh
                    state["exp_avg"] = torch.zeros_like(parameter)
                    state["exp_avg_sq"] = torch.zeros_like(parameter)
                count = state["step"]
                state["step"] = counts.setdefault(id(count), count.clone())
            if moved:
                place = slice(n_before, n_before + len(moved))
                moves.append(_Move(group, moved, self.state, place))
                n_before = place.stop
        return moves

    def _sweep(self) -> None:
        """Let moments that no longer move a weight be zero."""
        for state in self.state.values():
            for name in ("exp_avg", "exp_avg_sq"):
                if state[name].device.type == "cpu":
                    torch.ops.aten.hardshrink.out(state[name], _SMALLEST_MOMENT, out=state[name])
