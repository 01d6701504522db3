"""Section 6: test error of the clusterer on MNIST, with 16 and 30 clusters.

    python examples/paper/clustering.py --data mnist.npz --quick

The paper's error: a cluster takes the label of its surest validation row, here of the last 10,000
training rows, whose labels are used for nothing else. Beside it, with ten clusters, the accuracy
under the best one-to-one map, which other methods report. The figure shows 16 clusters of the first
seed: a line a cluster, its head first and then test rows from the surest to the least sure.
"""

import numpy as np
from common import Record, arguments, chosen, cluster_error_of, smallest_share, timed
from data import load_images

from skaae import AdversarialAutoencoderClusterer
from skaae.metrics import hungarian_accuracy

ROWS = {
    "16 clusters": (16, {"mnist": 9.55}),
    "30 clusters": (30, {"mnist": 4.10}),
    "10 clusters": (10, None),
}


def draw_clusters(model, X, shape):
    """Draw a line a cluster: its head, then test rows at even steps of the model's certainty."""
    import matplotlib.pyplot as plt

    probabilities, lines = model.predict_proba(X), []
    for cluster, head in enumerate(model.cluster_centers_):
        rows = np.flatnonzero(probabilities.argmax(axis=1) == cluster)
        rows = rows[np.argsort(-probabilities[rows, cluster], kind="stable")]
        steps = np.linspace(0, len(rows) - 1, 15).astype(int) if len(rows) else []
        tiles = [head, *X[rows[steps]], *np.zeros((15 - len(steps), X.shape[1]))]
        lines.append(np.concatenate([tile.reshape(shape) for tile in tiles], axis=1))
    figure, ax = plt.subplots(figsize=(6, 6 * len(lines) / 16), layout="constrained")
    ax.imshow(np.concatenate(lines).clip(0, 1), cmap="gray_r")
    ax.axvline(shape[1] - 0.5, color="tab:blue")
    ax.set_axis_off()
    plt.close(figure)
    return figure


def main():
    args = arguments(__doc__)
    images = load_images(args.data)
    record = Record("clustering", args, images)
    settings = {"max_iter": 12} if args.quick else {}
    for name in chosen(args, ROWS):
        n_clusters, paper = ROWS[name]
        errors, accuracies, smallest, seconds = [], [], [], []
        for seed in range(args.seeds):
            model = AdversarialAutoencoderClusterer(n_clusters, random_state=seed, **settings)
            _, spent = timed(lambda model=model: model.fit(images.X_train))
            seconds.append(spent)
            errors.append(100.0 * cluster_error_of(model, images))
            accuracies.append(
                100.0 * hungarian_accuracy(images.y_test, model.predict(images.X_test))
            )
            smallest.append(smallest_share(model.labels_, n_clusters))
            if seed == 0 and n_clusters == 16:
                record.picture(draw_clusters(model, images.X_test, images.shape))
        record.add(name, errors, paper=paper, unit="%", seconds=seconds, model=model)
        record.add(f"{name}: smallest cluster, of an equal part", smallest, unit="%")
        if n_clusters == 10:
            record.add(f"{name}: Hungarian accuracy", accuracies, unit="%")


if __name__ == "__main__":
    main()
