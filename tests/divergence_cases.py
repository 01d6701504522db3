"""What tests of divergences share."""

from __future__ import annotations

import torch
from torch import nn

from skaae._device import new_generator
from skaae._latent import Latent
from skaae._scaling import ColumnScaling
from skaae.divergences import (
    MMD,
)
from skaae.posteriors import Deterministic, PosteriorSample
from skaae.priors import Normal


def latent(prior=None, *, scaling=None, n_components=2) -> Latent:
    """Return a latent in the prior's own units, or in those of `scaling`."""
    scaling = scaling or ColumnScaling.identity(n_components)
    return Latent("code", n_components, prior or Normal(), Deterministic(), MMD(), scaling)


def encoder_loss(divergence, codes, prior_codes, *, prior=None, discriminator=None, seed=0):
    sample = codes if isinstance(codes, PosteriorSample) else PosteriorSample(codes)
    return divergence.encoder_loss(
        sample,
        prior_codes,
        prior=prior or latent(),
        discriminator=discriminator,
        generator=new_generator(seed),
    )


def normal(*shape, seed=0, dtype=torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=new_generator(seed), dtype=dtype)


def critic(weight) -> nn.Linear:
    layer = nn.Linear(len(weight), 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([weight]))
    return layer
