"""Priors of codes that come in classes: shares of classes, and classes moved to their heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from skaae._compat import available_if
from skaae.priors._base import Prior, PriorWithClasses


class ClassPrior(PriorWithClasses):
    r"""The classes of another prior, in shares of their own.

    .. math:: p(z) = \sum_k w_k \, p(z | k)

    It is the ``prior_`` of estimators that give each class of the data its part of the prior.

    Parameters
    ----------
    prior : PriorWithClasses
    shares : array-like of shape (n_classes,)
        How often each of the prior's first classes is drawn; they sum to 1.

    Raises
    ------
    ValueError
        From ``check``, if shares are negative, do not sum to 1 or are more than the classes.

    References
    ----------
    A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, *Adversarial Autoencoders*, 2015.

    Examples
    --------
    >>> from skaae.priors import Categorical, ClassPrior
    >>> ClassPrior(Categorical(), [0.0, 1.0]).sample(2, 3)
    tensor([[0., 1., 0.],
            [0., 1., 0.]])
    """

    def __init__(self, prior: Prior, shares: Any) -> None:
        self.prior = prior
        self.shares = shares

    @property
    def on_simplex(self) -> bool:  # type: ignore[override]
        """Whether codes of `prior` are points of the probability simplex."""
        return self.prior.on_simplex

    def check(self, n_components: int) -> None:
        """Raise ValueError where `prior` has fewer classes than there are shares."""
        self.prior.check(n_components)
        _check_shares(self, self.shares)
        n_offered = self.prior.n_classes(n_components)
        if n_offered < len(self.shares):
            raise ValueError(
                f"ClassPrior: expected at most as many shares as {self.prior} has classes, "
                f"{n_offered}, got {len(self.shares)}."
            )

    def n_classes(self, n_components: int) -> int:
        return len(self.shares)

    def class_weights(self, n_components: int) -> np.ndarray:
        return np.asarray(self.shares, dtype=np.float64)

    def project(self, codes: Tensor) -> Tensor:
        return self.prior.project(codes)

    def _sample_given(self, y: Tensor, n_components: int, generator: torch.Generator) -> Tensor:
        return self.prior.sample(
            len(y), n_components, y=_drawn(y, self.shares, generator), generator=generator
        )


class HeadPrior(PriorWithClasses):
    r"""Another prior, moved to the head of a class.

    .. math:: p(z) = \sum_k w_k \, p_0(z - h_k)

    It is the ``prior_`` of estimators with cluster heads: where on the map codes belong.

    Parameters
    ----------
    prior : Prior
        The distribution :math:`p_0` around each head.
    heads : array-like of shape (n_classes, n_components)
        The places :math:`h_k`.
    shares : array-like of shape (n_classes,)
        How often each class is drawn; they sum to 1.

    Raises
    ------
    ValueError
        From ``check``, if shares are negative or do not sum to 1, or heads are not as many or have
        another dimension than codes.

    References
    ----------
    A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, *Adversarial Autoencoders*, 2015.

    Examples
    --------
    >>> from skaae.priors import HeadPrior, Normal
    >>> HeadPrior(Normal(), [[-9.0, 0.0], [9.0, 0.0]], [0.5, 0.5]).sample(3, 2, y=1).shape
    torch.Size([3, 2])
    """

    def __init__(self, prior: Prior, heads: Any, shares: Any) -> None:
        self.prior = prior
        self.heads = heads
        self.shares = shares

    def check(self, n_components: int) -> None:
        """Raise ValueError where heads, shares and codes do not fit together."""
        self.prior.check(n_components)
        _check_shares(self, self.shares)
        shape = np.shape(self.heads)
        if shape != (len(self.shares), n_components):
            raise ValueError(
                f"HeadPrior: expected heads of shape ({len(self.shares)}, {n_components}), a place "
                f"for each share, got {shape}."
            )

    def n_classes(self, n_components: int) -> int:
        return len(self.shares)

    def class_weights(self, n_components: int) -> np.ndarray:
        return np.asarray(self.shares, dtype=np.float64)

    def _sample_given(self, y: Tensor, n_components: int, generator: torch.Generator) -> Tensor:
        heads = torch.as_tensor(
            np.asarray(self.heads), dtype=torch.float32, device=generator.device
        )
        codes = self.prior.sample(len(y), n_components, generator=generator)
        return codes + heads[_drawn(y, self.shares, generator)]

    @available_if(lambda self: hasattr(self.prior, "log_density"))
    def log_density(self, codes: Tensor) -> Tensor:
        """Return log p(z) of each row, shape (n_samples,)."""
        heads = torch.as_tensor(np.asarray(self.heads), device=codes.device).to(codes)
        shares = torch.as_tensor(np.asarray(self.shares), device=codes.device).to(codes)
        densities = [self.prior.log_density(codes - head) for head in heads]
        return torch.logsumexp(torch.stack(densities) + shares.log()[:, None], dim=0)


def _check_shares(prior: Prior, shares: Any) -> None:
    values = np.asarray(shares, dtype=np.float64)
    if values.ndim != 1 or not (values >= 0.0).all() or not abs(values.sum() - 1.0) < 1e-6:
        raise ValueError(
            f"{type(prior).__name__}: expected shares >= 0 that sum to 1, one a class, got "
            f"{shares}."
        )


def _drawn(y: Tensor, shares: Any, generator: torch.Generator) -> Tensor:
    """Return the classes `y`, with one drawn in the place of each -1."""
    weights = torch.as_tensor(np.asarray(shares), dtype=torch.float32, device=generator.device)
    drawn = torch.multinomial(weights, len(y), replacement=True, generator=generator)
    return torch.where(y < 0, drawn, y)
