"""One-hot codes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from skaae.priors._base import PriorWithClasses


class Categorical(PriorWithClasses):
    r"""One-hot codes; an encoder answers points of the simplex through a softmax.

    .. math:: p(z = e_k) = p_k

    Parameters
    ----------
    probabilities : array-like of shape (n_components,), default=None
        Probability of each category; None is equal ones.

    Raises
    ------
    ValueError
        At ``fit``, if there are fewer than two categories and `probabilities` is None, or if
        `probabilities` has another length than the codes or is not a distribution.

    References
    ----------
    A. Makhzani et al., *Adversarial Autoencoders*, 2015, section 5.

    Examples
    --------
    >>> from skaae.priors import Categorical
    >>> Categorical([0.0, 1.0]).sample(2, 2)
    tensor([[0., 1.],
            [0., 1.]])
    """

    on_simplex = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"probabilities": ["array-like", None]}

    def __init__(self, probabilities: Any = None) -> None:
        self.probabilities = probabilities

    def check(self, n_components: int) -> None:
        """Raise ValueError where `probabilities` is no distribution over the components."""
        super().check(n_components)
        if n_components < 2 and self.probabilities is None:
            raise ValueError(
                f"Categorical prior: expected n_components >= 2, got n_components={n_components}; "
                "with one category every code is the same."
            )
        if self.probabilities is None:
            return
        values = np.asarray(self.probabilities, dtype=np.float64)
        if (
            values.shape != (n_components,)
            or (values < 0).any()
            or not abs(values.sum() - 1) < 1e-6
        ):
            raise ValueError(
                f"Categorical prior: expected {n_components} probabilities (n_components) that are "
                f">= 0 and sum to 1, got {self.probabilities}."
            )

    def n_classes(self, n_components: int) -> int:
        """Return the number of categories."""
        return n_components

    def class_weights(self, n_components: int) -> np.ndarray:
        """Return p(z = e_k) of each category, shape (n_components,)."""
        return self.category_probabilities(n_components).numpy()

    def category_probabilities(self, n_components: int) -> Tensor:
        """Return p(z = e_k) of each category, shape (n_components,)."""
        alike = np.full(n_components, 1.0 / n_components)
        shares = alike if self.probabilities is None else self.probabilities
        return torch.as_tensor(np.asarray(shares, dtype=np.float32), device="cpu")

    def _sample_given(self, y: Tensor, n_components: int, generator: torch.Generator) -> Tensor:
        weights = self.category_probabilities(n_components).to(generator.device)
        drawn = torch.multinomial(weights, len(y), replacement=True, generator=generator)
        return torch.nn.functional.one_hot(torch.where(y < 0, drawn, y), n_components).float()

    def project(self, codes: Tensor) -> Tensor:
        """Return the softmax of `codes`."""
        return torch.softmax(codes, dim=1)
