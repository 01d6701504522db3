"""
Pictures of a fit
=================

What a fitted model has learnt, a picture each: the map and the prior behind it, what the decoder
makes of all of the prior, what is left of a row, new rows, and how training went. On the
handwritten digits of scikit-learn in half a minute on one core. ``--data mnist.npz`` takes 10,000
rows of MNIST instead, and ``--out folder`` saves the pictures.
"""

# %%
# A map, and a model of digits with their class
# ---------------------------------------------
# Fits are shorter and networks smaller than by default. Each display has ``from_estimator``, which
# draws in a new figure or on the axes that it is given.

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skaae import AdversarialAutoencoder, ConditionalAdversarialAutoencoder
from skaae.metrics import prior_match
from skaae.plotting import (
    HistoryDisplay,
    LatentSpaceDisplay,
    ManifoldDisplay,
    PriorMatchDisplay,
    ReconstructionDisplay,
    SampleDisplay,
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", type=Path, help="mnist.npz, with X_train, y_train, X_test and y_test")
parser.add_argument("--out", type=Path, help="folder to save the pictures in")
arguments = parser.parse_args()

if arguments.data is None:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
    image_shape, greatest, max_iter = (8, 8), 16, 80
else:
    with np.load(arguments.data) as data:
        X_train, X_test = (
            data[f"X_{part}"].reshape(-1, 784) / np.float32(255) for part in ("train", "test")
        )
        y_train, y_test = data["y_train"], data["y_test"]
    rng = np.random.default_rng(0)
    trained = rng.permutation(len(X_train))[:10_000]
    tested = rng.permutation(len(X_test))[:2_000]
    X_train, y_train = X_train[trained], y_train[trained]
    X_test, y_test = X_test[tested], y_test[tested]
    image_shape, greatest, max_iter = (28, 28), 1, 40

short = {"max_iter": max_iter, "hidden_layer_sizes": (256, 256), "random_state": 0}
aae = AdversarialAutoencoder(2, early_stopping=True, **short).fit(X_train)
conditional = ConditionalAdversarialAutoencoder(8, **short).fit(X_train, y_train)

# %%
# The map
# -------
# Grey is the prior, darker where it is denser; the dashed line holds 99 % of it. Grey without
# points is a hole: what is decoded from there looks like no row. Points outside the line are rows
# that the encoder did not get into the prior.

displays = {"latent_space": LatentSpaceDisplay.from_estimator(aae, X_test, y_test)}

# %%
# The prior, decoded
# ------------------
# Steps hold equal mass of the prior, so each picture is as probable as any other. ``gray_r`` shows
# great values as ink on paper.

ink = {"image_shape": image_shape, "cmap": "gray_r", "vmin": 0, "vmax": greatest}

displays["manifold"] = ManifoldDisplay.from_estimator(aae, n_steps=15, **ink)

# %%
# Codes against the prior
# -----------------------
# Of eight components those four are shown whose margins are farthest from the prior's.

match = prior_match(aae, X_test, random_state=0)
displays["prior_match"] = PriorMatchDisplay.from_estimator(aae, X_test, match=match)
displays["prior_match_8"] = PriorMatchDisplay.from_estimator(
    conditional,
    X_test,
    match=prior_match(conditional, X_test, random_state=0),
    kind="quantile",
)

# %%
# What is left of a row
# ---------------------

displays["reconstruction"] = ReconstructionDisplay.from_estimator(aae, X_test, n_shown=10, **ink)

# %%
# New rows
# --------
# A line for each class that is asked for.

displays["sample"] = SampleDisplay.from_estimator(
    conditional, y=range(10), n_columns=12, random_state=0, **ink
)

# %%
# How training went
# -----------------

displays["history"] = HistoryDisplay.from_estimator(aae)

# %%
# Side by side
# ------------
# On axes of your own, PyPlot is left alone.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
LatentSpaceDisplay.from_estimator(aae, X_test, y_test, ax=left)
displays["side_by_side"] = SampleDisplay.from_estimator(
    aae, n_rows=6, n_columns=8, random_state=0, ax=right, **ink
)
right.set_title("samples")
plt.show()

inside = displays["latent_space"].density > displays["latent_space"].outline_.levels[0]
print(f"99 % of the prior fill {inside.mean():.0%} of the frame")
print(f"codes to prior: {match.ratio:.2f} times the distance of two samples of the prior")
assert match.ratio < 3.0, match
assert displays["reconstruction"].mean_error < X_test.var(axis=0).mean()

if arguments.out is not None:
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, display in displays.items():
        path = arguments.out / f"{name}.png"
        display.figure_.savefig(path, dpi=80, pil_kwargs={"optimize": True})
