"""Where computation runs: device, precision, random generators, arrays in blocks."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

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

    A GPU comes with its index: ``"cuda"`` is the current one, and stays that in other threads.

    Raises
    ------
    ValueError
        If PyTorch does not know the device or does not see one on this machine, if it is of a kind
        that skaae does not compute on, or if processes that train together share a GPU.
    """
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            return resolve_device("cuda")
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
    if resolved.type not in n_available:
        raise ValueError(
            f"device={device!r}: skaae computes on {', '.join(n_available)}, and not on "
            f"{resolved.type}. Use one of these, or device='auto' for the fastest there is."
        )
    if (resolved.index or 0) >= n_available[resolved.type]:
        raise ValueError(
            f"device={device!r} was asked for, but PyTorch sees no such device here. "
            "Use device='auto' to take the fastest one there is."
        )
    if resolved.type == "cuda":
        current_ranks().check_gpu()
        if resolved.index is None:
            return torch.device("cuda", torch.cuda.current_device())
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
        with torch.cuda.device(device):  # PyTorch answers for the current one
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
        return cls._of(sequence)

    @classmethod
    def _of(cls, sequence: np.random.SeedSequence) -> Seeds:
        return cls(*(int(seed) for seed in sequence.generate_state(7)))

    def others(self, n: int) -> list[Seeds]:
        """Return `n` seeds that follow from these and are independent of them."""
        sequence = np.random.SeedSequence(astuple(self))
        return [self._of(child) for child in sequence.spawn(n)]


def new_generator(seed: int | None = None, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator of our own, seeded by the operating system where `seed` is None."""
    return torch.Generator(device).manual_seed(secrets.randbits(31) if seed is None else seed)


def normal_draws(*shape: int, generator: torch.Generator) -> Tensor:
    """Return standard normal numbers where the generator lies, float32 whatever the default."""
    return torch.randn(shape, generator=generator, dtype=torch.float32, device=generator.device)


def uniform_draws(*shape: int, generator: torch.Generator) -> Tensor:
    """Return numbers from [0, 1) where the generator lies, float32 whatever the default."""
    return torch.rand(shape, generator=generator, dtype=torch.float32, device=generator.device)


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


def in_halves(function: Callable[..., Tensor], *columns: Tensor | None) -> Tensor:
    """Return ``function`` of rows, of halves of them where the device has no memory for all.

    Parameters
    ----------
    function : callable
        Maps tensors of as many rows each to one of as many.
    columns : Tensor or None
        What it is given; None stays None.
    """
    n_rows = len(next(column for column in columns if column is not None))
    try:
        return function(*columns)
    except OutOfMemoryError:
        if n_rows == 1:
            raise
    # Not in the handler: the error holds on to what the try had in memory.
    halves = [[None, None] if column is None else column.tensor_split(2) for column in columns]
    return torch.cat([in_halves(function, *half) for half in zip(*halves)])
