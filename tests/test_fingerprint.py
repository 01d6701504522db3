"""What tells one call of fit from another."""

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from scipy import stats
from sklearn.base import clone
from torch import nn

from skaae import AdversarialAutoencoder
from skaae._fingerprint import fingerprint
from skaae.priors import GaussianMixture, ScipyPrior


def build(n_inputs, n_outputs):
    return nn.Linear(n_inputs, n_outputs)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_components": 3},
        {"random_state": 1},
        {"random_state": np.random.RandomState(0)},
        {"prior": np.ones((9, 2))},
        {"prior": GaussianMixture(3)},
        {"prior": ScipyPrior(stats.norm(1))},
        {"encoder": build},
        {"encoder": nn.Linear(13, 2)},
        {"divergence": "mmd"},
    ],
    ids=lambda changes: " ".join(f"{name} {type(of).__name__}" for name, of in changes.items()),
)
def test_every_parameter_counts(X, changes):
    model = AdversarialAutoencoder(**SHORT)
    changed = clone(model).set_params(**changes)
    assert fingerprint(changed, X, ()) == fingerprint(clone(changed), X, ())
    assert fingerprint(changed, X, ()) != fingerprint(model, X, ())


@short_fits_may_warn
def test_rows_labels_and_weights_to_go_on_from_count_but_not_what_is_logged(X):
    model = AdversarialAutoencoder(**SHORT)
    found = fingerprint(model, X, (None,))
    assert fingerprint(clone(model).set_params(verbose=1), X.copy(), (None,)) == found
    others = [X + 1, X[:-1], X.astype(np.float32), X[:, :-1]]
    assert len({found, *(fingerprint(model, other, (None,)) for other in others)}) == 5
    assert fingerprint(model, X, (np.zeros(len(X)),)) != found
    model.set_params(warm_start=True)
    cold = fingerprint(model, X, (None,))
    assert fingerprint(model.fit(X), X, (None,)) != cold


def test_the_kind_of_device_counts_that_auto_stands_for(X, monkeypatch):
    """On another kind of device the state of a generator is of no use."""
    model = AdversarialAutoencoder(**SHORT)
    found = []
    for there in (False, True):
        kind = torch.device("cuda" if there else "cpu")
        monkeypatch.setattr("skaae._fingerprint.resolve_device", lambda name, kind=kind: kind)
        found.append(fingerprint(model, X, ()))
    assert found[0] != found[1]
