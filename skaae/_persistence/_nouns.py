"""Priors, divergences, posteriors, losses and builders as JSON, and what else a prior may be."""

from __future__ import annotations

import dataclasses
import functools
import math
from numbers import Real
from typing import Any, get_type_hints

import torch
from scipy import stats
from sklearn.base import BaseEstimator
from torch import Tensor

from skaae._aggregated_posterior import AggregatedPosterior
from skaae._device import new_generator
from skaae._latent import Latent
from skaae._model import LabelRole
from skaae._persistence._kinds import Kind, expect, fields_of
from skaae._prior_match import PriorMatch
from skaae._scaling import ColumnScaling
from skaae._scoped_randomness import ScopedRandomness
from skaae.divergences import DIVERGENCES
from skaae.losses import LOSSES
from skaae.networks import DECODERS, ENCODERS
from skaae.posteriors import POSTERIORS
from skaae.priors import (
    PRIORS,
    EmpiricalPrior,
    GaussianMixture,
    ScipyPrior,
    TorchPrior,
    UserPrior,
)
from skaae.training import Reference

_CASES: dict[str, list[Any]] = {
    "priors": [*PRIORS.values(), EmpiricalPrior, ScipyPrior, TorchPrior, UserPrior],
    "divergences": [*DIVERGENCES.values()],
    "posteriors": [*POSTERIORS.values()],
    "losses": [*LOSSES.values()],
    "networks": [*ENCODERS.values(), *DECODERS.values()],
}
#: What a file may name, by package and class; a new line of a registry joins by itself.
NOUNS: dict[str, Any] = {
    f"{package}.{case.__name__}": case for package, cases in _CASES.items() for case in cases
}
# Objects look up their parameters; no estimator has a hundred.
_COST = 512
_NAMES = {case: name for name, case in NOUNS.items()}

#: Dataclasses that fitted estimators hold.
RECORDS: dict[str, type] = {
    record.__name__: record for record in (ColumnScaling, LabelRole, Latent, PriorMatch, Reference)
}


def holds_numbers_only(value: Any) -> bool:
    """Return whether an object is its parameters and nothing more, such as a fit."""
    return isinstance(value, BaseEstimator) and set(vars(value)) == set(value._get_param_names())


class Noun(Kind):
    """An object of a registry: its name and parameters."""

    name = "noun"
    cost = _COST

    def takes(self, value: Any) -> bool:
        return type(value) in _NAMES and holds_numbers_only(value)

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return {"class": _NAMES[type(value)], "parameters": _parameters(value, writer, where)}

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        fields_of(body, {"class", "parameters"}, where)
        known = isinstance(body["class"], str) and body["class"] in NOUNS
        expect(known, where, f"one of {sorted(NOUNS)}", body["class"])
        return _with_parameters(NOUNS[body["class"]], body["parameters"], reader, where)


def _parameters(value: BaseEstimator, writer: Any, where: str) -> dict[str, Any]:
    return {
        name: writer.encode(item, f"{where}.{name}")
        for name, item in value.get_params(deep=False).items()
    }


def _with_parameters(case: type[BaseEstimator], body: Any, reader: Any, where: str) -> Any:
    expect(isinstance(body, dict), where, "an object", body)
    unknown = sorted(set(body) - set(case._get_param_names()))
    expect(not unknown, where, f"parameters of {case.__name__}", unknown[:3])
    given = {name: reader.decode(item, f"{where}.{name}") for name, item in body.items()}
    try:  # those that an older version did not have take their defaults
        return case(**given)
    except TypeError as error:
        raise ValueError(f"{where}: expected all parameters: {str(error)[:200]}.") from error


@functools.cache
def _types_of(record: type) -> dict[str, Any]:
    """Return the types of fields; annotations are text, which Python compiles and runs."""
    return get_type_hints(record)


