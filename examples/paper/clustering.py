"""Section 6: test error of the clusterer on MNIST, with 16 and 30 clusters.

    python examples/paper/clustering.py --data mnist.npz --quick

The paper's error: a cluster takes the label of its surest validation row, here of the last 10,000
training rows, whose labels are used for nothing else. Beside it, with ten clusters, the accuracy
under the best one-to-one map, which other methods report.
"""

import numpy as np
from common import Record, arguments, chosen, cluster_error_of, timed
from data import load_images

from skaae import AdversarialAutoencoderClusterer
from skaae.metrics import hungarian_accuracy

ROWS = {
    "16 clusters": (16, {"mnist": 9.55}),
    "30 clusters": (30, {"mnist": 4.10}),
    "10 clusters": (10, None),
}


def main():
    args = arguments(__doc__)
    images = load_images(args.data)
    record = Record("clustering", args, images)
    settings = {"max_iter": 12} if args.quick else {}
    for name in chosen(args, ROWS):
        n_clusters, paper = ROWS[name]
        errors, accuracies, alive, seconds = [], [], [], []
        for seed in range(args.seeds):
            model = AdversarialAutoencoderClusterer(n_clusters, random_state=seed, **settings)
            _, spent = timed(lambda model=model: model.fit(images.X_train))
            seconds.append(spent)
            errors.append(100.0 * cluster_error_of(model, images))
            accuracies.append(
                100.0 * hungarian_accuracy(images.y_test, model.predict(images.X_test))
            )
            alive.append(len(np.unique(model.labels_)))
        record.add(name, errors, paper=paper, unit="%", seconds=seconds, model=model)
        record.add(f"{name}: clusters in use", alive)
        if n_clusters == 10:
            record.add(f"{name}: Hungarian accuracy", accuracies, unit="%")


if __name__ == "__main__":
    main()
