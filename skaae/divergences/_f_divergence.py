r"""f-divergences, estimated by a discriminator on one template."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from skaae._compat import Interval
from skaae.divergences._base import AdversarialDivergence
from skaae.networks import ACTIVATIONS
from skaae.posteriors import PosteriorSample

# What answers to a row whatever lies beside it.
_ROW_BY_ROW = (nn.Sequential, nn.Linear, *ACTIVATIONS.values())


class FDivergence(AdversarialDivergence):
    r"""f-divergence of the codes from the prior.

    .. math:: D_f(q \| p) = \int p(z) f\!\left(\frac{q(z)}{p(z)}\right) dz
        \ge E_q[T(v(z))] - E_p[f^*(T(v(z)))]

    The discriminator :math:`v` maximises the right side, the encoder minimises its only term
    that depends on the codes. A subclass gives :math:`T`, which maps the discriminator's output
    into the domain of the convex conjugate :math:`f^*`, and :math:`f^*(T(v))`.

    Parameters
    ----------
    hidden_layer_sizes, learning_rate, n_discriminator_steps
        As in :class:`AdversarialDivergence`.

    References
    ----------
    S. Nowozin, B. Cseke, R. Tomioka, *f-GAN: Training Generative Neural Samplers using
    Variational Divergence Minimization*, 2016.

    Examples
    --------
    >>> import torch
    >>> from skaae.divergences import FDivergence
    >>> class SquaredHellinger(FDivergence):
    ...     def activation(self, v):
    ...         return 1.0 - torch.exp(-v)
    ...     def conjugate(self, v):
    ...         return torch.exp(v) - 1.0
    >>> SquaredHellinger().conjugate(torch.zeros(1))
    tensor([0.])
    """

    bears_bfloat16 = True

    @abstractmethod
    def activation(self, v: Tensor) -> Tensor:
        """Return T(v)."""

    @abstractmethod
    def conjugate(self, v: Tensor) -> Tensor:
        """Return f*(T(v))."""

    def encoder_objective(self, v: Tensor) -> Tensor:
        """Return what the encoder minimises at each code: T(v), unless a case knows better."""
        return self.activation(v)

    def discriminator_loss(
        self,
        codes: Tensor,
        prior_codes: Tensor,
        discriminator: nn.Module,
        *,
        generator: torch.Generator,
    ) -> Tensor:
        """Return minus the bound, averaged over both samples."""
        of_codes, of_prior = _answers(discriminator, codes, prior_codes)
        return self.conjugate(of_prior).mean() - self.activation(of_codes).mean()

    def encoder_loss(
        self,
        sample: PosteriorSample,
        prior_codes: Tensor,
        *,
        prior: Any,
        discriminator: nn.Module | None,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the bound's term in the codes."""
        return self.encoder_objective(_in_full(cast(nn.Module, discriminator)(sample.codes))).mean()


