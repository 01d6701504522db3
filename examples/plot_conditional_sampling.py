"""
Rows of a class, in a style
===========================

A conditional adversarial autoencoder tells its decoder the class, so the code is left with the
style: one code is decoded in every class, and ``sample`` draws in the class that is asked for. On
the handwritten digits of scikit-learn; seconds on one core.
"""

# %%
# Fit with labels
# ---------------
# A third of the rows is kept for a classifier that reads the class off what is drawn; it has seen
# real digits only.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skaae import ConditionalAdversarialAutoencoder

X, y = load_digits(return_X_y=True)
X_train, X_other, y_train, y_other = train_test_split(
    X, y, test_size=1 / 3, stratify=y, random_state=0
)
aae = ConditionalAdversarialAutoencoder(
    4, hidden_layer_sizes=(256, 256), max_iter=60, random_state=0
)
with warnings.catch_warnings():
    # Short fits may miss the prior, of which they warn.
    warnings.simplefilter("ignore", ConvergenceWarning)
    aae.fit(X_train, y_train)

# %%
# Draw in a class
# ---------------
# A class for each draw, or one for all: ``sample(100, y=3)``.

asked = np.repeat(np.arange(10), 100)
drawn = aae.sample(len(asked), y=asked, random_state=0)
read = SVC().fit(X_other, y_other).score(drawn, asked)
print(f"the asked class is read from {read:.1%} of the draws")

# %%
# What the code knows of the class
# --------------------------------
# Little: a linear classifier of the codes is nearer to chance, a tenth, than to what it tells from
# the pixels.

codes, others = aae.transform(X_train), aae.transform(X_other)
told = LogisticRegression(max_iter=1000).fit(codes, y_train).score(others, y_other)
print(f"the class is told from {told:.1%} of the codes")

# %%
# One style in every class
# ------------------------
# Each line has the code of one held-out digit, on the left, decoded in all ten classes.

shown = np.flatnonzero(y_other == 4)[:6]
styles = np.repeat(others[shown], 10, axis=0)
decoded = aae.inverse_transform(styles, y=np.tile(np.arange(10), len(shown)))

figure, axes = plt.subplots(len(shown), 11, figsize=(8, 4.6), layout="constrained")
for line, place in enumerate(shown):
    rows = [X_other[place], *decoded[10 * line : 10 * line + 10]]
    for column, (ax, row) in enumerate(zip(axes[line], rows)):
        ax.imshow(row.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
        if line == 0:
            ax.set_title("digit" if column == 0 else f"as {column - 1}")
plt.show()
assert read > 0.9
assert told < 0.5
