"""The figures that AdversarialAutoencoder is held to, medians over random_state 0, 1, 2.

    python examples/benchmarks/core_figures.py --data FOLDER [digits wine search mnist prior]

FOLDER holds mnist.npz, with arrays X_train, y_train, X_test, y_test of uint8 images; without it
the parts on MNIST are left out. Each line says what is measured, what came, and what is aimed at.
Settings are the defaults throughout, and held-out rows play no part in any of them.
"""

import argparse
import json
import time
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skaae import AdversarialAutoencoder
from skaae._device import new_generator
from skaae.metrics import (
    reconstruction_error,
    sliced_wasserstein_distance,
    two_sample_accuracy,
)
from skaae.priors import as_prior

SEEDS = (0, 1, 2)
RESULTS = []


def show(what, values, aim):
    value = float(np.median(values))
    spread = f"{min(values):.4g} to {max(values):.4g}"
    print(f"{what:58}{value:10.4f}   ({spread}; aim: {aim})", flush=True)
    RESULTS.append({"what": what, "values": [float(v) for v in values], "aim": aim})


def timed_fit(estimator, X):
    start = time.perf_counter()
    estimator.fit(X)
    return time.perf_counter() - start


def digits():
    X, y = load_digits(return_X_y=True)
    ratios, accuracies, seconds = [], [], []
    for seed in SEEDS:
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed)
        aae = AdversarialAutoencoder(8, random_state=seed)
        seconds.append(timed_fit(aae, X_train))
        pca = PCA(8).fit(X_train)
        ratios.append(reconstruction_error(aae, X_test) / reconstruction_error(pca, X_test))
        pipeline = Pipeline(
            [("aae", AdversarialAutoencoder(16, random_state=seed)), ("clf", SVC())]
        )
        accuracies.append(pipeline.fit(X_train, y_train).score(X_test, y_test))
    show("digits, 8 components: test error / that of PCA(8)", ratios, "at most 1")
    show("digits, 8 components: seconds to fit", seconds, "at most 10")
    show("digits: accuracy of Pipeline(AAE(16), SVC)", accuracies, "at least 0.97")


def wine():
    X, _ = load_wine(return_X_y=True)
    ratios = []
    for seed in SEEDS:
        X_train, X_test = train_test_split(X, test_size=0.25, random_state=seed)
        scaler = StandardScaler().fit(X_train)
        aae = AdversarialAutoencoder(5, random_state=seed).fit(X_train)
        restored = aae.inverse_transform(aae.transform(X_test))
        error = np.mean((scaler.transform(restored) - scaler.transform(X_test)) ** 2)
        pca = PCA(5).fit(scaler.transform(X_train))
        ratios.append(error / reconstruction_error(pca, scaler.transform(X_test)))
    show("wine, unscaled: standardised test error / that of PCA(5)", ratios, "at most 1")


def search():
    X, y = load_digits(return_X_y=True)
    grid = {
        "aae__n_components": [2, 8],
        "aae__prior": ["normal", "gaussian_mixture"],
        "aae__divergence": ["jensen_shannon", "mmd"],
    }
    pipeline = Pipeline([("aae", AdversarialAutoencoder(random_state=0)), ("clf", SVC())])
    start = time.perf_counter()
    result = GridSearchCV(pipeline, grid, cv=3, n_jobs=2, error_score="raise").fit(X, y)
    print(f"grid search on digits: {time.perf_counter() - start:.0f} s, {result.best_params_}")
    show("digits: best cross-validated accuracy of the search", [result.best_score_], "-")


def mnist(data):
    for n_components, aim in ((2, "at most 0.040"), (8, "at most 0.018")):
        errors, seconds, accuracies = [], [], []
        for seed in SEEDS:
            aae = AdversarialAutoencoder(n_components, random_state=seed)
            seconds.append(timed_fit(aae, data["X_train"]))
            errors.append(reconstruction_error(aae, data["X_test"]))
            neighbors = KNeighborsClassifier(10)
            neighbors.fit(aae.transform(data["X_train"]), data["y_train"])
            codes = aae.transform(data["X_test"])
            accuracies.append(neighbors.score(codes, data["y_test"]))
        name = f"MNIST, {n_components} components"
        show(f"{name}: test squared error", errors, aim)
        show(
            f"{name}: 10-NN accuracy of test codes",
            accuracies,
            "at least 0.75" if n_components == 2 else "-",
        )
        show(f"{name}: seconds to fit", seconds, "at most 60")


def distance(rows, others):
    return sliced_wasserstein_distance(rows, others, n_projections=64, random_state=0)


def prior(data, n_held_out=2500):
    # Drawn from one pool: MNIST's test rows were written by other people than its training rows,
    # and so was one stretch of these than another, and a two-sample test would see that.
    order = np.random.default_rng(0).permutation(len(data["X_train"]))
    X_train, X_test = data["X_train"][order[:10_000]], data["X_train"][order[10_000:20_000]]
    cases = [("normal", 2), ("uniform", 2), ("gaussian_mixture", 2), ("swiss_roll", 2)]
    for name, n_components in [*cases, ("normal", 8)]:
        accuracies, ratios, all_ratios = [], [], []
        for seed in SEEDS:
            aae = AdversarialAutoencoder(n_components, prior=name, random_state=seed)
            codes = aae.fit(X_train).transform(X_test).astype(np.float64)
            draws = [
                as_prior(name)
                .sample(len(codes), n_components, generator=new_generator(1000 + k))
                .double()
                .numpy()
                for k in range(8)
            ]
            scale = draws[0].std(axis=0)
            codes, *draws = (rows / scale for rows in (codes, *draws))
            accuracies.append(
                two_sample_accuracy(codes[:n_held_out], draws[0][:n_held_out], random_state=seed)
            )
            for size, collected in ((n_held_out, ratios), (len(codes), all_ratios)):
                # Averages: the distance of one pair of prior samples is itself a noisy number.
                ours = [distance(codes[:size], draw[:size]) for draw in draws]
                pairs = pairwise(draws)
                reference = [distance(one[:size], other[:size]) for one, other in pairs]
                collected.append(np.mean(ours) / np.mean(reference))
        what = f"prior {name}, {n_components}-D"
        show(f"{what}: classifier of {n_held_out} codes and draws", accuracies, "at most 0.55")
        show(f"{what}: distance / that of two prior samples", ratios, "at most 2")
        show(f"{what}: the same on {len(codes)} held-out rows", all_ratios, "-")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["digits", "wine", "search", "mnist", "prior"])
    parser.add_argument("--data", type=Path, help="folder with mnist.npz")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args()
    # Short of rows or far from a prior, fits warn; the figures below say the same in numbers.
    warnings.simplefilter("ignore", ConvergenceWarning)
    data = None
    if arguments.data is not None:
        with np.load(arguments.data / "mnist.npz", allow_pickle=False) as file:
            data = {
                name: file[name].reshape(len(file[name]), -1) / np.float32(255)
                if name.startswith("X")
                else file[name]
                for name in file.files
            }
    for part in arguments.parts:
        if part in ("mnist", "prior"):
            if data is None:
                print(f"{part}: left out, pass --data")
                continue
            globals()[part](data)
        else:
            globals()[part]()
    if arguments.json:
        arguments.json.write_text(json.dumps(RESULTS, indent=1) + "\n")


if __name__ == "__main__":
    main()
