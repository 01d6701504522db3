"""Networks of users, and the settings of PyTorch that a fit finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from torch import nn

from skaae import AdversarialAutoencoder, AdversarialAutoencoderClassifier
from skaae.divergences import DIVERGENCES, JensenShannon
from skaae.priors import PRIORS


class Single(nn.Module):
    """A network that works in float32, whatever it is given."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_inputs, n_outputs)

    def forward(self, x):
        return self.linear(x + torch.zeros(x.shape[1], dtype=torch.float32)).float()


class SingleWeights(Single):
    def forward(self, x):
        return self.linear(x.float())


@short_fits_may_warn
@pytest.mark.parametrize("network", [Single, SingleWeights])
def test_a_network_that_knows_float32_alone_infers_float64_rows(unit_rows, network):
    X = unit_rows.astype(np.float64)
    model = AdversarialAutoencoder(encoder=network, device="cpu", **SHORT).fit(X)
    codes = model.transform(X)
    assert codes.dtype == np.float64
    np.testing.assert_allclose(codes, model.transform(X.astype(np.float32)), atol=1e-5)
    assert np.isfinite(model.inverse_transform(codes)).all()


@pytest.fixture
def float64_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@short_fits_may_warn
@pytest.mark.usefixtures("float64_by_default")
@pytest.mark.parametrize("prior", PRIORS)
def test_the_default_dtype_makes_no_difference(unit_rows, prior):
    """Every prior, with input noise and a posterior that draws; weights start elsewhere."""
    model = AdversarialAutoencoder(prior=prior, posterior="gaussian", **SHORT).fit(unit_rows)
    assert next(model.model_.parameters()).dtype == torch.float32
    assert np.isfinite(model.sample(3)).all()


@short_fits_may_warn
@pytest.mark.usefixtures("float64_by_default")
@pytest.mark.parametrize("divergence", [n for n, case in DIVERGENCES.items() if case.of_samples])
def test_the_default_dtype_makes_no_difference_to_labels(unit_rows, divergence):
    model = AdversarialAutoencoderClassifier(2, divergence=divergence, **SHORT)
    y = np.arange(len(unit_rows)) % 3 - 1
    assert np.isfinite(model.fit(unit_rows, y).predict_proba(unit_rows)).all()


class Dropping(JensenShannon):
    def build_discriminator(self, n_inputs):
        return nn.Sequential(nn.Dropout(0.2), nn.Linear(n_inputs, 1))


@short_fits_may_warn
def test_a_discriminator_that_draws_leaves_the_global_generator_alone(unit_rows):
    before = torch.get_rng_state()
    fits = [
        AdversarialAutoencoder(divergence=Dropping(), device="cpu", **SHORT).fit(unit_rows)
        for _ in range(2)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert (fits[0].transform(unit_rows) == fits[1].transform(unit_rows)).all()
