"""From files to fitted estimators."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from skaae._autoencoder import AdversarialAutoencoder
from skaae._classifier import AdversarialAutoencoderClassifier
from skaae._clusterer import AdversarialAutoencoderClusterer
from skaae._conditional import ConditionalAdversarialAutoencoder
from skaae._forked import bear_being_forked
from skaae._implicit import ImplicitGenerativeModel
from skaae._modes import gradients
from skaae._persistence import from_files, open_files

#: The classes that a file may name.
ESTIMATORS: dict[str, type] = {
    case.__name__: case
    for case in (
        AdversarialAutoencoder,
        AdversarialAutoencoderClassifier,
        AdversarialAutoencoderClusterer,
        ConditionalAdversarialAutoencoder,
        ImplicitGenerativeModel,
    )
}


def load(
    path: str | os.PathLike[str],
    *,
    device: str | torch.device = "auto",
    custom_objects: Sequence[Any] | dict[str, Any] = (),
) -> Any:
    """Return the fitted estimator that ``save`` wrote.

    What it answers is equal to the last bit to what it answered before, on the same kind of
    machine. Nothing in the files is run or imported, and every size is compared with the weights
    that are there before memory is asked for.

    Parameters
    ----------
    path : str or path-like
        A folder or a zip file.
    device : str or torch.device, default="auto"
        Where to compute. ``"auto"`` is the device that it was fitted on, another of its kind where
        this machine lacks that, or the CPU where it has none.
    custom_objects : sequence of classes and functions, or dict of str to object, default=()
        Those of your own that the estimator was saved with: a prior, a builder. Files only name
        them, by import path; a network or sampler that has no name of its own goes under its
        parameter, as in ``{"encoder": module}``.

    Returns
    -------
    estimator : estimator
        Of the class that was saved, fitted.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If it is not what ``save`` writes, whatever else it may be; if a newer format wrote it; or
        if it names an object of your own that you did not pass.

    Warns
    -----
    InconsistentVersionWarning
        If another version of skaae, or another minor version of scikit-learn, wrote it.

    References
    ----------
    Hugging Face, *Safetensors*, https://github.com/huggingface/safetensors.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skaae
    >>> from sklearn.datasets import load_iris
    >>> X, _ = load_iris(return_X_y=True)
    >>> aae = skaae.AdversarialAutoencoder(2, max_iter=50, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     aae.save(Path(folder) / "aae")
    ...     skaae.load(Path(folder) / "aae")
    AdversarialAutoencoder(max_iter=50, random_state=0)
    """
    return load_files(Path(path), device=device, custom_objects=custom_objects)


def load_files(
    path: Path, *, device: Any = "auto", custom_objects: Any = (), follow_links: bool = False
) -> Any:
    """Load as :func:`load` does, where asked also from a cache that is made of symbolic links."""
    bear_being_forked()
    try:
        # Gradients, so that training can go on from the weights.
        with open_files(path, follow_links=follow_links) as files, gradients():
            return from_files(files, ESTIMATORS, device=device, custom_objects=custom_objects)
    except ValueError as error:
        raise ValueError(f"{path}: {str(error)[:1000]}") from error
