"""Priors p(z): how codes are drawn."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import clone

from skaae.priors._adapters import EmpiricalPrior, ScipyPrior, TorchPrior, UserPrior
from skaae.priors._base import Prior, PriorWithClasses
from skaae.priors._categorical import Categorical
from skaae.priors._gaussian_mixture import GaussianMixture
from skaae.priors._labels import ClassPrior, HeadPrior
from skaae.priors._normal import Normal
from skaae.priors._swiss_roll import SwissRoll
from skaae.priors._uniform import Uniform

#: The names that `prior=` accepts.
PRIORS: dict[str, type[Prior]] = {
    "normal": Normal,
    "uniform": Uniform,
    "gaussian_mixture": GaussianMixture,
    "swiss_roll": SwissRoll,
    "categorical": Categorical,
}


def as_prior(value: Any) -> Prior:
    """Return a :class:`Prior` for whatever `prior=` accepts.

    Parameters
    ----------
    value : str, Prior, torch or frozen SciPy distribution, array of codes, object with ``sample``

    Returns
    -------
    prior : Prior
        A copy of a prior or an array; objects of other libraries are wrapped as they are.
    """
    if isinstance(value, str):
        return PRIORS[value]()
    if isinstance(value, Prior):
        copied: Prior = clone(value)
        return copied
    if isinstance(value, torch.distributions.Distribution):
        return TorchPrior(value)
    if hasattr(value, "rvs"):
        return ScipyPrior(value)
    if hasattr(value, "sample") and not hasattr(value, "__array__"):
        return UserPrior(value)
    of_codes: Prior = clone(EmpiricalPrior(value))
    return of_codes


__all__ = [
    "PRIORS",
    "Categorical",
    "ClassPrior",
    "EmpiricalPrior",
    "GaussianMixture",
    "HeadPrior",
    "Normal",
    "Prior",
    "PriorWithClasses",
    "ScipyPrior",
    "SwissRoll",
    "TorchPrior",
    "Uniform",
    "UserPrior",
    "as_prior",
]
