"""A fitted estimator as two files, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import Any

import numpy as np
import safetensors.torch
import sklearn
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skaae._device import new_generator, resolve_device
from skaae._latent import Latent
from skaae._persistence._documents import (
    DOCUMENT,
    FORMAT,
    WEIGHTS,
    check_document,
    parse_document,
)
from skaae._persistence._files import Files
from skaae._persistence._kinds import expect, fields_of
from skaae._persistence._values import Reader, Writer
from skaae._persistence._weights import Weights, check_header, within_memory
from skaae._portable import device_here, warn_of_version
from skaae._scoped_randomness import ScopedRandomness
from skaae._version import __version__
from skaae.networks import OWN_BUILDERS

_PARTS = ("format", "estimator", "versions", "parameters", "fitted", "model")
_TENSORS = ("array.", "model.", "training.")
# Layers of a network that a file may ask for, and numbers that a prior or posterior may compute
# with: far beyond use, and far below what takes a second to build.
_MOST_LAYERS = 64
_MOST_NUMBERS = 2**22


def versions() -> dict[str, str]:
    """Return the versions that a file is written with."""
    return {
        "skaae": str(__version__),
        "scikit-learn": sklearn.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


# ------------------------------------------------------------------------------ saving


def to_files(estimator: Any, *, training: bool) -> dict[str, bytes]:
    """Return the files of a fitted estimator by their names; see ``save`` for what they hold.

    Raises
    ------
    ValueError
        If the document, or what names the tensors, is too large to be read again.
    """
    check_is_fitted(estimator)
    estimator._validate_params()
    writer, model = Writer(), estimator.model_
    parameters = {
        name: writer.encode(value, f"parameters.{name}")
        for name, value in estimator.get_params(deep=False).items()
    }
    fitted = {
        name: writer.encode(getattr(estimator, name), f"fitted.{name}")
        for name in estimator._fitted_attributes
        if name != "model_" and name in vars(estimator)
    }
    arguments = {
        name: writer.encode(value, f"model.{name}") for name, value in model.arguments.items()
    }
    _check_parts(model.arguments)
    _check_latents(model)
    weights = model.state_dict() if training else model.inference_state()
    tensors = {f"model.{name}": value for name, value in weights.items()}
    if training:
        state = estimator._training_state().items()
        tensors |= {f"training.{name}": value for name, value in state}
    _check_finite(tensors)
    document = {
        "format": FORMAT,
        "estimator": _name(type(estimator)),
        "versions": versions(),
        "parameters": parameters,
        "fitted": fitted,
        "model": arguments,
    }
    data = json.dumps(document, allow_nan=False, indent=1).encode()
    check_document(data)
    packed = safetensors.torch.save(_apart(writer.tensors | tensors))
    check_header(packed)
    return {DOCUMENT: data, WEIGHTS: packed}


def _name(case: type) -> str:
    own = case.__module__.split(".")[0] == "skaae"
    return case.__name__ if own else f"{case.__module__}.{case.__qualname__}"


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors on the CPU of which no two share memory, as tied weights do."""
    found: dict[int, Tensor] = {}
    apart = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if place in found else tensor
        found[place] = tensor
    return apart


# ------------------------------------------------------------------------------ loading


def from_files(
    files: Files,
    estimators: dict[str, type],
    *,
    device: str | torch.device,
    custom_objects: Any,
) -> Any:
    """Return the fitted estimator of two files.

    Parameters
    ----------
    files : Files
    estimators : dict of str to type
        Which classes a file may name.
    device : str or torch.device
        ``"auto"`` is the one that it was fitted on, or the CPU where this machine lacks it.
    custom_objects : sequence or dict

    Raises
    ------
    ValueError
        If anything in the files is not what ``to_files`` writes, or there is no memory for it.
    """
    document = fields_of(parse_document(files.document), set(_PARTS), DOCUMENT)
    weights = Weights(files.weights)
    for name in weights.shapes:
        expect(name.startswith(_TENSORS), WEIGHTS, "tensors of ours", name)
    with within_memory(files.weights.size):
        estimator = _estimator(document, weights, estimators, device, custom_objects)
    files.check()
    _compare_versions(document["versions"], type(estimator).__name__)
    return estimator


