"""Section 5: test error of the classifier with few labels, of MNIST or of SVHN.

    python examples/paper/semi_supervised.py --data mnist.npz --quick
    python examples/paper/semi_supervised.py --data FOLDER  # train_32x32.mat, test_32x32.mat

The labels drawn differ from seed to seed, as many of each class. Settings were chosen on the last
10,000 training rows; test rows are looked at once, here. Quick runs have dense layers, as the paper
has; full ones convolutions too, and images moved by up to two pixels.
"""

from itertools import product

import numpy as np
from common import Record, arguments, chosen, timed, with_few_labels
from data import load_images

from skaae import AdversarialAutoencoderClassifier
from skaae.networks import ConvolutionalEncoder

# Labels, and the paper's errors.
ROWS = {
    "100 labels": (100, {"mnist": 1.90}),
    "1000 labels": (1000, {"mnist": 1.60, "svhn": 17.70}),
    "all labels": (None, {"mnist": 0.85}),
}
# Full runs: the defaults, convolutions, and convolutions that see images moved at random.
MOVED = ConvolutionalEncoder(channels=(32, 64, 128, 128), batch_norm=True, max_shift=2)
NETWORKS = {
    "": {},
    ", convolutions": {"encoder": "convolutional", "max_iter": 20},
    ", convolutions, moved": {"encoder": MOVED, "max_iter": 30},
}


def main():
    args = arguments(__doc__)
    images = load_images(args.data)
    record = Record("semi_supervised", args, images)
    kinds = {"": {"max_iter": 12}} if args.quick else NETWORKS
    runs = {f"{row}{kind}": (*ROWS[row], kinds[kind]) for row, kind in product(ROWS, kinds)}
    for name in chosen(args, runs):
        n_labels, paper, settings = runs[name]
        n_labels = n_labels or len(images.y_train)
        errors, seconds = [], []
        for seed in range(args.seeds):
            model = AdversarialAutoencoderClassifier(random_state=seed, **settings)
            few = with_few_labels(images.y_train, n_labels, seed)
            _, spent = timed(lambda model=model, few=few: model.fit(images.X_train, few))
            errors.append(100.0 * np.mean(model.predict(images.X_test) != images.y_test))
            seconds.append(spent)
        record.add(name, errors, paper=paper, unit="%", seconds=seconds, model=model)


if __name__ == "__main__":
    main()
