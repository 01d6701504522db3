"""A fit that a test kills and starts again: what its process runs."""

import warnings

import numpy as np
import torch
from sklearn.datasets import load_wine

from skaae import AdversarialAutoencoder
from skaae.checkpoints import resumable


def fit():
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AdversarialAutoencoder(
            2, hidden_layer_sizes=(16,), max_iter=30, early_stopping=True, random_state=0
        )
        return model.fit(load_wine().data)


def fit_and_save(folder, path):
    """Write the codes when the fit has come to its end, which it may not."""
    with resumable(folder, every=0.0):
        model = fit()
    with open(path, "wb") as file:
        np.save(file, model.transform(load_wine().data))
