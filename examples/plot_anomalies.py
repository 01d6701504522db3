"""
Anomalies: rows that are badly restored, and codes where none should be
=======================================================================

Nine of the ten handwritten digits of scikit-learn are learnt, and the tenth is to be found among
rows that the fit has not seen, five digits in turn. A row is odd if the decoder does not restore
it, or if its code lies where the prior is thin. Seconds on one core.
"""

# %%
# Two scores
# ----------
# The first is what PCA has too. The second is the prior's own density, of the codes of ``prior_``.
# Their ranks are added, because the two are in different units.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.stats import rankdata
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from skaae import AdversarialAutoencoder


def row_errors(estimator, rows):
    """Return the mean squared error of each row."""
    restored = estimator.inverse_transform(estimator.transform(rows))
    return np.square(restored - rows).mean(axis=1)


def unlikeliness(aae, rows):
    """Return minus the log density of the prior at each row's code."""
    codes = torch.as_tensor(aae.transform(rows))
    return -aae.prior_.log_density(codes).numpy()


# %%
# Five digits in turn
# -------------------
# What is known is split, and what is not known is all of the tenth digit. No row of it has a part
# in the fit. 0.5 is chance and 1 finds all of them first.

X, y = load_digits(return_X_y=True)
N_COMPONENTS = 8
odd_digits = range(1, 10, 2)
short = {"hidden_layer_sizes": (128,), "batch_size": 256, "max_iter": 12, "random_state": 0}
names = ("PCA, error", "AAE, error", "AAE, density", "AAE, both")
areas = {name: [] for name in names}
for digit in odd_digits:
    known, unknown = X[y != digit], X[y == digit]
    X_train, X_known = train_test_split(known, test_size=0.25, random_state=0)
    rows = np.concatenate([X_known, unknown])
    is_odd = np.repeat([0, 1], [len(X_known), len(unknown)])
    aae = AdversarialAutoencoder(N_COMPONENTS, **short)
    with warnings.catch_warnings():
        # Short fits may miss the prior, of which they warn.
        warnings.simplefilter("ignore", ConvergenceWarning)
        aae.fit(X_train)
    error, density = row_errors(aae, rows), unlikeliness(aae, rows)
    scores = (
        row_errors(PCA(N_COMPONENTS).fit(X_train), rows),
        error,
        density,
        rankdata(error) + rankdata(density),
    )
    for name, score in zip(names, scores):
        areas[name].append(roc_auc_score(is_odd, score))

for name, values in areas.items():
    print(f"{name:12} ROC AUC {np.mean(values):.3f}, least {min(values):.3f}")

# %%
# What helps
# ----------
# The error finds more than PCA's does. The density finds the 1 alone, and spoils the sum of the
# others: their codes lie nearer to the middle of the prior than those of known digits, or as near.
# A code in a thin part tells of a row that is extreme among those that were learnt, not of one that
# is strange to them.

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for (name, values), marker in zip(areas.items(), "osv^"):
    ax.plot(odd_digits, values, marker, label=name)
ax.axhline(0.5, color="gray", linestyle="--", linewidth=1, label="chance")
ax.set(
    title="Who finds a digit that was never seen",
    xlabel="digit left out of training",
    ylabel="ROC AUC",
    xticks=odd_digits,
    ylim=(0, 1),
)
figure.legend(loc="outside right upper")
plt.show()
assert np.mean(areas["AAE, error"]) > np.mean(areas["PCA, error"])
