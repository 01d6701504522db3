"""Seconds of a map in the plane and how good it is: skaae by epochs, beside other reducers.

    python examples/benchmarks/time_to_quality.py --data mnist.npz

Quality is measured on test rows that no fit has seen: the share whose class ten neighbours among
the training rows' codes tell, and, where there is a way back, the squared error. ``umap-learn``,
``openTSNE`` and ``pacmap`` are left out where they are not installed.
"""

import argparse
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from report import Report
from rivals import TSNE, PaCMAP, umap
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier

from skaae import AdversarialAutoencoder

EPOCHS = (1, 3, 9, 18)


def reducers():
    for n in EPOCHS:
        name = f"skaae, {n} epoch{'s' if n > 1 else ''}"
        yield name, lambda n=n: AdversarialAutoencoder(2, max_iter=n, random_state=0)
    yield (
        "skaae, neighbors_weight=1",
        lambda: AdversarialAutoencoder(2, neighbors_weight=1.0, random_state=0),
    )
    yield "PCA", lambda: PCA(2, random_state=0)
    for name, package, build in (
        ("PaCMAP", "pacmap", PaCMAP),
        ("UMAP", "umap", umap),
        ("openTSNE", "openTSNE", TSNE),
    ):
        if find_spec(package):
            yield name, build


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="mnist.npz")
    parser.add_argument("--rows", type=int, default=60_000)
    args = parser.parse_args()
    with np.load(args.data) as data:
        X, X_test = (
            data[f"X_{part}"].reshape(-1, 784)[: args.rows] / np.float32(255)
            for part in ("train", "test")
        )
        y, y_test = data["y_train"][: args.rows], data["y_test"][: args.rows]
    report = Report("time_to_quality")
    for name, build in reducers():
        with warnings.catch_warnings():  # one epoch is no fit; other packages warn as they like
            warnings.simplefilter("ignore", ConvergenceWarning)
            for category in (FutureWarning, UserWarning):
                warnings.simplefilter("ignore", category)
            start = time.perf_counter()
            reducer = build().fit(X)
            fitted = time.perf_counter()
            codes = reducer.transform(X_test)
            mapped = time.perf_counter()
            neighbors = KNeighborsClassifier(10).fit(reducer.transform(X), y)
        report.add(f"{name}: seconds of fit", [fitted - start])
        report.add(f"{name}: seconds to map {len(X_test):,} new rows", [mapped - fitted])
        report.add(f"{name}: class told by ten neighbours", [neighbors.score(codes, y_test)])
        if isinstance(reducer, (PCA, AdversarialAutoencoder)):
            error = np.mean((reducer.inverse_transform(codes) - X_test) ** 2)
            report.add(f"{name}: squared error", [error])


if __name__ == "__main__":
    main()