class Record(Kind):
    """A dataclass of fitted state: its name and fields, of the types that it declares."""

    name = "record"
    cost = _COST

    def takes(self, value: Any) -> bool:
        return type(value) in RECORDS.values()

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        fields = {
            field.name: writer.encode(getattr(value, field.name), f"{where}.{field.name}")
            for field in dataclasses.fields(value)
        }
        return {"class": type(value).__name__, "fields": fields}

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        fields_of(body, {"class", "fields"}, where)
        known = isinstance(body["class"], str) and body["class"] in RECORDS
        expect(known, where, f"one of {sorted(RECORDS)}", body["class"])
        record = RECORDS[body["class"]]
        types = _types_of(record)
        names = {field.name for field in dataclasses.fields(record)}
        found = {
            name: reader.decode(item, f"{where}.{name}")
            for name, item in fields_of(body["fields"], names, where).items()
        }
        for name, item in found.items():
            expect(isinstance(item, types[name]), f"{where}.{name}", str(types[name]), item)
            if isinstance(item, Tensor):
                finite = item.is_floating_point() and bool(torch.isfinite(item).all())
                expect(finite, f"{where}.{name}", "finite numbers", item.dtype)
        return record(**found)


class ScipyDistribution(Kind):
    """A univariate frozen distribution: its name in :mod:`scipy.stats` and its numbers."""

    name = "scipy"
    cost = _COST

    def takes(self, value: Any) -> bool:
        frozen = type(value).__module__.startswith("scipy.stats") and hasattr(value, "kwds")
        if not frozen or not _is_of_scipy(getattr(value.dist, "name", None)):
            return False
        return all(isinstance(number, Real) for number in [*value.args, *value.kwds.values()])

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        numbers = writer.encode([list(value.args), value.kwds], where)
        return [value.dist.name, *numbers]

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        triple = isinstance(body, list) and len(body) == 3 and _is_of_scipy(body[0])
        expect(triple, where, "the name of a distribution of scipy.stats and numbers", body)
        args, kwds = reader.decode(body[1:], where)
        expect(isinstance(args, list) and isinstance(kwds, dict), where, "numbers", args)
        numbers = all(isinstance(number, Real) for number in [*args, *kwds.values()])
        expect(numbers, where, "numbers", args)
        try:
            return getattr(stats, body[0])(*args, **kwds)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: scipy.stats.{body[0]}: {str(error)[:200]}") from error


def _is_of_scipy(name: Any) -> bool:
    families = (stats.rv_continuous, stats.rv_discrete)
    return isinstance(name, str) and isinstance(getattr(stats, name, None), families)


class TorchDistribution(Kind):
    """A distribution of :mod:`torch.distributions` that its tensors say all of."""

    name = "torch"
    cost = _COST

    def takes(self, value: Any) -> bool:
        return _torch_parameters(value) is not None

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        parameters = {
            name: writer.encode(tensor.detach(), f"{where}.{name}")
            for name, tensor in (_torch_parameters(value) or {}).items()
        }
        return [type(value).__name__, parameters]

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        pair = isinstance(body, list) and len(body) == 2 and isinstance(body[1], dict)
        expect(pair and _is_of_torch(body[0]), where, "a distribution of torch", body)
        parameters = {name: reader.decode(item, where) for name, item in body[1].items()}
        case = getattr(torch.distributions, body[0])
        names = case.arg_constraints if isinstance(case.arg_constraints, dict) else {}
        known = parameters.keys() <= names.keys()
        tensors = all(isinstance(item, Tensor) for item in parameters.values())
        expect(known and tensors, where, "tensors that it has", sorted(parameters))
        try:
            # Its own checks look at every number of the shape that tensors broadcast to.
            shape = torch.broadcast_shapes(*(item.shape for item in parameters.values()))
            reader.spend(16 * math.prod(shape), where)
            return case(**parameters)
        except Exception as error:
            raise ValueError(
                f"{where}: torch.distributions.{body[0]}: {str(error)[:200]}"
            ) from error


