"""Twenty seeds of the clusterer on digits and on 10,000 rows of MNIST: does it ever collapse?

    python examples/paper/stability.py --data mnist.npz --quick

Ten clusters for ten digits. A cluster is alive with at least a hundredth of an equal part of the
rows; how small the smallest came out stands beside it. The accuracy is that under the best
one-to-one map from clusters to digits, on the rows clustered: labels are used for nothing else.
"""

import warnings

import numpy as np
from common import Record, arguments, chosen, smallest_share, timed
from data import load_images
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from skaae import AdversarialAutoencoderClusterer
from skaae.metrics import hungarian_accuracy

N_CLUSTERS = 10
N_ROWS = 10_000


def main():
    args = arguments(__doc__, n_seeds=20)
    images = load_images(args.data)
    record = Record("stability", args, images)
    sets = {
        "digits, 1,797 rows": (*load_digits(return_X_y=True), {}),
        f"MNIST, {N_ROWS:,} rows": (
            images.X_train[:N_ROWS],
            images.y_train[:N_ROWS],
            {"max_iter": 25} if args.quick else {},  # by default 200
        ),
    }
    for name in chosen(args, sets):
        X, y, settings = sets[name]
        accuracies, alive, smallest, warned, seconds = [], [], [], [], []
        for seed in range(args.seeds):
            model = AdversarialAutoencoderClusterer(N_CLUSTERS, random_state=seed, **settings)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", ConvergenceWarning)
                seconds.append(timed(lambda model=model, X=X: model.fit(X))[1])
            warned.append(sum("clusters have" in str(each.message) for each in caught))
            counts = np.bincount(model.labels_, minlength=N_CLUSTERS)
            alive.append(np.sum(counts >= 0.01 * len(X) / N_CLUSTERS))
            smallest.append(smallest_share(model.labels_, N_CLUSTERS))
            accuracies.append(100.0 * hungarian_accuracy(y, model.labels_))
            print(f"{name}, seed {seed}: {alive[-1]} alive, {accuracies[-1]:.1f} %", flush=True)
        data = [name, len(X), 0]
        record.add(
            f"{name}: accuracy",
            accuracies,
            unit="%",
            data=data,
            seconds=seconds,
            model=model,
        )
        record.add(f"{name}: clusters alive, of {N_CLUSTERS}", alive, data=data)
        record.add(f"{name}: smallest cluster, of an equal part", smallest, unit="%", data=data)
        record.add(f"{name}: warnings of dead clusters", warned, data=data)


if __name__ == "__main__":
    main()
