"""Section 6: test error of the clusterer on MNIST, with 16 and 30 clusters.

    python examples/paper/clustering.py --data mnist.npz --quick

The paper's error: a cluster takes the label of its surest validation row, here of the last 10,000
training rows, whose labels are used for nothing else. Beside it, with ten clusters, the accuracy
under the best one-to-one map, which other methods report.
"""

import numpy as np
from common import N_VALIDATION, Record, arguments, load_mnist, timed

from skaae import AdversarialAutoencoderClusterer
from skaae.metrics import cluster_error, hungarian_accuracy

ROWS = {"16 clusters": (16, 9.55), "30 clusters": (30, 4.10), "10 clusters": (10, None)}


def main():
    args = arguments(__doc__)
    X_train, y_train, X_test, y_test = load_mnist(args.data)
    record = Record("clustering", args)
    settings = {"max_iter": 12 if args.quick else 200}
    for name, (n_clusters, paper) in ROWS.items():
        if args.only and name not in args.only:
            continue
        errors, accuracies, alive, seconds = [], [], [], []
        for seed in range(args.seeds):
            model = AdversarialAutoencoderClusterer(n_clusters, random_state=seed, **settings)
            _, spent = timed(lambda model=model: model.fit(X_train))
            seconds.append(spent)
            probabilities = model.predict_proba(X_test)
            errors.append(
                100.0
                * cluster_error(
                    y_test,
                    probabilities,
                    y_reference=y_train[-N_VALIDATION:],
                    probabilities_reference=model.predict_proba(X_train[-N_VALIDATION:]),
                )
            )
            accuracies.append(100.0 * hungarian_accuracy(y_test, probabilities.argmax(axis=1)))
            alive.append(len(np.unique(model.labels_)))
        record.add(name, errors, paper=paper, unit="%", seconds=seconds, settings=settings)
        record.add(f"{name}: clusters in use", alive)
        if n_clusters == 10:
            record.add(f"{name}: Hungarian accuracy", accuracies, unit="%")


if __name__ == "__main__":
    main()