def _answers(discriminator: nn.Module, codes: Tensor, prior_codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a discriminator answers to both samples, in float32."""
    parts = discriminator.modules() if isinstance(discriminator, nn.Module) else [discriminator]
    if not all(type(part) in _ROW_BY_ROW for part in parts):
        # What it answers to a code may depend on what lies beside it.
        return _in_full(discriminator(codes)), _in_full(discriminator(prior_codes))
    # One pass of twice the rows is quicker than two.
    answers = _in_full(discriminator(torch.cat([codes, prior_codes])))
    # Copies, in which a case may work in place.
    of_codes, of_prior = answers.split([len(codes), len(prior_codes)])
    return of_codes.clone(), of_prior.clone()


def _in_full(v: Tensor) -> Tensor:
    """Return what a large discriminator answers in bfloat16 in float32, in which bounds are."""
    return v.float() if v.dtype == torch.bfloat16 else v


class JensenShannon(FDivergence):
    r"""Jensen-Shannon divergence, the paper's adversary; the default.

    .. math:: f(r) = r \log r - (r + 1) \log \tfrac{r + 1}{2}, \qquad T(v) = \log(2 \sigma(v))

    The discriminator is a logistic regression of "code" against "prior". The encoder minimises
    the non-saturating :math:`-\log(1 - \sigma(v))`, whose gradient does not vanish where the
    discriminator is sure. The discriminator's loss grows by ``gradient_penalty`` times
    :math:`E_p[|\nabla v(z)|^2]`, its squared slope where the prior is.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(256, 256)
        Units of the discriminator's hidden layers.
    learning_rate : float, default=0.001
        Of the discriminator's optimiser.
    n_discriminator_steps : int, default=1
        Discriminator updates before each update of the autoencoder.
    gradient_penalty : float, default=0.0
        Codes meet the prior without. Samples and rows of hundreds of columns hardly overlap, and a
        generative adversarial network of images ends in a few of them without 10.

    Raises
    ------
    ValueError
        At ``fit``, if a parameter is out of its range.

    References
    ----------
    I. Goodfellow et al., *Generative Adversarial Nets*, 2014.
    A. Makhzani et al., *Adversarial Autoencoders*, 2015.
    L. Mescheder, A. Geiger, S. Nowozin, *Which Training Methods for GANs do actually Converge?*,
    2018.

    Examples
    --------
    >>> from skaae.divergences import JensenShannon
    >>> JensenShannon(hidden_layer_sizes=(64,)).build_discriminator(2)[0]
    Linear(in_features=2, out_features=64, bias=True)
    """

    auto_weight = 0.5
    #: Of objects that an older version pickled, and of cases that set the others alone.
    gradient_penalty: float = 0.0
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **FDivergence._parameter_constraints,
        "gradient_penalty": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        *,
        learning_rate: float = 1e-3,
        n_discriminator_steps: int = 1,
        gradient_penalty: float = 0.0,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            learning_rate=learning_rate,
            n_discriminator_steps=n_discriminator_steps,
        )
        self.gradient_penalty = gradient_penalty

    def discriminator_loss(
        self,
        codes: Tensor,
        prior_codes: Tensor,
        discriminator: nn.Module,
        *,
        generator: torch.Generator,
    ) -> Tensor:
        """Return minus the bound, averaged over both samples, plus the penalty."""
        loss = super().discriminator_loss(codes, prior_codes, discriminator, generator=generator)
        if self.gradient_penalty == 0.0:
            return loss
        real = prior_codes.detach().requires_grad_(True)
        with torch.autocast(real.device.type, enabled=False):  # a slope takes more digits
            (slope,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
        return loss + self.gradient_penalty * slope.square().sum(dim=1).mean()

    def activation(self, v: Tensor) -> Tensor:
        """Return log(2 sigmoid(v))."""
        return math.log(2.0) + functional.logsigmoid(v)

    def conjugate(self, v: Tensor) -> Tensor:
        """Return -log(2 - exp(T(v)))."""
        return functional.softplus(v) - math.log(2.0)

    def encoder_objective(self, v: Tensor) -> Tensor:
        """Return the non-saturating -log(1 - sigmoid(v))."""
        return functional.softplus(v)


class KullbackLeibler(FDivergence):
    r"""Kullback-Leibler divergence of the codes from the prior, KL(q || p).

    .. math:: f(r) = r \log r, \qquad T(v) = 1 + v, \qquad f^*(t) = e^{t - 1}

    It punishes codes where the prior has none.

    Parameters
    ----------
    hidden_layer_sizes, learning_rate, n_discriminator_steps
        As in :class:`AdversarialDivergence`.

    Raises
    ------
    ValueError
        At ``fit``, if a parameter is out of its range.

    References
    ----------
    S. Nowozin et al., *f-GAN*, 2016.

    Examples
    --------
    >>> import torch
    >>> from skaae.divergences import KullbackLeibler
    >>> KullbackLeibler().conjugate(torch.zeros(1))
    tensor([1.])
    """

    auto_weight = 0.5

    def activation(self, v: Tensor) -> Tensor:
        """Return 1 + v."""
        return 1.0 + v

    def conjugate(self, v: Tensor) -> Tensor:
        """Return exp(v)."""
        return v.exp()


class ReverseKullbackLeibler(FDivergence):
    r"""Kullback-Leibler divergence of the prior from the codes, KL(p || q).

    .. math:: f(r) = -\log r, \qquad T(v) = -e^{-v}, \qquad f^*(t) = -1 - \log(-t)

    It punishes parts of the prior that no code reaches.

    Parameters
    ----------
    hidden_layer_sizes, learning_rate, n_discriminator_steps
        As in :class:`AdversarialDivergence`.

    Raises
    ------
    ValueError
        At ``fit``, if a parameter is out of its range.

    References
    ----------
    S. Nowozin et al., *f-GAN*, 2016.

    Examples
    --------
    >>> import torch
    >>> from skaae.divergences import ReverseKullbackLeibler
    >>> ReverseKullbackLeibler().activation(torch.zeros(1))
    tensor([-1.])
    """

    auto_weight = 0.5

    def activation(self, v: Tensor) -> Tensor:
        """Return -exp(-v)."""
        return -(-v).exp()

    def conjugate(self, v: Tensor) -> Tensor:
        """Return v - 1."""
        return v - 1.0


class Pearson(FDivergence):
    r"""Pearson's chi-squared divergence of the codes from the prior.

    .. math:: f(r) = (r - 1)^2, \qquad T(v) = v, \qquad f^*(t) = t^2 / 4 + t

    Parameters
    ----------
    hidden_layer_sizes, learning_rate, n_discriminator_steps
        As in :class:`AdversarialDivergence`.

    Raises
    ------
    ValueError
        At ``fit``, if a parameter is out of its range.

    References
    ----------
    S. Nowozin et al., *f-GAN*, 2016.

    Examples
    --------
    >>> import torch
    >>> from skaae.divergences import Pearson
    >>> Pearson().conjugate(torch.tensor([2.0]))
    tensor([3.])
    """

    auto_weight = 0.5

    def activation(self, v: Tensor) -> Tensor:
        """Return v."""
        return v

    def conjugate(self, v: Tensor) -> Tensor:
        """Return v**2 / 4 + v."""
        return 0.25 * v.square() + v
