"""Adversarial autoencoders as scikit-learn transformers that are also generative models."""

from skaae import divergences, losses, metrics, networks, posteriors, priors
from skaae._autoencoder import AdversarialAutoencoder
from skaae._version import __version__

__all__ = [
    "AdversarialAutoencoder",
    "__version__",
    "divergences",
    "losses",
    "metrics",
    "networks",
    "posteriors",
    "priors",
]
