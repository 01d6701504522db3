"""Adam with decoupled decay: PyTorch's kernel, without what stands around it."""

from __future__ import annotations

import inspect
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
        moved = [p for p, gradient in zip(parameters, found) if gradient is not None]
        means = current_ranks().average(gradient for gradient in found if gradient is not None)
        # The kernel walks through memory, so a gradient has to lie there as its parameter does.
        gradients: dict[Tensor, Tensor] = {
            parameter: gradient
            if gradient.stride() == parameter.stride()
            else torch.empty_like(parameter).copy_(gradient)
            for parameter, gradient in zip(moved, means)
        }
        for group in self.param_groups:
            self._move([p for p in group["params"] if p in gradients], group, gradients)
        self._n_steps += 1
        if self._n_steps % _STEPS_BETWEEN_SWEEPS == 0:
            self._sweep()

    def _sweep(self) -> None:
        """Let moments that no longer move a weight be zero."""
        for state in self.state.values():
            for name in ("exp_avg", "exp_avg_sq"):
                if state[name].device.type == "cpu":
                    torch.ops.aten.hardshrink.out(state[name], _SMALLEST_MOMENT, out=state[name])

    @torch.no_grad()
    def _move(
        self, parameters: list[Tensor], group: dict[str, Any], gradients: dict[Tensor, Tensor]
    ) -> None:
        if not parameters:
            return
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in parameters]
        steps = [state["step"] for state in states]
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            parameters,
            [gradients[parameter] for parameter in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            amsgrad=False,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