def _is_of_torch(name: Any) -> bool:
    case = getattr(torch.distributions, name, None) if isinstance(name, str) else None
    return isinstance(case, type) and issubclass(case, torch.distributions.Distribution)


def _torch_parameters(value: Any) -> dict[str, Tensor] | None:
    """Return tensors to build a like distribution from, or None where they do not suffice."""
    case = type(value)
    names = getattr(case, "arg_constraints", None)
    if not isinstance(names, dict) or getattr(torch.distributions, case.__name__, None) is not case:
        return None
    # Some hold a parameter in several ways: probabilities and log odds, a covariance and its root.
    for others in ({"logits", "precision_matrix", "covariance_matrix"}, {"probs"}):
        wanted = [name for name in names if name not in others]
        found = {name: getattr(value, name, None) for name in wanted}
        parameters = {name: item for name, item in found.items() if isinstance(item, Tensor)}
        if parameters and len(parameters) == len(wanted):
            try:
                alike = _one_draw(case(**parameters)) == _one_draw(value)
            except Exception:  # what they raise differs
                continue
            if alike:
                return parameters
    return None


def _one_draw(distribution: torch.distributions.Distribution) -> Any:
    with ScopedRandomness(new_generator(0)):
        return distribution.sample(torch.Size([4])).tolist()


class AggregatedPosteriorKind(Kind):
    """The mixture, which is smaller than the codes that it was fitted to."""

    name = "aggregated_posterior"

    def takes(self, value: Any) -> bool:
        return type(value) is AggregatedPosterior

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return writer.encode([value.mixture, value.on_simplex], where)

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        pair = reader.decode(body, where)
        types = isinstance(pair, list) and [type(item) for item in pair] == [GaussianMixture, bool]
        expect(types, where, "a mixture and whether codes are on the simplex", pair)
        return AggregatedPosterior.of_mixture(*pair)


class CustomNoun(Kind):
    """An object of a user's class: the class is asked for on loading, its parameters are kept."""

    name = "custom"
    cost = _COST

    def takes(self, value: Any) -> bool:
        return holds_numbers_only(value) and type(value) not in _NAMES

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        return {"class": _path(value), "parameters": _parameters(value, writer, where)}

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        fields_of(body, {"class", "parameters"}, where)
        case = reader.custom([body["class"]], where)
        is_class = isinstance(case, type) and issubclass(case, BaseEstimator)
        expect(is_class, where, "a class derived from BaseEstimator", case)
        return _with_parameters(case, body["parameters"], reader, where)


class Named(Kind):
    """A callable, module or sampler of a user: asked for on loading, nothing of it is kept."""

    name = "object"

    def takes(self, value: Any) -> bool:
        foreign = (torch.distributions.Distribution, stats.distributions.rv_frozen)
        if isinstance(value, foreign) or type(value).__module__.startswith("scipy.stats"):
            return False  # an object that draws otherwise would not be noticed
        # Tables of pandas have a method sample.
        return callable(value) or (hasattr(value, "sample") and not hasattr(value, "__array__"))

    def encode(self, value: Any, writer: Any, where: str) -> Any:
        parts = where.split(".")
        return [_path(value), next((part for part in parts if part in _ROLES), parts[-1])]

    def decode(self, body: Any, reader: Any, where: str) -> Any:
        expect(isinstance(body, list) and len(body) == 2, where, "two names", body)
        return reader.custom(body, where)


# What an object of a user is for; it may be passed under this name.
_ROLES = ("encoder", "decoder", "generator", "prior")


def _path(value: Any) -> str:
    """Return where an object is imported from; of one without a name, where its class is."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


NOUN_KINDS: list[Kind] = [
    Noun(),
    Record(),
    AggregatedPosteriorKind(),
    ScipyDistribution(),
    TorchDistribution(),
    CustomNoun(),
    Named(),
]
