"""Divergences D(q(z) || p(z)): how far the codes are from the prior."""

from __future__ import annotations

from sklearn.base import clone

from skaae.divergences._base import AdversarialDivergence, Divergence
from skaae.divergences._f_divergence import (
    FDivergence,
    JensenShannon,
    KullbackLeibler,
    Pearson,
    ReverseKullbackLeibler,
)
from skaae.divergences._mmd import MMD
from skaae.divergences._mutual_information import MutualInformation
from skaae.divergences._posterior_kl import PosteriorKL
from skaae.divergences._sliced_wasserstein import SlicedWasserstein
from skaae.divergences._wasserstein import Wasserstein

#: The names that `divergence=` accepts.
DIVERGENCES: dict[str, type[Divergence]] = {
    "jensen_shannon": JensenShannon,
    "kullback_leibler": KullbackLeibler,
    "reverse_kullback_leibler": ReverseKullbackLeibler,
    "pearson": Pearson,
    "wasserstein": Wasserstein,
    "mmd": MMD,
    "sliced_wasserstein": SlicedWasserstein,
    "posterior_kl": PosteriorKL,
    "mutual_information": MutualInformation,
}


def as_divergence(value: str | Divergence) -> Divergence:
    """Return a :class:`Divergence` for whatever `divergence=` accepts."""
    return DIVERGENCES[value]() if isinstance(value, str) else clone(value)


__all__ = [
    "DIVERGENCES",
    "MMD",
    "AdversarialDivergence",
    "Divergence",
    "FDivergence",
    "JensenShannon",
    "KullbackLeibler",
    "MutualInformation",
    "Pearson",
    "PosteriorKL",
    "ReverseKullbackLeibler",
    "SlicedWasserstein",
    "Wasserstein",
    "as_divergence",
]
