"""Distributions of other libraries, arrays and users' objects, as priors."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skaae._compat import available_if
from skaae._scoped_randomness import ScopedRandomness
from skaae._tensors import as_array
from skaae.priors._base import Prior

_MADE_OF_TENSORS = (torch.distributions.Distribution, torch.distributions.Transform)


def _as_float32(values: Any) -> np.ndarray:
    """Return numbers as an array; of a tensor, wherever it lies and whatever follows its grads."""
    if isinstance(values, Tensor):  # NumPy has no bfloat16
        values = as_array(values.float())
    return np.asarray(values, dtype=np.float32)


def _as_codes(values: Any, n_samples: int, n_components: int, source: str) -> Tensor:
    codes = torch.as_tensor(_as_float32(values), device="cpu")
    if codes.shape != (n_samples, n_components):
        raise ValueError(
            f"The prior {source} drew codes of shape {tuple(codes.shape)} where "
            f"({n_samples}, {n_components}) was expected: its dimension has to be the "
            f"estimator's n_components={n_components}."
        )
    return codes


def _numpy_seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31 - 1, (), generator=generator, device=generator.device).item())


def _has_log_density(prior: Any) -> bool:
    name: str | None = prior._density_name()
    return name is not None


class EmpiricalPrior(Prior):
    """Codes drawn with replacement from the rows of an array.

    Parameters
    ----------
    codes : array-like of shape (n_codes, n_components)

    Raises
    ------
    ValueError
        At ``fit``, if the array is empty, not finite, or of another width than the codes.

    References
    ----------
    B. Efron, *Bootstrap Methods: Another Look at the Jackknife*, 1979.

    Examples
    --------
    >>> from skaae.priors import EmpiricalPrior
    >>> EmpiricalPrior([[1.0, 2.0]]).sample(2, 2)
    tensor([[1., 2.],
            [1., 2.]])
    """

    def __init__(self, codes: Any) -> None:
        self.codes = codes

    def __sklearn_clone__(self) -> EmpiricalPrior:
        # PyTorch copies no tensor that was computed with gradients.
        codes = self.codes
        codes = _as_float32(codes) if isinstance(codes, Tensor) else codes
        return type(self)(copy.deepcopy(codes))

    def check(self, n_components: int) -> None:
        """Raise ValueError where the array does not hold codes of that dimension."""
        codes = _as_float32(self.codes)
        if codes.ndim != 2 or codes.shape[0] == 0 or codes.shape[1] != n_components:
            raise ValueError(
                f"Array prior: expected codes of shape (n_codes, n_components={n_components}), "
                f"got {codes.shape}."
            )
        if not np.isfinite(codes).all():
            raise ValueError("Array prior: expected finite codes, got NaN or infinity.")

    def _sample(self, n_samples: int, n_components: int, generator: torch.Generator) -> Tensor:
        codes = torch.as_tensor(_as_float32(self.codes), device=generator.device)
        rows = torch.randint(len(codes), (n_samples,), generator=generator, device=generator.device)
        return codes[rows]


class TorchPrior(Prior):
    """A :class:`torch.distributions.Distribution` as a prior.

    A univariate one is drawn independently for each component; one with an event or batch of
    `n_components` values is drawn as it is. Draws are made where its parameters lie.

    Parameters
    ----------
    distribution : torch.distributions.Distribution

    Raises
    ------
    ValueError
        At ``fit``, if what it draws is not of dimension `n_components`.

    References
    ----------
    J. Dillon et al., *TensorFlow Distributions*, 2017, whose design PyTorch follows.

    Examples
    --------
    >>> import torch
    >>> from skaae.priors import TorchPrior
    >>> TorchPrior(torch.distributions.Laplace(0.0, 1.0)).sample(4, 3).shape
    torch.Size([4, 3])
    """

    def __init__(self, distribution: Any) -> None:
        self.distribution = distribution

    def _is_univariate(self) -> bool:
        shape: torch.Size = self.distribution.batch_shape + self.distribution.event_shape
        return shape == torch.Size([])

    def _sample(self, n_samples: int, n_components: int, generator: torch.Generator) -> Tensor:
        shape = (n_samples, n_components) if self._is_univariate() else (n_samples,)
        with ScopedRandomness(_generator_on(_device_of(self.distribution), generator)):
            drawn = self.distribution.sample(shape)
        if drawn.ndim == 1 and n_components == 1:
            drawn = drawn[:, None]
        return _as_codes(drawn, n_samples, n_components, repr(self.distribution)).to(
            generator.device
        )

    def _density_name(self) -> str | None:
        try:
            type(self.distribution).log_prob  # noqa: B018 - some raise on access
        except (AttributeError, NotImplementedError):
            return None
        return "log_prob" if self._covers_space() else None

    def _covers_space(self) -> bool:
        """Return whether codes far out on either side have a density, as a posterior's may be."""
        shape = self.distribution.batch_shape + self.distribution.event_shape
        far = torch.full(shape, 1e3, device=_device_of(self.distribution))
        try:
            support = self.distribution.support
        except NotImplementedError:
            return True
        # A constraint may answer True alone, which would be put on a caller's default device.
        inside = [torch.as_tensor(support.check(x), device=far.device) for x in (far, -far)]
        return all(bool(each.all()) for each in inside)

    @available_if(_has_log_density)
    def log_density(self, codes: Tensor) -> Tensor:
        """Return log p(z) of each row, shape (n_samples,)."""
        log_density = self.distribution.log_prob(codes.to(_device_of(self.distribution)))
        summed: Tensor = log_density.reshape(len(codes), -1).sum(dim=1).to(codes)
        return summed


