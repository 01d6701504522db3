"""Where computation runs: device, precision, random generators, arrays in blocks."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from skaae._sources import Rows, bounded_block
from skaae._tensors import block_of, dtype_name, empty_like_rows
from skaae.distributed import current_ranks

# Its name in every version supported.
OutOfMemoryError = torch.cuda.OutOfMemoryError
PRECISION_NAMES = {"auto", "float32", "bfloat16"}

# Below this many weights in the widest layer, casting to bfloat16 costs more than it saves.
_BFLOAT16_MIN_WEIGHTS = 2**15


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device to train on; ``"auto"`` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    ValueError
        If PyTorch does not know the device or does not see one on this machine.
    """
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            # Of processes that train together each has its own, inside the block and after it.
            if current_ranks().size > 1:
                return torch.device("cuda", torch.cuda.current_device())
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device must be 'auto' or a name that torch.device accepts, got {device!r}."
        ) from error
    n_available = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    if (resolved.index or 0) >= n_available.get(resolved.type, 0):
        raise ValueError(
            f"device={device!r} was asked for, but PyTorch sees no such device here. "
            "Use device='auto' to take the fastest one there is."
        )
    return resolved


def resolve_precision(precision: str, device: torch.device, n_weights: int) -> torch.dtype | None:
    """Return the dtype of matrix products in training, or None for plain float32.

    ``"auto"`` takes bfloat16 where the hardware multiplies it natively and the largest layer
    (`n_weights` weights) is large enough to gain from it.
    """
    if precision == "float32":
        return None
    if precision == "bfloat16":
        return torch.bfloat16
    native = multiplies_bfloat16(device)
    return torch.bfloat16 if native and n_weights >= _BFLOAT16_MIN_WEIGHTS else None


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware multiplies bfloat16 natively."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and _cpu_multiplies_bfloat16()


def _cpu_multiplies_bfloat16() -> bool:
    # The public API tells AVX-512 and AMX apart by name only, hence the two private questions.
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, lambda: False)() for question in questions)


def random_seed(random_state: int | np.random.RandomState | None) -> int:
    """Return a seed; None asks the operating system, so no global generator is moved."""
    if random_state is None:
        return secrets.randbits(31)
    return int(check_random_state(random_state).randint(2**31 - 1))


@dataclass(frozen=True)
class Seeds:
    """Independent seeds for the parts of a fit, so that none shifts another's draws."""

    latents: int
    weights: int
    components: int
    split: int
    training: int
    measure: int
    places: int

    @classmethod
    def draw(cls, random_state: Any) -> Seeds:
        """Return the seeds that follow from `random_state`."""
        sequence = np.random.SeedSequence(random_seed(random_state))
        return cls(*(int(seed) for seed in sequence.generate_state(7)))


