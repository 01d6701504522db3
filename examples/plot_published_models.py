"""
Five published models, one estimator
====================================

The adversarial autoencoder, the variational autoencoder, two Wasserstein autoencoders and the
hierarchical variational model differ in a divergence and a posterior, and in nothing else. Here
they are fitted to the same data with the same networks and budget, and compared in what matters:
reconstruction of held-out rows, how well codes meet the prior, and samples. A minute or two on one
core.
"""

# %%
# Which setting is which model
# ----------------------------

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skaae import AdversarialAutoencoder
from skaae.metrics import prior_match, reconstruction_error, two_sample_accuracy

MODELS = {
    "AAE": {"divergence": "jensen_shannon"},
    "VAE": {"divergence": "posterior_kl", "posterior": "gaussian"},
    "WAE-MMD": {"divergence": "mmd"},
    "SWAE": {"divergence": "sliced_wasserstein"},
    "HVM": {"divergence": "posterior_kl", "posterior": "hierarchical"},
}

X, y = load_digits(return_X_y=True)
X_train, X_test = train_test_split(X / 16, test_size=0.25, random_state=0)

# %%
# Fit and compare
# ---------------
# The variational models, whose codes are noisy, restore rows worse than the others. The last column
# is how often gradient-boosted trees tell decoded prior draws from decoded codes of held-out rows:
# 0.5 means that the draws land where data do, without holes.

print(f"{'':10}{'held-out MSE':>14}{'prior match':>14}{'told apart':>14}")
errors, matches = {}, {}
figure, axes = plt.subplots(2, 5, figsize=(14, 5.8), layout="constrained")
for column, (name, settings) in enumerate(MODELS.items()):
    model = AdversarialAutoencoder(
        8, hidden_layer_sizes=(256, 256), max_iter=50, random_state=0, **settings
    )
    with warnings.catch_warnings():
        # A variational autoencoder need not meet the prior, and is warned about.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X_train)
    error = reconstruction_error(model, X_test)
    match = prior_match(model, X_test, random_state=0)
    samples = model.sample(len(X_test), random_state=0)
    codes = model.transform(X_test)
    told_apart = two_sample_accuracy(samples, model.inverse_transform(codes), random_state=0)
    print(f"{name:10}{error:14.4f}{match.ratio:14.2f}{told_apart:14.3f}")

    images = np.pad(samples[:36].reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    tiles = np.block([list(line) for line in images.reshape(6, 6, 10, 10)])
    top, bottom = axes[:, column]
    top.imshow(tiles, cmap="gray_r", vmin=0, vmax=1)
    top.set_title(f"{name}: samples")
    top.set_axis_off()
    errors[name], matches[name] = error, match.ratio
    bottom.scatter(codes[:, 0], codes[:, 1], s=4)
    bottom.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal", title=f"codes, MSE {error:.4f}")
plt.show()
error_of_pca = reconstruction_error(PCA(8).fit(X_train), X_test)
print(f"eight principal components: {error_of_pca:.4f}")
assert max(matches.values()) < 3.0
for name in ("AAE", "WAE-MMD", "SWAE"):
    assert errors[name] < min(error_of_pca, errors["VAE"], errors["HVM"]), name
