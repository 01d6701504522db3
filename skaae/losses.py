"""Reconstruction losses: the negative log-likelihood of a row given what the decoder answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from torch import Tensor
from torch.nn import functional


class ReconstructionLoss(BaseEstimator, ABC):
    """-log p(x|z) per row, summed over features, and the mean of p(x|z).

    References
    ----------
    D. Kingma, M. Welling, *Auto-Encoding Variational Bayes*, 2014, appendix C.

    Examples
    --------
    >>> import torch
    >>> from skaae.losses import ReconstructionLoss
    >>> class AbsoluteError(ReconstructionLoss):
    ...     def __call__(self, outputs, x):
    ...         return (outputs - x).abs().sum(dim=1)
    ...     def mean(self, outputs):
    ...         return outputs
    ...     def link(self, x):
    ...         return x
    >>> AbsoluteError()(torch.zeros(1, 2), torch.tensor([[1.0, 3.0]]))
    tensor([4.])
    """

    #: Columns are brought to comparable units before the networks see them.
    scales_columns: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return the loss of each row, shape (n_samples,), for decoder `outputs`."""

    @abstractmethod
    def mean(self, outputs: Tensor) -> Tensor:
        """Return E[x|z], the inverse link, in the shape of `outputs`."""

    @abstractmethod
    def link(self, x: Tensor) -> Tensor:
        """Return the outputs whose mean is `x`."""

    def check(self, X: np.ndarray) -> None:
        """Raise ValueError where rows of `X` cannot have come from p(x|z).

        `X` is an array, or a tensor where rows are trained on where they lie.
        """


class SquaredError(ReconstructionLoss):
    r"""Gaussian likelihood with unit variance in the networks' units, up to a constant.

    .. math:: -\log p(x|z) = \tfrac{1}{2} \sum_j (x_j - o_j(z))^2

    Columns are scaled first, so every column counts: each by its own spread, or, where they share
    a unit, by what leaves them in one, or nearly so.

    References
    ----------
    D. Kingma, M. Welling, *Auto-Encoding Variational Bayes*, 2014, appendix C.

    Examples
    --------
    >>> import torch
    >>> from skaae.losses import SquaredError
    >>> SquaredError()(torch.zeros(1, 2), torch.tensor([[1.0, 3.0]]))
    tensor([5.])
    """

    def __call__(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return half the squared distance of each row, shape (n_samples,)."""
        return 0.5 * functional.mse_loss(outputs, x, reduction="none").sum(dim=1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return `outputs`."""
        return outputs

    def link(self, x: Tensor) -> Tensor:
        """Return `x`."""
        return x


class Bernoulli(ReconstructionLoss):
    r"""Bernoulli likelihood, for values in [0, 1] such as pixels; columns are left alone.

    .. math:: -\log p(x|z) = -\sum_j \left[ x_j \log \sigma(o_j(z))
        + (1 - x_j) \log (1 - \sigma(o_j(z))) \right]

    Raises
    ------
    ValueError
        At ``fit`` and ``score``, if a value lies outside [0, 1].

    References
    ----------
    D. Kingma, M. Welling, *Auto-Encoding Variational Bayes*, 2014, appendix C.

    Examples
    --------
    >>> import torch
    >>> from skaae.losses import Bernoulli
    >>> Bernoulli().mean(torch.zeros(1, 2))
    tensor([[0.5000, 0.5000]])
    """

    scales_columns = False

    def __call__(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return the cross-entropy of each row in nats, shape (n_samples,)."""
        terms = functional.binary_cross_entropy_with_logits(outputs, x, reduction="none")
        return terms.sum(dim=1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the probabilities, the logistic function of `outputs`."""
        return torch.sigmoid(outputs)

    def link(self, x: Tensor) -> Tensor:
        """Return the log odds of `x`, bounded at odds of 1 to 1,000."""
        return torch.logit(x, eps=1e-3)

    def check(self, X: np.ndarray) -> None:
        """Raise ValueError where a value lies outside [0, 1]."""
        low, high = X.min(), X.max()
        if low < 0.0 or high > 1.0:
            raise ValueError(
                "reconstruction_loss='bernoulli': expected values in [0, 1], got values from "
                f"{low:.6g} to {high:.6g}. Scale the columns (MinMaxScaler(clip=True)) "
                "or use reconstruction_loss='squared_error'."
            )


#: The names that `reconstruction_loss=` accepts.
LOSSES: dict[str, type[ReconstructionLoss]] = {
    "squared_error": SquaredError,
    "bernoulli": Bernoulli,
}


def as_loss(value: str | ReconstructionLoss) -> ReconstructionLoss:
    """Return a :class:`ReconstructionLoss` for whatever `reconstruction_loss=` accepts."""
    return LOSSES[value]() if isinstance(value, str) else clone(value)
