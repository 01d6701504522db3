"""Seconds of a grid search on digits by n_jobs and backend: 8 candidates, 3 folds.

python examples/benchmarks/search_scaling.py
"""

import argparse
import time

from joblib import parallel_config
from report import Report
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from skaae import AdversarialAutoencoder

GRID = {"aae__n_components": [4, 8, 12, 16], "aae__input_noise": [0.3, 0.6]}
NETWORKS = {"default networks": (512, 512), "networks of 128-128": (128, 128)}


def seconds(hidden_layer_sizes, n_jobs, backend):
    X, y = load_digits(return_X_y=True)
    aae = AdversarialAutoencoder(hidden_layer_sizes=hidden_layer_sizes, random_state=0)
    search = GridSearchCV(Pipeline([("aae", aae), ("clf", SVC())]), GRID, cv=3)
    with parallel_config(backend=backend, n_jobs=n_jobs):
        start = time.perf_counter()
        search.fit(X, y)
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=2)
    args = parser.parse_args()
    report = Report("search_scaling")
    for name, sizes in NETWORKS.items():
        found = {}
        for _ in range(args.turns):
            for n_jobs, backend in ((1, "loky"), (2, "loky"), (2, "threading")):
                found.setdefault((n_jobs, backend), []).append(seconds(sizes, n_jobs, backend))
        alone = found.pop((1, "loky"))
        report.add(f"{name}: n_jobs=1, seconds", alone)
        for (n_jobs, backend), values in found.items():
            ratios = [a / b for a, b in zip(alone, values)]
            report.add(f"{name}: n_jobs={n_jobs}, {backend}, times as fast", ratios)


if __name__ == "__main__":
    main()