def _estimator(
    document: dict[str, Any],
    weights: Weights,
    estimators: dict[str, type],
    device: str | torch.device,
    custom_objects: Any,
) -> Any:
    """Return an estimator; of the weights, no tensor is read before its shape is found right."""
    reader = Reader(weights, custom_objects)
    case = _estimator_class(document["estimator"], estimators, reader)
    estimator = case(**_parameters_of(case, document["parameters"], reader))
    estimator._validate_params()
    fitted = _decoded(document["fitted"], reader, "fitted")
    model = _model(case, document["model"], weights, reader)
    fitted["model_"] = model
    _check_fitted(case, fitted, model)
    reader.check_all_used()
    estimator.model_ = model
    estimator._check_resumable(weights.of("training"))
    _fill(model, weights.read_all("model"))
    training = weights.read_all("training")
    _check_finite(training)
    place = device_here(fitted["device_"]) if _is_auto(device) else resolve_device(device)
    fitted["device_"], fitted["model_"] = place, model.to(place).eval()
    vars(estimator).update(fitted)
    estimator._resume(training)
    return estimator


def _is_auto(device: Any) -> bool:
    return isinstance(device, str) and device == "auto"


def _estimator_class(name: Any, estimators: dict[str, type], reader: Reader) -> Any:
    expect(isinstance(name, str), "estimator", "the name of a class", name)
    if name in estimators:
        return estimators[name]
    if "." not in name:
        raise ValueError(f"estimator: expected one of {sorted(estimators)}, got {name[:80]!r}.")
    case = reader.custom([name], "estimator")
    derived = isinstance(case, type) and issubclass(case, tuple(estimators.values()))
    expect(derived, "estimator", f"a class derived from one of {sorted(estimators)}", case)
    return case


def _parameters_of(case: type[BaseEstimator], body: Any, reader: Reader) -> dict[str, Any]:
    found = _decoded(body, reader, "parameters")
    unknown = sorted(set(found) - set(case._get_param_names()))
    expect(not unknown, "parameters", f"parameters of {case.__name__}", unknown[:3])
    return found


def _decoded(body: Any, reader: Reader, where: str) -> dict[str, Any]:
    expect(isinstance(body, dict), where, "an object", body)
    return {name: reader.decode(value, f"{where}.{name[:40]}") for name, value in body.items()}


# The networks: first as shapes without memory, then with the weights that have those shapes.


def _model(case: Any, body: Any, weights: Weights, reader: Reader) -> Any:
    """Return a model that fits its weights, which are not read."""
    arguments = _decoded(body, reader, "model")
    with _refusing("model"):
        _check_parts(arguments)
    model_class = case._fitted_attributes["model_"].type
    shapes = weights.of("model")
    trained = any(name.startswith(model_class.discriminator_prefix) for name in shapes)
    with _refusing("model: it cannot be built"), torch.device("meta"):
        model = model_class(
            **{name: _built_on_cpu(value) for name, value in arguments.items()},
            has_discriminators=trained,
        ).to(torch.float32)
    model.builders.update({name: arguments[name] for name in model.builders})
    _check_weights(model.state_dict(), shapes)
    with _refusing("model: its latents are none"):
        _check_latents(model)
    return model


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Let parts say what they cannot be made of in any way, also those of users."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what}: {str(error)[:300]}") from error


def _built_on_cpu(value: Any) -> Any:
    """Return a builder of a user so that it computes: it may look at what it has built."""
    if not callable(value) or isinstance(value, nn.Module) or type(value) in OWN_BUILDERS:
        return value

    def builder(n_inputs: int, n_outputs: int) -> nn.Module:
        with torch.device("cpu"), ScopedRandomness(new_generator(0)):
            module: nn.Module = value(n_inputs, n_outputs)
            return module

    return builder


