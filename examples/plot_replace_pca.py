"""
Instead of PCA
==============

Where a Pipeline has ``PCA``, ``AdversarialAutoencoder`` goes in its place. On the handwritten
digits of scikit-learn: how much of a row a few components keep, how well classifiers read them, and
what only one of the two can do, draw new rows. Most of a minute on one core.
"""

# %%
# The same place, the same calls
# ------------------------------
# Columns may be in any units; nothing has to be scaled first. Codes that fill a normal have their
# classes beside and around each other, so put a classifier behind them that need not be linear.
# Fits are less than half as long here as by default. With the default a linear classifier reads
# PCA's codes better from eight components on.

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skaae import AdversarialAutoencoder
from skaae.metrics import reconstruction_error

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)

sizes = (2, 4, 8, 16)
reducers = {"PCA": PCA, "skaae": partial(AdversarialAutoencoder, max_iter=40)}
fits, errors, accuracies = {}, {}, {}
for name, build in reducers.items():
    for n_components in sizes:
        reducer = build(n_components, random_state=0)
        pipeline = make_pipeline(reducer, SVC()).fit(X_train, y_train)
        fits[name, n_components] = reducer
        errors[name, n_components] = reconstruction_error(reducer, X_test)
        accuracies[name, n_components] = pipeline.score(X_test, y_test)
        linear = SVC(kernel="linear").fit(reducer.transform(X_train), y_train)
        accuracies[f"{name}, linear", n_components] = linear.score(
            reducer.transform(X_test), y_test
        )
        print(
            f"{name:6}{n_components:3} components: error {errors[name, n_components]:5.2f}, "
            f"accuracy {accuracies[name, n_components]:.3f}, of a linear classifier "
            f"{accuracies[f'{name}, linear', n_components]:.3f}"
        )

# %%
# Look at it
# ----------
# PCA has no distribution of codes. What comes nearest to a sample of it is a draw from a normal
# with the codes' variances.


def tiles(rows, n_columns):
    """Arrange rows as a picture of 8 x 8 tiles, a pixel apart."""
    images = np.pad(rows.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    return np.block([list(line) for line in images.reshape(-1, n_columns, 10, 10)])


figure, axes = plt.subplots(2, 3, figsize=(12, 7.5), layout="constrained")
for values, ax, label in (
    (errors, axes[0, 0], "squared error of held-out rows"),
    (accuracies, axes[1, 0], "accuracy of a support vector machine"),
):
    for name in dict.fromkeys(name for name, _ in values):
        style = ":" if "linear" in name else "-"
        colour = "C0" if "PCA" in name else "C1"
        ax.plot(sizes, [values[name, n] for n in sizes], style, c=colour, marker="o", label=name)
    ax.set(xlabel="components", ylabel=label, xscale="log", xticks=sizes, xticklabels=sizes)
    ax.minorticks_off()
    ax.legend()
pca, aae = (fits[name, 8] for name in reducers)
rng = np.random.default_rng(0)
drawn = {
    "PCA": pca.inverse_transform(rng.normal(size=(48, 8)) * np.sqrt(pca.explained_variance_)),
    "skaae": aae.sample(48, random_state=0),
}
for (name, rows), (top, bottom) in zip(drawn.items(), axes[:, 1:].T):
    reducer = fits[name, 8]
    restored = reducer.inverse_transform(reducer.transform(X_test[:24]))
    pairs = np.stack([X_test[:24].reshape(3, 8, 64), restored.reshape(3, 8, 64)], axis=1)
    top.imshow(tiles(pairs.reshape(-1, 64), 8), cmap="gray_r", vmin=0, vmax=16)
    top.set_title(f"{name}, 8 components: rows, restored below")
    bottom.imshow(tiles(rows, 8), cmap="gray_r", vmin=0, vmax=16)
    bottom.set_title(f"{name}: drawn")
    top.set_axis_off()
    bottom.set_axis_off()
plt.show()
assert all(errors["skaae", n] < errors["PCA", n] for n in sizes)
assert all(accuracies["skaae", n] > accuracies["PCA", n] for n in (2, 4))
