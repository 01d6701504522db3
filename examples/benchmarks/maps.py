"""A map of MNIST by skaae and by UMAP, in turns: who keeps neighbours, and what it takes.

    python examples/benchmarks/maps.py --data mnist.npz

Everything is measured on test rows that no fit has seen: the share whose class ten neighbours among
the training rows' codes tell, trustworthiness of 5,000 of them, and, where the reducer has it, the
squared error, how far codes are from the prior over how far two samples of it are, and how often a
classifier tells codes from draws of the prior. UMAP's way back takes minutes for 1,000 codes and is
left out.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from report import Report
from rivals import umap
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier

from skaae import AdversarialAutoencoder
from skaae.metrics import prior_match, reconstruction_error, two_sample_accuracy

N_LOOKED_AT = 5_000


def three_layers(seed):
    return AdversarialAutoencoder(
        2, neighbors_weight=1.0, hidden_layer_sizes=(512, 512, 512), random_state=seed
    )


REDUCERS = {
    "skaae, neighbors_weight=1": lambda seed: AdversarialAutoencoder(
        2, neighbors_weight=1.0, random_state=seed
    ),
    "the same, three hidden layers": three_layers,
    "UMAP": lambda seed: umap(2, seed),
}


def timed(function, *args):
    start = time.perf_counter()
    answer = function(*args)
    return answer, time.perf_counter() - start


def measured(reducer, X, y, X_test, y_test):
    """Return figures of a reducer by name."""
    found = {}
    _, found["seconds of fit"] = timed(reducer.fit, X)
    codes, found[f"seconds to map {len(X_test):,} new rows"] = timed(reducer.transform, X_test)
    reader = KNeighborsClassifier(10).fit(reducer.transform(X), y)
    found["class told by ten neighbours"] = reader.score(codes, y_test)
    # Drawn at random: the halves of MNIST's test rows were written by different people.
    few = np.random.default_rng(0).permutation(len(X_test))[:N_LOOKED_AT]
    found["trustworthiness"] = trustworthiness(X_test[few], codes[few], n_neighbors=10)
    if isinstance(reducer, AdversarialAutoencoder):
        _, found["seconds to map 1,000 codes back"] = timed(
            reducer.inverse_transform, codes[:1_000]
        )
        found["squared error"] = reconstruction_error(reducer, X_test)
        draws = np.random.default_rng(0).normal(size=codes.shape)
        found["codes told from the prior"] = two_sample_accuracy(codes, draws, random_state=0)
        found["distance from the prior"] = prior_match(reducer, X_test, random_state=0).ratio
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="mnist.npz")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(REDUCERS))
    args = parser.parse_args()
    with np.load(args.data) as data:
        X, X_test = (
            data[f"X_{part}"].reshape(-1, 784) / np.float32(255) for part in ("train", "test")
        )
        y, y_test = data["y_train"], data["y_test"]
    report, figures = Report("maps"), {}
    for seed in range(args.seeds):
        for name in args.only:
            with warnings.catch_warnings():  # other packages warn as they like
                for category in (FutureWarning, UserWarning) if name == "UMAP" else ():
                    warnings.simplefilter("ignore", category)
                found = measured(REDUCERS[name](seed), X, y, X_test, y_test)
            for what, value in found.items():
                figures.setdefault(f"{name}: {what}", []).append(value)
                report.add(f"{name}: {what}", figures[f"{name}: {what}"])


if __name__ == "__main__":
    main()