def new_generator(seed: int | None = None, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator of our own, seeded by the operating system where `seed` is None."""
    return torch.Generator(device).manual_seed(secrets.randbits(31) if seed is None else seed)


def normal_draws(*shape: int, generator: torch.Generator) -> Tensor:
    """Return standard normal numbers where the generator lies, float32 whatever the default."""
    return torch.randn(shape, generator=generator, dtype=torch.float32, device=generator.device)


def uniform_draws(*shape: int, generator: torch.Generator) -> Tensor:
    """Return numbers from [0, 1) where the generator lies, float32 whatever the default."""
    return torch.rand(shape, generator=generator, dtype=torch.float32, device=generator.device)


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
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    drawn: Tensor = draw(
        like.shape, dtype=dtype or like.dtype, device=like.device, generator=generator
    )
    return drawn.requires_grad_(requires_grad)


class ScopedRandomness(TorchFunctionMode):
    """Send every random draw of PyTorch in this block and thread to one generator.

    Weight initialisation, ``torch.distributions`` and dropout read PyTorch's global generator
    and most offer no other. The mode adds ``generator=`` to their calls instead of seeding the
    global one, so the caller's random stream stays untouched and threads do not meet.

    Parameters
    ----------
    generator : torch.Generator
        Where the draws come from.

    Examples
    --------
    >>> import torch
    >>> from skaae._device import ScopedRandomness, new_generator
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

    def _sealed(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        # The one place where the global generator is used: seeded from ours, and put back. Threads
        # that draw from the global generator in just that moment would see it.
        seed = torch.randint(2**31, (), generator=self.generator, device=self.generator.device)
        borrowed = torch.default_generator
        if self.generator.device.type == "cuda":
            borrowed = torch.cuda.default_generators[self.generator.device.index or 0]
        state = borrowed.get_state()
        try:
            borrowed.manual_seed(int(seed))
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
            given = kwargs.pop("generator", None) or self.generator
            return self._REPLACED[func](*args, **kwargs, generator=given)
        if func in self._SEALED:
            return self._sealed(func, args, kwargs)
        # Composite functions, those of torch.nn.init among them, arrive as a whole and bring an
        # argument `generator` along where they have one.
        takes_generator = func in self._TAKES_GENERATOR or "generator" in kwargs
        if takes_generator and kwargs.get("generator") is None:
            kwargs = {**kwargs, "generator": self.generator}
        return func(*args, **kwargs)


@contextmanager
def gradients() -> Iterator[None]:
    """Record gradients inside the block, whatever mode of PyTorch the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def evaluation(module: torch.nn.Module) -> Iterator[None]:
    """Hold `module` in evaluation mode and without gradients inside the block."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was_training)


def inference_dtype(X: Rows, device: torch.device) -> torch.dtype:
    """Return the dtype to infer in: float64 for float64 rows (not on MPS), else float32.

    float32 sums differ with the size of the batch, so a row's code would depend on its company.
    """
    exact = dtype_name(X) == "float64" and device.type != "mps"
    return torch.float64 if exact else torch.float32


def _same(block: Tensor) -> Tensor:
    return block


def apply_in_batches(
    function: Callable[[Tensor], Tensor],
    X: Rows,
    *,
    n_outputs: int,
    dtype: torch.dtype,
    device: torch.device,
    before: Callable[[Tensor], Tensor] = _same,
    beside: np.ndarray | None = None,
    after: Callable[[Tensor], Tensor] = _same,
    batch_size: int = 2048,
) -> Any:
    """Return ``function`` of the rows of `X`, computed in blocks, in X's dtype.

    Parameters
    ----------
    function : callable
        Maps a tensor of shape (n_rows, n_features) to one of shape (n_rows, n_outputs).
    X : ndarray, Tensor or RowSource of shape (n_samples, n_features)
    n_outputs : int
    dtype, device
        What `function` computes in and on.
    before, after : callable, default=identity
        Run in the dtype of `X`, on its rows and on the outputs, where it lies.
    beside : ndarray of shape (n_samples, n_columns), default=None
        Columns that join the rows behind `before`.
    batch_size : int, default=2048
        Rows in a block; bounds the memory that is used beside `X` and the result. A block that the
        device has no memory for is tried again in halves, down to a row.

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_outputs); Tensor, on the device of `X`, if `X` is
    """
    result = empty_like_rows(X, n_outputs)
    n_rows = X.shape[0]
    batch_size = min(bounded_block(X, batch_size), max(1, n_rows))

    def one_block(rows: slice) -> Tensor:
        block = before(block_of(X, rows))
        if beside is not None:
            block = torch.cat([block, torch.as_tensor(beside[rows]).to(block)], dim=1)
        outputs = function(block.to(device=device, dtype=dtype))
        # The device first: MPS has no float64.
        return after(outputs.to(block.device).to(block.dtype))

    start = 0
    while start < n_rows:
        rows = slice(start, start + batch_size)
        try:
            result[rows] = one_block(rows)
        except OutOfMemoryError:
            if batch_size == 1:
                raise
            batch_size //= 2
        else:
            start = rows.stop
    return result if isinstance(X, Tensor) else result.numpy()