def _device_of(distribution: Any) -> torch.device:
    """Return where a distribution's parameters lie: those of PyTorch do not say.

    Some are made of others, or of transformations. Tensors on the CPU may stand beside others,
    where those are single numbers.
    """
    found = torch.device("cpu")
    for value in vars(distribution).values():
        for part in value if isinstance(value, (list, tuple)) else (value,):
            place = found
            if isinstance(part, Tensor):
                place = part.device
            elif isinstance(part, _MADE_OF_TENSORS):
                place = _device_of(part)
            if place.type != "cpu":
                return place
    return found


def _generator_on(device: torch.device, generator: torch.Generator) -> torch.Generator:
    """Return a generator there: this one, or one that it seeds."""
    if generator.device.type == device.type:
        return generator
    return torch.Generator(device).manual_seed(_numpy_seed(generator))


class _NumericLogDensity(torch.autograd.Function):
    """log p(z) of a NumPy function, with central differences for its gradient."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor, log_density: Callable[[np.ndarray], np.ndarray]) -> Tensor:
        z = codes.detach().cpu().numpy().astype(np.float64)
        ctx.z, ctx.log_density, ctx.like = z, log_density, codes
        return torch.as_tensor(np.asarray(log_density(z))).to(codes)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        z, step = ctx.z, np.cbrt(np.finfo(np.float64).eps)
        slopes = np.empty_like(z)
        for j in range(z.shape[1]):
            ahead, behind = z.copy(), z.copy()
            width = step * np.maximum(1.0, np.abs(z[:, j]))
            ahead[:, j] += width
            behind[:, j] -= width
            slopes[:, j] = (ctx.log_density(ahead) - ctx.log_density(behind)) / (2.0 * width)
        return grad_output[:, None] * torch.as_tensor(slopes).to(ctx.like), None


class ScipyPrior(Prior):
    """A frozen distribution of :mod:`scipy.stats` as a prior.

    A univariate one is drawn independently for each component. Where it has ``logpdf``, its
    gradient is taken by central differences, so that `posterior_kl` works with it too.

    Parameters
    ----------
    distribution : frozen scipy.stats distribution
        For example ``scipy.stats.t(df=5)`` or ``scipy.stats.multivariate_normal(mean, cov)``.

    Raises
    ------
    ValueError
        At ``fit``, if what it draws is not of dimension `n_components`.

    References
    ----------
    P. Virtanen et al., *SciPy 1.0: Fundamental Algorithms for Scientific Computing in Python*,
    2020.

    Examples
    --------
    >>> from scipy import stats
    >>> from skaae.priors import ScipyPrior
    >>> ScipyPrior(stats.t(df=5)).sample(4, 3).shape
    torch.Size([4, 3])
    """

    def __init__(self, distribution: Any) -> None:
        self.distribution = distribution

    def _sample(self, n_samples: int, n_components: int, generator: torch.Generator) -> Tensor:
        random_state = np.random.default_rng(_numpy_seed(generator))
        drawn = np.asarray(self.distribution.rvs(size=n_samples, random_state=random_state))
        if drawn.size == n_samples:  # univariate: one draw for each component
            size = n_samples * n_components
            drawn = np.asarray(self.distribution.rvs(size=size, random_state=random_state))
            drawn = drawn.reshape(n_samples, n_components)
        drawn = np.atleast_2d(drawn)  # SciPy drops the rows' axis of a single draw
        return _as_codes(drawn, n_samples, n_components, repr(self.distribution)).to(
            generator.device
        )

    def _density_name(self) -> str | None:
        # Discrete distributions carry a logpdf that fails; their own name is logpmf.
        discrete = hasattr(self.distribution, "logpmf") or hasattr(
            getattr(self.distribution, "dist", None), "_pmf"
        )
        if discrete or not hasattr(self.distribution, "logpdf"):
            return None
        # A posterior's codes may be anywhere; multivariate distributions have no `support`.
        bounds = self.distribution.support() if hasattr(self.distribution, "support") else np.inf
        return "logpdf" if np.isinf(bounds).all() else None

    @available_if(_has_log_density)
    def log_density(self, codes: Tensor) -> Tensor:
        """Return log p(z) of each row, shape (n_samples,)."""

        def log_density(z: np.ndarray) -> np.ndarray:
            # SciPy drops the rows' axis of a single row.
            values: np.ndarray = np.asarray(self.distribution.logpdf(z))
            summed: np.ndarray = values.reshape(len(z), -1).sum(axis=1)
            return summed

        apply: Callable[..., Tensor] = _NumericLogDensity.apply
        return apply(codes, log_density)


class UserPrior(Prior):
    """Any object with a method ``sample`` as a prior.

    ``sample`` is called with what its signature names among ``n_samples`` (or the first
    argument), ``n_components``, ``generator`` (a :class:`torch.Generator`), ``random_state`` (an
    int) and ``rng`` (a :class:`numpy.random.Generator`). Where it answers a tuple, as
    :class:`sklearn.mixture.GaussianMixture` does, the first element is taken. Rows are shuffled: a
    mixture may answer them component by component. A ``log_density(codes)`` is used where there is
    one.

    Parameters
    ----------
    source : object with ``sample``

    Raises
    ------
    ValueError
        At ``fit``, if what it draws is not of shape (n_samples, n_components).

    References
    ----------
    A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, *Adversarial Autoencoders*, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KernelDensity
    >>> from skaae.priors import UserPrior
    >>> density = KernelDensity(bandwidth=0.1).fit(np.zeros((1, 2)))
    >>> UserPrior(density).sample(4, 2).shape
    torch.Size([4, 2])
    """

    def __init__(self, source: Any) -> None:
        self.source = source

    def __sklearn_clone__(self) -> UserPrior:
        # scikit-learn would clone a density estimator without its fit.
        return type(self)(copy.deepcopy(self.source))

    def _sample(self, n_samples: int, n_components: int, generator: torch.Generator) -> Tensor:
        source = self.source
        names = list(inspect.signature(source.sample).parameters)
        if "random_state" not in names and hasattr(source, "random_state"):
            # scikit-learn's mixtures draw from their own random_state, by default the global one.
            source = copy.copy(source)
            source.random_state = _numpy_seed(generator)
        offered: dict[str, Callable[[], Any]] = {
            "n_components": lambda: n_components,
            "generator": lambda: generator,
            "random_state": lambda: _numpy_seed(generator),
            "rng": lambda: np.random.default_rng(_numpy_seed(generator)),
        }
        kwargs = {name: offered[name]() for name in names[1:] if name in offered}
        with ScopedRandomness(_generator_on(torch.device("cpu"), generator)):
            drawn = source.sample(n_samples, **kwargs)
        if isinstance(drawn, tuple):
            drawn = drawn[0]
        codes = _as_codes(drawn, n_samples, n_components, type(source).__name__)
        codes = codes.to(generator.device)
        return codes[torch.randperm(n_samples, generator=generator, device=generator.device)]

    def _density_name(self) -> str | None:
        return "log_density" if hasattr(self.source, "log_density") else None

    @available_if(_has_log_density)
    def log_density(self, codes: Tensor) -> Tensor:
        """Return log p(z) of each row, shape (n_samples,)."""
        log_densities: Tensor = self.source.log_density(codes)
        return log_densities
