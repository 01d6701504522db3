"""Networks: which function the encoder, the decoder and the discriminator are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from sklearn.base import BaseEstimator, clone
from torch import Tensor, nn

from skaae.networks._convolutional import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    JoinedEncoder,
)
from skaae.networks._mlp import ACTIVATIONS, MLP, LinearPathNetwork

#: The names that `encoder=` accepts.
ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "mlp": MLP,
    "convolutional": ConvolutionalEncoder,
}

#: The names that `decoder=` accepts.
DECODERS: dict[str, Callable[..., nn.Module]] = {
    "mlp": MLP,
    "convolutional": ConvolutionalDecoder,
}

#: Builders of which all is known: whether their networks draw at random, and that they run in
#: float64 as they do in float32. Not those of users who inherit from them.
OWN_BUILDERS = (MLP, ConvolutionalEncoder, ConvolutionalDecoder)


def resolve_builder(
    choice: str | Callable[..., nn.Module] | nn.Module | None,
    default: MLP,
    registry: dict[str, Callable[..., Any]],
) -> Any:
    """Return the builder, or module, that an estimator's parameter stands for."""
    if choice is None or choice == "mlp":
        return default
    return registry[choice]() if isinstance(choice, str) else choice


def as_described(builder: Any) -> Any:
    """Return a builder as it is now: a copy of its parameters, where it has such."""
    return clone(builder) if isinstance(builder, BaseEstimator) else builder


def build_network(
    builder: Any, n_inputs: int, n_outputs: int, role: str, *, n_noise: int = 0
) -> nn.Module:
    """Return a new, checked network.

    Parameters
    ----------
    builder : callable or nn.Module
        ``(n_inputs, n_outputs) -> nn.Module``. A module is copied, so that the caller's own is
        not trained in place.
    n_inputs, n_outputs : int
        Columns in and out.
    role : str
        The parameter it came from, for messages.
    n_noise : int, default=0
        Of the columns in, those of noise, which stand behind the row's.

    Raises
    ------
    ValueError
        If the network does not map (n_samples, n_inputs) to (n_samples, n_outputs), or is of
        images that are not the row.
    TypeError
        If the builder does not answer an ``nn.Module``.
    """
    if isinstance(builder, nn.Module):
        network = copy.deepcopy(builder)
    else:
        network = builder(n_inputs, n_outputs)
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"{role}: expected the builder to return a torch.nn.Module, got "
            f"{type(network).__name__}."
        )
    if isinstance(network, JoinedEncoder):
        network.check_columns(n_inputs - n_noise)
    _check_shapes(network, n_inputs, n_outputs, role)
    return network


def draws_at_random(builder: Any) -> bool:
    """Return whether the networks of a builder may draw at random in training, as dropout does."""
    return type(builder) not in OWN_BUILDERS or builder.draws_at_random


def runs_in_double(network: nn.Module, n_inputs: int) -> bool:
    """Return whether a network answers float64 rows once its weights are float64.

    One that makes tensors of a dtype of its own inside does not.
    """
    parameter = next(network.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    rows = torch.zeros(2, n_inputs, dtype=torch.float64, device=device)
    double = copy.deepcopy(network).double().eval()
    try:
        with torch.no_grad(), rows.device:
            return bool(double(rows).dtype == torch.float64)
    except RuntimeError:
        return False


def _check_shapes(network: nn.Module, n_inputs: int, n_outputs: int, role: str) -> None:
    """Raise ValueError where `network` does not map `n_inputs` to `n_outputs` columns."""
    parameter = next(network.parameters(), None)
    like = torch.zeros((), device="cpu") if parameter is None else parameter
    rows = torch.zeros(2, n_inputs, dtype=like.dtype, device=like.device)
    was_training = network.training
    network.eval()
    try:
        # What it makes on its way lies where it does, also while other parts are shapes only.
        with torch.no_grad(), rows.device:
            outputs = network(rows)
    except Exception as error:
        raise ValueError(
            f"{role}: the network failed on rows of {n_inputs} columns: {error}"
        ) from error
    finally:
        network.train(was_training)
    shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
    if shape != (2, n_outputs):
        raise ValueError(
            f"{role}: the network was to map (2, {n_inputs}) to (2, {n_outputs}), but answered "
            f"{shape}."
        )


__all__ = [
    "ACTIVATIONS",
    "DECODERS",
    "ENCODERS",
    "MLP",
    "OWN_BUILDERS",
    "ConvolutionalDecoder",
    "ConvolutionalEncoder",
    "LinearPathNetwork",
    "as_described",
    "build_network",
    "draws_at_random",
    "resolve_builder",
    "runs_in_double",
]
