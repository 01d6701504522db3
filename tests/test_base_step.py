"""What the steps of all models share."""

import numpy as np
import pytest
import torch
from estimator_cases import short_fits_may_warn

from skaae import AdversarialAutoencoder
from skaae.divergences import JensenShannon, Wasserstein


@short_fits_may_warn
@pytest.mark.parametrize(
    ("divergence", "units", "expected"),
    [
        (JensenShannon, 512, torch.bfloat16),
        (JensenShannon, 256, torch.float32),
        # The penalty is on the critic's slope.
        (Wasserstein, 512, torch.float32),
    ],
)
def test_only_large_discriminators_run_in_half_the_digits(monkeypatch, divergence, units, expected):
    asked_in = set()
    build = divergence.build_discriminator

    def watched(self, n_inputs):
        discriminator = build(self, n_inputs)
        discriminator.register_forward_hook(lambda *call: asked_in.add(call[-1].dtype))
        return discriminator

    monkeypatch.setattr(divergence, "build_discriminator", watched)
    X = np.random.default_rng(0).normal(size=(40, 5))
    AdversarialAutoencoder(
        2,
        divergence=divergence((units, units)),
        hidden_layer_sizes=(8,),
        precision="bfloat16",
        max_iter=1,
        random_state=0,
    ).fit(X)
    assert asked_in == {expected}
