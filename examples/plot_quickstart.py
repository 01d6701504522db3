"""
Quickstart: map, map new rows, map back, sample
===============================================

An adversarial autoencoder used as PCA is: on the handwritten digits of scikit-learn, in two
dimensions for a picture and in sixteen before a classifier. A minute on one core.
"""

# %%
# Fit in two dimensions
# ---------------------
# Rows are mapped by a network, so ``transform`` maps new ones as it maps those of the fit, at once.
# The codes fill the prior, here a standard normal.

import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from skaae import AdversarialAutoencoder
from skaae.metrics import reconstruction_error

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)

aae = AdversarialAutoencoder(n_components=2, random_state=0).fit(X_train)
codes = aae.transform(X_test)
restored = aae.inverse_transform(codes)
samples = aae.sample(32, random_state=0)

error, error_of_pca = (
    reconstruction_error(reducer, X_test) for reducer in (aae, PCA(2).fit(X_train))
)
print(f"networks: {aae.model_}, trained on {aae.device_}")
print(f"held-out squared error: AAE {error:.2f}, PCA {error_of_pca:.2f}")
assert error < error_of_pca
print(
    f"codes to prior: distance {aae.prior_match_.distance:.3f}, two prior samples "
    f"{aae.prior_match_.reference:.3f}"
)

# %%
# Look at it
# ----------

figure = plt.figure(figsize=(12, 4.2), layout="constrained")
left, middle, right = figure.subplots(1, 3, width_ratios=[1.1, 1, 1])
points = left.scatter(*codes.T, c=y_test, cmap="tab10", s=12)
left.set(title="Codes of held-out rows", xlabel="component 0", ylabel="component 1", aspect="equal")
figure.colorbar(points, ax=left, label="digit", ticks=range(10))


def tiles(rows, n_columns):
    """Arrange rows as a picture of 8 x 8 tiles, a pixel apart."""
    images = np.pad(rows.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    return np.block([list(line) for line in images.reshape(-1, n_columns, 10, 10)])


pairs = np.stack([X_test[:32].reshape(4, 8, 64), restored[:32].reshape(4, 8, 64)], axis=1)
middle.imshow(tiles(pairs.reshape(-1, 64), 8), cmap="gray_r", vmin=0, vmax=16)
middle.set_title("Rows, and below each its reconstruction")
right.imshow(tiles(samples, 8), cmap="gray_r", vmin=0, vmax=16)
right.set_title("Samples: draws from the prior, decoded")
for axes in (middle, right):
    axes.set_axis_off()
plt.show()
if sys.argv[1:]:  # a file to write it to, where no window opens
    figure.savefig(sys.argv[1], dpi=100)

# %%
# In a Pipeline
# -------------

pipeline = Pipeline(
    [("aae", AdversarialAutoencoder(16, max_iter=40, random_state=0)), ("clf", SVC())]
)
pipeline.fit(X_train, y_train)
accuracy = pipeline.score(X_test, y_test)
print(f"Pipeline(AAE(16), SVC): accuracy {accuracy:.3f}")
assert accuracy > 0.95

# %%
# In a grid search
# ----------------
# Names and objects are parameters like any other. Short fits are enough to compare settings; they
# may miss the prior, of which they warn.

search = GridSearchCV(
    pipeline,
    {"aae__n_components": [2, 8], "aae__divergence": ["jensen_shannon", "mmd"]},
    cv=2,
)
search.set_params(estimator__aae__max_iter=10)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    search.fit(X_train, y_train)
print(f"grid search: {search.best_params_}, accuracy {search.score(X_test, y_test):.3f}")