def _check_parts(arguments: dict[str, Any]) -> None:
    """Raise ValueError where a network would have more layers than any is likely to."""
    latents = arguments.get("latents", (arguments.get("latent"),))
    latents = latents if isinstance(latents, tuple) else ()
    expect(len(latents) <= 2, "latents", "a code and a label", len(latents))
    divergences = [latent.divergence for latent in latents if isinstance(latent, Latent)]
    for noun in [*arguments.values(), *divergences]:
        if not isinstance(noun, BaseEstimator):
            continue
        for name, value in noun.get_params(deep=False).items():
            n_layers = 0 if isinstance(value, str) or not isinstance(value, Sized) else len(value)
            most = f"at most {_MOST_LAYERS} entries, or a pickle"
            expect(n_layers <= _MOST_LAYERS, f"{type(noun).__name__}.{name}", most, n_layers)


def _check_weights(expected: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    missing, further = sorted(expected.keys() - weights), sorted(weights.keys() - expected)
    if missing or further:
        raise ValueError(
            f"{WEIGHTS}: the parameters of the model need the tensors {missing[:3]}, which are "
            f"missing, and not {further[:3]}, which are there."
        )
    for name, tensor in expected.items():
        wanted, got = (tensor.shape, tensor.dtype), (weights[name].shape, weights[name].dtype)
        if wanted != got:
            raise ValueError(
                f"{WEIGHTS}: {name}: the parameters of the model need {tuple(wanted[0])} of "
                f"{wanted[1]}, got {tuple(got[0])} of {got[1]}."
            )


def _check_finite(tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{WEIGHTS}: {name}: expected finite weights, got NaN or infinity.")


def _check_latents(model: Any) -> None:
    for latent in model.latents:
        prior, posterior = latent.prior, latent.posterior
        where, n_components = f"latent {latent.name!r}", latent.n_components
        prior._validate_params()
        posterior.check()
        for noun in (prior, posterior):
            n_numbers = noun._n_numbers(n_components)
            most = f"at most {_MOST_NUMBERS:,} numbers in {type(noun).__name__}, or a pickle"
            expect(n_numbers <= _MOST_NUMBERS, where, most, n_numbers)
        prior.check(n_components)
        latent.divergence.check(prior, posterior)
        shapes = {tuple(latent.scaling.location.shape), tuple(latent.scaling.scale.shape)}
        expect(shapes == {(n_components,)}, where, f"units of {n_components} columns", shapes)


def _fill(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Give a model its weights, in their memory, where sums come out as before.

    Which of them are trained is what the networks were built with: users freeze layers.
    """
    _check_finite(weights)
    for name, buffer in model.named_buffers(recurse=False):
        buffer.copy_(weights[name])
    for child_name, child in model.named_children():
        prefix = f"{child_name}."
        own = {
            name.removeprefix(prefix): tensor
            for name, tensor in weights.items()
            if name.startswith(prefix)
        }
        # A user's network was built for real, and may hold one weight in two places.
        shapes_only = any(tensor.is_meta for tensor in child.state_dict().values())
        child.load_state_dict(own, assign=shapes_only)
    if any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()]):
        raise ValueError("model: a network has tensors that are not among its weights; use pickle.")


def _check_fitted(case: Any, fitted: dict[str, Any], model: Any) -> None:
    declared = case._fitted_attributes
    unknown = sorted(set(fitted) - set(declared))
    expect(not unknown, "fitted", f"attributes of {case.__name__}", unknown[:3])
    lengths = dict(model.lengths)
    for name, attribute in declared.items():
        if name in fitted:
            attribute.check(fitted[name], lengths, f"fitted.{name}")
        else:
            expect(attribute.optional, "fitted", f"the attribute {name}", sorted(fitted))
    n_features = fitted["n_features_in_"]
    expect(n_features == model.n_features, "fitted.n_features_in_", model.n_features, n_features)


def _compare_versions(found: Any, name: str) -> None:
    texts = isinstance(found, dict) and all(isinstance(text, str) for text in found.values())
    expect(texts, "versions", "texts", found)
    for package, here in versions().items():
        # Of scikit-learn a minor version counts; what torch and NumPy save, they keep.
        n_parts = {"skaae": None, "scikit-learn": 2}.get(package, 0)
        there = found.get(package, "unknown")
        if here.split(".")[:n_parts] != there.split(".")[:n_parts]:
            warn_of_version(name, package, there[:40], here)
