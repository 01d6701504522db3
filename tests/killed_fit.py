"""A fit that a test kills and starts again: what its process runs."""

import time
import warnings

import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning

from skaae import AdversarialAutoencoder
from skaae.checkpoints import resumable
from skaae.training import _loop

# A test that kills in an epoch has to be quicker than the epochs are.
_LEAST_SECONDS = 0.01


def fit():
    torch.set_num_threads(1)
    model = AdversarialAutoencoder(
        2, hidden_layer_sizes=(16,), max_iter=40, early_stopping=True, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(load_wine().data)


def write_down_epochs(path):
    """Let all training of this process write the numbers of its epochs, as each begins."""
    train = _loop._Run._pass

    def written_down(run):
        with open(path, "a") as file:
            file.write(f"{len(run.history) + 1}\n")
        time.sleep(_LEAST_SECONDS)
        return train(run)

    _loop._Run._pass = written_down


def fit_and_save(folder, path, epochs):
    """Write the codes when the fit has come to its end, which it may not."""
    write_down_epochs(epochs)
    # That a checkpoint is not used, or not written, is one; the fit would still have the same bits.
    warnings.simplefilter("error", RuntimeWarning)
    with resumable(folder, every=0.0):
        model = fit()
    with open(path, "wb") as file:
        np.save(file, model.transform(load_wine().data))
