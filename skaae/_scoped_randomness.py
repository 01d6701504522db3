"""Random draws of networks and distributions, led to a generator of ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


def _dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: torch.Generator,
    mask_ndim: int | None = None,
) -> Tensor:
    if not training or p == 0.0:
        return input
    shape = input.shape if mask_ndim is None else input.shape[:mask_ndim]
    mask = torch.rand(shape, generator=generator, dtype=torch.float32, device=input.device) >= p
    mask = mask.reshape(*shape, *[1] * (input.ndim - len(shape)))
    return input * mask / (1.0 - p) if p < 1.0 else input * mask


def _channel_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: torch.Generator,
) -> Tensor:
    return _dropout(input, p, training, generator=generator, mask_ndim=2)


def _draw_like(
    draw: Callable[..., Tensor],
    like: Tensor,
    *,
    generator: torch.Generator,
    dtype: torch.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    drawn: Tensor = draw(
        like.shape, dtype=dtype or like.dtype, device=device or like.device, generator=generator
    )
    return drawn.requires_grad_(requires_grad)


# Not PyTorch's meta device, whose tensors hold no numbers.
_DRAWING = ("cpu", "cuda", "mps")


def _drawn_on(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.device:
    """Return the device that a call draws on: that which it names, its tensors', the default."""
    if kwargs.get("device") is not None:
        return torch.device(kwargs["device"])
    tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
    first = next(tensors, None)
    return torch.empty(0).device if first is None else first.device


class _GlobalGenerator(NamedTuple):
    """How to read, seed and set back the generator that all of a device's users share."""

    get_state: Callable[[], Tensor]
    manual_seed: Callable[[int], Any]
    set_state: Callable[[Tensor], Any]

    @classmethod
    def of(cls, place: torch.device) -> _GlobalGenerator:
        if place.type == "mps":
            return cls(torch.mps.get_rng_state, torch.mps.manual_seed, torch.mps.set_rng_state)
        one = torch.default_generator
        if place.type == "cuda":
            one = torch.cuda.default_generators[place.index or 0]
        return cls(one.get_state, one.manual_seed, one.set_state)


# By process: a lock that another thread held at a fork would never open in the forked one.
_LOCKS: dict[int, AbstractContextManager[Any]] = {}


def _lock() -> AbstractContextManager[Any]:
    """Return this process's lock on the global generators; scopes in scopes may take it again."""
    return _LOCKS.setdefault(os.getpid(), threading.RLock())


class ScopedRandomness(TorchFunctionMode):
    """Send every random draw of PyTorch in this block and thread to one generator.

    Weight initialisation, ``torch.distributions`` and dropout read PyTorch's global generator
    and most offer no other. The mode adds ``generator=`` to their calls instead of seeding the
    global one, so the caller's random stream stays untouched and threads do not meet.

    Parameters
    ----------
    generator : torch.Generator
        Where the draws come from; on other devices from generators that it seeds.

    Examples
    --------
    >>> import torch
    >>> from skaae._device import new_generator
    >>> from skaae._scoped_randomness import ScopedRandomness
    >>> before = torch.get_rng_state()
    >>> with ScopedRandomness(new_generator(0)):
    ...     layer = torch.nn.Linear(3, 2)
    >>> bool((torch.get_rng_state() == before).all())
    True
    """

    _TAKES_GENERATOR: ClassVar[frozenset[Any]] = frozenset(
        {
            torch.bernoulli,
            torch.binomial,
            torch.multinomial,
            torch.normal,
            torch.poisson,
            torch.rand,
            torch.randint,
            torch.randn,
            torch.randperm,
            torch._sample_dirichlet,
            torch._standard_gamma,
            Tensor.bernoulli,
            Tensor.bernoulli_,
            Tensor.cauchy_,
            Tensor.exponential_,
            Tensor.geometric_,
            Tensor.log_normal_,
            Tensor.multinomial,
            Tensor.normal_,
            Tensor.random_,
            Tensor.uniform_,
        }
    )
    # These offer no generator, and what they draw inside is out of reach.
    _SEALED: ClassVar[frozenset[Any]] = frozenset(
        {
            functional.alpha_dropout,
            functional.feature_alpha_dropout,
            functional.fractional_max_pool2d,
            functional.fractional_max_pool2d_with_indices,
            functional.fractional_max_pool3d,
            functional.fractional_max_pool3d_with_indices,
            functional.gumbel_softmax,
            functional.multi_head_attention_forward,
            functional.rrelu,
            functional.scaled_dot_product_attention,
            torch.alpha_dropout,
            torch.alpha_dropout_,
            torch.dropout,
            torch.dropout_,
            torch.feature_alpha_dropout,
            torch.feature_alpha_dropout_,
            torch.feature_dropout,
            torch.feature_dropout_,
            torch.gru,
            torch.lstm,
            torch.native_dropout,
            torch.randint_like,
            torch.rnn_relu,
            torch.rnn_tanh,
            torch.rrelu,
            torch.rrelu_,
        }
    )
    # These offer no generator (in every version supported) and are easily done with one.
    _REPLACED: ClassVar[dict[Any, Callable[..., Tensor]]] = {
        torch.rand_like: partial(_draw_like, torch.rand),
        torch.randn_like: partial(_draw_like, torch.randn),
        functional.dropout: _dropout,
        functional.dropout1d: _channel_dropout,
        functional.dropout2d: _channel_dropout,
        functional.dropout3d: _channel_dropout,
    }

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator
        self._elsewhere: dict[torch.device, torch.Generator] = {}

    def _seed(self) -> int:
        place = self.generator.device
        return int(torch.randint(2**31, (), generator=self.generator, device=place))

    def _generator_at(self, place: torch.device) -> torch.Generator:
        """Return the generator for draws on a device: ours, or one there that ours has seeded."""
        ours = self.generator.device
        same = place.type == ours.type and place.index in (None, ours.index or 0)
        if same or place.type not in _DRAWING:
            return self.generator
        if place not in self._elsewhere:
            self._elsewhere[place] = torch.Generator(place).manual_seed(self._seed())
        return self._elsewhere[place]

    def _sealed(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        # The one place where the global generator is used: seeded from ours, and put back. Scopes
        # of other threads wait; a thread that draws from it without a scope, in just that moment,
        # would see it.
        seed, borrowed = self._seed(), _GlobalGenerator.of(_drawn_on(args, kwargs))
        with _lock():
            state = borrowed.get_state()
            try:
                borrowed.manual_seed(seed)
                return func(*args, **kwargs)
            finally:
                borrowed.set_state(state)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in self._REPLACED:
            given = kwargs.pop("generator", None) or self._generator_at(_drawn_on(args, kwargs))
            return self._REPLACED[func](*args, **kwargs, generator=given)
        if func in self._SEALED:
            return self._sealed(func, args, kwargs)
        # Composite functions, those of torch.nn.init among them, arrive as a whole and bring an
        # argument `generator` along where they have one.
        takes_generator = func in self._TAKES_GENERATOR or "generator" in kwargs
        if takes_generator and kwargs.get("generator") is None:
            kwargs = {**kwargs, "generator": self._generator_at(_drawn_on(args, kwargs))}
        return func(*args, **kwargs)
