"""Estimators and files that tests of rows out of memory share."""

import numpy as np
from estimator_cases import SHORT

from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
    ImplicitGenerativeModel,
)

ESTIMATORS = {
    "autoencoder": AdversarialAutoencoder(**SHORT),
    "early stopping": AdversarialAutoencoder(early_stopping=True, **SHORT),
    "bernoulli": AdversarialAutoencoder(reconstruction_loss="bernoulli", **SHORT),
    "conditional": ConditionalAdversarialAutoencoder(**SHORT),
    "classifier": AdversarialAutoencoderClassifier(**SHORT),
    "clusterer": AdversarialAutoencoderClusterer(3, n_init=2, **SHORT),
    "implicit": ImplicitGenerativeModel(bounded=True, **SHORT),
}


class SlicesOnly:
    """Rows as HDF5 and Zarr offer them: a shape, a dtype, and slices."""

    def __init__(self, rows):
        self._rows, self.shape, self.dtype = rows, rows.shape, rows.dtype
        self.longest = self.n_read = 0

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        block = self._rows[rows].copy()
        self.longest = max(self.longest, len(block))
        self.n_read += len(block)
        return block


def answers(model, X, y):
    """Return what a fitted model says of rows, as far as it has the methods."""
    found = [model.sample(7, random_state=0)]
    if hasattr(model, "score"):
        found.append(np.array(model.score(X, y)))
    methods = [name for name in ("transform", "predict", "predict_proba") if hasattr(model, name)]
    return found + [getattr(model, name)(X) for name in methods]
