"""
Rows of a file, and rows that come in pieces
============================================

A table that is written block by block to a file is learnt from there: by ``fit``, which takes the
memory map as it takes an array, and by ``partial_fit``, which is given a piece at a time and never
sees the whole. On rows that are made from the handwritten digits of scikit-learn; seconds on one
core. The file is small so that this takes seconds; from 1 GiB on ``fit`` reads it while it trains.
"""

# %%
# Write
# -----
# Moved by up to a pixel and mixed, digits make as many rows as are asked for. No block needs
# another one, so memory holds one at a time.

import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skaae import AdversarialAutoencoder
from skaae.metrics import prior_match, reconstruction_error

N_BLOCKS, N_ROWS = 8, 500
digits = load_digits().data
known, unknown = train_test_split(digits, test_size=0.25, random_state=0)


def block(rows, n_rows, rng):
    """Return some of the rows as images moved by up to a pixel each way."""
    images = np.pad(rows.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    moved = [
        images[index, top : top + 8, left : left + 8].ravel()
        for index, top, left in zip(
            rng.integers(len(rows), size=n_rows), *rng.integers(0, 3, size=(2, n_rows))
        )
    ]
    return np.stack(moved).astype(np.float32)


folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "rows.npy"
rng = np.random.default_rng(0)
file = np.lib.format.open_memmap(path, "w+", np.float32, (N_BLOCKS * N_ROWS, 64))
for start in range(0, len(file), N_ROWS):
    file[start : start + N_ROWS] = block(known, N_ROWS, rng)
file.flush()
del file
X_test = block(unknown, 1_000, rng)

# %%
# Fit the file
# ------------

N_PASSES = 10
X = np.load(path, mmap_mode="r")
aae = AdversarialAutoencoder(8, hidden_layer_sizes=(128,), max_iter=N_PASSES, random_state=0)
with warnings.catch_warnings():
    # Short fits may miss the prior, of which they warn.
    warnings.simplefilter("ignore", ConvergenceWarning)
    aae.fit(X)

# %%
# Fit pieces
# ----------
# ``partial_fit`` does not know how much is to come, so what ``fit`` lowers towards the end is
# lowered by hand. The first call settles the scaling of the columns.

pieces = AdversarialAutoencoder(8, hidden_layer_sizes=(128,), batch_size=256, random_state=0)
for i_pass in range(N_PASSES):
    share = (1.0 + np.cos(np.pi * i_pass / N_PASSES)) / 2.0
    pieces.set_params(learning_rate=0.001 * share, input_noise=0.6 * share)
    for start in range(0, len(X), N_ROWS):
        pieces.partial_fit(X[start : start + N_ROWS])

# %%
# The same quality
# ----------------

linear = reconstruction_error(PCA(8).fit(X[:N_ROWS]), X_test)
errors, ratios = {}, {}
for name, estimator in {"fit": aae, "partial_fit": pieces}.items():
    errors[name] = reconstruction_error(estimator, X_test)
    ratios[name] = prior_match(estimator, X_test, random_state=0).ratio
    print(
        f"{name:12} squared error of held-out rows {errors[name]:.2f}, distance from the prior "
        f"{ratios[name]:.2f} times that of two samples"
    )
print(f"PCA(8)       squared error of held-out rows {linear:.2f}")
assert max(errors.values()) < linear
assert abs(errors["partial_fit"] / errors["fit"] - 1.0) < 0.1
del X
folder.cleanup()
