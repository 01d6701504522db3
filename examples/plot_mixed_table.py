"""
A table of numbers and categories
=================================

Numbers go through an adversarial autoencoder, categories become columns of 0 and 1, and a
classifier takes both: a ColumnTransformer in a Pipeline, with frames of pandas all the way. On the
wine table of scikit-learn; seconds on one core (``pip install -e ".[plot]" pandas``).
"""

# %%
# A mixed table
# -------------
# Wine has thirteen columns of numbers. Two of them become categories here, cut at the terciles of
# the rows: colour and strength, as a list of wines would say them.

import warnings

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.colors import ListedColormap
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skaae import AdversarialAutoencoder

X, y = load_wine(return_X_y=True, as_frame=True)
X["colour"] = pd.qcut(X.pop("color_intensity"), 3, labels=["pale", "medium", "deep"]).astype(str)
X["strength"] = pd.qcut(X.pop("alcohol"), 3, labels=["light", "medium", "strong"]).astype(str)
categories = ["colour", "strength"]
numbers = [name for name in X.columns if name not in categories]

# %%
# Each kind of column its own way
# -------------------------------
# The autoencoder scales its columns itself. ``set_output`` reaches every step, and the codes are
# named after their class and number.

aae = AdversarialAutoencoder(2, hidden_layer_sizes=(64, 64), max_iter=60, random_state=0)
columns = ColumnTransformer(
    [
        ("codes", aae, numbers),
        ("category", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), categories),
    ],
    verbose_feature_names_out=False,
)
pipeline = Pipeline([("columns", columns), ("classifier", LogisticRegression())])
pipeline.set_output(transform="pandas")

# %%
# Cross-validation
# ----------------
# Every fold fits all of it anew, so no held-out row has a part in the codes. The step of the codes
# is a parameter: principal components take its place, or nothing does. Short fits of few rows may
# tell that codes miss the prior, which the classifier does not mind.

steps = {
    "two codes and categories": aae,
    "two principal components and categories": make_pipeline(StandardScaler(), PCA(2)),
    "categories alone": "drop",
}
folds = StratifiedKFold(5, shuffle=True, random_state=0)
accuracy = {}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name, step in steps.items():
        pipeline.set_params(columns__codes=step)
        accuracy[name] = cross_val_score(pipeline, X, y, cv=folds).mean()
    pipeline.set_params(columns__codes=aae).fit(X, y)
for name, value in accuracy.items():
    print(f"{name:40} accuracy in five folds {value:.3f}")
assert accuracy["two codes and categories"] > accuracy["categories alone"]

# %%
# What the classifier sees
# ------------------------

table = pipeline[:-1].transform(X)
assert isinstance(table, pd.DataFrame)
assert table.index.equals(X.index)
print(table.round(2).head(3).T.to_string())

drawn = {"cmap": ListedColormap(["tab:blue", "tab:orange", "tab:green"]), "vmin": -0.5, "vmax": 2.5}
figure, ax = plt.subplots(figsize=(6, 4.4), layout="constrained")
for strength, marker in {"light": "v", "medium": "o", "strong": "^"}.items():
    rows = X["strength"] == strength
    points = ax.scatter(
        *table[rows].iloc[:, :2].T.values, c=y[rows], marker=marker, label=strength, **drawn
    )
ax.legend(title="strength")
figure.colorbar(points, ax=ax, label="cultivar", ticks=range(3))
ax.set(title="Codes, beside a category", xlabel=table.columns[0], ylabel=table.columns[1])
plt.show()
