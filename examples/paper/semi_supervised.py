"""Section 5: test error of the classifier with 100, 1000 and all labels of MNIST.

    python examples/paper/semi_supervised.py --data mnist.npz --quick

The labels drawn differ from seed to seed, as many of each class. Settings are the defaults, which
were chosen on the last 10,000 training rows; test rows are looked at once, here.
"""

import numpy as np
from common import Record, arguments, load_mnist, timed, with_few_labels

from skaae import AdversarialAutoencoderClassifier

ROWS = {"100 labels": (100, 1.90), "1000 labels": (1000, 1.60), "all labels": (60_000, 0.85)}


def main():
    args = arguments(__doc__)
    X_train, y_train, X_test, y_test = load_mnist(args.data)
    record = Record("semi_supervised", args)
    settings = {"max_iter": 12 if args.quick else 200}
    for name, (n_labels, paper) in ROWS.items():
        if args.only and name not in args.only:
            continue
        errors, seconds = [], []
        for seed in range(args.seeds):
            model = AdversarialAutoencoderClassifier(random_state=seed, **settings)
            few = with_few_labels(y_train, n_labels, seed)
            _, spent = timed(lambda model=model, few=few: model.fit(X_train, few))
            errors.append(100.0 * np.mean(model.predict(X_test) != y_test))
            seconds.append(spent)
        record.add(name, errors, paper=paper, unit="%", seconds=seconds, settings=settings)


if __name__ == "__main__":
    main()
