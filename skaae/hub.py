"""Saved estimators on the Hugging Face Hub: a thin layer over ``save`` and ``load``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from skaae._loading import load_files
from skaae._persistence import DOCUMENT, WEIGHTS, to_files, versions

_CARD = """---
library_name: skaae
tags:
- skaae
- adversarial-autoencoder
- tabular
---

# {name}

An adversarial autoencoder of skaae for rows of {n_features}
columns. The files hold no code: parameters as JSON, weights as safetensors.

```python
import skaae

model = skaae.from_pretrained("{repo_id}")
```

## Parameters

```python
{estimator}
```

## Versions

{versions}
"""


def push_to_hub(
    estimator: Any,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    commit_message: str = "Save the estimator with skaae",
    training: bool = False,
) -> str:
    """Save a fitted estimator, with a model card, to a repository of the Hugging Face Hub.

    Parameters
    ----------
    estimator : estimator
        Any of skaae, fitted.
    repo_id : str
        ``"user/name"``; the repository is created where there is none.
    private : bool, default=None
        Whether a new repository is private; None is the account's setting.
    token : str or bool, default=None
        As huggingface_hub takes it; None is what you are logged in with.
    commit_message : str
    training : bool, default=False
        As in ``save``.

    Returns
    -------
    url : str
        Of the commit.

    Raises
    ------
    ImportError
        If huggingface_hub is not installed.
    NotFittedError, TypeError, ValueError
        As in ``save``; nothing is sent then.

    References
    ----------
    M. Mitchell et al., *Model Cards for Model Reporting*, 2019.

    Examples
    --------
    >>> from skaae.hub import push_to_hub
    >>> push_to_hub(aae, "user/digits")  # doctest: +SKIP
    'https://huggingface.co/user/digits/commit/...'
    """
    hub = _huggingface_hub()
    files = to_files(estimator, training=training)
    files["README.md"] = model_card(estimator, repo_id).encode()
    api = hub.HfApi(token=token)
    api.create_repo(repo_id, private=private, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        commit = api.upload_folder(
            repo_id=repo_id, folder_path=folder, commit_message=commit_message
        )
    return str(commit.commit_url)


def from_pretrained(
    repo_or_folder: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    device: str | torch.device = "auto",
    custom_objects: Sequence[Any] | dict[str, Any] = (),
) -> Any:
    """Return a fitted estimator from the Hugging Face Hub, or from a folder or zip that is here.

    Of a repository only the two files of :func:`skaae.load` are fetched, and they are read as
    carefully as there.

    Parameters
    ----------
    repo_or_folder : str or path-like
        What there is on this machine under this name, else the repository ``"user/name"``.
    revision : str, default=None
        A branch, tag or commit of the repository. A commit cannot change later.
    token : str or bool, default=None
        As huggingface_hub takes it; None is what you are logged in with.
    device, custom_objects
        As in :func:`skaae.load`.

    Returns
    -------
    estimator : estimator

    Raises
    ------
    ImportError
        If the repository has to be fetched and huggingface_hub is not installed.
    ValueError
        As in :func:`skaae.load`.

    References
    ----------
    Hugging Face, *Safetensors*, https://github.com/huggingface/safetensors.

    Examples
    --------
    >>> import skaae
    >>> aae = skaae.from_pretrained("user/digits")  # doctest: +SKIP
    """
    path, is_here = Path(repo_or_folder), os.path.lexists(repo_or_folder)
    if not is_here:
        fetched = _huggingface_hub().snapshot_download(
            str(repo_or_folder), revision=revision, token=token, allow_patterns=[DOCUMENT, WEIGHTS]
        )
        path = Path(fetched)
    # The cache of the hub is made of links to its own files.
    return load_files(path, device=device, custom_objects=custom_objects, follow_links=not is_here)


def model_card(estimator: Any, repo_id: str) -> str:
    """Return the README of a repository: what the estimator is, its parameters and versions."""
    name = type(estimator).__name__
    return _CARD.format(
        name=name,
        repo_id=repo_id,
        n_features=estimator.n_features_in_,
        estimator=repr(estimator),
        versions="\n".join(f"- {package} {version}" for package, version in versions().items()),
    )


def _huggingface_hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            'The Hugging Face Hub needs huggingface_hub: pip install "skaae[hub]".'
        ) from error
    return huggingface_hub
