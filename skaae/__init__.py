"""Adversarial autoencoders as scikit-learn estimators."""

from skaae import divergences, export, hub, losses, metrics, networks, plotting, posteriors, priors
from skaae._autoencoder import AdversarialAutoencoder
from skaae._classifier import AdversarialAutoencoderClassifier
from skaae._clusterer import AdversarialAutoencoderClusterer
from skaae._conditional import ConditionalAdversarialAutoencoder
from skaae._implicit import ImplicitGenerativeModel
from skaae._loading import load
from skaae._version import __version__
from skaae.hub import from_pretrained

__all__ = [
    "AdversarialAutoencoder",
    "AdversarialAutoencoderClassifier",
    "AdversarialAutoencoderClusterer",
    "ConditionalAdversarialAutoencoder",
    "ImplicitGenerativeModel",
    "__version__",
    "divergences",
    "export",
    "from_pretrained",
    "hub",
    "load",
    "losses",
    "metrics",
    "networks",
    "plotting",
    "posteriors",
    "priors",
]
