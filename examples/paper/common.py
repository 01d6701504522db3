"""What the scripts of this folder share: data, arguments, and a record of what was run."""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import sklearn
import torch

import skaae

RESULTS = Path(__file__).parents[2] / "docs" / "results"
N_VALIDATION = 10_000


def arguments(description, n_seeds=3):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data", type=Path, help="mnist.npz (X_train, y_train, X_test, y_test); else fetch_openml"
    )
    parser.add_argument("--quick", action="store_true", help="minutes on two cores")
    parser.add_argument("--seeds", type=int, default=n_seeds)
    parser.add_argument("--only", nargs="*", help="names of the rows to run")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def load_mnist(path):
    """Return rows in [0, 1] as float32, and labels: training and test."""
    if path is None:
        from sklearn.datasets import fetch_openml

        X, y = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
        X, y = X.reshape(-1, 784), y.astype(np.int64)
        parts = X[:60_000], y[:60_000], X[60_000:], y[60_000:]
    else:
        with np.load(path, allow_pickle=False) as data:
            parts = [data[name] for name in ("X_train", "y_train", "X_test", "y_test")]
    X_train, y_train, X_test, y_test = parts
    rows = (part.reshape(-1, 784) / np.float32(255) for part in (X_train, X_test))
    X_train, X_test = rows
    return X_train, y_train.astype(np.int64), X_test, y_test.astype(np.int64)


def with_few_labels(y, n_labels, seed):
    """Return `y` with -1 everywhere but for `n_labels` rows, as many of each class."""
    if n_labels >= len(y):
        return y
    order = np.random.default_rng(seed).permutation(len(y))
    kept = [order[y[order] == label][: n_labels // 10] for label in range(10)]
    few = np.full_like(y, -1)
    few[np.concatenate(kept)] = y[np.concatenate(kept)]
    return few


class Record:
    """Figures of a script, printed as they come and kept as JSON with what they came from."""

    def __init__(self, name, args):
        self.path = args.out / f"{name}{'_quick' if args.quick else ''}.json"
        self.rows = json.loads(self.path.read_text())["rows"] if self.path.exists() else {}

    def add(self, name, values, *, paper=None, unit="", seconds=None, settings=None):
        values = [float(value) for value in values]
        print(
            f"{name:45} {np.mean(values):9.3f} {unit} (each: "
            + ", ".join(f"{value:.3f}" for value in values)
            + (f"; paper: {paper})" if paper is not None else ")"),
            flush=True,
        )
        self.rows[name] = {
            "values": values,
            "unit": unit,
            "paper": paper,
            "seconds_per_fit": seconds,
            "settings": settings,
            "seeds": list(range(len(values))),
            "versions": {
                "skaae": skaae.__version__,
                "torch": torch.__version__,
                "scikit-learn": sklearn.__version__,
            },
            "hardware": {
                "processor": platform.machine(),
                "cores": os.cpu_count(),
                "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            },
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"rows": self.rows}, indent=1) + "\n")


def timed(function):
    """Return the result of `function` and the seconds that it took."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start
