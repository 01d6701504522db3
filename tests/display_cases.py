"""What tests of displays share: fits of a moment, each display of one, and what they drew."""

import warnings

import numpy as np
from estimator_cases import SHORT

from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
    ImplicitGenerativeModel,
)
from skaae.plotting import (
    HistoryDisplay,
    LatentSpaceDisplay,
    ManifoldDisplay,
    PriorMatchDisplay,
    ReconstructionDisplay,
    SampleDisplay,
)
from skaae.priors import Normal


def fit_each(X, y):
    """Return a fit of each estimator, and of codes that are not two."""
    few = np.where(np.arange(len(y)) % 2, y, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "plain": AdversarialAutoencoder(early_stopping=True, **SHORT).fit(X),
            "one": AdversarialAutoencoder(1, **SHORT).fit(X),
            "five": AdversarialAutoencoder(5, prior=Normal(3.0), **SHORT).fit(X),
            "one-hot": AdversarialAutoencoder(5, prior="categorical", **SHORT).fit(X),
            "conditional": ConditionalAdversarialAutoencoder(**SHORT).fit(X, y),
            "of classes": ConditionalAdversarialAutoencoder(
                label_role="discriminator", prior="gaussian_mixture", **SHORT
            ).fit(X, y),
            "classifier": AdversarialAutoencoderClassifier(2, **SHORT).fit(X, few),
            "clusterer": AdversarialAutoencoderClusterer(3, n_components=2, n_init=1, **SHORT).fit(
                X
            ),
            "heads": AdversarialAutoencoderClusterer(
                3, n_components=2, n_init=1, cluster_heads=True, **SHORT
            ).fit(X),
            "implicit": ImplicitGenerativeModel(2, **SHORT).fit(X),
        }


def offsets(display):
    return np.concatenate([np.asarray(points.get_offsets()) for points in display.scatter_])


def tile(display, row, column, shape):
    """Return the image in a cell of the mosaic."""
    height, width = shape[0] + 1, shape[1] + 1
    mosaic = np.asarray(display.tiles_.get_array())
    return mosaic[row * height : (row + 1) * height - 1, column * width : (column + 1) * width - 1]


def every_display(fits, images, ax_of):
    X, _ = images
    plain, image = fits["plain"], {"image_shape": (8, 8)}
    yield LatentSpaceDisplay.from_estimator(plain, X, ax=ax_of())
    yield ManifoldDisplay.from_estimator(plain, n_steps=3, ax=ax_of(), **image)
    yield ReconstructionDisplay.from_estimator(plain, X, ax=ax_of(), **image)
    yield SampleDisplay.from_estimator(plain, random_state=0, ax=ax_of(), **image)
    yield HistoryDisplay.from_estimator(plain, ax=ax_of())
    yield PriorMatchDisplay.from_estimator(plain, X, ax=ax_of())
