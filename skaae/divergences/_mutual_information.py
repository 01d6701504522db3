"""Information that one-hot codes carry about their rows."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from skaae._compat import Interval
from skaae.divergences._base import Divergence
from skaae.posteriors import Posterior, PosteriorSample
from skaae.priors import Prior

# Log odds beyond this change neither term, but their gradients would not be finite.
_SMALLEST_PROBABILITY = 1e-7


class MutualInformation(Divergence):
    r"""For one-hot codes: sure of each row, and as frequent as the prior says.

    With codes :math:`z = q(y|x)` on the simplex and their average :math:`q(y)`,

    .. math:: E_x \, H(q(y|x)) + b \, KL(q(y) \| p(y)),

    which is zero exactly where codes are one-hot and distributed as the prior. For equal
    probabilities and b = 1 it is :math:`\log K - I(x; y)`: the mutual information of row and code
    that is missing. It needs no discriminator, and it tells codes apart that an adversary, which
    sees an edge of the simplex where the prior has none, only pushes to the nearest corner.

    Parameters
    ----------
    balance : float, default=4.0
        The factor b.

    Raises
    ------
    ValueError
        At ``fit``, if the prior is not categorical or `balance` is not positive.

    References
    ----------
    W. Hu, T. Miyato, S. Tokui, E. Matsumoto, M. Sugiyama, *Learning Discrete Representations via
    Information Maximizing Self-Augmented Training*, 2017.

    Examples
    --------
    >>> from skaae.divergences import MutualInformation
    >>> MutualInformation(balance=2.0)
    MutualInformation(balance=2.0)
    """

    of_samples = False
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "balance": [Interval(Real, 0, None, closed="neither")]
    }

    def __init__(self, balance: float = 4.0) -> None:
        self.balance = balance

    def check(self, prior: Prior, posterior: Posterior) -> None:
        """Raise ValueError where codes are not probabilities."""
        super().check(prior, posterior)
        if not prior.on_simplex:
            raise ValueError(
                "divergence='mutual_information' is one of one-hot codes: expected "
                f"prior='categorical', got {prior}."
            )

    def encoder_loss(
        self,
        sample: PosteriorSample,
        prior_codes: Tensor,
        *,
        prior: Any,
        discriminator: nn.Module | None,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the two terms, in nats."""
        entropy = -_times_log(sample.codes).sum(dim=1).mean()
        average = sample.codes.mean(dim=0)
        expected = prior.category_probabilities().to(average)
        # A category that the prior does not have would cost infinitely much.
        log_expected = expected.clamp_min(_SMALLEST_PROBABILITY).log()
        relative = (_times_log(average) - average * log_expected).sum()
        loss: Tensor = entropy + self.balance * relative
        return loss


def _times_log(p: Tensor) -> Tensor:
    return p * torch.log(p.clamp_min(_SMALLEST_PROBABILITY))
