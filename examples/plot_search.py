"""
Searching for settings
======================

Dimension, prior and a parameter of the divergence in one grid of a Pipeline, all of it and by
halving, with a scorer of our own: how well rows that the fit has not seen are restored. On the
breast cancer table of scikit-learn; seconds on one core.
"""

# %%
# A scorer
# --------
# Any function of a fitted estimator and rows is one. An error is negated, as scikit-learn
# maximises. It is taken behind the scaler, where columns have one unit. The distance of the codes
# from the prior is looked at beside it: a search by reconstruction alone may take codes that leave
# the prior.

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skaae import AdversarialAutoencoder
from skaae.divergences import MMD
from skaae.metrics import prior_match, reconstruction_error


def reconstruction(pipeline, X, y=None):
    """Return minus the squared error of scaled rows."""
    return -reconstruction_error(pipeline[-1], pipeline[:-1].transform(X))


def both(pipeline, X, y=None):
    """Return this and minus the distance of the codes from the prior."""
    match = prior_match(pipeline[-1], pipeline[:-1].transform(X), random_state=0)
    return {"reconstruction": reconstruction(pipeline, X), "prior": -match.distance}


X, _ = load_breast_cancer(return_X_y=True)
X_train, X_test = train_test_split(X, test_size=0.25, random_state=0)
aae = AdversarialAutoencoder(
    divergence=MMD(), hidden_layer_sizes=(64,), max_iter=10, random_state=0
)
pipeline = Pipeline([("scale", StandardScaler()), ("aae", aae)])

# %%
# The whole grid
# --------------
# ``aae__divergence__kernel`` is a parameter of the object that is a parameter of a step. Fits are
# short: long enough to compare settings, and they may miss the prior, of which they warn.

grid = {
    "aae__n_components": [4, 6],
    "aae__prior": ["normal", "uniform"],
    "aae__divergence__kernel": ["inverse_multiquadric", "rbf"],
}
whole = GridSearchCV(pipeline, grid, scoring=both, refit="reconstruction", cv=2)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    whole.fit(X_train)

# %%
# By halving
# ----------
# Epochs are a resource: all candidates get 5, the best third 15.

halving = HalvingGridSearchCV(
    pipeline,
    grid,
    scoring=reconstruction,
    cv=2,
    resource="aae__max_iter",
    min_resources=5,
    max_resources=15,
    random_state=0,
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    halving.fit(X_train)

# %%
# Rows that neither search has seen
# ---------------------------------
# Both are compared with the principal components that they could have been.

for name, search in {"grid": whole, "halving": halving}.items():
    results = search.cv_results_
    epochs = 2 * sum(params.get("aae__max_iter", 10) for params in results["params"])
    chosen = {key.removeprefix("aae__"): value for key, value in search.best_params_.items()}
    linear = Pipeline([("scale", StandardScaler()), ("pca", PCA(chosen["n_components"]))])
    error, error_of_pca = (
        -reconstruction(pipe, X_test) for pipe in (search.best_estimator_, linear.fit(X_train))
    )
    print(f"{name}, {epochs} epochs: {chosen}")
    print(f"    error of new rows {error:.3f}, of as many principal components {error_of_pca:.3f}")
    assert error < error_of_pca

# %%
# What the grid tells
# -------------------

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
results = whole.cv_results_
for n_components, marker in zip(grid["aae__n_components"], "os"):
    for prior, color in zip(grid["aae__prior"], ("tab:blue", "tab:orange")):
        chosen = [
            index
            for index, params in enumerate(results["params"])
            if (params["aae__n_components"], params["aae__prior"]) == (n_components, prior)
        ]
        axes[0].scatter(
            -results["mean_test_reconstruction"][chosen],
            -results["mean_test_prior"][chosen],
            marker=marker,
            color=color,
            label=f"{n_components} components, {prior}",
        )
axes[0].legend(fontsize="small")
axes[0].set(
    title="The whole grid, a point a candidate",
    xlabel="squared error of held-out rows",
    ylabel="distance of their codes from the prior",
)

results = halving.cv_results_
lines = {}
for params, epochs, score in zip(
    results["params"], results["n_resources"], results["mean_test_score"]
):
    key = tuple(value for name, value in params.items() if name != "aae__max_iter")
    lines.setdefault(key, []).append((epochs, -score))
for line in lines.values():
    axes[1].plot(*zip(*line), marker="o", color="tab:blue", alpha=0.6)
axes[1].set(
    title="Halving, a line a candidate",
    xlabel="epochs",
    ylabel="squared error of held-out rows",
    xticks=sorted(set(results["n_resources"])),
)
plt.show()
