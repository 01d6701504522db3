"""Training by several processes, on one machine or more: each takes its part of every batch."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as torch_distributed
from torch import Tensor, nn

__all__ = ["data_parallel"]

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Ranks:
    """The processes that train one model together, and which of them this one is.

    Each has all rows and draws the same random numbers, takes its part of every batch, and moves
    the weights by the mean of all gradients, so that they stay alike. One alone exchanges nothing.
    Where two `share_gpu`, NCCL, which they would talk over, does not work.
    """

    rank: int
    size: int
    share_gpu: bool = False

    def check_gpu(self) -> None:
        """Raise ValueError, in every process, if they cannot train on GPUs."""
        if self.share_gpu:
            raise ValueError(
                f"data_parallel: expected a GPU for each of {self.size} processes, got several on "
                f"one. Start as many on each machine as it has GPUs ({torch.cuda.device_count()} "
                "here: torchrun --nproc-per-node), or set device='cpu', or share GPUs, which is "
                "slower, with data_parallel('gloo')."
            )

    def part(self, n_rows: int) -> slice:
        """Return this process's rows of a batch, of which each process has `n_rows`."""
        return slice(self.rank * n_rows, (self.rank + 1) * n_rows)

    def average(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        """Return the mean of each tensor over the processes, in one exchange."""
        tensors = list(tensors)
        if self.size == 1 or not tensors:
            return tensors
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        torch_distributed.all_reduce(flat)
        flat /= self.size
        means = flat.split([tensor.numel() for tensor in tensors])
        return [mean.view_as(tensor) for tensor, mean in zip(tensors, means)]

    def start_alike(self, step: Any) -> None:
        """Let every process go on from where the first one stands."""
        if self.size == 1:
            return
        step.model.load_state_dict(self.of_first(_on_cpu(step.model.state_dict())))
        step.generator.set_state(self.of_first(step.generator.get_state()))
        for optimizer in step.optimizers:
            optimizer.load_state_dict(self.of_first(_on_cpu(optimizer.state_dict())))

    @torch.no_grad()
    def agree(self, model: nn.Module) -> None:
        """Let every process have the first one's weights, and the mean of running statistics.

        Weights that move by the same gradients stay alike, but for what processors of different
        kinds make of them.
        """
        if self.size == 1:
            return
        buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        for buffer, mean in zip(buffers, self.average(buffers)):
            buffer.copy_(mean)
        parameters = [parameter.detach() for parameter in model.parameters()]
        flat = torch.cat([parameter.flatten() for parameter in parameters])
        torch_distributed.broadcast(flat, src=0)
        for parameter, first in zip(parameters, flat.split([p.numel() for p in parameters])):
            parameter.copy_(first.view_as(parameter))

    def of_first(self, value: _Value) -> _Value:
        """Return the first process's value of a small object."""
        if self.size == 1:
            return value
        box = [value]
        torch_distributed.broadcast_object_list(box, src=0)
        return box[0]


def _on_cpu(value: Any) -> Any:
    """Return a state with its tensors on the CPU: a GPU's arrive on the GPU of that number."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        moved = copy.copy(value)  # with what modules note of their versions
        moved.update({name: _on_cpu(item) for name, item in value.items()})
        return moved
    if type(value) in (list, tuple):
        return type(value)(_on_cpu(item) for item in value)
    return value


_ALONE = Ranks(rank=0, size=1)
_RANKS: ContextVar[Ranks] = ContextVar("skaae_ranks", default=_ALONE)


def current_ranks() -> Ranks:
    """Return the processes that train together; one where this one trains alone."""
    return _RANKS.get()


def drawn_in_parts(draw: Callable[[int], Tensor], n_rows: int) -> Tensor:
    """Return this process's `n_rows` rows of what all processes draw alike by ``draw(n)``."""
    ranks = current_ranks()
    return draw(n_rows) if ranks.size == 1 else draw(n_rows * ranks.size)[ranks.part(n_rows)]


def own_part(rows: Tensor) -> Tensor:
    """Return this process's part of rows of which each process has as many."""
    ranks = current_ranks()
    return rows if ranks.size == 1 else rows[ranks.part(len(rows) // ranks.size)]


def check_same_rows(rows: Tensor, n_rows: int, y: Tensor | None) -> None:
    """Raise ValueError in every process if `n_rows`, `rows` or labels are not alike in all.

    `rows` may stand for more of them. Fewer than two for each process are refused too.
    """
    ranks = current_ranks()
    if ranks.size == 1:
        return
    if n_rows < 2 * ranks.size:
        raise ValueError(
            f"data_parallel: expected at least two rows for each of {ranks.size} processes, got "
            f"{n_rows} in all. Start fewer processes, or train outside of the block."
        )
    sums = rows.sum(dim=1).double().cpu()
    order = torch.arange(len(sums), dtype=torch.float64)
    facts = [n_rows, rows.shape[1], float(sums @ order), float(sums.abs().sum())]
    facts.append(0.0 if y is None else float(y.cpu().double() @ torch.arange(len(y)).double()))
    check_alike(*facts)


def check_alike(*facts: float) -> None:
    """Raise ValueError in every process if these figures of the rows are not alike in all."""
    ranks = current_ranks()
    if ranks.size == 1:
        return
    found: list[Any] = [None] * ranks.size
    torch_distributed.all_gather_object(found, facts)
    # Sums of processors of different kinds differ in their last digits.
    if not np.allclose(found, found[0], rtol=1e-5, atol=1e-3):
        raise ValueError(
            "data_parallel: expected the same rows in every process, got different ones. "
            "Pass all rows to each; skaae divides the batches."
        )


def _default_backend() -> str:
    # Windows has GPUs and no NCCL.
    on_nccl = torch.cuda.is_available() and torch_distributed.is_nccl_available()
    return "cpu:gloo,cuda:nccl" if on_nccl else "gloo"


def _share_gpu() -> bool:
    """Return whether NCCL is to talk between processes on one GPU; asked in all of them at once."""
    backends = torch_distributed.get_backend_config()
    if "nccl" not in backends or "gloo" not in backends:  # which asks, without a GPU
        return False
    # Not by numbers: where each process is shown a GPU of its own, all call it the first.
    own = None
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        own = str(getattr(properties, "uuid", "")) or None  # PyTorch 2.4 does not say
    found: list[str | None] = [None] * torch_distributed.get_world_size()
    torch_distributed.all_gather_object(found, own)
    known = [gpu for gpu in found if gpu is not None]
    return len(set(known)) < len(known)


@contextmanager
def data_parallel(backend: str | None = None) -> Iterator[None]:
    """Train in this block together with the other processes that ``torchrun`` started.

    Every process runs the same script and passes the same rows to ``fit`` (a memory map is read by
    each for itself). Each batch is divided between them and gradients are averaged, so what comes
    is what one process makes of batches of that size. The first process's seed is taken where
    ``random_state`` is None, and every process ends with the same ``model_``. Where no other
    process was started the block changes nothing, and the script trains alone. So do fits in
    threads or processes that are started inside the block.

    What looks at a batch as a whole sees a process's own part of it: ``mmd``,
    ``sliced_wasserstein`` and ``mutual_information``, normalisation over the batch, neighbours told
    from the rest of it, the mean over rows with a label. The rows' noise and draws from the prior
    are those of the whole batch; what else is drawn (a posterior's noise, dropout, places on a
    critic's lines) is drawn alike by all.
    Such fits end elsewhere than one process does, as a fit of another seed would.

    Every process prints and warns for itself, and ``torchrun`` gives each one thread unless
    ``OMP_NUM_THREADS`` is set. Save results in one of them.

    Parameters
    ----------
    backend : str, default=None
        What PyTorch talks over: None takes nccl for GPUs, where PyTorch has it, and gloo for CPUs.
        Not asked for where a process group is there already, which is then used.

    Raises
    ------
    RuntimeError
        From ``fit``, if another process ends early (with nccl, PyTorch may end the process itself).
    ValueError
        From ``fit``, if the processes do not pass the same rows and labels, or fewer than two rows
        for each; on GPUs, if there are more processes than these.

    References
    ----------
    S. Li et al., *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*, 2020.

    Examples
    --------
    Run by ``torchrun --nproc-per-node 2 script.py``, or alone:

    >>> import numpy as np
    >>> from skaae import AdversarialAutoencoder
    >>> from skaae.distributed import data_parallel
    >>> X = np.random.default_rng(0).normal(size=(64, 5))
    >>> with data_parallel():
    ...     aae = AdversarialAutoencoder(2, max_iter=1, random_state=0).fit(X)
    >>> aae.transform(X).shape
    (64, 2)
    """
    started = torch_distributed.is_available() and torch_distributed.is_initialized()
    if not started and int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    with ExitStack() as after:
        if torch.cuda.is_available() and "LOCAL_RANK" in os.environ:
            local_rank = int(os.environ["LOCAL_RANK"])
            after.enter_context(torch.cuda.device(local_rank % torch.cuda.device_count()))
        if not started:
            torch_distributed.init_process_group(backend or _default_backend())
            after.callback(torch_distributed.destroy_process_group)
        ranks = Ranks(
            torch_distributed.get_rank(), torch_distributed.get_world_size(), _share_gpu()
        )
        after.callback(_RANKS.reset, _RANKS.set(ranks))
        yield
