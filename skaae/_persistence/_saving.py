"""What an estimator that can be saved offers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from skaae._persistence._documents import WEIGHTS
from skaae._persistence._estimators import to_files
from skaae._persistence._fields import Fitted
from skaae._persistence._files import write_files


class SavingMixin:
    """``save`` for an estimator that declares its fitted attributes.

    Beside ``model_``, which says of itself what it was built from, they are all that is saved.
    """

    _fitted_attributes: ClassVar[dict[str, Fitted]] = {
        "history_": Fitted(list),
        "n_iter_": Fitted(int),
        "device_": Fitted(torch.device),
        "n_features_in_": Fitted(int),
        "feature_names_in_": Fitted(np.ndarray, "O", ("n_features",), optional=True),
        "_output_dtype": Fitted(np.dtype),
        "_sklearn_output_config": Fitted(dict, optional=True),  # of set_output
    }

    def save(self, path: str | os.PathLike[str], *, training: bool = False) -> None:
        """Write the fitted estimator to a folder or a zip, for :func:`skaae.load` to read.

        The parameters and fitted attributes become ``model.json`` and the weights
        ``weights.safetensors``. There is no code in them. They are written beside `path` and put
        in its place when they are whole; what ``save`` wrote there before is replaced.

        Parameters
        ----------
        path : str or path-like
            Of a folder; of a zip file where it ends in ``.zip``.
        training : bool, default=False
            Whether to keep what only further training needs: the discriminators, and where
            ``partial_fit`` was called the moments of its optimisers. Without them ``partial_fit``
            and `warm_start` begin with new ones.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        TypeError
            If a parameter is neither numbers nor text nor an object that can be named: a
            multivariate distribution of SciPy, for example.
        ValueError
            If a parameter was set to what ``fit`` would refuse, weights are not finite, or `path`
            ends in no name of its own, as ``"."``.
        FileNotFoundError
            If the folder to write in is not there.
        FileExistsError
            If something is at `path` that ``save`` did not write.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import skaae
        >>> from sklearn.datasets import load_iris
        >>> X, _ = load_iris(return_X_y=True)
        >>> aae = skaae.AdversarialAutoencoder(max_iter=5, random_state=0).fit(X)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     aae.save(Path(folder) / "iris.zip")
        ...     loaded = skaae.load(Path(folder) / "iris.zip")
        >>> bool((loaded.transform(X) == aae.transform(X)).all())
        True
        """
        write_files(Path(path), to_files(self, training=training))

    def _training_state(self) -> dict[str, Tensor]:
        """Return what of training can go on later beside the model."""
        return {}

    def _check_resumable(self, state: dict[str, Tensor]) -> None:
        """Raise ValueError where tensors have names and shapes that training cannot go on from.

        They are on the meta device: nothing is read before.
        """
        if state:
            raise ValueError(f"{WEIGHTS}: expected no state of training, got {sorted(state)[:3]}.")

    def _resume(self, state: dict[str, Tensor]) -> None:
        """Take what ``_training_state`` returned; raise ValueError where it cannot have."""
