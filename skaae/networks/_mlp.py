"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, cast

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skaae._compat import Interval, StrOptions

#: The names that `activation=` accepts.
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def check_layer_sizes(sizes: Sequence[int], name: str) -> tuple[int, ...]:
    """Return `sizes` as a tuple of positive ints, or raise ValueError."""
    sizes = tuple(sizes)
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(f"{name}: expected a sequence of positive integers, got {sizes}.")
    return sizes


class LinearPathNetwork(nn.Module):
    """A network beside a linear map, their outputs added.

    Where the network starts at zero, the whole starts as the linear map, which
    ``set_linear_path`` can make a principal component analysis.
    """

    def __init__(self, network: nn.Sequential, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.network = network
        self.linear = nn.Linear(n_inputs, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return network(x) + linear(x)."""
        outputs: Tensor = self.network(x) + self.linear(x)
        return outputs

    @torch.no_grad()
    def set_linear_path(self, weight: Tensor, bias: Tensor) -> None:
        """Set the linear map; outputs (and inputs) past those of `weight` start at zero."""
        self.linear.weight.zero_()
        self.linear.bias.zero_()
        self.linear.weight[: weight.shape[0], : weight.shape[1]] = weight
        self.linear.bias[: bias.shape[0]] = bias

    @torch.no_grad()
    def start_at_random(self, outputs: slice) -> None:
        """Let some of the outputs start as those of an ordinary network do, not at zero."""
        last = cast(nn.Linear, self.network[-1])
        fresh = nn.Linear(last.in_features, last.out_features)
        last.weight[outputs] = fresh.weight[outputs]


class MLP(BaseEstimator):
    r"""Multilayer perceptron, with a linear path from input to output.

    .. math:: f(x) = A x + b + W_L \, a(W_{L-1} \ldots a(W_1 x))

    The linear path starts as the principal component analysis of the training rows and the last
    layer, unless it has anchors, at zero: training begins where PCA ends.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(512, 512)
        Units of each hidden layer; empty makes the whole linear.
    activation : {"relu", "leaky_relu", "silu", "tanh"}, default="relu"
    linear_path : bool, default=True
        Whether there is a linear path.
    batch_norm : bool, default=False
        Whether hidden units are normalised over the batch before their activation. An encoder that
        infers labels needs it; not for discriminators, which it breaks.
    n_anchors : int, default=0
        Units of a further hidden layer whose activation is the softmax; at least two, or none.
        Outputs, but for the linear path, are then means of so many anchors, weighted by how much a
        row belongs to each: an encoder draws groups apart by it that it would else smear over the
        way from one to another.

    Raises
    ------
    ValueError
        At ``fit``, if a size is not a positive integer or the activation is unknown.

    References
    ----------
    G. Hinton, R. Salakhutdinov, *Reducing the Dimensionality of Data with Neural Networks*, 2006.

    Examples
    --------
    >>> import torch
    >>> from skaae.networks import MLP
    >>> MLP((16,))(4, 2)(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    draws_at_random = False
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "linear_path": ["boolean"],
        "batch_norm": ["boolean"],
        "n_anchors": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (512, 512),
        *,
        activation: str = "relu",
        linear_path: bool = True,
        batch_norm: bool = False,
        n_anchors: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.linear_path = linear_path
        self.batch_norm = batch_norm
        self.n_anchors = n_anchors

    def __call__(self, n_inputs: int, n_outputs: int) -> nn.Module:
        """Return a new network from `n_inputs` to `n_outputs` columns."""
        self._validate_params()
        if self.n_anchors == 1:
            raise ValueError(
                "n_anchors: expected 0 or at least 2, got 1: one anchor is a constant."
            )
        sizes = check_layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes")
        layers: list[nn.Module] = []
        width = n_inputs
        for size in sizes:
            layers.append(nn.Linear(width, size))
            layers += [nn.BatchNorm1d(size)] if self.batch_norm else []
            layers.append(ACTIVATIONS[self.activation]())
            width = size
        if self.n_anchors:
            layers += [nn.Linear(width, self.n_anchors), nn.Softmax(dim=1)]
            width = self.n_anchors
        last = nn.Linear(width, n_outputs)
        if self.n_anchors:
            # Anchors lie as far apart as outputs of unit scale do.
            nn.init.normal_(last.weight)
            nn.init.zeros_(last.bias)
        network = nn.Sequential(*layers, last)
        if not self.linear_path:
            return network
        if not self.n_anchors:
            for parameter in network[-1].parameters():
                nn.init.zeros_(parameter)
        return LinearPathNetwork(network, n_inputs, n_outputs)
