"""Hundreds of fits, and a million rows in small pieces, in one process: what grows.

python examples/benchmarks/soak.py        (needs psutil)

Resident memory, threads and open files after the tenth fit and after the last, of all estimators
in turn, each of which is asked, pickled and let go; then of ``partial_fit``, whose rows drift by
two standard deviations on their way, beside the reconstruction error of the last rows before and
after they were learnt. The script fails where memory has grown by more than 2 %.
"""

import argparse
import gc
import os
import pickle
import tempfile
import warnings

import numpy as np
import psutil
import torch
from report import Report
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning

from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
    ImplicitGenerativeModel,
)
from skaae.checkpoints import resumable

SMALL = {"n_components": 2, "hidden_layer_sizes": (32,), "max_iter": 3, "random_state": 0}
ESTIMATORS = [
    AdversarialAutoencoder(**SMALL),
    ConditionalAdversarialAutoencoder(**SMALL),
    AdversarialAutoencoderClassifier(**SMALL),
    AdversarialAutoencoderClusterer(3, **SMALL),
    ImplicitGenerativeModel(**SMALL),
]
MEASURED = {
    "resident memory, MB": lambda process: process.memory_info().rss / 2**20,
    "threads": lambda process: process.num_threads(),
    "open files": lambda process: process.num_fds() if os.name == "posix" else 0,
}


def held():
    """Return what the process holds now."""
    gc.collect()
    process = psutil.Process()
    return {what: measure(process) for what, measure in MEASURED.items()}


def fit_many(n_fits, folder):
    """Return what is held after the tenth fit and after the last."""
    X, y = load_wine(return_X_y=True)
    for k in range(n_fits):
        model = clone(ESTIMATORS[k % len(ESTIMATORS)])
        with resumable(folder, every=0.0):
            model.fit(X, y)
        model.sample(100, random_state=0)
        if hasattr(model, "transform"):
            model.transform(X)
        pickle.loads(pickle.dumps(model))
        del model
        if k == 9:
            early = held()
    return early, held()


def learn_in_pieces(n_rows, size):
    """Return what is held after the first pieces and after the last, and two errors."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 10))

    def piece(k):
        drift = 2.0 * k / n_pieces
        codes = drift + rng.normal(size=(size, 3))
        return codes @ mixing + 0.1 * rng.normal(size=(size, 10))

    n_pieces = n_rows // size
    model = AdversarialAutoencoder(3, hidden_layer_sizes=(32,), random_state=0)
    model.partial_fit(piece(0))
    for k in range(1, n_pieces):
        if k == n_pieces // 10:
            early, before = held(), model.score(piece(n_pieces))
        model.partial_fit(piece(k))
    return early, held(), (-before, -model.score(piece(n_pieces)))


def report_growth(report, what, early, late):
    """Report what was held; return whether memory has grown by more than 2 %."""
    for name, first in early.items():
        report.add(f"{what}: {name}, early", [first])
        report.add(f"{what}: {name}, last", [late[name]])
    return late["resident memory, MB"] > 1.02 * early["resident memory, MB"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=300)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--piece", type=int, default=500)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    torch.set_num_threads(1)
    report = Report("soak")
    with tempfile.TemporaryDirectory() as folder:
        grows = [report_growth(report, f"{args.fits} fits", *fit_many(args.fits, folder))]
    early, late, (before, after) = learn_in_pieces(args.rows, args.piece)
    what = f"{args.rows:,} rows by {args.piece}"
    grows.append(report_growth(report, what, early, late))
    report.add(f"{what}: error of the last rows before they were learnt", [before])
    report.add(f"{what}: error of the last rows at the end", [after])
    if any(grows) or after > before:
        raise SystemExit("Memory has grown by more than 2 %, or the last rows are not learnt.")


if __name__ == "__main__":
    main()
