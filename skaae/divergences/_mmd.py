"""The maximum mean discrepancy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from skaae._compat import StrOptions
from skaae.divergences._base import Divergence
from skaae.posteriors import Posterior, PosteriorSample
from skaae.priors import Prior


class MMD(Divergence):
    r"""Maximum mean discrepancy: all moments of codes and prior matched at once, by a kernel.

    .. math:: \text{MMD}^2(q, p) = E[k(z, z')] - 2 E[k(z, \tilde z)] + E[k(\tilde z, \tilde z')]

    for codes z and prior codes :math:`\tilde z`, each expectation over different rows. The kernel
    is an average over `bandwidth`; with :math:`d^2 = |z - z'|^2 / \text{n\_components}`, it is
    :math:`2 b / (2 b + d^2)` (inverse multiquadric) or :math:`\exp(-d^2 / 2 b)` (rbf). No
    discriminator is trained.

    Parameters
    ----------
    kernel : {"inverse_multiquadric", "rbf"}, default="inverse_multiquadric"
        The first has heavier tails and pulls back codes that are far out.
    bandwidth : sequence of float, default=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
        Squared bandwidths b, in units of the prior's variance.

    Raises
    ------
    ValueError
        At ``fit``, if the kernel is unknown or a bandwidth is not positive.

    References
    ----------
    Y. Li, K. Swersky, R. Zemel, *Generative Moment Matching Networks*, 2015.
    I. Tolstikhin et al., *Wasserstein Auto-Encoders*, 2018.

    Examples
    --------
    >>> from skaae.divergences import MMD
    >>> MMD(kernel="rbf")
    MMD(kernel='rbf')
    """

    auto_weight = 10.0
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "kernel": [StrOptions({"inverse_multiquadric", "rbf"})],
        "bandwidth": ["array-like"],
    }

    def __init__(
        self,
        kernel: str = "inverse_multiquadric",
        *,
        bandwidth: Sequence[float] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    ) -> None:
        self.kernel = kernel
        self.bandwidth = bandwidth

    def check(self, prior: Prior, posterior: Posterior) -> None:
        """Raise ValueError where a bandwidth is not positive."""
        super().check(prior, posterior)
        values = np.asarray(self.bandwidth, dtype=np.float64)
        if values.ndim != 1 or values.size == 0 or not (values > 0).all():
            raise ValueError(
                f"MMD: expected bandwidth to be a sequence of positive numbers, got "
                f"{self.bandwidth}."
            )

    def _mean_kernel(self, a: Tensor, b: Tensor, *, same: bool) -> Tensor:
        """Return the mean kernel of pairs of rows, without a row's pair with itself."""
        cross = a @ b.T
        squares = a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2.0 * cross
        squares = squares.clamp_min(0.0) / a.shape[1]
        kernels = [
            2.0 * width / (2.0 * width + squares)
            if self.kernel == "inverse_multiquadric"
            else (-squares / (2.0 * width)).exp()
            for width in self.bandwidth
        ]
        total = torch.stack(kernels).mean(dim=0)
        n_pairs = total.numel() - (len(a) if same else 0)
        # The kernel of a row with itself is 1.
        return (total.sum() - (len(a) if same else 0)) / max(n_pairs, 1)

    def encoder_loss(
        self,
        sample: PosteriorSample,
        prior_codes: Tensor,
        *,
        prior: Any,
        discriminator: nn.Module | None,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the unbiased estimate of the squared discrepancy."""
        codes = sample.codes
        return (
            self._mean_kernel(codes, codes, same=True)
            - 2.0 * self._mean_kernel(codes, prior_codes, same=False)
            + self._mean_kernel(prior_codes, prior_codes, same=True)
        )
