"""Fits of one process, or of several that torchrun starts; test_distributed.py compares them."""

import os
import sys

import numpy as np
import torch

from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    ImplicitGenerativeModel,
)
from skaae.distributed import current_ranks, data_parallel

SMALL = {"hidden_layer_sizes": (16,), "batch_size": 100}


def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(400, 3)) @ rng.normal(size=(3, 12)) + 0.1 * rng.normal(size=(400, 12))


def autoencoder(**settings):
    settings = {**SMALL, "max_iter": 4, "random_state": 0, **settings}
    return AdversarialAutoencoder(2, precision="float32", **settings)


def network_of(rank):
    """Return a network whose weights differ from process to process."""
    torch.manual_seed(rank)
    return torch.nn.Linear(12, 2)


def exact(rank=0):
    """Return models that several processes train as one does."""
    return {
        "default": autoencoder(),
        "early stopping": autoencoder(early_stopping=True),
        "another prior": autoencoder(prior="uniform", divergence="kullback_leibler"),
        "a network of one's own": autoencoder(encoder=network_of(rank)),
    }


def alike():
    """Return models that end the same in all processes, and the labels that they take."""
    y = np.where(np.arange(400) % 5, -1, (rows()[:, 0] > 0).astype(int))
    few = {**SMALL, "max_iter": 2}
    return {
        "no seed": (autoencoder(random_state=None), None),
        "gaussian posterior": (autoencoder(posterior="gaussian"), None),
        "wasserstein": (autoencoder(divergence="wasserstein"), None),
        "mmd": (autoencoder(divergence="mmd"), None),
        "neighbours": (autoencoder(neighbors_weight=1.0), None),
        "labels": (AdversarialAutoencoderClassifier(2, random_state=0, **few), y),
        "no encoder": (ImplicitGenerativeModel(2, random_state=0, **few), None),
    }


def error_of(function):
    try:
        function()
    except ValueError as error:
        return str(error)
    return "none"


def refusals(rank, X):
    """Return the errors of fits to rows that differ between processes, or are too few."""
    y = np.arange(400) % 2
    later = autoencoder().fit(X)
    attempts = {
        "rows": lambda: autoencoder().fit(X + rank),
        "order": lambda: autoencoder().fit(X[::-1] if rank else X),
        "fewer rows": lambda: later.partial_fit(X[rank:]),
        "labels": lambda: AdversarialAutoencoderClassifier(2, **SMALL).fit(X, (y + rank) % 2),
        "too few": lambda: later.partial_fit(X[:3]),
    }
    return {f"refused: {name}": error_of(attempt) for name, attempt in attempts.items()}


def main(what, folder):
    rank = int(os.environ.get("RANK", "0"))
    X, found = rows(), {}
    with data_parallel():
        if what == "killed":
            if rank == 1:
                os._exit(3)
            autoencoder().fit(X)
        else:
            for name, model in exact(rank).items():
                model.fit(X)
                found[f"{name}: codes"] = model.transform(X)
                for loss in ("reconstruction", "regularization", "discriminator"):
                    found[f"{name}: {loss}"] = [entry[loss] for entry in model.history_]
            for name, (model, y) in alike().items():
                model.fit(X, y)
                state = model.model_.state_dict().values()
                weights = [value.numpy().ravel() for value in state]
                found[f"{name}: weights"] = np.concatenate(weights)
            if current_ranks().size > 1:
                found.update(refusals(rank, X))
    np.savez(os.path.join(folder, f"{rank}.npz"), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
