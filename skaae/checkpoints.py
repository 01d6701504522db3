"""Fits that go on where they were killed: their state on disk, every so often."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from skaae._version import __version__

__all__ = ["resumable"]

_FORMAT = 2
# The newest may be torn by what ended the process; the one before is then whole.
_N_KEPT = 2
_SUFFIX = ".safetensors"

Tensors = dict[str, Tensor]
Facts = dict[str, Any]


class Checkpoints:
    """The checkpoints of one fit, in a folder that it may share with others.

    A file is safetensors with JSON in its header. It is written beside its place and then moved
    there, so what has the name of a checkpoint is a whole one, unless the disk failed.

    Parameters
    ----------
    folder : Path
    name : str
        Of the fit: what else is in the folder is left alone.
    every : float
        Seconds between two of them, at least.

    Attributes
    ----------
    start : tuple of tensors and facts, or None
        What the fit goes on from.
    about : dict
        What is written into each of them beside the facts of its epoch.
    """

    def __init__(self, folder: Path, name: str, every: float) -> None:
        self.folder, self.name, self.every = folder, name, every
        self.about: Facts = {}
        self._kept: list[Path] = []
        self._last = time.monotonic()
        self._untried = self._files()
        self.start = self._next()

    def _files(self, suffix: str = _SUFFIX) -> list[Path]:
        """Return the files of this fit, the one of the latest epoch first."""
        return sorted(self.folder.glob(f"{self.name}-*{suffix}"), reverse=True)

    def _next(self) -> tuple[Tensors, Facts] | None:
        """Return what the last whole checkpoint holds, with a warning for each that is not."""
        while self._untried:
            path = self._untried.pop(0)
            try:
                content = _read(path, self.name)
                # A fit begins before its networks are there to be compared, and has drawn by then.
                if content[1]["seeds"] != self.about.get("seeds", content[1]["seeds"]):
                    raise ValueError("it is of a fit with other seeds")
            except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
                self._warn(error, path)
                continue
            # Those before it are let go of with the next ones.
            self._kept = [*reversed(self._untried), path]
            logging.getLogger("skaae").info("going on from %s", path)
            return content
        return None

    def refuse(self, reason: object) -> None:
        """Warn that the checkpoint to start from is not used, and why; take the one before it."""
        self._warn(reason, self._kept.pop())
        self.start = self._next()

    def _warn(self, reason: object, path: Path) -> None:
        warnings.warn(
            f"The checkpoint {path} is not used: {reason}. The one before it is, if there is one; "
            "else training starts anew.",
            RuntimeWarning,
            stacklevel=2,
        )

    def is_due(self) -> bool:
        """Return whether it is time for one."""
        return time.monotonic() - self._last >= self.every

    def is_due_within(self) -> bool:
        """Return whether it is time for one where an epoch has not ended."""
        return self.every > 0.0 and self.is_due()

    def save(self, epoch: int, n_batches: int, tensors: Tensors, facts: Facts) -> None:
        """Write one, and let go of those before the last; warn where that fails.

        It is of so many epochs and, in the one that has begun, batches.
        """
        path = self.folder / f"{self.name}-{epoch:08d}-{n_batches:08d}{_SUFFIX}"
        facts = {"format": _FORMAT, "skaae": __version__, "name": self.name, **self.about, **facts}
        text = json.dumps(facts)
        header = {"facts": text, "digest": _digest(tensors, text)}
        try:
            _write(path, safetensors.torch.save(tensors, header))
        except OSError as error:
            warnings.warn(
                f"No checkpoint of epoch {epoch} was written ({error}); training goes on, and the "
                f"one before is kept. Make room in {self.folder}: the next is tried as soon.",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            self._kept = [*(kept for kept in self._kept if kept != path), path]
            while len(self._kept) > _N_KEPT:
                self._kept.pop(0).unlink(missing_ok=True)
        self._last = time.monotonic()

    def remove(self) -> None:
        """Remove the checkpoints of this fit, which has come to its end."""
        for path in [*self._files(), *self._files(".part")]:
            path.unlink(missing_ok=True)


def _read(path: Path, name: str) -> tuple[Tensors, Facts]:
    with safetensors.safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if "facts" not in header:
        raise ValueError("it is not a checkpoint of skaae")
    if header.get("digest") != _digest(tensors, header["facts"]):
        raise ValueError("its content is not what was written")
    facts = json.loads(header["facts"])
    if (facts["format"], facts["skaae"]) != (_FORMAT, __version__):
        raise ValueError(
            f"it was written by skaae {facts['skaae']} in format {facts['format']}, this is "
            f"{__version__} with format {_FORMAT}"
        )
    if facts["name"] != name:
        raise ValueError("it is of a fit with other parameters or rows")
    return tensors, facts


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    found = hashlib.blake2b(facts.encode(), digest_size=16)
    for name in sorted(tensors):
        found.update(name.encode())
        # As bytes: NumPy has no bfloat16, in which the losses of a user's divergence may be.
        found.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a file so that its name stands for all of it, or for what it was before."""
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the name, too, has to reach the disk
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


_ASKED: ContextVar[tuple[Path, float] | None] = ContextVar("skaae_checkpoints", default=None)


def asked_checkpoints() -> tuple[Path, float] | None:
    """Return the folder and the seconds that an enclosing block asks for, or None."""
    return _ASKED.get()


@contextmanager
def resumable(directory: str | os.PathLike[str], *, every: float = 60.0) -> Iterator[None]:
    """Let fits in this block go on where they were when their process was killed.

    After a batch, `every` seconds apart at least, ``fit`` writes its state into `directory`:
    networks, optimisers, random generators, history, early stopping. The same call in a new process
    then goes on from there, and on one thread of the CPU ends with the same bits as one that was
    never killed. When a fit has come to its end, its checkpoints are removed; after
    Ctrl-C they are kept, and the same call goes on.

    It is the same call if the estimator's parameters (``verbose`` aside), the kind of device that
    it trains on, the shape and dtype of the rows, a sample of their values and all labels are the
    same. Any other starts anew and leaves
    the files be, so one directory serves several fits, such as those of a search with one job. Fits
    in threads or processes that are started inside the block know nothing of it. ``partial_fit``,
    whose state is the estimator, writes nothing.

    Parameters
    ----------
    directory : path
        Made if it is not there. Do not let two processes run the same fit in it at a time.
    every : float, default=60.0
        Seconds between two checkpoints, at least; 0 writes one at the end of every epoch, and none
        within.

    Raises
    ------
    ValueError
        If `every` is negative; from ``fit``, among processes that train together.

    Warns
    -----
    RuntimeWarning
        From ``fit``: a checkpoint that is torn, of another version or fit, or of networks of other
        shapes, is not used, and the one before it is, if it can be; one that could not be written
        (a full disk) leaves the one before.

    References
    ----------
    J. Young, *A First Order Approximation to the Optimum Checkpoint Interval*, 1974.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from skaae import AdversarialAutoencoder
    >>> from skaae.checkpoints import resumable
    >>> X, _ = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as directory, resumable(directory):
    ...     aae = AdversarialAutoencoder(2, max_iter=100, random_state=0).fit(X)
    >>> aae.transform(X).shape
    (150, 2)
    """
    if not every >= 0.0:
        raise ValueError(f"every: expected seconds >= 0, got {every!r}.")
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    token = _ASKED.set((folder, float(every)))
    try:
        yield
    finally:
        _ASKED.reset(token)
