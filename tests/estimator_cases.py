"""What tests of estimators share: fits of a moment, which may warn, and a reader of samples."""

import numpy as np
import pytest
from sklearn.svm import SVC

from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
    ImplicitGenerativeModel,
)

SHORT = {"max_iter": 3, "hidden_layer_sizes": (16,), "random_state": 0}

short_fits_may_warn = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def share_read_from_samples(model, split, n_each):
    """Return how often a classifier of real rows reads the class that samples were asked for."""
    X_train, _, y_train, _ = split
    y = np.repeat(np.unique(y_train), n_each)
    return SVC().fit(X_train, y_train).score(model.sample(len(y), y=y, random_state=0), y)


#: All public estimators, unfitted, for fits of a moment.
ESTIMATORS = {
    "autoencoder": AdversarialAutoencoder(2, **SHORT),
    "conditional": ConditionalAdversarialAutoencoder(2, **SHORT),
    "classifier": AdversarialAutoencoderClassifier(2, **SHORT),
    "clusterer": AdversarialAutoencoderClusterer(2, n_components=2, n_init=1, **SHORT),
    "implicit": ImplicitGenerativeModel(2, **SHORT),
}
